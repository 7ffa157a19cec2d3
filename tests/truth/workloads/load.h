/* cgr-load: the small workload programs of the truth tests, one file each, in one static binary.
 * Each prints its own completion time and the work it did as KEY=VALUE lines on stdout. */
#ifndef CGR_LOAD_H
#define CGR_LOAD_H

#include <stddef.h>
#include <stdint.h>

#define LOAD_OPTIONS_MAX 12
#define LOAD_PAGE_BYTES 4096

struct load_option {
	const char *name, *fallback, *help; /* NULL name ends the table */
};
struct load_args {
	const struct load_option *option;
	const char *value[LOAD_OPTIONS_MAX];
};
struct load_workload {
	const char *name, *help;
	const struct load_option *option;
	/* Returns the work done in its own unit, or -1 after it has printed why it could not. */
	int64_t (*run)(const struct load_args *args);
};

int64_t load_int(const struct load_args *args, const char *name);
const char *load_text(const struct load_args *args, const char *name);
/* Prints PROGRAM: what: strerror(errno) and exits 4: a workload that cannot do its work must not look finished. */
_Noreturn void load_die(const char *what);

int64_t load_now_ns(void); /* CLOCK_MONOTONIC */
/* Uses cpu_usec of this thread's CPU time, however long that takes on the wall clock. */
void load_burn(int64_t cpu_usec);
/* A fixed number of steps of arithmetic: work as a real program has it, not bound to any clock. */
void load_steps(int64_t steps);
void load_sleep_usec(int64_t usec); /* relative */
void load_sleep_until_ns(int64_t t_ns); /* absolute, CLOCK_MONOTONIC */

/* splitmix64: the seeded chance of the workloads. */
uint64_t load_random(uint64_t *state);
/* Page number in [0, pages), skewed: a share of 1/2^k of the draws falls into the first pages/4^k. */
uint64_t load_skewed(uint64_t *state, uint64_t pages);

/* Starts count threads of body(index, args) and joins them; returns the sum of their results. */
int64_t load_threads(int64_t count, int64_t (*body)(int64_t index, const struct load_args *args),
                     const struct load_args *args);

/* Anonymous pages that stay plain 4 KiB pages (no huge pages: the truth tests count pages). */
char *load_anon(int64_t bytes);
void load_touch(char *memory, int64_t from, int64_t to); /* writes one byte per page */
int load_open(const char *path); /* read-only, or load_die */
void load_read_page(int fd, uint64_t page);

/* Runs command and writes its peak resident memory (KiB) to output; returns its exit status. */
int load_peak_main(const char *output, char **command);

#endif
