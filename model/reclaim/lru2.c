/* The kernel's classic reclaim: an inactive and an active list per type (mm/vmscan.c shrink_lruvec, get_scan_count,
 * shrink_inactive_list, shrink_active_list; mm/swap.c folio_mark_accessed and the per-CPU folio batches;
 * mm/workingset.c), 6.1 and 6.18. Folios may be large; lists and counts are in pages. Page-table references are known
 * where a fault or a map event shows them. */
#include "common/error.h"
#include "common/util.h"
#include "model/lib/mem_list.h"
#include "model/reclaim.h"

#define BATCH_MAX 31
#define SWAP_CLUSTER_MAX 32u
#define IN_ACTIVATE_BATCH 0x01u /* in cgr_page.policy */
#define FILE_OF(lru) ((lru) >= CGR_LRU_INACTIVE_FILE)
#define ACTIVE_OF(lru) ((lru)&1)

struct lru2_group {
	struct cgr_page_list list[CGR_LRU_COUNT];
	uint64_t nonresident_age;
	uint64_t cost[2]; /* anon, file */
	uint64_t activated[2]; /* WORKINGSET_ACTIVATE of the subtree */
	uint64_t seen_activated[2]; /* lruvec->refaults: the same at the end of the last reclaim run */
	/* what rstat last flushed: sizes of the lists over the subtree, and activated */
	uint64_t flushed_size[CGR_LRU_COUNT], flushed_activated[2];
	uint64_t flush_number;
	bool known; /* it held pages when the trace began */
};
struct batch {
	uint32_t page[BATCH_MAX], count;
};
struct lru2_cpu {
	struct batch add, activate;
};
struct lru2 {
	struct cgr_page *page;
	struct cgr_memory_core *core;
	uint32_t batch_size;
	bool rotation_costs; /* 6.12: rotations count in the cost model, io weighs 32 */
	bool reclaim_flushes; /* to 6.10: each pass of reclaim flushes the statistics first (mem_cgroup_flush_stats) */
	bool batch_isolates; /* 6.12: a folio waiting in a batch cannot be isolated */
	uint64_t flush_period_ns, flush_phase_ns;
};

static struct lru2 *lru2_of(struct cgr_ctx *ctx)
{
	return (struct lru2 *)ctx->model;
}
static struct lru2_group *group_of(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return (struct lru2_group *)cgr_cgroup_state(ctx, cgroup);
}
static struct cgr_page_list *list_of(struct cgr_ctx *ctx, const struct cgr_page *page)
{
	unsigned lru = page->flags & CGR_PG_ANON ? CGR_LRU_INACTIVE_ANON : CGR_LRU_INACTIVE_FILE;
	return &group_of(ctx, cgr_page_cgroup(page))->list[lru + (page->flags & CGR_PG_ACTIVE ? 1 : 0)];
}

/* ---- statistics as reclaim sees them: rstat sums, flushed every two seconds ---- */
static uint64_t flush_number(const struct cgr_ctx *ctx, const struct lru2 *l)
{
	return l->flush_period_ns ? (ctx->now_ns + l->flush_phase_ns) / l->flush_period_ns + 1 : 0;
}

/* Of a cgroup made since the last flush the statistics say nothing; one that held pages when the trace began is known.
 */
static void note_birth(struct cgr_ctx *ctx, uint32_t cgroup)
{
	const struct lru2 *l = lru2_of(ctx);
	for (; cgroup != CGR_NONE && !group_of(ctx, cgroup)->flush_number; cgroup = l->core->parent[cgroup]) {
		struct lru2_group *group = group_of(ctx, cgroup);
		group->known |= !ctx->now_ns;
		group->flush_number = group->known ? 0 : flush_number(ctx, l);
	}
}

