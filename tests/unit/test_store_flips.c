/* `info --check` against damage: bytes of a store are changed at random places; each change is found, or it is proved
 * harmless: everything that SQL can read in the store is what it was. */
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

#include "store/schema.h"
#include "store/verify.h"
#include "store_synthetic.h"

#define TABLES_MAX 64

static char folder[] = "/tmp/cgr-flips-XXXXXX", path[300];
static uint8_t *good;
static size_t size;
static char *table[TABLES_MAX];
static size_t tables;
static uint64_t content;

static void make(unsigned flags)
{
	struct cgr_error err = { 0 };
	struct cgr_writer *w = NULL;
	struct synthetic s;

	synthetic_init(&s, 3, false);
	assert_int_equal(cgr_writer_new(path, flags, &w, &err), 0);
	assert_int_equal(synthetic_tables(w, &err), 0);
	assert_int_equal(synthetic_events(w, &s, 20000, &err), 0);
	assert_int_equal(cgr_writer_commit(w, &err), 0);
	(void)cgr_writer_free(w);
}

static void read_good(void)
{
	FILE *file = fopen(path, "rb");

	assert_non_null(file);
	assert_int_equal(fseek(file, 0, SEEK_END), 0);
	size = (size_t)ftell(file);
	rewind(file);
	free(good);
	good = malloc(size);
	assert_non_null(good);
	assert_int_equal(fread(good, 1, size, file), size);
	(void)fclose(file);
}

static void put_bytes(size_t at, const uint8_t *bytes, size_t count)
{
	FILE *file = fopen(path, "rb+");

	assert_non_null(file);
	assert_int_equal(fseek(file, (long)at, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, count, file), count);
	assert_int_equal(fclose(file), 0);
}

static bool hash_query(sqlite3 *db, const char *sql, uint64_t *hash)
{
	sqlite3_stmt *s;
	int rc = sqlite3_prepare_v2(db, sql, -1, &s, NULL);

	if (rc != SQLITE_OK)
		return false;
	while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
		for (int c = 0; c < sqlite3_column_count(s); c++) {
			int type = sqlite3_column_type(s, c);
			sqlite3_int64 number = sqlite3_column_int64(s, c);
			const uint8_t *bytes = type == SQLITE_INTEGER ? (const uint8_t *)&number : sqlite3_column_blob(s, c);
			int count = type == SQLITE_INTEGER ? 8 : sqlite3_column_bytes(s, c);

			*hash = (*hash ^ (unsigned)type) * 1099511628211ull;
			for (int i = 0; i < count; i++)
				*hash = (*hash ^ bytes[i]) * 1099511628211ull;
		}
		*hash = (*hash ^ 255) * 1099511628211ull;
	}
	(void)sqlite3_finalize(s);
	return rc == SQLITE_DONE;
}

/* Everything SQL can read: definitions, all rows by the tables, keys by their indices and by search from above. */
static bool read_content(uint64_t *ret_hash)
{
	sqlite3 *db;
	bool good_file = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL) == SQLITE_OK;
	uint64_t hash = 14695981039346656037ull;

	good_file = good_file && hash_query(db, "SELECT type, name, tbl_name, sql FROM sqlite_schema", &hash);
	for (size_t i = 0; good_file && i < tables; i++) {
		char *sql = cgr_printf("SELECT * FROM %s NOT INDEXED", table[i]);
		good_file = hash_query(db, sql, &hash);
		free(sql);
	}
	good_file =
	    good_file && hash_query(db, "SELECT id FROM knob INDEXED BY knob_by_name ORDER BY cgroup, name, t_ns", &hash) &&
	    hash_query(db, "SELECT id FROM counter INDEXED BY counter_by_name ORDER BY cgroup, name, t_ns", &hash) &&
	    hash_query(db, "SELECT id FROM task INDEXED BY task_by_tid ORDER BY tid", &hash) &&
	    hash_query(db,
	               "WITH RECURSIVE n(id) AS (SELECT 1 UNION ALL SELECT id + 7 FROM n WHERE id < 20000)"
	               " SELECT n.id, s.ts_ns, w.ts_ns, c.ts_ns FROM n LEFT JOIN sched_switch s ON s.id = n.id"
	               " LEFT JOIN sched_wakeup w ON w.id = n.id LEFT JOIN charge c ON c.id = n.id",
	               &hash);
	(void)sqlite3_close(db);
	*ret_hash = hash;
	return good_file;
}

