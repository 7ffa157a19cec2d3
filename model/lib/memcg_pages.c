/* Folios of a cgroup: insert, evict, free; anonymous pages and their swap slots; requests to the right place. Anonymous
 * pages matter one by one only where there is swap; without it they are counted. */
#include "common/util.h"
#include "model/lib/memcg_internal.h"

static void count_tree(struct memcg *m, uint32_t cgroup, size_t offset, int64_t value)
{
	for (; cgroup != CGR_NONE; cgroup = m->parent[cgroup])
		*(int64_t *)(void *)((char *)memcg_group(m, cgroup) + offset) += value;
}
#define COUNT_TREE(m, cgroup, field, value) count_tree(m, cgroup, offsetof(struct memcg_group, field), value)

void memcg_count(struct cgr_ctx *ctx, uint32_t cgroup, enum cgr_reclaim_stat stat, uint64_t pages)
{
	struct memcg *m = memcg_of(ctx);
	if ((stat == CGR_STAT_RESTORE_FILE || stat == CGR_STAT_RESTORE_ANON) && m->outcome)
		m->outcome->restored_pages += (uint32_t)pages;
	for (; cgroup != CGR_NONE; cgroup = m->parent[cgroup])
		memcg_group(m, cgroup)->stat[stat] += (int64_t)pages;
}

void memcg_count_majfault(struct memcg *m, uint32_t cgroup)
{
	COUNT_TREE(m, cgroup, pgmajfault, 1);
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
	if (m->outcome)
		m->outcome->cpu_ns += (uint64_t)m->swapout_ns;
	for (uint32_t id = group->id; id != CGR_NONE; id = m->parent[id]) {
		struct memcg_group *level = memcg_group(m, id);
		int64_t pages = m->v2 ? level->memory.usage + level->swap.usage : level->memsw.usage;
		level->swappable_most = CGR_MAX(level->swappable_most, pages);
	}
	m->swap_free--;
	group->swapped++;
	COUNT_TREE(m, group->id, pswpout, 1);
	return true;
}

static void give_slot_back(struct memcg *m, struct memcg_group *group)
{
	m->swap_free++;
	group->swapped--;
	cgr_mem_counter_uncharge(m->v2 ? &group->swap : &group->memsw, 1);
}

/* free_swap_slot: a CPU keeps freed slots, charged, until it has a batch of them. On v1 what a swap-in frees is
 * uncharged at once (mem_cgroup_swapin_uncharge_swap); slots of dying memory wait there, too. */
static void swap_slot_free(struct memcg *m, struct memcg_group *group)
{
	struct memcg_stock *cpu = memcg_stock(m, m->cpu);
	if (!m->slot_caches || !m->v2) {
		give_slot_back(m, group);
		return;
	}
	if (cpu->freed == MEMCG_FREED_SLOTS)
		while (cpu->freed)
			give_slot_back(m, memcg_group(m, cpu->freed_group[--cpu->freed]));
	cpu->freed_group[cpu->freed++] = group->id;
}

/* ---- eviction ---- */
/* shrink_folio_list: whether a dirty page, or one under writeback, must stay. */
static bool must_be_written(struct memcg *m, struct cgr_page *page)
{
	bool marked = page->flags & CGR_PG_RECLAIM;
	page->flags |= page->flags & (CGR_PG_DIRTY | CGR_PG_WRITEBACK) ? CGR_PG_RECLAIM : 0;
	if (page->flags & CGR_PG_WRITEBACK && marked && m->may_enter_fs)
		memcg_await_writeback(m, page);
	return page->flags & (CGR_PG_DIRTY | CGR_PG_WRITEBACK);
}

static void leave_shadow(struct memcg *m, uint32_t number, uint16_t flags, uint32_t age, uint32_t owner,
                         uint32_t target)
{
	struct cgr_page *page = &m->pages.page[number];
	page->flags = flags;
	page->prev = age;
	page->next = owner;
	cgr_page_set_cgroup(page, target);
	cgr_page_set_order(page, 0);
}

