/* What a store holds besides events and is known only at the end of an import: ids, memberships, sums, facts. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "store/info_fields.h"
#include "store/writer_internal.h"

/* types as in cgr_db_insert */
static const struct {
	const char *types, *sql;
} small_sql[CGR_SMALL_COUNT] = {
	[CGR_SMALL_META] = { "tt", "INSERT OR REPLACE INTO meta VALUES(?,?)" },
	[CGR_SMALL_LOG] = { "ttit", "INSERT INTO import_log(severity,text,count,cost) VALUES(?,?,?,?)" },
	[CGR_SMALL_HIERARCHY] = { "iit", "INSERT OR REPLACE INTO hierarchy VALUES(?,?,?)" },
	[CGR_SMALL_DIR] = { "uiiiee", "INSERT INTO cgroup_dir VALUES(?,?,?,?,?,?)" },
	[CGR_SMALL_COMM] = { "uit", "INSERT INTO comm_history VALUES(?,?,?)" },
	[CGR_SMALL_NAME] = { "it", "INSERT INTO name VALUES(?,?)" },
	[CGR_SMALL_KNOB] = { "iuiiiitt", "INSERT INTO knob VALUES(?,?,?,?,?,?,?,?)" },
	[CGR_SMALL_FILE] = { "iiit", "INSERT INTO file VALUES(?,?,?,?)" },
	[CGR_SMALL_FILE_PATH] = { "it", "UPDATE file SET path=?2 WHERE id=?1" },
	[CGR_SMALL_LOST] = { "iiii", "INSERT INTO lost VALUES(?,?,?,?)" },
	[CGR_SMALL_FORMAT] = { "itt", "INSERT OR REPLACE INTO event_format VALUES(?,?,?)" },
	[CGR_SMALL_SOURCE] = { "tti", "INSERT INTO source_count VALUES(?,?,?)" },
};

static int write_small_row(struct cgr_writer *w, sqlite3_stmt *statement, const struct cgr_small_row *row,
                           struct cgr_error *reterr)
{
	const char *types = small_sql[row->table].types;
	unsigned number = 0, text = 0;
	int rc;

	for (int i = 0; types[i] != '\0'; i++) {
		int64_t value;

		(void)sqlite3_bind_null(statement, i + 1);
		if (types[i] == 't') {
			if (row->text[text] != NULL)
				(void)sqlite3_bind_text(statement, i + 1, row->text[text], -1, SQLITE_STATIC);
			text++;
			continue;
		}
		value = row->number[number++];
		if (!((types[i] == 'u' && value == CGR_ID_NONE) || (types[i] == 'e' && value == INT64_MAX)))
			(void)sqlite3_bind_int64(statement, i + 1, value);
	}
	rc = cgr_db_step(&w->db, statement, "writing a small table", reterr);
	(void)sqlite3_reset(statement);
	return rc < 0 ? rc : 0;
}

static int write_smalls(struct cgr_writer *w, struct cgr_error *reterr)
{
	sqlite3_stmt *statement[CGR_SMALL_COUNT] = { 0 };
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < CGR_SMALL_COUNT; i++)
		rc = cgr_db_prepare(&w->db, small_sql[i].sql, &statement[i], reterr);
	for (size_t i = 0; rc == 0 && i < w->smalls; i++)
		rc = write_small_row(w, statement[w->small[i].table], &w->small[i], reterr);
	for (unsigned i = 0; i < CGR_SMALL_COUNT; i++)
		(void)sqlite3_finalize(statement[i]);
	return rc;
}

static int write_time_index(struct cgr_writer *w, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc = cgr_db_prepare(&w->db, "INSERT INTO time_index VALUES(?,?)", &s, reterr);

	for (size_t i = 0; rc == 0 && i < w->times; i++)
		rc = cgr_db_insert(&w->db, s, reterr, "ii", w->time[i].ts_ns, (int64_t)w->time[i].id);
	(void)sqlite3_finalize(s);
	return rc;
}

