/* Unpacking of event blocks. The bytes come from a file anybody may have written: every length, index and count
 * is checked before use, and a block can not expand beyond CGR_PACK_EVENTS events.
 *
 * Columns are expanded for the whole block; events are put together in batches small enough for the L2 cache,
 * without a branch per event: each kind has a pointer per field and an index mask that is 0 for constants. */
#include "store/pack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/limits.h"
#include "common/util.h"
#include "store/pack_format.h"

struct lane { /* the columns of one kind, ready to be put together */
	const uint64_t *a, *b;
	const uint32_t *c, *d;
	const uint8_t *flags;
	uint32_t mask[CGR_FIELDS]; /* 0: constant column, one element; else all ones */
	uint32_t next, count;
	uint32_t wanted; /* 0 or 1: added to the output position */
};

struct cgr_unpacker {
	ZSTD_DCtx *zstd;
	const uint8_t *at, *end;
	uint32_t count, next;
	uint64_t ts_last;
	struct lane lane[CGR_EV_COUNT];
	uint32_t kinds[CGR_EV_COUNT];
	uint32_t kind_count;
	uint32_t current[CGR_LIMIT_CPUS];
	uint8_t kind[CGR_PACK_EVENTS];
	uint16_t cpu[CGR_PACK_EVENTS];
	uint64_t ts[CGR_PACK_EVENTS];
	uint32_t task[CGR_PACK_EVENTS];
	uint8_t plane[CGR_PACK_EVENTS];
	uint64_t wide[CGR_PACK_EVENTS]; /* a column before it is narrowed */
	uint64_t lane_ts[CGR_PACK_EVENTS]; /* times of the events of one kind, for TSREL */
	uint64_t dict[CGR_PACK_EVENTS];
	struct cgr_event batch[CGR_UNPACK_BATCH + 1];
	/* arena of the lanes: fields of all kinds together never need more than one element per event and field */
	uint64_t arena_a[CGR_PACK_EVENTS + CGR_EV_COUNT], arena_b[CGR_PACK_EVENTS + CGR_EV_COUNT];
	uint32_t arena_c[CGR_PACK_EVENTS + CGR_EV_COUNT], arena_d[CGR_PACK_EVENTS + CGR_EV_COUNT];
	uint8_t arena_flags[CGR_PACK_EVENTS + CGR_EV_COUNT];
};

struct cgr_unpacker *cgr_unpacker_new(void)
{
	struct cgr_unpacker *unpacker = cgr_calloc(1, sizeof(*unpacker));

	if (unpacker == NULL)
		return NULL;
	unpacker->zstd = ZSTD_createDCtx();
	if (unpacker->zstd == NULL)
		return cgr_unpacker_free(unpacker);
	return unpacker;
}

struct cgr_unpacker *cgr_unpacker_free(struct cgr_unpacker *unpacker)
{
	if (unpacker == NULL)
		return NULL;
	(void)ZSTD_freeDCtx(unpacker->zstd);
	free(unpacker);
	return NULL;
}

static int bad(struct cgr_error *reterr, const char *what)
{
	return cgr_error_set(reterr, CGR_E_INPUT, "packed events are damaged: %s; import the recording again", what);
}

static uint32_t get_u32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

static uint64_t get_u64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return value;
}

/* One plane of exactly size bytes; *ret_data points into the block or into buffer. */
static int get_plane(struct cgr_unpacker *u, const uint8_t **at, const uint8_t *end, uint8_t *buffer, size_t size,
                     const uint8_t **ret_data, bool *ret_constant, struct cgr_error *reterr)
{
	uint32_t word, stored;
	size_t got;

	if (end - *at < 4)
		return bad(reterr, "a plane is cut off");
	word = get_u32(*at);
	stored = word & 0x0fffffffu;
	*at += 4;
	if ((size_t)(end - *at) < stored)
		return bad(reterr, "a plane is longer than its column");
	*ret_constant = false;
	*ret_data = buffer;
	switch (word >> 28) {
	case CGR_PLANE_CONST:
		if (stored != 1)
			return bad(reterr, "a constant plane is not one byte");
		*ret_data = *at;
		*ret_constant = true;
		break;
	case CGR_PLANE_RAW:
		if (stored != size)
			return bad(reterr, "a raw plane has another length than its column");
		*ret_data = *at;
		break;
	case CGR_PLANE_ZSTD:
		got = ZSTD_decompressDCtx(u->zstd, buffer, size, *at, stored);
		if (ZSTD_isError(got) || got != size)
			return bad(reterr, ZSTD_isError(got) ? ZSTD_getErrorName(got) : "a plane expands to another length");
		break;
	default:
		return bad(reterr, "unknown plane method");
	}
	*at += stored;
	return 0;
}

