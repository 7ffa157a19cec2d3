/* cgreplay replay: what happens to these cgroups under other limits? */
#include <stdio.h>
#include <stdlib.h>

#include "cli/cli.h"
#include "cli/replay_options.h"
#include "common/limits.h"
#include "common/util.h"

static int explain(const struct cgr_store *store, const struct cgr_scenario *scenario, struct cgr_error *reterr)
{
	struct cgr_whatif plan;
	char *text;

	CGR_TRY(cgr_whatif_make(store, scenario, &plan, reterr));
	text = cgr_whatif_explain(&plan);
	if (text)
		fputs(text, stdout);
	free(text);
	cgr_whatif_fini(&plan);
	return text ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "--explain");
}

static int replay_one(const struct cgr_replay_options *o, const char *path, const char *command,
                      struct cgr_error *reterr)
{
	struct cgr_scenario scenario = { 0 };
	struct cgr_recording recording = { 0 };
	struct cgr_result *result = NULL;
	struct cgr_run_options run = { .threads = (uint32_t)o->threads,
		                           .fidelity = !o->no_fidelity,
		                           .spans = o->output != NULL,
		                           .command = command,
		                           .progress = cgr_progress_terminal(o->quiet) };
	int rc = cgr_replay_options_scenario(o, o->scenario_name ? o->scenario_name : "run", &scenario, reterr);

	if (rc >= 0 && o->explain) {
		rc = cgr_store_open(path, &recording.store, reterr);
		if (rc >= 0)
			rc = explain(recording.store, &scenario, reterr);
	} else if (rc >= 0) {
		rc = cgr_recording_open(path, o->quiet, &recording, reterr);
		if (rc >= 0)
			rc = cgr_replay(recording.store, recording.programs, &scenario, &run, &result, reterr);
		if (rc >= 0)
			rc = cgr_replay_print(o, path, &result, 1, reterr);
	}
	cgr_result_free(result);
	cgr_recording_close(&recording);
	cgr_scenario_fini(&scenario);
	return rc;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct cgr_replay_options o = { 0 };
	const struct cgr_option options[] = {
		CGR_REPLAY_OPTIONS(o),
		{ .name = "output",
		  .letter = 'o',
		  .type = CGR_OPT_STRING,
		  .value = &o.output,
		  .argument = "FILE",
		  .help = "keep the result in this results store too" },
		{ .name = "name",
		  .type = CGR_OPT_STRING,
		  .value = &o.scenario_name,
		  .argument = "NAME",
		  .help = "name of the run, or of the one scenario of the file to replay" },
		{ .name = "until",
		  .type = CGR_OPT_ENUM,
		  .value = &o.until,
		  .argument = "WHEN",
		  .help = "judge at the recorded end, or when all recorded work is done",
		  .choices = "end|done" },
		{ .name = "no-fidelity",
		  .type = CGR_OPT_FLAG,
		  .value = &o.no_fidelity,
		  .help = "do not replay the recorded limits for comparison" },
		{ .name = "explain",
		  .type = CGR_OPT_FLAG,
		  .value = &o.explain,
		  .help = "print what each cgroup effectively gets, and stop" },
	};
	char *command = cgr_command_line(argc, argv);
	int positionals, rest,
	    rc = cgr_options_parse(&cgr_command_replay, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest,
	                           reterr);

	if (rc == 0 && positionals != 1)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "expected one event store, e.g. cgreplay replay web.db; got %d",
		                   positionals);
	if (rc == 0)
		rc = replay_one(&o, argv[1], command, reterr);
	free(command);
	cgr_replay_options_fini(&o);
	return rc > 0 ? 0 : rc;
}

const struct cgr_command cgr_command_replay = {
	.name = "replay",
	.summary = "answer a what-if from a recording",
	.usage = "replay STORE [--set CGROUP:KNOB=VALUE]... [--scenario FILE] [-o RESULTS]",
	.examples = "cgreplay replay web.db --set '/web:memory.max=256M'\n"
	            "cgreplay replay web.db --set '/web:cpu.max=50000 100000' -o runs.db",
	.run = run,
};
