/* A recording seen as a result, so that two recordings compare like two runs. */
#ifndef CGR_CLI_RECORDING_H
#define CGR_CLI_RECORDING_H

#include "store/result.h"
#include "store/store.h"

/* True when the file is an event store (cgreplay import) rather than a results store. */
bool cgr_recording_is_store(const char *path);
/* What the recording's own counters say: counters as growth over the trace, peaks and gauges as their last value.
 * Recorded and predicted are the same number. With the wake-up latencies of every cgroup. The caller frees with
 * cgr_result_free. */
int cgr_recording_load(const char *path, struct cgr_result **ret_result, struct cgr_error *reterr);

/* Adds the wake-up latencies of every cgroup and those below it. */
int cgr_recording_latency(const struct cgr_store *store, struct cgr_result *result, struct cgr_error *reterr);

#endif
