/* The plug-in interface. This is the one public header of model/: an in-tree model is one file in
 * model/cpu, model/memory or model/reclaim; an out-of-tree one is a .so with the symbol cgr_model_plugin.
 *
 * Rules for every model: no mutable globals, no allocation inside callbacks (ask for sizes, or allocate in
 * init through cgr_alloc), integer state only, no wall clock, chance only through cgr_random. All ids are
 * dense and fixed before init: tasks 0..n_tasks-1 (0 = idle, never passed to a model), cgroups
 * 0..n_cgroups-1 (0 = root), cpus 0..n_cpus-1. Times are virtual ns since trace start.
 *
 * Compatibility: struct_size and abi_version head every table; new members are only appended, under a
 * comment with the version that brought them. */
#ifndef CGR_MODEL_MODEL_H
#define CGR_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/event.h"

#define CGR_MODEL_ABI 2
#define CGR_NONE 0xffffffffu
/* An unlimited knob. Not a macro, so that the function-like CGR_MAX(a, b) of common/util.h can stand beside it. */
enum { CGR_MAX = INT64_MAX };

enum cgr_domain { CGR_DOMAIN_MEMORY = 1, CGR_DOMAIN_CPU = 2, CGR_DOMAIN_RECLAIM = 3 };

/* ---- tables a model declares ---- */
struct cgr_param_desc { /* set with --param MODEL.NAME=VALUE or a scenario; read with cgr_param(ctx, index) */
	const char *name, *unit, *help;
	int64_t fallback, minimum, maximum;
};
enum cgr_knob_type {
	CGR_KNOB_BYTES, /* v[0] bytes or CGR_MAX */
	CGR_KNOB_INT, /* v[0] */
	CGR_KNOB_QUOTA, /* cpu.max: v[0] quota usec or CGR_MAX, v[1] period usec */
	CGR_KNOB_CPULIST, /* v[0] bit mask of CPUs 0..63; v[1] the engine's own */
};
struct cgr_knob_desc {
	const char *name; /* canonical kernel file name: "cpu.max" */
	enum cgr_knob_type type;
	const char *help;
	int64_t fallback[2]; /* value a fresh cgroup has */
	int64_t minimum, maximum; /* of v[0], unlimited always allowed for BYTES and QUOTA */
};
enum cgr_metric_class { CGR_METRIC_EXACT, CGR_METRIC_BOUNDED, CGR_METRIC_EXTRAPOLATED }; /* of metric_bound */
enum cgr_metric_kind { CGR_METRIC_COUNTER, CGR_METRIC_GAUGE, CGR_METRIC_PEAK };
struct cgr_metric_desc {
	const char *name, *unit, *help;
	enum cgr_metric_kind kind;
	int worse; /* +1 higher is worse, -1 lower is worse, 0 neutral */
	int64_t tolerance_ppm; /* default tolerance of a regression check */
	bool series; /* sampled into a chart */
};

