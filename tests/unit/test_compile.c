/* What the programs say about a recording: sleeps, charges, kinds of wake-ups, the machine's habits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/util.h"
#include "replay/compile.h"
#include "store/store.h"
#include "store/writer.h"

#define MS 1000000ull
#define PERIOD (10 * MS)

/* Tasks 1 and 2 are threads of one process, 3 is a process of its own, 4 a second one, 5 a kernel thread, 6 that of
 * RCU, 7 a third thread of the first. */
struct tape {
	struct cgr_writer *writer;
	char path[32];
	uint64_t now_ns;
	int64_t swap_bytes; /* of the machine */
	uint32_t cpus;
};

static void tape_begin(struct tape *t)
{
	struct cgr_store_css_set set = { 0 };
	struct cgr_error error = { 0 };
	uint32_t id;
	int fd;

	*t = (struct tape){ .path = "/tmp/cgr-test-compile-XXXXXX", .cpus = 2 };
	fd = mkstemp(t->path);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(cgr_writer_new(t->path, 0, &t->writer, &error), 0);
	assert_int_equal(cgr_writer_add_css_set(t->writer, &set, NULL, 0, &id, &error), 0);
	assert_int_equal(cgr_writer_set_meta(t->writer, "facts.cpus",
	                                     "{\"list\":[{\"cpu\":0,\"llc\":\"0-1\"},{\"cpu\":1,\"llc\":\"0-1\"},"
	                                     "{\"cpu\":2,\"llc\":\"2\"}]}",
	                                     &error),
	                 0);
	for (int32_t i = 1; i <= 7; i++) {
		struct cgr_store_task task = { .tid = 100 + i,
			                           .tgid = i == 2 || i == 7 ? 101 : 100 + i,
			                           .comm = i == 6 ? "rcu_preempt" : "tape",
			                           .start_ns = -1,
			                           .end_ns = INT64_MAX,
			                           .parent = CGR_ID_NONE,
			                           .kernel_thread = i == 5 || i == 6,
			                           .prio = 120 };

		assert_int_equal(cgr_writer_add_task(t->writer, &task, &id, &error), 0);
	}
}

static void tell(struct tape *t, unsigned kind, uint32_t cpu, uint32_t task, uint64_t a, uint64_t b, uint32_t c,
                 uint32_t d, unsigned flags)
{
	struct cgr_event e = { .ts_ns = t->now_ns,
		                   .a = a,
		                   .b = b,
		                   .c = c,
		                   .d = d,
		                   .task = task,
		                   .cpu = (uint16_t)cpu,
		                   .kind = (uint8_t)kind,
		                   .flags = (uint8_t)flags };
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_append(t->writer, &e, 1, &error), 0);
}

static void turn(struct tape *t, uint32_t cpu, uint32_t prev, uint32_t state, uint32_t next)
{
	tell(t, CGR_EV_SWITCH, cpu, prev, state, 0, next, 120u | 120u << 16, 0);
}

static void wake(struct tape *t, uint32_t cpu, uint32_t waker, uint32_t task, uint32_t from, uint32_t to,
                 unsigned flags)
{
	tell(t, CGR_EV_WAKING, cpu, waker, 0, 0, task, from | 120u << 16, flags);
	tell(t, CGR_EV_WAKEUP, cpu, waker, 0, 0, task, to | 120u << 16, flags);
}

static struct cgr_programs *compiled(struct tape *t)
{
	struct cgr_store_info info = { .kernel_release = "6.18.44",
		                           .kernel_version = 6u << 16 | 18 << 8 | 44,
		                           .hz = 250,
		                           .clock = "mono",
		                           .tool_version = "test",
		                           .source_path = "tape",
		                           .source_digest = "00",
		                           .duration_ns = (int64_t)t->now_ns + 1,
		                           .cpus = t->cpus,
		                           .online_cpus = t->cpus,
		                           .cgroup_version = 2,
		                           .swap_total_bytes = t->swap_bytes,
		                           .has_sched = true,
		                           .has_page_cache = true };
	struct cgr_error error = { 0 };
	struct cgr_programs *programs = NULL;
	struct cgr_store *store = NULL;

	assert_int_equal(cgr_writer_set_info(t->writer, &info, &error), 0);
	assert_int_equal(cgr_writer_commit(t->writer, &error), 0);
	cgr_writer_free(t->writer);
	assert_int_equal(cgr_store_open(t->path, &store, &error), 0);
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	cgr_store_free(store);
	unlink(t->path);
	return programs;
}

static unsigned count_ops(const struct cgr_programs *p, uint32_t task, unsigned kind, unsigned cause)
{
	struct cgr_cursor cursor = cgr_cursor_start(p, task);
	const struct cgr_op *op;
	unsigned count = 0;

	for (; (op = cgr_cursor_peek(p, &cursor)); cursor.position++)
		count += op->kind == kind && (kind != CGR_OP_BLOCK || op->cause == cause);
	return count;
}

/* Arms a timer; the task sleeps if the expiry is still to come, else the interrupt meets it awake. */
static void sleep_until(struct tape *t, uint32_t task, uint64_t expiry_ns, uint64_t address)
{
	tell(t, CGR_EV_HRTIMER_START, 0, task, expiry_ns, address, CGR_TIMER_HRTIMER_WAKEUP, 0, 0);
	if (expiry_ns <= t->now_ns) {
		t->now_ns += 2000;
		tell(t, CGR_EV_HRTIMER_EXPIRE, 0, task, t->now_ns, address, CGR_TIMER_HRTIMER_WAKEUP, 0, CGR_EVF_HARDIRQ);
		return;
	}
	t->now_ns += 2000;
	turn(t, 0, task, 1, 0);
	t->now_ns = expiry_ns;
	tell(t, CGR_EV_HRTIMER_EXPIRE, 0, 0, t->now_ns, address, CGR_TIMER_HRTIMER_WAKEUP, 0, CGR_EVF_HARDIRQ);
	wake(t, 0, 0, task, 0, 0, CGR_EVF_HARDIRQ);
	t->now_ns += 5000;
	turn(t, 0, 0, 0, task);
}

/* A program on a grid of 10 ms that is held up now and then; the kernel randomises the address of every timer. */
static void test_grid(void **state)
{
	struct tape t;
	struct cgr_programs *p;
	struct cgr_rng rng;

	(void)state;
	cgr_rng_init(&rng, 7);
	tape_begin(&t);
	t.now_ns = MS;
	turn(&t, 0, 0, 0, 1);
	for (unsigned i = 1; i <= 60; i++) {
		t.now_ns += 3 * MS + cgr_rng_below(&rng, 200000) + (i % 20 == 0 ? 35 * MS : 0);
		sleep_until(&t, 1, i * PERIOD, 0xffff888000000000ull + 16 * cgr_rng_below(&rng, 64));
	}
	p = compiled(&t);
	assert_int_equal(p->sites, 1);
	assert_true(p->site[0].absolute);
	assert_int_equal(p->site[0].grid_ns, PERIOD);
	/* those it was too late for are sleeps, too: without what held it up it would have slept */
	assert_int_equal(count_ops(p, 1, CGR_OP_BLOCK, CGR_CAUSE_TIMER), 60);
	cgr_programs_free(p);
}

/* The timeout of epoll is a time for the timer and a length for the program. */
static void test_length(void **state)
{
	struct tape t;
	struct cgr_programs *p;
	struct cgr_rng rng;

	(void)state;
	cgr_rng_init(&rng, 8);
	tape_begin(&t);
	t.now_ns = MS;
	turn(&t, 0, 0, 0, 1);
	for (unsigned i = 1; i <= 60; i++) {
		t.now_ns += MS + cgr_rng_below(&rng, 3 * MS);
		sleep_until(&t, 1, t.now_ns + 5 * MS + cgr_rng_below(&rng, 1000), 64 * cgr_rng_below(&rng, 64));
	}
	p = compiled(&t);
	assert_int_equal(p->sites, 1);
	assert_false(p->site[0].absolute);
	cgr_programs_free(p);
}

/* A look at the CPU clock is where the scheduler charges the task; the charge before a switch and the tick's are not.
 */
static void test_account(void **state)
{
	struct tape t;
	struct cgr_programs *p;

	(void)state;
	tape_begin(&t);
	t.now_ns = MS;
	turn(&t, 0, 0, 0, 1);
	t.now_ns += MS;
	tell(&t, CGR_EV_RUNTIME, 0, 1, MS, 0, 1, 0, 0);
	t.now_ns += MS;
	tell(&t, CGR_EV_RUNTIME, 0, 1, MS, 0, 1, 0, CGR_EVF_HARDIRQ);
	t.now_ns += MS;
	tell(&t, CGR_EV_RUNTIME, 0, 1, MS, 0, 1, 0, 0);
	t.now_ns += 1000;
	turn(&t, 0, 1, 1, 0);
	p = compiled(&t);
	assert_int_equal(count_ops(p, 1, CGR_OP_ACCOUNT, 0), 1);
	assert_int_equal(count_ops(p, 1, CGR_OP_RUN, 0), 2);
	assert_int_equal(p->program[1].run_ns, 3 * MS + 1000);
	cgr_programs_free(p);
}

