/* Virtual tables over the packed stream: a scan decodes blocks as it goes, a bound on id or ts_ns starts it at the
 * right block. Derived scheduler columns need the whole scheduler history, so such a scan starts at the beginning. */
#include "store/stream_table.h"

#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "store/pack.h"
#include "store/sched.h"
#include "store/schema.h"
#include "store/store_internal.h"

#define SCHED_KINDS                                                                                                    \
	(1ull << CGR_EV_SWITCH | 1ull << CGR_EV_RUN_START | 1ull << CGR_EV_WAKING | 1ull << CGR_EV_WAKEUP |                \
	 1ull << CGR_EV_WAKEUP_NEW | 1ull << CGR_EV_LOST)

struct registration {
	const struct cgr_store *store;
	const struct cgr_event_table *table;
};
struct stream_table {
	sqlite3_vtab base;
	struct registration of;
	bool derived; /* has columns of sched.h */
};
struct stream_cursor {
	sqlite3_vtab_cursor base;
	struct cgr_unpacker *unpacker;
	struct cgr_sched *sched;
	struct cgr_sched_derived values;
	uint8_t *buffer;
	size_t capacity, block, count, at;
	const struct cgr_event *event;
	uint64_t id; /* of the event at hand */
	uint64_t id_from, id_to;
	int64_t ns_from, ns_to;
	bool loaded, end;
};

static bool is_derived(const struct cgr_event_table *table)
{
	for (unsigned c = 0; c < table->columns; c++) {
		if (table->column[c].value >= CGR_V_RUN)
			return true;
	}
	return false;
}

static int on_connect(sqlite3 *sqlite, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret_table,
                      char **ret_message)
{
	const struct registration *registration = aux;
	struct stream_table *table = sqlite3_malloc(sizeof(*table));
	char *ddl = cgr_event_table_ddl(registration->table, "x");
	int rc = SQLITE_NOMEM;

	(void)argc;
	(void)argv;
	(void)ret_message;
	if (table != NULL && ddl != NULL)
		rc = sqlite3_declare_vtab(sqlite, ddl);
	free(ddl);
	if (rc != SQLITE_OK) {
		sqlite3_free(table);
		return rc;
	}
	*table = (struct stream_table){ .of = *registration, .derived = is_derived(registration->table) };
	*ret_table = &table->base;
	return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *table)
{
	sqlite3_free(table);
	return SQLITE_OK;
}

/* Bounds that a scan uses; text of the plan: one letter per argument, column (i, t) and side (upper case: from). */
static int on_best_index(sqlite3_vtab *base, sqlite3_index_info *info)
{
	const struct stream_table *table = (const struct stream_table *)base;
	char plan[5] = { 0 };
	int used = 0;
	bool point = false;

	(void)table;
	for (int i = 0; i < info->nConstraint && used < 4; i++) {
		const struct sqlite3_index_constraint *c = &info->aConstraint[i];
		bool time = c->iColumn == 1, equal = c->op == SQLITE_INDEX_CONSTRAINT_EQ;
		bool from = c->op == SQLITE_INDEX_CONSTRAINT_GT || c->op == SQLITE_INDEX_CONSTRAINT_GE;
		bool to = c->op == SQLITE_INDEX_CONSTRAINT_LT || c->op == SQLITE_INDEX_CONSTRAINT_LE;

		if (!c->usable || c->iColumn > 1 || !(equal || from || to))
			continue;
		plan[used++] = equal ? (time ? 'x' : 'e') : from ? (time ? 'T' : 'I') : (time ? 't' : 'i');
		info->aConstraintUsage[i].argvIndex = used;
		point |= equal && !time;
	}
	info->idxStr = sqlite3_mprintf("%s", plan);
	info->needToFreeIdxStr = 1;
	info->estimatedCost = point ? 1e5 : used > 0 ? 1e6 : 1e8;
	info->estimatedRows = point ? 1 : used > 0 ? 100000 : 10000000;
	if (info->nOrderBy == 1 && info->aOrderBy[0].iColumn <= 1 && !info->aOrderBy[0].desc)
		info->orderByConsumed = 1;
	return info->idxStr == NULL ? SQLITE_NOMEM : SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **ret_cursor)
{
	struct stream_cursor *cursor = cgr_calloc(1, sizeof(*cursor));

	(void)table;
	if (cursor == NULL)
		return SQLITE_NOMEM;
	cursor->unpacker = cgr_unpacker_new();
	if (cursor->unpacker == NULL) {
		free(cursor);
		return SQLITE_NOMEM;
	}
	*ret_cursor = &cursor->base;
	return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *base)
{
	struct stream_cursor *cursor = (struct stream_cursor *)base;

	(void)cgr_unpacker_free(cursor->unpacker);
	(void)cgr_sched_free(cursor->sched);
	free(cursor->buffer);
	free(cursor);
	return SQLITE_OK;
}

