/* Table-driven command line over getopt_long semantics: one table gives parsing, --help, completion and
 * the man-page check. Options may follow positional arguments; "--" ends options. */
#ifndef CGR_COMMON_OPTPARSE_H
#define CGR_COMMON_OPTPARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

enum cgr_option_type {
	CGR_OPT_FLAG, /* bool *, --no-x clears */
	CGR_OPT_STRING, /* const char ** (borrowed from argv) */
	CGR_OPT_INT, /* int64_t *, within minimum..maximum */
	CGR_OPT_BYTES, /* int64_t * */
	CGR_OPT_DURATION, /* int64_t * ns */
	CGR_OPT_LIST, /* struct cgr_string_list *, may be repeated */
	CGR_OPT_ENUM, /* const char **, one of choices "a|b|c" */
};

struct cgr_string_list {
	const char **item;
	size_t count, capacity;
};

struct cgr_option {
	const char *name; /* long name without dashes */
	char letter; /* short name or 0 */
	enum cgr_option_type type;
	void *value;
	const char *argument; /* shown in help, e.g. "FILE" */
	const char *help; /* one sentence */
	const char *choices; /* for CGR_OPT_ENUM */
	int64_t minimum, maximum;
};

struct cgr_command {
	const char *name; /* "record" */
	const char *summary; /* one line */
	const char *usage; /* "record -o FILE [-d TIME] [-- COMMAND...]" */
	const char *examples; /* two lines shown first in --help */
	/* Runs with argv[0] = name; returns 0, a negative code, or a positive exit status. */
	int (*run)(int argc, char **argv, struct cgr_error *reterr);
};

/* Parses argv[1..]; positionals are permuted to the front of argv: argv[1..*ret_positionals].
 * With "--": what follows goes to *ret_rest (index into argv or argc). Returns 0, 1 when --help was
 * printed, or CGR_E_USAGE with "did you mean". When the environment asks for the option list
 * (completion, man check: CGREPLAY_LIST_OPTIONS=1) prints it and returns 1. */
int cgr_options_parse(const struct cgr_command *command, const struct cgr_option *options, size_t count, int argc,
                      char **argv, int *ret_positionals, int *ret_rest, struct cgr_error *reterr);
const char *cgr_did_you_mean(const char *word, const char *const *candidates, size_t count);
void cgr_string_list_fini(struct cgr_string_list *list);
#endif
