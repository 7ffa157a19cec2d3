/* The JSON document of design section 5. Its members are a contract: other people's scripts read them. */
#include "reports/json.h"

#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "reports/facts.h"
#include "reports/report.h"
#include "reports/text.h"

json_t *cgr_report_json_text(const char *text)
{
	if (!text)
		return json_null();
	struct cgr_strbuf clean = { 0 };
	cgr_text_utf8(&clean, text);
	json_t *value = clean.failed ? NULL : json_string(clean.text ? clean.text : "");
	cgr_strbuf_fini(&clean);
	return value;
}

void cgr_report_script_text(struct cgr_strbuf *out, const char *text)
{
	json_t *value = cgr_report_json_text(text);
	char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_ENSURE_ASCII) : NULL;
	out->failed |= !dumped;
	for (const char *s = dumped; s && *s; s++)
		if (*s == '<' || *s == '>' || *s == '&')
			cgr_strbuf_printf(out, "\\u%04x", (unsigned)*s);
		else
			cgr_strbuf_append(out, s, 1);
	free(dumped);
	json_decref(value);
}

json_t *cgr_report_json_value(int64_t value)
{
	return value == CGR_UNLIMITED ? json_null() : json_integer(value);
}

static json_t *path_of(const struct cgr_result *result, uint32_t cgroup)
{
	return cgroup < result->cgroups ? cgr_report_json_text(result->cgroup_path[cgroup]) : json_null();
}

/* json_pack with o steals the reference and fails as a whole when any member is NULL, which is what we want. */
static json_t *metric_object(const struct cgr_result_metric *metric)
{
	return json_pack("{so so so so ss}", "recorded",
	                 metric->has_recorded ? cgr_report_json_value(metric->recorded) : json_null(), "predicted",
	                 cgr_report_json_value(metric->predicted), "low", cgr_report_json_value(metric->low), "high",
	                 cgr_report_json_value(metric->high), "class", cgr_class_name(metric->class));
}

/* Appends and reports failure alike whether the member or the list could not be made. */
static int append(json_t *list, json_t *member)
{
	return member && json_array_append_new(list, member) == 0 ? 0 : CGR_E_NOMEM;
}

static json_t *finish(json_t *value, int rc)
{
	if (rc == 0)
		return value;
	json_decref(value);
	return NULL;
}

static json_t *cgroup_list(const struct cgr_result *result)
{
	json_t *list = json_array();
	int rc = list ? 0 : CGR_E_NOMEM;
	for (uint32_t i = 0; i < result->cgroups && rc == 0; i++)
		rc = append(list, json_pack("{so so}", "path", path_of(result, i), "metrics", json_object()));
	for (size_t i = 0; i < result->metrics && rc == 0; i++) {
		const struct cgr_result_metric *metric = &result->metric[i];
		json_t *metrics = json_object_get(json_array_get(list, metric->cgroup), "metrics");
		if (json_object_set_new(metrics, result->metric_desc[metric->metric].name, metric_object(metric)) != 0)
			rc = CGR_E_NOMEM;
	}
	return finish(list, rc);
}

/* none: what those are of who never waited, most of the tasks that live for a moment. */
static json_t *quantiles(const struct cgr_histogram *h, json_t *none)
{
	if (h->count == 0)
		return json_incref(none);
	return json_pack("{sI sI sI sI}", "p50", (json_int_t)cgr_histogram_quantile(h, 500), "p95",
	                 (json_int_t)cgr_histogram_quantile(h, 950), "p99", (json_int_t)cgr_histogram_quantile(h, 990),
	                 "max", (json_int_t)h->maximum);
}

