/* The cgroup tree with every knob and counter, and all tasks, at one moment. */
#ifndef CGR_CAPTURE_SNAPSHOT_H
#define CGR_CAPTURE_SNAPSHOT_H

#include <jansson.h>
#include <stdint.h>

#include "capture/cgroupfs.h"

int64_t cgr_mono_ns(void);
/* SNAPSHOT document (docs/trace-file.md); when is "start" or "end". NULL without memory. */
json_t *cgr_snapshot_json(const struct cgr_cgroupfs *fs, const char *when);

#endif
