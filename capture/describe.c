/* What stands at the head of a recording, and of each of its segments: formats of the events, facts of the machine. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <tracefs.h>
#include <unistd.h>

#include "capture/jsontext.h"
#include "capture/session.h"
#include "capture/snapshot.h"
#include "common/util.h"

/* header_page and header_event, each as name, u64 length, text */
static int write_header_info(struct cgr_session *s, struct cgr_segment *segment, struct cgr_error *reterr)
{
	static const char *const names[] = { "header_page", "header_event" };
	struct cgr_td_bytes body = { 0 };

	for (unsigned i = 0; i < 2; i++) {
		char file[64];
		(void)snprintf(file, sizeof(file), "events/%s", names[i]);
		char *text = cgr_instance_read(&s->instance, file);
		if (text == NULL)
			text = tracefs_instance_file_read(NULL, file, NULL);
		if (text == NULL) {
			cgr_td_fini(&body);
			return cgr_error_errno(reterr, CGR_E_UNAVAILABLE, "%s/%s: cannot read", s->tracefs, file);
		}
		cgr_td_append_text(&body, names[i]);
		cgr_td_append_u64(&body, strlen(text));
		cgr_td_append(&body, text, strlen(text));
		free(text);
	}
	int rc = cgr_journal_section(&segment->journal, CGR_TD_HEADER_INFO, body.data, body.length, reterr);
	cgr_td_fini(&body);
	return rc;
}

/* Events of the i-th one's system, when it is the first of that system; else 0. */
static uint32_t events_of_system(const struct cgr_plan *plan, size_t i)
{
	uint32_t events = 0;

	for (size_t j = 0; j < plan->count && plan->event[i].functions == NULL; j++) {
		bool same = strcmp(plan->event[j].system, plan->event[i].system) == 0;
		if (same && j < i)
			return 0;
		events += same;
	}
	return events;
}

/* Formats of the tracer's own entries, which have no system: u32 count, then per format u64 length and text. */
static void describe_tracer(const struct cgr_plan *plan, struct cgr_td_bytes *body)
{
	uint32_t count = 0;

	cgr_td_append_u32(body, 0);
	for (size_t i = 0; i < plan->count; i++) {
		if (plan->event[i].functions == NULL)
			continue;
		count++;
		cgr_td_append_u64(body, strlen(plan->event[i].format));
		cgr_td_append(body, plan->event[i].format, strlen(plan->event[i].format));
	}
	if (!body->failed)
		cgr_td_put_u32(body->data, count);
}

void cgr_describe_formats(const struct cgr_plan *plan, struct cgr_td_bytes *body)
{
	size_t systems_at = body->length;
	uint32_t systems = 0;

	cgr_td_append_u32(body, 0);
	for (size_t i = 0; i < plan->count; i++) {
		uint32_t events = events_of_system(plan, i);
		if (events == 0)
			continue;
		systems++;
		cgr_td_append_text(body, plan->event[i].system);
		cgr_td_append_u32(body, events);
		for (size_t j = i; j < plan->count; j++) {
			if (strcmp(plan->event[j].system, plan->event[i].system) != 0)
				continue;
			cgr_td_append_u64(body, strlen(plan->event[j].format));
			cgr_td_append(body, plan->event[j].format, strlen(plan->event[j].format));
		}
	}
	if (!body->failed)
		cgr_td_put_u32(body->data + systems_at, systems);
}

int cgr_describe_layout(struct cgr_session *s, struct cgr_segment *segment, struct cgr_error *reterr)
{
	struct cgr_td_bytes formats = { 0 }, kallsyms = { 0 };
	const char *lines = s->symbols.kallsyms == NULL ? "" : s->symbols.kallsyms;
	struct cgr_td_bytes tracer = { 0 };

	CGR_TRY(write_header_info(s, segment, reterr));
	describe_tracer(&s->plan, &tracer);
	int rc = cgr_journal_section(&segment->journal, CGR_TD_FTRACE_EVENTS, tracer.data, tracer.length, reterr);
	cgr_td_fini(&tracer);
	CGR_TRY(rc);
	cgr_describe_formats(&s->plan, &formats);
	rc = cgr_journal_section(&segment->journal, CGR_TD_EVENT_FORMATS, formats.data, formats.length, reterr);
	cgr_td_fini(&formats);
	cgr_td_append_u32(&kallsyms, (uint32_t)strlen(lines));
	cgr_td_append(&kallsyms, lines, strlen(lines));
	if (rc == 0)
		rc = cgr_journal_section(&segment->journal, CGR_TD_KALLSYMS, kallsyms.data, kallsyms.length, reterr);
	cgr_td_fini(&kallsyms);
	return rc;
}