/* ---- the engine's side, seen by a model ---- */
struct cgr_host;
struct cgr_ctx { /* one per model instance; the engine owns it, models read the public part */
	const struct cgr_host *host;
	void *model; /* model_size bytes, zeroed */
	char *cgroup_state; /* n_cgroups * cgroup_stride */
	char *cgroup_cpu_state; /* n_cgroups * n_cpus * cgroup_cpu_stride */
	char *task_state; /* n_tasks * task_stride */
	char *cpu_state; /* n_cpus * cpu_stride */
	size_t cgroup_stride, cgroup_cpu_stride, task_stride, cpu_stride;
	uint32_t n_cgroups, n_tasks, n_cpus;
	uint64_t now_ns; /* kept current by the engine before every callback */
	const int64_t *param; /* values in the order of the params table */
	/* facts of the recording */
	uint32_t kernel_version; /* major << 16 | minor << 8 | patch */
	uint32_t hz;
	int cgroup_version; /* 1 or 2 */
	int64_t mem_total_bytes, swap_total_bytes;
	int swappiness;
	uint64_t seed;
	void *engine; /* private to the host */
	struct cgr_ctx *reclaim; /* for a memory controller: the instance of its reclaim policy */
	struct cgr_ctx *owner; /* for a reclaim policy: the instance of its memory controller */
	const struct cgr_model_head *head; /* the table this instance was made from */
};
static inline void *cgr_model_state(struct cgr_ctx *ctx)
{
	return ctx->model;
}
static inline void *cgr_cgroup_state(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return ctx->cgroup_state + (size_t)cgroup * ctx->cgroup_stride;
}
static inline void *cgr_cgroup_cpu_state(struct cgr_ctx *ctx, uint32_t cgroup, uint32_t cpu)
{
	return ctx->cgroup_cpu_state + ((size_t)cgroup * ctx->n_cpus + cpu) * ctx->cgroup_cpu_stride;
}
static inline void *cgr_task_state(struct cgr_ctx *ctx, uint32_t task)
{
	return ctx->task_state + (size_t)task * ctx->task_stride;
}
static inline void *cgr_cpu_state(struct cgr_ctx *ctx, uint32_t cpu)
{
	return ctx->cpu_state + (size_t)cpu * ctx->cpu_stride;
}
static inline int64_t cgr_param(const struct cgr_ctx *ctx, unsigned index)
{
	return ctx->param[index];
}
#define CGR_KERNEL(major, minor, patch) (((uint32_t)(major) << 16) | ((uint32_t)(minor) << 8) | (uint32_t)(patch))

struct cgr_task_info { /* borrowed, valid for the whole run; prio and cgroup may change in mid-run */
	int32_t tid, tgid;
	int32_t prio; /* kernel prio 0..139; nice = prio - 120 */
	int32_t policy; /* SCHED_NORMAL 0, FIFO 1, RR 2, BATCH 3, IDLE 5, DEADLINE 6 */
	uint64_t cpus_allowed; /* mask of CPUs 0..63, already met with cpuset; ask cgr_task_may_run */
	uint32_t cpu_cgroup, memory_cgroup; /* now */
	uint32_t cpu; /* last CPU */
	uint32_t mm_owner; /* task id of the thread group leader */
	int16_t oom_score_adj;
	bool kernel_thread, alive;
	int32_t session; /* setsid id where the recording's kernel groups by it (autogroup); 0 not or unknown */
	const uint64_t *cpus_beyond; /* the same for CPUs 64.. in words of 64; NULL: there are no more than 64 */
	uint32_t nr_cpus_allowed;
	bool exiting; /* in do_exit (PF_EXITING): it does not return to user mode */
};

