/* One record of a trace as it stands in the file, and where records come from. */
#ifndef CGR_PARSER_RECORD_H
#define CGR_PARSER_RECORD_H

#include "parser/trace.h"

enum cgr_record_type {
	CGR_RECORD_EVENT, /* payload: tracepoint record, begins with u16 common_type */
	CGR_RECORD_LOST, /* events were lost on this CPU before time_ns */
	CGR_RECORD_COMM, /* perf: pid/tid has this name */
	CGR_RECORD_FORK, /* perf: side-band fork */
	CGR_RECORD_EXIT, /* perf: side-band exit */
	CGR_RECORD_CGROUP, /* perf: id and path of a cgroup */
};

struct cgr_record {
	uint64_t time; /* of the trace's clock, ns (after TSC and offset options) */
	const uint8_t *payload; /* borrowed until the next record */
	uint32_t length;
	uint32_t cpu;
	uint32_t buffer; /* instance it was recorded in: index into the trace's buffers */
	enum cgr_record_type type;
	bool time_backwards; /* the clock of this CPU went back: time was held */
	bool time_astray; /* the pairs that would tell its time are missing */
	uint64_t lost; /* LOST: number, 0 unknown */
	uint64_t lost_from; /* LOST: time of the last record before the gap */
	uint32_t pid, tid, ppid, ptid; /* side-band records and samples of perf */
	uint64_t cgroup; /* perf sample or CGROUP record: id, else 0 */
	const char *text; /* COMM, CGROUP */
};

/* A source gives records in the one total order (time, cpu, sequence). */
struct cgr_source {
	int (*next)(struct cgr_source *self, struct cgr_record *ret_record, struct cgr_error *reterr); /* 1, 0 end, < 0 */
	/* For messages about the record handed out last: the file it is from, and its offset or that of the chunk it was
	 * packed in. */
	const struct cgr_trace *(*where)(const struct cgr_source *self, const struct cgr_record *record,
	                                 uint64_t *ret_offset);
	struct cgr_source *(*free)(struct cgr_source *self);
	uint64_t total_bytes, done_bytes; /* for progress */
};

/* Merge of all CPUs of all buffers of a trace.dat. buffer_mask: which buffers (bit i), up to 64; 0 = all. */
int cgr_source_ring_new(const struct cgr_trace *trace, uint64_t buffer_mask, struct cgr_source **ret_source,
                        struct cgr_error *reterr);
int cgr_source_perf_new(const struct cgr_trace *trace, struct cgr_source **ret_source, struct cgr_error *reterr);

#endif
