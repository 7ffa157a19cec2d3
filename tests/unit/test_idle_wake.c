/* A task woken on an idle CPU is charged from its wake-up on: that time is not there twice. */
#include "job_store.h"

#define ROUNDS 50u
#define US 1000ull

static void leave(const struct job_tape *tape, uint64_t ts_ns, uint64_t state)
{
	append(tape, (struct cgr_event){ .ts_ns = ts_ns, .kind = CGR_EV_SWITCH, .task = 1, .a = state, .d = PRIO });
}

/* Its timer wakes it; after 15 us the idle CPU has come to itself, 20 us later the kernel charges 35 us, and it sleeps
 * for the rest of 100 us. */
static void round_trip(const struct job_tape *tape, uint64_t ts_ns)
{
	append(tape, (struct cgr_event){
	                 .ts_ns = ts_ns, .kind = CGR_EV_WAKING, .flags = CGR_EVF_HARDIRQ, .c = 1, .d = 120u << 16 });
	append(tape, (struct cgr_event){ .ts_ns = ts_ns + 15 * US, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO });
	append(tape,
	       (struct cgr_event){ .ts_ns = ts_ns + 35 * US, .kind = CGR_EV_RUNTIME, .task = 1, .c = 1, .a = 35 * US });
}

/* The job wakes another one that may run on its CPU alone, and 10 us later begins a program, for which it goes to the
 * second CPU. */
static void exec(const struct job_tape *tape, uint64_t ts_ns)
{
	append(tape, (struct cgr_event){ .ts_ns = ts_ns, .kind = CGR_EV_WAKING, .task = 1, .c = 2, .d = 120u << 16 });
	append(tape, (struct cgr_event){ .ts_ns = ts_ns + 10 * US, .kind = CGR_EV_EXEC, .task = 1 });
	job_exit(tape, ts_ns + 20 * US, 1, 2);
	job_exit(tape, ts_ns + 40 * US, 2, 0);
}

static struct cgr_store *machine(uint32_t cpus)
{
	struct cgr_store_info info = job_info;
	uint64_t end_ns = MS + ROUNDS * 100 * US + 36 * US;
	struct job_tape tape;

	info.cpus = info.online_cpus = cpus;
	tape = job_begin(&info);
	if (cpus == 2)
		job_add(&tape, "/other", 1002, "0");
	append(&tape, (struct cgr_event){ .ts_ns = MS, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO });
	leave(&tape, MS + 36 * US, 1);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		round_trip(&tape, MS + i * 100 * US);
		if (i < ROUNDS)
			leave(&tape, MS + i * 100 * US + 36 * US, 1);
	}
	if (cpus == 1)
		job_exit(&tape, end_ns, 1, 0);
	else
		exec(&tape, end_ns);
	return job_end(&tape);
}

static int64_t metric(uint32_t cpus, const char *path, const char *name)
{
	struct cgr_result *result = job_replay(machine(cpus), "/job:cpu.max=100000 100000", 1, true);
	int64_t found = job_metric(result, path, name);

	cgr_result_free(result);
	return found;
}

static void test_charged_once(void **state)
{
	(void)state;
	assert_in_range(metric(1, "/job", "completion_usec"), 4980, 5090);
	assert_in_range(metric(1, "/job", "wakeup_latency.p50_usec"), 14, 16);
}

/* A CPU whose task went elsewhere was not idle. */
static void test_vacated(void **state)
{
	(void)state;
	assert_in_range(metric(2, "/other", "wakeup_latency.p50_usec"), 9, 11);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_charged_once), cmocka_unit_test(test_vacated) };

	return cmocka_run_group_tests_name("idle wake-ups", tests, NULL, NULL);
}
