/* Reclaim policies: the third plug-in table, under a memory controller. The controller (model/memory) owns the page
 * table, the counters and the driver of try_to_free_mem_cgroup_pages (priority loop, walk over the subtree,
 * protection); a policy (model/reclaim) owns the order of the pages: it links struct cgr_page into lists of its own,
 * hears of every insert, access and removal, and is asked to shrink one cgroup at one priority.
 *
 * A page is known by number (uint32_t, index into core->page). Numbers are stable while the page is resident and
 * while it leaves a shadow. Page 0 is never used, so 0 ends a list. Links are 32 bits wide, a page takes
 * 28 bytes and one 4-byte hash bucket. */
#ifndef CGR_MODEL_RECLAIM_H
#define CGR_MODEL_RECLAIM_H

#include "model/model.h"

/* flags of a page; the names follow enum pageflags */
#define CGR_PG_RESIDENT 0x0001u /* else a shadow entry: evicted, remembered */
#define CGR_PG_ANON 0x0002u /* swap backed: anonymous or shmem */
#define CGR_PG_SHMEM 0x0004u
#define CGR_PG_ACTIVE 0x0008u
#define CGR_PG_REFERENCED 0x0010u
#define CGR_PG_WORKINGSET 0x0020u
#define CGR_PG_DIRTY 0x0040u
#define CGR_PG_LOCKED 0x0080u /* being read: cannot go before it is there */
#define CGR_PG_YOUNG 0x0100u /* referenced through a page table since the last look */
#define CGR_PG_EXEC 0x0200u
#define CGR_PG_ON_LIST 0x0400u /* linked; else it still waits in a per-CPU batch */
#define CGR_PG_RECLAIM 0x0800u /* met by reclaim while dirty or under writeback */
#define CGR_PG_SWAPPED 0x1000u /* shadow of an anonymous page: its contents stand in a swap slot */
#define CGR_PG_WRITEBACK 0x1000u /* file page */
/* The mark that starts the next readahead window; of a page that is not there: it was to be read ahead and found no
 * room, and is no shadow. */
#define CGR_PG_READAHEAD 0x2000u
#define CGR_PG_FORGOTTEN (CGR_PG_READAHEAD | CGR_PG_RECLAIM) /* page that is not there: it was a shadow */
#define CGR_PG_MAPPED 0x4000u /* in some page table */
/* Second or later page of a large folio; prev = number of the head. Policies never see it. In a shadow: of a folio that
 * large that its shadow stands further up in the page cache's tree. */
#define CGR_PG_TAIL 0x8000u

struct cgr_page {
	uint32_t file; /* dense file id; CGR_PAGE_ANON | mm owner task for anonymous pages */
	uint32_t index; /* low 32 bits of the page index, or the birth number within the mm */
	uint32_t prev, next; /* the policy's links. In a shadow: prev = age at eviction, next = cgroup charged then */
	uint32_t chain; /* the page table's hash chain */
	uint32_t owner; /* bits 0..19 cgroup charged (in a shadow: target of the reclaim), bits 20..27 index bits 32..39,
	                 * bits 28..31 order of the folio this page heads */
	uint16_t flags; /* CGR_PG_* */
	uint8_t policy; /* the policy's own: generation, tier */
	uint8_t written; /* controller: it was written to since it came */
};
_Static_assert(sizeof(struct cgr_page) == 28, "28 bytes and a 4-byte bucket make the 32 bytes per resident page");
#define CGR_PAGE_ANON 0x80000000u
#define CGR_PAGE_NONE 0u
static inline uint32_t cgr_page_cgroup(const struct cgr_page *page)
{
	return page->owner & 0xfffffu;
}
/* Pages of the folio that this page heads: the unit of all lists and counts. */
static inline uint32_t cgr_page_count(const struct cgr_page *page)
{
	return 1u << (page->owner >> 28);
}

/* One run of try_to_free_mem_cgroup_pages: struct scan_control of mm/vmscan.c. */
struct cgr_scan {
	uint32_t target; /* cgroup whose subtree is reclaimed */
	uint32_t nr_to_reclaim;
	uint32_t cpu, task; /* who reclaims */
	int priority; /* 12 down to 0 */
	int swappiness; /* of the cgroup being shrunk: 0..200, 201 = anonymous only */
	bool may_swap; /* the caller allows it */
	bool force_deactivate; /* the rerun after "skipped" */
	bool low_reclaim; /* memory.low does not protect in this pass */
	bool proactive;
	int64_t swap_free_pages; /* swap the cgroup being shrunk may still use; 0 = none */
	/* protection of the cgroup being shrunk, pages; usage is its counter */
	int64_t protection, usage;
	bool dying; /* it is offline: scan at least 32 */
	/* the policy's notes within one run (struct scan_control keeps them too) */
	bool may_deactivate_anon, may_deactivate_file, cache_trim;
	bool skipped_deactivate;
	uint64_t anon_cost, file_cost;
	/* results */
	uint32_t nr_reclaimed, nr_scanned;
};

