/* Read-only SQL over a store. */
#include "store/query.h"

#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "store/schema.h"
#include "store/store_internal.h"
#include "store/stream_table.h"

struct cgr_query {
	struct cgr_db db;
	struct cgr_store *store;
	sqlite3_stmt *statement;
	const char *sql; /* of the statement, for messages */
};

static int on_progress(void *unused)
{
	(void)unused;
	return cgr_interrupt_seen();
}

/* The views of a lean store once more, over the stream tables that hide the empty ones. */
static int make_views(struct cgr_query *q, struct cgr_error *reterr)
{
	for (size_t i = 0; i < cgr_schema_view_count(); i++) {
		char *sql = cgr_schema_view_sql(i);
		char *temp = sql == NULL ? NULL : cgr_printf("CREATE TEMP VIEW%s", sql + strlen("CREATE VIEW"));
		int rc = temp == NULL ? cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", q->db.path)
		                      : cgr_db_exec(&q->db, temp, reterr);

		free(sql);
		free(temp);
		CGR_TRY(rc);
	}
	return 0;
}

static int open_store(struct cgr_query *q, const char *path, struct cgr_error *reterr)
{
	CGR_TRY(cgr_store_open(path, &q->store, reterr));
	if (!q->store->lean)
		return 0;
	CGR_TRY(cgr_db_exec(&q->db, "PRAGMA query_only=OFF; PRAGMA temp_store=MEMORY", reterr));
	CGR_TRY(cgr_stream_tables_make(&q->db, q->store, reterr));
	CGR_TRY(make_views(q, reterr));
	return cgr_db_exec(&q->db, "PRAGMA query_only=ON", reterr);
}

int cgr_query_open(const char *path, struct cgr_query **ret_query, struct cgr_error *reterr)
{
	struct cgr_query *q = cgr_calloc(1, sizeof(*q));
	int64_t application = 0;
	int rc;

	if (q == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	rc = cgr_db_open_readonly(&q->db, path, false, reterr);
	if (rc == 0)
		rc = cgr_db_integer(&q->db, "PRAGMA application_id", &application, reterr);
	if (rc == 0 && application != CGR_RESULTS_APPLICATION_ID)
		rc = open_store(q, path, reterr);
	if (rc < 0) {
		(void)cgr_query_free(q);
		return rc;
	}
	sqlite3_progress_handler(q->db.sqlite, 10000, on_progress, NULL);
	*ret_query = q;
	return 0;
}

struct cgr_query *cgr_query_free(struct cgr_query *q)
{
	if (q == NULL)
		return NULL;
	(void)sqlite3_finalize(q->statement);
	cgr_db_close(&q->db);
	(void)cgr_store_free(q->store);
	free(q);
	return NULL;
}

const struct cgr_store *cgr_query_borrow_store(const struct cgr_query *q)
{
	return q->store;
}

/* SQLite says where it stopped reading: tell it as line:column of the text. */
static int syntax_error(struct cgr_query *q, const char *sql, struct cgr_error *reterr)
{
	int offset = sqlite3_error_offset(q->db.sqlite), line = 1, column = 1;

	for (int i = 0; i < offset && sql[i] != '\0'; i++) {
		column = sql[i] == '\n' ? 1 : column + 1;
		line += sql[i] == '\n';
	}
	if (offset < 0)
		return cgr_error_set(reterr, CGR_E_USAGE, "SQL: %s; `cgreplay sql STORE .help` lists tables and views",
		                     sqlite3_errmsg(q->db.sqlite));
	return cgr_error_set(reterr, CGR_E_USAGE, "SQL:%d:%d: %s; `cgreplay sql STORE .help` lists tables and views", line,
	                     column, sqlite3_errmsg(q->db.sqlite));
}

int cgr_query_start(struct cgr_query *q, const char *sql, const char **ret_rest, struct cgr_error *reterr)
{
	const char *rest = sql;
	int rc;

	(void)sqlite3_finalize(q->statement);
	q->statement = NULL;
	while (*sql != '\0' && strchr(" \t\r\n;", *sql) != NULL)
		sql++;
	rc = sqlite3_prepare_v3(q->db.sqlite, sql, -1, 0, &q->statement, &rest);
	if (rc == SQLITE_ERROR || rc == SQLITE_SCHEMA) /* the latter: a mistake, before the schema could be checked */
		return syntax_error(q, sql, reterr);
	if (rc != SQLITE_OK)
		return cgr_db_error(&q->db, rc, "preparing SQL", reterr);
	if (q->statement != NULL && !sqlite3_stmt_readonly(q->statement))
		return cgr_error_set(reterr, CGR_E_USAGE, "SQL: '%.60s' writes, but a store is never changed after import",
		                     sqlite3_sql(q->statement));
	if (ret_rest != NULL)
		*ret_rest = rest;
	return 0;
}

int cgr_query_next(struct cgr_query *q, struct cgr_error *reterr)
{
	int rc;

	if (q->statement == NULL)
		return 0;
	rc = sqlite3_step(q->statement);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	if (rc == SQLITE_READONLY || rc == SQLITE_AUTH)
		return cgr_error_set(reterr, CGR_E_USAGE, "SQL: %s: a store is never changed after import",
		                     sqlite3_errmsg(q->db.sqlite));
	if (rc == SQLITE_ERROR)
		return cgr_error_set(reterr, CGR_E_USAGE, "SQL: %s", sqlite3_errmsg(q->db.sqlite));
	return cgr_db_error(&q->db, rc, "running SQL", reterr);
}

size_t cgr_query_columns(const struct cgr_query *q)
{
	return q->statement == NULL ? 0 : (size_t)sqlite3_column_count(q->statement);
}

const char *cgr_query_borrow_column_name(const struct cgr_query *q, size_t column)
{
	const char *name = sqlite3_column_name(q->statement, (int)column);

	return name == NULL ? "" : name;
}

enum cgr_query_type cgr_query_type(const struct cgr_query *q, size_t column)
{
	switch (sqlite3_column_type(q->statement, (int)column)) {
	case SQLITE_INTEGER:
		return CGR_QUERY_INTEGER;
	case SQLITE_FLOAT:
		return CGR_QUERY_REAL;
	case SQLITE_TEXT:
		return CGR_QUERY_TEXT;
	case SQLITE_BLOB:
		return CGR_QUERY_BLOB;
	default:
		return CGR_QUERY_NULL;
	}
}

int64_t cgr_query_integer(const struct cgr_query *q, size_t column)
{
	return sqlite3_column_int64(q->statement, (int)column);
}

double cgr_query_real(const struct cgr_query *q, size_t column)
{
	return sqlite3_column_double(q->statement, (int)column);
}

const char *cgr_query_borrow_text(const struct cgr_query *q, size_t column)
{
	return (const char *)sqlite3_column_text(q->statement, (int)column);
}

size_t cgr_query_bytes(const struct cgr_query *q, size_t column)
{
	return (size_t)sqlite3_column_bytes(q->statement, (int)column);
}

size_t cgr_query_view_count(void)
{
	return cgr_schema_view_count();
}

const char *cgr_query_view_name(size_t index)
{
	return cgr_schema_view_name(index);
}

const char *cgr_query_view_help(size_t index)
{
	return cgr_schema_view_help(index);
}
