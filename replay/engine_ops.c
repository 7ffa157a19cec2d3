/* Carrying out the programs: what happens between two stretches of CPU time. */
#include <string.h>

#include "replay/engine_internal.h"
#include "store/members.h"

#define RECORDER_PERCENT 35 /* calibrations of one machine scatter by as much */
#define OPS_PER_STEP_MAX 10000000u /* operations without any CPU time between them: a damaged program */

/* ---- tokens with memory ---- */
static bool token_take(struct cgr_engine *e, uint32_t task)
{
	struct task_run *t = &e->task[task];
	bool paid = t->early & 1;

	t->rounds = 0;
	t->early >>= 1;
	t->token++;
	/* a token beyond the 64 of the mask has half of them to come near */
	if (!t->far_tokens || t->token % 32)
		return paid;
	for (size_t i = 0; i < e->earlies; i++)
		if (e->early[i].task == task && e->early[i].token - t->token < 64) {
			t->early |= 1ull << (e->early[i].token - t->token);
			t->far_tokens--;
			e->early[i--] = e->early[--e->earlies];
		}
	return paid;
}

void cgr_run_token(struct cgr_engine *e, uint32_t task, uint32_t token, uint32_t cpu, unsigned flags)
{
	struct task_run *t = &e->task[task];
	uint32_t ahead = token - t->token;

	if (t->state == RUN_GONE || (int32_t)ahead < 0 || e->config->open_loop)
		return; /* released before by other means */
	if (t->waiting && ahead == 0) {
		token_take(e, task);
		cgr_run_wake(e, task, cpu, flags);
		return;
	}
	if (ahead < 64) {
		t->early |= 1ull << ahead;
		if (t->state == RUN_BLOCKED && cgr_run_timeout_over(e, task, t->timeout))
			cgr_run_wake(e, task, cpu, flags);
		return;
	}
	if (cgr_grow((void **)&e->early, &e->early_capacity, e->earlies + 1, sizeof *e->early, e->error) < 0) {
		run_fail(e, CGR_E_NOMEM);
		return;
	}
	e->early[e->earlies++] = (struct early_token){ task, token };
	t->far_tokens++;
}

/* The device will interrupt the worker in delay_ns. A worker's program holds what it did in the order of the recording,
 * and where it comes late (it stands at something that happened of itself then, or at another one's request that has
 * not been made yet), the request is finished all the same: in the kernel any worker would do. */
static void request(struct cgr_engine *e, uint32_t task, const struct cgr_op *op, uint32_t cpu)
{
	struct task_run *worker = &e->task[op->c];

	if (e->config->open_loop)
		return;
	if (!worker->waiting || worker->token != (uint32_t)op->a) {
		cgr_run_token(e, op->c, (uint32_t)op->a, cpu, CGR_WAKE_IRQ);
		if (task != NONE)
			e->task[task].unserved = true;
		return;
	}
	token_take(e, op->c);
	worker->waiting = false;
	cgr_heap_arm(&e->heap, slot_task(e, op->c), e->now_ns + op->b);
}

/* ---- life ---- */
void cgr_run_born(struct cgr_engine *e, uint32_t task, uint32_t parent)
{
	struct cgr_task_info *info = &e->task_info[task];
	struct task_run *t = &e->task[task];

	if (t->state != RUN_NONE)
		return;
	t->state = RUN_NEW;
	t->cursor = cgr_cursor_start(e->programs, task);
	info->alive = true;
	if (parent != NONE) {
		info->cpu_cgroup = e->task_info[parent].cpu_cgroup;
		info->memory_cgroup = e->task_info[parent].memory_cgroup;
		info->cpu = e->task_info[parent].cpu;
		e->cpuset_cgroup[task] = e->cpuset_cgroup[parent];
		if (!e->store_task[task].cpus_allowed)
			memcpy(e->affinity + task * e->cpu_words, e->affinity + parent * e->cpu_words,
			       e->cpu_words * sizeof *e->affinity);
	}
	cgr_run_populate(e, info->cpu_cgroup, 1);
	cgr_run_set_cpus(e, task);
	e->ops->head.task_fork(cpu_ctx(e), task, parent);
	if (e->memory && e->memory->head.task_fork)
		e->memory->head.task_fork(memory_ctx(e), task, parent);
	if (e->programs->program[task].ops)
		e->active++;
}

