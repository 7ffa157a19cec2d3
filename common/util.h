/* Small helpers every folder uses: checked allocation, growing arrays, strings, numbers. */
#ifndef CGR_COMMON_UTIL_H
#define CGR_COMMON_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define CGR_ARRAY_SIZE(x) (sizeof(x) / sizeof((x)[0]))
#define CGR_MIN(a, b) ((a) < (b) ? (a) : (b))
#define CGR_MAX(a, b) ((a) > (b) ? (a) : (b))

/* Zeroed; NULL on failure or overflow of count * size. Caller frees with free(). */
void *cgr_calloc(size_t count, size_t size);
/* Grows *array (element size) so that index `need - 1` exists, doubling; new elements are zeroed.
 * Returns 0 or CGR_E_NOMEM (reterr filled). */
int cgr_grow(void **array, size_t *capacity, size_t need, size_t size, struct cgr_error *reterr);
char *cgr_strdup(const char *text);
/* malloc'ed printf; NULL on failure. */
char *cgr_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Bounded copy, always terminated; returns false when cut. */
bool cgr_strcpy(char *to, size_t size, const char *from);

/* Growing text buffer. Zero-initialise; failed allocation is remembered in .failed. */
struct cgr_strbuf {
	char *text;
	size_t length, capacity;
	bool failed;
};
void cgr_strbuf_append(struct cgr_strbuf *buf, const char *text, size_t length);
void cgr_strbuf_printf(struct cgr_strbuf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cgr_strbuf_fini(struct cgr_strbuf *buf);

/* Interning of 64-bit kernel ids to dense u32, in order of first appearance (open addressing). */
struct cgr_intern {
	uint64_t *key;
	uint32_t *value;
	size_t capacity;
	uint32_t count;
};
int cgr_intern_id(struct cgr_intern *table, uint64_t key, uint32_t *ret_id, bool *ret_new, struct cgr_error *reterr);
uint32_t cgr_intern_find(const struct cgr_intern *table, uint64_t key); /* CGR_ID_NONE if absent */
void cgr_intern_fini(struct cgr_intern *table);

/* xoshiro256** seeded by splitmix64: the only source of chance in the project. */
struct cgr_rng {
	uint64_t s[4];
};
void cgr_rng_init(struct cgr_rng *rng, uint64_t seed);
uint64_t cgr_rng_next(struct cgr_rng *rng);
uint64_t cgr_rng_below(struct cgr_rng *rng, uint64_t bound); /* [0, bound), bound > 0 */

/* Reads a whole (small) file that the user named; caller frees. limit bounds the size. CGR_E_USAGE when it cannot be
 * opened, CGR_E_LIMIT when it is larger. */
int cgr_file_read(const char *path, size_t limit, char **ret_text, size_t *ret_length, struct cgr_error *reterr);

/* An output file that appears under its final name only when whole: written as
 * ".NAME.cgr-tmp-PID" in the same folder, fsynced, renamed. Removed on abort and by
 * cgr_interrupt handlers' normal unwinding. */
struct cgr_outfile {
	int fd;
	char *path;
	char *temp_path;
	bool keeps; /* when it cannot be put into its place, it stays beside it */
};
/* 0 when `path` may become an output file: it is absent or a regular file (links are followed). CGR_E_USAGE for
 * folders, devices, pipes and sockets: for those who work long before they open it. */
int cgr_outfile_check(const char *path, struct cgr_error *reterr);
/* CGR_E_USAGE when `path` is the very file `input` (by whatever name); either may be NULL or absent. */
int cgr_outfile_refuse_input(const char *path, const char *input, struct cgr_error *reterr);
/* CGR_E_USAGE when `path` is a recording or a database and not of the kinds that may be replaced; NULL or absent is
 * fine. */
#define CGR_OUTFILE_TRACE 1u
#define CGR_OUTFILE_PERF 2u
#define CGR_OUTFILE_STORE 4u
int cgr_outfile_refuse_kinds(const char *path, unsigned may_replace, struct cgr_error *reterr);
int cgr_outfile_open(struct cgr_outfile *file, const char *path, struct cgr_error *reterr);
/* Where a file named `path` really goes: what a symbolic link leads to. malloc'ed, NULL without memory. */
char *cgr_outfile_place(const char *path);
/* The same as open with a file that stands open already, under a name of the caller's choice beside
 * cgr_outfile_place(path). Somebody's data is in it: when commit fails, it stays there. */
int cgr_outfile_adopt(struct cgr_outfile *file, const char *path, const char *temp_path, int fd,
                      struct cgr_error *reterr);
/* Closes it and leaves it where it stands, beside its place. */
void cgr_outfile_keep(struct cgr_outfile *file);
int cgr_outfile_commit(struct cgr_outfile *file, struct cgr_error *reterr);
void cgr_outfile_abort(struct cgr_outfile *file); /* legal on zeroed or committed */
int cgr_write_all(int fd, const void *data, size_t length, const char *path, struct cgr_error *reterr);

/* SIGINT, SIGTERM and (unless ignored, as under nohup) SIGHUP set a flag that long loops poll; a second signal of the
 * same kind kills. */
void cgr_interrupt_install(void);
bool cgr_interrupt_seen(void);
int cgr_interrupt_check(struct cgr_error *reterr); /* 0 or CGR_E_INTERRUPTED */
int cgr_interrupt_signal(void); /* signal number seen, or 0 */

#endif
