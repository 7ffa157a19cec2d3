/* The multi-generational LRU (CONFIG_LRU_GEN, mm/vmscan.c, 6.1 and later): two to four generations per cgroup and type,
 * tiers by accesses through file descriptors, the oldest generation of one type goes first. Ages come from accesses
 * that the recording shows; the walk over page tables finds the references that a fault or a map event showed.
 *
 * cgr_page.policy holds the generation (sequence mod 4) in bits 0..1 and in bits 2..3 the accesses beyond those that
 * PG_referenced and PG_workingset stand for (folio_inc_refs). */
#include <string.h>

#include "common/util.h"
#include "model/lib/mem_list.h"
#include "model/reclaim.h"

#define GENERATIONS 4u
#define MIN_GENERATIONS 2u
#define TIERS 4u
#define MIN_BATCH 64u
#define MAX_BATCH 4096u
#define DEF_PRIORITY 12
#define REFS_SHIFT 2
#define REFS_MAX 3u /* of the bits; PG_workingset adds one */
#define ANON 0u
#define FILE 1u

struct lru_gen_group {
	struct cgr_page_list list[2][GENERATIONS]; /* anon, file */
	uint32_t max_seq, min_seq[2];
	/* lru_gen_folio: per type and tier, of the oldest generation; and the decayed averages of those before */
	uint64_t refaulted[2][TIERS], evicted[2][TIERS], protected[2][TIERS];
	uint64_t avg_refaulted[2][TIERS], avg_total[2][TIERS];
};
struct lru_gen {
	struct cgr_memory_core *core;
	bool counts_old; /* 6.4: a refault counts also when its generation is long gone */
	bool rework; /* 6.14: recent means of the last four generations; gains 2:3; what aging cannot help is left alone */
};

static struct lru_gen_group *group_of(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return (struct lru_gen_group *)cgr_cgroup_state(ctx, cgroup);
}
static struct lru_gen *lru_gen_of(struct cgr_ctx *ctx)
{
	return (struct lru_gen *)ctx->model;
}
static struct cgr_memory_core *core_of(struct cgr_ctx *ctx)
{
	return lru_gen_of(ctx)->core;
}
static unsigned type_of(const struct cgr_page *page)
{
	return page->flags & CGR_PG_ANON ? ANON : FILE;
}
static unsigned generation_of(const struct cgr_page *page)
{
	return page->policy & (GENERATIONS - 1);
}
/* folio_lru_refs: 0..4 accesses beyond the first */
static unsigned refs_of(const struct cgr_page *page)
{
	return (page->policy >> REFS_SHIFT & REFS_MAX) + (page->flags & CGR_PG_WORKINGSET ? 1u : 0u);
}
/* lru_tier_from_refs: order_base_2(refs + 1) */
static unsigned tier_of(unsigned refs)
{
	static const unsigned tier[] = { 0, 1, 2, 2, 3 };
	return tier[refs];
}
static struct cgr_page_list *list_of(struct cgr_ctx *ctx, const struct cgr_page *page)
{
	return &group_of(ctx, cgr_page_cgroup(page))->list[type_of(page)][generation_of(page)];
}
static uint32_t generations(const struct lru_gen_group *group, unsigned type)
{
	return group->max_seq - group->min_seq[type] + 1;
}
/* folio_inc_gen, folio_update_gen: into another generation, what was known of accesses is forgotten */
static void move(struct cgr_ctx *ctx, uint32_t n, uint32_t seq, bool to_head)
{
	struct cgr_page *page = &core_of(ctx)->page[n];
	if (page->flags & CGR_PG_ON_LIST)
		cgr_page_list_remove(core_of(ctx)->page, list_of(ctx, page), n);
	page->flags = (uint16_t)((page->flags | CGR_PG_ON_LIST) & ~(CGR_PG_WORKINGSET | CGR_PG_REFERENCED));
	page->policy = (uint8_t)(seq % GENERATIONS);
	if (to_head)
		cgr_page_list_push_head(core_of(ctx)->page, list_of(ctx, page), n);
	else
		cgr_page_list_push_tail(core_of(ctx)->page, list_of(ctx, page), n);
}