static json_t *task_list(const struct cgr_result *result)
{
	json_t *list = json_array(), *none = json_pack("{sn sn sn sn}", "p50", "p95", "p99", "max");
	int rc = list && none ? 0 : CGR_E_NOMEM;
	for (size_t i = 0; i < result->tasks && rc == 0; i++) {
		const struct cgr_result_task *t = &result->task[i];
		rc = append(
		    list,
		    json_pack("{si so so sI so sI so so sI sI so sI}", "tid", t->tid, "comm", cgr_report_json_text(t->comm),
		              "cgroup", path_of(result, t->cgroup), "start_usec", (json_int_t)t->start_usec, "end_usec",
		              t->end_usec < 0 ? json_null() : json_integer(t->end_usec), "runtime_usec",
		              (json_int_t)t->runtime_usec, "wakeup_latency_usec", quantiles(&t->wakeup_latency, none),
		              "recorded_end_usec", t->recorded_end_usec < 0 ? json_null() : json_integer(t->recorded_end_usec),
		              "recorded_runtime_usec", (json_int_t)t->recorded_runtime_usec, "wait_usec",
		              (json_int_t)t->wait_usec, "recorded_wakeup_latency_usec",
		              quantiles(&t->recorded_wakeup_latency, none), "throttled_usec", (json_int_t)t->throttled_usec));
	}
	json_decref(none);
	return finish(list, rc);
}

static json_t *decision_list(const struct cgr_result *result)
{
	json_t *list = json_array();
	int rc = list ? 0 : CGR_E_NOMEM;
	for (size_t i = 0; i < result->decisions && rc == 0; i++) {
		const struct cgr_result_decision *d = &result->decision[i];
		rc = append(list, json_pack("{sI so so so so sI}", "t_usec", (json_int_t)d->t_usec, "kind",
		                            cgr_report_json_text(d->kind), "cgroup", path_of(result, d->cgroup), "tid",
		                            d->tid < 0 ? json_null() : json_integer(d->tid), "comm",
		                            cgr_report_json_text(d->comm), "value", (json_int_t)d->value));
	}
	return finish(list, rc);
}

static json_t *fidelity_list(const struct cgr_result *result)
{
	json_t *list = json_array();
	int rc = list ? 0 : CGR_E_NOMEM;
	for (size_t i = 0; i < result->fidelities && rc == 0; i++) {
		const struct cgr_result_fidelity *f = &result->fidelity[i];
		/* relative, signed, against at least 1 so that a false alarm on an empty counter shows as its size */
		double error = (double)(((long double)f->replayed - (long double)f->recorded) /
		                        (long double)CGR_MAX(f->recorded < 0 ? -f->recorded : f->recorded, (int64_t)1));
		rc = append(list, json_pack("{so ss so so sf so so sb}", "cgroup", path_of(result, f->cgroup), "metric",
		                            result->metric_desc[f->metric].name, "recorded", cgr_report_json_value(f->recorded),
		                            "replayed", cgr_report_json_value(f->replayed), "error", error, "low",
		                            cgr_report_json_value(f->low), "high", cgr_report_json_value(f->high), "good",
		                            cgr_facts_good(result, f)));
	}
	return finish(list, rc);
}

static json_t *change_list(const struct cgr_result *result)
{
	json_t *list = json_array();
	int rc = list ? 0 : CGR_E_NOMEM;
	for (size_t i = 0; i < result->changes && rc == 0; i++) {
		const struct cgr_result_change *c = &result->change[i];
		rc = append(list, json_pack("{so so so so sI}", "cgroup", cgr_report_json_text(c->cgroup), "knob",
		                            cgr_report_json_text(c->knob), "from", cgr_report_json_text(c->from), "to",
		                            cgr_report_json_text(c->to), "t_usec", (json_int_t)c->t_usec));
	}
	return finish(list, rc);
}

static json_t *scenario_object(const struct cgr_result *result)
{
	json_t *scenario = result->scenario_json ? json_loads(result->scenario_json, 0, NULL) : NULL;
	return scenario ? scenario : json_object();
}

static json_t *recording_object(const struct cgr_result *result)
{
	return json_pack("{so so so sI sI si}", "source", cgr_report_json_text(result->source_path), "digest",
	                 cgr_report_json_text(result->source_digest), "kernel",
	                 cgr_report_json_text(result->kernel_release), "duration_usec", (json_int_t)result->duration_usec,
	                 "events", (json_int_t)result->events, "cpus", (int)result->recorded_cpus);
}

