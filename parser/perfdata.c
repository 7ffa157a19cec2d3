/* Head, attributes and features of perf.data (tools/perf/Documentation/perf.data-file-format.txt). */
#include "parser/perfdata.h"

#include <event-parse.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/tracedat.h"

#define FEATURE_TRACING_DATA 1u
#define FEATURE_OSRELEASE 4u
#define FEATURE_NRCPUS 7u
#define ATTR_MIN 64u /* PERF_ATTR_SIZE_VER0 */
#define ATTRS_MAX 65536u
#define IDS_MAX (1u << 22)

/* "PERFILE2" read as a little-endian number */
#define MAGIC 0x32454c4946524550ull

bool cgr_perfdata_probe(const struct cgr_input *input)
{
	uint64_t magic;

	if (input->size < 16)
		return false;
	memcpy(&magic, input->data, 8);
	return magic == MAGIC || magic == __builtin_bswap64(MAGIC);
}

struct cgr_perf *cgr_perfdata_free(struct cgr_perf *perf)
{
	if (perf == NULL)
		return NULL;
	free(perf->attr);
	free(perf->attr_of);
	cgr_intern_fini(&perf->ids);
	free(perf);
	return NULL;
}

const struct cgr_perf_attr *cgr_perf_attr_of(const struct cgr_perf *perf, uint64_t id)
{
	uint32_t dense = cgr_intern_find(&perf->ids, id);

	if (dense != CGR_ID_NONE)
		return &perf->attr[perf->attr_of[dense]];
	return perf->attrs > 0 ? &perf->attr[0] : NULL;
}

static int add_id(struct cgr_perf *perf, uint64_t id, uint32_t attr, struct cgr_error *reterr)
{
	uint32_t dense;
	bool is_new;

	CGR_TRY(cgr_intern_id(&perf->ids, id, &dense, &is_new, reterr));
	CGR_TRY(cgr_grow((void **)&perf->attr_of, &perf->attr_of_capacity, (size_t)dense + 1, sizeof(uint32_t), reterr));
	perf->attr_of[dense] = attr;
	return CGR_OK;
}

/* Bit fields are laid out from the other end on machines of the other byte order. */
static bool attr_flag(uint64_t flags, unsigned bit, bool swap)
{
	return (swap ? flags >> (63 - bit) : flags >> bit) & 1;
}

/* A perf_event_attr of `size` bytes at the cursor; ids are added by the caller. */
static int read_attr(struct cgr_trace *trace, struct cgr_cursor *cursor, uint64_t size, struct cgr_error *reterr)
{
	struct cgr_perf *perf = trace->perf;
	struct cgr_cursor at = *cursor;
	struct cgr_perf_attr attr = { 0 };

	if (size < ATTR_MIN || cgr_cursor_bytes(cursor, size) == NULL)
		return cgr_cursor_error(&at, reterr, "an event attribute of %llu bytes does not fit", (unsigned long long)size);
	if (perf->attrs >= ATTRS_MAX)
		return cgr_cursor_error(&at, reterr, "more than %u event attributes", ATTRS_MAX);
	at.end = at.position + size;
	attr.type = cgr_cursor_u32(&at);
	(void)cgr_cursor_u32(&at);
	attr.config = cgr_cursor_u64(&at);
	(void)cgr_cursor_u64(&at);
	attr.sample_type = cgr_cursor_u64(&at);
	attr.fixed_bytes = 8 * (uint32_t)__builtin_popcountll(attr.sample_type &
	                                                      (CGR_SAMPLE_IDENTIFIER | CGR_SAMPLE_IP | CGR_SAMPLE_TID |
	                                                       CGR_SAMPLE_TIME | CGR_SAMPLE_ADDR | CGR_SAMPLE_ID |
	                                                       CGR_SAMPLE_STREAM_ID | CGR_SAMPLE_CPU | CGR_SAMPLE_PERIOD));
	attr.read_format = cgr_cursor_u64(&at);
	uint64_t flags = cgr_cursor_u64(&at);
	attr.sample_id_all = attr_flag(flags, 18, trace->swap);
	attr.use_clockid = attr_flag(flags, 25, trace->swap);
	(void)cgr_cursor_bytes(&at, 24); /* wakeup, breakpoint or configs */
	/* Fields behind the size the writer knew stay zero. */
	attr.branch_sample_type = cgr_cursor_u64(&at);
	attr.regs_user = cgr_cursor_u64(&at);
	(void)cgr_cursor_u32(&at);
	attr.clockid = (int32_t)cgr_cursor_u32(&at);
	attr.regs_intr = cgr_cursor_u64(&at);
	CGR_TRY(cgr_grow((void **)&perf->attr, &perf->attr_capacity, perf->attrs + 1, sizeof(*perf->attr), reterr));
	perf->attr[perf->attrs++] = attr;
	if (attr.use_clockid && attr.clockid == 1 && trace->clock == NULL)
		trace->clock = cgr_strdup("mono");
	return CGR_OK;
}

