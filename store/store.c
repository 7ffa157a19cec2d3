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
#include "store/store_internal.h"

#define TEXT_CHUNK_BYTES 65536u

static int no_memory(const struct cgr_store *store, struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", store->path);
}

static int damaged(const struct cgr_store *store, struct cgr_error *reterr, const char *table, int64_t row,
                   const char *what)
{
	return cgr_error_set(reterr, CGR_E_INPUT, "%s: table %s, row %lld: %s; import the recording again", store->path,
	                     table, (long long)row, what);
}

/* Copy of a text column that lives as long as the store; NULL stays NULL. */
static int keep_text(struct cgr_store *store, struct cgr_scan *s, unsigned column, const char **ret_text,
                     struct cgr_error *reterr)
{
	size_t length;
	const char *text = cgr_scan_text(s, column, &length);
	struct cgr_text *t = &store->text;
	char *to;

	*ret_text = NULL;
	if (text == NULL)
		return 0;
	if (t->chunks == 0 || t->size - t->used < length + 1) {
		size_t size = CGR_MAX(length + 1, (size_t)TEXT_CHUNK_BYTES);

		CGR_TRY(cgr_grow((void **)&t->chunk, &t->capacity, t->chunks + 1, sizeof(*t->chunk), reterr));
		t->chunk[t->chunks] = malloc(size);
		if (t->chunk[t->chunks] == NULL)
			return no_memory(store, reterr);
		t->chunks++;
		t->size = size;
		t->used = 0;
	}
	to = t->chunk[t->chunks - 1] + t->used;
	memcpy(to, text, length);
	to[length] = '\0';
	*ret_text = to;
	t->used += length + 1;
	return 0;
}

/* Calls row for every row of a table, in the order of its keys; count says how many there were. */
#define ALL_COLUMNS CGR_SCAN_COLUMNS
typedef int (*row_fn)(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr);
static int each_row(struct cgr_store *store, struct cgr_scan *s, const char *table, unsigned columns, row_fn row,
                    size_t limit, size_t *ret_count, struct cgr_error *reterr)
{
	size_t count = 0;
	int rc;

	store->capacity = 0;
	CGR_TRY(cgr_scan_start(s, cgr_store_root(store, table), strcmp(table, "meta") == 0, reterr));
	while ((rc = cgr_scan_next(s, columns, reterr)) == 1) {
		if (count == limit)
			return cgr_error_set(reterr, CGR_E_LIMIT, "%s: table %s has more than %zu rows", store->path, table, limit);
		CGR_TRY(row(store, s, count, reterr));
		if (s->wrong)
			return damaged(store, reterr, table, (int64_t)count, "a value is of the wrong type");
		count++;
	}
	*ret_count = count;
	return rc;
}

static uint32_t id_of(struct cgr_scan *s, unsigned column)
{
	int64_t value = cgr_scan_integer(s, column);

	if (cgr_scan_is_null(s, column) || value < 0 || value >= CGR_ID_NONE)
		return CGR_ID_NONE;
	return (uint32_t)value;
}

static int64_t time_of(struct cgr_scan *s, unsigned column)
{
	return cgr_scan_is_null(s, column) ? INT64_MAX : cgr_scan_integer(s, column);
}

/* Arrays are indexed by dense id: ids must come as 0, 1, 2, ... */
static int check_dense(const struct cgr_store *store, const struct cgr_scan *s, size_t index, const char *table,
                       struct cgr_error *reterr)
{
	return s->id == (int64_t)index ? 0 : damaged(store, reterr, table, s->id, "ids are not dense");
}

/* Room for element index of the array being loaded. */
#define ROOM(array) cgr_grow((void **)&store->array, &store->capacity, index + 1, sizeof(*store->array), reterr)

static int meta_row(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(meta));
	CGR_TRY(keep_text(store, s, 0, &store->meta[index].key, reterr));
	return keep_text(store, s, 1, &store->meta[index].value, reterr);
}

static int hierarchy_row(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(hierarchy));
	store->hierarchy[index].id = s->id < 0 || s->id >= CGR_ID_NONE ? CGR_ID_NONE : (uint32_t)s->id;
	CGR_TRY(keep_text(store, s, 2, &store->hierarchy[index].controllers, reterr));
	if (store->hierarchy[index].controllers == NULL)
		store->hierarchy[index].controllers = "";
	return 0;
}

static int cgroup_row(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_store_cgroup *c;

	CGR_TRY(ROOM(cgroup));
	CGR_TRY(check_dense(store, s, index, "cgroup", reterr));
	c = &store->cgroup[index];
	CGR_TRY(keep_text(store, s, 1, &c->path, reterr));
	CGR_TRY(keep_text(store, s, 2, &c->container, reterr));
	c->parent = id_of(s, 3);
	c->born_ns = cgr_scan_integer(s, 4);
	c->removed_ns = time_of(s, 5);
	c->released_ns = time_of(s, 6);
	c->has_memory = cgr_scan_integer(s, 7) != 0;
	c->has_cpu = cgr_scan_integer(s, 8) != 0;
	c->recorded = cgr_scan_integer(s, 9) != 0;
	if (c->path == NULL || c->path[0] != '/')
		return damaged(store, reterr, "cgroup", (int64_t)index, "no path");
	return 0;
}

