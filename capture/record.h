/* Recording: live kernel -> one trace.dat with everything replay needs. */
#ifndef CGR_CAPTURE_RECORD_H
#define CGR_CAPTURE_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "common/error.h"

struct cgr_record_options {
	const char *output; /* final name */
	int64_t duration_ns; /* 0: until the command ends or a signal */
	const char *const *globs; /* --cgroup */
	size_t glob_count;
	unsigned presets; /* CGR_PRESET_* of plan.h */
	int64_t buffer_bytes; /* ring per CPU; 0: default */
	int64_t sample_ns; /* 0: no sampler */
	bool perf; /* for the plan: neither kprobes nor the function tracer, which need a tracefs of our own */
	bool no_kprobes; /* where a policy forbids them: signals that need one fall back to the next source */
	bool calibrate; /* measure first what an event costs (a tenth of a second) */
	int64_t ring_bytes; /* flight recorder: keep so much in memory; 0: write as it comes */
	int64_t max_bytes; /* 0: no bound; else the oldest segments go so that all files together stay within it */
	int64_t segment_bytes; /* 0: one file; else NAME.0001, NAME.0002, ... of about this size */
	const char *until; /* what writes the flight recorder, see flight.h; NULL: signal */
	char *const *command; /* NULL-terminated argv, or NULL */
	FILE *notes; /* where warnings for a person go, or NULL */
};

struct cgr_record_result {
	bool ran_command;
	int command_status; /* exit status; 128 + signal when it was killed */
	uint64_t duration_ns;
	uint64_t lost_events; /* overruns and drops over all CPUs */
	uint64_t events; /* written to the ring */
	uint64_t file_bytes;
	uint64_t cpu_usec; /* CPU time the recorder took, preparations and the writing of the file included */
	uint64_t beside_usec; /* of it, beside the recorded programs; 0: not known */
	uint64_t event_usec; /* estimated CPU time the events took from the recorded programs, by calibration */
	uint32_t cpus;
	const char *ended_by;
	bool nothing_written; /* a flight recorder that ended before its trigger was pulled */
	char trigger[256]; /* what pulled it */
	unsigned first_segment, last_segment; /* on disk; 0: one file */
	unsigned removed_segments; /* of this recording, to stay within max_bytes */
};

#define CGR_RECORD_BUFFER_BYTES (16 << 20)
#define CGR_RECORD_SAMPLE_NS 100000000

/* Blocks until the recording ends: duration, command, SIGINT or SIGTERM (polled through common/util.h). On success the
 * file stands under its final name. On failure nothing does, and what was flushed stays in NAME.partial if it holds
 * anything. Errors: CGR_E_UNAVAILABLE (root, tracefs), CGR_E_USAGE, CGR_E_IO. */
int cgr_record(const struct cgr_record_options *options, struct cgr_record_result *result, struct cgr_error *reterr);
/* Prints what would be recorded here, signal by signal. */
int cgr_record_print_plan(const struct cgr_record_options *options, FILE *out, struct cgr_error *reterr);
/* "signals" of FACTS as they would be here; NULL with reterr filled when this machine cannot record. New reference. */
json_t *cgr_record_signals(const struct cgr_record_options *options, struct cgr_error *reterr);

#endif
