/* Per-entity load tracking: a geometric series of 1024 us segments with half-life 32 segments (kernel:
 * kernel/sched/pelt.c; equal in 6.1 and 6.18). Integers throughout. */
#ifndef CGR_MODEL_LIB_PELT_H
#define CGR_MODEL_LIB_PELT_H

#include <stdbool.h>
#include <stdint.h>

#define CGR_PELT_SUM_MAX 47742u

struct cgr_pelt {
	uint64_t last_ns; /* time up to which the sums stand, cut to segments of 1024 ns */
	uint64_t load_sum, util_sum;
	uint64_t load_avg, util_avg;
	uint32_t contrib_us; /* part of the running segment already in the sums */
};

/* Ages the sums to now_ns, adding `load` (a weight, or 1 for an entity that is weighted later) and running time.
 * Returns true when at least one segment passed, which is when averages are to be taken anew. */
bool cgr_pelt_advance(struct cgr_pelt *pelt, uint64_t now_ns, uint64_t load, bool running);
/* The sum a load of 1 held for ever would have. */
uint32_t cgr_pelt_divider(const struct cgr_pelt *pelt);
/* load_avg = weight * load_sum / divider, util_avg = util_sum / divider. */
void cgr_pelt_average(struct cgr_pelt *pelt, uint64_t weight);
/* value * 2^(-periods/32) */
uint64_t cgr_pelt_decay(uint64_t value, uint64_t periods);

#endif
