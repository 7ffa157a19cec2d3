/* cgreplay compare: two runs of one results store, two results stores, or two recordings. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/recording.h"
#include "cli/runs.h"
#include "common/optparse.h"
#include "common/progress.h"
#include "common/units.h"
#include "common/util.h"
#include "reports/compare.h"

struct comparison {
	const char *format, *tolerance_text;
	bool all, recorded;
	struct cgr_result *side[2];
};

/* "20%" -> ppm; -1 when not given */
static int parse_tolerance(const char *text, int64_t *ret_ppm, struct cgr_error *reterr)
{
	*ret_ppm = -1;
	if (!text || cgr_parse_percent(text, ret_ppm, reterr) == 0)
		return 0;
	return cgr_error_cause(reterr, "compare: --tolerance");
}

/* The named run, or the only one. */
static int load_run(const char *path, const char *name, struct cgr_result **ret, struct cgr_error *reterr)
{
	struct cgr_string_list names = { .item = &name, .count = name ? 1 : 0 };
	struct cgr_runs runs;
	int rc = cgr_runs_load(path, &names, 0, &runs, reterr);
	if (rc == 0 && runs.count > 1)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "compare: %s holds %zu runs; name two: cgreplay compare %s %s %s", path,
		                   runs.count, path, runs.result[0]->name, runs.result[1]->name);
	if (rc == 0) {
		*ret = runs.result[0];
		runs.count = 0;
	}
	cgr_runs_fini(&runs);
	return rc;
}

static int load(struct comparison *c, int count, char **argv, struct cgr_error *reterr)
{
	if (count == 3) {
		CGR_TRY(load_run(argv[1], argv[2], &c->side[0], reterr));
		return load_run(argv[1], argv[3], &c->side[1], reterr);
	}
	if (count != 2)
		return cgr_error_set(reterr, CGR_E_USAGE, "compare: RUNS.db A B, or two stores; got %d arguments", count);
	for (int i = 0; i < 2; i++)
		CGR_TRY(cgr_recording_is_store(argv[i + 1]) ? cgr_recording_load(argv[i + 1], &c->side[i], reterr)
		                                            : load_run(argv[i + 1], NULL, &c->side[i], reterr));
	return 0;
}

static int print(const struct comparison *c, const struct cgr_compare *compare, struct cgr_error *reterr)
{
	struct cgr_strbuf text = { 0 };
	if (strcmp(c->format, "json") == 0)
		(void)cgr_compare_json(&text, compare, c->all);
	else if (strcmp(c->format, "csv") == 0)
		cgr_compare_csv(&text, compare, c->all);
	else
		cgr_compare_table(&text, compare, c->all, cgr_terminal_colour(STDOUT_FILENO));
	int rc = text.failed ? cgr_error_set(reterr, CGR_E_NOMEM, "compare: out of memory")
	                     : cgr_write_text("-", text.text, text.length, reterr);
	cgr_strbuf_fini(&text);
	return rc;
}

static int compare(struct comparison *c, int count, char **argv, struct cgr_error *reterr)
{
	struct cgr_compare result;
	int64_t tolerance_ppm;
	CGR_TRY(parse_tolerance(c->tolerance_text, &tolerance_ppm, reterr));
	CGR_TRY(load(c, count, argv, reterr));
	int rc = cgr_compare_results(c->side[0], c->side[1], c->recorded, tolerance_ppm, &result, reterr);
	if (rc == 0)
		rc = print(c, &result, reterr);
	if (rc == 0 && result.differences > 0)
		rc = 1;
	cgr_compare_fini(&result);
	return rc;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct comparison c = { .format = "table" };
	const struct cgr_option options[] = {
		{ "all", 'a', CGR_OPT_FLAG, &c.all, NULL, "also show what is the same or noise", NULL, 0, 0 },
		{ "recorded", 0, CGR_OPT_FLAG, &c.recorded, NULL, "compare what was recorded, not what was predicted", NULL, 0,
		  0 },
		{ "tolerance", 0, CGR_OPT_STRING, &c.tolerance_text, "PERCENT",
		  "differences up to this are noise (default: each metric's own)", NULL, 0, 0 },
		{ "format", 0, CGR_OPT_ENUM, &c.format, "FORMAT", "what goes to stdout", "table|csv|json", 0, 0 },
	};
	int positionals, rest;
	int rc = cgr_options_parse(&cgr_command_compare, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest,
	                           reterr);
	bool done = rc == 1;
	if (rc == 0)
		rc = compare(&c, positionals, argv, reterr);
	cgr_result_free(c.side[0]);
	cgr_result_free(c.side[1]);
	return done ? 0 : rc;
}

const struct cgr_command cgr_command_compare = {
	.name = "compare",
	.summary = "compare two runs or two recordings; exit 1 when they differ beyond noise",
	.usage = "compare RUNS.db A B | compare A.db B.db",
	.examples = "cgreplay compare runs.db memory.max=512M memory.max=256M\n"
	            "cgreplay compare monday.db tuesday.db --tolerance 5%",
	.run = run,
};
