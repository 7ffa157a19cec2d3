/* Small helpers over SQLite: errors with the file's name, one-line statements, hostile files. Private to store/. */
#ifndef CGR_STORE_DB_H
#define CGR_STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/error.h"

struct cgr_db {
	sqlite3 *sqlite;
	char *path; /* as people named it */
};

/* Read-only: no triggers or functions of the file's own are run. immutable: the file never changes, so neither locks
 * nor journals are looked at. SQLite locks nothing within the process (NOMUTEX): one thread at a time per handle. */
int cgr_db_open_readonly(struct cgr_db *db, const char *path, bool immutable, struct cgr_error *reterr);
/* file: where to write, path: its name in messages */
int cgr_db_open_writable(struct cgr_db *db, const char *file, const char *path, struct cgr_error *reterr);
void cgr_db_close(struct cgr_db *db);
/* Turns a SQLite result code into an error: full disk, no memory, interrupted, damaged file, ... */
int cgr_db_error(const struct cgr_db *db, int sqlite_rc, const char *doing, struct cgr_error *reterr);
int cgr_db_exec(const struct cgr_db *db, const char *sql, struct cgr_error *reterr);
int cgr_db_prepare(const struct cgr_db *db, const char *sql, sqlite3_stmt **ret_statement, struct cgr_error *reterr);
/* 1 = row, 0 = done */
int cgr_db_step(const struct cgr_db *db, sqlite3_stmt *statement, const char *doing, struct cgr_error *reterr);
/* First column of the first row as integer; 0 rows: *ret_value stays. */
int cgr_db_integer(const struct cgr_db *db, const char *sql, int64_t *ret_value, struct cgr_error *reterr);
/* Binds by type letter, one per parameter: i int64_t, u uint32_t id (CGR_ID_NONE = NULL), t const char * (NULL ok),
 * e int64_t time (INT64_MAX = NULL), d double; then steps and resets. */
int cgr_db_insert(const struct cgr_db *db, sqlite3_stmt *statement, struct cgr_error *reterr, const char *types, ...);
/* The object is there as a plain table with exactly this SQL. statement is one of CGR_DB_SCHEMA_SQL, for many objects.
 */
#define CGR_DB_SCHEMA_SQL "SELECT sql FROM sqlite_schema WHERE name=? AND type='table'"
int cgr_db_check_object(const struct cgr_db *db, sqlite3_stmt *statement, const char *name, const char *sql,
                        struct cgr_error *reterr);

#endif
