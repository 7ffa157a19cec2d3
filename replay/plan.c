#include "replay/plan.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/cgroupname.h"
#include "common/cpulist.h"
#include "common/limits.h"
#include "common/optparse.h"
#include "common/units.h"
#include "model/registry.h"
#include "replay/plan_internal.h"

const char *cgr_whatif_default_cpu(const struct cgr_store_info *info)
{
	return info->kernel_version && info->kernel_version < CGR_KERNEL(6, 6, 0) ? "cfs" : "eevdf";
}

const char *cgr_whatif_default_reclaim(const struct cgr_store_info *info)
{
	return info->mglru ? "mglru" : "lru2";
}

void cgr_whatif_fini(struct cgr_whatif *plan)
{
	for (size_t i = 0; i < plan->changes; i++) {
		free(plan->change[i].knob);
		free(plan->change[i].from);
		free(plan->change[i].to);
	}
	free(plan->change);
	free(plan->knob);
	free(plan->own);
	free(plan->cpulist);
	free(plan->cpu_param);
	free(plan->memory_param);
	free(plan->reclaim_param);
	*plan = (struct cgr_whatif){ 0 };
}

static int choose_models(struct cgr_whatif *plan, const struct cgr_scenario *s, struct cgr_error *reterr)
{
	const struct cgr_store_info *info = cgr_store_borrow_info(plan->store);
	const struct cgr_model_head *head;

	plan->cpu_name = s->cpu_model ? s->cpu_model : cgr_whatif_default_cpu(info);
	head = cgr_model_find(CGR_DOMAIN_CPU, plan->cpu_name, reterr);
	if (!head)
		return CGR_E_SCENARIO;
	plan->cpu = (const struct cgr_cpu_ops *)head;
	plan->cpu_name = head->name;
	plan->plays_back = (head->needs & CGR_NEEDS_SCHEDULE) != 0;
	if (plan->plays_back) {
		if (s->cpus || s->until_done)
			return cgr_error_set(reterr, CGR_E_SCENARIO,
			                     "the CPU model '%s' plays back what was recorded: %s asks for more", plan->cpu_name,
			                     s->cpus ? "another number of CPUs" : "--until done");
		plan->open_loop = true;
	}
	plan->memory_name = plan->reclaim_name = "recorded";
	if ((s->memory_model && !strcmp(s->memory_model, "recorded")) || (!s->memory_model && !info->has_memcg_events))
		return 0;
	head = cgr_model_find(CGR_DOMAIN_MEMORY, s->memory_model ? s->memory_model : "memcg", reterr);
	if (!head)
		return CGR_E_SCENARIO;
	plan->memory = (const struct cgr_memory_ops *)head;
	plan->memory_name = head->name;
	head = cgr_model_find(CGR_DOMAIN_RECLAIM, s->reclaim_model ? s->reclaim_model : cgr_whatif_default_reclaim(info),
	                      reterr);
	if (!head)
		return CGR_E_SCENARIO;
	plan->reclaim = (const struct cgr_reclaim_ops *)head;
	plan->reclaim_name = head->name;
	return 0;
}

/* ---- parameters ---- */
static int set_param(const struct cgr_model_head *head, int64_t *values, const char *text, bool *used,
                     struct cgr_error *reterr)
{
	const char *dot = strchr(text, '.'), *equals = strchr(text, '=');
	size_t name = (size_t)(equals - dot - 1);
	const char *names[CGR_LIMIT_MODEL_PARAMS], *near;
	char wanted[128];

