/* All tasks of the machine with what replay must know of them at one moment. */
#ifndef CGR_CAPTURE_TASKS_H
#define CGR_CAPTURE_TASKS_H

#include <jansson.h>

/* Adds "css_sets" and "tasks" to snapshot (docs/trace-file.md). Tasks that exit while we look are left out. */
void cgr_tasks_json(json_t *snapshot);

#endif
