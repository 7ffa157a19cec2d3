/* Random streams through the memory controller, every policy, v1 and v2, with and without swap, limits moving: the
 * invariants of self_check hold after every few operations and nothing is left when everything was given back. */
#include "tests/unit/mem_host.h"

static const uint32_t tree[] = { 0, 1, 1, 2, 0 };
static const struct cgr_reclaim_ops *const policies[] = { &cgr_reclaim_lru2, &cgr_reclaim_mglru, &cgr_reclaim_lru,
	                                                      &cgr_reclaim_fifo, &cgr_reclaim_opt };

static void uncharge(struct mem_host *h, uint32_t task, uint32_t pages)
{
	struct cgr_mem_request request = { .task = task,
		                               .cgroup = h->task[task].memory_cgroup,
		                               .kind = CGR_CHARGE_ANON,
		                               .pages = pages,
		                               .file = CGR_NONE,
		                               .index = CGR_MEM_NO_INDEX };
	h->rss[task] -= pages;
	cgr_memory_memcg.uncharge(&h->memory, &request);
}

static void drop(struct mem_host *h, uint32_t file, uint64_t index, uint32_t pages)
{
	struct cgr_mem_request request = {
		.task = CGR_NONE, .cgroup = 0, .kind = CGR_CHARGE_FILE, .pages = pages, .file = file, .index = index
	};
	cgr_memory_memcg.uncharge(&h->memory, &request);
}

static void step(struct mem_host *h, struct cgr_rng *rng)
{
	uint32_t task = 1 + (uint32_t)cgr_rng_below(rng, 5), file = (uint32_t)cgr_rng_below(rng, 3);
	uint64_t index = cgr_rng_below(rng, 4096);
	if (!h->task[task].alive) {
		h->task[task].alive = true; /* a new process in its place */
		struct cgr_ctx *ctx = &h->memory;
		memset(cgr_task_state(ctx, task), 0, ctx->task_stride);
	}
	switch (cgr_rng_below(rng, 12)) {
	case 0 ... 3:
		(void)host_touch(h, task);
		break;
	case 4 ... 7:
		(void)host_read(h, task, file, index, 1 + (uint32_t)cgr_rng_below(rng, 4));
		break;
	case 8:
		host_insert(h, task, file, index & ~15ull, 16);
		break;
	case 9:
		if (h->rss[task])
			uncharge(h, task, 1 + (uint32_t)cgr_rng_below(rng, (uint64_t)h->rss[task]));
		break;
	case 10:
		drop(h, file, index, 1 + (uint32_t)cgr_rng_below(rng, 64));
		break;
	default:
		if (!cgr_rng_below(rng, 40))
			(void)host_knob(h, 1 + (uint32_t)cgr_rng_below(rng, 5), "memory.max",
			                (int64_t)(1 + cgr_rng_below(rng, 8)) << 20);
		break;
	}
}

static void run(const struct cgr_reclaim_ops *policy, int version, uint32_t kernel, int64_t swap, uint64_t seed)
{
	struct mem_host *h = host_new(policy, version, kernel, swap, 6, tree);
	struct cgr_rng rng;
	cgr_rng_init(&rng, seed);
	for (uint32_t c = 1; c < 6; c++)
		(void)host_knob(h, c, "memory.max", (int64_t)(2 + c) << 20);
	if (version == 2) {
		(void)host_knob(h, 1, "memory.high", 4 << 20);
		(void)host_knob(h, 4, "memory.low", 1 << 20);
	}
	for (int i = 0; i < 20000; i++) {
		step(h, &rng);
		if (i % 500 == 0)
			host_check(h);
	}
	for (uint32_t task = 1; task < 6; task++)
		if (h->rss[task])
			uncharge(h, task, (uint32_t)h->rss[task]);
	for (uint32_t file = 0; file < 3; file++)
		drop(h, file, 0, 8192);
	host_check(h);
	for (uint32_t c = 1; c < 6; c++) { /* only stocks are left: 64 pages per CPU and cgroup of the subtree */
		assert_int_equal(host_metric(h, c, "memory.stat.anon"), 0);
		assert_int_equal(host_metric(h, c, "memory.stat.file"), 0);
		assert_true(host_metric(h, c, "memory.current") <= 4 * 2 * 64 * 4096);
	}
	host_free(h);
}

static void invariants(void **state)
{
	(void)state;
	for (unsigned p = 0; p < CGR_ARRAY_SIZE(policies); p++)
		for (uint64_t seed = 1; seed <= 4; seed++) {
			run(policies[p], 1, CGR_KERNEL(6, 18, 44), 0, seed);
			run(policies[p], 2, CGR_KERNEL(6, 18, 3), 0, seed + 10);
			run(policies[p], 2, CGR_KERNEL(6, 1, 0), 4 << 20, seed + 20);
			run(policies[p], 1, CGR_KERNEL(6, 1, 0), 16 << 20, seed + 30);
		}
}

/* Same stream, same seed: the same numbers. */
static void deterministic(void **state)
{
	(void)state;
	int64_t first[2];
	for (int i = 0; i < 2; i++) {
		struct mem_host *h = host_new(&cgr_reclaim_lru2, 2, CGR_KERNEL(6, 18, 3), 4 << 20, 6, tree);
		struct cgr_rng rng;
		cgr_rng_init(&rng, 5);
		for (uint32_t c = 1; c < 6; c++)
			(void)host_knob(h, c, "memory.max", (int64_t)(2 + c) << 20);
		for (int j = 0; j < 20000; j++)
			step(h, &rng);
		first[i] = host_metric(h, 1, "memory.stat.pgscan") * 1000003 + host_metric(h, 1, "memory.events.max");
		host_free(h);
	}
	assert_int_equal(first[0], first[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(invariants), cmocka_unit_test(deterministic) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
