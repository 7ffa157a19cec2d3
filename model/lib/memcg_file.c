/* The page cache of a cgroup: buffered reads, faults, readahead, writes, truncation. mm/filemap.c filemap_get_pages,
 * filemap_read, filemap_fault; mm/readahead.c.
 *
 * File pages are known by (file, index). Those the recording does not name (there before the trace, or recorded without
 * page-cache events) stand as pages of a made-up file per cgroup, so that they can be reclaimed like any other; when an
 * access meets a page nobody inserted, one of them gets its real name. */
#include "common/util.h"
#include "model/lib/memcg_internal.h"

#define WINDOW_MOST_NS 50000000u /* a window of readahead is inserted in less */

static uint32_t process_of(const struct memcg *m, const struct cgr_mem_request *request)
{
	if (request->task == CGR_NONE)
		return 0;
	uint32_t owner = cgr_task(m->ctx, request->task)->mm_owner;
	return owner == CGR_NONE ? request->task : owner;
}

static bool cached(void *arg, uint32_t file, uint64_t index)
{
	return memcg_find_folio(arg, file, index) != CGR_PAGE_NONE;
}

/* ---- insert ---- */
enum fill { FILL_OK, FILL_EXISTS, FILL_NOMEM, FILL_KILLED };

/* One folio into the cache. gfp CGR_MEM_READAHEAD: gives up at the limit instead of killing. */
static enum fill fill_folio(struct memcg *m, const struct cgr_mem_request *request, uint64_t index, unsigned order,
                            uint32_t gfp, uint16_t flags)
{
	for (uint64_t i = 0; i < 1ull << order; i++)
		if (memcg_find_folio(m, request->file, index + i))
			return FILL_EXISTS;
	int verdict = memcg_try_charge(m, request->cgroup, 1u << order, gfp);
	if (verdict != CGR_MEM_OK)
		return verdict == CGR_MEM_NOMEM ? FILL_NOMEM : FILL_KILLED;
	bool dirty = request->flags & CGR_MEM_DIRTY, read = !dirty && m->looked_up && request->file < MEMCG_UNKNOWN_FILE;
	flags |= dirty ? CGR_PG_DIRTY : read ? CGR_PG_LOCKED : 0;
	if (!memcg_insert_folio(m, request->cgroup, request->file, index, order, flags))
		memcg_uncharge(m, request->cgroup, 1 << order);
	else if (!m->had_shadow)
		m->strangers += 1u << order;
	uint32_t head = memcg_find_folio(m, request->file, index);
	if (dirty && head)
		memcg_set_dirty(m, head);
	if (read)
		memcg_read_begins(m, request->file, index, 1u << order);
	m->outcome->missed_pages += 1u << order;
	return FILL_OK;
}

/* do_page_cache_ra: single pages, those that are there are passed over. */
static void read_singles(struct memcg *m, const struct cgr_mem_request *request, uint64_t from, uint64_t end,
                         uint64_t mark)
{
	for (uint64_t index = from; index < end; index++)
		if (fill_folio(m, request, index, 0, CGR_MEM_READAHEAD, index == mark ? CGR_PG_READAHEAD : 0) > FILL_EXISTS)
			return;
}

/* Where do_page_cache_ra puts the mark in what is left of a window: as far from its end, which may be the file's. */
static uint64_t mark_of_rest(const struct cgr_readahead_window *window, uint64_t index, uint64_t end)
{
	uint64_t ahead = window->start + window->size - window->mark;
	return window->mark != UINT64_MAX && ahead <= end - index ? end - ahead : UINT64_MAX;
}

/* page_cache_ra_order: folios as large as the window's order and their alignment allow, up to the end of the file. The
 * first that is there already, or finds no room, leaves the rest to single pages. */
