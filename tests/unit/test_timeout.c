/* What a task waits for with a timeout comes earlier in the what-if than in the recording. */
#include "job_store.h"

#include "common/event.h"

#define US 1000ull
#define HOG 2u
#define OTHER 3u
#define ROUND_NS (100 * MS)
#define GROUND_NS (602 * MS) /* in the recording the job runs only when the hog has done its work */

static void woken(const struct job_tape *tape, uint64_t ts_ns, unsigned cpu, uint32_t by, uint32_t task, uint8_t flags)
{
	struct cgr_event e = { .ts_ns = ts_ns,
		                   .kind = CGR_EV_WAKING,
		                   .cpu = (uint16_t)cpu,
		                   .task = by,
		                   .c = task,
		                   .d = cpu | 120u << 16,
		                   .flags = flags };

	append(tape, e);
	e.kind = CGR_EV_WAKEUP;
	append(tape, e);
}

static void arm(const struct job_tape *tape, uint64_t ts_ns, uint64_t expiry_ns)
{
	append(tape, (struct cgr_event){ .ts_ns = ts_ns,
	                                 .kind = CGR_EV_HRTIMER_START,
	                                 .cpu = 1,
	                                 .task = OTHER,
	                                 .a = expiry_ns,
	                                 .b = expiry_ns,
	                                 .c = CGR_TIMER_HRTIMER_WAKEUP });
	job_switch(tape, ts_ns + 2 * US, 1, OTHER, 1, 0);
}

static void expire(const struct job_tape *tape, uint64_t ts_ns)
{
	append(tape, (struct cgr_event){ .ts_ns = ts_ns,
	                                 .kind = CGR_EV_HRTIMER_EXPIRE,
	                                 .cpu = 1,
	                                 .a = ts_ns,
	                                 .b = ts_ns,
	                                 .c = CGR_TIMER_HRTIMER_WAKEUP,
	                                 .flags = CGR_EVF_HARDIRQ });
	woken(tape, ts_ns, 1, 0, OTHER, CGR_EVF_HARDIRQ);
	job_switch(tape, ts_ns + 5 * US, 1, 0, 0, OTHER);
}

static void exits(const struct job_tape *tape, uint64_t ts_ns, unsigned cpu, uint32_t task)
{
	append(tape,
	       (struct cgr_event){ .ts_ns = ts_ns, .kind = CGR_EV_EXIT, .cpu = (uint16_t)cpu, .task = task, .c = task });
	job_switch(tape, ts_ns, cpu, task, EXIT_DEAD, 0);
}

/* On CPU 0 the job has run for 1 ms when the hog takes it for 600. */
static struct job_tape begin(const char *others_cpus)
{
	struct cgr_store_info info = job_info;
	struct job_tape tape;

	info.cpus = info.online_cpus = 2;
	info.duration_ns = 1000 * MS;
	tape = job_begin(&info);
	job_add(&tape, "/hog", 1002, "0");
	job_add(&tape, "/other", 1003, others_cpus);
	job_switch(&tape, MS, 0, 0, 0, 1);
	return tape;
}

static void hogged(const struct job_tape *tape)
{
	job_switch(tape, 2 * MS, 0, 1, 0, HOG);
}

/* The other waits on CPU 1, 100 ms at a time, for what the job tells it at the end; then it goes, at once or (regular)
 * with its next round. */
static struct cgr_store *told_late(bool regular)
{
	struct job_tape tape = begin("1");
	uint64_t told_ns = GROUND_NS + 8 * MS, at_ns = MS;

	job_switch(&tape, at_ns, 1, 0, 0, OTHER);
	at_ns += 100 * US;
	arm(&tape, at_ns, ROUND_NS);
	hogged(&tape);
	for (unsigned i = 1; i <= 6; i++) {
		expire(&tape, i * ROUND_NS);
		arm(&tape, i * ROUND_NS + 20 * US, (i + 1) * ROUND_NS);
	}
	job_switch(&tape, GROUND_NS, 0, HOG, 1, 1);
	woken(&tape, told_ns, 1, 1, OTHER, 0);
	job_switch(&tape, told_ns + 5 * US, 1, 0, 0, OTHER);
	exits(&tape, told_ns + 10 * US, 0, 1);
	if (regular) {
		arm(&tape, told_ns + 20 * US, 7 * ROUND_NS);
		expire(&tape, 7 * ROUND_NS);
	}
	exits(&tape, (regular ? 7 * ROUND_NS : told_ns) + MS, 1, OTHER);
	return job_end(&tape);
}

static int64_t completion_usec(struct cgr_store *store, const char *path)
{
	struct cgr_result *result = job_replay(store, "/job:cpu.max=max 100000", 1, true);
	int64_t found = job_metric(result, path, "completion_usec");

	cgr_result_free(result);
	return found;
}

