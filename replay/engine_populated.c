/* Asked what holds when all recorded work is done (--until done), a cgroup's counters are those at the end of the last
 * task of the outermost cgroup around it that became empty. Without that, what goes on elsewhere until the last program
 * of the machine ends would be counted too: the bandwidth timer of an empty group runs for two periods more
 * (do_sched_cfs_period_timer, kernel/sched/fair.c). */
#include <stdlib.h>
#include <string.h>

#include "replay/engine_internal.h"

int cgr_run_populated_init(struct cgr_engine *e)
{
	size_t cells = (size_t)e->ops->head.n_metrics * e->n_cgroups;

	if (!e->config->until_done)
		return 0;
	e->populated = cgr_calloc(e->n_cgroups, sizeof *e->populated);
	e->emptied = cgr_calloc(e->n_cgroups, sizeof *e->emptied);
	e->at_empty = cgr_calloc(cells ? cells : 1, sizeof *e->at_empty);
	if (!e->populated || !e->emptied || !e->at_empty)
		return cgr_error_set(e->error, CGR_E_NOMEM, "counters of %u cgroups at the end of their tasks", e->n_cgroups);
	return 0;
}

void cgr_run_populated_fini(struct cgr_engine *e)
{
	free(e->populated);
	free(e->emptied);
	free(e->at_empty);
}

static bool below(const struct cgr_engine *e, uint32_t cgroup, uint32_t above)
{
	while (cgroup != above && cgroup != NONE)
		cgroup = e->parent[0][cgroup];
	return cgroup == above;
}

/* The job is done: its inner cgroups are read now too, not when each of them became empty. */
static void keep(struct cgr_engine *e, uint32_t top)
{
	const struct cgr_metric_block *b = e->model[MODEL_CPU].block;

	for (uint32_t g = 0; g < e->n_cgroups; g++) {
		if (!below(e, g, top))
			continue;
		for (unsigned m = 0; m < e->ops->head.n_metrics; m++)
			e->at_empty[(size_t)m * e->n_cgroups + g] = b->value[(size_t)m * e->n_cgroups + g];
		e->emptied[g] = true;
	}
}

/* A task comes to (by 1) or leaves (by -1) the cgroup. */
void cgr_run_populate(struct cgr_engine *e, uint32_t cgroup, int by)
{
	bool sampled = false;

	if (!e->populated)
		return;
	for (uint32_t g = cgroup; g != NONE; g = e->parent[0][g]) {
		e->populated[g] += (uint32_t)by;
		e->emptied[g] = false;
		if (e->populated[g] || g == 0)
			continue;
		if (!sampled && e->ops->head.sample)
			e->ops->head.sample(cpu_ctx(e));
		sampled = true;
		keep(e, g);
	}
}

/* After the model has told its counters at the end of the replay. */
void cgr_run_populated_finish(struct cgr_engine *e)
{
	struct cgr_metric_block *b = e->model[MODEL_CPU].block;

	if (!e->populated)
		return;
	for (uint32_t g = 0; g < e->n_cgroups; g++)
		for (unsigned m = 0; e->emptied[g] && m < e->ops->head.n_metrics; m++)
			b->value[(size_t)m * e->n_cgroups + g] = e->at_empty[(size_t)m * e->n_cgroups + g];
}
