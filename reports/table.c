/* The table a person sees on the terminal: the shape of design section 5. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/units.h"
#include "reports/facts.h"
#include "reports/report.h"
#include "reports/text.h"

#define NAME_COLUMNS 36
#define CGROUPS_SHOWN 12

struct table {
	struct cgr_strbuf text;
	const struct cgr_result *result;
	struct cgr_report_table_options options;
	size_t hidden_cgroups, hidden_metrics;
};

static const char *paint(const struct table *t, const char *code)
{
	return t->options.colour ? code : "";
}

static void put_recording(struct table *t)
{
	const struct cgr_result *r = t->result;
	char duration[32], events[32];
	cgr_strbuf_printf(&t->text, "recording  %s, Linux ", cgr_format_usec(r->duration_usec, duration, sizeof duration));
	cgr_text_plain(&t->text, r->kernel_release ? r->kernel_release : "of unknown version");
	cgr_strbuf_printf(&t->text, ", %u CPU%s, %s events, ", r->recorded_cpus, r->recorded_cpus == 1 ? "" : "s",
	                  cgr_format_count((int64_t)r->events, events, sizeof events));
	if (r->quality.lost_events == 0)
		cgr_strbuf_printf(&t->text, "none lost\n");
	else
		cgr_strbuf_printf(&t->text, "%s%" PRIu64 " lost%s\n", paint(t, "\033[33m"), r->quality.lost_events,
		                  paint(t, "\033[0m"));
}

static void put_fidelity(struct table *t)
{
	struct cgr_facts_fidelity f;
	cgr_facts_fidelity(t->result, &f);
	if (f.counters == 0) {
		cgr_strbuf_printf(&t->text, "fidelity   %s\n",
		                  cgr_facts_has_counters(t->result)
		                      ? "not held against recorded counters: see cgreplay verify"
		                      : "nothing recorded to compare with at the recorded limits");
		return;
	}
	cgr_strbuf_printf(&t->text, "fidelity   at the recorded limits ");
	cgr_facts_fidelity_words(t->result, &f, &t->text);
	cgr_strbuf_printf(&t->text, "\n");
}

static void put_change(struct table *t, const struct cgr_result_change *change)
{
	if (change->cgroup && *change->cgroup) {
		cgr_text_plain(&t->text, change->cgroup);
		cgr_strbuf_printf(&t->text, "  ");
	}
	cgr_text_plain(&t->text, change->knob);
	cgr_strbuf_printf(&t->text, " ");
	cgr_text_plain(&t->text, change->from && *change->from ? change->from : "(not recorded)");
	cgr_strbuf_printf(&t->text, " -> ");
	cgr_text_plain(&t->text, change->to);
	if (change->t_usec > 0) {
		char when[32];
		cgr_strbuf_printf(&t->text, " at %s", cgr_format_usec(change->t_usec, when, sizeof when));
	}
}

static void put_scenario(struct table *t)
{
	const struct cgr_result *r = t->result;
	cgr_strbuf_printf(&t->text, "scenario   ");
	bool cpus = r->cpus != r->recorded_cpus;
	if (r->changes == 0 && !cpus)
		cgr_strbuf_printf(&t->text, "the recorded limits");
	if (cpus)
		cgr_strbuf_printf(&t->text, "CPUs %u -> %u", r->recorded_cpus, r->cpus);
	for (size_t i = 0; i < r->changes; i++) {
		cgr_strbuf_printf(&t->text, "%s", i || cpus ? "\n           " : "");
		put_change(t, &r->change[i]);
	}
	cgr_strbuf_printf(&t->text, "\nmodels     ");
	cgr_text_plain(&t->text, r->memory_model ? r->memory_model : "-");
	if (r->reclaim_model && *r->reclaim_model) {
		cgr_strbuf_printf(&t->text, "/");
		cgr_text_plain(&t->text, r->reclaim_model);
	}
	cgr_strbuf_printf(&t->text, ", ");
	cgr_text_plain(&t->text, r->cpu_model ? r->cpu_model : "-");
	if (cpus)
		cgr_strbuf_printf(&t->text, " on %u CPU%s", r->cpus, r->cpus == 1 ? "" : "s");
	cgr_strbuf_printf(&t->text, "; %u seed%s\n", r->seeds, r->seeds == 1 ? "" : "s");
}

static void put_row(struct table *t, const char *name, const char *recorded, const char *predicted, const char *range,
                    const char *class, int worse)
{
	const char *colour = worse > 0 ? "\033[31m" : worse < 0 ? "\033[32m" : "";
	cgr_strbuf_printf(&t->text, "%-*s %9s %s%10s%s  %-16s %s\n", NAME_COLUMNS, name, recorded, paint(t, colour),
	                  predicted, worse ? paint(t, "\033[0m") : "", range, class);
}

static void put_metric(struct table *t, const struct cgr_result_metric *metric)
{
	const struct cgr_result_metric_desc *desc = &t->result->metric_desc[metric->metric];
	char recorded[48] = "-", predicted[48], range[112];
	struct cgr_strbuf name = { 0 };
	int worse;
	cgr_facts_differs(t->result, metric, &worse);
	if (metric->has_recorded)
		cgr_text_value(desc->unit, metric->recorded, recorded, sizeof recorded);
	if (strcmp(desc->name, CGR_FACTS_COMPLETION) == 0) {
		cgr_strbuf_printf(&name, "completion of ");
		cgr_text_plain(&name, t->result->cgroup_path[metric->cgroup]);
	} else {
		cgr_text_plain(&name, desc->name);
	}
	bool never = metric->predicted == CGR_UNLIMITED && strcmp(desc->name, CGR_FACTS_COMPLETION) == 0;
	put_row(t, name.text ? name.text : "", recorded,
	        never ? "not done" : cgr_text_value(desc->unit, metric->predicted, predicted, sizeof predicted),
	        never && metric->low == CGR_UNLIMITED
	            ? "not done"
	            : cgr_text_range(desc->unit, metric->low, metric->high, range, sizeof range),
	        cgr_class_name(metric->class), worse);
	t->text.failed |= name.failed;
	cgr_strbuf_fini(&name);
}

/* Rows that say "nothing here, as in the recording" hide the ones that say something; of the latencies the tail is what
 * people ask for. */
