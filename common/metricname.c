#include "common/metricname.h"

#include <string.h>

#include "common/util.h"

static const struct {
	const char *said, *metric;
} words[] = {
	{ "completion", "completion_usec" },
	{ "p50 wakeup_latency", "wakeup_latency.p50_usec" },
	{ "p95 wakeup_latency", "wakeup_latency.p95_usec" },
	{ "p99 wakeup_latency", "wakeup_latency.p99_usec" },
	{ "max wakeup_latency", "wakeup_latency.max_usec" },
	{ "oom_kill", "memory.events.oom_kill" },
};

const char *cgr_metric_meant(const char *text, size_t length)
{
	for (size_t i = 0; i < CGR_ARRAY_SIZE(words); i++)
		if (strlen(words[i].said) == length && memcmp(words[i].said, text, length) == 0)
			return words[i].metric;
	return NULL;
}
