/* Proof of a store. Three kinds of content, three proofs:
 * - the packed stream: a checksum per block, made when it was written;
 * - event tables: made again from the stream, page by page, and compared byte for byte with what stands there. A table
 *   whose pages are laid out otherwise (somebody ran VACUUM) is compared row by row, value by value, type by type;
 * - all other tables and the definitions: a digest of every value, made when they were written.
 * Indices and the pages above the rows are checked by SQLite, and by the walk over the leaves. */
#include "store/verify.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/util.h"
#include "store/digest.h"
#include "store/event_row.h"
#include "store/leaves.h"
#include "store/sched.h"
#include "store/schema.h"
#include "store/store_internal.h"
#include "store/stream.h"

struct table {
	struct cgr_btree tree;
	struct cgr_leaves leaves;
	sqlite3_stmt *rows; /* of the comparison row by row */
	bool skipped; /* left out by --lean */
};

struct verify {
	struct cgr_store *store;
	const struct cgr_db *db;
	int fd;
	struct cgr_dbpages pages; /* for its path */
	struct cgr_sched *sched;
	struct cgr_stream *stream;
	struct table *table; /* per event table */
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

/* ---- tables that are not made of the stream ---- */

static int check_digest(const struct verify *v, const char *name, const struct cgr_digest *told,
                        struct cgr_error *reterr)
{
	struct cgr_digest found;

	CGR_TRY(cgr_digest_table(v->db, name, &found, reterr));
	if (found.rows == told->rows && found.hash == told->hash)
		return 0;
	if (found.rows != told->rows)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s: table %s: %" PRIu64 " rows, import wrote %" PRIu64 "; import the recording again",
		                     v->store->db.path, name, found.rows, told->rows);
	return cgr_error_set(reterr, CGR_E_INPUT,
	                     "%s: table %s: a value is not what import wrote (the digests differ); import the recording"
	                     " again",
	                     v->store->db.path, name);
}

static int check_digests(struct verify *v, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	unsigned next = 0;
	int rc;

	CGR_TRY(cgr_db_prepare(v->db, "SELECT name, rows, digest FROM table_digest ORDER BY rowid", &s, reterr));
	while ((rc = cgr_db_step(v->db, s, "reading digests", reterr)) == 1) {
		const char *name = (const char *)sqlite3_column_text(s, 0), *wanted = cgr_schema_digested(next++);
		struct cgr_digest told = { (uint64_t)sqlite3_column_int64(s, 1), (uint64_t)sqlite3_column_int64(s, 2) };

		if (name == NULL || wanted == NULL || strcmp(name, wanted) != 0 ||
		    sqlite3_column_type(s, 1) != SQLITE_INTEGER || sqlite3_column_type(s, 2) != SQLITE_INTEGER)
			rc = differ(v, reterr, "table_digest", next, "not the digest of a table");
		else
			rc = check_digest(v, wanted, &told, reterr);
		if (rc < 0)
			break;
	}
	(void)sqlite3_finalize(s);
	if (rc == 0 && cgr_schema_digested(next) != NULL)
		rc = differ(v, reterr, "table_digest", next + 1, "missing");
	return rc < 0 ? rc : 0;
}

/* SQLite's own check of the pages and indices of one table. */
static int check_structure(const struct verify *v, const char *name, struct cgr_error *reterr)
{
	char sql[96];
	sqlite3_stmt *s;
	const char *text;
	int rc;

	(void)snprintf(sql, sizeof(sql), "PRAGMA integrity_check(%s)", name);
	CGR_TRY(cgr_db_prepare(v->db, sql, &s, reterr));
	rc = cgr_db_step(v->db, s, "checking pages", reterr);
	text = rc == 1 ? (const char *)sqlite3_column_text(s, 0) : NULL;
	if (rc >= 0 && (text == NULL || strcmp(text, "ok") != 0))
		rc = cgr_error_set(reterr, CGR_E_INPUT, "%s: table %s is damaged: %s; import the recording again",
		                   v->store->db.path, name, text == NULL ? "unreadable" : text);
	(void)sqlite3_finalize(s);
	return rc < 0 ? rc : 0;
}

/* References of the small tables; those of event rows follow from the comparison with the stream. */
static int check_references(const struct verify *v, const char *name, struct cgr_error *reterr)
{
	char sql[96];
	sqlite3_stmt *s;
	int rc;

	(void)snprintf(sql, sizeof(sql), "PRAGMA foreign_key_check(%s)", name);
	CGR_TRY(cgr_db_prepare(v->db, sql, &s, reterr));
	rc = cgr_db_step(v->db, s, "checking references", reterr);
	if (rc == 1)
		rc = differ(v, reterr, name, sqlite3_column_int64(s, 1), "names a row that is not there");
	(void)sqlite3_finalize(s);
	return rc;
}

