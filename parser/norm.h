/* Normalising: records of any kernel become struct cgr_event with dense ids. One struct holds the state of an import:
 * tasks, cgroups, CPUs, what is pending. The files norm_*.c handle one family of tracepoints each. */
#ifndef CGR_PARSER_NORM_H
#define CGR_PARSER_NORM_H

#include "common/limits.h"
#include "common/util.h"
#include "parser/formats.h"
#include "parser/hold.h"
#include "parser/record.h"
#include "store/writer.h"

struct cgr_norm;

/* ---- tasks: one slot per pid, a new incarnation of the pid takes the slot over ---- */
struct cgr_task {
	struct cgr_store_task row; /* comm points to .comm below */
	char comm[CGR_LIMIT_COMM];
	char *cpus_allowed;
	uint32_t id;
	uint32_t css_set; /* now; CGR_ID_NONE unknown */
	int32_t cpu; /* believed running there, -1 not */
	uint64_t off_ns; /* left a CPU last */
	uint64_t wake_ns; /* last wake-up or migration */
	uint64_t runtime_ns, chain_ns; /* by sched_stat_runtime; by the switch chain */
	uint64_t run_stamp_ns; /* last sched_stat_runtime on the CPU it is on */
	uint32_t wake_cpu;
	bool live; /* the slot is in use */
	bool exited; /* sched_process_exit seen, or perf's EXIT */
	bool exit_told; /* an EXIT event went to the store */
	bool dead; /* has left the CPU for the last time */
	bool woken; /* since the last sched_stat_runtime */
	bool thread_known; /* tgid is certain */
	bool has_child, has_execed; /* since it was born, which was seen */
	int32_t parent_tgid; /* its maker's at its birth, 0 unknown */
	bool dirty; /* row changed since it went to the store */
	/* a charge whose size and kind the next statistics event of this task tells */
	uint64_t charge_index, charge_inserts;
	uint32_t charge_cgroup; /* CGR_ID_NONE: none pending */
	/* a folio made dirty whose size the next NR_FILE_DIRTY of this task tells */
	uint64_t dirty_index, dirty_inserts;
	bool dirty_pending;
	/* reclaim the task is in */
	uint32_t reclaim_depth;
	uint64_t reclaim_index, reclaim_inserts;
	uint32_t reclaim_cgroup; /* common ancestor of what it scanned; CGR_ID_NONE nothing yet */
	uint32_t scan_cgroup; /* of the last PGSCAN in this reclaim */
	uint64_t perf_cgroup; /* id of the last perf sample in its context */
};

struct cgr_tasks {
	struct cgr_task **slot; /* chunks of slots */
	size_t slot_chunks, slot_chunk_capacity, slots;
	uint32_t *by_pid; /* slot + 1; 0 none */
	size_t by_pid_capacity;
	struct cgr_intern large; /* pids beyond the array */
	uint32_t ids; /* given out */
};

/* ---- cgroups ---- */
#define CGR_REMOVED_BEFORE (-1) /* removed_ns: before the trace, as born_ns -1 */
struct cgr_cgroup_node {
	char *path;
	uint32_t parent;
	int64_t born_ns, removed_ns, released_ns;
	uint64_t hierarchies; /* bit per hierarchy index: a directory lives there */
	uint64_t ever; /* ... lived there */
	char *container;
	bool recorded;
	bool has_quota; /* cpu.max is not "max" */
	/* folios taken out of mappings or caches and not uncharged yet, oldest first */
	struct {
		uint32_t folios;
		uint32_t pages;
		uint8_t kind;
	} gone[16];
	uint32_t gone_first, gone_count;
};

struct cgr_cgroup_dir {
	uint32_t hierarchy, cgroup; /* index; id */
	uint64_t kernel_id;
	int64_t born_ns, removed_ns, released_ns;
};

struct cgr_hierarchy {
	uint32_t number;
	int version;
	char *controllers;
	bool cpu, memory, cpuset, told;
};

