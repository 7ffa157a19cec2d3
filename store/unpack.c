/* Unpacking of event blocks. The bytes come from a file anybody may have written: every length, index and count
 * is checked before use, and a block can not expand beyond CGR_PACK_EVENTS events.
 *
 * Loading a block decompresses the byte planes of its columns, some bytes per event; the columns themselves are
 * decoded batch by batch, so that a batch stays in the L2 cache from its planes to the caller. Events are put together
 * without a branch per event: each kind has a pointer per field and an index mask that is 0 for constants. */
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/limits.h"
#include "common/util.h"
#include "store/pack.h"
#include "store/pack_format.h"
#include "store/unpack_column.h"

/* no block needs more: 8 planes for 4 common columns and 5 fields of every event, and as many dictionaries, which
 * stand there once as plane and once as numbers; all aligned to 8 bytes */
#define ROOM_BYTES ((size_t)(4 + CGR_FIELDS) * (8 + 8 + 8) * CGR_PACK_EVENTS + (size_t)CGR_EV_COUNT * CGR_FIELDS * 80)

#define PIECE 512u /* events put together at a time: 20 KiB */

struct lane { /* the columns of one kind, and those of the batch ready to be put together */
	const uint64_t *a, *b;
	const uint32_t *c, *d;
	const uint8_t *flags;
	uint32_t mask[CGR_FIELDS]; /* 0: constant column, one element; else all ones */
	uint64_t relative_a, relative_b; /* all ones: the time of the event is still to be added */
	uint32_t next; /* event of the batch */
	uint32_t wanted; /* 0 or 1: added to the output position */
	uint32_t left; /* events of the block not decoded yet */
	bool needed; /* wanted, or tells who runs */
	struct cgr_column column[CGR_FIELDS];
};

struct cgr_unpacker {
	struct cgr_unpack_bytes bytes;
	uint32_t count, next; /* events of the block */
	uint64_t ts_last;
	struct cgr_column common[CGR_COLUMNS_COMMON];
	struct lane lane[CGR_EV_COUNT];
	uint32_t kinds[CGR_EV_COUNT];
	uint32_t kind_count;
	uint32_t current[CGR_LIMIT_CPUS];
	/* of the batch */
	uint8_t kind[CGR_UNPACK_BATCH];
	uint16_t cpu[CGR_UNPACK_BATCH];
	uint32_t task[CGR_UNPACK_BATCH];
	uint64_t ts[CGR_UNPACK_BATCH];
	uint64_t wide[CGR_UNPACK_BATCH]; /* a column before it is narrowed, where it can not be made narrow at once */
	uint64_t lane_ts[CGR_UNPACK_BATCH]; /* times of the events of one kind, for TSREL */
	/* fields of all kinds together never need more than one element per event and field */
	uint64_t arena_a[CGR_UNPACK_BATCH], arena_b[CGR_UNPACK_BATCH];
	uint32_t arena_c[CGR_UNPACK_BATCH], arena_d[CGR_UNPACK_BATCH];
	uint8_t arena_flags[CGR_UNPACK_BATCH];
	struct cgr_event event[CGR_UNPACK_BATCH + 1];
};

struct cgr_unpacker *cgr_unpacker_new(void)
{
	struct cgr_unpacker *unpacker = cgr_calloc(1, sizeof(*unpacker));

	if (unpacker == NULL)
		return NULL;
	unpacker->bytes.zstd = ZSTD_createDCtx();
	unpacker->bytes.room = malloc(ROOM_BYTES); /* mostly never touched */
	unpacker->bytes.capacity = ROOM_BYTES;
	if (unpacker->bytes.zstd == NULL || unpacker->bytes.room == NULL)
		return cgr_unpacker_free(unpacker);
	return unpacker;
}

