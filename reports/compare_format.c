/* A comparison for people and scripts. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "reports/compare.h"
#include "reports/json.h"
#include "reports/text.h"

static bool shown(enum cgr_compare_verdict verdict, bool all)
{
	return all || verdict > CGR_COMPARE_NOISE;
}

static const char *colour_of(enum cgr_compare_verdict verdict, bool colour)
{
	if (!colour)
		return "";
	switch (verdict) {
	case CGR_COMPARE_WORSE:
		return "\033[31m";
	case CGR_COMPARE_BETTER:
		return "\033[32m";
	case CGR_COMPARE_DIFFERENT:
	case CGR_COMPARE_ONLY_A:
	case CGR_COMPARE_ONLY_B:
		return "\033[33m";
	case CGR_COMPARE_SAME:
	case CGR_COMPARE_NOISE:
		break;
	}
	return "\033[2m";
}

static void put_row(struct cgr_strbuf *out, const struct cgr_compare_row *row, bool colour)
{
	char a[112] = "-", b[112] = "-", change[48] = "";
	struct cgr_strbuf name = { 0 };
	if (row->verdict != CGR_COMPARE_ONLY_B)
		cgr_text_range(row->unit, row->a_low, row->a_high, a, sizeof a);
	if (row->verdict != CGR_COMPARE_ONLY_A)
		cgr_text_range(row->unit, row->b_low, row->b_high, b, sizeof b);
	if (row->verdict < CGR_COMPARE_ONLY_A)
		cgr_text_change(row->a, row->b, change, sizeof change);
	cgr_text_plain(&name, row->metric);
	cgr_strbuf_printf(out, "%-36s %16s %16s %9s  %s%s%s\n", name.text ? name.text : "", a, b, change,
	                  colour_of(row->verdict, colour), cgr_compare_verdict_name(row->verdict), colour ? "\033[0m" : "");
	out->failed |= name.failed;
	cgr_strbuf_fini(&name);
}

static const struct {
	const char *name, *metric;
	unsigned permille; /* 1000: the longest */
} quantile[] = { { "p50", "wakeup_latency.p50_usec", 500 },
	             { "p95", "wakeup_latency.p95_usec", 950 },
	             { "p99", "wakeup_latency.p99_usec", 990 },
	             { "max", "wakeup_latency.max_usec", 1000 } };

static int64_t latency_at(const struct cgr_histogram *h, unsigned permille)
{
	return (int64_t)(permille == 1000 ? h->maximum : cgr_histogram_quantile(h, permille));
}

static void put_latency(struct cgr_strbuf *out, const struct cgr_compare_latency *l, bool colour)
{
	for (size_t i = 0; i < CGR_ARRAY_SIZE(quantile); i++) {
		char a[32], b[32], change[48];
		int64_t from = latency_at(&l->a, quantile[i].permille), to = latency_at(&l->b, quantile[i].permille);
		cgr_strbuf_printf(out, "wakeup latency %-21s %16s %16s %9s", quantile[i].name,
		                  cgr_format_usec(from, a, sizeof a), cgr_format_usec(to, b, sizeof b),
		                  cgr_text_change(from, to, change, sizeof change));
		if (i == 0)
			cgr_strbuf_printf(
			    out, "  %s%s%s, distributions %" PRId64 ".%" PRId64 " %% apart (chance: %" PRId64 ".%" PRId64 " %%)",
			    colour_of(l->verdict, colour), cgr_compare_verdict_name(l->verdict), colour ? "\033[0m" : "",
			    l->distance_ppm / 10000, l->distance_ppm / 1000 % 10, l->threshold_ppm / 10000,
			    l->threshold_ppm / 1000 % 10);
		cgr_strbuf_append(out, "\n", 1);
	}
}

static void put_head(struct cgr_strbuf *out, const char *which, const struct cgr_result *r)
{
	char duration[32];
	cgr_strbuf_printf(out, "%s          ", which);
	cgr_text_plain(out, r->name);
	cgr_strbuf_printf(out, ", ");
	cgr_text_plain(out, r->source_path ? r->source_path : "?");
	cgr_strbuf_printf(out, ", %s, Linux ", cgr_format_usec(r->duration_usec, duration, sizeof duration));
	cgr_text_plain(out, r->kernel_release ? r->kernel_release : "?");
	cgr_strbuf_printf(out, "\n");
}

