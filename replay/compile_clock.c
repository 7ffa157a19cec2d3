/* Programs that stop on the clock. `stress -t 10`, a load generator, a spinner: such a task ends because a deadline has
 * passed, not because its work is done, so it does less work under a tighter limit and more under a wider one. Nothing
 * in a scheduler trace says so; but its life then has a round length, and the deadline lies between its last two looks
 * at the clock. A task with a fixed amount of work shows the same with a probability of at most CHANCE_PERCENT. */
#include "common/util.h"
#include "replay/compile_internal.h"

#define CHANCE_PERCENT 5u
#define STINT_NS                                                                                                       \
	1500000u /* an exit this soon after it got the CPU back: the first thing it did was to look at the clock */
#define STINT_CHANCE_PERCENT 40u /* work that ends just there is rare by itself, so the length may be less telling */
#define SLACK_NS 2000000u /* from the exec to the first look at the clock */
#define LOOK_NS 15000000u /* a task that never sleeps looks at the clock at least this often */
#define SHORTEST_LIFE_NS 200000000u
#define JOIN_NS 2000000u /* an exit this soon after another task's wake-up was ended by that task */

void cgr_build_note_block(struct builder *b, uint32_t task, uint64_t ts_ns, enum cgr_cause cause)
{
	struct task_build *t = &b->t[task];

	if (t->exiting)
		return; /* what is on the way out is no part of the loop */
	t->previous_block_end_ns = t->block_end_ns;
	t->block_end_ns = ts_ns;
	t->last_cause = (uint8_t)cause;
	t->block_run_ns = b->programs->program[task].run_ns + t->run_ns;
	t->block_count++;
	/* remember the end of block 1, 2, 4, 8, ...: the last one but the newest lies in the first half of its life */
	if ((t->block_count & (t->block_count - 1)) == 0 && t->tail != CGR_ID_NONE) {
		b->programs->program[task].loop_chunk = t->loop_chunk;
		b->programs->program[task].loop_position = t->loop_position;
		t->loop_chunk = t->tail;
		t->loop_position = cgr_chunk_at(b->programs, t->tail)->count;
	}
}

/* A moment's preemption right after a long absence (its own wake-up of another thread, say) does not hide that. */
void cgr_build_note_return(struct builder *b, uint32_t task)
{
	struct task_build *t = &b->t[task];

	if (t->out_ns < t->back_ns + STINT_NS && t->in_ns < t->out_ns + STINT_NS && t->back_ns)
		return;
	t->away_ns = t->out_ns;
	t->back_ns = t->in_ns;
}

/* A multiple of the coarsest unit that makes chance unlikely, within low..high; 0 if there is none. */
static uint64_t round_length(uint64_t low_ns, uint64_t high_ns, unsigned chance_percent)
{
	static const uint64_t unit_ms[] = { 60000, 30000, 10000, 5000, 2000, 1000, 500, 200, 100 };

	for (size_t i = 0; i < CGR_ARRAY_SIZE(unit_ms); i++) {
		uint64_t unit = unit_ms[i] * 1000000, multiple = high_ns / unit * unit;

		if (multiple && multiple >= low_ns && (high_ns - low_ns) * 100 <= unit * chance_percent)
			return multiple;
	}
	return 0;
}

static uint32_t leader_of(const struct builder *b, uint32_t task)
{
	const struct cgr_store_task *s = &b->task[task];

	for (uint32_t i = task; s->tid != s->tgid && i-- > 1;)
		if (b->task[i].tid == s->tgid)
			return i;
	return task;
}

/* When the process began: a thread's deadline may have been worked out before the thread was made. */
static uint64_t process_start(const struct builder *b, uint32_t task)
{
	uint32_t leader = leader_of(b, task);

	return b->t[leader].exec_ns ? b->t[leader].exec_ns : (uint64_t)CGR_MAX(b->programs->program[leader].start_ns, 0);
}

/* The span of the program's life in which the deadline must lie: after its last look at the clock that let it go on,
 * before its exit. Measured from start_ns; low by as much as the zero of the clock may lie later. */
