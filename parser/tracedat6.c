/* trace.dat version 6: one straight line, no compression; instances behind options. */
#include <string.h>

#include "common/limits.h"
#include "common/tracedat.h"
#include "common/util.h"
#include "parser/trace.h"

struct instances { /* BUFFER options met on the way */
	struct {
		uint64_t offset;
		const char *name;
		uint32_t cpus;
	} item[256];
	size_t count;
};

static int read_options(struct cgr_trace *trace, struct cgr_cursor *cursor, struct instances *instances,
                        struct cgr_error *reterr)
{
	for (uint32_t i = 0; i < CGR_LIMIT_OPTIONS; i++) {
		uint16_t id = cgr_cursor_u16(cursor);

		if (cursor->failed || id == CGR_TD_DONE)
			return cgr_cursor_check(cursor, "the options", reterr);
		uint32_t size = cgr_cursor_u32(cursor);
		struct cgr_cursor body = *cursor;
		if (cgr_cursor_bytes(cursor, size) == NULL)
			return cgr_cursor_error(cursor, reterr, "option %u of %u bytes does not fit", id, size);
		body.base += body.position;
		body.origin += body.position;
		body.position = 0;
		body.end = size;
		if (id != CGR_TD_BUFFER) {
			uint32_t before = trace->cpu_count;
			CGR_TRY(cgr_tracedat_option(trace, id, &body, reterr));
			if (id == CGR_TD_CPUCOUNT && instances->count > 0) {
				/* A count behind an instance is that instance's own. */
				instances->item[instances->count - 1].cpus = trace->cpu_count;
				trace->cpu_count = before;
			}
			continue;
		}
		if (instances->count == CGR_ARRAY_SIZE(instances->item))
			return cgr_cursor_error(cursor, reterr, "more than %zu instances", CGR_ARRAY_SIZE(instances->item));
		uint64_t offset = cgr_cursor_u64(&body);
		const char *name = cgr_cursor_string(&body, CGR_LIMIT_PATH);
		CGR_TRY(cgr_cursor_check(&body, "an instance option", reterr));
		instances->item[instances->count].offset = offset;
		instances->item[instances->count].name = name;
		instances->item[instances->count++].cpus = 0;
	}
	return cgr_cursor_error(cursor, reterr, "more than %u options", CGR_LIMIT_OPTIONS);
}

static int read_cpus(struct cgr_trace *trace, struct cgr_cursor *cursor, const char *name, uint32_t cpus,
                     struct cgr_error *reterr)
{
	struct cgr_trace_buffer *buffer;

	CGR_TRY(cgr_trace_add_buffer(trace, name, &buffer, reterr));
	if (trace->sub_buffer_bytes > 64 && trace->sub_buffer_bytes <= CGR_LIMIT_SUBBUF_BYTES)
		buffer->page_bytes = trace->sub_buffer_bytes;
	for (uint32_t cpu = 0; cpu < cpus && !cursor->failed; cpu++) {
		struct cgr_trace_cpu *data;

		CGR_TRY(cgr_trace_add_cpu(buffer, cpu, &data, reterr));
		data->offset = cgr_cursor_u64(cursor);
		data->size = cgr_cursor_u64(cursor);
		if (!cursor->failed && (data->offset > trace->input.size || data->size > trace->input.size - data->offset))
			return cgr_cursor_error(cursor, reterr,
			                        "the data of CPU %u (%llu bytes at %llu) goes past the end of the file: truncated",
			                        cpu, (unsigned long long)data->size, (unsigned long long)data->offset);
	}
	return cgr_cursor_check(cursor, "the table of CPU data", reterr);
}

static int read_flyrecord(struct cgr_trace *trace, struct cgr_cursor *cursor, const char *name, uint32_t cpus,
                          struct cgr_error *reterr)
{
	const uint8_t *label = cgr_cursor_bytes(cursor, 10);

	CGR_TRY(cgr_cursor_check(cursor, "the data label", reterr));
	if (memcmp(label, "latency  ", 10) == 0)
		return cgr_cursor_error(cursor, reterr,
		                        "a latency trace is text, it has no events: record with trace-cmd record");
	if (memcmp(label, "flyrecord", 10) != 0) {
		cursor->position -= 10;
		return cgr_cursor_error(cursor, reterr, "\"flyrecord\" expected here: damaged");
	}
	return read_cpus(trace, cursor, name, cpus, reterr);
}

int cgr_tracedat_read_6(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	struct instances instances = { .count = 0 };

	CGR_TRY(cgr_tracedat_header_info(trace, cursor, reterr));
	CGR_TRY(cgr_tracedat_ftrace_formats(trace, cursor, reterr));
	CGR_TRY(cgr_tracedat_event_formats(trace, cursor, reterr));
	CGR_TRY(cgr_tracedat_kallsyms(trace, cursor, reterr));
	CGR_TRY(cgr_tracedat_printk(trace, cursor, reterr));
	CGR_TRY(cgr_tracedat_cmdlines(trace, cursor, reterr));
	uint32_t cpus = cgr_cursor_u32(cursor);
	const uint8_t *label = cgr_cursor_bytes(cursor, 10);
	CGR_TRY(cgr_cursor_check(cursor, "the head of the data", reterr));
	if (memcmp(label, "options  ", 10) == 0)
		CGR_TRY(read_options(trace, cursor, &instances, reterr));
	else
		cursor->position -= 10;
	/* Quirk of the format: an option may raise the count after the head has told a smaller one. */
	trace->cpu_count = CGR_MAX(trace->cpu_count, cpus);
	if (trace->cpu_count > CGR_LIMIT_CPUS)
		return cgr_cursor_error(cursor, reterr, "%u CPUs: more than %u", trace->cpu_count, CGR_LIMIT_CPUS);
	CGR_TRY(read_flyrecord(trace, cursor, "", trace->cpu_count, reterr));
	for (size_t i = 0; i < instances.count; i++) {
		struct cgr_cursor at;
		uint32_t count = instances.item[i].cpus > 0 ? instances.item[i].cpus : trace->cpu_count;

		cgr_cursor_init(&at, &trace->input, instances.item[i].offset, UINT64_MAX, trace->swap);
		CGR_TRY(read_flyrecord(trace, &at, instances.item[i].name, count, reterr));
	}
	return CGR_OK;
}