static bool metric_shown(const struct table *t, const struct cgr_result_metric *metric)
{
	const char *name = t->result->metric_desc[metric->metric].name;
	if (t->options.all)
		return true;
	if (strncmp(name, "wakeup_latency.", 15) == 0 && strcmp(name, "wakeup_latency.p99_usec") != 0)
		return false;
	return cgr_facts_says_something(t->result, metric);
}

/* Only where the result lacks the engine's own metric. */
static void put_completion(struct table *t, uint32_t cgroup)
{
	struct cgr_facts_completion done;
	if (cgr_facts_metric(t->result, cgroup, CGR_FACTS_COMPLETION) || !cgr_facts_completion(t->result, cgroup, &done))
		return;
	struct cgr_strbuf name = { 0 };
	char recorded[32], predicted[32] = "not done";
	cgr_strbuf_printf(&name, "completion of ");
	cgr_text_plain(&name, t->result->cgroup_path[cgroup]);
	if (done.predicted_usec >= 0)
		cgr_format_usec(done.predicted_usec, predicted, sizeof predicted);
	int worse = done.predicted_usec < 0 || done.predicted_usec > done.recorded_usec + done.recorded_usec / 50 ? 1 : 0;
	put_row(t, name.text ? name.text : "", cgr_format_usec(done.recorded_usec, recorded, sizeof recorded), predicted,
	        done.predicted_usec >= 0 ? predicted : "-", cgr_class_name(done.class), worse);
	t->text.failed |= name.failed;
	cgr_strbuf_fini(&name);
}

