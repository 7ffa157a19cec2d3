/* trace.dat version 7: sections, options, compression; and what a killed recorder left (NAME.partial). */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/tracedat.h"
#include "common/util.h"
#include "parser/trace.h"
#include "parser/unpack.h"

struct section {
	uint16_t id, flags;
	uint64_t offset, size; /* of the header; of the body */
	struct cgr_cursor body; /* plain */
	uint8_t *unpacked; /* free() */
};

static int section_header(const struct cgr_trace *trace, uint64_t offset, struct section *section,
                          struct cgr_error *reterr)
{
	struct cgr_cursor cursor;

	cgr_cursor_init(&cursor, &trace->input, offset, UINT64_MAX, trace->swap);
	section->offset = offset;
	section->id = cgr_cursor_u16(&cursor);
	section->flags = cgr_cursor_u16(&cursor);
	(void)cgr_cursor_u32(&cursor);
	section->size = cgr_cursor_u64(&cursor);
	CGR_TRY(cgr_cursor_check(&cursor, "a section header", reterr));
	if (section->size > cgr_cursor_left(&cursor)) {
		cursor.position = 0;
		return cgr_cursor_error(&cursor, reterr, "section %u of %llu bytes goes past the end of the file: truncated",
		                        section->id, (unsigned long long)section->size);
	}
	return CGR_OK;
}

static int section_unpack(const struct cgr_trace *trace, struct section *section, struct cgr_error *reterr)
{
	struct cgr_unpacker unpacker = { 0 };
	uint32_t packed = cgr_cursor_u32(&section->body), plain = cgr_cursor_u32(&section->body);
	const uint8_t *data = cgr_cursor_bytes(&section->body, packed);

	CGR_TRY(cgr_cursor_check(&section->body, "a compressed section", reterr));
	if (plain > CGR_LIMIT_CHUNK_BYTES)
		return cgr_cursor_error(&section->body, reterr, "section %u says it unpacks to %u bytes, more than %u",
		                        section->id, plain, CGR_LIMIT_CHUNK_BYTES);
	section->unpacked = malloc((size_t)plain + 1);
	if (section->unpacked == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory for a section of %u bytes", plain);
	int rc = cgr_unpack(&unpacker, trace->compression, &trace->input, section->offset, data, packed, section->unpacked,
	                    plain, reterr);
	cgr_unpacker_fini(&unpacker);
	section->body = (struct cgr_cursor){ .input = &trace->input,
		                                 .base = section->unpacked,
		                                 .end = plain,
		                                 .origin = section->offset,
		                                 .unpacked = true,
		                                 .swap = trace->swap };
	return rc;
}

/* Opens the section at offset for reading; wanted < 0: any id. Call section_close in every case. */
static int section_open(const struct cgr_trace *trace, uint64_t offset, int wanted, struct section *section,
                        struct cgr_error *reterr)
{
	*section = (struct section){ 0 };
	CGR_TRY(section_header(trace, offset, section, reterr));
	if (wanted >= 0 && section->id != wanted)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: section %u found where section %d is expected",
		                     trace->input.path, (unsigned long long)offset, section->id, wanted);
	cgr_cursor_init(&section->body, &trace->input, offset + CGR_TD_SECTION_HEADER_BYTES, section->size, trace->swap);
	if ((section->flags & CGR_TD_SECTION_COMPRESSED) != 0 && section->id != CGR_TD_BUFFER)
		return section_unpack(trace, section, reterr);
	return CGR_OK;
}

static void section_close(struct section *section)
{
	free(section->unpacked);
	section->unpacked = NULL;
}

int cgr_tracedat_section_text(const struct cgr_trace *trace, uint64_t offset, uint32_t id, struct cgr_text *to,
                              struct cgr_error *reterr)
{
	struct section section;
	int rc = section_open(trace, offset, (int)id, &section, reterr);

	if (rc == CGR_OK)
		rc = cgr_trace_text(to, &section.body, reterr);
	section_close(&section);
	return rc;
}

