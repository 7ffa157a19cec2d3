/* What the files of the writer share: the pipeline caller -> packing thread -> row thread, and the small tables. */
#ifndef CGR_STORE_WRITER_INTERNAL_H
#define CGR_STORE_WRITER_INTERNAL_H

#include <pthread.h>

#include "common/util.h"
#include "store/btree.h"
#include "store/db.h"
#include "store/digest.h"
#include "store/pack.h"
#include "store/sched.h"
#include "store/schema.h"
#include "store/writer.h"

#define CGR_WRITER_BLOCKS 6u /* in flight: bounds memory to some 30 MiB */

struct cgr_attach { /* a membership on its way to the scheduler sums */
	int64_t from_ns;
	uint32_t task, css_set;
};
struct cgr_attach_list {
	struct cgr_attach *item;
	size_t count, capacity;
};

struct cgr_fields_list { /* JSON texts one behind the other, and how long each is */
	char *text;
	size_t used, capacity;
	uint32_t *length;
	size_t count, lengths;
};

/* Counters come by the million in long recordings: they go straight into pages, as events do. */
struct cgr_counter_row {
	uint32_t cgroup, name;
	int64_t t_ns, value;
	const char *source; /* static */
};
struct cgr_counter_list {
	struct cgr_counter_row *item;
	size_t count, capacity;
};

struct cgr_write_block {
	struct cgr_event event[CGR_PACK_EVENTS];
	size_t count;
	uint64_t first_id;
	/* told before the block was full; with it, so that a file never depends on how fast the threads are */
	struct cgr_attach_list attach;
	struct cgr_fields_list fields;
	struct cgr_counter_list counter;
	uint8_t *packed;
	size_t packed_size, packed_capacity;
	struct cgr_write_block *next;
};

struct cgr_write_queue {
	struct cgr_write_block *head, *tail;
	bool closed;
};

/* Rows of small tables: kept until commit, when SQLite has the file again. */
enum cgr_small {
	CGR_SMALL_META,
	CGR_SMALL_LOG,
	CGR_SMALL_HIERARCHY,
	CGR_SMALL_DIR,
	CGR_SMALL_COMM,
	CGR_SMALL_NAME,
	CGR_SMALL_KNOB,
	CGR_SMALL_FILE,
	CGR_SMALL_FILE_PATH,
	CGR_SMALL_LOST,
	CGR_SMALL_FORMAT,
	CGR_SMALL_SOURCE,
	CGR_SMALL_COUNT
};
struct cgr_small_row {
	enum cgr_small table;
	int64_t number[6]; /* in order of the numeric columns */
	char *text[3]; /* in order of the text columns; owned */
};

struct cgr_membership {
	int64_t from_ns;
	uint32_t task, css_set, order;
	const char *how;
};

struct cgr_time_row {
	int64_t ts_ns;
	uint64_t id;
};

struct cgr_told_span { /* throttle_cfs_rq .. unthrottle_cfs_rq */
	uint32_t cgroup, cpu;
	int64_t from_ns, to_ns; /* INT64_MAX: still open */
	bool inferred; /* whose it is: the function tracer names no group */
};

struct cgr_writer {
	struct cgr_outfile file;
	struct cgr_db db;
	unsigned flags;
	bool threads_started, failed;
	/* caller's thread */
	struct cgr_write_block *filling;
	uint64_t next_id, last_ns;
	struct cgr_store_info info;
	struct cgr_store_cgroup *cgroup;
	size_t cgroups, cgroups_capacity;
	struct cgr_store_task *task;
	size_t tasks, tasks_capacity;
	struct cgr_store_css_set *css_set;
	size_t css_sets, css_sets_capacity;
	struct {
		uint32_t css_set, hierarchy, cgroup;
	} * link;
	size_t links, links_capacity;
	struct cgr_membership *membership;
	size_t memberships, memberships_capacity;
	struct cgr_intern name_hash;
	char **name;
	size_t names, names_capacity;
	uint64_t knobs, fields_rows;
	uint32_t files;
	uint64_t lost_events;
	uint32_t *quota; /* cgroups that had a cpu.max at some time */
	size_t quotas, quotas_capacity;
	struct cgr_small_row *small;
	size_t smalls, smalls_capacity;
	struct cgr_attach_list attach;
	struct cgr_fields_list fields;
	struct cgr_counter_list counter;
	/* shared, under lock */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct cgr_write_block *free_blocks;
	struct cgr_write_queue to_pack, to_rows;
	struct cgr_error error; /* first one of a thread */
	/* row thread */
	pthread_t pack_thread, row_thread;
	struct cgr_packer *packer;
	struct cgr_sched *sched;
	struct cgr_sched_derived *derived;
	struct cgr_attach_list pending;
	struct cgr_dbpages pages;
	struct cgr_btree *tree; /* per event table, then stream_block, counter, event_fields */
	struct cgr_time_row *time;
	size_t times, times_capacity;
	int64_t counter_id, fields_id;
	struct cgr_digest counter_digest, fields_digest; /* made on the way: these tables may be large */
	struct cgr_told_span *told;
	size_t tolds, tolds_capacity;
	uint64_t *event_count, *inferred_count; /* [kind][cpu] */
	uint64_t kinds_seen;
	uint32_t cpus_seen;
	int64_t blocks;
};

/* writer.c: the temporary file, in a transaction */
int cgr_writer_open_database(struct cgr_writer *writer, struct cgr_error *reterr);
/* writer_rows.c */
int cgr_writer_open_trees(struct cgr_writer *writer, struct cgr_error *reterr); /* roots, from the open database */
int cgr_writer_write_block(struct cgr_writer *writer, struct cgr_write_block *block, struct cgr_error *reterr);
int cgr_writer_finish_trees(struct cgr_writer *writer, struct cgr_error *reterr);
void cgr_writer_close_trees(struct cgr_writer *writer);
/* writer_commit.c: what is known only at the end */
int cgr_writer_write_end(struct cgr_writer *writer, struct cgr_error *reterr);
/* writer_pipe.c */
int cgr_writer_start(struct cgr_writer *writer, struct cgr_error *reterr);
int cgr_writer_submit(struct cgr_writer *writer, struct cgr_error *reterr); /* the filling block, takes a free one */
int cgr_writer_stop(struct cgr_writer *writer, struct cgr_error *reterr); /* drains and joins */
void cgr_writer_free_blocks(struct cgr_writer *writer);
int cgr_writer_add_small(struct cgr_writer *writer, enum cgr_small table, struct cgr_error *reterr, ...);

#endif
