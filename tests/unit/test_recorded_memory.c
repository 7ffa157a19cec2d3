/* Recorded memory between two samples: as the recorded charges went, and no straight line. */
#include "job_store.h"

#define MIB (1 << 20)

static struct cgr_error error;

static void charge(const struct job_tape *tape, uint64_t at_ms, uint32_t cgroup, enum cgr_event_kind kind,
                   uint64_t pages)
{
	append(tape, (struct cgr_event){ .ts_ns = at_ms * MS,
	                                 .kind = (uint8_t)kind,
	                                 .task = 1,
	                                 .a = cgroup,
	                                 .b = pages,
	                                 .c = CGR_CHARGE_ANON,
	                                 .d = (uint32_t)pages });
}

/* /job holds 1 MiB when the recording starts; /job/new is made at 20 ms, takes 8 MiB at 30 ms, frees half at 60 ms. */
static void add_tables(const struct job_tape *tape)
{
	struct cgr_store_cgroup new = { .path = "/job/new",
		                            .parent = 1,
		                            .born_ns = 20 * MS,
		                            .removed_ns = INT64_MAX,
		                            .released_ns = INT64_MAX,
		                            .has_cpu = true,
		                            .has_memory = true,
		                            .recorded = true };
	struct cgr_writer *w = tape->writer;

	assert_int_equal(cgr_writer_add_cgroup(w, &new, &(uint32_t){ 0 }, &error), 0);
	assert_int_equal(cgr_writer_add_counter(w, 1, "memory.current", 0, MIB, "start", &error), 0);
	assert_int_equal(cgr_writer_add_counter(w, 1, "memory.current", 100 * MS, 5 * MIB + 8192, "end", &error), 0);
	assert_int_equal(cgr_writer_add_counter(w, 2, "memory.current", 50 * MS, 8 * MIB, "sample", &error), 0);
	assert_int_equal(cgr_writer_add_counter(w, 2, "memory.current", 100 * MS, 4 * MIB, "end", &error), 0);
}

static struct cgr_store *machine(void)
{
	struct cgr_store_info info = job_info;
	struct job_tape tape;

	info.duration_ns = 100 * MS;
	tape = job_begin(&info);
	add_tables(&tape);
	append(&tape, (struct cgr_event){ .ts_ns = MS, .kind = CGR_EV_SWITCH, .c = 1, .d = PRIO });
	charge(&tape, 30, 2, CGR_EV_CHARGE, 2048);
	charge(&tape, 60, 2, CGR_EV_UNCHARGE, 1024);
	append(&tape, (struct cgr_event){ .ts_ns = 100 * MS, .kind = CGR_EV_RUNTIME, .task = 1, .a = 99 * MS, .c = 1 });
	return job_end(&tape);
}

/* The last point at or before the time; -1 none. */
static int64_t held(const struct cgr_result *r, const char *path, int64_t at_usec)
{
	int64_t value = -1;

	for (size_t i = 0; i < r->series_count; i++) {
		const struct cgr_result_series *s = &r->series[i];

		if (!s->recorded || strcmp(s->name, "memory.current") != 0 || strcmp(r->cgroup_path[s->cgroup], path) != 0)
			continue;
		for (size_t k = 0; k < s->count; k++) {
			assert_true(k == 0 || s->t_usec[k] >= s->t_usec[k - 1]);
			if (s->t_usec[k] <= at_usec)
				value = s->value[k];
		}
	}
	return value;
}

static void test_follows_charges(void **state)
{
	struct cgr_run_options options = { .threads = 1, .series = true, .curves = true };
	struct cgr_store *store = machine();
	struct cgr_scenario scenario;
	struct cgr_programs *programs = NULL;
	struct cgr_result *r = NULL;

	(void)state;
	assert_int_equal(cgr_scenario_init(&scenario, "memory", &error), 0);
	scenario.seeds = 1;
	assert_int_equal(cgr_compile(store, NULL, &programs, &error), 0);
	assert_int_equal(cgr_replay(store, programs, &scenario, &options, &r, &error), 0);
	assert_int_equal(held(r, "/job/new", 15000), -1); /* not made yet */
	assert_int_equal(held(r, "/job/new", 25000), 0);
	assert_int_equal(held(r, "/job/new", 35000), 8 * MIB); /* 15 ms before its first sample */
	assert_int_equal(held(r, "/job/new", 55000), 8 * MIB);
	assert_int_equal(held(r, "/job/new", 65000), 4 * MIB);
	assert_int_equal(held(r, "/job", 25000), MIB);
	assert_int_equal(held(r, "/job", 35000), 9 * MIB); /* and what lies below, on top of what it had */
	assert_int_equal(held(r, "/job", 99000), 5 * MIB);
	assert_int_equal(held(r, "/job", 100000), 5 * MIB + 8192); /* the kernel's word is the last */
	cgr_result_free(r);
	cgr_programs_free(programs);
	cgr_scenario_fini(&scenario);
	cgr_store_free(store);
}

/* A heap of three times 2 MiB, in huge pages or in small ones. */
static struct cgr_store *heap(uint32_t folios)
{
	struct cgr_store_info info = job_info;
	struct job_tape tape;

	info.has_memcg_events = true;
	tape = job_begin(&info);
	job_switch(&tape, MS, 0, 0, 0, 1);
	for (unsigned i = 0; i < 3; i++)
		append(&tape, (struct cgr_event){ .ts_ns = (2 + i) * MS,
		                                  .kind = CGR_EV_CHARGE,
		                                  .task = 1,
		                                  .a = 1,
		                                  .b = 512,
		                                  .c = CGR_CHARGE_ANON,
		                                  .d = folios });
	job_exit(&tape, 10 * MS, 1, 0);
	return job_end(&tape);
}

/* A kill that splitting huge pages may spare is not certain: the engine tells the model how large folios are. */
static void test_kill_of_huge_heap(void **state)
{
	(void)state;
	for (uint32_t folios = 1; folios <= 512; folios *= 512) {
		struct cgr_result *r = job_replay(heap(folios), "/job:memory.max=5M", 1, true);
		bool found = false;

		for (size_t i = 0; i < r->metrics; i++) {
			const struct cgr_result_metric *m = &r->metric[i];

			if (m->cgroup != 1 || strcmp(r->metric_desc[m->metric].name, "memory.events.oom_kill") != 0)
				continue;
			found = true;
			assert_int_equal(m->predicted, 1);
			assert_int_equal(m->low, folios > 1);
			assert_int_equal(m->high, 1);
			assert_int_equal(m->class, folios > 1 ? CGR_CLASS_EXACT : CGR_CLASS_BOUNDED);
		}
		assert_true(found);
		cgr_result_free(r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_follows_charges),
		cmocka_unit_test(test_kill_of_huge_heap),
	};

	return cmocka_run_group_tests_name("recorded memory", tests, NULL, NULL);
}
