/* The penalty sleeps of memory.high: how many there are and how long the kernel's timers make them. */
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
#define PAGES 4160 /* 65 batches of the per-CPU stock */

static void append(struct cgr_writer *w, struct cgr_event e)
{
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_append(w, &e, 1, &error), 0);
}

static void write_tables(struct cgr_writer *w)
{
	struct cgr_store_info info = { .kernel_release = "6.1.0",
		                           .kernel_version = 6u << 16 | 1 << 8,
		                           .hz = 250,
		                           .clock = "mono",
		                           .tool_version = "test",
		                           .source_path = "high",
		                           .source_digest = "00",
		                           .duration_ns = 20 * MS,
		                           .cpus = 1,
		                           .online_cpus = 1,
		                           .cgroup_version = 2,
		                           .psi = true,
		                           .has_sched = true,
		                           .has_memcg_events = true };
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
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_set_info(w, &info, &error), 0);
	assert_int_equal(cgr_writer_add_hierarchy(w, 0, 2, "cpu,memory", &error), 0);
	assert_int_equal(cgr_writer_add_cgroup(w, &job, &(uint32_t){ 0 }, &error), 0);
	assert_int_equal(cgr_writer_add_css_set(w, &set, NULL, 0, &task.css_set, &error), 0);
	assert_int_equal(cgr_writer_add_task(w, &task, &(uint32_t){ 0 }, &error), 0);
}

/* A task touches its pages within 9 ms and exits; what the kernel held for it is freed after a grace period. */
static struct cgr_store *machine(void)
{
	char path[] = "/tmp/cgr-test-high-XXXXXX";
	struct cgr_event e = { .ts_ns = MS, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO };
	struct cgr_writer *w = NULL;
	struct cgr_store *store = NULL;
	struct cgr_error error = { 0 };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(cgr_writer_new(path, 0, &w, &error), 0);
	write_tables(w);
	append(w, e);
	e = (struct cgr_event){
		.ts_ns = MS, .kind = CGR_EV_CHARGE, .task = 1, .a = 1, .b = 3, .c = CGR_CHARGE_KMEM, .d = 3
	};
	append(w, e);
	e.b = e.d = 1;
	e.c = CGR_CHARGE_ANON;
	for (uint64_t page = 3; page < PAGES; page++) {
		e.ts_ns += 2000;
		append(w, e);
	}
	e = (struct cgr_event){ .ts_ns = 10 * MS, .kind = CGR_EV_EXIT, .task = 1, .c = 1 };
	append(w, e);
	e.kind = CGR_EV_SWITCH;
	e.a = 0x10; /* EXIT_DEAD */
	e.c = 0;
	e.d = PRIO;
	append(w, e);
	e = (struct cgr_event){ .ts_ns = 12 * MS, .kind = CGR_EV_UNCHARGE, .a = 1, .b = 3, .c = CGR_CHARGE_KMEM, .d = 3 };
	e.flags = CGR_EVF_SOFTIRQ;
	append(w, e);
	assert_int_equal(cgr_writer_commit(w, &error), 0);
	cgr_writer_free(w);
	assert_int_equal(cgr_store_open(path, &store, &error), 0);
	unlink(path);
	return store;
}

static int64_t metric_of(const struct cgr_result *result, const char *name)
{
	for (size_t i = 0; i < result->metrics; i++) {
		const struct cgr_result_metric *m = &result->metric[i];

		if (m->cgroup != CGR_ID_NONE && strcmp(result->cgroup_path[m->cgroup], "/job") == 0 &&
		    strcmp(result->metric_desc[m->metric].name, name) == 0)
			return m->predicted;
	}
	fail_msg("no %s", name);
	return -1;
}

/* What memory.high made of it, and for how long the job slept. */
static int64_t slept_usec(const char *limit, uint64_t seed, int64_t *ret_events)
{
	struct cgr_run_options options = { .threads = 1 };
	struct cgr_store *store = machine();
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_result *result = NULL;
	struct cgr_error error = { 0 };
	int64_t usec;

	assert_int_equal(cgr_scenario_init(&scenario, "high", &error), 0);
	scenario.seed = seed;
	scenario.seeds = 1;
	scenario.until_done = true;
	assert_int_equal(cgr_scenario_set(&scenario, limit, &error), 0);
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	assert_int_equal(cgr_replay(store, programs, &scenario, &options, &result, &error), 0);
	*ret_events = metric_of(result, "memory.events.high");
	usec = metric_of(result, "memory.pressure.some_usec") - metric_of(result, "memory.reclaim_usec");
	cgr_result_free(result);
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	cgr_store_free(store);
	return usec;
}

/* memory.high of 4000 pages and stocks of 64: the 63rd batch owes 1 jiffy, which is forgiven (HZ / 100), the next two 9
 * and 25. Reclaim is tried 17 times before each sleep. A timeout ends with the jiffy after; the second begins right
 * after the end of the first. */
static void test_sleeps(void **state)
{
	int64_t events;

	(void)state;
	assert_in_range(slept_usec("/job:memory.high=16384000", 1, &events), (9 + 26) * 4000 - 500, (10 + 26) * 4000);
	assert_int_equal(events, 1 + 17 + 17);
}

/* From 63 jiffies on the timer wheel has a slot every 8, and when the job comes between two of them nobody knows. */
static void test_slots(void **state)
{
	int64_t usec, events, least = INT64_MAX, most = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		usec = slept_usec("/job:memory.high=15560704", seed, &events);
		least = CGR_MIN(least, usec);
		most = CGR_MAX(most, usec);
	}
	assert_in_range(most - least, 8000, 32000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_sleeps), cmocka_unit_test(test_slots) };

	return cmocka_run_group_tests_name("memory.high", tests, NULL, NULL);
}
