/* Recordings of kernels of the 2.6.3x years: formats as those kernels print them (Documentation/trace/events.txt
 * of 2.6.32), with names in the place of array lengths, no word on signs, another common field, a wake-up event that
 * also tells tries in vain, and, before 2.6.30, records of another layout and no description of their pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

#include "parser/import.h"
#include "parser/trace.h"
#include "tests/unit/trace_builder.h"

#define OLD_COMMON                                                                                                     \
	"format:\n\tfield:unsigned short common_type;\toffset:0;\tsize:2;\n"                                               \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\n"                                                        \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\n"                                                \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\n\tfield:int common_tgid;\toffset:8;\tsize:4;\n\n"

static const char *const old_formats[] = {
	"name: sched_switch\nID: 57\n" OLD_COMMON "\tfield:char prev_comm[TASK_COMM_LEN];\toffset:12;\tsize:16;\n"
	"\tfield:pid_t prev_pid;\toffset:28;\tsize:4;\n\tfield:int prev_prio;\toffset:32;\tsize:4;\n"
	"\tfield:long prev_state;\toffset:40;\tsize:8;\n\tfield:char next_comm[TASK_COMM_LEN];\toffset:48;\tsize:16;\n"
	"\tfield:pid_t next_pid;\toffset:64;\tsize:4;\n\tfield:int next_prio;\toffset:68;\tsize:4;\n\nprint fmt: \"\"\n",
	"name: sched_wakeup\nID: 60\n" OLD_COMMON "\tfield:char comm[TASK_COMM_LEN];\toffset:12;\tsize:16;\n"
	"\tfield:pid_t pid;\toffset:28;\tsize:4;\n\tfield:int prio;\toffset:32;\tsize:4;\n"
	"\tfield:int success;\toffset:36;\tsize:4;\n\tfield:int cpu;\toffset:40;\tsize:4;\n\nprint fmt: \"\"\n",
	"name: odd_event\nID: 61\n" OLD_COMMON "\tfield:int number;\toffset:12;\tsize:4;\n"
	"\tfield:char text[SOME_LEN];\toffset:16;\tsize:8;\n\nprint fmt: \"\"\n",
};
static const struct builder_kernel kernel_2_6_32 = {
	old_formats,
	sizeof(old_formats) / sizeof(old_formats[0]),
	"\tfield: u64 timestamp;\toffset:0;\tsize:8;\n\tfield: local_t commit;\toffset:8;\tsize:8;\n"
	"\tfield: char data;\toffset:16;\tsize:4080;\n",
	NULL,
	NULL,
	NULL,
	false,
	0
};
static const struct builder_kernel kernel_2_6_29 = {
	old_formats, sizeof(old_formats) / sizeof(old_formats[0]), "", NULL, NULL, NULL, false, 0
};

static char path[64];

static struct bytes old_head(unsigned id, int32_t pid)
{
	struct bytes b = { 0 };

	put_head(&b, id, pid);
	put_number(&b, (uint32_t)pid, 4); /* common_tgid */
	return b;
}

static struct bytes old_switch(int32_t prev, const char *prev_comm, uint64_t state, int32_t next, const char *next_comm)
{
	struct bytes b = old_head(57, prev);

	put_comm(&b, prev_comm);
	put_number(&b, (uint32_t)prev, 4);
	put_number(&b, 120, 4);
	put_number(&b, 0, 4);
	put_number(&b, state, 8);
	put_comm(&b, next_comm);
	put_number(&b, (uint32_t)next, 4);
	put_number(&b, 120, 4);
	return b;
}

static struct bytes old_wakeup(int32_t context, int32_t pid, int32_t success, unsigned cpu)
{
	struct bytes b = old_head(60, context);

	put_comm(&b, "sleeper");
	put_number(&b, (uint32_t)pid, 4);
	put_number(&b, 120, 4);
	put_number(&b, (uint32_t)success, 4);
	put_number(&b, cpu, 4);
	return b;
}

static struct bytes old_other(int32_t context, int32_t number, const char *text)
{
	struct bytes b = old_head(61, context);
	char fixed[8] = "";

	(void)snprintf(fixed, sizeof(fixed), "%s", text);
	put_number(&b, (uint32_t)number, 4);
	put(&b, fixed, sizeof(fixed));
	return b;
}

/* A record as kernels before 2.6.30 wrote it: two bits of type (1 time extend, 3 data), three of length in words, 0:
 * the length follows. The first 20 ms are told by a time extend. */
