/* From a bare counter (the time stamp counter of x86) to CLOCK_MONOTONIC: by pairs of both, read together now and then.
 * The kernel makes CLOCK_MONOTONIC of that counter by a factor which it corrects as NTP tells it to: between two pairs
 * that are not far apart it is a straight line, or two, where their neighbours have different slopes. Where the machine
 * was suspended and the counter went on, it is broken: the line before goes on into the interval, the one behind leads
 * out of it. Where it began anew (suspend to RAM, hibernation), each part has its lines by itself; which part a count
 * is of, the order of a CPU's counts tells. */
#ifndef CGR_COMMON_CLOCKMAP_H
#define CGR_COMMON_CLOCKMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define CGR_CLOCK_PAIR_BYTES 16u /* in a CLOCK section: u64 count, u64 ns, little endian */

struct cgr_clock_point {
	uint64_t count, mono_ns;
	uint64_t scale; /* ns per count from here on, << 32 */
	bool broken; /* but not up to the next point: CLOCK_MONOTONIC stood meanwhile */
	bool anew; /* the counter began anew before this one: the first of its part */
	uint32_t end; /* of the first of a part: where the next one begins */
};

struct cgr_clock_map {
	struct cgr_clock_point *point; /* rising in time, and in each part in its count */
	size_t points, capacity; /* 0 points: nothing is known */
	uint64_t least_ns; /* between two points: 0, or more where there were too many */
	size_t restarts; /* how often the counter began anew: one less than there are parts */
	size_t breaks; /* in the line */
};

/* Where one CPU's counts have come to; starts as zeroes. */
struct cgr_clock_cursor {
	size_t near; /* the point of the last count */
	size_t first, end; /* points of its part */
	uint64_t count;
	bool astray; /* no part can have it: pairs are missing, and its time is a guess */
};

/* Adds the pairs of one CLOCK section; those of several may overlap. Beyond CGR_LIMIT_CLOCK_PAIRS they get sparse. */
int cgr_clock_map_add(struct cgr_clock_map *map, const void *pairs, size_t bytes, struct cgr_error *reterr);
/* After the last of them: makes the lines. Single pairs that do not rise with the others are dropped; less than two are
 * none, nor are those of a counter that began anew more than CGR_LIMIT_CLOCK_RESTARTS times: CGR_E_LIMIT, here or from
 * cgr_clock_map_add. */
int cgr_clock_map_settle(struct cgr_clock_map *map, struct cgr_error *reterr);
/* For one CPU's counts in the order it stamped them: where they fall, or are of a time at which the next part has
 * begun, they are of that one. Never goes back where count does not, but in the midst of a break, where there are no
 * events. The map has points. */
uint64_t cgr_clock_map_ns(const struct cgr_clock_map *map, struct cgr_clock_cursor *cursor, uint64_t count);
void cgr_clock_map_fini(struct cgr_clock_map *map); /* legal on a zeroed one */

#endif