/* The v0.6 head of a trace.dat with the formats of the recorded events. */
static int tracing_data(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	const uint8_t *magic = cgr_cursor_bytes(cursor, CGR_TD_MAGIC_BYTES);
	const char *version = magic != NULL ? cgr_cursor_string(cursor, 16) : NULL;
	uint8_t endian = cgr_cursor_u8(cursor), long_bytes = cgr_cursor_u8(cursor);

	(void)endian; /* that of the whole file */
	trace->page_bytes = cgr_cursor_u32(cursor);
	CGR_TRY(cgr_cursor_check(cursor, "the tracing data", reterr));
	if (memcmp(magic, CGR_TD_MAGIC, CGR_TD_MAGIC_BYTES) != 0)
		return cgr_cursor_error(cursor, reterr, "the tracing data has an unknown magic");
	if (long_bytes != 4 && long_bytes != 8)
		return cgr_cursor_error(cursor, reterr, "longs of %u bytes: 4 or 8 expected", long_bytes);
	trace->long_bytes = long_bytes;
	tep_set_long_size(trace->tep, long_bytes);
	CGR_TRY(cgr_tracedat_header_info(trace, cursor, reterr));
	CGR_TRY(cgr_tracedat_ftrace_formats(trace, cursor, reterr));
	CGR_TRY(cgr_tracedat_event_formats(trace, cursor, reterr));
	CGR_TRY(cgr_tracedat_kallsyms(trace, cursor, reterr));
	CGR_TRY(cgr_tracedat_printk(trace, cursor, reterr));
	return strcmp(version, "0.6") >= 0 && cgr_cursor_left(cursor) > 0 ? cgr_tracedat_cmdlines(trace, cursor, reterr)
	                                                                  : CGR_OK;
}

static int feature(struct cgr_trace *trace, uint32_t bit, struct cgr_cursor *body, struct cgr_error *reterr)
{
	if (bit == FEATURE_TRACING_DATA)
		return tracing_data(trace, body, reterr);
	if (bit == FEATURE_NRCPUS) {
		uint32_t cpus = cgr_cursor_u32(body);
		trace->cpu_count = cpus <= CGR_LIMIT_CPUS ? cpus : 0;
	}
	if (bit == FEATURE_OSRELEASE) {
		uint32_t length = cgr_cursor_u32(body);
		const char *text = cgr_cursor_string(body, length);
		free(trace->uname);
		trace->uname = text != NULL ? cgr_strdup(text) : NULL;
	}
	return CGR_OK; /* the others are not needed */
}

/* ---- file mode ---- */

static int read_attrs(struct cgr_trace *trace, uint64_t offset, uint64_t size, uint64_t entry, struct cgr_error *reterr)
{
	struct cgr_cursor table;

	trace->perf->attrs_offset = offset;
	cgr_cursor_init(&table, &trace->input, offset, size, trace->swap);
	if (entry < ATTR_MIN + 16 || entry > 65536 || size > trace->input.size)
		return cgr_cursor_error(&table, reterr, "attribute entries of %llu bytes are out of range",
		                        (unsigned long long)entry);
	for (uint64_t i = 0; i < size / entry; i++) {
		CGR_TRY(read_attr(trace, &table, entry - 16, reterr));
		uint64_t ids_offset = cgr_cursor_u64(&table), ids_size = cgr_cursor_u64(&table);
		CGR_TRY(cgr_cursor_check(&table, "the event attributes", reterr));
		struct cgr_cursor ids;
		cgr_cursor_init(&ids, &trace->input, ids_offset, ids_size, trace->swap);
		while (cgr_cursor_left(&ids) >= 8) {
			if (trace->perf->ids.count >= IDS_MAX)
				return cgr_cursor_error(&ids, reterr, "more than %u event ids", IDS_MAX);
			CGR_TRY(add_id(trace->perf, cgr_cursor_u64(&ids), (uint32_t)trace->perf->attrs - 1, reterr));
		}
	}
	return CGR_OK;
}

