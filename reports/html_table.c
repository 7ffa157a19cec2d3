/* The comparison table, the decisions and the cgroup tree of one run: what a reader without JavaScript gets too. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/units.h"
#include "reports/facts.h"
#include "reports/html.h"
#include "reports/text.h"

#define DECISIONS_SHOWN 200u

static void put_change_cell(struct cgr_strbuf *out, const struct cgr_result *result,
                            const struct cgr_result_metric *metric)
{
	char change[48];
	int worse;
	bool differs = cgr_facts_differs(result, metric, &worse);
	int64_t moved = 0;
	change[0] = '\0';
	if (metric->has_recorded) {
		cgr_text_change(metric->recorded, metric->predicted, change, sizeof change);
		moved = metric->predicted == CGR_UNLIMITED ? CGR_UNLIMITED : metric->predicted - metric->recorded;
		if (!*change && moved != 0)
			strcpy(change, metric->predicted == CGR_UNLIMITED ? "never" : "new");
	}
	if (metric->has_recorded && moved == 0)
		strcpy(change, "=");
	cgr_strbuf_printf(out, "<td class=\"n delta %s\" data-v=\"%" PRId64 "\">%s%s</td>",
	                  worse > 0   ? "bad"
	                  : worse < 0 ? "good"
	                              : "even",
	                  cgr_facts_weight(result, metric),
	                  !differs                               ? ""
	                  : metric->predicted > metric->recorded ? "▲ "
	                                                         : "▼ ",
	                  change);
}

static void put_row(struct cgr_strbuf *out, const struct cgr_result *result, const struct cgr_result_metric *metric,
                    size_t order)
{
	const struct cgr_result_metric_desc *desc = &result->metric_desc[metric->metric];
	char range[112];
	int worse;
	bool same = !cgr_facts_differs(result, metric, &worse);
	bool aside = same && result->changes > 0 && !cgr_facts_concerned(result, metric->cgroup);
	cgr_strbuf_printf(out, "<tr%s><td data-v=\"%zu\">",
	                  aside  ? " class=\"same aside\""
	                  : same ? " class=same"
	                         : "",
	                  order);
	cgr_text_html(out, result->cgroup_path[metric->cgroup]);
	cgr_strbuf_printf(out, "</td><td><code title=\"");
	cgr_text_html(out, desc->help);
	cgr_strbuf_printf(out, "\">");
	cgr_text_html(out, desc->name);
	cgr_strbuf_printf(out, "</code></td>");
	if (metric->has_recorded)
		cgr_html_value_cell(out, desc->unit, metric->recorded);
	else
		cgr_strbuf_printf(out, "<td class=n data-v=\"\">–</td>");
	if (metric->predicted == CGR_UNLIMITED && strcmp(desc->name, CGR_FACTS_COMPLETION) == 0)
		cgr_strbuf_printf(out, "<td class=n data-v=\"%" PRId64 "\">not done</td>", INT64_MAX);
	else
		cgr_html_value_cell(out, desc->unit, metric->predicted);
	put_change_cell(out, result, metric);
	cgr_strbuf_printf(out, "<td class=n>%s</td><td><span class=\"chip %s\">%s</span></td></tr>\n",
	                  cgr_text_range(desc->unit, metric->low, metric->high, range, sizeof range),
	                  cgr_class_name(metric->class), cgr_class_name(metric->class));
}

/* Only where the result lacks the engine's own metric. */
static void put_completion_row(struct cgr_strbuf *out, const struct cgr_result *result, uint32_t cgroup, size_t order)
{
	struct cgr_facts_completion done;
	char change[48];
	if (cgr_facts_metric(result, cgroup, CGR_FACTS_COMPLETION) || !cgr_facts_completion(result, cgroup, &done))
		return;
	cgr_strbuf_printf(out, "<tr><td data-v=\"%zu\">", order);
	cgr_text_html(out, result->cgroup_path[cgroup]);
	cgr_strbuf_printf(out, "</td><td><code title=\"when the last of the tasks that end in the recording ends\">"
	                       "completion</code></td>");
	cgr_html_value_cell(out, "usec", done.recorded_usec);
	if (done.predicted_usec < 0) {
		cgr_strbuf_printf(out,
		                  "<td class=n data-v=\"%" PRId64 "\">not done</td><td class=\"n delta bad\" "
		                  "data-v=1000000>▲ never</td><td class=n>–</td>",
		                  INT64_MAX);
	} else {
		cgr_html_value_cell(out, "usec", done.predicted_usec);
		int64_t ppm = cgr_facts_error_ppm(done.recorded_usec, done.predicted_usec);
		bool differs = ppm > 10000, worse = done.predicted_usec > done.recorded_usec;
		cgr_text_change(done.recorded_usec, done.predicted_usec, change, sizeof change);
		cgr_strbuf_printf(out, "<td class=\"n delta %s\" data-v=\"%" PRId64 "\">%s%s</td><td class=n>–</td>",
		                  !differs ? "even"
		                  : worse  ? "bad"
		                           : "good",
		                  ppm,
		                  !differs ? ""
		                  : worse  ? "▲ "
		                           : "▼ ",
		                  change);
	}
	cgr_strbuf_printf(out, "<td><span class=\"chip bounded\">bounded</span></td></tr>\n");
}

struct numbers {
	const struct cgr_result *result;
	size_t *first, *count; /* metrics of a cgroup stand together in `order` */
	size_t *order; /* indices of metrics by cgroup, keeping the model's order inside one */
	size_t left_out, stop_at;
};

