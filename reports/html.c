/* Puts the page together: the skeleton of web/report.html with its {{slots}} filled. */
#include "reports/html.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reports/assets.h"
#include "reports/facts.h"
#include "reports/text.h"

struct page {
	const struct cgr_result *const *results;
	size_t count;
	struct cgr_report_page_options options;
	bool *detailed;
	size_t details;
	struct cgr_error *reterr;
};

void cgr_html_value_cell(struct cgr_strbuf *out, const char *unit, int64_t value)
{
	char text[48];
	cgr_text_value(unit, value, text, sizeof text);
	cgr_strbuf_printf(out, "<td class=n data-v=\"%lld\" title=\"%lld ", (long long)value, (long long)value);
	cgr_text_html(out, unit);
	cgr_strbuf_printf(out, "\">%s</td>", text);
}

/* Every detailed run has two sections: what comes before the charts and what comes after. The script shows one run at
 * a time; without it they all stand there, one after the other. */
static void put_runs(struct cgr_strbuf *out, const struct page *page)
{
	/* half of what is allowed goes to the charts; the tables share a quarter, the rest is script, style and markup */
	size_t budget = page->options.size_limit / 4 / page->details;
	for (size_t i = 0; i < page->count; i++) {
		if (!page->detailed[i])
			continue;
		cgr_strbuf_printf(out, "<section class=run data-run=\"%zu\">", i);
		cgr_html_verdict(out, page->results[i]);
		cgr_html_trust(out, page->results[i], cgr_facts_trusted(page->results[i], page->results, page->count));
		cgr_html_numbers(out, page->results[i], budget);
		cgr_strbuf_printf(out, "</section>\n");
	}
}

static void put_details(struct cgr_strbuf *out, const struct page *page)
{
	for (size_t i = 0; i < page->count; i++) {
		if (!page->detailed[i])
			continue;
		cgr_strbuf_printf(out, "<section class=run data-run=\"%zu\">", i);
		const struct cgr_result *curves = cgr_facts_curves(page->results[i], page->results, page->count);
		if (curves)
			cgr_html_curves(out, page->results[i], curves);
		cgr_html_decisions(out, page->results[i]);
		cgr_html_tree(out, page->results[i]);
		cgr_strbuf_printf(out, "</section>\n");
	}
}

static void put_title(struct cgr_strbuf *out, const struct page *page)
{
	const struct cgr_result *first = page->results[0];
	cgr_strbuf_printf(out, "cgreplay: ");
	if (page->count > 1)
		cgr_strbuf_printf(out, "%zu what-ifs of ", page->count);
	else if (first->changes > 0) {
		cgr_text_html(out, first->change[0].cgroup);
		cgr_strbuf_printf(out, " ");
		cgr_text_html(out, first->change[0].knob);
		cgr_strbuf_printf(out, " ");
		cgr_text_html(out, first->change[0].to);
		cgr_strbuf_printf(out, ", ");
	}
	const char *source = first->source_path ? first->source_path : "a recording";
	const char *base = strrchr(source, '/');
	cgr_text_html(out, base ? base + 1 : source);
}

static void put_csp(struct cgr_strbuf *out, const struct page *page)
{
	(void)page;
	cgr_strbuf_append(out, cgr_asset_csp, CGR_ASSET_LENGTH(csp));
}

static void put_script(struct cgr_strbuf *out, const struct page *page)
{
	(void)page;
	cgr_strbuf_append(out, cgr_asset_script, CGR_ASSET_LENGTH(script));
}

static void put_style(struct cgr_strbuf *out, const struct page *page)
{
	(void)page;
	cgr_strbuf_append(out, cgr_asset_style, CGR_ASSET_LENGTH(style));
}

static void put_version(struct cgr_strbuf *out, const struct page *page)
{
	(void)page;
	cgr_strbuf_printf(out, "%s", CGR_VERSION);
}

static void put_overview(struct cgr_strbuf *out, const struct page *page)
{
	cgr_html_overview(out, page->results, page->count, page->detailed);
}

static void put_provenance(struct cgr_strbuf *out, const struct page *page)
{
	cgr_html_provenance(out, page->results, page->count, &page->options);
}

static void put_data(struct cgr_strbuf *out, const struct page *page)
{
	if (cgr_html_data(out, page->results, page->count, page->detailed, page->options.size_limit / 2, page->reterr) < 0)
		out->failed = true;
}

static const struct {
	const char *name;
	void (*put)(struct cgr_strbuf *out, const struct page *page);
} slots[] = { { "csp", put_csp },         { "script", put_script },   { "style", put_style },
	          { "version", put_version }, { "title", put_title },     { "overview", put_overview },
	          { "runs", put_runs },       { "details", put_details }, { "provenance", put_provenance },
	          { "data", put_data } };

static int put_slot(struct cgr_strbuf *out, const struct page *page, const char *slot, size_t length)
{
	for (size_t i = 0; i < CGR_ARRAY_SIZE(slots); i++)
		if (strlen(slots[i].name) == length && memcmp(slots[i].name, slot, length) == 0) {
			slots[i].put(out, page);
			return 0;
		}
	return cgr_error_set(page->reterr, CGR_E_INTERNAL, "report.html: unknown slot {{%.*s}}", (int)length, slot);
}

static int fill(struct cgr_strbuf *out, const struct page *page)
{
	const char *at = cgr_asset_page, *end = cgr_asset_page_end;
	while (at < end) {
		const char *open = memmem(at, (size_t)(end - at), "{{", 2);
		const char *close = open ? memmem(open, (size_t)(end - open), "}}", 2) : NULL;
		if (!close) {
			cgr_strbuf_append(out, at, (size_t)(end - at));
			break;
		}
		cgr_strbuf_append(out, at, (size_t)(open - at));
		CGR_TRY(put_slot(out, page, open + 2, (size_t)(close - open - 2)));
		at = close + 2;
	}
	return out->failed ? cgr_error_set(page->reterr, CGR_E_NOMEM, "HTML page: out of memory") : 0;
}

int cgr_report_html(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count,
                    const struct cgr_report_page_options *options, struct cgr_error *reterr)
{
	struct page page = { .results = results, .count = count, .reterr = reterr };
	if (options)
		page.options = *options;
	if (page.options.size_limit == 0)
		page.options.size_limit = CGR_REPORT_PAGE_BYTES;
	if (count == 0)
		return cgr_error_set(reterr, CGR_E_INPUT, "no run to report on: replay something with -o first");
	page.detailed = cgr_calloc(count, sizeof *page.detailed);
	if (!page.detailed)
		return cgr_error_set(reterr, CGR_E_NOMEM, "HTML page: out of memory");
	for (size_t i = 0; i < count; i++) {
		page.detailed[i] = page.options.detailed ? page.options.detailed[i] : i < CGR_REPORT_PAGE_RUNS;
		page.details += page.detailed[i];
	}
	if (page.details == 0) {
		page.detailed[0] = true;
		page.details = 1;
	}
	int rc = fill(out, &page);
	free(page.detailed);
	return rc;
}
