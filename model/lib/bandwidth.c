/* CFS bandwidth control: pool, slices, period and slack timer, burst (kernel: sched_cfs_period_timer,
 * __refill_cfs_bandwidth_runtime, __assign_cfs_rq_runtime, distribute_cfs_runtime, __return_cfs_rq_runtime,
 * do_sched_cfs_slack_timer, tg_set_cfs_bandwidth). What throttling does to the queue is lib/throttle.c. */
#include "common/error.h"
#include "model/lib/fair.h"

#define MIN_QUEUE_RUNTIME_NS 1000000
#define MIN_EXPIRATION_NS 2000000u
#define SLACK_PERIOD_NS 5000000u
#define RUNTIME_MAX_NS (INT64_MAX / 4)

enum { COOKIE_PERIOD = 0, COOKIE_SLACK = 1 };

static uint64_t cookie(const struct cgr_fair_group *group, unsigned kind)
{
	return ((uint64_t)group->cgroup << 1) | kind;
}

static void refill(struct cgr_fair_bandwidth *b)
{
	if (!b->limited)
		return;
	b->runtime_ns += b->quota_ns;
	int64_t over = b->snapshot_ns - b->runtime_ns;
	if (over > 0) {
		b->burst_time_ns += (uint64_t)over;
		b->nr_bursts++;
	}
	if (b->runtime_ns > b->quota_ns + b->burst_ns)
		b->runtime_ns = b->quota_ns + b->burst_ns;
	b->snapshot_ns = b->runtime_ns;
}

/* hrtimer_forward_now: the next point of the grid phase + k * period after now. */
static uint64_t next_expiry(const struct cgr_fair_bandwidth *b, uint64_t now_ns)
{
	uint64_t phase = b->phase_ns % b->period_ns;
	if (now_ns < phase)
		return phase;
	return now_ns - (now_ns - phase) % b->period_ns + b->period_ns;
}

static void start_timer(struct cgr_fair *fair, struct cgr_fair_group *group)
{
	struct cgr_fair_bandwidth *b = &group->bandwidth;
	if (b->timer_active)
		return;
	b->timer_active = true;
	b->expires_ns = next_expiry(b, fair->ctx->now_ns);
	b->timer = cgr_timer_arm(fair->ctx, b->expires_ns, cookie(group, COOKIE_PERIOD));
}

static bool assign(struct cgr_fair_queue *queue, int64_t target_ns)
{
	struct cgr_fair_bandwidth *b = &queue->group->bandwidth;
	int64_t amount = target_ns - queue->runtime_remaining_ns;
	if (b->limited) {
		start_timer(queue->fair, queue->group);
		if (b->runtime_ns > 0) {
			amount = b->runtime_ns < amount ? b->runtime_ns : amount;
			b->runtime_ns -= amount;
			b->idle = false;
		} else {
			amount = 0;
		}
	}
	queue->runtime_remaining_ns += amount;
	return queue->runtime_remaining_ns > 0;
}

void cgr_bandwidth_account(struct cgr_fair_queue *queue, uint64_t delta_ns)
{
	if (!queue->runtime_enabled)
		return;
	queue->runtime_remaining_ns -= (int64_t)delta_ns;
	if (queue->runtime_remaining_ns > 0 || queue->throttled)
		return;
	if (!assign(queue, (int64_t)queue->fair->bandwidth_slice_ns) && queue->curr)
		cgr_fair_resched(queue->fair, queue->cpu);
}

static void list_add_tail(struct cgr_fair_bandwidth *b, struct cgr_fair_queue *queue)
{
	queue->throttled_next = NULL;
	queue->throttled_prev = b->throttled_tail;
	if (b->throttled_tail)
		b->throttled_tail->throttled_next = queue;
	else
		b->throttled_head = queue;
	b->throttled_tail = queue;
}

static void list_remove(struct cgr_fair_bandwidth *b, struct cgr_fair_queue *queue)
{
	if (queue->throttled_prev)
		queue->throttled_prev->throttled_next = queue->throttled_next;
	else
		b->throttled_head = queue->throttled_next;
	if (queue->throttled_next)
		queue->throttled_next->throttled_prev = queue->throttled_prev;
	else
		b->throttled_tail = queue->throttled_prev;
	queue->throttled_next = queue->throttled_prev = NULL;
}

/* throttle_cfs_rq up to the queue's own part: a last try for 1 ns, then the list. */
static bool throttle(struct cgr_fair_queue *queue)
{
	if (assign(queue, 1))
		return false;
	list_add_tail(&queue->group->bandwidth, queue);
	cgr_throttle_queue(queue);
	cgr_decision(queue->fair->ctx, "throttle", queue->group->cgroup, CGR_NONE, (int64_t)queue->cpu);
	return true;
}