static void read_window(struct memcg *m, const struct cgr_mem_request *request,
                        const struct cgr_readahead_window *window)
{
	uint64_t index = window->start, end = window->start + window->size;
	uint64_t known = cgr_readahead_end(&m->readahead, request->file);
	end = CGR_MIN(end, CGR_MAX(known, request->index + 1));
	while (index < end) {
		unsigned order = window->order;
		while (order && (index & ((1ull << order) - 1) || index + (1ull << order) > end))
			order--;
		bool marked = window->mark != UINT64_MAX && (window->mark & ~((1ull << order) - 1)) == index;
		if (fill_folio(m, request, index, order, CGR_MEM_READAHEAD, marked ? CGR_PG_READAHEAD : 0) != FILL_OK) {
			read_singles(m, request, index, end, mark_of_rest(window, index, end));
			return;
		}
		index += 1ull << order;
	}
}

/* ---- access ---- */
/* A page that is there although nobody inserted it was there before the trace: it takes the place of one of the
 * nameless pages of this cgroup; if there are none, somebody else pays for it and it stays outside the model. */
static uint32_t adopt(struct memcg *m, const struct cgr_mem_request *request, uint64_t index)
{
	struct memcg_group *group = memcg_group(m, request->cgroup);
	while (group->unknown_first < group->unknown_next) {
		uint32_t old = cgr_mem_pages_find(&m->pages, MEMCG_UNKNOWN_FILE | group->id, group->unknown_first++);
		if (!old)
			continue;
		bool resident = m->pages.page[old].flags & CGR_PG_RESIDENT;
		if (!resident) {
			cgr_mem_pages_erase(&m->pages, old);
			continue;
		}
		/* the charge moves from the nameless page to the named one */
		memcg_free_folio(m, old);
		memcg_charge_forced(m, group->id, 1);
		if (!memcg_insert_folio(m, group->id, request->file, index, 0, 0)) {
			memcg_uncharge(m, group->id, 1);
			return CGR_PAGE_NONE;
		}
		cgr_readahead_learn_end(&m->readahead, request->file, index + 1);
		return memcg_find_folio(m, request->file, index);
	}
	return CGR_PAGE_NONE;
}

/* x86 maps pages around a fault as referenced too (arch_wants_old_prefaulted_pte is false). */
static void touch_mapped(struct memcg *m, struct cgr_page *page, const struct cgr_mem_request *request)
{
	const struct cgr_readahead *ra = cgr_readahead_of(&m->readahead, process_of(m, request), request->file);
	page->flags |= CGR_PG_MAPPED;
	if (!m->map_recency || !cgr_readahead_map_is_random(ra))
		page->flags |= CGR_PG_YOUNG;
}

static void touch(struct memcg *m, uint32_t head, const struct cgr_mem_request *request)
{
	struct cgr_page *page = &m->pages.page[head];
	if (!(page->flags & (CGR_PG_REFERENCED | CGR_PG_ACTIVE | CGR_PG_MAPPED)) && !page->written)
		memcg_group(m, cgr_page_cgroup(page))->first_used += cgr_page_count(page);
	if (request->flags & CGR_MEM_DIRTY) {
		if (!(page->flags & CGR_PG_DIRTY))
			memcg_set_dirty(m, head);
		return; /* a buffered write does not mark its page accessed */
	}
	if (request->flags & CGR_MEM_FAULT)
		touch_mapped(m, page, request);
	if (request->flags & CGR_MEM_EXEC)
		page->flags |= CGR_PG_EXEC;
	m->reclaim->page_access(m->ctx->reclaim, head, request->cpu, request->flags);
}

/* The kernel's get_pages event fires once per batch of folios of one read(), each time with the range up to the end of
 * the request: what continues the previous event of this task is no second access. */
static bool continues_read(struct memcg *m, const struct cgr_mem_request *request, uint64_t end)
{
	struct memcg_task *task = memcg_task(m, request->task);
	bool continued = task->last_file == request->file + 1 && end == task->last_end && request->index > task->last_index;
	task->last_file = request->file + 1;
	task->last_index = request->index;
	task->last_end = end;
	return continued;
}

static unsigned folio_order(const struct cgr_mem_request *request)
{
	unsigned order = 0;
	if (request->folios > 1 || request->file == CGR_NONE)
		return 0;
	while ((1u << order) < request->pages)
		order++;
	return (1u << order) == request->pages && !(request->index & (request->pages - 1)) && order < 12 ? order : 0;
}

/* A write to a page the replay has evicted, that the recording still had: the charge that the recording did not need.
 * The event says how large the folio was. */
