/* Outputs of the seeds -> one struct cgr_result. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "replay/run_internal.h"

#define DEVICE_LEAST_USEC 20000 /* a run that reads from a device: what its first reads find there is chance */

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return x < y ? -1 : x > y;
}

static bool of_cpu(unsigned block)
{
	return block != CGR_BLOCK_MEMORY;
}

/* Did the cgroup run beyond what its recorded programs hold? Then the record cannot support the figure. */
static bool extrapolates(const struct cgr_seed_set *set, uint32_t cgroup, unsigned block, unsigned metric)
{
	int64_t usage =
	    set->output[0].block[CGR_BLOCK_ENGINE].value[(size_t)CGR_EM_USAGE * set->output[0].cgroups + cgroup];

	if (!of_cpu(block) || (block == CGR_BLOCK_ENGINE && metric >= CGR_EM_MEMORY_SOME && metric <= CGR_EM_MEMORY_FULL))
		return false;
	return set->output[0].extrapolated[cgroup] / 1000 > (uint64_t)CGR_MAX(usage, 0) / 100 + 10000;
}

/* What is left between a prediction and another run when the seeds have varied what they can (replay/run.c: vary). No
 * interval is narrower, and no CPU figure but zero is exact. Chosen on half of the truth workloads and checked on the
 * other, see docs/ACCURACY.md; but usage and completion on all of them, as the least with which the kernel's median
 * lies in nine of ten intervals. Usage: work that is told by its clock is off by no more than 0.11 % in nine of ten
 * cells, but pipelines used 0.6 % more CPU time in their recordings than in the runs without. */
static int64_t least_ppm(const char *name, bool reads_device)
{
	if (strncmp(name, "wakeup_latency", 14) == 0)
		return 500000;
	if (strstr(name, "usage"))
		return 6000;
	if (strstr(name, "completion"))
		return reads_device ? 120000 : 25000;
	if (strstr(name, "cpu.stat.nr_"))
		return 10000;
	return strstr(name, "throttled") ? 70000 : 100000;
}

static bool is_throttled(const struct cgr_engine_output *out, uint32_t cgroup)
{
	const struct cgr_metric_block *cpu = &out->block[CGR_BLOCK_CPU];

	for (unsigned i = 0; i < cpu->count; i++)
		if (strcmp(cpu->desc[i].name, "cpu.stat.nr_throttled") == 0)
			return cpu->value[(size_t)i * out->cgroups + cgroup] > 0;
	return false;
}

/* What no recording tells of a throttled cgroup: how much of its last slice a CPU had used when the trace ended, and
 * how far the tick before it ran into debt (kernel/sched/fair.c: sched_cfs_bandwidth_slice, account_cfs_rq_runtime).
 * One slice and one tick; of weight in short recordings only. */
static int64_t least_usec(const struct cgr_seed_set *set, const struct cgr_metric_desc *desc, uint32_t cgroup)
{
	int64_t hz = cgr_store_borrow_info(set->plan->store)->hz;

	if (strcmp(desc->unit, "usec") != 0)
		return 1;
	if (set->output[0].reads_device && strstr(desc->name, "completion"))
		return DEVICE_LEAST_USEC;
	if (!strstr(desc->name, "usage") || set->plan->until_done || !is_throttled(&set->output[0], cgroup))
		return 20;
	return 5000 + 1000000 / (hz > 0 ? hz : 250);
}

/* Where in a tick the trace ends is not varied by the seeds: of tasks that compete, the one that has the CPU then is
 * charged up to a tick more than in another run (kernel/sched/fair.c: entity_tick). No more than the seeds differ. */
static void widen_by_end(struct cgr_spread *s, const struct cgr_seed_set *set, const struct cgr_metric_desc *desc)
{
	int64_t hz = cgr_store_borrow_info(set->plan->store)->hz, cut;

	if (set->plan->until_done || !strstr(desc->name, "usage") || strcmp(desc->unit, "usec") != 0)
		return;
	cut = CGR_MIN(1000000 / (hz > 0 ? hz : 250), s->high - s->low);
	s->low = CGR_MAX(s->low - cut, (int64_t)0);
	s->high += cut;
}

