#include "model/lib/mem_simple.h"

#include "common/util.h"

static struct cgr_simple_group *group_of(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return (struct cgr_simple_group *)cgr_cgroup_state(ctx, cgroup);
}

struct cgr_page_list *cgr_simple_list(struct cgr_ctx *ctx, const struct cgr_page *page)
{
	return &group_of(ctx, cgr_page_cgroup(page))->list[page->flags & CGR_PG_ANON ? 0 : 1];
}

void cgr_simple_add(struct cgr_ctx *ctx, uint32_t number, uint32_t cpu, const struct cgr_page *shadow)
{
	struct cgr_memory_core *core = cgr_reclaim_core(ctx);
	struct cgr_page *page = &core->page[number];
	(void)cpu;
	if (shadow)
		core->count(ctx->owner, cgr_page_cgroup(page),
		            page->flags & CGR_PG_ANON ? CGR_STAT_REFAULT_ANON : CGR_STAT_REFAULT_FILE, cgr_page_count(page));
	page->flags |= CGR_PG_ON_LIST;
	cgr_page_list_push_head(core->page, cgr_simple_list(ctx, page), number);
}

void cgr_simple_remove(struct cgr_ctx *ctx, uint32_t number)
{
	struct cgr_page *page = cgr_reclaim_core(ctx)->page;
	cgr_page_list_remove(page, cgr_simple_list(ctx, &page[number]), number);
	page[number].flags &= (uint16_t)~CGR_PG_ON_LIST;
}

/* File pages first, swap-backed ones when that was not enough: no balance is claimed. The priority plays no part. */
void cgr_simple_shrink(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup)
{
	struct cgr_memory_core *core = cgr_reclaim_core(ctx);
	struct cgr_simple_group *group = group_of(ctx, cgroup);
	for (unsigned type = 2; type-- > 0;) {
		struct cgr_page_list *list = &group->list[type];
		uint32_t left = type || (scan->may_swap && scan->swap_free_pages > 0) ? list->count : 0;
		uint32_t scanned = 0, reclaimed = 0;
		while (left && scan->nr_reclaimed + reclaimed < scan->nr_to_reclaim) {
			uint32_t number = list->tail, pages = cgr_page_count(&core->page[number]);
			left -= CGR_MIN(left, pages);
			scanned += pages;
			cgr_page_list_remove(core->page, list, number);
			core->page[number].flags &= (uint16_t)~CGR_PG_ON_LIST;
			if (core->evict(ctx->owner, scan, number, group->age) == CGR_EVICT_FREED) {
				reclaimed += pages;
				group->age += pages;
				continue;
			}
			core->page[number].flags |= CGR_PG_ON_LIST;
			cgr_page_list_push_head(core->page, list, number);
		}
		scan->nr_scanned += scanned;
		scan->nr_reclaimed += reclaimed;
		if (type && scanned && !reclaimed)
			core->all_dirty(ctx->owner);
		core->count(ctx->owner, cgroup, CGR_STAT_PGSCAN, scanned);
		core->count(ctx->owner, cgroup, CGR_STAT_PGSTEAL, reclaimed);
	}
}

int64_t cgr_simple_size(struct cgr_ctx *ctx, uint32_t cgroup, enum cgr_lru lru)
{
	if (lru == CGR_LRU_INACTIVE_ANON)
		return group_of(ctx, cgroup)->list[0].count;
	return lru == CGR_LRU_INACTIVE_FILE ? group_of(ctx, cgroup)->list[1].count : 0;
}

uint32_t cgr_simple_age(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return group_of(ctx, cgroup)->age++;
}
