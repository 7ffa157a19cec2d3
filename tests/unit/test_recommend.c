/* What a requirement is judged by: both ends of an interval, shares, and seeds held against themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "replay/recommend_internal.h"

enum { COMPLETION, PERIODS, SHARE, METRICS };
#define SEEDS 3u

static struct cgr_result_metric_desc desc[METRICS] = {
	{ .name = (char *)"completion_usec", .unit = (char *)"usec" },
	{ .name = (char *)"cpu.stat.nr_periods", .unit = (char *)"count" },
	{ .name = (char *)"cpu.throttled_share", .unit = (char *)"ppm" },
};

struct fixture {
	struct cgr_result_metric metric[METRICS];
	int64_t seed[METRICS][SEEDS];
	struct cgr_result result;
};

/* Each metric's seeds; predicted is the first, the interval the seeds' own range. */
static struct cgr_result *make(struct fixture *f, const int64_t seed[METRICS][SEEDS])
{
	memset(f, 0, sizeof *f);
	memcpy(f->seed, seed, sizeof f->seed);
	for (uint32_t m = 0; m < METRICS; m++) {
		struct cgr_result_metric *x = &f->metric[m];

		*x = (struct cgr_result_metric){ .cgroup = 1, .metric = m, .low = INT64_MAX, .predicted = seed[m][0] };
		for (uint32_t i = 0; i < SEEDS; i++) {
			x->low = seed[m][i] < x->low ? seed[m][i] : x->low;
			x->high = seed[m][i] > x->high ? seed[m][i] : x->high;
		}
	}
	f->result = (struct cgr_result){ .seeds = SEEDS,
		                             .metric_desc = desc,
		                             .metric_descs = METRICS,
		                             .metric = f->metric,
		                             .metrics = METRICS,
		                             .seed_value = &f->seed[0][0] };
	return &f->result;
}

static struct cgr_figure figure(const char *text, struct fixture *limited, struct fixture *base, bool *ret_kept,
                                bool *ret_broken)
{
	struct cgr_requirement r;
	struct cgr_figure f;

	assert_int_equal(cgr_requirement_parse(text, &r, NULL), 0);
	assert_int_equal(cgr_figure_make(NULL, &limited->result, &base->result, 1, &r, &f, NULL), 0);
	*ret_kept = cgr_figure_holds(&r, f.worst, f.baseline);
	*ret_broken = !*ret_kept && !cgr_figure_holds(&r, f.best, f.baseline);
	cgr_requirement_fini(&r);
	return f;
}

/* The program is 20 % slower or faster in other runs, limited or not: what the limit adds is 10 % in all of them. */
static void seeds_against_themselves(void **state)
{
	static const int64_t free_run[METRICS][SEEDS] = { { 1000000, 1200000, 800000 } };
	static const int64_t limited[METRICS][SEEDS] = { { 1100000, 1320000, 880000 } };
	struct fixture base, f;
	struct cgr_figure got;
	bool kept, broken;

	(void)state;
	make(&base, free_run);
	make(&f, limited);
	got = figure("completion<+12%", &f, &base, &kept, &broken);
	assert_true(kept); /* 10 % and a tenth of it, not 32 % */
	assert_int_equal(got.baseline, 1000000);
	assert_int_equal(got.worst, 1110000);
	assert_int_equal(got.best, 1090000);
	(void)figure("completion<+8%", &f, &base, &kept, &broken);
	assert_true(!kept && broken);
	(void)figure("completion<+10%", &f, &base, &kept, &broken);
	assert_true(!kept && !broken); /* between: it depends on the run */
	(void)figure("completion<+1%", &base, &base, &kept, &broken);
	assert_true(kept); /* a limit that changes nothing adds nothing, whatever the program's own spread */
	got = figure("completion<1.2s", &f, &base, &kept, &broken);
	assert_int_equal(got.worst, 1320000); /* an absolute one is about all of it */
	assert_true(!kept && !broken);
}

static void never_is_broken(void **state)
{
	static const int64_t free_run[METRICS][SEEDS] = { { 1000000, 1200000, 800000 } };
	static const int64_t limited[METRICS][SEEDS] = { { 1100000, INT64_MAX, 880000 } };
	struct fixture base, f;
	struct cgr_figure got;
	bool kept, broken;

	(void)state;
	make(&base, free_run);
	make(&f, limited);
	got = figure("completion<+900%", &f, &base, &kept, &broken);
	assert_int_equal(got.worst, INT64_MAX);
	assert_true(!kept && !broken);
}

/* No completion is not a completion of 0, which would keep every bound. */
static void what_never_ends_completes_nothing(void **state)
{
	static const int64_t limited[METRICS][SEEDS] = { { 0 } };
	struct cgr_requirement r;
	struct cgr_error error = { 0 };
	struct cgr_figure got;
	struct fixture f;
	char message[300];

	(void)state;
	make(&f, limited);
	f.metric[COMPLETION].cgroup = 2;
	assert_int_equal(cgr_requirement_parse("completion<1h", &r, NULL), 0);
	assert_int_equal(cgr_figure_make(NULL, &f.result, &f.result, 1, &r, &got, &error), CGR_E_SCENARIO);
	cgr_error_format(&error, message, sizeof message);
	assert_non_null(strstr(message, "no task of the cgroup ended"));
	cgr_requirement_fini(&r);
}

static void share_at_the_ends_of_its_interval(void **state)
{
	static const int64_t limited[METRICS][SEEDS] = {
		[PERIODS] = { 100, 160, 60 }, [SHARE] = { 500000, 520000, 490000 }
	};
	struct fixture f;
	struct cgr_figure got;
	bool kept, broken;

	(void)state;
	make(&f, limited);
	got = figure("cpu.throttled_share<55%", &f, &f, &kept, &broken);
	assert_true(kept);
	assert_int_equal(got.worst, 520000);
	(void)figure("cpu.throttled_share<50%", &f, &f, &kept, &broken);
	assert_true(!kept && !broken);
	(void)figure("cpu.throttled_share<48%", &f, &f, &kept, &broken);
	assert_true(!kept && broken);
}

/* A model without bandwidth control throttles nothing, which proves nothing. */
static void no_share_without_periods(void **state)
{
	static const int64_t limited[METRICS][SEEDS] = { { 0 } };
	struct cgr_requirement r;
	struct cgr_error error = { 0 };
	struct cgr_figure got;
	struct fixture f;
	char message[300];

	(void)state;
	make(&f, limited);
	f.result.metric_descs = 1;
	f.result.metrics = 0;
	assert_int_equal(cgr_requirement_parse("cpu.throttled_share<1%", &r, NULL), 0);
	assert_int_equal(cgr_figure_make(NULL, &f.result, &f.result, 1, &r, &got, &error), CGR_E_SCENARIO);
	cgr_error_format(&error, message, sizeof message);
	assert_non_null(strstr(message, "no metric 'cpu.throttled_share'"));
	cgr_requirement_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seeds_against_themselves),          cmocka_unit_test(never_is_broken),
		cmocka_unit_test(what_never_ends_completes_nothing), cmocka_unit_test(share_at_the_ends_of_its_interval),
		cmocka_unit_test(no_share_without_periods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
