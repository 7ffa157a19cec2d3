/* What fuzz_tracedat and fuzz_perf share: import from memory into the null writer. */
#ifndef CGR_TESTS_FUZZ_IMPORT_H
#define CGR_TESTS_FUZZ_IMPORT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "parser/import.h"
#include "parser/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int import_input(const uint8_t *data, size_t size)
{
	struct cgr_import_options options = { .to_ns = -1, .max_lost = -1 };
	struct cgr_import_summary summary;
	struct cgr_trace *trace = NULL;
	struct cgr_error err = { 0 };

	if (cgr_trace_open_memory("fuzz", data, size, &trace, &err) == 0)
		(void)cgr_import_trace(trace, "unused", &options, &summary, &err);
	/* Every refusal has a code with an exit status and says something. */
	if (err.code != 0 && (err.count == 0 || err.cause[0][0] == '\0'))
		abort();
	cgr_trace_free(trace);
	return 0;
}

#endif
