/* docs/schema.md against the code: the same tables, views and columns, and examples that run. Also the check that
 * rows and stream agree: on a good store, and on stores with one value changed. */
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

#include "store/export.h"
#include "store/query.h"
#include "store/verify.h"
#include "store_synthetic.h"

static char folder[] = "/tmp/cgr-schema-XXXXXX", path[300], lean_path[300];

static void make(const char *to, unsigned flags)
{
	struct cgr_error err = { 0 };
	struct cgr_writer *w = NULL;
	struct synthetic s;

	synthetic_init(&s, 3, false);
	assert_int_equal(cgr_writer_new(to, flags, &w, &err), 0);
	assert_int_equal(synthetic_tables(w, &err), 0);
	assert_int_equal(synthetic_events(w, &s, 150000, &err), 0);
	assert_int_equal(cgr_writer_commit(w, &err), 0);
	(void)cgr_writer_free(w);
}

static char *read_docs(void)
{
	struct cgr_error err = { 0 };
	char *text = NULL;
	size_t length;

	assert_int_equal(cgr_file_read(CGR_SOURCE_DIR "/docs/schema.md", 1 << 20, &text, &length, &err), 0);
	return text;
}

/* The part of the page under "### name", up to the next heading. */
static char *section_of(const char *docs, const char *name)
{
	char *heading = cgr_printf("\n### %s\n", name), *part;
	const char *at = strstr(docs, heading), *end;

	free(heading);
	if (at == NULL)
		return NULL;
	at += 1;
	end = strstr(at + 4, "\n#");
	part = cgr_printf("%.*s", end == NULL ? (int)strlen(at) : (int)(end - at), at);
	return part;
}

static void check_object(sqlite3 *db, const char *docs, const char *type, const char *name)
{
	char *section = section_of(docs, name), *sql = cgr_printf("SELECT name FROM pragma_table_info('%s')", name);
	sqlite3_stmt *s;
	size_t columns = 0, documented = 0;

	if (section == NULL)
		fail_msg("%s %s is not in docs/schema.md", type, name);
	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	while (sqlite3_step(s) == SQLITE_ROW) {
		const char *column = (const char *)sqlite3_column_text(s, 0);
		char *wanted = cgr_printf(strcmp(type, "table") == 0 ? "\n| %s |" : "`%s`", column);

		if (strstr(section, wanted) == NULL)
			fail_msg("column %s of %s is not in docs/schema.md", column, name);
		free(wanted);
		columns++;
	}
	(void)sqlite3_finalize(s);
	for (const char *at = section; strcmp(type, "table") == 0 && (at = strstr(at, "\n| ")) != NULL; at++)
		documented++;
	if (documented > 0 && documented != columns + 1) /* and the head of the table */
		fail_msg("docs/schema.md has %zu columns of %s, the store %zu", documented - 1, name, columns);
	free(section);
	free(sql);
}

static void docs_match(void **state)
{
	char *docs = read_docs();
	size_t objects = 0, headings = 0;
	sqlite3_stmt *s;
	sqlite3 *db;

	(void)state;
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(
	    sqlite3_prepare_v2(
	        db, "SELECT type, name FROM sqlite_schema WHERE type IN ('table','view') AND name NOT GLOB 'sqlite_*'", -1,
	        &s, NULL),
	    SQLITE_OK);
	for (; sqlite3_step(s) == SQLITE_ROW; objects++)
		check_object(db, docs, (const char *)sqlite3_column_text(s, 0), (const char *)sqlite3_column_text(s, 1));
	(void)sqlite3_finalize(s);
	(void)sqlite3_close(db);
	for (const char *at = docs; (at = strstr(at, "\n### ")) != NULL; at++)
		headings++;
	assert_int_equal(objects, headings);
	free(docs);
}

static size_t run_example(const char *store, const char *sql)
{
	struct cgr_query *query = NULL;
	struct cgr_error err = { 0 };
	size_t rows = 0;
	int rc;

	assert_int_equal(cgr_query_open(store, &query, &err), 0);
	rc = cgr_query_start(query, sql, NULL, &err);
	while (rc >= 0 && (rc = cgr_query_next(query, &err)) == 1)
		rows++;
	if (rc < 0)
		fail_msg("%s\n%s", err.cause[0], sql);
	(void)cgr_query_free(query);
	return rows;
}

static void examples_run(void **state)
{
	char *docs = read_docs();
	size_t examples = 0;

	(void)state;
	for (char *at = docs; (at = strstr(at, "```sql\n")) != NULL; examples++) {
		char *end = strstr(at + 7, "```"), *sql;

		assert_non_null(end);
		sql = cgr_printf("%.*s", (int)(end - at - 7), at + 7);
		if (run_example(path, sql) == 0)
			fail_msg("an example finds nothing: %s", sql);
		free(sql);
		at = end + 3;
	}
	assert_int_equal(examples, 11);
	free(docs);
}

/* Those of one name in order of time, and of one time in the order they were written in. */
static void check_samples(const struct cgr_store *store, const struct cgr_store_sample *sample, size_t count,
                          const char *name, size_t expected)
{
	const struct cgr_store_sample *last = NULL;
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		assert_true(i == 0 || sample[i - 1].t_ns <= sample[i].t_ns);
		if (strcmp(cgr_store_borrow_name(store, sample[i].name), name) != 0)
			continue;
		assert_true(last == NULL || last->t_ns < sample[i].t_ns || last->value < sample[i].value);
		assert_true(sample[i].text == NULL || strtoll(sample[i].text, NULL, 10) == sample[i].value);
		last = &sample[i];
		found++;
	}
	assert_int_equal(found, expected);
}