	if (!head || strncmp(head->name, text, (size_t)(dot - text)) != 0 || head->name[dot - text])
		return 0;
	*used = true;
	for (unsigned i = 0; i < head->n_params; i++) {
		const struct cgr_param_desc *p = &head->params[i];

		names[i] = p->name;
		if (strlen(p->name) != name || memcmp(p->name, dot + 1, name) != 0)
			continue;
		if (cgr_parse_int(equals + 1, p->minimum, p->maximum, &values[i], reterr) < 0)
			return cgr_error_cause(reterr, "--param '%s'", text);
		return 0;
	}
	snprintf(wanted, sizeof wanted, "%.*s", (int)CGR_MIN(name, sizeof wanted - 1), dot + 1);
	near = cgr_did_you_mean(wanted, names, head->n_params);
	return cgr_error_set(reterr, CGR_E_SCENARIO, "--param '%s': model %s has no parameter '%s'%s%s%s", text, head->name,
	                     wanted, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int64_t *fallbacks(const struct cgr_model_head *head)
{
	int64_t *values = cgr_calloc(head && head->n_params ? head->n_params : 1, sizeof *values);

	for (unsigned i = 0; values && head && i < head->n_params; i++)
		values[i] = head->params[i].fallback;
	return values;
}

/* Tunables the recorder could read take the place of a model's defaults when the model has a parameter of that name. */
static void recorded_tunables(const struct cgr_whatif *plan)
{
	const struct cgr_store_info *info = cgr_store_borrow_info(plan->store);
	const struct cgr_model_head *head = &plan->cpu->head;
	const struct {
		const char *name;
		int64_t value;
	} fact[] = {
		{ "base_slice_ns", info->base_slice_ns },
		{ "sched_latency_ns", info->sched_latency_ns },
		{ "min_granularity_ns", info->min_granularity_ns },
		{ "wakeup_granularity_ns", info->wakeup_granularity_ns },
		{ "cfs_bandwidth_slice_ns", info->cfs_bandwidth_slice_ns },
		{ "bandwidth_slice_ns", info->cfs_bandwidth_slice_ns },
	};

	for (unsigned i = 0; i < head->n_params; i++)
		for (size_t k = 0; k < CGR_ARRAY_SIZE(fact); k++)
			if (fact[k].value > 0 && !strcmp(head->params[i].name, fact[k].name) &&
			    fact[k].value >= head->params[i].minimum && fact[k].value <= head->params[i].maximum)
				plan->cpu_param[i] = fact[k].value;
}

/* How far the recording machine's disks read ahead; recordings that do not say leave it to the model to learn. */
static void recorded_read_ahead(const struct cgr_whatif *plan, const struct cgr_model_head *memory)
{
	const char *text = cgr_store_borrow_meta(plan->store, "facts.vm");
	json_t *vm = text ? json_loads(text, 0, NULL) : NULL;
	json_int_t kib = json_integer_value(json_object_get(vm, "read_ahead_kb"));

	for (unsigned i = 0; memory && i < memory->n_params; i++)
		if (!strcmp(memory->params[i].name, "readahead_kb") && kib > memory->params[i].fallback &&
		    kib <= memory->params[i].maximum)
			plan->memory_param[i] = kib;
	json_decref(vm);
}

static uint32_t recorded_cpus(const struct cgr_store_info *info)
{
	return CGR_MAX(CGR_MAX(info->online_cpus, info->cpus), 1u);
}

/* What the recording shows of its kernel's scheduler says nothing about another scheduler. Whether that kernel looks
 * for idle CPUs is in its code, and holds for any number of them; how often a pull pays is what its past has taught it
 * of these CPUs (sched_domain). */
static void learn_cpu(struct cgr_whatif *plan, const struct cgr_calibration *c)
{
	const struct cgr_store_info *info = cgr_store_borrow_info(plan->store);
	const struct cgr_model_head *head = &plan->cpu->head;

	if (strcmp(plan->cpu_name, cgr_whatif_default_cpu(info)) != 0)
		return;
	for (unsigned i = 0; i < head->n_params; i++) {
		const char *name = head->params[i].name;

		if (plan->cpu_param[i] >= 0)
			continue;
		if (c->newidle_known && plan->cpus == recorded_cpus(info) && !strcmp(name, "newidle_ratio"))
			plan->cpu_param[i] = c->newidle_ratio;
		if (c->idle_scan_known && !strcmp(name, "idle_scan"))
			plan->cpu_param[i] = c->idle_scan;
	}
}

void cgr_whatif_learn(struct cgr_whatif *plan, const struct cgr_programs *programs)
{
	const struct cgr_model_head *head;
	const struct cgr_calibration *c = &programs->calibration;

	learn_cpu(plan, c);
	if (!plan->memory)
		return;
	head = &plan->memory->head;
	for (unsigned i = 0; i < head->n_params; i++) {
		if (plan->memory_param[i] >= 0)
			continue;
		if (!strcmp(head->params[i].name, "swapped_out"))
			plan->memory_param[i] = (int64_t)c->swapped_out;
		else if (!strcmp(head->params[i].name, "writeback_page_ns"))
			plan->memory_param[i] = (int64_t)c->stream_page_ns;
		else if (!strcmp(head->params[i].name, "swap_returns_permille") && c->swapped_out)
			plan->memory_param[i] = (int64_t)(c->swapped_in * 1000 / c->swapped_out);
	}
}

static int read_params(struct cgr_whatif *plan, const struct cgr_scenario *s, struct cgr_error *reterr)
{
	const struct cgr_model_head *cpu = &plan->cpu->head;
	const struct cgr_model_head *memory = plan->memory ? &plan->memory->head : NULL;
	const struct cgr_model_head *reclaim = plan->reclaim ? &plan->reclaim->head : NULL;

	plan->cpu_param = fallbacks(cpu);
	plan->memory_param = fallbacks(memory);
	plan->reclaim_param = fallbacks(reclaim);
	if (!plan->cpu_param || !plan->memory_param || !plan->reclaim_param)
		return cgr_error_set(reterr, CGR_E_NOMEM, "model parameters");
	recorded_tunables(plan);
	recorded_read_ahead(plan, memory);
	for (size_t i = 0; i < s->params; i++) {
		bool used = false;

		CGR_TRY(set_param(cpu, plan->cpu_param, s->param[i], &used, reterr));
		CGR_TRY(set_param(memory, plan->memory_param, s->param[i], &used, reterr));
		CGR_TRY(set_param(reclaim, plan->reclaim_param, s->param[i], &used, reterr));
		if (!used)
			return cgr_error_set(reterr, CGR_E_SCENARIO,
			                     "--param '%s': no such model in this replay (it uses %s, %s and %s)", s->param[i],
			                     plan->cpu_name, plan->memory_name, plan->reclaim_name);
	}
	return 0;
}

/* ---- settings ---- */
/* Said again for the same moment (a path and a glob, a scenario and the one it is based on): the last word holds. */
static void forget_change(struct cgr_whatif *plan, uint32_t cgroup, const char *knob, int64_t t_usec)
{
	for (size_t i = 0; i < plan->changes; i++) {
		struct cgr_whatif_change *c = &plan->change[i];

		if (c->cgroup != cgroup || c->t_usec != t_usec || strcmp(c->knob, knob) != 0)
			continue;
		free(c->knob);
		free(c->from);
		free(c->to);
		memmove(c, c + 1, (plan->changes - i - 1) * sizeof *c);
		plan->changes--;
		return;
	}
}

/* One line of what the scenario changes, as people read it. */
static int show_change(struct cgr_whatif *plan, uint32_t cgroup, const struct cgr_knob_ref *ref, const int64_t v[2],
                       int64_t t_ns, struct cgr_error *reterr)
{
	struct cgr_whatif_change *p;
	char text[64];
	int64_t from[2];

	forget_change(plan, cgroup, ref->desc->name, t_ns / 1000);
	CGR_TRY(cgr_grow((void **)&plan->change, &plan->change_capacity, plan->changes + 1, sizeof *p, reterr));
	p = &plan->change[plan->changes++];
	*p = (struct cgr_whatif_change){ .cgroup = cgroup, .t_usec = t_ns / 1000 };
	p->knob = cgr_strdup(ref->desc->name);
	cgr_knob_format(plan, ref->desc, v, text, sizeof text);
	p->to = cgr_strdup(text);
	if (cgr_knob_recorded(plan->store, cgroup, ref->desc, t_ns, from))
		cgr_knob_format(plan, ref->desc, from, text, sizeof text);
	else
		(void)cgr_strcpy(text, sizeof text, "unknown");
	p->from = cgr_strdup(text);
	if (!p->knob || !p->from || !p->to)
		return cgr_error_set(reterr, CGR_E_NOMEM, "scenario");
	return 0;
}

static int add_change(struct cgr_whatif *plan, uint32_t cgroup, const struct cgr_knob_ref *ref, const int64_t v[2],
                      int64_t t_ns, bool shown, struct cgr_error *reterr)
{
	struct cgr_knob_change *c;

	CGR_TRY(cgr_grow((void **)&plan->knob, &plan->knob_capacity, plan->knobs + 1, sizeof *c, reterr));
	c = &plan->knob[plan->knobs];
	*c = (struct cgr_knob_change){ .t_ns = t_ns,
		                           .cgroup = cgroup,
		                           .domain = ref->domain,
		                           .knob = ref->index,
		                           .order = (uint32_t)plan->knobs,
		                           .v = { v[0], v[1] } };
	plan->knobs++;
	return shown ? show_change(plan, cgroup, ref, v, t_ns, reterr) : 0;
}

/* What a setting that nothing would feel gets instead of the answer "no difference". */
static int check_effect(const struct cgr_whatif *plan, const struct cgr_setting *s, uint32_t cgroup,
                        const struct cgr_knob_ref *ref, struct cgr_error *reterr)
{
	const struct cgr_store_cgroup *group = cgr_store_borrow_cgroups(plan->store, &(size_t){ 0 });
	int64_t end_ns = cgr_store_borrow_info(plan->store)->duration_ns;

	/* tg_set_cfs_bandwidth, mem_cgroup_write and their like refuse the root; swappiness of the root is the machine's */
	if (group[cgroup].parent == CGR_ID_NONE && strcmp(ref->desc->name, "memory.swappiness") != 0)
		return cgr_error_set(reterr, CGR_E_SCENARIO,
		                     "the kernel lets nobody limit the root cgroup: set '%s' of a cgroup below it, or ask for "
		                     "fewer CPUs with --cpus",
		                     s->knob);
	if (s->t_ns >= end_ns && !plan->until_done)
		return cgr_error_set(reterr, CGR_E_SCENARIO,
		                     "the change at %.3f s comes after the end of the recording at %.3f s, so it would change "
		                     "nothing",
		                     (double)s->t_ns / 1e9, (double)end_ns / 1e9);
	return 0;
}

static int apply_one(struct cgr_whatif *plan, const struct cgr_setting *s, uint32_t cgroup, struct cgr_error *reterr)
{
	struct cgr_knob_ref ref;
	int64_t v[2];

	CGR_TRY(cgr_knob_find(plan, s->knob, &ref, reterr));
	if (plan->plays_back && ref.domain != CGR_DOMAIN_MEMORY)
		return cgr_error_set(reterr, CGR_E_SCENARIO,
		                     "'%s' changes nothing where the CPU model '%s' plays back the recording", s->knob,
		                     plan->cpu_name);
	CGR_TRY(cgr_knob_parse(plan, s, cgroup, &ref, v, reterr));
	CGR_TRY(check_effect(plan, s, cgroup, &ref, reterr));
	CGR_TRY(add_change(plan, cgroup, &ref, v, s->t_ns, true, reterr));
	if (!ref.twin)
		return 0;
	/* cpu.weight and cpu.shares are one thing under two names: the model hears both (sched_weight_from_cgroup) */
	v[0] = strcmp(ref.desc->name, "cpu.weight") ? CGR_MAX((v[0] * 100 + 512) / 1024, 1) : (v[0] * 1024 + 50) / 100;
	ref.index = ref.twin_index;
	ref.desc = cgr_knob_desc_of(plan, ref.domain, ref.index);
	return add_change(plan, cgroup, &ref, v, s->t_ns, false, reterr);
}

/* A path is itself before it is a pattern: '[', '*' and '?' may stand in the name of a directory. */
static bool is_pattern(const struct cgr_whatif *plan, const char *text)
{
	size_t count;
	const struct cgr_store_cgroup *cgroup = cgr_store_borrow_cgroups(plan->store, &count);

	if (!cgr_name_is_pattern(text))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!strcmp(cgroup[i].path, text))
			return false;
	return true;
}

static int apply_setting(struct cgr_whatif *plan, const struct cgr_setting *s, struct cgr_error *reterr)
{
	size_t count, matched = 0;
	const struct cgr_store_cgroup *cgroup = cgr_store_borrow_cgroups(plan->store, &count);
	uint32_t id;

	if (is_pattern(plan, s->cgroup)) {
		for (size_t i = 0; i < count; i++)
			if (cgr_name_fits(cgroup[i].path, s->cgroup)) {
				matched++;
				CGR_TRY(apply_one(plan, s, (uint32_t)i, reterr));
			}
		if (!matched)
			return cgr_error_set(reterr, CGR_E_SCENARIO,
			                     "no cgroup of the recording matches '%s'; `cgreplay info` lists them", s->cgroup);
		return 0;
	}
	CGR_TRY(cgr_store_find_cgroup(plan->store, s->cgroup, &id, reterr));
	/* a path that was removed and made again is several cgroups: the setting holds for each */
	for (size_t i = 0; i < count; i++)
		if (!strcmp(cgroup[i].path, cgroup[id].path))
			CGR_TRY(apply_one(plan, s, (uint32_t)i, reterr));
	return 0;
}

static int by_time(const void *a, const void *b)
{
	const struct cgr_knob_change *x = a, *y = b;

	if (x->t_ns != y->t_ns)
		return x->t_ns < y->t_ns ? -1 : 1;
	if (x->cgroup != y->cgroup)
		return x->cgroup < y->cgroup ? -1 : 1;
	if (x->domain != y->domain)
		return x->domain < y->domain ? -1 : 1;
	if (x->knob != y->knob)
		return x->knob < y->knob ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order; /* qsort is not stable everywhere: the last one said wins */
}

static bool overridden(const struct cgr_whatif *plan, size_t settings, uint32_t cgroup, const struct cgr_knob_ref *ref,
                       int64_t t_ns)
{
	for (size_t i = 0; i < settings; i++) {
		const struct cgr_knob_change *c = &plan->knob[i];

		if (c->cgroup == cgroup && c->t_ns <= t_ns && c->domain == ref->domain &&
		    (c->knob == ref->index || (ref->twin && c->knob == ref->twin_index)))
			return true;
	}
	return false;
}

/* sched_group_set_idle: while cpu.idle is 1, the files tell the weight of SCHED_IDLE; cleared, it is the normal one. */
static bool was_idle(const struct cgr_whatif *plan, const struct cgr_store_sample *sample)
{
	int64_t idle = 0, none;

	return cgr_store_knob_at(plan->store, sample->cgroup, "cpu.idle", sample->t_ns, &idle, &none) && idle;
}

/* cgroup v2: one that names no CPUs of its own has those of the cgroup above, whatever a what-if makes of them. */
static bool inherits_cpus(const struct cgr_whatif *plan, const struct cgr_store_sample *sample)
{
	size_t count;
	const struct cgr_store_sample *knob = cgr_store_borrow_knobs(plan->store, &count);

	if (strcmp(cgr_store_borrow_name(plan->store, sample->name), "cpuset.cpus.effective") != 0)
		return false;
	for (size_t i = 0; i < count; i++)
		if (knob[i].cgroup == sample->cgroup &&
		    !strcmp(cgr_store_borrow_name(plan->store, knob[i].name), "cpuset.cpus"))
			return !knob[i].text || !*knob[i].text;
	return false;
}

/* A cpuset that holds all CPUs of the recorded machine grows with it. */
static bool holds_all(const struct cgr_whatif *plan, const struct cgr_knob_desc *desc, const int64_t v[2])
{
	uint32_t online = cgr_store_borrow_info(plan->store)->online_cpus;

	return desc->type == CGR_KNOB_CPULIST && plan->cpus > online &&
	       cgr_cpus_count(plan->cpulist[v[1]].word, CGR_CPU_WORDS) == online;
}

static int recorded_one(struct cgr_whatif *plan, const struct cgr_store_sample *sample,
                        const struct cgr_store_sample *before, size_t settings, struct cgr_error *reterr)
{
	size_t cgroups;
	const struct cgr_store_cgroup *cgroup = cgr_store_borrow_cgroups(plan->store, &cgroups);
	struct cgr_knob_ref ref;
	int64_t v[2], old[2], t_ns = sample->t_ns;
	int rc;

	if (sample->cgroup >= cgroups ||
	    cgr_knob_find(plan, cgr_store_borrow_name(plan->store, sample->name), &ref, NULL) < 0)
		return 0;
	rc = cgr_knob_of_sample(plan, sample, ref.desc, v, reterr);
	if (rc <= 0)
		return rc;
	if (!before) /* first seen a while after it was made: it has been so from the beginning, as far as anybody knows */
		t_ns = CGR_MAX(cgroup[sample->cgroup].born_ns, 0);
	else if (cgr_knob_of_sample(plan, before, ref.desc, old, reterr) > 0 && old[0] == v[0] && old[1] == v[1])
		return 0;
	if (overridden(plan, settings, sample->cgroup, &ref, t_ns) || (ref.twin && was_idle(plan, sample)) ||
	    inherits_cpus(plan, sample) || holds_all(plan, ref.desc, v))
		return 0;
	return add_change(plan, sample->cgroup, &ref, v, t_ns, false, reterr);
}

/* The recorded values, except where the scenario says otherwise from then on. */
static int recorded_knobs(struct cgr_whatif *plan, struct cgr_error *reterr)
{
	size_t count, settings = plan->knobs;
	const struct cgr_store_sample *sample = cgr_store_borrow_knobs(plan->store, &count);
	size_t *last = cgr_calloc(count ? count : 1, sizeof *last); /* by (cgroup, name): latest sample + 1 */
	struct cgr_intern seen = { 0 };
	int rc = last ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "recorded knobs");

