/* The JSON sections of our own recorder (docs/trace-file.md): facts before the first event, snapshots and samples as
 * knobs and counters, tasks and membership at the start, what only the end tells. */
#ifndef CGR_PARSER_FACTS_H
#define CGR_PARSER_FACTS_H

#include "parser/norm.h"

struct cgr_facts {
	struct cgr_store_info info;
	char *text[8]; /* owned strings of info */
	size_t texts;
	uint64_t start_mono_ns;  /* 0 unknown */
	uint64_t stop_mono_ns;   /* 0 unknown */
	int64_t boot_offset_ns;
	bool present;
};

/* Before any record: facts, enum tables, timers, hierarchies, start snapshot. Sets norm->start when the facts know. */
int cgr_facts_begin(struct cgr_facts *facts, struct cgr_norm *norm, struct cgr_error *reterr);
/* After the last record: samples, end snapshot, summary, info and meta rows. */
int cgr_facts_finish(struct cgr_facts *facts, struct cgr_norm *norm, struct cgr_error *reterr);
void cgr_facts_fini(struct cgr_facts *facts);

#endif
