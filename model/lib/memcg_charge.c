/* Charging: mm/memcontrol.c try_charge_memcg, consume_stock, refill_stock, drain_all_stock and the memory.high
 * penalty, versions 6.1 (one stock slot per CPU, every walk whole) and 6.18 (seven slots). */
#include "common/util.h"
#include "model/lib/memcg_internal.h"

#define MEMCG_DELAY_PRECISION_SHIFT 20
#define MEMCG_DELAY_SCALING_SHIFT 14
/* A queued drain worker on another CPU starts some tens of microseconds later, and up to a millisecond where that CPU
 * is idle and the host has to bring it back: a charge that has found nothing to reclaim sixteen times is mostly over by
 * then, but not always. How long it takes was not traced itself: what was seen is that a heap of 18416 pages at a limit
 * of 18432, with a stock on another CPU, lived with 6 to 20 failed charges (heap-waves of the held-out memory cases,
 * docs/ACCURACY.md), where a drain that is always late kills it. The spread is so wide that it lives in some runs and
 * is killed in others. */
#define DRAIN_LATENCY_NS 20000u
#define DRAIN_LATENCY_SPREAD_NS 800000u

uint32_t memcg_next(const struct memcg *m, uint32_t cgroup, uint32_t root)
{
	const struct memcg_group *group = memcg_group(m, cgroup);
	if (group->first_child != CGR_NONE)
		return group->first_child;
	for (; cgroup != root; cgroup = m->parent[cgroup], group = memcg_group(m, cgroup))
		if (group->next_sibling != CGR_NONE)
			return group->next_sibling;
	return CGR_NONE;
}

bool memcg_is_descendant(const struct memcg *m, uint32_t cgroup, uint32_t ancestor)
{
	/* parents have smaller ids than their children, so the walk can stop early */
	while (cgroup != CGR_NONE && cgroup > ancestor)
		cgroup = m->parent[cgroup];
	return cgroup == ancestor;
}

/* memcg_memory_event: local and hierarchical counts rise up to, not including, the root; v1 shows oom_kill only. */
void memcg_event(struct memcg *m, uint32_t cgroup, enum memcg_event event)
{
	for (; cgroup != CGR_NONE && (cgroup != 0 || m->parent[cgroup] != CGR_NONE); cgroup = m->parent[cgroup]) {
		memcg_group(m, cgroup)->event[event]++;
		memcg_group(m, cgroup)->unsure_event[event] += m->oom_unsure;
	}
}

static void counters_uncharge(struct memcg *m, struct memcg_group *group, int64_t pages)
{
	cgr_mem_counter_uncharge(&group->memory, pages);
	if (!m->v2)
		cgr_mem_counter_uncharge(&group->memsw, pages);
}

void memcg_uncharge(struct memcg *m, uint32_t cgroup, int64_t pages)
{
	if (cgroup)
		counters_uncharge(m, memcg_group(m, cgroup), pages);
}

static void drain_slot(struct memcg *m, struct memcg_stock *stock, unsigned slot)
{
	if (stock->group[slot] == CGR_NONE)
		return;
	if (stock->pages[slot])
		counters_uncharge(m, memcg_group(m, stock->group[slot]), stock->pages[slot]);
	stock->group[slot] = CGR_NONE;
	stock->pages[slot] = 0;
}

static void drain_cpu(struct memcg *m, struct memcg_stock *stock)
{
	for (unsigned slot = 0; slot < m->stock_slots; slot++)
		drain_slot(m, stock, slot);
	m->drains_pending -= stock->drain_pending;
	stock->drain_pending = false;
}

/* A charge that reclaims does not come to its end in the same moment: the workers drain their CPUs meanwhile. */
void memcg_run_pending_drain(struct memcg *m)
{
	uint64_t now_ns = m->ctx->now_ns + (m->outcome ? m->outcome->cpu_ns : 0);
	for (uint32_t cpu = 0; m->drains_pending && cpu < m->ctx->n_cpus; cpu++) {
		struct memcg_stock *stock = memcg_stock(m, cpu);
		if (stock->drain_pending && stock->drain_ns <= now_ns)
			drain_cpu(m, stock);
	}
}