static struct lru2_group *flushed(struct cgr_ctx *ctx, uint32_t cgroup)
{
	const struct lru2 *l = lru2_of(ctx);
	struct lru2_group *group = group_of(ctx, cgroup);
	uint64_t number = flush_number(ctx, l);
	if (number && number == group->flush_number)
		return group;
	group->flush_number = number;
	for (unsigned lru = 0; lru < CGR_LRU_COUNT; lru++)
		group->flushed_size[lru] = group->list[lru].count;
	/* descendants have larger ids than their ancestors */
	for (uint32_t id = cgroup + 1; id < ctx->n_cgroups; id++) {
		uint32_t up = id;
		while (up != CGR_NONE && up > cgroup)
			up = l->core->parent[up];
		if (up == cgroup)
			for (unsigned lru = 0; lru < CGR_LRU_COUNT; lru++)
				group->flushed_size[lru] += group_of(ctx, id)->list[lru].count;
	}
	for (unsigned type = 0; type < 2; type++)
		group->flushed_activated[type] = group->activated[type];
	return group;
}

static void age_nonresident(struct cgr_ctx *ctx, uint32_t cgroup, uint64_t pages)
{
	for (; cgroup != CGR_NONE; cgroup = lru2_of(ctx)->core->parent[cgroup])
		group_of(ctx, cgroup)->nonresident_age += pages;
}

/* lru_note_cost: here and at every ancestor; halved when it outgrows a quarter of the pages. */
static void note_cost(struct cgr_ctx *ctx, uint32_t cgroup, bool file, uint64_t io, uint64_t rotated)
{
	const struct lru2 *l = lru2_of(ctx);
	uint64_t cost = l->rotation_costs ? io * SWAP_CLUSTER_MAX + rotated : io;
	if (!cost)
		return;
	for (; cgroup != CGR_NONE; cgroup = l->core->parent[cgroup]) {
		struct lru2_group *group = group_of(ctx, cgroup);
		uint64_t size = 0;
		group->cost[file] += cost;
		for (unsigned lru = 0; lru < CGR_LRU_COUNT; lru++)
			size += group->list[lru].count;
		if (group->cost[0] + group->cost[1] > size / 4) {
			group->cost[0] /= 2;
			group->cost[1] /= 2;
		}
	}
}

/* ---- per-CPU folio batches (mm/swap.c) ---- */
static void drain_add(struct cgr_ctx *ctx, struct batch *batch)
{
	struct cgr_page *page = lru2_of(ctx)->page;
	for (uint32_t i = 0; i < batch->count; i++) {
		uint32_t n = batch->page[i];
		page[n].flags |= CGR_PG_ON_LIST;
		cgr_page_list_push_head(page, list_of(ctx, &page[n]), n);
	}
	batch->count = 0;
}

static void drain_activate(struct cgr_ctx *ctx, struct batch *batch)
{
	struct lru2 *l = lru2_of(ctx);
	for (uint32_t i = 0; i < batch->count; i++) {
		uint32_t n = batch->page[i];
		struct cgr_page *page = &l->page[n];
		page->policy &= (uint8_t)~IN_ACTIVATE_BATCH;
		if (page->flags & CGR_PG_ACTIVE)
			continue;
		cgr_page_list_remove(l->page, list_of(ctx, page), n);
		page->flags |= CGR_PG_ACTIVE;
		cgr_page_list_push_head(l->page, list_of(ctx, page), n);
		l->core->count(ctx->owner, cgr_page_cgroup(page), CGR_STAT_PGACTIVATE, cgr_page_count(page));
	}
	batch->count = 0;
}

static void drain_cpu(struct cgr_ctx *ctx, uint32_t cpu)
{
	struct lru2_cpu *state = cgr_cpu_state(ctx, cpu);
	drain_add(ctx, &state->add);
	drain_activate(ctx, &state->activate);
}

static void lru2_drain(struct cgr_ctx *ctx, uint32_t cpu)
{
	if (cpu != CGR_NONE) {
		drain_cpu(ctx, cpu);
		return;
	}
	for (cpu = 0; cpu < ctx->n_cpus; cpu++)
		drain_cpu(ctx, cpu);
}

static void forget_in(struct batch *batch, uint32_t n)
{
	for (uint32_t i = 0; i < batch->count; i++)
		if (batch->page[i] == n) {
			batch->count--;
			for (; i < batch->count; i++)
				batch->page[i] = batch->page[i + 1];
			return;
		}
}

