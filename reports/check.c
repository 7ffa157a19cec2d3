/* Applies the rules. A comparison counts as broken only when the difference is worse than tolerance, slack and the
 * models' own interval together: noise is not a regression. `strict: true` leaves the interval out, which is right
 * for replays of one recording with one version, since those are exact. */
#include <fnmatch.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/cgroupname.h"
#include "common/event.h"
#include "common/metricname.h"
#include "common/optparse.h"
#include "common/units.h"
#include "reports/facts.h"
#include "reports/rules.h"
#include "reports/text.h"

struct check {
	const struct cgr_rules *rules;
	const struct cgr_rule *rule;
	const struct cgr_result *const *baselines;
	size_t baseline_count, result_count;
	struct cgr_outcomes *outcomes;
	struct cgr_error *reterr;
};

static int bad(struct check *c, const char *what, const char *text)
{
	return cgr_error_set(c->reterr, CGR_E_SCENARIO, "%s:%zu:%zu: %s '%.200s'", c->rules->path, c->rule->line,
	                     c->rule->column, what, text);
}

/* Names of runs are no paths: "*" is anything there. */
static bool is_run(const struct cgr_rule *rule, const struct cgr_result *result)
{
	return !rule->run || strcmp(rule->run, result->name) == 0 || fnmatch(rule->run, result->name, 0) == 0;
}

/* As in a scenario: a path is itself before it is a pattern. */
static bool is_cgroup(const struct cgr_rule *rule, const struct cgr_result *result, uint32_t cgroup)
{
	const char *path = result->cgroup_path[cgroup];

	if (!rule->cgroup || strcmp(rule->cgroup, path) == 0)
		return true;
	return cgr_name_is_pattern(rule->cgroup) && cgr_facts_cgroup(result, rule->cgroup) == CGR_ID_NONE &&
	       cgr_name_fits(path, rule->cgroup);
}

static const struct cgr_result_metric_desc *find_desc(const struct cgr_result *result, const char *name)
{
	const char *meant = cgr_metric_meant(name, strlen(name)), *wanted = meant ? meant : name;
	for (size_t i = 0; i < result->metric_descs; i++)
		if (strcmp(result->metric_desc[i].name, wanted) == 0)
			return &result->metric_desc[i];
	return NULL;
}

/* The baseline's run of the same name; if both stores hold one run, that one whatever it is called. */
static const struct cgr_result *find_baseline(const struct check *c, const struct cgr_result *result)
{
	for (size_t i = 0; i < c->baseline_count; i++)
		if (strcmp(c->baselines[i]->name, result->name) == 0)
			return c->baselines[i];
	return c->baseline_count == 1 && c->result_count == 1 ? c->baselines[0] : NULL;
}

static int64_t value_of(const struct cgr_result_metric *metric, enum cgr_rule_value which)
{
	switch (which) {
	case CGR_VALUE_RECORDED:
		return metric->recorded;
	case CGR_VALUE_LOW:
		return metric->low;
	case CGR_VALUE_HIGH:
		return metric->high;
	case CGR_VALUE_PREDICTED:
		break;
	}
	return metric->predicted;
}

/* Differences this small are nothing whatever the percentage says; a kill is never nothing. */
static int64_t default_slack(const char *unit)
{
	if (strcmp(unit, "bytes") == 0)
		return 1 << 20;
	if (strcmp(unit, "usec") == 0)
		return 5000;
	return strcmp(unit, "pages") == 0 ? 256 : 0;
}

static int64_t add_clamped(int64_t a, int64_t b)
{
	int64_t sum;
	if (a == CGR_UNLIMITED || b == CGR_UNLIMITED)
		return CGR_UNLIMITED;
	return __builtin_add_overflow(a, b, &sum) ? (b > 0 ? INT64_MAX - 1 : INT64_MIN) : sum;
}

static int64_t margin_of(const struct cgr_rule *rule, const struct cgr_result_metric_desc *desc, int64_t base,
                         int64_t slack)
{
	int64_t ppm = rule->has_tolerance ? rule->tolerance_ppm : desc->tolerance_ppm;
	if (base == CGR_UNLIMITED)
		return 0;
	long double part = (long double)(base < 0 ? -(long double)base : (long double)base) * (long double)ppm / 1e6L;
	int64_t margin = part > 9e18L ? INT64_MAX - 1 : (int64_t)part;
	return CGR_MAX(margin, slack);
}