/* Who goes to sleep is charged as it leaves its queue, and again if it stays there delayed, with a newly idle CPU's
 * search for work between: no look at a clock, however long that took. One before arming the timer of the sleep is. */
static void test_account_leaving(void **state)
{
	(void)state;
	for (unsigned timer = 0; timer < 2; timer++) {
		struct tape t;
		struct cgr_programs *p;

		tape_begin(&t);
		t.now_ns = MS;
		turn(&t, 0, 0, 0, 1);
		t.now_ns += MS;
		tell(&t, CGR_EV_RUNTIME, 0, 1, MS, 0, 1, 0, 0);
		t.now_ns += 4000;
		if (timer)
			tell(&t, CGR_EV_HRTIMER_START, 0, 1, t.now_ns + MS, 77, CGR_TIMER_HRTIMER_WAKEUP, 0, 0);
		t.now_ns += 4000;
		tell(&t, CGR_EV_RUNTIME, 0, 1, 8000, 0, 1, 0, 0);
		t.now_ns += 9000;
		turn(&t, 0, 1, 1, 0);
		p = compiled(&t);
		assert_int_equal(count_ops(p, 1, CGR_OP_ACCOUNT, 0), timer);
		assert_int_equal(p->program[1].accounts, timer);
		cgr_programs_free(p);
	}
}

/* A preemption right after a look is chance, and no sched_yield, also of one who looks but a few times. */
static void test_paced_preempted(void **state)
{
	struct tape t;
	struct cgr_programs *p;

	(void)state;
	tape_begin(&t);
	t.now_ns = MS;
	turn(&t, 0, 0, 0, 1);
	for (unsigned i = 0; i < 6; i++) {
		t.now_ns += 2 * MS;
		tell(&t, CGR_EV_RUNTIME, 0, 1, 2 * MS, 0, 1, 0, 0);
		if (i != 3)
			continue;
		t.now_ns += 5000;
		turn(&t, 0, 1, 0, 4);
		t.now_ns += MS;
		turn(&t, 0, 4, 1, 1);
	}
	p = compiled(&t);
	assert_int_equal(p->program[1].yields, 1);
	assert_true(p->program[1].paced);
	cgr_programs_free(p);
}

/* Works for 2 ms between two looks at its clock. */
static void work_by_clock(struct tape *t)
{
	tell(t, CGR_EV_RUNTIME, 0, 1, 2000, 0, 1, 0, 0);
	t->now_ns += 2 * MS;
	tell(t, CGR_EV_RUNTIME, 0, 1, 2 * MS, 0, 1, 0, 0);
}

/* Looks at the clock that stand right before the charge of going to sleep, or right after a wake-up of another CPU's
 * task, are not written, for what they show may be nothing else. Who works by its clock otherwise does so there, too.
 */
static void test_paced_unseen(void **state)
{
	struct tape t;
	struct cgr_programs *p;
	struct cgr_cursor at;
	const struct cgr_op *op;
	uint64_t paced_ns = 0;

	(void)state;
	tape_begin(&t);
	t.now_ns = MS;
	for (unsigned i = 0; i < 10; i++) {
		turn(&t, 0, 0, 0, 1);
		t.now_ns += 2000;
		for (unsigned k = 0; k < 4; k++) {
			work_by_clock(&t);
			t.now_ns += k < 3 ? 10000 : 1000;
		}
		tell(&t, CGR_EV_RUNTIME, 0, 1, 1000, 0, 1, 0, 0);
		t.now_ns += 5000;
		turn(&t, 0, 1, 1, 2);
		t.now_ns += MS;
		wake(&t, 0, 2, 1, 0, 0, 0);
		turn(&t, 0, 2, 0, 1);
		t.now_ns += 2000;
		tell(&t, CGR_EV_WAKING, 0, 1, 0, 0, 3, 1 | 120u << 16, 0);
		t.now_ns += 5000;
		work_by_clock(&t);
		t.now_ns += 9000;
		turn(&t, 0, 1, 0, 0);
		t.now_ns += 1000;
	}
	p = compiled(&t);
	assert_true(p->program[1].paced);
	at = cgr_cursor_start(p, 1);
	while ((op = cgr_cursor_peek(p, &at))) {
		paced_ns += op->kind == CGR_OP_RUN && (op->flags & CGR_OPF_PACED) ? op->a : 0;
		at.position++;
	}
	assert_in_range(paced_ns, 100 * MS, 101 * MS);
	cgr_programs_free(p);
}

/* A wake-up that meets the task on its way to sleep is a wait like any other, and the switch that follows is no second
 * one; neither is the remote half of the wake-up, in interrupt context, an arrival from outside. */
static void test_woken_early(void **state)
{
	struct tape t;
	struct cgr_programs *p;

	(void)state;
	tape_begin(&t);
	t.now_ns = MS;
	turn(&t, 0, 0, 0, 1);
	turn(&t, 1, 0, 0, 3);
	for (unsigned i = 0; i < 10; i++) {
		t.now_ns += MS;
		tell(&t, CGR_EV_WAKING, 1, 3, 0, 0, 1, 0 | 120u << 16, 0);
		t.now_ns += 2000;
		if (i % 2) { /* ttwu_runnable: it never left */
			tell(&t, CGR_EV_WAKEUP, 1, 3, 0, 0, 1, 0 | 120u << 16, 0);
			continue;
		}
		turn(&t, 0, 1, 1, 0);
		t.now_ns += 20000;
		tell(&t, CGR_EV_WAKEUP, 0, 0, 0, 0, 1, 0 | 120u << 16, CGR_EVF_HARDIRQ);
		turn(&t, 0, 0, 0, 1);
	}
	p = compiled(&t);
	assert_int_equal(count_ops(p, 1, CGR_OP_BLOCK, CGR_CAUSE_TASK), 10);
	assert_int_equal(count_ops(p, 1, CGR_OP_BLOCK, CGR_CAUSE_ARRIVAL), 0);
	assert_int_equal(count_ops(p, 3, CGR_OP_WAKE, 0), 10);
	assert_int_equal(p->lost_wakes, 0);
	cgr_programs_free(p);
}

/* An interrupt completes many pages and wakes the task on another CPU before that has left it: how it was about to
 * sleep tells whether it waits for the device or for the outside, whose times are fixed. */
static void test_woken_early_by_device(void **state)
{
	(void)state;
	for (unsigned sleep = 1; sleep <= 2; sleep++) {
		struct tape t;
		struct cgr_programs *p;

		tape_begin(&t);
		t.now_ns = MS;
		turn(&t, 0, 0, 0, 1);
		for (unsigned i = 0; i < 10; i++) {
			t.now_ns += MS;
			tell(&t, CGR_EV_WAKING, 1, 0, 0, 0, 1, 0 | 120u << 16, CGR_EVF_SOFTIRQ);
			t.now_ns += 2000;
			turn(&t, 0, 1, sleep, 0);
			t.now_ns += 20000;
			tell(&t, CGR_EV_WAKEUP, 0, 0, 0, 0, 1, 0 | 120u << 16, CGR_EVF_HARDIRQ);
			turn(&t, 0, 0, 0, 1);
		}
		p = compiled(&t);
		assert_int_equal(count_ops(p, 1, CGR_OP_BLOCK, CGR_CAUSE_DEVICE), sleep == 2 ? 10 : 0);
		assert_int_equal(count_ops(p, 1, CGR_OP_BLOCK, CGR_CAUSE_ARRIVAL), sleep == 1 ? 10 : 0);
		cgr_programs_free(p);
	}
}

/* Processes 3 and 4 send each other messages over the loopback device: soft interrupts in the sender's context. Where
 * the receiver is woken in the idle task's context as well, a network card sends, and the context is chance. */
