/* The memory controller as the kernel has it (mm/memcontrol.c, mm/page_counter.c), v1 and v2 semantics, 6.1 and 6.18:
 * this file is the table; the parts are in model/lib/memcg_*.c. */
#include <string.h>

#include "common/error.h"
#include "common/util.h"
#include "model/lib/memcg_internal.h"

enum metric {
	METRIC_CURRENT,
	METRIC_PEAK,
	METRIC_FAILCNT,
	METRIC_MEMSW_FAILCNT,
	METRIC_SWAP_CURRENT,
	METRIC_EVENTS, /* MEMCG_EVENT_COUNT of them, in the order of enum memcg_event */
	METRIC_ANON = METRIC_EVENTS + MEMCG_EVENT_COUNT,
	METRIC_FILE,
	METRIC_SHMEM,
	METRIC_KERNEL,
	METRIC_SOCK,
	METRIC_STATS, /* CGR_STAT_COUNT of them, in the order of enum cgr_reclaim_stat */
	METRIC_PGMAJFAULT = METRIC_STATS + CGR_STAT_COUNT,
	METRIC_PSWPIN,
	METRIC_PSWPOUT,
	METRIC_RECLAIM_USEC,
	METRIC_HIGH_SLEEP_USEC,
	METRIC_HIGH_SLEEPS,
	METRIC_DYING,
	METRIC_DYING_BYTES,
	METRIC_DYING_USEC,
	METRIC_COUNT
};

#define COUNTER(text, help_, worse_)                                                                                   \
	{                                                                                                                  \
		.name = text, .unit = "count", .help = help_, .kind = CGR_METRIC_COUNTER, .worse = worse_,                     \
		.tolerance_ppm = 20000                                                                                         \
	}
#define SERIES(text, help_, worse_)                                                                                    \
	{                                                                                                                  \
		.name = text, .unit = "count", .help = help_, .kind = CGR_METRIC_COUNTER, .worse = worse_,                     \
		.tolerance_ppm = 20000, .series = true                                                                         \
	}
#define BYTES(text, help_, kind_, worse_, series_)                                                                     \
	{                                                                                                                  \
		.name = text, .unit = "bytes", .help = help_, .kind = kind_, .worse = worse_, .tolerance_ppm = 20000,          \
		.series = series_                                                                                              \
	}