static bool is_share(unsigned block, unsigned metric)
{
	return block == CGR_BLOCK_ENGINE && metric == CGR_EM_THROTTLED_SHARE;
}

static void widen_to_kernel(struct cgr_spread *s, const struct cgr_metric_desc *desc, bool reads_device, int64_t least)
{
	int64_t slack;

	if (s->median <= 0 || s->median == INT64_MAX)
		return;
	slack = CGR_MAX((int64_t)((__int128)s->median * least_ppm(desc->name, reads_device) / 1000000), least);
	s->low = CGR_MIN(s->low, CGR_MAX(s->median - slack, (int64_t)0));
	s->high = CGR_MAX(s->high, s->median + slack);
	s->class = CGR_MAX(s->class, CGR_CLASS_BOUNDED);
}

struct cgr_spread cgr_seeds_spread(const struct cgr_seed_set *set, unsigned block, unsigned metric, uint32_t cgroup)
{
	struct cgr_spread s = { .class = CGR_CLASS_EXACT };
	uint32_t count = CGR_MIN(set->count, 1000u);
	int64_t value[1000];
	size_t at = (size_t)metric * set->output[0].cgroups + cgroup;

	for (uint32_t i = 0; i < count; i++)
		value[i] = set->output[i].block[block].value[at];
	qsort(value, count, sizeof *value, by_value);
	s.median = value[count / 2];
	s.low = value[0];
	s.high = value[count - 1];
	for (uint32_t i = 0; i < count; i++) {
		const struct cgr_bound *b = &set->output[i].block[block].bound[at];

		if (!b->set)
			continue;
		s.low = CGR_MIN(s.low, b->low);
		s.high = CGR_MAX(s.high, b->high);
		if ((enum cgr_class)b->class > s.class)
			s.class = (enum cgr_class)b->class;
	}
	if (s.low != s.high && s.class == CGR_CLASS_EXACT)
		s.class = CGR_CLASS_BOUNDED;
	if (of_cpu(block))
		widen_by_end(&s, set, &set->output[0].block[block].desc[metric]);
	if (of_cpu(block) && !is_share(block, metric)) /* a share says itself how far a period carries */
		widen_to_kernel(&s, &set->output[0].block[block].desc[metric], set->output[0].reads_device,
		                least_usec(set, &set->output[0].block[block].desc[metric], cgroup));
	if (extrapolates(set, cgroup, block, metric))
		s.class = CGR_CLASS_EXTRAPOLATED;
	return s;
}

/* ---- the recorded side ---- */
/* None, where memory does not suffice for it. */
static int64_t recorded_latency(const struct cgr_programs *programs, const struct cgr_engine_output *output,
                                uint32_t cgroup, unsigned permille, bool *ret_any)
{
	struct cgr_histogram all = { 0 };
	int64_t value;
	int rc = 0;

	for (uint32_t i = 1; i < programs->tasks && rc == 0; i++)
		if (output->task[i].cgroup == cgroup)
			rc = cgr_histogram_merge(&all, &programs->latency[i]);
	*ret_any = rc == 0 && all.count != 0;
	value = (int64_t)cgr_histogram_quantile(&all, permille);
	cgr_histogram_fini(&all);
	return value;
}

/* Of a counter, what the trace added to it. */
static bool recorded_counter(const struct cgr_store *store, const char *name, enum cgr_metric_kind kind,
                             uint32_t cgroup, int64_t *ret_value)
{
	size_t count;
	const struct cgr_store_cgroup *groups = cgr_store_borrow_cgroups(store, &count);
	bool old = groups[cgroup].born_ns < 0; /* counters of a cgroup made during the trace began at 0 */
	int64_t first = 0, last;

	if (!cgr_store_counter_last(store, cgroup, name, &last))
		return false;
	if (kind == CGR_METRIC_COUNTER && old && !cgr_store_counter_first(store, cgroup, name, &first))
		return false;
	/* a peak that did not move during the trace is older than it */
	if (kind == CGR_METRIC_PEAK && old && cgr_store_counter_first(store, cgroup, name, &first) && first == last)
		return false;
	*ret_value = kind == CGR_METRIC_COUNTER ? last - first : last;
	return true;
}