/* ---- aging ---- */
static void start(struct lru_gen_group *group)
{
	if (!group->max_seq)
		group->max_seq = MIN_GENERATIONS + 1; /* lru_gen_init_lruvec; the oldest is 0 */
}

/* reset_ctrl_pos: the averages decay when a type's oldest generation is used up. */
static void decay(struct lru_gen_group *group, unsigned type)
{
	for (unsigned tier = 0; tier < TIERS; tier++) {
		group->avg_refaulted[type][tier] = (group->avg_refaulted[type][tier] + group->refaulted[type][tier]) / 2;
		group->avg_total[type][tier] =
		    (group->avg_total[type][tier] + group->evicted[type][tier] + group->protected[type][tier]) / 2;
		group->refaulted[type][tier] = group->evicted[type][tier] = group->protected[type][tier] = 0;
	}
}

/* inc_min_seq: what is left of the oldest generation goes to the end of the next one, the oldest first. Without swap
 * anonymous pages stay where they are, and their generation counts as the youngest from then on. */
static void advance_min(struct cgr_ctx *ctx, struct lru_gen_group *group, unsigned type, bool can_swap)
{
	struct cgr_page_list *old = &group->list[type][group->min_seq[type] % GENERATIONS];
	while ((type == FILE || can_swap) && old->tail)
		move(ctx, old->tail, group->min_seq[type] + 1, false);
	decay(group, type);
	group->min_seq[type]++;
}

/* try_to_inc_min_seq: empty generations are passed over; with swap both types keep the same oldest one. */
static bool skip_empty(struct lru_gen_group *group, bool can_swap)
{
	uint32_t min_seq[2] = { group->min_seq[ANON], group->min_seq[FILE] };
	bool moved = false;
	for (unsigned type = can_swap ? ANON : FILE; type < 2; type++)
		while (min_seq[type] + MIN_GENERATIONS <= group->max_seq &&
		       !group->list[type][min_seq[type] % GENERATIONS].count)
			min_seq[type]++;
	if (can_swap) {
		min_seq[ANON] = CGR_MIN(min_seq[ANON], min_seq[FILE]);
		min_seq[FILE] = CGR_MAX(min_seq[ANON], group->min_seq[FILE]);
	}
	for (unsigned type = can_swap ? ANON : FILE; type < 2; type++) {
		if (min_seq[type] == group->min_seq[type])
			continue;
		decay(group, type);
		group->min_seq[type] = min_seq[type];
		moved = true;
	}
	return moved;
}

/* walk_mm: pages whose table entries say "accessed" go to the youngest generation. */
static void walk_tables(struct cgr_ctx *ctx, struct lru_gen_group *group)
{
	struct cgr_page *page = core_of(ctx)->page;
	for (unsigned type = 0; type < 2; type++)
		for (uint32_t seq = group->min_seq[type]; seq <= group->max_seq; seq++)
			for (uint32_t n = group->list[type][seq % GENERATIONS].tail, prev; n; n = prev) {
				prev = page[n].prev;
				if (!(page[n].flags & CGR_PG_YOUNG))
					continue;
				page[n].flags &= (uint16_t)~CGR_PG_YOUNG;
				if (seq != group->max_seq)
					move(ctx, n, group->max_seq, true);
			}
}

/* try_to_inc_max_seq: a new youngest generation; the oldest is folded into the next when there are four already. */
static void advance_max(struct cgr_ctx *ctx, struct lru_gen_group *group, bool can_swap)
{
	walk_tables(ctx, group);
	for (unsigned type = 0; type < 2; type++)
		if (generations(group, type) == GENERATIONS)
			advance_min(ctx, group, type, can_swap);
	group->max_seq++;
}

/* should_run_aging: no more than the two youngest generations are left of the type to evict, or pages are spread
 * unevenly over three (6.1 to 6.13). */
