/* Import: which cgroup an event speaks of when a path was removed and made again. */
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

#define LIFE                                                                                                           \
	COMMON "\tfield:int root;\toffset:8;\tsize:4;\tsigned:1;\n\tfield:int level;\toffset:12;\tsize:4;\tsigned:1;\n"    \
	       "\tfield:u64 id;\toffset:16;\tsize:8;\tsigned:0;\n"                                                         \
	       "\tfield:__data_loc char[] path;\toffset:24;\tsize:4;\tsigned:1;\n\nprint fmt: \"%d\", REC->root\n"

enum { MKDIR = 310, RELEASE = 311 };

static const char *const formats[] = { "name: cgroup_mkdir\nID: 310\n" LIFE, "name: cgroup_release\nID: 311\n" LIFE };
static const struct builder_kernel kernel = { formats, 2,        "\tfield: char data;\toffset:16;\tsize:4080;\n",
	                                          NULL,    "cgroup", NULL,
	                                          false,   0 };

static char path[64];

static struct bytes record_life(unsigned event, uint32_t root, uint64_t id, const char *name)
{
	struct bytes b = { 0 };

	put_head(&b, event, 1);
	put_number(&b, root, 4);
	put_number(&b, 1, 4);
	put_number(&b, id, 8);
	put_number(&b, 28 | (uint64_t)(strlen(name) + 1) << 16, 4);
	put_text(&b, name);
	put_pad(&b, 4);
	return b;
}

static int number_of(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *statement = NULL;
	int value;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
	value = sqlite3_column_int(statement, 0);
	(void)sqlite3_finalize(statement);
	return value;
}

/* The last references of two cgroups that were removed before the trace go while a third one lives under their path:
 * they are two cgroups of their own, removed, and the path stays with the third. */
static void left_over_of_before(void **state)
{
	struct builder f = { 7, BUILDER_NONE, false, false, 4096, 1, UINT32_MAX, &kernel };
	struct ring_builder ring = { .page_bytes = 4096, .page = SIZE_MAX };
	struct cgr_import_options options = { .to_ns = -1, .max_lost = -1 };
	struct cgr_import_summary summary;
	struct cgr_error err = { 0 };
	struct cgr_trace *trace = NULL;
	sqlite3 *db = NULL;
	uint64_t t = 1000;

	(void)state;
	ring_event(&ring, t++, record_life(MKDIR, 1, 50, "/web"));
	for (uint64_t old = 20; old <= 30; old += 10) {
		ring_event(&ring, t++, record_life(RELEASE, 1, old, "/web"));
		ring_event(&ring, t++, record_life(RELEASE, 2, old + 1, "/web"));
	}
	ring_event(&ring, t++, record_life(MKDIR, 2, 51, "/web")); /* its second directory: joined by the path */
	ring_close(&ring);
	struct bytes file = build(&f, &ring);
	assert_int_equal(cgr_trace_open_memory("mem.dat", file.data, file.length, &trace, &err), 0);
	assert_int_equal(cgr_import_trace(trace, path, &options, &summary, &err), 0);
	cgr_trace_free(trace);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(number_of(db, "SELECT count(*) FROM cgroup WHERE path = '/web'"), 3);
	assert_int_equal(number_of(db, "SELECT count(DISTINCT cgroup) FROM cgroup_dir WHERE kernel_id IN (50, 51)"), 1);
	assert_int_equal(number_of(db, "SELECT count(DISTINCT cgroup) FROM cgroup_dir WHERE kernel_id IN (20, 21)"), 1);
	assert_int_equal(number_of(db, "SELECT count(DISTINCT cgroup) FROM cgroup_dir WHERE kernel_id IN (20, 30)"), 2);
	assert_int_equal(number_of(db, "SELECT count(*) FROM cgroup WHERE path = '/web' AND removed_ns IS NULL"), 1);
	assert_int_equal(number_of(db, "SELECT count(*) FROM cgroup WHERE removed_ns = -1 AND released_ns IS NOT NULL"), 2);
	(void)sqlite3_close(db);
	free(ring.pages.data);
	free(file.data);
}

static int make_path(void **state)
{
	(void)state;
	(void)snprintf(path, sizeof(path), "/tmp/cgr-test-import-cgroups-%d.db", (int)getpid());
	return 0;
}

static int remove_path(void **state)
{
	(void)state;
	(void)unlink(path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(left_over_of_before) };

	return cmocka_run_group_tests(tests, make_path, remove_path);
}