static void test_peers(void **state)
{
	(void)state;
	for (unsigned idle = 0; idle < 2; idle++) {
		struct tape t;
		struct cgr_programs *p;

		tape_begin(&t);
		t.now_ns = MS;
		turn(&t, 1, 0, 0, 3);
		turn(&t, 0, 0, 0, 4);
		for (unsigned i = 0; i < 10; i++) {
			t.now_ns += MS;
			turn(&t, 0, 4, 1, 0);
			t.now_ns += MS;
			wake(&t, idle && i % 2 ? 0 : 1, idle && i % 2 ? 0 : 3, 4, 0, 0, CGR_EVF_SOFTIRQ);
			turn(&t, 0, 0, 0, 4);
			t.now_ns += MS;
			/* on its way to sleep already when the answer comes */
			tell(&t, CGR_EV_WAKING, 0, 4, 0, 0, 3, 1 | 120u << 16, CGR_EVF_SOFTIRQ);
			t.now_ns += 2000;
			turn(&t, 1, 3, 1, 0);
			t.now_ns += 2000;
			tell(&t, CGR_EV_WAKEUP, 1, 0, 0, 0, 3, 1 | 120u << 16, CGR_EVF_HARDIRQ);
			turn(&t, 1, 0, 0, 3);
		}
		p = compiled(&t);
		assert_int_equal(count_ops(p, 4, CGR_OP_BLOCK, CGR_CAUSE_TASK), idle ? 0 : 10);
		assert_int_equal(count_ops(p, 4, CGR_OP_BLOCK, CGR_CAUSE_ARRIVAL), idle ? 10 : 0);
		assert_int_equal(count_ops(p, 3, CGR_OP_WAKE, 0), idle ? 0 : 10);
		assert_int_equal(count_ops(p, 3, CGR_OP_BLOCK, CGR_CAUSE_TASK), 10);
		assert_int_equal(count_ops(p, 3, CGR_OP_BLOCK, CGR_CAUSE_UNKNOWN), 0);
		assert_int_equal(p->lost_wakes, 0);
		cgr_programs_free(p);
	}
}

/* A call from process 3 on CPU 0 and the answer of process 4 on CPU 1. late: the caller is kept off its CPU before it
 * can wait, and the answer is there already. */
static void call_and_answer(struct tape *t, bool late)
{
	t->now_ns += MS;
	wake(t, 0, 3, 4, 1, 1, 0);
	t->now_ns += 5000;
	turn(t, 0, 3, late ? 0 : 1, 0);
	turn(t, 1, 0, 0, 4);
	t->now_ns += MS;
	if (!late) {
		wake(t, 1, 4, 3, 0, 0, 0);
		t->now_ns += 5000;
	}
	turn(t, 1, 4, 1, 0);
	turn(t, 0, 0, 0, 3);
}

/* Two that take turns. Where a call comes without a wait for the answer to the last, it had been given before. Two that
 * do not wait for each other, as the stages of a pipeline, run side by side. */
static void test_answers(void **state)
{
	(void)state;
	for (unsigned turns = 0; turns < 2; turns++) {
		struct tape t;
		struct cgr_programs *p;

		tape_begin(&t);
		t.now_ns = MS;
		turn(&t, 1, 0, 0, 4);
		turn(&t, 0, 0, 0, 3);
		t.now_ns += MS;
		turn(&t, 1, 4, 1, 0);
		for (unsigned i = 0; i < 40; i++)
			call_and_answer(&t, turns ? i == 30 : i % 2 != 0);
		p = compiled(&t);
		assert_int_equal(p->found_answers, turns);
		assert_int_equal(count_ops(p, 4, CGR_OP_WAKE, 0), turns ? 40 : 20);
		assert_int_equal(count_ops(p, 3, CGR_OP_BLOCK, CGR_CAUSE_TASK), turns ? 40 : 20);
		assert_int_equal(count_ops(p, 3, CGR_OP_WAKE, 0), 40);
		cgr_programs_free(p);
	}
}

/* Who works until its CPU clock says so is paced by it. Charges on the way out, by preemption or by a limit, and the
 * charge of a fork are no looks at a clock. */
static void test_paced(void **state)
{
	(void)state;
	for (unsigned looks = 0; looks < 2; looks++) {
		struct tape t;
		struct cgr_programs *p;

		tape_begin(&t);
		t.now_ns = MS;
		turn(&t, 0, 0, 0, 1);
		for (unsigned i = 0; i < 20; i++) {
			t.now_ns += 2 * MS;
			tell(&t, CGR_EV_RUNTIME, 0, 1, 2 * MS, 0, 1, 0, looks ? 0 : CGR_EVF_NEED_RESCHED);
			if (looks)
				continue;
			turn(&t, 0, 1, 0, 4);
			t.now_ns += MS;
			turn(&t, 0, 4, 1, 1);
			t.now_ns += 2 * MS;
			tell(&t, CGR_EV_RUNTIME, 0, 1, 2 * MS, 0, 1, 0, 0);
			t.now_ns += 9000; /* throttle_cfs_rq_work */
			turn(&t, 0, 1, 0x100, 0);
			t.now_ns += 10 * MS;
			turn(&t, 0, 0, 0, 1);
			t.now_ns += MS;
			tell(&t, CGR_EV_RUNTIME, 0, 1, MS, 0, 1, 0, 0);
			t.now_ns += 20000;
			tell(&t, CGR_EV_FORK, 0, 1, 0, 0, 2, 0, 0);
		}
		p = compiled(&t);
		assert_int_equal(p->program[1].paced, looks);
		assert_int_equal(p->program[1].accounts, looks ? 20 : 0);
		assert_int_equal(count_ops(p, 1, CGR_OP_ACCOUNT, 0), looks ? 19 : 0);
		cgr_programs_free(p);
	}
}

/* CPU 1 wakes task, whose CPU 0 is busy with task 4, many times; it goes to `to`. */
static struct cgr_programs *relation_of(uint32_t waker, uint32_t task, uint32_t to, unsigned times)
{
	struct tape t;

	tape_begin(&t);
	t.now_ns = MS;
	turn(&t, 1, 0, 0, waker);
	turn(&t, 0, 0, 0, task);
	for (unsigned i = 0; i < times; i++) {
		t.now_ns += MS;
		turn(&t, 0, task, 1, 4);
		t.now_ns += MS;
		wake(&t, 1, waker, task, 0, to, 0);
		t.now_ns += MS;
		turn(&t, 0, 4, 0, task); /* pulled back, which does not matter here */
	}
	return compiled(&t);
}

static void test_relation(void **state)
{
	static const struct {
		uint32_t waker, task, to;
		unsigned times;
		bool sync;
	} expected[] = { { 1, 2, 0, 9, false }, { 1, 2, 1, 9, true }, { 1, 3, 0, 9, false }, { 1, 3, 1, 9, true } };

	(void)state;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(expected); i++) {
		struct cgr_programs *p = relation_of(expected[i].waker, expected[i].task, expected[i].to, expected[i].times);

		assert_int_equal(p->relations, 1);
		assert_int_equal(p->relation[0].threads, expected[i].task == 2);
		assert_int_equal(p->relation[0].sync, expected[i].sync);
		cgr_programs_free(p);
	}
}

/* Three threads; the last to come wakes the two others, right one after the other: whoever it is (a barrier), or always
 * the same (a master that hands out work). */
static void test_meeting(void **state)
{
	static const uint32_t thread[] = { 1, 2, 7 };

	(void)state;
	for (unsigned master = 0; master < 2; master++) {
		struct tape t;
		struct cgr_programs *p;
		unsigned meetings = 0;

		tape_begin(&t);
		t.now_ns = MS;
		for (unsigned i = 0; i < 3; i++) {
			turn(&t, 0, 0, 0, thread[i]);
			t.now_ns += MS;
			turn(&t, 0, thread[i], 1, 0);
		}
		for (unsigned i = 0; i < 30; i++) {
			uint32_t last = thread[master ? 0 : i % 3];

			t.now_ns += MS;
			wake(&t, 0, 0, last, 0, 0, CGR_EVF_HARDIRQ);
			turn(&t, 0, 0, 0, last);
			t.now_ns += MS;
			for (unsigned k = 0; k < 3; k++) {
				if (thread[k] == last)
					continue;
				wake(&t, 0, last, thread[k], 1, 1, 0);
				t.now_ns += 5000;
			}
			turn(&t, 0, last, 1, 0);
			for (unsigned k = 0; k < 3; k++) {
				if (thread[k] == last)
					continue;
				turn(&t, 1, 0, 0, thread[k]);
				t.now_ns += MS;
				turn(&t, 1, thread[k], 1, 0);
			}
		}
		p = compiled(&t);
		for (uint32_t i = 0; i < p->relations; i++) {
			assert_true(!p->relation[i].threads || p->relation[i].meets == !master);
			meetings += p->relation[i].meetings + p->relation[i].other_meetings;
		}
		assert_int_equal(meetings, 30);
		cgr_programs_free(p);
	}
}

/* A thread that burns and sleeps, held up by a limit after its last sleep, does not spin: out of work before its time
 * it sleeps on as before. One that has worked on instead spins. */
