/* What is remembered of evicted pages, and for how long. */
#include "mem_host.h"

#include "model/lib/memcg_internal.h"

#define V618 CGR_KERNEL(6, 18, 44)
static const uint32_t flat[] = { 0 };

/* Pages that missed; the recording had the whole file cached when it was read for the second time. */
static uint32_t read_of(struct mem_host *h, uint32_t file, uint64_t index, bool first)
{
	struct cgr_mem_outcome outcome = { 0 };
	struct cgr_mem_request request = { .task = 1,
		                               .cgroup = 1,
		                               .kind = CGR_CHARGE_FILE,
		                               .pages = 1,
		                               .file = file,
		                               .index = index,
		                               .recorded_missed = first,
		                               .cpu = 1 };
	cgr_memory_memcg.access(&h->memory, &request, &outcome);
	return outcome.missed_pages;
}

static uint32_t read_again(struct mem_host *h, uint64_t index, bool first)
{
	return read_of(h, 7, index, first);
}

/* A file read twice, one page after the other, by a cgroup that holds a part of it: refaults of the second time. */
static int64_t read_twice_under(const struct cgr_reclaim_ops *policy, int64_t limit_pages, uint32_t file_pages,
                                bool flushed)
{
	uint32_t missed = 0;
	struct mem_host *h = host_new(policy, 1, V618, 0, 2, flat);
	h->memory.now_ns = h->reclaim.now_ns = flushed ? 0 : 1000000;
	host_knob(h, 1, "memory.max", limit_pages << 12);
	for (uint32_t i = 0; i < 2 * file_pages; i++) {
		if (flushed && i == limit_pages) /* the next periodic flush of rstat, wherever its phase is */
			h->memory.now_ns = h->reclaim.now_ns = 2100000000;
		missed += read_again(h, i % file_pages, i < file_pages);
		if (!flushed)
			h->memory.now_ns = h->reclaim.now_ns = 1000000;
	}
	host_check(h);
	assert_in_range(missed, 2 * file_pages - limit_pages, 2 * file_pages); /* forgotten or not, it has to be read */
	int64_t refaults = host_metric(h, 1, "memory.stat.workingset_refault_file");
	host_free(h);
	return refaults;
}

static int64_t read_twice(int64_t limit_pages, uint32_t file_pages, bool flushed)
{
	return read_twice_under(&cgr_reclaim_lru2, limit_pages, file_pages, flushed);
}

/* Lists of 128 pages are looked at in full before 32 pages are had, and then every node goes that holds but shadows:
 * in a cgroup that the statistics know nothing of, all of them. */
static void forgotten_in_a_short_job(void **state)
{
	(void)state;
	assert_in_range(read_twice(128, 512, false), 0, 128);
	assert_in_range(read_twice(128, 512, true), 500, 512);
}

/* With more room reclaim never comes to look at everything, and a few nodes are left alone. */
static void remembered_with_room(void **state)
{
	(void)state;
	assert_in_range(read_twice(1024, 2048, false), 2000, 2048);
}

/* So many that half of them are a batch: they go whatever the priority. */
static void too_many(void **state)
{
	(void)state;
	assert_in_range(read_twice(4096, 40960, false), 0, 30000);
	assert_in_range(read_twice(4096, 24576, true), 24000, 24576);
}

/* A policy without statistics of its own forgets what is too many for the pages on its lists. */
static void without_statistics(void **state)
{
	(void)state;
	assert_in_range(read_twice_under(&cgr_reclaim_mglru, 1024, 2048, false), 2000, 2048);
	assert_in_range(read_twice_under(&cgr_reclaim_mglru, 1024, 40960, false), 0, 30000);
}

/* Small files: what is remembered of a file's only page stands in no node that could go. Real kernel 6.18: 2400 files
 * of a page written, then read twice under 6 MiB gave 4253 to 4813 refaults, all that can be. */
static void small_files(void **state)
{
	(void)state;
	for (uint32_t pages = 1; pages <= 2; pages++) {
		struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
		h->memory.now_ns = h->reclaim.now_ns = 1000000;
		host_knob(h, 1, "memory.max", 128 << 12);
		for (uint32_t i = 0; i < 1024; i++)
			(void)read_of(h, 8 + i % 512 / pages, i % pages, i < 512);
		host_check(h);
		int64_t refaults = host_metric(h, 1, "memory.stat.workingset_refault_file");
		assert_in_range(refaults, pages == 1 ? 500 : 0, pages == 1 ? 512 : 200);
		host_free(h);
	}
}

/* A sparse file is none of one page, whatever lies between its pages, and whichever comes first. */
static void sparse_files(void **state)
{
	(void)state;
	for (uint32_t late = 0; late < 2; late++) {
		struct mem_host *h = host_new(&cgr_reclaim_lru2, 1, V618, 0, 2, flat);
		h->memory.now_ns = h->reclaim.now_ns = 1000000;
		host_knob(h, 1, "memory.max", 128 << 12);
		for (uint32_t i = 0; i < 1024; i++) {
			uint32_t second = late ? i / 512 : i % 2;
			(void)read_of(h, 8 + (late ? i % 512 : i / 2), second * 128, true);
		}
		for (uint32_t i = 0; i < 512; i++)
			(void)read_of(h, 8 + i, 0, false);
		host_check(h);
		assert_in_range(host_metric(h, 1, "memory.stat.workingset_refault_file"), 0, 200);
		host_free(h);
	}
}

/* workingset_refault counts pages: a large folio that comes back is as many refaults under every policy. */
static void large_folios(void **state)
{
	static const struct cgr_reclaim_ops *const policy[] = { &cgr_reclaim_lru2, &cgr_reclaim_mglru, &cgr_reclaim_lru,
		                                                    &cgr_reclaim_fifo };
	(void)state;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(policy); i++)
		assert_in_range(read_twice_under(policy[i], 1024, 2048, true), 2000, 2048);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forgotten_in_a_short_job),
		cmocka_unit_test(remembered_with_room),
		cmocka_unit_test(too_many),
		cmocka_unit_test(without_statistics),
		cmocka_unit_test(small_files),
		cmocka_unit_test(sparse_files),
		cmocka_unit_test(large_folios),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