static int tell(sqlite3_vtab *table, const struct cgr_error *error)
{
	char text[1000];

	cgr_error_format(error, text, sizeof(text));
	sqlite3_free(table->zErrMsg);
	table->zErrMsg = sqlite3_mprintf("%s", text);
	return SQLITE_ERROR;
}

/* The next block that can hold wanted events; 0 when there is none. All kinds are decoded: ids count every event. */
static int load_block(struct stream_cursor *c, const struct stream_table *table, struct cgr_error *reterr)
{
	const struct cgr_store *store = table->of.store;
	uint64_t kinds = table->of.table->kinds | (table->derived ? SCHED_KINDS : 0);

	for (; c->block < store->blocks; c->block++) {
		const struct cgr_store_block *b = &store->block[c->block];

		if (b->first_id > c->id_to || b->first_ns > c->ns_to)
			return 0;
		if ((b->kinds & kinds) == 0 ||
		    (!table->derived && (b->first_id + b->events <= c->id_from || b->last_ns < c->ns_from)))
			continue;
		CGR_TRY(cgr_store_read_block(store, b, &c->buffer, &c->capacity, reterr));
		CGR_TRY(cgr_unpacker_load(c->unpacker, c->buffer, (size_t)b->bytes, 0, reterr));
		c->id = b->first_id - 1;
		c->at = c->count = 0;
		c->block++;
		return 1;
	}
	return 0;
}

static int advance(struct stream_cursor *c, const struct stream_table *table, struct cgr_error *reterr)
{
	for (;;) {
		while (c->at < c->count) {
			const struct cgr_event *e = &c->event[c->at++];

			c->id++;
			if (c->sched != NULL)
				CGR_TRY(cgr_sched_event(c->sched, e, c->id, &c->values, reterr));
			if (c->id > c->id_to || (int64_t)e->ts_ns > c->ns_to)
				return 0;
			if ((table->of.table->kinds >> e->kind & 1) != 0 && c->id >= c->id_from && (int64_t)e->ts_ns >= c->ns_from)
				return 1;
		}
		int rc = c->loaded ? cgr_unpacker_next(c->unpacker, &c->event, &c->count, reterr) : 0;

		if (rc < 0)
			return rc;
		c->at = 0;
		if (rc == 1)
			continue;
		c->count = 0;
		c->loaded = false;
		rc = load_block(c, table, reterr);
		if (rc <= 0)
			return rc;
		c->loaded = true;
	}
}

static int on_next(sqlite3_vtab_cursor *base)
{
	struct stream_cursor *c = (struct stream_cursor *)base;
	struct cgr_error error = { 0 };
	int rc = advance(c, (const struct stream_table *)base->pVtab, &error);

	if (rc < 0)
		return tell(base->pVtab, &error);
	c->end = rc == 0;
	return SQLITE_OK;
}

