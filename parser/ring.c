/* Records of the ring-buffer pages of every CPU, merged into one order.
 *
 * The layout is that of kernel/trace/ring_buffer.c: u64 time stamp, long commit (low 27 bits used bytes, bit 31 events
 * were lost before this page, bit 30 their number stands behind the data), then records with a 5-bit type and a 27-bit
 * time delta. The iterator is our own because the library's (kbuffer) checks no bounds and input is hostile. */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/util.h"
#include "parser/pages.h"
#include "parser/record.h"

enum { OLD_PADDING, OLD_TIME_EXTEND, OLD_TIME_STAMP };
enum { TYPE_LONG = 0, TYPE_PADDING = 29, TYPE_TIME_EXTEND = 30, TYPE_TIME_STAMP = 31 };
#define COMMIT_USED 0x7ffffffu
#define COMMIT_MISSED (1u << 31)
#define COMMIT_STORED (1u << 30)
#define DELTA_BITS 27
#define STAMP_BITS 59 /* of a time extend and of an absolute stamp */

struct ring { /* one CPU of one buffer */
	struct cgr_pages pages;
	const uint8_t *at, *end; /* unread records of the page */
	uint64_t stamp; /* raw time of the last record or page */
	const struct cgr_clock_map
	    *clock; /* of our recorder, for all segments; no points: the stamps are no bare counter */
	struct cgr_clock_cursor clock_cursor;
	uint64_t time; /* ns time of the record handed out last: never goes back */
	uint32_t cpu;
	uint32_t buffer;
	const struct cgr_trace *segment; /* the pages are of this one */
	bool swap, file_big_endian, wide_long, old_records;
	bool gap; /* segments are missing before the next page */
	bool seen; /* a record was handed out */
	struct cgr_record record; /* the next one */
};

struct ring_source {
	struct cgr_source source;
	const struct cgr_trace *trace;
	struct ring *ring;
	size_t rings;
	struct ring **heap; /* min-heap by (time, cpu, ring index) of rings that have a record */
	size_t heap_count;
	struct ring *current; /* its record was handed out: advance before the next one */
};

static inline uint32_t load32(const struct ring *ring, const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return ring->swap ? __builtin_bswap32(value) : value;
}

static inline uint64_t load64(const struct ring *ring, const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return ring->swap ? __builtin_bswap64(value) : value;
}

/* A guest's stamp is first brought to the clock of its host; that one's rate is what TSC2NSEC speaks of. */
static uint64_t to_ns(const struct cgr_trace *trace, uint32_t cpu, uint64_t stamp)
{
	if (trace->shift.cpus > 0)
		stamp = cgr_time_shift_apply(&trace->shift, cpu, stamp);
	if (trace->tsc_mult != 0)
		stamp = (uint64_t)(((unsigned __int128)stamp * trace->tsc_mult) >> trace->tsc_shift) + trace->tsc_offset;
	return stamp + (uint64_t)trace->offset_ns;
}

static void set_time(struct ring *ring, struct cgr_record *record)
{
	const struct cgr_trace *trace = ring->pages.trace;
	uint64_t now = ring->stamp;

	if (ring->clock->points > 0) /* they say more than the single line of TSC2NSEC and OFFSET */
		now = cgr_clock_map_ns(ring->clock, &ring->clock_cursor, now);
	else if (trace->tsc_mult != 0 || trace->offset_ns != 0 || trace->shift.cpus > 0)
		now = to_ns(trace, ring->cpu, now);
	record->time_astray = ring->clock_cursor.astray;
	record->time_backwards = ring->seen && now < ring->time;
	if (!record->time_backwards)
		ring->time = now;
	record->time = ring->time;
	record->cpu = ring->cpu;
	record->buffer = ring->buffer;
}

static void lost_record(struct ring *ring, uint64_t lost, uint64_t stamp)
{
	uint64_t from = ring->seen ? ring->time : 0;

	ring->stamp = stamp;
	ring->record = (struct cgr_record){ .type = CGR_RECORD_LOST, .lost = lost, .lost_from = from };
	set_time(ring, &ring->record);
	ring->record.lost_from = ring->seen ? from : ring->record.time;
	ring->seen = true;
}