static uint64_t deadline(uint64_t look_ns, uint64_t exit_ns, uint64_t first_zero_ns, uint64_t last_zero_ns,
                         unsigned chance_percent)
{
	uint64_t low = look_ns > last_zero_ns ? look_ns - last_zero_ns : 0;

	return exit_ns > first_zero_ns ? round_length(low, exit_ns - first_zero_ns, chance_percent) : 0;
}

/* signal_generate: `timeout`, `kill`, a container being stopped. */
void cgr_build_note_signal(struct builder *b, const struct cgr_event *e)
{
	if (e->c == 0 || e->c >= b->n_tasks || e->d != 0)
		return;
	b->t[e->c].signal_ns = e->ts_ns;
	if (e->b)
		b->t[leader_of(b, e->c)].signal_ns = e->ts_ns;
}

/* A task that computed until a signal ended it would have computed on: it ends when the signal comes. A task that was
 * woken by the signal, or that waited after it, ends by itself in any what-if. */
static bool ended_by_signal(const struct builder *b, uint32_t task, uint64_t exit_ns, uint64_t *ret_ns)
{
	const struct task_build *t = &b->t[task];
	uint64_t signal_ns = CGR_MAX(t->signal_ns, b->t[leader_of(b, task)].signal_ns);

	if (!signal_ns || t->block_end_ns > signal_ns || exit_ns - CGR_MAX(signal_ns, t->in_ns) > LOOK_NS)
		return false;
	*ret_ns = signal_ns;
	return true;
}

/* It has not slept for long, and not because it was kept off the CPU: it has worked for longer than between its sleeps
 * before. */
static bool has_spun(const struct builder *b, uint32_t task, uint64_t exit_ns)
{
	const struct task_build *t = &b->t[task];
	uint64_t since_ns = b->programs->program[task].run_ns + t->run_ns - t->block_run_ns;

	return t->block_end_ns + 4 * LOOK_NS < exit_ns && t->back_ns > t->block_end_ns &&
	       (unsigned __int128)since_ns * t->block_count >= (unsigned __int128)4 * t->block_run_ns;
}

void cgr_build_judge_clock(struct builder *b, uint32_t task, uint64_t exit_ns)
{
	const struct task_build *t = &b->t[task];
	struct cgr_program *p = &b->programs->program[task];
	uint64_t start = t->exec_ns ? t->exec_ns : (uint64_t)p->start_ns, look, length;
	unsigned chance = CHANCE_PERCENT;
	bool spins, looked = false;

	cgr_build_book(b, task, exit_ns);
	spins = has_spun(b, task, exit_ns);
	if ((p->start != CGR_START_FORKED && p->start != CGR_START_LATE) || exit_ns < start + SHORTEST_LIFE_NS)
		return;
	if (ended_by_signal(b, task, exit_ns, &look) && look > (uint64_t)p->start_ns) {
		p->stop_ns = look - (uint64_t)p->start_ns;
		if (spins || t->block_count < 4)
			p->loop_chunk = CGR_ID_NONE;
		return;
	}
	if (t->last_cause == CGR_CAUSE_TASK && exit_ns - t->block_end_ns < JOIN_NS)
		return;
	if (!spins && t->block_count >= 4) {
		look = t->previous_block_end_ns;
	} else if (exit_ns - t->back_ns < LOOK_NS && t->away_ns) {
		look = t->away_ns - CGR_MIN(t->away_ns, LOOK_NS); /* the deadline passed while it was kept off the CPU */
	} else {
		look = exit_ns - LOOK_NS;
		looked = true;
	}
	if (spins && !looked && exit_ns - t->back_ns < STINT_NS)
		chance = STINT_CHANCE_PERCENT;
	length = deadline(look, exit_ns, start, start + SLACK_NS, chance);
	if (!length)
		length = deadline(look, exit_ns, process_start(b, task), start + SLACK_NS, chance);
	if (!length)
		return;
	p->stop_ns = (looked ? exit_ns - start : length) + (start - (uint64_t)p->start_ns);
	if (spins || t->block_count < 4)
		p->loop_chunk = CGR_ID_NONE;
}
