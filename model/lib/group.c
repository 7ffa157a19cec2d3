/* Load averages and the group weights made from them (kernel: update_load_avg, attach_entity_load_avg,
 * update_tg_load_avg, update_tg_cfs_load, calc_group_shares, update_cfs_group). Migrated load reaches the parents
 * at once instead of at their next update: the sums are the same, the moment differs by less than a tick. */
#include "model/lib/fair.h"

#define MIN_SHARES 2u
#define TG_UPDATE_NS 1000000u
#define PELT_MIN_DIVIDER (CGR_PELT_SUM_MAX - 1024u)

static uint64_t weight_of(const struct cgr_fair_entity *se)
{
	return cgr_load_to_weight(se->load);
}

static void add_clamped(uint64_t *value, int64_t delta)
{
	*value = delta < 0 && *value < (uint64_t)-delta ? 0 : *value + (uint64_t)delta;
}

static void keep_sum_above_average(struct cgr_pelt *pelt)
{
	if (pelt->load_sum < pelt->load_avg * PELT_MIN_DIVIDER)
		pelt->load_sum = pelt->load_avg * PELT_MIN_DIVIDER;
	if (pelt->runnable_sum < pelt->runnable_avg * PELT_MIN_DIVIDER)
		pelt->runnable_sum = pelt->runnable_avg * PELT_MIN_DIVIDER;
	if (pelt->util_sum < pelt->util_avg * PELT_MIN_DIVIDER)
		pelt->util_sum = pelt->util_avg * PELT_MIN_DIVIDER;
}

static void queue_load_add(struct cgr_fair_queue *queue, const struct cgr_fair_entity *se)
{
	queue->pelt.load_avg += se->pelt.load_avg;
	queue->pelt.load_sum += weight_of(se) * se->pelt.load_sum;
}

static void queue_load_sub(struct cgr_fair_queue *queue, const struct cgr_fair_entity *se)
{
	add_clamped(&queue->pelt.load_avg, -(int64_t)se->pelt.load_avg);
	add_clamped(&queue->pelt.load_sum, -(int64_t)(weight_of(se) * se->pelt.load_sum));
	keep_sum_above_average(&queue->pelt);
}

static void propagate(struct cgr_fair_queue *queue, int64_t load_sum)
{
	queue->propagate = true;
	queue->propagate_sum += load_sum;
}

static void attach(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	uint64_t divider = cgr_pelt_divider(&queue->pelt);
	uint64_t weight = weight_of(se);
	se->pelt.last_ns = queue->pelt.last_ns;
	se->pelt.contrib_us = queue->pelt.contrib_us;
	se->pelt.util_sum = se->pelt.util_avg * divider;
	se->pelt.runnable_sum = se->pelt.runnable_avg * divider;
	se->pelt.load_sum = se->pelt.load_avg * divider;
	se->pelt.load_sum = weight < se->pelt.load_sum ? se->pelt.load_sum / weight : 1;
	se->pelt_attached = true;
	queue_load_add(queue, se);
	queue->pelt.util_avg += se->pelt.util_avg;
	queue->pelt.util_sum += se->pelt.util_sum;
	queue->pelt.runnable_avg += se->pelt.runnable_avg;
	queue->pelt.runnable_sum += se->pelt.runnable_sum;
	propagate(queue, (int64_t)se->pelt.load_sum);
}

static void detach(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	queue_load_sub(queue, se);
	add_clamped(&queue->pelt.util_avg, -(int64_t)se->pelt.util_avg);
	add_clamped(&queue->pelt.util_sum, -(int64_t)se->pelt.util_sum);
	add_clamped(&queue->pelt.runnable_avg, -(int64_t)se->pelt.runnable_avg);
	add_clamped(&queue->pelt.runnable_sum, -(int64_t)se->pelt.runnable_sum);
	keep_sum_above_average(&queue->pelt);
	se->pelt_attached = false;
	propagate(queue, -(int64_t)se->pelt.load_sum);
}

/* update_tg_cfs_util, update_tg_cfs_runnable: an average of the entity becomes that of its queue, and the parent
 * queue's moves by as much. */
static void pass_up_average(uint64_t *avg, uint64_t *sum, uint64_t *up_avg, uint64_t *up_sum, uint64_t owned_avg,
                            uint64_t divider)
{
	int64_t delta = (int64_t)owned_avg - (int64_t)*avg;
	if (!delta)
		return;
	*avg = owned_avg;
	*sum = owned_avg * divider;
	add_clamped(up_avg, delta);
	add_clamped(up_sum, delta * (int64_t)divider);
}

