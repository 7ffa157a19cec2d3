#include "parser/import.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "parser/facts.h"
#include "parser/instances.h"
#include "parser/segments.h"

#define PROGRESS_RECORDS 65536u

struct import {
	const struct cgr_import_options *options;
	struct cgr_trace *trace;
	struct cgr_writer *writer;
	struct cgr_source *source;
	struct cgr_norm norm;
	struct cgr_facts facts;
	uint64_t last_time;
	bool started;
};

static void digest_words(const uint8_t *data, size_t from, size_t to, uint64_t hash[2])
{
	for (size_t i = from; i + 8 <= to; i += 8) {
		uint64_t word;
		memcpy(&word, data + i, 8);
		hash[0] = (hash[0] ^ word) * 1099511628211ull;
		hash[1] = (hash[1] + word) * 6364136223846793005ull + 1442695040888963407ull;
	}
	for (size_t i = to & ~(size_t)7; i < to; i++)
		hash[0] = (hash[0] ^ data[i]) * 1099511628211ull;
}

/* Identity of the input without reading all of it twice: its size and a digest of evenly spread pieces. */
static int digest(const struct cgr_trace *trace, char *ret_text, size_t size)
{
	uint64_t hash[2] = { 14695981039346656037ull, 0x9e3779b97f4a7c15ull };
	size_t piece = 65536, pieces = 64, total = 0;

	for (; trace != NULL; trace = trace->later) {
		const struct cgr_input *input = &trace->input;
		size_t step = input->size > piece * pieces ? input->size / pieces : piece;

		for (size_t at = 0; at < input->size; at += step)
			digest_words(input->data, at, CGR_MIN(at + piece, input->size), hash);
		total += input->size;
	}
	return snprintf(ret_text, size, "%016llx%016llx-%zu", (unsigned long long)(hash[0] ^ hash[0] >> 29),
	                (unsigned long long)(hash[1] ^ hash[1] >> 31), total);
}

static int open_source(struct import *import, struct cgr_error *reterr)
{
	if (import->trace->perf != NULL)
		return cgr_source_perf_new(import->trace, &import->source, reterr);
	return cgr_source_ring_new(import->trace, 0, &import->source, reterr);
}

static int begin(struct import *import, const char *store_path, struct cgr_error *reterr)
{
	const struct cgr_import_options *options = import->options;

	for (const struct cgr_trace *trace = import->trace; trace != NULL; trace = trace->later)
		CGR_TRY(cgr_outfile_refuse_input(store_path, trace->input.path, reterr));
	CGR_TRY(cgr_outfile_refuse_kinds(store_path, CGR_OUTFILE_STORE, reterr));
	CGR_TRY(cgr_trace_load_clock(import->trace, reterr));
	CGR_TRY(open_source(import, reterr));
	CGR_TRY(cgr_writer_new(store_path, options->lean ? CGR_WRITER_LEAN : 0, &import->writer, reterr));
	CGR_TRY(cgr_norm_init(&import->norm, import->trace, import->writer, reterr));
	CGR_TRY(cgr_instances_choose(import->trace, &import->norm.owner, reterr));
	import->norm.keep_fields = !options->lean && !options->no_fields;
	import->norm.scope = options->cgroup;
	import->norm.scopes = options->cgroups;
	import->norm.from_ns = options->from_ns > 0 ? (uint64_t)options->from_ns : 0;
	import->norm.to_ns = options->to_ns >= 0 ? (uint64_t)options->to_ns : UINT64_MAX;
	return cgr_facts_begin(&import->facts, &import->norm, reterr);
}

/* Foreign traces start with their first record. */
static void set_start(struct import *import, const struct cgr_record *record)
{
	import->started = true;
	if (import->facts.start_mono_ns == 0)
		import->norm.start = record->time;
}

/* What is wrong with a record shows here, where it stands in the file only its source knows. */
static int bad_record(const struct cgr_source *source, const struct cgr_record *record, struct cgr_error *reterr)
{
	uint64_t offset;
	const struct cgr_trace *segment = source->where(source, record, &offset);

	return cgr_error_cause(reterr, "%s:%llu", segment->input.path, (unsigned long long)offset);
}

