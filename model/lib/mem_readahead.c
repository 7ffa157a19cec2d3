#include "model/lib/mem_readahead.h"

#include "common/util.h"
#include "model/model.h"

#define MMAP_LOTSAMISS 100
#define PAGECACHE_ORDER_MAX 9
#define NO_MARK UINT64_MAX

struct cgr_readahead *cgr_readahead_of(struct cgr_readahead_table *table, uint32_t process, uint32_t file)
{
	uint64_t hash = ((uint64_t)process << 32 | file) * 0x9e3779b97f4a7c15ull;
	struct cgr_readahead *ra = &table->slot[hash >> 50];
	_Static_assert(CGR_READAHEAD_SLOTS == 1u << 14, "the hash keeps 14 bits");
	if (ra->file != file + 1 || ra->process != process) /* two open files in one slot: the older one starts anew */
		*ra = (struct cgr_readahead){ .file = file + 1, .process = process, .prev_pos = UINT64_MAX - 1 };
	return ra;
}

void cgr_readahead_learn_insert(struct cgr_readahead_table *table, struct cgr_readahead *ra, uint64_t index,
                                uint32_t pages)
{
	if (index != ra->recorded_next || ra->recorded_from == ra->recorded_next)
		ra->recorded_from = index;
	ra->recorded_next = index + pages;
	uint64_t run = ra->recorded_next - ra->recorded_from;
	if (run > table->max_pages && run <= 1u << 16)
		table->max_pages = (uint32_t)run;
}

static bool follows_history(const struct cgr_readahead *ra, uint64_t index, uint64_t request,
                            cgr_readahead_cached cached, void *arg)
{
	for (uint64_t back = 1; back <= request + 1; back++)
		if (back > index || !cached(arg, ra->file - 1, index - back))
			return false;
	return true;
}

/* page_cache_sync_ra: at most one page behind that of prev_pos. Where the last read ended inside its last page is not
 * recorded; the next one shows it by beginning there. */
static bool follows_last(const struct cgr_readahead *ra, uint64_t index)
{
	return index - ra->prev_pos <= 1 || index + 1 == ra->prev_pos;
}

void cgr_readahead_learn_access(struct cgr_readahead *ra, uint64_t index, uint64_t end, cgr_readahead_cached cached,
                                void *arg)
{
	bool inserted = ra->recorded_next > ra->recorded_from;
	if (inserted && ra->recorded_next > end)
		ra->ahead_seen = (uint8_t)CGR_MIN(ra->ahead_seen + 1, 255);
	else if (inserted && ra->recorded_next == end &&
	         (!index || follows_last(ra, index) || follows_history(ra, index, end - index, cached, arg)))
		ra->random_seen = (uint8_t)CGR_MIN(ra->random_seen + 1, 255);
	ra->recorded_from = ra->recorded_next = 0;
}

/* Only the first hundred misses tell: after MMAP_LOTSAMISS of them the kernel stops reading around by itself. */
void cgr_readahead_learn_fault(const struct cgr_readahead_table *table, struct cgr_readahead *ra, uint64_t index)
{
	uint64_t before = ra->fault_index, run = ra->recorded_next - ra->recorded_from;

	ra->fault_index = index + 1;
	if (!before || !run || ra->map_single + ra->map_around >= MMAP_LOTSAMISS)
		return;
	if (run > 1)
		ra->map_around++;
	else if (ra->recorded_from == before - 1 && cgr_readahead_end(table, ra->file - 1) > before)
		ra->map_single++;
	ra->recorded_from = ra->recorded_next = 0;
}

bool cgr_readahead_map_is_random(const struct cgr_readahead *ra)
{
	return ra->map_single > 1 && ra->map_single > ra->map_around;
}

void cgr_readahead_learn_end(struct cgr_readahead_table *table, uint32_t file, uint64_t end)
{
	struct cgr_readahead_file *info = &table->files[file % CGR_READAHEAD_FILES];
	if (info->file != file + 1)
		*info = (struct cgr_readahead_file){ .file = file + 1 };
	if (end > info->end && end <= UINT32_MAX)
		info->end = (uint32_t)end;
}

uint64_t cgr_readahead_end(const struct cgr_readahead_table *table, uint32_t file)
{
	const struct cgr_readahead_file *info = &table->files[file % CGR_READAHEAD_FILES];
	return info->file == file + 1 ? info->end : 0;
}

bool cgr_readahead_is_random(const struct cgr_readahead *ra)
{
	return ra->random_seen > ra->ahead_seen;
}

static unsigned log2_of(uint64_t x)
{
	unsigned log = 0;
	while (x >>= 1)
		log++;
	return log;
}

