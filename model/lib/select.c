/* Where a waking or new task goes, for CPUs that share one cache and have no SMT siblings (kernel:
 * select_task_rq_fair, wake_affine, wake_wide, select_idle_sibling, sched_balance_find_dst_group). */
#include "model/lib/fair.h"

#define IMBALANCE_PCT 117u

bool cgr_fair_cpu_idle(struct cgr_fair *fair, uint32_t cpu)
{
	return cgr_cpu_current(fair->ctx, cpu) == CGR_NONE && !cgr_fair_cpu(fair, cpu)->nr_tasks;
}

bool cgr_fair_sched_idle(struct cgr_fair *fair, uint32_t cpu)
{
	uint32_t tasks = cgr_fair_cpu(fair, cpu)->nr_tasks;
	return tasks && tasks == cgr_fair_root(fair, cpu)->h_nr_idle;
}

static bool takes_task(struct cgr_fair *fair, const struct cgr_task_info *info, uint32_t cpu)
{
	return cgr_task_may_run(info, cpu) && (cgr_fair_cpu_idle(fair, cpu) || cgr_fair_sched_idle(fair, cpu));
}

static void record_wakee(struct cgr_fair *fair, uint32_t waker, uint32_t wakee)
{
	struct cgr_fair_task *t = cgr_fair_task(fair, waker);
	uint64_t now = fair->ctx->now_ns;
	if (now > t->wakee_decay_ns + 1000000000u) {
		t->wakee_flips >>= 1;
		t->wakee_decay_ns = now;
	}
	if (t->last_wakee != wakee) {
		t->last_wakee = wakee;
		t->wakee_flips++;
	}
}

static bool wake_wide(struct cgr_fair *fair, uint32_t waker, uint32_t wakee)
{
	uint32_t master = cgr_fair_task(fair, waker)->wakee_flips, slave = cgr_fair_task(fair, wakee)->wakee_flips;
	uint32_t factor = fair->ctx->n_cpus;
	if (master < slave) {
		uint32_t swap = master;
		master = slave;
		slave = swap;
	}
	return slave >= factor && master >= slave * factor;
}

static uint32_t affine_by_load(struct cgr_fair *fair, uint32_t task, uint32_t this_cpu, uint32_t prev_cpu, bool sync)
{
	int64_t here = (int64_t)cgr_fair_root(fair, this_cpu)->pelt.load_avg;
	uint32_t current = cgr_fair_cpu(fair, this_cpu)->curr;
	if (sync && current != CGR_NONE) {
		int64_t load = (int64_t)cgr_fair_task_h_load(fair, current);
		if (load > here)
			return this_cpu;
		here -= load;
	}
	int64_t load = (int64_t)cgr_fair_task_h_load(fair, task);
	int64_t there = (int64_t)cgr_fair_root(fair, prev_cpu)->pelt.load_avg - load;
	here = (here + load) * 100;
	there = there * (int64_t)(100 + (IMBALANCE_PCT - 100) / 2) + sync;
	return here < there ? this_cpu : prev_cpu;
}

static uint32_t wake_affine(struct cgr_fair *fair, uint32_t task, uint32_t this_cpu, uint32_t prev_cpu, bool sync)
{
	if (cgr_fair_cpu_idle(fair, this_cpu))
		return cgr_fair_cpu_idle(fair, prev_cpu) ? prev_cpu : this_cpu;
	if (sync) {
		const struct cgr_fair_queue *root = cgr_fair_root(fair, this_cpu);
		if (cgr_fair_cpu(fair, this_cpu)->nr_tasks - (root->h_nr_queued - root->h_nr_runnable) == 1)
			return this_cpu;
	}
	if (cgr_fair_cpu_idle(fair, prev_cpu))
		return prev_cpu;
	return affine_by_load(fair, task, this_cpu, prev_cpu, sync);
}

static uint32_t scan_depth(struct cgr_fair *fair)
{
	uint64_t util = 0;
	for (uint32_t cpu = 0; cpu < fair->ctx->n_cpus; cpu++)
		util += cgr_fair_root(fair, cpu)->pelt.util_avg;
	return cgr_idle_scan_depth(util, fair->ctx->n_cpus);
}

static uint32_t idle_sibling(struct cgr_fair *fair, uint32_t task, uint32_t prev_cpu, uint32_t target,
                             uint32_t waker_cpu, bool in_task)
{
	const struct cgr_task_info *info = cgr_task(fair->ctx, task);
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	uint32_t n = fair->ctx->n_cpus;
	if (cgr_fair_cpu_idle(fair, target) || cgr_fair_sched_idle(fair, target))
		return target;
	if (prev_cpu != target && (cgr_fair_cpu_idle(fair, prev_cpu) || cgr_fair_sched_idle(fair, prev_cpu)))
		return prev_cpu;
	uint32_t current = cgr_cpu_current(fair->ctx, waker_cpu);
	if (in_task && current != CGR_NONE && prev_cpu == waker_cpu && cgr_fair_cpu(fair, prev_cpu)->nr_tasks <= 1) {
		const struct cgr_task_info *waker = cgr_task(fair->ctx, current);
		if (waker->kernel_thread && n > 1 && waker->nr_cpus_allowed == 1)
			return prev_cpu; /* a per-CPU kernel thread finished what the task waited for */
	}
	uint32_t recent = t->recent_cpu;
	t->recent_cpu = prev_cpu;
	if (recent < n && recent != prev_cpu && recent != target && takes_task(fair, info, recent))
		return recent;
	uint32_t depth = fair->no_idle_scan ? 0 : scan_depth(fair);
	if (!depth)
		return target;
	for (uint32_t i = 1, looked = 0; i <= n; i++) {
		uint32_t cpu = (target + i) % n;
		if (!cgr_task_may_run(info, cpu))
			continue;
		if (looked++ >= depth)
			break;
		if (takes_task(fair, info, cpu))
			return cpu;
	}
	return target;
}

