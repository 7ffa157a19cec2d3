/* sched:* -> SWITCH, WAKING, WAKEUP, MIGRATE, FORK, EXEC, EXIT, RUNTIME; births, deaths, names, priorities of tasks. */
#include <sched.h>

#include "parser/norm.h"

/* prev_state since 4.14: index bits 1 S, 2 D, 4 T, 8 t, 0x10 X, 0x20 Z, 0x40 P, 0x80 I; 0x100 preempted in the kernel.
 * Older kernels have the low bits alike and a higher bit for the last: whatever has no low bit set is runnable. */
#define STATE_BLOCKED 0xffu
#define STATE_DEAD                                                                                                     \
	0x70u /* X or Z (0x10, 0x20), on old kernels x (64), which is P(arked) now: nobody parks while it exits */
#define STATE_GONE 0x30u /* X or Z: set by exit_notify (kernel/exit.c), after which a task only leaves the CPU */
#define STATE_PREEMPTED 0x100u

static uint32_t prios(uint64_t a, uint64_t b)
{
	return (uint32_t)(uint16_t)a | (uint32_t)(uint16_t)b << 16;
}

static int name_from(struct cgr_norm *norm, const struct cgr_entry *entry, unsigned field, struct cgr_task *task)
{
	char comm[CGR_LIMIT_COMM];
	const struct cgr_field *at = &entry->format->field[field];

	if (!at->present)
		return CGR_OK;
	/* Nearly always the name it had: compare in place before copying. */
	if (!at->dynamic && at->bytes == CGR_LIMIT_COMM &&
	    memcmp(entry->payload + at->offset, task->comm, CGR_LIMIT_COMM) == 0)
		return CGR_OK;
	if (cgr_field_text(at, entry->payload, entry->record->length, comm, sizeof(comm)) == 0)
		return CGR_OK;
	return cgr_task_comm(norm, task, comm);
}

static void set_prio(struct cgr_task *task, uint64_t prio)
{
	/* The row keeps the first one known; the switch events carry the changes. */
	if (task->row.policy == -1 && task->id != 0 && task->row.prio != (int16_t)prio) {
		task->row.prio = (int16_t)prio;
		task->row.policy = prio < 100 ? 2 /* SCHED_RR or FIFO: real time either way */ : 0;
		task->dirty = true;
	}
}

/* The task of pid as the one that now runs or becomes runnable: a dead owner means that the pid was used again. */
static struct cgr_task *living(struct cgr_norm *norm, int32_t pid)
{
	struct cgr_task *task = cgr_task_find(norm, pid);

	if (task != NULL && (!task->dead || pid == 0))
		return task;
	return task == NULL ? cgr_task_get(norm, pid) : cgr_task_born(norm, pid, NULL, true);
}

/* A task leaves its CPU for the last time. `perf sched record` and many a trace-cmd line leave sched_process_exit out:
 * then the state it leaves with, or perf's EXIT record, is all that tells. */
static int leave_for_good(struct cgr_norm *norm, const struct cgr_entry *entry, struct cgr_task *task)
{
	struct cgr_entry exit = *entry;

	if (!task->exited && norm->now_ns >= norm->from_ns)
		task->row.end_ns = (int64_t)(norm->now_ns - norm->from_ns);
	task->dirty |= !task->exited;
	task->exited = task->dead = true;
	CGR_TRY(cgr_task_flush(norm, task));
	if (task->exit_told)
		return CGR_OK;
	task->exit_told = true;
	norm->stats.inferred_exits++;
	exit.task = task;
	exit.flags |= CGR_EVF_INFERRED;
	return cgr_norm_push(norm, &exit, CGR_EV_EXIT, 0, 0, task->id, 0);
}

