/* Files of one cgroup -> knobs and counters under canonical names. The tables below are the whole mapping; names and
 * units are those of Documentation/admin-guide/cgroup-v2.rst, v1 files are converted. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "capture/cgroupfs.h"
#include "capture/jsontext.h"
#include "capture/procfile.h"
#include "common/util.h"

#define FILE_TEXT_MAX (1u << 20)
#define SAMPLED_TEXT_MAX 16384u /* memory.stat of v2 is 2 KiB */
/* PAGE_COUNTER_MAX in bytes (LONG_MAX / PAGE_SIZE pages): how v1 prints "no limit". */
#define V1_UNLIMITED_BYTES (INT64_MAX / 4096 * 4096)

enum rule_kind {
	KNOB, /* text as it is */
	KNOB_BYTES, /* v1 number, "max" when unlimited */
	KNOB_SHARES,
	COUNTER,
	COUNTER_NS, /* NAME_usec truncated and NAME_nsec */
	FLAT, /* "key value" lines: NAME.key */
	PRESSURE,
	V1_MEMORY_STAT,
	V1_CPU_STAT,
	V1_OOM_CONTROL,
	V1_QUOTA, /* these two files of v1 are one of v2; the quota stands first in the table */
	V1_PERIOD,
};

struct rule {
	const char *file;
	enum rule_kind kind;
	const char *name;
	bool sampled; /* also at every interval, not only at start and end */
};

static const struct rule v1_rules[] = {
	{ "memory.limit_in_bytes", KNOB_BYTES, "memory.max", true },
	{ "memory.memsw.limit_in_bytes", KNOB_BYTES, "memory.memsw.limit_in_bytes", true },
	{ "memory.soft_limit_in_bytes", KNOB_BYTES, "memory.soft_limit_in_bytes", true },
	{ "memory.kmem.limit_in_bytes", KNOB_BYTES, "memory.kmem.limit_in_bytes", false },
	{ "memory.kmem.tcp.limit_in_bytes", KNOB_BYTES, "memory.kmem.tcp.limit_in_bytes", false },
	{ "memory.swappiness", KNOB, "memory.swappiness", true },
	{ "memory.use_hierarchy", KNOB, "memory.use_hierarchy", false },
	{ "memory.move_charge_at_immigrate", KNOB, "memory.move_charge_at_immigrate", false },
	{ "memory.oom_control", V1_OOM_CONTROL, NULL, true },
	{ "memory.usage_in_bytes", COUNTER, "memory.current", true },
	{ "memory.max_usage_in_bytes", COUNTER, "memory.peak", true },
	{ "memory.failcnt", COUNTER, "memory.failcnt", true },
	{ "memory.memsw.usage_in_bytes", COUNTER, "memory.memsw.usage_in_bytes", true },
	{ "memory.memsw.max_usage_in_bytes", COUNTER, "memory.memsw.max_usage_in_bytes", true },
	{ "memory.memsw.failcnt", COUNTER, "memory.memsw.failcnt", true },
	{ "memory.kmem.usage_in_bytes", COUNTER, "memory.kmem.usage_in_bytes", true },
	{ "memory.kmem.max_usage_in_bytes", COUNTER, "memory.kmem.max_usage_in_bytes", false },
	{ "memory.kmem.failcnt", COUNTER, "memory.kmem.failcnt", false },
	{ "memory.kmem.tcp.usage_in_bytes", COUNTER, "memory.kmem.tcp.usage_in_bytes", false },
	{ "memory.stat", V1_MEMORY_STAT, NULL, true },
	{ "cpu.shares", KNOB_SHARES, "cpu.shares", true },
	{ "cpu.cfs_quota_us", V1_QUOTA, "cpu.max", true },
	{ "cpu.cfs_period_us", V1_PERIOD, "cpu.max", true },
	{ "cpu.cfs_burst_us", KNOB, "cpu.max.burst", true },
	{ "cpu.idle", KNOB, "cpu.idle", true },
	{ "cpu.rt_period_us", KNOB, "cpu.rt_period_us", false },
	{ "cpu.rt_runtime_us", KNOB, "cpu.rt_runtime_us", false },
	{ "cpu.stat", V1_CPU_STAT, "cpu.stat", true },
	{ "cpu.stat.local", V1_CPU_STAT, "cpu.stat.local", true },
	{ "cpuacct.usage", COUNTER_NS, "cpu.stat.usage", true },
	{ "cpuacct.usage_user", COUNTER_NS, "cpu.stat.user", true },
	{ "cpuacct.usage_sys", COUNTER_NS, "cpu.stat.system", true },
	{ "cpuset.cpus", KNOB, "cpuset.cpus", true },
	{ "cpuset.effective_cpus", KNOB, "cpuset.cpus.effective", false },
	{ "cpuset.mems", KNOB, "cpuset.mems", false },
};

