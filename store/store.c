/* Opening an event store: schema check, then the small tables as arrays. The file may come from anywhere: its
 * tables must be exactly those this version makes, and every id is checked before anybody uses it as an index. */
#include "store/store.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/units.h"
#include "common/util.h"
#include "store/info_fields.h"
#include "store/pack.h"
#include "store/schema.h"
#include "store/store_internal.h"

#define TEXT_CHUNK_BYTES 65536u

static int no_memory(const struct cgr_store *store, struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", store->db.path);
}

static int damaged(const struct cgr_store *store, struct cgr_error *reterr, const char *table, int64_t row,
                   const char *what)
{
	return cgr_error_set(reterr, CGR_E_INPUT, "%s: table %s, row %lld: %s; import the recording again", store->db.path,
	                     table, (long long)row, what);
}

/* Copy of a text column that lives as long as the store; NULL stays NULL. */
static int keep_text(struct cgr_store *store, sqlite3_stmt *s, int column, const char **ret_text,
                     struct cgr_error *reterr)
{
	const char *text = (const char *)sqlite3_column_text(s, column);
	size_t length = text == NULL ? 0 : strlen(text) + 1;
	struct cgr_text *t = &store->text;

	*ret_text = NULL;
	if (text == NULL)
		return 0;
	if (t->chunks == 0 || t->size - t->used < length) {
		size_t size = CGR_MAX(length, (size_t)TEXT_CHUNK_BYTES);

		CGR_TRY(cgr_grow((void **)&t->chunk, &t->capacity, t->chunks + 1, sizeof(*t->chunk), reterr));
		t->chunk[t->chunks] = malloc(size);
		if (t->chunk[t->chunks] == NULL)
			return no_memory(store, reterr);
		t->chunks++;
		t->size = size;
		t->used = 0;
	}
	memcpy(t->chunk[t->chunks - 1] + t->used, text, length);
	*ret_text = t->chunk[t->chunks - 1] + t->used;
	t->used += length;
	return 0;
}

/* Calls row for every row of a query; count says how many there were. */
typedef int (*row_fn)(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr);
static int each_row(struct cgr_store *store, const char *sql, row_fn row, size_t limit, size_t *ret_count,
                    struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	size_t count = 0;
	int rc;

	store->capacity = 0;
	CGR_TRY(cgr_db_prepare(&store->db, sql, &s, reterr));
	while ((rc = cgr_db_step(&store->db, s, "reading", reterr)) == 1) {
		if (count == limit)
			rc = cgr_error_set(reterr, CGR_E_LIMIT, "%s: more than %zu rows: %s", store->db.path, limit, sql);
		else
			rc = row(store, s, count, reterr);
		if (rc < 0)
			break;
		count++;
	}
	(void)sqlite3_finalize(s);
	*ret_count = count;
	return rc < 0 ? rc : 0;
}

static uint32_t id_of(sqlite3_stmt *s, int column)
{
	int64_t value = sqlite3_column_int64(s, column);

	if (sqlite3_column_type(s, column) == SQLITE_NULL || value < 0 || value >= CGR_ID_NONE)
		return CGR_ID_NONE;
	return (uint32_t)value;
}

static int64_t time_of(sqlite3_stmt *s, int column)
{
	return sqlite3_column_type(s, column) == SQLITE_NULL ? INT64_MAX : sqlite3_column_int64(s, column);
}

/* Arrays are indexed by dense id: ids must come as 0, 1, 2, ... */
static int check_dense(const struct cgr_store *store, sqlite3_stmt *s, size_t index, const char *table,
                       struct cgr_error *reterr)
{
	int64_t id = sqlite3_column_int64(s, 0);

	return id == (int64_t)index ? 0 : damaged(store, reterr, table, id, "ids are not dense");
}

/* Room for element index of the array being loaded. */
#define ROOM(array) cgr_grow((void **)&store->array, &store->capacity, index + 1, sizeof(*store->array), reterr)

