/* Timers that ring again and again (compile_tick.c): each has one time at which it expires, or has expired. */
#include "replay/engine_internal.h"

static int64_t times(const struct cgr_timer_site *site, uint64_t step_ns)
{
	return CGR_MAX(((int64_t)step_ns + site->grid_ns / 2) / site->grid_ns, (int64_t)1);
}

static bool rings_again(const struct cgr_engine *e, const struct cgr_op *op)
{
	const struct cgr_timer_site *site = &e->programs->site[op->c];

	return site->absolute && site->grid_ns > 0 && e->ticks[op->c] > 0;
}

/* Some points of its grid later; a timer that is to ring when there is no time any more does not. */
static int64_t later(int64_t expiry, int64_t points, int64_t grid_ns)
{
	int64_t ns;

	if (__builtin_mul_overflow(points, grid_ns, &ns) || __builtin_add_overflow(expiry, ns, &ns))
		return INT64_MAX;
	return ns;
}

/* Whoever works off all the times that have gone by goes on from the last of those that the recording has in one. */
void cgr_run_tick_arm(struct cgr_engine *e, const struct cgr_op *op)
{
	const struct cgr_timer_site *site = &e->programs->site[op->c];
	int64_t now = (int64_t)e->now_ns, *expiry = &e->ticks[op->c];

	if (!(op->flags & CGR_OPF_TICK) || !rings_again(e, op))
		*expiry = later(now, (int64_t)CGR_MIN(op->a, (uint64_t)INT64_MAX), 1);
	else if (site->counts)
		*expiry = later(*expiry, times(site, op->b), site->grid_ns);
	else
		*expiry = later(*expiry, now > *expiry ? (now - *expiry) / site->grid_ns + 1 : 1, site->grid_ns);
}

uint64_t cgr_run_tick_end(const struct cgr_engine *e, const struct cgr_op *op)
{
	const struct cgr_timer_site *site = &e->programs->site[op->c];

	if (!(op->flags & CGR_OPF_TICK))
		return e->ticks[op->c] > 0 ? (uint64_t)e->ticks[op->c] : e->now_ns + op->a;
	if (!rings_again(e, op) || e->plays_back)
		return 0;
	return (uint64_t)later(e->ticks[op->c], site->counts ? times(site, op->a) - 1 : 0, site->grid_ns);
}
