/* Events of a store or of a result, handed to a sink one by one. */
#ifndef CGR_STORE_EXPORT_INTERNAL_H
#define CGR_STORE_EXPORT_INTERNAL_H

#include "common/event.h"
#include "store/export.h"

struct cgr_export_task {
	int32_t tid;
	const char *comm;
};
struct cgr_export_source {
	const struct cgr_store *store; /* one of these two */
	const struct cgr_result *result;
	const struct cgr_export_task *task; /* by the task ids of the events; 0 is idle */
	size_t tasks;
	uint32_t cpus;
	struct cgr_progress *progress;
};
typedef int (*cgr_export_fn)(void *sink, const struct cgr_export_source *source, const struct cgr_event *event,
                             struct cgr_error *reterr);

/* Fills source->task (owned by the source) and cpus. */
int cgr_export_source_init(struct cgr_export_source *source, struct cgr_error *reterr);
void cgr_export_source_fini(struct cgr_export_source *source);
/* All events in time order. Of a result: sched_switch alone, made from its spans. */
int cgr_export_each(const struct cgr_export_source *source, cgr_export_fn fn, void *sink, struct cgr_error *reterr);

#endif