static void list_tables(void)
{
	for (const struct cgr_schema_object *o = cgr_schema_tables; o->name != NULL; o++)
		if (strcmp(o->type, "table") == 0)
			table[tables++] = cgr_strdup(o->name);
	for (unsigned t = 0; t < cgr_event_table_count; t++)
		table[tables++] = cgr_strdup(cgr_event_tables[t].name);
	assert_true(tables <= TABLES_MAX);
}

static void begin(unsigned flags)
{
	struct cgr_verify_summary summary;
	struct cgr_error err = { 0 };

	make(flags);
	read_good();
	if (cgr_store_verify(path, NULL, &summary, &err) != 0)
		fail_msg("a good store: %s", err.cause[0]);
	assert_true(read_content(&content));
}

/* Changes count bytes at `at`; true: found. */
static bool trial(size_t at, const uint8_t *bytes, size_t count)
{
	struct cgr_verify_summary summary;
	struct cgr_error err = { 0 };
	uint64_t now = 0;

	put_bytes(at, bytes, count);
	bool found = cgr_store_verify(path, NULL, &summary, &err) != 0;
	if (!found && (!read_content(&now) || now != content))
		fail_msg("byte %zu of %zu (page %zu): changed and not found", at, size, at / 16384 + 1);
	put_bytes(at, good + at, count);
	return found;
}

static void single_bytes(unsigned trials, const char *what)
{
	struct cgr_rng rng;
	unsigned found = 0;

	cgr_rng_init(&rng, 11);
	for (unsigned i = 0; i < trials; i++) {
		size_t at = cgr_rng_below(&rng, size);
		uint8_t byte = (uint8_t)(good[at] ^ (1 + cgr_rng_below(&rng, 255)));

		found += trial(at, &byte, 1);
	}
	printf("%s, %u single bytes changed: %u found, %u harmless, 0 missed\n", what, trials, found, trials - found);
	assert_true(found > trials / 20);
}

static void bytes_of_rows(void **state)
{
	(void)state;
	begin(0);
	single_bytes(100, "rows and stream");
}

static void bytes_of_lean(void **state)
{
	(void)state;
	begin(CGR_WRITER_LEAN);
	single_bytes(40, "lean");
}

static void bursts(void **state)
{
	struct cgr_rng rng;
	unsigned found = 0;

	(void)state;
	begin(0);
	cgr_rng_init(&rng, 12);
	for (unsigned i = 0; i < 15; i++) {
		uint8_t bytes[3000];

		for (size_t k = 0; k < sizeof(bytes); k++)
			bytes[k] = (uint8_t)cgr_rng_below(&rng, 256);
		found += trial(cgr_rng_below(&rng, size - sizeof(bytes)), bytes, sizeof(bytes));
	}
	printf("15 times 3000 random bytes: %u found, %u harmless, 0 missed\n", found, 15 - found);
	assert_true(found > 5);
}

/* Laid out anew by SQLite the store says the same; then its rows are compared one by one. */
static void vacuumed(void **state)
{
	struct cgr_verify_summary summary;
	struct cgr_error err = { 0 };
	sqlite3 *db;

	(void)state;
	begin(0);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DELETE FROM irq WHERE id < 0; PRAGMA page_size=4096; VACUUM", NULL, NULL, NULL),
	                 SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	if (cgr_store_verify(path, NULL, &summary, &err) != 0)
		fail_msg("a vacuumed store: %s", err.cause[0]);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_exec(db, "UPDATE sched_switch SET cpu = cpu || 'x' WHERE id = (SELECT max(id) FROM sched_switch)", NULL,
	                 NULL, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_close(db), SQLITE_OK);
	assert_int_equal(cgr_store_verify(path, NULL, &summary, &err), CGR_E_INPUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_of_rows),
		cmocka_unit_test(bytes_of_lean),
		cmocka_unit_test(bursts),
		cmocka_unit_test(vacuumed),
	};
	int rc;

	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/store.db", folder);
	list_tables();
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)rmdir(folder);
	for (size_t i = 0; i < tables; i++)
		free(table[i]);
	free(good);
	return rc;
}
