/* The cgroup tree with bars: who is big. Bars are SVG, since the CSP forbids style attributes. */
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "reports/facts.h"
#include "reports/html.h"
#include "reports/text.h"

#define BAR_WIDTH 220
#define TREE_ROWS 1000u

/* Parents right before their children: '/' sorts below every other byte. */
static int compare_text(const char *a, const char *b)
{
	for (; *a && *a == *b; a++, b++)
		;
	int x = !*a ? 0 : *a == '/' ? 1 : (unsigned char)*a + 1;
	int y = !*b ? 0 : *b == '/' ? 1 : (unsigned char)*b + 1;
	return x - y;
}

static int compare_paths(const void *a, const void *b, void *argument)
{
	const struct cgr_result *result = argument;
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	int order = compare_text(result->cgroup_path[x], result->cgroup_path[y]);
	return order ? order : (x > y) - (x < y); /* a path made again is two cgroups */
}

struct bars {
	const char *metric;
	int64_t largest; /* over all cgroups, recorded and predicted */
};

static void measure(const struct cgr_result *result, struct bars *bars)
{
	for (size_t i = 0; i < result->metrics; i++) {
		const struct cgr_result_metric *m = &result->metric[i];
		if (strcmp(result->metric_desc[m->metric].name, bars->metric) != 0)
			continue;
		if (m->predicted != CGR_UNLIMITED)
			bars->largest = CGR_MAX(bars->largest, m->predicted);
		if (m->has_recorded && m->recorded != CGR_UNLIMITED)
			bars->largest = CGR_MAX(bars->largest, m->recorded);
	}
}

static int length_of(int64_t value, int64_t largest)
{
	if (largest <= 0 || value <= 0)
		return 0;
	if (value >= largest)
		return BAR_WIDTH;
	return (int)((long double)value * BAR_WIDTH / (long double)largest + 0.5L);
}

static void put_bar(struct cgr_strbuf *out, const struct cgr_result *result, uint32_t cgroup, const struct bars *bars)
{
	const struct cgr_result_metric *m = cgr_facts_metric(result, cgroup, bars->metric);
	char recorded[48], predicted[48];
	if (!m) {
		cgr_strbuf_printf(out, "<td></td>");
		return;
	}
	const char *unit = result->metric_desc[m->metric].unit;
	cgr_text_value(unit, m->predicted, predicted, sizeof predicted);
	cgr_strbuf_printf(out,
	                  "<td><svg class=bar width=%d height=14 role=img aria-label=\"%s predicted\"><rect class=track "
	                  "width=%d height=14 rx=2></rect><rect class=predicted y=2 height=10 rx=2 width=%d></rect>",
	                  BAR_WIDTH + 2, predicted, BAR_WIDTH, length_of(m->predicted, bars->largest));
	if (m->has_recorded)
		cgr_strbuf_printf(out, "<rect class=recorded x=%d width=2 height=14></rect>",
		                  length_of(m->recorded, bars->largest));
	cgr_strbuf_printf(out, "</svg> <span class=barlabel>%s%s%s%s</span></td>", predicted,
	                  m->has_recorded && m->recorded != m->predicted ? " <span class=dim>was " : "",
	                  m->has_recorded && m->recorded != m->predicted
	                      ? cgr_text_value(unit, m->recorded, recorded, sizeof recorded)
	                      : "",
	                  m->has_recorded && m->recorded != m->predicted ? "</span>" : "");
}

static size_t depth_of(const char *path)
{
	size_t depth = 0;
	for (const char *s = path; *s; s++)
		depth += *s == '/' && s[1] != '\0';
	return depth;
}

static void put_row(struct cgr_strbuf *out, const struct cgr_result *result, uint32_t cgroup, const struct bars *bars,
                    size_t count)
{
	const char *path = result->cgroup_path[cgroup], *leaf = strrchr(path, '/');
	size_t depth = depth_of(path);
	cgr_strbuf_printf(out, "<tr data-cgroup=%u%s><th scope=row class=\"d%zu\" title=\"", cgroup,
	                  cgr_facts_changed(result, cgroup) ? " class=asked" : "", CGR_MIN(depth, (size_t)9));
	cgr_text_html(out, path);
	cgr_strbuf_printf(out, "\">");
	cgr_text_html(out, leaf && leaf[1] ? leaf + 1 : path);
	cgr_strbuf_printf(out, "</th>");
	for (size_t i = 0; i < count; i++)
		if (bars[i].largest > 0)
			put_bar(out, result, cgroup, &bars[i]);
	cgr_strbuf_printf(out, "</tr>\n");
}

void cgr_html_tree(struct cgr_strbuf *out, const struct cgr_result *result)
{
	struct bars bars[] = { { "memory.peak", 0 }, { "cpu.stat.usage_usec", 0 }, { "cpu.stat.throttled_usec", 0 } };
	uint32_t *order = cgr_calloc(result->cgroups + 1, sizeof *order);
	if (!order) {
		out->failed = true;
		return;
	}
	for (uint32_t i = 0; i < result->cgroups; i++)
		order[i] = i;
	qsort_r(order, result->cgroups, sizeof *order, compare_paths, (void *)(uintptr_t)result);
	cgr_strbuf_printf(out,
	                  "<section class=\"card tree\"><h2>cgroups</h2><p class=legend><svg class=bar width=22 height=14>"
	                  "<rect class=predicted y=2 height=10 rx=2 width=20></rect></svg> predicted <svg class=bar "
	                  "width=8 height=14><rect class=recorded x=3 width=2 height=14></rect></svg> recorded</p>"
	                  "<div class=scroll><table><thead><tr><th scope=col>cgroup</th>");
	for (size_t i = 0; i < CGR_ARRAY_SIZE(bars); i++) {
		measure(result, &bars[i]);
		if (bars[i].largest > 0)
			cgr_strbuf_printf(out, "<th scope=col>%s</th>", bars[i].metric);
	}
	cgr_strbuf_printf(out, "</tr></thead><tbody>\n");
	for (size_t i = 0; i < result->cgroups && i < TREE_ROWS; i++)
		put_row(out, result, order[i], bars, CGR_ARRAY_SIZE(bars));
	cgr_strbuf_printf(out, "</tbody></table></div>");
	if (result->cgroups > TREE_ROWS)
		cgr_strbuf_printf(out, "<p class=note>%zu more cgroups in metrics.csv.</p>", result->cgroups - TREE_ROWS);
	cgr_strbuf_printf(out, "</section>\n");
	free(order);
}
