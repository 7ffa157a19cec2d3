/* Why a task waited: told from the context in which it was woken, as Trace Compass keeps its interrupt stack. */
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "replay/compile_internal.h"

#define STATE_UNINTERRUPTIBLE 2u
enum {
	SOFTIRQ_TIMER = 1,
	SOFTIRQ_NET_TX = 2,
	SOFTIRQ_NET_RX = 3,
	SOFTIRQ_BLOCK = 4,
	SOFTIRQ_TASKLET = 6,
	SOFTIRQ_HRTIMER = 8
}; /* include/linux/interrupt.h */
/* A soft interrupt that begins this soon after a hard one was raised by it. */
#define SOFTIRQ_AFTER_IRQ_NS 3000u

void cgr_build_context_event(struct builder *b, const struct cgr_event *e)
{
	struct cpu_build *cpu = &b->cpu[e->cpu];

	switch (e->kind) {
	case CGR_EV_IRQ_ENTRY:
		b->has_irq = true;
		cpu->irq = (int)e->c;
		break;
	case CGR_EV_IRQ_EXIT:
		cpu->irq = -1;
		cpu->irq_exit_ns = e->ts_ns;
		break;
	case CGR_EV_SOFTIRQ_ENTRY:
		b->has_softirq = true;
		cpu->softirq = (int)e->c;
		cpu->softirq_inline = e->task != 0 && !(e->flags & CGR_EVF_HARDIRQ) &&
		                      e->ts_ns - cpu->irq_exit_ns > SOFTIRQ_AFTER_IRQ_NS &&
		                      e->ts_ns - cpu->timer_expire_ns > SOFTIRQ_AFTER_IRQ_NS;
		break;
	case CGR_EV_SOFTIRQ_EXIT:
		cpu->softirq = -1;
		cpu->irq_exit_ns = e->ts_ns; /* the next vector of the same pass has the same origin */
		if (cpu->softirq_inline)
			cpu->irq_exit_ns = 0;
		break;
	case CGR_EV_BLOCK_DONE:
		cpu->block_done_ns = e->ts_ns;
		break;
	default:
		break;
	}
}

static enum cgr_cause irq_cause(const struct builder *b, const struct cgr_event *e, const struct task_build *t)
{
	const struct cpu_build *cpu = &b->cpu[e->cpu];
	bool disk = (t->block_state & STATE_UNINTERRUPTIBLE) != 0;

	if (cgr_build_timer_due(t, e->ts_ns))
		return CGR_CAUSE_TIMER;
	if (cpu->block_done_ns && e->ts_ns - cpu->block_done_ns < 50000)
		return CGR_CAUSE_DEVICE;
	if (cpu->timer_expire_ns && e->ts_ns - cpu->timer_expire_ns < 20000 && cpu->timer_expire_function != CGR_TIMER_TICK)
		return CGR_CAUSE_TIMER;
	if ((e->flags & CGR_EVF_SOFTIRQ) && cpu->softirq >= 0) {
		switch (cpu->softirq) {
		case SOFTIRQ_TIMER:
		case SOFTIRQ_HRTIMER:
			return CGR_CAUSE_TIMER;
		case SOFTIRQ_BLOCK:
			return CGR_CAUSE_DEVICE;
		case SOFTIRQ_NET_RX:
		case SOFTIRQ_NET_TX:
			return cpu->softirq_inline ? CGR_CAUSE_TASK : CGR_CAUSE_ARRIVAL;
		case SOFTIRQ_TASKLET:
			return CGR_CAUSE_ARRIVAL;
		default:
			return CGR_CAUSE_UNKNOWN;
		}
	}
	if (cpu->irq >= 0)
		return disk ? CGR_CAUSE_DEVICE : CGR_CAUSE_ARRIVAL;
	if (disk)
		return CGR_CAUSE_DEVICE;
	/* No handler was seen: in hard interrupt context that is the local timer, whose handler has no tracepoint. */
	if (e->flags & CGR_EVF_HARDIRQ)
		return CGR_CAUSE_TIMER;
	return CGR_CAUSE_ARRIVAL;
}

