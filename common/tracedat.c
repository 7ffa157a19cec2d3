#include "common/tracedat.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "common/util.h"

/* Level 3 for the few metadata sections: they are small and written once. */
#define SECTION_ZSTD_LEVEL 3

uint32_t cgr_td_checksum(const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint64_t hash = 14695981039346656037ull;

	for (; bytes >= 8; at += 8, bytes -= 8)
		hash = (hash ^ cgr_td_get_u64(at)) * 1099511628211ull;
	for (; bytes > 0; at++, bytes--)
		hash = (hash ^ *at) * 1099511628211ull;
	return (uint32_t)(hash ^ (hash >> 32));
}

uint16_t cgr_td_get_u16(const void *at)
{
	const uint8_t *b = at;

	return (uint16_t)(b[0] | (uint16_t)(b[1] << 8));
}

uint32_t cgr_td_get_u32(const void *at)
{
	const uint8_t *b = at;

	return (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

uint64_t cgr_td_get_u64(const void *at)
{
	const uint8_t *b = at;

	return (uint64_t)cgr_td_get_u32(b) | (uint64_t)cgr_td_get_u32(b + 4) << 32;
}

void cgr_td_put_u16(void *at, uint16_t value)
{
	uint8_t *b = at;

	b[0] = (uint8_t)value;
	b[1] = (uint8_t)(value >> 8);
}

void cgr_td_put_u32(void *at, uint32_t value)
{
	uint8_t *b = at;

	for (unsigned i = 0; i < 4; i++)
		b[i] = (uint8_t)(value >> (8 * i));
}

void cgr_td_put_u64(void *at, uint64_t value)
{
	uint8_t *b = at;

	for (unsigned i = 0; i < 8; i++)
		b[i] = (uint8_t)(value >> (8 * i));
}

void cgr_td_append(struct cgr_td_bytes *bytes, const void *data, size_t length)
{
	if (bytes->failed || length == 0)
		return;
	if (length > SIZE_MAX / 2 - bytes->length) {
		bytes->failed = true;
		return;
	}
	if (bytes->length + length > bytes->capacity) {
		size_t capacity = CGR_MAX(bytes->capacity * 2, bytes->length + length);
		uint8_t *grown = realloc(bytes->data, capacity);
		if (grown == NULL) {
			bytes->failed = true;
			return;
		}
		bytes->data = grown;
		bytes->capacity = capacity;
	}
	memcpy(bytes->data + bytes->length, data, length);
	bytes->length += length;
}

void cgr_td_append_u16(struct cgr_td_bytes *bytes, uint16_t value)
{
	uint8_t raw[2];

	cgr_td_put_u16(raw, value);
	cgr_td_append(bytes, raw, sizeof(raw));
}

void cgr_td_append_u32(struct cgr_td_bytes *bytes, uint32_t value)
{
	uint8_t raw[4];

	cgr_td_put_u32(raw, value);
	cgr_td_append(bytes, raw, sizeof(raw));
}

void cgr_td_append_u64(struct cgr_td_bytes *bytes, uint64_t value)
{
	uint8_t raw[8];

	cgr_td_put_u64(raw, value);
	cgr_td_append(bytes, raw, sizeof(raw));
}

void cgr_td_append_text(struct cgr_td_bytes *bytes, const char *text)
{
	cgr_td_append(bytes, text, strlen(text) + 1);
}

void cgr_td_append_option(struct cgr_td_bytes *bytes, uint16_t id, const void *data, uint32_t length)
{
	cgr_td_append_u16(bytes, id);
	cgr_td_append_u32(bytes, length);
	cgr_td_append(bytes, data, length);
}

void cgr_td_fini(struct cgr_td_bytes *bytes)
{
	free(bytes->data);
	*bytes = (struct cgr_td_bytes){ 0 };
}

void cgr_td_writer_init(struct cgr_td_writer *writer, int fd, const char *path)
{
	*writer = (struct cgr_td_writer){ .fd = fd, .path = path };
}

void cgr_td_writer_fini(struct cgr_td_writer *writer)
{
	cgr_td_fini(&writer->options);
}

int cgr_td_write_raw(struct cgr_td_writer *writer, const void *data, size_t length, struct cgr_error *reterr)
{
	CGR_TRY(cgr_write_all(writer->fd, data, length, writer->path, reterr));
	writer->position += length;
	return 0;
}

int cgr_td_write_head(struct cgr_td_writer *writer, uint32_t page_bytes, struct cgr_error *reterr)
{
	struct cgr_td_bytes head = { 0 };
	const uint8_t endian_long[2] = { CGR_TD_LITTLE_ENDIAN, 8 };

	cgr_td_append(&head, CGR_TD_MAGIC, CGR_TD_MAGIC_BYTES);
	cgr_td_append_text(&head, CGR_TD_VERSION_7);
	cgr_td_append(&head, endian_long, sizeof(endian_long));
	cgr_td_append_u32(&head, page_bytes);
	cgr_td_append_text(&head, "zstd");
	cgr_td_append_text(&head, ZSTD_versionString());
	writer->patch = writer->position + head.length;
	cgr_td_append_u64(&head, 0);
	int rc = head.failed ? cgr_error_set(reterr, CGR_E_NOMEM, "%s: no memory for the file head", writer->path)
	                     : cgr_td_write_raw(writer, head.data, head.length, reterr);
	cgr_td_fini(&head);
	return rc;
}

/* u32 csize, u32 usize, frame. The frame carries no size of its own, as trace-cmd writes it. */
static int compress_body(struct cgr_td_bytes *to, const void *body, size_t length, const char *path,
                         struct cgr_error *reterr)
{
	size_t bound = ZSTD_compressBound(length);
	uint8_t *packed = length <= UINT32_MAX / 2 ? malloc(bound) : NULL;

	if (packed == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: no memory to compress a section of %zu bytes", path, length);
	size_t got = ZSTD_compress(packed, bound, body, length, SECTION_ZSTD_LEVEL);
	if (ZSTD_isError(got)) {
		free(packed);
		return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: zstd: %s", path, ZSTD_getErrorName(got));
	}
	cgr_td_append_u32(to, (uint32_t)got);
	cgr_td_append_u32(to, (uint32_t)length);
	cgr_td_append(to, packed, got);
	free(packed);
	return 0;
}

int cgr_td_write_section(struct cgr_td_writer *writer, uint16_t id, const void *body, size_t length, bool compress,
                         bool option, struct cgr_error *reterr)
{
	struct cgr_td_bytes packed = { 0 };
	uint8_t header[CGR_TD_SECTION_HEADER_BYTES];
	uint8_t offset[8];

	if (compress)
		CGR_TRY(compress_body(&packed, body, length, writer->path, reterr));
	if (packed.failed) {
		cgr_td_fini(&packed);
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: no memory for a section", writer->path);
	}
	cgr_td_put_u16(header, id);
	cgr_td_put_u16(header + 2, compress ? CGR_TD_SECTION_COMPRESSED : 0);
	cgr_td_put_u32(header + 4, UINT32_MAX);
	cgr_td_put_u64(header + 8, compress ? packed.length : length);
	cgr_td_put_u64(offset, writer->position);
	if (option)
		cgr_td_append_option(&writer->options, id, offset, sizeof(offset));
	int rc = cgr_td_write_raw(writer, header, sizeof(header), reterr);
	if (rc == 0)
		rc = cgr_td_write_raw(writer, compress ? packed.data : body, compress ? packed.length : length, reterr);
	cgr_td_fini(&packed);
	return rc;
}

int cgr_td_write_options(struct cgr_td_writer *writer, struct cgr_error *reterr)
{
	uint64_t at = writer->position;
	uint8_t raw[8] = { 0 };

	cgr_td_append_option(&writer->options, CGR_TD_DONE, raw, sizeof(raw));
	if (writer->options.failed)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: no memory for the options", writer->path);
	CGR_TRY(
	    cgr_td_write_section(writer, CGR_TD_DONE, writer->options.data, writer->options.length, false, false, reterr));
	cgr_td_put_u64(raw, at);
	if (pwrite(writer->fd, raw, sizeof(raw), (off_t)writer->patch) != (ssize_t)sizeof(raw))
		return cgr_error_errno(reterr, CGR_E_IO, "%s:%llu: cannot complete the file head", writer->path,
		                       (unsigned long long)writer->patch);
	return 0;
}
