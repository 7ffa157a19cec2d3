/* Reads of a page cache that a limit has made small: what is read ahead, what is under read, what the recording
 * inserted and the what-if has no room for. */
#include "mem_host.h"

#include "model/lib/memcg_internal.h"

#define V618 CGR_KERNEL(6, 18, 44)
#define V613 CGR_KERNEL(6, 13, 0)
static const uint32_t flat[] = { 0 };

/* Pages that a read of one page brings, with nothing recorded for it. */
static uint32_t missed(struct mem_host *h, uint64_t index, uint32_t pages)
{
	struct cgr_mem_outcome outcome = { 0 };
	struct cgr_mem_request request = {
		.task = 1, .cgroup = 1, .kind = CGR_CHARGE_FILE, .pages = pages, .file = 3, .index = index, .cpu = 1
	};
	cgr_memory_memcg.access(&h->memory, &request, &outcome);
	assert_int_equal(outcome.verdict, CGR_MEM_OK);
	return outcome.missed_pages;
}

/* A file that was cached as a whole, and that something else has pushed out: every page of it leaves a shadow. */
static struct mem_host *evicted_file(uint32_t pages, bool written)
{
	struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
	for (uint32_t i = 0; i < pages; i += 32) { /* read ahead of the reader, a window at a time */
		host_insert(h, 1, 3, i, 32);
		for (uint32_t at = i; !written && at < i + 32; at += 8)
			(void)missed(h, at, 8);
		struct cgr_mem_outcome outcome = { 0 };
		struct cgr_mem_request dirty = {
			.task = 1, .cgroup = 1, .kind = CGR_CHARGE_FILE, .pages = 32, .file = 3, .index = i, .flags = CGR_MEM_DIRTY
		};
		if (written)
			cgr_memory_memcg.access(&h->memory, &dirty, &outcome);
	}
	assert_int_equal(host_knob(h, 1, "memory.max", 1 << 20), 0);
	for (uint32_t i = 0; i < 240; i++)
		(void)host_touch(h, 1);
	host_knob(h, 1, "memory.max", INT64_MAX);
	return h;
}

/* Where the replay reads ahead by itself its windows stand elsewhere than the recorded ones: of a folio that is partly
 * there the rest is no matter of the recorded insert. */
static void recorded_window_beside_own(void **state)
{
	(void)state;
	struct mem_host *h = evicted_file(1024, false);
	assert_int_equal(missed(h, 0, 1), 4);
	int64_t before = host_metric(h, 1, "memory.stat.file");
	host_insert(h, 1, 3, 0, 256);
	assert_int_equal(host_metric(h, 1, "memory.stat.file"), before);
	host_insert(h, 1, 3, 256, 256);
	assert_int_equal(host_metric(h, 1, "memory.stat.file"), before + (256 << 12));
	host_check(h);
	host_free(h);
}

/* page_cache_sync_ra: prev_pos is where the last read ended, so that the page behind the next one is sequential, too,
 * and gets a first window; the one after that stands alone. A write between two reads moves nothing. */
static void sequential_miss(void **state)
{
	static const struct {
		uint64_t index;
		bool write_between;
		uint32_t pages;
	} rows[] = { { 101, false, 4 }, { 102, false, 4 }, { 103, false, 1 }, { 101, true, 4 }, { 501, true, 1 } };
	(void)state;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(rows); i++) {
		struct mem_host *h = evicted_file(1024, false);
		struct cgr_mem_outcome outcome = { 0 };
		struct cgr_mem_request dirty = {
			.task = 1, .cgroup = 1, .kind = CGR_CHARGE_FILE, .pages = 1, .file = 3, .index = 500, .flags = CGR_MEM_DIRTY
		};
		assert_int_equal(missed(h, 100, 1), 1);
		if (rows[i].write_between)
			cgr_memory_memcg.access(&h->memory, &dirty, &outcome);
		assert_int_equal(missed(h, rows[i].index, 1), rows[i].pages);
		host_check(h);
		host_free(h);
	}
}

/* Folios made to be written end where the write ends: no sign that the file is read with POSIX_FADV_RANDOM. */
static void written_is_not_random(void **state)
{
	(void)state;
	struct mem_host *h = evicted_file(1024, true);
	assert_true(missed(h, 0, 1) > 1);
	host_free(h);
}

static bool always(void *arg, uint32_t file, uint64_t index)
{
	(void)arg, (void)file, (void)index;
	return true;
}

static bool never(void *arg, uint32_t file, uint64_t index)
{
	(void)arg, (void)file, (void)index;
	return false;
}

/* Reads shorter than a page: the one that goes on in the page where the last one ended is sequential. */
static void within_a_page(void **state)
{
	struct cgr_readahead_table table = { .max_pages = 32, .kernel_version = V618 };
	(void)state;
	for (uint64_t index = 98; index < 104; index++) {
		struct cgr_readahead ra = { .file = 4, .prev_pos = 101 };
		bool sequential = index >= 100 && index <= 102;
		assert_int_equal(cgr_readahead_sync(&table, &ra, index, 1, never, NULL).size, sequential ? 4 : 1);
	}
}