enum cgr_evict memcg_evict(struct cgr_ctx *ctx, struct cgr_scan *scan, uint32_t number, uint32_t age)
{
	struct memcg *m = memcg_of(ctx);
	struct cgr_page *page = &m->pages.page[number];
	struct memcg_group *group = memcg_group(m, cgr_page_cgroup(page));
	uint16_t kept = page->flags & (CGR_PG_ANON | CGR_PG_SHMEM | CGR_PG_WORKINGSET);
	uint32_t pages = cgr_page_count(page);
	if (page->flags & CGR_PG_LOCKED)
		return CGR_EVICT_KEEP;
	if (page->flags & CGR_PG_ANON) {
		if (!swap_out(m, group))
			return CGR_EVICT_ACTIVATE;
		group->pages[kind_of(page)]--;
		kept |= CGR_PG_SWAPPED;
	} else {
		if (must_be_written(m, page))
			return CGR_EVICT_ACTIVATE;
		group->written_evicted += page->written ? pages : 0;
		memcg_detach_evicted(m, group, pages);
		group->pages[CGR_CHARGE_FILE] -= pages;
		memcg_uncharge(m, group->id, pages);
	}
	if (page->flags & (CGR_PG_MAPPED | CGR_PG_ANON))
		count_tree(m, group->id,
		           offsetof(struct memcg_group, unseen_evicted) + sizeof(int64_t) * !(page->flags & CGR_PG_ANON),
		           pages);
	m->pages.resident -= pages;
	m->evicted_folios++;
	if (pages >> MEMCG_NODE_ORDER)
		kept |= CGR_PG_TAIL;
	else
		memcg_node_count(m, group->id, page->file, cgr_page_index(page), -(int)pages, (int)pages);
	for (uint32_t i = 1; i < pages; i++)
		leave_shadow(m, cgr_mem_pages_find(&m->pages, page->file, cgr_page_index(page) + i), kept, age, group->id,
		             scan->target);
	leave_shadow(m, number, kept, age, group->id, scan->target);
	return CGR_EVICT_FREED;
}

/* ---- insert and free ---- */
/* Files are mostly read in for the first time in order, and a page keeps its number when it is evicted: its number is
 * as far from that of another page of the file as their indices are. Where that was wrong it is seldom tried. */
uint32_t memcg_find_page(struct memcg *m, uint32_t file, uint64_t index)
{
	const struct cgr_page *known = &m->pages.page[m->hint];
	if (m->hint && known->file == file && (m->guess_credit || ++m->guess_rest % 64 == 0)) {
		uint64_t guess = m->hint + (index - cgr_page_index(known)); /* before it: wraps around, and back */
		if (guess < m->pages.top && cgr_mem_pages_is(&m->pages, (uint32_t)guess, file, index)) {
			m->guess_credit = CGR_MIN(m->guess_credit + 1, 16u);
			return m->hint = (uint32_t)guess;
		}
		m->guess_credit -= m->guess_credit > 0;
	}
	return m->hint = cgr_mem_pages_find(&m->pages, file, index);
}

uint32_t memcg_find_folio(const struct memcg *m, uint32_t file, uint64_t index)
{
	if (cgr_mem_pages_is(&m->pages, m->hint, file, index))
		return memcg_folio_of(m, m->hint);
	return memcg_folio_of(m, cgr_mem_pages_find(&m->pages, file, index));
}

static uint32_t claim_page(struct memcg *m, uint32_t cgroup, uint32_t file, uint64_t index, uint16_t flags,
                           struct cgr_page *ret_shadow, bool *ret_had_shadow)
{
	/* who charged the page has just looked it up */
	uint32_t number =
	    cgr_mem_pages_is(&m->pages, m->hint, file, index) ? m->hint : cgr_mem_pages_find(&m->pages, file, index);
	if (number && !(m->pages.page[number].flags & CGR_PG_READAHEAD)) {
		*ret_shadow = m->pages.page[number];
		*ret_had_shadow = true;
		if (!(ret_shadow->flags & CGR_PG_TAIL))
			memcg_node_count(m, cgroup, file, index, 0, -1);
	} else if (number) {
		m->had_shadow |= m->pages.page[number].flags == CGR_PG_FORGOTTEN;
	} else {
		number = cgr_mem_pages_insert(&m->pages, file, index);
		if (!number)
			return CGR_PAGE_NONE;
	}
	struct cgr_page *page = &m->pages.page[number];
	page->flags = (uint16_t)(flags | CGR_PG_RESIDENT);
	page->policy = 0;
	page->written = 0;
	page->prev = page->next = 0;
	cgr_page_set_cgroup(page, cgroup);
	cgr_page_set_order(page, 0);
	return number;
}

