/* perf.data: tools/perf/Documentation/perf.data-file-format.txt. One ring per CPU, shared by all its events; one thread
 * empties them in rounds, so that FINISHED_ROUND says up to where a reader may sort. */
#include "capture/perf.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <tracefs.h>
#include <unistd.h>

#include "capture/btf.h"
#include "capture/cgroupfs.h"
#include "capture/command.h"
#include "capture/facts.h"
#include "capture/partial.h"
#include "capture/plan.h"
#include "capture/session.h"
#include "capture/snapshot.h"
#include "capture/tasks.h"
#include "common/tracedat.h"
#include "common/util.h"

#define HEAD_BYTES 104u
#define RING_PAGES_MAX 2048u /* 8 MiB per CPU, a power of two; halved until the kernel agrees */
#define ROUND_MS 50
#define SAMPLE_TYPE                                                                                                    \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU |                  \
	 PERF_SAMPLE_PERIOD | PERF_SAMPLE_RAW | PERF_SAMPLE_CGROUP)
#define RECORD_FINISHED_ROUND 68u
#define FEATURE_TRACING_DATA 1u

struct cpu_ring {
	int first_fd; /* the event that owns the ring */
	struct perf_event_mmap_page *page;
	size_t bytes; /* of the data area */
};

struct perf_session {
	const struct cgr_record_options *options;
	const char *tracefs;
	struct cgr_cgroupfs fs;
	struct cgr_btf *btf;
	struct cgr_timer_symbols symbols;
	struct cgr_scope scope; /* --cgroup, resolved */
	struct cgr_plan plan;
	struct cgr_command_child child;
	struct cpu_ring *ring;
	uint32_t cpus;
	int *fd; /* event * cpus + cpu, -1 where there is none */
	uint64_t *id; /* same index */
	char *partial; /* where it grows: beside its place, so that it can be renamed */
	struct cgr_outfile out;
	struct cgr_td_writer writer;
	uint64_t attrs_at, attrs_end, tracing_bytes, data_at;
	bool began; /* what the file holds can be imported */
	uint64_t lost, events;
	int64_t start_ns, stop_ns;
	const char *ended_by;
};

static int look_around(struct perf_session *s, struct cgr_error *reterr)
{
	struct cgr_cgroup_list cgroups;

	s->tracefs = tracefs_tracing_dir();
	if (s->tracefs == NULL)
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE,
		                     "perf needs the event formats of tracefs, and none is mounted: "
		                     "`mount -t tracefs nodev /sys/kernel/tracing`");
	CGR_TRY(cgr_tracefs_check(s->tracefs, reterr));
	CGR_TRY(cgr_cgroupfs_load(&s->fs, "/proc", reterr));
	(void)cgr_btf_new(NULL, &s->btf, NULL);
	cgr_timer_symbols_load(&s->symbols);
	CGR_TRY(cgr_cgroup_list_load(&s->fs, &cgroups, reterr));
	int rc = cgr_scope_resolve(&cgroups, s->options->globs, s->options->glob_count, "", s->options->notes, &s->scope,
	                           reterr);
	if (rc < 0) {
		cgr_cgroup_list_fini(&cgroups);
		return rc;
	}
	const struct cgr_plan_input input = { .tracefs = s->tracefs,
		                                  .presets = s->options->presets,
		                                  .btf = s->btf,
		                                  .symbols = &s->symbols,
		                                  .fs = &s->fs,
		                                  .cgroups = &cgroups,
		                                  .globs = (const char *const *)s->scope.glob,
		                                  .glob_count = s->scope.count };
	rc = cgr_plan_make(&input, &s->plan, reterr);
	cgr_cgroup_list_fini(&cgroups);
	if (rc == 0 && s->plan.count == 0)
		rc = cgr_error_set(reterr, CGR_E_UNAVAILABLE,
		                   "%s/events: none of the events to record can be read here; perf needs CAP_PERFMON and "
		                   "read access to tracefs",
		                   s->tracefs);
	return rc;
}

static struct perf_event_attr attr_of(const struct cgr_planned_event *event, bool first)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = (unsigned)event->id,
		.sample_period = 1,
		.sample_type = SAMPLE_TYPE,
		.read_format = PERF_FORMAT_ID,
		.disabled = 1,
		.sample_id_all = 1,
		.watermark = 1,
		.wakeup_watermark = 1u << 20,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
	/* names, forks and new cgroups come once per ring */
	attr.comm = attr.comm_exec = attr.task = attr.cgroup = first;
	return attr;
}