static bool must_age(const struct lru_gen_group *group, bool can_swap, bool rework, uint64_t *ret_total)
{
	uint64_t old = 0, young = 0, total = 0;
	uint32_t min_seq = group->min_seq[can_swap ? ANON : FILE];
	for (unsigned type = can_swap ? ANON : FILE; type < 2; type++)
		for (uint32_t seq = group->min_seq[type]; seq <= group->max_seq; seq++) {
			uint64_t size = group->list[type][seq % GENERATIONS].count;
			total += size;
			if (seq == group->max_seq)
				young += size;
			else if (seq + MIN_GENERATIONS == group->max_seq)
				old += size;
		}
	*ret_total = total;
	if (min_seq + MIN_GENERATIONS > group->max_seq)
		return true;
	if (min_seq + MIN_GENERATIONS < group->max_seq)
		return false;
	return rework || young * MIN_GENERATIONS > total || old * (MIN_GENERATIONS + 2) < total;
}

/* get_nr_to_scan: how many pages this priority looks at; 0: none, the lruvec is left alone. */
static uint64_t pages_to_scan(struct cgr_ctx *ctx, const struct cgr_scan *scan, struct lru_gen_group *group,
                              bool can_swap)
{
	bool rework = lru_gen_of(ctx)->rework;
	uint64_t total;
	bool aging = must_age(group, can_swap, rework, &total);
	if (rework && scan->protection > 0)
		total -= (uint64_t)((unsigned __int128)total * (uint64_t)scan->protection /
		                    (uint64_t)(CGR_MAX(scan->usage, scan->protection) + 1));
	uint64_t want = scan->dying ? total : total >> scan->priority;
	if (!aging)
		return want;
	if (scan->priority != DEF_PRIORITY) {
		advance_max(ctx, group, can_swap);
		return rework ? 0 : want;
	}
	return group->min_seq[can_swap ? ANON : FILE] + MIN_GENERATIONS <= group->max_seq ? want : 0;
}

/* ---- pages ---- */
/* lru_gen_refault. Up to 6.13 recent is what was evicted from the generation that is still the oldest. */
static void refault(struct cgr_ctx *ctx, struct cgr_page *page, const struct cgr_page *shadow)
{
	const struct lru_gen *l = lru_gen_of(ctx);
	uint32_t cgroup = cgr_page_cgroup(page), pages = cgr_page_count(page), seq = shadow->prev >> 4;
	unsigned type = type_of(page), refs = CGR_MIN(shadow->prev & 7u, REFS_MAX + 1);
	struct lru_gen_group *group = group_of(ctx, cgroup);
	if (shadow->next != cgroup) /* evicted from another cgroup */
		return;
	bool recent = l->rework ? group->max_seq - seq < GENERATIONS : seq == group->min_seq[type];
	if (recent || l->counts_old)
		l->core->count(ctx->owner, cgroup, type ? CGR_STAT_REFAULT_FILE : CGR_STAT_REFAULT_ANON, pages);
	if (!recent)
		return;
	group->refaulted[type][tier_of(refs)] += pages;
	if (page->flags & CGR_PG_YOUNG || refs >= REFS_MAX) {
		page->policy = REFS_MAX << REFS_SHIFT;
		page->flags |= CGR_PG_WORKINGSET;
		l->core->count(ctx->owner, cgroup, type ? CGR_STAT_RESTORE_FILE : CGR_STAT_RESTORE_ANON, pages);
	}
}

/* lru_gen_add_folio: faulted-in pages start young, anonymous ones next to it, reads in the second oldest generation
 * where that is no active one. */
