/* Entities on queues, queues in groups (kernel: enqueue_task_fair, dequeue_entities, enqueue_entity, dequeue_entity,
 * update_curr). Virtual time itself is the policy's. */
#include "model/lib/fair.h"

bool cgr_fair_entity_is_idle(const struct cgr_fair_entity *se)
{
	if (se->owned)
		return se->owned->group->idle;
	return cgr_fair_task(se->queue->fair, se->id)->policy == 5;
}

void cgr_fair_resched(struct cgr_fair *fair, uint32_t cpu)
{
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	if (rq->resched)
		return;
	rq->resched = true;
	cgr_resched(fair->ctx, cpu);
}

void cgr_fair_add_running(struct cgr_fair *fair, uint32_t cpu, int32_t tasks)
{
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	rq->nr_tasks += (uint32_t)tasks;
	if (tasks > 0 && rq->nr_tasks >= 2)
		fair->overloaded = true;
}

void cgr_fair_show_throttled(struct cgr_fair *fair, uint32_t task, bool throttled)
{
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	if (t->shown_throttled == throttled)
		return;
	t->shown_throttled = throttled;
	fair->ctx->host->task_throttled(fair->ctx, task, throttled);
}

/* The CPU's list of queued tasks, newest first: the order in which balancing looks at them (cfs_tasks). */
void cgr_fair_list_add(struct cgr_fair *fair, uint32_t cpu, uint32_t task)
{
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	t->list_prev = 0;
	t->list_next = rq->list_head;
	if (rq->list_head)
		cgr_fair_task(fair, rq->list_head)->list_prev = task;
	else
		rq->list_tail = task;
	rq->list_head = task;
	t->queued_here = true;
}

void cgr_fair_list_remove(struct cgr_fair *fair, uint32_t cpu, uint32_t task)
{
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	if (t->list_prev)
		cgr_fair_task(fair, t->list_prev)->list_next = t->list_next;
	else
		rq->list_head = t->list_next;
	if (t->list_next)
		cgr_fair_task(fair, t->list_next)->list_prev = t->list_prev;
	else
		rq->list_tail = t->list_prev;
	t->list_next = t->list_prev = 0;
	t->queued_here = false;
}

static void clear_upward(struct cgr_fair_entity *se, size_t member)
{
	for (; se; se = se->parent) {
		struct cgr_fair_entity **buddy = (struct cgr_fair_entity **)(void *)((char *)se->queue + member);
		if (*buddy != se)
			break;
		*buddy = NULL;
	}
}

void cgr_fair_clear_buddies(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	if (queue->next == se)
		clear_upward(se, offsetof(struct cgr_fair_queue, next));
	if (queue->last == se)
		clear_upward(se, offsetof(struct cgr_fair_queue, last));
	if (queue->skip == se)
		clear_upward(se, offsetof(struct cgr_fair_queue, skip));
}

void cgr_fair_update_curr(struct cgr_fair_queue *queue)
{
	struct cgr_fair_entity *curr = queue->curr;
	struct cgr_fair *fair = queue->fair;
	if (!curr || fair->ctx->now_ns <= curr->exec_start_ns)
		return;
	uint64_t delta = fair->ctx->now_ns - curr->exec_start_ns;
	curr->exec_start_ns = fair->ctx->now_ns;
	curr->sum_exec_ns += delta;
	bool resched = fair->policy->advance(queue, curr, delta);
	cgr_bandwidth_account(queue, delta);
	if (resched) {
		cgr_fair_resched(fair, queue->cpu);
		cgr_fair_clear_buddies(queue, curr);
	}
}

void cgr_fair_enqueue_entity(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags)
{
	struct cgr_fair *fair = queue->fair;
	bool curr = queue->curr == se;
	if (curr)
		fair->policy->place(queue, se, flags);
	cgr_fair_update_curr(queue);
	cgr_fair_load_update(queue, se, CGR_LOAD_UPDATE_TG | CGR_LOAD_ATTACH);
	cgr_fair_runnable_update(se);
	cgr_fair_group_update(se);
	if (!curr)
		fair->policy->place(queue, se, flags);
	queue->load += se->load;
	queue->nr_queued++;
	if (!se->owned)
		cgr_fair_list_add(fair, queue->cpu, se->id);
	if (flags & CGR_ENQ_MIGRATED)
		se->exec_start_ns = 0;
	if (!curr)
		fair->policy->tree_insert(queue, se);
	se->on_rq = true;
	if (queue->nr_queued == 1) {
		cgr_bandwidth_check_enqueue(queue);
		if (fair->task_throttle && queue->pelt_frozen) {
			queue->pelt_frozen = false;
			queue->pelt.last_ns = fair->ctx->now_ns;
		}
	}
}

