/* What the parts of the memcg model share: the state of one controller instance, of a cgroup, of a task and of a CPU.
 * memcg_charge.c   try_charge, stocks, memory.high        (mm/memcontrol.c)
 * memcg_vmscan.c   the driver of reclaim                  (mm/vmscan.c)
 * memcg_oom.c      victim choice and kill                 (mm/oom_kill.c)
 * memcg_pages.c    folios: insert, evict, free; anonymous pages and swap (mm/swap_state.c)
 * memcg_file.c     the page cache: reads, faults, readahead, truncation (mm/filemap.c, mm/readahead.c)
 * memcg_reading.c  pages that the device has not delivered yet (PG_locked)
 * memcg_dirty.c    dirty pages and the flusher (mm/page-writeback.c)
 * memcg_shadow.c   what is remembered of evicted pages, and for how long (mm/workingset.c)
 * memcg_attached.c kernel memory that hangs on cached pages (fs/buffer.c)
 * memcg_spread.c   how sure the counters of reclaim are
 * model/memory/memcg.c puts them behind struct cgr_memory_ops. */
#ifndef CGR_MODEL_LIB_MEMCG_INTERNAL_H
#define CGR_MODEL_LIB_MEMCG_INTERNAL_H

#include "model/lib/mem_counter.h"
#include "model/lib/mem_list.h"
#include "model/lib/mem_pages.h"
#include "model/lib/mem_readahead.h"
#include "model/reclaim.h"

#define MEMCG_PAGE_SIZE 4096
#define MEMCG_CHARGE_BATCH 64 /* 6.1 and later; the 32 of older kernels is not modelled */
#define MEMCG_STOCK_SLOTS 7 /* 6.16 and later; one before */
#define MEMCG_FREED_SLOTS 64 /* SWAP_SLOTS_CACHE_SIZE, to 6.14 */
#define MEMCG_MAX_RECLAIM_RETRIES 16
#define MEMCG_SWAP_CLUSTER_MAX 32
#define MEMCG_DEF_PRIORITY 12
#define MEMCG_DIRTY_FOLIOS (1u << 20) /* dirty or under writeback at a time */
#define MEMCG_COSTLY_ORDER 3u /* PAGE_ALLOC_COSTLY_ORDER: nobody is killed for more */
#define MEMCG_NODE_ORDER 6u /* folios from here on stand in a node further up the tree (XA_CHUNK_SHIFT) */
#define MEMCG_READINGS 256u /* ranges under read at a time */

enum memcg_event {
	MEMCG_LOW,
	MEMCG_HIGH,
	MEMCG_MAX,
	MEMCG_OOM,
	MEMCG_OOM_KILL,
	MEMCG_OOM_GROUP_KILL,
	MEMCG_SWAP_HIGH,
	MEMCG_SWAP_MAX,
	MEMCG_SWAP_FAIL,
	MEMCG_EVENT_COUNT
};

struct memcg_group { /* per cgroup */
	struct cgr_mem_counter memory;
	struct cgr_mem_counter swap; /* v2: slots */
	struct cgr_mem_counter memsw; /* v1: memory + swap */
	uint32_t id, first_child, next_sibling; /* CGR_NONE ends; children in order of their ids, which is order of birth */
	uint32_t iterator; /* last cgroup visited by partial walks that target this one */
	bool online, dying, oom_group, oom_kill_disable;
	int swappiness; /* v1: of its own; v2: vm.swappiness */
	int64_t soft_limit;
	/* pages charged by kind, this cgroup alone */
	int64_t pages[CGR_CHARGE_KIND_COUNT];
	int64_t swapped; /* swap slots held by this cgroup's pages */
	/* counted here and at every ancestor, as memory.stat and memory.events show them */
	int64_t stat[CGR_STAT_COUNT];
	int64_t old_refaults; /* of pages evicted before the trace: what the next run finds cached is another matter */
	/* kernel memory that hangs on file pages, bytes; what a page had when one was evicted; freed, no whole page yet */
	int64_t attached, attached_per_page, loose;
	/* file pages of this cgroup alone: inserted, used for the first time, written and then evicted (memcg_spread.c) */
	int64_t inserted, first_used, written_evicted;
	int64_t swappable_most; /* pages in memory and in swap when something went to swap: the most so far */
	int64_t unseen_evicted[2]; /* anonymous and mapped file pages evicted: their next use leaves no event */
	int64_t event[MEMCG_EVENT_COUNT], unsure_event[MEMCG_EVENT_COUNT]; /* of which a split may have spared it */
	int64_t huge; /* of its anonymous pages, those that may stand in folios above order 3 */
	int64_t pgfault, pgmajfault, pswpin, pswpout;
	int64_t reclaim_ns, high_sleep_ns, high_sleeps;
	struct cgr_page_list shadow_nodes; /* nodes of the page cache's tree that hold nothing but shadows */
	uint64_t shadow_nodes_due; /* nr_deferred of their shrinker */
	uint64_t unknown_first, unknown_next; /* births of file pages without identity, see memcg_pages.c */
	int64_t offline_ns;
	int64_t dying_below, dying_pages, dying_ns; /* removed cgroups below that keep pages: how many, what, since when */
};

