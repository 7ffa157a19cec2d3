/* What a YAML file from anywhere must keep before libyaml builds a document of it. Header only: the folders that read
 * YAML link libyaml, common does not. */
#ifndef CGR_COMMON_YAMLCHECK_H
#define CGR_COMMON_YAMLCHECK_H

#include <stdbool.h>
#include <stddef.h>
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

#endif
