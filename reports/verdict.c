/* The one sentence above everything else. It may only say what the numbers below it say, so each clause is bound to
 * a metric, its direction and its interval; silence where the recording cannot tell. */
#include <inttypes.h>
#include <string.h>

#include "common/units.h"
#include "reports/facts.h"
#include "reports/report.h"
#include "reports/text.h"

enum { SAME_OR_BETTER, WORSE, BROKEN, UNCERTAIN };

/* what happened in the cgroups the question is about */
struct verdict {
	const struct cgr_result *result;
	uint32_t focus[16]; /* changed cgroups, none inside another */
	size_t focuses;
	bool kills_known;
	int64_t kills, kills_recorded, kills_low, kills_high;
	int64_t refaults, refaults_recorded;
	int64_t throttled, throttled_recorded, throttles, throttles_recorded;
	int64_t completion, completion_recorded, completion_low, completion_high;
	bool has_completion, endless, extrapolated;
	const struct cgr_result_decision *first_kill;
};

static void add_focus(struct verdict *v, uint32_t cgroup)
{
	for (size_t i = 0; i < v->focuses; i++) {
		const char *path = v->result->cgroup_path[cgroup], *known = v->result->cgroup_path[v->focus[i]];
		if (cgr_facts_below(path, known))
			return;
		if (cgr_facts_below(known, path)) {
			v->focus[i] = cgroup;
			return;
		}
	}
	if (v->focuses < CGR_ARRAY_SIZE(v->focus))
		v->focus[v->focuses++] = cgroup;
}

/* A question without a cgroup (other CPU count, other scheduler, no change at all) is about every top-level one. */
static void find_focus(struct verdict *v)
{
	for (uint32_t i = 0; i < v->result->cgroups; i++)
		if (cgr_facts_changed(v->result, i))
			add_focus(v, i);
	for (uint32_t i = 0; i < v->result->cgroups && v->result->changes == 0; i++) {
		const char *path = v->result->cgroup_path[i];
		if (path[0] == '/' && path[1] != '\0' && !strchr(path + 1, '/'))
			add_focus(v, i);
	}
	for (uint32_t i = 0; i < v->result->cgroups && v->focuses == 0; i++) /* a trace without cgroups: the machine */
		if (strcmp(v->result->cgroup_path[i], "/") == 0)
			add_focus(v, i);
}

static void gather_metric(const struct verdict *v, const char *name, int64_t *predicted, int64_t *recorded)
{
	for (size_t i = 0; i < v->focuses; i++) {
		const struct cgr_result_metric *metric = cgr_facts_metric(v->result, v->focus[i], name);
		if (metric && metric->has_recorded) {
			*predicted += metric->predicted;
			*recorded += metric->recorded;
		}
	}
}

static void gather_kills(struct verdict *v)
{
	for (size_t i = 0; i < v->focuses; i++) {
		const struct cgr_result_metric *metric = cgr_facts_metric(v->result, v->focus[i], "memory.events.oom_kill");
		if (!metric)
			continue;
		v->kills_known = true;
		v->kills += metric->predicted;
		v->kills_low += metric->low;
		v->kills_high = metric->high == CGR_UNLIMITED ? CGR_UNLIMITED : v->kills_high + metric->high;
		v->kills_recorded += metric->has_recorded ? metric->recorded : 0;
		v->extrapolated |= metric->class == CGR_CLASS_EXTRAPOLATED;
	}
	for (size_t i = 0; i < v->result->decisions && !v->first_kill; i++)
		if (strcmp(v->result->decision[i].kind, "oom_kill") == 0)
			v->first_kill = &v->result->decision[i];
}

static void gather_completion(struct verdict *v)
{
	for (size_t i = 0; i < v->focuses; i++) {
		struct cgr_facts_completion one;
		if (!cgr_facts_completion(v->result, v->focus[i], &one))
			continue;
		v->has_completion = true;
		v->endless |= one.predicted_usec < 0;
		if (one.predicted_usec >= v->completion) {
			v->completion_low = one.low_usec;
			v->completion_high = one.high_usec;
		}
		v->completion = CGR_MAX(v->completion, one.predicted_usec);
		v->completion_recorded = CGR_MAX(v->completion_recorded, one.recorded_usec);
	}
}

