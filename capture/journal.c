#include "capture/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "capture/partial.h"
#include "common/limits.h"
#include "common/util.h"

#define COPY_BYTES (1u << 20)

int cgr_journal_open(struct cgr_journal *journal, const char *output, uint32_t page_bytes, FILE *notes,
                     struct cgr_error *reterr)
{
	*journal = (struct cgr_journal){ .fd = -1, .path = cgr_printf("%s.partial", output) };
	if (journal->path == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory");
	(void)pthread_mutex_init(&journal->lock, NULL);
	CGR_TRY(cgr_partial_open(journal->path, notes, &journal->fd, reterr));
	cgr_td_writer_init(&journal->writer, journal->fd, journal->path);
	return cgr_td_write_head(&journal->writer, page_bytes, reterr);
}

/* After a failed write (disk full) the file is cut back to its last whole section, so that it stays readable. */
static int keep_whole(struct cgr_journal *journal, uint64_t before, int rc)
{
	if (rc < 0 && ftruncate(journal->fd, (off_t)before) == 0) {
		(void)lseek(journal->fd, (off_t)before, SEEK_SET);
		journal->writer.position = before;
	}
	return rc;
}

int cgr_journal_section(struct cgr_journal *journal, uint16_t id, const void *body, size_t length,
                        struct cgr_error *reterr)
{
	(void)pthread_mutex_lock(&journal->lock);
	uint64_t before = journal->writer.position;
	int rc = cgr_td_write_section(&journal->writer, id, body, length, true, false, reterr);
	rc = keep_whole(journal, before, rc);
	(void)pthread_mutex_unlock(&journal->lock);
	return rc;
}

int cgr_journal_json(struct cgr_journal *journal, uint16_t id, json_t *json, struct cgr_error *reterr)
{
	char *text = json == NULL ? NULL : json_dumps(json, JSON_COMPACT);

	json_decref(json);
	if (text == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: no memory for section 0x%x", journal->path, id);
	int rc = cgr_journal_section(journal, id, text, strlen(text), reterr);
	free(text);
	return rc;
}

int cgr_journal_chunk(struct cgr_journal *journal, uint32_t cpu, const void *frame, uint32_t compressed_bytes,
                      uint32_t plain_bytes, struct cgr_error *reterr)
{
	uint8_t head[CGR_TD_SECTION_HEADER_BYTES + CGR_TD_JOURNAL_BYTES];

	cgr_td_put_u16(head, CGR_TD_JOURNAL);
	cgr_td_put_u16(head + 2, 0);
	cgr_td_put_u32(head + 4, UINT32_MAX);
	cgr_td_put_u64(head + 8, CGR_TD_JOURNAL_BYTES + (uint64_t)compressed_bytes);
	cgr_td_put_u32(head + 16, cpu);
	cgr_td_put_u32(head + 20, cgr_td_checksum(frame, compressed_bytes));
	cgr_td_put_u32(head + 24, compressed_bytes);
	cgr_td_put_u32(head + 28, plain_bytes);
	(void)pthread_mutex_lock(&journal->lock);
	uint64_t before = journal->writer.position;
	int rc = cgr_td_write_raw(&journal->writer, head, sizeof(head), reterr);
	if (rc == 0)
		rc = cgr_td_write_raw(&journal->writer, frame, compressed_bytes, reterr);
	rc = keep_whole(journal, before, rc);
	journal->chunk_bytes += journal->writer.position - before;
	(void)pthread_mutex_unlock(&journal->lock);
	return rc;
}

uint64_t cgr_journal_bytes(struct cgr_journal *journal)
{
	(void)pthread_mutex_lock(&journal->lock);
	uint64_t bytes = journal->writer.position;
	(void)pthread_mutex_unlock(&journal->lock);
	return bytes;
}

uint64_t cgr_journal_described(struct cgr_journal *journal)
{
	(void)pthread_mutex_lock(&journal->lock);
	uint64_t bytes = journal->writer.position - journal->chunk_bytes;
	(void)pthread_mutex_unlock(&journal->lock);
	return bytes;
}

void cgr_journal_close(struct cgr_journal *journal, int remove_file)
{
	if (journal->path == NULL)
		return;
	if (remove_file && journal->fd >= 0)
		(void)unlink(journal->path);
	if (journal->fd >= 0)
		(void)close(journal->fd);
	cgr_td_writer_fini(&journal->writer);
	(void)pthread_mutex_destroy(&journal->lock);
	free(journal->path);
	*journal = (struct cgr_journal){ .fd = -1 };
}

/* ---- the final file ---- */

struct chunk {
	uint64_t offset; /* of the frame in the journal */
	uint32_t compressed_bytes, plain_bytes;
};

struct cpu_chunks {
	struct chunk *chunk;
	size_t count, capacity;
	uint64_t begin, bytes; /* in the final file */
};

struct assembly {
	int from;
	const char *from_path;
	uint64_t from_bytes;
	struct cgr_td_writer writer;
	struct cpu_chunks *cpu;
	size_t cpu_count, cpu_capacity;
	uint8_t *buffer;
};

static int read_at(const struct assembly *a, void *to, size_t length, uint64_t offset, struct cgr_error *reterr)
{
	for (size_t done = 0; done < length;) {
		ssize_t got = pread(a->from, (uint8_t *)to + done, length - done, (off_t)(offset + done));
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return cgr_error_errno(reterr, CGR_E_IO, "%s:%llu: cannot read back", a->from_path,
			                       (unsigned long long)(offset + done));
		done += (size_t)got;
	}
	return 0;
}

static int copy_range(struct assembly *a, uint64_t offset, uint64_t length, struct cgr_error *reterr)
{
	while (length > 0) {
		size_t part = (size_t)CGR_MIN(length, (uint64_t)COPY_BYTES);
		CGR_TRY(read_at(a, a->buffer, part, offset, reterr));
		CGR_TRY(cgr_td_write_raw(&a->writer, a->buffer, part, reterr));
		offset += part;
		length -= part;
	}
	return 0;
}

static int add_chunk(struct assembly *a, uint64_t at, struct cgr_error *reterr)
{
	uint8_t head[CGR_TD_JOURNAL_BYTES];

	CGR_TRY(read_at(a, head, sizeof(head), at, reterr));
	uint32_t cpu = cgr_td_get_u32(head);
	if (cpu >= CGR_LIMIT_CPUS)
		return cgr_error_set(reterr, CGR_E_INTERNAL, "%s:%llu: CPU %u", a->from_path, (unsigned long long)at, cpu);
	CGR_TRY(cgr_grow((void **)&a->cpu, &a->cpu_capacity, (size_t)cpu + 1, sizeof(*a->cpu), reterr));
	a->cpu_count = CGR_MAX(a->cpu_count, (size_t)cpu + 1);
	struct cpu_chunks *list = &a->cpu[cpu];
	CGR_TRY(cgr_grow((void **)&list->chunk, &list->capacity, list->count + 1, sizeof(*list->chunk), reterr));
	list->chunk[list->count++] = (struct chunk){ .offset = at + CGR_TD_JOURNAL_BYTES,
		                                         .compressed_bytes = cgr_td_get_u32(head + 8),
		                                         .plain_bytes = cgr_td_get_u32(head + 12) };
	return 0;
}

/* Walks the journal: facts are copied with their options, chunks are indexed by CPU. */
static int copy_sections(struct assembly *a, uint64_t first, struct cgr_error *reterr)
{
	for (uint64_t at = first; at + CGR_TD_SECTION_HEADER_BYTES <= a->from_bytes;) {
		uint8_t head[CGR_TD_SECTION_HEADER_BYTES], offset[8];
		CGR_TRY(read_at(a, head, sizeof(head), at, reterr));
		uint16_t id = cgr_td_get_u16(head);
		uint64_t size = cgr_td_get_u64(head + 8);
		if (size > a->from_bytes - at - sizeof(head))
			break; /* torn tail */
		if (id == CGR_TD_JOURNAL) {
			CGR_TRY(add_chunk(a, at + sizeof(head), reterr));
		} else {
			cgr_td_put_u64(offset, a->writer.position);
			cgr_td_append_option(&a->writer.options, id, offset, sizeof(offset));
			CGR_TRY(copy_range(a, at, sizeof(head) + size, reterr));
		}
		at += sizeof(head) + size;
	}
	return 0;
}

static uint64_t align_page(uint64_t value)
{
	return (value + CGR_TD_PAGE_BYTES - 1) / CGR_TD_PAGE_BYTES * CGR_TD_PAGE_BYTES;
}

static int pad_to(struct assembly *a, uint64_t position, struct cgr_error *reterr)
{
	static const uint8_t zero[CGR_TD_PAGE_BYTES];

	return cgr_td_write_raw(&a->writer, zero, (size_t)(position - a->writer.position), reterr);
}

/* Where each CPU's data will stand, and so the size of the BUFFER section, is known before a byte is written. */
static uint64_t place_cpus(struct assembly *a, uint64_t body)
{
	uint64_t at = body;

	for (size_t i = 0; i < a->cpu_count; i++) {
		struct cpu_chunks *list = &a->cpu[i];
		if (list->count == 0)
			continue;
		at = align_page(at);
		list->begin = at;
		list->bytes = 4;
		for (size_t j = 0; j < list->count; j++)
			list->bytes += CGR_TD_CHUNK_HEADER_BYTES + list->chunk[j].compressed_bytes;
		at += list->bytes;
	}
	return at;
}

static int write_cpu(struct assembly *a, const struct cpu_chunks *list, struct cgr_error *reterr)
{
	uint8_t head[CGR_TD_CHUNK_HEADER_BYTES];

	CGR_TRY(pad_to(a, list->begin, reterr));
	cgr_td_put_u32(head, (uint32_t)list->count);
	CGR_TRY(cgr_td_write_raw(&a->writer, head, 4, reterr));
	for (size_t i = 0; i < list->count; i++) {
		cgr_td_put_u32(head, list->chunk[i].compressed_bytes);
		cgr_td_put_u32(head + 4, list->chunk[i].plain_bytes);
		CGR_TRY(cgr_td_write_raw(&a->writer, head, sizeof(head), reterr));
		CGR_TRY(copy_range(a, list->chunk[i].offset, list->chunk[i].compressed_bytes, reterr));
	}
	return 0;
}

static int write_buffer(struct assembly *a, uint32_t page_bytes, const char *clock, struct cgr_error *reterr)
{
	struct cgr_td_bytes option = { 0 };
	uint8_t head[CGR_TD_SECTION_HEADER_BYTES];
	uint64_t section = a->writer.position, end = place_cpus(a, section + sizeof(head));
	uint32_t used = 0;

	cgr_td_append_u64(&option, section);
	cgr_td_append_text(&option, "");
	cgr_td_append_text(&option, clock);
	cgr_td_append_u32(&option, page_bytes);
	for (size_t i = 0; i < a->cpu_count; i++)
		used += a->cpu[i].count > 0;
	cgr_td_append_u32(&option, used);
	for (size_t i = 0; i < a->cpu_count; i++) {
		if (a->cpu[i].count == 0)
			continue;
		cgr_td_append_u32(&option, (uint32_t)i);
		cgr_td_append_u64(&option, a->cpu[i].begin);
		cgr_td_append_u64(&option, a->cpu[i].bytes);
	}
	cgr_td_append_option(&a->writer.options, CGR_TD_BUFFER, option.data, (uint32_t)option.length);
	a->writer.options.failed = a->writer.options.failed || option.failed;
	cgr_td_fini(&option);
	cgr_td_put_u16(head, CGR_TD_BUFFER);
	cgr_td_put_u16(head + 2, CGR_TD_SECTION_COMPRESSED);
	cgr_td_put_u32(head + 4, UINT32_MAX);
	cgr_td_put_u64(head + 8, end - section - sizeof(head));
	CGR_TRY(cgr_td_write_raw(&a->writer, head, sizeof(head), reterr));
	for (size_t i = 0; i < a->cpu_count; i++)
		if (a->cpu[i].count > 0)
			CGR_TRY(write_cpu(a, &a->cpu[i], reterr));
	return 0;
}

static int assemble(struct assembly *a, uint64_t first, uint32_t page_bytes, uint32_t cpu_count, const char *clock,
                    const struct cgr_td_bytes *more, struct cgr_error *reterr)
{
	uint8_t count[4];

	CGR_TRY(cgr_td_write_head(&a->writer, page_bytes, reterr));
	cgr_td_put_u32(count, cpu_count);
	cgr_td_append_option(&a->writer.options, CGR_TD_CPUCOUNT, count, sizeof(count));
	cgr_td_append(&a->writer.options, more->data, more->length);
	CGR_TRY(copy_sections(a, first, reterr));
	CGR_TRY(write_buffer(a, page_bytes, clock, reterr));
	return cgr_td_write_options(&a->writer, reterr);
}

int cgr_journal_finish(struct cgr_journal *journal, const char *output, uint32_t cpu_count, const char *clock,
                       const struct cgr_td_bytes *more, struct cgr_error *reterr)
{
	struct assembly a = { .from = journal->fd,
		                  .from_path = journal->path,
		                  .from_bytes = journal->writer.position,
		                  .buffer = malloc(COPY_BYTES) };
	struct cgr_outfile out = { .fd = -1 };
	uint8_t page[4];
	/* the page size stands after the magic, "7\0", endian and long size */
	int rc = a.buffer == NULL ? cgr_error_set(reterr, CGR_E_NOMEM, "no memory to write %s", output)
	                          : read_at(&a, page, sizeof(page), CGR_TD_MAGIC_BYTES + 4, reterr);

	if (rc == 0)
		rc = cgr_outfile_open(&out, output, reterr);
	if (rc == 0) {
		cgr_td_writer_init(&a.writer, out.fd, output);
		rc = assemble(&a, journal->writer.patch + 8, cgr_td_get_u32(page), cpu_count, clock, more, reterr);
		if (rc == 0)
			rc = cgr_outfile_commit(&out, reterr);
		cgr_outfile_abort(&out);
	}
	cgr_td_writer_fini(&a.writer);
	for (size_t i = 0; i < a.cpu_count; i++)
		free(a.cpu[i].chunk);
	free(a.cpu);
	free(a.buffer);
	if (rc < 0)
		(void)cgr_error_cause(reterr, "the recording itself is kept in %s and can be imported", journal->path);
	return rc;
}
