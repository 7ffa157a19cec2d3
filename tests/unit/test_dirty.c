/* Dirty pages under reclaim, and reading by splice. */
#include "mem_host.h"

#include "model/lib/memcg_internal.h"

#define V618 CGR_KERNEL(6, 18, 44)
static const uint32_t flat[] = { 0 };

static struct cgr_mem_outcome look(struct mem_host *h, uint32_t file, uint64_t index, uint32_t pages, uint32_t flags)
{
	struct cgr_mem_outcome outcome = { 0 };
	struct cgr_mem_request request = { .task = 1,
		                               .cgroup = 1,
		                               .kind = CGR_CHARGE_FILE,
		                               .pages = pages,
		                               .file = file,
		                               .index = index,
		                               .flags = flags,
		                               .cpu = 1 };
	cgr_memory_memcg.access(&h->memory, &request, &outcome);
	return outcome;
}

/* Sixteen pages read, sixteen written, in turns: half of what a batch of reclaim meets. `at` goes on. */
static void copy(struct mem_host *h, uint64_t *at, uint32_t pages)
{
	for (uint64_t end = *at + pages; *at < end; *at += 16) {
		for (uint64_t i = 0; i < 16; i++)
			host_insert(h, 1, 3, *at + i, 1);
		(void)look(h, 3, *at, 16, 0);
		for (uint64_t i = 0; i < 16; i++) {
			host_insert(h, 1, 4, *at + i, 1);
			(void)look(h, 4, *at + i, 1, CGR_MEM_DIRTY);
		}
	}
}

static uint32_t resident(struct mem_host *h, uint32_t file, uint32_t pages)
{
	uint32_t there = 0;
	for (uint32_t i = 0; i < pages; i++)
		there += memcg_find_folio((struct memcg *)h->memory.model, file, i) != CGR_PAGE_NONE;
	return there;
}

/* fsync: what was written goes in its turn, like what was read, and nobody waits for it. */
static void written_goes(void **state)
{
	struct cgr_mem_outcome outcome = { 0 };
	struct cgr_mem_request sync = { .task = 1,
		                            .cgroup = 1,
		                            .kind = CGR_CHARGE_FILE,
		                            .pages = 960,
		                            .file = CGR_NONE,
		                            .index = CGR_MEM_NO_INDEX,
		                            .flags = CGR_MEM_WRITTEN };
	(void)state;
	struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
	uint64_t at = 0;
	host_knob(h, 1, "memory.max", 8 << 20);
	copy(h, &at, 960);
	cgr_memory_memcg.access(&h->memory, &sync, &outcome);
	copy(h, &at, 640);
	host_check(h);
	assert_in_range(resident(h, 4, 960), 300, 500);
	assert_int_equal(host_metric(h, 1, "memory.stat.pgactivate"), 0);
	host_free(h);
}

/* Nothing but dirty pages: the flusher is woken, reclaim waits for it, and what it had marked is the first to go. */
static void all_dirty(void **state)
{
	(void)state;
	struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
	((struct memcg *)h->memory.model)->writeback_page_ns = 1000;
	host_knob(h, 1, "memory.max", 8 << 20);
	for (uint64_t i = 0; i < 1984; i++) {
		host_insert(h, 1, 4, i, 1);
		(void)look(h, 4, i, 1, CGR_MEM_DIRTY);
	}
	uint64_t waited_ns = 0;
	for (int i = 0; i < 96; i++)
		waited_ns += host_touch(h, 1).device_ns;
	host_check(h);
	assert_int_equal(h->kills, 0);
	assert_int_equal(waited_ns, 1024 * 1000); /* the first chunk: enough for reclaim_throttle */
	assert_in_range(resident(h, 4, 32), 0, 8);
	assert_in_range(resident(h, 4, 1984), 1920, 1952);
	host_free(h);
}

/* A writer far larger than its limit, and no event that tells of what was written: under every policy the flusher does.
 */
