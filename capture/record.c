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
#include <sys/utsname.h>
#include <time.h>
#include <tracefs.h>
#include <unistd.h>

#include "capture/btf.h"
#include "capture/calibrate.h"
#include "capture/command.h"
#include "capture/facts.h"
#include "capture/flight.h"
#include "capture/instance.h"
#include "capture/journal.h"
#include "capture/jsontext.h"
#include "capture/plan.h"
#include "capture/probes.h"
#include "capture/ring.h"
#include "capture/sampler.h"
#include "capture/snapshot.h"
#include "common/util.h"

#define CLOCK "mono"
#define POLL_MS 20
#define FLIGHT_SNAPSHOT_NS 5000000000

/* Everything one recording holds; each part knows whether it is open. */
struct session {
	const struct cgr_record_options *options;
	const char *tracefs;
	struct cgr_cgroupfs fs;
	struct cgr_btf *btf;
	struct cgr_error btf_error;
	struct cgr_timer_symbols symbols;
	char probe_group[64];
	struct cgr_plan plan;
	struct cgr_instance instance;
	struct cgr_journal journal;
	struct cgr_ring ring;
	struct cgr_sampler sampler;
	struct cgr_command_child child;
	struct cgr_flight flight;
	struct cgr_trigger trigger;
	int64_t snapshot_ns; /* of the last one of the flight recorder */
	json_t *calibration;
	int event_ns; /* mean cost of an event, 0 when not measured */
	int64_t start_ns, stop_ns;
	const char *ended_by;
	json_t *per_cpu; /* for SUMMARY */
	struct cgr_td_bytes more; /* options of the final file */
	uint64_t lost, events;
};

static void note(const struct session *s, const char *text)
{
	if (s->options->notes != NULL)
		(void)fprintf(s->options->notes, "cgreplay: %s\n", text);
}

static atomic_bool usr1_seen;

static void on_usr1(int number)
{
	(void)number;
	atomic_store(&usr1_seen, true);
}

static int look_around(struct session *s, struct cgr_error *reterr)
{
	struct cgr_cgroup_list cgroups;

	if (s->options->ring_bytes > 0) {
		struct sigaction action = { .sa_handler = on_usr1 };
		CGR_TRY(cgr_trigger_parse(&s->trigger, s->options->until == NULL ? "signal" : s->options->until, reterr));
		cgr_flight_init(&s->flight, (uint64_t)s->options->ring_bytes);
		(void)sigaction(SIGUSR1, &action, NULL);
	}
	CGR_TRY(cgr_tracefs_borrow_dir(&s->tracefs, reterr));
	CGR_TRY(cgr_cgroupfs_load(&s->fs, "/proc", reterr));
	if (cgr_btf_new(NULL, &s->btf, &s->btf_error) < 0)
		note(s, "no type information (BTF) in this kernel: memory events cannot be told apart and are left out");
	cgr_timer_symbols_load(&s->symbols);
	CGR_TRY(cgr_cgroup_list_load(&s->fs, &cgroups, reterr));
	cgr_probes_remove(s->tracefs, NULL);
	cgr_probe_group(s->probe_group, sizeof(s->probe_group));
	const struct cgr_plan_input input = { .tracefs = s->tracefs,
		                                  .probe_group = s->probe_group,
		                                  .presets = s->options->presets,
		                                  .btf = s->btf,
		                                  .symbols = &s->symbols,
		                                  .fs = &s->fs,
		                                  .cgroups = &cgroups,
		                                  .globs = s->options->globs,
		                                  .glob_count = s->options->glob_count };
	int rc = cgr_plan_make(&input, &s->plan, reterr);
	cgr_cgroup_list_fini(&cgroups);
	if (rc == 0 && s->plan.count == 0)
		rc =
		    cgr_error_set(reterr, CGR_E_UNAVAILABLE, "%s/events: none of the events to record exists here", s->tracefs);
	return rc;
}

