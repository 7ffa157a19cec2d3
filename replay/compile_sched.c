/* Scheduler and life events: who runs, who sleeps, who was born. */
#include "common/util.h"
#include "replay/compile_internal.h"

#define STATE_DEAD 0x30u /* EXIT_DEAD | EXIT_ZOMBIE as sched_switch reports prev_state */
#define STATE_PREEMPTED 0x100u

static int note_prio(struct builder *b, uint32_t task, uint32_t prio)
{
	struct task_build *t = &b->t[task];
	struct cgr_op op = { .kind = CGR_OP_PRIO, .a = prio };

	if (t->prio == (int16_t)prio || prio > 139)
		return 0;
	if (t->prio < 0) {
		b->programs->program[task].prio = (int16_t)prio;
		t->prio = (int16_t)prio;
		return 0;
	}
	t->prio = (int16_t)prio;
	return cgr_build_emit(b, task, &op);
}

/* Who waits for an idle CPU for long does so because his group is throttled. */
static int note_cold(struct builder *b, const struct cgr_event *e, uint32_t task, bool from_idle)
{
	const struct task_build *t = &b->t[task];
	uint64_t since_ns = t->waking_ns ? t->waking_ns : t->out_ns;

	if (!b->has_quota || t->state != TASK_RUNNABLE || !since_ns || e->ts_ns < since_ns + CGR_COLD_AFTER_NS ||
	    !cgr_caches_cold(&b->cpu[e->cpu].caches, b->task[task].tgid, since_ns, e->ts_ns, from_idle))
		return 0;
	return cgr_build_cold(b, task);
}

static int switch_in(struct builder *b, const struct cgr_event *e, uint32_t task, bool from_idle)
{
	struct task_build *t = &b->t[task];

	if (t->state == TASK_GONE)
		return 0;
	CGR_TRY(note_cold(b, e, task, from_idle));
	t->idle_latency_ns = 0;
	if (t->waking_ns && e->ts_ns >= t->waking_ns && t->state == TASK_RUNNABLE) {
		uint64_t latency = e->ts_ns - t->waking_ns;

		if (cgr_histogram_add(&b->programs->latency[task], latency / 1000) < 0)
			return cgr_error_set(b->error, CGR_E_NOMEM, "latency histogram");
		if (from_idle && t->idle_target && latency < 1000000) {
			t->idle_latency_ns = latency;
			if (cgr_histogram_add(&b->idle_wake, latency / 64) < 0)
				return cgr_error_set(b->error, CGR_E_NOMEM, "latency histogram");
		}
	}
	t->waking_ns = t->pulled_ns = 0;
	t->hidden = false;
	t->in_ns = e->ts_ns;
	cgr_build_note_return(b, task);
	CGR_TRY(cgr_build_running(b, task, e->cpu, e->ts_ns));
	b->programs->program[task].switches_in++;
	t->cpu = e->cpu;
	cgr_build_note_put(b, task, e->cpu);
	return 0;
}

static int switch_out(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->task];
	uint32_t state = (uint32_t)e->a;
	bool charged;

	if (t->state == TASK_GONE)
		return 0;
	CGR_TRY(cgr_build_running(b, e->task, e->cpu, e->ts_ns));
	cgr_build_book(b, e->task, e->ts_ns);
	t->out_ns = e->ts_ns;
	charged = t->account_ns != 0;
	if (state && !(state & STATE_PREEMPTED) && !t->woken_early)
		cgr_build_no_look_leaving(b, e->task, e->ts_ns);
	else
		cgr_build_no_look(b, e->task, e->ts_ns, state & STATE_PREEMPTED ? CGR_THROTTLE_NS : CGR_SLEEP_NS);
	if (charged && !state && !t->account_ns)
		b->programs->program[e->task].yields++;
	if ((state & STATE_DEAD) && t->exiting) {
		struct cgr_op op = { .kind = CGR_OP_END };

		CGR_TRY(cgr_build_swap_end(b, e));
		cgr_build_set_state(b, e->task, TASK_GONE);
		b->programs->program[e->task].exits = true;
		b->programs->program[e->task].end_ns = (int64_t)e->ts_ns;
		return cgr_build_emit(b, e->task, &op);
	}
	if (state == 0 || (state & STATE_PREEMPTED) || t->woken_early) {
		if (t->woken_early) {
			t->waking_ns = e->ts_ns;
			cgr_build_woken_early(b, e->task, state);
		}
		t->woken_early = false;
		cgr_build_set_state(b, e->task, TASK_RUNNABLE); /* preempted, yielding or throttled: the burst goes on */
		return 0;
	}
	cgr_build_set_state(b, e->task, TASK_BLOCKED);
	t->block_ns = e->ts_ns;
	t->block_state = state;
	return 0;
}

static void leave_unseen(struct builder *b, uint32_t task)
{
	cgr_build_set_state(b, task, TASK_RUNNABLE);
	b->t[task].hidden = true;
}