static int meta_row(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(meta));
	CGR_TRY(keep_text(store, s, 0, &store->meta[index].key, reterr));
	return keep_text(store, s, 1, &store->meta[index].value, reterr);
}

static int hierarchy_row(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(hierarchy));
	store->hierarchy[index].id = id_of(s, 0);
	CGR_TRY(keep_text(store, s, 1, &store->hierarchy[index].controllers, reterr));
	if (store->hierarchy[index].controllers == NULL)
		store->hierarchy[index].controllers = "";
	return 0;
}

static int cgroup_row(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_store_cgroup *c;

	CGR_TRY(ROOM(cgroup));
	CGR_TRY(check_dense(store, s, index, "cgroup", reterr));
	c = &store->cgroup[index];
	CGR_TRY(keep_text(store, s, 1, &c->path, reterr));
	CGR_TRY(keep_text(store, s, 2, &c->container, reterr));
	c->parent = id_of(s, 3);
	c->born_ns = sqlite3_column_int64(s, 4);
	c->removed_ns = time_of(s, 5);
	c->released_ns = time_of(s, 6);
	c->has_memory = sqlite3_column_int(s, 7) != 0;
	c->has_cpu = sqlite3_column_int(s, 8) != 0;
	c->recorded = sqlite3_column_int(s, 9) != 0;
	if (c->path == NULL || c->path[0] != '/')
		return damaged(store, reterr, "cgroup", (int64_t)index, "no path");
	return 0;
}

static int task_row(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_store_task *t;

	CGR_TRY(ROOM(task));
	CGR_TRY(check_dense(store, s, index, "task", reterr));
	t = &store->task[index];
	t->tid = sqlite3_column_int(s, 1);
	t->tgid = sqlite3_column_int(s, 2);
	CGR_TRY(keep_text(store, s, 3, &t->comm, reterr));
	if (t->comm == NULL)
		t->comm = "";
	t->start_ns = sqlite3_column_int64(s, 4);
	t->end_ns = time_of(s, 5);
	t->parent = id_of(s, 6);
	t->css_set = id_of(s, 7);
	t->prio = (int16_t)sqlite3_column_int(s, 8);
	t->policy = (int8_t)sqlite3_column_int(s, 9);
	t->kernel_thread = sqlite3_column_int(s, 10) != 0;
	t->oom_score_adj = (int16_t)sqlite3_column_int(s, 11);
	t->session = sqlite3_column_int(s, 13);
	return keep_text(store, s, 12, &t->cpus_allowed, reterr);
}

static int css_set_row(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_store_css_set *set;

	CGR_TRY(ROOM(css_set));
	CGR_TRY(check_dense(store, s, index, "css_set", reterr));
	set = &store->css_set[index];
	*set = (struct cgr_store_css_set){ id_of(s, 1), id_of(s, 2), id_of(s, 3), id_of(s, 4) };
	if ((set->cpu_cgroup != CGR_ID_NONE && set->cpu_cgroup >= store->cgroups) ||
	    (set->memory_cgroup != CGR_ID_NONE && set->memory_cgroup >= store->cgroups) ||
	    (set->cpuset_cgroup != CGR_ID_NONE && set->cpuset_cgroup >= store->cgroups) ||
	    (set->default_cgroup != CGR_ID_NONE && set->default_cgroup >= store->cgroups))
		return damaged(store, reterr, "css_set", (int64_t)index, "names a cgroup that is not there");
	return 0;
}

static int name_row(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(name));
	CGR_TRY(check_dense(store, s, index, "name", reterr));
	CGR_TRY(keep_text(store, s, 1, &store->name[index], reterr));
	return store->name[index] != NULL ? 0 : damaged(store, reterr, "name", (int64_t)index, "no text");
}

