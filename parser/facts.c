#include "parser/facts.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/cpulist.h"
#include "common/tracedat.h"
#include "common/units.h"

/* Kernel names of what enum cgr_mem_item keeps, per enum. */
static const struct {
	const char *kernel;
	uint8_t item;
} stat_names[] = {
	{ "NR_ANON_MAPPED", CGR_ITEM_ANON_MAPPED },
	{ "NR_FILE_PAGES", CGR_ITEM_FILE_PAGES },
	{ "NR_SHMEM", CGR_ITEM_SHMEM },
	{ "NR_FILE_MAPPED", CGR_ITEM_FILE_MAPPED },
	{ "NR_FILE_DIRTY", CGR_ITEM_FILE_DIRTY },
	{ "NR_WRITEBACK", CGR_ITEM_WRITEBACK },
	{ "NR_SWAPCACHE", CGR_ITEM_SWAPCACHE },
	{ "MEMCG_SWAP", CGR_ITEM_SWAP },
	{ "MEMCG_KMEM", CGR_ITEM_KMEM },
	{ "MEMCG_SOCK", CGR_ITEM_SOCK },
	{ "NR_PAGETABLE", CGR_ITEM_PAGETABLE },
	{ "NR_KERNEL_STACK_KB", CGR_ITEM_KERNEL_STACK_KB },
	{ "WORKINGSET_REFAULT_ANON", CGR_ITEM_REFAULT_ANON },
	{ "WORKINGSET_REFAULT_FILE", CGR_ITEM_REFAULT_FILE },
	{ "WORKINGSET_ACTIVATE_ANON", CGR_ITEM_ACTIVATE_ANON },
	{ "WORKINGSET_ACTIVATE_FILE", CGR_ITEM_ACTIVATE_FILE },
	{ "WORKINGSET_RESTORE_ANON", CGR_ITEM_RESTORE_ANON },
	{ "WORKINGSET_RESTORE_FILE", CGR_ITEM_RESTORE_FILE },
	{ "NR_INACTIVE_ANON", CGR_ITEM_INACTIVE_ANON },
	{ "NR_ACTIVE_ANON", CGR_ITEM_ACTIVE_ANON },
	{ "NR_INACTIVE_FILE", CGR_ITEM_INACTIVE_FILE },
	{ "NR_ACTIVE_FILE", CGR_ITEM_ACTIVE_FILE },
	{ "NR_UNEVICTABLE", CGR_ITEM_UNEVICTABLE },
};
static const struct {
	const char *kernel;
	uint8_t item;
} event_names[] = {
	{ "PGPGIN", CGR_ITEM_PGPGIN },
	{ "PGPGOUT", CGR_ITEM_PGPGOUT },
	{ "PGFAULT", CGR_ITEM_PGFAULT },
	{ "PGMAJFAULT", CGR_ITEM_PGMAJFAULT },
	{ "PGSCAN_KSWAPD", CGR_ITEM_PGSCAN_KSWAPD },
	{ "PGSCAN_DIRECT", CGR_ITEM_PGSCAN_DIRECT },
	{ "PGSTEAL_KSWAPD", CGR_ITEM_PGSTEAL_KSWAPD },
	{ "PGSTEAL_DIRECT", CGR_ITEM_PGSTEAL_DIRECT },
	{ "PGACTIVATE", CGR_ITEM_PGACTIVATE },
	{ "PGDEACTIVATE", CGR_ITEM_PGDEACTIVATE },
	{ "PGREFILL", CGR_ITEM_PGREFILL },
	{ "PSWPIN", CGR_ITEM_PSWPIN },
	{ "PSWPOUT", CGR_ITEM_PSWPOUT },
	{ "ZSWPIN", CGR_ITEM_ZSWPIN },
	{ "ZSWPOUT", CGR_ITEM_ZSWPOUT },
};
static const struct {
	const char *kernel;
	uint8_t function;
} timer_names[] = {
	{ "hrtimer_wakeup", CGR_TIMER_HRTIMER_WAKEUP },   { "tick_sched_timer", CGR_TIMER_TICK },
	{ "tick_nohz_handler", CGR_TIMER_TICK },          { "sched_cfs_period_timer", CGR_TIMER_CFS_PERIOD },
	{ "sched_cfs_slack_timer", CGR_TIMER_CFS_SLACK }, { "posix_timer_fn", CGR_TIMER_POSIX },
	{ "timerfd_tmrproc", CGR_TIMER_TIMERFD },         { "it_real_fn", CGR_TIMER_ITIMER },
};

