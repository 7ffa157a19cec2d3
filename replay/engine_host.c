/* The services a model may call (struct cgr_host), its timers and its knobs. */
#include <stdlib.h>
#include <string.h>

#include "replay/engine_internal.h"

static struct instance *instance_of(struct cgr_ctx *ctx)
{
	return ctx->engine;
}
static struct cgr_engine *engine_of(struct cgr_ctx *ctx)
{
	return instance_of(ctx)->engine;
}

static uint64_t host_random(struct cgr_ctx *ctx)
{
	return cgr_rng_next(&instance_of(ctx)->rng);
}

static void *host_alloc(struct cgr_ctx *ctx, size_t size)
{
	struct instance *m = instance_of(ctx);
	void *memory;

	if (!m->in_init)
		return NULL;
	if (cgr_grow((void **)&m->allocation, &m->allocation_capacity, m->allocations + 1, sizeof *m->allocation, NULL) < 0)
		return NULL;
	memory = cgr_calloc(1, size ? size : 1);
	if (memory)
		m->allocation[m->allocations++] = memory;
	return memory;
}

static uint64_t host_timer_arm(struct cgr_ctx *ctx, uint64_t at_ns, uint64_t cookie)
{
	struct cgr_engine *e = engine_of(ctx);
	uint32_t i = e->free_timer;

	if (i != NONE) {
		e->free_timer = e->timer[i].next_free;
	} else {
		if (cgr_grow((void **)&e->timer, &e->timer_capacity, e->timers + 1, sizeof *e->timer, e->error) < 0 ||
		    cgr_heap_reserve(&e->heap, slot_timer(e, (uint32_t)e->timers) + 1u) < 0) {
			run_fail(e, CGR_E_NOMEM);
			return 1;
		}
		i = (uint32_t)e->timers++;
	}
	e->timer[i].cookie = cookie;
	e->timer[i].model = instance_of(ctx)->index;
	e->timer[i].live = true;
	e->timer[i].generation++;
	cgr_heap_arm(&e->heap, slot_timer(e, i), CGR_MAX(at_ns, e->now_ns));
	return ((uint64_t)e->timer[i].generation << 32) | (i + 1u);
}

static void timer_release(struct cgr_engine *e, uint32_t i)
{
	e->timer[i].live = false;
	e->timer[i].next_free = e->free_timer;
	e->free_timer = i;
}

static void host_timer_cancel(struct cgr_ctx *ctx, uint64_t handle)
{
	struct cgr_engine *e = engine_of(ctx);
	uint32_t i = (uint32_t)handle - 1u;

	if (!handle || i >= e->timers || !e->timer[i].live || e->timer[i].generation != handle >> 32)
		return;
	cgr_heap_disarm(&e->heap, slot_timer(e, i));
	timer_release(e, i);
}

void cgr_run_timer(struct cgr_engine *e, uint32_t timer)
{
	struct instance *m = &e->model[e->timer[timer].model];
	uint64_t cookie = e->timer[timer].cookie;

	timer_release(e, timer);
	if (m->head && m->head->timer)
		m->head->timer(&m->ctx, cookie);
}

static const struct cgr_task_info *host_task(struct cgr_ctx *ctx, uint32_t task)
{
	return &engine_of(ctx)->task_info[task];
}

static uint32_t host_cgroup_parent(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return engine_of(ctx)->parent[instance_of(ctx)->index == MODEL_CPU ? 0 : 1][cgroup];
}

static const char *host_cgroup_path(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return engine_of(ctx)->store_cgroup[cgroup].path;
}

static void host_metric_add(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t delta)
{
	struct instance *m = instance_of(ctx);

	if (!m->engine->frozen)
		m->block->value[(size_t)metric * m->engine->n_cgroups + cgroup] += delta;
}

static void host_metric_set(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t value)
{
	struct instance *m = instance_of(ctx);

	if (!m->engine->frozen)
		m->block->value[(size_t)metric * m->engine->n_cgroups + cgroup] = value;
}

static void host_metric_bound(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t low, int64_t high,
                              int class)
{
	struct instance *m = instance_of(ctx);

	if (!m->engine->frozen)
		m->block->bound[(size_t)metric * m->engine->n_cgroups + cgroup] = (struct cgr_bound){ true, class, low, high };
}

static void host_decision(struct cgr_ctx *ctx, const char *kind, uint32_t cgroup, uint32_t task, int64_t value)
{
	struct cgr_engine *e = engine_of(ctx);
	struct cgr_engine_output *out = e->out;

	if (e->frozen || out->decisions >= 100000) /* a bound for memory: a throttle storm needs no more marks than this */
		return;
	if (cgr_grow((void **)&out->decision, &out->decision_capacity, out->decisions + 1, sizeof *out->decision,
	             e->error) < 0) {
		run_fail(e, CGR_E_NOMEM);
		return;
	}
	out->decision[out->decisions++] = (struct cgr_decision_output){ (int64_t)e->now_ns, kind, cgroup, task, value };
}