/* update_pick_idlest: is a a better home for a new task than b? */
static bool idler(const struct cgr_fair_stats *a, bool a_idle, const struct cgr_fair_stats *b, bool b_idle)
{
	if (a->type != b->type)
		return a->type < b->type;
	if (a->type != CGR_HAS_SPARE)
		return a->load < b->load;
	return a_idle != b_idle ? a_idle : a->util < b->util;
}

/* Does the new task leave the CPU it was forked on for the idlest other one? (sched_balance_find_dst_group) */
static bool worth_leaving(const struct cgr_fair_stats *here, bool here_idle, const struct cgr_fair_stats *there,
                          bool there_idle)
{
	if (here->type != there->type)
		return here->type > there->type;
	if (here->type == CGR_HAS_SPARE)
		return there_idle && !here_idle;
	uint64_t allowed_imbalance = CGR_WEIGHT_NICE_0 * (IMBALANCE_PCT - 100) / 100;
	return there->load < here->load + allowed_imbalance && 100 * here->load > IMBALANCE_PCT * there->load;
}

/* The idlest CPU for a new task, or for one that begins another program and runs here: that one counts for nothing. */
static uint32_t place_new(struct cgr_fair *fair, uint32_t task, uint32_t here, bool exec)
{
	const struct cgr_task_info *info = cgr_task(fair->ctx, task);
	struct cgr_fair_stats best = { 0 };
	uint32_t idlest = CGR_NONE;
	bool best_idle = false;
	for (uint32_t i = 1; i < fair->ctx->n_cpus; i++) {
		uint32_t cpu = (here + i) % fair->ctx->n_cpus;
		if (!cgr_task_may_run(info, cpu))
			continue;
		struct cgr_fair_stats s = cgr_fair_stats_of(fair, cpu);
		bool idle = cgr_fair_cpu_idle(fair, cpu);
		if (idlest == CGR_NONE || idler(&s, idle, &best, best_idle)) {
			best = s;
			best_idle = idle;
			idlest = cpu;
		}
	}
	if (idlest == CGR_NONE || !cgr_task_may_run(info, here))
		return idlest == CGR_NONE ? here : idlest;
	struct cgr_fair_stats local = exec ? cgr_fair_stats_without(fair, here, task) : cgr_fair_stats_of(fair, here);
	bool here_idle = exec ? !local.tasks : cgr_fair_cpu_idle(fair, here);
	return worth_leaving(&local, here_idle, &best, best_idle) ? idlest : here;
}

static uint32_t first_allowed(const struct cgr_ctx *ctx, const struct cgr_task_info *info)
{
	uint32_t cpu = 0;
	while (cpu + 1 < ctx->n_cpus && !cgr_task_may_run(info, cpu))
		cpu++;
	return cpu;
}

uint32_t cgr_fair_select_cpu(struct cgr_ctx *ctx, uint32_t task, uint32_t prev_cpu, uint32_t waker_cpu, unsigned flags)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	const struct cgr_task_info *info = cgr_task(ctx, task);
	if (ctx->n_cpus == 1)
		return 0;
	if (info->nr_cpus_allowed == 1) /* select_task_rq: nothing to choose, and nobody is asked */
		return first_allowed(ctx, info);
	if (prev_cpu >= ctx->n_cpus)
		prev_cpu = prev_cpu % ctx->n_cpus;
	if (waker_cpu >= ctx->n_cpus)
		waker_cpu = prev_cpu;
	if (flags & (CGR_WAKE_FORK | CGR_WAKE_EXEC))
		return place_new(fair, task, waker_cpu, flags & CGR_WAKE_EXEC);
	uint32_t waker = cgr_cpu_current(ctx, waker_cpu);
	bool affine = cgr_task_may_run(info, waker_cpu);
	if (waker != CGR_NONE && waker < ctx->n_tasks) {
		/* in interrupt context the kernel blames the interrupted task: record_wakee uses current */
		record_wakee(fair, waker, task);
		affine = affine && !wake_wide(fair, waker, task);
	}
	uint32_t target = prev_cpu;
	if (affine && waker_cpu != prev_cpu)
		target = wake_affine(fair, task, waker_cpu, prev_cpu, flags & CGR_WAKE_SYNC);
	uint32_t cpu = idle_sibling(fair, task, prev_cpu, target, waker_cpu, !(flags & CGR_WAKE_IRQ));
	if (cgr_task_may_run(info, cpu))
		return cpu;
	return first_allowed(ctx, info); /* select_fallback_rq, within the node */
}