static void write_missing(struct memcg *m, const struct cgr_mem_request *request)
{
	unsigned order = folio_order(request);
	enum fill fill = order ? fill_folio(m, request, request->index, order, 0, 0) : FILL_EXISTS;
	for (uint32_t i = 0; fill == FILL_EXISTS && i < request->pages; i++) {
		enum fill one = fill_folio(m, request, request->index + i, 0, 0, 0);
		fill = one > FILL_EXISTS ? one : fill;
	}
	if (fill > FILL_EXISTS)
		m->outcome->verdict = fill == FILL_NOMEM ? CGR_MEM_NOMEM : CGR_MEM_TASK_KILLED;
	else
		memcg_attach_again(m, memcg_group(m, request->cgroup), request->pages);
	m->outcome->missed_pages = 0; /* overwritten, not read: nothing waits for the device */
}

static bool was_evicted(const struct memcg *m, const struct cgr_mem_request *request)
{
	uint32_t number = cgr_mem_pages_find(&m->pages, request->file, request->index);
	return number && !memcg_folio_of(m, number);
}

struct access {
	struct cgr_readahead *ra;
	const struct cgr_mem_request *request;
	uint64_t end;
	uint32_t missed_budget; /* pages that were missing in the recording too */
	bool read, fault, around;
	bool cold; /* a fault that missed in the recording too, while the replay has evicted nothing: the inserts that
	            * follow say what was read around it; the rest of the window was there already, paid by others */
};

/* The folio of a page, CGR_PAGE_NONE if it misses. *ret_foreign: it is there, but outside the model. */
static uint32_t look_up(struct memcg *m, struct access *access, uint64_t index, bool *ret_foreign)
{
	uint32_t number = memcg_find_page(m, access->request->file, index);
	*ret_foreign = false;
	if (number)
		return memcg_folio_of(m, number);
	if (access->missed_budget) {
		access->missed_budget--;
		return CGR_PAGE_NONE;
	}
	uint32_t head = adopt(m, access->request, index);
	*ret_foreign = head == CGR_PAGE_NONE;
	return head;
}

/* A miss: readahead with NORETRY first; the page really needed is charged like any other if that gave up. */
static uint32_t read_missing(struct memcg *m, struct access *access, uint64_t index)
{
	const struct cgr_mem_request *request = access->request;
	struct cgr_readahead_window window;
	uint32_t head;
	if (access->fault) {
		memcg_count_majfault(m, request->cgroup);
		window = cgr_readahead_fault(&m->readahead, access->ra, index);
	} else {
		window = cgr_readahead_sync(&m->readahead, access->ra, index, (uint32_t)(access->end - index), cached, m);
	}
	if (!access->cold)
		read_window(m, request, &window);
	head = memcg_find_folio(m, request->file, index);
	enum fill fill = head ? FILL_OK : fill_folio(m, request, index, 0, request->flags & CGR_MEM_ATOMIC, 0);
	(void)memcg_reads_done(m);
	if (fill > FILL_EXISTS) {
		m->outcome->verdict = fill == FILL_NOMEM ? CGR_MEM_NOMEM : CGR_MEM_TASK_KILLED;
		return CGR_PAGE_NONE;
	}
	return memcg_find_folio(m, request->file, index);
}

static void read_ahead_of_mark(struct memcg *m, struct access *access, uint32_t head)
{
	struct cgr_page *page = &m->pages.page[head];
	uint64_t first = cgr_page_index(page);
	/* do_async_mmap_readahead asks for as much as is read ahead at most */
	uint32_t wanted = access->fault ? m->readahead.max_pages : (uint32_t)(access->end - first);
	page->flags &= (uint16_t)~CGR_PG_READAHEAD;
	struct cgr_readahead_window window =
	    cgr_readahead_async(&m->readahead, access->ra, first, cgr_page_count(page), wanted, cached, m);
	uint32_t before = m->outcome->missed_pages;
	page->flags |= CGR_PG_LOCKED; /* the reader holds a reference (filemap_get_pages) */
	read_window(m, access->request, &window);
	page->flags &= (uint16_t)~CGR_PG_LOCKED;
	(void)memcg_reads_done(m);
	m->outcome->ahead_pages += m->outcome->missed_pages - before;
}