/* update_tg_cfs_load: what joined or left a group's queue shows in its entity and in the parent queue. */
static void pass_up(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	struct cgr_fair_queue *owned = se->owned;
	int64_t sum = owned->propagate_sum;
	owned->propagate = false;
	owned->propagate_sum = 0;
	uint64_t divider = cgr_pelt_divider(&queue->pelt);
	pass_up_average(&se->pelt.util_avg, &se->pelt.util_sum, &queue->pelt.util_avg, &queue->pelt.util_sum,
	                owned->pelt.util_avg, divider);
	pass_up_average(&se->pelt.runnable_avg, &se->pelt.runnable_sum, &queue->pelt.runnable_avg,
	                &queue->pelt.runnable_sum, owned->pelt.runnable_avg, divider);
	propagate(queue, sum);
	if (!sum)
		return;
	if (sum >= 0) {
		sum += (int64_t)se->pelt.load_sum;
		sum = sum < (int64_t)divider ? sum : (int64_t)divider;
	} else {
		uint64_t weight = cgr_load_to_weight(owned->load);
		uint64_t now = weight ? owned->pelt.load_sum / weight : 0;
		sum = (int64_t)(now < se->pelt.load_sum ? now : se->pelt.load_sum);
	}
	int64_t running = (int64_t)(se->pelt.util_sum >> 10);
	sum = sum > running ? sum : running;
	uint64_t weight = weight_of(se);
	uint64_t load_sum = weight * (uint64_t)sum;
	uint64_t load_avg = load_sum / divider;
	int64_t delta_avg = (int64_t)load_avg - (int64_t)se->pelt.load_avg;
	if (!delta_avg)
		return;
	int64_t delta_sum = (int64_t)load_sum - (int64_t)(weight * se->pelt.load_sum);
	se->pelt.load_sum = (uint64_t)sum;
	se->pelt.load_avg = load_avg;
	add_clamped(&queue->pelt.load_avg, delta_avg);
	add_clamped(&queue->pelt.load_sum, delta_sum);
	keep_sum_above_average(&queue->pelt);
}

static void update_tg(struct cgr_fair_queue *queue)
{
	if (!queue->entity)
		return;
	struct cgr_fair *fair = queue->fair;
	uint64_t now = fair->ctx->now_ns;
	if (fair->tg_rate_limit && queue->tg_updated_ns && now + 1 - queue->tg_updated_ns < TG_UPDATE_NS)
		return;
	int64_t delta = (int64_t)queue->pelt.load_avg - (int64_t)queue->tg_contrib;
	if ((delta < 0 ? -delta : delta) > (int64_t)(queue->tg_contrib / 64)) {
		add_clamped(&queue->group->load_avg, delta);
		queue->tg_contrib = queue->pelt.load_avg;
		queue->tg_updated_ns = now + 1;
	}
}

static bool advance_queue(struct cgr_fair_queue *queue)
{
	if (queue->pelt_frozen)
		return false;
	if (!cgr_pelt_advance(&queue->pelt, queue->fair->ctx->now_ns, cgr_load_to_weight(queue->load), queue->h_nr_runnable,
	                      queue->curr))
		return false;
	cgr_pelt_average(&queue->pelt, 1);
	return true;
}

/* se_runnable */
static uint32_t runnable_of(const struct cgr_fair_entity *se)
{
	if (se->delayed)
		return 0;
	return se->owned ? se->runnable : se->on_rq;
}

/* se_update_runnable: by now the tasks below are counted, but the time so far went with as many as there were then. */
void cgr_fair_runnable_update(struct cgr_fair_entity *se)
{
	if (se->owned)
		se->runnable = se->owned->h_nr_runnable;
}

void cgr_fair_load_update(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags)
{
	if (!queue->on_leaf_list) {
		struct cgr_fair_cpu *cpu = cgr_fair_cpu(queue->fair, queue->cpu);
		queue->on_leaf_list = true;
		queue->leaf_next = cpu->leaf_head;
		cpu->leaf_head = queue;
	}
	if (se->pelt_attached && !queue->pelt_frozen &&
	    cgr_pelt_advance(&se->pelt, queue->fair->ctx->now_ns, se->on_rq, runnable_of(se), queue->curr == se))
		cgr_pelt_average(&se->pelt, weight_of(se));
	bool decayed = advance_queue(queue);
	if (se->owned && se->owned->propagate) {
		pass_up(queue, se);
		decayed = true;
	}
	if (!se->pelt_attached && (flags & CGR_LOAD_ATTACH)) {
		attach(queue, se);
		update_tg(queue);
	} else if (se->pelt_attached && (flags & CGR_LOAD_DETACH)) {
		detach(queue, se);
		update_tg(queue);
	} else if (decayed && (flags & CGR_LOAD_UPDATE_TG)) {
		update_tg(queue);
	}
}

