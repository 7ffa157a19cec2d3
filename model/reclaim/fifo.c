/* First in, first out: one list per cgroup, accesses do not matter. A floor to compare with. */
#include "model/lib/mem_simple.h"

static void fifo_access(struct cgr_ctx *ctx, uint32_t page, uint32_t cpu, uint32_t mem_flags)
{
	(void)ctx, (void)page, (void)cpu, (void)mem_flags;
}

const struct cgr_reclaim_ops cgr_reclaim_fifo = {
	CGR_SIMPLE_HEAD(
	    "fifo", "oldest page first, accesses do not matter",
	    "One list per cgroup in the order of insertion. Evicts file pages, and anonymous pages where there is "
	    "swap. No second chance, no working set."),
	.page_add = cgr_simple_add,
	.page_access = fifo_access,
	.page_remove = cgr_simple_remove,
	.shrink = cgr_simple_shrink,
	.size = cgr_simple_size,
	.age = cgr_simple_age,
};
