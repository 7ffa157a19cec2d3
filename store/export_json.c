/* Trace Event JSON (Chrome, ui.perfetto.dev): process 1 has a track per CPU with what ran there; each cgroup is a
 * process with its memory as a counter; OOM kills and throttling are marks. Times in microseconds with three digits. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/util.h"
#include "store/export_internal.h"

#define CGROUP_PROCESS 1000000u /* pid of cgroup 0: beyond the tids of tasks */

struct json_sink {
	FILE *out;
	const char *path;
	uint32_t *current; /* per CPU; CGR_ID_NONE unknown */
	uint64_t *since_ns;
	uint32_t cpus;
	uint64_t events, last_ns;
};

/* Names are hostile: control characters and bytes outside ASCII become \u escapes (Latin-1 reading of the byte). */
static void put_text(FILE *out, const char *text)
{
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			fprintf(out, "\\%c", c);
		else if (c < 0x20 || c >= 0x7f)
			fprintf(out, "\\u%04x", c);
		else
			(void)putc(c, out);
	}
}

static void begin(struct json_sink *sink)
{
	fputs(sink->events++ == 0 ? "{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n" : ",\n", sink->out);
}

static void put_name(struct json_sink *sink, const char *what, uint32_t pid, uint32_t tid, const char *name)
{
	begin(sink);
	fprintf(sink->out, "{\"ph\":\"M\",\"pid\":%u,\"tid\":%u,\"name\":\"%s\",\"args\":{\"name\":\"", pid, tid, what);
	put_text(sink->out, name);
	fputs("\"}}", sink->out);
}

static void put_slice(struct json_sink *sink, const struct cgr_export_source *source, uint32_t cpu, uint64_t to_ns)
{
	uint32_t task = sink->current[cpu];
	uint64_t from = sink->since_ns[cpu], length = to_ns - from;

	if (task == CGR_ID_NONE || task == 0 || task >= source->tasks)
		return;
	begin(sink);
	fprintf(sink->out,
	        "{\"ph\":\"X\",\"pid\":1,\"tid\":%u,\"ts\":%" PRIu64 ".%03u,\"dur\":%" PRIu64 ".%03u,\"name\":\"", cpu,
	        from / 1000, (unsigned)(from % 1000), length / 1000, (unsigned)(length % 1000));
	put_text(sink->out, source->task[task].comm);
	fprintf(sink->out, "\",\"args\":{\"tid\":%d}}", source->task[task].tid);
}

static void put_mark(struct json_sink *sink, uint32_t pid, uint64_t ns, const char *name)
{
	begin(sink);
	fprintf(sink->out, "{\"ph\":\"i\",\"s\":\"g\",\"pid\":%u,\"tid\":0,\"ts\":%" PRIu64 ".%03u,\"name\":\"", pid,
	        ns / 1000, (unsigned)(ns % 1000));
	put_text(sink->out, name);
	fputs("\"}", sink->out);
}

static int on_event(void *data, const struct cgr_export_source *source, const struct cgr_event *e,
                    struct cgr_error *reterr)
{
	struct json_sink *sink = data;
	char text[64];

	if (e->cpu >= sink->cpus)
		return cgr_error_set(reterr, CGR_E_INPUT, "export: event on CPU %u of %u", e->cpu, sink->cpus);
	sink->last_ns = e->ts_ns;
	switch (e->kind) {
	case CGR_EV_SWITCH:
	case CGR_EV_RUN_START:
		if (e->kind == CGR_EV_SWITCH && sink->current[e->cpu] == CGR_ID_NONE)
			sink->current[e->cpu] = e->task; /* ran since the start */
		put_slice(sink, source, e->cpu, e->ts_ns);
		sink->current[e->cpu] = e->c;
		sink->since_ns[e->cpu] = e->ts_ns;
		break;
	case CGR_EV_OOM_VICTIM:
		(void)snprintf(text, sizeof(text), "OOM kill of %d", e->c < source->tasks ? source->task[e->c].tid : -1);
		put_mark(sink, 1, e->ts_ns, text);
		break;
	case CGR_EV_THROTTLE:
	case CGR_EV_UNTHROTTLE:
		put_mark(sink, CGROUP_PROCESS + (uint32_t)e->a, e->ts_ns, cgr_event_kind_name(e->kind));
		break;
	default:
		break;
	}
	return ferror(sink->out) ? cgr_error_errno(reterr, CGR_E_IO, "%s: cannot write", sink->path) : 0;
}

static void put_counter(struct json_sink *sink, uint32_t cgroup, int64_t t_ns, const char *name, int64_t value)
{
	uint64_t ns = t_ns < 0 ? 0 : (uint64_t)t_ns;

	begin(sink);
	fprintf(sink->out, "{\"ph\":\"C\",\"pid\":%u,\"ts\":%" PRIu64 ".%03u,\"name\":\"", CGROUP_PROCESS + cgroup,
	        ns / 1000, (unsigned)(ns % 1000));
	put_text(sink->out, name);
	fprintf(sink->out, "\",\"args\":{\"value\":%" PRId64 "}}", value);
}

static bool is_shown(const char *name)
{
	return strcmp(name, "memory.current") == 0 || strcmp(name, "cpu.stat.throttled_usec") == 0;
}

