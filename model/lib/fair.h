/* What eevdf and cfs share: hierarchical entities, group weights, bandwidth control, CPU choice and balancing
 * (kernel/sched/fair.c). A policy (struct cgr_fair_policy) supplies virtual time: placement, choice, preemption.
 *
 * Vocabulary: queue = cfs_rq, one per (cgroup, CPU); entity = sched_entity, a task or a group on one CPU;
 * group = task_group; cpu = rq. All memory belongs to the engine (per-cgroup, per-task, per-CPU state). */
#ifndef CGR_MODEL_LIB_FAIR_H
#define CGR_MODEL_LIB_FAIR_H

#include <stdbool.h>
#include <stdint.h>

#include "model/lib/pelt.h"
#include "model/lib/weight.h"
#include "model/model.h"

/* Flags of enqueue and dequeue beside CGR_ENQ_* and CGR_DEQ_*. */
#define CGR_FAIR_DEQ_DELAYED 0x100u /* finish a dequeue that was delayed */
#define CGR_FAIR_DEQ_THROTTLE 0x200u /* the task throttles itself, or its group is taken off */

struct cgr_fair_queue;
struct cgr_fair_group;
struct cgr_fair_policy;

struct cgr_fair_entity {
	/* run-queue timeline (lib/timeline.c) */
	struct cgr_fair_entity *left, *right;
	int64_t key; /* EEVDF deadline or CFS vruntime at insertion */
	uint64_t order;
	uint32_t priority; /* treap heap order, not a scheduling priority */
	bool in_tree;
	int64_t min_vruntime; /* of the subtree */
	uint64_t min_slice, max_slice;

	struct cgr_fair_queue *queue; /* where it is or would be queued */
	struct cgr_fair_queue *owned; /* of a group entity: its own queue; NULL for a task */
	struct cgr_fair_entity *parent; /* entity of `queue`, NULL at the root */
	uint32_t id; /* task id, or cgroup id of a group entity */
	uint32_t depth;

	uint64_t load; /* weight * 1024 */
	uint32_t inverse;
	bool on_rq, delayed, custom_slice, rel_deadline, rel_vruntime;
	int64_t vruntime, deadline, vlag, vprot;
	uint64_t slice_ns;
	uint64_t exec_start_ns, sum_exec_ns, prev_sum_exec_ns;
	struct cgr_pelt pelt;
	uint32_t runnable; /* of a group entity: tasks that its average counts now (runnable_weight) */
	bool pelt_attached;
};

struct cgr_fair_queue {
	struct cgr_fair_entity *root, *leftmost;
	struct cgr_fair_entity *curr, *next, *last, *skip;
	uint64_t orders;
	uint64_t load; /* sum of the loads queued, current included */
	uint32_t nr_queued; /* entities, current and delayed included */
	uint32_t h_nr_queued, h_nr_runnable, h_nr_idle; /* tasks below */
	uint32_t tree_seed;
	/* EEVDF: V = zero + sum_w / sum_weight */
	int64_t sum_w_vruntime, sum_weight, zero_vruntime;
	int64_t min_vruntime; /* CFS */

	struct cgr_fair *fair;
	struct cgr_fair_group *group;
	struct cgr_fair_entity *entity; /* stands for this queue in the parent queue; NULL at the root */
	uint32_t cpu;

	/* load average and its share in the group's sum */
	struct cgr_pelt pelt;
	uint64_t tg_contrib;
	uint64_t tg_updated_ns;
	int64_t propagate_sum;
	bool propagate, on_leaf_list;
	struct cgr_fair_queue *leaf_next;

	/* bandwidth */
	bool runtime_enabled, throttled, pelt_frozen;
	uint32_t throttle_count; /* throttled groups from here up to the root */
	int64_t runtime_remaining_ns;
	uint64_t throttled_since_ns; /* 0: clock not started; else time + 1 */
	struct cgr_fair_queue *throttled_next, *throttled_prev;
	uint32_t limbo; /* head of the list of tasks that left at their return to user mode */
};

/* Allocated by the engine per (cgroup, CPU). */
struct cgr_fair_slot {
	struct cgr_fair_queue queue;
	struct cgr_fair_entity entity;
};