static void test_held_up_at_the_end(void **state)
{
	(void)state;
	for (unsigned spins = 0; spins < 2; spins++) {
		struct tape t;
		struct cgr_programs *p;

		tape_begin(&t);
		t.now_ns = 100 * MS;
		tell(&t, CGR_EV_FORK, 1, 4, 0, 0, 3, 0, 0);
		tell(&t, CGR_EV_WAKEUP_NEW, 1, 4, 0, 0, 3, 0u | 120u << 16, 0);
		turn(&t, 0, 0, 0, 3);
		for (unsigned i = 0; i < 213; i++) {
			t.now_ns += 7 * MS;
			tell(&t, CGR_EV_HRTIMER_START, 0, 3, t.now_ns + 2 * MS, 64, CGR_TIMER_HRTIMER_WAKEUP, 1, 0);
			turn(&t, 0, 3, 1, 0);
			t.now_ns += 2 * MS;
			tell(&t, CGR_EV_HRTIMER_EXPIRE, 0, 0, t.now_ns, 64, CGR_TIMER_HRTIMER_WAKEUP, 0, CGR_EVF_HARDIRQ);
			wake(&t, 0, 0, 3, 0, 0, CGR_EVF_HARDIRQ);
			turn(&t, 0, 0, 0, 3);
		}
		t.now_ns += spins ? 70 * MS : MS;
		turn(&t, 0, 3, 0x100, 0);
		t.now_ns = 2099 * MS;
		turn(&t, 0, 0, 0, 3);
		t.now_ns = 2100 * MS + 200000;
		tell(&t, CGR_EV_EXIT, 0, 3, 0, 0, 3, 0, 0);
		t.now_ns += 100000;
		turn(&t, 0, 3, 0x10, 0);
		p = compiled(&t);
		assert_int_equal(p->program[3].stop_ns / MS, 2000);
		assert_int_equal(p->program[3].loop_chunk == CGR_ID_NONE, spins);
		cgr_programs_free(p);
	}
}

/* A waker on CPU 0, or an interrupt of it, wakes task 3, which slept on the same CPU, while CPU 1 is idle: does it go
 * there? One that is still queued there, since its CPU has not been idle, tells nothing, nor does one that has never
 * run elsewhere, or not since its program began, or only on a CPU of another cache, one whom a kernel thread wakes, a
 * real-time task, one woken when somebody is on the way to CPU 1, or when CPU 1 has long done nothing at all, or is so
 * seldom idle that no kernel would look. */
static void test_idle_scan(void **state)
{
	enum {
		STAYS,
		GOES,
		BY_TIMER,
		QUEUED,
		AT_HOME,
		OTHER_CACHE,
		BEFORE_EXEC,
		UNUSED,
		BY_KERNEL,
		REAL_TIME,
		TAKEN,
		BUSY,
		KINDS
	};

	(void)state;
	for (unsigned kind = 0; kind < KINDS; kind++) {
		struct tape t;
		struct cgr_programs *p;
		uint32_t waker = kind == BY_KERNEL ? 5 : 4, prio = kind == REAL_TIME ? 50 : 120;

		tape_begin(&t);
		t.cpus = kind == OTHER_CACHE ? 3 : 2;
		if (kind != AT_HOME) {
			t.now_ns = MS / 2;
			turn(&t, kind == OTHER_CACHE ? 2 : 1, 0, 0, 3);
			t.now_ns += MS / 4;
			turn(&t, kind == OTHER_CACHE ? 2 : 1, 3, 1, 0);
		}
		t.now_ns = MS;
		turn(&t, 1, 0, 0, 1);
		t.now_ns += MS;
		turn(&t, 1, 1, 1, 0);
		turn(&t, 0, 0, 0, waker);
		t.now_ns += MS;
		turn(&t, 0, waker, 1, 0);
		turn(&t, 0, 0, 0, 3);
		if (kind == BEFORE_EXEC)
			tell(&t, CGR_EV_EXEC, 0, 3, 0, 0, 0, 0, 0);
		if (kind == UNUSED)
			t.now_ns += 2000 * MS;
		if (kind == BUSY) {
			turn(&t, 1, 0, 0, 1);
			t.now_ns += 200 * MS;
			turn(&t, 1, 1, 1, 0);
		}
		for (unsigned i = 0; i < 30; i++) {
			if (kind == BUSY)
				turn(&t, 1, 0, 0, 1);
			t.now_ns += MS;
			if (kind == QUEUED) {
				turn(&t, 0, 3, 1, waker);
			} else {
				turn(&t, 0, 3, 1, 0);
				t.now_ns += MS;
				wake(&t, 0, 0, waker, 0, 0, CGR_EVF_HARDIRQ);
				turn(&t, 0, 0, 0, waker);
			}
			t.now_ns += MS;
			if (kind == TAKEN)
				wake(&t, 0, waker, 1, 1, 1, 0);
			if (kind == BUSY)
				turn(&t, 1, 1, 1, 0);
			tell(&t, CGR_EV_WAKING, 0, waker, 0, 0, 3, prio << 16, kind == BY_TIMER ? CGR_EVF_HARDIRQ : 0);
			tell(&t, CGR_EV_WAKEUP, 0, waker, 0, 0, 3, (kind == GOES) | prio << 16, 0);
			turn(&t, 0, waker, 1, 3); /* pulled back, which does not matter here */
			if (kind == TAKEN) {
				turn(&t, 1, 0, 0, 1);
				t.now_ns += MS / 4;
				turn(&t, 1, 1, 1, 0);
			}
			if (kind == QUEUED)
				wake(&t, 0, 3, waker, 0, 0, 0);
		}
		p = compiled(&t);
		assert_int_equal(p->calibration.idle_scan_known, kind <= BY_TIMER);
		assert_int_equal(kind > BY_TIMER || p->calibration.idle_scan == (kind == GOES), 1);
		cgr_programs_free(p);
	}
}

/* Tasks 1 and 3 wait on CPU 0 while CPU 1 runs out of work: every fourth time it pulls one. Bound ones have never been
 * there and never get there. */
static struct cgr_programs *newly_idle(bool bound)
{
	struct tape t;

	tape_begin(&t);
	t.now_ns = MS / 2;
	if (!bound)
		turn(&t, 1, 0, 0, 1), turn(&t, 1, 1, 0, 3), turn(&t, 1, 3, 1, 0);
	t.now_ns = MS;
	turn(&t, 0, 0, 0, 1);
	turn(&t, 1, 0, 0, 4);
	wake(&t, 1, 4, 3, 0, 0, 0);
	for (unsigned i = 0; i < 80; i++) {
		t.now_ns += 2 * MS;
		turn(&t, 0, i % 2 ? 3 : 1, 0, i % 2 ? 1 : 3);
		t.now_ns += 2 * MS;
		if (i % 4 == 0 && !bound) {
			uint32_t waits = i % 2 ? 3 : 1;

			tell(&t, CGR_EV_MIGRATE, 1, 4, 0, 0, waits, 0 | 1u << 16, 0);
			t.now_ns += 1000;
			turn(&t, 1, 4, 1, waits);
			t.now_ns += MS;
			tell(&t, CGR_EV_MIGRATE, 0, i % 2 ? 1 : 3, 0, 0, waits, 1 | 0u << 16, CGR_EVF_HARDIRQ);
			wake(&t, 1, waits, 4, 1, 1, 0);
			turn(&t, 1, waits, 0, 4);
			continue;
		}
		turn(&t, 1, 4, 1, 0);
		t.now_ns += MS;
		wake(&t, 0, i % 2 ? 1 : 3, 4, 1, 1, 0);
		turn(&t, 1, 0, 0, 4);
	}
	return compiled(&t);
}

static void test_newly_idle(void **state)
{
	struct cgr_programs *p = newly_idle(true);

	(void)state;
	assert_false(p->calibration.newidle_known);
	cgr_programs_free(p);
	p = newly_idle(false);
	assert_true(p->calibration.newidle_known);
	assert_in_range(p->calibration.newidle_ratio, 240, 270);
	cgr_programs_free(p);
}

/* An interrupt wakes worker 5, which wakes task 1: the end of a request of task 1 if that slept uninterruptibly for it,
 * something from outside if not. */
static struct cgr_programs *worker_answers(uint32_t block_state)
{
	struct tape t;

	tape_begin(&t);
	t.now_ns = MS;
	turn(&t, 0, 0, 0, 1);
	t.now_ns += MS;
	turn(&t, 0, 1, block_state, 0);
	t.now_ns += 400000;
	tell(&t, CGR_EV_IRQ_ENTRY, 0, 0, 0, 0, 24, 0, CGR_EVF_HARDIRQ);
	wake(&t, 0, 0, 5, 0, 0, CGR_EVF_HARDIRQ);
	tell(&t, CGR_EV_IRQ_EXIT, 0, 0, 0, 0, 24, 0, CGR_EVF_HARDIRQ);
	t.now_ns += 10000;
	turn(&t, 0, 0, 0, 5);
	t.now_ns += 10000;
	wake(&t, 0, 5, 1, 0, 0, 0);
	t.now_ns += 10000;
	turn(&t, 0, 5, 1, 1);
	t.now_ns += MS;
	turn(&t, 0, 1, 1, 0);
	return compiled(&t);
}

