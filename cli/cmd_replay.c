/* cgreplay replay: what happens to these cgroups under other limits? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/replay_options.h"
#include "cli/rows.h"
#include "common/limits.h"
#include "common/util.h"
#include "replay/scenario_file.h"

static int explain(const struct cgr_store *store, const struct cgr_scenario *scenario, struct cgr_error *reterr)
{
	struct cgr_whatif plan;
	char *text;

	CGR_TRY(cgr_whatif_make(store, scenario, &plan, reterr));
	text = cgr_whatif_explain(&plan);
	for (char *line = text, *next; line && *line; line = next) {
		next = line + strcspn(line, "\n");
		if (*next)
			*next++ = 0;
		cgr_rows_print_plain(stdout, line);
		putchar('\n');
	}
	free(text);
	cgr_whatif_fini(&plan);
	return text ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "--explain");
}

/* The scenarios to run: those of the file (all, or the named one) with the command line's settings added, or one made
 * of the command line alone. */
static int collect(const struct cgr_replay_options *o, struct cgr_scenario **ret_list, size_t *ret_count,
                   struct cgr_error *reterr)
{
	struct cgr_scenario *list;
	size_t count, kept = 0;

	if (!o->scenario_file) {
		list = cgr_calloc(1, sizeof *list);
		if (!list)
			return cgr_error_set(reterr, CGR_E_NOMEM, "scenario");
		*ret_list = list;
		*ret_count = 1;
		return cgr_replay_options_scenario(o, o->scenario_name ? o->scenario_name : "run", list, reterr);
	}
	CGR_TRY(cgr_scenario_file_load(o->scenario_file, &list, &count, reterr));
	*ret_list = list;
	for (size_t i = 0; i < count; i++) {
		if (o->scenario_name && strcmp(list[i].name, o->scenario_name) != 0)
			cgr_scenario_fini(&list[i]);
		else
			list[kept++] = list[i];
	}
	*ret_count = kept;
	if (!kept)
		return cgr_error_set(reterr, CGR_E_SCENARIO, "%s has no scenario '%s'", o->scenario_file, o->scenario_name);
	for (size_t i = 0; i < kept; i++)
		CGR_TRY(cgr_replay_options_apply(o, &list[i], reterr));
	return 0;
}

static int replay_all(const struct cgr_replay_options *o, const char *path, const char *command,
                      const struct cgr_scenario *list, size_t count, struct cgr_error *reterr)
{
	struct cgr_recording recording = { 0 };
	struct cgr_result **result = cgr_calloc(count, sizeof *result);
	struct cgr_run_options run = { .threads = (uint32_t)o->threads,
		                           .fidelity = !o->no_fidelity,
		                           .series = o->output != NULL,
		                           .spans = o->output != NULL,
		                           .curves = o->output != NULL,
		                           .command = command,
		                           .progress = cgr_progress_terminal(o->quiet) };
	int rc =
	    result ? cgr_recording_open(path, o->quiet, &recording, reterr) : cgr_error_set(reterr, CGR_E_NOMEM, "results");

	for (size_t i = 0; i < count && rc >= 0; i++)
		rc = cgr_replay(recording.store, recording.programs, &list[i], &run, &result[i], reterr);
	if (rc >= 0)
		rc = cgr_replay_print(o, path, result, count, reterr);
	for (size_t i = 0; result && i < count; i++)
		cgr_result_free(result[i]);
	free(result);
	cgr_recording_close(&recording);
	return rc;
}

static int explain_all(const char *path, const struct cgr_scenario *list, size_t count, struct cgr_error *reterr)
{
	struct cgr_store *store;
	int rc = cgr_store_open(path, &store, reterr);

	if (rc < 0)
		return rc;
	for (size_t i = 0; i < count && rc >= 0; i++) {
		if (count > 1)
			printf("%sscenario %s\n", i ? "\n" : "", list[i].name);
		rc = explain(store, &list[i], reterr);
	}
	cgr_store_free(store);
	return rc;
}

/* Hours of replaying must not end at a results store that cannot be written. */
static int check_output(const char *path, struct cgr_error *reterr)
{
	struct cgr_results *store;

	CGR_TRY(cgr_results_open(path, true, &store, reterr));
	cgr_results_free(store); /* takes a file away again that it made */
	return 0;
}

static int replay(const struct cgr_replay_options *o, const char *path, const char *command, struct cgr_error *reterr)
{
	struct cgr_scenario *list = NULL;
	size_t count = 0;
	int rc = collect(o, &list, &count, reterr);

	if (rc >= 0 && o->output && !o->explain)
		rc = check_output(o->output, reterr);
	if (rc >= 0)
		rc = o->explain ? explain_all(path, list, count, reterr) : replay_all(o, path, command, list, count, reterr);
	cgr_scenarios_free(list, count);
	return rc;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct cgr_replay_options o = { 0 };
	const struct cgr_option options[] = {
		CGR_REPLAY_OPTIONS(o),
		CGR_REPLAY_OPTION_OUTPUT(o, "keep the result in this results store too"),
		{ .name = "name",
		  .type = CGR_OPT_STRING,
		  .value = &o.scenario_name,
		  .argument = "NAME",
		  .help = "name of the run, or of the one scenario of the file to replay" },
		CGR_REPLAY_OPTION_UNTIL(o),
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
		rc = replay(&o, argv[1], command, reterr);
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
