#ifndef CGR_REPLAY_ENGINE_INTERNAL_H
#define CGR_REPLAY_ENGINE_INTERNAL_H

#include "common/cpulist.h"
#include "common/util.h"
#include "replay/engine.h"
#include "replay/heap.h"

#define NONE CGR_NONE
#define FOREVER_NS (UINT64_MAX / 4)
#define CGR_WHEEL_SLOT_JIFFIES 64u /* the longest slot of the timer wheel a task's sleep comes to */

enum run_state { RUN_NONE, RUN_NEW, RUN_RUNNING, RUN_QUEUED, RUN_BLOCKED, RUN_GONE };

struct task_run {
	struct cgr_cursor cursor;
	const struct cgr_op *timeout; /* it sleeps in this wait, which has a timeout, and would end by that; NULL not */
	const struct cgr_op *timed; /* its last wait that had one and ended by it; NULL none */
	uint64_t timed_ns; /* when that ended, or the last round after it */
	uint64_t remaining_ns; /* of the RUN it is in */
	uint64_t credit_ns; /* CPU time of recorded misses that were none: taken off the coming RUNs */
	uint64_t recorder_ns; /* what recording cost it and its RUNs have not been long enough for */
	uint64_t cold_since_ns; /* it was throttled for long, from then on, and has not run since; 0 not */
	uint64_t cold_left_ns; /* CPU time by which cold caches will still slow down what it has yet to begin */
	uint64_t chilled_ns; /* of remaining_ns, first: with cold caches, what they add included */
	uint64_t recorded_cold_ns; /* what they cost it in the recording and its RUNs have yet to lose */
	uint64_t stall_ns; /* of remaining_ns, first: reclaim, which is memory pressure (psi_memstall_enter) */
	uint64_t sleep_ns; /* wait owed once remaining_ns is used up (reclaim, swap-in) */
	uint64_t timeout_ns; /* the same of whole jiffies (memory.high) */
	uint64_t early; /* tokens that came before their block: bit n = block token + n */
	uint64_t adds,
	    adds_missed; /* pages inserted in the recording since the last stolen time; of them missing here too */
	uint64_t runnable_ns; /* since when it waits for a CPU */
	uint64_t throttled_ns; /* since when it is throttled, 0 not */
	uint64_t stop_ns; /* absolute time at which a clock-bound program ends, 0 none */
	uint64_t rewind_ns; /* CPU time when it last began its loop anew */
	int64_t shift_ns; /* virtual minus recorded start: absolute timers of its own move with it */
	int64_t switch_ns; /* what its sleeps cost beyond the recorded, not yet run */
	uint32_t token; /* blocks paid by tasks so far */
	uint32_t far_tokens; /* its tokens too early for the mask: they stand in early[] */
	uint32_t waker; /* task it waits for, NONE */
	uint32_t full; /* pipe in which it waits for room, NONE */
	uint32_t holds, held_by; /* task that waits for it at a meeting; task it waits for at one; NONE */
	uint32_t rt_next;
	uint8_t state;
	uint8_t rounds; /* times its wait for the token has timed out */
	bool by_clock; /* its RUN is told by its own CPU clock */
	bool free; /* the recorder's own work: costs nothing in a what-if */
	bool repeating, truncated; /* beyond its recorded work; ended before its recorded end */
	bool unserved; /* its next wait is for a request that no kernel thread was ready to finish */
	bool rt, rt_queued, waiting, woken, delayed, killed, missed, restored, finished, memstall, exiting;
};

struct cpu_run {
	uint32_t current; /* task or NONE */
	uint64_t exec_ns; /* progress of the current task is booked up to here */
	uint64_t overhead_ns; /* switch cost not yet burnt */
	uint64_t span_ns;
	uint32_t rt_head; /* queued real-time tasks, highest priority first */
	struct cgr_cpu_caches caches;
	bool need_resched, prev_put, user_return_set, allowed;
	bool vacated; /* its current task was taken away: it runs the next one at once, not out of idleness */
};