static void count_runnable(struct cgr_fair_entity *se, bool more)
{
	if (se->owned)
		return;
	for (; se; se = se->parent)
		se->queue->h_nr_runnable += more ? 1u : UINT32_MAX;
}

/* Returns false when the entity stays queued until it has paid its debt (DELAY_DEQUEUE). */
bool cgr_fair_dequeue_entity(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags)
{
	struct cgr_fair *fair = queue->fair;
	bool sleep = flags & CGR_DEQ_SLEEP;
	cgr_fair_update_curr(queue);
	cgr_fair_clear_buddies(queue, se);
	if (!(flags & CGR_FAIR_DEQ_DELAYED) && sleep && fair->delay_dequeue &&
	    !(flags & (CGR_FAIR_DEQ_THROTTLE | CGR_DEQ_EXIT)) && !fair->policy->eligible(queue, se)) {
		cgr_fair_load_update(queue, se, 0);
		se->delayed = true;
		count_runnable(se, false);
		return false;
	}
	cgr_fair_load_update(queue, se,
	                     CGR_LOAD_UPDATE_TG | (!sleep && !se->owned && (flags & CGR_DEQ_MOVE) ? CGR_LOAD_DETACH : 0));
	cgr_fair_runnable_update(se);
	fair->policy->leaving(queue, se, flags);
	if (se != queue->curr)
		fair->policy->tree_remove(queue, se);
	se->on_rq = false;
	queue->load -= se->load;
	queue->nr_queued--;
	if (!se->owned)
		cgr_fair_list_remove(fair, queue->cpu, se->id);
	fair->policy->left(queue, se, flags);
	cgr_bandwidth_return(queue);
	cgr_fair_group_update(se);
	if (flags & CGR_FAIR_DEQ_DELAYED) {
		se->delayed = false;
		count_runnable(se, true);
		if (se->vlag > 0)
			se->vlag = 0;
	}
	if (fair->task_throttle && !queue->nr_queued && queue->throttle_count)
		queue->pelt_frozen = true;
	return true;
}

static void requeue_delayed(struct cgr_fair_entity *se)
{
	struct cgr_fair_queue *queue = se->queue;
	queue->fair->policy->requeue_delayed(queue, se);
	cgr_fair_load_update(queue, se, 0);
	se->delayed = false;
	count_runnable(se, true);
}

static void set_slice(struct cgr_fair_entity *se, uint64_t slice_ns)
{
	/* A group asks for the shortest slice of those it serves. */
	if (slice_ns == UINT64_MAX || se->slice_ns == slice_ns)
		return;
	se->slice_ns = slice_ns;
	cgr_timeline_refresh(se->queue, se);
}

static void count_up(struct cgr_fair_queue *queue, uint32_t runnable, uint32_t *idle)
{
	queue->h_nr_runnable += runnable;
	queue->h_nr_queued++;
	queue->h_nr_idle += *idle;
	if (queue->group->idle)
		*idle = 1;
}

void cgr_fair_enqueue_task(struct cgr_fair *fair, uint32_t cpu, uint32_t task, unsigned flags)
{
	struct cgr_fair_entity *se = &cgr_fair_task(fair, task)->entity;
	if (se->on_rq) {
		if (se->delayed)
			requeue_delayed(se);
		return;
	}
	uint32_t idle = cgr_fair_entity_is_idle(se);
	uint64_t slice_ns = UINT64_MAX;
	for (; se; se = se->parent) {
		if (se->on_rq) {
			if (se->delayed)
				requeue_delayed(se);
			break;
		}
		if (slice_ns != UINT64_MAX) {
			se->slice_ns = slice_ns;
			se->custom_slice = true;
		}
		struct cgr_fair_queue *queue = se->queue;
		cgr_fair_enqueue_entity(queue, se, flags);
		slice_ns = cgr_timeline_min_slice(queue);
		count_up(queue, 1, &idle);
		if (!fair->task_throttle && queue->throttled)
			return;
		flags = CGR_ENQ_WAKEUP;
	}
	for (; se; se = se->parent) {
		struct cgr_fair_queue *queue = se->queue;
		cgr_fair_load_update(queue, se, CGR_LOAD_UPDATE_TG);
		cgr_fair_runnable_update(se);
		cgr_fair_group_update(se);
		set_slice(se, slice_ns);
		slice_ns = cgr_timeline_min_slice(queue);
		count_up(queue, 1, &idle);
		if (!fair->task_throttle && queue->throttled)
			return;
	}
	cgr_fair_add_running(fair, cpu, 1);
}

