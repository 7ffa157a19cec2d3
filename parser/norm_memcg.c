/* memcg:* -> CHARGE, UNCHARGE, MEM_STAT.
 *
 * No tracepoint says "charged" or "uncharged" (kernel facts of 6.13 to 6.18): PGPGIN counts folios as they are charged,
 * in the charging context, and the next NR_FILE_PAGES / NR_ANON_MAPPED / NR_SHMEM / NR_SWAPCACHE of that context tells
 * how many pages the folio has and what it is for. PGPGOUT counts folios as they are uncharged, in batches; the pages
 * that were unmapped or removed from a cache before, oldest first, tell their sizes. MEMCG_KMEM and MEMCG_SOCK are
 * exact in pages.
 *
 * A recorder of ours leaves out NR_ANON_MAPPED of single pages (anon_implied), the most frequent event of all: then a
 * folio for which nothing else counts is one anonymous page, as it comes and as it goes. */
#include "parser/norm.h"

#define GONE CGR_ARRAY_SIZE(((struct cgr_cgroup_node *)0)->gone)

static void gone_add(struct cgr_cgroup_node *node, uint8_t kind, uint32_t pages)
{
	if (node->gone_count > 0) {
		typeof(&node->gone[0]) last = &node->gone[(node->gone_first + node->gone_count - 1) % GONE];
		if (last->kind == kind && last->pages == pages && last->folios < UINT32_MAX) {
			last->folios++;
			return;
		}
	}
	if (node->gone_count == GONE) { /* the oldest were never uncharged: still mapped elsewhere, or lost */
		node->gone_first = (node->gone_first + 1) % GONE;
		node->gone_count--;
	}
	typeof(&node->gone[0]) slot = &node->gone[(node->gone_first + node->gone_count++) % GONE];
	slot->folios = 1;
	slot->kind = kind;
	slot->pages = pages;
}

/* Shmem folios leave as FILE_PAGES first and SHMEM right after. */
static void gone_rename(struct cgr_cgroup_node *node, uint32_t pages)
{
	if (node->gone_count == 0)
		return;
	typeof(&node->gone[0]) last = &node->gone[(node->gone_first + node->gone_count - 1) % GONE];
	if (last->kind != CGR_CHARGE_FILE || last->pages != pages)
		return;
	if (--last->folios == 0)
		node->gone_count--;
	gone_add(node, CGR_CHARGE_SHMEM, pages);
}

/* One UNCHARGE per kind among the folios: one in nearly every case, at least one always. */
static int uncharge(struct cgr_norm *norm, const struct cgr_entry *entry, uint32_t cgroup, uint64_t folios)
{
	struct cgr_cgroup_node *node = &norm->cgroups.node[cgroup];
	uint64_t pages = 0, in_kind = 0;
	uint8_t kind = CGR_CHARGE_UNKNOWN;

	while (folios > 0 && node->gone_count > 0) {
		typeof(&node->gone[0]) first = &node->gone[node->gone_first % GONE];
		uint64_t take = CGR_MIN(folios, (uint64_t)first->folios);

		if (in_kind > 0 && first->kind != kind) {
			CGR_TRY(cgr_norm_push(norm, entry, CGR_EV_UNCHARGE, cgroup, pages, kind, (uint32_t)in_kind));
			pages = in_kind = 0;
		}
		kind = first->kind;
		pages += take * first->pages;
		in_kind += take;
		folios -= take;
		first->folios -= (uint32_t)take;
		if (first->folios == 0) {
			node->gone_first = (node->gone_first + 1) % GONE;
			node->gone_count--;
		}
	}
	if (in_kind > 0)
		CGR_TRY(cgr_norm_push(norm, entry, CGR_EV_UNCHARGE, cgroup, pages, kind, (uint32_t)in_kind));
	if (folios == 0 && in_kind > 0)
		return CGR_OK;
	if (norm->anon_implied)
		return cgr_norm_push(norm, entry, CGR_EV_UNCHARGE, cgroup, folios, CGR_CHARGE_ANON, (uint32_t)folios);
	norm->stats.uncharges_unsized += folios;
	return cgr_norm_push(norm, entry, CGR_EV_UNCHARGE, cgroup, folios, CGR_CHARGE_UNKNOWN, (uint32_t)folios);
}