struct model_timer {
	uint64_t cookie;
	uint32_t generation, next_free;
	uint8_t model;
	bool live;
};
enum { MODEL_CPU, MODEL_MEMORY, MODEL_RECLAIM, MODEL_COUNT };
struct instance {
	struct cgr_ctx ctx;
	struct cgr_engine *engine;
	const struct cgr_model_head *head;
	struct cgr_metric_block *block;
	struct cgr_rng rng;
	void **allocation;
	size_t allocations, allocation_capacity;
	uint8_t index;
	bool in_init;
};

struct early_token {
	uint32_t task, token;
};
struct mm_charge {
	uint32_t cgroup, next;
	int64_t pages;
	uint8_t kind;
};

/* How far the reader has come, and at which number the writer sleeps. */
struct pipe_run {
	uint64_t taken, wanted;
};

/* Pressure stall accounting of one cgroup on one CPU (kernel/sched/psi.c). */
struct psi_cpu {
	uint32_t running, memstall, memstall_running, oncpu;
	uint64_t since_ns, cpu_some, cpu_full, mem_some, mem_full, nonidle;
};
#define CGR_PSI_STATES 4u /* some and full of the CPU, some and full of memory: the order of the engine's metrics */
struct psi_group {
	uint64_t next_ns; /* when its CPUs are taken together next */
	uint64_t total_ns[CGR_PSI_STATES];
};

struct cgr_engine {
	const struct cgr_engine_config *config;
	const struct cgr_programs *programs;
	const struct cgr_store_info *info;
	const struct cgr_store_task *store_task;
	const struct cgr_store_cgroup *store_cgroup;
	struct cgr_engine_output *out;
	struct cgr_error *error;
	int failed; /* first error inside a callback */
	uint64_t now_ns, end_ns, tick_ns, tick_phase_ns, switch_cost_ns, idle_wake_ns, active;
	uint64_t start_jiffies; /* modulo the timer wheel's longest slot, as the seed has drawn it: no recording tells */
	uint64_t idle_charged_ns; /* an idle CPU takes so much longer to run a task, whose programs hold it as CPU time */
	struct { /* prices of this seed: per page that misses by itself, and in a window of many */
		uint64_t wait_ns, cpu_ns;
	} miss[2];
	struct cgr_rng rng; /* of interrupt latencies */
	struct cgr_heap heap;
	struct task_run *task;
	struct cgr_task_info *task_info;
	struct cpu_run *cpu;
	struct instance model[MODEL_COUNT];
	const struct cgr_cpu_ops *ops;
	const struct cgr_memory_ops *memory;
	uint32_t n_tasks, n_cpus, n_cgroups;
	uint32_t *parent[2]; /* per domain: 0 cpu, 1 memory */
	bool *online[2], *removed[2]; /* removed: its directory is gone; what is charged to it stays until it is freed */
	uint32_t *group_next; /* ring of the tasks of a thread group */
	uint64_t *affinity, *allowed, *cpuset; /* sets of cpu_words words each: by task (asked for, effective), by cgroup */
	size_t cpu_words;
	uint32_t distributed; /* CPU that was last chosen for a task which had to leave its own */
	uint32_t *cpuset_cgroup;
	const char **cpuset_text[2]; /* by cgroup, as recorded: first, last */
	int64_t (*knob_value[MODEL_COUNT])[2]; /* [knob * n_cgroups + cgroup], what online writes */
	bool *knob_known[MODEL_COUNT];
	struct cgr_cursor world;
	size_t next_knob;
	struct model_timer *timer;
	size_t timers, timer_capacity;
	uint32_t free_timer;
	struct pipe_run *pipe;
	int64_t *ticks; /* by timer site: when it expires, or has expired and waits to be consumed; 0: not armed yet */
	struct early_token *early;
	size_t earlies, early_capacity;
	struct mm_charge *held; /* what each process was charged, lists by leader */
	size_t helds, held_capacity;
	uint32_t *held_head, free_held;
	struct psi_cpu *psi; /* [cgroup * n_cpus + cpu] */
	struct psi_group *psi_group; /* by cgroup */
	uint64_t progress;
	/* Past the recorded end: what is still under way goes on until it has ended, for completion times alone. */
	bool frozen;
	uint64_t pending; /* tasks that exit in the recording and have not yet */
	int64_t *ended_ns; /* by task, -1 not yet */
	bool plays_back; /* the CPU model follows the recorded schedule */
	struct cgr_playback *playback;
	int32_t recorder_tgid; /* left out of a what-if; 0 none */
	bool resched_any;
	uint32_t *populated; /* with until_done: tasks per cgroup, those of its descendants included; else NULL */
	bool *emptied;
	int64_t *at_empty; /* the CPU model's metrics when the last task ended, [metric * n_cgroups + cgroup] */
};