static int pump(struct import *import, struct cgr_error *reterr)
{
	struct cgr_record record;
	uint64_t count = 0;
	int rc;

	while ((rc = import->source->next(import->source, &record, reterr)) == 1) {
		if (!import->started && record.time > 0) /* perf synthesises records of time 0 first */
			set_start(import, &record);
		if (record.time > import->norm.start && record.time - import->norm.start > import->norm.to_ns)
			return CGR_OK;
		if (record.time >= import->facts.next_time)
			CGR_TRY(cgr_facts_advance(&import->facts, &import->norm, record.time, reterr));
		rc = cgr_norm_record(&import->norm, &record, reterr);
		if (rc < 0)
			return rc == CGR_E_INPUT ? bad_record(import->source, &record, reterr) : rc;
		import->last_time = record.time;
		if (++count % PROGRESS_RECORDS == 0) {
			CGR_TRY(cgr_interrupt_check(reterr));
			cgr_progress_update(import->options->progress, "import", import->source->done_bytes,
			                    import->source->total_bytes, "B");
		}
	}
	return rc;
}

static int log_if(struct import *import, uint64_t count, const char *severity, const char *text, const char *cost,
                  struct cgr_error *reterr)
{
	return count == 0 ? CGR_OK : cgr_writer_add_log(import->writer, severity, text, count, cost, reterr);
}

static int mend_log(struct import *import, struct cgr_error *reterr)
{
	const struct cgr_import_stats *stats = &import->norm.stats;

	CGR_TRY(log_if(import, stats->inferred_arrivals, "inferred",
	               "arrivals of a task on a CPU that no switch event tells",
	               "their times come from sched_stat_runtime or wake-ups", reterr));
	CGR_TRY(log_if(import, stats->inferred_departures, "inferred", "departures of a task that no switch event tells",
	               "their times come from the last event of the task there", reterr));
	CGR_TRY(log_if(import, stats->inferred_exits, "inferred", "ends of tasks that no sched_process_exit tells",
	               "their times are those of their last switch", reterr));
	CGR_TRY(log_if(import, stats->run_starts, "inferred", "tasks found running where the chain of switches begins anew",
	               NULL, reterr));
	CGR_TRY(log_if(import, stats->two_cpus, "inferred", "tasks seen on a second CPU before they left the first", NULL,
	               reterr));
	CGR_TRY(log_if(import, stats->joints_open, "warning", "chains of switches cut by lost events",
	               "who ran there is unknown until the next evidence", reterr));
	CGR_TRY(log_if(import, stats->times_astray, "warning",
	               "records whose counter no CLOCK pair is near: those of before a suspend are missing",
	               "their times may be wrong by any amount", reterr));
	return log_if(import, stats->time_backwards, "warning", "records whose clock went back: their time was held",
	              "order between CPUs may be wrong there; record with -C mono", reterr);
}

static int memory_log(struct import *import, struct cgr_error *reterr)
{
	const struct cgr_norm *norm = &import->norm;

	CGR_TRY(log_if(import, norm->stats.charges_unsized, "inferred",
	               "charged folios without a size event: taken as one page",
	               "pages of large folios may be missing from charges", reterr));
	CGR_TRY(log_if(import, norm->stats.uncharges_unsized, "inferred",
	               "uncharged folios never seen leaving: taken as one page", "they were there before the recording",
	               reterr));
	CGR_TRY(log_if(import, norm->cgroups.unknown_ids, "missing",
	               "memory cgroup ids without a known path: named /memcg-id-N", "their limits are unknown", reterr));
	if (norm->memcg_seen || norm->items_known)
		return CGR_OK;
	for (uint32_t id = 0; id < 65536; id++) {
		const struct cgr_format *format = norm->formats.by_id[id];
		if (format != NULL && format->count > 0 && strcmp(format->system, "memcg") == 0)
			return cgr_writer_add_log(
			    import->writer, "missing",
			    "the trace has memcg events but not the kernel's enum tables: kept as generic events", 0,
			    "no memory prediction; record with cgreplay record", reterr);
	}
	return CGR_OK;
}

static bool is_unfinished(const struct cgr_trace *trace)
{
	for (; trace != NULL; trace = trace->later)
		if (trace->unfinished)
			return true;
	return false;
}

static int segment_log(struct import *import, struct cgr_error *reterr)
{
	const struct cgr_trace *first = import->trace;
	char text[160];

	if (first->segment.number == 0)
		return CGR_OK;
	for (const struct cgr_trace *trace = first; trace != NULL; trace = trace->later) {
		uint32_t gap = trace->segment.gap, number = trace->segment.number;

		if (gap == 0)
			continue;
		(void)snprintf(text, sizeof(text),
		               gap == 1 ? "segment %u of the recording is missing"
		                        : "segments %u to %u of the recording are missing",
		               number - gap, number - 1);
		CGR_TRY(cgr_writer_add_log(import->writer, "missing", text, gap,
		                           "its events are lost: no prediction can be exact", reterr));
	}
	if (first->segment.number > first->segment.first) {
		(void)snprintf(text, sizeof(text), "segments %u to %u of the recording are not there: the trace starts later",
		               first->segment.first, first->segment.number - 1);
		CGR_TRY(cgr_writer_add_log(import->writer, "info", text, first->segment.number - first->segment.first,
		                           "record --max-size removes the oldest", reterr));
	}
	return log_if(import, first->segment.others, "info",
	              "segments of earlier recordings with the same name were left out", "name them to import them",
	              reterr);
}

