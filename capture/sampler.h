/* Knobs and counters of the recorded cgroups at an interval, so that limit changes are seen and time lines can be
 * compared. */
#ifndef CGR_CAPTURE_SAMPLER_H
#define CGR_CAPTURE_SAMPLER_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/cgroupfs.h"
#include "common/error.h"

struct cgr_sampled;

struct cgr_sampler {
	const struct cgr_cgroupfs *fs; /* borrowed */
	/* takes SAMPLES documents (the reference, too) to the journal or to the flight recorder */
	int (*emit)(void *context, uint16_t id, json_t *json, struct cgr_error *reterr);
	void *emit_context;
	const char *const *globs; /* none: every cgroup */
	size_t glob_count;
	int64_t interval_ns;
	/* called after every sample for each cgroup, with its counters; may be NULL */
	void (*watch)(void *context, int64_t mono_ns, const char *path, const json_t *counters);
	void *watch_context;

	pthread_t thread;
	bool started;
	atomic_int tid;
	int stop_pipe[2];
	struct cgr_sampled *cgroup; /* what is watched, sorted by path */
	size_t cgroup_count;
	bool changed; /* the tree may have changed since the last walk */
	bool knob; /* one was written since the last sample */
	int inotify; /* -1: not to be had, the tree is walked every time */
	int64_t walked_ns;
	json_t *gone; /* paths that vanished since the last sample */
	json_t *pending; /* samples not yet in the journal */
	int64_t flushed_ns;
	_Atomic uint64_t count, took_ns;
	atomic_uint wanted, retold; /* numbers of the last cgr_sampler_retell asked for, and done */
	int code;
	struct cgr_error error;
};
int cgr_sampler_start(struct cgr_sampler *sampler, struct cgr_error *reterr);
/* Samples taken go out now, and the next one tells everything again: it begins a new file. Waits, at most timeout_ms.
 */
void cgr_sampler_retell(struct cgr_sampler *sampler, int timeout_ms);
/* Takes no further sample, flushes, joins; a journal that refused is reported here. Legal when not started. */
int cgr_sampler_stop(struct cgr_sampler *sampler, struct cgr_error *reterr);

#endif
