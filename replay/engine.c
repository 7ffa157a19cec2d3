#include "replay/engine.h"

#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "replay/engine_internal.h"
#include "replay/group.h"

#define SWITCH_COST_NS 0u
#define COMPLETION_TIMES_MAX 10u /* how far past the recorded end completion times are looked for */
#define VIRTUAL_TIMES_MAX 1000u /* --until done gives up after this many times the recorded duration */

const struct cgr_knob_desc cgr_engine_knobs[] = {
	{ "cpuset.cpus", CGR_KNOB_CPULIST, "CPUs the tasks of the cgroup may use", { INT64_MAX, 0 }, 0, INT64_MAX },
};
const unsigned cgr_engine_n_knobs = CGR_ARRAY_SIZE(cgr_engine_knobs);

void cgr_engine_output_fini(struct cgr_engine_output *out)
{
	for (unsigned b = 0; b < CGR_BLOCK_COUNT; b++) {
		free(out->block[b].value);
		free(out->block[b].bound);
	}
	for (uint32_t i = 0; out->task && i < out->tasks; i++)
		cgr_histogram_fini(&out->task[i].latency);
	for (size_t i = 0; i < out->series_count; i++)
		free(out->series[i].value);
	free(out->task);
	free(out->decision);
	free(out->sample_ns);
	free(out->series);
	free(out->span);
	free(out->extrapolated);
	memset(out, 0, sizeof *out);
}

static int allocate(struct cgr_engine *e)
{
	struct cgr_engine_output *out = e->out;
	size_t g = e->n_cgroups, n = e->n_tasks;
	struct cgr_metric_block *b = &out->block[CGR_BLOCK_ENGINE];

	out->cgroups = e->n_cgroups;
	out->tasks = e->n_tasks;
	out->task = cgr_calloc(n, sizeof *out->task);
	out->extrapolated = cgr_calloc(g, sizeof *out->extrapolated);
	b->desc = cgr_engine_metrics;
	b->count = CGR_EM_COUNT;
	b->value = cgr_calloc(g * CGR_EM_COUNT, sizeof *b->value);
	b->bound = cgr_calloc(g * CGR_EM_COUNT, sizeof *b->bound);
	e->task = cgr_calloc(n, sizeof *e->task);
	e->task_info = cgr_calloc(n, sizeof *e->task_info);
	e->cpu = cgr_calloc(e->n_cpus, sizeof *e->cpu);
	e->group_next = cgr_calloc(n, sizeof *e->group_next);
	e->affinity = cgr_calloc(n * e->cpu_words, sizeof *e->affinity);
	e->allowed = cgr_calloc(n * e->cpu_words, sizeof *e->allowed);
	e->cpuset_cgroup = cgr_calloc(n, sizeof *e->cpuset_cgroup);
	e->held_head = cgr_calloc(n, sizeof *e->held_head);
	e->pipe = cgr_calloc(CGR_MAX(e->programs->pipes, 1u), sizeof *e->pipe);
	e->ticks = cgr_calloc(CGR_MAX(e->programs->sites, 1u), sizeof *e->ticks);
	e->ended_ns = cgr_calloc(n, sizeof *e->ended_ns);
	e->cpuset = cgr_calloc(g * e->cpu_words, sizeof *e->cpuset);
	e->psi = cgr_calloc(g * e->n_cpus, sizeof *e->psi);
	e->psi_group = cgr_calloc(g, sizeof *e->psi_group);
	for (unsigned d = 0; d < 2; d++) {
		e->cpuset_text[d] = cgr_calloc(g, sizeof *e->cpuset_text[d]);
		e->parent[d] = cgr_calloc(g, sizeof *e->parent[d]);
		e->online[d] = cgr_calloc(g, sizeof *e->online[d]);
		e->removed[d] = cgr_calloc(g, sizeof *e->removed[d]);
		if (!e->cpuset_text[d] || !e->parent[d] || !e->online[d] || !e->removed[d])
			return CGR_E_NOMEM;
	}
	if (!out->task || !out->extrapolated || !b->value || !b->bound || !e->task || !e->task_info || !e->cpu ||
	    !e->group_next || !e->affinity || !e->allowed || !e->cpuset_cgroup || !e->held_head || !e->pipe || !e->ticks ||
	    !e->ended_ns || !e->cpuset || !e->psi || !e->psi_group)
		return CGR_E_NOMEM;
	return cgr_heap_init(&e->heap, slot_timer(e, 64));
}

