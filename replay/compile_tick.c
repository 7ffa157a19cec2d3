/* Timers that ring again and again: setitimer, timer_create, timerfd_settime with an interval. The kernel arms such a
 * timer anew when its expiry is consumed, by taking the signal (posixtimer_rearm) or by reading the file
 * (timerfd_read), for the next time on its grid that is still to come. So a program that is held up finds its timer
 * expired, goes on without a wait, and no event tells where it would have waited but that arming: it stands in the
 * program as a wait of no length and an ARM.
 *
 * Times are told by the clock the timer was made for, and CLOCK_REALTIME or CLOCK_TAI is half a century ahead of the
 * trace's. No event names it, but hrtimer_expire_entry has the time that its base had (__hrtimer_run_queues). Until a
 * timer has expired once, what lies beyond the recording may be another clock's, or never.
 *
 * A timerfd tells how many times have gone by, signals that come while one is pending are one. Whether a program works
 * off all of them shows in the CPU time it takes between two consumptions, after one time gone by and after several. */
#include "common/util.h"
#include "replay/compile_internal.h"

#define TICKERS_MAX 256u /* timers looked for one by one */
#define TICKER_WAKES_NS 20000u /* an expiry and the wake-up it makes lie this close together */
#define EVIDENCE_MIN 3u
#define CLOCK_ERROR_NS 1000000u /* from reading the clock in the interrupt to the event; clocks are set by more */

static struct ticker *find(struct builder *b, const struct cgr_event *e)
{
	for (uint32_t i = b->tickers; i > 0; i--)
		if (b->ticker[i - 1].address == e->b && b->ticker[i - 1].function == e->c)
			return &b->ticker[i - 1];
	return NULL;
}

/* Its process is gone and so is the timer: what another one has at the same address is a new one. */
static bool is_gone(const struct builder *b, const struct ticker *ticker, uint32_t task)
{
	return ticker->task != CGR_ID_NONE && b->t[ticker->task].state == TASK_GONE &&
	       b->task[ticker->task].tgid != b->task[task].tgid;
}

static int add(struct builder *b, const struct cgr_event *e, struct ticker **ret)
{
	uint32_t site;

	*ret = NULL;
	if (b->tickers == TICKERS_MAX)
		return 0;
	CGR_TRY(cgr_grow((void **)&b->ticker, &b->ticker_capacity, b->tickers + 1u, sizeof *b->ticker, b->error));
	CGR_TRY(cgr_build_timer_site(b, e->task, CGR_TIMER_TICKS, &site));
	b->programs->site[site].counts = e->c == CGR_TIMER_TIMERFD;
	*ret = &b->ticker[b->tickers++];
	**ret = (struct ticker){ .address = e->b, .function = e->c, .site = site, .task = CGR_ID_NONE };
	return 0;
}

static int64_t times(int64_t step, int64_t grid_ns)
{
	return grid_ns > 0 ? (step + grid_ns / 2) / grid_ns : 1;
}

/* What its last consumer has worked since then. */
static void note_work(struct builder *b, struct ticker *ticker, uint32_t task)
{
	struct cgr_timer_site *site = &b->programs->site[ticker->site];
	uint64_t run_ns = b->programs->program[task].run_ns;

	if (ticker->task == task && ticker->step_ns > 0 && site->grid_ns > 0) {
		int64_t gone_by = times(ticker->step_ns, site->grid_ns);
		unsigned many = gone_by > 1;

		ticker->looks[many]++;
		ticker->times[many] += (uint64_t)gone_by;
		ticker->work_ns[many] += run_ns - ticker->run_ns;
	}
	ticker->task = task;
	ticker->run_ns = run_ns;
}

/* From the expiry before, of which it is the next on the timer's grid; 0: the timer is set anew. What is farther away
 * than the recording is long cannot be seen to ring again. */
static int64_t step_from_last(const struct builder *b, const struct ticker *ticker, int64_t expiry)
{
	int64_t step = expiry - ticker->expiry_ns;

	return ticker->expired && ticker->timed && step > 0 && step <= b->info->duration_ns ? step : 0;
}

