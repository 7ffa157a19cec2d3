/* Wake-up latencies of a recording, by cgroup: how long woken tasks waited for a CPU. */
#include <stdlib.h>

#include "cli/recording.h"
#include "common/util.h"
#include "store/members.h"
#include "store/sched.h"
#include "store/stream.h"

#define SLICES 32 /* even and odd ones make two halves of the same recording */

struct pass {
	struct cgr_sched *sched;
	struct cgr_members members;
	const struct cgr_store_cgroup *tree;
	size_t cgroups;
	struct cgr_result_latency *latency; /* by cgroup */
	int64_t slice_ns;
	struct cgr_error *reterr;
};

/* The cgroup and all above it. */
static int note(struct pass *p, uint32_t cgroup, uint64_t latency_usec, unsigned half)
{
	for (; cgroup < p->cgroups; cgroup = p->tree[cgroup].parent)
		if (cgr_histogram_add(&p->latency[cgroup].half[half], latency_usec) < 0)
			return cgr_error_set(p->reterr, CGR_E_NOMEM, "latency histograms: out of memory");
	return 0;
}

static int one(struct pass *p, const struct cgr_event *e, uint64_t id)
{
	struct cgr_sched_derived derived = { -1, -1, 0 };

	cgr_members_event(&p->members, e);
	CGR_TRY(cgr_sched_event(p->sched, e, id, &derived, p->reterr));
	if (derived.wait_ns < 0 || derived.wake == 0 || e->c >= p->members.tasks)
		return 0;
	return note(p, p->members.cpu_cgroup[e->c], (uint64_t)derived.wait_ns / 1000,
	            (unsigned)((int64_t)e->ts_ns / p->slice_ns) & 1);
}

static int read_stream(struct pass *p, const struct cgr_store *store)
{
	const uint64_t kinds = 1ull << CGR_EV_SWITCH | 1ull << CGR_EV_RUN_START | 1ull << CGR_EV_WAKING |
	                       1ull << CGR_EV_WAKEUP | 1ull << CGR_EV_WAKEUP_NEW | 1ull << CGR_EV_LOST | CGR_MEMBERS_KINDS;
	struct cgr_stream *stream = NULL;
	const struct cgr_event *e;
	uint64_t id = 0;
	size_t count;
	int rc = cgr_stream_open(store, 0, kinds, &stream, p->reterr);

	while (rc >= 0 && (rc = cgr_stream_next(stream, &e, &count, p->reterr)) > 0)
		for (size_t i = 0; i < count && rc >= 0; i++)
			if (kinds >> e[i].kind & 1)
				rc = one(p, &e[i], ++id);
	cgr_stream_free(stream);
	return rc < 0 ? rc : 0;
}

int cgr_recording_latency(const struct cgr_store *store, struct cgr_result *result, struct cgr_error *reterr)
{
	struct pass p = { .sched = cgr_sched_new(), .reterr = reterr };
	int rc = cgr_members_init(&p.members, store, reterr);

	p.tree = cgr_store_borrow_cgroups(store, &p.cgroups);
	p.slice_ns = CGR_MAX(cgr_store_borrow_info(store)->duration_ns / SLICES, (int64_t)1);
	result->latency = p.latency = cgr_calloc(p.cgroups + 1, sizeof *p.latency);
	if (rc >= 0 && (!p.sched || !p.latency))
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "latency histograms of %zu cgroups", p.cgroups);
	result->latencies = p.latency ? p.cgroups : 0;
	if (rc >= 0)
		rc = read_stream(&p, store);
	cgr_members_fini(&p.members);
	cgr_sched_free(p.sched);
	return rc;
}