static const struct rule v2_rules[] = {
	{ "memory.max", KNOB, "memory.max", true },
	{ "memory.high", KNOB, "memory.high", true },
	{ "memory.low", KNOB, "memory.low", true },
	{ "memory.min", KNOB, "memory.min", true },
	{ "memory.swap.max", KNOB, "memory.swap.max", true },
	{ "memory.swap.high", KNOB, "memory.swap.high", true },
	{ "memory.zswap.max", KNOB, "memory.zswap.max", true },
	{ "memory.zswap.writeback", KNOB, "memory.zswap.writeback", true },
	{ "memory.oom.group", KNOB, "memory.oom.group", true },
	{ "memory.current", COUNTER, "memory.current", true },
	{ "memory.peak", COUNTER, "memory.peak", true },
	{ "memory.swap.current", COUNTER, "memory.swap.current", true },
	{ "memory.swap.peak", COUNTER, "memory.swap.peak", true },
	{ "memory.zswap.current", COUNTER, "memory.zswap.current", true },
	{ "memory.stat", FLAT, "memory.stat", true },
	{ "memory.events", FLAT, "memory.events", true },
	{ "memory.events.local", FLAT, "memory.events.local", true },
	{ "memory.swap.events", FLAT, "memory.swap.events", true },
	{ "memory.pressure", PRESSURE, "memory.pressure", true },
	{ "cpu.max", KNOB, "cpu.max", true },
	{ "cpu.max.burst", KNOB, "cpu.max.burst", true },
	{ "cpu.weight", KNOB, "cpu.weight", true },
	{ "cpu.idle", KNOB, "cpu.idle", true },
	{ "cpu.uclamp.min", KNOB, "cpu.uclamp.min", false },
	{ "cpu.uclamp.max", KNOB, "cpu.uclamp.max", false },
	{ "cpu.stat", FLAT, "cpu.stat", true },
	{ "cpu.stat.local", FLAT, "cpu.stat.local", true },
	{ "cpu.pressure", PRESSURE, "cpu.pressure", true },
	{ "io.pressure", PRESSURE, "io.pressure", true },
	{ "cpuset.cpus", KNOB, "cpuset.cpus", true },
	{ "cpuset.cpus.effective", KNOB, "cpuset.cpus.effective", false },
	{ "cpuset.mems", KNOB, "cpuset.mems", false },
	{ "cgroup.type", KNOB, "cgroup.type", false },
	{ "cgroup.freeze", KNOB, "cgroup.freeze", true },
	{ "cgroup.subtree_control", KNOB, "cgroup.subtree_control", true },
};

static void set_trimmed(json_t *obj, const char *name, const char *text)
{
	size_t length = strcspn(text, "\n");

	(void)json_object_set_new(obj, name, cgr_json_text(text, length));
}

static bool number(const char *text, int64_t *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	return errno == 0 && end != text;
}

/* Calls each for every "key value" line. */
static void each_pair(const char *text, void (*each)(void *context, const char *key, int64_t value), void *context)
{
	char key[128];

	for (const char *at = text; *at != '\0';) {
		size_t line = strcspn(at, "\n"), word = strcspn(at, " \n");
		int64_t value;
		if (word < line && word < sizeof(key) && number(at + word + 1, &value)) {
			memcpy(key, at, word);
			key[word] = '\0';
			each(context, key, value);
		}
		at += line + (at[line] == '\n');
	}
}

struct pairs {
	const char *prefix;
	json_t *knobs, *counters;
};

