/* Exact least recently used: what theory calls LRU, without the kernel's economies. */
#include "model/lib/mem_simple.h"

static void lru_access(struct cgr_ctx *ctx, uint32_t number, uint32_t cpu, uint32_t mem_flags)
{
	struct cgr_page *page = cgr_reclaim_core(ctx)->page;
	struct cgr_page_list *list = cgr_simple_list(ctx, &page[number]);
	(void)cpu, (void)mem_flags;
	cgr_page_list_remove(page, list, number);
	cgr_page_list_push_head(page, list, number);
}

const struct cgr_reclaim_ops cgr_reclaim_lru = {
	CGR_SIMPLE_HEAD(
	    "lru", "exact least recently used",
	    "One list per cgroup in the order of the last access. The miss-ratio curve of `cgreplay sweep` is its "
	    "result for all sizes at once."),
	.page_add = cgr_simple_add,
	.page_access = lru_access,
	.page_remove = cgr_simple_remove,
	.shrink = cgr_simple_shrink,
	.size = cgr_simple_size,
	.age = cgr_simple_age,
};
