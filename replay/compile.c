#include "replay/compile.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/util.h"
#include "replay/compile_internal.h"
#include "store/stream.h"

/* One ftrace event with its filter and its share of the ring buffer, when the recorder did not measure it. */
#define EVENT_COST_NS 300u
#define PACE_LOOKS                                                                                                     \
	4u /* who looks at its CPU clock so often, and does so much of its work between two looks, works by it */
#define PACE_PERCENT 50u
#define YIELD_SHARE                                                                                                    \
	4u /* of its looks that a switch follows at once: then they are sched_yield, which charges it, too */
#define YIELDS_MIN 4u /* fewer are chance: who looks but four times may have been preempted right then */
#define ACCOUNT_NS 3000u /* CPU time between being charged and a switch that belong together */
#define BALANCE_NS 20000u /* a newly idle CPU is done looking for work */
#define LOOK_AFTER_WAKE_NS 20000u /* try_to_wake_up takes no longer from sched_waking to sched_wakeup */

void cgr_build_set_state(struct builder *b, uint32_t task, enum task_state state)
{
	struct task_build *t = &b->t[task];

	if (t->state == TASK_RUNNABLE && state != TASK_RUNNABLE) {
		uint32_t last = b->runnable[--b->runnables];

		b->runnable[t->runnable_at] = last;
		b->t[last].runnable_at = t->runnable_at;
	} else if (t->state != TASK_RUNNABLE && state == TASK_RUNNABLE) {
		t->runnable_at = b->runnables;
		b->runnable[b->runnables++] = task;
	}
	t->state = (uint8_t)state;
}

static int flush_part(struct builder *b, uint32_t task, uint64_t ns, uint64_t cost_ns, unsigned flags)
{
	struct task_build *t = &b->t[task];
	struct cgr_op op = { .kind = CGR_OP_RUN, .a = ns, .b = CGR_MIN(cost_ns, ns), .flags = (uint8_t)flags };

	if (t->in_reclaim) {
		op.flags |= CGR_OPF_RECLAIM;
		b->reclaim_ns += ns - op.b;
	} else {
		t->read_cpu_ns += ns - op.b;
	}
	b->programs->program[task].run_ns += ns;
	b->programs->program_run_ns += ns;
	t->run_ns -= ns;
	t->cost_ns -= op.b;
	t->account_cost_ns -= CGR_MIN(t->account_cost_ns, op.b);
	t->may_be_told = t->may_have_looked = false;
	return cgr_programs_append(b->programs, task, &t->tail, &op, b->error);
}

/* Writes what ran before the last charge, and the charge; right before it leaves the CPU a task is charged anyway. */
static int flush_account(struct builder *b, uint32_t task)
{
	struct task_build *t = &b->t[task];
	struct cgr_op account = { .kind = CGR_OP_ACCOUNT };
	uint64_t first = t->account_ns;

	t->account_ns = 0;
	if (!first)
		return 0;
	if (first + ACCOUNT_NS >= t->run_ns) {
		t->may_be_told = t->looked;
		return 0;
	}
	if (t->looked)
		b->programs->program[task].paced_ns += first;
	CGR_TRY(flush_part(b, task, first, t->account_cost_ns, t->looked || t->may_have_looked ? CGR_OPF_PACED : 0));
	t->looked = true;
	t->account_at_ns = t->look_ns;
	return cgr_programs_append(b->programs, task, &t->tail, &account, b->error);
}

/* silent: what follows leaves the task in the middle of what it does. */
static int flush(struct builder *b, uint32_t task, bool silent)
{
	struct task_build *t = &b->t[task];
	bool paced;

	CGR_TRY(flush_account(b, task));
	paced = t->looked && silent;
	t->looked = paced;
	if (paced)
		b->programs->program[task].paced_ns += t->run_ns;
	return t->run_ns ? flush_part(b, task, t->run_ns, t->cost_ns, paced || t->may_be_told ? CGR_OPF_PACED : 0) : 0;
}

int cgr_build_flush(struct builder *b, uint32_t task)
{
	return flush(b, task, false);
}

