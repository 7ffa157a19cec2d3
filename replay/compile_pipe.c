/* How far a writer may run ahead of the reader of its pipe. A pipe holds 16 slots (PIPE_DEF_BUFFERS); a writer that
 * finds none free sleeps, and the reader wakes it when it has emptied one (fs/pipe.c: anon_pipe_write,
 * anon_pipe_read). Where the recording shows such sleeps, they are tokens like any other. In between nothing shows how
 * full the pipe is, and in a what-if in which the writer gets further ahead than it ever was, tokens with memory alone
 * would let it run on for ever.
 *
 * A writer that finds the pipe full again and again fills one slot between two such sleeps. So a slot is so much CPU
 * time of the writer, and 16 of them are how far it may be ahead. How far the reader has come is known whenever one of
 * them finds the pipe empty or full: then it has read all that the writer had written by then, or all but 16 slots. In
 * between both go on evenly. The writer's program gets gates (CGR_OP_ROOM) that the reader opens (CGR_OP_TAKEN); in the
 * recording each was open when the writer came. */
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "replay/compile_internal.h"

#define SLOTS 16u
#define FULL_MIN 8u /* sleeps in a full pipe, one after the other: fewer do not tell what a slot is */
#define ALIKE_PART 2u /* times more or less is a slot, too */
#define EVEN_PART 4u /* of rates, and of the pairs of sleeps: how much of them may differ */
#define AHEAD_MAX 2u /* times what the pipe holds: who was further ahead has a larger one */
#define RATE_PART 8u /* to which the rates of the two are the same all the time */
#define GATES_PER_PIPE 4u /* gates on the way of 16 slots */
#define WALKS 16u /* times all programs are read and written at most: one task may be an end of very many pairs */

/* One of the two slept and was woken by the other: CPU time of both up to there. */
struct halt {
	uint64_t written_ns, read_ns, ts_ns;
	bool full;
};
struct halts {
	struct halt *item;
	size_t count, capacity;
};
/* When the reader has used read_ns of CPU time, it has taken all that the writer had written in written_ns. */
struct gate {
	uint64_t written_ns, read_ns;
};
struct gates {
	struct gate *item;
	size_t count, capacity;
	uint64_t ahead_ns; /* CPU time of the writer that fills the pipe */
	uint64_t step_ns; /* of which lies between two gates */
};

static const struct cgr_op *next_op(const struct cgr_programs *p, struct cgr_cursor *at, uint64_t *run_ns)
{
	const struct cgr_op *op = cgr_cursor_peek(p, at);

	if (!op)
		return NULL;
	at->position++;
	if (op->kind == CGR_OP_RUN)
		*run_ns += op->a;
	return op;
}

/* Appends the waits of sleeper that waker ends; their tokens rise in both programs, so one walk through each does. None
 * at all are left when one of them cannot be found: the rest would tell of a pipe that is emptier or fuller. */
static int find_halts(struct builder *b, uint32_t sleeper, uint32_t waker, bool full, struct halts *h)
{
	const struct cgr_programs *p = b->programs;
	struct cgr_cursor at = cgr_cursor_start(p, sleeper), by = cgr_cursor_start(p, waker);
	uint64_t slept_ns = 0, woke_ns = 0;
	uint32_t token = 0;
	const struct cgr_op *op, *wake = NULL;

	while ((op = next_op(p, &at, &slept_ns))) {
		bool found = false;

		if (!cgr_op_holds_token(op))
			continue;
		token++;
		if (op->cause != CGR_CAUSE_TASK || op->c != waker)
			continue;
		while (!found && (wake = next_op(p, &by, &woke_ns)))
			found = wake->kind == CGR_OP_WAKE && wake->c == sleeper && wake->a + 1 >= token;
		if (!found || wake->a + 1 != token) {
			h->count = 0;
			return 0;
		}
		CGR_TRY(cgr_grow((void **)&h->item, &h->capacity, h->count + 1, sizeof *h->item, b->error));
		h->item[h->count++] = (struct halt){ full ? slept_ns : woke_ns, full ? woke_ns : slept_ns, op->b, full };
	}
	return 0;
}

/* The first `fulls` and the rest are each in order of time, as programs are: one walk puts them into one. */
static int merge(struct builder *b, struct halts *h, size_t fulls)
{
	struct halt *full = cgr_calloc(fulls, sizeof *full);

	if (!full)
		return cgr_error_set(b->error, CGR_E_NOMEM, "%zu sleeps at a pipe", h->count);
	memcpy(full, h->item, fulls * sizeof *full);
	for (size_t to = 0, i = 0, k = fulls; i < fulls; to++)
		h->item[to] = k < h->count && h->item[k].ts_ns < full[i].ts_ns ? h->item[k++] : full[i++];
	free(full);
	return 0;
}

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* CPU time between two sleeps in a full pipe, of the writer or the reader: that of a slot, where it has not been
 * emptied further meanwhile. 0: too few of them agree. */