static void test_request(void **state)
{
	struct cgr_programs *p = worker_answers(2);
	struct cgr_cursor cursor = cgr_cursor_start(p, 1);
	const struct cgr_op *op;

	(void)state;
	while ((op = cgr_cursor_peek(p, &cursor)) && op->kind != CGR_OP_REQUEST)
		cursor.position++;
	assert_non_null(op);
	assert_int_equal(op->c, 5);
	assert_int_equal(op->b, 400000);
	assert_int_equal(count_ops(p, 5, CGR_OP_BLOCK, CGR_CAUSE_TASK), 1);
	assert_int_equal(count_ops(p, 5, CGR_OP_BLOCK, CGR_CAUSE_ARRIVAL), 0);
	cgr_programs_free(p);
	p = worker_answers(1);
	assert_int_equal(count_ops(p, 1, CGR_OP_REQUEST, 0), 0);
	assert_int_equal(count_ops(p, 5, CGR_OP_BLOCK, CGR_CAUSE_ARRIVAL), 1);
	cgr_programs_free(p);
}

/* A task that moves to another cgroup waits for a grace period: as long as that lasts, from when it asked for it, not
 * until the moment at which RCU's thread looked at its clock in the recording. */
static void test_grace_period(void **state)
{
	struct tape t;
	struct cgr_programs *p;
	struct cgr_cursor cursor;
	const struct cgr_op *op;

	(void)state;
	tape_begin(&t);
	t.now_ns = MS;
	turn(&t, 0, 0, 0, 1);
	t.now_ns += MS;
	turn(&t, 0, 1, 2, 0);
	t.now_ns += 11 * MS;
	wake(&t, 0, 0, 6, 0, 0, CGR_EVF_HARDIRQ);
	turn(&t, 0, 0, 0, 6);
	t.now_ns += 10000;
	wake(&t, 0, 6, 1, 0, 0, 0);
	turn(&t, 0, 6, 1, 1);
	t.now_ns += MS;
	turn(&t, 0, 1, 1, 0);
	p = compiled(&t);
	cursor = cgr_cursor_start(p, 1);
	while ((op = cgr_cursor_peek(p, &cursor)) && op->kind != CGR_OP_BLOCK)
		cursor.position++;
	assert_non_null(op);
	assert_int_equal(op->cause, CGR_CAUSE_DEVICE);
	assert_int_equal(op->a, 11 * MS + 10000);
	assert_int_equal(count_ops(p, 6, CGR_OP_WAKE, 0), 0);
	cgr_programs_free(p);
}

/* Kernel thread 5 works on a clock of its own when task 1 comes upon what it holds, waits (in block_state; not at all
 * where it is let go while it still leaves its CPU) and is woken by it. */
static struct cgr_programs *comes_upon(uint32_t block_state, bool still_running)
{
	struct tape t;

	tape_begin(&t);
	t.now_ns = MS;
	turn(&t, 0, 0, 0, 1);
	turn(&t, 1, 0, 0, 3);
	t.now_ns += MS;
	turn(&t, 1, 3, 1, 0);
	t.now_ns += MS;
	wake(&t, 1, 0, 5, 1, 1, CGR_EVF_HARDIRQ);
	turn(&t, 1, 0, 0, 5);
	t.now_ns += 20000;
	if (!still_running)
		turn(&t, 0, 1, block_state, 0);
	t.now_ns += 5000;
	if (still_running) {
		tell(&t, CGR_EV_WAKING, 1, 5, 0, 0, 1, 120u << 16, 0);
		t.now_ns += 1000;
		turn(&t, 0, 1, block_state, 0);
	} else {
		wake(&t, 1, 5, 1, 0, 0, 0);
	}
	t.now_ns += 10000;
	turn(&t, 0, 0, 0, 1);
	t.now_ns += MS;
	turn(&t, 0, 1, 1, 0);
	return compiled(&t);
}

static void test_held_up(void **state)
{
	struct cgr_programs *p = comes_upon(2, false);
	struct cgr_cursor cursor = cgr_cursor_start(p, 1);
	const struct cgr_op *op;

	(void)state;
	while ((op = cgr_cursor_peek(p, &cursor)) && op->kind != CGR_OP_BLOCK)
		cursor.position++;
	assert_non_null(op);
	assert_int_equal(op->cause, CGR_CAUSE_DEVICE);
	assert_int_equal(op->a, 5000);
	assert_int_equal(count_ops(p, 5, CGR_OP_WAKE, 0), 0);
	cgr_programs_free(p);
	p = comes_upon(1, false);
	assert_int_equal(count_ops(p, 1, CGR_OP_BLOCK, CGR_CAUSE_TASK), 1);
	cgr_programs_free(p);
	p = comes_upon(2, true);
	assert_int_equal(count_ops(p, 1, CGR_OP_BLOCK, CGR_CAUSE_DEVICE), 1);
	assert_int_equal(count_ops(p, 1, CGR_OP_BLOCK, CGR_CAUSE_TASK), 0);
	cgr_programs_free(p);
	p = comes_upon(1, true);
	assert_int_equal(count_ops(p, 1, CGR_OP_BLOCK, CGR_CAUSE_TASK), 1);
	cgr_programs_free(p);
}

/* A page that misses: 10 us of CPU time, then 70 us in which the host serves the request and the task neither sleeps
 * nor is charged; every second one sleeps 40 us on top. */
#define MISSES 64u
static void test_stolen(void **state)
{
	struct tape t;
	uint64_t stolen_ns = 0;
	struct cgr_programs *p;
	struct cgr_cursor cursor;
	const struct cgr_op *op;

	(void)state;
	tape_begin(&t);
	turn(&t, 0, 0, 0, 1);
	for (uint32_t i = 0; i < MISSES; i++) {
		tell(&t, CGR_EV_CACHE_ADD, 0, 1, 1, i, 1, CGR_ID_NONE, 0);
		t.now_ns += 5000;
		tell(&t, CGR_EV_BLOCK_ISSUE, 0, 1, 0, 4096, 0, 0, 0);
		t.now_ns += 75000;
		tell(&t, CGR_EV_RUNTIME, 0, 1, 10000, 0, 1, 0, 0);
		if (i % 2) {
			turn(&t, 0, 1, 2, 0);
			t.now_ns += 40000;
			tell(&t, CGR_EV_BLOCK_DONE, 0, 0, 0, 4096, 0, 0, CGR_EVF_SOFTIRQ);
			wake(&t, 0, 0, 1, 0, 0, CGR_EVF_SOFTIRQ);
			turn(&t, 0, 0, 0, 1);
		} else {
			tell(&t, CGR_EV_BLOCK_DONE, 1, 0, 0, 4096, 0, 0, CGR_EVF_SOFTIRQ);
		}
		tell(&t, CGR_EV_CACHE_READ, 0, 1, 1, i, 1, 0, 0);
	}
	p = compiled(&t);
	cursor = cgr_cursor_start(p, 1);
	for (; (op = cgr_cursor_peek(p, &cursor)); cursor.position++)
		if (op->kind == CGR_OP_BLOCK && op->flags & CGR_OPF_STOLEN)
			stolen_ns += op->a;
	assert_int_equal(stolen_ns, MISSES * 70000u);
	assert_true(p->calibration.single.seen);
	assert_int_equal(p->calibration.single.wait_ns, 90000);
	assert_false(p->calibration.window.seen); /* never seen: a range, no figure */
	assert_true(p->calibration.window.wait_low_ns < p->calibration.window.wait_high_ns);
	cgr_programs_free(p);
}

static void stat(struct tape *t, uint32_t task, uint32_t item, int64_t delta)
{
	tell(t, CGR_EV_MEM_STAT, 0, task, 1, (uint64_t)delta, item, 0, 0);
}

/* Ten pages; a limit sends three of them to swap, two come back (one told by its refault, one by a major fault alone),
 * a lazily freed one goes without a slot; then an exit with one page still out. */
