/* The miss-ratio curves of a result: per cgroup, at sizes a chart can show. */
#include <stdlib.h>

#include "common/units.h"
#include "replay/miss_ratio.h"
#include "replay/run_internal.h"

#define SIZES 256u
#define CURVE_PAGES_MAX (1u << 20) /* of each curve: 32 MiB of table at most, beyond that pages are sampled */
#define ACCESSES_MIN 100u /* fewer say nothing about a size */

/* Equal steps up to what all pages need; points on a level stretch are left out. */
static size_t keep_bends(const uint64_t *size, const uint64_t *misses, size_t count, struct cgr_result_curve *out)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		bool level = i > 0 && i + 1 < count && misses[i - 1] == misses[i] && misses[i + 1] == misses[i];

		if (level)
			continue;
		out->size_bytes[kept] = (int64_t)size[i] * CGR_PAGE_BYTES;
		out->misses[kept++] = (int64_t)misses[i];
	}
	return kept;
}

static int add_curve(struct cgr_result *r, size_t *capacity, uint32_t cgroup, const struct cgr_curve *curve,
                     struct cgr_error *reterr)
{
	uint64_t size[SIZES + 1], misses[SIZES + 1], pages = cgr_curve_pages(curve);
	size_t count = 0;
	struct cgr_result_curve *out;

	for (uint64_t i = 0; i <= SIZES; i++) {
		uint64_t at = pages * i / SIZES;

		if (count == 0 || at > size[count - 1])
			size[count++] = at;
	}
	cgr_curve_sizes(curve, size, count, misses);
	CGR_TRY(cgr_grow((void **)&r->curve, capacity, r->curves + 1, sizeof *r->curve, reterr));
	out = &r->curve[r->curves++];
	*out = (struct cgr_result_curve){ .cgroup = cgroup,
		                              .sampled = cgr_curve_sampled(curve),
		                              .accesses = (int64_t)cgr_curve_accesses(curve),
		                              .pages = (int64_t)pages,
		                              .size_bytes = cgr_calloc(count, sizeof *out->size_bytes),
		                              .misses = cgr_calloc(count, sizeof *out->misses) };
	if (!out->size_bytes || !out->misses)
		return cgr_error_set(reterr, CGR_E_NOMEM, "miss-ratio curve: out of memory");
	out->count = keep_bends(size, misses, count, out);
	return 0;
}

int cgr_result_curves(struct cgr_result *r, const struct cgr_store *store, struct cgr_error *reterr)
{
	struct cgr_curve_set set = { .max_pages = CURVE_PAGES_MAX };
	size_t cgroups, capacity = 0;
	int rc;

	(void)cgr_store_borrow_cgroups(store, &cgroups);
	set.curve = cgr_calloc(cgroups + 1, sizeof(struct cgr_curve *));
	set.wanted = cgr_calloc(cgroups + 1, sizeof *set.wanted);
	rc = set.curve && set.wanted ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "miss-ratio curves of %zu cgroups", cgroups);
	for (size_t g = 0; rc >= 0 && g < cgroups; g++)
		set.wanted[g] = true;
	if (rc >= 0)
		rc = cgr_curve_set_read(&set, store, reterr);
	for (uint32_t g = 0; rc >= 0 && g < cgroups; g++)
		if (set.curve[g] && cgr_curve_accesses(set.curve[g]) >= ACCESSES_MIN)
			rc = add_curve(r, &capacity, g, set.curve[g], reterr);
	for (size_t g = 0; set.curve && g < cgroups; g++)
		cgr_curve_free(set.curve[g]);
	free(set.curve);
	free(set.wanted);
	return rc;
}