struct cgr_unpacker *cgr_unpacker_free(struct cgr_unpacker *unpacker)
{
	if (unpacker == NULL)
		return NULL;
	(void)ZSTD_freeDCtx(unpacker->bytes.zstd);
	free(unpacker->bytes.room);
	free(unpacker);
	return NULL;
}

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static int load_head(struct cgr_unpacker *u, struct cgr_error *reterr)
{
	struct cgr_unpack_bytes *bytes = &u->bytes;
	uint64_t total = 0;

	if (bytes->end - bytes->at < (ptrdiff_t)CGR_PACK_HEAD_BYTES || get_u32(bytes->at) != CGR_PACK_MAGIC)
		return cgr_unpack_bad(reterr, "not a block of events");
	if (get_u32(bytes->at + 4) != CGR_PACK_VERSION)
		return cgr_unpack_bad(reterr, "unknown version of the packing");
	u->count = get_u32(bytes->at + 8);
	u->kind_count = get_u32(bytes->at + 12);
	bytes->at += CGR_PACK_HEAD_BYTES;
	if (u->count == 0 || u->count > CGR_PACK_EVENTS || u->kind_count > CGR_EV_COUNT)
		return cgr_unpack_bad(reterr, "impossible number of events");
	if ((size_t)(bytes->end - bytes->at) < u->kind_count * 8u)
		return cgr_unpack_bad(reterr, "the list of kinds is cut off");
	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++)
		u->lane[kind].left = 0;
	for (uint32_t i = 0; i < u->kind_count; i++, bytes->at += 8) {
		uint32_t kind = get_u32(bytes->at);

		if (kind >= CGR_EV_COUNT || (i > 0 && kind <= u->kinds[i - 1]))
			return cgr_unpack_bad(reterr, "unknown event kind");
		u->kinds[i] = kind;
		u->lane[kind].left = get_u32(bytes->at + 4);
		total += u->lane[kind].left;
		if (u->lane[kind].left == 0)
			return cgr_unpack_bad(reterr, "a kind without events");
	}
	return total == u->count ? 0 : cgr_unpack_bad(reterr, "events per kind do not add up");
}

static int load_common(struct cgr_unpacker *u, struct cgr_error *reterr)
{
	static const unsigned bits[CGR_COLUMNS_COMMON] = {
		[CGR_COLUMN_KIND] = 8, [CGR_COLUMN_TS] = 64, [CGR_COLUMN_CPU] = 16, [CGR_COLUMN_TASK] = 32
	};

	for (unsigned i = 0; i < CGR_COLUMNS_COMMON; i++)
		CGR_TRY(cgr_column_open(&u->common[i], &u->bytes, u->count, bits[i], reterr));
	return u->common[CGR_COLUMN_TS].encoding == CGR_PACK_TSREL ? cgr_unpack_bad(reterr, "times relative to themselves")
	                                                           : 0;
}

static int load_lane(struct cgr_unpacker *u, unsigned kind, bool wanted, struct cgr_error *reterr)
{
	static const unsigned bits[CGR_FIELDS] = {
		[CGR_FIELD_FLAGS] = 8, [CGR_FIELD_A] = 64, [CGR_FIELD_B] = 64, [CGR_FIELD_C] = 32, [CGR_FIELD_D] = 32
	};
	struct lane *lane = &u->lane[kind];

	lane->wanted = wanted;
	lane->needed = wanted || cgr_pack_changes_current(kind, CGR_EV_SWITCH, CGR_EV_RUN_START);
	for (unsigned field = 0; field < CGR_FIELDS; field++) {
		struct cgr_column *column = &lane->column[field];

		/* of an unwanted switch only the next task is needed: it tells whose events follow */
		if (!lane->needed || (!wanted && field != CGR_FIELD_C)) {
			CGR_TRY(cgr_column_skip(&u->bytes, reterr));
			*column = (struct cgr_column){ 0 };
			lane->mask[field] = 0;
			continue;
		}
		size_t count = u->bytes.at < u->bytes.end && u->bytes.at[0] == CGR_PACK_CONST ? 1 : lane->left;
		CGR_TRY(cgr_column_open(column, &u->bytes, count, bits[field], reterr));
		lane->mask[field] = cgr_column_is_constant(column) ? 0 : UINT32_MAX;
	}
	lane->relative_a = lane->column[CGR_FIELD_A].encoding == CGR_PACK_TSREL ? UINT64_MAX : 0;
	lane->relative_b = lane->column[CGR_FIELD_B].encoding == CGR_PACK_TSREL ? UINT64_MAX : 0;
	return 0;
}

int cgr_unpacker_load(struct cgr_unpacker *u, const uint8_t *bytes, size_t size, uint64_t kinds,
                      struct cgr_error *reterr)
{
	u->bytes.at = bytes;
	u->bytes.end = bytes + size;
	u->bytes.used = 0;
	u->next = u->count = 0;
	u->ts_last = 0;
	CGR_TRY(load_head(u, reterr));
	CGR_TRY(load_common(u, reterr));
	memset(u->current, 0xff, sizeof(u->current));
	for (uint32_t i = 0; i < u->kind_count; i++) {
		unsigned kind = u->kinds[i];

		CGR_TRY(load_lane(u, kind, kinds == 0 || (kinds >> kind & 1) != 0, reterr));
	}
	return u->bytes.at == u->bytes.end ? 0 : cgr_unpack_bad(reterr, "bytes after the last column");
}

