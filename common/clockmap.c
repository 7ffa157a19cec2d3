#include "common/clockmap.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/tracedat.h"
#include "common/util.h"

/* A pair is off by some ten ns. Where no later one bounds that, the line runs through one so much earlier. */
#define BASE_NS UINT64_C(1000000000)
/* CLOCK_MONOTONIC stood for so much at least: a suspend takes longer, and no pair is that far off. */
#define BREAK_NS UINT64_C(1000000)
/* Lines of less than that are too short to tell a slope, slopes of less than 50 ppm difference too alike to tell a
 * kink. */
#define SLOPE_NS UINT64_C(100000000)
#define KINK_PARTS 20000
#define SPARSE_NS UINT64_C(200000000) /* what pairs are apart where nothing else brings more of them */
#define FALL_NS UINT64_C(1000000) /* a counter that began anew is far behind itself: more than CPUs can be apart */
#define FROZEN_NS UINT64_C(60000000000) /* events may be so far from the next pair of their part: tasks are frozen */

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

static uint64_t scaled(uint64_t count, uint64_t scale)
{
	return (uint64_t)(((unsigned __int128)count * scale) >> 32);
}

/* In order, one of each time. */
static void sort_points(struct cgr_clock_map *map)
{
	size_t kept = 0;

	if (map->points > 1)
		qsort(map->point, map->points, sizeof(*map->point), by_time);
	for (size_t i = 0; i < map->points; i++)
		if (kept == 0 || map->point[i].mono_ns > map->point[kept - 1].mono_ns)
			map->point[kept++] = map->point[i];
	map->points = kept;
}

static bool is_alike(uint64_t scale, uint64_t other)
{
	return scale - scale / 8 < other && other < scale + scale / 8;
}

/* Whether the old line goes on from here to the next pair, which is above the last one, and not from that one: the
 * counter began anew, and no pair was read until it had come farther than before. */
static bool goes_on(const struct cgr_clock_point *last, const struct cgr_clock_point *at)
{
	const struct cgr_clock_point *behind = at + 1;
	uint64_t scale = scale_between(last - 1, last);

	return is_alike(scale, scale_between(at, behind)) &&
	       (behind->count == last->count || !is_alike(scale, scale_between(last, behind)));
}

/* A pair that is below the last one, and the one behind it too, or that one goes on from it: it is no slip of a single
 * reading. */
static bool begins_anew(const struct cgr_clock_map *map, size_t kept, size_t i)
{
	const struct cgr_clock_point *last = &map->point[kept - 1];

	return i + 1 == map->points || map->point[i + 1].count < last->count ||
	       (kept > 1 && !last->anew && goes_on(last, &map->point[i]));
}

static void keep(struct cgr_clock_map *map, size_t *kept, const struct cgr_clock_point *at, bool anew)
{
	map->point[*kept] = *at;
	map->point[(*kept)++].anew = anew;
	map->restarts += anew;
}

/* Without those that slipped, and those that are too close. */
static void tidy(struct cgr_clock_map *map)
{
	size_t kept = 0;

	sort_points(map);
	map->restarts = 0;
	for (size_t i = 0; i < map->points; i++) {
		const struct cgr_clock_point *at = &map->point[i], *last = &map->point[kept - (kept > 0)];
		if (kept == 0) {
			keep(map, &kept, at, false);
		} else if (at->count < last->count && begins_anew(map, kept, i)) {
			if (at[-1].count > last->count) /* was too close, but is the last of its part */
				keep(map, &kept, at - 1, false);
			keep(map, &kept, at, true);
		} else if (at->count > last->count && (i + 1 == map->points || at->mono_ns - last->mono_ns >= map->least_ns)) {
			keep(map, &kept, at, false);
		}
	}
	map->points = kept;
}

/* Pairs at which the counter began anew are kept however close they are: no more than so many, or a file of them would
 * leave nothing to drop. */
static int check_restarts(const struct cgr_clock_map *map, struct cgr_error *reterr)
{
	if (map->restarts <= CGR_LIMIT_CLOCK_RESTARTS)
		return CGR_OK;
	return cgr_error_set(reterr, CGR_E_LIMIT, "the counter of its CLOCK pairs began anew %zu times, more than %u",
	                     map->restarts, CGR_LIMIT_CLOCK_RESTARTS);
}

/* Alike over the whole time, however often that is done. Ends: each part keeps two pairs at most where the least time
 * is longer than all of it. */
static int make_sparse(struct cgr_clock_map *map, struct cgr_error *reterr)
{
	tidy(map);
	CGR_TRY(check_restarts(map, reterr));
	while (map->points > CGR_LIMIT_CLOCK_PAIRS / 2) {
		map->least_ns = map->least_ns > UINT64_MAX / 2 ? UINT64_MAX : CGR_MAX(2 * map->least_ns, SPARSE_NS);
		tidy(map);
		CGR_TRY(check_restarts(map, reterr));
	}
	return CGR_OK;
}

