#include "reports/sweep.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "reports/facts.h"
#include "reports/json.h"
#include "reports/text.h"

#define SWEEPS 64u

bool cgr_sweep_value(const char *knob, const char *text, int64_t *ret_value)
{
	if (strcmp(knob, "cpu.max") == 0) {
		char *end;
		if (strncmp(text, "max", 3) == 0) {
			*ret_value = CGR_UNLIMITED;
			return true;
		}
		errno = 0;
		long long quota = strtoll(text, &end, 10), period = 100000;
		if (end == text || errno || quota < 0)
			return false;
		if (*end == ' ')
			period = strtoll(end, &end, 10);
		if (period <= 0 || quota > INT64_MAX / 1000000)
			return false;
		*ret_value = quota * 1000000 / period;
		return true;
	}
	if (strncmp(knob, "memory.", 7) == 0)
		return cgr_parse_bytes(text, ret_value, NULL) == 0;
	return cgr_parse_int(text, INT64_MIN, INT64_MAX, ret_value, NULL) == 0;
}

size_t cgr_sweep_knee(const int64_t *x, const int64_t *y, size_t count)
{
	if (count < 3)
		return SIZE_MAX;
	__int128 width = (__int128)x[count - 1] - x[0], height = (__int128)y[count - 1] - y[0];
	if (width <= 0 || height == 0)
		return SIZE_MAX;
	size_t best = SIZE_MAX;
	long double most = 0.1L; /* a tenth of the diagonal: flatter is a line with noise */
	for (size_t i = 1; i + 1 < count; i++) {
		/* scaled to 0..1 both ways, the chord is u = v; only the side where the curve has already done its way counts
		 */
		long double u = (long double)((__int128)x[i] - x[0]) / (long double)width;
		long double v = (long double)((__int128)y[i] - y[0]) / (long double)height;
		if (v - u > most) {
			most = v - u;
			best = i;
		}
	}
	return best;
}

/* One swept knob: runs that agree in every other change. */
struct sweep {
	const char *cgroup, *knob;
	size_t *run;
	int64_t *x;
	size_t count;
};

static const struct cgr_result_change *find_change(const struct cgr_result *result, const char *cgroup,
                                                   const char *knob)
{
	for (size_t i = 0; i < result->changes; i++)
		if (strcmp(result->change[i].knob, knob) == 0 &&
		    strcmp(result->change[i].cgroup ? result->change[i].cgroup : "", cgroup) == 0)
			return &result->change[i];
	return NULL;
}

/* Same models, seeds, CPUs, and the same changes but for the one to (cgroup, knob). */
static bool comparable(const struct cgr_result *a, const struct cgr_result *b, const char *cgroup, const char *knob)
{
	if (a->changes != b->changes || a->cpus != b->cpus || strcmp(a->cpu_model, b->cpu_model) != 0 ||
	    strcmp(a->memory_model, b->memory_model) != 0 || !find_change(b, cgroup, knob))
		return false;
	for (size_t i = 0; i < a->changes; i++) {
		const struct cgr_result_change *one = &a->change[i];
		const char *path = one->cgroup ? one->cgroup : "";
		if (strcmp(one->knob, knob) == 0 && strcmp(path, cgroup) == 0)
			continue;
		const struct cgr_result_change *other = find_change(b, path, one->knob);
		if (!other || strcmp(other->to, one->to) != 0 || other->t_usec != one->t_usec)
			return false;
	}
	return true;
}

static void insert(struct sweep *sweep, size_t run, int64_t x)
{
	size_t at = sweep->count;
	while (at > 0 && sweep->x[at - 1] >= x) {
		if (sweep->x[at - 1] == x)
			return; /* the same question twice */
		at--;
	}
	memmove(&sweep->x[at + 1], &sweep->x[at], (sweep->count - at) * sizeof *sweep->x);
	memmove(&sweep->run[at + 1], &sweep->run[at], (sweep->count - at) * sizeof *sweep->run);
	sweep->x[at] = x;
	sweep->run[at] = run;
	sweep->count++;
}

static void collect(struct sweep *sweep, const struct cgr_result *const *results, size_t count, size_t first)
{
	sweep->count = 0;
	for (size_t i = first; i < count; i++) {
		int64_t x;
		if (!comparable(results[first], results[i], sweep->cgroup, sweep->knob))
			continue;
		const struct cgr_result_change *change = find_change(results[i], sweep->cgroup, sweep->knob);
		if (cgr_sweep_value(sweep->knob, change->to, &x) && x != CGR_UNLIMITED)
			insert(sweep, i, x);
	}
}