static int task_row(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_store_task *t;

	CGR_TRY(ROOM(task));
	CGR_TRY(check_dense(store, s, index, "task", reterr));
	t = &store->task[index];
	t->tid = (int32_t)cgr_scan_integer(s, 1);
	t->tgid = (int32_t)cgr_scan_integer(s, 2);
	CGR_TRY(keep_text(store, s, 3, &t->comm, reterr));
	if (t->comm == NULL)
		t->comm = "";
	t->start_ns = cgr_scan_integer(s, 4);
	t->end_ns = time_of(s, 5);
	t->parent = id_of(s, 6);
	t->css_set = id_of(s, 7);
	t->prio = (int16_t)cgr_scan_integer(s, 8);
	t->policy = (int8_t)cgr_scan_integer(s, 9);
	t->kernel_thread = cgr_scan_integer(s, 10) != 0;
	t->oom_score_adj = (int16_t)cgr_scan_integer(s, 11);
	t->session = (int32_t)cgr_scan_integer(s, 13);
	return keep_text(store, s, 12, &t->cpus_allowed, reterr);
}

static int css_set_row(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr)
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

static int name_row(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(name));
	CGR_TRY(check_dense(store, s, index, "name", reterr));
	CGR_TRY(keep_text(store, s, 1, &store->name[index], reterr));
	return store->name[index] != NULL ? 0 : damaged(store, reterr, "name", (int64_t)index, "no text");
}

static int sample_row(struct cgr_store *store, struct cgr_scan *s, struct cgr_store_sample *sample, const char *table,
                      unsigned source, struct cgr_error *reterr)
{
	size_t length;
	const char *from = cgr_scan_text(s, source, &length);

	*sample = (struct cgr_store_sample){ .cgroup = id_of(s, 1),
		                                 .name = id_of(s, 2),
		                                 .t_ns = cgr_scan_integer(s, 3),
		                                 .value = cgr_scan_integer(s, 4),
		                                 .at_start = length == 5 && memcmp(from, "start", length) == 0 };
	if (sample->cgroup >= store->cgroups || sample->name >= store->names)
		return damaged(store, reterr, table, s->id, "names a cgroup or name that is not there");
	return 0;
}

static int knob_row(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(knob));
	CGR_TRY(sample_row(store, s, &store->knob[index], "knob", 7, reterr));
	store->knob[index].value2 = cgr_scan_integer(s, 5);
	return keep_text(store, s, 6, &store->knob[index].text, reterr);
}

static int counter_row(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(counter));
	return sample_row(store, s, &store->counter[index], "counter", 5, reterr);
}

static int file_row(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(file));
	CGR_TRY(check_dense(store, s, index, "file", reterr));
	store->file[index].dev = (uint64_t)cgr_scan_integer(s, 1);
	store->file[index].inode = (uint64_t)cgr_scan_integer(s, 2);
	return keep_text(store, s, 3, &store->file[index].path, reterr);
}

static int lost_row(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr)
{
	CGR_TRY(ROOM(lost));
	store->lost[index] = (struct cgr_store_lost){ (uint32_t)cgr_scan_integer(s, 0), cgr_scan_integer(s, 1),
		                                          cgr_scan_integer(s, 2), (uint64_t)cgr_scan_integer(s, 3) };
	return 0;
}

