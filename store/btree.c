/* Pages and records by SQLite's file format. */
#include "store/btree.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"

#define BUFFER_PAGES 64u
#define LEAF_HEAD 8u
#define NODE_HEAD 12u
#define LOCK_PAGE (0x40000000u / CGR_PAGE_SIZE + 1) /* holds SQLite's lock bytes: never used */

static void put_be(uint8_t *at, uint64_t value, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0; value >>= 8)
		at[i] = (uint8_t)value;
}

/* SQLite's varint: big-endian groups of 7 bits, at most 9 bytes. Returns its length. */
static size_t put_varint(uint8_t *at, uint64_t value)
{
	uint8_t reversed[10];
	size_t count = 0;

	if (value < 0x80) {
		at[0] = (uint8_t)value;
		return 1;
	}
	if (value >> 56 != 0) {
		at[8] = (uint8_t)value;
		value >>= 8;
		for (unsigned i = 8; i-- > 0; value >>= 7)
			at[i] = (uint8_t)(value | 0x80);
		return 9;
	}
	for (; value != 0; value >>= 7)
		reversed[count++] = (uint8_t)(value | 0x80);
	reversed[0] &= 0x7f;
	for (size_t i = 0; i < count; i++)
		at[i] = reversed[count - 1 - i];
	return count;
}

static size_t varint_length(uint64_t value)
{
	uint8_t scratch[10];

	return put_varint(scratch, value);
}

/* ---- the file ---- */

