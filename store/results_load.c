/* Reading one run back. A results store may come from anywhere: indices are checked against the run's own arrays. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/util.h"
#include "store/results_internal.h"

#define TOO_MANY (1u << 28)

struct load {
	struct cgr_results *results;
	struct cgr_result *r;
	int64_t run;
	size_t capacity; /* of the array being loaded */
	int64_t *metric_id; /* row of `metric` at each position */
	size_t metric_ids;
};
typedef int (*row_fn)(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr);

static int damaged(const struct load *load, const char *table, size_t index, struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_INPUT, "%s: run %lld, table %s, row %zu names something that is not there",
	                     load->results->db.path, (long long)load->run, table, index);
}

static int text_of(const struct load *load, sqlite3_stmt *s, int column, char **ret_text, struct cgr_error *reterr)
{
	const char *text = (const char *)sqlite3_column_text(s, column);

	*ret_text = text == NULL ? NULL : cgr_strdup(text);
	if (text != NULL && *ret_text == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", load->results->db.path);
	return 0;
}

static uint32_t id_of(sqlite3_stmt *s, int column)
{
	int64_t value = sqlite3_column_int64(s, column);

	if (sqlite3_column_type(s, column) == SQLITE_NULL || value < 0 || value >= CGR_ID_NONE)
		return CGR_ID_NONE;
	return (uint32_t)value;
}

/* sql has the run as its only parameter; *count grows with the rows so that a failed load can be freed. */
static int each_row(struct load *load, const char *sql, row_fn row, size_t *count, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc;

	load->capacity = 0;
	CGR_TRY(cgr_db_prepare(&load->results->db, sql, &s, reterr));
	(void)sqlite3_bind_int64(s, 1, load->run);
	while ((rc = cgr_db_step(&load->results->db, s, "reading a run", reterr)) == 1) {
		if (*count >= TOO_MANY) {
			rc = cgr_error_set(reterr, CGR_E_LIMIT, "%s: too many rows: %s", load->results->db.path, sql);
			break;
		}
		rc = row(load, s, *count, reterr);
		if (rc < 0)
			break;
		++*count;
	}
	(void)sqlite3_finalize(s);
	return rc < 0 ? rc : 0;
}
#define ROOM(array) cgr_grow((void **)&(array), &load->capacity, index + 1, sizeof(*(array)), reterr)

static int run_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_result *r = load->r;
	char **const text[] = { &r->name,           &r->scenario_json, &r->memory_model, &r->cpu_model,
		                    &r->reclaim_model,  &r->tool_version,  &r->source_path,  &r->source_digest,
		                    &r->kernel_release, &r->command };

	(void)index;
	for (unsigned i = 0; i < CGR_ARRAY_SIZE(text); i++)
		CGR_TRY(text_of(load, s, (int)i, text[i], reterr));
	r->seed = (uint64_t)sqlite3_column_int64(s, 10);
	r->seeds = (uint32_t)sqlite3_column_int64(s, 11);
	r->cpus = (uint32_t)sqlite3_column_int64(s, 12);
	r->recorded_cpus = (uint32_t)sqlite3_column_int64(s, 13);
	r->duration_usec = sqlite3_column_int64(s, 14);
	r->replayed_usec = sqlite3_column_int64(s, 15);
	r->events = (uint64_t)sqlite3_column_int64(s, 16);
	r->quality.lost_events = (uint64_t)sqlite3_column_int64(s, 17);
	r->quality.unexplained_block_usec = sqlite3_column_int64(s, 18);
	r->quality.blocks = (uint64_t)sqlite3_column_int64(s, 19);
	r->quality.unexplained_blocks = (uint64_t)sqlite3_column_int64(s, 20);
	r->quality.causality_violations = (uint64_t)sqlite3_column_int64(s, 21);
	r->quality.inferred_runtime_usec = sqlite3_column_int64(s, 22);
	return 0;
}

static int cgroup_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(load->r->cgroup_path));
	if (sqlite3_column_int64(s, 0) != (int64_t)index || sqlite3_column_type(s, 1) == SQLITE_NULL)
		return damaged(load, "cgroup", index, reterr);
	return text_of(load, s, 1, &load->r->cgroup_path[index], reterr);
}

