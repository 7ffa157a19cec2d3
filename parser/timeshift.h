/* TIME_SHIFT of a guest's trace.dat: corrections that bring its clock to that of the host, measured during the
 * recording by trace-cmd, per CPU and over time. */
#ifndef CGR_PARSER_TIMESHIFT_H
#define CGR_PARSER_TIMESHIFT_H

#include "parser/input.h"

struct cgr_shift_sample {
	int64_t time, offset; /* guest clock when it was measured; to be added */
	uint64_t scaling; /* ratio << fraction */
	uint32_t fraction;
};

struct cgr_shift_cpu {
	struct cgr_shift_sample *sample; /* by time, ascending, no two equal */
	size_t samples;
};

struct cgr_time_shift {
	bool interpolate; /* between two samples; else the earlier one holds */
	struct cgr_shift_cpu *cpu;
	size_t cpus; /* 0: no correction */
};

/* Reads the body of the option. What it held before is freed. */
int cgr_time_shift_read(struct cgr_time_shift *shift, struct cgr_cursor *body, struct cgr_error *reterr);
void cgr_time_shift_fini(struct cgr_time_shift *shift); /* legal on a zeroed one */
/* The host's time of a raw guest time stamp of a CPU (before TSC2NSEC and OFFSET). */
uint64_t cgr_time_shift_apply(const struct cgr_time_shift *shift, uint32_t cpu, uint64_t stamp);

#endif
