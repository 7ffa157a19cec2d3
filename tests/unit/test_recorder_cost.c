/* What recording cost the programs it watched: the price of anonymous pages from the recorder's own calibration. */
#include "job_store.h"

#define PAGES 1000u

/* A task that touches a page every page_ns and gives none back. */
static struct cgr_store *machine(const struct cgr_store_info *calibration, uint64_t page_ns, enum cgr_charge_kind kind)
{
	struct cgr_store_info info = job_info;
	struct cgr_event e = { .ts_ns = MS, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO };
	struct job_tape tape;

	info.event_cost_ns = calibration->event_cost_ns;
	info.memory_event_cost_ns = calibration->memory_event_cost_ns;
	info.rejected_event_cost_ns = calibration->rejected_event_cost_ns;
	info.calibrated_page_ns = calibration->calibrated_page_ns;
	info.duration_ns = 50 * MS;
	info.has_memcg_events = info.has_snapshots = info.anon_implied = true;
	tape = job_begin(&info);
	append(&tape, e);
	for (unsigned page = 0; page < PAGES; page++) {
		e = (struct cgr_event){ .ts_ns = e.ts_ns + page_ns, .kind = CGR_EV_CHARGE, .task = 1, .a = 1, .b = 1, .d = 1 };
		e.c = kind;
		append(&tape, e);
	}
	return job_end(&tape);
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