static const struct cgr_trace_cpu *find_cpu(const struct cgr_trace_buffer *buffer, uint32_t cpu)
{
	for (size_t i = 0; i < buffer->cpus; i++)
		if (buffer->cpu[i].cpu == cpu && buffer->cpu[i].size > 0)
			return &buffer->cpu[i];
	return NULL;
}

/* To the pages of this CPU in the first segment, from segment on, that has any. 1, or 0: none has. */
static int enter_segment(struct ring *ring, const struct cgr_trace *segment, struct cgr_error *reterr)
{
	for (; segment != NULL; segment = segment->later) {
		const struct cgr_trace_cpu *cpu = find_cpu(&segment->buffer[ring->buffer], ring->cpu);

		ring->gap |= segment->segment.gap > 0;
		if (cpu == NULL)
			continue;
		cgr_pages_fini(&ring->pages);
		CGR_TRY(cgr_pages_init(&ring->pages, segment, &segment->buffer[ring->buffer], cpu, reterr));
		ring->segment = segment;
		return 1;
	}
	return 0;
}

static int next_page(struct ring *ring, const uint8_t **ret_page, struct cgr_error *reterr)
{
	for (;;) {
		int rc = cgr_pages_next(&ring->pages, ret_page, reterr);

		if (rc != 0)
			return rc;
		rc = enter_segment(ring, ring->segment->later, reterr);
		if (rc <= 0)
			return rc;
	}
}

/* 1: a page with records is loaded; 2: ring->record is a LOST one to hand out first; 0: end. */
static int load_page(struct ring *ring, struct cgr_error *reterr)
{
	const uint8_t *page;
	int rc = next_page(ring, &page, reterr);

	if (rc <= 0)
		return rc;
	uint32_t head = ring->wide_long ? 16 : 12, page_bytes = ring->pages.buffer->page_bytes;
	uint64_t commit = ring->wide_long ? load64(ring, page + 8) : load32(ring, page + 8);
	uint32_t used = (uint32_t)commit & COMMIT_USED;
	if (used > page_bytes - head)
		return cgr_pages_error(&ring->pages, page + 8, reterr, "the sub-buffer says it holds more than its size");
	ring->at = page + head;
	ring->end = ring->at + used;
	ring->stamp = load64(ring, page);
	bool gap = ring->gap;
	ring->gap = false;
	if ((commit & COMMIT_MISSED) == 0 && !gap)
		return 1;
	uint64_t lost = 0;
	uint32_t long_bytes = head - 8;
	if (!gap && (commit & COMMIT_STORED) != 0 && used + long_bytes <= page_bytes - head)
		lost = ring->wide_long ? load64(ring, ring->end) : load32(ring, ring->end);
	if (lost > INT64_MAX)
		lost = 0;
	lost_record(ring, lost, ring->stamp);
	return 2;
}

/* Goes on behind length bytes (records are aligned to 4) at at, delta later. */
static inline int pass(struct ring *ring, const uint8_t *at, uint64_t length, uint64_t delta, struct cgr_error *reterr)
{
	uint64_t skip = (length + 3) & ~3ull;

	if (__builtin_expect(skip > (uint64_t)(ring->end - at), 0))
		return cgr_pages_error(&ring->pages, at, reterr, "a record goes past the end of its sub-buffer");
	ring->stamp += delta;
	ring->at = at + skip;
	return CGR_OK;
}

static inline int hand_out(struct ring *ring, const uint8_t *payload, uint64_t length)
{
	ring->record.type = CGR_RECORD_EVENT;
	ring->record.payload = payload;
	ring->record.length = (uint32_t)length;
	set_time(ring, &ring->record);
	ring->seen = true;
	return 1;
}