static int read_piece(struct cgr_trace *trace, uint32_t id, struct cgr_cursor *body, struct cgr_error *reterr)
{
	switch (id) {
	case CGR_TD_HEADER_INFO:
		return cgr_tracedat_header_info(trace, body, reterr);
	case CGR_TD_FTRACE_EVENTS:
		return cgr_tracedat_ftrace_formats(trace, body, reterr);
	case CGR_TD_EVENT_FORMATS:
		return cgr_tracedat_event_formats(trace, body, reterr);
	case CGR_TD_KALLSYMS:
		return cgr_tracedat_kallsyms(trace, body, reterr);
	case CGR_TD_CMDLINES:
		return cgr_tracedat_cmdlines(trace, body, reterr);
	default:
		return CGR_OK;
	}
}

static int add_offset(uint64_t **list, size_t *count, size_t *capacity, uint64_t offset, struct cgr_error *reterr)
{
	CGR_TRY(cgr_grow((void **)list, capacity, *count + 1, sizeof(**list), reterr));
	(*list)[(*count)++] = offset;
	return CGR_OK;
}

/* Our own sections: only their places, they are read when the import needs them. */
static int note_own(struct cgr_trace *trace, uint32_t id, uint64_t offset, struct cgr_error *reterr)
{
	if (id == CGR_TD_FACTS)
		trace->facts = offset;
	else if (id == CGR_TD_SUMMARY)
		trace->summary = offset;
	else if (id == CGR_TD_SNAPSHOT)
		return add_offset(&trace->snapshot, &trace->snapshots, &trace->snapshot_capacity, offset, reterr);
	else if (id == CGR_TD_SAMPLES)
		return add_offset(&trace->sample, &trace->samples, &trace->sample_capacity, offset, reterr);
	else if (id == CGR_TD_CLOCK)
		return add_offset(&trace->clock_section, &trace->clock_sections, &trace->clock_section_capacity, offset,
		                  reterr);
	return CGR_OK;
}

static int read_section_at(struct cgr_trace *trace, uint32_t id, uint64_t offset, struct cgr_error *reterr)
{
	struct section section;
	int rc = section_open(trace, offset, (int)id, &section, reterr);

	if (rc == CGR_OK)
		rc = read_piece(trace, id, &section.body, reterr);
	section_close(&section);
	return rc;
}

static int read_buffer_cpus(struct cgr_trace *trace, struct cgr_trace_buffer *buffer, struct cgr_cursor *body,
                            struct cgr_error *reterr)
{
	uint32_t count = cgr_cursor_u32(body);
	bool seen[CGR_LIMIT_CPUS] = { 0 };

	if (count > CGR_LIMIT_CPUS)
		return cgr_cursor_error(body, reterr, "%u CPUs: more than %u", count, CGR_LIMIT_CPUS);
	for (uint32_t i = 0; i < count && !body->failed; i++) {
		struct cgr_trace_cpu *cpu;
		uint32_t number = cgr_cursor_u32(body);

		if (number >= CGR_LIMIT_CPUS)
			return cgr_cursor_error(body, reterr, "CPU number %u is out of range", number);
		if (seen[number] && !body->failed)
			return cgr_cursor_error(body, reterr, "CPU %u stands there twice", number);
		seen[number] = true;
		CGR_TRY(cgr_trace_add_cpu(buffer, number, &cpu, reterr));
		cpu->offset = cgr_cursor_u64(body);
		cpu->size = cgr_cursor_u64(body);
		if (!body->failed && (cpu->offset > trace->input.size || cpu->size > trace->input.size - cpu->offset))
			return cgr_cursor_error(body, reterr,
			                        "the data of CPU %u (%llu bytes at %llu) goes past the end of the file: truncated",
			                        number, (unsigned long long)cpu->size, (unsigned long long)cpu->offset);
	}
	return CGR_OK;
}