static void put(const struct pairs *to, const char *prefix, const char *key, int64_t value)
{
	char name[192];

	(void)snprintf(name, sizeof(name), "%s.%s", prefix, key);
	cgr_json_set_int(to->counters, name, value);
}

static void flat_pair(void *context, const char *key, int64_t value)
{
	const struct pairs *to = context;

	put(to, to->prefix, key, value);
}

/* v1 names of memory.stat and what v2 calls the same (mm/memcontrol-v1.c: memcg1_stat_names). */
static void v1_memory_pair(void *context, const char *key, int64_t value)
{
	static const struct {
		const char *v1, *v2;
	} names[] = { { "cache", "file" },        { "rss", "anon" },
		          { "rss_huge", "anon_thp" }, { "mapped_file", "file_mapped" },
		          { "dirty", "file_dirty" },  { "writeback", "file_writeback" } };
	const struct pairs *to = context;
	const char *prefix = "memory.stat.local";

	if (strncmp(key, "hierarchical_", 13) == 0) {
		put(to, "memory.stat", key, value);
		return;
	}
	if (strncmp(key, "total_", 6) == 0) {
		prefix = "memory.stat";
		key += 6;
	}
	for (size_t i = 0; i < CGR_ARRAY_SIZE(names); i++)
		if (strcmp(key, names[i].v1) == 0)
			key = names[i].v2;
	put(to, prefix, key, value);
}

static void put_ns(const struct pairs *to, const char *name, int64_t value_ns)
{
	char full[192];

	(void)snprintf(full, sizeof(full), "%s_usec", name);
	cgr_json_set_int(to->counters, full, value_ns / 1000);
	(void)snprintf(full, sizeof(full), "%s_nsec", name);
	cgr_json_set_int(to->counters, full, value_ns);
}

static void v1_cpu_pair(void *context, const char *key, int64_t value)
{
	const struct pairs *to = context;
	char name[160];
	const char *tail = strstr(key, "_time");

	if (tail == NULL || tail[5] != '\0') {
		put(to, to->prefix, key, value);
		return;
	}
	(void)snprintf(name, sizeof(name), "%s.%.*s", to->prefix, (int)(tail - key), key);
	put_ns(to, name, value);
}

