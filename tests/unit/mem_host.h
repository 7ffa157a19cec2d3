/* A host small enough to test a memory controller alone: tasks that hold anonymous pages, a cgroup tree, metrics. */
#ifndef CGR_TESTS_MEM_HOST_H
#define CGR_TESTS_MEM_HOST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/util.h"
#include "model/reclaim.h"

extern const struct cgr_memory_ops cgr_memory_memcg;
extern const struct cgr_reclaim_ops cgr_reclaim_lru2, cgr_reclaim_fifo, cgr_reclaim_lru, cgr_reclaim_mglru,
    cgr_reclaim_opt;

#define HOST_TASKS 16
#define HOST_METRICS 128
#define HOST_MIB 256 /* pages */

struct mem_host {
	struct cgr_ctx memory, reclaim;
	struct cgr_task_info task[HOST_TASKS];
	int64_t rss[HOST_TASKS]; /* anonymous pages charged and held */
	uint32_t parent[64];
	int64_t metric[64][HOST_METRICS];
	int64_t low[64][HOST_METRICS], high[64][HOST_METRICS]; /* as finish bounds them; 0 not */
	int64_t params[2][16];
	struct cgr_rng rng;
	unsigned kills;
	uint32_t killed;
	int64_t killed_value;
	void *allocated[8];
	unsigned allocations;
};

static struct mem_host *host_of(struct cgr_ctx *ctx)
{
	return ctx->engine;
}
static uint64_t host_random(struct cgr_ctx *ctx)
{
	return cgr_rng_next(&host_of(ctx)->rng);
}
static void *host_alloc(struct cgr_ctx *ctx, size_t size)
{
	struct mem_host *h = host_of(ctx);
	assert_true(h->allocations < CGR_ARRAY_SIZE(h->allocated));
	return h->allocated[h->allocations++] = calloc(1, size ? size : 1);
}
static const struct cgr_task_info *host_task(struct cgr_ctx *ctx, uint32_t task)
{
	return &host_of(ctx)->task[task];
}
static uint32_t host_parent(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return host_of(ctx)->parent[cgroup];
}
static void host_metric_set(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t value)
{
	host_of(ctx)->metric[cgroup][metric] = value;
}
static void host_metric_bound(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t low, int64_t high,
                              int class)
{
	assert_int_equal(class, CGR_METRIC_BOUNDED);
	host_of(ctx)->low[cgroup][metric] = low;
	host_of(ctx)->high[cgroup][metric] = high;
}
static void host_decision(struct cgr_ctx *ctx, const char *kind, uint32_t cgroup, uint32_t task, int64_t value)
{
	(void)kind, (void)cgroup;
	host_of(ctx)->killed = task;
	host_of(ctx)->killed_value = value;
}
static void host_kill(struct cgr_ctx *ctx, uint32_t task)
{
	struct mem_host *h = host_of(ctx);
	struct cgr_mem_request request = {
		.task = task,
		.cgroup = h->task[task].memory_cgroup,
		.kind = CGR_CHARGE_ANON,
		.pages = (uint32_t)h->rss[task],
		.file = CGR_NONE,
		.index = CGR_MEM_NO_INDEX,
		.flags = CGR_MEM_EXIT,
	};
	h->kills++;
	h->task[task].alive = false;
	cgr_memory_memcg.uncharge(&h->memory, &request);
	h->rss[task] = 0;
	cgr_memory_memcg.head.task_exit(&h->memory, task);
}
static bool host_candidates(struct cgr_ctx *ctx, uint32_t cgroup, uint32_t *cursor, uint32_t *ret_task)
{
	struct mem_host *h = host_of(ctx);
	for (uint32_t t = *cursor ? *cursor : 1; t < HOST_TASKS; t++) {
		uint32_t up = h->task[t].memory_cgroup;
		while (up != CGR_NONE && up != cgroup)
			up = h->parent[up];
		if (h->task[t].alive && up == cgroup) {
			*cursor = t + 1;
			*ret_task = t;
			return true;
		}
	}
	return false;
}
static int64_t host_rss(struct cgr_ctx *ctx, uint32_t task)
{
	return host_of(ctx)->rss[task];
}
static const struct cgr_host host_table = {
	.struct_size = sizeof(struct cgr_host),
	.random = host_random,
	.alloc = host_alloc,
	.task = host_task,
	.cgroup_parent = host_parent,
	.metric_set = host_metric_set,
	.metric_bound = host_metric_bound,
	.decision = host_decision,
	.kill = host_kill,
	.oom_candidates = host_candidates,
	.task_rss_pages = host_rss,
};