static void host_resched(struct cgr_ctx *ctx, uint32_t cpu)
{
	cgr_run_resched(engine_of(ctx), cpu);
}

static uint32_t host_cpu_current(struct cgr_ctx *ctx, uint32_t cpu)
{
	return engine_of(ctx)->cpu[cpu].current;
}

static bool host_cpu_online(struct cgr_ctx *ctx, uint32_t cpu)
{
	return cpu < engine_of(ctx)->n_cpus;
}

static void host_task_set_cpu(struct cgr_ctx *ctx, uint32_t task, uint32_t cpu)
{
	struct cgr_engine *e = engine_of(ctx);
	bool counted = e->task[task].state == RUN_QUEUED;

	if (counted)
		cgr_run_psi_change(e, task, -1, 0, 0);
	e->task_info[task].cpu = cpu;
	if (counted)
		cgr_run_psi_change(e, task, 1, 0, 0);
}

static void host_task_throttled(struct cgr_ctx *ctx, uint32_t task, bool throttled)
{
	struct cgr_engine *e = engine_of(ctx);
	struct task_run *t = &e->task[task];

	if (throttled && !t->throttled_ns) {
		t->throttled_ns = e->now_ns ? e->now_ns : 1;
	} else if (!throttled && t->throttled_ns) {
		if (!e->frozen)
			e->out->task[task].throttled_ns += e->now_ns - t->throttled_ns;
		if (e->now_ns - t->throttled_ns >= CGR_COLD_AFTER_NS)
			t->cold_since_ns = t->throttled_ns;
		t->throttled_ns = 0;
	}
}

static void host_user_return(struct cgr_ctx *ctx, uint32_t cpu, uint64_t delay_ns)
{
	struct cgr_engine *e = engine_of(ctx);

	cgr_heap_arm(&e->heap, slot_cpu(cpu, CPU_USER_RETURN), e->now_ns + delay_ns);
	e->cpu[cpu].user_return_set = true;
}

static void host_kill(struct cgr_ctx *ctx, uint32_t task)
{
	cgr_run_kill(engine_of(ctx), task);
}

static bool in_subtree(const struct cgr_engine *e, uint32_t cgroup, uint32_t root)
{
	while (cgroup != NONE && cgroup != root)
		cgroup = e->parent[1][cgroup];
	return cgroup == root;
}

static bool host_oom_candidates(struct cgr_ctx *ctx, uint32_t cgroup, uint32_t *cursor, uint32_t *ret_task)
{
	struct cgr_engine *e = engine_of(ctx);

	for (uint32_t i = *cursor ? *cursor : 1; i < e->n_tasks; i++) {
		const struct cgr_task_info *info = &e->task_info[i];

		if (!info->alive || info->mm_owner != i || info->kernel_thread || !in_subtree(e, info->memory_cgroup, cgroup))
			continue;
		*cursor = i + 1;
		*ret_task = i;
		return true;
	}
	*cursor = e->n_tasks;
	return false;
}

static int64_t host_rss(struct cgr_ctx *ctx, uint32_t task)
{
	return cgr_run_rss(engine_of(ctx), task);
}

static uint32_t host_recorded_task(struct cgr_ctx *ctx, uint32_t cpu)
{
	return cgr_run_playback_task(engine_of(ctx), cpu);
}

const struct cgr_host cgr_run_host = {
	.struct_size = sizeof(struct cgr_host),
	.random = host_random,
	.alloc = host_alloc,
	.timer_arm = host_timer_arm,
	.timer_cancel = host_timer_cancel,
	.task = host_task,
	.cgroup_parent = host_cgroup_parent,
	.cgroup_path = host_cgroup_path,
	.metric_add = host_metric_add,
	.metric_set = host_metric_set,
	.metric_bound = host_metric_bound,
	.decision = host_decision,
	.resched = host_resched,
	.cpu_current = host_cpu_current,
	.cpu_online = host_cpu_online,
	.task_set_cpu = host_task_set_cpu,
	.task_throttled = host_task_throttled,
	.user_return = host_user_return,
	.kill = host_kill,
	.oom_candidates = host_oom_candidates,
	.task_rss_pages = host_rss,
	.recorded_task = host_recorded_task,
};