int cgr_dbpages_init(struct cgr_dbpages *pages, int fd, const char *path, struct cgr_error *reterr)
{
	off_t size = lseek(fd, 0, SEEK_END);

	*pages = (struct cgr_dbpages){ .fd = fd, .path = path };
	if (size <= 0 || size % CGR_PAGE_SIZE != 0)
		return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: a new store has %lld bytes", path, (long long)size);
	pages->buffer = malloc((size_t)BUFFER_PAGES * CGR_PAGE_SIZE);
	if (pages->buffer == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	pages->offset = (uint64_t)size;
	pages->next = (uint32_t)((uint64_t)size / CGR_PAGE_SIZE) + 1;
	return 0;
}

void cgr_dbpages_fini(struct cgr_dbpages *pages)
{
	free(pages->buffer);
	*pages = (struct cgr_dbpages){ .fd = -1 };
}

static int write_at(const struct cgr_dbpages *pages, const uint8_t *data, size_t size, uint64_t offset,
                    struct cgr_error *reterr)
{
	while (size > 0) {
		ssize_t wrote = pwrite(pages->fd, data, size, (off_t)offset);

		if (wrote < 0)
			return cgr_error_errno(reterr, CGR_E_IO, "%s: writing rows", pages->path);
		data += wrote;
		size -= (size_t)wrote;
		offset += (uint64_t)wrote;
	}
	return 0;
}

static int flush(struct cgr_dbpages *pages, struct cgr_error *reterr)
{
	CGR_TRY(write_at(pages, pages->buffer, pages->used, pages->offset, reterr));
	/* begin to write it out now: the fsync before the rename then has little left to wait for */
	(void)sync_file_range(pages->fd, (off_t)pages->offset, (off_t)pages->used, SYNC_FILE_RANGE_WRITE);
	pages->offset += pages->used;
	pages->used = 0;
	return 0;
}

/* Room for the next page of the file, zeroed by nobody; *ret_number is its number. */
static int new_page(struct cgr_dbpages *pages, uint8_t **ret_page, uint32_t *ret_number, struct cgr_error *reterr)
{
	for (;;) {
		uint8_t *page;

		if (pages->used == (size_t)BUFFER_PAGES * CGR_PAGE_SIZE)
			CGR_TRY(flush(pages, reterr));
		page = pages->buffer + pages->used;
		pages->used += CGR_PAGE_SIZE;
		if (pages->next == UINT32_MAX)
			return cgr_error_set(reterr, CGR_E_LIMIT, "%s: more pages than SQLite can number", pages->path);
		*ret_number = pages->next++;
		*ret_page = page;
		if (*ret_number != LOCK_PAGE)
			return 0;
		memset(page, 0, CGR_PAGE_SIZE);
	}
}

int cgr_dbpages_finish(struct cgr_dbpages *pages, struct cgr_error *reterr)
{
	uint8_t word[4];

	CGR_TRY(flush(pages, reterr));
	put_be(word, pages->next - 1, 4); /* size of the database in pages */
	return write_at(pages, word, sizeof(word), 28, reterr);
}

/* ---- records ---- */

void cgr_record_null(struct cgr_record *record)
{
	record->header[record->header_used++] = 0;
}

void cgr_record_integer(struct cgr_record *record, int64_t value)
{
	static const uint8_t type_of[9] = { 0, 1, 2, 3, 4, 5, 5, 6, 6 }, bytes_of[7] = { 0, 1, 2, 3, 4, 6, 8 };
	uint64_t magnitude = value < 0 ? ~(uint64_t)value : (uint64_t)value;
	unsigned type, bytes;
	uint64_t big;

	if (magnitude < 2 && value >= 0) {
		record->header[record->header_used++] = (uint8_t)(8 + value);
		return;
	}
	/* one bit more than the magnitude: the sign */
	type = type_of[(64u - (unsigned)__builtin_clzll(magnitude | 1) + 8) / 8];
	bytes = bytes_of[type];
	big = __builtin_bswap64((uint64_t)value << (64 - 8 * bytes));
	memcpy(record->body + record->body_used, &big, sizeof(big));
	record->body_used += bytes;
	record->header[record->header_used++] = (uint8_t)type;
}

void cgr_record_text(struct cgr_record *record, const char *text)
{
	size_t length = text == NULL ? 0 : strnlen(text, 255);

	if (text == NULL) {
		cgr_record_null(record);
		return;
	}
	record->header_used += put_varint(record->header + record->header_used, 13 + 2 * length);
	memcpy(record->body + record->body_used, text, length);
	record->body_used += length;
}

void cgr_record_long_text(struct cgr_record *record, const char *text, size_t length)
{
	record->header_used += put_varint(record->header + record->header_used, 13 + 2 * length);
	record->blob = text;
	record->blob_size = length;
}

void cgr_record_blob(struct cgr_record *record, const void *data, size_t size)
{
	record->header_used += put_varint(record->header + record->header_used, 12 + 2 * size);
	record->blob = data;
	record->blob_size = size;
}

/* ---- trees ---- */

int cgr_btree_init(struct cgr_btree *tree, uint32_t root, struct cgr_error *reterr)
{
	*tree = (struct cgr_btree){ .root = root, .content = CGR_PAGE_SIZE, .last_id = INT64_MIN };
	tree->leaf = cgr_calloc(1, CGR_PAGE_SIZE);
	return tree->leaf == NULL ? cgr_error_set(reterr, CGR_E_NOMEM, "out of memory") : 0;
}

void cgr_btree_fini(struct cgr_btree *tree)
{
	free(tree->leaf);
	free(tree->child);
	*tree = (struct cgr_btree){ 0 };
}

static void put_head(uint8_t *page, uint8_t type, uint32_t cells, uint32_t content)
{
	page[0] = type;
	put_be(page + 1, 0, 2); /* no free blocks */
	put_be(page + 3, cells, 2);
	put_be(page + 5, content, 2);
	page[7] = 0; /* no fragments */
}

static int finish_leaf(struct cgr_btree *tree, struct cgr_dbpages *pages, struct cgr_error *reterr)
{
	uint8_t *page;
	uint32_t number;

	put_head(tree->leaf, 0x0d, tree->cells, tree->content);
	if (tree->sink.leaf != NULL) {
		CGR_TRY(tree->sink.leaf(tree->sink.arg, tree->leaf, tree->last_id, reterr));
	} else {
		CGR_TRY(new_page(pages, &page, &number, reterr));
		memcpy(page, tree->leaf, CGR_PAGE_SIZE);
		CGR_TRY(cgr_grow((void **)&tree->child, &tree->capacity, tree->children + 1, sizeof(*tree->child), reterr));
		tree->child[tree->children++] = (struct cgr_btree_child){ number, tree->last_id };
	}
	memset(tree->leaf, 0, CGR_PAGE_SIZE);
	tree->cells = 0;
	tree->content = CGR_PAGE_SIZE;
	return 0;
}

/* What of a payload stays on the leaf, by the rule of the file format. */
static size_t local_size(size_t payload)
{
	const size_t usable = CGR_PAGE_SIZE, most = usable - 35, least = (usable - 12) * 32 / 255 - 23;
	size_t local;

	if (payload <= most)
		return payload;
	local = least + (payload - least) % (usable - 4);
	return local <= most ? local : least;
}

/* The rest of a blob as a chain of pages, one after the other. */
static int put_overflow(struct cgr_dbpages *pages, const uint8_t *data, size_t size, uint32_t *ret_first,
                        struct cgr_error *reterr)
{
	uint8_t *previous = NULL;

	*ret_first = 0;
	while (size > 0) {
		size_t part = CGR_MIN(size, (size_t)CGR_PAGE_SIZE - 4);
		uint8_t *page;
		uint32_t number;

		/* the page before must still be in the buffer when its link is written: make room first */
		if (pages->used + 2 * (size_t)CGR_PAGE_SIZE > (size_t)BUFFER_PAGES * CGR_PAGE_SIZE) {
			uint32_t next = pages->next + (pages->next == LOCK_PAGE);

			if (previous != NULL)
				put_be(previous, next, 4);
			CGR_TRY(flush(pages, reterr));
			previous = NULL;
		}
		CGR_TRY(new_page(pages, &page, &number, reterr));
		if (*ret_first == 0)
			*ret_first = number;
		if (previous != NULL)
			put_be(previous, number, 4);
		put_be(page, 0, 4);
		memcpy(page + 4, data, part);
		memset(page + 4 + part, 0, CGR_PAGE_SIZE - 4 - part);
		previous = page;
		data += part;
		size -= part;
	}
	return 0;
}

int cgr_btree_append(struct cgr_btree *tree, struct cgr_dbpages *pages, int64_t id, const struct cgr_record *record,
                     struct cgr_error *reterr)
{
	size_t header = record->header_used + 1 + (record->header_used + 1 >= 0x80);
	size_t payload = header + record->body_used + record->blob_size;
	size_t local = local_size(payload), own = header + record->body_used;
	size_t cell = varint_length(payload) + varint_length((uint64_t)id) + local + (local < payload ? 4 : 0);
	uint32_t overflow = 0;
	uint8_t *at;

	if (id <= tree->last_id || own > local)
		return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: row %lld after %lld, or too wide", pages->path, (long long)id,
		                     (long long)tree->last_id);
	if (LEAF_HEAD + 2 * (tree->cells + 1) + cell > tree->content)
		CGR_TRY(finish_leaf(tree, pages, reterr));
	if (local < payload)
		CGR_TRY(put_overflow(pages, (const uint8_t *)record->blob + (local - own), payload - local, &overflow, reterr));
	tree->content -= (uint32_t)cell;
	put_be(tree->leaf + LEAF_HEAD + 2 * tree->cells, tree->content, 2);
	tree->cells++;
	tree->last_id = id;
	at = tree->leaf + tree->content;
	at += put_varint(at, payload);
	at += put_varint(at, (uint64_t)id);
	at += put_varint(at, header);
	memcpy(at, record->header, record->header_used);
	at += record->header_used;
	memcpy(at, record->body, record->body_used);
	at += record->body_used;
	if (local > own)
		memcpy(at, record->blob, local - own);
	if (overflow != 0)
		put_be(at + (local - own), overflow, 4);
	return 0;
}