static void host_state(struct cgr_ctx *ctx, const struct cgr_model_head *head)
{
	ctx->head = head;
	ctx->model = calloc(1, head->model_size + 1);
	ctx->cgroup_stride = head->cgroup_size;
	ctx->task_stride = head->task_size;
	ctx->cpu_stride = head->cpu_size;
	ctx->cgroup_state = calloc(ctx->n_cgroups, head->cgroup_size + 1);
	ctx->task_state = calloc(ctx->n_tasks, head->task_size + 1);
	ctx->cpu_state = calloc(ctx->n_cpus, head->cpu_size + 1);
}

/* parents: of cgroups 1.., in order; 0 ends. Task 1 is in cgroup 1, task 2 in cgroup 2 and so on. */
static inline struct mem_host *host_new(const struct cgr_reclaim_ops *reclaim, int version, uint32_t kernel,
                                        int64_t swap_bytes, uint32_t n_cgroups, const uint32_t *parents)
{
	struct mem_host *h = calloc(1, sizeof(*h));
	const struct cgr_model_head *heads[2] = { &cgr_memory_memcg.head, &reclaim->head };
	cgr_rng_init(&h->rng, 1);
	h->parent[0] = CGR_NONE;
	for (uint32_t i = 1; i < n_cgroups; i++)
		h->parent[i] = parents[i - 1];
	for (uint32_t t = 1; t < HOST_TASKS; t++)
		h->task[t] = (struct cgr_task_info){ .tid = 100 + (int)t,
			                                 .tgid = 100 + (int)t,
			                                 .prio = 120,
			                                 .mm_owner = t,
			                                 .memory_cgroup = t < n_cgroups ? t : 0,
			                                 .alive = t < n_cgroups };
	h->memory = (struct cgr_ctx){ .host = &host_table,
		                          .n_cgroups = n_cgroups,
		                          .n_tasks = HOST_TASKS,
		                          .n_cpus = 2,
		                          .kernel_version = kernel,
		                          .hz = 250,
		                          .cgroup_version = version,
		                          .swappiness = 60,
		                          .mem_total_bytes = 16ll << 30,
		                          .swap_total_bytes = swap_bytes,
		                          .engine = h };
	h->reclaim = h->memory;
	for (unsigned i = 0; i < 2; i++) {
		struct cgr_ctx *ctx = i ? &h->reclaim : &h->memory;
		for (unsigned p = 0; p < heads[i]->n_params; p++)
			h->params[i][p] = heads[i]->params[p].fallback;
		ctx->param = h->params[i];
		host_state(ctx, heads[i]);
	}
	h->memory.reclaim = &h->reclaim;
	h->reclaim.owner = &h->memory;
	for (unsigned i = 0; i < 2; i++)
		if (heads[i]->init)
			assert_int_equal(heads[i]->init(i ? &h->reclaim : &h->memory), 0);
	for (uint32_t c = 0; c < n_cgroups; c++)
		cgr_memory_memcg.head.cgroup_online(&h->memory, c);
	return h;
}

