/* The simplest scheduler that is one: a queue per CPU, first come first served, nobody is preempted by a wake-up, a
 * turn ends after a fixed slice. No weights, no groups, no limits. It shows what a model must do and no more. */
#include "model/model.h"

enum { PARAM_SLICE_USEC };
static const struct cgr_param_desc params[] = {
	{ "slice_usec", "usec", "longest turn when others wait; 0 = until the task sleeps", 100000, 0, 10000000 },
};

struct fifo_task {
	uint32_t next; /* in its CPU's queue; CGR_NONE ends */
	bool queued; /* waiting, not running */
};
struct fifo_cpu {
	uint32_t head, tail, length;
	uint32_t current;
	uint64_t started_ns;
};

static struct fifo_task *task_of(struct cgr_ctx *ctx, uint32_t task)
{
	return cgr_task_state(ctx, task);
}
static struct fifo_cpu *cpu_of(struct cgr_ctx *ctx, uint32_t cpu)
{
	return cgr_cpu_state(ctx, cpu);
}

static int fifo_init(struct cgr_ctx *ctx)
{
	for (uint32_t i = 0; i < ctx->n_cpus; i++) {
		struct fifo_cpu *c = cpu_of(ctx, i);

		c->head = c->tail = c->current = CGR_NONE;
	}
	return 0;
}

static void push(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task)
{
	struct fifo_cpu *c = cpu_of(ctx, cpu);
	struct fifo_task *t = task_of(ctx, task);

	t->next = CGR_NONE;
	t->queued = true;
	if (c->tail == CGR_NONE)
		c->head = task;
	else
		task_of(ctx, c->tail)->next = task;
	c->tail = task;
	c->length++;
}

static bool unlink_task(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task)
{
	struct fifo_cpu *c = cpu_of(ctx, cpu);
	uint32_t before = CGR_NONE;

	for (uint32_t i = c->head; i != CGR_NONE; before = i, i = task_of(ctx, i)->next) {
		if (i != task)
			continue;
		if (before == CGR_NONE)
			c->head = task_of(ctx, i)->next;
		else
			task_of(ctx, before)->next = task_of(ctx, i)->next;
		if (c->tail == task)
			c->tail = before;
		c->length--;
		task_of(ctx, task)->queued = false;
		return true;
	}
	return false;
}

static bool cpu_allowed(struct cgr_ctx *ctx, uint32_t task, uint32_t cpu)
{
	return cgr_task_may_run(cgr_task(ctx, task), cpu);
}

static uint32_t fifo_select_cpu(struct cgr_ctx *ctx, uint32_t task, uint32_t prev_cpu, uint32_t waker_cpu,
                                unsigned wake_flags)
{
	uint32_t best = CGR_NONE, best_load = 0;

	(void)waker_cpu;
	if (wake_flags & CGR_WAKE_EXEC)
		return prev_cpu;
	for (uint32_t i = 0; i < ctx->n_cpus; i++) {
		uint32_t cpu = (prev_cpu + i) % ctx->n_cpus;
		uint32_t load = cpu_of(ctx, cpu)->length + (cgr_cpu_current(ctx, cpu) != CGR_NONE);

		if (cpu_allowed(ctx, task, cpu) && (best == CGR_NONE || load < best_load)) {
			best = cpu;
			best_load = load;
		}
	}
	return best == CGR_NONE ? prev_cpu : best;
}

static void fifo_enqueue(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task, unsigned flags)
{
	(void)flags;
	push(ctx, cpu, task);
}

static bool fifo_dequeue(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task, unsigned flags)
{
	(void)flags;
	if (cpu_of(ctx, cpu)->current == task)
		cpu_of(ctx, cpu)->current = CGR_NONE;
	else
		unlink_task(ctx, cpu, task);
	return true;
}

static void fifo_wakeup_preempt(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task)
{
	(void)ctx;
	(void)cpu;
	(void)task;
}

static void fifo_put_prev(struct cgr_ctx *ctx, uint32_t cpu, uint32_t prev)
{
	struct fifo_cpu *c = cpu_of(ctx, cpu);

	if (c->current != prev)
		return; /* it left the queue before */
	c->current = CGR_NONE;
	push(ctx, cpu, prev);
}

