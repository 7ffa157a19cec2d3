#include "reports/compare.h"

#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/units.h"
#include "reports/facts.h"

struct side {
	bool there;
	int64_t value, low, high;
};

const char *cgr_compare_verdict_name(enum cgr_compare_verdict verdict)
{
	static const char *const names[] = { "same", "noise", "better", "worse", "different", "only in A", "only in B" };
	return names[verdict];
}

static struct side side_of(const struct cgr_result_metric *metric, bool recorded)
{
	if (!metric || (recorded && !metric->has_recorded))
		return (struct side){ 0 };
	if (recorded)
		return (struct side){ true, metric->recorded, metric->recorded, metric->recorded };
	return (struct side){ true, metric->predicted, metric->low, metric->high };
}

/* Below this a difference is nothing, whatever its percentage. */
static int64_t slack_of(const char *unit)
{
	if (strcmp(unit, "bytes") == 0)
		return 1 << 20;
	if (strcmp(unit, "usec") == 0)
		return 5000;
	return strcmp(unit, "pages") == 0 ? 256 : 0;
}

static enum cgr_compare_verdict judge(const struct side *a, const struct side *b,
                                      const struct cgr_result_metric_desc *desc, int64_t tolerance_ppm)
{
	if (!a->there || !b->there)
		return a->there ? CGR_COMPARE_ONLY_A : CGR_COMPARE_ONLY_B;
	if (a->value == b->value)
		return CGR_COMPARE_SAME;
	if (a->low <= b->high && b->low <= a->high)
		return CGR_COMPARE_NOISE;
	int64_t ppm = tolerance_ppm >= 0 ? tolerance_ppm : desc->tolerance_ppm;
	if (a->value != CGR_UNLIMITED && b->value != CGR_UNLIMITED) {
		uint64_t moved =
		    a->value > b->value ? (uint64_t)a->value - (uint64_t)b->value : (uint64_t)b->value - (uint64_t)a->value;
		if (moved <= (uint64_t)slack_of(desc->unit) || cgr_facts_error_ppm(a->value, b->value) <= ppm)
			return CGR_COMPARE_NOISE;
	}
	if (desc->worse == 0)
		return CGR_COMPARE_DIFFERENT;
	return (b->value > a->value) == (desc->worse > 0) ? CGR_COMPARE_WORSE : CGR_COMPARE_BETTER;
}

static int add_row(struct cgr_compare *c, const char *cgroup, const struct cgr_result_metric_desc *desc,
                   const struct side *a, const struct side *b, int64_t tolerance_ppm, struct cgr_error *reterr)
{
	if (!a->there && !b->there)
		return 0;
	CGR_TRY(cgr_grow((void **)&c->row, &c->row_capacity, c->rows + 1, sizeof *c->row, reterr));
	c->row[c->rows] =
	    (struct cgr_compare_row){ cgroup,  desc->name, desc->unit, a->value, a->low,
		                          a->high, b->value,   b->low,     b->high,  judge(a, b, desc, tolerance_ppm) };
	c->differences += c->row[c->rows++].verdict > CGR_COMPARE_NOISE;
	return 0;
}

/* Every metric of A with its counterpart in B, then what only B has. */
static int compare_metrics(struct cgr_compare *c, bool recorded, int64_t tolerance_ppm, struct cgr_error *reterr)
{
	for (size_t i = 0; i < c->a->metrics; i++) {
		const struct cgr_result_metric *m = &c->a->metric[i];
		const struct cgr_result_metric_desc *desc = &c->a->metric_desc[m->metric];
		uint32_t other = cgr_facts_cgroup(c->b, c->a->cgroup_path[m->cgroup]);
		struct side a = side_of(m, recorded), b = side_of(cgr_facts_metric(c->b, other, desc->name), recorded);
		CGR_TRY(add_row(c, c->a->cgroup_path[m->cgroup], desc, &a, &b, tolerance_ppm, reterr));
	}
	for (size_t i = 0; i < c->b->metrics; i++) {
		const struct cgr_result_metric *m = &c->b->metric[i];
		const struct cgr_result_metric_desc *desc = &c->b->metric_desc[m->metric];
		uint32_t other = cgr_facts_cgroup(c->a, c->b->cgroup_path[m->cgroup]);
		struct side a = { 0 }, b = side_of(m, recorded);
		if (!cgr_facts_metric(c->a, other, desc->name))
			CGR_TRY(add_row(c, c->b->cgroup_path[m->cgroup], desc, &a, &b, tolerance_ppm, reterr));
	}
	return 0;
}

/* sqrt of x in millionths, by Newton: no floating point decides an exit status */
static uint64_t root_ppm(uint64_t x_ppm)
{
	uint64_t target = x_ppm * 1000000, guess = 1000000;
	for (int i = 0; i < 40; i++)
		guess = (guess + target / CGR_MAX(guess, 1u)) / 2;
	return guess;
}

