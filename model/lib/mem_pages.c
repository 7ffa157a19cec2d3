#include "model/lib/mem_pages.h"

#include <assert.h>
#include <string.h>
#include <sys/mman.h>

#include "common/error.h"

#define PAGES_DEFAULT (1u << 27)
#define BUCKETS_FIRST 1024u
#define RUN_BITS                                                                                                       \
	4u /* neighbours in a file get neighbouring buckets: a sequential scan walks the bucket array in order */

static void *reserve(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return NULL;
	/* random accesses over many pages: fewer TLB misses; only advice */
	(void)madvise(memory, bytes, MADV_HUGEPAGE);
	return memory;
}

int cgr_mem_pages_init(struct cgr_mem_pages *pages, uint32_t capacity)
{
	memset(pages, 0, sizeof(*pages));
	pages->capacity = capacity ? capacity : PAGES_DEFAULT;
	pages->page = reserve((size_t)pages->capacity * sizeof(struct cgr_page));
	pages->bucket = reserve((size_t)pages->capacity * 2 * sizeof(uint32_t));
	if (!pages->page || !pages->bucket) {
		cgr_mem_pages_fini(pages);
		return CGR_E_NOMEM;
	}
	pages->top = 1;
	pages->base = BUCKETS_FIRST;
	pages->hand = 1;
	return 0;
}

void cgr_mem_pages_fini(struct cgr_mem_pages *pages)
{
	if (pages->page)
		munmap(pages->page, (size_t)pages->capacity * sizeof(struct cgr_page));
	if (pages->bucket)
		munmap(pages->bucket, (size_t)pages->capacity * 2 * sizeof(uint32_t));
	memset(pages, 0, sizeof(*pages));
}

static inline uint32_t bucket_of(const struct cgr_mem_pages *pages, uint32_t file, uint64_t index)
{
	uint64_t x = (index >> RUN_BITS) * 0x9e3779b97f4a7c15ull ^ (uint64_t)file * 0xd6e8feb86659fd93ull;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 29;
	uint32_t hash = (uint32_t)(x << RUN_BITS) | (uint32_t)(index & ((1u << RUN_BITS) - 1));
	uint32_t slot = hash & (pages->base - 1);
	return slot < pages->split ? hash & (2 * pages->base - 1) : slot;
}

uint32_t cgr_mem_pages_find(const struct cgr_mem_pages *pages, uint32_t file, uint64_t index)
{
	for (uint32_t n = pages->bucket[bucket_of(pages, file, index)]; n; n = pages->page[n].chain)
		if (cgr_mem_pages_is(pages, n, file, index))
			return n;
	return CGR_PAGE_NONE;
}

static void unchain(struct cgr_mem_pages *pages, uint32_t number)
{
	const struct cgr_page *page = &pages->page[number];
	uint32_t *link = &pages->bucket[bucket_of(pages, page->file, cgr_page_index(page))];
	while (*link != number) {
		assert(*link);
		link = &pages->page[*link].chain;
	}
	*link = page->chain;
}

/* One step of linear hashing: bucket `split` is divided with bucket `base + split`. */
static void split_one(struct cgr_mem_pages *pages)
{
	if (pages->base + pages->split >= pages->capacity)
		return;
	uint32_t from = pages->split, list = pages->bucket[from];
	pages->bucket[from] = 0;
	if (++pages->split == pages->base) {
		pages->base *= 2;
		pages->split = 0;
	}
	while (list) {
		struct cgr_page *page = &pages->page[list];
		uint32_t next = page->chain, *head = &pages->bucket[bucket_of(pages, page->file, cgr_page_index(page))];
		page->chain = *head;
		*head = list;
		list = next;
	}
}

static uint32_t recycle_shadow(struct cgr_mem_pages *pages)
{
	for (uint32_t tries = 1; tries < pages->top; tries++) {
		uint32_t number = pages->hand;
		pages->hand = number + 1 < pages->top ? number + 1 : 1;
		if (!(pages->page[number].flags & CGR_PG_RESIDENT)) {
			unchain(pages, number);
			pages->used--;
			return number;
		}
	}
	return CGR_PAGE_NONE;
}

uint32_t cgr_mem_pages_insert(struct cgr_mem_pages *pages, uint32_t file, uint64_t index)
{
	uint32_t number = pages->free;
	if (number)
		pages->free = pages->page[number].chain;
	else if (pages->top < pages->capacity)
		number = pages->top++;
	else if (!(number = recycle_shadow(pages)))
		return CGR_PAGE_NONE;
	if (pages->used >= pages->base + pages->split)
		split_one(pages);
	uint32_t *head = &pages->bucket[bucket_of(pages, file, index)];
	pages->page[number] = (struct cgr_page){
		.file = file,
		.index = (uint32_t)index,
		.owner = (uint32_t)(index >> 32 & 0xff) << 20,
		.chain = *head,
	};
	*head = number;
	pages->used++;
	return number;
}

void cgr_mem_pages_erase(struct cgr_mem_pages *pages, uint32_t number)
{
	unchain(pages, number);
	/* no key matches it: hints may still point here */
	pages->page[number] = (struct cgr_page){ .file = UINT32_MAX, .chain = pages->free };
	pages->free = number;
	pages->used--;
}

uint64_t cgr_mem_pages_bytes(const struct cgr_mem_pages *pages)
{
	return (uint64_t)pages->top * sizeof(struct cgr_page) + (uint64_t)(pages->base + pages->split) * sizeof(uint32_t);
}
