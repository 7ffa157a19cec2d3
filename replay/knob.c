/* Knob names, v1 and v2, and their values in kernel and container syntax. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/optparse.h"
#include "common/units.h"
#include "replay/plan_internal.h"

static const struct {
	const char *v1, *v2;
} alias[] = {
	{ "memory.limit_in_bytes", "memory.max" },
	{ "memory.max_usage_in_bytes", "memory.peak" },
	{ "memory.usage_in_bytes", "memory.current" },
	{ "cpu.cfs_quota_us", "cpu.max" },
	{ "cpu.cfs_period_us", "cpu.max" },
	{ "cpu.cfs_burst_us", "cpu.max.burst" },
	{ "cpuset.cpus.effective", "cpuset.cpus" },
	{ "memory.oom_control.oom_kill_disable", "memory.oom_kill_disable" },
	{ "cpu", "cpu.max" },
	{ "memory", "memory.max" },
	{ "CPUQuota", "cpu.max" },
	{ "MemoryMax", "memory.max" },
	{ "MemoryHigh", "memory.high" },
	{ "CPUWeight", "cpu.weight" },
};

const char *cgr_knob_canonical(const char *name)
{
	for (size_t i = 0; i < CGR_ARRAY_SIZE(alias); i++)
		if (!strcmp(alias[i].v1, name))
			return alias[i].v2;
	return name;
}

static bool look_up(const struct cgr_knob_desc *table, unsigned count, const char *name, uint32_t *ret_index)
{
	for (unsigned i = 0; i < count; i++)
		if (!strcmp(table[i].name, name)) {
			*ret_index = i;
			return true;
		}
	return false;
}

const struct cgr_knob_desc *cgr_knob_desc_of(const struct cgr_whatif *plan, uint8_t domain, uint32_t knob)
{
	if (domain == 0)
		return &cgr_engine_knobs[knob];
	return domain == CGR_DOMAIN_CPU ? &plan->cpu->head.knobs[knob] : &plan->memory->head.knobs[knob];
}

static int unknown(const struct cgr_whatif *plan, const char *name, struct cgr_error *reterr)
{
	const char *names[2 * CGR_LIMIT_MODEL_KNOBS + 8], *near;
	size_t count = 0;

	for (unsigned i = 0; i < cgr_engine_n_knobs; i++)
		names[count++] = cgr_engine_knobs[i].name;
	for (unsigned i = 0; i < plan->cpu->head.n_knobs; i++)
		names[count++] = plan->cpu->head.knobs[i].name;
	for (unsigned i = 0; plan->memory && i < plan->memory->head.n_knobs; i++)
		names[count++] = plan->memory->head.knobs[i].name;
	bool memory = !strncmp(name, "memory.", 7) || !strcmp(name, "memory");

	if (!plan->memory && memory && cgr_store_borrow_info(plan->store)->has_memcg_events)
		return cgr_error_set(reterr, CGR_E_SCENARIO,
		                     "memory stays as it was recorded (--memory recorded), so '%s' changes nothing: leave that "
		                     "model out, or the knob",
		                     name);
	if (!plan->memory && memory)
		return cgr_error_set(reterr, CGR_E_SCENARIO,
		                     "the recording holds no memory events, so '%s' cannot be simulated: record with "
		                     "--preset memory or full",
		                     name);
	near = cgr_did_you_mean(name, names, count);
	return cgr_error_set(reterr, CGR_E_SCENARIO,
	                     "models %s and %s have no knob '%s'%s%s%s; `cgreplay models` lists them", plan->cpu_name,
	                     plan->memory_name, name, near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
}

int cgr_knob_find(const struct cgr_whatif *plan, const char *given, struct cgr_knob_ref *ref, struct cgr_error *reterr)
{
	const char *name = cgr_knob_canonical(given);
	const struct cgr_model_head *cpu = &plan->cpu->head;

	*ref = (struct cgr_knob_ref){ 0 };
	if (look_up(cgr_engine_knobs, cgr_engine_n_knobs, name, &ref->index)) {
		ref->domain = 0;
	} else if (look_up(cpu->knobs, cpu->n_knobs, name, &ref->index)) {
		ref->domain = CGR_DOMAIN_CPU;
		if (!strcmp(name, "cpu.weight"))
			ref->twin = look_up(cpu->knobs, cpu->n_knobs, "cpu.shares", &ref->twin_index);
		else if (!strcmp(name, "cpu.shares"))
			ref->twin = look_up(cpu->knobs, cpu->n_knobs, "cpu.weight", &ref->twin_index);
	} else if (plan->memory && look_up(plan->memory->head.knobs, plan->memory->head.n_knobs, name, &ref->index)) {
		ref->domain = CGR_DOMAIN_MEMORY;
	} else {
		return unknown(plan, given, reterr);
	}
	ref->desc = cgr_knob_desc_of(plan, ref->domain, ref->index);
	return 0;
}

/* Whoever writes "0.5" or "2" means CPUs. */
static int not_a_quota(const char *text, struct cgr_error *reterr)
{
	return cgr_error_set(
	    reterr, CGR_E_SCENARIO,
	    "'%s' is no quota: write at least 1000 usec per period, e.g. '50000 100000', or half a CPU as 50%% "
	    "or 500m, two CPUs as 200%%, no limit as max",
	    text);
}

