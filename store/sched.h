/* Follows every task through the event stream: how long it ran, since when it is runnable, who woke it. Gives the
 * derived columns of sched_switch and the sums of task_sched. One pass, in stream order; used by the writer and,
 * over the packed stream again, by the check that rows and stream agree. */
#ifndef CGR_STORE_SCHED_H
#define CGR_STORE_SCHED_H

#include "common/error.h"
#include "common/event.h"
#include "store/schema.h"

struct cgr_sched_sum { /* one row of task_sched: a task, in one css_set, on one CPU */
	uint32_t task, css_set, cpu;
	uint64_t run_ns; /* finished slices */
	uint64_t open_run_ns; /* still on the CPU at the end of the trace */
	uint64_t stat_runtime_ns; /* sum of sched_stat_runtime */
	uint64_t switches; /* times it left the CPU */
	uint64_t preemptions; /* ... while still runnable */
	uint64_t wakeups;
	uint64_t waits, wait_ns, max_wait_ns, max_wait_at_ns; /* runnable, any reason */
	uint64_t wake_waits, wake_wait_ns, max_wake_wait_ns, max_wake_wait_at_ns; /* runnable since a wake-up */
};

/* A wait through which the CPU was idle for the most part: nothing but a quota keeps a runnable task off an idle CPU
 * that long. Whether there is a quota, the caller knows. */
#define CGR_SCHED_HELD_MIN_NS 1000000u
struct cgr_sched_held {
	uint32_t task, css_set, cpu;
	uint64_t from_ns, to_ns;
};

struct cgr_sched;
struct cgr_sched *cgr_sched_new(void);
struct cgr_sched *cgr_sched_free(struct cgr_sched *sched);
/* The task is in css_set from now on. */
int cgr_sched_attach(struct cgr_sched *sched, uint32_t task, uint32_t css_set, struct cgr_error *reterr);
/* One event; derived is filled for SWITCH and RUN_START. */
int cgr_sched_event(struct cgr_sched *sched, const struct cgr_event *event, uint64_t id,
                    struct cgr_sched_derived *derived, struct cgr_error *reterr);
/* Closes open slices at end_ns; then the sums, in order of first appearance. */
int cgr_sched_finish(struct cgr_sched *sched, uint64_t end_ns, struct cgr_error *reterr);
const struct cgr_sched_held *cgr_sched_borrow_held(const struct cgr_sched *sched, size_t *ret_count);
const struct cgr_sched_sum *cgr_sched_borrow_sums(const struct cgr_sched *sched, size_t *ret_count);

#endif
