/* One column of a packed block: opened once, then decoded piece by piece, so that what is decoded stays in the cache
 * until it is used. The bytes may come from anybody: every length, index and value is checked. */
#ifndef CGR_STORE_UNPACK_COLUMN_H
#define CGR_STORE_UNPACK_COLUMN_H

#include <zstd.h>

#include "common/error.h"
#include "store/pack.h"
#include "store/unpack_fill.h"
#include "store/unpack_loops.h"

struct cgr_unpack_bytes { /* a block, and room for what is decompressed from it */
	ZSTD_DCtx *zstd;
	const uint8_t *at, *end;
	uint8_t *room;
	size_t used, capacity;
};

struct cgr_column {
	struct cgr_planes planes; /* of the elements not decoded yet */
	uint8_t encoding; /* enum cgr_pack_encoding; CONST also where all elements turned out to be one value */
	bool started;
	uint64_t base, value; /* value: DELTA: the last one */
	uint64_t reach; /* largest x the planes can hold */
	uint64_t limit; /* largest value the field can hold */
	uint32_t entries;
	const uint64_t *dict;
};

struct cgr_column_room { /* where a piece is decoded that has no cheaper form */
	uint32_t narrow[CGR_UNPACK_BATCH];
	uint64_t wide[CGR_UNPACK_BATCH];
};

/* Reads the header and decompresses the planes of the next column, of count elements of at most bits (8, 16, 32, 64)
 * bits; borrows from *bytes. CGR_E_INPUT with the reason for damage. */
int cgr_column_open(struct cgr_column *column, struct cgr_unpack_bytes *bytes, size_t count, unsigned bits,
                    struct cgr_error *reterr);
/* Passes over the next column without decompressing it. */
int cgr_column_skip(struct cgr_unpack_bytes *bytes, struct cgr_error *reterr);
/* The values can not go back or grow beyond 2^63 within the next batch, whatever the planes hold. */
bool cgr_column_ascends(const struct cgr_column *column);
/* The next count (at most CGR_UNPACK_BATCH) elements; the caller never asks for more than the column was opened with.
 * The time of element i is ts[place[i]], without place ts[i]; used by TSREL only. The piece borrows from the column
 * and *room until the next call with either. */
int cgr_column_next(struct cgr_column *column, const uint64_t *ts, const uint16_t *place, size_t count,
                    struct cgr_column_room *room, struct cgr_piece *ret_piece, struct cgr_error *reterr);
int cgr_unpack_bad(struct cgr_error *reterr, const char *what);

#endif
