/* Records of perf.data in time order.
 *
 * perf writes what it finds in the ring buffers of all CPUs round by round: within one CPU time goes forward, between
 * CPUs it does not. After a FINISHED_ROUND nothing older than the newest record of the round before can follow. So
 * each CPU has a queue, and what is old enough leaves in the order of a merge. Without rounds (or with absurd ones) the
 * queues are bounded: the oldest half leaves. */
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/limits.h"
#include "parser/perfdata.h"
#include "parser/record.h"

#define QUEUED_MAX (1u << 22)
#define BLOCK_BYTES (1u << 20)
#define FORGET_BYTES (8u << 20)
#define KEEP_BYTES (64u << 20)

struct block { /* decompressed bytes, kept while records in it are queued */
	uint32_t users;
	size_t used, capacity;
	uint8_t data[];
};

struct item {
	uint64_t time;
	const uint8_t *record; /* 8-byte header and body */
	const struct cgr_perf_attr *attr; /* of a sample */
	struct block *block; /* NULL: in the mapped file */
};

struct queue { /* of one CPU: a ring */
	struct item *item;
	size_t capacity, first, count;
	uint32_t cpu;
};

struct perf_source {
	struct cgr_source source;
	const struct cgr_trace *trace;
	const struct cgr_perf *perf;
	struct cgr_cursor cursor; /* over the data */
	struct queue *queue;
	size_t queues, queue_capacity, queued;
	uint32_t *queue_of_cpu; /* queue + 1 */
	size_t queue_of_cpu_capacity;
	struct queue **heap;
	size_t heap_count;
	uint64_t newest; /* time seen so far */
	uint64_t round_newest; /* the same at the end of the last round */
	uint64_t pending; /* a round ended: what is not later may leave */
	uint64_t flush_to; /* what is leaving now */
	uint64_t last_out;
	bool flushing, ended;
	struct block *out_block; /* of the record handed out last */
	ZSTD_DStream *zstd;
	struct block *block; /* being filled */
	size_t block_read; /* records before it were taken */
	uint64_t forgotten;
};

static inline uint64_t load(const struct perf_source *source, const uint8_t *at, unsigned bytes)
{
	uint64_t v64 = 0;
	uint32_t v32;
	uint16_t v16;

	if (bytes == 8) {
		memcpy(&v64, at, 8);
		return source->trace->swap ? __builtin_bswap64(v64) : v64;
	}
	if (bytes == 4) {
		memcpy(&v32, at, 4);
		return source->trace->swap ? __builtin_bswap32(v32) : v32;
	}
	memcpy(&v16, at, 2);
	return source->trace->swap ? __builtin_bswap16(v16) : v16;
}

static struct block *block_put(struct block *block)
{
	if (block != NULL && --block->users == 0)
		free(block);
	return NULL;
}

/* ---- where time, CPU and id stand in a record ---- */

struct place {
	uint64_t time, id;
	const struct cgr_perf_attr *attr; /* of a sample, that of its id */
	uint32_t cpu;
	bool has_time;
};

