/* A memory cgroup outlives its directory: what is still charged to it stays charged, to it and above it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/util.h"
#include "replay/compile.h"
#include "replay/run.h"
#include "store/store.h"
#include "store/writer.h"

#define MS 1000000ull
#define PRIO (120u | 120u << 16)

enum { ROOT, JOB, INNER, CGROUPS };

static void tell(struct cgr_writer *w, uint64_t ts_ns, enum cgr_event_kind kind, uint64_t a, uint64_t b, uint32_t c,
                 uint64_t d)
{
	struct cgr_event e = { .ts_ns = ts_ns, .kind = (uint8_t)kind, .task = 1, .a = a, .b = b, .c = c, .d = (uint32_t)d };
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_append(w, &e, 1, &error), 0);
}

static void write_tables(struct cgr_writer *w)
{
	struct cgr_store_info info = { .kernel_release = "6.18.44",
		                           .kernel_version = 6u << 16 | 18 << 8 | 44,
		                           .hz = 250,
		                           .clock = "mono",
		                           .tool_version = "test",
		                           .source_path = "dying",
		                           .source_digest = "00",
		                           .duration_ns = 100 * MS,
		                           .cpus = 1,
		                           .online_cpus = 1,
		                           .cgroup_version = 2,
		                           .has_memcg_events = true,
		                           .has_sched = true };
	struct cgr_store_css_set set = { 0 };
	struct cgr_store_task task = { .tid = 1001,
		                           .tgid = 1001,
		                           .comm = "job",
		                           .start_ns = -1,
		                           .end_ns = INT64_MAX,
		                           .parent = CGR_ID_NONE,
		                           .prio = 120 };
	struct cgr_error error = { 0 };
	uint32_t id;

	assert_int_equal(cgr_writer_set_info(w, &info, &error), 0);
	for (uint32_t i = JOB; i < CGROUPS; i++) {
		struct cgr_store_cgroup group = { .path = i == JOB ? "/job" : "/job/inner",
			                              .parent = i - 1,
			                              .born_ns = 2 * MS,
			                              .removed_ns = 50 * MS,
			                              .released_ns = INT64_MAX,
			                              .has_memory = true,
			                              .recorded = true };

		assert_int_equal(cgr_writer_add_cgroup(w, &group, &id, &error), 0);
		assert_int_equal(id, i);
	}
	assert_int_equal(cgr_writer_add_css_set(w, &set, NULL, 0, &task.css_set, &error), 0);
	assert_int_equal(cgr_writer_add_task(w, &task, &(uint32_t){ 0 }, &error), 0);
}

/* Both directories are made, pages are charged to the inner one, both directories go, and some pages go after them. */
static struct cgr_store *machine(void)
{
	char path[] = "/tmp/cgr-test-dying-XXXXXX";
	struct cgr_writer *w = NULL;
	struct cgr_store *store = NULL;
	struct cgr_error error = { 0 };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(cgr_writer_new(path, 0, &w, &error), 0);
	write_tables(w);
	tell(w, MS, CGR_EV_SWITCH, 0, 0, 1, PRIO);
	tell(w, 2 * MS, CGR_EV_CGROUP_MKDIR, JOB, 0, 0, 0);
	tell(w, 3 * MS, CGR_EV_CGROUP_MKDIR, INNER, 0, 0, 0);
	tell(w, 10 * MS, CGR_EV_CHARGE, INNER, 10, CGR_CHARGE_SHMEM, 10);
	tell(w, 11 * MS, CGR_EV_CHARGE, INNER, 4, CGR_CHARGE_KMEM, 4);
	tell(w, 49 * MS, CGR_EV_CGROUP_RMDIR, INNER, 0, 0, 0);
	tell(w, 50 * MS, CGR_EV_CGROUP_RMDIR, JOB, 0, 0, 0);
	tell(w, 60 * MS, CGR_EV_CHARGE, INNER, 2, CGR_CHARGE_KMEM, 2);
	tell(w, 61 * MS, CGR_EV_UNCHARGE, JOB, 1, CGR_CHARGE_KMEM, 1);
	tell(w, 62 * MS, CGR_EV_UNCHARGE, INNER, 3, CGR_CHARGE_SHMEM, 3);
	tell(w, 90 * MS, CGR_EV_RUNTIME, 89 * MS, 0, 1, 0);
	tell(w, 90 * MS, CGR_EV_SWITCH, 0x10, 0, 0, PRIO);
	assert_int_equal(cgr_writer_commit(w, &error), 0);
	cgr_writer_free(w);
	assert_int_equal(cgr_store_open(path, &store, &error), 0);
	unlink(path);
	return store;
}

static int64_t metric(const struct cgr_result *result, const char *path, const char *name)
{
	for (size_t i = 0; i < result->metrics; i++)
		if (strcmp(result->cgroup_path[result->metric[i].cgroup], path) == 0 &&
		    strcmp(result->metric_desc[result->metric[i].metric].name, name) == 0)
			return result->metric[i].predicted;
	return -1;
}

/* Without a kept count the model's own invariant breaks: what a cgroup holds is in the counters above it. */
static void pages_of_a_removed_cgroup(void **state)
{
	struct cgr_run_options options = { .threads = 1 };
	struct cgr_store *store = machine();
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_result *result = NULL;
	struct cgr_error error = { 0 };
	char message[400] = "";

	(void)state;
	assert_int_equal(cgr_scenario_init(&scenario, "dying", &error), 0);
	scenario.seeds = 1;
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	if (cgr_replay(store, programs, &scenario, &options, &result, &error) < 0)
		cgr_error_format(&error, message, sizeof message);
	assert_string_equal(message, "");
	assert_int_equal(metric(result, "/job/inner", "memory.stat.shmem"), 7 * 4096);
	assert_int_equal(metric(result, "/job/inner", "memory.current"), 7 * 4096);
	assert_in_range(metric(result, "/job", "memory.current"), 7 * 4096, 7 * 4096 + 64 * 4096);
	cgr_result_free(result);
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	cgr_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(pages_of_a_removed_cgroup) };

	return cmocka_run_group_tests_name("dying cgroups", tests, NULL, NULL);
}
