/* The function tracer as a source: it tells that a kernel function was called, when, on which CPU and in whose context,
 * but none of its arguments. */
#ifndef CGR_CAPTURE_FUNCTIONS_H
#define CGR_CAPTURE_FUNCTIONS_H

#include "capture/instance.h"
#include "capture/plan.h"
#include "common/error.h"

/* Whether this kernel can trace all these (blank-separated) functions; CGR_E_UNAVAILABLE says why not. Changes nothing.
 */
int cgr_functions_check(const char *tracefs, const char *functions, struct cgr_error *reterr);
/* Switches the tracer on for the functions of the plan, in our instance only. Without any it does nothing. */
int cgr_functions_trace(struct cgr_instance *instance, const struct cgr_plan *plan, struct cgr_error *reterr);

#endif
