/* Curves over runs that differ in one knob of one cgroup: what `sweep` left in a results store. */
#ifndef CGR_REPORTS_SWEEP_H
#define CGR_REPORTS_SWEEP_H

#include "common/util.h"
#include "store/result.h"

/* The knob's number in the text of a change: bytes for memory.*, ppm of one CPU for cpu.max ("quota period"), else the
 * integer. False when it is not a number; "max" gives CGR_UNLIMITED. */
bool cgr_sweep_value(const char *knob, const char *text, int64_t *ret_value);

/* Where a curve bends most: the index of the point farthest from the chord between its ends, both axes scaled to
 * 0..1 (the idea of "Kneedle", Satopaa et al. 2011). x strictly ascending. SIZE_MAX for fewer than 3 points or a
 * curve that does not bend. */
size_t cgr_sweep_knee(const int64_t *x, const int64_t *y, size_t count);

/* JSON list of sweeps found in the runs, safe inside <script>: [{"cgroup","knob","x":[...],"run":[...],
 * "recommended":index|null,"requirements":[...],"fixed":["CGROUP KNOB = VALUE",...],
 * "curves":[{"cgroup","metric","unit","worse","y":[...],"low":[...],"high":[...],"knee":index|null}]}]
 */
void cgr_sweep_json(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count);

#endif