static int desc_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_result_metric_desc *d;

	CGR_TRY(ROOM(load->r->metric_desc));
	CGR_TRY(cgr_grow((void **)&load->metric_id, &load->metric_ids, index + 1, sizeof(*load->metric_id), reterr));
	d = &load->r->metric_desc[index];
	if (sqlite3_column_type(s, 1) == SQLITE_NULL)
		return damaged(load, "run_metric", index, reterr);
	load->metric_id[index] = sqlite3_column_int64(s, 0);
	d->worse = sqlite3_column_int(s, 4);
	d->tolerance_ppm = sqlite3_column_int64(s, 5);
	load->r->metric_descs = index + 1; /* counted here so that a failure below frees its texts */
	CGR_TRY(text_of(load, s, 1, &d->name, reterr));
	CGR_TRY(text_of(load, s, 2, &d->unit, reterr));
	CGR_TRY(text_of(load, s, 3, &d->help, reterr));
	load->r->metric_descs = index;
	return 0;
}

static int metric_of(const struct load *load, sqlite3_stmt *s, int column, uint32_t *ret_metric)
{
	int64_t id = sqlite3_column_int64(s, column);

	for (size_t i = 0; i < load->r->metric_descs; i++) {
		if (load->metric_id[i] == id) {
			*ret_metric = (uint32_t)i;
			return 0;
		}
	}
	return -1;
}

static bool cgroup_known(const struct load *load, uint32_t cgroup, bool none_allowed)
{
	return cgroup < load->r->cgroups || (none_allowed && cgroup == CGR_ID_NONE);
}

static enum cgr_class class_of(const char *text)
{
	for (enum cgr_class c = CGR_CLASS_EXACT; text != NULL && c <= CGR_CLASS_EXTRAPOLATED; c++) {
		if (strcmp(text, cgr_class_name(c)) == 0)
			return c;
	}
	return CGR_CLASS_EXTRAPOLATED;
}

static int metric_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_result_metric *m;

	CGR_TRY(ROOM(load->r->metric));
	m = &load->r->metric[index];
	m->cgroup = id_of(s, 0);
	if (!cgroup_known(load, m->cgroup, false) || metric_of(load, s, 1, &m->metric) < 0)
		return damaged(load, "metric_value", index, reterr);
	m->has_recorded = sqlite3_column_type(s, 2) != SQLITE_NULL;
	m->recorded = sqlite3_column_int64(s, 2);
	m->predicted = sqlite3_column_int64(s, 3);
	m->low = sqlite3_column_int64(s, 4);
	m->high = sqlite3_column_int64(s, 5);
	m->class = class_of((const char *)sqlite3_column_text(s, 6));
	return 0;
}

static int series_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_result_series *series;

	CGR_TRY(ROOM(load->r->series));
	series = &load->r->series[index];
	series->cgroup = id_of(s, 1);
	series->recorded = sqlite3_column_int(s, 3) != 0;
	if (sqlite3_column_int64(s, 0) != (int64_t)index || !cgroup_known(load, series->cgroup, true))
		return damaged(load, "series", index, reterr);
	return text_of(load, s, 2, &series->name, reterr);
}

/* Room for one more in two arrays that grow together: both are full at every power of two. */
static int pair_room(const struct load *load, size_t count, int64_t **a, int64_t **b, struct cgr_error *reterr)
{
	size_t need = count == 0 ? 1 : count * 2;
	int64_t *more_a, *more_b;

	if ((count & (count - 1)) != 0)
		return 0;
	more_a = realloc(*a, need * sizeof(*more_a));
	more_b = realloc(*b, need * sizeof(*more_b));
	*a = more_a == NULL ? *a : more_a;
	*b = more_b == NULL ? *b : more_b;
	if (more_a == NULL || more_b == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", load->results->db.path);
	return 0;
}

static int point_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	int64_t number = sqlite3_column_int64(s, 0);
	struct cgr_result_series *series;

	if (number < 0 || (size_t)number >= load->r->series_count)
		return damaged(load, "series_point", index, reterr);
	series = &load->r->series[number];
	CGR_TRY(pair_room(load, series->count, &series->t_usec, &series->value, reterr));
	series->t_usec[series->count] = sqlite3_column_int64(s, 1);
	series->value[series->count++] = sqlite3_column_int64(s, 2);
	return 0;
}

static int64_t time_or_none(sqlite3_stmt *s, int column)
{
	return sqlite3_column_type(s, column) == SQLITE_NULL ? -1 : sqlite3_column_int64(s, column);
}

static int histogram_at(const struct load *load, sqlite3_stmt *s, int column, struct cgr_histogram *histogram,
                        struct cgr_error *reterr)
{
	return cgr_results_histogram_parse(load->results, (const char *)sqlite3_column_text(s, column + 3),
	                                   (uint64_t)sqlite3_column_int64(s, column),
	                                   (uint64_t)sqlite3_column_int64(s, column + 1),
	                                   (uint64_t)sqlite3_column_int64(s, column + 2), histogram, reterr);
}