static int check_small_tables(struct verify *v, struct cgr_error *reterr)
{
	CGR_TRY(check_structure(v, "sqlite_schema", reterr));
	for (const struct cgr_schema_object *o = cgr_schema_tables; o->name != NULL; o++) {
		if (strcmp(o->type, "table") != 0)
			continue;
		CGR_TRY(check_structure(v, o->name, reterr));
		CGR_TRY(check_references(v, o->name, reterr));
		CGR_TRY(cgr_interrupt_check(reterr));
	}
	return check_digests(v, reterr);
}

/* ---- event tables, by page ---- */

static int open_table(struct verify *v, unsigned t, struct cgr_error *reterr)
{
	struct table *table = &v->table[t];
	int64_t root = 0, page_bytes = 0;
	char sql[96];

	if (v->store->lean && !cgr_event_tables[t].keep_when_lean) {
		table->skipped = true;
		v->summary->skipped++;
		return 0;
	}
	v->summary->tables++;
	(void)snprintf(sql, sizeof(sql), "SELECT rootpage FROM sqlite_schema WHERE name='%s'", cgr_event_tables[t].name);
	CGR_TRY(cgr_db_integer(v->db, sql, &root, reterr));
	CGR_TRY(cgr_db_integer(v->db, "PRAGMA page_size", &page_bytes, reterr));
	CGR_TRY(cgr_leaves_init(&table->leaves, v->fd, v->store->db.path, (uint32_t)root, reterr));
	table->leaves.differs = page_bytes != CGR_PAGE_SIZE;
	CGR_TRY(cgr_btree_init(&table->tree, (uint32_t)root, reterr));
	table->tree.sink = (struct cgr_btree_sink){ cgr_leaves_compare, &table->leaves };
	return 0;
}

static int open_tables(struct verify *v, struct cgr_error *reterr)
{
	v->table = cgr_calloc(cgr_event_table_count, sizeof(*v->table));
	v->count = cgr_calloc((size_t)CGR_EV_COUNT * CGR_LIMIT_CPUS, sizeof(*v->count));
	if (v->table == NULL || v->count == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", v->store->db.path);
	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++)
		v->table_of[kind] = cgr_event_table_of(kind);
	v->fd = open(v->store->db.path, O_RDONLY | O_CLOEXEC);
	if (v->fd < 0)
		return cgr_error_errno(reterr, CGR_E_IO, "%s: cannot open", v->store->db.path);
	v->pages = (struct cgr_dbpages){ .fd = -1, .path = v->store->db.path };
	for (unsigned t = 0; t < cgr_event_table_count; t++)
		CGR_TRY(open_table(v, t, reterr));
	return 0;
}

static int page_event(struct verify *v, const struct cgr_event *e, const struct cgr_sched_derived *derived,
                      struct cgr_error *reterr)
{
	unsigned t = v->table_of[e->kind];
	struct table *table = &v->table[t];
	struct cgr_record record;

	v->count[(size_t)e->kind * CGR_LIMIT_CPUS + e->cpu]++;
	if (table->skipped)
		return 0;
	v->summary->rows++;
	if (table->leaves.differs)
		return 0;
	cgr_event_row(&cgr_event_tables[t], e, v->id, derived, &record);
	return cgr_btree_append(&table->tree, &v->pages, (int64_t)v->id, &record, reterr);
}

/* ---- event tables, by row ---- */

static int row_event(struct verify *v, const struct cgr_event *e, const struct cgr_sched_derived *derived,
                     struct cgr_error *reterr)
{
	const struct cgr_event_table *table = &cgr_event_tables[v->table_of[e->kind]];
	sqlite3_stmt *s = v->table[v->table_of[e->kind]].rows;

	if (s == NULL)
		return 0;
	int rc = cgr_db_step(v->db, s, "reading rows", reterr);
	if (rc == 0)
		return differ(v, reterr, table->name, (int64_t)v->id, "missing, but in the packed stream");
	CGR_TRY(rc);
	for (unsigned c = 0; c < table->columns; c++) {
		int64_t want = 0, got = sqlite3_column_int64(s, (int)c);
		bool has = cgr_event_value(&table->column[c], e, v->id, derived, &want);
		int type = sqlite3_column_type(s, (int)c);

		if (type == (has ? SQLITE_INTEGER : SQLITE_NULL) && (!has || got == want))
			continue;
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s: table %s, row %" PRIu64 ", column %s: %s%" PRId64 " in the row, %s%" PRId64
		                     " in the packed stream; import the recording again",
		                     v->store->db.path, table->name, v->id, table->column[c].name,
		                     type == SQLITE_NULL      ? "NULL/"
		                     : type == SQLITE_INTEGER ? ""
		                                              : "no integer/",
		                     got, has ? "" : "NULL/", want);
	}
	return 0;
}