struct cgr_cgroups {
	struct cgr_cgroup_node *node;
	size_t nodes, node_capacity;
	struct cgr_cgroup_dir *dir;
	size_t dirs, dir_capacity;
	struct cgr_intern dir_by_id; /* kernel id * 64 + hierarchy index -> entry of dir_of */
	uint32_t *dir_of;
	size_t dir_of_capacity;
	struct {
		uint64_t hash;
		uint32_t node;
	} * by_path; /* newest of a path */
	size_t by_path_capacity, by_path_count;
	struct cgr_hierarchy hierarchy[64];
	uint32_t hierarchies;
	uint32_t memory_hierarchy; /* index; CGR_ID_NONE unknown */
	/* css_sets: rows of 64 cgroup ids */
	uint32_t (*set)[64];
	size_t sets, set_capacity;
	struct cgr_intern set_by_hash;
	uint32_t *set_of;
	size_t set_of_capacity;
	uint32_t last_cgroup; /* cache of the last memcg lookup */
	uint64_t last_kernel_id;
	uint64_t unknown_ids;
};

/* ---- CPUs ---- */
struct cgr_cpu {
	struct cgr_task *current; /* NULL unknown */
	int32_t current_pid; /* its pid, INT32_MIN unknown */
	uint64_t since_ns; /* current runs since */
	uint64_t proof_ns; /* last event in the context of current */
	uint64_t lost_ns; /* time of the last gap */
	/* an inferred arrival that the first sched_stat_runtime may correct */
	bool arrival_open;
	uint64_t arrival_index, arrival_inserts, arrival_low, arrival_high;
	uint32_t arrival_from; /* task id that left */
	uint64_t period_timer; /* of bandwidth control, fired here last and not started again yet; 0 none */
	bool seen;
};

struct cgr_import_stats {
	uint64_t records, events, lost_spans, lost_events, lost_unknown, time_backwards, times_astray;
	uint64_t inferred_exits, inferred_arrivals, inferred_departures, run_starts, joints_open, two_cpus;
	uint64_t charges, charges_unsized, uncharges_unsized, negative_charges;
	uint64_t inferred_tasks, unknown_formats, short_records, duplicate_records, chain_checked;
	uint64_t inferred_ns; /* CPU time that begins or ends with an inferred switch */
};

struct cgr_files {
	struct cgr_intern by_key; /* dev << 40 ^ inode, verified in key */
	struct {
		uint64_t dev, inode;
	} * key;
	struct cgr_intern by_inode; /* what names a file by its disk and inode (writeback) finds it here */
	uint32_t *of_inode; /* the last file met with that inode */
	size_t inode_capacity;
	size_t count, capacity;
};

/* Bandwidth control as the function tracer tells it: norm_function.c. */
struct cgr_bandwidth {
	uint64_t throttle, unthrottle; /* addresses of the functions; 0 unknown */
	bool own_cpu; /* each CPU releases its own queue (from 6.3 on) */
	struct {
		uint32_t cgroup, cpu;
	} * held; /* the one held longest first */
	size_t helds, held_capacity;
	struct {
		uint64_t timer;
		uint32_t cgroup;
	} * owner;
	size_t owners, owner_capacity;
};

struct cgr_norm {
	const struct cgr_trace *trace;
	struct cgr_writer *writer;
	struct cgr_formats formats;
	struct cgr_hold hold;
	struct cgr_tasks tasks;
	struct cgr_cgroups cgroups;
	struct cgr_files files;
	struct cgr_bandwidth bandwidth;
	struct cgr_cpu *cpu;
	uint32_t cpus;
	size_t cpu_capacity;
	struct cgr_import_stats stats;
	uint64_t start; /* trace clock at ts_ns 0 */
	uint64_t now_ns; /* of the record being handled */
	uint64_t from_ns, to_ns; /* slice in time since `start`; to UINT64_MAX: no end */
	bool slice_open;
	uint8_t item_of_stat[256], item_of_event[512]; /* enum cgr_mem_item or 255 */
	bool items_known;
	bool anon_implied; /* the recorder left out NR_ANON_MAPPED of single pages: a charge without a kind is one */
	struct {
		uint64_t address;
		uint8_t function;
	} timer[64];
	size_t timers;
	int64_t timer_offset; /* trace clock - hrtimer clock */
	bool timer_offset_known;
	bool switch_seen, memcg_seen, cache_seen, softirq_seen;
	uint8_t *owner; /* instance each event type is taken from; NULL: there is one instance */
	uint32_t switch_buffer; /* the instance sched_switch is taken from; UINT32_MAX unknown yet */
	bool keep_fields; /* of events of kind `other` */
	struct cgr_error *err; /* borrowed during a call */
	/* --cgroup: page-level events of other subtrees are dropped */
	const char *const *scope;
	size_t scopes;
};