static void add(struct cgr_ctx *ctx, uint32_t n, uint32_t cpu, const struct cgr_page *shadow)
{
	struct cgr_page *page = &core_of(ctx)->page[n];
	struct lru_gen_group *group = group_of(ctx, cgr_page_cgroup(page));
	unsigned type = type_of(page);
	uint32_t seq;
	(void)cpu;
	start(group);
	page->policy = 0;
	page->flags &= (uint16_t)~CGR_PG_WORKINGSET;
	if (shadow)
		refault(ctx, page, shadow);
	if (page->flags & CGR_PG_YOUNG)
		seq = group->max_seq;
	else if (type == ANON)
		seq = group->max_seq - 1;
	else if (group->min_seq[type] + MIN_GENERATIONS >= group->max_seq)
		seq = group->min_seq[type];
	else
		seq = group->min_seq[type] + 1;
	page->policy = (uint8_t)((page->policy & ~(GENERATIONS - 1)) | seq % GENERATIONS);
	page->flags |= CGR_PG_ON_LIST;
	cgr_page_list_push_head(core_of(ctx)->page, list_of(ctx, page), n);
}

/* folio_inc_refs: the first access marks it referenced, the second a working set, further ones are counted. */
static void access_page(struct cgr_ctx *ctx, uint32_t n, uint32_t cpu, uint32_t mem_flags)
{
	struct cgr_page *page = &core_of(ctx)->page[n];
	(void)cpu;
	if (mem_flags & CGR_MEM_FAULT)
		return;
	if (!(page->flags & CGR_PG_REFERENCED))
		page->flags |= CGR_PG_REFERENCED;
	else if (!(page->flags & CGR_PG_WORKINGSET))
		page->flags |= CGR_PG_WORKINGSET;
	else if ((page->policy >> REFS_SHIFT & REFS_MAX) < REFS_MAX)
		page->policy = (uint8_t)(page->policy + (1u << REFS_SHIFT));
}

static void remove_page(struct cgr_ctx *ctx, uint32_t n)
{
	struct cgr_page *page = &core_of(ctx)->page[n];
	cgr_page_list_remove(core_of(ctx)->page, list_of(ctx, page), n);
	page->flags &= (uint16_t)~CGR_PG_ON_LIST;
	page->policy = 0;
}

/* folio_rotate_reclaimable: the old end of the oldest generation. */
static void rotate(struct cgr_ctx *ctx, uint32_t n)
{
	const struct cgr_page *page = &core_of(ctx)->page[n];
	if (page->flags & CGR_PG_ON_LIST)
		move(ctx, n, group_of(ctx, cgr_page_cgroup(page))->min_seq[type_of(page)], false);
}

/* ---- eviction ---- */
struct control { /* struct ctrl_pos */
	uint64_t refaulted, total, gain;
};
static struct control control_of(const struct lru_gen_group *g, unsigned type, unsigned tier, uint64_t gain)
{
	return (struct control){ .refaulted = g->avg_refaulted[type][tier] + g->refaulted[type][tier],
		                     .total = g->avg_total[type][tier] + g->evicted[type][tier] + g->protected[type][tier],
		                     .gain = gain };
}
/* positive_ctrl_err: does `pv` refault no more than `sp`, weighted by gains? */
static bool refaults_less(struct control sp, struct control pv)
{
	return pv.refaulted < MIN_BATCH ||
	       pv.refaulted * (sp.total + MIN_BATCH) * sp.gain <= (sp.refaulted + 1) * pv.total * pv.gain;
}

/* get_tier_idx: tiers above the returned one are protected: they refault more than `sp`. */
static unsigned last_tier(const struct lru_gen_group *group, unsigned type, struct control sp, uint64_t gain)
{
	unsigned tier = 1;
	while (tier < TIERS && refaults_less(sp, control_of(group, type, tier, gain)))
		tier++;
	return tier - 1;
}

static unsigned own_tier(struct cgr_ctx *ctx, const struct lru_gen_group *group, unsigned type)
{
	bool rework = lru_gen_of(ctx)->rework;
	return last_tier(group, type, control_of(group, type, 0, rework ? 2 : 1), rework ? 3 : 2);
}