/* The scheduler charged the running task although it neither left the CPU nor met a tick: it read its own CPU clock.
 * That is where a used-up slice or quota is noticed, too, so it is part of the program. */
static int note_account(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->c];
	uint64_t own_ns = cgr_build_event_cost(b, e); /* the clock was read before the event was written */

	/* waking another task (check_preempt) and exiting charge the task, too: those come by themselves in a what-if */
	if (t->wakes_ns + LOOK_AFTER_WAKE_NS >= e->ts_ns || t->exiting) {
		t->may_have_looked = !t->exiting;
		return 0;
	}
	CGR_TRY(flush_account(b, e->c));
	t->look_ns = e->ts_ns;
	b->programs->program[e->c].accounts++;
	t->account_ns = t->run_ns;
	t->account_cost_ns = t->cost_ns - CGR_MIN(t->cost_ns, own_ns);
	return 0;
}

/* A charge within_ns ago belonged to a fork (task_fork_fair), an exit, or to
 * leaving the queue by sleep or throttle (dequeue_entity). */
void cgr_build_no_look(struct builder *b, uint32_t task, uint64_t ts_ns, uint64_t within_ns)
{
	struct task_build *t = &b->t[task];

	if (!t->account_ns || ts_ns - t->look_ns > within_ns)
		return;
	t->account_ns = 0;
	b->programs->program[task].accounts--;
}

/* The task goes to sleep by itself. It is always charged when it leaves its queue (dequeue_entity), however long the
 * choice of the next one then takes (sched_balance_newidle), and once more after that if it owes time and stays queued
 * (put_prev_entity of a delayed one). Neither is a look of its own. */
void cgr_build_no_look_leaving(struct builder *b, uint32_t task, uint64_t ts_ns)
{
	struct task_build *t = &b->t[task];
	bool pending = t->account_ns != 0;
	struct cgr_chunk *tail;

	cgr_build_no_look(b, task, ts_ns, UINT64_MAX);
	if (!pending || !t->looked || ts_ns - t->account_at_ns > BALANCE_NS ||
	    (t->timer_armed && t->timer_start_ns > t->account_at_ns))
		return;
	tail = cgr_chunk_at(b->programs, t->tail);
	tail->op[tail->count - 1].kind = CGR_OP_NONE;
	b->programs->program[task].accounts--;
	t->looked = false;
}

int cgr_build_emit(struct builder *b, uint32_t task, const struct cgr_op *op)
{
	CGR_TRY(flush(b, task, op->kind == CGR_OP_WAKE && (op->flags & CGR_OPF_SOFT)));
	return cgr_programs_append(b->programs, task, &b->t[task].tail, op, b->error);
}

int cgr_build_cold(struct builder *b, uint32_t task)
{
	struct cgr_op cold = { .kind = CGR_OP_COLD };

	CGR_TRY(flush(b, task, true));
	return cgr_programs_append(b->programs, task, &b->t[task].tail, &cold, b->error);
}

/* What no task did (interrupts, the idle loop) happens in the what-if when it happened in the recording. */
int cgr_build_world(struct builder *b, uint64_t ts_ns, const struct cgr_op *op)
{
	struct cgr_op at = { .kind = CGR_OP_AT, .a = ts_ns };

	if (b->world_ns != ts_ns || b->t[0].tail == CGR_ID_NONE)
		CGR_TRY(cgr_programs_append(b->programs, 0, &b->t[0].tail, &at, b->error));
	b->world_ns = ts_ns;
	return cgr_programs_append(b->programs, 0, &b->t[0].tail, op, b->error);
}

/* The operation in whose context it was recorded. */
int cgr_build_context(struct builder *b, const struct cgr_event *e, const struct cgr_op *op)
{
	if (e->task == 0 || cgr_event_in_irq(e) || b->t[e->task].state == TASK_GONE)
		return cgr_build_world(b, e->ts_ns, op);
	CGR_TRY(cgr_build_running(b, e->task, e->cpu, e->ts_ns));
	cgr_build_book(b, e->task, e->ts_ns);
	return cgr_build_emit(b, e->task, op);
}