static void unthrottle(struct cgr_fair_queue *queue)
{
	struct cgr_fair *fair = queue->fair;
	struct cgr_fair_bandwidth *b = &queue->group->bandwidth;
	if (queue->runtime_enabled && queue->runtime_remaining_ns <= 0)
		return;
	queue->throttled = false;
	if (queue->throttled_since_ns) {
		b->throttled_time_ns += fair->ctx->now_ns + 1 - queue->throttled_since_ns;
		queue->throttled_since_ns = 0;
	}
	list_remove(b, queue);
	cgr_decision(fair->ctx, "unthrottle", queue->group->cgroup, CGR_NONE, (int64_t)queue->cpu);
	cgr_unthrottle_queue(queue);
}

bool cgr_bandwidth_check(struct cgr_fair_queue *queue)
{
	if (!queue->runtime_enabled || queue->runtime_remaining_ns > 0)
		return false;
	return queue->throttled ? true : throttle(queue);
}

void cgr_bandwidth_check_enqueue(struct cgr_fair_queue *queue)
{
	if (!queue->runtime_enabled || queue->curr || queue->throttled)
		return;
	cgr_bandwidth_account(queue, 0);
	if (queue->runtime_remaining_ns <= 0)
		throttle(queue);
}

void cgr_bandwidth_record_clock(struct cgr_fair_queue *queue)
{
	if (queue->throttled && !queue->throttled_since_ns)
		queue->throttled_since_ns = queue->fair->ctx->now_ns + 1;
}

/* In list order everybody gets just enough for 1 ns; the rest is fetched in slices by those who run. */
static bool distribute(struct cgr_fair_group *group)
{
	struct cgr_fair_bandwidth *b = &group->bandwidth;
	struct cgr_fair_queue *next;
	bool throttled = false;
	for (struct cgr_fair_queue *queue = b->throttled_head; queue; queue = next) {
		next = queue->throttled_next;
		if (b->runtime_ns <= 0)
			return true;
		int64_t amount = 1 - queue->runtime_remaining_ns;
		amount = amount < b->runtime_ns ? amount : b->runtime_ns;
		b->runtime_ns -= amount;
		queue->runtime_remaining_ns += amount;
		if (queue->runtime_remaining_ns > 0)
			unthrottle(queue);
		else
			throttled = true;
	}
	return throttled;
}

/* do_sched_cfs_period_timer; true when the timer may stop. */
static bool period(struct cgr_fair_group *group)
{
	struct cgr_fair_bandwidth *b = &group->bandwidth;
	if (!b->limited)
		return true;
	bool throttled = b->throttled_head != NULL;
	b->nr_periods++;
	refill(b);
	if (b->idle && !throttled)
		return true;
	if (!throttled) {
		b->idle = true;
		return false;
	}
	b->nr_throttled++;
	while (throttled && b->runtime_ns > 0)
		throttled = distribute(group);
	b->idle = false;
	return false;
}

static bool refresh_within(const struct cgr_fair_bandwidth *b, uint64_t now_ns, uint64_t within_ns)
{
	return b->expires_ns < now_ns + within_ns;
}

static void slack(struct cgr_fair *fair, struct cgr_fair_group *group)
{
	struct cgr_fair_bandwidth *b = &group->bandwidth;
	b->slack_started = false;
	if (refresh_within(b, fair->ctx->now_ns, MIN_EXPIRATION_NS))
		return;
	if (b->limited && b->runtime_ns > (int64_t)fair->bandwidth_slice_ns)
		distribute(group);
}

void cgr_bandwidth_timer(struct cgr_fair *fair, uint64_t which)
{
	struct cgr_fair_group *group = cgr_fair_group(fair, (uint32_t)(which >> 1));
	struct cgr_fair_bandwidth *b = &group->bandwidth;
	if ((which & 1) == COOKIE_SLACK) {
		slack(fair, group);
		return;
	}
	b->expires_ns = next_expiry(b, fair->ctx->now_ns);
	if (period(group)) {
		b->timer_active = false;
		b->timer = 0;
		return;
	}
	b->timer = cgr_timer_arm(fair->ctx, b->expires_ns, cookie(group, COOKIE_PERIOD));
}

void cgr_bandwidth_return(struct cgr_fair_queue *queue)
{
	if (!queue->runtime_enabled || queue->nr_queued)
		return;
	int64_t excess = queue->runtime_remaining_ns - MIN_QUEUE_RUNTIME_NS;
	if (excess <= 0)
		return;
	struct cgr_fair *fair = queue->fair;
	struct cgr_fair_bandwidth *b = &queue->group->bandwidth;
	if (b->limited) {
		b->runtime_ns += excess;
		if (b->runtime_ns > (int64_t)fair->bandwidth_slice_ns && b->throttled_head && !b->slack_started &&
		    !refresh_within(b, fair->ctx->now_ns, SLACK_PERIOD_NS + MIN_EXPIRATION_NS)) {
			b->slack_started = true;
			b->slack_timer =
			    cgr_timer_arm(fair->ctx, fair->ctx->now_ns + SLACK_PERIOD_NS, cookie(queue->group, COOKIE_SLACK));
		}
	}
	queue->runtime_remaining_ns -= excess;
}