/* Rows of one cgroup stand together: A's order, then what only B has. */
static void put_cgroup(struct cgr_strbuf *out, const struct cgr_compare *c, size_t first, bool all, bool colour)
{
	const char *cgroup = c->row[first].cgroup;
	struct cgr_strbuf path = { 0 };
	bool any = false;
	cgr_text_plain(&path, cgroup);
	for (size_t i = first; i < c->rows; i++) {
		if (strcmp(c->row[i].cgroup, cgroup) != 0 || !shown(c->row[i].verdict, all))
			continue;
		if (!any)
			cgr_strbuf_printf(out, "\n%s%-36s%s %16s %16s %9s\n", colour ? "\033[1m" : "", path.text ? path.text : "",
			                  colour ? "\033[0m" : "", "A", "B", "change");
		any = true;
		put_row(out, &c->row[i], colour);
	}
	for (size_t i = 0; i < c->latencies; i++)
		if (strcmp(c->latency[i].cgroup, cgroup) == 0 && shown(c->latency[i].verdict, all)) {
			if (!any)
				cgr_strbuf_printf(out, "\n%s%-36s%s %16s %16s %9s\n", colour ? "\033[1m" : "",
				                  path.text ? path.text : "", colour ? "\033[0m" : "", "A", "B", "change");
			put_latency(out, &c->latency[i], colour);
		}
	out->failed |= path.failed;
	cgr_strbuf_fini(&path);
}

void cgr_compare_table(struct cgr_strbuf *out, const struct cgr_compare *compare, bool all, bool colour)
{
	size_t compared = compare->rows + compare->latencies;
	put_head(out, "A", compare->a);
	put_head(out, "B", compare->b);
	for (size_t i = 0; i < compare->rows; i++) {
		bool first = true;
		for (size_t j = 0; j < i && first; j++)
			first = strcmp(compare->row[j].cgroup, compare->row[i].cgroup) != 0;
		if (first)
			put_cgroup(out, compare, i, all, colour);
	}
	cgr_strbuf_printf(out, "\n%zu of %zu differ beyond tolerance and noise%s\n", compare->differences, compared,
	                  all || compare->differences == compared ? "" : " (--all shows the rest)");
}

static void put_number(struct cgr_strbuf *out, bool there, int64_t value)
{
	if (there && value == CGR_UNLIMITED)
		cgr_strbuf_printf(out, "max");
	else if (there)
		cgr_strbuf_printf(out, "%" PRId64, value);
	cgr_strbuf_append(out, ",", 1);
}

/* Runs have these as metrics already; recordings have only their distribution, whose verdict stands for all. */
static void put_latency_rows(struct cgr_strbuf *out, const struct cgr_compare *c, const struct cgr_compare_latency *l)
{
	for (size_t i = 0; i < CGR_ARRAY_SIZE(quantile); i++) {
		int64_t a = latency_at(&l->a, quantile[i].permille), b = latency_at(&l->b, quantile[i].permille);
		bool there = false;
		for (size_t k = 0; k < c->rows && !there; k++)
			there = strcmp(c->row[k].cgroup, l->cgroup) == 0 && strcmp(c->row[k].metric, quantile[i].metric) == 0;
		if (there)
			continue;
		cgr_text_csv(out, l->cgroup);
		cgr_strbuf_printf(out, ",%s,usec,", quantile[i].metric);
		for (int k = 0; k < 3; k++)
			put_number(out, true, a);
		for (int k = 0; k < 3; k++)
			put_number(out, true, b);
		cgr_strbuf_printf(out, "%s\r\n", cgr_compare_verdict_name(l->verdict));
	}
}

