/* What ends a recording, and each of its segments: what the ring and the recorder did meanwhile, names of tasks. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <tracefs.h>
#include <unistd.h>

#include "capture/jsontext.h"
#include "capture/session.h"
#include "capture/snapshot.h"
#include "common/util.h"

/* "entries: 12" of per_cpu/cpuN/stats, at the start of a line ("overrun: " also ends "commit overrun: "). */
static int64_t stat_number(const char *text, const char *key)
{
	size_t length = strlen(key);

	for (const char *at = text; at != NULL && *at != '\0'; at = strchr(at, '\n'), at += at != NULL)
		if (strncmp(at, key, length) == 0)
			return strtoll(at + length, NULL, 10);
	return 0;
}

static json_t *tally_json(uint32_t cpu, const struct cgr_ring_tally *now, const struct cgr_ring_tally *before, int tid)
{
	json_t *obj = json_object();

	cgr_json_set_int(obj, "cpu", cpu);
	cgr_json_set_int(obj, "entries", now->entries);
	cgr_json_set_int(obj, "overrun", now->overrun - before->overrun);
	cgr_json_set_int(obj, "commit_overrun", now->commit_overrun - before->commit_overrun);
	cgr_json_set_int(obj, "dropped_events", now->dropped - before->dropped);
	cgr_json_set_int(obj, "read_events", now->read_events - before->read_events);
	cgr_json_set_int(obj, "pages", (int64_t)(now->stats.pages - before->stats.pages));
	cgr_json_set_int(obj, "plain_bytes", (int64_t)(now->stats.plain_bytes - before->stats.plain_bytes));
	cgr_json_set_int(obj, "compressed_bytes", (int64_t)(now->stats.compressed_bytes - before->stats.compressed_bytes));
	cgr_json_set_int(obj, "wakeups", (int64_t)(now->stats.wakeups - before->stats.wakeups));
	cgr_json_set_int(obj, "tid", tid);
	return obj;
}

/* Per CPU, what was added since the last segment ended; s->tally goes on to now. */
static json_t *per_cpu_json(struct cgr_session *s, struct cgr_segment *segment)
{
	json_t *array = json_array();

	for (uint32_t i = 0; i < s->ring.count; i++) {
		char file[64];
		(void)snprintf(file, sizeof(file), "per_cpu/cpu%u/stats", i);
		char *text = cgr_instance_read(&s->instance, file);
		const struct cgr_ring_tally now = { .entries = stat_number(text, "entries: "),
			                                .overrun = stat_number(text, "overrun: "),
			                                .commit_overrun = stat_number(text, "commit overrun: "),
			                                .dropped = stat_number(text, "dropped events: "),
			                                .read_events = stat_number(text, "read events: "),
			                                .stats = cgr_ring_stats(&s->ring.reader[i]) };
		struct cgr_ring_tally *before = &s->tally[i];
		(void)json_array_append_new(array, tally_json(i, &now, before, atomic_load(&s->ring.reader[i].tid)));
		s->lost += (uint64_t)(now.overrun - before->overrun + now.dropped - before->dropped);
		s->events += (uint64_t)(now.read_events - before->read_events);
		*before = now;
		char *option = cgr_printf("CPU: %u\n%s", i, text == NULL ? "" : text);
		if (option != NULL)
			cgr_td_append_option(&segment->more, CGR_TD_CPUSTAT, option, (uint32_t)strlen(option) + 1);
		free(option);
		free(text);
	}
	return array;
}

