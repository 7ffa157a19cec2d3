/* The printers of a result: words, numbers, escapes, formats. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "reports/downsample.h"
#include "reports/facts.h"
#include "reports/report.h"
#include "reports/sweep.h"
#include "reports/text.h"
#include "tests/unit/result_fixture.h"

static char *printed(int (*print)(FILE *, const struct cgr_result *, struct cgr_error *), const struct cgr_result *r)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	assert_non_null(out);
	assert_int_equal(print(out, r, NULL), 0);
	assert_int_equal(fclose(out), 0);
	return text;
}

static int print_table(FILE *out, const struct cgr_result *r, struct cgr_error *reterr)
{
	const struct cgr_report_table_options options = { .store_path = "web.db" };
	return cgr_report_table(out, r, &options, reterr);
}

static int print_csv(FILE *out, const struct cgr_result *r, struct cgr_error *reterr)
{
	return cgr_report_csv(out, &r, 1, reterr);
}

static void verdict_is(const struct cgr_result *r, const char *expected, int expected_level)
{
	struct cgr_strbuf text = { 0 };
	int level;
	cgr_report_verdict(r, &text, &level);
	assert_string_equal(text.text, expected);
	assert_int_equal(level, expected_level);
	cgr_strbuf_fini(&text);
}

static void test_verdict_words(void **state)
{
	(void)state;
	struct cgr_result *r = fixture_result(256);
	verdict_is(r, "safe but slower: nothing is killed; 7.30s more throttled, 20.2k more refaults cost 1.90s (+4.6 %)",
	           1);
	cgr_result_free(r);
	r = fixture_result(32);
	verdict_is(r, "not safe: 1 killed, worker (tid 102) at 59.90s; 7.30s more throttled, 49.4k more refaults", 2);
	cgr_result_free(r);
	r = fixture_result(64); /* nothing killed, but the interval does not exclude it */
	char *text = printed(print_table, r);
	assert_non_null(strstr(text, "at risk: nothing is killed in the most likely run, but up to 1 may be"));
	free(text);
	cgr_result_free(r);
}

/* The verdict may not claim what the models cannot reproduce. */
static void test_verdict_unsure(void **state)
{
	(void)state;
	struct cgr_result *r = fixture_result(256);
	for (size_t i = 0; i < r->fidelities; i++) {
		r->fidelity[i].replayed = r->fidelity[i].recorded * 3;
		r->fidelity[i].low = r->fidelity[i].high = r->fidelity[i].replayed;
	}
	struct cgr_strbuf words = { 0 };
	int level;
	cgr_report_verdict(r, &words, &level);
	assert_int_equal(level, 3);
	assert_non_null(strstr(words.text, "uncertain"));
	cgr_strbuf_fini(&words);
	cgr_result_free(r);
}

static void test_verdict_without_memory(void **state)
{
	(void)state;
	struct cgr_result *r = fixture_result(256);
	size_t kept = 0;
	for (size_t i = 0; i < r->metrics; i++)
		if (r->metric[i].metric >= 3)
			r->metric[kept++] = r->metric[i];
	r->metrics = kept;
	verdict_is(r, "slower: 7.30s more throttled cost 1.90s (+4.6 %)", 1);
	cgr_result_free(r);
}

/* What moved the other way is no reason: fewer refaults cost no time. */
static void test_verdict_cause(void **state)
{
	(void)state;
	struct cgr_result *r = fixture_result(256);
	for (size_t i = 0; i < r->metrics; i++) {
		struct cgr_result_metric *m = &r->metric[i];
		if (m->cgroup == 1 && (m->metric == 2 || m->metric == 5)) {
			m->recorded = m->metric == 2 ? 5000 : 0;
			m->predicted = m->metric == 2 ? 100 : 0;
		}
	}
	verdict_is(r, "safe but slower: nothing is killed; 4900 fewer refaults; takes 1.90s longer (+4.6 %)", 1);
	cgr_result_free(r);
}

