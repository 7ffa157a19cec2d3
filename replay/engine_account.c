/* Accounting beside the models: series, schedule spans, the engine's own metrics. */
#include <stdlib.h>
#include <string.h>

#include "replay/engine_internal.h"

#define PPM 1000000

const struct cgr_metric_desc cgr_engine_metrics[CGR_EM_COUNT] = {
	[CGR_EM_USAGE] = { "cpu.stat.usage_usec", "usec", "CPU time used by the cgroup and its descendants",
	                   CGR_METRIC_COUNTER, 0, 20000, true },
	[CGR_EM_COMPLETION] = { "completion_usec", "usec",
	                        "time from the first start to the last end of the tasks that exit in the recording; max: "
	                        "not all done",
	                        CGR_METRIC_GAUGE, 1, 50000, false },
	[CGR_EM_WAIT] = { "cpu.wait_usec", "usec", "time its tasks were runnable without a CPU, throttled time included",
	                  CGR_METRIC_COUNTER, 1, 100000, false },
	[CGR_EM_CPU_SOME] = { "cpu.pressure.some_usec", "usec", "time in which some task waited for a CPU (PSI)",
	                      CGR_METRIC_COUNTER, 1, 100000, true },
	[CGR_EM_CPU_FULL] = { "cpu.pressure.full_usec", "usec", "time in which all tasks waited for a CPU (PSI)",
	                      CGR_METRIC_COUNTER, 1, 100000, false },
	[CGR_EM_MEMORY_SOME] = { "memory.pressure.some_usec", "usec", "time in which some task was stalled on memory (PSI)",
	                         CGR_METRIC_COUNTER, 1, 100000, true },
	[CGR_EM_MEMORY_FULL] = { "memory.pressure.full_usec", "usec",
	                         "time in which all tasks were stalled on memory (PSI)", CGR_METRIC_COUNTER, 1, 100000,
	                         false },
	[CGR_EM_WAKE_P50] = { "wakeup_latency.p50_usec", "usec", "median time from wake-up to CPU", CGR_METRIC_GAUGE, 1,
	                      100000, false },
	[CGR_EM_WAKE_P95] = { "wakeup_latency.p95_usec", "usec", "95th percentile of the time from wake-up to CPU",
	                      CGR_METRIC_GAUGE, 1, 100000, false },
	[CGR_EM_WAKE_P99] = { "wakeup_latency.p99_usec", "usec", "99th percentile of the time from wake-up to CPU",
	                      CGR_METRIC_GAUGE, 1, 100000, false },
	[CGR_EM_WAKE_MAX] = { "wakeup_latency.max_usec", "usec", "longest time from wake-up to CPU", CGR_METRIC_GAUGE, 1,
	                      200000, false },
	[CGR_EM_THROTTLED_SHARE] = { "cpu.throttled_share", "ppm", "throttled periods of all periods", CGR_METRIC_GAUGE, 1,
	                             50000, false },
};

/* ---- series ---- */
int cgr_run_series_init(struct cgr_engine *e)
{
	struct cgr_engine_output *out = e->out;
	size_t wanted = 0, next = 0;

	if (!e->config->keep_series)
		return 0;
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned b = 0; b < CGR_BLOCK_COUNT; b++)
			for (unsigned m = 0; m < out->block[b].count; m++)
				for (uint32_t g = 0; g < e->n_cgroups && out->block[b].desc[m].series; g++) {
					if (pass)
						out->series[next] =
						    (struct cgr_series_output){ .block = (uint8_t)b, .metric = (uint16_t)m, .cgroup = g };
					next++;
				}
		if (!pass) {
			wanted = next;
			next = 0;
			out->series = cgr_calloc(wanted ? wanted : 1, sizeof *out->series);
			if (!out->series)
				return cgr_error_set(e->error, CGR_E_NOMEM, "series of a replay");
		}
	}
	out->series_count = wanted;
	return 0;
}

/* Hierarchical sum of the engine's own per-cgroup counters at this moment. */
static int64_t subtree(const struct cgr_engine *e, unsigned metric, uint32_t cgroup)
{
	const int64_t *value = e->out->block[CGR_BLOCK_ENGINE].value + (size_t)metric * e->n_cgroups;
	int64_t sum = 0;

	for (uint32_t g = 0; g < e->n_cgroups; g++) {
		uint32_t up = g;

		if (!value[g])
			continue;
		while (up != NONE && up != cgroup)
			up = e->parent[0][up];
		if (up == cgroup)
			sum += value[g];
	}
	return sum;
}

/* Only looks: a model that were made to charge its tasks here would see a quota used up before the kernel's tick does.
 */
