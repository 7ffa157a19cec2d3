/* cgroup:* -> life and membership. The kernel names a group by hierarchy number (`root`) and kernfs id; paths join the
 * directories of several v1 hierarchies to one cgroup. */
#include "common/limits.h"
#include "parser/norm.h"

enum {
	WHICH_RENAME = 1,
	WHICH_POPULATED = 2,
	WHICH_EMPTY = 3,
	WHICH_FREEZE = 4,
	WHICH_UNFREEZE = 5,
	WHICH_FROZEN = 6,
	WHICH_THAWED = 7
};

static int64_t relative(const struct cgr_norm *norm)
{
	return (int64_t)(norm->now_ns - norm->from_ns);
}

static int named(struct cgr_norm *norm, const struct cgr_entry *entry, char path[CGR_LIMIT_PATH],
                 uint32_t *ret_hierarchy)
{
	uint64_t root = CGR_FIELD(entry, 0), id = CGR_FIELD(entry, 1);

	(void)cgr_field_text(&entry->format->field[2], entry->payload, entry->record->length, path, CGR_LIMIT_PATH);
	*ret_hierarchy = cgr_hierarchy_index(norm, (uint32_t)root, root == 0 ? 2 : 1, "");
	if (*ret_hierarchy == CGR_ID_NONE)
		return cgr_error_set(norm->err, CGR_E_LIMIT, "%s: more than %u cgroup hierarchies", norm->trace->input.path,
		                     CGR_LIMIT_HIERARCHIES);
	if (path[0] != '/') /* an old kernel names the last component only: nothing to join by */
		(void)snprintf(path, CGR_LIMIT_PATH, "/cgroup-%llu", (unsigned long long)id);
	return CGR_OK;
}

static int group_of(struct cgr_norm *norm, const struct cgr_entry *entry, int64_t born_ns, uint32_t *ret_hierarchy,
                    uint32_t *ret_cgroup)
{
	char path[CGR_LIMIT_PATH];

	CGR_TRY(named(norm, entry, path, ret_hierarchy));
	return cgr_cgroup_dir(norm, *ret_hierarchy, CGR_FIELD(entry, 1), path, born_ns, ret_cgroup);
}

/* Released without having been seen before: it was removed before the trace began (rmdir comes first). */
static int left_over(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	char path[CGR_LIMIT_PATH];
	uint32_t hierarchy, cgroup;

	CGR_TRY(named(norm, entry, path, &hierarchy));
	return cgr_cgroup_left_over(norm, hierarchy, CGR_FIELD(entry, 1), path, &cgroup);
}

static int on_life(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	enum cgr_raw raw = entry->format->raw;
	uint32_t hierarchy, cgroup;
	uint64_t id = CGR_FIELD(entry, 1);

	if (raw == CGR_RAW_CGROUP_MKDIR) {
		CGR_TRY(group_of(norm, entry, relative(norm), &hierarchy, &cgroup));
		return cgr_norm_push(norm, entry, CGR_EV_CGROUP_MKDIR, cgroup, norm->cgroups.hierarchy[hierarchy].number, 0, 0);
	}
	/* Removal and release name a directory that may be known under its id already. */
	uint32_t index = cgr_hierarchy_index(norm, (uint32_t)CGR_FIELD(entry, 0), CGR_FIELD(entry, 0) == 0 ? 2 : 1, "");
	struct cgr_cgroup_dir *dir = index != CGR_ID_NONE ? cgr_cgroup_dir_find(norm, index, id) : NULL;
	if (dir == NULL) {
		CGR_TRY(raw == CGR_RAW_CGROUP_RELEASE ? left_over(norm, entry)
		                                      : group_of(norm, entry, -1, &hierarchy, &cgroup));
		dir = cgr_cgroup_dir_find(norm, cgr_hierarchy_index(norm, (uint32_t)CGR_FIELD(entry, 0), 0, ""), id);
	}
	struct cgr_cgroup_node *node = &norm->cgroups.node[dir->cgroup];
	if (raw == CGR_RAW_CGROUP_RMDIR) {
		dir->removed_ns = relative(norm);
		node->hierarchies &= ~(1ull << dir->hierarchy);
		if (node->hierarchies == 0 && dir->cgroup != 0)
			node->removed_ns = relative(norm);
	} else {
		dir->released_ns = relative(norm);
		/* Charges hang on the memory directory; where nobody knows which it is, the last one counts. */
		if (dir->cgroup != 0 &&
		    (norm->cgroups.memory_hierarchy == CGR_ID_NONE || dir->hierarchy == norm->cgroups.memory_hierarchy ||
		     (node->ever >> norm->cgroups.memory_hierarchy & 1) == 0))
			node->released_ns = relative(norm);
	}
	return cgr_norm_push(norm, entry, raw == CGR_RAW_CGROUP_RMDIR ? CGR_EV_CGROUP_RMDIR : CGR_EV_CGROUP_RELEASE,
	                     dir->cgroup, norm->cgroups.hierarchy[dir->hierarchy].number, 0, 0);
}