static int task_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_result_task *t;

	CGR_TRY(ROOM(load->r->task));
	t = &load->r->task[index];
	t->tid = sqlite3_column_int(s, 0);
	t->cgroup = id_of(s, 2);
	if (!cgroup_known(load, t->cgroup, true))
		return damaged(load, "task", index, reterr);
	t->start_usec = sqlite3_column_int64(s, 3);
	t->end_usec = time_or_none(s, 4);
	t->recorded_end_usec = time_or_none(s, 5);
	t->runtime_usec = sqlite3_column_int64(s, 6);
	t->recorded_runtime_usec = sqlite3_column_int64(s, 7);
	t->wait_usec = sqlite3_column_int64(s, 8);
	t->throttled_usec = sqlite3_column_int64(s, 9);
	load->r->tasks = index + 1; /* a failure below frees what is there */
	CGR_TRY(text_of(load, s, 1, &t->comm, reterr));
	CGR_TRY(histogram_at(load, s, 10, &t->wakeup_latency, reterr));
	CGR_TRY(histogram_at(load, s, 14, &t->recorded_wakeup_latency, reterr));
	load->r->tasks = index;
	return 0;
}

static int decision_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_result_decision *d;

	CGR_TRY(ROOM(load->r->decision));
	d = &load->r->decision[index];
	d->t_usec = sqlite3_column_int64(s, 0);
	d->cgroup = id_of(s, 2);
	d->tid = (int32_t)time_or_none(s, 3);
	d->value = sqlite3_column_int64(s, 5);
	if (!cgroup_known(load, d->cgroup, true))
		return damaged(load, "decision", index, reterr);
	load->r->decisions = index + 1;
	CGR_TRY(text_of(load, s, 1, &d->kind, reterr));
	CGR_TRY(text_of(load, s, 4, &d->comm, reterr));
	load->r->decisions = index;
	return 0;
}

static int fidelity_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_result_fidelity *f;

	CGR_TRY(ROOM(load->r->fidelity));
	f = &load->r->fidelity[index];
	f->cgroup = id_of(s, 0);
	if (!cgroup_known(load, f->cgroup, false) || metric_of(load, s, 1, &f->metric) < 0)
		return damaged(load, "fidelity", index, reterr);
	f->recorded = sqlite3_column_int64(s, 2);
	f->replayed = sqlite3_column_int64(s, 3);
	f->low = sqlite3_column_int64(s, 4);
	f->high = sqlite3_column_int64(s, 5);
	return 0;
}

static int span_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_result_span *span;

	CGR_TRY(ROOM(load->r->span));
	span = &load->r->span[index];
	span->start_ns = sqlite3_column_int64(s, 0);
	span->end_ns = sqlite3_column_int64(s, 1);
	span->task = id_of(s, 2);
	span->cpu = (uint16_t)sqlite3_column_int(s, 3);
	span->state = (uint8_t)sqlite3_column_int(s, 4);
	if (span->task != CGR_ID_NONE && span->task >= load->r->tasks)
		return damaged(load, "span", index, reterr);
	return 0;
}

static int change_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_result_change *c;

	CGR_TRY(ROOM(load->r->change));
	c = &load->r->change[index];
	c->t_usec = sqlite3_column_int64(s, 4);
	load->r->changes = index + 1;
	CGR_TRY(text_of(load, s, 0, &c->cgroup, reterr));
	CGR_TRY(text_of(load, s, 1, &c->knob, reterr));
	CGR_TRY(text_of(load, s, 2, &c->from, reterr));
	CGR_TRY(text_of(load, s, 3, &c->to, reterr));
	load->r->changes = index;
	return 0;
}

static int curve_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_result_curve *c;

	CGR_TRY(ROOM(load->r->curve));
	c = &load->r->curve[index];
	*c = (struct cgr_result_curve){ .cgroup = id_of(s, 1),
		                            .sampled = sqlite3_column_int(s, 2) != 0,
		                            .accesses = sqlite3_column_int64(s, 3),
		                            .pages = sqlite3_column_int64(s, 4) };
	if (sqlite3_column_int64(s, 0) != (int64_t)index || c->cgroup >= load->r->cgroups)
		return damaged(load, "curve", index, reterr);
	return 0;
}

static int curve_point_row(struct load *load, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	int64_t at = sqlite3_column_int64(s, 0);
	struct cgr_result_curve *c = at >= 0 && (uint64_t)at < load->r->curves ? &load->r->curve[at] : NULL;

	if (c == NULL)
		return damaged(load, "curve_point", index, reterr);
	CGR_TRY(pair_room(load, c->count, &c->size_bytes, &c->misses, reterr));
	c->size_bytes[c->count] = sqlite3_column_int64(s, 1);
	c->misses[c->count++] = sqlite3_column_int64(s, 2);
	return 0;
}

