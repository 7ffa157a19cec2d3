/* Snapshots and samples: cgroups with their directories, knobs and counters; tasks and what they are members of. */
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "parser/facts.h"

static int64_t moment(const struct cgr_norm *norm, const json_t *object, const json_t *outer)
{
	uint64_t at = (uint64_t)cgr_json_int(object, "mono_ns", cgr_json_int(outer, "mono_ns", 0));

	return at <= norm->start ? 0 : (int64_t)(at - norm->start) - (int64_t)norm->from_ns;
}

static uint64_t hash_text(const char *text)
{
	uint64_t hash = 14695981039346656037ull;

	for (; *text != '\0'; text++)
		hash = (hash ^ (uint8_t)*text) * 1099511628211ull;
	return hash ^ (hash >> 31);
}

/* "max", "N", "N M", "max M" -> two numbers; false: text only (a cpulist, controllers) */
static bool knob_numbers(const char *text, int64_t value[2])
{
	char *end;

	value[0] = value[1] = 0;
	if (strncmp(text, "max", 3) == 0 && (text[3] == '\0' || text[3] == ' ')) {
		value[0] = CGR_UNLIMITED;
		text += 3;
	} else {
		value[0] = strtoll(text, &end, 10);
		if (end == text)
			return false;
		text = end;
	}
	if (*text == ' ')
		value[1] = strtoll(text, &end, 10), text = end;
	while (*text == '\n' || *text == ' ')
		text++;
	return *text == '\0';
}

static int one_knob(struct cgr_facts *facts, struct cgr_norm *norm, uint32_t cgroup, const char *name, const char *text,
                    int64_t t_ns, const char *source)
{
	uint64_t key = hash_text(name) + (uint64_t)cgroup * 0x9e3779b97f4a7c15ull, hash = hash_text(text), row;
	int64_t value[2];
	uint32_t dense;
	bool is_new;

	CGR_TRY(cgr_intern_id(&facts->knob, key, &dense, &is_new, norm->err));
	CGR_TRY(
	    cgr_grow((void **)&facts->knob_hash, &facts->knob_capacity, (size_t)dense + 1, sizeof(uint64_t), norm->err));
	if (!is_new && facts->knob_hash[dense] == hash)
		return CGR_OK;
	facts->knob_hash[dense] = hash;
	if (!knob_numbers(text, value))
		value[0] = value[1] = 0;
	if (strcmp(name, "cpu.max") == 0)
		norm->cgroups.node[cgroup].has_quota = value[0] != CGR_UNLIMITED;
	CGR_TRY(cgr_writer_add_knob(norm->writer, cgroup, name, t_ns, value[0], value[1], text, source, &row, norm->err));
	/* Known before and different now: somebody wrote it. The event stands at the time it was seen. */
	if (is_new || norm->now_ns < norm->from_ns)
		return CGR_OK;
	struct cgr_entry entry = { .cpu = 0, .flags = CGR_EVF_INFERRED };
	return cgr_norm_push(norm, &entry, CGR_EV_KNOB, cgroup, row, 0, 0);
}

static int cgroup_values(struct cgr_facts *facts, struct cgr_norm *norm, uint32_t cgroup, const json_t *object,
                         int64_t t_ns, const char *source)
{
	const char *name;
	json_t *value;

	json_object_foreach(json_object_get(object, "knobs"), name, value)
	{
		if (json_is_string(value))
			CGR_TRY(one_knob(facts, norm, cgroup, name, json_string_value(value), t_ns, source));
	}
	json_object_foreach(json_object_get(object, "counters"), name, value)
	{
		if (json_is_integer(value))
			CGR_TRY(cgr_writer_add_counter(norm->writer, cgroup, name, t_ns, (int64_t)json_integer_value(value), source,
			                               norm->err));
	}
	return CGR_OK;
}

static char *container_name(const json_t *object)
{
	static const char *const keys[] = { "name", "unit", "container_id" };
	const json_t *container = json_object_get(object, "container");

	for (size_t i = 0; i < CGR_ARRAY_SIZE(keys); i++)
		if (cgr_json_text(container, keys[i]) != NULL)
			return cgr_strdup(cgr_json_text(container, keys[i]));
	return NULL;
}

static int cgroup_dirs(struct cgr_norm *norm, const json_t *object, const char *path, int64_t born_ns,
                       uint32_t *ret_cgroup)
{
	size_t i;
	json_t *dir;

	CGR_TRY(cgr_cgroup_by_path(norm, path, born_ns, ret_cgroup));
	json_array_foreach(json_object_get(object, "dirs"), i, dir)
	{
		uint32_t hierarchy = cgr_hierarchy_index(norm, (uint32_t)cgr_json_int(dir, "hierarchy", 0), 1, "");
		if (hierarchy != CGR_ID_NONE)
			CGR_TRY(cgr_cgroup_dir(norm, hierarchy, (uint64_t)cgr_json_int(dir, "id", 0), path, born_ns, ret_cgroup));
	}
	return CGR_OK;
}

static bool in_page_scope(const struct cgr_facts *facts, const char *path)
{
	for (size_t i = 0; i < facts->scopes; i++) {
		size_t length = strlen(facts->scope[i]);
		if (strncmp(path, facts->scope[i], length) == 0 && (path[length] == '\0' || path[length] == '/' || length == 1))
			return true;
	}
	return facts->scopes == 0;
}

int cgr_snapshot_cgroups(struct cgr_facts *facts, struct cgr_norm *norm, const json_t *object, const char *source,
                         struct cgr_error *reterr)
{
	size_t i;
	json_t *item;