static const struct cgr_metric_desc metrics[METRIC_COUNT] = {
	[METRIC_CURRENT] =
	    BYTES("memory.current", "memory charged to the cgroup and its descendants", CGR_METRIC_GAUGE, 0, true),
	[METRIC_PEAK] = BYTES("memory.peak", "highest usage seen", CGR_METRIC_PEAK, 0, false),
	[METRIC_FAILCNT] = COUNTER("memory.failcnt", "failed charges of the counter, batch attempts included (v1)", 1),
	[METRIC_MEMSW_FAILCNT] = COUNTER("memory.memsw.failcnt", "failed charges of memory+swap (v1)", 1),
	[METRIC_SWAP_CURRENT] = BYTES("memory.swap.current", "swap in use", CGR_METRIC_GAUGE, 1, true),
	[METRIC_EVENTS + MEMCG_LOW] = COUNTER("memory.events.low", "reclaimed below memory.low", 1),
	[METRIC_EVENTS + MEMCG_HIGH] = COUNTER("memory.events.high", "reclaim passes for memory.high", 1),
	[METRIC_EVENTS + MEMCG_MAX] = COUNTER("memory.events.max", "charges that went into reclaim at memory.max", 1),
	[METRIC_EVENTS + MEMCG_OOM] = COUNTER("memory.events.oom", "charges that found nothing to reclaim", 1),
	[METRIC_EVENTS + MEMCG_OOM_KILL] = COUNTER("memory.events.oom_kill", "processes killed by the OOM killer", 1),
	[METRIC_EVENTS + MEMCG_OOM_GROUP_KILL] = COUNTER("memory.events.oom_group_kill", "cgroups killed as a whole", 1),
	[METRIC_EVENTS + MEMCG_SWAP_HIGH] = COUNTER("memory.swap.events.high", "charges above memory.swap.high", 1),
	[METRIC_EVENTS + MEMCG_SWAP_MAX] = COUNTER("memory.swap.events.max", "swap charges refused by memory.swap.max", 1),
	[METRIC_EVENTS + MEMCG_SWAP_FAIL] = COUNTER("memory.swap.events.fail", "pages that found no swap", 1),
	[METRIC_ANON] = BYTES("memory.stat.anon", "anonymous memory", CGR_METRIC_GAUGE, 0, true),
	[METRIC_FILE] = BYTES("memory.stat.file", "page cache, tmpfs included", CGR_METRIC_GAUGE, 0, true),
	[METRIC_SHMEM] = BYTES("memory.stat.shmem", "tmpfs and shared memory", CGR_METRIC_GAUGE, 0, false),
	[METRIC_KERNEL] = BYTES("memory.stat.kernel", "kernel memory", CGR_METRIC_GAUGE, 0, false),
	[METRIC_SOCK] = BYTES("memory.stat.sock", "network buffers (v2)", CGR_METRIC_GAUGE, 0, false),
	[METRIC_STATS + CGR_STAT_PGSCAN] = COUNTER("memory.stat.pgscan", "pages looked at by reclaim", 1),
	[METRIC_STATS + CGR_STAT_PGSTEAL] = COUNTER("memory.stat.pgsteal", "pages reclaimed", 1),
	[METRIC_STATS + CGR_STAT_PGACTIVATE] = COUNTER("memory.stat.pgactivate", "pages moved to an active list", 0),
	[METRIC_STATS + CGR_STAT_PGDEACTIVATE] = COUNTER("memory.stat.pgdeactivate", "pages moved to an inactive list", 0),
	[METRIC_STATS + CGR_STAT_PGREFILL] = COUNTER("memory.stat.pgrefill", "pages looked at on active lists", 0),
	[METRIC_STATS + CGR_STAT_REFAULT_ANON] =
	    SERIES("memory.stat.workingset_refault_anon", "evicted anonymous pages needed again", 1),
	[METRIC_STATS + CGR_STAT_REFAULT_FILE] =
	    SERIES("memory.stat.workingset_refault_file", "evicted file pages needed again", 1),
	[METRIC_STATS + CGR_STAT_ACTIVATE_ANON] =
	    COUNTER("memory.stat.workingset_activate_anon", "refaults found to be working set", 1),
	[METRIC_STATS + CGR_STAT_ACTIVATE_FILE] =
	    COUNTER("memory.stat.workingset_activate_file", "refaults found to be working set", 1),
	[METRIC_STATS + CGR_STAT_RESTORE_ANON] =
	    COUNTER("memory.stat.workingset_restore_anon", "refaults of pages once active", 1),
	[METRIC_STATS + CGR_STAT_RESTORE_FILE] =
	    COUNTER("memory.stat.workingset_restore_file", "refaults of pages once active", 1),
	[METRIC_PGMAJFAULT] = COUNTER("memory.stat.pgmajfault", "faults that waited for a device", 1),
	[METRIC_PSWPIN] = COUNTER("memory.stat.pswpin", "pages read from swap", 1),
	[METRIC_PSWPOUT] = COUNTER("memory.stat.pswpout", "pages written to swap", 1),
	[METRIC_RECLAIM_USEC] = { .name = "memory.reclaim_usec",
	                          .unit = "usec",
	                          .help = "time tasks spent in reclaim for this limit",
	                          .kind = CGR_METRIC_COUNTER,
	                          .worse = 1,
	                          .tolerance_ppm = 100000 },
	[METRIC_HIGH_SLEEP_USEC] = { .name = "memory.high_sleep_usec",
	                             .unit = "usec",
	                             .help = "time slept as the penalty of memory.high",
	                             .kind = CGR_METRIC_COUNTER,
	                             .worse = 1,
	                             .tolerance_ppm = 100000 },
	[METRIC_HIGH_SLEEPS] = COUNTER("memory.high_sleeps", "penalty sleeps of memory.high", 1),
	[METRIC_DYING] = { .name = "cgroup.stat.nr_dying_descendants",
	                   .unit = "count",
	                   .help = "removed cgroups below whose memory is still charged",
	                   .kind = CGR_METRIC_GAUGE,
	                   .worse = 1,
	                   .tolerance_ppm = 20000,
	                   .series = true },
	[METRIC_DYING_BYTES] =
	    BYTES("memory.dying_bytes", "what removed cgroups below still pin", CGR_METRIC_GAUGE, 1, true),
	[METRIC_DYING_USEC] = { .name = "memory.dying_usec",
	                        .unit = "usec",
	                        .help = "how long ago the first of them was removed",
	                        .kind = CGR_METRIC_GAUGE,
	                        .worse = 1,
	                        .tolerance_ppm = 100000 },
};

enum param {
	PARAM_SCAN_NS,
	PARAM_RECLAIM_NS,
	PARAM_ROUND_NS,
	PARAM_SWAPOUT_NS,
	PARAM_WRITEBACK_NS,
	PARAM_RECURSIVE,
	PARAM_CAPACITY,
	PARAM_READAHEAD,
	PARAM_SWAPPED_OUT,
	PARAM_SWAP_RETURNS,
	PARAM_COUNT
};
static const struct cgr_param_desc params[PARAM_COUNT] = {
	[PARAM_SCAN_NS] = { "scan_page_ns", "ns", "CPU time to look at one page, or one folio of several, in reclaim", 60,
	                    0, 1000000 },
	[PARAM_RECLAIM_NS] = { "reclaim_page_ns", "ns", "CPU time to free one page, or one folio of several, in reclaim",
	                       350, 0, 1000000 },
	[PARAM_ROUND_NS] = { "reclaim_round_ns", "ns", "CPU time of one round of reclaim over a cgroup, whatever it finds",
	                     400, 0, 1000000 },
	[PARAM_SWAPOUT_NS] = { "swapout_ns", "ns", "CPU time to give one page a slot and write it there", 4000, 0,
	                       1000000000 },
	[PARAM_WRITEBACK_NS] = { "writeback_page_ns", "ns",
	                         "time the device takes to write a page; -1: as the recording tells", -1, -1, 1000000000 },
	[PARAM_RECURSIVE] = { "recursiveprot", "", "cgroup2 mount option memory_recursiveprot", 1, 0, 1 },
	[PARAM_CAPACITY] = { "page_capacity", "pages", "pages and shadows kept at most", 1 << 27, 1024, 1 << 30 },
	[PARAM_READAHEAD] = { "readahead_kb", "KiB",
	                      "least readahead window of the device; larger ones are learned from the recording", 128, 4,
	                      1 << 20 },
	[PARAM_SWAPPED_OUT] = { "swapped_out", "pages", "pages that went to swap in the recording; -1: as it tells", -1, -1,
	                        INT64_MAX },
	[PARAM_SWAP_RETURNS] = { "swap_returns_permille", "permille",
	                         "how many of those came back while it was recorded; -1: as it tells", -1, -1, 1000000 },
};