static int load(const struct cgr_trace *trace, uint64_t offset, uint32_t id, json_t **ret_object,
                struct cgr_error *reterr)
{
	struct cgr_text text = { 0 };
	json_error_t where;

	CGR_TRY(cgr_tracedat_section_text(trace, offset, id, &text, reterr));
	*ret_object = json_loadb(text.text, text.length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &where);
	free(text.text);
	if (*ret_object == NULL)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: section 0x%x is not JSON: line %d column %d: %s",
		                     trace->input.path, (unsigned long long)offset, id, where.line, where.column, where.text);
	if (json_is_object(*ret_object))
		return CGR_OK;
	json_decref(*ret_object);
	*ret_object = NULL;
	return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: section 0x%x is not a JSON object", trace->input.path,
	                     (unsigned long long)offset, id);
}

/* ---- before the first record ---- */

static void enum_tables(struct cgr_norm *norm, const json_t *facts)
{
	const json_t *enums = json_object_get(facts, "enums");
	const json_t *node = json_object_get(enums, "node_stat_item"), *memcg = json_object_get(enums, "memcg_stat_item");
	const json_t *event = json_object_get(enums, "vm_event_item");

	for (size_t i = 0; i < CGR_ARRAY_SIZE(stat_names); i++) {
		int64_t number = cgr_json_int(node, stat_names[i].kernel, cgr_json_int(memcg, stat_names[i].kernel, -1));
		if (number >= 0 && number < (int64_t)CGR_ARRAY_SIZE(norm->item_of_stat))
			norm->item_of_stat[number] = stat_names[i].item;
	}
	for (size_t i = 0; i < CGR_ARRAY_SIZE(event_names); i++) {
		int64_t number = cgr_json_int(event, event_names[i].kernel, -1);
		if (number >= 0 && number < (int64_t)CGR_ARRAY_SIZE(norm->item_of_event))
			norm->item_of_event[number] = event_names[i].item;
	}
	norm->items_known = json_is_object(node) && json_is_object(event);
	norm->anon_implied = norm->items_known && json_is_true(json_object_get(facts, "anon_pages_implied"));
}

static void add_symbol(struct cgr_norm *norm, uint64_t address, const char *name)
{
	if (strcmp(name, "throttle_cfs_rq") == 0)
		norm->bandwidth.throttle = address;
	else if (strcmp(name, "unthrottle_cfs_rq") == 0)
		norm->bandwidth.unthrottle = address;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(timer_names); i++)
		if (strcmp(timer_names[i].kernel, name) == 0 && norm->timers < CGR_ARRAY_SIZE(norm->timer)) {
			norm->timer[norm->timers].address = address;
			norm->timer[norm->timers++].function = timer_names[i].function;
		}
}

/* "ffffffff81140da0 T hrtimer_wakeup\n" lines of the file's kernel symbols, some megabytes: no sscanf, which measures
 * the whole rest of the text at every call. */
static void symbols_of_kallsyms(struct cgr_norm *norm, const char *text)
{
	for (const char *line = text, *next; *line != '\0'; line = next) {
		size_t length = strcspn(line, "\n");
		char *end, name[64];

		next = line + length + (line[length] == '\n');
		if (!isxdigit((unsigned char)*line))
			continue;
		uint64_t address = strtoull(line, &end, 16);
		if (address == 0 || end[0] != ' ' || end[1] == '\0' || end[2] != ' ' || end + 3 >= line + length)
			continue;
		size_t bytes = CGR_MIN(strcspn(end + 3, " \t\n"), sizeof(name) - 1);
		memcpy(name, end + 3, bytes);
		name[bytes] = '\0';
		add_symbol(norm, address, name);
	}
}