static void test_swap(void **state)
{
	struct cgr_store_cgroup group = { .path = "/c",
		                              .parent = 0,
		                              .born_ns = -1,
		                              .removed_ns = INT64_MAX,
		                              .released_ns = INT64_MAX,
		                              .has_memory = true,
		                              .recorded = true };
	struct cgr_error error = { 0 };
	uint64_t births = 0, deaths = 0, back[4];
	const struct cgr_op *op;
	unsigned ins = 0;
	struct tape t;
	uint32_t id;

	(void)state;
	tape_begin(&t);
	t.swap_bytes = 1 << 30;
	assert_int_equal(cgr_writer_add_cgroup(t.writer, &group, &id, &error), 0);
	turn(&t, 0, 0, 0, 3);
	for (int i = 0; i < 10; i++)
		tell(&t, CGR_EV_CHARGE, 0, 3, id, 1, CGR_CHARGE_ANON, 1, 0);
	tell(&t, CGR_EV_RECLAIM_BEGIN, 0, 3, id, 0, 0, 0, 0);
	for (int i = 0; i < 3; i++)
		stat(&t, 3, CGR_ITEM_SWAP, 1);
	tell(&t, CGR_EV_UNCHARGE, 0, 3, id, 4, CGR_CHARGE_ANON, 4, 0);
	tell(&t, CGR_EV_RECLAIM_END, 0, 3, 4, 0, 0, 0, 0);
	tell(&t, CGR_EV_CHARGE, 0, 3, id, 1, CGR_CHARGE_ANON, 1, 0);
	stat(&t, 3, CGR_ITEM_REFAULT_ANON, 1);
	stat(&t, 3, CGR_ITEM_PGMAJFAULT, 1);
	tell(&t, CGR_EV_CHARGE, 0, 3, id, 1, CGR_CHARGE_ANON, 1, 0);
	stat(&t, 3, CGR_ITEM_PGMAJFAULT, 1);
	t.now_ns += MS;
	tell(&t, CGR_EV_EXIT, 0, 3, 0, 0, 3, 1, 0);
	tell(&t, CGR_EV_UNCHARGE, 0, 3, id, 8, CGR_CHARGE_ANON, 8, 0);
	stat(&t, 3, CGR_ITEM_SWAP, -2); /* the slots of the two that came back; the last one stays in the CPU's cache */
	t.now_ns += MS;
	turn(&t, 0, 3, 16, 0);
	struct cgr_programs *p = compiled(&t);
	struct cgr_cursor cursor = cgr_cursor_start(p, 3);

	for (; (op = cgr_cursor_peek(p, &cursor)); cursor.position++) {
		if (op->kind == CGR_OP_CHARGE && op->flags & CGR_OPF_SWAPIN)
			back[ins++ & 3] = op->b;
		else if (op->kind == CGR_OP_CHARGE)
			births += op->a;
		else if (op->kind == CGR_OP_UNCHARGE)
			deaths += op->a;
	}
	assert_int_equal(births, 10);
	assert_int_equal(ins, 2);
	assert_int_equal(back[0], 0); /* the oldest went first and came back first */
	assert_int_equal(back[1], 1);
	assert_int_equal(deaths, 10);
	cgr_programs_free(p);
}

/* The kernel's account comes once in four misses of 80 us, and says that 40 us of them were the task's: what the host
 * had is taken from the misses that follow, and they count with the 0 us that are left of them. */
static void test_stolen_late(void **state)
{
	struct tape t;
	struct cgr_programs *p;

	(void)state;
	tape_begin(&t);
	turn(&t, 0, 0, 0, 1);
	for (uint32_t i = 0; i < 4 * MISSES; i++) {
		tell(&t, CGR_EV_CACHE_ADD, 0, 1, 1, i, 1, CGR_ID_NONE, 0);
		tell(&t, CGR_EV_BLOCK_ISSUE, 0, 1, 0, 4096, 0, 0, 0);
		t.now_ns += 80000;
		if (i % 4 == 3)
			tell(&t, CGR_EV_RUNTIME, 0, 1, 40000, 0, 1, 0, 0);
		tell(&t, CGR_EV_CACHE_READ, 0, 1, 1, i, 1, 0, 0);
	}
	p = compiled(&t);
	assert_in_range(p->calibration.single.cpu_ns, 9000, 12000);
	cgr_programs_free(p);
}

static uint32_t limited_group(struct tape *t, const char *path, int64_t later_period_usec)
{
	struct cgr_store_cgroup group = {
		.path = path, .born_ns = -1, .removed_ns = INT64_MAX, .released_ns = INT64_MAX, .has_cpu = true
	};
	struct cgr_error error = { 0 };
	uint32_t id;

	assert_int_equal(cgr_writer_add_cgroup(t->writer, &group, &id, &error), 0);
	assert_int_equal(
	    cgr_writer_add_knob(t->writer, id, "cpu.max", 0, 20000, 100000, "20000 100000", "start", NULL, &error), 0);
	if (later_period_usec)
		assert_int_equal(cgr_writer_add_knob(t->writer, id, "cpu.max", (int64_t)(900 * MS), 20000, later_period_usec,
		                                     "", "sample", NULL, &error),
		                 0);
	return id;
}

/* Ends of throttled times at one place of the period tell its grid, over the zero too; ends all over it do not, nor
 * what was limited by two periods. */
static void test_phase(void **state)
{
	static const uint64_t jitter[] = { 60000, 20000, 90000, 35000, 20000, 45000 };
	struct cgr_programs *p;
	struct tape t;
	uint32_t kept, lost, changed;

	(void)state;
	tape_begin(&t);
	kept = limited_group(&t, "/kept", 0);
	lost = limited_group(&t, "/lost", 0);
	changed = limited_group(&t, "/changed", 40000);
	turn(&t, 0, 0, 0, 1);
	for (uint64_t i = 0; i < 9; i++) {
		t.now_ns = (i * 100 + 40) * MS;
		tell(&t, CGR_EV_THROTTLE, 0, 1, kept, 0, 0, 0, 0);
		tell(&t, CGR_EV_THROTTLE, 0, 1, lost, 0, 0, 0, 0);
		tell(&t, CGR_EV_THROTTLE, 0, 1, changed, 0, 0, 0, 0);
		t.now_ns += (11 * i % 60) * MS;
		if (i % 3 == 1) /* by the slack timer: another CPU had time left */
			tell(&t, CGR_EV_UNTHROTTLE, 0, 1, kept, 0, 0, 0, 0);
		tell(&t, CGR_EV_UNTHROTTLE, 0, 1, lost, 0, 0, 0, 0);
		t.now_ns = (i * 100 + 100) * MS - 50000 + jitter[i * 2 / 3 % 6];
		if (i % 3 != 1)
			tell(&t, CGR_EV_UNTHROTTLE, 0, 1, kept, 0, 0, 0, 0);
		tell(&t, CGR_EV_UNTHROTTLE, 0, 1, changed, 0, 0, 0, 0);
	}
	p = compiled(&t);
	assert_int_equal(p->phases, 1);
	assert_int_equal(p->phase[0].cgroup, kept);
	assert_int_equal(p->phase[0].period_ns, 100 * MS);
	assert_int_equal(p->phase[0].phase_ns, 100 * MS - 30000);
	cgr_programs_free(p);
}

/* Kernel pages freed in a soft interrupt on an idle CPU: they stand in front of the next charge of their cgroup, not at
 * a moment of the clock; the last ones, which no charge follows, do. */
static void test_late_free(void **state)
{
	struct cgr_store_cgroup group = {
		.path = "/a", .parent = 0, .born_ns = -1, .removed_ns = INT64_MAX, .released_ns = INT64_MAX
	};
	struct cgr_error error = { 0 };
	struct cgr_programs *p;
	struct tape t;
	uint32_t id;

	(void)state;
	tape_begin(&t);
	assert_int_equal(cgr_writer_add_cgroup(t.writer, &group, &id, &error), 0);
	turn(&t, 0, 0, 0, 1);
	for (unsigned i = 0; i < 3; i++) {
		t.now_ns += MS;
		tell(&t, CGR_EV_CHARGE, 0, 1, id, 4, CGR_CHARGE_KMEM, 1, 0);
		t.now_ns += MS;
		tell(&t, CGR_EV_UNCHARGE, 1, 0, id, 1, CGR_CHARGE_KMEM, 1, CGR_EVF_SOFTIRQ);
		tell(&t, CGR_EV_UNCHARGE, 1, 0, id, 3, CGR_CHARGE_KMEM, 1, CGR_EVF_SOFTIRQ);
	}
	p = compiled(&t);
	assert_int_equal(count_ops(p, 1, CGR_OP_UNCHARGE, 0), 2);
	assert_int_equal(count_ops(p, 0, CGR_OP_UNCHARGE, 0), 1);
	cgr_programs_free(p);
}

/* Leaves the process so many bytes of private memory beyond what it has. Returns the limit of before. */
static struct rlimit limit_data(uint64_t bytes)
{
	struct rlimit old, limit;
	unsigned long long pages;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_non_null(f);
	assert_int_equal(fscanf(f, "%*s %*s %*s %*s %*s %llu", &pages), 1);
	fclose(f);
	assert_int_equal(getrlimit(RLIMIT_DATA, &old), 0);
	limit = (struct rlimit){ .rlim_cur = pages * (uint64_t)sysconf(_SC_PAGESIZE) + bytes, .rlim_max = old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_DATA, &limit), 0);
	return old;
}

/* Programs that do not fit into the part in memory, and grow several times beyond it. What is beyond it is no private
 * memory. */
static void test_long_programs(void **state)
{
	struct rlimit old = limit_data(80 << 20);
	struct cgr_programs *p = NULL;
	struct cgr_error error = { 0 };
	uint32_t tail[2] = { CGR_ID_NONE, CGR_ID_NONE };
	uint64_t count = 6000000;

	(void)state;
	assert_int_equal(cgr_programs_new(2, &p, &error), 0);
	for (uint64_t i = 0; i < count; i++) {
		struct cgr_op op = { .kind = CGR_OP_RUN, .a = i };

		assert_int_equal(cgr_programs_append(p, (uint32_t)(i & 1), &tail[i & 1], &op, &error), 0);
	}
	for (uint32_t task = 0; task < 2; task++) {
		struct cgr_cursor cursor = cgr_cursor_start(p, task);
		const struct cgr_op *op;
		uint64_t next = task;

		for (; (op = cgr_cursor_peek(p, &cursor)); cursor.position++, next += 2)
			assert_true(op->kind == CGR_OP_RUN && op->a == next);
		assert_int_equal(next, count + task);
	}
	cgr_programs_free(p);
	assert_int_equal(setrlimit(RLIMIT_DATA, &old), 0);
}

