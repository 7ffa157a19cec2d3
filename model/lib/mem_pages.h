/* The page table of a memory controller: (file, index) -> struct cgr_page, resident pages and shadows of evicted ones
 * in one pool. 28 bytes per page and one 4-byte bucket: 32 bytes per resident page. Grows by linear hashing, one bucket
 * per insert, inside address space reserved at init: no allocation and no rehash pause in callbacks. */
#ifndef CGR_MODEL_LIB_MEM_PAGES_H
#define CGR_MODEL_LIB_MEM_PAGES_H

#include "model/reclaim.h"

struct cgr_mem_pages {
	struct cgr_page *page;
	uint32_t *bucket;
	uint32_t capacity; /* pages the reservation holds */
	uint32_t top; /* numbers from here on were never used */
	uint32_t free; /* chain of returned numbers */
	uint32_t base, split; /* linear hashing: base buckets (a power of two), the first `split` of them already doubled */
	uint32_t used; /* resident + shadows */
	uint32_t resident;
	uint32_t hand; /* where the search for the next shadow to recycle goes on */
};

/* capacity 0 takes the default (2^27 pages, 512 GiB of page cache; address space only). Returns 0 or CGR_E_NOMEM. */
int cgr_mem_pages_init(struct cgr_mem_pages *pages, uint32_t capacity);
void cgr_mem_pages_fini(struct cgr_mem_pages *pages);
/* CGR_PAGE_NONE if unknown; the page found may be a shadow. */
uint32_t cgr_mem_pages_find(const struct cgr_mem_pages *pages, uint32_t file, uint64_t index);
/* The key must not be there. Links and flags are zero. A full pool gives up one shadow, as the kernel's shrinker of
 * shadow nodes does; CGR_PAGE_NONE only when every page of it is resident. */
uint32_t cgr_mem_pages_insert(struct cgr_mem_pages *pages, uint32_t file, uint64_t index);
void cgr_mem_pages_erase(struct cgr_mem_pages *pages, uint32_t number);
/* Bytes of the pool and the buckets that are in use: for the 32-bytes promise. */
uint64_t cgr_mem_pages_bytes(const struct cgr_mem_pages *pages);

static inline uint64_t cgr_page_index(const struct cgr_page *page)
{
	return (uint64_t)(page->owner >> 20 & 0xff) << 32 | page->index;
}
/* Does this number (0 allowed) stand for the key? Cheaper than a look-up when one has a guess. */
static inline bool cgr_mem_pages_is(const struct cgr_mem_pages *pages, uint32_t number, uint32_t file, uint64_t index)
{
	const struct cgr_page *page = &pages->page[number];
	return number && page->index == (uint32_t)index && page->file == file &&
	       (page->owner >> 20 & 0xff) == (uint32_t)(index >> 32 & 0xff);
}
static inline void cgr_page_set_cgroup(struct cgr_page *page, uint32_t cgroup)
{
	page->owner = (page->owner & 0xfff00000u) | (cgroup & 0xfffffu);
}

static inline void cgr_page_set_order(struct cgr_page *page, unsigned order)
{
	page->owner = (page->owner & 0x0fffffffu) | order << 28;
}

#endif