int cgr_norm_init(struct cgr_norm *norm, const struct cgr_trace *trace, struct cgr_writer *writer,
                  struct cgr_error *reterr);
/* Once the hierarchies are known and before any task: makes idle, which is in every root. */
int cgr_norm_begin(struct cgr_norm *norm);
void cgr_norm_fini(struct cgr_norm *norm);
/* One record, in order. */
int cgr_norm_record(struct cgr_norm *norm, const struct cgr_record *record, struct cgr_error *reterr);
/* Ends: flushes what is held, writes the final rows of tasks and cgroups. duration_ns < 0: the last event. */
int cgr_norm_finish(struct cgr_norm *norm, struct cgr_error *reterr);

/* ---- tasks.c ---- */
struct cgr_task *cgr_task_find(const struct cgr_norm *norm, int32_t pid); /* NULL: never seen */
struct cgr_task *cgr_task_get(struct cgr_norm *norm, int32_t pid); /* NULL: error in norm->err */
/* A new incarnation of pid, born now. */
struct cgr_task *cgr_task_born(struct cgr_norm *norm, int32_t pid, struct cgr_task *parent, bool inferred);
int cgr_task_comm(struct cgr_norm *norm, struct cgr_task *task, const char *comm);
int cgr_task_member(struct cgr_norm *norm, struct cgr_task *task, uint32_t css_set, int64_t from_ns, const char *how);
int cgr_task_flush(struct cgr_norm *norm, struct cgr_task *task); /* row to the store */
int cgr_tasks_finish(struct cgr_norm *norm);
void cgr_tasks_fini(struct cgr_tasks *tasks);
struct cgr_task *cgr_task_at(const struct cgr_tasks *tasks, size_t slot);

/* ---- cgroups.c ---- */
int cgr_cgroups_init(struct cgr_norm *norm);
void cgr_cgroups_fini(struct cgr_cgroups *cgroups);
/* Index of a kernel hierarchy number, made when new; CGR_ID_NONE: too many. */
uint32_t cgr_hierarchy_index(struct cgr_norm *norm, uint32_t number, int version, const char *controllers);
/* The living cgroup of a path, made when new. born_ns < 0: was there before. */
int cgr_cgroup_by_path(struct cgr_norm *norm, const char *path, int64_t born_ns, uint32_t *ret_id);
/* A directory of path on a hierarchy (index) with its kernel id. */
int cgr_cgroup_dir(struct cgr_norm *norm, uint32_t hierarchy, uint64_t kernel_id, const char *path, int64_t born_ns,
                   uint32_t *ret_cgroup);
/* CGR_ID_NONE when unknown. */
/* A directory nobody knew of whose last reference goes: removed before the trace began. It belongs to a cgroup of its
 * own (its directories on several hierarchies to one), and the path stays with whatever has it now. */
int cgr_cgroup_left_over(struct cgr_norm *norm, uint32_t hierarchy, uint64_t kernel_id, const char *path,
                         uint32_t *ret_cgroup);
