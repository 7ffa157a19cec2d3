#ifndef CGR_REPLAY_RUN_INTERNAL_H
#define CGR_REPLAY_RUN_INTERNAL_H

#include "common/util.h"
#include "replay/run.h"

/* One finished set of seeds of one plan. */
struct cgr_seed_set {
	const struct cgr_whatif *plan;
	struct cgr_engine_output *output;
	uint32_t count;
};
struct cgr_spread {
	int64_t median, low, high;
	enum cgr_class class;
};

/* Median and range of a metric over the seeds, widened by what the model says of its own uncertainty. */
struct cgr_spread cgr_seeds_spread(const struct cgr_seed_set *set, unsigned block, unsigned metric, uint32_t cgroup);
/* r->seed_value: the same metrics as r->metric, seed by seed. */
int cgr_result_seed_values(struct cgr_result *r, const struct cgr_seed_set *set, struct cgr_error *reterr);
/* What the recording's counters say of a metric; false if they do not. */
bool cgr_recorded_metric(const struct cgr_store *store, const struct cgr_programs *programs,
                         const struct cgr_engine_output *output, unsigned block, unsigned metric, uint32_t cgroup,
                         int64_t *ret_value);
int cgr_result_series(struct cgr_result *r, const struct cgr_store *store, const struct cgr_seed_set *asked,
                      struct cgr_error *reterr);
/* Recorded memory.current from sample to sample as the recorded charges went, where they were recorded. */
int cgr_result_recorded_memory(struct cgr_result *r, const struct cgr_store *store, const struct cgr_engine_output *out,
                               struct cgr_error *reterr);
/* How often the recorded look-ups of cached pages would miss in a cache of each size. */
int cgr_result_curves(struct cgr_result *r, const struct cgr_store *store, struct cgr_error *reterr);
int cgr_result_assemble(const struct cgr_store *store, const struct cgr_programs *programs,
                        const struct cgr_scenario *scenario, const struct cgr_seed_set *asked,
                        const struct cgr_seed_set *baseline /* count 0: none */, const struct cgr_run_options *options,
                        struct cgr_result **ret_result, struct cgr_error *reterr);

#endif