bool memcg_insert_folio(struct memcg *m, uint32_t cgroup, uint32_t file, uint64_t index, unsigned order, uint16_t flags)
{
	struct cgr_page shadow;
	bool had_shadow = m->had_shadow = false;
	uint32_t head = claim_page(m, cgroup, file, index, flags, &shadow, &had_shadow);
	if (!head)
		return false;
	for (uint64_t i = 1; i < 1ull << order; i++) {
		uint32_t tail = claim_page(m, cgroup, file, index + i, CGR_PG_TAIL, &shadow, &had_shadow);
		if (!tail) { /* full: a smaller folio must do; the rest stays charged and unknown */
			while (i & (i - 1))
				i--;
			order = 0;
			while ((2ull << order) <= i)
				order++;
			break;
		}
		m->pages.page[tail].prev = head;
	}
	struct cgr_page *page = &m->pages.page[head];
	cgr_page_set_order(page, order);
	if (order < MEMCG_NODE_ORDER)
		memcg_node_count(m, cgroup, file, index, 1 << order, 0);
	m->pages.resident += 1u << order;
	m->hint = head;
	m->had_shadow |= had_shadow;
	memcg_group(m, cgroup)->pages[kind_of(page)] += 1 << order;
	memcg_group(m, cgroup)->inserted += flags & (CGR_PG_ANON | CGR_PG_DIRTY) ? 0 : 1 << order;
	/* filemap_add_folio: a folio that is about to be overwritten (__GFP_WRITE) is no refault */
	bool refault = had_shadow && !((flags & CGR_PG_DIRTY) && !(flags & CGR_PG_ANON));
	m->reclaim->page_add(m->ctx->reclaim, head, m->cpu, refault ? &shadow : NULL);
	return true;
}

/* A folio that left its list gives back its page entries. */
static void erase_folio(struct memcg *m, uint32_t head)
{
	uint32_t pages = cgr_page_count(&m->pages.page[head]), file = m->pages.page[head].file;
	uint64_t index = cgr_page_index(&m->pages.page[head]);
	for (uint32_t i = 1; i < pages; i++)
		cgr_mem_pages_erase(&m->pages, cgr_mem_pages_find(&m->pages, file, index + i));
	cgr_mem_pages_erase(&m->pages, head);
	if (!(pages >> MEMCG_NODE_ORDER))
		memcg_node_count(m, 0, file, index, -(int)pages, 0);
}

void memcg_free_folio(struct memcg *m, uint32_t head)
{
	struct cgr_page *page = &m->pages.page[head];
	uint32_t cgroup = cgr_page_cgroup(page), pages = cgr_page_count(page);
	m->reclaim->page_remove(m->ctx->reclaim, head);
	if (!(page->flags & CGR_PG_ANON))
		memcg_detach_freed(memcg_group(m, cgroup), pages);
	memcg_group(m, cgroup)->pages[kind_of(page)] -= pages;
	memcg_uncharge(m, cgroup, pages);
	m->pages.resident -= pages;
	erase_folio(m, head);
}

void memcg_split_folio(struct memcg *m, uint32_t head)
{
	struct cgr_page *page = &m->pages.page[head];
	uint32_t pages = cgr_page_count(page), file = page->file;
	uint64_t index = cgr_page_index(page);
	uint16_t flags = (uint16_t)(page->flags & ~(CGR_PG_ON_LIST | CGR_PG_READAHEAD));
	m->reclaim->page_remove(m->ctx->reclaim, head);
	for (uint32_t i = 0; pages >> MEMCG_NODE_ORDER && i < pages; i++)
		memcg_node_count(m, cgr_page_cgroup(page), file, index + i, 1, 0);
	for (uint32_t i = 0; i < pages; i++) {
		uint32_t number = i ? cgr_mem_pages_find(&m->pages, file, index + i) : head;
		struct cgr_page *part = &m->pages.page[number];
		part->flags = flags;
		part->written = page->written;
		part->prev = part->next = 0;
		cgr_page_set_order(part, 0);
		m->reclaim->page_add(m->ctx->reclaim, number, m->cpu, NULL);
		if (i && flags & (CGR_PG_DIRTY | CGR_PG_WRITEBACK))
			memcg_set_dirty(m, number);
	}
}