static int decode_common(struct cgr_unpacker *u, size_t n, struct cgr_error *reterr)
{
	uint16_t cpus = 0;

	CGR_TRY(cgr_column_take64(&u->common[CGR_COLUMN_TS], NULL, n, u->ts, reterr));
	if (!cgr_loop_ascend(u->ts, n, u->ts_last))
		return cgr_unpack_bad(reterr, "times go backwards");
	u->ts_last = u->ts[n - 1];
	CGR_TRY(cgr_column_take8(&u->common[CGR_COLUMN_KIND], u->ts, n, u->kind, u->wide, reterr));
	CGR_TRY(cgr_column_take16(&u->common[CGR_COLUMN_CPU], u->ts, n, u->cpu, u->wide, reterr));
	for (size_t i = 0; i < n; i++)
		cpus |= u->cpu[i];
	if (cpus >= CGR_LIMIT_CPUS)
		return cgr_unpack_bad(reterr, "CPU number out of range");
	return cgr_column_take32(&u->common[CGR_COLUMN_TASK], u->ts, n, u->task, u->wide, reterr);
}

/* Events per kind in the batch; in four tables, so that runs of one kind do not wait for their own counter. */
static int count_kinds(struct cgr_unpacker *u, size_t n, uint32_t counts[256], struct cgr_error *reterr)
{
	uint32_t seen[4][256] = { 0 };

	for (size_t i = 0; i < n; i++)
		seen[i & 3][u->kind[i]]++;
	for (unsigned k = 0; k < 256; k++) {
		counts[k] = seen[0][k] + seen[1][k] + seen[2][k] + seen[3][k];
		if (counts[k] > (k < CGR_EV_COUNT ? u->lane[k].left : 0))
			return cgr_unpack_bad(reterr, "events per kind do not add up");
	}
	return 0;
}

/* For narrow fields relative to their event's time; for A and B that is added when the event is put together. */
static const uint64_t *lane_times(struct cgr_unpacker *u, const struct lane *lane, unsigned kind, size_t n)
{
	size_t out = 0;

	if (lane->column[CGR_FIELD_FLAGS].encoding != CGR_PACK_TSREL &&
	    lane->column[CGR_FIELD_C].encoding != CGR_PACK_TSREL && lane->column[CGR_FIELD_D].encoding != CGR_PACK_TSREL)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		u->lane_ts[out] = u->ts[i];
		out += u->kind[i] == kind && out + 1 < CGR_UNPACK_BATCH;
	}
	return u->lane_ts;
}

/* The next count events of a kind, into the arenas at position at. n: events of the batch. */
static int decode_lane(struct cgr_unpacker *u, unsigned kind, size_t count, size_t at, size_t n,
                       struct cgr_error *reterr)
{
	struct lane *lane = &u->lane[kind];
	const uint64_t *times = lane_times(u, lane, kind, n);
	size_t each[CGR_FIELDS];

	for (unsigned field = 0; field < CGR_FIELDS; field++)
		each[field] = lane->mask[field] == 0 ? 1 : count;
	lane->a = u->arena_a + at;
	lane->b = u->arena_b + at;
	lane->c = u->arena_c + at;
	lane->d = u->arena_d + at;
	lane->flags = u->arena_flags + at;
	lane->next = 0;
	lane->left -= (uint32_t)count;
	CGR_TRY(cgr_column_take64(&lane->column[CGR_FIELD_A], NULL, each[CGR_FIELD_A], u->arena_a + at, reterr));
	CGR_TRY(cgr_column_take64(&lane->column[CGR_FIELD_B], NULL, each[CGR_FIELD_B], u->arena_b + at, reterr));
	CGR_TRY(cgr_column_take32(&lane->column[CGR_FIELD_C], times, each[CGR_FIELD_C], u->arena_c + at, u->wide, reterr));
	CGR_TRY(cgr_column_take32(&lane->column[CGR_FIELD_D], times, each[CGR_FIELD_D], u->arena_d + at, u->wide, reterr));
	return cgr_column_take8(&lane->column[CGR_FIELD_FLAGS], times, each[CGR_FIELD_FLAGS], u->arena_flags + at, u->wide,
	                        reterr);
}

static int decode_batch(struct cgr_unpacker *u, size_t n, struct cgr_error *reterr)
{
	uint32_t counts[256];
	size_t at = 0;

	CGR_TRY(decode_common(u, n, reterr));
	CGR_TRY(count_kinds(u, n, counts, reterr));
	for (uint32_t i = 0; i < u->kind_count; i++) {
		unsigned kind = u->kinds[i];

		if (counts[kind] == 0)
			continue;
		CGR_TRY(decode_lane(u, kind, counts[kind], at, n, reterr));
		at += counts[kind];
	}
	return 0;
}

/* The fields of one kind into their events. */
static void scatter(const struct cgr_unpacker *u, struct lane *lane, const uint16_t *place, uint32_t count,
                    struct cgr_event *event)
{
	const uint32_t *mask = lane->mask;
	const uint32_t from = lane->next;

