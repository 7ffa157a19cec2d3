/* Waits with a timeout: poll, epoll_wait, futex and the like, asked for again and again until what they wait for comes.
 * The recording shows the rounds that timed out and the one that did not. When that comes earlier in the what-if, fewer
 * rounds time out: the wait of the moment ends by it, and the rounds between take no time. So it is with a signal that
 * ends such a thread, too (signal_wake_up_state). */
#include "replay/engine_internal.h"

/* That time out beyond the recorded ones: what would come never is not waited for like that for ever. */
#define ROUNDS_MAX 64u
#define ROUNDS_NS 1000000000u /* nor for longer: a replay in which nothing moves any more shall be seen to stand */
#define ROUND_NS 5000u /* CPU time of one: no recording has it, as long as a short wake-up */
#define AHEAD_MAX 4096u /* operations between a wait that timed out and the one that did not */

/* Of one length, as near as the time that a program takes from computing a deadline to waiting for it lets it be told.
 */
static bool is_alike(uint8_t length, uint8_t other)
{
	return length && other && (length > other ? length - other : other - length) <= 1;
}

/* The grid on which a wait times out, 0 none. */
static int64_t grid_ns(const struct cgr_engine *e, const struct cgr_op *op)
{
	if (op->c >= e->programs->sites || !e->programs->site[op->c].absolute)
		return 0;
	return CGR_MAX(e->programs->site[op->c].grid_ns, 0);
}

/* Is the next token of the task what its waits of that length are for? */
static bool is_awaited(const struct cgr_engine *e, uint32_t task, uint8_t length)
{
	struct cgr_cursor at = e->task[task].cursor;
	const struct cgr_op *op;

	for (unsigned i = 0; i < AHEAD_MAX && (op = cgr_cursor_peek(e->programs, &at)); i++, at.position++) {
		if (op->kind == CGR_OP_EXIT || op->kind == CGR_OP_END)
			return false;
		if (op->kind != CGR_OP_BLOCK)
			continue;
		if (!is_alike(length, op->length) || (op->cause != CGR_CAUSE_TIMER && op->cause != CGR_CAUSE_TASK))
			return false;
		if (op->cause == CGR_CAUSE_TASK)
			return true;
	}
	return false;
}

bool cgr_run_timeout_over(struct cgr_engine *e, uint32_t task, const struct cgr_op *op)
{
	struct task_run *t = &e->task[task];

	if (!op || !op->length || !(t->early & 1) || t->repeating || e->config->open_loop ||
	    !is_awaited(e, task, op->length))
		return false;
	t->shift_ns -= grid_ns(e, op); /* its grid has a point less to wait for */
	return true;
}

/* A wait begins that its timeout ends at at_ns, if nothing else does. One whose time is past does not happen. */
void cgr_run_timeout_begin(struct cgr_engine *e, uint32_t task, const struct cgr_op *op, uint64_t at_ns)
{
	struct task_run *t = &e->task[task];

	t->timeout = at_ns > e->now_ns ? op : NULL;
	if (!op->length)
		return;
	t->timed = op;
	t->timed_ns = at_ns;
}

/* The longest of those lengths that program.h tells as one: no token that came within the timeout comes after it. */
static uint64_t length_ns(uint8_t length)
{
	unsigned steps = length - 1u, power = 10 + steps / 8;

	return (9ull + steps % 8) << (power - 3);
}

/* Of the waits that timed out before this one, if they are of its kind and on a grid; else 0. */
static int64_t rounds_grid_ns(const struct cgr_engine *e, const struct task_run *t, const struct cgr_op *op)
{
	return t->timed && is_alike(t->timed->length, op->length) ? grid_ns(e, t->timed) : 0;
}

/* It comes later in the what-if than in the recording: more rounds time out. They cost little, but somebody who looks
 * around is runnable: he is throttled with his group and preempts others. */
uint64_t cgr_run_timeout_end(struct cgr_engine *e, uint32_t task, const struct cgr_op *op)
{
	struct task_run *t = &e->task[task];
	uint64_t grid = (uint64_t)rounds_grid_ns(e, t, op);

	if (!op->length || t->rounds == ROUNDS_MAX || (t->rounds + 1u) * length_ns(op->length) > ROUNDS_NS ||
	    t->truncated || t->exiting || e->plays_back)
		return UINT64_MAX;
	t->rounds++;
	if (!grid)
		return e->now_ns + length_ns(op->length);
	if (t->timed_ns <= e->now_ns)
		t->timed_ns += ((e->now_ns - t->timed_ns) / grid + 1) * grid;
	return t->timed_ns;
}

/* The token did not come in time: the same wait again, and what the recording has on its grid comes a point later. */
void cgr_run_timed_out(struct cgr_engine *e, uint32_t task)
{
	struct task_run *t = &e->task[task];

	if (!t->waiting)
		return;
	t->cursor.position--;
	t->remaining_ns = ROUND_NS;
	t->shift_ns += rounds_grid_ns(e, t, cgr_cursor_peek(e->programs, &t->cursor));
}
