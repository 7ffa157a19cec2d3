/* Kernel memory that hangs on cached pages: a file system that keeps a buffer head for every block charges one as the
 * page is written (fs/buffer.c: create_empty_buffers), and reclaim frees it with the page (try_to_free_buffers). A slab
 * page that is empty then goes back through the stock of the CPU, and the next one is had from there without a failed
 * charge. In a recording without a limit only the charges are to be seen; under one, reclaim's own frees are, and they
 * are left out for the replay's. */
#include "common/util.h"
#include "model/lib/memcg_internal.h"

/* A kernel page charged by a task that has just put pages into the cache. */
void memcg_attach(struct memcg *m, const struct cgr_mem_request *request)
{
	if (request->kind == CGR_CHARGE_KMEM && request->task != CGR_NONE && memcg_task(m, request->task)->inserts)
		memcg_group(m, request->cgroup)->attached += (int64_t)request->pages * MEMCG_PAGE_SIZE;
}

/* What hangs on `pages` of the file pages of a group, as a share of all. */
static int64_t take_share(struct memcg_group *group, uint32_t pages)
{
	int64_t resident = CGR_MAX(group->pages[CGR_CHARGE_FILE], (int64_t)pages);
	int64_t share = group->attached * pages / resident;
	group->attached -= share;
	return share;
}

void memcg_detach_evicted(struct memcg *m, struct memcg_group *group, uint32_t pages)
{
	if (!group->attached)
		return;
	int64_t share = take_share(group, pages);
	group->attached_per_page = share / pages;
	group->loose += share;
	while (group->loose >= MEMCG_PAGE_SIZE && group->pages[CGR_CHARGE_KMEM] > 0) {
		group->loose -= MEMCG_PAGE_SIZE;
		group->pages[CGR_CHARGE_KMEM]--;
		memcg_refill_stock(m, group->id, 1);
	}
}

/* Truncated: the recording tells what went with them. */
void memcg_detach_freed(struct memcg_group *group, uint32_t pages)
{
	if (group->attached)
		(void)take_share(group, pages);
}

/* Written again after the replay evicted them: the recording knows of no charge. */
void memcg_attach_again(struct memcg *m, struct memcg_group *group, uint32_t pages)
{
	int64_t need = group->attached_per_page * pages;
	group->attached += need;
	group->loose -= need;
	while (group->loose < 0 && memcg_try_charge(m, group->id, 1, 0) == CGR_MEM_OK) {
		group->pages[CGR_CHARGE_KMEM]++;
		group->loose += MEMCG_PAGE_SIZE;
	}
	group->loose = CGR_MAX(group->loose, (int64_t)0);
}

/* A kernel page that the recorded reclaim freed, of those that hang on cached pages. */
bool memcg_detached_in_record(const struct memcg *m, const struct cgr_mem_request *request)
{
	const struct memcg_group *group = memcg_group(m, request->cgroup);
	return request->kind == CGR_CHARGE_KMEM && request->flags & CGR_MEM_RECORDED_RECLAIM &&
	       (group->attached || group->attached_per_page);
}
