/* Grids of what-ifs over one recording, replayed on all cores, delivered in order. */
#ifndef CGR_REPLAY_SWEEP_H
#define CGR_REPLAY_SWEEP_H

#include "replay/run.h"

/* One knob and the values it takes. */
struct cgr_axis {
	char *cgroup, *knob;
	char **value;
	size_t count;
};

/* "CGROUP:KNOB=A..B/N" (N values in equal steps), "A..B/xN" (equal ratios) or "A,B,C". CGR_E_USAGE when it is none. */
int cgr_axis_parse(const char *text, struct cgr_axis *axis, struct cgr_error *reterr);
void cgr_axis_fini(struct cgr_axis *axis); /* legal on zeroed */
/* Every combination, the last axis fastest, numbered by scenario.point. To free with cgr_scenarios_free. */
int cgr_sweep_scenarios(const struct cgr_scenario *base, const struct cgr_axis *axis, size_t axes,
                        struct cgr_scenario **ret_scenarios, size_t *ret_count, struct cgr_error *reterr);

struct cgr_sweep_options {
	uint32_t threads; /* 0 = all CPUs */
	const char *command;
	struct cgr_progress *progress;
	/* Called in the order of the scenarios, from the calling thread; a negative code stops the sweep. */
	int (*deliver)(void *data, const struct cgr_result *result, struct cgr_error *reterr);
	/* Already there from an earlier, killed sweep? NULL: nothing is. */
	bool (*have)(void *data, const char *name, const char *scenario_json);
	void *data;
};
int cgr_sweep_run(const struct cgr_store *store, const struct cgr_programs *programs,
                  const struct cgr_scenario *scenarios, size_t count, const struct cgr_sweep_options *options,
                  struct cgr_error *reterr);

#endif
