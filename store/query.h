/* Reading SQL over an event store or a results store, for `sql`, `info`, `export` and people's scripts. Read-only;
 * the file's own triggers and functions never run; SIGINT ends a query. On a store imported with --lean the tables
 * of high-volume events are read from the packed stream, so every view works there too. */
#ifndef CGR_STORE_QUERY_H
#define CGR_STORE_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "store/store.h"

struct cgr_query;

int cgr_query_open(const char *path, struct cgr_query **ret_query, struct cgr_error *reterr);
struct cgr_query *cgr_query_free(struct cgr_query *query);
/* The event store behind it; NULL for a results store. */
const struct cgr_store *cgr_query_borrow_store(const struct cgr_query *query);

/* Starts the first statement of sql; *ret_rest (may be NULL) points behind it. Ends the one before. Blank or comment
 * only: 0 columns and *ret_rest at the end. CGR_E_USAGE for SQL that does not parse or wants to write. */
int cgr_query_start(struct cgr_query *query, const char *sql, const char **ret_rest, struct cgr_error *reterr);
/* 1 = a row, 0 = done. */
int cgr_query_next(struct cgr_query *query, struct cgr_error *reterr);

size_t cgr_query_columns(const struct cgr_query *query);
const char *cgr_query_borrow_column_name(const struct cgr_query *query, size_t column);
enum cgr_query_type { CGR_QUERY_NULL, CGR_QUERY_INTEGER, CGR_QUERY_REAL, CGR_QUERY_TEXT, CGR_QUERY_BLOB };
enum cgr_query_type cgr_query_type(const struct cgr_query *query, size_t column);
int64_t cgr_query_integer(const struct cgr_query *query, size_t column);
double cgr_query_real(const struct cgr_query *query, size_t column);
/* Borrowed until the next call; NULL for NULL. */
const char *cgr_query_borrow_text(const struct cgr_query *query, size_t column);
size_t cgr_query_bytes(const struct cgr_query *query, size_t column);

/* Views of an event store with one line of help each, for .help: index 0 .. count - 1. */
size_t cgr_query_view_count(void);
const char *cgr_query_view_name(size_t index);
const char *cgr_query_view_help(size_t index);

#endif
