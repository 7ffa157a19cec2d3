/* The smallest limit that keeps what is asked for. */
#ifndef CGR_REPLAY_RECOMMEND_H
#define CGR_REPLAY_RECOMMEND_H

#include "replay/run.h"

/* "memory.events.oom_kill==0", "cpu.throttled_share<1%", "p99 wakeup_latency<5ms", "completion<+3%" (relative to the
 * prediction at the recorded limits, seed by seed). */
struct cgr_requirement {
	char *text; /* as given */
	char *metric; /* canonical metric name */
	char op[3]; /* "<", "<=", "==", ">", ">=" */
	bool relative; /* value is ppm on top of the baseline */
	int64_t value; /* in the unit of the metric; ppm for shares */
};
int cgr_requirement_parse(const char *text, struct cgr_requirement *requirement, struct cgr_error *reterr);
void cgr_requirement_fini(struct cgr_requirement *requirement);

struct cgr_curve_point {
	int64_t value; /* of the knob: bytes, or usec of quota */
	bool kept; /* all requirements hold, judged at the bad end of each interval */
	bool surely_broken; /* one of them does not hold at the good end either */
	enum cgr_class class; /* the weakest among what was judged */
	int64_t *figure; /* one per requirement: what was judged; INT64_MAX = never */
	struct cgr_result *result; /* the run itself when runs were to be kept, else NULL; owned */
};
struct cgr_recommendation {
	bool found;
	bool monotone; /* larger was never worse among the points tried */
	int64_t smallest_kept, largest_broken; /* largest_broken -1: nothing smaller breaks them */
	int64_t surely_broken; /* this and less breaks them in the best of runs too; between it and smallest_kept it depends
	                        * on the run. -1: nothing tried does */
	int64_t recommended; /* smallest_kept and the margin, kept too; never above what the search looked at */
	int64_t period_usec; /* cpu.max: the period the quota is of */
	int64_t recorded; /* the knob in the recording, INT64_MAX = max */
	struct cgr_curve_point *point; /* by value */
	size_t points, capacity;
	bool keep_runs; /* each point keeps its run */
	enum cgr_class class; /* the weakest class among what was judged at smallest_kept */
};
/* Two runs of one program differ in the memory they need: in how pages fall into batches, in which task comes first. A
 * limit that one run just keeps the next one may break, and a prediction of class exact has no interval that says so.
 * The intervals of CPU time hold the difference between runs already. */
#define CGR_RECOMMEND_MEMORY_MARGIN_PPM 30000

struct cgr_recommend_question {
	const char *cgroup, *knob; /* knob: memory.max, memory.high or cpu.max (v1 names too) */
	const struct cgr_requirement *requirement;
	size_t requirements;
	int64_t
	    margin_ppm; /* on top of the smallest value that keeps them; -1: CGR_RECOMMEND_MEMORY_MARGIN_PPM, none of CPU */
	bool keep_runs; /* each point of the curve keeps its run, named "CGROUP:KNOB=VALUE" */
};
/* CGR_E_SCENARIO for other knobs or an unknown metric. */
int cgr_recommend(const struct cgr_store *store, const struct cgr_programs *programs, const struct cgr_scenario *base,
                  const struct cgr_recommend_question *question, const struct cgr_run_options *options,
                  struct cgr_recommendation *ret_recommendation, struct cgr_error *reterr);
void cgr_recommendation_fini(struct cgr_recommendation *recommendation);

#endif
