/* What the one-list policies (fifo, lru) share: one list of file pages and one of swap-backed pages per cgroup, the
 * tail goes first, refaults are counted, nothing is activated. */
#ifndef CGR_MODEL_LIB_MEM_SIMPLE_H
#define CGR_MODEL_LIB_MEM_SIMPLE_H

#include "model/lib/mem_list.h"
#include "model/reclaim.h"

struct cgr_simple_group {
	struct cgr_page_list list[2]; /* anon, file */
	uint32_t age;
};

struct cgr_page_list *cgr_simple_list(struct cgr_ctx *ctx, const struct cgr_page *page);
void cgr_simple_add(struct cgr_ctx *ctx, uint32_t page, uint32_t cpu, const struct cgr_page *shadow);
void cgr_simple_remove(struct cgr_ctx *ctx, uint32_t page);
void cgr_simple_shrink(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup);
int64_t cgr_simple_size(struct cgr_ctx *ctx, uint32_t cgroup, enum cgr_lru lru);
uint32_t cgr_simple_age(struct cgr_ctx *ctx, uint32_t cgroup);

#define CGR_SIMPLE_HEAD(name_, summary_, doc_)                                                                         \
	.head = { .struct_size = sizeof(struct cgr_reclaim_ops),                                                           \
		      .abi_version = CGR_MODEL_ABI,                                                                            \
		      .domain = CGR_DOMAIN_RECLAIM,                                                                            \
		      .name = name_,                                                                                           \
		      .summary = summary_,                                                                                     \
		      .doc = doc_,                                                                                             \
		      .cgroup_size = sizeof(struct cgr_simple_group) }

#endif
