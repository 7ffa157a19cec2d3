/* Error codes and cause chains. Library code returns a negative code and fills a
 * struct cgr_error; only cli/ prints it. Each layer that passes an error on adds
 * the cause it knows ("importing web.dat", "while reading section 3"). */
#ifndef CGR_COMMON_ERROR_H
#define CGR_COMMON_ERROR_H

#include <stddef.h>

/* code, exit status (design section 5), text */
#define CGR_ERRORS(X)                                                                                                  \
	X(CGR_E_USAGE, -1, 2, "usage error")                                                                               \
	X(CGR_E_SCENARIO, -2, 2, "scenario error")                                                                         \
	X(CGR_E_UNAVAILABLE, -3, 2, "not available on this machine")                                                       \
	X(CGR_E_INPUT, -4, 3, "input unusable")                                                                            \
	X(CGR_E_LOSSY, -5, 3, "input lossier than allowed")                                                                \
	X(CGR_E_IO, -6, 4, "input/output error")                                                                           \
	X(CGR_E_NOMEM, -7, 4, "out of memory")                                                                             \
	X(CGR_E_INTERNAL, -8, 4, "internal error")                                                                         \
	X(CGR_E_INTERRUPTED, -9, 4, "interrupted")                                                                         \
	X(CGR_E_LIMIT, -10, 3, "a limit of common/limits.h was exceeded")                                                  \
	X(CGR_E_CHECK, -11, 1, "a check failed")

enum cgr_code {
	CGR_OK = 0,
#define CGR_X(name, value, status, text) name = value,
	CGR_ERRORS(CGR_X)
#undef CGR_X
};

#define CGR_ERROR_CAUSES_MAX 8
#define CGR_ERROR_TEXT_MAX 400

/* Lives on the caller's stack; zero-initialise with = {0}. No destructor. */
struct cgr_error {
	int code; /* enum cgr_code, 0 when nothing happened */
	unsigned count; /* causes kept, innermost first */
	char cause[CGR_ERROR_CAUSES_MAX][CGR_ERROR_TEXT_MAX];
};

/* Set the first cause; returns code, so `return cgr_error_set(err, CGR_E_INPUT, "%s:%llu: ...", ...)`.
 * err may be NULL. Text says what, where and what to do. */
int cgr_error_set(struct cgr_error *reterr, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Same, with ": strerror(errno)" appended; code becomes CGR_E_NOMEM for ENOMEM. */
int cgr_error_errno(struct cgr_error *reterr, int code, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Add an outer cause while unwinding; returns the code already in reterr. */
int cgr_error_cause(struct cgr_error *reterr, const char *format, ...) __attribute__((format(printf, 2, 3)));
void cgr_error_clear(struct cgr_error *err);
/* Exit status of design section 5 for a code. */
int cgr_error_exit_status(int code);
const char *cgr_error_code_text(int code);
/* "outer: ...: innermost", cut to size. */
void cgr_error_format(const struct cgr_error *err, char *out, size_t size);

#define CGR_TRY(expr)                                                                                                  \
	do {                                                                                                               \
		int cgr_try_rc_ = (expr);                                                                                      \
		if (cgr_try_rc_ < 0)                                                                                           \
			return cgr_try_rc_;                                                                                        \
	} while (0)

#endif
