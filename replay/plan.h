/* A scenario applied to a recording: models chosen, parameters read, every knob of every cgroup at every time. */
#ifndef CGR_REPLAY_PLAN_H
#define CGR_REPLAY_PLAN_H

#include "replay/engine.h"
#include "replay/scenario.h"

struct cgr_whatif_change {
	uint32_t cgroup;
	char *knob, *from, *to;
	int64_t t_usec;
};
struct cgr_whatif {
	const struct cgr_store *store;
	const struct cgr_cpu_ops *cpu;
	const struct cgr_memory_ops *memory; /* NULL: nothing to simulate (no memory events, or "recorded") */
	const struct cgr_reclaim_ops *reclaim;
	const char *cpu_name, *memory_name, *reclaim_name;
	int64_t *cpu_param, *memory_param, *reclaim_param;
	struct cgr_knob_change *knob;
	size_t knobs, knob_capacity;
	struct cgr_whatif_change *change; /* what differs from the recording, for people */
	size_t changes, change_capacity;
	struct cgr_knob_change *own; /* what holds in the recorded run alone: another run draws its own */
	size_t owns, own_capacity;
	struct cgr_cpulist *cpulist; /* sets of CPUs that knobs name */
	size_t cpulists, cpulist_capacity;
	bool changed; /* anything at all differs from the recording: knobs, CPUs or models */
	uint32_t cpus;
	uint64_t seed;
	uint32_t seeds;
	bool until_done, open_loop;
	bool plays_back; /* the CPU model plays back the recorded schedule */
};

#define CGR_SEEDS_DEFAULT 9u

/* CGR_E_SCENARIO names the setting's place and what is known instead. */
int cgr_whatif_make(const struct cgr_store *store, const struct cgr_scenario *scenario, struct cgr_whatif *ret_plan,
                    struct cgr_error *reterr);
/* What the programs tell about the machine takes the place of parameters that were left to the recording (-1). */
void cgr_whatif_learn(struct cgr_whatif *plan, const struct cgr_programs *programs);
/* The grids of bandwidth timers that the recording shows and the what-if leaves as they were. */
int cgr_whatif_phases(struct cgr_whatif *plan, const struct cgr_programs *programs, struct cgr_error *reterr);
void cgr_whatif_fini(struct cgr_whatif *plan);
/* What each cgroup effectively gets, one line per cgroup, knob and time (--explain). The caller frees with free(). */
char *cgr_whatif_explain(const struct cgr_whatif *plan);
/* Default model names for a recording's kernel: "eevdf" from 6.6, else "cfs"; "mglru" if it was on, else "lru2". */
const char *cgr_whatif_default_cpu(const struct cgr_store_info *info);
const char *cgr_whatif_default_reclaim(const struct cgr_store_info *info);
/* Canonical (v2) name of a knob or metric given by its v1 or v2 name. */
const char *cgr_knob_canonical(const char *name);

#endif
