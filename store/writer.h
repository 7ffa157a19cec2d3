/* Writing side of the event store, for parser/ alone: an import fills small tables in any order, appends
 * events in (time, cpu, sequence) order and commits. The file is made beside its final name and renamed by
 * commit, so a killed or failed import leaves the old file or none.
 *
 * Strings are copied. Dense ids come out of the add functions in order of the calls: 0, 1, 2, ...
 * Cgroup 0 (root "/") and task 0 (idle, comm "swapper") exist from the start: change them with _set_.
 * Not for use by several threads at once; the writer runs packing and SQLite on threads of its own, so an
 * error of theirs is reported by a later append or by commit. */
#ifndef CGR_STORE_WRITER_H
#define CGR_STORE_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/error.h"
#include "common/event.h"
#include "store/store.h"

struct cgr_writer;

#define CGR_WRITER_LEAN 0x01u /* no rows of high-volume events: the packed stream alone keeps them */

int cgr_writer_new(const char *path, unsigned flags, struct cgr_writer **ret_writer, struct cgr_error *reterr);
/* Aborts (removes the temporary file) unless committed. NULL-safe, returns NULL. */
struct cgr_writer *cgr_writer_free(struct cgr_writer *writer);

/* Facts of the recording; may be repeated, the last one wins. events, lost_events, the has_* event facts and
 * cpus are raised to what was really appended; duration_ns to the last event. */
int cgr_writer_set_info(struct cgr_writer *writer, const struct cgr_store_info *info, struct cgr_error *reterr);
/* Any further fact: key unique, replaced when repeated. Shown by `info`, read by cgr_store_borrow_meta. */
int cgr_writer_set_meta(struct cgr_writer *writer, const char *key, const char *value, struct cgr_error *reterr);
/* What import noticed. severity: "info", "inferred", "missing", "warning"; count: how often (0 = does not apply);
 * cost: what that means for predictions, or NULL. */
int cgr_writer_add_log(struct cgr_writer *writer, const char *severity, const char *text, uint64_t count,
                       const char *cost, struct cgr_error *reterr);

/* Hierarchies: the kernel's hierarchy number (v2 default hierarchy: 0) and its comma separated controllers. */
int cgr_writer_add_hierarchy(struct cgr_writer *writer, uint32_t hierarchy, int version, const char *controllers,
                             struct cgr_error *reterr);
int cgr_writer_add_cgroup(struct cgr_writer *writer, const struct cgr_store_cgroup *cgroup, uint32_t *ret_id,
                          struct cgr_error *reterr);
int cgr_writer_set_cgroup(struct cgr_writer *writer, uint32_t id, const struct cgr_store_cgroup *cgroup,
                          struct cgr_error *reterr);
/* One directory of a cgroup on one hierarchy with the kernel's own id (css/kernfs id); times as in cgr_store_cgroup. */
int cgr_writer_add_cgroup_dir(struct cgr_writer *writer, uint32_t cgroup, uint32_t hierarchy, uint64_t kernel_id,
                              int64_t born_ns, int64_t removed_ns, int64_t released_ns, struct cgr_error *reterr);

int cgr_writer_add_task(struct cgr_writer *writer, const struct cgr_store_task *task, uint32_t *ret_id,
                        struct cgr_error *reterr);
/* Replaces all fields: known end, last comm, first prio, ... may come until commit. */
int cgr_writer_set_task(struct cgr_writer *writer, uint32_t id, const struct cgr_store_task *task,
                        struct cgr_error *reterr);
int cgr_writer_add_comm(struct cgr_writer *writer, uint32_t task, int64_t from_ns, const char *comm,
                        struct cgr_error *reterr);

/* Membership as the kernel keeps it: a css_set links to one cgroup per hierarchy; a task has one at a time. */
struct cgr_writer_link {
	uint32_t hierarchy, cgroup;
};
int cgr_writer_add_css_set(struct cgr_writer *writer, const struct cgr_store_css_set *set,
                           const struct cgr_writer_link *links, size_t count, uint32_t *ret_id,
                           struct cgr_error *reterr);
/* From from_ns (< 0: before the trace) until the next one of the task. Call it before appending events later than
 * from_ns, so that the per-cgroup sums made on the way see it. how: "snapshot", "fork", "attach", "inferred". */
int cgr_writer_add_membership(struct cgr_writer *writer, uint32_t task, int64_t from_ns, uint32_t css_set,
                              const char *how, struct cgr_error *reterr);

/* Knobs and counters, canonical names (design section 4), units of the kernel file. Any time order within a batch;
 * source: "start", "sample", "end", "write". ret_row (may be NULL) is what a CGR_EV_KNOB event names in b. */
int cgr_writer_add_knob(struct cgr_writer *writer, uint32_t cgroup, const char *name, int64_t t_ns, int64_t value,
                        int64_t value2, const char *text, const char *source, uint64_t *ret_row,
                        struct cgr_error *reterr);
int cgr_writer_add_counter(struct cgr_writer *writer, uint32_t cgroup, const char *name, int64_t t_ns, int64_t value,
                           const char *source, struct cgr_error *reterr);

int cgr_writer_add_file(struct cgr_writer *writer, uint64_t dev, uint64_t inode, const char *path /* or NULL */,
                        uint32_t *ret_id, struct cgr_error *reterr);
int cgr_writer_set_file_path(struct cgr_writer *writer, uint32_t file, const char *path, struct cgr_error *reterr);
int cgr_writer_add_lost(struct cgr_writer *writer, const struct cgr_store_lost *lost, struct cgr_error *reterr);
/* Name of an event format that CGR_EV_OTHER events carry in c. */
int cgr_writer_add_format(struct cgr_writer *writer, uint32_t id, const char *system, const char *name,
                          struct cgr_error *reterr);
/* Fields of an event of kind `other` as a JSON object; *ret_row is what the event names in a. Before the event is
 * appended. */
int cgr_writer_add_fields(struct cgr_writer *writer, const char *json, size_t length, uint64_t *ret_row,
                          struct cgr_error *reterr);
/* What the recording holds per kernel event, before normalising: the numbers `trace-cmd report` would count. */
int cgr_writer_add_source_count(struct cgr_writer *writer, const char *system, const char *name, uint64_t count,
                                struct cgr_error *reterr);

/* Events in non-decreasing ts_ns order (CGR_E_INTERNAL otherwise); any batch size; copied. */
int cgr_writer_append(struct cgr_writer *writer, const struct cgr_event *events, size_t count,
                      struct cgr_error *reterr);

/* Everything on disk and renamed to the final name. After an error the writer can only be freed. */
int cgr_writer_commit(struct cgr_writer *writer, struct cgr_error *reterr);

#endif
