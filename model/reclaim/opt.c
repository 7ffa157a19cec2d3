/* Belady's rule: the page that is needed last goes first. No kernel can do it; it is the floor under every policy. The
 * future is the recorded order of accesses, which the engine tells before time 0 (foresee). */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/error.h"
#include "common/util.h"
#include "model/reclaim.h"

#define NEVER UINT32_MAX
#define PAGES_MAX (1u << 27)

struct opt_node { /* pairing heap over page numbers, largest next use on top */
	uint32_t next_use;
	uint32_t child, sibling, prev; /* prev: left sibling, or parent of a first child */
};
struct opt_future { /* per file page: where in its sequence of accesses the replay stands */
	uint32_t file, first, current; /* file + 1; ordinals */
	uint32_t last; /* while foreseeing: the latest access, to link the next one */
	uint64_t index;
};
struct opt_group {
	uint32_t top;
	int64_t pages;
};
struct opt {
	struct cgr_memory_core *core;
	struct opt_node *node; /* by page number; address space reserved at init */
	uint32_t *next; /* ordinal -> ordinal of the next access of the same page */
	uint32_t accesses, capacity;
	struct opt_future *future; /* open addressing, power of two */
	uint32_t slots, used;
};

static struct opt *opt_of(struct cgr_ctx *ctx)
{
	return (struct opt *)ctx->model;
}
static struct opt_group *group_of(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return (struct opt_group *)cgr_cgroup_state(ctx, cgroup);
}

/* ---- the future ---- */
static struct opt_future *find(struct opt *o, uint32_t file, uint64_t index)
{
	uint64_t hash = (index * 0x9e3779b97f4a7c15ull) ^ ((uint64_t)file * 0xd6e8feb86659fd93ull);
	hash ^= hash >> 29;
	for (uint32_t slot = (uint32_t)hash & (o->slots - 1);; slot = (slot + 1) & (o->slots - 1))
		if (!o->future[slot].file || (o->future[slot].file == file + 1 && o->future[slot].index == index))
			return &o->future[slot];
}

static int grow(struct opt *o)
{
	struct opt bigger = { .slots = o->slots ? o->slots * 2 : 4096 };
	if (o->slots && o->used * 2 < o->slots)
		return 0;
	bigger.future = calloc(bigger.slots, sizeof(*bigger.future));
	if (!bigger.future)
		return CGR_E_NOMEM;
	for (uint32_t i = 0; i < o->slots; i++)
		if (o->future[i].file)
			*find(&bigger, o->future[i].file - 1, o->future[i].index) = o->future[i];
	free(o->future);
	o->future = bigger.future;
	o->slots = bigger.slots;
	return 0;
}

static int foresee_one(struct opt *o, uint32_t file, uint64_t index)
{
	if (o->accesses == NEVER || grow(o) < 0)
		return CGR_E_NOMEM;
	if (o->accesses == o->capacity) {
		uint32_t capacity = o->capacity ? CGR_MIN(o->capacity, NEVER / 2) * 2 : 4096;
		uint32_t *next = realloc(o->next, (size_t)capacity * sizeof(*next));
		if (!next)
			return CGR_E_NOMEM;
		o->next = next;
		o->capacity = capacity;
	}
	struct opt_future *f = find(o, file, index);
	if (!f->file) {
		*f = (struct opt_future){ .file = file + 1, .index = index, .first = o->accesses, .current = o->accesses };
		o->used++;
	} else {
		o->next[f->last] = o->accesses;
	}
	f->last = o->accesses;
	o->next[o->accesses++] = NEVER;
	return 0;
}

static int foresee(struct cgr_ctx *ctx, uint32_t file, uint64_t index, uint32_t pages)
{
	for (uint32_t i = 0; i < pages; i++)
		CGR_TRY(foresee_one(opt_of(ctx), file, index + i));
	return 0;
}

