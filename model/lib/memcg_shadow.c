/* What the kernel remembers of evicted file pages, and when it forgets. Shadow entries stand in the nodes of the page
 * cache's tree, 64 pages of a file to a node. A node in which nothing but shadows is left goes on a list of the cgroup
 * it is charged to (workingset_update_node), and reclaim of that cgroup may free it with all that it remembers
 * (count_shadow_nodes, do_shrink_slab): what is read again after that counts as no refault.
 * - As many nodes as hold eight times the cgroup's pages are left alone, pages as the statistics have them. Those that
 *   reclaim does not flush first (from 6.11 on) say nothing of a cgroup younger than the last flush of rstat, so that
 *   a short job keeps none for certain.
 * - Half of those that are too many are due in each pass, a batch of 128 at a time, which leaves small numbers in
 *   peace until reclaim has to look at everything (priority 2 and below).
 * A file of one page has no node: what is at index 0 stands in the tree's head (lib/xarray.c: xas_expand, xas_shrink).
 * Its shadow stays until the inode goes, which it may from then on: an inode whose mapping holds no page
 * (mapping_shrinkable) stands on the list of the inodes' own shrinker, which is not modelled.
 * A folio of 64 pages or more stands in a node further up, and so does its shadow; such nodes are hardly ever without
 * anything else, and are kept here. */
#include "common/util.h"
#include "model/lib/mem_list.h"
#include "model/lib/memcg_internal.h"

#define NODE_SHIFT 6u /* XA_CHUNK_SHIFT */
#define NODE_FILE 0x40000000u /* | file: key of its nodes in the page table, index by node */
#define FILES_MOST 0x40000000u /* beyond are nameless pages and anonymous memory */
#define NODES_ABOVE ((1ull << 40) - 1) /* index of the entry that counts, in prev, a file's nodes but the first */
#define SHRINK_BATCH 128u

/* The first page of a file, and all there is of it. */
static bool stands_in_head(const struct memcg *m, const struct cgr_page *node)
{
	uint32_t first;
	if (cgr_page_index(node) || node->policy + node->written != 1)
		return false;
	first = cgr_mem_pages_find(&m->pages, node->file & ~NODE_FILE, 0);
	return first && m->pages.page[first].flags != CGR_PG_FORGOTTEN &&
	       !cgr_mem_pages_find(&m->pages, node->file, NODES_ABOVE);
}

/* A node is an entry of the page table: policy = pages there, written = shadows. */
static bool is_shadows(const struct memcg *m, const struct cgr_page *node)
{
	return node->written && !node->policy && !stands_in_head(m, node);
}

/* Keeps the list of those that hold nothing but shadows. */
static void judge(struct memcg *m, uint32_t number)
{
	struct cgr_page *node = &m->pages.page[number];
	struct cgr_page_list *list = &memcg_group(m, cgr_page_cgroup(node))->shadow_nodes;
	bool listed = node->flags & CGR_PG_ON_LIST;
	bool shadows = is_shadows(m, node);
	if (shadows && !listed) {
		cgr_page_list_push_head(m->pages.page, list, number);
		node->flags |= CGR_PG_ON_LIST;
	} else if (!shadows && listed) {
		cgr_page_list_remove(m->pages.page, list, number);
		node->flags &= (uint16_t)~CGR_PG_ON_LIST;
	}
}

/* A node comes or goes. The first of a file is none while there is no other. */
static void count_node(struct memcg *m, uint32_t key, uint64_t index, bool comes)
{
	uint32_t above, first;
	if (!index)
		return;
	above = cgr_mem_pages_find(&m->pages, key, NODES_ABOVE);
	if (!above && comes && (above = cgr_mem_pages_insert(&m->pages, key, NODES_ABOVE)))
		m->pages.page[above].flags = CGR_PG_RESIDENT;
	if (!above) /* full: it is taken for the only one */
		return;
	m->pages.page[above].prev += comes ? 1 : UINT32_MAX;
	if (!m->pages.page[above].prev)
		cgr_mem_pages_erase(&m->pages, above);
	else if (!comes || m->pages.page[above].prev > 1)
		return;
	first = cgr_mem_pages_find(&m->pages, key, 0);
	if (first)
		judge(m, first);
}

