#ifndef CGR_REPLAY_PLAN_INTERNAL_H
#define CGR_REPLAY_PLAN_INTERNAL_H

#include "common/util.h"
#include "replay/plan.h"

/* Where a knob lives: the engine's table, or one of the models'. twin: the other spelling of the same thing
 * (cpu.shares and cpu.weight), which a setting overrides too. */
struct cgr_knob_ref {
	uint8_t domain;
	uint32_t index, twin_index;
	bool twin;
	const struct cgr_knob_desc *desc;
};

int cgr_knob_find(const struct cgr_whatif *plan, const char *name, struct cgr_knob_ref *ret_ref,
                  struct cgr_error *reterr);
int cgr_knob_parse(struct cgr_whatif *plan, const struct cgr_setting *setting, uint32_t cgroup,
                   const struct cgr_knob_ref *ref, int64_t v[2], struct cgr_error *reterr);
/* 1: v is set; 0: the sample says nothing of the knob; negative: out of memory. */
int cgr_knob_of_sample(struct cgr_whatif *plan, const struct cgr_store_sample *sample, const struct cgr_knob_desc *desc,
                       int64_t v[2], struct cgr_error *reterr);
/* The recorded value in force at a time; false if the recording has none. */
bool cgr_knob_recorded(const struct cgr_store *store, uint32_t cgroup, const struct cgr_knob_desc *desc, int64_t t_ns,
                       int64_t v[2]);
void cgr_knob_format(const struct cgr_whatif *plan, const struct cgr_knob_desc *desc, const int64_t v[2], char *out,
                     size_t size);
const struct cgr_knob_desc *cgr_knob_desc_of(const struct cgr_whatif *plan, uint8_t domain, uint32_t knob);

/* CGR_E_SCENARIO when the kernel would refuse this change beside what else holds at its time. */
int cgr_whatif_check(const struct cgr_whatif *plan, const struct cgr_knob_change *change, struct cgr_error *reterr);

#endif