static void test_table_shape(void **state)
{
	(void)state;
	struct cgr_result *r = fixture_result(256);
	char *text = printed(print_table, r);
	static const char *const lines[] = {
		"recording  60.00s, Linux 6.18.44, 2 CPUs, 1.9M events, none lost\n",
		("fidelity   at the recorded limits 3 of 3 counters within 1 %, worst memory.stat.workingset_refault_file /web "
		 "0.8 %\n"),
		"scenario   /web  memory.max 512M -> 256M\n",
		"models     memcg/lru2, eevdf; 9 seeds\n",
		"memory.peak                               412M       256M  256M             exact\n",
		"memory.events.oom_kill                       0          0  0                exact\n",
		"next       cgreplay recommend web.db --cgroup /web --knob memory.max\n",
	};
	for (size_t i = 0; i < CGR_ARRAY_SIZE(lines); i++)
		if (!strstr(text, lines[i]))
			fail_msg("the table lacks: %s\n%s", lines[i], text);
	assert_null(strchr(text, '\x1b'));
	free(text);
	cgr_result_free(r);
}

static void test_json_contract(void **state)
{
	(void)state;
	struct cgr_result *r = fixture_result(32);
	char *text = printed(cgr_report_json, r);
	json_error_t where;
	json_t *document = json_loads(text, 0, &where);
	if (!document)
		fail_msg("not JSON: %s", where.text);
	static const char *const order[] = { "schema_version", "scenario",  "models",   "cgroups",
		                                 "tasks",          "decisions", "fidelity", "quality" };
	void *member = json_object_iter(document);
	for (size_t i = 0; i < CGR_ARRAY_SIZE(order); i++, member = json_object_iter_next(document, member))
		assert_string_equal(json_object_iter_key(member), order[i]);
	json_t *web = json_array_get(json_object_get(document, "cgroups"), 1);
	json_t *peak = json_object_get(json_object_get(web, "metrics"), "memory.peak");
	assert_int_equal(json_integer_value(json_object_get(peak, "predicted")), 32 * FIXTURE_MIB);
	assert_string_equal(json_string_value(json_object_get(peak, "class")), "exact");
	json_t *hostile = json_array_get(json_object_get(document, "cgroups"), 3);
	assert_string_equal(json_string_value(json_object_get(hostile, "path")), "/web/" FIXTURE_HOSTILE);
	json_t *unlimited = json_object_get(json_object_get(hostile, "metrics"), "memory.peak");
	assert_true(json_is_null(json_object_get(unlimited, "high")));
	json_t *unrecorded = json_object_get(json_object_get(hostile, "metrics"), "cpu.stat.usage_usec");
	assert_true(json_is_null(json_object_get(unrecorded, "recorded")));
	json_t *tasks = json_object_get(document, "tasks");
	assert_int_equal(json_array_size(tasks), 4);
	assert_true(json_is_null(json_object_get(json_array_get(tasks, 1), "end_usec")));
	assert_int_equal(json_integer_value(json_object_get(json_array_get(tasks, 0), "end_usec")), 43100000);
	/* a byte that is no UTF-8 must not take the document away */
	assert_string_equal(json_string_value(json_object_get(json_array_get(tasks, 3), "comm")), "=cmd\x1b[31m\\xff");
	json_t *decisions = json_object_get(document, "decisions");
	json_t *kill = json_array_get(decisions, json_array_size(decisions) - 1);
	assert_string_equal(json_string_value(json_object_get(kill, "kind")), "oom_kill");
	assert_int_equal(json_integer_value(json_object_get(kill, "tid")), 102);
	json_decref(document);
	free(text);
	cgr_result_free(r);
}

static void test_same_bytes_twice(void **state)
{
	(void)state;
	int (*const printers[])(FILE *, const struct cgr_result *, struct cgr_error *) = { cgr_report_json, print_table,
		                                                                               print_csv };
	for (size_t i = 0; i < CGR_ARRAY_SIZE(printers); i++) {
		struct cgr_result *a = fixture_result(128), *b = fixture_result(128);
		char *first = printed(printers[i], a), *second = printed(printers[i], b);
		assert_string_equal(first, second);
		free(first);
		free(second);
		cgr_result_free(a);
		cgr_result_free(b);
	}
}

