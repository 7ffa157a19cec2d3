/* perf.data: file and pipe mode, plain and compressed, both byte orders. */
#ifndef CGR_PARSER_PERFDATA_H
#define CGR_PARSER_PERFDATA_H

#include "common/event.h"
#include "common/util.h"
#include "parser/trace.h"

/* enum perf_event_type and perf_user_event_type, the ones we look into */
enum cgr_perf_type {
	CGR_PERF_LOST = 2,
	CGR_PERF_COMM = 3,
	CGR_PERF_EXIT = 4,
	CGR_PERF_FORK = 7,
	CGR_PERF_SAMPLE = 9,
	CGR_PERF_LOST_SAMPLES = 13,
	CGR_PERF_CGROUP = 19,
	CGR_PERF_ATTR = 64,
	CGR_PERF_TRACING_DATA = 66,
	CGR_PERF_FINISHED_ROUND = 68,
	CGR_PERF_AUXTRACE = 71,
	CGR_PERF_FEATURE = 80,
	CGR_PERF_COMPRESSED = 81,
	CGR_PERF_COMPRESSED2 = 83,
};

/* perf_event_attr.sample_type */
enum {
	CGR_SAMPLE_IP = 1u << 0,
	CGR_SAMPLE_TID = 1u << 1,
	CGR_SAMPLE_TIME = 1u << 2,
	CGR_SAMPLE_ADDR = 1u << 3,
	CGR_SAMPLE_READ = 1u << 4,
	CGR_SAMPLE_CALLCHAIN = 1u << 5,
	CGR_SAMPLE_ID = 1u << 6,
	CGR_SAMPLE_CPU = 1u << 7,
	CGR_SAMPLE_PERIOD = 1u << 8,
	CGR_SAMPLE_STREAM_ID = 1u << 9,
	CGR_SAMPLE_RAW = 1u << 10,
	CGR_SAMPLE_BRANCH_STACK = 1u << 11,
	CGR_SAMPLE_REGS_USER = 1u << 12,
	CGR_SAMPLE_STACK_USER = 1u << 13,
	CGR_SAMPLE_WEIGHT = 1u << 14,
	CGR_SAMPLE_DATA_SRC = 1u << 15,
	CGR_SAMPLE_IDENTIFIER = 1u << 16,
	CGR_SAMPLE_TRANSACTION = 1u << 17,
	CGR_SAMPLE_REGS_INTR = 1u << 18,
	CGR_SAMPLE_PHYS_ADDR = 1u << 19,
	CGR_SAMPLE_CGROUP = 1u << 21,
	CGR_SAMPLE_WEIGHT_STRUCT = 1u << 24,
};

struct cgr_perf_attr {
	uint32_t type;
	uint64_t config, sample_type, read_format, branch_sample_type, regs_user, regs_intr;
	uint32_t fixed_bytes; /* of a sample, from IDENTIFIER to PERIOD */
	bool sample_id_all, use_clockid;
	int32_t clockid;
};

struct cgr_perf {
	struct cgr_perf_attr *attr;
	size_t attrs, attr_capacity;
	struct cgr_intern ids; /* event id -> dense -> attr_of */
	uint32_t *attr_of;
	size_t attr_of_capacity;
	uint64_t data_offset, data_size;
	uint64_t attrs_offset; /* of the table of events; in a pipe of the head they follow */
	bool pipe;
};

bool cgr_perfdata_probe(const struct cgr_input *input);
int cgr_perfdata_read(struct cgr_trace *trace, struct cgr_error *reterr);
struct cgr_perf *cgr_perfdata_free(struct cgr_perf *perf);
/* The attr of a sample's id; the first when ids are not recorded; NULL unknown. */
const struct cgr_perf_attr *cgr_perf_attr_of(const struct cgr_perf *perf, uint64_t id);

#endif