#define LIMIT(text, help_)                                                                                             \
	{                                                                                                                  \
		.name = text, .type = CGR_KNOB_BYTES, .help = help_, .fallback = { CGR_MAX, 0 }, .minimum = 0,                 \
		.maximum = CGR_MAX                                                                                             \
	}
#define FLOOR(text, help_)                                                                                             \
	{                                                                                                                  \
		.name = text, .type = CGR_KNOB_BYTES, .help = help_, .fallback = { 0, 0 }, .minimum = 0, .maximum = CGR_MAX    \
	}
static const struct cgr_knob_desc knobs[MEMCG_KNOB_COUNT] = {
	[MEMCG_KNOB_MAX] = LIMIT("memory.max", "hard limit (v1 memory.limit_in_bytes)"),
	[MEMCG_KNOB_HIGH] = LIMIT("memory.high", "throttle limit (v2)"),
	[MEMCG_KNOB_LOW] = FLOOR("memory.low", "best-effort protection (v2)"),
	[MEMCG_KNOB_MIN] = FLOOR("memory.min", "hard protection (v2)"),
	[MEMCG_KNOB_SWAP_MAX] = LIMIT("memory.swap.max", "swap limit (v2)"),
	[MEMCG_KNOB_SWAP_HIGH] = LIMIT("memory.swap.high", "swap throttle limit (v2)"),
	[MEMCG_KNOB_MEMSW] = LIMIT("memory.memsw.limit_in_bytes", "limit of memory + swap (v1)"),
	[MEMCG_KNOB_SOFT] = LIMIT("memory.soft_limit_in_bytes", "soft limit; acts in global reclaim only (v1)"),
	[MEMCG_KNOB_SWAPPINESS] = { .name = "memory.swappiness",
	                            .type = CGR_KNOB_INT,
	                            .help = "0..200 (v1)",
	                            .fallback = { 60, 0 },
	                            .minimum = 0,
	                            .maximum = 200 },
	[MEMCG_KNOB_OOM_GROUP] = { .name = "memory.oom.group",
	                           .type = CGR_KNOB_INT,
	                           .help = "kill the cgroup as a whole (v2)",
	                           .fallback = { 0, 0 },
	                           .minimum = 0,
	                           .maximum = 1 },
	[MEMCG_KNOB_OOM_DISABLE] = { .name = "memory.oom_kill_disable",
	                             .type = CGR_KNOB_INT,
	                             .help = "oom_control: charges fail instead of killing (v1)",
	                             .fallback = { 0, 0 },
	                             .minimum = 0,
	                             .maximum = 1 },
};

/* ---- life cycle ---- */
static void link_children(struct memcg *m)
{
	struct cgr_ctx *ctx = m->ctx;
	for (uint32_t id = 0; id < ctx->n_cgroups; id++) {
		struct memcg_group *group = memcg_group(m, id);
		m->parent[id] = cgr_cgroup_parent(ctx, id);
		group->id = id;
		group->first_child = group->next_sibling = group->iterator = CGR_NONE;
	}
	for (uint32_t id = ctx->n_cgroups; id-- > 1;) {
		struct memcg_group *group = memcg_group(m, id);
		if (m->parent[id] == CGR_NONE)
			continue;
		struct memcg_group *parent = memcg_group(m, m->parent[id]);
		group->next_sibling = parent->first_child;
		parent->first_child = id;
	}
}

static int memcg_init(struct cgr_ctx *ctx)
{
	struct memcg *m = memcg_of(ctx);
	uint32_t version = ctx->kernel_version ? ctx->kernel_version : CGR_KERNEL(6, 18, 0);
	m->ctx = ctx;
	m->v2 = ctx->cgroup_version != 1;
	m->stock_slots = version >= CGR_KERNEL(6, 16, 0) ? MEMCG_STOCK_SLOTS : 1;
	m->random_victim = version < CGR_KERNEL(6, 18, 20);
	m->partial_walk = version >= CGR_KERNEL(6, 8, 0);
	m->map_recency = version >= CGR_KERNEL(6, 3, 0);
	m->recursive_protection = cgr_param(ctx, PARAM_RECURSIVE) != 0;
	m->slot_caches = version < CGR_KERNEL(6, 15, 0);
	m->swap = ctx->swap_total_bytes > 0;
	m->swap_free = ctx->swap_total_bytes / MEMCG_PAGE_SIZE;
	m->scan_page_ns = cgr_param(ctx, PARAM_SCAN_NS);
	m->reclaim_page_ns = cgr_param(ctx, PARAM_RECLAIM_NS);
	m->round_ns = cgr_param(ctx, PARAM_ROUND_NS);
	m->swapout_ns = cgr_param(ctx, PARAM_SWAPOUT_NS);
	m->writeback_page_ns = CGR_MAX(cgr_param(ctx, PARAM_WRITEBACK_NS), (int64_t)0);
	m->swapped_out = CGR_MAX(cgr_param(ctx, PARAM_SWAPPED_OUT), (int64_t)0);
	m->swap_returns_permille = CGR_MAX(cgr_param(ctx, PARAM_SWAP_RETURNS), (int64_t)0);
	m->task = CGR_NONE;
	m->may_enter_fs = true;
	m->parent = cgr_alloc(ctx, ctx->n_cgroups * sizeof(*m->parent));
	if (!m->parent || !ctx->reclaim)
		return CGR_E_NOMEM;
	int rc = cgr_mem_pages_init(&m->pages, (uint32_t)cgr_param(ctx, PARAM_CAPACITY));
	if (rc < 0)
		return rc;
	m->readahead = (struct cgr_readahead_table){
		.slot = cgr_alloc(ctx, CGR_READAHEAD_SLOTS * sizeof(struct cgr_readahead)),
		.files = cgr_alloc(ctx, CGR_READAHEAD_FILES * sizeof(struct cgr_readahead_file)),
		.max_pages = (uint32_t)cgr_param(ctx, PARAM_READAHEAD) * 1024 / MEMCG_PAGE_SIZE,
		.kernel_version = version,
	};
	m->reading = cgr_alloc(ctx, MEMCG_READINGS * sizeof(*m->reading));
	m->dirty.ring = cgr_alloc(ctx, MEMCG_DIRTY_FOLIOS * sizeof(*m->dirty.ring));
	if (!m->readahead.slot || !m->readahead.files || !m->reading || !m->dirty.ring) {
		cgr_mem_pages_fini(&m->pages);
		return CGR_E_NOMEM;
	}
	link_children(m);
	m->core = (struct cgr_memory_core){
		.page = m->pages.page,
		.evict = memcg_evict,
		.all_dirty = memcg_all_dirty,
		.count = memcg_count,
		.parent = m->parent,
		.swap_available = m->swap,
	};
	m->reclaim = cgr_reclaim_table(ctx);
	for (uint32_t cpu = 0; cpu < ctx->n_cpus; cpu++)
		for (unsigned slot = 0; slot < MEMCG_STOCK_SLOTS; slot++)
			memcg_stock(m, cpu)->group[slot] = CGR_NONE;
	return 0;
}

