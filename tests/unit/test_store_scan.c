/* The reader of pages beside SQLite: the same rows in the same order, whatever the size of the pages and however long
 * the values; and of damaged pages an error, never rows that are fewer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "store/scan.h"
#include "store/stream.h"
#include "store_synthetic.h"

static char folder[] = "/tmp/cgr-scan-XXXXXX", path[300];

/* Integers of all widths and signs, NULL, text from nothing to many pages, keys whose rows stand in interior pages. */
#define FILL                                                                                                           \
	"CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c BLOB);"                                               \
	"CREATE TABLE k(key TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID;"                                                      \
	"WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 2999)"                                   \
	" INSERT INTO t SELECT i * 3 - 500, CASE i % 5 WHEN 4 THEN NULL ELSE ((i % 2) * 2 - 1) * (1 << (i % 62)) END,"     \
	" CASE i % 7 WHEN 6 THEN NULL ELSE substr(hex(zeroblob(3000)), 1, CASE i % 97 WHEN 0 THEN 5000 ELSE i % 90 END)"   \
	" END, zeroblob(i % 50 * (i % 50)) FROM n;"                                                                        \
	"INSERT INTO k SELECT 'key ' || id, substr(hex(zeroblob(2000)), 1, abs(id) % 1500) FROM t WHERE id % 2 = 0;"

static void make(int page_bytes)
{
	char *sql = cgr_printf("PRAGMA page_size=%d; %s", page_bytes, FILL);
	sqlite3 *db;

	(void)unlink(path);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	free(sql);
}

static uint32_t root_of(const char *name)
{
	char *sql = cgr_printf("SELECT rootpage FROM sqlite_schema WHERE name = '%s'", name);
	sqlite3_stmt *s;
	sqlite3 *db;
	uint32_t root;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	root = (uint32_t)sqlite3_column_int64(s, 0);
	(void)sqlite3_finalize(s);
	(void)sqlite3_close(db);
	free(sql);
	return root;
}

static void same_text(struct cgr_scan *scan, unsigned column, sqlite3_stmt *s)
{
	size_t length;
	const char *text = cgr_scan_text(scan, column, &length),
	           *wanted = (const char *)sqlite3_column_text(s, (int)column);

	assert_int_equal(text == NULL, wanted == NULL);
	assert_int_equal(length, (size_t)sqlite3_column_bytes(s, (int)column));
	if (text != NULL)
		assert_memory_equal(text, wanted, length);
}

static void same_blob(const struct cgr_scan *scan, sqlite3_stmt *s)
{
	uint64_t size;
	struct cgr_spill spill = cgr_scan_spill(scan, 3, &size);
	struct cgr_error err = { 0 };
	uint8_t *bytes = malloc(size + 1);

	assert_int_equal(size, (uint64_t)sqlite3_column_bytes(s, 3));
	assert_int_equal(cgr_spill_read(scan->file, &spill, bytes, size, &err), 0);
	if (size > 0)
		assert_memory_equal(bytes, sqlite3_column_blob(s, 3), size);
	free(bytes);
}

static void same_rows(const char *table, const char *sql, bool by_key)
{
	uint32_t root = root_of(table);
	struct cgr_error err = { 0 };
	struct cgr_dbfile file;
	struct cgr_scan scan;
	sqlite3_stmt *s;
	sqlite3 *db;
	int rc;

	assert_int_equal(cgr_dbfile_open(&file, path, &err), 0);
	cgr_scan_init(&scan, &file);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(cgr_scan_start(&scan, root, by_key, &err), 0);
	while ((rc = cgr_scan_next(&scan, by_key ? 2 : 3, &err)) == 1) {
		assert_int_equal(sqlite3_step(s), SQLITE_ROW);
		if (by_key) {
			same_text(&scan, 0, s);
			same_text(&scan, 1, s);
		} else {
			assert_int_equal(scan.id, sqlite3_column_int64(s, 0));
			assert_true(cgr_scan_is_null(&scan, 0));
			assert_int_equal(cgr_scan_is_null(&scan, 1), sqlite3_column_type(s, 1) == SQLITE_NULL);
			assert_int_equal(cgr_scan_integer(&scan, 1), sqlite3_column_int64(s, 1));
			same_text(&scan, 2, s);
			same_blob(&scan, s);
		}
		assert_false(scan.wrong);
	}
	assert_int_equal(rc, 0);
	assert_int_equal(sqlite3_step(s), SQLITE_DONE);
	(void)sqlite3_finalize(s);
	(void)sqlite3_close(db);
	cgr_scan_fini(&scan);
	cgr_dbfile_close(&file);
}

static void reads_as_sqlite(void **state)
{
	static const int page_bytes[] = { 512, 1024, 4096, 16384, 65536 };

	(void)state;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(page_bytes); i++) {
		make(page_bytes[i]);
		same_rows("t", "SELECT * FROM t ORDER BY id", false);
		same_rows("k", "SELECT * FROM k ORDER BY key", true);
	}
}

