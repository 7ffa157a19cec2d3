/* Which container, pod or unit a cgroup is, as far as its path and local files tell. */
#ifndef CGR_CAPTURE_CONTAINER_H
#define CGR_CAPTURE_CONTAINER_H

#include <jansson.h>

/* {"unit", "runtime", "container_id", "pod_uid", "name", "labels"} as known; NULL when the path says nothing. root is
 * prepended to the runtimes' folders ("" outside tests). */
json_t *cgr_container_json(const char *path, const char *root);

#endif
