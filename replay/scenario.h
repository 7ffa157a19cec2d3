/* A what-if as a person states it: which knobs take which values, when, under which models. Text only; what it means
 * for a recording is worked out by plan.h. */
#ifndef CGR_REPLAY_SCENARIO_H
#define CGR_REPLAY_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct cgr_setting {
	char *cgroup; /* path, part of a path, container name, or glob */
	char *knob; /* kernel file name, v1 names included, or cpu / memory as containers write them */
	char *value; /* text as it would be written to the file */
	int64_t t_ns; /* 0 = from the start */
	char *where; /* "--set" or "file:line:col", for messages */
};
struct cgr_scenario {
	char *name;
	char *where; /* "file:line:col", for messages; NULL: from the command line */
	struct cgr_setting *setting;
	size_t settings, capacity;
	char **param; /* "model.name=value" */
	size_t params, param_capacity;
	char *cpu_model, *memory_model, *reclaim_model; /* NULL: the recording's kernel picks */
	int64_t cpus; /* 0 = as recorded */
	uint64_t seed;
	uint32_t seeds; /* 0 = default */
	bool until_done, open_loop;
	int64_t point; /* its place in a sweep, -1 in none */
};

/* The caller frees what _init and _copy made with _fini (legal on zeroed). */
int cgr_scenario_init(struct cgr_scenario *scenario, const char *name, struct cgr_error *reterr);
int cgr_scenario_copy(struct cgr_scenario *to, const struct cgr_scenario *from, struct cgr_error *reterr);
void cgr_scenario_fini(struct cgr_scenario *scenario);
int cgr_scenario_add(struct cgr_scenario *scenario, const char *cgroup, const char *knob, const char *value,
                     int64_t t_ns, const char *where, struct cgr_error *reterr);
/* "CGROUP:KNOB=VALUE" or "CGROUP:KNOB=VALUE@TIME". CGR_E_USAGE with the expected form. */
int cgr_scenario_set(struct cgr_scenario *scenario, const char *text, struct cgr_error *reterr);
/* "MODEL.PARAM=VALUE" */
int cgr_scenario_param(struct cgr_scenario *scenario, const char *text, struct cgr_error *reterr);

#endif