/* What becomes of a page that the policy proposes to free (shrink_folio_list past the reference check). */
enum cgr_evict {
	CGR_EVICT_FREED, /* gone: uncharged, a shadow with the age is left; the page was unlinked by the policy before */
	CGR_EVICT_ACTIVATE, /* cannot go: put it on the active side (dirty file page, no swap slot) */
	CGR_EVICT_KEEP, /* put it back at the inactive head (being read) */
};
enum cgr_lru { CGR_LRU_INACTIVE_ANON, CGR_LRU_ACTIVE_ANON, CGR_LRU_INACTIVE_FILE, CGR_LRU_ACTIVE_FILE, CGR_LRU_COUNT };
/* Counters that any policy reports and the controller turns into its metrics. */
enum cgr_reclaim_stat {
	CGR_STAT_PGSCAN,
	CGR_STAT_PGSTEAL,
	CGR_STAT_PGACTIVATE,
	CGR_STAT_PGDEACTIVATE,
	CGR_STAT_PGREFILL,
	CGR_STAT_REFAULT_ANON,
	CGR_STAT_REFAULT_FILE,
	CGR_STAT_ACTIVATE_ANON,
	CGR_STAT_ACTIVATE_FILE,
	CGR_STAT_RESTORE_ANON,
	CGR_STAT_RESTORE_FILE,
	CGR_STAT_COUNT
};

/* The controller's side, seen by a policy: the first member of every memory controller's model state. */
struct cgr_memory_core {
	struct cgr_page *page;
	/* Frees an isolated page or says why not. age goes into the shadow. */
	enum cgr_evict (*evict)(struct cgr_ctx *memory, struct cgr_scan *scan, uint32_t page, uint32_t age);
	/* The policy met nothing but pages that are dirty and not under writeback: the flusher is woken. */
	void (*all_dirty)(struct cgr_ctx *memory);
	void (*count)(struct cgr_ctx *memory, uint32_t cgroup, enum cgr_reclaim_stat stat, uint64_t pages);
	/* Parent in the memory hierarchy, CGR_NONE above the root; fixed before init. */
	const uint32_t *parent;
	bool swap_available; /* the machine has swap at all */
};
static inline struct cgr_memory_core *cgr_reclaim_core(struct cgr_ctx *reclaim)
{
	return (struct cgr_memory_core *)reclaim->owner->model;
}

struct cgr_reclaim_ops {
	struct cgr_model_head head;
	/* A page was charged and inserted (flags, owner, key are set). shadow: it was evicted before, age and target as
	 * stored then; NULL on first insert. Returns nothing; counts refaults through core->count. */
	void (*page_add)(struct cgr_ctx *ctx, uint32_t page, uint32_t cpu, const struct cgr_page *shadow);
	/* folio_mark_accessed (buffered read), or with CGR_MEM_FAULT a page-table reference. Not called for the insert
	 * itself. */
	void (*page_access)(struct cgr_ctx *ctx, uint32_t page, uint32_t cpu, uint32_t mem_flags);
	/* The page goes without being reclaimed (truncated, freed at exit). After this the links are free. */
	void (*page_remove)(struct cgr_ctx *ctx, uint32_t page);
	/* It was written, after reclaim had met it: to the end from which reclaim takes; NULL: not done. */
	void (*rotate)(struct cgr_ctx *ctx, uint32_t page);
	/* Once per pass over the subtree (prepare_scan_control); NULL: not used. */
	void (*scan_prepare)(struct cgr_ctx *ctx, struct cgr_scan *scan);
	/* shrink_lruvec of one cgroup at scan->priority. Adds to nr_scanned and nr_reclaimed. */
	void (*shrink)(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup);
	/* End of a run: snapshot of refaults for the next one; NULL: not used. */
	void (*scan_finish)(struct cgr_ctx *ctx, struct cgr_scan *scan);
	/* lru_add_drain: per-CPU batches onto the lists; cpu CGR_NONE = all. NULL: no batches. */
	void (*drain)(struct cgr_ctx *ctx, uint32_t cpu);
	/* Pages of a cgroup by list, enum cgr_lru. A policy without an active side reports inactive only. */
	int64_t (*size)(struct cgr_ctx *ctx, uint32_t cgroup, enum cgr_lru lru);
	/* Pages on the lists of a cgroup as reclaim's statistics have them. NULL: as they are. */
	uint64_t (*known)(struct cgr_ctx *ctx, uint32_t cgroup);
	/* nonresident age of a cgroup, for a page that leaves by another way than shrink (kswapd, DAMON); advances it by
	 * one. NULL: no ages. */
	uint32_t (*age)(struct cgr_ctx *ctx, uint32_t cgroup);
	/* For policies that know the future (opt): every page access of the recording in order, before time 0; allocation
	 * allowed. pages = 0 ends it. NULL: not wanted, the engine then makes no pass of its own. */
	int (*foresee)(struct cgr_ctx *ctx, uint32_t file, uint64_t index, uint32_t pages);
};
static inline const struct cgr_reclaim_ops *cgr_reclaim_table(const struct cgr_ctx *memory)
{
	return (const struct cgr_reclaim_ops *)(const void *)memory->reclaim->head;
}

#endif
