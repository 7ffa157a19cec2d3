/* Per-entity load tracking: a geometric series of 1024 us segments with half-life 32 segments (kernel:
 * kernel/sched/pelt.c; equal in 6.1 and 6.18). Integers throughout. */
#ifndef CGR_MODEL_LIB_PELT_H
#define CGR_MODEL_LIB_PELT_H

#include <stdbool.h>
#include <stdint.h>

#define CGR_PELT_SUM_MAX 47742u

struct cgr_pelt {
	uint64_t last_ns; /* time up to which the sums stand, cut to segments of 1024 ns */
	uint64_t load_sum, runnable_sum, util_sum;
	uint64_t load_avg, runnable_avg, util_avg;
	uint32_t contrib_us; /* part of the running segment already in the sums */
};

/* What cgr_pelt_advance does when at least one segment has passed; true. */
bool cgr_pelt_cross(struct cgr_pelt *pelt, uint64_t delta_us, uint64_t load, uint32_t runnable, bool running);
/* Ages the sums to now_ns, adding `load` (a weight, or 1 for an entity that is weighted later), the number of runnable
 * tasks, which counts those that wait for the CPU where running time does not, and running time.
 * Returns true when at least one segment passed, which is when averages are to be taken anew. */
static inline bool cgr_pelt_advance(struct cgr_pelt *pelt, uint64_t now_ns, uint64_t load, uint32_t runnable,
                                    bool running)
{
	if (now_ns < pelt->last_ns) {
		pelt->last_ns = now_ns;
		return false;
	}
	uint64_t delta_us = (now_ns - pelt->last_ns) >> 10;
	pelt->last_ns += delta_us << 10;
	if (delta_us + pelt->contrib_us >= 1024)
		return cgr_pelt_cross(pelt, delta_us, load, runnable, running);
	pelt->contrib_us += (uint32_t)delta_us;
	if (!load)
		return false;
	pelt->load_sum += load * delta_us;
	pelt->runnable_sum += runnable * delta_us << 10;
	if (running)
		pelt->util_sum += delta_us << 10;
	return false;
}
/* The sum a load of 1 held for ever would have. */
uint32_t cgr_pelt_divider(const struct cgr_pelt *pelt);
/* load_avg = weight * load_sum / divider, the others sum / divider. */
void cgr_pelt_average(struct cgr_pelt *pelt, uint64_t weight);
/* nr_idle_scan of SIS_UTIL (fair.c: update_idle_cpu_scan): how many CPUs of a domain a waking task looks at for an idle
 * one, by the sum of their utilization. */
uint32_t cgr_idle_scan_depth(uint64_t util_sum, uint32_t n_cpus);
/* value * 2^(-periods/32) */
uint64_t cgr_pelt_decay(uint64_t value, uint64_t periods);

#endif
