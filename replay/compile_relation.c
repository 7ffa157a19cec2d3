/* Which wake-ups are synchronous (WF_SYNC): the waker says that it is about to sleep, and the kernel then lets the
 * woken task come to the waker's CPU (wake_affine_idle, kernel/sched/fair.c). Pipes, sockets and wait() wake so,
 * futexes do not. No event tells; but where the woken task's own CPU was busy, no CPU was idle and nobody else waited
 * on the waker's, a synchronous wake-up always ends on the waker's CPU. Two processes whose record shows no such case
 * are taken for a pipe or socket, two threads of one process for a futex. */
#include <stdlib.h>

#include "common/util.h"
#include "replay/compile_internal.h"

#define MEETING_NS 30000u /* who lets several go on at once wakes one right after the other */
#define MEETINGS_MIN 16u
#define MEETINGS_PART 2u /* and others do so in half of the cases: at a barrier whoever comes last */
#define LOOKS_MAX 64u /* wake-ups judged per relation: each means a look at all tasks */

static uint32_t process_of(const struct builder *b, uint32_t task)
{
	return (uint32_t)b->task[task].tgid;
}

int cgr_build_relation(struct builder *b, uint32_t waker, uint32_t wakee, uint32_t *ret_id)
{
	struct cgr_programs *p = b->programs;
	uint64_t key = (uint64_t)process_of(b, waker) << 32 | process_of(b, wakee);
	struct task_build *t = &b->t[waker];
	bool fresh = false;

	if (t->relation_wakee == wakee) { /* most wake the same one again and again */
		*ret_id = t->relation;
		return 0;
	}
	CGR_TRY(cgr_intern_id(&b->relations, key, ret_id, &fresh, b->error));
	t->relation_wakee = wakee;
	t->relation = *ret_id;
	if (!fresh)
		return 0;
	CGR_TRY(cgr_grow((void **)&p->relation, &p->relation_capacity, *ret_id + 1u, sizeof *p->relation, b->error));
	p->relation[*ret_id] = (struct cgr_relation){ .threads = process_of(b, waker) == process_of(b, wakee),
		                                          .waker = b->task[waker].tgid,
		                                          .wakee = b->task[wakee].tgid };
	p->relations = *ret_id + 1u;
	return 0;
}

void cgr_build_note_wake(struct builder *b, uint32_t waker, uint32_t wakee, uint32_t relation)
{
	struct cgr_relation *r = &b->programs->relation[relation];

	if (!r->wakes++) {
		r->waker_task = waker;
		r->wakee_task = wakee;
	}
	r->several |= r->waker_task != waker || r->wakee_task != wakee;
}

static bool alone(const struct builder *b, uint32_t cpu)
{
	for (uint32_t i = 0; i < b->runnables; i++)
		if (b->t[b->runnable[i]].cpu == cpu && !b->t[b->runnable[i]].hidden)
			return false;
	return true;
}

/* WAKING: would a synchronous wake-up be told from another one here? */
void cgr_build_relation_waking(struct builder *b, const struct cgr_event *e, uint32_t relation)
{
	struct cgr_relation *r = &b->programs->relation[relation];
	uint32_t previous = e->d & 0xffff;

	b->t[e->c].told_by = CGR_ID_NONE;
	if (e->kind != CGR_EV_WAKING || previous == e->cpu || r->looks >= LOOKS_MAX)
		return;
	for (uint32_t cpu = 0; cpu < b->n_cpus; cpu++)
		if (b->cpu[cpu].current == 0 || b->cpu[cpu].current == CGR_ID_NONE)
			return;
	r->looks++;
	if (alone(b, e->cpu))
		b->t[e->c].told_by = relation, b->t[e->c].told_cpu = e->cpu;
}

/* WAKEUP: where it went. */
void cgr_build_relation_wakeup(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->c];
	uint32_t cpu = e->d & 0xffff;

	if (t->state == TASK_RUNNABLE && cpu < b->n_cpus)
		t->cpu = (uint16_t)cpu;
	if (t->told_by == CGR_ID_NONE)
		return;
	if (cpu == t->told_cpu)
		b->programs->relation[t->told_by].to_waker++;
	else
		b->programs->relation[t->told_by].elsewhere++;
	t->told_by = CGR_ID_NONE;
}

static void count_meeting(struct cgr_relation *r, uint32_t host)
{
	if (!r->meetings)
		r->meeting_host = host;
	if (r->meeting_host == host)
		r->meetings++;
	else
		r->other_meetings++;
}

void cgr_build_meeting(struct builder *b, const struct cgr_event *e, uint32_t relation)
{
	struct task_build *t = &b->t[e->task];
	struct cgr_relation *r = &b->programs->relation[relation];
	struct cgr_chunk *chunk = cgr_chunk_at(b->programs, t->tail);

	if (!r->threads)
		return;
	if (t->meet_chunk != CGR_ID_NONE && t->meet_wakee != e->c && e->ts_ns - t->meet_ns < MEETING_NS) {
		struct cgr_op *first = &cgr_chunk_at(b->programs, t->meet_chunk)->op[t->meet_position];

		if (!(first->flags & CGR_OPF_MEET))
			count_meeting(r, e->task);
		first->flags |= CGR_OPF_MEET;
		chunk->op[chunk->count - 1].flags |= CGR_OPF_MEET;
	}
	t->meet_wakee = e->c;
	t->meet_chunk = t->tail;
	t->meet_position = chunk->count - 1;
	t->meet_ns = e->ts_ns;
}

int cgr_build_judge_relations(struct builder *b)
{
	struct cgr_programs *programs = b->programs;

	for (uint32_t i = 0; i < programs->relations; i++) {
		struct cgr_relation *r = &programs->relation[i];

		uint32_t meetings = r->meetings + r->other_meetings;

		r->sync = r->to_waker + r->elsewhere ? r->elsewhere * 8 < r->to_waker : !r->threads;
		r->meets = meetings >= MEETINGS_MIN && r->other_meetings * MEETINGS_PART >= meetings;
	}
	return cgr_build_judge_peers(b);
}
