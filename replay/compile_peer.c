/* Messages between processes of this machine. The loopback device delivers in the sender's own system call: a soft
 * interrupt in its context wakes the receiver. A network card's interrupt comes in the context of whoever runs just
 * then, the idle task among them. Where the vector is recorded and was not entered from a hard interrupt, that tells
 * (irq_cause); our own recorder leaves NET_RX out, as every packet would be an event. Then two processes that wake each
 * other so, while next to nobody else's context wakes the receiver, are taken for the two ends of a connection. What
 * they send each other is a token, else it arrives at its recorded time. */
#include "common/util.h"
#include "replay/compile_internal.h"

#define IDLE_PART 8u /* of a receiver's soft wake-ups less than one in so many came in the idle task's context */

/* Could this wake-up be a message of the task in whose context it came? otherwise: what it is if not. */
int cgr_build_soft_wake(struct builder *b, const struct cgr_event *e, enum cgr_cause otherwise, bool *ret_soft)
{
	uint32_t relation;

	*ret_soft = false;
	if (otherwise != CGR_CAUSE_ARRIVAL || b->task[e->c].kernel_thread || !(e->flags & CGR_EVF_SOFTIRQ) ||
	    (e->flags & (CGR_EVF_HARDIRQ | CGR_EVF_NMI)) || b->cpu[e->cpu].softirq >= 0)
		return 0;
	CGR_TRY(cgr_build_relation(b, e->c, e->c, &relation)); /* all of them */
	b->programs->relation[relation].soft++;
	CGR_TRY(cgr_build_relation(b, e->task, e->c, &relation));
	b->programs->relation[relation].soft++;
	b->soft_wakes++;
	*ret_soft = e->task != 0 && !b->task[e->task].kernel_thread && b->t[e->task].state != TASK_GONE &&
	            !b->programs->relation[relation].threads;
	return 0;
}

/* Relation of two thread groups, NULL if they never met. */
static const struct cgr_relation *relation_of(const struct builder *b, int32_t waker, int32_t wakee)
{
	uint32_t id = cgr_intern_find(&b->relations, (uint64_t)(uint32_t)waker << 32 | (uint32_t)wakee);

	return id == CGR_ID_NONE ? NULL : &b->programs->relation[id];
}

static bool are_peers(const struct builder *b, const struct cgr_relation *there)
{
	const struct cgr_relation *back = relation_of(b, there->wakee, there->waker);
	const struct cgr_relation *idle = relation_of(b, 0, there->wakee), *all;

	if (there->threads || !there->waker || !there->soft || !back || !back->soft)
		return false;
	all = relation_of(b, there->wakee, there->wakee);
	return !idle || !all || idle->soft * IDLE_PART <= all->soft;
}

static void settle(struct builder *b, uint32_t task, struct cgr_op *op)
{
	struct cgr_program *p = &b->programs->program[task];

	if (op->kind == CGR_OP_WAKE && !b->programs->relation[op->b].peers) {
		op->kind = CGR_OP_NONE;
	} else if (op->kind == CGR_OP_BLOCK && op->cause == CGR_CAUSE_TASK &&
	           !relation_of(b, b->task[op->c].tgid, b->task[task].tgid)->peers) {
		op->cause = CGR_CAUSE_ARRIVAL;
		op->c = CGR_ID_NONE;
		p->blocks[CGR_CAUSE_TASK]--;
		p->blocks[CGR_CAUSE_ARRIVAL]++;
	}
}

int cgr_build_judge_peers(struct builder *b)
{
	struct cgr_programs *p = b->programs;

	if (!b->soft_wakes)
		return 0;
	for (uint32_t i = 0; i < p->relations; i++)
		p->relation[i].peers = are_peers(b, &p->relation[i]);
	for (uint32_t i = 1; i < b->n_tasks; i++)
		for (uint32_t at = p->program[i].first_chunk; at != CGR_ID_NONE; at = cgr_chunk_at(p, at)->next) {
			struct cgr_chunk *chunk = cgr_chunk_at(p, at);

			for (uint32_t k = 0, count = chunk->count; k < count; k++)
				if (chunk->op[k].flags & CGR_OPF_SOFT)
					settle(b, i, &chunk->op[k]);
		}
	return cgr_interrupt_check(b->error) < 0 ? CGR_E_INTERRUPTED : 0;
}
