/* cgreplay check: rules over the runs of a results store, for CI. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/runs.h"
#include "common/optparse.h"
#include "common/progress.h"
#include "common/util.h"
#include "reports/rules.h"

struct check {
	const char *rules_path, *baseline_path, *junit_path, *format;
	bool update_baseline, quiet;
	struct cgr_string_list names;
	struct cgr_rules rules;
	struct cgr_runs runs, baseline;
	struct cgr_outcomes outcomes;
};

static int print(const struct check *check, struct cgr_error *reterr)
{
	struct cgr_strbuf text = { 0 };
	if (strcmp(check->format, "tap") == 0)
		cgr_outcomes_tap(&text, &check->outcomes);
	else if (strcmp(check->format, "csv") == 0)
		cgr_outcomes_csv(&text, &check->outcomes);
	else if (strcmp(check->format, "json") == 0)
		(void)cgr_outcomes_json(&text, &check->outcomes);
	else
		cgr_outcomes_table(&text, &check->outcomes, cgr_terminal_colour(STDOUT_FILENO));
	int rc = text.failed ? cgr_error_set(reterr, CGR_E_NOMEM, "check: out of memory")
	                     : cgr_write_text("-", text.text, text.length, reterr);
	cgr_strbuf_fini(&text);
	return rc;
}

static int write_junit(const struct check *check, struct cgr_error *reterr)
{
	struct cgr_strbuf text = { 0 };
	cgr_outcomes_junit(&text, &check->outcomes);
	int rc = text.failed ? cgr_error_set(reterr, CGR_E_NOMEM, "check: out of memory")
	                     : cgr_write_text(check->junit_path, text.text, text.length, reterr);
	cgr_strbuf_fini(&text);
	return rc;
}

static int copy_runs(const char *temp, const struct cgr_runs *runs, struct cgr_error *reterr)
{
	struct cgr_results *store;
	int64_t run;
	CGR_TRY(cgr_results_open(temp, true, &store, reterr));
	int rc = 0;
	for (size_t i = 0; i < runs->count && rc == 0; i++)
		rc = cgr_results_append(store, runs->result[i], &run, reterr);
	cgr_results_free(store);
	return rc;
}

/* The runs just checked become the baseline: a new store beside the old one, then a rename. */
static int update_baseline(const struct check *check, struct cgr_error *reterr)
{
	char *temp = cgr_printf("%s.cgr-tmp-%d", check->baseline_path, (int)getpid());
	if (!temp)
		return cgr_error_set(reterr, CGR_E_NOMEM, "check: out of memory");
	int rc = cgr_outfile_check(check->baseline_path, reterr);
	if (rc == 0)
		rc = copy_runs(temp, &check->runs, reterr);
	if (rc == 0 && rename(temp, check->baseline_path) != 0)
		rc = cgr_error_errno(reterr, CGR_E_IO, "%s: cannot replace the baseline", check->baseline_path);
	if (rc < 0)
		(void)unlink(temp);
	free(temp);
	if (rc == 0)
		(void)fprintf(stderr, "cgreplay: %s now holds these %zu runs\n", check->baseline_path, check->runs.count);
	return rc;
}

/* With --update-baseline the old one may be missing: it is about to be made. */
static int load(struct check *check, const char *path, struct cgr_error *reterr)
{
	CGR_TRY(cgr_rules_load(check->rules_path, &check->rules, reterr));
	CGR_TRY(cgr_runs_load(path, &check->names, 0, &check->runs, reterr));
	if (!check->baseline_path || (check->update_baseline && access(check->baseline_path, F_OK) != 0))
		return 0;
	return cgr_runs_load(check->baseline_path, NULL, 0, &check->baseline, reterr);
}

static int evaluate(struct check *check, struct cgr_error *reterr)
{
	const struct cgr_result *const *results = (const struct cgr_result *const *)check->runs.result;
	struct cgr_runs *base = check->update_baseline && check->baseline.count == 0 ? &check->runs : &check->baseline;
	CGR_TRY(cgr_rules_evaluate(&check->rules, results, check->runs.count,
	                           (const struct cgr_result *const *)base->result, base->count, &check->outcomes, reterr));
	if (!check->quiet)
		CGR_TRY(print(check, reterr));
	if (check->junit_path)
		CGR_TRY(write_junit(check, reterr));
	return 0;
}

