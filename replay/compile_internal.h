#ifndef CGR_REPLAY_COMPILE_INTERNAL_H
#define CGR_REPLAY_COMPILE_INTERNAL_H

#include "common/util.h"
#include "model/lib/pelt.h"
#include "replay/compile.h"
#include "store/members.h"

enum task_state { TASK_UNSEEN, TASK_FORKED, TASK_RUNNING, TASK_RUNNABLE, TASK_BLOCKED, TASK_GONE };

#define RECENT_ADDS 8u
struct recent_add {
	uint32_t chunk, position;
}; /* CACHE_ADD operations that a look-up may still claim */

/* An interrupt ended a kernel thread's wait, and what it does until it sleeps again may be the answer to a request. */
struct completion {
	uint32_t worker; /* CGR_ID_NONE: none */
	uint32_t chunk, position; /* of the BLOCK */
	uint32_t token; /* the worker's, when it was woken */
	uint64_t woken_ns;
};

struct task_build {
	uint32_t tail; /* last chunk of its program */
	uint32_t token; /* number of blocks paid by a task so far */
	uint64_t run_ns; /* CPU time not yet written as a RUN */
	uint64_t account_ns; /* of which had passed when the scheduler last charged the task in its own context; 0: none */
	uint64_t cost_ns; /* what recording the events of that time cost */
	uint64_t account_cost_ns; /* of which before that charge */
	uint64_t look_ns; /* the last such charge */
	uint64_t account_at_ns; /* the one before, for which there is an ACCOUNT */
	uint64_t wakes_ns; /* it is waking another task since; 0 not */
	uint64_t mark_ns; /* wall time up to here is booked while it runs */
	uint64_t booked_ns; /* wall time booked since the last RUNTIME event */
	uint64_t debt_ns; /* booked in excess of what the kernel charged */
	uint64_t block_ns, waking_ns, reclaim_end_ns;
	uint64_t idle_latency_ns; /* an idle CPU took so long to run it, and it was not charged since; 0: no */
	uint64_t read_cpu_ns; /* CPU time since the first page added after the last look-up of the page cache */
	uint64_t miss_cpu_ns; /* read_cpu_ns when its last wait for missing pages began */
	uint32_t added_pages; /* pages added to the cache since its last look-up there */
	uint32_t requests; /* issued to devices since the kernel last charged it CPU time */
	uint64_t timer_start_ns, timer_address;
	int64_t timer_expiry_ns;
	uint32_t timer_site;
	uint32_t relation_wakee, relation; /* whom it woke last, and the relation of the two; 0: nobody yet */
	uint32_t scan_cpu; /* the wake-up under way tells whether idle CPUs are looked for: its CPU + 1; 0: it does not */
	uint32_t told_by, told_cpu; /* the wake-up under way tells about this relation; CGR_ID_NONE: about none */
	struct recent_add add[RECENT_ADDS];
	struct recent_add fault; /* its last look-up through a mapping, chunk CGR_ID_NONE when there is none to claim */
	struct recent_add last_add; /* its last CACHE_ADD */
	struct recent_add read; /* its last look-up by read(); position + 1, 0 none */
	struct recent_add
	    anon; /* its last charge of one anonymous page, which may turn out to be a swap-in; position + 1 */
	struct recent_add swapped_in; /* its last charge, if that page had been in swap; position + 1, 0 none */
	struct recent_add kernel_page; /* its last operation, if that uncharged kernel memory; position + 1, 0 none */
	struct recent_add written; /* the operation that tells what it wrote back; position + 1, 0 none since it slept */
	struct completion completion;
	/* the last task it woke: its waits since then, by whom the last of them was ended, room for one after the call */
	uint32_t callee, calls, waits, paid_by, call_chunk, call_position;
	uint64_t call_ns;
	bool waits_soon; /* the first of those waits began right after the call */
	/* the last thread of its own process that it woke since it last slept; the WAKE, chunk CGR_ID_NONE: there is none
	 */
	uint32_t meet_wakee, meet_chunk, meet_position;
	uint64_t meet_ns;
	uint32_t sites; /* head of the list of its timer sites */
	uint32_t block_state;
	uint16_t cpu;
	uint16_t waking_cpu; /* its last wait was ended from there */
	uint32_t runnable_at; /* while it is runnable: where it stands among those */
	uint64_t cpus; /* of the first 64 those on which it may run for certain */
	int16_t prio;
	uint8_t state; /* set by cgr_build_set_state */
	uint8_t adds, unwaited; /* of the inserts in add; the last of them, for which it has not waited since */
	/* for programs that stop on the clock */
	uint64_t exec_ns, in_ns, out_ns, block_end_ns, previous_block_end_ns;
	uint64_t away_ns, back_ns; /* its last absence from the CPU, after which it has run but for a moment or at all */
	uint64_t signal_ns; /* a signal that ends processes was sent to it */
	uint32_t block_count, loop_chunk, loop_position;
	uint64_t block_run_ns; /* CPU time when its last sleep ended */
	uint8_t last_cause;
	uint64_t pulled_ns; /* moved to the CPU on which the move was made; 0 not since it last ran */
	uint64_t awake_ns; /* its last wait ended */
	bool by_itself; /* and no task had ended it */
	bool looked; /* the last operation written was a look at its CPU clock */
	/* Such a look may be what another charge hides: one that ended what it has run since the last, right before it woke
	 * somebody or went to sleep; one since it woke somebody. Who works by its clock for certain is taken to do so here.
	 */
	bool may_be_told, may_have_looked;
	bool woken_early; /* woken between deciding to sleep and leaving the CPU */
	struct recent_add early; /* the BLOCK of that, if its state may tell another cause; position + 1, 0 none */
	bool hidden; /* it left its CPU by a switch that was not reported */
	bool window; /* what it added last was more than a page */
	bool swapping; /* it gave pages swap slots since it last charged memory */
	bool timer_armed, exiting, missed, in_reclaim, has_runtime, idle_target;
};

