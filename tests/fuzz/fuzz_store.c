/* The event store is a file from anywhere: opened, its tables loaded, its stream read, all of it checked.
 *
 * Bytes changed at random in a database rarely pass SQLite, and never the checksum of a block: so most mutations here
 * are made through SQLite, as one who means harm would make them: a value of any table, or bytes of a packed block with
 * its checksum and length put right again. */
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "store/digest.h"
#include "store/pack.h"
#include "store/schema.h"
#include "store/stream.h"
#include "store/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed);
/* libFuzzer's own; not there in the program that only reruns the corpus */
__attribute__((weak)) size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);

static bool write_input(const char *path, const uint8_t *data, size_t size)
{
	FILE *file = fopen(path, "wb");

	if (file == NULL)
		return false;
	size_t written = fwrite(data, 1, size, file);
	return fclose(file) == 0 && written == size;
}

static void read_stream(const struct cgr_store *store)
{
	struct cgr_stream *stream = NULL;
	struct cgr_error err = { 0 };
	const struct cgr_event *events;
	size_t count;

	if (cgr_stream_open(store, 0, 0, &stream, &err) == 0)
		while (cgr_stream_next(stream, &events, &count, &err) == 1)
			for (size_t i = 0; i < count; i++)
				if (events[i].kind >= CGR_EV_COUNT)
					abort();
	cgr_stream_free(stream);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cgr_verify_summary summary;
	struct cgr_store *store = NULL;
	struct cgr_error err = { 0 };
	char path[64];

	(void)snprintf(path, sizeof(path), "/dev/shm/cgr-fuzz-%d.db", (int)getpid());
	if (write_input(path, data, size) && cgr_store_open(path, &store, &err) == 0) {
		read_stream(store);
		(void)cgr_store_verify(path, NULL, &summary, &err);
	}
	cgr_store_free(store);
	(void)unlink(path);
	return 0;
}

/* ---- mutations ---- */

static uint32_t state;

static uint32_t draw(uint32_t below)
{
	state = state * 1664525u + 1013904223u;
	return below == 0 ? 0 : (state >> 8) % below;
}

static int64_t one_integer(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s = NULL;
	int64_t value = 0;

	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW)
		value = sqlite3_column_int64(s, 0);
	(void)sqlite3_finalize(s);
	return value;
}

/* Numbers at which arithmetic breaks, ids just outside, and small changes. */
static int64_t odd_value(void)
{
	static const int64_t odd[] = {
		0,     -1,   1,    INT64_MAX, INT64_MIN, UINT32_MAX, (int64_t)1 << 32, 65535,     65536,
		65537, 4095, 4096, 63,        64,        1000000000, 2147483647,       2147483648
	};

	return draw(3) == 0 ? (int64_t)draw(100) : odd[draw(sizeof(odd) / sizeof(odd[0]))];
}

static void change_value(sqlite3 *db)
{
	char sql[400], table[64] = "", column[64] = "";
	sqlite3_stmt *s = NULL;

	(void)snprintf(sql, sizeof(sql),
	               "SELECT m.name, c.name FROM sqlite_schema m, pragma_table_info(m.name) c WHERE m.type = 'table'"
	               " AND m.name NOT LIKE 'sqlite_%%' LIMIT 1 OFFSET %u",
	               draw(330));
	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW) {
		(void)snprintf(table, sizeof(table), "%s", (const char *)sqlite3_column_text(s, 0));
		(void)snprintf(column, sizeof(column), "%s", (const char *)sqlite3_column_text(s, 1));
	}
	(void)sqlite3_finalize(s);
	if (table[0] == '\0')
		return;
	switch (draw(4)) {
	case 0:
		(void)snprintf(sql, sizeof(sql), "DELETE FROM %s WHERE abs(random()) %% 4 = 0", table);
		break;
	case 1:
		(void)snprintf(sql, sizeof(sql), "UPDATE OR IGNORE %s SET %s = substr(hex(randomblob(9)), 1, %u)", table,
		               column, draw(18));
		break;
	default:
		(void)snprintf(sql, sizeof(sql), "UPDATE OR IGNORE %s SET %s = %lld WHERE abs(random()) %% %u = 0", table,
		               column, (long long)odd_value(), 1 + draw(8));
	}
	(void)sqlite3_exec(db, sql, NULL, NULL, NULL);
}