static void memcg_fini(struct cgr_ctx *ctx)
{
	cgr_mem_pages_fini(&memcg_of(ctx)->pages);
}

static void memcg_cgroup_online(struct cgr_ctx *ctx, uint32_t cgroup)
{
	struct memcg *m = memcg_of(ctx);
	struct memcg_group *group = memcg_group(m, cgroup);
	struct memcg_group *parent = m->parent[cgroup] == CGR_NONE ? NULL : memcg_group(m, m->parent[cgroup]);
	cgr_mem_counter_init(&group->memory, parent ? &parent->memory : NULL, cgroup, m->v2);
	cgr_mem_counter_init(&group->swap, parent ? &parent->swap : NULL, cgroup, false);
	cgr_mem_counter_init(&group->memsw, parent ? &parent->memsw : NULL, cgroup, false);
	group->online = true;
	group->soft_limit = CGR_COUNTER_MAX;
	group->swappiness = parent ? parent->swappiness : ctx->swappiness >= 0 ? ctx->swappiness : 60;
}

/* css_offline: protection ends, the stocks go back; pages stay charged to the dying cgroup until they are freed. */
static void memcg_cgroup_offline(struct cgr_ctx *ctx, uint32_t cgroup)
{
	struct memcg *m = memcg_of(ctx);
	struct memcg_group *group = memcg_group(m, cgroup);
	cgr_mem_counter_set_protection(&group->memory, 0, 0);
	memcg_drain_group(m, cgroup);
	group->online = false;
	group->dying = true;
	group->offline_ns = (int64_t)ctx->now_ns;
	if (m->parent[cgroup] == CGR_NONE)
		return;
	/* kernel memory is re-parented at once: the counters above hold it already */
	struct memcg_group *parent = memcg_group(m, m->parent[cgroup]);
	int64_t kernel = group->pages[CGR_CHARGE_KMEM] + group->pages[CGR_CHARGE_SOCK];
	parent->pages[CGR_CHARGE_KMEM] += kernel;
	group->pages[CGR_CHARGE_KMEM] = group->pages[CGR_CHARGE_SOCK] = 0;
	group->memory.usage -= CGR_MIN(kernel, group->memory.usage);
	group->memsw.usage -= CGR_MIN(kernel, group->memsw.usage);
}

static void memcg_task_exit(struct cgr_ctx *ctx, uint32_t task)
{
	struct memcg_task *state = memcg_task(memcg_of(ctx), task);
	state->over_high = 0;
	state->last_file = 0;
}

static void begin(struct cgr_ctx *ctx, uint32_t task, uint32_t cpu, struct cgr_mem_outcome *outcome)
{
	struct memcg *m = memcg_of(ctx);
	m->task = task;
	m->cpu = cpu < ctx->n_cpus ? cpu : 0;
	m->outcome = outcome;
	memcg_run_pending_drain(m);
}

static int64_t to_pages(int64_t bytes)
{
	return bytes == CGR_MAX ? CGR_COUNTER_MAX : bytes / MEMCG_PAGE_SIZE;
}