static void gather(struct verdict *v)
{
	find_focus(v);
	gather_kills(v);
	gather_completion(v);
	gather_metric(v, "memory.stat.workingset_refault_file", &v->refaults, &v->refaults_recorded);
	gather_metric(v, "memory.stat.workingset_refault_anon", &v->refaults, &v->refaults_recorded);
	gather_metric(v, "cpu.stat.throttled_usec", &v->throttled, &v->throttled_recorded);
	gather_metric(v, "cpu.stat.nr_throttled", &v->throttles, &v->throttles_recorded);
}

static int64_t magnitude(int64_t value)
{
	return value < 0 ? -value : value;
}

/* 1 % and a few milliseconds: below that the real kernel does not agree with itself either. Up to 5 % (the tolerance of
 * completion) it is no difference where the interval holds the recorded time. */
static bool completion_moves(const struct verdict *v)
{
	int64_t moved = magnitude(v->completion - v->completion_recorded);
	bool inside = v->completion_low <= v->completion_recorded && v->completion_recorded <= v->completion_high;
	if (!v->has_completion || v->endless || moved <= 5000 || moved <= v->completion_recorded / 100)
		return false;
	return !inside || moved > v->completion_recorded / 20;
}

static bool refaults_move(const struct verdict *v)
{
	int64_t moved = magnitude(v->refaults - v->refaults_recorded);
	return moved > 32 && moved > v->refaults_recorded / 50;
}

static bool throttling_moves(const struct verdict *v)
{
	int64_t moved = magnitude(v->throttled - v->throttled_recorded);
	return moved > 5000 && moved > v->throttled_recorded / 20;
}

static void say_kills(struct cgr_strbuf *out, const struct verdict *v)
{
	char count[32];
	if (v->kills == 0 && v->kills_high > 0) {
		cgr_strbuf_printf(out, "nothing is killed in the most likely run, but up to %s may be",
		                  cgr_text_value("count", v->kills_high, count, sizeof count));
		return;
	}
	if (v->kills == 0) {
		cgr_strbuf_printf(out, "nothing is killed");
		if (v->kills_recorded > 0)
			cgr_strbuf_printf(out, " (%" PRId64 " in the recording)", v->kills_recorded);
		return;
	}
	cgr_strbuf_printf(out, "%s killed", cgr_text_value("count", v->kills, count, sizeof count));
	if (v->kills_low != v->kills_high) {
		char range[96];
		cgr_strbuf_printf(out, " (%s)", cgr_text_range("count", v->kills_low, v->kills_high, range, sizeof range));
	}
	if (v->first_kill && v->first_kill->comm) {
		char when[32];
		cgr_strbuf_printf(out, ", %s", v->kills > 1 ? "first " : "");
		cgr_text_plain(out, v->first_kill->comm);
		cgr_strbuf_printf(out, " (tid %d) at %s", v->first_kill->tid,
		                  cgr_text_value("usec", v->first_kill->t_usec, when, sizeof when));
	}
	if (v->kills_recorded > 0)
		cgr_strbuf_printf(out, "; %" PRId64 " in the recording", v->kills_recorded);
}

static void say_cause(struct cgr_strbuf *out, const struct verdict *v)
{
	char number[48];
	if (throttling_moves(v)) {
		int64_t more = v->throttled - v->throttled_recorded;
		cgr_strbuf_printf(out, "%s %s throttled", cgr_text_value("usec", magnitude(more), number, sizeof number),
		                  more > 0 ? "more" : "less");
	}
	if (refaults_move(v)) {
		int64_t more = v->refaults - v->refaults_recorded;
		cgr_strbuf_printf(out, "%s%s %s refaults", throttling_moves(v) ? ", " : "",
		                  cgr_text_value("count", magnitude(more), number, sizeof number), more > 0 ? "more" : "fewer");
	}
}

/* Fewer refaults cost no time: what moved the other way is told, but not as the reason. */
static bool cause_explains(const struct verdict *v)
{
	bool slower = v->completion > v->completion_recorded;
	return (throttling_moves(v) && (v->throttled > v->throttled_recorded) == slower) ||
	       (refaults_move(v) && (v->refaults > v->refaults_recorded) == slower);
}

