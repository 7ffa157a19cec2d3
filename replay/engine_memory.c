/* Memory operations of a program, put to the memory controller; what comes back costs the task time or its life. */
#include "model/reclaim.h"
#include "replay/engine_internal.h"
#include "store/stream.h"

#define MISS_MOST_NS 3600000000000ull /* of one look-up, whatever a damaged store says */

static struct mm_charge *held_find(struct cgr_engine *e, uint32_t leader, uint32_t cgroup, uint8_t kind)
{
	for (uint32_t i = e->held_head[leader]; i != NONE; i = e->held[i].next)
		if (e->held[i].cgroup == cgroup && e->held[i].kind == kind)
			return &e->held[i];
	return NULL;
}

static void held_add(struct cgr_engine *e, uint32_t task, uint32_t cgroup, uint8_t kind, int64_t pages)
{
	uint32_t leader = e->task_info[task].mm_owner;
	struct mm_charge *held = held_find(e, leader, cgroup, kind);

	if (!held && pages > 0) {
		uint32_t fresh = e->free_held;

		if (fresh != NONE) {
			e->free_held = e->held[fresh].next;
		} else {
			if (cgr_grow((void **)&e->held, &e->held_capacity, e->helds + 1, sizeof *e->held, e->error) < 0) {
				run_fail(e, CGR_E_NOMEM);
				return;
			}
			fresh = (uint32_t)e->helds++;
		}
		held = &e->held[fresh];
		*held = (struct mm_charge){ .cgroup = cgroup, .kind = kind, .next = e->held_head[leader] };
		e->held_head[leader] = fresh;
	}
	if (held)
		held->pages = CGR_MAX(held->pages + pages, 0);
}

int64_t cgr_run_rss(struct cgr_engine *e, uint32_t task)
{
	int64_t pages = 0;

	for (uint32_t i = e->held_head[e->task_info[task].mm_owner]; i != NONE; i = e->held[i].next)
		if (e->held[i].kind == CGR_CHARGE_ANON || e->held[i].kind == CGR_CHARGE_SHMEM ||
		    e->held[i].kind == CGR_CHARGE_SWAPCACHE)
			pages += e->held[i].pages;
	return pages;
}

/* The last thread of a killed process is gone: its memory goes back. */
void cgr_run_uncharge_held(struct cgr_engine *e, uint32_t task)
{
	uint32_t leader = e->task_info[task].mm_owner;

	for (uint32_t i = e->group_next[task]; i != task; i = e->group_next[i])
		if (e->task[i].state != RUN_GONE && e->task[i].state != RUN_NONE)
			return;
	while (e->held_head[leader] != NONE) {
		uint32_t i = e->held_head[leader];
		struct mm_charge held = e->held[i];
		struct cgr_mem_request request = { .task = task,
			                               .cgroup = held.cgroup,
			                               .kind = held.kind,
			                               .pages = (uint32_t)held.pages,
			                               .flags = CGR_MEM_EXIT,
			                               .file = NONE,
			                               .index = CGR_MEM_NO_INDEX,
			                               .cpu = e->task_info[task].cpu };

		e->held_head[leader] = held.next;
		e->held[i].next = e->free_held;
		e->free_held = i;
		if (held.pages > 0 && held.kind != CGR_CHARGE_SHMEM && held.kind != CGR_CHARGE_FILE)
			e->memory->uncharge(memory_ctx(e), &request);
	}
}

/* CPU time of a RUN: the recorded limit's reclaim is not the simulated one's, and a miss that is none costs nothing. */
uint64_t cgr_run_cpu_of(struct cgr_engine *e, struct task_run *t, const struct cgr_op *op)
{
	uint64_t paid;

	if (!e->memory)
		return op->a;
	if (op->flags & CGR_OPF_RECLAIM)
		return 0;
	paid = CGR_MIN(t->credit_ns, op->a);
	t->credit_ns -= paid;
	return op->a - paid;
}

/* A request takes so long whatever its size, and so long for each of its pages: the price of a page read by itself and
 * the mean of those read in windows tell both. Under another limit windows have other sizes than in the recording. */
static uint64_t price_of(uint64_t single_ns, uint64_t page_ns, uint64_t window_pages, uint64_t pages)
{
	unsigned __int128 window_ns = (unsigned __int128)window_pages * page_ns, ns;

	window_ns = CGR_MIN(window_ns, (unsigned __int128)MISS_MOST_NS);
	if (pages < 2)
		return pages * single_ns;
	if (window_pages < 2 || window_ns <= single_ns)
		ns = (unsigned __int128)pages * page_ns;
	else
		ns = single_ns + (window_ns - single_ns) * (pages - 1) / (window_pages - 1);
	return (uint64_t)CGR_MIN(ns, (unsigned __int128)MISS_MOST_NS);
}

