/* Packing of event blocks: gather columns, choose the narrowest encoding, split into byte planes, compress each.
 *
 * Byte planes keep the incompressible low bytes (time deltas, run times) away from the nearly constant high
 * ones: the former are stored raw, the latter cost next to nothing, and both decode at memory speed. */
#include "store/pack.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "common/limits.h"
#include "common/util.h"
#include "store/pack_format.h"

#define DICT_MAX 4096u
#define DICT_SLOTS 16384u
#define SAVED_MIN ((size_t)128)
#define LEVEL 3 /* measured: level 1 is 6 % larger, level 9 halves the speed for 2 % */

struct cgr_packer {
	ZSTD_CCtx *zstd;
	uint8_t *out;
	size_t used;
	uint64_t value[CGR_PACK_EVENTS]; /* the column at work, then its residuals */
	uint64_t ts[CGR_PACK_EVENTS]; /* times of the events of the column at work */
	uint8_t plane[CGR_PACK_EVENTS];
	uint32_t index[CGR_PACK_EVENTS]; /* events grouped by kind */
	uint32_t first[CGR_EV_COUNT + 1];
	uint32_t current[CGR_LIMIT_CPUS];
	uint64_t dict[DICT_MAX];
	uint64_t slot_key[DICT_SLOTS];
	uint16_t slot_entry[DICT_SLOTS]; /* entry + 1, 0 = free */
};

struct cgr_packer *cgr_packer_new(void)
{
	struct cgr_packer *packer = cgr_calloc(1, sizeof(*packer));

	if (packer == NULL)
		return NULL;
	packer->zstd = ZSTD_createCCtx();
	packer->out = malloc(CGR_PACK_BYTES_MAX);
	if (packer->zstd == NULL || packer->out == NULL)
		return cgr_packer_free(packer);
	(void)ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_compressionLevel, LEVEL);
	(void)ZSTD_CCtx_setParameter(packer->zstd, ZSTD_c_contentSizeFlag, 0);
	return packer;
}

struct cgr_packer *cgr_packer_free(struct cgr_packer *packer)
{
	if (packer == NULL)
		return NULL;
	(void)ZSTD_freeCCtx(packer->zstd);
	free(packer->out);
	free(packer);
	return NULL;
}

static void put(struct cgr_packer *packer, const void *data, size_t size)
{
	memcpy(packer->out + packer->used, data, size);
	packer->used += size;
}

static void put_u32(struct cgr_packer *packer, uint32_t value)
{
	put(packer, &value, sizeof(value));
}

static unsigned bits(uint64_t value)
{
	return value == 0 ? 0 : 64u - (unsigned)__builtin_clzll(value);
}

static unsigned bytes_for(uint64_t range)
{
	return (bits(range) + 7) / 8;
}

static bool all_equal(const uint8_t *data, size_t size)
{
	return size <= 1 || memcmp(data, data + 1, size - 1) == 0;
}

/* Decompression is a good part of what reading costs, and most of that is paid per plane: zstd has to halve a plane
 * and to save SAVED_MIN bytes, or it is stored raw. */
static int put_plane(struct cgr_packer *packer, const uint8_t *data, size_t size, struct cgr_error *reterr)
{
	uint8_t *head = packer->out + packer->used;
	uint32_t word;
	size_t stored;

	packer->used += sizeof(word);
	if (all_equal(data, size)) {
		word = (uint32_t)CGR_PLANE_CONST << 28 | 1;
		put(packer, data, 1);
		memcpy(head, &word, sizeof(word));
		return 0;
	}
	stored = ZSTD_compress2(packer->zstd, packer->out + packer->used, CGR_PACK_BYTES_MAX - packer->used, data, size);
	if (ZSTD_isError(stored))
		return cgr_error_set(reterr, CGR_E_INTERNAL, "packing events: zstd: %s", ZSTD_getErrorName(stored));
	if (stored + CGR_MAX(size / 2, SAVED_MIN) > size) {
		memcpy(packer->out + packer->used, data, size);
		stored = size;
		word = (uint32_t)CGR_PLANE_RAW << 28;
	} else {
		word = (uint32_t)CGR_PLANE_ZSTD << 28;
	}
	word |= (uint32_t)stored;
	packer->used += stored;
	memcpy(head, &word, sizeof(word));
	return 0;
}