static void set_next_buddy(struct cgr_fair_entity *se)
{
	for (; se; se = se->parent) {
		if (!se->on_rq || cgr_fair_entity_is_idle(se))
			return;
		se->queue->next = se;
	}
}

struct leaving {
	uint32_t queued, runnable, idle;
	bool throttle;
};

static bool count_down(struct cgr_fair_queue *queue, struct leaving *gone)
{
	queue->h_nr_runnable -= gone->runnable;
	queue->h_nr_queued -= gone->queued;
	queue->h_nr_idle -= gone->idle;
	if (queue->group->idle)
		gone->idle = gone->queued;
	if (gone->throttle && queue->throttle_count)
		cgr_bandwidth_record_clock(queue);
	return !queue->fair->task_throttle && queue->throttled; /* hidden queue: nothing above knows of it */
}

static bool dequeue_entities(struct cgr_fair *fair, struct cgr_fair_entity *se, unsigned flags)
{
	struct cgr_fair_entity *first = se;
	uint32_t cpu = se->queue->cpu;
	bool was_sched_idle = cgr_fair_sched_idle(fair, cpu);
	bool sleep = flags & CGR_DEQ_SLEEP;
	struct leaving gone = { .throttle = flags & CGR_FAIR_DEQ_THROTTLE };
	uint64_t slice_ns = UINT64_MAX;
	if (!se->owned) {
		gone.queued = gone.runnable = 1;
		gone.idle = cgr_fair_entity_is_idle(se);
	}
	if (!se->owned && se->delayed && !(flags & CGR_FAIR_DEQ_DELAYED))
		gone.runnable = 0;
	for (; se; se = se->parent) {
		struct cgr_fair_queue *queue = se->queue;
		if (!cgr_fair_dequeue_entity(queue, se, flags)) {
			if (se == first && !se->owned)
				return false;
			slice_ns = cgr_timeline_min_slice(queue);
			break;
		}
		if (count_down(queue, &gone))
			return true;
		if (queue->load) {
			slice_ns = cgr_timeline_min_slice(queue);
			se = se->parent;
			if (sleep && se && (fair->task_throttle || !queue->throttle_count))
				set_next_buddy(se);
			break;
		}
		flags |= CGR_DEQ_SLEEP;
		flags &= ~(CGR_FAIR_DEQ_DELAYED | CGR_DEQ_EXIT | CGR_DEQ_MOVE);
	}
	for (; se; se = se->parent) {
		struct cgr_fair_queue *queue = se->queue;
		cgr_fair_load_update(queue, se, CGR_LOAD_UPDATE_TG);
		cgr_fair_runnable_update(se);
		cgr_fair_group_update(se);
		set_slice(se, slice_ns);
		slice_ns = cgr_timeline_min_slice(queue);
		if (count_down(queue, &gone))
			return true;
	}
	cgr_fair_add_running(fair, cpu, -(int32_t)gone.queued);
	if (!was_sched_idle && cgr_fair_sched_idle(fair, cpu))
		cgr_fair_balance_sooner(fair, cpu);
	return true;
}

bool cgr_fair_dequeue_task(struct cgr_fair *fair, uint32_t task, unsigned flags)
{
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	if (t->in_limbo) {
		cgr_throttle_leave_limbo(fair, task, flags & (CGR_DEQ_SLEEP | CGR_DEQ_EXIT));
		return true;
	}
	if (t->entity.delayed && (flags & CGR_DEQ_EXIT))
		flags |= CGR_FAIR_DEQ_DELAYED;
	return dequeue_entities(fair, &t->entity, flags);
}

/* What pick_next_entity does with a delayed entity it meets: it has paid, now it really goes. */
void cgr_fair_finish_delayed(struct cgr_fair *fair, struct cgr_fair_entity *se)
{
	dequeue_entities(fair, se, CGR_DEQ_SLEEP | CGR_FAIR_DEQ_DELAYED);
}