/* Where the model at hand has periods to compare it with. */
static bool recorded_share(const struct cgr_store *store, const struct cgr_engine_output *output, uint32_t cgroup,
                           int64_t *ret_value)
{
	const struct cgr_metric_block *cpu = &output->block[CGR_BLOCK_CPU];
	int64_t periods, throttled;
	bool modelled = false;

	for (unsigned i = 0; i < cpu->count; i++)
		modelled |= strcmp(cpu->desc[i].name, "cpu.stat.nr_periods") == 0;
	if (!modelled || !recorded_counter(store, "cpu.stat.nr_periods", CGR_METRIC_COUNTER, cgroup, &periods) ||
	    !recorded_counter(store, "cpu.stat.nr_throttled", CGR_METRIC_COUNTER, cgroup, &throttled))
		return false;
	*ret_value = periods > 0 ? (int64_t)((__int128)throttled * 1000000 / periods) : 0;
	return true;
}

static bool below(const struct cgr_store_cgroup *cgroup, uint32_t id, uint32_t root)
{
	while (id != CGR_ID_NONE && id != root)
		id = cgroup[id].parent;
	return id == root;
}

static bool recorded_engine(const struct cgr_store *store, const struct cgr_programs *programs,
                            const struct cgr_engine_output *output, unsigned metric, uint32_t cgroup,
                            int64_t *ret_value)
{
	size_t count;
	const struct cgr_store_cgroup *groups = cgr_store_borrow_cgroups(store, &count);
	bool any = false;
	int64_t sum = 0, first = 0;

	switch (metric) {
	case CGR_EM_USAGE:
		for (uint32_t i = 0; i < programs->groups; i++) /* of tasks that moved, each where it ran */
			if (below(groups, i, cgroup))
				sum += (int64_t)programs->group_run_ns[i];
		*ret_value = sum / 1000;
		return true;
	case CGR_EM_COMPLETION:
		for (uint32_t i = 1; i < programs->tasks; i++) {
			const struct cgr_program *p = &programs->program[i];

			if (!p->exits || !below(groups, output->task[i].cgroup, cgroup))
				continue;
			first = any ? CGR_MIN(first, p->start_ns) : p->start_ns;
			sum = CGR_MAX(sum, p->end_ns);
			any = true;
		}
		*ret_value = (sum - first) / 1000;
		return any;
	case CGR_EM_WAKE_P50:
		*ret_value = recorded_latency(programs, output, cgroup, 500, &any);
		return any;
	case CGR_EM_WAKE_P95:
		*ret_value = recorded_latency(programs, output, cgroup, 950, &any);
		return any;
	case CGR_EM_WAKE_P99:
		*ret_value = recorded_latency(programs, output, cgroup, 990, &any);
		return any;
	case CGR_EM_WAKE_MAX:
		*ret_value = recorded_latency(programs, output, cgroup, 1000, &any);
		return any;
	case CGR_EM_THROTTLED_SHARE:
		return recorded_share(store, output, cgroup, ret_value);
	default:
		return false;
	}
}

bool cgr_recorded_metric(const struct cgr_store *store, const struct cgr_programs *programs,
                         const struct cgr_engine_output *output, unsigned block, unsigned metric, uint32_t cgroup,
                         int64_t *ret_value)
{
	const struct cgr_metric_desc *desc = &output->block[block].desc[metric];
	int64_t last;

	if (cgr_store_counter_last(store, cgroup, desc->name, &last))
		return recorded_counter(store, desc->name, desc->kind, cgroup, ret_value);
	return block == CGR_BLOCK_ENGINE && recorded_engine(store, programs, output, metric, cgroup, ret_value);
}

/* ---- assembling ---- */
static char *text_of(const char *text)
{
	return cgr_strdup(text ? text : "");
}

static json_t *settings_json(const struct cgr_whatif *plan, const struct cgr_store_cgroup *groups)
{
	json_t *list = json_array();

	for (size_t i = 0; i < plan->changes; i++) {
		const struct cgr_whatif_change *c = &plan->change[i];

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:I}", "cgroup", groups[c->cgroup].path, "knob", c->knob,
		                                      "value", c->to, "t_usec", (json_int_t)c->t_usec));
	}
	return list;
}

