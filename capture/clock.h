/* The clock of the ring. Where the kernel makes its own time of the time stamp counter, events are stamped with the
 * bare counter: reading it costs a fifth of what reading CLOCK_MONOTONIC costs, and is as true on all CPUs, since that
 * is the same counter times a factor. Pairs of both, read together here, bring the times back (common/clockmap.h). */
#ifndef CGR_CAPTURE_CLOCK_H
#define CGR_CAPTURE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/journal.h"
#include "common/error.h"
#include "common/tracedat.h"

struct cgr_clock_pair {
	uint64_t count;
	int64_t mono_ns;
};

/* What is read. */
struct cgr_clock_reader {
	uint64_t (*count)(void *context);
	int64_t (*mono_ns)(void *context);
	int64_t (*boot_ns)(void *context); /* CLOCK_BOOTTIME: goes on while the machine is suspended */
	bool (*is_kernels)(void *context); /* whether the kernel makes its time of the counter */
	void *context;
};

struct cgr_clock {
	const struct cgr_clock_reader *reader; /* NULL: of this machine */
	const char *name; /* for trace_clock */
	bool counts; /* it is the bare counter: pairs are needed */
	struct cgr_clock_pair first; /* since the counter began */
	struct cgr_clock_pair *pair; /* those not written yet, and those of the second before */
	size_t pairs, capacity;
	int64_t written_ns; /* the last of those that are written */
	int64_t slept_ns; /* the machine, since it was started, as of the last pair */
	unsigned suspends, restarts; /* seen between two pairs; by the latter the counter began anew */
	bool given_up; /* the kernel no longer makes its time of the counter */
};

/* What may befall it: several of them may. */
enum cgr_clock_trouble { CGR_CLOCK_GIVEN_UP, CGR_CLOCK_RESTARTED, CGR_CLOCK_SUSPENDED, CGR_CLOCK_TROUBLES };

/* Which clock this machine's ring is to have. */
void cgr_clock_choose(struct cgr_clock *clock, const char *tracefs);
/* Reads a pair. A CLOCK section can stand for itself from the second one on. */
void cgr_clock_look(struct cgr_clock *clock);
/* Whether the counter is the kernel's clock still; what is to be said of that trouble with the recording's times, NULL:
 * nothing. */
const char *cgr_clock_check(struct cgr_clock *clock, enum cgr_clock_trouble trouble);
/* To be called often: reads a pair now and then. True: a section is due. */
bool cgr_clock_tick(struct cgr_clock *clock);
/* The body of a CLOCK section. */
void cgr_clock_body(const struct cgr_clock *clock, struct cgr_td_bytes *body);
/* Writes one, where the clock needs it: of what was not written yet and of the second before. */
int cgr_clock_write(const struct cgr_clock *clock, struct cgr_journal *journal, struct cgr_error *reterr);
/* What was read so far is written. */
void cgr_clock_written(struct cgr_clock *clock);
/* TSC2NSEC and OFFSET: a single line through the whole recording, or what came since the counter began anew, for
 * readers that do not know our sections. */
void cgr_clock_options(const struct cgr_clock *clock, struct cgr_td_bytes *options);
void cgr_clock_fini(struct cgr_clock *clock);

#endif
