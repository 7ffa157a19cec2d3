/* One thread per CPU that empties the kernel's ring, compresses and hands on. */
#ifndef CGR_CAPTURE_RING_H
#define CGR_CAPTURE_RING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "capture/instance.h"
#include "capture/kinds.h"
#include "common/error.h"

/* Where compressed chunks go: the journal, or the memory of the flight recorder. Called from reader threads. */
struct cgr_sink {
	int (*chunk)(void *context, uint32_t cpu, const void *frame, uint32_t compressed_bytes, uint32_t plain_bytes,
	             struct cgr_error *reterr);
	void *context;
};

struct cgr_ring_stats {
	uint64_t pages, plain_bytes, compressed_bytes, wakeups;
};

struct cgr_ring_reader {
	uint32_t cpu;
	int fd;
	uint32_t page_bytes;
	const struct cgr_sink *sink;
	atomic_bool *stop;
	atomic_int *failed; /* set to the code of the first reader that fails */
	pthread_t thread;
	bool started;
	atomic_int tid;
	int wake_fd; /* eventfd: look at `wanted` */
	atomic_uint wanted, flushed; /* numbers of the last flush asked for, and done */
	pthread_mutex_t lock; /* of stats and kinds */
	struct cgr_ring_stats stats;
	struct cgr_kinds kinds; /* in the first page of each chunk */
	struct cgr_error error;
};

struct cgr_ring {
	struct cgr_ring_reader *reader;
	uint32_t count;
	atomic_bool stop;
	atomic_int failed;
	struct cgr_sink sink;
};

/* Opens per_cpu/cpuN/trace_pipe_raw of every CPU. */
int cgr_ring_open(struct cgr_ring *ring, const struct cgr_instance *instance, struct cgr_sink sink,
                  struct cgr_error *reterr);
int cgr_ring_start(struct cgr_ring *ring, struct cgr_error *reterr);
/* What is in the rings now goes to the sink; waits for it, but not longer than timeout_ms. */
void cgr_ring_flush(struct cgr_ring *ring, int timeout_ms);
/* Whether all that was in the ring when cgr_ring_flush was called last has reached the sink, or a reader failed. */
bool cgr_ring_is_flushed(const struct cgr_ring *ring);
/* Of a running reader. */
struct cgr_ring_stats cgr_ring_stats(struct cgr_ring_reader *reader);
/* Adds what the readers saw to *kinds. */
void cgr_ring_kinds(struct cgr_ring *ring, struct cgr_kinds *kinds);
/* After tracing was switched off: drains to the last event, joins. The first error of a reader, or 0. */
int cgr_ring_stop(struct cgr_ring *ring, struct cgr_error *reterr);
void cgr_ring_close(struct cgr_ring *ring);

#endif
