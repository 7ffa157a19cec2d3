/* Builds SQLite tables page by page, without SQLite: rows come in ascending id order, so a table is leaves filled
 * one after the other and a few interior pages on top. Ten times the speed of INSERT; the format is that of
 * https://www.sqlite.org/fileformat2.html, and `cgreplay info --check` and SQLite's own integrity check read it.
 *
 * Way of use: SQLite makes the file with its (empty) tables and closes it; a cgr_dbpages appends to it; when it is
 * finished SQLite opens the file again and adds whatever else. Private to store/. */
#ifndef CGR_STORE_BTREE_H
#define CGR_STORE_BTREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

#define CGR_PAGE_SIZE 16384u

struct cgr_dbpages { /* the file being appended to; pages leave in order through one buffer */
	int fd;
	const char *path; /* for messages; borrowed */
	uint32_t next; /* number of the next page, from 1 */
	uint8_t *buffer;
	size_t used;
	uint64_t offset; /* of the buffer in the file */
};

struct cgr_btree_child {
	uint32_t page;
	int64_t last_id;
};
/* Takes the leaves of a tree instead of a file: for comparing. */
struct cgr_btree_sink {
	int (*leaf)(void *arg, const uint8_t *page, int64_t last_id, struct cgr_error *reterr);
	void *arg;
};
struct cgr_btree {
	struct cgr_btree_sink sink; /* leaf NULL: into the file */
	uint32_t root; /* page that SQLite gave the table */
	uint8_t *leaf;
	uint32_t cells, content; /* number of cells, where their bytes begin */
	int64_t last_id;
	struct cgr_btree_child *child; /* finished pages of the lowest level */
	size_t children, capacity;
};

/* fd: a closed, valid SQLite file of CGR_PAGE_SIZE pages, all of them its own. */
int cgr_dbpages_init(struct cgr_dbpages *pages, int fd, const char *path, struct cgr_error *reterr);
/* Writes out what is buffered and corrects the file's header. */
int cgr_dbpages_finish(struct cgr_dbpages *pages, struct cgr_error *reterr);
void cgr_dbpages_fini(struct cgr_dbpages *pages);

int cgr_btree_init(struct cgr_btree *tree, uint32_t root, struct cgr_error *reterr);
void cgr_btree_fini(struct cgr_btree *tree);

/* A record under construction: types first, then values, as the file wants them. */
#define CGR_RECORD_COLUMNS 32u
struct cgr_record {
	uint8_t header[CGR_RECORD_COLUMNS * 3];
	uint8_t body[CGR_RECORD_COLUMNS * 9 + 256];
	size_t header_used, body_used;
	const void *blob; /* last column, or NULL */
	size_t blob_size;
};
static inline void cgr_record_begin(struct cgr_record *record)
{
	record->header_used = record->body_used = 0;
	record->blob = NULL;
	record->blob_size = 0;
}
void cgr_record_null(struct cgr_record *record);
void cgr_record_integer(struct cgr_record *record, int64_t value);
void cgr_record_text(struct cgr_record *record, const char *text); /* NULL ok; at most 255 bytes are kept */
void cgr_record_long_text(struct cgr_record *record, const char *text, size_t length); /* the last column */
void cgr_record_blob(struct cgr_record *record, const void *data, size_t size); /* the last column */

/* id ascending. */
int cgr_btree_append(struct cgr_btree *tree, struct cgr_dbpages *pages, int64_t id, const struct cgr_record *record,
                     struct cgr_error *reterr);
/* Interior pages and the root; call once, before cgr_dbpages_finish. */
int cgr_btree_finish(struct cgr_btree *tree, struct cgr_dbpages *pages, struct cgr_error *reterr);

#endif