/* A wait for the expiry from which the timer goes on, if it does, and the arming after it. */
static int emit_start(struct builder *b, const struct cgr_event *e, const struct ticker *ticker, int64_t after_ns,
                      int64_t step)
{
	struct cgr_op wait = {
		.kind = CGR_OP_BLOCK, .cause = CGR_CAUSE_TIMER, .flags = CGR_OPF_TICK, .c = ticker->site, .b = e->ts_ns
	};
	struct cgr_op arm = { .kind = CGR_OP_ARM, .c = ticker->site, .a = (uint64_t)CGR_MAX(after_ns, 0) };

	if (step) {
		wait.a = arm.b = (uint64_t)step;
		arm.flags = CGR_OPF_TICK;
		CGR_TRY(cgr_build_emit(b, e->task, &wait));
	}
	return cgr_build_emit(b, e->task, &arm);
}

int cgr_build_tick_start(struct builder *b, const struct cgr_event *e)
{
	struct ticker *ticker = find(b, e);
	int64_t expiry = cgr_build_timer_ns(e->a), now = cgr_build_timer_ns(e->ts_ns), after_ns, step;

	if (cgr_event_in_irq(e) || e->task == 0 || b->t[e->task].state == TASK_GONE)
		return 0;
	if (!ticker || is_gone(b, ticker, e->task))
		CGR_TRY(add(b, e, &ticker));
	if (!ticker)
		return 0;
	CGR_TRY(cgr_build_running(b, e->task, e->cpu, e->ts_ns));
	cgr_build_book(b, e->task, e->ts_ns);
	after_ns = expiry - ticker->ahead_ns - now;
	step = step_from_last(b, ticker, expiry);
	ticker->timed = ticker->rung || after_ns <= b->info->duration_ns - now;
	if (ticker->timed) {
		CGR_TRY(emit_start(b, e, ticker, after_ns, step));
		cgr_build_timer_score(&b->programs->site[ticker->site], expiry, after_ns);
	}
	note_work(b, ticker, e->task);
	ticker->expiry_ns = expiry;
	ticker->step_ns = step;
	ticker->expired = false;
	ticker->waits = b->t[e->task].block_count;
	return 0;
}

/* Steps on its grid shall not show how late each interrupt was, but the clock may be set. */
static void note_clock(struct ticker *ticker, int64_t ahead_ns)
{
	if (cgr_build_distance(ahead_ns, ticker->ahead_ns) > CLOCK_ERROR_NS)
		ticker->ahead_ns = ahead_ns;
}

void cgr_build_tick_expire(struct builder *b, const struct cgr_event *e)
{
	struct ticker *ticker = cgr_build_is_ticker(e->c) ? find(b, e) : NULL;

	if (!ticker)
		return;
	ticker->expired = ticker->rung = true;
	note_clock(ticker, cgr_build_timer_ns(e->a) - cgr_build_timer_ns(e->ts_ns));
	b->cpu[e->cpu].ticker_ns = e->ts_ns;
	b->cpu[e->cpu].ticker = (uint32_t)(ticker - b->ticker);
}

/* The wait that ended now ended by such a timer, whose interrupt was on the CPU that ended it, and which the task had
 * armed itself: how far another one's program is from arming it, this one does not know. One that was set once, and is
 * not what the task waited for next, is an alarm: it disturbs a wait for something else, which is over in a what-if
 * when that comes. */
bool cgr_build_tick_wakes(const struct builder *b, uint32_t task, uint64_t ts_ns, uint32_t *ret_site)
{
	const struct cpu_build *cpu = &b->cpu[b->t[task].waking_cpu];
	const struct ticker *ticker;

	if (!cpu->ticker_ns || ts_ns - cpu->ticker_ns >= TICKER_WAKES_NS)
		return false;
	ticker = &b->ticker[cpu->ticker];
	*ret_site = ticker->site;
	return ticker->timed && ticker->task == task && (ticker->step_ns > 0 || b->t[task].block_count == ticker->waits);
}

void cgr_build_judge_ticks(struct builder *b)
{
	for (uint32_t i = 0; i < b->tickers; i++) {
		const struct ticker *t = &b->ticker[i];

		if (t->looks[0] < EVIDENCE_MIN || t->looks[1] < EVIDENCE_MIN)
			continue;
		/* nearer to one portion of work for each time gone by than to one whatever has gone by */
		uint64_t portion_ns = CGR_MAX(t->work_ns[0] / t->looks[0], 1u);
		b->programs->site[t->site].counts = t->work_ns[1] / portion_ns * 2 > t->looks[1] + t->times[1];
	}
}
