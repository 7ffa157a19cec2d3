/* The smallest host a CPU model can run under: synthetic tasks that run and sleep, ticks, timers, context switches
 * that cost nothing. Tests of model/cpu and of model/lib need no engine and no recording. */
#ifndef CGR_TESTS_MINI_HOST_H
#define CGR_TESTS_MINI_HOST_H

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/limits.h"
#include "model/model.h"

#define MINI_TASKS 64
#define MINI_CGROUPS 16
#define MINI_CPUS 8
#define MINI_TIMERS 256
#define MINI_ALLOCS 64
#define MINI_NEVER UINT64_MAX

struct mini_task {
	struct cgr_task_info info;
	uint64_t run_ns, sleep_ns; /* runs run_ns, sleeps sleep_ns, and again; run_ns MINI_NEVER: never sleeps */
	uint32_t wakes; /* task woken when a run ends (0 none): a pipe */
	bool waits; /* sleeps until woken by a task */
	uint64_t left_ns, wake_at_ns, used_ns, woken_at_ns, latency_sum_ns, latency_max_ns;
	uint32_t latencies, switches, tokens;
	bool runnable, throttled;
};
struct mini_cpu {
	uint32_t curr;
	uint64_t tick_at_ns, user_return_at_ns;
	bool resched;
};
struct mini {
	struct cgr_ctx ctx;
	struct cgr_host host;
	const struct cgr_cpu_ops *ops;
	struct mini_task task[MINI_TASKS];
	struct mini_cpu cpu[MINI_CPUS];
	struct {
		uint64_t at_ns, cookie, handle;
	} timer[MINI_TIMERS];
	uint32_t parent[MINI_CGROUPS];
	int64_t metric[MINI_CGROUPS][32];
	void *alloc[MINI_ALLOCS];
	unsigned allocs;
	uint64_t handles, rng, switches, user_return_delay_ns;
	int64_t param[CGR_LIMIT_MODEL_PARAMS];
};

static inline struct mini *mini_of(struct cgr_ctx *ctx)
{
	return ctx->engine;
}
static uint64_t mini_random(struct cgr_ctx *ctx)
{
	uint64_t z = (mini_of(ctx)->rng += 0x9e3779b97f4a7c15ull);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}
static void *mini_alloc(struct cgr_ctx *ctx, size_t size)
{
	struct mini *m = mini_of(ctx);
	assert(m->allocs < MINI_ALLOCS);
	return m->alloc[m->allocs++] = calloc(1, size ? size : 1);
}
static uint64_t mini_timer_arm(struct cgr_ctx *ctx, uint64_t at_ns, uint64_t cookie)
{
	struct mini *m = mini_of(ctx);
	for (unsigned i = 0; i < MINI_TIMERS; i++)
		if (!m->timer[i].handle) {
			m->timer[i].at_ns = at_ns;
			m->timer[i].cookie = cookie;
			return m->timer[i].handle = ++m->handles;
		}
	abort();
}
static void mini_timer_cancel(struct cgr_ctx *ctx, uint64_t handle)
{
	struct mini *m = mini_of(ctx);
	for (unsigned i = 0; i < MINI_TIMERS; i++)
		if (m->timer[i].handle == handle)
			m->timer[i].handle = 0;
}
static const struct cgr_task_info *mini_task_info(struct cgr_ctx *ctx, uint32_t task)
{
	return &mini_of(ctx)->task[task].info;
}
static uint32_t mini_cgroup_parent(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return mini_of(ctx)->parent[cgroup];
}
static const char *mini_cgroup_path(struct cgr_ctx *ctx, uint32_t cgroup)
{
	(void)ctx;
	(void)cgroup;
	return "/mini";
}
static void mini_metric_add(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t delta)
{
	mini_of(ctx)->metric[cgroup][metric] += delta;
}
static void mini_metric_set(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t value)
{
	mini_of(ctx)->metric[cgroup][metric] = value;
}
static void mini_decision(struct cgr_ctx *ctx, const char *kind, uint32_t cgroup, uint32_t task, int64_t value)
{
	(void)ctx, (void)kind, (void)cgroup, (void)task, (void)value;
}
static void mini_resched(struct cgr_ctx *ctx, uint32_t cpu)
{
	mini_of(ctx)->cpu[cpu].resched = true;
}
static uint32_t mini_cpu_current(struct cgr_ctx *ctx, uint32_t cpu)
{
	return mini_of(ctx)->cpu[cpu].curr;
}
static bool mini_cpu_online(struct cgr_ctx *ctx, uint32_t cpu)
{
	return cpu < ctx->n_cpus;
}
static void mini_task_set_cpu(struct cgr_ctx *ctx, uint32_t task, uint32_t cpu)
{
	mini_of(ctx)->task[task].info.cpu = cpu;
}
static void mini_task_throttled(struct cgr_ctx *ctx, uint32_t task, bool throttled)
{
	mini_of(ctx)->task[task].throttled = throttled;
}
static void mini_user_return(struct cgr_ctx *ctx, uint32_t cpu, uint64_t delay_ns)
{
	mini_of(ctx)->cpu[cpu].user_return_at_ns = ctx->now_ns + delay_ns;
}

