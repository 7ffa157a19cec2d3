/* The multi-generational LRU (CONFIG_LRU_GEN, mm/vmscan.c, 6.1 and later): up to four generations per cgroup and type,
 * tiers by accesses through file descriptors, the oldest generation of one type goes first. Ages come from accesses
 * that the recording shows; the walk over page tables is known only where a fault showed a reference.
 *
 * cgr_page.policy holds the generation (sequence mod 4) in bits 0..1 and the tier's access count in bits 2..3. */
#include <string.h>

#include "common/util.h"
#include "model/lib/mem_list.h"
#include "model/reclaim.h"

#define GENERATIONS 4u
#define MIN_GENERATIONS 2u
#define TIERS 4u
#define MIN_BATCH 64u
#define REFS_SHIFT 2
#define REFS_MAX 3u

struct lru_gen_group {
	struct cgr_page_list list[2][GENERATIONS]; /* anon, file */
	uint32_t max_seq, min_seq[2];
	/* lru_gen_folio: per type and tier, refaulted and evicted now, and the decayed averages */
	uint64_t refaulted[2][TIERS], evicted[2][TIERS], avg_refaulted[2][TIERS], avg_total[2][TIERS];
	uint64_t age; /* evictions, for the shadow's low bits */
};
struct lru_gen {
	struct cgr_memory_core *core;
};

static struct lru_gen_group *group_of(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return (struct lru_gen_group *)cgr_cgroup_state(ctx, cgroup);
}
static struct cgr_memory_core *core_of(struct cgr_ctx *ctx)
{
	return ((struct lru_gen *)ctx->model)->core;
}
static unsigned type_of(const struct cgr_page *page)
{
	return page->flags & CGR_PG_ANON ? 0 : 1;
}
static unsigned generation_of(const struct cgr_page *page)
{
	return page->policy & (GENERATIONS - 1);
}
static unsigned refs_of(const struct cgr_page *page)
{
	return page->policy >> REFS_SHIFT & REFS_MAX;
}
static void set_policy(struct cgr_page *page, uint32_t seq, unsigned refs)
{
	page->policy = (uint8_t)(seq % GENERATIONS | refs << REFS_SHIFT);
}
/* lru_tier_from_refs: order_base_2(refs + 1); the last tier is for pages of a former working set only (6.18). */
static unsigned tier_of(const struct cgr_page *page)
{
	static const unsigned tier[] = { 0, 1, 2, 2 };
	unsigned refs = refs_of(page);
	return refs == REFS_MAX && page->flags & CGR_PG_WORKINGSET ? 3 : tier[refs];
}
static struct cgr_page_list *list_of(struct cgr_ctx *ctx, const struct cgr_page *page)
{
	return &group_of(ctx, cgr_page_cgroup(page))->list[type_of(page)][generation_of(page)];
}

/* ---- aging ---- */
static void start(struct lru_gen_group *group)
{
	if (!group->max_seq) {
		group->max_seq = MIN_GENERATIONS + 1;
		group->min_seq[0] = group->min_seq[1] = 1; /* lru_gen_init_lruvec: MIN_NR_GENS + 1 */
	}
}

/* reset_ctrl_pos: the averages decay when a type's oldest generation is used up. */
static void decay(struct lru_gen_group *group, unsigned type)
{
	for (unsigned tier = 0; tier < TIERS; tier++) {
		group->avg_refaulted[type][tier] = (group->avg_refaulted[type][tier] + group->refaulted[type][tier]) / 2;
		group->avg_total[type][tier] =
		    (group->avg_total[type][tier] + group->refaulted[type][tier] + group->evicted[type][tier]) / 2;
		group->refaulted[type][tier] = group->evicted[type][tier] = 0;
	}
}

