/* The writer as its caller sees it: small tables kept or passed on, events collected into blocks. */
#include "store/writer.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/units.h"
#include "store/writer_internal.h"

static int no_memory(const struct cgr_writer *w, struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", w->file.path == NULL ? "store" : w->file.path);
}

static int bad_id(const struct cgr_writer *w, const char *what, uint64_t id, struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: %s %llu was never added", w->file.path, what,
	                     (unsigned long long)id);
}

/* The file is nobody's until commit, so nothing needs to survive a crash: no journal, no syncs but the last. */
int cgr_writer_open_database(struct cgr_writer *w, struct cgr_error *reterr)
{
	CGR_TRY(cgr_db_open_writable(&w->db, w->file.temp_path, w->file.path, reterr));
	return cgr_db_exec(&w->db,
	                   "PRAGMA page_size=16384; PRAGMA auto_vacuum=NONE; PRAGMA journal_mode=OFF;"
	                   "PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-32768;"
	                   "PRAGMA temp_store=MEMORY; BEGIN",
	                   reterr);
}

/* Empty tables by SQLite; from then until commit rows are appended to the file page by page. */
static int make_tables(struct cgr_writer *w, struct cgr_error *reterr)
{
	CGR_TRY(cgr_writer_open_database(w, reterr));
	for (const struct cgr_schema_object *o = cgr_schema_tables; o->name != NULL; o++) {
		if (strcmp(o->type, "table") == 0)
			CGR_TRY(cgr_db_exec(&w->db, o->sql, reterr));
	}
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		char *ddl = cgr_event_table_ddl(&cgr_event_tables[t], NULL);
		int rc = ddl == NULL ? no_memory(w, reterr) : cgr_db_exec(&w->db, ddl, reterr);

		free(ddl);
		CGR_TRY(rc);
	}
	CGR_TRY(cgr_writer_open_trees(w, reterr));
	CGR_TRY(cgr_db_exec(&w->db, "COMMIT", reterr));
	cgr_db_close(&w->db);
	return cgr_dbpages_init(&w->pages, w->file.fd, w->file.path, reterr);
}

static int allocate(struct cgr_writer *w, struct cgr_error *reterr)
{
	size_t counters = (size_t)CGR_EV_COUNT * CGR_LIMIT_CPUS;

	w->packer = cgr_packer_new();
	w->sched = cgr_sched_new();
	w->derived = cgr_calloc(CGR_PACK_EVENTS, sizeof(*w->derived));
	w->event_count = cgr_calloc(counters, sizeof(*w->event_count));
	w->inferred_count = cgr_calloc(counters, sizeof(*w->inferred_count));
	if (w->packer == NULL || w->sched == NULL || w->derived == NULL || w->event_count == NULL ||
	    w->inferred_count == NULL)
		return no_memory(w, reterr);
	return 0;
}

static int add_fixed_ids(struct cgr_writer *w, struct cgr_error *reterr)
{
	struct cgr_store_cgroup root = {
		.path = "/", .parent = CGR_ID_NONE, .born_ns = -1, .removed_ns = INT64_MAX, .released_ns = INT64_MAX
	};
	struct cgr_store_task idle = { .comm = "swapper",
		                           .start_ns = -1,
		                           .end_ns = INT64_MAX,
		                           .parent = CGR_ID_NONE,
		                           .css_set = CGR_ID_NONE,
		                           .prio = 120,
		                           .policy = 0,
		                           .kernel_thread = true };
	uint32_t id;

	CGR_TRY(cgr_writer_add_cgroup(w, &root, &id, reterr));
	return cgr_writer_add_task(w, &idle, &id, reterr);
}

