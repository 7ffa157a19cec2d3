/* Metrics as people call them, for requirements and rules alike. */
#ifndef CGR_COMMON_METRICNAME_H
#define CGR_COMMON_METRICNAME_H

#include <stddef.h>

/* "completion", "p99 wakeup_latency", "oom_kill": the metric that is meant, a constant; NULL for every other text,
 * which is a metric's own name. */
const char *cgr_metric_meant(const char *text, size_t length);

#endif
