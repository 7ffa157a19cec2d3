/* Dirty pages of the page cache, and the flusher (mm/page-writeback.c, fs/fs-writeback.c). Reclaim for a cgroup writes
 * no file page: it marks what is dirty, passes it on to the active list, and wakes the flusher when a batch held
 * nothing else (shrink_inactive_list). The flusher writes what is dirty then, in the order in which it became so, at
 * the device's speed, a chunk at a time, whose pages become clean together (ext4 ends an extent when all of it is
 * written). Whoever woke it waits for more than a batch of pages (reclaim_throttle: more than 32 for each that waits),
 * which are there with the first chunk, and goes on while the others are being written. What reclaim had marked goes to
 * the old end of the inactive list when it is written (folio_rotate_reclaimable). Reclaim that comes to a marked page
 * under writeback waits for it, as v1 does (shrink_folio_list, case 3), unless it may not enter the file system, as
 * when a page is charged to be read ahead (page_cache_ra_unbounded). What throttles writers on v2 instead
 * (balance_dirty_pages per cgroup) comes to the same.
 *
 * Heads of folios stand in a ring in the order they became dirty: [rotated, written) are clean and wait for their
 * rotation, [written, queued) are under writeback, [queued, end) are dirty. */
#include "common/util.h"
#include "model/lib/memcg_internal.h"

#define DIRTY_EXPIRE_NS 30000000000ull /* vm.dirty_expire_centisecs */
#define THROTTLE_NS 100000000ull /* reclaim_throttle(VMSCAN_THROTTLE_WRITEBACK): HZ / 10 */
/* An assumption, how many pages become clean together. The kernel's own chunk is half a second's worth of the device's
 * estimated bandwidth, rounded to a multiple of MIN_WRITEBACK_PAGES (1024), which is the least it can be. */
#define CHUNK_PAGES 1024u

static struct cgr_page *page_at(const struct memcg *m, uint64_t at)
{
	return &m->pages.page[m->dirty.ring[at % MEMCG_DIRTY_FOLIOS]];
}

static uint64_t now_ns(const struct memcg *m)
{
	return m->ctx->now_ns + (m->outcome ? m->outcome->device_ns : 0);
}

/* A number in the ring may stand for another page by now: its flags say what is to be done. */
static unsigned state_of(const struct cgr_page *page)
{
	bool file = page->flags & CGR_PG_RESIDENT && !(page->flags & CGR_PG_ANON);
	return file ? page->flags & (CGR_PG_DIRTY | CGR_PG_WRITEBACK | CGR_PG_RECLAIM) : 0;
}

static void begin_chunk(struct memcg *m)
{
	struct memcg_dirty *dirty = &m->dirty;
	uint64_t pages = 0, end = dirty->written;
	for (; end < dirty->queued && pages < CHUNK_PAGES; end++) {
		const struct cgr_page *page = page_at(m, end);
		pages += state_of(page) & CGR_PG_WRITEBACK ? cgr_page_count(page) : 0;
	}
	dirty->chunk_end = end;
	dirty->chunk_ns = dirty->device_ns + pages * (uint64_t)m->writeback_page_ns;
}

/* false: nothing is under writeback, or the chunk takes longer than until then. */
static bool end_chunk(struct memcg *m, uint64_t until_ns)
{
	struct memcg_dirty *dirty = &m->dirty;
	if (dirty->written == dirty->queued)
		return false;
	if (dirty->chunk_end <= dirty->written)
		begin_chunk(m);
	if (dirty->chunk_ns > until_ns)
		return false;
	dirty->device_ns = dirty->chunk_ns;
	while (dirty->written < dirty->chunk_end) {
		struct cgr_page *page = page_at(m, dirty->written++);
		if (state_of(page) & CGR_PG_WRITEBACK)
			page->flags &= (uint16_t)~CGR_PG_WRITEBACK;
	}
	return true;
}

static void start_writeback(struct memcg *m)
{
	if (m->dirty.written == m->dirty.queued)
		m->dirty.device_ns = now_ns(m);
	for (; m->dirty.queued < m->dirty.end; m->dirty.queued++) {
		struct cgr_page *page = page_at(m, m->dirty.queued);
		if (state_of(page) & CGR_PG_DIRTY)
			page->flags = (uint16_t)((page->flags & ~CGR_PG_DIRTY) | CGR_PG_WRITEBACK);
	}
	m->dirty.flushed_ns = m->ctx->now_ns;
}

static void wait_until(struct memcg *m, uint64_t ns)
{
	if (m->outcome && ns > now_ns(m))
		m->outcome->device_ns += ns - now_ns(m);
}

void memcg_writeback_settle(struct memcg *m)
{
	if (m->dirty.queued < m->dirty.end && m->ctx->now_ns - m->dirty.flushed_ns >= DIRTY_EXPIRE_NS)
		start_writeback(m);
	while (end_chunk(m, now_ns(m)))
		;
	for (; m->dirty.rotated < m->dirty.written; m->dirty.rotated++) {
		struct cgr_page *page = page_at(m, m->dirty.rotated);
		if (state_of(page) != CGR_PG_RECLAIM)
			continue;
		page->flags &= (uint16_t)~CGR_PG_RECLAIM;
		if (m->reclaim->rotate)
			m->reclaim->rotate(m->ctx->reclaim, m->dirty.ring[m->dirty.rotated % MEMCG_DIRTY_FOLIOS]);
	}
}

void memcg_await_writeback(struct memcg *m, const struct cgr_page *page)
{
	while (page->flags & CGR_PG_WRITEBACK && end_chunk(m, UINT64_MAX))
		;
	wait_until(m, m->dirty.device_ns);
}

void memcg_all_dirty(struct cgr_ctx *ctx)
{
	struct memcg *m = memcg_of(ctx);
	start_writeback(m);
	uint64_t until_ns = now_ns(m) + THROTTLE_NS;
	bool any = m->dirty.written < m->dirty.queued;
	if (any)
		wait_until(m, end_chunk(m, until_ns) ? m->dirty.device_ns : until_ns);
	memcg_writeback_settle(m);
}

bool memcg_await_flusher(struct memcg *m)
{
	bool any = m->dirty.written < m->dirty.end;
	start_writeback(m);
	while (end_chunk(m, UINT64_MAX))
		;
	if (any)
		wait_until(m, m->dirty.device_ns);
	return any;
}

void memcg_set_dirty(struct memcg *m, uint32_t head)
{
	struct cgr_page *page = &m->pages.page[head];
	page->written = 1;
	page->flags = (uint16_t)((page->flags | CGR_PG_DIRTY) & ~CGR_PG_RECLAIM); /* folio_mark_dirty */
	if (m->dirty.end - m->dirty.rotated == MEMCG_DIRTY_FOLIOS) { /* balance_dirty_pages would not let it come so far */
		(void)memcg_await_flusher(m);
		memcg_writeback_settle(m);
	}
	m->dirty.ring[m->dirty.end++ % MEMCG_DIRTY_FOLIOS] = head;
}

void memcg_written(struct memcg *m, uint32_t pages)
{
	uint64_t written = 0;
	while (written < pages && m->dirty.written < m->dirty.end) {
		struct cgr_page *page = page_at(m, m->dirty.written++);
		if (!(state_of(page) & (CGR_PG_DIRTY | CGR_PG_WRITEBACK)))
			continue;
		written += cgr_page_count(page);
		page->flags &= (uint16_t) ~(CGR_PG_DIRTY | CGR_PG_WRITEBACK);
	}
	m->dirty.queued = CGR_MAX(m->dirty.queued, m->dirty.written);
	memcg_writeback_settle(m);
}