static void change_block(sqlite3 *db)
{
	sqlite3_stmt *s = NULL;
	char sql[160];
	int64_t blocks = one_integer(db, "SELECT count(*) FROM stream_block");
	uint8_t *data = NULL;
	size_t size = 0;

	uint32_t block = draw((uint32_t)blocks);
	(void)snprintf(sql, sizeof(sql), "SELECT data FROM stream_block WHERE block = %u", block);
	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK && sqlite3_step(s) == SQLITE_ROW &&
	    sqlite3_column_bytes(s, 0) > 0) {
		size = (size_t)sqlite3_column_bytes(s, 0);
		data = malloc(size + 64);
		memcpy(data, sqlite3_column_blob(s, 0), size);
	}
	(void)sqlite3_finalize(s);
	if (data == NULL)
		return;
	size = LLVMFuzzerMutate(data, size, size + 64);
	(void)snprintf(sql, sizeof(sql), "UPDATE stream_block SET data = ?, bytes = ?, checksum = ? WHERE block = %u",
	               block);
	if (sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK) {
		(void)sqlite3_bind_blob(s, 1, data, (int)size, SQLITE_STATIC);
		(void)sqlite3_bind_int64(s, 2, (int64_t)size);
		(void)sqlite3_bind_int64(s, 3, (int64_t)cgr_pack_checksum(data, size));
		(void)sqlite3_step(s);
	}
	(void)sqlite3_finalize(s);
	free(data);
}

/* So that the check goes on behind the digests. */
static void repair_digests(sqlite3 *sqlite)
{
	struct cgr_db db = { .sqlite = sqlite, .path = (char *)(uintptr_t) "fuzz" };
	struct cgr_error err = { 0 };
	char sql[160];

	for (unsigned i = 0; cgr_schema_digested(i) != NULL; i++) {
		struct cgr_digest digest;

		if (cgr_digest_table(&db, cgr_schema_digested(i), &digest, &err) < 0)
			return;
		(void)snprintf(sql, sizeof(sql), "UPDATE table_digest SET rows = %lld, digest = %lld WHERE name = '%s'",
		               (long long)digest.rows, (long long)digest.hash, cgr_schema_digested(i));
		(void)sqlite3_exec(sqlite, sql, NULL, NULL, NULL);
	}
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned seed)
{
	sqlite3 *db = NULL;
	sqlite3_int64 length = 0;
	size_t result = 0;

	state = seed;
	if (draw(8) == 0)
		return LLVMFuzzerMutate(data, size, most);
	uint8_t *copy = sqlite3_malloc64(size > 0 ? size : 1);
	memcpy(copy, data, size);
	if (sqlite3_open(":memory:", &db) != SQLITE_OK ||
	    sqlite3_deserialize(db, "main", copy, (sqlite3_int64)size, (sqlite3_int64)size,
	                        SQLITE_DESERIALIZE_FREEONCLOSE | SQLITE_DESERIALIZE_RESIZEABLE) != SQLITE_OK) {
		(void)sqlite3_close(db);
		return LLVMFuzzerMutate(data, size, most);
	}
	for (unsigned i = 1 + draw(3); i-- > 0;)
		draw(2) == 0 ? change_block(db) : change_value(db);
	if (draw(4) != 0)
		repair_digests(db);
	unsigned char *image = sqlite3_serialize(db, "main", &length, 0);
	if (image != NULL && length > 0 && (size_t)length <= most) {
		memcpy(data, image, (size_t)length);
		result = (size_t)length;
	}
	sqlite3_free(image);
	(void)sqlite3_close(db);
	return result > 0 ? result : LLVMFuzzerMutate(data, size, most);
}