int cgr_build_end_block(struct builder *b, uint32_t task, uint64_t ts_ns, enum cgr_cause cause, uint32_t waker,
                        unsigned flags)
{
	struct task_build *t = &b->t[task];
	struct cgr_program *p = &b->programs->program[task];
	struct cgr_op op = { .kind = CGR_OP_BLOCK, .cause = (uint8_t)cause, .flags = (uint8_t)flags, .c = waker };

	op.a = ts_ns - CGR_MIN(t->block_ns, ts_ns);
	op.b = ts_ns;
	if (cause == CGR_CAUSE_TIMER)
		CGR_TRY(cgr_build_timer_block(b, task, ts_ns, &op));
	if (cause == CGR_CAUSE_TASK) {
		op.length = cgr_build_timeout_length(t);
		t->token++;
	}
	if (cause == CGR_CAUSE_UNKNOWN)
		p->unknown_ns += op.a;
	/* memory.high puts a task to killable sleep right after its reclaim; the timer ends it */
	if (cause == CGR_CAUSE_TIMER && (t->block_state & STATE_UNINTERRUPTIBLE) && t->reclaim_end_ns &&
	    t->block_ns - t->reclaim_end_ns < 1000000)
		op.flags |= CGR_OPF_LIMIT;
	/* inside reclaim it waits for the flusher (reclaim_throttle, folio_wait_writeback), not for what it reads */
	if (t->in_reclaim) {
		op.flags |= CGR_OPF_LIMIT;
	} else if (t->missed && (t->block_state & STATE_UNINTERRUPTIBLE) && cause != CGR_CAUSE_TIMER) {
		op.flags |= CGR_OPF_MISS;
		cgr_build_note_miss_wait(b, task, op.a);
	}
	t->awake_ns = ts_ns;
	t->by_itself = cause != CGR_CAUSE_TASK;
	t->missed = t->missed && t->in_reclaim;
	if (!t->in_reclaim)
		t->unwaited = 0;
	t->written.position = 0;
	t->timer_armed = false;
	t->meet_chunk = CGR_ID_NONE;
	p->blocks[cause]++;
	cgr_build_set_state(b, task, TASK_RUNNABLE);
	CGR_TRY(cgr_build_emit(b, task, &op));
	cgr_build_note_completion(b, task, ts_ns, cause);
	cgr_build_note_block(b, task, ts_ns, cause);
	cgr_build_answered(b, task, waker);
	return 0;
}

/* The waker's half of a token. */
static int emit_wake(struct builder *b, const struct cgr_event *e, unsigned flags)
{
	struct cgr_op op = { .kind = CGR_OP_WAKE, .flags = (uint8_t)flags, .c = e->c };
	uint32_t relation;

	CGR_TRY(cgr_build_relation(b, e->task, e->c, &relation));
	if (!flags)
		CGR_TRY(cgr_build_call(b, e->task, e->c, relation));
	op.a = b->t[e->c].token;
	cgr_build_relation_waking(b, e, relation);
	cgr_build_note_wake(b, e->task, e->c, relation);
	op.b = relation;
	CGR_TRY(cgr_build_running(b, e->task, e->cpu, e->ts_ns));
	cgr_build_book(b, e->task, e->ts_ns);
	CGR_TRY(cgr_build_emit(b, e->task, &op));
	if (!flags)
		cgr_build_meeting(b, e, relation);
	return flags ? 0 : cgr_build_called(b, e->task, e->c, relation, e->ts_ns);
}

/* A grace period lasts as long as it lasts, from when it was asked for; that its kernel thread looks at a clock
 * meanwhile (kernel/rcu/tree.c: rcu_gp_fqs_loop) is no appointment of the task that waits for it. */