struct column {
	unsigned encoding, planes;
	size_t entries;
	uint64_t base, first;
	const uint8_t *at, *end;
};

static int get_column(struct cgr_unpacker *u, struct column *column, struct cgr_error *reterr)
{
	uint32_t size;

	if (u->end - u->at < (ptrdiff_t)CGR_PACK_COLUMN_BYTES)
		return bad(reterr, "a column header is cut off");
	column->encoding = u->at[0];
	column->planes = u->at[1];
	column->entries = (size_t)u->at[2] + ((size_t)u->at[3] << 8) + 1;
	size = get_u32(u->at + 4);
	column->base = get_u64(u->at + 8);
	column->first = get_u64(u->at + 16);
	u->at += CGR_PACK_COLUMN_BYTES;
	if (column->encoding >= CGR_PACK_ENCODINGS || column->planes > 8)
		return bad(reterr, "unknown column encoding");
	if ((size_t)(u->end - u->at) < size)
		return bad(reterr, "a column is cut off");
	column->at = u->at;
	column->end = u->at + size;
	u->at += size;
	return 0;
}

/* Adds plane p into wide[]. */
static void merge_plane(uint64_t *restrict wide, const uint8_t *restrict data, bool constant, unsigned p, size_t count)
{
	if (p == 0 && constant) {
		for (size_t i = 0; i < count; i++)
			wide[i] = data[0];
	} else if (p == 0) {
		for (size_t i = 0; i < count; i++)
			wide[i] = data[i];
	} else if (constant) {
		uint64_t add = (uint64_t)data[0] << (8 * p);

		for (size_t i = 0; add != 0 && i < count; i++)
			wide[i] |= add;
	} else {
		for (size_t i = 0; i < count; i++)
			wide[i] |= (uint64_t)data[i] << (8 * p);
	}
}

static int look_up(struct cgr_unpacker *u, size_t entries, size_t count, struct cgr_error *reterr)
{
	uint64_t largest = 0;

	for (size_t i = 0; i < count; i++)
		largest = CGR_MAX(largest, u->wide[i]);
	if (largest >= entries)
		return bad(reterr, "an index is outside its dictionary");
	for (size_t i = 0; i < count; i++)
		u->wide[i] = u->dict[u->wide[i]];
	return 0;
}

/* Expands a column into wide[0..count). */
static int expand(struct cgr_unpacker *u, const struct column *column, size_t count, struct cgr_error *reterr)
{
	const uint8_t *at = column->at, *data;
	uint64_t *restrict wide = u->wide;
	uint64_t base = column->base, value = column->first;
	bool constant;

	if (column->encoding == CGR_PACK_DICT) {
		CGR_TRY(get_plane(u, &at, column->end, (uint8_t *)u->dict, column->entries * sizeof(uint64_t), &data, &constant,
		                  reterr));
		if (constant)
			memset(u->dict, data[0], column->entries * sizeof(uint64_t));
		else if (data != (const uint8_t *)u->dict)
			memcpy(u->dict, data, column->entries * sizeof(uint64_t));
	}
	if (column->planes == 0)
		memset(wide, 0, count * sizeof(uint64_t));
	for (unsigned p = 0; p < column->planes; p++) {
		CGR_TRY(get_plane(u, &at, column->end, u->plane, count, &data, &constant, reterr));
		merge_plane(wide, data, constant, p, count);
	}
	switch (column->encoding) {
	case CGR_PACK_DELTA:
		wide[0] = value;
		for (size_t i = 1; i < count; i++)
			wide[i] = value += wide[i] + base;
		return 0;
	case CGR_PACK_DICT:
		return look_up(u, column->entries, count, reterr);
	case CGR_PACK_TSREL:
		for (size_t i = 0; i < count; i++)
			wide[i] += u->lane_ts[i] + base;
		return 0;
	default:
		for (size_t i = 0; i < count; i++)
			wide[i] += base;
		return 0;
	}
}

/* Largest value of wide[], for range checks. */
static uint64_t largest_of(const uint64_t *wide, size_t count)
{
	uint64_t largest = 0;

	for (size_t i = 0; i < count; i++)
		largest |= wide[i];
	return largest;
}

static int load_kinds(struct cgr_unpacker *u, struct cgr_error *reterr)
{
	struct column column;
	uint32_t seen[256] = { 0 };
	uint64_t largest;

	CGR_TRY(get_column(u, &column, reterr));
	CGR_TRY(expand(u, &column, u->count, reterr));
	largest = largest_of(u->wide, u->count);
	if (largest > 255)
		return bad(reterr, "unknown event kind");
	for (size_t i = 0; i < u->count; i++) {
		u->kind[i] = (uint8_t)u->wide[i];
		seen[u->kind[i]]++;
	}
	for (unsigned k = 0; k < 256; k++) {
		if (seen[k] != (k < CGR_EV_COUNT ? u->lane[k].count : 0))
			return bad(reterr, "events per kind do not add up");
	}
	return 0;
}