static int on_switch(struct builder *b, const struct cgr_event *e)
{
	struct cpu_build *cpu = &b->cpu[e->cpu];
	uint32_t prev = e->task, next = e->c;

	b->programs->switches++;
	if (next >= b->n_tasks)
		return cgr_error_set(b->error, CGR_E_INPUT, "switch at %llu ns to task %u: the store is damaged",
		                     (unsigned long long)e->ts_ns, next);
	/* a switch nobody reported; RUNTIME settles its time */
	if (cpu->current != prev && cpu->current != CGR_ID_NONE && cpu->current != 0 &&
	    b->t[cpu->current].state == TASK_RUNNING && b->t[cpu->current].cpu == e->cpu)
		leave_unseen(b, cpu->current);
	if (prev) {
		CGR_TRY(note_prio(b, prev, e->d & 0xffff));
		CGR_TRY(switch_out(b, e));
	}
	if (!next)
		b->idle_ns = cpu->caches.idle_ns = e->ts_ns;
	if (prev && b->t[prev].state == TASK_BLOCKED)
		cgr_build_note_newly_idle(b, e, next);
	cgr_build_note_busy(b, e->cpu, e->ts_ns);
	cpu->current = next;
	cpu->softirq = cpu->irq = -1;
	if (next) {
		CGR_TRY(switch_in(b, e, next, prev == 0));
		CGR_TRY(note_prio(b, next, e->d >> 16));
	}
	return 0;
}

static int on_fork(struct builder *b, const struct cgr_event *e)
{
	struct cgr_op op = { .kind = CGR_OP_FORK, .c = e->c };

	if (e->c == 0 || e->c >= b->n_tasks)
		return 0;
	if (b->t[e->c].state == TASK_UNSEEN)
		cgr_build_set_state(b, e->c, TASK_FORKED);
	cgr_build_note_born(b, e->c);
	cgr_build_no_look(b, e->task, e->ts_ns, CGR_FORK_NS);
	return cgr_build_context(b, e, &op);
}

static int on_wakeup_new(struct builder *b, const struct cgr_event *e)
{
	struct cgr_op op = { .kind = CGR_OP_START, .c = e->c };
	struct task_build *t;

	if (e->c == 0 || e->c >= b->n_tasks)
		return 0;
	t = &b->t[e->c];
	if (t->state != TASK_FORKED && t->state != TASK_UNSEEN)
		return 0;
	cgr_build_set_state(b, e->c, TASK_RUNNABLE);
	t->waking_ns = e->ts_ns;
	t->idle_target = false;
	cgr_build_note_put(b, e->c, e->d & 0xffff); /* select_task_rq with WF_FORK */
	b->programs->program[e->c].start = CGR_START_FORKED;
	b->programs->program[e->c].start_ns = (int64_t)e->ts_ns;
	b->programs->program[e->c].start_cpu = e->d & 0xffff;
	cgr_build_no_look(b, e->task, e->ts_ns, CGR_FORK_NS);
	CGR_TRY(note_prio(b, e->c, e->d >> 16));
	return cgr_build_context(b, e, &op);
}

static int on_attach(struct builder *b, const struct cgr_event *e)
{
	struct cgr_op op = { .kind = CGR_OP_ATTACH,
		                 .c = e->c,
		                 .a = e->a,
		                 .b = cgr_members_moved(b->store, e->b),
		                 .flags = e->d ? CGR_OPF_GROUP : 0 };

	if (e->c == 0 || e->c >= b->n_tasks || !op.b)
		return 0;
	for (uint32_t i = 1; i < b->n_tasks && (op.b & CGR_MOVE_CPUSET); i++)
		if (i == e->c || (e->d && b->task[i].tgid == b->task[e->c].tgid))
			cgr_build_forget_cpus(b, i);
	return cgr_build_context(b, e, &op);
}

int cgr_build_sched(struct builder *b, const struct cgr_event *e)
{
	struct cgr_op op = { 0 };

	switch (e->kind) {
	case CGR_EV_SWITCH:
		return on_switch(b, e);
	case CGR_EV_RUN_START:
		if (e->c == 0 || e->c >= b->n_tasks)
			return 0;
		if (b->cpu[e->cpu].current != CGR_ID_NONE && b->cpu[e->cpu].current != e->c && b->cpu[e->cpu].current &&
		    b->t[b->cpu[e->cpu].current].state == TASK_RUNNING)
			leave_unseen(b, b->cpu[e->cpu].current);
		CGR_TRY(switch_in(b, e, e->c, b->cpu[e->cpu].current == 0));
		cgr_build_note_busy(b, e->cpu, e->ts_ns);
		b->cpu[e->cpu].current = e->c;
		return 0;
	case CGR_EV_WAKEUP_NEW:
		return on_wakeup_new(b, e);
	case CGR_EV_FORK:
		return on_fork(b, e);
	case CGR_EV_EXEC:
		op.kind = CGR_OP_EXEC;
		if (e->task && !cgr_event_in_irq(e)) {
			b->t[e->task].exec_ns = e->ts_ns;
			cgr_build_forget_cpus(b, e->task);
		}
		return cgr_build_context(b, e, &op);
	case CGR_EV_EXIT:
		if (e->c == 0 || e->c >= b->n_tasks)
			return 0;
		b->t[e->c].exiting = true;
		cgr_build_no_look(b, e->c, e->ts_ns, CGR_FORK_NS);
		cgr_build_judge_clock(b, e->c, e->ts_ns);
		op.kind = CGR_OP_EXIT;
		return cgr_build_context(b, e, &op);
	case CGR_EV_CGROUP_ATTACH:
		return on_attach(b, e);
	case CGR_EV_CGROUP_MKDIR:
	case CGR_EV_CGROUP_RMDIR:
		op.kind = e->kind == CGR_EV_CGROUP_MKDIR ? CGR_OP_MKDIR : CGR_OP_RMDIR;
		op.c = (uint32_t)e->a;
		op.b = cgr_members_moved(b->store, e->b) & ~CGR_MOVE_CPUSET; /* no model has state of a cpuset */
		return op.b ? cgr_build_context(b, e, &op) : 0;
	default:
		return 0;
	}
}