struct cgr_fair_bandwidth {
	bool limited, timer_active, idle, slack_started, used;
	int64_t quota_ns, burst_ns;
	uint64_t period_ns, phase_ns;
	int64_t runtime_ns, snapshot_ns;
	uint64_t expires_ns;
	uint64_t timer, slack_timer;
	struct cgr_fair_queue *throttled_head, *throttled_tail;
	uint64_t nr_periods, nr_throttled, nr_bursts, burst_time_ns, throttled_time_ns;
};

#define CGR_FAIR_KNOBS 7
struct cgr_fair_group {
	uint32_t cgroup;
	bool online, idle;
	uint64_t shares; /* as load: cpu.shares * 1024 */
	uint64_t load_avg;
	struct cgr_fair_group *parent, *child, *sibling;
	struct cgr_fair_bandwidth bandwidth;
	int64_t knob[CGR_FAIR_KNOBS][2]; /* last written, so that a repeated default changes nothing */
};

struct cgr_fair_task {
	struct cgr_fair_entity entity;
	uint32_t cpu; /* of its queue */
	uint32_t cgroup;
	int32_t policy;
	bool alive, queued_here; /* on the CPU's task list */
	bool throttled, in_limbo; /* in_limbo: on its queue's list; throttled stays set while such a task moves */
	bool throttle_work; /* will throttle itself at its return to user mode */
	bool shown_throttled; /* told the engine */
	uint32_t list_next, list_prev; /* CPU's task list */
	uint32_t limbo_next, limbo_prev;
	uint32_t recent_cpu;
	uint32_t last_wakee, wakee_flips;
	uint64_t wakee_decay_ns;
	uint64_t ran_ns; /* when it last started on a CPU, for cache heat */
};

struct cgr_fair_cpu {
	uint32_t curr; /* fair task running or CGR_NONE */
	uint32_t nr_tasks;
	uint32_t list_head, list_tail;
	bool resched;
	struct cgr_fair_queue *leaf_head;
	uint64_t last_balance_ns, next_balance_ns, balance_interval_ms, next_blocked_ns, idle_since_ns, avg_idle_ns,
	    curr_since_ns;
	uint32_t balance_failed;
	uint32_t newidle_tries, newidle_success, newidle_ratio;
};

/* Model state. */
struct cgr_fair {
	struct cgr_ctx *ctx;
	const struct cgr_fair_policy *policy;
	bool task_throttle; /* 6.18: throttle at return to user mode; else the whole group at once */
	bool delay_dequeue; /* EEVDF from 6.12 */
	bool newidle_random; /* 6.18.y */
	bool tg_rate_limit; /* tg load average at most once a millisecond */
	uint64_t slice_ns; /* EEVDF base slice, scaled */
	uint64_t latency_ns, min_granularity_ns, wakeup_granularity_ns, idle_min_granularity_ns; /* CFS, scaled */
	uint64_t bandwidth_slice_ns;
	uint64_t user_return_ns; /* from being picked to the return to user mode */
	uint64_t tick_ns, migration_cost_ns;
	int64_t phase_ns; /* fixed period phase or -1 */
	uint32_t newidle_ratio;
	bool no_idle_scan; /* a waking task does not look beyond its own and its waker's CPU */
	uint32_t n_sessions; /* autogroup: hidden groups of the root's tasks, numbered after the cgroups */
	struct cgr_fair_group *session_group;
	struct cgr_fair_slot *session_slot;
	uint32_t *session_of; /* by task; CGR_NONE: none */
	bool overloaded; /* some CPU had two tasks since balancing last looked (root domain's flag) */
	char check[160];
};

/* Virtual time. Called with outstanding time charged unless said. */
struct cgr_fair_policy {
	void (*place)(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags);
	/* charge delta_ns to the current entity; true: it should be rescheduled */
	bool (*advance)(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr, uint64_t delta_ns);
	void (*tree_insert)(struct cgr_fair_queue *queue, struct cgr_fair_entity *se);
	void (*tree_remove)(struct cgr_fair_queue *queue, struct cgr_fair_entity *se);
	/* before the entity leaves the tree and the counts; after: when it has left */
	void (*leaving)(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags);
	void (*left)(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags);
	bool (*eligible)(struct cgr_fair_queue *queue, struct cgr_fair_entity *se);
	struct cgr_fair_entity *(*pick)(struct cgr_fair_queue *queue);
	void (*set_next)(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, bool first);
	void (*tick)(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr);
	/* siblings in one queue: should the woken one take the CPU now? */
	bool (*preempt)(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr, struct cgr_fair_entity *woken,
	                bool normal_policy);
	void (*yield)(struct cgr_fair_queue *queue, struct cgr_fair_entity *curr);
	void (*reweight)(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, uint64_t load);
	void (*requeue_delayed)(struct cgr_fair_queue *queue, struct cgr_fair_entity *se);
	void (*migrating)(struct cgr_fair_queue *queue, struct cgr_fair_entity *se);
};