static int load_common(struct cgr_unpacker *u, struct cgr_error *reterr)
{
	struct column column;

	CGR_TRY(load_kinds(u, reterr));
	CGR_TRY(get_column(u, &column, reterr));
	CGR_TRY(expand(u, &column, u->count, reterr));
	memcpy(u->ts, u->wide, u->count * sizeof(uint64_t));
	for (size_t i = 1; i < u->count; i++) {
		if (u->ts[i] < u->ts[i - 1])
			return bad(reterr, "times go backwards");
	}
	CGR_TRY(get_column(u, &column, reterr));
	CGR_TRY(expand(u, &column, u->count, reterr));
	if (largest_of(u->wide, u->count) >= CGR_LIMIT_CPUS)
		return bad(reterr, "CPU number out of range");
	for (size_t i = 0; i < u->count; i++)
		u->cpu[i] = (uint16_t)u->wide[i];
	CGR_TRY(get_column(u, &column, reterr));
	CGR_TRY(expand(u, &column, u->count, reterr));
	if (largest_of(u->wide, u->count) > UINT32_MAX)
		return bad(reterr, "task id out of range");
	for (size_t i = 0; i < u->count; i++)
		u->task[i] = (uint32_t)(u->wide[i] - 1); /* 0 = predicted becomes CGR_ID_NONE, which no event carries */
	return 0;
}

/* How many elements the arena must hold: 1 for a constant column. */
static uint32_t elements(const struct column *column, uint32_t count)
{
	return column->encoding == CGR_PACK_CONST ? 1 : count;
}

static int load_field(struct cgr_unpacker *u, struct lane *lane, unsigned field, size_t arena_at,
                      struct cgr_error *reterr)
{
	static const uint64_t limit[CGR_FIELDS] = { 0xff, UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX };
	struct column column;
	uint32_t count;

	CGR_TRY(get_column(u, &column, reterr));
	count = elements(&column, lane->count);
	CGR_TRY(expand(u, &column, count, reterr));
	if ((largest_of(u->wide, count) & ~limit[field]) != 0)
		return bad(reterr, "a field is out of range");
	lane->mask[field] = column.encoding == CGR_PACK_CONST ? 0 : UINT32_MAX;
	switch (field) {
	case CGR_FIELD_FLAGS:
		for (size_t i = 0; i < count; i++)
			u->arena_flags[arena_at + i] = (uint8_t)u->wide[i];
		break;
	case CGR_FIELD_A:
		memcpy(u->arena_a + arena_at, u->wide, count * sizeof(uint64_t));
		break;
	case CGR_FIELD_B:
		memcpy(u->arena_b + arena_at, u->wide, count * sizeof(uint64_t));
		break;
	case CGR_FIELD_C:
		for (size_t i = 0; i < count; i++)
			u->arena_c[arena_at + i] = (uint32_t)u->wide[i];
		break;
	default:
		for (size_t i = 0; i < count; i++)
			u->arena_d[arena_at + i] = (uint32_t)u->wide[i];
		break;
	}
	return 0;
}

static void lane_times(struct cgr_unpacker *u, unsigned kind)
{
	size_t out = 0;

	for (size_t i = 0; i < u->count; i++) {
		u->lane_ts[out] = u->ts[i];
		out += u->kind[i] == kind && out + 1 < CGR_PACK_EVENTS;
	}
}

static bool uses_times(const struct cgr_unpacker *u)
{
	const uint8_t *at = u->at;

	for (unsigned field = 0; field < CGR_FIELDS; field++) {
		uint32_t size;

		if (u->end - at < (ptrdiff_t)CGR_PACK_COLUMN_BYTES)
			return false;
		if (at[0] == CGR_PACK_TSREL)
			return true;
		size = get_u32(at + 4);
		at += CGR_PACK_COLUMN_BYTES;
		if ((size_t)(u->end - at) < size)
			return false;
		at += size;
	}
	return false;
}

