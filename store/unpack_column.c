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

/* The dictionary; its values are all in use, so one that does not fit the field is damage. */
static int get_dict(struct cgr_column *column, struct cgr_unpack_bytes *bytes, struct head *head,
                    struct cgr_error *reterr)
{
	size_t size = column->entries * sizeof(uint64_t);
	uint8_t *room = take_room(bytes, size);
	const uint8_t *data;
	uint64_t *dict;
	bool constant;

	CGR_TRY(get_plane(bytes, &head->at, head->end, size, &data, &constant, reterr));
	if (room == NULL)
		return cgr_unpack_bad(reterr, "more dictionaries than a block can have");
	dict = (uint64_t *)(void *)room;
	if (constant)
		memset(dict, data[0], size);
	else
		memcpy(dict, data, size);
	column->dict = dict;
	return cgr_loop_largest64(dict, column->entries) <= column->limit
	           ? 0
	           : cgr_unpack_bad(reterr, "a field is out of range");
}

static int get_planes(struct cgr_column *column, struct cgr_unpack_bytes *bytes, struct head *head, size_t count,
                      struct cgr_error *reterr)
{
	struct cgr_planes *planes = &column->planes;

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
		column->reach |= 0xffull << (8 * p);
	}
	column->reach |= planes->fixed;
	return 0;
}

static int bad_index(struct cgr_error *reterr)
{
	return cgr_unpack_bad(reterr, "an index is outside its dictionary");
}

/* No base + x is larger than the field when none of the x is larger than that. */
static int check_range(const struct cgr_column *column, uint64_t largest, struct cgr_error *reterr)
{
	return column->base <= column->limit && largest <= column->limit - column->base
	           ? 0
	           : cgr_unpack_bad(reterr, "a field is out of range");
}

static bool never_out_of_range(const struct cgr_column *column)
{
	return column->limit == UINT64_MAX || /* there base + x may go round */
	       (column->base <= column->limit && column->reach <= column->limit - column->base);
}

/* A column whose elements are all the same becomes CONST; there reach is the only x. */
static int settle(struct cgr_column *column, struct cgr_error *reterr)
{
	uint64_t fixed = column->planes.fixed;

	if (column->planes.count > 0 || column->encoding == CGR_PACK_DELTA || column->encoding == CGR_PACK_TSREL)
		return 0;
	if (column->encoding == CGR_PACK_DICT && fixed >= column->entries)
		return bad_index(reterr);
	if (column->encoding != CGR_PACK_DICT && !never_out_of_range(column))
		return cgr_unpack_bad(reterr, "a field is out of range");
	column->base = column->encoding == CGR_PACK_DICT ? column->dict[fixed] : column->base + fixed;
	column->encoding = CGR_PACK_CONST;
	return 0;
}

int cgr_column_open(struct cgr_column *column, struct cgr_unpack_bytes *bytes, size_t count, unsigned bits,
                    struct cgr_error *reterr)
{
	struct head head;

	CGR_TRY(get_head(column, bytes, &head, reterr));
	column->limit = UINT64_MAX >> (64 - bits);
	if (column->encoding == CGR_PACK_CONST && head.planes != 0)
		return cgr_unpack_bad(reterr, "a constant column with planes");
	if (column->encoding == CGR_PACK_DICT) {
		if (column->entries > count)
			return cgr_unpack_bad(reterr, "a dictionary larger than its column");
		CGR_TRY(get_dict(column, bytes, &head, reterr));
	}
	CGR_TRY(get_planes(column, bytes, &head, count, reterr));
	return settle(column, reterr);
}

int cgr_column_skip(struct cgr_unpack_bytes *bytes, struct cgr_error *reterr)
{
	struct cgr_column column;
	struct head head;

	return get_head(&column, bytes, &head, reterr);
}

bool cgr_column_ascends(const struct cgr_column *column)
{
	/* less than 2^34 from one to the next, and 2^16 of them */
	return column->encoding == CGR_PACK_DELTA && column->reach <= UINT32_MAX && column->base <= UINT32_MAX &&
	       column->value < 1ull << 62;
}

/* The lowest byte alone tells the elements apart. */
static bool byte_wide(const struct cgr_column *column)
{
	return column->planes.count == 1 && column->planes.shift[0] == 0;
}

static int next_for(struct cgr_column *column, size_t count, struct cgr_column_room *room, struct cgr_piece *piece,
                    struct cgr_error *reterr)
{
	bool check = !never_out_of_range(column);