/* A page inserted to be overwritten is charged for good and read from nowhere: what is written is no miss, and one that
 * a read has found is no page to be overwritten. */
static void test_written_at_once(void **state)
{
	struct cgr_programs *p;
	struct tape t;
	struct cgr_cursor cursor;
	const struct cgr_op *op;
	unsigned written = 0, read = 0;

	(void)state;
	tape_begin(&t);
	turn(&t, 0, 0, 0, 1);
	for (uint32_t i = 0; i < 8; i++) {
		t.now_ns += MS;
		tell(&t, CGR_EV_CACHE_ADD, 0, 1, 1, i, 1, CGR_ID_NONE, 0);
		if (i % 2)
			tell(&t, CGR_EV_CACHE_READ, 0, 1, 1, i, 1, 0, 0);
		tell(&t, CGR_EV_CACHE_DIRTY, 0, 1, 1, i, 1, 0, 0);
	}
	t.now_ns += MS;
	turn(&t, 0, 1, 1, 0);
	p = compiled(&t);
	cursor = cgr_cursor_start(p, 1);
	for (; (op = cgr_cursor_peek(p, &cursor)); cursor.position++) {
		if (op->kind != CGR_OP_CACHE_ADD)
			continue;
		written += op->flags == CGR_OPF_WRITES && op->a % 2 == 0;
		read += op->flags == 0 && op->a % 2 == 1;
	}
	assert_int_equal(written, 4);
	assert_int_equal(read, 4);
	cgr_programs_free(p);
}

/* What was waited for before it became dirty was read first (a fault that is to write, an overwrite of a part of a
 * page): it stays a miss and its wait the device's, whether the task slept or the host served the request meanwhile. */
static void test_written_after_read(void **state)
{
	struct cgr_programs *p;
	struct tape t;
	struct cgr_cursor cursor;
	const struct cgr_op *op;
	unsigned written = 0, waits = 0;

	(void)state;
	tape_begin(&t);
	turn(&t, 0, 0, 0, 1);
	for (uint32_t i = 0; i < MISSES; i++) {
		tell(&t, CGR_EV_CACHE_ADD, 0, 1, 1, 2 * i, 1, CGR_ID_NONE, 0);
		if (i % 2) {
			turn(&t, 0, 1, 2, 0);
			t.now_ns += 90000;
			wake(&t, 0, 0, 1, 0, 0, CGR_EVF_SOFTIRQ);
			turn(&t, 0, 0, 0, 1);
		} else {
			tell(&t, CGR_EV_BLOCK_ISSUE, 0, 1, 0, 4096, 0, 0, 0);
			t.now_ns += 100000;
			tell(&t, CGR_EV_RUNTIME, 0, 1, 10000, 0, 1, 0, 0);
			tell(&t, CGR_EV_BLOCK_DONE, 1, 0, 0, 4096, 0, 0, CGR_EVF_SOFTIRQ);
		}
		tell(&t, CGR_EV_CACHE_ADD, 0, 1, 2, i, 1, CGR_ID_NONE, 0); /* this one is new, and written at once */
		tell(&t, CGR_EV_CACHE_DIRTY, 0, 1, 2, i, 1, 0, 0);
		tell(&t, CGR_EV_CACHE_DIRTY, 0, 1, 1, 2 * i, 1, 0, 0);
		tell(&t, CGR_EV_CACHE_READ, 0, 1, 1, 2 * i, 1, 0, 0);
	}
	p = compiled(&t);
	cursor = cgr_cursor_start(p, 1);
	for (; (op = cgr_cursor_peek(p, &cursor)); cursor.position++) {
		if (op->kind == CGR_OP_CACHE_ADD)
			assert_int_equal(op->flags & CGR_OPF_WRITES, op->c == 2 ? CGR_OPF_WRITES : 0);
		written += op->kind == CGR_OP_CACHE_ADD && op->flags & CGR_OPF_WRITES;
		waits += op->kind == CGR_OP_BLOCK && op->flags & (CGR_OPF_MISS | CGR_OPF_STOLEN);
	}
	assert_int_equal(written, MISSES);
	assert_int_equal(waits, MISSES);
	assert_true(p->calibration.single.seen);
	assert_int_equal(p->calibration.single.wait_ns, 90000);
	cgr_programs_free(p);
}

/* What a task waits for inside reclaim (reclaim_throttle) is the recorded limit's, and not what it has just read in. */
static void test_wait_in_reclaim(void **state)
{
	struct cgr_programs *p;
	struct tape t;
	struct cgr_cursor cursor;
	const struct cgr_op *op;
	unsigned limit = 0, missed = 0;

	(void)state;
	tape_begin(&t);
	turn(&t, 0, 0, 0, 1);
	t.now_ns += MS;
	tell(&t, CGR_EV_CACHE_ADD, 0, 1, 1, 0, 1, CGR_ID_NONE, 0);
	for (unsigned i = 0; i < 2; i++) {
		if (!i)
			tell(&t, CGR_EV_RECLAIM_BEGIN, 0, 1, 1, 0, 0, 0, 0);
		t.now_ns += MS;
		turn(&t, 0, 1, 2, 0);
		t.now_ns += 4 * MS;
		wake(&t, 0, 5, 1, 0, 0, 0);
		turn(&t, 0, 0, 0, 1);
		t.now_ns += MS;
		if (!i)
			tell(&t, CGR_EV_RECLAIM_END, 0, 1, 32, 0, 0, 0, 0);
	}
	tell(&t, CGR_EV_CACHE_READ, 0, 1, 1, 0, 1, 0, 0);
	turn(&t, 0, 1, 1, 0);
	p = compiled(&t);
	cursor = cgr_cursor_start(p, 1);
	for (; (op = cgr_cursor_peek(p, &cursor)); cursor.position++) {
		limit += op->kind == CGR_OP_BLOCK && op->flags & CGR_OPF_LIMIT && !(op->flags & CGR_OPF_MISS) && !missed;
		missed += op->kind == CGR_OP_BLOCK && op->flags & CGR_OPF_MISS && !(op->flags & CGR_OPF_LIMIT);
	}
	assert_int_equal(limit, 1);
	assert_int_equal(missed, 1);
	cgr_programs_free(p);
}

/* Reclaim frees folios: where the recording's were of 512 pages, one page by itself costs a tenth of one of them. */
static uint64_t folio_price(uint32_t pages)
{
	struct cgr_programs *p;
	struct tape t;
	uint64_t price;

	tape_begin(&t);
	turn(&t, 0, 0, 0, 1);
	for (uint32_t i = 0; i < 64; i++) {
		tell(&t, CGR_EV_RECLAIM_BEGIN, 0, 1, 1, 0, 0, 0, 0);
		t.now_ns += 562000;
		tell(&t, CGR_EV_RUNTIME, 0, 1, 562000, 0, 1, 0, 0);
		tell(&t, CGR_EV_CACHE_DELETE, 0, 1, 1, i * pages, pages, 0, 0);
		tell(&t, CGR_EV_RECLAIM_END, 0, 1, pages, 0, 0, 0, 0);
	}
	turn(&t, 0, 1, 1, 0);
	p = compiled(&t);
	price = p->calibration.reclaim_folio_ns;
	cgr_programs_free(p);
	return price;
}

static void test_price_of_folios(void **state)
{
	(void)state;
	/* without what recording the events themselves took */
	assert_in_range(folio_price(1), 560000, 562000);
	assert_in_range(folio_price(512), 49900, 50100); /* 1 + 511/50 of them */
}

/* Who reads on into a large folio marks it once more, and it may become active by that; in the midst of one it only
 * does where the file is read by splice. */
static void test_activated_in_its_midst(void **state)
{
	struct cgr_programs *p;
	struct tape t;
	struct cgr_cursor cursor;
	const struct cgr_op *op;
	uint64_t seen = 0;

	(void)state;
	tape_begin(&t);
	turn(&t, 0, 0, 0, 1);
	for (uint32_t i = 0; i < 16; i++) { /* folios of four pages */
		tell(&t, CGR_EV_CACHE_READ, 0, 1, 1, i, 1, 0, 0);
		t.now_ns += 1000;
		if (i == 4 || i == 8 || i == 10)
			tell(&t, CGR_EV_MEM_STAT, 0, 1, 1, 4, CGR_ITEM_PGACTIVATE, 0, 0);
	}
	turn(&t, 0, 1, 1, 0);
	p = compiled(&t);
	cursor = cgr_cursor_start(p, 1);
	for (; (op = cgr_cursor_peek(p, &cursor)); cursor.position++)
		if (op->kind == CGR_OP_CACHE_READ && op->flags & CGR_OPF_ACTIVATES)
			seen |= 1ull << op->a;
	assert_int_equal(seen, 1ull << 10);
	cgr_programs_free(p);
}

