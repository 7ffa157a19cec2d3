/* What a throttle does to a run queue, in both forms the kernel had.
 * Up to 6.17 (throttle_cfs_rq): the group's entity leaves the parent queues at once; what wakes joins the hidden queue.
 * From 6.18 (throttle_cfs_rq_work): the hierarchy is only marked; a task picked from it leaves by itself at its return
 * to user mode, into a list ("limbo") from which the unthrottle re-enqueues it. */
#include "model/lib/fair.h"

static void freeze(struct cgr_fair_queue *queue)
{
	queue->pelt_frozen = true;
}

static void unfreeze(struct cgr_fair_queue *queue)
{
	if (!queue->pelt_frozen)
		return;
	/* the averages stood still: what passed does not age them */
	queue->pelt_frozen = false;
	queue->pelt.last_ns = queue->fair->ctx->now_ns;
}

static void count_down(struct cgr_fair *fair, struct cgr_fair_group *group, uint32_t cpu)
{
	struct cgr_fair_queue *queue = &cgr_fair_slot(fair, group->cgroup, cpu)->queue;
	if (queue->throttle_count++ == 0 && (!fair->task_throttle || !queue->nr_queued))
		freeze(queue);
	for (struct cgr_fair_group *child = group->child; child; child = child->sibling)
		count_down(fair, child, cpu);
}

static void limbo_remove(struct cgr_fair *fair, struct cgr_fair_queue *queue, uint32_t task)
{
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	if (t->limbo_prev)
		cgr_fair_task(fair, t->limbo_prev)->limbo_next = t->limbo_next;
	else
		queue->limbo = t->limbo_next;
	if (t->limbo_next)
		cgr_fair_task(fair, t->limbo_next)->limbo_prev = t->limbo_prev;
	t->limbo_next = t->limbo_prev = 0;
	t->in_limbo = false;
}

static void limbo_add(struct cgr_fair *fair, struct cgr_fair_queue *queue, uint32_t task)
{
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	t->throttled = t->in_limbo = true;
	t->limbo_prev = 0;
	t->limbo_next = queue->limbo;
	if (queue->limbo)
		cgr_fair_task(fair, queue->limbo)->limbo_prev = task;
	queue->limbo = task;
	cgr_fair_show_throttled(fair, task, true);
}

/* tg_unthrottle_up: children first. */
static void count_up(struct cgr_fair *fair, struct cgr_fair_group *group, uint32_t cpu)
{
	for (struct cgr_fair_group *child = group->child; child; child = child->sibling)
		count_up(fair, child, cpu);
	struct cgr_fair_queue *queue = &cgr_fair_slot(fair, group->cgroup, cpu)->queue;
	if (!queue->throttle_count || --queue->throttle_count)
		return;
	unfreeze(queue);
	for (uint32_t task = queue->limbo; task;) {
		struct cgr_fair_task *t = cgr_fair_task(fair, task);
		uint32_t next = t->limbo_next;
		limbo_remove(fair, queue, task);
		t->throttled = false;
		cgr_fair_enqueue_task(fair, cpu, task, CGR_ENQ_WAKEUP);
		cgr_fair_show_throttled(fair, task, false);
		task = next;
	}
}

/* Tells the engine which tasks of this CPU wait because of a limit (group form: all that are queued below it). */
static void show_tasks(struct cgr_fair *fair, uint32_t cpu)
{
	if (fair->task_throttle)
		return;
	for (uint32_t task = cgr_fair_cpu(fair, cpu)->list_head; task; task = cgr_fair_task(fair, task)->list_next)
		cgr_fair_show_throttled(fair, task, cgr_fair_task(fair, task)->entity.queue->throttle_count != 0);
}