static char *scenario_json(const struct cgr_whatif *plan, const struct cgr_scenario *s,
                           const struct cgr_store_cgroup *groups)
{
	json_t *params = json_array(), *root;
	char *text;

	for (size_t i = 0; i < s->params; i++)
		json_array_append_new(params, json_string(s->param[i]));
	root = json_pack("{s:s, s:o, s:o, s:i, s:I, s:i, s:s, s:b, s:s, s:s, s:s}", "name", s->name, "set",
	                 settings_json(plan, groups), "params", params, "cpus", (int)plan->cpus, "seed",
	                 (json_int_t)plan->seed, "seeds", (int)plan->seeds, "until", plan->until_done ? "done" : "end",
	                 "open_loop", (int)plan->open_loop, "cpu_model", plan->cpu_name, "memory_model", plan->memory_name,
	                 "reclaim_model", plan->reclaim_name);
	if (root && s->point >= 0)
		json_object_set_new(root, "point", json_integer(s->point));
	text = root ? json_dumps(root, JSON_COMPACT) : NULL;
	json_decref(root);
	return text;
}

int cgr_scenario_key(const struct cgr_store *store, const struct cgr_scenario *scenario, char **ret_json,
                     struct cgr_error *reterr)
{
	struct cgr_whatif plan;
	size_t count;

	CGR_TRY(cgr_whatif_make(store, scenario, &plan, reterr));
	*ret_json = scenario_json(&plan, scenario, cgr_store_borrow_cgroups(store, &count));
	cgr_whatif_fini(&plan);
	return *ret_json ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "scenario");
}

static int fill_head(struct cgr_result *r, const struct cgr_store *store, const struct cgr_programs *programs,
                     const struct cgr_scenario *s, const struct cgr_seed_set *asked,
                     const struct cgr_run_options *options)
{
	const struct cgr_store_info *info = cgr_store_borrow_info(store);
	const struct cgr_whatif *plan = asked->plan;
	size_t count;
	const struct cgr_store_cgroup *groups = cgr_store_borrow_cgroups(store, &count);

	r->name = text_of(s->name);
	r->scenario_json = scenario_json(plan, s, groups);
	r->memory_model = text_of(plan->memory_name);
	r->cpu_model = text_of(plan->cpu_name);
	r->reclaim_model = text_of(plan->reclaim_name);
	r->tool_version = text_of(CGR_VERSION);
	r->source_path = text_of(info->source_path);
	r->source_digest = text_of(info->source_digest);
	r->kernel_release = text_of(info->kernel_release);
	r->command = text_of(options->command);
	r->seed = plan->seed;
	r->seeds = plan->seeds;
	r->cpus = plan->cpus;
	r->recorded_cpus = info->online_cpus ? info->online_cpus : info->cpus;
	r->duration_usec = info->duration_ns / 1000;
	r->replayed_usec = asked->output[0].end_ns / 1000;
	r->events = programs->events;
	r->quality = (struct cgr_result_quality){
		.lost_events = info->lost_events,
		.unexplained_block_usec = asked->output[0].unexplained_ns / 1000,
		.blocks = asked->output[0].blocks,
		.unexplained_blocks = asked->output[0].unexplained_blocks,
		.causality_violations = asked->output[0].violations,
		.inferred_runtime_usec = (int64_t)programs->inferred_run_ns / 1000,
	};
	r->cgroup_path = cgr_calloc(count, sizeof *r->cgroup_path);
	for (size_t i = 0; r->cgroup_path && i < count; i++)
		r->cgroup_path[i] = text_of(groups[i].path);
	r->cgroups = count;
	r->change = cgr_calloc(plan->changes ? plan->changes : 1, sizeof *r->change);
	if (!r->scenario_json || !r->cgroup_path || !r->change)
		return CGR_E_NOMEM;
	for (size_t i = 0; i < plan->changes; i++)
		r->change[i] = (struct cgr_result_change){ text_of(groups[plan->change[i].cgroup].path),
			                                       text_of(plan->change[i].knob), text_of(plan->change[i].from),
			                                       text_of(plan->change[i].to), plan->change[i].t_usec };
	r->changes = plan->changes;
	return 0;
}