	norm->err = reterr;
	json_array_foreach(json_object_get(object, "cgroups"), i, item)
	{
		const char *path = cgr_json_text(item, "path");
		uint32_t cgroup;

		if (path == NULL || path[0] != '/')
			continue;
		int64_t t_ns = moment(norm, item, object);
		bool start = strcmp(source, "start") == 0;
		CGR_TRY(cgroup_dirs(norm, item, path, start ? -1 : t_ns, &cgroup));
		struct cgr_cgroup_node *node = &norm->cgroups.node[cgroup];
		if (node->container == NULL)
			node->container = container_name(item);
		node->recorded = in_page_scope(facts, path);
		CGR_TRY(cgroup_values(facts, norm, cgroup, item, t_ns, source));
	}
	return CGR_OK;
}

/* ---- tasks ---- */

static int css_sets(struct cgr_norm *norm, const json_t *object, uint32_t **ret_sets, size_t *ret_count)
{
	const json_t *list = json_object_get(object, "css_sets");
	size_t i;
	json_t *item;

	*ret_count = json_array_size(list);
	*ret_sets = cgr_calloc(*ret_count + 1, sizeof(uint32_t));
	if (*ret_sets == NULL)
		return cgr_error_set(norm->err, CGR_E_NOMEM, "out of memory");
	json_array_foreach(list, i, item)
	{
		uint32_t row[64] = { 0 };
		const char *number;
		json_t *path;

		json_object_foreach(item, number, path)
		{
			uint32_t hierarchy = cgr_hierarchy_index(norm, (uint32_t)strtoul(number, NULL, 10), 1, "");
			if (hierarchy == CGR_ID_NONE || !json_is_string(path) || json_string_value(path)[0] != '/')
				continue;
			/* Below a namespace the kernel writes "/..": nothing of this recording's tree. */
			if (strncmp(json_string_value(path), "/..", 3) != 0)
				CGR_TRY(cgr_cgroup_by_path(norm, json_string_value(path), -1, &row[hierarchy]));
		}
		CGR_TRY(cgr_css_set(norm, row, &(*ret_sets)[i]));
	}
	return CGR_OK;
}

static int fill_task(struct cgr_norm *norm, struct cgr_task *task, const json_t *item, int64_t start_ns)
{
	const char *cpus = cgr_json_text(item, "cpus_allowed"), *comm = cgr_json_text(item, "comm");

	task->row.tgid = (int32_t)cgr_json_int(item, "tgid", task->row.tid);
	task->thread_known = true;
	task->row.prio = (int16_t)cgr_json_int(item, "prio", 120);
	task->row.policy = (int8_t)cgr_json_int(item, "policy", -1);
	task->row.kernel_thread = json_is_true(json_object_get(item, "kthread"));
	task->row.oom_score_adj = (int16_t)cgr_json_int(item, "oom_score_adj", 0);
	task->row.session = (int32_t)cgr_json_int(item, "sid", 0);
	task->dirty = true;
	if (start_ns < 0)
		task->row.start_ns = start_ns;
	if (cpus != NULL) {
		free(task->cpus_allowed);
		task->cpus_allowed = cgr_strdup(cpus);
	}
	return comm != NULL && task->comm[0] == '\0' ? cgr_task_comm(norm, task, comm) : CGR_OK;
}

/* The end snapshot only completes tasks born during the recording: thread group, policy, CPUs. */
static int one_task(struct cgr_facts *facts, struct cgr_norm *norm, const json_t *item, const uint32_t *sets,
                    size_t set_count, bool start)
{
	int64_t pid = cgr_json_int(item, "tid", -1), set = cgr_json_int(item, "css_set", -1);
	int64_t born =
	    cgr_json_int(item, "start_boot_ns", 0) - facts->boot_offset_ns - (int64_t)norm->start - (int64_t)norm->from_ns;

	if (pid <= 0 || pid > INT32_MAX)
		return CGR_OK;
	if (!start) {
		struct cgr_task *known = cgr_task_find(norm, (int32_t)pid);
		return known != NULL && !known->exited && !known->thread_known ? fill_task(norm, known, item, 0) : CGR_OK;
	}
	/* /proc tells start times in ticks of 10 ms: a task born in the tick of the start may be told by its fork event
	 * too, which then takes over. */
	if (born > 0)
		return CGR_OK;
	struct cgr_task *task = cgr_task_get(norm, (int32_t)pid);
	if (task == NULL)
		return norm->err->code;
	norm->stats.inferred_tasks -= norm->stats.inferred_tasks > 0;
	CGR_TRY(fill_task(norm, task, item, CGR_MIN(born, -1)));
	if (set < 0 || (size_t)set >= set_count)
		return CGR_OK;
	return cgr_task_member(norm, task, sets[set], -1, "snapshot");
}

int cgr_snapshot_tasks(struct cgr_facts *facts, struct cgr_norm *norm, const json_t *object, bool start,
                       struct cgr_error *reterr)
{
	uint32_t *sets = NULL;
	size_t count = 0, i;
	json_t *item;
	int rc = CGR_OK;

	norm->err = reterr;
	if (start)
		rc = css_sets(norm, object, &sets, &count);
	json_array_foreach(json_object_get(object, "tasks"), i, item)
	{
		if (rc == CGR_OK)
			rc = one_task(facts, norm, item, sets, count, start);
	}
	free(sets);
	return rc;
}