static void test_csv_rows(void **state)
{
	(void)state;
	struct cgr_result *r = fixture_result(256);
	char *text = printed(print_csv, r);
	assert_non_null(strstr(text, "run,cgroup,metric,unit,recorded,predicted,low,high,class\r\n"));
	assert_non_null(
	    strstr(text, "memory.max=256M,/web,memory.peak,bytes,432013312,268435456,268435456,268435456,exact\r\n"));
	assert_non_null(strstr(text, ",memory.peak,bytes,34603008,34603008,34603008,max,extrapolated\r\n"));
	assert_non_null(strstr(text, ",cpu.stat.usage_usec,usec,,40,40,40,bounded\r\n"));
	free(text);
	cgr_result_free(r);
}

static void text_is(void (*convert)(struct cgr_strbuf *, const char *), const char *from, const char *expected)
{
	struct cgr_strbuf out = { 0 };
	convert(&out, from);
	assert_string_equal(out.text ? out.text : "", expected);
	cgr_strbuf_fini(&out);
}

static void test_hostile_text(void **state)
{
	(void)state;
	text_is(cgr_text_html, FIXTURE_HOSTILE, "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt;");
	text_is(cgr_text_html, "a\"b'c&d", "a&quot;b&#39;c&amp;d");
	text_is(cgr_text_plain, "\x1b[2Jx\x7f\n", "\\x1b[2Jx\\x7f\\x0a");
	text_is(cgr_text_plain, "\xc3\xa9\xff\xc0\x80\xed\xa0\x80z", "\xc3\xa9\\xff\\xc0\\x80\\xed\\xa0\\x80z");
	text_is(cgr_text_plain, "a\xe2\x80\xaetxt", "a\\u{202e}txt"); /* right-to-left override */
	text_is(cgr_text_plain, "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
	text_is(cgr_text_csv, "=HYPERLINK(1)", "\"'=HYPERLINK(1)\"");
	text_is(cgr_text_csv, "a,\"b\"", "\"a,\"\"b\"\"\"");
	text_is(cgr_text_csv, "plain", "plain");
	text_is(cgr_text_shell, "it's $HOME", "'it'\\''s $HOME'");
	text_is(cgr_text_shell, "/web:cpu.max=1", "/web:cpu.max=1");
	text_is(cgr_text_shell, "", "''");
	text_is(cgr_text_shell,
	        "a\n'\033[1m\\\xff"
	        "1",
	        "$'a\\012\\'\\033[1m\\\\\\3771'");
}

static void test_changes(void **state)
{
	(void)state;
	char text[48];
	assert_string_equal(cgr_text_change(100, 105, text, sizeof text), "+5.0 %");
	assert_string_equal(cgr_text_change(200, 100, text, sizeof text), "-50.0 %");
	assert_string_equal(cgr_text_change(0, 100, text, sizeof text), "");
	assert_string_equal(cgr_text_change(7, 7, text, sizeof text), "±0 %");
	assert_string_equal(cgr_text_change(1, 50, text, sizeof text), "×50.0");
	assert_string_equal(cgr_text_change(5, CGR_UNLIMITED, text, sizeof text), "");
	assert_string_equal(cgr_text_value("ppm", 12345, text, sizeof text), "1.23 %");
	assert_string_equal(cgr_text_value("ppm", -50, text, sizeof text), "0.00 %");
	assert_string_equal(cgr_text_value("bytes", CGR_UNLIMITED, text, sizeof text), "max");
}

/* M4 must keep the extremes of every bucket: a single spike may not vanish from a chart. */
static void test_downsample_keeps_extremes(void **state)
{
	(void)state;
	enum { COUNT = 100000, BUCKETS = 50 };
	int64_t *t = fixture_array(COUNT, 8), *v = fixture_array(COUNT, 8);
	size_t *index = fixture_array(COUNT, sizeof *index);
	for (size_t i = 0; i < COUNT; i++) {
		t[i] = (int64_t)i * 10;
		v[i] = (int64_t)((i * 2654435761u) % 1000);
	}
	v[34567] = 999999;
	v[34568] = -5;
	size_t kept = cgr_downsample_m4(t, v, COUNT, COUNT * 10, BUCKETS, NULL, 0, index);
	assert_in_range(kept, 2, 4 * BUCKETS);
	bool high = false, low = false;
	for (size_t i = 0; i < kept; i++) {
		assert_true(i == 0 || index[i] > index[i - 1]);
		high |= index[i] == 34567;
		low |= index[i] == 34568;
	}
	assert_true(high && low && index[0] == 0 && index[kept - 1] == COUNT - 1);
	const struct cgr_window window = { 345600, 345700 };
	size_t more = cgr_downsample_m4(t, v, COUNT, COUNT * 10, BUCKETS, &window, 1, index);
	assert_true(more >= kept + 5 && more <= kept + 11);
	assert_int_equal(cgr_downsample_m4(t, v, 0, 10, 4, NULL, 0, index), 0);
	free(t);
	free(v);
	free(index);
}

static void test_knee(void **state)
{
	(void)state;
	const int64_t x[] = { 64, 96, 128, 160, 192, 224, 256 };
	const int64_t bends[] = { 60000, 40000, 20000, 900, 600, 300, 118 };
	const int64_t straight[] = { 600, 500, 400, 300, 200, 100, 0 };
	const int64_t flat[] = { 5, 5, 5, 5, 5, 5, 5 };
	assert_int_equal(cgr_sweep_knee(x, bends, 7), 3);
	assert_int_equal(cgr_sweep_knee(x, straight, 7), SIZE_MAX);
	assert_int_equal(cgr_sweep_knee(x, flat, 7), SIZE_MAX);
	assert_int_equal(cgr_sweep_knee(x, bends, 2), SIZE_MAX);
	int64_t value;
	assert_true(cgr_sweep_value("cpu.max", "50000 100000", &value) && value == 500000);
	assert_true(cgr_sweep_value("cpu.max", "max 100000", &value) && value == CGR_UNLIMITED);
	assert_true(cgr_sweep_value("memory.max", "64M", &value) && value == 64 * FIXTURE_MIB);
	assert_false(cgr_sweep_value("cpu.max", "5 0", &value));
	assert_false(cgr_sweep_value("cpu.max", "x", &value));
}

static void page(struct cgr_strbuf *out, const int64_t *limits, size_t count, size_t size_limit)
{
	const struct cgr_result *results[16];
	const char *command = "cgreplay report runs.db -o report.html";
	const struct cgr_report_page_options options = { .command = &command, .commands = 1, .size_limit = size_limit };
	struct cgr_error err = { 0 };
	for (size_t i = 0; i < count; i++)
		results[i] = fixture_result(limits[i]);
	assert_int_equal(cgr_report_html(out, results, count, &options, &err), 0);
	for (size_t i = 0; i < count; i++)
		cgr_result_free((struct cgr_result *)(uintptr_t)results[i]);
}

static void write_file(const char *name, const struct cgr_strbuf *text)
{
	char *path = cgr_printf("%s/%s", CGR_BINARY_DIR, name);
	FILE *out = fopen(path, "w");
	assert_non_null(out);
	assert_int_equal(fwrite(text->text, 1, text->length, out), text->length);
	assert_int_equal(fclose(out), 0);
	free(path);
}

/* The pages the browser test opens; here: byte-stable, nothing hostile as markup, nothing from elsewhere. */
static void test_page(void **state)
{
	(void)state;
	static const int64_t limits[] = { 256, 32, 64, 96, 128, 160, 192, 224, 320, 384, 448, 512 };
	struct cgr_strbuf one = { 0 }, again = { 0 }, many = { 0 };
	page(&one, limits, 1, 0);
	page(&again, limits, 1, 0);
	page(&many, limits, CGR_ARRAY_SIZE(limits), 0);
	assert_int_equal(one.length, again.length);
	assert_memory_equal(one.text, again.text, one.length);
	assert_null(strstr(one.text, "<img"));
	assert_null(strstr(one.text, "{{"));
	assert_null(strstr(one.text, "src=\""));
	assert_null(strstr(one.text, "<link"));
	assert_non_null(strstr(one.text, "default-src 'none'; script-src 'sha256-"));
	assert_non_null(strstr(many.text, "\"knee\":"));
	write_file("report-one.html", &one);
	write_file("report-many.html", &many);
	cgr_strbuf_fini(&one);
	cgr_strbuf_fini(&again);
	cgr_strbuf_fini(&many);
}

static void test_page_keeps_its_size(void **state)
{
	(void)state;
	static const int64_t limits[] = { 256, 32, 64, 96, 128, 160, 192, 224 };
	struct cgr_strbuf small = { 0 };
	page(&small, limits, 8, 640 << 10);
	assert_in_range(small.length, 100 << 10, 640 << 10);
	cgr_strbuf_fini(&small);
}

/* An hour with 200 cgroups: 5 MB, whatever the recording holds. */
static struct cgr_result *hour(void)
{
	enum { GROUPS = 200, POINTS = 2000 };
	static const char *const names[] = { "memory.current", "memory.stat.anon",        "memory.stat.file",
		                                 "cpu.usage",      "cpu.stat.throttled_usec", "memory.pressure.some_usec" };
	struct cgr_result *r = fixture_result(256);
	char **paths = fixture_array(4 + GROUPS, sizeof *paths);
	memcpy(paths, r->cgroup_path, 4 * sizeof *paths);
	free(r->cgroup_path);
	r->cgroup_path = paths;
	r->duration_usec = r->replayed_usec = INT64_C(3600000000);
	r->metric = realloc(r->metric, (r->metrics + GROUPS * 6) * sizeof *r->metric);
	r->series = realloc(r->series, (r->series_count + GROUPS * 12) * sizeof *r->series);
	assert_true(r->metric && r->series);
	for (uint32_t g = 4; g < 4 + GROUPS; g++) {
		r->cgroup_path[r->cgroups++] =
		    cgr_printf("/kubepods/burstable/pod%08x-0000-4000-8000-%012x", g * 2654435761u, g);
		for (uint32_t m = 0; m < 6; m++)
			fixture_metric(r, g, m, 1000 * g + m, 1001 * g + m, 1000 * g, 1002 * g, CGR_CLASS_BOUNDED);
		for (size_t i = 0; i < CGR_ARRAY_SIZE(names); i++)
			for (int recorded = 0; recorded < 2; recorded++)
				fixture_series(r, g, names[i], recorded, POINTS, 1000000 * g, 90000000 * (int64_t)g, 7654321);
	}
	return r;
}

static void test_page_of_an_hour(void **state)
{
	(void)state;
	struct cgr_result *r = hour();
	struct cgr_strbuf out = { 0 };
	struct cgr_error err = { 0 };
	const struct cgr_result *const results[] = { r };
	assert_int_equal(cgr_report_html(&out, results, 1, NULL, &err), 0);
	print_message("page of an hour with 200 cgroups: %zu bytes\n", out.length);
	assert_in_range(out.length, 1 << 20, 5 << 20);
	write_file("report-hour.html", &out);
	cgr_strbuf_fini(&out);
	cgr_result_free(r);
}

/* Of a sweep only one run is held against the counters: it speaks for all of the same recording and models. */
static void test_trust_of_other_runs(void **state)
{
	(void)state;
	struct cgr_result *r[] = { fixture_result(256), fixture_result(128), fixture_result(64) };
	struct cgr_strbuf out = { 0 };
	struct cgr_error err = { 0 };
	const char *at;
	size_t held = 0;
	r[1]->fidelities = r[2]->fidelities = 0;
	free(r[2]->cpu_model);
	r[2]->cpu_model = cgr_strdup("another");
	assert_int_equal(cgr_report_html(&out, (const struct cgr_result *const *)r, 3, NULL, &err), 0);
	for (at = out.text; (at = strstr(at, "At the recorded limits the models reproduce")) != NULL; at++)
		held++;
	assert_int_equal(held, 2);
	at = strstr(out.text, "Not held against recorded counters here");
	assert_non_null(at);
	assert_null(strstr(at + 1, "Not held against recorded counters here"));
	assert_null(strstr(out.text, "holds no counters"));
	cgr_strbuf_fini(&out);
	for (size_t i = 0; i < 3; i++)
		cgr_result_free(r[i]);
}

static char *page_of(struct cgr_result *const *results, size_t count)
{
	struct cgr_strbuf out = { 0 };
	struct cgr_error err = { 0 };
	assert_int_equal(cgr_report_html(&out, (const struct cgr_result *const *)results, count, NULL, &err), 0);
	return out.text;
}

static size_t times(const char *text, const char *what)
{
	size_t count = 0;
	for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
		count++;
	return count;
}

/* What another run speaks for are the cgroups that are asked about here, and only with the same parameters and CPUs. */
static void test_trust_of_other_cgroups(void **state)
{
	(void)state;
	struct cgr_result *r[] = { fixture_result(256), fixture_result(128) };
	r[1]->fidelities = 0;
	free(r[1]->change[0].cgroup);
	r[1]->change[0].cgroup = cgr_strdup("/batch");
	char *page = page_of(r, 2);
	assert_int_equal(times(page, "3 of 3 counters within 1 %"), 1);
	assert_int_equal(times(page, "1 of 2 counters within 2 %"), 1);
	free(page);
	free(r[1]->scenario_json);
	r[1]->scenario_json = cgr_strdup("{\"params\":[\"eevdf.slice=1ms\"]}");
	page = page_of(r, 2);
	assert_int_equal(times(page, "At the recorded limits the models reproduce"), 1);
	assert_int_equal(times(page, "Not held against recorded counters here"), 1);
	free(page);
	free(r[1]->scenario_json);
	r[1]->scenario_json = cgr_strdup(r[0]->scenario_json);
	r[1]->cpus = 1;
	page = page_of(r, 2);
	assert_int_equal(times(page, "At the recorded limits the models reproduce"), 1);
	free(page);
	for (size_t i = 0; i < 2; i++)
		cgr_result_free(r[i]);
}

/* A trace of others holds no counters at all: verify would not help. */
static void test_without_counters(void **state)
{
	(void)state;
	struct cgr_result *r = fixture_result(256);
	r->fidelities = 0;
	char *text = printed(print_table, r), *page;
	assert_non_null(strstr(text, "fidelity   not held against recorded counters: see cgreplay verify\n"));
	free(text);
	for (size_t i = 0; i < r->metrics; i++)
		if (i > 0)
			r->metric[i].has_recorded = false;
	r->metric[0].cgroup = 0;
	text = printed(print_table, r);
	assert_non_null(strstr(text, "fidelity   nothing recorded to compare with at the recorded limits\n"));
	free(text);
	page = page_of(&r, 1);
	assert_int_equal(times(page, "The recording holds no counters to compare the models with."), 1);
	assert_int_equal(times(page, "Not held against recorded counters here"), 0);
	free(page);
	cgr_result_free(r);
}

static void test_no_runs(void **state)
{
	(void)state;
	struct cgr_strbuf out = { 0 };
	struct cgr_error err = { 0 };
	assert_int_equal(cgr_report_html(&out, NULL, 0, NULL, &err), CGR_E_INPUT);
	cgr_strbuf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdict_words),
		cmocka_unit_test(test_verdict_unsure),
		cmocka_unit_test(test_verdict_without_memory),
		cmocka_unit_test(test_verdict_cause),
		cmocka_unit_test(test_table_shape),
		cmocka_unit_test(test_json_contract),
		cmocka_unit_test(test_same_bytes_twice),
		cmocka_unit_test(test_csv_rows),
		cmocka_unit_test(test_hostile_text),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_downsample_keeps_extremes),
		cmocka_unit_test(test_knee),
		cmocka_unit_test(test_page),
		cmocka_unit_test(test_page_keeps_its_size),
		cmocka_unit_test(test_page_of_an_hour),
		cmocka_unit_test(test_trust_of_other_runs),
		cmocka_unit_test(test_trust_of_other_cgroups),
		cmocka_unit_test(test_without_counters),
		cmocka_unit_test(test_no_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
