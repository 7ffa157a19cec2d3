/* An opened trace file, whatever its format: what stands beside the events. Made by tracedat.c (trace.dat 6 and 7,
 * unfinished recordings) and perfdata.c (perf.data); read by import.c. */
#ifndef CGR_PARSER_TRACE_H
#define CGR_PARSER_TRACE_H

#include "common/clockmap.h"
#include "parser/guests.h"
#include "parser/input.h"
#include "parser/timeshift.h"

struct tep_handle; /* libtraceevent's event formats */

enum cgr_compression { CGR_PLAIN, CGR_ZSTD, CGR_ZLIB };

struct cgr_chunk { /* one independently compressed run of pages, or plain pages */
	uint64_t offset; /* of the data in the file */
	uint32_t packed, plain;
};

struct cgr_trace_cpu {
	uint32_t cpu;
	uint64_t offset, size; /* in the file; size 0: no data */
	/* journals of unfinished files name their chunks one by one */
	struct cgr_chunk *chunk;
	size_t chunks, chunk_capacity;
};

struct cgr_trace_buffer {
	char *name; /* "" = top instance */
	char *clock; /* NULL unknown */
	uint32_t page_bytes;
	enum cgr_compression compression;
	struct cgr_trace_cpu *cpu;
	size_t cpus, cpu_capacity;
};

struct cgr_text { /* a JSON or text section, NUL-terminated copy */
	char *text;
	size_t length;
	uint64_t offset; /* file offset of its section, for messages */
};

struct cgr_segment {
	char recording[64]; /* identity of the recording; "" and number 0: not a segment */
	uint32_t number, first; /* its own number, and the one the recording began with */
	uint32_t gap; /* segments missing between this one and the one before */
	uint32_t others; /* of the first: segments of other recordings found beside it */
};

struct cgr_trace {
	struct cgr_input input;
	struct cgr_segment segment;
	struct cgr_trace *later; /* the next segment of the same recording, owned; NULL: the last */
	int version; /* 6, 7; 0 perf.data */
	bool swap; /* byte order is not ours */
	bool unfinished; /* killed recorder; it may have come to no event */
	uint64_t end; /* of what is whole in an unfinished file */
	uint32_t long_bytes, page_bytes;
	uint32_t sub_buffer_bytes; /* of the kernel's header_page; 0 unknown */
	bool old_records; /* no header_page at all: the ring buffer of kernels before 2.6.30 */
	enum cgr_compression compression;
	struct tep_handle *tep;
	struct cgr_trace_buffer *buffer;
	size_t buffers, buffer_capacity;
	uint32_t cpu_count; /* CPUCOUNT or the head */
	char *clock; /* text inside [] of TRACECLOCK, NULL unknown */
	char *uname; /* text of the UNAME option or NULL */
	char *cmdlines; /* "pid comm\n" lines or NULL */
	char *kallsyms; /* text or NULL */
	size_t kallsyms_length;
	int64_t offset_ns; /* added to every time stamp (OFFSET option) */
	uint32_t tsc_mult, tsc_shift; /* TSC2NSEC; mult 0 = none */
	uint64_t tsc_offset;
	struct cgr_time_shift shift; /* a guest's clock to its host's */
	struct cgr_clock_map clock_map; /* our recorder's to CLOCK_MONOTONIC; of the first segment: for all of them */
	struct cgr_guests guests; /* of a host: recorded beside it */
	uint64_t facts, summary; /* file offsets of our own sections, 0 = not there */
	uint64_t *snapshot, *sample, *clock_section;
	size_t snapshots, snapshot_capacity, samples, sample_capacity, clock_sections, clock_section_capacity;
	struct cgr_text *cpustat;
	size_t cpustats, cpustat_capacity;
	struct cgr_perf *perf; /* perf.data: where the records are; NULL otherwise */
};

/* Opens by magic. The handle owns everything. CGR_E_INPUT with file:offset for what is not a trace file we know. */
int cgr_trace_open(const char *path, struct cgr_trace **ret_trace, struct cgr_error *reterr);
/* Same over memory that outlives the trace. */
int cgr_trace_open_memory(const char *path, const void *data, size_t size, struct cgr_trace **ret_trace,
                          struct cgr_error *reterr);
struct cgr_trace *cgr_trace_free(struct cgr_trace *trace);
/* Reads the CLOCK sections of a trace and of all its later segments into its clock_map. */
int cgr_trace_load_clock(struct cgr_trace *trace, struct cgr_error *reterr);

/* ---- used by the format readers ---- */
int cgr_tracedat_read(struct cgr_trace *trace, struct cgr_error *reterr);
int cgr_tracedat_read_6(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr);
int cgr_tracedat_read_7(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr);
/* Steps 1 to 6 of a version 6 head, which perf.data carries too: header_page ... cmdlines. */
int cgr_tracedat_header_info(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr);
int cgr_tracedat_ftrace_formats(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr);
int cgr_tracedat_event_formats(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr);
int cgr_tracedat_kallsyms(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr);
int cgr_tracedat_printk(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr);
int cgr_tracedat_cmdlines(struct cgr_trace *trace, struct cgr_cursor *cursor, struct cgr_error *reterr);
/* One option except BUFFER and section offsets: clock, counts, offsets, uname, statistics. */
int cgr_tracedat_option(struct cgr_trace *trace, uint32_t id, struct cgr_cursor *body, struct cgr_error *reterr);
int cgr_trace_add_buffer(struct cgr_trace *trace, const char *name, struct cgr_trace_buffer **ret_buffer,
                         struct cgr_error *reterr);
int cgr_trace_add_cpu(struct cgr_trace_buffer *buffer, uint32_t cpu, struct cgr_trace_cpu **ret_cpu,
                      struct cgr_error *reterr);
/* Copies what is left of a cursor as text. */
int cgr_trace_text(struct cgr_text *to, const struct cgr_cursor *from, struct cgr_error *reterr);
/* Unpacks the section with its header at offset as text: our JSON sections. Caller frees to->text. */
int cgr_tracedat_section_text(const struct cgr_trace *trace, uint64_t offset, uint32_t id, struct cgr_text *to,
                              struct cgr_error *reterr);

#endif