static int map_ring(struct cpu_ring *ring, int fd, struct cgr_error *reterr)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t pages = RING_PAGES_MAX; pages >= 16; pages /= 2) {
		void *memory = mmap(NULL, (pages + 1) * page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (memory != MAP_FAILED) {
			*ring = (struct cpu_ring){ .first_fd = fd, .page = memory, .bytes = pages * page };
			return 0;
		}
		if (errno != EPERM && errno != ENOMEM)
			break;
	}
	return cgr_error_errno(reterr, CGR_E_UNAVAILABLE,
	                       "cannot map a perf ring; see /proc/sys/kernel/perf_event_mlock_kb");
}

static int open_event(struct perf_session *s, size_t event, uint32_t cpu, struct cgr_error *reterr)
{
	const struct cgr_planned_event *planned = &s->plan.event[event];
	struct perf_event_attr attr = attr_of(planned, event == 0);
	size_t index = event * s->cpus + cpu;
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, (int)cpu, -1, PERF_FLAG_FD_CLOEXEC);

	if (fd < 0 && errno == ENODEV)
		return 0; /* CPU offline */
	if (fd < 0)
		return cgr_error_errno(reterr, CGR_E_UNAVAILABLE,
		                       "perf_event_open %s:%s: recording needs root or CAP_PERFMON (or "
		                       "/proc/sys/kernel/perf_event_paranoid at -1)",
		                       planned->system, planned->name);
	s->fd[index] = fd;
	if (ioctl(fd, PERF_EVENT_IOC_ID, &s->id[index]) != 0)
		return cgr_error_errno(reterr, CGR_E_UNAVAILABLE, "perf id of %s:%s", planned->system, planned->name);
	if (planned->filter[0] != '\0' && ioctl(fd, PERF_EVENT_IOC_SET_FILTER, planned->filter) != 0)
		return cgr_error_errno(reterr, CGR_E_UNAVAILABLE, "perf filter '%s' of %s:%s", planned->filter, planned->system,
		                       planned->name);
	if (s->ring[cpu].page == NULL)
		return map_ring(&s->ring[cpu], fd, reterr);
	if (ioctl(fd, PERF_EVENT_IOC_SET_OUTPUT, s->ring[cpu].first_fd) != 0)
		return cgr_error_errno(reterr, CGR_E_UNAVAILABLE, "perf ring of %s:%s", planned->system, planned->name);
	return 0;
}

static int open_events(struct perf_session *s, struct cgr_error *reterr)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF);
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	s->cpus = (uint32_t)CGR_MAX(cpus, 1);
	s->ring = cgr_calloc(s->cpus, sizeof(*s->ring));
	s->fd = cgr_calloc(s->cpus * s->plan.count, sizeof(*s->fd));
	s->id = cgr_calloc(s->cpus * s->plan.count, sizeof(*s->id));
	if (s->ring == NULL || s->fd == NULL || s->id == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for %u perf rings", s->cpus);
	memset(s->fd, 0xff, s->cpus * s->plan.count * sizeof(*s->fd));
	for (size_t i = 0; i < s->plan.count; i++)
		for (uint32_t cpu = 0; cpu < s->cpus; cpu++)
			CGR_TRY(open_event(s, i, cpu, reterr));
	return 0;
}

/* Room for the head, then per event its ids, then the attributes that point at them. */
static int write_attrs(struct perf_session *s, struct cgr_error *reterr)
{
	static const uint8_t room[HEAD_BYTES];
	uint64_t ids_at = HEAD_BYTES;

	CGR_TRY(cgr_td_write_raw(&s->writer, room, sizeof(room), reterr));
	CGR_TRY(cgr_td_write_raw(&s->writer, s->id, s->cpus * s->plan.count * sizeof(*s->id), reterr));
	s->attrs_at = s->writer.position;
	for (size_t i = 0; i < s->plan.count; i++) {
		struct perf_event_attr attr = attr_of(&s->plan.event[i], i == 0);
		uint64_t ids[2] = { ids_at, s->cpus * sizeof(*s->id) };
		CGR_TRY(cgr_td_write_raw(&s->writer, &attr, sizeof(attr), reterr));
		CGR_TRY(cgr_td_write_raw(&s->writer, ids, sizeof(ids), reterr));
		ids_at += ids[1];
	}
	s->attrs_end = s->writer.position;
	return 0;
}

static void append_file(struct cgr_td_bytes *body, const char *name, const char *file)
{
	char *text = tracefs_instance_file_read(NULL, file, NULL);

	cgr_td_append_text(body, name);
	cgr_td_append_u64(body, text == NULL ? 0 : strlen(text));
	if (text != NULL)
		cgr_td_append(body, text, strlen(text));
	free(text);
}

