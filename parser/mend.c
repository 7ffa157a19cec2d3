/* The switch chain of every CPU: who runs, since when; joints that do not join are mended where other evidence settles
 * them, and every mended event carries CGR_EVF_INFERRED.
 *
 * Why there is anything to mend: events get lost, traces start in the middle, and some kernels never report a switch
 * whose previous task is a certain one (seen on 6.18: CPU 1's idle task and the threads of PID 1). The evidence:
 * - an event in a task's context proves that it runs there;
 * - sched_stat_runtime tells how long it has run since it was picked or last charged (update_curr, all versions), so
 *   the first one after an arrival gives the moment of the arrival, and the last one before a departure that moment;
 * - a wake-up or migration bounds the arrival from below. */
#include "parser/norm.h"

/* A task that left and one that arrived this close together: nothing ran in between. */
#define DIRECT_NS 20000u

static uint64_t out_ts(const struct cgr_norm *norm, uint64_t at_ns)
{
	return at_ns > norm->from_ns ? at_ns - norm->from_ns : 0;
}

static void leave(struct cgr_norm *norm, struct cgr_cpu *cpu, struct cgr_task *task, uint64_t at_ns)
{
	(void)norm;
	if (task == NULL || task->id == 0)
		return;
	task->cpu = -1;
	task->off_ns = at_ns;
	if (at_ns > cpu->since_ns)
		task->chain_ns += at_ns - cpu->since_ns;
}

static void arrive(struct cgr_cpu *cpu, uint32_t number, struct cgr_task *task, uint64_t at_ns)
{
	cpu->current = task;
	cpu->current_pid = task->row.tid;
	cpu->since_ns = cpu->proof_ns = at_ns;
	cpu->arrival_open = false;
	task->run_stamp_ns = at_ns;
	task->woken = false;
	if (task->id != 0)
		task->cpu = (int32_t)number;
}

/* An inferred switch at at_ns (absolute) on cpu. */
static int insert_switch(struct cgr_norm *norm, uint32_t cpu, const struct cgr_task *from, const struct cgr_task *to,
                         uint64_t at_ns, uint64_t *ret_index)
{
	struct cgr_event event = { .ts_ns = out_ts(norm, at_ns),
		                       .kind = CGR_EV_SWITCH,
		                       .cpu = (uint16_t)cpu,
		                       .flags = CGR_EVF_INFERRED,
		                       .task = from->id,
		                       .c = to->id,
		                       .d = (uint32_t)(uint16_t)from->row.prio | (uint32_t)(uint16_t)to->row.prio << 16 };

	/* Who leaves a CPU idle, or unseen, has gone to sleep: a preempted task would not leave it idle. */
	event.a = from->id == 0 ? 0 : 1;
	if (norm->now_ns < norm->from_ns)
		return CGR_OK;
	return cgr_hold_insert(&norm->hold, &event, ret_index, norm->err);
}

static int run_start(struct cgr_norm *norm, uint32_t cpu, struct cgr_task *task, uint64_t at_ns)
{
	struct cgr_event event = { .ts_ns = out_ts(norm, at_ns),
		                       .kind = CGR_EV_RUN_START,
		                       .cpu = (uint16_t)cpu,
		                       .flags = CGR_EVF_INFERRED,
		                       .task = task->id,
		                       .c = task->id };

	norm->stats.run_starts++;
	if (norm->now_ns < norm->from_ns)
		return CGR_OK;
	return cgr_hold_insert(&norm->hold, &event, NULL, norm->err);
}

/* task is seen elsewhere: it must have left the CPU where it was believed. */
static int leave_other(struct cgr_norm *norm, struct cgr_task *task, uint64_t latest_ns)
{
	uint32_t number = (uint32_t)task->cpu;
	struct cgr_cpu *cpu = &norm->cpu[number];
	struct cgr_task *idle = cgr_task_get(norm, 0);
	uint64_t at = CGR_MIN(cpu->proof_ns, latest_ns);

	if (idle == NULL)
		return norm->err->code;
	norm->stats.two_cpus++;
	norm->stats.inferred_departures++;
	if (cpu->current != task) {
		task->cpu = -1;
		return CGR_OK;
	}
	CGR_TRY(insert_switch(norm, number, task, idle, at, NULL));
	leave(norm, cpu, task, at);
	arrive(cpu, number, idle, at);
	return CGR_OK;
}