struct cgr_cgroup_dir *cgr_cgroup_dir_find(struct cgr_norm *norm, uint32_t hierarchy, uint64_t kernel_id);
/* Cgroup of a memcg event id; an unknown id gets a cgroup "/memcg-id-N". */
int cgr_cgroup_of_memcg(struct cgr_norm *norm, uint64_t kernel_id, uint32_t *ret_cgroup);
int cgr_css_set(struct cgr_norm *norm, const uint32_t cgroup_of_hierarchy[64], uint32_t *ret_set);
int cgr_cgroups_finish(struct cgr_norm *norm);
bool cgr_cgroup_in_scope(const struct cgr_norm *norm, uint32_t cgroup);
/* A scope that no cgroup is in, NULL: there is none. */
const char *cgr_cgroup_empty_scope(const struct cgr_norm *norm);
/* Lowest common ancestor-or-self; CGR_ID_NONE for a takes b. */
uint32_t cgr_cgroup_common(const struct cgr_norm *norm, uint32_t a, uint32_t b);

/* ---- mend.c: the switch chain ---- */
/* An event in the context of pid on cpu at now: what that says about who runs. task may be NULL. */
int cgr_mend_proof(struct cgr_norm *norm, uint32_t cpu, struct cgr_task *task, uint64_t runtime_ns);
int cgr_mend_switch(struct cgr_norm *norm, uint32_t cpu, struct cgr_task *prev, struct cgr_task *next);
int cgr_mend_runtime(struct cgr_norm *norm, uint32_t cpu, struct cgr_task *task, uint64_t runtime_ns);
void cgr_mend_lost(struct cgr_norm *norm, uint32_t cpu);
int cgr_mend_slice_start(struct cgr_norm *norm);

/* ---- handlers; format->raw selects. event is pushed already, with ts, cpu, task, flags filled ---- */
struct cgr_entry {
	const struct cgr_record *record;
	const struct cgr_format *format;
	const uint8_t *payload;
	struct cgr_task *task; /* context, may be NULL when pid is unknown */
	uint32_t cpu;
	uint8_t flags;
};
int cgr_norm_sched(struct cgr_norm *norm, const struct cgr_entry *entry);
int cgr_norm_cgroup(struct cgr_norm *norm, const struct cgr_entry *entry);
int cgr_norm_memcg(struct cgr_norm *norm, const struct cgr_entry *entry);
int cgr_norm_cache(struct cgr_norm *norm, const struct cgr_entry *entry);
int cgr_norm_reclaim(struct cgr_norm *norm, const struct cgr_entry *entry);
int cgr_norm_timer(struct cgr_norm *norm, const struct cgr_entry *entry);
int cgr_norm_function(struct cgr_norm *norm, const struct cgr_entry *entry);
/* norm_function.c: a period timer of bandwidth control was started or fired. */
int cgr_norm_period_timer(struct cgr_norm *norm, const struct cgr_entry *entry, bool start, uint64_t timer);
int cgr_norm_other(struct cgr_norm *norm, const struct cgr_entry *entry);
/* norm_perf.c: COMM, FORK, EXIT, CGROUP records of perf; membership told by samples. */
int cgr_norm_side(struct cgr_norm *norm, const struct cgr_record *record);
int cgr_norm_sample_cgroup(struct cgr_norm *norm, const struct cgr_entry *entry, uint64_t kernel_id);

/* Appends an event with the entry's time, CPU, task and flags. */
static inline int cgr_norm_push(struct cgr_norm *norm, const struct cgr_entry *entry, uint8_t kind, uint64_t a,
                                uint64_t b, uint32_t c, uint32_t d)
{
	struct cgr_event *event;

	if (__builtin_expect(norm->now_ns < norm->from_ns, 0))
		return CGR_OK;
	CGR_TRY(cgr_hold_push(&norm->hold, &event, norm->err));
	*event = (struct cgr_event){ .ts_ns = norm->now_ns - norm->from_ns,
		                         .a = a,
		                         .b = b,
		                         .c = c,
		                         .d = d,
		                         .task = entry->task != NULL ? entry->task->id : 0,
		                         .cpu = (uint16_t)entry->cpu,
		                         .kind = kind,
		                         .flags = entry->flags };
	return CGR_OK;
}
#define CGR_FIELD(entry, i) cgr_field_get(&(entry)->format->field[i], (entry)->payload)
#define CGR_HAS(entry, i) ((entry)->format->field[i].present)

#endif