static void finish_program(struct cgr_engine *e, uint32_t task)
{
	if (!e->task[task].finished && e->programs->program[task].ops)
		e->active--;
	e->task[task].finished = true;
	cgr_run_pipe_closed(e, task);
	if (e->task[task].holds != NONE)
		cgr_run_wake(e, e->task[task].holds, e->task_info[task].cpu, 0);
}

static void lost_token(struct cgr_engine *e, uint32_t task, uint64_t delay_ns);

/* Who waits for something a truncated program would still have done learns now that it never comes. */
static void release_waiters(struct cgr_engine *e)
{
	for (uint32_t i = 1; i < e->n_tasks; i++) {
		struct task_run *t = &e->task[i];

		if (t->state == RUN_BLOCKED && t->waiting && t->waker != NONE && e->task[t->waker].state == RUN_GONE)
			lost_token(e, i, 0);
	}
}

static void gone(struct cgr_engine *e, uint32_t task)
{
	struct task_run *t = &e->task[task];

	if (t->killed)
		cgr_run_uncharge_held(e, task);
	finish_program(e, task);
	cgr_run_dequeue(e, task, CGR_DEQ_EXIT);
	cgr_run_psi_change(e, task, -1, 0, 0);
	t->state = RUN_GONE;
	e->task_info[task].alive = false;
	cgr_run_populate(e, e->task_info[task].cpu_cgroup, -1);
	e->ended_ns[task] = (int64_t)e->now_ns;
	if (!e->frozen) {
		e->out->task[task].end_ns = (int64_t)e->now_ns;
		e->out->task[task].killed = t->killed;
	}
	if (e->programs->program[task].exits)
		e->pending--;
	if (e->ops->head.task_exit)
		e->ops->head.task_exit(cpu_ctx(e), task);
	if (e->memory && e->memory->head.task_exit)
		e->memory->head.task_exit(memory_ctx(e), task);
	e->progress++;
	if (t->truncated)
		release_waiters(e);
}

static void never(struct cgr_engine *e, uint32_t task);

/* What a program that ends early would have done is not done: children unborn, tokens unpaid. */
static void forgo(struct cgr_engine *e, uint32_t task)
{
	struct task_run *t = &e->task[task];
	const struct cgr_op *op;

	t->truncated = true;
	t->remaining_ns = t->stall_ns = t->sleep_ns = t->timeout_ns = 0;
	while ((op = cgr_cursor_peek(e->programs, &t->cursor)) && op->kind != CGR_OP_EXIT) {
		if (op->kind == CGR_OP_FORK)
			never(e, op->c);
		t->cursor.position++;
	}
}

static void never(struct cgr_engine *e, uint32_t task)
{
	if (e->task[task].state != RUN_NONE)
		return;
	if (e->programs->program[task].exits)
		e->pending--;
	e->task[task].state = RUN_GONE;
	e->task[task].killed = true;
	e->task[task].cursor = cgr_cursor_start(e->programs, task);
	forgo(e, task);
	cgr_run_pipe_closed(e, task);
}

/* A token that can never come. A program that ends in the recording takes it for the end of its input (its peer has
 * closed) and exits; any other goes on after the recorded delay. Counted either way. */
static void lost_token(struct cgr_engine *e, uint32_t task, uint64_t delay_ns)
{
	struct task_run *t = &e->task[task];

	e->out->violations++;
	token_take(e, task);
	t->waiting = false;
	if (e->programs->program[task].exits && !t->exiting) {
		forgo(e, task);
		delay_ns = 0;
	}
	if (t->state == RUN_BLOCKED)
		cgr_heap_arm(&e->heap, slot_task(e, task), e->now_ns + delay_ns);
}

