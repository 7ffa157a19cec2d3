/* Pages of a cgroup: insert, access, evict, free. mm/filemap.c (buffered reads, faults, readahead inserts), mm/swap.c,
 * mm/workingset.c through the policy, mm/vmscan.c shrink_folio_list past the reference check.
 *
 * File pages are known by (file, index). Those the recording does not name (there before the trace, or recorded without
 * page-cache events) stand as pages of a made-up file per cgroup, so that they can be reclaimed like any other; when an
 * access meets a page nobody inserted, one of them gets its real name. Anonymous pages matter page by page only where
 * there is swap; without it they are counted. */
#include "common/util.h"
#include "model/lib/memcg_internal.h"

#define UNKNOWN_FILE 0x70000000u /* | cgroup */
#define DIRTY_EXPIRE_NS 30000000000ull

static void count_tree(struct memcg *m, uint32_t cgroup, size_t offset, int64_t value)
{
	for (; cgroup != CGR_NONE; cgroup = m->parent[cgroup])
		*(int64_t *)(void *)((char *)memcg_group(m, cgroup) + offset) += value;
}
#define COUNT_TREE(m, cgroup, field, value) count_tree(m, cgroup, offsetof(struct memcg_group, field), value)

void memcg_count(struct cgr_ctx *ctx, uint32_t cgroup, enum cgr_reclaim_stat stat, uint64_t pages)
{
	struct memcg *m = memcg_of(ctx);
	for (; cgroup != CGR_NONE; cgroup = m->parent[cgroup])
		memcg_group(m, cgroup)->stat[stat] += (int64_t)pages;
}

static enum cgr_charge_kind kind_of(const struct cgr_page *page)
{
	if (page->flags & CGR_PG_SHMEM)
		return CGR_CHARGE_SHMEM;
	return page->flags & CGR_PG_ANON ? CGR_CHARGE_ANON : CGR_CHARGE_FILE;
}

/* ---- swap ---- */
int64_t memcg_swap_free(const struct memcg *m, const struct memcg_group *group)
{
	int64_t free = m->swap_free;
	if (!m->swap)
		return 0;
	for (uint32_t id = group->id; m->v2 && id != CGR_NONE; id = m->parent[id]) {
		const struct memcg_group *level = memcg_group(m, id);
		if (level->swap.max != CGR_COUNTER_MAX)
			free = CGR_MIN(free, level->swap.max - level->swap.usage);
	}
	return CGR_MAX(free, (int64_t)0);
}

static bool swap_out(struct memcg *m, struct memcg_group *group)
{
	if (m->swap_free <= 0) {
		memcg_event(m, group->id, MEMCG_SWAP_FAIL);
		return false;
	}
	if (m->v2) {
		struct cgr_mem_counter *full = cgr_mem_counter_try_charge(&group->swap, 1);
		if (full) {
			memcg_event(m, full->cgroup, MEMCG_SWAP_MAX);
			memcg_event(m, full->cgroup, MEMCG_SWAP_FAIL);
			return false;
		}
		cgr_mem_counter_uncharge(&group->memory, 1);
	} else {
		/* v1: the memsw charge stays and now stands for the slot */
		cgr_mem_counter_uncharge(&group->memory, 1);
	}
	m->swap_free--;
	group->swapped++;
	COUNT_TREE(m, group->id, pswpout, 1);
	return true;
}

static void swap_slot_free(struct memcg *m, struct memcg_group *group)
{
	m->swap_free++;
	group->swapped--;
	cgr_mem_counter_uncharge(m->v2 ? &group->swap : &group->memsw, 1);
}

/* ---- eviction ---- */
static bool is_dirty(const struct memcg *m, const struct cgr_page *page)
{
	return (page->flags & CGR_PG_DIRTY) && page->spare == m->clean_epoch;
}