/* The formats, as a trace.dat of version 0.6 without data. */
static void append_tracing_data(struct cgr_td_bytes *body, const struct perf_session *s)
{
	const uint8_t endian_long[2] = { CGR_TD_LITTLE_ENDIAN, 8 };

	cgr_td_append(body, CGR_TD_MAGIC, CGR_TD_MAGIC_BYTES);
	cgr_td_append_text(body, "0.6");
	cgr_td_append(body, endian_long, sizeof(endian_long));
	cgr_td_append_u32(body, (uint32_t)sysconf(_SC_PAGESIZE));
	append_file(body, "header_page", "events/header_page");
	append_file(body, "header_event", "events/header_event");
	cgr_td_append_u32(body, 0);
	cgr_describe_formats(&s->plan, body);
	cgr_td_append_u32(body, 0);
	cgr_td_append_u32(body, 0);
	cgr_td_append_u64(body, 0);
}

/* Features are told behind the data, but may stand anywhere: before it a reader finds the formats whatever became of
 * the recorder. Padded, as records begin at multiples of 8. */
static int write_tracing_data(struct perf_session *s, struct cgr_error *reterr)
{
	static const uint8_t zero[8];
	struct cgr_td_bytes tracing = { 0 };

	append_tracing_data(&tracing, s);
	s->tracing_bytes = tracing.length;
	cgr_td_append(&tracing, zero, (8 - (s->attrs_end + tracing.length) % 8) % 8);
	int rc = tracing.failed ? cgr_error_set(reterr, CGR_E_NOMEM, "%s: no memory for the formats", s->options->output)
	                        : cgr_td_write_raw(&s->writer, tracing.data, tracing.length, reterr);
	cgr_td_fini(&tracing);
	s->data_at = s->writer.position;
	return rc;
}

/* With no data at first, as perf record has it while it records: then the features are not there yet. */
static int write_head(struct perf_session *s, uint64_t data_bytes, struct cgr_error *reterr)
{
	struct cgr_td_bytes head = { 0 };

	cgr_td_append(&head, "PERFILE2", 8);
	cgr_td_append_u64(&head, HEAD_BYTES);
	cgr_td_append_u64(&head, sizeof(struct perf_event_attr) + 16);
	cgr_td_append_u64(&head, s->attrs_at);
	cgr_td_append_u64(&head, s->attrs_end - s->attrs_at);
	cgr_td_append_u64(&head, s->data_at);
	cgr_td_append_u64(&head, data_bytes);
	cgr_td_append_u64(&head, 0);
	cgr_td_append_u64(&head, 0);
	cgr_td_append_u64(&head, data_bytes > 0 ? 1u << FEATURE_TRACING_DATA : 0);
	for (int i = 0; i < 3; i++)
		cgr_td_append_u64(&head, 0);
	bool good = !head.failed && pwrite(s->out.fd, head.data, head.length, 0) == (ssize_t)head.length;
	cgr_td_fini(&head);
	return good ? 0 : cgr_error_errno(reterr, CGR_E_IO, "%s:0: cannot write the file head", s->options->output);
}

/* Where the one feature stands, then the head that makes the file whole. */
static int write_tail(struct perf_session *s, struct cgr_error *reterr)
{
	uint64_t data_end = s->writer.position, place[2] = { s->attrs_end, s->tracing_bytes };

	CGR_TRY(cgr_td_write_raw(&s->writer, place, sizeof(place), reterr));
	return write_head(s, data_end - s->data_at, reterr);
}

