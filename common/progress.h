/* Progress for long work: library code calls, cli/ decides whether anybody sees it. */
#ifndef CGR_COMMON_PROGRESS_H
#define CGR_COMMON_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cgr_progress {
	void (*update)(struct cgr_progress *self, const char *what, uint64_t done, uint64_t total, const char *unit);
	void (*finish)(struct cgr_progress *self);
};
/* NULL-safe */
void cgr_progress_update(struct cgr_progress *p, const char *what, uint64_t done, uint64_t total, const char *unit);
void cgr_progress_finish(struct cgr_progress *p);
/* bar on stderr with rate and time left if stderr is a terminal and not quiet, else silent; static storage */
struct cgr_progress *cgr_progress_terminal(int quiet);
/* Colour is for people at a terminal that can, unless NO_COLOR is set to anything (no-color.org: an empty one is not
 * set). */
bool cgr_terminal_colour(int fd);

#endif
