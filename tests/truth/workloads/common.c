/* What several workloads share: clocks, CPU burning, seeded chance, threads, pages. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FIRST_STEPS 2000 /* some microseconds of arithmetic: enough to learn this machine's speed */

_Noreturn void load_die(const char *what)
{
	fprintf(stderr, "cgr-load: %s: %s\n", what, strerror(errno));
	exit(4);
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec t;
	if (clock_gettime(clock, &t))
		load_die("clock_gettime");
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

int64_t load_now_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

void load_steps(int64_t steps)
{
	static _Thread_local volatile uint64_t sink;
	uint64_t x = sink + 0x9E3779B97F4A7C15u;
	for (int64_t i = 0; i < steps; i++) {
		x ^= x >> 29;
		x *= 0xBF58476D1CE4E5B9u;
	}
	sink = x;
}

/* Few looks at the clock: each is a system call that makes the scheduler account the running task, and a program
 * that is accounted every few microseconds is neither a real one nor cheap to record. */
void load_burn(int64_t usec)
{
	static _Thread_local int64_t steps_per_usec = 0;
	int64_t start_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID), end_ns = start_ns + usec * 1000;
	for (int64_t now_ns = start_ns; now_ns < end_ns;) {
		int64_t left_usec = (end_ns - now_ns) / 1000, before_ns = now_ns;
		int64_t steps = steps_per_usec > 0 ? left_usec * steps_per_usec * 15 / 16 : FIRST_STEPS;
		if (steps < 500)
			steps = 500;
		load_steps(steps);
		now_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID);
		if (now_ns - before_ns >= 1000 && steps >= FIRST_STEPS)
			steps_per_usec = steps * 1000 / (now_ns - before_ns);
	}
}

void load_sleep_usec(int64_t usec)
{
	struct timespec t = { .tv_sec = usec / 1000000, .tv_nsec = usec % 1000000 * 1000 };
	while (usec > 0 && clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

void load_sleep_until_ns(int64_t t_ns)
{
	struct timespec t = { .tv_sec = t_ns / 1000000000, .tv_nsec = t_ns % 1000000000 };
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

uint64_t load_random(uint64_t *state)
{
	uint64_t z = *state += 0x9E3779B97F4A7C15u;
	z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
	z = (z ^ z >> 27) * 0x94D049BB133111EBu;
	return z ^ z >> 31;
}

uint64_t load_skewed(uint64_t *state, uint64_t pages)
{
	uint64_t draw = load_random(state), bound = pages;
	for (uint64_t bits = draw >> 58; bits & 1 && bound > 16; bits >>= 1)
		bound /= 4;
	return (draw & 0xFFFFFFFFFFFF) % bound;
}

struct start {
	int64_t (*body)(int64_t index, const struct load_args *args);
	const struct load_args *args;
	int64_t index, result;
};

static void *thread_main(void *data)
{
	struct start *start = data;
	start->result = start->body(start->index, start->args);
	return NULL;
}

int64_t load_threads(int64_t count, int64_t (*body)(int64_t index, const struct load_args *args),
                     const struct load_args *args)
{
	pthread_t *thread = calloc((size_t)count, sizeof(*thread));
	struct start *start = calloc((size_t)count, sizeof(*start));
	int64_t sum = 0;
	if (!thread || !start)
		load_die("threads");
	for (int64_t i = 0; i < count; i++) {
		start[i] = (struct start){ .body = body, .args = args, .index = i };
		errno = pthread_create(&thread[i], NULL, thread_main, &start[i]);
		if (errno)
			load_die("pthread_create");
	}
	for (int64_t i = 0; i < count; i++) {
		pthread_join(thread[i], NULL);
		sum += start[i].result;
	}
	free(thread);
	free(start);
	return sum;
}

char *load_anon(int64_t bytes)
{
	char *memory = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		load_die("mmap");
	(void)madvise(memory, (size_t)bytes, MADV_NOHUGEPAGE); /* EINVAL: kernel without huge pages, as good */
	return memory;
}

void load_touch(char *memory, int64_t from, int64_t to)
{
	for (int64_t at = from; at < to; at += LOAD_PAGE_BYTES)
		((volatile char *)memory)[at] = 1;
}

int load_open(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		load_die(path);
	return fd;
}

void load_read_page(int fd, uint64_t page)
{
	char buffer[LOAD_PAGE_BYTES];
	if (pread(fd, buffer, sizeof(buffer), (off_t)(page * LOAD_PAGE_BYTES)) < 0)
		load_die("pread");
}
