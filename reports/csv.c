/* CSV with stable columns (docs/FORMATS.md): columns are only ever added at the end. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/event.h"
#include "common/units.h"
#include "reports/facts.h"
#include "reports/report.h"
#include "reports/text.h"

static void put_number(struct cgr_strbuf *out, int64_t value)
{
	if (value == CGR_UNLIMITED)
		cgr_strbuf_printf(out, "max");
	else
		cgr_strbuf_printf(out, "%" PRId64, value);
}

/* text fields, comma after each; NULL is an empty field */
static void put_text(struct cgr_strbuf *out, const char *text)
{
	cgr_text_csv(out, text);
	cgr_strbuf_append(out, ",", 1);
}

static const char *path_of(const struct cgr_result *result, uint32_t cgroup)
{
	return cgroup < result->cgroups ? result->cgroup_path[cgroup] : "";
}

static void put_metrics(struct cgr_strbuf *out, const struct cgr_result *r)
{
	for (size_t i = 0; i < r->metrics; i++) {
		const struct cgr_result_metric *m = &r->metric[i];
		put_text(out, r->name);
		put_text(out, path_of(r, m->cgroup));
		put_text(out, r->metric_desc[m->metric].name);
		put_text(out, r->metric_desc[m->metric].unit);
		if (m->has_recorded)
			put_number(out, m->recorded);
		cgr_strbuf_append(out, ",", 1);
		put_number(out, m->predicted);
		cgr_strbuf_append(out, ",", 1);
		put_number(out, m->low);
		cgr_strbuf_append(out, ",", 1);
		put_number(out, m->high);
		cgr_strbuf_printf(out, ",%s\r\n", cgr_class_name(m->class));
	}
}

static void put_runs(struct cgr_strbuf *out, const struct cgr_result *r)
{
	struct cgr_strbuf verdict = { 0 };
	int level;
	cgr_report_verdict(r, &verdict, &level);
	put_text(out, r->name);
	put_text(out, r->source_path);
	put_text(out, r->source_digest);
	put_text(out, r->kernel_release);
	put_text(out, r->memory_model);
	put_text(out, r->reclaim_model);
	put_text(out, r->cpu_model);
	cgr_strbuf_printf(
	    out, "%" PRIu64 ",%u,%u,%u,%" PRId64 ",%" PRId64 ",%" PRIu64 ",%" PRIu64 ",%" PRId64 ",%" PRIu64 ",%d,",
	    r->seed, r->seeds, r->recorded_cpus, r->cpus, r->duration_usec, r->replayed_usec, r->events,
	    r->quality.lost_events, r->quality.unexplained_block_usec, r->quality.causality_violations, level);
	put_text(out, verdict.text);
	cgr_text_csv(out, r->scenario_json);
	cgr_strbuf_printf(out, "\r\n");
	out->failed |= verdict.failed;
	cgr_strbuf_fini(&verdict);
}

static void put_quantiles(struct cgr_strbuf *out, const struct cgr_histogram *h)
{
	if (h->count == 0)
		cgr_strbuf_printf(out, ",,,,0");
	else
		cgr_strbuf_printf(out, "%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%" PRIu64,
		                  cgr_histogram_quantile(h, 500), cgr_histogram_quantile(h, 950),
		                  cgr_histogram_quantile(h, 990), h->maximum, h->count);
}

static void put_tasks(struct cgr_strbuf *out, const struct cgr_result *r)
{
	for (size_t i = 0; i < r->tasks; i++) {
		const struct cgr_result_task *t = &r->task[i];
		put_text(out, r->name);
		put_text(out, path_of(r, t->cgroup));
		cgr_strbuf_printf(out, "%d,", t->tid);
		put_text(out, t->comm);
		cgr_strbuf_printf(out, "%" PRId64 ",", t->start_usec);
		if (t->recorded_end_usec >= 0)
			put_number(out, t->recorded_end_usec);
		cgr_strbuf_append(out, ",", 1);
		if (t->end_usec >= 0)
			put_number(out, t->end_usec);
		cgr_strbuf_printf(out, ",%" PRId64 ",%" PRId64 ",%" PRId64 ",%" PRId64 ",", t->recorded_runtime_usec,
		                  t->runtime_usec, t->wait_usec, t->throttled_usec);
		put_quantiles(out, &t->recorded_wakeup_latency);
		cgr_strbuf_append(out, ",", 1);
		put_quantiles(out, &t->wakeup_latency);
		cgr_strbuf_printf(out, "\r\n");
	}
}

