#include "replay/heap.h"

#include <stdlib.h>
#include <string.h>

#include "common/error.h"
#include "common/util.h"

int cgr_heap_reserve(struct cgr_heap *heap, size_t slots)
{
	size_t old = heap->slots;
	void *grown;

	if (slots <= old)
		return 0;
	slots = CGR_MAX(slots, old * 2);
	grown = realloc(heap->position, slots * sizeof *heap->position);
	if (!grown)
		return CGR_E_NOMEM;
	heap->position = grown;
	memset(heap->position + old, 0, (slots - old) * sizeof *heap->position);
	grown = realloc(heap->entry, slots * sizeof *heap->entry);
	if (!grown)
		return CGR_E_NOMEM;
	heap->entry = grown;
	heap->slots = slots;
	return 0;
}

int cgr_heap_init(struct cgr_heap *heap, size_t slots)
{
	*heap = (struct cgr_heap){ 0 };
	return cgr_heap_reserve(heap, slots ? slots : 1);
}

void cgr_heap_fini(struct cgr_heap *heap)
{
	free(heap->entry);
	free(heap->position);
	*heap = (struct cgr_heap){ 0 };
}

static inline bool before(const struct cgr_heap_entry *a, const struct cgr_heap_entry *b)
{
	return a->time_ns != b->time_ns ? a->time_ns < b->time_ns : a->order < b->order;
}

static void place(struct cgr_heap *heap, size_t at, struct cgr_heap_entry entry)
{
	heap->entry[at] = entry;
	heap->position[entry.slot] = (uint32_t)at + 1;
}

/* Not into an open place at the top: whoever fills that looks below. */
static void sift_up(struct cgr_heap *heap, size_t at, struct cgr_heap_entry entry)
{
	while (at > (heap->open ? 2u : 0u)) {
		size_t parent = (at - 1) / 2;

		if (!before(&entry, &heap->entry[parent]))
			break;
		place(heap, at, heap->entry[parent]);
		at = parent;
	}
	place(heap, at, entry);
}

static void sift_down(struct cgr_heap *heap, size_t at, struct cgr_heap_entry entry)
{
	for (;;) {
		size_t child = 2 * at + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count && before(&heap->entry[child + 1], &heap->entry[child]))
			child++;
		if (!before(&heap->entry[child], &entry))
			break;
		place(heap, at, heap->entry[child]);
		at = child;
	}
	place(heap, at, entry);
}

void cgr_heap_settle(struct cgr_heap *heap)
{
	while (heap->open || (heap->count && heap->entry[0].dead)) {
		struct cgr_heap_entry last = heap->entry[--heap->count];

		if (!heap->open)
			heap->position[heap->entry[0].slot] = 0;
		heap->open = false;
		if (heap->count)
			sift_down(heap, 0, last);
	}
}

void cgr_heap_arm(struct cgr_heap *heap, uint32_t slot, uint64_t time_ns)
{
	struct cgr_heap_entry entry = { .time_ns = time_ns, .order = heap->order++, .slot = slot };
	uint32_t position = heap->position[slot];

	if (position && before(&entry, &heap->entry[position - 1])) {
		sift_up(heap, position - 1, entry);
	} else if (position) {
		sift_down(heap, position - 1, entry);
	} else if (heap->open) {
		heap->open = false;
		sift_down(heap, 0, entry);
	} else {
		sift_up(heap, heap->count++, entry);
	}
}