/* ---- look-ups ---- */
static inline struct cgr_fair *cgr_fair_of(struct cgr_ctx *ctx)
{
	return cgr_model_state(ctx);
}
static inline struct cgr_fair_task *cgr_fair_task(struct cgr_fair *fair, uint32_t task)
{
	return cgr_task_state(fair->ctx, task);
}
static inline struct cgr_fair_cpu *cgr_fair_cpu(struct cgr_fair *fair, uint32_t cpu)
{
	return cgr_cpu_state(fair->ctx, cpu);
}
static inline struct cgr_fair_slot *cgr_fair_slot(struct cgr_fair *fair, uint32_t cgroup, uint32_t cpu)
{
	if (cgroup >= fair->ctx->n_cgroups)
		return &fair->session_slot[(size_t)(cgroup - fair->ctx->n_cgroups) * fair->ctx->n_cpus + cpu];
	return cgr_cgroup_cpu_state(fair->ctx, cgroup, cpu);
}
static inline struct cgr_fair_queue *cgr_fair_root(struct cgr_fair *fair, uint32_t cpu)
{
	return &cgr_fair_slot(fair, 0, cpu)->queue;
}
static inline struct cgr_fair_group *cgr_fair_group(struct cgr_fair *fair, uint32_t cgroup)
{
	if (cgroup >= fair->ctx->n_cgroups)
		return &fair->session_group[cgroup - fair->ctx->n_cgroups];
	return cgr_cgroup_state(fair->ctx, cgroup);
}
/* cfs_rq_throttled: this queue's own limit */
static inline bool cgr_fair_throttled(const struct cgr_fair_queue *queue)
{
	return queue->throttled;
}
bool cgr_fair_entity_is_idle(const struct cgr_fair_entity *se);
static inline uint64_t cgr_fair_delta(uint64_t delta_ns, const struct cgr_fair_entity *se)
{
	return se->load == CGR_LOAD_NICE_0 ? delta_ns : cgr_calc_delta(delta_ns, CGR_WEIGHT_NICE_0, se->inverse);
}
static inline void cgr_fair_set_load(struct cgr_fair_entity *se, uint64_t load)
{
	se->load = load;
	se->inverse = cgr_load_inverse(load);
}

/* ---- lib/timeline.c: ordered by (key, arrival), augmented with the smallest vruntime and slices ---- */
void cgr_timeline_insert(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, int64_t key);
void cgr_timeline_remove(struct cgr_fair_queue *queue, struct cgr_fair_entity *se);
void cgr_timeline_refresh(struct cgr_fair_queue *queue, struct cgr_fair_entity *se); /* its slice changed */
struct cgr_fair_entity *cgr_timeline_second(struct cgr_fair_queue *queue);
uint64_t cgr_timeline_min_slice(const struct cgr_fair_queue *queue); /* current included; UINT64_MAX when empty */
uint64_t cgr_timeline_max_slice(const struct cgr_fair_queue *queue);
const char *cgr_timeline_check(const struct cgr_fair_queue *queue);

/* ---- lib/group.c: group weights from load averages ---- */
#define CGR_LOAD_UPDATE_TG 0x1u
#define CGR_LOAD_ATTACH 0x2u
#define CGR_LOAD_DETACH 0x4u
void cgr_fair_load_update(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags);
void cgr_fair_runnable_update(struct cgr_fair_entity *se); /* after that: the time to come has other tasks */
void cgr_fair_load_detach_sleeping(struct cgr_fair_entity *se); /* a sleeper leaves its CPU */
void cgr_fair_load_init(struct cgr_fair_entity *se);
void cgr_fair_load_first(struct cgr_fair_entity *se); /* a new task is about to be queued */
void cgr_fair_group_update(struct cgr_fair_entity *se); /* update_cfs_group */
void cgr_fair_shares_write(struct cgr_fair *fair, struct cgr_fair_group *group, uint64_t load);
void cgr_fair_blocked_update(struct cgr_fair *fair, uint32_t cpu);
uint64_t cgr_fair_task_h_load(struct cgr_fair *fair, uint32_t task);
uint64_t cgr_fair_group_load(const struct cgr_fair_queue *queue); /* calc_group_shares */