static int load_lane(struct cgr_unpacker *u, unsigned kind, bool wanted, size_t arena_at, struct cgr_error *reterr)
{
	struct lane *lane = &u->lane[kind];
	bool needed = wanted || cgr_pack_changes_current(kind, CGR_EV_SWITCH, CGR_EV_RUN_START);

	lane->a = u->arena_a + arena_at;
	lane->b = u->arena_b + arena_at;
	lane->c = u->arena_c + arena_at;
	lane->d = u->arena_d + arena_at;
	lane->flags = u->arena_flags + arena_at;
	lane->wanted = wanted;
	memset(lane->mask, 0, sizeof(lane->mask));
	if (needed && uses_times(u))
		lane_times(u, kind);
	for (unsigned field = 0; field < CGR_FIELDS; field++) {
		struct column column;

		/* of an unwanted switch only the next task is needed: it tells whose events follow */
		if (needed && (wanted || field == CGR_FIELD_C))
			CGR_TRY(load_field(u, lane, field, arena_at, reterr));
		else
			CGR_TRY(get_column(u, &column, reterr));
	}
	return 0;
}

static int load_head(struct cgr_unpacker *u, struct cgr_error *reterr)
{
	uint64_t total = 0;

	if (u->end - u->at < (ptrdiff_t)CGR_PACK_HEAD_BYTES || get_u32(u->at) != CGR_PACK_MAGIC)
		return bad(reterr, "not a block of events");
	if (get_u32(u->at + 4) != CGR_PACK_VERSION)
		return bad(reterr, "unknown version of the packing");
	u->count = get_u32(u->at + 8);
	u->kind_count = get_u32(u->at + 12);
	u->at += CGR_PACK_HEAD_BYTES;
	if (u->count == 0 || u->count > CGR_PACK_EVENTS || u->kind_count > CGR_EV_COUNT)
		return bad(reterr, "impossible number of events");
	if ((size_t)(u->end - u->at) < u->kind_count * 8u)
		return bad(reterr, "the list of kinds is cut off");
	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++)
		u->lane[kind].count = u->lane[kind].next = 0;
	for (uint32_t i = 0; i < u->kind_count; i++, u->at += 8) {
		uint32_t kind = get_u32(u->at);

		if (kind >= CGR_EV_COUNT || (i > 0 && kind <= u->kinds[i - 1]))
			return bad(reterr, "unknown event kind");
		u->kinds[i] = kind;
		u->lane[kind].count = get_u32(u->at + 4);
		total += u->lane[kind].count;
		if (u->lane[kind].count == 0)
			return bad(reterr, "a kind without events");
	}
	return total == u->count ? 0 : bad(reterr, "events per kind do not add up");
}

int cgr_unpacker_load(struct cgr_unpacker *u, const uint8_t *bytes, size_t size, uint64_t kinds,
                      struct cgr_error *reterr)
{
	size_t arena_at = 0;

	u->at = bytes;
	u->end = bytes + size;
	u->next = u->count = 0;
	CGR_TRY(load_head(u, reterr));
	CGR_TRY(load_common(u, reterr));
	memset(u->current, 0xff, sizeof(u->current));
	for (uint32_t i = 0; i < u->kind_count; i++) {
		unsigned kind = u->kinds[i];

		CGR_TRY(load_lane(u, kind, kinds == 0 || (kinds >> kind & 1) != 0, arena_at, reterr));
		arena_at += u->lane[kind].count;
	}
	if (u->at != u->end)
		return bad(reterr, "bytes after the last column");
	return 0;
}

int cgr_unpacker_next(struct cgr_unpacker *u, const struct cgr_event **ret_events, size_t *ret_count)
{
	uint32_t stop = CGR_MIN(u->next + CGR_UNPACK_BATCH, u->count);
	struct cgr_event *out = u->batch;

	if (u->next == u->count)
		return 0;
	for (uint32_t i = u->next; i < stop; i++) {
		unsigned kind = u->kind[i];
		struct lane *lane = &u->lane[kind];
		uint32_t j = lane->next++;
		uint32_t c = lane->c[j & lane->mask[CGR_FIELD_C]];
		uint32_t *current = &u->current[u->cpu[i]];
		uint32_t task = u->task[i] == CGR_ID_NONE ? *current : u->task[i];

		out->ts_ns = u->ts[i];
		out->a = lane->a[j & lane->mask[CGR_FIELD_A]];
		out->b = lane->b[j & lane->mask[CGR_FIELD_B]];
		out->c = c;
		out->d = lane->d[j & lane->mask[CGR_FIELD_D]];
		out->task = task;
		out->cpu = u->cpu[i];
		out->kind = (uint8_t)kind;
		out->flags = lane->flags[j & lane->mask[CGR_FIELD_FLAGS]];
		*current = cgr_pack_changes_current(kind, CGR_EV_SWITCH, CGR_EV_RUN_START) ? c : task;
		out += lane->wanted;
	}
	u->next = stop;
	*ret_events = u->batch;
	*ret_count = (size_t)(out - u->batch);
	return 1;
}
