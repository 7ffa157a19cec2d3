/* Ring-buffer pages of one CPU of one buffer, in file order, unpacked chunk by chunk: memory for one chunk. */
#ifndef CGR_PARSER_PAGES_H
#define CGR_PARSER_PAGES_H

#include "parser/trace.h"
#include "parser/unpack.h"

struct cgr_pages {
	const struct cgr_trace *trace;
	const struct cgr_trace_buffer *buffer;
	const struct cgr_trace_cpu *cpu;
	uint64_t next; /* file offset of the next chunk header or plain page */
	uint64_t end;
	uint32_t chunks_left, chunk_index;
	uint64_t chunk_offset; /* of the current chunk, for messages */
	const uint8_t *data; /* current chunk, plain */
	size_t length, position;
	uint8_t *room;
	size_t room_bytes;
	uint64_t forgotten; /* file offset up to which pages were given back */
	struct cgr_unpacker unpacker;
};

int cgr_pages_init(struct cgr_pages *pages, const struct cgr_trace *trace, const struct cgr_trace_buffer *buffer,
                   const struct cgr_trace_cpu *cpu, struct cgr_error *reterr);
void cgr_pages_fini(struct cgr_pages *pages);
/* 1: *ret_page holds buffer->page_bytes bytes, valid until the next call; 0: end; negative: CGR_E_INPUT. */
int cgr_pages_next(struct cgr_pages *pages, const uint8_t **ret_page, struct cgr_error *reterr);
/* Where `at`, inside the page handed out last, stands in the file; of a packed page its chunk. */
uint64_t cgr_pages_offset(const struct cgr_pages *pages, const uint8_t *at);
/* CGR_E_INPUT "path:offset: WHAT" for the page handed out last, at is inside it. */
int cgr_pages_error(const struct cgr_pages *pages, const uint8_t *at, struct cgr_error *reterr, const char *what);

#endif
