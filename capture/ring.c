#include "capture/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <zstd.h>

#include "common/limits.h"
#include "common/util.h"

/* Pages per compressed chunk: 256 KiB compress nearly as well as more, and bound memory per CPU. */
#define CHUNK_PAGES 64u
/* 1.0 GB/s and 13:1 on memory events, where level 1 makes 0.77 GB/s and 15:1: what it takes is taken from the machine
 * under observation. */
#define ZSTD_LEVEL -1
/* What is in the ring reaches the disk at least this often: it is what SIGKILL can cost. */
#define FLUSH_MS 500
#define FIRST_FLUSH_MS 10

static int open_reader(struct cgr_ring_reader *reader, const struct cgr_instance *instance, uint32_t cpu,
                       struct cgr_error *reterr)
{
	char path[640];

	(void)snprintf(path, sizeof(path), "%s/per_cpu/cpu%u/trace_pipe_raw", instance->dir, cpu);
	reader->cpu = cpu;
	reader->page_bytes = instance->page_bytes;
	reader->fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (reader->fd < 0)
		return cgr_error_errno(reterr, CGR_E_UNAVAILABLE, "%s: cannot open", path);
	reader->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (reader->wake_fd < 0)
		return cgr_error_errno(reterr, CGR_E_INTERNAL, "CPU %u: no eventfd for its reader", cpu);
	return 0;
}

/* The ring has a directory for every possible CPU, also for those that come online later. */
static long ring_cpus(const struct cgr_instance *instance)
{
	char path[640];
	long cpus = 0;

	do {
		(void)snprintf(path, sizeof(path), "%s/per_cpu/cpu%ld", instance->dir, cpus);
	} while (access(path, F_OK) == 0 && ++cpus <= (long)CGR_LIMIT_CPUS);
	return cpus;
}

int cgr_ring_open(struct cgr_ring *ring, const struct cgr_instance *instance, struct cgr_sink sink,
                  struct cgr_error *reterr)
{
	long cpus = ring_cpus(instance);

	*ring = (struct cgr_ring){ .sink = sink };
	if (cpus < 1 || cpus > (long)CGR_LIMIT_CPUS)
		return cgr_error_set(reterr, CGR_E_LIMIT, "%ld CPUs", cpus);
	ring->reader = cgr_calloc((size_t)cpus, sizeof(*ring->reader));
	if (ring->reader == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for %ld readers", cpus);
	for (uint32_t i = 0; i < (uint32_t)cpus; i++) {
		struct cgr_ring_reader *reader = &ring->reader[i];
		reader->fd = reader->wake_fd = -1;
		(void)pthread_mutex_init(&reader->lock, NULL);
		reader->sink = &ring->sink;
		reader->stop = &ring->stop;
		reader->failed = &ring->failed;
		ring->count = i + 1;
		int rc = open_reader(reader, instance, i, reterr);
		if (rc < 0) {
			cgr_ring_close(ring);
			return rc;
		}
	}
	return 0;
}

struct buffers {
	ZSTD_CCtx *zstd;
	uint8_t *plain, *packed;
	size_t plain_bytes, packed_capacity;
};

static int flush(struct cgr_ring_reader *reader, struct buffers *b)
{
	if (b->plain_bytes == 0)
		return 0;
	size_t got = ZSTD_compressCCtx(b->zstd, b->packed, b->packed_capacity, b->plain, b->plain_bytes, ZSTD_LEVEL);
	if (ZSTD_isError(got))
		return cgr_error_set(&reader->error, CGR_E_INTERNAL, "CPU %u: zstd: %s", reader->cpu, ZSTD_getErrorName(got));
	CGR_TRY(reader->sink->chunk(reader->sink->context, reader->cpu, b->packed, (uint32_t)got, (uint32_t)b->plain_bytes,
	                            &reader->error));
	(void)pthread_mutex_lock(&reader->lock);
	reader->stats.pages += b->plain_bytes / reader->page_bytes;
	reader->stats.plain_bytes += b->plain_bytes;
	reader->stats.compressed_bytes += got;
	cgr_kinds_count(&reader->kinds, b->plain, reader->page_bytes);
	(void)pthread_mutex_unlock(&reader->lock);
	b->plain_bytes = 0;
	return 0;
}

/* Reads until the ring is empty. Returns 0, or a negative code. */
static int drain(struct cgr_ring_reader *reader, struct buffers *b)
{
	for (;;) {
		uint8_t *page = b->plain + b->plain_bytes;
		ssize_t got = read(reader->fd, page, reader->page_bytes);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && (errno == EAGAIN || errno == ENODEV)) /* empty; CPU gone */
			return 0;
		if (got < 0)
			return cgr_error_errno(&reader->error, CGR_E_IO, "CPU %u: reading the ring", reader->cpu);
		if (got == 0)
			return 0;
		/* a part-filled page comes short: the rest is padding */
		memset(page + got, 0, reader->page_bytes - (size_t)got);
		b->plain_bytes += reader->page_bytes;
		if (b->plain_bytes >= (size_t)CHUNK_PAGES * reader->page_bytes)
			CGR_TRY(flush(reader, b));
	}
}