struct shape { /* what a pass over the column found */
	uint64_t minimum, maximum;
	int64_t delta_minimum, delta_maximum, rel_minimum, rel_maximum;
	uint64_t for_bits, delta_bits, rel_bits;
};

static void measure(const struct cgr_packer *packer, size_t count, struct shape *shape)
{
	const uint64_t *v = packer->value;
	uint64_t previous = v[0];

	*shape = (struct shape){ .minimum = v[0],
		                     .maximum = v[0],
		                     .delta_minimum = INT64_MAX,
		                     .delta_maximum = INT64_MIN,
		                     .rel_minimum = INT64_MAX,
		                     .rel_maximum = INT64_MIN };
	for (size_t i = 0; i < count; i++) {
		int64_t delta = (int64_t)(v[i] - previous);
		int64_t rel = (int64_t)(v[i] - packer->ts[i]);

		shape->minimum = CGR_MIN(shape->minimum, v[i]);
		shape->maximum = CGR_MAX(shape->maximum, v[i]);
		if (i > 0) {
			shape->delta_minimum = CGR_MIN(shape->delta_minimum, delta);
			shape->delta_maximum = CGR_MAX(shape->delta_maximum, delta);
		}
		shape->rel_minimum = CGR_MIN(shape->rel_minimum, rel);
		shape->rel_maximum = CGR_MAX(shape->rel_maximum, rel);
		previous = v[i];
	}
}

/* Sum of bit lengths of the residuals: a cheap stand-in for what zstd will make of them. */
static void weigh(const struct cgr_packer *packer, size_t count, struct shape *shape)
{
	const uint64_t *v = packer->value;

	for (size_t i = 0; i < count; i++) {
		shape->for_bits += bits(v[i] - shape->minimum);
		if (i > 0)
			shape->delta_bits += bits(v[i] - v[i - 1] - (uint64_t)shape->delta_minimum);
		shape->rel_bits += bits(v[i] - packer->ts[i] - (uint64_t)shape->rel_minimum);
	}
}

/* Distinct values in order of appearance; 0 when there are more than limit. On success value[] holds indices. */
static size_t try_dictionary(struct cgr_packer *packer, size_t count, size_t limit)
{
	size_t entries = 0;

	memset(packer->slot_entry, 0, sizeof(packer->slot_entry));
	for (size_t pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < count; i++) {
			uint64_t key = packer->value[i];
			size_t slot = (size_t)((key * 0x9e3779b97f4a7c15ull) >> 50);

			while (packer->slot_entry[slot] != 0 && packer->slot_key[slot] != key)
				slot = (slot + 1) % DICT_SLOTS;
			if (pass == 1) {
				packer->value[i] = packer->slot_entry[slot] - 1u;
			} else if (packer->slot_entry[slot] == 0) {
				if (entries == limit)
					return 0;
				packer->dict[entries++] = key;
				packer->slot_key[slot] = key;
				packer->slot_entry[slot] = (uint16_t)entries;
			}
		}
	}
	return entries;
}

/* Turns value[] into residuals of the chosen encoding; returns the largest residual. */
static uint64_t encode(struct cgr_packer *packer, size_t count, enum cgr_pack_encoding encoding, uint64_t base)
{
	uint64_t *v = packer->value;
	uint64_t largest = 0;

	for (size_t i = count; i-- > 0;) {
		switch (encoding) {
		case CGR_PACK_DELTA:
			v[i] = i > 0 ? v[i] - v[i - 1] - base : 0;
			break;
		case CGR_PACK_TSREL:
			v[i] -= packer->ts[i] + base;
			break;
		case CGR_PACK_FOR:
			v[i] -= base;
			break;
		default:
			break;
		}
		largest |= v[i];
	}
	return largest;
}

struct choice {
	enum cgr_pack_encoding encoding;
	uint64_t base;
	size_t entries;
};