static void add_run(struct task_build *t, uint64_t ns)
{
	uint64_t paid = CGR_MIN(t->debt_ns, ns);

	t->debt_ns -= paid;
	t->run_ns += ns - paid;
}

/* Wall time of a running task is taken for CPU time until the kernel's own account (RUNTIME) corrects it: that pins
 * operations between two accounts, while the sum stays the kernel's. */
void cgr_build_book(struct builder *b, uint32_t task, uint64_t ts_ns)
{
	struct task_build *t = &b->t[task];

	if (t->state != TASK_RUNNING || ts_ns <= t->mark_ns)
		return;
	add_run(t, ts_ns - t->mark_ns);
	t->booked_ns += ts_ns - t->mark_ns;
	t->mark_ns = ts_ns;
}

static void note_group(struct builder *b, uint32_t task, uint64_t ns)
{
	uint32_t group = b->members.cpu_cgroup[task];

	b->programs->group_run_ns[group < b->programs->groups ? group : 0] += ns;
}

/* A wake-up that makes its CPU reschedule has read the clock, and the switch does not read it again
 * (rq_clock_skip_update): the task is charged from then on, also while the CPU leaves its idle state. */
static int note_idle_charge(struct builder *b, struct task_build *t, uint64_t ns)
{
	uint64_t charged = CGR_MIN(ns - CGR_MIN(t->booked_ns, ns), t->idle_latency_ns);

	if (!t->idle_latency_ns)
		return 0;
	t->idle_latency_ns = 0;
	return cgr_histogram_add(&b->idle_charged, charged / 64) < 0
	           ? cgr_error_set(b->error, CGR_E_NOMEM, "latency histogram")
	           : 0;
}

static int runtime(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t;
	uint64_t ns = CGR_MIN(e->a, e->ts_ns); /* nobody ran longer than the trace is old */

	if (e->c == 0 || e->c >= b->n_tasks)
		return 0;
	t = &b->t[e->c];
	if (!t->has_runtime && t->booked_ns < ns && t->booked_ns + t->mark_ns >= e->ts_ns && e->ts_ns < ns + t->booked_ns)
		ns = CGR_MIN(ns, e->ts_ns);
	t->has_runtime = true;
	cgr_build_book(b, e->c, e->ts_ns);
	CGR_TRY(note_idle_charge(b, t, ns));
	if (ns >= t->booked_ns)
		add_run(t, ns - t->booked_ns);
	else
		CGR_TRY(cgr_build_note_stolen(b, e->c, t->booked_ns - ns));
	t->booked_ns = 0;
	t->requests = 0;
	b->programs->program[e->c].recorded_run_ns += ns;
	b->programs->recorded_run_ns += ns;
	note_group(b, e->c, ns);
	if (e->flags & CGR_EVF_INFERRED)
		b->programs->inferred_run_ns += ns;
	if ((e->flags & CGR_EVF_HARDIRQ) && b->tick_bin)
		b->tick_bin[(e->ts_ns % b->tick_ns) * b->tick_bins / b->tick_ns]++;
	/* with a reschedule pending it is __schedule that charges, on the way to another task */
	return e->c == e->task && t->state == TASK_RUNNING && !cgr_event_in_irq(e) && !(e->flags & CGR_EVF_NEED_RESCHED)
	           ? note_account(b, e)
	           : 0;
}

