/* A result made by hand for the tests of the printers: one service squeezed from 512M to 256M, a bystander, and names
 * that try to break out of whatever prints them. */
#ifndef CGR_TESTS_RESULT_FIXTURE_H
#define CGR_TESTS_RESULT_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/units.h"
#include "common/util.h"
#include "store/result.h"

#define FIXTURE_HOSTILE "</script><img src=x onerror=alert(1)>"
#define FIXTURE_MIB (1024 * 1024)

static void *fixture_array(size_t count, size_t size)
{
	void *array = cgr_calloc(count, size);
	if (!array)
		abort();
	return array;
}

static void fixture_desc(struct cgr_result *r, size_t i, const char *name, const char *unit, const char *help,
                         int worse)
{
	r->metric_desc[i] =
	    (struct cgr_result_metric_desc){ cgr_strdup(name), cgr_strdup(unit), cgr_strdup(help), worse, 10000 };
}

static void fixture_metric(struct cgr_result *r, uint32_t cgroup, uint32_t metric, int64_t recorded, int64_t predicted,
                           int64_t low, int64_t high, enum cgr_class class)
{
	r->metric[r->metrics++] =
	    (struct cgr_result_metric){ cgroup,    metric, recorded >= 0, class, recorded >= 0 ? recorded : 0,
		                            predicted, low,    high };
}

static void fixture_metrics(struct cgr_result *r, int64_t limit_mib)
{
	int64_t mib = FIXTURE_MIB, refaults = limit_mib >= 412 ? 118 : 118 + (412 - limit_mib) * 130;
	int64_t peak = CGR_MIN(limit_mib, 412) * mib;
	r->metric_descs = 6;
	r->metric_desc = fixture_array(r->metric_descs, sizeof *r->metric_desc);
	fixture_desc(r, 0, "memory.peak", "bytes", "highest memory.current", 1);
	fixture_desc(r, 1, "memory.events.oom_kill", "count", "processes killed in the subtree", 1);
	fixture_desc(r, 2, "memory.stat.workingset_refault_file", "count", "file pages read again after their reclaim", 1);
	fixture_desc(r, 3, "cpu.stat.usage_usec", "usec", "CPU time", 0);
	fixture_desc(r, 4, "cpu.stat.nr_throttled", "count", "periods in which the quota ran out", 1);
	fixture_desc(r, 5, "cpu.stat.throttled_usec", "usec", "time throttled, over all CPUs", 1);
	r->metric = fixture_array(r->cgroups * r->metric_descs, sizeof *r->metric);
	fixture_metric(r, 0, 0, 700 * mib, 700 * mib - 412 * mib + peak, peak, 700 * mib, CGR_CLASS_EXACT);
	fixture_metric(r, 1, 0, 412 * mib, peak, peak, peak, CGR_CLASS_EXACT);
	fixture_metric(r, 1, 1, 0, limit_mib < 64, limit_mib < 64, limit_mib < 96, CGR_CLASS_EXACT);
	fixture_metric(r, 1, 2, 118, refaults, refaults * 98 / 100, refaults * 103 / 100, CGR_CLASS_BOUNDED);
	fixture_metric(r, 1, 3, 21000000, 21100000, 21050000, 21200000, CGR_CLASS_BOUNDED);
	fixture_metric(r, 1, 4, 0, 214, 209, 220, CGR_CLASS_BOUNDED);
	fixture_metric(r, 1, 5, 0, 7300000, 7100000, 7500000, CGR_CLASS_BOUNDED);
	fixture_metric(r, 2, 0, 90 * mib, 90 * mib, 90 * mib, 90 * mib, CGR_CLASS_EXACT);
	fixture_metric(r, 2, 3, 9000000, 9100000, 9000000, 9200000, CGR_CLASS_BOUNDED);
	fixture_metric(r, 3, 0, 33 * mib, 33 * mib, 33 * mib, CGR_UNLIMITED, CGR_CLASS_EXTRAPOLATED);
	fixture_metric(r, 3, 3, -1, 40, 40, 40, CGR_CLASS_BOUNDED);
}

static int64_t fixture_wave(size_t i, int64_t scale)
{
	/* a saw on a ramp, the same on every machine */
	return scale * (int64_t)(i % 97) / 97 + scale * (int64_t)(i % 13) / 40;
}

