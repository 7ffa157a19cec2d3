/* What one event of each kind costs on this machine, measured in a few milliseconds each before a recording starts. */
#ifndef CGR_CAPTURE_CALIBRATE_H
#define CGR_CAPTURE_CALIBRATE_H

#include <jansson.h>

#include "capture/instance.h"
#include "capture/kinds.h"
#include "capture/plan.h"

/* [{"event": "sched:sched_switch", "ns": 210, "loop_ns": 1830, "events": 1200}, ...] for the planned events a short
 * loop can provoke; the rest is left to the reader, who takes the mean. "loop_ns" is how long the loop took per event.
 * "events" is what all those of its loop together put into the ring. Of an event that a filter rejects {"rejected":
 * "memcg:mod_memcg_lruvec_state", "ns": 130}. The events must be off; filters must be set afterwards, and the ring is
 * empty again. The same in *ret_cost.
 */
json_t *cgr_calibrate(struct cgr_instance *instance, const struct cgr_plan *plan, struct cgr_cost *ret_cost);

#endif
