/* Sleeps of several lengths in turn, and sleeps until the next point of a grid: both are asked for as lengths. */
#include "job_store.h"

#include "common/event.h"

#define US 1000ull
#define SLEEPS 180u
#define SLACK_NS (50 * US)

struct tape {
	struct job_tape job;
	uint64_t at_ns;
	uint32_t seed;
};

static void work(struct tape *t, uint64_t ns, uint32_t jitter_ns)
{
	t->seed = t->seed * 1103515245u + 12345u;
	t->at_ns += ns + (t->seed >> 8) % jitter_ns;
}

static void sleep_for(struct tape *t, uint64_t ns)
{
	uint64_t due_ns = t->at_ns + ns + SLACK_NS;
	struct cgr_event e = { .ts_ns = t->at_ns, .kind = CGR_EV_HRTIMER_START, .task = 1, .a = due_ns, .b = 0x55, .d = 1 };

	e.c = CGR_TIMER_HRTIMER_WAKEUP;
	append(&t->job, e);
	job_switch(&t->job, t->at_ns + US, 0, 1, 1, 0);
	e = (struct cgr_event){ .ts_ns = due_ns, .kind = CGR_EV_HRTIMER_EXPIRE, .a = due_ns, .b = 0x55, .c = e.c };
	e.flags = CGR_EVF_HARDIRQ;
	append(&t->job, e);
	e = (struct cgr_event){ .ts_ns = due_ns + US, .kind = CGR_EV_WAKING, .c = 1, .d = 120u << 16 };
	e.flags = CGR_EVF_HARDIRQ;
	append(&t->job, e);
	e.kind = CGR_EV_WAKEUP;
	append(&t->job, e);
	t->at_ns = due_ns + 5 * US;
	job_switch(&t->job, t->at_ns, 0, 0, 0, 1);
}

static struct tape begin(void)
{
	struct cgr_store_info info = job_info;
	struct tape t = { .at_ns = MS, .seed = 1 };

	info.duration_ns = 3000 * MS;
	t.job = job_begin(&info);
	job_switch(&t.job, t.at_ns, 0, 0, 0, 1);
	return t;
}

static int64_t completion_usec(struct tape *t, const char *what_if)
{
	struct cgr_result *result;
	int64_t found;

	job_exit(&t->job, t->at_ns + 100 * US, 1, 0);
	result = job_replay(job_end(&t->job), what_if, 1, true);
	found = job_metric(result, "/job", "completion_usec");
	cgr_result_free(result);
	return found;
}

/* Eight sleeps of a millisecond and one of twenty, after work that takes as long every time: however much longer that
 * takes under a limit, the sleeps take what they took. 270 ms of work at 1 ms of 1.9 take 513 ms, the sleeps 571. */
static void test_lengths(void **state)
{
	struct tape t = begin();

	(void)state;
	for (unsigned i = 0; i < SLEEPS; i++) {
		work(&t, 1500 * US, 5 * US);
		sleep_for(&t, i % 9 == 8 ? 20 * MS : MS);
	}
	assert_in_range(completion_usec(&t, "/job:cpu.max=1000 1900"), 890000, 1100000);
}

/* What is left of 10 ms: 1 to 3 ms of work that take up to 6 under the limit leave the points where they are. */
static void test_grid(void **state)
{
	struct tape t = begin();

	(void)state;
	for (unsigned i = 1; i <= SLEEPS; i++) {
		work(&t, MS, 2 * MS);
		sleep_for(&t, i * 10 * MS + MS - t.at_ns);
	}
	assert_in_range(completion_usec(&t, "/job:cpu.max=1000 1900"), 1795000, 1810000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_lengths), cmocka_unit_test(test_grid) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
