/* Synthetic recordings for the tests of the store: a small machine with tasks that run, block and wake each other,
 * charge memory and read files. Deterministic; made event by event, so any size costs constant memory. */
#ifndef TESTS_STORE_SYNTHETIC_H
#define TESTS_STORE_SYNTHETIC_H

#include "common/event.h"
#include "common/util.h"
#include "store/writer.h"

#define SYNTHETIC_CPUS 4u
#define SYNTHETIC_TASKS 40u /* ids 1..40 */

struct synthetic {
	struct cgr_rng rng;
	uint64_t now_ns;
	uint32_t current[SYNTHETIC_CPUS];
	bool runnable[SYNTHETIC_TASKS + 1];
	bool sched_only;
	uint64_t timer;
};

static inline void synthetic_init(struct synthetic *s, uint64_t seed, bool sched_only)
{
	*s = (struct synthetic){ .sched_only = sched_only };
	cgr_rng_init(&s->rng, seed);
}

static inline struct cgr_event synthetic_event(struct synthetic *s, unsigned kind, uint32_t cpu)
{
	s->now_ns += 200 + cgr_rng_below(&s->rng, 4000);
	return (
	    struct cgr_event){ .ts_ns = s->now_ns, .task = s->current[cpu], .cpu = (uint16_t)cpu, .kind = (uint8_t)kind };
}

static inline size_t synthetic_wake(struct synthetic *s, struct cgr_event *out, uint32_t cpu, uint32_t task)
{
	for (unsigned i = 0; i < 2; i++) {
		out[i] = synthetic_event(s, i == 0 ? CGR_EV_WAKING : CGR_EV_WAKEUP, cpu);
		out[i].c = task;
		out[i].d = cpu | 120u << 16;
		out[i].flags = CGR_EVF_HARDIRQ;
	}
	s->runnable[task] = true;
	return 2;
}

static inline size_t synthetic_switch(struct synthetic *s, struct cgr_event *out, uint32_t cpu, uint32_t next)
{
	uint32_t prev = s->current[cpu];
	size_t n = 0;

	if (prev != 0) {
		out[n] = synthetic_event(s, CGR_EV_RUNTIME, cpu);
		out[n].a = 1000 + cgr_rng_below(&s->rng, 300000);
		out[n++].c = prev;
	}
	out[n] = synthetic_event(s, CGR_EV_SWITCH, cpu);
	out[n].a = prev != 0 && cgr_rng_below(&s->rng, 4) == 0 ? 0 : prev != 0;
	out[n].c = next;
	out[n].d = 120u | 120u << 16;
	if (prev != 0)
		s->runnable[prev] = out[n].a == 0;
	if (next != 0)
		s->runnable[next] = false;
	s->current[cpu] = next;
	return n + 1;
}

static inline size_t synthetic_memory(struct synthetic *s, struct cgr_event *out, uint32_t cpu)
{
	static const unsigned kinds[] = { CGR_EV_CHARGE,      CGR_EV_UNCHARGE,        CGR_EV_CACHE_ADD,
		                              CGR_EV_CACHE_READ,  CGR_EV_CACHE_DELETE,    CGR_EV_HRTIMER_START,
		                              CGR_EV_PAGE_FAULT,  CGR_EV_MEM_STAT,        CGR_EV_RECLAIM_BEGIN,
		                              CGR_EV_RECLAIM_END, CGR_EV_SHRINK_INACTIVE, CGR_EV_OTHER,
		                              CGR_EV_FORK,        CGR_EV_CGROUP_ATTACH,   CGR_EV_THROTTLE,
		                              CGR_EV_OOM_VICTIM };
	unsigned kind = kinds[cgr_rng_below(&s->rng, cgr_rng_below(&s->rng, 20) == 0 ? CGR_ARRAY_SIZE(kinds) : 4)];

	*out = synthetic_event(s, kind, cpu);
	out->a =
	    kind == CGR_EV_HRTIMER_START ? s->now_ns + 50000 + cgr_rng_below(&s->rng, 1000) : cgr_rng_below(&s->rng, 3);
	out->b = kind == CGR_EV_HRTIMER_START ? 0xffff888000000000ull + 64 * cgr_rng_below(&s->rng, 30)
	                                      : 1 + cgr_rng_below(&s->rng, 8);
	out->c = 1 + (uint32_t)cgr_rng_below(&s->rng, 3);
	out->d = kind == CGR_EV_CACHE_ADD ? CGR_ID_NONE : (uint32_t)cgr_rng_below(&s->rng, 2);
	if (kind == CGR_EV_MEM_STAT)
		out->b = (uint64_t)((int64_t)cgr_rng_below(&s->rng, 64) - 32);
	return 1;
}

