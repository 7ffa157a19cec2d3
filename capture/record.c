#include "capture/record.h"

#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/calibrate.h"
#include "capture/functions.h"
#include "capture/jsontext.h"
#include "capture/probes.h"
#include "capture/rotate.h"
#include "capture/session.h"
#include "capture/snapshot.h"
#include "common/util.h"

#define POLL_MS 20
#define FLIGHT_SNAPSHOT_NS 5000000000
#define ROOM_MS 10000 /* a bound for what should never happen: that nobody changes the segment */
#define DRAIN_ROUNDS 1000

static atomic_bool usr1_seen;

static void on_usr1(int number)
{
	(void)number;
	atomic_store(&usr1_seen, true);
}

/* Whether what --until waits for can come. */
static int check_trigger(struct cgr_session *s, struct cgr_error *reterr)
{
	struct cgr_cgroup_list list;
	json_t *knobs = json_object(), *counters = json_object();
	bool unknown = false;

	if (s->trigger.kind == CGR_TRIGGER_COUNTER && cgr_cgroup_list_load(&s->fs, &list, NULL) == 0) {
		for (size_t i = 0; i < list.count && json_object_get(counters, s->trigger.counter) == NULL; i++)
			cgr_cgroup_read(&s->fs, &list.cgroup[i], knobs, counters, NULL);
		cgr_cgroup_list_fini(&list);
	}
	int rc = cgr_trigger_check(&s->trigger, counters, &unknown, reterr);
	if (rc == 0 && unknown && s->options->notes != NULL)
		(void)fprintf(s->options->notes, "cgreplay: --until: no cgroup here has a counter '%s' yet\n",
		              s->trigger.counter);
	json_decref(knobs);
	json_decref(counters);
	return rc;
}

static int prepare(struct cgr_session *s, struct cgr_error *reterr)
{
	if (s->options->ring_bytes > 0) {
		struct sigaction action = { .sa_handler = on_usr1 };
		CGR_TRY(cgr_trigger_parse(&s->trigger, s->options->until == NULL ? "signal" : s->options->until, reterr));
		cgr_flight_init(&s->flight, (uint64_t)s->options->ring_bytes);
		(void)sigaction(SIGUSR1, &action, NULL);
	}
	CGR_TRY(cgr_plan_session(s, reterr));
	return s->options->ring_bytes > 0 ? check_trigger(s, reterr) : 0;
}

/* The segment may change any moment, but not while somebody writes to it. */
static struct cgr_journal *hold_journal(struct cgr_session *s)
{
	(void)pthread_rwlock_rdlock(&s->segment_lock);
	return &s->segment->journal;
}

/* After a stall all that the ring holds comes at once: with --max-size it is written no faster than segments are
 * changed. The ring keeps what waits, and tells what it could not keep. */
static void wait_for_room(struct cgr_session *s)
{
	for (unsigned ms = 0; ms < ROOM_MS && !atomic_load(&s->ring.stop) && atomic_load(&s->ring.failed) == 0; ms++) {
		(void)hold_journal(s);
		bool full = cgr_rotate_is_full(s);
		(void)pthread_rwlock_unlock(&s->segment_lock);
		if (!full)
			return;
		(void)poll(NULL, 0, 1);
	}
}

static int sink_chunk(void *context, uint32_t cpu, const void *frame, uint32_t compressed_bytes, uint32_t plain_bytes,
                      struct cgr_error *reterr)
{
	struct cgr_session *s = context;

	wait_for_room(s);
	int rc = cgr_journal_chunk(hold_journal(s), cpu, frame, compressed_bytes, plain_bytes, reterr);

	(void)pthread_rwlock_unlock(&s->segment_lock);
	return rc;
}

static int keep_chunk(void *context, uint32_t cpu, const void *frame, uint32_t compressed_bytes, uint32_t plain_bytes,
                      struct cgr_error *reterr)
{
	return cgr_flight_chunk(context, cpu, frame, compressed_bytes, plain_bytes, reterr);
}

/* JSON sections on their way: to disk, or to the memory of the flight recorder */
static int emit_json(void *context, uint16_t id, json_t *json, struct cgr_error *reterr)
{
	struct cgr_session *s = context;

	if (s->options->ring_bytes > 0)
		return cgr_flight_json(&s->flight, id, json, reterr);
	int rc = cgr_journal_json(hold_journal(s), id, json, reterr);
	(void)pthread_rwlock_unlock(&s->segment_lock);
	return rc;
}

