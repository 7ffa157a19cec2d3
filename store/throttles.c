/* When cgroups were held back by their limits, as the import saw or inferred it. */
#include <stdlib.h>

#include "common/util.h"
#include "store/store_internal.h"

static int read_rows(const struct cgr_store *store, sqlite3_stmt *s, struct cgr_store_throttle **rows, size_t *count,
                     struct cgr_error *reterr)
{
	size_t capacity = 0;
	int rc;

	while ((rc = cgr_db_step(&store->db, s, "reading throttled spans", reterr)) > 0) {
		int64_t cgroup = sqlite3_column_int64(s, 0), from_ns = sqlite3_column_int64(s, 1),
		        to_ns = sqlite3_column_int64(s, 2);

		if (cgroup < 0 || (size_t)cgroup >= store->cgroups || from_ns < 0 || to_ns < from_ns)
			return cgr_error_set(reterr, CGR_E_INPUT,
			                     "%s: throttle_span holds what cannot be; import the recording again", store->db.path);
		CGR_TRY(cgr_grow((void **)rows, &capacity, *count + 1, sizeof **rows, reterr));
		(*rows)[(*count)++] =
		    (struct cgr_store_throttle){ .cgroup = (uint32_t)cgroup, .from_ns = from_ns, .to_ns = to_ns };
	}
	return rc;
}

int cgr_store_load_throttles(const struct cgr_store *store, struct cgr_store_throttle **ret_rows, size_t *ret_count,
                             struct cgr_error *reterr)
{
	struct cgr_store_throttle *rows = NULL;
	sqlite3_stmt *s = NULL;
	size_t count = 0;
	int rc;

	(void)pthread_mutex_lock(store->lock);
	rc = cgr_db_prepare(
	    &store->db,
	    "SELECT cgroup, from_ns, to_ns FROM throttle_span WHERE cgroup IS NOT NULL AND to_ns IS NOT NULL "
	    "ORDER BY cgroup, to_ns, from_ns",
	    &s, reterr);
	if (rc >= 0)
		rc = read_rows(store, s, &rows, &count, reterr);
	(void)sqlite3_finalize(s);
	(void)pthread_mutex_unlock(store->lock);
	if (rc < 0) {
		free(rows);
		return rc;
	}
	*ret_rows = rows;
	*ret_count = count;
	return 0;
}
