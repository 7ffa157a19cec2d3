/* Load weights and the inverse arithmetic by which virtual time is scaled (kernel: sched_prio_to_weight,
 * __calc_delta, calc_delta_fair; equal in 6.1 and 6.18). "load" is the weight times 1024, as 64-bit kernels
 * keep it; "weight" is what nice and cpu.shares speak of. */
#ifndef CGR_MODEL_LIB_WEIGHT_H
#define CGR_MODEL_LIB_WEIGHT_H

#include <stdint.h>

#define CGR_WEIGHT_NICE_0 1024u
#define CGR_WEIGHT_IDLE 3u
#define CGR_LOAD_SHIFT 10
#define CGR_LOAD_NICE_0 ((uint64_t)CGR_WEIGHT_NICE_0 << CGR_LOAD_SHIFT)

/* Weight of a task by kernel prio (100..139 for fair tasks; others are clamped) and policy. */
uint32_t cgr_weight_of_task(int32_t prio, int32_t policy);
/* v2 cpu.weight (1..10000) -> v1 cpu.shares, rounded to nearest. */
int64_t cgr_weight_to_shares(int64_t cpu_weight);
/* load -> weight, at least 2 unless it is 0. */
static inline uint64_t cgr_load_to_weight(uint64_t load)
{
	uint64_t weight = load >> CGR_LOAD_SHIFT;
	return weight >= 2 || !load ? weight : 2;
}
/* (2^32 - 1) / weight, as update_load_set prepares it. */
uint32_t cgr_load_inverse(uint64_t load);
/* delta * weight / (weight behind inverse), with the kernel's rounding: __calc_delta keeps the factor in 32 bits and
 * gives up low bits for it, which is part of the model. */
static inline uint64_t cgr_calc_delta(uint64_t delta_ns, uint64_t weight, uint32_t inverse)
{
	uint64_t factor = weight;
	int shift = 32;
	if (factor >> 32) {
		int bits = 64 - __builtin_clzll(factor >> 32);
		shift -= bits;
		factor >>= bits;
	}
	factor = (factor & UINT32_MAX) * inverse;
	if (factor >> 32) {
		int bits = 64 - __builtin_clzll(factor >> 32);
		shift -= bits;
		factor >>= bits;
	}
	return (uint64_t)(((unsigned __int128)delta_ns * factor) >> shift);
}

#endif