/* inc_min_seq: what is left of the oldest generation joins the next one. */
static void advance_min(struct cgr_ctx *ctx, struct lru_gen_group *group, unsigned type)
{
	struct cgr_page *page = core_of(ctx)->page;
	struct cgr_page_list *old = &group->list[type][group->min_seq[type] % GENERATIONS];
	struct cgr_page_list *next = &group->list[type][(group->min_seq[type] + 1) % GENERATIONS];
	while (old->head) { /* keeps their order at the tail of the next generation */
		uint32_t n = old->head;
		cgr_page_list_remove(page, old, n);
		set_policy(&page[n], group->min_seq[type] + 1, refs_of(&page[n]));
		cgr_page_list_push_tail(page, next, n);
	}
	decay(group, type);
	group->min_seq[type]++;
}

static void skip_empty(struct lru_gen_group *group)
{
	for (unsigned type = 0; type < 2; type++)
		while (group->min_seq[type] + MIN_GENERATIONS <= group->max_seq &&
		       !group->list[type][group->min_seq[type] % GENERATIONS].count) {
			decay(group, type);
			group->min_seq[type]++;
		}
}

/* inc_max_seq: a new youngest generation; the oldest is folded when there are four already. */
static void advance_max(struct cgr_ctx *ctx, struct lru_gen_group *group)
{
	for (unsigned type = 0; type < 2; type++)
		if (group->max_seq - group->min_seq[type] + 1 == GENERATIONS)
			advance_min(ctx, group, type);
	group->max_seq++;
}

/* should_run_aging: no more than the two youngest generations are left of the type to evict, or the old ones hold
 * less than their share. */
static bool must_age(const struct lru_gen_group *group, bool can_swap)
{
	uint64_t old = 0, young = 0, total = 0;
	uint32_t min_seq = can_swap ? CGR_MIN(group->min_seq[0], group->min_seq[1]) : group->min_seq[1];
	if (min_seq + MIN_GENERATIONS > group->max_seq)
		return true;
	for (unsigned type = can_swap ? 0 : 1; type < 2; type++)
		for (uint32_t seq = group->min_seq[type]; seq <= group->max_seq; seq++) {
			uint64_t size = group->list[type][seq % GENERATIONS].count;
			total += size;
			if (seq == group->max_seq)
				young += size;
			else if (seq + MIN_GENERATIONS == group->max_seq)
				old += size;
		}
	if (min_seq + MIN_GENERATIONS < group->max_seq)
		return false;
	if (young * MIN_GENERATIONS > total)
		return true;
	return old * (MIN_GENERATIONS + 2) < total;
}

/* ---- pages ---- */
/* lru_gen_refault: recent when the generation it was evicted from is not older than four. */
static void refault(struct cgr_ctx *ctx, struct cgr_page *page, const struct cgr_page *shadow)
{
	struct cgr_memory_core *core = core_of(ctx);
	uint32_t cgroup = cgr_page_cgroup(page), pages = cgr_page_count(page), seq = shadow->prev >> 4;
	unsigned type = type_of(page), refs = shadow->prev & REFS_MAX;
	struct lru_gen_group *group = group_of(ctx, cgroup);
	core->count(ctx->owner, cgroup, type ? CGR_STAT_REFAULT_FILE : CGR_STAT_REFAULT_ANON, pages);
	bool workingset = shadow->flags & CGR_PG_WORKINGSET;
	if (shadow->next != cgroup || group->max_seq - seq >= GENERATIONS)
		return;
	page->policy = (uint8_t)(refs << REFS_SHIFT);
	if (workingset)
		page->flags |= CGR_PG_WORKINGSET;
	unsigned tier = tier_of(page);
	group->refaulted[type][tier] += pages;
	/* pages of the first tier count as activated when they come back through a fault */
	if (workingset || refs >= REFS_MAX) {
		page->flags |= CGR_PG_WORKINGSET;
		core->count(ctx->owner, cgroup, type ? CGR_STAT_RESTORE_FILE : CGR_STAT_RESTORE_ANON, pages);
	} else if (page->flags & CGR_PG_YOUNG) {
		core->count(ctx->owner, cgroup, type ? CGR_STAT_ACTIVATE_FILE : CGR_STAT_ACTIVATE_ANON, pages);
	}
}