struct memcg_task {
	int64_t over_high; /* memcg_nr_pages_over_high */
	bool victim; /* chosen by the OOM killer */
	bool inserts; /* it has just put pages into the page cache: kernel pages it charges now hang on them */
	uint32_t last_file; /* the previous read's file + 1, 0 none */
	uint64_t last_index, last_end; /* its first page and the page after its end */
	uint32_t strangers; /* pages its last look-up inserted that the model had never seen evicted */
	uint64_t birth_first, birth_next; /* anonymous pages of this mm, by birth number; only with swap */
};

struct memcg_stock { /* per CPU */
	uint32_t group[MEMCG_STOCK_SLOTS]; /* CGR_NONE = free */
	uint8_t pages[MEMCG_STOCK_SLOTS];
	uint8_t victim;
	uint8_t freed; /* slots of swap freed here and not yet given back, and the cgroups they are charged to */
	uint32_t freed_group[MEMCG_FREED_SLOTS];
	bool drain_pending; /* another CPU asked; its worker has not run yet */
	uint64_t drain_ns;
};

struct memcg_reading { /* pages [from, end) of a file */
	uint32_t file;
	uint64_t from, end;
	uint64_t due_ns; /* when the device has read it, at the latest */
};

struct memcg_dirty { /* see memcg_dirty.c */
	uint32_t *ring;
	uint64_t rotated, written, queued, end;
	uint64_t device_ns; /* when it had written what is written */
	uint64_t chunk_end, chunk_ns; /* what it writes now: where that ends in the ring, and when it is written */
	uint64_t flushed_ns; /* when the flusher was woken last */
};

struct memcg { /* the instance; core first, see struct cgr_memory_core */
	struct cgr_memory_core core;
	struct cgr_ctx *ctx;
	const struct cgr_reclaim_ops *reclaim;
	struct cgr_mem_pages pages;
	struct cgr_readahead_table readahead;
	uint32_t *parent;
	unsigned stock_slots;
	bool map_recency; /* 6.3: references through a mapping that is MADV_RANDOM do not count */
	bool v2, random_victim, partial_walk, recursive_protection;
	bool slot_caches; /* to 6.14: CPUs give freed swap slots back 64 at a time (mm/swap_slots.c) */
	bool swap; /* there is swap: anonymous pages need identity */
	int64_t swapped_out, swap_returns_permille; /* what the recording shows of swap, from parameters */
	int64_t swap_free; /* machine wide, slots */
	int64_t scan_page_ns, reclaim_page_ns, round_ns, swapout_ns, writeback_page_ns; /* prices, from parameters */
	/* of the request being served */
	struct cgr_mem_outcome *outcome;
	uint32_t cpu, task;
	uint32_t evicted_folios; /* by the pass under way */
	bool may_enter_fs; /* __GFP_FS: what is charged is not read ahead */
	bool had_shadow; /* the folio inserted last had been evicted in the replay, though that may be forgotten */
	uint32_t strangers; /* pages inserted by the look-up under way that the replay never saw evicted */
	uint32_t hint; /* page looked up or inserted last: the next look-up is often for the same one */
	uint32_t node_hint; /* node of the page cache's tree that changed last */
	uint32_t guess_credit, guess_rest; /* whether guessing from it has paid lately; look-ups since the last try */
	bool oom_unsure; /* the OOM under way would find room if the kernel splits huge pages, see memcg_oom.c */
	uint32_t drains_pending; /* CPUs whose stock waits for its drain worker */
	struct memcg_reading *reading; /* MEMCG_READINGS */
	uint32_t readings;
	bool looked_up; /* the recording holds look-ups: they tell when a reader goes on */
	struct memcg_dirty dirty;
};

