/* What recording cost the programs it watched: the price of anonymous pages from the recorder's own calibration. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/util.h"
#include "replay/compile.h"
#include "store/store.h"
#include "store/writer.h"

#define MS 1000000ull
#define PRIO (120u | 120u << 16)
#define PAGES 1000u

static void append(struct cgr_writer *w, struct cgr_event e)
{
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_append(w, &e, 1, &error), 0);
}

static void write_tables(struct cgr_writer *w, struct cgr_store_info info)
{
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

	info.kernel_release = "6.18.44";
	info.kernel_version = 6u << 16 | 18 << 8 | 44;
	info.clock = "mono";
	info.tool_version = info.source_path = "test";
	info.source_digest = "00";
	info.hz = 250;
	info.duration_ns = 50 * MS;
	info.cpus = info.online_cpus = 1;
	info.cgroup_version = 2;
	info.has_sched = info.has_memcg_events = info.has_snapshots = info.anon_implied = true;
	assert_int_equal(cgr_writer_set_info(w, &info, &error), 0);
	assert_int_equal(cgr_writer_add_hierarchy(w, 0, 2, "cpu,memory", &error), 0);
	assert_int_equal(cgr_writer_add_cgroup(w, &job, &(uint32_t){ 0 }, &error), 0);
	assert_int_equal(cgr_writer_add_css_set(w, &set, NULL, 0, &task.css_set, &error), 0);
	assert_int_equal(cgr_writer_add_task(w, &task, &(uint32_t){ 0 }, &error), 0);
}

/* A task that touches a page every page_ns and gives none back. */
static struct cgr_store *machine(const struct cgr_store_info *info, uint64_t page_ns, enum cgr_charge_kind kind)
{
	char path[] = "/tmp/cgr-test-cost-XXXXXX";
	struct cgr_event e = { .ts_ns = MS, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO };
	struct cgr_writer *w = NULL;
	struct cgr_store *store = NULL;
	struct cgr_error error = { 0 };
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(cgr_writer_new(path, 0, &w, &error), 0);
	write_tables(w, *info);
	append(w, e);
	for (unsigned page = 0; page < PAGES; page++) {
		e = (struct cgr_event){ .ts_ns = e.ts_ns + page_ns, .kind = CGR_EV_CHARGE, .task = 1, .a = 1, .b = 1, .d = 1 };
		e.c = kind;
		append(w, e);
	}
	assert_int_equal(cgr_writer_commit(w, &error), 0);
	cgr_writer_free(w);
	assert_int_equal(cgr_store_open(path, &store, &error), 0);
	unlink(path);
	return store;
}

/* What is taken off for one page, in ns. */
static uint64_t page_cost(const struct cgr_store_info *info, uint64_t page_ns, enum cgr_charge_kind kind)
{
	struct cgr_store *store = machine(info, page_ns, kind);
	struct cgr_programs *programs = NULL;
	struct cgr_error error = { 0 };
	const struct cgr_op *op;
	uint64_t sum = 0;

	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	struct cgr_cursor cursor = cgr_cursor_start(programs, 1);
	for (; (op = cgr_cursor_peek(programs, &cursor)) != NULL; cursor.position++)
		sum += op->kind == CGR_OP_RUN ? op->b : 0;
	cgr_programs_free(programs);
	cgr_store_free(store);
	return (sum + PAGES / 2) / PAGES;
}

static const struct cgr_store_info calibrated = {
	.event_cost_ns = 300, .memory_event_cost_ns = 1200, .rejected_event_cost_ns = 150, .calibrated_page_ns = 3300
};

/* Of the 1200 ns five rejected events took 750; three of them come with the page, two will as it goes. */
static void test_as_calibrated(void **state)
{
	(void)state;
	assert_in_range(page_cost(&calibrated, 3100, CGR_CHARGE_ANON), 895, 900);
}

/* Faster by a third than while that was measured; but a program that is slower may have other things to do. */
static void test_faster_machine(void **state)
{
	(void)state;
	assert_in_range(page_cost(&calibrated, 2100, CGR_CHARGE_ANON), 615, 640);
	assert_in_range(page_cost(&calibrated, 9000, CGR_CHARGE_ANON), 895, 900);
}

/* MAP_POPULATE: pages without a fault each come faster than on any machine, and tell nothing about it. */
static void test_populated(void **state)
{
	(void)state;
	assert_in_range(page_cost(&calibrated, 1500, CGR_CHARGE_ANON), 895, 900);
}

/* Kernel memory is counted as what it is, too. */
static void test_kernel_memory(void **state)
{
	(void)state;
	assert_in_range(page_cost(&calibrated, 3000, CGR_CHARGE_KMEM), 595, 600);
}

/* Recordings from before rejected events had a price of their own. */
static void test_no_price_of_rejected(void **state)
{
	struct cgr_store_info old = { .event_cost_ns = 300, .memory_event_cost_ns = 1200 };

	(void)state;
	assert_in_range(page_cost(&old, 3000, CGR_CHARGE_ANON), 955, 960);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_as_calibrated), cmocka_unit_test(test_faster_machine),
		                                cmocka_unit_test(test_populated), cmocka_unit_test(test_kernel_memory),
		                                cmocka_unit_test(test_no_price_of_rejected) };

	return cmocka_run_group_tests_name("cost of the recorder", tests, NULL, NULL);
}