void cgr_compare_csv(struct cgr_strbuf *out, const struct cgr_compare *compare, bool all)
{
	cgr_strbuf_printf(out, "cgroup,metric,unit,a,a_low,a_high,b,b_low,b_high,verdict\r\n");
	for (size_t i = 0; i < compare->rows; i++) {
		const struct cgr_compare_row *row = &compare->row[i];
		bool a = row->verdict != CGR_COMPARE_ONLY_B, b = row->verdict != CGR_COMPARE_ONLY_A;
		if (!shown(row->verdict, all))
			continue;
		cgr_text_csv(out, row->cgroup);
		cgr_strbuf_append(out, ",", 1);
		cgr_text_csv(out, row->metric);
		cgr_strbuf_append(out, ",", 1);
		cgr_text_csv(out, row->unit);
		cgr_strbuf_append(out, ",", 1);
		put_number(out, a, row->a);
		put_number(out, a, row->a_low);
		put_number(out, a, row->a_high);
		put_number(out, b, row->b);
		put_number(out, b, row->b_low);
		put_number(out, b, row->b_high);
		cgr_strbuf_printf(out, "%s\r\n", cgr_compare_verdict_name(row->verdict));
	}
	for (size_t i = 0; i < compare->latencies; i++)
		if (shown(compare->latency[i].verdict, all))
			put_latency_rows(out, compare, &compare->latency[i]);
}

static json_t *side_object(bool there, int64_t value, int64_t low, int64_t high)
{
	if (!there)
		return json_null();
	return json_pack("{so so so}", "value", cgr_report_json_value(value), "low", cgr_report_json_value(low), "high",
	                 cgr_report_json_value(high));
}

static json_t *row_object(const struct cgr_compare_row *row)
{
	return json_pack("{so so so so so ss}", "cgroup", cgr_report_json_text(row->cgroup), "metric",
	                 cgr_report_json_text(row->metric), "unit", cgr_report_json_text(row->unit), "a",
	                 side_object(row->verdict != CGR_COMPARE_ONLY_B, row->a, row->a_low, row->a_high), "b",
	                 side_object(row->verdict != CGR_COMPARE_ONLY_A, row->b, row->b_low, row->b_high), "verdict",
	                 cgr_compare_verdict_name(row->verdict));
}

static json_t *quantiles(const struct cgr_histogram *h)
{
	return json_pack("{sI sI sI sI sI}", "wakeups", (json_int_t)h->count, "p50",
	                 (json_int_t)cgr_histogram_quantile(h, 500), "p95", (json_int_t)cgr_histogram_quantile(h, 950),
	                 "p99", (json_int_t)cgr_histogram_quantile(h, 990), "max", (json_int_t)h->maximum);
}

static json_t *latency_object(const struct cgr_compare_latency *l)
{
	return json_pack("{so so so sI sI ss}", "cgroup", cgr_report_json_text(l->cgroup), "a", quantiles(&l->a), "b",
	                 quantiles(&l->b), "distance_ppm", (json_int_t)l->distance_ppm, "threshold_ppm",
	                 (json_int_t)l->threshold_ppm, "verdict", cgr_compare_verdict_name(l->verdict));
}

int cgr_compare_json(struct cgr_strbuf *out, const struct cgr_compare *compare, bool all)
{
	json_t *rows = json_array(), *latencies = json_array();
	bool failed = !rows || !latencies;
	for (size_t i = 0; i < compare->rows && !failed; i++)
		if (shown(compare->row[i].verdict, all))
			failed = json_array_append_new(rows, row_object(&compare->row[i])) != 0;
	for (size_t i = 0; i < compare->latencies && !failed; i++)
		if (shown(compare->latency[i].verdict, all))
			failed = json_array_append_new(latencies, latency_object(&compare->latency[i])) != 0;
	json_t *document =
	    json_pack("{si so so sI so so}", "schema_version", 1, "a", cgr_report_json_text(compare->a->name), "b",
	              cgr_report_json_text(compare->b->name), "differences", (json_int_t)compare->differences, "metrics",
	              rows, "wakeup_latency_usec", latencies);
	char *text = document && !failed ? json_dumps(document, JSON_INDENT(1)) : NULL;
	json_decref(document);
	if (!text) {
		out->failed = true;
		return CGR_E_NOMEM;
	}
	cgr_strbuf_printf(out, "%s\n", text);
	free(text);
	return 0;
}
