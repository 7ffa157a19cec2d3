/* The text of `cgreplay info`: sections, each the rows of one query. */
#ifndef CGR_CLI_INFO_H
#define CGR_CLI_INFO_H

#include "cli/rows.h"

/* top: how many cgroups and tasks to list, 0 = all. CGR_E_USAGE when query is over a results store. */
int cgr_info_print(struct cgr_query *query, const char *path, enum cgr_rows_format format, int64_t top,
                   struct cgr_error *reterr);

#endif