static int block_row(struct cgr_store *store, struct cgr_scan *s, size_t index, struct cgr_error *reterr)
{
	struct cgr_store_block *b;
	uint64_t bytes;

	CGR_TRY(ROOM(block));
	CGR_TRY(check_dense(store, s, index, "stream_block", reterr));
	b = &store->block[index];
	*b = (struct cgr_store_block){ .block = (int64_t)index,
		                           .first_id = (uint64_t)cgr_scan_integer(s, 1),
		                           .events = (uint64_t)cgr_scan_integer(s, 2),
		                           .first_ns = cgr_scan_integer(s, 3),
		                           .last_ns = cgr_scan_integer(s, 4),
		                           .kinds = (uint64_t)cgr_scan_integer(s, 5),
		                           .bytes = cgr_scan_integer(s, 6),
		                           .checksum = (uint64_t)cgr_scan_integer(s, 7) };
	b->data = cgr_scan_spill(s, 8, &bytes);
	if ((int64_t)bytes != b->bytes)
		return damaged(store, reterr, "stream_block", (int64_t)index, "not as long as it says");
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

/* By time, then by CPU. */
static int by_loss(const void *a, const void *b)
{
	const struct cgr_store_lost *x = a, *y = b;

	if (x->from_ns != y->from_ns)
		return x->from_ns < y->from_ns ? -1 : 1;
	if (x->cpu != y->cpu)
		return x->cpu < y->cpu ? -1 : 1;
	if (x->to_ns != y->to_ns)
		return x->to_ns < y->to_ns ? -1 : 1;
	return (x->events > y->events) - (x->events < y->events);
}

static int read_tables(struct cgr_store *store, struct cgr_scan *s, struct cgr_error *reterr)
{
	store->next_id = 1;
	CGR_TRY(each_row(store, s, "meta", ALL_COLUMNS, meta_row, 100000, &store->metas, reterr));
	CGR_TRY(each_row(store, s, "hierarchy", ALL_COLUMNS, hierarchy_row, 1u << 16, &store->hierarchies, reterr));
	CGR_TRY(each_row(store, s, "cgroup", ALL_COLUMNS, cgroup_row, CGR_LIMIT_CGROUPS, &store->cgroups, reterr));
	CGR_TRY(each_row(store, s, "css_set", ALL_COLUMNS, css_set_row, CGR_LIMIT_CSS_SETS, &store->css_sets, reterr));
	CGR_TRY(each_row(store, s, "task", ALL_COLUMNS, task_row, CGR_LIMIT_TASKS, &store->tasks, reterr));
	CGR_TRY(each_row(store, s, "name", ALL_COLUMNS, name_row, 1u << 20, &store->names, reterr));
	CGR_TRY(each_row(store, s, "knob", ALL_COLUMNS, knob_row, SIZE_MAX, &store->knobs, reterr));
	CGR_TRY(sort_samples(store, &store->knob, store->knobs, reterr));
	CGR_TRY(each_row(store, s, "counter", ALL_COLUMNS, counter_row, SIZE_MAX, &store->counters, reterr));
	CGR_TRY(sort_samples(store, &store->counter, store->counters, reterr));
	CGR_TRY(each_row(store, s, "file", ALL_COLUMNS, file_row, CGR_ID_NONE, &store->files, reterr));
	CGR_TRY(each_row(store, s, "lost", ALL_COLUMNS, lost_row, SIZE_MAX, &store->losts, reterr));
	if (store->losts > 1)
		qsort(store->lost, store->losts, sizeof(*store->lost), by_loss);
	return each_row(store, s, "stream_block", 8, block_row, SIZE_MAX, &store->blocks, reterr);
}

static int load_tables(struct cgr_store *store, struct cgr_error *reterr)
{
	struct cgr_scan scan;
	int rc;

	cgr_scan_init(&scan, &store->pages);
	rc = read_tables(store, &scan, reterr);
	cgr_scan_fini(&scan);
	return rc;
}

/* References that need all tables: parents, first css_sets. */
static int check_references(const struct cgr_store *store, struct cgr_error *reterr)
{
	if (store->cgroups == 0 || store->tasks == 0 || strcmp(store->cgroup[0].path, "/") != 0)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s: no root cgroup or idle task; import the recording again",
		                     store->path);
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
	uint32_t application = store->pages.application_id;
	int32_t version = (int32_t)store->pages.user_version;

	if (application == CGR_RESULTS_APPLICATION_ID)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s: this is a results store; give the event store made by `cgreplay import`",
		                     store->path);
	if (application != CGR_STORE_APPLICATION_ID)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s:68: a SQLite file, but not an event store; one is made by `cgreplay import`",
		                     store->path);
	if (version > CGR_STORE_SCHEMA_VERSION)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s:60: schema version %d is newer than %d, the newest this cgreplay knows; use a newer"
		                     " cgreplay, or import the recording again with this one",
		                     store->path, version, CGR_STORE_SCHEMA_VERSION);
	if (version < CGR_STORE_SCHEMA_VERSION)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s:60: schema version %d is older than %d; import the recording again", store->path,
		                     version, CGR_STORE_SCHEMA_VERSION);
	return 0;
}

int cgr_store_open(const char *path, struct cgr_store **ret_store, struct cgr_error *reterr)
{
	struct cgr_store *store = cgr_calloc(1, sizeof(*store));
	int rc;

	if (store == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	rc = cgr_dbfile_open(&store->pages, path, reterr);
	store->path = store->pages.path;
	if (rc == 0)
		rc = check_version(store, reterr);
	if (rc == 0)
		rc = cgr_store_check_schema(store, reterr);
	if (rc == 0)
		rc = load_tables(store, reterr);
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
	cgr_dbfile_close(&store->pages);
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
	free(store);
	return NULL;
}

int cgr_store_read_block(const struct cgr_store *store, const struct cgr_store_block *block, uint8_t **buffer,
                         size_t *capacity, struct cgr_error *reterr)
{
	CGR_TRY(cgr_grow((void **)buffer, capacity, (size_t)block->bytes, 1, reterr));
	CGR_TRY(cgr_spill_read(&store->pages, &block->data, *buffer, (size_t)block->bytes, reterr));
	if (cgr_pack_checksum(*buffer, (size_t)block->bytes) == block->checksum)
		return 0;
	return cgr_error_set(reterr, CGR_E_INPUT,
	                     "%s: stream_block %lld (events %llu to %llu): checksum differs; import the recording again",
	                     store->path, (long long)block->block, (unsigned long long)block->first_id,
	                     (unsigned long long)(block->first_id + block->events - 1));
}