static void kill_one(struct cgr_engine *e, uint32_t task)
{
	struct task_run *t = &e->task[task];

	if (t->state == RUN_NONE || t->state == RUN_GONE || t->killed || t->exiting)
		return;
	t->killed = true;
	if (t->state == RUN_RUNNING)
		cgr_run_advance(e, e->task_info[task].cpu);
	forgo(e, task);
	if (t->state == RUN_RUNNING)
		cgr_run_arm(e, e->task_info[task].cpu);
	else if (e->plays_back)
		gone(e, task); /* nobody recorded the time it takes to die */
	else if (t->state == RUN_BLOCKED)
		cgr_run_wake(e, task, e->task_info[task].cpu, CGR_WAKE_IRQ);
}

void cgr_run_kill(struct cgr_engine *e, uint32_t task)
{
	uint32_t next = task;

	do {
		kill_one(e, next);
		next = e->group_next[next];
	} while (next != task);
}

/* ---- blocking ---- */
/* missing: it waits for pages. That is memory pressure only where they had been working set and were pushed out
 * (folio_wait_bit_common and read_pages look at PG_workingset), or where a limit makes it wait; a first read is not. */
static void sleep_until(struct cgr_engine *e, uint32_t cpu, uint32_t task, uint64_t at_ns, bool missing)
{
	struct task_run *t = &e->task[task];
	bool memstall = missing && t->restored;

	t->restored = t->restored && !missing;

	cgr_run_advance(e, cpu);
	if (t->holds != NONE) /* it may wait for that one */
		cgr_run_wake(e, t->holds, cpu, 0);
	cgr_run_dequeue(e, task, CGR_DEQ_SLEEP);
	cgr_run_psi_change(e, task, -1, 0, memstall ? 1 : 0);
	t->state = RUN_BLOCKED;
	t->switch_ns += e->config->switch_ns;
	t->memstall = memstall;
	if (at_ns != UINT64_MAX)
		cgr_heap_arm(&e->heap, slot_task(e, task), at_ns);
	cgr_run_schedule(e, cpu);
}

/* A recorded wait for a device, as long as it takes on the day this seed has drawn. */
static uint64_t device_time(const struct cgr_engine *e, uint64_t ns)
{
	int64_t share = (int64_t)e->config->price_permille * CGR_DEVICE_PERCENT / 100;

	return ns + (uint64_t)((__int128)ns * share / 1000);
}

/* When the timer fires in the what-if: a relative sleep keeps its length, a grid keeps its times. */
static uint64_t timer_time(const struct cgr_engine *e, uint32_t task, const struct cgr_op *op)
{
	struct task_run *t = &e->task[task];
	int64_t at = (int64_t)op->b + t->shift_ns, step;

	if (op->c < e->programs->sites && e->programs->site[op->c].kind == CGR_TIMER_TICKS)
		return cgr_run_tick_end(e, op);
	if (op->c == NONE || op->c >= e->programs->sites || !e->programs->site[op->c].absolute)
		return e->now_ns + op->a;
	step = e->programs->site[op->c].grid_ns;
	if (t->repeating && step > 0 && at < (int64_t)e->now_ns - step) { /* the grid goes on beyond the record */
		int64_t periods = ((int64_t)e->now_ns - at) / step;

		t->shift_ns += periods * step;
		at += periods * step;
	}
	return at > 0 ? (uint64_t)at : 0;
}

/* Waits for a device that show as stolen time cover all that was read since the last such: what need not be read now
 * need not be waited for. */
static bool stolen(struct cgr_engine *e, uint32_t cpu, uint32_t task, uint64_t ns)
{
	struct task_run *t = &e->task[task];
	uint64_t share_ns = ns;

	if (e->memory && t->adds)
		share_ns = (uint64_t)((unsigned __int128)ns * t->adds_missed / t->adds);
	t->adds = t->adds_missed = 0;
	if (!share_ns)
		return false;
	sleep_until(e, cpu, task, e->now_ns + device_time(e, share_ns), true);
	return true;
}

/* Waits that are the recorded memory's (a simulated limit imposes its own), or for pages that are there now. */
static bool is_left_out(struct task_run *t, const struct cgr_op *op)
{
	bool missed = t->missed;

	if (op->flags & CGR_OPF_LIMIT)
		return true;
	if (!(op->flags & CGR_OPF_MISS) || (op->flags & CGR_OPF_STOLEN))
		return false;
	t->missed = false;
	return !missed;
}