static int load_curves(struct load *load, struct cgr_error *reterr)
{
	size_t points = 0;

	if (!cgr_results_has_table(load->results, "curve") || !cgr_results_has_table(load->results, "curve_point"))
		return 0;
	CGR_TRY(each_row(load, "SELECT id, cgroup, sampled, accesses, pages FROM curve WHERE run=? ORDER BY id", curve_row,
	                 &load->r->curves, reterr));
	return each_row(load, "SELECT curve, size_bytes, misses FROM curve_point WHERE run=? ORDER BY curve, position",
	                curve_point_row, &points, reterr);
}

static int load_metrics(struct load *load, struct cgr_error *reterr)
{
	CGR_TRY(
	    each_row(load, "SELECT id, path FROM cgroup WHERE run=? ORDER BY id", cgroup_row, &load->r->cgroups, reterr));
	CGR_TRY(each_row(load,
	                 "SELECT m.id, m.name, m.unit, m.help, m.worse, m.tolerance_ppm FROM run_metric r JOIN metric m"
	                 " ON m.id = r.metric WHERE r.run=? ORDER BY r.position",
	                 desc_row, &load->r->metric_descs, reterr));
	CGR_TRY(each_row(load,
	                 "SELECT cgroup, metric, recorded, predicted, low, high, class FROM metric_value WHERE run=?"
	                 " ORDER BY position",
	                 metric_row, &load->r->metrics, reterr));
	return each_row(load, "SELECT cgroup, metric, recorded, replayed, low, high FROM fidelity WHERE run=? ORDER BY id",
	                fidelity_row, &load->r->fidelities, reterr);
}

static int load_rest(struct load *load, struct cgr_error *reterr)
{
	size_t points = 0;

	CGR_TRY(each_row(load, "SELECT id, cgroup, name, recorded FROM series WHERE run=? ORDER BY id", series_row,
	                 &load->r->series_count, reterr));
	CGR_TRY(each_row(load, "SELECT series, t_usec, value FROM series_point WHERE run=? ORDER BY series, position",
	                 point_row, &points, reterr));
	CGR_TRY(each_row(load,
	                 "SELECT tid, comm, cgroup, start_usec, end_usec, recorded_end_usec, runtime_usec,"
	                 " recorded_runtime_usec, wait_usec, throttled_usec, wakeups, wakeup_latency_sum_usec,"
	                 " wakeup_latency_max_usec, wakeup_latency_histogram, recorded_wakeups,"
	                 " recorded_wakeup_latency_sum_usec, recorded_wakeup_latency_max_usec,"
	                 " recorded_wakeup_latency_histogram FROM task WHERE run=? ORDER BY id",
	                 task_row, &load->r->tasks, reterr));
	CGR_TRY(each_row(load, "SELECT t_usec, kind, cgroup, tid, comm, value FROM decision WHERE run=? ORDER BY id",
	                 decision_row, &load->r->decisions, reterr));
	CGR_TRY(each_row(load, "SELECT start_ns, end_ns, task, cpu, state FROM span WHERE run=? ORDER BY id", span_row,
	                 &load->r->spans, reterr));
	CGR_TRY(each_row(load, "SELECT cgroup, knob, from_value, to_value, t_usec FROM change WHERE run=? ORDER BY id",
	                 change_row, &load->r->changes, reterr));
	return load_curves(load, reterr);
}

int cgr_results_load(struct cgr_results *results, int64_t run, struct cgr_result **ret_result, struct cgr_error *reterr)
{
	struct load load = { .results = results, .r = cgr_result_new(), .run = run };
	size_t runs = 0;
	int rc;

	if (load.r == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", results->db.path);
	rc = each_row(&load,
	              "SELECT name, scenario_json, memory_model, cpu_model, reclaim_model, tool_version, source_path,"
	              " source_digest, kernel_release, command, seed, seeds, cpus, recorded_cpus, duration_usec,"
	              " replayed_usec, events, lost_events, unexplained_block_usec, blocks, unexplained_blocks,"
	              " causality_violations, inferred_runtime_usec FROM run WHERE id=?",
	              run_row, &runs, reterr);
	if (rc == 0 && runs == 0)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "%s: no run %lld", results->db.path, (long long)run);
	if (rc == 0)
		rc = load_metrics(&load, reterr);
	if (rc == 0)
		rc = load_rest(&load, reterr);
	free(load.metric_id);
	if (rc < 0) {
		(void)cgr_result_free(load.r);
		return rc;
	}
	*ret_result = load.r;
	return 0;
}
