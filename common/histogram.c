#include "common/histogram.h"

#include <stdlib.h>

#include "common/error.h"

#define LINEAR 32u /* buckets per power of two */

static unsigned bucket_of(uint64_t value)
{
	if (value < LINEAR)
		return (unsigned)value;
	unsigned power = 63u - (unsigned)__builtin_clzll(value); /* >= 5 */

	return (power - 4) * LINEAR + (unsigned)((value >> (power - 5)) & (LINEAR - 1));
}

uint64_t cgr_histogram_bucket_low(unsigned bucket)
{
	if (bucket < LINEAR)
		return bucket;
	unsigned power = bucket / LINEAR + 4;

	return (1ull << power) + ((uint64_t)(bucket % LINEAR) << (power - 5));
}

uint64_t cgr_histogram_bucket_high(unsigned bucket)
{
	if (bucket < LINEAR)
		return bucket;
	return cgr_histogram_bucket_low(bucket) + (1ull << (bucket / LINEAR - 1)) - 1;
}

int cgr_histogram_add(struct cgr_histogram *h, uint64_t value)
{
	if (h->bucket == NULL) {
		h->bucket = calloc(CGR_HISTOGRAM_BUCKETS, sizeof(*h->bucket));
		if (h->bucket == NULL)
			return CGR_E_NOMEM;
	}
	h->bucket[bucket_of(value)]++;
	h->count++;
	h->sum += value;
	if (value > h->maximum)
		h->maximum = value;
	return 0;
}

void cgr_histogram_merge(struct cgr_histogram *into, const struct cgr_histogram *from)
{
	if (from->bucket == NULL)
		return;
	if (into->bucket == NULL)
		into->bucket = calloc(CGR_HISTOGRAM_BUCKETS, sizeof(*into->bucket));
	if (into->bucket == NULL)
		return;
	for (unsigned i = 0; i <= bucket_of(from->maximum); i++)
		into->bucket[i] += from->bucket[i];
	into->count += from->count;
	into->sum += from->sum;
	if (from->maximum > into->maximum)
		into->maximum = from->maximum;
}

uint64_t cgr_histogram_quantile(const struct cgr_histogram *h, unsigned permille)
{
	if (h->count == 0)
		return 0;
	uint64_t rank = (h->count * permille + 999) / 1000, seen = 0;

	if (rank == 0)
		rank = 1;
	for (unsigned i = 0; i < CGR_HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= rank) {
			uint64_t high = cgr_histogram_bucket_high(i);
			return high < h->maximum ? high : h->maximum;
		}
	}
	return h->maximum;
}

void cgr_histogram_fini(struct cgr_histogram *h)
{
	free(h->bucket);
	*h = (struct cgr_histogram){ 0 };
}
