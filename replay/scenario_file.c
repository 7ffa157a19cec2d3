#include "replay/scenario_file.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/limits.h"
#include "common/optparse.h"
#include "common/units.h"
#include "common/util.h"
#include "common/yamlcheck.h"

struct reader {
	const char *path;
	yaml_document_t *document;
	struct cgr_scenario *list;
	size_t count, capacity;
	struct cgr_error *error;
};

static int bad(struct reader *r, const yaml_node_t *node, const char *format, const char *detail)
{
	char text[CGR_ERROR_TEXT_MAX / 2];

	snprintf(text, sizeof text, format, detail ? detail : "");
	return cgr_error_set(r->error, CGR_E_SCENARIO, "%s:%zu:%zu: %s", r->path, node ? node->start_mark.line + 1 : 1,
	                     node ? node->start_mark.column + 1 : 1, text);
}

static yaml_node_t *node_at(const struct reader *r, int id)
{
	return yaml_document_get_node(r->document, id);
}

/* Text of a scalar; it must not hold a NUL byte, which would cut it silently. */
static int scalar(struct reader *r, const yaml_node_t *node, const char **ret_text)
{
	if (!node || node->type != YAML_SCALAR_NODE)
		return bad(r, node, "expected a plain value here%s", NULL);
	*ret_text = (const char *)node->data.scalar.value;
	if (strlen(*ret_text) != node->data.scalar.length)
		return bad(r, node, "a value must not hold a NUL byte%s", NULL);
	if (node->data.scalar.length >= CGR_LIMIT_KNOB_TEXT)
		return bad(r, node, "this value is too long%s", NULL);
	return 0;
}

static int where_of(const struct reader *r, const yaml_node_t *node, char *out, size_t size)
{
	return snprintf(out, size, "%s:%zu:%zu:", r->path, node->start_mark.line + 1, node->start_mark.column + 1);
}

static int read_knobs(struct reader *r, struct cgr_scenario *s, const char *cgroup, const yaml_node_t *node,
                      int64_t t_ns)
{
	if (!node || node->type != YAML_MAPPING_NODE)
		return bad(r, node, "expected knobs, e.g. memory.max: 256M, under cgroup '%s'", cgroup);
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const char *knob, *value;
		char where[CGR_ERROR_TEXT_MAX];

		CGR_TRY(scalar(r, node_at(r, pair->key), &knob));
		CGR_TRY(scalar(r, node_at(r, pair->value), &value));
		where_of(r, node_at(r, pair->value), where, sizeof where);
		CGR_TRY(cgr_scenario_add(s, cgroup, knob, value, t_ns, where, r->error));
	}
	return 0;
}

static int read_set(struct reader *r, struct cgr_scenario *s, const yaml_node_t *node, int64_t t_ns)
{
	if (!node || node->type != YAML_MAPPING_NODE)
		return bad(r, node, "expected cgroups, e.g. /web: {memory.max: 256M}%s", NULL);
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const char *cgroup;

		CGR_TRY(scalar(r, node_at(r, pair->key), &cgroup));
		CGR_TRY(read_knobs(r, s, cgroup, node_at(r, pair->value), t_ns));
	}
	return 0;
}

static const yaml_node_t *member(const struct reader *r, const yaml_node_t *mapping, const char *name)
{
	for (yaml_node_pair_t *pair = mapping->data.mapping.pairs.start; pair < mapping->data.mapping.pairs.top; pair++) {
		const yaml_node_t *key = node_at(r, pair->key);

		if (key && key->type == YAML_SCALAR_NODE && !strcmp((const char *)key->data.scalar.value, name))
			return node_at(r, pair->value);
	}
	return NULL;
}

/* at: [{time: 10s, set: {...}}, ...] */
static int read_at(struct reader *r, struct cgr_scenario *s, const yaml_node_t *node)
{
	if (!node || node->type != YAML_SEQUENCE_NODE)
		return bad(r, node, "expected a list of {time: 10s, set: {...}}%s", NULL);
	for (yaml_node_item_t *item = node->data.sequence.items.start; item < node->data.sequence.items.top; item++) {
		const yaml_node_t *entry = node_at(r, *item), *time, *set;
		const char *text;
		int64_t t_ns;

		if (!entry || entry->type != YAML_MAPPING_NODE)
			return bad(r, entry, "expected {time: 10s, set: {...}}%s", NULL);
		time = member(r, entry, "time");
		set = member(r, entry, "set");
		if (!time || !set)
			return bad(r, entry, "a change in mid-run needs both time and set%s", NULL);
		CGR_TRY(scalar(r, time, &text));
		if (cgr_parse_duration(text, &t_ns, NULL) < 0)
			return bad(r, time, "'%s' is not a time: write 10s, 250ms", text);
		CGR_TRY(read_set(r, s, set, t_ns));
	}
	return 0;
}