/* Services. Call through the inline wrappers below. */
struct cgr_host {
	size_t struct_size;
	uint64_t (*random)(struct cgr_ctx *ctx);
	void *(*alloc)(struct cgr_ctx *ctx, size_t size); /* init only; zeroed; freed by the engine */
	/* timers: cookie comes back in head.timer. Returns a handle >= 1; re-arming a live handle is cancel + arm. */
	uint64_t (*timer_arm)(struct cgr_ctx *ctx, uint64_t at_ns, uint64_t cookie);
	void (*timer_cancel)(struct cgr_ctx *ctx, uint64_t handle);
	const struct cgr_task_info *(*task)(struct cgr_ctx *ctx, uint32_t task);
	uint32_t (*cgroup_parent)(struct cgr_ctx *ctx, uint32_t cgroup); /* CGR_NONE for root; hierarchy of the domain */
	const char *(*cgroup_path)(struct cgr_ctx *ctx, uint32_t cgroup);
	void (*metric_add)(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t delta);
	void (*metric_set)(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t value);
	/* what the model knows of its own uncertainty: interval and class of a metric at finish */
	void (*metric_bound)(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t low, int64_t high, int class);
	void (*decision)(struct cgr_ctx *ctx, const char *kind, uint32_t cgroup, uint32_t task, int64_t value);
	/* CPU domain */
	void (*resched)(struct cgr_ctx *ctx, uint32_t cpu); /* set need_resched; remote = IPI */
	uint32_t (*cpu_current)(struct cgr_ctx *ctx, uint32_t cpu); /* running task or CGR_NONE when idle */
	bool (*cpu_online)(struct cgr_ctx *ctx, uint32_t cpu);
	void (*task_set_cpu)(struct cgr_ctx *ctx, uint32_t task, uint32_t cpu); /* model moved a queued task (balance) */
	void (*task_throttled)(struct cgr_ctx *ctx, uint32_t task, bool throttled); /* for accounting of waits */
	/* call cpu_ops.return_to_user(cpu, task) when the task now being picked has run delay_ns more on this CPU;
	 * forgotten if it leaves the CPU first */
	void (*user_return)(struct cgr_ctx *ctx, uint32_t cpu, uint64_t delay_ns);
	/* MEMORY domain */
	void (*kill)(struct cgr_ctx *ctx, uint32_t task); /* SIGKILL the whole process: its programs end; the engine
	                                                   * then calls uncharge for what it held and task_exit */
	bool (*oom_candidates)(struct cgr_ctx *ctx, uint32_t cgroup, uint32_t *cursor,
	                       uint32_t *ret_task); /* thread group leaders
	                                             * alive in the subtree, pre-order; cursor starts 0 */
	int64_t (*task_rss_pages)(struct cgr_ctx *ctx,
	                          uint32_t task); /* anon+file+shmem mapped of the whole process, wherever charged */
	/* since 0.1: who ran on a CPU at this time of the recording, CGR_NONE nobody; for models that need the schedule */
	uint32_t (*recorded_task)(struct cgr_ctx *ctx, uint32_t cpu);
};
static inline uint64_t cgr_random(struct cgr_ctx *ctx)
{
	return ctx->host->random(ctx);
}
static inline void *cgr_alloc(struct cgr_ctx *ctx, size_t size)
{
	return ctx->host->alloc(ctx, size);
}
static inline uint64_t cgr_timer_arm(struct cgr_ctx *ctx, uint64_t at_ns, uint64_t cookie)
{
	return ctx->host->timer_arm(ctx, at_ns, cookie);
}
static inline void cgr_timer_cancel(struct cgr_ctx *ctx, uint64_t handle)
{
	ctx->host->timer_cancel(ctx, handle);
}
static inline const struct cgr_task_info *cgr_task(struct cgr_ctx *ctx, uint32_t task)
{
	return ctx->host->task(ctx, task);
}
static inline bool cgr_task_may_run(const struct cgr_task_info *info, uint32_t cpu)
{
	if (cpu < 64)
		return info->cpus_allowed >> cpu & 1;
	return info->cpus_beyond && (info->cpus_beyond[cpu / 64 - 1] >> (cpu % 64) & 1);
}
static inline uint32_t cgr_cgroup_parent(struct cgr_ctx *ctx, uint32_t cgroup)
{
	return ctx->host->cgroup_parent(ctx, cgroup);
}
static inline void cgr_metric_add(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t delta)
{
	ctx->host->metric_add(ctx, cgroup, metric, delta);
}
static inline void cgr_metric_set(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t value)
{
	ctx->host->metric_set(ctx, cgroup, metric, value);
}
static inline void cgr_metric_bound(struct cgr_ctx *ctx, uint32_t cgroup, unsigned metric, int64_t low, int64_t high,
                                    int class)
{
	ctx->host->metric_bound(ctx, cgroup, metric, low, high, class);
}
static inline void cgr_decision(struct cgr_ctx *ctx, const char *kind, uint32_t cgroup, uint32_t task, int64_t value)
{
	ctx->host->decision(ctx, kind, cgroup, task, value);
}
static inline void cgr_resched(struct cgr_ctx *ctx, uint32_t cpu)
{
	ctx->host->resched(ctx, cpu);
}
static inline uint32_t cgr_cpu_current(struct cgr_ctx *ctx, uint32_t cpu)
{
	return ctx->host->cpu_current(ctx, cpu);
}