static void say_speed(struct cgr_strbuf *out, const struct verdict *v)
{
	bool cause = throttling_moves(v) || refaults_move(v);
	if (cause) {
		cgr_strbuf_printf(out, "; ");
		say_cause(out, v);
	}
	if (v->endless && v->kills == 0) {
		cgr_strbuf_printf(out, "%swork that ended in the recording is not done at its end", cause ? ", " : "; ");
	} else if (completion_moves(v) && v->kills == 0) {
		char moved[32], change[32];
		int64_t more = v->completion - v->completion_recorded;
		cause = cause && cause_explains(v);
		cgr_text_value("usec", magnitude(more), moved, sizeof moved);
		cgr_text_change(v->completion_recorded, v->completion, change, sizeof change);
		cgr_strbuf_printf(out, "%s%s%s (%s)",
		                  cause ? (more > 0 ? " cost " : " save ") : (more > 0 ? "; takes " : "; saves "), moved,
		                  cause      ? ""
		                  : more > 0 ? " longer"
		                             : "",
		                  change);
	}
}

static bool unsure(const struct verdict *v)
{
	struct cgr_facts_fidelity fidelity;
	cgr_facts_fidelity(v->result, &fidelity);
	return fidelity.counters >= 2 && fidelity.good * 2 < fidelity.counters;
}

static int judge(const struct verdict *v)
{
	if (v->kills > v->kills_recorded || (v->kills == v->kills_recorded && v->kills > 0))
		return BROKEN;
	if (unsure(v))
		return UNCERTAIN;
	if (v->kills_high > v->kills)
		return WORSE;
	bool slower = (v->endless && v->kills == 0) || (completion_moves(v) && v->completion > v->completion_recorded);
	bool starved = (throttling_moves(v) && v->throttled > v->throttled_recorded) ||
	               (refaults_move(v) && v->refaults > v->refaults_recorded);
	return slower || starved ? WORSE : SAME_OR_BETTER;
}

static const char *headline(const struct verdict *v, int level)
{
	bool faster = completion_moves(v) && v->completion < v->completion_recorded;
	bool eased = (throttling_moves(v) && v->throttled < v->throttled_recorded) ||
	             (refaults_move(v) && v->refaults < v->refaults_recorded);
	const char *safe = v->kills_known ? "safe " : "";
	if (level == BROKEN)
		return v->kills_low < v->kills_recorded + 1 && v->kills > v->kills_recorded ? "probably not safe" : "not safe";
	if (level == UNCERTAIN)
		return "uncertain (the models do not reproduce this recording well)";
	if (v->kills_high > v->kills)
		return "at risk";
	if (level == WORSE && ((completion_moves(v) && !faster) || v->endless))
		return *safe ? "safe but slower" : "slower";
	if (level == WORSE)
		return *safe ? "safe but tighter" : "tighter";
	if (v->kills < v->kills_recorded)
		return "safe";
	if (faster)
		return *safe ? "safe and faster" : "faster";
	if (eased)
		return *safe ? "safe and easier" : "easier";
	bool asked = v->result->changes != 0 || v->result->cpus != v->result->recorded_cpus;
	return asked ? "no difference" : "as recorded";
}

void cgr_report_verdict(const struct cgr_result *result, struct cgr_strbuf *ret_text, int *ret_level)
{
	struct verdict v = { .result = result };
	gather(&v);
	*ret_level = judge(&v);
	struct cgr_strbuf detail = { 0 };
	if (v.kills_known)
		say_kills(&detail, &v);
	say_speed(&detail, &v);
	cgr_strbuf_printf(ret_text, "%s", headline(&v, *ret_level));
	/* without a memory part the detail starts with its own separator */
	const char *text = detail.text ? detail.text : "";
	text += strspn(text, "; ");
	if (*text)
		cgr_strbuf_printf(ret_text, ": %s", text);
	if (v.extrapolated)
		cgr_strbuf_printf(ret_text, " (beyond what the recording can prove)");
	ret_text->failed |= detail.failed;
	cgr_strbuf_fini(&detail);
}
