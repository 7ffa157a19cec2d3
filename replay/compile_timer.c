/* Sleeps that a timer ends: for a length of time, or until a time on the program's own grid.
 *
 * Armed timers tell most. HRTIMER_MODE_REL is a length, but one that a program may have made of the time left until the
 * next point of its own grid (sleep(next - now)). HRTIMER_MODE_ABS is what clock_nanosleep (TIMER_ABSTIME) asks for,
 * but also what the kernel makes of the timeouts of poll, epoll and futex. So both hypotheses are kept score of at
 * every arming: a length repeats itself, a grid repeats its step, exactly or skipping some. The stack address of a
 * timer says nothing: kernels randomise it with every system call.
 *
 * A program that is behind its grid (because a limit held it up) arms a timer that has expired already and goes on
 * without sleeping (do_nanosleep, since the expiry interrupt wakes it before schedule()). That is a sleep, too, of no
 * length in this recording: under a wider limit the program would have slept there. */
#include <stdlib.h>

#include "common/util.h"
#include "replay/compile_internal.h"

/* An expiry and the wake-up it makes lie this close together. */
#define TIMER_WINDOW_NS 200000
#define ARMED_BEFORE_NS 50000u /* from arming a timer to leaving the CPU for the sleep it is to end */
#define SLACK_MAX_NS 100000000
#define STEP_ERROR_MAX_NS 10000000u
#define GRID_EQUAL_NS 1000u /* two steps of one grid differ by less; they are computed, not measured */
#define LENGTH_EQUAL_NS 1000u /* so do two delays of one length: what passes from reading the clock to the event */
#define VARIED_MIN 3u /* delays that no length explains */
#define GRID_SHORTEST_NS 200000 /* on a finer grid every time lies near a point */

int cgr_build_timer_site(struct builder *b, uint32_t task, enum cgr_timer_kind kind, uint32_t *ret_site)
{
	struct cgr_programs *p = b->programs;

	CGR_TRY(cgr_grow((void **)&p->site, &p->site_capacity, p->sites + 1u, sizeof *p->site, b->error));
	p->site[p->sites] = (struct cgr_timer_site){ .kind = (uint8_t)kind, .task = task, .next = CGR_ID_NONE };
	*ret_site = p->sites++;
	return 0;
}

static int find_site(struct builder *b, uint32_t task, enum cgr_timer_kind kind, uint32_t *ret_site)
{
	struct cgr_programs *p = b->programs;

	for (uint32_t i = b->t[task].sites; i != CGR_ID_NONE; i = p->site[i].next)
		if (p->site[i].kind == kind) {
			*ret_site = i;
			return 0;
		}
	CGR_TRY(cgr_build_timer_site(b, task, kind, ret_site));
	p->site[*ret_site].next = b->t[task].sites;
	b->t[task].sites = *ret_site;
	return 0;
}

/* How far a step is from the grid: from the step before, or from a whole number of the grid's shortest. */
static uint64_t off_grid(const struct cgr_timer_site *site, int64_t step)
{
	uint64_t error = cgr_build_distance(step, site->last_step);

	if (site->grid_ns >= GRID_SHORTEST_NS) {
		int64_t rest = step % site->grid_ns;

		rest = rest < 0 ? rest + site->grid_ns : rest;
		error = CGR_MIN(error, (uint64_t)CGR_MIN(rest, site->grid_ns - rest));
	}
	return CGR_MIN(error, STEP_ERROR_MAX_NS);
}

static int64_t *nearest_length(struct cgr_timer_site *site, int64_t delay)
{
	int64_t *nearest = &site->length_ns[0];

	for (unsigned i = 1; i < site->lengths; i++)
		if (cgr_build_distance(delay, site->length_ns[i]) < cgr_build_distance(delay, *nearest))
			nearest = &site->length_ns[i];
	return nearest;
}

/* How far a delay is from the length asked for last or, of a relative sleep, from another one of the few that its
 * program may ask for in turn: that they differ is no sign of a grid. Lengths stand apart by more than what is left of
 * one grid's step varies with the work before it, else they would take every delay for one of theirs. */
static uint64_t off_length(struct cgr_timer_site *site, int64_t delay)
{
	uint64_t error = cgr_build_distance(delay, site->last_delay);
	int64_t *length;

	if (site->kind != CGR_TIMER_RELATIVE)
		return CGR_MIN(error, STEP_ERROR_MAX_NS);
	length = nearest_length(site, delay);
	error = cgr_build_distance(delay, *length);
	if (site->lengths < CGR_TIMER_LENGTHS && (!site->lengths || error > (uint64_t)CGR_MAX(*length, 0) / 4)) {
		length = &site->length_ns[site->lengths++];
		error = 0;
	}
	*length = delay;
	site->varied += error >= LENGTH_EQUAL_NS;
	return error >= LENGTH_EQUAL_NS ? CGR_MIN(error, STEP_ERROR_MAX_NS) : 0;
}

void cgr_build_timer_score(struct cgr_timer_site *site, int64_t expiry, int64_t delay)
{
	int64_t step = expiry - site->last_expiry;
	uint64_t length_error = off_length(site, delay);

	if (site->count >= 2) {
		site->relative_error += length_error;
		site->absolute_error += off_grid(site, step);
		if (step > 0 && cgr_build_distance(step, site->last_step) < GRID_EQUAL_NS &&
		    (!site->grid_ns || step < site->grid_ns))
			site->grid_ns = step;
	}
	site->last_step = step;
	site->last_expiry = expiry;
	site->last_delay = delay;
	site->count++;
}

