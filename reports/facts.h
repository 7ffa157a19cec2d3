/* What the printers and the verdict read out of a result, computed in one place so that the table, the page and the
 * checks never disagree. Nothing here prints. */
#ifndef CGR_REPORTS_FACTS_H
#define CGR_REPORTS_FACTS_H

#include "common/histogram.h"
#include "common/util.h"
#include "store/result.h"

/* Metric of a cgroup by name, borrowed; NULL when the result has none. */
const struct cgr_result_metric *cgr_facts_metric(const struct cgr_result *result, uint32_t cgroup, const char *name);
/* Index of a path; CGR_ID_NONE when unknown. */
uint32_t cgr_facts_cgroup(const struct cgr_result *result, const char *path);
/* True for path itself and for everything below it. */
bool cgr_facts_below(const char *path, const char *ancestor);
/* True when a change of the scenario names this cgroup. */
bool cgr_facts_changed(const struct cgr_result *result, uint32_t cgroup);
/* True when the scenario changes the cgroup or one above or below it, or when it changes the whole machine. */
bool cgr_facts_concerned(const struct cgr_result *result, uint32_t cgroup);

/* When the last task of the subtree that ends in the recording ended there, and when the same tasks end in the replay:
 * the engine's metric completion_usec with its interval where the result has it, else read from the tasks. False when
 * nothing of it ended in the recording. predicted_usec is -1 when one of them never ends. */
#define CGR_FACTS_COMPLETION "completion_usec"
struct cgr_facts_completion {
	int64_t recorded_usec, predicted_usec, low_usec, high_usec;
	enum cgr_class class;
};
bool cgr_facts_completion(const struct cgr_result *result, uint32_t cgroup, struct cgr_facts_completion *ret);

/* Wake-up latencies of all tasks of the subtree, merged. Caller calls cgr_histogram_fini on both. */
int cgr_facts_latency(const struct cgr_result *result, uint32_t cgroup, struct cgr_histogram *ret_recorded,
                      struct cgr_histogram *ret_predicted);

#define CGR_FACTS_GOAL_PPM 20000 /* 2 %: what the models claim at the recorded limits */
struct cgr_facts_fidelity {
	size_t counters; /* compared: those that are not 0 on both sides */
	size_t good; /* within the goal, one count, or their own interval */
	size_t worst; /* index into fidelity[] of the largest error among the counters that are not good; when all are, of
	               * the largest error at all; SIZE_MAX when there is none */
	int64_t worst_ppm;
	int64_t reached_ppm; /* smallest of 1 %, 2 %, 5 %, 10 %, 25 %, 50 % that all counters keep; -1: none */
};
void cgr_facts_fidelity(const struct cgr_result *result, struct cgr_facts_fidelity *ret);
/* |replayed - recorded| / recorded in millionths, recorded at least 1; at most 10^12. */
int64_t cgr_facts_error_ppm(int64_t recorded, int64_t replayed);
/* How far a recorded value itself may be off when it was read, in its unit. */
int64_t cgr_facts_reading_error(const struct cgr_result *result, const struct cgr_result_fidelity *fidelity);
/* Does this counter keep the goal (2 %, what its reading cannot tell apart, or the interval the models gave)? */
bool cgr_facts_good(const struct cgr_result *result, const struct cgr_result_fidelity *fidelity);
/* False when the recording itself has nothing to hold predictions against (a trace.dat or perf.data of others). */
bool cgr_facts_has_counters(const struct cgr_result *result);
/* "counters within 1 %", or which of them are off and by how much: the sentence behind "at the recorded limits". Plain
 * text; facts->counters > 0. */
void cgr_facts_fidelity_words(const struct cgr_result *result, const struct cgr_facts_fidelity *facts,
                              struct cgr_strbuf *out);

/* True when recorded and predicted differ by more than the metric's tolerance, the interval leaves the recorded value
 * out, and the prediction is not what the same models give at the recorded limits. *ret_worse: +1 worse, -1 better, 0
 * neutral or no difference. */
bool cgr_facts_differs(const struct cgr_result *result, const struct cgr_result_metric *metric, int *ret_worse);

/* A limit as it was at the start of the recording and as the run has it at its end, of the cgroup itself; CGR_UNLIMITED
 * where there is none. */
void cgr_facts_limit(const struct cgr_result *result, uint32_t cgroup, const char *knob, int64_t *ret_recorded,
                     int64_t *ret_asked);
/* part / whole in millionths, 0..1000000; 0 of nothing. */
int64_t cgr_facts_share_ppm(int64_t part, int64_t whole);
/* The result whose miss-ratio curves hold for this one: itself, or the first of the same recording that has some. NULL:
 * there are none. */
const struct cgr_result *cgr_facts_curves(const struct cgr_result *result, const struct cgr_result *const *results,
                                          size_t count);

/* The result that was held against the recorded counters for this one: itself, or the first of the same recording,
 * models, parameters and CPUs that was. Itself, without fidelity, when none was. */
const struct cgr_result *cgr_facts_trusted(const struct cgr_result *result, const struct cgr_result *const *results,
                                           size_t count);

/* How much a difference stands out, 0..1000000: |predicted - recorded| against the larger of both and a floor of the
 * unit, so that 0 -> 3 wake-ups does not drown 400M -> 200M. 0 when the recording has no value. */
int64_t cgr_facts_weight(const struct cgr_result *result, const struct cgr_result_metric *metric);
/* The metrics that stand out most, best first, at most one per metric name; indices into result->metric. Kills come
 * before everything else. Returns how many were found (at most count). */
size_t cgr_facts_top(const struct cgr_result *result, size_t *ret_metric, size_t count);
/* False for rows that only say "0, as in the recording". */
bool cgr_facts_says_something(const struct cgr_result *result, const struct cgr_result_metric *metric);

#endif
