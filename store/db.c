#include "store/db.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/event.h"
#include "common/util.h"

static char *uri_of(const char *path, bool immutable)
{
	struct cgr_strbuf buf = { 0 };

	cgr_strbuf_printf(&buf, "file:");
	for (const char *p = path; *p != '\0'; p++) {
		if (strchr("%?#", *p) != NULL)
			cgr_strbuf_printf(&buf, "%%%02X", (unsigned char)*p);
		else
			cgr_strbuf_append(&buf, p, 1);
	}
	cgr_strbuf_printf(&buf, "?immutable=%d", immutable);
	if (buf.failed) {
		cgr_strbuf_fini(&buf);
		return NULL;
	}
	return buf.text;
}

/* A store is a file of whole pages that starts with SQLite's magic; say which of the usual mistakes it is. */
static int check_file(const char *path, struct cgr_error *reterr)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return cgr_error_errno(reterr, CGR_E_INPUT, "%s: cannot open", path);
	if (S_ISDIR(st.st_mode))
		return cgr_error_set(reterr, CGR_E_INPUT, "%s: is a folder, not a store", path);
	if (!S_ISREG(st.st_mode))
		return cgr_error_set(reterr, CGR_E_INPUT, "%s: is not a regular file", path);
	if (st.st_size == 0)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s:0: the file is empty", path);
	if (access(path, R_OK) < 0)
		return cgr_error_errno(reterr, CGR_E_INPUT, "%s: cannot read", path);
	return 0;
}

static int check_magic(const char *path, struct cgr_error *reterr)
{
	char head[100] = { 0 };
	FILE *file = fopen(path, "rbe");
	size_t got;

	if (file == NULL)
		return cgr_error_errno(reterr, CGR_E_INPUT, "%s: cannot open", path);
	got = fread(head, 1, sizeof(head), file);
	(void)fclose(file);
	if (got >= 10 && memcmp(head, "\x17\x08\x44tracing", 10) == 0)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s: this is a trace file, not a store; import it first: cgreplay import %s -o web.db",
		                     path, path);
	if (got >= 8 && (memcmp(head, "PERFILE2", 8) == 0 || memcmp(head, "2ELIFREP", 8) == 0))
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s: this is a perf.data file, not a store; import it first: cgreplay import %s -o web.db",
		                     path, path);
	if (got < sizeof(head) || memcmp(head, "SQLite format 3", 16) != 0)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s:0: not a SQLite file; a store is made by `cgreplay import`",
		                     path);
	return 0;
}

#define HEAD_BYTES 100

static uint64_t big_endian(const uint8_t *at, unsigned bytes)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < bytes; i++)
		value = value << 8 | at[i];
	return value;
}

/* CGR_E_INPUT "path:bytes: ..." where the head promises more than the `bytes` the file has. Page size and count stand
 * at 16 and 28; the count holds when the counters at 24 and 92 agree (SQLite's file format, 1.3). Not for a file
 * somebody writes to: its head may be ahead. */
static int check_length(const char *path, const uint8_t head[HEAD_BYTES], uint64_t bytes, struct cgr_error *reterr)
{
	uint64_t page_bytes = big_endian(head + 16, 2), whole;

	if (memcmp(head + 24, head + 92, 4) != 0)
		return 0; /* the count was left by a program that did not keep it */
	whole = (page_bytes == 1 ? 65536 : page_bytes) * big_endian(head + 28, 4);
	if (whole <= bytes)
		return 0;
	return cgr_error_set(reterr, CGR_E_INPUT,
	                     "%s:%llu: the file ends here, of %llu bytes it should have: truncated; make it again", path,
	                     (unsigned long long)bytes, (unsigned long long)whole);
}

static int check_whole(const char *path, struct cgr_error *reterr)
{
	uint8_t head[HEAD_BYTES];
	FILE *file = fopen(path, "rbe");
	struct stat st;
	int rc = 0;

	if (file == NULL)
		return 0;
	if (fstat(fileno(file), &st) == 0 && fread(head, 1, sizeof(head), file) == sizeof(head))
		rc = check_length(path, head, (uint64_t)st.st_size, reterr);
	(void)fclose(file);
	return rc;
}

static int unfinished(const char *path, struct cgr_error *reterr)
{
	return cgr_error_set(
	    reterr, CGR_E_INPUT,
	    "%s: a change to it is unfinished (its -journal or -wal beside it); open it once with sqlite3, "
	    "or import the recording again",
	    path);
}

