/* struct page_counter of mm/page_counter.c [6.1, 6.18]: a tree of usage counters in pages, charged from the leaf to the
 * root with undo, and the protection (memory.min, memory.low) computed over it. */
#ifndef CGR_MODEL_LIB_MEM_COUNTER_H
#define CGR_MODEL_LIB_MEM_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

#define CGR_COUNTER_MAX INT64_MAX

struct cgr_mem_counter {
	struct cgr_mem_counter *parent;
	int64_t usage, max, high, low, min;
	int64_t watermark;
	int64_t failcnt;
	int64_t min_usage, low_usage; /* min(usage, min), min(usage, low): this level's share */
	int64_t children_min_usage, children_low_usage; /* sums of the children's shares */
	int64_t emin, elow; /* effective protection of the last walk */
	uint32_t cgroup;
	bool protection; /* keep the sums (v2) */
};

void cgr_mem_counter_init(struct cgr_mem_counter *counter, struct cgr_mem_counter *parent, uint32_t cgroup,
                          bool protection);
/* All levels or none. NULL on success, else the counter whose limit was hit; its failcnt went up. */
struct cgr_mem_counter *cgr_mem_counter_try_charge(struct cgr_mem_counter *counter, int64_t pages);
void cgr_mem_counter_charge(struct cgr_mem_counter *counter, int64_t pages); /* no checks */
void cgr_mem_counter_uncharge(struct cgr_mem_counter *counter, int64_t pages);
void cgr_mem_counter_set_protection(struct cgr_mem_counter *counter, int64_t min, int64_t low);
/* page_counter_calculate_protection for one counter below the reclaim root; parents first. recursive: mount option
 * memory_recursiveprot. */
void cgr_mem_counter_protect(const struct cgr_mem_counter *root, struct cgr_mem_counter *counter, bool recursive);

#endif