/* ---- lib/fair.c: the hierarchy ---- */
void cgr_fair_update_curr(struct cgr_fair_queue *queue);
void cgr_fair_enqueue_entity(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags);
bool cgr_fair_dequeue_entity(struct cgr_fair_queue *queue, struct cgr_fair_entity *se, unsigned flags);
void cgr_fair_clear_buddies(struct cgr_fair_queue *queue, struct cgr_fair_entity *se);
void cgr_fair_resched(struct cgr_fair *fair, uint32_t cpu);
void cgr_fair_add_running(struct cgr_fair *fair, uint32_t cpu, int32_t tasks);
void cgr_fair_enqueue_task(struct cgr_fair *fair, uint32_t cpu, uint32_t task, unsigned flags);
bool cgr_fair_dequeue_task(struct cgr_fair *fair, uint32_t task, unsigned flags);
void cgr_fair_finish_delayed(struct cgr_fair *fair, struct cgr_fair_entity *se);
void cgr_fair_list_add(struct cgr_fair *fair, uint32_t cpu, uint32_t task);
void cgr_fair_list_remove(struct cgr_fair *fair, uint32_t cpu, uint32_t task);
void cgr_fair_show_throttled(struct cgr_fair *fair, uint32_t task, bool throttled);

/* ---- lib/bandwidth.c ---- */
int cgr_bandwidth_write(struct cgr_fair *fair, struct cgr_fair_group *group);
void cgr_bandwidth_account(struct cgr_fair_queue *queue, uint64_t delta_ns);
bool cgr_bandwidth_check(
    struct cgr_fair_queue *queue); /* check_cfs_rq_runtime: throttle if used up; true if throttled */
void cgr_bandwidth_check_enqueue(struct cgr_fair_queue *queue);
void cgr_bandwidth_return(struct cgr_fair_queue *queue);
void cgr_bandwidth_timer(struct cgr_fair *fair, uint64_t cookie);
void cgr_bandwidth_record_clock(struct cgr_fair_queue *queue);
void cgr_bandwidth_metrics(struct cgr_fair *fair, struct cgr_fair_group *group);
void cgr_bandwidth_set_phase(struct cgr_fair *fair, struct cgr_fair_group *group, uint64_t phase_ns);
void cgr_bandwidth_init(struct cgr_fair *fair, struct cgr_fair_group *group);
void cgr_bandwidth_offline(struct cgr_fair *fair, struct cgr_fair_group *group);

/* ---- lib/throttle.c: what it means for a queue, in both forms ---- */
void cgr_throttle_queue(struct cgr_fair_queue *queue);
void cgr_unthrottle_queue(struct cgr_fair_queue *queue);
bool cgr_throttle_enqueue_limbo(struct cgr_fair *fair, uint32_t task); /* true: went straight to limbo */
void cgr_throttle_leave_limbo(struct cgr_fair *fair, uint32_t task, bool sleep);
bool cgr_throttle_return_to_user(struct cgr_fair *fair, uint32_t cpu, uint32_t task);

/* ---- lib/select.c, lib/balance.c ---- */
uint32_t cgr_fair_select_cpu(struct cgr_ctx *ctx, uint32_t task, uint32_t prev_cpu, uint32_t waker_cpu, unsigned flags);
bool cgr_fair_cpu_idle(struct cgr_fair *fair, uint32_t cpu);
/* Only SCHED_IDLE tasks here: as good as idle for anybody else (sched_idle_rq). */
bool cgr_fair_sched_idle(struct cgr_fair *fair, uint32_t cpu);
enum cgr_fair_group_type { CGR_HAS_SPARE, CGR_FULLY_BUSY, CGR_OVERLOADED };
struct cgr_fair_stats {
	enum cgr_fair_group_type type;
	uint64_t load, util, runnable_avg;
	uint32_t tasks, runnable;
};
struct cgr_fair_stats cgr_fair_stats_of(struct cgr_fair *fair, uint32_t cpu); /* update_sg_lb_stats of one CPU */
struct cgr_fair_stats cgr_fair_stats_without(struct cgr_fair *fair, uint32_t cpu,
                                             uint32_t task); /* one running there */