	for (size_t i = 0; i < count && rc >= 0; i++) {
		uint32_t id;

		rc = cgr_intern_id(&seen, (uint64_t)sample[i].cgroup << 32 | sample[i].name, &id, NULL, reterr);
		if (rc < 0)
			break;
		rc = recorded_one(plan, &sample[i], last[id] ? &sample[last[id] - 1] : NULL, settings, reterr);
		last[id] = i + 1;
	}
	cgr_intern_fini(&seen);
	free(last);
	return rc;
}

static int place(const struct cgr_setting *s, struct cgr_error *reterr)
{
	return cgr_error_cause(reterr, "%s %s:%s=%s", s->where, s->cgroup, s->knob, s->value);
}

static const struct cgr_knob_change *change_of(const struct cgr_whatif *plan, uint32_t order)
{
	for (size_t i = 0; i < plan->knobs; i++)
		if (plan->knob[i].order == order)
			return &plan->knob[i];
	return NULL;
}

/* The scenario's settings one by one, the recorded values beside them, all in order of time; then what the kernel would
 * make of them together. */
static int apply_settings(struct cgr_whatif *plan, const struct cgr_scenario *s, struct cgr_error *reterr)
{
	uint32_t *end = cgr_calloc(s->settings + 1, sizeof *end), order = 0;
	int rc = end ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "scenario");

	for (size_t i = 0; i < s->settings && rc >= 0; i++) {
		rc = apply_setting(plan, &s->setting[i], reterr);
		end[i] = (uint32_t)plan->knobs;
		if (rc < 0)
			place(&s->setting[i], reterr);
	}
	if (rc >= 0)
		rc = recorded_knobs(plan, reterr);
	if (rc >= 0 && plan->knobs)
		qsort(plan->knob, plan->knobs, sizeof *plan->knob, by_time);
	for (size_t i = 0; i < s->settings && rc >= 0; i++)
		for (; order < end[i] && rc >= 0; order++) {
			rc = cgr_whatif_check(plan, change_of(plan, order), reterr);
			if (rc < 0)
				place(&s->setting[i], reterr);
		}
	free(end);
	return rc;
}

