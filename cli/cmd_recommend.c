/* cgreplay recommend: the smallest limit that keeps the stated requirements, over one or several recordings. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/replay_options.h"
#include "common/limits.h"
#include "common/units.h"
#include "common/util.h"
#include "replay/recommend.h"

struct answer {
	const char *path;
	struct cgr_recommendation found;
	int cgroup_version;
};
struct question {
	const char *cgroup, *knob;
	struct cgr_requirement *requirement;
	size_t requirements;
	int64_t margin_ppm;
	const char *text; /* the command that asks it */
};

#define CGR_MIB ((int64_t)1 << 20)

static void format_value(const struct question *q, const struct cgr_recommendation *r, int64_t value, char *out,
                         size_t size)
{
	if (value == INT64_MAX || value < 0)
		snprintf(out, size, "max");
	else if (r->period_usec)
		snprintf(out, size, "%" PRId64 " %" PRId64, value, r->period_usec);
	else if (value > 100 * CGR_MIB && value % CGR_MIB) /* the limit kept and the one broken may be 0.5 % apart */
		snprintf(out, size, "%" PRId64 ".%" PRId64 "M", value / CGR_MIB, value % CGR_MIB * 10 / CGR_MIB);
	else
		cgr_format_bytes(value, out, size);
	(void)q;
}

static void format_figure(const struct cgr_requirement *r, int64_t figure, char *out, size_t size)
{
	if (figure == INT64_MAX)
		snprintf(out, size, "never");
	else if (!strcmp(r->metric, "cpu.throttled_share"))
		snprintf(out, size, "%.1f%%", (double)figure / 1e4);
	else if (strstr(r->metric, "_usec"))
		cgr_format_usec(figure, out, size);
	else
		cgr_format_count(figure, out, size);
}

/* ---- settings to paste ---- */
struct paste {
	char cgroupfs[3][CGR_LIMIT_PATH + 128], systemd[CGR_LIMIT_PATH + 128], kubernetes[160];
	size_t lines;
};

static void make_paste(const struct question *q, const struct answer *a, struct paste *p)
{
	const char *knob = cgr_knob_canonical(q->knob), *unit = strrchr(q->cgroup, '/');
	int64_t value = a->found.recommended, period = a->found.period_usec;
	bool v1 = a->cgroup_version == 1;

	unit = unit && unit[1] ? unit + 1 : q->cgroup;
	p->lines = 1;
	if (period) {
		if (v1) {
			snprintf(p->cgroupfs[0], sizeof p->cgroupfs[0], "echo %" PRId64 " > /sys/fs/cgroup/cpu%s/cpu.cfs_period_us",
			         period, q->cgroup);
			snprintf(p->cgroupfs[1], sizeof p->cgroupfs[1], "echo %" PRId64 " > /sys/fs/cgroup/cpu%s/cpu.cfs_quota_us",
			         value, q->cgroup);
			p->lines = 2;
		} else {
			snprintf(p->cgroupfs[0], sizeof p->cgroupfs[0], "echo '%" PRId64 " %" PRId64 "' > /sys/fs/cgroup%s/cpu.max",
			         value, period, q->cgroup);
		}
		snprintf(p->systemd, sizeof p->systemd, "systemctl set-property %s CPUQuota=%" PRId64 "%%", unit,
		         (value * 100 + period - 1) / period);
		snprintf(p->kubernetes, sizeof p->kubernetes, "resources: {limits: {cpu: \"%" PRId64 "m\"}}",
		         (value * 1000 + period - 1) / period);
		return;
	}
	snprintf(p->cgroupfs[0], sizeof p->cgroupfs[0], "echo %" PRId64 " > /sys/fs/cgroup%s%s/%s", value,
	         v1 ? "/memory" : "", q->cgroup, v1 && !strcmp(knob, "memory.max") ? "memory.limit_in_bytes" : knob);
	snprintf(p->systemd, sizeof p->systemd, "systemctl set-property %s %s=%" PRId64, unit,
	         !strcmp(knob, "memory.high") ? "MemoryHigh" : "MemoryMax", value);
	snprintf(p->kubernetes, sizeof p->kubernetes, "resources: {limits: {memory: \"%" PRId64 "Ki\"}}", value / 1024);
}

/* ---- printing ---- */
static void print_curve(const struct question *q, const struct answer *a)
{
	const struct cgr_recommendation *r = &a->found;
	char text[64];

	printf("\n%s\n%20s  %-7s", a->path, q->knob, "kept");
	for (size_t k = 0; k < q->requirements; k++)
		printf("  %28s", q->requirement[k].text);
	putchar('\n');
	for (size_t i = 0; i < r->points; i++) {
		format_value(q, r, r->point[i].value, text, sizeof text);
		printf("%20s  %-7s", text, r->point[i].kept ? "yes" : "no");
		for (size_t k = 0; k < q->requirements; k++) {
			format_figure(&q->requirement[k], r->point[i].figure[k], text, sizeof text);
			printf("  %28s", text);
		}
		printf("%s%s\n", r->found && r->point[i].value == r->smallest_kept ? "  <- smallest kept" : "",
		       r->found && r->point[i].value == r->recommended ? "  <- recommended" : "");
	}
}

