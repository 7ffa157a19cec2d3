/* Two runs or two recordings side by side, with their noise taken into account. */
#ifndef CGR_REPORTS_COMPARE_H
#define CGR_REPORTS_COMPARE_H

#include "common/util.h"
#include "store/result.h"

enum cgr_compare_verdict {
	CGR_COMPARE_SAME, /* equal */
	CGR_COMPARE_NOISE, /* not equal, but within tolerance, or the intervals overlap */
	CGR_COMPARE_BETTER,
	CGR_COMPARE_WORSE,
	CGR_COMPARE_DIFFERENT, /* a metric without a direction */
	CGR_COMPARE_ONLY_A, /* one side lacks the cgroup or the metric */
	CGR_COMPARE_ONLY_B,
};

struct cgr_compare_row {
	const char *cgroup, *metric, *unit; /* borrowed from the results */
	int64_t a, a_low, a_high, b, b_low, b_high;
	enum cgr_compare_verdict verdict;
};
struct cgr_compare_latency { /* wake-up latencies of a cgroup's subtree */
	const char *cgroup;
	struct cgr_histogram a, b;
	int64_t distance_ppm; /* largest distance between the two distributions (Kolmogorov-Smirnov D) */
	int64_t threshold_ppm; /* above this, chance is no explanation (alpha 0.001), as far as two halves of one recording
	                        * differ from each other too */
	enum cgr_compare_verdict verdict;
};
struct cgr_compare {
	const struct cgr_result *a, *b;
	struct cgr_compare_row *row;
	size_t rows, row_capacity;
	struct cgr_compare_latency *latency;
	size_t latencies, latency_capacity;
	size_t differences; /* rows and latencies that are neither same nor noise */
};

/* recorded: compare what was recorded instead of what was predicted. tolerance_ppm: -1 for each metric's own. Borrows
 * a and b for the life of the comparison. */
int cgr_compare_results(const struct cgr_result *a, const struct cgr_result *b, bool recorded, int64_t tolerance_ppm,
                        struct cgr_compare *ret_compare, struct cgr_error *reterr);
void cgr_compare_fini(struct cgr_compare *compare);

/* all: also what is the same or noise */
void cgr_compare_table(struct cgr_strbuf *out, const struct cgr_compare *compare, bool all, bool colour);
void cgr_compare_csv(struct cgr_strbuf *out, const struct cgr_compare *compare, bool all);
int cgr_compare_json(struct cgr_strbuf *out, const struct cgr_compare *compare, bool all);
const char *cgr_compare_verdict_name(enum cgr_compare_verdict verdict);

#endif