/* A mark of somebody else's window, behind which as much as is read ahead is there already: nothing is read. */
static void all_ahead_is_there(void **state)
{
	struct cgr_readahead_table table = { .max_pages = 32, .kernel_version = V618 };
	struct cgr_readahead ra = { .file = 4, .start = 100, .size = 4, .async_size = 3 };
	(void)state;
	assert_int_equal(cgr_readahead_async(&table, &ra, 8, 1, 1, always, NULL).size, 0);
	assert_int_equal(ra.start, 100);
}

/* A window of 8 MiB where there is room for two: it ends when nothing is left to push out but itself, and its first
 * pages are there for the reader. What found no room is no stranger: it is read, and charged, when its turn comes. */
static void window_without_room(void **state)
{
	static const struct {
		const struct cgr_reclaim_ops *ops;
		uint32_t kernel;
	} policy[] = { { &cgr_reclaim_lru2, V618 },
		           { &cgr_reclaim_mglru, V613 },
		           { &cgr_reclaim_mglru, V618 },
		           { &cgr_reclaim_lru, V618 } };
	(void)state;
	for (size_t p = 0; p < CGR_ARRAY_SIZE(policy); p++) {
		struct mem_host *h = host_new(policy[p].ops, 1, policy[p].kernel, 0, 2, flat);
		host_knob(h, 1, "memory.max", 2 << 20);
		(void)missed(h, 4000, 1);
		for (uint32_t i = 0; i < 2048; i += 128)
			host_insert(h, 1, 3, i, 128);
		host_check(h);
		assert_in_range(host_metric(h, 1, "memory.stat.file"), 1 << 20, 2 << 20);
		assert_int_equal(host_metric(h, 1, "memory.stat.pgsteal"), 0);
		/* what is under read: up to 6.13 sorted into the next generation, never isolated; then isolated and kept */
		if (policy[p].ops == &cgr_reclaim_mglru)
			assert_int_equal(host_metric(h, 1, "memory.stat.pgscan") > 0, policy[p].kernel == V618);
		/* one folio and the single pages in its stead, not all that were recorded: 64 at once and one, twice each */
		assert_in_range(host_metric(h, 1, "memory.failcnt"), 4, 140);
		for (uint32_t i = 0; i < 256; i++)
			assert_int_equal(missed(h, i, 1), 0);
		assert_true(missed(h, 2000, 1) > 0);
		assert_int_equal(host_metric(h, 1, "memory.stat.workingset_refault_file"), 0);
		host_check(h);
		host_free(h);
	}
}

/* Inserts alone, without any look-up, do not tell when what was read is there: it is, and goes when its turn comes. */
static void no_lookups(void **state)
{
	(void)state;
	struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
	host_knob(h, 1, "memory.max", 100 * 4096);
	for (uint32_t i = 0; i < 1000; i++)
		host_insert(h, 1, 3, i, 1);
	host_check(h);
	assert_in_range(host_metric(h, 1, "memory.stat.pgsteal"), 900, 1000);
	host_free(h);
}

/* Read ahead for nobody (POSIX_FADV_WILLNEED), no faster than the device: nothing of it is under read for long. */
static void nobody_goes_on(void **state)
{
	(void)state;
	struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
	((struct memcg *)h->memory.model)->writeback_page_ns = 1000;
	host_knob(h, 1, "memory.max", 4 << 20);
	(void)missed(h, 40000, 1);
	for (uint32_t i = 0; i < 10000; i++, h->memory.now_ns += 1100)
		host_insert(h, 1, 3, i, 1);
	host_check(h);
	assert_in_range(host_metric(h, 1, "memory.stat.pgsteal"), 8900, 10000);
	host_free(h);
}

/* The page table is full: what finds no room in the cache is not noted either, and the sentinel stays as it is. */
static void table_full(void **state)
{
	(void)state;
	struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
	struct memcg *m = (struct memcg *)h->memory.model;
	uint32_t capacity = m->pages.capacity;
	host_knob(h, 1, "memory.max", 1 << 20);
	(void)missed(h, 4000, 1);
	for (uint32_t i = 0; i < 256; i++)
		host_insert(h, 1, 3, i, 1);
	m->pages.capacity = m->pages.top;
	host_insert(h, 1, 3, 256, 1);
	m->pages.capacity = capacity;
	assert_int_equal(m->pages.page[0].flags, 0);
	host_free(h);
}

/* Somebody whose charge must not fail waits for the reads that hold all there is; nobody is killed for them. */
static void waits_for_reads(void **state)
{
	(void)state;
	struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
	host_knob(h, 1, "memory.max", 2 << 20);
	(void)missed(h, 4000, 1);
	for (uint32_t i = 0; i < 512; i++)
		host_insert(h, 1, 3, i, 1);
	assert_int_equal(host_touch(h, 1).verdict, CGR_MEM_OK);
	assert_int_equal(h->kills, 0);
	host_check(h);
	host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(recorded_window_beside_own),
		cmocka_unit_test(sequential_miss),
		cmocka_unit_test(written_is_not_random),
		cmocka_unit_test(all_ahead_is_there),
		cmocka_unit_test(window_without_room),
		cmocka_unit_test(no_lookups),
		cmocka_unit_test(waits_for_reads),
		cmocka_unit_test(nobody_goes_on),
		cmocka_unit_test(within_a_page),
		cmocka_unit_test(table_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