/* Half the CPU is the job's now: it is done after 16 ms or a little more. */
static void test_told_earlier(void **state)
{
	(void)state;
	assert_in_range(completion_usec(told_late(false), "/other"), 10000, 30000);
}

static void test_next_round(void **state)
{
	(void)state;
	assert_in_range(completion_usec(told_late(true), "/other"), 99000, 103000);
}

/* With half a hundredth of a CPU the job takes 1.6 s, of which the recording knows six rounds; there are nine more.
 * With a tenth of that it takes 8 s, but for more than a second nobody looks around. */
static void test_told_later(void **state)
{
	static const char *const limit[] = { "/job:cpu.max=max 100000", "/job:cpu.max=1000 200000",
		                                 "/job:cpu.max=1000 1000000" };
	static const int64_t least_usec[] = { 10000, 1300000, 6000000 }, most_usec[] = { 30000, 2000000, 10000000 };
	int64_t usage_usec[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct cgr_result *result = job_replay(told_late(false), limit[i], 1, true);

		usage_usec[i] = job_metric(result, "/other", "cpu.stat.usage_usec");
		assert_in_range(job_metric(result, "/other", "completion_usec"), least_usec[i], most_usec[i]);
		cgr_result_free(result);
	}
	assert_in_range(usage_usec[1] - usage_usec[0], 35, 60);
	assert_in_range(usage_usec[2] - usage_usec[0], 35, 60);
}

/* The rounds beyond the recorded ones are on the same grid, and so is the one after it was told. */
static void test_later_on_grid(void **state)
{
	struct cgr_result *result = job_replay(told_late(true), "/job:cpu.max=1150 200000", 1, true);
	int64_t told_usec = job_metric(result, "/job", "completion_usec");

	(void)state;
	assert_in_range(told_usec, 1210000, 1295000);
	assert_in_range(job_metric(result, "/other", "completion_usec"), 1300500, 1302000);
	cgr_result_free(result);
}

static uint64_t charge(const struct job_tape *tape, uint64_t ts_ns, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		append(tape, (struct cgr_event){ .ts_ns = ts_ns += 100,
		                                 .kind = CGR_EV_CHARGE,
		                                 .cpu = 1,
		                                 .task = OTHER,
		                                 .a = OTHER,
		                                 .b = 1,
		                                 .c = CGR_CHARGE_ANON,
		                                 .d = 1 });
	return ts_ns;
}

/* Where memory.high makes the other sleep from 500 to 650 ms, its wait for 600 does not happen, and it sleeps for
 * memory.high once more. That sleep is no wait that what the job tells it at 690 ms could end. */
static struct cgr_store *late_for_its_wait(void)
{
	struct cgr_store_info info = job_info;
	struct job_tape tape;
	uint64_t at_ns = MS;

	info.kernel_release = "6.1.0";
	info.kernel_version = 6u << 16 | 1 << 8;
	info.cpus = info.online_cpus = 2;
	info.duration_ns = 1000 * MS;
	info.has_memcg_events = true;
	tape = job_begin(&info);
	job_add(&tape, "/hog", 1002, "0");
	job_add(&tape, "/other", 1003, "1");
	job_switch(&tape, MS, 0, 0, 0, 1);
	job_switch(&tape, MS, 1, 0, 0, OTHER);
	for (unsigned i = 1; i <= 6; i++) {
		arm(&tape, at_ns + 20 * US, i * ROUND_NS);
		expire(&tape, i * ROUND_NS);
		at_ns = i * ROUND_NS + 10 * US;
		if (i == 5)
			at_ns = charge(&tape, at_ns, 4160);
		else if (i == 6)
			at_ns = charge(&tape, at_ns, 64);
	}
	arm(&tape, at_ns + 20 * US, 7 * ROUND_NS);
	woken(&tape, 690 * MS, 1, 1, OTHER, 0);
	job_switch(&tape, 690 * MS + 5 * US, 1, 0, 0, OTHER);
	exits(&tape, 690 * MS + 10 * US, 0, 1);
	exits(&tape, 691 * MS, 1, OTHER);
	return job_end(&tape);
}

static void test_other_sleep(void **state)
{
	struct cgr_result *result = job_replay(late_for_its_wait(), "/other:memory.high=16384000", 1, true);

	(void)state;
	assert_in_range(job_metric(result, "/other", "completion_usec"), 800000, 900000);
	cgr_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_told_earlier), cmocka_unit_test(test_next_round),
		                                cmocka_unit_test(test_told_later), cmocka_unit_test(test_later_on_grid),
		                                cmocka_unit_test(test_other_sleep) };

	return cmocka_run_group_tests_name("waits with a timeout", tests, NULL, NULL);
}