/* "50000 100000", "50000", "max", "max 100000"; "20%" of a CPU and "500m" as systemd and Kubernetes write them. */
static int parse_quota(const struct cgr_setting *s, int64_t v[2], struct cgr_error *reterr)
{
	char first[64], rest[64] = "", extra[2];
	int fields = sscanf(s->value, "%63s %63s %1s", first, rest, extra);
	size_t length = fields > 0 ? strlen(first) : 0;
	int64_t number;

	if (fields < 1 || fields > 2)
		return cgr_error_set(reterr, CGR_E_SCENARIO, "expected QUOTA PERIOD in usec, e.g. '50000 100000', or max");
	if (fields == 2)
		CGR_TRY(cgr_parse_int(rest, 1000, 1000000, &v[1], reterr));
	if (!strcmp(s->knob, "cpu.cfs_period_us")) {
		CGR_TRY(cgr_parse_int(first, 1000, 1000000, &v[1], reterr));
		return 0;
	}
	if (!strcmp(first, "max") || !strcmp(first, "-1") || !strcmp(first, "infinity")) {
		v[0] = CGR_UNLIMITED;
		return 0;
	}
	if (first[length - 1] == '%' || (first[length - 1] == 'm' && fields == 1)) {
		bool percent = first[length - 1] == '%';

		first[length - 1] = 0;
		CGR_TRY(cgr_parse_int(first, 1, 100000000, &number, reterr));
		v[0] = number * v[1] / (percent ? 100 : 1000);
	} else if (!strcmp(s->knob, "cpu")) { /* "1.5" CPUs */
		int64_t ns;

		if (cgr_parse_duration(first, &ns, reterr) < 0)
			return cgr_error_cause(reterr, "number of CPUs");
		v[0] = ns / 1000 * v[1] / 1000000;
	} else {
		if (cgr_parse_int(first, 1000, INT64_MAX / 1000, &v[0], NULL) < 0)
			return not_a_quota(first, reterr);
	}
	if (v[0] < 1000)
		return cgr_error_set(reterr, CGR_E_SCENARIO, "the kernel refuses a quota below 1000 usec (1 ms)");
	return 0;
}

/* A set of CPUs as a knob's value: the first 64 as a mask, and the number of the whole set. */
static int keep_cpulist(struct cgr_whatif *plan, const uint64_t *word, int64_t v[2], struct cgr_error *reterr)
{
	size_t i = 0;

	while (i < plan->cpulists && memcmp(plan->cpulist[i].word, word, sizeof plan->cpulist[i].word) != 0)
		i++;
	if (i == plan->cpulists) {
		CGR_TRY(cgr_grow((void **)&plan->cpulist, &plan->cpulist_capacity, i + 1, sizeof *plan->cpulist, reterr));
		memcpy(plan->cpulist[i].word, word, sizeof plan->cpulist[i].word);
		plan->cpulists++;
	}
	v[0] = (int64_t)word[0];
	v[1] = (int64_t)i;
	return 0;
}

static int parse_cpulist(struct cgr_whatif *plan, const char *text, int64_t v[2], struct cgr_error *reterr)
{
	uint64_t word[CGR_CPU_WORDS], all[CGR_CPU_WORDS];

	CGR_TRY(cgr_parse_cpulist(text, word, CGR_CPU_WORDS, reterr));
	cgr_cpus_fill(all, plan->cpus);
	if (!cgr_cpus_meet(word, all, cgr_cpus_words(plan->cpus)))
		return cgr_error_set(reterr, CGR_E_SCENARIO, "none of these CPUs exists: the replay has %u", plan->cpus);
	return keep_cpulist(plan, word, v, reterr);
}