/* against: baseline or recorded. Sets limit and passed of o; base and actual are there. */
static void compare(const struct cgr_rule *rule, const struct cgr_result_metric_desc *desc, int64_t slack,
                    int64_t base_low, int64_t base_high, struct cgr_outcome *o)
{
	const struct cgr_result_metric *m = o->metric;
	bool point = rule->strict || rule->value != CGR_VALUE_PREDICTED;
	int64_t margin = margin_of(rule, desc, o->base, slack);
	bool higher = o->actual > add_clamped(o->base, margin);
	bool lower = o->actual < add_clamped(o->base, -margin);
	if (!point) { /* intervals that touch do not tell two runs apart */
		higher = higher && m->low > base_high;
		lower = lower && m->high < base_low;
	}
	int direction = rule->worse == 2 ? 0 : rule->worse ? rule->worse : desc->worse;
	bool worse = direction > 0 ? higher : direction < 0 ? lower : higher || lower;
	o->passed = !worse;
	o->limit = add_clamped(o->base, direction < 0 ? -margin : margin);
}

static void put_value(struct cgr_strbuf *out, const char *unit, int64_t value)
{
	char text[48];
	cgr_strbuf_printf(out, "%s", cgr_text_value(unit, value, text, sizeof text));
}

static void name_outcome(struct cgr_outcome *o, const struct cgr_result_metric_desc *desc, struct cgr_strbuf *out)
{
	static const char *const sign[] = { "<=", ">=", "==", NULL, NULL };
	if (o->rule->name) {
		cgr_text_plain(out, o->rule->name);
		cgr_strbuf_printf(out, ": ");
	}
	cgr_text_plain(out, o->result->name);
	cgr_strbuf_printf(out, " ");
	cgr_text_plain(out, o->result->cgroup_path[o->metric->cgroup]);
	cgr_strbuf_printf(out, " %s ", desc->name);
	put_value(out, desc->unit, o->actual);
	if (sign[o->rule->kind]) {
		cgr_strbuf_printf(out, " %s ", sign[o->rule->kind]);
		put_value(out, desc->unit, o->limit);
	} else {
		cgr_strbuf_printf(out, o->rule->kind == CGR_RULE_BASELINE ? ", baseline " : ", recorded ");
		put_value(out, desc->unit, o->base);
	}
}

static void explain(struct cgr_outcome *o, const struct cgr_result_metric_desc *desc, struct cgr_strbuf *out)
{
	static const char *const expected[] = { "at most", "at least", "exactly", "no worse than baseline",
		                                    "no worse than recorded" };
	char change[48], range[112];
	cgr_strbuf_printf(out, "expected: %s ", expected[o->rule->kind]);
	put_value(out, desc->unit, o->base);
	if (o->base != o->limit) {
		cgr_strbuf_printf(out, " with tolerance ");
		put_value(out, desc->unit, o->limit);
	}
	cgr_strbuf_printf(out, "\nactual: ");
	put_value(out, desc->unit, o->actual);
	if (strcmp(desc->unit, "count") != 0 || o->actual >= 10000)
		cgr_strbuf_printf(out, " (%" PRId64 " %s)", o->actual, desc->unit);
	cgr_strbuf_printf(out, ", range %s, %s\n",
	                  cgr_text_range(desc->unit, o->metric->low, o->metric->high, range, sizeof range),
	                  cgr_class_name(o->metric->class));
	cgr_text_change(o->base, o->actual, change, sizeof change);
	cgr_strbuf_printf(out, "difference: %" PRId64 " %s%s%s\ncgroup: ",
	                  o->actual == CGR_UNLIMITED ? CGR_UNLIMITED : o->actual - o->base, desc->unit, *change ? ", " : "",
	                  change);
	cgr_text_plain(out, o->result->cgroup_path[o->metric->cgroup]);
	cgr_strbuf_printf(out, "\nmetric: %s\nrun: ", desc->name);
	cgr_text_plain(out, o->result->name);
	cgr_strbuf_printf(out, "\nrule: line %zu\n", o->rule->line);
}