/* lru_gen_folio_seq: faulted-in pages start young, a former working set in the second youngest, reads in the oldest
 * generations. */
static void add(struct cgr_ctx *ctx, uint32_t n, uint32_t cpu, const struct cgr_page *shadow)
{
	struct cgr_page *page = &core_of(ctx)->page[n];
	struct lru_gen_group *group = group_of(ctx, cgr_page_cgroup(page));
	unsigned type = type_of(page);
	uint32_t seq;
	(void)cpu;
	start(group);
	page->policy = 0;
	if (shadow)
		refault(ctx, page, shadow);
	if (type == 0 || page->flags & CGR_PG_YOUNG)
		seq = group->max_seq;
	else if (page->flags & CGR_PG_WORKINGSET)
		seq = group->max_seq - 1;
	else if (group->min_seq[type] + MIN_GENERATIONS >= group->max_seq)
		seq = group->min_seq[type];
	else
		seq = group->min_seq[type] + 1;
	set_policy(page, seq, refs_of(page));
	page->flags |= CGR_PG_ON_LIST;
	cgr_page_list_push_head(core_of(ctx)->page, list_of(ctx, page), n);
}

/* folio_inc_refs: the first access marks it referenced, further ones count; at the limit it is a working set. */
static void access_page(struct cgr_ctx *ctx, uint32_t n, uint32_t cpu, uint32_t mem_flags)
{
	struct cgr_page *page = &core_of(ctx)->page[n];
	(void)cpu;
	if (mem_flags & CGR_MEM_FAULT)
		return;
	if (!(page->flags & CGR_PG_REFERENCED))
		page->flags |= CGR_PG_REFERENCED;
	else if (refs_of(page) < REFS_MAX)
		page->policy = (uint8_t)(page->policy + (1u << REFS_SHIFT));
	else
		page->flags |= CGR_PG_WORKINGSET;
}

static void remove_page(struct cgr_ctx *ctx, uint32_t n)
{
	struct cgr_page *page = &core_of(ctx)->page[n];
	cgr_page_list_remove(core_of(ctx)->page, list_of(ctx, page), n);
	page->flags &= (uint16_t)~CGR_PG_ON_LIST;
	page->policy = 0;
}

/* ---- eviction ---- */
/* positive_ctrl_err: does tier (or type) `pv` refault no more than `sp`, weighted by gains? */
static bool refaults_less(uint64_t sp_refaulted, uint64_t sp_total, uint64_t sp_gain, uint64_t pv_refaulted,
                          uint64_t pv_total, uint64_t pv_gain)
{
	return pv_refaulted < MIN_BATCH ||
	       pv_refaulted * (sp_total + MIN_BATCH) * sp_gain <= (sp_refaulted + 1) * pv_total * pv_gain;
}

static uint64_t refaulted(const struct lru_gen_group *g, unsigned type, unsigned tier)
{
	return g->avg_refaulted[type][tier] + g->refaulted[type][tier];
}
static uint64_t total(const struct lru_gen_group *g, unsigned type, unsigned tier)
{
	return g->avg_total[type][tier] + g->refaulted[type][tier] + g->evicted[type][tier];
}

/* get_tier_idx: the first tier that refaults more than tier 0 (2:3) is protected. */
static unsigned protected_tier(const struct lru_gen_group *group, unsigned type)
{
	unsigned tier = 1;
	for (; tier < TIERS; tier++)
		if (!refaults_less(refaulted(group, type, 0), total(group, type, 0), 2, refaulted(group, type, tier),
		                   total(group, type, tier), 3))
			break;
	return tier - 1;
}