int cgr_whatif_make(const struct cgr_store *store, const struct cgr_scenario *s, struct cgr_whatif *plan,
                    struct cgr_error *reterr)
{
	const struct cgr_store_info *info = cgr_store_borrow_info(store);
	int rc;

	*plan = (struct cgr_whatif){ .store = store,
		                         .seed = s->seed ? s->seed : 1,
		                         .seeds = s->seeds ? s->seeds : CGR_SEEDS_DEFAULT,
		                         .until_done = s->until_done,
		                         .open_loop = s->open_loop };
	plan->cpus = s->cpus ? (uint32_t)s->cpus : recorded_cpus(info);
	if (plan->cpus > CGR_LIMIT_REPLAY_CPUS)
		return cgr_error_set(reterr, CGR_E_LIMIT, "%u CPUs: a replay simulates at most %u", plan->cpus,
		                     CGR_LIMIT_REPLAY_CPUS);
	rc = choose_models(plan, s, reterr);
	if (rc >= 0)
		rc = read_params(plan, s, reterr);
	if (rc < 0 && s->where)
		cgr_error_cause(reterr, "%s: scenario '%s'", s->where, s->name);
	if (rc >= 0)
		rc = apply_settings(plan, s, reterr);
	if (rc < 0) {
		cgr_whatif_fini(plan);
		return rc;
	}
	plan->changed = plan->changes || s->params || s->cpus || s->cpu_model || s->memory_model || s->reclaim_model;
	return 0;
}