/* The folio in which the previous read of this open file ended, if it is still the same. */
static uint32_t previous_folio(const struct memcg *m, const struct access *access)
{
	uint32_t head = access->ra->prev_folio;
	const struct cgr_page *page = &m->pages.page[head];
	if (!head || !(page->flags & CGR_PG_RESIDENT) || page->flags & CGR_PG_TAIL || page->file != access->request->file)
		return CGR_PAGE_NONE;
	return access->ra->prev_pos - 1 - cgr_page_index(page) < cgr_page_count(page) ? head : CGR_PAGE_NONE;
}

/* filemap_read marks a folio once per read, and not at all when the previous read of this file ended in it.
 * filemap_splice_read, which copy_file_range uses, marks it then as well: a file that is copied from beginning to end
 * becomes active where its folios are larger than what is spliced at once. A read that goes on into another folio may
 * have made that one active, which it had met before. */
static uint32_t marked_before(struct memcg *m, struct access *access)
{
	uint32_t previous = access->read ? previous_folio(m, access) : CGR_PAGE_NONE;
	const struct cgr_page *page = &m->pages.page[previous];
	uint64_t index = access->request->index, first = cgr_page_index(page);
	if (previous && access->request->flags & CGR_MEM_ACTIVATES && index >= first &&
	    access->end <= first + cgr_page_count(page))
		access->ra->spliced = true;
	return access->ra->spliced ? CGR_PAGE_NONE : previous;
}

static void access_range(struct memcg *m, struct access *access)
{
	const struct cgr_mem_request *request = access->request;
	uint32_t previous = marked_before(m, access);
	for (uint64_t index = request->index; index < access->end; index++) {
		bool foreign;
		uint32_t head = look_up(m, access, index, &foreign);
		if (!head) {
			if (access->around || foreign || request->flags & CGR_MEM_DIRTY)
				continue;
			head = read_missing(m, access, index);
			if (!head && m->outcome->verdict != CGR_MEM_OK)
				return;
			if (!head)
				continue;
		} else if (access->fault && access->ra->mmap_miss) {
			access->ra->mmap_miss--;
		}
		if (m->pages.page[head].flags & CGR_PG_READAHEAD && !access->around) {
			read_ahead_of_mark(m, access, head);
		}
		if (head != previous)
			touch(m, head, request);
		previous = head;
	}
	if (access->read)
		access->ra->prev_folio = previous;
}

void memcg_file_access(struct memcg *m, const struct cgr_mem_request *request)
{
	struct access access = {
		.request = request,
		.end = request->index + request->pages,
		.missed_budget = request->recorded_missed,
		.fault = request->flags & CGR_MEM_FAULT,
		.read = !(request->flags & (CGR_MEM_FAULT | CGR_MEM_DIRTY)),
	};
	access.cold = access.fault && request->recorded_missed && !memcg_group(m, request->cgroup)->stat[CGR_STAT_PGSTEAL];
	if (access.fault && !access.cold)
		access.missed_budget = 0;
	access.around = (request->flags & CGR_MEM_AROUND) || (access.fault && request->pages > 1);
	if (!request->pages)
		return;
	m->looked_up |= access.read || access.fault;
	if (access.read && request->task != CGR_NONE && continues_read(m, request, access.end))
		return;
	if (request->flags & CGR_MEM_DIRTY && was_evicted(m, request)) {
		write_missing(m, request);
		return;
	}
	access.ra = cgr_readahead_of(&m->readahead, process_of(m, request), request->file);
	(void)memcg_reads_done(m);
	if (!access.around) {
		/* a read may ask for more than the file holds, and its event says what was asked for (filemap_read) */
		cgr_readahead_learn_end(&m->readahead, request->file, access.read ? request->index + 1 : access.end);
		if (access.fault && request->recorded_missed)
			cgr_readahead_learn_fault(&m->readahead, access.ra, request->index);
		else if (access.read)
			cgr_readahead_learn_access(access.ra, request->index, access.end, cached, m);
		else if (!access.fault) /* inserted to be written: that tells nothing of how the file is read */
			access.ra->recorded_from = access.ra->recorded_next = 0;
	}
	m->strangers = 0;
	access_range(m, &access);
	if (request->task != CGR_NONE)
		memcg_task(m, request->task)->strangers = m->strangers;
	if (access.read) /* prev_pos, of reads alone; they are taken to end on the edge of a page */
		access.ra->prev_pos = access.end;
	access.ra->cut_off = 0;
}

