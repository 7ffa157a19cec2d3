/* Reads the rules of `cgreplay check`. */
#include "reports/rules.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/limits.h"
#include "common/optparse.h"
#include "common/units.h"
#include "common/yamlcheck.h"

struct reader {
	const char *path;
	yaml_document_t document;
	struct cgr_rules *rules;
	struct cgr_error *reterr;
};

static int bad(struct reader *r, const yaml_node_t *node, const char *what, const char *text)
{
	return cgr_error_set(r->reterr, CGR_E_SCENARIO, "%s:%zu:%zu: %s%s%.200s%s", r->path, node->start_mark.line + 1,
	                     node->start_mark.column + 1, what, text ? " '" : "", text ? text : "", text ? "'" : "");
}

static int scalar(struct reader *r, const yaml_node_t *node, const char *key, char **ret)
{
	if (node->type != YAML_SCALAR_NODE)
		return bad(r, node, "one value is expected for", key);
	if (memchr(node->data.scalar.value, '\0', node->data.scalar.length))
		return bad(r, node, "a NUL byte in the value of", key);
	free(*ret);
	*ret = cgr_strdup((const char *)node->data.scalar.value);
	return *ret ? 0 : cgr_error_set(r->reterr, CGR_E_NOMEM, "%s: out of memory", r->path);
}

static int percent(struct reader *r, const yaml_node_t *node, const char *text, int64_t *ret_ppm)
{
	char *end;
	double value = strtod(text, &end);
	while (*end == ' ')
		end++;
	if (end == text || *end++ != '%' || *end || !(value >= 0) || value > 1e6)
		return bad(r, node, "a percentage such as 5% is expected, not", text);
	*ret_ppm = (int64_t)(value * 1e4 + 0.5);
	return 0;
}

static int set_kind(struct reader *r, struct cgr_rule *rule, const yaml_node_t *node, enum cgr_rule_kind kind,
                    bool *has_kind)
{
	if (*has_kind)
		return bad(r, node, "a rule has one of max, min, equals, against; this is the second", NULL);
	*has_kind = true;
	rule->kind = kind;
	return kind == CGR_RULE_MAX || kind == CGR_RULE_MIN || kind == CGR_RULE_EQUALS
	           ? scalar(r, node, "the limit", &rule->limit_text)
	           : 0;
}

static int set_against(struct reader *r, struct cgr_rule *rule, const yaml_node_t *node, bool *has_kind)
{
	char *text = NULL;
	int rc = scalar(r, node, "against", &text);
	if (rc == 0 && strcmp(text, "baseline") == 0)
		rc = set_kind(r, rule, node, CGR_RULE_BASELINE, has_kind);
	else if (rc == 0 && strcmp(text, "recorded") == 0)
		rc = set_kind(r, rule, node, CGR_RULE_RECORDED, has_kind);
	else if (rc == 0)
		rc = bad(r, node, "against is baseline or recorded, not", text);
	free(text);
	return rc;
}

static int set_value(struct reader *r, struct cgr_rule *rule, const yaml_node_t *node)
{
	static const char *const names[] = { "predicted", "recorded", "low", "high" };
	char *text = NULL;
	int rc = scalar(r, node, "value", &text);
	if (rc == 0) {
		size_t i = 0;
		while (i < CGR_ARRAY_SIZE(names) && strcmp(names[i], text) != 0)
			i++;
		if (i == CGR_ARRAY_SIZE(names))
			rc = bad(r, node, "value is predicted, recorded, low or high, not", text);
		else
			rule->value = (enum cgr_rule_value)i;
	}
	free(text);
	return rc;
}

static int set_worse(struct reader *r, struct cgr_rule *rule, const yaml_node_t *node)
{
	char *text = NULL;
	int rc = scalar(r, node, "worse", &text);
	if (rc == 0)
		rule->worse = strcmp(text, "higher") == 0  ? 1
		              : strcmp(text, "lower") == 0 ? -1
		              : strcmp(text, "both") == 0  ? 2
		                                           : 0;
	if (rc == 0 && rule->worse == 0)
		rc = bad(r, node, "worse is higher, lower or both, not", text);
	free(text);
	return rc;
}

