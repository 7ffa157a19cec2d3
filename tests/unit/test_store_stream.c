/* Writer and reader of the event store: what goes in comes out, in order, from any point, for any set of kinds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "store/stream.h"
#include "store_synthetic.h"

static char path[256];

static int make_store(uint64_t events, bool sched_only, unsigned flags)
{
	struct cgr_error err = { 0 };
	struct cgr_writer *w = NULL;
	struct synthetic s;
	int rc;

	synthetic_init(&s, 7, sched_only);
	rc = cgr_writer_new(path, flags, &w, &err);
	if (rc == 0)
		rc = synthetic_tables(w, &err);
	if (rc == 0)
		rc = synthetic_events(w, &s, events, &err);
	if (rc == 0)
		rc = cgr_writer_commit(w, &err);
	(void)cgr_writer_free(w);
	if (rc < 0) {
		char text[1000];

		cgr_error_format(&err, text, sizeof(text));
		print_error("%s\n", text);
	}
	return rc;
}

/* Streams from from_ns and compares with the generator run again. */
static void compare(int64_t from_ns, uint64_t kinds, bool sched_only, uint64_t events)
{
	struct cgr_error err = { 0 };
	struct cgr_store *store = NULL;
	struct cgr_stream *stream = NULL;
	const struct cgr_event *got = NULL;
	size_t count = 0, at = 0;
	struct cgr_event batch[4];
	struct synthetic s;
	uint64_t done = 0;

	synthetic_init(&s, 7, sched_only);
	assert_int_equal(cgr_store_open(path, &store, &err), 0);
	assert_int_equal(cgr_stream_open(store, from_ns, kinds, &stream, &err), 0);
	while (done < events) {
		size_t n = synthetic_step(&s, batch);

		for (size_t i = 0; i < n; i++) {
			if ((int64_t)batch[i].ts_ns < from_ns || (kinds != 0 && (kinds >> batch[i].kind & 1) == 0))
				continue;
			if (at == count) {
				assert_int_equal(cgr_stream_next(stream, &got, &count, &err), 1);
				assert_true(count > 0);
				at = 0;
			}
			assert_memory_equal(&got[at], &batch[i], sizeof(batch[i]));
			at++;
		}
		done += n;
	}
	assert_int_equal(at, count);
	assert_int_equal(cgr_stream_next(stream, &got, &count, &err), 0);
	(void)cgr_stream_free(stream);
	(void)cgr_store_free(store);
}

static void round_trip(void **state)
{
	(void)state;
	assert_int_equal(make_store(300000, false, 0), 0);
	compare(0, 0, false, 300000);
	compare(123456789, 0, false, 300000);
	compare(0, 1ull << CGR_EV_SWITCH | 1ull << CGR_EV_WAKING, false, 300000);
	compare(50000000, 1ull << CGR_EV_CHARGE | 1ull << CGR_EV_HRTIMER_START, false, 300000);
	compare(0, 1ull << CGR_EV_OOM_VICTIM, false, 300000);
}

static void small_and_lean(void **state)
{
	(void)state;
	assert_int_equal(make_store(1, true, 0), 0);
	compare(0, 0, true, 1);
	assert_int_equal(make_store(1000, true, CGR_WRITER_LEAN), 0);
	compare(0, 0, true, 1000);
	assert_int_equal(make_store(0, true, 0), 0);
	compare(0, 0, true, 0);
}