int cgr_writer_new(const char *path, unsigned flags, struct cgr_writer **ret_writer, struct cgr_error *reterr)
{
	struct cgr_writer *w = cgr_calloc(1, sizeof(*w));
	int rc;

	if (w == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	w->flags = flags;
	w->next_id = 1;
	w->info.swappiness = -1;
	(void)pthread_mutex_init(&w->lock, NULL);
	(void)pthread_cond_init(&w->changed, NULL);
	rc = cgr_outfile_open(&w->file, path, reterr);
	if (rc == 0)
		rc = allocate(w, reterr);
	if (rc == 0)
		rc = make_tables(w, reterr);
	if (rc == 0)
		rc = cgr_writer_start(w, reterr);
	if (rc == 0)
		rc = add_fixed_ids(w, reterr);
	if (rc < 0) {
		(void)cgr_writer_free(w);
		return rc;
	}
	*ret_writer = w;
	return 0;
}

static void free_info(struct cgr_store_info *info)
{
	free((char *)info->kernel_release);
	free((char *)info->clock);
	free((char *)info->source_digest);
	free((char *)info->tool_version);
	free((char *)info->source_path);
}

static void free_small_tables(struct cgr_writer *w)
{
	for (size_t i = 0; i < w->cgroups; i++) {
		free((char *)w->cgroup[i].path);
		free((char *)w->cgroup[i].container);
	}
	for (size_t i = 0; i < w->tasks; i++) {
		free((char *)w->task[i].comm);
		free((char *)w->task[i].cpus_allowed);
	}
	for (size_t i = 0; i < w->names; i++)
		free(w->name[i]);
	for (size_t i = 0; i < w->smalls; i++) {
		for (size_t t = 0; t < CGR_ARRAY_SIZE(w->small[i].text); t++)
			free(w->small[i].text[t]);
	}
	free(w->cgroup);
	free(w->task);
	free(w->name);
	free(w->small);
	free(w->css_set);
	free(w->link);
	free(w->membership);
	free(w->attach.item);
	free(w->pending.item);
	free(w->fields.text);
	free(w->fields.length);
	cgr_intern_fini(&w->name_hash);
	free_info(&w->info);
}

struct cgr_writer *cgr_writer_free(struct cgr_writer *w)
{
	if (w == NULL)
		return NULL;
	(void)cgr_writer_stop(w, NULL);
	cgr_writer_free_blocks(w);
	cgr_writer_close_trees(w);
	cgr_db_close(&w->db);
	cgr_outfile_abort(&w->file);
	(void)cgr_packer_free(w->packer);
	(void)cgr_sched_free(w->sched);
	free(w->derived);
	free(w->time);
	free(w->told);
	free(w->quota);
	free(w->counter.item);
	free(w->event_count);
	free(w->inferred_count);
	free_small_tables(w);
	(void)pthread_mutex_destroy(&w->lock);
	(void)pthread_cond_destroy(&w->changed);
	free(w);
	return NULL;
}

static int keep_text(struct cgr_writer *w, const char **at, const char *text, struct cgr_error *reterr)
{
	char *copy = text == NULL ? NULL : cgr_strdup(text);

	if (text != NULL && copy == NULL)
		return no_memory(w, reterr);
	free((char *)*at);
	*at = copy;
	return 0;
}

int cgr_writer_set_info(struct cgr_writer *w, const struct cgr_store_info *info, struct cgr_error *reterr)
{
	struct cgr_store_info kept = *info;

	kept.kernel_release = w->info.kernel_release;
	kept.clock = w->info.clock;
	kept.source_digest = w->info.source_digest;
	kept.tool_version = w->info.tool_version;
	kept.source_path = w->info.source_path;
	w->info = kept;
	CGR_TRY(keep_text(w, &w->info.kernel_release, info->kernel_release, reterr));
	CGR_TRY(keep_text(w, &w->info.clock, info->clock, reterr));
	CGR_TRY(keep_text(w, &w->info.source_digest, info->source_digest, reterr));
	CGR_TRY(keep_text(w, &w->info.tool_version, info->tool_version, reterr));
	return keep_text(w, &w->info.source_path, info->source_path, reterr);
}

int cgr_writer_set_meta(struct cgr_writer *w, const char *key, const char *value, struct cgr_error *reterr)
{
	return cgr_writer_add_small(w, CGR_SMALL_META, reterr, key, value);
}

int cgr_writer_add_log(struct cgr_writer *w, const char *severity, const char *text, uint64_t count, const char *cost,
                       struct cgr_error *reterr)
{
	return cgr_writer_add_small(w, CGR_SMALL_LOG, reterr, (int64_t)count, severity, text, cost);
}

int cgr_writer_add_hierarchy(struct cgr_writer *w, uint32_t hierarchy, int version, const char *controllers,
                             struct cgr_error *reterr)
{
	return cgr_writer_add_small(w, CGR_SMALL_HIERARCHY, reterr, (int64_t)hierarchy, (int64_t)version, controllers);
}

int cgr_writer_add_cgroup(struct cgr_writer *w, const struct cgr_store_cgroup *cgroup, uint32_t *ret_id,
                          struct cgr_error *reterr)
{
	if (w->cgroups >= CGR_LIMIT_CGROUPS)
		return cgr_error_set(reterr, CGR_E_LIMIT, "%s: more than %u cgroups", w->file.path, CGR_LIMIT_CGROUPS);
	CGR_TRY(cgr_grow((void **)&w->cgroup, &w->cgroups_capacity, w->cgroups + 1, sizeof(*w->cgroup), reterr));
	w->cgroup[w->cgroups] = (struct cgr_store_cgroup){ 0 };
	w->cgroups++;
	CGR_TRY(cgr_writer_set_cgroup(w, (uint32_t)(w->cgroups - 1), cgroup, reterr));
	*ret_id = (uint32_t)(w->cgroups - 1);
	return 0;
}

int cgr_writer_set_cgroup(struct cgr_writer *w, uint32_t id, const struct cgr_store_cgroup *cgroup,
                          struct cgr_error *reterr)
{
	struct cgr_store_cgroup *kept;

	if (id >= w->cgroups)
		return bad_id(w, "cgroup", id, reterr);
	kept = &w->cgroup[id];
	CGR_TRY(keep_text(w, &kept->path, cgroup->path, reterr));
	CGR_TRY(keep_text(w, &kept->container, cgroup->container, reterr));
	kept->parent = cgroup->parent;
	kept->born_ns = cgroup->born_ns;
	kept->removed_ns = cgroup->removed_ns;
	kept->released_ns = cgroup->released_ns;
	kept->has_memory = cgroup->has_memory;
	kept->has_cpu = cgroup->has_cpu;
	kept->recorded = cgroup->recorded;
	return 0;
}

int cgr_writer_add_cgroup_dir(struct cgr_writer *w, uint32_t cgroup, uint32_t hierarchy, uint64_t kernel_id,
                              int64_t born_ns, int64_t removed_ns, int64_t released_ns, struct cgr_error *reterr)
{
	if (cgroup >= w->cgroups)
		return bad_id(w, "cgroup", cgroup, reterr);
	return cgr_writer_add_small(w, CGR_SMALL_DIR, reterr, (int64_t)cgroup, (int64_t)hierarchy, (int64_t)kernel_id,
	                            born_ns, removed_ns, released_ns);
}

static int attach(struct cgr_writer *w, uint32_t task, int64_t from_ns, uint32_t css_set, struct cgr_error *reterr)
{
	struct cgr_attach_list *list = &w->attach;

	CGR_TRY(cgr_grow((void **)&list->item, &list->capacity, list->count + 1, sizeof(*list->item), reterr));
	list->item[list->count++] = (struct cgr_attach){ .from_ns = from_ns, .task = task, .css_set = css_set };
	return 0;
}

int cgr_writer_add_task(struct cgr_writer *w, const struct cgr_store_task *task, uint32_t *ret_id,
                        struct cgr_error *reterr)
{
	uint32_t id = (uint32_t)w->tasks;

	if (w->tasks >= CGR_LIMIT_TASKS)
		return cgr_error_set(reterr, CGR_E_LIMIT, "%s: more than %u tasks", w->file.path, CGR_LIMIT_TASKS);
	CGR_TRY(cgr_grow((void **)&w->task, &w->tasks_capacity, w->tasks + 1, sizeof(*w->task), reterr));
	w->task[id] = (struct cgr_store_task){ 0 };
	w->tasks++;
	CGR_TRY(cgr_writer_set_task(w, id, task, reterr));
	if (task->css_set != CGR_ID_NONE)
		CGR_TRY(attach(w, id, task->start_ns, task->css_set, reterr));
	*ret_id = id;
	return 0;
}

int cgr_writer_set_task(struct cgr_writer *w, uint32_t id, const struct cgr_store_task *task, struct cgr_error *reterr)
{
	struct cgr_store_task kept = *task;

	if (id >= w->tasks)
		return bad_id(w, "task", id, reterr);
	kept.comm = w->task[id].comm;
	kept.cpus_allowed = w->task[id].cpus_allowed;
	w->task[id] = kept;
	CGR_TRY(keep_text(w, &w->task[id].comm, task->comm, reterr));
	return keep_text(w, &w->task[id].cpus_allowed, task->cpus_allowed, reterr);
}

int cgr_writer_add_comm(struct cgr_writer *w, uint32_t task, int64_t from_ns, const char *comm,
                        struct cgr_error *reterr)
{
	return cgr_writer_add_small(w, CGR_SMALL_COMM, reterr, (int64_t)task, from_ns, comm);
}

int cgr_writer_add_css_set(struct cgr_writer *w, const struct cgr_store_css_set *set,
                           const struct cgr_writer_link *links, size_t count, uint32_t *ret_id,
                           struct cgr_error *reterr)
{
	if (w->css_sets >= CGR_LIMIT_CSS_SETS || count > CGR_LIMIT_HIERARCHIES)
		return cgr_error_set(reterr, CGR_E_LIMIT, "%s: more than %u css_sets or %u hierarchies", w->file.path,
		                     CGR_LIMIT_CSS_SETS, CGR_LIMIT_HIERARCHIES);
	CGR_TRY(cgr_grow((void **)&w->css_set, &w->css_sets_capacity, w->css_sets + 1, sizeof(*w->css_set), reterr));
	CGR_TRY(cgr_grow((void **)&w->link, &w->links_capacity, w->links + count, sizeof(*w->link), reterr));
	for (size_t i = 0; i < count; i++) {
		w->link[w->links].css_set = (uint32_t)w->css_sets;
		w->link[w->links].hierarchy = links[i].hierarchy;
		w->link[w->links++].cgroup = links[i].cgroup;
	}
	w->css_set[w->css_sets] = *set;
	*ret_id = (uint32_t)w->css_sets++;
	return 0;
}

/* one of the four words, so that rows need no copy */
static const char *how_of(const char *how)
{
	static const char *const known[] = { "snapshot", "fork", "attach", "inferred" };

	for (size_t i = 0; how != NULL && i < CGR_ARRAY_SIZE(known); i++) {
		if (strcmp(how, known[i]) == 0)
			return known[i];
	}
	return "inferred";
}

int cgr_writer_add_membership(struct cgr_writer *w, uint32_t task, int64_t from_ns, uint32_t css_set, const char *how,
                              struct cgr_error *reterr)
{
	if (task >= w->tasks)
		return bad_id(w, "task", task, reterr);
	if (css_set >= w->css_sets)
		return bad_id(w, "css_set", css_set, reterr);
	CGR_TRY(cgr_grow((void **)&w->membership, &w->memberships_capacity, w->memberships + 1, sizeof(*w->membership),
	                 reterr));
	w->membership[w->memberships] = (struct cgr_membership){
		.from_ns = from_ns, .task = task, .css_set = css_set, .order = (uint32_t)w->memberships, .how = how_of(how)
	};
	w->memberships++;
	return attach(w, task, from_ns, css_set, reterr);
}

static uint64_t hash_text(const char *text)
{
	uint64_t hash = 14695981039346656037ull;

	for (; *text != '\0'; text++)
		hash = (hash ^ (unsigned char)*text) * 1099511628211ull;
	return hash;
}

static int intern_name(struct cgr_writer *w, const char *name, uint32_t *ret_id, struct cgr_error *reterr)
{
	uint64_t key = hash_text(name);
	bool fresh = false;

	for (;; key++) { /* another name with the same hash sits there: next key */
		CGR_TRY(cgr_intern_id(&w->name_hash, key, ret_id, &fresh, reterr));
		if (fresh || strcmp(w->name[*ret_id], name) == 0)
			break;
	}
	if (!fresh)
		return 0;
	CGR_TRY(cgr_grow((void **)&w->name, &w->names_capacity, w->names + 1, sizeof(*w->name), reterr));
	w->name[w->names] = cgr_strdup(name);
	if (w->name[w->names] == NULL)
		return no_memory(w, reterr);
	w->names++;
	return cgr_writer_add_small(w, CGR_SMALL_NAME, reterr, (int64_t)*ret_id, name);
}

int cgr_writer_add_knob(struct cgr_writer *w, uint32_t cgroup, const char *name, int64_t t_ns, int64_t value,
                        int64_t value2, const char *text, const char *source, uint64_t *ret_row,
                        struct cgr_error *reterr)
{
	uint32_t id;

	if (cgroup >= w->cgroups)
		return bad_id(w, "cgroup", cgroup, reterr);
	CGR_TRY(intern_name(w, name, &id, reterr));
	w->knobs++;
	if (value != CGR_UNLIMITED && strcmp(name, "cpu.max") == 0) {
		CGR_TRY(cgr_grow((void **)&w->quota, &w->quotas_capacity, w->quotas + 1, sizeof(*w->quota), reterr));
		w->quota[w->quotas++] = cgroup;
	}
	if (ret_row != NULL)
		*ret_row = w->knobs;
	return cgr_writer_add_small(w, CGR_SMALL_KNOB, reterr, (int64_t)w->knobs, (int64_t)cgroup, (int64_t)id, t_ns, value,
	                            value2, text, source);
}

/* one of the four words, so that rows need no copy */
static const char *source_of(const char *source)
{
	static const char *const known[] = { "start", "sample", "end", "write" };

	for (size_t i = 0; source != NULL && i < CGR_ARRAY_SIZE(known); i++) {
		if (strcmp(source, known[i]) == 0)
			return known[i];
	}
	return "sample";
}

int cgr_writer_add_counter(struct cgr_writer *w, uint32_t cgroup, const char *name, int64_t t_ns, int64_t value,
                           const char *source, struct cgr_error *reterr)
{
	uint32_t id;

	if (cgroup >= w->cgroups)
		return bad_id(w, "cgroup", cgroup, reterr);
	CGR_TRY(intern_name(w, name, &id, reterr));
	CGR_TRY(cgr_grow((void **)&w->counter.item, &w->counter.capacity, w->counter.count + 1, sizeof(*w->counter.item),
	                 reterr));
	w->counter.item[w->counter.count++] = (struct cgr_counter_row){
		.cgroup = cgroup, .name = id, .t_ns = t_ns, .value = value, .source = source_of(source)
	};
	return 0;
}

int cgr_writer_add_file(struct cgr_writer *w, uint64_t dev, uint64_t inode, const char *path, uint32_t *ret_id,
                        struct cgr_error *reterr)
{
	CGR_TRY(cgr_writer_add_small(w, CGR_SMALL_FILE, reterr, (int64_t)w->files, (int64_t)dev, (int64_t)inode, path));
	*ret_id = w->files++;
	return 0;
}

int cgr_writer_set_file_path(struct cgr_writer *w, uint32_t file, const char *path, struct cgr_error *reterr)
{
	if (file >= w->files)
		return bad_id(w, "file", file, reterr);
	return cgr_writer_add_small(w, CGR_SMALL_FILE_PATH, reterr, (int64_t)file, path);
}

int cgr_writer_add_lost(struct cgr_writer *w, const struct cgr_store_lost *lost, struct cgr_error *reterr)
{
	w->lost_events += lost->events;
	return cgr_writer_add_small(w, CGR_SMALL_LOST, reterr, (int64_t)lost->cpu, lost->from_ns, lost->to_ns,
	                            (int64_t)lost->events);
}

int cgr_writer_add_format(struct cgr_writer *w, uint32_t id, const char *system, const char *name,
                          struct cgr_error *reterr)
{
	return cgr_writer_add_small(w, CGR_SMALL_FORMAT, reterr, (int64_t)id, system, name);
}

int cgr_writer_add_fields(struct cgr_writer *w, const char *json, size_t length, uint64_t *ret_row,
                          struct cgr_error *reterr)
{
	struct cgr_fields_list *list = &w->fields;

	CGR_TRY(cgr_grow((void **)&list->text, &list->capacity, list->used + length, 1, reterr));
	CGR_TRY(cgr_grow((void **)&list->length, &list->lengths, list->count + 1, sizeof(*list->length), reterr));
	memcpy(list->text + list->used, json, length);
	list->used += length;
	list->length[list->count++] = (uint32_t)length;
	*ret_row = ++w->fields_rows;
	return 0;
}

int cgr_writer_add_source_count(struct cgr_writer *w, const char *system, const char *name, uint64_t count,
                                struct cgr_error *reterr)
{
	return cgr_writer_add_small(w, CGR_SMALL_SOURCE, reterr, (int64_t)count, system, name);
}

/* An event that names a task, CPU or kind that cannot be would make the packed stream unreadable. */
static int check_event(const struct cgr_writer *w, const struct cgr_event *e, struct cgr_error *reterr)
{
	if (e->ts_ns < w->last_ns)
		return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: event at %llu ns after one at %llu ns", w->file.path,
		                     (unsigned long long)e->ts_ns, (unsigned long long)w->last_ns);
	if (e->kind >= CGR_EV_COUNT || e->cpu >= CGR_LIMIT_CPUS || e->ts_ns > INT64_MAX)
		return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: event of kind %u on CPU %u at %llu ns", w->file.path, e->kind,
		                     e->cpu, (unsigned long long)e->ts_ns);
	if (e->task >= w->tasks)
		return bad_id(w, "task", e->task, reterr);
	if ((1ull << e->kind & (1ull << CGR_EV_SWITCH | 1ull << CGR_EV_WAKING | 1ull << CGR_EV_WAKEUP |
	                        1ull << CGR_EV_WAKEUP_NEW | 1ull << CGR_EV_RUNTIME | 1ull << CGR_EV_RUN_START)) != 0 &&
	    e->c >= w->tasks)
		return bad_id(w, "task", e->c, reterr);
	return 0;
}

