/* How much faster than real time recordings are replayed: one seed on one CPU, the start of the process included, as
 * somebody at a terminal waits for it.
 *
 * usage: bench_replay CGREPLAY RUNS STORE...
 * The fastest of RUNS runs counts (other work on the machine only makes it longer): milliseconds, times real time,
 * recorded switches per second, the process's peak (pages of the programs' file that the kernel keeps count in it). */
#include <fcntl.h>
#include <sched.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "store/stream.h"

#define WANTED 100.0 /* times real time */

extern char **environ;

struct figures {
	double duration_s, best_s;
	uint64_t events, switches;
	long peak_kib;
};

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int read_store(const char *path, struct figures *f, struct cgr_error *err)
{
	struct cgr_store *store = NULL;
	struct cgr_stream *stream = NULL;
	const struct cgr_event *events;
	size_t count;
	int rc = cgr_store_open(path, &store, err);

	if (rc < 0)
		return rc;
	f->duration_s = (double)cgr_store_borrow_info(store)->duration_ns / 1e9;
	f->events = cgr_store_borrow_info(store)->events;
	rc = cgr_stream_open(store, 0, 1ull << CGR_EV_SWITCH, &stream, err);
	while (rc >= 0 && (rc = cgr_stream_next(stream, &events, &count, err)) == 1)
		f->switches += count;
	(void)cgr_stream_free(stream);
	(void)cgr_store_free(store);
	return rc;
}

static bool run_once(char *program, char *path, struct figures *f)
{
	char *argv[] = { program, "replay", path,      "--seeds",  "1",    "--no-fidelity",
		             "-j",    "1",      "--quiet", "--format", "json", NULL };
	posix_spawn_file_actions_t actions;
	struct rusage usage;
	double start = now();
	int status;
	pid_t pid;

	(void)posix_spawn_file_actions_init(&actions);
	(void)posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
	if (posix_spawn(&pid, program, &actions, NULL, argv, environ) != 0 || wait4(pid, &status, 0, &usage) != pid)
		status = -1;
	(void)posix_spawn_file_actions_destroy(&actions);
	if (status != 0)
		return false;
	if (f->best_s == 0 || now() - start < f->best_s)
		f->best_s = now() - start;
	f->peak_kib = usage.ru_maxrss > f->peak_kib ? usage.ru_maxrss : f->peak_kib;
	return true;
}

/* To the CPU it is on now, and the children with it. */
static void stay_on_one_cpu(void)
{
	cpu_set_t one;
	int cpu = sched_getcpu();

	CPU_ZERO(&one);
	CPU_SET((unsigned)(cpu < 0 ? 0 : cpu), &one);
	(void)sched_setaffinity(0, sizeof(one), &one);
}

int main(int argc, char **argv)
{
	int runs = argc > 2 ? atoi(argv[2]) : 0, fast = 0;

	if (argc < 4 || runs < 1) {
		fprintf(stderr, "usage: bench_replay CGREPLAY RUNS STORE...\n");
		return 2;
	}
	stay_on_one_cpu();
	for (int i = 3; i < argc; i++) {
		struct figures f = { 0 };
		struct cgr_error err = { 0 };
		char text[1000];

		if (read_store(argv[i], &f, &err) < 0) {
			cgr_error_format(&err, text, sizeof(text));
			fprintf(stderr, "bench_replay: %s\n", text);
			return 1;
		}
		for (int r = 0; r < runs; r++) {
			if (!run_once(argv[1], argv[i], &f)) {
				fprintf(stderr, "bench_replay: %s replay %s failed\n", argv[1], argv[i]);
				return 1;
			}
		}
		fast += f.duration_s / f.best_s >= WANTED;
		printf("%-44s %8.2f s %9llu events %8.2f ms %7.1f times real time %10.0f switches/s %7ld KiB\n",
		       strrchr(argv[i], '/') ? strrchr(argv[i], '/') + 1 : argv[i], f.duration_s, (unsigned long long)f.events,
		       f.best_s * 1e3, f.duration_s / f.best_s, (double)f.switches / f.best_s, f.peak_kib);
	}
	printf("%d of %d recordings at least %.0f times faster than real time\n", fast, argc - 3, WANTED);
	return 0;
}