/* Fixed part of a sample: IDENTIFIER IP TID TIME ADDR ID STREAM_ID CPU. */
static bool sample_place(const struct perf_source *source, const uint8_t *record, uint32_t size, struct place *place)
{
	const struct cgr_perf_attr *attr = &source->perf->attr[0];
	const uint8_t *at = record + 8, *end = record + size;

	*place = (struct place){ 0 };
	for (int pass = 0; pass < 2; pass++) {
		uint64_t type = attr->sample_type;
		uint32_t offset = (type & CGR_SAMPLE_IDENTIFIER) != 0 ? 8 : 0;
		if (offset != 0 && end - at >= 8)
			place->id = load(source, at, 8);
		offset += (type & CGR_SAMPLE_IP) != 0 ? 8 : 0;
		offset += (type & CGR_SAMPLE_TID) != 0 ? 8 : 0;
		if (end - at < (ptrdiff_t)offset + 8)
			return false;
		if ((type & CGR_SAMPLE_TIME) != 0) {
			place->time = load(source, at + offset, 8);
			place->has_time = true;
			offset += 8;
		}
		offset += (type & CGR_SAMPLE_ADDR) != 0 ? 8 : 0;
		if ((type & CGR_SAMPLE_ID) != 0) {
			if (end - at < (ptrdiff_t)offset + 8)
				return false;
			place->id = load(source, at + offset, 8);
			offset += 8;
		}
		offset += (type & CGR_SAMPLE_STREAM_ID) != 0 ? 8 : 0;
		if ((type & CGR_SAMPLE_CPU) != 0) {
			if (end - at < (ptrdiff_t)offset + 4)
				return false;
			place->cpu = (uint32_t)load(source, at + offset, 4);
		}
		/* The id names the attribute, whose layout may be another one: read again by that. */
		place->attr = cgr_perf_attr_of(source->perf, place->id);
		if (place->attr == NULL || place->attr->sample_type == type)
			break;
		attr = place->attr;
	}
	return true;
}

/* Trailer of other records with sample_id_all: TID TIME ID STREAM_ID CPU IDENTIFIER, from the end. */
static void trailer_place(const struct perf_source *source, const uint8_t *record, uint32_t size, struct place *place)
{
	const struct cgr_perf_attr *attr = &source->perf->attr[0];
	uint64_t type = attr->sample_type;
	const uint8_t *at = record + size;

	*place = (struct place){ 0 };
	if (!attr->sample_id_all)
		return;
	size_t bytes = 8 * (size_t)(((type & CGR_SAMPLE_TID) != 0) + ((type & CGR_SAMPLE_TIME) != 0) +
	                            ((type & CGR_SAMPLE_ID) != 0) + ((type & CGR_SAMPLE_STREAM_ID) != 0) +
	                            ((type & CGR_SAMPLE_CPU) != 0) + ((type & CGR_SAMPLE_IDENTIFIER) != 0));
	if (bytes + 8 > size)
		return;
	if ((type & CGR_SAMPLE_IDENTIFIER) != 0)
		at -= 8;
	if ((type & CGR_SAMPLE_CPU) != 0)
		at -= 8, place->cpu = (uint32_t)load(source, at, 4);
	if ((type & CGR_SAMPLE_STREAM_ID) != 0)
		at -= 8;
	if ((type & CGR_SAMPLE_ID) != 0)
		at -= 8;
	if ((type & CGR_SAMPLE_TIME) != 0)
		at -= 8, place->time = load(source, at, 8), place->has_time = true;
}

/* ---- queues ---- */

static int queue_for(struct perf_source *source, uint32_t cpu, struct queue **ret_queue, struct cgr_error *reterr)
{
	if (cpu >= CGR_LIMIT_CPUS)
		cpu = 0; /* (u32)-1: not bound to a CPU */
	CGR_TRY(cgr_grow((void **)&source->queue_of_cpu, &source->queue_of_cpu_capacity, (size_t)cpu + 1, sizeof(uint32_t),
	                 reterr));
	if (source->queue_of_cpu[cpu] == 0) {
		if (source->queues == source->queue_capacity)
			return cgr_error_set(reterr, CGR_E_INTERNAL, "more CPUs than queues");
		source->queue[source->queues++].cpu = cpu;
		source->queue_of_cpu[cpu] = (uint32_t)source->queues;
	}
	*ret_queue = &source->queue[source->queue_of_cpu[cpu] - 1];
	return CGR_OK;
}