static int sink_chunk(void *context, uint32_t cpu, const void *frame, uint32_t compressed_bytes, uint32_t plain_bytes,
                      struct cgr_error *reterr)
{
	return cgr_journal_chunk(context, cpu, frame, compressed_bytes, plain_bytes, reterr);
}

static int keep_chunk(void *context, uint32_t cpu, const void *frame, uint32_t compressed_bytes, uint32_t plain_bytes,
                      struct cgr_error *reterr)
{
	return cgr_flight_chunk(context, cpu, frame, compressed_bytes, plain_bytes, reterr);
}

/* JSON sections on their way: to disk, or to the memory of the flight recorder */
static int emit_json(void *context, uint16_t id, json_t *json, struct cgr_error *reterr)
{
	struct session *s = context;

	return s->options->ring_bytes > 0 ? cgr_flight_json(&s->flight, id, json, reterr)
	                                  : cgr_journal_json(&s->journal, id, json, reterr);
}

/* header_page and header_event, each as name, u64 length, text */
static int write_header_info(struct session *s, struct cgr_error *reterr)
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
	int rc = cgr_journal_section(&s->journal, CGR_TD_HEADER_INFO, body.data, body.length, reterr);
	cgr_td_fini(&body);
	return rc;
}

/* u32 systems, then per system: name, u32 events, per event u64 length and format text */
static int write_formats(struct session *s, struct cgr_error *reterr)
{
	struct cgr_td_bytes body = { 0 };
	uint32_t systems = 0;

	cgr_td_append_u32(&body, 0);
	for (size_t i = 0; i < s->plan.count; i++) {
		const char *system = s->plan.event[i].system;
		uint32_t events = 0;
		bool seen = false;
		for (size_t j = 0; j < s->plan.count; j++) {
			bool same = strcmp(s->plan.event[j].system, system) == 0;
			seen = seen || (same && j < i);
			events += same;
		}
		if (seen)
			continue;
		systems++;
		cgr_td_append_text(&body, system);
		cgr_td_append_u32(&body, events);
		for (size_t j = i; j < s->plan.count; j++) {
			if (strcmp(s->plan.event[j].system, system) != 0)
				continue;
			cgr_td_append_u64(&body, strlen(s->plan.event[j].format));
			cgr_td_append(&body, s->plan.event[j].format, strlen(s->plan.event[j].format));
		}
	}
	if (!body.failed)
		cgr_td_put_u32(body.data, systems);
	int rc = cgr_journal_section(&s->journal, CGR_TD_EVENT_FORMATS, body.data, body.length, reterr);
	cgr_td_fini(&body);
	return rc;
}

