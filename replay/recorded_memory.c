/* What memory a cgroup held between two samples of its counter: the samples are the kernel's own word, the recorded
 * charges in between say how it came from one to the next. */
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "replay/run_internal.h"
#include "store/stream.h"

struct follow {
	struct cgr_result_series *samples; /* NULL: not followed */
	int64_t *t_usec, *value; /* what comes out: the samples, and a point per tick of the grid */
	size_t points, next_sample, next_tick;
	uint64_t
	    pages; /* charged less uncharged so far, by it and what lies below; modulo 2^64, as a store may say anything */
	uint64_t offset; /* bytes on top of them, as of the last sample */
	int64_t from_ns, to_ns; /* its life */
};
struct reading {
	const struct cgr_store_cgroup *tree;
	const int64_t *tick_ns;
	size_t ticks, cgroups;
	struct follow *follow;
};

static void put(struct follow *f, int64_t t_usec, int64_t value)
{
	f->t_usec[f->points] = t_usec;
	f->value[f->points++] = CGR_MAX(value, (int64_t)0);
}

/* Samples and ticks up to now, at which nothing has changed since the last event of the cgroup. */
static void catch_up(const struct reading *r, struct follow *f, int64_t now_ns)
{
	for (;;) {
		bool sampled = f->next_sample < f->samples->count, ticks = f->next_tick < r->ticks;
		int64_t sample_ns = sampled ? f->samples->t_usec[f->next_sample] * 1000 : INT64_MAX;
		int64_t tick_ns = ticks ? r->tick_ns[f->next_tick] : INT64_MAX;

		if ((!sampled && !ticks) || CGR_MIN(sample_ns, tick_ns) > now_ns)
			return;
		if (sample_ns <= tick_ns) {
			int64_t value = f->samples->value[f->next_sample];

			f->offset = (uint64_t)value - f->pages * CGR_PAGE_BYTES;
			put(f, f->samples->t_usec[f->next_sample++], value);
			continue;
		}
		if ((f->next_sample > 0 || f->from_ns >= 0) && tick_ns >= f->from_ns && tick_ns < f->to_ns)
			put(f, tick_ns / 1000, (int64_t)(f->offset + f->pages * CGR_PAGE_BYTES));
		f->next_tick++;
	}
}

static void apply(const struct reading *r, const struct cgr_event *e)
{
	for (uint64_t g = e->a; g < r->cgroups; g = r->tree[g].parent) {
		if (!r->follow[g].samples)
			continue;
		catch_up(r, &r->follow[g], (int64_t)e->ts_ns);
		r->follow[g].pages += e->kind == CGR_EV_CHARGE ? e->b : 0 - e->b;
	}
}

static int read_stream(const struct reading *r, const struct cgr_store *store, struct cgr_error *reterr)
{
	const uint64_t kinds = 1ull << CGR_EV_CHARGE | 1ull << CGR_EV_UNCHARGE;
	struct cgr_stream *stream = NULL;
	const struct cgr_event *e;
	size_t count;
	int rc = cgr_stream_open(store, 0, kinds, &stream, reterr);

	while (rc >= 0 && (rc = cgr_stream_next(stream, &e, &count, reterr)) > 0)
		for (size_t i = 0; i < count; i++)
			if (kinds >> e[i].kind & 1)
				apply(r, &e[i]);
	cgr_stream_free(stream);
	for (size_t g = 0; rc >= 0 && g < r->cgroups; g++)
		if (r->follow[g].samples)
			catch_up(r, &r->follow[g], INT64_MAX);
	return rc < 0 ? rc : 0;
}

static int begin(struct reading *r, struct cgr_result_series *s)
{
	struct follow *f = &r->follow[s->cgroup];

	f->t_usec = cgr_calloc(s->count + r->ticks, sizeof *f->t_usec);
	f->value = cgr_calloc(s->count + r->ticks, sizeof *f->value);
	f->from_ns = r->tree[s->cgroup].born_ns;
	f->to_ns = r->tree[s->cgroup].removed_ns;
	f->samples = s;
	return f->t_usec && f->value ? 0 : CGR_E_NOMEM;
}

static void finish(struct follow *f, bool replace)
{
	if (f->samples && replace) {
		free(f->samples->t_usec);
		free(f->samples->value);
		f->samples->t_usec = f->t_usec;
		f->samples->value = f->value;
		f->samples->count = f->points;
	} else {
		free(f->t_usec);
		free(f->value);
	}
}

int cgr_result_recorded_memory(struct cgr_result *result, const struct cgr_store *store,
                               const struct cgr_engine_output *out, struct cgr_error *reterr)
{
	struct reading r = { .tick_ns = out->sample_ns, .ticks = out->samples };
	int rc = 0;

	r.tree = cgr_store_borrow_cgroups(store, &r.cgroups);
	if (!cgr_store_borrow_info(store)->has_memcg_events)
		return 0;
	r.follow = cgr_calloc(r.cgroups, sizeof *r.follow);
	if (!r.follow)
		return cgr_error_set(reterr, CGR_E_NOMEM, "recorded memory of %zu cgroups", r.cgroups);
	for (size_t i = 0; i < result->series_count && rc >= 0; i++) {
		struct cgr_result_series *s = &result->series[i];

		if (s->recorded && s->cgroup < r.cgroups && r.tree[s->cgroup].recorded && !r.follow[s->cgroup].samples &&
		    strcmp(s->name, "memory.current") == 0)
			rc = begin(&r, s);
	}
	rc = rc < 0 ? cgr_error_set(reterr, CGR_E_NOMEM, "recorded memory") : read_stream(&r, store, reterr);
	for (size_t g = 0; g < r.cgroups; g++)
		finish(&r.follow[g], rc >= 0);
	free(r.follow);
	return rc;
}
