/* cgreplay verify: the models at the recorded limits against the recorded counters. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/replay_options.h"
#include "common/limits.h"
#include "common/units.h"
#include "common/util.h"
#include "reports/facts.h"
#include "reports/text.h"

/* Relative error in millionths of the recorded value; small counts are judged by their absolute difference. */
static bool agrees(const struct cgr_result *r, const struct cgr_result_fidelity *f, int64_t tolerance_ppm)
{
	int64_t error = llabs(f->replayed - f->recorded);

	if (f->recorded >= f->low && f->recorded <= f->high)
		return true;
	return error <= cgr_facts_reading_error(r, f) ||
	       (double)error * 1e6 <= (double)llabs(f->recorded) * (double)tolerance_ppm;
}

/* The names are those of a stranger's machine: nothing in them may reach the terminal as it is. */
static int print_name(const struct cgr_result *r, const struct cgr_result_fidelity *f)
{
	struct cgr_strbuf path = { 0 };

	cgr_text_plain(&path, r->cgroup_path[f->cgroup]);
	if (!path.failed)
		printf("%-28s %-38s %14" PRId64, path.text ? path.text : "", r->metric_desc[f->metric].name, f->recorded);
	bool failed = path.failed;
	cgr_strbuf_fini(&path);
	return failed ? CGR_E_NOMEM : 0;
}

static int print_row(const struct cgr_result *r, const struct cgr_result_fidelity *f, bool fine)
{
	double error = f->recorded ? 100.0 * (double)(f->replayed - f->recorded) / (double)f->recorded : 0;
	char range[64];

	CGR_TRY(print_name(r, f));
	if (f->replayed == INT64_MAX) { /* not reached within the times the replay looks past the recorded end */
		printf(" %14s\n", "not done");
		return 0;
	}
	snprintf(range, sizeof range, "%" PRId64 "..%" PRId64, f->low, f->high);
	printf(" %14" PRId64 " %22s %8.2f%%%s\n", f->replayed, range, error, fine ? "" : "  <-");
	return 0;
}

static void print_sum(const struct cgr_result *r, int64_t tolerance_ppm, size_t off)
{
	if (r->fidelities == 0)
		printf("nothing was recorded that could be compared: counters come from recordings by cgreplay record");
	else
		printf("%zu of %zu counters within %.1f %% or their interval", r->fidelities - off, r->fidelities,
		       (double)tolerance_ppm / 1e4);
	printf("; %" PRIu64 " causality violations, %" PRIu64 " of %" PRIu64 " blocks unexplained (%" PRId64 " usec)\n",
	       r->quality.causality_violations, r->quality.unexplained_blocks, r->quality.blocks,
	       r->quality.unexplained_block_usec);
}

static int print_table(const struct cgr_result *r, int64_t tolerance_ppm, size_t *ret_off)
{
	*ret_off = 0;
	if (r->fidelities > 0)
		printf("%-28s %-38s %14s %14s %22s %9s\n", "cgroup", "metric", "recorded", "replayed", "range", "error");
	for (size_t i = 0; i < r->fidelities; i++) {
		const struct cgr_result_fidelity *f = &r->fidelity[i];
		bool fine = f->replayed != INT64_MAX && agrees(r, f, tolerance_ppm);

		CGR_TRY(print_row(r, f, fine));
		*ret_off += !fine;
	}
	print_sum(r, tolerance_ppm, *ret_off);
	return ferror(stdout) ? CGR_E_IO : 0;
}

static int verify(const struct cgr_replay_options *o, const char *path, int64_t tolerance_ppm, const char *command,
                  struct cgr_error *reterr)
{
	struct cgr_scenario scenario = { 0 };
	struct cgr_recording recording = { 0 };
	struct cgr_result *result = NULL;
	struct cgr_run_options run = { .threads = (uint32_t)o->threads,
		                           .fidelity = true,
		                           .with_recorder = true,
		                           .command = command,
		                           .progress = cgr_progress_terminal(o->quiet) };
	size_t off = 0;
	int rc = cgr_replay_options_scenario(o, "verify", &scenario, reterr);

	if (rc >= 0)
		rc = cgr_recording_open(path, o->quiet, &recording, reterr);
	if (rc >= 0)
		rc = cgr_replay(recording.store, recording.programs, &scenario, &run, &result, reterr);
	if (rc >= 0 && (!o->format || !strcmp(o->format, "table")))
		rc = print_table(result, tolerance_ppm, &off);
	else if (rc >= 0)
		rc = cgr_replay_print(o, path, &result, 1, reterr);
	for (size_t i = 0; rc >= 0 && i < result->fidelities && o->format && strcmp(o->format, "table") != 0; i++)
		off += !agrees(result, &result->fidelity[i], tolerance_ppm);
	cgr_result_free(result);
	cgr_recording_close(&recording);
	cgr_scenario_fini(&scenario);
	return rc < 0 ? rc : off ? 1 : 0;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct cgr_replay_options o = { 0 };
	const char *tolerance = "2%";
	int64_t tolerance_ppm;
	const struct cgr_option options[] = {
		CGR_REPLAY_OPTIONS(o),
		{ .name = "tolerance",
		  .type = CGR_OPT_STRING,
		  .value = &tolerance,
		  .argument = "PERCENT",
		  .help = "difference that still counts as agreement (2%)" },
	};
	char *command = cgr_command_line(argc, argv);
	int positionals, rest,
	    rc = cgr_options_parse(&cgr_command_verify, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest,
	                           reterr);

	if (rc == 0 && positionals != 1)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "expected one event store, e.g. cgreplay verify web.db; got %d",
		                   positionals);
	else if (rc == 0 && cgr_parse_percent(tolerance, &tolerance_ppm, reterr) < 0)
		rc = cgr_error_cause(reterr, "--tolerance");
	else if (rc == 0)
		rc = verify(&o, argv[1], tolerance_ppm, command, reterr);
	else if (rc > 0)
		rc = 0;
	free(command);
	cgr_replay_options_fini(&o);
	return rc;
}

const struct cgr_command cgr_command_verify = {
	.name = "verify",
	.summary = "replay at the recorded limits and compare with the recorded counters",
	.usage = "verify STORE [--tolerance PERCENT]",
	.examples = "cgreplay verify web.db\ncgreplay verify web.db --cpu cfs",
	.run = run,
};
