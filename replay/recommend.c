#include "replay/recommend.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/optparse.h"
#include "common/units.h"
#include "common/util.h"

#define SCAN_POINTS 24
#define SMALLEST_QUOTA_USEC 1000

struct search {
	const struct cgr_store *store;
	const struct cgr_programs *programs;
	const struct cgr_scenario *base;
	const struct cgr_requirement *requirement;
	size_t requirements;
	const struct cgr_run_options *options;
	const char *cgroup, *knob;
	uint32_t id;
	int64_t period_usec, step, margin_ppm;
	int64_t *baseline; /* one per requirement */
	struct cgr_recommendation *out;
	struct cgr_error *error;
	enum cgr_class class;
};

void cgr_recommendation_fini(struct cgr_recommendation *r)
{
	for (size_t i = 0; i < r->points; i++) {
		free(r->point[i].figure);
		cgr_result_free(r->point[i].result);
	}
	free(r->point);
	*r = (struct cgr_recommendation){ 0 };
}

/* ---- figures of a result ---- */
static const struct cgr_result_metric *metric_of(const struct cgr_result *result, uint32_t cgroup, const char *name,
                                                 bool *ret_known)
{
	for (size_t i = 0; i < result->metric_descs; i++)
		*ret_known |= !strcmp(result->metric_desc[i].name, name);
	for (size_t i = 0; i < result->metrics; i++)
		if (result->metric[i].cgroup == cgroup && !strcmp(result->metric_desc[result->metric[i].metric].name, name))
			return &result->metric[i];
	return NULL;
}