static int sample_row(struct cgr_store *store, sqlite3_stmt *s, struct cgr_store_sample *sample, const char *table,
                      struct cgr_error *reterr)
{
	*sample = (struct cgr_store_sample){ .cgroup = id_of(s, 1),
		                                 .name = id_of(s, 2),
		                                 .t_ns = sqlite3_column_int64(s, 3),
		                                 .value = sqlite3_column_int64(s, 4),
		                                 .value2 = sqlite3_column_int64(s, 5),
		                                 .at_start = sqlite3_column_int(s, 7) != 0 };
	if (sample->cgroup >= store->cgroups || sample->name >= store->names)
		return damaged(store, reterr, table, sqlite3_column_int64(s, 0), "names a cgroup or name that is not there");
	return keep_text(store, s, 6, &sample->text, reterr);
}

static int knob_row(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(knob));
	return sample_row(store, s, &store->knob[index], "knob", reterr);
}

static int counter_row(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(counter));
	return sample_row(store, s, &store->counter[index], "counter", reterr);
}

static int file_row(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(file));
	CGR_TRY(check_dense(store, s, index, "file", reterr));
	store->file[index].dev = (uint64_t)sqlite3_column_int64(s, 1);
	store->file[index].inode = (uint64_t)sqlite3_column_int64(s, 2);
	return keep_text(store, s, 3, &store->file[index].path, reterr);
}

static int lost_row(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(lost));
	store->lost[index] = (struct cgr_store_lost){ (uint32_t)sqlite3_column_int64(s, 0), sqlite3_column_int64(s, 1),
		                                          sqlite3_column_int64(s, 2), (uint64_t)sqlite3_column_int64(s, 3) };
	return 0;
}

static int block_row(struct cgr_store *store, sqlite3_stmt *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_store_block *b;

	CGR_TRY(ROOM(block));
	CGR_TRY(check_dense(store, s, index, "stream_block", reterr));
	b = &store->block[index];
	*b = (struct cgr_store_block){ .block = (int64_t)index,
		                           .first_id = (uint64_t)sqlite3_column_int64(s, 1),
		                           .events = (uint64_t)sqlite3_column_int64(s, 2),
		                           .first_ns = sqlite3_column_int64(s, 3),
		                           .last_ns = sqlite3_column_int64(s, 4),
		                           .kinds = (uint64_t)sqlite3_column_int64(s, 5),
		                           .bytes = sqlite3_column_int64(s, 6),
		                           .checksum = (uint64_t)sqlite3_column_int64(s, 7) };
	if (b->events == 0 || b->events > CGR_PACK_EVENTS || b->bytes <= 0 || b->bytes > (int64_t)CGR_PACK_BYTES_MAX ||
	    b->first_ns < 0 || b->last_ns < b->first_ns || b->first_id != store->next_id || b->first_ns < store->last_ns)
		return damaged(store, reterr, "stream_block", (int64_t)index, "impossible range of events");
	store->next_id = b->first_id + b->events;
	store->last_ns = b->last_ns;
	return 0;
}

/* By time, then as they came: pointers into one array. */
static int by_time(const void *a, const void *b)
{
	const struct cgr_store_sample *x = *(const struct cgr_store_sample *const *)a;
	const struct cgr_store_sample *y = *(const struct cgr_store_sample *const *)b;

	return x->t_ns != y->t_ns ? (x->t_ns > y->t_ns) - (x->t_ns < y->t_ns) : (x > y) - (x < y);
}

/* In order of time. That is the order of the ids in what import writes; to let SQLite sort them costs as much as to
 * read them. */
static int sort_samples(const struct cgr_store *store, struct cgr_store_sample **sample, size_t count,
                        struct cgr_error *reterr)
{
	const struct cgr_store_sample **order;
	struct cgr_store_sample *sorted;
	size_t ordered = 1;

	while (ordered < count && (*sample)[ordered - 1].t_ns <= (*sample)[ordered].t_ns)
		ordered++;
	if (ordered >= count)
		return 0;
	order = cgr_calloc(count, sizeof(*order));
	sorted = cgr_calloc(count, sizeof(*sorted));
	if (order == NULL || sorted == NULL) {
		free(order);
		free(sorted);
		return no_memory(store, reterr);
	}
	for (size_t i = 0; i < count; i++)
		order[i] = *sample + i;
	qsort(order, count, sizeof(*order), by_time);
	for (size_t i = 0; i < count; i++)
		sorted[i] = *order[i];
	free(order);
	free(*sample);
	*sample = sorted;
	return 0;
}

