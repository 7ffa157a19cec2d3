/* The arithmetic of column decoding: byte planes to numbers, written as plain loops that compilers turn into vector
 * code. Lengths are checked by unpack_column.c before, except where a function says that it checks. */
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

/* out[i] = base + x. Narrow forms: base + x must fit into 32 bits for every x there can be; they return the union
 * of the bits of all values, to be checked against what out holds. */
uint32_t cgr_loop_add8(uint8_t *out, const struct cgr_planes *planes, size_t count, uint32_t base);
uint32_t cgr_loop_add16(uint16_t *out, const struct cgr_planes *planes, size_t count, uint32_t base);
void cgr_loop_add32(uint32_t *out, const struct cgr_planes *planes, size_t count, uint32_t base);
void cgr_loop_add64(uint64_t *out, const struct cgr_planes *planes, size_t count, uint64_t base);
/* out[i] = what came before + base + x; returns the last. */
uint64_t cgr_loop_sum64(uint64_t *out, const struct cgr_planes *planes, size_t count, uint64_t base, uint64_t before);
/* out[i] = times[i] + base + x */
void cgr_loop_relative64(uint64_t *out, const struct cgr_planes *planes, size_t count, uint64_t base,
                         const uint64_t *times);
/* out[i] = dict[x]; false: an x is not below entries. */
bool cgr_loop_look32(uint32_t *out, const struct cgr_planes *planes, size_t count, const uint32_t *dict,
                     uint32_t entries);
bool cgr_loop_look64(uint64_t *out, const struct cgr_planes *planes, size_t count, const uint64_t *dict,
                     uint64_t entries);
/* Union of the bits of all values. */
uint64_t cgr_loop_union64(const uint64_t *values, size_t count);
/* Every difference to the one before (the first: to before), and every value, is below 2^63: they never go back. */
bool cgr_loop_ascend(const uint64_t *values, size_t count, uint64_t before);

#endif
