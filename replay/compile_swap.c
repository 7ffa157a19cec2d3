/* Memory that went to swap and came back while it was recorded.
 *
 * To the program nothing happened: a page that reclaim uncharges still exists, and one charged by a swap-in was
 * touched, not born. What tells them apart: MEMCG_SWAP counts the slots of a cgroup as pages get and lose them,
 * reclaim's own uncharges come between its begin and end, and a swap-in is a charge followed by a refault of anonymous
 * memory or by a major fault (mm/memory.c: do_swap_page), or one that goes to the swap cache.
 *
 * Which page it was has no event. Pages of a process are known by the order of their birth; those that go are taken to
 * be the ones that were longest untouched, and of those that are out the one longest out comes back first: exact for a
 * program that goes round its memory, and as good as any guess for one that does not. */
#include <stdlib.h>
#include <string.h>

#include "replay/compile_internal.h"
#include "replay/group.h"

struct swap_page {
	uint32_t mm, birth, stamp;
};
struct page_queue {
	struct swap_page *page;
	size_t first, end, capacity;
};
struct swap_group { /* per cgroup */
	int64_t slots; /* in use; some by pages that are in memory as well, or already freed (the CPUs' caches of slots) */
	int64_t out; /* pages that are in swap only */
	bool active; /* it has used swap: its pages stand in `resident` */
	struct page_queue resident; /* coldest first; entries whose stamp is old are passed over */
};
struct swap_mm { /* per task, by leader */
	uint32_t births; /* pages it has, by number; the youngest go first, as in the memory model */
	uint32_t cgroup; /* where it charged last */
	uint32_t *stamp; /* per birth: the entry that counts */
	size_t stamps;
	struct page_queue out; /* in swap, longest first */
	uint32_t out_count; /* of its pages, as counted: the queue forgets those whose number a death took */
};
struct swap_build {
	struct swap_group *group;
	struct swap_mm *mm;
	uint32_t *leader;
	size_t cgroups;
	uint32_t stamp;
};

int cgr_build_swap_init(struct builder *b)
{
	struct swap_build *s;

	if (b->info->swap_total_bytes <= 0)
		return 0;
	s = b->swap = cgr_calloc(1, sizeof *s);
	if (!s)
		return cgr_error_set(b->error, CGR_E_NOMEM, "pages in swap");
	(void)cgr_store_borrow_cgroups(b->store, &s->cgroups);
	s->group = cgr_calloc(s->cgroups ? s->cgroups : 1, sizeof *s->group);
	s->mm = cgr_calloc(b->n_tasks, sizeof *s->mm);
	s->leader = cgr_calloc(b->n_tasks, sizeof *s->leader);
	if (!s->group || !s->mm || !s->leader)
		return cgr_error_set(b->error, CGR_E_NOMEM, "pages in swap");
	for (uint32_t i = 0; i < s->cgroups; i++) {
		int64_t bytes = 0;

		if (cgr_store_counter_first(b->store, i, "memory.swap.current", &bytes) && bytes > 0)
			s->group[i].slots = s->group[i].out = bytes / 4096;
	}
	return cgr_thread_leaders(b->task, b->n_tasks, s->leader, b->error);
}

void cgr_build_swap_free(struct builder *b)
{
	struct swap_build *s = b->swap;

	if (!s)
		return;
	for (size_t i = 0; s->group && i < s->cgroups; i++)
		free(s->group[i].resident.page);
	for (uint32_t i = 0; s->mm && i < b->n_tasks; i++) {
		free(s->mm[i].stamp);
		free(s->mm[i].out.page);
	}
	free(s->group);
	free(s->mm);
	free(s->leader);
	free(s);
	b->swap = NULL;
}

/* ---- queues ---- */
static bool counts(const struct swap_build *s, const struct swap_page *page)
{
	const struct swap_mm *mm = &s->mm[page->mm];

	return page->birth < mm->births && page->birth < mm->stamps && mm->stamp[page->birth] == page->stamp;
}

/* Room at the end: first by dropping what no longer counts, which keeps a queue at most twice as long as it must be. */
static int make_room(struct builder *b, struct page_queue *queue)
{
	size_t kept = 0;

	if (queue->end < queue->capacity)
		return 0;
	for (size_t i = queue->first; i < queue->end; i++)
		if (counts(b->swap, &queue->page[i]))
			queue->page[kept++] = queue->page[i];
	queue->first = 0;
	queue->end = kept;
	return kept * 2 < queue->capacity
	           ? 0
	           : cgr_grow((void **)&queue->page, &queue->capacity, kept * 2 + 64, sizeof *queue->page, b->error);
}

