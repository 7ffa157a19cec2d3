#include "reports/facts.h"

#include <inttypes.h>
#include <jansson.h>
#include <string.h>

#include "common/event.h"
#include "common/units.h"
#include "reports/text.h"

const struct cgr_result_metric *cgr_facts_metric(const struct cgr_result *result, uint32_t cgroup, const char *name)
{
	for (size_t i = 0; i < result->metrics; i++) {
		const struct cgr_result_metric *metric = &result->metric[i];
		if (metric->cgroup == cgroup && strcmp(result->metric_desc[metric->metric].name, name) == 0)
			return metric;
	}
	return NULL;
}

uint32_t cgr_facts_cgroup(const struct cgr_result *result, const char *path)
{
	for (size_t i = 0; i < result->cgroups; i++)
		if (strcmp(result->cgroup_path[i], path) == 0)
			return (uint32_t)i;
	return CGR_ID_NONE;
}

bool cgr_facts_below(const char *path, const char *ancestor)
{
	size_t length = strlen(ancestor);
	if (length == 1 && ancestor[0] == '/')
		return true;
	return strncmp(path, ancestor, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

bool cgr_facts_changed(const struct cgr_result *result, uint32_t cgroup)
{
	for (size_t i = 0; i < result->changes; i++)
		if (result->change[i].cgroup && strcmp(result->change[i].cgroup, result->cgroup_path[cgroup]) == 0)
			return true;
	return false;
}

bool cgr_facts_concerned(const struct cgr_result *result, uint32_t cgroup)
{
	const char *path = result->cgroup_path[cgroup];
	for (size_t i = 0; i < result->changes; i++) {
		const char *changed = result->change[i].cgroup;
		if (!changed || !*changed || cgr_facts_below(path, changed))
			return true;
		/* the root is above everything and would always be shown */
		if (strcmp(path, "/") != 0 && cgr_facts_below(changed, path))
			return true;
	}
	return false;
}

/* Results without the engine's metric (foreign stores, older versions) still have their tasks. */
static bool completion_of_tasks(const struct cgr_result *result, uint32_t cgroup, struct cgr_facts_completion *ret)
{
	bool any = false;
	*ret = (struct cgr_facts_completion){ .class = CGR_CLASS_BOUNDED };
	for (size_t i = 0; i < result->tasks; i++) {
		const struct cgr_result_task *task = &result->task[i];
		if (task->recorded_end_usec < 0 || task->cgroup >= result->cgroups ||
		    !cgr_facts_below(result->cgroup_path[task->cgroup], result->cgroup_path[cgroup]))
			continue;
		any = true;
		ret->recorded_usec = CGR_MAX(ret->recorded_usec, task->recorded_end_usec);
		if (task->end_usec < 0)
			ret->predicted_usec = -1;
		else if (ret->predicted_usec >= 0)
			ret->predicted_usec = CGR_MAX(ret->predicted_usec, task->end_usec);
	}
	ret->low_usec = ret->high_usec = ret->predicted_usec;
	return any;
}

bool cgr_facts_completion(const struct cgr_result *result, uint32_t cgroup, struct cgr_facts_completion *ret)
{
	const struct cgr_result_metric *metric = cgr_facts_metric(result, cgroup, CGR_FACTS_COMPLETION);
	if (!metric)
		return completion_of_tasks(result, cgroup, ret);
	*ret =
	    (struct cgr_facts_completion){ metric->recorded, metric->predicted, metric->low, metric->high, metric->class };
	if (metric->predicted == CGR_UNLIMITED)
		ret->predicted_usec = -1;
	return metric->has_recorded;
}

int cgr_facts_latency(const struct cgr_result *result, uint32_t cgroup, struct cgr_histogram *ret_recorded,
                      struct cgr_histogram *ret_predicted)
{
	*ret_recorded = (struct cgr_histogram){ 0 };
	*ret_predicted = (struct cgr_histogram){ 0 };
	for (size_t half = 0; half < 2 && cgroup < result->latencies; half++) {
		CGR_TRY(cgr_histogram_merge(ret_recorded, &result->latency[cgroup].half[half]));
		CGR_TRY(cgr_histogram_merge(ret_predicted, &result->latency[cgroup].half[half]));
	}
	for (size_t i = 0; i < result->tasks; i++) {
		const struct cgr_result_task *task = &result->task[i];
		if (task->cgroup >= result->cgroups ||
		    !cgr_facts_below(result->cgroup_path[task->cgroup], result->cgroup_path[cgroup]))
			continue;
		CGR_TRY(cgr_histogram_merge(ret_recorded, &task->recorded_wakeup_latency));
		CGR_TRY(cgr_histogram_merge(ret_predicted, &task->wakeup_latency));
	}
	return 0;
}

int64_t cgr_facts_error_ppm(int64_t recorded, int64_t replayed)
{
	long double base = recorded > 0 ? (long double)recorded : recorded < 0 ? -(long double)recorded : 1.0L;
	long double difference = (long double)replayed - (long double)recorded;
	long double ppm = (difference < 0 ? -difference : difference) / base * 1e6L;
	return ppm > 1e12L ? 1000000000000 : (int64_t)(ppm + 0.5L);
}

/* memory.stat may lag behind by 64 updates per CPU when it is read (memcg_rstat_updated, mem_cgroup_flush_stats):
 * what is smaller the recording itself does not know. */
int64_t cgr_facts_reading_error(const struct cgr_result *result, const struct cgr_result_fidelity *fidelity)
{
	const struct cgr_result_metric_desc *desc = &result->metric_desc[fidelity->metric];

	if (strncmp(desc->name, "memory.stat.", 12) != 0 || strcmp(desc->unit, "bytes") != 0)
		return 1;
	return 64ll * CGR_MAX(result->recorded_cpus, 1u) * CGR_PAGE_BYTES;
}

static bool inside(const struct cgr_result_fidelity *fidelity)
{
	return fidelity->low <= fidelity->recorded && fidelity->recorded <= fidelity->high;
}

bool cgr_facts_good(const struct cgr_result *result, const struct cgr_result_fidelity *fidelity)
{
	if (inside(fidelity))
		return true;
	/* unsigned: a hostile store may hold values whose difference does not fit */
	uint64_t difference = fidelity->replayed > fidelity->recorded
	                          ? (uint64_t)fidelity->replayed - (uint64_t)fidelity->recorded
	                          : (uint64_t)fidelity->recorded - (uint64_t)fidelity->replayed;
	return difference <= (uint64_t)cgr_facts_reading_error(result, fidelity) ||
	       cgr_facts_error_ppm(fidelity->recorded, fidelity->replayed) <= CGR_FACTS_GOAL_PPM;
}

/* What the models say about bystanders (page events of which were perhaps not even recorded) is no reason to doubt what
 * they say about the cgroup that was asked about. */
static bool fidelity_counts(const struct cgr_result *result, const struct cgr_result_fidelity *fidelity)
{
	if (fidelity->recorded == 0 && fidelity->replayed == 0)
		return false;
	return result->changes == 0 || cgr_facts_concerned(result, fidelity->cgroup);
}

void cgr_facts_fidelity(const struct cgr_result *result, struct cgr_facts_fidelity *ret)
{
	static const int64_t steps[] = { 10000, 20000, 50000, 100000, 250000, 500000 };
	bool worst_good = true;
	int64_t farthest_ppm = 0;
	*ret = (struct cgr_facts_fidelity){ .worst = SIZE_MAX, .reached_ppm = -1 };
	for (size_t i = 0; i < result->fidelities; i++) {
		const struct cgr_result_fidelity *fidelity = &result->fidelity[i];
		if (!fidelity_counts(result, fidelity))
			continue;
		bool good = cgr_facts_good(result, fidelity);
		int64_t ppm = cgr_facts_error_ppm(fidelity->recorded, fidelity->replayed);
		ret->counters++;
		ret->good += good;
		if (good && !inside(fidelity) && ppm > CGR_FACTS_GOAL_PPM)
			continue; /* no farther off than the reading: a count of 0 against 1 has no percentage to speak of */
		farthest_ppm = CGR_MAX(farthest_ppm, ppm);
		/* a counter that is off comes before any that its interval covers */
		if (ret->worst == SIZE_MAX || (worst_good && !good) || (worst_good == good && ppm > ret->worst_ppm)) {
			ret->worst = i;
			ret->worst_ppm = ppm;
			worst_good = good;
		}
	}
	for (size_t i = 0; i < CGR_ARRAY_SIZE(steps) && ret->reached_ppm < 0; i++)
		if (farthest_ppm <= steps[i])
			ret->reached_ppm = steps[i];
}

/* Of the root, whose times any trace of the scheduler tells, nothing is held against the recording. */
bool cgr_facts_has_counters(const struct cgr_result *result)
{
	for (size_t i = 0; i < result->metrics; i++)
		if (result->metric[i].has_recorded && strcmp(result->cgroup_path[result->metric[i].cgroup], "/") != 0)
			return true;
	return false;
}

void cgr_facts_fidelity_words(const struct cgr_result *result, const struct cgr_facts_fidelity *facts,
                              struct cgr_strbuf *out)
{
	bool close = facts->reached_ppm > 0 && facts->reached_ppm <= CGR_FACTS_GOAL_PPM;
	if (close)
		cgr_strbuf_printf(out, "%zu of %zu counters within %" PRId64 " %%", facts->counters, facts->counters,
		                  facts->reached_ppm / 10000);
	else
		cgr_strbuf_printf(out, "%zu of %zu counters within 2 %% or their interval", facts->good, facts->counters);
	if (facts->worst == SIZE_MAX || facts->worst_ppm == 0)
		return;
	const struct cgr_result_fidelity *worst = &result->fidelity[facts->worst];
	bool good = facts->good == facts->counters;
	cgr_strbuf_printf(out, close ? ", worst " : good ? ", farthest " : ", off most: ");
	cgr_text_plain(out, result->metric_desc[worst->metric].name);
	cgr_strbuf_printf(out, " ");
	cgr_text_plain(out, result->cgroup_path[worst->cgroup]);
	if (facts->worst_ppm >= 10000000)
		cgr_strbuf_printf(out, " more than 1000 %%");
	else
		cgr_strbuf_printf(out, " %" PRId64 ".%" PRId64 " %%", facts->worst_ppm / 10000, facts->worst_ppm / 1000 % 10);
	if (good && !close)
		cgr_strbuf_printf(out, ", inside its interval");
}

static const struct cgr_result_fidelity *find_fidelity(const struct cgr_result *result, uint32_t cgroup,
                                                       uint32_t metric)
{
	for (size_t i = 0; i < result->fidelities; i++)
		if (result->fidelity[i].cgroup == cgroup && result->fidelity[i].metric == metric)
			return &result->fidelity[i];
	return NULL;
}

/* The same models at the recorded limits already give this value: the scenario did not move it, the difference to the
 * recorded one is the models' error. */
static bool unmoved(const struct cgr_result *result, const struct cgr_result_metric *metric)
{
	const struct cgr_result_fidelity *base = find_fidelity(result, metric->cgroup, metric->metric);
	if (!base || result->changes == 0)
		return false;
	if (base->low <= metric->predicted && metric->predicted <= base->high)
		return true;
	return cgr_facts_error_ppm(base->replayed, metric->predicted) <= result->metric_desc[metric->metric].tolerance_ppm;
}

bool cgr_facts_differs(const struct cgr_result *result, const struct cgr_result_metric *metric, int *ret_worse)
{
	const struct cgr_result_metric_desc *desc = &result->metric_desc[metric->metric];
	*ret_worse = 0;
	if (!metric->has_recorded || metric->recorded == metric->predicted)
		return false;
	if (cgr_facts_error_ppm(metric->recorded, metric->predicted) <= desc->tolerance_ppm)
		return false;
	if (metric->low <= metric->recorded && metric->recorded <= metric->high)
		return false; /* inside what the models themselves hold possible: noise, not a difference */
	if (unmoved(result, metric))
		return false;
	*ret_worse = metric->predicted > metric->recorded ? desc->worse : -desc->worse;
	return true;
}

static int64_t floor_of(const char *unit)
{
	if (strcmp(unit, "bytes") == 0)
		return 4 << 20;
	if (strcmp(unit, "usec") == 0)
		return 20000;
	if (strcmp(unit, "pages") == 0)
		return 1024;
	return strcmp(unit, "ppm") == 0 ? 1000 : 20;
}

int64_t cgr_facts_weight(const struct cgr_result *result, const struct cgr_result_metric *metric)
{
	int worse;
	if (!metric->has_recorded || !cgr_facts_differs(result, metric, &worse))
		return 0;
	if (metric->recorded == CGR_UNLIMITED || metric->predicted == CGR_UNLIMITED)
		return 0;
	long double from = (long double)metric->recorded, to = (long double)metric->predicted;
	long double larger = CGR_MAX(from < 0 ? -from : from, to < 0 ? -to : to);
	long double moved = from > to ? from - to : to - from;
	int64_t weight =
	    (int64_t)(moved / (larger + (long double)floor_of(result->metric_desc[metric->metric].unit)) * 5e5L);
	/* half of the scale is for what somebody cares about: a direction, and the cgroup that was asked about */
	return weight + (weight > 0 && worse ? 250000 : 0) +
	       (weight > 0 && cgr_facts_changed(result, metric->cgroup) ? 250000 : 0);
}

static int64_t top_weight(const struct cgr_result *result, size_t index)
{
	const struct cgr_result_metric *metric = &result->metric[index];
	bool kill = strcmp(result->metric_desc[metric->metric].name, "memory.events.oom_kill") == 0;
	int64_t weight = cgr_facts_weight(result, metric);
	if (kill && metric->predicted != metric->recorded)
		weight += 2000000;
	/* what was asked about, then what is inside of it, then bystanders */
	if (weight > 0 && cgr_facts_changed(result, metric->cgroup))
		weight += 1000000;
	else if (weight > 0 && result->changes > 0 && !cgr_facts_concerned(result, metric->cgroup))
		weight /= 4;
	return weight;
}

size_t cgr_facts_top(const struct cgr_result *result, size_t *ret_metric, size_t count)
{
	size_t found = 0;
	while (found < count) {
		size_t best = SIZE_MAX;
		int64_t best_weight = 0;
		for (size_t i = 0; i < result->metrics; i++) {
			bool taken = false;
			for (size_t j = 0; j < found; j++)
				taken |= result->metric[ret_metric[j]].metric == result->metric[i].metric;
			/* what nr_throttled and nr_periods say already needs no place of its own */
			taken |= strcmp(result->metric_desc[result->metric[i].metric].name, "cpu.throttled_share") == 0;
			int64_t weight = taken || !result->metric[i].has_recorded ? 0 : top_weight(result, i);
			if (weight > best_weight) {
				best_weight = weight;
				best = i;
			}
		}
		if (best == SIZE_MAX)
			break;
		ret_metric[found++] = best;
	}
	return found;
}

bool cgr_facts_says_something(const struct cgr_result *result, const struct cgr_result_metric *metric)
{
	if (metric->predicted != 0 || metric->high != 0 || (metric->has_recorded && metric->recorded != 0))
		return true;
	return strcmp(result->metric_desc[metric->metric].name, "memory.events.oom_kill") == 0 &&
	       cgr_facts_changed(result, metric->cgroup);
}

/* The knob's series of the run begins with the recorded value unless the what-if changed it from the start. */
void cgr_facts_limit(const struct cgr_result *result, uint32_t cgroup, const char *knob, int64_t *ret_recorded,
                     int64_t *ret_asked)
{
	bool changed = false;

	*ret_recorded = *ret_asked = CGR_UNLIMITED;
	for (size_t i = 0; i < result->changes; i++) {
		const struct cgr_result_change *c = &result->change[i];

		if (!c->cgroup || strcmp(c->cgroup, result->cgroup_path[cgroup]) != 0 || strcmp(c->knob, knob) != 0)
			continue;
		if (!changed && c->from)
			(void)cgr_parse_bytes(c->from, ret_recorded, NULL);
		(void)cgr_parse_bytes(c->to, ret_asked, NULL);
		changed = true;
	}
	for (size_t i = 0; i < result->series_count && !changed; i++) {
		const struct cgr_result_series *s = &result->series[i];

		if (s->cgroup == cgroup && !s->recorded && s->count > 0 && strcmp(s->name, knob) == 0) {
			*ret_recorded = s->value[0];
			*ret_asked = s->value[s->count - 1];
		}
	}
}

int64_t cgr_facts_share_ppm(int64_t part, int64_t whole)
{
	if (whole <= 0 || part <= 0)
		return 0;
	return part >= whole ? 1000000 : (int64_t)((__int128)part * 1000000 / whole);
}

const struct cgr_result *cgr_facts_curves(const struct cgr_result *result, const struct cgr_result *const *results,
                                          size_t count)
{
	if (result->curves > 0)
		return result;
	for (size_t i = 0; i < count && result->source_digest; i++)
		if (results[i]->curves > 0 && results[i]->source_digest &&
		    strcmp(results[i]->source_digest, result->source_digest) == 0)
			return results[i];
	return NULL;
}

static bool same_text(const char *a, const char *b)
{
	return a && b && strcmp(a, b) == 0;
}

/* What of the scenario shapes the replay at the recorded limits too, beside the models. */
static bool same_machinery(const struct cgr_result *a, const struct cgr_result *b)
{
	static const char *const keys[] = { "params", "cpus", "open_loop" };
	json_t *one = a->scenario_json ? json_loads(a->scenario_json, 0, NULL) : NULL;
	json_t *other = b->scenario_json ? json_loads(b->scenario_json, 0, NULL) : NULL;
	bool same = one && other && a->cpus == b->cpus;

	for (size_t i = 0; i < CGR_ARRAY_SIZE(keys) && same; i++) {
		const json_t *left = json_object_get(one, keys[i]), *right = json_object_get(other, keys[i]);
		same = (!left && !right) || json_equal(left, right);
	}
	json_decref(one);
	json_decref(other);
	return same;
}

const struct cgr_result *cgr_facts_trusted(const struct cgr_result *result, const struct cgr_result *const *results,
                                           size_t count)
{
	for (size_t i = 0; i < count && result->fidelities == 0; i++)
		if (results[i]->fidelities > 0 && same_text(results[i]->source_digest, result->source_digest) &&
		    same_text(results[i]->cpu_model, result->cpu_model) &&
		    same_text(results[i]->memory_model, result->memory_model) &&
		    same_text(results[i]->reclaim_model, result->reclaim_model) && same_machinery(results[i], result))
			return results[i];
	return result;
}