/* order of the knobs and parameters tables in model/memory/memcg.c */
enum memcg_knob {
	MEMCG_KNOB_MAX,
	MEMCG_KNOB_HIGH,
	MEMCG_KNOB_LOW,
	MEMCG_KNOB_MIN,
	MEMCG_KNOB_SWAP_MAX,
	MEMCG_KNOB_SWAP_HIGH,
	MEMCG_KNOB_MEMSW,
	MEMCG_KNOB_SOFT,
	MEMCG_KNOB_SWAPPINESS,
	MEMCG_KNOB_OOM_GROUP,
	MEMCG_KNOB_OOM_DISABLE,
	MEMCG_KNOB_COUNT
};

static inline struct memcg *memcg_of(struct cgr_ctx *ctx)
{
	return (struct memcg *)ctx->model;
}
static inline struct memcg_group *memcg_group(const struct memcg *m, uint32_t cgroup)
{
	return (struct memcg_group *)(void *)(m->ctx->cgroup_state + (size_t)cgroup * m->ctx->cgroup_stride);
}
static inline struct memcg_task *memcg_task(const struct memcg *m, uint32_t task)
{
	return (struct memcg_task *)(void *)(m->ctx->task_state + (size_t)task * m->ctx->task_stride);
}
static inline struct memcg_stock *memcg_stock(const struct memcg *m, uint32_t cpu)
{
	return (struct memcg_stock *)(void *)(m->ctx->cpu_state + (size_t)cpu * m->ctx->cpu_stride);
}

/* memcg_charge.c */
/* try_charge_memcg for one folio of `pages`. gfp: CGR_MEM_READAHEAD = NORETRY, CGR_MEM_ATOMIC = may not block.
 * CGR_MEM_OK, CGR_MEM_NOMEM or CGR_MEM_TASK_KILLED. */
int memcg_try_charge(struct memcg *m, uint32_t cgroup, uint32_t pages, uint32_t flags);
void memcg_charge_forced(struct memcg *m, uint32_t cgroup, int64_t pages);
void memcg_uncharge(struct memcg *m, uint32_t cgroup, int64_t pages);
void memcg_refill_stock(struct memcg *m, uint32_t cgroup, uint32_t pages);
void memcg_drain_stocks(struct memcg *m, uint32_t target);
void memcg_run_pending_drain(struct memcg *m);
void memcg_drain_group(struct memcg *m, uint32_t cgroup); /* css offline: its stock everywhere */
void memcg_event(struct memcg *m, uint32_t cgroup, enum memcg_event event);
int64_t memcg_margin(const struct memcg *m, const struct memcg_group *group);
void memcg_handle_over_high(struct memcg *m, uint32_t task);
/* penalty of memory.high in jiffies of `hz` for an overage computed over the tree */
uint64_t memcg_high_delay_jiffies(int64_t usage, int64_t high, unsigned hz, int64_t nr_pages);
bool memcg_is_descendant(const struct memcg *m, uint32_t cgroup, uint32_t ancestor);
/* next of a pre-order walk below root after `cgroup`; CGR_NONE at the end */
uint32_t memcg_next(const struct memcg *m, uint32_t cgroup, uint32_t root);

/* memcg_vmscan.c: try_to_free_mem_cgroup_pages; pages freed */
uint32_t memcg_reclaim(struct memcg *m, uint32_t target, uint32_t pages, bool may_swap);

/* memcg_oom.c: mem_cgroup_oom at the cgroup whose limit was hit. false: nothing can be killed. */
bool memcg_oom(struct memcg *m, uint32_t cgroup, uint32_t pages);

/* memcg_pages.c */
enum cgr_evict memcg_evict(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t page, uint32_t age);
void memcg_count(struct cgr_ctx *ctx, uint32_t cgroup, enum cgr_reclaim_stat stat, uint64_t pages);
/* A charged folio gets its place; shadows under its keys are used up. false: the page table is full. */
bool memcg_insert_folio(struct memcg *m, uint32_t cgroup, uint32_t file, uint64_t index, unsigned order,
                        uint16_t flags);
