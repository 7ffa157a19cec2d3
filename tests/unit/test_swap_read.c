/* Reading pages back from compressed swap takes CPU time: what stays in memory in a what-if does not pay for it. */
#include "job_store.h"

#define PAGES 80
#define READ_NS 20000

/* A task touches its pages, a limit sends them all to swap, it touches them again, and exits after 3 ms of work. Each
 * read brings `cluster` pages, all but the first of which it finds in the swap cache. */
static struct cgr_store *machine(unsigned cluster)
{
	struct cgr_store_info info = job_info;
	struct cgr_event e = {
		.ts_ns = MS, .kind = CGR_EV_CHARGE, .task = 1, .a = 1, .b = 1, .c = CGR_CHARGE_ANON, .d = 1
	};
	struct job_tape tape;

	info.kernel_release = "6.1.0";
	info.kernel_version = 6u << 16 | 1 << 8;
	info.swap_total_bytes = 1 << 30;
	info.has_memcg_events = true;
	tape = job_begin(&info);
	append(&tape, (struct cgr_event){ .ts_ns = MS, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO });
	for (unsigned page = 0; page < PAGES; page++)
		append(&tape, e);
	append(&tape, (struct cgr_event){ .ts_ns = MS, .kind = CGR_EV_RECLAIM_BEGIN, .task = 1 });
	for (unsigned page = 0; page < PAGES; page++)
		append(&tape, (struct cgr_event){
		                  .ts_ns = MS, .kind = CGR_EV_MEM_STAT, .task = 1, .a = 1, .b = 1, .c = CGR_ITEM_SWAP });
	append(&tape,
	       (struct cgr_event){
	           .ts_ns = MS, .kind = CGR_EV_UNCHARGE, .task = 1, .a = 1, .b = PAGES, .c = CGR_CHARGE_ANON, .d = PAGES });
	append(&tape, (struct cgr_event){ .ts_ns = MS, .kind = CGR_EV_RECLAIM_END, .task = 1, .a = PAGES });
	for (unsigned page = 0; page < PAGES; page++) {
		bool read = page % cluster == 0;

		append(&tape, e);
		e.ts_ns += read ? READ_NS : 0;
		append(&tape, (struct cgr_event){ .ts_ns = e.ts_ns,
		                                  .kind = CGR_EV_MEM_STAT,
		                                  .task = 1,
		                                  .a = 1,
		                                  .b = 1,
		                                  .c = read ? CGR_ITEM_PGMAJFAULT : CGR_ITEM_REFAULT_ANON });
	}
	job_exit(&tape, 4 * MS, 1, 0);
	return job_end(&tape);
}

static int64_t usage_usec(const char *limit, unsigned cluster)
{
	struct cgr_result *result = job_replay(machine(cluster), limit, 1, true);
	int64_t usec = job_metric(result, "/job", "cpu.stat.usage_usec");

	cgr_result_free(result);
	return usec;
}

/* 3 ms of work, of which 80 pages took 20 us each, less what recording that took. */
static void test_reads(void **state)
{
	(void)state;
	assert_in_range(usage_usec("/job:memory.max=1G", 1), 1400, 1500);
}

/* Of two pages one was read: what that took is not there twice. */
static void test_swap_cache(void **state)
{
	(void)state;
	assert_in_range(usage_usec("/job:memory.max=1G", 2), 2200, 2300);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_reads), cmocka_unit_test(test_swap_cache) };

	return cmocka_run_group_tests_name("reads from swap", tests, NULL, NULL);
}