static const char *const trust[] = { "everything it rests on was recorded", "part of it is bracketed, not recorded",
	                                 "it reaches beyond what the recording can support" };

/* The sentence for whoever signs it. */
static void print_words(const struct question *q, const struct cgr_recommendation *r)
{
	char text[64];

	if (r->period_usec)
		printf("In words: %.2f CPUs are enough for %s", (double)r->recommended / (double)r->period_usec, q->cgroup);
	else
		printf("In words: %s of memory are enough for %s", cgr_format_bytes(r->recommended, text, sizeof text),
		       q->cgroup);
	for (size_t i = 0; i < r->points; i++)
		for (size_t k = 0; r->point[i].value == r->recommended && k < q->requirements; k++) {
			format_figure(&q->requirement[k], r->point[i].figure[k], text, sizeof text);
			printf("%s %s is %s at worst (required: %s)", k ? "," : ":", q->requirement[k].metric, text,
			       q->requirement[k].text);
		}
	puts(".");
}

static void print_interval(const struct question *q, const struct cgr_recommendation *r)
{
	char kept[64], broken[64];

	format_value(q, r, r->smallest_kept, kept, sizeof kept);
	format_value(q, r, r->largest_broken, broken, sizeof broken);
	if (r->largest_broken >= 0)
		printf("Interval: %s keeps all of it in the worst seed, %s does not.", kept, broken);
	else
		printf("Interval: %s, the smallest tried, keeps all of it in the worst seed.", kept);
	if (r->recommended > r->smallest_kept)
		printf(" On top of it a margin of %.3g %%: two runs of the same work differ (--margin).",
		       (double)(r->recommended - r->smallest_kept) * 100 / (double)r->smallest_kept);
	puts("");
}

static void print_table(const struct question *q, const struct answer *answers, size_t count,
                        const struct answer *worst)
{
	const struct cgr_recommendation *r = &worst->found;
	char value[64], recorded[64];
	struct paste paste;

	if (!r->found) {
		printf("no %s of %s keeps what is required in %s\n", q->knob, q->cgroup, worst->path);
	} else {
		make_paste(q, worst, &paste);
		format_value(q, r, r->recommended, value, sizeof value);
		format_value(q, r, r->recorded, recorded, sizeof recorded);
		printf("%s can have %s = %s (recorded: %s).\n", q->cgroup, q->knob, value, recorded);
		print_words(q, r);
		print_interval(q, r);
		if (count > 1)
			printf("The recording that needs most is %s.\n", worst->path);
		printf("Trust: %s (%s).%s\n", cgr_class_name(r->class), trust[r->class],
		       r->monotone ? "" : " Smaller values are sometimes kept too: larger is not always better here.");
		printf("\ncgroupfs    %s\n", paste.cgroupfs[0]);
		if (paste.lines > 1)
			printf("            %s\n", paste.cgroupfs[1]);
		printf("systemd     %s\nKubernetes  %s\n", paste.systemd, paste.kubernetes);
	}
	if (r->like_with_like)
		printf("\nNote: at the recorded limits the prediction itself varies by more than a requirement allows; that "
		       "one is\n"
		       "judged against the worst run there, not the middle one.\n");
	for (size_t i = 0; i < count; i++)
		print_curve(q, &answers[i]);
}

static json_t *curve_json(const struct question *q, const struct cgr_recommendation *r)
{
	json_t *curve = json_array();

	for (size_t i = 0; i < r->points; i++) {
		json_t *figures = json_array();

		for (size_t k = 0; k < q->requirements; k++)
			json_array_append_new(figures, r->point[i].figure[k] == INT64_MAX ? json_null()
			                                                                  : json_integer(r->point[i].figure[k]));
		json_array_append_new(curve, json_pack("{s:I, s:b, s:o}", "value", (json_int_t)r->point[i].value, "kept",
		                                       (int)r->point[i].kept, "figures", figures));
	}
	return curve;
}

static json_t *or_null(bool known, int64_t value)
{
	return known ? json_integer(value) : json_null();
}