static int read_params(struct reader *r, struct cgr_scenario *s, const yaml_node_t *node)
{
	if (!node || node->type != YAML_MAPPING_NODE)
		return bad(r, node, "expected parameters, e.g. eevdf.base_slice_ns: 700000%s", NULL);
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top; pair++) {
		const char *name, *value;
		char *text;
		int rc;

		CGR_TRY(scalar(r, node_at(r, pair->key), &name));
		CGR_TRY(scalar(r, node_at(r, pair->value), &value));
		text = cgr_printf("%s=%s", name, value);
		rc = text ? cgr_scenario_param(s, text, NULL) : CGR_E_NOMEM;
		free(text);
		if (rc < 0)
			return bad(r, node_at(r, pair->key), "expected MODEL.NAME: VALUE, got '%s'", name);
	}
	return 0;
}

static int read_number(struct reader *r, const yaml_node_t *node, int64_t minimum, int64_t maximum, int64_t *ret_value)
{
	const char *text = "";

	CGR_TRY(scalar(r, node, &text));
	if (cgr_parse_int(text, minimum, maximum, ret_value, NULL) < 0)
		return cgr_error_set(r->error, CGR_E_SCENARIO, "%s:%zu:%zu: '%.100s' is not a number in the range %lld to %lld",
		                     r->path, node->start_mark.line + 1, node->start_mark.column + 1, text, (long long)minimum,
		                     (long long)maximum);
	return 0;
}

static int read_model(struct reader *r, const yaml_node_t *node, char **slot)
{
	const char *text;

	CGR_TRY(scalar(r, node, &text));
	free(*slot);
	*slot = cgr_strdup(text);
	return *slot ? 0 : cgr_error_set(r->error, CGR_E_NOMEM, "scenario");
}

static int read_flag(struct reader *r, const yaml_node_t *node, const char *yes, const char *no, bool *ret_value)
{
	const char *text = "";

	CGR_TRY(scalar(r, node, &text));
	if (strcmp(text, yes) != 0 && strcmp(text, no) != 0)
		return cgr_error_set(r->error, CGR_E_SCENARIO, "%s:%zu:%zu: '%.100s' is neither '%s' nor '%s'", r->path,
		                     node->start_mark.line + 1, node->start_mark.column + 1, text, yes, no);
	*ret_value = !strcmp(text, yes);
	return 0;
}

static int read_key(struct reader *r, struct cgr_scenario *s, const yaml_node_t *key, const yaml_node_t *value)
{
	static const char *const keys[] = { "name",          "based-on", "set",      "at",        "params",
		                                "cpus",          "seed",     "seeds",    "cpu-model", "memory-model",
		                                "reclaim-model", "until",    "open-loop" };
	const char *name, *near;
	char text[160];
	int64_t number = 0;

	CGR_TRY(scalar(r, key, &name));
	if (!strcmp(name, "name") || !strcmp(name, "based-on"))
		return 0;
	if (!strcmp(name, "set"))
		return read_set(r, s, value, 0);
	if (!strcmp(name, "at"))
		return read_at(r, s, value);
	if (!strcmp(name, "params"))
		return read_params(r, s, value);
	if (!strcmp(name, "cpus"))
		return read_number(r, value, 1, CGR_LIMIT_REPLAY_CPUS, &s->cpus);
	if (!strcmp(name, "cpu-model"))
		return read_model(r, value, &s->cpu_model);
	if (!strcmp(name, "memory-model"))
		return read_model(r, value, &s->memory_model);
	if (!strcmp(name, "reclaim-model"))
		return read_model(r, value, &s->reclaim_model);
	if (!strcmp(name, "until"))
		return read_flag(r, value, "done", "end", &s->until_done);
	if (!strcmp(name, "open-loop"))
		return read_flag(r, value, "true", "false", &s->open_loop);
	if (!strcmp(name, "seed")) {
		CGR_TRY(read_number(r, value, 1, INT64_MAX / 2, &number));
		s->seed = (uint64_t)number;
		return 0;
	}
	if (!strcmp(name, "seeds")) {
		CGR_TRY(read_number(r, value, 1, CGR_LIMIT_SEEDS, &number));
		s->seeds = (uint32_t)number;
		return 0;
	}
	near = cgr_did_you_mean(name, keys, CGR_ARRAY_SIZE(keys));
	snprintf(text, sizeof text, "'%.80s'%s%s%s", name, near ? "; did you mean '" : "", near ? near : "",
	         near ? "'?" : "");
	return bad(r, key, "a scenario has no key %s", text);
}

