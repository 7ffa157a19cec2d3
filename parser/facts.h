/* The JSON sections of our own recorder (docs/trace-file.md): facts before the first event, snapshots and samples as
 * knobs and counters at their time, tasks and membership at the start, what only the end tells. */
#ifndef CGR_PARSER_FACTS_H
#define CGR_PARSER_FACTS_H

#include <jansson.h>

#include "parser/norm.h"

struct cgr_facts {
	struct cgr_store_info info;
	char *kernel, *tool; /* owned strings of info */
	uint64_t start_mono_ns; /* 0 unknown */
	uint64_t stop_mono_ns;
	int64_t boot_offset_ns;
	bool present;
	/* samples, one section at a time, over all segments */
	const struct cgr_trace *sample_trace;
	size_t next_section;
	json_t *section;
	size_t next_sample;
	uint64_t next_time; /* absolute; UINT64_MAX: no more */
	/* last text of every (cgroup, knob) */
	struct cgr_intern knob;
	uint64_t *knob_hash;
	size_t knob_capacity;
	char **scope; /* page_scope paths */
	size_t scopes;
	char **within; /* paths of norm->scope */
};

/* Before any record: facts, enum tables, timers, hierarchies, start snapshot. Sets norm->start when the facts know. */
int cgr_facts_begin(struct cgr_facts *facts, struct cgr_norm *norm, struct cgr_error *reterr);
/* Everything sampled up to a moment of the trace clock; called when next_time is reached. */
int cgr_facts_advance(struct cgr_facts *facts, struct cgr_norm *norm, uint64_t time, struct cgr_error *reterr);
/* After the last record: remaining samples, end snapshot, summary, info and meta rows. */
int cgr_facts_finish(struct cgr_facts *facts, struct cgr_norm *norm, struct cgr_error *reterr);
void cgr_facts_fini(struct cgr_facts *facts);

/* snapshot.c: one object {"cgroups": [...], ...}. source: "start", "sample", "end". */
int cgr_snapshot_cgroups(struct cgr_facts *facts, struct cgr_norm *norm, const json_t *object, const char *source,
                         struct cgr_error *reterr);
int cgr_snapshot_tasks(struct cgr_facts *facts, struct cgr_norm *norm, const json_t *object, bool start,
                       struct cgr_error *reterr);

/* within.c: what --cgroup names, as paths; the start snapshot knows names. */
int cgr_facts_within(struct cgr_facts *facts, struct cgr_norm *norm);

/* Members of JSON objects, with what to take when absent or of another type. */
static inline int64_t cgr_json_int(const json_t *object, const char *key, int64_t fallback)
{
	const json_t *value = json_object_get(object, key);

	return json_is_integer(value) ? (int64_t)json_integer_value(value) : fallback;
}
static inline const char *cgr_json_text(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key)); /* NULL when absent */
}

#endif