/* Until the ring wakes us, somebody wants a flush, or the time is over. */
static unsigned wait_for_events(struct cgr_ring_reader *reader, int wait_ms)
{
	struct pollfd wait[2] = { { .fd = reader->fd, .events = POLLIN }, { .fd = reader->wake_fd, .events = POLLIN } };
	uint64_t woken;

	/* a CPU that never was online has no ring: its file is in error at once, and would make us spin */
	if (poll(wait, 2, wait_ms) > 0 && (wait[0].revents & (POLLERR | POLLNVAL)) != 0)
		(void)poll(&wait[1], 1, wait_ms);
	(void)!read(reader->wake_fd, &woken, sizeof(woken));
	(void)pthread_mutex_lock(&reader->lock);
	reader->stats.wakeups++;
	(void)pthread_mutex_unlock(&reader->lock);
	return atomic_load(&reader->wanted);
}

static int read_loop(struct cgr_ring_reader *reader, struct buffers *b)
{
	int wait_ms = FIRST_FLUSH_MS; /* a recorder killed in its first second leaves events, too */

	for (;;) {
		bool last = atomic_load(reader->stop);
		unsigned wanted = atomic_load(&reader->wanted);
		if (!last) {
			wanted = wait_for_events(reader, wait_ms);
			wait_ms = CGR_MIN(wait_ms * 2, FLUSH_MS);
		}
		CGR_TRY(drain(reader, b));
		CGR_TRY(flush(reader, b));
		atomic_store(&reader->flushed, wanted);
		if (last)
			return 0;
	}
}

static void *reader_main(void *context)
{
	struct cgr_ring_reader *reader = context;
	size_t plain = (size_t)CHUNK_PAGES * reader->page_bytes;
	struct buffers b = { .zstd = ZSTD_createCCtx(),
		                 .plain = malloc(plain),
		                 .packed_capacity = ZSTD_compressBound(plain) };
	char name[16];
	int expected = 0;

	atomic_store(&reader->tid, (int)syscall(SYS_gettid));
	(void)snprintf(name, sizeof(name), "cgr-ring/%u", reader->cpu);
	(void)pthread_setname_np(pthread_self(), name);
	b.packed = malloc(b.packed_capacity);
	int rc = b.zstd == NULL || b.plain == NULL || b.packed == NULL
	             ? cgr_error_set(&reader->error, CGR_E_NOMEM, "CPU %u: no memory to read the ring", reader->cpu)
	             : read_loop(reader, &b);
	if (rc < 0)
		(void)atomic_compare_exchange_strong(reader->failed, &expected, rc);
	(void)ZSTD_freeCCtx(b.zstd);
	free(b.plain);
	free(b.packed);
	return NULL;
}