static int push(struct builder *b, struct page_queue *queue, uint32_t mm, uint32_t birth)
{
	struct swap_build *s = b->swap;
	struct swap_mm *owner = &s->mm[mm];
	size_t capacity = owner->stamps;

	if (birth >= owner->stamps) {
		CGR_TRY(cgr_grow((void **)&owner->stamp, &owner->stamps, (size_t)birth + 1, sizeof *owner->stamp, b->error));
		memset(owner->stamp + capacity, 0, (owner->stamps - capacity) * sizeof *owner->stamp);
	}
	CGR_TRY(make_room(b, queue));
	owner->stamp[birth] = ++s->stamp;
	queue->page[queue->end++] = (struct swap_page){ mm, birth, s->stamp };
	return 0;
}

static bool pop(struct swap_build *s, struct page_queue *queue, struct swap_page *ret_page)
{
	while (queue->first < queue->end) {
		*ret_page = queue->page[queue->first++];
		if (counts(s, ret_page))
			return true;
	}
	return false;
}

/* The cgroup's first page for swap: what it charged until then, a process after the other. */
static int activate(struct builder *b, uint32_t cgroup)
{
	struct swap_build *s = b->swap;

	if (s->group[cgroup].active)
		return 0;
	s->group[cgroup].active = true;
	for (uint32_t mm = 0; mm < b->n_tasks; mm++)
		for (uint32_t birth = 0; s->mm[mm].cgroup == cgroup && birth < s->mm[mm].births; birth++)
			CGR_TRY(push(b, &s->group[cgroup].resident, mm, birth));
	return 0;
}

/* ---- births and deaths ---- */
static bool swappable(uint32_t kind)
{
	return kind == CGR_CHARGE_ANON || kind == CGR_CHARGE_SHMEM;
}

static uint32_t mm_of(const struct builder *b, const struct cgr_event *e)
{
	bool own = e->task && !cgr_event_in_irq(e) && b->t[e->task].state != TASK_GONE;

	return own ? b->swap->leader[e->task] : 0;
}

static void die(struct swap_build *s, uint32_t mm, uint64_t pages)
{
	s->mm[mm].births -= (uint32_t)CGR_MIN(pages, (uint64_t)s->mm[mm].births);
}

int cgr_build_swap_charged(struct builder *b, const struct cgr_event *e, struct recent_add at)
{
	struct swap_build *s = b->swap;
	struct task_build *t = &b->t[e->task];
	bool cached = e->c == CGR_CHARGE_SWAPCACHE;

	t->anon.position = 0;
	t->swapped_in.position = 0;
	if (!s || (!swappable(e->c) && !cached) || e->a >= s->cgroups)
		return 0;
	struct swap_group *group = &s->group[e->a];
	uint32_t owner = mm_of(b, e);
	struct swap_mm *mm = &s->mm[owner];

	t->swapping = false;
	if (e->b == 1) {
		t->anon = at;
		t->fault.position = 0;
	}
	if (cached && e->b == 1 && !t->in_reclaim)
		return cgr_build_swap_in(b, e->task);
	mm->cgroup = (uint32_t)e->a;
	for (uint64_t i = 0; i < e->b && mm->births < UINT32_MAX; i++, mm->births++)
		if (group->active)
			CGR_TRY(push(b, &group->resident, owner, mm->births));
	return 0;
}

/* A page of a forked child whose parent has it in swap, or one that was in swap before the trace, is not known here:
 * its charge stays a birth. */
