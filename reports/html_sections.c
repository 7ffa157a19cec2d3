/* Verdict, overview of runs, provenance and trust: the words above the numbers. */
#include <inttypes.h>
#include <string.h>

#include "common/event.h"
#include "common/units.h"
#include "reports/facts.h"
#include "reports/html.h"
#include "reports/text.h"

static const char *const level_name[] = { "ok", "worse", "broken", "unsure" };
/* shape as well as colour: a reader who sees no colours, or prints, loses nothing */
static const char *const level_mark[] = { "✓", "▲", "✕", "?" };

static void put_headline(struct cgr_strbuf *out, const char *verdict, const char *tag)
{
	const char *colon = strstr(verdict, ": ");
	struct cgr_strbuf head = { 0 };
	cgr_strbuf_append(&head, verdict, colon ? (size_t)(colon - verdict) : strlen(verdict));
	cgr_strbuf_printf(out, "<%s>", tag);
	cgr_text_html(out, head.text);
	cgr_strbuf_printf(out, "</%s>", tag);
	if (colon) {
		cgr_strbuf_printf(out, "<p class=lead>");
		cgr_text_html(out, colon + 2);
		cgr_strbuf_printf(out, ".</p>");
	}
	out->failed |= head.failed;
	cgr_strbuf_fini(&head);
}

static void put_change(struct cgr_strbuf *out, const struct cgr_result_change *change)
{
	cgr_strbuf_printf(out, "<span class=change><b>");
	cgr_text_html(out, change->cgroup && *change->cgroup ? change->cgroup : "machine");
	cgr_strbuf_printf(out, "</b> <code>");
	cgr_text_html(out, change->knob);
	cgr_strbuf_printf(out, "</code> <s>");
	cgr_text_html(out, change->from && *change->from ? change->from : "not recorded");
	cgr_strbuf_printf(out, "</s> → <strong>");
	cgr_text_html(out, change->to);
	cgr_strbuf_printf(out, "</strong>");
	if (change->t_usec > 0) {
		char when[32];
		cgr_strbuf_printf(out, " at %s", cgr_format_usec(change->t_usec, when, sizeof when));
	}
	cgr_strbuf_printf(out, "</span> ");
}

static void put_changes(struct cgr_strbuf *out, const struct cgr_result *result)
{
	bool cpus = result->cpus != result->recorded_cpus;
	if (result->changes == 0 && !cpus)
		cgr_strbuf_printf(out, "<span class=change>the recorded limits</span>");
	if (cpus)
		cgr_strbuf_printf(out, "<span class=change><b>machine</b> CPUs <s>%u</s> → <strong>%u</strong></span> ",
		                  result->recorded_cpus, result->cpus);
	for (size_t i = 0; i < result->changes; i++)
		put_change(out, &result->change[i]);
}

static void put_tile(struct cgr_strbuf *out, const struct cgr_result *result, const struct cgr_result_metric *metric)
{
	const struct cgr_result_metric_desc *desc = &result->metric_desc[metric->metric];
	char recorded[48], predicted[48], change[48];
	int worse;
	cgr_facts_differs(result, metric, &worse);
	cgr_text_change(metric->recorded, metric->predicted, change, sizeof change);
	cgr_strbuf_printf(out, "<div class=\"tile %s\"><span class=name>", worse > 0 ? "bad" : worse < 0 ? "good" : "even");
	cgr_text_html(out, desc->name);
	cgr_strbuf_printf(out, "</span><span class=where>");
	cgr_text_html(out, result->cgroup_path[metric->cgroup]);
	cgr_strbuf_printf(out, "</span><span class=big>%s</span><span class=was>recorded %s%s%s</span></div>",
	                  cgr_text_value(desc->unit, metric->predicted, predicted, sizeof predicted),
	                  cgr_text_value(desc->unit, metric->recorded, recorded, sizeof recorded), *change ? ", " : "",
	                  change);
}

void cgr_html_verdict(struct cgr_strbuf *out, const struct cgr_result *result)
{
	struct cgr_strbuf verdict = { 0 };
	size_t top[3];
	int level;
	cgr_report_verdict(result, &verdict, &level);
	cgr_strbuf_printf(out, "<div class=\"verdict %s\"><div class=mark aria-hidden=true>%s</div><div class=words>",
	                  level_name[level], level_mark[level]);
	cgr_strbuf_printf(out, "<p class=eyebrow>");
	cgr_text_html(out, result->name ? result->name : "run");
	cgr_strbuf_printf(out, "</p>");
	put_headline(out, verdict.text ? verdict.text : "", "h2");
	cgr_strbuf_printf(out, "<p class=changes>");
	put_changes(out, result);
	cgr_strbuf_printf(out, "</p></div></div>\n");
	size_t tiles = cgr_facts_top(result, top, CGR_ARRAY_SIZE(top));
	if (tiles > 0)
		cgr_strbuf_printf(out, "<div class=tiles aria-label=\"what changed most\">");
	for (size_t i = 0; i < tiles; i++)
		put_tile(out, result, &result->metric[top[i]]);
	if (tiles > 0)
		cgr_strbuf_printf(out, "</div>\n");
	out->failed |= verdict.failed;
	cgr_strbuf_fini(&verdict);
}

