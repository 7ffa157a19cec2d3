/* Digest of a table's content: every value of every row with its type, in order. Written by import, made again by
 * `info --check`: what the packed stream does not say twice is proved unchanged by it. Private to store/. */
#ifndef CGR_STORE_DIGEST_H
#define CGR_STORE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#include "store/db.h"

struct cgr_digest {
	uint64_t rows, hash;
};

/* Of the next row: its values in order of the columns, then cgr_digest_end_row. */
void cgr_digest_null(struct cgr_digest *digest);
void cgr_digest_integer(struct cgr_digest *digest, int64_t value);
void cgr_digest_bytes(struct cgr_digest *digest, int type, const void *data,
                      size_t size); /* SQLITE_TEXT, _BLOB, _FLOAT */
void cgr_digest_end_row(struct cgr_digest *digest);

/* Of a whole table, by name; "sqlite_schema": of the definitions of all objects. Of stream_block all columns but the
 * data, which have checksums of their own. */
int cgr_digest_table(const struct cgr_db *db, const char *name, struct cgr_digest *ret_digest,
                     struct cgr_error *reterr);

#endif