static inline uint32_t cgr_recorded_task(struct cgr_ctx *ctx, uint32_t cpu)
{
	return ctx->host->recorded_task(ctx, cpu);
}

/* ---- what every model table starts with ---- */
/* In needs: a CPU model that plays back the recording. The engine then keeps the recorded times of all waits, gives the
 * model the real-time tasks too, and reschedules a CPU whenever another task ran there. */
#define CGR_NEEDS_SCHEDULE (1ull << 63)
struct cgr_model_head {
	size_t struct_size; /* sizeof the whole ops struct */
	uint32_t abi_version; /* CGR_MODEL_ABI */
	enum cgr_domain domain;
	const char *name; /* "eevdf" */
	const char *summary; /* one line for `cgreplay models` */
	const char *doc; /* a paragraph: what it models, from which kernel function and version, what it leaves out */
	uint64_t needs; /* bit mask 1ull << CGR_EV_*: events without which it cannot answer */
	const struct cgr_param_desc *params;
	unsigned n_params;
	const struct cgr_knob_desc *knobs;
	unsigned n_knobs;
	const struct cgr_metric_desc *metrics;
	unsigned n_metrics;
	size_t model_size, cgroup_size, cgroup_cpu_size, task_size, cpu_size;

	int (*init)(struct cgr_ctx *ctx); /* after sizes are allocated, before any other call; 0 or negative CGR_E_* */
	void (*fini)(struct cgr_ctx *ctx);
	void (*cgroup_online)(struct cgr_ctx *ctx, uint32_t cgroup); /* parents first; knobs follow by knob_write */
	void (*cgroup_offline)(struct cgr_ctx *ctx, uint32_t cgroup); /* rmdir: charges may remain (dying) */
	void (*task_fork)(struct cgr_ctx *ctx, uint32_t task,
	                  uint32_t parent); /* exists now; not yet enqueued. parent CGR_NONE: was there at start */
	void (*task_exit)(struct cgr_ctx *ctx, uint32_t task); /* already dequeued */
	void (*task_attach)(struct cgr_ctx *ctx, uint32_t task, uint32_t from, uint32_t to);
	/* index into the knobs table, v as its type says. Also called once per knob and cgroup at start. Returns 0, or
	 * CGR_E_SCENARIO when the kernel would refuse the write. */
	int (*knob_write)(struct cgr_ctx *ctx, uint32_t cgroup, unsigned knob, const int64_t v[2]);
	void (*timer)(struct cgr_ctx *ctx, uint64_t cookie);
	void (*sample)(struct cgr_ctx *ctx); /* bring metrics up to date for a series point */
	void (*finish)(struct cgr_ctx *ctx); /* end of replay: final metrics and bounds */
	/* invariants; NULL if they hold, else what is wrong (static or model-owned text) */
	const char *(*self_check)(struct cgr_ctx *ctx);
};

/* ---- CPU scheduler: the fair class. The engine is core.c: it runs programs, ticks, wake-ups, context switches,
 * real-time classes above this one; the model queues, picks, places and limits. ---- */
#define CGR_ENQ_WAKEUP 0x01u
#define CGR_ENQ_NEW 0x02u
#define CGR_ENQ_MIGRATED 0x04u /* the task ran on another CPU before */
#define CGR_ENQ_DELAYED 0x08u /* woken while still queued (see still_queued) */
#define CGR_ENQ_MOVE 0x10u /* attach, knob change, hotplug: not a wake-up */
#define CGR_DEQ_SLEEP 0x01u
#define CGR_DEQ_EXIT 0x02u
#define CGR_DEQ_MOVE 0x04u
#define CGR_WAKE_SYNC 0x01u
#define CGR_WAKE_FORK 0x02u
#define CGR_WAKE_IRQ 0x04u /* waker is an interrupt, not a task */
#define CGR_WAKE_EXEC 0x08u /* no wake-up: the task runs, and begins another program (execve) */
enum cgr_idle { CGR_NOT_IDLE, CGR_IDLE, CGR_NEWLY_IDLE };