/* isolate_folios: the type to start with, and its last tier that goes. */
static unsigned choose_type(struct cgr_ctx *ctx, const struct lru_gen_group *group, uint64_t swappiness,
                            unsigned *ret_tier)
{
	unsigned type = FILE;
	if (!swappiness)
		type = FILE;
	else if (group->min_seq[ANON] < group->min_seq[FILE] || swappiness >= 200)
		type = ANON;
	else if (swappiness > 1) { /* get_type_to_scan */
		uint64_t gain[2] = { swappiness, 200 - swappiness };
		type =
		    refaults_less(control_of(group, ANON, 0, gain[ANON]), control_of(group, FILE, 0, gain[FILE])) ? FILE : ANON;
		*ret_tier = last_tier(group, type, control_of(group, !type, 0, gain[!type]), gain[type]);
		return type;
	}
	*ret_tier = own_tier(ctx, group, type);
	return type;
}

/* A page under read. Up to 6.13 sort_folio passes it on as it does dirty ones, before it is isolated. From 6.14 on
 * ("mm/mglru: rework workingset protection") it is isolated and counted as scanned, shrink_folio_list keeps it, and
 * evict_folios gives it back: not into the oldest generation, but, made active, next to the youngest. Whether a page
 * would go to the oldest tells lru_gen_folio_seq, from the youngest on and not from where the page was. */
static uint32_t kept_seq(const struct lru_gen_group *group, const struct cgr_page *page)
{
	uint32_t used = page->flags & CGR_PG_WORKINGSET ? 1 : 0;
	uint32_t seq = group->max_seq + used - (GENERATIONS - 1);
	return (int32_t)(seq - group->min_seq[type_of(page)]) > 0 ? seq : group->max_seq + used - (MIN_GENERATIONS - 1);
}

struct batch {
	uint32_t looked, isolated, sorted, reclaimed, dirty;
};

/* One page of the oldest generation, from its end: sorted into a younger one, or isolated and freed if it can be. */
static void take(struct cgr_ctx *ctx, struct cgr_scan *scan, struct lru_gen_group *group, uint32_t n, unsigned limit,
                 struct batch *batch)
{
	struct cgr_memory_core *core = core_of(ctx);
	struct cgr_page *page = &core->page[n];
	uint32_t cgroup = cgr_page_cgroup(page), pages = cgr_page_count(page);
	unsigned type = type_of(page), refs = refs_of(page), tier = tier_of(refs);
	batch->looked += pages;
	if (tier > limit || refs == REFS_MAX + 1) { /* sort_folio: protected */
		group->protected[type][tier] += pages;
		batch->sorted += pages;
		core->count(ctx->owner, cgroup, type ? CGR_STAT_ACTIVATE_FILE : CGR_STAT_ACTIVATE_ANON, pages);
		move(ctx, n, group->min_seq[type] + 1, false);
		return;
	}
	if (page->flags & CGR_PG_YOUNG) { /* folio_check_references: rejected, and young again */
		page->flags &= (uint16_t)~CGR_PG_YOUNG;
		batch->isolated += pages;
		move(ctx, n, group->max_seq, true);
		return;
	}
	cgr_page_list_remove(core->page, list_of(ctx, page), n);
	page->flags &= (uint16_t)~CGR_PG_ON_LIST;
	enum cgr_evict evict = core->evict(ctx->owner, scan, n, group->min_seq[type] << 4 | refs);
	if (evict == CGR_EVICT_FREED) {
		group->evicted[type][tier] += pages;
		batch->isolated += pages;
		batch->reclaimed += pages;
		return;
	}
	if (evict == CGR_EVICT_KEEP && lru_gen_of(ctx)->rework) {
		batch->isolated += pages;
		move(ctx, n, kept_seq(group, page), true);
	} else if (evict == CGR_EVICT_KEEP || type == FILE) { /* under read, dirty: passed on, not isolated (sort_folio) */
		batch->sorted += pages;
		batch->dirty += evict == CGR_EVICT_KEEP || page->flags & CGR_PG_WRITEBACK ? 0 : pages;
		move(ctx, n, group->min_seq[type] + 1, true);
	} else {
		batch->isolated += pages;
		move(ctx, n, group->max_seq, true);
	}
}

