/* Table entries both fair models use: life cycle, knobs, metrics, and the class's entry points (kernel:
 * pick_task_fair, pick_next_task_fair, put_prev_entity, entity_tick, check_preempt_wakeup). */
#include <stdio.h>
#include <string.h>

#include "common/error.h"
#include "model/lib/fair.h"

enum { KNOB_MAX, KNOB_BURST, KNOB_WEIGHT, KNOB_SHARES, KNOB_IDLE, KNOB_CPUSET, KNOB_PHASE };
const struct cgr_knob_desc cgr_fair_knobs[CGR_FAIR_KNOBS] = {
	{ "cpu.max",
	  CGR_KNOB_QUOTA,
	  "CPU time the group may use per period, both in usec",
	  { CGR_MAX, 100000 },
	  1000,
	  CGR_MAX },
	{ "cpu.max.burst", CGR_KNOB_INT, "unused quota a later period may add, in usec", { 0, 0 }, 0, CGR_MAX },
	{ "cpu.weight", CGR_KNOB_INT, "share against siblings, 100 is normal", { 100, 0 }, 1, 10000 },
	{ "cpu.shares", CGR_KNOB_INT, "cgroup v1 share against siblings, 1024 is normal", { 1024, 0 }, 2, 262144 },
	{ "cpu.idle", CGR_KNOB_INT, "1: the group runs only on time nobody else wants", { 0, 0 }, 0, 1 },
	{ "cpuset.cpus", CGR_KNOB_CPULIST, "CPUs the group's tasks may use", { -1, 0 }, 0, 0 },
	{ "cpu.max.phase",
	  CGR_KNOB_INT,
	  "not a kernel file: offset in ns of the bandwidth timer's grid from the start of the trace, where the recording "
	  "shows it; -1: unknown, drawn by lot",
	  { -1, 0 },
	  -1,
	  1000000000 },
};

const struct cgr_metric_desc cgr_fair_metrics[CGR_FAIR_METRICS] = {
	{ "cpu.stat.nr_periods", "count", "bandwidth periods in which the group was active", CGR_METRIC_COUNTER, 0, 20000,
	  false },
	{ "cpu.stat.nr_throttled", "count", "periods at whose end some CPU was throttled", CGR_METRIC_COUNTER, 1, 40000,
	  true },
	{ "cpu.stat.throttled_usec", "usec", "throttled time, summed over CPUs", CGR_METRIC_COUNTER, 1, 50000, true },
	{ "cpu.stat.nr_bursts", "count", "periods that used more than their quota", CGR_METRIC_COUNTER, 0, 50000, false },
	{ "cpu.stat.burst_usec", "usec", "CPU time used beyond the quota", CGR_METRIC_COUNTER, 0, 50000, false },
};

/* ---- life cycle ---- */
int cgr_fair_init(struct cgr_ctx *ctx, const struct cgr_fair_policy *policy)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	fair->ctx = ctx;
	fair->policy = policy;
	fair->tick_ns = 1000000000u / (ctx->hz ? ctx->hz : 250);
	for (uint32_t cpu = 0; cpu < ctx->n_cpus; cpu++) {
		struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
		rq->curr = CGR_NONE;
		rq->avg_idle_ns = 1000000; /* sched_init: 2 * sysctl_sched_migration_cost */
		rq->newidle_tries = 512; /* a machine that has run for long has learned how often tries pay */
		rq->newidle_success = fair->newidle_ratio / 2;
		rq->newidle_ratio = fair->newidle_ratio;
	}
	cgr_fair_cgroup_online(ctx, 0);
	return cgr_autogroup_init(fair);
}

