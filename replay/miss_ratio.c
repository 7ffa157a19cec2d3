#include "replay/miss_ratio.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "common/util.h"

#define BLOCK 512u
#define HUGE_BYTES (2u << 20)

struct entry {
	uint64_t index;
	uint32_t file, position; /* file + 1, 0 = free; position of the last access in the window, from 1 */
};

struct cgr_curve {
	struct entry *entry; /* open addressing with linear probing, power of two */
	uint32_t slots, kept, max_pages;
	uint64_t *bit; /* set at the position of each page's last access */
	uint32_t *tree; /* Fenwick tree over blocks of bits */
	uint32_t window, next; /* positions 1..window; next free one */
	uint64_t *distance; /* [d] accesses with stack distance d (pages used since, itself included), scaled */
	uint64_t distances;
	uint64_t accesses, sampled_accesses, cold;
	uint64_t threshold; /* pages whose hash is below stay; 2^32 = all */
};

static uint64_t hash_of(uint32_t file, uint64_t index)
{
	uint64_t x = index * 0x9e3779b97f4a7c15ull ^ ((uint64_t)file + 1) * 0xd6e8feb86659fd93ull;

	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ull;
	x ^= x >> 29;
	x *= 0x94d049bb133111ebull;
	return x ^ x >> 32;
}

/* Positions are bits, and the Fenwick tree counts blocks of 512 of them (a cache line): it stays in the first-level
 * cache, where one over single positions would miss at every step. */
static void add(struct cgr_curve *c, uint32_t position, bool set)
{
	uint32_t blocks = c->window / BLOCK + 1;

	c->bit[position / 64] ^= 1ull << position % 64;
	for (uint32_t b = position / BLOCK + 1; b <= blocks; b += b & (0u - b))
		c->tree[b] += set ? 1u : (uint32_t)-1;
}

/* Pages last accessed at this position or before. */
static uint32_t sum(const struct cgr_curve *c, uint32_t position)
{
	uint32_t result = 0, word = position / BLOCK * (BLOCK / 64);

	for (uint32_t b = position / BLOCK; b; b -= b & (0u - b))
		result += c->tree[b];
	for (; word < position / 64; word++)
		result += (uint32_t)__builtin_popcountll(c->bit[word]);
	return result + (uint32_t)__builtin_popcountll(c->bit[word] & (~0ull >> (63 - position % 64)));
}

/* Every access goes to a place of its own in the table: large tables ask for large pages (only advice). */
static struct entry *new_table(uint32_t slots)
{
	size_t bytes = (size_t)slots * sizeof(struct entry);
	void *table = NULL;

	if (bytes < HUGE_BYTES)
		return cgr_calloc(slots, sizeof(struct entry));
	if (posix_memalign(&table, HUGE_BYTES, bytes) != 0)
		return NULL;
	(void)madvise(table, bytes, MADV_HUGEPAGE);
	return memset(table, 0, bytes);
}

static struct entry *find_hashed(const struct cgr_curve *c, uint64_t hash, uint32_t file, uint64_t index)
{
	uint32_t slot = (uint32_t)(hash >> 32) & (c->slots - 1);

	while (c->entry[slot].file && (c->entry[slot].file != file + 1 || c->entry[slot].index != index))
		slot = (slot + 1) & (c->slots - 1);
	return &c->entry[slot];
}

static struct entry *find(const struct cgr_curve *c, uint32_t file, uint64_t index)
{
	return find_hashed(c, hash_of(file, index), file, index);
}

struct cgr_curve *cgr_curve_new(uint32_t max_pages)
{
	struct cgr_curve *c = cgr_calloc(1, sizeof *c);

	if (!c)
		return NULL;
	c->max_pages = max_pages ? CGR_MAX(max_pages, CGR_CURVE_PAGES_MIN) : CGR_CURVE_PAGES_DEFAULT;
	c->slots = 1u << 10; /* there may be a curve per cgroup, most of them small */
	c->window = 1u << 16;
	c->next = 1;
	c->threshold = 1ull << 32;
	c->entry = new_table(c->slots);
	c->bit = cgr_calloc(c->window / 64 + 8, sizeof *c->bit);
	c->tree = cgr_calloc(c->window / BLOCK + 2, sizeof *c->tree);
	return c->entry && c->bit && c->tree ? c : cgr_curve_free(c);
}

struct cgr_curve *cgr_curve_free(struct cgr_curve *c)
{
	if (!c)
		return NULL;
	free(c->entry);
	free(c->bit);
	free(c->tree);
	free(c->distance);
	free(c);
	return NULL;
}

/* Removes an entry and closes the gap in its run of the hash table. */
static void remove_entry(struct cgr_curve *c, struct entry *e)
{
	uint32_t hole = (uint32_t)(e - c->entry), slot = hole;

	add(c, e->position, false);
	c->kept--;
	for (;;) {
		slot = (slot + 1) & (c->slots - 1);
		if (!c->entry[slot].file)
			break;
		uint32_t home = (uint32_t)(hash_of(c->entry[slot].file - 1, c->entry[slot].index) >> 32) & (c->slots - 1);
		if (((slot - home) & (c->slots - 1)) >= ((slot - hole) & (c->slots - 1))) {
			c->entry[hole] = c->entry[slot];
			hole = slot;
		}
	}
	c->entry[hole].file = 0;
}

