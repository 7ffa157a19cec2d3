/* A writer waits for room in a pipe that its reader has not emptied (compile_pipe.c). */
#include "replay/engine_internal.h"

/* The reader has found nothing to read: whatever the gates say, which are set as if both went on evenly between two
 * sleeps. */
static bool is_empty(const struct cgr_engine *e, uint32_t id)
{
	const struct cgr_pipe *ends = &e->programs->pipe[id];
	const struct task_run *reader = &e->task[ends->reader];

	return reader->waiting && reader->waker == ends->writer;
}

/* task stands at a gate. True: it has to wait. */
bool cgr_run_pipe_full(struct cgr_engine *e, uint32_t task, const struct cgr_op *op)
{
	struct pipe_run *pipe = &e->pipe[op->b];

	if (pipe->taken >= op->a || is_empty(e, (uint32_t)op->b) || e->config->open_loop || e->plays_back ||
	    e->task[task].exiting)
		return false;
	pipe->wanted = op->a;
	e->task[task].full = (uint32_t)op->b;
	return true;
}

static void open_up_to(struct cgr_engine *e, uint32_t id, uint64_t number, uint32_t cpu)
{
	struct pipe_run *pipe = &e->pipe[id];
	const struct cgr_pipe *ends = &e->programs->pipe[id];

	pipe->taken = CGR_MAX(pipe->taken, number);
	if (e->task[ends->writer].full == id && pipe->taken >= pipe->wanted)
		cgr_run_wake(e, ends->writer, cpu, ends->sync ? CGR_WAKE_SYNC : 0);
}

void cgr_run_pipe_taken(struct cgr_engine *e, const struct cgr_op *op, uint32_t cpu)
{
	open_up_to(e, (uint32_t)op->b, op->a, cpu);
}

/* reader begins to wait for writer: if that waits for room in their pipe, there is some. */
void cgr_run_pipe_empty(struct cgr_engine *e, uint32_t reader, uint32_t writer, uint32_t cpu)
{
	uint32_t id = e->task[writer].full;

	if (id != NONE && e->programs->pipe[id].reader == reader)
		cgr_run_wake(e, writer, cpu, 0);
}

/* The reader is gone: nobody waits for it. */
void cgr_run_pipe_closed(struct cgr_engine *e, uint32_t reader)
{
	for (uint32_t i = 0; i < e->programs->pipes; i++)
		if (e->programs->pipe[i].reader == reader)
			open_up_to(e, i, UINT64_MAX, e->task_info[reader].cpu);
}
