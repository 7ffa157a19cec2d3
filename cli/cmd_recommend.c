/* cgreplay recommend: the smallest limit that keeps the stated requirements, over one or several recordings. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/recommend.h"
#include "cli/replay_options.h"
#include "common/units.h"
#include "common/util.h"

/* ---- keeping the runs ---- */
/* What the report needs to mark the point: the requirements, and whether this run keeps them. */
static int mark(struct cgr_result *result, const struct cgr_question *q, bool kept, bool chosen,
                struct cgr_error *reterr)
{
	json_t *root = result->scenario_json ? json_loads(result->scenario_json, 0, NULL) : NULL, *texts = json_array();
	char *text = NULL;

	for (size_t k = 0; k < q->requirements; k++)
		json_array_append_new(texts, json_string(q->requirement[k].text));
	if (root && json_object_set_new(root, "recommend",
	                                json_pack("{s:o, s:b, s:b}", "requirements", texts, "kept", (int)kept,
	                                          "recommended", (int)chosen)) == 0)
		text = json_dumps(root, JSON_COMPACT);
	if (!root)
		json_decref(texts);
	json_decref(root);
	if (!text)
		return cgr_error_set(reterr, CGR_E_NOMEM, "recommend");
	free(result->scenario_json);
	result->scenario_json = text;
	return 0;
}

/* The curve behind the answer as runs, by value; what an earlier call left there is not added again. */
static int keep_runs(const char *path, const struct cgr_question *q, const struct cgr_recommendation *r,
                     struct cgr_error *reterr)
{
	struct cgr_results *results = NULL;
	int rc = cgr_results_open(path, true, &results, reterr);

	for (size_t i = 0; i < r->points && rc >= 0; i++) {
		struct cgr_result *result = r->point[i].result;
		int64_t run;

		rc = mark(result, q, r->point[i].kept, r->found && r->point[i].value == r->recommended, reterr);
		if (rc >= 0 && !cgr_results_has(results, result->name, result->scenario_json))
			rc = cgr_results_append(results, result, &run, reterr);
	}
	cgr_results_free(results);
	return rc;
}

/* ---- asking ---- */
static int take_cgroup(const struct cgr_store *store, const char *named, struct cgr_answer *a, struct cgr_error *reterr)
{
	uint32_t id;
	size_t count;

	CGR_TRY(cgr_store_find_cgroup(store, named, &id, reterr));
	a->cgroup = cgr_strdup(cgr_store_borrow_cgroups(store, &count)[id].path);
	return a->cgroup ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "recommend: out of memory");
}

static int ask(const struct cgr_replay_options *o, const struct cgr_question *q, struct cgr_answer *a,
               struct cgr_error *reterr)
{
	struct cgr_scenario base = { 0 };
	struct cgr_recording recording = { 0 };
	struct cgr_run_options run = { .threads = (uint32_t)o->threads, .command = q->text };
	struct cgr_recommend_question what = { .knob = q->knob,
		                                   .requirement = q->requirement,
		                                   .requirements = q->requirements,
		                                   .margin_ppm = q->margin_ppm,
		                                   .keep_runs = o->output != NULL };
	int rc = cgr_replay_options_scenario(o, "recommend", &base, reterr);

	if (rc >= 0)
		rc = cgr_recording_open(a->path, o->quiet, &recording, reterr);
	if (rc >= 0) {
		a->cgroup_version = cgr_store_borrow_info(recording.store)->cgroup_version;
		rc = take_cgroup(recording.store, q->cgroup, a, reterr);
	}
	if (rc >= 0) {
		what.cgroup = a->cgroup;
		rc = cgr_recommend(recording.store, recording.programs, &base, &what, &run, &a->found, reterr);
	}
	cgr_recording_close(&recording);
	cgr_scenario_fini(&base);
	return rc < 0 ? cgr_error_cause(reterr, "%s", a->path) : 0;
}

static int recommend(const struct cgr_replay_options *o, const struct cgr_question *q, char **paths, size_t count,
                     struct cgr_error *reterr)
{
	struct cgr_answer *answers = cgr_calloc(count, sizeof *answers);
	const struct cgr_answer *worst = answers;
	int rc = answers ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "recommend");

	for (size_t i = 0; i < count && rc >= 0; i++) {
		answers[i].path = paths[i];
		rc = ask(o, q, &answers[i], reterr);
		if (rc >= 0 && worst->found.found &&
		    (!answers[i].found.found || answers[i].found.recommended > worst->found.recommended))
			worst = &answers[i];
	}
	if (rc >= 0 && o->output)
		rc = keep_runs(o->output, q, &worst->found, reterr);
	if (rc >= 0)
		rc = cgr_recommend_print(o->format, q, answers, count, worst, reterr);
	if (rc >= 0 && !worst->found.found)
		rc = 1;
	for (size_t i = 0; answers && i < count; i++) {
		cgr_recommendation_fini(&answers[i].found);
		free(answers[i].cgroup);
	}
	free(answers);
	return rc;
}