static int read_buffer_option(struct cgr_trace *trace, struct cgr_cursor *body, struct cgr_error *reterr)
{
	struct cgr_trace_buffer *buffer;
	struct section section;
	uint64_t offset = cgr_cursor_u64(body);
	const char *name = cgr_cursor_string(body, CGR_LIMIT_PATH);
	const char *clock = cgr_cursor_string(body, 256);

	CGR_TRY(cgr_cursor_check(body, "a BUFFER option", reterr));
	if (trace->buffers >= 256)
		return cgr_cursor_error(body, reterr, "more than 256 instances");
	CGR_TRY(section_header(trace, offset, &section, reterr));
	if (section.id != CGR_TD_BUFFER)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: section %u found where a BUFFER section is expected",
		                     trace->input.path, (unsigned long long)offset, section.id);
	CGR_TRY(cgr_trace_add_buffer(trace, name, &buffer, reterr));
	buffer->clock = cgr_strdup(clock);
	if (buffer->clock == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	buffer->page_bytes = cgr_cursor_u32(body);
	if ((section.flags & CGR_TD_SECTION_COMPRESSED) == 0)
		buffer->compression = CGR_PLAIN;
	if (!body->failed && (buffer->page_bytes < 64 || buffer->page_bytes > CGR_LIMIT_SUBBUF_BYTES))
		return cgr_cursor_error(body, reterr, "sub-buffers of %u bytes are out of range", buffer->page_bytes);
	CGR_TRY(read_buffer_cpus(trace, buffer, body, reterr));
	return cgr_cursor_check(body, "a BUFFER option", reterr);
}

static int read_option(struct cgr_trace *trace, uint32_t id, struct cgr_cursor *body, uint64_t *ret_next,
                       struct cgr_error *reterr)
{
	switch (id) {
	case CGR_TD_DONE:
		*ret_next = cgr_cursor_u64(body);
		return cgr_cursor_check(body, "the DONE option", reterr);
	case CGR_TD_BUFFER:
		return read_buffer_option(trace, body, reterr);
	case CGR_TD_HEADER_INFO:
	case CGR_TD_FTRACE_EVENTS:
	case CGR_TD_EVENT_FORMATS:
	case CGR_TD_KALLSYMS:
	case CGR_TD_CMDLINES: {
		uint64_t offset = cgr_cursor_u64(body);
		CGR_TRY(cgr_cursor_check(body, "a section option", reterr));
		return read_section_at(trace, id, offset, reterr);
	}
	case CGR_TD_FACTS:
	case CGR_TD_SNAPSHOT:
	case CGR_TD_SAMPLES:
	case CGR_TD_SUMMARY:
	case CGR_TD_CLOCK: {
		uint64_t offset = cgr_cursor_u64(body);
		CGR_TRY(cgr_cursor_check(body, "a section option", reterr));
		return note_own(trace, id, offset, reterr);
	}
	default:
		return cgr_tracedat_option(trace, id, body, reterr);
	}
}

static int read_options_section(struct cgr_trace *trace, uint64_t offset, uint32_t budget[2], uint64_t *ret_next,
                                struct cgr_error *reterr)
{
	struct section section;
	int rc = section_open(trace, offset, CGR_TD_DONE, &section, reterr);

	*ret_next = 0;
	while (rc == CGR_OK && cgr_cursor_left(&section.body) > 0) {
		struct cgr_cursor body;
		uint16_t id = cgr_cursor_u16(&section.body);
		uint32_t size = cgr_cursor_u32(&section.body);

		body = section.body;
		if (cgr_cursor_bytes(&section.body, size) == NULL) {
			rc = cgr_cursor_error(&section.body, reterr, "option %u of %u bytes does not fit", id, size);
			break;
		}
		body.end = body.position + size;
		bool own = id >= CGR_TD_FACTS;
		if (budget[own]-- == 0)
			rc = cgr_cursor_error(&section.body, reterr, "more than %u options",
			                      own ? CGR_LIMIT_OWN_OPTIONS : CGR_LIMIT_OPTIONS);
		else
			rc = read_option(trace, id, &body, ret_next, reterr);
		if (id == CGR_TD_DONE)
			break;
	}
	section_close(&section);
	return rc;
}

/* ---- what a killed recorder left ---- */