static int read_features(struct cgr_trace *trace, const uint8_t *bitmap, uint64_t offset, struct cgr_error *reterr)
{
	struct cgr_cursor table;

	cgr_cursor_init(&table, &trace->input, offset, UINT64_MAX, trace->swap);
	for (uint32_t bit = 0; bit < 256; bit++) {
		/* An array of u64 words in file order: within a word the byte order matters. */
		uint32_t byte = trace->swap ? bit / 64 * 8 + 7 - bit / 8 % 8 : bit / 8;
		if ((bitmap[byte] >> bit % 8 & 1) == 0)
			continue;
		uint64_t at = cgr_cursor_u64(&table), size = cgr_cursor_u64(&table);
		struct cgr_cursor body;
		CGR_TRY(cgr_cursor_check(&table, "the table of features", reterr));
		cgr_cursor_init(&body, &trace->input, at, size, trace->swap);
		CGR_TRY(feature(trace, bit, &body, reterr));
	}
	return CGR_OK;
}

/* Bytes of the whole records from the data on. */
static uint64_t whole_bytes(const struct cgr_trace *trace)
{
	struct cgr_cursor cursor;
	uint64_t whole = 0;

	cgr_cursor_init(&cursor, &trace->input, trace->perf->data_offset, UINT64_MAX, trace->swap);
	while (cgr_cursor_left(&cursor) >= 8) {
		(void)cgr_cursor_u32(&cursor);
		(void)cgr_cursor_u16(&cursor);
		uint16_t size = cgr_cursor_u16(&cursor);
		if (size < 8 || cgr_cursor_bytes(&cursor, size - 8u) == NULL)
			break;
		whole += size;
	}
	return whole;
}

/* What a killed recorder left: how much data there is was not told yet, nor any feature. Ours has the formats of its
 * events in front of the data; perf record writes them at its end. */
static int read_unfinished(struct cgr_trace *trace, const struct cgr_cursor *head, uint64_t tracing,
                           struct cgr_error *reterr)
{
	struct cgr_cursor body;
	uint64_t data = trace->perf->data_offset;

	cgr_cursor_init(&body, &trace->input, tracing, data > tracing ? data - tracing : 0, trace->swap);
	struct cgr_cursor peek = body;
	const uint8_t *magic = cgr_cursor_bytes(&peek, CGR_TD_MAGIC_BYTES);
	if (magic == NULL || memcmp(magic, CGR_TD_MAGIC, CGR_TD_MAGIC_BYTES) != 0)
		return cgr_cursor_error(head, reterr, "the file has no data: perf record was killed before it could finish");
	trace->unfinished = true;
	trace->perf->data_size = whole_bytes(trace);
	return tracing_data(trace, &body, reterr);
}

static int read_file(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	uint64_t entry = cgr_cursor_u64(cursor), section[6];

	for (size_t i = 0; i < 6; i++)
		section[i] = cgr_cursor_u64(cursor);
	const uint8_t *bitmap = cgr_cursor_bytes(cursor, 32);
	CGR_TRY(cgr_cursor_check(cursor, "the head", reterr));
	uint64_t data = section[2], size = section[3];
	if (data > trace->input.size || size > trace->input.size - data)
		return cgr_cursor_error(cursor, reterr,
		                        "the data (%llu bytes at %llu) goes past the end of the file: truncated",
		                        (unsigned long long)size, (unsigned long long)data);
	trace->perf->data_offset = data;
	trace->perf->data_size = size;
	CGR_TRY(read_attrs(trace, section[0], section[1], entry, reterr));
	return size > 0 ? read_features(trace, bitmap, data + size, reterr)
	                : read_unfinished(trace, cursor, section[0] + section[1], reterr);
}

/* ---- pipe mode: everything is a record; those that describe come first ---- */

static int pipe_attr(struct cgr_trace *trace, struct cgr_cursor *body, struct cgr_error *reterr)
{
	struct cgr_cursor peek = *body;

	(void)cgr_cursor_u32(&peek);
	CGR_TRY(read_attr(trace, body, cgr_cursor_u32(&peek), reterr));
	while (cgr_cursor_left(body) >= 8)
		CGR_TRY(add_id(trace->perf, cgr_cursor_u64(body), (uint32_t)trace->perf->attrs - 1, reterr));
	return CGR_OK;
}