static void samples_in_order(void **state)
{
	struct cgr_error err = { 0 };
	struct cgr_writer *w = NULL;
	struct cgr_store *store = NULL;
	char *to = cgr_printf("%s/unordered.db", folder);
	const struct cgr_store_sample *sample;
	size_t count;

	(void)state;
	assert_int_equal(cgr_writer_new(to, 0, &w, &err), 0);
	assert_int_equal(synthetic_tables(w, &err), 0);
	for (int64_t i = 0; i < 1000; i++) {
		char text[32];

		(void)snprintf(text, sizeof(text), "%lld", (long long)i);
		assert_int_equal(cgr_writer_add_knob(w, 0, "cpu.weight", i * 7 % 10, i, 0, text, "write", NULL, &err), 0);
		assert_int_equal(cgr_writer_add_counter(w, 0, "memory.peak", i * 3 % 10, i, "sample", &err), 0);
	}
	assert_int_equal(cgr_writer_commit(w, &err), 0);
	(void)cgr_writer_free(w);
	assert_int_equal(cgr_store_open(to, &store, &err), 0);
	sample = cgr_store_borrow_knobs(store, &count);
	check_samples(store, sample, count, "cpu.weight", 1000);
	sample = cgr_store_borrow_counters(store, &count);
	check_samples(store, sample, count, "memory.peak", 1000);
	(void)cgr_store_free(store);
	(void)unlink(to);
	free(to);
}

/* Every view answers, and a lean store gives as many rows as a full one. */
static void views_answer(void **state)
{
	(void)state;
	for (size_t i = 0; i < cgr_query_view_count(); i++) {
		char *sql = cgr_printf("SELECT * FROM %s%s", cgr_query_view_name(i),
		                       strcmp(cgr_query_view_name(i), "ran_while_waiting") == 0 ? " WHERE wait < 3000" : "");

		if (strcmp(cgr_query_view_name(i), "wakeup_latency") != 0 &&
		    strcmp(cgr_query_view_name(i), "ran_while_waiting") != 0)
			assert_int_equal(run_example(path, sql), run_example(lean_path, sql));
		else
			assert_true(run_example(path, sql) > 0);
		free(sql);
	}
}

static void writing_is_refused(void **state)
{
	struct cgr_query *query = NULL;
	struct cgr_error err = { 0 };

	(void)state;
	assert_int_equal(cgr_query_open(path, &query, &err), 0);
	assert_int_equal(cgr_query_start(query, "DELETE FROM task", NULL, &err), CGR_E_USAGE);
	assert_int_equal(cgr_query_start(query, "SELEC 1", NULL, &err), CGR_E_USAGE);
	(void)cgr_query_free(query);
}

static void change(const char *store, const char *sql)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(store, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
}

static void check_finds_differences(void **state)
{
	static const char *const damage[] = {
		"UPDATE sched_switch SET next_prio = 7 WHERE id = (SELECT max(id) FROM sched_switch)",
		"UPDATE sched_switch SET wait_ns = 1 WHERE id = (SELECT max(id) FROM sched_switch WHERE wait_ns > 5)",
		"DELETE FROM charge WHERE id = (SELECT min(id) FROM charge)",
		"INSERT INTO irq(id, ts_ns) VALUES (1, 1)",
		"UPDATE event_count SET events = events + 1 WHERE cpu = 1",
		"UPDATE membership SET css_set = 9999 WHERE task = 3",
		"UPDATE stream_block SET data = zeroblob(length(data)) WHERE block = 1",
		"UPDATE stream_block SET checksum = 1 WHERE block = 0",
	};
	struct cgr_verify_summary summary;
	struct cgr_error err = { 0 };

	(void)state;
	assert_int_equal(cgr_store_verify(path, NULL, &summary, &err), 0);
	assert_int_equal(summary.rows, summary.events);
	assert_true(summary.events >= 150000);
	assert_int_equal(cgr_store_verify(lean_path, NULL, &summary, &err), 0);
	assert_true(summary.skipped > 0);
	for (size_t i = 0; i < CGR_ARRAY_SIZE(damage); i++) {
		make(path, 0);
		change(path, damage[i]);
		if (cgr_store_verify(path, NULL, &summary, &err) != CGR_E_INPUT)
			fail_msg("not found: %s", damage[i]);
	}
	make(path, 0);
}

/* What is exported can be counted on: as many events as the store holds. */
static void export_counts(void **state)
{
	struct cgr_export_summary summary;
	struct cgr_store *store = NULL;
	struct cgr_error err = { 0 };
	char *to = cgr_printf("%s/x.dat", folder);

	(void)state;
	assert_int_equal(cgr_store_open(path, &store, &err), 0);
	assert_int_equal(cgr_export_trace(store, to, NULL, &summary, &err), 0);
	assert_int_equal(summary.events, cgr_store_borrow_info(store)->events);
	assert_int_equal(cgr_export_json(store, to, NULL, &summary, &err), 0);
	(void)cgr_store_free(store);
	(void)unlink(to);
	free(to);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(docs_match),       cmocka_unit_test(examples_run),
		cmocka_unit_test(views_answer),     cmocka_unit_test(writing_is_refused),
		cmocka_unit_test(export_counts),    cmocka_unit_test(check_finds_differences),
		cmocka_unit_test(samples_in_order),
	};
	int rc;

	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/full.db", folder);
	(void)snprintf(lean_path, sizeof(lean_path), "%s/lean.db", folder);
	make(path, 0);
	make(lean_path, CGR_WRITER_LEAN);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)unlink(lean_path);
	(void)rmdir(folder);
	return rc;
}