/* The task is seen at work: if the recording did not say how it came to run, say so for it. */
int cgr_build_running(struct builder *b, uint32_t task, uint32_t cpu, uint64_t ts_ns)
{
	struct task_build *t = &b->t[task];
	struct cgr_program *p = &b->programs->program[task];

	if (t->state == TASK_RUNNING)
		return 0;
	if (t->state == TASK_UNSEEN || t->state == TASK_FORKED) {
		bool from_start = b->task[task].start_ns <= 0 && t->state == TASK_UNSEEN;

		p->start_cpu = cpu;
		if (from_start && b->idle_ns) {
			/* it was there and a CPU went idle without running it: it slept, and what woke it was not seen */
			struct cgr_op op = {
				.kind = CGR_OP_BLOCK, .cause = CGR_CAUSE_ARRIVAL, .c = CGR_ID_NONE, .a = ts_ns, .b = ts_ns
			};

			p->start = CGR_START_BLOCKED;
			p->blocks[CGR_CAUSE_ARRIVAL]++;
			CGR_TRY(cgr_build_emit(b, task, &op));
		} else if (from_start) {
			p->start = CGR_START_RUNNABLE;
			p->start_ns = 0;
		} else {
			struct cgr_op op = { .kind = CGR_OP_START, .c = task, .flags = CGR_OPF_IRQ };

			p->start = CGR_START_LATE;
			p->start_ns = (int64_t)ts_ns;
			CGR_TRY(cgr_build_world(b, ts_ns, &op));
		}
	} else if (t->state == TASK_BLOCKED) {
		CGR_TRY(cgr_build_end_block(b, task, ts_ns, CGR_CAUSE_UNKNOWN, CGR_ID_NONE, 0));
	}
	cgr_build_set_state(b, task, TASK_RUNNING);
	t->mark_ns = ts_ns;
	t->cpu = (uint16_t)cpu;
	return 0;
}

static int dispatch(struct builder *b, const struct cgr_event *e)
{
	if (e->cpu >= b->n_cpus || e->task >= b->n_tasks)
		return cgr_error_set(b->error, CGR_E_INPUT, "event at %llu ns names CPU %u, task %u: the store is damaged",
		                     (unsigned long long)e->ts_ns, e->cpu, e->task);
	/* each recorded event took its time from whoever was running */
	if (e->task)
		b->t[e->task].cost_ns += cgr_build_event_cost(b, e);
	CGR_TRY(cgr_build_reclaim_over(b, e));
	switch (e->kind) {
	case CGR_EV_RUNTIME:
		return runtime(b, e);
	case CGR_EV_SWITCH:
	case CGR_EV_RUN_START:
	case CGR_EV_WAKEUP_NEW:
	case CGR_EV_FORK:
	case CGR_EV_EXEC:
	case CGR_EV_EXIT:
	case CGR_EV_CGROUP_ATTACH:
		cgr_members_event(&b->members, e);
		return cgr_build_sched(b, e);
	case CGR_EV_CGROUP_MKDIR:
	case CGR_EV_CGROUP_RMDIR:
		return cgr_build_sched(b, e);
	case CGR_EV_MIGRATE:
		cgr_build_note_migration(b, e);
		return 0;
	case CGR_EV_SIGNAL:
		cgr_build_note_signal(b, e);
		return 0;
	case CGR_EV_WAKING:
	case CGR_EV_WAKEUP:
		b->t[e->task].wakes_ns = e->kind == CGR_EV_WAKING ? e->ts_ns : 0;
		return cgr_build_waking(b, e);
	case CGR_EV_IRQ_ENTRY:
	case CGR_EV_IRQ_EXIT:
	case CGR_EV_SOFTIRQ_ENTRY:
	case CGR_EV_SOFTIRQ_EXIT:
		cgr_build_context_event(b, e);
		return 0;
	case CGR_EV_BLOCK_ISSUE:
	case CGR_EV_BLOCK_DONE:
		cgr_build_device(b, e);
		cgr_build_context_event(b, e);
		return 0;
	case CGR_EV_HRTIMER_START:
		return cgr_build_timer_start(b, e);
	case CGR_EV_HRTIMER_EXPIRE:
		return cgr_build_timer_expire(b, e);
	default:
		return cgr_build_memory(b, e);
	}
}

/* Would the task have gone on? Only if that was seen: some kernels hide switches (and with them sleeps), so a task that
 * was woken long ago and never seen on a CPU since is taken to have slept again. */
static bool runs_at_end(const struct builder *b, uint32_t task)
{
	const struct task_build *t = &b->t[task];
	uint64_t end_ns = (uint64_t)b->info->duration_ns;

	if (t->state == TASK_RUNNING)
		return b->cpu[t->cpu].current == task;
	if (t->state != TASK_RUNNABLE || t->hidden || b->task[task].tgid == 1)
		return false;
	/* an idle CPU would have taken it */
	if (t->out_ns && t->out_ns < b->idle_ns)
		return false;
	return !t->waking_ns || end_ns - CGR_MIN(t->waking_ns, end_ns) < 20000000;
}

