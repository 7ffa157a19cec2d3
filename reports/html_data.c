/* The data of the charts, as JSON: downsampled series, marks, throttle lanes, schedule windows, latency histograms.
 * Numbers are integers, times and values as differences from the one before: a third of the size of absolute ones. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/event.h"
#include "common/units.h"
#include "reports/downsample.h"
#include "reports/facts.h"
#include "reports/html.h"
#include "reports/json.h"
#include "reports/sweep.h"

#define WINDOWS 8u /* moments kept at full resolution */
#define MARKS 2000u /* kills and limit writes drawn */
#define LANES 20000u /* throttled intervals drawn */
#define SPANS 6000u /* schedule intervals drawn per window */
#define SPAN_WINDOWS 4u
#define SPAN_WINDOW_NS 200000000

struct data {
	struct cgr_strbuf *out;
	const struct cgr_result *result;
	const struct cgr_result *curves; /* where the recording's miss-ratio curves are; NULL none */
	size_t focus_buckets, other_buckets;
	struct cgr_window window[WINDOWS];
	size_t windows;
	size_t *index; /* scratch: as long as the longest series */
};

static void find_windows(struct data *d)
{
	int64_t half = CGR_MAX(d->result->duration_usec / 200, (int64_t)1000);
	for (size_t i = 0; i < d->result->decisions && d->windows < WINDOWS; i++) {
		const struct cgr_result_decision *decision = &d->result->decision[i];
		if (strcmp(decision->kind, "oom_kill") != 0 && strcmp(decision->kind, "limit_write") != 0)
			continue;
		/* one window serves a burst of kills */
		if (d->windows > 0 && decision->t_usec <= d->window[d->windows - 1].to_usec)
			continue;
		d->window[d->windows++] = (struct cgr_window){ decision->t_usec - half, decision->t_usec + half };
	}
}

static void put_numbers(struct cgr_strbuf *out, const int64_t *value, const size_t *index, size_t count)
{
	int64_t last = 0;
	cgr_strbuf_append(out, "[", 1);
	for (size_t i = 0; i < count; i++) {
		int64_t now = value[index[i]];
		if (i)
			cgr_strbuf_append(out, ",", 1);
		if (now == CGR_UNLIMITED) {
			cgr_strbuf_printf(out, "null");
			continue;
		}
		/* unsigned: hostile stores may hold values whose difference does not fit */
		cgr_strbuf_printf(out, "%" PRId64, (int64_t)((uint64_t)now - (uint64_t)last));
		last = now;
	}
	cgr_strbuf_append(out, "]", 1);
}

static const char *unit_of(const struct cgr_result *result, const char *name)
{
	for (size_t i = 0; i < result->metric_descs; i++)
		if (strcmp(result->metric_desc[i].name, name) == 0)
			return result->metric_desc[i].unit;
	if (strncmp(name, "memory.", 7) == 0)
		return "bytes";
	return strcmp(name, "cpu.usage") == 0 || strcmp(name, "cpu.max") == 0 ? "ppm" : "count";
}

static bool all_zero(const struct cgr_result_series *series)
{
	for (size_t i = 0; i < series->count; i++)
		if (series->value[i] != 0)
			return false;
	return true;
}

static bool put_one_series(struct data *d, const struct cgr_result_series *s, bool comma)
{
	bool focus = s->cgroup < d->result->cgroups && cgr_facts_concerned(d->result, s->cgroup);
	size_t buckets = focus || d->result->changes == 0 ? d->focus_buckets : d->other_buckets;
	if (s->count == 0 || all_zero(s))
		return false;
	size_t kept =
	    cgr_downsample_m4(s->t_usec, s->value, s->count, CGR_MAX(d->result->duration_usec, d->result->replayed_usec),
	                      buckets, d->window, focus ? d->windows : 0, d->index);
	cgr_strbuf_printf(d->out, "%s\n{\"g\":%" PRId64 ",\"n\":", comma ? "," : "",
	                  s->cgroup < d->result->cgroups ? (int64_t)s->cgroup : -1);
	cgr_report_script_text(d->out, s->name);
	cgr_strbuf_printf(d->out, ",\"u\":");
	cgr_report_script_text(d->out, unit_of(d->result, s->name));
	cgr_strbuf_printf(d->out, ",\"r\":%d,\"of\":%zu,\"t\":", s->recorded, s->count);
	put_numbers(d->out, s->t_usec, d->index, kept);
	cgr_strbuf_printf(d->out, ",\"v\":");
	put_numbers(d->out, s->value, d->index, kept);
	cgr_strbuf_printf(d->out, "}");
	return true;
}