static void v1_oom_pair(void *context, const char *key, int64_t value)
{
	const struct pairs *to = context;
	char text[32];

	if (strcmp(key, "oom_kill_disable") == 0) {
		(void)snprintf(text, sizeof(text), "%" PRId64, value);
		if (to->knobs != NULL)
			cgr_json_set_text(to->knobs, "memory.oom_control.oom_kill_disable", text);
	} else if (strcmp(key, "oom_kill") == 0) {
		cgr_json_set_int(to->counters, "memory.events.oom_kill", value);
	} else {
		put(to, "memory.oom_control", key, value);
	}
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=N" -> NAME.some_usec */
static void pressure(const struct pairs *to, const char *text)
{
	for (const char *at = text; *at != '\0';) {
		size_t line = strcspn(at, "\n"), word = strcspn(at, " \n");
		const char *total = strstr(at, "total=");
		char name[128];
		int64_t value;
		if (total != NULL && total < at + line && number(total + 6, &value)) {
			(void)snprintf(name, sizeof(name), "%s.%.*s_usec", to->prefix, (int)CGR_MIN(word, 16u), at);
			cgr_json_set_int(to->counters, name, value);
		}
		at += line + (at[line] == '\n');
	}
}

static void knob_shares(const struct pairs *to, const char *name, const char *text)
{
	int64_t shares;
	char weight[32];

	set_trimmed(to->knobs, name, text);
	if (!number(text, &shares))
		return;
	/* kernel/sched/sched.h: sched_weight_to_cgroup() */
	(void)snprintf(weight, sizeof(weight), "%" PRId64, CGR_MAX((shares * 100 + 512) / 1024, 1));
	cgr_json_set_text(to->knobs, "cpu.weight", weight);
}

static void knob_bandwidth(const struct pairs *to, const struct rule *rule, const char *text)
{
	const char *quota = json_string_value(json_object_get(to->knobs, rule->name));
	char value[96];

	if (rule->kind == V1_QUOTA)
		(void)snprintf(value, sizeof(value), "%.*s", text[0] == '-' ? 3 : (int)strcspn(text, "\n"),
		               text[0] == '-' ? "max" : text);
	else if (quota != NULL)
		(void)snprintf(value, sizeof(value), "%.32s %.*s", quota, (int)CGR_MIN(strcspn(text, "\n"), 32u), text);
	else
		return;
	cgr_json_set_text(to->knobs, rule->name, value);
}

static void convert(const struct rule *rule, const char *text, json_t *knobs, json_t *counters)
{
	struct pairs to = { .prefix = rule->name, .knobs = knobs, .counters = counters };
	int64_t value;

	switch (rule->kind) {
	case KNOB:
		set_trimmed(knobs, rule->name, text);
		break;
	case KNOB_BYTES:
		if (number(text, &value) && value >= V1_UNLIMITED_BYTES)
			cgr_json_set_text(knobs, rule->name, "max");
		else
			set_trimmed(knobs, rule->name, text);
		break;
	case KNOB_SHARES:
		knob_shares(&to, rule->name, text);
		break;
	case COUNTER:
		if (number(text, &value))
			cgr_json_set_int(counters, rule->name, value);
		break;
	case COUNTER_NS:
		if (number(text, &value))
			put_ns(&to, rule->name, value);
		break;
	case FLAT:
		each_pair(text, flat_pair, &to);
		break;
	case PRESSURE:
		pressure(&to, text);
		break;
	case V1_MEMORY_STAT:
		each_pair(text, v1_memory_pair, &to);
		break;
	case V1_CPU_STAT:
		each_pair(text, v1_cpu_pair, &to);
		break;
	case V1_OOM_CONTROL:
		each_pair(text, v1_oom_pair, &to);
		break;
	case V1_QUOTA:
	case V1_PERIOD:
		knob_bandwidth(&to, rule, text);
		break;
	}
}

static const struct rule *rules_of(int version, size_t *ret_count)
{
	*ret_count = version == 1 ? CGR_ARRAY_SIZE(v1_rules) : CGR_ARRAY_SIZE(v2_rules);
	return version == 1 ? v1_rules : v2_rules;
}

void cgr_cgroup_convert(int version, const char *file, const char *text, json_t *knobs, json_t *counters)
{
	size_t count;
	const struct rule *rules = rules_of(version, &count);

	for (size_t i = 0; i < count; i++)
		if (strcmp(rules[i].file, file) == 0)
			convert(&rules[i], text, knobs, counters);
}

/* Files not worth their cost or with side effects when opened. */
static bool is_kept_file(const char *name)
{
	static const char *const prefix[] = { "memory.",     "cpu.",        "cpuacct.",   "cpuset.",
		                                  "io.pressure", "cgroup.stat", "cgroup.type" };
	static const char *const skip[] = { "memory.kmem.slabinfo", "memory.force_empty", "memory.reclaim",
		                                "memory.pressure_level" };

	for (size_t i = 0; i < CGR_ARRAY_SIZE(skip); i++)
		if (strcmp(name, skip[i]) == 0)
			return false;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(prefix); i++)
		if (strncmp(name, prefix[i], strlen(prefix[i])) == 0)
			return true;
	return false;
}

static void read_all_files(int fd, json_t *files)
{
	struct cgr_procfile file = { 0 };
	int copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = copy < 0 ? NULL : fdopendir(copy);

	for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
		if (is_kept_file(entry->d_name) && cgr_procfile_read(&file, fd, entry->d_name, FILE_TEXT_MAX) == 0)
			(void)json_object_set_new(files, entry->d_name, cgr_json_text(file.text, file.length));
	if (dir != NULL)
		(void)closedir(dir);
	cgr_procfile_fini(&file);
}

static bool has_cgroup_files(const struct cgr_hierarchy *h)
{
	return h->version == 2 || cgr_hierarchy_has(h, "memory") || cgr_hierarchy_has(h, "cpu") ||
	       cgr_hierarchy_has(h, "cpuacct") || cgr_hierarchy_has(h, "cpuset");
}

