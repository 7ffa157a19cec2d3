/* A writer and the reader of its pipe: what a full pipe tells about how far the writer gets ahead, and that a writer
 * whose reader is held up by a limit waits for it. */
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
#define WRITER 1u
#define READER 2u
#define SHELL 3u

/* The writer runs on CPU 0, the reader, in /job, on CPU 1. */
struct tape {
	struct cgr_writer *writer;
	uint64_t now_ns;
};

static void tell(struct tape *t, unsigned kind, uint32_t cpu, uint32_t task, uint64_t a, uint32_t c, uint32_t d)
{
	struct cgr_event e = {
		.ts_ns = t->now_ns, .a = a, .c = c, .d = d, .task = task, .cpu = (uint16_t)cpu, .kind = (uint8_t)kind
	};
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_append(t->writer, &e, 1, &error), 0);
}

static void wake(struct tape *t, uint32_t waker, uint32_t task)
{
	tell(t, CGR_EV_WAKING, waker - 1, waker, 0, task, (task - 1) | 120u << 16);
	tell(t, CGR_EV_WAKEUP, waker - 1, waker, 0, task, (task - 1) | 120u << 16);
	tell(t, CGR_EV_SWITCH, task - 1, 0, 0, task, PRIO);
}

static void sleeps(struct tape *t, uint32_t task)
{
	tell(t, CGR_EV_SWITCH, task - 1, task, 1, 0, PRIO);
}

enum kind { PIPE, THREADS, UNEVEN, TINY_ITEMS, TURNS, BORN };

/* The shell, in /job, takes 100 pages and starts the reader. */
static void start(struct tape *t)
{
	struct cgr_event charge = { .task = SHELL, .cpu = 1, .kind = CGR_EV_CHARGE, .a = 1, .b = 100, .d = 100 };
	struct cgr_error error = { 0 };

	t->now_ns = MS / 4;
	tell(t, CGR_EV_SWITCH, 1, 0, 0, SHELL, PRIO);
	charge.ts_ns = t->now_ns += MS / 4;
	charge.c = CGR_CHARGE_KMEM;
	assert_int_equal(cgr_writer_append(t->writer, &charge, 1, &error), 0);
	tell(t, CGR_EV_FORK, 1, SHELL, 0, READER, 0);
	tell(t, CGR_EV_WAKEUP_NEW, 1, SHELL, 0, READER, 1 | 120u << 16);
	tell(t, CGR_EV_SWITCH, 1, SHELL, 1, 0, PRIO);
}

/* A question from one and an answer from the other, again and again. */
static void take_turns(struct tape *t)
{
	for (unsigned i = 0; i < 60; i++) {
		sleeps(t, READER);
		t->now_ns += MS;
		wake(t, WRITER, READER);
		sleeps(t, WRITER);
		t->now_ns += MS;
		wake(t, READER, WRITER);
	}
}

/* The writer takes 1 ms an item. The reader waits for the first few, then it needs 2 ms for each, until the pipe is
 * full; from then on (uneven: at odd intervals) the writer waits for it. Tiny items are followed by a second in which
 * nobody waits. Who takes turns before all that waits for answers. */
static void work(struct tape *t, enum kind kind)
{
	uint64_t unit_ns = kind == TINY_ITEMS ? 1000 : MS;

	if (kind == BORN)
		start(t);
	t->now_ns = MS;
	tell(t, CGR_EV_SWITCH, 0, 0, 0, WRITER, PRIO);
	tell(t, CGR_EV_SWITCH, 1, 0, 0, READER, PRIO);
	t->now_ns += unit_ns / 10;
	if (kind == TURNS)
		take_turns(t);
	sleeps(t, READER);
	for (unsigned i = 0; i < 4; i++) {
		t->now_ns += unit_ns;
		wake(t, WRITER, READER);
		t->now_ns += unit_ns / 2;
		if (i < 3)
			sleeps(t, READER);
	}
	t->now_ns += 32 * unit_ns;
	for (unsigned i = 0; i < 16; i++) {
		uint64_t item_ns = kind == UNEVEN && i % 2 ? 4 * unit_ns : unit_ns;

		sleeps(t, WRITER);
		t->now_ns += 2 * unit_ns;
		wake(t, READER, WRITER);
		t->now_ns += item_ns;
	}
	if (kind == TINY_ITEMS) {
		t->now_ns += 1000 * MS;
		sleeps(t, READER);
		t->now_ns += unit_ns;
		wake(t, WRITER, READER);
	}
}