	piece->base = column->base;
	if (byte_wide(column)) {
		piece->form = CGR_PIECE_BYTES;
		piece->bytes = column->planes.data[0];
		piece->base += column->planes.fixed;
		return check ? check_range(column, cgr_loop_largest8(piece->bytes, count) + column->planes.fixed, reterr) : 0;
	}
	if (column->reach <= UINT32_MAX) {
		cgr_loop_gather32(room->narrow, &column->planes, count);
		piece->form = CGR_PIECE_NARROW;
		return check ? check_range(column, cgr_loop_largest32(room->narrow, count), reterr) : 0;
	}
	cgr_loop_gather64(room->wide, &column->planes, count);
	if (check)
		CGR_TRY(check_range(column, cgr_loop_largest64(room->wide, count), reterr));
	cgr_loop_add64(room->wide, count, column->base);
	return 0;
}

static int next_dict(struct cgr_column *column, size_t count, struct cgr_column_room *room, struct cgr_piece *piece,
                     struct cgr_error *reterr)
{
	if (byte_wide(column) && column->planes.fixed == 0) {
		piece->form = CGR_PIECE_LOOKUP;
		piece->bytes = column->planes.data[0];
		piece->wide = column->dict;
		return cgr_loop_largest8(piece->bytes, count) < column->entries ? 0 : bad_index(reterr);
	}
	if (column->reach > UINT32_MAX)
		return bad_index(reterr);
	cgr_loop_gather32(room->narrow, &column->planes, count);
	if (cgr_loop_largest32(room->narrow, count) >= column->entries)
		return bad_index(reterr);
	cgr_loop_look(room->wide, room->narrow, count, column->dict);
	return 0;
}

static int check_wide(const struct cgr_column *column, size_t count, const struct cgr_column_room *room,
                      struct cgr_error *reterr)
{
	if (column->limit == UINT64_MAX || cgr_loop_largest64(room->wide, count) <= column->limit)
		return 0;
	return cgr_unpack_bad(reterr, "a field is out of range");
}

static int next_delta(struct cgr_column *column, size_t count, struct cgr_column_room *room, struct cgr_error *reterr)
{
	const struct cgr_planes *planes = &column->planes;
	uint64_t before = column->value;

	if (!column->started) { /* the header tells the first element, whatever its planes hold */
		before -= column->base + planes->fixed;
		for (unsigned p = 0; p < planes->count; p++)
			before -= (uint64_t)planes->data[p][0] << planes->shift[p];
	}
	column->started = true;
	if (column->reach <= UINT32_MAX) {
		cgr_loop_gather32(room->narrow, planes, count);
		column->value = cgr_loop_sum32(room->wide, room->narrow, count, column->base, before);
	} else {
		cgr_loop_gather64(room->wide, planes, count);
		column->value = cgr_loop_sum64(room->wide, count, column->base, before);
	}
	return check_wide(column, count, room, reterr);
}

static int next_relative(struct cgr_column *column, const uint64_t *ts, const uint16_t *place, size_t count,
                         struct cgr_column_room *room, struct cgr_error *reterr)
{
	cgr_loop_gather64(room->wide, &column->planes, count);
	for (size_t i = 0; i < count; i++)
		room->wide[i] += column->base + ts[place != NULL ? place[i] : i];
	return check_wide(column, count, room, reterr);
}

int cgr_column_next(struct cgr_column *column, const uint64_t *ts, const uint16_t *place, size_t count,
                    struct cgr_column_room *room, struct cgr_piece *ret_piece, struct cgr_error *reterr)
{
	int rc = 0;

	*ret_piece = (struct cgr_piece){ .form = CGR_PIECE_WIDE, .narrow = room->narrow, .wide = room->wide };
	if (count == 0)
		return 0;
	switch (column->encoding) {
	case CGR_PACK_DELTA:
		rc = next_delta(column, count, room, reterr);
		break;
	case CGR_PACK_DICT:
		rc = next_dict(column, count, room, ret_piece, reterr);
		break;
	case CGR_PACK_TSREL:
		rc = next_relative(column, ts, place, count, room, reterr);
		break;
	case CGR_PACK_FOR:
		rc = next_for(column, count, room, ret_piece, reterr);
		break;
	default:
		ret_piece->form = CGR_PIECE_CONST;
		ret_piece->base = column->base;
		return 0;
	}
	for (unsigned p = 0; p < column->planes.count; p++)
		column->planes.data[p] += count;
	return rc;
}
