/* No scheduler: whoever ran in the recording runs, on the CPU and at the time it did. What memory asks of a recording
 * is answered so without a CPU model's own error; the engine keeps all recorded times for a model that needs the
 * schedule. */
#include "model/model.h"

struct recorded_task {
	bool queued; /* runnable, the running one included */
	bool running;
};
struct recorded_cpu {
	uint32_t current;
};

static struct recorded_task *task_of(struct cgr_ctx *ctx, uint32_t task)
{
	return cgr_task_state(ctx, task);
}
static struct recorded_cpu *cpu_of(struct cgr_ctx *ctx, uint32_t cpu)
{
	return cgr_cpu_state(ctx, cpu);
}

static int recorded_init(struct cgr_ctx *ctx)
{
	for (uint32_t i = 0; i < ctx->n_cpus; i++)
		cpu_of(ctx, i)->current = CGR_NONE;
	return 0;
}

static uint32_t recorded_select_cpu(struct cgr_ctx *ctx, uint32_t task, uint32_t prev_cpu, uint32_t waker_cpu,
                                    unsigned wake_flags)
{
	(void)ctx;
	(void)task;
	(void)waker_cpu;
	(void)wake_flags;
	return prev_cpu;
}

static void recorded_enqueue(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task, unsigned flags)
{
	(void)cpu;
	(void)flags;
	task_of(ctx, task)->queued = true;
	for (uint32_t i = 0; i < ctx->n_cpus; i++) /* its time has come before it could run */
		if (cgr_recorded_task(ctx, i) == task)
			cgr_resched(ctx, i);
}

static void put(struct cgr_ctx *ctx, uint32_t cpu)
{
	if (cpu_of(ctx, cpu)->current != CGR_NONE)
		task_of(ctx, cpu_of(ctx, cpu)->current)->running = false;
	cpu_of(ctx, cpu)->current = CGR_NONE;
}

static bool recorded_dequeue(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task, unsigned flags)
{
	(void)flags;
	task_of(ctx, task)->queued = false;
	if (cpu_of(ctx, cpu)->current == task)
		put(ctx, cpu);
	return true;
}

static void recorded_wakeup_preempt(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task)
{
	(void)ctx;
	(void)cpu;
	(void)task;
}

static void recorded_put_prev(struct cgr_ctx *ctx, uint32_t cpu, uint32_t prev)
{
	(void)prev;
	put(ctx, cpu);
}

static uint32_t recorded_pick(struct cgr_ctx *ctx, uint32_t cpu, uint32_t prev)
{
	uint32_t task = cgr_recorded_task(ctx, cpu);

	(void)prev;
	put(ctx, cpu);
	/* on another CPU still: a switch there is seen in a moment */
	if (task == CGR_NONE || !task_of(ctx, task)->queued || task_of(ctx, task)->running)
		return CGR_NONE;
	task_of(ctx, task)->running = true;
	return cpu_of(ctx, cpu)->current = task;
}

static void recorded_update(struct cgr_ctx *ctx, uint32_t cpu)
{
	(void)ctx;
	(void)cpu;
}

static void recorded_tick(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task)
{
	(void)ctx;
	(void)cpu;
	(void)task;
}

static void recorded_task_fork(struct cgr_ctx *ctx, uint32_t task, uint32_t parent)
{
	(void)ctx;
	(void)task;
	(void)parent;
}

static void recorded_task_attach(struct cgr_ctx *ctx, uint32_t task, uint32_t from, uint32_t to)
{
	(void)ctx;
	(void)task;
	(void)from;
	(void)to;
}

static const char *recorded_self_check(struct cgr_ctx *ctx)
{
	for (uint32_t i = 0; i < ctx->n_cpus; i++) {
		uint32_t current = cpu_of(ctx, i)->current;

		if (current != CGR_NONE && (!task_of(ctx, current)->running || !task_of(ctx, current)->queued))
			return "the task of a CPU is not marked as running";
	}
	return NULL;
}

const struct cgr_cpu_ops cgr_cpu_recorded = {
	.head = {
		.struct_size = sizeof(struct cgr_cpu_ops),
		.abi_version = CGR_MODEL_ABI,
		.domain = CGR_DOMAIN_CPU,
		.name = "recorded",
		.summary = "no model: plays back the recorded schedule",
		.doc = "Every task runs where and when it did in the recording, for questions about memory alone. It knows no "
		       "limits and no other number of CPUs, and ends with the recording.",
		.needs = 1ull << CGR_EV_SWITCH | CGR_NEEDS_SCHEDULE,
		.task_size = sizeof(struct recorded_task),
		.cpu_size = sizeof(struct recorded_cpu),
		.init = recorded_init,
		.task_fork = recorded_task_fork,
		.task_attach = recorded_task_attach,
		.self_check = recorded_self_check,
	},
	.select_cpu = recorded_select_cpu,
	.enqueue = recorded_enqueue,
	.dequeue = recorded_dequeue,
	.wakeup_preempt = recorded_wakeup_preempt,
	.pick = recorded_pick,
	.put_prev = recorded_put_prev,
	.update = recorded_update,
	.tick = recorded_tick,
};