/* Which threads of a host are the CPUs of its guests. */
static int guest_log(struct import *import, struct cgr_error *reterr)
{
	const struct cgr_guests *guests = &import->trace->guests;
	char text[256];

	for (size_t i = 0; i < guests->count; i++) {
		const struct cgr_guest *guest = &guests->guest[i];
		size_t used = (size_t)snprintf(text, sizeof(text), "virtual CPUs of the guest \"%s\": threads", guest->name);

		for (size_t c = 0; c < guest->cpus && used < sizeof(text) - 16; c++)
			used += (size_t)snprintf(text + used, sizeof(text) - used, c == 0 ? " %d" : ", %d", guest->tid[c]);
		CGR_TRY(cgr_writer_add_log(import->writer, "info", text, guest->cpus,
		                           "what the guest did in them stands in its own file", reterr));
	}
	return CGR_OK;
}

static int import_log(struct import *import, struct cgr_error *reterr)
{
	const struct cgr_norm *norm = &import->norm;

	CGR_TRY(log_if(import, norm->stats.lost_spans, "warning", "spans in which events were lost",
	               "no prediction can be exact", reterr));
	CGR_TRY(segment_log(import, reterr));
	CGR_TRY(log_if(import, import->trace->shift.cpus, "info",
	               "CPUs of a guest whose times were brought to its host's clock (TIME_SHIFT)", NULL, reterr));
	CGR_TRY(log_if(import, import->trace->clock_map.restarts, "warning",
	               "times that the machine was suspended and the counter that events are stamped with began anew",
	               "what a CPU recorded behind that, up to its next sub-buffer, has the earliest times it can have had",
	               reterr));
	CGR_TRY(log_if(import, import->trace->clock_map.breaks, "info",
	               "times that the machine was suspended while the counter that events are stamped with went on", NULL,
	               reterr));
	CGR_TRY(guest_log(import, reterr));
	CGR_TRY(mend_log(import, reterr));
	CGR_TRY(memory_log(import, reterr));
	CGR_TRY(log_if(import, norm->stats.unknown_formats, "warning",
	               "records of an event type the file does not describe", "kept as generic events", reterr));
	CGR_TRY(log_if(import, norm->stats.short_records, "warning", "records shorter than their event's fields",
	               "kept as generic events", reterr));
	CGR_TRY(log_if(import, norm->stats.duplicate_records, "info",
	               "records dropped: another instance recorded the same event type, with more of them", NULL, reterr));
	if (!norm->switch_seen)
		CGR_TRY(
		    cgr_writer_add_log(import->writer, "missing", "no sched_switch events", 0, "no CPU prediction", reterr));
	if (is_unfinished(import->trace))
		CGR_TRY(cgr_writer_add_log(import->writer, "missing",
		                           "the recorder was killed: no end snapshot, the last moments may be missing", 0,
		                           "recorded end counters are those of the last sample", reterr));
	if (import->facts.info.has_snapshots)
		return CGR_OK;
	return cgr_writer_add_log(import->writer, "missing", "no snapshots: the trace was not made by cgreplay record", 0,
	                          "limits, counters and membership before the first event are unknown", reterr);
}

/* Zeros read in place of what was cut off look like damage: say what it really was. */
static int check_inputs(const struct cgr_trace *trace, struct cgr_error *reterr)
{
	for (; trace != NULL; trace = trace->later)
		CGR_TRY(cgr_input_check(&trace->input, reterr));
	return CGR_OK;
}

