/* On which CPUs a task may run, as far as that is known: what its affinity was when the recording began, and where it
 * has been put since. Children inherit it. A program that is about to start may have been given another (taskset), and
 * so may a task that moves to another cgroup: then nothing is known but where it is. */
#include <jansson.h>

#include "common/cpulist.h"
#include "common/units.h"
#include "replay/compile_internal.h"

static bool parse(const char *text, uint64_t set[CGR_CPU_WORDS])
{
	return text && cgr_parse_cpulist(text, set, CGR_CPU_WORDS, NULL) == 0;
}

/* Which CPUs share their last cache (sd_llc), by the first of them. */
static void know_caches(struct builder *b)
{
	const char *text = cgr_store_borrow_meta(b->store, "facts.cpus");
	json_t *cpus = text ? json_loads(text, 0, NULL) : NULL, *one;
	uint64_t set[CGR_CPU_WORDS];
	size_t i;

	for (uint32_t cpu = 0; cpu < b->n_cpus; cpu++)
		b->cpu[cpu].cache = CGR_ID_NONE;
	json_array_foreach(json_object_get(cpus, "list"), i, one)
	{
		json_int_t cpu = json_integer_value(json_object_get(one, "cpu"));

		if (cpu < 0 || cpu >= b->n_cpus || !parse(json_string_value(json_object_get(one, "llc")), set))
			continue;
		for (uint32_t other = CGR_CPU_WORDS * 64; other-- > 0;)
			if (cgr_cpus_has(set, other))
				b->cpu[cpu].cache = other;
	}
	json_decref(cpus);
}

void cgr_build_know_cpus(struct builder *b)
{
	uint64_t set[CGR_CPU_WORDS];

	know_caches(b);
	for (uint32_t i = 1; i < b->n_tasks; i++)
		if (parse(b->task[i].cpus_allowed, set))
			b->t[i].cpus = set[0];
}

void cgr_build_note_put(struct builder *b, uint32_t task, uint32_t cpu)
{
	b->t[task].cpus |= cpu < 64 ? 1ull << cpu : 0; /* of CPUs beyond nothing is learnt */
}

void cgr_build_note_born(struct builder *b, uint32_t task)
{
	uint32_t parent = b->task[task].parent;

	if (parent != CGR_ID_NONE && parent < b->n_tasks)
		b->t[task].cpus |= b->t[parent].cpus;
}

void cgr_build_forget_cpus(struct builder *b, uint32_t task)
{
	b->t[task].cpus = 0;
	cgr_build_note_put(b, task, b->t[task].cpu);
}

bool cgr_build_may_run(const struct builder *b, uint32_t task, uint32_t cpu)
{
	return cpu < 64 && b->t[task].cpus >> cpu & 1;
}

bool cgr_build_share_cache(const struct builder *b, uint32_t cpu, uint32_t other)
{
	return b->cpu[cpu].cache != CGR_ID_NONE && b->cpu[cpu].cache == b->cpu[other].cache;
}