int cgr_knob_parse(struct cgr_whatif *plan, const struct cgr_setting *s, uint32_t cgroup,
                   const struct cgr_knob_ref *ref, int64_t v[2], struct cgr_error *reterr)
{
	const struct cgr_knob_desc *desc = ref->desc;
	int rc = 0;

	v[0] = desc->fallback[0];
	v[1] = desc->fallback[1];
	cgr_knob_recorded(plan->store, cgroup, desc, s->t_ns, v);
	switch (desc->type) {
	case CGR_KNOB_BYTES:
		rc = cgr_parse_bytes(s->value, &v[0], reterr);
		v[1] = 0;
		break;
	case CGR_KNOB_INT:
		rc = cgr_parse_int(s->value, desc->minimum, desc->maximum, &v[0], reterr);
		v[1] = 0;
		break;
	case CGR_KNOB_QUOTA:
		rc = parse_quota(s, v, reterr);
		break;
	case CGR_KNOB_CPULIST:
		rc = parse_cpulist(plan, s->value, v, reterr);
		break;
	}
	if (rc < 0 && reterr)
		reterr->code = CGR_E_SCENARIO;
	return rc < 0 ? CGR_E_SCENARIO : 0;
}

int cgr_knob_of_sample(struct cgr_whatif *plan, const struct cgr_store_sample *sample, const struct cgr_knob_desc *desc,
                       int64_t v[2], struct cgr_error *reterr)
{
	v[0] = sample->value;
	v[1] = desc->type == CGR_KNOB_QUOTA ? sample->value2 : 0;
	if (desc->type == CGR_KNOB_CPULIST) {
		uint64_t word[CGR_LIMIT_CPUS / 64], any = 0;

		if (!sample->text || cgr_parse_cpulist(sample->text, word, CGR_ARRAY_SIZE(word), NULL) < 0)
			return 0;
		for (size_t i = 0; i < CGR_CPU_WORDS; i++)
			any |= word[i];
		if (!any)
			return 0;
		CGR_TRY(keep_cpulist(plan, word, v, reterr));
	}
	return 1;
}

bool cgr_knob_recorded(const struct cgr_store *store, uint32_t cgroup, const struct cgr_knob_desc *desc, int64_t t_ns,
                       int64_t v[2])
{
	int64_t value, value2;

	if (desc->type == CGR_KNOB_CPULIST || !cgr_store_knob_at(store, cgroup, desc->name, t_ns, &value, &value2))
		return false;
	v[0] = value;
	v[1] = desc->type == CGR_KNOB_QUOTA ? value2 : 0;
	return true;
}

/* Exact, so that it can be written to the file again and two limits close to each other stay two: the largest unit that
 * divides the value. */
static void format_exact_bytes(int64_t bytes, char *out, size_t size)
{
	static const char units[] = "KMGT";
	int unit = -1;

	while (unit < 3 && bytes && bytes % 1024 == 0) {
		bytes /= 1024;
		unit++;
	}
	if (unit < 0)
		snprintf(out, size, "%" PRId64, bytes);
	else
		snprintf(out, size, "%" PRId64 "%c", bytes, units[unit]);
}

void cgr_knob_format(const struct cgr_whatif *plan, const struct cgr_knob_desc *desc, const int64_t v[2], char *out,
                     size_t size)
{
	switch (desc->type) {
	case CGR_KNOB_BYTES:
		if (v[0] == CGR_UNLIMITED)
			snprintf(out, size, "max");
		else
			format_exact_bytes(v[0], out, size);
		break;
	case CGR_KNOB_QUOTA:
		if (v[0] == CGR_UNLIMITED)
			snprintf(out, size, "max");
		else
			snprintf(out, size, "%" PRId64 " %" PRId64, v[0], v[1]);
		break;
	case CGR_KNOB_CPULIST:
		cgr_format_cpulist(plan->cpulist[v[1]].word, CGR_CPU_WORDS, out, size);
		break;
	default:
		snprintf(out, size, "%" PRId64, v[0]);
		break;
	}
}