static uint64_t find_slot(const struct halts *h, uint64_t *scratch, bool reader)
{
	size_t n = 0, alike = 0;
	uint64_t slot_ns;

	for (size_t i = 1; i < h->count; i++)
		if (h->item[i].full && h->item[i - 1].full)
			scratch[n++] = reader ? h->item[i].read_ns - h->item[i - 1].read_ns
			                      : h->item[i].written_ns - h->item[i - 1].written_ns;
	if (n < FULL_MIN)
		return 0;
	qsort(scratch, n, sizeof *scratch, by_size);
	slot_ns = scratch[n / 4];
	for (size_t i = 0; i < n; i++)
		alike += scratch[i] * ALIKE_PART >= slot_ns && scratch[i] <= ALIKE_PART * slot_ns;
	return alike * 2 >= n ? slot_ns : 0;
}

/* Do both go on at the same rates all the time? Then what fills a slot and what empties it is the same everywhere. */
static bool goes_evenly(const struct halts *h, uint64_t written_ns, uint64_t read_ns)
{
	size_t n = 0, even = 0;

	for (size_t i = 1; i < h->count; i++) {
		uint64_t wrote_ns = h->item[i].written_ns - h->item[i - 1].written_ns;
		unsigned __int128 wanted = (unsigned __int128)wrote_ns * read_ns;
		unsigned __int128 read = (unsigned __int128)(h->item[i].read_ns - h->item[i - 1].read_ns) * written_ns;

		if (!h->item[i].full || !h->item[i - 1].full)
			continue;
		n++;
		even += (read > wanted ? read - wanted : wanted - read) <= wanted / EVEN_PART;
	}
	return even * EVEN_PART >= n * (EVEN_PART - 1);
}

/* From empty to full the writer got ahead by what the pipe holds, not by several times that. */
static bool fits(const struct halts *h, uint64_t ahead_ns, uint64_t slot_written_ns, uint64_t slot_read_ns)
{
	for (size_t i = 1; i < h->count; i++) {
		const struct halt *empty = &h->item[i - 1], *full = &h->item[i];
		uint64_t written_ns = full->written_ns - empty->written_ns, read_ns = full->read_ns - empty->read_ns;
		uint64_t taken_ns = (uint64_t)((unsigned __int128)read_ns * slot_written_ns / slot_read_ns);

		if (empty->full || !full->full)
			continue;
		if (written_ns > taken_ns + AHEAD_MAX * ahead_ns + written_ns / RATE_PART)
			return false;
	}
	return true;
}

static int add_gate(struct builder *b, struct gates *g, uint64_t written_ns, uint64_t read_ns)
{
	CGR_TRY(cgr_grow((void **)&g->item, &g->capacity, g->count + 1, sizeof *g->item, b->error));
	g->item[g->count++] = (struct gate){ written_ns + g->ahead_ns, read_ns };
	return 0;
}

/* The gates between two halts, evenly; from is moved up to the last. */
static int add_gates(struct builder *b, struct gates *g, struct gate *from, const struct gate *to)
{
	uint64_t step_ns = g->step_ns, written_ns = to->written_ns - from->written_ns;
	uint64_t read_ns = to->read_ns - from->read_ns, steps = written_ns / step_ns;

	for (uint64_t i = 1; i <= steps; i++)
		CGR_TRY(add_gate(b, g, from->written_ns + i * step_ns,
		                 from->read_ns + (uint64_t)((unsigned __int128)read_ns * i * step_ns / written_ns)));
	if (steps)
		*from = *to;
	return 0;
}

/* No more than `most`: CPU time, unlike the operations, costs a recording nothing. */
static int find_gates(struct builder *b, const struct halts *h, uint64_t most, struct gates *g)
{
	struct gate from = { 0 };
	bool any = false;

	if (!most)
		return 0;
	g->step_ns = CGR_MAX(g->ahead_ns / GATES_PER_PIPE, h->item[h->count - 1].written_ns / most + 1);
	for (size_t i = 0; i < h->count; i++) {
		const struct halt *x = &h->item[i];
		struct gate to = { x->written_ns - CGR_MIN(x->written_ns, x->full ? g->ahead_ns : 0), x->read_ns };

		if (any && to.written_ns > from.written_ns && to.read_ns > from.read_ns)
			CGR_TRY(add_gates(b, g, &from, &to));
		else if (!any)
			from = to;
		any = true;
	}
	return 0;
}