/* Means by kind: an event of memory is dearer by far than one of the scheduler, the more since it pays for those that
 * the recorder's filters reject, whose price stands beside. */
static void calibrated(struct cgr_store_info *info, const json_t *calibration)
{
	uint64_t sum[2] = { 0 }, count[2] = { 0 };
	size_t i;
	json_t *item;

	json_array_foreach(calibration, i, item)
	{
		const char *event = cgr_json_text(item, "event");
		unsigned memory = event != NULL && strncmp(event, "memcg:", 6) == 0;

		if (cgr_json_text(item, "rejected") != NULL) {
			info->rejected_event_cost_ns = (uint32_t)CGR_MAX(cgr_json_int(item, "ns", 0), 0);
			continue;
		}
		if (memory)
			info->calibrated_page_ns = (uint32_t)CGR_MAX(cgr_json_int(item, "loop_ns", 0), 0);
		sum[memory] += (uint64_t)cgr_json_int(item, "ns", 0);
		count[memory]++;
	}
	info->event_cost_ns = count[0] > 0 ? (uint32_t)(sum[0] / count[0]) : 0;
	info->memory_event_cost_ns = count[1] > 0 ? (uint32_t)(sum[1] / count[1]) : 0;
}

/* Those that were on when the recording began; where nobody said which, all there are. */
static uint32_t online_cpus(const json_t *cpus)
{
	uint64_t set[CGR_CPU_WORDS];
	const char *text = cgr_json_text(cpus, "online");

	if (text != NULL && cgr_parse_cpulist(text, set, CGR_CPU_WORDS, NULL) == 0)
		return cgr_cpus_count(set, CGR_CPU_WORDS);
	return (uint32_t)json_array_size(json_object_get(cpus, "list"));
}

static void machine_info(struct cgr_facts *facts, const json_t *object)
{
	const json_t *sched = json_object_get(object, "sched"), *memory = json_object_get(object, "meminfo");
	struct cgr_store_info *info = &facts->info;

	info->hz = (uint32_t)cgr_json_int(object, "hz", 0);
	info->online_cpus = online_cpus(json_object_get(object, "cpus"));
	info->base_slice_ns = cgr_json_int(sched, "base_slice_ns", 0);
	info->sched_latency_ns = cgr_json_int(sched, "latency_ns", 0);
	info->min_granularity_ns = cgr_json_int(sched, "min_granularity_ns", 0);
	info->wakeup_granularity_ns = cgr_json_int(sched, "wakeup_granularity_ns", 0);
	info->cfs_bandwidth_slice_ns = cgr_json_int(sched, "cfs_bandwidth_slice_us", 0) * 1000;
	info->autogroup = cgr_json_int(sched, "autogroup_enabled", 0) != 0;
	info->mem_total_bytes = cgr_json_int(memory, "MemTotal", 0) * 1024;
	info->swap_total_bytes = cgr_json_int(memory, "SwapTotal", 0) * 1024;
	info->swappiness = (int)cgr_json_int(json_object_get(object, "vm"), "swappiness", -1);
	info->psi = json_is_true(json_object_get(json_object_get(object, "psi"), "system"));
	const json_t *mglru = json_object_get(object, "mglru");
	const char *enabled = cgr_json_text(mglru, "enabled");
	info->mglru = json_is_true(json_object_get(mglru, "built")) && enabled != NULL && strtoul(enabled, NULL, 0) != 0;
	calibrated(info, json_object_get(json_object_get(object, "recorder"), "calibration"));
	info->anon_implied = json_is_true(json_object_get(object, "anon_pages_implied"));
}

