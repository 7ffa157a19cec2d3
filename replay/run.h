/* From a recording and a scenario to a result: several seeds, the recorded limits beside the asked ones. */
#ifndef CGR_REPLAY_RUN_H
#define CGR_REPLAY_RUN_H

#include "common/progress.h"
#include "replay/compile.h"
#include "replay/plan.h"
#include "replay/scenario.h"
#include "store/result.h"

struct cgr_run_options {
	uint32_t threads; /* 0 = as many as the machine has CPUs */
	bool fidelity; /* replay the recorded limits too and compare with the recorded counters */
	bool with_recorder; /* the recorder's own CPU time is part of the replay too (verify) */
	bool series; /* keep the metrics over time of the first seed beside the recorded ones: charts are made of them */
	bool spans; /* keep the simulated schedule of the first seed */
	bool seed_values; /* keep what each seed said of each metric */
	bool curves; /* read the recording once more: its miss-ratio curves, its memory between the samples */
	const char *command; /* how to make this result again, NULL unknown */
	struct cgr_progress *progress;
};

/* *ret_result is the caller's. Errors as of cgr_whatif_make and cgr_engine_run; CGR_E_INTERNAL when a model's own
 * invariants broke. */
int cgr_replay(const struct cgr_store *store, const struct cgr_programs *programs, const struct cgr_scenario *scenario,
               const struct cgr_run_options *options, struct cgr_result **ret_result, struct cgr_error *reterr);

/* Canonical JSON text of the effective scenario, as the result carries it. The caller frees. */
int cgr_scenario_key(const struct cgr_store *store, const struct cgr_scenario *scenario, char **ret_json,
                     struct cgr_error *reterr);

#endif