static int on_switch(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	int32_t prev_pid = (int32_t)CGR_FIELD(entry, 0), next_pid = (int32_t)CGR_FIELD(entry, 2);
	uint64_t state = CGR_FIELD(entry, 1), prev_prio = CGR_FIELD(entry, 3), next_prio = CGR_FIELD(entry, 4);
	struct cgr_entry out = *entry;
	struct cgr_task *prev = entry->task;

	norm->switch_seen = true;
	norm->switch_buffer = entry->record->buffer;
	if (prev->row.tid != prev_pid)
		prev = cgr_task_get(norm, prev_pid);
	struct cgr_task *next = prev != NULL ? living(norm, next_pid) : NULL;
	if (next == NULL)
		return norm->err->code;
	CGR_TRY(name_from(norm, entry, 5, prev));
	CGR_TRY(name_from(norm, entry, 6, next));
	set_prio(prev, prev_prio);
	set_prio(next, next_prio);
	CGR_TRY(cgr_mend_switch(norm, entry->cpu, prev, next));
	uint64_t bits = (state & STATE_BLOCKED) != 0 ? state & STATE_BLOCKED : state != 0 ? STATE_PREEMPTED : 0;
	/* it may sleep on its way out: closing files */
	if (((prev->exited && (bits & STATE_DEAD) != 0) || (bits & STATE_GONE) != 0) && prev->id != 0)
		CGR_TRY(leave_for_good(norm, entry, prev));
	out.task = prev;
	return cgr_norm_push(norm, &out, CGR_EV_SWITCH, bits, 0, next->id, prios(prev_prio, next_prio));
}

static int on_wake(struct cgr_norm *norm, const struct cgr_entry *entry, uint8_t kind)
{
	int32_t pid = (int32_t)CGR_FIELD(entry, 0);
	uint64_t cpu = CGR_HAS(entry, 1) ? CGR_FIELD(entry, 1) : entry->cpu, prio = CGR_FIELD(entry, 2);
	/* Kernels to 3.x have the event for tries as well: nobody slept */
	if (CGR_HAS(entry, 4) && CGR_FIELD(entry, 4) == 0)
		return CGR_OK;
	struct cgr_task *task = living(norm, pid);

	if (task == NULL)
		return norm->err->code;
	if (kind == CGR_EV_WAKEUP_NEW && task->row.start_ns < 0 && task->cpu < 0 && task->off_ns == 0)
		task->row.start_ns = (int64_t)(norm->now_ns - norm->from_ns), task->dirty = true; /* its fork was lost */
	CGR_TRY(name_from(norm, entry, 3, task));
	set_prio(task, prio);
	if (kind != CGR_EV_WAKING) {
		task->wake_ns = norm->now_ns;
		task->wake_cpu = (uint32_t)cpu;
		task->woken = true;
	}
	return cgr_norm_push(norm, entry, kind, 0, 0, task->id, prios(cpu, prio));
}

static int on_migrate(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	struct cgr_task *task = living(norm, (int32_t)CGR_FIELD(entry, 0));

	if (task == NULL)
		return norm->err->code;
	task->wake_ns = CGR_MAX(task->wake_ns, norm->now_ns);
	return cgr_norm_push(norm, entry, CGR_EV_MIGRATE, 0, 0, task->id, prios(CGR_FIELD(entry, 1), CGR_FIELD(entry, 2)));
}

static int on_fork(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	struct cgr_task *parent = cgr_task_get(norm, (int32_t)CGR_FIELD(entry, 0));
	int32_t pid = (int32_t)CGR_FIELD(entry, 1);
	struct cgr_task *child = parent != NULL ? cgr_task_find(norm, pid) : NULL;

	if (parent == NULL)
		return norm->err->code;
	/* A side record (task_newtask, perf FORK) of the same birth may have come just before. */
	bool told = child != NULL && !child->exited && child->row.start_ns >= 0 && child->row.parent == parent->id &&
	            child->wake_ns == 0 && child->cpu < 0;
	if (!told)
		child = cgr_task_born(norm, pid, parent, false);
	if (child == NULL)
		return norm->err->code;
	CGR_TRY(name_from(norm, entry, 2, child));
	return cgr_norm_push(norm, entry, CGR_EV_FORK, 0, 0, child->id, 0);
}

