/* cgreplay info: what a recording holds, what it does not hold, and what that costs. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/info.h"
#include "common/util.h"
#include "store/verify.h"

static int check(const char *path, struct cgr_error *reterr)
{
	struct cgr_progress *progress = cgr_progress_terminal(0);
	struct cgr_verify_summary summary = { 0 };
	int rc = cgr_store_verify(path, progress, &summary, reterr);

	cgr_progress_finish(progress);
	CGR_TRY(rc);
	fprintf(stderr, "checked %s: %" PRIu64 " events in %" PRIu64 " blocks", path, summary.events, summary.blocks);
	if (summary.rows > 0)
		fprintf(stderr, ", %" PRIu64 " rows of %u tables say the same", summary.rows, summary.tables);
	if (summary.skipped > 0)
		fprintf(stderr, ", %u tables left out by --lean", summary.skipped);
	fprintf(stderr, "\n");
	return 0;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	const char *format = "table";
	int64_t top = 15;
	bool verify = false;
	const struct cgr_option options[] = {
		{ "check", 'c', CGR_OPT_FLAG, &verify, NULL,
		  "prove that rows and packed stream say the same, and that every checksum and reference holds", NULL, 0, 0 },
		{ "top", 'n', CGR_OPT_INT, &top, "N", "how many tasks and cgroups to list", NULL, 0, 1000000 },
		{ "format", 'f', CGR_OPT_ENUM, &format, "FORMAT", "how to print", "table|csv|json", 0, 0 },
	};
	struct cgr_query *query = NULL;
	int positionals, rest;
	int rc =
	    cgr_options_parse(&cgr_command_info, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest, reterr);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (positionals != 1)
		return cgr_error_set(reterr, CGR_E_USAGE, "give one store, as made by `cgreplay import`");
	CGR_TRY(cgr_query_open(argv[1], &query, reterr));
	cgr_interrupt_install();
	rc = cgr_info_print(query, argv[1], cgr_rows_format_of(format), top, reterr);
	(void)cgr_query_free(query);
	if (rc == 0 && verify)
		rc = check(argv[1], reterr);
	return rc;
}

const struct cgr_command cgr_command_info = {
	.name = "info",
	.summary = "what was recorded: cgroups, limits, events, who ran where, what is missing",
	.usage = "info STORE [--check] [--top N] [--format table|csv|json]",
	.examples = "cgreplay info web.db\n"
	            "cgreplay info web.db --check",
	.run = run,
};