void cgr_run_sample(struct cgr_engine *e)
{
	struct cgr_engine_output *out = e->out;
	size_t n = out->samples, capacity = out->sample_capacity;

	for (uint32_t cpu = 0; cpu < e->n_cpus; cpu++)
		cgr_run_advance(e, cpu);
	for (unsigned m = 0; m < MODEL_COUNT; m++)
		if (e->model[m].head && e->model[m].head->sample)
			e->model[m].head->sample(&e->model[m].ctx);
	if (!e->config->keep_series)
		return;
	cgr_run_psi_publish(e);
	if (cgr_grow((void **)&out->sample_ns, &out->sample_capacity, n + 1, sizeof *out->sample_ns, e->error) < 0) {
		run_fail(e, CGR_E_NOMEM);
		return;
	}
	out->sample_ns[n] = (int64_t)e->now_ns;
	for (size_t i = 0; i < out->series_count; i++) {
		struct cgr_series_output *s = &out->series[i];
		const struct cgr_metric_block *b = &out->block[s->block];

		if (out->sample_capacity != capacity) {
			int64_t *grown = realloc(s->value, out->sample_capacity * sizeof *grown);

			if (!grown) {
				out->sample_capacity = capacity;
				run_fail(e, CGR_E_NOMEM);
				return;
			}
			s->value = grown;
		}
		s->value[n] = s->block == CGR_BLOCK_ENGINE && s->metric == CGR_EM_USAGE
		                  ? subtree(e, s->metric, s->cgroup) / 1000
		                  : b->value[(size_t)s->metric * e->n_cgroups + s->cgroup];
		/* pressure is weighted by the CPUs' non-idle time anew each time and may fall by a hair; a counter does not */
		if (n > 0 && b->desc[s->metric].kind == CGR_METRIC_COUNTER && s->value[n] < s->value[n - 1])
			s->value[n] = s->value[n - 1];
	}
	out->samples++;
}

void cgr_run_span(struct cgr_engine *e, uint32_t cpu, unsigned state)
{
	struct cgr_engine_output *out = e->out;
	const struct cpu_run *c = &e->cpu[cpu];

	if (!e->config->keep_spans || e->frozen || c->current == NONE || c->span_ns == e->now_ns ||
	    out->spans >= e->config->spans_max)
		return;
	if (cgr_grow((void **)&out->span, &out->span_capacity, out->spans + 1, sizeof *out->span, e->error) < 0) {
		run_fail(e, CGR_E_NOMEM);
		return;
	}
	out->span[out->spans++] = (struct cgr_result_span){ .start_ns = (int64_t)c->span_ns,
		                                                .end_ns = (int64_t)e->now_ns,
		                                                .task = c->current,
		                                                .cpu = (uint16_t)cpu,
		                                                .state = (uint8_t)state };
}

/* ---- the end ---- */
static void fold_up(struct cgr_engine *e, unsigned metric, int64_t divide)
{
	int64_t *value = e->out->block[CGR_BLOCK_ENGINE].value + (size_t)metric * e->n_cgroups;

	/* ids ascend from parent to child except for cgroups made late, so sums are taken over whole chains */
	int64_t *sum = cgr_calloc(e->n_cgroups, sizeof *sum);

	if (!sum) {
		run_fail(e, CGR_E_NOMEM);
		return;
	}
	for (uint32_t g = 0; g < e->n_cgroups; g++)
		for (uint32_t up = g; value[g] && up != NONE; up = e->parent[0][up])
			sum[up] += value[g];
	for (uint32_t g = 0; g < e->n_cgroups; g++)
		value[g] = sum[g] / divide;
	free(sum);
}

/* From the first start to the last end of what exits in the recording; INT64_MAX while something has not. */
/* Pages that may be needed again without the recording telling (memory.stat.pgmajfault's own interval) would have to be
 * waited for. One after the other is the worst case: tasks of one cgroup may wait at the same time. */
static void bound_completion(struct cgr_engine *e)
{
	const struct cgr_metric_block *memory = &e->out->block[CGR_BLOCK_MEMORY];
	struct cgr_metric_block *own = &e->out->block[CGR_BLOCK_ENGINE];
	uint64_t price_ns = e->miss[0].wait_ns + e->miss[0].cpu_ns;
	unsigned faults = 0;

	while (faults < memory->count && strcmp(memory->desc[faults].name, "memory.stat.pgmajfault") != 0)
		faults++;
	for (uint32_t g = 0; faults < memory->count && g < e->n_cgroups; g++) {
		size_t at = (size_t)faults * e->n_cgroups + g, to = (size_t)CGR_EM_COMPLETION * e->n_cgroups + g;
		int64_t more = memory->bound[at].set ? memory->bound[at].high - memory->value[at] : 0;

		if (more <= 0 || own->value[to] <= 0 || own->value[to] == INT64_MAX)
			continue;
		own->bound[to] = (struct cgr_bound){ .set = true,
			                                 .class = CGR_METRIC_BOUNDED,
			                                 .low = own->value[to],
			                                 .high = own->value[to] + (int64_t)((uint64_t)more * price_ns / 1000) };
	}
}