int cgr_clock_map_add(struct cgr_clock_map *map, const void *pairs, size_t bytes, struct cgr_error *reterr)
{
	const uint8_t *at = pairs;
	size_t count = bytes / CGR_CLOCK_PAIR_BYTES;

	CGR_TRY(cgr_grow((void **)&map->point, &map->capacity, CGR_MIN(map->points + count, (size_t)CGR_LIMIT_CLOCK_PAIRS),
	                 sizeof(*map->point), reterr));
	for (size_t i = 0; i < count; i++, at += CGR_CLOCK_PAIR_BYTES) {
		if (map->points == CGR_LIMIT_CLOCK_PAIRS)
			CGR_TRY(make_sparse(map, reterr));
		map->point[map->points++] =
		    (struct cgr_clock_point){ .count = cgr_td_get_u64(at), .mono_ns = cgr_td_get_u64(at + 8) };
	}
	return CGR_OK;
}

/* While the map is made; then point[first].end says it. */
static size_t part_end(const struct cgr_clock_map *map, size_t first)
{
	size_t end = first + 1;

	while (end < map->points && !map->point[end].anew)
		end++;
	return end;
}

/* Flatter than both its neighbours, and more than the tenth by which the kernel lets its clock be slewed. */
static bool is_broken(const struct cgr_clock_map *map, size_t first, size_t end, size_t i)
{
	const struct cgr_clock_point *at = &map->point[i];
	uint64_t before = i > first ? at[-1].scale : UINT64_MAX, behind = i + 2 < end ? at[1].scale : UINT64_MAX;
	uint64_t took_ns = at[1].mono_ns - at->mono_ns, scale = CGR_MIN(before, behind);
	unsigned __int128 expected_ns = ((unsigned __int128)(at[1].count - at->count) * scale) >> 32;

	return end - first > 2 && expected_ns > (unsigned __int128)took_ns + took_ns / 8 + BREAK_NS;
}

static void mend_breaks(struct cgr_clock_map *map, size_t first, size_t end)
{
	for (size_t i = first; i + 1 < end; i++) {
		struct cgr_clock_point *at = &map->point[i];
		at->broken = is_broken(map, first, end, i);
		map->breaks += at->broken;
		if (at->broken)
			at->scale = i > first ? at[-1].scale : at[1].scale;
	}
}

/* The lines of a part of two points or more. */
static void settle_part(struct cgr_clock_map *map, size_t first, size_t end)
{
	for (size_t i = first; i + 1 < end; i++)
		map->point[i].scale = scale_between(&map->point[i], &map->point[i + 1]);
	mend_breaks(map, first, end);
	struct cgr_clock_point *last = &map->point[end - 1], *from = last;
	while (from > map->point + first && last->mono_ns - from->mono_ns < BASE_NS && !from[-1].broken)
		from--;
	last->scale = from == last ? from[-1].scale : scale_between(from, last);
}

/* Where in an interval the line before and the one behind meet: there the kernel went over to another factor (adjtimex)
 * or another clock source. */
static bool find_kink(const struct cgr_clock_map *map, size_t first, size_t end, size_t i,
                      struct cgr_clock_point *ret_kink)
{
	const struct cgr_clock_point *at = &map->point[i];

	if (i == first || i + 2 >= end || at[-1].broken || at[0].broken || at[1].broken ||
	    at[0].mono_ns - at[-1].mono_ns < SLOPE_NS || at[2].mono_ns - at[1].mono_ns < SLOPE_NS)
		return false;
	uint64_t before = at[-1].scale, behind = at[1].scale, counts = at[1].count - at[0].count;
	uint64_t differ = before > behind ? before - behind : behind - before;
	if (differ <= before / KINK_PARTS || !is_alike(at->scale, before) || !is_alike(at->scale, behind))
		return false;
	__int128 missing = ((__int128)(at[1].mono_ns - at[0].mono_ns) << 32) - (__int128)behind * counts;
	__int128 offset = missing / ((__int128)before - behind);
	if (offset <= 0 || offset >= counts)
		return false;
	*ret_kink = (struct cgr_clock_point){ .count = at->count + (uint64_t)offset,
		                                  .mono_ns = at->mono_ns + scaled((uint64_t)offset, before) };
	return ret_kink->mono_ns > at->mono_ns && ret_kink->mono_ns < at[1].mono_ns;
}

/* Into a new array, if there are any; without memory for it lines stay straight. */
static void insert_kinks(struct cgr_clock_map *map)
{
	struct cgr_clock_point *point = NULL, kink;
	size_t points = 0, room = 2 * map->points;

	for (size_t first = 0, end; first < map->points; first = end) {
		end = part_end(map, first);
		for (size_t i = first; i < end; i++) {
			bool kinked = find_kink(map, first, end, i, &kink);
			if (kinked && point == NULL) {
				point = cgr_calloc(room, sizeof(*point));
				if (point == NULL)
					return;
				memcpy(point, map->point, i * sizeof(*point));
				points = i;
			}
			if (point == NULL)
				continue;
			point[points] = map->point[i];
			if (kinked) {
				kink.scale = scale_between(&kink, &map->point[i + 1]);
				point[points++].scale = scale_between(&map->point[i], &kink);
				point[points] = kink;
			}
			points++;
		}
	}
	if (point == NULL)
		return;
	free(map->point);
	map->point = point;
	map->points = points;
	map->capacity = room;
}

