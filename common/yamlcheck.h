/* What a YAML file from anywhere must keep before libyaml builds a document of it. Header only: the folders that read
 * YAML link libyaml, common does not. */
#ifndef CGR_COMMON_YAMLCHECK_H
#define CGR_COMMON_YAMLCHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "common/error.h"
#include "common/limits.h"

static inline int cgr_yaml_refuse(const char *path, yaml_mark_t mark, const char *what, struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_SCENARIO, "%s:%zu:%zu: %s", path, mark.line + 1, mark.column + 1, what);
}

static inline int cgr_yaml_check_event(const char *path, const yaml_event_t *event, unsigned *depth,
                                       unsigned *documents, struct cgr_error *reterr)
{
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return ++*documents > 1 ? cgr_yaml_refuse(path, event->start_mark,
		                                          "a second document ('---') in one file: nobody would read it", reterr)
		                        : 0;
	case YAML_SEQUENCE_START_EVENT:
	case YAML_MAPPING_START_EVENT:
		return ++*depth > CGR_LIMIT_YAML_DEPTH ? cgr_yaml_refuse(path, event->start_mark, "nested too deeply", reterr)
		                                       : 0;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		--*depth;
		return 0;
	default:
		return 0;
	}
}

/* One document, nested no deeper than the limit: libyaml's scanner takes quadratic time in the depth, and a hundred
 * thousand brackets hang it for hours. Text that is no YAML passes: the loader says what is wrong with it.
 * Returns 0 or CGR_E_SCENARIO with the place. */
static inline int cgr_yaml_check(const char *path, const char *text, size_t length, struct cgr_error *reterr)
{
	yaml_parser_t parser;
	yaml_event_t event;
	unsigned depth = 0, documents = 0;
	bool end = false;
	int rc = 0;

	if (!yaml_parser_initialize(&parser))
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
	while (rc == 0 && !end && yaml_parser_parse(&parser, &event)) {
		rc = cgr_yaml_check_event(path, &event, &depth, &documents, reterr);
		end = event.type == YAML_STREAM_END_EVENT;
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	return rc;
}

/* Plain keys by text, equal ones by place. */
static inline int cgr_yaml_compare_keys(const void *a, const void *b)
{
	const yaml_node_t *x = *(const yaml_node_t *const *)a, *y = *(const yaml_node_t *const *)b;
	size_t common = x->data.scalar.length < y->data.scalar.length ? x->data.scalar.length : y->data.scalar.length;
	int order = memcmp(x->data.scalar.value, y->data.scalar.value, common);

	if (order == 0 && x->data.scalar.length != y->data.scalar.length)
		order = x->data.scalar.length < y->data.scalar.length ? -1 : 1;
	return order ? order : x->start_mark.index < y->start_mark.index ? -1 : x->start_mark.index > y->start_mark.index;
}

static inline int cgr_yaml_check_mapping(const char *path, yaml_document_t *document, const yaml_node_t *node,
                                         const yaml_node_t **key, struct cgr_error *reterr)
{
	size_t count = 0;

	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start; p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *k = yaml_document_get_node(document, p->key);

		if (k && k->type == YAML_SCALAR_NODE)
			key[count++] = k;
	}
	if (count > 1)
		qsort(key, count, sizeof *key, cgr_yaml_compare_keys);
	for (size_t i = 1; i < count; i++)
		if (key[i]->data.scalar.length == key[i - 1]->data.scalar.length &&
		    !memcmp(key[i]->data.scalar.value, key[i - 1]->data.scalar.value, key[i]->data.scalar.length))
			return cgr_error_set(reterr, CGR_E_SCENARIO,
			                     "%s:%zu:%zu: '%.200s' stands here already, in line %zu: which one "
			                     "is meant?",
			                     path, key[i]->start_mark.line + 1, key[i]->start_mark.column + 1,
			                     (const char *)key[i]->data.scalar.value, key[i - 1]->start_mark.line + 1);
	return 0;
}

/* YAML forbids a key twice in one mapping and libyaml lets it pass; one of the two would be lost without a word. */
static inline int cgr_yaml_check_keys(const char *path, yaml_document_t *document, struct cgr_error *reterr)
{
	int rc = 0;

	for (yaml_node_t *node = document->nodes.start; node < document->nodes.top && rc == 0; node++) {
		const yaml_node_t **key;
		size_t pairs;

		if (node->type != YAML_MAPPING_NODE)
			continue;
		pairs = (size_t)(node->data.mapping.pairs.top - node->data.mapping.pairs.start);
		key = malloc((pairs + 1) * sizeof *key);
		rc = key ? cgr_yaml_check_mapping(path, document, node, key, reterr)
		         : cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
		free(key);
	}
	return rc;
}

#endif