enum cgr_evict memcg_evict(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t number, uint32_t age)
{
	struct memcg *m = memcg_of(ctx);
	struct cgr_page *page = &m->pages.page[number];
	struct memcg_group *group = memcg_group(m, cgr_page_cgroup(page));
	uint16_t kept = page->flags & (CGR_PG_ANON | CGR_PG_SHMEM | CGR_PG_WORKINGSET);
	if (page->flags & CGR_PG_ANON) {
		if (!swap_out(m, group))
			return CGR_EVICT_ACTIVATE;
		group->pages[kind_of(page)]--;
		kept |= CGR_PG_SWAPPED;
	} else {
		/* memcg reclaim does not write file pages: they are marked and go round once more */
		if (is_dirty(m, page)) {
			page->flags |= CGR_PG_RECLAIM;
			m->dirty_seen++;
			return CGR_EVICT_ACTIVATE;
		}
		group->pages[CGR_CHARGE_FILE]--;
		memcg_uncharge(m, group->id, 1);
	}
	page->flags = kept;
	page->prev = age;
	page->next = group->id;
	cgr_page_set_cgroup(page, scan->target);
	m->pages.resident--;
	return CGR_EVICT_FREED;
}

/* ---- insert and free ---- */
/* Gives the charged page its place; a shadow under the same key is used up. false: the page table is full. */
static bool insert_page(struct memcg *m, uint32_t cgroup, uint32_t file, uint64_t index, uint16_t flags)
{
	struct cgr_page shadow, *old = NULL;
	uint32_t number = cgr_mem_pages_find(&m->pages, file, index);
	if (number) {
		shadow = m->pages.page[number];
		old = &shadow;
	} else {
		number = cgr_mem_pages_insert(&m->pages, file, index);
		if (!number)
			return false;
	}
	struct cgr_page *page = &m->pages.page[number];
	page->flags = (uint16_t)(flags | CGR_PG_RESIDENT);
	page->policy = 0;
	page->spare = m->clean_epoch;
	page->prev = page->next = 0;
	cgr_page_set_cgroup(page, cgroup);
	m->pages.resident++;
	memcg_group(m, cgroup)->pages[kind_of(page)]++;
	m->reclaim->page_add(m->ctx->reclaim, number, m->cpu, old);
	return true;
}

static void free_page(struct memcg *m, uint32_t number)
{
	struct cgr_page *page = &m->pages.page[number];
	if (page->flags & CGR_PG_RESIDENT) {
		uint32_t cgroup = cgr_page_cgroup(page);
		m->reclaim->page_remove(m->ctx->reclaim, number);
		memcg_group(m, cgroup)->pages[kind_of(page)]--;
		memcg_uncharge(m, cgroup, 1);
		m->pages.resident--;
	} else if (page->flags & CGR_PG_SWAPPED) {
		swap_slot_free(m, memcg_group(m, page->next));
	}
	cgr_mem_pages_erase(&m->pages, number);
}

/* ---- file pages ---- */
enum fill { FILL_FAILED = -1, FILL_OK = 0 };

/* One page into the cache. Readahead asks with NORETRY and gives up; a page really needed is charged like any other. */
static int fill_page(struct memcg *m, const struct cgr_mem_request *request, uint64_t index, uint32_t gfp,
                     uint16_t flags)
{
	int verdict = memcg_try_charge(m, request->cgroup, 1, gfp);
	if (verdict != CGR_MEM_OK)
		return verdict;
	uint32_t number = cgr_mem_pages_find(&m->pages, request->file, index);
	if (number && m->pages.page[number].flags & CGR_PG_RESIDENT) {
		memcg_uncharge(m, request->cgroup, 1); /* the reclaim of this very charge cannot insert it: never */
		return CGR_MEM_OK;
	}
	if (request->flags & CGR_MEM_DIRTY)
		flags |= CGR_PG_DIRTY;
	if (!insert_page(m, request->cgroup, request->file, index, flags))
		memcg_uncharge(m, request->cgroup, 1);
	m->outcome->missed_pages++;
	return CGR_MEM_OK;
}

/* A page that is there although nobody inserted it was there before the trace: it takes the place of one of the
 * nameless pages of this cgroup; if there are none, somebody else pays for it and it stays outside the model. */
static uint32_t adopt(struct memcg *m, const struct cgr_mem_request *request, uint64_t index)
{
	struct memcg_group *group = memcg_group(m, request->cgroup);
	while (group->unknown_first < group->unknown_next) {
		uint32_t old = cgr_mem_pages_find(&m->pages, UNKNOWN_FILE | group->id, group->unknown_first++);
		if (!old)
			continue;
		bool resident = m->pages.page[old].flags & CGR_PG_RESIDENT;
		if (resident) {
			m->reclaim->page_remove(m->ctx->reclaim, old);
			group->pages[CGR_CHARGE_FILE]--;
			m->pages.resident--;
		}
		cgr_mem_pages_erase(&m->pages, old);
		if (resident && insert_page(m, group->id, request->file, index, 0))
			return cgr_mem_pages_find(&m->pages, request->file, index);
	}
	return CGR_PAGE_NONE;
}