/* parent[] gives the tree (parent[0] ignored). Params are the table's fallbacks unless overridden in param[]. */
static void mini_init(struct mini *m, const struct cgr_cpu_ops *ops, uint32_t n_cpus, uint32_t n_cgroups,
                      const uint32_t *parent, uint32_t kernel_version, uint64_t seed, const int64_t *overrides,
                      const int32_t *session, uint32_t sessions)
{
	for (uint32_t i = 0; i < sessions; i++)
		m->task[i].info.session = session[i];
	m->ops = ops;
	m->rng = seed;
	m->host = (struct cgr_host){ .struct_size = sizeof(m->host),
		                         .random = mini_random,
		                         .alloc = mini_alloc,
		                         .timer_arm = mini_timer_arm,
		                         .timer_cancel = mini_timer_cancel,
		                         .task = mini_task_info,
		                         .cgroup_parent = mini_cgroup_parent,
		                         .cgroup_path = mini_cgroup_path,
		                         .metric_add = mini_metric_add,
		                         .metric_set = mini_metric_set,
		                         .decision = mini_decision,
		                         .resched = mini_resched,
		                         .cpu_current = mini_cpu_current,
		                         .cpu_online = mini_cpu_online,
		                         .task_set_cpu = mini_task_set_cpu,
		                         .task_throttled = mini_task_throttled,
		                         .user_return = mini_user_return };
	for (uint32_t i = 0; i < n_cgroups; i++)
		m->parent[i] = i ? parent[i] : CGR_NONE;
	for (unsigned i = 0; i < ops->head.n_params; i++)
		m->param[i] = overrides && overrides[i] != INT64_MIN ? overrides[i] : ops->head.params[i].fallback;
	struct cgr_ctx *ctx = &m->ctx;
	*ctx = (struct cgr_ctx){ .host = &m->host,
		                     .cgroup_stride = ops->head.cgroup_size,
		                     .cgroup_cpu_stride = ops->head.cgroup_cpu_size,
		                     .task_stride = ops->head.task_size,
		                     .cpu_stride = ops->head.cpu_size,
		                     .n_cgroups = n_cgroups,
		                     .n_tasks = MINI_TASKS,
		                     .n_cpus = n_cpus,
		                     .param = m->param,
		                     .kernel_version = kernel_version,
		                     .hz = 250,
		                     .cgroup_version = 1,
		                     .seed = seed,
		                     .engine = m };
	ctx->model = mini_alloc(ctx, ops->head.model_size);
	ctx->cgroup_state = mini_alloc(ctx, n_cgroups * ops->head.cgroup_size);
	ctx->cgroup_cpu_state = mini_alloc(ctx, (size_t)n_cgroups * n_cpus * ops->head.cgroup_cpu_size);
	ctx->task_state = mini_alloc(ctx, MINI_TASKS * ops->head.task_size);
	ctx->cpu_state = mini_alloc(ctx, n_cpus * ops->head.cpu_size);
	for (uint32_t cpu = 0; cpu < n_cpus; cpu++) {
		m->cpu[cpu].curr = CGR_NONE;
		m->cpu[cpu].tick_at_ns = 4000000 + cpu * 13000;
		m->cpu[cpu].user_return_at_ns = MINI_NEVER;
	}
	int rc = ops->head.init(ctx);
	assert(rc == 0);
	(void)rc;
	for (uint32_t i = 0; i < n_cgroups; i++)
		ops->head.cgroup_online(ctx, i);
}

static struct mini *mini_new(const struct cgr_cpu_ops *ops, uint32_t n_cpus, uint32_t n_cgroups, const uint32_t *parent,
                             uint32_t kernel_version, uint64_t seed, const int64_t *overrides)
{
	struct mini *m = calloc(1, sizeof(*m));
	mini_init(m, ops, n_cpus, n_cgroups, parent, kernel_version, seed, overrides, NULL, 0);
	return m;
}

static void mini_free(struct mini *m)
{
	for (unsigned i = 0; i < m->allocs; i++)
		free(m->alloc[i]);
	free(m);
}

