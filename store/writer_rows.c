/* Rows of one block: scheduler derivation, event tables, time index, the packed bytes, and the small rows told
 * meanwhile. Runs on the row thread. */
#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
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
	[CGR_SMALL_COUNTER] = { "uiiit", "INSERT INTO counter(cgroup,name,t_ns,value,source) VALUES(?,?,?,?,?)" },
	[CGR_SMALL_FILE] = { "iiit", "INSERT INTO file VALUES(?,?,?,?)" },
	[CGR_SMALL_FILE_PATH] = { "it", "UPDATE file SET path=?2 WHERE id=?1" },
	[CGR_SMALL_LOST] = { "iiii", "INSERT INTO lost VALUES(?,?,?,?)" },
	[CGR_SMALL_FORMAT] = { "itt", "INSERT OR REPLACE INTO event_format VALUES(?,?,?)" },
	[CGR_SMALL_SOURCE] = { "tti", "INSERT INTO source_count VALUES(?,?,?)" },
};

static int prepare_rows(struct cgr_writer *w, struct cgr_error *reterr)
{
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		const struct cgr_event_table *table = &cgr_event_tables[t];
		char *sql;
		int rc;

		if ((w->flags & CGR_WRITER_LEAN) != 0 && !table->keep_when_lean)
			continue;
		sql = cgr_printf("INSERT INTO %s SELECT * FROM cgr_source_%s", table->name, table->name);
		if (sql == NULL)
			return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", w->db.path);
		rc = cgr_db_prepare(&w->db, sql, &w->row_statement[t], reterr);
		free(sql);
		CGR_TRY(rc);
	}
	return 0;
}

int cgr_writer_prepare(struct cgr_writer *w, struct cgr_error *reterr)
{
	for (unsigned i = 0; i < CGR_SMALL_COUNT; i++)
		CGR_TRY(cgr_db_prepare(&w->db, small_sql[i].sql, &w->small_statement[i], reterr));
	CGR_TRY(cgr_db_prepare(&w->db, "INSERT INTO stream_block VALUES(?,?,?,?,?,?,?,?,?)", &w->block_statement, reterr));
	CGR_TRY(cgr_db_prepare(&w->db, "INSERT INTO time_index VALUES(?,?)", &w->time_statement, reterr));
	return prepare_rows(w, reterr);
}

void cgr_writer_finalize(struct cgr_writer *w)
{
	for (unsigned i = 0; i < CGR_SMALL_COUNT; i++)
		(void)sqlite3_finalize(w->small_statement[i]);
	for (unsigned t = 0; w->row_statement != NULL && t < cgr_event_table_count; t++)
		(void)sqlite3_finalize(w->row_statement[t]);
	(void)sqlite3_finalize(w->block_statement);
	(void)sqlite3_finalize(w->time_statement);
	memset(w->small_statement, 0, sizeof(w->small_statement));
	free(w->row_statement);
	w->row_statement = NULL;
	w->block_statement = w->time_statement = NULL;
}

static int write_small_row(struct cgr_writer *w, const struct cgr_small_row *row, struct cgr_error *reterr)
{
	sqlite3_stmt *statement = w->small_statement[row->table];
	const char *types = small_sql[row->table].types;
	unsigned number = 0, text = 0;
	int rc;

	for (int i = 0; types[i] != '\0'; i++) {
		int64_t value = types[i] == 't' ? 0 : row->number[number];

		if (types[i] == 't') {
			if (row->text[text] == NULL)
				(void)sqlite3_bind_null(statement, i + 1);
			else
				(void)sqlite3_bind_text(statement, i + 1, row->text[text], -1, SQLITE_STATIC);
			text++;
			continue;
		}
		number++;
		if ((types[i] == 'u' && value == CGR_ID_NONE) || (types[i] == 'e' && value == INT64_MAX))
			(void)sqlite3_bind_null(statement, i + 1);
		else
			(void)sqlite3_bind_int64(statement, i + 1, value);
	}
	rc = cgr_db_step(&w->db, statement, "writing a small table", reterr);
	(void)sqlite3_reset(statement);
	return rc < 0 ? rc : 0;
}

int cgr_writer_write_small(struct cgr_writer *w, struct cgr_error *reterr)
{
	struct cgr_small_row *rows;
	size_t count;
	int rc = 0;

	(void)pthread_mutex_lock(&w->lock);
	rows = w->small;
	count = w->smalls;
	w->small = NULL;
	w->smalls = w->smalls_capacity = 0;
	(void)pthread_mutex_unlock(&w->lock);
	for (size_t i = 0; i < count; i++) {
		if (rc == 0)
			rc = write_small_row(w, &rows[i], reterr);
		for (size_t t = 0; t < CGR_ARRAY_SIZE(rows[i].text); t++)
			free(rows[i].text[t]);
	}
	free(rows);
	return rc;
}