/* The next access after the one going on; anonymous pages and pages never foreseen stay as long as others can go. */
static uint32_t advance(struct opt *o, const struct cgr_page *page, bool consume)
{
	uint64_t index = (uint64_t)(page->owner >> 20 & 0xff) << 32 | page->index;
	if (page->flags & CGR_PG_ANON || !o->slots)
		return 0;
	struct opt_future *f = find(o, page->file, index);
	if (!f->file)
		return NEVER;
	uint32_t use = f->current;
	if (consume && use != NEVER)
		f->current = o->next[use];
	return consume ? f->current : use;
}

/* ---- pairing heap ---- */
static uint32_t meld(struct opt_node *node, uint32_t a, uint32_t b)
{
	if (!a || !b)
		return a ? a : b;
	/* equal: the lower page number on top, so that the order never depends on the heap's shape */
	if (node[b].next_use > node[a].next_use || (node[b].next_use == node[a].next_use && b < a)) {
		uint32_t swap = a;
		a = b;
		b = swap;
	}
	node[b].prev = a;
	node[b].sibling = node[a].child;
	if (node[a].child)
		node[node[a].child].prev = b;
	node[a].child = b;
	return a;
}

static uint32_t merge_pairs(struct opt_node *node, uint32_t first)
{
	uint32_t pairs = 0, result = 0;
	while (first) { /* left to right: meld two and two, keeping the results in a list */
		uint32_t a = first, b = node[a].sibling;
		first = b ? node[b].sibling : 0;
		node[a].sibling = node[a].prev = 0;
		if (b)
			node[b].sibling = node[b].prev = 0;
		a = meld(node, a, b);
		node[a].sibling = pairs;
		pairs = a;
	}
	while (pairs) {
		uint32_t next = node[pairs].sibling;
		node[pairs].sibling = 0;
		result = meld(node, result, pairs);
		pairs = next;
	}
	return result;
}

static void heap_insert(struct opt *o, struct opt_group *group, uint32_t n, uint32_t next_use)
{
	o->node[n] = (struct opt_node){ .next_use = next_use };
	group->top = meld(o->node, group->top, n);
}

static void heap_remove(struct opt *o, struct opt_group *group, uint32_t n)
{
	struct opt_node *node = o->node;
	uint32_t rest = merge_pairs(node, node[n].child);
	if (group->top == n) {
		group->top = rest;
	} else {
		if (node[node[n].prev].child == n)
			node[node[n].prev].child = node[n].sibling;
		else
			node[node[n].prev].sibling = node[n].sibling;
		if (node[n].sibling)
			node[node[n].sibling].prev = node[n].prev;
		group->top = meld(node, group->top, rest);
	}
	if (group->top)
		node[group->top].prev = node[group->top].sibling = 0;
}

/* ---- the policy ---- */
/* A large folio goes by the use of its first page. */
static void opt_add(struct cgr_ctx *ctx, uint32_t n, uint32_t cpu, const struct cgr_page *shadow)
{
	struct opt *o = opt_of(ctx);
	struct cgr_page *page = &o->core->page[n];
	struct opt_group *group = group_of(ctx, cgr_page_cgroup(page));
	(void)cpu;
	if (shadow)
		o->core->count(ctx->owner, cgr_page_cgroup(page),
		               page->flags & CGR_PG_ANON ? CGR_STAT_REFAULT_ANON : CGR_STAT_REFAULT_FILE, cgr_page_count(page));
	page->flags |= CGR_PG_ON_LIST;
	group->pages += cgr_page_count(page);
	heap_insert(o, group, n, advance(o, page, false));
}

static void opt_access(struct cgr_ctx *ctx, uint32_t n, uint32_t cpu, uint32_t mem_flags)
{
	struct opt *o = opt_of(ctx);
	const struct cgr_page *page = &o->core->page[n];
	struct opt_group *group = group_of(ctx, cgr_page_cgroup(page));
	(void)cpu, (void)mem_flags;
	heap_remove(o, group, n);
	heap_insert(o, group, n, advance(o, page, true));
}

static void opt_remove(struct cgr_ctx *ctx, uint32_t n)
{
	struct opt *o = opt_of(ctx);
	struct cgr_page *page = &o->core->page[n];
	struct opt_group *group = group_of(ctx, cgr_page_cgroup(page));
	heap_remove(o, group, n);
	group->pages -= cgr_page_count(page);
	page->flags &= (uint16_t)~CGR_PG_ON_LIST;
}

