#include "parser/pages.h"

#include <stdlib.h>

#include "common/limits.h"
#include "common/tracedat.h"
#include "common/util.h"

#define FORGET_BYTES (4u << 20)

int cgr_pages_init(struct cgr_pages *pages, const struct cgr_trace *trace, const struct cgr_trace_buffer *buffer,
                   const struct cgr_trace_cpu *cpu, struct cgr_error *reterr)
{
	*pages = (struct cgr_pages){
		.trace = trace, .buffer = buffer, .cpu = cpu, .next = cpu->offset, .forgotten = cpu->offset
	};
	pages->end = cpu->offset + cpu->size;
	if (cpu->chunk != NULL) {
		pages->chunks_left = (uint32_t)cpu->chunks;
	} else if (buffer->compression != CGR_PLAIN && cpu->size > 0) {
		struct cgr_cursor cursor;

		/* Older writers tell a size without the chunk count: the chunk headers are what counts. */
		cgr_cursor_init(&cursor, &trace->input, cpu->offset, UINT64_MAX, trace->swap);
		pages->chunks_left = cgr_cursor_u32(&cursor);
		CGR_TRY(cgr_cursor_check(&cursor, "the data of a CPU", reterr));
		pages->next += 4;
	}
	return CGR_OK;
}

void cgr_pages_fini(struct cgr_pages *pages)
{
	cgr_unpacker_fini(&pages->unpacker);
	free(pages->room);
	pages->room = NULL;
}

static int chunk_place(struct cgr_pages *pages, struct cgr_chunk *ret_chunk, struct cgr_error *reterr)
{
	struct cgr_cursor cursor;

	if (pages->cpu->chunk != NULL) {
		*ret_chunk = pages->cpu->chunk[pages->chunk_index++];
		return CGR_OK;
	}
	cgr_cursor_init(&cursor, &pages->trace->input, pages->next, UINT64_MAX, pages->trace->swap);
	ret_chunk->packed = cgr_cursor_u32(&cursor);
	ret_chunk->plain = cgr_cursor_u32(&cursor);
	ret_chunk->offset = pages->next + CGR_TD_CHUNK_HEADER_BYTES;
	CGR_TRY(cgr_cursor_check(&cursor, "a chunk header", reterr));
	if (ret_chunk->packed > cgr_cursor_left(&cursor))
		return cgr_cursor_error(&cursor, reterr,
		                        "compressed chunk of %u bytes goes past the end of the file: truncated",
		                        ret_chunk->packed);
	if (ret_chunk->plain > CGR_LIMIT_CHUNK_BYTES)
		return cgr_cursor_error(&cursor, reterr, "chunk says it unpacks to %u bytes, more than %u", ret_chunk->plain,
		                        CGR_LIMIT_CHUNK_BYTES);
	if (ret_chunk->plain % pages->buffer->page_bytes != 0)
		return cgr_cursor_error(&cursor, reterr, "chunk of %u bytes is not a whole number of sub-buffers of %u bytes",
		                        ret_chunk->plain, pages->buffer->page_bytes);
	pages->next = ret_chunk->offset + ret_chunk->packed;
	return CGR_OK;
}

static int next_chunk(struct cgr_pages *pages, struct cgr_error *reterr)
{
	struct cgr_chunk chunk;

	CGR_TRY(chunk_place(pages, &chunk, reterr));
	pages->chunks_left--;
	if (chunk.plain > pages->room_bytes) {
		free(pages->room);
		pages->room_bytes = 0;
		pages->room = malloc(chunk.plain);
		if (pages->room == NULL)
			return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory for a chunk of %u bytes", chunk.plain);
		pages->room_bytes = chunk.plain;
	}
	pages->chunk_offset = chunk.offset;
	pages->data = pages->room;
	pages->length = chunk.plain;
	pages->position = 0;
	if (chunk.plain == 0)
		return CGR_OK;
	CGR_TRY(cgr_unpack(&pages->unpacker, pages->buffer->compression, &pages->trace->input, chunk.offset,
	                   pages->trace->input.data + chunk.offset, chunk.packed, pages->room, chunk.plain, reterr));
	if (chunk.offset > pages->forgotten + FORGET_BYTES) {
		cgr_input_forget(&pages->trace->input, pages->forgotten, chunk.offset);
		pages->forgotten = chunk.offset;
	}
	return CGR_OK;
}

static int next_plain(struct cgr_pages *pages, const uint8_t **ret_page, struct cgr_error *reterr)
{
	uint32_t page_bytes = pages->buffer->page_bytes;

	if (pages->next == pages->end)
		return 0;
	if (pages->end - pages->next < page_bytes)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s:%llu: %llu bytes left of CPU %u, less than a sub-buffer of %u bytes: truncated",
		                     pages->trace->input.path, (unsigned long long)pages->next,
		                     (unsigned long long)(pages->end - pages->next), pages->cpu->cpu, page_bytes);
	if (pages->next > pages->forgotten + FORGET_BYTES) {
		cgr_input_forget(&pages->trace->input, pages->forgotten, pages->next);
		pages->forgotten = pages->next;
	}
	*ret_page = pages->data = pages->trace->input.data + pages->next;
	pages->chunk_offset = pages->next;
	pages->next += page_bytes;
	return 1;
}

int cgr_pages_next(struct cgr_pages *pages, const uint8_t **ret_page, struct cgr_error *reterr)
{
	if (pages->buffer->compression == CGR_PLAIN && pages->cpu->chunk == NULL)
		return next_plain(pages, ret_page, reterr);
	while (pages->position == pages->length) {
		if (pages->chunks_left == 0)
			return 0;
		CGR_TRY(next_chunk(pages, reterr));
	}
	*ret_page = pages->data + pages->position;
	pages->position += pages->buffer->page_bytes;
	return 1;
}

static bool in_file(const struct cgr_pages *pages, const uint8_t *at)
{
	const struct cgr_input *input = &pages->trace->input;

	return pages->buffer->compression == CGR_PLAIN && pages->cpu->chunk == NULL && at >= input->data &&
	       at <= input->data + input->size;
}

uint64_t cgr_pages_offset(const struct cgr_pages *pages, const uint8_t *at)
{
	return in_file(pages, at) ? (uint64_t)(at - pages->trace->input.data) : pages->chunk_offset;
}

int cgr_pages_error(const struct cgr_pages *pages, const uint8_t *at, struct cgr_error *reterr, const char *what)
{
	if (in_file(pages, at))
		return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: CPU %u: %s", pages->trace->input.path,
		                     (unsigned long long)cgr_pages_offset(pages, at), pages->cpu->cpu, what);
	return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: byte %zu of the unpacked chunk, CPU %u: %s",
	                     pages->trace->input.path, (unsigned long long)pages->chunk_offset, (size_t)(at - pages->data),
	                     pages->cpu->cpu, what);
}
