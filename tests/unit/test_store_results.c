/* The results store: a result written comes back the same, names are made unique, damage is told. */
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

#include "common/event.h"
#include "common/units.h"
#include "common/util.h"
#include "store/result.h"

static char path[256];

static void fill_task(struct cgr_result_task *t, int number)
{
	*t = (struct cgr_result_task){ .tid = 100 + number,
		                           .comm = cgr_strdup("w\"orker"),
		                           .cgroup = 1,
		                           .start_usec = 5,
		                           .end_usec = number == 0 ? -1 : 77,
		                           .recorded_end_usec = -1,
		                           .runtime_usec = 60,
		                           .recorded_runtime_usec = 61,
		                           .wait_usec = 7,
		                           .throttled_usec = 8 };
	for (uint64_t i = 0; number == 0 && i < 1000; i++)
		(void)cgr_histogram_add(&t->wakeup_latency, i * i);
	(void)cgr_histogram_add(&t->recorded_wakeup_latency, 3);
}

static struct cgr_result *make_result(const char *name)
{
	struct cgr_result *r = cgr_result_new();

	assert_non_null(r);
	r->name = cgr_strdup(name);
	r->scenario_json = cgr_strdup("{\"set\":[\"/web:memory.max=1\"]}");
	r->memory_model = cgr_strdup("memcg");
	r->cpu_model = cgr_strdup("eevdf");
	r->source_digest = cgr_strdup("abc");
	r->seed = 1;
	r->seeds = 9;
	r->cpus = r->recorded_cpus = 2;
	r->duration_usec = 60000000;
	r->replayed_usec = 60000001;
	r->events = 5;
	r->quality.causality_violations = 4;
	r->quality.unexplained_block_usec = 44;
	r->cgroups = 2;
	r->cgroup_path = cgr_calloc(2, sizeof(char *));
	r->cgroup_path[0] = cgr_strdup("/");
	r->cgroup_path[1] = cgr_strdup("/web<script>");
	r->metric_descs = 2;
	r->metric_desc = cgr_calloc(2, sizeof(*r->metric_desc));
	r->metric_desc[0] =
	    (struct cgr_result_metric_desc){ cgr_strdup("memory.peak"), cgr_strdup("bytes"), cgr_strdup("most"), 1, 20000 };
	r->metric_desc[1] = (struct cgr_result_metric_desc){ cgr_strdup("memory.max"), cgr_strdup("bytes"), NULL, 0, 0 };
	r->metrics = 2;
	r->metric = cgr_calloc(2, sizeof(*r->metric));
	r->metric[0] = (struct cgr_result_metric){ 1, 0, true, CGR_CLASS_BOUNDED, 10, 11, 9, 12 };
	r->metric[1] =
	    (struct cgr_result_metric){ 1, 1, false, CGR_CLASS_EXACT, 0, CGR_UNLIMITED, CGR_UNLIMITED, CGR_UNLIMITED };
	r->series_count = 2;
	r->series = cgr_calloc(2, sizeof(*r->series));
	r->series[0] = (struct cgr_result_series){ .cgroup = 1,
		                                       .name = cgr_strdup("memory.current"),
		                                       .count = 5,
		                                       .t_usec = cgr_calloc(5, 8),
		                                       .value = cgr_calloc(5, 8) };
	for (int64_t i = 0; i < 5; i++) {
		r->series[0].t_usec[i] = i * 100;
		r->series[0].value[i] = i * i;
	}
	r->series[1] = (struct cgr_result_series){ .cgroup = CGR_ID_NONE, .name = cgr_strdup("idle"), .recorded = true };
	r->tasks = 2;
	r->task = cgr_calloc(2, sizeof(*r->task));
	fill_task(&r->task[0], 0);
	fill_task(&r->task[1], 1);
	r->decisions = 1;
	r->decision = cgr_calloc(1, sizeof(*r->decision));
	r->decision[0] = (struct cgr_result_decision){ 1234, cgr_strdup("oom_kill"), 1, 101, cgr_strdup("w"), 99 };
	r->fidelities = 1;
	r->fidelity = cgr_calloc(1, sizeof(*r->fidelity));
	r->fidelity[0] = (struct cgr_result_fidelity){ 1, 1, 5, 6, 5, 7 };
	r->spans = 1;
	r->span = cgr_calloc(1, sizeof(*r->span));
	r->span[0] = (struct cgr_result_span){ 1, 2, 1, 1, 2 };
	r->curves = 1;
	r->curve = cgr_calloc(1, sizeof(*r->curve));
	r->curve[0] = (struct cgr_result_curve){ .cgroup = 1, .sampled = true, .accesses = 50, .pages = 9, .count = 5 };
	r->curve[0].size_bytes = cgr_calloc(5, 8);
	r->curve[0].misses = cgr_calloc(5, 8);
	for (int64_t i = 0; i < 5; i++) {
		r->curve[0].size_bytes[i] = i * 4096;
		r->curve[0].misses[i] = 50 - i;
	}
	r->changes = 1;
	r->change = cgr_calloc(1, sizeof(*r->change));
	r->change[0] = (struct cgr_result_change){ cgr_strdup("/web"), cgr_strdup("memory.max"), cgr_strdup("512M"),
		                                       cgr_strdup("256M"), 0 };
	return r;
}