static int print_json(const struct question *q, const struct answer *answers, size_t count, const struct answer *worst)
{
	const struct cgr_recommendation *r = &worst->found;
	json_t *root, *requirements = json_array(), *recordings = json_array(), *settings = json_null();

	for (size_t k = 0; k < q->requirements; k++)
		json_array_append_new(requirements, json_string(q->requirement[k].text));
	for (size_t i = 0; i < count; i++) {
		const struct cgr_recommendation *f = &answers[i].found;

		json_array_append_new(recordings, json_pack("{s:s, s:o, s:o, s:o, s:b, s:o}", "path", answers[i].path,
		                                            "recommended", or_null(f->found, f->recommended), "smallest_kept",
		                                            or_null(f->found, f->smallest_kept), "largest_broken",
		                                            or_null(f->largest_broken >= 0, f->largest_broken), "monotone",
		                                            (int)f->monotone, "curve", curve_json(q, f)));
	}
	if (r->found) {
		struct paste paste;

		make_paste(q, worst, &paste);
		json_decref(settings);
		settings = json_pack("{s:[s], s:s, s:s}", "cgroupfs", paste.cgroupfs[0], "systemd", paste.systemd, "kubernetes",
		                     paste.kubernetes);
		if (paste.lines > 1)
			json_array_append_new(json_object_get(settings, "cgroupfs"), json_string(paste.cgroupfs[1]));
	}
	root = json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "schema_version", 1, "cgroup",
	                 q->cgroup, "knob", cgr_knob_canonical(q->knob), "recommended", or_null(r->found, r->recommended),
	                 "smallest_kept", or_null(r->found, r->smallest_kept), "largest_broken",
	                 or_null(r->largest_broken >= 0, r->largest_broken), "margin",
	                 json_integer(r->recommended - r->smallest_kept), "period_usec",
	                 or_null(r->period_usec > 0, r->period_usec), "requirements", requirements, "class",
	                 cgr_class_name(r->class), "settings", settings, "recordings", recordings);
	if (root)
		json_dumpf(root, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(root);
	return root ? 0 : CGR_E_NOMEM;
}

/* ---- keeping the runs ---- */
/* What the report needs to mark the point: the requirements, and whether this run keeps them. */
static int mark(struct cgr_result *result, const struct question *q, bool kept, bool chosen, struct cgr_error *reterr)
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
static int keep_runs(const char *path, const struct question *q, const struct cgr_recommendation *r,
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
static int ask(const struct cgr_replay_options *o, const struct question *q, struct answer *a, struct cgr_error *reterr)
{
	struct cgr_scenario base = { 0 };
	struct cgr_recording recording = { 0 };
	struct cgr_run_options run = { .threads = (uint32_t)o->threads, .command = q->text };
	const struct cgr_recommend_question what = { .cgroup = q->cgroup,
		                                         .knob = q->knob,
		                                         .requirement = q->requirement,
		                                         .requirements = q->requirements,
		                                         .margin_ppm = q->margin_ppm,
		                                         .keep_runs = o->output != NULL };
	int rc = cgr_replay_options_scenario(o, "recommend", &base, reterr);

	if (rc >= 0)
		rc = cgr_recording_open(a->path, o->quiet, &recording, reterr);
	if (rc >= 0) {
		a->cgroup_version = cgr_store_borrow_info(recording.store)->cgroup_version;
		rc = cgr_recommend(recording.store, recording.programs, &base, &what, &run, &a->found, reterr);
	}
	cgr_recording_close(&recording);
	cgr_scenario_fini(&base);
	return rc < 0 ? cgr_error_cause(reterr, "%s", a->path) : 0;
}

static int recommend(const struct cgr_replay_options *o, const struct question *q, char **paths, size_t count,
                     struct cgr_error *reterr)
{
	struct answer *answers = cgr_calloc(count, sizeof *answers);
	const struct answer *worst = answers;
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
	if (rc >= 0 && o->format && !strcmp(o->format, "json"))
		rc = print_json(q, answers, count, worst);
	else if (rc >= 0)
		print_table(q, answers, count, worst);
	if (rc >= 0 && !worst->found.found)
		rc = 1;
	for (size_t i = 0; answers && i < count; i++)
		cgr_recommendation_fini(&answers[i].found);
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

static int parse_requirements(struct question *q, const struct cgr_string_list *require, struct cgr_error *reterr)
{
	const char *usual = require->count ? NULL : usual_requirement(q->knob);
	size_t wanted = usual ? 1 : require->count;

	if (!wanted)
		return cgr_error_set(reterr, CGR_E_USAGE,
		                     "--knob %s: say with --require what must hold, e.g. --require 'completion<+3%%'", q->knob);
	q->requirement = cgr_calloc(wanted, sizeof *q->requirement);
	if (!q->requirement)
		return cgr_error_set(reterr, CGR_E_NOMEM, "recommend");
	for (; q->requirements < wanted; q->requirements++)
		CGR_TRY(cgr_requirement_parse(usual ? usual : require->item[q->requirements], &q->requirement[q->requirements],
		                              reterr));
	return 0;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct cgr_replay_options o = { 0 };
	struct cgr_string_list require = { 0 };
	struct question q = { .margin_ppm = -1 };
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
