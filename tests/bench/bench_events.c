/* What single trace events cost the programs they watch: bench_events LOOP ROUNDS CONFIG...
 *   LOOP    faults (touch and free an anonymous page), reads (512 bytes of a cached file), switches (a byte through a
 *           pipe to and fro on one CPU), or idle (the same between two CPUs, which sleep meanwhile)
 *   CONFIG  NAME[:OPTION][,SYSTEM/EVENT[=FILTER]]...: e.g. 'charge,memcg/count_memcg_events=item!=3'
 *           OPTION: clock=NAME, cmd (with the kernel's table of command names), ring=KIB, reader (a reader at work)
 * In each round the configurations take turns, each between two stretches without events: what drifts cancels out.
 * Prints CPU time per operation without events, and what each configuration adds: median, and where 95 of 100
 * resamplings of the rounds have it. Needs root and tracefs; makes an instance of its own and removes it. */
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX 24
#define RUNS 10
#define RESAMPLINGS 400

struct config {
	const char *name;
	char dir[256];
	struct {
		char path[160];
		const char *filter;
	} event[EVENTS_MAX];
	size_t count;
	double *ns; /* per round, above the stretches around it */
	pthread_t reader;
	bool read, stop;
};

static const char *tracing = "/sys/kernel/tracing";
static struct config *configs;
static int config_count;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static void put(const char *text, const char *format, ...)
{
	char path[600];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(path, sizeof path, format, args);
	va_end(args);
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		fail(path);
	(void)close(fd);
}

/* -- the loops: each returns the operations it made -- */
static int file_fd, to[2], back[2];

static unsigned run_faults(void)
{
	size_t bytes = 2048 * 4096;
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		fail("mmap");
	(void)madvise(memory, bytes, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < bytes; i += 4096)
		*(volatile char *)(memory + i) = 1;
	(void)munmap(memory, bytes);
	return 2048;
}

static unsigned run_reads(void)
{
	char buffer[512];
	for (int i = 0; i < 8000; i++)
		if (pread(file_fd, buffer, sizeof buffer, 0) <= 0)
			fail("pread");
	return 8000;
}

static unsigned run_switches(void)
{
	char byte = 'x';
	for (int i = 0; i < 1000; i++)
		if (write(to[1], &byte, 1) != 1 || read(back[0], &byte, 1) != 1)
			fail("pipe");
	return 1000;
}

static void *answer(void *context)
{
	char byte;
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(*(unsigned *)context, &one);
	(void)sched_setaffinity(0, sizeof one, &one);
	while (read(to[0], &byte, 1) == 1 && write(back[1], &byte, 1) == 1)
		;
	return NULL;
}

static unsigned (*run)(void);

static double timed_ns(clockid_t clock)
{
	struct timespec a, b;
	(void)clock_gettime(clock, &a);
	unsigned operations = run();
	(void)clock_gettime(clock, &b);
	return ((double)(b.tv_sec - a.tv_sec) * 1e9 + (double)(b.tv_nsec - a.tv_nsec)) / operations;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

/* The lower quartile of some runs: a disturbance only ever adds. */
static double stretch_ns(clockid_t clock)
{
	double ns[RUNS];
	(void)timed_ns(clock); /* warm */
	for (int i = 0; i < RUNS; i++)
		ns[i] = timed_ns(clock);
	qsort(ns, RUNS, sizeof *ns, by_value);
	return ns[RUNS / 4];
}

static void set_events(struct config *c, bool on)
{
	for (size_t i = 0; i < c->count; i++)
		put(on ? "1" : "0", "%s/events/%s/enable", c->dir, c->event[i].path);
}

static void *reader_main(void *context)
{
	struct config *c = context;
	char page[4096];
	int fd[64], count = 0;
	for (; count < (int)sysconf(_SC_NPROCESSORS_ONLN) && count < 64; count++) {
		char path[600];
		(void)snprintf(path, sizeof path, "%s/per_cpu/cpu%d/trace_pipe_raw", c->dir, count);
		fd[count] = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	}
	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		for (int i = 0; i < count; i++)
			while (read(fd[i], page, sizeof page) > 0)
				;
		(void)usleep(20000);
	}
	for (int i = 0; i < count; i++)
		(void)close(fd[i]);
	return NULL;
}

static void option(struct config *c, const char *text, bool *cmd, char *ring, size_t size)
{
	if (strncmp(text, "clock=", 6) == 0)
		put(text + 6, "%s/trace_clock", c->dir);
	else if (strcmp(text, "cmd") == 0)
		*cmd = true;
	else if (strncmp(text, "ring=", 5) == 0)
		(void)snprintf(ring, size, "%s", text + 5);
	else if (strcmp(text, "reader") == 0)
		c->read = true;
	else
		fail(text);
}