static bool applies(const struct cgr_hierarchy *h, const struct rule *rule)
{
	char controller[32];

	if (h->version == 2)
		return true;
	(void)snprintf(controller, sizeof(controller), "%.*s", (int)strcspn(rule->file, "."), rule->file);
	return cgr_hierarchy_has(h, controller);
}

static void read_dir(const struct cgr_hierarchy *h, int fd, json_t *knobs, json_t *counters, json_t *files)
{
	struct cgr_procfile file = { 0 };
	size_t count;
	const struct rule *rules = rules_of(h->version, &count);

	for (size_t i = 0; i < count; i++)
		if (applies(h, &rules[i]) && (files != NULL || rules[i].sampled) &&
		    cgr_procfile_read(&file, fd, rules[i].file, FILE_TEXT_MAX) == 0)
			convert(&rules[i], file.text, knobs, counters);
	if (files != NULL)
		read_all_files(fd, files);
	cgr_procfile_fini(&file);
}

/* v2 first: on machines with both, v2 has a bare cpu.stat without its controller, and v1 has the last word. */
void cgr_cgroup_read(const struct cgr_cgroupfs *fs, const struct cgr_cgroup *cgroup, json_t *knobs, json_t *counters,
                     json_t *files)
{
	for (int version = 2; version >= 1; version--) {
		for (unsigned d = 0; d < cgroup->dir_count; d++) {
			const struct cgr_hierarchy *h = &fs->hierarchy[cgroup->dir[d].hierarchy];
			int fd = h->version == version && has_cgroup_files(h) ? cgr_cgroup_open(fs, cgroup, d) : -1;
			if (fd < 0)
				continue;
			read_dir(h, fd, knobs, counters, files);
			(void)close(fd);
		}
	}
}

/* An idle cgroup is told by two or three reads instead of a dozen: while its statistics and its usage stand still, so
 * do the failed charges, peaks, kills and the like. Where they do not (a failed charge of kernel memory leaves no trace
 * there) the next whole look finds it. */
#define WHOLE_LOOK 10u /* of so many reads one */
enum role { ALONE, TELLS_MEMORY, TOLD_BY_MEMORY, TELLS_CPU, TOLD_BY_CPU };

static uint8_t role_of(const struct rule *rule)
{
	static const char *const tells[] = { "memory.stat", "memory.usage_in_bytes", "memory.current", "cpuacct.usage" };
	bool memory = strncmp(rule->file, "memory.", 7) == 0, cpu = strncmp(rule->file, "cpuacct.", 8) == 0;

	for (size_t i = 0; i < CGR_ARRAY_SIZE(tells); i++)
		if (strcmp(rule->file, tells[i]) == 0)
			return memory ? TELLS_MEMORY : TELLS_CPU;
	/* pressure grows while tasks wait and nothing else moves */
	if (rule->kind != COUNTER && rule->kind != COUNTER_NS && rule->kind != FLAT && rule->kind != V1_OOM_CONTROL)
		return ALONE;
	return memory ? TOLD_BY_MEMORY : cpu ? TOLD_BY_CPU : ALONE;
}

static void open_dir(const struct cgr_hierarchy *h, int fd, struct cgr_cgroup_files *files)
{
	size_t count;
	const struct rule *rules = rules_of(h->version, &count);

	for (size_t i = 0; i < count && files->count < CGR_ARRAY_SIZE(files->file); i++) {
		if (!rules[i].sampled || !applies(h, &rules[i]))
			continue;
		int file = openat(fd, rules[i].file, O_RDONLY | O_CLOEXEC);
		if (file < 0)
			continue;
		files->file[files->count].fd = file;
		files->file[files->count].version = (uint8_t)h->version;
		files->file[files->count].rule = (uint8_t)i;
		files->file[files->count].role = role_of(&rules[i]);
		files->file[files->count].known = false;
		files->count++;
	}
}