static int unknown_before(struct cgr_norm *norm, uint32_t number, struct cgr_task *task, uint64_t runtime_ns)
{
	struct cgr_cpu *cpu = &norm->cpu[number];
	uint64_t low = CGR_MAX(cpu->lost_ns, CGR_MAX(task->off_ns, task->wake_ns)), at = norm->now_ns;

	/* At the start of the trace it has run since before; behind a gap since the gap or what it was charged for. */
	if (runtime_ns != 0 && runtime_ns < at)
		at -= runtime_ns;
	else if (runtime_ns == 0)
		at = low;
	at = CGR_MIN(CGR_MAX(at, low), norm->now_ns);
	if (task->cpu >= 0 && task->cpu != (int32_t)number)
		CGR_TRY(leave_other(norm, task, at));
	CGR_TRY(run_start(norm, number, task, at));
	arrive(cpu, number, task, at);
	cpu->proof_ns = norm->now_ns;
	return CGR_OK;
}

/* task runs on the CPU though the chain says another one does. */
static int unseen_arrival(struct cgr_norm *norm, uint32_t number, struct cgr_task *task, uint64_t runtime_ns)
{
	struct cgr_cpu *cpu = &norm->cpu[number];
	struct cgr_task *old = cpu->current, *idle = cgr_task_get(norm, 0);
	uint64_t low = cpu->proof_ns, at, index = 0;

	if (idle == NULL)
		return norm->err->code;
	if (task->id != 0)
		low = CGR_MAX(low, CGR_MAX(task->off_ns, task->wake_ns));
	low = CGR_MIN(low, norm->now_ns);
	at = runtime_ns != 0 && runtime_ns < norm->now_ns ? norm->now_ns - runtime_ns : low;
	at = CGR_MAX(at, low);
	norm->stats.inferred_arrivals++;
	if (task->cpu >= 0 && task->cpu != (int32_t)number && task->id != 0)
		CGR_TRY(leave_other(norm, task, at));
	if (old->id != 0 && task->id != 0 && at > cpu->proof_ns + DIRECT_NS) {
		/* It left when last seen, and the CPU idled until then. */
		uint64_t left = cpu->proof_ns;
		norm->stats.inferred_departures++;
		CGR_TRY(insert_switch(norm, number, old, idle, left, NULL));
		leave(norm, cpu, old, left);
		arrive(cpu, number, idle, left);
		old = idle;
	}
	CGR_TRY(insert_switch(norm, number, old, task, at, &index));
	leave(norm, cpu, old, at);
	arrive(cpu, number, task, at);
	cpu->proof_ns = norm->now_ns;
	if (runtime_ns == 0 && task->id != 0) {
		cpu->arrival_open = true;
		cpu->arrival_index = index;
		cpu->arrival_inserts = norm->hold.inserts;
		cpu->arrival_low = low;
		cpu->arrival_high = norm->now_ns;
		cpu->arrival_from = old->id;
	}
	return CGR_OK;
}

int cgr_mend_proof(struct cgr_norm *norm, uint32_t number, struct cgr_task *task, uint64_t runtime_ns)
{
	struct cgr_cpu *cpu = &norm->cpu[number];

	if (cpu->current == task) {
		cpu->proof_ns = norm->now_ns;
		return CGR_OK;
	}
	if (cpu->current == NULL)
		return unknown_before(norm, number, task, runtime_ns);
	return unseen_arrival(norm, number, task, runtime_ns);
}

