#include "common/histogram.h"

#include <stdlib.h>
#include <string.h>

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

/* Room for the buckets of one power of two after the other. */
static int reserve(struct cgr_histogram *h, unsigned bucket)
{
	uint32_t buckets = (bucket / LINEAR + 1) * LINEAR;
	uint32_t *grown;

	if (bucket < h->buckets)
		return 0;
	grown = realloc(h->bucket, buckets * sizeof(*grown));
	if (grown == NULL)
		return CGR_E_NOMEM;
	memset(grown + h->buckets, 0, (buckets - h->buckets) * sizeof(*grown));
	h->bucket = grown;
	h->buckets = buckets;
	return 0;
}

int cgr_histogram_add(struct cgr_histogram *h, uint64_t value)
{
	unsigned bucket = bucket_of(value);

	if (reserve(h, bucket) < 0)
		return CGR_E_NOMEM;
	h->bucket[bucket]++;
	h->count++;
	h->sum += value;
	if (value > h->maximum)
		h->maximum = value;
	return 0;
}

int cgr_histogram_merge(struct cgr_histogram *into, const struct cgr_histogram *from)
{
	if (from->buckets == 0)
		return 0;
	if (reserve(into, from->buckets - 1) < 0)
		return CGR_E_NOMEM;
	for (unsigned i = 0; i < from->buckets; i++)
		into->bucket[i] += from->bucket[i];
	into->count += from->count;
	into->sum += from->sum;
	if (from->maximum > into->maximum)
		into->maximum = from->maximum;
	return 0;
}

uint64_t cgr_histogram_quantile(const struct cgr_histogram *h, unsigned permille)
{
	if (h->count == 0)
		return 0;
	uint64_t rank = (h->count * permille + 999) / 1000, seen = 0;

	if (rank == 0)
		rank = 1;
	for (unsigned i = 0; i < h->buckets; i++) {
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