static void choose(struct cgr_packer *packer, size_t count, struct choice *choice)
{
	struct shape shape;

	measure(packer, count, &shape);
	*choice = (struct choice){ .encoding = CGR_PACK_CONST, .base = shape.minimum };
	if (shape.minimum == shape.maximum)
		return;
	choice->encoding = CGR_PACK_FOR;
	if (shape.maximum - shape.minimum < 256)
		return;
	choice->entries = try_dictionary(packer, count, CGR_MIN(DICT_MAX, count / 8 + 1));
	if (choice->entries != 0) {
		choice->encoding = CGR_PACK_DICT;
		choice->base = 0;
		return;
	}
	weigh(packer, count, &shape);
	if (shape.delta_bits < shape.for_bits && shape.delta_bits <= shape.rel_bits) {
		choice->encoding = CGR_PACK_DELTA;
		choice->base = (uint64_t)shape.delta_minimum;
	} else if (shape.rel_bits < shape.for_bits) {
		choice->encoding = CGR_PACK_TSREL;
		choice->base = (uint64_t)shape.rel_minimum;
	}
}

/* value[0..count) as one column; ts[] are the times of the same events. */
static int put_column(struct cgr_packer *packer, size_t count, const struct choice *fixed, struct cgr_error *reterr)
{
	struct choice choice;
	uint64_t largest, first = packer->value[0];
	uint8_t head[CGR_PACK_COLUMN_BYTES] = { 0 };
	size_t at = packer->used;
	uint16_t entries;
	uint32_t size;
	unsigned planes;

	if (fixed != NULL)
		choice = *fixed;
	else
		choose(packer, count, &choice);
	largest = choice.encoding == CGR_PACK_CONST ? 0 : encode(packer, count, choice.encoding, choice.base);
	planes = bytes_for(largest);
	packer->used += sizeof(head);
	if (choice.encoding == CGR_PACK_DICT)
		CGR_TRY(put_plane(packer, (const uint8_t *)packer->dict, choice.entries * sizeof(uint64_t), reterr));
	for (unsigned p = 0; p < planes; p++) {
		for (size_t i = 0; i < count; i++)
			packer->plane[i] = (uint8_t)(packer->value[i] >> (8 * p));
		CGR_TRY(put_plane(packer, packer->plane, count, reterr));
	}
	head[0] = (uint8_t)choice.encoding;
	head[1] = (uint8_t)planes;
	entries = (uint16_t)(choice.entries == 0 ? 0 : choice.entries - 1);
	memcpy(head + 2, &entries, sizeof(entries));
	size = (uint32_t)(packer->used - at - sizeof(head));
	memcpy(head + 4, &size, sizeof(size));
	memcpy(head + 8, &choice.base, sizeof(choice.base));
	memcpy(head + 16, &first, sizeof(first));
	memcpy(packer->out + at, head, sizeof(head));
	return 0;
}

static void group_by_kind(struct cgr_packer *packer, const struct cgr_event *events, size_t count)
{
	uint32_t next[CGR_EV_COUNT];

	memset(packer->first, 0, sizeof(packer->first));
	for (size_t i = 0; i < count; i++)
		packer->first[events[i].kind + 1]++;
	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++) {
		packer->first[kind + 1] += packer->first[kind];
		next[kind] = packer->first[kind];
	}
	for (size_t i = 0; i < count; i++)
		packer->index[next[events[i].kind]++] = (uint32_t)i;
}

static void put_head(struct cgr_packer *packer, size_t count)
{
	uint32_t kinds = 0;

	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++)
		kinds += packer->first[kind + 1] > packer->first[kind];
	put_u32(packer, CGR_PACK_MAGIC);
	put_u32(packer, CGR_PACK_VERSION);
	put_u32(packer, (uint32_t)count);
	put_u32(packer, kinds);
	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++) {
		uint32_t members = packer->first[kind + 1] - packer->first[kind];

		if (members == 0)
			continue;
		put_u32(packer, kind);
		put_u32(packer, members);
	}
}

