/* M4 (Jugel et al., VLDB 2014): first, last, smallest and largest point of each time bucket, which draws the same
 * line as all points do when a bucket is a pixel wide. */
#ifndef CGR_REPORTS_DOWNSAMPLE_H
#define CGR_REPORTS_DOWNSAMPLE_H

#include <stddef.h>
#include <stdint.h>

struct cgr_window {
	int64_t from_usec, to_usec;
};

/* Keeps the points of (t, value), t ascending, that M4 keeps for `buckets` buckets over [0, end_usec], and every
 * point inside one of the windows. Writes ascending indices to ret_index, which has room for count, and returns how
 * many. buckets >= 1. Time before 0 and after the end falls into the first and last bucket. */
size_t cgr_downsample_m4(const int64_t *t_usec, const int64_t *value, size_t count, int64_t end_usec, size_t buckets,
                         const struct cgr_window *window, size_t windows, size_t *ret_index);

#endif