/* What the clock needs in the file, as far as it is there. Without memory for it the next round has it. */
static int write_clock(struct cgr_session *s, struct cgr_error *reterr)
{
	struct cgr_td_bytes body = { 0 };
	int rc = 0;

	cgr_clock_body(&s->clock, &body);
	if (s->clock.counts && !body.failed) {
		rc = s->options->ring_bytes == 0
		         ? cgr_journal_section(&s->segment->journal, CGR_TD_CLOCK, body.data, body.length, reterr)
		         : cgr_flight_section(&s->flight, CGR_TD_CLOCK, body.data, body.length, reterr);
		cgr_clock_written(&s->clock);
	}
	cgr_td_fini(&body);
	return rc;
}

static int start_sampler(struct cgr_session *s, struct cgr_error *reterr)
{
	if (s->options->sample_ns <= 0)
		return 0;
	s->sampler.fs = &s->fs;
	s->sampler.emit = emit_json;
	s->sampler.emit_context = s;
	s->sampler.watch = s->options->ring_bytes > 0 ? cgr_trigger_watch : NULL;
	s->sampler.watch_context = &s->trigger;
	s->sampler.globs = (const char *const *)s->scope.glob;
	s->sampler.glob_count = s->scope.count;
	s->sampler.interval_ns = s->options->sample_ns;
	return cgr_sampler_start(&s->sampler, reterr);
}

static int open_instance(struct cgr_session *s, struct cgr_error *reterr)
{
	cgr_clock_choose(&s->clock, s->tracefs);
	cgr_clock_look(&s->clock);
	CGR_TRY(cgr_instance_open(&s->instance, (uint64_t)s->options->buffer_bytes / 1024, s->clock.name, reterr));
	if (s->options->calibrate)
		s->calibration = cgr_calibrate(&s->instance, &s->plan, &s->cost);
	struct cgr_error refused = { 0 };
	if (cgr_functions_trace(&s->instance, &s->plan, &refused) < 0)
		cgr_plan_without_functions(&s->plan, refused.cause[0]);
	CGR_TRY(cgr_instance_filter(&s->instance, &s->plan, reterr));
	return cgr_instance_enable(&s->instance, &s->plan, reterr);
}