static void init_slot(struct cgr_fair *fair, struct cgr_fair_group *group, uint32_t cpu)
{
	struct cgr_fair_slot *slot = cgr_fair_slot(fair, group->cgroup, cpu);
	memset(slot, 0, sizeof(*slot));
	struct cgr_fair_queue *queue = &slot->queue;
	queue->fair = fair;
	queue->group = group;
	queue->cpu = cpu;
	queue->tree_seed = group->cgroup * 2654435761u + cpu;
	/* init_cfs_rq: just below wrap-around, to find code that compares without care */
	queue->min_vruntime = queue->zero_vruntime = -(1 << 20);
	if (!group->parent)
		return;
	struct cgr_fair_entity *se = &slot->entity;
	queue->entity = se;
	se->queue = &cgr_fair_slot(fair, group->parent->cgroup, cpu)->queue;
	se->owned = queue;
	se->parent = se->queue->entity;
	se->depth = se->parent ? se->parent->depth + 1 : 0;
	se->id = group->cgroup;
	se->slice_ns = fair->slice_ns;
	cgr_fair_set_load(se, CGR_LOAD_NICE_0);
	cgr_fair_load_init(se);
	queue->throttle_count = se->queue->throttle_count; /* sync_throttle */
	queue->pelt_frozen = queue->throttle_count != 0;
}

void cgr_fair_group_init(struct cgr_fair *fair, uint32_t cgroup, struct cgr_fair_group *parent)
{
	struct cgr_fair_group *group = cgr_fair_group(fair, cgroup);
	memset(group, 0, sizeof(*group));
	group->cgroup = cgroup;
	group->online = true;
	group->shares = CGR_LOAD_NICE_0;
	for (unsigned knob = 0; knob < CGR_FAIR_KNOBS; knob++)
		memcpy(group->knob[knob], cgr_fair_knobs[knob].fallback, sizeof(group->knob[knob]));
	if (parent) {
		group->parent = parent;
		group->sibling = parent->child;
		parent->child = group;
	}
	cgr_bandwidth_init(fair, group);
	for (uint32_t cpu = 0; cpu < fair->ctx->n_cpus; cpu++)
		init_slot(fair, group, cpu);
}

void cgr_fair_cgroup_online(struct cgr_ctx *ctx, uint32_t cgroup)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	if (cgr_fair_group(fair, cgroup)->online)
		return;
	uint32_t parent = cgroup ? cgr_cgroup_parent(ctx, cgroup) : CGR_NONE;
	if (cgroup && parent == CGR_NONE)
		parent = 0;
	cgr_fair_group_init(fair, cgroup, cgroup ? cgr_fair_group(fair, parent) : NULL);
}

void cgr_fair_cgroup_offline(struct cgr_ctx *ctx, uint32_t cgroup)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct cgr_fair_group *group = cgr_fair_group(fair, cgroup);
	if (!group->online || !group->parent)
		return;
	cgr_bandwidth_metrics(fair, group);
	cgr_bandwidth_offline(fair, group);
	/* The group keeps its place in the tree: late tasks (an exit seen after the rmdir) may still be queued in it,
	 * and a directory that comes again gets a new id. */
}

static void set_home(struct cgr_fair *fair, struct cgr_fair_task *t, uint32_t cgroup, uint32_t cpu)
{
	t->cpu = cpu;
	t->cgroup = cgroup;
	struct cgr_fair_entity *se = &t->entity;
	se->queue = &cgr_fair_slot(fair, cgroup, cpu)->queue;
	se->parent = se->queue->entity;
	se->depth = se->parent ? se->parent->depth + 1 : 0;
}

void cgr_fair_task_fork(struct cgr_ctx *ctx, uint32_t task, uint32_t parent)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	const struct cgr_task_info *info = cgr_task(ctx, task);
	memset(t, 0, sizeof(*t));
	t->alive = true;
	t->policy = info->policy;
	t->entity.id = task;
	t->entity.slice_ns = fair->slice_ns;
	t->recent_cpu = info->cpu < ctx->n_cpus ? info->cpu : 0;
	set_home(fair, t, cgr_autogroup_home(fair, task, info->cpu_cgroup), t->recent_cpu);
	cgr_fair_set_load(&t->entity, (uint64_t)cgr_weight_of_task(info->prio, info->policy) << CGR_LOAD_SHIFT);
	cgr_fair_load_init(&t->entity);
	/* Who was there before has a history, and most of them slept: nothing is nearer to that than the full weight of
	 * a new task, and a worker at nice -20 would outweigh all others for seconds. */
	if (parent == CGR_NONE)
		t->entity.pelt.load_avg = 0;
}