/* drain_all_stock: this CPU at once, others by queued work, which the retry right after does not see yet. */
void memcg_drain_stocks(struct memcg *m, uint32_t target)
{
	uint64_t now_ns = m->ctx->now_ns + (m->outcome ? m->outcome->cpu_ns : 0);
	for (uint32_t cpu = 0; cpu < m->ctx->n_cpus; cpu++) {
		struct memcg_stock *stock = memcg_stock(m, cpu);
		bool wanted = false;
		for (unsigned slot = 0; slot < m->stock_slots && !wanted; slot++)
			wanted = stock->group[slot] != CGR_NONE && stock->pages[slot] &&
			         memcg_is_descendant(m, stock->group[slot], target);
		if (!wanted)
			continue;
		if (cpu == m->cpu) {
			drain_cpu(m, stock);
		} else if (!stock->drain_pending) {
			stock->drain_pending = true;
			m->drains_pending++;
			stock->drain_ns = now_ns + DRAIN_LATENCY_NS + cgr_random(m->ctx) % DRAIN_LATENCY_SPREAD_NS;
		}
	}
}

void memcg_drain_group(struct memcg *m, uint32_t cgroup)
{
	for (uint32_t cpu = 0; cpu < m->ctx->n_cpus; cpu++) {
		struct memcg_stock *stock = memcg_stock(m, cpu);
		for (unsigned slot = 0; slot < m->stock_slots; slot++)
			if (stock->group[slot] == cgroup)
				drain_slot(m, stock, slot);
	}
}

static inline bool consume_stock(struct memcg *m, uint32_t cgroup, uint32_t pages)
{
	struct memcg_stock *stock = memcg_stock(m, m->cpu);
	if (pages > MEMCG_CHARGE_BATCH)
		return false;
	for (unsigned slot = 0; slot < m->stock_slots; slot++) {
		if (stock->group[slot] != cgroup)
			continue;
		if (stock->pages[slot] < pages)
			return false;
		stock->pages[slot] = (uint8_t)(stock->pages[slot] - pages);
		return true;
	}
	return false;
}

/* A slot for the group: its own, a free one, or that of a victim: the only one before 6.16; a random one up to
 * 6.18.19; in turn after that. */
static unsigned stock_slot(struct memcg *m, struct memcg_stock *stock, uint32_t cgroup)
{
	unsigned unused = MEMCG_STOCK_SLOTS;
	for (unsigned slot = 0; slot < m->stock_slots; slot++) {
		if (stock->group[slot] == cgroup)
			return slot;
		if (stock->group[slot] == CGR_NONE && unused == MEMCG_STOCK_SLOTS)
			unused = slot;
	}
	if (unused == MEMCG_STOCK_SLOTS) {
		unused = m->random_victim ? (unsigned)(cgr_random(m->ctx) % m->stock_slots) : stock->victim;
		stock->victim = (uint8_t)((stock->victim + 1u) % m->stock_slots);
		drain_slot(m, stock, unused);
	}
	stock->group[unused] = cgroup;
	stock->pages[unused] = 0;
	return unused;
}

void memcg_refill_stock(struct memcg *m, uint32_t cgroup, uint32_t pages)
{
	if (!cgroup || !pages)
		return;
	if (pages > MEMCG_CHARGE_BATCH) {
		memcg_uncharge(m, cgroup, pages);
		return;
	}
	struct memcg_stock *stock = memcg_stock(m, m->cpu);
	unsigned slot = stock_slot(m, stock, cgroup);
	stock->pages[slot] = (uint8_t)(stock->pages[slot] + pages);
	if (stock->pages[slot] > MEMCG_CHARGE_BATCH) /* the whole stock goes back, not only the excess */
		drain_slot(m, stock, slot);
}

int64_t memcg_margin(const struct memcg *m, const struct memcg_group *group)
{
	int64_t margin = CGR_MAX(group->memory.max - group->memory.usage, (int64_t)0);
	if (!m->v2)
		margin = CGR_MIN(margin, CGR_MAX(group->memsw.max - group->memsw.usage, (int64_t)0));
	return margin;
}