/* From here on events are recorded. */
static int start_ring(struct cgr_session *s, struct cgr_error *reterr)
{
	const struct cgr_sink to_disk = { .chunk = sink_chunk, .context = s };
	const struct cgr_sink to_memory = { .chunk = keep_chunk, .context = &s->flight };

	CGR_TRY(cgr_ring_open(&s->ring, &s->instance, s->options->ring_bytes > 0 ? to_memory : to_disk, reterr));
	s->cpus = s->ring.count;
	s->tally = cgr_calloc(s->cpus, sizeof(*s->tally));
	if (s->tally == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for %u CPUs", s->cpus);
	CGR_TRY(cgr_instance_switch(&s->instance, true, reterr));
	s->start_ns = s->segment->start_ns = cgr_mono_ns();
	return cgr_ring_start(&s->ring, reterr);
}

static int begin(struct cgr_session *s, struct cgr_error *reterr)
{
	CGR_TRY(open_instance(s, reterr));
	CGR_TRY(cgr_rotate_open(s, reterr));
	cgr_clock_look(&s->clock);
	CGR_TRY(write_clock(s, reterr)); /* before the first event */
	if (s->options->command != NULL)
		CGR_TRY(cgr_child_fork(&s->child, s->options->command, reterr));
	CGR_TRY(start_ring(s, reterr));
	/* a flight recording starts with what is still kept when it is written */
	if (s->options->ring_bytes == 0)
		CGR_TRY(cgr_describe_facts(s, s->segment, reterr));
	json_t *snapshot = cgr_snapshot_json(&s->fs, "start");
	if (s->options->ring_bytes == 0)
		cgr_summary_names(s->segment, snapshot);
	CGR_TRY(emit_json(s, CGR_TD_SNAPSHOT, snapshot, reterr));
	s->snapshot_ns = cgr_mono_ns();
	CGR_TRY(cgr_rotate_check(s, reterr));
	CGR_TRY(start_sampler(s, reterr));
	cgr_summary_begin(s);
	return s->options->command == NULL ? 0 : cgr_child_release(&s->child, s->options->command, reterr);
}

/* The flight recorder's own round: SIGUSR1 writes it in any case, and a snapshot now and then stands at the start of
 * whatever the memory still holds. */
static int fly(struct cgr_session *s, struct cgr_error *reterr)
{
	if (atomic_load(&usr1_seen) && !atomic_load(&s->trigger.hit)) {
		(void)snprintf(s->trigger.what, sizeof(s->trigger.what), "SIGUSR1");
		atomic_store(&s->trigger.hit, true);
	}
	/* with --cgroup a kill elsewhere is none of ours */
	if (s->options->glob_count == 0 && cgr_mono_ns() - s->polled_ns >= s->options->sample_ns) {
		s->polled_ns = cgr_mono_ns();
		cgr_trigger_poll(&s->trigger, s->polled_ns);
	}
	if (cgr_mono_ns() - s->snapshot_ns < FLIGHT_SNAPSHOT_NS)
		return 0;
	s->snapshot_ns = cgr_mono_ns();
	return emit_json(s, CGR_TD_SNAPSHOT, cgr_snapshot_json(&s->fs, "start"), reterr);
}

/* Until something ends the recording. */
static int run(struct cgr_session *s, struct cgr_error *reterr)
{
	/* of a recording so long; a command has that time from its own start on */
	int64_t from = s->options->command == NULL ? s->start_ns : cgr_mono_ns();
	int64_t end = s->options->duration_ns > 0 ? from + s->options->duration_ns : INT64_MAX;

	while (atomic_load(&s->ring.failed) == 0) { /* else end() joins the reader and reports why */
		s->ended_by = cgr_child_ending(&s->child, end);
		if (s->ended_by != NULL)
			return 0;
		if (cgr_clock_tick(&s->clock))
			CGR_TRY(write_clock(s, reterr));
		if (s->options->ring_bytes > 0) {
			CGR_TRY(fly(s, reterr));
			if (atomic_load(&s->trigger.hit)) {
				s->ended_by = "trigger";
				return 0;
			}
		}
		if (cgr_rotate_if_due(s, reterr) < 0)
			return cgr_error_cause(reterr, "what was recorded so far is kept in %s.* and can be imported",
			                       s->options->output);
		/* SIGINT, SIGTERM and SIGCHLD cut this short */
		int64_t left = end - cgr_mono_ns();
		(void)poll(NULL, 0, (int)CGR_MIN(CGR_MAX(left, 0) / 1000000 + 1, (int64_t)POLL_MS));
	}
	s->ended_by = "error";
	return 0;
}

static int write_flight(struct cgr_session *s, struct cgr_error *reterr)
{
	int64_t start = cgr_flight_start_ns(&s->flight, &s->clock);

	if (start > 0)
		s->segment->start_ns = start;
	CGR_TRY(cgr_describe_facts(s, s->segment, reterr));
	json_t *snapshot = cgr_flight_snapshot(&s->flight);
	cgr_summary_names(s->segment, snapshot);
	json_decref(snapshot);
	/* what came in since they were read may have pushed all pairs of clocks out of the memory */
	CGR_TRY(cgr_clock_write(&s->clock, &s->segment->journal, reterr));
	return cgr_flight_dump(&s->flight, &s->segment->journal, reterr);
}

/* What the ring still holds may be more than one segment takes. */
static int drain(struct cgr_session *s, struct cgr_error *reterr)
{
	int rc = 0;

	if (s->options->max_bytes <= 0)
		return 0;
	cgr_ring_flush(&s->ring, POLL_MS);
	for (unsigned i = 0; rc == 0 && i < DRAIN_ROUNDS && !cgr_ring_is_flushed(&s->ring); i++) {
		rc = cgr_rotate_if_due(s, reterr);
		(void)poll(NULL, 0, 1);
	}
	return rc;
}

/* Stops everything that writes, then writes the end. */
static int stop(struct cgr_session *s, struct cgr_error *reterr)
{
	cgr_summary_end(s);
	json_t *snapshot = cgr_snapshot_json(&s->fs, "end");
	int rc = cgr_instance_switch(&s->instance, false, reterr);

	s->stop_ns = s->segment->stop_ns = cgr_mono_ns();
	cgr_clock_look(&s->clock);
	if (rc == 0 && s->options->ring_bytes == 0)
		rc = write_clock(s, reterr);
	if (rc == 0)
		rc = cgr_sampler_stop(&s->sampler, reterr);
	if (rc == 0)
		rc = drain(s, reterr);
	if (rc == 0)
		rc = cgr_ring_stop(&s->ring, reterr);
	if (rc == 0 && s->options->ring_bytes > 0)
		rc = write_flight(s, reterr);
	if (rc == 0)
		rc = cgr_journal_json(&s->segment->journal, CGR_TD_SNAPSHOT, json_incref(snapshot), reterr);
	if (rc == 0)
		rc = cgr_summarise(s, s->segment, snapshot, reterr);
	json_decref(snapshot);
	if (rc < 0)
		(void)cgr_error_cause(reterr, "what was recorded so far is kept in %s and can be imported",
		                      s->segment->journal.path);
	return rc;
}

static int end(struct cgr_session *s, struct cgr_error *reterr)
{
	CGR_TRY(stop(s, reterr));
	/* the machine is left alone before the file is put together: that takes its time */
	cgr_ring_close(&s->ring);
	cgr_instance_close(&s->instance);
	cgr_probes_remove(s->tracefs, s->probe_group);
	return cgr_rotate_finish(s, reterr);
}

static void clean_up(struct cgr_session *s, bool keep_journal)
{
	(void)cgr_sampler_stop(&s->sampler, NULL);
	if (s->instance.handle != NULL)
		(void)cgr_instance_switch(&s->instance, false, NULL);
	cgr_ring_close(&s->ring);
	cgr_instance_close(&s->instance);
	(void)cgr_rotate_settle(s, NULL);
	cgr_segment_free(s->segment, keep_journal);
	s->segment = NULL;
	cgr_segment_set_fini(&s->set);
	(void)pthread_rwlock_destroy(&s->segment_lock);
	cgr_child_close(&s->child);
	cgr_plan_session_fini(s);
	cgr_flight_fini(&s->flight);
	cgr_trigger_fini(&s->trigger);
	cgr_clock_fini(&s->clock);
	free(s->tally);
	json_decref(s->facts);
	json_decref(s->calibration);
}

static uint64_t bytes_written(const struct cgr_session *s)
{
	struct stat st;

	if (s->options->segment_bytes <= 0)
		return stat(s->options->output, &st) == 0 ? (uint64_t)st.st_size : 0;
	uint64_t bytes = 0;
	for (size_t i = 0; i < s->set.count; i++)
		bytes += s->set.file[i].number >= s->set.first ? s->set.file[i].bytes : 0;
	return bytes;
}

static void fill_result(const struct cgr_session *s, struct cgr_record_result *result)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	*result = (struct cgr_record_result){
		.ran_command = s->child.pid > 0,
		.command_status = cgr_child_status(&s->child),
		.duration_ns = (uint64_t)(s->stop_ns - s->start_ns),
		.lost_events = s->lost,
		.events = s->events,
		.file_bytes = bytes_written(s),
		.cpu_usec = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
		            (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
		.beside_usec = s->beside_usec,
		.ended_by = s->ended_by,
		.event_usec = s->event_usec,
		.cpus = s->cpus,
		.first_segment = s->segment == NULL || s->segment->number == 0 ? 0 : s->set.first + s->set.removed,
		.last_segment = s->segment == NULL ? 0 : s->segment->number,
		.removed_segments = s->set.removed,
	};
	(void)cgr_strcpy(result->trigger, sizeof(result->trigger), s->trigger.what);
}

/* Memory given back to the kernel is faulted in again with the next sample: faults that land in the recording and cost
 * more than what is sampled. What the recorder once had it keeps. */
static void keep_memory(void)
{
	(void)mallopt(M_ARENA_MAX, 1);
	(void)mallopt(M_TRIM_THRESHOLD, 256 << 20);
	(void)mallopt(M_MMAP_THRESHOLD, 32 << 20);
	(void)mallopt(M_TOP_PAD, 1 << 20);
}

/* Whether a recording that ended leaves a file: a flight recorder only when its trigger was pulled, when a person or a
 * service manager ended it by a signal (as `perf record --overwrite` does), or when no trigger was named. */
static bool is_wanted(const struct cgr_session *s)
{
	return s->options->ring_bytes == 0 || s->options->until == NULL || atomic_load(&s->trigger.hit) ||
	       strcmp(s->ended_by, "signal") == 0;
}

int cgr_record(const struct cgr_record_options *options, struct cgr_record_result *result, struct cgr_error *reterr)
{
	struct cgr_session s = { .options = options,
		                     .instance = { .lock_fd = -1, .free_fd = -1 },
		                     .child = { .release_fd = -1, .failure_fd = -1 },
		                     .segment_lock = PTHREAD_RWLOCK_INITIALIZER };
	bool began = false, nothing = false;

	*result = (struct cgr_record_result){ 0 };
	keep_memory();
	int rc = prepare(&s, reterr);
	if (rc == 0)
		rc = begin(&s, reterr);
	began = rc == 0 && options->ring_bytes == 0;
	if (rc == 0)
		rc = run(&s, reterr);
	if (rc == 0) {
		nothing = !is_wanted(&s);
		began = began || !nothing;
		s.stop_ns = cgr_mono_ns();
		rc = nothing ? 0 : end(&s, reterr);
	}
	if (nothing)
		(void)cgr_instance_switch(&s.instance, false, NULL);
	/* the command outlives a recording that ended by time: its status is ours */
	if (rc == 0)
		cgr_child_wait(&s.child);
	fill_result(&s, result);
	result->nothing_written = nothing;
	clean_up(&s, began && rc < 0);
	/* nor is one left behind without a parent by a recording that failed */
	if (rc < 0 && began)
		cgr_child_wait(&s.child);
	return rc;
}