static int fill_descs(struct cgr_result *r, const struct cgr_engine_output *out, uint32_t base[CGR_BLOCK_COUNT])
{
	uint32_t total = 0;

	for (unsigned b = 0; b < CGR_BLOCK_COUNT; b++) {
		base[b] = total;
		total += out->block[b].count;
	}
	r->metric_desc = cgr_calloc(total ? total : 1, sizeof *r->metric_desc);
	if (!r->metric_desc)
		return CGR_E_NOMEM;
	for (unsigned b = 0; b < CGR_BLOCK_COUNT; b++)
		for (unsigned m = 0; m < out->block[b].count; m++) {
			const struct cgr_metric_desc *d = &out->block[b].desc[m];

			r->metric_desc[r->metric_descs++] =
			    (struct cgr_result_metric_desc){ text_of(d->name), text_of(d->unit), text_of(d->help), d->worse,
				                                 d->tolerance_ppm };
		}
	return 0;
}

/* What the recording's cgroup can show at all: cpu.stat of a cgroup without a cpu directory says nothing. */
static bool applies(const struct cgr_store_cgroup *g, uint32_t id, unsigned block)
{
	if (g->removed_ns < 0) /* before the recording: its path may be another's by now */
		return false;
	if (id == 0)
		return block == CGR_BLOCK_ENGINE;
	if (block == CGR_BLOCK_MEMORY)
		return g->has_memory && g->recorded;
	return block == CGR_BLOCK_ENGINE || g->has_cpu;
}

static bool says_nothing(const struct cgr_result_metric *x)
{
	return !x->has_recorded && x->predicted == 0 && x->high == 0;
}

/* A count of 0 is an answer, and scripts ask for it by name; a latency without a wake-up, a completion without an end
 * and pressure on memory that was not recorded are none. */
static bool zero_is_answer(const struct cgr_engine_output *out, const struct cgr_store_cgroup *g, uint32_t id,
                           unsigned block, unsigned metric)
{
	if (block != CGR_BLOCK_ENGINE)
		return true;
	if (metric == CGR_EM_MEMORY_SOME || metric == CGR_EM_MEMORY_FULL)
		return out->block[CGR_BLOCK_MEMORY].count > 0 && applies(g, id, CGR_BLOCK_MEMORY);
	return metric != CGR_EM_COMPLETION && metric != CGR_EM_THROTTLED_SHARE &&
	       (metric < CGR_EM_WAKE_P50 || metric > CGR_EM_WAKE_MAX);
}

static struct cgr_result_metric metric_of(const struct cgr_store *store, const struct cgr_programs *programs,
                                          const struct cgr_seed_set *asked, unsigned block, unsigned metric,
                                          uint32_t cgroup)
{
	struct cgr_spread s = cgr_seeds_spread(asked, block, metric, cgroup);
	struct cgr_result_metric x = { .cgroup = cgroup, .predicted = s.median, .low = s.low, .high = s.high };
	bool lossy = cgr_store_borrow_info(store)->lost_events != 0;

	x.has_recorded = cgr_recorded_metric(store, programs, &asked->output[0], block, metric, cgroup, &x.recorded);
	x.class = lossy && s.class == CGR_CLASS_EXACT ? CGR_CLASS_BOUNDED : s.class;
	return x;
}

/* Of a cgroup to which nothing happens at all only what was recorded is kept: a machine has hundreds of them. */
static void drop_silent(struct cgr_result *r, size_t from)
{
	size_t to = from;
	bool happens = false;

	for (size_t i = from; i < r->metrics; i++)
		happens |= r->metric[i].high != 0;
	if (happens)
		return;
	for (size_t i = from; i < r->metrics; i++)
		if (!says_nothing(&r->metric[i]))
			r->metric[to++] = r->metric[i];
	r->metrics = to;
}

