/* What a requirement is about, at one limit. */
#include <stdlib.h>
#include <string.h>

#include "common/optparse.h"
#include "common/util.h"
#include "replay/recommend_internal.h"

#define ADDED_PERCENT 10 /* how well it is known what a limit adds to the work, see docs/ACCURACY.md */
#define PPM 1000000

/* One figure as each seed and as the interval says it. */
struct values {
	int64_t *of_seed;
	uint32_t seeds;
	int64_t middle, low, high;
	enum cgr_class class;
};

const struct cgr_result_metric *cgr_figure_metric(const struct cgr_result *result, uint32_t cgroup, const char *name,
                                                  bool *ret_known)
{
	for (size_t i = 0; i < result->metric_descs; i++)
		*ret_known |= !strcmp(result->metric_desc[i].name, name);
	for (size_t i = 0; i < result->metrics; i++)
		if (result->metric[i].cgroup == cgroup && !strcmp(result->metric_desc[result->metric[i].metric].name, name))
			return &result->metric[i];
	return NULL;
}

static int unknown_metric(const struct cgr_store *store, const struct cgr_result *result,
                          const struct cgr_requirement *r, struct cgr_error *reterr)
{
	const char *names[256], *near;
	size_t count = CGR_MIN(result->metric_descs, CGR_ARRAY_SIZE(names));

	if (!strncmp(r->metric, "memory.", 7) && !cgr_store_borrow_info(store)->has_memcg_events)
		return cgr_error_set(
		    reterr, CGR_E_SCENARIO,
		    "--require '%s': the recording holds no memory events: record with --preset memory or full", r->text);
	for (size_t i = 0; i < count; i++)
		names[i] = result->metric_desc[i].name;
	near = cgr_did_you_mean(r->metric, names, count);
	return cgr_error_set(reterr, CGR_E_SCENARIO, "--require '%s': these models have no metric '%s'%s%s%s", r->text,
	                     r->metric, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

static int64_t seed_value(const struct cgr_result *result, const struct cgr_result_metric *m, uint32_t seed)
{
	return m ? result->seed_value[(size_t)(m - result->metric) * result->seeds + seed] : 0;
}

static void metric_values(const struct cgr_result *result, const struct cgr_result_metric *m, struct values *v)
{
	for (uint32_t i = 0; i < v->seeds; i++)
		v->of_seed[i] = seed_value(result, m, i);
	if (!m)
		return;
	v->middle = m->predicted;
	v->low = m->low;
	v->high = m->high;
	v->class = m->class;
}

static int take_values(const struct cgr_store *store, const struct cgr_result *result, uint32_t cgroup,
                       const struct cgr_requirement *r, struct values *v, struct cgr_error *reterr)
{
	const struct cgr_result_metric *m;
	bool known = false;

	v->seeds = result->seeds;
	v->of_seed = cgr_calloc(v->seeds + 1, sizeof *v->of_seed);
	if (!v->of_seed)
		return cgr_error_set(reterr, CGR_E_NOMEM, "--require '%s'", r->text);
	m = cgr_figure_metric(result, cgroup, r->metric, &known);
	metric_values(result, m, v);
	if (!m && !strcmp(r->metric, "completion_usec"))
		return cgr_error_set(reterr, CGR_E_SCENARIO,
		                     "--require '%s': no task of the cgroup ended in the recording, so nothing there completes",
		                     r->text);
	if (!strcmp(r->metric, "cpu.throttled_share")) { /* a model without bandwidth control throttles nothing, ever */
		known = false;
		(void)cgr_figure_metric(result, cgroup, "cpu.stat.nr_periods", &known);
	}
	return known ? 0 : unknown_metric(store, result, r, reterr);
}

static int64_t largest(const struct values *v, bool smallest)
{
	int64_t found = v->of_seed[0];

	for (uint32_t i = 1; i < v->seeds; i++)
		found = smallest ? CGR_MIN(found, v->of_seed[i]) : CGR_MAX(found, v->of_seed[i]);
	return found;
}

/* What this seed says of the baseline's middle run, had it been limited like this. */
static int64_t on_baseline(int64_t limited, int64_t without, int64_t middle)
{
	__int128 value;

	if (limited == INT64_MAX || without == INT64_MAX)
		return INT64_MAX;
	value = without > 0 ? (__int128)middle * limited / without : (__int128)middle + limited;
	return value >= INT64_MAX ? INT64_MAX : (int64_t)value;
}

/* A relative requirement is about what the limit changes. The same program may be faster or slower on another day, with
 * the limit and without: each seed is held against itself without the limit, and what both share drops out. What is
 * left is the range of these changes, what the models add to the interval at this limit only, and a tenth of what
 * the limit adds. */
static void relate(const struct values *v, const struct values *base, bool at_most, struct cgr_figure *f)
{
	int64_t low = INT64_MAX, high = INT64_MIN;

	for (uint32_t i = 0; i < v->seeds && i < base->seeds; i++) {
		int64_t value = on_baseline(v->of_seed[i], base->of_seed[i], base->middle);

		low = CGR_MIN(low, value);
		high = CGR_MAX(high, value);
	}
	f->baseline = base->middle;
	if (high != INT64_MAX) {
		int64_t more = (v->high - largest(v, false)) - (base->high - largest(base, false));

		high += CGR_MAX(high - base->middle, 0) * ADDED_PERCENT / 100;
		high = v->high == INT64_MAX ? INT64_MAX : high + CGR_MAX(more, 0);
	}
	if (low != INT64_MAX) {
		int64_t more = (largest(v, true) - v->low) - (largest(base, true) - base->low);

		low -= CGR_MAX(low - base->middle, 0) * ADDED_PERCENT / 100;
		low = CGR_MAX(low - CGR_MAX(more, 0), 0);
	}
	f->worst = at_most ? high : low;
	f->best = at_most ? low : high;
}

int cgr_figure_make(const struct cgr_store *store, const struct cgr_result *result, const struct cgr_result *baseline,
                    uint32_t cgroup, const struct cgr_requirement *r, struct cgr_figure *f, struct cgr_error *reterr)
{
	bool at_most = r->op[0] != '>';
	struct values v = { 0 }, base = { 0 };
	int rc = take_values(store, result, cgroup, r, &v, reterr);

	*f = (struct cgr_figure){ 0 };
	if (rc >= 0 && r->relative)
		rc = take_values(store, baseline, cgroup, r, &base, reterr);
	if (rc >= 0 && r->relative) {
		relate(&v, &base, at_most, f);
	} else if (rc >= 0) {
		f->worst = at_most ? v.high : v.low;
		f->best = at_most ? v.low : v.high;
	}
	f->class = v.class;
	free(v.of_seed);
	free(base.of_seed);
	return rc;
}

bool cgr_figure_holds(const struct cgr_requirement *r, int64_t figure, int64_t baseline)
{
	int64_t bound = r->value;

	if (r->relative)
		bound = baseline == INT64_MAX ? INT64_MAX : baseline + (int64_t)((__int128)baseline * r->value / PPM);
	if (!strcmp(r->op, "<"))
		return figure < bound;
	if (!strcmp(r->op, "<="))
		return figure <= bound;
	if (!strcmp(r->op, ">"))
		return figure > bound;
	if (!strcmp(r->op, ">="))
		return figure >= bound;
	return figure == bound;
}
