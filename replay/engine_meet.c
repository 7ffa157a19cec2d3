/* Threads that meet (a barrier, the end of a parallel loop) go on when the last of them has come, whichever that is in
 * the what-if. The recording tells one order of coming: the last one woke all the others. Taken as tokens with memory,
 * a last one that comes early would not wait for those who come late; so it waits until they are there, and who is the
 * last in the what-if lets all the others go. It waits for who is at work on the way there only: one that waits for
 * something else may wait for it, and then the order of the recording holds. */
#include "replay/engine_internal.h"

#define MEETING_NS 30000u /* CPU time between two wake-ups of one meeting */
#define MEETING_MAX 64u /* operations that belong to one */

static void hold(struct cgr_engine *e, uint32_t task, uint32_t by)
{
	e->task[task].held_by = by;
	e->task[by].holds = task;
}

void cgr_run_meet_free(struct cgr_engine *e, uint32_t task)
{
	struct task_run *t = &e->task[task];

	if (t->held_by == NONE)
		return;
	e->task[t->held_by].holds = NONE;
	t->held_by = NONE;
}

/* The next wake-up of the meeting that the cursor stands in, NULL: that was all. */
static const struct cgr_op *next_of(const struct cgr_engine *e, struct cgr_cursor *at)
{
	const struct cgr_op *op;

	for (unsigned i = 0; i < MEETING_MAX && (op = cgr_cursor_peek(e->programs, at)); i++) {
		at->position++;
		if (op->kind == CGR_OP_WAKE && (op->flags & CGR_OPF_MEET))
			return op;
		if (op->kind != CGR_OP_NONE && op->kind != CGR_OP_COLD && (op->kind != CGR_OP_RUN || op->a > MEETING_NS))
			return NULL;
	}
	return NULL;
}

/* Is the one it wakes at work on the way there? */
static bool absent(const struct cgr_engine *e, const struct cgr_op *op)
{
	const struct task_run *t = &e->task[op->c];

	return (t->state == RUN_RUNNING || t->state == RUN_QUEUED) && !t->finished && !t->truncated && !t->exiting &&
	       (int32_t)((uint32_t)op->a - t->token) >= 0;
}

/* One of those that task is about to wake who has not come yet; NONE: all are there. */
static uint32_t missing(const struct cgr_engine *e, uint32_t task)
{
	struct cgr_cursor at = e->task[task].cursor;
	const struct cgr_op *op;

	while ((op = next_of(e, &at)))
		if (absent(e, op))
			return op->c;
	return NONE;
}

/* task stands before the wake-ups of a meeting. True: somebody has not come yet, and it has to wait. */
bool cgr_run_meet(struct cgr_engine *e, uint32_t task, const struct cgr_op *op)
{
	uint32_t by;

	if (!(op->flags & CGR_OPF_MEET) || !e->programs->relation[op->b].meets || e->config->open_loop || e->plays_back ||
	    e->task[task].repeating || e->task[task].exiting)
		return false;
	by = missing(e, task);
	if (by == NONE || e->task[by].holds != NONE)
		return false;
	hold(e, task, by);
	return true;
}

/* Is the wait that task stands before the one that ends with host's wake-up? */
static bool comes_to(const struct cgr_engine *e, uint32_t host, uint32_t task)
{
	struct cgr_cursor at = e->task[host].cursor;
	const struct cgr_op *op;

	while ((op = next_of(e, &at)))
		if (op->c == task)
			return (uint32_t)op->a == e->task[task].token;
	return false;
}

/* task, for which another one waits at a meeting, is about to wait for its token. True: it is the last to come, has let
 * the others go, and goes on. */
bool cgr_run_meet_last(struct cgr_engine *e, uint32_t task, uint32_t cpu)
{
	struct task_run *t = &e->task[task];
	uint32_t host = t->holds, next;
	struct cgr_cursor at = e->task[host].cursor;
	const struct cgr_op *op;

	t->state = RUN_BLOCKED; /* it is there; who else is not? */
	next = missing(e, host);
	t->state = RUN_RUNNING;
	if (!comes_to(e, host, task))
		return false; /* this is an earlier wait of its own */
	if (next != NONE && e->task[next].holds == NONE) {
		t->holds = NONE;
		hold(e, host, next);
		return false;
	}
	cgr_run_wake(e, host, cpu, 0);
	if (next != NONE)
		return false;
	while ((op = next_of(e, &at)))
		if (op->c != task)
			cgr_run_token(e, op->c, (uint32_t)op->a, cpu, 0);
	return true;
}