/* ---- workingset (mm/workingset.c) ---- */
static uint64_t workingset_size(struct cgr_ctx *ctx, uint32_t cgroup, bool file)
{
	const struct lru2_group *group = flushed(ctx, cgroup);
	uint64_t size = group->flushed_size[CGR_LRU_ACTIVE_FILE];
	if (!file)
		size += group->flushed_size[CGR_LRU_INACTIVE_FILE];
	if (lru2_of(ctx)->core->swap_available) {
		size += group->flushed_size[CGR_LRU_ACTIVE_ANON];
		if (file)
			size += group->flushed_size[CGR_LRU_INACTIVE_ANON];
	}
	return size;
}

static void refault(struct cgr_ctx *ctx, struct cgr_page *page, const struct cgr_page *shadow)
{
	struct lru2 *l = lru2_of(ctx);
	bool file = !(page->flags & CGR_PG_ANON);
	uint32_t cgroup = cgr_page_cgroup(page), target = cgr_page_cgroup(shadow), pages = cgr_page_count(page);
	l->core->count(ctx->owner, cgroup, file ? CGR_STAT_REFAULT_FILE : CGR_STAT_REFAULT_ANON, pages);
	if (page->flags & CGR_PG_DIRTY && file)
		return; /* read in only to be written anew: no sign of a working set */
	uint32_t distance = (uint32_t)group_of(ctx, target)->nonresident_age - shadow->prev;
	if (distance > workingset_size(ctx, target, file))
		return;
	page->flags |= CGR_PG_ACTIVE;
	age_nonresident(ctx, cgroup, pages);
	l->core->count(ctx->owner, cgroup, file ? CGR_STAT_ACTIVATE_FILE : CGR_STAT_ACTIVATE_ANON, pages);
	for (uint32_t id = cgroup; id != CGR_NONE; id = l->core->parent[id])
		group_of(ctx, id)->activated[file] += pages;
	if (shadow->flags & CGR_PG_WORKINGSET) {
		page->flags |= CGR_PG_WORKINGSET;
		note_cost(ctx, cgroup, file, pages, 0);
		l->core->count(ctx->owner, cgroup, file ? CGR_STAT_RESTORE_FILE : CGR_STAT_RESTORE_ANON, pages);
	}
}

/* ---- what happens to pages ---- */
static void lru2_page_add(struct cgr_ctx *ctx, uint32_t n, uint32_t cpu, const struct cgr_page *shadow)
{
	struct lru2 *l = lru2_of(ctx);
	struct batch *batch = &((struct lru2_cpu *)cgr_cpu_state(ctx, cpu))->add;
	note_birth(ctx, cgr_page_cgroup(&l->page[n]));
	if (shadow)
		refault(ctx, &l->page[n], shadow);
	batch->page[batch->count++] = n;
	/* a large folio empties the batch at once */
	if (batch->count >= l->batch_size || cgr_page_count(&l->page[n]) > 1)
		drain_add(ctx, batch);
}

static void activate(struct cgr_ctx *ctx, uint32_t n, uint32_t cpu)
{
	struct lru2 *l = lru2_of(ctx);
	struct cgr_page *page = &l->page[n];
	struct lru2_cpu *state = cgr_cpu_state(ctx, cpu);
	if (page->policy & IN_ACTIVATE_BATCH)
		return;
	if (page->flags & CGR_PG_ON_LIST) {
		page->policy |= IN_ACTIVATE_BATCH;
		state->activate.page[state->activate.count++] = n;
		if (state->activate.count >= l->batch_size || cgr_page_count(page) > 1)
			drain_activate(ctx, &state->activate);
		return;
	}
	/* __lru_cache_activate_folio: only this CPU's batch of new pages can be reached */
	for (uint32_t i = 0; i < state->add.count; i++)
		if (state->add.page[i] == n)
			page->flags |= CGR_PG_ACTIVE;
}

