/* The memcg OOM killer: mm/memcontrol.c mem_cgroup_oom and mm/oom_kill.c out_of_memory, select_bad_process,
 * oom_badness; the logic is the same in 6.1 and 6.18. */
#include "common/util.h"
#include "model/lib/memcg_internal.h"

#define OOM_SCORE_ADJ_MIN (-1000)
#define PAGES_PER_TABLE 512

/* order of the allocation that covers `pages` */
static unsigned order_of(uint32_t pages)
{
	unsigned order = 0;
	while ((1u << order) < pages)
		order++;
	return order;
}

static int64_t total_pages(const struct memcg *m, const struct memcg_group *group)
{
	int64_t limit = group->memory.max, swap = 0;
	int64_t machine = m->ctx->mem_total_bytes > 0 ? m->ctx->mem_total_bytes / MEMCG_PAGE_SIZE : INT64_MAX / 2;
	for (const struct cgr_mem_counter *level = &group->memory; level; level = level->parent)
		limit = CGR_MIN(limit, level->max);
	int64_t swap_total = m->ctx->swap_total_bytes / MEMCG_PAGE_SIZE;
	if (group->swappiness && m->v2)
		swap = CGR_MIN(group->swap.max, swap_total);
	else if (group->swappiness && group->memsw.max != CGR_COUNTER_MAX)
		swap = CGR_MIN(CGR_MAX(group->memsw.max - limit, (int64_t)0), swap_total);
	else if (group->swappiness)
		swap = swap_total;
	return CGR_MAX(CGR_MIN(limit, machine) + swap, (int64_t)1);
}

/* false: not killable. Resident pages of the whole process, wherever charged, its swap entries and page tables. */
static bool badness(const struct memcg *m, uint32_t task, int64_t total, int64_t *ret_points, int64_t *ret_rss)
{
	const struct cgr_task_info *info = cgr_task(m->ctx, task);
	if (!info->alive || info->kernel_thread || info->tid == 1 || info->oom_score_adj == OOM_SCORE_ADJ_MIN)
		return false;
	int64_t rss = m->ctx->host->task_rss_pages(m->ctx, task);
	int64_t tables = rss / PAGES_PER_TABLE;
	*ret_rss = rss;
	*ret_points = rss + tables + info->oom_score_adj * (total / 1000);
	return true;
}

/* select_bad_process: highest wins, equal means the later one. true with *ret_task = CGR_NONE: a victim is still dying.
 */
static bool select_victim(const struct memcg *m, const struct memcg_group *group, uint32_t *ret_task, int64_t *ret_rss)
{
	uint32_t cursor = 0, task;
	int64_t best = INT64_MIN, total = total_pages(m, group);
	*ret_task = CGR_NONE;
	bool found = false;
	while (m->ctx->host->oom_candidates(m->ctx, group->id, &cursor, &task)) {
		int64_t points, rss;
		if (memcg_task(m, task)->victim && cgr_task(m->ctx, task)->alive) {
			*ret_task = CGR_NONE;
			return true;
		}
		if (!badness(m, task, total, &points, &rss) || points < best)
			continue;
		best = points;
		*ret_task = task;
		*ret_rss = rss;
		found = true;
	}
	return found;
}

static void kill_one(struct memcg *m, uint32_t task, int64_t rss)
{
	uint32_t cgroup = cgr_task(m->ctx, task)->memory_cgroup;
	memcg_task(m, task)->victim = true;
	memcg_event(m, cgroup, MEMCG_OOM_KILL);
	cgr_decision(m->ctx, "oom_kill", cgroup, task, rss);
	m->ctx->host->kill(m->ctx, task);
}

/* memory.oom.group: the highest ancestor of the victim's cgroup with the flag, inside the OOM domain. */
static uint32_t oom_group_of(const struct memcg *m, uint32_t task, uint32_t domain)
{
	uint32_t found = CGR_NONE;
	if (!m->v2)
		return found;
	for (uint32_t id = cgr_task(m->ctx, task)->memory_cgroup; id != CGR_NONE; id = m->parent[id]) {
		if (memcg_group(m, id)->oom_group)
			found = id;
		if (id == domain)
			break;
	}
	return found;
}

static void kill_group(struct memcg *m, uint32_t group)
{
	uint32_t cursor = 0, task;
	memcg_event(m, group, MEMCG_OOM_GROUP_KILL);
	while (m->ctx->host->oom_candidates(m->ctx, group, &cursor, &task)) {
		const struct cgr_task_info *info = cgr_task(m->ctx, task);
		if (info->alive && !memcg_task(m, task)->victim && info->oom_score_adj != OOM_SCORE_ADJ_MIN)
			kill_one(m, task, m->ctx->host->task_rss_pages(m->ctx, task));
	}
}

/* What a program gives back of a huge page stays charged until reclaim splits it (deferred_split_scan), of which no
 * recording tells: a kill that the replay comes to while there are huge pages may not happen. */
static bool holds_huge(const struct memcg *m, uint32_t root)
{
	for (uint32_t id = root; id != CGR_NONE; id = memcg_next(m, id, root)) {
		const struct memcg_group *group = memcg_group(m, id);
		if (group->huge > 0 && group->pages[CGR_CHARGE_ANON] > 0)
			return true;
	}
	return false;
}

static bool out_of_memory(struct memcg *m, uint32_t cgroup, unsigned order)
{
	struct memcg_group *group = memcg_group(m, cgroup);
	memcg_event(m, cgroup, MEMCG_OOM);
	/* v1 oom_control: the task would sleep until someone makes room; the charge of a system call fails */
	if (!m->v2 && group->oom_kill_disable)
		return false;
	if (memcg_margin(m, group) >= (1 << order))
		return true;
	uint32_t victim;
	int64_t rss = 0;
	if (!select_victim(m, group, &victim, &rss))
		return false;
	if (victim == CGR_NONE)
		return false; /* its pages are not back although kill() returned: the charge fails instead of spinning */
	uint32_t kill_root = oom_group_of(m, victim, cgroup);
	kill_one(m, victim, rss);
	if (kill_root != CGR_NONE)
		kill_group(m, kill_root);
	return true;
}

bool memcg_oom(struct memcg *m, uint32_t cgroup, uint32_t pages)
{
	unsigned order = order_of(pages);
	if (order > MEMCG_COSTLY_ORDER)
		return false;
	m->oom_unsure = holds_huge(m, cgroup);
	bool again = out_of_memory(m, cgroup, order);
	m->oom_unsure = false;
	return again;
}