/* Counters of one attempt. NULL on success, else the cgroup whose limit was hit. */
static struct memcg_group *charge_counters(struct memcg *m, struct memcg_group *group, uint32_t batch,
                                           bool *ret_may_swap)
{
	struct cgr_mem_counter *full;
	*ret_may_swap = true;
	if (!m->v2 && (full = cgr_mem_counter_try_charge(&group->memsw, batch))) {
		*ret_may_swap = false;
		return memcg_group(m, full->cgroup);
	}
	full = cgr_mem_counter_try_charge(&group->memory, batch);
	if (!full)
		return NULL;
	if (!m->v2)
		cgr_mem_counter_uncharge(&group->memsw, batch);
	return memcg_group(m, full->cgroup);
}

/* Where usage is above high after a charge, the task owes work at its return to user mode (step 13). */
static void note_over_high(struct memcg *m, const struct memcg_group *group, uint32_t batch)
{
	if (!m->v2 || m->task == CGR_NONE)
		return;
	for (uint32_t id = group->id; id != CGR_NONE; id = m->parent[id]) {
		const struct memcg_group *level = memcg_group(m, id);
		if (level->memory.usage > level->memory.high || level->swap.usage > level->swap.high) {
			memcg_task(m, m->task)->over_high += batch;
			return;
		}
	}
}

void memcg_charge_forced(struct memcg *m, uint32_t cgroup, int64_t pages)
{
	struct memcg_group *group = memcg_group(m, cgroup);
	if (!cgroup)
		return;
	cgr_mem_counter_charge(&group->memory, pages);
	if (!m->v2)
		cgr_mem_counter_charge(&group->memsw, pages);
}

static bool task_killed(const struct memcg *m)
{
	if (m->task == CGR_NONE)
		return false;
	const struct cgr_task_info *info = cgr_task(m->ctx, m->task);
	return memcg_task(m, m->task)->victim || memcg_task(m, info->mm_owner)->victim;
}

static int charge_slow(struct memcg *m, struct memcg_group *group, uint32_t pages, uint32_t flags)
{
	uint32_t batch = CGR_MAX((uint32_t)MEMCG_CHARGE_BATCH, pages);
	int retries = MEMCG_MAX_RECLAIM_RETRIES;
	bool drained = false, killed = false, may_swap;
	struct memcg_group *full;
	for (;;) {
		if (!killed && consume_stock(m, group->id, pages))
			return CGR_MEM_OK;
		full = charge_counters(m, group, batch, &may_swap);
		if (!full)
			break;
		if (batch > pages) {
			batch = pages;
			continue;
		}
		if (flags & CGR_MEM_ATOMIC)
			return CGR_MEM_NOMEM;
		memcg_event(m, full->id, MEMCG_MAX);
		m->may_enter_fs = !(flags & CGR_MEM_READAHEAD);
		uint32_t reclaimed = memcg_reclaim(m, full->id, pages, may_swap);
		memcg_run_pending_drain(m);
		m->may_enter_fs = true;
		if (memcg_margin(m, full) >= pages)
			continue;
		if (!drained) {
			memcg_drain_stocks(m, full->id);
			drained = true;
			continue;
		}
		if (flags & CGR_MEM_READAHEAD)
			return CGR_MEM_NOMEM;
		if (reclaimed && pages <= 8)
			continue;
		if (retries-- > 0)
			continue;
		if (killed) /* passed the OOM killer once and is dying: the charge fails at last */
			return CGR_MEM_TASK_KILLED;
		if (memcg_reads_done(m) || memcg_await_flusher(m)) /* so many tries take longer than the device */
			continue;
		if (!memcg_oom(m, full->id, pages))
			return CGR_MEM_NOMEM;
		killed = task_killed(m);
		retries = MEMCG_MAX_RECLAIM_RETRIES;
	}
	if (killed) { /* its memory came back meanwhile; the engine gives it nothing more */
		memcg_uncharge(m, group->id, batch);
		return CGR_MEM_TASK_KILLED;
	}
	memcg_refill_stock(m, group->id, batch - pages);
	note_over_high(m, group, batch);
	return CGR_MEM_OK;
}

int memcg_try_charge(struct memcg *m, uint32_t cgroup, uint32_t pages, uint32_t flags)
{
	if (!cgroup) /* the root cgroup counts what its children charge, nothing of its own */
		return CGR_MEM_OK;
	if (consume_stock(m, cgroup, pages))
		return CGR_MEM_OK;
	return charge_slow(m, memcg_group(m, cgroup), pages, flags);
}