static uint32_t fifo_pick(struct cgr_ctx *ctx, uint32_t cpu, uint32_t prev)
{
	struct fifo_cpu *c = cpu_of(ctx, cpu);

	if (prev != CGR_NONE)
		fifo_put_prev(ctx, cpu, prev);
	if (c->head == CGR_NONE)
		return CGR_NONE;
	c->current = c->head;
	unlink_task(ctx, cpu, c->current);
	c->started_ns = ctx->now_ns;
	return c->current;
}

static void fifo_update(struct cgr_ctx *ctx, uint32_t cpu)
{
	(void)ctx;
	(void)cpu;
}

static void fifo_tick(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task)
{
	const struct fifo_cpu *c = cpu_of(ctx, cpu);
	uint64_t slice_ns = (uint64_t)cgr_param(ctx, PARAM_SLICE_USEC) * 1000u;

	(void)task;
	if (slice_ns && c->head != CGR_NONE && ctx->now_ns - c->started_ns >= slice_ns)
		cgr_resched(ctx, cpu);
}

/* A CPU about to idle takes the task that has waited longest on the longest queue. */
static bool fifo_balance(struct cgr_ctx *ctx, uint32_t cpu, enum cgr_idle idle)
{
	uint32_t from = CGR_NONE;

	if (idle == CGR_NOT_IDLE || cpu_of(ctx, cpu)->length)
		return false;
	for (uint32_t i = 0; i < ctx->n_cpus; i++)
		if (i != cpu && cpu_of(ctx, i)->length &&
		    (from == CGR_NONE || cpu_of(ctx, i)->length > cpu_of(ctx, from)->length))
			from = i;
	if (from == CGR_NONE)
		return false;
	for (uint32_t task = cpu_of(ctx, from)->head; task != CGR_NONE; task = task_of(ctx, task)->next) {
		if (!cpu_allowed(ctx, task, cpu))
			continue;
		unlink_task(ctx, from, task);
		push(ctx, cpu, task);
		ctx->host->task_set_cpu(ctx, task, cpu);
		return true;
	}
	return false;
}

static void fifo_task_fork(struct cgr_ctx *ctx, uint32_t task, uint32_t parent)
{
	(void)parent;
	task_of(ctx, task)->next = CGR_NONE;
}

static void fifo_task_attach(struct cgr_ctx *ctx, uint32_t task, uint32_t from, uint32_t to)
{
	(void)ctx;
	(void)task;
	(void)from;
	(void)to;
}

static const char *fifo_self_check(struct cgr_ctx *ctx)
{
	for (uint32_t i = 0; i < ctx->n_cpus; i++) {
		const struct fifo_cpu *c = cpu_of(ctx, i);
		uint32_t count = 0;

		for (uint32_t task = c->head; task != CGR_NONE && count <= c->length; task = task_of(ctx, task)->next) {
			if (!task_of(ctx, task)->queued)
				return "a task on a queue is not marked as queued";
			count++;
		}
		if (count != c->length)
			return "the length of a queue is not the number of its tasks";
	}
	return NULL;
}

const struct cgr_cpu_ops cgr_cpu_fifo = {
	.head = {
		.struct_size = sizeof(struct cgr_cpu_ops),
		.abi_version = CGR_MODEL_ABI,
		.domain = CGR_DOMAIN_CPU,
		.name = "fifo",
		.summary = "first come first served per CPU, fixed slice, no groups and no limits",
		.doc = "No kernel's scheduler: a queue per CPU, no preemption at wake-up, a turn ends after slice_usec. "
		       "Ignores weights, cgroups and cpu.max. Meant as the smallest complete example and as a yardstick.",
		.params = params,
		.n_params = sizeof params / sizeof params[0],
		.task_size = sizeof(struct fifo_task),
		.cpu_size = sizeof(struct fifo_cpu),
		.init = fifo_init,
		.task_fork = fifo_task_fork,
		.task_attach = fifo_task_attach,
		.self_check = fifo_self_check,
	},
	.select_cpu = fifo_select_cpu,
	.enqueue = fifo_enqueue,
	.dequeue = fifo_dequeue,
	.wakeup_preempt = fifo_wakeup_preempt,
	.pick = fifo_pick,
	.put_prev = fifo_put_prev,
	.update = fifo_update,
	.tick = fifo_tick,
	.balance = fifo_balance,
};