static int hierarchies(struct cgr_facts *facts, struct cgr_norm *norm, const json_t *object)
{
	size_t i, k;
	json_t *item, *controller;

	json_array_foreach(json_object_get(object, "hierarchies"), i, item)
	{
		struct cgr_strbuf names = { 0 };
		int version = (int)cgr_json_int(item, "version", 1);

		json_array_foreach(json_object_get(item, "controllers"), k, controller)
		{
			const char *name = json_string_value(controller);
			if (name == NULL)
				continue;
			cgr_strbuf_printf(&names, "%s%s", names.length > 0 ? "," : "", name);
			if (strcmp(name, "memory") == 0 || (strcmp(name, "cpu") == 0 && facts->info.cgroup_version == 0))
				facts->info.cgroup_version = version;
		}
		uint32_t index = cgr_hierarchy_index(norm, (uint32_t)cgr_json_int(item, "id", 0), version,
		                                     names.text != NULL ? names.text : "");
		bool failed = names.failed;
		cgr_strbuf_fini(&names);
		if (index == CGR_ID_NONE || failed)
			return cgr_error_set(norm->err, CGR_E_LIMIT, "%s: too many cgroup hierarchies", norm->trace->input.path);
	}
	return CGR_OK;
}

static int page_scope(struct cgr_facts *facts, struct cgr_norm *norm, const json_t *object)
{
	const json_t *list = json_object_get(object, "page_scope");
	size_t i;
	json_t *item;

	facts->scope = cgr_calloc(json_array_size(list) + 1, sizeof(char *));
	if (facts->scope == NULL)
		return cgr_error_set(norm->err, CGR_E_NOMEM, "out of memory");
	json_array_foreach(list, i, item)
	{
		const char *path = cgr_json_text(item, "path");
		if (path != NULL && (facts->scope[facts->scopes] = cgr_strdup(path)) != NULL)
			facts->scopes++;
	}
	return CGR_OK;
}

static uint32_t version_number(const char *release)
{
	unsigned major = 0, minor = 0, patch = 0;

	(void)sscanf(release, "%u.%u.%u", &major, &minor, &patch);
	return (major & 0xff) << 16 | CGR_MIN(minor, 255u) << 8 | CGR_MIN(patch, 255u);
}

static int read_facts(struct cgr_facts *facts, struct cgr_norm *norm, const json_t *object)
{
	static const char *const shown[] = { "config",       "thp",        "vm",       "sched",   "cpus",
		                                 "signals",      "events",     "recorder", "command", "preset",
		                                 "cgroup_globs", "page_scope", "mglru",    "psi",     "clock" };
	const char *release = cgr_json_text(json_object_get(object, "kernel"), "release");
	const char *tool = cgr_json_text(object, "tool"), *name;
	json_t *address;

	facts->kernel = release != NULL ? cgr_strdup(release) : NULL;
	norm->bandwidth.own_cpu = release != NULL && version_number(release) >= 0x060300;
	facts->start_mono_ns = (uint64_t)cgr_json_int(object, "start_mono_ns", 0);
	facts->boot_offset_ns = cgr_json_int(object, "boot_offset_ns", 0);
	if (tool != NULL)
		CGR_TRY(cgr_writer_set_meta(norm->writer, "recorder.tool", tool, norm->err));
	machine_info(facts, object);
	enum_tables(norm, object);
	json_object_foreach(json_object_get(object, "timers"), name, address)
	    add_symbol(norm, (uint64_t)json_integer_value(address), name);
	CGR_TRY(hierarchies(facts, norm, object));
	CGR_TRY(page_scope(facts, norm, object));
	for (size_t i = 0; i < CGR_ARRAY_SIZE(shown); i++) {
		char key[64], *text = NULL;
		const json_t *value = json_object_get(object, shown[i]);
		if (value == NULL || (text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY)) == NULL)
			continue;
		(void)snprintf(key, sizeof(key), "facts.%s", shown[i]);
		int rc = cgr_writer_set_meta(norm->writer, key, text, norm->err);
		free(text);
		CGR_TRY(rc);
	}
	return CGR_OK;
}

/* The start or end snapshot; *ret_object NULL when the file has none. */
static int find_snapshot(const struct cgr_trace *trace, const char *when, json_t **ret_object, struct cgr_error *reterr)
{
	*ret_object = NULL;
	for (size_t i = 0; i < trace->snapshots; i++) {
		json_t *object;
		int rc = load(trace, trace->snapshot[i], CGR_TD_SNAPSHOT, &object, reterr);
		if (rc < 0) {
			json_decref(*ret_object);
			*ret_object = NULL;
			return rc;
		}
		const char *text = cgr_json_text(object, "when");
		if (text != NULL && strcmp(text, when) == 0 && *ret_object == NULL)
			*ret_object = object;
		else
			json_decref(object);
	}
	return CGR_OK;
}

