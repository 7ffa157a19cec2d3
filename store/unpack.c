/* Unpacking of event blocks. The bytes come from a file anybody may have written: every length, index and count
 * is checked before use, and a block can not expand beyond CGR_PACK_EVENTS events.
 *
 * Loading a block decompresses the byte planes of its columns, some bytes per event; the columns themselves are
 * decoded batch by batch, so that a batch stays in the L2 cache from its planes to the caller. Events are put together
 * without a branch per event: sorted by kind, each column of a kind goes straight into the field of its events. */
#include <stdbool.h>
#include <stddef.h>
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

#define QUARTERS 4u

struct lane { /* the columns of one kind */
	struct cgr_column column[CGR_FIELDS];
	struct cgr_event constant; /* what its constant columns hold */
	bool varies[CGR_FIELDS];
	bool wanted;
	bool needed; /* wanted, or tells who runs */
	uint32_t left; /* events of the block not decoded yet */
};

struct cgr_unpacker {
	struct cgr_unpack_bytes bytes;
	uint32_t count, next; /* events of the block */
	uint64_t ts_last;
	struct cgr_column common[CGR_COLUMNS_COMMON];
	struct lane lane[CGR_EV_COUNT];
	uint32_t kinds[CGR_EV_COUNT];
	uint32_t kind_count;
	bool all_wanted;
	uint32_t current[CGR_LIMIT_CPUS + 1]; /* the last one: where put_heads writes what is not to be kept */
	uint32_t changes[CGR_EV_COUNT]; /* all ones: the event tells who runs from then on */
	uint64_t tail[CGR_EV_COUNT]; /* kind and constant flags where they stand in the last 8 bytes of an event */
	/* of the batch */
	struct cgr_column_room times; /* wide: of the events */
	uint32_t task[CGR_UNPACK_BATCH];
	uint16_t cpu[CGR_UNPACK_BATCH];
	uint8_t kind[CGR_UNPACK_BATCH];
	uint16_t place[CGR_UNPACK_BATCH]; /* events by kind, of a kind in order */
	uint16_t first[CGR_EV_COUNT + 1]; /* where a kind begins in it */
	struct cgr_column_room room;
	struct cgr_event event[CGR_UNPACK_BATCH];
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

static void set_constant(struct lane *lane, unsigned field, uint64_t value)
{
	switch (field) {
	case CGR_FIELD_FLAGS:
		lane->constant.flags = (uint8_t)value;
		break;
	case CGR_FIELD_A:
		lane->constant.a = value;
		break;
	case CGR_FIELD_B:
		lane->constant.b = value;
		break;
	case CGR_FIELD_C:
		lane->constant.c = (uint32_t)value;
		break;
	default:
		lane->constant.d = (uint32_t)value;
		break;
	}
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

		lane->varies[field] = false;
		/* of an unwanted switch only the next task is needed: it tells whose events follow */
		if (!lane->needed || (!wanted && field != CGR_FIELD_C)) {
			CGR_TRY(cgr_column_skip(&u->bytes, reterr));
			continue;
		}
		CGR_TRY(cgr_column_open(column, &u->bytes, lane->left, bits[field], reterr));
		lane->varies[field] = column->encoding != CGR_PACK_CONST;
		if (lane->varies[field])
			continue;
		set_constant(lane, field, column->base);
	}
	return 0;
}

static void prepare_heads(struct cgr_unpacker *u, unsigned kind)
{
	const struct cgr_event *constant = &u->lane[kind].constant;
	uint8_t flags = u->lane[kind].varies[CGR_FIELD_FLAGS] ? 0 : constant->flags;

	u->changes[kind] = cgr_pack_changes_current(kind, CGR_EV_SWITCH, CGR_EV_RUN_START) ? UINT32_MAX : 0;
	u->tail[kind] = (uint64_t)kind << 48 | (uint64_t)flags << 56;
}

int cgr_unpacker_load(struct cgr_unpacker *u, const uint8_t *bytes, size_t size, uint64_t kinds,
                      struct cgr_error *reterr)
{
	u->bytes.at = bytes;
	u->bytes.end = bytes + size;
	u->bytes.used = 0;
	u->next = u->count = 0;
	u->ts_last = 0;
	u->all_wanted = true;
	CGR_TRY(load_head(u, reterr));
	CGR_TRY(load_common(u, reterr));
	memset(u->current, 0xff, sizeof(u->current));
	for (uint32_t i = 0; i < u->kind_count; i++) {
		bool wanted = kinds == 0 || (kinds >> u->kinds[i] & 1) != 0;

		u->all_wanted &= wanted;
		CGR_TRY(load_lane(u, u->kinds[i], wanted, reterr));
		prepare_heads(u, u->kinds[i]);
	}
	return u->bytes.at == u->bytes.end ? 0 : cgr_unpack_bad(reterr, "bytes after the last column");
}