static int load_samples(struct cgr_store *store, struct cgr_error *reterr)
{
	CGR_TRY(each_row(store,
	                 "SELECT id, cgroup, name, t_ns, value, value2, text, source = 'start' FROM knob ORDER BY id",
	                 knob_row, SIZE_MAX, &store->knobs, reterr));
	CGR_TRY(sort_samples(store, &store->knob, store->knobs, reterr));
	CGR_TRY(each_row(store, "SELECT id, cgroup, name, t_ns, value, 0, NULL, source = 'start' FROM counter ORDER BY id",
	                 counter_row, SIZE_MAX, &store->counters, reterr));
	return sort_samples(store, &store->counter, store->counters, reterr);
}

static int load_tables(struct cgr_store *store, struct cgr_error *reterr)
{
	store->next_id = 1;
	CGR_TRY(each_row(store, "SELECT key, value FROM meta ORDER BY key", meta_row, 100000, &store->metas, reterr));
	CGR_TRY(each_row(store, "SELECT id, controllers FROM hierarchy ORDER BY id", hierarchy_row, 1u << 16,
	                 &store->hierarchies, reterr));
	CGR_TRY(
	    each_row(store, "SELECT * FROM cgroup ORDER BY id", cgroup_row, CGR_LIMIT_CGROUPS, &store->cgroups, reterr));
	CGR_TRY(each_row(store, "SELECT * FROM css_set ORDER BY id", css_set_row, CGR_LIMIT_CSS_SETS, &store->css_sets,
	                 reterr));
	CGR_TRY(each_row(store, "SELECT * FROM task ORDER BY id", task_row, CGR_LIMIT_TASKS, &store->tasks, reterr));
	CGR_TRY(each_row(store, "SELECT * FROM name ORDER BY id", name_row, 1u << 20, &store->names, reterr));
	CGR_TRY(load_samples(store, reterr));
	CGR_TRY(each_row(store, "SELECT * FROM file ORDER BY id", file_row, CGR_ID_NONE, &store->files, reterr));
	CGR_TRY(each_row(store, "SELECT cpu, from_ns, to_ns, events FROM lost ORDER BY from_ns, cpu", lost_row, SIZE_MAX,
	                 &store->losts, reterr));
	return each_row(store,
	                "SELECT block, first_id, events, first_ns, last_ns, kinds, bytes, checksum FROM stream_block"
	                " ORDER BY block",
	                block_row, SIZE_MAX, &store->blocks, reterr);
}

/* Ids that are dense show no row that is missing at the end, and samples have none: import told how many there were. */
static int check_counts(struct cgr_store *store, struct cgr_error *reterr)
{
	const struct {
		const char *table;
		size_t rows;
	} loaded[] = { { "meta", store->metas },         { "hierarchy", store->hierarchies },
		           { "cgroup", store->cgroups },     { "css_set", store->css_sets },
		           { "task", store->tasks },         { "name", store->names },
		           { "knob", store->knobs },         { "counter", store->counters },
		           { "file", store->files },         { "lost", store->losts },
		           { "stream_block", store->blocks } };
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(cgr_db_prepare(&store->db, "SELECT name, rows FROM table_digest", &s, reterr));
	while ((rc = cgr_db_step(&store->db, s, "reading digests", reterr)) == 1) {
		const char *name = (const char *)sqlite3_column_text(s, 0);
		int64_t told = sqlite3_column_int64(s, 1);
		size_t i = 0;

		while (name != NULL && i < CGR_ARRAY_SIZE(loaded) && strcmp(name, loaded[i].table) != 0)
			i++;
		if (name == NULL || i == CGR_ARRAY_SIZE(loaded) || told == (int64_t)loaded[i].rows)
			continue;
		rc = cgr_error_set(reterr, CGR_E_INPUT, "%s: table %s: %zu rows, import wrote %lld; import the recording again",
		                   store->db.path, loaded[i].table, loaded[i].rows, (long long)told);
		break;
	}
	(void)sqlite3_finalize(s);
	return rc < 0 ? rc : 0;
}