static int memcg_knob_write(struct cgr_ctx *ctx, uint32_t cgroup, unsigned knob, const int64_t v[2])
{
	struct memcg *m = memcg_of(ctx);
	struct memcg_group *group = memcg_group(m, cgroup);
	int64_t pages = to_pages(v[0]);
	begin(ctx, CGR_NONE, 0, NULL);
	if (!cgroup) /* the root has no limits */
		return 0;
	switch ((enum memcg_knob)knob) {
	case MEMCG_KNOB_MAX:
		return memcg_write_max(m, cgroup, pages);
	case MEMCG_KNOB_HIGH:
		if (m->v2)
			memcg_write_high(m, cgroup, pages);
		return m->v2 || pages == CGR_COUNTER_MAX ? 0 : CGR_E_SCENARIO;
	case MEMCG_KNOB_LOW:
		cgr_mem_counter_set_protection(&group->memory, group->memory.min, m->v2 ? pages : 0);
		return m->v2 || !pages ? 0 : CGR_E_SCENARIO;
	case MEMCG_KNOB_MIN:
		cgr_mem_counter_set_protection(&group->memory, m->v2 ? pages : 0, group->memory.low);
		return m->v2 || !pages ? 0 : CGR_E_SCENARIO;
	case MEMCG_KNOB_SWAP_MAX:
		group->swap.max = pages;
		return m->v2 || pages == CGR_COUNTER_MAX ? 0 : CGR_E_SCENARIO;
	case MEMCG_KNOB_SWAP_HIGH:
		group->swap.high = pages;
		return m->v2 || pages == CGR_COUNTER_MAX ? 0 : CGR_E_SCENARIO;
	case MEMCG_KNOB_MEMSW:
		if (m->v2)
			return pages == CGR_COUNTER_MAX ? 0 : CGR_E_SCENARIO;
		return memcg_write_memsw(m, cgroup, pages);
	case MEMCG_KNOB_SOFT:
		group->soft_limit = pages;
		return 0;
	case MEMCG_KNOB_SWAPPINESS:
		if (!m->v2)
			group->swappiness = (int)v[0];
		return 0;
	case MEMCG_KNOB_OOM_GROUP:
		group->oom_group = v[0] != 0;
		return 0;
	case MEMCG_KNOB_OOM_DISABLE:
		group->oom_kill_disable = v[0] != 0;
		return 0;
	case MEMCG_KNOB_COUNT:
		break;
	}
	return CGR_E_SCENARIO;
}

/* ---- requests ---- */
static void finish_request(struct memcg *m)
{
	if (m->v2 && m->task != CGR_NONE && m->outcome->verdict == CGR_MEM_OK)
		memcg_handle_over_high(m, m->task);
}

static void memcg_charge(struct cgr_ctx *ctx, const struct cgr_mem_request *request, struct cgr_mem_outcome *outcome)
{
	begin(ctx, request->task, request->cpu, outcome);
	memcg_charge_request(memcg_of(ctx), request);
	finish_request(memcg_of(ctx));
}

static void memcg_uncharge_op(struct cgr_ctx *ctx, const struct cgr_mem_request *request)
{
	struct memcg *m = memcg_of(ctx);
	uint32_t cpu = m->cpu;
	/* may come from inside a charge, when kill() gives back what the victim held: leave the request in progress alone,
	 * but for the CPU, into whose stock kernel pages go */
	m->cpu = request->cpu < ctx->n_cpus ? request->cpu : 0;
	memcg_uncharge_request(m, request);
	m->cpu = cpu;
}

static void memcg_access(struct cgr_ctx *ctx, const struct cgr_mem_request *request, struct cgr_mem_outcome *outcome)
{
	begin(ctx, request->task, request->cpu, outcome);
	memcg_access_request(memcg_of(ctx), request);
	finish_request(memcg_of(ctx));
}

static void memcg_preload(struct cgr_ctx *ctx, const struct cgr_mem_request *request)
{
	struct cgr_mem_outcome outcome = { 0 };
	begin(ctx, CGR_NONE, 0, &outcome);
	memcg_preload_request(memcg_of(ctx), request);
	memcg_of(ctx)->outcome = NULL;
}

/* ---- metrics ---- */
static void kinds_of_tree(const struct memcg *m, uint32_t cgroup, int64_t sum[CGR_CHARGE_KIND_COUNT])
{
	memset(sum, 0, CGR_CHARGE_KIND_COUNT * sizeof(sum[0]));
	for (uint32_t id = cgroup; id != CGR_NONE; id = memcg_next(m, id, cgroup))
		for (unsigned kind = 0; kind < CGR_CHARGE_KIND_COUNT; kind++)
			sum[kind] += memcg_group(m, id)->pages[kind];
}