struct cgr_cpu_ops {
	struct cgr_model_head head;
	/* Where a waking or new task goes. prev_cpu = where it last ran, waker_cpu = where the wake happens. */
	uint32_t (*select_cpu)(struct cgr_ctx *ctx, uint32_t task, uint32_t prev_cpu, uint32_t waker_cpu,
	                       unsigned wake_flags);
	void (*enqueue)(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task, unsigned flags);
	/* Leaves the queue (it may be the running one). false: stays queued for now (EEVDF delayed dequeue); the engine
	 * holds it blocked and asks still_queued when it wakes. */
	bool (*dequeue)(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task, unsigned flags);
	/* CPU on which a blocked task is still queued, else CGR_NONE. NULL: never. */
	uint32_t (*still_queued)(struct cgr_ctx *ctx, uint32_t task);
	void (*wakeup_preempt)(struct cgr_ctx *ctx, uint32_t cpu,
	                       uint32_t task); /* calls cgr_resched(cpu) if it should win */
	/* __schedule: prev (CGR_NONE = idle or of another class) is put back if still queued, the next is chosen and set as
	 * running. CGR_NONE: nothing to run. Newly idle balancing is asked for separately through balance. */
	uint32_t (*pick)(struct cgr_ctx *ctx, uint32_t cpu, uint32_t prev);
	/* A real-time task takes the CPU from prev: put it back without choosing. */
	void (*put_prev)(struct cgr_ctx *ctx, uint32_t cpu, uint32_t prev);
	void (*update)(struct cgr_ctx *ctx, uint32_t cpu); /* update_curr: charge the running task up to now */
	void (*tick)(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task); /* HZ tick while a fair task runs */
	/* see host user_return: 6.18 throttles here. true: the task left the queue, reschedule. NULL: not used. */
	bool (*return_to_user)(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task);
	void (*yield)(struct cgr_ctx *ctx, uint32_t cpu, uint32_t task);
	/* Load balancing: pull queued, not running tasks to cpu with host task_set_cpu; true if something was pulled.
	 * Called newly idle (before going idle), from the tick of a busy CPU, and from the idle balancer. NULL: none. */
	bool (*balance)(struct cgr_ctx *ctx, uint32_t cpu, enum cgr_idle idle);
	/* prio, policy or cpus_allowed of a task changed. NULL: not interested. */
	void (*task_changed)(struct cgr_ctx *ctx, uint32_t task);
};

/* ---- memory controller ---- */
#define CGR_MEM_READAHEAD 0x01u /* NORETRY: inserted by readahead, not accessed */
#define CGR_MEM_DIRTY 0x02u /* page is being written */
#define CGR_MEM_FAULT 0x04u /* through a mapping (page-table reference), not read() */
#define CGR_MEM_EXEC 0x08u
#define CGR_MEM_ATOMIC 0x10u /* may not block */
#define CGR_MEM_RECORDED_RECLAIM                                                                                       \
	0x20u /* uncharge: this delete was the recorded kernel's reclaim, not the program's will */
#define CGR_MEM_EXIT 0x40u /* uncharge: the owner is exiting */
#define CGR_MEM_AROUND 0x80u /* access with CGR_MEM_FAULT: fault-around, only pages that are there get mapped */
#define CGR_MEM_REFAULT                                                                                                \
	0x100u /* charge of a file page: the recorded kernel knew it from an earlier eviction, perhaps before the trace */
#define CGR_MEM_DIRECT 0x200u /* uncharge of kernel memory straight from the counter, not into the CPU's stock */
#define CGR_MEM_SWAPIN                                                                                                 \
	0x400u /* access to an anonymous page (index: birth number in its mm) that was in swap when the program was        \
	          recorded */
