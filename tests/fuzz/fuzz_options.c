/* Option tables, sizes, durations, CPU lists: what people and scripts type. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/optparse.h"
#include "common/units.h"
#include "common/util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	(void)argc, (void)argv, (void)reterr;
	return 0;
}

static const struct cgr_command command = {
	.name = "fuzz", .summary = "s", .usage = "fuzz", .examples = "fuzz", .run = run
};

static void parse(int argc, char **argv)
{
	bool flag = false;
	const char *text = NULL, *choice = NULL;
	int64_t number = 0, bytes = 0, duration = 0;
	struct cgr_string_list list = { 0 };
	const struct cgr_option options[] = {
		{ "flag", 'f', CGR_OPT_FLAG, &flag, NULL, "h", NULL, 0, 0 },
		{ "text", 't', CGR_OPT_STRING, &text, "T", "h", NULL, 0, 0 },
		{ "number", 'n', CGR_OPT_INT, &number, "N", "h", NULL, -5, 100 },
		{ "bytes", 'b', CGR_OPT_BYTES, &bytes, "B", "h", NULL, 0, INT64_MAX },
		{ "duration", 'd', CGR_OPT_DURATION, &duration, "D", "h", NULL, 0, INT64_MAX },
		{ "list", 'l', CGR_OPT_LIST, &list, "L", "h", NULL, 0, 0 },
		{ "choice", 'c', CGR_OPT_ENUM, &choice, "C", "h", "a|bc|d", 0, 0 },
	};
	struct cgr_error err = { 0 };
	int positionals = 0, rest = 0;

	int rc = cgr_options_parse(&command, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest, &err);
	if (rc == 0 && (positionals < 0 || positionals >= argc || rest < 0 || rest > argc || number < -5 || number > 100))
		abort();
	cgr_string_list_fini(&list);
}

static void parse_units(const char *text)
{
	struct cgr_error err = { 0 };
	int64_t value;
	uint64_t mask[4];
	char out[32];

	if (cgr_parse_bytes(text, &value, &err) == 0)
		(void)cgr_format_bytes(value, out, sizeof(out));
	if (cgr_parse_duration(text, &value, &err) == 0)
		(void)cgr_format_usec(value, out, sizeof(out));
	(void)cgr_parse_int(text, -100, 100, &value, &err);
	(void)cgr_parse_cpulist(text, mask, 4, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *copy = malloc(size + 1);
	char *argv[66] = { (char *)(uintptr_t) "fuzz" };
	int argc = 1;

	if (copy == NULL)
		return 0;
	memcpy(copy, data, size);
	copy[size] = '\0';
	/* Arguments end with NUL or newline. */
	for (size_t at = 0; at < size && argc < 65;) {
		size_t length = strcspn(copy + at, "\n");
		argv[argc++] = copy + at;
		copy[at + length] = '\0';
		parse_units(copy + at);
		at += length + 1;
	}
	parse(argc, argv);
	free(copy);
	return 0;
}