/* A cgroup without a directory of the controller is governed by the nearest ancestor that has one. */
static void init_cgroups(struct cgr_engine *e)
{
	for (uint32_t g = 0; g < e->n_cgroups; g++) {
		for (unsigned d = 0; d < 2; d++) {
			uint32_t up = e->store_cgroup[g].parent;

			while (up != CGR_ID_NONE && up != 0 &&
			       !(d == 0 ? e->store_cgroup[up].has_cpu : e->store_cgroup[up].has_memory))
				up = e->store_cgroup[up].parent;
			e->parent[d][g] = g == 0 ? NONE : up == CGR_ID_NONE ? 0 : up;
		}
		cgr_cpus_fill(e->cpuset + g * e->cpu_words, e->n_cpus);
	}
}

static int init_groups(struct cgr_engine *e)
{
	uint32_t *leader = cgr_calloc(e->n_tasks, sizeof *leader);
	int rc = leader ? cgr_thread_leaders(e->store_task, e->n_tasks, leader, e->error) : CGR_E_NOMEM;

	for (uint32_t i = 1; i < e->n_tasks && rc >= 0; i++) {
		e->group_next[i] = i;
		e->task_info[i].mm_owner = leader[i];
	}
	for (uint32_t i = 1; i < e->n_tasks && rc >= 0; i++)
		if (leader[i] != i) {
			e->group_next[i] = e->group_next[leader[i]];
			e->group_next[leader[i]] = i;
		}
	free(leader);
	return rc;
}

/* The first or last cpuset each cgroup was recorded with, NULL unknown: the effective one where the kernel has both. */
static void note_cpusets(struct cgr_engine *e, unsigned last)
{
	static const char *const name[] = { "cpuset.cpus.effective", "cpuset.cpus" };
	const char **cpuset = e->cpuset_text[last];
	size_t count;
	const struct cgr_store_sample *knob = cgr_store_borrow_knobs(e->config->store, &count);

	for (size_t n = 0; n < CGR_ARRAY_SIZE(name); n++)
		for (size_t i = 0; i < count; i++) {
			const struct cgr_store_sample *k = &knob[last ? count - 1 - i : i];

			if (k->cgroup >= e->n_cgroups || cpuset[k->cgroup] || !k->text || !*k->text)
				continue;
			if (!strcmp(cgr_store_borrow_name(e->config->store, k->name), name[n]))
				cpuset[k->cgroup] = k->text;
		}
}

/* Whether Cpus_allowed_list of a task is of the end of the recording, which it was born in, and not of the start. */
static bool seen_at_end(const struct cgr_engine *e, uint32_t task)
{
	return e->store_task[task].cpus_allowed && e->store_task[task].start_ns >= 0;
}

/* Cpus_allowed_list is what the task asked for met with the cpuset it was in then: where the two are equal it asked for
 * nothing, and goes where another cpuset lets it (set_cpus_allowed_ptr keeps the wish in user_cpus_ptr, which nobody
 * can read). The list may name CPUs that the machine could have and has not. */
static void read_wish(struct cgr_engine *e, uint32_t task)
{
	bool last = seen_at_end(e, task);
	uint32_t in = last ? e->programs->program[task].last_cpuset : e->cpuset_cgroup[task];
	const char *text = e->store_task[task].cpus_allowed, *cpuset = e->cpuset_text[last][in < e->n_cgroups ? in : 0];
	uint64_t named[CGR_LIMIT_CPUS / 64], *set = e->affinity + task * e->cpu_words, any = 0;

	cgr_cpus_fill(set, e->n_cpus);
	if (!text || (cpuset && !strcmp(text, cpuset)) || cgr_parse_cpulist(text, named, CGR_ARRAY_SIZE(named), NULL) < 0)
		return;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(named); i++)
		any |= named[i];
	for (size_t i = 0; any && i < e->cpu_words; i++)
		set[i] &= named[i];
}

/* A task moves to another cpuset: before Linux 6.2, which brought user_cpus_ptr, cpuset_attach overwrote its wish. One
 * seen at the end was made after the last move. */
void cgr_run_forget_wish(struct cgr_engine *e, uint32_t task)
{
	if (e->info->kernel_version && e->info->kernel_version < CGR_KERNEL(6, 2, 0) && !seen_at_end(e, task))
		cgr_cpus_fill(e->affinity + task * e->cpu_words, e->n_cpus);
}