static void take_group_off(struct cgr_fair_queue *queue)
{
	uint32_t tasks = queue->h_nr_queued, runnable = queue->h_nr_runnable, idle = queue->h_nr_idle;
	struct cgr_fair_entity *se = queue->entity;
	for (; se; se = se->parent) {
		if (!se->on_rq)
			return;
		if (se->delayed)
			cgr_fair_dequeue_entity(se->queue, se, CGR_DEQ_SLEEP | CGR_FAIR_DEQ_DELAYED);
		else
			cgr_fair_dequeue_entity(se->queue, se, CGR_DEQ_SLEEP | CGR_FAIR_DEQ_THROTTLE);
		struct cgr_fair_queue *up = se->queue;
		up->h_nr_queued -= tasks;
		up->h_nr_runnable -= runnable;
		up->h_nr_idle -= idle;
		if (up->load) {
			se = se->parent;
			break;
		}
	}
	for (; se; se = se->parent) {
		if (!se->on_rq)
			return;
		cgr_fair_load_update(se->queue, se, 0);
		cgr_fair_runnable_update(se);
		se->queue->h_nr_queued -= tasks;
		se->queue->h_nr_runnable -= runnable;
		se->queue->h_nr_idle -= idle;
	}
	cgr_fair_add_running(queue->fair, queue->cpu, -(int32_t)tasks);
}

static void put_group_back(struct cgr_fair_queue *queue)
{
	uint32_t tasks = queue->h_nr_queued, runnable = queue->h_nr_runnable, idle = queue->h_nr_idle;
	struct cgr_fair_entity *se = queue->entity;
	for (; se; se = se->parent) {
		if (se->on_rq) {
			if (se->delayed)
				queue->fair->policy->requeue_delayed(se->queue, se);
			break;
		}
		cgr_fair_enqueue_entity(se->queue, se, CGR_ENQ_WAKEUP);
		se->queue->h_nr_queued += tasks;
		se->queue->h_nr_runnable += runnable;
		se->queue->h_nr_idle += idle;
		if (se->queue->throttled)
			return;
	}
	for (; se; se = se->parent) {
		cgr_fair_load_update(se->queue, se, CGR_LOAD_UPDATE_TG);
		cgr_fair_runnable_update(se);
		se->queue->h_nr_queued += tasks;
		se->queue->h_nr_runnable += runnable;
		se->queue->h_nr_idle += idle;
		if (se->queue->throttled)
			return;
	}
	cgr_fair_add_running(queue->fair, queue->cpu, (int32_t)tasks);
}

void cgr_throttle_queue(struct cgr_fair_queue *queue)
{
	struct cgr_fair *fair = queue->fair;
	count_down(fair, queue->group, queue->cpu);
	if (!fair->task_throttle)
		take_group_off(queue);
	queue->throttled = true;
	if (!fair->task_throttle)
		cgr_bandwidth_record_clock(queue);
	show_tasks(fair, queue->cpu);
}

void cgr_unthrottle_queue(struct cgr_fair_queue *queue)
{
	struct cgr_fair *fair = queue->fair;
	count_up(fair, queue->group, queue->cpu);
	if (!fair->task_throttle && queue->load)
		put_group_back(queue);
	show_tasks(fair, queue->cpu);
	if (cgr_cpu_current(fair->ctx, queue->cpu) == CGR_NONE && cgr_fair_root(fair, queue->cpu)->nr_queued)
		cgr_fair_resched(fair, queue->cpu);
}

bool cgr_throttle_enqueue_limbo(struct cgr_fair *fair, uint32_t task)
{
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	struct cgr_fair_queue *queue = t->entity.queue;
	if (queue->throttle_count && cgr_fair_cpu(fair, t->cpu)->curr != task) {
		limbo_add(fair, queue, task);
		return true;
	}
	t->throttled = false;
	cgr_fair_show_throttled(fair, task, false);
	return false;
}

void cgr_throttle_leave_limbo(struct cgr_fair *fair, uint32_t task, bool sleep)
{
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	limbo_remove(fair, t->entity.queue, task);
	if (!sleep)
		return; /* moving: it stays marked, so that a throttled destination takes it straight to limbo */
	t->throttled = false;
	cgr_fair_show_throttled(fair, task, false);
}

bool cgr_throttle_return_to_user(struct cgr_fair *fair, uint32_t cpu, uint32_t task)
{
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	t->throttle_work = false;
	struct cgr_fair_queue *queue = t->entity.queue;
	if (!t->entity.on_rq || t->entity.delayed || t->throttled || !queue->throttle_count ||
	    cgr_task(fair->ctx, task)->exiting)
		return false;
	cgr_fair_dequeue_task(fair, task, CGR_DEQ_SLEEP | CGR_FAIR_DEQ_THROTTLE);
	limbo_add(fair, queue, task);
	cgr_fair_resched(fair, cpu);
	return true;
}
