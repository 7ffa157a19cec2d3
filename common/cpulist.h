/* Sets of CPUs as words of 64 bits, lowest CPU first (kernel: struct cpumask). How many words there are is the caller's
 * to know: a replay uses as many as its CPUs need, so two CPUs cost one word. */
#ifndef CGR_COMMON_CPULIST_H
#define CGR_COMMON_CPULIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/limits.h"

/* Enough words for any set a replay can hold. */
#define CGR_CPU_WORDS (CGR_LIMIT_REPLAY_CPUS / 64)

static inline size_t cgr_cpus_words(uint32_t cpus)
{
	return ((size_t)cpus + 63) / 64;
}
static inline bool cgr_cpus_has(const uint64_t *set, uint32_t cpu)
{
	return set[cpu / 64] >> (cpu % 64) & 1;
}
/* CPUs 0..cpus-1. */
static inline void cgr_cpus_fill(uint64_t *set, uint32_t cpus)
{
	for (size_t i = 0; i < cgr_cpus_words(cpus); i++) {
		uint32_t left = cpus - (uint32_t)i * 64;

		set[i] = left >= 64 ? UINT64_MAX : (1ull << left) - 1;
	}
}
static inline bool cgr_cpus_meet(const uint64_t *a, const uint64_t *b, size_t words)
{
	for (size_t i = 0; i < words; i++)
		if (a[i] & b[i])
			return true;
	return false;
}
static inline uint32_t cgr_cpus_count(const uint64_t *set, size_t words)
{
	uint32_t count = 0;

	for (size_t i = 0; i < words; i++)
		count += (uint32_t)__builtin_popcountll(set[i]);
	return count;
}

#endif
