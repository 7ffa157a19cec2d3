/* vmscan:*, exceptions:*, oom:* -> reclaim by which task for which cgroup, faults, OOM victims. */
#include "parser/norm.h"

#define RECLAIM_FILE 2u /* enum in trace/events/vmscan.h: RECLAIM_WB_ANON 1, RECLAIM_WB_FILE 2 */

static int on_begin(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	struct cgr_task *task = entry->task;
	uint32_t target = CGR_ID_NONE;

	if (CGR_HAS(entry, 2))
		CGR_TRY(cgr_cgroup_of_memcg(norm, CGR_FIELD(entry, 2), &target));
	if (task->reclaim_depth++ == 0) {
		task->reclaim_cgroup = target;
		task->scan_cgroup = CGR_ID_NONE;
	}
	CGR_TRY(cgr_norm_push(norm, entry, CGR_EV_RECLAIM_BEGIN, target, CGR_FIELD(entry, 1), (uint32_t)CGR_FIELD(entry, 0),
	                      0));
	if (target == CGR_ID_NONE) {
		task->reclaim_index = norm->hold.base + norm->hold.count - 1;
		task->reclaim_inserts = norm->hold.inserts;
	}
	return CGR_OK;
}

/* The end knows what was scanned: the target is that cgroup or an ancestor of it, so the lowest common one is named. */
static int on_end(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	struct cgr_task *task = entry->task;

	if (task->reclaim_depth > 0 && --task->reclaim_depth == 0 && task->reclaim_cgroup != CGR_ID_NONE) {
		struct cgr_event *begin =
		    cgr_hold_find(&norm->hold, task->reclaim_index, task->reclaim_inserts, CGR_EV_RECLAIM_BEGIN, task->id);
		if (begin != NULL && begin->a == CGR_ID_NONE)
			begin->a = task->reclaim_cgroup;
		task->reclaim_cgroup = CGR_ID_NONE;
	}
	return cgr_norm_push(norm, entry, CGR_EV_RECLAIM_END, CGR_FIELD(entry, 0), 0, 0, 0);
}

static uint32_t list_of(const struct cgr_entry *entry, unsigned priority_field, unsigned flags_field)
{
	uint32_t file = (CGR_FIELD(entry, flags_field) & RECLAIM_FILE) != 0;

	return (uint32_t)(CGR_FIELD(entry, priority_field) & 0xff) | file << 8;
}

static uint64_t pair(uint64_t low, uint64_t high)
{
	return CGR_MIN(low, (uint64_t)UINT32_MAX) | CGR_MIN(high, (uint64_t)UINT32_MAX) << 32;
}

int cgr_norm_reclaim(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	switch (entry->format->raw) {
	case CGR_RAW_RECLAIM_BEGIN:
		return on_begin(norm, entry);
	case CGR_RAW_RECLAIM_END:
		return on_end(norm, entry);
	case CGR_RAW_SHRINK_INACTIVE:
		return cgr_norm_push(norm, entry, CGR_EV_SHRINK_INACTIVE, pair(CGR_FIELD(entry, 0), CGR_FIELD(entry, 1)),
		                     CGR_FIELD(entry, 4) + CGR_FIELD(entry, 5), list_of(entry, 2, 3), entry->task->scan_cgroup);
	case CGR_RAW_SHRINK_ACTIVE:
		return cgr_norm_push(norm, entry, CGR_EV_SHRINK_ACTIVE, pair(CGR_FIELD(entry, 0), CGR_FIELD(entry, 2)),
		                     CGR_FIELD(entry, 1), list_of(entry, 3, 4), 0);
	case CGR_RAW_PAGE_FAULT:
		return cgr_norm_push(norm, entry, CGR_EV_PAGE_FAULT, CGR_FIELD(entry, 0), CGR_FIELD(entry, 1),
		                     (uint32_t)CGR_FIELD(entry, 2), 0);
	default: {
		struct cgr_task *victim = cgr_task_get(norm, (int32_t)CGR_FIELD(entry, 0));
		if (victim == NULL)
			return norm->err->code;
		return cgr_norm_push(norm, entry, CGR_EV_OOM_VICTIM, 0, 0, victim->id, 0);
	}
	}
}