/* Copies a program with the gates in it, each in front of what comes after so much CPU time. */
static int insert(struct builder *b, uint32_t task, const struct gates *g, const struct cgr_op *gate, bool writer)
{
	struct cgr_programs *p = b->programs;
	struct cgr_cursor at = cgr_cursor_start(p, task);
	uint32_t tail = CGR_ID_NONE;
	uint64_t run_ns = 0;
	size_t next = 0;
	const struct cgr_op *peek;

	p->program[task].ops = 0;
	while ((peek = cgr_cursor_peek(p, &at))) {
		struct cgr_op op = *peek;

		at.position++;
		for (; next < g->count; next++) {
			uint64_t due_ns = writer ? g->item[next].written_ns : g->item[next].read_ns;
			struct cgr_op here = *gate, part = op;

			if (due_ns > run_ns) {
				if (op.kind != CGR_OP_RUN || due_ns >= run_ns + op.a)
					break;
				part.a = due_ns - run_ns;
				part.b = CGR_MIN(op.b, part.a);
				part.c = (uint32_t)CGR_MIN((uint64_t)op.c, part.a - part.b);
				op.a -= part.a;
				op.b -= part.b;
				op.c -= part.c;
				run_ns += part.a;
				CGR_TRY(cgr_programs_append(p, task, &tail, &part, b->error));
			}
			here.a = next + 1;
			CGR_TRY(cgr_programs_append(p, task, &tail, &here, b->error));
		}
		if (op.kind == CGR_OP_RUN)
			run_ns += op.a;
		CGR_TRY(cgr_programs_append(p, task, &tail, &op, b->error));
	}
	return 0;
}

static int install(struct builder *b, const struct cgr_relation *space, const struct gates *g)
{
	struct cgr_programs *p = b->programs;
	uint32_t writer = space->wakee_task, reader = space->waker_task;
	struct cgr_op room = { .kind = CGR_OP_ROOM, .c = reader, .b = p->pipes };
	struct cgr_op taken = { .kind = CGR_OP_TAKEN, .c = writer, .b = p->pipes };

	CGR_TRY(cgr_grow((void **)&p->pipe, &p->pipe_capacity, p->pipes + 1, sizeof *p->pipe, b->error));
	p->pipe[p->pipes++] = (struct cgr_pipe){ writer, reader, space->sync };
	CGR_TRY(insert(b, writer, g, &room, true));
	return insert(b, reader, g, &taken, false);
}

/* Gates are no more than operations were, of the two programs and (left) of all. */
static int judge(struct builder *b, const struct cgr_relation *space, uint64_t *left)
{
	uint32_t writer = space->wakee_task, reader = space->waker_task;
	struct halts h = { 0 };
	struct gates g = { 0 };
	uint64_t *scratch = NULL, written_ns, read_ns;
	uint64_t most = CGR_MIN(*left, b->programs->program[writer].ops + b->programs->program[reader].ops);
	int rc = find_halts(b, writer, reader, true, &h);
	size_t fulls = h.count;

	if (rc >= 0 && h.count > FULL_MIN)
		rc = find_halts(b, reader, writer, false, &h);
	if (rc >= 0 && h.count > FULL_MIN)
		rc = merge(b, &h, fulls);
	if (rc >= 0 && h.count > FULL_MIN) {
		scratch = cgr_calloc(h.count, sizeof *scratch);
		rc = scratch ? 0 : cgr_error_set(b->error, CGR_E_NOMEM, "%zu sleeps at a pipe", h.count);
	}
	if (scratch) {
		written_ns = find_slot(&h, scratch, false);
		read_ns = find_slot(&h, scratch, true);
		g.ahead_ns = SLOTS * written_ns;
		if (written_ns && read_ns && goes_evenly(&h, written_ns, read_ns) && fits(&h, g.ahead_ns, written_ns, read_ns))
			rc = find_gates(b, &h, most, &g);
		*left -= g.count;
		if (rc >= 0 && g.count)
			rc = install(b, space, &g);
	}
	free(scratch);
	free(h.item);
	free(g.item);
	return rc;
}

/* Two processes of which one task each wakes the other's, the reader often enough twice running, and more often so than
 * not: tasks that take turns never fill a pipe, and need not be followed through their programs. Nor can a full pipe be
 * told from a wait for an answer where such waits are most of them: in a ping-pong one of the two has its answer before
 * it could sleep, and wakes the other twice running, up to a third of the time; the readers of full pipes do nearly
 * always. Programs that stop on the clock go round in their second half, which has no gates. */
static bool may_be_pipe(const struct builder *b, const struct cgr_relation *space)
{
	const struct cgr_program *p = b->programs->program;

	return !space->threads && !space->several && !space->soft && space->wakes > FULL_MIN &&
	       space->repeated >= FULL_MIN && space->repeated >= space->wakes / 2 &&
	       !b->task[space->waker_task].kernel_thread && !b->task[space->wakee_task].kernel_thread &&
	       !p[space->waker_task].stop_ns && !p[space->wakee_task].stop_ns;
}

int cgr_build_judge_pipes(struct builder *b)
{
	const struct cgr_program *p = b->programs->program;
	uint64_t left = 0, steps;

	for (uint32_t i = 1; i < b->n_tasks; i++)
		left += p[i].ops;
	steps = WALKS * left;
	for (uint32_t i = 0; i < b->programs->relations; i++) {
		const struct cgr_relation space = b->programs->relation[i];

		uint64_t cost = p[space.waker_task].ops + p[space.wakee_task].ops;

		if (!may_be_pipe(b, &space) || cost > steps)
			continue;
		steps -= cost;
		CGR_TRY(judge(b, &space, &left));
	}
	return 0;
}
