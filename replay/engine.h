/* The discrete-event engine: runs the programs of a recording on simulated CPUs under a set of models. One call is one
 * seed; calls with different outputs may run in parallel on the same programs. */
#ifndef CGR_REPLAY_ENGINE_H
#define CGR_REPLAY_ENGINE_H

#include "common/cpulist.h"
#include "common/histogram.h"
#include "model/model.h"
#include "model/reclaim.h"
#include "replay/program.h"
#include "store/result.h"
#include "store/store.h"

/* A knob takes a value at a time; sorted by t_ns, ties in order. */
struct cgr_knob_change {
	int64_t t_ns;
	uint32_t cgroup;
	uint8_t domain; /* enum cgr_domain; 0 = the engine's own knobs (enum cgr_engine_knob) */
	uint32_t knob; /* index into the model's (or engine's) table */
	uint32_t order; /* in which it was said: of two changes of one knob at one time the later one holds */
	int64_t v[2];
};
/* Sets of CPUs that settings name: v[1] of a knob of type CGR_KNOB_CPULIST is an index among them. */
struct cgr_cpulist {
	uint64_t word[CGR_CPU_WORDS];
};
extern const struct cgr_knob_desc cgr_engine_knobs[];
extern const unsigned cgr_engine_n_knobs;

struct cgr_engine_config {
	const struct cgr_store *store;
	const struct cgr_programs *programs;
	const struct cgr_cpu_ops *cpu;
	const struct cgr_memory_ops *memory; /* NULL: memory is not simulated */
	const struct cgr_reclaim_ops *reclaim; /* NULL with memory NULL */
	const int64_t *cpu_param, *memory_param, *reclaim_param;
	const struct cgr_knob_change *knob;
	size_t knobs;
	const struct cgr_knob_change *own; /* knobs of the recorded run, which another run does not have */
	size_t owns;
	const struct cgr_cpulist *cpulist;
	uint32_t cpus; /* simulated CPUs */
	uint64_t seed;
	/* another run of the same programs on the same machine: */
	bool other_run; /* ticks of another phase */
	int32_t speed_ppm; /* CPU times of work are longer by so much */
	int32_t switch_ns; /* and by so much for every time a task went to sleep and came back */
	int32_t wake_percent; /* an idle CPU takes longer to wake up by so much */
	uint64_t cold_ns; /* what cold caches cost after a throttle */
	int32_t price_permille; /* where prices stand in the range the recording leaves open: -1000 cheapest, 0 usual */
	bool until_done, open_loop;
	bool without_recorder; /* the recorder's own threads cost no CPU time */
	bool keep_series, keep_spans;
	uint64_t sample_ns;
	size_t spans_max;
};

/* Metrics of the engine itself, beside the models' tables. */
enum cgr_engine_metric {
	CGR_EM_USAGE,
	CGR_EM_COMPLETION,
	CGR_EM_WAIT,
	CGR_EM_CPU_SOME,
	CGR_EM_CPU_FULL,
	CGR_EM_MEMORY_SOME,
	CGR_EM_MEMORY_FULL,
	CGR_EM_WAKE_P50,
	CGR_EM_WAKE_P95,
	CGR_EM_WAKE_P99,
	CGR_EM_WAKE_MAX,
	CGR_EM_THROTTLED_SHARE,
	CGR_EM_COUNT
};
extern const struct cgr_metric_desc cgr_engine_metrics[CGR_EM_COUNT];

struct cgr_bound {
	bool set;
	int class;
	int64_t low, high;
};
struct cgr_metric_block { /* metrics of one table: value[metric * cgroups + cgroup] */
	const struct cgr_metric_desc *desc;
	unsigned count;
	int64_t *value;
	struct cgr_bound *bound;
};
enum { CGR_BLOCK_ENGINE, CGR_BLOCK_CPU, CGR_BLOCK_MEMORY, CGR_BLOCK_COUNT };

struct cgr_task_output {
	int64_t start_ns, end_ns; /* -1: did not start / not exit */
	uint64_t run_ns, wait_ns, throttled_ns;
	uint32_t cgroup; /* CPU cgroup at the end */
	bool killed;
	struct cgr_histogram latency; /* usec */
};
struct cgr_decision_output {
	int64_t t_ns;
	const char *kind;
	uint32_t cgroup, task;
	int64_t value;
};
struct cgr_series_output { /* one sampled column of one cgroup */
	uint8_t block;
	uint16_t metric;
	uint32_t cgroup;
	int64_t *value; /* one per sample time */
};
struct cgr_engine_output {
	uint32_t cgroups, tasks;
	struct cgr_metric_block block[CGR_BLOCK_COUNT];
	struct cgr_task_output *task;
	struct cgr_decision_output *decision;
	size_t decisions, decision_capacity;
	int64_t *sample_ns;
	size_t samples, sample_capacity;
	struct cgr_series_output *series;
	size_t series_count;
	struct cgr_result_span *span;
	size_t spans, span_capacity;
	uint64_t steps, switches, blocks, unexplained_blocks, violations, extrapolated_run_ns;
	uint64_t *extrapolated; /* by cgroup: CPU ns run beyond the recorded program */
	int64_t unexplained_ns, end_ns;
	bool reads_device; /* the recording holds waits for pages: what a device and the host's cache do differs by the day
	                    */
	const char *broken; /* what self_check said, NULL if the invariants hold */
};

/* Runs to the end. The caller frees the output with cgr_engine_output_fini, also after an error. */
int cgr_engine_run(const struct cgr_engine_config *config, struct cgr_engine_output *output, struct cgr_error *reterr);
void cgr_engine_output_fini(struct cgr_engine_output *output);

#endif
