/* A wait that a task's token ended keeps its place among the tokens, even if the what-if leaves the wait out. */
#include "job_store.h"

#include "common/event.h"

#define US 1000ull
#define KWORKER 2u
#define OTHER 3u

static void woken(const struct job_tape *tape, uint64_t ts_ns, uint32_t by, uint32_t task, uint32_t target)
{
	append(tape, (struct cgr_event){ .ts_ns = ts_ns,
	                                 .kind = CGR_EV_WAKING,
	                                 .cpu = 1,
	                                 .flags = (uint8_t)(by ? 0 : CGR_EVF_HARDIRQ),
	                                 .task = by,
	                                 .c = task,
	                                 .d = target | 120u << 16 });
}

/* The kworker, at work by itself, wakes the job before that one has left its CPU to sleep uninterruptibly. Then the job
 * waits from 3 to 53 ms for the other, and is done. */
static struct cgr_store *woken_early(bool in_reclaim)
{
	struct cgr_store_info info = job_info;
	struct job_tape tape;

	info.duration_ns = 100 * MS;
	info.cpus = info.online_cpus = 2;
	info.has_memcg_events = info.has_page_cache = true;
	tape = job_begin(&info);
	job_add_kworker(&tape);
	job_add(&tape, "/other", 1003, NULL);
	job_switch(&tape, MS, 0, 0, 0, 1);
	woken(&tape, 2 * MS, 0, KWORKER, 1);
	job_switch(&tape, 2 * MS + 10 * US, 1, 0, 0, KWORKER);
	if (in_reclaim)
		append(&tape,
		       (struct cgr_event){ .ts_ns = 2 * MS + 100 * US, .kind = CGR_EV_RECLAIM_BEGIN, .task = 1, .a = 1 });
	woken(&tape, 2 * MS + 200 * US, KWORKER, 1, 0);
	job_switch(&tape, 2 * MS + 201 * US, 0, 1, 2, 0);
	job_switch(&tape, 2 * MS + 210 * US, 0, 0, 0, 1);
	if (in_reclaim)
		append(&tape, (struct cgr_event){ .ts_ns = 2 * MS + 300 * US, .kind = CGR_EV_RECLAIM_END, .task = 1, .a = 32 });
	job_switch(&tape, 2 * MS + 400 * US, 1, KWORKER, 1, OTHER);
	job_switch(&tape, 3 * MS, 0, 1, 1, 0);
	woken(&tape, 53 * MS, OTHER, 1, 0);
	job_switch(&tape, 53 * MS + 10 * US, 0, 0, 0, 1);
	job_switch(&tape, 53 * MS + 20 * US, 1, OTHER, 1, 0);
	job_exit(&tape, 54 * MS, 1, 0);
	return job_end(&tape);
}

static void test_left_out(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct cgr_result *result = job_replay(woken_early(i), "/job:cpu.max=max 100000", 1, true);

		assert_in_range(job_metric(result, "/job", "completion_usec"), 53000, 55000);
		cgr_result_free(result);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_left_out) };

	return cmocka_run_group_tests_name("tokens of waits that are left out", tests, NULL, NULL);
}