static void put_list(struct cgr_strbuf *out, const char *name, const int64_t *value, size_t count)
{
	cgr_strbuf_printf(out, ",\"%s\":[", name);
	for (size_t i = 0; i < count; i++)
		if (value[i] == CGR_UNLIMITED)
			cgr_strbuf_printf(out, "%snull", i ? "," : "");
		else
			cgr_strbuf_printf(out, "%s%" PRId64, i ? "," : "", value[i]);
	cgr_strbuf_printf(out, "]");
}

struct curve {
	int64_t *y, *low, *high;
};

static bool fill_curve(const struct sweep *sweep, const struct cgr_result *const *results, const char *metric,
                       struct curve *curve)
{
	bool moves = false;
	for (size_t i = 0; i < sweep->count; i++) {
		const struct cgr_result *r = results[sweep->run[i]];
		uint32_t cgroup = cgr_facts_cgroup(r, sweep->cgroup);
		const struct cgr_result_metric *m = cgr_facts_metric(r, cgroup, metric);
		struct cgr_facts_completion done;
		if (m) {
			curve->y[i] = m->predicted;
			curve->low[i] = m->low;
			curve->high[i] = m->high;
		} else if (strcmp(metric, "completion") == 0 && cgr_facts_completion(r, cgroup, &done)) {
			curve->y[i] = done.predicted_usec < 0 ? CGR_UNLIMITED : done.predicted_usec;
			curve->low[i] = curve->high[i] = curve->y[i];
		} else {
			return false;
		}
		moves |= curve->y[i] != curve->y[0];
	}
	return moves;
}

static void put_curve(struct cgr_strbuf *out, const struct sweep *sweep, const char *metric, const char *unit,
                      int worse, const struct curve *curve, bool comma)
{
	/* a bend is advice: only where a direction is worse, and where enough points say so */
	size_t knee = worse && sweep->count >= 5 ? cgr_sweep_knee(sweep->x, curve->y, sweep->count) : SIZE_MAX;
	cgr_strbuf_printf(out, "%s\n{\"metric\":", comma ? "," : "");
	cgr_report_script_text(out, metric);
	cgr_strbuf_printf(out, ",\"unit\":");
	cgr_report_script_text(out, unit);
	cgr_strbuf_printf(out, ",\"worse\":%d", worse);
	put_list(out, "y", curve->y, sweep->count);
	put_list(out, "low", curve->low, sweep->count);
	put_list(out, "high", curve->high, sweep->count);
	if (knee == SIZE_MAX)
		cgr_strbuf_printf(out, ",\"knee\":null}");
	else
		cgr_strbuf_printf(out, ",\"knee\":%zu}", knee);
}

/* The point `recommend` chose among these runs, and what it was to keep. */
static void put_recommended(struct cgr_strbuf *out, const struct sweep *sweep, const struct cgr_result *const *results)
{
	for (size_t i = 0; i < sweep->count; i++) {
		const char *scenario = results[sweep->run[i]]->scenario_json;
		json_t *root = scenario ? json_loads(scenario, 0, NULL) : NULL, *answer = json_object_get(root, "recommend");
		json_t *rules = json_object_get(answer, "requirements");
		if (json_is_true(json_object_get(answer, "recommended"))) {
			cgr_strbuf_printf(out, ",\"recommended\":%zu,\"requirements\":[", i);
			for (size_t k = 0; k < json_array_size(rules); k++) {
				const char *text = json_string_value(json_array_get(rules, k));
				cgr_strbuf_printf(out, k ? "," : "");
				cgr_report_script_text(out, text ? text : "");
			}
			cgr_strbuf_printf(out, "]");
			json_decref(root);
			return;
		}
		json_decref(root);
	}
	cgr_strbuf_printf(out, ",\"recommended\":null,\"requirements\":[]");
}

