/* Kprobe events that stand in for tracepoints this kernel does not have. */
#ifndef CGR_CAPTURE_PROBES_H
#define CGR_CAPTURE_PROBES_H

#include <stddef.h>

#include "capture/btf.h"
#include "common/error.h"

/* Defines the probe for "system" and "event" in the kernel under group. CGR_E_UNAVAILABLE says why not: no such
 * probe, no kprobes, no type information, function not there. */
int cgr_probe_define(const char *tracefs, const char *group, const char *system, const char *event,
                     const struct cgr_btf *btf, struct cgr_error *reterr);
/* The text written to kprobe_events; malloc'ed. */
int cgr_probe_text(const char *group, const char *system, const char *event, const struct cgr_btf *btf, char **ret_text,
                   struct cgr_error *reterr);
/* Group name of this process: "cgreplay_PID". */
void cgr_probe_group(char *out, size_t size);
/* Removes the events of one group, or (group NULL) of all recorders that no longer run. */
void cgr_probes_remove(const char *tracefs, const char *group);

#endif