	for (uint32_t n = 0; n < count; n++) {
		uint32_t j = from + n;
		size_t i = place[n];
		struct cgr_event *to = &event[i];
		uint64_t ts_ns = u->ts[i];

		to->a = lane->a[j & mask[CGR_FIELD_A]] + (ts_ns & lane->relative_a);
		to->b = lane->b[j & mask[CGR_FIELD_B]] + (ts_ns & lane->relative_b);
		to->c = lane->c[j & mask[CGR_FIELD_C]];
		to->d = lane->d[j & mask[CGR_FIELD_D]];
		to->flags = lane->flags[j & mask[CGR_FIELD_FLAGS]];
	}
	lane->next += count;
}

/* What all events have: in order, because a predicted task is the one that was last on the CPU. */
static void put_heads(struct cgr_unpacker *u, size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		struct cgr_event *e = &u->event[i];
		unsigned kind = u->kind[i];
		uint32_t *current = &u->current[u->cpu[i]];
		uint32_t task = u->task[i] == 0 ? *current : u->task[i] - 1; /* 0 = predicted */

		e->ts_ns = u->ts[i];
		e->task = task;
		e->cpu = u->cpu[i];
		e->kind = (uint8_t)kind;
		*current = cgr_pack_changes_current(kind, CGR_EV_SWITCH, CGR_EV_RUN_START) ? e->c : task;
	}
}

/* The batch as events, when all are wanted: piece by piece, so that a piece stays in the L1 cache; in a piece kind by
 * kind, so that what is the same for all events of a kind stands in registers. */
static void put_all(struct cgr_unpacker *u, size_t n)
{
	uint16_t place[PIECE];

	for (size_t from = 0; from < n; from += PIECE) {
		size_t to = CGR_MIN(from + PIECE, n);
		uint32_t first[CGR_EV_COUNT + 1] = { 0 }, next[CGR_EV_COUNT];

		for (size_t i = from; i < to; i++)
			first[u->kind[i] + 1]++;
		for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++) {
			first[kind + 1] += first[kind];
			next[kind] = first[kind];
		}
		for (size_t i = from; i < to; i++)
			place[next[u->kind[i]]++] = (uint16_t)i;
		for (uint32_t k = 0; k < u->kind_count; k++) {
			unsigned kind = u->kinds[k];

			if (first[kind + 1] > first[kind])
				scatter(u, &u->lane[kind], place + first[kind], first[kind + 1] - first[kind], u->event);
		}
		put_heads(u, from, to);
	}
}

/* The same, where some kinds are left out: event by event; returns how many are wanted. */
static size_t put_wanted(struct cgr_unpacker *u, size_t n)
{
	struct cgr_event *out = u->event;

	for (size_t i = 0; i < n; i++) {
		unsigned kind = u->kind[i];
		struct lane *lane = &u->lane[kind];
		uint32_t j = lane->next++;
		uint32_t c = lane->c[j & lane->mask[CGR_FIELD_C]];
		uint32_t *current = &u->current[u->cpu[i]];
		uint32_t task = u->task[i] == 0 ? *current : u->task[i] - 1;
		uint64_t ts_ns = u->ts[i];

		out->ts_ns = ts_ns;
		out->a = lane->a[j & lane->mask[CGR_FIELD_A]] + (ts_ns & lane->relative_a);
		out->b = lane->b[j & lane->mask[CGR_FIELD_B]] + (ts_ns & lane->relative_b);
		out->c = c;
		out->d = lane->d[j & lane->mask[CGR_FIELD_D]];
		out->task = task;
		out->cpu = u->cpu[i];
		out->kind = (uint8_t)kind;
		out->flags = lane->flags[j & lane->mask[CGR_FIELD_FLAGS]];
		*current = cgr_pack_changes_current(kind, CGR_EV_SWITCH, CGR_EV_RUN_START) ? c : task;
		out += lane->wanted;
	}
	return (size_t)(out - u->event);
}

static size_t put_together(struct cgr_unpacker *u, size_t n)
{
	for (uint32_t k = 0; k < u->kind_count; k++)
		if (u->lane[u->kinds[k]].wanted == 0)
			return put_wanted(u, n);
	put_all(u, n);
	return n;
}

int cgr_unpacker_next(struct cgr_unpacker *u, const struct cgr_event **ret_events, size_t *ret_count,
                      struct cgr_error *reterr)
{
	size_t n = CGR_MIN(CGR_UNPACK_BATCH, u->count - u->next);

	if (n == 0)
		return 0;
	CGR_TRY(decode_batch(u, n, reterr));
	u->next += (uint32_t)n;
	*ret_events = u->event;
	*ret_count = put_together(u, n);
	return 1;
}