static void touch(struct memcg *m, uint32_t number, const struct cgr_mem_request *request)
{
	struct cgr_page *page = &m->pages.page[number];
	page->flags &= (uint16_t)~CGR_PG_READAHEAD;
	if (request->flags & CGR_MEM_DIRTY) {
		page->flags |= CGR_PG_DIRTY;
		page->spare = m->clean_epoch;
		return; /* a buffered write does not mark its page accessed */
	}
	if (request->flags & CGR_MEM_FAULT)
		page->flags |= CGR_PG_MAPPED | CGR_PG_YOUNG;
	if (request->flags & CGR_MEM_EXEC)
		page->flags |= CGR_PG_EXEC;
	m->reclaim->page_access(m->ctx->reclaim, number, request->cpu, request->flags);
}

/* The kernel's get_pages event fires once per batch of folios of one read(), each time with the range up to the end of
 * the request: what continues the previous event of this task is no second access. filemap_read also marks a page only
 * once when a read goes on in the page where the previous one of this file ended. */
static bool continues_read(struct memcg *m, const struct cgr_mem_request *request, uint64_t end, bool *ret_same_page)
{
	struct memcg_task *task = memcg_task(m, request->task);
	bool same_file = task->last_file == request->file + 1;
	bool continued = same_file && end == task->last_end && request->index > task->last_index;
	*ret_same_page = same_file && !continued && request->index + 1 == task->last_end;
	task->last_file = request->file + 1;
	task->last_index = request->index;
	task->last_end = end;
	return continued;
}

static bool page_present(struct memcg *m, const struct cgr_mem_request *request, uint64_t index,
                         uint32_t *missed_budget, uint32_t *ret_number, bool *ret_known)
{
	uint32_t number = cgr_mem_pages_find(&m->pages, request->file, index);
	*ret_known = true;
	*ret_number = number;
	if (number)
		return m->pages.page[number].flags & CGR_PG_RESIDENT;
	if (*missed_budget) {
		--*missed_budget;
		return false;
	}
	*ret_number = adopt(m, request, index);
	*ret_known = *ret_number != CGR_PAGE_NONE;
	return true;
}

static void access_file(struct memcg *m, const struct cgr_mem_request *request)
{
	uint64_t end = request->index + request->pages;
	uint32_t budget = request->recorded_missed, number;
	bool fault = request->flags & CGR_MEM_FAULT;
	bool around = (request->flags & CGR_MEM_AROUND) || (fault && request->pages > 1);
	bool same_page = false, known;
	if (!fault && !(request->flags & CGR_MEM_DIRTY) && request->task != CGR_NONE &&
	    continues_read(m, request, end, &same_page))
		return;
	bool readahead_failed = false;
	for (uint64_t index = request->index; index < end; index++) {
		if (!page_present(m, request, index, &budget, &number, &known)) {
			if (around)
				continue;
			/* page_cache_sync_ra tries the whole request first; what it could not insert is read singly */
			int verdict = readahead_failed ? CGR_MEM_NOMEM : fill_page(m, request, index, CGR_MEM_READAHEAD, 0);
			if (verdict == CGR_MEM_NOMEM) {
				readahead_failed = true;
				verdict = fill_page(m, request, index, request->flags & CGR_MEM_ATOMIC, 0);
			}
			if (verdict != CGR_MEM_OK) {
				m->outcome->verdict = verdict;
				return;
			}
			if (fault)
				COUNT_TREE(m, request->cgroup, pgmajfault, 1);
			number = cgr_mem_pages_find(&m->pages, request->file, index);
		}
		if (number && known && !(same_page && index == request->index))
			touch(m, number, request);
	}
}