static int charge_folio(struct cgr_norm *norm, const struct cgr_entry *entry, uint32_t cgroup, uint64_t folios)
{
	struct cgr_task *task = entry->task;

	norm->stats.charges += folios;
	if (task->charge_cgroup != CGR_ID_NONE && !norm->anon_implied)
		norm->stats.charges_unsized++;
	CGR_TRY(cgr_norm_push(norm, entry, CGR_EV_CHARGE, cgroup, folios,
	                      norm->anon_implied ? CGR_CHARGE_ANON : CGR_CHARGE_UNKNOWN, (uint32_t)folios));
	task->charge_cgroup = cgroup;
	task->charge_index = norm->hold.base + norm->hold.count - 1;
	task->charge_inserts = norm->hold.inserts;
	return CGR_OK;
}

static void size_charge(struct cgr_norm *norm, struct cgr_task *task, uint32_t cgroup, uint8_t kind, uint64_t pages)
{
	/* swap cache that reclaim fills belongs to no charge: the one before was an anonymous page, and is complete */
	if (task->charge_cgroup != cgroup || (norm->anon_implied && task->reclaim_depth > 0))
		return;
	task->charge_cgroup = CGR_ID_NONE;
	struct cgr_event *event =
	    cgr_hold_find(&norm->hold, task->charge_index, task->charge_inserts, CGR_EV_CHARGE, task->id);
	if (event == NULL || event->c != (norm->anon_implied ? CGR_CHARGE_ANON : CGR_CHARGE_UNKNOWN)) {
		norm->stats.charges_unsized++;
		return;
	}
	event->b = pages;
	event->c = kind;
}

/* SHMEM follows the FILE_PAGES that sized the charge. */
static void rename_charge(struct cgr_norm *norm, struct cgr_task *task, uint64_t pages)
{
	struct cgr_event *event =
	    cgr_hold_find(&norm->hold, task->charge_index, task->charge_inserts, CGR_EV_CHARGE, task->id);

	if (event != NULL && event->c == CGR_CHARGE_FILE && event->b == pages)
		event->c = CGR_CHARGE_SHMEM;
}

static void cache_item(struct cgr_norm *norm, const struct cgr_entry *entry, uint32_t cgroup, uint8_t item,
                       int64_t delta)
{
	struct cgr_cgroup_node *node = &norm->cgroups.node[cgroup];
	uint8_t kind = item == CGR_ITEM_ANON_MAPPED ? CGR_CHARGE_ANON
	               : item == CGR_ITEM_SWAPCACHE ? CGR_CHARGE_SWAPCACHE
	                                            : CGR_CHARGE_FILE;

	if (item == CGR_ITEM_SHMEM && delta > 0)
		rename_charge(norm, entry->task, (uint64_t)delta);
	else if (item == CGR_ITEM_SHMEM)
		gone_rename(node, (uint32_t)-delta);
	else if (delta > 0)
		size_charge(norm, entry->task, cgroup, kind, (uint64_t)delta);
	else if (delta < 0 && item != CGR_ITEM_SWAPCACHE)
		gone_add(node, kind, (uint32_t)-delta);
}

/* folio_account_dirtied: the tracepoint names the folio's first page, the statistic right after it its size. */
static void size_dirty(struct cgr_norm *norm, struct cgr_task *task, int64_t pages)
{
	struct cgr_event *event;

	if (!task->dirty_pending || pages <= 0)
		return;
	task->dirty_pending = false;
	event = cgr_hold_find(&norm->hold, task->dirty_index, task->dirty_inserts, CGR_EV_CACHE_DIRTY, task->id);
	if (event != NULL)
		event->c = (uint32_t)CGR_MIN(pages, (int64_t)1 << 20);
}

