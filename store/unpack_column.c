#include "store/unpack_column.h"

#include <string.h>

#include "common/util.h"
#include "store/pack_format.h"

int cgr_unpack_bad(struct cgr_error *reterr, const char *what)
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

/* Numbers are decoded in place behind planes of any length: keep them aligned. */
static uint8_t *take_room(struct cgr_unpack_bytes *bytes, size_t size)
{
	size_t aligned = (size + 7) & ~(size_t)7;
	uint8_t *room = bytes->room + bytes->used;

	if (bytes->capacity - bytes->used < aligned)
		return NULL;
	bytes->used += aligned;
	return room;
}

/* One plane of exactly size bytes; *ret_data points into the block or into the room. */
static int get_plane(struct cgr_unpack_bytes *bytes, const uint8_t **at, const uint8_t *end, size_t size,
                     const uint8_t **ret_data, bool *ret_constant, struct cgr_error *reterr)
{
	uint32_t word, stored;
	uint8_t *room;
	size_t got;

	if (end - *at < 4)
		return cgr_unpack_bad(reterr, "a plane is cut off");
	word = get_u32(*at);
	stored = word & 0x0fffffffu;
	*at += 4;
	if ((size_t)(end - *at) < stored)
		return cgr_unpack_bad(reterr, "a plane is longer than its column");
	*ret_data = *at;
	*ret_constant = word >> 28 == CGR_PLANE_CONST;
	switch (word >> 28) {
	case CGR_PLANE_CONST:
		if (stored != 1)
			return cgr_unpack_bad(reterr, "a constant plane is not one byte");
		break;
	case CGR_PLANE_RAW:
		if (stored != size)
			return cgr_unpack_bad(reterr, "a raw plane has another length than its column");
		break;
	case CGR_PLANE_ZSTD:
		room = take_room(bytes, size);
		if (room == NULL)
			return cgr_unpack_bad(reterr, "more planes than a block can have");
		got = ZSTD_decompressDCtx(bytes->zstd, room, size, *at, stored);
		if (ZSTD_isError(got) || got != size)
			return cgr_unpack_bad(reterr,
			                      ZSTD_isError(got) ? ZSTD_getErrorName(got) : "a plane expands to another length");
		*ret_data = room;
		break;
	default:
		return cgr_unpack_bad(reterr, "unknown plane method");
	}
	*at += stored;
	return 0;
}

struct head {
	unsigned planes;
	const uint8_t *at, *end;
};

static int get_head(struct cgr_column *column, struct cgr_unpack_bytes *bytes, struct head *head,
                    struct cgr_error *reterr)
{
	uint32_t size;

	if (bytes->end - bytes->at < (ptrdiff_t)CGR_PACK_COLUMN_BYTES)
		return cgr_unpack_bad(reterr, "a column header is cut off");
	*column = (struct cgr_column){ .encoding = bytes->at[0],
		                           .entries = (uint32_t)bytes->at[2] + ((uint32_t)bytes->at[3] << 8) + 1,
		                           .base = get_u64(bytes->at + 8),
		                           .value = get_u64(bytes->at + 16) };
	head->planes = bytes->at[1];
	size = get_u32(bytes->at + 4);
	bytes->at += CGR_PACK_COLUMN_BYTES;
	if (column->encoding >= CGR_PACK_ENCODINGS || head->planes > 8)
		return cgr_unpack_bad(reterr, "unknown column encoding");
	if ((size_t)(bytes->end - bytes->at) < size)
		return cgr_unpack_bad(reterr, "a column is cut off");
	head->at = bytes->at;
	head->end = bytes->at + size;
	bytes->at += size;
	return 0;
}

/* The dictionary, in the width of the column: its values are all in use, so one that does not fit is damage. */
static int get_dict(struct cgr_column *column, struct cgr_unpack_bytes *bytes, struct head *head,
                    struct cgr_error *reterr)
{
	size_t size = column->entries * sizeof(uint64_t);
	uint8_t *dict = take_room(bytes, size);
	const uint8_t *data;
	bool constant;

	CGR_TRY(get_plane(bytes, &head->at, head->end, size, &data, &constant, reterr));
	if (dict == NULL)
		return cgr_unpack_bad(reterr, "more dictionaries than a block can have");
	column->dict = dict;
	for (size_t i = 0; i < column->entries; i++) {
		uint64_t value = constant ? data[0] * 0x0101010101010101ull : get_u64(data + i * sizeof(value));
		uint32_t narrow = (uint32_t)value;

		if (column->bits < 64 && value >> column->bits != 0)
			return cgr_unpack_bad(reterr, "a field is out of range");
		if (column->bits == 32)
			memcpy(dict + i * sizeof(narrow), &narrow, sizeof(narrow));
		else
			memcpy(dict + i * sizeof(value), &value, sizeof(value));
	}
	return 0;
}

static int get_planes(struct cgr_column *column, struct cgr_unpack_bytes *bytes, struct head *head, size_t count,
                      struct cgr_error *reterr)
{
	struct cgr_planes *planes = &column->planes;
	uint64_t largest = 0;

	for (unsigned p = 0; p < head->planes; p++) {
		const uint8_t *data;
		bool constant;

		CGR_TRY(get_plane(bytes, &head->at, head->end, count, &data, &constant, reterr));
		if (constant) {
			planes->fixed |= (uint64_t)data[0] << (8 * p);
			continue;
		}
		planes->data[planes->count] = data;
		planes->shift[planes->count++] = 8 * p;
		largest |= 0xffull << (8 * p);
	}
	largest |= planes->fixed;
	if (column->encoding == CGR_PACK_DICT)
		column->narrow = column->bits == 32 && largest <= UINT32_MAX;
	else if (column->encoding == CGR_PACK_CONST || column->encoding == CGR_PACK_FOR)
		column->narrow = largest <= UINT32_MAX && column->base <= UINT32_MAX - largest;
	return 0;
}