static int fill_metrics(struct cgr_result *r, const struct cgr_store *store, const struct cgr_programs *programs,
                        const struct cgr_seed_set *asked, const uint32_t base[CGR_BLOCK_COUNT],
                        struct cgr_error *reterr)
{
	const struct cgr_engine_output *out = &asked->output[0];
	size_t count, capacity = 0;
	const struct cgr_store_cgroup *groups = cgr_store_borrow_cgroups(store, &count);

	for (uint32_t g = 0; g < out->cgroups; g++) {
		size_t from = r->metrics;

		for (unsigned b = 0; b < CGR_BLOCK_COUNT; b++)
			for (unsigned m = 0; m < out->block[b].count; m++) {
				struct cgr_result_metric x;

				if (!applies(&groups[g], g, b))
					continue;
				x = metric_of(store, programs, asked, b, m, g);
				x.metric = base[b] + m;
				if (says_nothing(&x) && !zero_is_answer(out, &groups[g], g, b, m))
					continue;
				CGR_TRY(cgr_grow((void **)&r->metric, &capacity, r->metrics + 1, sizeof x, reterr));
				r->metric[r->metrics++] = x;
			}
		drop_silent(r, from);
	}
	return 0;
}

int cgr_result_seed_values(struct cgr_result *r, const struct cgr_seed_set *set, struct cgr_error *reterr)
{
	const struct cgr_engine_output *out = set->output;
	int64_t *to = cgr_calloc(r->metrics * set->count + 1, sizeof *to);

	r->seed_value = to;
	if (!to)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%u seeds of %zu metrics", set->count, r->metrics);
	for (size_t i = 0; i < r->metrics; i++) {
		uint32_t metric = r->metric[i].metric;
		unsigned block = 0;

		while (metric >= out->block[block].count)
			metric -= out->block[block++].count;
		for (uint32_t seed = 0; seed < set->count; seed++)
			*to++ = out[seed].block[block].value[(size_t)metric * out[seed].cgroups + r->metric[i].cgroup];
	}
	return 0;
}

static int fill_tasks(struct cgr_result *r, const struct cgr_store *store, const struct cgr_programs *programs,
                      const struct cgr_engine_output *out, uint32_t *map)
{
	size_t count;
	const struct cgr_store_task *task = cgr_store_borrow_tasks(store, &count);

	r->task = cgr_calloc(count, sizeof *r->task);
	if (!r->task)
		return CGR_E_NOMEM;
	for (uint32_t i = 1; i < count; i++) {
		const struct cgr_task_output *t = &out->task[i];
		const struct cgr_program *p = &programs->program[i];
		struct cgr_result_task *x = &r->task[r->tasks];

		map[i] = CGR_ID_NONE;
		if (!t->run_ns && !p->recorded_run_ns)
			continue;
		map[i] = (uint32_t)r->tasks++;
		*x = (struct cgr_result_task){ .tid = task[i].tid,
			                           .comm = text_of(task[i].comm),
			                           .cgroup = t->cgroup,
			                           .start_usec = t->start_ns < 0 ? 0 : t->start_ns / 1000,
			                           .end_usec = t->end_ns < 0 ? -1 : t->end_ns / 1000,
			                           .recorded_end_usec = p->exits ? p->end_ns / 1000 : -1,
			                           .runtime_usec = (int64_t)t->run_ns / 1000,
			                           .recorded_runtime_usec = (int64_t)p->recorded_run_ns / 1000,
			                           .wait_usec = (int64_t)t->wait_ns / 1000,
			                           .throttled_usec = (int64_t)t->throttled_ns / 1000 };
		CGR_TRY(cgr_histogram_merge(&x->wakeup_latency, &t->latency));
		CGR_TRY(cgr_histogram_merge(&x->recorded_wakeup_latency, &programs->latency[i]));
	}
	return 0;
}

