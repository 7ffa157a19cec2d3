/* Rules of `cgreplay check`: YAML in, a table of outcomes out. docs/FORMATS.md has the format. */
#ifndef CGR_REPORTS_RULES_H
#define CGR_REPORTS_RULES_H

#include "common/util.h"
#include "store/result.h"

enum cgr_rule_kind {
	CGR_RULE_MAX, /* value <= limit */
	CGR_RULE_MIN, /* value >= limit */
	CGR_RULE_EQUALS, /* value == limit */
	CGR_RULE_BASELINE, /* not worse than the same run of the baseline store */
	CGR_RULE_RECORDED, /* the prediction is not worse than what was recorded */
};
enum cgr_rule_value { CGR_VALUE_PREDICTED, CGR_VALUE_RECORDED, CGR_VALUE_LOW, CGR_VALUE_HIGH };

struct cgr_rule {
	char *name, *metric, *cgroup, *run; /* cgroup: path or pattern (cgr_name_fits); run: name or glob */
	char *limit_text; /* as written: "5ms", "64M" */
	enum cgr_rule_kind kind;
	enum cgr_rule_value value;
	bool has_tolerance;
	bool strict; /* compare the values alone, without their intervals */
	int worse; /* +1 higher is worse, -1 lower, 0: as the metric says, 2: both */
	int64_t tolerance_ppm; /* else the metric's own */
	char *slack_text; /* difference that is nothing, in the metric's unit; NULL: the unit's */
	size_t line, column; /* in the rules file, 1-based */
};
struct cgr_rules {
	char *path;
	struct cgr_rule *rule;
	size_t count, capacity;
};

/* Errors are CGR_E_SCENARIO with file:line:column; a file without rules is one. */
int cgr_rules_load(const char *path, struct cgr_rules *ret_rules, struct cgr_error *reterr);
void cgr_rules_fini(struct cgr_rules *rules);

struct cgr_outcome {
	const struct cgr_rule *rule;
	const struct cgr_result *result, *baseline; /* baseline NULL for rules that need none */
	const struct cgr_result_metric *metric;
	struct cgr_result_metric *silent; /* what metric is where the result keeps none: the 0 of a cgroup that never ran */
	bool passed;
	int64_t actual, limit; /* limit with tolerance and slack added */
	int64_t base; /* what it is compared with; equals limit for absolute rules */
	char *name; /* "/web cpu.stat.throttled_usec 7.30s <= 5.00s" */
	char *facts; /* several lines for a person: expected, actual, interval, difference */
};
struct cgr_outcomes {
	struct cgr_outcome *outcome;
	size_t count, capacity, broken;
};

/* Every rule on every run and cgroup it matches. CGR_E_SCENARIO for a metric no run has, for a rule that matches
 * nothing, and for a baseline that lacks the run or cgroup. */
int cgr_rules_evaluate(const struct cgr_rules *rules, const struct cgr_result *const *results, size_t count,
                       const struct cgr_result *const *baselines, size_t baseline_count,
                       struct cgr_outcomes *ret_outcomes, struct cgr_error *reterr);
void cgr_outcomes_fini(struct cgr_outcomes *outcomes);

/* "5ms", "64M", "12", "3%" in the unit of a metric. */
int cgr_rule_number(const char *unit, const char *text, int64_t *ret_value, struct cgr_error *reterr);

void cgr_outcomes_table(struct cgr_strbuf *out, const struct cgr_outcomes *outcomes, bool colour);
void cgr_outcomes_tap(struct cgr_strbuf *out, const struct cgr_outcomes *outcomes); /* TAP 14 */
/* One row per check; base is what the rule compares with, limit that with its tolerance. */
void cgr_outcomes_csv(struct cgr_strbuf *out, const struct cgr_outcomes *outcomes);
void cgr_outcomes_junit(struct cgr_strbuf *out, const struct cgr_outcomes *outcomes); /* one testcase per check */
int cgr_outcomes_json(struct cgr_strbuf *out, const struct cgr_outcomes *outcomes);

#endif