/* Names of cgroups come from anybody's machine; what drives a terminal, or starts a line, is shown as \xNN. */
static void put_path(struct cgr_strbuf *out, const char *path)
{
	for (; *path; path++)
		if ((unsigned char)*path < 0x20 || *path == 0x7f)
			cgr_strbuf_printf(out, "\\x%02x", (unsigned)*path);
		else
			cgr_strbuf_append(out, path, 1);
}

char *cgr_whatif_explain(const struct cgr_whatif *plan)
{
	struct cgr_strbuf out = { 0 };
	size_t count;
	const struct cgr_store_cgroup *cgroup = cgr_store_borrow_cgroups(plan->store, &count);

	cgr_strbuf_printf(&out, "models  cpu %s, memory %s, reclaim %s; %u CPUs; %u seeds\n", plan->cpu_name,
	                  plan->memory_name, plan->reclaim_name, plan->cpus, plan->seeds);
	for (size_t i = 0; i < plan->knobs; i++) {
		const struct cgr_knob_change *c = &plan->knob[i];
		const struct cgr_knob_desc *desc = cgr_knob_desc_of(plan, c->domain, c->knob);
		char text[64];

		/* a knob told twice at one time: the last one holds */
		if (i + 1 < plan->knobs && c[1].cgroup == c->cgroup && c[1].domain == c->domain && c[1].knob == c->knob &&
		    c[1].t_ns == c->t_ns)
			continue;
		cgr_knob_format(plan, desc, c->v, text, sizeof text);
		put_path(&out, cgroup[c->cgroup].path);
		cgr_strbuf_printf(&out, "  %s = %s", desc->name, text);
		if (c->t_ns > 0)
			cgr_strbuf_printf(&out, "  from %" PRId64 ".%06" PRId64 " s", c->t_ns / 1000000000,
			                  c->t_ns / 1000 % 1000000);
		for (size_t k = 0; k < plan->changes; k++)
			if (plan->change[k].cgroup == c->cgroup && !strcmp(plan->change[k].knob, desc->name) &&
			    plan->change[k].t_usec == c->t_ns / 1000)
				cgr_strbuf_printf(&out, "  (recorded: %s)", plan->change[k].from);
		cgr_strbuf_printf(&out, "\n");
	}
	return out.failed ? NULL : out.text;
}