static int journal_chunk(struct cgr_trace *trace, const struct section *section, bool *ret_whole,
                         struct cgr_error *reterr)
{
	struct cgr_cursor cursor = section->body;
	uint32_t cpu = cgr_cursor_u32(&cursor), checksum = cgr_cursor_u32(&cursor);
	uint32_t packed = cgr_cursor_u32(&cursor), plain = cgr_cursor_u32(&cursor);
	const uint8_t *data = cgr_cursor_bytes(&cursor, packed);
	struct cgr_trace_buffer *buffer;
	struct cgr_trace_cpu *to = NULL;

	*ret_whole = data != NULL && cpu < CGR_LIMIT_CPUS && plain <= CGR_LIMIT_CHUNK_BYTES &&
	             cgr_td_checksum(data, packed) == checksum;
	if (!*ret_whole)
		return CGR_OK;
	if (trace->buffers == 0)
		CGR_TRY(cgr_trace_add_buffer(trace, "", &buffer, reterr));
	buffer = &trace->buffer[0];
	for (size_t i = 0; i < buffer->cpus; i++)
		if (buffer->cpu[i].cpu == cpu)
			to = &buffer->cpu[i];
	if (to == NULL)
		CGR_TRY(cgr_trace_add_cpu(buffer, cpu, &to, reterr));
	CGR_TRY(cgr_grow((void **)&to->chunk, &to->chunk_capacity, to->chunks + 1, sizeof(*to->chunk), reterr));
	to->chunk[to->chunks++] =
	    (struct cgr_chunk){ .offset = section->body.origin + CGR_TD_JOURNAL_BYTES, .packed = packed, .plain = plain };
	to->size += packed;
	trace->cpu_count = CGR_MAX(trace->cpu_count, cpu + 1);
	return CGR_OK;
}

static int read_unfinished(struct cgr_trace *trace, uint64_t offset, struct cgr_error *reterr)
{
	trace->unfinished = true;
	for (;;) {
		struct section section = { 0 };
		bool whole = true;
		int rc = CGR_OK;

		if (section_header(trace, offset, &section, NULL) < 0)
			break; /* the torn tail: what stands before it is whole */
		if (section.id == CGR_TD_JOURNAL) {
			rc = section_open(trace, offset, CGR_TD_JOURNAL, &section, reterr);
			if (rc == CGR_OK)
				rc = journal_chunk(trace, &section, &whole, reterr);
		} else if (section.id >= CGR_TD_FACTS) {
			rc = note_own(trace, section.id, offset, reterr);
		} else {
			rc = section_open(trace, offset, -1, &section, reterr);
			if (rc == CGR_OK)
				rc = read_piece(trace, section.id, &section.body, reterr);
		}
		section_close(&section);
		CGR_TRY(rc);
		if (!whole)
			break;
		offset += CGR_TD_SECTION_HEADER_BYTES + section.size;
	}
	trace->end = offset;
	return CGR_OK;
}

static int read_compressor(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	const char *name = cgr_cursor_string(cursor, 64);
	const char *version = name != NULL ? cgr_cursor_string(cursor, 64) : NULL;

	(void)version;
	CGR_TRY(cgr_cursor_check(cursor, "the name of the compression", reterr));
	if (strcmp(name, "zstd") == 0)
		trace->compression = CGR_ZSTD;
	else if (strcmp(name, "zlib") == 0)
		trace->compression = CGR_ZLIB;
	else if (strcmp(name, "none") == 0 || name[0] == '\0')
		trace->compression = CGR_PLAIN;
	else
		return cgr_cursor_error(cursor, reterr, "compression \"%.16s\" is not known, zstd, zlib and none are", name);
	return CGR_OK;
}

int cgr_tracedat_read_7(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	uint32_t budget[2] = { CGR_LIMIT_OPTIONS, CGR_LIMIT_OWN_OPTIONS };

	CGR_TRY(read_compressor(trace, cursor, reterr));
	uint64_t next = cgr_cursor_u64(cursor);
	CGR_TRY(cgr_cursor_check(cursor, "the head", reterr));
	if (next == 0)
		return read_unfinished(trace, cursor->position, reterr);
	while (next != 0)
		CGR_TRY(read_options_section(trace, next, budget, &next, reterr));
	if (trace->buffers == 0)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s:%zu: the file ends without a BUFFER section: nothing was recorded", trace->input.path,
		                     trace->input.size);
	return CGR_OK;
}