static int next_sample(struct cgr_facts *facts, struct cgr_error *reterr)
{
	for (;;) {
		const json_t *sample = json_array_get(json_object_get(facts->section, "samples"), facts->next_sample);
		if (sample != NULL) {
			facts->next_time = (uint64_t)cgr_json_int(sample, "mono_ns", 0);
			return CGR_OK;
		}
		json_decref(facts->section);
		facts->section = NULL;
		facts->next_time = UINT64_MAX;
		facts->next_sample = 0;
		while (facts->sample_trace != NULL && facts->next_section == facts->sample_trace->samples) {
			facts->sample_trace = facts->sample_trace->later;
			facts->next_section = 0;
		}
		if (facts->sample_trace == NULL)
			return CGR_OK;
		CGR_TRY(load(facts->sample_trace, facts->sample_trace->sample[facts->next_section++], CGR_TD_SAMPLES,
		             &facts->section, reterr));
	}
}

int cgr_facts_begin(struct cgr_facts *facts, struct cgr_norm *norm, struct cgr_error *reterr)
{
	json_t *object = NULL;
	int rc = CGR_OK;

	*facts = (struct cgr_facts){ .next_time = UINT64_MAX };
	facts->info.swappiness = -1;
	norm->err = reterr;
	if (norm->trace->kallsyms != NULL)
		symbols_of_kallsyms(norm, norm->trace->kallsyms);
	if (norm->trace->facts != 0) {
		CGR_TRY(load(norm->trace, norm->trace->facts, CGR_TD_FACTS, &object, reterr));
		facts->present = true;
		rc = read_facts(facts, norm, object);
		json_decref(object);
		CGR_TRY(rc);
		norm->start = facts->start_mono_ns;
		norm->timer_offset_known = true;
	}
	CGR_TRY(cgr_norm_begin(norm));
	CGR_TRY(find_snapshot(norm->trace, "start", &object, reterr));
	if (object != NULL) {
		rc = cgr_snapshot_cgroups(facts, norm, object, "start", reterr);
		if (rc == CGR_OK)
			rc = cgr_snapshot_tasks(facts, norm, object, true, reterr);
		json_decref(object);
		CGR_TRY(rc);
		facts->info.has_snapshots = true;
	}
	CGR_TRY(cgr_facts_within(facts, norm));
	facts->sample_trace = norm->trace;
	return next_sample(facts, reterr);
}

int cgr_facts_advance(struct cgr_facts *facts, struct cgr_norm *norm, uint64_t time, struct cgr_error *reterr)
{
	while (facts->next_time <= time) {
		const json_t *sample = json_array_get(json_object_get(facts->section, "samples"), facts->next_sample);

		norm->now_ns = facts->next_time > norm->start ? facts->next_time - norm->start : 0;
		CGR_TRY(cgr_snapshot_cgroups(facts, norm, sample, "sample", reterr));
		facts->next_sample++;
		CGR_TRY(next_sample(facts, reterr));
	}
	return CGR_OK;
}

/* ---- after the last record ---- */

static int set_json(struct cgr_norm *norm, const char *key, const json_t *value, struct cgr_error *reterr)
{
	char *text = json_dumps(value, JSON_COMPACT);
	int rc = text != NULL ? cgr_writer_set_meta(norm->writer, key, text, reterr) : CGR_OK;

	free(text);
	return rc;
}

static int last_summary(struct cgr_norm *norm, json_t *object, struct cgr_error *reterr)
{
	if (json_is_true(json_object_get(json_object_get(object, "clock"), "given_up")))
		CGR_TRY(cgr_writer_add_log(norm->writer, "warning",
		                           "the kernel found the time stamp counter, which events are stamped with, unreliable "
		                           "while this was recorded",
		                           1, "times may be wrong", reterr));
	return set_json(norm, "recorder.summary", object, reterr);
}