/* One interior page over child[from ..]; returns how many children it took. */
static size_t put_node(uint8_t *page, const struct cgr_btree_child *child, size_t count)
{
	uint32_t content = CGR_PAGE_SIZE, cells = 0;
	size_t taken = 0;

	memset(page, 0, CGR_PAGE_SIZE);
	while (taken + 1 < count) {
		size_t cell = 4 + varint_length((uint64_t)child[taken].last_id);

		if (NODE_HEAD + 2 * (cells + 1) + cell > content)
			break;
		content -= (uint32_t)cell;
		put_be(page + content, child[taken].page, 4);
		(void)put_varint(page + content + 4, (uint64_t)child[taken].last_id);
		put_be(page + NODE_HEAD + 2 * cells, content, 2);
		cells++;
		taken++;
	}
	put_head(page, 0x05, cells, content);
	put_be(page + 8, child[taken].page, 4); /* the right-most child has no key */
	return taken + 1;
}

/* Children of one level become those of the next, until one page can hold them all: the root. */
static int raise(struct cgr_btree *tree, struct cgr_dbpages *pages, uint8_t *root, struct cgr_error *reterr)
{
	for (;;) {
		size_t above = 0;

		if (put_node(root, tree->child, tree->children) == tree->children)
			return 0;
		for (size_t from = 0; from < tree->children;) {
			uint8_t *page;
			uint32_t number;
			size_t taken, left = tree->children - from;

			CGR_TRY(new_page(pages, &page, &number, reterr));
			taken = put_node(page, tree->child + from, left);
			if (taken + 1 == left) /* a node with one child alone is not allowed: leave it two */
				taken = put_node(page, tree->child + from, left - 2);
			tree->child[above++] = (struct cgr_btree_child){ number, tree->child[from + taken - 1].last_id };
			from += taken;
		}
		tree->children = above;
	}
}

int cgr_btree_finish(struct cgr_btree *tree, struct cgr_dbpages *pages, struct cgr_error *reterr)
{
	uint64_t offset = ((uint64_t)tree->root - 1) * CGR_PAGE_SIZE;

	if (tree->sink.leaf != NULL) /* an empty table is one empty leaf */
		return tree->cells > 0 || tree->last_id == INT64_MIN ? finish_leaf(tree, pages, reterr) : 0;
	if (tree->children == 0) { /* everything fits into the root, or there is nothing */
		put_head(tree->leaf, 0x0d, tree->cells, tree->content);
		return write_at(pages, tree->leaf, CGR_PAGE_SIZE, offset, reterr);
	}
	if (tree->cells > 0)
		CGR_TRY(finish_leaf(tree, pages, reterr));
	CGR_TRY(raise(tree, pages, tree->leaf, reterr));
	return write_at(pages, tree->leaf, CGR_PAGE_SIZE, offset, reterr);
}
