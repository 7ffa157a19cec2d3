/* A writer waits for room in a pipe that its reader has not emptied (compile_pipe.c). */
#include "replay/engine_internal.h"

/* task stands at a gate. True: it has to wait. */
bool cgr_run_pipe_full(struct cgr_engine *e, uint32_t task, const struct cgr_op *op)
{
	struct pipe_run *pipe = &e->pipe[op->b];

	if (pipe->taken >= op->a || e->config->open_loop || e->plays_back || e->task[task].exiting)
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

/* The reader is gone: nobody waits for it. */
void cgr_run_pipe_closed(struct cgr_engine *e, uint32_t reader)
{
	for (uint32_t i = 0; i < e->programs->pipes; i++)
		if (e->programs->pipe[i].reader == reader)
			open_up_to(e, i, UINT64_MAX, e->task_info[reader].cpu);
}
