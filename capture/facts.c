#include "capture/facts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "capture/jsontext.h"
#include "capture/kconfig.h"
#include "capture/procfile.h"
#include "common/util.h"

#define TEXT_MAX (1u << 20)

static void set_line(json_t *obj, const char *key, const char *path)
{
	char line[512];

	if (cgr_procfile_line(AT_FDCWD, path, line, sizeof(line)))
		cgr_json_set_text(obj, key, line);
}

static bool set_int(json_t *obj, const char *key, const char *path)
{
	int64_t value;
	bool there = cgr_procfile_int(AT_FDCWD, path, &value);

	if (there)
		cgr_json_set_int(obj, key, value);
	return there;
}

static json_t *kernel_json(void)
{
	json_t *obj = json_object();
	struct utsname name;

	if (uname(&name) == 0) {
		cgr_json_set_text(obj, "release", name.release);
		cgr_json_set_text(obj, "version", name.version);
		cgr_json_set_text(obj, "machine", name.machine);
		cgr_json_set_text(obj, "host", name.nodename);
	}
	set_line(obj, "cmdline", "/proc/cmdline");
	return obj;
}

static void cpu_int(json_t *obj, const char *key, int cpu, const char *file)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
	(void)set_int(obj, key, path);
}

static void cpu_line(json_t *obj, const char *key, int cpu, const char *file)
{
	char path[256];

	(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/%s", cpu, file);
	set_line(obj, key, path);
}

/* shared_cpu_list of the highest cache level: who may be woken beside whom (sd_llc). */
static void cpu_llc(json_t *obj, int cpu)
{
	int64_t best = 0;

	for (int i = 0; i < 8; i++) {
		char path[128];
		int64_t level;
		(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/cache/index%d/level", cpu, i);
		if (!cgr_procfile_int(AT_FDCWD, path, &level) || level <= best)
			continue;
		best = level;
		char file[64];
		(void)snprintf(file, sizeof(file), "cache/index%d/shared_cpu_list", i);
		cpu_line(obj, "llc", cpu, file);
	}
}

static json_t *cpus_json(void)
{
	json_t *obj = json_object(), *list = json_array();
	long possible = sysconf(_SC_NPROCESSORS_CONF);

	cgr_json_set_int(obj, "possible", possible);
	set_line(obj, "online", "/sys/devices/system/cpu/online");
	for (int cpu = 0; cpu < possible; cpu++) {
		json_t *one = json_object();
		cgr_json_set_int(one, "cpu", cpu);
		cpu_int(one, "core", cpu, "topology/core_id");
		cpu_int(one, "package", cpu, "topology/physical_package_id");
		cpu_line(one, "siblings", cpu, "topology/thread_siblings_list");
		cpu_int(one, "capacity", cpu, "cpu_capacity");
		cpu_llc(one, cpu);
		for (int node = 0; node < 64; node++) {
			char path[96];
			(void)snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/node%d", cpu, node);
			if (access(path, F_OK) == 0)
				cgr_json_set_int(one, "node", node);
		}
		(void)json_array_append_new(list, one);
	}
	(void)json_object_set_new(obj, "list", list);
	return obj;
}

/* "Key: 123 kB" and "key 123" lines. */
static json_t *numbers_json(const char *path)
{
	struct cgr_procfile file = { 0 };
	json_t *obj = json_object();
	char *save = NULL;

	if (cgr_procfile_read(&file, AT_FDCWD, path, TEXT_MAX) == 0) {
		for (char *line = strtok_r(file.text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
			size_t word = strcspn(line, ": ");
			if (line[word] == '\0')
				continue;
			int64_t value = strtoll(line + word + 1 + (line[word] == ':'), NULL, 10);
			line[word] = '\0';
			cgr_json_set_int(obj, line, value);
		}
	}
	cgr_procfile_fini(&file);
	return obj;
}

json_t *cgr_meminfo_json(void)
{
	return numbers_json("/proc/meminfo");
}

json_t *cgr_vmstat_json(void)
{
	return numbers_json("/proc/vmstat");
}

static json_t *swaps_json(void)
{
	struct cgr_procfile file = { 0 };
	json_t *array = json_array();
	char *save = NULL;

	if (cgr_procfile_read(&file, AT_FDCWD, "/proc/swaps", TEXT_MAX) == 0) {
		for (char *line = strtok_r(file.text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
			char name[256], type[32];
			int64_t size, used, priority;
			if (sscanf(line, "%255s %31s %" SCNd64 " %" SCNd64 " %" SCNd64, name, type, &size, &used, &priority) != 5)
				continue;
			json_t *one = json_object();
			cgr_json_set_text(one, "name", name);
			cgr_json_set_text(one, "type", type);
			cgr_json_set_int(one, "size_kib", size);
			cgr_json_set_int(one, "used_kib", used);
			cgr_json_set_int(one, "priority", priority);
			(void)json_array_append_new(array, one);
		}
	}
	cgr_procfile_fini(&file);
	return array;
}

/* The largest window in which the kernel reads ahead on a mounted disk: what was in the page cache already while
 * recording would be read by such windows where a what-if has evicted it. */
static void set_read_ahead(json_t *obj)
{
	struct cgr_procfile file = { 0 };
	char *save = NULL;
	int64_t most = 0;

	if (cgr_procfile_read(&file, AT_FDCWD, "/proc/self/mountinfo", TEXT_MAX) == 0) {
		for (char *line = strtok_r(file.text, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save)) {
			unsigned major, minor;
			int64_t kib;
			char path[96];
			if (sscanf(line, "%*u %*u %u:%u", &major, &minor) != 2 || major == 0)
				continue;
			(void)snprintf(path, sizeof(path), "/sys/class/bdi/%u:%u/read_ahead_kb", major, minor);
			if (cgr_procfile_int(AT_FDCWD, path, &kib))
				most = CGR_MAX(most, kib);
		}
	}
	cgr_procfile_fini(&file);
	if (most > 0)
		cgr_json_set_int(obj, "read_ahead_kb", most);
}

static json_t *vm_json(void)
{
	static const char *const names[] = { "swappiness",
		                                 "overcommit_memory",
		                                 "overcommit_ratio",
		                                 "page-cluster",
		                                 "dirty_ratio",
		                                 "dirty_background_ratio",
		                                 "min_free_kbytes",
		                                 "watermark_scale_factor",
		                                 "vfs_cache_pressure",
		                                 "oom_kill_allocating_task",
		                                 "panic_on_oom",
		                                 "zone_reclaim_mode",
		                                 "dirty_expire_centisecs",
		                                 "dirty_writeback_centisecs" };
	json_t *obj = json_object();
	char path[128];

	for (size_t i = 0; i < CGR_ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "/proc/sys/vm/%s", names[i]);
		(void)set_int(obj, names[i], path);
	}
	set_read_ahead(obj);
	return obj;
}

/* Scheduler tunables live in debugfs since 5.13, in /proc/sys/kernel before; lockdown hides the former. */
static json_t *sched_json(json_t *facts)
{
	static const struct {
		const char *key, *path;
	} files[] = {
		{ "base_slice_ns", "/sys/kernel/debug/sched/base_slice_ns" },
		{ "latency_ns", "/sys/kernel/debug/sched/latency_ns" },
		{ "min_granularity_ns", "/sys/kernel/debug/sched/min_granularity_ns" },
		{ "idle_min_granularity_ns", "/sys/kernel/debug/sched/idle_min_granularity_ns" },
		{ "wakeup_granularity_ns", "/sys/kernel/debug/sched/wakeup_granularity_ns" },
		{ "migration_cost_ns", "/sys/kernel/debug/sched/migration_cost_ns" },
		{ "nr_migrate", "/sys/kernel/debug/sched/nr_migrate" },
		{ "latency_ns", "/proc/sys/kernel/sched_latency_ns" },
		{ "min_granularity_ns", "/proc/sys/kernel/sched_min_granularity_ns" },
		{ "wakeup_granularity_ns", "/proc/sys/kernel/sched_wakeup_granularity_ns" },
		{ "migration_cost_ns", "/proc/sys/kernel/sched_migration_cost_ns" },
		{ "cfs_bandwidth_slice_us", "/proc/sys/kernel/sched_cfs_bandwidth_slice_us" },
		{ "autogroup_enabled", "/proc/sys/kernel/sched_autogroup_enabled" },
		{ "child_runs_first", "/proc/sys/kernel/sched_child_runs_first" },
		{ "rt_period_us", "/proc/sys/kernel/sched_rt_period_us" },
		{ "rt_runtime_us", "/proc/sys/kernel/sched_rt_runtime_us" },
		{ "schedstats", "/proc/sys/kernel/sched_schedstats" },
	};
	json_t *obj = json_object();
	char text[256];

	for (size_t i = 0; i < CGR_ARRAY_SIZE(files); i++)
		(void)set_int(obj, files[i].key, files[i].path);
	set_line(obj, "features", "/sys/kernel/debug/sched/features");
	set_line(obj, "preempt", "/sys/kernel/debug/sched/preempt");
	int fd = open("/sys/kernel/debug/sched/features", O_RDONLY | O_CLOEXEC);
	(void)snprintf(text, sizeof(text), fd < 0 ? "unreadable: %s" : "debugfs", strerror(errno));
	if (fd >= 0)
		(void)close(fd);
	cgr_json_set_text(facts, "sched_source", text);
	return obj;
}

static json_t *mglru_json(void)
{
	json_t *obj = json_object();
	bool built = access("/sys/kernel/mm/lru_gen/enabled", F_OK) == 0;

	(void)json_object_set_new(obj, "built", json_boolean(built));
	if (built) {
		set_line(obj, "enabled", "/sys/kernel/mm/lru_gen/enabled");
		(void)set_int(obj, "min_ttl_ms", "/sys/kernel/mm/lru_gen/min_ttl_ms");
	}
	return obj;
}

static json_t *psi_json(const struct cgr_cgroupfs *fs)
{
	json_t *obj = json_object();
	bool cgroup = false;

	/* PSI of cgroups exists on v2 only, and says something useful only where the controller is there, too */
	for (size_t i = 0; i < fs->count; i++)
		cgroup = cgroup || (fs->hierarchy[i].version == 2 && cgr_hierarchy_has(&fs->hierarchy[i], "memory"));
	(void)json_object_set_new(obj, "system", json_boolean(access("/proc/pressure/cpu", R_OK) == 0));
	(void)json_object_set_new(obj, "cgroup", json_boolean(cgroup && access("/proc/pressure/cpu", R_OK) == 0));
	return obj;
}

static json_t *thp_json(void)
{
	static const char *const names[] = { "enabled", "defrag", "shmem_enabled" };
	json_t *obj = json_object();
	char path[128], line[256];

	for (size_t i = 0; i < CGR_ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "/sys/kernel/mm/transparent_hugepage/%s", names[i]);
		if (!cgr_procfile_line(AT_FDCWD, path, line, sizeof(line)))
			continue;
		char *open_bracket = strchr(line, '['), *close_bracket = strchr(line, ']');
		if (open_bracket != NULL && close_bracket > open_bracket) {
			*close_bracket = '\0';
			cgr_json_set_text(obj, names[i], open_bracket + 1);
		}
	}
	(void)set_int(obj, "khugepaged_defrag", "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag");
	return obj;
}

static void add_enumerator(void *context, const char *enumerator, int64_t value)
{
	cgr_json_set_int(context, enumerator, value);
}

static json_t *enums_json(const struct cgr_btf *btf)
{
	static const char *const names[] = { "node_stat_item",     "memcg_stat_item", "vm_event_item", "zone_type",
		                                 "memcg_memory_event", "lru_list",        "hrtimer_mode",  "zone_stat_item" };
	json_t *obj = json_object();

	for (size_t i = 0; i < CGR_ARRAY_SIZE(names); i++) {
		json_t *table = json_object();
		if (cgr_btf_enum(btf, names[i], add_enumerator, table) > 0)
			(void)json_object_set(obj, names[i], table);
		json_decref(table);
	}
	return obj;
}

static json_t *timers_json(const struct cgr_timer_symbols *symbols)
{
	json_t *obj = json_object();

	for (unsigned i = 0; i < CGR_SYMBOL_COUNT; i++)
		if (symbols->address[i] != 0)
			cgr_json_set_int(obj, cgr_timer_symbol_name(i), (int64_t)symbols->address[i]);
	return obj;
}

json_t *cgr_facts_json(const struct cgr_cgroupfs *fs, const struct cgr_btf *btf, const char *btf_error,
                       const struct cgr_timer_symbols *symbols)
{
	json_t *facts = json_object();
	char source[512] = "/sys/kernel/btf/vmlinux";

	cgr_json_set_int(facts, "schema_version", 1);
	cgr_json_set_text(facts, "tool", "cgreplay " CGR_VERSION);
	(void)json_object_set_new(facts, "kernel", kernel_json());
	int hz = cgr_kernel_hz();
	if (hz > 0)
		cgr_json_set_int(facts, "hz", hz);
	cgr_json_set_int(facts, "page_bytes", sysconf(_SC_PAGESIZE));
	(void)json_object_set_new(facts, "cpus", cpus_json());
	(void)json_object_set_new(facts, "meminfo", cgr_meminfo_json());
	(void)json_object_set_new(facts, "swaps", swaps_json());
	(void)json_object_set_new(facts, "vm", vm_json());
	(void)json_object_set_new(facts, "sched", sched_json(facts));
	(void)json_object_set_new(facts, "mglru", mglru_json());
	(void)json_object_set_new(facts, "psi", psi_json(fs));
	(void)json_object_set_new(facts, "thp", thp_json());
	(void)json_object_set_new(facts, "config", cgr_kconfig_json());
	(void)json_object_set_new(facts, "hierarchies", cgr_cgroupfs_json(fs));
	if (btf != NULL)
		(void)json_object_set_new(facts, "enums", enums_json(btf));
	else
		(void)snprintf(source, sizeof(source), "unreadable: %s", btf_error);
	cgr_json_set_text(facts, "enums_source", source);
	(void)json_object_set_new(facts, "timers", timers_json(symbols));
	return facts;
}