static void publish(const struct memcg *m, uint32_t cgroup)
{
	struct cgr_ctx *ctx = m->ctx;
	const struct memcg_group *group = memcg_group(m, cgroup);
	int64_t kind[CGR_CHARGE_KIND_COUNT];
	kinds_of_tree(m, cgroup, kind);
	cgr_metric_set(ctx, cgroup, METRIC_CURRENT, group->memory.usage * MEMCG_PAGE_SIZE);
	cgr_metric_set(ctx, cgroup, METRIC_PEAK, group->memory.watermark * MEMCG_PAGE_SIZE);
	cgr_metric_set(ctx, cgroup, METRIC_FAILCNT, group->memory.failcnt);
	cgr_metric_set(ctx, cgroup, METRIC_MEMSW_FAILCNT, group->memsw.failcnt);
	cgr_metric_set(ctx, cgroup, METRIC_SWAP_CURRENT, group->swap.usage * MEMCG_PAGE_SIZE);
	for (unsigned i = 0; i < MEMCG_EVENT_COUNT; i++)
		cgr_metric_set(ctx, cgroup, METRIC_EVENTS + i, group->event[i]);
	cgr_metric_set(ctx, cgroup, METRIC_ANON, kind[CGR_CHARGE_ANON] * MEMCG_PAGE_SIZE);
	cgr_metric_set(ctx, cgroup, METRIC_FILE, (kind[CGR_CHARGE_FILE] + kind[CGR_CHARGE_SHMEM]) * MEMCG_PAGE_SIZE);
	cgr_metric_set(ctx, cgroup, METRIC_SHMEM, kind[CGR_CHARGE_SHMEM] * MEMCG_PAGE_SIZE);
	cgr_metric_set(ctx, cgroup, METRIC_KERNEL, kind[CGR_CHARGE_KMEM] * MEMCG_PAGE_SIZE);
	cgr_metric_set(ctx, cgroup, METRIC_SOCK, kind[CGR_CHARGE_SOCK] * MEMCG_PAGE_SIZE);
	for (unsigned i = 0; i < CGR_STAT_COUNT; i++)
		cgr_metric_set(ctx, cgroup, METRIC_STATS + i, group->stat[i]);
	cgr_metric_set(ctx, cgroup, METRIC_PGMAJFAULT, group->pgmajfault);
	cgr_metric_set(ctx, cgroup, METRIC_PSWPIN, group->pswpin);
	cgr_metric_set(ctx, cgroup, METRIC_PSWPOUT, group->pswpout);
	cgr_metric_set(ctx, cgroup, METRIC_RECLAIM_USEC, group->reclaim_ns / 1000);
	cgr_metric_set(ctx, cgroup, METRIC_HIGH_SLEEP_USEC, group->high_sleep_ns / 1000);
	cgr_metric_set(ctx, cgroup, METRIC_HIGH_SLEEPS, group->high_sleeps);
	cgr_metric_set(ctx, cgroup, METRIC_DYING, group->dying_below);
	cgr_metric_set(ctx, cgroup, METRIC_DYING_BYTES, group->dying_pages * MEMCG_PAGE_SIZE);
	cgr_metric_set(ctx, cgroup, METRIC_DYING_USEC, group->dying_ns / 1000);
}

/* Removed cgroups that keep their pages (offline, not released), told at every cgroup they lie below. */
static void find_dying(const struct memcg *m)
{
	for (uint32_t id = 0; id < m->ctx->n_cgroups; id++) {
		struct memcg_group *group = memcg_group(m, id);
		group->dying_below = group->dying_pages = group->dying_ns = 0;
	}
	for (uint32_t id = 1; id < m->ctx->n_cgroups; id++) {
		const struct memcg_group *group = memcg_group(m, id);
		int64_t own = 0;
		for (unsigned kind = 0; kind < CGR_CHARGE_KIND_COUNT; kind++)
			own += group->pages[kind];
		if (!group->dying || !group->memory.usage)
			continue;
		for (uint32_t up = m->parent[id]; up != CGR_NONE; up = m->parent[up]) {
			struct memcg_group *above = memcg_group(m, up);
			above->dying_below++;
			above->dying_pages += own;
			above->dying_ns = CGR_MAX(above->dying_ns, (int64_t)m->ctx->now_ns - group->offline_ns);
		}
	}
}

static void memcg_sample(struct cgr_ctx *ctx)
{
	const struct memcg *m = memcg_of(ctx);
	find_dying(m);
	for (uint32_t cgroup = 0; cgroup < ctx->n_cgroups; cgroup++)
		if (memcg_group(m, cgroup)->online || memcg_group(m, cgroup)->dying)
			publish(m, cgroup);
}

/* What reclaim decides hangs on things no recording shows: which page stood in which batch, when rstat was flushed,
 * what the stocks held. Repeated runs of the real kernel differ by that much too. */
#define SPREAD_PERMILLE 20
#define SPREAD_COUNT 48
/* which charge finds a stock filled hangs on the CPUs the tasks are on: five runs of tar into a pipe differ by 5 % */
#define SPREAD_STOCK_PERMILLE 60
static void bound(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t value)
{
	int64_t permille = metric == METRIC_FAILCNT ? SPREAD_STOCK_PERMILLE : SPREAD_PERMILLE, below, above;
	memcg_unsure(memcg_of(ctx), cgroup, &below, &above);
	if (metric == METRIC_FAILCNT) { /* and on the size of folios */
		below = below * 4 / 3;
		above = above * 5 / 3;
	}
	below = value * (permille + below) / 1000 + SPREAD_COUNT;
	above = value * (permille + above) / 1000 + SPREAD_COUNT;
	cgr_metric_bound(ctx, cgroup, metric, CGR_MAX(value - below, (int64_t)0), value + above, CGR_METRIC_BOUNDED);
}

static void bound_old_refaults(struct cgr_ctx *ctx, uint32_t cgroup, const struct memcg_group *group)
{
	int64_t value = group->stat[CGR_STAT_REFAULT_FILE], below, above;
	memcg_unsure(memcg_of(ctx), cgroup, &below, &above);
	below = group->stat[CGR_STAT_PGSCAN] ? value * (SPREAD_PERMILLE + below) / 1000 + SPREAD_COUNT : 0;
	above = group->stat[CGR_STAT_PGSCAN] ? value * (SPREAD_PERMILLE + above) / 1000 + SPREAD_COUNT : 0;

	cgr_metric_bound(ctx, cgroup, METRIC_STATS + CGR_STAT_REFAULT_FILE,
	                 CGR_MAX(value - group->old_refaults - below, (int64_t)0), value + above, CGR_METRIC_BOUNDED);
}

/* How often pages that the replay evicted would have been used again through page tables is not in the recording. None
 * of them ever (all cold) is the prediction; all of them, pushing out others that come back too, the upper end.
 *
 * Anonymous memory that does not fit thrashes as a whole: in a program that goes round its memory each page that comes
 * back pushes out the one needed next. Where the recording swapped, it says how many of so many pages came back. */