static void put_chain(struct cgr_fair *fair, uint32_t cpu);
static void set_chain(struct cgr_fair *fair, uint32_t cpu, uint32_t task);

/* A blocked task that was still paying leaves now. */
static void settle_delayed(struct cgr_fair *fair, struct cgr_fair_task *t)
{
	if (t->entity.delayed)
		cgr_fair_finish_delayed(fair, &t->entity);
}

void cgr_fair_task_exit(struct cgr_ctx *ctx, uint32_t task)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	if (!t->alive)
		return;
	if (cgr_fair_cpu(fair, t->cpu)->curr == task)
		put_chain(fair, t->cpu);
	settle_delayed(fair, t);
	if (t->in_limbo || t->entity.on_rq)
		cgr_fair_dequeue_task(fair, task, CGR_DEQ_SLEEP | CGR_DEQ_EXIT);
	cgr_fair_load_detach_sleeping(&t->entity);
	cgr_fair_show_throttled(fair, task, false);
	t->alive = false;
}

void cgr_fair_task_attach(struct cgr_ctx *ctx, uint32_t task, uint32_t from, uint32_t to)
{
	(void)from;
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	to = cgr_autogroup_home(fair, task, to);
	if (!t->alive || t->cgroup == to)
		return;
	/* sched_move_task: off the queue and off the CPU, change, and back */
	settle_delayed(fair, t);
	bool running = cgr_fair_cpu(fair, t->cpu)->curr == task;
	bool queued = t->entity.on_rq || t->in_limbo;
	if (queued)
		cgr_fair_dequeue_task(fair, task, CGR_DEQ_MOVE);
	if (running)
		put_chain(fair, t->cpu);
	cgr_fair_load_detach_sleeping(&t->entity);
	fair->policy->migrating(t->entity.queue, &t->entity);
	set_home(fair, t, to, t->cpu);
	if (queued)
		cgr_fair_enqueue(ctx, t->cpu, task, CGR_ENQ_MOVE);
	if (running) {
		set_chain(fair, t->cpu, task);
		cgr_fair_resched(fair, t->cpu);
	}
}

void cgr_fair_task_changed(struct cgr_ctx *ctx, uint32_t task)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	const struct cgr_task_info *info = cgr_task(ctx, task);
	uint64_t load = (uint64_t)cgr_weight_of_task(info->prio, info->policy) << CGR_LOAD_SHIFT;
	if (!t->alive)
		return;
	if (t->policy != info->policy) {
		bool was_idle = t->policy == 5, is_idle = info->policy == 5;
		if (was_idle != is_idle && t->entity.on_rq)
			for (struct cgr_fair_entity *se = &t->entity; se; se = se->parent) {
				if (se->queue->group->idle)
					break;
				se->queue->h_nr_idle += is_idle ? 1u : UINT32_MAX;
			}
		t->policy = info->policy;
	}
	if (load != t->entity.load)
		fair->policy->reweight(t->entity.queue, &t->entity, load);
}

/* ---- knobs ---- */
static void write_idle(struct cgr_fair *fair, struct cgr_fair_group *group, bool idle)
{
	group->idle = idle;
	for (uint32_t cpu = 0; cpu < fair->ctx->n_cpus; cpu++) {
		struct cgr_fair_queue *queue = &cgr_fair_slot(fair, group->cgroup, cpu)->queue;
		uint32_t change = idle ? queue->h_nr_queued - queue->h_nr_idle : queue->h_nr_queued;
		uint32_t own = 0;
		if (!idle) /* tasks that are idle by themselves stay so */
			for (uint32_t task = cgr_fair_cpu(fair, cpu)->list_head; task; task = cgr_fair_task(fair, task)->list_next)
				if (cgr_fair_task(fair, task)->entity.queue == queue)
					own += cgr_fair_task(fair, task)->policy == 5;
		for (struct cgr_fair_entity *se = queue->entity; se && se->on_rq; se = se->parent) {
			if (idle)
				se->queue->h_nr_idle += change;
			else
				se->queue->h_nr_idle -= change - own;
			if (se->queue->group->idle)
				break;
		}
	}
	cgr_fair_shares_write(fair, group, (uint64_t)(idle ? CGR_WEIGHT_IDLE : CGR_WEIGHT_NICE_0) << CGR_LOAD_SHIFT);
}