/* Of this and the next ones, true: the task sleeps (another one was scheduled); false: it goes on. */
static bool block_until(struct cgr_engine *e, uint32_t cpu, uint32_t task, const struct cgr_op *op, uint64_t at_ns)
{
	if (at_ns <= e->now_ns)
		return false;
	sleep_until(e, cpu, task, at_ns, (op->flags & CGR_OPF_MISS) != 0);
	return true;
}

static bool block_for_task(struct cgr_engine *e, uint32_t cpu, uint32_t task, const struct cgr_op *op, bool unserved)
{
	struct task_run *t = &e->task[task];

	if ((t->early & 1) || (t->holds != NONE && cgr_run_meet_last(e, task, cpu))) {
		token_take(e, task);
		return false;
	}
	if (unserved) {
		token_take(e, task); /* what the worker pays when it comes to it is void */
		return block_until(e, cpu, task, op, e->now_ns + device_time(e, op->a));
	}
	if (e->task[op->c].state == RUN_GONE) {
		lost_token(e, task, op->a);
		return block_until(e, cpu, task, op, t->truncated ? 0 : e->now_ns + op->a);
	}
	t->waiting = true;
	t->waker = op->c;
	cgr_run_pipe_empty(e, task, op->c, cpu);
	sleep_until(e, cpu, task, cgr_run_timeout_end(e, task, op), (op->flags & CGR_OPF_MISS) != 0);
	return true;
}

/* When a wait ends that does not end by another task. */
static uint64_t block_end(struct cgr_engine *e, uint32_t task, const struct cgr_op *op)
{
	bool open_loop = e->config->open_loop;
	uint64_t at_ns;

	switch (op->cause) {
	case CGR_CAUSE_TIMER:
		if (cgr_run_timeout_over(e, task, op))
			return 0;
		at_ns = open_loop ? op->b : timer_time(e, task, op);
		cgr_run_timeout_begin(e, task, op, at_ns);
		return at_ns;
	case CGR_CAUSE_ARRIVAL:
		return op->b;
	case CGR_CAUSE_UNKNOWN:
		e->out->unexplained_blocks++;
		e->out->unexplained_ns += (int64_t)op->a;
		return open_loop ? op->b : e->now_ns + op->a;
	default:
		return open_loop ? op->b : e->now_ns + device_time(e, op->a);
	}
}

static bool block(struct cgr_engine *e, uint32_t cpu, uint32_t task, const struct cgr_op *op)
{
	struct task_run *t = &e->task[task];
	bool unserved = t->unserved;

	t->unserved = false;
	e->out->blocks++;
	t->timeout = NULL;
	if (t->repeating && (op->cause == CGR_CAUSE_TASK || op->cause == CGR_CAUSE_FOREVER))
		return false; /* beyond the record nobody is there to wake it */
	if (e->memory && is_left_out(t, op)) {
		if (cgr_op_holds_token(op))
			token_take(e, task);
		return false;
	}
	if (op->flags & CGR_OPF_STOLEN)
		return stolen(e, cpu, task, op->a);
	if (op->cause == CGR_CAUSE_FOREVER) {
		finish_program(e, task);
		sleep_until(e, cpu, task, UINT64_MAX, false);
		return true;
	}
	if (op->cause == CGR_CAUSE_TASK) {
		if (e->config->open_loop)
			return block_until(e, cpu, task, op, op->b);
		return block_for_task(e, cpu, task, op, unserved);
	}
	if (cgr_op_holds_token(op))
		token_take(e, task);
	return block_until(e, cpu, task, op, block_end(e, task, op));
}