/* References that need all tables: parents, first css_sets. */
static int check_references(const struct cgr_store *store, struct cgr_error *reterr)
{
	if (store->cgroups == 0 || store->tasks == 0 || strcmp(store->cgroup[0].path, "/") != 0)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s: no root cgroup or idle task; import the recording again",
		                     store->db.path);
	for (size_t i = 0; i < store->cgroups; i++) {
		uint32_t parent = store->cgroup[i].parent;

		if (i == 0 ? parent != CGR_ID_NONE : parent >= store->cgroups || parent == i)
			return damaged(store, reterr, "cgroup", (int64_t)i, "impossible parent");
	}
	for (size_t i = 1; i < store->cgroups; i++) { /* a loop of parents never comes to the root */
		size_t steps = 0;

		for (uint32_t at = (uint32_t)i; at != 0; at = store->cgroup[at].parent) {
			if (++steps > CGR_LIMIT_PATH)
				return damaged(store, reterr, "cgroup", (int64_t)i, "its parents form a loop");
		}
	}
	for (size_t i = 0; i < store->tasks; i++) {
		const struct cgr_store_task *t = &store->task[i];

		if ((t->parent != CGR_ID_NONE && t->parent >= store->tasks) ||
		    (t->css_set != CGR_ID_NONE && t->css_set >= store->css_sets))
			return damaged(store, reterr, "task", (int64_t)i, "names a task or css_set that is not there");
	}
	return 0;
}

static int64_t meta_number(const struct cgr_store *store, const char *key)
{
	const char *text = cgr_store_borrow_meta(store, key);

	return text == NULL ? 0 : strtoll(text, NULL, 10);
}

static void load_info(struct cgr_store *store)
{
	struct cgr_store_info *info = &store->info;

#define CGR_X(member) info->member = cgr_store_borrow_meta(store, #member);
	CGR_INFO_TEXTS(CGR_X)
#undef CGR_X
#define CGR_X(member) info->member = (__typeof__(info->member))meta_number(store, #member);
	CGR_INFO_NUMBERS(CGR_X)
#undef CGR_X
	if (info->kernel_release == NULL)
		info->kernel_release = "";
	if (info->clock == NULL)
		info->clock = "";
	if (info->source_digest == NULL)
		info->source_digest = "";
	if (info->tool_version == NULL)
		info->tool_version = "";
	if (info->source_path == NULL)
		info->source_path = "";
	info->events = store->next_id - 1;
	info->cpus = CGR_MIN(info->cpus, CGR_LIMIT_CPUS);
	store->lean = meta_number(store, "lean") != 0;
}

static int check_version(struct cgr_store *store, struct cgr_error *reterr)
{
	int64_t application = 0, version = 0;

	CGR_TRY(cgr_db_integer(&store->db, "PRAGMA application_id", &application, reterr));
	CGR_TRY(cgr_db_integer(&store->db, "PRAGMA user_version", &version, reterr));
	if (application == CGR_RESULTS_APPLICATION_ID)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s: this is a results store; give the event store made by `cgreplay import`",
		                     store->db.path);
	if (application != CGR_STORE_APPLICATION_ID)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s:68: a SQLite file, but not an event store; one is made by `cgreplay import`",
		                     store->db.path);
	if (version > CGR_STORE_SCHEMA_VERSION)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s:60: schema version %lld is newer than %d, the newest this cgreplay knows; use a newer"
		                     " cgreplay, or import the recording again with this one",
		                     store->db.path, (long long)version, CGR_STORE_SCHEMA_VERSION);
	if (version < CGR_STORE_SCHEMA_VERSION)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s:60: schema version %lld is older than %d; import the recording again", store->db.path,
		                     (long long)version, CGR_STORE_SCHEMA_VERSION);
	return 0;
}

