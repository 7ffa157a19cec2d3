/* Pages under read. The kernel inserts a page locked and unlocks it when the device has delivered it; reclaim passes
 * over what it cannot lock (shrink_folio_list: folio_trylock). So a window of readahead that is larger than what there
 * is room for cannot push out its own beginning: it ends where reclaim finds nothing more. What was asked for is taken
 * to be there when the reader goes on: it waits for the first of it, and a device takes little longer for the rest.
 * Where nobody goes on (POSIX_FADV_WILLNEED) it is there when the device has had the time.
 * A recording without look-ups (add_to_page_cache alone) does not tell when that is: there nothing is locked. */
#include "common/util.h"
#include "model/lib/memcg_internal.h"

#define READING_PAGES 512u /* 2 MiB: force_page_cache_ra reads as much at a time */

static void unlock(struct memcg *m, const struct memcg_reading *r)
{
	for (uint64_t index = r->from; index < r->end; index++) {
		uint32_t head = memcg_folio_of(m, cgr_mem_pages_find(&m->pages, r->file, index));
		struct cgr_page *page = &m->pages.page[head];
		if (!head)
			continue;
		page->flags &= (uint16_t)~CGR_PG_LOCKED;
		index = cgr_page_index(page) + cgr_page_count(page) - 1;
	}
}

bool memcg_reads_done(struct memcg *m)
{
	bool any = m->readings > 0;
	while (m->readings)
		unlock(m, &m->reading[--m->readings]);
	return any;
}

void memcg_reads_settle(struct memcg *m)
{
	uint32_t done = 0;
	while (done < m->readings && m->reading[done].due_ns < m->ctx->now_ns)
		unlock(m, &m->reading[done++]);
	m->readings -= done;
	for (uint32_t i = 0; done && i < m->readings; i++)
		m->reading[i] = m->reading[i + done];
}

void memcg_read_begins(struct memcg *m, uint32_t file, uint64_t index, uint32_t pages)
{
	struct memcg_reading *last = m->readings ? &m->reading[m->readings - 1] : NULL;
	uint64_t idle_ns = last ? CGR_MAX(last->due_ns, m->ctx->now_ns) : m->ctx->now_ns;
	uint64_t due_ns = idle_ns + pages * (uint64_t)m->writeback_page_ns;
	if (last && last->file == file && last->end == index && last->end - last->from < READING_PAGES) {
		last->end += pages;
		last->due_ns = due_ns;
		return;
	}
	if (m->readings == MEMCG_READINGS)
		(void)memcg_reads_done(m);
	m->reading[m->readings++] =
	    (struct memcg_reading){ .file = file, .from = index, .end = index + pages, .due_ns = due_ns };
}