void cgr_fair_load_detach_sleeping(struct cgr_fair_entity *se)
{
	if (!se->pelt_attached)
		return;
	struct cgr_fair_queue *queue = se->queue;
	cgr_fair_load_update(queue, se, CGR_LOAD_DETACH);
	for (struct cgr_fair_entity *up = queue->entity; up; up = up->parent)
		cgr_fair_load_update(up->queue, up, CGR_LOAD_UPDATE_TG);
}

void cgr_fair_load_init(struct cgr_fair_entity *se)
{
	/* init_entity_runnable_average: a new task weighs in full, a group nothing until tasks come. */
	se->pelt = (struct cgr_pelt){ .load_avg = se->owned ? 0 : weight_of(se) };
	se->pelt_attached = false;
}

/* post_init_entity_util_avg: half of what the CPU has left, or what its queue makes of the same weight. */
void cgr_fair_load_first(struct cgr_fair_entity *se)
{
	const struct cgr_pelt *queue = &se->queue->pelt;
	uint64_t cap = queue->util_avg < 1024 ? (1024 - queue->util_avg) / 2 : 0;
	uint64_t util = queue->util_avg * weight_of(se) / (queue->load_avg + 1);
	se->pelt.util_avg = se->pelt.runnable_avg = queue->util_avg && util < cap ? util : cap;
}

uint64_t cgr_fair_group_load(const struct cgr_fair_queue *queue)
{
	const struct cgr_fair_group *group = queue->group;
	uint64_t load = cgr_load_to_weight(queue->load);
	if (queue->pelt.load_avg > load)
		load = queue->pelt.load_avg;
	uint64_t sum = group->load_avg > queue->tg_contrib ? group->load_avg - queue->tg_contrib : 0;
	sum += load;
	uint64_t shares = group->shares * load;
	if (sum)
		shares /= sum;
	if (shares < MIN_SHARES)
		shares = MIN_SHARES;
	return shares > group->shares ? group->shares : shares;
}

void cgr_fair_group_update(struct cgr_fair_entity *se)
{
	/* 6.18 keeps the weight of an empty group for delayed dequeue; 6.1 would compute the same value from 0. */
	if (!se->owned || !se->owned->load)
		return;
	uint64_t load = cgr_fair_group_load(se->owned);
	if (load == se->load)
		return;
	if (!se->queue->fair->delay_dequeue && se->owned->throttle_count)
		return; /* 6.1: throttled groups keep theirs */
	struct cgr_fair_queue *queue = se->queue;
	uint64_t old_weight = weight_of(se);
	queue->fair->policy->reweight(queue, se, load);
	/* the load average follows the new weight */
	add_clamped(&queue->pelt.load_avg, -(int64_t)se->pelt.load_avg);
	add_clamped(&queue->pelt.load_sum, -(int64_t)(old_weight * se->pelt.load_sum));
	keep_sum_above_average(&queue->pelt);
	se->pelt.load_avg = weight_of(se) * se->pelt.load_sum / cgr_pelt_divider(&se->pelt);
	queue_load_add(queue, se);
}

void cgr_fair_shares_write(struct cgr_fair *fair, struct cgr_fair_group *group, uint64_t load)
{
	if (group->shares == load)
		return;
	group->shares = load;
	for (uint32_t cpu = 0; cpu < fair->ctx->n_cpus; cpu++) {
		struct cgr_fair_entity *se = &cgr_fair_slot(fair, group->cgroup, cpu)->entity;
		for (; se; se = se->parent) {
			cgr_fair_load_update(se->queue, se, CGR_LOAD_UPDATE_TG);
			cgr_fair_group_update(se);
		}
	}
}

/* sched_balance_update_blocked_averages: queues nobody runs on decay too, and stop counting in their group. */
void cgr_fair_blocked_update(struct cgr_fair *fair, uint32_t cpu)
{
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	struct cgr_fair_queue **link = &rq->leaf_head;
	while (*link) {
		struct cgr_fair_queue *queue = *link;
		if (advance_queue(queue))
			update_tg(queue);
		if (queue->entity && (queue->entity->pelt_attached || queue->propagate))
			cgr_fair_load_update(queue->entity->queue, queue->entity, 0);
		if (queue->entity && !queue->nr_queued && !queue->pelt.load_avg && !queue->tg_contrib) {
			queue->on_leaf_list = false;
			*link = queue->leaf_next;
		} else {
			link = &queue->leaf_next;
		}
	}
}

uint64_t cgr_fair_task_h_load(struct cgr_fair *fair, uint32_t task)
{
	/* The task's load as the root queue sees it: scaled by every group's part in its parent. */
	struct cgr_fair_entity *se = &cgr_fair_task(fair, task)->entity;
	uint64_t load = se->pelt.load_avg;
	for (struct cgr_fair_queue *queue = se->queue; queue && queue->entity; queue = queue->entity->queue)
		load = load * queue->entity->pelt.load_avg / (queue->pelt.load_avg + 1);
	return load;
}