/* What else the runs of this sweep change, all of them alike: which line of a grid it is. */
static void put_fixed(struct cgr_strbuf *out, const struct sweep *sweep, const struct cgr_result *first)
{
	bool any = false;
	cgr_strbuf_printf(out, ",\"fixed\":[");
	for (size_t i = 0; i < first->changes; i++) {
		const struct cgr_result_change *change = &first->change[i];
		const char *path = change->cgroup ? change->cgroup : "";
		struct cgr_strbuf text = { 0 };
		if (strcmp(change->knob, sweep->knob) == 0 && strcmp(path, sweep->cgroup) == 0)
			continue;
		cgr_strbuf_printf(&text, "%s %s = %s", path, change->knob, change->to);
		cgr_strbuf_printf(out, any ? "," : "");
		cgr_report_script_text(out, text.text ? text.text : "");
		out->failed |= text.failed;
		cgr_strbuf_fini(&text);
		any = true;
	}
	cgr_strbuf_printf(out, "]");
}

static void put_sweep(struct cgr_strbuf *out, const struct sweep *sweep, const struct cgr_result *const *results,
                      struct curve *curve)
{
	const struct cgr_result *first = results[sweep->run[0]];
	bool any = false;
	cgr_strbuf_printf(out, "{\"cgroup\":");
	cgr_report_script_text(out, sweep->cgroup);
	cgr_strbuf_printf(out, ",\"knob\":");
	cgr_report_script_text(out, sweep->knob);
	put_list(out, "x", sweep->x, sweep->count);
	cgr_strbuf_printf(out, ",\"run\":[");
	for (size_t i = 0; i < sweep->count; i++)
		cgr_strbuf_printf(out, "%s%zu", i ? "," : "", sweep->run[i]);
	cgr_strbuf_printf(out, "]");
	put_recommended(out, sweep, results);
	put_fixed(out, sweep, first);
	cgr_strbuf_printf(out, ",\"curves\":[");
	for (size_t i = 0; i < first->metric_descs; i++)
		if (fill_curve(sweep, results, first->metric_desc[i].name, curve)) {
			put_curve(out, sweep, first->metric_desc[i].name, first->metric_desc[i].unit, first->metric_desc[i].worse,
			          curve, any);
			any = true;
		}
	if (!cgr_facts_metric(first, cgr_facts_cgroup(first, sweep->cgroup), CGR_FACTS_COMPLETION) &&
	    fill_curve(sweep, results, "completion", curve))
		put_curve(out, sweep, "completion", "usec", 1, curve, any);
	cgr_strbuf_printf(out, "]}");
}

/* Was this run already the start or a point of an earlier sweep over the same knob? */
static bool seen(const struct cgr_result *const *results, size_t index, const char *cgroup, const char *knob)
{
	for (size_t i = 0; i < index; i++)
		if (find_change(results[i], cgroup, knob) && comparable(results[i], results[index], cgroup, knob))
			return true;
	return false;
}

static size_t put_from(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count, size_t first,
                       struct sweep *sweep, struct curve *curve, size_t found)
{
	const struct cgr_result *r = results[first];
	for (size_t i = 0; i < r->changes && found < SWEEPS; i++) {
		sweep->cgroup = r->change[i].cgroup ? r->change[i].cgroup : "";
		sweep->knob = r->change[i].knob;
		if (seen(results, first, sweep->cgroup, sweep->knob))
			continue;
		collect(sweep, results, count, first);
		if (sweep->count < 3)
			continue;
		cgr_strbuf_printf(out, "%s\n", found++ ? "," : "");
		put_sweep(out, sweep, results, curve);
	}
	return found;
}

void cgr_sweep_json(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count)
{
	struct sweep sweep = { .run = cgr_calloc(count + 1, sizeof *sweep.run),
		                   .x = cgr_calloc(count + 1, sizeof *sweep.x) };
	struct curve curve = { cgr_calloc(count + 1, sizeof *curve.y), cgr_calloc(count + 1, sizeof *curve.low),
		                   cgr_calloc(count + 1, sizeof *curve.high) };
	bool ready = sweep.run && sweep.x && curve.y && curve.low && curve.high;
	size_t found = 0;
	out->failed |= !ready;
	cgr_strbuf_printf(out, "[");
	for (size_t i = 0; i < count && ready; i++)
		found = put_from(out, results, count, i, &sweep, &curve, found);
	cgr_strbuf_printf(out, "]");
	free(sweep.run);
	free(sweep.x);
	free(curve.y);
	free(curve.low);
	free(curve.high);
}