static int unknown_metric(const struct search *s, const struct cgr_result *result, const struct cgr_requirement *r)
{
	const char *names[256], *near;
	size_t count = CGR_MIN(result->metric_descs, CGR_ARRAY_SIZE(names));

	if (!strncmp(r->metric, "memory.", 7) && !cgr_store_borrow_info(s->store)->has_memcg_events)
		return cgr_error_set(
		    s->error, CGR_E_SCENARIO,
		    "--require '%s': the recording holds no memory events: record with --preset memory or full", r->text);
	for (size_t i = 0; i < count; i++)
		names[i] = result->metric_desc[i].name;
	near = cgr_did_you_mean(r->metric, names, count);
	return cgr_error_set(s->error, CGR_E_SCENARIO, "--require '%s': these models have no metric '%s'%s%s%s", r->text,
	                     r->metric, near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
}

/* The bad end of the interval: a limit is safe only if the worst seed keeps the promise. */
static int figure_of(struct search *s, const struct cgr_result *result, const struct cgr_requirement *r, bool bad_end,
                     int64_t *ret_value)
{
	bool known = false, at_most = r->op[0] != '>';
	const struct cgr_result_metric *m;

	if (!strcmp(r->metric, "cpu.throttled_share")) {
		const struct cgr_result_metric *periods = metric_of(result, s->id, "cpu.stat.nr_periods", &known);

		m = metric_of(result, s->id, "cpu.stat.nr_throttled", &known);
		*ret_value =
		    m && periods && periods->predicted ? (bad_end ? m->high : m->predicted) * 1000000 / periods->predicted : 0;
		return known ? 0 : unknown_metric(s, result, r);
	}
	m = metric_of(result, s->id, r->metric, &known);
	if (!known)
		return unknown_metric(s, result, r);
	*ret_value = !m ? 0 : !bad_end ? m->predicted : at_most ? m->high : m->low;
	if (m && m->class > s->class)
		s->class = m->class;
	return 0;
}

static bool holds(const struct cgr_requirement *r, int64_t figure, int64_t baseline)
{
	int64_t bound = r->value;

	if (r->relative)
		bound = baseline == INT64_MAX ? INT64_MAX : baseline + (int64_t)((__int128)baseline * r->value / 1000000);
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

/* ---- one point ---- */
static int replay_value(struct search *s, int64_t value, struct cgr_result **ret_result)
{
	struct cgr_scenario scenario = { 0 };
	struct cgr_run_options run = *s->options;
	char *text =
	    s->period_usec ? cgr_printf("%" PRId64 " %" PRId64, value, s->period_usec) : cgr_printf("%" PRId64, value);
	int rc = cgr_scenario_copy(&scenario, s->base, s->error);

	run.fidelity = false;
	run.curves = s->out->keep_runs && value >= 0 && !s->out->points; /* once: they do not depend on the limit */
	if (rc >= 0 && !text)
		rc = cgr_error_set(s->error, CGR_E_NOMEM, "recommend");
	if (rc >= 0 && value >= 0)
		rc = cgr_scenario_add(&scenario, s->cgroup, s->knob, text, 0, "--knob", s->error);
	if (rc >= 0) {
		free(scenario.name);
		scenario.name = cgr_printf("%s:%s=%" PRId64, s->cgroup, s->knob, value);
		rc = scenario.name ? 0 : cgr_error_set(s->error, CGR_E_NOMEM, "recommend");
	}
	if (rc >= 0)
		rc = cgr_replay(s->store, s->programs, &scenario, &run, ret_result, s->error);
	free(text);
	cgr_scenario_fini(&scenario);
	return rc;
}

static int try_value(struct search *s, int64_t value, bool *ret_kept)
{
	struct cgr_recommendation *out = s->out;
	struct cgr_result *result = NULL;
	struct cgr_curve_point *p;
	int rc;

	for (size_t i = 0; i < out->points; i++)
		if (out->point[i].value == value) {
			*ret_kept = out->point[i].kept;
			return 0;
		}
	CGR_TRY(replay_value(s, value, &result));
	rc = cgr_grow((void **)&out->point, &out->capacity, out->points + 1, sizeof *p, s->error);
	if (rc >= 0) {
		p = &out->point[out->points++];
		*p = (struct cgr_curve_point){ .value = value, .kept = true };
		p->figure = cgr_calloc(s->requirements ? s->requirements : 1, sizeof *p->figure);
		if (!p->figure)
			rc = cgr_error_set(s->error, CGR_E_NOMEM, "recommend");
		s->class = CGR_CLASS_EXACT;
		for (size_t i = 0; i < s->requirements && rc >= 0; i++) {
			rc = figure_of(s, result, &s->requirement[i], true, &p->figure[i]);
			p->kept &= rc >= 0 && holds(&s->requirement[i], p->figure[i], s->baseline[i]);
		}
		*ret_kept = p->kept;
		if (p->kept && (!out->found || value <= out->smallest_kept)) {
			out->class = s->class;
			out->smallest_kept = value;
			out->found = true;
		}
		if (out->keep_runs) {
			p->result = result;
			result = NULL;
		}
	}
	cgr_result_free(result);
	return rc;
}

/* ---- the search ---- */
static int bisect(struct search *s, int64_t low, int64_t high, int64_t *ret_kept)
{
	bool kept;

	while (high - low > s->step) {
		int64_t middle = low + (high - low) / 2 / s->step * s->step;

		if (middle <= low)
			middle = low + s->step;
		if (middle >= high)
			break;
		CGR_TRY(try_value(s, middle, &kept));
		if (kept)
			high = middle;
		else
			low = middle;
	}
	*ret_kept = high;
	return 0;
}

static int by_value(const void *a, const void *b)
{
	const struct cgr_curve_point *x = a, *y = b;

	return x->value < y->value ? -1 : x->value > y->value;
}

/* The smallest value from which on everything tried was kept. */
static void settle(struct search *s)
{
	struct cgr_recommendation *out = s->out;

	qsort(out->point, out->points, sizeof *out->point, by_value);
	out->found = false;
	out->largest_broken = -1;
	out->monotone = true;
	for (size_t i = out->points; i-- > 0 && out->point[i].kept;) {
		out->found = true;
		out->smallest_kept = out->point[i].value;
	}
	for (size_t i = 0; i < out->points; i++) {
		if (!out->point[i].kept && (!out->found || out->point[i].value < out->smallest_kept))
			out->largest_broken = out->point[i].value;
		if (out->found && out->point[i].kept && out->point[i].value < out->smallest_kept)
			out->monotone = false;
	}
}

/* The margin on top, a multiple of the step; where even that breaks something, the next that was tried and kept. */
static int add_margin(struct search *s, int64_t high)
{
	struct cgr_recommendation *out = s->out;
	int64_t extra = (int64_t)((__int128)out->smallest_kept * s->margin_ppm / 1000000);
	int64_t value = extra ? (out->smallest_kept + extra + s->step - 1) / s->step * s->step : out->smallest_kept;
	bool kept;

	if (!out->found)
		return 0;
	out->recommended = CGR_MIN(value, CGR_MAX(high, out->smallest_kept));
	CGR_TRY(try_value(s, out->recommended, &kept));
	settle(s);
	for (size_t i = 0; !kept && i < out->points; i++)
		if (out->point[i].kept && out->point[i].value >= out->smallest_kept) {
			out->recommended = CGR_MAX(out->smallest_kept, out->point[i].value);
			break;
		}
	return 0;
}

static int search(struct search *s, int64_t low, int64_t high)
{
	static const int above_percent[] = { 8, 20, 50 };
	int64_t kept_value = high;
	bool kept;

	CGR_TRY(try_value(s, high, &kept));
	if (kept)
		CGR_TRY(bisect(s, low, high, &kept_value));
	for (size_t i = 0; kept && i < CGR_ARRAY_SIZE(above_percent); i++) {
		int64_t value = (kept_value + (int64_t)((__int128)kept_value * above_percent[i] / 100)) / s->step * s->step;

		if (value > kept_value && value < high)
			CGR_TRY(try_value(s, value, &kept));
	}
	if (!kept) /* larger is not always better here: look at all of it */
		for (int64_t i = 1; i < SCAN_POINTS; i++)
			CGR_TRY(try_value(s, (low + (high - low) * i / SCAN_POINTS) / s->step * s->step, &kept));
	settle(s);
	return add_margin(s, high);
}

/* What relative requirements are relative to: the prediction at the recorded limits. */
static int take_baseline(struct search *s, const struct cgr_result *baseline)
{
	for (size_t i = 0; i < s->requirements; i++) {
		const struct cgr_requirement *r = &s->requirement[i];
		int64_t worst;

		CGR_TRY(figure_of(s, baseline, r, false, &s->baseline[i]));
		CGR_TRY(figure_of(s, baseline, r, true, &worst));
		if (r->relative && !holds(r, worst, s->baseline[i])) {
			s->baseline[i] = worst;
			s->out->like_with_like = true;
		}
	}
	return 0;
}

/* What is needed at the recorded limits sets the upper end of the search. */
static int bounds(struct search *s, const struct cgr_result *baseline, int64_t *ret_low, int64_t *ret_high)
{
	const struct cgr_store_info *info = cgr_store_borrow_info(s->store);
	int64_t value = INT64_MAX, value2 = 0, peak = 0;
	bool known = false, recorded;

	recorded = cgr_store_knob_at(s->store, s->id, s->knob, 0, &value, &value2);
	s->out->recorded = recorded ? value : INT64_MAX;
	if (!strcmp(s->knob, "cpu.max")) {
		s->period_usec = recorded && value2 > 0 ? value2 : 100000;
		s->out->period_usec = s->period_usec;
		s->step = CGR_MAX(s->period_usec / 100, 100);
		*ret_low = SMALLEST_QUOTA_USEC;
		*ret_high = s->period_usec * (s->base->cpus       ? s->base->cpus
		                              : info->online_cpus ? (int64_t)info->online_cpus
		                                                  : 1);
		return 0;
	}
	if (strcmp(s->knob, "memory.max") != 0 && strcmp(s->knob, "memory.high") != 0)
		return cgr_error_set(
		    s->error, CGR_E_SCENARIO,
		    "--knob %s: only memory.max, memory.high and cpu.max have a smallest safe value to look for", s->knob);
	const struct cgr_result_metric *m = metric_of(baseline, s->id, "memory.peak", &known);
	if (m)
		peak = m->high;
	if (recorded && value != INT64_MAX && value > peak)
		peak = value;
	if (peak <= 0)
		return cgr_error_set(s->error, CGR_E_SCENARIO,
		                     "the recording holds no memory events of %s: record with --preset memory or full",
		                     s->cgroup);
	*ret_high = peak + peak / 10 + 16 * CGR_PAGE_BYTES;
	s->step = CGR_MAX(*ret_high / 400, 64 * CGR_PAGE_BYTES) / CGR_PAGE_BYTES * CGR_PAGE_BYTES;
	*ret_high = (*ret_high / s->step + 1) * s->step;
	/* v1: memory.max above memory and swap together is refused, and there is nothing to find there */
	if (cgr_store_knob_at(s->store, s->id, "memory.memsw.limit_in_bytes", 0, &value, &value2) && value < *ret_high)
		*ret_high = CGR_MAX(value / s->step * s->step, s->step);
	*ret_low = 0;
	return 0;
}

int cgr_recommend(const struct cgr_store *store, const struct cgr_programs *programs, const struct cgr_scenario *base,
                  const struct cgr_recommend_question *q, const struct cgr_run_options *options,
                  struct cgr_recommendation *out, struct cgr_error *reterr)
{
	struct search s = { .store = store,
		                .programs = programs,
		                .base = base,
		                .requirement = q->requirement,
		                .requirements = q->requirements,
		                .options = options,
		                .cgroup = q->cgroup,
		                .knob = cgr_knob_canonical(q->knob),
		                .margin_ppm = q->margin_ppm,
		                .out = out,
		                .error = reterr };
	struct cgr_result *baseline = NULL;
	int64_t low = 0, high = 0;
	int rc;

	if (s.margin_ppm < 0)
		s.margin_ppm = strcmp(s.knob, "cpu.max") ? CGR_RECOMMEND_MEMORY_MARGIN_PPM : 0;

	*out = (struct cgr_recommendation){ .largest_broken = -1, .recorded = INT64_MAX, .keep_runs = q->keep_runs };
	CGR_TRY(cgr_store_find_cgroup(store, q->cgroup, &s.id, reterr));
	s.baseline = cgr_calloc(q->requirements + 1, sizeof *s.baseline);
	rc = s.baseline ? replay_value(&s, -1, &baseline) : cgr_error_set(reterr, CGR_E_NOMEM, "recommend");
	if (rc >= 0)
		rc = take_baseline(&s, baseline);
	if (rc >= 0)
		rc = bounds(&s, baseline, &low, &high);
	if (rc >= 0)
		rc = search(&s, low, high);
	cgr_result_free(baseline);
	free(s.baseline);
	if (rc < 0)
		cgr_recommendation_fini(out);
	return rc;
}
