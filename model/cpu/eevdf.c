/* EEVDF: earliest eligible virtual deadline first, the fair class from 6.6 (here: 6.12 to 6.18). */
#include "model/lib/fair.h"

/* V - zero, times the weight it is averaged over; the current entity is not in the tree and added by hand. */
static int64_t key_of(const struct cgr_fair_queue *queue, const struct cgr_fair_entity *se)
{
	return se->vruntime - queue->zero_vruntime;
}

static int64_t weight_of(const struct cgr_fair_entity *se)
{
	return (int64_t)cgr_load_to_weight(se->load);
}

static struct cgr_fair_entity *running(const struct cgr_fair_queue *queue)
{
	return queue->curr && queue->curr->on_rq ? queue->curr : NULL;
}

/* avg_vruntime: V, floored; moves the base there so that keys stay small. */
static int64_t average(struct cgr_fair_queue *queue)
{
	struct cgr_fair_entity *curr = running(queue);
	int64_t weight = queue->sum_weight, delta = 0;
	if (weight) {
		int64_t sum = queue->sum_w_vruntime;
		if (curr) {
			sum += key_of(queue, curr) * weight_of(curr);
			weight += weight_of(curr);
		}
		if (sum < 0)
			sum -= weight - 1;
		delta = sum / weight;
	} else if (curr) {
		delta = key_of(queue, curr);
	}
	queue->sum_w_vruntime -= queue->sum_weight * delta;
	queue->zero_vruntime += delta;
	return queue->zero_vruntime;
}

static bool eligible_at(const struct cgr_fair_queue *queue, int64_t vruntime)
{
	const struct cgr_fair_entity *curr = running(queue);
	__int128 sum = queue->sum_w_vruntime;
	int64_t weight = queue->sum_weight;
	if (curr) {
		sum += (__int128)key_of(queue, curr) * weight_of(curr);
		weight += weight_of(curr);
	}
	return sum >= (__int128)(vruntime - queue->zero_vruntime) * weight;
}

static bool eligible(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	return eligible_at(queue, se->vruntime);
}

static void tree_insert(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	queue->sum_w_vruntime += key_of(queue, se) * weight_of(se);
	queue->sum_weight += weight_of(se);
	cgr_timeline_insert(queue, se, se->deadline);
}

static void tree_remove(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	cgr_timeline_remove(queue, se);
	queue->sum_w_vruntime -= key_of(queue, se) * weight_of(se);
	queue->sum_weight -= weight_of(se);
}

/* update_entity_lag: V moves when others come and go, so what is kept is bounded by a slice and a tick. */
static void keep_lag(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	int64_t lag = average(queue) - se->vruntime;
	uint64_t longest = cgr_timeline_max_slice(queue) + queue->fair->tick_ns;
	int64_t limit = (int64_t)cgr_fair_delta(longest, se);
	se->vlag = lag > limit ? limit : lag < -limit ? -limit : lag;
}

static void place(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags)
{
	int64_t vruntime = average(queue), lag = 0;
	if (!se->custom_slice)
		se->slice_ns = queue->fair->slice_ns;
	int64_t vslice = (int64_t)cgr_fair_delta(se->slice_ns, se);
	if (queue->nr_queued && se->vlag) {
		/* joining moves V: inflate the lag so that after that it is what it was */
		struct cgr_fair_entity *curr = running(queue);
		int64_t weight = queue->sum_weight + (curr ? weight_of(curr) : 0);
		lag = se->vlag * (weight + weight_of(se)) / (weight ? weight : 1);
	}
	se->vruntime = vruntime - lag;
	if (se->rel_deadline) {
		se->deadline += se->vruntime;
		se->rel_deadline = false;
		return;
	}
	if (flags & CGR_ENQ_NEW)
		vslice /= 2;
	se->deadline = se->vruntime + vslice;
}

static bool is_protected(const struct cgr_fair_entity *se)
{
	return se->vruntime - se->vprot < 0;
}

static bool advance(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr, uint64_t delta_ns)
{
	curr->vruntime += (int64_t)cgr_fair_delta(delta_ns, curr);
	bool resched = curr->vruntime - curr->deadline >= 0;
	if (resched) {
		if (!curr->custom_slice)
			curr->slice_ns = queue->fair->slice_ns;
		curr->deadline = curr->vruntime + (int64_t)cgr_fair_delta(curr->slice_ns, curr);
	}
	return queue->nr_queued != 1 && (resched || !is_protected(curr));
}

static void leaving(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags)
{
	keep_lag(queue, se);
	if (!(flags & CGR_DEQ_SLEEP)) {
		se->deadline -= se->vruntime;
		se->rel_deadline = true;
	}
}

static void left(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags)
{
	(void)queue;
	(void)se;
	(void)flags;
}

/* The earliest deadline among the eligible: subtrees without an eligible entity are passed over. */
static struct cgr_fair_entity *earliest(struct cgr_fair_queue *queue)
{
	if (queue->leftmost && eligible(queue, queue->leftmost))
		return queue->leftmost;
	struct cgr_fair_entity *at = queue->root;
	while (at) {
		if (at->left && eligible_at(queue, at->left->min_vruntime))
			at = at->left;
		else if (eligible(queue, at))
			return at;
		else
			at = at->right;
	}
	return NULL;
}

