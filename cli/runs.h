/* Runs of a results store, loaded for the commands that print them. */
#ifndef CGR_CLI_RUNS_H
#define CGR_CLI_RUNS_H

#include "common/optparse.h"
#include "store/result.h"

struct cgr_runs {
	struct cgr_result **result;
	size_t count;
};
/* The named runs, or all of them when names is NULL or empty. keep_bulk: how many keep their series and schedule (a
 * sweep of hundreds need not hold them all in memory). CGR_E_INPUT for a store without runs. */
int cgr_runs_load(const char *path, const struct cgr_string_list *names, size_t keep_bulk, struct cgr_runs *ret_runs,
                  struct cgr_error *reterr);
void cgr_runs_fini(struct cgr_runs *runs);
/* Text to a file that appears whole or not at all, or to stdout when path is "-". */
int cgr_write_text(const char *path, const char *text, size_t length, struct cgr_error *reterr);

#endif