static void tables_come_back(void **state)
{
	struct cgr_error err = { 0 };
	struct cgr_store *store = NULL;
	size_t cgroups, tasks, knobs, files;
	int64_t value = 0, value2 = 0;
	uint32_t id = 0;

	(void)state;
	assert_int_equal(make_store(1000, false, 0), 0);
	assert_int_equal(cgr_store_open(path, &store, &err), 0);
	assert_string_equal(cgr_store_borrow_info(store)->kernel_release, "6.18.44");
	assert_int_equal(cgr_store_borrow_info(store)->hz, 250);
	assert_int_equal(cgr_store_borrow_info(store)->cpus, SYNTHETIC_CPUS);
	assert_true(cgr_store_borrow_info(store)->has_sched);
	assert_string_equal(cgr_store_borrow_cgroups(store, &cgroups)[2].path, "/web/a");
	assert_int_equal(cgroups, 4);
	assert_string_equal(cgr_store_borrow_tasks(store, &tasks)[1].comm, "task1");
	assert_int_equal(tasks, SYNTHETIC_TASKS + 1);
	assert_int_equal(cgr_store_borrow_tasks(store, &tasks)[1].end_ns, INT64_MAX);
	(void)cgr_store_borrow_knobs(store, &knobs);
	assert_int_equal(knobs, 6);
	assert_null(cgr_store_borrow_files(store, &files)[1].path);
	assert_int_equal(files, 3);
	assert_int_equal(cgr_store_find_cgroup(store, "/web/a", &id, &err), 0);
	assert_int_equal(id, 2);
	assert_int_equal(cgr_store_find_cgroup(store, "a", &id, &err), 0);
	assert_int_equal(cgr_store_find_cgroup(store, "we", &id, &err), CGR_E_SCENARIO);
	assert_int_equal(cgr_store_find_cgroup(store, "/wbe", &id, &err), CGR_E_SCENARIO);
	assert_true(cgr_store_knob_at(store, 2, "cpu.max", 0, &value, &value2));
	assert_int_equal(value, 50000);
	assert_int_equal(value2, 100000);
	assert_string_equal(cgr_store_borrow_controllers(store, 5), "memory");
	assert_null(cgr_store_borrow_controllers(store, 6));
	assert_false(cgr_store_knob_at(store, 0, "cpu.max", 0, &value, &value2));
	assert_true(cgr_store_counter_last(store, 1, "memory.current", &value));
	assert_int_equal(value, 2 << 20);
	assert_true(cgr_store_counter_first(store, 1, "memory.current", &value));
	assert_int_equal(value, 1 << 20);
	assert_true(cgr_store_counter_first(store, 1, "cpu.stat.usage_usec", &value));
	assert_int_equal(value, 0);
	(void)cgr_store_free(store);
}

/* An abandoned writer leaves neither a file under the final name nor its temporary one. */
static void abort_leaves_nothing(void **state)
{
	struct cgr_error err = { 0 };
	struct cgr_writer *w = NULL;
	struct synthetic s;
	char temp[400];

	(void)state;
	(void)unlink(path);
	synthetic_init(&s, 7, true);
	assert_int_equal(cgr_writer_new(path, 0, &w, &err), 0);
	assert_int_equal(synthetic_tables(w, &err), 0);
	assert_int_equal(synthetic_events(w, &s, 100000, &err), 0);
	(void)cgr_writer_free(w);
	assert_int_equal(access(path, F_OK), -1);
	(void)snprintf(temp, sizeof(temp), "%.*s/.%s.cgr-tmp-%d", (int)(strrchr(path, '/') - path), path,
	               strrchr(path, '/') + 1, (int)getpid());
	assert_int_equal(access(temp, F_OK), -1);
}

static void order_is_enforced(void **state)
{
	struct cgr_event e[2] = { { .ts_ns = 10, .kind = CGR_EV_OTHER }, { .ts_ns = 9, .kind = CGR_EV_OTHER } };
	struct cgr_error err = { 0 };
	struct cgr_writer *w = NULL;

	(void)state;
	assert_int_equal(cgr_writer_new(path, 0, &w, &err), 0);
	assert_int_equal(cgr_writer_append(w, e, 2, &err), CGR_E_INTERNAL);
	assert_int_not_equal(cgr_writer_commit(w, &err), 0);
	(void)cgr_writer_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),           cmocka_unit_test(small_and_lean),    cmocka_unit_test(tables_come_back),
		cmocka_unit_test(abort_leaves_nothing), cmocka_unit_test(order_is_enforced),
	};
	char folder[] = "/tmp/cgr-store-XXXXXX";
	int rc;

	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/t.db", folder);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)rmdir(folder);
	return rc;
}