/* folio_mark_accessed; a reference through a page table leaves only its bit. */
static void lru2_page_access(struct cgr_ctx *ctx, uint32_t n, uint32_t cpu, uint32_t mem_flags)
{
	struct cgr_page *page = &lru2_of(ctx)->page[n];
	if (mem_flags & CGR_MEM_FAULT)
		return; /* the controller set CGR_PG_YOUNG */
	if (!(page->flags & CGR_PG_REFERENCED)) {
		page->flags |= CGR_PG_REFERENCED;
	} else if (!(page->flags & CGR_PG_ACTIVE)) {
		activate(ctx, n, cpu);
		page->flags &= (uint16_t)~CGR_PG_REFERENCED;
		age_nonresident(ctx, cgr_page_cgroup(page), cgr_page_count(page));
	}
}

static void lru2_page_remove(struct cgr_ctx *ctx, uint32_t n)
{
	struct lru2 *l = lru2_of(ctx);
	struct cgr_page *page = &l->page[n];
	for (uint32_t cpu = 0; cpu < ctx->n_cpus && (!(page->flags & CGR_PG_ON_LIST) || page->policy); cpu++) {
		struct lru2_cpu *state = cgr_cpu_state(ctx, cpu);
		if (!(page->flags & CGR_PG_ON_LIST))
			forget_in(&state->add, n);
		else
			forget_in(&state->activate, n);
	}
	if (page->flags & CGR_PG_ON_LIST)
		cgr_page_list_remove(l->page, list_of(ctx, page), n);
	page->flags &= (uint16_t)~CGR_PG_ON_LIST;
	page->policy = 0;
}

/* folio_rotate_reclaimable, lru_move_tail */
static void lru2_rotate(struct cgr_ctx *ctx, uint32_t n)
{
	struct cgr_page *page = &lru2_of(ctx)->page[n];
	if (!(page->flags & CGR_PG_ON_LIST) || page->policy & IN_ACTIVATE_BATCH)
		return;
	cgr_page_list_remove(lru2_of(ctx)->page, list_of(ctx, page), n);
	page->flags &= (uint16_t)~CGR_PG_ACTIVE;
	cgr_page_list_push_tail(lru2_of(ctx)->page, list_of(ctx, page), n);
}

/* ---- shrinking ---- */
/* folio_check_references. */
enum reference { REF_RECLAIM, REF_KEEP, REF_ACTIVATE };
static enum reference check_references(struct cgr_page *page)
{
	bool young = page->flags & CGR_PG_YOUNG, referenced = page->flags & CGR_PG_REFERENCED;
	bool file = !(page->flags & CGR_PG_ANON);
	page->flags &= (uint16_t) ~(CGR_PG_YOUNG | CGR_PG_REFERENCED);
	if (!young)
		return REF_RECLAIM;
	page->flags |= CGR_PG_REFERENCED;
	if (referenced || (file && page->flags & CGR_PG_EXEC))
		return REF_ACTIVATE;
	return REF_KEEP;
}

static uint32_t isolate(struct cgr_ctx *ctx, struct cgr_page_list *list, uint32_t nr, uint32_t *taken,
                        uint32_t *ret_scanned)
{
	struct lru2 *l = lru2_of(ctx);
	uint32_t count = 0, scanned = 0, n = list->tail;
	uint32_t skipped[SWAP_CLUSTER_MAX], skips = 0;
	while (n && scanned < nr) {
		uint32_t prev = l->page[n].prev;
		scanned += cgr_page_count(&l->page[n]);
		cgr_page_list_remove(l->page, list, n);
		if (l->batch_isolates && l->page[n].policy & IN_ACTIVATE_BATCH)
			skipped[skips++] = n;
		else
			taken[count++] = n;
		n = prev;
	}
	for (uint32_t i = 0; i < skips; i++) /* not isolatable: to the head of its list */
		cgr_page_list_push_head(l->page, list, skipped[i]);
	*ret_scanned = scanned;
	return count;
}

static void put_back(struct cgr_ctx *ctx, uint32_t n)
{
	struct lru2 *l = lru2_of(ctx);
	cgr_page_list_push_head(l->page, list_of(ctx, &l->page[n]), n);
}

