/* Random recordings of a small machine, replayed under every CPU model and random limits: programs keep the recorded
 * CPU time, invariants hold, nothing runs on two CPUs' worth of time, and two replays are equal to the byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/util.h"
#include "model/registry.h"
#include "replay/run.h"
#include "store/writer.h"

#define CPUS 2u
#define TASKS 12u
#define DURATION_NS 400000000ull

enum state { READY, RUNNING, SLEEPING, WAITING };
struct machine {
	struct cgr_rng rng;
	struct cgr_writer *writer;
	uint64_t now_ns, until_ns[CPUS], wake_ns[TASKS + 1], since_ns[CPUS];
	uint32_t current[CPUS];
	enum state state[TASKS + 1];
	uint64_t ran_ns;
};

static void emit(struct machine *m, unsigned kind, uint32_t cpu, uint32_t task, uint64_t a, uint32_t c, uint32_t d,
                 unsigned flags)
{
	struct cgr_event e = { .ts_ns = m->now_ns,
		                   .a = a,
		                   .c = c,
		                   .d = d,
		                   .task = task,
		                   .cpu = (uint16_t)cpu,
		                   .kind = (uint8_t)kind,
		                   .flags = (uint8_t)flags };
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_append(m->writer, &e, 1, &error), 0);
}

static uint32_t next_ready(struct machine *m, uint32_t cpu)
{
	for (uint32_t i = 0, start = (uint32_t)cgr_rng_below(&m->rng, TASKS); i < TASKS; i++) {
		uint32_t task = 1 + (start + i) % TASKS;

		if (m->state[task] == READY && task % CPUS == cpu)
			return task;
	}
	return 0;
}

static void switch_to(struct machine *m, uint32_t cpu, uint32_t next, uint32_t prev_state)
{
	uint32_t prev = m->current[cpu];

	if (prev) {
		emit(m, CGR_EV_RUNTIME, cpu, prev, m->now_ns - m->since_ns[cpu], prev, 0, 0);
		m->ran_ns += m->now_ns - m->since_ns[cpu];
	}
	if (prev != next)
		emit(m, CGR_EV_SWITCH, cpu, prev, prev_state, next, 120u | 120u << 16, 0);
	m->current[cpu] = next;
	m->since_ns[cpu] = m->now_ns;
	if (next)
		m->state[next] = RUNNING;
	m->until_ns[cpu] = next ? m->now_ns + 20000 + cgr_rng_below(&m->rng, 3000000) : UINT64_MAX;
}

static void wake(struct machine *m, uint32_t cpu, uint32_t task, unsigned flags)
{
	uint32_t home = task % CPUS;

	emit(m, CGR_EV_WAKING, cpu, m->current[cpu], 0, task, home | 120u << 16, flags);
	m->state[task] = READY;
	m->wake_ns[task] = UINT64_MAX;
	if (!m->current[home]) {
		m->now_ns += 1500;
		switch_to(m, home, next_ready(m, home), 0);
	}
}

/* The current task's burst is over: it wakes somebody, sleeps, waits for somebody, or is merely preempted. */
static void turn(struct machine *m, uint32_t cpu)
{
	uint32_t task = m->current[cpu], other = 1 + (uint32_t)cgr_rng_below(&m->rng, TASKS);
	unsigned choice = (unsigned)cgr_rng_below(&m->rng, 4);

	if (m->state[other] == WAITING && other != task)
		wake(m, cpu, other, 0);
	if (choice == 0) {
		m->state[task] = READY;
		switch_to(m, cpu, next_ready(m, cpu), 0);
		return;
	}
	m->state[task] = choice == 1 && task != 1 ? WAITING : SLEEPING;
	m->wake_ns[task] = m->state[task] == SLEEPING ? m->now_ns + 100000 + cgr_rng_below(&m->rng, 8000000) : UINT64_MAX;
	switch_to(m, cpu, next_ready(m, cpu), 1);
}

static void live(struct machine *m)
{
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		switch_to(m, cpu, next_ready(m, cpu), 0);
	for (;;) {
		uint64_t soonest = UINT64_MAX;
		uint32_t cpu = CPUS, task = 0;

		for (uint32_t i = 0; i < CPUS; i++)
			if (m->until_ns[i] < soonest) {
				soonest = m->until_ns[i];
				cpu = i;
			}
		for (uint32_t i = 1; i <= TASKS; i++)
			if (m->wake_ns[i] < soonest) {
				soonest = m->wake_ns[i];
				task = i;
			}
		if (soonest >= DURATION_NS)
			break;
		m->now_ns = CGR_MAX(m->now_ns, soonest);
		if (task)
			wake(m, task % CPUS, task, CGR_EVF_HARDIRQ);
		else
			turn(m, cpu);
	}
	m->now_ns = CGR_MAX(m->now_ns, DURATION_NS);
	for (uint32_t cpu = 0; cpu < CPUS; cpu++)
		if (m->current[cpu])
			switch_to(m, cpu, m->current[cpu], 0);
}

