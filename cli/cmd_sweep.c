/* cgreplay sweep: a grid of what-ifs over one recording. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/replay_options.h"
#include "cli/runs.h"
#include "common/limits.h"
#include "common/units.h"
#include "common/util.h"
#include "replay/scenario_file.h"
#include "replay/sweep.h"

#define AXES_MAX 4

struct sink {
	struct cgr_results *results;
	size_t written, there;
};

static int deliver(void *data, const struct cgr_result *result, struct cgr_error *reterr)
{
	struct sink *sink = data;
	int64_t run;

	sink->written++;
	return cgr_results_append(sink->results, result, &run, reterr);
}

static bool have(void *data, const char *name, const char *scenario_json)
{
	struct sink *sink = data;
	bool there = cgr_results_has(sink->results, name, scenario_json);

	sink->there += there;
	return there;
}

/* "2/4": every fourth point, beginning with the second. */
static int parse_shard(const char *text, int64_t *ret_index, int64_t *ret_count, struct cgr_error *reterr)
{
	char first[32];
	const char *slash = strchr(text, '/');

	if (!slash || (size_t)(slash - text) >= sizeof first)
		return cgr_error_set(reterr, CGR_E_USAGE, "--shard '%s': expected I/N, e.g. 2/4", text);
	memcpy(first, text, (size_t)(slash - text));
	first[slash - text] = 0;
	if (cgr_parse_int(slash + 1, 1, CGR_LIMIT_SCENARIOS, ret_count, reterr) < 0 ||
	    cgr_parse_int(first, 1, *ret_count, ret_index, reterr) < 0)
		return cgr_error_cause(reterr, "--shard '%s'", text);
	return 0;
}

static size_t keep_shard(struct cgr_scenario *list, size_t count, int64_t index, int64_t shards)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		struct cgr_scenario s = list[i];

		list[i] = (struct cgr_scenario){ 0 };
		if ((int64_t)i % shards == index - 1)
			list[kept++] = s;
		else
			cgr_scenario_fini(&s);
	}
	return kept;
}

/* The runs of this grid in the asked form, in the order of the grid. */
static int print_runs(const struct cgr_replay_options *o, const char *path, const struct cgr_scenario *list,
                      size_t count, struct cgr_error *reterr)
{
	struct cgr_replay_options print = *o;
	struct cgr_string_list names = { .item = cgr_calloc(count, sizeof *names.item), .count = count };
	struct cgr_runs runs = { 0 };
	int rc = names.item ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "%zu runs", count);

	for (size_t i = 0; i < count && rc >= 0; i++)
		names.item[i] = list[i].name;
	if (rc >= 0)
		rc = cgr_runs_load(o->output, &names, 0, &runs, reterr);
	print.output = NULL; /* they are in it */
	if (rc >= 0)
		rc = cgr_replay_print(&print, path, runs.result, runs.count, reterr);
	cgr_runs_fini(&runs);
	free(names.item);
	return rc;
}

static int run_grid(const struct cgr_replay_options *o, const char *path, const char *command,
                    const struct cgr_scenario *list, size_t count, struct cgr_error *reterr)
{
	struct cgr_recording recording = { 0 };
	struct sink sink = { 0 };
	struct cgr_sweep_options sweep = { .threads = (uint32_t)o->threads,
		                               .command = command,
		                               .progress = cgr_progress_terminal(o->quiet),
		                               .deliver = deliver,
		                               .have = have,
		                               .data = &sink };
	int rc = cgr_recording_open(path, o->quiet, &recording, reterr);

	if (rc >= 0)
		rc = cgr_results_open(o->output, true, &sink.results, reterr);
	if (rc >= 0)
		rc = cgr_sweep_run(recording.store, recording.programs, list, count, &sweep, reterr);
	if (rc >= 0 && !o->quiet)
		fprintf(stderr, "%zu runs in %s (%zu were there already); next: cgreplay report %s -o report.html\n",
		        sink.written + sink.there, o->output, sink.there, o->output);
	cgr_results_free(sink.results);
	cgr_recording_close(&recording);
	return rc >= 0 && o->format ? print_runs(o, path, list, count, reterr) : rc;
}