static inline void host_free(struct mem_host *h)
{
	struct cgr_ctx *ctx[2] = { &h->memory, &h->reclaim };
	if (h->reclaim.head->fini)
		h->reclaim.head->fini(&h->reclaim);
	cgr_memory_memcg.head.fini(&h->memory);
	for (unsigned i = 0; i < 2; i++) {
		free(ctx[i]->model);
		free(ctx[i]->cgroup_state);
		free(ctx[i]->task_state);
		free(ctx[i]->cpu_state);
	}
	for (unsigned i = 0; i < h->allocations; i++)
		free(h->allocated[i]);
	free(h);
}

static inline int host_knob(struct mem_host *h, uint32_t cgroup, const char *name, int64_t value)
{
	const int64_t v[2] = { value, 0 };
	for (unsigned i = 0; i < cgr_memory_memcg.head.n_knobs; i++)
		if (!strcmp(cgr_memory_memcg.head.knobs[i].name, name))
			return cgr_memory_memcg.head.knob_write(&h->memory, cgroup, i, v);
	fail_msg("no knob %s", name);
	return -1;
}

static inline unsigned host_metric_number(const char *name)
{
	for (unsigned i = 0; i < cgr_memory_memcg.head.n_metrics; i++)
		if (!strcmp(cgr_memory_memcg.head.metrics[i].name, name))
			return i;
	fail_msg("no metric %s", name);
	return 0;
}

static inline int64_t host_metric(struct mem_host *h, uint32_t cgroup, const char *name)
{
	cgr_memory_memcg.head.sample(&h->memory);
	return h->metric[cgroup][host_metric_number(name)];
}

static inline void host_check(struct mem_host *h)
{
	const char *wrong = cgr_memory_memcg.head.self_check(&h->memory);
	if (!wrong && h->reclaim.head->self_check)
		wrong = h->reclaim.head->self_check(&h->reclaim);
	if (wrong)
		fail_msg("%s", wrong);
}

/* One anonymous page touched by a task. */
static inline struct cgr_mem_outcome host_touch(struct mem_host *h, uint32_t task)
{
	struct cgr_mem_outcome outcome = { 0 };
	struct cgr_mem_request request = {
		.task = task,
		.cgroup = h->task[task].memory_cgroup,
		.kind = CGR_CHARGE_ANON,
		.pages = 1,
		.file = CGR_NONE,
		.index = CGR_MEM_NO_INDEX,
		.cpu = task % 2,
	};
	cgr_memory_memcg.charge(&h->memory, &request, &outcome);
	if (outcome.verdict == CGR_MEM_OK)
		h->rss[task]++;
	return outcome;
}

/* A recorded insert, as it comes before the read that caused it. */
static inline void host_insert(struct mem_host *h, uint32_t task, uint32_t file, uint64_t index, uint32_t pages)
{
	struct cgr_mem_outcome outcome = { 0 };
	struct cgr_mem_request request = {
		.task = task,
		.cgroup = h->task[task].memory_cgroup,
		.kind = CGR_CHARGE_FILE,
		.pages = pages,
		.folios = 1,
		.file = file,
		.index = index,
		.flags = CGR_MEM_READAHEAD,
		.cpu = task % 2,
	};
	cgr_memory_memcg.charge(&h->memory, &request, &outcome);
}

/* One page read by a task; a page never seen counts as missing. */
static inline struct cgr_mem_outcome host_read(struct mem_host *h, uint32_t task, uint32_t file, uint64_t index,
                                               uint32_t pages)
{
	struct cgr_mem_outcome outcome = { 0 };
	struct cgr_mem_request request = {
		.task = task,
		.cgroup = h->task[task].memory_cgroup,
		.kind = CGR_CHARGE_FILE,
		.pages = pages,
		.file = file,
		.index = index,
		.recorded_missed = pages,
		.cpu = task % 2,
	};
	cgr_memory_memcg.access(&h->memory, &request, &outcome);
	h->memory.now_ns += 2000;
	h->reclaim.now_ns = h->memory.now_ns;
	return outcome;
}

#endif
