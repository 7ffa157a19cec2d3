/* Reading side of the event store: what import wrote, loaded once, then immutable.
 * Small tables come as plain arrays indexed by dense id; events come through stream.h.
 * A store handle may be shared by threads once open (everything is const). */
#ifndef CGR_STORE_STORE_H
#define CGR_STORE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/event.h"

#define CGR_STORE_SCHEMA_VERSION 2

/* Hierarchy independent cgroup: one per path (a path on several v1 hierarchies is one cgroup). id = index.
 * Id 0 is always the root "/". A path that was removed and made again is two cgroups. */
struct cgr_store_cgroup {
	const char *path; /* "/web" */
	const char *container; /* container/unit name told by the snapshot, or NULL */
	uint32_t parent; /* CGR_ID_NONE for the root */
	int64_t born_ns; /* < 0: there before the trace */
	int64_t removed_ns; /* INT64_MAX: still there */
	int64_t released_ns; /* last reference gone; INT64_MAX: dying or alive */
	bool has_memory, has_cpu; /* a directory of that controller exists */
	bool recorded; /* page-level memory events were recorded for it */
};

struct cgr_store_task { /* id = index; 0 is idle (swapper), one id for all CPUs */
	int32_t tid, tgid;
	const char *comm; /* last known */
	int64_t start_ns; /* < 0: there before the trace */
	int64_t end_ns; /* INT64_MAX: did not exit */
	uint32_t parent; /* task id of the forker or CGR_ID_NONE */
	uint32_t css_set; /* at start (first known) */
	int16_t prio; /* first known kernel prio: 100..139 normal, < 100 real time */
	int8_t policy; /* SCHED_* or -1 unknown */
	bool kernel_thread;
	int16_t oom_score_adj;
	const char *cpus_allowed; /* cpulist or NULL */
	int32_t session; /* setsid id as of the snapshot, inherited by fork; 0 unknown: autogroup shares by it */
};

struct cgr_store_css_set {
	uint32_t cpu_cgroup, memory_cgroup, cpuset_cgroup, default_cgroup;
};

/* A knob or counter as the kernel file showed it. Values in kernel units (bytes, usec, ...); names are the
 * canonical v2 ones where one exists (design section 4), memory.limit_in_bytes is stored as memory.max etc. */
struct cgr_store_sample {
	uint32_t cgroup;
	uint32_t name; /* index into names */
	int64_t t_ns; /* since trace start; start snapshot 0, end snapshot duration */
	int64_t value; /* CGR_UNLIMITED for max */
	int64_t value2; /* second number of cpu.max (period_us); 0 otherwise */
	const char *text; /* knobs: exact text; counters: NULL */
	bool at_start; /* from the snapshot taken before anything was recorded */
};

/* A group was held back by its limit on some CPU. */
struct cgr_store_throttle {
	uint32_t cgroup;
	int64_t from_ns, to_ns;
};

struct cgr_store_file {
	uint64_t dev, inode;
	const char *path; /* NULL: unknown */
};

struct cgr_store_lost {
	uint32_t cpu;
	int64_t from_ns, to_ns;
	uint64_t events; /* 0 = unknown number */
};

struct cgr_store_info {
	const char *kernel_release; /* "6.18.44-..." */
	uint32_t kernel_version; /* major << 16 | minor << 8 | patch (capped 255) */
	const char *clock;
	const char *source_digest; /* hex */
	const char *tool_version;
	const char *source_path;
	int64_t duration_ns;
	uint64_t events, lost_events;
	uint32_t cpus; /* highest recorded CPU + 1 */
	uint32_t online_cpus;
	uint32_t hz; /* 0 unknown */
	int cgroup_version; /* 1, 2 for the memory/cpu controllers; 0 unknown */
	bool has_snapshots; /* made by our recorder */
	bool has_memcg_events, has_page_cache, has_sched;
	int64_t base_slice_ns, sched_latency_ns, min_granularity_ns, wakeup_granularity_ns; /* 0 unknown */
	int64_t cfs_bandwidth_slice_ns; /* 0 unknown */
	int64_t mem_total_bytes, swap_total_bytes;
	int swappiness; /* -1 unknown */
	bool psi, mglru, autogroup;
	uint32_t event_cost_ns; /* self-calibrated mean cost of one recorded event, 0 unknown */
	uint32_t memory_event_cost_ns; /* the same of memcg events, with what their filters reject; 0 unknown */
	uint32_t rejected_event_cost_ns; /* of a memcg event that a filter rejects; 0 unknown */
	uint32_t calibrated_page_ns; /* an anonymous page took so long while that was measured, its events included */
	bool anon_implied; /* single anonymous pages were recorded by their charge alone */
};

struct cgr_store;

/* Opens read-only. Errors: CGR_E_INPUT for not a store, older/newer schema (says which), damaged. */
int cgr_store_open(const char *path, struct cgr_store **ret_store, struct cgr_error *reterr);
struct cgr_store *cgr_store_free(struct cgr_store *store); /* NULL-safe, returns NULL */

const struct cgr_store_info *cgr_store_borrow_info(const struct cgr_store *store);
const char *cgr_store_borrow_meta(const struct cgr_store *store, const char *key); /* any meta row, NULL if absent */
const struct cgr_store_cgroup *cgr_store_borrow_cgroups(const struct cgr_store *store, size_t *ret_count);
const struct cgr_store_task *cgr_store_borrow_tasks(const struct cgr_store *store, size_t *ret_count);
const struct cgr_store_css_set *cgr_store_borrow_css_sets(const struct cgr_store *store, size_t *ret_count);
const struct cgr_store_sample *cgr_store_borrow_knobs(const struct cgr_store *store, size_t *ret_count); /* by t_ns */
const struct cgr_store_sample *cgr_store_borrow_counters(const struct cgr_store *store,
                                                         size_t *ret_count); /* by t_ns */
const char *cgr_store_borrow_name(const struct cgr_store *store, uint32_t name); /* of a sample */
const struct cgr_store_file *cgr_store_borrow_files(const struct cgr_store *store, size_t *ret_count);
const struct cgr_store_lost *cgr_store_borrow_lost(const struct cgr_store *store, size_t *ret_count);

/* Path, unambiguous part of a path, or container name -> id. CGR_E_SCENARIO with suggestions if none or several. */
int cgr_store_find_cgroup(const struct cgr_store *store, const char *text, uint32_t *ret_id, struct cgr_error *reterr);
/* Comma separated controllers of a hierarchy number as CGROUP_ATTACH events name it; NULL if unknown. */
const char *cgr_store_borrow_controllers(const struct cgr_store *store, uint32_t hierarchy);
/* Knob in force at t_ns; false if the recording does not have it. */
bool cgr_store_knob_at(const struct cgr_store *store, uint32_t cgroup, const char *name, int64_t t_ns,
                       int64_t *ret_value, int64_t *ret_value2);
/* Counter at the beginning and at the end of the recording; false if absent. A controller's directory that was made
 * while recording began at 0, whatever its first sample says: that came up to a sampling interval later. */
bool cgr_store_counter_first(const struct cgr_store *store, uint32_t cgroup, const char *name, int64_t *ret_value);
bool cgr_store_counter_last(const struct cgr_store *store, uint32_t cgroup, const char *name, int64_t *ret_value);
/* When limits held cgroups back, by cgroup and end; the caller frees. */
int cgr_store_load_throttles(const struct cgr_store *store, struct cgr_store_throttle **ret_rows, size_t *ret_count,
                             struct cgr_error *reterr);

#endif