static int write_shares(struct cgr_fair *fair, struct cgr_fair_group *group, int64_t shares)
{
	if (!group->parent || group->idle)
		return CGR_E_SCENARIO;
	shares = shares < 2 ? 2 : shares > 262144 ? 262144 : shares;
	cgr_fair_shares_write(fair, group, (uint64_t)shares << CGR_LOAD_SHIFT);
	return 0;
}

static int write_knob(struct cgr_fair *fair, struct cgr_fair_group *group, unsigned knob, const int64_t v[2])
{
	switch (knob) {
	case KNOB_MAX:
	case KNOB_BURST:
		return group->parent ? cgr_bandwidth_write(fair, group) : CGR_E_SCENARIO;
	case KNOB_WEIGHT:
		return write_shares(fair, group, cgr_weight_to_shares(v[0]));
	case KNOB_SHARES:
		return write_shares(fair, group, v[0]);
	case KNOB_IDLE:
		if (!group->parent || v[0] < 0 || v[0] > 1)
			return CGR_E_SCENARIO;
		write_idle(fair, group, v[0] != 0);
		return 0;
	case KNOB_PHASE:
		if (v[0] >= 0)
			cgr_bandwidth_set_phase(fair, group, (uint64_t)v[0]);
		return 0;
	default:
		return 0; /* cpuset.cpus reaches the model through each task's cpus_allowed */
	}
}

int cgr_fair_knob_write(struct cgr_ctx *ctx, uint32_t cgroup, unsigned knob, const int64_t v[2])
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct cgr_fair_group *group = cgr_fair_group(fair, cgroup);
	if (knob >= CGR_FAIR_KNOBS || !group->online)
		return CGR_E_SCENARIO;
	int64_t before[2] = { group->knob[knob][0], group->knob[knob][1] };
	int64_t wanted[2] = { v[0], knob == KNOB_MAX ? v[1] : 0 };
	if (knob == KNOB_MAX && v[1] == 0)
		wanted[1] = before[1];
	if (memcmp(before, wanted, sizeof(before)) == 0)
		return 0;
	memcpy(group->knob[knob], wanted, sizeof(wanted));
	int rc = write_knob(fair, group, knob, wanted);
	if (rc < 0)
		memcpy(group->knob[knob], before, sizeof(before));
	return rc;
}

void cgr_fair_timer(struct cgr_ctx *ctx, uint64_t cookie)
{
	cgr_bandwidth_timer(cgr_fair_of(ctx), cookie);
}

void cgr_fair_sample(struct cgr_ctx *ctx)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	for (uint32_t cgroup = 0; cgroup < ctx->n_cgroups; cgroup++)
		if (cgr_fair_group(fair, cgroup)->online)
			cgr_bandwidth_metrics(fair, cgr_fair_group(fair, cgroup));
}

/* ---- queueing ---- */
void cgr_fair_enqueue(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task, unsigned flags)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	if (t->cpu != cpu && !t->entity.on_rq) {
		cgr_fair_load_detach_sleeping(&t->entity); /* migrate_task_rq_fair */
		fair->policy->migrating(t->entity.queue, &t->entity);
		set_home(fair, t, t->cgroup, cpu);
		flags |= CGR_ENQ_MIGRATED;
	}
	if (t->throttled && cgr_throttle_enqueue_limbo(fair, task))
		return;
	if (flags & CGR_ENQ_NEW)
		cgr_fair_load_first(&t->entity);
	cgr_fair_enqueue_task(fair, cpu, task, flags);
	if (!fair->task_throttle && t->entity.queue->throttle_count)
		cgr_fair_show_throttled(fair, task, true);
}

bool cgr_fair_dequeue(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task, unsigned flags)
{
	(void)cpu;
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	if (flags & CGR_DEQ_EXIT)
		flags |= CGR_DEQ_SLEEP;
	if (!t->entity.on_rq && !t->in_limbo)
		return true;
	bool gone = cgr_fair_dequeue_task(fair, task, flags);
	if (gone && !t->throttled)
		cgr_fair_show_throttled(fair, task, false);
	return gone;
}

