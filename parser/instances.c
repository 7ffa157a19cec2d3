#include "parser/instances.h"

#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "parser/record.h"

#define IDS 65536u
#define BUFFERS_MAX 64u

static int count_ids(const struct cgr_trace *trace, uint32_t buffer, uint64_t *count, struct cgr_error *reterr)
{
	struct cgr_source *source;
	struct cgr_record record;
	int rc;

	CGR_TRY(cgr_source_ring_new(trace, 1ull << buffer, &source, reterr));
	while ((rc = source->next(source, &record, reterr)) == 1) {
		uint16_t id;
		if (record.type != CGR_RECORD_EVENT || record.length < sizeof(id))
			continue;
		memcpy(&id, record.payload, sizeof(id));
		count[trace->swap ? __builtin_bswap16(id) : id]++;
	}
	source->free(source);
	return rc;
}

int cgr_instances_choose(const struct cgr_trace *trace, uint8_t **ret_owner, struct cgr_error *reterr)
{
	int rc = CGR_OK;

	*ret_owner = NULL;
	if (trace->buffers < 2)
		return CGR_OK;
	if (trace->buffers > BUFFERS_MAX)
		return cgr_error_set(reterr, CGR_E_LIMIT, "%s: %zu instances, more than %u", trace->input.path, trace->buffers,
		                     BUFFERS_MAX);
	uint64_t *count = cgr_calloc(IDS, sizeof(*count)), *best = cgr_calloc(IDS, sizeof(*best));
	*ret_owner = cgr_calloc(IDS, 1);
	if (count == NULL || best == NULL || *ret_owner == NULL)
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	for (uint32_t b = 0; rc == CGR_OK && b < trace->buffers; b++) {
		memset(count, 0, IDS * sizeof(*count));
		rc = count_ids(trace, b, count, reterr);
		/* The instance with the most of a type has it least filtered; among equals the first. */
		for (uint32_t id = 0; id < IDS; id++)
			if (count[id] > best[id]) {
				best[id] = count[id];
				(*ret_owner)[id] = (uint8_t)b;
			}
	}
	free(count);
	free(best);
	return rc;
}