static void charge_file(struct memcg *m, const struct cgr_mem_request *request)
{
	struct memcg_group *group = memcg_group(m, request->cgroup);
	bool named = request->file != CGR_NONE;
	struct cgr_mem_request one = *request;
	uint32_t gfp = request->flags & (CGR_MEM_READAHEAD | CGR_MEM_ATOMIC);
	uint16_t flags = request->flags & CGR_MEM_READAHEAD ? CGR_PG_READAHEAD : 0;
	if (!named)
		one.file = UNKNOWN_FILE | group->id;
	for (uint32_t i = 0; i < request->pages; i++) {
		uint64_t index = named ? request->index + i : group->unknown_next++;
		uint32_t number = named ? cgr_mem_pages_find(&m->pages, one.file, index) : CGR_PAGE_NONE;
		if (number && m->pages.page[number].flags & CGR_PG_RESIDENT) {
			if (request->flags & CGR_MEM_DIRTY)
				touch(m, number, request);
			continue;
		}
		int verdict = fill_page(m, &one, index, gfp, flags);
		if (verdict != CGR_MEM_OK) {
			m->outcome->verdict = gfp & CGR_MEM_READAHEAD ? CGR_MEM_OK : verdict;
			return;
		}
	}
}

static void uncharge_unknown(struct memcg *m, struct memcg_group *group, uint32_t pages)
{
	while (pages && group->unknown_first < group->unknown_next) {
		uint32_t number = cgr_mem_pages_find(&m->pages, UNKNOWN_FILE | group->id, group->unknown_first++);
		if (!number)
			continue;
		if (m->pages.page[number].flags & CGR_PG_RESIDENT)
			pages--;
		free_page(m, number);
	}
}

/* Reclaim outside any memcg run (kswapd, DAMON) is a fact of the machine that no limit changes: the page goes and
 * leaves its shadow. Reclaim for a limit is what the replay decides by itself. */
static void evict_external(struct memcg *m, uint32_t number)
{
	struct cgr_page *page = &m->pages.page[number];
	struct cgr_scan scan = { .target = 0 };
	if (!(page->flags & CGR_PG_RESIDENT) || is_dirty(m, page))
		return;
	m->reclaim->page_remove(m->ctx->reclaim, number);
	(void)memcg_evict(m->ctx, &scan, number, m->reclaim->age ? m->reclaim->age(m->ctx->reclaim, 0) : 0);
}

static void uncharge_file(struct memcg *m, const struct cgr_mem_request *request)
{
	bool reclaim = request->flags & CGR_MEM_RECORDED_RECLAIM;
	bool external = request->task != CGR_NONE && cgr_task(m->ctx, request->task)->kernel_thread;
	if (reclaim && !external)
		return;
	if (request->file == CGR_NONE) {
		uncharge_unknown(m, memcg_group(m, request->cgroup), request->pages);
		return;
	}
	for (uint64_t index = request->index; index < request->index + request->pages; index++) {
		uint32_t number = cgr_mem_pages_find(&m->pages, request->file, index);
		if (number && reclaim)
			evict_external(m, number);
		else if (number)
			free_page(m, number);
	}
}

/* ---- anonymous and kernel memory ---- */
static uint32_t mm_of(const struct memcg *m, const struct cgr_mem_request *request)
{
	uint32_t owner = request->task == CGR_NONE ? CGR_NONE : cgr_task(m->ctx, request->task)->mm_owner;
	return owner == CGR_NONE || owner >= m->ctx->n_tasks ? 0 : owner;
}

static int charge_counted(struct memcg *m, const struct cgr_mem_request *request)
{
	struct memcg_group *group = memcg_group(m, request->cgroup);
	uint32_t folios = request->folios ? request->folios : request->pages;
	uint32_t gfp = request->flags & CGR_MEM_ATOMIC, left = request->pages;
	if (!folios || folios > left)
		folios = left;
	for (; folios; folios--) {
		uint32_t size = left / folios;
		int verdict = memcg_try_charge(m, request->cgroup, size, gfp);
		if (verdict != CGR_MEM_OK)
			return verdict;
		group->pages[request->kind] += size;
		left -= size;
	}
	return CGR_MEM_OK;
}