static int init_tasks(struct cgr_engine *e)
{
	size_t sets;
	const struct cgr_store_css_set *css = cgr_store_borrow_css_sets(e->config->store, &sets);

	CGR_TRY(init_groups(e));
	note_cpusets(e, 0);
	note_cpusets(e, 1);
	for (uint32_t i = 1; i < e->n_tasks; i++) {
		const struct cgr_store_task *s = &e->store_task[i];
		const struct cgr_program *p = &e->programs->program[i];
		struct cgr_task_info *info = &e->task_info[i];
		struct task_run *t = &e->task[i];

		info->tid = s->tid;
		info->tgid = s->tgid;
		info->prio = p->prio >= 0 ? p->prio : s->prio;
		info->policy = s->policy < 0 ? (info->prio < 100 ? 1 : 0) : s->policy;
		if (info->policy == 6)
			info->prio = -1;
		info->oom_score_adj = s->oom_score_adj;
		info->kernel_thread = s->kernel_thread;
		info->session = e->info->autogroup ? s->session : 0;
		info->cpu = p->start_cpu < e->n_cpus ? p->start_cpu : p->start_cpu % e->n_cpus;
		if (s->css_set < sets) {
			info->cpu_cgroup = css[s->css_set].cpu_cgroup;
			info->memory_cgroup = css[s->css_set].memory_cgroup;
			e->cpuset_cgroup[i] = css[s->css_set].cpuset_cgroup;
		}
		if (info->cpu_cgroup >= e->n_cgroups)
			info->cpu_cgroup = 0;
		if (info->memory_cgroup >= e->n_cgroups)
			info->memory_cgroup = 0;
		if (e->cpuset_cgroup[i] >= e->n_cgroups)
			e->cpuset_cgroup[i] = 0;
		info->cpus_beyond = e->cpu_words > 1 ? e->allowed + i * e->cpu_words + 1 : NULL;
		read_wish(e, i);
		e->held_head[i] = NONE;
		e->ended_ns[i] = -1;
		t->free = e->recorder_tgid && s->tgid == e->recorder_tgid;
		t->rt = is_rt_prio(e, info->prio);
		t->waker = t->rt_next = t->full = t->holds = t->held_by = NONE;
		t->cursor = cgr_cursor_start(e->programs, i);
		e->out->task[i].start_ns = e->out->task[i].end_ns = -1;
		e->out->task[i].cgroup = info->cpu_cgroup;
	}
	return 0;
}

static int init_knob_values(struct cgr_engine *e, unsigned index)
{
	const struct cgr_model_head *h = e->model[index].head;

	e->knob_value[index] =
	    cgr_calloc((size_t)(h->n_knobs ? h->n_knobs : 1) * e->n_cgroups, sizeof *e->knob_value[index]);
	if (!e->knob_value[index])
		return CGR_E_NOMEM;
	for (unsigned k = 0; k < h->n_knobs; k++)
		for (uint32_t g = 0; g < e->n_cgroups; g++)
			memcpy(e->knob_value[index][(size_t)k * e->n_cgroups + g], h->knobs[k].fallback,
			       sizeof h->knobs[k].fallback);
	return 0;
}

static int init_models(struct cgr_engine *e)
{
	const struct cgr_engine_config *c = e->config;
	const struct cgr_model_head *head[MODEL_COUNT] = { &c->cpu->head, c->memory ? &c->memory->head : NULL,
		                                               c->memory && c->reclaim ? &c->reclaim->head : NULL };
	const int64_t *param[MODEL_COUNT] = { c->cpu_param, c->memory_param, c->reclaim_param };

	for (unsigned i = 0; i < MODEL_COUNT; i++) {
		if (!head[i])
			continue;
		CGR_TRY(cgr_run_instance_init(e, i, head[i], param[i]));
		if (init_knob_values(e, i) < 0)
			return cgr_error_set(e->error, CGR_E_NOMEM, "knobs of model %s", head[i]->name);
	}
	e->model[MODEL_MEMORY].ctx.reclaim = head[MODEL_RECLAIM] ? &e->model[MODEL_RECLAIM].ctx : NULL;
	e->model[MODEL_RECLAIM].ctx.owner = &e->model[MODEL_MEMORY].ctx;
	for (unsigned i = 0; i < MODEL_COUNT; i++) {
		struct instance *m = &e->model[i];
		int rc = 0;

		if (!head[i])
			continue;
		m->in_init = true;
		if (head[i]->init)
			rc = head[i]->init(&m->ctx);
		m->in_init = false;
		if (rc < 0)
			return cgr_error_set(e->error, rc, "model %s refuses to start on this recording", head[i]->name);
	}
	return 0;
}