int cgr_ring_start(struct cgr_ring *ring, struct cgr_error *reterr)
{
	sigset_t all, before;
	int rc = 0;

	/* signals are the main thread's business */
	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, &before);
	for (uint32_t i = 0; i < ring->count && rc == 0; i++) {
		errno = pthread_create(&ring->reader[i].thread, NULL, reader_main, &ring->reader[i]);
		ring->reader[i].started = errno == 0;
		if (errno != 0)
			rc = cgr_error_errno(reterr, CGR_E_INTERNAL, "cannot start the reader of CPU %u", i);
	}
	(void)pthread_sigmask(SIG_SETMASK, &before, NULL);
	return rc;
}

static void wake(struct cgr_ring_reader *reader)
{
	const uint64_t one = 1;

	(void)!write(reader->wake_fd, &one, sizeof(one));
}

void cgr_ring_flush(struct cgr_ring *ring, int timeout_ms)
{
	for (uint32_t i = 0; i < ring->count; i++) {
		atomic_fetch_add(&ring->reader[i].wanted, 1);
		wake(&ring->reader[i]);
	}
	for (uint32_t i = 0; i < ring->count && timeout_ms > 0;) {
		struct cgr_ring_reader *reader = &ring->reader[i];
		if (atomic_load(&reader->flushed) == atomic_load(&reader->wanted) || atomic_load(reader->failed) != 0) {
			i++;
			continue;
		}
		(void)poll(NULL, 0, 1);
		timeout_ms--;
	}
}

bool cgr_ring_is_flushed(const struct cgr_ring *ring)
{
	for (uint32_t i = 0; i < ring->count && atomic_load(&ring->failed) == 0; i++)
		if (ring->reader[i].started && atomic_load(&ring->reader[i].flushed) != atomic_load(&ring->reader[i].wanted))
			return false;
	return true;
}

struct cgr_ring_stats cgr_ring_stats(struct cgr_ring_reader *reader)
{
	(void)pthread_mutex_lock(&reader->lock);
	struct cgr_ring_stats stats = reader->stats;
	(void)pthread_mutex_unlock(&reader->lock);
	return stats;
}

void cgr_ring_kinds(struct cgr_ring *ring, struct cgr_kinds *kinds)
{
	for (uint32_t i = 0; i < ring->count; i++) {
		struct cgr_ring_reader *reader = &ring->reader[i];
		(void)pthread_mutex_lock(&reader->lock);
		for (size_t id = 0; id < CGR_KINDS; id++)
			kinds->seen[id] += reader->kinds.seen[id];
		(void)pthread_mutex_unlock(&reader->lock);
	}
}

int cgr_ring_stop(struct cgr_ring *ring, struct cgr_error *reterr)
{
	int rc = 0;

	atomic_store(&ring->stop, true);
	for (uint32_t i = 0; i < ring->count; i++)
		if (ring->reader[i].started)
			wake(&ring->reader[i]);
	for (uint32_t i = 0; i < ring->count; i++) {
		struct cgr_ring_reader *reader = &ring->reader[i];
		if (!reader->started)
			continue;
		(void)pthread_join(reader->thread, NULL);
		reader->started = false;
		if (reader->error.code != 0 && rc == 0) {
			rc = reader->error.code;
			if (reterr != NULL)
				*reterr = reader->error;
		}
	}
	return rc;
}

void cgr_ring_close(struct cgr_ring *ring)
{
	(void)cgr_ring_stop(ring, NULL);
	for (uint32_t i = 0; i < ring->count; i++) {
		if (ring->reader[i].fd >= 0)
			(void)close(ring->reader[i].fd);
		if (ring->reader[i].wake_fd >= 0)
			(void)close(ring->reader[i].wake_fd);
		(void)pthread_mutex_destroy(&ring->reader[i].lock);
	}
	free(ring->reader);
	ring->reader = NULL;
	ring->count = 0;
}
