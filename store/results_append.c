/* Writing one run into the results store: one transaction, so a killed writer leaves whole runs only. */
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/util.h"
#include "store/results_internal.h"
#include "store/schema.h"

struct append { /* the run at work */
	struct cgr_results *results;
	const struct cgr_result *r;
	int64_t run;
	int64_t *metric_id; /* row of `metric` for each metric_desc */
};

static int prepare(const struct append *a, const char *sql, sqlite3_stmt **ret_statement, struct cgr_error *reterr)
{
	return cgr_db_prepare(&a->results->db, sql, ret_statement, reterr);
}

static int create_schema(struct cgr_results *results, struct cgr_error *reterr)
{
	int64_t version = 0;
	char *pragma;
	int rc;

	CGR_TRY(cgr_db_integer(&results->db, "PRAGMA user_version", &version, reterr));
	if (version != 0)
		return 0;
	for (const char *const *at = cgr_results_schema; *at != NULL; at += 2)
		CGR_TRY(cgr_db_exec(&results->db, at[1], reterr));
	pragma = cgr_printf("PRAGMA application_id=%d; PRAGMA user_version=%d", CGR_RESULTS_APPLICATION_ID,
	                    CGR_RESULT_SCHEMA_VERSION);
	rc = pragma == NULL ? cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", results->db.path)
	                    : cgr_db_exec(&results->db, pragma, reterr);
	free(pragma);
	return rc;
}

/* "run", or "run-2", "run-3", ... when the name is taken. Caller frees. */
static int free_name(struct append *a, const char *base, char **ret_name, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(prepare(a, "SELECT 1 FROM run WHERE name=?", &s, reterr));
	for (unsigned number = 1;; number++) {
		char *name = number == 1 ? cgr_strdup(base) : cgr_printf("%s-%u", base, number);

		if (name == NULL) {
			rc = cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", a->results->db.path);
			break;
		}
		(void)sqlite3_bind_text(s, 1, name, -1, SQLITE_TRANSIENT);
		rc = cgr_db_step(&a->results->db, s, "looking for the run's name", reterr);
		(void)sqlite3_reset(s);
		if (rc == 0)
			*ret_name = name;
		else
			free(name);
		if (rc <= 0)
			break;
	}
	(void)sqlite3_finalize(s);
	return rc;
}

static int append_run(struct append *a, struct cgr_error *reterr)
{
	const struct cgr_result *r = a->r;
	const char *base = r->name == NULL || r->name[0] == '\0' ? "run" : r->name;
	const struct cgr_result_quality *q = &r->quality;
	sqlite3_stmt *s;
	char *name = NULL;
	int rc;

	CGR_TRY(free_name(a, base, &name, reterr));
	rc = prepare(a, "INSERT INTO run VALUES(NULL,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", &s, reterr);
	if (rc == 0) {
		rc = cgr_db_insert(&a->results->db, s, reterr, "tttttttttttiiiiiiiiiiiii", name, base, r->scenario_json,
		                   r->memory_model, r->cpu_model, r->reclaim_model, r->tool_version, r->source_path,
		                   r->source_digest, r->kernel_release, r->command, (int64_t)r->seed, (int64_t)r->seeds,
		                   (int64_t)r->cpus, (int64_t)r->recorded_cpus, r->duration_usec, r->replayed_usec,
		                   (int64_t)r->events, (int64_t)q->lost_events, q->unexplained_block_usec, (int64_t)q->blocks,
		                   (int64_t)q->unexplained_blocks, (int64_t)q->causality_violations, q->inferred_runtime_usec);
		(void)sqlite3_finalize(s);
	}
	free(name);
	a->run = sqlite3_last_insert_rowid(a->results->db.sqlite);
	return rc;
}

static int append_cgroups(struct append *a, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(prepare(a, "INSERT INTO cgroup VALUES(?,?,?)", &s, reterr));
	rc = 0;
	for (size_t i = 0; rc == 0 && i < a->r->cgroups; i++)
		rc = cgr_db_insert(&a->results->db, s, reterr, "iit", a->run, (int64_t)i, a->r->cgroup_path[i]);
	(void)sqlite3_finalize(s);
	return rc;
}

