/* A task woken on an idle CPU is charged from its wake-up on: that time is not there twice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/util.h"
#include "replay/compile.h"
#include "replay/plan.h"
#include "replay/run.h"
#include "store/store.h"
#include "store/writer.h"

#define MS 1000000ull
#define PRIO (120u | 120u << 16)

#define ROUNDS 50u
#define US 1000ull
#define EXIT_DEAD 0x10

static void append(struct cgr_writer *w, struct cgr_event e)
{
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_append(w, &e, 1, &error), 0);
}

static void write_tables(struct cgr_writer *w, uint32_t cpus)
{
	struct cgr_store_info info = { .kernel_release = "6.18.44",
		                           .kernel_version = 6u << 16 | 18 << 8 | 44,
		                           .hz = 250,
		                           .clock = "mono",
		                           .tool_version = "test",
		                           .source_path = "idle",
		                           .source_digest = "00",
		                           .duration_ns = 10 * MS,
		                           .cpus = cpus,
		                           .online_cpus = cpus,
		                           .cgroup_version = 2,
		                           .has_sched = true };
	struct cgr_store_cgroup job = { .path = "/job",
		                            .born_ns = -1,
		                            .removed_ns = INT64_MAX,
		                            .released_ns = INT64_MAX,
		                            .has_cpu = true,
		                            .has_memory = true,
		                            .recorded = true };
	struct cgr_error error = { 0 };
	uint32_t cgroup;

	assert_int_equal(cgr_writer_set_info(w, &info, &error), 0);
	assert_int_equal(cgr_writer_add_hierarchy(w, 1, 2, "cpu,memory", &error), 0);
	assert_int_equal(cgr_writer_add_cgroup(w, &job, &cgroup, &error), 0);
	struct cgr_store_css_set set = { .cpu_cgroup = cgroup, .memory_cgroup = cgroup };
	struct cgr_store_task task = { .tid = 1001,
		                           .tgid = 1001,
		                           .comm = "job",
		                           .start_ns = -1,
		                           .end_ns = INT64_MAX,
		                           .parent = CGR_ID_NONE,
		                           .prio = 120 };

	assert_int_equal(cgr_writer_add_css_set(w, &set, NULL, 0, &task.css_set, &error), 0);
	assert_int_equal(cgr_writer_add_task(w, &task, &(uint32_t){ 0 }, &error), 0);
	if (cpus == 1)
		return;
	job.path = "/other";
	assert_int_equal(cgr_writer_add_cgroup(w, &job, &cgroup, &error), 0);
	set.cpu_cgroup = set.memory_cgroup = cgroup;
	assert_int_equal(cgr_writer_add_css_set(w, &set, NULL, 0, &task.css_set, &error), 0);
	task.tid = task.tgid = 1002;
	task.cpus_allowed = "0";
	assert_int_equal(cgr_writer_add_task(w, &task, &(uint32_t){ 0 }, &error), 0);
}

static void leave(struct cgr_writer *w, uint64_t ts_ns, uint64_t state)
{
	append(w, (struct cgr_event){ .ts_ns = ts_ns, .kind = CGR_EV_SWITCH, .task = 1, .a = state, .d = PRIO });
}

/* Its timer wakes it; after 15 us the idle CPU has come to itself, 20 us later the kernel charges 35 us, and it sleeps
 * for the rest of 100 us. */
static void round_trip(struct cgr_writer *w, uint64_t ts_ns)
{
	append(w, (struct cgr_event){
	              .ts_ns = ts_ns, .kind = CGR_EV_WAKING, .flags = CGR_EVF_HARDIRQ, .c = 1, .d = 120u << 16 });
	append(w, (struct cgr_event){ .ts_ns = ts_ns + 15 * US, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO });
	append(w, (struct cgr_event){ .ts_ns = ts_ns + 35 * US, .kind = CGR_EV_RUNTIME, .task = 1, .c = 1, .a = 35 * US });
}

/* The job wakes another one that may run on its CPU alone, and 10 us later begins a program, for which it goes to the
 * second CPU. */
static void exec(struct cgr_writer *w, uint64_t ts_ns)
{
	append(w, (struct cgr_event){ .ts_ns = ts_ns, .kind = CGR_EV_WAKING, .task = 1, .c = 2, .d = 120u << 16 });
	append(w, (struct cgr_event){ .ts_ns = ts_ns + 10 * US, .kind = CGR_EV_EXEC, .task = 1 });
	append(w, (struct cgr_event){ .ts_ns = ts_ns + 20 * US, .kind = CGR_EV_EXIT, .task = 1, .c = 1 });
	append(w, (struct cgr_event){
	              .ts_ns = ts_ns + 20 * US, .kind = CGR_EV_SWITCH, .task = 1, .a = EXIT_DEAD, .c = 2, .d = PRIO });
	append(w, (struct cgr_event){ .ts_ns = ts_ns + 40 * US, .kind = CGR_EV_EXIT, .task = 2, .c = 2 });
	append(w,
	       (struct cgr_event){ .ts_ns = ts_ns + 40 * US, .kind = CGR_EV_SWITCH, .task = 2, .a = EXIT_DEAD, .d = PRIO });
}

static struct cgr_store *machine(uint32_t cpus)
{
	char path[] = "/tmp/cgr-test-idle-XXXXXX";
	struct cgr_writer *w = NULL;
	struct cgr_store *store = NULL;
	struct cgr_error error = { 0 };
	uint64_t end_ns = MS + ROUNDS * 100 * US + 36 * US;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(cgr_writer_new(path, 0, &w, &error), 0);
	write_tables(w, cpus);
	append(w, (struct cgr_event){ .ts_ns = MS, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO });
	leave(w, MS + 36 * US, 1);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		round_trip(w, MS + i * 100 * US);
		if (i < ROUNDS)
			leave(w, MS + i * 100 * US + 36 * US, 1);
	}
	if (cpus == 1) {
		append(w, (struct cgr_event){ .ts_ns = end_ns, .kind = CGR_EV_EXIT, .task = 1, .c = 1 });
		leave(w, end_ns, EXIT_DEAD);
	} else {
		exec(w, end_ns);
	}
	assert_int_equal(cgr_writer_commit(w, &error), 0);
	cgr_writer_free(w);
	assert_int_equal(cgr_store_open(path, &store, &error), 0);
	unlink(path);
	return store;
}

static int64_t metric(uint32_t cpus, const char *path, const char *name)
{
	struct cgr_run_options options = { .threads = 1, .with_recorder = true };
	struct cgr_store *store = machine(cpus);
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_result *result = NULL;
	struct cgr_error error = { 0 };
	int64_t found = -1;

	assert_int_equal(cgr_scenario_init(&scenario, "idle", &error), 0);
	scenario.seeds = 1;
	scenario.until_done = true;
	assert_int_equal(cgr_scenario_set(&scenario, "/job:cpu.max=100000 100000", &error), 0);
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	assert_int_equal(cgr_replay(store, programs, &scenario, &options, &result, &error), 0);
	for (size_t i = 0; i < result->metrics; i++) {
		const struct cgr_result_metric *m = &result->metric[i];

		if (strcmp(result->cgroup_path[m->cgroup], path) == 0 && strcmp(result->metric_desc[m->metric].name, name) == 0)
			found = m->predicted;
	}
	cgr_result_free(result);
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	cgr_store_free(store);
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