static int add_outcome(struct check *c, struct cgr_outcome *o, const struct cgr_result_metric_desc *desc)
{
	struct cgr_strbuf name = { 0 }, facts = { 0 };
	name_outcome(o, desc, &name);
	explain(o, desc, &facts);
	o->name = name.text;
	o->facts = facts.text;
	int rc = name.failed || facts.failed ? cgr_error_set(c->reterr, CGR_E_NOMEM, "check: out of memory")
	                                     : cgr_grow((void **)&c->outcomes->outcome, &c->outcomes->capacity,
	                                                c->outcomes->count + 1, sizeof *o, c->reterr);
	if (rc < 0) {
		free(name.text);
		free(facts.text);
		return rc;
	}
	c->outcomes->broken += !o->passed;
	c->outcomes->outcome[c->outcomes->count++] = *o;
	return 0;
}

static int against_baseline(struct check *c, struct cgr_outcome *o, const struct cgr_result_metric_desc *desc,
                            int64_t slack)
{
	const char *path = o->result->cgroup_path[o->metric->cgroup];
	o->baseline = find_baseline(c, o->result);
	if (!o->baseline)
		return bad(c, c->baseline_count ? "the baseline has no run named" : "needs --baseline for run",
		           o->result->name);
	uint32_t cgroup = cgr_facts_cgroup(o->baseline, path);
	if (cgroup == CGR_ID_NONE)
		return bad(c, "the baseline does not know the cgroup", path);
	const struct cgr_result_metric *base = cgr_facts_metric(o->baseline, cgroup, desc->name);
	if (!base || (c->rule->value == CGR_VALUE_RECORDED && !base->has_recorded))
		return bad(c, "the baseline has no such metric for the cgroup", path);
	o->base = value_of(base, c->rule->value);
	compare(c->rule, desc, slack, base->low, base->high, o);
	return 0;
}

static int evaluate_one(struct check *c, const struct cgr_result *result, const struct cgr_result_metric *metric)
{
	const struct cgr_result_metric_desc *desc = &result->metric_desc[metric->metric];
	struct cgr_outcome o = {
		.rule = c->rule, .result = result, .metric = metric, .actual = value_of(metric, c->rule->value)
	};
	int64_t slack = default_slack(desc->unit);
	if (c->rule->slack_text && cgr_rule_number(desc->unit, c->rule->slack_text, &slack, c->reterr) < 0)
		return cgr_error_cause(c->reterr, "%s:%zu:%zu: slack", c->rules->path, c->rule->line, c->rule->column);
	if (c->rule->limit_text && cgr_rule_number(desc->unit, c->rule->limit_text, &o.base, c->reterr) < 0)
		return cgr_error_cause(c->reterr, "%s:%zu:%zu: limit of %s", c->rules->path, c->rule->line, c->rule->column,
		                       desc->name);
	o.limit = o.base;
	switch (c->rule->kind) {
	case CGR_RULE_MAX:
		o.passed = o.actual <= o.base;
		break;
	case CGR_RULE_MIN:
		o.passed = o.actual >= o.base;
		break;
	case CGR_RULE_EQUALS:
		o.passed = o.actual == o.base;
		break;
	case CGR_RULE_RECORDED:
		o.base = metric->recorded;
		compare(c->rule, desc, slack, metric->recorded, metric->recorded, &o);
		break;
	case CGR_RULE_BASELINE:
		CGR_TRY(against_baseline(c, &o, desc, slack));
		break;
	}
	return add_outcome(c, &o, desc);
}

/* Results keep no zeros of a cgroup that nothing happens to. */
static bool is_silent(const struct cgr_result *result, uint32_t cgroup)
{
	for (size_t i = 0; i < result->metrics; i++) {
		const struct cgr_result_metric *m = &result->metric[i];

		if (m->cgroup == cgroup && (m->high != 0 || (m->has_recorded && m->recorded != 0)))
			return false;
	}
	return true;
}

/* Events that only a cgroup's own tasks bring about, by running: where none of them runs there are 0 of them. Not so
 * memory.events.low and what reclaim counts, which others do to it; and a latency or a completion there is none. */
static bool is_own_event(const struct cgr_result_metric_desc *desc)
{
	static const char *const prefix[] = { "memory.events.", "memory.swap.events.", "cpu.stat." };

	if (strcmp(desc->unit, "count") != 0 || strcmp(desc->name, "memory.events.low") == 0)
		return false;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(prefix); i++)
		if (strncmp(desc->name, prefix[i], strlen(prefix[i])) == 0)
			return true;
	return false;
}