/* A task that slept when the recording began: the wait it is in has no beginning, so its recorded end counts. */
void cgr_run_first_wait(struct cgr_engine *e, uint32_t task)
{
	struct task_run *t = &e->task[task];
	const struct cgr_op *op = cgr_cursor_peek(e->programs, &t->cursor);

	if (!op || op->kind != CGR_OP_BLOCK || op->cause == CGR_CAUSE_FOREVER) {
		finish_program(e, task);
		return;
	}
	t->cursor.position++;
	e->out->blocks++;
	if (op->cause == CGR_CAUSE_TASK && !e->config->open_loop) {
		t->waiting = true;
		t->waker = op->c;
		return;
	}
	if (cgr_op_holds_token(op))
		token_take(e, task);
	cgr_heap_arm(&e->heap, slot_task(e, task), op->b);
}

void cgr_run_task_timer(struct cgr_engine *e, uint32_t task)
{
	cgr_run_timed_out(e, task);
	cgr_run_wake(e, task, e->task_info[task].cpu, CGR_WAKE_IRQ);
}

/* ---- membership ---- */
static void attach_one(struct cgr_engine *e, uint32_t task, uint32_t to, uint64_t moves)
{
	struct cgr_task_info *info = &e->task_info[task];

	if (e->task[task].state == RUN_NONE || e->task[task].state == RUN_GONE)
		return;
	if (moves & CGR_MOVE_CPU)
		cgr_run_attach(e, task, to);
	if ((moves & CGR_MOVE_MEMORY) && info->memory_cgroup != to) {
		if (e->memory && e->memory->head.task_attach)
			e->memory->head.task_attach(memory_ctx(e), task, info->memory_cgroup, to);
		info->memory_cgroup = to;
	}
	if ((moves & CGR_MOVE_CPUSET) && e->cpuset_cgroup[task] != to) {
		e->cpuset_cgroup[task] = to;
		cgr_run_forget_wish(e, task);
		cgr_run_set_cpus(e, task);
	}
}

static void attach(struct cgr_engine *e, const struct cgr_op *op)
{
	uint32_t task = op->c, to = (uint32_t)op->a;

	if (to >= e->n_cgroups)
		return;
	if (op->b & CGR_MOVE_CPU)
		cgr_run_online(e, to, 0);
	if (op->b & CGR_MOVE_MEMORY)
		cgr_run_online(e, to, 1);
	do {
		attach_one(e, task, to, op->b);
		task = op->flags & CGR_OPF_GROUP ? e->group_next[task] : op->c;
	} while (task != op->c);
}

void cgr_run_online(struct cgr_engine *e, uint32_t cgroup, unsigned domain)
{
	struct instance *m = &e->model[domain == 0 ? MODEL_CPU : MODEL_MEMORY];
	uint32_t parent = e->parent[domain][cgroup];

	/* memory of a removed cgroup is freed, and charged by what still lives there, without bringing it back */
	if (e->online[domain][cgroup] || (domain == 1 && e->removed[domain][cgroup]))
		return;
	if (parent != NONE)
		cgr_run_online(e, parent, domain);
	e->online[domain][cgroup] = true;
	if (!m->head)
		return;
	if (m->head->cgroup_online)
		m->head->cgroup_online(&m->ctx, cgroup);
	if (domain == 1 && e->model[MODEL_RECLAIM].head && e->model[MODEL_RECLAIM].head->cgroup_online)
		e->model[MODEL_RECLAIM].head->cgroup_online(&e->model[MODEL_RECLAIM].ctx, cgroup);
	for (unsigned k = 0; k < m->head->n_knobs && m->head->knob_write; k++) {
		const int64_t *v = e->knob_value[m->index][(size_t)k * e->n_cgroups + cgroup];

		m->head->knob_write(&m->ctx, cgroup, k, v);
	}
}

static void offline(struct cgr_engine *e, uint32_t cgroup, unsigned domain)
{
	struct instance *m = &e->model[domain == 0 ? MODEL_CPU : MODEL_MEMORY];

	if (!e->online[domain][cgroup] || cgroup == 0)
		return;
	e->online[domain][cgroup] = false;
	e->removed[domain][cgroup] = true;
	if (m->head && m->head->cgroup_offline)
		m->head->cgroup_offline(&m->ctx, cgroup);
	if (domain == 1 && e->model[MODEL_RECLAIM].head && e->model[MODEL_RECLAIM].head->cgroup_offline)
		e->model[MODEL_RECLAIM].head->cgroup_offline(&e->model[MODEL_RECLAIM].ctx, cgroup);
}