static int finish(struct import *import, struct cgr_import_summary *summary, struct cgr_error *reterr)
{
	struct cgr_norm *norm = &import->norm;
	char text[128];

	if (norm->stats.records == 0)
		return import->options->from_ns > 0 || import->options->to_ns >= 0
		           ? cgr_error_set(reterr, CGR_E_INPUT, "%s: the trace holds no events in this slice of time",
		                           import->trace->input.path)
		           : cgr_error_set(reterr, CGR_E_INPUT, "%s:%zu: the trace holds no events", import->trace->input.path,
		                           import->trace->input.size);
	if (import->options->max_lost >= 0 &&
	    norm->stats.lost_events + norm->stats.lost_unknown > (uint64_t)import->options->max_lost)
		return cgr_error_set(
		    reterr, CGR_E_LOSSY,
		    "%s: %llu events were lost in %llu places, more than --max-lost %lld: record with a larger --buffer",
		    import->trace->input.path, (unsigned long long)norm->stats.lost_events,
		    (unsigned long long)norm->stats.lost_spans, (long long)import->options->max_lost);
	CGR_TRY(cgr_facts_finish(&import->facts, norm, reterr));
	CGR_TRY(cgr_norm_finish(norm, reterr));
	const char *empty = cgr_cgroup_empty_scope(norm);
	if (empty != NULL)
		return cgr_error_set(reterr, CGR_E_USAGE,
		                     "--cgroup %s: %s knows no such cgroup; info of a whole import lists them", empty,
		                     import->trace->input.path);
	(void)digest(import->trace, text, sizeof(text));
	import->facts.info.source_digest = text;
	CGR_TRY(cgr_writer_set_info(import->writer, &import->facts.info, reterr));
	CGR_TRY(import_log(import, reterr));
	*summary =
	    (struct cgr_import_summary){ .records = norm->stats.records,
		                             .events = norm->stats.events,
		                             .lost_events = norm->stats.lost_events,
		                             .lost_spans = norm->stats.lost_spans,
		                             .inferred = norm->stats.inferred_arrivals + norm->stats.inferred_departures +
		                                         norm->stats.inferred_exits + norm->stats.run_starts,
		                             .cgroups = norm->cgroups.nodes,
		                             .tasks = norm->tasks.ids,
		                             .unfinished = is_unfinished(import->trace),
		                             .snapshots = import->facts.info.has_snapshots };
	for (const struct cgr_trace *trace = import->trace; trace != NULL && trace->segment.number > 0;
	     trace = trace->later) {
		summary->segments++;
		summary->segments_missing += trace->segment.gap;
	}
	if (summary->segments > 0)
		summary->segments_removed = import->trace->segment.number - import->trace->segment.first;
	summary->duration_ns =
	    CGR_MAX(import->facts.info.duration_ns, (int64_t)(import->last_time - norm->start) - (int64_t)norm->from_ns);
	CGR_TRY(check_inputs(import->trace, reterr));
	return cgr_writer_commit(import->writer, reterr);
}

int cgr_import_trace(struct cgr_trace *trace, const char *store_path, const struct cgr_import_options *options,
                     struct cgr_import_summary *ret_summary, struct cgr_error *reterr)
{
	struct import *import = calloc(1, sizeof(*import));

	if (import == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	import->options = options;
	import->trace = trace;
	int rc = begin(import, store_path, reterr);
	if (rc == CGR_OK)
		rc = pump(import, reterr);
	if (rc == CGR_OK)
		rc = finish(import, ret_summary, reterr);
	if (rc == CGR_E_INPUT && check_inputs(trace, NULL) < 0) {
		if (reterr != NULL)
			*reterr = (struct cgr_error){ 0 };
		rc = check_inputs(trace, reterr);
	}
	if (options->progress != NULL)
		cgr_progress_finish(options->progress);
	cgr_writer_free(import->writer);
	if (import->source != NULL)
		import->source->free(import->source);
	if (import->norm.trace != NULL)
		cgr_norm_fini(&import->norm);
	cgr_facts_fini(&import->facts);
	free(import);
	return rc;
}

/* A name that is none itself, but has segments. */
static int open_found(const char *path, struct cgr_trace **ret_trace, struct cgr_error *reterr)
{
	struct cgr_paths found;
	int rc;

	CGR_TRY(cgr_segments_find(path, &found, reterr));
	rc = found.count > 0 ? cgr_segments_open((const char *const *)found.path, found.count, ret_trace, reterr)
	                     : cgr_segments_open(&path, 1, ret_trace, reterr);
	if (rc == CGR_OK)
		(*ret_trace)->segment.others = (uint32_t)found.others;
	cgr_paths_fini(&found);
	return rc;
}

int cgr_import(const char *const *trace_path, size_t paths, const char *store_path,
               const struct cgr_import_options *options, struct cgr_import_summary *ret_summary,
               struct cgr_error *reterr)
{
	struct cgr_trace *trace = NULL;
	int rc = paths == 1 && access(trace_path[0], F_OK) != 0 ? open_found(trace_path[0], &trace, reterr)
	                                                        : cgr_segments_open(trace_path, paths, &trace, reterr);

	if (rc == CGR_OK)
		rc = cgr_import_trace(trace, store_path, options, ret_summary, reterr);
	cgr_trace_free(trace);
	return rc;
}
