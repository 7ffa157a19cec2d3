#include "reports/downsample.h"

#include <stdbool.h>

static size_t bucket_of(int64_t t_usec, int64_t end_usec, size_t buckets)
{
	if (t_usec <= 0 || end_usec <= 0)
		return 0;
	/* 128 bits: an hour in usec times a few thousand buckets is fine in 64, a hostile duration is not */
	unsigned __int128 bucket = (unsigned __int128)t_usec * buckets / (unsigned __int128)end_usec;
	return bucket >= buckets ? buckets - 1 : (size_t)bucket;
}

static bool in_window(int64_t t_usec, const struct cgr_window *window, size_t windows)
{
	for (size_t i = 0; i < windows; i++)
		if (t_usec >= window[i].from_usec && t_usec <= window[i].to_usec)
			return true;
	return false;
}

size_t cgr_downsample_m4(const int64_t *t_usec, const int64_t *value, size_t count, int64_t end_usec, size_t buckets,
                         const struct cgr_window *window, size_t windows, size_t *ret_index)
{
	size_t kept = 0;
	for (size_t first = 0, next; first < count; first = next) {
		size_t bucket = bucket_of(t_usec[first], end_usec, buckets), low = first, high = first;
		for (next = first; next < count && bucket_of(t_usec[next], end_usec, buckets) == bucket; next++) {
			if (value[next] < value[low])
				low = next;
			if (value[next] > value[high])
				high = next;
		}
		for (size_t i = first; i < next; i++)
			if (i == first || i == next - 1 || i == low || i == high || in_window(t_usec[i], window, windows))
				ret_index[kept++] = i;
	}
	return kept;
}