/* ---- operations without effect on the flow of the program ---- */
static void perform(struct cgr_engine *e, uint32_t task, uint32_t cpu, const struct cgr_op *op)
{
	switch (op->kind) {
	case CGR_OP_WAKE:
		cgr_run_token(e, op->c, (uint32_t)op->a, cpu, e->programs->relation[op->b].sync ? CGR_WAKE_SYNC : 0);
		break;
	case CGR_OP_REQUEST:
		request(e, task, op, cpu);
		break;
	case CGR_OP_TAKEN:
		cgr_run_pipe_taken(e, op, cpu);
		break;
	case CGR_OP_FORK:
		cgr_run_born(e, op->c, task);
		break;
	case CGR_OP_START:
		if (e->task[op->c].state == RUN_NONE)
			cgr_run_born(e, op->c, NONE);
		if (e->task[op->c].state == RUN_NEW)
			cgr_run_start(e, op->c, cpu, !(op->flags & CGR_OPF_IRQ));
		break;
	case CGR_OP_ATTACH:
		attach(e, op);
		break;
	case CGR_OP_MKDIR:
	case CGR_OP_RMDIR:
		for (unsigned domain = 0; domain < 2; domain++) {
			if (op->c >= e->n_cgroups || !(op->b & (1u << domain)))
				continue;
			if (op->kind == CGR_OP_MKDIR) {
				e->removed[domain][op->c] = false;
				cgr_run_online(e, op->c, domain);
			} else {
				offline(e, op->c, domain);
			}
		}
		break;
	case CGR_OP_COLD:
		if (task != NONE && !e->plays_back)
			e->task[task].recorded_cold_ns = e->config->cold_ns;
		break;
	case CGR_OP_ACCOUNT:
		if (task != NONE && is_fair(e, task))
			e->ops->update(cpu_ctx(e), cpu);
		break;
	case CGR_OP_PRIO:
		if (task != NONE)
			cgr_run_set_prio(e, task, (int)op->a);
		break;
	default:
		if (op->kind >= CGR_OP_CHARGE && op->kind <= CGR_OP_CACHE_ACCESS && e->memory)
			cgr_run_memory(e, task, cpu, op);
		break;
	}
}

/* The recording ended in the middle of this task's work. Judged at the recorded end it goes on as it was; asked for
 * completion, it has done all it was seen to do. */
static void past_end(struct cgr_engine *e, uint32_t cpu, uint32_t task)
{
	struct task_run *t = &e->task[task];

	finish_program(e, task);
	if (t->killed || t->free || e->config->until_done || !e->programs->program[task].runs_at_end) {
		if (t->killed) {
			gone(e, task);
			cgr_run_schedule(e, cpu);
			return;
		}
		sleep_until(e, cpu, task, UINT64_MAX, false);
		return;
	}
	t->remaining_ns = FOREVER_NS;
	cgr_run_arm(e, cpu);
}

/* A clock-bound program is out of recorded work before its time: it does the last half of it again. */
static void repeat(struct cgr_engine *e, uint32_t task)
{
	const struct cgr_program *p = &e->programs->program[task];
	struct task_run *t = &e->task[task];

	if (p->loop_chunk == CGR_ID_NONE || (t->repeating && t->rewind_ns == e->out->task[task].run_ns)) {
		t->remaining_ns = FOREVER_NS; /* until it stops, and then exits from here */
		t->cursor.position--;
	} else {
		t->cursor = (struct cgr_cursor){ p->loop_chunk, p->loop_position };
		t->rewind_ns = e->out->task[task].run_ns;
	}
	t->repeating = true;
}

static bool clock_says_stop(const struct cgr_engine *e, const struct task_run *t)
{
	return t->stop_ns && !t->exiting && !t->truncated && e->now_ns >= t->stop_ns;
}

