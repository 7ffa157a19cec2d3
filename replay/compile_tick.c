/* Timers that ring again and again: setitimer, timer_create, timerfd_settime with an interval. The kernel arms such a
 * timer anew when its expiry is consumed, by taking the signal (posixtimer_rearm) or by reading the file
 * (timerfd_read), for the next time on its grid that is still to come. So a program that is held up finds its timer
 * expired, goes on without a wait, and no event tells where it would have waited but that arming: it stands in the
 * program as a wait of no length and an ARM.
 *
 * A timerfd tells how many times have gone by, signals that come while one is pending are one. Whether a program works
 * off all of them shows in the CPU time it takes between two consumptions, after one time gone by and after several. */
#include "common/util.h"
#include "replay/compile_internal.h"

#define TICKERS_MAX 256u /* timers looked for one by one */
#define TICKER_WAKES_NS 20000u /* an expiry and the wake-up it makes lie this close together */
#define EVIDENCE_MIN 3u

static struct ticker *find(struct builder *b, uint64_t address)
{
	for (uint32_t i = b->tickers; i > 0; i--)
		if (b->ticker[i - 1].address == address)
			return &b->ticker[i - 1];
	return NULL;
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
	**ret = (struct ticker){ .address = e->b, .site = site, .task = CGR_ID_NONE };
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

int cgr_build_tick_start(struct builder *b, const struct cgr_event *e)
{
	struct ticker *ticker = find(b, e->b);
	int64_t expiry = (int64_t)e->a;

	if (cgr_event_in_irq(e) || e->task == 0 || b->t[e->task].state == TASK_GONE)
		return 0;
	if (!ticker)
		CGR_TRY(add(b, e, &ticker));
	if (!ticker)
		return 0;
	struct cgr_op wait = {
		.kind = CGR_OP_BLOCK, .cause = CGR_CAUSE_TIMER, .flags = CGR_OPF_TICK, .c = ticker->site, .b = e->ts_ns
	};
	struct cgr_op arm = { .kind = CGR_OP_ARM, .c = ticker->site };
	if (ticker->expired && expiry > ticker->expiry_ns) {
		wait.a = arm.b = (uint64_t)(expiry - ticker->expiry_ns);
		arm.flags = CGR_OPF_TICK;
	}
	arm.a = (uint64_t)CGR_MAX(expiry - (int64_t)e->ts_ns, 0);
	CGR_TRY(cgr_build_running(b, e->task, e->cpu, e->ts_ns));
	cgr_build_book(b, e->task, e->ts_ns);
	if (arm.flags)
		CGR_TRY(cgr_build_emit(b, e->task, &wait));
	CGR_TRY(cgr_build_emit(b, e->task, &arm));
	cgr_build_timer_score(&b->programs->site[ticker->site], expiry, expiry - (int64_t)e->ts_ns);
	note_work(b, ticker, e->task);
	ticker->expiry_ns = expiry;
	ticker->step_ns = (int64_t)arm.b;
	ticker->expired = false;
	ticker->waits = b->t[e->task].block_count;
	return 0;
}

void cgr_build_tick_expire(struct builder *b, const struct cgr_event *e)
{
	struct ticker *ticker = find(b, e->b);

	if (!ticker)
		return;
	ticker->expired = true;
	b->last_tick_ns = e->ts_ns;
	b->last_ticker = (uint32_t)(ticker - b->ticker);
}

/* The wait that ended now ended by such a timer. One that was set once, and is not what the task waited for next, is an
 * alarm: it disturbs a wait for something else, which is over in a what-if when that comes. */
bool cgr_build_tick_wakes(const struct builder *b, uint32_t task, uint64_t ts_ns, uint32_t *ret_site)
{
	const struct ticker *ticker;

	if (!b->last_tick_ns || ts_ns - b->last_tick_ns >= TICKER_WAKES_NS)
		return false;
	ticker = &b->ticker[b->last_ticker];
	*ret_site = ticker->site;
	return ticker->step_ns > 0 || ticker->task != task || b->t[task].block_count == ticker->waits;
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