/* The runs themselves may become the baseline they were held against. */
static int keep_inputs(const struct check *check, const char *path, struct cgr_error *reterr)
{
	CGR_TRY(cgr_outfile_refuse_input(check->junit_path, path, reterr));
	CGR_TRY(cgr_outfile_refuse_input(check->junit_path, check->rules_path, reterr));
	CGR_TRY(cgr_outfile_refuse_input(check->junit_path, check->baseline_path, reterr));
	CGR_TRY(cgr_outfile_refuse_kinds(check->junit_path, 0, reterr));
	return check->update_baseline ? cgr_outfile_refuse_input(check->baseline_path, check->rules_path, reterr) : 0;
}

static int make(struct check *check, const char *path, struct cgr_error *reterr)
{
	CGR_TRY(keep_inputs(check, path, reterr));
	CGR_TRY(load(check, path, reterr));
	CGR_TRY(evaluate(check, reterr));
	if (!check->update_baseline)
		return check->outcomes.broken ? 1 : 0;
	/* keep the series: a baseline is a results store like any other */
	cgr_outcomes_fini(&check->outcomes);
	cgr_runs_fini(&check->runs);
	CGR_TRY(cgr_runs_load(path, &check->names, SIZE_MAX, &check->runs, reterr));
	return update_baseline(check, reterr);
}

static int validate(const struct check *check, int positionals, struct cgr_error *reterr)
{
	if (positionals != 1)
		return cgr_error_set(reterr, CGR_E_USAGE, "check: one results store, made with cgreplay replay -o; got %d",
		                     positionals);
	if (!check->rules_path)
		return cgr_error_set(reterr, CGR_E_USAGE, "check: --rules FILE is needed: without rules nothing is checked");
	if (check->update_baseline && !check->baseline_path)
		return cgr_error_set(reterr, CGR_E_USAGE, "check: --update-baseline needs --baseline FILE to write to");
	return 0;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct check check = { .format = "table" };
	const struct cgr_option options[] = {
		{ "rules", 0, CGR_OPT_STRING, &check.rules_path, "FILE", "the rules, in YAML", NULL, 0, 0 },
		{ "baseline", 0, CGR_OPT_STRING, &check.baseline_path, "RUNS.db", "results store that rules compare against",
		  NULL, 0, 0 },
		{ "update-baseline", 0, CGR_OPT_FLAG, &check.update_baseline, NULL,
		  "show the outcome, then make these runs the baseline; exit 0", NULL, 0, 0 },
		{ "junit", 0, CGR_OPT_STRING, &check.junit_path, "FILE", "also write JUnit XML", NULL, 0, 0 },
		{ "format", 0, CGR_OPT_ENUM, &check.format, "FORMAT", "what goes to stdout", "table|csv|json|tap", 0, 0 },
		{ "run", 'r', CGR_OPT_LIST, &check.names, "RUN", "only this run (name or number); may be repeated", NULL, 0,
		  0 },
		{ "quiet", 'q', CGR_OPT_FLAG, &check.quiet, NULL, "print nothing, tell by the exit status", NULL, 0, 0 },
	};
	int positionals, rest;
	int rc = cgr_options_parse(&cgr_command_check, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest,
	                           reterr);
	bool done = rc == 1;
	if (rc == 0)
		rc = validate(&check, positionals, reterr);
	if (rc == 0)
		rc = make(&check, argv[1], reterr);
	cgr_outcomes_fini(&check.outcomes);
	cgr_runs_fini(&check.runs);
	cgr_runs_fini(&check.baseline);
	cgr_rules_fini(&check.rules);
	cgr_string_list_fini(&check.names);
	return done ? 0 : rc;
}

const struct cgr_command cgr_command_check = {
	.name = "check",
	.summary = "apply rules to the runs of a results store; exit 1 when one is broken",
	.usage = "check RUNS.db --rules FILE.yaml [--baseline OLD.db] [--junit FILE.xml]",
	.examples = "cgreplay check runs.db --rules rules.yaml\n"
	            "cgreplay check runs.db --rules rules.yaml --baseline main.db --junit check.xml",
	.run = run,
};