static void put_series(struct cgr_strbuf *out, const struct cgr_result *r)
{
	struct cgr_strbuf head = { 0 };
	for (size_t i = 0; i < r->series_count; i++) {
		const struct cgr_result_series *s = &r->series[i];
		head.length = 0;
		put_text(&head, r->name);
		put_text(&head, path_of(r, s->cgroup));
		put_text(&head, s->name);
		cgr_strbuf_printf(&head, "%s,", s->recorded ? "recorded" : "predicted");
		for (size_t j = 0; j < s->count && !head.failed; j++) {
			cgr_strbuf_append(out, head.text, head.length);
			cgr_strbuf_printf(out, "%" PRId64 ",", s->t_usec[j]);
			put_number(out, s->value[j]);
			cgr_strbuf_printf(out, "\r\n");
		}
	}
	out->failed |= head.failed;
	cgr_strbuf_fini(&head);
}

static void put_decisions(struct cgr_strbuf *out, const struct cgr_result *r)
{
	for (size_t i = 0; i < r->decisions; i++) {
		const struct cgr_result_decision *d = &r->decision[i];
		put_text(out, r->name);
		cgr_strbuf_printf(out, "%" PRId64 ",", d->t_usec);
		put_text(out, d->kind);
		put_text(out, path_of(r, d->cgroup));
		if (d->tid >= 0)
			cgr_strbuf_printf(out, "%d", d->tid);
		cgr_strbuf_append(out, ",", 1);
		put_text(out, d->comm);
		cgr_strbuf_printf(out, "%" PRId64 "\r\n", d->value);
	}
}

static void put_fidelity(struct cgr_strbuf *out, const struct cgr_result *r)
{
	for (size_t i = 0; i < r->fidelities; i++) {
		const struct cgr_result_fidelity *f = &r->fidelity[i];
		put_text(out, r->name);
		put_text(out, path_of(r, f->cgroup));
		put_text(out, r->metric_desc[f->metric].name);
		put_number(out, f->recorded);
		cgr_strbuf_append(out, ",", 1);
		put_number(out, f->replayed);
		cgr_strbuf_append(out, ",", 1);
		put_number(out, f->low);
		cgr_strbuf_append(out, ",", 1);
		put_number(out, f->high);
		cgr_strbuf_printf(out, ",%" PRId64 ",%d\r\n", cgr_facts_error_ppm(f->recorded, f->replayed),
		                  cgr_facts_good(r, f));
	}
}

static void put_buckets(struct cgr_strbuf *out, const char *head, const char *which, const struct cgr_histogram *h)
{
	for (unsigned i = 0; i < h->buckets; i++)
		if (h->bucket[i])
			cgr_strbuf_printf(out, "%s%s,%" PRIu64 ",%" PRIu64 ",%u\r\n", head, which, cgr_histogram_bucket_low(i),
			                  cgr_histogram_bucket_high(i), h->bucket[i]);
}

static void put_latency(struct cgr_strbuf *out, const struct cgr_result *r)
{
	for (uint32_t i = 0; i < r->cgroups; i++) {
		struct cgr_histogram recorded, predicted;
		struct cgr_strbuf head = { 0 };
		put_text(&head, r->name);
		put_text(&head, r->cgroup_path[i]);
		if (cgr_facts_latency(r, i, &recorded, &predicted) < 0 || head.failed) {
			out->failed = true;
		} else {
			put_buckets(out, head.text, "recorded", &recorded);
			put_buckets(out, head.text, "predicted", &predicted);
		}
		cgr_histogram_fini(&recorded);
		cgr_histogram_fini(&predicted);
		cgr_strbuf_fini(&head);
	}
}

static void put_spans(struct cgr_strbuf *out, const struct cgr_result *r)
{
	static const char *const state[] = { "preempted", "blocked", "throttled", "exited" };
	for (size_t i = 0; i < r->spans; i++) {
		const struct cgr_result_span *s = &r->span[i];
		put_text(out, r->name);
		cgr_strbuf_printf(out, "%u,%" PRId64 ",%" PRId64 ",", s->cpu, s->start_ns, s->end_ns);
		if (s->task < r->tasks)
			cgr_strbuf_printf(out, "%d", r->task[s->task].tid);
		cgr_strbuf_append(out, ",", 1);
		put_text(out, s->task < r->tasks ? r->task[s->task].comm : "");
		cgr_strbuf_printf(out, "%s\r\n", s->state < CGR_ARRAY_SIZE(state) ? state[s->state] : "");
	}
}

