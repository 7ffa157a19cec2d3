/* Rows against stream: the stream is read once in order while every event table is read in id order beside it. */
#include "store/verify.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/util.h"
#include "store/sched.h"
#include "store/schema.h"
#include "store/store_internal.h"
#include "store/stream.h"

struct verify {
	struct cgr_store *store;
	const struct cgr_db *db;
	struct cgr_sched *sched;
	struct cgr_stream *stream;
	sqlite3_stmt **table; /* per event table; NULL: left out by --lean */
	uint64_t *count; /* [kind][cpu] */
	uint64_t id;
	unsigned table_of[CGR_EV_COUNT];
	struct cgr_progress *progress;
	struct cgr_verify_summary *summary;
};

static int differ(const struct verify *v, struct cgr_error *reterr, const char *table, int64_t row, const char *what)
{
	return cgr_error_set(reterr, CGR_E_INPUT, "%s: table %s, row %lld: %s; import the recording again",
	                     v->store->db.path, table, (long long)row, what);
}

static int check_pages(struct verify *v, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	const char *text;
	int rc;

	CGR_TRY(cgr_db_prepare(v->db, "PRAGMA quick_check(1)", &s, reterr));
	rc = cgr_db_step(v->db, s, "checking pages", reterr);
	text = rc == 1 ? (const char *)sqlite3_column_text(s, 0) : NULL;
	if (rc >= 0 && (text == NULL || strcmp(text, "ok") != 0))
		rc = cgr_error_set(reterr, CGR_E_INPUT, "%s: damaged: %s; import the recording again", v->store->db.path,
		                   text == NULL ? "unreadable" : text);
	(void)sqlite3_finalize(s);
	return rc < 0 ? rc : 0;
}

/* References of the small tables; those of event rows follow from the comparison with the stream. */
static int check_references(struct verify *v, struct cgr_error *reterr)
{
	for (const struct cgr_schema_object *o = cgr_schema_tables; o->name != NULL; o++) {
		char sql[96];
		sqlite3_stmt *s;
		int rc;

		if (strcmp(o->type, "table") != 0)
			continue;
		(void)snprintf(sql, sizeof(sql), "PRAGMA foreign_key_check(%s)", o->name);
		CGR_TRY(cgr_db_prepare(v->db, sql, &s, reterr));
		rc = cgr_db_step(v->db, s, "checking references", reterr);
		if (rc == 1)
			rc = differ(v, reterr, o->name, sqlite3_column_int64(s, 1), "names a row that is not there");
		(void)sqlite3_finalize(s);
		CGR_TRY(rc);
	}
	return 0;
}

static int open_tables(struct verify *v, struct cgr_error *reterr)
{
	v->table = cgr_calloc(cgr_event_table_count, sizeof(sqlite3_stmt *));
	v->count = cgr_calloc((size_t)CGR_EV_COUNT * CGR_LIMIT_CPUS, sizeof(*v->count));
	v->sched = cgr_sched_new();
	if (v->table == NULL || v->count == NULL || v->sched == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", v->store->db.path);
	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++)
		v->table_of[kind] = cgr_event_table_of(kind);
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		char sql[96];

		if (v->store->lean && !cgr_event_tables[t].keep_when_lean) {
			v->summary->skipped++;
			continue;
		}
		v->summary->tables++;
		(void)snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY id", cgr_event_tables[t].name);
		CGR_TRY(cgr_db_prepare(v->db, sql, &v->table[t], reterr));
	}
	return cgr_stream_open(v->store, INT64_MIN, 0, &v->stream, reterr);
}

static int compare_row(struct verify *v, const struct cgr_event_table *table, sqlite3_stmt *s,
                       const struct cgr_event *e, const struct cgr_sched_derived *derived, struct cgr_error *reterr)
{
	for (unsigned c = 0; c < table->columns; c++) {
		int64_t want = 0;
		bool has = cgr_event_value(&table->column[c], e, v->id, derived, &want);
		bool null = sqlite3_column_type(s, (int)c) == SQLITE_NULL;
		int64_t got = sqlite3_column_int64(s, (int)c);

		if (has != null && (!has || got == want))
			continue;
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s: table %s, row %" PRIu64 ", column %s: %s%" PRId64 " in the row, %s%" PRId64
		                     " in the packed stream; import the recording again",
		                     v->store->db.path, table->name, v->id, table->column[c].name, null ? "NULL/" : "", got,
		                     has ? "" : "NULL/", want);
	}
	v->summary->rows++;
	return 0;
}

