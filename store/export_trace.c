/* trace.dat 7: ring-buffer pages are made anew from the events, one buffer per CPU, compressed chunk by chunk.
 * Compressed chunks are kept until the end (some 6 bytes an event), because each CPU's data is contiguous. */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/limits.h"
#include "common/tracedat.h"
#include "common/util.h"
#include "store/export_internal.h"

#define PAGE CGR_TD_PAGE_BYTES
#define PAGE_HEAD 16u
#define CHUNK_PAGES 64u
#define RECORD_MAX 112u /* type_len 28: larger ones are never made here */
#define DELTA_BITS 27u

/* Event ids of the file: 1 + kind for recorded events, 128 + kind for inferred ones. */
#define INFERRED_ID 128u

struct cpu_pages {
	uint8_t *pages; /* CHUNK_PAGES of them */
	uint32_t page, used; /* page at work, bytes used in it */
	uint64_t last_ns;
	struct cgr_td_bytes chunks; /* compressed, each with its head */
	uint32_t count;
};
struct trace_sink {
	struct cpu_pages *cpu;
	uint32_t cpus;
	ZSTD_CCtx *zstd;
	uint64_t kinds, inferred_kinds;
	uint64_t events;
};

static int no_memory(struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_NOMEM, "export: out of memory");
}

static int flush_chunk(struct trace_sink *sink, struct cpu_pages *cpu, struct cgr_error *reterr)
{
	size_t plain = (size_t)cpu->page * PAGE, bound = ZSTD_compressBound(plain), stored;
	uint8_t *out;

	if (plain == 0)
		return 0;
	out = malloc(bound);
	if (out == NULL)
		return no_memory(reterr);
	stored = ZSTD_compress2(sink->zstd, out, bound, cpu->pages, plain);
	if (!ZSTD_isError(stored)) {
		cgr_td_append_u32(&cpu->chunks, (uint32_t)stored);
		cgr_td_append_u32(&cpu->chunks, (uint32_t)plain);
		cgr_td_append(&cpu->chunks, out, stored);
	}
	free(out);
	if (ZSTD_isError(stored))
		return cgr_error_set(reterr, CGR_E_INTERNAL, "export: zstd: %s", ZSTD_getErrorName(stored));
	if (cpu->chunks.failed)
		return no_memory(reterr);
	cpu->count++;
	cpu->page = 0;
	return 0;
}

static int finish_page(struct trace_sink *sink, struct cpu_pages *cpu, struct cgr_error *reterr)
{
	uint8_t *page = cpu->pages + (size_t)cpu->page * PAGE;

	if (cpu->used == 0)
		return 0;
	cgr_td_put_u64(page + 8, cpu->used - PAGE_HEAD);
	memset(page + cpu->used, 0, PAGE - cpu->used);
	cpu->used = 0;
	cpu->page++;
	return cpu->page == CHUNK_PAGES ? flush_chunk(sink, cpu, reterr) : 0;
}

static int put_record(struct trace_sink *sink, struct cpu_pages *cpu, uint64_t ts_ns, const uint8_t *record,
                      uint32_t size, struct cgr_error *reterr)
{
	uint32_t words = (size + 3) / 4;
	uint64_t delta = ts_ns - cpu->last_ns;
	uint8_t *page;

	if (cpu->used + 12 + 4 * words > PAGE)
		CGR_TRY(finish_page(sink, cpu, reterr));
	page = cpu->pages + (size_t)cpu->page * PAGE;
	if (cpu->used == 0) {
		cgr_td_put_u64(page, ts_ns);
		cpu->used = PAGE_HEAD;
		delta = 0;
	}
	if (delta >> DELTA_BITS != 0) { /* TIME_EXTEND: the upper bits in the word that follows */
		cgr_td_put_u32(page + cpu->used, 30 | (uint32_t)(delta & ((1u << DELTA_BITS) - 1)) << 5);
		cgr_td_put_u32(page + cpu->used + 4, (uint32_t)(delta >> DELTA_BITS));
		cpu->used += 8;
		delta = 0;
	}
	cgr_td_put_u32(page + cpu->used, words | (uint32_t)delta << 5);
	memset(page + cpu->used + 4, 0, 4 * words);
	memcpy(page + cpu->used + 4, record, size);
	cpu->used += 4 + 4 * words;
	cpu->last_ns = ts_ns;
	return 0;
}

