#include "parser/hold.h"

#include <stdlib.h>
#include <string.h>

#include "common/util.h"

int cgr_hold_init(struct cgr_hold *hold,
                  int (*flush)(void *arg, const struct cgr_event *events, size_t count, struct cgr_error *reterr),
                  void *arg, struct cgr_error *reterr)
{
	*hold = (struct cgr_hold){ .flush = flush, .arg = arg, .capacity = CGR_HOLD_EVENTS };
	hold->event = cgr_calloc(hold->capacity, sizeof(*hold->event));
	if (hold->event == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	return CGR_OK;
}

void cgr_hold_fini(struct cgr_hold *hold)
{
	free(hold->event);
	hold->event = NULL;
}

int cgr_hold_drain(struct cgr_hold *hold, size_t keep, struct cgr_error *reterr)
{
	if (hold->count <= keep)
		return CGR_OK;
	size_t out = hold->count - keep;
	CGR_TRY(hold->flush(hold->arg, hold->event, out, reterr));
	memmove(hold->event, hold->event + out, keep * sizeof(*hold->event));
	hold->count = keep;
	hold->base += out;
	return CGR_OK;
}

static bool after(const struct cgr_event *a, const struct cgr_event *b)
{
	return a->ts_ns != b->ts_ns ? a->ts_ns > b->ts_ns : a->cpu > b->cpu;
}

int cgr_hold_insert(struct cgr_hold *hold, const struct cgr_event *event, uint64_t *ret_index, struct cgr_error *reterr)
{
	struct cgr_event *unused;

	CGR_TRY(cgr_hold_push(hold, &unused, reterr));
	size_t at = hold->count - 1;
	while (at > 0 && after(&hold->event[at - 1], event))
		at--;
	memmove(&hold->event[at + 1], &hold->event[at], (hold->count - 1 - at) * sizeof(*event));
	hold->event[at] = *event;
	if (at == 0 && hold->base > 0 && hold->count > 1)
		hold->event[0].ts_ns = CGR_MAX(event->ts_ns, hold->event[1].ts_ns);
	hold->inserts++;
	if (ret_index != NULL)
		*ret_index = hold->base + at;
	return CGR_OK;
}

struct cgr_event *cgr_hold_find(struct cgr_hold *hold, uint64_t index, uint64_t inserts, uint8_t kind, uint32_t task)
{
	uint64_t slack = hold->inserts - inserts;

	if (index + slack < hold->base)
		return NULL;
	/* Inserts before it push it back, moves from before it to behind it pull it forward. */
	size_t exact = index >= hold->base ? (size_t)(index - hold->base) : 0;
	if (slack == 0)
		return index >= hold->base && exact < hold->count && hold->event[exact].kind == kind &&
		               hold->event[exact].task == task
		           ? &hold->event[exact]
		           : NULL;
	size_t from = exact > slack ? exact - (size_t)slack : 0;
	size_t to = (size_t)CGR_MIN(index + slack - hold->base + 1, (uint64_t)hold->count);
	for (size_t i = from; i < to; i++)
		if (hold->event[i].kind == kind && hold->event[i].task == task)
			return &hold->event[i];
	return NULL;
}

int cgr_hold_move(struct cgr_hold *hold, struct cgr_event *event, uint64_t ts_ns, struct cgr_error *reterr)
{
	struct cgr_event copy = *event;
	size_t at = (size_t)(event - hold->event);

	memmove(event, event + 1, (hold->count - 1 - at) * sizeof(*event));
	hold->count--;
	copy.ts_ns = ts_ns;
	return cgr_hold_insert(hold, &copy, NULL, reterr);
}