static json_t *text_array(const char *const *text, size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count; i++)
		(void)json_array_append_new(array, cgr_json_text(text[i], strlen(text[i])));
	return array;
}

static json_t *scope_json(const struct cgr_session *s)
{
	struct cgr_cgroup_list list;
	json_t *array = json_array();
	int memory = cgr_cgroupfs_find(&s->fs, "memory");

	if (cgr_cgroup_list_load(&s->fs, &list, NULL) < 0)
		return array;
	for (size_t i = 0; i < list.count; i++) {
		const struct cgr_cgroup *cgroup = &list.cgroup[i];
		if (!cgr_cgroup_selected(cgroup->path, (const char *const *)s->scope.glob, s->scope.count))
			continue;
		for (unsigned d = 0; d < cgroup->dir_count; d++) {
			if (cgroup->dir[d].hierarchy != memory)
				continue;
			json_t *one = json_object();
			cgr_json_set_text(one, "path", cgroup->path);
			cgr_json_set_int(one, "id", (int64_t)cgroup->dir[d].id);
			(void)json_array_append_new(array, one);
		}
	}
	cgr_cgroup_list_fini(&list);
	return array;
}

static json_t *recorder_json(const struct cgr_session *s)
{
	json_t *obj = json_object();

	cgr_json_set_int(obj, "tgid", getpid());
	cgr_json_set_int(obj, "buffer_kib", s->options->buffer_bytes / 1024);
	cgr_json_set_int(obj, "sample_ns", s->options->sample_ns);
	cgr_json_set_text(obj, "backend", "ftrace");
	if (s->calibration != NULL)
		(void)json_object_set(obj, "calibration", s->calibration);
	return obj;
}

static const char *preset_name(unsigned presets)
{
	return presets == CGR_PRESET_CPU ? "cpu" : presets == CGR_PRESET_MEMORY ? "memory" : "full";
}

/* A recording that rotates says which part of which recording this is. */
static json_t *segment_json(const struct cgr_session *s, const struct cgr_segment *segment)
{
	json_t *obj = json_object();

	cgr_json_set_text(obj, "recording", s->recording);
	cgr_json_set_int(obj, "number", segment->number);
	cgr_json_set_int(obj, "first", s->set.first);
	cgr_json_set_int(obj, "recording_start_mono_ns", s->start_ns);
	return obj;
}

/* What holds for the whole recording: read once, segments differ in their start only. */
static json_t *machine_json(const struct cgr_session *s)
{
	json_t *facts = cgr_facts_json(&s->fs, s->btf, s->btf_error.cause[0], &s->symbols);
	struct timespec boot;
	size_t words = 0;

	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	cgr_json_set_text(facts, "clock", s->clock.name);
	cgr_json_set_int(facts, "boot_offset_ns", boot.tv_sec * 1000000000 + boot.tv_nsec - cgr_mono_ns());
	cgr_json_set_text(facts, "preset", preset_name(s->options->presets));
	while (s->options->command != NULL && s->options->command[words] != NULL)
		words++;
	if (words > 0) {
		(void)json_object_set_new(facts, "command", text_array((const char *const *)s->options->command, words));
		cgr_json_set_int(facts, "command_tid", s->child.pid);
	}
	if (s->scope.count > 0)
		(void)json_object_set_new(facts, "cgroup_globs",
		                          text_array((const char *const *)s->scope.glob, s->scope.count));
	(void)json_object_set_new(facts, "signals", cgr_plan_signals_json(&s->plan));
	(void)json_object_set_new(facts, "events", cgr_plan_events_json(&s->plan));
	(void)json_object_set_new(facts, "anon_pages_implied", json_boolean(s->plan.anon_implied));
	(void)json_object_set_new(facts, "recorder", recorder_json(s));
	return facts;
}

int cgr_describe_facts(struct cgr_session *s, struct cgr_segment *segment, struct cgr_error *reterr)
{
	struct timespec real;

	if (s->facts == NULL)
		s->facts = machine_json(s);
	json_t *facts = json_copy(s->facts);
	(void)clock_gettime(CLOCK_REALTIME, &real);
	cgr_json_set_int(facts, "start_mono_ns", segment->start_ns);
	cgr_json_set_int(facts, "start_real_ns",
	                 real.tv_sec * 1000000000 + real.tv_nsec - (cgr_mono_ns() - segment->start_ns));
	if (s->plan.scoped)
		(void)json_object_set_new(facts, "page_scope", scope_json(s));
	if (segment->number > 0)
		(void)json_object_set_new(facts, "segment", segment_json(s, segment));
	return cgr_journal_json(&segment->journal, CGR_TD_FACTS, facts, reterr);
}