static uint64_t miss_cpu_ns(const struct cgr_engine *e, uint64_t pages)
{
	return price_of(e->miss[0].cpu_ns, e->miss[1].cpu_ns, e->programs->calibration.window_pages, pages);
}

static uint64_t miss_wait_ns(const struct cgr_engine *e, uint64_t pages)
{
	return price_of(e->miss[0].wait_ns, e->miss[1].wait_ns, e->programs->calibration.window_pages, pages);
}

/* CPU time of reclaim: at the recording's own price, where it had any; else at the model's, on a machine as slow as the
 * recorded one, which is known to a factor of two. */
static uint64_t reclaim_ns(const struct cgr_engine *e, const struct cgr_mem_outcome *outcome)
{
	const struct cgr_calibration *c = &e->programs->calibration;
	uint64_t pages = outcome->reclaimed_pages;
	uint64_t folios = outcome->reclaimed_folios ? CGR_MIN(outcome->reclaimed_folios, pages) : pages;
	uint64_t at = (uint64_t)(e->config->price_permille < 0 ? -e->config->price_permille : e->config->price_permille);

	if (c->reclaim_folio_ns && pages)
		return c->reclaim_folio_ns * (folios * CGR_MEM_FOLIO_COST + pages - folios) / CGR_MEM_FOLIO_COST;
	uint64_t ns = outcome->cpu_ns * c->slow_percent / 100;

	return e->config->price_permille < 0 ? ns - ns * at / 2000 : ns + ns * at / 1000;
}

/* Outcome of a charge or access: reclaim work and waits are the task's own. */
static void suffer(struct cgr_engine *e, uint32_t task, const struct cgr_mem_outcome *outcome, bool access)
{
	struct task_run *t;
	uint64_t cost_ns;

	if (task == NONE)
		return;
	t = &e->task[task];
	cost_ns = reclaim_ns(e, outcome);
	if (t->killed) { /* by its own charge: the passes into reclaim before were in vain, and pressure all the same */
		cgr_run_psi_stall(e, task, cost_ns);
		return;
	}
	t->remaining_ns += cost_ns;
	t->stall_ns += cost_ns;
	t->sleep_ns += outcome->device_ns;
	t->timeout_ns += outcome->sleep_ns;
	t->restored |= outcome->restored_pages || outcome->device_ns || outcome->sleep_ns;
	if (!access || !outcome->missed_pages)
		return;
	t->remaining_ns += miss_cpu_ns(e, outcome->missed_pages);
	if (!outcome->device_ns)
		t->sleep_ns += miss_wait_ns(e, outcome->missed_pages);
}

/* Outside the recorded subtrees the page cache is known in parts only: what happened there happens again. */
static bool recorded(const struct cgr_engine *e, uint32_t cgroup)
{
	return cgroup != 0 && e->store_cgroup[cgroup].recorded;
}

static void charge(struct cgr_engine *e, uint32_t task, struct cgr_mem_request *request, bool window)
{
	struct cgr_mem_outcome outcome = { 0 };

	if (task != NONE && e->task[task].killed)
		return;
	e->memory->charge(memory_ctx(e), request, &outcome);
	if (outcome.verdict == CGR_MEM_OK && task != NONE && request->file == NONE && !e->task[task].killed)
		held_add(e, task, request->cgroup, (uint8_t)request->kind, request->pages);
	if (task != NONE && request->file != NONE && !(request->flags & CGR_MEM_DIRTY)) {
		bool missed = outcome.missed_pages != 0 || !recorded(e, request->cgroup);

		e->task[task].missed |= missed;
		e->task[task].restored |= outcome.restored_pages != 0;
		e->task[task].adds += request->pages;
		e->task[task].adds_missed += missed ? request->pages : 0;
		if (!outcome.missed_pages && recorded(e, request->cgroup))
			e->task[task].credit_ns += request->pages * e->miss[window || request->pages > 1].cpu_ns;
	}
	if (recorded(e, request->cgroup))
		suffer(e, task, &outcome, false);
}

static void uncharge(struct cgr_engine *e, uint32_t task, struct cgr_mem_request *request)
{
	if (task != NONE && request->file == NONE) {
		if (e->task[task].killed)
			return; /* what it really holds is given back when it is gone */
		held_add(e, task, request->cgroup, (uint8_t)request->kind, -(int64_t)request->pages);
	}
	e->memory->uncharge(memory_ctx(e), request);
}