/* A limit for events of a named cgroup in which nothing runs. */
static int evaluate_silent(struct check *c, const struct cgr_result *result, const struct cgr_result_metric_desc *desc)
{
	if (!c->rule->cgroup || !c->rule->limit_text || c->rule->value == CGR_VALUE_RECORDED || !is_own_event(desc))
		return 0;
	for (uint32_t g = 0; g < result->cgroups; g++) {
		struct cgr_result_metric *zero;
		size_t before = c->outcomes->count;

		if (!is_cgroup(c->rule, result, g) || !is_silent(result, g))
			continue;
		zero = cgr_calloc(1, sizeof *zero);
		if (!zero)
			return cgr_error_set(c->reterr, CGR_E_NOMEM, "check: out of memory");
		zero->cgroup = g;
		zero->metric = (uint32_t)(desc - result->metric_desc);
		zero->class = CGR_CLASS_EXTRAPOLATED;
		int rc = evaluate_one(c, result, zero);
		if (c->outcomes->count > before)
			c->outcomes->outcome[before].silent = zero;
		else
			free(zero);
		CGR_TRY(rc);
	}
	return 0;
}

static int unknown_metric(struct check *c, const struct cgr_result *result)
{
	const char *names[256], *near;
	size_t known = 0;
	for (; known < result->metric_descs && known < CGR_ARRAY_SIZE(names); known++)
		names[known] = result->metric_desc[known].name;
	near = cgr_did_you_mean(c->rule->metric, names, known);
	if (!near)
		return bad(c, "these runs have no metric", c->rule->metric);
	return cgr_error_set(c->reterr, CGR_E_SCENARIO, "%s:%zu:%zu: unknown metric '%.200s'; did you mean '%s'?",
	                     c->rules->path, c->rule->line, c->rule->column, c->rule->metric, near);
}

static int evaluate_rule(struct check *c, const struct cgr_result *const *results, size_t count)
{
	size_t before = c->outcomes->count;
	bool needs_recorded = c->rule->kind == CGR_RULE_RECORDED || c->rule->value == CGR_VALUE_RECORDED;
	const struct cgr_result_metric_desc *desc = NULL;
	for (size_t i = 0; i < count; i++) {
		const struct cgr_result *result = results[i];
		const struct cgr_result_metric_desc *here = find_desc(result, c->rule->metric);
		desc = here ? here : desc;
		if (!here || !is_run(c->rule, result))
			continue;
		size_t of_run = c->outcomes->count;
		for (size_t j = 0; j < result->metrics; j++) {
			const struct cgr_result_metric *metric = &result->metric[j];
			if (&result->metric_desc[metric->metric] != here || !is_cgroup(c->rule, result, metric->cgroup) ||
			    (needs_recorded && !metric->has_recorded))
				continue;
			CGR_TRY(evaluate_one(c, result, metric));
		}
		if (c->outcomes->count == of_run)
			CGR_TRY(evaluate_silent(c, result, here));
	}
	if (c->outcomes->count > before)
		return 0;
	if (desc)
		return bad(c, "no cgroup of any run matches (or none has a recorded value):",
		           c->rule->cgroup ? c->rule->cgroup : c->rule->metric);
	return unknown_metric(c, results[0]);
}

int cgr_rules_evaluate(const struct cgr_rules *rules, const struct cgr_result *const *results, size_t count,
                       const struct cgr_result *const *baselines, size_t baseline_count,
                       struct cgr_outcomes *ret_outcomes, struct cgr_error *reterr)
{
	struct check c = { .rules = rules,
		               .baselines = baselines,
		               .baseline_count = baseline_count,
		               .result_count = count,
		               .outcomes = ret_outcomes,
		               .reterr = reterr };
	*ret_outcomes = (struct cgr_outcomes){ 0 };
	if (count == 0)
		return cgr_error_set(reterr, CGR_E_SCENARIO, "%s: no run to check", rules->path);
	for (size_t i = 0; i < rules->count; i++) {
		c.rule = &rules->rule[i];
		CGR_TRY(evaluate_rule(&c, results, count));
	}
	return 0;
}

void cgr_outcomes_fini(struct cgr_outcomes *outcomes)
{
	for (size_t i = 0; i < outcomes->count; i++) {
		free(outcomes->outcome[i].name);
		free(outcomes->outcome[i].facts);
		free(outcomes->outcome[i].silent);
	}
	free(outcomes->outcome);
	*outcomes = (struct cgr_outcomes){ 0 };
}
