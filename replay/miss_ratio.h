/* Miss-ratio curves: one pass over page accesses gives the misses of an LRU of every size at once (Mattson's stack
 * distances, counted with a Fenwick tree over the order of last accesses). Exact up to max_pages distinct pages; beyond
 * that pages are sampled by hash at a falling rate that keeps at most max_pages of them, distances are scaled up and
 * the count is corrected (SHARDS_adj). */
#ifndef CGR_REPLAY_MISS_RATIO_H
#define CGR_REPLAY_MISS_RATIO_H

#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"
#include "store/store.h"

#define CGR_CURVE_PAGES_DEFAULT 10000000u
#define CGR_CURVE_PAGES_MIN 8192u

struct cgr_curve;

/* max_pages: at least CGR_CURVE_PAGES_MIN; 0 = default. NULL when out of memory. */
struct cgr_curve *cgr_curve_new(uint32_t max_pages);
struct cgr_curve *cgr_curve_free(struct cgr_curve *curve); /* NULL-safe, returns NULL */
/* One access to a page. 0 or CGR_E_NOMEM. */
int cgr_curve_access(struct cgr_curve *curve, uint32_t file, uint64_t index);
/* The page is gone for good (truncated): its next access is a first one. */
void cgr_curve_forget(struct cgr_curve *curve, uint32_t file, uint64_t index);

uint64_t cgr_curve_accesses(const struct cgr_curve *curve);
uint64_t cgr_curve_pages(const struct cgr_curve *curve); /* distinct, scaled up when sampled */
uint64_t cgr_curve_kept(const struct cgr_curve *curve); /* pages kept: what the accuracy hangs on */
bool cgr_curve_sampled(const struct cgr_curve *curve);
/* Accesses that miss in an LRU of size_pages, first accesses included. */
uint64_t cgr_curve_misses(const struct cgr_curve *curve, uint64_t size_pages);

/* The same for several sizes at once, which must ascend. */
void cgr_curve_sizes(const struct cgr_curve *curve, const uint64_t *size_pages, size_t count, uint64_t *ret_misses);

/* Curves of many cgroups from one pass; both arrays are as long as the store's cgroups. curve[g] is made at the first
 * look-up where wanted[g] (the caller frees), and stays NULL where there is none. */
struct cgr_curve_set {
	struct cgr_curve **curve;
	bool *wanted;
	uint32_t max_pages; /* of each curve */
};
/* Feeds the look-ups of the page cache made by tasks of each cgroup and its descendants. */
int cgr_curve_set_read(const struct cgr_curve_set *set, const struct cgr_store *store, struct cgr_error *reterr);
/* One cgroup's, without look-ups too; *ret_curve is the caller's. max_pages as for cgr_curve_new. */
int cgr_curve_read(const struct cgr_store *store, uint32_t cgroup, uint32_t max_pages, struct cgr_curve **ret_curve,
                   struct cgr_error *reterr);

#endif