static void fixture_series(struct cgr_result *r, uint32_t cgroup, const char *name, bool recorded, size_t count,
                           int64_t from, int64_t to, int64_t noise)
{
	struct cgr_result_series *s = &r->series[r->series_count++];
	*s = (struct cgr_result_series){ .cgroup = cgroup,
		                             .name = cgr_strdup(name),
		                             .recorded = recorded,
		                             .count = count,
		                             .t_usec = fixture_array(count, 8),
		                             .value = fixture_array(count, 8) };
	for (size_t i = 0; i < count; i++) {
		int64_t done = (int64_t)i;
		s->t_usec[i] = r->duration_usec * done / (int64_t)count;
		s->value[i] =
		    from == CGR_UNLIMITED ? from : from + (to - from) * done / (int64_t)count + fixture_wave(i, noise);
	}
}

static void fixture_all_series(struct cgr_result *r, int64_t limit_mib)
{
	int64_t mib = FIXTURE_MIB, peak = CGR_MIN(limit_mib, 412) * mib;
	r->series = fixture_array(16, sizeof *r->series);
	fixture_series(r, 1, "memory.current", true, 600, 20 * mib, 380 * mib, 24 * mib);
	fixture_series(r, 1, "memory.current", false, 20000, 20 * mib, peak - 10 * mib, 7 * mib);
	fixture_series(r, 1, "memory.max", true, 1, 512 * mib, 512 * mib, 0);
	fixture_series(r, 1, "memory.max", false, 1, limit_mib * mib, limit_mib * mib, 0);
	fixture_series(r, 1, "memory.stat.anon", false, 2000, 10 * mib, peak / 2, 4 * mib);
	fixture_series(r, 1, "cpu.usage", true, 600, 300000, 380000, 90000);
	fixture_series(r, 1, "cpu.usage", false, 600, 290000, 350000, 110000);
	fixture_series(r, 1, "cpu.max", true, 1, CGR_UNLIMITED, 0, 0);
	fixture_series(r, 1, "cpu.max", false, 1, 500000, 500000, 0);
	fixture_series(r, 1, "memory.stat.workingset_refault_file", true, 60, 0, 118, 0);
	fixture_series(r, 1, "memory.stat.workingset_refault_file", false, 600, 0, 20400, 0);
	fixture_series(r, 1, "cpu.stat.throttled_usec", false, 600, 0, 7300000, 0);
	fixture_series(r, 2, "memory.current", true, 600, 80 * mib, 90 * mib, mib);
	fixture_series(r, 2, "cpu.stat.usage_usec", false, 600, 0, 9100000, 0);
}

static void fixture_tasks(struct cgr_result *r)
{
	r->tasks = 4;
	r->task = fixture_array(r->tasks, sizeof *r->task);
	for (size_t i = 0; i < r->tasks; i++) {
		struct cgr_result_task *t = &r->task[i];
		*t = (struct cgr_result_task){ .tid = 100 + (int32_t)i,
			                           .cgroup = i < 3 ? 1 : 3,
			                           .start_usec = (int64_t)i * 1000,
			                           .end_usec = i == 0 ? 43100000 : -1,
			                           .recorded_end_usec = i == 0 ? 41200000 : -1,
			                           .runtime_usec = 7000000,
			                           .recorded_runtime_usec = 7000000,
			                           .wait_usec = 20000,
			                           .throttled_usec = 2000000 };
		t->comm = cgr_strdup(i == 3 ? "=cmd\x1b[31m\xff" : i == 0 ? "redis-server" : "worker");
		for (unsigned j = 0; j < 4000; j++) {
			cgr_histogram_add(&t->recorded_wakeup_latency, 3 + j % 37 + (j % 100 == 0 ? 900u : 0u));
			cgr_histogram_add(&t->wakeup_latency, 4 + j % 61 + (j % 40 == 0 ? 20000 + j * 7 : 0u));
		}
	}
}

/* A working set of 300 MiB: misses fall evenly to that size, the first look-ups stay. Under a hostile name too. */
static void fixture_curves(struct cgr_result *r)
{
	static const uint32_t cgroup[] = { 1, 3 };
	r->curves = CGR_ARRAY_SIZE(cgroup);
	r->curve = fixture_array(r->curves, sizeof *r->curve);
	for (size_t i = 0; i < r->curves; i++) {
		struct cgr_result_curve *c = &r->curve[i];
		*c = (struct cgr_result_curve){ .cgroup = cgroup[i], .accesses = 1000000, .pages = 300 * 256, .count = 31 };
		c->size_bytes = fixture_array(c->count, sizeof *c->size_bytes);
		c->misses = fixture_array(c->count, sizeof *c->misses);
		for (size_t k = 0; k < c->count; k++) {
			c->size_bytes[k] = (int64_t)k * 10 * FIXTURE_MIB;
			c->misses[k] = 1000000 - (int64_t)k * 30000;
		}
	}
}

