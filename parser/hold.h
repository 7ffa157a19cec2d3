/* The last events before they go to the store, in order: long enough that what later evidence settles (the size of a
 * charge, the moment a task came onto a CPU where sched_switch is silent) can still be written at its place. */
#ifndef CGR_PARSER_HOLD_H
#define CGR_PARSER_HOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/event.h"

struct cgr_hold {
	struct cgr_event *event;
	size_t count, capacity;
	uint64_t base; /* index since the start of event[0] */
	uint64_t inserts; /* ever made: an event pushed at index i stands at most (inserts since then) later */
	int (*flush)(void *arg, const struct cgr_event *events, size_t count, struct cgr_error *reterr);
	void *arg;
};

#define CGR_HOLD_EVENTS 32768u

int cgr_hold_init(struct cgr_hold *hold,
                  int (*flush)(void *arg, const struct cgr_event *events, size_t count, struct cgr_error *reterr),
                  void *arg, struct cgr_error *reterr);
void cgr_hold_fini(struct cgr_hold *hold);
/* Passes on the older half; called by push when full. */
int cgr_hold_drain(struct cgr_hold *hold, size_t keep, struct cgr_error *reterr);

/* Appends; *ret_event is valid until the next call on the hold. */
static inline int cgr_hold_push(struct cgr_hold *hold, struct cgr_event **ret_event, struct cgr_error *reterr)
{
	if (__builtin_expect(hold->count == hold->capacity, 0))
		CGR_TRY(cgr_hold_drain(hold, hold->capacity / 2, reterr));
	*ret_event = &hold->event[hold->count++];
	return CGR_OK;
}

/* Puts an event at its place by (time, cpu); when that is gone already, at the oldest place left, and its time is
 * raised to fit. *ret_index (may be NULL): its index since the start. */
int cgr_hold_insert(struct cgr_hold *hold, const struct cgr_event *event, uint64_t *ret_index,
                    struct cgr_error *reterr);
/* The event pushed or inserted at index when `inserts` had been made, recognised by kind and task; NULL when it has
 * been passed on. */
struct cgr_event *cgr_hold_find(struct cgr_hold *hold, uint64_t index, uint64_t inserts, uint8_t kind, uint32_t task);
/* Moves an event (found by cgr_hold_find) to another time. */
int cgr_hold_move(struct cgr_hold *hold, struct cgr_event *event, uint64_t ts_ns, struct cgr_error *reterr);

#endif