static int charge_anon_pages(struct memcg *m, const struct cgr_mem_request *request)
{
	uint32_t owner = mm_of(m, request);
	struct memcg_task *mm = memcg_task(m, owner);
	uint16_t flags = CGR_PG_ANON | (request->kind == CGR_CHARGE_SHMEM ? CGR_PG_SHMEM : 0);
	for (uint32_t i = 0; i < request->pages; i++) {
		int verdict = memcg_try_charge(m, request->cgroup, 1, request->flags & CGR_MEM_ATOMIC);
		if (verdict != CGR_MEM_OK)
			return verdict;
		if (!insert_page(m, request->cgroup, CGR_PAGE_ANON | owner, mm->birth_next++, flags))
			memcg_group(m, request->cgroup)->pages[request->kind]++;
	}
	return CGR_MEM_OK;
}

/* What a process gives back is its youngest memory first (freed blocks, stacks); an exit gives back everything. */
static uint32_t uncharge_anon_pages(struct memcg *m, const struct cgr_mem_request *request)
{
	uint32_t owner = mm_of(m, request), left = request->pages;
	struct memcg_task *mm = memcg_task(m, owner);
	while (left && mm->birth_next > mm->birth_first) {
		uint32_t number = cgr_mem_pages_find(&m->pages, CGR_PAGE_ANON | owner, --mm->birth_next);
		if (!number)
			continue;
		free_page(m, number);
		left--;
	}
	return left;
}

static void uncharge_counted(struct memcg *m, const struct cgr_mem_request *request, uint32_t pages)
{
	struct memcg_group *group = memcg_group(m, request->cgroup);
	int64_t held = CGR_MAX(group->pages[request->kind], (int64_t)0);
	uint32_t given = (uint32_t)CGR_MIN((int64_t)pages, held);
	group->pages[request->kind] -= given;
	if (request->kind == CGR_CHARGE_KMEM || request->kind == CGR_CHARGE_SOCK)
		/* kernel pages go back through the stock, user pages straight to the counters */
		for (; given; given -= CGR_MIN(given, (uint32_t)MEMCG_CHARGE_BATCH))
			memcg_refill_stock(m, group->id, CGR_MIN(given, (uint32_t)MEMCG_CHARGE_BATCH));
	else
		memcg_uncharge(m, group->id, given);
}

static bool has_identity(const struct memcg *m, const struct cgr_mem_request *request)
{
	return m->swap && (request->kind == CGR_CHARGE_ANON || request->kind == CGR_CHARGE_SHMEM) &&
	       request->folios <= request->pages;
}

static void flush_if_due(struct memcg *m)
{
	if (m->ctx->now_ns - m->last_flush_ns >= DIRTY_EXPIRE_NS) {
		m->last_flush_ns = m->ctx->now_ns;
		m->clean_epoch++;
	}
}

/* ---- requests ---- */
void memcg_charge_request(struct memcg *m, const struct cgr_mem_request *request)
{
	flush_if_due(m);
	if (request->kind == CGR_CHARGE_FILE)
		charge_file(m, request);
	else if (has_identity(m, request))
		m->outcome->verdict = charge_anon_pages(m, request);
	else
		m->outcome->verdict = charge_counted(m, request);
}

void memcg_uncharge_request(struct memcg *m, const struct cgr_mem_request *request)
{
	uint32_t pages = request->pages;
	if (request->kind == CGR_CHARGE_FILE) {
		uncharge_file(m, request);
		return;
	}
	if (has_identity(m, request))
		pages = uncharge_anon_pages(m, request);
	if (pages)
		uncharge_counted(m, request, pages);
}

void memcg_access_request(struct memcg *m, const struct cgr_mem_request *request)
{
	flush_if_due(m);
	if (request->file != CGR_NONE)
		access_file(m, request);
}

void memcg_preload_request(struct memcg *m, const struct cgr_mem_request *request)
{
	struct memcg_group *group = memcg_group(m, request->cgroup);
	if (!request->cgroup)
		return;
	memcg_charge_forced(m, request->cgroup, request->pages);
	if (request->kind != CGR_CHARGE_FILE) {
		group->pages[request->kind] += request->pages;
		return;
	}
	bool named = request->file != CGR_NONE;
	for (uint32_t i = 0; i < request->pages; i++) {
		uint64_t index = named ? request->index + i : group->unknown_next++;
		uint32_t file = named ? request->file : UNKNOWN_FILE | group->id;
		if (!insert_page(m, request->cgroup, file, index, 0))
			group->pages[CGR_CHARGE_FILE]++;
	}
}
