#include "common/clockmap.h"

#include <stdlib.h>

#include "common/limits.h"
#include "common/tracedat.h"
#include "common/util.h"

/* A pair is off by some ten ns. Where no later one bounds that, the line runs through one so much earlier. */
#define BASE_NS UINT64_C(1000000000)
/* CLOCK_MONOTONIC stood for so much at least: a suspend takes longer, and no pair is that far off. */
#define BREAK_NS UINT64_C(1000000)
#define SPARSE_NS UINT64_C(200000000) /* what pairs are apart where nothing else brings more of them */

static int by_time(const void *a, const void *b)
{
	const struct cgr_clock_point *x = a, *y = b;

	if (x->mono_ns != y->mono_ns)
		return x->mono_ns < y->mono_ns ? -1 : 1;
	return (x->count > y->count) - (x->count < y->count);
}

/* Rounded down, so that a line ends no later than the next one begins. */
static uint64_t scale_between(const struct cgr_clock_point *from, const struct cgr_clock_point *to)
{
	unsigned __int128 scale = ((unsigned __int128)(to->mono_ns - from->mono_ns) << 32) / (to->count - from->count);

	return scale > UINT64_MAX ? UINT64_MAX : (uint64_t)scale;
}

/* In order, without those told twice, those of a counter that began anew, and those that are too close. */
static void tidy(struct cgr_clock_map *map)
{
	size_t kept = 0;

	if (map->points > 1)
		qsort(map->point, map->points, sizeof(*map->point), by_time);
	for (size_t i = 0; i < map->points; i++) {
		const struct cgr_clock_point *at = &map->point[i], *last = &map->point[kept - (kept > 0)];
		if (kept > 0 && (at->count <= last->count || at->mono_ns <= last->mono_ns))
			map->restarts += at->count < last->count;
		else if (kept == 0 || i + 1 == map->points || at->mono_ns - last->mono_ns >= map->least_ns)
			map->point[kept++] = *at;
	}
	map->points = kept;
}

/* Alike over the whole time, however often that is done. */
static void make_sparse(struct cgr_clock_map *map)
{
	tidy(map);
	while (map->points > CGR_LIMIT_CLOCK_PAIRS / 2) {
		map->least_ns = CGR_MAX(2 * map->least_ns, SPARSE_NS);
		tidy(map);
	}
}

int cgr_clock_map_add(struct cgr_clock_map *map, const void *pairs, size_t bytes, struct cgr_error *reterr)
{
	const uint8_t *at = pairs;
	size_t count = bytes / CGR_CLOCK_PAIR_BYTES;

	CGR_TRY(cgr_grow((void **)&map->point, &map->capacity, CGR_MIN(map->points + count, (size_t)CGR_LIMIT_CLOCK_PAIRS),
	                 sizeof(*map->point), reterr));
	for (size_t i = 0; i < count; i++, at += CGR_CLOCK_PAIR_BYTES) {
		if (map->points == CGR_LIMIT_CLOCK_PAIRS)
			make_sparse(map);
		map->point[map->points++] =
		    (struct cgr_clock_point){ .count = cgr_td_get_u64(at), .mono_ns = cgr_td_get_u64(at + 8) };
	}
	return CGR_OK;
}

/* Flatter than both its neighbours, and more than the tenth by which the kernel lets its clock be slewed. */
static bool is_broken(const struct cgr_clock_map *map, size_t i)
{
	const struct cgr_clock_point *at = &map->point[i];
	uint64_t before = i > 0 ? at[-1].scale : UINT64_MAX, behind = i + 2 < map->points ? at[1].scale : UINT64_MAX;
	uint64_t took_ns = at[1].mono_ns - at->mono_ns, scale = CGR_MIN(before, behind);
	unsigned __int128 expected_ns = ((unsigned __int128)(at[1].count - at->count) * scale) >> 32;

	return map->points > 2 && expected_ns > (unsigned __int128)took_ns + took_ns / 8 + BREAK_NS;
}

static void mend_breaks(struct cgr_clock_map *map)
{
	map->breaks = 0;
	for (size_t i = 0; i + 1 < map->points; i++) {
		struct cgr_clock_point *at = &map->point[i];
		at->broken = is_broken(map, i);
		map->breaks += at->broken;
		if (at->broken)
			at->scale = i > 0 ? at[-1].scale : at[1].scale;
	}
}

void cgr_clock_map_settle(struct cgr_clock_map *map)
{
	tidy(map);
	map->points = map->points < 2 ? 0 : map->points;
	if (map->points == 0)
		return;
	for (size_t i = 0; i + 1 < map->points; i++)
		map->point[i].scale = scale_between(&map->point[i], &map->point[i + 1]);
	mend_breaks(map);
	struct cgr_clock_point *last = &map->point[map->points - 1], *from = last;
	while (from > map->point && last->mono_ns - from->mono_ns < BASE_NS && !from[-1].broken)
		from--;
	last->scale = from == last ? from[-1].scale : scale_between(from, last);
}

/* The last point at or before count, or the first one. */
static size_t find(const struct cgr_clock_map *map, uint64_t count)
{
	size_t low = 0, high = map->points;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (map->point[middle].count <= count)
			low = middle;
		else
			high = middle;
	}
	return low;
}

static uint64_t scaled(uint64_t count, uint64_t scale)
{
	return (uint64_t)(((unsigned __int128)count * scale) >> 32);
}

/* When in the interval the machine slept is not known, but events are there only as long before and behind as it took.
 */
static uint64_t broken_ns(const struct cgr_clock_point *at, uint64_t count)
{
	uint64_t took_ns = at[1].mono_ns - at->mono_ns;

	if (count - at->count < (at[1].count - at->count) / 2)
		return at->mono_ns + CGR_MIN(scaled(count - at->count, at->scale), took_ns);
	return at[1].mono_ns - CGR_MIN(scaled(at[1].count - count, at[1].scale), took_ns);
}

uint64_t cgr_clock_map_ns(const struct cgr_clock_map *map, size_t *near, uint64_t count)
{
	const struct cgr_clock_point *at = &map->point[*near];

	if (count < at->count || (*near + 1 < map->points && count >= at[1].count)) {
		*near = find(map, count);
		at = &map->point[*near];
	}
	if (at->broken && count >= at->count)
		return broken_ns(at, count);
	return count < at->count ? at->mono_ns - scaled(at->count - count, at->scale)
	                         : at->mono_ns + scaled(count - at->count, at->scale);
}

void cgr_clock_map_fini(struct cgr_clock_map *map)
{
	free(map->point);
	*map = (struct cgr_clock_map){ 0 };
}