static struct cgr_fair_entity *pick_with(struct cgr_fair_queue *queue, bool protect)
{
	struct cgr_fair_entity *curr = running(queue);
	if (queue->nr_queued == 1)
		return curr ? curr : queue->leftmost;
	if (curr && !eligible(queue, curr))
		curr = NULL;
	if (curr && protect && is_protected(curr))
		return curr;
	struct cgr_fair_entity *best = earliest(queue);
	if (!best || (curr && curr->deadline - best->deadline < 0))
		best = curr;
	/* rounding can leave nobody eligible for a moment: the kernel's sums cannot, so take the first */
	return best ? best : queue->leftmost ? queue->leftmost : running(queue);
}

static struct cgr_fair_entity *pick(struct cgr_fair_queue *queue)
{
	if (!queue->nr_queued)
		return NULL;
	if (queue->next && eligible(queue, queue->next))
		return queue->next;
	return pick_with(queue, true);
}

/* set_protect_slice: up to the shortest slice waiting here it keeps the CPU as long as it is eligible. */
static void set_next(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, bool first)
{
	if (!first)
		return;
	uint64_t slice_ns = cgr_timeline_min_slice(queue);
	se->vprot = se->deadline;
	if (slice_ns < se->slice_ns) {
		int64_t end = se->vruntime + (int64_t)cgr_fair_delta(slice_ns, se);
		se->vprot = end - se->deadline < 0 ? end : se->deadline;
	}
}

static void tick(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr)
{
	(void)curr;
	average(queue); /* pulls the base along */
}

static bool preempt(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr, struct cgr_fair_entity *woken,
                    bool normal_policy)
{
	bool curr_idle = cgr_fair_entity_is_idle(curr), woken_idle = cgr_fair_entity_is_idle(woken);
	if (curr_idle && !woken_idle) {
		if (is_protected(curr))
			curr->vprot = curr->vruntime;
		return true;
	}
	if (curr_idle != woken_idle || !normal_policy)
		return false;
	cgr_fair_update_curr(queue);
	bool shorter = woken->slice_ns < curr->slice_ns;
	if (pick_with(queue, !shorter) == woken) {
		if (shorter && is_protected(curr))
			curr->vprot = curr->vruntime;
		return true;
	}
	if (shorter) {
		int64_t end = curr->vruntime + (int64_t)cgr_fair_delta(cgr_timeline_min_slice(queue), curr);
		if (end - curr->vprot < 0)
			curr->vprot = end;
	}
	return false;
}

static void yield(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr)
{
	if (!eligible(queue, curr))
		return;
	curr->vruntime = curr->deadline;
	curr->deadline += (int64_t)cgr_fair_delta(curr->slice_ns, curr);
}

static int64_t rescale(int64_t value, uint64_t from, uint64_t to)
{
	return (int64_t)((__int128)value * (int64_t)from / (int64_t)to);
}

/* reweight_entity: lag is service, so its virtual form scales with the weight; then placed anew. */
static void reweight(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, uint64_t load)
{
	bool curr = queue->curr == se, keep_protection = false;
	int64_t protection = 0;
	if (se->on_rq) {
		cgr_fair_update_curr(queue);
		keep_lag(queue, se);
		se->deadline -= se->vruntime;
		se->rel_deadline = true;
		if (curr && is_protected(se)) {
			protection = se->vprot - se->vruntime;
			keep_protection = true;
		}
		queue->nr_queued--;
		if (!curr)
			tree_remove(queue, se);
		queue->load -= se->load;
	}
	se->vlag = rescale(se->vlag, se->load, load);
	if (se->rel_deadline)
		se->deadline = rescale(se->deadline, se->load, load);
	protection = rescale(protection, se->load, load);
	cgr_fair_set_load(se, load);
	if (!se->on_rq)
		return;
	place(queue, se, 0);
	if (keep_protection)
		se->vprot = se->vruntime + protection;
	queue->load += se->load;
	if (!curr)
		tree_insert(queue, se);
	queue->nr_queued++;
}

static void requeue_delayed(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	keep_lag(queue, se);
	if (se->vlag <= 0)
		return;
	/* DELAY_ZERO: it has paid in full while it waited, and gets nothing for it */
	queue->nr_queued--;
	if (se != queue->curr)
		tree_remove(queue, se);
	se->vlag = 0;
	place(queue, se, 0);
	if (se != queue->curr)
		tree_insert(queue, se);
	queue->nr_queued++;
}

static void migrating(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	(void)queue;
	(void)se; /* lag and relative deadline travel as they are */
}

static const struct cgr_fair_policy policy = {
	.place = place,
	.advance = advance,
	.tree_insert = tree_insert,
	.tree_remove = tree_remove,
	.leaving = leaving,
	.left = left,
	.eligible = eligible,
	.pick = pick,
	.set_next = set_next,
	.tick = tick,
	.preempt = preempt,
	.yield = yield,
	.reweight = reweight,
	.requeue_delayed = requeue_delayed,
	.migrating = migrating,
};