static uint64_t scaled(const struct cgr_engine *e, struct task_run *t, uint64_t ns)
{
	int64_t longer = t->switch_ns;

	if (e->config->speed_ppm)
		longer += (int64_t)((__int128)ns * e->config->speed_ppm / 1000000);
	t->switch_ns = 0;
	if (longer < 0 && (uint64_t)-longer >= ns) {
		t->switch_ns = longer + (int64_t)ns; /* the next stretch is shorter by the rest */
		return 0;
	}
	return ns + (uint64_t)longer;
}

/* What recording cost this stretch: the mean is known, and what a seed has drawn above it may outlast the stretch. */
static uint64_t recorder_share(const struct cgr_engine *e, struct task_run *t, uint64_t ns, uint64_t cost_ns)
{
	int64_t share = (int64_t)-e->config->price_permille * RECORDER_PERCENT / 100;
	uint64_t paid;

	t->recorder_ns += cost_ns;
	if (share)
		t->recorder_ns += (uint64_t)((__int128)cost_ns * share / 1000);
	paid = CGR_MIN(ns, t->recorder_ns);
	t->recorder_ns -= paid;
	return paid;
}

/* Whether another run finds its memory there is chance: it mostly does, and those that draw high prices do not. */
static uint64_t host_share(const struct cgr_engine *e, uint64_t ns, const struct cgr_op *op)
{
	uint64_t permille = (uint64_t)CGR_MAX(e->config->price_permille, 0);

	return CGR_MIN(ns, (uint64_t)op->c - op->c * CGR_MIN(permille, (uint64_t)1000) / 1000);
}

/* What cold caches cost in the recording is in its CPU times. */
static uint64_t warmed(struct task_run *t, uint64_t ns)
{
	uint64_t less = CGR_MIN(t->recorded_cold_ns, ns / CGR_COLD_TIME_PART);

	t->recorded_cold_ns -= less;
	return t->by_clock ? ns : ns - less;
}

/* In a what-if nobody records: neither the recorder's own work nor its share of the others' costs anything. */
static uint64_t run_length(struct cgr_engine *e, struct task_run *t, const struct cgr_op *op)
{
	uint64_t ns = t->free ? 0 : cgr_run_cpu_of(e, t, op);

	t->by_clock = e->programs->program[t - e->task].paced && (op->flags & CGR_OPF_PACED);
	if (t->by_clock) /* it works until its clock has advanced by so much, recorder, slow day or not */
		return warmed(t, ns);
	if (e->config->without_recorder) {
		ns -= host_share(e, ns, op);
		ns -= recorder_share(e, t, ns, op->b);
	}
	return t->free ? ns : scaled(e, t, warmed(t, ns));
}

/* schedule_timeout counts whole jiffies from the last tick on, and the timer wheel takes its next slot after that, so
 * as never to be early: of one jiffy, of 8 from 63 on, of 64 from 504 on, all counted from boot on
 * (kernel/time/timer.c: calc_wheel_index, since 4.8). */
static uint64_t timeout_end(const struct cgr_engine *e, uint64_t now_ns, uint64_t ns)
{
	uint64_t phase = e->tick_phase_ns % e->tick_ns, jiffies = ns / e->tick_ns;
	unsigned shift = jiffies < 63 ? 0 : jiffies < 504 ? 3 : 6;
	uint64_t expires = e->start_jiffies + (now_ns + e->tick_ns - phase) / e->tick_ns + jiffies;

	return ((((expires >> shift) + 1) << shift) - e->start_jiffies) * e->tick_ns + phase - e->tick_ns;
}

/* The wait that a memory model has made the task owe. */
static void owed_sleep(struct cgr_engine *e, uint32_t cpu, uint32_t task)
{
	struct task_run *t = &e->task[task];
	uint64_t at_ns = e->now_ns + t->sleep_ns;

	if (t->timeout_ns)
		at_ns = timeout_end(e, at_ns, t->timeout_ns);
	t->sleep_ns = t->timeout_ns = 0;
	sleep_until(e, cpu, task, at_ns, true);
}

static bool halt(struct cgr_engine *e, uint32_t cpu, uint32_t task)
{
	sleep_until(e, cpu, task, UINT64_MAX, false);
	return true;
}