static void put_series(struct data *d)
{
	bool any = false;
	cgr_strbuf_printf(d->out, "\"series\":[");
	for (size_t i = 0; i < d->result->series_count; i++)
		any |= put_one_series(d, &d->result->series[i], any);
	cgr_strbuf_printf(d->out, "]");
}

static void put_cgroups(struct data *d)
{
	cgr_strbuf_printf(d->out, "\"cgroups\":[");
	for (size_t i = 0; i < d->result->cgroups; i++) {
		cgr_strbuf_printf(d->out, "%s", i ? "," : "");
		cgr_report_script_text(d->out, d->result->cgroup_path[i]);
	}
	cgr_strbuf_printf(d->out, "],\"asked\":[");
	bool any = false;
	for (uint32_t i = 0; i < d->result->cgroups; i++)
		if (cgr_facts_changed(d->result, i)) {
			cgr_strbuf_printf(d->out, "%s%u", any ? "," : "", i);
			any = true;
		}
	cgr_strbuf_printf(d->out, "]");
}

static void put_marks(struct data *d)
{
	size_t shown = 0;
	cgr_strbuf_printf(d->out, "\"marks\":[");
	for (size_t i = 0; i < d->result->decisions && shown < MARKS; i++) {
		const struct cgr_result_decision *decision = &d->result->decision[i];
		if (strcmp(decision->kind, "throttle") == 0 || strcmp(decision->kind, "unthrottle") == 0)
			continue;
		cgr_strbuf_printf(d->out, "%s\n{\"t\":%" PRId64 ",\"g\":%u,\"k\":", shown++ ? "," : "", decision->t_usec,
		                  decision->cgroup);
		cgr_report_script_text(d->out, decision->kind);
		cgr_strbuf_printf(d->out, ",\"c\":");
		cgr_report_script_text(d->out, decision->comm ? decision->comm : "");
		cgr_strbuf_printf(d->out, ",\"tid\":%d}", decision->tid);
	}
	cgr_strbuf_printf(d->out, "]");
}

/* Throttled intervals by cgroup and CPU: [cgroup, cpu, from, length]. An open one lasts to the end. */
static void put_lanes(struct data *d)
{
	const struct cgr_result *r = d->result;
	size_t shown = 0;
	cgr_strbuf_printf(d->out, "\"lanes\":[");
	for (size_t i = 0; i < r->decisions && shown < LANES; i++) {
		const struct cgr_result_decision *from = &r->decision[i];
		if (strcmp(from->kind, "throttle") != 0)
			continue;
		int64_t to = CGR_MAX(r->replayed_usec, from->t_usec);
		for (size_t j = i + 1; j < r->decisions; j++)
			if (r->decision[j].cgroup == from->cgroup && r->decision[j].value == from->value &&
			    strcmp(r->decision[j].kind, "unthrottle") == 0) {
				to = r->decision[j].t_usec;
				break;
			}
		cgr_strbuf_printf(d->out, "%s[%u,%" PRId64 ",%" PRId64 ",%" PRId64 "]", shown++ ? "," : "", from->cgroup,
		                  from->value, from->t_usec, to - from->t_usec);
	}
	cgr_strbuf_printf(d->out, "]");
}

static void put_buckets(struct cgr_strbuf *out, const struct cgr_histogram *h)
{
	bool any = false;
	cgr_strbuf_append(out, "[", 1);
	for (unsigned i = 0; i < h->buckets; i++)
		if (h->bucket[i]) {
			cgr_strbuf_printf(out, "%s[%" PRIu64 ",%" PRIu64 ",%u]", any ? "," : "", cgr_histogram_bucket_low(i),
			                  cgr_histogram_bucket_high(i) + 1, h->bucket[i]);
			any = true;
		}
	cgr_strbuf_append(out, "]", 1);
}

static void put_latency(struct data *d)
{
	bool any = false;
	cgr_strbuf_printf(d->out, "\"latency\":[");
	for (uint32_t i = 0; i < d->result->cgroups; i++) {
		struct cgr_histogram recorded, predicted;
		if (cgr_facts_latency(d->result, i, &recorded, &predicted) < 0)
			d->out->failed = true;
		/* bystanders of a big machine would take more room than the charts that were asked for */
		bool shown = cgr_facts_concerned(d->result, i) || d->result->cgroups <= 50 || d->result->changes == 0;
		if (shown && recorded.count + predicted.count > 0) {
			cgr_strbuf_printf(d->out, "%s\n{\"g\":%u,\"r\":", any ? "," : "", i);
			put_buckets(d->out, &recorded);
			cgr_strbuf_printf(d->out, ",\"p\":");
			put_buckets(d->out, &predicted);
			cgr_strbuf_printf(d->out, "}");
			any = true;
		}
		cgr_histogram_fini(&recorded);
		cgr_histogram_fini(&predicted);
	}
	cgr_strbuf_printf(d->out, "]");
}