static int begin(struct reader *r, const yaml_node_t *node, struct cgr_scenario *s)
{
	const yaml_node_t *name = member(r, node, "name"), *based = member(r, node, "based-on");
	const char *text = "run", *base;

	if (name)
		CGR_TRY(scalar(r, name, &text));
	for (size_t i = 0; i < r->count; i++)
		if (!strcmp(r->list[i].name, text))
			return bad(r, name ? name : node, "there is a scenario '%s' already: give each its own name", text);
	if (!based)
		return cgr_scenario_init(s, text, r->error);
	CGR_TRY(scalar(r, based, &base));
	for (size_t i = 0; i < r->count; i++) {
		char *own;

		if (strcmp(r->list[i].name, base) != 0)
			continue;
		CGR_TRY(cgr_scenario_copy(s, &r->list[i], r->error));
		own = cgr_strdup(text);
		if (!own)
			return cgr_error_set(r->error, CGR_E_NOMEM, "scenario");
		free(s->name);
		s->name = own;
		return 0;
	}
	return bad(r, based, "no scenario '%s' above this one to be based on", base);
}

static int read_scenario(struct reader *r, const yaml_node_t *node)
{
	struct cgr_scenario s = { 0 };
	int rc;

	if (!node || node->type != YAML_MAPPING_NODE)
		return bad(r, node, "expected a scenario: name, set, ...%s", NULL);
	if (r->count >= CGR_LIMIT_SCENARIOS)
		return bad(r, node, "too many scenarios in one file%s", NULL);
	rc = begin(r, node, &s);
	if (rc >= 0) { /* also over the place of the scenario it is based on */
		free(s.where);
		s.where = cgr_printf("%s:%zu:%zu", r->path, node->start_mark.line + 1, node->start_mark.column + 1);
		rc = s.where ? 0 : cgr_error_set(r->error, CGR_E_NOMEM, "scenario");
	}
	for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; rc >= 0 && pair < node->data.mapping.pairs.top;
	     pair++)
		rc = read_key(r, &s, node_at(r, pair->key), node_at(r, pair->value));
	if (rc >= 0)
		rc = cgr_grow((void **)&r->list, &r->capacity, r->count + 1, sizeof *r->list, r->error);
	if (rc < 0) {
		cgr_scenario_fini(&s);
		return rc;
	}
	r->list[r->count++] = s;
	return 0;
}

static int read_root(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(r->document), *list = root;

	if (!root)
		return bad(r, NULL, "the file is empty: expected scenarios%s", NULL);
	if (root->type == YAML_MAPPING_NODE) {
		list = member(r, root, "scenarios");
		if (!list)
			return read_scenario(r, root);
		if (root->data.mapping.pairs.top - root->data.mapping.pairs.start != 1)
			return bad(r, root, "beside 'scenarios' nothing else may stand at the top%s", NULL);
	}
	if (list->type != YAML_SEQUENCE_NODE)
		return bad(r, list, "expected a list of scenarios%s", NULL);
	for (yaml_node_item_t *item = list->data.sequence.items.start; item < list->data.sequence.items.top; item++)
		CGR_TRY(read_scenario(r, node_at(r, *item)));
	return r->count ? 0 : bad(r, list, "the list of scenarios is empty%s", NULL);
}

void cgr_scenarios_free(struct cgr_scenario *scenarios, size_t count)
{
	for (size_t i = 0; i < count; i++)
		cgr_scenario_fini(&scenarios[i]);
	free(scenarios);
}

int cgr_scenario_file_load(const char *path, struct cgr_scenario **ret_scenarios, size_t *ret_count,
                           struct cgr_error *reterr)
{
	struct reader r = { .path = path, .error = reterr };
	yaml_parser_t parser;
	yaml_document_t document;
	char *text = NULL;
	size_t length;
	int rc = cgr_file_read(path, CGR_LIMIT_YAML_BYTES, &text, &length, reterr);

	if (rc < 0)
		return rc;
	rc = cgr_yaml_check(path, text, length, reterr);
	if (rc < 0) {
		free(text);
		return rc;
	}
	if (!yaml_parser_initialize(&parser)) {
		free(text);
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s", path);
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	if (!yaml_parser_load(&parser, &document)) {
		rc = cgr_error_set(reterr, CGR_E_SCENARIO, "%s:%zu:%zu: not YAML: %s", path, parser.problem_mark.line + 1,
		                   parser.problem_mark.column + 1, parser.problem ? parser.problem : "?");
	} else {
		r.document = &document;
		rc = cgr_yaml_check_keys(path, &document, reterr);
		if (rc == 0)
			rc = read_root(&r);
		yaml_document_delete(&document);
	}
	yaml_parser_delete(&parser);
	free(text);
	if (rc < 0) {
		cgr_scenarios_free(r.list, r.count);
		return rc;
	}
	*ret_scenarios = r.list;
	*ret_count = r.count;
	return 0;
}
