/* The result of a replay in memory: names of classes, birth and death. */
#include "store/result.h"

#include <stdlib.h>

#include "common/util.h"

const char *cgr_class_name(enum cgr_class class)
{
	static const char *const name[] = { "exact", "bounded", "extrapolated" };

	return (unsigned)class < CGR_ARRAY_SIZE(name) ? name[class] : "extrapolated";
}

struct cgr_result *cgr_result_new(void)
{
	return cgr_calloc(1, sizeof(struct cgr_result));
}

static void free_texts(struct cgr_result *r)
{
	free(r->name);
	free(r->scenario_json);
	free(r->memory_model);
	free(r->cpu_model);
	free(r->reclaim_model);
	free(r->tool_version);
	free(r->source_path);
	free(r->source_digest);
	free(r->kernel_release);
	free(r->command);
	for (size_t i = 0; i < r->cgroups; i++)
		free(r->cgroup_path[i]);
	free(r->cgroup_path);
}

static void free_metrics(struct cgr_result *r)
{
	for (size_t i = 0; i < r->metric_descs; i++) {
		free(r->metric_desc[i].name);
		free(r->metric_desc[i].unit);
		free(r->metric_desc[i].help);
	}
	free(r->metric_desc);
	free(r->metric);
	free(r->seed_value);
	for (size_t i = 0; i < r->series_count; i++) {
		free(r->series[i].name);
		free(r->series[i].t_usec);
		free(r->series[i].value);
	}
	free(r->series);
}

struct cgr_result *cgr_result_free(struct cgr_result *r)
{
	if (r == NULL)
		return NULL;
	free_texts(r);
	free_metrics(r);
	for (size_t i = 0; i < r->tasks; i++) {
		free(r->task[i].comm);
		cgr_histogram_fini(&r->task[i].wakeup_latency);
		cgr_histogram_fini(&r->task[i].recorded_wakeup_latency);
	}
	free(r->task);
	for (size_t i = 0; i < r->decisions; i++) {
		free(r->decision[i].kind);
		free(r->decision[i].comm);
	}
	free(r->decision);
	free(r->fidelity);
	free(r->span);
	for (size_t i = 0; i < r->changes; i++) {
		free(r->change[i].cgroup);
		free(r->change[i].knob);
		free(r->change[i].from);
		free(r->change[i].to);
	}
	free(r->change);
	for (size_t i = 0; i < r->curves; i++) {
		free(r->curve[i].size_bytes);
		free(r->curve[i].misses);
	}
	free(r->curve);
	for (size_t i = 0; i < r->latencies; i++) {
		cgr_histogram_fini(&r->latency[i].half[0]);
		cgr_histogram_fini(&r->latency[i].half[1]);
	}
	free(r->latency);
	free(r);
	return NULL;
}
