/* Where the periods of a limit begin. The timer that refills a group's time fires on a grid of its own: multiples of
 * the period before 6.3, shifted by a lot drawn for each group since (init_cfs_bandwidth). Nothing tells the grid; but
 * whom it lets go runs again right after it fires, so the ends of throttled times come at one place of the period.
 * Those that another task's unused time ended (the slack timer) lie elsewhere. */
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "replay/compile_internal.h"

#define SPREAD_NS 300000u /* from the timer to the switch: interrupt, unthrottle, an idle CPU that wakes up */
#define ENDS_MIN 4u /* fewer in one place may be chance */

/* The period a group was limited by through the whole recording, 0 if there was none or more than one. */
static uint64_t period_of(const struct builder *b, uint32_t cgroup)
{
	size_t count;
	const struct cgr_store_sample *knob = cgr_store_borrow_knobs(b->store, &count);
	int64_t period_usec = 0;

	for (size_t i = 0; i < count; i++) {
		if (knob[i].cgroup != cgroup || strcmp(cgr_store_borrow_name(b->store, knob[i].name), "cpu.max") != 0)
			continue;
		if (knob[i].value2 < 1000 || knob[i].value2 > 1000000 || (period_usec && period_usec != knob[i].value2))
			return 0;
		period_usec = knob[i].value2;
	}
	return (uint64_t)period_usec * 1000;
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* The place in the period after which most ends follow within SPREAD_NS, if that is most of all; else -1. */
static int64_t densest(uint64_t *at, size_t count, uint64_t period_ns)
{
	size_t best = 0, first = 0;

	qsort(at, count, sizeof *at, by_value);
	for (size_t i = 0, end = 0; i < count; i++) {
		while (end < i + count && (end < count ? at[end] : at[end - count] + period_ns) <= at[i] + SPREAD_NS)
			end++;
		if (end - i > best) {
			best = end - i;
			first = i;
		}
	}
	return best >= ENDS_MIN && best * 2 > count ? (int64_t)at[first] : -1;
}

static int note_phase(struct builder *b, const struct cgr_store_throttle *span, size_t count, uint64_t *at)
{
	struct cgr_programs *p = b->programs;
	uint64_t period_ns = period_of(b, span->cgroup);
	int64_t phase_ns;

	if (!period_ns)
		return 0;
	for (size_t i = 0; i < count; i++)
		at[i] = (uint64_t)span[i].to_ns % period_ns;
	phase_ns = densest(at, count, period_ns);
	if (phase_ns < 0)
		return 0;
	CGR_TRY(cgr_grow((void **)&p->phase, &p->phase_capacity, p->phases + 1, sizeof *p->phase, b->error));
	p->phase[p->phases++] =
	    (struct cgr_period_phase){ .cgroup = span->cgroup, .period_ns = period_ns, .phase_ns = (uint64_t)phase_ns };
	return 0;
}

int cgr_build_judge_phases(struct builder *b)
{
	struct cgr_store_throttle *span = NULL;
	size_t count = 0, end;
	uint64_t *at;
	int rc = 0;

	if (!b->has_quota)
		return 0;
	CGR_TRY(cgr_store_load_throttles(b->store, &span, &count, b->error));
	at = cgr_calloc(count ? count : 1, sizeof *at);
	if (!at)
		rc = cgr_error_set(b->error, CGR_E_NOMEM, "ends of %zu throttled times", count);
	for (size_t i = 0; i < count && rc >= 0; i = end) {
		for (end = i; end < count && span[end].cgroup == span[i].cgroup;)
			end++;
		rc = note_phase(b, span + i, end - i, at);
	}
	free(at);
	free(span);
	return rc;
}
