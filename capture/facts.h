/* What holds for the whole recording: machine, kernel, enum tables, tunables. */
#ifndef CGR_CAPTURE_FACTS_H
#define CGR_CAPTURE_FACTS_H

#include <jansson.h>
#include <stdint.h>

#include "capture/btf.h"
#include "capture/cgroupfs.h"
#include "common/error.h"

/* Addresses of the timer callbacks that tell why a task slept, and of functions that may be traced; 0 when hidden or
 * not there. */
#define CGR_TIMER_SYMBOLS(X)                                                                                           \
	X(hrtimer_wakeup)                                                                                                  \
	X(sched_cfs_period_timer)                                                                                          \
	X(sched_cfs_slack_timer)                                                                                           \
	X(posix_timer_fn)                                                                                                  \
	X(timerfd_tmrproc)                                                                                                 \
	X(it_real_fn) X(alarmtimer_fired) X(tick_nohz_handler) X(tick_sched_timer) X(throttle_cfs_rq) X(unthrottle_cfs_rq)
enum cgr_timer_symbol {
#define CGR_X(name) CGR_SYMBOL_##name,
	CGR_TIMER_SYMBOLS(CGR_X)
#undef CGR_X
	    CGR_SYMBOL_COUNT
};
struct cgr_timer_symbols {
	uint64_t address[CGR_SYMBOL_COUNT];
	char *kallsyms; /* the matching lines of /proc/kallsyms, owned; "" when hidden */
};
const char *cgr_timer_symbol_name(unsigned symbol);
void cgr_timer_symbols_load(struct cgr_timer_symbols *symbols);
void cgr_timer_symbols_fini(struct cgr_timer_symbols *symbols);

/* HZ of the running kernel (CONFIG_HZ, else measured from AT_CLKTCK-independent sources), 0 when unknown. */
int cgr_kernel_hz(void);

/* The members of FACTS that describe the machine (docs/trace-file.md). btf may be NULL (enums_source says why:
 * btf_error). New reference, NULL without memory. */
json_t *cgr_facts_json(const struct cgr_cgroupfs *fs, const struct cgr_btf *btf, const char *btf_error,
                       const struct cgr_timer_symbols *symbols);

/* /proc/meminfo and /proc/vmstat as objects of numbers. */
json_t *cgr_meminfo_json(void);
json_t *cgr_vmstat_json(void);

#endif