static int move_task(struct cgr_norm *norm, struct cgr_task *task, uint32_t hierarchy, uint32_t cgroup)
{
	uint32_t row[64] = { 0 }, set;

	if (task->css_set != CGR_ID_NONE)
		memcpy(row, norm->cgroups.set[task->css_set], sizeof(row));
	row[hierarchy] = cgroup;
	CGR_TRY(cgr_css_set(norm, row, &set));
	return cgr_task_member(norm, task, set, relative(norm), "attach");
}

/* The event names the leader of what was written and not whether its threads moved too (kernel: cgroup_attach_task,
 * threadgroup). A write to `tasks` of a thread names that thread; anything else moves the group. */
static int on_attach(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	uint32_t hierarchy, cgroup, whole = 1;
	struct cgr_task *leader = cgr_task_get(norm, (int32_t)CGR_FIELD(entry, 3));

	if (leader == NULL)
		return norm->err->code;
	CGR_TRY(group_of(norm, entry, -1, &hierarchy, &cgroup));
	CGR_TRY(move_task(norm, leader, hierarchy, cgroup));
	if (entry->format->raw == CGR_RAW_CGROUP_TRANSFER || leader->row.tid != leader->row.tgid) {
		whole = 0;
	} else {
		for (size_t i = 0; i < norm->tasks.slots; i++) {
			struct cgr_task *task = cgr_task_at(&norm->tasks, i);
			if (task == leader || task->exited || task->row.tgid != leader->row.tid || task->id == 0)
				continue;
			whole = 2;
			CGR_TRY(move_task(norm, task, hierarchy, cgroup));
		}
	}
	return cgr_norm_push(norm, entry, CGR_EV_CGROUP_ATTACH, cgroup, norm->cgroups.hierarchy[hierarchy].number,
	                     leader->id, whole);
}

static int on_other(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	uint32_t hierarchy, cgroup, which;

	switch (entry->format->raw) {
	case CGR_RAW_CGROUP_RENAME:
		which = WHICH_RENAME;
		break;
	case CGR_RAW_CGROUP_POPULATED:
		which = CGR_FIELD(entry, 3) != 0 ? WHICH_POPULATED : WHICH_EMPTY;
		break;
	case CGR_RAW_CGROUP_FROZEN:
		which = CGR_FIELD(entry, 3) != 0 ? WHICH_FROZEN : WHICH_THAWED;
		break;
	default:
		which = entry->format->raw == CGR_RAW_CGROUP_FREEZE ? WHICH_FREEZE : WHICH_UNFREEZE;
	}
	CGR_TRY(group_of(norm, entry, -1, &hierarchy, &cgroup));
	return cgr_norm_push(norm, entry, CGR_EV_CGROUP_OTHER, cgroup, norm->cgroups.hierarchy[hierarchy].number, which, 0);
}

/* From kprobes: the id is that of the directory on the hierarchy of the cpu controller; of_cpu the CPU whose queue it
 * is, because the period timer releases the queues of all CPUs from one. */
static int on_throttle(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	const struct cgr_cgroup_dir *dir = NULL;

	for (uint32_t i = 0; i < norm->cgroups.hierarchies && dir == NULL; i++)
		if (norm->cgroups.hierarchy[i].cpu)
			dir = cgr_cgroup_dir_find(norm, i, CGR_FIELD(entry, 0));
	if (dir == NULL)
		return cgr_norm_other(norm, entry);
	return cgr_norm_push(norm, entry, entry->format->raw == CGR_RAW_THROTTLE ? CGR_EV_THROTTLE : CGR_EV_UNTHROTTLE,
	                     dir->cgroup, 0, 0,
	                     entry->format->field[1].present ? (uint32_t)CGR_FIELD(entry, 1) : entry->cpu);
}

int cgr_norm_cgroup(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	switch (entry->format->raw) {
	case CGR_RAW_CGROUP_MKDIR:
	case CGR_RAW_CGROUP_RMDIR:
	case CGR_RAW_CGROUP_RELEASE:
		return on_life(norm, entry);
	case CGR_RAW_THROTTLE:
	case CGR_RAW_UNTHROTTLE:
		return on_throttle(norm, entry);
	case CGR_RAW_CGROUP_ATTACH:
	case CGR_RAW_CGROUP_TRANSFER:
		return on_attach(norm, entry);
	default:
		return on_other(norm, entry);
	}
}