static const struct cgr_export_task *task_at(const struct cgr_export_source *source, uint32_t task)
{
	static const struct cgr_export_task unknown = { -1, "?" };

	return task < source->tasks ? &source->task[task] : &unknown;
}

static void put_comm(uint8_t *at, const char *comm)
{
	memset(at, 0, CGR_LIMIT_COMM);
	memcpy(at, comm, strnlen(comm, CGR_LIMIT_COMM - 1));
}

/* Bytes after the common fields, in the layout of the formats below; returns the record's size. */
static uint32_t fill_switch(uint8_t *r, const struct cgr_export_source *source, const struct cgr_event *e)
{
	const struct cgr_export_task *prev = task_at(source, e->task), *next = task_at(source, e->c);

	put_comm(r + 8, prev->comm);
	cgr_td_put_u32(r + 24, (uint32_t)prev->tid);
	cgr_td_put_u32(r + 28, e->d & 0xffff);
	cgr_td_put_u64(r + 32, e->a);
	put_comm(r + 40, next->comm);
	cgr_td_put_u32(r + 56, (uint32_t)next->tid);
	cgr_td_put_u32(r + 60, e->d >> 16);
	return 64;
}

static uint32_t fill_task(uint8_t *r, const struct cgr_export_source *source, const struct cgr_event *e)
{
	const struct cgr_export_task *task = task_at(source, e->c);

	put_comm(r + 8, task->comm);
	cgr_td_put_u32(r + 24, (uint32_t)task->tid);
	if (e->kind == CGR_EV_RUNTIME) {
		cgr_td_put_u64(r + 32, e->a);
		cgr_td_put_u64(r + 40, e->b);
		return 48;
	}
	cgr_td_put_u32(r + 28, e->kind == CGR_EV_MIGRATE ? e->d & 0xffff : e->d >> 16);
	cgr_td_put_u32(r + 32, e->kind == CGR_EV_MIGRATE ? e->d >> 16 : e->d & 0xffff);
	return 36;
}

static uint32_t fill_plain(uint8_t *r, const struct cgr_event *e)
{
	cgr_td_put_u64(r + 8, e->a);
	cgr_td_put_u64(r + 16, e->b);
	cgr_td_put_u32(r + 24, e->c);
	cgr_td_put_u32(r + 28, e->d);
	return 32;
}

static uint32_t fill(uint8_t *r, const struct cgr_export_source *source, const struct cgr_event *e)
{
	switch (e->kind) {
	case CGR_EV_SWITCH:
		return fill_switch(r, source, e);
	case CGR_EV_WAKING:
	case CGR_EV_WAKEUP:
	case CGR_EV_WAKEUP_NEW:
	case CGR_EV_MIGRATE:
	case CGR_EV_RUNTIME:
		return fill_task(r, source, e);
	default:
		return fill_plain(r, e);
	}
}

static int on_event(void *data, const struct cgr_export_source *source, const struct cgr_event *e,
                    struct cgr_error *reterr)
{
	struct trace_sink *sink = data;
	bool inferred = (e->flags & CGR_EVF_INFERRED) != 0;
	uint8_t record[RECORD_MAX];
	struct cpu_pages *cpu;
	uint32_t size;

