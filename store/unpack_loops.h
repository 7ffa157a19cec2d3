/* The arithmetic of column decoding: byte planes to numbers, written as plain loops that compilers turn into vector
 * code. Lengths are checked by unpack_column.c before. */
#ifndef CGR_STORE_UNPACK_LOOPS_H
#define CGR_STORE_UNPACK_LOOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Element i of a column before its encoding is undone: fixed | data[0][i] << shift[0] | data[1][i] << shift[1] ... */
struct cgr_planes {
	const uint8_t *data[8];
	unsigned shift[8];
	unsigned count;
	uint64_t fixed; /* planes of one value */
};

/* out[i] = element i; gather32: the planes hold no bit above 31. */
void cgr_loop_gather32(uint32_t *out, const struct cgr_planes *planes, size_t count);
void cgr_loop_gather64(uint64_t *out, const struct cgr_planes *planes, size_t count);
/* values[i] += base */
void cgr_loop_add64(uint64_t *values, size_t count, uint64_t base);
/* out[i] = what came before + base + x[i], in place or not; returns the last. */
uint64_t cgr_loop_sum32(uint64_t *out, const uint32_t *x, size_t count, uint64_t base, uint64_t before);
uint64_t cgr_loop_sum64(uint64_t *values, size_t count, uint64_t base, uint64_t before);
/* out[i] = table[index[i]]; every index is inside the table. */
void cgr_loop_look(uint64_t *out, const uint32_t *index, size_t count, const uint64_t *table);
/* The largest value; 0 of none. */
uint8_t cgr_loop_largest8(const uint8_t *values, size_t count);
uint16_t cgr_loop_largest16(const uint16_t *values, size_t count);
uint32_t cgr_loop_largest32(const uint32_t *values, size_t count);
uint64_t cgr_loop_largest64(const uint64_t *values, size_t count);
/* Every difference to the one before (the first: to before), and every value, is below 2^63: they never go back. */
bool cgr_loop_ascend(const uint64_t *values, size_t count, uint64_t before);

#endif