static uint32_t node_of(struct memcg *m, uint32_t cgroup, uint32_t file, uint64_t index, bool make)
{
	uint32_t key = NODE_FILE | file, number = m->node_hint;
	if (cgr_mem_pages_is(&m->pages, number, key, index >> NODE_SHIFT))
		return number;
	number = cgr_mem_pages_find(&m->pages, key, index >> NODE_SHIFT);
	if (!number && make) {
		number = cgr_mem_pages_insert(&m->pages, key, index >> NODE_SHIFT);
		if (!number) /* full: it is not known what is remembered there */
			return 0;
		m->pages.page[number].flags = CGR_PG_RESIDENT;
		cgr_page_set_cgroup(&m->pages.page[number], cgroup);
		count_node(m, key, index >> NODE_SHIFT, true);
	}
	return m->node_hint = number;
}

static void node_changed(struct memcg *m, uint32_t number)
{
	const struct cgr_page *node = &m->pages.page[number];
	uint32_t key = node->file;
	uint64_t index = cgr_page_index(node);
	judge(m, number);
	if (!node->policy && !node->written) {
		cgr_mem_pages_erase(&m->pages, number);
		count_node(m, key, index, false);
	}
}

void memcg_node_count(struct memcg *m, uint32_t cgroup, uint32_t file, uint64_t index, int pages, int shadows)
{
	uint32_t number = file < FILES_MOST ? node_of(m, cgroup, file, index, pages > 0) : 0;
	if (!number)
		return;
	struct cgr_page *node = &m->pages.page[number];
	/* a page table that was full has made room by itself: then fewer are there than were counted */
	node->policy = (uint8_t)CGR_MAX(node->policy + pages, 0);
	node->written = (uint8_t)CGR_MAX(node->written + shadows, 0);
	node_changed(m, number);
}

static void forget_node(struct memcg *m, uint32_t number)
{
	const struct cgr_page *node = &m->pages.page[number];
	uint32_t file = node->file & ~NODE_FILE;
	uint64_t first = cgr_page_index(node) << NODE_SHIFT;
	for (uint64_t index = first; index < first + (1u << NODE_SHIFT); index++) {
		uint32_t shadow = cgr_mem_pages_find(&m->pages, file, index);
		if (shadow && !(m->pages.page[shadow].flags & (CGR_PG_RESIDENT | CGR_PG_READAHEAD | CGR_PG_TAIL)))
			m->pages.page[shadow].flags = CGR_PG_FORGOTTEN;
	}
	m->pages.page[number].written = 0;
	node_changed(m, number);
}

/* count_shadow_nodes: the pages on the cgroup's lists, or what the policy's statistics take for that. */
static uint64_t pages_known(const struct memcg *m, uint32_t cgroup)
{
	struct cgr_ctx *reclaim = m->ctx->reclaim;
	uint64_t pages = 0;
	if (m->reclaim->known)
		return m->reclaim->known(reclaim, cgroup);
	for (unsigned lru = 0; lru < CGR_LRU_COUNT; lru++)
		pages += (uint64_t)m->reclaim->size(reclaim, cgroup, (enum cgr_lru)lru);
	return pages;
}

/* do_shrink_slab for the shrinker of shadow nodes, whose objects cost nothing to make again (seeks 0). */
void memcg_shrink_shadows(struct memcg *m, struct memcg_group *group, int priority)
{
	struct cgr_page_list *list = &group->shadow_nodes;
	if (!list->count || group->dying)
		return;
	uint64_t kept = pages_known(m, group->id) >> (NODE_SHIFT - 3), freed = 0;
	uint64_t freeable = list->count > kept ? list->count - kept : 0;
	if (!freeable)
		return;
	uint64_t due = (group->shadow_nodes_due >> priority) + freeable / 2;
	for (due = CGR_MIN(due, 2 * freeable); due >= SHRINK_BATCH || due >= freeable;) {
		uint64_t batch = CGR_MIN(due, (uint64_t)SHRINK_BATCH);
		for (uint64_t i = 0; i < batch && list->tail; i++, freed++)
			forget_node(m, list->tail);
		due -= batch;
		if (!batch || !list->tail)
			break;
	}
	group->shadow_nodes_due += freeable / 2;
	group->shadow_nodes_due -= CGR_MIN(group->shadow_nodes_due, freed);
	group->shadow_nodes_due = CGR_MIN(group->shadow_nodes_due, 2 * freeable);
}
