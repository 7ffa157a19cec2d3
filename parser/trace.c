#include "parser/trace.h"

#include <event-parse.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/tracedat.h"
#include "common/util.h"
#include "parser/perfdata.h"

static int read_by_magic(struct cgr_trace *trace, struct cgr_error *reterr)
{
	const struct cgr_input *input = &trace->input;

	if (input->size >= CGR_TD_MAGIC_BYTES && memcmp(input->data, CGR_TD_MAGIC, CGR_TD_MAGIC_BYTES) == 0)
		return cgr_tracedat_read(trace, reterr);
	if (cgr_perfdata_probe(input))
		return cgr_perfdata_read(trace, reterr);
	if (input->size >= 15 && memcmp(input->data, "SQLite format 3", 15) == 0)
		return cgr_error_set(
		    reterr, CGR_E_INPUT,
		    "%s:0: this is an SQLite file, perhaps a store that import has made already: use it as it is", input->path);
	if (input->size < CGR_TD_MAGIC_BYTES && memcmp(input->data, CGR_TD_MAGIC, input->size) == 0)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s:%zu: the file ends inside the head: truncated", input->path,
		                     input->size);
	return cgr_error_set(
	    reterr, CGR_E_INPUT,
	    "%s:0: neither a trace.dat nor a perf.data file (unknown magic): record one with cgreplay record", input->path);
}

static int open_input(struct cgr_trace *trace, struct cgr_trace **ret_trace, struct cgr_error *reterr)
{
	trace->tep = tep_alloc();
	if (trace->tep == NULL) {
		cgr_trace_free(trace);
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	}
	tep_set_loglevel(TEP_LOG_NONE);
	int rc = read_by_magic(trace, reterr);
	if (trace->input.shrunk) {
		if (reterr != NULL)
			*reterr = (struct cgr_error){ 0 };
		rc = cgr_input_check(&trace->input, reterr);
	}
	if (rc < 0) {
		cgr_trace_free(trace);
		return rc;
	}
	*ret_trace = trace;
	return CGR_OK;
}

int cgr_trace_open(const char *path, struct cgr_trace **ret_trace, struct cgr_error *reterr)
{
	struct cgr_trace *trace = calloc(1, sizeof(*trace));

	if (trace == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	int rc = cgr_input_open(&trace->input, path, reterr);
	if (rc < 0) {
		free(trace);
		return rc;
	}
	return open_input(trace, ret_trace, reterr);
}

int cgr_trace_open_memory(const char *path, const void *data, size_t size, struct cgr_trace **ret_trace,
                          struct cgr_error *reterr)
{
	struct cgr_trace *trace = calloc(1, sizeof(*trace));

	if (trace == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	int rc = cgr_input_memory(&trace->input, path, data, size, reterr);
	if (rc < 0) {
		free(trace);
		return rc;
	}
	return open_input(trace, ret_trace, reterr);
}

static int clock_error(const struct cgr_trace *at, uint64_t offset, struct cgr_error *reterr)
{
	return cgr_error_cause(reterr, "%s:%" PRIu64 ": a CLOCK section", at->input.path, offset);
}

int cgr_trace_load_clock(struct cgr_trace *trace, struct cgr_error *reterr)
{
	const struct cgr_trace *last = trace;
	uint64_t offset = 0;

	cgr_clock_map_fini(&trace->clock_map);
	for (const struct cgr_trace *at = trace; at != NULL; at = at->later) {
		for (size_t i = 0; i < at->clock_sections; i++) {
			struct cgr_text pairs = { 0 };

			int rc = cgr_tracedat_section_text(at, at->clock_section[i], CGR_TD_CLOCK, &pairs,
			                                   at->unfinished ? NULL : reterr);
			if (rc < 0 && at->unfinished)
				continue; /* torn when the machine died: the line of the others goes on */
			CGR_TRY(rc);
			last = at;
			offset = at->clock_section[i];
			rc = cgr_clock_map_add(&trace->clock_map, pairs.text, pairs.length, reterr);
			free(pairs.text);
			if (rc < 0)
				return clock_error(at, offset, reterr);
		}
	}
	int rc = cgr_clock_map_settle(&trace->clock_map, reterr);
	return rc < 0 ? clock_error(last, offset, reterr) : CGR_OK;
}

static void free_buffers(struct cgr_trace *trace)
{
	for (size_t i = 0; i < trace->buffers; i++) {
		struct cgr_trace_buffer *buffer = &trace->buffer[i];

		for (size_t c = 0; c < buffer->cpus; c++)
			free(buffer->cpu[c].chunk);
		free(buffer->cpu);
		free(buffer->name);
		free(buffer->clock);
	}
	free(trace->buffer);
}

struct cgr_trace *cgr_trace_free(struct cgr_trace *trace)
{
	if (trace == NULL)
		return NULL;
	trace->later = cgr_trace_free(trace->later);
	free_buffers(trace);
	for (size_t i = 0; i < trace->cpustats; i++)
		free(trace->cpustat[i].text);
	free(trace->cpustat);
	free(trace->snapshot);
	free(trace->sample);
	free(trace->clock_section);
	free(trace->clock);
	free(trace->uname);
	free(trace->cmdlines);
	free(trace->kallsyms);
	cgr_time_shift_fini(&trace->shift);
	cgr_clock_map_fini(&trace->clock_map);
	cgr_guests_fini(&trace->guests);
	trace->perf = cgr_perfdata_free(trace->perf);
	tep_free(trace->tep);
	cgr_input_close(&trace->input);
	free(trace);
	return NULL;
}
