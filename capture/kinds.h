/* Which kinds of events fill the ring, from a sample of its pages: what calibration knows per kind becomes the cost of
 * a recording. */
#ifndef CGR_CAPTURE_KINDS_H
#define CGR_CAPTURE_KINDS_H

#include <stddef.h>
#include <stdint.h>

#define CGR_KINDS 4096u /* ids of trace events; the kernel hands them out from 1 upward */

struct cgr_kinds {
	uint32_t seen[CGR_KINDS];
};
/* Counts the events of one page as the kernel laid it out. */
void cgr_kinds_count(struct cgr_kinds *kinds, const uint8_t *page, uint32_t page_bytes);

#define CGR_COST_KINDS 16u

/* What an event takes from the program in whose context it happens. */
struct cgr_cost {
	struct {
		int id;
		int64_t ns;
	} kind[CGR_COST_KINDS];
	size_t count; /* 0: not measured */
};
/* Mean cost of the counted events in ps; kinds that were not measured count as the mean of the others. 0 when nothing
 * was measured. */
int64_t cgr_cost_mean_ps(const struct cgr_cost *cost, const struct cgr_kinds *kinds, size_t count);

#endif
