/* Rows of a query as a table, CSV or JSON. Text of recordings is made harmless in every form. */
#ifndef CGR_CLI_ROWS_H
#define CGR_CLI_ROWS_H

#include <stdio.h>

#include "common/error.h"
#include "store/query.h"

enum cgr_rows_format { CGR_ROWS_TABLE, CGR_ROWS_CSV, CGR_ROWS_JSON };
enum cgr_rows_format cgr_rows_format_of(const char *name); /* "table", "csv", "json" */
/* All rows of the started query; a failed write is CGR_E_IO. */
int cgr_rows_print(FILE *out, struct cgr_query *query, enum cgr_rows_format format, struct cgr_error *reterr);
/* CSV or JSON of our own queries: no limit is "max" in columns whose name ends in _bytes, as the kernel's file says it.
 */
int cgr_rows_print_limits(FILE *out, struct cgr_query *query, enum cgr_rows_format format, struct cgr_error *reterr);
/* For people: a blank line, the title, the table; nothing at all when there are no rows. Columns whose name ends in
 * _bytes, _ns or _usec are printed as 412M or 43.1s under the name without that end. */
int cgr_rows_print_titled(FILE *out, struct cgr_query *query, const char *title, struct cgr_error *reterr);
/* Rows of (key, value) as one JSON object; values that are whole numbers become numbers. */
int cgr_rows_print_object(FILE *out, struct cgr_query *query, struct cgr_error *reterr);
void cgr_rows_print_plain(FILE *out, const char *text);

#endif