#define CGR_MEM_WRITTEN 0x800u /* access: so many of the cgroup's dirty pages were written by the task (fsync) */
#define CGR_MEM_ACTIVATES 0x1000u /* access: a folio became active by this read in the recording */
#define CGR_MEM_NO_INDEX UINT64_MAX
struct cgr_mem_request {
	uint32_t task; /* who (charging task), CGR_NONE for none */
	uint32_t cgroup; /* memory cgroup that is charged (already resolved: owner of the mm) */
	uint32_t kind; /* enum cgr_charge_kind */
	uint32_t pages;
	uint32_t flags; /* CGR_MEM_* */
	uint32_t file; /* file pages: dense file id, CGR_NONE otherwise */
	uint64_t index; /* first page index in the file; anon: CGR_MEM_NO_INDEX unless the page is known */
	uint32_t gfp; /* 0 = GFP_KERNEL like */
	uint32_t recorded_missed; /* access: how many of the pages were missing, or read from swap, in the recording */
	uint32_t cpu; /* where the charging task runs (per-CPU stocks and page batches) */
	uint32_t folios; /* charge: how many folios the pages make; 0 = as many as pages */
};
enum cgr_mem_verdict { CGR_MEM_OK, CGR_MEM_NOMEM, CGR_MEM_TASK_KILLED /* the charging task is the victim */ };
struct cgr_mem_outcome { /* zeroed by the engine before the call */
	int verdict;
	uint32_t missed_pages; /* accesses: pages that were not resident: the engine charges device time for them */
	uint32_t ahead_pages; /* of these, read ahead of the task without its waiting for them */
	uint32_t refaults;
	uint32_t reclaimed_pages, scanned_pages;
	uint64_t cpu_ns; /* extra CPU time in the task (reclaim work), beyond what the recording already holds */
	uint64_t device_ns; /* synchronous device wait (swap-in, writeback) */
	uint64_t sleep_ns; /* memory.high penalty */
	uint32_t restored_pages; /* missing pages that had been working set: waiting for those is memory pressure */
	bool swapped_in; /* accesses (CGR_MEM_SWAPIN): the page had been in swap here, too */
	uint32_t reclaimed_folios; /* reclaimed_pages were in so many; 0: each by itself */
};
/* Freeing a folio costs about so many times what each of its pages adds: a folio of 512 pages goes in the time of ten
 * single ones (shrink_folio_list works by folio; only free_pages_prepare looks at the pages). */
#define CGR_MEM_FOLIO_COST 50u
struct cgr_memory_ops {
	struct cgr_model_head head;
	void (*charge)(struct cgr_ctx *ctx, const struct cgr_mem_request *request, struct cgr_mem_outcome *outcome);
	void (*uncharge)(struct cgr_ctx *ctx, const struct cgr_mem_request *request);
	/* A look-up of file pages (read, fault, fault-around) or a known anonymous re-access. Missing file pages are
	 * charged here by the model itself; the engine does not send the recorded CACHE_ADD of the same pages as a charge.
	 */
	void (*access)(struct cgr_ctx *ctx, const struct cgr_mem_request *request, struct cgr_mem_outcome *outcome);
	/* What was there before the trace: pages of a kind charged at start, not enforced against limits. */
	void (*preload)(struct cgr_ctx *ctx, const struct cgr_mem_request *request);
};

/* Reclaim policies (third table, under the memory controller): see model/reclaim.h. */

/* ---- out of tree: the one exported symbol of a .so ---- */
struct cgr_plugin {
	size_t struct_size;
	uint32_t abi_version;
	const struct cgr_model_head *model; /* first member of a cgr_cpu_ops, cgr_memory_ops or cgr_reclaim_ops */
};
#define CGR_PLUGIN_SYMBOL "cgr_model_plugin"
#define CGR_MODEL_PLUGIN(ops)                                                                                          \
	extern const struct cgr_plugin cgr_model_plugin;                                                                   \
	const struct cgr_plugin cgr_model_plugin = { sizeof(struct cgr_plugin), CGR_MODEL_ABI, &(ops).head }

#endif
