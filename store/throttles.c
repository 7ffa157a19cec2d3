/* When cgroups were held back by their limits, as the import saw or inferred it. */
#include <stdlib.h>

#include "common/util.h"
#include "store/store_internal.h"

static int read_rows(const struct cgr_store *store, struct cgr_scan *s, struct cgr_store_throttle **rows, size_t *count,
                     struct cgr_error *reterr)
{
	size_t capacity = 0;
	int rc;

	CGR_TRY(cgr_scan_start(s, cgr_store_root(store, "throttle_span"), false, reterr));
	while ((rc = cgr_scan_next(s, CGR_SCAN_COLUMNS, reterr)) == 1) {
		int64_t cgroup = cgr_scan_integer(s, 0), from_ns = cgr_scan_integer(s, 3), to_ns = cgr_scan_integer(s, 4);

		if (cgr_scan_is_null(s, 0) || cgr_scan_is_null(s, 4))
			continue;
		if (s->wrong || cgroup < 0 || (size_t)cgroup >= store->cgroups || from_ns < 0 || to_ns < from_ns)
			return cgr_error_set(reterr, CGR_E_INPUT,
			                     "%s: throttle_span holds what cannot be; import the recording again", store->path);
		CGR_TRY(cgr_grow((void **)rows, &capacity, *count + 1, sizeof **rows, reterr));
		(*rows)[(*count)++] =
		    (struct cgr_store_throttle){ .cgroup = (uint32_t)cgroup, .from_ns = from_ns, .to_ns = to_ns };
	}
	return rc;
}

static int by_end(const void *a, const void *b)
{
	const struct cgr_store_throttle *x = a, *y = b;

	if (x->cgroup != y->cgroup)
		return x->cgroup < y->cgroup ? -1 : 1;
	if (x->to_ns != y->to_ns)
		return x->to_ns < y->to_ns ? -1 : 1;
	return (x->from_ns > y->from_ns) - (x->from_ns < y->from_ns);
}

int cgr_store_load_throttles(const struct cgr_store *store, struct cgr_store_throttle **ret_rows, size_t *ret_count,
                             struct cgr_error *reterr)
{
	struct cgr_store_throttle *rows = NULL;
	struct cgr_scan scan;
	size_t count = 0;
	int rc;

	cgr_scan_init(&scan, &store->pages);
	rc = read_rows(store, &scan, &rows, &count, reterr);
	cgr_scan_fini(&scan);
	if (rc < 0) {
		free(rows);
		return rc;
	}
	if (count > 1)
		qsort(rows, count, sizeof *rows, by_end);
	*ret_rows = rows;
	*ret_count = count;
	return 0;
}