static void put_curves(struct cgr_strbuf *out, const struct cgr_result *r)
{
	for (size_t i = 0; i < r->curves; i++) {
		const struct cgr_result_curve *c = &r->curve[i];
		for (size_t k = 0; k < c->count; k++) {
			put_text(out, r->name);
			put_text(out, path_of(r, c->cgroup));
			cgr_strbuf_printf(out, "%" PRId64 ",%" PRId64 ",%" PRId64 "\r\n", c->size_bytes[k], c->accesses,
			                  c->misses[k]);
		}
	}
}

#define METRICS_HEAD "run,cgroup,metric,unit,recorded,predicted,low,high,class"
static const struct {
	const char *file, *head;
	void (*put)(struct cgr_strbuf *out, const struct cgr_result *result);
} sheets[] = {
	{ "runs.csv",
	  "run,source,digest,kernel,memory_model,reclaim_model,cpu_model,seed,seeds,recorded_cpus,cpus,duration_usec,"
	  "replayed_usec,events,lost_events,unexplained_block_usec,causality_violations,verdict_level,verdict,scenario",
	  put_runs },
	{ "metrics.csv", METRICS_HEAD, put_metrics },
	{ "tasks.csv",
	  "run,cgroup,tid,comm,start_usec,recorded_end_usec,end_usec,recorded_runtime_usec,runtime_usec,wait_usec,"
	  "throttled_usec,recorded_latency_p50_usec,recorded_latency_p95_usec,recorded_latency_p99_usec,"
	  "recorded_latency_max_usec,recorded_wakeups,latency_p50_usec,latency_p95_usec,latency_p99_usec,latency_max_usec,"
	  "wakeups",
	  put_tasks },
	{ "series.csv", "run,cgroup,series,source,t_usec,value", put_series },
	{ "decisions.csv", "run,t_usec,kind,cgroup,tid,comm,value", put_decisions },
	{ "fidelity.csv", "run,cgroup,metric,recorded,replayed,low,high,error_ppm,good", put_fidelity },
	{ "latency.csv", "run,cgroup,source,from_usec,to_usec,wakeups", put_latency },
	{ "curves.csv", "run,cgroup,size_bytes,accesses,misses", put_curves },
	{ "spans.csv", "run,cpu,start_ns,end_ns,tid,comm,ended", put_spans },
};

static int make_sheet(size_t which, const struct cgr_result *const *results, size_t count, struct cgr_strbuf *out,
                      struct cgr_error *reterr)
{
	cgr_strbuf_printf(out, "%s\r\n", sheets[which].head);
	for (size_t i = 0; i < count; i++)
		sheets[which].put(out, results[i]);
	return out->failed ? cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", sheets[which].file) : 0;
}

int cgr_report_csv(FILE *out, const struct cgr_result *const *results, size_t count, struct cgr_error *reterr)
{
	struct cgr_strbuf text = { 0 };
	size_t which = 0;
	while (strcmp(sheets[which].file, "metrics.csv") != 0)
		which++;
	int rc = make_sheet(which, results, count, &text, reterr);
	if (rc == 0 && fwrite(text.text, 1, text.length, out) != text.length)
		rc = cgr_error_errno(reterr, CGR_E_IO, "cannot write the CSV rows");
	cgr_strbuf_fini(&text);
	return rc;
}

static int write_sheet(const char *path, const struct cgr_strbuf *text, struct cgr_error *reterr)
{
	struct cgr_outfile file = { 0 };
	CGR_TRY(cgr_outfile_open(&file, path, reterr));
	int rc = cgr_write_all(file.fd, text->text, text->length, path, reterr);
	if (rc == 0)
		rc = cgr_outfile_commit(&file, reterr);
	if (rc < 0)
		cgr_outfile_abort(&file);
	return rc;
}

int cgr_report_csv_folder(const char *folder, const struct cgr_result *const *results, size_t count,
                          struct cgr_error *reterr)
{
	if (mkdir(folder, 0777) != 0 && errno != EEXIST)
		return cgr_error_errno(reterr, CGR_E_IO, "%s: cannot make the folder for the CSV files", folder);
	int rc = 0;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(sheets) && rc == 0; i++) {
		struct cgr_strbuf text = { 0 };
		char *path = cgr_printf("%s/%s", folder, sheets[i].file);
		rc = path ? make_sheet(i, results, count, &text, reterr)
		          : cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", sheets[i].file);
		if (rc == 0)
			rc = cgr_interrupt_check(reterr);
		if (rc == 0)
			rc = write_sheet(path, &text, reterr);
		cgr_strbuf_fini(&text);
		free(path);
	}
	return rc;
}
