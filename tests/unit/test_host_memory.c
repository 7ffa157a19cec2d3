/* Memory that the host has taken back: what the first touch of it costs is no work of the program. */
#include "job_store.h"

#define READS 3000u

/* A task that reads a page of a file again and again; every `every`-th read takes slow_ns, each of the others up to
 * spread_ns more than 1500. */
static uint64_t told(unsigned every, uint64_t slow_ns, uint64_t spread_ns)
{
	struct cgr_store_info info = job_info;
	struct cgr_event e = { .ts_ns = MS, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO };
	struct cgr_programs *programs = NULL;
	struct cgr_error error = { 0 };
	const struct cgr_op *op;
	uint64_t sum = 0;

	info.duration_ns = 100 * MS;
	info.event_cost_ns = 300;
	info.has_memcg_events = info.has_page_cache = true;
	struct job_tape tape = job_begin(&info);
	append(&tape, e);
	for (unsigned i = 0; i < READS; i++) {
		uint64_t ns = i % every ? 1500 + spread_ns * (i * 7919 % 1000) / 1000 : slow_ns;

		e = (struct cgr_event){
			.ts_ns = e.ts_ns + ns, .kind = CGR_EV_CACHE_READ, .task = 1, .a = 1, .b = i % 64, .c = 1
		};
		append(&tape, e);
	}
	struct cgr_store *store = job_end(&tape);
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	struct cgr_cursor cursor = cgr_cursor_start(programs, 1);
	for (; (op = cgr_cursor_peek(programs, &cursor)) != NULL; cursor.position++)
		sum += op->kind == CGR_OP_RUN ? op->c : 0;
	cgr_programs_free(programs);
	cgr_store_free(store);
	return sum;
}

static void two_modes(void **state)
{
	(void)state;
	assert_in_range(told(5, 14000, 200), READS / 5 * 11500, READS / 5 * 12600);
}

/* Lists drained once in 31, and a program that does more here and less there. */
static void one_mode(void **state)
{
	(void)state;
	assert_int_equal(told(31, 14000, 200), 0);
	assert_int_equal(told(5, 14000, 20000), 0);
	assert_int_equal(told(5, 3500, 200), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(two_modes), cmocka_unit_test(one_mode) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
