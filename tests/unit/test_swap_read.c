/* Reading pages back from compressed swap takes CPU time: what stays in memory in a what-if does not pay for it. */
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
#define PAGES 80
#define READ_NS 20000

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
		                           .source_path = "swap",
		                           .source_digest = "00",
		                           .duration_ns = 20 * MS,
		                           .cpus = 1,
		                           .online_cpus = 1,
		                           .cgroup_version = 2,
		                           .swap_total_bytes = 1 << 30,
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

/* A task touches its pages, a limit sends them all to swap, it touches them again, and exits after 3 ms of work. Each
 * read brings `cluster` pages, all but the first of which it finds in the swap cache. */
static struct cgr_store *machine(unsigned cluster)
{
	char path[] = "/tmp/cgr-test-swap-XXXXXX";
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
		.ts_ns = MS, .kind = CGR_EV_CHARGE, .task = 1, .a = 1, .b = 1, .c = CGR_CHARGE_ANON, .d = 1
	};
	for (unsigned page = 0; page < PAGES; page++)
		append(w, e);
	append(w, (struct cgr_event){ .ts_ns = MS, .kind = CGR_EV_RECLAIM_BEGIN, .task = 1 });
	for (unsigned page = 0; page < PAGES; page++)
		append(w, (struct cgr_event){
		              .ts_ns = MS, .kind = CGR_EV_MEM_STAT, .task = 1, .a = 1, .b = 1, .c = CGR_ITEM_SWAP });
	append(w,
	       (struct cgr_event){
	           .ts_ns = MS, .kind = CGR_EV_UNCHARGE, .task = 1, .a = 1, .b = PAGES, .c = CGR_CHARGE_ANON, .d = PAGES });
	append(w, (struct cgr_event){ .ts_ns = MS, .kind = CGR_EV_RECLAIM_END, .task = 1, .a = PAGES });
	for (unsigned page = 0; page < PAGES; page++) {
		bool read = page % cluster == 0;

		append(w, e);
		e.ts_ns += read ? READ_NS : 0;
		append(w, (struct cgr_event){ .ts_ns = e.ts_ns,
		                              .kind = CGR_EV_MEM_STAT,
		                              .task = 1,
		                              .a = 1,
		                              .b = 1,
		                              .c = read ? CGR_ITEM_PGMAJFAULT : CGR_ITEM_REFAULT_ANON });
	}
	e = (struct cgr_event){ .ts_ns = 4 * MS, .kind = CGR_EV_EXIT, .task = 1, .c = 1 };
	append(w, e);
	e.kind = CGR_EV_SWITCH;
	e.a = 0x10; /* EXIT_DEAD */
	e.c = 0;
	e.d = PRIO;
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

static int64_t usage_usec(const char *limit, unsigned cluster)
{
	struct cgr_run_options options = { .threads = 1, .with_recorder = true };
	struct cgr_store *store = machine(cluster);
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_result *result = NULL;
	struct cgr_error error = { 0 };
	int64_t usec;

	assert_int_equal(cgr_scenario_init(&scenario, "swap", &error), 0);
	scenario.seeds = 1;
	scenario.until_done = true;
	assert_int_equal(cgr_scenario_set(&scenario, limit, &error), 0);
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	assert_int_equal(cgr_replay(store, programs, &scenario, &options, &result, &error), 0);
	usec = metric_of(result, "cpu.stat.usage_usec");
	cgr_result_free(result);
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	cgr_store_free(store);
	return usec;
}

/* 3 ms of work, of which 80 pages took 20 us each, less what recording that took. */
static void test_reads(void **state)
{
	(void)state;
	assert_in_range(usage_usec("/job:memory.max=1G", 1), 1400, 1500);
}

/* Of two pages one was read: what that took is not there twice. */
static void test_swap_cache(void **state)
{
	(void)state;
	assert_in_range(usage_usec("/job:memory.max=1G", 2), 2200, 2300);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_reads), cmocka_unit_test(test_swap_cache) };

	return cmocka_run_group_tests_name("reads from swap", tests, NULL, NULL);
}