static void forget_activation(struct cgr_ctx *ctx, uint32_t n)
{
	for (uint32_t cpu = 0; cpu < ctx->n_cpus; cpu++)
		forget_in(&((struct lru2_cpu *)cgr_cpu_state(ctx, cpu))->activate, n);
	lru2_of(ctx)->page[n].policy = 0;
}

static void shrink_inactive(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup, unsigned lru, uint32_t nr)
{
	struct lru2 *l = lru2_of(ctx);
	uint32_t taken[SWAP_CLUSTER_MAX], scanned, reclaimed = 0, paged_out = 0, isolated = 0, unqueued_dirty = 0;
	bool file = FILE_OF(lru);
	drain_cpu(ctx, scan->cpu);
	uint32_t count = isolate(ctx, &group_of(ctx, cgroup)->list[lru], nr, taken, &scanned);
	scan->nr_scanned += scanned;
	l->core->count(ctx->owner, cgroup, CGR_STAT_PGSCAN, scanned);
	for (uint32_t i = 0; i < count; i++) {
		uint32_t n = taken[i];
		struct cgr_page *page = &l->page[n];
		uint32_t pages = cgr_page_count(page);
		bool writeback = file && page->flags & CGR_PG_WRITEBACK;
		enum reference reference = writeback ? REF_RECLAIM : check_references(page);
		enum cgr_evict evict = CGR_EVICT_KEEP;
		isolated += pages;
		unqueued_dirty += file && !writeback && page->flags & CGR_PG_DIRTY ? pages : 0;
		if (reference == REF_ACTIVATE) {
			evict = CGR_EVICT_ACTIVATE;
		} else if (reference == REF_RECLAIM) {
			if (page->policy & IN_ACTIVATE_BATCH)
				forget_activation(ctx, n);
			page->flags &= (uint16_t)~CGR_PG_ON_LIST;
			uint64_t age = group_of(ctx, scan->target)->nonresident_age;
			evict = l->core->evict(ctx->owner, scan, n, (uint32_t)age);
		}
		if (evict == CGR_EVICT_FREED) {
			age_nonresident(ctx, scan->target, pages);
			reclaimed += pages;
			paged_out += file ? 0 : pages;
			continue;
		}
		page->flags |= CGR_PG_ON_LIST;
		if (evict == CGR_EVICT_ACTIVATE) {
			page->flags |= CGR_PG_ACTIVE;
			l->core->count(ctx->owner, cgroup, CGR_STAT_PGACTIVATE, pages);
			age_nonresident(ctx, cgroup, pages);
		}
		put_back(ctx, n);
	}
	scan->nr_reclaimed += reclaimed;
	l->core->count(ctx->owner, cgroup, CGR_STAT_PGSTEAL, reclaimed);
	note_cost(ctx, cgroup, file, paged_out, scanned - reclaimed);
	if (isolated && isolated == unqueued_dirty)
		l->core->all_dirty(ctx->owner);
}

static void shrink_active(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup, unsigned lru, uint32_t nr)
{
	struct lru2 *l = lru2_of(ctx);
	uint32_t taken[SWAP_CLUSTER_MAX], scanned, rotated = 0, deactivated = 0;
	drain_cpu(ctx, scan->cpu);
	uint32_t count = isolate(ctx, &group_of(ctx, cgroup)->list[lru], nr, taken, &scanned);
	l->core->count(ctx->owner, cgroup, CGR_STAT_PGREFILL, scanned);
	for (uint32_t i = 0; i < count; i++) {
		struct cgr_page *page = &l->page[taken[i]];
		bool young = page->flags & CGR_PG_YOUNG;
		page->flags &= (uint16_t)~CGR_PG_YOUNG;
		if (young && page->flags & CGR_PG_EXEC && FILE_OF(lru)) {
			rotated += cgr_page_count(page);
		} else {
			page->flags &= (uint16_t)~CGR_PG_ACTIVE;
			page->flags |= CGR_PG_WORKINGSET;
			deactivated += cgr_page_count(page);
		}
		put_back(ctx, taken[i]);
	}
	l->core->count(ctx->owner, cgroup, CGR_STAT_PGDEACTIVATE, deactivated);
	note_cost(ctx, cgroup, FILE_OF(lru), 0, rotated);
}

