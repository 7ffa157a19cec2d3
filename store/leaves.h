/* Walks the leaves of a table in order, by SQLite's file format, and compares each with what it should be. Bytes are
 * compared, so nothing on the page can differ, and the keys above the leaves must lead to them. Private to store/. */
#ifndef CGR_STORE_LEAVES_H
#define CGR_STORE_LEAVES_H

#include "store/btree.h"

#define CGR_LEAVES_DEPTH 12u

struct cgr_leaves {
	int fd; /* borrowed */
	const char *path;
	uint32_t pages; /* of the file */
	struct {
		uint8_t *page; /* an interior page */
		uint32_t cells, next; /* child to visit next: cells = the right-most */
	} level[CGR_LEAVES_DEPTH];
	unsigned depth; /* levels of interior pages above the current leaf */
	uint32_t root;
	uint8_t *leaf;
	int64_t last_id; /* of the leaf compared last */
	bool started, differs;
};

int cgr_leaves_init(struct cgr_leaves *leaves, int fd, const char *path, uint32_t root, struct cgr_error *reterr);
void cgr_leaves_fini(struct cgr_leaves *leaves); /* legal on a zeroed one */
/* A cgr_btree_sink: `page` is the next leaf as it should be. Sets differs and then compares no more. Returns 0. */
int cgr_leaves_compare(void *leaves, const uint8_t *page, int64_t last_id, struct cgr_error *reterr);
/* After the last leaf: there must be no other. */
void cgr_leaves_finish(struct cgr_leaves *leaves);

#endif
