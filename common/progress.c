#include "common/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/units.h"

struct terminal {
	struct cgr_progress base;
	char what[64];
	int64_t start_ms, shown_ms;
	int drawn;
};

static int64_t now_ms(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void terminal_update(struct cgr_progress *base, const char *what, uint64_t done, uint64_t total,
                            const char *unit)
{
	struct terminal *self = (struct terminal *)base;
	int64_t now = now_ms();

	if (strncmp(self->what, what, sizeof(self->what) - 1) != 0) {
		(void)snprintf(self->what, sizeof(self->what), "%s", what);
		self->start_ms = now;
		self->shown_ms = 0;
	}
	if (now - self->shown_ms < 100)
		return;
	self->shown_ms = now;
	int64_t spent = now - self->start_ms;
	char rate[32], left[32] = "";
	uint64_t per_second = spent > 0 ? done * 1000 / (uint64_t)spent : 0;

	(void)cgr_format_count((int64_t)per_second, rate, sizeof(rate));
	if (total > done && done > 0 && spent > 500)
		(void)snprintf(left, sizeof(left), ", %llu s left",
		               (unsigned long long)((uint64_t)spent * (total - done) / done / 1000 + 1));
	if (total > 0)
		(void)fprintf(stderr, "\r\033[K%s %3llu %%  %s %s/s%s", what,
		              (unsigned long long)(done > total ? 100 : done * 100 / total), rate, unit, left);
	else
		(void)fprintf(stderr, "\r\033[K%s  %s %s/s", what, rate, unit);
	(void)fflush(stderr);
	self->drawn = 1;
}

static void terminal_finish(struct cgr_progress *base)
{
	struct terminal *self = (struct terminal *)base;

	if (self->drawn)
		(void)fputs("\r\033[K", stderr);
	self->drawn = 0;
}

struct cgr_progress *cgr_progress_terminal(int quiet)
{
	static struct terminal bar = { .base = { terminal_update, terminal_finish } };
	const char *term = getenv("TERM");

	if (quiet || !isatty(STDERR_FILENO) || term == NULL || strcmp(term, "dumb") == 0)
		return NULL;
	return &bar.base;
}

void cgr_progress_update(struct cgr_progress *p, const char *what, uint64_t done, uint64_t total, const char *unit)
{
	if (p != NULL && p->update != NULL)
		p->update(p, what, done, total, unit);
}

void cgr_progress_finish(struct cgr_progress *p)
{
	if (p != NULL && p->finish != NULL)
		p->finish(p);
}

bool cgr_terminal_colour(int fd)
{
	const char *no_colour = getenv("NO_COLOR"), *terminal = getenv("TERM");

	return isatty(fd) && (no_colour == NULL || *no_colour == '\0') &&
	       (terminal == NULL || strcmp(terminal, "dumb") != 0);
}
