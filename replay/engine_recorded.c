/* The recorded schedule, for a model that plays it back (CGR_NEEDS_SCHEDULE): read from the stream as time goes on. */
#include <stdlib.h>

#include "replay/engine_internal.h"
#include "store/stream.h"

#define STATE_PREEMPTED 0x100u

struct cgr_playback {
	struct cgr_stream *stream;
	const struct cgr_event *event; /* the batch at hand */
	size_t events, next;
	uint32_t *current; /* by CPU: who runs in the recording, NONE nobody */
};

/* 1: event[next] is there, 0: the recording has ended. */
static int fetch(struct cgr_engine *e)
{
	struct cgr_playback *p = e->playback;

	while (p->next == p->events) {
		int rc = cgr_stream_next(p->stream, &p->event, &p->events, e->error);

		if (rc <= 0)
			return rc;
		p->next = 0;
	}
	return 1;
}

static void arm_next(struct cgr_engine *e)
{
	int rc = fetch(e);

	if (rc < 0)
		run_fail(e, rc);
	if (rc > 0)
		cgr_heap_arm(&e->heap, SLOT_RECORDED, e->playback->event[e->playback->next].ts_ns);
}

int cgr_run_playback_init(struct cgr_engine *e)
{
	const uint64_t kinds = 1ull << CGR_EV_SWITCH | 1ull << CGR_EV_RUN_START;
	struct cgr_playback *p;

	if (!e->plays_back)
		return 0;
	p = e->playback = cgr_calloc(1, sizeof *p);
	if (p)
		p->current = cgr_calloc(e->n_cpus, sizeof *p->current);
	if (!p || !p->current)
		return cgr_error_set(e->error, CGR_E_NOMEM, "the recorded schedule of %u CPUs", e->n_cpus);
	for (uint32_t cpu = 0; cpu < e->n_cpus; cpu++)
		p->current[cpu] = NONE;
	CGR_TRY(cgr_stream_open(e->config->store, 0, kinds, &p->stream, e->error));
	arm_next(e);
	return e->failed;
}

void cgr_run_playback_fini(struct cgr_engine *e)
{
	if (!e->playback)
		return;
	cgr_stream_free(e->playback->stream);
	free(e->playback->current);
	free(e->playback);
}

uint32_t cgr_run_playback_task(const struct cgr_engine *e, uint32_t cpu)
{
	return e->playback ? e->playback->current[cpu] : NONE;
}

/* It left the CPU to sleep: what its program still has of this stretch, up to its BLOCK, is what the scheduler's clock
 * and the tracepoint's differ by, and time it used all the same. */
static void finish_stretch(struct cgr_engine *e, uint32_t cpu, uint32_t task)
{
	struct task_run *t = &e->task[task];
	uint64_t blocks = e->out->blocks;

	while (!e->failed && e->cpu[cpu].current == task && e->out->blocks == blocks && t->remaining_ns < FOREVER_NS / 2) {
		cgr_run_advance(e, cpu);
		if (!e->frozen)
			cgr_run_account(e, task, t->remaining_ns);
		t->remaining_ns = 0;
		cgr_run_ops(e, cpu);
	}
}

static void play(struct cgr_engine *e, const struct cgr_event *event)
{
	uint32_t cpu = event->cpu, next = event->c;
	struct cpu_run *c;

	if (cpu >= e->n_cpus || next >= e->n_tasks)
		return;
	c = &e->cpu[cpu];
	e->playback->current[cpu] = next ? next : NONE;
	if (event->kind == CGR_EV_SWITCH && event->task && event->task < e->n_tasks && event->a &&
	    !(event->a & STATE_PREEMPTED) && c->current == event->task)
		finish_stretch(e, cpu, event->task);
	c->need_resched = e->resched_any = true;
}

void cgr_run_playback(struct cgr_engine *e)
{
	struct cgr_playback *p = e->playback;

	while (fetch(e) > 0 && p->event[p->next].ts_ns <= e->now_ns) {
		play(e, &p->event[p->next++]);
		cgr_run_schedule_all(e);
	}
	arm_next(e);
}