/* Reclaim of a memory cgroup does not say which one: what the task scans lies under its target. */
static void scanned(struct cgr_norm *norm, struct cgr_task *task, uint32_t cgroup)
{
	if (task->reclaim_depth == 0)
		return;
	task->scan_cgroup = cgroup;
	task->reclaim_cgroup = cgr_cgroup_common(norm, task->reclaim_cgroup, cgroup);
}

static int on_item(struct cgr_norm *norm, const struct cgr_entry *entry, uint32_t cgroup, uint8_t item, int64_t value)
{
	switch (item) {
	case CGR_ITEM_PGPGIN:
		return charge_folio(norm, entry, cgroup, (uint64_t)value);
	case CGR_ITEM_PGPGOUT:
		return uncharge(norm, entry, cgroup, (uint64_t)value);
	case CGR_ITEM_KMEM:
	case CGR_ITEM_SOCK:
		return cgr_norm_push(norm, entry, value >= 0 ? CGR_EV_CHARGE : CGR_EV_UNCHARGE, cgroup,
		                     (uint64_t)(value >= 0 ? value : -value),
		                     item == CGR_ITEM_KMEM ? CGR_CHARGE_KMEM : CGR_CHARGE_SOCK, 0);
	case CGR_ITEM_ANON_MAPPED:
	case CGR_ITEM_FILE_PAGES:
	case CGR_ITEM_SHMEM:
	case CGR_ITEM_SWAPCACHE:
		cache_item(norm, entry, cgroup, item, value);
		break;
	case CGR_ITEM_FILE_DIRTY:
		size_dirty(norm, entry->task, value);
		break;
	case CGR_ITEM_PGSCAN_DIRECT:
	case CGR_ITEM_PGSCAN_KSWAPD:
		scanned(norm, entry->task, cgroup);
		break;
	default:
		break;
	}
	return cgr_norm_push(norm, entry, CGR_EV_MEM_STAT, cgroup, (uint64_t)value, item, 0);
}

static int on_rss(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	return cgr_norm_push(norm, entry, CGR_EV_RSS_STAT, CGR_FIELD(entry, 0), CGR_FIELD(entry, 2),
	                     (uint32_t)CGR_FIELD(entry, 1), CGR_HAS(entry, 3) ? (uint32_t)CGR_FIELD(entry, 3) : 1);
}

int cgr_norm_memcg(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	uint32_t cgroup;

	if (entry->format->raw == CGR_RAW_RSS_STAT)
		return on_rss(norm, entry);
	uint64_t raw_item = CGR_FIELD(entry, 1);
	int64_t value = (int64_t)CGR_FIELD(entry, 2);
	uint8_t item = 255;
	if (entry->format->raw == CGR_RAW_MEMCG_COUNT && raw_item < CGR_ARRAY_SIZE(norm->item_of_event))
		item = norm->item_of_event[raw_item];
	else if (entry->format->raw != CGR_RAW_MEMCG_COUNT && raw_item < CGR_ARRAY_SIZE(norm->item_of_stat))
		item = norm->item_of_stat[raw_item];
	/* Folio and page counts of one update fit 32 bits by far; anything else is not what it says. */
	if (item == 255 || value > UINT32_MAX / 2 || value < -(int64_t)(UINT32_MAX / 2))
		return cgr_norm_other(norm, entry);
	CGR_TRY(cgr_cgroup_of_memcg(norm, CGR_FIELD(entry, 0), &cgroup));
	if (norm->scopes > 0 && !cgr_cgroup_in_scope(norm, cgroup))
		return CGR_OK;
	norm->memcg_seen = true;
	return on_item(norm, entry, cgroup, item, value);
}