/* ---- instances ---- */
static int allocate_state(struct instance *m)
{
	struct cgr_ctx *c = &m->ctx;
	const struct cgr_model_head *h = m->head;

	c->cgroup_stride = (h->cgroup_size + 63) & ~(size_t)63;
	c->cgroup_cpu_stride = (h->cgroup_cpu_size + 63) & ~(size_t)63;
	c->task_stride = (h->task_size + 15) & ~(size_t)15;
	c->cpu_stride = (h->cpu_size + 63) & ~(size_t)63;
	c->model = cgr_calloc(1, h->model_size ? h->model_size : 1);
	c->cgroup_state = cgr_calloc(c->n_cgroups, c->cgroup_stride ? c->cgroup_stride : 1);
	c->cgroup_cpu_state = cgr_calloc((size_t)c->n_cgroups * c->n_cpus, c->cgroup_cpu_stride ? c->cgroup_cpu_stride : 1);
	c->task_state = cgr_calloc(c->n_tasks, c->task_stride ? c->task_stride : 1);
	c->cpu_state = cgr_calloc(c->n_cpus, c->cpu_stride ? c->cpu_stride : 1);
	return c->model && c->cgroup_state && c->cgroup_cpu_state && c->task_state && c->cpu_state ? 0 : CGR_E_NOMEM;
}

static int init_block(struct cgr_engine *e, struct instance *m, unsigned block)
{
	struct cgr_metric_block *mb = &e->out->block[block];
	size_t n = (size_t)(m->head->n_metrics ? m->head->n_metrics : 1) * e->n_cgroups;

	m->block = mb;
	mb->desc = m->head->metrics;
	mb->count = m->head->n_metrics;
	mb->value = cgr_calloc(n, sizeof *mb->value);
	mb->bound = cgr_calloc(n, sizeof *mb->bound);
	return mb->value && mb->bound ? 0 : CGR_E_NOMEM;
}

int cgr_run_instance_init(struct cgr_engine *e, unsigned index, const struct cgr_model_head *head, const int64_t *param)
{
	struct instance *m = &e->model[index];
	const struct cgr_store_info *info = e->info;

	m->engine = e;
	m->head = head;
	m->index = (uint8_t)index;
	m->ctx = (struct cgr_ctx){ .host = &cgr_run_host,
		                       .n_cgroups = e->n_cgroups,
		                       .n_tasks = e->n_tasks,
		                       .n_cpus = e->n_cpus,
		                       .param = param,
		                       .kernel_version = info->kernel_version,
		                       .hz = info->hz ? info->hz : 250,
		                       .cgroup_version = info->cgroup_version,
		                       .mem_total_bytes = info->mem_total_bytes,
		                       .swap_total_bytes = info->swap_total_bytes,
		                       .swappiness = info->swappiness < 0 ? 60 : info->swappiness,
		                       .seed = e->config->seed,
		                       .engine = m,
		                       .head = head };
	cgr_rng_init(&m->rng, e->config->seed * 4u + index + 1u);
	if (allocate_state(m) < 0 || (index != MODEL_RECLAIM && init_block(e, m, index + 1u) < 0))
		return cgr_error_set(e->error, CGR_E_NOMEM, "state of model %s", head->name);
	return 0;
}

void cgr_run_instance_fini(struct cgr_engine *e, unsigned index)
{
	struct instance *m = &e->model[index];

	for (size_t i = 0; i < m->allocations; i++)
		free(m->allocation[i]);
	free(m->allocation);
	free(m->ctx.model);
	free(m->ctx.cgroup_state);
	free(m->ctx.cgroup_cpu_state);
	free(m->ctx.task_state);
	free(m->ctx.cpu_state);
	free(e->knob_value[index]);
}

/* ---- knobs ---- */
static void set_cpuset(struct cgr_engine *e, uint32_t cgroup, const int64_t v[2])
{
	uint64_t *set = e->cpuset + cgroup * e->cpu_words;

	memcpy(set, e->config->cpulist[v[1]].word, e->cpu_words * sizeof *set);
	for (uint32_t i = 1; i < e->n_tasks; i++) {
		uint32_t up = e->cpuset_cgroup[i];

		if (e->task[i].state == RUN_NONE || e->task[i].state == RUN_GONE)
			continue;
		while (up != CGR_ID_NONE && up != cgroup)
			up = e->store_cgroup[up].parent;
		if (up == cgroup)
			cgr_run_set_cpus(e, i);
	}
}

void cgr_run_knob(struct cgr_engine *e, const struct cgr_knob_change *change)
{
	unsigned index = change->domain == CGR_DOMAIN_CPU ? MODEL_CPU : MODEL_MEMORY;
	struct instance *m = &e->model[index];
	int64_t *v;

	if (change->domain == 0) {
		set_cpuset(e, change->cgroup, change->v);
		return;
	}
	if (!m->head || change->knob >= m->head->n_knobs)
		return;
	v = e->knob_value[index][(size_t)change->knob * e->n_cgroups + change->cgroup];
	memcpy(v, change->v, sizeof change->v);
	if (e->online[index == MODEL_CPU ? 0 : 1][change->cgroup] && m->head->knob_write)
		m->head->knob_write(&m->ctx, change->cgroup, change->knob, v);
}