/* Takes one record header; 1: ring->record is an event; 0: go on; negative: damaged. */
static inline int take_record(struct ring *ring, struct cgr_error *reterr)
{
	const uint8_t *at = ring->at;

	if (__builtin_expect(ring->end - at < 4, 0))
		return cgr_pages_error(&ring->pages, at, reterr, "a record header does not fit into its sub-buffer");
	uint32_t word = load32(ring, at);
	uint32_t type = ring->file_big_endian ? word >> DELTA_BITS : word & 31;
	uint64_t delta = ring->file_big_endian ? word & ((1u << DELTA_BITS) - 1) : word >> 5;
	uint64_t length;
	if (__builtin_expect(type >= 1 && type < TYPE_PADDING, 1)) {
		at += 4;
		length = (uint64_t)type * 4;
	} else {
		if (type == TYPE_PADDING && delta == 0) {
			ring->at = ring->end; /* the rest of the page is empty */
			return 0;
		}
		if (ring->end - at < 8)
			return cgr_pages_error(&ring->pages, at, reterr, "a record header does not fit into its sub-buffer");
		uint64_t next = load32(ring, at + 4);
		at += 8;
		if (type == TYPE_TIME_EXTEND || type == TYPE_TIME_STAMP) {
			ring->stamp = type == TYPE_TIME_EXTEND
			                  ? ring->stamp + (next << DELTA_BITS | delta)
			                  : ((next << DELTA_BITS) | delta) | (ring->stamp & (31ull << STAMP_BITS));
			ring->at = at;
			return 0;
		}
		if (next < 4)
			return cgr_pages_error(&ring->pages, at - 4, reterr, "a record has no length");
		length = next - 4;
	}
	CGR_TRY(pass(ring, at, length, delta, reterr));
	return type == TYPE_PADDING ? 0 : hand_out(ring, at, length);
}

/* The same for kernels before 2.6.30: two bits of type, three of length in words, the same 27 of time. */
static int take_old_record(struct ring *ring, struct cgr_error *reterr)
{
	const uint8_t *at = ring->at;

	if (ring->end - at < 4)
		return cgr_pages_error(&ring->pages, at, reterr, "a record header does not fit into its sub-buffer");
	uint32_t word = load32(ring, at);
	uint32_t type = ring->file_big_endian ? word >> 30 : word & 3;
	uint32_t words = ring->file_big_endian ? word >> DELTA_BITS & 7 : word >> 2 & 7;
	uint64_t delta = ring->file_big_endian ? word & ((1u << DELTA_BITS) - 1) : word >> 5, next = 0;
	at += 4;
	if (type == OLD_PADDING || type == OLD_TIME_STAMP) { /* the latter was never written */
		ring->at = ring->end;
		return 0;
	}
	if (type == OLD_TIME_EXTEND || words == 0) {
		if (ring->end - at < 4)
			return cgr_pages_error(&ring->pages, at, reterr, "a record header does not fit into its sub-buffer");
		next = load32(ring, at);
		at += 4;
	}
	if (type == OLD_TIME_EXTEND) {
		ring->stamp += (next << DELTA_BITS) + delta;
		ring->at = at;
		return 0;
	}
	if (words == 0 && next < 4)
		return cgr_pages_error(&ring->pages, at - 4, reterr, "a record has no length");
	uint64_t length = words != 0 ? words * 4u : next - 4;
	CGR_TRY(pass(ring, at, length, delta, reterr));
	return hand_out(ring, at, length);
}

/* Fills ring->record: 1, 0 at the end. */
static int ring_next(struct ring *ring, struct cgr_error *reterr)
{
	for (;;) {
		while (ring->at < ring->end) {
			int rc = ring->old_records ? take_old_record(ring, reterr) : take_record(ring, reterr);
			if (rc != 0)
				return rc;
		}
		int rc = load_page(ring, reterr);
		if (rc != 1)
			return rc == 2 ? 1 : rc;
	}
}

/* ---- merge ---- */

static inline bool before(const struct ring *a, const struct ring *b)
{
	if (a->record.time != b->record.time)
		return a->record.time < b->record.time;
	return a->cpu != b->cpu ? a->cpu < b->cpu : a < b;
}

static void sift_down(struct ring_source *source, size_t at)
{
	struct ring **heap = source->heap, *ring = heap[at];

	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= source->heap_count)
			break;
		if (child + 1 < source->heap_count && before(heap[child + 1], heap[child]))
			child++;
		if (before(ring, heap[child]))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = ring;
}