static bool works_by_clock(const struct cgr_program *p)
{
	bool yields = p->yields >= YIELDS_MIN && p->yields >= p->accounts / YIELD_SHARE;

	return p->stop_ns || (p->accounts >= PACE_LOOKS && p->paced_ns * 100 > p->run_ns * PACE_PERCENT && !yields);
}

/* Tasks still blocked, running or queued when the recording ends. */
static int close_programs(struct builder *b)
{
	uint64_t end_ns = (uint64_t)b->info->duration_ns;

	for (uint32_t i = 1; i < b->n_tasks; i++) {
		struct task_build *t = &b->t[i];
		struct cgr_program *p = &b->programs->program[i];
		struct cgr_op op = { .kind = CGR_OP_BLOCK, .cause = CGR_CAUSE_FOREVER, .c = CGR_ID_NONE };

		cgr_build_book(b, i, end_ns);
		p->runs_at_end = runs_at_end(b, i);
		p->last_cpuset = b->members.cpuset_cgroup[i];
		if (!b->has_runtime) {
			b->programs->recorded_run_ns += p->run_ns + t->run_ns;
			p->recorded_run_ns = p->run_ns + t->run_ns;
			note_group(b, i, p->recorded_run_ns);
		}
		if (t->state == TASK_BLOCKED)
			CGR_TRY(cgr_build_emit(b, i, &op));
		else
			CGR_TRY(cgr_build_flush(b, i));
		p->paced = works_by_clock(p);
	}
	return 0;
}

static void calibrate(struct builder *b)
{
	struct cgr_calibration *c = &b->programs->calibration;
	uint32_t best = 0;
	uint64_t total = 0;

	c->idle_wake_ns = cgr_histogram_quantile(&b->idle_wake, 500) * 64;
	c->idle_charged_ns = CGR_MIN(cgr_histogram_quantile(&b->idle_charged, 500) * 64, c->idle_wake_ns);
	cgr_build_calibrate_misses(b);
	cgr_build_calibrate_balance(b);
	for (uint32_t i = 0; i < b->tick_bins; i++) {
		total += b->tick_bin[i];
		if (b->tick_bin[i] > b->tick_bin[best])
			best = i;
	}
	/* ticks of all CPUs fire at one phase; other interrupts spread evenly */
	if (total >= 20 && b->tick_bin[best] * 8ull > total) {
		c->tick_phase_known = true;
		c->tick_phase_ns = best * b->tick_ns / b->tick_bins;
	}
}

static int read_stream(struct builder *b, struct cgr_progress *progress)
{
	struct cgr_stream *stream = NULL;
	const struct cgr_event *events;
	uint64_t done = 0;
	size_t count;
	int rc = cgr_stream_open(b->store, 0, 0, &stream, b->error);

	if (rc < 0)
		return rc;
	while ((rc = cgr_stream_next(stream, &events, &count, b->error)) > 0) {
		for (size_t i = 0; i < count && rc > 0; i++) {
			int failed = dispatch(b, &events[i]);

			if (failed < 0)
				rc = failed;
		}
		if (rc > 0 && cgr_interrupt_check(b->error) < 0)
			rc = CGR_E_INTERRUPTED;
		if (rc < 0)
			break;
		done += count;
		cgr_progress_update(progress, "compiling programs", done, b->info->events, "events");
	}
	b->programs->events = done;
	cgr_stream_free(stream);
	return rc;
}