static void gather_options(const struct cgr_session *s, struct cgr_segment *segment)
{
	char *clock = cgr_instance_read(&s->instance, "trace_clock");
	struct utsname name;
	uint8_t id[8];

	if (clock != NULL)
		cgr_td_append_option(&segment->more, CGR_TD_TRACECLOCK, clock, (uint32_t)strlen(clock) + 1);
	free(clock);
	cgr_clock_options(&s->clock, &segment->more);
	if (uname(&name) == 0) {
		char *text = cgr_printf("%s %s %s %s", name.sysname, name.nodename, name.release, name.machine);
		if (text != NULL)
			cgr_td_append_option(&segment->more, CGR_TD_UNAME, text, (uint32_t)strlen(text) + 1);
		free(text);
	}
	cgr_td_append_option(&segment->more, CGR_TD_VERSION, "cgreplay " CGR_VERSION, sizeof("cgreplay " CGR_VERSION));
	cgr_td_put_u64(id, s->trace_id);
	cgr_td_append_option(&segment->more, CGR_TD_TRACEID, id, sizeof(id));
}

void cgr_summary_names(struct cgr_segment *segment, const json_t *snapshot)
{
	const json_t *task;
	size_t i;

	if (segment->names == NULL)
		segment->names = json_object();
	json_array_foreach(json_object_get(snapshot, "tasks"), i, task)
	{
		char tid[24];
		(void)snprintf(tid, sizeof(tid), "%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(task, "tid")));
		(void)json_object_set(segment->names, tid, json_object_get(task, "comm"));
	}
}

/* pid and name of tasks: the kernel's own table where it was kept for us (else a pid may stand there under the name of
 * a task long gone), and the tasks of the snapshots */
static int write_cmdlines(const struct cgr_session *s, struct cgr_segment *segment, struct cgr_error *reterr)
{
	struct cgr_strbuf lines = { 0 };
	struct cgr_td_bytes body = { 0 };
	char *saved = s->instance.no_names ? NULL : tracefs_instance_file_read(NULL, "saved_cmdlines", NULL);
	const char *tid;
	const json_t *comm;

	if (saved != NULL)
		cgr_strbuf_printf(&lines, "%s", saved);
	free(saved);
	json_object_foreach(segment->names, tid, comm) cgr_strbuf_printf(&lines, "%s %s\n", tid, json_string_value(comm));
	cgr_td_append_u64(&body, lines.length);
	cgr_td_append(&body, lines.text, lines.length);
	int rc = cgr_journal_section(&segment->journal, CGR_TD_CMDLINES, body.data, body.length, reterr);
	cgr_td_fini(&body);
	cgr_strbuf_fini(&lines);
	return rc;
}

static json_t *tids_json(const struct cgr_session *s)
{
	json_t *tids = json_array();

	(void)json_array_append_new(tids, json_integer(getpid()));
	for (uint32_t i = 0; i < s->ring.count; i++)
		(void)json_array_append_new(tids, json_integer(atomic_load(&s->ring.reader[i].tid)));
	if (atomic_load(&s->sampler.tid) > 0)
		(void)json_array_append_new(tids, json_integer(atomic_load(&s->sampler.tid)));
	return tids;
}

/* Estimated CPU time of the events since the last segment ended, by what kinds they were. */
static uint64_t estimate_usec(struct cgr_session *s)
{
	struct cgr_kinds *kinds = cgr_calloc(1, sizeof(*kinds));
	uint64_t events = s->events - s->told.events;

	if (kinds == NULL)
		return 0;
	cgr_ring_kinds(&s->ring, kinds);
	uint64_t usec = events * (uint64_t)cgr_cost_mean_ps(&s->cost, kinds, 1) / 1000000;
	free(kinds);
	s->event_usec += usec;
	return usec;
}

static void cpu_time(int64_t *ret_user_usec, int64_t *ret_system_usec)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	*ret_user_usec = (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec;
	*ret_system_usec = (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
}

void cgr_summary_begin(struct cgr_session *s)
{
	cpu_time(&s->told.user_usec, &s->told.system_usec);
}

void cgr_summary_end(struct cgr_session *s)
{
	cpu_time(&s->told.last_user_usec, &s->told.last_system_usec);
	s->told.ended = true;
}

/* CPU time the recorder took and the events are estimated to have taken, since the last segment ended. */
static json_t *cost_json(struct cgr_session *s)
{
	struct rusage usage;
	json_t *obj = json_object();

	(void)getrusage(RUSAGE_SELF, &usage);
	int64_t user = s->told.last_user_usec, system = s->told.last_system_usec;
	if (!s->told.ended)
		cpu_time(&user, &system);
	s->beside_usec += (uint64_t)(user + system - s->told.user_usec - s->told.system_usec);
	uint64_t samples = atomic_load(&s->sampler.count), sampler_ns = atomic_load(&s->sampler.took_ns);
	cgr_json_set_int(obj, "cpu_usec", user + system - s->told.user_usec - s->told.system_usec);
	cgr_json_set_int(obj, "user_usec", user - s->told.user_usec);
	cgr_json_set_int(obj, "event_usec", (int64_t)estimate_usec(s));
	cgr_json_set_int(obj, "system_usec", system - s->told.system_usec);
	cgr_json_set_int(obj, "max_rss_kib", usage.ru_maxrss);
	cgr_json_set_int(obj, "samples", (int64_t)(samples - s->told.samples));
	cgr_json_set_int(obj, "sampler_usec", (int64_t)(sampler_ns - s->told.sampler_ns) / 1000);
	(void)json_object_set_new(obj, "tids", tids_json(s));
	s->told.user_usec = user;
	s->told.system_usec = system;
	s->told.samples = samples;
	s->told.sampler_ns = sampler_ns;
	s->told.events = s->events;
	return obj;
}

/* What befell the counter that is the ring's clock; the same for all segments up to this one. NULL: nothing. */
static json_t *clock_json(const struct cgr_clock *clock)
{
	json_t *obj;

	if (clock->suspends == 0 && clock->restarts == 0 && !clock->given_up)
		return NULL;
	obj = json_object();
	cgr_json_set_int(obj, "suspends", clock->suspends);
	cgr_json_set_int(obj, "restarts", clock->restarts);
	(void)json_object_set_new(obj, "given_up", json_boolean(clock->given_up));
	return obj;
}

static void note_troubles(struct cgr_session *s)
{
	for (int trouble = 0; trouble < CGR_CLOCK_TROUBLES; trouble++) {
		const char *text = cgr_clock_check(&s->clock, (enum cgr_clock_trouble)trouble);
		if (text != NULL && s->ended_by != NULL && s->options->notes != NULL)
			(void)fprintf(s->options->notes, "cgreplay: %s\n", text);
	}
}

int cgr_summarise(struct cgr_session *s, struct cgr_segment *segment, const json_t *snapshot, struct cgr_error *reterr)
{
	json_t *obj = json_object();

	note_troubles(s);
	cgr_json_set_int(obj, "schema_version", 1);
	cgr_json_set_int(obj, "stop_mono_ns", segment->stop_ns);
	cgr_json_set_text(obj, "ended_by", s->ended_by == NULL ? "rotation" : s->ended_by);
	if (s->trigger.what[0] != '\0')
		cgr_json_set_text(obj, "trigger", s->trigger.what);
	if (s->child.ended) {
		cgr_json_set_int(obj, "exit_status", cgr_child_status(&s->child));
		cgr_json_set_int(obj, "wait_status", s->child.wait_status);
	}
	(void)json_object_set_new(obj, "per_cpu", per_cpu_json(s, segment));
	(void)json_object_set_new(obj, "recorder", cost_json(s));
	(void)json_object_set_new(obj, "clock", clock_json(&s->clock));
	if (segment->number > 0)
		cgr_json_set_int(obj, "segment", segment->number);
	gather_options(s, segment);
	CGR_TRY(cgr_journal_json(&segment->journal, CGR_TD_SUMMARY, obj, reterr));
	cgr_summary_names(segment, snapshot);
	return write_cmdlines(s, segment, reterr);
}
