/* What one ftrace recording holds, shared by the files that make it up: record.c (course of events), prepare.c (plan),
 * describe.c (the machine), rotate.c (segments), summary.c (what it cost). */
#ifndef CGR_CAPTURE_SESSION_H
#define CGR_CAPTURE_SESSION_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/btf.h"
#include "capture/cgroupfs.h"
#include "capture/clock.h"
#include "capture/command.h"
#include "capture/facts.h"
#include "capture/flight.h"
#include "capture/instance.h"
#include "capture/journal.h"
#include "capture/plan.h"
#include "capture/record.h"
#include "capture/ring.h"
#include "capture/sampler.h"
#include "capture/scope.h"
#include "capture/segment.h"
#include "common/error.h"
#include "common/tracedat.h"

/* Running totals of the kernel's ring and of our readers, per CPU. A segment tells what was added since the last. */
struct cgr_ring_tally {
	int64_t entries, overrun, commit_overrun, dropped, read_events;
	struct cgr_ring_stats stats;
};

/* Where the recording is written now. A heap object: readers and sampler keep writing while the segment before is put
 * into its final form. */
struct cgr_segment {
	struct cgr_journal journal;
	char *output; /* final name */
	unsigned number; /* 0: the recording is one file */
	int64_t start_ns, stop_ns;
	uint64_t base_bytes; /* what it held before the first event */
	struct cgr_td_bytes more; /* options of the final file */
	json_t *names; /* of the tasks that were there when it began, by tid */
};

/* Puts a segment into its final form beside the running recording. */
struct cgr_finisher {
	pthread_t thread;
	bool running;
	atomic_bool done;
	struct cgr_segment *segment;
	uint64_t bytes; /* of its journal */
	uint32_t cpus;
	const char *clock;
	int code;
	struct cgr_error error;
};

/* Each part knows whether it is open. */
struct cgr_session {
	const struct cgr_record_options *options;
	const char *tracefs;
	struct cgr_cgroupfs fs;
	struct cgr_btf *btf;
	struct cgr_error btf_error;
	struct cgr_timer_symbols symbols;
	char probe_group[64];
	struct cgr_scope scope; /* --cgroup, resolved */
	struct cgr_plan plan;
	struct cgr_clock clock;
	struct cgr_instance instance;
	struct cgr_ring ring;
	struct cgr_sampler sampler;
	struct cgr_command_child child;
	struct cgr_flight flight;
	struct cgr_trigger trigger;
	int64_t snapshot_ns; /* of the last one of the flight recorder */
	int64_t polled_ns; /* when the machine's OOM kills were last looked at */
	json_t *calibration;
	struct cgr_cost cost;
	uint64_t event_usec; /* what the events of the whole recording took, by calibration */
	uint64_t beside_usec; /* CPU time of the recorder from the first event to the last */

	struct cgr_segment *segment;
	pthread_rwlock_t segment_lock; /* shared: append to segment; exclusive: change it */
	struct cgr_segment_set set; /* files of this recording and what stands beside it */
	struct cgr_finisher finisher;
	json_t *facts; /* what holds for every segment; NULL until asked for */
	char recording[17]; /* id, hex */
	uint64_t trace_id;
	struct cgr_ring_tally *tally; /* per CPU, up to the end of the last segment */
	struct {
		int64_t user_usec, system_usec;
		uint64_t samples, sampler_ns, events;
		bool ended;
		int64_t last_user_usec, last_system_usec;
	} told; /* in the summaries of the segments before */

	int64_t start_ns, stop_ns;
	const char *ended_by;
	uint64_t lost, events; /* of the whole recording */
	uint32_t cpus;
};

/* prepare.c: looks around and makes the plan; the kernel's probes and what else it took go with _fini. */
int cgr_plan_session(struct cgr_session *s, struct cgr_error *reterr);
void cgr_plan_session_fini(struct cgr_session *s);

/* describe.c: formats, facts. */
int cgr_describe_layout(struct cgr_session *s, struct cgr_segment *segment, struct cgr_error *reterr);
int cgr_describe_facts(struct cgr_session *s, struct cgr_segment *segment, struct cgr_error *reterr);
/* u32 systems, then per system: name, u32 events, per event u64 length and format text: as trace.dat and perf.data
 * have it. */
void cgr_describe_formats(const struct cgr_plan *plan, struct cgr_td_bytes *body);

/* summary.c: the recorder's CPU time counts between the two: what it prepares and tidies up nobody runs beside. */
void cgr_summary_begin(struct cgr_session *s);
void cgr_summary_end(struct cgr_session *s);
/* summary.c: the tasks of a snapshot have names, for readers that do not follow sched_switch. Later ones count. */
void cgr_summary_names(struct cgr_segment *segment, const json_t *snapshot);
/* summary.c: what ends a segment. `snapshot` is the one at its end. */
int cgr_summarise(struct cgr_session *s, struct cgr_segment *segment, const json_t *snapshot, struct cgr_error *reterr);

#endif