static uint64_t make_store(const char *path, uint64_t seed)
{
	struct machine m = { 0 };
	struct cgr_error error = { 0 };
	struct cgr_store_info info = { .kernel_release = "6.18.0",
		                           .kernel_version = 6u << 16 | 18u << 8,
		                           .clock = "mono",
		                           .source_digest = "00",
		                           .tool_version = "test",
		                           .source_path = "random",
		                           .duration_ns = (int64_t)DURATION_NS,
		                           .cpus = CPUS,
		                           .online_cpus = CPUS,
		                           .hz = 250,
		                           .cgroup_version = 2,
		                           .has_sched = true,
		                           .swappiness = 60 };
	struct cgr_store_cgroup group = {
		.path = "/g", .parent = 0, .born_ns = -1, .removed_ns = INT64_MAX, .released_ns = INT64_MAX, .has_cpu = true
	};
	uint32_t id, set[2];

	cgr_rng_init(&m.rng, seed);
	assert_int_equal(cgr_writer_new(path, 0, &m.writer, &error), 0);
	assert_int_equal(cgr_writer_set_info(m.writer, &info, &error), 0);
	assert_int_equal(cgr_writer_add_cgroup(m.writer, &group, &id, &error), 0);
	for (uint32_t i = 0; i < 2; i++) {
		struct cgr_store_css_set css = { .cpu_cgroup = i ? id : 0, .memory_cgroup = 0 };

		assert_int_equal(cgr_writer_add_css_set(m.writer, &css, NULL, 0, &set[i], &error), 0);
	}
	for (uint32_t i = 1; i <= TASKS; i++) {
		struct cgr_store_task task = { .tid = (int32_t)(100 + i),
			                           .tgid = (int32_t)(100 + i),
			                           .comm = "worker",
			                           .start_ns = -1,
			                           .end_ns = INT64_MAX,
			                           .parent = CGR_ID_NONE,
			                           .css_set = set[i % 3 != 0],
			                           .prio = 120,
			                           .policy = 0 };

		assert_int_equal(cgr_writer_add_task(m.writer, &task, &id, &error), 0);
		assert_int_equal(id, i);
		assert_int_equal(cgr_writer_add_membership(m.writer, i, -1, task.css_set, "snapshot", &error), 0);
		m.wake_ns[i] = UINT64_MAX;
	}
	live(&m);
	assert_int_equal(cgr_writer_commit(m.writer, &error), 0);
	cgr_writer_free(m.writer);
	return m.ran_ns;
}

static struct cgr_result *replay(const struct cgr_store *store, const struct cgr_programs *programs, const char *model,
                                 const char *quota)
{
	struct cgr_scenario scenario = { 0 };
	struct cgr_run_options options = { .threads = 2 };
	struct cgr_result *result = NULL;
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_scenario_init(&scenario, "random", &error), 0);
	scenario.cpu_model = cgr_strdup(model);
	scenario.seeds = 3;
	if (quota)
		assert_int_equal(cgr_scenario_add(&scenario, "/g", "cpu.max", quota, 0, "test", &error), 0);
	if (cgr_replay(store, programs, &scenario, &options, &result, &error) < 0) {
		char text[1000];

		cgr_error_format(&error, text, sizeof text);
		fail_msg("%s: %s", model, text);
	}
	cgr_scenario_fini(&scenario);
	return result;
}

static void check_one(const struct cgr_store *store, const struct cgr_programs *programs, const char *model,
                      const char *quota)
{
	struct cgr_result *a = replay(store, programs, model, quota), *b = replay(store, programs, model, quota);
	int64_t sum = 0;

	assert_int_equal(a->metrics, b->metrics);
	assert_memory_equal(a->metric, b->metric, a->metrics * sizeof *a->metric);
	assert_int_equal(a->decisions, b->decisions);
	assert_int_equal(a->tasks, b->tasks);
	for (size_t i = 0; i < a->tasks; i++) {
		assert_int_equal(a->task[i].runtime_usec, b->task[i].runtime_usec);
		assert_int_equal(a->task[i].wait_usec, b->task[i].wait_usec);
		sum += a->task[i].runtime_usec;
	}
	assert_true(sum <= (int64_t)(CPUS * DURATION_NS / 1000));
	assert_true(sum > 0);
	assert_int_equal(a->quality.causality_violations, 0);
	cgr_result_free(a);
	cgr_result_free(b);
}

static void test_random(void **state)
{
	static const char *const quota[] = { NULL, "20000 100000", "5000 10000", "150000 100000" };
	const struct cgr_model_head *head;

	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		char path[] = "/tmp/cgr-test-replay-XXXXXX";
		struct cgr_error error = { 0 };
		struct cgr_store *store = NULL;
		struct cgr_programs *programs = NULL;
		uint64_t ran, off;
		int fd = mkstemp(path);

		assert_true(fd >= 0);
		close(fd);
		ran = make_store(path, seed);
		assert_int_equal(cgr_store_open(path, &store, &error), 0);
		assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
		/* what is between two events of one task must not get lost: 0.1 % */
		assert_int_equal(programs->recorded_run_ns, ran);
		off = programs->program_run_ns > ran ? programs->program_run_ns - ran : ran - programs->program_run_ns;
		assert_true(off * 1000 <= ran);
		for (size_t i = 0; (head = cgr_model_borrow(CGR_DOMAIN_CPU, i)); i++)
			for (size_t q = 0; q < CGR_ARRAY_SIZE(quota); q++)
				if (!quota[q] || head->n_knobs) /* fifo knows no limits */
					check_one(store, programs, head->name, quota[q]);
		cgr_programs_free(programs);
		cgr_store_free(store);
		unlink(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_random) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