/* ---- recorded inserts and deletes ---- */
/* The recording counted a refault of a page the replay has no shadow of: it was evicted before the trace, whatever the
 * limit is now. The page was inserted just now, or by the look-up (a fault) that this insert belongs to. */
static void count_old_refault(struct memcg *m, const struct cgr_mem_request *request)
{
	struct memcg_task *task = request->task == CGR_NONE ? NULL : memcg_task(m, request->task);
	uint32_t fresh = m->strangers;

	if (!fresh && task) {
		fresh = CGR_MIN(task->strangers, request->pages);
		task->strangers -= fresh;
	}
	if (!fresh)
		return;
	memcg_count(m->ctx, request->cgroup, CGR_STAT_REFAULT_FILE, fresh);
	for (uint32_t cgroup = request->cgroup; cgroup != CGR_NONE; cgroup = m->parent[cgroup])
		memcg_group(m, cgroup)->old_refaults += fresh;
}

/* Pages that were to be read ahead and found no room are no strangers to the reads that follow. */
static void leave_out(struct memcg *m, const struct cgr_mem_request *request)
{
	for (uint64_t index = request->index; index < request->index + request->pages; index++)
		if (!cgr_mem_pages_find(&m->pages, request->file, index)) {
			uint32_t number = cgr_mem_pages_insert(&m->pages, request->file, index);
			if (number) /* the page table may be full */
				m->pages.page[number].flags = CGR_PG_READAHEAD;
		}
}

/* As recorded, folio by folio; one that is (partly) there already, or that finds no room, is left to the reads. So is
 * what follows it in its window: the kernel's window ends there (page_cache_ra_order, page_cache_ra_unbounded). */
static void charge_named(struct memcg *m, const struct cgr_mem_request *request)
{
	/* what a read or fault inserts goes through readahead first, demanded or not; only writes charge at once for good
	 */
	bool ahead = !(request->flags & CGR_MEM_DIRTY);
	uint32_t gfp = (request->flags & CGR_MEM_ATOMIC) | (ahead ? CGR_MEM_READAHEAD : 0);
	unsigned order = folio_order(request);
	struct cgr_readahead *ra = cgr_readahead_of(&m->readahead, process_of(m, request), request->file);
	cgr_readahead_learn_end(&m->readahead, request->file, request->index + request->pages);
	if (ahead)
		cgr_readahead_learn_insert(&m->readahead, ra, request->index, request->pages);
	enum fill fill = FILL_EXISTS;
	m->strangers = 0;
	if (m->ctx->now_ns - ra->cut_ns > WINDOW_MOST_NS)
		ra->cut_off = 0;
	if (ahead && m->looked_up && ra->cut_off == request->index + 1) {
		ra->cut_off += request->pages;
		leave_out(m, request);
		return;
	}
	if (order)
		fill = fill_folio(m, request, request->index, order, gfp, 0);
	if (fill == FILL_EXISTS && order && ahead && m->looked_up) {
		leave_out(m, request); /* the replay's own windows stand elsewhere by now, and go on from there */
		return;
	}
	if (fill == FILL_NOMEM && ahead)
		fill = FILL_EXISTS; /* single pages, as far as they find room */
	for (uint32_t i = 0; fill == FILL_EXISTS && i < request->pages; i++) {
		uint32_t head = memcg_find_folio(m, request->file, request->index + i);
		if (head && request->flags & CGR_MEM_DIRTY)
			touch(m, head, request);
		enum fill one = head ? FILL_OK : fill_folio(m, request, request->index + i, 0, gfp, 0);
		if (one > FILL_EXISTS)
			fill = one;
	}
	if (fill == FILL_NOMEM && ahead) {
		ra->cut_off = request->index + request->pages + 1;
		ra->cut_ns = m->ctx->now_ns;
		leave_out(m, request);
	}
	if (request->flags & CGR_MEM_REFAULT)
		count_old_refault(m, request);
	if (fill == FILL_KILLED)
		m->outcome->verdict = CGR_MEM_TASK_KILLED;
	else if (fill == FILL_NOMEM && !ahead)
		m->outcome->verdict = CGR_MEM_NOMEM;
}