	if (e->cpu >= sink->cpus)
		return cgr_error_set(reterr, CGR_E_INPUT, "export: event on CPU %u of %u", e->cpu, sink->cpus);
	cpu = &sink->cpu[e->cpu];
	if (cpu->pages == NULL)
		cpu->pages = malloc((size_t)CHUNK_PAGES * PAGE);
	if (cpu->pages == NULL)
		return no_memory(reterr);
	cgr_td_put_u16(record, (uint16_t)(inferred ? INFERRED_ID + e->kind : 1u + e->kind));
	record[2] = (uint8_t)((e->flags & CGR_EVF_NEED_RESCHED ? 0x04 : 0) | (e->flags & CGR_EVF_HARDIRQ ? 0x08 : 0) |
	                      (e->flags & CGR_EVF_SOFTIRQ ? 0x10 : 0) | (e->flags & CGR_EVF_NMI ? 0x40 : 0));
	record[3] = 0;
	cgr_td_put_u32(record + 4, (uint32_t)task_at(source, e->task)->tid);
	size = fill(record, source, e);
	*(inferred ? &sink->inferred_kinds : &sink->kinds) |= 1ull << e->kind;
	sink->events++;
	return put_record(sink, cpu, e->ts_ns, record, size, reterr);
}

#define COMMON_FIELDS                                                                                                  \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"                                             \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"                                             \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n"                                     \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"
#define FIELD(type, name, offset, size, sign)                                                                          \
	"\tfield:" type " " name ";\toffset:" #offset ";\tsize:" #size ";\tsigned:" #sign ";\n"

static const char *fields_of(unsigned kind)
{
	switch (kind) {
	case CGR_EV_SWITCH:
		return FIELD("char", "prev_comm[16]", 8, 16, 0) FIELD("pid_t", "prev_pid", 24, 4, 1)
		    FIELD("int", "prev_prio", 28, 4, 1) FIELD("long", "prev_state", 32, 8, 1)
		        FIELD("char", "next_comm[16]", 40, 16, 0) FIELD("pid_t", "next_pid", 56, 4, 1) FIELD(
		            "int", "next_prio", 60, 4, 1) "\nprint fmt: \"prev_comm=%s prev_pid=%d prev_prio=%d "
		                                          "prev_state=%s%s ==> next_comm=%s next_pid=%d next_prio=%d\", "
		                                          "REC->prev_comm, REC->prev_pid, REC->prev_prio, "
		                                          "(REC->prev_state & 255) ? __print_flags(REC->prev_state & 255, "
		                                          "\"|\", { 1, \"S\" }, { 2, \"D\" }, { 4, \"T\" }, { 8, \"t\" }, "
		                                          "{ 16, \"X\" }, { 32, \"Z\" }, { 64, \"P\" }, { 128, \"I\" }) : "
		                                          "\"R\", REC->prev_state & 256 ? \"+\" : \"\", REC->next_comm, "
		                                          "REC->next_pid, REC->next_prio\n";
	case CGR_EV_WAKING:
	case CGR_EV_WAKEUP:
	case CGR_EV_WAKEUP_NEW:
		return FIELD("char", "comm[16]", 8, 16, 0) FIELD("pid_t", "pid", 24, 4, 1) FIELD("int", "prio", 28, 4, 1)
		    FIELD("int", "target_cpu", 32, 4, 1) "\nprint fmt: \"comm=%s pid=%d prio=%d target_cpu=%03d\", REC->comm, "
		                                         "REC->pid, REC->prio, REC->target_cpu\n";
	case CGR_EV_MIGRATE:
		return FIELD("char", "comm[16]", 8, 16, 0) FIELD("pid_t", "pid", 24, 4, 1) FIELD("int", "orig_cpu", 28, 4, 1)
		    FIELD("int", "dest_cpu", 32, 4, 1) "\nprint fmt: \"comm=%s pid=%d orig_cpu=%d dest_cpu=%d\", REC->comm, "
		                                       "REC->pid, REC->orig_cpu, REC->dest_cpu\n";
	case CGR_EV_RUNTIME:
		return FIELD("char", "comm[16]", 8, 16, 0) FIELD("pid_t", "pid", 24, 4, 1) FIELD("u64", "runtime", 32, 8, 0)
		    FIELD("u64", "vruntime", 40, 8, 0) "\nprint fmt: \"comm=%s pid=%d runtime=%Lu [ns]\", REC->comm, REC->pid, "
		                                       "(unsigned long long)REC->runtime\n";
	default:
		return FIELD("u64", "a", 8, 8, 0) FIELD("u64", "b", 16, 8, 0) FIELD("u32", "c", 24, 4, 0)
		    FIELD("u32", "d", 28, 4, 0) "\nprint fmt: \"a=%llu b=%llu c=%u d=%u\", REC->a, REC->b, REC->c, REC->d\n";
	}
}