/* Everything that was there before the trace, in the order in which it came to be: cgroups, knobs, memory, tasks. */
static void start_world(struct cgr_engine *e)
{
	const struct cgr_engine_config *c = e->config;

	for (size_t i = 0; i < c->owns && !c->other_run; i++)
		cgr_run_knob(e, &c->own[i]);
	while (e->next_knob < c->knobs && c->knob[e->next_knob].t_ns <= 0)
		cgr_run_knob(e, &c->knob[e->next_knob++]);
	for (uint32_t g = 0; g < e->n_cgroups; g++) {
		if (e->store_cgroup[g].born_ns > 0)
			continue;
		if (g == 0 || e->store_cgroup[g].has_cpu)
			cgr_run_online(e, g, 0);
		if (g == 0 || e->store_cgroup[g].has_memory)
			cgr_run_online(e, g, 1);
	}
	if (e->memory)
		cgr_run_preload(e);
	for (uint32_t i = 1; i < e->n_tasks; i++) {
		const struct cgr_program *p = &e->programs->program[i];

		if (p->start == CGR_START_FORKED || p->start == CGR_START_LATE || e->store_task[i].start_ns > 0)
			continue;
		cgr_run_online(e, e->task_info[i].cpu_cgroup, 0);
		cgr_run_online(e, e->task_info[i].memory_cgroup, 1);
		cgr_run_born(e, i, NONE);
		e->out->task[i].start_ns = 0;
		if (p->start == CGR_START_BLOCKED)
			e->task[i].state = RUN_BLOCKED;
	}
	for (uint32_t i = 1; i < e->n_tasks; i++) {
		const struct cgr_program *p = &e->programs->program[i];

		if (e->task[i].state == RUN_NEW && p->start == CGR_START_RUNNABLE) {
			cgr_run_start(e, i, e->task_info[i].cpu, false);
			e->task[i].woken = false;
		} else if (e->task[i].state == RUN_BLOCKED) {
			cgr_run_first_wait(e, i);
		}
	}
	cgr_heap_arm(&e->heap, SLOT_WORLD, 0);
	if (e->next_knob < c->knobs)
		cgr_heap_arm(&e->heap, SLOT_KNOB, (uint64_t)c->knob[e->next_knob].t_ns);
	if (c->sample_ns)
		cgr_heap_arm(&e->heap, SLOT_SAMPLE, 0);
}

static void due_knobs(struct cgr_engine *e)
{
	const struct cgr_engine_config *c = e->config;

	while (e->next_knob < c->knobs && c->knob[e->next_knob].t_ns <= (int64_t)e->now_ns)
		cgr_run_knob(e, &c->knob[e->next_knob++]);
	if (e->next_knob < c->knobs)
		cgr_heap_arm(&e->heap, SLOT_KNOB, (uint64_t)c->knob[e->next_knob].t_ns);
}

static void dispatch(struct cgr_engine *e, uint32_t slot)
{
	uint32_t cpus = SLOT_FIXED + e->n_cpus * CPU_SLOTS;

	if (slot == SLOT_WORLD) {
		cgr_run_world(e);
	} else if (slot == SLOT_KNOB) {
		due_knobs(e);
	} else if (slot == SLOT_RECORDED) {
		cgr_run_playback(e);
	} else if (slot == SLOT_KICK) {
		cgr_run_kick(e);
	} else if (slot == SLOT_SAMPLE) {
		cgr_run_sample(e);
		cgr_heap_arm(&e->heap, SLOT_SAMPLE, e->now_ns + e->config->sample_ns);
	} else if (slot < cpus) {
		uint32_t cpu = (slot - SLOT_FIXED) / CPU_SLOTS;

		switch ((slot - SLOT_FIXED) % CPU_SLOTS) {
		case CPU_RUN:
			cgr_run_ops(e, cpu);
			break;
		case CPU_TICK:
			cgr_run_tick(e, cpu);
			break;
		case CPU_WAKE:
			if (e->cpu[cpu].current == NONE)
				cgr_run_schedule(e, cpu);
			break;
		default:
			cgr_run_user_return(e, cpu);
			break;
		}
	} else if (slot < cpus + e->n_tasks) {
		cgr_run_task_timer(e, slot - cpus);
	} else {
		cgr_run_timer(e, slot - cpus - e->n_tasks);
	}
}