/* Memberships that came with the block join those still in the future, by time; equal times keep their order. */
static int take_attaches(struct cgr_writer *w, struct cgr_write_block *block, struct cgr_error *reterr)
{
	struct cgr_attach_list *pending = &w->pending;

	for (size_t i = 0; i < block->attach.count; i++) {
		size_t at = pending->count;

		CGR_TRY(
		    cgr_grow((void **)&pending->item, &pending->capacity, pending->count + 1, sizeof(*pending->item), reterr));
		while (at > 0 && pending->item[at - 1].from_ns > block->attach.item[i].from_ns) {
			pending->item[at] = pending->item[at - 1];
			at--;
		}
		pending->item[at] = block->attach.item[i];
		pending->count++;
	}
	block->attach.count = 0;
	return 0;
}

static int derive(struct cgr_writer *w, const struct cgr_write_block *block, struct cgr_error *reterr)
{
	size_t applied = 0;

	for (size_t i = 0; i < block->count; i++) {
		const struct cgr_event *e = &block->event[i];
		size_t counter = (size_t)e->kind * CGR_LIMIT_CPUS + e->cpu;

		for (; applied < w->pending.count && w->pending.item[applied].from_ns <= (int64_t)e->ts_ns; applied++)
			CGR_TRY(
			    cgr_sched_attach(w->sched, w->pending.item[applied].task, w->pending.item[applied].css_set, reterr));
		CGR_TRY(cgr_sched_event(w->sched, e, block->first_id + i, &w->derived[i], reterr));
		w->event_count[counter]++;
		w->inferred_count[counter] += (e->flags & CGR_EVF_INFERRED) != 0;
		w->kinds_seen |= 1ull << e->kind;
		w->cpus_seen = CGR_MAX(w->cpus_seen, e->cpu + 1u);
	}
	w->pending.count -= applied;
	if (w->pending.count > 0)
		memmove(w->pending.item, w->pending.item + applied, w->pending.count * sizeof(*w->pending.item));
	return 0;
}

static void group_by_table(struct cgr_writer *w, const struct cgr_write_block *block)
{
	uint8_t table_of[CGR_EV_COUNT];
	uint32_t *first = w->source.first;
	uint32_t next[64];

	for (unsigned kind = 0; kind < CGR_EV_COUNT; kind++)
		table_of[kind] = (uint8_t)cgr_event_table_of(kind);
	memset(first, 0, (cgr_event_table_count + 1) * sizeof(*first));
	for (size_t i = 0; i < block->count; i++)
		first[table_of[block->event[i].kind] + 1]++;
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		first[t + 1] += first[t];
		next[t] = first[t];
	}
	for (size_t i = 0; i < block->count; i++)
		w->source.index[next[table_of[block->event[i].kind]]++] = (uint32_t)i;
	w->source.event = block->event;
	w->source.derived = w->derived;
	w->source.first_id = block->first_id;
}

static int write_rows(struct cgr_writer *w, struct cgr_error *reterr)
{
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		int rc;

		if (w->row_statement[t] == NULL || w->source.first[t] == w->source.first[t + 1])
			continue;
		rc = cgr_db_step(&w->db, w->row_statement[t], "writing rows", reterr);
		(void)sqlite3_reset(w->row_statement[t]);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int write_packed(struct cgr_writer *w, const struct cgr_write_block *block, struct cgr_error *reterr)
{
	sqlite3_stmt *s = w->block_statement;
	uint64_t kinds = 0;
	int rc;

	for (size_t i = 0; i < block->count; i++) {
		const struct cgr_event *e = &block->event[i];

		kinds |= 1ull << e->kind;
		if ((block->first_id + i - 1) % CGR_TIME_INDEX_STEP == 0)
			CGR_TRY(cgr_db_insert(&w->db, w->time_statement, reterr, "ii", (int64_t)e->ts_ns,
			                      (int64_t)(block->first_id + i)));
	}
	(void)sqlite3_bind_int64(s, 1, w->blocks++);
	(void)sqlite3_bind_int64(s, 2, (int64_t)block->first_id);
	(void)sqlite3_bind_int64(s, 3, (int64_t)block->count);
	(void)sqlite3_bind_int64(s, 4, (int64_t)block->event[0].ts_ns);
	(void)sqlite3_bind_int64(s, 5, (int64_t)block->event[block->count - 1].ts_ns);
	(void)sqlite3_bind_int64(s, 6, (int64_t)kinds);
	(void)sqlite3_bind_int64(s, 7, (int64_t)block->packed_size);
	(void)sqlite3_bind_int64(s, 8, (int64_t)cgr_pack_checksum(block->packed, block->packed_size));
	(void)sqlite3_bind_blob(s, 9, block->packed, (int)block->packed_size, SQLITE_STATIC);
	rc = cgr_db_step(&w->db, s, "writing packed events", reterr);
	(void)sqlite3_reset(s);
	return rc < 0 ? rc : 0;
}

int cgr_writer_write_block(struct cgr_writer *w, struct cgr_write_block *block, struct cgr_error *reterr)
{
	CGR_TRY(cgr_writer_write_small(w, reterr));
	CGR_TRY(take_attaches(w, block, reterr));
	CGR_TRY(derive(w, block, reterr));
	group_by_table(w, block);
	CGR_TRY(write_rows(w, reterr));
	return write_packed(w, block, reterr);
}
