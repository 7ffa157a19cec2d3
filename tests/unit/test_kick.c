/* When an idle CPU is told to take a task off a busy one. */
#include "common/util.h"
#include "job_store.h"

static void turn(const struct job_tape *tape, uint64_t ts_ns, uint16_t cpu, uint32_t prev, uint32_t next)
{
	append(tape,
	       (struct cgr_event){ .ts_ns = ts_ns, .cpu = cpu, .kind = CGR_EV_SWITCH, .task = prev, .c = next, .d = PRIO });
}

static void leave(const struct job_tape *tape, uint64_t ts_ns, uint16_t cpu, uint32_t task, uint32_t next)
{
	append(tape, (struct cgr_event){ .ts_ns = ts_ns, .cpu = cpu, .kind = CGR_EV_EXIT, .task = task, .c = task });
	append(tape,
	       (struct cgr_event){
	           .ts_ns = ts_ns, .cpu = cpu, .kind = CGR_EV_SWITCH, .task = task, .a = EXIT_DEAD, .c = next, .d = PRIO });
}

/* Tasks 1 and 2 take turns on CPU 0, 60 ms each; CPU 1 is busy with task 3 for 30 ms. */
static struct cgr_store *two_on_one(void)
{
	struct cgr_store_info info = job_info;
	struct job_tape tape;

	info.cpus = info.online_cpus = 2;
	info.duration_ns = 130 * MS;
	tape = job_begin(&info);
	job_add(&tape, "/job2", 1002, NULL);
	job_add(&tape, "/other", 1003, NULL);
	turn(&tape, 1, 0, 0, 1);
	turn(&tape, 1, 1, 0, 3);
	for (uint64_t at = 4; at < 120; at += 4) {
		turn(&tape, at * MS, 0, at % 8 ? 1 : 2, at % 8 ? 2 : 1);
		if (at == 28)
			leave(&tape, 30 * MS, 1, 3, 0);
	}
	leave(&tape, 120 * MS, 0, 2, 1);
	leave(&tape, 120 * MS, 0, 1, 0);
	return job_end(&tape);
}

/* The tick that tells CPU 1 makes CPU 0 switch first: the task that could be taken has just run, and is too hot until
 * that has failed twice (cache_nice_tries). Taken at once, both would be done by 77 ms. */
static void test_hot_after_tick(void **state)
{
	struct cgr_result *result = job_replay_with(two_on_one(), "eevdf.newidle_ratio=0", "/job:cpu.max=max", 1, true);
	int64_t both =
	    CGR_MAX(job_metric(result, "/job", "completion_usec"), job_metric(result, "/job2", "completion_usec"));

	(void)state;
	assert_in_range(both, 78000, 84000);
	cgr_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_hot_after_tick) };

	return cmocka_run_group_tests_name("kicks", tests, NULL, NULL);
}