#define HOT_RETURNS 3
#define THRASH_RETURNS 6
#define SEEN_RETURNS 2
static int64_t swap_returns(const struct memcg *m, const struct memcg_group *group)
{
	int64_t evicted = group->unseen_evicted[0], seen = CGR_MIN(evicted, m->swapped_out);
	int64_t returns = seen * (SEEN_RETURNS * m->swap_returns_permille + 50) / 1000;
	if (evicted > seen + seen / 8)
		returns += CGR_MAX(evicted - seen, group->swappable_most) * THRASH_RETURNS;
	return returns;
}

static void bound_unseen(struct cgr_ctx *ctx, uint32_t cgroup, const struct memcg_group *group)
{
	static const struct {
		unsigned metric, events; /* events per page that comes back */
		bool any; /* of both kinds of memory */
		unsigned kind;
	} row[] = {
		{ METRIC_STATS + CGR_STAT_REFAULT_ANON, 1, false, 0 },
		{ METRIC_STATS + CGR_STAT_REFAULT_FILE, 1, false, 1 },
		{ METRIC_PSWPIN, 1, false, 0 },
		{ METRIC_PSWPOUT, 1, false, 0 },
		{ METRIC_PGMAJFAULT, 1, true, 0 },
		{ METRIC_FAILCNT, 2, true, 0 },
		{ METRIC_EVENTS + MEMCG_MAX, 1, true, 0 },
		{ METRIC_STATS + CGR_STAT_PGSCAN, 2, true, 0 },
		{ METRIC_STATS + CGR_STAT_PGSTEAL, 1, true, 0 },
	};
	int64_t returns[2] = { swap_returns(memcg_of(ctx), group), group->unseen_evicted[1] * HOT_RETURNS }, below, above;

	memcg_unsure(memcg_of(ctx), cgroup, &below, &above);
	for (size_t i = 0; i < CGR_ARRAY_SIZE(row); i++) {
		int64_t pages = row[i].any ? returns[0] + returns[1] : returns[row[i].kind];
		int64_t value = row[i].metric == METRIC_FAILCNT              ? group->memory.failcnt
		                : row[i].metric == METRIC_EVENTS + MEMCG_MAX ? group->event[MEMCG_MAX]
		                : row[i].metric == METRIC_PGMAJFAULT         ? group->pgmajfault
		                : row[i].metric == METRIC_PSWPIN             ? group->pswpin
		                : row[i].metric == METRIC_PSWPOUT            ? group->pswpout
		                                                             : group->stat[row[i].metric - METRIC_STATS];
		int64_t low = value - value * (SPREAD_PERMILLE + below) / 1000 - SPREAD_COUNT;
		int64_t high = value + value * (SPREAD_PERMILLE + above) / 1000 + SPREAD_COUNT;

		if (!pages || (row[i].metric == METRIC_FAILCNT && memcg_of(ctx)->v2))
			continue;
		int64_t old = row[i].metric == METRIC_STATS + CGR_STAT_REFAULT_FILE ? group->old_refaults : 0;
		cgr_metric_bound(ctx, cgroup, row[i].metric, CGR_MAX(low - old, (int64_t)0), high + pages * row[i].events,
		                 CGR_METRIC_BOUNDED);
	}
}

/* What the per-CPU stocks hold when usage is highest is chance. At the limit the watermark is the limit; where it is
 * somewhat below, because what failed was too large for the rest, the next run may come closer. */
static void bound_peak(struct cgr_ctx *ctx, uint32_t cgroup, const struct memcg_group *group)
{
	int64_t stocks = (int64_t)ctx->n_cpus * MEMCG_CHARGE_BATCH, value = group->memory.watermark;

	bool hit = group->memory.failcnt || group->event[MEMCG_MAX];
	int64_t most = hit ? CGR_MIN(group->memory.max, value + stocks) : value + stocks;
	if (value <= stocks || (hit && value >= group->memory.max))
		return;
	cgr_metric_bound(ctx, cgroup, METRIC_PEAK, (value - stocks) * MEMCG_PAGE_SIZE, most * MEMCG_PAGE_SIZE,
	                 CGR_METRIC_BOUNDED);
}

/* So it is for usage at the end: what is charged is known, what stands in the stocks of the CPUs the tasks came by is
 * not. */
static void bound_current(struct cgr_ctx *ctx, uint32_t cgroup, const struct memcg_group *group)
{
	int64_t stocks = (int64_t)ctx->n_cpus * MEMCG_CHARGE_BATCH, value = group->memory.usage;
	int64_t most = CGR_MAX(CGR_MIN(group->memory.max, value + stocks), value);

	if (group->memory.watermark <= stocks) /* hardly used, as bound_peak has it */
		return;
	cgr_metric_bound(ctx, cgroup, METRIC_CURRENT, CGR_MAX(value - stocks, (int64_t)0) * MEMCG_PAGE_SIZE,
	                 most * MEMCG_PAGE_SIZE, CGR_METRIC_BOUNDED);
}

/* Kills that huge pages, split, may have spared. */
static void bound_kills(struct cgr_ctx *ctx, uint32_t cgroup, const struct memcg_group *group)
{
	static const enum memcg_event event[] = { MEMCG_OOM, MEMCG_OOM_KILL, MEMCG_OOM_GROUP_KILL };

	for (size_t i = 0; i < CGR_ARRAY_SIZE(event); i++)
		if (group->unsure_event[event[i]])
			cgr_metric_bound(ctx, cgroup, METRIC_EVENTS + event[i],
			                 group->event[event[i]] - group->unsure_event[event[i]], group->event[event[i]],
			                 CGR_METRIC_BOUNDED);
}

