#include "store/scan.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/util.h"
#include "store/db.h"

#define FILE_HEAD 100u
#define TABLE_INTERIOR 0x05
#define TABLE_LEAF 0x0d
#define KEY_INTERIOR 0x02
#define KEY_LEAF 0x0a
#define TYPE_REAL 7u
#define TYPE_TEXT 13u /* and every odd number above */

static uint32_t get_be(const uint8_t *at, unsigned bytes)
{
	uint32_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

/* SQLite's varint: big-endian groups of 7 bits, at most 9 bytes. NULL: it does not end before `end`. */
static const uint8_t *get_varint(const uint8_t *at, const uint8_t *end, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (unsigned i = 0; at < end; i++, at++) {
		if (i == 8) {
			*ret_value = value << 8 | *at;
			return at + 1;
		}
		value = value << 7 | (*at & 0x7fu);
		if ((*at & 0x80) == 0) {
			*ret_value = value;
			return at + 1;
		}
	}
	return NULL;
}

/* ---- the file ---- */

static int damaged(const struct cgr_dbfile *file, uint64_t offset, const char *what, struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_INPUT, "%s:%llu: %s; import the recording again", file->path,
	                     (unsigned long long)offset, what);
}

static int read_at(const struct cgr_dbfile *file, uint64_t offset, uint8_t *to, size_t size, struct cgr_error *reterr)
{
	for (size_t got = 0; got < size;) {
		ssize_t rc = pread(file->fd, to + got, size - got, (off_t)(offset + got));

		if (rc < 0)
			return cgr_error_errno(reterr, CGR_E_IO, "%s: cannot read", file->path);
		if (rc == 0)
			return damaged(file, offset + got, "the file ends within a page", reterr);
		got += (size_t)rc;
	}
	return 0;
}

static uint64_t page_at(const struct cgr_dbfile *file, uint32_t number)
{
	return (uint64_t)(number - 1) * file->page_bytes;
}

static int read_head(struct cgr_dbfile *file, struct cgr_error *reterr)
{
	uint8_t head[FILE_HEAD];
	struct stat st;
	uint64_t pages;

	if (fstat(file->fd, &st) < 0)
		return cgr_error_errno(reterr, CGR_E_INPUT, "%s: cannot open", file->path);
	CGR_TRY(read_at(file, 0, head, sizeof(head), reterr));
	file->page_bytes = get_be(head + 16, 2) == 1 ? 65536 : get_be(head + 16, 2);
	if (file->page_bytes < 512 || (file->page_bytes & (file->page_bytes - 1)) != 0)
		return damaged(file, 16, "impossible size of a page", reterr);
	file->usable_bytes = file->page_bytes - head[20];
	if (file->usable_bytes < 480)
		return damaged(file, 20, "impossible number of unused bytes in a page", reterr);
	CGR_TRY(cgr_db_check_length(file->path, head, (uint64_t)st.st_size, reterr));
	if (get_be(head + 56, 4) > 1)
		return damaged(file, 56, "its text is not UTF-8", reterr);
	pages = (uint64_t)st.st_size / file->page_bytes;
	file->pages = (uint32_t)CGR_MIN(pages, UINT32_MAX - 1);
	file->user_version = get_be(head + 60, 4);
	file->application_id = get_be(head + 68, 4);
	return 0;
}