/* The worst moments: around the first kills, then around the longest throttled or preempted stretches. */
static size_t worst_moments(const struct cgr_result *r, int64_t moment_ns[SPAN_WINDOWS])
{
	size_t found = 0;
	for (size_t i = 0; i < r->decisions && found < SPAN_WINDOWS / 2; i++)
		if (strcmp(r->decision[i].kind, "oom_kill") == 0)
			moment_ns[found++] = r->decision[i].t_usec * 1000;
	for (int step = 0; found < SPAN_WINDOWS && step < (int)SPAN_WINDOWS; step++) {
		int64_t longest = 0, at = -1;
		for (size_t i = 0; i < r->spans; i++) {
			const struct cgr_result_span *s = &r->span[i];
			bool near = false;
			for (size_t j = 0; j < found; j++)
				near |= s->end_ns > moment_ns[j] - SPAN_WINDOW_NS && s->end_ns < moment_ns[j] + SPAN_WINDOW_NS;
			if (s->task == CGR_ID_NONE || near || s->state != 2 || s->end_ns - s->start_ns <= longest)
				continue;
			longest = s->end_ns - s->start_ns;
			at = s->end_ns;
		}
		if (at < 0)
			break;
		moment_ns[found++] = at;
	}
	if (found == 0)
		moment_ns[found++] = SPAN_WINDOW_NS / 2;
	return found;
}

static void put_window_tasks(struct data *d, const bool *used)
{
	const struct cgr_result *r = d->result;
	bool any = false;
	cgr_strbuf_printf(d->out, "],\"tasks\":{");
	for (size_t i = 0; i < r->tasks; i++) {
		if (!used[i])
			continue;
		cgr_strbuf_printf(d->out, "%s\"%zu\":[%d,%u,", any ? "," : "", i, r->task[i].tid, r->task[i].cgroup);
		cgr_report_script_text(d->out, r->task[i].comm ? r->task[i].comm : "");
		cgr_strbuf_printf(d->out, "]");
		any = true;
	}
	cgr_strbuf_printf(d->out, "}}");
}

static void put_window(struct data *d, int64_t from_ns, int64_t to_ns)
{
	const struct cgr_result *r = d->result;
	size_t shown = 0;
	bool *used = cgr_calloc(r->tasks + 1, sizeof *used);
	if (!used) {
		d->out->failed = true;
		return;
	}
	cgr_strbuf_printf(d->out, "{\"from\":%" PRId64 ",\"to\":%" PRId64 ",\"s\":[", from_ns, to_ns);
	for (size_t i = 0; i < r->spans && shown < SPANS; i++) {
		const struct cgr_result_span *s = &r->span[i];
		if (s->end_ns <= from_ns || s->start_ns >= to_ns || s->task >= r->tasks)
			continue;
		used[s->task] = true;
		cgr_strbuf_printf(d->out, "%s[%u,%u,%" PRId64 ",%" PRId64 ",%u]", shown++ ? "," : "", s->cpu, s->task,
		                  s->start_ns - from_ns, s->end_ns - s->start_ns, s->state);
	}
	put_window_tasks(d, used);
	free(used);
}

static void put_schedule(struct data *d)
{
	int64_t moment_ns[SPAN_WINDOWS];
	cgr_strbuf_printf(d->out, "\"schedule\":[");
	size_t count = d->result->spans ? worst_moments(d->result, moment_ns) : 0;
	for (size_t i = 0; i < count; i++) {
		int64_t from = CGR_MAX(moment_ns[i] - SPAN_WINDOW_NS / 2, (int64_t)0);
		cgr_strbuf_printf(d->out, "%s\n", i ? "," : "");
		put_window(d, from, from + SPAN_WINDOW_NS);
	}
	cgr_strbuf_printf(d->out, "]");
}

static void put_steps(struct cgr_strbuf *out, const int64_t *value, size_t count)
{
	int64_t last = 0;
	cgr_strbuf_append(out, "[", 1);
	for (size_t i = 0; i < count; i++) {
		cgr_strbuf_printf(out, "%s%" PRId64, i ? "," : "", (int64_t)((uint64_t)value[i] - (uint64_t)last));
		last = value[i];
	}
	cgr_strbuf_append(out, "]", 1);
}

