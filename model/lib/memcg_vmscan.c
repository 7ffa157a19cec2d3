/* The driver of memcg reclaim: mm/vmscan.c try_to_free_mem_cgroup_pages, do_try_to_free_pages, shrink_node_memcgs.
 * 6.1 visits the whole subtree in every pass; 6.12 and 6.18 resume behind the last cgroup visited and stop when the
 * target is met. Which pages go is the policy's matter. */
#include "common/util.h"
#include "model/lib/memcg_internal.h"

struct walk {
	struct memcg *m;
	struct cgr_scan *scan;
	bool full, low_skipped;
	uint32_t rounds; /* cgroups shrunk, at one priority each */
};

/* mem_cgroup_calculate_protection, top down from the target to the cgroup, is kept current by visiting parents first:
 * a partial walk may start in the middle, so the chain above is refreshed too. */
static void protect_chain(struct memcg *m, uint32_t target, uint32_t cgroup)
{
	if (cgroup == target || cgroup == CGR_NONE)
		return;
	protect_chain(m, target, m->parent[cgroup]);
	cgr_mem_counter_protect(&memcg_group(m, target)->memory, &memcg_group(m, cgroup)->memory, m->recursive_protection);
}

/* false: this cgroup is protected and skipped. */
static bool admit(struct walk *walk, struct memcg_group *group)
{
	struct memcg *m = walk->m;
	struct cgr_scan *scan = walk->scan;
	scan->protection = 0;
	scan->usage = group->memory.usage;
	if (!m->v2 || group->id == scan->target)
		return true;
	protect_chain(m, scan->target, group->id);
	int64_t emin = group->memory.emin, elow = group->memory.elow, usage = group->memory.usage;
	if (emin >= usage && emin > 0)
		return false;
	if (elow >= usage && elow > 0) {
		if (!scan->low_reclaim) {
			walk->low_skipped = true;
			return false;
		}
		memcg_event(m, group->id, MEMCG_LOW);
	}
	if (!scan->low_reclaim && elow > emin) {
		scan->protection = elow;
		walk->low_skipped = true;
	} else {
		scan->protection = emin;
	}
	return true;
}

static void shrink_one(struct walk *walk, uint32_t cgroup)
{
	struct memcg *m = walk->m;
	struct memcg_group *group = memcg_group(m, cgroup);
	if (!group->online && !group->dying)
		return;
	if (!admit(walk, group))
		return;
	walk->scan->swappiness = group->swappiness;
	walk->scan->dying = group->dying;
	walk->scan->swap_free_pages = walk->scan->may_swap ? memcg_swap_free(m, group) : 0;
	walk->rounds++;
	m->reclaim->shrink(m->ctx->reclaim, walk->scan, cgroup);
	memcg_shrink_shadows(m, group, walk->scan->priority);
}

/* shrink_node_memcgs with the shared iterator (mem_cgroup_iter): a round ends at the end of the subtree. */
static void shrink_subtree(struct walk *walk)
{
	struct memcg *m = walk->m;
	uint32_t target = walk->scan->target, next = target;
	struct memcg_group *root = memcg_group(m, target);
	bool partial = m->partial_walk && !walk->full;
	if (partial && root->iterator != CGR_NONE) {
		next = memcg_next(m, root->iterator, target);
		if (next == CGR_NONE)
			next = target;
	}
	while (next != CGR_NONE) {
		shrink_one(walk, next);
		if (partial)
			root->iterator = next;
		if (partial && walk->scan->nr_reclaimed >= walk->scan->nr_to_reclaim)
			return;
		next = memcg_next(m, next, target);
	}
	root->iterator = CGR_NONE;
}

/* One run of the priorities 12..0. */
static uint32_t run_priorities(struct walk *walk)
{
	struct memcg *m = walk->m;
	struct cgr_scan *scan = walk->scan;
	for (scan->priority = MEMCG_DEF_PRIORITY; scan->priority >= 0; scan->priority--) {
		if (m->reclaim->scan_prepare)
			m->reclaim->scan_prepare(m->ctx->reclaim, scan);
		shrink_subtree(walk);
		if (scan->nr_reclaimed >= scan->nr_to_reclaim)
			break;
	}
	if (m->reclaim->scan_finish)
		m->reclaim->scan_finish(m->ctx->reclaim, scan);
	return scan->nr_reclaimed;
}

static void do_try_to_free(struct walk *walk)
{
	struct cgr_scan *scan = walk->scan;
	if (run_priorities(walk))
		return;
	if (walk->m->partial_walk) {
		walk->full = true;
		if (run_priorities(walk))
			return;
	}
	if (scan->skipped_deactivate) {
		scan->force_deactivate = true;
		scan->skipped_deactivate = false;
		if (run_priorities(walk))
			return;
	}
	if (walk->low_skipped) {
		scan->low_reclaim = true;
		scan->force_deactivate = false;
		scan->skipped_deactivate = false;
		(void)run_priorities(walk);
	}
}

/* By folio, as shrink_folio_list works; the pages of a large one add little. */
static int64_t price_of(const struct memcg *m, const struct walk *walk)
{
	int64_t folios = m->evicted_folios, pages = walk->scan->nr_reclaimed;
	int64_t looked_at = CGR_MAX((int64_t)walk->scan->nr_scanned - pages, (int64_t)0) + folios;
	return walk->rounds * m->round_ns + looked_at * m->scan_page_ns + folios * m->reclaim_page_ns +
	       (pages - CGR_MIN(folios, pages)) * m->reclaim_page_ns / CGR_MEM_FOLIO_COST;
}

uint32_t memcg_reclaim(struct memcg *m, uint32_t target, uint32_t pages, bool may_swap)
{
	struct cgr_scan scan = {
		.target = target,
		.nr_to_reclaim = CGR_MAX(pages, (uint32_t)MEMCG_SWAP_CLUSTER_MAX),
		.cpu = m->cpu,
		.task = m->task,
		.may_swap = may_swap && m->swap,
	};
	struct walk walk = { .m = m, .scan = &scan };
	memcg_reads_settle(m);
	memcg_writeback_settle(m);
	m->evicted_folios = 0;
	do_try_to_free(&walk);
	int64_t cost = price_of(m, &walk);
	if (m->outcome) {
		m->outcome->reclaimed_folios += m->evicted_folios;
		m->outcome->scanned_pages += scan.nr_scanned;
		m->outcome->reclaimed_pages += scan.nr_reclaimed;
		m->outcome->cpu_ns += (uint64_t)cost;
	}
	memcg_group(m, target)->reclaim_ns += cost;
	return scan.nr_reclaimed;
}