int cgr_column_open(struct cgr_column *column, struct cgr_unpack_bytes *bytes, size_t count, unsigned bits,
                    struct cgr_error *reterr)
{
	struct head head;

	CGR_TRY(get_head(column, bytes, &head, reterr));
	column->bits = bits;
	if (column->encoding == CGR_PACK_CONST && head.planes != 0)
		return cgr_unpack_bad(reterr, "a constant column with planes");
	if (column->encoding == CGR_PACK_DICT) {
		if (column->entries > count)
			return cgr_unpack_bad(reterr, "a dictionary larger than its column");
		CGR_TRY(get_dict(column, bytes, &head, reterr));
	}
	return get_planes(column, bytes, &head, count, reterr);
}

int cgr_column_skip(struct cgr_unpack_bytes *bytes, struct cgr_error *reterr)
{
	struct cgr_column column;
	struct head head;

	return get_head(&column, bytes, &head, reterr);
}

bool cgr_column_is_constant(const struct cgr_column *column)
{
	return column->encoding == CGR_PACK_CONST;
}

static void advance(struct cgr_column *column, size_t count)
{
	for (unsigned p = 0; p < column->planes.count; p++)
		column->planes.data[p] += count;
}

static void sum(struct cgr_column *column, size_t count, uint64_t *out)
{
	const struct cgr_planes *planes = &column->planes;
	uint64_t before = column->value;

	if (count == 0)
		return;
	if (!column->started) { /* the header tells the first element, whatever its planes hold */
		before -= column->base + planes->fixed;
		for (unsigned p = 0; p < planes->count; p++)
			before -= (uint64_t)planes->data[p][0] << planes->shift[p];
	}
	column->started = true;
	column->value = cgr_loop_sum64(out, planes, count, column->base, before);
}

static int bad_index(struct cgr_error *reterr)
{
	return cgr_unpack_bad(reterr, "an index is outside its dictionary");
}

int cgr_column_take64(struct cgr_column *column, const uint64_t *times, size_t count, uint64_t *out,
                      struct cgr_error *reterr)
{
	switch (column->encoding) {
	case CGR_PACK_DELTA:
		sum(column, count, out);
		break;
	case CGR_PACK_DICT:
		if (column->bits == 32) /* not narrow: indices of more than 32 bits can not be right */
			return bad_index(reterr);
		if (!cgr_loop_look64(out, &column->planes, count, column->dict, column->entries))
			return bad_index(reterr);
		break;
	case CGR_PACK_TSREL:
		if (times != NULL)
			cgr_loop_relative64(out, &column->planes, count, column->base, times);
		else
			cgr_loop_add64(out, &column->planes, count, column->base);
		break;
	default:
		cgr_loop_add64(out, &column->planes, count, column->base);
		break;
	}
	advance(column, count);
	return 0;
}

/* What the narrow loops do not cover: through 64 bits. */
static int take_wide(struct cgr_column *column, const uint64_t *times, size_t count, uint64_t *wide,
                     struct cgr_error *reterr)
{
	CGR_TRY(cgr_column_take64(column, times, count, wide, reterr));
	return cgr_loop_union64(wide, count) >> column->bits == 0 ? 0 : cgr_unpack_bad(reterr, "a field is out of range");
}

static int check_union(const struct cgr_column *column, uint32_t all, struct cgr_error *reterr)
{
	return all >> column->bits == 0 ? 0 : cgr_unpack_bad(reterr, "a field is out of range");
}

int cgr_column_take8(struct cgr_column *column, const uint64_t *times, size_t count, uint8_t *out, uint64_t *wide,
                     struct cgr_error *reterr)
{
	if (column->narrow) {
		uint32_t all = cgr_loop_add8(out, &column->planes, count, (uint32_t)column->base);

		advance(column, count);
		return check_union(column, all, reterr);
	}
	CGR_TRY(take_wide(column, times, count, wide, reterr));
	for (size_t i = 0; i < count; i++)
		out[i] = (uint8_t)wide[i];
	return 0;
}

int cgr_column_take16(struct cgr_column *column, const uint64_t *times, size_t count, uint16_t *out, uint64_t *wide,
                      struct cgr_error *reterr)
{
	if (column->narrow) {
		uint32_t all = cgr_loop_add16(out, &column->planes, count, (uint32_t)column->base);

		advance(column, count);
		return check_union(column, all, reterr);
	}
	CGR_TRY(take_wide(column, times, count, wide, reterr));
	for (size_t i = 0; i < count; i++)
		out[i] = (uint16_t)wide[i];
	return 0;
}

int cgr_column_take32(struct cgr_column *column, const uint64_t *times, size_t count, uint32_t *out, uint64_t *wide,
                      struct cgr_error *reterr)
{
	if (column->narrow) {
		bool whole = true;

		if (column->encoding == CGR_PACK_DICT)
			whole = cgr_loop_look32(out, &column->planes, count, column->dict, column->entries);
		else
			cgr_loop_add32(out, &column->planes, count, (uint32_t)column->base);
		advance(column, count);
		return whole ? 0 : bad_index(reterr);
	}
	CGR_TRY(take_wide(column, times, count, wide, reterr));
	for (size_t i = 0; i < count; i++)
		out[i] = (uint32_t)wide[i];
	return 0;
}