static uint64_t isqrt(uint64_t x)
{
	uint64_t root = 0;
	for (uint64_t bit = 1ull << 31; bit; bit >>= 1)
		if ((root | bit) * (root | bit) <= x)
			root |= bit;
	return root;
}

static bool inactive_is_low(uint64_t inactive, uint64_t active)
{
	uint64_t gigabytes = (inactive + active) >> (30 - 12);
	uint64_t ratio = gigabytes ? isqrt(10 * gigabytes) : 1;
	return inactive * ratio < active;
}

/* prepare_scan_control: from the target's own statistics. */
static void lru2_scan_prepare(struct cgr_ctx *ctx, struct cgr_scan *scan)
{
	if (lru2_of(ctx)->reclaim_flushes)
		group_of(ctx, scan->target)->flush_number = 0;
	const struct lru2_group *target = flushed(ctx, scan->target);
	const uint64_t *size = target->flushed_size;
	scan->anon_cost = target->cost[0];
	scan->file_cost = target->cost[1];
	scan->may_deactivate_anon = scan->force_deactivate || target->flushed_activated[0] != target->seen_activated[0] ||
	                            inactive_is_low(size[CGR_LRU_INACTIVE_ANON], size[CGR_LRU_ACTIVE_ANON]);
	scan->may_deactivate_file = scan->force_deactivate || target->flushed_activated[1] != target->seen_activated[1] ||
	                            inactive_is_low(size[CGR_LRU_INACTIVE_FILE], size[CGR_LRU_ACTIVE_FILE]);
	scan->cache_trim = (size[CGR_LRU_INACTIVE_FILE] >> scan->priority) && !scan->may_deactivate_file;
}

static void lru2_scan_finish(struct cgr_ctx *ctx, struct cgr_scan *scan)
{
	struct lru2_group *target = flushed(ctx, scan->target);
	target->seen_activated[0] = target->flushed_activated[0];
	target->seen_activated[1] = target->flushed_activated[1];
}

enum balance { SCAN_EQUAL, SCAN_FRACT, SCAN_ANON, SCAN_FILE };
static enum balance choose_balance(const struct cgr_scan *scan, uint64_t fraction[2], uint64_t *ret_denominator)
{
	fraction[0] = fraction[1] = *ret_denominator = 1;
	if (!scan->may_swap || scan->swap_free_pages <= 0 || scan->swappiness == 0)
		return SCAN_FILE;
	if (scan->swappiness > 200)
		return SCAN_ANON;
	if (scan->priority == 0)
		return SCAN_EQUAL;
	if (scan->cache_trim)
		return SCAN_FILE;
	uint64_t total = scan->anon_cost + scan->file_cost, swappiness = (uint64_t)scan->swappiness;
	uint64_t anon = total + scan->anon_cost, file = total + scan->file_cost;
	total = anon + file;
	fraction[0] = swappiness * (total + 1) / (anon + 1);
	fraction[1] = (200 - swappiness) * (total + 1) / (file + 1);
	*ret_denominator = fraction[0] + fraction[1];
	return SCAN_FRACT;
}

/* get_scan_count. */
static void scan_targets(struct cgr_ctx *ctx, const struct cgr_scan *scan, uint32_t cgroup, uint64_t nr[CGR_LRU_COUNT])
{
	uint64_t fraction[2], denominator;
	enum balance balance = choose_balance(scan, fraction, &denominator);
	for (unsigned lru = 0; lru < CGR_LRU_COUNT; lru++) {
		uint64_t size = group_of(ctx, cgroup)->list[lru].count, count = size;
		unsigned file = FILE_OF(lru);
		if (scan->protection > 0) {
			uint64_t usage = (uint64_t)CGR_MAX(scan->usage, scan->protection);
			count = size - (uint64_t)((unsigned __int128)size * (uint64_t)scan->protection / (usage + 1));
			count = CGR_MAX(count, (uint64_t)SWAP_CLUSTER_MAX);
		}
		count >>= scan->priority;
		if (!count && scan->dying)
			count = CGR_MIN(size, (uint64_t)SWAP_CLUSTER_MAX);
		if (balance == SCAN_FRACT)
			count = (count * fraction[file] + (scan->dying ? denominator - 1 : 0)) / denominator;
		else if ((balance == SCAN_FILE && !file) || (balance == SCAN_ANON && file))
			count = 0;
		nr[lru] = count;
	}
}