static unsigned choose_type(const struct lru_gen_group *group, const struct cgr_scan *scan, bool can_swap)
{
	if (!can_swap || scan->swappiness <= 1)
		return 1;
	if (scan->swappiness >= 200)
		return 0;
	uint64_t swappiness = (uint64_t)scan->swappiness;
	return refaults_less(refaulted(group, 0, 0), total(group, 0, 0), swappiness, refaulted(group, 1, 0),
	                     total(group, 1, 0), 200 - swappiness);
}

/* sort_folio: true when the page moves up instead of being isolated. */
static bool promote(struct cgr_ctx *ctx, struct lru_gen_group *group, uint32_t n, unsigned tier_limit)
{
	struct cgr_memory_core *core = core_of(ctx);
	struct cgr_page *page = &core->page[n];
	unsigned type = type_of(page);
	uint32_t seq;
	if (page->flags & CGR_PG_YOUNG) {
		page->flags &= (uint16_t)~CGR_PG_YOUNG;
		seq = group->max_seq;
	} else if (tier_of(page) > tier_limit) {
		seq = group->min_seq[type] + 1;
	} else {
		return false;
	}
	cgr_page_list_remove(core->page, list_of(ctx, page), n);
	set_policy(page, seq, refs_of(page));
	cgr_page_list_push_head(core->page, list_of(ctx, page), n);
	return true;
}

/* evict_folios for one batch of the oldest generation; pages looked at. */
static uint32_t evict_batch(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup, unsigned type, uint32_t want)
{
	struct cgr_memory_core *core = core_of(ctx);
	struct lru_gen_group *group = group_of(ctx, cgroup);
	struct cgr_page_list *list = &group->list[type][group->min_seq[type] % GENERATIONS];
	unsigned tier_limit = protected_tier(group, type);
	uint32_t scanned = 0, reclaimed = 0;
	while (scanned < want && list->tail) {
		uint32_t n = list->tail;
		struct cgr_page *page = &core->page[n];
		uint32_t pages = cgr_page_count(page);
		scanned += pages;
		if (promote(ctx, group, n, tier_limit))
			continue;
		unsigned tier = tier_of(page);
		uint32_t shadow = group->min_seq[type] << 4 | refs_of(page);
		cgr_page_list_remove(core->page, list, n);
		page->flags &= (uint16_t)~CGR_PG_ON_LIST;
		if (core->evict(ctx->owner, scan, n, shadow) == CGR_EVICT_FREED) {
			group->evicted[type][tier] += pages;
			reclaimed += pages;
			continue;
		}
		page->flags |= CGR_PG_ON_LIST; /* dirty or without a swap slot: one generation up */
		set_policy(page, group->min_seq[type] + 1, refs_of(page));
		cgr_page_list_push_head(core->page, list_of(ctx, page), n);
	}
	scan->nr_scanned += scanned;
	scan->nr_reclaimed += reclaimed;
	core->count(ctx->owner, cgroup, CGR_STAT_PGSCAN, scanned);
	core->count(ctx->owner, cgroup, CGR_STAT_PGSTEAL, reclaimed);
	return scanned;
}

static uint64_t size_of(const struct lru_gen_group *group, unsigned type)
{
	uint64_t size = 0;
	for (unsigned generation = 0; generation < GENERATIONS; generation++)
		size += group->list[type][generation].count;
	return size;
}

