/* Who has been throttled for long finds cold caches, in the recording as in the what-if. */
#include "common/util.h"
#include "job_store.h"

#define COLD 300 /* usec, the first seed's */

static struct job_tape begin(uint64_t duration_ns, bool limited)
{
	struct cgr_store_info info = job_info;
	struct cgr_error error = { 0 };
	struct job_tape tape;

	info.duration_ns = (int64_t)duration_ns;
	tape = job_begin(&info);
	if (limited)
		assert_int_equal(
		    cgr_writer_add_knob(tape.writer, 1, "cpu.max", 0, 20000, 100000, "20000 100000", "start", NULL, &error), 0);
	return tape;
}

/* A hundred milliseconds of work, of which the job looks at its CPU clock each millisecond, or never does. */
static struct cgr_store *unlimited(bool by_clock)
{
	struct job_tape tape = begin(110 * MS, false);

	job_switch(&tape, 1, 0, 0, 0, 1);
	for (unsigned i = 1; i < 100; i++)
		append(&tape, (struct cgr_event){ .ts_ns = i * MS,
		                                  .kind = CGR_EV_RUNTIME,
		                                  .flags = by_clock ? 0 : CGR_EVF_HARDIRQ,
		                                  .task = 1,
		                                  .c = 1,
		                                  .a = MS });
	job_exit(&tape, 100 * MS, 1, 0);
	return job_end(&tape);
}

/* The same in five periods of a limit; meanwhile the CPU is idle, or a neighbour has it. */
static struct cgr_store *limited(bool neighbour)
{
	struct job_tape tape = begin(430 * MS, true);
	uint32_t other = neighbour ? 2 : 0;

	job_add(&tape, "/neighbour", 1002, "0");
	for (unsigned i = 0; i < 5; i++) {
		job_switch(&tape, 1 + i * 100 * MS, 0, i ? other : 0, 0, 1);
		if (i < 4)
			job_switch(&tape, (i * 100 + 20) * MS, 0, 1, 0, other);
	}
	job_exit(&tape, 420 * MS, 1, other);
	return job_end(&tape);
}

/* 36 ms of work in bursts of a fifth of a millisecond, a millisecond of sleep after each. */
static struct cgr_store *bursts(void)
{
	struct job_tape tape = begin(300 * MS, false);
	uint64_t at = MS;

	job_switch(&tape, at, 0, 0, 0, 1);
	for (unsigned i = 1; i < 180; i++) {
		struct cgr_event timer = { .ts_ns = at + MS / 5, .kind = CGR_EV_HRTIMER_START, .task = 1, .b = 0x55 };
		struct cgr_event woken = { .kind = CGR_EV_WAKING, .c = 1, .d = 120u << 16, .flags = CGR_EVF_HARDIRQ };

		timer.a = at + MS / 5 + MS;
		timer.c = CGR_TIMER_HRTIMER_WAKEUP;
		append(&tape, timer);
		job_switch(&tape, at + MS / 5, 0, 1, 1, 0);
		at += MS / 5 + MS;
		timer = (struct cgr_event){ .ts_ns = at, .kind = CGR_EV_HRTIMER_EXPIRE, .a = at, .b = 0x55 };
		timer.c = CGR_TIMER_HRTIMER_WAKEUP;
		timer.flags = CGR_EVF_HARDIRQ;
		append(&tape, timer);
		woken.ts_ns = at;
		append(&tape, woken);
		woken.kind = CGR_EV_WAKEUP;
		append(&tape, woken);
		job_switch(&tape, at, 0, 0, 0, 1);
	}
	job_exit(&tape, at + MS / 5, 1, 0);
	return job_end(&tape);
}

static int64_t usage(struct cgr_store *store, const char *limit)
{
	struct cgr_result *result = job_replay(store, limit, 1, true);
	int64_t found = job_metric(result, "/job", "cpu.stat.usage_usec");

	cgr_result_free(result);
	return found;
}