static int metric_row(struct append *a, const struct cgr_result_metric_desc *d, sqlite3_stmt *insert,
                      sqlite3_stmt *find, int64_t *ret_id, struct cgr_error *reterr)
{
	int rc;

	CGR_TRY(cgr_db_insert(&a->results->db, insert, reterr, "tttii", d->name, d->unit == NULL ? "" : d->unit,
	                      d->help == NULL ? "" : d->help, (int64_t)d->worse, d->tolerance_ppm));
	(void)sqlite3_bind_text(find, 1, d->name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(find, 2, d->unit == NULL ? "" : d->unit, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(find, 3, d->help == NULL ? "" : d->help, -1, SQLITE_STATIC);
	(void)sqlite3_bind_int64(find, 4, d->worse);
	(void)sqlite3_bind_int64(find, 5, d->tolerance_ppm);
	rc = cgr_db_step(&a->results->db, find, "looking for a metric", reterr);
	if (rc == 1)
		*ret_id = sqlite3_column_int64(find, 0);
	(void)sqlite3_reset(find);
	if (rc == 0)
		return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: metric '%s' vanished", a->results->db.path, d->name);
	return rc < 0 ? rc : 0;
}

static int append_metric_descs(struct append *a, struct cgr_error *reterr)
{
	sqlite3_stmt *insert = NULL, *find = NULL, *list = NULL;
	int rc = prepare(a, "INSERT OR IGNORE INTO metric VALUES(NULL,?,?,?,?,?)", &insert, reterr);

	a->metric_id = cgr_calloc(a->r->metric_descs + 1, sizeof(*a->metric_id));
	if (rc == 0 && a->metric_id == NULL)
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", a->results->db.path);
	if (rc == 0)
		rc = prepare(a, "SELECT id FROM metric WHERE name=? AND unit=? AND help=? AND worse=? AND tolerance_ppm=?",
		             &find, reterr);
	if (rc == 0)
		rc = prepare(a, "INSERT INTO run_metric VALUES(?,?,?)", &list, reterr);
	for (size_t i = 0; rc == 0 && i < a->r->metric_descs; i++) {
		rc = metric_row(a, &a->r->metric_desc[i], insert, find, &a->metric_id[i], reterr);
		if (rc == 0)
			rc = cgr_db_insert(&a->results->db, list, reterr, "iii", a->run, (int64_t)i, a->metric_id[i]);
	}
	(void)sqlite3_finalize(insert);
	(void)sqlite3_finalize(find);
	(void)sqlite3_finalize(list);
	return rc;
}

static int check_index(const struct append *a, const char *what, size_t index, size_t count, struct cgr_error *reterr)
{
	if (index < count)
		return 0;
	return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: a result names %s %zu of %zu", a->results->db.path, what, index,
	                     count);
}

static int append_metrics(struct append *a, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(prepare(a, "INSERT INTO metric_value VALUES(?,?,?,?,?,?,?,?,?)", &s, reterr));
	rc = 0;
	for (size_t i = 0; rc == 0 && i < a->r->metrics; i++) {
		const struct cgr_result_metric *m = &a->r->metric[i];

		rc = check_index(a, "metric", m->metric, a->r->metric_descs, reterr);
		if (rc < 0)
			break;
		(void)sqlite3_bind_null(s, 5);
		(void)sqlite3_bind_int64(s, 1, a->run);
		(void)sqlite3_bind_int64(s, 2, (int64_t)i);
		(void)sqlite3_bind_int64(s, 3, m->cgroup);
		(void)sqlite3_bind_int64(s, 4, a->metric_id[m->metric]);
		if (m->has_recorded)
			(void)sqlite3_bind_int64(s, 5, m->recorded);
		(void)sqlite3_bind_int64(s, 6, m->predicted);
		(void)sqlite3_bind_int64(s, 7, m->low);
		(void)sqlite3_bind_int64(s, 8, m->high);
		(void)sqlite3_bind_text(s, 9, cgr_class_name(m->class), -1, SQLITE_STATIC);
		rc = cgr_db_step(&a->results->db, s, "writing metrics", reterr);
		(void)sqlite3_reset(s);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

static int append_series(struct append *a, struct cgr_error *reterr)
{
	sqlite3_stmt *s = NULL, *points = NULL;
	int rc = prepare(a, "INSERT INTO series VALUES(?,?,?,?,?)", &s, reterr);

	if (rc == 0)
		rc = prepare(a, "INSERT INTO series_point VALUES(?,?,?,?,?)", &points, reterr);
	for (size_t i = 0; rc == 0 && i < a->r->series_count; i++) {
		const struct cgr_result_series *series = &a->r->series[i];

		rc = cgr_db_insert(&a->results->db, s, reterr, "iiuti", a->run, (int64_t)i, series->cgroup, series->name,
		                   (int64_t)series->recorded);
		for (size_t p = 0; rc == 0 && p < series->count; p++)
			rc = cgr_db_insert(&a->results->db, points, reterr, "iiiii", a->run, (int64_t)i, (int64_t)p,
			                   series->t_usec[p], series->value[p]);
	}
	(void)sqlite3_finalize(s);
	(void)sqlite3_finalize(points);
	return rc;
}

static int append_task(struct append *a, sqlite3_stmt *s, size_t i, struct cgr_error *reterr)
{
	const struct cgr_result_task *t = &a->r->task[i];
	const struct cgr_histogram *p = &t->wakeup_latency, *q = &t->recorded_wakeup_latency;
	char *predicted = cgr_results_histogram_text(p), *recorded = cgr_results_histogram_text(q);
	int rc;

	if ((p->count > 0 && predicted == NULL) || (q->count > 0 && recorded == NULL))
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", a->results->db.path);
	else
		rc = cgr_db_insert(&a->results->db, s, reterr, "iiituiiiiiiiiiitiiit", a->run, (int64_t)i, (int64_t)t->tid,
		                   t->comm, t->cgroup, t->start_usec, t->end_usec < 0 ? INT64_MAX : t->end_usec,
		                   t->recorded_end_usec < 0 ? INT64_MAX : t->recorded_end_usec, t->runtime_usec,
		                   t->recorded_runtime_usec, t->wait_usec, t->throttled_usec, (int64_t)p->count,
		                   (int64_t)p->sum, (int64_t)p->maximum, predicted, (int64_t)q->count, (int64_t)q->sum,
		                   (int64_t)q->maximum, recorded);
	free(predicted);
	free(recorded);
	return rc;
}

static int append_tasks(struct append *a, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(prepare(a,
	                "INSERT INTO task VALUES(?,?,?,?,?,?,nullif(?,9223372036854775807),nullif(?,9223372036854775807),"
	                "?,?,?,?,?,?,?,?,?,?,?,?)",
	                &s, reterr));
	rc = 0;
	for (size_t i = 0; rc == 0 && i < a->r->tasks; i++)
		rc = append_task(a, s, i, reterr);
	(void)sqlite3_finalize(s);
	return rc;
}

static int append_decisions(struct append *a, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(prepare(a, "INSERT INTO decision VALUES(?,?,?,?,?,nullif(?,-1),?,?)", &s, reterr));
	rc = 0;
	for (size_t i = 0; rc == 0 && i < a->r->decisions; i++) {
		const struct cgr_result_decision *d = &a->r->decision[i];

		rc = cgr_db_insert(&a->results->db, s, reterr, "iiituiti", a->run, (int64_t)i, d->t_usec, d->kind, d->cgroup,
		                   (int64_t)d->tid, d->comm, d->value);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

static int append_fidelities(struct append *a, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(prepare(a, "INSERT INTO fidelity VALUES(?,?,?,?,?,?,?,?)", &s, reterr));
	rc = 0;
	for (size_t i = 0; rc == 0 && i < a->r->fidelities; i++) {
		const struct cgr_result_fidelity *f = &a->r->fidelity[i];

		rc = check_index(a, "metric", f->metric, a->r->metric_descs, reterr);
		if (rc == 0)
			rc = cgr_db_insert(&a->results->db, s, reterr, "iiuiiiii", a->run, (int64_t)i, f->cgroup,
			                   a->metric_id[f->metric], f->recorded, f->replayed, f->low, f->high);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

static int append_spans(struct append *a, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(prepare(a, "INSERT INTO span VALUES(?,?,?,?,?,?,?)", &s, reterr));
	rc = 0;
	for (size_t i = 0; rc == 0 && i < a->r->spans; i++) {
		const struct cgr_result_span *span = &a->r->span[i];

		rc = cgr_db_insert(&a->results->db, s, reterr, "iiiiuii", a->run, (int64_t)i, span->start_ns, span->end_ns,
		                   span->task, (int64_t)span->cpu, (int64_t)span->state);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

static int append_changes(struct append *a, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(prepare(a, "INSERT INTO change VALUES(?,?,?,?,?,?,?)", &s, reterr));
	rc = 0;
	for (size_t i = 0; rc == 0 && i < a->r->changes; i++) {
		const struct cgr_result_change *c = &a->r->change[i];

		rc = cgr_db_insert(&a->results->db, s, reterr, "iitttti", a->run, (int64_t)i, c->cgroup, c->knob, c->from,
		                   c->to, c->t_usec);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

static int append_points(struct append *a, sqlite3_stmt *s, size_t i, struct cgr_error *reterr)
{
	const struct cgr_result_curve *c = &a->r->curve[i];

	for (size_t k = 0; k < c->count; k++)
		CGR_TRY(cgr_db_insert(&a->results->db, s, reterr, "iiiii", a->run, (int64_t)i, (int64_t)k, c->size_bytes[k],
		                      c->misses[k]));
	return 0;
}

static int append_curves(struct append *a, struct cgr_error *reterr)
{
	sqlite3_stmt *s = NULL, *points = NULL;
	int rc = 0;

	for (const char *const *at = cgr_results_schema_added; *at != NULL && a->r->curves > 0; at += 2)
		if (!cgr_results_has_table(a->results, at[0]))
			CGR_TRY(cgr_db_exec(&a->results->db, at[1], reterr));
	if (a->r->curves == 0)
		return 0;
	rc = prepare(a, "INSERT INTO curve VALUES(?,?,?,?,?,?)", &s, reterr);
	if (rc == 0)
		rc = prepare(a, "INSERT INTO curve_point VALUES(?,?,?,?,?)", &points, reterr);
	for (size_t i = 0; rc == 0 && i < a->r->curves; i++) {
		const struct cgr_result_curve *c = &a->r->curve[i];

		rc = cgr_db_insert(&a->results->db, s, reterr, "iiuiii", a->run, (int64_t)i, c->cgroup, (int64_t)c->sampled,
		                   c->accesses, c->pages);
		if (rc == 0)
			rc = append_points(a, points, i, reterr);
	}
	(void)sqlite3_finalize(s);
	(void)sqlite3_finalize(points);
	return rc;
}

static int append_all(struct append *a, struct cgr_error *reterr)
{
	CGR_TRY(create_schema(a->results, reterr));
	CGR_TRY(append_run(a, reterr));
	CGR_TRY(append_cgroups(a, reterr));
	CGR_TRY(append_metric_descs(a, reterr));
	CGR_TRY(append_metrics(a, reterr));
	CGR_TRY(append_series(a, reterr));
	CGR_TRY(append_tasks(a, reterr));
	CGR_TRY(append_decisions(a, reterr));
	CGR_TRY(append_fidelities(a, reterr));
	CGR_TRY(append_spans(a, reterr));
	CGR_TRY(append_changes(a, reterr));
	return append_curves(a, reterr);
}

int cgr_results_append(struct cgr_results *results, const struct cgr_result *result, int64_t *ret_run,
                       struct cgr_error *reterr)
{
	struct append a = { .results = results, .r = result };
	int rc;

	if (!results->writable)
		return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: opened for reading", results->db.path);
	CGR_TRY(cgr_db_exec(&results->db, "BEGIN IMMEDIATE", reterr));
	rc = append_all(&a, reterr);
	free(a.metric_id);
	if (rc == 0)
		rc = cgr_db_exec(&results->db, "COMMIT", reterr);
	if (rc < 0) {
		(void)sqlite3_exec(results->db.sqlite, "ROLLBACK", NULL, NULL, NULL);
		return rc;
	}
	if (results->fresh.temp_path != NULL)
		CGR_TRY(cgr_results_put_in_place(results, reterr));
	if (ret_run != NULL)
		*ret_run = a.run;
	return 0;
}
