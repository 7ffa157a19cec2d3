/* Events out again: as a trace.dat 7 that trace-cmd and KernelShark open, or as the JSON that ui.perfetto.dev and
 * chrome://tracing open. The events are those of a store's stream or of a simulated schedule. */
#ifndef CGR_STORE_EXPORT_H
#define CGR_STORE_EXPORT_H

#include <stdint.h>

#include "common/error.h"
#include "common/progress.h"
#include "store/result.h"
#include "store/store.h"

struct cgr_export_summary {
	uint64_t events; /* written; trace-cmd report prints as many */
	uint32_t cpus;
};

/* Scheduler events carry the kernel's names and fields; all others stand under the system "cgreplay" with a, b, c, d.
 * What import inferred is marked by the system "inferred". */
int cgr_export_trace(const struct cgr_store *store, const char *path, struct cgr_progress *progress,
                     struct cgr_export_summary *ret_summary, struct cgr_error *reterr);
int cgr_export_trace_result(const struct cgr_result *result, const char *path, struct cgr_export_summary *ret_summary,
                            struct cgr_error *reterr);
/* One track per CPU with what ran there, counters of memory per cgroup, marks for OOM kills. */
int cgr_export_json(const struct cgr_store *store, const char *path, struct cgr_progress *progress,
                    struct cgr_export_summary *ret_summary, struct cgr_error *reterr);
int cgr_export_json_result(const struct cgr_result *result, const char *path, struct cgr_export_summary *ret_summary,
                           struct cgr_error *reterr);

#endif
