/* Requests to a device that a kernel thread finishes: the write-out at the end of fsync wakes, by interrupt, a worker
 * of the file system (ext4_end_io_rsv_work, iomap_dio_complete_work, a threaded interrupt handler), and the worker
 * wakes the task that sleeps uninterruptibly for it. Taken by itself the worker's wake-up is an arrival from outside,
 * at its recorded time; in truth it comes so long after the request as the device takes, and a task that asks earlier
 * or later in the what-if is answered earlier or later.
 *
 * Told from the recording: an interrupt wakes an idle kernel thread, and before that sleeps again it, or a kernel
 * thread that it wakes, wakes a task that was in uninterruptible sleep already when the interrupt came. Then the
 * worker's wake-up is paid for by that task, with the delay that was seen. */
#include "common/util.h"
#include "replay/compile_internal.h"

#define STATE_UNINTERRUPTIBLE 2u

/* An interrupt has ended the wait of a task; its BLOCK is the last operation of its program. */
void cgr_build_note_completion(struct builder *b, uint32_t task, uint64_t ts_ns, enum cgr_cause cause)
{
	struct task_build *t = &b->t[task];

	t->completion = (struct completion){ .worker = CGR_ID_NONE };
	if (!b->task[task].kernel_thread || (cause != CGR_CAUSE_ARRIVAL && cause != CGR_CAUSE_DEVICE) ||
	    (t->block_state & STATE_UNINTERRUPTIBLE))
		return;
	t->completion = (struct completion){ .worker = task,
		                                 .chunk = t->tail,
		                                 .position = cgr_chunk_at(b->programs, t->tail)->count - 1,
		                                 .token = t->token,
		                                 .woken_ns = ts_ns };
}

static struct cgr_op *worker_wait(const struct builder *b, const struct completion *c)
{
	return &cgr_chunk_at(b->programs, c->chunk)->op[c->position];
}

/* waker wakes wakee, whose wait is about to end: is that the answer to a request? Then the request is written into the
 * program of wakee, in front of its wait. */
int cgr_build_completed(struct builder *b, uint32_t waker, uint32_t wakee)
{
	struct completion *c = &b->t[waker].completion;
	struct task_build *worker, *t = &b->t[wakee];
	struct cgr_op request = { .kind = CGR_OP_REQUEST }, *wait;

	if (c->worker == CGR_ID_NONE)
		return 0;
	worker = &b->t[c->worker];
	if (worker->token != c->token || t->block_ns > c->woken_ns || t->state != TASK_BLOCKED)
		return 0;
	if (!(t->block_state & STATE_UNINTERRUPTIBLE)) {
		if (b->task[wakee].kernel_thread)
			t->completion = *c; /* the work is handed on */
		return 0;
	}
	wait = worker_wait(b, c);
	b->programs->program[c->worker].blocks[wait->cause]--;
	b->programs->program[c->worker].blocks[CGR_CAUSE_TASK]++;
	wait->cause = CGR_CAUSE_TASK;
	wait->c = wakee;
	request.c = c->worker;
	request.a = worker->token++;
	request.b = c->woken_ns - t->block_ns;
	*c = (struct completion){ .worker = CGR_ID_NONE };
	return cgr_build_emit(b, wakee, &request);
}
