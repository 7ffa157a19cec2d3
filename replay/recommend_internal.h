#ifndef CGR_REPLAY_RECOMMEND_INTERNAL_H
#define CGR_REPLAY_RECOMMEND_INTERNAL_H

#include "replay/recommend.h"

/* What is judged of one requirement at one limit: its figure at the bad and at the good end of what may happen. */
struct cgr_figure {
	int64_t worst, best; /* INT64_MAX = never */
	int64_t baseline; /* what a relative requirement is relative to */
	enum cgr_class class;
};
/* Both results with seed_value, of the same number of seeds. CGR_E_SCENARIO for an unknown metric. */
int cgr_figure_make(const struct cgr_store *store, const struct cgr_result *result, const struct cgr_result *baseline,
                    uint32_t cgroup, const struct cgr_requirement *requirement, struct cgr_figure *ret_figure,
                    struct cgr_error *reterr);
bool cgr_figure_holds(const struct cgr_requirement *requirement, int64_t figure, int64_t baseline);
/* The cgroup's metric, NULL if there is none; ret_known: the models have one of that name. */
const struct cgr_result_metric *cgr_figure_metric(const struct cgr_result *result, uint32_t cgroup, const char *name,
                                                  bool *ret_known);

#endif
