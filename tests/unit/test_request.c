/* What a kernel thread finishes for a task is finished when the device is done, wherever the thread's own record has
 * come to in a what-if. */
#include "job_store.h"

#define US 1000ull
#define WORKER 2u

static void turn(const struct job_tape *tape, uint64_t ts_ns, uint32_t prev, uint64_t state, uint32_t next)
{
	append(tape,
	       (struct cgr_event){ .ts_ns = ts_ns, .kind = CGR_EV_SWITCH, .task = prev, .a = state, .c = next, .d = PRIO });
}

static void interrupt(const struct job_tape *tape, uint64_t ts_ns)
{
	append(tape, (struct cgr_event){ .ts_ns = ts_ns, .kind = CGR_EV_IRQ_ENTRY, .c = 24, .flags = CGR_EVF_HARDIRQ });
	append(tape, (struct cgr_event){
	                 .ts_ns = ts_ns, .kind = CGR_EV_WAKING, .flags = CGR_EVF_HARDIRQ, .c = WORKER, .d = 120u << 16 });
	append(tape, (struct cgr_event){ .ts_ns = ts_ns, .kind = CGR_EV_IRQ_EXIT, .c = 24, .flags = CGR_EVF_HARDIRQ });
	turn(tape, ts_ns + 10 * US, 0, 0, WORKER);
}

/* Held up from 10 to 110 ms, the job asks the device for something at 111 ms, which takes 400 us. Meanwhile, at 60 ms,
 * an interrupt gave the worker something else to do. */
static struct cgr_store *asks_late(void)
{
	struct cgr_store_info info = job_info;
	struct job_tape tape;

	info.duration_ns = 120 * MS;
	tape = job_begin(&info);
	job_add_kworker(&tape);
	turn(&tape, MS, 0, 0, 1);
	turn(&tape, 10 * MS, 1, 0, 0);
	interrupt(&tape, 60 * MS);
	turn(&tape, 60 * MS + 30 * US, WORKER, 128, 0);
	turn(&tape, 110 * MS, 0, 0, 1);
	turn(&tape, 111 * MS, 1, 2, 0);
	interrupt(&tape, 111 * MS + 400 * US);
	append(&tape, (struct cgr_event){
	                  .ts_ns = 111 * MS + 420 * US, .kind = CGR_EV_WAKING, .task = WORKER, .c = 1, .d = 120u << 16 });
	turn(&tape, 111 * MS + 430 * US, WORKER, 128, 1);
	job_exit(&tape, 112 * MS, 1, 0);
	return job_end(&tape);
}

static void test_worker_comes_late(void **state)
{
	struct cgr_result *result = job_replay(asks_late(), "/job:cpu.max=100000 100000", 1, true);

	(void)state;
	assert_in_range(job_metric(result, "/job", "completion_usec"), 10500, 12000);
	cgr_result_free(result);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_worker_comes_late) };

	return cmocka_run_group_tests_name("requests", tests, NULL, NULL);
}