/* Kolmogorov-Smirnov D: the largest difference between the two cumulative shares. Both hold something. */
static int64_t distance_ppm(const struct cgr_histogram *a, const struct cgr_histogram *b)
{
	uint64_t seen_a = 0, seen_b = 0;
	int64_t distance = 0;
	for (unsigned i = 0; i < CGR_MAX(a->buckets, b->buckets); i++) {
		seen_a += cgr_histogram_at(a, i);
		seen_b += cgr_histogram_at(b, i);
		int64_t share_a = (int64_t)((unsigned __int128)seen_a * 1000000 / a->count);
		int64_t share_b = (int64_t)((unsigned __int128)seen_b * 1000000 / b->count);
		int64_t apart = share_a > share_b ? share_a - share_b : share_b - share_a;
		distance = CGR_MAX(distance, apart);
	}
	return distance;
}

/* D below which chance explains it if wake-ups were independent: c(alpha) * sqrt((n + m) / (n * m)), c(0.001) = 1.95.
 */
static uint64_t chance_ppm(uint64_t n, uint64_t m)
{
	return root_ppm(1000000 / n + 1000000 / m + 1) * 195 / 100;
}

/* Wake-ups come in bursts and are not independent. How much farther apart than chance two interleaved halves of one
 * recording are says by how much; in hundredths, at least 100. The median D of independent halves is 0.83 / 1.95 of the
 * threshold. */
static uint64_t bursts_percent(const struct cgr_result *result, uint32_t cgroup)
{
	const struct cgr_histogram *half = cgroup < result->latencies ? result->latency[cgroup].half : NULL;
	if (!half || half[0].count == 0 || half[1].count == 0)
		return 100;
	uint64_t expected = chance_ppm(half[0].count, half[1].count) * 83 / 195;
	uint64_t found = (uint64_t)distance_ppm(&half[0], &half[1]);
	return CGR_MAX(found * 100 / CGR_MAX(expected, (uint64_t)1), (uint64_t)100);
}

static void compare_distributions(struct cgr_compare_latency *l, uint64_t noise_percent)
{
	l->distance_ppm = distance_ppm(&l->a, &l->b);
	l->threshold_ppm = (int64_t)CGR_MIN(chance_ppm(l->a.count, l->b.count) * noise_percent / 100, (uint64_t)1000000);
	uint64_t p99_a = cgr_histogram_quantile(&l->a, 990), p99_b = cgr_histogram_quantile(&l->b, 990);
	uint64_t apart = p99_a > p99_b ? p99_a - p99_b : p99_b - p99_a;
	/* thousands of wake-ups make any shift significant; it matters from a tenth of them or of the tail on */
	bool matters = l->distance_ppm > 100000 || (apart > 50 && apart > CGR_MIN(p99_a, p99_b) / 4);
	if (l->distance_ppm == 0)
		l->verdict = CGR_COMPARE_SAME;
	else if (l->distance_ppm <= l->threshold_ppm || !matters)
		l->verdict = CGR_COMPARE_NOISE;
	else if (p99_a == p99_b)
		l->verdict = CGR_COMPARE_DIFFERENT;
	else
		l->verdict = p99_b > p99_a ? CGR_COMPARE_WORSE : CGR_COMPARE_BETTER;
}

static int latency_of(const struct cgr_result *result, uint32_t cgroup, bool recorded, struct cgr_histogram *ret)
{
	struct cgr_histogram was, is;
	int rc = cgr_facts_latency(result, cgroup, &was, &is);
	*ret = recorded ? was : is;
	cgr_histogram_fini(recorded ? &is : &was);
	return rc;
}

static int compare_latencies(struct cgr_compare *c, bool recorded, struct cgr_error *reterr)
{
	for (uint32_t i = 0; i < c->a->cgroups; i++) {
		struct cgr_compare_latency l = { .cgroup = c->a->cgroup_path[i] };
		uint32_t other = cgr_facts_cgroup(c->b, l.cgroup);
		if (other == CGR_ID_NONE)
			continue;
		int rc = latency_of(c->a, i, recorded, &l.a);
		if (rc == 0)
			rc = latency_of(c->b, other, recorded, &l.b);
		if (rc < 0)
			cgr_error_set(reterr, rc, "compare: out of memory");
		bool both = rc == 0 && l.a.count > 0 && l.b.count > 0;
		if (both)
			rc = cgr_grow((void **)&c->latency, &c->latency_capacity, c->latencies + 1, sizeof l, reterr);
		if (!both || rc < 0) {
			cgr_histogram_fini(&l.a);
			cgr_histogram_fini(&l.b);
			CGR_TRY(rc);
			continue;
		}
		compare_distributions(&l, CGR_MAX(bursts_percent(c->a, i), bursts_percent(c->b, other)));
		c->differences += l.verdict > CGR_COMPARE_NOISE;
		c->latency[c->latencies++] = l;
	}
	return 0;
}

int cgr_compare_results(const struct cgr_result *a, const struct cgr_result *b, bool recorded, int64_t tolerance_ppm,
                        struct cgr_compare *ret_compare, struct cgr_error *reterr)
{
	*ret_compare = (struct cgr_compare){ .a = a, .b = b };
	CGR_TRY(compare_metrics(ret_compare, recorded, tolerance_ppm, reterr));
	return compare_latencies(ret_compare, recorded, reterr);
}

void cgr_compare_fini(struct cgr_compare *compare)
{
	for (size_t i = 0; i < compare->latencies; i++) {
		cgr_histogram_fini(&compare->latency[i].a);
		cgr_histogram_fini(&compare->latency[i].b);
	}
	free(compare->latency);
	free(compare->row);
	*compare = (struct cgr_compare){ 0 };
}
