/* A recording in numbered segments (docs/trace-file.md): found, checked to belong together, and opened as one. */
#ifndef CGR_PARSER_SEGMENTS_H
#define CGR_PARSER_SEGMENTS_H

#include "parser/trace.h"

struct cgr_paths {
	char **path;
	size_t count, capacity;
	size_t others; /* segments beside them that belong to other recordings */
};

/* The segments PATH.0001, PATH.0002, ... (and a trailing one that still is .partial) of the recording with the highest
 * number, in order; an empty list when there are none. CGR_E_INPUT when one of them can not be read. */
int cgr_segments_find(const char *path, struct cgr_paths *paths, struct cgr_error *reterr);
void cgr_paths_fini(struct cgr_paths *paths);

/* Opens files (count >= 1, any order) as one trace: *ret_trace is the first segment, trace->later the next. CGR_E_INPUT
 * when they do not belong together. One file is opened as it is, a segment or not. */
int cgr_segments_open(const char *const *path, size_t count, struct cgr_trace **ret_trace, struct cgr_error *reterr);

#endif