/* The first charge after an inferred arrival tells its moment. */
static int correct_arrival(struct cgr_norm *norm, struct cgr_cpu *cpu, struct cgr_task *task, uint64_t runtime_ns)
{
	cpu->arrival_open = false;
	if (runtime_ns == 0 || runtime_ns > norm->now_ns)
		return CGR_OK;
	uint64_t at = CGR_MIN(CGR_MAX(norm->now_ns - runtime_ns, cpu->arrival_low), cpu->arrival_high);
	struct cgr_event *event =
	    cgr_hold_find(&norm->hold, cpu->arrival_index, cpu->arrival_inserts, CGR_EV_SWITCH, cpu->arrival_from);
	if (event == NULL || event->c != task->id || at == cpu->since_ns || at < norm->from_ns)
		return CGR_OK;
	cpu->since_ns = at;
	return cgr_hold_move(&norm->hold, event, out_ts(norm, at), norm->err);
}

/* It was woken since its last charge, so it had slept: on a CPU that hides its departures the chain saw nothing. */
static int hidden_nap(struct cgr_norm *norm, uint32_t number, struct cgr_task *task, uint64_t runtime_ns)
{
	struct cgr_cpu *cpu = &norm->cpu[number];
	struct cgr_task *idle = cgr_task_get(norm, 0);
	uint64_t back = norm->now_ns - runtime_ns, left = task->run_stamp_ns;

	if (idle == NULL)
		return norm->err->code;
	if (back < task->wake_ns || left >= task->wake_ns)
		return CGR_OK;
	norm->stats.inferred_departures++;
	norm->stats.inferred_arrivals++;
	CGR_TRY(insert_switch(norm, number, task, idle, left, NULL));
	leave(norm, cpu, task, left);
	CGR_TRY(insert_switch(norm, number, idle, task, back, NULL));
	arrive(cpu, number, task, back);
	return CGR_OK;
}

int cgr_mend_runtime(struct cgr_norm *norm, uint32_t number, struct cgr_task *task, uint64_t runtime_ns)
{
	struct cgr_cpu *cpu = &norm->cpu[number];

	task->runtime_ns += runtime_ns;
	if (cpu->current != task)
		return CGR_OK;
	if (cpu->arrival_open)
		CGR_TRY(correct_arrival(norm, cpu, task, runtime_ns));
	else if (task->woken && runtime_ns < norm->now_ns)
		CGR_TRY(hidden_nap(norm, number, task, runtime_ns));
	task->woken = false;
	task->run_stamp_ns = norm->now_ns;
	cpu->proof_ns = norm->now_ns;
	return CGR_OK;
}

int cgr_mend_switch(struct cgr_norm *norm, uint32_t number, struct cgr_task *prev, struct cgr_task *next)
{
	struct cgr_cpu *cpu = &norm->cpu[number];

	norm->stats.chain_checked++;
	if (cpu->current != prev)
		CGR_TRY(cgr_mend_proof(norm, number, prev, 0));
	if (next->cpu >= 0 && next->id != 0 && next->cpu != (int32_t)number)
		CGR_TRY(leave_other(norm, next, norm->now_ns));
	leave(norm, cpu, prev, norm->now_ns);
	arrive(cpu, number, next, norm->now_ns);
	return CGR_OK;
}

void cgr_mend_lost(struct cgr_norm *norm, uint32_t number)
{
	struct cgr_cpu *cpu = &norm->cpu[number];

	if (cpu->current != NULL) {
		leave(norm, cpu, cpu->current, cpu->proof_ns);
		norm->stats.joints_open++;
	}
	cpu->current = NULL;
	cpu->current_pid = INT32_MIN;
	cpu->lost_ns = norm->now_ns;
}

int cgr_mend_slice_start(struct cgr_norm *norm)
{
	struct cgr_import_stats *stats = &norm->stats;

	/* what was mended before is not in the store */
	stats->inferred_exits = stats->inferred_arrivals = stats->inferred_departures = stats->run_starts =
	    stats->joints_open = stats->two_cpus = 0;
	for (uint32_t i = 0; i < norm->cpus; i++)
		if (norm->cpu[i].current != NULL)
			CGR_TRY(run_start(norm, i, norm->cpu[i].current, norm->from_ns));
	return CGR_OK;
}