static void put_overview_row(struct cgr_strbuf *out, const struct cgr_result *result, size_t index, bool detailed)
{
	struct cgr_strbuf verdict = { 0 };
	int level;
	cgr_report_verdict(result, &verdict, &level);
	cgr_strbuf_printf(out,
	                  "<tr data-run=\"%zu\"%s><td class=%s data-v=%d><span class=mark>%s</span></td><th scope=row>",
	                  index, detailed ? " class=open" : "", level_name[level], level, level_mark[level]);
	cgr_text_html(out, result->name ? result->name : "run");
	cgr_strbuf_printf(out, "</th><td class=changes>");
	put_changes(out, result);
	cgr_strbuf_printf(out, "</td><td>");
	cgr_text_html(out, verdict.text ? verdict.text : "");
	cgr_strbuf_printf(out, "</td></tr>\n");
	out->failed |= verdict.failed;
	cgr_strbuf_fini(&verdict);
}

void cgr_html_overview(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count,
                       const bool *detailed)
{
	if (count < 2)
		return;
	cgr_strbuf_printf(out, "<section id=runs class=card><h2>Runs</h2><div class=scroll><table class=sortable>"
	                       "<thead><tr><th scope=col><span class=sr>Level</span></th><th scope=col>Run</th>"
	                       "<th scope=col>What if</th><th scope=col>Verdict</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < count; i++)
		put_overview_row(out, results[i], i, detailed[i]);
	cgr_strbuf_printf(out, "</tbody></table></div></section>\n");
}

static void put_fact(struct cgr_strbuf *out, const char *name, const char *value)
{
	if (!value || !*value)
		return;
	cgr_strbuf_printf(out, "<div><dt>%s</dt><dd>", name);
	cgr_text_html(out, value);
	cgr_strbuf_printf(out, "</dd></div>");
}

#define COMMANDS_SHOWN 12u

/* The commands that made the runs, each once, then the ones that made the page. */
static void put_commands(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count,
                         const struct cgr_report_page_options *options)
{
	size_t shown = 0;
	cgr_strbuf_printf(out, "<h3>Make this page again</h3><pre class=command><code>");
	for (size_t i = 0; i < count && shown < COMMANDS_SHOWN; i++) {
		bool known = !results[i]->command;
		for (size_t j = 0; j < i && !known; j++)
			known = results[j]->command && strcmp(results[i]->command, results[j]->command) == 0;
		if (known)
			continue;
		cgr_text_html(out, results[i]->command);
		if (options->store_path && !strstr(results[i]->command, " -o ")) { /* a sweep's does not say where to */
			cgr_strbuf_printf(out, " -o ");
			cgr_text_html(out, options->store_path);
		}
		cgr_strbuf_printf(out, "\n");
		shown++;
	}
	for (size_t i = 0; i < options->commands; i++) {
		cgr_text_html(out, options->command[i]);
		cgr_strbuf_printf(out, "\n");
	}
	cgr_strbuf_printf(out, "</code></pre>");
}

void cgr_html_provenance(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count,
                         const struct cgr_report_page_options *options)
{
	const struct cgr_result *result = results[0];
	char text[256], number[48];
	cgr_strbuf_printf(out, "<section id=provenance class=card><h2>Where this comes from</h2><dl class=facts>");
	put_fact(out, "recording", result->source_path);
	put_fact(out, "digest", result->source_digest);
	snprintf(text, sizeof text, "%s%.200s", result->kernel_release ? "Linux " : "",
	         result->kernel_release ? result->kernel_release : "unknown");
	put_fact(out, "kernel", text);
	snprintf(text, sizeof text, "%s on %u CPUs", cgr_format_usec(result->duration_usec, number, sizeof number),
	         result->recorded_cpus);
	put_fact(out, "duration", text);
	snprintf(text, sizeof text, "%s, %" PRIu64 " lost",
	         cgr_format_count((int64_t)result->events, number, sizeof number), result->quality.lost_events);
	put_fact(out, "events", text);
	snprintf(text, sizeof text, "%.60s%s%.60s, %.60s", result->memory_model ? result->memory_model : "-",
	         result->reclaim_model && *result->reclaim_model ? "/" : "",
	         result->reclaim_model ? result->reclaim_model : "", result->cpu_model ? result->cpu_model : "-");
	put_fact(out, "models", text);
	snprintf(text, sizeof text, "%u from %" PRIu64, result->seeds, result->seed);
	put_fact(out, "seeds", text);
	put_fact(out, "made by cgreplay", result->tool_version);
	cgr_strbuf_printf(out, "</dl>");
	put_commands(out, results, count, options);
	cgr_strbuf_printf(out, "</section>\n");
}

static void put_trust_row(struct cgr_strbuf *out, const struct cgr_result *result,
                          const struct cgr_result_fidelity *fidelity)
{
	const struct cgr_result_metric_desc *desc = &result->metric_desc[fidelity->metric];
	int64_t ppm = cgr_facts_error_ppm(fidelity->recorded, fidelity->replayed);
	bool good = cgr_facts_good(result, fidelity);
	char range[112];
	cgr_strbuf_printf(out, "<tr><td class=%s data-v=%d><span class=mark>%s</span></td><td>", good ? "ok" : "broken",
	                  good, good ? "✓" : "✕");
	cgr_text_html(out, result->cgroup_path[fidelity->cgroup]);
	cgr_strbuf_printf(out, "</td><td><code>");
	cgr_text_html(out, desc->name);
	cgr_strbuf_printf(out, "</code></td>");
	cgr_html_value_cell(out, desc->unit, fidelity->recorded);
	cgr_html_value_cell(out, desc->unit, fidelity->replayed);
	cgr_strbuf_printf(out,
	                  "<td class=n>%s</td><td class=n data-v=\"%" PRId64 "\">%" PRId64 ".%02" PRId64 " %%</td></tr>\n",
	                  cgr_text_range(desc->unit, fidelity->low, fidelity->high, range, sizeof range), ppm, ppm / 10000,
	                  ppm / 100 % 100);
}

static void put_trust_sentence(struct cgr_strbuf *out, const struct cgr_result *result,
                               const struct cgr_facts_fidelity *facts)
{
	if (facts->counters == 0 && !cgr_facts_has_counters(result)) {
		cgr_strbuf_printf(out, "<p class=lead>The recording holds no counters to compare the models with.</p>");
		return;
	}
	if (facts->counters == 0) {
		cgr_strbuf_printf(out, "<p class=lead>Not held against recorded counters here: "
		                       "<code>cgreplay verify</code> says how well the models reproduce a recording.</p>");
		return;
	}
	struct cgr_strbuf words = { 0 };
	cgr_facts_fidelity_words(result, facts, &words);
	cgr_strbuf_printf(out, "<p class=lead>At the recorded limits the models reproduce%s: ",
	                  result->changes ? " the cgroups in question" : " the recording");
	cgr_text_html(out, words.text ? words.text : "");
	cgr_strbuf_printf(out, ".</p>");
	out->failed |= words.failed;
	cgr_strbuf_fini(&words);
}

static void put_quality(struct cgr_strbuf *out, const struct cgr_result *result)
{
	const struct cgr_result_quality *q = &result->quality;
	char time[32], inferred[32];
	size_t by_class[3] = { 0 };
	for (size_t i = 0; i < result->metrics; i++)
		if ((unsigned)result->metric[i].class < CGR_ARRAY_SIZE(by_class))
			by_class[result->metric[i].class]++;
	cgr_strbuf_printf(
	    out,
	    "<ul class=quality><li><b>%" PRIu64 "</b> events lost</li><li><b>%s</b> of waiting without a "
	    "recorded cause (%" PRIu64 " of %" PRIu64 " waits)</li><li><b>%" PRIu64
	    "</b> wake-ups released at their recorded delay</li><li><b>%s</b> of CPU time known only by "
	    "inference</li><li>predictions: <b>%zu</b> exact, <b>%zu</b> bounded, <b>%zu</b> extrapolated</li></ul>",
	    q->lost_events, cgr_format_usec(q->unexplained_block_usec, time, sizeof time), q->unexplained_blocks, q->blocks,
	    q->causality_violations, cgr_format_usec(q->inferred_runtime_usec, inferred, sizeof inferred),
	    by_class[CGR_CLASS_EXACT], by_class[CGR_CLASS_BOUNDED], by_class[CGR_CLASS_EXTRAPOLATED]);
}

void cgr_html_trust(struct cgr_strbuf *out, const struct cgr_result *result, const struct cgr_result *trusted)
{
	struct cgr_facts_fidelity facts;
	/* the counters of the other run, of the cgroups in question in this one */
	struct cgr_result view = *trusted;
	view.change = result->change;
	view.changes = result->changes;
	cgr_facts_fidelity(&view, &facts);
	cgr_strbuf_printf(out, "<section class=\"card trust\"><h2>How far to trust it</h2>");
	put_trust_sentence(out, &view, &facts);
	put_quality(out, result);
	if (facts.counters > 0) {
		cgr_strbuf_printf(
		    out, "<details><summary>Counter by counter</summary><div class=scroll><table class=sortable>"
		         "<thead><tr><th scope=col><span class=sr>Good</span></th><th scope=col>cgroup</th>"
		         "<th scope=col>counter</th><th scope=col class=n>recorded</th><th scope=col class=n>replayed"
		         "</th><th scope=col class=n>range</th><th scope=col class=n>error</th></tr></thead><tbody>\n");
		for (size_t i = 0, shown = 0; i < trusted->fidelities && shown < 500; i++)
			if (trusted->fidelity[i].recorded != 0 || trusted->fidelity[i].replayed != 0) {
				put_trust_row(out, trusted, &trusted->fidelity[i]);
				shown++;
			}
		cgr_strbuf_printf(out, "</tbody></table></div></details>");
	}
	cgr_strbuf_printf(out, "</section>\n");
}