void cgr_cgroup_files_open(const struct cgr_cgroupfs *fs, const struct cgr_cgroup *cgroup,
                           struct cgr_cgroup_files *files)
{
	files->count = 0;
	files->reads = (unsigned)cgroup->dir[0].id; /* not all cgroups have their whole look in one sample */
	for (int version = 2; version >= 1; version--) {
		for (unsigned d = 0; d < cgroup->dir_count; d++) {
			const struct cgr_hierarchy *h = &fs->hierarchy[cgroup->dir[d].hierarchy];
			int fd = h->version == version && has_cgroup_files(h) ? cgr_cgroup_open(fs, cgroup, d) : -1;
			if (fd < 0)
				continue;
			open_dir(h, fd, files);
			(void)close(fd);
		}
	}
}

/* Files that only a writer changes, and inotify tells of writers. */
static bool is_pure_knob(enum rule_kind kind)
{
	return kind == KNOB || kind == KNOB_BYTES || kind == KNOB_SHARES || kind == V1_QUOTA || kind == V1_PERIOD;
}

/* FNV-1a by words: idle cgroups show the same text again and again, and taking it apart costs more than reading it. */
static uint64_t digest_of(const char *text, size_t length)
{
	uint64_t digest = 0xcbf29ce484222325u ^ length, word;

	for (; length >= sizeof(word); text += sizeof(word), length -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		digest = (digest ^ word) * 0x100000001b3u;
		digest ^= digest >> 32;
	}
	for (; length > 0; length--)
		digest = (digest ^ (uint8_t)*text++) * 0x100000001b3u;
	return digest;
}

/* Reads one file and converts it when its text is another than last time. 1: it is, 0: it is not, -1: cgroup gone. */
static int read_file(struct cgr_cgroup_files *files, unsigned i, json_t *knobs, json_t *counters)
{
	char text[SAMPLED_TEXT_MAX];
	size_t count;
	const struct rule *rule = &rules_of(files->file[i].version, &count)[files->file[i].rule];
	ssize_t got = pread(files->file[i].fd, text, sizeof(text) - 1, 0);

	if (got <= 0)
		return got < 0 && errno == ENODEV ? -1 : 0;
	text[got] = '\0';
	uint64_t digest = digest_of(text, (size_t)got);
	/* the two files of a v1 quota make one knob together */
	bool same =
	    files->file[i].known && files->file[i].digest == digest && rule->kind != V1_QUOTA && rule->kind != V1_PERIOD;
	files->file[i].known = true;
	files->file[i].digest = digest;
	if (!same)
		convert(rule, text, knobs, counters);
	return !same;
}

bool cgr_cgroup_files_read(struct cgr_cgroup_files *files, json_t *knobs, json_t *counters)
{
	bool whole = knobs != NULL || ++files->reads % WHOLE_LOOK == 0;
	bool moved[TOLD_BY_CPU + 1] = { false };

	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < files->count; i++) {
			size_t count;
			const struct rule *rule = &rules_of(files->file[i].version, &count)[files->file[i].rule];
			uint8_t role = files->file[i].role;
			bool tells = role == TELLS_MEMORY || role == TELLS_CPU;
			bool told = (role == TOLD_BY_MEMORY && !moved[TELLS_MEMORY]) || (role == TOLD_BY_CPU && !moved[TELLS_CPU]);
			if (tells != (pass == 0) || (knobs == NULL && is_pure_knob(rule->kind)) ||
			    (told && !whole && files->file[i].known))
				continue;
			int got = read_file(files, i, knobs, counters);
			if (got < 0)
				return false;
			moved[role] = moved[role] || got > 0;
		}
	}
	return true;
}

void cgr_cgroup_files_forget(struct cgr_cgroup_files *files)
{
	for (unsigned i = 0; i < files->count; i++)
		files->file[i].known = false;
}

void cgr_cgroup_files_close(struct cgr_cgroup_files *files)
{
	for (unsigned i = 0; i < files->count; i++)
		(void)close(files->file[i].fd);
	files->count = 0;
}

bool cgr_cgroup_is_knob(const char *file)
{
	for (int version = 1; version <= 2; version++) {
		size_t count;
		const struct rule *rules = rules_of(version, &count);
		for (size_t i = 0; i < count; i++)
			if ((rules[i].kind <= KNOB_SHARES || rules[i].kind >= V1_OOM_CONTROL) && strcmp(rules[i].file, file) == 0)
				return true;
	}
	return false;
}