static void parse(struct config *c, char *text, int number)
{
	char *at = strchr(text, ','), *next, ring[16] = "16384";
	bool cmd = false;
	if (at != NULL)
		*at++ = '\0';
	c->name = text;
	(void)snprintf(c->dir, sizeof c->dir, "%s/instances/cgr-bench-%d-%d", tracing, (int)getpid(), number);
	if (mkdir(c->dir, 0700) != 0)
		fail(c->dir);
	put("mono", "%s/trace_clock", c->dir);
	char *options = strdup(text), *save = NULL;
	(void)strtok_r(options, ":", &save);
	for (char *word; (word = strtok_r(NULL, ":", &save)) != NULL;)
		option(c, word, &cmd, ring, sizeof ring);
	free(options);
	put(ring, "%s/buffer_size_kb", c->dir);
	put(cmd ? "record-cmd" : "norecord-cmd", "%s/trace_options", c->dir);
	for (; at != NULL && c->count < EVENTS_MAX; at = next) {
		next = strchr(at, ',');
		if (next != NULL)
			*next++ = '\0';
		char *filter = strchr(at, '=');
		if (filter != NULL)
			*filter++ = '\0';
		(void)snprintf(c->event[c->count].path, sizeof c->event[0].path, "%s", at);
		if (filter != NULL)
			put(filter, "%s/events/%s/filter", c->dir, at);
		c->count++;
	}
	if (c->read && pthread_create(&c->reader, NULL, reader_main, c) != 0) {
		c->read = false;
		fail("reader");
	}
}

/* Also when something failed: no instance stays. */
static void clean_up(void)
{
	for (int i = 0; i < config_count; i++) {
		struct config *c = &configs[i];
		if (c->read) {
			__atomic_store_n(&c->stop, true, __ATOMIC_RELAXED);
			(void)pthread_join(c->reader, NULL);
		}
		if (c->dir[0] != '\0')
			(void)rmdir(c->dir); /* its events go with it */
	}
}

static double median_of(double *x, int n)
{
	qsort(x, (size_t)n, sizeof *x, by_value);
	return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static void tell(const struct config *c, int rounds, double base)
{
	double *pick = calloc((size_t)rounds, sizeof *pick), spread[RESAMPLINGS];
	for (int s = 0; s < RESAMPLINGS; s++) {
		for (int i = 0; i < rounds; i++)
			pick[i] = c->ns[rand() % rounds];
		spread[s] = median_of(pick, rounds);
	}
	memcpy(pick, c->ns, (size_t)rounds * sizeof *pick);
	double ns = median_of(pick, rounds);
	qsort(spread, RESAMPLINGS, sizeof *spread, by_value);
	printf("%-28s %+8.1f ns (%+.1f..%+.1f)  %+5.1f %%\n", c->name, ns, spread[RESAMPLINGS * 25 / 1000],
	       spread[RESAMPLINGS * 975 / 1000], ns / base * 100);
	free(pick);
}

static void pin(unsigned cpu)
{
	cpu_set_t one;
	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	(void)sched_setaffinity(0, sizeof one, &one);
}

static clockid_t prepare(const char *loop)
{
	static unsigned other;
	pthread_t thread;
	pin(0);
	run = strcmp(loop, "faults") == 0 ? run_faults : strcmp(loop, "reads") == 0 ? run_reads : run_switches;
	file_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	if (run != run_switches)
		return CLOCK_THREAD_CPUTIME_ID;
	other = strcmp(loop, "idle") == 0;
	if (pipe2(to, O_CLOEXEC) != 0 || pipe2(back, O_CLOEXEC) != 0 || pthread_create(&thread, NULL, answer, &other) != 0)
		fail("pipes");
	return other ? CLOCK_MONOTONIC : CLOCK_PROCESS_CPUTIME_ID;
}

int main(int argc, char **argv)
{
	if (argc < 4) {
		(void)fprintf(stderr,
		              "usage: bench_events faults|reads|switches|idle ROUNDS NAME[:OPTION][,EVENT[=FILTER]]...\n");
		return 2;
	}
	int rounds = atoi(argv[2]), count = argc - 3;
	if (rounds < 1)
		return 2;
	struct config *config = configs = calloc((size_t)count, sizeof *config);
	double *base = calloc((size_t)rounds * (size_t)count, sizeof *base);
	config_count = count;
	(void)atexit(clean_up);
	for (int i = 0; i < count; i++) {
		parse(&config[i], argv[3 + i], i);
		config[i].ns = calloc((size_t)rounds, sizeof(double));
	}
	clockid_t clock = prepare(argv[1]);
	for (int r = 0; r < rounds; r++) {
		double before = stretch_ns(clock);
		for (int k = 0; k < count; k++) {
			struct config *c = &config[r % 2 ? count - 1 - k : k];
			set_events(c, true);
			double with = stretch_ns(clock);
			set_events(c, false);
			double after = stretch_ns(clock);
			c->ns[r] = with - (before + after) / 2;
			base[r * count + k] = after;
			before = after;
		}
	}
	double usual = median_of(base, rounds * count);
	printf("%s: %.0f ns without events, %d rounds\n", argv[1], usual, rounds);
	for (int i = 0; i < count; i++)
		tell(&config[i], rounds, usual);
	return 0;
}
