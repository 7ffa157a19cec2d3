#include "model/lib/weight.h"

#include "model/model.h"

/* sched/core.c: sched_prio_to_weight, nice -20 first: each step is worth about 1.25. */
static const uint32_t nice_weight[40] = {
	88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
	3906,  3121,  2501,  1991,  1586,  1277,  1024,  820,   655,   526,   423,  335,  272,  215,
	172,   137,   110,   87,    70,    56,    45,    36,    29,    23,    18,   15,
};
#define POLICY_IDLE 5
#define PRIO_NICE_MIN 100

uint32_t cgr_weight_of_task(int32_t prio, int32_t policy)
{
	if (policy == POLICY_IDLE)
		return CGR_WEIGHT_IDLE;
	int32_t index = prio - PRIO_NICE_MIN;
	if (index < 0)
		index = 0;
	if (index > 39)
		index = 39;
	return nice_weight[index];
}

int64_t cgr_weight_to_shares(int64_t cpu_weight)
{
	return (cpu_weight * 1024 + 50) / 100;
}

uint32_t cgr_load_inverse(uint64_t load)
{
	uint64_t weight = cgr_load_to_weight(load);
	if (weight >= UINT32_MAX)
		return 1;
	return weight ? (uint32_t)(UINT32_MAX / weight) : UINT32_MAX;
}