/* slots of the calendar */
enum { SLOT_WORLD, SLOT_KNOB, SLOT_SAMPLE, SLOT_RECORDED, SLOT_KICK, SLOT_FIXED };
enum { CPU_RUN, CPU_TICK, CPU_WAKE, CPU_USER_RETURN, CPU_SLOTS };
static inline uint32_t slot_cpu(uint32_t cpu, unsigned what)
{
	return SLOT_FIXED + cpu * CPU_SLOTS + what;
}
static inline uint32_t slot_task(const struct cgr_engine *e, uint32_t task)
{
	return SLOT_FIXED + e->n_cpus * CPU_SLOTS + task;
}
static inline uint32_t slot_timer(const struct cgr_engine *e, uint32_t timer)
{
	return SLOT_FIXED + e->n_cpus * CPU_SLOTS + e->n_tasks + timer;
}

static inline struct cgr_ctx *cpu_ctx(struct cgr_engine *e)
{
	return &e->model[MODEL_CPU].ctx;
}
static inline struct cgr_ctx *memory_ctx(struct cgr_engine *e)
{
	return &e->model[MODEL_MEMORY].ctx;
}

/* engine_sched.c */
void cgr_run_account(struct cgr_engine *e, uint32_t task, uint64_t ran); /* CPU time it used */
void cgr_run_advance(struct cgr_engine *e, uint32_t cpu);
void cgr_run_arm(struct cgr_engine *e, uint32_t cpu);
void cgr_run_load(struct task_run *t, uint64_t ns); /* its next RUN */
void cgr_run_resched(struct cgr_engine *e, uint32_t cpu);
void cgr_run_schedule(struct cgr_engine *e, uint32_t cpu);
void cgr_run_schedule_all(struct cgr_engine *e);
void cgr_run_tick(struct cgr_engine *e, uint32_t cpu);
void cgr_run_kick(struct cgr_engine *e); /* idle CPUs that a tick has told to balance */
void cgr_run_user_return(struct cgr_engine *e, uint32_t cpu);
void cgr_run_wake(struct cgr_engine *e, uint32_t task, uint32_t waker_cpu, unsigned wake_flags);
void cgr_run_start(struct cgr_engine *e, uint32_t task, uint32_t cpu, bool fork);
void cgr_run_dequeue(struct cgr_engine *e, uint32_t task, unsigned flags);
void cgr_run_attach(struct cgr_engine *e, uint32_t task, uint32_t to);
void cgr_run_set_prio(struct cgr_engine *e, uint32_t task, int prio);
void cgr_run_set_cpus(struct cgr_engine *e, uint32_t task);
bool cgr_run_exec(struct cgr_engine *e, uint32_t task); /* true: it goes on elsewhere */
void cgr_run_forget_wish(struct cgr_engine *e, uint32_t task); /* engine.c */
/* engine_ops.c */
void cgr_run_ops(struct cgr_engine *e, uint32_t cpu);
void cgr_run_token(struct cgr_engine *e, uint32_t task, uint32_t token, uint32_t cpu, unsigned flags); /* paid */
void cgr_run_first_wait(struct cgr_engine *e, uint32_t task);
void cgr_run_world(struct cgr_engine *e);
void cgr_run_task_timer(struct cgr_engine *e, uint32_t task);
void cgr_run_kill(struct cgr_engine *e, uint32_t task);
void cgr_run_born(struct cgr_engine *e, uint32_t task, uint32_t parent);
void cgr_run_online(struct cgr_engine *e, uint32_t cgroup, unsigned domain);
bool cgr_run_release_stalled(struct cgr_engine *e);
/* engine_meet.c */
bool cgr_run_meet(struct cgr_engine *e, uint32_t task, const struct cgr_op *op);
bool cgr_run_meet_last(struct cgr_engine *e, uint32_t task, uint32_t cpu);
/* A wait of the task that times out in the recording (BLOCK, TIMER; NULL: none) is over, or would be at once, since
 * what it waits for has come. Then its later waits move as if it had never been. */