/* The end of a reclaim is lost: what shows that it is over ends it, and a wait after that is the task's own. */
static void test_reclaim_end_lost(void **state)
{
	static const unsigned shows[] = { CGR_EV_LOST, CGR_EV_CACHE_READ, CGR_EV_CACHE_FAULT, CGR_EV_EXEC };

	(void)state;
	for (size_t i = 0; i < sizeof shows / sizeof *shows; i++) {
		struct cgr_programs *p;
		struct tape t;
		struct cgr_cursor cursor;
		const struct cgr_op *op;
		unsigned waits = 0;

		tape_begin(&t);
		turn(&t, 0, 0, 0, 1);
		t.now_ns += MS;
		tell(&t, CGR_EV_RECLAIM_BEGIN, 0, 1, 1, 0, 0, 0, 0);
		t.now_ns += MS;
		tell(&t, shows[i], 0, shows[i] == CGR_EV_LOST ? 0 : 1, 1, 0, 1, 0, 0);
		t.now_ns += MS;
		turn(&t, 0, 1, 2, 0);
		t.now_ns += 4 * MS;
		wake(&t, 0, 5, 1, 0, 0, 0);
		turn(&t, 0, 0, 0, 1);
		t.now_ns += MS;
		turn(&t, 0, 1, 1, 0);
		p = compiled(&t);
		cursor = cgr_cursor_start(p, 1);
		for (; (op = cgr_cursor_peek(p, &cursor)); cursor.position++) {
			waits += op->kind == CGR_OP_BLOCK;
			assert_false(op->kind == CGR_OP_BLOCK && (op->flags & CGR_OPF_LIMIT));
		}
		assert_true(waits > 0);
		cgr_programs_free(p);
	}
}

/* Windows of 32 pages: each of their inserts says so, and how many there were in the mean is known. A page by itself is
 * none. */
static void test_windows(void **state)
{
	struct cgr_programs *p;
	struct tape t;
	struct cgr_cursor cursor;
	const struct cgr_op *op;
	unsigned window = 0, single = 0;

	(void)state;
	tape_begin(&t);
	turn(&t, 0, 0, 0, 1);
	for (uint32_t i = 0; i < 64; i++) {
		for (uint32_t page = 0; page < (i % 2 ? 1 : 32); page++)
			tell(&t, CGR_EV_CACHE_ADD, 0, 1, 1, 32 * i + page, 1, CGR_ID_NONE, 0);
		t.now_ns += 5000;
		tell(&t, CGR_EV_CACHE_READ, 0, 1, 1, 32 * i, 1, 0, 0);
	}
	p = compiled(&t);
	cursor = cgr_cursor_start(p, 1);
	for (; (op = cgr_cursor_peek(p, &cursor)); cursor.position++) {
		window += op->kind == CGR_OP_CACHE_ADD && op->flags & CGR_OPF_WINDOW;
		single += op->kind == CGR_OP_CACHE_ADD && !(op->flags & CGR_OPF_WINDOW);
	}
	assert_int_equal(window, 32 * 32);
	assert_int_equal(single, 32);
	assert_true(p->calibration.window.seen);
	assert_int_equal(p->calibration.window_pages, 32);
	cgr_programs_free(p);
}

/* Windows whose pages were there when the reader came to them: it hardly waited for any, but a page by itself takes
 * what the device takes for one at least. */
static void test_windows_ahead(void **state)
{
	struct cgr_programs *p;
	struct tape t;

	(void)state;
	tape_begin(&t);
	turn(&t, 0, 0, 0, 1);
	for (uint32_t i = 0; i < 64; i++) {
		tell(&t, CGR_EV_CACHE_ADD, 0, 1, 1, 64 * i, 64, CGR_ID_NONE, 0);
		tell(&t, CGR_EV_BLOCK_ISSUE, 0, 1, 0, 64u << 12, 0, 0, 0);
		t.now_ns += 640000;
		tell(&t, CGR_EV_RUNTIME, 0, 1, 640000, 0, 1, 0, 0);
		tell(&t, CGR_EV_BLOCK_DONE, 0, 1, 0, 64u << 12, 0, 0, CGR_EVF_SOFTIRQ);
		tell(&t, CGR_EV_CACHE_READ, 0, 1, 1, 64 * i, 64, 0, 0);
	}
	p = compiled(&t);
	assert_true(p->calibration.window.seen);
	assert_in_range(p->calibration.window.wait_ns, 0, 100);
	assert_false(p->calibration.single.seen);
	assert_int_equal(p->calibration.stream_page_ns, 10000);
	assert_int_equal(p->calibration.single.wait_low_ns, 10000);
	assert_in_range(p->calibration.single.wait_ns, 10000, p->calibration.single.wait_high_ns);
	cgr_programs_free(p);
}

/* What a page by itself may cost where none was read: as long as a short request takes, not a mean over those of
 * megabytes. */
static void test_short_requests(void **state)
{
	struct cgr_programs *p;
	struct tape t;

	(void)state;
	tape_begin(&t);
	turn(&t, 0, 0, 0, 1);
	for (uint32_t i = 0; i < 32; i++) {
		uint64_t bytes = i % 2 ? 4096 : 4u << 20;

		tell(&t, CGR_EV_BLOCK_ISSUE, 0, 1, 0, bytes, 0, 0, 0);
		t.now_ns += i % 2 ? 90000 : 3 * MS;
		tell(&t, CGR_EV_BLOCK_DONE, 0, 1, 0, bytes, 0, 0, CGR_EVF_SOFTIRQ);
		t.now_ns += 5000;
	}
	p = compiled(&t);
	assert_false(p->calibration.single.seen);
	assert_int_equal(p->calibration.single.wait_high_ns, 90000);
	cgr_programs_free(p);
}

/* Where only requests of megabytes were seen, which part of their time is the device's latency is not known: the range
 * reaches to all of it (a disk that seeks). Flushes, which move no data, do not make them short. */
static void test_long_requests(void **state)
{
	struct cgr_programs *p;
	struct tape t;

	(void)state;
	tape_begin(&t);
	turn(&t, 0, 0, 0, 1);
	for (uint32_t i = 0; i < 64; i++) {
		uint64_t bytes = i % 2 ? 0 : 1u << 20;

		tell(&t, CGR_EV_BLOCK_ISSUE, 0, 1, 0, bytes, 0, 0, 0);
		t.now_ns += i % 2 ? 90000 : 12 * MS;
		tell(&t, CGR_EV_BLOCK_DONE, 0, 1, 0, bytes, 0, 0, CGR_EVF_SOFTIRQ);
		t.now_ns += 5000;
	}
	p = compiled(&t);
	assert_false(p->calibration.single.seen);
	assert_int_equal(p->calibration.single.wait_low_ns, 46875);
	assert_in_range(p->calibration.single.wait_ns, 46875, 200000);
	assert_int_equal(p->calibration.single.wait_high_ns, 12 * MS);
	cgr_programs_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_grid),
		cmocka_unit_test(test_length),
		cmocka_unit_test(test_account),
		cmocka_unit_test(test_relation),
		cmocka_unit_test(test_newly_idle),
		cmocka_unit_test(test_meeting),
		cmocka_unit_test(test_idle_scan),
		cmocka_unit_test(test_held_up_at_the_end),
		cmocka_unit_test(test_woken_early),
		cmocka_unit_test(test_woken_early_by_device),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_stolen),
		cmocka_unit_test(test_peers),
		cmocka_unit_test(test_paced),
		cmocka_unit_test(test_paced_preempted),
		cmocka_unit_test(test_paced_unseen),
		cmocka_unit_test(test_grace_period),
		cmocka_unit_test(test_held_up),
		cmocka_unit_test(test_swap),
		cmocka_unit_test(test_stolen_late),
		cmocka_unit_test(test_answers),
		cmocka_unit_test(test_account_leaving),
		cmocka_unit_test(test_phase),
		cmocka_unit_test(test_late_free),
		cmocka_unit_test(test_long_programs),
		cmocka_unit_test(test_written_at_once),
		cmocka_unit_test(test_written_after_read),
		cmocka_unit_test(test_wait_in_reclaim),
		cmocka_unit_test(test_price_of_folios),
		cmocka_unit_test(test_activated_in_its_midst),
		cmocka_unit_test(test_reclaim_end_lost),
		cmocka_unit_test(test_windows),
		cmocka_unit_test(test_windows_ahead),
		cmocka_unit_test(test_short_requests),
		cmocka_unit_test(test_long_requests),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
