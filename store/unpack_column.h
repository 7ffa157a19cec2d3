/* One column of a packed block: opened once, then decoded piece by piece, so that what is decoded stays in the cache
 * until it is used. The bytes may come from anybody: every length, index and value is checked. */
#ifndef CGR_STORE_UNPACK_COLUMN_H
#define CGR_STORE_UNPACK_COLUMN_H

#include <zstd.h>

#include "common/error.h"
#include "store/unpack_loops.h"

struct cgr_unpack_bytes { /* a block, and room for what is decompressed from it */
	ZSTD_DCtx *zstd;
	const uint8_t *at, *end;
	uint8_t *room;
	size_t used, capacity;
};

struct cgr_column {
	struct cgr_planes planes; /* of the elements not decoded yet */
	uint8_t encoding; /* enum cgr_pack_encoding */
	bool narrow; /* base + x fits into 32 bits for every x there can be */
	bool started;
	uint64_t base, value; /* value: DELTA: the last one */
	uint32_t entries;
	const void *dict; /* uint32_t for a column opened with 32 bits, else uint64_t */
	unsigned bits;
};

/* Reads the header and decompresses the planes of the next column, of count elements (one, if it is constant) of at
 * most bits (8, 16, 32, 64) bits; borrows from *bytes. CGR_E_INPUT with the reason for damage. */
int cgr_column_open(struct cgr_column *column, struct cgr_unpack_bytes *bytes, size_t count, unsigned bits,
                    struct cgr_error *reterr);
/* Passes over the next column without decompressing it. */
int cgr_column_skip(struct cgr_unpack_bytes *bytes, struct cgr_error *reterr);
bool cgr_column_is_constant(const struct cgr_column *column);
/* Next count elements; of a constant column always the same. times: of the same events,
 * for TSREL; NULL: take64 leaves them out; wide: as many
 * elements of scratch. The caller never asks for more than the column was opened with. */
int cgr_column_take8(struct cgr_column *column, const uint64_t *times, size_t count, uint8_t *out, uint64_t *wide,
                     struct cgr_error *reterr);
int cgr_column_take16(struct cgr_column *column, const uint64_t *times, size_t count, uint16_t *out, uint64_t *wide,
                      struct cgr_error *reterr);
int cgr_column_take32(struct cgr_column *column, const uint64_t *times, size_t count, uint32_t *out, uint64_t *wide,
                      struct cgr_error *reterr);
int cgr_column_take64(struct cgr_column *column, const uint64_t *times, size_t count, uint64_t *out,
                      struct cgr_error *reterr);
int cgr_unpack_bad(struct cgr_error *reterr, const char *what);

#endif