static void apply_bound(struct stream_cursor *c, char what, int64_t value)
{
	if (what == 'I' || what == 'e')
		c->id_from = CGR_MAX(c->id_from, (uint64_t)CGR_MAX(value, 0));
	if (what == 'i' || what == 'e')
		c->id_to = CGR_MIN(c->id_to, (uint64_t)CGR_MAX(value, 0));
	if (what == 'T' || what == 'x')
		c->ns_from = CGR_MAX(c->ns_from, value);
	if (what == 't' || what == 'x')
		c->ns_to = CGR_MIN(c->ns_to, value);
}

static int on_filter(sqlite3_vtab_cursor *base, int number, const char *plan, int argc, sqlite3_value **argv)
{
	struct stream_cursor *c = (struct stream_cursor *)base;
	const struct stream_table *table = (const struct stream_table *)base->pVtab;

	(void)number;
	c->id_from = 0;
	c->id_to = UINT64_MAX;
	c->ns_from = INT64_MIN;
	c->ns_to = INT64_MAX;
	for (int i = 0; i < argc; i++) {
		/* SQLite checks every bound again, so a bound of another type is only not used here */
		if (sqlite3_value_type(argv[i]) == SQLITE_INTEGER)
			apply_bound(c, plan[i], sqlite3_value_int64(argv[i]));
	}
	c->block = 0;
	c->at = c->count = 0;
	c->loaded = c->end = false;
	c->sched = cgr_sched_free(c->sched);
	if (table->derived) {
		c->sched = cgr_sched_new();
		if (c->sched == NULL)
			return SQLITE_NOMEM;
	}
	return on_next(base);
}

static int on_eof(sqlite3_vtab_cursor *base)
{
	return ((const struct stream_cursor *)base)->end;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	const struct stream_cursor *c = (const struct stream_cursor *)base;
	const struct stream_table *table = (const struct stream_table *)base->pVtab;
	int64_t value;

	if (cgr_event_value(&table->of.table->column[column], &c->event[c->at - 1], c->id, &c->values, &value))
		sqlite3_result_int64(context, value);
	return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid)
{
	*ret_rowid = (sqlite3_int64)((const struct stream_cursor *)base)->id;
	return SQLITE_OK;
}

static const sqlite3_module module = { .iVersion = 1,
	                                   .xCreate = on_connect,
	                                   .xConnect = on_connect,
	                                   .xBestIndex = on_best_index,
	                                   .xDisconnect = on_disconnect,
	                                   .xDestroy = on_disconnect,
	                                   .xOpen = on_open,
	                                   .xClose = on_close,
	                                   .xFilter = on_filter,
	                                   .xNext = on_next,
	                                   .xEof = on_eof,
	                                   .xColumn = on_column,
	                                   .xRowid = on_rowid };

static int make_table(const struct cgr_db *db, const struct cgr_store *store, const struct cgr_event_table *table,
                      struct cgr_error *reterr)
{
	struct registration *registration = cgr_calloc(1, sizeof(*registration));
	char *name = cgr_printf("cgr_stream_%s", table->name);
	char *sql = cgr_printf("CREATE VIRTUAL TABLE temp.%s USING cgr_stream_%s", table->name, table->name);
	int rc = SQLITE_NOMEM;

	if (registration != NULL && name != NULL && sql != NULL) {
		*registration = (struct registration){ store, table };
		rc = sqlite3_create_module_v2(db->sqlite, name, &module, registration, free);
	} else {
		free(registration);
	}
	rc = rc != SQLITE_OK ? cgr_db_error(db, rc, "registering the stream", reterr) : cgr_db_exec(db, sql, reterr);
	free(name);
	free(sql);
	return rc;
}

int cgr_stream_tables_make(const struct cgr_db *db, const struct cgr_store *store, struct cgr_error *reterr)
{
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		if (!cgr_event_tables[t].keep_when_lean)
			CGR_TRY(make_table(db, store, &cgr_event_tables[t], reterr));
	}
	return 0;
}