static void set_now(struct cgr_engine *e, uint64_t now_ns)
{
	e->now_ns = now_ns;
	for (unsigned m = 0; m < MODEL_COUNT; m++)
		e->model[m].ctx.now_ns = now_ns;
}

/* With --until done the clock must not run on behind the last program, nor for ever. */
static bool finished(struct cgr_engine *e, uint64_t *last_progress, uint64_t *last_ns)
{
	if (!e->config->until_done)
		return false;
	if (!e->active)
		return true;
	if (e->progress != *last_progress) {
		*last_progress = e->progress;
		*last_ns = e->now_ns;
		return false;
	}
	if (e->now_ns - *last_ns > (uint64_t)e->programs->duration_ns + 10000000000ull) {
		*last_ns = e->now_ns;
		return !cgr_run_release_stalled(e);
	}
	return false;
}

static int run_until(struct cgr_engine *e, uint64_t end_ns)
{
	uint64_t last_progress = 0, last_ns = 0;
	const struct cgr_heap_entry *top;

	while (!e->failed && !(e->frozen && !e->pending)) {
		uint32_t slot;

		top = cgr_heap_top(&e->heap);
		if (!top && e->config->until_done && e->active && cgr_run_release_stalled(e))
			continue;
		if (!top || top->time_ns > end_ns)
			break;
		slot = top->slot;
		set_now(e, top->time_ns);
		cgr_heap_take(&e->heap);
		dispatch(e, slot);
		cgr_run_schedule_all(e);
		if ((++e->out->steps & 0xfff) == 1 && cgr_interrupt_check(e->error) < 0)
			return CGR_E_INTERRUPTED;
		if (finished(e, &last_progress, &last_ns))
			break;
	}
	if (!e->config->until_done && !e->frozen)
		set_now(e, end_ns);
	return e->failed ? cgr_error_set(e->error, e->failed, "the replay ran out of memory") : 0;
}

/* Everything is judged at the recorded end; what ended in the recording and has not yet goes on for its completion. */
static int run(struct cgr_engine *e)
{
	struct cgr_engine_output *out = e->out;
	uint64_t blocks, unexplained, violations;
	int64_t unexplained_ns;
	int rc;

	for (uint32_t i = 1; i < e->n_tasks; i++)
		e->pending += e->programs->program[i].exits;
	CGR_TRY(run_until(e, e->end_ns));
	cgr_run_finish(e);
	if (e->config->until_done || !e->pending || out->broken)
		return 0;
	blocks = out->blocks;
	unexplained = out->unexplained_blocks;
	unexplained_ns = out->unexplained_ns;
	violations = out->violations;
	e->frozen = true;
	cgr_heap_disarm(&e->heap, SLOT_SAMPLE);
	rc = run_until(e, e->end_ns * COMPLETION_TIMES_MAX);
	out->blocks = blocks;
	out->unexplained_blocks = unexplained;
	out->unexplained_ns = unexplained_ns;
	out->violations = violations;
	cgr_run_completion(e);
	return rc;
}

/* A price of which the recording tells low..high, as the seed has drawn it. */
static uint64_t priced(uint64_t low, uint64_t usual, uint64_t high, int32_t permille)
{
	if (permille < 0)
		return usual - (usual - low) * (uint64_t)-permille / 1000;
	return usual + (high - usual) * (uint64_t)permille / 1000;
}

