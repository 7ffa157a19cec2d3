/* What an export reads: the stream of a store, or the spans of a simulated schedule turned into switches. */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/util.h"
#include "store/export_internal.h"
#include "store/stream.h"

static int no_memory(struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_NOMEM, "export: out of memory");
}

static int init_store(struct cgr_export_source *source, struct cgr_error *reterr)
{
	size_t count;
	const struct cgr_store_task *task = cgr_store_borrow_tasks(source->store, &count);
	struct cgr_export_task *copy = cgr_calloc(count, sizeof(*copy));

	if (copy == NULL)
		return no_memory(reterr);
	for (size_t i = 0; i < count; i++)
		copy[i] = (struct cgr_export_task){ task[i].tid, task[i].comm };
	source->task = copy;
	source->tasks = count;
	source->cpus = CGR_MAX(cgr_store_borrow_info(source->store)->cpus, 1u);
	return 0;
}

/* Tasks of a result have no idle one: they are shifted by one. */
static int init_result(struct cgr_export_source *source, struct cgr_error *reterr)
{
	const struct cgr_result *r = source->result;
	struct cgr_export_task *copy = cgr_calloc(r->tasks + 1, sizeof(*copy));

	if (copy == NULL)
		return no_memory(reterr);
	copy[0] = (struct cgr_export_task){ 0, "swapper" };
	for (size_t i = 0; i < r->tasks; i++)
		copy[i + 1] = (struct cgr_export_task){ r->task[i].tid, r->task[i].comm == NULL ? "" : r->task[i].comm };
	source->task = copy;
	source->tasks = r->tasks + 1;
	source->cpus = 1;
	for (size_t i = 0; i < r->spans; i++)
		source->cpus = CGR_MAX(source->cpus, r->span[i].cpu + 1u);
	return 0;
}

int cgr_export_source_init(struct cgr_export_source *source, struct cgr_error *reterr)
{
	return source->store != NULL ? init_store(source, reterr) : init_result(source, reterr);
}

void cgr_export_source_fini(struct cgr_export_source *source)
{
	free((struct cgr_export_task *)source->task);
	source->task = NULL;
}

static int each_of_store(const struct cgr_export_source *source, cgr_export_fn fn, void *sink, struct cgr_error *reterr)
{
	uint64_t total = cgr_store_borrow_info(source->store)->events, done = 0;
	struct cgr_stream *stream = NULL;
	const struct cgr_event *events;
	size_t count;
	int rc = cgr_stream_open(source->store, INT64_MIN, 0, &stream, reterr);

	while (rc >= 0 && (rc = cgr_stream_next(stream, &events, &count, reterr)) == 1) {
		for (size_t i = 0; rc >= 0 && i < count; i++) {
			if (events[i].task >= source->tasks)
				rc = cgr_error_set(reterr, CGR_E_INPUT, "the packed stream names task %u of %zu", events[i].task,
				                   source->tasks);
			else
				rc = fn(sink, source, &events[i], reterr);
		}
		done += count;
		cgr_progress_update(source->progress, "exporting", done, total, "events");
		if (rc >= 0)
			rc = cgr_interrupt_check(reterr);
	}
	(void)cgr_stream_free(stream);
	return rc;
}

static int by_start(const void *left, const void *right)
{
	const struct cgr_result_span *const *a = left, *const *b = right;

	if ((*a)->cpu != (*b)->cpu)
		return (*a)->cpu < (*b)->cpu ? -1 : 1;
	return (*a)->start_ns < (*b)->start_ns ? -1 : (*a)->start_ns > (*b)->start_ns;
}

static int by_time(const void *left, const void *right)
{
	const struct cgr_event *a = left, *b = right;

	if (a->ts_ns != b->ts_ns)
		return a->ts_ns < b->ts_ns ? -1 : 1;
	return a->cpu < b->cpu ? -1 : a->cpu > b->cpu;
}

static uint32_t task_of(const struct cgr_result_span *span)
{
	return span->task == CGR_ID_NONE ? 0 : span->task + 1;
}

static struct cgr_event switch_at(int64_t ns, uint16_t cpu, uint32_t prev, uint32_t next, unsigned ended)
{
	static const uint64_t state[] = { 0, 1, 0, 16 }; /* preempted R, blocked S, throttled R, exited X */

	return (struct cgr_event){ .ts_ns = ns < 0 ? 0 : (uint64_t)ns,
		                       .a = prev == 0 || ended > 3 ? 0 : state[ended],
		                       .c = next,
		                       .d = 120u | 120u << 16,
		                       .task = prev,
		                       .cpu = cpu,
		                       .kind = CGR_EV_SWITCH };
}

/* A switch where a span begins; one to idle where it ends and nothing follows at once. */
static size_t switches_of(const struct cgr_result_span *const *span, size_t count, struct cgr_event *out)
{
	size_t n = 0;

	for (size_t i = 0; i < count; i++) {
		bool follows = i > 0 && span[i - 1]->cpu == span[i]->cpu && span[i - 1]->end_ns >= span[i]->start_ns;
		bool followed = i + 1 < count && span[i + 1]->cpu == span[i]->cpu && span[i]->end_ns >= span[i + 1]->start_ns;
		uint32_t prev = follows ? task_of(span[i - 1]) : 0, next = task_of(span[i]);

		if (prev != next)
			out[n++] = switch_at(span[i]->start_ns, span[i]->cpu, prev, next, follows ? span[i - 1]->state : 0);
		if (!followed && next != 0)
			out[n++] = switch_at(span[i]->end_ns, span[i]->cpu, next, 0, span[i]->state);
	}
	return n;
}

static int each_of_result(const struct cgr_export_source *source, cgr_export_fn fn, void *sink,
                          struct cgr_error *reterr)
{
	const struct cgr_result *r = source->result;
	const struct cgr_result_span **span = cgr_calloc(r->spans + 1, sizeof(*span));
	struct cgr_event *events = cgr_calloc(2 * r->spans + 1, sizeof(*events));
	size_t count = 0;
	int rc = span == NULL || events == NULL ? no_memory(reterr) : 0;

	if (rc == 0) {
		for (size_t i = 0; i < r->spans; i++)
			span[i] = &r->span[i];
		if (r->spans > 0)
			qsort(span, r->spans, sizeof(*span), by_start);
		count = switches_of(span, r->spans, events);
		if (count > 0)
			qsort(events, count, sizeof(*events), by_time);
	}
	for (size_t i = 0; rc >= 0 && i < count; i++)
		rc = fn(sink, source, &events[i], reterr);
	free(span);
	free(events);
	return rc;
}

int cgr_export_each(const struct cgr_export_source *source, cgr_export_fn fn, void *sink, struct cgr_error *reterr)
{
	return source->store != NULL ? each_of_store(source, fn, sink, reterr) : each_of_result(source, fn, sink, reterr);
}