static int prepare(struct builder *b, const struct cgr_store *store)
{
	size_t tasks, groups;

	b->store = store;
	b->info = cgr_store_borrow_info(store);
	b->task = cgr_store_borrow_tasks(store, &tasks);
	b->css_set = cgr_store_borrow_css_sets(store, &b->n_css_sets);
	b->n_tasks = (uint32_t)tasks;
	b->n_cpus = b->info->cpus;
	b->event_cost_ns = b->info->event_cost_ns ? b->info->event_cost_ns : EVENT_COST_NS;
	if (tasks < 2 || !b->n_cpus || b->n_cpus > CGR_LIMIT_CPUS)
		return cgr_error_set(b->error, CGR_E_INPUT, "the store has %zu tasks on %u CPUs: nothing to replay", tasks,
		                     b->n_cpus);
	b->t = cgr_calloc(tasks, sizeof *b->t);
	b->cpu = cgr_calloc(b->n_cpus, sizeof *b->cpu);
	b->runnable = cgr_calloc(tasks, sizeof *b->runnable);
	b->tick_ns = 1000000000ull / (b->info->hz ? b->info->hz : 250);
	b->tick_bins = 400;
	b->tick_bin = cgr_calloc(b->tick_bins, sizeof *b->tick_bin);
	if (!b->t || !b->cpu || !b->runnable || !b->tick_bin)
		return cgr_error_set(b->error, CGR_E_NOMEM, "compiling programs of %zu tasks", tasks);
	for (uint32_t i = 0; i < b->n_tasks; i++) {
		b->t[i].tail = b->t[i].sites = b->t[i].loop_chunk = b->t[i].told_by = b->t[i].meet_chunk = CGR_ID_NONE;
		b->t[i].completion.worker = b->t[i].callee = b->t[i].paid_by = CGR_ID_NONE;
		b->t[i].prio = -1;
	}
	for (uint32_t i = 0; i < b->n_cpus; i++) {
		b->cpu[i].current = CGR_ID_NONE;
		b->cpu[i].irq = b->cpu[i].softirq = -1;
	}
	cgr_build_note_quota(b);
	cgr_build_know_cpus(b);
	CGR_TRY(cgr_build_swap_init(b));
	CGR_TRY(cgr_members_init(&b->members, store, b->error));
	CGR_TRY(cgr_programs_new(b->n_tasks, &b->programs, b->error));
	(void)cgr_store_borrow_cgroups(store, &groups);
	b->programs->groups = (uint32_t)groups;
	b->programs->group_run_ns = cgr_calloc(groups + 1, sizeof *b->programs->group_run_ns);
	b->late_pages = cgr_calloc(groups + 1, sizeof *b->late_pages);
	return b->programs->group_run_ns && b->late_pages
	           ? 0
	           : cgr_error_set(b->error, CGR_E_NOMEM, "CPU time of %zu cgroups", groups);
}

int cgr_compile(const struct cgr_store *store, struct cgr_progress *progress, struct cgr_programs **ret_programs,
                struct cgr_error *reterr)
{
	struct builder b = { .error = reterr };
	int rc = prepare(&b, store);

	if (rc >= 0)
		rc = cgr_build_recorder_cost(&b);
	if (rc >= 0)
		rc = read_stream(&b, progress);
	cgr_progress_finish(progress);
	if (rc >= 0 && !b.programs->switches && !b.programs->events)
		rc = cgr_error_set(reterr, CGR_E_INPUT, "the store holds no events: nothing to replay");
	if (rc >= 0)
		rc = cgr_build_late_end(&b);
	if (rc >= 0) {
		b.has_runtime = b.programs->recorded_run_ns != 0;
		rc = close_programs(&b);
	}
	if (rc >= 0) {
		calibrate(&b);
		cgr_build_judge_timers(b.programs);
		cgr_build_judge_ticks(&b);
		rc = cgr_build_judge_relations(&b);
	}
	if (rc >= 0)
		rc = cgr_build_judge_pipes(&b);
	if (rc >= 0)
		rc = cgr_build_judge_phases(&b);
	if (rc >= 0) {
		b.programs->duration_ns = b.info->duration_ns;
		*ret_programs = b.programs;
		b.programs = NULL;
	}
	cgr_build_swap_free(&b);
	cgr_intern_fini(&b.relations);
	cgr_histogram_fini(&b.idle_wake);
	cgr_histogram_fini(&b.idle_charged);
	cgr_members_fini(&b.members);
	cgr_histogram_fini(&b.fault);
	free(b.tick_bin);
	free(b.ticker);
	free(b.late_pages);
	free(b.t);
	free(b.cpu);
	free(b.runnable);
	cgr_programs_free(b.programs);
	return rc < 0 ? rc : 0;
}
