/* Log-linear histogram of non-negative integers (fio/HdrHistogram idea): 32 linear
 * buckets per power of two, so a percentile is at most 1/32 above the exact one. */
#ifndef CGR_COMMON_HISTOGRAM_H
#define CGR_COMMON_HISTOGRAM_H

#include <stdint.h>

#define CGR_HISTOGRAM_BUCKETS 1920u
/* There is one per task, mostly of a few short times: only the buckets up to the largest value have room. */
struct cgr_histogram {
	uint64_t count, sum, maximum;
	uint32_t *bucket; /* the first `buckets` of them; the others are empty */
	uint32_t buckets;
};
static inline uint32_t cgr_histogram_at(const struct cgr_histogram *h, unsigned bucket)
{
	return bucket < h->buckets ? h->bucket[bucket] : 0;
}
int cgr_histogram_add(struct cgr_histogram *h, uint64_t value); /* 0 or CGR_E_NOMEM */
/* 0 or CGR_E_NOMEM: then nothing was merged, and what is made of it would be too few. */
int cgr_histogram_merge(struct cgr_histogram *into, const struct cgr_histogram *from);
/* value at permille (500 = p50, 990 = p99): upper edge of its bucket, at most maximum; 0 when empty */
uint64_t cgr_histogram_quantile(const struct cgr_histogram *h, unsigned permille);
uint64_t cgr_histogram_bucket_low(unsigned bucket);
uint64_t cgr_histogram_bucket_high(unsigned bucket);
void cgr_histogram_fini(struct cgr_histogram *h);
#endif