uint32_t cgr_fair_still_queued(struct cgr_ctx *ctx, uint32_t task)
{
	struct cgr_fair_task *t = cgr_fair_task(cgr_fair_of(ctx), task);
	return t->entity.on_rq && t->entity.delayed ? t->cpu : CGR_NONE;
}

/* ---- choice ---- */
static void put_entity(struct cgr_fair_queue *queue, struct cgr_fair_entity *se)
{
	if (se->on_rq)
		cgr_fair_update_curr(queue);
	cgr_bandwidth_check(queue);
	if (se->on_rq) {
		queue->fair->policy->tree_insert(queue, se);
		cgr_fair_load_update(queue, se, 0);
	}
	queue->curr = NULL;
}

static void set_entity(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, bool first)
{
	cgr_fair_clear_buddies(queue, se);
	if (se->on_rq) {
		if (se->in_tree)
			queue->fair->policy->tree_remove(queue, se);
		cgr_fair_load_update(queue, se, CGR_LOAD_UPDATE_TG);
		queue->fair->policy->set_next(queue, se, first);
	}
	se->exec_start_ns = queue->fair->ctx->now_ns;
	queue->curr = se;
	se->prev_sum_exec_ns = se->sum_exec_ns;
}

static void put_chain(struct cgr_fair *fair, uint32_t cpu)
{
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	if (rq->curr == CGR_NONE)
		return;
	for (struct cgr_fair_entity *se = &cgr_fair_task(fair, rq->curr)->entity; se; se = se->parent)
		put_entity(se->queue, se);
	rq->curr = CGR_NONE;
}

static void set_chain(struct cgr_fair *fair, uint32_t cpu, uint32_t task)
{
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	for (struct cgr_fair_entity *se = &cgr_fair_task(fair, task)->entity; se; se = se->parent) {
		set_entity(se->queue, se, true);
		cgr_bandwidth_account(se->queue, 0); /* time must be there before it is used */
	}
	rq->curr = task;
}

/* pick_next_task_fair: only the part of the two chains that differs is put and set. */
static void switch_chain(struct cgr_fair *fair, uint32_t cpu, uint32_t task)
{
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	struct cgr_fair_entity *se = &cgr_fair_task(fair, task)->entity;
	struct cgr_fair_entity *old = &cgr_fair_task(fair, rq->curr)->entity;
	while (se->queue != old->queue) {
		uint32_t depth = se->depth, old_depth = old->depth;
		if (depth <= old_depth) {
			put_entity(old->queue, old);
			old = old->parent;
		}
		if (depth >= old_depth) {
			set_entity(se->queue, se, true);
			se = se->parent;
		}
	}
	put_entity(old->queue, old);
	set_entity(se->queue, se, true);
	rq->curr = task;
}

/* Walks down from the root. *ret_throttled: a level on the way has used up its time (6.18 lets the task run on to its
 * return to user mode). Returns NULL with *ret_again when the walk must start anew. */
static struct cgr_fair_entity *walk(struct cgr_fair *fair, uint32_t cpu, bool *ret_throttled, bool *ret_again)
{
	struct cgr_fair_queue *queue = cgr_fair_root(fair, cpu);
	struct cgr_fair_entity *se = NULL;
	*ret_again = true;
	for (; queue; queue = se->owned) {
		bool running = queue->curr != NULL;
		if (running && queue->curr->on_rq)
			cgr_fair_update_curr(queue);
		if (fair->task_throttle) {
			*ret_throttled |= cgr_bandwidth_check(queue);
		} else if (running && cgr_bandwidth_check(queue)) {
			put_chain(fair, cpu);
			return NULL;
		}
		se = fair->policy->pick(queue);
		if (se && se->delayed) {
			cgr_fair_finish_delayed(fair, se);
			return NULL;
		}
		if (!se)
			break;
	}
	*ret_again = false;
	return se;
}

