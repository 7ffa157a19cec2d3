/* Writes to limits in mid-run: mm/memcontrol.c memory_max_write, memory_high_write, mem_cgroup_resize_max [v1]. */
#include "common/error.h"
#include "common/util.h"
#include "model/lib/memcg_internal.h"

/* v1 never kills: it shrinks by 1 until the new limit fits and gives up (EBUSY) at the first fruitless reclaim. */
static int resize_v1(struct memcg *m, struct memcg_group *group, struct cgr_mem_counter *counter, int64_t pages,
                     bool may_swap)
{
	bool drained = false;
	while (counter->usage > pages) {
		if (!drained) {
			memcg_drain_stocks(m, group->id);
			drained = true;
			continue;
		}
		if (!memcg_reclaim(m, group->id, 1, may_swap))
			return CGR_E_SCENARIO;
	}
	counter->max = pages;
	return 0;
}

int memcg_write_memsw(struct memcg *m, uint32_t cgroup, int64_t pages)
{
	struct memcg_group *group = memcg_group(m, cgroup);
	if (m->v2 || pages < group->memory.max)
		return CGR_E_SCENARIO; /* EINVAL: memory <= memsw always */
	return resize_v1(m, group, &group->memsw, pages, false);
}

int memcg_write_max(struct memcg *m, uint32_t cgroup, int64_t pages)
{
	struct memcg_group *group = memcg_group(m, cgroup);
	int retries = MEMCG_MAX_RECLAIM_RETRIES;
	if (!m->v2) {
		if (pages > group->memsw.max)
			return CGR_E_SCENARIO;
		return resize_v1(m, group, &group->memory, pages, true);
	}
	group->memory.max = pages;
	bool drained = false;
	while (group->memory.usage > pages) {
		if (!drained) {
			memcg_drain_stocks(m, cgroup);
			drained = true;
			continue;
		}
		if (retries) {
			int64_t over = group->memory.usage - pages;
			if (!memcg_reclaim(m, cgroup, (uint32_t)CGR_MIN(over, (int64_t)INT32_MAX), true))
				retries--;
			continue;
		}
		if (!memcg_oom(m, cgroup, 1))
			break;
	}
	return 0;
}

void memcg_write_high(struct memcg *m, uint32_t cgroup, int64_t pages)
{
	struct memcg_group *group = memcg_group(m, cgroup);
	int retries = MEMCG_MAX_RECLAIM_RETRIES;
	bool drained = false;
	group->memory.high = pages;
	while (group->memory.usage > pages) {
		if (!drained) {
			memcg_drain_stocks(m, cgroup);
			drained = true;
			continue;
		}
		int64_t over = group->memory.usage - pages;
		if (!memcg_reclaim(m, cgroup, (uint32_t)CGR_MIN(over, (int64_t)INT32_MAX), true) && !retries--)
			break;
	}
}