void cgr_run_completion(struct cgr_engine *e)
{
	int64_t *value = e->out->block[CGR_BLOCK_ENGINE].value + (size_t)CGR_EM_COMPLETION * e->n_cgroups;
	int64_t *first = cgr_calloc(e->n_cgroups, sizeof *first), *last = cgr_calloc(e->n_cgroups, sizeof *last);

	for (uint32_t i = 1; first && last && i < e->n_tasks; i++) {
		const struct cgr_task_output *t = &e->out->task[i];
		bool unborn = e->task[i].killed && t->start_ns < 0;
		int64_t end_ns;

		if ((!e->programs->program[i].exits && !e->task[i].killed) || unborn)
			continue;
		end_ns = e->ended_ns[i];
		for (uint32_t g = e->task_info[i].cpu_cgroup; g != NONE; g = e->parent[0][g]) {
			if (!last[g] || t->start_ns < first[g])
				first[g] = t->start_ns;
			last[g] = end_ns < 0 || last[g] == INT64_MAX ? INT64_MAX : CGR_MAX(last[g], end_ns);
		}
	}
	for (uint32_t g = 0; first && last && g < e->n_cgroups; g++)
		value[g] = last[g] == INT64_MAX ? INT64_MAX : (last[g] - first[g]) / 1000;
	if (!first || !last)
		run_fail(e, CGR_E_NOMEM);
	free(first);
	free(last);
	bound_completion(e);
}

static void latencies(struct cgr_engine *e)
{
	static const struct {
		unsigned metric, permille;
	} q[] = { { CGR_EM_WAKE_P50, 500 }, { CGR_EM_WAKE_P95, 950 }, { CGR_EM_WAKE_P99, 990 }, { CGR_EM_WAKE_MAX, 1000 } };

	for (uint32_t g = 0; g < e->n_cgroups; g++) {
		struct cgr_histogram all = { 0 };

		for (uint32_t i = 1; i < e->n_tasks; i++)
			if (e->task_info[i].cpu_cgroup == g && cgr_histogram_merge(&all, &e->out->task[i].latency) < 0)
				run_fail(e, CGR_E_NOMEM);
		for (size_t k = 0; k < CGR_ARRAY_SIZE(q); k++)
			e->out->block[CGR_BLOCK_ENGINE].value[(size_t)q[k].metric * e->n_cgroups + g] =
			    (int64_t)cgr_histogram_quantile(&all, q[k].permille);
		cgr_histogram_fini(&all);
	}
}

static const int64_t *find_cpu_metric(const struct cgr_engine *e, const char *name)
{
	const struct cgr_metric_block *b = &e->out->block[CGR_BLOCK_CPU];

	for (unsigned m = 0; m < b->count; m++)
		if (strcmp(b->desc[m].name, name) == 0)
			return b->value + (size_t)m * e->n_cgroups;
	return NULL;
}

/* nr_throttled of nr_periods in ppm. Whether the first and the last period count is chance: one period either way. */
static void throttled_share(struct cgr_engine *e)
{
	const int64_t *periods = find_cpu_metric(e, "cpu.stat.nr_periods");
	const int64_t *throttled = find_cpu_metric(e, "cpu.stat.nr_throttled");
	struct cgr_metric_block *own = &e->out->block[CGR_BLOCK_ENGINE];

	for (uint32_t g = 0; periods && throttled && g < e->n_cgroups; g++) {
		size_t to = (size_t)CGR_EM_THROTTLED_SHARE * e->n_cgroups + g;

		if (periods[g] <= 0 || throttled[g] <= 0)
			continue;
		own->value[to] = throttled[g] * PPM / periods[g];
		own->bound[to] = (struct cgr_bound){ .set = true,
			                                 .class = CGR_METRIC_BOUNDED,
			                                 .low = CGR_MAX(own->value[to] - PPM / periods[g], 0),
			                                 .high = CGR_MIN(own->value[to] + PPM / periods[g], PPM) };
	}
}

void cgr_run_finish(struct cgr_engine *e)
{
	for (uint32_t cpu = 0; cpu < e->n_cpus; cpu++) {
		cgr_run_advance(e, cpu);
		cgr_run_span(e, cpu, 0);
	}
	for (uint32_t i = 1; i < e->n_tasks; i++) {
		struct task_run *t = &e->task[i];

		if (t->throttled_ns)
			e->out->task[i].throttled_ns += e->now_ns - t->throttled_ns;
		if (t->state == RUN_QUEUED)
			e->out->task[i].wait_ns += e->now_ns - t->runnable_ns;
		e->out->task[i].cgroup = e->task_info[i].cpu_cgroup;
	}
	cgr_run_psi_publish(e);
	fold_up(e, CGR_EM_USAGE, 1000);
	fold_up(e, CGR_EM_WAIT, 1000);
	cgr_run_completion(e);
	latencies(e);
	for (unsigned m = 0; m < MODEL_COUNT; m++)
		if (e->model[m].head && e->model[m].head->finish)
			e->model[m].head->finish(&e->model[m].ctx);
	cgr_run_populated_finish(e);
	throttled_share(e);
	bound_completion(e);
	for (unsigned m = 0; m < MODEL_COUNT && !e->out->broken; m++)
		if (e->model[m].head && e->model[m].head->self_check)
			e->out->broken = e->model[m].head->self_check(&e->model[m].ctx);
	e->out->end_ns = (int64_t)e->now_ns;
}
