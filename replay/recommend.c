#include "replay/recommend_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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
	struct cgr_result *baseline; /* the run at the recorded limits */
	struct cgr_recommendation *out;
	struct cgr_error *error;
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

/* ---- one point ---- */
static int replay_value(struct search *s, int64_t value, struct cgr_result **ret_result)
{
	struct cgr_scenario scenario = { 0 };
	struct cgr_run_options run = *s->options;
	char *text =
	    s->period_usec ? cgr_printf("%" PRId64 " %" PRId64, value, s->period_usec) : cgr_printf("%" PRId64, value);
	int rc = cgr_scenario_copy(&scenario, s->base, s->error);

	run.seed_values = true;
	run.series = s->out->keep_runs;
	/* once: neither depends on the limit */
	run.fidelity = run.curves = s->out->keep_runs && value >= 0 && !s->out->points;
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

/* What each requirement comes to there, and whether it is kept whatever happens, or broken whatever happens. */
static int judge(struct search *s, const struct cgr_result *result, struct cgr_curve_point *p)
{
	p->kept = true;
	/* what another run of a program needs of a CPU no recording of one run says exactly, also where it is a round 0 */
	p->class = s->period_usec ? CGR_CLASS_BOUNDED : CGR_CLASS_EXACT;
	p->figure = cgr_calloc(s->requirements ? s->requirements : 1, sizeof *p->figure);
	if (!p->figure)
		return cgr_error_set(s->error, CGR_E_NOMEM, "recommend");
	for (size_t i = 0; i < s->requirements; i++) {
		struct cgr_figure f;

		CGR_TRY(cgr_figure_make(s->store, result, s->baseline, s->id, &s->requirement[i], &f, s->error));
		p->figure[i] = f.worst;
		p->kept &= cgr_figure_holds(&s->requirement[i], f.worst, f.baseline);
		p->surely_broken |= !cgr_figure_holds(&s->requirement[i], f.worst, f.baseline) &&
		                    !cgr_figure_holds(&s->requirement[i], f.best, f.baseline);
		p->class = CGR_MAX(p->class, f.class);
	}
	return 0;
}

static int try_value(struct search *s, int64_t value, struct cgr_curve_point *ret_point)
{
	struct cgr_recommendation *out = s->out;
	struct cgr_result *result = NULL;
	struct cgr_curve_point *p;
	int rc;

	for (size_t i = 0; i < out->points; i++)
		if (out->point[i].value == value) {
			*ret_point = out->point[i];
			return 0;
		}
	CGR_TRY(replay_value(s, value, &result));
	rc = cgr_grow((void **)&out->point, &out->capacity, out->points + 1, sizeof *p, s->error);
	if (rc >= 0) {
		p = &out->point[out->points++];
		*p = (struct cgr_curve_point){ .value = value };
		rc = judge(s, result, p);
		*ret_point = *p;
		if (out->keep_runs) {
			p->result = result;
			result = NULL;
		}
	}
	cgr_result_free(result);
	return rc;
}

/* ---- the search ---- */
/* Between low, where it is not, and high, where it is: the smallest value where all is kept, or (surely) the smallest
 * where not everything is broken whatever happens. */
static int bisect(struct search *s, int64_t low, int64_t high, bool surely, int64_t *ret_high)
{
	struct cgr_curve_point p;

	while (high - low > s->step) {
		int64_t middle = low + (high - low) / 2 / s->step * s->step;

		if (middle <= low)
			middle = low + s->step;
		if (middle >= high)
			break;
		CGR_TRY(try_value(s, middle, &p));
		if (surely ? !p.surely_broken : p.kept)
			high = middle;
		else
			low = middle;
	}
	*ret_high = high;
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
	out->largest_broken = out->surely_broken = -1;
	out->monotone = true;
	for (size_t i = out->points; i-- > 0 && out->point[i].kept;) {
		out->found = true;
		out->smallest_kept = out->point[i].value;
		out->class = out->point[i].class;
	}
	for (size_t i = 0; i < out->points && out->point[i].surely_broken; i++)
		out->surely_broken = out->point[i].value;
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
	struct cgr_curve_point p;

	if (!out->found)
		return 0;
	out->recommended = CGR_MIN(value, CGR_MAX(high, out->smallest_kept));
	CGR_TRY(try_value(s, out->recommended, &p));
	settle(s);
	for (size_t i = 0; !p.kept && i < out->points; i++)
		if (out->point[i].kept && out->point[i].value >= out->smallest_kept) {
			out->recommended = CGR_MAX(out->smallest_kept, out->point[i].value);
			break;
		}
	return 0;
}

/* From where downwards no run keeps what is required: below largest_broken, and above what was found so already. */
static int find_surely_broken(struct search *s, int64_t low)
{
	struct cgr_recommendation *out = s->out;
	int64_t ignored;

	if (out->largest_broken < 0 || out->surely_broken == out->largest_broken)
		return 0;
	CGR_TRY(bisect(s, out->surely_broken < 0 ? low : out->surely_broken, out->largest_broken, true, &ignored));
	settle(s);
	return 0;
}

static int search(struct search *s, int64_t low, int64_t high)
{
	static const int above_percent[] = { 8, 20, 50 };
	int64_t kept_value = high;
	struct cgr_curve_point p;

	CGR_TRY(try_value(s, high, &p));
	if (p.kept)
		CGR_TRY(bisect(s, low, high, false, &kept_value));
	for (size_t i = 0; p.kept && i < CGR_ARRAY_SIZE(above_percent); i++) {
		int64_t value = (kept_value + (int64_t)((__int128)kept_value * above_percent[i] / 100)) / s->step * s->step;

		if (value > kept_value && value < high)
			CGR_TRY(try_value(s, value, &p));
	}
	if (!p.kept) /* larger is not always better here: look at all of it */
		for (int64_t i = 1; i < SCAN_POINTS; i++)
			CGR_TRY(try_value(s, (low + (high - low) * i / SCAN_POINTS) / s->step * s->step, &p));
	settle(s);
	if (s->out->found)
		CGR_TRY(find_surely_broken(s, low));
	return add_margin(s, high);
}

/* What is needed at the recorded limits sets the upper end of the search. */
static int bounds(struct search *s, int64_t *ret_low, int64_t *ret_high)
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
	const struct cgr_result_metric *m = cgr_figure_metric(s->baseline, s->id, "memory.peak", &known);
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
	int64_t low = 0, high = 0;
	int rc;

	if (s.margin_ppm < 0)
		s.margin_ppm = strcmp(s.knob, "cpu.max") ? CGR_RECOMMEND_MEMORY_MARGIN_PPM : 0;

	*out = (struct cgr_recommendation){
		.largest_broken = -1, .surely_broken = -1, .recorded = INT64_MAX, .keep_runs = q->keep_runs
	};
	CGR_TRY(cgr_store_find_cgroup(store, q->cgroup, &s.id, reterr));
	rc = replay_value(&s, -1, &s.baseline);
	if (rc >= 0)
		rc = bounds(&s, &low, &high);
	if (rc >= 0)
		rc = search(&s, low, high);
	cgr_result_free(s.baseline);
	if (rc < 0)
		cgr_recommendation_fini(out);
	return rc;
}