static json_t *verdict_object(const struct cgr_result *result)
{
	static const char *const level_name[] = { "ok", "worse", "broken", "uncertain" };
	struct cgr_strbuf text = { 0 };
	int level;
	cgr_report_verdict(result, &text, &level);
	json_t *object =
	    text.failed ? NULL : json_pack("{ss so}", "level", level_name[level], "text", cgr_report_json_text(text.text));
	cgr_strbuf_fini(&text);
	return object;
}

json_t *cgr_report_json_run(const struct cgr_result *result)
{
	const struct cgr_result_quality *q = &result->quality;
	/* the members of the contract first, in its order; then what else is known */
	return json_pack("{si so s{so so so} so so so so s{sI sI sI sI sI sI} so so so so so sI si si sI}",
	                 "schema_version", CGR_RESULT_SCHEMA_VERSION, "scenario", scenario_object(result), "models",
	                 "memory", cgr_report_json_text(result->memory_model), "cpu",
	                 cgr_report_json_text(result->cpu_model), "reclaim", cgr_report_json_text(result->reclaim_model),
	                 "cgroups", cgroup_list(result), "tasks", task_list(result), "decisions", decision_list(result),
	                 "fidelity", fidelity_list(result), "quality", "lost_events", (json_int_t)q->lost_events,
	                 "unexplained_block_usec", (json_int_t)q->unexplained_block_usec, "causality_violations",
	                 (json_int_t)q->causality_violations, "blocks", (json_int_t)q->blocks, "unexplained_blocks",
	                 (json_int_t)q->unexplained_blocks, "inferred_runtime_usec", (json_int_t)q->inferred_runtime_usec,
	                 "run", cgr_report_json_text(result->name), "verdict", verdict_object(result), "changes",
	                 change_list(result), "recording", recording_object(result), "tool_version",
	                 cgr_report_json_text(result->tool_version), "seed", (json_int_t)result->seed, "seeds",
	                 (int)result->seeds, "cpus", (int)result->cpus, "replayed_usec", (json_int_t)result->replayed_usec);
}

/* A document on its way to a stream. json_dumpf calls fwrite for every bracket and blank; json_dumps has the whole of
 * it in memory, several times while it grows. */
struct sink {
	FILE *out;
	size_t used;
	char block[16384];
};

static int drain(struct sink *sink)
{
	size_t used = sink->used;

	sink->used = 0;
	return fwrite(sink->block, 1, used, sink->out) == used ? 0 : -1;
}

static int pour(const char *text, size_t size, void *data)
{
	struct sink *sink = data;

	if (size > sizeof sink->block - sink->used && drain(sink) != 0)
		return -1;
	if (size > sizeof sink->block)
		return fwrite(text, 1, size, sink->out) == size ? 0 : -1;
	memcpy(sink->block + sink->used, text, size);
	sink->used += size;
	return 0;
}

static int dump(FILE *out, json_t *document, struct cgr_error *reterr)
{
	struct sink sink;

	if (!document)
		return cgr_error_set(reterr, CGR_E_NOMEM, "JSON document: out of memory");
	sink.out = out;
	sink.used = 0;
	int rc = json_dump_callback(document, pour, &sink, JSON_INDENT(1) | JSON_REAL_PRECISION(6));
	json_decref(document);
	if (rc != 0 || drain(&sink) != 0 || fputc('\n', out) == EOF)
		return cgr_error_errno(reterr, CGR_E_IO, "cannot write the JSON document");
	return 0;
}

int cgr_report_json(FILE *out, const struct cgr_result *result, struct cgr_error *reterr)
{
	return dump(out, cgr_report_json_run(result), reterr);
}

int cgr_report_json_list(FILE *out, const struct cgr_result *const *results, size_t count, struct cgr_error *reterr)
{
	json_t *runs = json_array();
	int rc = runs ? 0 : CGR_E_NOMEM;
	for (size_t i = 0; i < count && rc == 0; i++)
		rc = append(runs, cgr_report_json_run(results[i]));
	runs = finish(runs, rc);
	return dump(out, json_pack("{si so}", "schema_version", CGR_RESULT_SCHEMA_VERSION, "runs", runs), reterr);
}