static void opt_shrink(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t cgroup)
{
	struct opt *o = opt_of(ctx);
	struct opt_group *group = group_of(ctx, cgroup);
	uint32_t scanned = 0, reclaimed = 0, put_back = 0;
	while (group->top && scan->nr_reclaimed + reclaimed < scan->nr_to_reclaim) {
		uint32_t n = group->top;
		struct cgr_page *page = &o->core->page[n];
		uint32_t pages = cgr_page_count(page);
		bool anon = page->flags & CGR_PG_ANON;
		if (anon && (!scan->may_swap || scan->swap_free_pages <= 0))
			break; /* anonymous pages stand below all file pages: nothing else is left */
		scanned += pages;
		opt_remove(ctx, n);
		if (o->core->evict(ctx->owner, scan, n, 0) == CGR_EVICT_FREED) {
			reclaimed += pages;
			continue;
		}
		page->prev = put_back; /* cannot go now; back after this run */
		put_back = n;
	}
	while (put_back) {
		uint32_t n = put_back;
		struct cgr_page *page = &o->core->page[n];
		put_back = page->prev;
		page->flags |= CGR_PG_ON_LIST;
		group->pages += cgr_page_count(page);
		heap_insert(o, group, n, advance(o, page, false));
	}
	scan->nr_scanned += scanned;
	scan->nr_reclaimed += reclaimed;
	if (scanned && !reclaimed)
		o->core->all_dirty(ctx->owner);
	o->core->count(ctx->owner, cgroup, CGR_STAT_PGSCAN, scanned);
	o->core->count(ctx->owner, cgroup, CGR_STAT_PGSTEAL, reclaimed);
}

static int64_t opt_size(struct cgr_ctx *ctx, uint32_t cgroup, enum cgr_lru lru)
{
	return lru == CGR_LRU_INACTIVE_FILE ? group_of(ctx, cgroup)->pages : 0;
}

static int opt_init(struct cgr_ctx *ctx)
{
	struct opt *o = opt_of(ctx);
	o->core = cgr_reclaim_core(ctx);
	o->node = mmap(NULL, PAGES_MAX * sizeof(*o->node), PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (o->node == MAP_FAILED) {
		o->node = NULL;
		return CGR_E_NOMEM;
	}
	return 0;
}

static void opt_fini(struct cgr_ctx *ctx)
{
	struct opt *o = opt_of(ctx);
	if (o->node)
		munmap(o->node, PAGES_MAX * sizeof(*o->node));
	free(o->next);
	free(o->future);
	*o = (struct opt){ 0 };
}

static const char *opt_self_check(struct cgr_ctx *ctx)
{
	const struct opt *o = opt_of(ctx);
	for (uint32_t cgroup = 0; cgroup < ctx->n_cgroups; cgroup++) {
		const struct opt_group *group = group_of(ctx, cgroup);
		if (group->pages < 0 || (group->pages == 0) != (group->top == 0))
			return "opt: the heap and its count disagree";
		if (group->top && o->node[group->top].sibling)
			return "opt: the top of a heap has a sibling";
	}
	return NULL;
}

const struct cgr_reclaim_ops cgr_reclaim_opt = {
	.head = {
		.struct_size = sizeof(struct cgr_reclaim_ops), .abi_version = CGR_MODEL_ABI, .domain = CGR_DOMAIN_RECLAIM,
		.name = "opt",
		.summary = "Belady's rule: the page needed last goes first (the floor no policy beats)",
		.doc = "Knows the recorded order of accesses before the replay begins and evicts the file page whose next access "
		       "is farthest away. Anonymous pages go only when no file page is left. Assumes that the what-if accesses "
		       "pages in the recorded order.",
		.model_size = sizeof(struct opt), .cgroup_size = sizeof(struct opt_group),
		.init = opt_init, .fini = opt_fini, .self_check = opt_self_check,
	},
	.page_add = opt_add, .page_access = opt_access, .page_remove = opt_remove, .shrink = opt_shrink, .size = opt_size,
	.foresee = foresee,
};