/* calculate_overage and calculate_high_delay. */
static uint64_t overage(int64_t usage, int64_t high)
{
	if (usage <= high)
		return 0;
	int64_t base = CGR_MAX(high, (int64_t)1);
	return ((uint64_t)(usage - base) << MEMCG_DELAY_PRECISION_SHIFT) / (uint64_t)base;
}

static uint64_t delay_of(uint64_t over, unsigned hz, int64_t nr_pages)
{
	unsigned __int128 penalty = (unsigned __int128)over * over * hz;
	penalty >>= MEMCG_DELAY_PRECISION_SHIFT;
	penalty >>= MEMCG_DELAY_SCALING_SHIFT;
	penalty = penalty * (uint64_t)nr_pages / MEMCG_CHARGE_BATCH;
	uint64_t limit = 2ull * hz;
	return penalty > limit ? limit : (uint64_t)penalty;
}

uint64_t memcg_high_delay_jiffies(int64_t usage, int64_t high, unsigned hz, int64_t nr_pages)
{
	return delay_of(overage(usage, high), hz, nr_pages);
}

/* reclaim_high: every level over its high is reclaimed once. */
static uint32_t reclaim_high(struct memcg *m, uint32_t cgroup, uint32_t pages)
{
	uint32_t reclaimed = 0;
	for (; cgroup != CGR_NONE && m->parent[cgroup] != CGR_NONE; cgroup = m->parent[cgroup]) {
		const struct memcg_group *level = memcg_group(m, cgroup);
		if (level->memory.usage <= level->memory.high)
			continue;
		memcg_event(m, cgroup, MEMCG_HIGH);
		reclaimed += memcg_reclaim(m, cgroup, pages, true);
	}
	return reclaimed;
}

static uint64_t find_penalty(struct memcg *m, uint32_t cgroup, int64_t nr_pages)
{
	uint64_t memory = 0, swap = 0;
	unsigned hz = m->ctx->hz ? m->ctx->hz : 250;
	for (; cgroup != CGR_NONE && m->parent[cgroup] != CGR_NONE; cgroup = m->parent[cgroup]) {
		const struct memcg_group *level = memcg_group(m, cgroup);
		uint64_t over_swap = overage(level->swap.usage, level->swap.high);
		memory = CGR_MAX(memory, overage(level->memory.usage, level->memory.high));
		swap = CGR_MAX(swap, over_swap);
		if (over_swap)
			memcg_event(m, cgroup, MEMCG_SWAP_HIGH);
	}
	uint64_t penalty = delay_of(memory, hz, nr_pages) + delay_of(swap, hz, nr_pages);
	return CGR_MIN(penalty, 2ull * hz);
}

/* __mem_cgroup_handle_over_high: reclaim first, and sleep once for what is left. */
void memcg_handle_over_high(struct memcg *m, uint32_t task)
{
	struct memcg_task *state = memcg_task(m, task);
	int64_t nr_pages = state->over_high;
	if (!nr_pages)
		return;
	state->over_high = 0;
	unsigned hz = m->ctx->hz ? m->ctx->hz : 250;
	uint32_t cgroup = cgr_task(m->ctx, task)->memory_cgroup;
	uint32_t want = (uint32_t)nr_pages;
	for (int retries = MEMCG_MAX_RECLAIM_RETRIES;; want = MEMCG_SWAP_CLUSTER_MAX) {
		uint32_t reclaimed = reclaim_high(m, cgroup, want);
		uint64_t penalty = find_penalty(m, cgroup, nr_pages);
		if (penalty <= hz / 100)
			return;
		if (reclaimed || retries-- > 0)
			continue;
		uint64_t sleep_ns = penalty * (1000000000ull / hz);
		m->outcome->sleep_ns += sleep_ns;
		for (uint32_t id = cgroup; id != CGR_NONE; id = m->parent[id]) {
			memcg_group(m, id)->high_sleep_ns += (int64_t)sleep_ns;
			memcg_group(m, id)->high_sleeps++;
		}
		return;
	}
}
