/* Import: a trace file of any known format becomes an event store. */
#ifndef CGR_PARSER_IMPORT_H
#define CGR_PARSER_IMPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/progress.h"

struct cgr_import_options {
	bool lean; /* no rows of high-volume events */
	bool no_fields; /* of events of kind `other`; lean leaves them out too */
	int64_t from_ns, to_ns; /* slice in time since the start of the trace; to_ns < 0: to the end */
	const char *const *cgroup; /* page-level memory events of these subtrees only; NULL: all */
	size_t cgroups;
	int64_t max_lost; /* more lost events than this: CGR_E_LOSSY; < 0: any number */
	struct cgr_progress *progress; /* or NULL */
};

struct cgr_import_summary {
	uint64_t records, events, lost_events, lost_spans;
	uint64_t inferred; /* events mended into the switch chain */
	uint64_t cgroups, tasks;
	int64_t duration_ns;
	bool unfinished; /* the recorder was killed */
	uint32_t segments, segments_missing, segments_removed; /* 0: not a recording in segments; see docs/trace-file.md */
	bool snapshots; /* made by our recorder */
};

/* Writes the store beside its place and renames it: a failed or killed import leaves the old file or none. Several
 * paths are the segments of one recording, in any order; one path that does not exist stands for the segments of that
 * name (PATH.0001 ...). */
int cgr_import(const char *const *trace_path, size_t paths, const char *store_path,
               const struct cgr_import_options *options, struct cgr_import_summary *ret_summary,
               struct cgr_error *reterr);

struct cgr_trace;
/* The same for a trace opened already, which stays the caller's. */
int cgr_import_trace(struct cgr_trace *trace, const char *store_path, const struct cgr_import_options *options,
                     struct cgr_import_summary *ret_summary, struct cgr_error *reterr);

#endif
