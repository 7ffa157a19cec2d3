#include "store/leaves.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"

#define INTERIOR 0x05
#define NODE_HEAD 12u

int cgr_leaves_init(struct cgr_leaves *leaves, int fd, const char *path, uint32_t root, struct cgr_error *reterr)
{
	off_t size = lseek(fd, 0, SEEK_END);

	*leaves = (struct cgr_leaves){ .fd = fd, .path = path, .root = root };
	leaves->pages = size > 0 ? (uint32_t)((uint64_t)size / CGR_PAGE_SIZE) : 0;
	leaves->leaf = malloc(CGR_PAGE_SIZE);
	return leaves->leaf == NULL ? cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path) : 0;
}

void cgr_leaves_fini(struct cgr_leaves *leaves)
{
	for (unsigned i = 0; i < CGR_LEAVES_DEPTH; i++)
		free(leaves->level[i].page);
	free(leaves->leaf);
	*leaves = (struct cgr_leaves){ .fd = -1 };
}

static uint32_t get_be(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

/* false: no such page. */
static bool read_page(const struct cgr_leaves *leaves, uint32_t number, uint8_t *to)
{
	size_t got = 0;

	if (number < 2 || number > leaves->pages)
		return false;
	while (got < CGR_PAGE_SIZE) {
		ssize_t rc =
		    pread(leaves->fd, to + got, CGR_PAGE_SIZE - got, (off_t)((uint64_t)(number - 1) * CGR_PAGE_SIZE + got));
		if (rc <= 0)
			return false;
		got += (size_t)rc;
	}
	return true;
}

/* Where a cell of an interior page stands: u32 child, varint key. NULL: outside the page. */
static const uint8_t *cell(const uint8_t *page, uint32_t number)
{
	uint32_t at = get_be(page + NODE_HEAD + (size_t)2 * number, 2);

	return at + 5 <= CGR_PAGE_SIZE ? page + at : NULL;
}

/* The key behind the child's number, read no further than the page. */
static bool key_is(const uint8_t *page, uint32_t number, int64_t id)
{
	const uint8_t *at = cell(page, number), *end = page + CGR_PAGE_SIZE;
	uint64_t value = 0;

	if (at == NULL)
		return false;
	at += 4;
	for (unsigned i = 0; at < end && i < 9; i++, at++) {
		value = i == 8 ? value << 8 | *at : value << 7 | (*at & 0x7fu);
		if ((*at & 0x80) == 0 || i == 8)
			return value == (uint64_t)id;
	}
	return false;
}

static uint32_t child_of(const uint8_t *page, uint32_t cells, uint32_t number)
{
	const uint8_t *at = number == cells ? page + 8 : cell(page, number);

	return at != NULL ? get_be(at, 4) : 0;
}

/* Down from page `number` to its first leaf, which is then in leaves->leaf. false: not a tree of ours. */
static bool descend(struct cgr_leaves *leaves, uint32_t number)
{
	for (;;) {
		if (!read_page(leaves, number, leaves->leaf))
			return false;
		if (leaves->leaf[0] != INTERIOR)
			return true; /* what else it may be, the comparison tells */
		uint32_t cells = get_be(leaves->leaf + 3, 2);
		if (leaves->depth == CGR_LEAVES_DEPTH || cells == 0 || NODE_HEAD + 2 * cells > CGR_PAGE_SIZE)
			return false;
		if (leaves->level[leaves->depth].page == NULL)
			leaves->level[leaves->depth].page = malloc(CGR_PAGE_SIZE);
		uint8_t *page = leaves->level[leaves->depth].page;
		if (page == NULL)
			return false;
		memcpy(page, leaves->leaf, CGR_PAGE_SIZE);
		leaves->level[leaves->depth].cells = cells;
		leaves->level[leaves->depth].next = 0;
		leaves->depth++;
		number = child_of(page, cells, 0);
	}
}

/* To the leaf after the one whose last key is last_id. false: there is none, or a key leads elsewhere. */
static bool advance(struct cgr_leaves *leaves, int64_t last_id, bool *ret_end)
{
	*ret_end = false;
	while (leaves->depth > 0) {
		unsigned top = leaves->depth - 1;
		uint32_t at = leaves->level[top].next, cells = leaves->level[top].cells;

		if (at == cells) {
			leaves->depth--;
			continue;
		}
		if (!key_is(leaves->level[top].page, at, last_id))
			return false;
		leaves->level[top].next = at + 1;
		return descend(leaves, child_of(leaves->level[top].page, cells, at + 1));
	}
	*ret_end = true;
	return false;
}

int cgr_leaves_compare(void *arg, const uint8_t *page, int64_t last_id, struct cgr_error *reterr)
{
	struct cgr_leaves *leaves = arg;
	bool end;

	(void)reterr;
	if (leaves->differs)
		return 0;
	if (!leaves->started)
		leaves->differs = !descend(leaves, leaves->root);
	else
		leaves->differs = !advance(leaves, leaves->last_id, &end);
	leaves->started = true;
	leaves->last_id = last_id;
	if (!leaves->differs)
		leaves->differs = memcmp(leaves->leaf, page, CGR_PAGE_SIZE) != 0;
	return 0;
}

void cgr_leaves_finish(struct cgr_leaves *leaves)
{
	bool end = false;

	if (!leaves->differs)
		leaves->differs = !leaves->started || advance(leaves, leaves->last_id, &end) || !end;
}
