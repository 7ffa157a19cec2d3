/* Tasks keyed by (pid, start): one slot per pid, taken over when the pid is used again. */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "parser/norm.h"

#define CHUNK 1024u
#define BY_PID_MAX (1u << 22) /* PID_MAX_LIMIT of 64-bit kernels; beyond it a hash table */

struct cgr_task *cgr_task_at(const struct cgr_tasks *tasks, size_t slot)
{
	return &tasks->slot[slot / CHUNK][slot % CHUNK];
}

static uint32_t slot_of(const struct cgr_tasks *tasks, int32_t pid)
{
	uint32_t key = (uint32_t)pid;

	if (key < tasks->by_pid_capacity)
		return tasks->by_pid[key] == 0 ? CGR_ID_NONE : tasks->by_pid[key] - 1;
	if (key < BY_PID_MAX)
		return CGR_ID_NONE;
	/* the hash gives dense numbers of its own; slots of large pids stand behind a second table of the same order */
	uint32_t dense = cgr_intern_find(&tasks->large, key);
	return dense == CGR_ID_NONE ? CGR_ID_NONE : tasks->by_pid[BY_PID_MAX + dense] - 1;
}

struct cgr_task *cgr_task_find(const struct cgr_norm *norm, int32_t pid)
{
	uint32_t slot = slot_of(&norm->tasks, pid);

	return slot == CGR_ID_NONE ? NULL : cgr_task_at(&norm->tasks, slot);
}

static int bind_pid(struct cgr_norm *norm, int32_t pid, uint32_t slot)
{
	struct cgr_tasks *tasks = &norm->tasks;
	size_t key = (uint32_t)pid;

	if (key >= BY_PID_MAX) {
		uint32_t dense;
		bool is_new;
		CGR_TRY(cgr_intern_id(&tasks->large, key, &dense, &is_new, norm->err));
		key = (size_t)BY_PID_MAX + dense;
	}
	CGR_TRY(cgr_grow((void **)&tasks->by_pid, &tasks->by_pid_capacity, key + 1, sizeof(uint32_t), norm->err));
	tasks->by_pid[key] = slot + 1;
	return CGR_OK;
}

static struct cgr_task *new_slot(struct cgr_norm *norm, int32_t pid)
{
	struct cgr_tasks *tasks = &norm->tasks;

	if (tasks->slots / CHUNK == tasks->slot_chunks) {
		if (cgr_grow((void **)&tasks->slot, &tasks->slot_chunk_capacity, tasks->slot_chunks + 1,
		             sizeof(struct cgr_task *), norm->err) < 0)
			return NULL;
		tasks->slot[tasks->slot_chunks] = cgr_calloc(CHUNK, sizeof(struct cgr_task));
		if (tasks->slot[tasks->slot_chunks] == NULL) {
			cgr_error_set(norm->err, CGR_E_NOMEM, "out of memory for tasks");
			return NULL;
		}
		tasks->slot_chunks++;
	}
	if (bind_pid(norm, pid, (uint32_t)tasks->slots) < 0)
		return NULL;
	return cgr_task_at(tasks, tasks->slots++);
}

int cgr_task_flush(struct cgr_norm *norm, struct cgr_task *task)
{
	if (!task->dirty)
		return CGR_OK;
	task->dirty = false;
	task->row.comm = task->comm;
	task->row.cpus_allowed = task->cpus_allowed;
	return cgr_writer_set_task(norm->writer, task->id, &task->row, norm->err);
}

/* Fills a slot with a new task and gives it an id. */
static int begin(struct cgr_norm *norm, struct cgr_task *task, int32_t pid, int64_t start_ns, uint32_t parent)
{
	CGR_TRY(cgr_task_flush(norm, task));
	free(task->cpus_allowed);
	*task = (struct cgr_task){ .cpu = -1,
		                       .live = true,
		                       .css_set = CGR_ID_NONE,
		                       .charge_cgroup = CGR_ID_NONE,
		                       .reclaim_cgroup = CGR_ID_NONE,
		                       .scan_cgroup = CGR_ID_NONE };
	task->row = (struct cgr_store_task){ .tid = pid,
		                                 .tgid = pid,
		                                 .comm = task->comm,
		                                 .start_ns = start_ns,
		                                 .end_ns = INT64_MAX,
		                                 .parent = parent,
		                                 .css_set = 0,
		                                 .prio = 120,
		                                 .policy = -1 };
	if (pid == 0)
		return CGR_OK; /* id 0 is there from the start */
	if (norm->tasks.ids >= CGR_LIMIT_TASKS)
		return cgr_error_set(norm->err, CGR_E_LIMIT, "%s: more than %u tasks", norm->trace->input.path,
		                     CGR_LIMIT_TASKS);
	norm->tasks.ids++;
	return cgr_writer_add_task(norm->writer, &task->row, &task->id, norm->err);
}

