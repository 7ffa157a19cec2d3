/* The block at hand as virtual tables, one per event table: INSERT INTO t SELECT * FROM cgr_source_t moves rows
 * into SQLite three times as fast as binding and stepping a prepared INSERT for each. */
#include <stdlib.h>
#include <string.h>

#include "store/writer_internal.h"

struct source_table {
	sqlite3_vtab base;
	const struct cgr_source *source;
	const struct cgr_event_table *table;
	unsigned number;
};
struct source_cursor {
	sqlite3_vtab_cursor base;
	uint32_t at, end;
};
struct registration {
	struct cgr_source *source;
	unsigned number;
};

static int on_connect(sqlite3 *sqlite, void *aux, int argc, const char *const *argv, sqlite3_vtab **ret_table,
                      char **ret_message)
{
	const struct registration *registration = aux;
	const struct cgr_event_table *event_table = &cgr_event_tables[registration->number];
	struct source_table *table = sqlite3_malloc(sizeof(*table));
	char *ddl = cgr_event_table_ddl(event_table, "x");
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
	*table =
	    (struct source_table){ .source = registration->source, .table = event_table, .number = registration->number };
	*ret_table = &table->base;
	return SQLITE_OK;
}

static int on_disconnect(sqlite3_vtab *table)
{
	sqlite3_free(table);
	return SQLITE_OK;
}

static int on_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
	(void)table;
	info->estimatedCost = (double)CGR_PACK_EVENTS;
	info->estimatedRows = CGR_PACK_EVENTS;
	return SQLITE_OK;
}

static int on_open(sqlite3_vtab *table, sqlite3_vtab_cursor **ret_cursor)
{
	struct source_cursor *cursor = sqlite3_malloc(sizeof(*cursor));

	(void)table;
	if (cursor == NULL)
		return SQLITE_NOMEM;
	*cursor = (struct source_cursor){ 0 };
	*ret_cursor = &cursor->base;
	return SQLITE_OK;
}

static int on_close(sqlite3_vtab_cursor *cursor)
{
	sqlite3_free(cursor);
	return SQLITE_OK;
}

static int on_filter(sqlite3_vtab_cursor *base, int number, const char *text, int argc, sqlite3_value **argv)
{
	struct source_cursor *cursor = (struct source_cursor *)base;
	const struct source_table *table = (const struct source_table *)base->pVtab;

	(void)number;
	(void)text;
	(void)argc;
	(void)argv;
	cursor->at = table->source->first[table->number];
	cursor->end = table->source->first[table->number + 1];
	return SQLITE_OK;
}

static int on_next(sqlite3_vtab_cursor *base)
{
	((struct source_cursor *)base)->at++;
	return SQLITE_OK;
}

static int on_eof(sqlite3_vtab_cursor *base)
{
	const struct source_cursor *cursor = (const struct source_cursor *)base;

	return cursor->at >= cursor->end;
}

static int on_column(sqlite3_vtab_cursor *base, sqlite3_context *context, int column)
{
	const struct source_cursor *cursor = (const struct source_cursor *)base;
	const struct source_table *table = (const struct source_table *)base->pVtab;
	uint32_t i = table->source->index[cursor->at];
	int64_t value;

	if (cgr_event_value(&table->table->column[column], &table->source->event[i], table->source->first_id + i,
	                    &table->source->derived[i], &value))
		sqlite3_result_int64(context, value);
	return SQLITE_OK;
}

static int on_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *ret_rowid)
{
	const struct source_cursor *cursor = (const struct source_cursor *)base;
	const struct source_table *table = (const struct source_table *)base->pVtab;

	*ret_rowid = (sqlite3_int64)(table->source->first_id + table->source->index[cursor->at]);
	return SQLITE_OK;
}

static const sqlite3_module module = { .iVersion = 1,
	                                   .xConnect = on_connect,
	                                   .xBestIndex = on_best_index,
	                                   .xDisconnect = on_disconnect,
	                                   .xOpen = on_open,
	                                   .xClose = on_close,
	                                   .xFilter = on_filter,
	                                   .xNext = on_next,
	                                   .xEof = on_eof,
	                                   .xColumn = on_column,
	                                   .xRowid = on_rowid };

int cgr_source_register(struct cgr_writer *writer, struct cgr_error *reterr)
{
	for (unsigned t = 0; t < cgr_event_table_count; t++) {
		struct registration *registration = cgr_calloc(1, sizeof(*registration));
		char *name = cgr_printf("cgr_source_%s", cgr_event_tables[t].name);
		int rc = SQLITE_NOMEM;

		if (registration != NULL && name != NULL) {
			*registration = (struct registration){ &writer->source, t };
			rc = sqlite3_create_module_v2(writer->db.sqlite, name, &module, registration, free);
		} else {
			free(registration);
		}
		free(name);
		if (rc != SQLITE_OK)
			return cgr_db_error(&writer->db, rc, "registering a row source", reterr);
	}
	return 0;
}