static bool is_sched(unsigned kind)
{
	return kind <= CGR_EV_MIGRATE || kind == CGR_EV_RUNTIME;
}

/* One system: its name and the formats of the kinds in the mask. */
static void put_system(struct cgr_td_bytes *body, const char *system, uint64_t kinds, unsigned first_id)
{
	cgr_td_append_text(body, system);
	cgr_td_append_u32(body, (uint32_t)__builtin_popcountll(kinds));
	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++) {
		char *text;

		if ((kinds >> kind & 1) == 0)
			continue;
		text = cgr_printf("name: %s\nID: %u\nformat:\n%s%s", cgr_event_kind_name(kind), first_id + kind, COMMON_FIELDS,
		                  fields_of(kind));
		body->failed |= text == NULL;
		cgr_td_append_u64(body, text == NULL ? 0 : strlen(text));
		cgr_td_append(body, text, text == NULL ? 0 : strlen(text));
		free(text);
	}
}

static int write_formats(struct trace_sink *sink, struct cgr_td_writer *writer, struct cgr_error *reterr)
{
	uint64_t sched = 0;
	uint64_t systems[3];
	struct cgr_td_bytes body = { 0 };
	uint32_t count = 0;
	int rc;

	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++)
		sched |= is_sched(kind) ? 1ull << kind : 0;
	systems[0] = sink->kinds & sched;
	systems[1] = sink->kinds & ~sched;
	systems[2] = sink->inferred_kinds;
	for (unsigned i = 0; i < 3; i++)
		count += systems[i] != 0;
	cgr_td_append_u32(&body, count);
	if (systems[0] != 0)
		put_system(&body, "sched", systems[0], 1);
	if (systems[1] != 0)
		put_system(&body, "cgreplay", systems[1], 1);
	if (systems[2] != 0)
		put_system(&body, "inferred", systems[2], INFERRED_ID);
	rc = body.failed ? no_memory(reterr)
	                 : cgr_td_write_section(writer, CGR_TD_EVENT_FORMATS, body.data, body.length, true, true, reterr);
	cgr_td_fini(&body);
	return rc;
}

static int write_headers(struct cgr_td_writer *writer, struct cgr_error *reterr)
{
	static const char page[] = "\tfield: u64 timestamp;\toffset:0;\tsize:8;\tsigned:0;\n"
	                           "\tfield: local_t commit;\toffset:8;\tsize:8;\tsigned:1;\n"
	                           "\tfield: int overwrite;\toffset:8;\tsize:1;\tsigned:1;\n"
	                           "\tfield: char data;\toffset:16;\tsize:4080;\tsigned:1;\n";
	static const char event[] = "# compressed entry header\n\ttype_len    :    5 bits\n\ttime_delta  :   27 bits\n"
	                            "\tarray       :   32 bits\n\n\tpadding     : type == 29\n\ttime_extend : type == 30\n"
	                            "\ttime_stamp : type == 31\n\tdata max type_len  == 28\n";
	struct cgr_td_bytes body = { 0 };
	uint8_t none[4] = { 0 };
	int rc;

	cgr_td_append_text(&body, "header_page");
	cgr_td_append_u64(&body, sizeof(page) - 1);
	cgr_td_append(&body, page, sizeof(page) - 1);
	cgr_td_append_text(&body, "header_event");
	cgr_td_append_u64(&body, sizeof(event) - 1);
	cgr_td_append(&body, event, sizeof(event) - 1);
	rc = body.failed ? no_memory(reterr)
	                 : cgr_td_write_section(writer, CGR_TD_HEADER_INFO, body.data, body.length, true, true, reterr);
	cgr_td_fini(&body);
	CGR_TRY(rc);
	return cgr_td_write_section(writer, CGR_TD_FTRACE_EVENTS, none, sizeof(none), true, true, reterr);
}