static void facts(struct cgr_engine *e)
{
	const struct cgr_calibration *c = &e->programs->calibration;
	uint64_t duration = (uint64_t)e->programs->duration_ns;
	int32_t at = e->config->price_permille;
	struct cgr_rng rng;

	e->tick_ns = 1000000000ull / (e->info->hz ? e->info->hz : 250);
	e->switch_cost_ns = SWITCH_COST_NS;
	cgr_rng_init(&e->rng, e->config->seed * 4u);
	e->idle_wake_ns = c->idle_wake_ns + (uint64_t)((int64_t)c->idle_wake_ns * e->config->wake_percent / 100);
	e->idle_charged_ns = c->idle_charged_ns;
	e->idle_wake_ns -= CGR_MIN(e->idle_wake_ns, e->idle_charged_ns);
	if (e->plays_back)
		e->idle_wake_ns = e->idle_charged_ns = 0; /* the switch comes when it came */
	e->miss[0].wait_ns = priced(c->single.wait_low_ns, c->single.wait_ns, c->single.wait_high_ns, at);
	e->miss[0].cpu_ns = priced(c->single.cpu_low_ns, c->single.cpu_ns, c->single.cpu_high_ns, at);
	e->miss[1].wait_ns = priced(c->window.wait_low_ns, c->window.wait_ns, c->window.wait_high_ns, at);
	e->miss[1].cpu_ns = priced(c->window.cpu_low_ns, c->window.cpu_ns, c->window.cpu_high_ns, at);
	cgr_rng_init(&rng, e->config->seed);
	e->tick_phase_ns =
	    c->tick_phase_known && !e->config->other_run ? c->tick_phase_ns : cgr_rng_below(&rng, e->tick_ns);
	e->start_jiffies = cgr_rng_below(&rng, CGR_WHEEL_SLOT_JIFFIES);
	if (e->config->without_recorder) {
		const char *recorder = cgr_store_borrow_meta(e->config->store, "facts.recorder");
		const char *tgid = recorder ? strstr(recorder, "\"tgid\":") : NULL;

		e->recorder_tgid = tgid ? atoi(tgid + 7) : 0;
	}
	e->out->reads_device = c->single.seen || c->window.seen;
	e->end_ns = e->config->until_done ? duration * VIRTUAL_TIMES_MAX + 3600000000000ull : duration;
}

static void release_engine(struct cgr_engine *e)
{
	for (unsigned m = MODEL_COUNT; m-- > 0;) {
		if (e->model[m].head && e->model[m].head->fini)
			e->model[m].head->fini(&e->model[m].ctx);
		cgr_run_instance_fini(e, m);
	}
	for (unsigned d = 0; d < 2; d++) {
		free(e->parent[d]);
		free(e->online[d]);
		free(e->removed[d]);
	}
	cgr_run_populated_fini(e);
	cgr_run_playback_fini(e);
	cgr_heap_fini(&e->heap);
	free(e->task);
	free(e->task_info);
	free(e->cpu);
	free(e->group_next);
	free(e->affinity);
	free(e->allowed);
	free(e->cpuset);
	free(e->cpuset_text[0]);
	free(e->cpuset_text[1]);
	free(e->cpuset_cgroup);
	free(e->held);
	free(e->held_head);
	free(e->pipe);
	free(e->ticks);
	free(e->ended_ns);
	free(e->psi);
	free(e->psi_group);
	free(e->timer);
	free(e->early);
}

int cgr_engine_run(const struct cgr_engine_config *config, struct cgr_engine_output *out, struct cgr_error *reterr)
{
	struct cgr_engine e = { .config = config,
		                    .programs = config->programs,
		                    .out = out,
		                    .error = reterr,
		                    .ops = config->cpu,
		                    .memory = config->memory,
		                    .n_cpus = config->cpus,
		                    .plays_back = (config->cpu->head.needs & CGR_NEEDS_SCHEDULE) != 0,
		                    .cpu_words = cgr_cpus_words(config->cpus),
		                    .free_timer = NONE,
		                    .free_held = NONE };
	size_t cgroups, tasks;
	int rc;

	memset(out, 0, sizeof *out);
	e.info = cgr_store_borrow_info(config->store);
	e.store_task = cgr_store_borrow_tasks(config->store, &tasks);
	e.store_cgroup = cgr_store_borrow_cgroups(config->store, &cgroups);
	e.n_tasks = (uint32_t)tasks;
	e.n_cgroups = (uint32_t)cgroups;
	rc = allocate(&e);
	if (rc < 0)
		cgr_error_set(reterr, rc, "state of a replay of %zu tasks in %zu cgroups", tasks, cgroups);
	if (rc >= 0) {
		facts(&e);
		init_cgroups(&e);
		rc = init_tasks(&e);
		for (uint32_t cpu = 0; cpu < e.n_cpus; cpu++)
			e.cpu[cpu].current = e.cpu[cpu].rt_head = NONE;
		e.world = cgr_cursor_start(e.programs, 0);
	}
	if (rc >= 0)
		rc = init_models(&e);
	if (rc >= 0)
		rc = cgr_run_populated_init(&e);
	if (rc >= 0)
		rc = cgr_run_foresee(&e);
	if (rc >= 0)
		rc = cgr_run_playback_init(&e);
	if (rc >= 0)
		rc = cgr_run_series_init(&e);
	if (rc >= 0) {
		start_world(&e);
		cgr_run_schedule_all(&e);
		rc = run(&e);
	}
	release_engine(&e);
	return rc;
}