static struct cgr_fair_entity *choose(struct cgr_fair *fair, uint32_t cpu, bool *ret_throttled)
{
	bool again = true;
	struct cgr_fair_entity *se = NULL;
	while (again && cgr_fair_root(fair, cpu)->nr_queued) {
		*ret_throttled = false;
		se = walk(fair, cpu, ret_throttled, &again);
	}
	return again ? NULL : se;
}

static void note_idle(struct cgr_fair *fair, struct cgr_fair_cpu *rq, bool idle)
{
	uint64_t now = fair->ctx->now_ns;
	if (idle) {
		if (!rq->idle_since_ns)
			rq->idle_since_ns = now + 1;
		return;
	}
	if (!rq->idle_since_ns)
		return;
	/* update_avg(&rq->avg_idle, delta) with its cap of twice the balance cost */
	int64_t delta = (int64_t)(now + 1 - rq->idle_since_ns) - (int64_t)rq->avg_idle_ns;
	int64_t average = (int64_t)rq->avg_idle_ns + delta / 8;
	rq->avg_idle_ns = (uint64_t)(average > 1000000 ? 1000000 : average);
	rq->idle_since_ns = 0;
}

uint32_t cgr_fair_pick(struct cgr_ctx *ctx, uint32_t cpu, uint32_t prev)
{
	(void)prev; /* the queues know who runs */
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	bool throttled = false;
	rq->resched = false;
	struct cgr_fair_entity *se = choose(fair, cpu, &throttled);
	note_idle(fair, rq, !se);
	if (!se) {
		put_chain(fair, cpu);
		rq->resched = false;
		return CGR_NONE;
	}
	uint32_t task = se->id;
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	/* task_throttle_setup_work: neither kernel threads nor exiting tasks return to user mode */
	if (throttled && !cgr_task(ctx, task)->kernel_thread && !cgr_task(ctx, task)->exiting)
		t->throttle_work = true;
	if (rq->curr == CGR_NONE)
		set_chain(fair, cpu, task);
	else if (rq->curr != task)
		switch_chain(fair, cpu, task);
	/* __schedule clears the flag when the choice is made and the one before is put away (clear_tsk_need_resched), so
	 * one that either has raised is void; left standing here, nothing would ever ask for this CPU again */
	rq->resched = false;
	rq->curr_since_ns = ctx->now_ns;
	t->ran_ns = ctx->now_ns;
	if (t->queued_here && rq->list_head != task) {
		cgr_fair_list_remove(fair, cpu, task); /* the running task heads the list */
		cgr_fair_list_add(fair, cpu, task);
	}
	if (t->throttle_work)
		ctx->host->user_return(ctx, cpu, fair->user_return_ns);
	return task;
}

void cgr_fair_put_prev(struct cgr_ctx *ctx, uint32_t cpu, uint32_t prev)
{
	(void)prev;
	struct cgr_fair *fair = cgr_fair_of(ctx);
	put_chain(fair, cpu);
	cgr_fair_cpu(fair, cpu)->resched = false;
}

void cgr_fair_update(struct cgr_ctx *ctx, uint32_t cpu)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	uint32_t task = cgr_fair_cpu(fair, cpu)->curr;
	if (task != CGR_NONE)
		cgr_fair_update_curr(cgr_fair_task(fair, task)->entity.queue);
}

void cgr_fair_tick(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	if (cgr_fair_cpu(fair, cpu)->curr != task)
		return;
	for (struct cgr_fair_entity *se = &cgr_fair_task(fair, task)->entity; se; se = se->parent) {
		cgr_fair_update_curr(se->queue);
		cgr_fair_load_update(se->queue, se, CGR_LOAD_UPDATE_TG);
		cgr_fair_group_update(se);
		fair->policy->tick(se->queue, se);
	}
}

bool cgr_fair_return_to_user(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task)
{
	return cgr_throttle_return_to_user(cgr_fair_of(ctx), cpu, task);
}

