/* What `cgreplay recommend` found: for people, as rows, as JSON. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/recommend.h"
#include "cli/rows.h"
#include "common/units.h"
#include "common/util.h"
#include "reports/json.h"
#include "reports/text.h"

#define MIB ((int64_t)1 << 20)

void cgr_recommend_format_value(const struct cgr_recommendation *r, int64_t value, char *out, size_t size)
{
	if (value == INT64_MAX || value < 0)
		snprintf(out, size, "max");
	else if (r->period_usec)
		snprintf(out, size, "%" PRId64 " %" PRId64, value, r->period_usec);
	else if (value > 100 * MIB && value % MIB) /* the limit kept and the one broken may be 0.5 % apart */
		snprintf(out, size, "%" PRId64 ".%" PRId64 "M", value / MIB, value % MIB * 10 / MIB);
	else
		cgr_format_bytes(value, out, size);
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

/* ---- for people ---- */
/* Figures of a relative requirement are those of the unlimited middle run, changed as the limit changes each seed. */
static void print_curve(const struct cgr_question *q, const struct cgr_answer *a)
{
	const struct cgr_recommendation *r = &a->found;
	char text[64];

	putchar('\n');
	cgr_rows_print_plain(stdout, a->path);
	printf("\n%20s  %-7s", q->knob, "kept");
	for (size_t k = 0; k < q->requirements; k++)
		printf("  %28s", q->requirement[k].text);
	putchar('\n');
	for (size_t i = 0; i < r->points; i++) {
		cgr_recommend_format_value(r, r->point[i].value, text, sizeof text);
		printf("%20s  %-7s", text, r->point[i].kept ? "yes" : r->point[i].surely_broken ? "no" : "maybe");
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
static void print_words(const struct cgr_question *q, const struct cgr_answer *a)
{
	const struct cgr_recommendation *r = &a->found;
	char text[64];

	cgr_recommend_format_value(r, r->recommended, text, sizeof text);
	if (r->period_usec)
		printf("In words: %.2f CPUs are enough for ", (double)r->recommended / (double)r->period_usec);
	else
		printf("In words: %s of memory is enough for ", text);
	cgr_rows_print_plain(stdout, a->cgroup);
	for (size_t i = 0; i < r->points; i++)
		for (size_t k = 0; r->point[i].value == r->recommended && k < q->requirements; k++) {
			format_figure(&q->requirement[k], r->point[i].figure[k], text, sizeof text);
			printf("%s %s is %s at worst (required: %s)", k ? "," : ":", q->requirement[k].metric, text,
			       q->requirement[k].text);
		}
	puts(".");
}

static void print_interval(const struct cgr_recommendation *r)
{
	char kept[64], broken[64];

	cgr_recommend_format_value(r, r->smallest_kept, kept, sizeof kept);
	cgr_recommend_format_value(r, r->surely_broken, broken, sizeof broken);
	printf("Interval: %s keeps all of it in the worst seed", kept);
	if (r->surely_broken >= 0 && r->surely_broken == r->largest_broken)
		printf(", %s breaks it in every seed.", broken);
	else if (r->surely_broken >= 0)
		printf(", %s breaks it in every seed; between them it depends on the run.", broken);
	else if (r->largest_broken >= 0)
		printf("; no value that was tried breaks it in every seed.");
	else
		printf(", and nothing smaller that was tried breaks it.");
	if (r->recommended > r->smallest_kept)
		printf(" On top of it a margin of %.3g %%: two runs of the same work differ (--margin).",
		       (double)(r->recommended - r->smallest_kept) * 100 / (double)r->smallest_kept);
	puts("");
}

static int print_answer(const struct cgr_question *q, const struct cgr_answer *a, bool several,
                        struct cgr_error *reterr)
{
	const struct cgr_recommendation *r = &a->found;
	char value[64], recorded[64];
	struct cgr_paste paste;

	CGR_TRY(cgr_recommend_paste(q, a, &paste, reterr));
	cgr_recommend_format_value(r, r->recommended, value, sizeof value);
	cgr_recommend_format_value(r, r->recorded, recorded, sizeof recorded);
	cgr_rows_print_plain(stdout, a->cgroup);
	printf(" can have %s = %s (recorded: %s).\n", q->knob, value, recorded);
	print_words(q, a);
	print_interval(r);
	if (several) {
		printf("The recording that needs most is ");
		cgr_rows_print_plain(stdout, a->path);
		puts(".");
	}
	printf("Trust: %s (%s).%s\n", cgr_class_name(r->class), trust[r->class],
	       r->monotone ? "" : " Smaller values are sometimes kept too: larger is not always better here.");
	printf("\ncgroupfs    %s\n", paste.cgroupfs[0]);
	if (paste.cgroupfs[1])
		printf("            %s\n", paste.cgroupfs[1]);
	printf("systemd     %s\nKubernetes  %s\n", paste.systemd, paste.kubernetes);
	cgr_recommend_paste_fini(&paste);
	return 0;
}

static int print_table(const struct cgr_question *q, const struct cgr_answer *answers, size_t count,
                       const struct cgr_answer *worst, struct cgr_error *reterr)
{
	int rc = 0;

	if (worst->found.found) {
		rc = print_answer(q, worst, count > 1, reterr);
	} else {
		printf("no %s of ", q->knob);
		cgr_rows_print_plain(stdout, worst->cgroup);
		printf(" keeps what is required in ");
		cgr_rows_print_plain(stdout, worst->path);
		putchar('\n');
	}
	for (size_t i = 0; i < count && rc >= 0; i++)
		print_curve(q, &answers[i]);
	return rc;
}

/* ---- rows ---- */
/* One row per recording, value tried and requirement. */
static int print_csv(const struct cgr_question *q, const struct cgr_answer *answers, size_t count,
                     struct cgr_error *reterr)
{
	struct cgr_strbuf line = { 0 };

	printf("recording,cgroup,knob,value,period_usec,kept,surely_broken,recommended,requirement,figure\r\n");
	for (size_t i = 0; i < count && !line.failed; i++) {
		const struct cgr_recommendation *r = &answers[i].found;

		for (size_t p = 0; p < r->points; p++)
			for (size_t k = 0; k < q->requirements; k++) {
				const struct cgr_curve_point *at = &r->point[p];

				line.length = 0;
				cgr_text_csv(&line, answers[i].path);
				cgr_strbuf_printf(&line, ",");
				cgr_text_csv(&line, answers[i].cgroup);
				cgr_strbuf_printf(&line, ",%s,%" PRId64 ",", cgr_knob_canonical(q->knob), at->value);
				if (r->period_usec)
					cgr_strbuf_printf(&line, "%" PRId64, r->period_usec);
				cgr_strbuf_printf(&line, ",%d,%d,%d,", at->kept, at->surely_broken,
				                  r->found && at->value == r->recommended);
				cgr_text_csv(&line, q->requirement[k].text);
				if (at->figure[k] == INT64_MAX)
					cgr_strbuf_printf(&line, ",max");
				else
					cgr_strbuf_printf(&line, ",%" PRId64, at->figure[k]);
				if (!line.failed)
					printf("%s\r\n", line.text);
			}
	}
	cgr_strbuf_fini(&line);
	return line.failed ? cgr_error_set(reterr, CGR_E_NOMEM, "recommend: out of memory") : 0;
}

/* ---- JSON ---- */
static json_t *curve_json(const struct cgr_question *q, const struct cgr_recommendation *r)
{
	json_t *curve = json_array();

	for (size_t i = 0; i < r->points; i++) {
		json_t *figures = json_array();

		for (size_t k = 0; k < q->requirements; k++)
			json_array_append_new(figures, r->point[i].figure[k] == INT64_MAX ? json_null()
			                                                                  : json_integer(r->point[i].figure[k]));
		json_array_append_new(curve, json_pack("{s:I, s:b, s:b, s:o}", "value", (json_int_t)r->point[i].value, "kept",
		                                       (int)r->point[i].kept, "surely_broken", (int)r->point[i].surely_broken,
		                                       "figures", figures));
	}
	return curve;
}

static json_t *or_null(bool known, int64_t value)
{
	return known ? json_integer(value) : json_null();
}

static json_t *settings_json(const struct cgr_question *q, const struct cgr_answer *a, struct cgr_error *reterr)
{
	struct cgr_paste paste;
	json_t *lines, *settings = NULL;

	if (cgr_recommend_paste(q, a, &paste, reterr) < 0)
		return NULL;
	lines = json_array();
	for (size_t i = 0; i < CGR_ARRAY_SIZE(paste.cgroupfs) && paste.cgroupfs[i]; i++)
		json_array_append_new(lines, cgr_report_json_text(paste.cgroupfs[i]));
	settings = json_pack("{s:o, s:o, s:o}", "cgroupfs", lines, "systemd", cgr_report_json_text(paste.systemd),
	                     "kubernetes", cgr_report_json_text(paste.kubernetes));
	cgr_recommend_paste_fini(&paste);
	return settings;
}

/* The answer itself: of one recording, and of all of them where the worst decides. */
static json_t *answer_json(const struct cgr_question *q, const struct cgr_answer *a)
{
	const struct cgr_recommendation *r = &a->found;

	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:b, s:o}", "path", cgr_report_json_text(a->path), "recommended",
	                 or_null(r->found, r->recommended), "smallest_kept", or_null(r->found, r->smallest_kept),
	                 "largest_broken", or_null(r->largest_broken >= 0, r->largest_broken), "surely_broken",
	                 or_null(r->surely_broken >= 0, r->surely_broken), "monotone", (int)r->monotone, "curve",
	                 curve_json(q, r));
}