static int mini_knob(struct mini *m, uint32_t cgroup, const char *name, int64_t a, int64_t b)
{
	const int64_t v[2] = { a, b };
	for (unsigned i = 0; i < m->ops->head.n_knobs; i++)
		if (!strcmp(m->ops->head.knobs[i].name, name))
			return m->ops->head.knob_write(&m->ctx, cgroup, i, v);
	return CGR_E_SCENARIO;
}

static int64_t mini_metric(struct mini *m, uint32_t cgroup, const char *name)
{
	if (m->ops->head.sample)
		m->ops->head.sample(&m->ctx);
	for (unsigned i = 0; i < m->ops->head.n_metrics; i++)
		if (!strcmp(m->ops->head.metrics[i].name, name))
			return m->metric[cgroup][i];
	return -1;
}

static void mini_schedule(struct mini *m, uint32_t cpu)
{
	struct cgr_ctx *ctx = &m->ctx;
	struct mini_cpu *c = &m->cpu[cpu];
	c->resched = false;
	uint32_t prev = c->curr;
	c->user_return_at_ns = MINI_NEVER;
	uint32_t next = m->ops->pick(ctx, cpu, prev);
	if (next == CGR_NONE && m->ops->balance && m->ops->balance(ctx, cpu, CGR_NEWLY_IDLE))
		next = m->ops->pick(ctx, cpu, CGR_NONE);
	c->resched = false;
	c->curr = next;
	if (next == CGR_NONE || next == prev)
		return;
	struct mini_task *t = &m->task[next];
	m->switches++;
	t->switches++;
	t->info.cpu = cpu;
	if (t->woken_at_ns != MINI_NEVER) {
		uint64_t latency = ctx->now_ns - t->woken_at_ns;
		t->latency_sum_ns += latency;
		t->latency_max_ns = latency > t->latency_max_ns ? latency : t->latency_max_ns;
		t->latencies++;
		t->woken_at_ns = MINI_NEVER;
	}
}

static void mini_wake(struct mini *m, uint32_t task, uint32_t waker_cpu, unsigned wake_flags)
{
	struct cgr_ctx *ctx = &m->ctx;
	struct mini_task *t = &m->task[task];
	t->runnable = true;
	t->woken_at_ns = ctx->now_ns;
	t->wake_at_ns = MINI_NEVER;
	uint32_t cpu = m->ops->still_queued ? m->ops->still_queued(ctx, task) : CGR_NONE;
	if (cpu != CGR_NONE) {
		m->ops->enqueue(ctx, cpu, task, CGR_ENQ_WAKEUP | CGR_ENQ_DELAYED);
	} else {
		unsigned flags = wake_flags & CGR_WAKE_FORK ? CGR_ENQ_NEW : CGR_ENQ_WAKEUP;
		cpu = m->ops->select_cpu(ctx, task, t->info.cpu, waker_cpu, wake_flags);
		m->ops->enqueue(ctx, cpu, task, flags | (cpu != t->info.cpu ? CGR_ENQ_MIGRATED : 0));
		t->info.cpu = cpu;
	}
	m->ops->wakeup_preempt(ctx, cpu, task);
	if (m->cpu[cpu].curr == CGR_NONE)
		m->cpu[cpu].resched = true;
}

static void mini_start(struct mini *m, uint32_t task, uint32_t cgroup, int nice, uint64_t run_ns, uint64_t sleep_ns)
{
	struct mini_task *t = &m->task[task];
	t->info = (struct cgr_task_info){ .tid = (int32_t)task,
		                              .tgid = (int32_t)task,
		                              .prio = 120 + nice,
		                              .cpus_allowed = t->info.cpus_allowed ? t->info.cpus_allowed : ~0ull,
		                              .policy = t->info.policy,
		                              .session = t->info.session,
		                              .cpu_cgroup = cgroup,
		                              .alive = true,
		                              .mm_owner = task };
	t->run_ns = t->left_ns = run_ns;
	t->sleep_ns = sleep_ns;
	t->woken_at_ns = t->wake_at_ns = MINI_NEVER;
	m->ops->head.task_fork(&m->ctx, task, 1); /* born now: CGR_NONE would mean it was there before */
	if (t->waits)
		t->wake_at_ns = MINI_NEVER;
	else
		mini_wake(m, task, 0, CGR_WAKE_FORK);
}

static void mini_block(struct mini *m, uint32_t cpu)
{
	uint32_t task = m->cpu[cpu].curr;
	struct mini_task *t = &m->task[task];
	if (t->wakes) {
		struct mini_task *other = &m->task[t->wakes];
		if (other->runnable)
			other->tokens++;
		else
			mini_wake(m, t->wakes, cpu, CGR_WAKE_SYNC);
	}
	t->left_ns = t->run_ns;
	if (t->waits && t->tokens) {
		t->tokens--;
		return;
	}
	t->runnable = false;
	if (!t->waits)
		t->wake_at_ns = m->ctx.now_ns + t->sleep_ns;
	m->ops->dequeue(&m->ctx, cpu, task, CGR_DEQ_SLEEP);
	m->cpu[cpu].resched = true;
}

