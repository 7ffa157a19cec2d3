/* Miss-ratio curves from a recording: its look-ups of cached pages, by cgroup. */
#include <stdlib.h>

#include "common/util.h"
#include "replay/miss_ratio.h"
#include "store/members.h"
#include "store/stream.h"

struct last_read {
	uint32_t file;
	uint64_t first, end;
};

/* One read() of several pages shows as events with the same end: only what is new counts. */
static bool continues(struct last_read *last, const struct cgr_event *e, uint64_t end)
{
	bool continued =
	    e->kind == CGR_EV_CACHE_READ && last->file == (uint32_t)e->a + 1 && last->end == end && e->b > last->first;

	if (e->kind == CGR_EV_CACHE_READ)
		*last = (struct last_read){ (uint32_t)e->a + 1, e->b, end };
	return continued;
}

struct reading {
	const struct cgr_curve_set *set;
	const struct cgr_store_cgroup *tree;
	size_t cgroups;
	struct cgr_members members;
	struct last_read *last; /* per task */
};

/* The cgroup and all above it: each one's cache holds what its tasks and those below it look up. */
static int look_up(const struct reading *r, uint32_t cgroup, const struct cgr_event *e, uint64_t end)
{
	for (; cgroup < r->cgroups; cgroup = r->tree[cgroup].parent) {
		struct cgr_curve **curve = &r->set->curve[cgroup];

		if (!r->set->wanted[cgroup])
			continue;
		if (!*curve && !(*curve = cgr_curve_new(r->set->max_pages)))
			return CGR_E_NOMEM;
		for (uint64_t page = e->b; page < end; page++)
			CGR_TRY(cgr_curve_access(*curve, (uint32_t)e->a, page));
	}
	return 0;
}

static void forget(const struct reading *r, const struct cgr_event *e)
{
	for (size_t g = 0; !e->d && g < r->cgroups; g++)
		for (uint64_t page = 0; r->set->curve[g] && page < e->c; page++)
			cgr_curve_forget(r->set->curve[g], (uint32_t)e->a, e->b + page);
}

static int read_event(const struct reading *r, const struct cgr_event *e)
{
	uint64_t end = e->b + CGR_MAX(e->c, 1u);

	if (continues(&r->last[e->task], e, end))
		return 0;
	return look_up(r, r->members.memory_cgroup[e->task], e, end);
}

static int read_stream(struct reading *r, const struct cgr_store *store, struct cgr_error *reterr)
{
	const uint64_t looked = 1ull << CGR_EV_CACHE_READ | 1ull << CGR_EV_CACHE_FAULT | 1ull << CGR_EV_CACHE_ACCESS |
	                        1ull << CGR_EV_CACHE_DELETE;
	struct cgr_stream *stream = NULL;
	const struct cgr_event *e;
	size_t count;
	int rc = cgr_stream_open(store, 0, looked | CGR_MEMBERS_KINDS, &stream, reterr);

	while (rc >= 0 && (rc = cgr_stream_next(stream, &e, &count, reterr)) > 0)
		for (size_t i = 0; i < count && rc >= 0; i++) {
			cgr_members_event(&r->members, &e[i]);
			if (!(looked >> e[i].kind & 1) || e[i].task >= r->members.tasks)
				continue;
			if (e[i].kind == CGR_EV_CACHE_DELETE)
				forget(r, &e[i]);
			else if (read_event(r, &e[i]) < 0)
				rc = cgr_error_set(reterr, CGR_E_NOMEM, "miss-ratio curves: out of memory");
		}
	cgr_stream_free(stream);
	return rc < 0 ? rc : 0;
}

int cgr_curve_set_read(const struct cgr_curve_set *set, const struct cgr_store *store, struct cgr_error *reterr)
{
	struct reading r = { .set = set };
	int rc;

	CGR_TRY(cgr_members_init(&r.members, store, reterr));
	r.tree = cgr_store_borrow_cgroups(store, &r.cgroups);
	r.last = cgr_calloc(r.members.tasks + 1, sizeof *r.last);
	rc = r.last ? read_stream(&r, store, reterr)
	            : cgr_error_set(reterr, CGR_E_NOMEM, "miss-ratio curves of %zu tasks", r.members.tasks);
	free(r.last);
	cgr_members_fini(&r.members);
	return rc;
}

int cgr_curve_read(const struct cgr_store *store, uint32_t cgroup, uint32_t max_pages, struct cgr_curve **ret_curve,
                   struct cgr_error *reterr)
{
	struct cgr_curve_set set = { .max_pages = max_pages };
	size_t cgroups;
	int rc;

	(void)cgr_store_borrow_cgroups(store, &cgroups);
	set.curve = cgr_calloc(cgroups + 1, sizeof(struct cgr_curve *));
	set.wanted = cgr_calloc(cgroups + 1, sizeof *set.wanted);
	if (set.curve && set.wanted) {
		set.wanted[cgroup] = true;
		set.curve[cgroup] = cgr_curve_new(max_pages);
	}
	rc = set.curve && set.wanted && set.curve[cgroup] ? cgr_curve_set_read(&set, store, reterr)
	                                                  : cgr_error_set(reterr, CGR_E_NOMEM, "miss-ratio curve");
	if (rc >= 0)
		*ret_curve = set.curve[cgroup];
	else if (set.curve)
		cgr_curve_free(set.curve[cgroup]);
	free(set.curve);
	free(set.wanted);
	return rc;
}