/* What an operator means who only names the knob: no kill, or not throttled to speak of. NULL: it has to be said. */
static const char *usual_requirement(const char *knob)
{
	if (strcmp(knob, "memory.max") == 0)
		return "memory.events.oom_kill==0";
	if (strcmp(knob, "memory.high") == 0)
		return "completion<+3%";
	return strcmp(knob, "cpu.max") == 0 ? "cpu.throttled_share<1%" : NULL;
}

static int unknown_knob(const char *knob, struct cgr_error *reterr)
{
	static const char *const known[] = { "memory.max", "memory.high", "cpu.max" };
	const char *near = cgr_did_you_mean(knob, (const char **)known, CGR_ARRAY_SIZE(known));

	return cgr_error_set(
	    reterr, CGR_E_USAGE,
	    "--knob %s: only memory.max, memory.high and cpu.max have a smallest safe value to look for%s%s%s", knob,
	    near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int parse_requirements(struct cgr_question *q, const struct cgr_string_list *require, struct cgr_error *reterr)
{
	const char *usual = usual_requirement(cgr_knob_canonical(q->knob));
	size_t wanted = require->count ? require->count : 1;

	if (!usual)
		return unknown_knob(q->knob, reterr);
	q->requirement = cgr_calloc(wanted, sizeof *q->requirement);
	if (!q->requirement)
		return cgr_error_set(reterr, CGR_E_NOMEM, "recommend");
	for (; q->requirements < wanted; q->requirements++)
		CGR_TRY(cgr_requirement_parse(require->count ? require->item[q->requirements] : usual,
		                              &q->requirement[q->requirements], reterr));
	return 0;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct cgr_replay_options o = { 0 };
	struct cgr_string_list require = { 0 };
	struct cgr_question q = { .margin_ppm = -1 };
	const char *margin = NULL;
	char *text = NULL;
	const struct cgr_option options[] = {
		{ .name = "cgroup", .type = CGR_OPT_STRING, .value = &q.cgroup, .argument = "PATH", .help = "cgroup to size" },
		{ .name = "knob",
		  .type = CGR_OPT_STRING,
		  .value = &q.knob,
		  .argument = "KNOB",
		  .help = "memory.max, memory.high or cpu.max" },
		{ .name = "require",
		  .type = CGR_OPT_LIST,
		  .value = &require,
		  .argument = "RULE",
		  .help =
		      "what must hold, e.g. 'p99 wakeup_latency<5ms'; may be repeated. Without it: no OOM kill (memory.max), "
		      "completion<+3% (memory.high), cpu.throttled_share<1% (cpu.max)" },
		{ .name = "margin",
		  .type = CGR_OPT_STRING,
		  .value = &margin,
		  .argument = "PERCENT",
		  .help = "on top of the smallest value that keeps everything, since two runs of the same work differ "
		          "(default: 3% of "
		          "memory; none of cpu.max, whose intervals hold that already)" },
		CGR_REPLAY_OPTIONS(o),
		CGR_REPLAY_OPTION_OUTPUT(o,
		                         "results store for the runs behind the answer: `cgreplay report` draws their curves"),
		CGR_REPLAY_OPTION_UNTIL(o),
	};
	int positionals, rest,
	    rc = cgr_options_parse(&cgr_command_recommend, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals,
	                           &rest, reterr);

	if (rc == 0 && (positionals < 1 || !q.cgroup || !q.knob))
		rc = cgr_error_set(
		    reterr, CGR_E_USAGE,
		    "expected STORE --cgroup PATH --knob KNOB [--require RULE]..., e.g. cgreplay recommend web.db "
		    "--cgroup /web --knob memory.max --require 'memory.events.oom_kill==0'");
	if (rc == 0 && margin && cgr_parse_percent(margin, &q.margin_ppm, reterr) < 0)
		rc = cgr_error_cause(reterr, "--margin");
	if (rc == 0) {
		rc = parse_requirements(&q, &require, reterr);
		q.text = text =
		    cgr_command_question(&cgr_command_recommend, options, CGR_ARRAY_SIZE(options), argv, positionals);
		if (rc == 0)
			rc = recommend(&o, &q, argv + 1, (size_t)positionals, reterr);
	} else if (rc > 0) {
		rc = 0;
	}
	for (size_t i = 0; q.requirement && i < q.requirements; i++)
		cgr_requirement_fini(&q.requirement[i]);
	free(q.requirement);
	free(text);
	cgr_string_list_fini(&require);
	cgr_replay_options_fini(&o);
	return rc;
}

const struct cgr_command cgr_command_recommend = {
	.name = "recommend",
	.summary = "find the smallest limit that keeps what is required",
	.usage = "recommend STORE... --cgroup PATH --knob KNOB [--require RULE]...",
	.examples = "cgreplay recommend web.db --cgroup /web --knob memory.max --require 'memory.events.oom_kill==0'\n"
	            "cgreplay recommend mon.db tue.db --cgroup /web --knob cpu.max --require 'completion<+3%'",
	.run = run,
};