bool cgr_fair_balance(struct cgr_ctx *ctx, uint32_t cpu, enum cgr_idle idle);
void cgr_fair_balance_sooner(struct cgr_fair *fair, uint32_t cpu); /* the busy interval does not hold any more */

/* ---- lib/autogroup.c ---- */
int cgr_autogroup_init(struct cgr_fair *fair);
uint32_t cgr_autogroup_home(struct cgr_fair *fair, uint32_t task, uint32_t cgroup);

/* ---- lib/fair_ops.c: table entries both models use ---- */
extern const struct cgr_knob_desc cgr_fair_knobs[CGR_FAIR_KNOBS];
#define CGR_FAIR_METRICS 5
extern const struct cgr_metric_desc cgr_fair_metrics[CGR_FAIR_METRICS];
int cgr_fair_init(struct cgr_ctx *ctx, const struct cgr_fair_policy *policy);
void cgr_fair_group_init(struct cgr_fair *fair, uint32_t cgroup, struct cgr_fair_group *parent);
void cgr_fair_cgroup_online(struct cgr_ctx *ctx, uint32_t cgroup);
void cgr_fair_cgroup_offline(struct cgr_ctx *ctx, uint32_t cgroup);
void cgr_fair_task_fork(struct cgr_ctx *ctx, uint32_t task, uint32_t parent);
void cgr_fair_task_exit(struct cgr_ctx *ctx, uint32_t task);
void cgr_fair_task_attach(struct cgr_ctx *ctx, uint32_t task, uint32_t from, uint32_t to);
int cgr_fair_knob_write(struct cgr_ctx *ctx, uint32_t cgroup, unsigned knob, const int64_t v[2]);
void cgr_fair_timer(struct cgr_ctx *ctx, uint64_t cookie);
void cgr_fair_sample(struct cgr_ctx *ctx);
const char *cgr_fair_self_check(struct cgr_ctx *ctx);
void cgr_fair_enqueue(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task, unsigned flags);
bool cgr_fair_dequeue(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task, unsigned flags);
uint32_t cgr_fair_still_queued(struct cgr_ctx *ctx, uint32_t task);
void cgr_fair_wakeup_preempt(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task);
uint32_t cgr_fair_pick(struct cgr_ctx *ctx, uint32_t cpu, uint32_t prev);
void cgr_fair_put_prev(struct cgr_ctx *ctx, uint32_t cpu, uint32_t prev);
void cgr_fair_update(struct cgr_ctx *ctx, uint32_t cpu);
void cgr_fair_tick(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task);
bool cgr_fair_return_to_user(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task);
void cgr_fair_yield(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task);
void cgr_fair_task_changed(struct cgr_ctx *ctx, uint32_t task);

/* The function members of a struct cgr_cpu_ops that both models share. */
#define CGR_FAIR_HEAD_OPS                                                                                              \
	.model_size = sizeof(struct cgr_fair), .cgroup_size = sizeof(struct cgr_fair_group),                               \
	.cgroup_cpu_size = sizeof(struct cgr_fair_slot), .task_size = sizeof(struct cgr_fair_task),                        \
	.cpu_size = sizeof(struct cgr_fair_cpu), .cgroup_online = cgr_fair_cgroup_online,                                  \
	.cgroup_offline = cgr_fair_cgroup_offline, .task_fork = cgr_fair_task_fork, .task_exit = cgr_fair_task_exit,       \
	.task_attach = cgr_fair_task_attach, .knob_write = cgr_fair_knob_write, .timer = cgr_fair_timer,                   \
	.sample = cgr_fair_sample, .finish = cgr_fair_sample, .self_check = cgr_fair_self_check, .knobs = cgr_fair_knobs,  \
	.n_knobs = CGR_FAIR_KNOBS, .metrics = cgr_fair_metrics, .n_metrics = CGR_FAIR_METRICS
#define CGR_FAIR_CPU_OPS                                                                                               \
	.select_cpu = cgr_fair_select_cpu, .enqueue = cgr_fair_enqueue, .dequeue = cgr_fair_dequeue,                       \
	.wakeup_preempt = cgr_fair_wakeup_preempt, .pick = cgr_fair_pick, .put_prev = cgr_fair_put_prev,                   \
	.update = cgr_fair_update, .tick = cgr_fair_tick, .yield = cgr_fair_yield, .balance = cgr_fair_balance,            \
	.task_changed = cgr_fair_task_changed

#endif