int cgr_build_swap_in(struct builder *b, uint32_t task)
{
	struct swap_build *s = b->swap;
	struct recent_add at = b->t[task].anon;
	struct swap_page page;

	b->t[task].anon.position = 0;
	if (!s || !at.position)
		return 0;
	struct cgr_op *op = &cgr_chunk_at(b->programs, at.chunk)->op[at.position - 1];
	struct swap_group *group = &s->group[op->c];
	uint32_t owner = s->leader[task];
	struct swap_mm *mm = &s->mm[owner];
	bool born = op->cause != CGR_CHARGE_SWAPCACHE;

	group->out = CGR_MAX(group->out - 1, (int64_t)0);
	b->programs->calibration.swapped_in++;
	op->cause = CGR_CHARGE_ANON;
	if (!pop(s, &mm->out, &page)) {
		if (born)
			return 0;
		mm->cgroup = op->c;
		return push(b, &group->resident, owner, mm->births++);
	}
	mm->out_count -= mm->out_count > 0;
	op->flags |= CGR_OPF_SWAPIN;
	b->t[task].swapped_in = at;
	op->b = page.birth;
	if (born)
		mm->births--;
	return push(b, &group->resident, owner, page.birth);
}

int cgr_build_swap_uncharged(struct builder *b, const struct cgr_event *e, uint64_t *ret_pages)
{
	struct swap_build *s = b->swap;
	const struct task_build *t = &b->t[e->task];
	bool reclaims = t->in_reclaim || t->swapping || b->task[e->task].kernel_thread;
	struct swap_page page;

	*ret_pages = e->b;
	if (!s || e->a >= s->cgroups || (!swappable(e->c) && e->c != CGR_CHARGE_SWAPCACHE && e->c != CGR_CHARGE_UNKNOWN))
		return 0;
	struct swap_group *group = &s->group[e->a];
	int64_t room = CGR_MAX(group->slots - group->out, (int64_t)0);
	int64_t left = reclaims ? CGR_MIN((int64_t)CGR_MIN(e->b, (uint64_t)INT32_MAX), room) : 0;

	group->out += left;
	b->programs->calibration.swapped_out += (uint64_t)left;
	*ret_pages -= (uint64_t)left;
	for (; left > 0 && pop(s, &group->resident, &page); left--) {
		CGR_TRY(push(b, &s->mm[page.mm].out, page.mm, page.birth));
		s->mm[page.mm].out_count++;
	}
	if (swappable(e->c))
		die(s, mm_of(b, e), *ret_pages);
	return 0;
}

/* Pages that were in swap only are freed with their slots: as many as are out and have no slot any more. */
static int die_in_swap(struct builder *b, const struct cgr_event *e, uint32_t cgroup, int64_t slots)
{
	struct swap_build *s = b->swap;
	struct swap_group *group = &s->group[cgroup];
	uint32_t owner = mm_of(b, e);
	struct swap_mm *mm = &s->mm[owner];
	struct cgr_op op = { .kind = CGR_OP_UNCHARGE, .cause = CGR_CHARGE_ANON, .c = cgroup };

	if (group->out > slots)
		op.a = (uint64_t)CGR_MIN(group->out - CGR_MAX(slots, (int64_t)0), (int64_t)CGR_MIN(mm->out_count, mm->births));
	group->out -= (int64_t)op.a;
	mm->out_count -= (uint32_t)op.a;
	die(s, owner, op.a);
	if (b->t[e->task].exiting)
		op.flags |= CGR_OPF_EXITING;
	return op.a ? cgr_build_context(b, e, &op) : 0;
}

int cgr_build_swap_slots(struct builder *b, const struct cgr_event *e, int64_t delta)
{
	struct swap_build *s = b->swap;

	if (!s || e->a >= s->cgroups)
		return 0;
	struct swap_group *group = &s->group[e->a];

	group->slots = CGR_MAX(group->slots + delta, (int64_t)0);
	if (delta > 0) {
		b->t[e->task].swapping = e->task && !cgr_event_in_irq(e);
		return activate(b, (uint32_t)e->a);
	}
	return mm_of(b, e) ? die_in_swap(b, e, (uint32_t)e->a, group->slots) : 0;
}

/* The slots a CPU has freed are given back in batches of 64 (mm/swap_slots.c), some of them after the exit or never. */
int cgr_build_swap_end(struct builder *b, const struct cgr_event *e)
{
	struct swap_build *s = b->swap;
	uint32_t owner = s ? s->leader[e->task] : 0;

	if (!s || !s->mm[owner].out_count)
		return 0;
	for (uint32_t i = 1; i < b->n_tasks; i++)
		if (i != e->task && s->leader[i] == owner && b->t[i].state != TASK_GONE && b->t[i].state != TASK_UNSEEN)
			return 0;
	return die_in_swap(b, e, s->mm[owner].cgroup, 0);
}