static void test_throttled(void **state)
{
	int64_t warm = usage(unlimited(false), "/job:cpu.max=max"), cold;

	(void)state;
	assert_in_range(warm, 99900, 100100);
	cold = usage(unlimited(false), "/job:cpu.max=20000 100000");
	assert_in_range(cold - warm, 4 * COLD, 5 * COLD + 100);
	/* a pause of less than a millisecond leaves the caches alone, and of ten but the tick's overrun makes a longer one
	 */
	assert_in_range(usage(unlimited(false), "/job:cpu.max=9500 10000") - warm, 0, COLD + 100);
}

static void test_recorded(void **state)
{
	(void)state;
	assert_in_range(usage(limited(false), "/job:cpu.max=max"), 100000 - 4 * COLD - 100, 100000 - 4 * COLD + 100);
	assert_in_range(usage(limited(false), "/job:cpu.max=20000 100000"), 99700, 100300);
}

/* Next to a neighbour the recording does not tell cold caches from a wait for the CPU: they are in the recorded times,
 * and are not charged again. */
static void test_neighbour(void **state)
{
	(void)state;
	assert_in_range(usage(limited(true), "/job:cpu.max=20000 100000"), 99700, 100300);
	assert_in_range(usage(limited(true), "/job:cpu.max=max"), 99700, 100300);
}

/* Who is throttled in the middle of what cold caches slow down is slowed down by a quarter, and not by a quarter of
 * that again. */
static void test_again(void **state)
{
	int64_t warm = usage(bursts(), "/job:cpu.max=max");

	(void)state;
	assert_in_range(usage(bursts(), "/job:cpu.max=1000 20000") - warm, warm / 5, warm / 4 + 100);
}

/* A program that works until its clock has advanced by so much does less instead. */
static void test_by_clock(void **state)
{
	int64_t warm = usage(unlimited(true), "/job:cpu.max=max"), cold;

	(void)state;
	cold = usage(unlimited(true), "/job:cpu.max=20000 100000");
	assert_in_range(cold, warm, warm + COLD);
}

/* Two tasks of one process, or of two, that a limit lets go at once on one CPU; their work is 50 ms each. */
static struct cgr_store *pair(bool threads)
{
	struct job_tape tape = begin(110 * MS, false);
	struct cgr_store_task task = { .tid = 1002,
		                           .tgid = threads ? 1001 : 1002,
		                           .comm = "job",
		                           .start_ns = -1,
		                           .end_ns = INT64_MAX,
		                           .parent = CGR_ID_NONE,
		                           .prio = 120 };
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_add_task(tape.writer, &task, &(uint32_t){ 0 }, &error), 0);
	job_switch(&tape, 1, 0, 0, 0, 1);
	job_switch(&tape, 2, 0, 1, 0, 2);
	for (unsigned i = 1; i < 25; i++)
		job_switch(&tape, i * 4 * MS, 0, i % 2 ? 2 : 1, 0, i % 2 ? 1 : 2);
	append(&tape, (struct cgr_event){ .ts_ns = 98 * MS, .kind = CGR_EV_EXIT, .task = 2, .c = 2 });
	append(&tape,
	       (struct cgr_event){ .ts_ns = 98 * MS, .kind = CGR_EV_SWITCH, .task = 2, .a = EXIT_DEAD, .c = 1, .d = PRIO });
	job_exit(&tape, 100 * MS, 1, 0);
	return job_end(&tape);
}

static void test_threads_share(void **state)
{
	int64_t threads = usage(pair(true), "/job:cpu.max=20000 100000");
	int64_t processes = usage(pair(false), "/job:cpu.max=20000 100000");

	(void)state;
	assert_in_range(processes - threads, 3 * COLD, 5 * COLD + 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_throttled), cmocka_unit_test(test_recorded), cmocka_unit_test(test_neighbour),
		cmocka_unit_test(test_again),     cmocka_unit_test(test_by_clock), cmocka_unit_test(test_threads_share),
	};

	return cmocka_run_group_tests_name("cold caches", tests, NULL, NULL);
}