/* tg_set_cfs_bandwidth, from the last written knobs of the group. */
int cgr_bandwidth_write(struct cgr_fair *fair, struct cgr_fair_group *group)
{
	struct cgr_fair_bandwidth *b = &group->bandwidth;
	int64_t quota_usec = group->knob[0][0], period_usec = group->knob[0][1], burst_usec = group->knob[1][0];
	bool limited = quota_usec != CGR_MAX;
	if (period_usec < 1000 || period_usec > 1000000 || (limited && quota_usec < 1000))
		return CGR_E_SCENARIO;
	if (limited && (quota_usec > RUNTIME_MAX_NS / 1000 || burst_usec > quota_usec))
		return CGR_E_SCENARIO;
	b->period_ns = (uint64_t)period_usec * 1000;
	b->limited = limited;
	b->quota_ns = limited ? quota_usec * 1000 : 0;
	b->burst_ns = limited ? burst_usec * 1000 : 0;
	b->used |= limited;
	refill(b);
	/* tg_set_cfs_bandwidth starts the timer; what is in force when the replay begins was written before it, and the
	 * timer of a group that rests has stopped since: its first task starts it (assign_cfs_rq_runtime) */
	if (limited && fair->ctx->now_ns)
		start_timer(fair, group);
	for (uint32_t cpu = 0; cpu < fair->ctx->n_cpus; cpu++) {
		struct cgr_fair_queue *queue = &cgr_fair_slot(fair, group->cgroup, cpu)->queue;
		cgr_fair_update_curr(queue);
		queue->runtime_enabled = limited;
		queue->runtime_remaining_ns = fair->task_throttle ? 1 : 0;
		if (queue->throttled) {
			queue->runtime_remaining_ns = 1;
			unthrottle(queue);
		}
	}
	return 0;
}

/* The timer may have been armed by a limit that was written before. */
void cgr_bandwidth_set_phase(struct cgr_fair *fair, struct cgr_fair_group *group, uint64_t phase_ns)
{
	struct cgr_fair_bandwidth *b = &group->bandwidth;
	b->phase_ns = phase_ns;
	if (!b->timer_active)
		return;
	cgr_timer_cancel(fair->ctx, b->timer);
	b->timer_active = false;
	start_timer(fair, group);
}

void cgr_bandwidth_init(struct cgr_fair *fair, struct cgr_fair_group *group)
{
	struct cgr_fair_bandwidth *b = &group->bandwidth;
	*b = (struct cgr_fair_bandwidth){ .period_ns = 100000000 };
	/* init_cfs_bandwidth draws the offset once per group (since 6.3); before, expiries were multiples of the
	 * period on CLOCK_MONOTONIC, whose relation to the start of another run is as unknown. */
	b->phase_ns = fair->phase_ns >= 0 ? (uint64_t)fair->phase_ns : cgr_random(fair->ctx) % b->period_ns;
}

void cgr_bandwidth_offline(struct cgr_fair *fair, struct cgr_fair_group *group)
{
	struct cgr_fair_bandwidth *b = &group->bandwidth;
	for (uint32_t cpu = 0; cpu < fair->ctx->n_cpus; cpu++) {
		struct cgr_fair_queue *queue = &cgr_fair_slot(fair, group->cgroup, cpu)->queue;
		queue->runtime_enabled = false;
		if (queue->throttled) {
			queue->runtime_remaining_ns = 1;
			unthrottle(queue);
		}
	}
	if (b->timer_active)
		cgr_timer_cancel(fair->ctx, b->timer);
	if (b->slack_started)
		cgr_timer_cancel(fair->ctx, b->slack_timer);
	b->timer_active = b->slack_started = b->limited = false;
}

void cgr_bandwidth_metrics(struct cgr_fair *fair, struct cgr_fair_group *group)
{
	const struct cgr_fair_bandwidth *b = &group->bandwidth;
	if (!b->used)
		return;
	const int64_t value[CGR_FAIR_METRICS] = { (int64_t)b->nr_periods, (int64_t)b->nr_throttled,
		                                      (int64_t)(b->throttled_time_ns / 1000), (int64_t)b->nr_bursts,
		                                      (int64_t)(b->burst_time_ns / 1000) };
	for (unsigned i = 0; i < CGR_FAIR_METRICS; i++)
		cgr_metric_set(fair->ctx, group->cgroup, i, value[i]);
}
