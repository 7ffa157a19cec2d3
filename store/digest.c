#include "store/digest.h"

#include <stdio.h>
#include <string.h>

#include "common/util.h"

static void mix(struct cgr_digest *digest, uint64_t word)
{
	uint64_t hash = (digest->hash ^ word) * 0xd6e8feb86659fd93ull;

	digest->hash = hash ^ hash >> 32;
}

void cgr_digest_null(struct cgr_digest *digest)
{
	mix(digest, SQLITE_NULL);
}

void cgr_digest_integer(struct cgr_digest *digest, int64_t value)
{
	mix(digest, SQLITE_INTEGER);
	mix(digest, (uint64_t)value);
}

void cgr_digest_bytes(struct cgr_digest *digest, int type, const void *data, size_t size)
{
	const uint8_t *at = data;

	mix(digest, (uint64_t)type | (uint64_t)size << 8);
	while (size > 0) {
		uint64_t word = 0;
		size_t part = CGR_MIN(size, sizeof(word));

		memcpy(&word, at, part);
		mix(digest, word);
		at += part;
		size -= part;
	}
}

void cgr_digest_end_row(struct cgr_digest *digest)
{
	digest->rows++;
	mix(digest, digest->rows);
}

static void add_row(struct cgr_digest *digest, sqlite3_stmt *s)
{
	for (int c = 0; c < sqlite3_column_count(s); c++) {
		int type = sqlite3_column_type(s, c);

		if (type == SQLITE_NULL) {
			cgr_digest_null(digest);
		} else if (type == SQLITE_INTEGER) {
			cgr_digest_integer(digest, sqlite3_column_int64(s, c));
		} else if (type == SQLITE_FLOAT) {
			double value = sqlite3_column_double(s, c);
			cgr_digest_bytes(digest, type, &value, sizeof(value));
		} else {
			const void *data = sqlite3_column_blob(s, c); /* of a text its bytes */
			cgr_digest_bytes(digest, type, data, (size_t)sqlite3_column_bytes(s, c));
		}
	}
	cgr_digest_end_row(digest);
}

int cgr_digest_table(const struct cgr_db *db, const char *name, struct cgr_digest *ret_digest, struct cgr_error *reterr)
{
	const char *columns = "*";
	sqlite3_stmt *s;
	char sql[160];
	int rc;

	*ret_digest = (struct cgr_digest){ 0 };
	if (strcmp(name, "sqlite_schema") == 0)
		columns = "type, name, tbl_name, sql";
	else if (strcmp(name, "stream_block") == 0)
		columns = "block, first_id, events, first_ns, last_ns, kinds, bytes, checksum";
	(void)snprintf(sql, sizeof(sql), "SELECT %s FROM %s NOT INDEXED", columns, name);
	CGR_TRY(cgr_db_prepare(db, sql, &s, reterr));
	while ((rc = cgr_db_step(db, s, "reading a table", reterr)) == 1)
		add_row(ret_digest, s);
	(void)sqlite3_finalize(s);
	return rc;
}