int cgr_build_timer_start(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->task];

	if (cgr_build_is_ticker(e->c))
		return cgr_build_tick_start(b, e);
	if (e->c != CGR_TIMER_HRTIMER_WAKEUP || cgr_event_in_irq(e) || e->task == 0)
		return 0;
	t->timer_armed = true;
	t->timer_start_ns = e->ts_ns;
	t->timer_expiry_ns = cgr_build_timer_ns(e->a);
	t->timer_address = e->b;
	CGR_TRY(find_site(b, e->task, e->d & 1 ? CGR_TIMER_RELATIVE : CGR_TIMER_GIVEN_TIME, &t->timer_site));
	cgr_build_timer_score(&b->programs->site[t->timer_site], t->timer_expiry_ns,
	                      t->timer_expiry_ns - (int64_t)e->ts_ns);
	return 0;
}

/* The timer interrupt found the task that armed the timer still on its CPU: a sleep of no length. */
int cgr_build_timer_expire(struct builder *b, const struct cgr_event *e)
{
	struct cpu_build *cpu = &b->cpu[e->cpu];
	struct task_build *t = &b->t[e->task];
	struct cgr_op op = { .kind = CGR_OP_BLOCK, .cause = CGR_CAUSE_TIMER, .c = t->timer_site };

	cpu->timer_expire_ns = e->ts_ns;
	cpu->timer_expire_address = e->b;
	cpu->timer_expire_function = e->c;
	cgr_build_tick_expire(b, e);
	if (e->task == 0 || t->state != TASK_RUNNING || !t->timer_armed || e->c != CGR_TIMER_HRTIMER_WAKEUP ||
	    e->b != t->timer_address)
		return 0;
	t->timer_armed = false;
	op.b = (uint64_t)CGR_MAX(t->timer_expiry_ns, 0);
	cgr_build_book(b, e->task, e->ts_ns);
	CGR_TRY(cgr_build_emit(b, e->task, &op));
	cgr_build_note_block(b, e->task, e->ts_ns, CGR_CAUSE_TIMER);
	return 0;
}

/* How long before its expiry a timer may end a sleep: poll, select and epoll allow themselves a thousandth of what they
 * were asked for, 0.1 s at most (fs/select.c: select_estimate_accuracy), and the event tells the far end of that. */
static int64_t slack(const struct task_build *t)
{
	int64_t ns = (t->timer_expiry_ns - (int64_t)t->timer_start_ns) / 1000;

	return TIMER_WINDOW_NS + CGR_MIN(CGR_MAX(ns, 0), SLACK_MAX_NS);
}

/* Of the timer that was armed for the wait which began at block_ns: eight steps to a doubling, from a microsecond up.
 * 0: none was, or it had been armed for something else and taken back, of which no event tells. */
uint8_t cgr_build_timeout_length(const struct task_build *t)
{
	uint64_t ns = (uint64_t)CGR_MAX(t->timer_expiry_ns - (int64_t)t->timer_start_ns, 0);
	unsigned power;

	if (!t->timer_armed || t->block_ns - t->timer_start_ns > ARMED_BEFORE_NS || ns < 1024)
		return 0;
	power = 63u - (unsigned)__builtin_clzll(ns);
	return (uint8_t)CGR_MIN(1 + (power - 10) * 8 + (unsigned)((ns >> (power - 3)) & 7), UINT8_MAX);
}

/* A sleep that began at block_ns and that a timer ended now. Fills in what tells when it ends in a what-if. */
int cgr_build_timer_block(struct builder *b, uint32_t task, uint64_t ts_ns, struct cgr_op *op)
{
	struct task_build *t = &b->t[task];

	if (t->timer_armed && (int64_t)ts_ns >= t->timer_expiry_ns - slack(t)) {
		op->c = t->timer_site;
		op->b = (uint64_t)CGR_MAX(t->timer_expiry_ns, 0);
		op->length = cgr_build_timeout_length(t);
		return 0;
	}
	if (cgr_build_tick_wakes(b, task, ts_ns, &op->c))
		return 0;
	CGR_TRY(find_site(b, task, CGR_TIMER_UNSEEN, &op->c));
	cgr_build_timer_score(&b->programs->site[op->c], (int64_t)ts_ns, (int64_t)ts_ns - (int64_t)t->block_ns);
	return 0;
}

bool cgr_build_timer_due(const struct task_build *t, uint64_t ts_ns)
{
	int64_t late = (int64_t)ts_ns - t->timer_expiry_ns;

	return t->timer_armed && late > -slack(t) && late < 20 * TIMER_WINDOW_NS;
}

void cgr_build_judge_timers(struct cgr_programs *programs)
{
	for (uint32_t i = 0; i < programs->sites; i++) {
		struct cgr_timer_site *site = &programs->site[i];
		/* a grid that was armed for is met exactly; wake-ups alone show it with the jitter of both */
		unsigned clearly = site->kind == CGR_TIMER_UNSEEN ? 1 : 4;

		site->absolute = site->count >= 4 && site->absolute_error * clearly < site->relative_error &&
		                 (site->kind != CGR_TIMER_RELATIVE || site->varied >= VARIED_MIN);
		if (!site->grid_ns)
			site->grid_ns = site->last_step;
	}
}