static void put_curves(struct data *d)
{
	bool any = false;
	cgr_strbuf_printf(d->out, "\"curves\":[");
	for (size_t i = 0; d->curves && i < d->curves->curves; i++) {
		const struct cgr_result_curve *c = &d->curves->curve[i];
		int64_t recorded, asked;
		uint32_t cgroup = cgr_facts_cgroup(d->result, d->curves->cgroup_path[c->cgroup]);
		if (c->count < 2 || cgroup >= d->result->cgroups ||
		    (d->result->changes > 0 && !cgr_facts_concerned(d->result, cgroup)))
			continue;
		cgr_facts_limit(d->result, cgroup, "memory.max", &recorded, &asked);
		cgr_strbuf_printf(d->out, "%s\n{\"g\":%u,\"of\":%" PRId64 ",\"limits\":[", any ? "," : "", cgroup, c->accesses);
		cgr_strbuf_printf(d->out, asked == CGR_UNLIMITED ? "null," : "%" PRId64 ",", asked);
		cgr_strbuf_printf(d->out, recorded == CGR_UNLIMITED ? "null],\"x\":" : "%" PRId64 "],\"x\":", recorded);
		put_steps(d->out, c->size_bytes, c->count);
		cgr_strbuf_printf(d->out, ",\"y\":");
		put_steps(d->out, c->misses, c->count);
		cgr_strbuf_printf(d->out, "}");
		any = true;
	}
	cgr_strbuf_printf(d->out, "]");
}

static int put_run(struct data *d, size_t index)
{
	size_t longest = 1;
	for (size_t i = 0; i < d->result->series_count; i++)
		longest = CGR_MAX(longest, d->result->series[i].count);
	d->index = cgr_calloc(longest, sizeof *d->index);
	if (!d->index)
		return CGR_E_NOMEM;
	find_windows(d);
	cgr_strbuf_printf(d->out, "{\"run\":%zu,\"name\":", index);
	cgr_report_script_text(d->out, d->result->name ? d->result->name : "run");
	cgr_strbuf_printf(d->out, ",\"duration\":%" PRId64 ",\"cpus\":%u,",
	                  CGR_MAX(d->result->duration_usec, d->result->replayed_usec), d->result->cpus);
	void (*const parts[])(struct data *) = { put_cgroups, put_marks,    put_lanes, put_latency,
		                                     put_curves,  put_schedule, put_series };
	for (size_t i = 0; i < CGR_ARRAY_SIZE(parts); i++) {
		cgr_strbuf_printf(d->out, "%s", i ? "," : "");
		parts[i](d);
	}
	cgr_strbuf_printf(d->out, "}");
	free(d->index);
	return d->out->failed ? CGR_E_NOMEM : 0;
}

static int put_all(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count, const bool *detailed,
                   size_t focus_buckets, size_t other_buckets)
{
	bool any = false;
	cgr_strbuf_printf(out, "{\"version\":1,\"buckets\":%zu,\"runs\":[", focus_buckets);
	for (size_t i = 0; i < count; i++) {
		struct data d = { .out = out,
			              .result = results[i],
			              .curves = cgr_facts_curves(results[i], results, count),
			              .focus_buckets = focus_buckets,
			              .other_buckets = other_buckets };
		if (!detailed[i])
			continue;
		cgr_strbuf_printf(out, "%s\n", any ? "," : "");
		any = true;
		CGR_TRY(put_run(&d, i));
	}
	cgr_strbuf_printf(out, "],\n\"sweeps\":");
	cgr_sweep_json(out, results, count);
	cgr_strbuf_printf(out, "}");
	return out->failed ? CGR_E_NOMEM : 0;
}

/* Bystanders lose detail first; what was asked about keeps four points per pixel as long as it fits. */
int cgr_html_data(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count, const bool *detailed,
                  size_t budget, struct cgr_error *reterr)
{
	static const struct {
		size_t focus, other;
	} steps[] = { { 1200, 1200 }, { 1200, 300 }, { 1200, 100 }, { 600, 60 }, { 300, 30 },
		          { 150, 15 },    { 75, 8 },     { 40, 4 },     { 20, 2 } };
	size_t start = out->length;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(steps); i++) {
		out->length = start;
		if (put_all(out, results, count, detailed, steps[i].focus, steps[i].other) < 0)
			return cgr_error_set(reterr, CGR_E_NOMEM, "data of the charts: out of memory");
		if (out->length - start <= budget)
			break;
	}
	return 0;
}