static int index_metrics(struct numbers *n)
{
	const struct cgr_result *r = n->result;
	n->first = cgr_calloc(r->cgroups + 1, sizeof *n->first);
	n->count = cgr_calloc(r->cgroups + 1, sizeof *n->count);
	n->order = cgr_calloc(r->metrics + 1, sizeof *n->order);
	if (!n->first || !n->count || !n->order)
		return CGR_E_NOMEM;
	for (size_t i = 0; i < r->metrics; i++)
		n->count[r->metric[i].cgroup]++;
	for (size_t i = 1; i <= r->cgroups; i++)
		n->first[i] = n->first[i - 1] + n->count[i - 1];
	memset(n->count, 0, (r->cgroups + 1) * sizeof *n->count);
	for (size_t i = 0; i < r->metrics; i++) {
		uint32_t cgroup = r->metric[i].cgroup;
		n->order[n->first[cgroup] + n->count[cgroup]++] = i;
	}
	return 0;
}

static void put_cgroup_rows(struct cgr_strbuf *out, struct numbers *n, uint32_t cgroup, size_t order)
{
	if (out->length > n->stop_at) {
		n->left_out++;
		return;
	}
	for (size_t i = 0; i < n->count[cgroup]; i++) {
		const struct cgr_result_metric *metric = &n->result->metric[n->order[n->first[cgroup] + i]];
		if (cgr_facts_says_something(n->result, metric))
			put_row(out, n->result, metric, order);
	}
	put_completion_row(out, n->result, cgroup, order);
}

void cgr_html_numbers(struct cgr_strbuf *out, const struct cgr_result *result, size_t budget)
{
	struct numbers n = { .result = result, .stop_at = out->length + budget };
	cgr_strbuf_printf(out,
	                  "<section class=\"card numbers\"><h2>The numbers</h2><div class=tools></div><div class=scroll>"
	                  "<table class=\"sortable main\"><thead><tr><th scope=col>cgroup</th><th scope=col>metric</th>"
	                  "<th scope=col class=n>recorded</th><th scope=col class=n>predicted</th><th scope=col class=n>"
	                  "change</th><th scope=col class=n>range</th><th scope=col>class</th></tr></thead><tbody>\n");
	if (index_metrics(&n) < 0)
		out->failed = true;
	else /* what was asked about first, so that a cut table cuts the bystanders */
		for (int pass = 0; pass < 3; pass++)
			for (uint32_t i = 0; i < result->cgroups; i++) {
				int rank = cgr_facts_changed(result, i) ? 0 : cgr_facts_concerned(result, i) ? 1 : 2;
				if (rank == pass)
					put_cgroup_rows(out, &n, i, (size_t)pass * result->cgroups + i);
			}
	cgr_strbuf_printf(out, "</tbody></table></div>");
	if (n.left_out > 0)
		cgr_strbuf_printf(out,
		                  "<p class=note>%zu more cgroups are left out to keep the page small; "
		                  "<code>cgreplay report --csv</code> writes every row.</p>",
		                  n.left_out);
	cgr_strbuf_printf(out, "</section>\n");
	free(n.first);
	free(n.count);
	free(n.order);
}

static bool is_throttling(const struct cgr_result_decision *decision)
{
	return strcmp(decision->kind, "throttle") == 0 || strcmp(decision->kind, "unthrottle") == 0;
}

static void put_decision(struct cgr_strbuf *out, const struct cgr_result *result,
                         const struct cgr_result_decision *decision)
{
	char when[32];
	cgr_strbuf_printf(out, "<tr><td class=n data-v=\"%" PRId64 "\">%s</td><td>%s", decision->t_usec,
	                  cgr_format_usec(decision->t_usec, when, sizeof when),
	                  strcmp(decision->kind, "oom_kill") == 0 ? "<span class=mark>✕</span> " : "");
	cgr_text_html(out, decision->kind);
	cgr_strbuf_printf(out, "</td><td>");
	if (decision->cgroup < result->cgroups)
		cgr_text_html(out, result->cgroup_path[decision->cgroup]);
	cgr_strbuf_printf(out, "</td><td>");
	cgr_text_html(out, decision->comm);
	if (decision->tid >= 0)
		cgr_strbuf_printf(out, " <span class=dim>tid %d</span>", decision->tid);
	cgr_strbuf_printf(out, "</td></tr>\n");
}

void cgr_html_decisions(struct cgr_strbuf *out, const struct cgr_result *result)
{
	size_t shown = 0, throttles = 0, left = 0;
	for (size_t i = 0; i < result->decisions; i++) {
		throttles += strcmp(result->decision[i].kind, "throttle") == 0;
		left += !is_throttling(&result->decision[i]);
	}
	if (result->decisions == 0)
		return;
	cgr_strbuf_printf(out, "<section class=\"card decisions\"><h2>What the models decided</h2>");
	if (throttles > 0)
		cgr_strbuf_printf(out, "<p>%zu throttles of a run queue; the lanes above show where.</p>", throttles);
	if (left > 0)
		cgr_strbuf_printf(out, "<div class=scroll><table class=sortable><thead><tr><th scope=col class=n>time</th>"
		                       "<th scope=col>what</th><th scope=col>cgroup</th><th scope=col>task</th></tr></thead>"
		                       "<tbody>\n");
	for (size_t i = 0; i < result->decisions && shown < DECISIONS_SHOWN; i++)
		if (!is_throttling(&result->decision[i])) {
			put_decision(out, result, &result->decision[i]);
			shown++;
		}
	if (left > 0)
		cgr_strbuf_printf(out, "</tbody></table></div>");
	if (left > shown)
		cgr_strbuf_printf(out, "<p class=note>%zu more in decisions.csv.</p>", left - shown);
	cgr_strbuf_printf(out, "</section>\n");
}