static uint64_t mini_next(const struct mini *m)
{
	uint64_t at = MINI_NEVER;
	for (uint32_t cpu = 0; cpu < m->ctx.n_cpus; cpu++) {
		const struct mini_cpu *c = &m->cpu[cpu];
		at = c->tick_at_ns < at ? c->tick_at_ns : at;
		if (c->curr == CGR_NONE)
			continue;
		at = c->user_return_at_ns < at ? c->user_return_at_ns : at;
		const struct mini_task *t = &m->task[c->curr];
		if (t->left_ns != MINI_NEVER && m->ctx.now_ns + t->left_ns < at)
			at = m->ctx.now_ns + t->left_ns;
	}
	for (unsigned i = 0; i < MINI_TIMERS; i++)
		if (m->timer[i].handle && m->timer[i].at_ns < at)
			at = m->timer[i].at_ns;
	for (unsigned i = 1; i < MINI_TASKS; i++)
		if (m->task[i].info.alive && m->task[i].wake_at_ns < at)
			at = m->task[i].wake_at_ns;
	return at < m->ctx.now_ns ? m->ctx.now_ns : at;
}

static void mini_advance(struct mini *m, uint64_t to_ns)
{
	for (uint32_t cpu = 0; cpu < m->ctx.n_cpus; cpu++) {
		uint32_t task = m->cpu[cpu].curr;
		if (task == CGR_NONE)
			continue;
		m->task[task].used_ns += to_ns - m->ctx.now_ns;
		if (m->task[task].left_ns != MINI_NEVER)
			m->task[task].left_ns -= to_ns - m->ctx.now_ns;
	}
	m->ctx.now_ns = to_ns;
}

static void mini_timers(struct mini *m)
{
	for (unsigned i = 0; i < MINI_TIMERS; i++)
		if (m->timer[i].handle && m->timer[i].at_ns <= m->ctx.now_ns) {
			uint64_t cookie = m->timer[i].cookie;
			m->timer[i].handle = 0;
			m->ops->head.timer(&m->ctx, cookie);
		}
}

static void mini_cpu_events(struct mini *m, uint32_t cpu)
{
	struct cgr_ctx *ctx = &m->ctx;
	struct mini_cpu *c = &m->cpu[cpu];
	if (c->curr != CGR_NONE && c->user_return_at_ns <= ctx->now_ns) {
		c->user_return_at_ns = MINI_NEVER;
		if (m->ops->return_to_user && m->ops->return_to_user(ctx, cpu, c->curr))
			c->resched = true;
	}
	if (c->curr != CGR_NONE && !c->resched && m->task[c->curr].left_ns == 0)
		mini_block(m, cpu);
	if (c->tick_at_ns <= ctx->now_ns) {
		c->tick_at_ns += 4000000;
		if (c->curr != CGR_NONE) {
			m->ops->tick(ctx, cpu, c->curr);
			if (m->ops->balance) {
				m->ops->balance(ctx, cpu, CGR_NOT_IDLE);
				for (uint32_t other = 0; other < ctx->n_cpus; other++)
					if (m->cpu[other].curr == CGR_NONE && m->ops->balance(ctx, other, CGR_IDLE))
						m->cpu[other].resched = true;
			}
		}
	}
}

static void mini_run(struct mini *m, uint64_t until_ns)
{
	for (;;) {
		for (uint32_t cpu = 0; cpu < m->ctx.n_cpus; cpu++)
			while (m->cpu[cpu].resched)
				mini_schedule(m, cpu);
		uint64_t at = mini_next(m);
		if (at > until_ns)
			break;
		mini_advance(m, at);
		mini_timers(m);
		for (uint32_t i = 1; i < MINI_TASKS; i++)
			if (m->task[i].info.alive && m->task[i].wake_at_ns <= at)
				mini_wake(m, i, m->task[i].info.cpu, CGR_WAKE_IRQ);
		for (uint32_t cpu = 0; cpu < m->ctx.n_cpus; cpu++)
			mini_cpu_events(m, cpu);
		const char *wrong = m->ops->head.self_check ? m->ops->head.self_check(&m->ctx) : NULL;
		if (wrong) {
			fprintf(stderr, "self_check at %llu ns: %s\n", (unsigned long long)at, wrong);
			abort();
		}
	}
	mini_advance(m, until_ns);
}

#endif
