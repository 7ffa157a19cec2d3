/* Whose bandwidth timer keeps the grid it was recorded with. */
#include <string.h>

#include "common/util.h"
#include "replay/plan_internal.h"

/* A write of another quota does not touch the timer (tg_set_cfs_bandwidth: start_cfs_bandwidth returns when it is
 * active, and hrtimer_forward goes on from its last expiry when it is not); a write of another period does. */
static bool keeps_period(const struct cgr_whatif *plan, const struct cgr_period_phase *phase)
{
	for (size_t i = 0; i < plan->knobs; i++) {
		const struct cgr_knob_change *c = &plan->knob[i];

		if (c->cgroup == phase->cgroup && c->domain &&
		    !strcmp(cgr_knob_desc_of(plan, c->domain, c->knob)->name, "cpu.max") &&
		    (uint64_t)c->v[1] * 1000 != phase->period_ns)
			return false;
	}
	return true;
}

int cgr_whatif_phases(struct cgr_whatif *plan, const struct cgr_programs *programs, struct cgr_error *reterr)
{
	const struct cgr_model_head *head = &plan->cpu->head;
	struct cgr_knob_ref ref;

	if (cgr_knob_find(plan, "cpu.max.phase", &ref, NULL) < 0)
		return 0; /* a model without such a grid */
	for (unsigned i = 0; i < head->n_params; i++)
		if (!strcmp(head->params[i].name, "phase_ns") && plan->cpu_param[i] >= 0)
			return 0; /* asked for */
	for (size_t i = 0; i < programs->phases; i++) {
		const struct cgr_period_phase *p = &programs->phase[i];

		if (!keeps_period(plan, p))
			continue;
		CGR_TRY(cgr_grow((void **)&plan->own, &plan->own_capacity, plan->owns + 1, sizeof *plan->own, reterr));
		plan->own[plan->owns++] = (struct cgr_knob_change){
			.cgroup = p->cgroup, .domain = ref.domain, .knob = ref.index, .v = { (int64_t)p->phase_ns, 0 }
		};
	}
	return 0;
}
