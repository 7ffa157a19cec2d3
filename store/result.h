/* What a replay found: plain arrays that replay fills, reports print, and the results store keeps.
 * All numbers are integers in the unit of the kernel file (bytes, usec, counts). */
#ifndef CGR_STORE_RESULT_H
#define CGR_STORE_RESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/histogram.h"

#define CGR_RESULT_SCHEMA_VERSION 1

enum cgr_class { CGR_CLASS_EXACT, CGR_CLASS_BOUNDED, CGR_CLASS_EXTRAPOLATED };
const char *cgr_class_name(enum cgr_class class);

struct cgr_result_metric { /* one per (cgroup, metric) */
	uint32_t cgroup; /* index into cgroups */
	uint32_t metric; /* index into metrics */
	bool has_recorded;
	enum cgr_class class;
	int64_t recorded, predicted, low, high; /* CGR_UNLIMITED means max */
};
struct cgr_result_metric_desc { /* copied from the model's table */
	char *name; /* "cpu.stat.nr_throttled" */
	char *unit; /* "count", "bytes", "usec", "pages", "ppm" */
	char *help;
	int worse; /* +1 higher is worse, -1 lower is worse, 0 neutral */
	int64_t tolerance_ppm; /* default tolerance of checks */
};
struct cgr_result_series { /* values over time; recorded from samples, predicted from the run */
	uint32_t cgroup; /* CGR_ID_NONE = machine */
	char *name; /* metric or "memory.current", "memory.max", "cpu.usage", "cpu.max", "throttled" */
	bool recorded;
	size_t count;
	int64_t *t_usec, *value;
};
struct cgr_result_task {
	int32_t tid;
	char *comm;
	uint32_t cgroup; /* index into cgroups */
	int64_t start_usec, end_usec; /* end -1 = null: has not exited */
	int64_t recorded_end_usec; /* -1 = did not exit in the recording */
	int64_t runtime_usec, recorded_runtime_usec;
	int64_t wait_usec, throttled_usec;
	struct cgr_histogram wakeup_latency; /* usec, predicted */
	struct cgr_histogram recorded_wakeup_latency; /* usec */
};
struct cgr_result_decision { /* time order */
	int64_t t_usec;
	char *kind; /* "oom_kill", "throttle", "unthrottle", "limit_write" */
	uint32_t cgroup; /* index into cgroups */
	int32_t tid; /* -1 none */
	char *comm; /* may be NULL */
	int64_t value; /* oom_kill: pages charged by the victim; throttle: cpu */
};
struct cgr_result_fidelity { /* the same models at the recorded limits against the recorded counters */
	uint32_t cgroup;
	uint32_t metric;
	int64_t recorded, replayed, low, high;
};
struct cgr_result_span { /* simulated schedule, only when asked for */
	int64_t start_ns, end_ns;
	uint32_t task; /* index into tasks, CGR_ID_NONE idle */
	uint16_t cpu;
	uint8_t state; /* how it ended: 0 preempted, 1 blocked, 2 throttled, 3 exited */
};
struct cgr_result_change { /* the what-if itself, for people */
	char *cgroup, *knob, *from, *to;
	int64_t t_usec; /* 0 = from the start */
};
/* Page cache look-ups of a cgroup's tasks and of those below it that miss in an LRU of each size: what the recording
 * says, whatever was asked. */
struct cgr_result_curve {
	uint32_t cgroup;
	bool sampled; /* counted on a sample of the pages */
	int64_t accesses, pages; /* pages: distinct */
	size_t count;
	int64_t *size_bytes, *misses; /* by size; misses include first look-ups */
};
/* Recorded wake-up latencies (usec) of a cgroup and those below it, where a recording itself is compared: two halves of
 * interleaved stretches of time, so that their difference shows how far chance carries. Not kept in a results store. */
struct cgr_result_latency {
	struct cgr_histogram half[2];
};
struct cgr_result_quality {
	uint64_t lost_events;
	int64_t unexplained_block_usec;
	uint64_t blocks, unexplained_blocks, causality_violations;
	int64_t inferred_runtime_usec; /* CPU time known only by inference */
};

struct cgr_result {
	char *name; /* run name: scenario name or "run" */
	char *scenario_json; /* canonical JSON text of the effective scenario */
	char *memory_model, *cpu_model, *reclaim_model;
	char *tool_version, *source_path, *source_digest, *kernel_release, *command;
	uint64_t seed;
	uint32_t seeds, cpus, recorded_cpus;
	int64_t duration_usec; /* recorded */
	int64_t replayed_usec; /* virtual time at the end of the replay */
	uint64_t events;
	char **cgroup_path;
	size_t cgroups;
	struct cgr_result_metric_desc *metric_desc;
	size_t metric_descs;
	struct cgr_result_metric *metric;
	size_t metrics;
	int64_t
	    *seed_value; /* metrics times seeds: what each seed said; NULL unless asked for. Not kept in a results store */
	struct cgr_result_series *series;
	size_t series_count;
	struct cgr_result_task *task;
	size_t tasks;
	struct cgr_result_decision *decision;
	size_t decisions;
	struct cgr_result_fidelity *fidelity;
	size_t fidelities;
	struct cgr_result_span *span;
	size_t spans;
	struct cgr_result_change *change;
	size_t changes;
	struct cgr_result_curve *curve;
	size_t curves;
	struct cgr_result_latency *latency; /* by cgroup */
	size_t latencies; /* 0, or cgroups */
	struct cgr_result_quality quality;
};

struct cgr_result *cgr_result_new(void);
struct cgr_result *cgr_result_free(struct cgr_result *result); /* NULL-safe, returns NULL; frees everything above */

/* Results store: one SQLite file, many runs. Writing appends; a killed writer leaves whole runs only. */
struct cgr_results;
int cgr_results_open(const char *path, bool writable, struct cgr_results **ret_results, struct cgr_error *reterr);
struct cgr_results *cgr_results_free(struct cgr_results *results);
/* One transaction; *ret_run is the new run's id (1, 2, ...). A name already there gets "-2", "-3", ... */
int cgr_results_append(struct cgr_results *results, const struct cgr_result *result, int64_t *ret_run,
                       struct cgr_error *reterr);
int cgr_results_load(struct cgr_results *results, int64_t run, struct cgr_result **ret_result,
                     struct cgr_error *reterr);
/* Run by id or name; CGR_E_USAGE with suggestions when unknown. */
int cgr_results_find(struct cgr_results *results, const char *text, int64_t *ret_run, struct cgr_error *reterr);
struct cgr_results_entry {
	int64_t run;
	char *name;
};
int cgr_results_list(struct cgr_results *results, struct cgr_results_entry **ret_entries, size_t *ret_count,
                     struct cgr_error *reterr);
void cgr_results_list_free(struct cgr_results_entry *entries, size_t count);
/* Sweeps: progress of a resumable set. True when a run with this scenario key is already stored. */
bool cgr_results_has(struct cgr_results *results, const char *name, const char *scenario_json);

#endif
