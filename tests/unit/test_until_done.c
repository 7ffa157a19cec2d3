/* --until done: a cgroup's counters are those at the end of its last task, whatever goes on elsewhere. */
#include "job_store.h"
#include "replay/plan.h"

/* Task 1 of /job works on CPU 0, task 2 of the root on CPU 1; both exit. */
static const uint64_t work_ns[] = { 0, 25 * MS, 200 * MS };

/* /job/old, and task 2 */
static void add_tables(struct cgr_writer *w)
{
	struct cgr_store_cgroup old = { .path = "/job/old",
		                            .parent = 1,
		                            .born_ns = -1,
		                            .removed_ns = INT64_MAX,
		                            .released_ns = INT64_MAX,
		                            .has_cpu = true,
		                            .has_memory = true,
		                            .recorded = true };
	struct cgr_store_css_set root = { 0 };
	struct cgr_store_task task = { .tid = 1002,
		                           .tgid = 1002,
		                           .comm = "job",
		                           .start_ns = -1,
		                           .end_ns = INT64_MAX,
		                           .parent = CGR_ID_NONE,
		                           .prio = 120 };
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_add_cgroup(w, &old, &(uint32_t){ 0 }, &error), 0);
	assert_int_equal(cgr_writer_add_css_set(w, &root, NULL, 0, &task.css_set, &error), 0);
	assert_int_equal(cgr_writer_add_task(w, &task, &(uint32_t){ 0 }, &error), 0);
}

static void life(const struct job_tape *tape, uint32_t task)
{
	struct cgr_event e = { .ts_ns = MS + work_ns[task], .task = task, .cpu = (uint16_t)(task - 1), .c = task };

	e.kind = CGR_EV_RUNTIME;
	e.a = work_ns[task];
	append(tape, e);
	e.kind = CGR_EV_EXIT;
	e.a = 0;
	append(tape, e);
	e.kind = CGR_EV_SWITCH;
	e.a = EXIT_DEAD;
	e.c = 0;
	e.d = PRIO;
	append(tape, e);
}

static struct cgr_store *machine(void)
{
	struct cgr_event memory = { .ts_ns = MS, .task = 1, .a = 2, .b = 8, .c = CGR_CHARGE_FILE, .d = 8 };
	struct cgr_event gone = { .ts_ns = 30 * MS, .task = 2, .cpu = 1, .kind = CGR_EV_CGROUP_RMDIR, .a = 2, .b = 1 };
	struct cgr_store_info info = job_info;
	struct job_tape tape;

	info.duration_ns = 210 * MS;
	info.cpus = info.online_cpus = 2;
	tape = job_begin(&info);
	add_tables(tape.writer);
	for (uint32_t i = 1; i <= 2; i++)
		append(&tape,
		       (struct cgr_event){ .ts_ns = MS, .kind = CGR_EV_SWITCH, .cpu = (uint16_t)(i - 1), .c = i, .d = PRIO });
	memory.kind = CGR_EV_CHARGE;
	append(&tape, memory);
	life(&tape, 1);
	/* the directory goes, half of the page cache goes later, the rest never */
	append(&tape, gone);
	memory = (struct cgr_event){ .ts_ns = 40 * MS, .task = 2, .cpu = 1, .a = 2, .b = 4, .c = CGR_CHARGE_FILE, .d = 4 };
	memory.kind = CGR_EV_UNCHARGE;
	append(&tape, memory);
	life(&tape, 2);
	return job_end(&tape);
}

static int64_t metric(bool until_done, const char *path, const char *name)
{
	struct cgr_run_options options = { .threads = 1 };
	struct cgr_store *store = machine();
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_result *result = NULL;
	struct cgr_error error = { 0 };
	int64_t found;

	assert_int_equal(cgr_scenario_init(&scenario, "done", &error), 0);
	scenario.seeds = 1;
	scenario.until_done = until_done;
	assert_int_equal(cgr_scenario_set(&scenario, "/job:cpu.max=20000 10000", &error), 0);
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	assert_int_equal(cgr_replay(store, programs, &scenario, &options, &result, &error), 0);
	found = job_metric(result, path, name);
	cgr_result_free(result);
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	cgr_store_free(store);
	return found;
}

/* 25 ms of work see two periods of 10 ms end, three at most; the timer itself goes on for two more. */
static void test_until_done(void **state)
{
	int64_t done = metric(true, "/job", "cpu.stat.nr_periods");
	int64_t recorded_end = metric(false, "/job", "cpu.stat.nr_periods");

	(void)state;
	assert_in_range(done, 2, 3);
	assert_in_range(recorded_end - done, 1, 2);
}

/* What is freed of a removed cgroup does not bring it back with nothing charged; the one above says what it still pins.
 */
static void test_removed(void **state)
{
	(void)state;
	assert_int_equal(metric(false, "/job/old", "memory.current"), 4 << 12);
	assert_int_equal(metric(false, "/job", "cgroup.stat.nr_dying_descendants"), 1);
	assert_int_equal(metric(false, "/job", "memory.dying_bytes"), 4 << 12);
}

static uint64_t throttled_ns(const struct cgr_whatif *plan, const struct cgr_programs *programs, uint64_t sample_ns)
{
	struct cgr_engine_config config = { .store = plan->store,
		                                .programs = programs,
		                                .cpu = plan->cpu,
		                                .cpu_param = plan->cpu_param,
		                                .knob = plan->knob,
		                                .knobs = plan->knobs,
		                                .cpus = plan->cpus,
		                                .seed = plan->seed,
		                                .until_done = true,
		                                .sample_ns = sample_ns };
	struct cgr_engine_output output = { 0 };
	struct cgr_error error = { 0 };
	uint64_t ns;

	assert_int_equal(cgr_engine_run(&config, &output, &error), 0);
	ns = output.task[1].throttled_ns;
	cgr_engine_output_fini(&output);
	return ns;
}

/* A used-up quota is seen at the tick, however often a chart asks for points. */
static void test_looking(void **state)
{
	struct cgr_store *store = machine();
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_whatif plan = { 0 };
	struct cgr_error error = { 0 };

	(void)state;
	assert_int_equal(cgr_scenario_init(&scenario, "looking", &error), 0);
	assert_int_equal(cgr_scenario_set(&scenario, "/job:cpu.max=7000 50000", &error), 0);
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	assert_int_equal(cgr_whatif_make(store, &scenario, &plan, &error), 0);
	assert_true(throttled_ns(&plan, programs, 0) > 0);
	assert_int_equal(throttled_ns(&plan, programs, MS / 2), throttled_ns(&plan, programs, 0));
	cgr_whatif_fini(&plan);
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	cgr_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_until_done), cmocka_unit_test(test_looking),
		                                cmocka_unit_test(test_removed) };

	return cmocka_run_group_tests_name("until done", tests, NULL, NULL);
}