static int fill_decisions(struct cgr_result *r, const struct cgr_store *store, const struct cgr_engine_output *out)
{
	size_t count;
	const struct cgr_store_task *task = cgr_store_borrow_tasks(store, &count);

	r->decision = cgr_calloc(out->decisions ? out->decisions : 1, sizeof *r->decision);
	if (!r->decision)
		return CGR_E_NOMEM;
	for (size_t i = 0; i < out->decisions; i++) {
		const struct cgr_decision_output *d = &out->decision[i];
		bool named = d->task != CGR_NONE && d->task < count;

		r->decision[i] = (struct cgr_result_decision){ d->t_ns / 1000,
			                                           text_of(d->kind),
			                                           d->cgroup,
			                                           named ? task[d->task].tid : -1,
			                                           named ? text_of(task[d->task].comm) : NULL,
			                                           d->value };
	}
	r->decisions = out->decisions;
	return 0;
}

static int fill_fidelity(struct cgr_result *r, const struct cgr_store *store, const struct cgr_programs *programs,
                         const struct cgr_seed_set *set, const uint32_t base[CGR_BLOCK_COUNT], struct cgr_error *reterr)
{
	const struct cgr_store_cgroup *groups;
	size_t count, capacity = 0;

	groups = cgr_store_borrow_cgroups(store, &count);
	for (uint32_t g = 1; set->count && g < count; g++)
		for (unsigned b = 0; b < CGR_BLOCK_COUNT; b++)
			for (unsigned m = 0; m < set->output[0].block[b].count; m++) {
				struct cgr_result_fidelity f = { .cgroup = g, .metric = base[b] + m };
				struct cgr_spread s;

				if (b == CGR_BLOCK_ENGINE && m != CGR_EM_USAGE && m != CGR_EM_COMPLETION)
					continue;
				if (!applies(&groups[g], g, b) ||
				    !cgr_recorded_metric(store, programs, &set->output[0], b, m, g, &f.recorded))
					continue;
				s = cgr_seeds_spread(set, b, m, g);
				if (!f.recorded && !s.median)
					continue;
				f.replayed = s.median;
				f.low = s.low;
				f.high = s.high;
				CGR_TRY(cgr_grow((void **)&r->fidelity, &capacity, r->fidelities + 1, sizeof f, reterr));
				r->fidelity[r->fidelities++] = f;
			}
	return 0;
}

int cgr_result_assemble(const struct cgr_store *store, const struct cgr_programs *programs,
                        const struct cgr_scenario *scenario, const struct cgr_seed_set *asked,
                        const struct cgr_seed_set *baseline, const struct cgr_run_options *options,
                        struct cgr_result **ret_result, struct cgr_error *reterr)
{
	const struct cgr_engine_output *out = &asked->output[0];
	uint32_t base[CGR_BLOCK_COUNT], *map = cgr_calloc(programs->tasks, sizeof *map);
	struct cgr_result *r = cgr_result_new();
	int rc = r && map ? 0 : CGR_E_NOMEM;

	if (rc >= 0)
		rc = fill_head(r, store, programs, scenario, asked, options);
	if (rc >= 0)
		rc = fill_descs(r, out, base);
	if (rc >= 0)
		rc = fill_metrics(r, store, programs, asked, base, reterr);
	if (rc >= 0 && options->seed_values)
		rc = cgr_result_seed_values(r, asked, reterr);
	if (rc >= 0)
		rc = fill_tasks(r, store, programs, out, map);
	if (rc >= 0)
		rc = fill_decisions(r, store, out);
	if (rc >= 0)
		rc = fill_fidelity(r, store, programs, baseline, base, reterr);
	if (rc >= 0)
		rc = cgr_result_series(r, store, asked, reterr);
	if (rc >= 0 && options->curves)
		rc = cgr_result_recorded_memory(r, store, out, reterr);
	if (rc >= 0 && options->curves)
		rc = cgr_result_curves(r, store, reterr);
	if (rc >= 0 && out->spans) {
		r->span = cgr_calloc(out->spans, sizeof *r->span);
		rc = r->span ? 0 : CGR_E_NOMEM;
		for (size_t i = 0; r->span && i < out->spans; i++) {
			r->span[i] = out->span[i];
			r->span[i].task = map[out->span[i].task];
		}
		r->spans = r->span ? out->spans : 0;
	}
	free(map);
	if (rc < 0) {
		cgr_result_free(r);
		return reterr && reterr->code ? rc : cgr_error_set(reterr, rc, "result of a replay");
	}
	*ret_result = r;
	return 0;
}
