/* The flight recorder: the last SIZE bytes of a recording in memory, and what makes it worth writing. */
#ifndef CGR_CAPTURE_FLIGHT_H
#define CGR_CAPTURE_FLIGHT_H

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "capture/clock.h"
#include "capture/journal.h"
#include "common/error.h"

struct cgr_flight_item {
	uint16_t id; /* CGR_TD_JOURNAL: a chunk; else the body of that section */
	uint32_t cpu;
	uint32_t length, plain_bytes;
	int64_t added_ns;
	uint8_t *data;
};

struct cgr_flight {
	pthread_mutex_t lock;
	struct cgr_flight_item *item; /* circular */
	size_t first, count, capacity;
	struct cgr_flight_item base; /* the newest snapshot that had to go: used when no later one is left */
	uint64_t bytes, limit_bytes;
	uint64_t evicted;
};
void cgr_flight_init(struct cgr_flight *flight, uint64_t limit_bytes);
void cgr_flight_fini(struct cgr_flight *flight);
/* Copies; the oldest items go when the limit is passed. Thread-safe. */
int cgr_flight_chunk(struct cgr_flight *flight, uint32_t cpu, const void *frame, uint32_t compressed_bytes,
                     uint32_t plain_bytes, struct cgr_error *reterr);
/* The body of a section, copied; and one of JSON (reference taken over), e.g. samples. Thread-safe. */
int cgr_flight_section(struct cgr_flight *flight, uint16_t id, const void *body, size_t length,
                       struct cgr_error *reterr);
int cgr_flight_json(struct cgr_flight *flight, uint16_t id, json_t *json, struct cgr_error *reterr);
/* CLOCK_MONOTONIC of the first event that cgr_flight_dump would write, by the pairs of clocks that are kept and those
 * that `clock` has still; 0 when it is not known. */
int64_t cgr_flight_start_ns(struct cgr_flight *flight, const struct cgr_clock *clock);
/* The snapshot it would write; NULL when there is none. New reference. */
json_t *cgr_flight_snapshot(struct cgr_flight *flight);
/* Writes what is kept, with one snapshot near its start. */
int cgr_flight_dump(struct cgr_flight *flight, struct cgr_journal *journal, struct cgr_error *reterr);

enum cgr_trigger_kind {
	CGR_TRIGGER_NONE,
	CGR_TRIGGER_OOM,
	CGR_TRIGGER_THROTTLE,
	CGR_TRIGGER_COUNTER,
	CGR_TRIGGER_SIGNAL
};

/* "oom", "throttle", "throttle=20" (percent of time), "signal", or COUNTER>VALUE, COUNTER>=VALUE, COUNTER<VALUE over
 * canonical counter names, e.g. "memory.current>500M"; of times in usec also "cpu.pressure.some_usec>5s". */
struct cgr_trigger {
	enum cgr_trigger_kind kind;
	char counter[96];
	char compare; /* '>', 'g' (>=), '<' */
	int64_t value;
	json_t *before; /* path -> last value and its time */
	int64_t first_ns, round_ns; /* samples: the first, the one that comes in */
	_Atomic int64_t last_round_ns; /* the one before, all of which has come in */
	int64_t oom_kills; /* of the whole machine, -1 not read yet */
	int64_t oom_seen_ns; /* when they were first seen to have grown, 0 not */
	atomic_bool hit;
	char what[256]; /* the cgroup and value that pulled it */
};
int cgr_trigger_parse(struct cgr_trigger *trigger, const char *text, struct cgr_error *reterr);
/* counters: an object with the names of all that are sampled here. A name that is none of them, but near to one, is a
 * slip of the pen that would wait for ever: CGR_E_USAGE. *ret_unknown: it is none, and near to none. */
int cgr_trigger_check(const struct cgr_trigger *trigger, json_t *counters, bool *ret_unknown, struct cgr_error *reterr);
void cgr_trigger_fini(struct cgr_trigger *trigger);
/* Until oom: a cgroup may be gone before its counter is read; the machine's counter tells that there was a kill. To be
 * called now and then, by another thread than cgr_trigger_watch; the cgroup's own counter has a whole sample to come
 * first. */
void cgr_trigger_poll(struct cgr_trigger *trigger, int64_t mono_ns);
/* Sees one sample of one cgroup; signature of cgr_sampler.watch. */
void cgr_trigger_watch(void *trigger, int64_t mono_ns, const char *path, const json_t *counters);

#endif