/* get_init_ra_size, get_next_ra_size. */
static uint32_t first_size(uint32_t request, uint32_t max)
{
	uint32_t size = 1u << log2_of(2ull * request - 1);
	if (size <= max / 32)
		return size * 4;
	return size <= max / 4 ? size * 2 : max;
}
static uint32_t next_size(uint32_t current, uint32_t max)
{
	if (current < max / 16)
		return 4 * current;
	return current <= max / 2 ? 2 * current : max;
}

/* page_cache_ra_order: large folios came to readahead in 5.18; ext4 and others use them from 6.16 on. */
static struct cgr_readahead_window window_of(const struct cgr_readahead_table *table, struct cgr_readahead *ra)
{
	unsigned order = 0;
	if (table->kernel_version >= CGR_KERNEL(6, 16, 0))
		order = CGR_MIN(CGR_MIN((unsigned)ra->order, log2_of(ra->size)), (unsigned)PAGECACHE_ORDER_MAX);
	ra->order = (uint8_t)order;
	return (struct cgr_readahead_window){
		.start = ra->start,
		.size = ra->size,
		.order = (uint8_t)order,
		.mark = ra->start + ra->size - ra->async_size,
	};
}

struct cgr_readahead_window cgr_readahead_sync(const struct cgr_readahead_table *table, struct cgr_readahead *ra,
                                               uint64_t index, uint32_t request, cgr_readahead_cached cached, void *arg)
{
	uint32_t max = table->max_pages;
	if (cgr_readahead_is_random(ra)) /* force_page_cache_ra: what was asked, no more */
		return (struct cgr_readahead_window){ index, request, NO_MARK, 0 };
	ra->order = 0;
	if (!index || request > max || follows_last(ra, index)) {
		ra->start = index;
		ra->size = first_size(request, max);
		ra->async_size = ra->size > request ? ra->size - request : ra->size >> 1;
		return window_of(table, ra);
	}
	uint32_t history = 0;
	while (history < max && history < index && cached(arg, ra->file - 1, index - 1 - history))
		history++;
	if (history <= request) /* a lone random read leaves the state alone */
		return (struct cgr_readahead_window){ index, request, NO_MARK, 0 };
	if (history >= index)
		history *= 2;
	ra->start = index;
	ra->size = CGR_MIN(history + request, max);
	ra->async_size = 1;
	return window_of(table, ra);
}

struct cgr_readahead_window cgr_readahead_async(const struct cgr_readahead_table *table, struct cgr_readahead *ra,
                                                uint64_t index, uint32_t folio_pages, uint32_t request,
                                                cgr_readahead_cached cached, void *arg)
{
	uint32_t max = table->max_pages;
	uint64_t expected = (ra->start + ra->size - ra->async_size) & ~(uint64_t)(folio_pages - 1);
	if (index == expected) {
		ra->start += ra->size;
		ra->size = CGR_MAX(ra->size, next_size(ra->size, max));
	} else {
		uint64_t start = index + 1;
		while (start - index <= max && cached(arg, ra->file - 1, start))
			start++;
		if (start - index > max) /* there already, all of it */
			return (struct cgr_readahead_window){ index, 0, NO_MARK, 0 };
		ra->start = start;
		ra->size = next_size((uint32_t)(start - index) + request, max);
	}
	ra->order = (uint8_t)(ra->order + 2);
	if (table->kernel_version >= CGR_KERNEL(6, 16, 0)) {
		/* the window ends on a natural boundary of the folios it is made of */
		unsigned order = CGR_MIN((unsigned)ra->order, (unsigned)__builtin_ctz(max));
		uint64_t end = ra->start + ra->size, aligned = end & ~((1ull << order) - 1);
		if (aligned > ra->start)
			ra->size -= (uint32_t)(end - aligned);
	}
	ra->async_size = ra->size;
	return window_of(table, ra);
}

struct cgr_readahead_window cgr_readahead_fault(const struct cgr_readahead_table *table, struct cgr_readahead *ra,
                                                uint64_t index)
{
	uint32_t max = table->max_pages;
	if (ra->mmap_miss < MMAP_LOTSAMISS * 10)
		ra->mmap_miss++;
	if (cgr_readahead_is_random(ra) || cgr_readahead_map_is_random(ra) || ra->mmap_miss > MMAP_LOTSAMISS)
		return (struct cgr_readahead_window){ index, 0, NO_MARK, 0 };
	ra->start = index > max / 2 ? index - max / 2 : 0;
	ra->size = max;
	ra->async_size = max / 4;
	ra->order = 0;
	return window_of(table, ra);
}