static void shrink_list(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup, unsigned lru, uint32_t nr)
{
	if (!ACTIVE_OF(lru)) {
		shrink_inactive(ctx, scan, cgroup, lru, nr);
		return;
	}
	if (FILE_OF(lru) ? scan->may_deactivate_file : scan->may_deactivate_anon)
		shrink_active(ctx, scan, cgroup, lru, nr);
	else
		scan->skipped_deactivate = true;
}

/* After the goal is met: go on with the list type that still has more to scan, in the proportion the other reached.
 * false: stop. */
static bool rebalance(uint64_t nr[CGR_LRU_COUNT], const uint64_t targets[CGR_LRU_COUNT])
{
	uint64_t file = nr[CGR_LRU_INACTIVE_FILE] + nr[CGR_LRU_ACTIVE_FILE];
	uint64_t anon = nr[CGR_LRU_INACTIVE_ANON] + nr[CGR_LRU_ACTIVE_ANON];
	if (!file || !anon)
		return false;
	unsigned drop = file > anon ? CGR_LRU_INACTIVE_ANON : CGR_LRU_INACTIVE_FILE;
	unsigned keep = file > anon ? CGR_LRU_INACTIVE_FILE : CGR_LRU_INACTIVE_ANON;
	uint64_t left = file > anon ? anon : file;
	uint64_t percentage = left * 100 / (targets[drop] + targets[drop + 1] + 1);
	nr[drop] = nr[drop + 1] = 0;
	for (unsigned lru = keep; lru <= keep + 1; lru++) {
		uint64_t scanned = targets[lru] - nr[lru], want = targets[lru] * (100 - percentage) / 100;
		nr[lru] = want - CGR_MIN(want, scanned);
	}
	return true;
}

/* shrink_lruvec. */
static void lru2_shrink(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup)
{
	uint64_t nr[CGR_LRU_COUNT], targets[CGR_LRU_COUNT];
	uint32_t reclaimed_before = scan->nr_reclaimed;
	bool adjusted = false;
	scan_targets(ctx, scan, cgroup, nr);
	for (unsigned lru = 0; lru < CGR_LRU_COUNT; lru++)
		targets[lru] = nr[lru];
	while (nr[CGR_LRU_INACTIVE_ANON] || nr[CGR_LRU_ACTIVE_FILE] || nr[CGR_LRU_INACTIVE_FILE]) {
		for (unsigned lru = 0; lru < CGR_LRU_COUNT; lru++) {
			uint32_t part = (uint32_t)CGR_MIN(nr[lru], (uint64_t)SWAP_CLUSTER_MAX);
			if (!part)
				continue;
			nr[lru] -= part;
			shrink_list(ctx, scan, cgroup, lru, part);
		}
		if (scan->nr_reclaimed - reclaimed_before < scan->nr_to_reclaim || adjusted)
			continue;
		if (!rebalance(nr, targets))
			break;
		adjusted = true;
	}
	const struct lru2_group *group = group_of(ctx, cgroup);
	if (lru2_of(ctx)->core->swap_available && scan->swap_free_pages > 0 &&
	    inactive_is_low(group->list[CGR_LRU_INACTIVE_ANON].count, group->list[CGR_LRU_ACTIVE_ANON].count))
		shrink_active(ctx, scan, cgroup, CGR_LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX);
}

static int64_t lru2_size(struct cgr_ctx *ctx, uint32_t cgroup, enum cgr_lru lru)
{
	return group_of(ctx, cgroup)->list[lru].count;
}

static uint64_t lru2_known(struct cgr_ctx *ctx, uint32_t cgroup)
{
	const struct lru2_group *group = flushed(ctx, cgroup);
	uint64_t pages = 0;
	for (unsigned lru = 0; lru < CGR_LRU_COUNT; lru++)
		pages += group->flushed_size[lru];
	return pages;
}