static int put_latency(struct table *t, uint32_t cgroup)
{
	struct cgr_histogram recorded, predicted;
	if (cgr_facts_metric(t->result, cgroup, "wakeup_latency.p99_usec"))
		return 0;
	int rc = cgr_facts_latency(t->result, cgroup, &recorded, &predicted);
	if (rc == 0 && predicted.count > 0) {
		char was[32] = "-", is[32];
		uint64_t from = cgr_histogram_quantile(&recorded, 990), to = cgr_histogram_quantile(&predicted, 990);
		if (recorded.count > 0)
			cgr_format_usec((int64_t)from, was, sizeof was);
		cgr_format_usec((int64_t)to, is, sizeof is);
		put_row(t, "wakeup latency p99", was, is, is, cgr_class_name(CGR_CLASS_BOUNDED), 0);
	}
	cgr_histogram_fini(&recorded);
	cgr_histogram_fini(&predicted);
	return rc;
}

static int put_cgroup(struct table *t, uint32_t cgroup)
{
	struct cgr_strbuf path = { 0 };
	cgr_text_plain(&path, t->result->cgroup_path[cgroup]);
	cgr_strbuf_printf(&t->text, "\n%s%-*s%s %9s %10s  %-16s %s\n", paint(t, "\033[1m"), NAME_COLUMNS,
	                  path.text ? path.text : "", paint(t, "\033[0m"), "recorded", "predicted", "range", "class");
	t->text.failed |= path.failed;
	cgr_strbuf_fini(&path);
	for (size_t i = 0; i < t->result->metrics; i++) {
		const struct cgr_result_metric *metric = &t->result->metric[i];
		if (metric->cgroup != cgroup)
			continue;
		if (metric_shown(t, metric))
			put_metric(t, metric);
		else if (!cgr_facts_says_something(t->result, metric))
			t->hidden_metrics++;
	}
	put_completion(t, cgroup);
	return put_latency(t, cgroup);
}

static bool cgroup_shown(const struct table *t, uint32_t cgroup)
{
	bool any = false, differs = false;
	for (size_t i = 0; i < t->result->metrics; i++) {
		const struct cgr_result_metric *metric = &t->result->metric[i];
		int worse;
		if (metric->cgroup != cgroup)
			continue;
		any |= metric_shown(t, metric);
		differs |= cgr_facts_differs(t->result, metric, &worse);
	}
	if (t->options.all)
		return any;
	return any && (t->result->changes == 0 || cgr_facts_concerned(t->result, cgroup) || differs);
}

static int put_cgroups(struct table *t)
{
	size_t shown = 0;
	/* what was asked about first, then the rest in the order of the store */
	for (int pass = 0; pass < 2; pass++)
		for (uint32_t i = 0; i < t->result->cgroups; i++) {
			if (cgr_facts_changed(t->result, i) != (pass == 0))
				continue;
			if (!cgroup_shown(t, i) || (!t->options.all && shown >= CGROUPS_SHOWN)) {
				t->hidden_cgroups++;
				continue;
			}
			shown++;
			CGR_TRY(put_cgroup(t, i));
		}
	return 0;
}

static void put_quality(struct table *t)
{
	const struct cgr_result_quality *q = &t->result->quality;
	char unexplained[32];
	if (q->unexplained_block_usec == 0 && q->causality_violations == 0)
		return;
	cgr_strbuf_printf(&t->text, "quality    %s of waiting has no recorded cause (%" PRIu64 " of %" PRIu64 " waits)",
	                  cgr_format_usec(q->unexplained_block_usec, unexplained, sizeof unexplained),
	                  q->unexplained_blocks, q->blocks);
	if (q->causality_violations > 0)
		cgr_strbuf_printf(&t->text, "; %" PRIu64 " wake-up%s released at the recorded delay", q->causality_violations,
		                  q->causality_violations == 1 ? "" : "s");
	cgr_strbuf_printf(&t->text, "\n");
}