/* Residuals of the context task against the task switched in last on the CPU, within the block. */
static void gather_tasks(struct cgr_packer *packer, const struct cgr_event *events, size_t count)
{
	memset(packer->current, 0xff, sizeof(packer->current));
	for (size_t i = 0; i < count; i++) {
		uint32_t *current = &packer->current[events[i].cpu];

		packer->value[i] = events[i].task == *current ? 0 : (uint64_t)events[i].task + 1;
		*current =
		    cgr_pack_changes_current(events[i].kind, CGR_EV_SWITCH, CGR_EV_RUN_START) ? events[i].c : events[i].task;
	}
}

static int put_common(struct cgr_packer *packer, const struct cgr_event *events, size_t count, struct cgr_error *reterr)
{
	struct choice times = { .encoding = CGR_PACK_DELTA };

	for (size_t i = 0; i < count; i++) {
		packer->ts[i] = events[i].ts_ns;
		packer->value[i] = events[i].kind;
	}
	CGR_TRY(put_column(packer, count, NULL, reterr));
	memcpy(packer->value, packer->ts, count * sizeof(uint64_t));
	CGR_TRY(put_column(packer, count, &times, reterr));
	for (size_t i = 0; i < count; i++)
		packer->value[i] = events[i].cpu;
	CGR_TRY(put_column(packer, count, NULL, reterr));
	gather_tasks(packer, events, count);
	return put_column(packer, count, NULL, reterr);
}

static uint64_t field_of(const struct cgr_event *event, unsigned field)
{
	switch (field) {
	case CGR_FIELD_FLAGS:
		return event->flags;
	case CGR_FIELD_A:
		return event->a;
	case CGR_FIELD_B:
		return event->b;
	case CGR_FIELD_C:
		return event->c;
	default:
		return event->d;
	}
}

static int put_kind(struct cgr_packer *packer, const struct cgr_event *events, unsigned kind, struct cgr_error *reterr)
{
	const uint32_t *index = packer->index + packer->first[kind];
	size_t members = packer->first[kind + 1] - packer->first[kind];

	for (size_t i = 0; i < members; i++)
		packer->ts[i] = events[index[i]].ts_ns;
	for (unsigned field = 0; field < CGR_FIELDS; field++) {
		for (size_t i = 0; i < members; i++)
			packer->value[i] = field_of(&events[index[i]], field);
		CGR_TRY(put_column(packer, members, NULL, reterr));
	}
	return 0;
}

int cgr_packer_pack(struct cgr_packer *packer, const struct cgr_event *events, size_t count, const uint8_t **ret_bytes,
                    size_t *ret_size, struct cgr_error *reterr)
{
	if (count == 0 || count > CGR_PACK_EVENTS)
		return cgr_error_set(reterr, CGR_E_INTERNAL, "packing events: %zu events in one block", count);
	for (size_t i = 0; i < count; i++) {
		if (events[i].kind >= CGR_EV_COUNT || events[i].cpu >= CGR_LIMIT_CPUS)
			return cgr_error_set(reterr, CGR_E_INTERNAL, "packing events: event kind %u on CPU %u at %llu ns",
			                     events[i].kind, events[i].cpu, (unsigned long long)events[i].ts_ns);
	}
	packer->used = 0;
	group_by_kind(packer, events, count);
	put_head(packer, count);
	CGR_TRY(put_common(packer, events, count, reterr));
	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++) {
		if (packer->first[kind + 1] > packer->first[kind])
			CGR_TRY(put_kind(packer, events, kind, reterr));
	}
	*ret_bytes = packer->out;
	*ret_size = packer->used;
	return 0;
}

uint64_t cgr_pack_checksum(const uint8_t *bytes, size_t size)
{
	uint64_t hash = 0x9e3779b97f4a7c15ull ^ size;

	while (size > 0) {
		uint64_t word = 0;
		size_t part = CGR_MIN(size, sizeof(word));

		memcpy(&word, bytes, part);
		hash = (hash ^ word) * 0xd6e8feb86659fd93ull;
		hash ^= hash >> 32;
		bytes += part;
		size -= part;
	}
	return hash;
}
