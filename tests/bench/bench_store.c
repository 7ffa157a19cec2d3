/* Speed and size of the event store on synthetic scheduler events, without a parser in front: writing with rows,
 * writing lean, reading the packed stream back, on one machine in one run.
 *
 * usage: bench_store [MILLION_EVENTS] [FOLDER]
 *        bench_store --read STORE [RUNS]   the stream of a store alone, from opening it to its last event, timed RUNS
 *                                          times (9): events, seconds (median, least, most); seconds of opening the
 *                                          store with its tables of cgroups, tasks and counters (median) */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../unit/store_synthetic.h"
#include "store/stream.h"

#define RUNS_MAX 101u

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static long resident_mib(void)
{
	struct rusage usage;

	(void)getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss / 1024;
}

static int fail(const struct cgr_error *err)
{
	char text[1000];

	cgr_error_format(err, text, sizeof(text));
	fprintf(stderr, "bench_store: %s\n", text);
	return 1;
}

/* Events are made beforehand in a ring that is written again and again with later times, so that making them does
 * not count. */
#define RING 1000000u
static struct cgr_event *ring;
static size_t ring_count;
static uint64_t ring_ns;

static int make_ring(void)
{
	struct synthetic s;

	ring = cgr_calloc(RING + 4, sizeof(*ring));
	if (ring == NULL)
		return 1;
	synthetic_init(&s, 1, true);
	while (ring_count < RING)
		ring_count += synthetic_step(&s, ring + ring_count);
	ring_ns = ring[ring_count - 1].ts_ns + 1000;
	return 0;
}

static int append(struct cgr_writer *w, uint64_t events, struct cgr_error *err)
{
	struct cgr_event batch[4096];
	uint64_t shift = 0;

	for (uint64_t done = 0; done < events;) {
		size_t at = (size_t)(done % ring_count), n = CGR_MIN(CGR_ARRAY_SIZE(batch), ring_count - at);

		if (at == 0 && done > 0)
			shift += ring_ns;
		memcpy(batch, ring + at, n * sizeof(*batch));
		for (size_t i = 0; i < n; i++)
			batch[i].ts_ns += shift;
		CGR_TRY(cgr_writer_append(w, batch, n, err));
		done += n;
	}
	return 0;
}

static int write_store(const char *path, unsigned flags, uint64_t events, struct cgr_error *err)
{
	struct cgr_writer *w = NULL;
	int rc = cgr_writer_new(path, flags, &w, err);

	if (rc == 0)
		rc = synthetic_tables(w, err);
	if (rc == 0)
		rc = append(w, events, err);
	if (rc == 0)
		rc = cgr_writer_commit(w, err);
	(void)cgr_writer_free(w);
	return rc;
}

static int read_stream(const struct cgr_store *store, uint64_t kinds, uint64_t *ret_events, uint64_t *ret_sum,
                       struct cgr_error *err)
{
	struct cgr_stream *stream = NULL;
	const struct cgr_event *events;
	size_t count;
	int rc = cgr_stream_open(store, 0, kinds, &stream, err);

	*ret_events = *ret_sum = 0;
	while (rc == 0 && (rc = cgr_stream_next(stream, &events, &count, err)) == 1) {
		*ret_events += count;
		for (size_t i = 0; i < count; i++)
			*ret_sum += events[i].c + events[i].cpu;
		rc = 0;
	}
	(void)cgr_stream_free(stream);
	return rc;
}

static int read_store(const char *path, uint64_t kinds, uint64_t *ret_events, uint64_t *ret_sum, struct cgr_error *err)
{
	struct cgr_store *store = NULL;
	int rc = cgr_store_open(path, &store, err);

	if (rc == 0)
		rc = read_stream(store, kinds, ret_events, ret_sum, err);
	(void)cgr_store_free(store);
	return rc;
}

static double size_of(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 ? (double)st.st_size : 0;
}

static int bench(const char *path, uint64_t events, struct cgr_error *err)
{
	double start = now(), cpu = cpu_seconds(), rows, lean, full_bytes, lean_bytes;
	uint64_t read, sum;

	CGR_TRY(write_store(path, 0, events, err));
	rows = now() - start;
	full_bytes = size_of(path);
	printf("write, rows and stream  %6.2f M events/s  %5.1f bytes/event  %4.0f ns of CPU time/event\n",
	       (double)events / rows / 1e6, full_bytes / (double)events, (cpu_seconds() - cpu) * 1e9 / (double)events);
	start = now();
	cpu = cpu_seconds();
	CGR_TRY(write_store(path, CGR_WRITER_LEAN, events, err));
	lean = now() - start;
	lean_bytes = size_of(path);
	printf("write, lean             %6.2f M events/s  %5.1f bytes/event  %4.0f ns of CPU time/event\n",
	       (double)events / lean / 1e6, lean_bytes / (double)events, (cpu_seconds() - cpu) * 1e9 / (double)events);
	printf("rows alone                                %5.1f bytes/event\n", (full_bytes - lean_bytes) / (double)events);
	for (unsigned i = 0; i < 3; i++) {
		start = now();
		CGR_TRY(read_store(path, 0, &read, &sum, err));
		printf("read the stream         %6.2f M events/s\n", (double)read / (now() - start) / 1e6);
	}
	start = now();
	CGR_TRY(read_store(path, 1ull << CGR_EV_WAKING, &read, &sum, err));
	printf("read, one kind of six   %6.2f M events/s passed (%llu delivered)\n", (double)events / (now() - start) / 1e6,
	       (unsigned long long)read);
	printf("most memory             %ld MiB\n", resident_mib());
	return 0;
}

static int by_value(const void *a, const void *b)
{
	double left = *(const double *)a, right = *(const double *)b;

	return (left > right) - (left < right);
}

static int bench_read(const char *path, size_t runs, struct cgr_error *err)
{
	double wall[RUNS_MAX], opening[RUNS_MAX];
	uint64_t read = 0, sum;

	for (size_t i = 0; i < runs; i++) {
		struct cgr_store *store = NULL;
		double start = now(), opened;
		int rc = cgr_store_open(path, &store, err);

		opened = now();
		if (rc == 0)
			rc = read_stream(store, 0, &read, &sum, err);
		wall[i] = now() - opened;
		opening[i] = opened - start;
		(void)cgr_store_free(store);
		CGR_TRY(rc);
	}
	qsort(wall, runs, sizeof(*wall), by_value);
	qsort(opening, runs, sizeof(*opening), by_value);
	printf("%llu %.4f %.4f %.4f %.4f\n", (unsigned long long)read, wall[runs / 2], wall[0], wall[runs - 1],
	       opening[runs / 2]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && strcmp(argv[1], "--read") == 0) {
		size_t runs = argc > 3 ? strtoull(argv[3], NULL, 10) : 9;
		struct cgr_error read_err = { 0 };

		if (runs == 0 || runs > RUNS_MAX)
			return 2;
		return bench_read(argv[2], runs, &read_err) == 0 ? 0 : fail(&read_err);
	}
	uint64_t events = (argc > 1 ? strtoull(argv[1], NULL, 10) : 4) * 1000000;
	struct cgr_error err = { 0 };
	char path[300];
	int rc;

	if (events == 0 || make_ring() != 0)
		return 2;
	(void)snprintf(path, sizeof(path), "%s/bench-store-%d.db", argc > 2 ? argv[2] : "/tmp", (int)getpid());
	rc = bench(path, events, &err);
	(void)unlink(path);
	free(ring);
	return rc == 0 ? 0 : fail(&err);
}