static int next_common(struct cgr_unpacker *u, enum cgr_pack_common column, size_t n, struct cgr_piece *ret_piece,
                       struct cgr_error *reterr)
{
	return cgr_column_next(&u->common[column], u->times.wide, NULL, n, &u->room, ret_piece, reterr);
}

static int decode_common(struct cgr_unpacker *u, size_t n, struct cgr_error *reterr)
{
	bool ascends = cgr_column_ascends(&u->common[CGR_COLUMN_TS]);
	struct cgr_piece piece;

	CGR_TRY(cgr_column_next(&u->common[CGR_COLUMN_TS], NULL, NULL, n, &u->times, &piece, reterr));
	if (piece.form != CGR_PIECE_WIDE)
		cgr_fill64(u->times.wide, &piece, n);
	if (!ascends && !cgr_loop_ascend(u->times.wide, n, u->ts_last))
		return cgr_unpack_bad(reterr, "times go backwards");
	u->ts_last = u->times.wide[n - 1];
	CGR_TRY(next_common(u, CGR_COLUMN_KIND, n, &piece, reterr));
	cgr_fill8(u->kind, &piece, n);
	CGR_TRY(next_common(u, CGR_COLUMN_CPU, n, &piece, reterr));
	cgr_fill16(u->cpu, &piece, n);
	if (cgr_loop_largest16(u->cpu, n) >= CGR_LIMIT_CPUS)
		return cgr_unpack_bad(reterr, "CPU number out of range");
	CGR_TRY(next_common(u, CGR_COLUMN_TASK, n, &piece, reterr));
	cgr_fill32(u->task, &piece, n);
	return 0;
}

/* Sorts the events of the batch by kind into place[]. Each quarter of the batch counts by itself, so that a run of one
 * kind does not wait for its own counter. */
static int sort_by_kind(struct cgr_unpacker *u, size_t n, struct cgr_error *reterr)
{
	uint32_t next[QUARTERS][CGR_EV_COUNT] = { 0 };
	size_t quarter = n / QUARTERS, at = 0;

	if (cgr_loop_largest8(u->kind, n) >= CGR_EV_COUNT)
		return cgr_unpack_bad(reterr, "unknown event kind");
	for (size_t i = 0; i < quarter; i++)
#pragma GCC unroll 4
		for (size_t q = 0; q < QUARTERS; q++)
			next[q][u->kind[q * quarter + i]]++;
	for (size_t i = QUARTERS * quarter; i < n; i++)
		next[QUARTERS - 1][u->kind[i]]++;
	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++) {
		u->first[kind] = (uint16_t)at;
		for (size_t q = 0; q < QUARTERS; q++) {
			size_t count = next[q][kind];

			next[q][kind] = (uint32_t)at;
			at += count;
		}
		if (at - u->first[kind] > u->lane[kind].left)
			return cgr_unpack_bad(reterr, "events per kind do not add up");
	}
	u->first[CGR_EV_COUNT] = (uint16_t)at;
	for (size_t i = 0; i < quarter; i++)
#pragma GCC unroll 4
		for (size_t q = 0; q < QUARTERS; q++)
			u->place[next[q][u->kind[q * quarter + i]]++] = (uint16_t)(q * quarter + i);
	for (size_t i = QUARTERS * quarter; i < n; i++)
		u->place[next[QUARTERS - 1][u->kind[i]]++] = (uint16_t)i;
	return 0;
}

/* One field of the events of a kind. */
static int decode_field(struct cgr_unpacker *u, unsigned kind, unsigned field, struct cgr_error *reterr)
{
	static cgr_fill_field *const fill[CGR_FIELDS] = { [CGR_FIELD_FLAGS] = cgr_fill_flags,
		                                              [CGR_FIELD_A] = cgr_fill_a,
		                                              [CGR_FIELD_B] = cgr_fill_b,
		                                              [CGR_FIELD_C] = cgr_fill_c,
		                                              [CGR_FIELD_D] = cgr_fill_d };
	struct lane *lane = &u->lane[kind];
	const uint16_t *place = u->place + u->first[kind];
	size_t count = (size_t)u->first[kind + 1] - u->first[kind];
	struct cgr_piece piece;

	CGR_TRY(cgr_column_next(&lane->column[field], u->times.wide, place, count, &u->room, &piece, reterr));
	fill[field](u->event, place, &piece, count);
	return 0;
}

/* Two fields: constants together, others one by one. */
static int decode_pair(struct cgr_unpacker *u, unsigned kind, unsigned field, cgr_fill_constant *both,
                       struct cgr_error *reterr)
{
	const struct lane *lane = &u->lane[kind];