static void put_verdict(struct table *t)
{
	static const char *const colour[] = { "\033[32m", "\033[33m", "\033[31m", "\033[35m" };
	struct cgr_strbuf verdict = { 0 };
	int level;
	cgr_report_verdict(t->result, &verdict, &level);
	cgr_strbuf_printf(&t->text, "verdict    %s%s%s\n", paint(t, colour[level]), verdict.text ? verdict.text : "",
	                  paint(t, "\033[0m"));
	t->text.failed |= verdict.failed;
	cgr_strbuf_fini(&verdict);
}

/* The event store is not named in a result, but the command that made it is: "cgreplay replay web.db --set ...". */
static void put_store(struct table *t)
{
	const char *command = t->result->command, *word = command ? strstr(command, "replay ") : NULL;
	if (t->options.store_path) {
		cgr_text_shell(&t->text, t->options.store_path);
		return;
	}
	word = word ? strchr(word, ' ') : NULL;
	word = word && strncmp(word, " replay ", 8) == 0 ? word + 8 : word ? word + 1 : NULL;
	size_t length = word ? strcspn(word, " ") : 0;
	struct cgr_strbuf store = { 0 };
	if (length > 0 && *word != '-' && *word != '\'')
		cgr_strbuf_append(&store, word, length);
	else
		cgr_strbuf_printf(&store, "STORE.db");
	cgr_text_plain(&t->text, store.text);
	t->text.failed |= store.failed;
	cgr_strbuf_fini(&store);
}

static void put_next(struct table *t)
{
	const struct cgr_result *r = t->result;
	cgr_strbuf_printf(&t->text, "next       cgreplay ");
	for (size_t i = 0; i < r->changes; i++) {
		const struct cgr_result_change *change = &r->change[i];
		if (!change->cgroup || !*change->cgroup ||
		    (strcmp(change->knob, "memory.max") != 0 && strcmp(change->knob, "memory.high") != 0 &&
		     strcmp(change->knob, "cpu.max") != 0))
			continue;
		cgr_strbuf_printf(&t->text, "recommend ");
		put_store(t);
		cgr_strbuf_printf(&t->text, " --cgroup ");
		cgr_text_shell(&t->text, change->cgroup);
		cgr_strbuf_printf(&t->text, " --knob %s\n", change->knob);
		return;
	}
	cgr_strbuf_printf(&t->text, "verify ");
	put_store(t);
	cgr_strbuf_printf(&t->text, "\n");
}

static void put_hidden(struct table *t)
{
	if (t->hidden_cgroups == 0 && t->hidden_metrics == 0)
		return;
	cgr_strbuf_printf(&t->text, "%s(", paint(t, "\033[2m"));
	if (t->hidden_cgroups)
		cgr_strbuf_printf(&t->text, "%zu cgroup%s that nothing happens to", t->hidden_cgroups,
		                  t->hidden_cgroups == 1 ? "" : "s");
	if (t->hidden_metrics)
		cgr_strbuf_printf(&t->text, "%s%zu metric%s that stay%s 0", t->hidden_cgroups ? " and " : "", t->hidden_metrics,
		                  t->hidden_metrics == 1 ? "" : "s", t->hidden_metrics == 1 ? "s" : "");
	cgr_strbuf_printf(&t->text, " not shown: --all)%s\n", paint(t, "\033[0m"));
}

int cgr_report_table(FILE *out, const struct cgr_result *result, const struct cgr_report_table_options *options,
                     struct cgr_error *reterr)
{
	struct table t = { .result = result };
	if (options)
		t.options = *options;
	put_recording(&t);
	put_fidelity(&t);
	put_scenario(&t);
	int rc = put_cgroups(&t);
	cgr_strbuf_printf(&t.text, "\n");
	put_hidden(&t);
	put_quality(&t);
	put_verdict(&t);
	put_next(&t);
	if (rc < 0 || t.text.failed)
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "table of run: out of memory");
	else if (fwrite(t.text.text, 1, t.text.length, out) != t.text.length)
		rc = cgr_error_errno(reterr, CGR_E_IO, "cannot write the table");
	cgr_strbuf_fini(&t.text);
	return rc;
}