static void lookup(struct cgr_engine *e, uint32_t task, struct cgr_mem_request *request)
{
	struct cgr_mem_outcome outcome = { 0 };

	if (task != NONE && e->task[task].killed)
		return;
	e->memory->access(memory_ctx(e), request, &outcome);
	if (!recorded(e, request->cgroup))
		return;
	if (task != NONE && request->flags & CGR_MEM_SWAPIN && request->recorded_missed && !outcome.swapped_in &&
	    outcome.verdict == CGR_MEM_OK)
		e->task[task].credit_ns += e->programs->calibration.swap_read_ns;
	suffer(e, task, &outcome, true);
}

static uint32_t flags_of(const struct cgr_op *op)
{
	uint32_t flags = 0;

	if (op->flags & CGR_OPF_READAHEAD)
		flags |= CGR_MEM_READAHEAD;
	if (op->flags & CGR_OPF_EXITING)
		flags |= CGR_MEM_EXIT;
	if (op->kind == CGR_OP_UNCHARGE && op->flags & CGR_OPF_DIRECT)
		flags |= CGR_MEM_DIRECT;
	if (op->kind == CGR_OP_CHARGE && op->flags & CGR_OPF_SWAPIN)
		flags |= CGR_MEM_SWAPIN;
	if (op->kind == CGR_OP_CACHE_ADD && op->flags & CGR_OPF_REFAULT)
		flags |= CGR_MEM_REFAULT;
	if (op->kind == CGR_OP_CACHE_FAULT || op->kind == CGR_OP_CACHE_MAP)
		flags |= CGR_MEM_FAULT;
	if (op->kind == CGR_OP_CACHE_DIRTY || (op->kind == CGR_OP_CACHE_ADD && op->flags & CGR_OPF_WRITES))
		flags |= CGR_MEM_DIRTY;
	if (op->kind == CGR_OP_CACHE_READ && op->flags & CGR_OPF_ACTIVATES)
		flags |= CGR_MEM_ACTIVATES;
	if (op->kind == CGR_OP_CACHE_WRITTEN)
		flags |= CGR_MEM_WRITTEN;
	return flags;
}

void cgr_run_memory(struct cgr_engine *e, uint32_t task, uint32_t cpu, const struct cgr_op *op)
{
	struct cgr_mem_request request = {
		.task = task, .kind = op->cause, .flags = flags_of(op), .file = NONE, .index = CGR_MEM_NO_INDEX, .cpu = cpu
	};
	uint32_t own = task != NONE ? e->task_info[e->task_info[task].mm_owner].memory_cgroup : 0;

	if (op->kind == CGR_OP_CHARGE || op->kind == CGR_OP_UNCHARGE) {
		request.cgroup = op->c;
		request.pages = (uint32_t)CGR_MIN(op->a, UINT32_MAX);
		if (op->kind == CGR_OP_CHARGE && op->flags & CGR_OPF_SWAPIN) {
			request.index = op->b;
			request.recorded_missed = op->flags & CGR_OPF_SWAPREAD ? 1 : 0;
		} else if (op->kind == CGR_OP_CHARGE && request.kind != CGR_CHARGE_FILE) {
			request.folios = (uint32_t)CGR_MIN(op->b, op->a);
		}
	} else {
		request.kind = CGR_CHARGE_FILE;
		request.file = op->c;
		request.index = op->a;
		request.pages = (uint32_t)(op->b & 0xffffffffu);
		request.cgroup = own;
		if (op->kind == CGR_OP_CACHE_WRITTEN) {
			request.file = NONE;
			request.cgroup = op->c;
		}
		if (op->kind == CGR_OP_CACHE_ADD && op->b >> 32 < e->n_cgroups)
			request.cgroup = (uint32_t)(op->b >> 32);
	}
	if (request.cgroup >= e->n_cgroups || !request.pages)
		return;
	/* the kernel's own pages belong to the cgroup above once the directory is gone (memcg_reparent_objcgs) */
	while ((request.kind == CGR_CHARGE_KMEM || request.kind == CGR_CHARGE_SOCK) && e->removed[1][request.cgroup] &&
	       e->parent[1][request.cgroup] != NONE)
		request.cgroup = e->parent[1][request.cgroup];
	cgr_run_online(e, request.cgroup, 1);
	switch (op->kind) {
	case CGR_OP_CHARGE:
	case CGR_OP_CACHE_ADD:
		if (request.flags & CGR_MEM_SWAPIN)
			lookup(e, task, &request);
		else
			charge(e, task, &request, op->flags & CGR_OPF_WINDOW);
		break;
	case CGR_OP_UNCHARGE:
	case CGR_OP_CACHE_DELETE:
		if (op->flags & CGR_OPF_RECLAIM)
			request.flags |= CGR_MEM_RECORDED_RECLAIM;
		uncharge(e, task, &request);
		break;
	default:
		if (op->kind != CGR_OP_CACHE_DIRTY && op->kind != CGR_OP_CACHE_ACCESS && op->kind != CGR_OP_CACHE_WRITTEN)
			request.recorded_missed = (uint32_t)(op->b >> 32);
		lookup(e, task, &request);
		break;
	}
}

