/* trace.dat, what versions 6 and 7 share: the head, the pieces of metadata, the options. */
#include <event-parse.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/tracedat.h"
#include "common/util.h"
#include "parser/format_text.h"
#include "parser/trace.h"

int cgr_trace_text(struct cgr_text *to, const struct cgr_cursor *from, struct cgr_error *reterr)
{
	size_t length = from->end - from->position;
	char *text = malloc(length + 1);

	if (text == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory for %zu bytes of metadata", length);
	if (length > 0)
		memcpy(text, from->base + from->position, length);
	text[length] = '\0';
	*to = (struct cgr_text){ .text = text, .length = length, .offset = from->origin };
	return CGR_OK;
}

int cgr_trace_add_buffer(struct cgr_trace *trace, const char *name, struct cgr_trace_buffer **ret_buffer,
                         struct cgr_error *reterr)
{
	CGR_TRY(
	    cgr_grow((void **)&trace->buffer, &trace->buffer_capacity, trace->buffers + 1, sizeof(*trace->buffer), reterr));
	struct cgr_trace_buffer *buffer = &trace->buffer[trace->buffers];
	*buffer = (struct cgr_trace_buffer){ .name = cgr_strdup(name), .compression = trace->compression };
	if (buffer->name == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	buffer->page_bytes = trace->page_bytes;
	trace->buffers++;
	*ret_buffer = buffer;
	return CGR_OK;
}

int cgr_trace_add_cpu(struct cgr_trace_buffer *buffer, uint32_t cpu, struct cgr_trace_cpu **ret_cpu,
                      struct cgr_error *reterr)
{
	CGR_TRY(cgr_grow((void **)&buffer->cpu, &buffer->cpu_capacity, buffer->cpus + 1, sizeof(*buffer->cpu), reterr));
	buffer->cpu[buffer->cpus] = (struct cgr_trace_cpu){ .cpu = cpu };
	*ret_cpu = &buffer->cpu[buffer->cpus++];
	return CGR_OK;
}

/* ---- pieces ---- */

static int expect_label(struct cgr_cursor *cursor, const char *label, size_t bytes, struct cgr_error *reterr)
{
	const uint8_t *at = cgr_cursor_bytes(cursor, bytes);

	CGR_TRY(cgr_cursor_check(cursor, label, reterr));
	if (memcmp(at, label, bytes) != 0) {
		cursor->position -= bytes;
		return cgr_cursor_error(cursor, reterr, "\"%s\" expected here: not a trace.dat, or damaged", label);
	}
	return CGR_OK;
}

int cgr_tracedat_header_info(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	CGR_TRY(expect_label(cursor, "header_page", 12, reterr));
	uint64_t length = cgr_cursor_u64(cursor);
	const uint8_t *text = length <= CGR_LIMIT_FORMAT_BYTES ? cgr_cursor_bytes(cursor, length) : NULL;

	if (text == NULL)
		return cgr_cursor_error(cursor, reterr, "header_page of %llu bytes does not fit", (unsigned long long)length);
	/* "field: char data; offset:16; size:4080;": where the data of a sub-buffer begins and how much of it there is.
	 * No text (kernels before 2.6.30): pages, with records of an older layout. */
	trace->old_records = length == 0;
	trace->sub_buffer_bytes = cgr_header_page_bytes((const char *)text, (size_t)length);
	CGR_TRY(expect_label(cursor, "header_event", 13, reterr));
	length = cgr_cursor_u64(cursor);
	(void)cgr_cursor_bytes(cursor, length);
	return cgr_cursor_check(cursor, "header_event", reterr);
}

static int one_format(struct cgr_trace *trace, const char *system, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	uint64_t length = cgr_cursor_u64(cursor);
	const uint8_t *text = length <= CGR_LIMIT_FORMAT_BYTES ? cgr_cursor_bytes(cursor, length) : NULL;
	struct cgr_strbuf clean = { 0 };

	if (text == NULL)
		return cgr_cursor_error(cursor, reterr, "event format of %llu bytes in system \"%.64s\" does not fit",
		                        (unsigned long long)length, system);
	/* Without a name or number nobody can refer to it: records of it are told as unknown. */
	if (cgr_format_text((const char *)text, (size_t)length, &clean))
		(void)tep_parse_event(trace->tep, clean.text, clean.length, system);
	bool failed = clean.failed;
	cgr_strbuf_fini(&clean);
	return failed ? cgr_error_set(reterr, CGR_E_NOMEM, "out of memory for event formats") : CGR_OK;
}

int cgr_tracedat_ftrace_formats(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	uint32_t count = cgr_cursor_u32(cursor);

	if (count > CGR_LIMIT_EVENT_FORMATS)
		return cgr_cursor_error(cursor, reterr, "%u ftrace event formats: more than %u", count,
		                        CGR_LIMIT_EVENT_FORMATS);
	for (uint32_t i = 0; i < count && !cursor->failed; i++)
		CGR_TRY(one_format(trace, "ftrace", cursor, reterr));
	return cgr_cursor_check(cursor, "the ftrace event formats", reterr);
}

int cgr_tracedat_event_formats(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	uint32_t systems = cgr_cursor_u32(cursor), total = 0;

	for (uint32_t i = 0; i < systems && !cursor->failed; i++) {
		const char *system = cgr_cursor_string(cursor, 256);
		uint32_t count = cgr_cursor_u32(cursor);

		if (system == NULL)
			break;
		for (uint32_t k = 0; k < count && !cursor->failed; k++) {
			if (++total > CGR_LIMIT_EVENT_FORMATS)
				return cgr_cursor_error(cursor, reterr, "more than %u event formats", CGR_LIMIT_EVENT_FORMATS);
			CGR_TRY(one_format(trace, system, cursor, reterr));
		}
	}
	return cgr_cursor_check(cursor, "the event formats", reterr);
}

static int take_text(struct cgr_cursor *cursor, uint64_t length, const char *what, char **ret_text, size_t *ret_length,
                     struct cgr_error *reterr)
{
	const uint8_t *text = cgr_cursor_bytes(cursor, length);

	if (text == NULL)
		return cgr_cursor_error(cursor, reterr, "%s of %llu bytes does not fit", what, (unsigned long long)length);
	char *copy = malloc((size_t)length + 1);
	if (copy == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	memcpy(copy, text, (size_t)length);
	copy[length] = '\0';
	free(*ret_text);
	*ret_text = copy;
	if (ret_length != NULL)
		*ret_length = (size_t)length;
	return CGR_OK;
}

int cgr_tracedat_kallsyms(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	uint32_t length = cgr_cursor_u32(cursor);

	return take_text(cursor, length, "the kernel symbol table", &trace->kallsyms, &trace->kallsyms_length, reterr);
}

int cgr_tracedat_printk(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	(void)trace;
	uint32_t length = cgr_cursor_u32(cursor);
	(void)cgr_cursor_bytes(cursor, length);
	return cgr_cursor_check(cursor, "the printk formats", reterr);
}

int cgr_tracedat_cmdlines(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	uint64_t length = cgr_cursor_u64(cursor);

	return take_text(cursor, length, "the table of command names", &trace->cmdlines, NULL, reterr);
}

/* "local [mono] global" or just "mono" */
static char *clock_name(const char *text)
{
	const char *open = strchr(text, '[');
	const char *close = open != NULL ? strchr(open, ']') : NULL;

	if (close == NULL)
		return cgr_strdup(text);
	return cgr_printf("%.*s", (int)CGR_MIN(close - open - 1, 64), open + 1);
}

static int number_option(const struct cgr_text *text, int64_t *ret_value, struct cgr_error *reterr)
{
	char *end;
	long long value = strtoll(text->text, &end, 0);

	if (end == text->text)
		return cgr_error_set(reterr, CGR_E_INPUT, "option at offset %llu: a number expected, found \"%.32s\"",
		                     (unsigned long long)text->offset, text->text);
	*ret_value = value;
	return CGR_OK;
}

static int text_option(struct cgr_trace *trace, uint32_t id, struct cgr_text *text, struct cgr_error *reterr)
{
	switch (id) {
	case CGR_TD_TRACECLOCK:
		free(trace->clock);
		trace->clock = clock_name(text->text);
		return trace->clock != NULL ? CGR_OK : cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	case CGR_TD_UNAME:
		free(trace->uname);
		trace->uname = text->text;
		text->text = NULL;
		return CGR_OK;
	case CGR_TD_OFFSET: {
		int64_t value = 0;
		CGR_TRY(number_option(text, &value, reterr));
		if (__builtin_add_overflow(trace->offset_ns, value, &trace->offset_ns))
			return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: time offset out of range", trace->input.path,
			                     (unsigned long long)text->offset);
		return CGR_OK;
	}
	default: /* CPUSTAT */
		CGR_TRY(cgr_grow((void **)&trace->cpustat, &trace->cpustat_capacity, trace->cpustats + 1,
		                 sizeof(*trace->cpustat), reterr));
		trace->cpustat[trace->cpustats++] = *text;
		text->text = NULL;
		return CGR_OK;
	}
}

int cgr_tracedat_option(struct cgr_trace *trace, uint32_t id, struct cgr_cursor *body, struct cgr_error *reterr)
{
	struct cgr_text text = { 0 };

	switch (id) {
	case CGR_TD_CPUCOUNT:
		trace->cpu_count = cgr_cursor_u32(body);
		if (trace->cpu_count > CGR_LIMIT_CPUS)
			return cgr_cursor_error(body, reterr, "%u CPUs: more than %u", trace->cpu_count, CGR_LIMIT_CPUS);
		return cgr_cursor_check(body, "the CPUCOUNT option", reterr);
	case CGR_TD_TSC2NSEC:
		trace->tsc_mult = cgr_cursor_u32(body);
		trace->tsc_shift = cgr_cursor_u32(body);
		trace->tsc_offset = cgr_cursor_u64(body);
		if (trace->tsc_shift > 63)
			return cgr_cursor_error(body, reterr, "TSC2NSEC shift %u is out of range", trace->tsc_shift);
		return cgr_cursor_check(body, "the TSC2NSEC option", reterr);
	case CGR_TD_GUEST:
		return cgr_guests_read(&trace->guests, body, reterr);
	case CGR_TD_TIME_SHIFT:
		return cgr_time_shift_read(&trace->shift, body, reterr);
	case CGR_TD_TRACECLOCK:
	case CGR_TD_UNAME:
	case CGR_TD_OFFSET:
	case CGR_TD_CPUSTAT:
		CGR_TRY(cgr_trace_text(&text, body, reterr));
		int rc = text_option(trace, id, &text, reterr);
		free(text.text);
		return rc;
	default:
		return CGR_OK; /* unknown options are skipped, as trace-cmd does */
	}
}

/* ---- head ---- */

static int read_head(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	const uint8_t *magic = cgr_cursor_bytes(cursor, CGR_TD_MAGIC_BYTES);
	const char *version = magic != NULL ? cgr_cursor_string(cursor, 8) : NULL;
	uint8_t endian = cgr_cursor_u8(cursor);

	trace->long_bytes = cgr_cursor_u8(cursor);
	trace->swap = endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
	cursor->swap = trace->swap;
	trace->page_bytes = cgr_cursor_u32(cursor);
	CGR_TRY(cgr_cursor_check(cursor, "the head", reterr));
	if (endian > 1)
		return cgr_cursor_error(cursor, reterr, "byte order %u is neither little (0) nor big (1)", endian);
	if (trace->long_bytes != 4 && trace->long_bytes != 8)
		return cgr_cursor_error(cursor, reterr, "longs of %u bytes: 4 or 8 expected", trace->long_bytes);
	if (trace->page_bytes < 64 || trace->page_bytes > CGR_LIMIT_SUBBUF_BYTES)
		return cgr_cursor_error(cursor, reterr, "pages of %u bytes are out of range", trace->page_bytes);
	trace->version = strcmp(version, "6") == 0 ? 6 : strcmp(version, "7") == 0 ? 7 : -1;
	if (trace->version < 0)
		return cgr_cursor_error(
		    cursor, reterr, "trace.dat version \"%.7s\" is not known, 6 and 7 are: convert it with trace-cmd convert",
		    version);
	return CGR_OK;
}

int cgr_tracedat_read(struct cgr_trace *trace, struct cgr_error *reterr)
{
	struct cgr_cursor cursor;

	cgr_cursor_init(&cursor, &trace->input, 0, trace->input.size, false);
	CGR_TRY(read_head(trace, &cursor, reterr));
	tep_set_long_size(trace->tep, (int)trace->long_bytes);
	tep_set_page_size(trace->tep, (int)trace->page_bytes);
	tep_set_file_bigendian(trace->tep, trace->swap == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) ? TEP_BIG_ENDIAN
	                                                                                              : TEP_LITTLE_ENDIAN);
	if (trace->version == 6)
		return cgr_tracedat_read_6(trace, &cursor, reterr);
	return cgr_tracedat_read_7(trace, &cursor, reterr);
}