/* Views or triggers under the names of our tables could run anything: take only what this version made. */
static int check_schema(struct cgr_store *store, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc = cgr_db_prepare(&store->db, CGR_DB_SCHEMA_SQL, &s, reterr);

	for (const struct cgr_schema_object *o = cgr_schema_tables; rc == 0 && o->name != NULL; o++) {
		if (strcmp(o->type, "table") == 0)
			rc = cgr_db_check_object(&store->db, s, o->name, o->sql, reterr);
	}
	for (unsigned t = 0; rc == 0 && t < cgr_event_table_count; t++) {
		char *ddl = cgr_event_table_ddl(&cgr_event_tables[t], NULL);

		rc = ddl == NULL ? no_memory(store, reterr)
		                 : cgr_db_check_object(&store->db, s, cgr_event_tables[t].name, ddl, reterr);
		free(ddl);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

int cgr_store_open(const char *path, struct cgr_store **ret_store, struct cgr_error *reterr)
{
	struct cgr_store *store = cgr_calloc(1, sizeof(*store));
	int rc;

	if (store == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	store->lock = cgr_calloc(1, sizeof(*store->lock));
	if (store->lock == NULL || pthread_mutex_init(store->lock, NULL) != 0) {
		free(store->lock);
		free(store);
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	}
	rc = cgr_db_open_readonly(&store->db, path, true, reterr);
	if (rc == 0)
		rc = check_version(store, reterr);
	if (rc == 0)
		rc = check_schema(store, reterr);
	if (rc == 0)
		rc = load_tables(store, reterr);
	if (rc == 0)
		rc = check_counts(store, reterr);
	if (rc == 0)
		rc = check_references(store, reterr);
	if (rc < 0) {
		(void)cgr_store_free(store);
		return rc;
	}
	load_info(store);
	*ret_store = store;
	return 0;
}

struct cgr_store *cgr_store_free(struct cgr_store *store)
{
	if (store == NULL)
		return NULL;
	cgr_db_close(&store->db);
	for (size_t i = 0; i < store->text.chunks; i++)
		free(store->text.chunk[i]);
	free(store->text.chunk);
	free(store->meta);
	free(store->hierarchy);
	free(store->cgroup);
	free(store->task);
	free(store->css_set);
	free(store->name);
	free(store->knob);
	free(store->counter);
	free(store->file);
	free(store->lost);
	free(store->block);
	(void)pthread_mutex_destroy(store->lock);
	free(store->lock);
	free(store);
	return NULL;
}

int cgr_store_read_block(const struct cgr_store *store, const struct cgr_store_block *block, uint8_t **buffer,
                         size_t *capacity, struct cgr_error *reterr)
{
	sqlite3_blob *blob = NULL;
	int rc = cgr_grow((void **)buffer, capacity, (size_t)block->bytes, 1, reterr);

	CGR_TRY(rc);
	(void)pthread_mutex_lock(store->lock);
	rc = sqlite3_blob_open(store->db.sqlite, "main", "stream_block", "data", block->block, 0, &blob);
	if (rc == SQLITE_OK && sqlite3_blob_bytes(blob) != block->bytes)
		rc = SQLITE_CORRUPT;
	if (rc == SQLITE_OK)
		rc = sqlite3_blob_read(blob, *buffer, (int)block->bytes, 0);
	if (rc != SQLITE_OK)
		rc = cgr_db_error(&store->db, rc, "reading packed events", reterr);
	(void)sqlite3_blob_close(blob);
	(void)pthread_mutex_unlock(store->lock);
	if (rc == 0 && cgr_pack_checksum(*buffer, (size_t)block->bytes) != block->checksum)
		rc = cgr_error_set(reterr, CGR_E_INPUT,
		                   "%s: stream_block %lld (events %llu to %llu): checksum differs; import the recording again",
		                   store->db.path, (long long)block->block, (unsigned long long)block->first_id,
		                   (unsigned long long)(block->first_id + block->events - 1));
	return rc;
}

const struct cgr_db *cgr_store_borrow_db(const struct cgr_store *store)
{
	return &store->db;
}
