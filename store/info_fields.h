/* struct cgr_store_info as rows of `meta`: X(member) in the order people read them. Private to store/. */
#ifndef CGR_STORE_INFO_FIELDS_H
#define CGR_STORE_INFO_FIELDS_H

/* clang-format off */
#define CGR_INFO_TEXTS(X) \
	X(kernel_release) X(clock) X(source_digest) X(tool_version) X(source_path)
#define CGR_INFO_NUMBERS(X) \
	X(kernel_version) X(duration_ns) X(events) X(lost_events) X(cpus) X(online_cpus) X(hz) X(cgroup_version) \
	X(has_snapshots) X(has_memcg_events) X(has_page_cache) X(has_sched) X(base_slice_ns) X(sched_latency_ns) \
	X(min_granularity_ns) X(wakeup_granularity_ns) X(cfs_bandwidth_slice_ns) X(mem_total_bytes) \
	X(swap_total_bytes) X(swappiness) X(psi) X(mglru) X(autogroup) X(event_cost_ns) \
	X(memory_event_cost_ns) X(rejected_event_cost_ns) X(calibrated_page_ns) X(anon_implied)
/* clang-format on */

#endif