static bool is_grace_period(const struct builder *b, uint32_t waker, uint32_t wakee)
{
	const struct cgr_store_task *task = &b->task[waker];

	return waker && task->kernel_thread && task->comm && strncmp(task->comm, "rcu_", 4) == 0 &&
	       !b->task[wakee].kernel_thread && (b->t[wakee].block_state & STATE_UNINTERRUPTIBLE);
}

/* A kernel thread that no task had set to work, and that was at it when the other one began to wait (kdamond,
 * khugepaged and kswapd at pages of all, the flusher at its inodes), held a lock: another run meets it elsewhere, or
 * not at all. What would be an appointment with that thread's clock is a delay. */
static bool works_by_itself(const struct builder *b, uint32_t waker, uint64_t since_ns)
{
	return waker && b->task[waker].kernel_thread && b->t[waker].by_itself && b->t[waker].awake_ns < since_ns;
}

static bool is_held_up(const struct builder *b, uint32_t waker, uint32_t wakee)
{
	const struct task_build *t = &b->t[wakee];

	return !b->task[wakee].kernel_thread && t->state == TASK_BLOCKED && (t->block_state & STATE_UNINTERRUPTIBLE) &&
	       works_by_itself(b, waker, t->block_ns);
}

/* What ends the wait of a task, and by whom. */
struct ending {
	enum cgr_cause cause;
	unsigned flags;
	uint32_t waker; /* CGR_ID_NONE: no task */
};

static int find_ending(struct builder *b, const struct cgr_event *e, struct ending *ret)
{
	bool gone = b->t[e->task].state == TASK_GONE, soft;

	*ret = (struct ending){ .cause = CGR_CAUSE_TASK, .waker = e->task };
	if (cgr_event_in_irq(e) || !e->task) {
		ret->cause = irq_cause(b, e, &b->t[e->c]);
		CGR_TRY(cgr_build_soft_wake(b, e, ret->cause, &soft));
		if (soft)
			ret->cause = CGR_CAUSE_TASK, ret->flags = CGR_OPF_SOFT;
	}
	if (ret->cause == CGR_CAUSE_TASK && (!e->task || e->task == e->c || gone))
		ret->cause = CGR_CAUSE_UNKNOWN;
	if (ret->cause == CGR_CAUSE_TASK && (is_grace_period(b, e->task, e->c) || is_held_up(b, e->task, e->c)))
		ret->cause = CGR_CAUSE_DEVICE;
	if (ret->cause != CGR_CAUSE_TASK) /* nor is it given the number of a token, which CGR_OPF_SOFT would keep */
		ret->waker = CGR_ID_NONE, ret->flags = 0;
	return 0;
}

static int end_wait(struct builder *b, const struct cgr_event *e, const struct ending *by)
{
	if (by->cause == CGR_CAUSE_TASK) {
		CGR_TRY(emit_wake(b, e, by->flags));
		CGR_TRY(cgr_build_completed(b, e->task, e->c));
	}
	b->t[e->c].waking_cpu = e->cpu;
	return cgr_build_end_block(b, e->c, e->ts_ns, by->cause, by->waker, by->flags);
}

/* Another CPU, or another task, wakes a task that is still on its own: sched_waking is told only if that one had set
 * its mind to sleep, and it is a wait like any other, of no length. Either it goes on (ttwu_runnable, sched_wakeup
 * follows at once), or it is already on its way out, and the switch that still comes is no second wait
 * (ttwu_queue_wakelist). */
static int wake_running(struct builder *b, const struct cgr_event *e, const struct ending *by)
{
	struct task_build *t = &b->t[e->c];

	cgr_build_book(b, e->c, e->ts_ns);
	t->block_ns = e->ts_ns;
	t->block_state = 1;
	CGR_TRY(end_wait(b, e, by));
	cgr_build_set_state(b, e->c, TASK_RUNNING);
	t->mark_ns = e->ts_ns;
	t->woken_early = true;
	t->early.position = 0;
	if ((by->cause == CGR_CAUSE_ARRIVAL && !by->flags) ||
	    (by->cause == CGR_CAUSE_TASK && works_by_itself(b, by->waker, e->ts_ns)))
		t->early = (struct recent_add){ t->tail, cgr_chunk_at(b->programs, t->tail)->count };
	return 0;
}

