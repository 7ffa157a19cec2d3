/* Charts: what the samples of the recording say, what the first seed did, and the limits over time. */
#include <stdlib.h>
#include <string.h>

#include "common/units.h"
#include "replay/plan_internal.h"
#include "replay/run_internal.h"

static struct cgr_result_series *add(struct cgr_result *r, size_t *capacity, uint32_t cgroup, const char *name,
                                     bool recorded, size_t points, struct cgr_error *reterr)
{
	struct cgr_result_series *s;

	if (cgr_grow((void **)&r->series, capacity, r->series_count + 1, sizeof *s, reterr) < 0)
		return NULL;
	s = &r->series[r->series_count++];
	*s = (struct cgr_result_series){ .cgroup = cgroup, .recorded = recorded };
	s->name = cgr_strdup(name);
	s->t_usec = cgr_calloc(points ? points : 1, sizeof *s->t_usec);
	s->value = cgr_calloc(points ? points : 1, sizeof *s->value);
	if (s->name && s->t_usec && s->value)
		return s;
	cgr_error_set(reterr, CGR_E_NOMEM, "series of a replay");
	return NULL;
}

static bool all_zero(const struct cgr_engine_output *out, const struct cgr_series_output *s)
{
	for (size_t i = 0; i < out->samples; i++)
		if (s->value[i])
			return false;
	return true;
}

static int predicted(struct cgr_result *r, const struct cgr_engine_output *out, size_t *capacity,
                     struct cgr_error *reterr)
{
	for (size_t k = 0; k < out->series_count; k++) {
		const struct cgr_series_output *from = &out->series[k];
		struct cgr_result_series *s;

		if (!out->samples || all_zero(out, from))
			continue;
		s = add(r, capacity, from->cgroup, out->block[from->block].desc[from->metric].name, false, out->samples,
		        reterr);
		if (!s)
			return CGR_E_NOMEM;
		s->count = out->samples;
		for (size_t i = 0; i < out->samples; i++) {
			s->t_usec[i] = out->sample_ns[i] / 1000;
			s->value[i] = from->value[i];
		}
	}
	return 0;
}

/* Recorded counters of the same names; counters start at 0 with the trace, as the predicted ones do. */
static int recorded(struct cgr_result *r, const struct cgr_store *store, const struct cgr_engine_output *out,
                    size_t *capacity, struct cgr_error *reterr)
{
	size_t count;
	const struct cgr_store_sample *sample = cgr_store_borrow_counters(store, &count);
	size_t mine = r->series_count;

	for (size_t k = 0; k < mine; k++) {
		uint32_t cgroup = r->series[k].cgroup;
		char *name = r->series[k].name;
		struct cgr_result_series *s;
		size_t points = 0;
		bool counter = true;

		for (size_t b = 0; b < CGR_BLOCK_COUNT; b++)
			for (unsigned m = 0; m < out->block[b].count; m++)
				if (!strcmp(out->block[b].desc[m].name, name))
					counter = out->block[b].desc[m].kind == CGR_METRIC_COUNTER;
		for (size_t i = 0; i < count; i++)
			points += sample[i].cgroup == cgroup && !strcmp(cgr_store_borrow_name(store, sample[i].name), name);
		if (points < 2)
			continue;
		s = add(r, capacity, cgroup, name, true, points, reterr);
		if (!s)
			return CGR_E_NOMEM;
		for (size_t i = 0; i < count; i++) {
			if (sample[i].cgroup != cgroup || strcmp(cgr_store_borrow_name(store, sample[i].name), s->name) != 0)
				continue;
			s->t_usec[s->count] = sample[i].t_ns / 1000;
			s->value[s->count++] = sample[i].value;
		}
		for (size_t i = s->count; counter && i-- > 0;)
			s->value[i] -= s->value[0];
	}
	return 0;
}

/* Limits as steps: one point per change. */
static int limits(struct cgr_result *r, const struct cgr_whatif *plan, size_t *capacity, struct cgr_error *reterr)
{
	for (size_t i = 0; i < plan->knobs; i++) {
		const struct cgr_knob_change *c = &plan->knob[i];
		const struct cgr_knob_desc *desc = cgr_knob_desc_of(plan, c->domain, c->knob);
		struct cgr_result_series *s = NULL;

		if ((desc->type != CGR_KNOB_BYTES && desc->type != CGR_KNOB_QUOTA) || c->v[0] == desc->fallback[0])
			continue;
		for (size_t k = 0; k < r->series_count; k++)
			if (!r->series[k].recorded && r->series[k].cgroup == c->cgroup && !strcmp(r->series[k].name, desc->name))
				s = &r->series[k];
		if (!s)
			s = add(r, capacity, c->cgroup, desc->name, false, plan->knobs, reterr);
		if (!s)
			return CGR_E_NOMEM;
		s->t_usec[s->count] = c->t_ns / 1000;
		/* CPU limits as millionths of one CPU, so that a chart can hold them against usage */
		s->value[s->count++] = desc->type == CGR_KNOB_QUOTA && c->v[0] != CGR_UNLIMITED && c->v[1] > 0
		                           ? (int64_t)((__int128)c->v[0] * 1000000 / c->v[1])
		                           : c->v[0];
	}
	return 0;
}

int cgr_result_series(struct cgr_result *r, const struct cgr_store *store, const struct cgr_seed_set *asked,
                      struct cgr_error *reterr)
{
	size_t capacity = 0;

	CGR_TRY(predicted(r, &asked->output[0], &capacity, reterr));
	CGR_TRY(recorded(r, store, &asked->output[0], &capacity, reterr));
	return limits(r, asked->plan, &capacity, reterr);
}