	if (!lane->varies[field] && !lane->varies[field + 1]) {
		both(u->event, u->place + u->first[kind], &lane->constant, (size_t)u->first[kind + 1] - u->first[kind]);
		return 0;
	}
	CGR_TRY(decode_field(u, kind, field, reterr));
	return decode_field(u, kind, field + 1, reterr);
}

/* The fields of one kind but its flags. */
static int decode_lane(struct cgr_unpacker *u, unsigned kind, struct cgr_error *reterr)
{
	struct lane *lane = &u->lane[kind];
	uint32_t count = (uint32_t)u->first[kind + 1] - u->first[kind];

	lane->left -= count;
	if (count == 0 || !lane->needed)
		return 0;
	if (!lane->wanted)
		return decode_field(u, kind, CGR_FIELD_C, reterr);
	CGR_TRY(decode_pair(u, kind, CGR_FIELD_A, cgr_fill_constant_ab, reterr));
	return decode_pair(u, kind, CGR_FIELD_C, cgr_fill_constant_cd, reterr);
}

/* Constant ones came with the heads. */
static int decode_flags(struct cgr_unpacker *u, unsigned kind, struct cgr_error *reterr)
{
	return u->lane[kind].varies[CGR_FIELD_FLAGS] ? decode_field(u, kind, CGR_FIELD_FLAGS, reterr) : 0;
}

_Static_assert(offsetof(struct cgr_event, task) == 32 && offsetof(struct cgr_event, cpu) == 36 &&
                   offsetof(struct cgr_event, kind) == 38 && offsetof(struct cgr_event, flags) == 39,
               "put_head stores the last 8 bytes of an event as one number");

/* The time, and task, CPU, kind and flags at once. */
static inline void put_head(struct cgr_event *event, uint64_t ts_ns, uint64_t tail, uint32_t cpu, uint32_t task)
{
	tail |= (uint64_t)cpu << 32 | task;
	event->ts_ns = ts_ns;
	memcpy(&event->task, &tail, sizeof(tail));
}

/* What all events have, in order, because a predicted task is the one that was last on the CPU. Who runs is written
 * only where that changes: the next event need not wait for a store that changes nothing. */
static void put_heads(struct cgr_unpacker *u, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct cgr_event *e = &u->event[i];
		uint32_t kind = u->kind[i], cpu = u->cpu[i], told = u->task[i]; /* told: 0 = predicted */
		uint32_t predicted = 0u - (told == 0);
		uint32_t task = (u->current[cpu] & predicted) | ((told - 1) & ~predicted);
		uint32_t changes = u->changes[kind];
		uint32_t same = predicted & ~changes;

		put_head(e, u->times.wide[i], u->tail[kind], cpu, task);
		u->current[(cpu & ~same) | (CGR_LIMIT_CPUS & same)] = (e->c & changes) | (task & ~changes);
	}
}

/* The same for a batch whose tasks are all predicted, as nearly all are. */
static void put_predicted_heads(struct cgr_unpacker *u, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		struct cgr_event *e = &u->event[i];
		uint32_t kind = u->kind[i], cpu = u->cpu[i], changes = u->changes[kind];

		put_head(e, u->times.wide[i], u->tail[kind], cpu, u->current[cpu]);
		u->current[(cpu & changes) | (CGR_LIMIT_CPUS & ~changes)] = e->c;
	}
}

/* Moves the wanted events together; returns how many there are. */
static size_t drop_unwanted(struct cgr_unpacker *u, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		u->event[kept] = u->event[i];
		kept += u->lane[u->event[i].kind].wanted;
	}
	return kept;
}

int cgr_unpacker_next(struct cgr_unpacker *u, const struct cgr_event **ret_events, size_t *ret_count,
                      struct cgr_error *reterr)
{
	size_t n = CGR_MIN(CGR_UNPACK_BATCH, u->count - u->next);

	if (n == 0)
		return 0;
	CGR_TRY(decode_common(u, n, reterr));
	CGR_TRY(sort_by_kind(u, n, reterr));
	for (uint32_t i = 0; i < u->kind_count; i++)
		CGR_TRY(decode_lane(u, u->kinds[i], reterr));
	if (cgr_loop_largest32(u->task, n) == 0)
		put_predicted_heads(u, n);
	else
		put_heads(u, n);
	for (uint32_t i = 0; i < u->kind_count; i++)
		CGR_TRY(decode_flags(u, u->kinds[i], reterr));
	u->next += (uint32_t)n;
	*ret_events = u->event;
	*ret_count = u->all_wanted ? n : drop_unwanted(u, n);
	return 1;
}