static int write_cgroups(struct cgr_writer *w, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc = cgr_db_prepare(&w->db, "INSERT INTO cgroup VALUES(?,?,?,?,?,?,?,?,?,?)", &s, reterr);

	for (size_t i = 0; rc == 0 && i < w->cgroups; i++) {
		const struct cgr_store_cgroup *c = &w->cgroup[i];

		rc = cgr_db_insert(&w->db, s, reterr, "ittuieeiii", (int64_t)i, c->path, c->container, c->parent, c->born_ns,
		                   c->removed_ns, c->released_ns, (int64_t)c->has_memory, (int64_t)c->has_cpu,
		                   (int64_t)c->recorded);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

static int write_tasks(struct cgr_writer *w, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc = cgr_db_prepare(&w->db, "INSERT INTO task VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?)", &s, reterr);

	for (size_t i = 0; rc == 0 && i < w->tasks; i++) {
		const struct cgr_store_task *t = &w->task[i];

		rc = cgr_db_insert(&w->db, s, reterr, "iiitieuuiiiiti", (int64_t)i, (int64_t)t->tid, (int64_t)t->tgid, t->comm,
		                   t->start_ns, t->end_ns, t->parent, t->css_set, (int64_t)t->prio, (int64_t)t->policy,
		                   (int64_t)t->kernel_thread, (int64_t)t->oom_score_adj, t->cpus_allowed, (int64_t)t->session);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

static int write_css_sets(struct cgr_writer *w, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc = cgr_db_prepare(&w->db, "INSERT INTO css_set VALUES(?,?,?,?,?)", &s, reterr);

	for (size_t i = 0; rc == 0 && i < w->css_sets; i++)
		rc = cgr_db_insert(&w->db, s, reterr, "iuuuu", (int64_t)i, w->css_set[i].cpu_cgroup,
		                   w->css_set[i].memory_cgroup, w->css_set[i].cpuset_cgroup, w->css_set[i].default_cgroup);
	(void)sqlite3_finalize(s);
	if (rc == 0)
		rc = cgr_db_prepare(&w->db, "INSERT OR REPLACE INTO css_set_link VALUES(?,?,?)", &s, reterr);
	else
		return rc;
	for (size_t i = 0; rc == 0 && i < w->links; i++)
		rc = cgr_db_insert(&w->db, s, reterr, "iii", (int64_t)w->link[i].css_set, (int64_t)w->link[i].hierarchy,
		                   (int64_t)w->link[i].cgroup);
	(void)sqlite3_finalize(s);
	return rc;
}

static int by_task_and_time(const void *left, const void *right)
{
	const struct cgr_membership *a = left, *b = right;

	if (a->task != b->task)
		return a->task < b->task ? -1 : 1;
	if (a->from_ns != b->from_ns)
		return a->from_ns < b->from_ns ? -1 : 1;
	return a->order < b->order ? -1 : a->order > b->order;
}

/* A task that was only told with its first css_set has one membership too. */
static int add_first_memberships(struct cgr_writer *w, struct cgr_error *reterr)
{
	size_t told = w->memberships;
	bool *has = cgr_calloc(w->tasks, sizeof(*has));

	if (has == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", w->db.path);
	for (size_t i = 0; i < told; i++)
		has[w->membership[i].task] = true;
	for (size_t i = 0; i < w->tasks; i++) {
		const struct cgr_store_task *t = &w->task[i];
		int rc = 0;

		if (!has[i] && t->css_set < w->css_sets)
			rc = cgr_writer_add_membership(w, (uint32_t)i, t->start_ns, t->css_set,
			                               t->start_ns < 0 ? "snapshot" : "fork", reterr);
		if (rc < 0) {
			free(has);
			return rc;
		}
	}
	free(has);
	return 0;
}

static int write_memberships(struct cgr_writer *w, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(add_first_memberships(w, reterr));
	if (w->memberships > 0)
		qsort(w->membership, w->memberships, sizeof(*w->membership), by_task_and_time);
	rc = cgr_db_prepare(&w->db, "INSERT INTO membership VALUES(?,?,?,?,?)", &s, reterr);
	for (size_t i = 0; rc == 0 && i < w->memberships; i++) {
		const struct cgr_membership *m = &w->membership[i];
		bool more = i + 1 < w->memberships && m[1].task == m->task;
		int64_t to_ns = more ? m[1].from_ns : w->task[m->task].end_ns;

		if (more && m[1].from_ns == m->from_ns)
			continue; /* corrected at the same instant */
		rc = cgr_db_insert(&w->db, s, reterr, "uieut", m->task, m->from_ns, to_ns, m->css_set, m->how);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

static int write_sched_sums(struct cgr_writer *w, struct cgr_error *reterr)
{
	const struct cgr_sched_sum *sum;
	sqlite3_stmt *s;
	size_t count;
	int rc;

	CGR_TRY(cgr_sched_finish(w->sched, w->last_ns, reterr));
	sum = cgr_sched_borrow_sums(w->sched, &count);
	CGR_TRY(cgr_db_prepare(&w->db, "INSERT INTO task_sched VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)", &s, reterr));
	rc = 0;
	for (size_t i = 0; rc == 0 && i < count; i++, sum++) {
		uint32_t css_set = sum->css_set == CGR_ID_NONE ? w->task[sum->task].css_set : sum->css_set;

		rc = cgr_db_insert(&w->db, s, reterr, "uuuiiiiiiiiiiiiii", sum->task, css_set, sum->cpu, (int64_t)sum->run_ns,
		                   (int64_t)sum->open_run_ns, (int64_t)sum->stat_runtime_ns, (int64_t)sum->switches,
		                   (int64_t)sum->preemptions, (int64_t)sum->wakeups, (int64_t)sum->waits, (int64_t)sum->wait_ns,
		                   (int64_t)sum->max_wait_ns, (int64_t)sum->max_wait_at_ns, (int64_t)sum->wake_waits,
		                   (int64_t)sum->wake_wait_ns, (int64_t)sum->max_wake_wait_ns,
		                   (int64_t)sum->max_wake_wait_at_ns);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

/* The nearest cgroup upward, itself included, that had a quota; CGR_ID_NONE: none. */
static uint32_t quota_above(const struct cgr_writer *w, uint32_t cgroup)
{
	for (size_t steps = 0; cgroup < w->cgroups && steps < CGR_LIMIT_PATH; steps++) {
		for (size_t i = 0; i < w->quotas; i++) {
			if (w->quota[i] == cgroup)
				return cgroup;
		}
		cgroup = w->cgroup[cgroup].parent;
	}
	return CGR_ID_NONE;
}

/* What the kernel told; where it told nothing, waits through an idle CPU of tasks under a quota. */
static int write_throttle_spans(struct cgr_writer *w, struct cgr_error *reterr)
{
	size_t count;
	const struct cgr_sched_held *held = cgr_sched_borrow_held(w->sched, &count);
	sqlite3_stmt *s;
	int rc;

	CGR_TRY(cgr_db_prepare(&w->db, "INSERT INTO throttle_span VALUES(?,?,?,?,?,?)", &s, reterr));
	rc = 0;
	for (size_t i = 0; rc == 0 && i < w->tolds; i++)
		rc = cgr_db_insert(&w->db, s, reterr, "uuuiii", w->told[i].cgroup, CGR_ID_NONE, w->told[i].cpu,
		                   w->told[i].from_ns, CGR_MIN(w->told[i].to_ns, (int64_t)w->last_ns),
		                   (int64_t)w->told[i].inferred);
	for (size_t i = 0; rc == 0 && w->tolds == 0 && i < count; i++) {
		uint32_t set = held[i].css_set == CGR_ID_NONE ? w->task[held[i].task].css_set : held[i].css_set;
		uint32_t cgroup = set < w->css_sets ? quota_above(w, w->css_set[set].cpu_cgroup) : CGR_ID_NONE;

		if (cgroup != CGR_ID_NONE)
			rc = cgr_db_insert(&w->db, s, reterr, "uuuiii", cgroup, held[i].task, held[i].cpu, (int64_t)held[i].from_ns,
			                   (int64_t)held[i].to_ns, (int64_t)1);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

static int write_event_counts(struct cgr_writer *w, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc = cgr_db_prepare(&w->db, "INSERT INTO event_count VALUES(?,?,?,?)", &s, reterr);

	for (unsigned kind = 0; rc == 0 && kind < CGR_EV_COUNT; kind++) {
		for (unsigned cpu = 0; rc == 0 && cpu < w->cpus_seen; cpu++) {
			size_t at = (size_t)kind * CGR_LIMIT_CPUS + cpu;

			if (w->event_count[at] != 0)
				rc = cgr_db_insert(&w->db, s, reterr, "iiii", (int64_t)kind, (int64_t)cpu, (int64_t)w->event_count[at],
				                   (int64_t)w->inferred_count[at]);
		}
	}
	(void)sqlite3_finalize(s);
	return rc;
}

static int write_kinds(struct cgr_writer *w, struct cgr_error *reterr)
{
	static const struct {
		const char *a, *b, *c, *d;
	} meaning[] = {
#define CGR_EVENT(name, text, a, b, c, d) { a, b, c, d },
#include "common/events.def"
#undef CGR_EVENT
	};
	sqlite3_stmt *s;
	int rc = cgr_db_prepare(&w->db, "INSERT INTO event_kind VALUES(?,?,?,?,?,?,?)", &s, reterr);

	for (unsigned kind = 0; rc == 0 && kind < CGR_EV_COUNT; kind++)
		rc = cgr_db_insert(&w->db, s, reterr, "itttttt", (int64_t)kind, cgr_event_kind_name(kind),
		                   cgr_event_tables[cgr_event_table_of(kind)].name, meaning[kind].a, meaning[kind].b,
		                   meaning[kind].c, meaning[kind].d);
	(void)sqlite3_finalize(s);
	return rc;
}

static const char *timer_function_name(unsigned id)
{
	static const char *const name[] = { "other",     "hrtimer_wakeup", "tick",    "cfs_period",
		                                "cfs_slack", "posix",          "timerfd", "itimer" };

	return id < CGR_ARRAY_SIZE(name) ? name[id] : "other";
}

static int write_names(struct cgr_writer *w, const char *table, unsigned count, const char *(*name)(unsigned),
                       struct cgr_error *reterr)
{
	char sql[64];
	sqlite3_stmt *s;
	int rc;

	(void)snprintf(sql, sizeof(sql), "INSERT INTO %s VALUES(?,?)", table);
	rc = cgr_db_prepare(&w->db, sql, &s, reterr);
	for (unsigned i = 0; rc == 0 && i < count; i++)
		rc = cgr_db_insert(&w->db, s, reterr, "it", (int64_t)i, name(i));
	(void)sqlite3_finalize(s);
	return rc;
}

static int put_meta(struct cgr_writer *w, sqlite3_stmt *s, const char *key, int64_t number, struct cgr_error *reterr)
{
	char text[32];

	(void)snprintf(text, sizeof(text), "%" PRId64, number);
	return cgr_db_insert(&w->db, s, reterr, "tt", key, text);
}

static void complete_info(struct cgr_writer *w)
{
	const uint64_t memcg = 1ull << CGR_EV_CHARGE | 1ull << CGR_EV_UNCHARGE | 1ull << CGR_EV_MEM_STAT;
	const uint64_t cache = 1ull << CGR_EV_CACHE_ADD | 1ull << CGR_EV_CACHE_READ | 1ull << CGR_EV_CACHE_DELETE;
	struct cgr_store_info *info = &w->info;

	info->events = w->next_id - 1;
	info->lost_events = CGR_MAX(info->lost_events, w->lost_events);
	info->cpus = CGR_MAX(info->cpus, w->cpus_seen);
	info->duration_ns = CGR_MAX(info->duration_ns, (int64_t)w->last_ns);
	info->has_memcg_events |= (w->kinds_seen & memcg) != 0;
	info->has_page_cache |= (w->kinds_seen & cache) != 0;
	info->has_sched |= (w->kinds_seen >> CGR_EV_SWITCH & 1) != 0;
}

static int write_info(struct cgr_writer *w, struct cgr_error *reterr)
{
	const struct cgr_store_info *info = &w->info;
	sqlite3_stmt *s;
	int rc = cgr_db_prepare(&w->db, "INSERT OR REPLACE INTO meta VALUES(?,?)", &s, reterr);

	/* what the kernel wrote, as trace-cmd counts it; the stream also holds what import inferred */
	if (rc == 0 && info->events > 0)
		rc = put_meta(w, s, "recorded_events", (int64_t)info->events, reterr);
	complete_info(w);
	if (rc == 0)
		rc = put_meta(w, s, "schema_version", CGR_STORE_SCHEMA_VERSION, reterr);
	if (rc == 0)
		rc = put_meta(w, s, "lean", (w->flags & CGR_WRITER_LEAN) != 0, reterr);
#define CGR_X(member)                                                                                                  \
	if (rc == 0 && info->member != NULL)                                                                               \
		rc = cgr_db_insert(&w->db, s, reterr, "tt", #member, info->member);
	CGR_INFO_TEXTS(CGR_X)
#undef CGR_X
#define CGR_X(member)                                                                                                  \
	if (rc == 0)                                                                                                       \
		rc = put_meta(w, s, #member, (int64_t)info->member, reterr);
	CGR_INFO_NUMBERS(CGR_X)
#undef CGR_X
	(void)sqlite3_finalize(s);
	return rc;
}

static int create_rest(struct cgr_writer *w, struct cgr_error *reterr)
{
	char pragma[96];

	for (const struct cgr_schema_object *o = cgr_schema_tables; o->name != NULL; o++) {
		if (strcmp(o->type, "table") != 0)
			CGR_TRY(cgr_db_exec(&w->db, o->sql, reterr));
	}
	for (size_t i = 0; i < cgr_schema_view_count(); i++) {
		char *sql = cgr_schema_view_sql(i);
		int rc = sql == NULL ? cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", w->db.path)
		                     : cgr_db_exec(&w->db, sql, reterr);

		free(sql);
		CGR_TRY(rc);
	}
	(void)snprintf(pragma, sizeof(pragma), "PRAGMA application_id=%d; PRAGMA user_version=%d", CGR_STORE_APPLICATION_ID,
	               CGR_STORE_SCHEMA_VERSION);
	return cgr_db_exec(&w->db, pragma, reterr);
}

/* What `info --check` compares: of every table that is not made of the packed stream, and of the definitions. */
static int write_digests(struct cgr_writer *w, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc = cgr_db_prepare(&w->db, "INSERT INTO table_digest VALUES(?,?,?)", &s, reterr);

	for (unsigned i = 0; rc == 0 && cgr_schema_digested(i) != NULL; i++) {
		const char *name = cgr_schema_digested(i);
		struct cgr_digest digest;

		if (strcmp(name, "counter") == 0)
			digest = w->counter_digest;
		else if (strcmp(name, "event_fields") == 0)
			digest = w->fields_digest;
		else
			rc = cgr_digest_table(&w->db, name, &digest, reterr);
		if (rc == 0)
			rc = cgr_db_insert(&w->db, s, reterr, "tii", name, (int64_t)digest.rows, (int64_t)digest.hash);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

int cgr_writer_write_end(struct cgr_writer *w, struct cgr_error *reterr)
{
	CGR_TRY(write_smalls(w, reterr));
	CGR_TRY(write_time_index(w, reterr));
	CGR_TRY(write_cgroups(w, reterr));
	CGR_TRY(write_tasks(w, reterr));
	CGR_TRY(write_css_sets(w, reterr));
	CGR_TRY(write_memberships(w, reterr));
	CGR_TRY(write_sched_sums(w, reterr));
	CGR_TRY(write_throttle_spans(w, reterr));
	CGR_TRY(write_event_counts(w, reterr));
	CGR_TRY(write_kinds(w, reterr));
	CGR_TRY(write_names(w, "charge_kind", CGR_CHARGE_KIND_COUNT, cgr_charge_kind_name, reterr));
	CGR_TRY(write_names(w, "mem_item", CGR_ITEM_COUNT, cgr_mem_item_name, reterr));
	CGR_TRY(write_names(w, "timer_function", CGR_TIMER_ITIMER + 1, timer_function_name, reterr));
	CGR_TRY(write_info(w, reterr));
	CGR_TRY(create_rest(w, reterr));
	return write_digests(w, reterr);
}