static struct cgr_store *machine(enum kind kind)
{
	struct cgr_store_cgroup job = { .path = "/job",
		                            .born_ns = -1,
		                            .removed_ns = INT64_MAX,
		                            .released_ns = INT64_MAX,
		                            .has_cpu = true,
		                            .has_memory = true,
		                            .recorded = true };
	char path[] = "/tmp/cgr-test-pipe-XXXXXX";
	struct cgr_error error = { 0 };
	struct cgr_store *store = NULL;
	struct tape t = { 0 };
	uint32_t cgroup;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(cgr_writer_new(path, 0, &t.writer, &error), 0);
	assert_int_equal(cgr_writer_add_hierarchy(t.writer, 1, 2, "cpu,memory", &error), 0);
	assert_int_equal(cgr_writer_add_cgroup(t.writer, &job, &cgroup, &error), 0);
	for (uint32_t i = WRITER; i <= SHELL; i++) {
		struct cgr_store_css_set set = { .cpu_cgroup = i == WRITER ? 0 : cgroup,
			                             .memory_cgroup = i == WRITER ? 0 : cgroup };
		struct cgr_store_task task = { .tid = 100 + (int32_t)i,
			                           .tgid = kind == THREADS ? 101 : 100 + (int32_t)i,
			                           .comm = "pipe",
			                           .start_ns = kind == BORN && i == READER ? (int64_t)MS / 2 : -1,
			                           .end_ns = INT64_MAX,
			                           .parent = kind == BORN && i == READER ? SHELL : CGR_ID_NONE,
			                           .prio = 120 };

		assert_int_equal(cgr_writer_add_css_set(t.writer, &set, NULL, 0, &task.css_set, &error), 0);
		assert_int_equal(cgr_writer_add_task(t.writer, &task, &(uint32_t){ 0 }, &error), 0);
	}
	work(&t, kind);
	struct cgr_store_info info = { .kernel_release = "6.18.44",
		                           .kernel_version = 6u << 16 | 18 << 8 | 44,
		                           .hz = 250,
		                           .clock = "mono",
		                           .tool_version = "test",
		                           .source_path = "pipe",
		                           .source_digest = "00",
		                           .duration_ns = (int64_t)t.now_ns + 1,
		                           .cpus = 2,
		                           .online_cpus = 2,
		                           .cgroup_version = 2,
		                           .has_memcg_events = kind == BORN,
		                           .has_sched = true };
	assert_int_equal(cgr_writer_set_info(t.writer, &info, &error), 0);
	assert_int_equal(cgr_writer_commit(t.writer, &error), 0);
	cgr_writer_free(t.writer);
	assert_int_equal(cgr_store_open(path, &store, &error), 0);
	unlink(path);
	return store;
}

static void test_found(void **state)
{
	(void)state;
	for (enum kind kind = PIPE; kind <= TURNS; kind++) {
		struct cgr_store *store = machine(kind);
		struct cgr_programs *p = NULL;
		struct cgr_error error = { 0 };
		uint64_t run_ns = 0;
		unsigned rooms = 0;

		assert_int_equal(cgr_compile(store, NULL, &p, &error), 0);
		assert_int_equal(p->pipes, kind == PIPE || kind == TINY_ITEMS);
		for (struct cgr_cursor at = cgr_cursor_start(p, WRITER); cgr_cursor_peek(p, &at); at.position++) {
			const struct cgr_op *op = cgr_cursor_peek(p, &at);

			rooms += op->kind == CGR_OP_ROOM;
			run_ns += op->kind == CGR_OP_RUN ? op->a : 0;
		}
		assert_int_equal(rooms > 3, kind == PIPE || kind == TINY_ITEMS);
		assert_in_range(rooms, 0, 200);
		assert_int_equal(run_ns, p->program[WRITER].run_ns);
		cgr_programs_free(p);
		cgr_store_free(store);
	}
}

static int64_t writer_usec(enum kind kind, const char *setting)
{
	struct cgr_run_options options = { .threads = 1 };
	struct cgr_store *store = machine(kind);
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_result *result = NULL;
	struct cgr_error error = { 0 };
	int64_t usec = 0;

	assert_int_equal(cgr_scenario_init(&scenario, "pipe", &error), 0);
	scenario.seeds = 1;
	assert_int_equal(cgr_scenario_set(&scenario, setting, &error), 0);
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	assert_int_equal(programs->pipes, 1);
	assert_int_equal(cgr_replay(store, programs, &scenario, &options, &result, &error), 0);
	for (size_t i = 0; i < result->tasks; i++)
		if (result->task[i].tid == 100 + (int32_t)WRITER)
			usec = result->task[i].runtime_usec;
	if (kind != BORN)
		assert_int_equal(result->quality.causality_violations, 0);
	cgr_result_free(result);
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	cgr_store_free(store);
	return usec;
}

/* With 8 ms in 100 the reader takes the four items that it waited for and a few more: the writer gets
 * 16 ahead of that, where without a pipe it would have gone on to its recorded sleep, at 36 ms. */
static void test_held_up(void **state)
{
	(void)state;
	assert_in_range(writer_usec(PIPE, "/job:cpu.max=8000 100000"), 20000, 31000);
}

/* The shell is killed before it starts the reader: nobody waits for one that is never born. */
static void test_never_born(void **state)
{
	(void)state;
	assert_in_range(writer_usec(BORN, "/job:memory.max=40960"), 45000, 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_found), cmocka_unit_test(test_held_up),
		                                cmocka_unit_test(test_never_born) };

	return cmocka_run_group_tests_name("pipe", tests, NULL, NULL);
}