/* What the misses of one kind cost together. */
struct miss_sum {
	uint64_t misses, pages, wait_ns, cpu_ns, cpu_pages; /* the CPU time is known of cpu_pages */
};

/* What the same small thing costs, and from where on it is the host's doing; UINT64_MAX: that does not show. */
struct host_modes {
	uint64_t usual_ns, above_ns;
};

struct cpu_build {
	uint32_t current; /* task, 0 idle, CGR_ID_NONE unknown */
	uint32_t cache; /* first CPU of those that share their last cache with it; CGR_ID_NONE unknown */
	int irq; /* handler running, -1 none */
	int softirq; /* vector running, -1 none */
	bool softirq_inline; /* entered from a task's own context, not from an interrupt's end */
	struct cgr_cpu_caches caches;
	struct cgr_pelt busy;
	uint64_t irq_exit_ns, timer_expire_ns, block_done_ns;
	uint64_t timer_expire_address;
	uint32_t timer_expire_function;
	uint64_t ticker_ns; /* one of the tickers expired here last; 0: none yet */
	uint32_t ticker;
};

/* A timer that rings again and again, or may turn out to. */
struct ticker {
	uint64_t address;
	uint32_t function; /* enum cgr_timer_function */
	uint32_t site, task; /* who has consumed its last expiry, CGR_ID_NONE nobody yet */
	int64_t expiry_ns; /* it is, or was, armed for, by its own clock */
	int64_t ahead_ns; /* that clock, of the trace's */
	bool timed; /* its arming is in the program: that expiry is known by the trace's clock */
	int64_t step_ns; /* from the one before; 0: it was set anew */
	bool expired; /* and not consumed yet */
	bool rung; /* it has expired once: what its clock shows is known */
	uint32_t waits; /* of that task, when the timer was armed */
	uint64_t run_ns; /* CPU time of that task then */
	/* consumptions after one time gone by, after several: how many, of how many times, CPU time until the next one */
	uint64_t looks[2], times[2], work_ns[2];
};

struct swap_build; /* compile_swap.c */