static inline uint32_t memcg_folio_of(const struct memcg *m, uint32_t number)
{
	const struct cgr_page *page = &m->pages.page[number]; /* page 0 is never resident */
	if (!(page->flags & CGR_PG_RESIDENT))
		return CGR_PAGE_NONE;
	return page->flags & CGR_PG_TAIL ? page->prev : number;
}
/* Number of a page, resident or shadow, CGR_PAGE_NONE if unknown; it becomes the hint. */
uint32_t memcg_find_page(struct memcg *m, uint32_t file, uint64_t index);
/* The folio that holds a page, by number of its head; CGR_PAGE_NONE if the page is not resident. */
uint32_t memcg_find_folio(const struct memcg *m, uint32_t file, uint64_t index);
void memcg_free_folio(struct memcg *m, uint32_t head); /* truncated, unmapped: uncharged, no shadow */
void memcg_split_folio(struct memcg *m, uint32_t head); /* into single pages */
void memcg_charge_request(struct memcg *m, const struct cgr_mem_request *request);
void memcg_uncharge_request(struct memcg *m, const struct cgr_mem_request *request);
void memcg_access_request(struct memcg *m, const struct cgr_mem_request *request);
void memcg_preload_request(struct memcg *m, const struct cgr_mem_request *request);
int64_t memcg_swap_free(const struct memcg *m, const struct memcg_group *group);
void memcg_count_majfault(struct memcg *m, uint32_t cgroup);

/* memcg_file.c */
#define MEMCG_UNKNOWN_FILE 0x70000000u /* | cgroup: pages without identity */
void memcg_file_access(struct memcg *m, const struct cgr_mem_request *request);
void memcg_file_charge(struct memcg *m, const struct cgr_mem_request *request);
void memcg_file_uncharge(struct memcg *m, const struct cgr_mem_request *request);

/* memcg_reading.c */
void memcg_read_begins(struct memcg *m, uint32_t file, uint64_t index, uint32_t pages);
bool memcg_reads_done(struct memcg *m); /* false: there were none */
void memcg_reads_settle(struct memcg *m); /* what the device has done up to now */

/* memcg_dirty.c */
void memcg_set_dirty(struct memcg *m, uint32_t head);
void memcg_writeback_settle(struct memcg *m); /* what the device has done up to now */
void memcg_await_writeback(struct memcg *m, const struct cgr_page *page);
bool memcg_await_flusher(struct memcg *m); /* everything dirty; false: nothing is */
void memcg_all_dirty(struct cgr_ctx *ctx);
void memcg_written(struct memcg *m, uint32_t pages); /* the oldest, by a task of its own accord */

/* memcg_shadow.c */
/* So many pages more of the node that holds this one are there, so many more have left a shadow. */
void memcg_node_count(struct memcg *m, uint32_t cgroup, uint32_t file, uint64_t index, int pages, int shadows);
void memcg_shrink_shadows(struct memcg *m, struct memcg_group *group, int priority);

/* memcg_attached.c */
void memcg_attach(struct memcg *m, const struct cgr_mem_request *request);
void memcg_attach_again(struct memcg *m, struct memcg_group *group, uint32_t pages);
/* before the pages are taken off the group's count */
void memcg_detach_evicted(struct memcg *m, struct memcg_group *group, uint32_t pages);
void memcg_detach_freed(struct memcg_group *group, uint32_t pages);
bool memcg_detached_in_record(const struct memcg *m, const struct cgr_mem_request *request);

/* memcg_spread.c: how far the counters of reclaim may lie from another run's, in permille: below and above */
void memcg_unsure(const struct memcg *m, uint32_t cgroup, int64_t *ret_below, int64_t *ret_above);

/* memcg_limit.c: writes to knobs in mid-run */
int memcg_write_max(struct memcg *m, uint32_t cgroup, int64_t pages);
int memcg_write_memsw(struct memcg *m, uint32_t cgroup, int64_t pages);
void memcg_write_high(struct memcg *m, uint32_t cgroup, int64_t pages);

#endif