static void never_told(void **state)
{
	static const struct cgr_reclaim_ops *const policy[] = { &cgr_reclaim_lru2, &cgr_reclaim_mglru, &cgr_reclaim_lru,
		                                                    &cgr_reclaim_fifo };
	(void)state;
	for (size_t p = 0; p < CGR_ARRAY_SIZE(policy); p++) {
		struct mem_host *h = host_new(policy[p], 1, V618, 0, 2, flat);
		((struct memcg *)h->memory.model)->writeback_page_ns = 1000;
		host_knob(h, 1, "memory.max", 4 << 20);
		for (uint64_t i = 0; i < 20000; i++) {
			host_insert(h, 1, 4, i, 1);
			(void)look(h, 4, i, 1, CGR_MEM_DIRTY);
		}
		host_check(h);
		assert_in_range(host_metric(h, 1, "memory.stat.pgsteal"), 18900, 20000);
		host_free(h);
	}
}

/* A folio of 64 pages, spliced 16 at a time, is marked accessed four times; read() marks it once. */
static void spliced(void **state)
{
	(void)state;
	for (unsigned splice = 0; splice < 2; splice++) {
		struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
		host_insert(h, 1, 3, 0, 64);
		for (uint32_t i = 0; i < 64; i += 16)
			(void)look(h, 3, i, 16, splice && i == 16 ? CGR_MEM_ACTIVATES : 0);
		assert_int_equal(host_metric(h, 1, "memory.stat.pgactivate"), splice ? 64 : 0);
		host_free(h);
	}
}

/* Reads of three pages that begin where the last one ended, through folios of four that were read before: that they
 * become active in the recording is no sign of splice, and in a cgroup that has lost them they do not. */
static void read_again(void **state)
{
	(void)state;
	struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
	for (uint32_t i = 0; i < 64; i += 4)
		host_insert(h, 1, 3, i, 4);
	for (uint32_t i = 0; i < 60; i += 2)
		(void)look(h, 3, i, 3, i % 4 ? CGR_MEM_ACTIVATES : 0); /* goes on into the next */
	assert_int_equal(host_metric(h, 1, "memory.stat.pgactivate"), 0);
	host_free(h);
}

/* Who reads ahead may not enter the file system, and passes over what is under writeback; who writes waits for it. */
static void reader_does_not_wait(void **state)
{
	(void)state;
	for (unsigned reads = 0; reads < 2; reads++) {
		struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
		struct memcg *m = h->memory.model;
		uint64_t waited_ns = 0;
		m->writeback_page_ns = 1000;
		host_knob(h, 1, "memory.max", 8 << 20);
		for (uint64_t i = 0; i < 1920; i++) {
			host_insert(h, 1, 4, i, 1);
			(void)look(h, 4, i, 1, CGR_MEM_DIRTY);
		}
		m->outcome = NULL; /* nobody waits */
		memcg_all_dirty(&h->memory);
		for (uint32_t i = 1024; i < 1920; i++) {
			struct cgr_page *page = &m->pages.page[memcg_find_folio(m, 4, i)];
			assert_true(page->flags & CGR_PG_WRITEBACK);
			page->flags |= CGR_PG_RECLAIM;
		}
		for (uint64_t i = 0; i < 1300; i++) {
			struct cgr_mem_outcome outcome = { 0 };
			struct cgr_mem_request request = { .task = 1,
				                               .cgroup = 1,
				                               .kind = CGR_CHARGE_FILE,
				                               .pages = 1,
				                               .folios = 1,
				                               .file = 5,
				                               .index = i,
				                               .flags = reads ? CGR_MEM_READAHEAD : CGR_MEM_DIRTY };
			cgr_memory_memcg.charge(&h->memory, &request, &outcome);
			waited_ns += outcome.device_ns;
		}
		host_check(h);
		if (reads)
			assert_int_equal(waited_ns, 0);
		else
			assert_int_equal(waited_ns, 1920 * 1000);
		host_free(h);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_goes), cmocka_unit_test(all_dirty),  cmocka_unit_test(never_told),
		cmocka_unit_test(spliced),      cmocka_unit_test(read_again), cmocka_unit_test(reader_does_not_wait),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