/* Fills up to 4 events; returns how many. */
static inline size_t synthetic_step(struct synthetic *s, struct cgr_event out[4])
{
	uint32_t cpu = (uint32_t)cgr_rng_below(&s->rng, SYNTHETIC_CPUS);
	uint32_t task = 1 + (uint32_t)cgr_rng_below(&s->rng, SYNTHETIC_TASKS);

	if (!s->sched_only && cgr_rng_below(&s->rng, 2) == 0)
		return synthetic_memory(s, out, cpu);
	if (task == s->current[0] || task == s->current[1] || task == s->current[2] || task == s->current[3])
		return synthetic_switch(s, out, cpu, 0);
	if (!s->runnable[task])
		return synthetic_wake(s, out, cpu, task);
	return synthetic_switch(s, out, cpu, task);
}

/* The tables that the events above refer to. */
static inline int synthetic_tables(struct cgr_writer *w, struct cgr_error *err)
{
	struct cgr_store_info info = { .kernel_release = "6.18.44",
		                           .kernel_version = 6u << 16 | 18 << 8 | 44,
		                           .hz = 250,
		                           .clock = "mono",
		                           .tool_version = "test",
		                           .source_path = "synthetic",
		                           .source_digest = "00",
		                           .online_cpus = SYNTHETIC_CPUS,
		                           .cgroup_version = 1,
		                           .swappiness = 60 };
	static const char *const path[] = { "/web", "/web/a", "/db" };
	struct cgr_store_css_set set = { 0, 0, 0, 0 };
	uint32_t id;

	CGR_TRY(cgr_writer_set_info(w, &info, err));
	CGR_TRY(cgr_writer_add_hierarchy(w, 2, 1, "cpu,cpuacct", err));
	CGR_TRY(cgr_writer_add_hierarchy(w, 5, 1, "memory", err));
	for (unsigned i = 0; i < CGR_ARRAY_SIZE(path); i++) {
		struct cgr_store_cgroup c = { .path = path[i],
			                          .parent = i == 1 ? 1 : 0,
			                          .born_ns = -1,
			                          .removed_ns = INT64_MAX,
			                          .released_ns = INT64_MAX,
			                          .has_memory = true,
			                          .has_cpu = true,
			                          .recorded = true };

		CGR_TRY(cgr_writer_add_cgroup(w, &c, &id, err));
		CGR_TRY(cgr_writer_add_cgroup_dir(w, id, 5, 100 + id, -1, INT64_MAX, INT64_MAX, err));
		CGR_TRY(cgr_writer_add_knob(w, id, "memory.max", 0, 512 << 20, 0, "536870912", "start", NULL, err));
		CGR_TRY(cgr_writer_add_knob(w, id, "cpu.max", 0, 50000, 100000, "50000 100000", "start", NULL, err));
		CGR_TRY(cgr_writer_add_counter(w, id, "memory.current", 0, 1 << 20, "start", err));
		CGR_TRY(cgr_writer_add_counter(w, id, "memory.current", 1000000, 2 << 20, "end", err));
		/* a controller directory made while recording: first seen by the sampler */
		CGR_TRY(cgr_writer_add_counter(w, id, "cpu.stat.usage_usec", 500000, 76276, "sample", err));
		CGR_TRY(cgr_writer_add_counter(w, id, "cpu.stat.usage_usec", 1000000, 90000, "end", err));
	}
	for (uint32_t cgroup = 0; cgroup < 4; cgroup++) {
		struct cgr_writer_link links[2] = { { 2, cgroup }, { 5, cgroup } };

		set.cpu_cgroup = set.memory_cgroup = cgroup;
		set.cpuset_cgroup = set.default_cgroup = CGR_ID_NONE;
		CGR_TRY(cgr_writer_add_css_set(w, &set, links, 2, &id, err));
	}
	for (uint32_t i = 1; i <= SYNTHETIC_TASKS; i++) {
		char comm[16];
		struct cgr_store_task t = { .tid = 1000 + (int32_t)i,
			                        .tgid = 1000 + (int32_t)i,
			                        .start_ns = -1,
			                        .end_ns = INT64_MAX,
			                        .parent = CGR_ID_NONE,
			                        .css_set = i % 4,
			                        .prio = 120,
			                        .policy = 0 };

		(void)snprintf(comm, sizeof(comm), "task%u", i);
		t.comm = comm;
		CGR_TRY(cgr_writer_add_task(w, &t, &id, err));
	}
	for (uint32_t i = 0; i < 3; i++)
		CGR_TRY(cgr_writer_add_file(w, 8, 100 + i, i == 0 ? "/var/log/x" : NULL, &id, err));
	for (unsigned i = 0; i < 2; i++) { /* events of kind other name row 1 or 2, or none */
		static const char json[] = "{\"name\":\"lo\",\"len\":52}";
		uint64_t row;

		CGR_TRY(cgr_writer_add_fields(w, json, sizeof(json) - 1, &row, err));
	}
	return cgr_writer_add_format(w, 1, "net", "netif_rx", err);
}

static inline int synthetic_events(struct cgr_writer *w, struct synthetic *s, uint64_t count, struct cgr_error *err)
{
	struct cgr_event batch[4];

	for (uint64_t done = 0; done < count;) {
		size_t n = synthetic_step(s, batch);

		CGR_TRY(cgr_writer_append(w, batch, n, err));
		done += n;
	}
	return 0;
}

#endif