enum {
	PARAM_SLICE,
	PARAM_BANDWIDTH_SLICE,
	PARAM_USER_RETURN,
	PARAM_PHASE,
	PARAM_THROTTLE,
	PARAM_MIGRATION_COST,
	PARAM_NEWIDLE,
	PARAM_IDLE_SCAN
};
static const struct cgr_param_desc params[] = {
	{ "slice_ns", "ns", "base slice after scaling by CPUs; 0: as the kernel scales it", 0, 0, 100000000 },
	{ "bandwidth_slice_us", "usec", "what a CPU fetches from the pool at a time (sched_cfs_bandwidth_slice_us)", 5000,
	  1, 1000000 },
	{ "user_return_ns", "ns", "run from being picked to the return to user mode, where 6.18 throttles", 4000, 0,
	  10000000 },
	{ "phase_ns", "ns", "offset of every bandwidth period grid; -1: drawn by lot", -1, -1, 1000000000 },
	{ "throttle", "", "0: by kernel version, 1: whole group at once, 2: task at its return to user mode", 0, 0, 2 },
	{ "migration_cost_ns", "ns", "how long a task counts as cache hot", 500000, 0, 100000000 },
	{ "newidle_ratio", "1/1024",
	  "part of its chances a newly idle CPU takes to look for work, at the start; learned from then on (6.18); -1: as "
	  "the recording shows, else drawn by lot",
	  -1, -1, 1024 },
	{ "idle_scan", "",
	  "1: a waking task whose own CPU is busy looks for an idle one as far as utilization lets it (SIS_UTIL); 0: it "
	  "does "
	  "not; -1: as the recording shows, else 1",
	  -1, -1, 1 },
};

/* get_update_sysctl_factor */
static uint64_t scaling(uint32_t cpus)
{
	uint32_t n = cpus < 8 ? cpus : 8;
	uint64_t factor = 1;
	while (n >>= 1)
		factor++;
	return factor;
}

static int init(struct cgr_ctx *ctx)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	/* asked for on a recording of an older kernel: the newest form is meant */
	uint32_t version = ctx->kernel_version >= CGR_KERNEL(6, 6, 0) ? ctx->kernel_version : CGR_KERNEL(6, 18, 44);
	fair->delay_dequeue = version >= CGR_KERNEL(6, 12, 0);
	fair->task_throttle =
	    cgr_param(ctx, PARAM_THROTTLE) ? cgr_param(ctx, PARAM_THROTTLE) == 2 : version >= CGR_KERNEL(6, 18, 0);
	fair->newidle_random = version >= CGR_KERNEL(6, 18, 1);
	fair->tg_rate_limit = version >= CGR_KERNEL(6, 7, 0);
	uint64_t base = version >= CGR_KERNEL(6, 15, 0) ? 700000 : 750000;
	fair->slice_ns = cgr_param(ctx, PARAM_SLICE) ? (uint64_t)cgr_param(ctx, PARAM_SLICE) : base * scaling(ctx->n_cpus);
	fair->bandwidth_slice_ns = (uint64_t)cgr_param(ctx, PARAM_BANDWIDTH_SLICE) * 1000;
	fair->user_return_ns = (uint64_t)cgr_param(ctx, PARAM_USER_RETURN);
	fair->phase_ns = cgr_param(ctx, PARAM_PHASE);
	fair->migration_cost_ns = (uint64_t)cgr_param(ctx, PARAM_MIGRATION_COST);
	/* what the machine had learned before the recording: sd_init begins with 512, success rates then pull it down */
	fair->newidle_ratio = cgr_param(ctx, PARAM_NEWIDLE) < 0 ? 16 + (uint32_t)(cgr_random(ctx) % 241)
	                                                        : (uint32_t)cgr_param(ctx, PARAM_NEWIDLE);
	fair->no_idle_scan = cgr_param(ctx, PARAM_IDLE_SCAN) == 0;
	return cgr_fair_init(ctx, &policy);
}

const struct cgr_cpu_ops cgr_cpu_eevdf = {
	.head = {
		.struct_size = sizeof(struct cgr_cpu_ops),
		.abi_version = CGR_MODEL_ABI,
		.domain = CGR_DOMAIN_CPU,
		.name = "eevdf",
		.summary = "fair class from 6.6: earliest eligible virtual deadline first",
		.doc = "Models kernel/sched/fair.c of 6.12 to 6.18: placement by lag, eligibility, deadlines, slice protection, "
		       "delayed dequeue, group weights from load averages, bandwidth control (up to 6.17 whole groups, from 6.18 "
		       "tasks at their return to user mode), CPU choice and balancing within one cache domain. Leaves out: "
		       "SMT and NUMA topology, asymmetric capacity, core scheduling, proxy execution, the deadline server.",
		.needs = 1ull << CGR_EV_SWITCH,
		.params = params,
		.n_params = sizeof(params) / sizeof(params[0]),
		CGR_FAIR_HEAD_OPS,
		.init = init,
	},
	CGR_FAIR_CPU_OPS,
	.still_queued = cgr_fair_still_queued,
	.return_to_user = cgr_fair_return_to_user,
};