/* try_to_shrink_lruvec: (size after protection) >> priority pages are looked at, in batches. */
static void shrink(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup)
{
	struct lru_gen_group *group = group_of(ctx, cgroup);
	bool can_swap = scan->may_swap && scan->swap_free_pages > 0;
	start(group);
	uint64_t size = size_of(group, 1) + (can_swap ? size_of(group, 0) : 0), scanned = 0;
	if (scan->protection > 0)
		size -= (uint64_t)((unsigned __int128)size * (uint64_t)scan->protection /
		                   (uint64_t)(CGR_MAX(scan->usage, scan->protection) + 1));
	uint64_t want = size >> scan->priority;
	if (!want && scan->dying)
		want = CGR_MIN(size, (uint64_t)32);
	while (scanned < want && scan->nr_reclaimed < scan->nr_to_reclaim) {
		skip_empty(group);
		if (must_age(group, can_swap)) {
			advance_max(ctx, group);
			skip_empty(group);
		}
		unsigned type = choose_type(group, scan, can_swap);
		if (!size_of(group, type))
			type = can_swap ? 1 - type : 1;
		if (!size_of(group, type))
			return;
		uint32_t batch = (uint32_t)CGR_MIN(want - scanned, (uint64_t)4096);
		uint32_t looked = evict_batch(ctx, scan, cgroup, type, CGR_MAX(batch, MIN_BATCH));
		if (!looked) {
			if (group->min_seq[type] + MIN_GENERATIONS > group->max_seq)
				advance_max(ctx, group);
			advance_min(ctx, group, type);
		}
		scanned += CGR_MAX(looked, 1u);
	}
}

static int64_t list_size(struct cgr_ctx *ctx, uint32_t cgroup, enum cgr_lru lru)
{
	const struct lru_gen_group *group = group_of(ctx, cgroup);
	unsigned type = lru >= CGR_LRU_INACTIVE_FILE, active = lru & 1;
	int64_t size = 0;
	/* the two youngest generations are what the kernel reports as active */
	for (uint32_t seq = group->min_seq[type]; seq <= group->max_seq && group->max_seq; seq++)
		if ((seq + MIN_GENERATIONS > group->max_seq) == active)
			size += group->list[type][seq % GENERATIONS].count;
	return size;
}

static uint32_t shadow_age(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return group_of(ctx, cgroup)->min_seq[1] << 4;
}

static int init(struct cgr_ctx *ctx)
{
	((struct lru_gen *)ctx->model)->core = cgr_reclaim_core(ctx);
	return 0;
}

static const char *self_check(struct cgr_ctx *ctx)
{
	const struct cgr_page *page = core_of(ctx)->page;
	for (uint32_t cgroup = 0; cgroup < ctx->n_cgroups; cgroup++) {
		const struct lru_gen_group *group = group_of(ctx, cgroup);
		for (unsigned type = 0; type < 2; type++) {
			if (group->max_seq &&
			    (group->min_seq[type] > group->max_seq || group->max_seq - group->min_seq[type] >= GENERATIONS))
				return "mglru: generations out of range";
			for (unsigned generation = 0; generation < GENERATIONS; generation++) {
				const struct cgr_page_list *list = &group->list[type][generation];
				uint32_t count = 0;
				for (uint32_t n = list->head; n && count <= list->count; n = page[n].next) {
					count += cgr_page_count(&page[n]);
					if (generation_of(&page[n]) != generation || type_of(&page[n]) != type)
						return "mglru: a page stands in another generation than it says";
				}
				if (count != list->count)
					return "mglru: a list has another length than it says";
			}
		}
	}
	return NULL;
}

const struct cgr_reclaim_ops cgr_reclaim_mglru = {
	.head = {
		.struct_size = sizeof(struct cgr_reclaim_ops), .abi_version = CGR_MODEL_ABI, .domain = CGR_DOMAIN_RECLAIM,
		.name = "mglru",
		.summary = "multi-generational LRU (CONFIG_LRU_GEN)",
		.doc = "Two to four generations per type, tiers by accesses through file descriptors with the refault feedback "
		       "that protects them, choice of type by refault rates and swappiness, aging when the old generations run "
		       "out (6.1, 6.18). Left out: the walk over page tables and its Bloom filters; references through page "
		       "tables are known from faults only.",
		.model_size = sizeof(struct lru_gen), .cgroup_size = sizeof(struct lru_gen_group),
		.init = init, .self_check = self_check,
	},
	.page_add = add, .page_access = access_page, .page_remove = remove_page, .shrink = shrink, .size = list_size,
	.age = shadow_age,
};
