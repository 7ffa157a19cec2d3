/* --cgroup: what a person wrote, as paths and patterns. */
#ifndef CGR_CAPTURE_SCOPE_H
#define CGR_CAPTURE_SCOPE_H

#include <stddef.h>
#include <stdio.h>

#include "capture/cgroupfs.h"
#include "common/error.h"

struct cgr_scope {
	char **glob; /* as cgr_cgroup_selected takes them; owned */
	size_t count;
};

/* A path or pattern that selects a cgroup stays as it is; anything else must be an unambiguous part of a cgroup's name,
 * or the name, id, unit or pod of a container. A pattern may select nothing yet: `notes` (or NULL) is told. Container
 * names are looked for below `root` ("" for this machine). CGR_E_USAGE: no such cgroup, or several. */
int cgr_scope_resolve(const struct cgr_cgroup_list *list, const char *const *words, size_t count, const char *root,
                      FILE *notes, struct cgr_scope *scope, struct cgr_error *reterr);
void cgr_scope_fini(struct cgr_scope *scope);

#endif
