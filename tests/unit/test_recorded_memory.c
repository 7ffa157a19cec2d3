/* Recorded memory between two samples: as the recorded charges went, and no straight line. */
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
#define MIB (1 << 20)
#define PRIO (120u | 120u << 16)

static struct cgr_error error;

static void append(struct cgr_writer *w, struct cgr_event e)
{
	assert_int_equal(cgr_writer_append(w, &e, 1, &error), 0);
}

static void charge(struct cgr_writer *w, uint64_t at_ms, uint32_t cgroup, enum cgr_event_kind kind, uint64_t pages)
{
	append(w, (struct cgr_event){ .ts_ns = at_ms * MS,
	                              .kind = (uint8_t)kind,
	                              .task = 1,
	                              .a = cgroup,
	                              .b = pages,
	                              .c = CGR_CHARGE_ANON,
	                              .d = (uint32_t)pages });
}

/* /job holds 1 MiB when the recording starts; /job/new is made at 20 ms, takes 8 MiB at 30 ms, frees half at 60 ms. */
static void write_tables(struct cgr_writer *w)
{
	struct cgr_store_info info = { .kernel_release = "6.18.44",
		                           .kernel_version = 6u << 16 | 18 << 8 | 44,
		                           .hz = 250,
		                           .clock = "mono",
		                           .tool_version = "test",
		                           .source_path = "memory",
		                           .source_digest = "00",
		                           .duration_ns = 100 * MS,
		                           .cpus = 1,
		                           .online_cpus = 1,
		                           .cgroup_version = 2,
		                           .has_sched = true };
	struct cgr_store_cgroup job = { .path = "/job",
		                            .born_ns = -1,
		                            .removed_ns = INT64_MAX,
		                            .released_ns = INT64_MAX,
		                            .has_cpu = true,
		                            .has_memory = true,
		                            .recorded = true };
	struct cgr_store_css_set set = { .cpu_cgroup = 1, .memory_cgroup = 1 };
	struct cgr_store_task task = { .tid = 1001,
		                           .tgid = 1001,
		                           .comm = "job",
		                           .start_ns = -1,
		                           .end_ns = INT64_MAX,
		                           .parent = CGR_ID_NONE,
		                           .prio = 120 };

	assert_int_equal(cgr_writer_set_info(w, &info, &error), 0);
	assert_int_equal(cgr_writer_add_hierarchy(w, 1, 2, "cpu,memory", &error), 0);
	assert_int_equal(cgr_writer_add_cgroup(w, &job, &job.parent, &error), 0);
	job.path = "/job/new";
	job.born_ns = 20 * MS;
	assert_int_equal(cgr_writer_add_cgroup(w, &job, &(uint32_t){ 0 }, &error), 0);
	assert_int_equal(cgr_writer_add_css_set(w, &set, NULL, 0, &task.css_set, &error), 0);
	assert_int_equal(cgr_writer_add_task(w, &task, &(uint32_t){ 0 }, &error), 0);
	assert_int_equal(cgr_writer_add_counter(w, 1, "memory.current", 0, MIB, "start", &error), 0);
	assert_int_equal(cgr_writer_add_counter(w, 1, "memory.current", 100 * MS, 5 * MIB + 8192, "end", &error), 0);
	assert_int_equal(cgr_writer_add_counter(w, 2, "memory.current", 50 * MS, 8 * MIB, "sample", &error), 0);
	assert_int_equal(cgr_writer_add_counter(w, 2, "memory.current", 100 * MS, 4 * MIB, "end", &error), 0);
}

static struct cgr_store *machine(void)
{
	char path[] = "/tmp/cgr-test-memory-XXXXXX";
	struct cgr_writer *w = NULL;
	struct cgr_store *store = NULL;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(cgr_writer_new(path, 0, &w, &error), 0);
	write_tables(w);
	append(w, (struct cgr_event){ .ts_ns = MS, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO });
	charge(w, 30, 2, CGR_EV_CHARGE, 2048);
	charge(w, 60, 2, CGR_EV_UNCHARGE, 1024);
	append(w, (struct cgr_event){ .ts_ns = 100 * MS, .kind = CGR_EV_RUNTIME, .task = 1, .a = 99 * MS, .c = 1 });
	assert_int_equal(cgr_writer_commit(w, &error), 0);
	cgr_writer_free(w);
	assert_int_equal(cgr_store_open(path, &store, &error), 0);
	unlink(path);
	return store;
}

/* The last point at or before the time; -1 none. */
static int64_t held(const struct cgr_result *r, const char *path, int64_t at_usec)
{
	int64_t value = -1;

	for (size_t i = 0; i < r->series_count; i++) {
		const struct cgr_result_series *s = &r->series[i];

		if (!s->recorded || strcmp(s->name, "memory.current") != 0 || strcmp(r->cgroup_path[s->cgroup], path) != 0)
			continue;
		for (size_t k = 0; k < s->count; k++) {
			assert_true(k == 0 || s->t_usec[k] >= s->t_usec[k - 1]);
			if (s->t_usec[k] <= at_usec)
				value = s->value[k];
		}
	}
	return value;
}

static void test_follows_charges(void **state)
{
	struct cgr_run_options options = { .threads = 1, .curves = true };
	struct cgr_store *store = machine();
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_result *r = NULL;

	(void)state;
	assert_int_equal(cgr_scenario_init(&scenario, "memory", &error), 0);
	scenario.seeds = 1;
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	assert_int_equal(cgr_replay(store, programs, &scenario, &options, &r, &error), 0);
	assert_int_equal(held(r, "/job/new", 15000), -1); /* not made yet */
	assert_int_equal(held(r, "/job/new", 25000), 0);
	assert_int_equal(held(r, "/job/new", 35000), 8 * MIB); /* 15 ms before its first sample */
	assert_int_equal(held(r, "/job/new", 55000), 8 * MIB);
	assert_int_equal(held(r, "/job/new", 65000), 4 * MIB);
	assert_int_equal(held(r, "/job", 25000), MIB);
	assert_int_equal(held(r, "/job", 35000), 9 * MIB); /* and what lies below, on top of what it had */
	assert_int_equal(held(r, "/job", 99000), 5 * MIB);
	assert_int_equal(held(r, "/job", 100000), 5 * MIB + 8192); /* the kernel's word is the last */
	cgr_result_free(r);
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	cgr_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_follows_charges) };

	return cmocka_run_group_tests_name("recorded memory", tests, NULL, NULL);
}
