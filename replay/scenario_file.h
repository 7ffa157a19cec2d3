/* Scenario files: YAML with one or several named what-ifs. */
#ifndef CGR_REPLAY_SCENARIO_FILE_H
#define CGR_REPLAY_SCENARIO_FILE_H

#include "replay/scenario.h"

/* Reads all scenarios of a file; what is based on another has that one's settings first. The caller frees with
 * cgr_scenarios_free. Errors are CGR_E_SCENARIO with "file:line:col: what, and what to write instead". */
int cgr_scenario_file_load(const char *path, struct cgr_scenario **ret_scenarios, size_t *ret_count,
                           struct cgr_error *reterr);
void cgr_scenarios_free(struct cgr_scenario *scenarios, size_t count);

#endif