static int set_tolerance(struct reader *r, struct cgr_rule *rule, const yaml_node_t *node)
{
	char *text = NULL;
	int rc = scalar(r, node, "tolerance", &text);
	if (rc == 0)
		rc = percent(r, node, text, &rule->tolerance_ppm);
	rule->has_tolerance = rc == 0;
	free(text);
	return rc;
}

static int set_strict(struct reader *r, struct cgr_rule *rule, const yaml_node_t *node)
{
	char *text = NULL;
	int rc = scalar(r, node, "strict", &text);
	if (rc == 0 && strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		rc = bad(r, node, "strict is true or false, not", text);
	else if (rc == 0)
		rule->strict = strcmp(text, "true") == 0;
	free(text);
	return rc;
}

static int set_key(struct reader *r, struct cgr_rule *rule, const yaml_node_t *key, const yaml_node_t *value,
                   bool *has_kind)
{
	static const char *const known[] = { "name",    "metric",    "cgroup", "run",   "max",    "min",  "equals",
		                                 "against", "tolerance", "slack",  "value", "strict", "worse" };
	if (key->type != YAML_SCALAR_NODE)
		return bad(r, key, "a key is expected", NULL);
	const char *name = (const char *)key->data.scalar.value;
	if (strcmp(name, "name") == 0)
		return scalar(r, value, name, &rule->name);
	if (strcmp(name, "metric") == 0)
		return scalar(r, value, name, &rule->metric);
	if (strcmp(name, "cgroup") == 0)
		return scalar(r, value, name, &rule->cgroup);
	if (strcmp(name, "run") == 0)
		return scalar(r, value, name, &rule->run);
	if (strcmp(name, "max") == 0)
		return set_kind(r, rule, value, CGR_RULE_MAX, has_kind);
	if (strcmp(name, "min") == 0)
		return set_kind(r, rule, value, CGR_RULE_MIN, has_kind);
	if (strcmp(name, "equals") == 0)
		return set_kind(r, rule, value, CGR_RULE_EQUALS, has_kind);
	if (strcmp(name, "against") == 0)
		return set_against(r, rule, value, has_kind);
	if (strcmp(name, "tolerance") == 0)
		return set_tolerance(r, rule, value);
	if (strcmp(name, "slack") == 0)
		return scalar(r, value, name, &rule->slack_text);
	if (strcmp(name, "value") == 0)
		return set_value(r, rule, value);
	if (strcmp(name, "worse") == 0)
		return set_worse(r, rule, value);
	if (strcmp(name, "strict") == 0)
		return set_strict(r, rule, value);
	const char *near = cgr_did_you_mean(name, known, CGR_ARRAY_SIZE(known));
	return cgr_error_set(r->reterr, CGR_E_SCENARIO, "%s:%zu:%zu: unknown key '%.100s' in a rule%s%s%s", r->path,
	                     key->start_mark.line + 1, key->start_mark.column + 1, name, near ? "; did you mean " : "",
	                     near ? near : "", near ? "?" : "");
}

static int read_rule(struct reader *r, const yaml_node_t *node)
{
	struct cgr_rules *rules = r->rules;
	bool has_kind = false;
	if (node->type != YAML_MAPPING_NODE)
		return bad(r, node, "a rule is a mapping with metric: and one of max:, min:, equals:, against:", NULL);
	CGR_TRY(cgr_grow((void **)&rules->rule, &rules->capacity, rules->count + 1, sizeof *rules->rule, r->reterr));
	struct cgr_rule *rule = &rules->rule[rules->count++];
	*rule = (struct cgr_rule){ .line = node->start_mark.line + 1, .column = node->start_mark.column + 1 };
	for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++)
		CGR_TRY(set_key(r, rule, yaml_document_get_node(&r->document, pair->key),
		                yaml_document_get_node(&r->document, pair->value), &has_kind));
	if (!rule->metric)
		return bad(r, node, "the rule names no metric", NULL);
	if (!has_kind)
		return bad(r, node, "the rule has none of max, min, equals, against: it would check nothing", NULL);
	if (rule->value == CGR_VALUE_RECORDED && rule->kind == CGR_RULE_RECORDED)
		return bad(r, node, "the rule compares the recorded value with itself", NULL);
	return 0;
}