static int64_t relative_now(const struct cgr_norm *norm)
{
	return (int64_t)(norm->now_ns - norm->from_ns);
}

struct cgr_task *cgr_task_get(struct cgr_norm *norm, int32_t pid)
{
	struct cgr_task *task = cgr_task_find(norm, pid);

	if (task != NULL)
		return task;
	task = new_slot(norm, pid);
	/* Never heard of: it must have been there before the trace began. */
	if (task == NULL || begin(norm, task, pid, -1, CGR_ID_NONE) < 0)
		return NULL;
	if (pid != 0)
		norm->stats.inferred_tasks++;
	uint32_t root[64] = { 0 };
	uint32_t set;
	if (cgr_css_set(norm, root, &set) < 0 || cgr_task_member(norm, task, set, -1, "inferred") < 0)
		return NULL;
	return task;
}

struct cgr_task *cgr_task_born(struct cgr_norm *norm, int32_t pid, struct cgr_task *parent, bool inferred)
{
	struct cgr_task *task = cgr_task_find(norm, pid);
	uint32_t set;

	if (task == NULL)
		task = new_slot(norm, pid);
	if (task == NULL)
		return NULL;
	if (task->live && task->cpu >= 0 && (uint32_t)task->cpu < norm->cpus && norm->cpu[task->cpu].current == task) {
		/* The old owner of the pid never left the CPU as far as the record goes. */
		norm->cpu[task->cpu].current = NULL;
		norm->cpu[task->cpu].current_pid = INT32_MIN;
	}
	if (task->live && !task->exited) {
		task->row.end_ns = relative_now(norm);
		task->dirty = true;
	}
	if (begin(norm, task, pid, relative_now(norm), parent != NULL ? parent->id : CGR_ID_NONE) < 0)
		return NULL;
	task->has_child = task->has_execed = false;
	task->parent_tgid = parent != NULL ? parent->row.tgid : 0;
	if (parent != NULL) {
		parent->has_child = true;
		memcpy(task->comm, parent->comm, sizeof(task->comm));
		task->row.prio = parent->row.prio;
		task->row.policy = parent->row.policy;
		task->row.oom_score_adj = parent->row.oom_score_adj;
		task->row.kernel_thread = parent->row.kernel_thread;
		task->row.session = parent->row.session;
		set = parent->css_set;
	} else {
		uint32_t root[64] = { 0 };
		if (cgr_css_set(norm, root, &set) < 0)
			return NULL;
	}
	task->dirty = true;
	if (cgr_task_member(norm, task, set, relative_now(norm), inferred ? "inferred" : "fork") < 0)
		return NULL;
	return task;
}

int cgr_task_comm(struct cgr_norm *norm, struct cgr_task *task, const char *comm)
{
	if (strncmp(task->comm, comm, CGR_LIMIT_COMM - 1) == 0 || task->id == 0)
		return CGR_OK;
	bool first = task->comm[0] == '\0';
	(void)cgr_strcpy(task->comm, sizeof(task->comm), comm);
	task->dirty = true;
	int64_t from = first ? task->row.start_ns : relative_now(norm);
	return cgr_writer_add_comm(norm->writer, task->id, from, task->comm, norm->err);
}

int cgr_task_member(struct cgr_norm *norm, struct cgr_task *task, uint32_t css_set, int64_t from_ns, const char *how)
{
	if (task->css_set == css_set)
		return CGR_OK;
	if (task->css_set == CGR_ID_NONE || (from_ns < 0 && task->row.start_ns < 0) || from_ns == task->row.start_ns) {
		task->row.css_set = css_set;
		task->dirty = true;
	}
	task->css_set = css_set;
	return cgr_writer_add_membership(norm->writer, task->id, from_ns, css_set, how, norm->err);
}

int cgr_tasks_finish(struct cgr_norm *norm)
{
	for (size_t i = 0; i < norm->tasks.slots; i++)
		CGR_TRY(cgr_task_flush(norm, cgr_task_at(&norm->tasks, i)));
	return CGR_OK;
}

void cgr_tasks_fini(struct cgr_tasks *tasks)
{
	for (size_t i = 0; i < tasks->slots; i++)
		free(cgr_task_at(tasks, i)->cpus_allowed);
	for (size_t i = 0; i < tasks->slot_chunks; i++)
		free(tasks->slot[i]);
	free(tasks->slot);
	free(tasks->by_pid);
	cgr_intern_fini(&tasks->large);
}
