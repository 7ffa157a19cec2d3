/* CFS: completely fair scheduling by smallest virtual runtime, the fair class to 6.5 (here: 6.1). */
#include "model/lib/fair.h"

#define NR_LATENCY 8u

static struct cgr_fair_entity *running(const struct cgr_fair_queue *queue)
{
	return queue->curr && queue->curr->on_rq ? queue->curr : NULL;
}

/* Monotone: the smallest vruntime here, never backwards. */
static void update_min(struct cgr_fair_queue *queue)
{
	struct cgr_fair_entity *curr = running(queue), *left = queue->leftmost;
	int64_t vruntime = queue->min_vruntime;
	if (curr)
		vruntime = curr->vruntime;
	if (left)
		vruntime = !curr || left->vruntime - vruntime < 0 ? left->vruntime : vruntime;
	if (vruntime - queue->min_vruntime > 0)
		queue->min_vruntime = vruntime;
}

/* sched_slice: the latency period, stretched when many run, cut by weight at every level. */
static uint64_t slice_of(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	struct cgr_fair *fair = queue->fair;
	uint32_t nr = cgr_fair_root(fair, queue->cpu)->h_nr_queued + !se->on_rq;
	uint64_t slice = nr > NR_LATENCY ? nr * fair->min_granularity_ns : fair->latency_ns;
	struct cgr_fair_queue *first = queue;
	struct cgr_fair_entity *own = se;
	for (; se; se = se->parent) {
		uint64_t load = se->queue->load + (se->on_rq ? 0 : se->load);
		slice = cgr_calc_delta(slice, cgr_load_to_weight(se->load), cgr_load_inverse(load));
	}
	bool idle = cgr_fair_entity_is_idle(own) && first->h_nr_idle < first->h_nr_queued;
	uint64_t least = idle ? fair->idle_min_granularity_ns : fair->min_granularity_ns;
	return slice > least ? slice : least;
}

static void place(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags)
{
	struct cgr_fair *fair = queue->fair;
	if (se->rel_vruntime) {
		se->vruntime += queue->min_vruntime;
		se->rel_vruntime = false;
	}
	int64_t vruntime = queue->min_vruntime;
	if (flags & CGR_ENQ_NEW) {
		/* START_DEBIT: after those who already wait; never before its parent */
		if (running(queue))
			se->vruntime = queue->curr->vruntime;
		else
			se->vruntime = vruntime;
		vruntime += (int64_t)cgr_fair_delta(slice_of(queue, se), se);
	} else if (flags & CGR_ENQ_WAKEUP) {
		uint64_t credit = cgr_fair_entity_is_idle(se) ? fair->min_granularity_ns : fair->latency_ns;
		vruntime -= (int64_t)(credit >> 1); /* GENTLE_FAIR_SLEEPERS */
	} else {
		return;
	}
	if (vruntime - se->vruntime > 0)
		se->vruntime = vruntime;
}

static bool advance(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr, uint64_t delta_ns)
{
	curr->vruntime += (int64_t)cgr_fair_delta(delta_ns, curr);
	update_min(queue);
	return false;
}

static void tree_insert(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	cgr_timeline_insert(queue, se, se->vruntime);
}

static void tree_remove(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	cgr_timeline_remove(queue, se);
}

static void leaving(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags)
{
	(void)queue;
	(void)se;
	(void)flags;
}

static void left(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags)
{
	if (!(flags & CGR_DEQ_SLEEP)) {
		se->vruntime -= queue->min_vruntime;
		se->rel_vruntime = true;
	}
	update_min(queue);
}

static bool eligible(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	(void)queue;
	(void)se;
	return true;
}

static int64_t wakeup_granularity(const struct cgr_fair_queue *queue, const struct cgr_fair_entity *se)
{
	return (int64_t)cgr_fair_delta(queue->fair->wakeup_granularity_ns, se);
}

/* wakeup_preempt_entity: -1 se is not behind, 0 behind by less than a granularity, 1 by more */
static int behind(const struct cgr_fair_queue *queue, const struct cgr_fair_entity *curr,
                  const struct cgr_fair_entity *se)
{
	int64_t difference = curr->vruntime - se->vruntime;
	if (difference <= 0)
		return -1;
	return difference > wakeup_granularity(queue, se) ? 1 : 0;
}

static struct cgr_fair_entity *second_choice(struct cgr_fair_queue *queue, struct cgr_fair_entity *skipped,
                                             struct cgr_fair_entity *curr)
{
	if (skipped == curr)
		return queue->leftmost;
	struct cgr_fair_entity *second = cgr_timeline_second(queue);
	return !second || (curr && curr->vruntime - second->vruntime < 0) ? curr : second;
}

static struct cgr_fair_entity *pick(struct cgr_fair_queue *queue)
{
	struct cgr_fair_entity *curr = running(queue), *left_one = queue->leftmost;
	if (!left_one || (curr && curr->vruntime - left_one->vruntime < 0))
		left_one = curr;
	struct cgr_fair_entity *se = left_one;
	if (!se)
		return NULL;
	if (queue->skip == se) {
		struct cgr_fair_entity *second = second_choice(queue, se, curr);
		if (second && behind(queue, second, left_one) < 1)
			se = second;
	}
	if (queue->next && behind(queue, queue->next, left_one) < 1)
		se = queue->next;
	else if (queue->last && behind(queue, queue->last, left_one) < 1)
		se = queue->last;
	return se;
}

static void set_next(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, bool first)
{
	(void)queue;
	(void)se;
	(void)first;
}