static int pipe_record(struct cgr_trace *trace, uint32_t type, struct cgr_cursor *body, struct cgr_cursor *cursor,
                       struct cgr_error *reterr)
{
	switch (type) {
	case CGR_PERF_ATTR:
		return pipe_attr(trace, body, reterr);
	case CGR_PERF_FEATURE:
		return feature(trace, (uint32_t)cgr_cursor_u64(body), body, reterr);
	case CGR_PERF_TRACING_DATA: {
		uint32_t size = cgr_cursor_u32(body);
		struct cgr_cursor data = *cursor;
		if (cgr_cursor_bytes(cursor, ((uint64_t)size + 7) & ~7ull) == NULL)
			return cgr_cursor_error(cursor, reterr, "tracing data of %u bytes does not fit: truncated", size);
		data.end = data.position + size;
		return tracing_data(trace, &data, reterr);
	}
	default:
		return CGR_OK;
	}
}

/* Reads the describing records wherever they stand; the source reads the rest. */
static int read_pipe(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr)
{
	trace->perf->pipe = true;
	trace->perf->data_offset = cursor->position;
	trace->perf->data_size = trace->input.size - cursor->position;
	while (cgr_cursor_left(cursor) >= 8) {
		struct cgr_cursor body = *cursor;
		uint32_t type = cgr_cursor_u32(cursor);
		(void)cgr_cursor_u16(cursor);
		uint16_t size = cgr_cursor_u16(cursor);
		if (size < 8 || cgr_cursor_bytes(cursor, size - 8u) == NULL)
			return cgr_cursor_error(&body, reterr, "record %u of %u bytes does not fit: truncated or damaged", type,
			                        size);
		body.end = body.position + size;
		body.position += 8;
		CGR_TRY(pipe_record(trace, type, &body, cursor, reterr));
		if (type == CGR_PERF_AUXTRACE)
			(void)cgr_cursor_bytes(cursor, cgr_cursor_u64(&body));
	}
	return CGR_OK;
}

static bool records_tracepoints(const struct cgr_perf *perf)
{
	for (size_t i = 0; i < perf->attrs; i++)
		if (perf->attr[i].type == 2 && (perf->attr[i].sample_type & CGR_SAMPLE_RAW) != 0)
			return true;
	return false;
}

static int check(const struct cgr_trace *trace, struct cgr_error *reterr)
{
	const struct cgr_perf *perf = trace->perf;
	const char *path = trace->input.path;
	unsigned long long at = perf->attrs_offset; /* what the events are stands there */

	if (perf->attrs == 0)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: the file describes no event", path, at);
	if (!records_tracepoints(perf))
		return cgr_error_set(
		    reterr, CGR_E_INPUT,
		    "%s:%llu: no tracepoint was recorded with its fields: record with perf record -e 'sched:*' -a", path, at);
	for (size_t i = 0; i < perf->attrs; i++)
		if ((perf->attr[i].sample_type & CGR_SAMPLE_TIME) == 0)
			return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: samples carry no time: record with perf record -T",
			                     path, at);
	for (size_t i = 0; i < perf->attrs; i++)
		if ((perf->attr[i].sample_type & CGR_SAMPLE_CPU) == 0)
			return cgr_error_set(reterr, CGR_E_INPUT,
			                     "%s:%llu: samples do not name their CPU: record with perf record -a", path, at);
	return CGR_OK;
}

int cgr_perfdata_read(struct cgr_trace *trace, struct cgr_error *reterr)
{
	struct cgr_cursor cursor;
	uint64_t magic;

	trace->perf = calloc(1, sizeof(*trace->perf));
	if (trace->perf == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	memcpy(&magic, trace->input.data, 8);
	trace->swap = magic != MAGIC;
	trace->long_bytes = 8;
	cgr_cursor_init(&cursor, &trace->input, 0, trace->input.size, trace->swap);
	(void)cgr_cursor_u64(&cursor);
	uint64_t head = cgr_cursor_u64(&cursor);
	tep_set_file_bigendian(trace->tep, trace->swap == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__) ? TEP_BIG_ENDIAN
	                                                                                              : TEP_LITTLE_ENDIAN);
	if (head != 16 && head < 104)
		return cgr_cursor_error(&cursor, reterr, "a head of %llu bytes is out of range", (unsigned long long)head);
	int rc = head == 16 ? read_pipe(trace, &cursor, reterr) : read_file(trace, &cursor, reterr);
	return rc < 0 ? rc : check(trace, reterr);
}