static int open_rows(struct verify *v, bool *ret_any, struct cgr_error *reterr)
{
	*ret_any = false;
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		struct table *table = &v->table[t];
		char sql[96];

		if (table->skipped)
			continue;
		CGR_TRY(cgr_btree_finish(&table->tree, &v->pages, reterr));
		cgr_leaves_finish(&table->leaves);
		if (!table->leaves.differs)
			continue;
		*ret_any = true;
		CGR_TRY(check_structure(v, cgr_event_tables[t].name, reterr));
		(void)snprintf(sql, sizeof(sql), "SELECT * FROM %s ORDER BY id", cgr_event_tables[t].name);
		CGR_TRY(cgr_db_prepare(v->db, sql, &table->rows, reterr));
	}
	return 0;
}

static int no_rows_left(struct verify *v, struct cgr_error *reterr)
{
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		int rc = v->table[t].rows == NULL ? 0 : cgr_db_step(v->db, v->table[t].rows, "reading rows", reterr);

		if (rc == 1)
			return differ(v, reterr, cgr_event_tables[t].name, sqlite3_column_int64(v->table[t].rows, 0),
			              "not in the packed stream");
		CGR_TRY(rc);
	}
	return 0;
}

/* ---- the stream, from its start ---- */

static int each_event(struct verify *v,
                      int (*take)(struct verify *v, const struct cgr_event *e, const struct cgr_sched_derived *derived,
                                  struct cgr_error *reterr),
                      struct cgr_error *reterr)
{
	const struct cgr_event *events;
	size_t count;
	int rc;

	v->id = 0;
	v->sched = cgr_sched_free(v->sched);
	v->stream = cgr_stream_free(v->stream);
	v->sched = cgr_sched_new();
	if (v->sched == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", v->store->db.path);
	CGR_TRY(cgr_stream_open(v->store, INT64_MIN, 0, &v->stream, reterr));
	while ((rc = cgr_stream_next(v->stream, &events, &count, reterr)) == 1) {
		for (size_t i = 0; i < count; i++) {
			struct cgr_sched_derived derived = { -1, -1, 0 };

			v->id++;
			CGR_TRY(cgr_sched_event(v->sched, &events[i], v->id, &derived, reterr));
			CGR_TRY(take(v, &events[i], &derived, reterr));
		}
		cgr_progress_update(v->progress, "checking", v->id, v->store->info.events, "events");
		CGR_TRY(cgr_interrupt_check(reterr));
	}
	return rc;
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

static int check_events(struct verify *v, struct cgr_error *reterr)
{
	bool again;

	CGR_TRY(open_tables(v, reterr));
	CGR_TRY(each_event(v, page_event, reterr));
	v->summary->events = v->id;
	CGR_TRY(check_counts(v, reterr));
	CGR_TRY(open_rows(v, &again, reterr));
	if (!again)
		return 0;
	CGR_TRY(each_event(v, row_event, reterr));
	return no_rows_left(v, reterr);
}

static void close_all(struct verify *v)
{
	for (unsigned t = 0; v->table != NULL && t < cgr_event_table_count; t++) {
		(void)sqlite3_finalize(v->table[t].rows);
		cgr_leaves_fini(&v->table[t].leaves);
		cgr_btree_fini(&v->table[t].tree);
	}
	if (v->fd >= 0)
		(void)close(v->fd);
	free(v->table);
	free(v->count);
	(void)cgr_sched_free(v->sched);
	(void)cgr_stream_free(v->stream);
	(void)cgr_store_free(v->store);
}

int cgr_store_verify(const char *path, struct cgr_progress *progress, struct cgr_verify_summary *ret_summary,
                     struct cgr_error *reterr)
{
	struct verify v = { .fd = -1, .progress = progress, .summary = ret_summary };
	int rc;

	*ret_summary = (struct cgr_verify_summary){ 0 };
	CGR_TRY(cgr_store_open(path, &v.store, reterr));
	v.db = cgr_store_borrow_db(v.store);
	ret_summary->blocks = v.store->blocks;
	rc = check_small_tables(&v, reterr);
	if (rc == 0)
		rc = check_events(&v, reterr);
	close_all(&v);
	return rc;
}
