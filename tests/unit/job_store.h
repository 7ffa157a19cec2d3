/* Recordings of one /job and its task, made event by event, and their replay. */
#ifndef CGR_TESTS_JOB_STORE_H
#define CGR_TESTS_JOB_STORE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "replay/compile.h"
#include "replay/run.h"
#include "store/store.h"
#include "store/writer.h"

#define MS 1000000ull
#define PRIO (120u | 120u << 16)
#define EXIT_DEAD 0x10

struct job_tape {
	struct cgr_writer *writer;
	char path[32];
};

static const struct cgr_store_info job_info = { .kernel_release = "6.18.44",
	                                            .kernel_version = 6u << 16 | 18 << 8 | 44,
	                                            .hz = 250,
	                                            .clock = "mono",
	                                            .tool_version = "test",
	                                            .source_path = "test",
	                                            .source_digest = "00",
	                                            .duration_ns = 20 * MS,
	                                            .cpus = 1,
	                                            .online_cpus = 1,
	                                            .cgroup_version = 2,
	                                            .has_sched = true };

static inline void append(const struct job_tape *tape, struct cgr_event e)
{
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_append(tape->writer, &e, 1, &error), 0);
}

/* A cgroup and a task in it, both there before the recording; cpus_allowed NULL: it may run anywhere. */
static inline void job_add(const struct job_tape *tape, const char *path, int32_t tid, const char *cpus_allowed)
{
	struct cgr_store_cgroup group = { .path = path,
		                              .born_ns = -1,
		                              .removed_ns = INT64_MAX,
		                              .released_ns = INT64_MAX,
		                              .has_cpu = true,
		                              .has_memory = true,
		                              .recorded = true };
	struct cgr_store_css_set set = { 0 };
	struct cgr_store_task task = { .tid = tid,
		                           .tgid = tid,
		                           .comm = "job",
		                           .start_ns = -1,
		                           .end_ns = INT64_MAX,
		                           .parent = CGR_ID_NONE,
		                           .prio = 120,
		                           .cpus_allowed = cpus_allowed };
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_add_cgroup(tape->writer, &group, &set.cpu_cgroup, &error), 0);
	set.memory_cgroup = set.cpu_cgroup;
	assert_int_equal(cgr_writer_add_css_set(tape->writer, &set, NULL, 0, &task.css_set, &error), 0);
	assert_int_equal(cgr_writer_add_task(tape->writer, &task, &(uint32_t){ 0 }, &error), 0);
}

/* /job is cgroup 1, its task task 1. */
static inline struct job_tape job_begin(const struct cgr_store_info *info)
{
	struct job_tape tape = { .path = "/tmp/cgr-test-job-XXXXXX" };
	struct cgr_error error = { 0 };
	int fd = mkstemp(tape.path);

	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(cgr_writer_new(tape.path, 0, &tape.writer, &error), 0);
	assert_int_equal(cgr_writer_set_info(tape.writer, info, &error), 0);
	assert_int_equal(cgr_writer_add_hierarchy(tape.writer, 1, 2, "cpu,memory", &error), 0);
	job_add(&tape, "/job", 1001, NULL);
	return tape;
}

/* A kernel thread, in the root cgroup, there before the recording. */
static inline void job_add_kworker(const struct job_tape *tape)
{
	struct cgr_store_css_set set = { 0 };
	struct cgr_store_task task = { .tid = 1002,
		                           .tgid = 1002,
		                           .comm = "kworker/u8:0",
		                           .start_ns = -1,
		                           .end_ns = INT64_MAX,
		                           .parent = CGR_ID_NONE,
		                           .kernel_thread = true,
		                           .prio = 120 };
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_add_css_set(tape->writer, &set, NULL, 0, &task.css_set, &error), 0);
	assert_int_equal(cgr_writer_add_task(tape->writer, &task, &(uint32_t){ 0 }, &error), 0);
}

static inline void job_switch(const struct job_tape *tape, uint64_t ts_ns, unsigned cpu, uint32_t from, uint64_t state,
                              uint32_t to)
{
	append(tape, (struct cgr_event){ .ts_ns = ts_ns,
	                                 .kind = CGR_EV_SWITCH,
	                                 .cpu = (uint16_t)cpu,
	                                 .task = from,
	                                 .a = state,
	                                 .c = to,
	                                 .d = PRIO });
}

static inline void job_exit(const struct job_tape *tape, uint64_t ts_ns, uint32_t task, uint32_t next)
{
	append(tape, (struct cgr_event){ .ts_ns = ts_ns, .kind = CGR_EV_EXIT, .task = task, .c = task });
	append(tape, (struct cgr_event){
	                 .ts_ns = ts_ns, .kind = CGR_EV_SWITCH, .task = task, .a = EXIT_DEAD, .c = next, .d = PRIO });
}

static inline struct cgr_store *job_end(struct job_tape *tape)
{
	struct cgr_store *store = NULL;
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_writer_commit(tape->writer, &error), 0);
	cgr_writer_free(tape->writer);
	assert_int_equal(cgr_store_open(tape->path, &store, &error), 0);
	unlink(tape->path);
	return store;
}

/* One seed, until the job is done, with a parameter of a model (NULL: none). The store is freed. */
static inline struct cgr_result *job_replay_with(struct cgr_store *store, const char *param, const char *limit,
                                                 uint64_t seed, bool with_recorder)
{
	struct cgr_run_options options = { .threads = 1, .with_recorder = with_recorder };
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_result *result = NULL;
	struct cgr_error error = { 0 };

	assert_int_equal(cgr_scenario_init(&scenario, "test", &error), 0);
	scenario.seed = seed;
	scenario.seeds = 1;
	assert_int_equal(param ? cgr_scenario_param(&scenario, param, &error) : 0, 0);
	scenario.until_done = true;
	assert_int_equal(cgr_scenario_set(&scenario, limit, &error), 0);
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	assert_int_equal(cgr_replay(store, programs, &scenario, &options, &result, &error), 0);
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	cgr_store_free(store);
	return result;
}

static inline struct cgr_result *job_replay(struct cgr_store *store, const char *limit, uint64_t seed,
                                            bool with_recorder)
{
	return job_replay_with(store, NULL, limit, seed, with_recorder);
}

static inline int64_t job_metric(const struct cgr_result *result, const char *path, const char *name)
{
	for (size_t i = 0; i < result->metrics; i++) {
		const struct cgr_result_metric *m = &result->metric[i];

		if (m->cgroup != CGR_ID_NONE && strcmp(result->cgroup_path[m->cgroup], path) == 0 &&
		    strcmp(result->metric_desc[m->metric].name, name) == 0)
			return m->predicted;
	}
	fail_msg("%s has no %s", path, name);
	return -1;
}
#endif
