/* The definitions of a store's tables are exactly those this version makes: views or triggers under the names of our
 * tables could run anything in the hands of whoever opens the file with SQLite. */
#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "store/store_internal.h"

enum { SCHEMA_TYPE, SCHEMA_NAME, SCHEMA_TABLE, SCHEMA_ROOT, SCHEMA_SQL, SCHEMA_COLUMNS };

struct check {
	struct cgr_store *store;
	struct cgr_scan scan;
	bool *seen; /* per event table */
};

static bool is_text(struct cgr_scan *s, unsigned column, const char *text)
{
	size_t length;
	const char *found = cgr_scan_text(s, column, &length);

	return found != NULL && length == strlen(text) && memcmp(found, text, length) == 0;
}

static int check_sql(const struct check *c, struct cgr_scan *s, const char *name, const char *sql, uint32_t *ret_root,
                     struct cgr_error *reterr)
{
	int64_t root = cgr_scan_integer(s, SCHEMA_ROOT);

	if (!is_text(s, SCHEMA_SQL, sql) || root <= 0 || root > c->store->pages.pages)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s: table %s is not as this version makes it; import the recording again", c->store->path,
		                     name);
	*ret_root = (uint32_t)root;
	return 0;
}

static int check_event_table(const struct check *c, struct cgr_scan *s, unsigned t, struct cgr_error *reterr)
{
	char *ddl = cgr_event_table_ddl(&cgr_event_tables[t], NULL);
	uint32_t root;
	int rc = ddl == NULL ? cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", c->store->path)
	                     : check_sql(c, s, cgr_event_tables[t].name, ddl, &root, reterr);

	free(ddl);
	c->seen[t] = true;
	return rc;
}

/* A row of the schema that has the name of one of our tables. */
static int check_row(const struct check *c, struct cgr_scan *s, struct cgr_error *reterr)
{
	if (!is_text(s, SCHEMA_TYPE, "table"))
		return 0;
	for (unsigned i = 0; cgr_schema_tables[i].name != NULL; i++)
		if (is_text(s, SCHEMA_NAME, cgr_schema_tables[i].name) && strcmp(cgr_schema_tables[i].type, "table") == 0)
			return check_sql(c, s, cgr_schema_tables[i].name, cgr_schema_tables[i].sql, &c->store->root[i], reterr);
	for (unsigned t = 0; t < cgr_event_table_count; t++)
		if (is_text(s, SCHEMA_NAME, cgr_event_tables[t].name))
			return check_event_table(c, s, t, reterr);
	return 0;
}

static int missing(const struct check *c, const char *name, struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_INPUT, "%s: table %s is missing; import the recording again", c->store->path,
	                     name);
}

static int check_rows(struct check *c, struct cgr_error *reterr)
{
	int rc;

	CGR_TRY(cgr_scan_start(&c->scan, 1, false, reterr));
	while ((rc = cgr_scan_next(&c->scan, SCHEMA_COLUMNS, reterr)) == 1)
		CGR_TRY(check_row(c, &c->scan, reterr));
	CGR_TRY(rc);
	for (unsigned i = 0; cgr_schema_tables[i].name != NULL; i++)
		if (strcmp(cgr_schema_tables[i].type, "table") == 0 && c->store->root[i] == 0)
			return missing(c, cgr_schema_tables[i].name, reterr);
	for (unsigned t = 0; t < cgr_event_table_count; t++)
		if (!c->seen[t])
			return missing(c, cgr_event_tables[t].name, reterr);
	return 0;
}

int cgr_store_check_schema(struct cgr_store *store, struct cgr_error *reterr)
{
	struct check c = { .store = store, .seen = cgr_calloc(cgr_event_table_count, sizeof(*c.seen)) };
	int rc;

	if (c.seen == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", store->path);
	cgr_scan_init(&c.scan, &store->pages);
	rc = check_rows(&c, reterr);
	cgr_scan_fini(&c.scan);
	free(c.seen);
	return rc;
}

uint32_t cgr_store_root(const struct cgr_store *store, const char *table)
{
	for (unsigned i = 0; cgr_schema_tables[i].name != NULL; i++)
		if (strcmp(cgr_schema_tables[i].name, table) == 0)
			return store->root[i];
	return 0;
}