static int write_cmdlines(const struct cgr_export_source *source, struct cgr_td_writer *writer,
                          struct cgr_error *reterr)
{
	struct cgr_strbuf lines = { 0 };
	struct cgr_td_bytes body = { 0 };
	int rc;

	for (size_t i = 1; i < source->tasks; i++) {
		cgr_strbuf_printf(&lines, "%d ", source->task[i].tid);
		for (const char *p = source->task[i].comm; *p != '\0'; p++)
			cgr_strbuf_append(&lines, *p == '\n' ? "?" : p, 1); /* a line per task: no name may end it */
		cgr_strbuf_append(&lines, "\n", 1);
	}
	cgr_td_append_u64(&body, lines.length);
	cgr_td_append(&body, lines.text, lines.length);
	rc = lines.failed || body.failed
	         ? no_memory(reterr)
	         : cgr_td_write_section(writer, CGR_TD_CMDLINES, body.data, body.length, true, true, reterr);
	cgr_strbuf_fini(&lines);
	cgr_td_fini(&body);
	return rc;
}

static uint64_t align_page(uint64_t position)
{
	return (position + PAGE - 1) / PAGE * PAGE;
}

/* BUFFER: option with the place of every CPU's data, then the data, page-aligned. */
static int write_buffer(const struct trace_sink *sink, struct cgr_td_writer *writer, struct cgr_error *reterr)
{
	static const uint8_t zero[PAGE];
	uint64_t section = writer->position, at = section + CGR_TD_SECTION_HEADER_BYTES;
	struct cgr_td_bytes option = { 0 };
	uint8_t head[CGR_TD_SECTION_HEADER_BYTES];
	uint32_t used = 0;

	for (uint32_t i = 0; i < sink->cpus; i++)
		used += sink->cpu[i].count > 0;
	cgr_td_append_u64(&option, section);
	cgr_td_append_text(&option, "");
	cgr_td_append_text(&option, "mono");
	cgr_td_append_u32(&option, PAGE);
	cgr_td_append_u32(&option, used);
	for (uint32_t i = 0; i < sink->cpus; i++) {
		if (sink->cpu[i].count == 0)
			continue;
		at = align_page(at);
		cgr_td_append_u32(&option, i);
		cgr_td_append_u64(&option, at);
		cgr_td_append_u64(&option, sink->cpu[i].chunks.length + 4);
		at += sink->cpu[i].chunks.length + 4;
	}
	cgr_td_append_option(&writer->options, CGR_TD_BUFFER, option.data, (uint32_t)option.length);
	writer->options.failed |= option.failed;
	cgr_td_fini(&option);
	cgr_td_put_u16(head, CGR_TD_BUFFER);
	cgr_td_put_u16(head + 2, CGR_TD_SECTION_COMPRESSED);
	cgr_td_put_u32(head + 4, UINT32_MAX);
	cgr_td_put_u64(head + 8, at - section - sizeof(head));
	CGR_TRY(cgr_td_write_raw(writer, head, sizeof(head), reterr));
	for (uint32_t i = 0; i < sink->cpus; i++) {
		uint8_t count[4];

		if (sink->cpu[i].count == 0)
			continue;
		CGR_TRY(cgr_td_write_raw(writer, zero, align_page(writer->position) - writer->position, reterr));
		cgr_td_put_u32(count, sink->cpu[i].count);
		CGR_TRY(cgr_td_write_raw(writer, count, sizeof(count), reterr));
		CGR_TRY(cgr_td_write_raw(writer, sink->cpu[i].chunks.data, sink->cpu[i].chunks.length, reterr));
	}
	return 0;
}