/* A part of a single point has the slope of another: it is the same quartz. */
static void settle_single(struct cgr_clock_map *map, const struct cgr_clock_point *other)
{
	const struct cgr_clock_point *before = NULL;

	for (size_t first = 0, end; first < map->points; first = end) {
		end = part_end(map, first);
		if (end - first == 1)
			map->point[first].scale = (before != NULL ? before : other)->scale;
		before = &map->point[end - 1];
	}
}

int cgr_clock_map_settle(struct cgr_clock_map *map, struct cgr_error *reterr)
{
	const struct cgr_clock_point *sloped = NULL;

	tidy(map);
	map->breaks = 0;
	int rc = check_restarts(map, reterr);
	if (rc < 0)
		map->points = 0;
	for (size_t first = 0, end; first < map->points; first = end) {
		end = part_end(map, first);
		if (end - first == 1)
			continue;
		settle_part(map, first, end);
		if (sloped == NULL)
			sloped = &map->point[first];
	}
	if (sloped == NULL)
		map->points = 0;
	else
		settle_single(map, sloped);
	insert_kinks(map);
	for (size_t first = 0; first < map->points; first = map->point[first].end)
		map->point[first].end = (uint32_t)part_end(map, first);
	return rc;
}

/* The last point of the cursor's part at or before its count, or the first one. */
static size_t find(const struct cgr_clock_map *map, const struct cgr_clock_cursor *cursor)
{
	size_t low = cursor->first, high = cursor->end;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (map->point[middle].count <= cursor->count)
			low = middle;
		else
			high = middle;
	}
	return low;
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

static bool is_longer(uint64_t counts, uint64_t scale, uint64_t ns)
{
	return ((unsigned __int128)counts * scale) >> 32 > ns;
}

/* Whether a count can be of the part of a cursor. */
static bool reaches(const struct cgr_clock_map *map, const struct cgr_clock_cursor *cursor)
{
	const struct cgr_clock_point *first = &map->point[cursor->first], *last = &map->point[cursor->end - 1];

	if (cursor->count < first->count)
		return !is_longer(first->count - cursor->count, first->scale, FROZEN_NS);
	return cursor->count <= last->count || !is_longer(cursor->count - last->count, last->scale, FROZEN_NS);
}

/* Whether a count, were it of the cursor's part, would be of a time at which the counter had begun anew. */
static bool is_too_late(const struct cgr_clock_map *map, const struct cgr_clock_cursor *cursor)
{
	const struct cgr_clock_point *last = &map->point[cursor->end - 1];

	return cursor->end < map->points && cursor->count > last->count &&
	       is_longer(cursor->count - last->count, last->scale, last[1].mono_ns - last->mono_ns - 1);
}

static void enter_part(const struct cgr_clock_map *map, struct cgr_clock_cursor *cursor, size_t first)
{
	cursor->near = cursor->first = first;
	cursor->end = map->point[first].end;
}

/* A CPU that slept long enough has a count that is above its last one all the same: of the first later part that has
 * it, behind that one's beginning, so that its time does not go back. If none has, the line goes on: pairs are missing.
 */
static void leave_past_part(const struct cgr_clock_map *map, struct cgr_clock_cursor *cursor)
{
	struct cgr_clock_cursor at = *cursor;

	while (at.end < map->points) {
		enter_part(map, &at, at.end);
		if (at.count >= map->point[at.first].count && reaches(map, &at) && !is_too_late(map, &at)) {
			*cursor = at;
			return;
		}
	}
}

/* The part of a CPU's first count, and those that its counts fall into. A ring-buffer page goes on behind the old
 * counts for the rest of it (kernel/trace/ring_buffer.c: rb_add_timestamp writes a difference that would be negative as
 * zero, and those behind it from the new count on; up to 5.8 rb_reserve_next_event writes zero for all events below the
 * last stamp): these events get the earliest time that they can have had. The next page tells its count. */
static void follow(const struct cgr_clock_map *map, struct cgr_clock_cursor *cursor, uint64_t count)
{
	uint64_t before = cursor->count;
	bool fell = count < before && is_longer(before - count, map->point[cursor->near].scale, FALL_NS);

	cursor->count = count;
	if (cursor->end == 0 || (fell && cursor->end < map->points)) {
		enter_part(map, cursor, cursor->end);
		while (cursor->end < map->points && !reaches(map, cursor))
			enter_part(map, cursor, cursor->end);
	}
	if (is_too_late(map, cursor))
		leave_past_part(map, cursor);
	cursor->astray = !reaches(map, cursor) || is_too_late(map, cursor);
}

uint64_t cgr_clock_map_ns(const struct cgr_clock_map *map, struct cgr_clock_cursor *cursor, uint64_t count)
{
	follow(map, cursor, count);
	const struct cgr_clock_point *at = &map->point[cursor->near];
	if (count < at->count || (cursor->near + 1 < cursor->end && count >= at[1].count)) {
		cursor->near = find(map, cursor);
		at = &map->point[cursor->near];
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
