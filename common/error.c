#include "common/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void push(struct cgr_error *err, const char *format, va_list args)
{
	/* When full, the newest (outermost) replaces the last: the innermost cause is never lost. */
	unsigned slot = err->count < CGR_ERROR_CAUSES_MAX ? err->count++ : CGR_ERROR_CAUSES_MAX - 1;

	(void)vsnprintf(err->cause[slot], CGR_ERROR_TEXT_MAX, format, args);
}

int cgr_error_set(struct cgr_error *reterr, int code, const char *format, ...)
{
	if (reterr == NULL)
		return code;
	va_list args;
	va_start(args, format);
	reterr->code = code;
	reterr->count = 0;
	push(reterr, format, args);
	va_end(args);
	return code;
}

int cgr_error_errno(struct cgr_error *reterr, int code, const char *format, ...)
{
	int saved = errno;

	if (saved == ENOMEM)
		code = CGR_E_NOMEM;
	if (reterr == NULL)
		return code;
	va_list args;
	va_start(args, format);
	reterr->code = code;
	reterr->count = 0;
	push(reterr, format, args);
	va_end(args);
	size_t used = strlen(reterr->cause[0]);
	(void)snprintf(reterr->cause[0] + used, CGR_ERROR_TEXT_MAX - used, ": %s", strerror(saved));
	return code;
}

int cgr_error_cause(struct cgr_error *reterr, const char *format, ...)
{
	if (reterr == NULL)
		return CGR_E_INTERNAL;
	va_list args;
	va_start(args, format);
	push(reterr, format, args);
	va_end(args);
	return reterr->code;
}

void cgr_error_clear(struct cgr_error *err)
{
	if (err != NULL)
		err->code = 0, err->count = 0;
}

int cgr_error_exit_status(int code)
{
	switch (code) {
	case CGR_OK:
		return 0;
#define CGR_X(name, value, status, text)                                                                               \
	case name:                                                                                                         \
		return status;
		CGR_ERRORS(CGR_X)
#undef CGR_X
	default:
		return code > 0 ? 0 : 4;
	}
}

const char *cgr_error_code_text(int code)
{
	switch (code) {
#define CGR_X(name, value, status, text)                                                                               \
	case name:                                                                                                         \
		return text;
		CGR_ERRORS(CGR_X)
#undef CGR_X
	default:
		return "no error";
	}
}

/* Callers and callee both name the file: once is enough, and the inner one may have the offset in it. */
static bool repeats(const char *outer, const char *inner)
{
	size_t length = strlen(outer);

	return strncmp(outer, inner, length) == 0 && (inner[length] == ':' || inner[length] == '\0');
}

void cgr_error_format(const struct cgr_error *err, char *out, size_t size)
{
	size_t used = 0;

	if (size == 0)
		return;
	out[0] = '\0';
	for (unsigned i = err->count; i-- > 0 && used < size;) {
		if (i > 0 && repeats(err->cause[i], err->cause[i - 1]))
			continue;
		int n = snprintf(out + used, size - used, "%s%s", err->cause[i], i > 0 ? ": " : "");
		if (n < 0)
			return;
		used += (size_t)n;
	}
}
