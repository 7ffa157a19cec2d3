/* ftrace:function -> THROTTLE, UNTHROTTLE. The function tracer says when, where and in whose context, but not for which
 * group: throttle_cfs_rq() runs in the context of a task of the group (put_prev_entity and pick, kernel/sched/fair.c),
 * so the group is the nearest one above it that has a quota. unthrottle_cfs_rq() runs where the group's period timer
 * fires (distribute_cfs_runtime, in the order of throttling; from 6.3 on each CPU releases its own queue). What follows
 * from that is marked as inferred. */
#include <string.h>

#include "parser/facts.h"
#include "parser/norm.h"

/* The entry address is that of the call to fentry, behind an endbr64 where the kernel is built with IBT. */
#define ENTRY_BYTES 16u
/* cfs_rqs held at one time, and timers known: beyond any machine, a bound for broken traces */
#define HELD_MAX 65536u

/* The group that bandwidth control would hold a task of `task` for. */
static uint32_t group_of_task(const struct cgr_norm *norm, const struct cgr_task *task)
{
	const struct cgr_cgroups *cgroups = &norm->cgroups;
	uint32_t own = CGR_ID_NONE;

	if (task == NULL || task->css_set == CGR_ID_NONE || task->css_set >= cgroups->sets)
		return CGR_ID_NONE;
	for (uint32_t i = 0; i < cgroups->hierarchies && own == CGR_ID_NONE; i++)
		if (cgroups->hierarchy[i].cpu)
			own = cgroups->set[task->css_set][i];
	for (uint32_t at = own; at != CGR_ID_NONE && at < cgroups->nodes; at = cgroups->node[at].parent)
		if (cgroups->node[at].has_quota)
			return at;
	return own;
}

static void forget(struct cgr_bandwidth *b, size_t i)
{
	b->helds--;
	memmove(&b->held[i], &b->held[i + 1], (b->helds - i) * sizeof(*b->held));
}

static int hold(struct cgr_norm *norm, uint32_t cgroup, uint32_t cpu)
{
	struct cgr_bandwidth *b = &norm->bandwidth;

	for (size_t i = 0; i < b->helds; i++)
		if (b->held[i].cgroup == cgroup && b->held[i].cpu == cpu) {
			forget(b, i); /* it got time in the last moment, or its release was lost */
			break;
		}
	if (b->helds == HELD_MAX)
		forget(b, 0);
	CGR_TRY(cgr_grow((void **)&b->held, &b->held_capacity, b->helds + 1, sizeof(*b->held), norm->err));
	b->held[b->helds].cgroup = cgroup;
	b->held[b->helds++].cpu = cpu;
	return CGR_OK;
}

static uint32_t owner_of(const struct cgr_bandwidth *b, uint64_t timer)
{
	for (size_t i = 0; i < b->owners && timer != 0; i++)
		if (b->owner[i].timer == timer)
			return b->owner[i].cgroup;
	return CGR_ID_NONE;
}

static int own(struct cgr_norm *norm, uint64_t timer, uint32_t cgroup)
{
	struct cgr_bandwidth *b = &norm->bandwidth;

	for (size_t i = 0; i < b->owners; i++)
		if (b->owner[i].timer == timer) {
			b->owner[i].cgroup = cgroup; /* memory of a group that is gone, used again */
			return CGR_OK;
		}
	if (b->owners == HELD_MAX)
		return CGR_OK;
	CGR_TRY(cgr_grow((void **)&b->owner, &b->owner_capacity, b->owners + 1, sizeof(*b->owner), norm->err));
	b->owner[b->owners].timer = timer;
	b->owner[b->owners++].cgroup = cgroup;
	return CGR_OK;
}

/* hrtimer_start and _expire of a period timer: a task that finds it stopped starts it (start_cfs_bandwidth); when it
 * fires it starts itself again, in whatever context it interrupts. */
int cgr_norm_period_timer(struct cgr_norm *norm, const struct cgr_entry *entry, bool start, uint64_t timer)
{
	struct cgr_cpu *cpu = &norm->cpu[entry->cpu];

	if (!start) {
		cpu->period_timer = timer;
		return CGR_OK;
	}
	if (cpu->period_timer == timer) {
		cpu->period_timer = 0; /* its work is done */
		return CGR_OK;
	}
	uint32_t cgroup = group_of_task(norm, entry->task);
	bool sure = cgroup != CGR_ID_NONE && norm->cgroups.node[cgroup].has_quota;
	return sure ? own(norm, timer, cgroup) : CGR_OK;
}

/* The one of those held that is released here: of the timer's group when it is known, of this CPU when each releases
 * its own, and the one held longest. */
static size_t released(const struct cgr_norm *norm, uint32_t cpu, uint32_t group)
{
	const struct cgr_bandwidth *b = &norm->bandwidth;
	size_t best = SIZE_MAX;
	unsigned best_fit = 0;

	for (size_t i = 0; i < b->helds; i++) {
		unsigned fit = 1u + (b->held[i].cgroup == group ? 4u : 0) + (b->own_cpu && b->held[i].cpu == cpu ? 2u : 0);
		if (fit <= best_fit)
			continue;
		best = i;
		best_fit = fit;
	}
	return best;
}

static bool is_one_group(const struct cgr_bandwidth *b)
{
	for (size_t i = 1; i < b->helds; i++)
		if (b->held[i].cgroup != b->held[0].cgroup)
			return false;
	return b->helds > 0;
}

static int on_throttle(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	uint32_t cgroup = group_of_task(norm, entry->task);

	if (cgroup == CGR_ID_NONE)
		return cgr_norm_other(norm, entry);
	CGR_TRY(hold(norm, cgroup, entry->cpu));
	return cgr_norm_push(norm, entry, CGR_EV_THROTTLE, cgroup, 0, 0, entry->cpu);
}

static int on_unthrottle(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	struct cgr_bandwidth *b = &norm->bandwidth;
	uint64_t timer = norm->cpu[entry->cpu].period_timer;

	if (timer != 0 && owner_of(b, timer) == CGR_ID_NONE && is_one_group(b))
		CGR_TRY(own(norm, timer, b->held[0].cgroup));
	size_t i = released(norm, entry->cpu, owner_of(b, timer));
	if (i == SIZE_MAX) /* held since before the trace began */
		return cgr_norm_other(norm, entry);
	uint32_t cgroup = b->held[i].cgroup, cpu = b->held[i].cpu;
	forget(b, i);
	return cgr_norm_push(norm, entry, CGR_EV_UNTHROTTLE, cgroup, 0, 0, cpu);
}

int cgr_norm_function(struct cgr_norm *norm, const struct cgr_entry *entry)
{
	const struct cgr_bandwidth *b = &norm->bandwidth;
	struct cgr_entry inferred = *entry;
	uint64_t ip = CGR_FIELD(entry, 0);

	inferred.flags |= CGR_EVF_INFERRED;
	if (b->throttle != 0 && ip - b->throttle < ENTRY_BYTES)
		return on_throttle(norm, &inferred);
	if (b->unthrottle != 0 && ip - b->unthrottle < ENTRY_BYTES)
		return on_unthrottle(norm, &inferred);
	return cgr_norm_other(norm, entry);
}