static void charge_nameless(struct memcg *m, const struct cgr_mem_request *request)
{
	struct memcg_group *group = memcg_group(m, request->cgroup);
	struct cgr_mem_request one = *request;
	one.file = MEMCG_UNKNOWN_FILE | group->id;
	for (uint32_t i = 0; i < request->pages; i++) {
		enum fill fill = fill_folio(m, &one, group->unknown_next++, 0, request->flags & CGR_MEM_ATOMIC, 0);
		if (fill <= FILL_EXISTS)
			continue;
		m->outcome->verdict = fill == FILL_KILLED ? CGR_MEM_TASK_KILLED : CGR_MEM_NOMEM;
		return;
	}
}

void memcg_file_charge(struct memcg *m, const struct cgr_mem_request *request)
{
	if (request->file == CGR_NONE)
		charge_nameless(m, request);
	else
		charge_named(m, request);
}

static void uncharge_nameless(struct memcg *m, struct memcg_group *group, uint32_t pages)
{
	while (pages && group->unknown_first < group->unknown_next) {
		uint32_t number = cgr_mem_pages_find(&m->pages, MEMCG_UNKNOWN_FILE | group->id, group->unknown_first++);
		if (!number)
			continue;
		if (m->pages.page[number].flags & CGR_PG_RESIDENT) {
			memcg_free_folio(m, number);
			pages--;
		} else {
			cgr_mem_pages_erase(&m->pages, number);
		}
	}
}

/* Reclaim outside any memcg run (kswapd, DAMON) is a fact of the machine that no limit changes: the page goes and
 * leaves its shadow. Reclaim for a limit is what the replay decides by itself. */
static void evict_external(struct memcg *m, uint32_t head)
{
	struct cgr_scan scan = { .target = 0 };
	if (m->pages.page[head].flags & (CGR_PG_DIRTY | CGR_PG_WRITEBACK))
		return;
	m->pages.page[head].flags &= (uint16_t)~CGR_PG_LOCKED;
	m->reclaim->page_remove(m->ctx->reclaim, head);
	(void)memcg_evict(m->ctx, &scan, head, m->reclaim->age ? m->reclaim->age(m->ctx->reclaim, 0) : 0);
}

static void drop_page(struct memcg *m, const struct cgr_mem_request *request, uint64_t index, bool reclaim)
{
	uint32_t number = cgr_mem_pages_find(&m->pages, request->file, index), head;
	if (!number)
		return;
	head = memcg_find_folio(m, request->file, index);
	if (!head) {
		if (reclaim) /* a truncated file forgets its shadows too */
			return;
		bool counted = !(m->pages.page[number].flags & (CGR_PG_READAHEAD | CGR_PG_TAIL));
		cgr_mem_pages_erase(&m->pages, number);
		if (counted)
			memcg_node_count(m, 0, request->file, index, 0, -1);
		return;
	}
	const struct cgr_page *page = &m->pages.page[head];
	uint64_t first = cgr_page_index(page), end = first + cgr_page_count(page);
	if (end - first > 1 && (first < request->index || end > request->index + request->pages)) {
		memcg_split_folio(m, head);
		head = memcg_find_folio(m, request->file, index);
	}
	if (reclaim)
		evict_external(m, head);
	else
		memcg_free_folio(m, head);
}

void memcg_file_uncharge(struct memcg *m, const struct cgr_mem_request *request)
{
	bool reclaim = request->flags & CGR_MEM_RECORDED_RECLAIM;
	bool external = request->task != CGR_NONE && cgr_task(m->ctx, request->task)->kernel_thread;
	if (reclaim && !external)
		return;
	if (request->file == CGR_NONE) {
		uncharge_nameless(m, memcg_group(m, request->cgroup), request->pages);
		return;
	}
	for (uint64_t index = request->index; index < request->index + request->pages; index++)
		drop_page(m, request, index, reclaim);
}