static uint32_t lru2_age(struct cgr_ctx *ctx, uint32_t cgroup)
{
	uint32_t age = (uint32_t)group_of(ctx, cgroup)->nonresident_age;
	age_nonresident(ctx, cgroup, 1);
	return age;
}

enum param { PARAM_FLUSH_MS, PARAM_COUNT };
static const struct cgr_param_desc params[PARAM_COUNT] = {
	[PARAM_FLUSH_MS] = { "stat_flush_ms", "ms",
	                     "period of the rstat flush that reclaim's statistics wait for; 0 = exact", 2000, 0, 60000 },
};

static int lru2_init(struct cgr_ctx *ctx)
{
	struct lru2 *l = lru2_of(ctx);
	uint32_t version = ctx->kernel_version ? ctx->kernel_version : CGR_KERNEL(6, 18, 0);
	l->core = cgr_reclaim_core(ctx);
	l->page = l->core->page;
	l->batch_size = version >= CGR_KERNEL(6, 7, 0) ? BATCH_MAX : 15;
	l->rotation_costs = version >= CGR_KERNEL(6, 12, 0);
	l->reclaim_flushes = version < CGR_KERNEL(6, 11, 0);
	l->batch_isolates = version >= CGR_KERNEL(6, 12, 0);
	l->flush_period_ns = (uint64_t)cgr_param(ctx, PARAM_FLUSH_MS) * 1000000u;
	l->flush_phase_ns = l->flush_period_ns ? cgr_random(ctx) % l->flush_period_ns : 0;
	return 0;
}

/* Every link is two-way, every linked page says so and stands in the list its flags name. */
static const char *lru2_self_check(struct cgr_ctx *ctx)
{
	const struct lru2 *l = lru2_of(ctx);
	for (uint32_t cgroup = 0; cgroup < ctx->n_cgroups; cgroup++)
		for (unsigned lru = 0; lru < CGR_LRU_COUNT; lru++) {
			const struct cgr_page_list *list = &group_of(ctx, cgroup)->list[lru];
			uint32_t count = 0, prev = 0;
			for (uint32_t n = list->head; n; prev = n, n = l->page[n].next) {
				const struct cgr_page *page = &l->page[n];
				count += cgr_page_count(page);
				if (count > list->count || page->prev != prev)
					return "lru2: a list is broken";
				if (!(page->flags & CGR_PG_RESIDENT) || !(page->flags & CGR_PG_ON_LIST) || list_of(ctx, page) != list)
					return "lru2: a page stands in the wrong list";
			}
			if (count != list->count || prev != list->tail)
				return "lru2: a list has another length than it says";
		}
	return NULL;
}

const struct cgr_reclaim_ops cgr_reclaim_lru2 = {
	.head = {
		.struct_size = sizeof(struct cgr_reclaim_ops), .abi_version = CGR_MODEL_ABI, .domain = CGR_DOMAIN_RECLAIM,
		.name = "lru2",
		.summary = "the kernel's two lists per type, workingset with refault distance (default)",
		.doc = "shrink_lruvec with get_scan_count, cost balance of anonymous and file pages, per-CPU folio batches, "
		       "folio_mark_accessed, activation on the second access, workingset shadows with refault distance against "
		       "the eviction target, statistics as stale as rstat leaves them (6.1, 6.18).",
		.needs = 0, .params = params, .n_params = PARAM_COUNT,
		.model_size = sizeof(struct lru2), .cgroup_size = sizeof(struct lru2_group), .cpu_size = sizeof(struct lru2_cpu),
		.init = lru2_init, .self_check = lru2_self_check,
	},
	.page_add = lru2_page_add, .page_access = lru2_page_access, .rotate = lru2_rotate, .page_remove = lru2_page_remove,
	.scan_prepare = lru2_scan_prepare, .shrink = lru2_shrink, .scan_finish = lru2_scan_finish, .drain = lru2_drain,
	.size = lru2_size, .known = lru2_known, .age = lru2_age,
};