/* The switch of a task that was woken before it left its CPU tells at last how it was about to sleep. Whoever sleeps
 * uninterruptibly waits for a device, however many pages that completes in one interrupt, or for a lock of a kernel
 * thread that works by itself, and not for the outside. By now a wait for a task has the number of a token, and keeps
 * it. */
void cgr_build_woken_early(struct builder *b, uint32_t task, uint32_t state)
{
	struct task_build *t = &b->t[task];
	struct cgr_op *op;

	if (!t->early.position || !(state & STATE_UNINTERRUPTIBLE))
		return;
	op = &cgr_chunk_at(b->programs, t->early.chunk)->op[t->early.position - 1];
	t->early.position = 0;
	if (op->kind != CGR_OP_BLOCK || (op->cause != CGR_CAUSE_ARRIVAL && op->cause != CGR_CAUSE_TASK))
		return;
	b->programs->program[task].blocks[op->cause]--;
	b->programs->program[task].blocks[CGR_CAUSE_DEVICE]++;
	if (op->cause == CGR_CAUSE_TASK) {
		op->flags |= CGR_OPF_SOFT;
		op->c = CGR_ID_NONE;
	}
	op->cause = CGR_CAUSE_DEVICE;
}

int cgr_build_waking(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t;
	struct ending by;

	if (e->kind == CGR_EV_WAKING)
		b->has_waking = true;
	if (e->c == 0 || e->c >= b->n_tasks)
		return 0;
	t = &b->t[e->c];
	cgr_build_note_scan(b, e);
	if (e->kind == CGR_EV_WAKEUP) {
		cgr_build_relation_wakeup(b, e);
		t->woken_early = t->woken_early && t->state != TASK_RUNNING;
	}
	if (e->kind == CGR_EV_WAKEUP && t->state != TASK_BLOCKED && t->state != TASK_UNSEEN)
		return 0; /* its WAKING was seen */
	if (t->state == TASK_UNSEEN) { /* there before the trace, asleep */
		struct cgr_program *p = &b->programs->program[e->c];

		if (b->task[e->c].start_ns > 0)
			return 0;
		cgr_build_set_state(b, e->c, TASK_BLOCKED);
		p->start = CGR_START_BLOCKED;
		p->start_cpu = e->d & 0xffff;
		if (p->prio < 0) {
			p->prio = (int16_t)(e->d >> 16);
			t->prio = p->prio;
		}
	}
	if (t->state == TASK_RUNNABLE && t->waking_ns) {
		/* Woken twice and not seen on a CPU in between: it ran and slept where sched_switch is silent. */
		cgr_build_set_state(b, e->c, TASK_BLOCKED);
		t->block_ns = t->waking_ns;
		t->hidden = true;
	}
	if (t->state != TASK_BLOCKED && (t->state != TASK_RUNNING || e->kind != CGR_EV_WAKING)) {
		b->programs->lost_wakes++;
		return 0;
	}
	CGR_TRY(find_ending(b, e, &by));
	if (t->state == TASK_RUNNING) {
		if (e->task != e->c && b->cpu[t->cpu].current == e->c &&
		    (by.cause == CGR_CAUSE_TASK || (e->cpu != t->cpu && by.cause != CGR_CAUSE_UNKNOWN)))
			return wake_running(b, e, &by);
		b->programs->lost_wakes++;
		return 0;
	}
	CGR_TRY(end_wait(b, e, &by));
	t->waking_ns = e->ts_ns;
	t->idle_target = (e->d & 0xffff) < b->n_cpus && b->cpu[e->d & 0xffff].current == 0;
	return 0;
}