struct builder {
	const struct cgr_store *store;
	struct swap_build *swap; /* NULL: the machine has none */
	const struct cgr_store_info *info;
	const struct cgr_store_task *task;
	const struct cgr_store_css_set *css_set;
	size_t n_css_sets;
	struct cgr_members members;
	struct cgr_programs *programs;
	struct task_build *t;
	struct cpu_build *cpu;
	uint32_t n_tasks, n_cpus;
	uint32_t *runnable; /* who waits for a CPU, in no order: asked for at each wake-up and each CPU that goes idle */
	uint32_t runnables;
	uint64_t world_ns;
	bool has_irq, has_softirq, has_waking, has_runtime, has_quota;
	uint32_t idle_looks, idle_though_waiting, pulls; /* of newly idle CPUs */
	uint32_t scan_looks, scan_stays, scan_moves; /* wake-ups on a busy CPU while another one was idle */
	uint32_t soft_wakes;
	struct cgr_intern relations; /* by (process of the waker, of the woken) */
	struct cgr_histogram idle_wake, idle_charged; /* ns / 64 */
	struct miss_sum miss[2]; /* of single pages, of windows of many */
	struct cgr_histogram fault; /* ns / 8 of CPU time from one anonymous page to the next */
	uint64_t *late_pages; /* by cgroup: kernel pages freed in interrupts since it charged something */
	uint64_t reclaim_ns, reclaim_pages; /* CPU time in memcg reclaim, pages it freed */
	uint64_t cache_folios, cache_pages; /* of these, such of the page cache */
	uint64_t swap_read_ns,
	    swap_reads; /* CPU time in page faults from the charge on, until the page had come from swap */
	uint32_t *tick_bin; /* RUNTIME events in interrupt context by phase of the tick */
	uint32_t tick_bins;
	uint32_t event_cost_ns, memory_event_cost_ns; /* what recording one event took; of the page events */
	struct host_modes host[2]; /* of anonymous pages faulted in, of pages found by reads */
	uint32_t rejected_event_cost_ns; /* what one took that a filter threw away */
	uint32_t in_flight; /* requests of block devices under way */
	uint64_t device_since_ns, device_busy_ns, device_bytes, device_requests;
	bool device_alone; /* the request under way has had the device for itself */
	uint64_t short_requests, short_ns; /* such of a few pages, and what they took */
	uint64_t idle_ns; /* last time a CPU went idle */
	uint64_t tick_ns;
	struct ticker *ticker;
	uint32_t tickers;
	size_t ticker_capacity;
	struct cgr_error *error;
};

/* compile.c */
void cgr_build_set_state(struct builder *b, uint32_t task, enum task_state state);
/* writing */
int cgr_build_flush(struct builder *b, uint32_t task); /* CPU time so far becomes a RUN */
int cgr_build_cold(struct builder *b, uint32_t task); /* it is about to run with cold caches */
#define CGR_FORK_NS 100000u /* copy_process takes no longer from sched_fork to sched_process_fork */
#define CGR_THROTTLE_NS 50000u /* nor throttle_cfs_rq_work to the switch that follows it */
#define CGR_SLEEP_NS 6000u /* nor __schedule from dequeue_entity to sched_switch, if it finds another task at once */
void cgr_build_no_look(struct builder *b, uint32_t task, uint64_t ts_ns, uint64_t within_ns);
void cgr_build_no_look_leaving(struct builder *b, uint32_t task, uint64_t ts_ns);
int cgr_build_emit(struct builder *b, uint32_t task, const struct cgr_op *op);
int cgr_build_world(struct builder *b, uint64_t ts_ns, const struct cgr_op *op);
int cgr_build_context(struct builder *b, const struct cgr_event *e, const struct cgr_op *op);
void cgr_build_book(struct builder *b, uint32_t task, uint64_t ts_ns);
int cgr_build_running(struct builder *b, uint32_t task, uint32_t cpu, uint64_t ts_ns);
/* compile_recorder.c */
_Static_assert(CGR_EV_COUNT <= 64, "kinds of events make a mask");
#define CGR_BUILD_MEMORY_EVENTS                                                                                        \
	(1ull << CGR_EV_MEM_STAT | 1ull << CGR_EV_CHARGE | 1ull << CGR_EV_UNCHARGE | 1ull << CGR_EV_RSS_STAT |             \
	 1ull << CGR_EV_CACHE_ADD | 1ull << CGR_EV_CACHE_DELETE | 1ull << CGR_EV_CACHE_READ | 1ull << CGR_EV_CACHE_FAULT | \
	 1ull << CGR_EV_CACHE_MAP | 1ull << CGR_EV_CACHE_DIRTY | 1ull << CGR_EV_CACHE_ACCESS |                             \
	 1ull << CGR_EV_RECLAIM_BEGIN | 1ull << CGR_EV_RECLAIM_END | 1ull << CGR_EV_SHRINK_INACTIVE |                      \
	 1ull << CGR_EV_SHRINK_ACTIVE)
