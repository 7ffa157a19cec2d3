/* Reads the rows of a table of a closed store straight from its pages, by SQLite's file format
 * (https://www.sqlite.org/fileformat2.html), as btree.h writes them. Opening a store needs a dozen small tables in the
 * order of their keys and nothing else; SQLite would first parse the definitions of all tables and views, which took
 * longer than a short recording is replayed. The file may come from anywhere: every number is checked, no walk is
 * longer than the file. Private to store/. */
#ifndef CGR_STORE_SCAN_H
#define CGR_STORE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define CGR_SCAN_DEPTH 20u /* a tree that SQLite makes is never higher */
#define CGR_SCAN_COLUMNS 32u
#define CGR_SCAN_PAYLOAD_MAX (256u << 20)

struct cgr_dbfile { /* may be read by several threads at a time */
	int fd;
	char *path; /* as people named it */
	uint32_t page_bytes, usable_bytes, pages;
	uint32_t application_id, user_version;
};
int cgr_dbfile_open(struct cgr_dbfile *file, const char *path, struct cgr_error *reterr);
void cgr_dbfile_close(struct cgr_dbfile *file);

/* Where a value stands that may be too long for its page. */
struct cgr_spill {
	uint64_t at; /* of its row in the file */
	uint32_t local_bytes, next_page; /* how much of the row is there, the page that the rest begins on (0: none) */
	uint64_t skip; /* of the row, before the value */
};
/* The value's first size bytes into `to`, which has room. */
int cgr_spill_read(const struct cgr_dbfile *file, const struct cgr_spill *spill, uint8_t *to, size_t size,
                   struct cgr_error *reterr);

struct cgr_scan {
	const struct cgr_dbfile *file;
	struct {
		uint8_t *page;
		uint32_t number, cells, step; /* what comes next: a child or a cell */
	} level[CGR_SCAN_DEPTH];
	unsigned depth;
	uint32_t visited; /* pages: more than the file has, and it goes round in circles */
	bool by_key; /* a table WITHOUT ROWID */
	uint8_t *whole; /* a row that spills, put together */
	size_t whole_capacity;
	/* the current row */
	int64_t id; /* rowid */
	const uint8_t *payload;
	uint32_t here_bytes; /* how much of it stands in payload */
	uint64_t payload_bytes;
	struct cgr_spill spill; /* of all of it */
	unsigned columns;
	uint64_t type[CGR_SCAN_COLUMNS], offset[CGR_SCAN_COLUMNS + 1];
	bool wrong; /* a value was asked for as what it is not: the caller's to look at and to reset */
};
void cgr_scan_init(struct cgr_scan *scan, const struct cgr_dbfile *file);
void cgr_scan_fini(struct cgr_scan *scan);
/* Before the first row of the table whose root that page is. by_key: it is WITHOUT ROWID. */
int cgr_scan_start(struct cgr_scan *scan, uint32_t root, bool by_key, struct cgr_error *reterr);
/* 1 = a row, 0 = the end. Rows come in the order of their keys. Of a row that spills, the first `columns` are there,
 * the others may only be asked where they stand. */
int cgr_scan_next(struct cgr_scan *scan, unsigned columns, struct cgr_error *reterr);

/* Columns that a row does not have are NULL, as in SQLite. The rowid's own column is NULL, too: ask scan->id. */
bool cgr_scan_is_null(const struct cgr_scan *scan, unsigned column);
int64_t cgr_scan_integer(struct cgr_scan *scan, unsigned column); /* 0 for NULL */
/* Not terminated, valid until the next row; NULL for NULL. */
const char *cgr_scan_text(struct cgr_scan *scan, unsigned column, size_t *ret_length);
struct cgr_spill cgr_scan_spill(const struct cgr_scan *scan, unsigned column, uint64_t *ret_size);

#endif
