/* Outcomes of a check for people, TAP readers and CI servers. The facts stand in the test's name and body because CI
 * servers show those and drop properties and attributes. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "reports/json.h"
#include "reports/rules.h"
#include "reports/text.h"

void cgr_outcomes_table(struct cgr_strbuf *out, const struct cgr_outcomes *outcomes, bool colour)
{
	for (size_t i = 0; i < outcomes->count; i++) {
		const struct cgr_outcome *o = &outcomes->outcome[i];
		cgr_strbuf_printf(out, "%s%s%s %s\n", colour ? (o->passed ? "\033[32m" : "\033[31m") : "",
		                  o->passed ? "ok    " : "BROKEN", colour ? "\033[0m" : "", o->name);
		for (const char *line = o->facts; !o->passed && line && *line;) {
			size_t length = strcspn(line, "\n");
			cgr_strbuf_printf(out, "         %.*s\n", (int)length, line);
			line += length + (line[length] == '\n');
		}
	}
	cgr_strbuf_printf(out, "%zu check%s, %zu broken\n", outcomes->count, outcomes->count == 1 ? "" : "s",
	                  outcomes->broken);
}

/* Descriptions end at a '#', which would start a directive. */
static void put_tap_name(struct cgr_strbuf *out, const char *name)
{
	for (const char *s = name; *s; s++) {
		if (*s == '#' || *s == '\\')
			cgr_strbuf_append(out, "\\", 1);
		cgr_strbuf_append(out, s, 1);
	}
}

void cgr_outcomes_tap(struct cgr_strbuf *out, const struct cgr_outcomes *outcomes)
{
	cgr_strbuf_printf(out, "TAP version 14\n1..%zu\n", outcomes->count);
	for (size_t i = 0; i < outcomes->count; i++) {
		const struct cgr_outcome *o = &outcomes->outcome[i];
		cgr_strbuf_printf(out, "%sok %zu - ", o->passed ? "" : "not ", i + 1);
		put_tap_name(out, o->name);
		cgr_strbuf_printf(out, "\n  ---\n  message: |\n");
		for (const char *line = o->facts; line && *line;) {
			size_t length = strcspn(line, "\n");
			cgr_strbuf_printf(out, "    %.*s\n", (int)length, line);
			line += length + (line[length] == '\n');
		}
		cgr_strbuf_printf(out, "  ...\n");
	}
}

void cgr_outcomes_junit(struct cgr_strbuf *out, const struct cgr_outcomes *outcomes)
{
	cgr_strbuf_printf(out,
	                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"%zu\" failures=\"%zu\" "
	                  "errors=\"0\">\n<testsuite name=\"cgreplay check\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" "
	                  "skipped=\"0\">\n",
	                  outcomes->count, outcomes->broken, outcomes->count, outcomes->broken);
	for (size_t i = 0; i < outcomes->count; i++) {
		const struct cgr_outcome *o = &outcomes->outcome[i];
		cgr_strbuf_printf(out, "<testcase name=\"");
		cgr_text_html(out, o->name);
		cgr_strbuf_printf(out, "\" classname=\"");
		cgr_text_html(out, o->result->cgroup_path[o->metric->cgroup]);
		cgr_strbuf_printf(out, "\"%s\n", o->passed ? "/>" : ">");
		if (o->passed)
			continue;
		cgr_strbuf_printf(out, "<failure message=\"");
		cgr_text_html(out, o->name);
		cgr_strbuf_printf(out, "\" type=\"check\">");
		for (const char *line = o->facts; line && *line;) { /* lines apart: cgr_text_html shows a newline as \x0a */
			size_t length = strcspn(line, "\n");
			struct cgr_strbuf one = { 0 };
			cgr_strbuf_append(&one, line, length);
			cgr_text_html(out, one.text);
			cgr_strbuf_append(out, "\n", 1);
			out->failed |= one.failed;
			cgr_strbuf_fini(&one);
			line += length + (line[length] == '\n');
		}
		cgr_strbuf_printf(out, "</failure>\n</testcase>\n");
	}
	cgr_strbuf_printf(out, "</testsuite>\n</testsuites>\n");
}

static void put_csv_value(struct cgr_strbuf *out, int64_t value)
{
	if (value == CGR_UNLIMITED)
		cgr_strbuf_printf(out, ",max");
	else
		cgr_strbuf_printf(out, ",%" PRId64, value);
}

void cgr_outcomes_csv(struct cgr_strbuf *out, const struct cgr_outcomes *outcomes)
{
	cgr_strbuf_printf(out, "passed,rule_line,rule,run,cgroup,metric,unit,actual,low,high,base,limit\r\n");
	for (size_t i = 0; i < outcomes->count; i++) {
		const struct cgr_outcome *o = &outcomes->outcome[i];
		const struct cgr_result_metric_desc *desc = &o->result->metric_desc[o->metric->metric];
		cgr_strbuf_printf(out, "%d,%zu,", o->passed, o->rule->line);
		cgr_text_csv(out, o->rule->name ? o->rule->name : "");
		cgr_strbuf_printf(out, ",");
		cgr_text_csv(out, o->result->name);
		cgr_strbuf_printf(out, ",");
		cgr_text_csv(out, o->result->cgroup_path[o->metric->cgroup]);
		cgr_strbuf_printf(out, ",%s,%s", desc->name, desc->unit);
		put_csv_value(out, o->actual);
		put_csv_value(out, o->metric->low);
		put_csv_value(out, o->metric->high);
		put_csv_value(out, o->base);
		put_csv_value(out, o->limit);
		cgr_strbuf_printf(out, "\r\n");
	}
}

static json_t *outcome_object(const struct cgr_outcome *o)
{
	const struct cgr_result_metric_desc *desc = &o->result->metric_desc[o->metric->metric];
	return json_pack("{so sb so so so ss so so so so so sI}", "name", cgr_report_json_text(o->name), "passed",
	                 o->passed, "run", cgr_report_json_text(o->result->name), "cgroup",
	                 cgr_report_json_text(o->result->cgroup_path[o->metric->cgroup]), "metric",
	                 cgr_report_json_text(desc->name), "unit", desc->unit, "actual", cgr_report_json_value(o->actual),
	                 "base", cgr_report_json_value(o->base), "limit", cgr_report_json_value(o->limit), "low",
	                 cgr_report_json_value(o->metric->low), "high", cgr_report_json_value(o->metric->high), "rule_line",
	                 (json_int_t)o->rule->line);
}

int cgr_outcomes_json(struct cgr_strbuf *out, const struct cgr_outcomes *outcomes)
{
	json_t *list = json_array();
	for (size_t i = 0; i < outcomes->count && list; i++)
		if (json_array_append_new(list, outcome_object(&outcomes->outcome[i])) != 0) {
			json_decref(list);
			list = NULL;
		}
	json_t *document = json_pack("{si sI sI so}", "schema_version", 1, "checks", (json_int_t)outcomes->count, "broken",
	                             (json_int_t)outcomes->broken, "outcomes", list);
	char *text = document ? json_dumps(document, JSON_INDENT(1)) : NULL;
	json_decref(document);
	if (!text) {
		out->failed = true;
		return CGR_E_NOMEM;
	}
	cgr_strbuf_printf(out, "%s\n", text);
	free(text);
	return 0;
}