bool cgr_run_timeout_over(struct cgr_engine *e, uint32_t task, const struct cgr_op *op);
/* When a wait for a token (BLOCK, TASK) that begins now times out; UINT64_MAX: never. */
void cgr_run_timeout_begin(struct cgr_engine *e, uint32_t task, const struct cgr_op *op, uint64_t at_ns);
uint64_t cgr_run_timeout_end(struct cgr_engine *e, uint32_t task, const struct cgr_op *op);
/* The timer of a task fires: if that still waits for a token it looks around and waits again. */
void cgr_run_timed_out(struct cgr_engine *e, uint32_t task);
void cgr_run_meet_free(struct cgr_engine *e, uint32_t task);
/* engine_tick.c */
void cgr_run_tick_arm(struct cgr_engine *e, const struct cgr_op *op);
uint64_t cgr_run_tick_end(const struct cgr_engine *e, const struct cgr_op *op); /* of a BLOCK at a TICKS site */
/* engine_pipe.c */
bool cgr_run_pipe_full(struct cgr_engine *e, uint32_t task, const struct cgr_op *op);
void cgr_run_pipe_taken(struct cgr_engine *e, const struct cgr_op *op, uint32_t cpu);
void cgr_run_pipe_empty(struct cgr_engine *e, uint32_t reader, uint32_t writer, uint32_t cpu);
void cgr_run_pipe_closed(struct cgr_engine *e, uint32_t reader);
/* engine_recorded.c */
int cgr_run_playback_init(struct cgr_engine *e);
void cgr_run_playback_fini(struct cgr_engine *e);
void cgr_run_playback(struct cgr_engine *e);
uint32_t cgr_run_playback_task(const struct cgr_engine *e, uint32_t cpu);
/* engine_populated.c */
int cgr_run_populated_init(struct cgr_engine *e);
void cgr_run_populated_fini(struct cgr_engine *e);
void cgr_run_populate(struct cgr_engine *e, uint32_t cgroup, int by);
void cgr_run_populated_finish(struct cgr_engine *e);
/* engine_memory.c */
void cgr_run_memory(struct cgr_engine *e, uint32_t task, uint32_t cpu, const struct cgr_op *op);
void cgr_run_preload(struct cgr_engine *e);
int cgr_run_foresee(struct cgr_engine *e);
uint64_t cgr_run_cpu_of(struct cgr_engine *e, struct task_run *t,
                        const struct cgr_op *op); /* of a RUN, in the what-if */
void cgr_run_uncharge_held(struct cgr_engine *e, uint32_t task);
int64_t cgr_run_rss(struct cgr_engine *e, uint32_t task);
/* engine_host.c */
extern const struct cgr_host cgr_run_host;
int cgr_run_instance_init(struct cgr_engine *e, unsigned index, const struct cgr_model_head *head,
                          const int64_t *param);
void cgr_run_instance_fini(struct cgr_engine *e, unsigned index);
void cgr_run_timer(struct cgr_engine *e, uint32_t timer);
void cgr_run_knob(struct cgr_engine *e, const struct cgr_knob_change *change);
/* engine_account.c */
void cgr_run_psi_change(struct cgr_engine *e, uint32_t task, int running, int oncpu, int memstall);
void cgr_run_psi_stall(struct cgr_engine *e, uint32_t task, uint64_t ns);
void cgr_run_psi_publish(struct cgr_engine *e);
void cgr_run_sample(struct cgr_engine *e);
void cgr_run_finish(struct cgr_engine *e);
void cgr_run_completion(struct cgr_engine *e);
void cgr_run_span(struct cgr_engine *e, uint32_t cpu, unsigned state);
int cgr_run_series_init(struct cgr_engine *e);

static inline void run_fail(struct cgr_engine *e, int code)
{
	if (!e->failed)
		e->failed = code;
}
static inline bool is_rt_prio(const struct cgr_engine *e, int prio)
{
	return prio < 100 && !e->plays_back;
}
static inline bool is_fair(const struct cgr_engine *e, uint32_t task)
{
	return !e->task[task].rt;
}

#endif
