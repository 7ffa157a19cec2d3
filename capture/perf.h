/* The other backend: the same tracepoints through perf_event_open, for places where no tracefs instance can be had but
 * CAP_PERFMON can. Writes a perf.data that `perf script` opens. */
#ifndef CGR_CAPTURE_PERF_H
#define CGR_CAPTURE_PERF_H

#include "capture/record.h"

/* As cgr_record(); snapshots and samples do not fit into a perf.data and are left out. */
int cgr_record_perf(const struct cgr_record_options *options, struct cgr_record_result *result,
                    struct cgr_error *reterr);

#endif