/* scan_folios and what follows it: a batch of the oldest generation. Pages looked at, 0 when none could be had. */
static uint32_t evict_batch(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup, unsigned type, unsigned limit)
{
	struct cgr_memory_core *core = core_of(ctx);
	struct lru_gen_group *group = group_of(ctx, cgroup);
	struct cgr_page_list *list = &group->list[type][group->min_seq[type] % GENERATIONS];
	struct batch batch = { 0 };
	uint32_t tries = MAX_BATCH;
	if (generations(group, type) <= MIN_GENERATIONS)
		return 0;
	for (; tries && list->tail && batch.isolated < MIN_BATCH; tries--)
		take(ctx, scan, group, list->tail, limit, &batch);
	scan->nr_scanned += batch.isolated;
	scan->nr_reclaimed += batch.reclaimed;
	core->count(ctx->owner, cgroup, CGR_STAT_PGSCAN, batch.isolated);
	core->count(ctx->owner, cgroup, CGR_STAT_PGREFILL, batch.sorted);
	core->count(ctx->owner, cgroup, CGR_STAT_PGSTEAL, batch.reclaimed);
	if (batch.dirty && batch.dirty == batch.looked)
		core->all_dirty(ctx->owner);
	return batch.isolated || !tries ? batch.looked : 0;
}

/* evict_folios: what was looked at; 0: nothing more to be had at this priority. */
static uint32_t evict_folios(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup, uint64_t swappiness,
                             bool *ret_swapped)
{
	struct lru_gen_group *group = group_of(ctx, cgroup);
	unsigned limit, type = choose_type(ctx, group, swappiness, &limit);
	uint32_t scanned = evict_batch(ctx, scan, cgroup, type, limit);
	if (!scanned && swappiness) {
		type = !type;
		scanned = evict_batch(ctx, scan, cgroup, type, own_tier(ctx, group, type));
	}
	*ret_swapped |= scanned && type == ANON;
	scanned += skip_empty(group, swappiness != 0);
	return generations(group, swappiness ? ANON : FILE) == MIN_GENERATIONS ? 0 : scanned;
}

/* lru_gen_shrink_lruvec. The goal of the run does not stop it (should_abort_scan: only swapping does). */
static void shrink(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup)
{
	struct lru_gen_group *group = group_of(ctx, cgroup);
	bool can_swap = scan->may_swap && scan->swap_free_pages >= MIN_BATCH && scan->swappiness > 0, swapped = false;
	uint64_t scanned = 0;
	start(group);
	for (uint32_t seq = group->max_seq; group->max_seq - seq <= 1;) {
		uint64_t want = pages_to_scan(ctx, scan, group, can_swap);
		if (!want)
			return;
		uint32_t looked = evict_folios(ctx, scan, cgroup, can_swap ? (uint64_t)scan->swappiness : 0, &swapped);
		scanned += looked;
		if (!looked || scanned >= want || (swapped && scan->nr_reclaimed >= scan->nr_to_reclaim))
			return;
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
	struct lru_gen *l = lru_gen_of(ctx);
	uint32_t version = ctx->kernel_version ? ctx->kernel_version : CGR_KERNEL(6, 18, 0);
	l->core = cgr_reclaim_core(ctx);
	l->counts_old = version >= CGR_KERNEL(6, 4, 0);
	l->rework = version >= CGR_KERNEL(6, 14, 0);
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
		       "out (6.1, checked against a kernel; what 6.4 and 6.14 changed, not checked). The walk over page tables "
		       "knows references from faults only; its Bloom filters are left out.",
		.model_size = sizeof(struct lru_gen), .cgroup_size = sizeof(struct lru_gen_group),
		.init = init, .self_check = self_check,
	},
	.page_add = add, .page_access = access_page, .page_remove = remove_page, .rotate = rotate, .shrink = shrink, .size = list_size,
	.age = shadow_age,
};
