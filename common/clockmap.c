#include "common/clockmap.h"

#include <stdlib.h>

#include "common/limits.h"
#include "common/tracedat.h"
#include "common/util.h"

/* A pair is off by some ten ns. Where no later one bounds that, the line runs through one so much earlier. */
#define BASE_NS UINT64_C(1000000000)

int cgr_clock_map_add(struct cgr_clock_map *map, const void *pairs, size_t bytes, struct cgr_error *reterr)
{
	const uint8_t *at = pairs;
	size_t count = bytes / CGR_CLOCK_PAIR_BYTES;

	if (count > CGR_LIMIT_CLOCK_PAIRS - map->points)
		return cgr_error_set(reterr, CGR_E_LIMIT, "more than %u pairs of clocks", CGR_LIMIT_CLOCK_PAIRS);
	CGR_TRY(cgr_grow((void **)&map->point, &map->capacity, map->points + count, sizeof(*map->point), reterr));
	for (size_t i = 0; i < count; i++, at += CGR_CLOCK_PAIR_BYTES)
		map->point[map->points++] =
		    (struct cgr_clock_point){ .count = cgr_td_get_u64(at), .mono_ns = cgr_td_get_u64(at + 8) };
	return CGR_OK;
}

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

void cgr_clock_map_settle(struct cgr_clock_map *map)
{
	size_t kept = 0;

	if (map->points > 1)
		qsort(map->point, map->points, sizeof(*map->point), by_time);
	for (size_t i = 0; i < map->points; i++) {
		const struct cgr_clock_point *at = &map->point[i], *last = &map->point[kept - (kept > 0)];
		if (kept == 0 || (at->count > last->count && at->mono_ns > last->mono_ns))
			map->point[kept++] = *at;
		else
			map->restarts += at->count < last->count;
	}
	map->points = kept < 2 ? 0 : kept;
	for (size_t i = 0; i + 1 < map->points; i++)
		map->point[i].scale = scale_between(&map->point[i], &map->point[i + 1]);
	if (map->points == 0)
		return;
	struct cgr_clock_point *last = &map->point[kept - 1], *from = last - 1;
	while (from > map->point && last->mono_ns - from->mono_ns < BASE_NS)
		from--;
	last->scale = scale_between(from, last);
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

uint64_t cgr_clock_map_ns(const struct cgr_clock_map *map, size_t *near, uint64_t count)
{
	const struct cgr_clock_point *at = &map->point[*near];

	if (count < at->count || (*near + 1 < map->points && count >= at[1].count)) {
		*near = find(map, count);
		at = &map->point[*near];
	}
	return count < at->count ? at->mono_ns - scaled(at->count - count, at->scale)
	                         : at->mono_ns + scaled(count - at->count, at->scale);
}

void cgr_clock_map_fini(struct cgr_clock_map *map)
{
	free(map->point);
	*map = (struct cgr_clock_map){ 0 };
}