static int read_rules(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(&r->document), *list = root;
	if (!root)
		return cgr_error_set(r->reterr, CGR_E_SCENARIO, "%s: holds no rules", r->path);
	if (root->type == YAML_MAPPING_NODE) {
		list = NULL;
		for (const yaml_node_pair_t *p = root->data.mapping.pairs.start; p < root->data.mapping.pairs.top; p++) {
			const yaml_node_t *key = yaml_document_get_node(&r->document, p->key);
			if (key->type != YAML_SCALAR_NODE || strcmp((const char *)key->data.scalar.value, "rules") != 0)
				return bad(r, key, "only 'rules:' is known here", NULL);
			list = yaml_document_get_node(&r->document, p->value);
		}
	}
	if (!list || list->type != YAML_SEQUENCE_NODE)
		return bad(r, list ? list : root, "'rules:' with a list of rules is expected", NULL);
	for (const yaml_node_item_t *i = list->data.sequence.items.start; i < list->data.sequence.items.top; i++)
		CGR_TRY(read_rule(r, yaml_document_get_node(&r->document, *i)));
	if (r->rules->count == 0)
		return bad(r, list, "the list of rules is empty: nothing would be checked", NULL);
	return 0;
}

int cgr_rules_load(const char *path, struct cgr_rules *ret_rules, struct cgr_error *reterr)
{
	struct reader r = { .path = path, .rules = ret_rules, .reterr = reterr };
	char *text = NULL;
	size_t length;
	yaml_parser_t parser;
	*ret_rules = (struct cgr_rules){ .path = cgr_strdup(path) };
	CGR_TRY(cgr_file_read(path, CGR_LIMIT_YAML_BYTES, &text, &length, reterr));
	if (cgr_yaml_check(path, text, length, reterr) < 0) {
		free(text);
		return CGR_E_SCENARIO;
	}
	if (!yaml_parser_initialize(&parser)) {
		free(text);
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	int rc;
	if (!yaml_parser_load(&parser, &r.document)) {
		rc = cgr_error_set(reterr, CGR_E_SCENARIO, "%s:%zu:%zu: %s", path, parser.problem_mark.line + 1,
		                   parser.problem_mark.column + 1, parser.problem ? parser.problem : "not YAML");
	} else {
		rc = cgr_yaml_check_keys(path, &r.document, reterr);
		if (rc == 0)
			rc = read_rules(&r);
		yaml_document_delete(&r.document);
	}
	yaml_parser_delete(&parser);
	free(text);
	return rc;
}

void cgr_rules_fini(struct cgr_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		struct cgr_rule *rule = &rules->rule[i];
		free(rule->name);
		free(rule->metric);
		free(rule->cgroup);
		free(rule->run);
		free(rule->limit_text);
		free(rule->slack_text);
	}
	free(rules->rule);
	free(rules->path);
	*rules = (struct cgr_rules){ 0 };
}

int cgr_rule_number(const char *unit, const char *text, int64_t *ret_value, struct cgr_error *reterr)
{
	if (strcmp(unit, "bytes") == 0)
		return cgr_parse_bytes(text, ret_value, reterr);
	if (strcmp(unit, "usec") == 0) {
		/* a plain number is the unit of the kernel's file, as everywhere; "5ms" says its own */
		if (text[strspn(text, "-0123456789")] == '\0')
			return cgr_parse_int(text, INT64_MIN, INT64_MAX, ret_value, reterr);
		CGR_TRY(cgr_parse_duration(text, ret_value, reterr));
		*ret_value /= 1000;
		return 0;
	}
	size_t length = strlen(text);
	if (strcmp(unit, "ppm") == 0 && length > 0 && text[length - 1] == '%') {
		char *end;
		double percent_value = strtod(text, &end);
		if (*end != '%' || end[1] || !(percent_value >= 0 && percent_value <= 1e9))
			return cgr_error_set(reterr, CGR_E_SCENARIO, "'%.60s' is no percentage", text);
		*ret_value = (int64_t)(percent_value * 1e4 + 0.5);
		return 0;
	}
	return cgr_parse_int(text, INT64_MIN, INT64_MAX, ret_value, reterr);
}