/* ---- what was there before the trace ---- */
static int64_t start_pages(const struct cgr_engine *e, uint32_t cgroup, const char *name)
{
	int64_t bytes = 0;

	if (!cgr_store_counter_first(e->config->store, cgroup, name, &bytes) || bytes < 0)
		return 0;
	return bytes / 4096;
}

/* memory.stat counts the subtree; a cgroup's own part is what its children do not have. */
static int64_t own_pages(const struct cgr_engine *e, uint32_t cgroup, const char *name)
{
	int64_t pages = start_pages(e, cgroup, name);

	for (uint32_t child = 0; child < e->n_cgroups; child++)
		if (e->store_cgroup[child].parent == cgroup && e->store_cgroup[child].born_ns < 0)
			pages -= start_pages(e, child, name);
	return CGR_MAX(pages, 0);
}

/* A reclaim policy that knows the future is told it: every look-up of the page cache in recorded order. */
int cgr_run_foresee(struct cgr_engine *e)
{
	const uint64_t kinds = 1ull << CGR_EV_CACHE_READ | 1ull << CGR_EV_CACHE_FAULT | 1ull << CGR_EV_CACHE_ACCESS;
	const struct cgr_reclaim_ops *policy = (const void *)e->model[MODEL_RECLAIM].head;
	struct cgr_ctx *ctx = &e->model[MODEL_RECLAIM].ctx;
	struct cgr_stream *stream = NULL;
	const struct cgr_event *events;
	size_t count;
	int rc;

	if (!e->memory || !policy || !policy->foresee)
		return 0;
	rc = cgr_stream_open(e->config->store, 0, kinds, &stream, e->error);
	while (rc >= 0 && (rc = cgr_stream_next(stream, &events, &count, e->error)) > 0)
		for (size_t i = 0; i < count && rc >= 0; i++)
			if (kinds >> events[i].kind & 1 &&
			    policy->foresee(ctx, (uint32_t)events[i].a, events[i].b, CGR_MAX(events[i].c, 1u)) < 0)
				rc = cgr_error_set(e->error, CGR_E_NOMEM, "the future of %s", policy->head.name);
	cgr_stream_free(stream);
	if (rc >= 0)
		(void)policy->foresee(ctx, 0, 0, 0);
	return rc < 0 ? rc : 0;
}

void cgr_run_preload(struct cgr_engine *e)
{
	static const struct {
		const char *name;
		uint32_t kind;
	} part[] = {
		{ "memory.stat.anon", CGR_CHARGE_ANON },   { "memory.stat.file", CGR_CHARGE_FILE },
		{ "memory.stat.shmem", CGR_CHARGE_SHMEM }, { "memory.stat.kernel", CGR_CHARGE_KMEM },
		{ "memory.stat.sock", CGR_CHARGE_SOCK },
	};

	for (uint32_t cgroup = 1; cgroup < e->n_cgroups; cgroup++) {
		int64_t left, shmem = own_pages(e, cgroup, "memory.stat.shmem");

		if (!e->online[1][cgroup] || e->store_cgroup[cgroup].born_ns >= 0)
			continue;
		left = own_pages(e, cgroup, "memory.current");
		for (size_t i = 0; i < CGR_ARRAY_SIZE(part); i++) {
			struct cgr_mem_request request = {
				.task = NONE, .cgroup = cgroup, .kind = part[i].kind, .file = NONE, .index = CGR_MEM_NO_INDEX
			};
			int64_t pages = own_pages(e, cgroup, part[i].name);

			if (part[i].kind == CGR_CHARGE_FILE)
				pages = CGR_MAX(pages - shmem, 0);
			pages = CGR_MIN(pages, left);
			request.pages = (uint32_t)pages;
			left -= pages;
			if (pages > 0)
				e->memory->preload(memory_ctx(e), &request);
		}
		/* what no statistic names: kernel memory on v1, and the per-CPU stocks */
		if (left > 0) {
			struct cgr_mem_request rest = { .task = NONE,
				                            .cgroup = cgroup,
				                            .kind = CGR_CHARGE_KMEM,
				                            .pages = (uint32_t)left,
				                            .file = NONE,
				                            .index = CGR_MEM_NO_INDEX };

			e->memory->preload(memory_ctx(e), &rest);
		}
	}
}