/* ---- anonymous and kernel memory ---- */
static void free_anon(struct memcg *m, uint32_t number)
{
	const struct cgr_page *page = &m->pages.page[number];
	if (page->flags & CGR_PG_RESIDENT) {
		memcg_free_folio(m, number);
		return;
	}
	if (page->flags & CGR_PG_SWAPPED)
		swap_slot_free(m, memcg_group(m, page->next));
	cgr_mem_pages_erase(&m->pages, number);
}

/* So many pages more, in folios of that size; no uncharge tells whether it is of those. */
static void note_huge(struct memcg_group *group, const struct cgr_mem_request *request, uint32_t size, uint32_t pages)
{
	if (request->kind == CGR_CHARGE_ANON && size >> (MEMCG_COSTLY_ORDER + 1))
		group->huge += pages;
}

static uint32_t mm_of(const struct memcg *m, const struct cgr_mem_request *request)
{
	uint32_t owner = request->task == CGR_NONE ? CGR_NONE : cgr_task(m->ctx, request->task)->mm_owner;
	return owner == CGR_NONE || owner >= m->ctx->n_tasks ? 0 : owner;
}

/* A huge page that finds no room does not go through the OOM killer: the fault falls back to pages (mm/huge_memory.c:
 * vma_alloc_anon_folio_pmd, THP_FAULT_FALLBACK_CHARGE), whose charges come as they are touched. When that is no
 * recording tells; here it is at once. */
static int charge_folio(struct memcg *m, const struct cgr_mem_request *request, uint32_t size)
{
	struct memcg_group *group = memcg_group(m, request->cgroup);
	uint32_t gfp = request->flags & CGR_MEM_ATOMIC;
	int verdict = memcg_try_charge(m, request->cgroup, size, gfp);
	if (verdict == CGR_MEM_OK) {
		group->pages[request->kind] += size;
		note_huge(group, request, size, size);
	}
	if (verdict != CGR_MEM_NOMEM || size == 1 || request->kind != CGR_CHARGE_ANON)
		return verdict;
	verdict = CGR_MEM_OK;
	for (uint32_t i = 0; i < size && verdict == CGR_MEM_OK; i++) {
		verdict = memcg_try_charge(m, request->cgroup, 1, gfp);
		group->pages[request->kind] += verdict == CGR_MEM_OK ? 1 : 0;
	}
	return verdict;
}

static int charge_counted(struct memcg *m, const struct cgr_mem_request *request)
{
	uint32_t folios = request->folios ? request->folios : request->pages, left = request->pages;
	if (!folios || folios > left)
		folios = left;
	for (; folios; folios--) {
		uint32_t size = left / folios;
		int verdict = charge_folio(m, request, size);
		if (verdict != CGR_MEM_OK)
			return verdict;
		left -= size;
	}
	return CGR_MEM_OK;
}

static int charge_anon_pages(struct memcg *m, const struct cgr_mem_request *request)
{
	uint32_t owner = mm_of(m, request);
	struct memcg_task *mm = memcg_task(m, owner);
	/* a fault maps the page as accessed: reclaim passes it over once (folio_check_references) */
	uint16_t flags = CGR_PG_ANON | CGR_PG_YOUNG | (request->kind == CGR_CHARGE_SHMEM ? CGR_PG_SHMEM : 0);
	for (uint32_t i = 0; i < request->pages; i++) {
		int verdict = memcg_try_charge(m, request->cgroup, 1, request->flags & CGR_MEM_ATOMIC);
		if (verdict != CGR_MEM_OK)
			return verdict;
		if (!memcg_insert_folio(m, request->cgroup, CGR_PAGE_ANON | owner, mm->birth_next++, 0, flags))
			memcg_group(m, request->cgroup)->pages[request->kind]++;
	}
	if (request->folios)
		note_huge(memcg_group(m, request->cgroup), request, request->pages / request->folios, request->pages);
	return CGR_MEM_OK;
}

/* do_swap_page: the page comes back as accessed, and its slot is free. The slot's memory stays with the cgroup that the
 * slot was charged to. */