static void old_record(struct ring_builder *r, uint64_t time, struct bytes record)
{
	put_pad(&record, 4);
	if (r->page == SIZE_MAX) {
		r->page = r->pages.length;
		put_number(&r->pages, time, 8);
		put_number(&r->pages, 0, 8);
		r->last = time;
	}
	uint64_t delta = time - r->last;
	if (delta >= 1u << 27) {
		put_number(&r->pages, (delta & 0x7ffffff) << 5 | 1, 4);
		put_number(&r->pages, delta >> 27, 4);
		delta = 0;
	}
	if (record.length <= 28) {
		put_number(&r->pages, delta << 5 | record.length / 4 << 2 | 3, 4);
	} else {
		put_number(&r->pages, delta << 5 | 3, 4);
		put_number(&r->pages, record.length + 4, 4);
	}
	put(&r->pages, record.data, record.length);
	r->last = time;
	free(record.data);
}

static void import_old(const struct builder *f, void (*add)(struct ring_builder *, uint64_t, struct bytes))
{
	struct ring_builder ring = { .page_bytes = 4096, .page = SIZE_MAX };
	struct cgr_import_options options = { .max_lost = -1, .to_ns = -1 };
	struct cgr_import_summary summary;
	struct cgr_trace *trace = NULL;
	struct cgr_error err = { 0 };
	uint64_t start = 7000000000ull;

	add(&ring, start, old_switch(0, "swapper", 0, 100, "runner"));
	add(&ring, start + 1000, old_wakeup(100, 200, 1, 0));
	add(&ring, start + 2000, old_wakeup(100, 100, 0, 0)); /* it runs: nothing to wake */
	add(&ring, start + 3000, old_other(100, -5, "old"));
	add(&ring, start + 900000000, old_switch(100, "runner", 2 | 128, 200, "sleeper"));
	add(&ring, start + 900005000, old_switch(200, "sleeper", 0, 0, "swapper"));
	ring_close(&ring);
	struct bytes file = build(f, &ring);
	int rc = cgr_trace_open_memory("old.dat", file.data, file.length, &trace, &err);
	if (rc == 0)
		rc = cgr_import_trace(trace, path, &options, &summary, &err);
	assert_int_equal(rc, 0);
	assert_int_equal(summary.records, 6);
	cgr_trace_free(trace);
	free(ring.pages.data);
	free(file.data);
}

static void expect(sqlite3 *db, const char *sql, const char *want)
{
	sqlite3_stmt *statement = NULL;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	assert_string_equal((const char *)sqlite3_column_text(statement, 0), want);
	assert_int_equal(sqlite3_finalize(statement), SQLITE_OK);
}

static void check_store(void)
{
	sqlite3 *db = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	expect(db, "SELECT count(*) FROM sched_switch WHERE NOT flags & 8", "3");
	expect(
	    db,
	    "SELECT group_concat(comm || ':' || tid, ' ') FROM (SELECT * FROM task WHERE tid IN (100, 200) ORDER BY tid)",
	    "runner:100 sleeper:200");
	/* uninterruptible until a fatal signal; 895 us after it was woken the sleeper runs */
	expect(db, "SELECT group_concat(prev_state || '@' || ts_ns, ' ') FROM sched_switch WHERE NOT flags & 8",
	       "0@0 130@900000000 0@900005000");
	expect(db, "SELECT count(*) || ' at ' || min(ts_ns) FROM sched_wakeup", "1 at 1000");
	expect(db, "SELECT fields FROM other_events WHERE event = 'odd_event'", "{\"number\":-5,\"text\":\"old\"}");
	expect(db, "SELECT sum(count) FROM source_count", "6");
	(void)sqlite3_close(db);
	(void)unlink(path);
}

static void names_of_2_6_32(void **state)
{
	struct builder seven = { 7, BUILDER_ZLIB, false, false, 4096, 1, UINT32_MAX, &kernel_2_6_32 };
	struct builder six = { 6, BUILDER_NONE, false, false, 4096, 1, UINT32_MAX, &kernel_2_6_32 };

	(void)state;
	import_old(&seven, ring_event);
	check_store();
	import_old(&six, ring_event);
	check_store();
}

static void records_before_2_6_30(void **state)
{
	struct builder six = { 6, BUILDER_NONE, false, false, 4096, 1, UINT32_MAX, &kernel_2_6_29 };

	(void)state;
	import_old(&six, old_record);
	check_store();
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(names_of_2_6_32), cmocka_unit_test(records_before_2_6_30) };

	(void)snprintf(path, sizeof(path), "/tmp/cgr-test-old-%d.db", (int)getpid());
	return cmocka_run_group_tests(tests, NULL, NULL);
}