static void put_store_counters(struct json_sink *sink, const struct cgr_store *store)
{
	size_t count, cgroups;
	const struct cgr_store_sample *sample = cgr_store_borrow_counters(store, &count);
	const struct cgr_store_cgroup *cgroup = cgr_store_borrow_cgroups(store, &cgroups);
	bool *named = cgr_calloc(cgroups, sizeof(*named));

	for (size_t i = 0; i < count; i++) {
		const char *name = cgr_store_borrow_name(store, sample[i].name);

		if (!is_shown(name))
			continue;
		if (named != NULL && !named[sample[i].cgroup]) {
			put_name(sink, "process_name", CGROUP_PROCESS + sample[i].cgroup, 0, cgroup[sample[i].cgroup].path);
			named[sample[i].cgroup] = true;
		}
		put_counter(sink, sample[i].cgroup, sample[i].t_ns, name, sample[i].value);
	}
	free(named);
}

static void put_result_counters(struct json_sink *sink, const struct cgr_result *r)
{
	for (size_t i = 0; i < r->cgroups; i++)
		put_name(sink, "process_name", CGROUP_PROCESS + (uint32_t)i, 0, r->cgroup_path[i]);
	for (size_t i = 0; i < r->series_count; i++) {
		const struct cgr_result_series *s = &r->series[i];

		for (size_t p = 0; !s->recorded && s->cgroup != CGR_ID_NONE && p < s->count; p++)
			put_counter(sink, s->cgroup, s->t_usec[p] * 1000, s->name, s->value[p]);
	}
	for (size_t i = 0; i < r->decisions; i++) {
		const struct cgr_result_decision *d = &r->decision[i];

		put_mark(sink, d->cgroup == CGR_ID_NONE ? 1 : CGROUP_PROCESS + d->cgroup,
		         d->t_usec < 0 ? 0 : (uint64_t)d->t_usec * 1000, d->kind == NULL ? "decision" : d->kind);
	}
}

static int write_all(struct json_sink *sink, const struct cgr_export_source *source, struct cgr_error *reterr)
{
	put_name(sink, "process_name", 1, 0, "CPUs");
	for (uint32_t cpu = 0; cpu < sink->cpus; cpu++) {
		char name[32];

		sink->current[cpu] = CGR_ID_NONE;
		(void)snprintf(name, sizeof(name), "CPU %u", cpu);
		put_name(sink, "thread_name", 1, cpu, name);
	}
	CGR_TRY(cgr_export_each(source, on_event, sink, reterr));
	for (uint32_t cpu = 0; cpu < sink->cpus; cpu++)
		put_slice(sink, source, cpu, CGR_MAX(sink->last_ns, sink->since_ns[cpu]));
	if (source->store != NULL)
		put_store_counters(sink, source->store);
	else
		put_result_counters(sink, source->result);
	fputs("\n]}\n", sink->out);
	if (fflush(sink->out) != 0 || ferror(sink->out))
		return cgr_error_errno(reterr, CGR_E_IO, "%s: cannot write", sink->path);
	return 0;
}

static int export_json(struct cgr_export_source *source, const char *path, struct cgr_export_summary *ret_summary,
                       struct cgr_error *reterr)
{
	struct json_sink sink = { .path = path };
	struct cgr_outfile file = { .fd = -1 };
	int rc = cgr_export_source_init(source, reterr);

	sink.cpus = source->cpus;
	if (rc == 0) {
		sink.current = cgr_calloc(sink.cpus, sizeof(*sink.current));
		sink.since_ns = cgr_calloc(sink.cpus, sizeof(*sink.since_ns));
		if (sink.current == NULL || sink.since_ns == NULL)
			rc = cgr_error_set(reterr, CGR_E_NOMEM, "export: out of memory");
	}
	if (rc == 0)
		rc = cgr_outfile_open(&file, path, reterr);
	if (rc == 0) {
		sink.out = fdopen(dup(file.fd), "w");
		rc = sink.out == NULL ? cgr_error_errno(reterr, CGR_E_IO, "%s: cannot write", path)
		                      : write_all(&sink, source, reterr);
		if (sink.out != NULL && fclose(sink.out) != 0 && rc == 0)
			rc = cgr_error_errno(reterr, CGR_E_IO, "%s: cannot write", path);
		if (rc == 0)
			rc = cgr_outfile_commit(&file, reterr);
		else
			cgr_outfile_abort(&file);
	}
	*ret_summary = (struct cgr_export_summary){ sink.events, sink.cpus };
	free(sink.current);
	free(sink.since_ns);
	cgr_export_source_fini(source);
	return rc;
}

int cgr_export_json(const struct cgr_store *store, const char *path, struct cgr_progress *progress,
                    struct cgr_export_summary *ret_summary, struct cgr_error *reterr)
{
	struct cgr_export_source source = { .store = store, .progress = progress };

	return export_json(&source, path, ret_summary, reterr);
}

int cgr_export_json_result(const struct cgr_result *result, const char *path, struct cgr_export_summary *ret_summary,
                           struct cgr_error *reterr)
{
	struct cgr_export_source source = { .result = result };

	return export_json(&source, path, ret_summary, reterr);
}
