#include "cli/recording.h"

#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/units.h"
#include "common/util.h"
#include "store/store.h"

bool cgr_recording_is_store(const char *path)
{
	struct cgr_store *store;
	if (cgr_store_open(path, &store, NULL) < 0)
		return false;
	cgr_store_free(store);
	return true;
}

static bool ends(const char *name, const char *end)
{
	size_t length = strlen(name), tail = strlen(end);
	return length > tail && strcmp(name + length - tail, end) == 0;
}

/* A line of memory.stat that is an amount of memory and not a count of events. */
static bool is_amount(const char *key)
{
	static const char *const stat[] = { "anon",      "file",        "kernel", "shmem", "active_",
		                                "inactive_", "unevictable", "slab",   "sock",  "pagetables",
		                                "percpu",    "vmalloc",     "swap",   "zswap", "hierarchical_" };
	for (size_t i = 0; i < CGR_ARRAY_SIZE(stat); i++)
		if (strncmp(key, stat[i], strlen(stat[i])) == 0)
			return true;
	return false;
}

static bool is_bytes(const char *name)
{
	static const char *const names[] = { "memory.current", "memory.peak", "memory.swap.current", "memory.swap.peak" };
	for (size_t i = 0; i < CGR_ARRAY_SIZE(names); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	if (strncmp(name, "memory.stat.local.", 18) == 0)
		return is_amount(name + 18);
	return ends(name, "_in_bytes") || (strncmp(name, "memory.stat.", 12) == 0 && is_amount(name + 12));
}

/* Files that show a level and not a count since the cgroup was made. */
static bool is_level(const char *name)
{
	return is_bytes(name) || !strcmp(name, "pids.current") || !strcmp(name, "pids.peak") || ends(name, ".under_oom");
}

static const char *unit_of(const char *name)
{
	return ends(name, "_usec") ? "usec" : is_bytes(name) ? "bytes" : "count";
}

/* The kernel's own spread between repeats of one workload is 2 to 5 % for most counters. */
static int64_t tolerance_of(const char *name)
{
	return strstr(name, "pressure") ? 200000 : 50000;
}

static int worse_of(const char *name)
{
	static const char *const worse[] = { "throttled",  "oom",      "refault", "pgscan", "pgsteal",
		                                 "pgmajfault", "pressure", "failcnt", "peak",   "events" };
	for (size_t i = 0; i < CGR_ARRAY_SIZE(worse); i++)
		if (strstr(name, worse[i]))
			return 1;
	return 0;
}

static int name_index(struct cgr_result *r, size_t *capacity, const char *name, uint32_t *ret, struct cgr_error *reterr)
{
	for (uint32_t i = 0; i < r->metric_descs; i++)
		if (strcmp(r->metric_desc[i].name, name) == 0) {
			*ret = i;
			return 0;
		}
	CGR_TRY(cgr_grow((void **)&r->metric_desc, capacity, r->metric_descs + 1, sizeof *r->metric_desc, reterr));
	r->metric_desc[r->metric_descs] =
	    (struct cgr_result_metric_desc){ cgr_strdup(name), cgr_strdup(unit_of(name)), cgr_strdup("recorded counter"),
		                                 worse_of(name), tolerance_of(name) };
	*ret = (uint32_t)r->metric_descs++;
	return 0;
}

static int fill(struct cgr_result *r, const struct cgr_store *store, struct cgr_error *reterr)
{
	size_t count, capacity = 0, metric_capacity = 0;
	const struct cgr_store_sample *sample = cgr_store_borrow_counters(store, &count);
	size_t groups;
	const struct cgr_store_cgroup *group = cgr_store_borrow_cgroups(store, &groups);
	struct cgr_intern seen = { 0 };
	int rc = 0;
	for (size_t i = 0; i < count && rc == 0; i++) {
		uint32_t id, name = 0;
		bool is_new;
		const char *text = cgr_store_borrow_name(store, sample[i].name);
		if (ends(text, "_nsec")) /* the same counter once more: what v1 files tell in ns stands in usec too */
			continue;
		rc = cgr_intern_id(&seen, (uint64_t)sample[i].cgroup << 32 | sample[i].name, &id, &is_new, reterr);
		if (rc == 0 && is_new) {
			rc = name_index(r, &capacity, text, &name, reterr);
			if (rc == 0)
				rc = cgr_grow((void **)&r->metric, &metric_capacity, r->metrics + 1, sizeof *r->metric, reterr);
			if (rc == 0)
				r->metric[r->metrics++] =
				    (struct cgr_result_metric){ .cgroup = sample[i].cgroup,
					                            .metric = name,
					                            .has_recorded = true,
					                            .low = group[sample[i].cgroup].born_ns < 0 ? sample[i].value : 0 };
		}
		if (rc == 0) { /* low holds the value at the start until the end: 0 for what was born later */
			struct cgr_result_metric *m = &r->metric[id];
			m->recorded =
			    is_level(text) || sample[i].value == CGR_UNLIMITED ? sample[i].value : sample[i].value - m->low;
		}
	}
	cgr_intern_fini(&seen);
	for (size_t i = 0; i < r->metrics; i++)
		r->metric[i].predicted = r->metric[i].low = r->metric[i].high = r->metric[i].recorded;
	return rc;
}

static int describe(struct cgr_result *r, const struct cgr_store *store, const char *path, struct cgr_error *reterr)
{
	const struct cgr_store_info *info = cgr_store_borrow_info(store);
	const struct cgr_store_cgroup *cgroup = cgr_store_borrow_cgroups(store, &r->cgroups);
	r->name = cgr_strdup("recording");
	r->source_path = cgr_strdup(path);
	r->kernel_release = cgr_strdup(info->kernel_release ? info->kernel_release : "?");
	r->duration_usec = r->replayed_usec = info->duration_ns / 1000;
	r->events = info->events;
	r->cpus = r->recorded_cpus = info->cpus;
	r->quality.lost_events = info->lost_events;
	r->cgroup_path = cgr_calloc(r->cgroups + 1, sizeof *r->cgroup_path);
	bool failed = !r->name || !r->source_path || !r->kernel_release || !r->cgroup_path;
	for (size_t i = 0; i < r->cgroups && !failed; i++) {
		r->cgroup_path[i] = cgr_strdup(cgroup[i].path);
		failed = !r->cgroup_path[i];
	}
	if (failed) {
		r->cgroups = r->cgroup_path ? r->cgroups : 0;
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	}
	CGR_TRY(fill(r, store, reterr));
	return cgr_recording_latency(store, r, reterr);
}

int cgr_recording_load(const char *path, struct cgr_result **ret_result, struct cgr_error *reterr)
{
	struct cgr_store *store;
	CGR_TRY(cgr_store_open(path, &store, reterr));
	struct cgr_result *result = cgr_result_new();
	int rc =
	    result ? describe(result, store, path, reterr) : cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	cgr_store_free(store);
	if (rc < 0)
		cgr_result_free(result);
	else
		*ret_result = result;
	return rc;
}
