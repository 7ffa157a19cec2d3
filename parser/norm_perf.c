/* What perf tells beside its samples: names, births and deaths of tasks (with their thread groups), ids and paths of
 * cgroups, and the cgroup of every sample's task. */
#include "parser/norm.h"

static int64_t relative(const struct cgr_norm *norm)
{
	return (int64_t)(norm->now_ns - norm->from_ns);
}

/* The hierarchy perf names cgroups of: that of its perf_event controller, v2's where nothing else is known. */
static uint32_t perf_hierarchy(struct cgr_norm *norm)
{
	return cgr_hierarchy_index(norm, 0, 2, "");
}

/* Synthesised at the start of a recording (time 0), later as it happens. */
static bool synthesised(const struct cgr_record *record)
{
	return record->time == 0;
}

static int on_comm(struct cgr_norm *norm, const struct cgr_record *record)
{
	struct cgr_task *task = cgr_task_get(norm, (int32_t)record->tid);

	if (task == NULL)
		return norm->err->code;
	if (!task->thread_known) {
		task->row.tgid = (int32_t)record->pid;
		task->thread_known = true;
		task->dirty = true;
	}
	return cgr_task_comm(norm, task, record->text);
}

static int on_fork(struct cgr_norm *norm, const struct cgr_record *record)
{
	struct cgr_task *parent = cgr_task_get(norm, (int32_t)record->ptid);

	if (parent == NULL)
		return norm->err->code;
	struct cgr_task *child = cgr_task_find(norm, (int32_t)record->tid);
	if (synthesised(record))
		child = cgr_task_get(norm, (int32_t)record->tid);
	else if (child == NULL || child->exited || child->row.start_ns != relative(norm))
		child = cgr_task_born(norm, (int32_t)record->tid, parent, false);
	if (child == NULL)
		return norm->err->code;
	child->row.tgid = (int32_t)record->pid;
	child->thread_known = true;
	child->dirty = true;
	return CGR_OK;
}

static int on_exit(struct cgr_norm *norm, const struct cgr_record *record)
{
	struct cgr_task *task = cgr_task_find(norm, (int32_t)record->tid);

	if (task != NULL && !task->exited) {
		task->row.end_ns = relative(norm);
		task->exited = true;
		task->dirty = true;
	}
	return CGR_OK;
}

static int on_cgroup(struct cgr_norm *norm, const struct cgr_record *record)
{
	uint32_t cgroup, hierarchy = perf_hierarchy(norm);

	if (hierarchy == CGR_ID_NONE || record->text[0] != '/')
		return CGR_OK;
	return cgr_cgroup_dir(norm, hierarchy, record->cgroup, record->text, synthesised(record) ? -1 : relative(norm),
	                      &cgroup);
}

int cgr_norm_side(struct cgr_norm *norm, const struct cgr_record *record)
{
	if (record->tid > INT32_MAX || record->ptid > INT32_MAX)
		return CGR_OK;
	switch (record->type) {
	case CGR_RECORD_COMM:
		return on_comm(norm, record);
	case CGR_RECORD_FORK:
		return on_fork(norm, record);
	case CGR_RECORD_EXIT:
		return on_exit(norm, record);
	default:
		return on_cgroup(norm, record);
	}
}

int cgr_norm_sample_cgroup(struct cgr_norm *norm, const struct cgr_entry *entry, uint64_t kernel_id)
{
	struct cgr_task *task = entry->task;
	uint32_t row[64] = { 0 }, set, hierarchy = perf_hierarchy(norm);

	if (task->id == 0 || hierarchy == CGR_ID_NONE)
		return CGR_OK;
	struct cgr_cgroup_dir *dir = cgr_cgroup_dir_find(norm, hierarchy, kernel_id);
	bool first = task->perf_cgroup == 0;
	task->perf_cgroup = kernel_id;
	if (dir == NULL && kernel_id != 1)
		return CGR_OK;
	if (task->css_set != CGR_ID_NONE)
		memcpy(row, norm->cgroups.set[task->css_set], sizeof(row));
	row[hierarchy] = dir != NULL ? dir->cgroup : 0;
	CGR_TRY(cgr_css_set(norm, row, &set));
	/* Nothing said that it moved: it has been there since before, or since its birth. */
	if (first)
		return cgr_task_member(norm, task, set, task->row.start_ns, "inferred");
	if (set == task->css_set)
		return CGR_OK;
	CGR_TRY(cgr_task_member(norm, task, set, relative(norm), "inferred"));
	/* It has moved since its last event: replay learns that from an event of its own. */
	struct cgr_entry moved = *entry;
	moved.flags |= CGR_EVF_INFERRED;
	return cgr_norm_push(norm, &moved, CGR_EV_CGROUP_ATTACH, row[hierarchy], norm->cgroups.hierarchy[hierarchy].number,
	                     task->id, 0);
}