static void fixture_decisions(struct cgr_result *r, int64_t limit_mib)
{
	size_t throttles = 214;
	r->decision = fixture_array(2 * throttles + 2, sizeof *r->decision);
	for (size_t i = 0; i < throttles; i++) {
		int64_t from = r->duration_usec * (int64_t)(i + 1) / (int64_t)(throttles + 2);
		struct cgr_result_decision one = { from, NULL, 1, -1, NULL, (int64_t)(i % 2) };
		one.kind = cgr_strdup("throttle");
		r->decision[r->decisions++] = one;
		one.kind = cgr_strdup("unthrottle");
		one.t_usec += 34000;
		r->decision[r->decisions++] = one;
	}
	if (limit_mib < 64)
		r->decision[r->decisions++] = (struct cgr_result_decision){
			r->duration_usec - 100000, cgr_strdup("oom_kill"), 1, 102, cgr_strdup("worker"), 16000
		};
}

static void fixture_spans(struct cgr_result *r)
{
	r->spans = 4000;
	r->span = fixture_array(r->spans, sizeof *r->span);
	for (size_t i = 0; i < r->spans; i++) {
		int64_t from = (int64_t)i * 2500000;
		r->span[i] = (struct cgr_result_span){ from, from + 1200000 + (int64_t)(i % 7) * 150000, (uint32_t)(i % 4),
			                                   (uint16_t)(i % 2), (uint8_t)(i % 11 == 0 ? 2 : i % 3 == 0) };
	}
}

static void fixture_fidelity(struct cgr_result *r)
{
	static const struct cgr_result_fidelity rows[] = {
		{ 1, 0, 432013312, 432013312, 432013312, 432013312 }, { 1, 2, 118, 119, 117, 121 },
		{ 1, 3, 21000000, 21090000, 21000000, 21100000 },     { 2, 0, 94371840, 94371840, 94371840, 94371840 },
		{ 2, 3, 9000000, 9700000, 9600000, 9800000 },
	};
	r->fidelities = CGR_ARRAY_SIZE(rows);
	r->fidelity = fixture_array(r->fidelities, sizeof *r->fidelity);
	memcpy(r->fidelity, rows, sizeof rows);
}

static struct cgr_result *fixture_result(int64_t limit_mib)
{
	struct cgr_result *r = cgr_result_new();
	if (!r)
		abort();
	r->name = cgr_printf("memory.max=%lldM", (long long)limit_mib);
	r->scenario_json = cgr_printf("{\"set\":{\"/web\":{\"memory.max\":\"%lldM\"}}}", (long long)limit_mib);
	r->memory_model = cgr_strdup("memcg");
	r->reclaim_model = cgr_strdup("lru2");
	r->cpu_model = cgr_strdup("eevdf");
	r->tool_version = cgr_strdup("0.1.0");
	r->source_path = cgr_strdup("web.dat");
	r->source_digest = cgr_strdup("4be1c0ffee");
	r->kernel_release = cgr_strdup("6.18.44");
	r->command = cgr_printf("cgreplay replay web.db --set '/web:memory.max=%lldM' -o runs.db", (long long)limit_mib);
	r->seed = 1;
	r->seeds = 9;
	r->cpus = r->recorded_cpus = 2;
	r->duration_usec = r->replayed_usec = 60000000;
	r->events = 1900000;
	r->cgroups = 4;
	r->cgroup_path = fixture_array(4, sizeof *r->cgroup_path);
	r->cgroup_path[0] = cgr_strdup("/");
	r->cgroup_path[1] = cgr_strdup("/web");
	r->cgroup_path[2] = cgr_strdup("/batch");
	r->cgroup_path[3] = cgr_strdup("/web/" FIXTURE_HOSTILE);
	r->changes = 1;
	r->change = fixture_array(1, sizeof *r->change);
	r->change[0] = (struct cgr_result_change){ cgr_strdup("/web"), cgr_strdup("memory.max"), cgr_strdup("512M"),
		                                       cgr_printf("%lldM", (long long)limit_mib), 0 };
	r->quality = (struct cgr_result_quality){ 0, 1200000, 40000, 12, 3, 4000 };
	fixture_metrics(r, limit_mib);
	fixture_all_series(r, limit_mib);
	fixture_curves(r);
	fixture_tasks(r);
	fixture_decisions(r, limit_mib);
	fixture_spans(r);
	fixture_fidelity(r);
	return r;
}

#endif
