#include "store/unpack_loops.h"

#include <string.h>

#include "common/util.h"

/* elements at a time: small enough that a tile of 64-bit values stays in the L1 cache beside its planes */
#define TILE 1024u

/* Gathers a tile of n elements from position at; the common cases by themselves, so that each is one vector loop. */
#define DEFINE_GATHER(name, type)                                                                                      \
	static inline void name(type *restrict tile, const struct cgr_planes *planes, size_t at, size_t n)                 \
	{                                                                                                                  \
		const type fixed = (type)planes->fixed;                                                                        \
		if (planes->count == 0) {                                                                                      \
			for (size_t i = 0; i < n; i++)                                                                             \
				tile[i] = fixed;                                                                                       \
			return;                                                                                                    \
		}                                                                                                              \
		const uint8_t *restrict first = planes->data[0] + at;                                                          \
		unsigned shift = planes->shift[0], next = 1;                                                                   \
		if (planes->count == 1) {                                                                                      \
			for (size_t i = 0; i < n; i++)                                                                             \
				tile[i] = fixed | (type)((type)first[i] << shift);                                                     \
		} else {                                                                                                       \
			const uint8_t *restrict second = planes->data[1] + at;                                                     \
			unsigned shift2 = planes->shift[1];                                                                        \
			for (size_t i = 0; i < n; i++)                                                                             \
				tile[i] = fixed | (type)((type)first[i] << shift) | (type)((type)second[i] << shift2);                 \
			next = 2;                                                                                                  \
		}                                                                                                              \
		for (; next < planes->count; next++) {                                                                         \
			const uint8_t *restrict more = planes->data[next] + at;                                                    \
			unsigned shift3 = planes->shift[next];                                                                     \
			for (size_t i = 0; i < n; i++)                                                                             \
				tile[i] |= (type)((type)more[i] << shift3);                                                            \
		}                                                                                                              \
	}
DEFINE_GATHER(gather32, uint32_t)
DEFINE_GATHER(gather64, uint64_t)

/* The loop over tiles: tile[0..n) stands for elements at.. of the column. */
#define EACH_TILE(type, gather)                                                                                        \
	type tile[TILE];                                                                                                   \
	for (size_t at = 0, n; at < count && (n = CGR_MIN((size_t)TILE, count - at), gather(tile, planes, at, n), true);   \
	     at += n)

uint32_t cgr_loop_add8(uint8_t *out, const struct cgr_planes *planes, size_t count, uint32_t base)
{
	uint32_t all = 0;

	EACH_TILE(uint32_t, gather32)
	{
		uint8_t *restrict to = out + at;

		for (size_t i = 0; i < n; i++) {
			uint32_t value = tile[i] + base;

			all |= value;
			to[i] = (uint8_t)value;
		}
	}
	return all;
}

uint32_t cgr_loop_add16(uint16_t *out, const struct cgr_planes *planes, size_t count, uint32_t base)
{
	uint32_t all = 0;

	EACH_TILE(uint32_t, gather32)
	{
		uint16_t *restrict to = out + at;

		for (size_t i = 0; i < n; i++) {
			uint32_t value = tile[i] + base;

			all |= value;
			to[i] = (uint16_t)value;
		}
	}
	return all;
}

void cgr_loop_add32(uint32_t *out, const struct cgr_planes *planes, size_t count, uint32_t base)
{
	EACH_TILE(uint32_t, gather32)
	{
		uint32_t *restrict to = out + at;

		for (size_t i = 0; i < n; i++)
			to[i] = tile[i] + base;
	}
}

void cgr_loop_add64(uint64_t *out, const struct cgr_planes *planes, size_t count, uint64_t base)
{
	EACH_TILE(uint64_t, gather64)
	{
		uint64_t *restrict to = out + at;

		for (size_t i = 0; i < n; i++)
			to[i] = tile[i] + base;
	}
}

uint64_t cgr_loop_sum64(uint64_t *out, const struct cgr_planes *planes, size_t count, uint64_t base, uint64_t before)
{
	uint64_t value = before;

	EACH_TILE(uint64_t, gather64)
	{
		uint64_t *restrict to = out + at;

		for (size_t i = 0; i < n; i++)
			to[i] = value += tile[i] + base;
	}
	return value;
}

void cgr_loop_relative64(uint64_t *out, const struct cgr_planes *planes, size_t count, uint64_t base,
                         const uint64_t *times)
{
	EACH_TILE(uint64_t, gather64)
	{
		uint64_t *restrict to = out + at;

		for (size_t i = 0; i < n; i++)
			to[i] = times[at + i] + tile[i] + base;
	}
}

/* Dictionaries of up to 256 entries, the most frequent ones: their index is one byte. The largest byte is found in a
 * vector loop of its own, then nothing needs a check. */
static bool byte_indices(const struct cgr_planes *planes)
{
	return planes->count == 1 && planes->shift[0] == 0 && planes->fixed == 0;
}

static bool all_below(const uint8_t *index, size_t count, uint64_t entries)
{
	uint8_t largest = 0;

	for (size_t i = 0; i < count; i++)
		largest = index[i] > largest ? index[i] : largest;
	return largest < entries;
}

static bool look_bytes32(uint32_t *restrict out, const uint8_t *restrict index, size_t count,
                         const uint32_t *restrict dict, uint32_t entries)
{
	if (!all_below(index, count, entries))
		return false;
	for (size_t i = 0; i < count; i++)
		out[i] = dict[index[i]];
	return true;
}

static bool look_bytes64(uint64_t *restrict out, const uint8_t *restrict index, size_t count,
                         const uint64_t *restrict dict, uint64_t entries)
{
	if (!all_below(index, count, entries))
		return false;
	for (size_t i = 0; i < count; i++)
		out[i] = dict[index[i]];
	return true;
}

bool cgr_loop_look32(uint32_t *out, const struct cgr_planes *planes, size_t count, const uint32_t *dict,
                     uint32_t entries)
{
	if (byte_indices(planes))
		return look_bytes32(out, planes->data[0], count, dict, entries);
	EACH_TILE(uint32_t, gather32)
	{
		uint32_t *restrict to = out + at;
		uint32_t outside = 0;

		for (size_t i = 0; i < n; i++)
			outside |= tile[i] >= entries;
		if (outside != 0)
			return false;
		for (size_t i = 0; i < n; i++)
			to[i] = dict[tile[i]];
	}
	return true;
}

bool cgr_loop_look64(uint64_t *out, const struct cgr_planes *planes, size_t count, const uint64_t *dict,
                     uint64_t entries)
{
	if (byte_indices(planes))
		return look_bytes64(out, planes->data[0], count, dict, entries);
	EACH_TILE(uint64_t, gather64)
	{
		uint64_t *restrict to = out + at;
		uint64_t outside = 0;

		for (size_t i = 0; i < n; i++)
			outside |= tile[i] >= entries;
		if (outside != 0)
			return false;
		for (size_t i = 0; i < n; i++)
			to[i] = dict[tile[i]];
	}
	return true;
}

uint64_t cgr_loop_union64(const uint64_t *values, size_t count)
{
	uint64_t all = 0;

	for (size_t i = 0; i < count; i++)
		all |= values[i];
	return all;
}

bool cgr_loop_ascend(const uint64_t *values, size_t count, uint64_t before)
{
	uint64_t all = count > 0 ? values[0] | (values[0] - before) : 0;

	for (size_t i = 1; i < count; i++)
		all |= values[i] | (values[i] - values[i - 1]);
	return all >> 63 == 0;
}
