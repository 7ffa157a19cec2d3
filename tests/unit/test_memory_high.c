/* The penalty sleeps of memory.high: how many there are and how long the kernel's timers make them. */
#include "job_store.h"

#include "common/util.h"

#define PAGES 4160 /* 65 batches of the per-CPU stock */

/* A task touches its pages within 9 ms and exits; what the kernel held for it is freed after a grace period. */
static struct cgr_store *machine(void)
{
	struct cgr_store_info info = job_info;
	struct cgr_event e = { .ts_ns = MS, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO };
	struct job_tape tape;

	info.kernel_release = "6.1.0";
	info.kernel_version = 6u << 16 | 1 << 8;
	info.psi = info.has_memcg_events = true;
	tape = job_begin(&info);
	append(&tape, e);
	e = (struct cgr_event){
		.ts_ns = MS, .kind = CGR_EV_CHARGE, .task = 1, .a = 1, .b = 3, .c = CGR_CHARGE_KMEM, .d = 3
	};
	append(&tape, e);
	e.b = e.d = 1;
	e.c = CGR_CHARGE_ANON;
	for (uint64_t page = 3; page < PAGES; page++) {
		e.ts_ns += 2000;
		append(&tape, e);
	}
	job_exit(&tape, 10 * MS, 1, 0);
	e = (struct cgr_event){ .ts_ns = 12 * MS, .kind = CGR_EV_UNCHARGE, .a = 1, .b = 3, .c = CGR_CHARGE_KMEM, .d = 3 };
	e.flags = CGR_EVF_SOFTIRQ;
	append(&tape, e);
	return job_end(&tape);
}

/* What memory.high made of it, and for how long the job slept. */
static int64_t slept_usec(const char *limit, uint64_t seed, int64_t *ret_events)
{
	struct cgr_result *result = job_replay(machine(), limit, seed, false);
	int64_t usec =
	    job_metric(result, "/job", "memory.pressure.some_usec") - job_metric(result, "/job", "memory.reclaim_usec");

	*ret_events = job_metric(result, "/job", "memory.events.high");
	cgr_result_free(result);
	return usec;
}

/* memory.high of 4000 pages and stocks of 64: the 63rd batch owes 1 jiffy, which is forgiven (HZ / 100), the next two 9
 * and 25. Reclaim is tried 17 times before each sleep. A timeout ends with the jiffy after; the second begins right
 * after the end of the first. */
static void test_sleeps(void **state)
{
	int64_t events;

	(void)state;
	assert_in_range(slept_usec("/job:memory.high=16384000", 1, &events), (9 + 26) * 4000 - 500, (10 + 26) * 4000);
	assert_int_equal(events, 1 + 17 + 17);
}

/* From 63 jiffies on the timer wheel has a slot every 8, and when the job comes between two of them nobody knows. */
static void test_slots(void **state)
{
	int64_t usec, events, least = INT64_MAX, most = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		usec = slept_usec("/job:memory.high=15560704", seed, &events);
		least = CGR_MIN(least, usec);
		most = CGR_MAX(most, usec);
	}
	assert_in_range(most - least, 8000, 32000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sleeps), cmocka_unit_test(test_slots) };

	return cmocka_run_group_tests_name("memory.high", tests, NULL, NULL);
}
