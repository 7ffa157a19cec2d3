/* What the kernel would refuse although each value alone is fine. */
#include <string.h>

#include "common/units.h"
#include "replay/plan_internal.h"

#define MEMORY "memory.max"
#define MEMSW "memory.memsw.limit_in_bytes"

static const char *name_of(const struct cgr_whatif *plan, const struct cgr_knob_change *c)
{
	return cgr_knob_desc_of(plan, c->domain, c->knob)->name;
}

/* The value a knob has when everything said up to a time is done; the changes stand in order of time. */
static int64_t value_at(const struct cgr_whatif *plan, uint32_t cgroup, const char *name, int64_t t_ns)
{
	int64_t value = CGR_UNLIMITED;

	for (size_t i = 0; i < plan->knobs && plan->knob[i].t_ns <= t_ns; i++)
		if (plan->knob[i].cgroup == cgroup && !strcmp(name_of(plan, &plan->knob[i]), name))
			value = plan->knob[i].v[0];
	return value;
}

/* mem_cgroup_resize_max: memory may not be given more than memory and swap together, whichever file is written. Which
 * of two written at once comes first is up to whoever writes them, so only what stands afterwards counts. */
static int check_memsw(const struct cgr_whatif *plan, const struct cgr_knob_change *c, struct cgr_error *reterr)
{
	int64_t memory = value_at(plan, c->cgroup, MEMORY, c->t_ns), memsw = value_at(plan, c->cgroup, MEMSW, c->t_ns);
	char a[32], b[32];

	if (memory <= memsw)
		return 0;
	return cgr_error_set(reterr, CGR_E_SCENARIO,
	                     "%s would be above %s (%s against %s), which the kernel refuses with EINVAL: set both", MEMORY,
	                     MEMSW, cgr_format_bytes(memory, a, sizeof a), cgr_format_bytes(memsw, b, sizeof b));
}

int cgr_whatif_check(const struct cgr_whatif *plan, const struct cgr_knob_change *c, struct cgr_error *reterr)
{
	const char *name = name_of(plan, c);

	if (!strcmp(name, MEMORY) || !strcmp(name, MEMSW))
		return check_memsw(plan, c, reterr);
	return 0;
}