static void assert_same_task(const struct cgr_result_task *a, const struct cgr_result_task *b)
{
	assert_int_equal(a->tid, b->tid);
	assert_string_equal(a->comm, b->comm);
	assert_int_equal(a->end_usec, b->end_usec);
	assert_int_equal(a->recorded_end_usec, b->recorded_end_usec);
	assert_int_equal(a->throttled_usec, b->throttled_usec);
	assert_int_equal(a->wakeup_latency.count, b->wakeup_latency.count);
	for (unsigned p = 0; p <= 1000; p += 50)
		assert_int_equal(cgr_histogram_quantile(&a->wakeup_latency, p), cgr_histogram_quantile(&b->wakeup_latency, p));
	assert_int_equal(a->recorded_wakeup_latency.maximum, b->recorded_wakeup_latency.maximum);
}

static void assert_same(const struct cgr_result *a, const struct cgr_result *b)
{
	assert_string_equal(a->scenario_json, b->scenario_json);
	assert_null(b->reclaim_model);
	assert_int_equal(a->replayed_usec, b->replayed_usec);
	assert_memory_equal(&a->quality, &b->quality, sizeof(a->quality));
	assert_int_equal(a->cgroups, b->cgroups);
	assert_string_equal(a->cgroup_path[1], b->cgroup_path[1]);
	assert_int_equal(a->metrics, b->metrics);
	assert_int_equal(b->metric_desc[0].tolerance_ppm, 20000);
	for (size_t i = 0; i < a->metrics; i++) {
		assert_int_equal(a->metric[i].metric, b->metric[i].metric);
		assert_int_equal(a->metric[i].class, b->metric[i].class);
		assert_int_equal(a->metric[i].has_recorded, b->metric[i].has_recorded);
		assert_int_equal(a->metric[i].predicted, b->metric[i].predicted);
		assert_int_equal(a->metric[i].high, b->metric[i].high);
	}
	assert_int_equal(b->series_count, 2);
	assert_memory_equal(a->series[0].value, b->series[0].value, 5 * 8);
	assert_memory_equal(a->series[0].t_usec, b->series[0].t_usec, 5 * 8);
	assert_int_equal(b->series[1].cgroup, CGR_ID_NONE);
	assert_true(b->series[1].recorded);
	assert_int_equal(b->tasks, 2);
	assert_same_task(&a->task[0], &b->task[0]);
	assert_same_task(&a->task[1], &b->task[1]);
	assert_string_equal(b->decision[0].kind, "oom_kill");
	assert_int_equal(b->decision[0].value, 99);
	assert_int_equal(b->fidelity[0].metric, 1);
	assert_int_equal(b->fidelity[0].high, 7);
	assert_memory_equal(a->span, b->span, sizeof(*a->span));
	assert_string_equal(b->change[0].to, "256M");
	assert_int_equal(b->curves, 1);
	assert_true(b->curve[0].sampled);
	assert_int_equal(b->curve[0].count, 5);
	assert_memory_equal(a->curve[0].size_bytes, b->curve[0].size_bytes, 5 * 8);
	assert_memory_equal(a->curve[0].misses, b->curve[0].misses, 5 * 8);
}

static void round_trip(void **state)
{
	struct cgr_results *results = NULL;
	struct cgr_result *made = make_result("base"), *other = make_result("base"), *got = NULL;
	struct cgr_results_entry *entries = NULL;
	struct cgr_error err = { 0 };
	int64_t run = 0;
	size_t count = 0;

	(void)state;
	assert_int_equal(cgr_results_open(path, true, &results, &err), 0);
	assert_int_equal(cgr_results_list(results, &entries, &count, &err), 0);
	assert_int_equal(count, 0);
	assert_false(cgr_results_has(results, "base", made->scenario_json));
	assert_int_equal(cgr_results_append(results, made, &run, &err), 0);
	assert_int_equal(run, 1);
	assert_int_equal(cgr_results_append(results, other, &run, &err), 0);
	assert_true(cgr_results_has(results, "base", made->scenario_json));
	assert_false(cgr_results_has(results, "base", "{}"));
	results = cgr_results_free(results);

	assert_int_equal(cgr_results_open(path, false, &results, &err), 0);
	assert_int_equal(cgr_results_list(results, &entries, &count, &err), 0);
	assert_int_equal(count, 2);
	assert_string_equal(entries[1].name, "base-2");
	cgr_results_list_free(entries, count);
	assert_int_equal(cgr_results_find(results, "base-2", &run, &err), 0);
	assert_int_equal(run, 2);
	assert_int_equal(cgr_results_find(results, "1", &run, &err), 0);
	assert_int_equal(cgr_results_find(results, "bose", &run, &err), CGR_E_USAGE);
	assert_non_null(strstr(err.cause[0], "did you mean 'base'"));
	assert_int_equal(cgr_results_load(results, 1, &got, &err), 0);
	assert_same(made, got);
	(void)cgr_result_free(got);
	assert_int_equal(cgr_results_load(results, 3, &got, &err), CGR_E_USAGE);
	assert_int_equal(cgr_results_append(results, made, &run, &err), CGR_E_INTERNAL);
	(void)cgr_results_free(results);
	(void)cgr_result_free(made);
	(void)cgr_result_free(other);
}