/* Whether `path`, `suffix` added, holds anything but a journal whose head was overwritten with zeros: how SQLite ends a
 * transaction where the journal is kept (journal_mode PERSIST). */
static int holds_changes(const char *path, const char *suffix, bool *ret_holds, struct cgr_error *reterr)
{
	char *name = cgr_printf("%s%s", path, suffix);
	FILE *file = name == NULL ? NULL : fopen(name, "rbe");

	if (name == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	free(name);
	if (file == NULL)
		return 0;
	int first = fgetc(file);
	(void)fclose(file);
	*ret_holds |= first != EOF && first != 0;
	return 0;
}

/* Opened as immutable a file is read as it stands, half a transaction with it that SQLite would roll back or add. */
static int check_finished(const char *path, struct cgr_error *reterr)
{
	char *place = realpath(path, NULL); /* SQLite's journals stand beside the file, not beside a link to it */
	bool holds = false;
	int rc;

	if (place == NULL)
		return cgr_error_errno(reterr, CGR_E_INPUT, "%s: cannot open", path);
	rc = holds_changes(place, "-journal", &holds, reterr);
	if (rc == 0)
		rc = holds_changes(place, "-wal", &holds, reterr);
	free(place);
	return rc < 0 || !holds ? rc : unfinished(path, reterr);
}

static int harden(struct cgr_db *db, struct cgr_error *reterr)
{
	sqlite3 *s = db->sqlite;

	(void)sqlite3_db_config(s, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(s, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(s, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	(void)sqlite3_db_config(s, SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0, NULL);
	(void)sqlite3_limit(s, SQLITE_LIMIT_LENGTH, 256 << 20);
	return cgr_db_exec(db, "PRAGMA cell_size_check=ON; PRAGMA mmap_size=0; PRAGMA query_only=ON;", reterr);
}

int cgr_db_open_readonly(struct cgr_db *db, const char *path, bool immutable, struct cgr_error *reterr)
{
	char *uri;
	int rc;

	*db = (struct cgr_db){ 0 };
	CGR_TRY(check_file(path, reterr));
	CGR_TRY(check_magic(path, reterr));
	if (immutable) { /* while somebody writes to it the head may be ahead of the file */
		CGR_TRY(check_finished(path, reterr));
		CGR_TRY(check_whole(path, reterr));
	}
	uri = uri_of(path, immutable);
	db->path = cgr_strdup(path);
	if (uri == NULL || db->path == NULL) {
		free(uri);
		cgr_db_close(db);
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	}
	/* threads that share a store take its own lock: a mutex around every column of every row cost a tenth of opening it
	 */
	rc = sqlite3_open_v2(uri, &db->sqlite, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX, NULL);
	free(uri);
	if (rc != SQLITE_OK)
		rc = cgr_db_error(db, rc, "opening it", reterr);
	else
		rc = harden(db, reterr);
	if (rc < 0)
		cgr_db_close(db);
	return rc;
}

int cgr_db_open_writable(struct cgr_db *db, const char *file, const char *path, struct cgr_error *reterr)
{
	int rc;

	*db = (struct cgr_db){ .path = cgr_strdup(path) };
	if (db->path == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	rc = sqlite3_open_v2(file, &db->sqlite, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_FULLMUTEX, NULL);
	if (rc != SQLITE_OK) {
		rc = cgr_db_error(db, rc, "opening it for writing", reterr);
		cgr_db_close(db);
		return rc;
	}
	(void)sqlite3_db_config(db->sqlite, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	return 0;
}

void cgr_db_close(struct cgr_db *db)
{
	(void)sqlite3_close_v2(db->sqlite);
	free(db->path);
	*db = (struct cgr_db){ 0 };
}

int cgr_db_error(const struct cgr_db *db, int sqlite_rc, const char *doing, struct cgr_error *reterr)
{
	const char *text = db->sqlite == NULL ? sqlite3_errstr(sqlite_rc) : sqlite3_errmsg(db->sqlite);

	switch (sqlite_rc & 0xff) {
	case SQLITE_NOMEM:
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: %s: out of memory", db->path, doing);
	case SQLITE_INTERRUPT:
		return cgr_error_set(reterr, CGR_E_INTERRUPTED, "%s: %s: interrupted", db->path, doing);
	case SQLITE_FULL:
		return cgr_error_set(reterr, CGR_E_IO, "%s: %s: no space left on the device; free some and run again", db->path,
		                     doing);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		CGR_TRY(check_whole(db->path, reterr));
		return cgr_error_set(reterr, CGR_E_INPUT, "%s: %s: the file is damaged (%s); make it again", db->path, doing,
		                     text);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return cgr_error_set(reterr, CGR_E_IO, "%s: %s: another program is writing to it; try again later", db->path,
		                     doing);
	case SQLITE_READONLY: /* a reader does not roll back what others left */
		if (sqlite3_extended_errcode(db->sqlite) == SQLITE_READONLY_ROLLBACK)
			return unfinished(db->path, reterr);
		return cgr_error_set(reterr, CGR_E_IO, "%s: %s: %s", db->path, doing, text);
	default:
		return cgr_error_set(reterr, CGR_E_IO, "%s: %s: %s", db->path, doing, text);
	}
}

int cgr_db_exec(const struct cgr_db *db, const char *sql, struct cgr_error *reterr)
{
	int rc = sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : cgr_db_error(db, rc, "running SQL", reterr);
}

int cgr_db_prepare(const struct cgr_db *db, const char *sql, sqlite3_stmt **ret_statement, struct cgr_error *reterr)
{
	int rc = sqlite3_prepare_v3(db->sqlite, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL);

	return rc == SQLITE_OK ? 0 : cgr_db_error(db, rc, "preparing SQL", reterr);
}

int cgr_db_step(const struct cgr_db *db, sqlite3_stmt *statement, const char *doing, struct cgr_error *reterr)
{
	int rc = sqlite3_step(statement);

	if (rc == SQLITE_ROW)
		return 1;
	return rc == SQLITE_DONE ? 0 : cgr_db_error(db, rc, doing, reterr);
}

int cgr_db_integer(const struct cgr_db *db, const char *sql, int64_t *ret_value, struct cgr_error *reterr)
{
	sqlite3_stmt *statement;
	int rc;

	CGR_TRY(cgr_db_prepare(db, sql, &statement, reterr));
	rc = cgr_db_step(db, statement, "reading", reterr);
	if (rc == 1)
		*ret_value = sqlite3_column_int64(statement, 0);
	(void)sqlite3_finalize(statement);
	return rc < 0 ? rc : 0;
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
	if (text == NULL)
		(void)sqlite3_bind_null(statement, at);
	else
		(void)sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC);
}

int cgr_db_insert(const struct cgr_db *db, sqlite3_stmt *statement, struct cgr_error *reterr, const char *types, ...)
{
	va_list arguments;
	int64_t value;
	uint32_t id;
	int rc;

	va_start(arguments, types);
	for (int i = 0; types[i] != '\0'; i++) {
		switch (types[i]) {
		case 't':
			bind_text(statement, i + 1, va_arg(arguments, const char *));
			break;
		case 'd':
			(void)sqlite3_bind_double(statement, i + 1, va_arg(arguments, double));
			break;
		case 'u':
			id = va_arg(arguments, uint32_t);
			if (id == CGR_ID_NONE)
				(void)sqlite3_bind_null(statement, i + 1);
			else
				(void)sqlite3_bind_int64(statement, i + 1, id);
			break;
		default:
			value = va_arg(arguments, int64_t);
			if (types[i] == 'e' && value == INT64_MAX)
				(void)sqlite3_bind_null(statement, i + 1);
			else
				(void)sqlite3_bind_int64(statement, i + 1, value);
			break;
		}
	}
	va_end(arguments);
	rc = cgr_db_step(db, statement, "writing", reterr);
	(void)sqlite3_reset(statement);
	return rc < 0 ? rc : 0;
}

int cgr_db_check_object(const struct cgr_db *db, sqlite3_stmt *statement, const char *name, const char *sql,
                        struct cgr_error *reterr)
{
	const char *found;
	int rc;

	bind_text(statement, 1, name);
	rc = cgr_db_step(db, statement, "reading the schema", reterr);
	if (rc == 0) {
		rc = cgr_error_set(reterr, CGR_E_INPUT, "%s: table %s is missing; import the recording again", db->path, name);
	} else if (rc == 1) {
		found = (const char *)sqlite3_column_text(statement, 0);
		rc = 0;
		if (found == NULL || strcmp(found, sql) != 0)
			rc = cgr_error_set(reterr, CGR_E_INPUT,
			                   "%s: table %s is not as this version makes it; import the recording again", db->path,
			                   name);
	}
	(void)sqlite3_reset(statement);
	return rc;
}