static int source_next(struct cgr_source *self, struct cgr_record *ret_record, struct cgr_error *reterr)
{
	struct ring_source *source = (struct ring_source *)self;

	if (source->current != NULL) {
		const struct cgr_pages *pages = &source->current->pages;
		const struct cgr_trace *segment = source->current->segment;
		uint64_t before_bytes = pages->next;
		int rc = ring_next(source->current, reterr);
		CGR_TRY(rc);
		if (segment == source->current->segment)
			self->done_bytes += pages->next - before_bytes;
		if (rc == 0)
			source->heap[0] = source->heap[--source->heap_count];
		if (source->heap_count > 1)
			sift_down(source, 0);
	}
	source->current = source->heap_count > 0 ? source->heap[0] : NULL;
	if (source->current == NULL)
		return 0;
	*ret_record = source->current->record;
	return 1;
}

static const struct cgr_trace *source_where(const struct cgr_source *self, const struct cgr_record *record,
                                            uint64_t *ret_offset)
{
	const struct ring *ring = ((const struct ring_source *)self)->current;

	*ret_offset = cgr_pages_offset(&ring->pages, record->payload);
	return ring->segment;
}

static struct cgr_source *source_free(struct cgr_source *self)
{
	struct ring_source *source = (struct ring_source *)self;

	for (size_t i = 0; i < source->rings; i++)
		cgr_pages_fini(&source->ring[i].pages);
	free(source->ring);
	free(source->heap);
	free(source);
	return NULL;
}

/* The ring of a CPU of buffer b; the first one sees the CPU in whichever segment has it first. */
static int open_ring(struct ring_source *source, uint32_t b, uint32_t cpu, struct cgr_error *reterr)
{
	const struct cgr_trace *trace = source->trace;
	struct ring *ring = &source->ring[source->rings];

	*ring = (struct ring){ .cpu = cpu,
		                   .buffer = b,
		                   .clock = &trace->clock_map,
		                   .swap = trace->swap,
		                   .file_big_endian = trace->swap == (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__),
		                   .wide_long = trace->long_bytes == 8,
		                   .old_records = trace->old_records };
	source->rings++;
	int rc = enter_segment(ring, trace, reterr);
	if (rc == 1)
		rc = ring_next(ring, reterr);
	CGR_TRY(rc);
	if (rc == 1)
		source->heap[source->heap_count++] = ring;
	return CGR_OK;
}

static bool has_ring(const struct ring_source *source, uint32_t b, uint32_t cpu)
{
	for (size_t i = 0; i < source->rings; i++)
		if (source->ring[i].buffer == b && source->ring[i].cpu == cpu)
			return true;
	return false;
}

static int open_rings(struct ring_source *source, uint64_t mask, struct cgr_error *reterr)
{
	for (uint32_t b = 0; b < source->trace->buffers; b++) {
		if (mask != 0 && (b >= 64 || (mask >> b & 1) == 0))
			continue;
		for (const struct cgr_trace *segment = source->trace; segment != NULL; segment = segment->later) {
			const struct cgr_trace_buffer *buffer = &segment->buffer[b];

			for (size_t c = 0; c < buffer->cpus; c++) {
				source->source.total_bytes += buffer->cpu[c].size;
				if (buffer->cpu[c].size > 0 && !has_ring(source, b, buffer->cpu[c].cpu))
					CGR_TRY(open_ring(source, b, buffer->cpu[c].cpu, reterr));
			}
		}
	}
	for (size_t i = source->heap_count; i-- > 0;)
		sift_down(source, i);
	return CGR_OK;
}

int cgr_source_ring_new(const struct cgr_trace *trace, uint64_t buffer_mask, struct cgr_source **ret_source,
                        struct cgr_error *reterr)
{
	struct ring_source *source = calloc(1, sizeof(*source));
	size_t most = 0;

	for (const struct cgr_trace *segment = trace; segment != NULL; segment = segment->later)
		for (size_t i = 0; i < segment->buffers; i++)
			most += segment->buffer[i].cpus;
	if (source != NULL) {
		source->source = (struct cgr_source){ .next = source_next, .where = source_where, .free = source_free };
		source->trace = trace;
		source->ring = cgr_calloc(most + 1, sizeof(*source->ring));
		source->heap = cgr_calloc(most + 1, sizeof(struct ring *));
	}
	if (source == NULL || source->ring == NULL || source->heap == NULL) {
		if (source != NULL)
			(void)source_free(&source->source);
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	}
	int rc = open_rings(source, buffer_mask, reterr);
	if (rc < 0) {
		(void)source_free(&source->source);
		return rc;
	}
	*ret_source = &source->source;
	return CGR_OK;
}