static int queue_grow(struct queue *queue, struct cgr_error *reterr)
{
	size_t capacity = queue->capacity == 0 ? 1024 : queue->capacity * 2;
	struct item *item = cgr_calloc(capacity, sizeof(*item));

	if (item == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory for queued records");
	for (size_t i = 0; i < queue->count; i++)
		item[i] = queue->item[(queue->first + i) & (queue->capacity - 1)];
	free(queue->item);
	queue->item = item;
	queue->capacity = capacity;
	queue->first = 0;
	return CGR_OK;
}

static int enqueue(struct perf_source *source, const uint8_t *record, struct block *block, const struct place *place,
                   struct cgr_error *reterr)
{
	struct queue *queue = NULL;

	CGR_TRY(queue_for(source, place->cpu, &queue, reterr));
	if (queue->count == queue->capacity)
		CGR_TRY(queue_grow(queue, reterr));
	size_t mask = queue->capacity - 1, at = queue->first + queue->count++;
	/* An interrupt's record may stand behind the one it interrupted. */
	while (at > queue->first && queue->item[(at - 1) & mask].time > place->time) {
		queue->item[at & mask] = queue->item[(at - 1) & mask];
		at--;
	}
	queue->item[at & mask] =
	    (struct item){ .time = place->time, .record = record, .attr = place->attr, .block = block };
	if (block != NULL)
		block->users++;
	source->queued++;
	source->newest = CGR_MAX(source->newest, place->time);
	return CGR_OK;
}

static inline bool before(const struct queue *a, const struct queue *b)
{
	uint64_t ta = a->item[a->first].time, tb = b->item[b->first].time;

	return ta != tb ? ta < tb : a->cpu < b->cpu;
}

static void sift_down(struct perf_source *source, size_t at)
{
	struct queue **heap = source->heap, *queue = heap[at];

	for (;;) {
		size_t child = 2 * at + 1;
		if (child >= source->heap_count)
			break;
		if (child + 1 < source->heap_count && before(heap[child + 1], heap[child]))
			child++;
		if (before(queue, heap[child]))
			break;
		heap[at] = heap[child];
		at = child;
	}
	heap[at] = queue;
}

static void start_flush(struct perf_source *source, uint64_t to)
{
	source->flush_to = to;
	source->flushing = true;
	source->heap_count = 0;
	for (size_t i = 0; i < source->queues; i++)
		if (source->queue[i].count > 0)
			source->heap[source->heap_count++] = &source->queue[i];
	for (size_t i = source->heap_count; i-- > 0;)
		sift_down(source, i);
}

/* The oldest item not later than flush_to; false: none. */
static bool take(struct perf_source *source, struct item *ret_item, uint32_t *ret_cpu)
{
	if (source->heap_count == 0)
		return false;
	struct queue *queue = source->heap[0];
	*ret_item = queue->item[queue->first];
	*ret_cpu = queue->cpu;
	if (ret_item->time > source->flush_to)
		return false;
	queue->first = (queue->first + 1) & (queue->capacity - 1);
	queue->count--;
	source->queued--;
	if (queue->count == 0)
		source->heap[0] = source->heap[--source->heap_count];
	if (source->heap_count > 1)
		sift_down(source, 0);
	return true;
}

/* ---- reading ahead ---- */

static int note_record(struct perf_source *source, const uint8_t *record, uint32_t size, struct block *block,
                       struct cgr_error *reterr)
{
	uint32_t type = (uint32_t)load(source, record, 4);
	struct place place;

	switch (type) {
	case CGR_PERF_SAMPLE:
		if (!sample_place(source, record, size, &place))
			return cgr_cursor_error(&source->cursor, reterr, "a sample of %u bytes is too short for its fields", size);
		return enqueue(source, record, block, &place, reterr);
	case CGR_PERF_COMM:
	case CGR_PERF_FORK:
	case CGR_PERF_EXIT:
	case CGR_PERF_CGROUP:
	case CGR_PERF_LOST:
	case CGR_PERF_LOST_SAMPLES:
		trailer_place(source, record, size, &place);
		return enqueue(source, record, block, &place, reterr);
	case CGR_PERF_FINISHED_ROUND:
		source->pending = source->round_newest;
		source->round_newest = source->newest;
		return CGR_OK;
	default:
		return CGR_OK;
	}
}

/* Takes whole records out of the block being filled; the rest moves to a new one when it is full. */
static int block_records(struct perf_source *source, struct cgr_error *reterr)
{
	struct block *block = source->block;

	while (block->used - source->block_read >= 8) {
		const uint8_t *record = block->data + source->block_read;
		uint32_t size = (uint32_t)load(source, record + 6, 2);
		if (size < 8)
			return cgr_cursor_error(&source->cursor, reterr, "a compressed record has a size of %u bytes", size);
		if (size > block->used - source->block_read)
			break;
		CGR_TRY(note_record(source, record, size, block, reterr));
		source->block_read += size;
	}
	return CGR_OK;
}

static int new_block(struct perf_source *source, struct cgr_error *reterr)
{
	struct block *old = source->block, *block = malloc(sizeof(*block) + BLOCK_BYTES);
	size_t rest = old != NULL ? old->used - source->block_read : 0;

	if (block == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory for decompression");
	*block = (struct block){ .users = 1, .capacity = BLOCK_BYTES };
	if (rest > 0)
		memcpy(block->data, old->data + source->block_read, rest);
	block->used = rest;
	source->block_read = 0;
	source->block = block;
	block_put(old);
	return CGR_OK;
}

/* The payloads of all COMPRESSED records are one zstd stream. */
static int unpack(struct perf_source *source, const uint8_t *data, size_t bytes, struct cgr_error *reterr)
{
	ZSTD_inBuffer in = { data, bytes, 0 };

	if (source->zstd == NULL && (source->zstd = ZSTD_createDStream()) == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory for decompression");
	for (bool more = true; more;) {
		/* A record has at most 64 KiB: a block that is nearly full gives way to a fresh one. */
		if (source->block == NULL || source->block->capacity - source->block->used < BLOCK_BYTES / 4)
			CGR_TRY(new_block(source, reterr));
		struct block *block = source->block;
		ZSTD_outBuffer out = { block->data, block->capacity, block->used };
		size_t rc = ZSTD_decompressStream(source->zstd, &out, &in);
		if (ZSTD_isError(rc))
			return cgr_cursor_error(&source->cursor, reterr, "compressed records cannot be unpacked: %s",
			                        ZSTD_getErrorName(rc));
		more = in.pos < in.size || out.pos == out.size;
		block->used = out.pos;
		CGR_TRY(block_records(source, reterr));
	}
	return CGR_OK;
}

static int compressed(struct perf_source *source, uint32_t type, const uint8_t *record, uint32_t size,
                      struct cgr_error *reterr)
{
	if (type == CGR_PERF_COMPRESSED)
		return unpack(source, record + 8, size - 8, reterr);
	uint64_t bytes = size >= 16 ? load(source, record + 8, 8) : UINT64_MAX;
	if (size < 16 || bytes > size - 16)
		return cgr_cursor_error(&source->cursor, reterr, "a compressed record of %u bytes is damaged", size);
	return unpack(source, record + 16, (size_t)bytes, reterr);
}

static int read_one(struct perf_source *source, struct cgr_error *reterr)
{
	struct cgr_cursor *cursor = &source->cursor;
	size_t position = cursor->position;
	uint32_t type = cgr_cursor_u32(cursor);

	(void)cgr_cursor_u16(cursor);
	uint16_t size = cgr_cursor_u16(cursor);
	cursor->position = position;
	const uint8_t *record = !cursor->failed && size >= 8 ? cgr_cursor_bytes(cursor, size) : NULL;
	if (record == NULL)
		return cgr_cursor_error(cursor, reterr, "record %u of %u bytes does not fit: truncated or damaged", type, size);
	source->source.done_bytes = cursor->position;
	if (type == CGR_PERF_TRACING_DATA && source->perf->pipe)
		(void)cgr_cursor_bytes(cursor, (load(source, record + 8, 4) + 7) & ~7ull);
	else if (type == CGR_PERF_AUXTRACE && size >= 16)
		(void)cgr_cursor_bytes(cursor, load(source, record + 8, 8));
	if (type == CGR_PERF_COMPRESSED || type == CGR_PERF_COMPRESSED2)
		return compressed(source, type, record, size, reterr);
	return note_record(source, record, size, NULL, reterr);
}

/* What stands well before the reading position will hardly be read again; if it is, the page comes back. */
static void forget(struct perf_source *source)
{
	uint64_t at = source->perf->data_offset + source->cursor.position;

	if (at > source->forgotten + FORGET_BYTES + KEEP_BYTES) {
		cgr_input_forget(&source->trace->input, source->forgotten, at - KEEP_BYTES);
		source->forgotten = at - KEEP_BYTES;
	}
}

/* Reads until something may leave; false in *ret_more at the end of everything. */
static int read_ahead(struct perf_source *source, bool *ret_more, struct cgr_error *reterr)
{
	*ret_more = true;
	forget(source);
	while (!source->flushing) {
		if (cgr_cursor_left(&source->cursor) == 0) {
			*ret_more = !source->ended;
			source->ended = true;
			start_flush(source, UINT64_MAX);
			return CGR_OK;
		}
		CGR_TRY(read_one(source, reterr));
		if (source->pending > 0)
			start_flush(source, source->pending);
		else if (source->queued >= QUEUED_MAX)
			start_flush(source, source->newest - (source->newest - source->last_out) / 2);
		source->pending = 0;
	}
	return CGR_OK;
}

/* ---- handing out ---- */

/* Behind the fixed part: PERIOD READ CALLCHAIN RAW BRANCH_STACK REGS_USER STACK_USER WEIGHT DATA_SRC TRANSACTION
 * REGS_INTR PHYS_ADDR CGROUP. */
struct walk {
	const struct perf_source *source;
	const uint8_t *at, *end;
	bool failed;
};

static const uint8_t *walk_bytes(struct walk *walk, uint64_t bytes)
{
	const uint8_t *at = walk->at;

	if (walk->failed || bytes > (uint64_t)(walk->end - walk->at)) {
		walk->failed = true;
		return NULL;
	}
	walk->at += bytes;
	return at;
}

static uint64_t walk_u64(struct walk *walk)
{
	const uint8_t *at = walk_bytes(walk, 8);

	return at != NULL ? load(walk->source, at, 8) : 0;
}

static void walk_list(struct walk *walk, uint64_t count, uint64_t bytes)
{
	if (count > 65536)
		walk->failed = true;
	(void)walk_bytes(walk, count * bytes);
}

/* PERF_FORMAT_*: TOTAL_TIME_ENABLED 1, TOTAL_TIME_RUNNING 2, ID 4, GROUP 8, LOST 16 */
static void walk_read(struct walk *walk, uint64_t format)
{
	uint64_t each = 1 + (uint64_t)((format & 4) != 0) + ((format & 16) != 0), count = 1;

	if ((format & 8) != 0)
		count = walk_u64(walk);
	walk_list(walk, (uint64_t)((format & 1) != 0) + ((format & 2) != 0), 8);
	walk_list(walk, count, 8 * each);
}

static void walk_regs(struct walk *walk, uint64_t mask)
{
	if (walk_u64(walk) != 0) /* abi: none has no registers */
		walk_list(walk, (uint64_t)__builtin_popcountll(mask), 8);
}

static void walk_behind_raw(struct walk *walk, const struct cgr_perf_attr *attr, struct cgr_record *record)
{
	uint64_t type = attr->sample_type;

	if ((type & CGR_SAMPLE_BRANCH_STACK) != 0) {
		uint64_t count = walk_u64(walk);
		if ((attr->branch_sample_type & (1u << 17)) != 0) /* HW_INDEX */
			(void)walk_u64(walk);
		walk_list(walk, count, 24);
	}
	if ((type & CGR_SAMPLE_REGS_USER) != 0)
		walk_regs(walk, attr->regs_user);
	if ((type & CGR_SAMPLE_STACK_USER) != 0) {
		uint64_t bytes = walk_u64(walk);
		(void)walk_bytes(walk, bytes);
		if (bytes > 0)
			(void)walk_u64(walk);
	}
	walk_list(walk,
	          (uint64_t)((type & (CGR_SAMPLE_WEIGHT | CGR_SAMPLE_WEIGHT_STRUCT)) != 0) +
	              ((type & CGR_SAMPLE_DATA_SRC) != 0) + ((type & CGR_SAMPLE_TRANSACTION) != 0),
	          8);
	if ((type & CGR_SAMPLE_REGS_INTR) != 0)
		walk_regs(walk, attr->regs_intr);
	if ((type & CGR_SAMPLE_PHYS_ADDR) != 0)
		(void)walk_u64(walk);
	if ((type & CGR_SAMPLE_CGROUP) != 0)
		record->cgroup = walk_u64(walk);
	if (walk->failed)
		record->cgroup = 0;
}

/* false: a sample of no tracepoint (a cycles event recorded beside them). */
static bool sample_record(const struct perf_source *source, const struct item *item, uint32_t size,
                          struct cgr_record *record)
{
	const uint8_t *at = item->record;
	const struct cgr_perf_attr *attr = item->attr;
	struct walk walk = { .source = source, .at = at + 8, .end = at + size };

	if (attr == NULL || attr->type != 2 || (attr->sample_type & CGR_SAMPLE_RAW) == 0)
		return false;
	uint64_t type = attr->sample_type;
	(void)walk_bytes(&walk, attr->fixed_bytes);
	if ((type & CGR_SAMPLE_READ) != 0)
		walk_read(&walk, attr->read_format);
	if ((type & CGR_SAMPLE_CALLCHAIN) != 0)
		walk_list(&walk, walk_u64(&walk), 8);
	const uint8_t *raw = walk_bytes(&walk, 4);
	uint32_t bytes = raw != NULL ? (uint32_t)load(source, raw, 4) : 0;
	record->payload = walk_bytes(&walk, bytes);
	record->length = bytes;
	record->type = CGR_RECORD_EVENT;
	if (record->payload == NULL)
		return false;
	if ((type & CGR_SAMPLE_TID) != 0) {
		const uint8_t *tid =
		    at + 8 + ((type & CGR_SAMPLE_IDENTIFIER) != 0 ? 8 : 0) + ((type & CGR_SAMPLE_IP) != 0 ? 8 : 0);
		record->pid = (uint32_t)load(source, tid, 4);
		record->tid = (uint32_t)load(source, tid + 4, 4);
	}
	if ((type & CGR_SAMPLE_CGROUP) != 0)
		walk_behind_raw(&walk, attr, record);
	return true;
}

/* Text at `offset` that ends inside the record. */
static bool record_text(const uint8_t *at, uint32_t offset, uint32_t size, struct cgr_record *record)
{
	record->text = (const char *)at + offset;
	return offset < size && memchr(record->text, '\0', size - offset) != NULL;
}

static bool side_record(const struct perf_source *source, const uint8_t *at, uint32_t type, uint32_t size,
                        struct cgr_record *record)
{
	if (size < 16)
		return false;
	switch (type) {
	case CGR_PERF_COMM:
		record->type = CGR_RECORD_COMM;
		record->pid = (uint32_t)load(source, at + 8, 4);
		record->tid = (uint32_t)load(source, at + 12, 4);
		return record_text(at, 16, size, record);
	case CGR_PERF_FORK:
	case CGR_PERF_EXIT:
		if (size < 24)
			return false;
		record->type = type == CGR_PERF_FORK ? CGR_RECORD_FORK : CGR_RECORD_EXIT;
		record->pid = (uint32_t)load(source, at + 8, 4);
		record->ppid = (uint32_t)load(source, at + 12, 4);
		record->tid = (uint32_t)load(source, at + 16, 4);
		record->ptid = (uint32_t)load(source, at + 20, 4);
		return true;
	case CGR_PERF_CGROUP:
		record->type = CGR_RECORD_CGROUP;
		record->cgroup = load(source, at + 8, 8);
		return record_text(at, 16, size, record);
	default: /* LOST {id, lost}, LOST_SAMPLES {lost} */
		if (type == CGR_PERF_LOST && size < 24)
			return false;
		record->type = CGR_RECORD_LOST;
		record->lost = load(source, at + (type == CGR_PERF_LOST ? 16 : 8), 8);
		if (record->lost > INT64_MAX)
			record->lost = 0;
		return true;
	}
}

static int source_next(struct cgr_source *self, struct cgr_record *ret_record, struct cgr_error *reterr)
{
	struct perf_source *source = (struct perf_source *)self;

	for (;;) {
		struct item item;
		uint32_t cpu;
		bool more;

		source->out_block = block_put(source->out_block);
		if (!source->flushing) {
			CGR_TRY(read_ahead(source, &more, reterr));
			if (!more)
				return 0;
		}
		if (!take(source, &item, &cpu)) {
			source->flushing = false;
			continue;
		}
		source->out_block = item.block;
		uint32_t type = (uint32_t)load(source, item.record, 4), size = (uint32_t)load(source, item.record + 6, 2);
		*ret_record = (struct cgr_record){ .cpu = cpu,
			                               .time = CGR_MAX(item.time, source->last_out),
			                               .time_backwards = item.time < source->last_out && item.time != 0 };
		bool good = type == CGR_PERF_SAMPLE ? sample_record(source, &item, size, ret_record)
		                                    : side_record(source, item.record, type, size, ret_record);
		if (!good)
			continue;
		if (type == CGR_PERF_SAMPLE)
			source->last_out = ret_record->time;
		return 1;
	}
}

static const struct cgr_trace *source_where(const struct cgr_source *self, const struct cgr_record *record,
                                            uint64_t *ret_offset)
{
	const struct perf_source *source = (const struct perf_source *)self;
	const struct cgr_input *input = &source->trace->input;
	const uint8_t *at = record->payload != NULL ? record->payload : (const uint8_t *)record->text;

	/* a packed one was in a record before the reading position */
	*ret_offset = at != NULL && at >= input->data && at < input->data + input->size
	                  ? (uint64_t)(at - input->data)
	                  : source->perf->data_offset + source->cursor.position;
	return source->trace;
}

static struct cgr_source *source_free(struct cgr_source *self)
{
	struct perf_source *source = (struct perf_source *)self;

	for (size_t i = 0; i < source->queues; i++) {
		struct queue *queue = &source->queue[i];
		for (size_t k = 0; k < queue->count; k++)
			block_put(queue->item[(queue->first + k) & (queue->capacity - 1)].block);
		free(queue->item);
	}
	block_put(source->out_block);
	block_put(source->block);
	ZSTD_freeDStream(source->zstd);
	free(source->queue);
	free(source->heap);
	free(source->queue_of_cpu);
	free(source);
	return NULL;
}

int cgr_source_perf_new(const struct cgr_trace *trace, struct cgr_source **ret_source, struct cgr_error *reterr)
{
	struct perf_source *source = calloc(1, sizeof(*source));

	if (source != NULL) {
		source->source = (struct cgr_source){ .next = source_next, .where = source_where, .free = source_free };
		source->trace = trace;
		source->perf = trace->perf;
		source->queue_capacity = CGR_LIMIT_CPUS;
		source->queue = cgr_calloc(CGR_LIMIT_CPUS, sizeof(*source->queue));
		source->heap = cgr_calloc(CGR_LIMIT_CPUS, sizeof(struct queue *));
	}
	if (source == NULL || source->queue == NULL || source->heap == NULL) {
		if (source != NULL)
			(void)source_free(&source->source);
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	}
	cgr_cursor_init(&source->cursor, &trace->input, trace->perf->data_offset, trace->perf->data_size, trace->swap);
	source->forgotten = trace->perf->data_offset;
	source->source.total_bytes = trace->perf->data_size;
	*ret_source = &source->source;
	return CGR_OK;
}
