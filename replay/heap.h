/* The engine's calendar: an indexed binary heap. Every source of events (a CPU's run, tick and resched; a task's wake;
 * a model's timer) has one fixed slot, so re-arming moves an entry instead of leaving a stale one behind.
 * Order is total: time, then the order of arming.
 * What is due is taken off the top, and what it does next mostly arms something: so the place at the top is left open
 * until something is armed (which sifts down from there, once) or somebody looks.
 * What is disarmed is mostly armed again for much the same time, as the tick of a CPU that was idle for a moment: so it
 * keeps its place, dead, until it is armed again or comes to the top. */
#ifndef CGR_REPLAY_HEAP_H
#define CGR_REPLAY_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgr_heap_entry {
	uint64_t time_ns, order;
	uint32_t slot;
	bool dead;
};
struct cgr_heap {
	struct cgr_heap_entry *entry;
	uint32_t *position; /* by slot: index in entry + 1, 0 = not there */
	size_t count, slots; /* an open place and dead entries count */
	uint64_t order;
	bool open; /* entry[0] has been taken and not been filled */
};

int cgr_heap_init(struct cgr_heap *heap, size_t slots); /* 0 or CGR_E_NOMEM */
int cgr_heap_reserve(struct cgr_heap *heap, size_t slots);
void cgr_heap_fini(struct cgr_heap *heap);
/* Arms or re-arms; legal for any reserved slot. */
void cgr_heap_arm(struct cgr_heap *heap, uint32_t slot, uint64_t time_ns);
static inline bool cgr_heap_armed(const struct cgr_heap *heap, uint32_t slot)
{
	uint32_t position = heap->position[slot];

	return position && !heap->entry[position - 1].dead;
}
static inline void cgr_heap_disarm(struct cgr_heap *heap, uint32_t slot)
{
	uint32_t position = heap->position[slot];

	if (position)
		heap->entry[position - 1].dead = true;
}
void cgr_heap_settle(struct cgr_heap *heap); /* fills the open place, clears what is dead at the top */
/* The earliest entry, borrowed until the next call; NULL if nothing is armed. */
static inline const struct cgr_heap_entry *cgr_heap_top(struct cgr_heap *heap)
{
	if (heap->open || (heap->count && heap->entry[0].dead))
		cgr_heap_settle(heap);
	return heap->count ? &heap->entry[0] : NULL;
}
/* Disarms what cgr_heap_top returned. */
static inline void cgr_heap_take(struct cgr_heap *heap)
{
	heap->position[heap->entry[0].slot] = 0;
	heap->open = true;
}

#endif