/* What the recorder says of itself at the end; of a recording in segments, of each of them. */
static int summary(struct cgr_facts *facts, struct cgr_norm *norm, struct cgr_error *reterr)
{
	json_t *all = json_array();
	int rc = CGR_OK;

	for (const struct cgr_trace *trace = norm->trace; rc == CGR_OK && trace != NULL; trace = trace->later) {
		json_t *object;

		if (trace->summary == 0)
			continue;
		rc = load(trace, trace->summary, CGR_TD_SUMMARY, &object, reterr);
		if (rc < 0)
			break;
		facts->stop_mono_ns = (uint64_t)cgr_json_int(object, "stop_mono_ns", 0);
		if (trace->later == NULL)
			rc = last_summary(norm, object, reterr);
		(void)json_array_append_new(all, object);
	}
	if (rc == CGR_OK && norm->trace->later != NULL)
		rc = set_json(norm, "recorder.summaries", all, reterr);
	json_decref(all);
	return rc;
}

static const struct cgr_trace *last_segment(const struct cgr_trace *trace)
{
	while (trace->later != NULL)
		trace = trace->later;
	return trace;
}

int cgr_facts_finish(struct cgr_facts *facts, struct cgr_norm *norm, struct cgr_error *reterr)
{
	struct cgr_store_info *info = &facts->info;
	json_t *object = NULL;

	CGR_TRY(cgr_facts_advance(facts, norm, UINT64_MAX - 1, reterr));
	CGR_TRY(find_snapshot(last_segment(norm->trace), "end", &object, reterr));
	if (object != NULL) {
		uint64_t end = (uint64_t)cgr_json_int(object, "mono_ns", 0);
		norm->now_ns = CGR_MAX(norm->now_ns, end > norm->start ? end - norm->start : 0);
		int rc = cgr_snapshot_cgroups(facts, norm, object, "end", reterr);
		if (rc == CGR_OK)
			rc = cgr_snapshot_tasks(facts, norm, object, false, reterr);
		json_decref(object);
		CGR_TRY(rc);
	}
	CGR_TRY(summary(facts, norm, reterr));
	if (facts->kernel == NULL && norm->trace->uname != NULL) {
		char release[128]; /* "Linux host 6.1.0 #1 SMP ..." or the release alone */
		if (sscanf(norm->trace->uname, "%*s %*s %127s", release) == 1 ||
		    sscanf(norm->trace->uname, "%127s", release) == 1)
			facts->kernel = cgr_strdup(release);
	}
	info->kernel_release = facts->kernel != NULL ? facts->kernel : "unknown";
	info->kernel_version = version_number(info->kernel_release);
	info->clock = norm->trace->clock_map.points > 0 ? "mono"
	              : norm->trace->clock != NULL      ? norm->trace->clock
	                                                : "unknown";
	info->tool_version = CGR_VERSION;
	info->source_path = norm->trace->input.path;
	info->cpus = norm->cpus;
	if (info->online_cpus == 0)
		info->online_cpus = norm->trace->cpu_count;
	info->has_sched = norm->switch_seen;
	info->has_memcg_events = norm->memcg_seen;
	info->has_page_cache = norm->cache_seen;
	info->lost_events = norm->stats.lost_events;
	info->events = norm->stats.records;
	if (facts->stop_mono_ns > norm->start + norm->from_ns && norm->to_ns == UINT64_MAX)
		info->duration_ns = (int64_t)(facts->stop_mono_ns - norm->start - norm->from_ns);
	return CGR_OK;
}

void cgr_facts_fini(struct cgr_facts *facts)
{
	for (size_t i = 0; i < facts->scopes; i++)
		free(facts->scope[i]);
	free(facts->scope);
	for (size_t i = 0; facts->within != NULL && facts->within[i] != NULL; i++)
		free(facts->within[i]);
	free(facts->within);
	free(facts->kernel);
	free(facts->tool);
	free(facts->knob_hash);
	cgr_intern_fini(&facts->knob);
	json_decref(facts->section);
	facts->section = NULL;
}