static int write_layout(struct session *s, struct cgr_error *reterr)
{
	struct cgr_td_bytes kallsyms = { 0 };
	const char *lines = s->symbols.kallsyms == NULL ? "" : s->symbols.kallsyms;
	uint8_t none[4] = { 0 };

	CGR_TRY(write_header_info(s, reterr));
	CGR_TRY(cgr_journal_section(&s->journal, CGR_TD_FTRACE_EVENTS, none, sizeof(none), reterr));
	CGR_TRY(write_formats(s, reterr));
	cgr_td_append_u32(&kallsyms, (uint32_t)strlen(lines));
	cgr_td_append(&kallsyms, lines, strlen(lines));
	int rc = cgr_journal_section(&s->journal, CGR_TD_KALLSYMS, kallsyms.data, kallsyms.length, reterr);
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

static json_t *scope_json(const struct session *s)
{
	struct cgr_cgroup_list list;
	json_t *array = json_array();
	int memory = cgr_cgroupfs_find(&s->fs, "memory");

	if (cgr_cgroup_list_load(&s->fs, &list, NULL) < 0)
		return array;
	for (size_t i = 0; i < list.count; i++) {
		const struct cgr_cgroup *cgroup = &list.cgroup[i];
		if (!cgr_cgroup_selected(cgroup->path, s->options->globs, s->options->glob_count))
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

static json_t *recorder_json(const struct session *s)
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

static int write_facts(struct session *s, struct cgr_error *reterr)
{
	json_t *facts = cgr_facts_json(&s->fs, s->btf, s->btf_error.cause[0], &s->symbols);
	struct timespec real, boot;
	size_t words = 0;

	(void)clock_gettime(CLOCK_REALTIME, &real);
	(void)clock_gettime(CLOCK_BOOTTIME, &boot);
	int64_t now = cgr_mono_ns();
	cgr_json_set_text(facts, "clock", CLOCK);
	cgr_json_set_int(facts, "start_mono_ns", s->start_ns);
	cgr_json_set_int(facts, "start_real_ns", real.tv_sec * 1000000000 + real.tv_nsec - (now - s->start_ns));
	cgr_json_set_int(facts, "boot_offset_ns", boot.tv_sec * 1000000000 + boot.tv_nsec - now);
	cgr_json_set_text(facts, "preset", preset_name(s->options->presets));
	while (s->options->command != NULL && s->options->command[words] != NULL)
		words++;
	if (words > 0) {
		(void)json_object_set_new(facts, "command", text_array((const char *const *)s->options->command, words));
		cgr_json_set_int(facts, "command_tid", s->child.pid);
	}
	if (s->options->glob_count > 0)
		(void)json_object_set_new(facts, "cgroup_globs", text_array(s->options->globs, s->options->glob_count));
	if (s->plan.scoped)
		(void)json_object_set_new(facts, "page_scope", scope_json(s));
	(void)json_object_set_new(facts, "signals", cgr_plan_signals_json(&s->plan));
	(void)json_object_set_new(facts, "events", cgr_plan_events_json(&s->plan));
	(void)json_object_set_new(facts, "recorder", recorder_json(s));
	return cgr_journal_json(&s->journal, CGR_TD_FACTS, facts, reterr);
}

static int begin(struct session *s, struct cgr_error *reterr)
{
	char *moved = NULL;

	CGR_TRY(cgr_instance_open(&s->instance, (uint64_t)s->options->buffer_bytes / 1024, CLOCK, reterr));
	CGR_TRY(cgr_instance_filter(&s->instance, &s->plan, reterr));
	if (s->options->calibrate)
		s->calibration = cgr_calibrate(&s->instance, &s->plan, &s->event_ns);
	CGR_TRY(cgr_instance_enable(&s->instance, &s->plan, reterr));
	int rc = cgr_journal_open(&s->journal, s->options->output, s->instance.page_bytes, &moved, reterr);
	if (moved != NULL && s->options->notes != NULL)
		(void)fprintf(s->options->notes, "cgreplay: %s: left by a killed recording, can be imported\n", moved);
	free(moved);
	if (rc < 0)
		return rc;
	CGR_TRY(write_layout(s, reterr));
	if (s->options->command != NULL)
		CGR_TRY(cgr_child_fork(&s->child, s->options->command, reterr));
	const struct cgr_sink to_disk = { .chunk = sink_chunk, .context = &s->journal };
	const struct cgr_sink to_memory = { .chunk = keep_chunk, .context = &s->flight };
	const struct cgr_sink sink = s->options->ring_bytes > 0 ? to_memory : to_disk;
	CGR_TRY(cgr_ring_open(&s->ring, &s->instance, sink, reterr));
	CGR_TRY(cgr_instance_switch(&s->instance, true, reterr));
	s->start_ns = cgr_mono_ns();
	CGR_TRY(cgr_ring_start(&s->ring, reterr));
	CGR_TRY(write_facts(s, reterr));
	CGR_TRY(emit_json(s, CGR_TD_SNAPSHOT, cgr_snapshot_json(&s->fs, "start"), reterr));
	s->snapshot_ns = cgr_mono_ns();
	if (s->options->sample_ns > 0) {
		s->sampler.fs = &s->fs;
		s->sampler.emit = emit_json;
		s->sampler.emit_context = s;
		s->sampler.watch = s->options->ring_bytes > 0 ? cgr_trigger_watch : NULL;
		s->sampler.watch_context = &s->trigger;
		s->sampler.globs = s->options->globs;
		s->sampler.glob_count = s->options->glob_count;
		s->sampler.interval_ns = s->options->sample_ns;
		CGR_TRY(cgr_sampler_start(&s->sampler, reterr));
	}
	return s->options->command == NULL ? 0 : cgr_child_release(&s->child, s->options->command, reterr);
}

/* The flight recorder's own round: SIGUSR1 writes it in any case, and a snapshot now and then stands at the start of
 * whatever the memory still holds. */
static int fly(struct session *s, struct cgr_error *reterr)
{
	if (atomic_load(&usr1_seen) && !atomic_load(&s->trigger.hit)) {
		(void)snprintf(s->trigger.what, sizeof(s->trigger.what), "SIGUSR1");
		atomic_store(&s->trigger.hit, true);
	}
	if (cgr_mono_ns() - s->snapshot_ns < FLIGHT_SNAPSHOT_NS)
		return 0;
	s->snapshot_ns = cgr_mono_ns();
	return emit_json(s, CGR_TD_SNAPSHOT, cgr_snapshot_json(&s->fs, "start"), reterr);
}

/* Until something ends the recording. */
static int run(struct session *s, struct cgr_error *reterr)
{
	int64_t end = s->options->duration_ns > 0 ? cgr_mono_ns() + s->options->duration_ns : INT64_MAX;

	for (;;) {
		if (atomic_load(&s->ring.failed) != 0)
			return 0; /* end() joins the reader and reports why */
		if (cgr_interrupt_seen()) {
			s->ended_by = "signal";
			cgr_child_signal(&s->child, cgr_interrupt_signal());
			return 0;
		}
		if (cgr_child_poll(&s->child)) {
			s->ended_by = "command";
			return 0;
		}
		if (s->options->ring_bytes > 0) {
			CGR_TRY(fly(s, reterr));
			if (atomic_load(&s->trigger.hit)) {
				s->ended_by = "trigger";
				return 0;
			}
		}
		int64_t left = end - cgr_mono_ns();
		if (left <= 0) {
			s->ended_by = "duration";
			return 0;
		}
		/* SIGINT, SIGTERM and SIGCHLD cut this short */
		(void)poll(NULL, 0, (int)CGR_MIN(left / 1000000 + 1, (int64_t)POLL_MS));
	}
}

/* "entries: 12" of per_cpu/cpuN/stats */
static int64_t stat_number(const char *text, const char *key)
{
	const char *at = text == NULL ? NULL : strstr(text, key);

	return at == NULL ? 0 : strtoll(at + strlen(key), NULL, 10);
}

static void gather_ring_stats(struct session *s)
{
	s->per_cpu = json_array();
	for (uint32_t i = 0; i < s->ring.count; i++) {
		const struct cgr_ring_stats *stats = &s->ring.reader[i].stats;
		json_t *obj = json_object();
		char file[64];
		(void)snprintf(file, sizeof(file), "per_cpu/cpu%u/stats", i);
		char *text = cgr_instance_read(&s->instance, file);
		int64_t overrun = stat_number(text, "overrun: "), dropped = stat_number(text, "dropped events: ");
		int64_t read_events = stat_number(text, "read events: ");
		cgr_json_set_int(obj, "cpu", i);
		cgr_json_set_int(obj, "entries", stat_number(text, "entries: "));
		cgr_json_set_int(obj, "overrun", overrun);
		cgr_json_set_int(obj, "commit_overrun", stat_number(text, "commit overrun: "));
		cgr_json_set_int(obj, "dropped_events", dropped);
		cgr_json_set_int(obj, "read_events", read_events);
		cgr_json_set_int(obj, "pages", (int64_t)stats->pages);
		cgr_json_set_int(obj, "plain_bytes", (int64_t)stats->plain_bytes);
		cgr_json_set_int(obj, "compressed_bytes", (int64_t)stats->compressed_bytes);
		cgr_json_set_int(obj, "wakeups", (int64_t)stats->wakeups);
		cgr_json_set_int(obj, "tid", atomic_load(&s->ring.reader[i].tid));
		(void)json_array_append_new(s->per_cpu, obj);
		s->lost += (uint64_t)(overrun + dropped);
		s->events += (uint64_t)read_events;
		char *option = cgr_printf("CPU: %u\n%s", i, text == NULL ? "" : text);
		if (option != NULL)
			cgr_td_append_option(&s->more, CGR_TD_CPUSTAT, option, (uint32_t)strlen(option) + 1);
		free(option);
		free(text);
	}
}

static void gather_options(struct session *s)
{
	char *clock = cgr_instance_read(&s->instance, "trace_clock");
	struct utsname name;
	uint8_t id[8];

	if (clock != NULL)
		cgr_td_append_option(&s->more, CGR_TD_TRACECLOCK, clock, (uint32_t)strlen(clock) + 1);
	free(clock);
	if (uname(&name) == 0) {
		char *text = cgr_printf("%s %s %s %s", name.sysname, name.nodename, name.release, name.machine);
		if (text != NULL)
			cgr_td_append_option(&s->more, CGR_TD_UNAME, text, (uint32_t)strlen(text) + 1);
		free(text);
	}
	cgr_td_append_option(&s->more, CGR_TD_VERSION, "cgreplay " CGR_VERSION, sizeof("cgreplay " CGR_VERSION));
	cgr_td_put_u64(id, (uint64_t)s->start_ns ^ (uint64_t)getpid() << 48);
	cgr_td_append_option(&s->more, CGR_TD_TRACEID, id, sizeof(id));
}

/* pid and name of tasks, for readers that do not follow sched_switch */
static int write_cmdlines(struct session *s, const json_t *snapshot, struct cgr_error *reterr)
{
	struct cgr_strbuf lines = { 0 };
	struct cgr_td_bytes body = { 0 };
	char *saved = tracefs_instance_file_read(NULL, "saved_cmdlines", NULL);
	const json_t *task;
	size_t i;

	if (saved != NULL)
		cgr_strbuf_printf(&lines, "%s", saved);
	free(saved);
	json_array_foreach(json_object_get(snapshot, "tasks"), i, task)
	{
		cgr_strbuf_printf(&lines, "%" JSON_INTEGER_FORMAT " %s\n", json_integer_value(json_object_get(task, "tid")),
		                  json_string_value(json_object_get(task, "comm")));
	}
	cgr_td_append_u64(&body, lines.length);
	cgr_td_append(&body, lines.text, lines.length);
	int rc = cgr_journal_section(&s->journal, CGR_TD_CMDLINES, body.data, body.length, reterr);
	cgr_td_fini(&body);
	cgr_strbuf_fini(&lines);
	return rc;
}

static json_t *cost_json(const struct session *s)
{
	struct rusage usage;
	json_t *obj = json_object();
	json_t *tids = json_array();

	(void)getrusage(RUSAGE_SELF, &usage);
	int64_t user = (int64_t)usage.ru_utime.tv_sec * 1000000 + usage.ru_utime.tv_usec;
	int64_t system = (int64_t)usage.ru_stime.tv_sec * 1000000 + usage.ru_stime.tv_usec;
	cgr_json_set_int(obj, "cpu_usec", user + system);
	cgr_json_set_int(obj, "user_usec", user);
	cgr_json_set_int(obj, "event_usec", (int64_t)(s->events * (uint64_t)s->event_ns / 1000));
	cgr_json_set_int(obj, "system_usec", system);
	cgr_json_set_int(obj, "max_rss_kib", usage.ru_maxrss);
	cgr_json_set_int(obj, "samples", (int64_t)s->sampler.count);
	cgr_json_set_int(obj, "sampler_usec", (int64_t)s->sampler.took_ns / 1000);
	(void)json_array_append_new(tids, json_integer(getpid()));
	for (uint32_t i = 0; i < s->ring.count; i++)
		(void)json_array_append_new(tids, json_integer(atomic_load(&s->ring.reader[i].tid)));
	if (s->sampler.count > 0)
		(void)json_array_append_new(tids, json_integer(atomic_load(&s->sampler.tid)));
	(void)json_object_set_new(obj, "tids", tids);
	return obj;
}

static int write_summary(struct session *s, struct cgr_error *reterr)
{
	json_t *obj = json_object();

	cgr_json_set_int(obj, "schema_version", 1);
	cgr_json_set_int(obj, "stop_mono_ns", s->stop_ns);
	cgr_json_set_text(obj, "ended_by", s->ended_by);
	if (s->trigger.what[0] != '\0')
		cgr_json_set_text(obj, "trigger", s->trigger.what);
	if (s->child.ended) {
		cgr_json_set_int(obj, "exit_status", cgr_child_status(&s->child));
		cgr_json_set_int(obj, "wait_status", s->child.wait_status);
	}
	(void)json_object_set(obj, "per_cpu", s->per_cpu);
	(void)json_object_set_new(obj, "recorder", cost_json(s));
	return cgr_journal_json(&s->journal, CGR_TD_SUMMARY, obj, reterr);
}

static int end(struct session *s, struct cgr_error *reterr)
{
	json_t *snapshot = cgr_snapshot_json(&s->fs, "end");
	int rc = cgr_instance_switch(&s->instance, false, reterr);

	s->stop_ns = cgr_mono_ns();
	if (rc == 0)
		rc = cgr_sampler_stop(&s->sampler, reterr);
	if (rc == 0)
		rc = cgr_ring_stop(&s->ring, reterr);
	gather_ring_stats(s);
	gather_options(s);
	if (rc == 0 && s->options->ring_bytes > 0)
		rc = cgr_flight_dump(&s->flight, &s->journal, reterr);
	if (rc == 0)
		rc = write_cmdlines(s, snapshot, reterr);
	if (rc == 0)
		rc = cgr_journal_json(&s->journal, CGR_TD_SNAPSHOT, json_incref(snapshot), reterr);
	json_decref(snapshot);
	if (rc == 0)
		rc = write_summary(s, reterr);
	uint32_t cpus = s->ring.count;
	if (rc < 0)
		return cgr_error_cause(reterr, "what was recorded so far is kept in %s and can be imported", s->journal.path);
	/* the machine is left alone before the file is put together: that takes its time */
	cgr_ring_close(&s->ring);
	cgr_instance_close(&s->instance);
	cgr_probes_remove(s->tracefs, s->probe_group);
	return cgr_journal_finish(&s->journal, s->options->output, cpus, CLOCK, &s->more, reterr);
}

static void clean_up(struct session *s, bool keep_journal)
{
	(void)cgr_sampler_stop(&s->sampler, NULL);
	if (s->instance.handle != NULL)
		(void)cgr_instance_switch(&s->instance, false, NULL);
	cgr_ring_close(&s->ring);
	cgr_instance_close(&s->instance);
	if (s->probe_group[0] != '\0')
		cgr_probes_remove(s->tracefs, s->probe_group);
	cgr_journal_close(&s->journal, !keep_journal);
	cgr_child_close(&s->child);
	cgr_plan_fini(&s->plan);
	cgr_timer_symbols_fini(&s->symbols);
	s->btf = cgr_btf_free(s->btf);
	cgr_flight_fini(&s->flight);
	cgr_trigger_fini(&s->trigger);
	cgr_td_fini(&s->more);
	json_decref(s->per_cpu);
	json_decref(s->calibration);
}

static void fill_result(const struct session *s, struct cgr_record_result *result)
{
	struct rusage usage;
	struct stat st;

	(void)getrusage(RUSAGE_SELF, &usage);
	*result = (struct cgr_record_result){
		.ran_command = s->child.pid > 0,
		.command_status = cgr_child_status(&s->child),
		.duration_ns = (uint64_t)(s->stop_ns - s->start_ns),
		.lost_events = s->lost,
		.events = s->events,
		.file_bytes = stat(s->options->output, &st) == 0 ? (uint64_t)st.st_size : 0,
		.cpu_usec = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
		            (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
		.ended_by = s->ended_by,
		.event_usec = s->events * (uint64_t)s->event_ns / 1000,
		.cpus = s->ring.count > 0 ? s->ring.count : (uint32_t)json_array_size(s->per_cpu),
	};
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

int cgr_record(const struct cgr_record_options *options, struct cgr_record_result *result, struct cgr_error *reterr)
{
	struct session s = { .options = options,
		                 .instance = { .lock_fd = -1, .free_fd = -1 },
		                 .child = { .release_fd = -1, .failure_fd = -1 },
		                 .ended_by = "error" };
	bool recorded = false;

	*result = (struct cgr_record_result){ 0 };
	keep_memory();
	int rc = look_around(&s, reterr);
	if (rc == 0)
		rc = begin(&s, reterr);
	if (rc == 0)
		rc = run(&s, reterr);
	bool pulled = options->ring_bytes == 0 || atomic_load(&s.trigger.hit);
	if (rc == 0 && pulled) {
		recorded = true;
		rc = end(&s, reterr);
	}
	if (rc == 0 && !pulled)
		s.stop_ns = cgr_mono_ns();
	/* the command outlives a recording that ended by time: its status is ours */
	if (rc == 0)
		cgr_child_wait(&s.child);
	fill_result(&s, result);
	result->nothing_written = !pulled;
	(void)cgr_strcpy(result->trigger, sizeof(result->trigger), s.trigger.what);
	clean_up(&s, recorded && rc < 0);
	return rc;
}

static void close_plan(struct session *s)
{
	if (s->probe_group[0] != '\0')
		cgr_probes_remove(s->tracefs, s->probe_group);
	cgr_plan_fini(&s->plan);
	cgr_timer_symbols_fini(&s->symbols);
	s->btf = cgr_btf_free(s->btf);
}

int cgr_record_print_plan(const struct cgr_record_options *options, FILE *out, struct cgr_error *reterr)
{
	struct session s = { .options = options };
	int rc = look_around(&s, reterr);

	for (unsigned i = 0; rc == 0 && i < CGR_SIG_COUNT; i++) {
		const struct cgr_planned_signal *signal = &s.plan.signal[i];
		bool poor = signal->use == NULL || signal->use->kind == CGR_SOURCE_SAMPLING;
		if (!signal->wanted)
			continue;
		(void)fprintf(out, "%-12s %-10s %s\n", cgr_signal_name(i),
		              signal->use == NULL ? "absent" : cgr_source_kind_name(signal->use->kind),
		              signal->use == NULL ? "" : signal->use->events);
		if (signal->why[0] != '\0')
			(void)fprintf(out, "%-12s %-10s because: %s\n", "", "", signal->why);
		if (poor)
			(void)fprintf(out, "%-12s %-10s costs: %s\n", "", "", cgr_signal_costs(i));
	}
	for (size_t i = 0; rc == 0 && i < s.plan.count; i++)
		if (s.plan.event[i].filter[0] != '\0')
			(void)fprintf(out, "filter %s:%s  %s\n", s.plan.event[i].system, s.plan.event[i].name,
			              s.plan.event[i].filter);
	close_plan(&s);
	return rc;
}

json_t *cgr_record_signals(const struct cgr_record_options *options, struct cgr_error *reterr)
{
	struct session s = { .options = options };
	json_t *signals = NULL;

	if (look_around(&s, reterr) == 0) {
		signals = cgr_plan_signals_json(&s.plan);
		if (signals == NULL)
			(void)cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the event catalogue");
	}
	close_plan(&s);
	return signals;
}
