/* Call and answer. Two tasks that take turns over pipes or a futex: one wakes the other and waits until that one wakes
 * it. A caller that is kept off its CPU meanwhile (by a limit, a neighbour, the host) finds its answer there already:
 * it does not sleep, and as nobody has to be woken the recording holds neither wait nor wake-up. Taken literally, the
 * two could then run side by side in a what-if, which they cannot.
 *
 * Where two tasks have so far waited for each other nearly every time, and mostly right after the call, a call without
 * a wait for the answer to the one before it is taken for such a case: the answer was given before the other one waited
 * for the next call, and the caller needs it before it goes on. */
#include "common/util.h"
#include "replay/compile_internal.h"

#define ANSWERED_MIN 16u
#define UNANSWERED_PART 8u /* no more than one in so many calls came without a wait for the answer to the last */
#define LATE_PART 4u /* and with no more than one in so many did the caller have something else to do first */
#define CALL_NS                                                                                                        \
	100000u /* who calls and does nothing else goes to wait so soon; threads at a barrier first do their work */

static bool takes_turns(const struct cgr_relation *r)
{
	return r->answered >= ANSWERED_MIN && r->unanswered * UNANSWERED_PART <= r->answered &&
	       r->late * LATE_PART <= r->answered;
}

/* The wait that did not follow the caller's last call, and the wake-up by which the callee would have ended it. */
static int insert_answer(struct builder *b, uint32_t caller, uint32_t callee, uint32_t back)
{
	struct task_build *t = &b->t[caller];
	struct cgr_op answer = { .kind = CGR_OP_WAKE, .c = caller, .a = t->token, .b = back };
	struct cgr_op *wait = &cgr_chunk_at(b->programs, t->call_chunk)->op[t->call_position];

	*wait = (struct cgr_op){ .kind = CGR_OP_BLOCK, .cause = CGR_CAUSE_TASK, .c = callee, .b = t->call_ns };
	t->token++;
	b->programs->program[caller].blocks[CGR_CAUSE_TASK]++;
	b->programs->found_answers++;
	return cgr_build_emit(b, callee, &answer);
}

/* waker is about to wake wakee, whose wait is over. */
int cgr_build_call(struct builder *b, uint32_t waker, uint32_t wakee, uint32_t relation)
{
	struct task_build *caller = &b->t[waker], *callee = &b->t[wakee];
	struct cgr_relation *r = &b->programs->relation[relation];
	uint32_t back;

	r->repeated += caller->callee != wakee || !caller->waits || caller->paid_by != wakee;
	if (caller->callee != wakee || b->task[waker].kernel_thread || b->task[wakee].kernel_thread)
		return 0;
	if (!caller->waits)
		r->unanswered++;
	else if (caller->paid_by == wakee && caller->waits_soon)
		r->answered++;
	else
		r->late++;
	if (caller->waits || callee->calls || callee->paid_by != waker || caller->call_chunk == CGR_ID_NONE ||
	    !takes_turns(r))
		return 0;
	CGR_TRY(cgr_build_relation(b, wakee, waker, &back));
	if (!takes_turns(&b->programs->relation[back]))
		return 0;
	b->programs->relation[back].repeated += 2; /* that answer may stand beside two others */
	return insert_answer(b, waker, wakee, back);
}

/* The wake-up stands in the program of waker: room for the wait that may have to follow it. */
int cgr_build_called(struct builder *b, uint32_t waker, uint32_t wakee, uint32_t relation, uint64_t ts_ns)
{
	struct task_build *t = &b->t[waker];
	struct cgr_op room = { .kind = CGR_OP_NONE };

	t->callee = wakee;
	t->calls++;
	t->waits = 0;
	t->call_ns = ts_ns;
	t->call_chunk = CGR_ID_NONE;
	if (!takes_turns(&b->programs->relation[relation]))
		return 0;
	CGR_TRY(cgr_programs_append(b->programs, waker, &t->tail, &room, b->error));
	t->call_chunk = t->tail;
	t->call_position = cgr_chunk_at(b->programs, t->tail)->count - 1;
	return 0;
}

/* A wait has ended; payer: by whose wake-up, CGR_ID_NONE by none. */
void cgr_build_answered(struct builder *b, uint32_t task, uint32_t payer)
{
	struct task_build *t = &b->t[task];

	t->calls = 0;
	if (!t->waits++)
		t->waits_soon = t->block_ns - CGR_MIN(t->call_ns, t->block_ns) < CALL_NS;
	t->paid_by = payer;
}