void cgr_fair_wakeup_preempt(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	if (t->throttled || (!fair->task_throttle && t->entity.queue->throttle_count))
		return;
	if (rq->curr == CGR_NONE) {
		if (cgr_cpu_current(ctx, cpu) == CGR_NONE)
			cgr_fair_resched(fair, cpu);
		return; /* a real-time task runs */
	}
	if (rq->resched || rq->curr == task)
		return;
	struct cgr_fair_entity *se = &cgr_fair_task(fair, rq->curr)->entity, *woken = &t->entity;
	while (woken->depth > se->depth)
		woken = woken->parent;
	while (se->depth > woken->depth)
		se = se->parent;
	while (se->queue != woken->queue) {
		se = se->parent;
		woken = woken->parent;
	}
	if (fair->policy->preempt(se->queue, se, woken, t->policy == 0))
		cgr_fair_resched(fair, cpu);
}

void cgr_fair_yield(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	if (rq->curr != task || rq->nr_tasks <= 1)
		return;
	struct cgr_fair_entity *se = &cgr_fair_task(fair, task)->entity;
	cgr_fair_clear_buddies(se->queue, se);
	cgr_fair_update_curr(se->queue);
	fair->policy->yield(se->queue, se);
}

/* ---- invariants ---- */
static const char *check_queue(struct cgr_fair *fair, const struct cgr_fair_queue *queue)
{
	const char *wrong = cgr_timeline_check(queue);
	if (wrong)
		return wrong;
	if (queue->h_nr_runnable > queue->h_nr_queued)
		return "a queue has more runnable than queued tasks";
	if (queue->h_nr_idle > queue->h_nr_queued)
		return "a queue has more idle than queued tasks";
	if ((queue->load == 0) != (queue->nr_queued == 0))
		return "queue load and number of entities disagree";
	if (queue->throttled && !queue->runtime_enabled)
		return "a queue without a limit is throttled";
	if (queue->throttled && !queue->throttle_count)
		return "a throttled queue does not count itself";
	if (fair->task_throttle ? (queue->limbo && !queue->throttle_count) : queue->limbo != 0)
		return "a task is in limbo on a queue that is not throttled";
	if (queue->entity && fair->task_throttle &&
	    (queue->nr_queued != 0) != (queue->entity->on_rq && !queue->entity->delayed))
		return "a group's entity is queued without tasks, or its tasks without it";
	return NULL;
}

static const char *check_group(struct cgr_fair *fair, struct cgr_fair_group *group)
{
	const struct cgr_fair_bandwidth *b = &group->bandwidth;
	uint64_t sum = 0;
	for (uint32_t cpu = 0; cpu < fair->ctx->n_cpus; cpu++) {
		const struct cgr_fair_queue *queue = &cgr_fair_slot(fair, group->cgroup, cpu)->queue;
		const char *wrong = check_queue(fair, queue);
		if (wrong)
			return wrong;
		sum += queue->tg_contrib;
	}
	if (group->parent && sum != group->load_avg)
		return "a group's load average is not the sum of its CPUs' parts";
	if (b->limited &&
	    (b->runtime_ns < 0 || b->runtime_ns > b->quota_ns + b->burst_ns + (int64_t)(fair->ctx->n_cpus * b->period_ns)))
		return "a bandwidth pool is outside 0..quota+burst+returned";
	if (b->nr_throttled > b->nr_periods)
		return "more throttled periods than periods";
	if (b->throttled_head && !b->timer_active)
		return "a queue is throttled and no timer will free it";
	return NULL;
}

const char *cgr_fair_self_check(struct cgr_ctx *ctx)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	for (uint32_t cgroup = 0; cgroup < ctx->n_cgroups + fair->n_sessions; cgroup++) {
		struct cgr_fair_group *group = cgr_fair_group(fair, cgroup);
		const char *wrong = group->online ? check_group(fair, group) : NULL;
		if (wrong) {
			snprintf(fair->check, sizeof(fair->check), "cgroup %u: %s", cgroup, wrong);
			return fair->check;
		}
	}
	for (uint32_t cpu = 0; cpu < ctx->n_cpus; cpu++) {
		const struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
		if (rq->nr_tasks != cgr_fair_root(fair, cpu)->h_nr_queued) {
			snprintf(fair->check, sizeof(fair->check), "CPU %u counts %u tasks, its queues %u", cpu, rq->nr_tasks,
			         cgr_fair_root(fair, cpu)->h_nr_queued);
			return fair->check;
		}
	}
	return NULL;
}