static int print_json(const struct cgr_question *q, const struct cgr_answer *answers, size_t count,
                      const struct cgr_answer *worst, struct cgr_error *reterr)
{
	const struct cgr_recommendation *r = &worst->found;
	json_t *root, *requirements = json_array(), *recordings = json_array();
	json_t *settings = r->found ? settings_json(q, worst, reterr) : json_null();

	for (size_t k = 0; k < q->requirements; k++)
		json_array_append_new(requirements, cgr_report_json_text(q->requirement[k].text));
	for (size_t i = 0; i < count; i++)
		json_array_append_new(recordings, answer_json(q, &answers[i]));
	root = json_pack("{s:i, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "schema_version", 1, "cgroup",
	                 cgr_report_json_text(worst->cgroup), "knob", cgr_knob_canonical(q->knob), "recommended",
	                 or_null(r->found, r->recommended), "smallest_kept", or_null(r->found, r->smallest_kept),
	                 "largest_broken", or_null(r->largest_broken >= 0, r->largest_broken), "surely_broken",
	                 or_null(r->surely_broken >= 0, r->surely_broken), "margin",
	                 or_null(r->found, r->recommended - r->smallest_kept), "period_usec",
	                 or_null(r->period_usec > 0, r->period_usec), "requirements", requirements, "class",
	                 cgr_class_name(r->class), "settings", settings, "recordings", recordings);
	if (!root)
		return cgr_error_set(reterr, CGR_E_NOMEM, "recommend: out of memory");
	json_dumpf(root, stdout, JSON_INDENT(1));
	putchar('\n');
	json_decref(root);
	return 0;
}

int cgr_recommend_print(const char *format, const struct cgr_question *q, const struct cgr_answer *answers,
                        size_t count, const struct cgr_answer *worst, struct cgr_error *reterr)
{
	if (format && !strcmp(format, "json"))
		return print_json(q, answers, count, worst, reterr);
	if (format && !strcmp(format, "csv"))
		return print_csv(q, answers, count, reterr);
	return print_table(q, answers, count, worst, reterr);
}