static int write_file(struct trace_sink *sink, const struct cgr_export_source *source, struct cgr_td_writer *writer,
                      struct cgr_error *reterr)
{
	static const char clock[] = "local global counter uptime perf [mono] mono_raw boot";
	uint8_t cpus[4];

	for (uint32_t i = 0; i < sink->cpus; i++) {
		CGR_TRY(finish_page(sink, &sink->cpu[i], reterr));
		CGR_TRY(flush_chunk(sink, &sink->cpu[i], reterr));
	}
	CGR_TRY(cgr_td_write_head(writer, PAGE, reterr));
	cgr_td_put_u32(cpus, sink->cpus);
	cgr_td_append_option(&writer->options, CGR_TD_CPUCOUNT, cpus, sizeof(cpus));
	cgr_td_append_option(&writer->options, CGR_TD_TRACECLOCK, clock, sizeof(clock));
	CGR_TRY(write_headers(writer, reterr));
	CGR_TRY(write_formats(sink, writer, reterr));
	CGR_TRY(write_cmdlines(source, writer, reterr));
	CGR_TRY(write_buffer(sink, writer, reterr));
	return cgr_td_write_options(writer, reterr);
}

static int export_to(struct trace_sink *sink, const struct cgr_export_source *source, const char *path,
                     struct cgr_error *reterr)
{
	struct cgr_td_writer writer;
	struct cgr_outfile file;
	int rc = cgr_export_each(source, on_event, sink, reterr);

	CGR_TRY(rc);
	CGR_TRY(cgr_outfile_open(&file, path, reterr));
	cgr_td_writer_init(&writer, file.fd, path);
	rc = write_file(sink, source, &writer, reterr);
	cgr_td_writer_fini(&writer);
	if (rc == 0)
		return cgr_outfile_commit(&file, reterr);
	cgr_outfile_abort(&file);
	return rc;
}

static int export_trace(struct cgr_export_source *source, const char *path, struct cgr_export_summary *ret_summary,
                        struct cgr_error *reterr)
{
	struct trace_sink sink = { .zstd = ZSTD_createCCtx() };
	int rc = cgr_export_source_init(source, reterr);

	sink.cpus = source->cpus;
	if (rc == 0)
		sink.cpu = cgr_calloc(sink.cpus, sizeof(*sink.cpu));
	if (rc == 0 && (sink.cpu == NULL || sink.zstd == NULL))
		rc = no_memory(reterr);
	if (rc == 0) {
		(void)ZSTD_CCtx_setParameter(sink.zstd, ZSTD_c_compressionLevel, 3);
		(void)ZSTD_CCtx_setParameter(sink.zstd, ZSTD_c_contentSizeFlag, 0);
		rc = export_to(&sink, source, path, reterr);
	}
	*ret_summary = (struct cgr_export_summary){ sink.events, sink.cpus };
	for (uint32_t i = 0; sink.cpu != NULL && i < sink.cpus; i++) {
		free(sink.cpu[i].pages);
		cgr_td_fini(&sink.cpu[i].chunks);
	}
	free(sink.cpu);
	(void)ZSTD_freeCCtx(sink.zstd);
	cgr_export_source_fini(source);
	return rc;
}

int cgr_export_trace(const struct cgr_store *store, const char *path, struct cgr_progress *progress,
                     struct cgr_export_summary *ret_summary, struct cgr_error *reterr)
{
	struct cgr_export_source source = { .store = store, .progress = progress };

	return export_trace(&source, path, ret_summary, reterr);
}

int cgr_export_trace_result(const struct cgr_result *result, const char *path, struct cgr_export_summary *ret_summary,
                            struct cgr_error *reterr)
{
	struct cgr_export_source source = { .result = result };

	return export_trace(&source, path, ret_summary, reterr);
}