/* All rows with all their bytes, or an error. */
static int read_all(uint32_t root, bool by_key, size_t *ret_rows)
{
	struct cgr_error err = { 0 };
	struct cgr_dbfile file;
	struct cgr_scan scan;
	size_t length;
	int rc = cgr_dbfile_open(&file, path, &err);

	*ret_rows = 0;
	if (rc < 0)
		return rc;
	cgr_scan_init(&scan, &file);
	rc = cgr_scan_start(&scan, root, by_key, &err);
	while (rc >= 0 && (rc = cgr_scan_next(&scan, CGR_SCAN_COLUMNS, &err)) == 1) {
		(void)cgr_scan_integer(&scan, 1);
		(void)cgr_scan_text(&scan, 2, &length);
		(*ret_rows)++;
	}
	cgr_scan_fini(&scan);
	cgr_dbfile_close(&file);
	return rc;
}

static void put(long at, const uint8_t *bytes, size_t count)
{
	FILE *file = fopen(path, "rb+");

	assert_non_null(file);
	assert_int_equal(fseek(file, at, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
}

static void damage_is_told(void **state)
{
	uint32_t root;
	size_t rows;
	uint8_t word[4];

	(void)state;
	make(512);
	root = root_of("t");
	assert_int_equal(read_all(root, false, &rows), 0);
	assert_int_equal(rows, 3000);
	assert_true(read_all(root, true, &rows) < 0); /* not a table WITHOUT ROWID */
	assert_true(read_all(1u << 30, false, &rows) < 0);
	/* the last child of the root is the root: round and round */
	for (unsigned i = 0; i < 4; i++)
		word[i] = (uint8_t)(root >> (24 - 8 * i));
	put((long)(root - 1) * 512 + 8, word, sizeof(word));
	assert_true(read_all(root, false, &rows) < 0);
	make(512);
	assert_int_equal(truncate(path, 512 * 700), 0);
	assert_true(read_all(root, false, &rows) < 0);
	make(512);
	put(56, (const uint8_t[]){ 0, 0, 0, 2 }, 4); /* UTF-16 */
	assert_true(read_all(root, false, &rows) < 0);
}

/* Changed bytes: an error or other values, but no crash and no row too many. */
static void changed_bytes_are_harmless(void **state)
{
	struct cgr_rng rng;
	uint32_t root, keys;
	size_t rows;

	(void)state;
	cgr_rng_init(&rng, 1);
	make(512);
	root = root_of("t");
	keys = root_of("k");
	for (unsigned i = 0; i < 400; i++) {
		uint8_t byte = (uint8_t)cgr_rng_below(&rng, 256);

		if (i % 40 == 0)
			make(512);
		put((long)cgr_rng_below(&rng, 512ull * 1500), &byte, 1);
		(void)read_all(root, false, &rows);
		(void)read_all(keys, true, &rows);
	}
}

static uint64_t hash_stream(const struct cgr_store *store)
{
	struct cgr_stream *stream = NULL;
	struct cgr_error err = { 0 };
	const struct cgr_event *events;
	uint64_t hash = 0;
	size_t count;

	assert_int_equal(cgr_stream_open(store, 0, 0, &stream, &err), 0);
	while (cgr_stream_next(stream, &events, &count, &err) == 1)
		for (size_t i = 0; i < count; i++)
			hash = (hash ^ events[i].ts_ns ^ events[i].a ^ events[i].c) * 0x100000001b3u;
	(void)cgr_stream_free(stream);
	return hash;
}

/* Whoever runs VACUUM lays the pages out anew; the store stays the same store. */
static void vacuumed_store(void **state)
{
	struct cgr_error err = { 0 };
	struct cgr_writer *w = NULL;
	struct cgr_store *store;
	struct synthetic s;
	size_t tasks[2], counters[2];
	uint64_t hash[2];
	sqlite3 *db;

	(void)state;
	(void)unlink(path);
	synthetic_init(&s, 3, false);
	assert_int_equal(cgr_writer_new(path, 0, &w, &err), 0);
	assert_int_equal(synthetic_tables(w, &err), 0);
	assert_int_equal(synthetic_events(w, &s, 20000, &err), 0);
	assert_int_equal(cgr_writer_commit(w, &err), 0);
	(void)cgr_writer_free(w);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(cgr_store_open(path, &store, &err), 0);
		(void)cgr_store_borrow_tasks(store, &tasks[i]);
		(void)cgr_store_borrow_counters(store, &counters[i]);
		hash[i] = hash_stream(store);
		(void)cgr_store_free(store);
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, "PRAGMA page_size=1024; VACUUM;", NULL, NULL, NULL), SQLITE_OK);
		(void)sqlite3_close(db);
	}
	assert_int_equal(tasks[0], tasks[1]);
	assert_int_equal(counters[0], counters[1]);
	assert_int_equal(hash[0], hash[1]);
}

static void wrong_type_is_told(void **state)
{
	char text[CGR_ERROR_CAUSES_MAX * CGR_ERROR_TEXT_MAX + 16];
	struct cgr_error err = { 0 };
	struct cgr_store *store;
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "UPDATE task SET tid = 'many' WHERE id = 3", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	assert_int_equal(cgr_store_open(path, &store, &err), CGR_E_INPUT);
	cgr_error_format(&err, text, sizeof(text));
	assert_non_null(strstr(text, "wrong type"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_as_sqlite),
		cmocka_unit_test(damage_is_told),
		cmocka_unit_test(changed_bytes_are_harmless),
		cmocka_unit_test(vacuumed_store),
		cmocka_unit_test(wrong_type_is_told),
	};
	int rc;

	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/scan.db", folder);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)rmdir(folder);
	return rc;
}