/* A waker that is to let several go on at once may have to wait at that operation itself. */
static bool wake_or_meet(struct cgr_engine *e, uint32_t cpu, uint32_t task, const struct cgr_op *op)
{
	struct task_run *t = &e->task[task];

	t->cursor.position--;
	if (cgr_run_meet(e, task, op))
		return halt(e, cpu, task);
	t->cursor.position++;
	if (!t->repeating || t->exiting)
		perform(e, task, cpu, op);
	return false;
}

/* true: the task is no longer the current one of this CPU. */
static bool step(struct cgr_engine *e, uint32_t cpu, uint32_t task, const struct cgr_op *op)
{
	struct task_run *t = &e->task[task];

	switch (op->kind) {
	case CGR_OP_RUN:
		cgr_run_load(t, run_length(e, t, op));
		return false;
	case CGR_OP_BLOCK:
		return block(e, cpu, task, op);
	case CGR_OP_WAKE:
		return wake_or_meet(e, cpu, task, op);
	case CGR_OP_ARM:
		cgr_run_tick_arm(e, op);
		return false;
	case CGR_OP_ROOM:
		return cgr_run_pipe_full(e, task, op) && halt(e, cpu, task);
	case CGR_OP_EXEC:
		return cgr_run_exec(e, task);
	case CGR_OP_EXIT:
		if (t->stop_ns && !t->truncated && e->now_ns < t->stop_ns)
			repeat(e, task);
		else
			t->exiting = e->task_info[task].exiting = true;
		return false;
	case CGR_OP_END:
		gone(e, task);
		cgr_run_schedule(e, cpu);
		return true;
	default:
		if (!t->repeating || t->exiting)
			perform(e, task, cpu, op);
		return e->cpu[cpu].current != task; /* moved itself to a cpuset without this CPU: it goes on over there */
	}
}

/* The current task of the CPU has used up its RUN. */
void cgr_run_ops(struct cgr_engine *e, uint32_t cpu)
{
	uint32_t task = e->cpu[cpu].current, steps = 0;
	struct task_run *t;

	cgr_run_advance(e, cpu);
	if (task == NONE)
		return;
	t = &e->task[task];
	if (clock_says_stop(e, t))
		forgo(e, task);
	while (t->remaining_ns == 0 && !e->failed) {
		const struct cgr_op *op;

		if (t->sleep_ns || t->timeout_ns) {
			owed_sleep(e, cpu, task);
			return;
		}
		op = cgr_cursor_peek(e->programs, &t->cursor);
		if (!op || ++steps > OPS_PER_STEP_MAX) {
			past_end(e, cpu, task);
			return;
		}
		t->cursor.position++;
		e->progress++;
		if (step(e, cpu, task, op))
			return;
	}
	cgr_run_arm(e, cpu);
}

/* What no task did: at its recorded time. */
void cgr_run_world(struct cgr_engine *e)
{
	const struct cgr_op *op;

	while ((op = cgr_cursor_peek(e->programs, &e->world))) {
		if (op->kind == CGR_OP_AT) {
			/* what was freed late and followed by no charge: not in the midst of work that takes longer */
			if (e->config->until_done && op->a >= (uint64_t)e->programs->duration_ns)
				return;
			if (op->a > e->now_ns) {
				cgr_heap_arm(&e->heap, SLOT_WORLD, op->a);
				return;
			}
		} else {
			perform(e, NONE, 0, op);
		}
		e->world.position++;
	}
}

/* Nothing moves any more although programs are unfinished: let the longest waiting task go, and count it. */
bool cgr_run_release_stalled(struct cgr_engine *e)
{
	uint32_t oldest = NONE;

	for (uint32_t i = 0; i < e->programs->pipes; i++)
		if (e->task[e->programs->pipe[i].writer].full == i) {
			e->out->violations++;
			cgr_run_wake(e, e->programs->pipe[i].writer, e->task_info[e->programs->pipe[i].writer].cpu, 0);
			return true;
		}
	for (uint32_t i = 1; i < e->n_tasks; i++)
		if (e->task[i].state == RUN_BLOCKED && e->task[i].waiting && oldest == NONE)
			oldest = i;
	if (oldest == NONE)
		return false;
	lost_token(e, oldest, 0);
	return true;
}