/* check_preempt_tick */
static void tick(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr)
{
	struct cgr_fair *fair = queue->fair;
	if (queue->nr_queued <= 1)
		return;
	uint64_t ideal = slice_of(queue, curr);
	if (ideal > fair->latency_ns)
		ideal = fair->latency_ns;
	uint64_t ran = curr->sum_exec_ns - curr->prev_sum_exec_ns;
	if (ran > ideal) {
		cgr_fair_resched(fair, queue->cpu);
		cgr_fair_clear_buddies(queue, curr);
		return;
	}
	if (ran < fair->min_granularity_ns || !queue->leftmost)
		return;
	int64_t ahead = curr->vruntime - queue->leftmost->vruntime;
	if (ahead > 0 && ahead > (int64_t)ideal)
		cgr_fair_resched(fair, queue->cpu);
}

static void mark(struct cgr_fair_entity *se, bool last)
{
	for (; se; se = se->parent) {
		if (!se->on_rq || cgr_fair_entity_is_idle(se))
			return;
		if (last)
			se->queue->last = se;
		else
			se->queue->next = se;
	}
}

static bool preempt(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr, struct cgr_fair_entity *woken,
                    bool normal_policy)
{
	bool curr_idle = cgr_fair_entity_is_idle(curr), woken_idle = cgr_fair_entity_is_idle(woken);
	bool many = queue->nr_queued >= NR_LATENCY; /* LAST_BUDDY pays only then */
	if (curr_idle && !woken_idle)
		return true;
	if (curr_idle != woken_idle || !normal_policy)
		return false;
	cgr_fair_update_curr(queue);
	if (behind(queue, curr, woken) != 1)
		return false;
	mark(woken, false);
	if (many && curr->on_rq && !curr->owned)
		mark(curr, true);
	return true;
}

static void yield(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr)
{
	for (; curr; curr = curr->parent) {
		queue = curr->queue;
		queue->skip = curr;
	}
}

static void reweight(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, uint64_t load)
{
	if (se->on_rq) {
		if (queue->curr == se)
			cgr_fair_update_curr(queue);
		queue->load -= se->load;
	}
	cgr_fair_set_load(se, load);
	if (se->on_rq)
		queue->load += se->load;
}

static void requeue_delayed(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	(void)queue;
	(void)se;
}

static void migrating(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	if (se->rel_vruntime)
		return;
	se->vruntime -= queue->min_vruntime;
	se->rel_vruntime = true;
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
	PARAM_LATENCY,
	PARAM_MIN_GRANULARITY,
	PARAM_WAKEUP_GRANULARITY,
	PARAM_BANDWIDTH_SLICE,
	PARAM_PHASE,
	PARAM_MIGRATION_COST
};
static const struct cgr_param_desc params[] = {
	{ "latency_ns", "ns", "targeted preemption latency before scaling by CPUs", 6000000, 100000, 1000000000 },
	{ "min_granularity_ns", "ns", "least run before preemption, before scaling", 750000, 100000, 1000000000 },
	{ "wakeup_granularity_ns", "ns", "lead a woken task needs to preempt, before scaling", 1000000, 0, 1000000000 },
	{ "bandwidth_slice_us", "usec", "what a CPU fetches from the pool at a time (sched_cfs_bandwidth_slice_us)", 5000,
	  1, 1000000 },
	{ "phase_ns", "ns", "offset of every bandwidth period grid; -1: drawn by lot", -1, -1, 1000000000 },
	{ "migration_cost_ns", "ns", "how long a task counts as cache hot", 500000, 0, 100000000 },
};

static int init(struct cgr_ctx *ctx)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	uint32_t n = ctx->n_cpus < 8 ? ctx->n_cpus : 8;
	uint64_t factor = 1; /* get_update_sysctl_factor */
	while (n >>= 1)
		factor++;
	fair->latency_ns = (uint64_t)cgr_param(ctx, PARAM_LATENCY) * factor;
	fair->min_granularity_ns = (uint64_t)cgr_param(ctx, PARAM_MIN_GRANULARITY) * factor;
	fair->wakeup_granularity_ns = (uint64_t)cgr_param(ctx, PARAM_WAKEUP_GRANULARITY) * factor;
	fair->idle_min_granularity_ns = 750000;
	fair->bandwidth_slice_ns = (uint64_t)cgr_param(ctx, PARAM_BANDWIDTH_SLICE) * 1000;
	fair->phase_ns = cgr_param(ctx, PARAM_PHASE);
	fair->migration_cost_ns = (uint64_t)cgr_param(ctx, PARAM_MIGRATION_COST);
	return cgr_fair_init(ctx, &policy);
}

const struct cgr_cpu_ops cgr_cpu_cfs = {
	.head = {
		.struct_size = sizeof(struct cgr_cpu_ops),
		.abi_version = CGR_MODEL_ABI,
		.domain = CGR_DOMAIN_CPU,
		.name = "cfs",
		.summary = "fair class to 6.5: smallest virtual runtime first",
		.doc = "Models kernel/sched/fair.c of 6.1: sleeper credit, start debit, tick and wake-up preemption by granularities, "
		       "next, last and skip buddies, group weights from load averages, bandwidth control that takes the whole group "
		       "off, CPU choice and balancing within one cache domain. Leaves out: SMT and NUMA topology, "
		       "asymmetric capacity, core scheduling.",
		.needs = 1ull << CGR_EV_SWITCH,
		.params = params,
		.n_params = sizeof(params) / sizeof(params[0]),
		CGR_FAIR_HEAD_OPS,
		.init = init,
	},
	CGR_FAIR_CPU_OPS,
};