static int swap_in(struct memcg *m, const struct cgr_mem_request *request, uint32_t number)
{
	const struct cgr_page *page = &m->pages.page[number];
	uint32_t owner = page->next, file = page->file;
	uint64_t index = cgr_page_index(page);
	uint16_t flags = (uint16_t)(CGR_PG_ANON | CGR_PG_YOUNG | (page->flags & CGR_PG_SHMEM));
	int verdict = memcg_try_charge(m, owner, 1, request->flags & CGR_MEM_ATOMIC);
	if (verdict != CGR_MEM_OK)
		return verdict;
	if (!memcg_insert_folio(m, owner, file, index, 0, flags))
		memcg_group(m, owner)->pages[request->kind]++;
	swap_slot_free(m, memcg_group(m, owner));
	COUNT_TREE(m, owner, pswpin, 1);
	memcg_count_majfault(m, owner);
	m->outcome->swapped_in = true; /* what it takes to read it is in the program: it was read in the recording, too */
	return CGR_MEM_OK;
}

static void anon_access(struct memcg *m, const struct cgr_mem_request *request)
{
	uint32_t owner = mm_of(m, request);
	uint32_t number = cgr_mem_pages_find(&m->pages, CGR_PAGE_ANON | owner, request->index);
	if (!number)
		return;
	if (m->pages.page[number].flags & CGR_PG_SWAPPED) {
		m->outcome->verdict = swap_in(m, request, number);
	} else if (m->pages.page[number].flags & CGR_PG_RESIDENT) {
		m->pages.page[number].flags |= CGR_PG_YOUNG;
		m->reclaim->page_access(m->ctx->reclaim, number, m->cpu, CGR_MEM_FAULT);
	}
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
		free_anon(m, number);
		left--;
	}
	return left;
}

static void uncharge_counted(struct memcg *m, const struct cgr_mem_request *request, uint32_t pages)
{
	struct memcg_group *group = memcg_group(m, request->cgroup);
	bool kernel = request->kind == CGR_CHARGE_KMEM || request->kind == CGR_CHARGE_SOCK;
	while (kernel && group->dying && m->parent[group->id] != CGR_NONE) /* re-parented when it went offline */
		group = memcg_group(m, m->parent[group->id]);
	int64_t held = CGR_MAX(group->pages[request->kind], (int64_t)0);
	uint32_t given = (uint32_t)CGR_MIN((int64_t)pages, held);
	group->pages[request->kind] -= given;
	if (kernel && !(request->flags & CGR_MEM_DIRECT))
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

/* ---- requests ---- */
void memcg_charge_request(struct memcg *m, const struct cgr_mem_request *request)
{
	memcg_writeback_settle(m);
	memcg_attach(m, request);
	if (request->task != CGR_NONE && request->kind != CGR_CHARGE_KMEM)
		memcg_task(m, request->task)->inserts = request->kind == CGR_CHARGE_FILE;
	if (request->kind == CGR_CHARGE_FILE)
		memcg_file_charge(m, request);
	else if (has_identity(m, request))
		m->outcome->verdict = charge_anon_pages(m, request);
	else
		m->outcome->verdict = charge_counted(m, request);
}

void memcg_uncharge_request(struct memcg *m, const struct cgr_mem_request *request)
{
	uint32_t pages = request->pages;
	if (request->kind == CGR_CHARGE_FILE) {
		memcg_file_uncharge(m, request);
		return;
	}
	if (memcg_detached_in_record(m, request))
		return;
	if (has_identity(m, request))
		pages = uncharge_anon_pages(m, request);
	if (pages)
		uncharge_counted(m, request, pages);
	struct memcg_group *group = memcg_group(m, request->cgroup);
	group->huge = CGR_MIN(group->huge, CGR_MAX(group->pages[CGR_CHARGE_ANON], (int64_t)0));
}

void memcg_access_request(struct memcg *m, const struct cgr_mem_request *request)
{
	memcg_writeback_settle(m);
	if (request->flags & CGR_MEM_WRITTEN) {
		memcg_written(m, request->pages);
		return;
	}
	if (request->task != CGR_NONE && !(request->flags & CGR_MEM_DIRTY))
		memcg_task(m, request->task)->inserts = false;
	if (request->file != CGR_NONE)
		memcg_file_access(m, request);
	else if (request->flags & CGR_MEM_SWAPIN)
		anon_access(m, request);
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
		uint32_t file = named ? request->file : MEMCG_UNKNOWN_FILE | group->id;
		if (!memcg_insert_folio(m, request->cgroup, file, index, 0, 0))
			group->pages[CGR_CHARGE_FILE]++;
	}
}