int cgr_writer_append(struct cgr_writer *w, const struct cgr_event *events, size_t count, struct cgr_error *reterr)
{
	if (w->failed)
		return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: append after an error", w->file.path);
	for (size_t i = 0; i < count; i++) {
		struct cgr_write_block *block = w->filling;
		int rc = check_event(w, &events[i], reterr);

		if (rc == 0) {
			block->event[block->count++] = events[i];
			w->last_ns = events[i].ts_ns;
			w->next_id++;
			if (block->count == CGR_PACK_EVENTS)
				rc = cgr_writer_submit(w, reterr);
		}
		if (rc < 0) {
			w->failed = true;
			return rc;
		}
	}
	return 0;
}

int cgr_writer_commit(struct cgr_writer *w, struct cgr_error *reterr)
{
	if (w->failed)
		return cgr_error_set(reterr, CGR_E_INTERNAL, "%s: commit after an error", w->file.path);
	w->failed = true;
	if (w->filling->count > 0)
		CGR_TRY(cgr_writer_submit(w, reterr));
	CGR_TRY(cgr_writer_stop(w, reterr));
	CGR_TRY(cgr_writer_finish_trees(w, reterr));
	CGR_TRY(cgr_writer_open_database(w, reterr));
	CGR_TRY(cgr_writer_write_end(w, reterr));
	CGR_TRY(cgr_db_exec(&w->db, "COMMIT", reterr));
	cgr_db_close(&w->db);
	return cgr_outfile_commit(&w->file, reterr);
}