static int grow_table(struct cgr_curve *c)
{
	struct entry *old = c->entry;
	uint32_t slots = c->slots;
	struct entry *bigger;

	if (c->kept + 1 <= slots / 2)
		return 0;
	bigger = new_table(slots * 2);
	if (!bigger)
		return CGR_E_NOMEM;
	c->entry = bigger;
	c->slots = slots * 2;
	for (uint32_t i = 0; i < slots; i++)
		if (old[i].file)
			*find(c, old[i].file - 1, old[i].index) = old[i];
	free(old);
	return 0;
}

/* The window is used up: positions are handed out anew, in the same order, in a window four times the pages kept. */
static int renumber(struct cgr_curve *c)
{
	uint32_t window = CGR_MAX(c->window, 1u << 16);
	uint32_t *order = cgr_calloc((size_t)c->window + 1, sizeof *order);

	while (window < c->kept * 4ull && window < 1u << 30)
		window *= 2;
	if (!order)
		return CGR_E_NOMEM;
	for (uint32_t i = 0; i < c->slots; i++)
		if (c->entry[i].file)
			order[c->entry[i].position] = i + 1;
	uint64_t *bit = cgr_calloc(window / 64 + 8, sizeof *bit);
	uint32_t *tree = cgr_calloc(window / BLOCK + 2, sizeof *tree), old = c->window;
	if (!bit || !tree) {
		free(order);
		free(bit);
		free(tree);
		return CGR_E_NOMEM;
	}
	free(c->bit);
	free(c->tree);
	c->bit = bit;
	c->tree = tree;
	c->window = window;
	c->next = 1;
	for (uint32_t p = 1; p <= old; p++)
		if (order[p]) {
			c->entry[order[p] - 1].position = c->next;
			add(c, c->next++, true);
		}
	free(order);
	return 0;
}

/* Too many pages: the rate is halved and those above it go. */
static void lower_rate(struct cgr_curve *c)
{
	while (c->kept >= c->max_pages) {
		c->threshold /= 2;
		for (uint32_t i = 0; i < c->slots;) {
			struct entry *e = &c->entry[i];
			if (e->file && (uint32_t)hash_of(e->file - 1, e->index) >= c->threshold)
				remove_entry(c, e); /* another entry may have moved here: look again */
			else
				i++;
		}
	}
}

static int count_distance(struct cgr_curve *c, uint64_t distance, uint64_t weight)
{
	size_t capacity = c->distances;

	if (distance >= c->distances &&
	    cgr_grow((void **)&c->distance, &capacity, distance + 1, sizeof *c->distance, NULL) < 0)
		return CGR_E_NOMEM;
	c->distances = capacity;
	c->distance[distance] += weight;
	return 0;
}

int cgr_curve_access(struct cgr_curve *c, uint32_t file, uint64_t index)
{
	uint64_t scale = (1ull << 32) / c->threshold, hash = hash_of(file, index);
	struct entry *e;

	c->accesses++;
	if ((uint32_t)hash >= c->threshold)
		return 0;
	c->sampled_accesses += scale;
	if (c->next > c->window)
		CGR_TRY(renumber(c));
	e = find_hashed(c, hash, file, index);
	if (e->file) {
		uint64_t since = c->kept - sum(c, e->position) + 1;

		CGR_TRY(count_distance(c, since * scale, scale));
		add(c, e->position, false);
	} else {
		c->cold += scale;
		CGR_TRY(grow_table(c));
		if (c->kept >= c->max_pages) {
			lower_rate(c);
			if ((uint32_t)hash >= c->threshold)
				return 0;
		}
		e = find_hashed(c, hash, file, index);
		*e = (struct entry){ .index = index, .file = file + 1 };
		c->kept++;
	}
	e->position = c->next++;
	add(c, e->position, true);
	return 0;
}

void cgr_curve_forget(struct cgr_curve *c, uint32_t file, uint64_t index)
{
	struct entry *e = find(c, file, index);

	if (e->file)
		remove_entry(c, e);
}

uint64_t cgr_curve_accesses(const struct cgr_curve *c)
{
	return c->accesses;
}
uint64_t cgr_curve_kept(const struct cgr_curve *c)
{
	return c->kept;
}
bool cgr_curve_sampled(const struct cgr_curve *c)
{
	return c->threshold < 1ull << 32;
}
uint64_t cgr_curve_pages(const struct cgr_curve *c)
{
	return c->kept * ((1ull << 32) / c->threshold);
}

void cgr_curve_sizes(const struct cgr_curve *c, const uint64_t *size_pages, size_t count, uint64_t *ret_misses)
{
	uint64_t hits = 0, d = 1;

	for (size_t i = 0; i < count; i++) {
		for (; d < c->distances && d <= size_pages[i]; d++)
			hits += c->distance[d];
		/* what the sample has too many or too few accesses of is booked on the shortest distance, a hit at every size
		 */
		ret_misses[i] = CGR_MIN(c->sampled_accesses - CGR_MIN(hits, c->sampled_accesses), c->accesses);
	}
}

uint64_t cgr_curve_misses(const struct cgr_curve *c, uint64_t size_pages)
{
	uint64_t misses;

	cgr_curve_sizes(c, &size_pages, 1, &misses);
	return misses;
}