int cgr_build_recorder_cost(struct builder *b);
/* compile_host.c */
void cgr_build_host_modes(const struct cgr_histogram *h, struct host_modes *ret);
void cgr_build_note_host(struct builder *b, struct recent_add at); /* the operation just written, position + 1 */
uint64_t cgr_build_memory_event_cost(const struct builder *b, const struct cgr_event *e);
/* ns its task lost to it */
static inline uint64_t cgr_build_event_cost(const struct builder *b, const struct cgr_event *e)
{
	if (e->flags & CGR_EVF_INFERRED)
		return 0;
	return CGR_BUILD_MEMORY_EVENTS >> e->kind & 1 ? cgr_build_memory_event_cost(b, e) : b->event_cost_ns;
}
/* compile_sched.c */
int cgr_build_sched(struct builder *b, const struct cgr_event *e);
int cgr_build_end_block(struct builder *b, uint32_t task, uint64_t ts_ns, enum cgr_cause cause, uint32_t waker,
                        unsigned flags);
/* compile_wait.c */
void cgr_build_context_event(struct builder *b, const struct cgr_event *e); /* irq, softirq, block events */
void cgr_build_woken_early(struct builder *b, uint32_t task, uint32_t state);
int cgr_build_waking(struct builder *b, const struct cgr_event *e);
/* compile_request.c */
void cgr_build_note_completion(struct builder *b, uint32_t task, uint64_t ts_ns, enum cgr_cause cause);
int cgr_build_completed(struct builder *b, uint32_t waker, uint32_t wakee);
/* compile_timer.c */
int cgr_build_timer_start(struct builder *b, const struct cgr_event *e);
int cgr_build_timer_expire(struct builder *b, const struct cgr_event *e);
int cgr_build_timer_block(struct builder *b, uint32_t task, uint64_t ts_ns, struct cgr_op *op);
uint8_t cgr_build_timeout_length(const struct task_build *t);
bool cgr_build_timer_due(const struct task_build *t, uint64_t ts_ns);
#define CGR_TIMER_FAR_NS (INT64_MAX / 4) /* no time of a timer is farther away: KTIME_MAX is for ever */
static inline int64_t cgr_build_timer_ns(uint64_t a)
{
	return CGR_MIN(CGR_MAX((int64_t)a, -CGR_TIMER_FAR_NS), CGR_TIMER_FAR_NS);
}
void cgr_build_judge_timers(struct cgr_programs *programs);
int cgr_build_timer_site(struct builder *b, uint32_t task, enum cgr_timer_kind kind, uint32_t *ret_site);
void cgr_build_timer_score(struct cgr_timer_site *site, int64_t expiry, int64_t delay);
static inline uint64_t cgr_build_distance(int64_t a, int64_t c)
{
	return a > c ? (uint64_t)a - (uint64_t)c : (uint64_t)c - (uint64_t)a;
}
/* compile_tick.c */
static inline bool cgr_build_is_ticker(uint32_t function)
{
	return function == CGR_TIMER_POSIX || function == CGR_TIMER_TIMERFD || function == CGR_TIMER_ITIMER;
}
int cgr_build_tick_start(struct builder *b, const struct cgr_event *e);
void cgr_build_tick_expire(struct builder *b, const struct cgr_event *e);
bool cgr_build_tick_wakes(const struct builder *b, uint32_t task, uint64_t ts_ns, uint32_t *ret_site);
void cgr_build_judge_ticks(struct builder *b);
/* compile_relation.c */
int cgr_build_relation(struct builder *b, uint32_t waker, uint32_t wakee, uint32_t *ret_id);
void cgr_build_note_wake(struct builder *b, uint32_t waker, uint32_t wakee, uint32_t relation);
void cgr_build_relation_waking(struct builder *b, const struct cgr_event *e, uint32_t relation);
void cgr_build_relation_wakeup(struct builder *b, const struct cgr_event *e);
void cgr_build_meeting(struct builder *b, const struct cgr_event *e, uint32_t relation); /* its WAKE was just written */
int cgr_build_judge_relations(struct builder *b);
/* compile_answer.c */
int cgr_build_call(struct builder *b, uint32_t waker, uint32_t wakee, uint32_t relation);
int cgr_build_called(struct builder *b, uint32_t waker, uint32_t wakee, uint32_t relation, uint64_t ts_ns);
void cgr_build_answered(struct builder *b, uint32_t task, uint32_t payer);
/* compile_peer.c */
int cgr_build_soft_wake(struct builder *b, const struct cgr_event *e, enum cgr_cause otherwise, bool *ret_soft);
int cgr_build_judge_peers(struct builder *b);
/* compile_pipe.c */
int cgr_build_judge_pipes(struct builder *b);
/* compile_affinity.c */
void cgr_build_know_cpus(struct builder *b);
void cgr_build_note_put(struct builder *b, uint32_t task, uint32_t cpu);
void cgr_build_note_born(struct builder *b, uint32_t task);
void cgr_build_forget_cpus(struct builder *b, uint32_t task);
bool cgr_build_may_run(const struct builder *b, uint32_t task, uint32_t cpu); /* false: not for certain */
bool cgr_build_share_cache(const struct builder *b, uint32_t cpu, uint32_t other); /* false: not for certain */
/* compile_balance.c */
void cgr_build_note_quota(struct builder *b);
void cgr_build_note_migration(struct builder *b, const struct cgr_event *e);
void cgr_build_note_busy(struct builder *b, uint32_t cpu, uint64_t ts_ns); /* another task is about to run there */
void cgr_build_note_newly_idle(struct builder *b, const struct cgr_event *e, uint32_t next);
void cgr_build_note_scan(struct builder *b, const struct cgr_event *e);
void cgr_build_calibrate_balance(struct builder *b);
/* compile_phase.c */
int cgr_build_judge_phases(struct builder *b);
/* compile_clock.c */
void cgr_build_note_block(struct builder *b, uint32_t task, uint64_t ts_ns, enum cgr_cause cause);
void cgr_build_judge_clock(struct builder *b, uint32_t task, uint64_t exit_ns);
void cgr_build_note_return(struct builder *b, uint32_t task); /* it has just got the CPU */
void cgr_build_note_signal(struct builder *b, const struct cgr_event *e);
/* compile_memory.c */
int cgr_build_reclaim_over(struct builder *b, const struct cgr_event *e);
int cgr_build_memory(struct builder *b, const struct cgr_event *e);
int cgr_build_late_end(struct builder *b); /* what was freed in interrupts and followed by no charge */
/* compile_swap.c: pages that leave for swap and come back are no births and no deaths */
int cgr_build_swap_init(struct builder *b);
void cgr_build_swap_free(struct builder *b);
/* The charge was written at `at`; pages without swap identity (file, kernel) are none of its business. */
int cgr_build_swap_charged(struct builder *b, const struct cgr_event *e, struct recent_add at);
/* How many of the pages uncharged the program really gave up; the others went to swap. */
int cgr_build_swap_uncharged(struct builder *b, const struct cgr_event *e, uint64_t *ret_pages);
/* The task's last anonymous page had been in swap. */
int cgr_build_swap_in(struct builder *b, uint32_t task);
/* The cgroup holds `delta` swap slots more. */
int cgr_build_swap_slots(struct builder *b, const struct cgr_event *e, int64_t delta);
/* The task is about to be gone: what its memory still had in swap goes with it. */
int cgr_build_swap_end(struct builder *b, const struct cgr_event *e);
/* A wait for missing pages of wait_ns is over: what a miss costs. */
void cgr_build_note_miss_wait(struct builder *b, uint32_t task, uint64_t wait_ns);
/* The task was on a CPU for `stolen_ns` longer than the kernel charged it for. */
int cgr_build_note_stolen(struct builder *b, uint32_t task, uint64_t stolen_ns);
void cgr_build_device(struct builder *b, const struct cgr_event *e);
void cgr_build_calibrate_misses(struct builder *b);

static inline bool cgr_event_in_irq(const struct cgr_event *e)
{
	return (e->flags & (CGR_EVF_HARDIRQ | CGR_EVF_SOFTIRQ | CGR_EVF_NMI)) != 0;
}

#endif
