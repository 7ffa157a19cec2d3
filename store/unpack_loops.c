#include "store/unpack_loops.h"

/* The common cases by themselves, so that each is one vector loop. */
#define DEFINE_GATHER(name, type)                                                                                      \
	void name(type *restrict out, const struct cgr_planes *planes, size_t count)                                       \
	{                                                                                                                  \
		const type fixed = (type)planes->fixed;                                                                        \
		if (planes->count == 0) {                                                                                      \
			for (size_t i = 0; i < count; i++)                                                                         \
				out[i] = fixed;                                                                                        \
			return;                                                                                                    \
		}                                                                                                              \
		const uint8_t *restrict first = planes->data[0];                                                               \
		unsigned shift = planes->shift[0], next = 1;                                                                   \
		if (planes->count == 1) {                                                                                      \
			for (size_t i = 0; i < count; i++)                                                                         \
				out[i] = fixed | (type)((type)first[i] << shift);                                                      \
		} else {                                                                                                       \
			const uint8_t *restrict second = planes->data[1];                                                          \
			unsigned shift2 = planes->shift[1];                                                                        \
			for (size_t i = 0; i < count; i++)                                                                         \
				out[i] = fixed | (type)((type)first[i] << shift) | (type)((type)second[i] << shift2);                  \
			next = 2;                                                                                                  \
		}                                                                                                              \
		for (; next < planes->count; next++) {                                                                         \
			const uint8_t *restrict more = planes->data[next];                                                         \
			unsigned shift3 = planes->shift[next];                                                                     \
			for (size_t i = 0; i < count; i++)                                                                         \
				out[i] |= (type)((type)more[i] << shift3);                                                             \
		}                                                                                                              \
	}
DEFINE_GATHER(cgr_loop_gather32, uint32_t)
DEFINE_GATHER(cgr_loop_gather64, uint64_t)

#define DEFINE_LARGEST(name, type)                                                                                     \
	type name(const type *values, size_t count)                                                                        \
	{                                                                                                                  \
		type largest = 0;                                                                                              \
		for (size_t i = 0; i < count; i++)                                                                             \
			largest = values[i] > largest ? values[i] : largest;                                                       \
		return largest;                                                                                                \
	}
DEFINE_LARGEST(cgr_loop_largest8, uint8_t)
DEFINE_LARGEST(cgr_loop_largest16, uint16_t)
DEFINE_LARGEST(cgr_loop_largest32, uint32_t)
DEFINE_LARGEST(cgr_loop_largest64, uint64_t)

void cgr_loop_add64(uint64_t *values, size_t count, uint64_t base)
{
	for (size_t i = 0; i < count; i++)
		values[i] += base;
}

uint64_t cgr_loop_sum32(uint64_t *restrict out, const uint32_t *restrict x, size_t count, uint64_t base,
                        uint64_t before)
{
	for (size_t i = 0; i < count; i++)
		out[i] = before += x[i] + base;
	return before;
}

uint64_t cgr_loop_sum64(uint64_t *values, size_t count, uint64_t base, uint64_t before)
{
	for (size_t i = 0; i < count; i++)
		values[i] = before += values[i] + base;
	return before;
}

void cgr_loop_look(uint64_t *restrict out, const uint32_t *restrict index, size_t count, const uint64_t *restrict table)
{
	for (size_t i = 0; i < count; i++)
		out[i] = table[index[i]];
}

bool cgr_loop_ascend(const uint64_t *values, size_t count, uint64_t before)
{
	uint64_t all = count > 0 ? values[0] | (values[0] - before) : 0;

	for (size_t i = 1; i < count; i++)
		all |= values[i] | (values[i] - values[i - 1]);
	return all >> 63 == 0;
}