static int sweep(const struct cgr_replay_options *o, const struct cgr_string_list *vary, const char *shard,
                 const char *path, const char *command, struct cgr_error *reterr)
{
	struct cgr_scenario base = { 0 }, *list = NULL;
	struct cgr_axis axis[AXES_MAX] = { 0 };
	size_t count = 0, axes = 0;
	int64_t index = 1, shards = 1;
	int rc = cgr_replay_options_scenario(o, "sweep", &base, reterr);

	if (rc >= 0 && shard)
		rc = parse_shard(shard, &index, &shards, reterr);
	for (; rc >= 0 && axes < vary->count; axes++)
		rc = cgr_axis_parse(vary->item[axes], &axis[axes], reterr);
	if (rc >= 0)
		rc = cgr_sweep_scenarios(&base, axis, vary->count, &list, &count, reterr);
	if (rc >= 0) {
		count = keep_shard(list, count, index, shards);
		rc = count ? run_grid(o, path, command, list, count, reterr)
		           : cgr_error_set(reterr, CGR_E_USAGE, "--shard %s: the sweep has fewer points than shards", shard);
	}
	cgr_scenarios_free(list, count);
	for (size_t i = 0; i < AXES_MAX; i++)
		cgr_axis_fini(&axis[i]);
	cgr_scenario_fini(&base);
	return rc;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct cgr_replay_options o = { 0 };
	struct cgr_string_list vary = { 0 };
	const char *shard = NULL;
	const struct cgr_option options[] = {
		{ .name = "vary",
		  .type = CGR_OPT_LIST,
		  .value = &vary,
		  .argument = "CGROUP:KNOB=A..B/N",
		  .help = "values of a knob: N equal steps, /xN equal ratios, or a list A,B,C; up to four knobs make a grid" },
		CGR_REPLAY_OPTIONS(o),
		CGR_REPLAY_OPTION_OUTPUT(o, "results store; runs already there are not made again"),
		CGR_REPLAY_OPTION_UNTIL(o),
		{ .name = "shard",
		  .type = CGR_OPT_STRING,
		  .value = &shard,
		  .argument = "I/N",
		  .help = "only every Nth point, beginning with the Ith; `cgreplay merge` puts the parts together" },
	};
	char *question = NULL;
	int positionals, rest,
	    rc = cgr_options_parse(&cgr_command_sweep, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest,
	                           reterr);

	if (rc == 0 && positionals != 1)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "expected one event store; got %d", positionals);
	else if (rc == 0 && (!vary.count || vary.count > AXES_MAX))
		rc = cgr_error_set(reterr, CGR_E_USAGE, "give one to %d --vary, e.g. --vary '/web:memory.max=64M..1G/32'",
		                   AXES_MAX);
	else if (rc == 0 && !o.output)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "give -o RESULTS: a sweep is kept in a results store");
	else if (rc == 0) {
		question = cgr_command_question(&cgr_command_sweep, options, CGR_ARRAY_SIZE(options), argv, positionals);
		rc = sweep(&o, &vary, shard, argv[1], question, reterr);
	}
	free(question);
	cgr_string_list_fini(&vary);
	cgr_replay_options_fini(&o);
	return rc > 0 ? 0 : rc;
}

const struct cgr_command cgr_command_sweep = {
	.name = "sweep",
	.summary = "replay a grid of what-ifs",
	.usage = "sweep STORE --vary CGROUP:KNOB=A..B/N [-j N] -o RESULTS",
	.examples = "cgreplay sweep web.db --vary '/web:memory.max=64M..1G/32' -j 4 -o runs.db\n"
	            "cgreplay sweep web.db --vary '/web:cpu.max=20000,50000,100000' --shard 1/4 -o part1.db",
	.run = run,
};
