/* Timers that ring again and again, and a program that was held up when it was recorded. */
#include "job_store.h"

#include "common/event.h"

#define US 1000ull
#define HOG 2u
#define GRID_NS (10 * MS)
#define REGULAR 10u /* rounds on time, */
#define LATE 20u /* and such of five times gone by */
#define TIMER 0x77u

struct round {
	uint64_t at_ns, work_ns;
	uint32_t function;
};

static void timer(const struct job_tape *tape, uint64_t ts_ns, uint32_t task, uint8_t kind, uint64_t a,
                  uint32_t function)
{
	append(tape, (struct cgr_event){ .ts_ns = ts_ns,
	                                 .kind = kind,
	                                 .task = task,
	                                 .a = a,
	                                 .b = TIMER,
	                                 .c = function,
	                                 .flags = kind == CGR_EV_HRTIMER_EXPIRE ? CGR_EVF_HARDIRQ : 0 });
}

static void wake(const struct job_tape *tape, uint64_t ts_ns, uint32_t by)
{
	struct cgr_event e = {
		.ts_ns = ts_ns, .kind = CGR_EV_WAKING, .task = by, .c = 1, .d = 120u << 16, .flags = CGR_EVF_HARDIRQ
	};

	append(tape, e);
	e.kind = CGR_EV_WAKEUP;
	append(tape, e);
}

/* It consumes the expiry, which arms the timer for the next time to come, and works. */
static void consume(const struct job_tape *tape, const struct round *round)
{
	uint64_t next_ns = (round->at_ns / GRID_NS + 1) * GRID_NS;

	timer(tape, round->at_ns, 1, CGR_EV_HRTIMER_START, next_ns, round->function);
}

static struct cgr_store *recorded(uint32_t function, bool works_off_all)
{
	struct cgr_store_info info = job_info;
	struct round round = { .at_ns = MS, .work_ns = MS, .function = function };
	struct job_tape tape;

	info.duration_ns = 1300 * MS;
	tape = job_begin(&info);
	job_add(&tape, "/hog", 1002, "0");
	job_switch(&tape, round.at_ns, 0, 0, 0, 1);
	consume(&tape, &round);
	for (unsigned i = 1; i <= REGULAR; i++) {
		job_switch(&tape, round.at_ns + round.work_ns, 0, 1, 1, 0);
		timer(&tape, i * GRID_NS, 0, CGR_EV_HRTIMER_EXPIRE, i * GRID_NS, function);
		wake(&tape, i * GRID_NS + US, 0);
		round.at_ns = i * GRID_NS + 5 * US;
		job_switch(&tape, round.at_ns, 0, 0, 0, 1);
		consume(&tape, &round);
	}
	for (unsigned i = 0; i < LATE; i++) { /* the hog takes the CPU until long after the next expiry */
		uint64_t due_ns = (round.at_ns / GRID_NS + 1) * GRID_NS;

		job_switch(&tape, round.at_ns + round.work_ns, 0, 1, 0, HOG);
		timer(&tape, due_ns, HOG, CGR_EV_HRTIMER_EXPIRE, due_ns, function);
		round.at_ns = (REGULAR + 5 * (i + 1)) * GRID_NS + (1 + i % 5) * 200 * US;
		round.work_ns = works_off_all ? 5 * MS : MS;
		job_switch(&tape, round.at_ns, 0, HOG, 0, 1);
		consume(&tape, &round);
	}
	job_exit(&tape, round.at_ns + round.work_ns, 1, HOG);
	return job_end(&tape);
}

static int64_t completion_usec(uint32_t function, bool works_off_all)
{
	struct cgr_result *result = job_replay(recorded(function, works_off_all), "/hog:cpu.weight=1", 1, true);
	int64_t found = job_metric(result, "/job", "completion_usec");

	cgr_result_free(result);
	return found;
}

/* Signals that come while one is pending are one: thirty of them take 300 ms when nobody holds the program up. */
static void test_signals(void **state)
{
	(void)state;
	assert_in_range(completion_usec(CGR_TIMER_ITIMER, false), 290000, 320000);
	assert_in_range(completion_usec(CGR_TIMER_POSIX, false), 290000, 320000);
}

/* Who works off all the times that have gone by needs them to go by, also where he does as much by signals. */
static void test_all_times(void **state)
{
	(void)state;
	assert_in_range(completion_usec(CGR_TIMER_TIMERFD, true), 1060000, 1130000);
	assert_in_range(completion_usec(CGR_TIMER_POSIX, true), 1060000, 1130000);
}

/* A timerfd whose count nobody looks at. */
static void test_count_ignored(void **state)
{
	(void)state;
	assert_in_range(completion_usec(CGR_TIMER_TIMERFD, false), 290000, 320000);
}

static void wake_first(const struct job_tape *tape, uint64_t ts_ns)
{
	struct cgr_event e = { .ts_ns = ts_ns, .kind = CGR_EV_WAKING, .task = 2, .c = 1, .d = 120u << 16 };

	append(tape, e);
	e.kind = CGR_EV_WAKEUP;
	append(tape, e);
}

/* The job waits twice for another one, whom a hog keeps off the CPU for nearly a second, and its alarm of one second
 * goes off in the second wait. */
static struct cgr_store *alarmed(void)
{
	struct cgr_store_info info = job_info;
	struct job_tape tape;

	info.duration_ns = 1020 * MS;
	tape = job_begin(&info);
	job_add(&tape, "/other", 1002, NULL);
	job_add(&tape, "/hog", 1003, NULL);
	job_switch(&tape, MS, 0, 0, 0, 1);
	timer(&tape, MS, 1, CGR_EV_HRTIMER_START, 1001 * MS, CGR_TIMER_ITIMER);
	job_switch(&tape, 2 * MS, 0, 1, 1, 2);
	job_switch(&tape, 12 * MS, 0, 2, 0, 3);
	job_switch(&tape, 990 * MS, 0, 3, 0, 2);
	wake_first(&tape, 990 * MS + 500 * US);
	job_switch(&tape, 991 * MS, 0, 2, 0, 1);
	job_switch(&tape, 992 * MS, 0, 1, 1, 2);
	timer(&tape, 1001 * MS, 2, CGR_EV_HRTIMER_EXPIRE, 1001 * MS, CGR_TIMER_ITIMER);
	wake(&tape, 1001 * MS + US, 2);
	job_switch(&tape, 1001 * MS + 5 * US, 0, 2, 0, 1);
	job_switch(&tape, 1002 * MS, 0, 1, 1, 2);
	wake_first(&tape, 1010 * MS);
	job_exit(&tape, 1011 * MS, 2, 1);
	job_exit(&tape, 1012 * MS, 1, 3);
	return job_end(&tape);
}

static void test_alarm(void **state)
{
	struct cgr_result *result = job_replay(alarmed(), "/hog:cpu.weight=1", 1, true);

	(void)state;
	assert_in_range(job_metric(result, "/job", "completion_usec"), 30000, 120000);
	cgr_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),
		cmocka_unit_test(test_all_times),
		cmocka_unit_test(test_count_ignored),
		cmocka_unit_test(test_alarm),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