static int compare_event(struct verify *v, const struct cgr_event *e, struct cgr_error *reterr)
{
	const struct cgr_event_table *table = &cgr_event_tables[v->table_of[e->kind]];
	sqlite3_stmt *s = v->table[v->table_of[e->kind]];
	struct cgr_sched_derived derived = { -1, -1, 0 };
	int rc;

	v->id++;
	v->count[(size_t)e->kind * CGR_LIMIT_CPUS + e->cpu]++;
	CGR_TRY(cgr_sched_event(v->sched, e, v->id, &derived, reterr));
	if (s == NULL)
		return 0;
	rc = cgr_db_step(v->db, s, "reading rows", reterr);
	if (rc == 0)
		return differ(v, reterr, table->name, (int64_t)v->id, "missing, but in the packed stream");
	return rc < 0 ? rc : compare_row(v, table, s, e, &derived, reterr);
}

static int compare_all(struct verify *v, struct cgr_error *reterr)
{
	const struct cgr_event *events;
	size_t count;
	int rc;

	while ((rc = cgr_stream_next(v->stream, &events, &count, reterr)) == 1) {
		for (size_t i = 0; i < count; i++)
			CGR_TRY(compare_event(v, &events[i], reterr));
		cgr_progress_update(v->progress, "checking", v->id, v->store->info.events, "events");
		CGR_TRY(cgr_interrupt_check(reterr));
	}
	CGR_TRY(rc);
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		if (v->table[t] == NULL)
			continue;
		rc = cgr_db_step(v->db, v->table[t], "reading rows", reterr);
		if (rc == 1)
			return differ(v, reterr, cgr_event_tables[t].name, sqlite3_column_int64(v->table[t], 0),
			              "not in the packed stream");
		CGR_TRY(rc);
	}
	return 0;
}

static int check_counts(struct verify *v, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(cgr_db_prepare(v->db, "SELECT kind, cpu, events FROM event_count", &s, reterr));
	while ((rc = cgr_db_step(v->db, s, "reading counts", reterr)) == 1) {
		int64_t kind = sqlite3_column_int64(s, 0), cpu = sqlite3_column_int64(s, 1);
		uint64_t *count;

		if (kind < 0 || kind >= CGR_EV_COUNT || cpu < 0 || cpu >= CGR_LIMIT_CPUS)
			break;
		count = &v->count[(size_t)kind * CGR_LIMIT_CPUS + (size_t)cpu];
		if ((int64_t)*count != sqlite3_column_int64(s, 2))
			break;
		*count = 0;
	}
	if (rc == 1)
		rc = differ(v, reterr, "event_count", sqlite3_column_int64(s, 0), "counts another number of events");
	(void)sqlite3_finalize(s);
	for (size_t i = 0; rc == 0 && i < (size_t)CGR_EV_COUNT * CGR_LIMIT_CPUS; i++) {
		if (v->count[i] != 0)
			rc = differ(v, reterr, "event_count", (int64_t)(i / CGR_LIMIT_CPUS), "missing");
	}
	return rc;
}

static void close_all(struct verify *v)
{
	for (unsigned t = 0; v->table != NULL && t < cgr_event_table_count; t++)
		(void)sqlite3_finalize(v->table[t]);
	free(v->table);
	free(v->count);
	(void)cgr_sched_free(v->sched);
	(void)cgr_stream_free(v->stream);
	(void)cgr_store_free(v->store);
}

int cgr_store_verify(const char *path, struct cgr_progress *progress, struct cgr_verify_summary *ret_summary,
                     struct cgr_error *reterr)
{
	struct verify v = { .progress = progress, .summary = ret_summary };
	int rc;

	*ret_summary = (struct cgr_verify_summary){ 0 };
	CGR_TRY(cgr_store_open(path, &v.store, reterr));
	v.db = cgr_store_borrow_db(v.store);
	ret_summary->blocks = v.store->blocks;
	rc = check_pages(&v, reterr);
	if (rc == 0)
		rc = check_references(&v, reterr);
	if (rc == 0)
		rc = open_tables(&v, reterr);
	if (rc == 0)
		rc = compare_all(&v, reterr);
	if (rc == 0)
		rc = check_counts(&v, reterr);
	ret_summary->events = v.id;
	close_all(&v);
	return rc;
}