/* A thread that calls exec becomes the leader: its pid changes to old leader's. */
static int on_exec(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	entry->task->has_execed = true;
	return cgr_norm_push(norm, entry, CGR_EV_EXEC, 0, 0, (uint32_t)CGR_FIELD(entry, 1), 0);
}

/* Without task_newtask the exit tells late what the task was: group_dead (in newer kernels) is false while other
 * threads of its process live, so one that never called exec and has made no task of its own was a thread of its
 * parent's. */
static void judge_thread(const struct cgr_entry *entry, struct cgr_task *task)
{
	if (task->thread_known || !CGR_HAS(entry, 2) || CGR_FIELD(entry, 2) || task->has_child || task->has_execed ||
	    task->parent_tgid == 0)
		return;
	task->row.tgid = task->parent_tgid;
	task->thread_known = task->dirty = true;
}

static int on_exit(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	struct cgr_task *task = cgr_task_get(norm, (int32_t)CGR_FIELD(entry, 0));

	if (task == NULL)
		return norm->err->code;
	CGR_TRY(name_from(norm, entry, 1, task));
	judge_thread(entry, task);
	if (!task->exited && norm->now_ns >= norm->from_ns) {
		task->row.end_ns = (int64_t)(norm->now_ns - norm->from_ns);
		task->dirty = true;
	}
	task->exited = task->exit_told = true;
	return cgr_norm_push(norm, entry, CGR_EV_EXIT, 0, 0, task->id, (uint32_t)CGR_FIELD(entry, 2));
}

/* Told just before sched_process_fork, and the only one of the two that knows a thread from a process. */
static int on_newtask(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	struct cgr_task *child = cgr_task_born(norm, (int32_t)CGR_FIELD(entry, 0), entry->task, false);

	if (child == NULL)
		return norm->err->code;
	child->thread_known = true;
	if ((CGR_FIELD(entry, 1) & CLONE_THREAD) != 0)
		child->row.tgid = entry->task->row.tgid;
	return cgr_norm_other(norm, entry);
}

static int on_signal(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	struct cgr_task *target = cgr_task_get(norm, (int32_t)CGR_FIELD(entry, 1));

	if (target == NULL)
		return norm->err->code;
	return cgr_norm_push(norm, entry, CGR_EV_SIGNAL, CGR_FIELD(entry, 0), CGR_FIELD(entry, 2), target->id,
	                     (uint32_t)CGR_FIELD(entry, 3));
}

static int on_runtime(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	struct cgr_task *task = cgr_task_get(norm, (int32_t)CGR_FIELD(entry, 0));
	uint64_t runtime = CGR_FIELD(entry, 1);

	if (task == NULL)
		return norm->err->code;
	CGR_TRY(cgr_mend_runtime(norm, entry->cpu, task, runtime));
	return cgr_norm_push(norm, entry, CGR_EV_RUNTIME, runtime, CGR_FIELD(entry, 2), task->id, 0);
}

int cgr_norm_sched(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	switch (entry->format->raw) {
	case CGR_RAW_SWITCH:
		return on_switch(norm, entry);
	case CGR_RAW_WAKING:
		return on_wake(norm, entry, CGR_EV_WAKING);
	case CGR_RAW_WAKEUP:
		return on_wake(norm, entry, CGR_EV_WAKEUP);
	case CGR_RAW_WAKEUP_NEW:
		return on_wake(norm, entry, CGR_EV_WAKEUP_NEW);
	case CGR_RAW_MIGRATE:
		return on_migrate(norm, entry);
	case CGR_RAW_FORK:
		return on_fork(norm, entry);
	case CGR_RAW_EXEC:
		return on_exec(norm, entry);
	case CGR_RAW_EXIT:
		return on_exit(norm, entry);
	case CGR_RAW_NEWTASK:
		return on_newtask(norm, entry);
	case CGR_RAW_SIGNAL:
		return on_signal(norm, entry);
	default:
		return on_runtime(norm, entry);
	}
}