static void no_runs_no_file(void **state)
{
	struct cgr_results *results = NULL;
	struct cgr_error err = { 0 };

	(void)state;
	(void)unlink(path);
	assert_int_equal(cgr_results_open(path, true, &results, &err), 0);
	(void)cgr_results_free(results);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(cgr_results_open(path, false, &results, &err), CGR_E_INPUT);
}

/* Each statement damages a good store; loading must say so and not follow the damage. */
static void damage_is_told(void **state)
{
	static const char *const damage[] = {
		"UPDATE metric_value SET cgroup=9",
		"UPDATE fidelity SET metric=77",
		"UPDATE span SET task=5",
		"UPDATE series SET id=7 WHERE id=1",
		"UPDATE series_point SET series=8 WHERE series=0",
		"UPDATE task SET wakeup_latency_histogram='99999:1'",
		"UPDATE task SET wakeup_latency_histogram='1:x'",
		"UPDATE task SET wakeups=1",
		"UPDATE decision SET cgroup=4",
		"DELETE FROM cgroup WHERE id=0",
		"UPDATE curve SET cgroup=9",
		"UPDATE curve_point SET curve=3 WHERE position=4",
	};
	struct cgr_result *made = make_result("base");

	(void)state;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(damage); i++) {
		struct cgr_results *results = NULL;
		struct cgr_result *got = NULL;
		struct cgr_error err = { 0 };
		sqlite3 *db;

		(void)unlink(path);
		assert_int_equal(cgr_results_open(path, true, &results, &err), 0);
		assert_int_equal(cgr_results_append(results, made, NULL, &err), 0);
		(void)cgr_results_free(results);
		assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
		assert_int_equal(sqlite3_exec(db, damage[i], NULL, NULL, NULL), SQLITE_OK);
		(void)sqlite3_close(db);
		assert_int_equal(cgr_results_open(path, false, &results, &err), 0);
		assert_int_equal(cgr_results_load(results, 1, &got, &err), CGR_E_INPUT);
		(void)cgr_results_free(results);
	}
	(void)cgr_result_free(made);
}

/* Baselines are kept for long: a store from before there were curves is read, and gets their tables with the next run.
 */
static void older_store(void **state)
{
	struct cgr_result *made = make_result("base"), *got = NULL;
	struct cgr_results *results = NULL;
	struct cgr_error err = { 0 };
	sqlite3 *db;

	(void)state;
	(void)unlink(path);
	assert_int_equal(cgr_results_open(path, true, &results, &err), 0);
	assert_int_equal(cgr_results_append(results, made, NULL, &err), 0);
	(void)cgr_results_free(results);
	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "DROP TABLE curve; DROP TABLE curve_point", NULL, NULL, NULL), SQLITE_OK);
	(void)sqlite3_close(db);
	assert_int_equal(cgr_results_open(path, true, &results, &err), 0);
	assert_int_equal(cgr_results_load(results, 1, &got, &err), 0);
	assert_int_equal(got->curves, 0);
	(void)cgr_result_free(got);
	assert_int_equal(cgr_results_append(results, made, NULL, &err), 0);
	assert_int_equal(cgr_results_load(results, 2, &got, &err), 0);
	assert_int_equal(got->curves, 1);
	(void)cgr_result_free(got);
	(void)cgr_results_free(results);
	(void)cgr_result_free(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(no_runs_no_file),
		cmocka_unit_test(damage_is_told),
		cmocka_unit_test(older_store),
	};
	char folder[] = "/tmp/cgr-results-XXXXXX";
	int rc;

	if (mkdtemp(folder) == NULL)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/runs.db", folder);
	rc = cmocka_run_group_tests(tests, NULL, NULL);
	(void)unlink(path);
	(void)rmdir(folder);
	return rc;
}