static void memcg_finish(struct cgr_ctx *ctx)
{
	const struct memcg *m = memcg_of(ctx);
	memcg_sample(ctx);
	for (uint32_t cgroup = 1; cgroup < ctx->n_cgroups; cgroup++) {
		const struct memcg_group *group = memcg_group(m, cgroup);
		if (!group->online && !group->dying)
			continue;
		if (group->memory.failcnt)
			bound(ctx, cgroup, METRIC_FAILCNT, group->memory.failcnt);
		if (group->event[MEMCG_MAX])
			bound(ctx, cgroup, METRIC_EVENTS + MEMCG_MAX, group->event[MEMCG_MAX]);
		if (group->event[MEMCG_HIGH])
			bound(ctx, cgroup, METRIC_EVENTS + MEMCG_HIGH, group->event[MEMCG_HIGH]);
		for (unsigned i = 0; group->stat[CGR_STAT_PGSCAN] && i < CGR_STAT_COUNT; i++)
			bound(ctx, cgroup, METRIC_STATS + i, group->stat[i]);
		bound_kills(ctx, cgroup, group);
		bound_peak(ctx, cgroup, group);
		bound_current(ctx, cgroup, group);
		if (group->old_refaults)
			bound_old_refaults(ctx, cgroup, group);
		if (group->unseen_evicted[0] + group->unseen_evicted[1])
			bound_unseen(ctx, cgroup, group);
	}
}

/* ---- invariants ---- */
static const char *check_group(const struct memcg *m, const struct memcg_group *group)
{
	const struct cgr_mem_counter *counter = &group->memory;
	int64_t stocks = 0, own = 0;
	for (unsigned kind = 0; kind < CGR_CHARGE_KIND_COUNT; kind++) {
		if (group->pages[kind] < 0)
			return "memcg: a cgroup holds less than nothing of a kind";
		own += group->pages[kind];
	}
	if (counter->usage < 0 || counter->watermark < counter->usage)
		return "memcg: usage is negative or above its watermark";
	for (uint32_t cpu = 0; cpu < m->ctx->n_cpus; cpu++)
		for (unsigned slot = 0; slot < m->stock_slots; slot++)
			if (memcg_stock(m, cpu)->group[slot] == group->id)
				stocks += memcg_stock(m, cpu)->pages[slot];
	for (uint32_t child = group->first_child; child != CGR_NONE; child = memcg_group(m, child)->next_sibling)
		own += memcg_group(m, child)->memory.usage;
	if (group->id && own + stocks != counter->usage)
		return "memcg: usage is not what the cgroup, its stocks and its children hold";
	return NULL;
}

static const char *memcg_self_check(struct cgr_ctx *ctx)
{
	const struct memcg *m = memcg_of(ctx);
	int64_t cached = 0;
	for (uint32_t cgroup = 0; cgroup < ctx->n_cgroups; cgroup++) {
		const struct memcg_group *group = memcg_group(m, cgroup);
		if (!group->online && !group->dying)
			continue;
		const char *wrong = check_group(m, group);
		if (wrong)
			return wrong;
		for (unsigned lru = 0; lru < CGR_LRU_COUNT; lru++)
			cached += m->reclaim->size(ctx->reclaim, cgroup, (enum cgr_lru)lru);
	}
	if (cached > (int64_t)m->pages.resident)
		return "memcg: the lists of the reclaim policy hold more pages than are resident";
	return NULL;
}

const struct cgr_memory_ops cgr_memory_memcg = {
	.head = {
		.struct_size = sizeof(struct cgr_memory_ops), .abi_version = CGR_MODEL_ABI, .domain = CGR_DOMAIN_MEMORY,
		.name = "memcg",
		.summary = "memory cgroup controller: charges, stocks, limits, memory.high, protection, OOM kill (v1, v2)",
		.doc = "try_charge_memcg with per-CPU stocks (one slot to 6.15, seven from 6.16), its retries and failures, "
		       "page_counter with undo, the driver of memcg reclaim (whole walks to 6.7, partial walks after), memory.high "
		       "penalty, memory.min and memory.low through the tree, limit writes in mid-run, OOM kill with badness and "
		       "memory.oom.group, v1 memsw and swappiness. Left out: global reclaim and with it the soft limit, slab "
		       "shrinkers, NUMA nodes, huge page splitting.",
		.needs = 1ull << CGR_EV_CHARGE | 1ull << CGR_EV_UNCHARGE,
		.params = params, .n_params = PARAM_COUNT, .knobs = knobs, .n_knobs = MEMCG_KNOB_COUNT,
		.metrics = metrics, .n_metrics = METRIC_COUNT,
		.model_size = sizeof(struct memcg), .cgroup_size = sizeof(struct memcg_group),
		.task_size = sizeof(struct memcg_task), .cpu_size = sizeof(struct memcg_stock),
		.init = memcg_init, .fini = memcg_fini, .cgroup_online = memcg_cgroup_online,
		.cgroup_offline = memcg_cgroup_offline, .task_exit = memcg_task_exit, .knob_write = memcg_knob_write,
		.sample = memcg_sample, .finish = memcg_finish, .self_check = memcg_self_check,
	},
	.charge = memcg_charge, .uncharge = memcg_uncharge_op, .access = memcg_access, .preload = memcg_preload,
};
