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

static void wake_task(const struct job_tape *tape, uint64_t ts_ns, uint32_t by, uint32_t task)
{
	struct cgr_event e = {
		.ts_ns = ts_ns, .kind = CGR_EV_WAKING, .task = by, .c = task, .d = 120u << 16, .flags = CGR_EVF_HARDIRQ
	};

	append(tape, e);
	e.kind = CGR_EV_WAKEUP;
	append(tape, e);
}

static void wake(const struct job_tape *tape, uint64_t ts_ns, uint32_t by)
{
	wake_task(tape, ts_ns, by, 1);
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

static int64_t job_completion(struct cgr_store *store, const char *what_if)
{
	struct cgr_result *result = job_replay(store, what_if, 1, true);
	int64_t found = job_metric(result, "/job", "completion_usec");

	cgr_result_free(result);
	return found;
}

static int64_t completion_usec(uint32_t function, bool works_off_all)
{
	return job_completion(recorded(function, works_off_all), "/hog:cpu.weight=1");
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

/* Thirty rounds of a timer of a clock that is ahead of the trace's. */
static struct cgr_store *rounds(uint64_t ahead_ns, uint32_t function)
{
	struct cgr_store_info info = job_info;
	struct job_tape tape;
	uint64_t at_ns = MS;

	info.duration_ns = 400 * MS;
	tape = job_begin(&info);
	job_add(&tape, "/hog", 1002, "0");
	job_switch(&tape, at_ns, 0, 0, 0, 1);
	timer(&tape, at_ns, 1, CGR_EV_HRTIMER_START, GRID_NS + ahead_ns, function);
	for (unsigned i = 1; i <= 30; i++) {
		job_switch(&tape, at_ns + MS, 0, 1, 1, 0);
		timer(&tape, i * GRID_NS, 0, CGR_EV_HRTIMER_EXPIRE, i * GRID_NS + ahead_ns, function);
		wake(&tape, i * GRID_NS + US, 0);
		at_ns = i * GRID_NS + 5 * US;
		job_switch(&tape, at_ns, 0, 0, 0, 1);
		timer(&tape, at_ns, 1, CGR_EV_HRTIMER_START, (i + 1) * GRID_NS + ahead_ns, function);
	}
	job_exit(&tape, at_ns + MS, 1, 0);
	return job_end(&tape);
}

/* CLOCK_REALTIME is no sleep of half a century. */
static void test_other_clock(void **state)
{
	static const uint64_t ahead_ns[] = { 0, 5000 * MS, 1700000000000000000ull };
	static const uint32_t function[] = { CGR_TIMER_TIMERFD, CGR_TIMER_POSIX };

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct cgr_store *store = rounds(ahead_ns[i / 2], function[i % 2]);

		assert_in_range(job_completion(store, "/hog:cpu.weight=1"), 298000, 302000);
	}
}

/* KTIME_MAX, before the timer has ever rung and after; and a time before the trace began. */
static void test_never(void **state)
{
	static const uint64_t expiry[] = { INT64_MAX, INT64_MAX, 1, (uint64_t)INT64_MIN, INT64_MAX, INT64_MAX, 7 };
	struct cgr_store_info info = job_info;
	struct job_tape tape;

	(void)state;
	info.duration_ns = 100 * MS;
	tape = job_begin(&info);
	job_add(&tape, "/hog", 1002, "0");
	job_switch(&tape, MS, 0, 0, 0, 1);
	for (unsigned i = 0; i < sizeof expiry / sizeof *expiry; i++) {
		timer(&tape, (10 + 2 * i) * MS, 1, CGR_EV_HRTIMER_START, expiry[i], CGR_TIMER_TIMERFD);
		timer(&tape, (11 + 2 * i) * MS, 1, CGR_EV_HRTIMER_EXPIRE, expiry[i], CGR_TIMER_TIMERFD);
	}
	job_exit(&tape, 60 * MS, 1, 0);
	assert_in_range(job_completion(job_end(&tape), "/job:cpu.max=1000 20000"), 1000000, 1600000);
}

/* /job waits in epoll for a timer that another one arms after 20 ms of work. */
static struct cgr_store *armed_by_another(void)
{
	struct cgr_store_info info = job_info;
	struct job_tape tape;

	info.duration_ns = 600 * MS;
	tape = job_begin(&info);
	job_add(&tape, "/armer", 1002, NULL);
	job_switch(&tape, MS, 0, 0, 0, 1);
	job_switch(&tape, MS + 100 * US, 0, 1, 1, 0);
	for (unsigned i = 0; i < 10; i++) {
		uint64_t at_ns = (10 + i * 50) * MS, due_ns = at_ns + 25 * MS;

		job_switch(&tape, at_ns, 0, 0, 0, 2);
		timer(&tape, at_ns + 20 * MS, 2, CGR_EV_HRTIMER_START, due_ns, CGR_TIMER_TIMERFD);
		job_switch(&tape, at_ns + 21 * MS, 0, 2, 1, 0);
		timer(&tape, due_ns, 0, CGR_EV_HRTIMER_EXPIRE, due_ns, CGR_TIMER_TIMERFD);
		wake(&tape, due_ns + US, 0);
		job_switch(&tape, due_ns + 5 * US, 0, 0, 0, 1);
		if (i < 9)
			job_switch(&tape, due_ns + MS, 0, 1, 1, 0);
	}
	job_exit(&tape, 510 * MS, 1, 0);
	return job_end(&tape);
}

static void test_armed_by_another(void **state)
{
	(void)state;
	assert_in_range(job_completion(armed_by_another(), "/armer:cpu.weight=100"), 490000, 515000);
}

/* On CPU 1 another one's timer rings every 10 ms. /job sleeps 100 ms by a timer of the wheel, which is over 10 us after
 * each tenth of those, on CPU 0. */
static void aside_round(const struct job_tape *tape, unsigned i)
{
	uint64_t at_ns = i * GRID_NS;
	struct cgr_event e = { .ts_ns = at_ns, .cpu = 1, .task = 2, .a = at_ns, .b = TIMER, .c = CGR_TIMER_TIMERFD };

	e.kind = CGR_EV_HRTIMER_EXPIRE;
	e.flags = CGR_EVF_HARDIRQ;
	append(tape, e);
	e = (struct cgr_event){ .ts_ns = at_ns + US, .cpu = 1, .task = 2, .a = at_ns + GRID_NS, .b = TIMER, .c = e.c };
	e.kind = CGR_EV_HRTIMER_START;
	append(tape, e);
	if (i % 10)
		return;
	e = (struct cgr_event){ .ts_ns = at_ns + 10 * US, .c = 1, .flags = CGR_EVF_HARDIRQ };
	e.kind = CGR_EV_SOFTIRQ_ENTRY;
	append(tape, e);
	wake(tape, at_ns + 10 * US, 0);
	job_switch(tape, at_ns + 15 * US, 0, 0, 0, 1);
	if (i < 50)
		job_switch(tape, at_ns + MS, 0, 1, 1, 0);
}

static struct cgr_store *aside(void)
{
	struct cgr_event arm = { .ts_ns = 2 * MS, .cpu = 1, .task = 2, .a = GRID_NS, .b = TIMER, .c = CGR_TIMER_TIMERFD };
	struct cgr_store_info info = job_info;
	struct job_tape tape;

	info.cpus = info.online_cpus = 2;
	info.duration_ns = 700 * MS;
	tape = job_begin(&info);
	job_add(&tape, "/ticker", 1002, NULL);
	job_switch(&tape, MS, 0, 0, 0, 1);
	job_switch(&tape, MS, 1, 0, 0, 2);
	arm.kind = CGR_EV_HRTIMER_START;
	append(&tape, arm);
	job_switch(&tape, 3 * MS, 0, 1, 1, 0);
	for (unsigned i = 1; i <= 50; i++)
		aside_round(&tape, i);
	job_exit(&tape, 501 * MS, 1, 0);
	return job_end(&tape);
}

static void test_aside(void **state)
{
	(void)state;
	assert_in_range(job_completion(aside(), "/ticker:cpu.weight=100"), 490000, 505000);
}

/* When a process is gone, another one's timer may lie where its timer lay: it does not share its grid. */
static struct cgr_store *at_one_address(void)
{
	struct cgr_store_info info = job_info;
	struct job_tape tape;
	uint64_t at_ns = 321 * MS;

	info.duration_ns = 2000 * MS;
	tape = job_begin(&info);
	job_add(&tape, "/next", 1002, "0");
	job_add(&tape, "/hog", 1003, NULL);
	job_switch(&tape, MS, 0, 0, 0, 1);
	for (unsigned i = 0; i < 300; i++) {
		timer(&tape, (1 + i) * MS + US, 1, CGR_EV_HRTIMER_START, (2 + i) * MS, CGR_TIMER_POSIX);
		timer(&tape, (2 + i) * MS, 1, CGR_EV_HRTIMER_EXPIRE, (2 + i) * MS, CGR_TIMER_POSIX);
	}
	job_exit(&tape, 320 * MS, 1, 0);
	job_switch(&tape, at_ns, 0, 0, 0, 2);
	for (unsigned i = 0; i < 10; i++) { /* it works 10 ms, then waits 40 ms */
		uint64_t due_ns = at_ns + 50 * MS;

		timer(&tape, at_ns, 2, CGR_EV_HRTIMER_START, due_ns, CGR_TIMER_POSIX);
		job_switch(&tape, at_ns + 10 * MS, 0, 2, 1, 0);
		timer(&tape, due_ns, 0, CGR_EV_HRTIMER_EXPIRE, due_ns, CGR_TIMER_POSIX);
		wake_task(&tape, due_ns + US, 0, 2);
		at_ns = due_ns + 5 * US;
		job_switch(&tape, at_ns, 0, 0, 0, 2);
	}
	job_exit(&tape, at_ns + 10 * MS, 2, 0);
	return job_end(&tape);
}

static void test_one_address(void **state)
{
	struct cgr_result *result = job_replay(at_one_address(), "/hog:cpu.weight=1", 1, true);

	(void)state;
	assert_in_range(job_metric(result, "/next", "completion_usec"), 825000, 835000);
	cgr_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_signals),          cmocka_unit_test(test_all_times),
		cmocka_unit_test(test_count_ignored),    cmocka_unit_test(test_alarm),
		cmocka_unit_test(test_other_clock),      cmocka_unit_test(test_never),
		cmocka_unit_test(test_armed_by_another), cmocka_unit_test(test_aside),
		cmocka_unit_test(test_one_address),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