int cgr_dbfile_open(struct cgr_dbfile *file, const char *path, struct cgr_error *reterr)
{
	int rc;

	*file = (struct cgr_dbfile){ .fd = -1 };
	CGR_TRY(cgr_db_check_file(path, reterr));
	file->path = cgr_strdup(path);
	if (file->path == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	file->fd = open(path, O_RDONLY | O_CLOEXEC);
	rc = file->fd < 0 ? cgr_error_errno(reterr, CGR_E_INPUT, "%s: cannot open", path) : read_head(file, reterr);
	if (rc < 0)
		cgr_dbfile_close(file);
	return rc;
}

void cgr_dbfile_close(struct cgr_dbfile *file)
{
	if (file->fd >= 0)
		(void)close(file->fd);
	free(file->path);
	*file = (struct cgr_dbfile){ .fd = -1 };
}

/* What of a page of spilled bytes is wanted: it begins with the number of the next page. */
static int read_spilled(const struct cgr_dbfile *file, uint32_t *page, uint64_t skip, uint8_t *to, size_t size,
                        struct cgr_error *reterr)
{
	uint64_t at = page_at(file, *page);
	uint8_t word[4];
	struct iovec two[2] = { { word, sizeof(word) }, { to, size } };
	ssize_t got = skip == 0 ? preadv(file->fd, two, 2, (off_t)at) : 0;

	if (got < 0)
		return cgr_error_errno(reterr, CGR_E_IO, "%s: cannot read", file->path);
	if ((size_t)got < sizeof(word) + size) { /* in two, or cut short */
		CGR_TRY(read_at(file, at, word, sizeof(word), reterr));
		CGR_TRY(read_at(file, at + sizeof(word) + skip, to, size, reterr));
	}
	*page = get_be(word, 4);
	return 0;
}

int cgr_spill_read(const struct cgr_dbfile *file, const struct cgr_spill *spill, uint8_t *to, size_t size,
                   struct cgr_error *reterr)
{
	uint64_t skip = spill->skip, room = file->usable_bytes - 4;
	size_t done = skip < spill->local_bytes ? (size_t)CGR_MIN(size, spill->local_bytes - skip) : 0;
	uint32_t page = spill->next_page;

	CGR_TRY(read_at(file, spill->at + skip, to, done, reterr));
	skip -= CGR_MIN(skip, spill->local_bytes);
	while (done < size) {
		size_t part = skip < room ? (size_t)CGR_MIN(size - done, room - skip) : 0;

		if (page == 0 || page > file->pages)
			return damaged(file, spill->at, "a value goes on in a page that is not there", reterr);
		CGR_TRY(read_spilled(file, &page, CGR_MIN(skip, room), to + done, part, reterr));
		done += part;
		skip -= CGR_MIN(skip, room);
	}
	return 0;
}

/* ---- the tree ---- */

void cgr_scan_init(struct cgr_scan *scan, const struct cgr_dbfile *file)
{
	*scan = (struct cgr_scan){ .file = file };
}

void cgr_scan_fini(struct cgr_scan *scan)
{
	for (unsigned i = 0; i < CGR_SCAN_DEPTH; i++)
		free(scan->level[i].page);
	free(scan->whole);
	cgr_scan_init(scan, scan->file);
}

/* The first page begins with the header of the file. */
static uint32_t head_of(uint32_t number)
{
	return number == 1 ? FILE_HEAD : 0;
}

static bool is_leaf(const struct cgr_scan *scan, unsigned level)
{
	const uint8_t *page = scan->level[level].page + head_of(scan->level[level].number);

	return page[0] == (scan->by_key ? KEY_LEAF : TABLE_LEAF);
}

static int enter(struct cgr_scan *scan, uint32_t number, uint64_t from, struct cgr_error *reterr)
{
	const struct cgr_dbfile *file = scan->file;
	unsigned level = scan->depth;
	const uint8_t *head;

	if (number == 0 || number > file->pages)
		return damaged(file, from, "names a page that is not there", reterr);
	if (level == CGR_SCAN_DEPTH || ++scan->visited > file->pages)
		return damaged(file, from, "its pages form a loop", reterr);
	if (scan->level[level].page == NULL)
		scan->level[level].page = malloc(file->page_bytes);
	if (scan->level[level].page == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", file->path);
	CGR_TRY(read_at(file, page_at(file, number), scan->level[level].page, file->page_bytes, reterr));
	head = scan->level[level].page + head_of(number);
	scan->level[level].number = number;
	scan->level[level].cells = get_be(head + 3, 2);
	scan->level[level].step = 0;
	if (!is_leaf(scan, level) && head[0] != (scan->by_key ? KEY_INTERIOR : TABLE_INTERIOR))
		return damaged(file, page_at(file, number) + head_of(number), "not a page of this table", reterr);
	if (head_of(number) + 12 + 2 * (uint64_t)scan->level[level].cells > file->usable_bytes)
		return damaged(file, page_at(file, number) + head_of(number) + 3, "more rows than a page holds", reterr);
	scan->depth++;
	return 0;
}

int cgr_scan_start(struct cgr_scan *scan, uint32_t root, bool by_key, struct cgr_error *reterr)
{
	scan->depth = 0;
	scan->visited = 0;
	scan->by_key = by_key;
	scan->id = INT64_MIN;
	scan->wrong = false;
	return enter(scan, root, 0, reterr);
}

/* Where cell `index` of the page on top begins; 0: outside the page. */
static uint32_t cell_at(const struct cgr_scan *scan, unsigned level, uint32_t index)
{
	uint32_t head = head_of(scan->level[level].number) + (is_leaf(scan, level) ? 8 : 12);
	uint32_t at = get_be(scan->level[level].page + head + (size_t)2 * index, 2);

	return at >= head && at + 4 <= scan->file->usable_bytes ? at : 0;
}

/* How much of a row stands in its page. */
static uint32_t local_bytes(const struct cgr_scan *scan, uint64_t size)
{
	uint32_t usable = scan->file->usable_bytes, least = (usable - 12) * 32 / 255 - 23,
	         most = scan->by_key ? (usable - 12) * 64 / 255 - 23 : usable - 35;
	uint64_t spread;

	if (size <= most)
		return (uint32_t)size;
	spread = least + (size - least) % (usable - 4);
	return spread <= most ? (uint32_t)spread : least;
}

/* What types and lengths the header of the row tells. */
static const char *decode_header(struct cgr_scan *scan)
{
	static const uint8_t bytes_of[12] = { 0, 1, 2, 3, 4, 6, 8, 8, 0, 0, 0, 0 };
	const uint8_t *at = scan->payload, *end = scan->payload + scan->here_bytes;
	uint64_t header, offset;

	at = get_varint(at, end, &header);
	if (at == NULL || header > scan->here_bytes || header < (uint64_t)(at - scan->payload))
		return "a row's header is longer than what stands in its page";
	end = scan->payload + header;
	offset = header;
	for (scan->columns = 0; at < end; scan->columns++) {
		uint64_t type;

		at = get_varint(at, end, &type);
		if (at == NULL || scan->columns == CGR_SCAN_COLUMNS || type == 10 || type == 11)
			return "a row's header tells columns that cannot be";
		scan->type[scan->columns] = type;
		scan->offset[scan->columns] = offset;
		offset += type < 12 ? bytes_of[type] : (type - 12) / 2;
		if (offset > scan->payload_bytes)
			return "a row is shorter than its header tells";
	}
	scan->offset[scan->columns] = offset;
	return NULL;
}

static int assemble(struct cgr_scan *scan, struct cgr_error *reterr)
{
	uint64_t room = scan->file->usable_bytes - 4, pages = (scan->payload_bytes - scan->here_bytes + room - 1) / room;

	/* no page belongs to two rows: all that is put together is no longer than the file, however often a row is told */
	if (pages > scan->file->pages - scan->visited)
		return damaged(scan->file, scan->spill.at, "a row is longer than the file", reterr);
	scan->visited += (uint32_t)pages;
	CGR_TRY(cgr_grow((void **)&scan->whole, &scan->whole_capacity, (size_t)scan->payload_bytes, 1, reterr));
	CGR_TRY(cgr_spill_read(scan->file, &scan->spill, scan->whole, (size_t)scan->payload_bytes, reterr));
	scan->payload = scan->whole;
	scan->here_bytes = (uint32_t)scan->payload_bytes;
	return 0;
}

/* Cell `index` of a page becomes the current row. */
static int take(struct cgr_scan *scan, unsigned level, uint32_t index, unsigned columns, struct cgr_error *reterr)
{
	const struct cgr_dbfile *file = scan->file;
	const uint8_t *page = scan->level[level].page, *end = page + file->usable_bytes;
	uint64_t at = page_at(file, scan->level[level].number), id = 0;
	uint32_t cell = cell_at(scan, level, index), local;
	const uint8_t *p = cell == 0 ? NULL : page + cell + (is_leaf(scan, level) ? 0 : 4);
	const char *wrong;

	if (p != NULL)
		p = get_varint(p, end, &scan->payload_bytes);
	if (p != NULL && !scan->by_key)
		p = get_varint(p, end, &id);
	if (p == NULL || scan->payload_bytes > CGR_SCAN_PAYLOAD_MAX)
		return damaged(file, at + cell, "a row that cannot be", reterr);
	local = local_bytes(scan, scan->payload_bytes);
	if (local + (local < scan->payload_bytes ? 4u : 0u) > (size_t)(end - p))
		return damaged(file, at + cell, "a row goes beyond its page", reterr);
	if (!scan->by_key && (int64_t)id <= scan->id && scan->id != INT64_MIN)
		return damaged(file, at + cell, "rows are out of order", reterr);
	scan->id = (int64_t)id;
	scan->payload = p;
	scan->here_bytes = local;
	scan->spill = (struct cgr_spill){ at + (uint64_t)(p - page), local,
		                              local < scan->payload_bytes ? get_be(p + local, 4) : 0, 0 };
	wrong = decode_header(scan);
	if (wrong != NULL)
		return damaged(file, at + cell, wrong, reterr);
	columns = CGR_MIN(columns, scan->columns);
	return scan->offset[columns] > scan->here_bytes ? assemble(scan, reterr) : 0;
}

/* An interior page of a table only leads to its leaves; one of a table WITHOUT ROWID has a row between each two. */
static int interior(struct cgr_scan *scan, unsigned columns, struct cgr_error *reterr)
{
	unsigned level = scan->depth - 1;
	const uint8_t *page = scan->level[level].page;
	uint32_t number = scan->level[level].number, cells = scan->level[level].cells, step = scan->level[level].step++,
	         child = scan->by_key ? step / 2 : step, cell;
	uint64_t from = page_at(scan->file, number);

	if (child > cells || (scan->by_key && step > 2 * cells)) {
		scan->depth--;
		return 0;
	}
	if (scan->by_key && step % 2 == 1) {
		CGR_TRY(take(scan, level, child, columns, reterr));
		return 1;
	}
	if (child == cells)
		return enter(scan, get_be(page + head_of(number) + 8, 4), from, reterr);
	cell = cell_at(scan, level, child);
	if (cell == 0)
		return damaged(scan->file, from, "a row goes beyond its page", reterr);
	return enter(scan, get_be(page + cell, 4), from + cell, reterr);
}

int cgr_scan_next(struct cgr_scan *scan, unsigned columns, struct cgr_error *reterr)
{
	while (scan->depth > 0) {
		unsigned level = scan->depth - 1;

		if (!is_leaf(scan, level)) {
			int rc = interior(scan, columns, reterr);

			if (rc != 0)
				return rc;
		} else if (scan->level[level].step < scan->level[level].cells) {
			CGR_TRY(take(scan, level, scan->level[level].step++, columns, reterr));
			return 1;
		} else {
			scan->depth--;
		}
	}
	return 0;
}

/* ---- values ---- */

bool cgr_scan_is_null(const struct cgr_scan *scan, unsigned column)
{
	return column >= scan->columns || scan->type[column] == 0;
}

int64_t cgr_scan_integer(struct cgr_scan *scan, unsigned column)
{
	static const uint8_t bytes_of[7] = { 0, 1, 2, 3, 4, 6, 8 };
	const uint8_t *at;
	uint64_t value, type;

	if (cgr_scan_is_null(scan, column))
		return 0;
	type = scan->type[column];
	if (type == 8 || type == 9)
		return (int64_t)type - 8;
	if (type >= TYPE_REAL || scan->offset[column + 1] > scan->here_bytes) {
		scan->wrong = true;
		return 0;
	}
	at = scan->payload + scan->offset[column];
	value = (at[0] & 0x80) != 0 ? UINT64_MAX : 0;
	for (unsigned i = 0; i < bytes_of[type]; i++)
		value = value << 8 | at[i];
	return (int64_t)value;
}

const char *cgr_scan_text(struct cgr_scan *scan, unsigned column, size_t *ret_length)
{
	*ret_length = 0;
	if (cgr_scan_is_null(scan, column))
		return NULL;
	if (scan->type[column] < TYPE_TEXT || scan->type[column] % 2 == 0 || scan->offset[column + 1] > scan->here_bytes) {
		scan->wrong = true;
		return NULL;
	}
	*ret_length = (size_t)(scan->offset[column + 1] - scan->offset[column]);
	return (const char *)scan->payload + scan->offset[column];
}

struct cgr_spill cgr_scan_spill(const struct cgr_scan *scan, unsigned column, uint64_t *ret_size)
{
	struct cgr_spill spill = scan->spill;

	*ret_size = column < scan->columns ? scan->offset[column + 1] - scan->offset[column] : 0;
	spill.skip = column < scan->columns ? scan->offset[column] : 0;
	return spill;
}