static int open_output(struct perf_session *s, struct cgr_error *reterr)
{
	char *place = cgr_outfile_place(s->options->output);
	int fd;

	s->partial = place == NULL ? NULL : cgr_printf("%s.partial", place);
	free(place);
	if (s->partial == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the name of the output");
	CGR_TRY(cgr_partial_open(s->partial, s->options->notes, &fd, reterr));
	CGR_TRY(cgr_outfile_adopt(&s->out, s->options->output, s->partial, fd, reterr));
	cgr_td_writer_init(&s->writer, s->out.fd, s->options->output);
	return 0;
}

/* sample_id of a record we make: TID, TIME, CPU, IDENTIFIER */
static void append_sample_id(struct cgr_td_bytes *body, const struct perf_session *s, uint32_t tgid, uint32_t tid)
{
	cgr_td_append_u32(body, tgid);
	cgr_td_append_u32(body, tid);
	cgr_td_append_u64(body, (uint64_t)s->start_ns);
	cgr_td_append_u64(body, 0);
	cgr_td_append_u64(body, s->id[0]);
}

static int write_record(struct perf_session *s, uint32_t type, const struct cgr_td_bytes *body,
                        struct cgr_error *reterr)
{
	struct perf_event_header head = { .type = type, .size = (uint16_t)(sizeof(head) + body->length) };

	if (body->failed)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: no memory for a record", s->options->output);
	CGR_TRY(cgr_td_write_raw(&s->writer, &head, sizeof(head), reterr));
	return cgr_td_write_raw(&s->writer, body->data, body->length, reterr);
}

static void append_padded(struct cgr_td_bytes *body, const char *text)
{
	static const char zero[8];
	size_t length = strlen(text) + 1;

	cgr_td_append(body, text, length);
	cgr_td_append(body, zero, (8 - length % 8) % 8);
}

/* Names of tasks and v2 cgroups that were there before us, as perf record synthesises them. */
static int write_existing(struct perf_session *s, struct cgr_error *reterr)
{
	struct cgr_cgroup_list list;
	json_t *tasks = json_object(), *task;
	int rc = 0;
	size_t i;

	cgr_tasks_json(tasks);
	json_array_foreach(json_object_get(tasks, "tasks"), i, task)
	{
		struct cgr_td_bytes body = { 0 };
		char comm[16];
		uint32_t tgid = (uint32_t)json_integer_value(json_object_get(task, "tgid"));
		uint32_t tid = (uint32_t)json_integer_value(json_object_get(task, "tid"));
		(void)cgr_strcpy(comm, sizeof(comm), json_string_value(json_object_get(task, "comm")));
		cgr_td_append_u32(&body, tgid);
		cgr_td_append_u32(&body, tid);
		append_padded(&body, comm);
		append_sample_id(&body, s, tgid, tid);
		if (rc == 0)
			rc = write_record(s, PERF_RECORD_COMM, &body, reterr);
		cgr_td_fini(&body);
	}
	json_decref(tasks);
	if (rc < 0 || (rc = cgr_cgroup_list_load(&s->fs, &list, reterr)) < 0)
		return rc;
	for (size_t c = 0; c < list.count; c++) {
		for (unsigned d = 0; d < list.cgroup[c].dir_count && rc == 0; d++) {
			struct cgr_td_bytes body = { 0 };
			if (s->fs.hierarchy[list.cgroup[c].dir[d].hierarchy].version != 2)
				continue;
			cgr_td_append_u64(&body, list.cgroup[c].dir[d].id);
			append_padded(&body, list.cgroup[c].path);
			append_sample_id(&body, s, 0, 0);
			rc = write_record(s, PERF_RECORD_CGROUP, &body, reterr);
			cgr_td_fini(&body);
		}
	}
	cgr_cgroup_list_fini(&list);
	return rc;
}

/* Walks the records in [from, to) of the ring to count samples and losses. */
static void count_records(struct perf_session *s, const struct cpu_ring *ring, uint64_t from, uint64_t to)
{
	const uint8_t *data = (const uint8_t *)ring->page + ring->page->data_offset;

	while (from < to) {
		uint8_t raw[24];
		for (size_t i = 0; i < sizeof(raw); i++)
			raw[i] = data[(from + i) & (ring->bytes - 1)];
		uint32_t type = cgr_td_get_u32(raw);
		uint16_t size = cgr_td_get_u16(raw + 6);
		if (size < 8)
			return;
		s->events += type == PERF_RECORD_SAMPLE;
		if (type == PERF_RECORD_LOST)
			s->lost += cgr_td_get_u64(raw + 16);
		from += size;
	}
}

static int drain(struct perf_session *s, struct cpu_ring *ring, struct cgr_error *reterr)
{
	const uint8_t *data = (const uint8_t *)ring->page + ring->page->data_offset;
	uint64_t head = __atomic_load_n(&ring->page->data_head, __ATOMIC_ACQUIRE), tail = ring->page->data_tail;
	size_t begin = tail & (ring->bytes - 1), length = (size_t)(head - tail);
	size_t first = CGR_MIN(length, ring->bytes - begin);

	if (length == 0)
		return 0;
	count_records(s, ring, tail, head);
	CGR_TRY(cgr_td_write_raw(&s->writer, data + begin, first, reterr));
	CGR_TRY(cgr_td_write_raw(&s->writer, data, length - first, reterr));
	__atomic_store_n(&ring->page->data_tail, head, __ATOMIC_RELEASE);
	return 0;
}

static int drain_round(struct perf_session *s, struct cgr_error *reterr)
{
	const struct cgr_td_bytes none = { 0 };
	uint64_t before = s->writer.position;

	for (uint32_t cpu = 0; cpu < s->cpus; cpu++)
		if (s->ring[cpu].page != NULL)
			CGR_TRY(drain(s, &s->ring[cpu], reterr));
	return s->writer.position == before ? 0 : write_record(s, RECORD_FINISHED_ROUND, &none, reterr);
}

static void switch_events(const struct perf_session *s, bool on)
{
	for (size_t i = 0; i < s->cpus * s->plan.count; i++)
		if (s->fd[i] >= 0)
			(void)ioctl(s->fd[i], on ? PERF_EVENT_IOC_ENABLE : PERF_EVENT_IOC_DISABLE, 0);
}

static int run(struct perf_session *s, struct cgr_error *reterr)
{
	int64_t end = s->options->duration_ns > 0 ? cgr_mono_ns() + s->options->duration_ns : INT64_MAX;

	do {
		s->ended_by = cgr_child_ending(&s->child, end);
		if (s->ended_by == NULL)
			(void)poll(NULL, 0, (int)CGR_MIN((end - cgr_mono_ns()) / 1000000 + 1, (int64_t)ROUND_MS));
		CGR_TRY(drain_round(s, reterr));
	} while (s->ended_by == NULL);
	return 0;
}

static int record(struct perf_session *s, struct cgr_error *reterr)
{
	CGR_TRY(look_around(s, reterr));
	CGR_TRY(open_events(s, reterr));
	CGR_TRY(open_output(s, reterr));
	CGR_TRY(write_attrs(s, reterr));
	CGR_TRY(write_tracing_data(s, reterr));
	CGR_TRY(write_head(s, 0, reterr));
	if (s->options->command != NULL)
		CGR_TRY(cgr_child_fork(&s->child, s->options->command, reterr));
	s->start_ns = cgr_mono_ns();
	CGR_TRY(write_existing(s, reterr));
	s->began = true;
	switch_events(s, true);
	if (s->options->command != NULL)
		CGR_TRY(cgr_child_release(&s->child, s->options->command, reterr));
	CGR_TRY(run(s, reterr));
	switch_events(s, false);
	s->stop_ns = cgr_mono_ns();
	CGR_TRY(drain_round(s, reterr));
	CGR_TRY(write_tail(s, reterr));
	CGR_TRY(cgr_outfile_commit(&s->out, reterr));
	cgr_child_wait(&s->child);
	return 0;
}

static void clean_up(struct perf_session *s, bool keep_partial)
{
	for (size_t i = 0; s->fd != NULL && i < s->cpus * s->plan.count; i++)
		if (s->fd[i] >= 0)
			(void)close(s->fd[i]);
	for (uint32_t cpu = 0; s->ring != NULL && cpu < s->cpus; cpu++)
		if (s->ring[cpu].page != NULL)
			(void)munmap(s->ring[cpu].page, s->ring[cpu].bytes + (size_t)sysconf(_SC_PAGESIZE));
	free(s->fd);
	free(s->id);
	free(s->ring);
	if (keep_partial)
		cgr_outfile_keep(&s->out);
	cgr_outfile_abort(&s->out);
	free(s->partial);
	cgr_td_writer_fini(&s->writer);
	cgr_child_close(&s->child);
	cgr_plan_fini(&s->plan);
	cgr_scope_fini(&s->scope);
	cgr_timer_symbols_fini(&s->symbols);
	s->btf = cgr_btf_free(s->btf);
}

int cgr_record_perf(const struct cgr_record_options *options, struct cgr_record_result *result,
                    struct cgr_error *reterr)
{
	struct perf_session s = { .options = options,
		                      .child = { .release_fd = -1, .failure_fd = -1 },
		                      .out = { .fd = -1 } };
	struct rusage usage;
	struct stat st;
	int rc = record(&s, reterr);

	if (rc < 0 && s.began)
		(void)cgr_error_cause(reterr, "what was recorded so far is kept in %s and can be imported", s.partial);
	(void)getrusage(RUSAGE_SELF, &usage);
	*result = (struct cgr_record_result){
		.ran_command = s.child.pid > 0,
		.command_status = cgr_child_status(&s.child),
		.duration_ns = (uint64_t)(s.stop_ns - s.start_ns),
		.lost_events = s.lost,
		.events = s.events,
		.file_bytes = stat(options->output, &st) == 0 ? (uint64_t)st.st_size : 0,
		.cpu_usec = (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
		            (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
		.cpus = s.cpus,
		.ended_by = s.ended_by,
	};
	clean_up(&s, rc < 0 && s.began);
	return rc;
}
