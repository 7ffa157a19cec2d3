/* The results store: opening, finding and listing runs. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/optparse.h"
#include "common/util.h"
#include "store/results_internal.h"
#include "store/schema.h"

static int check_version(const struct cgr_results *results, struct cgr_error *reterr)
{
	const char *path = results->db.path;
	int64_t application = 0, version = 0;

	CGR_TRY(cgr_db_integer(&results->db, "PRAGMA application_id", &application, reterr));
	CGR_TRY(cgr_db_integer(&results->db, "PRAGMA user_version", &version, reterr));
	if (application == CGR_STORE_APPLICATION_ID)
		return cgr_error_set(
		    reterr, CGR_E_INPUT,
		    "%s: this is an event store, not results; runs are kept by `cgreplay replay %s -o runs.db`", path, path);
	if (application != CGR_RESULTS_APPLICATION_ID)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s:68: a SQLite file, but not a results store; one is made by `cgreplay replay -o`",
		                     path);
	if (version != CGR_RESULT_SCHEMA_VERSION)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s:60: results schema %lld is %s than %d; %s", path,
		                     (long long)version, version > CGR_RESULT_SCHEMA_VERSION ? "newer" : "older",
		                     CGR_RESULT_SCHEMA_VERSION,
		                     version > CGR_RESULT_SCHEMA_VERSION ? "use a newer cgreplay" : "replay again");
	return 0;
}

bool cgr_results_has_table(const struct cgr_results *results, const char *name)
{
	sqlite3_stmt *s;
	bool found;

	if (cgr_db_prepare(&results->db, "SELECT 1 FROM sqlite_schema WHERE name=?", &s, NULL) < 0)
		return false;
	(void)sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	found = sqlite3_step(s) == SQLITE_ROW;
	(void)sqlite3_finalize(s);
	return found;
}

static int check_schema(const struct cgr_results *results, struct cgr_error *reterr)
{
	sqlite3_stmt *s;
	int rc = cgr_db_prepare(&results->db, CGR_DB_SCHEMA_SQL, &s, reterr);

	for (const char *const *at = cgr_results_schema; rc == 0 && *at != NULL; at += 2) {
		if (strncmp(at[1], "CREATE TABLE", 12) == 0)
			rc = cgr_db_check_object(&results->db, s, at[0], at[1], reterr);
	}
	for (const char *const *at = cgr_results_schema_added; rc == 0 && *at != NULL; at += 2) {
		if (cgr_results_has_table(results, at[0]))
			rc = cgr_db_check_object(&results->db, s, at[0], at[1], reterr);
	}
	(void)sqlite3_finalize(s);
	return rc;
}

/* A killed writer leaves its journal beside the file. Only a writable connection can roll it back; a file of ours or
 * not, that is what any SQLite program would do with it. Where it may not be written the read-only open says so. */
static void roll_back(const char *path)
{
	char *journal = cgr_printf("%s-journal", path);
	struct cgr_db db = { 0 };

	if (journal != NULL && access(journal, F_OK) == 0 && access(path, W_OK) == 0 &&
	    cgr_db_open_writable(&db, path, path, NULL) == 0) {
		(void)cgr_db_exec(&db, "SELECT count(*) FROM sqlite_schema", NULL);
		cgr_db_close(&db);
	}
	free(journal);
}

static int open_existing(struct cgr_results *results, const char *path, struct cgr_error *reterr)
{
	roll_back(path);
	/* opened read-only first in both cases: this tells foreign files from ours before anything is written */
	CGR_TRY(cgr_db_open_readonly(&results->db, path, false, reterr));
	CGR_TRY(check_version(results, reterr));
	CGR_TRY(check_schema(results, reterr));
	if (!results->writable)
		return 0;
	cgr_db_close(&results->db);
	return cgr_db_open_writable(&results->db, path, path, reterr);
}

/* An empty file, or a link to nothing: the name is taken, and what it leads to is filled. */
static bool nothing_there(const char *path, bool *ret_name_free)
{
	struct stat st;

	*ret_name_free = lstat(path, &st) < 0;
	return stat(path, &st) < 0 || (S_ISREG(st.st_mode) && st.st_size == 0);
}

static int open_new(struct cgr_results *results, const char *path, bool name_free, struct cgr_error *reterr)
{
	if (!name_free)
		return cgr_db_open_writable(&results->db, path, path, reterr);
	CGR_TRY(cgr_outfile_open(&results->fresh, path, reterr));
	return cgr_db_open_writable(&results->db, results->fresh.temp_path, path, reterr);
}

static int ready_to_write(struct cgr_results *results, struct cgr_error *reterr)
{
	CGR_TRY(cgr_db_exec(&results->db, "PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=OFF", reterr));
	(void)sqlite3_busy_timeout(results->db.sqlite, 10000);
	return 0;
}

/* SQLite knows the journal by the name the file was opened with: it is opened anew under the final one. */
int cgr_results_put_in_place(struct cgr_results *results, struct cgr_error *reterr)
{
	char *path = cgr_strdup(results->db.path), *journal = cgr_printf("%s-journal", results->db.path);
	struct stat st;
	int rc;

	if (path == NULL || journal == NULL) {
		free(path);
		free(journal);
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", results->db.path);
	}
	cgr_db_close(&results->db);
	if (stat(path, &st) < 0) /* that of a database that is gone: SQLite would roll it back into this one */
		(void)unlink(journal);
	free(journal);
	if (stat(path, &st) == 0 && st.st_size > 0)
		rc = cgr_error_set(reterr, CGR_E_IO, "%s: another program has made it meanwhile; run this again", path);
	else
		rc = cgr_outfile_commit(&results->fresh, reterr);
	cgr_outfile_abort(&results->fresh); /* nothing is left of it when it was put in place */
	if (rc == 0)
		rc = cgr_db_open_writable(&results->db, path, path, reterr);
	if (rc == 0)
		rc = ready_to_write(results, reterr);
	free(path);
	return rc;
}

int cgr_results_open(const char *path, bool writable, struct cgr_results **ret_results, struct cgr_error *reterr)
{
	struct cgr_results *results = cgr_calloc(1, sizeof(*results));
	bool name_free;
	int rc = writable ? cgr_outfile_check(path, reterr) : 0;

	if (rc < 0 || results == NULL) {
		free(results);
		return rc < 0 ? rc : cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	}
	results->writable = writable;
	if (writable && nothing_there(path, &name_free))
		rc = open_new(results, path, name_free, reterr);
	else
		rc = open_existing(results, path, reterr);
	if (rc == 0)
		rc = writable ? ready_to_write(results, reterr) : 0;
	if (rc < 0) {
		(void)cgr_results_free(results);
		return rc;
	}
	(void)sqlite3_busy_timeout(results->db.sqlite, 10000);
	*ret_results = results;
	return 0;
}

struct cgr_results *cgr_results_free(struct cgr_results *results)
{
	struct stat st;

	if (results == NULL)
		return NULL;
	/* SQLite makes the file when it opens it: one without a single run is taken away again */
	if (results->writable && results->fresh.temp_path == NULL && results->db.path != NULL &&
	    stat(results->db.path, &st) == 0 && st.st_size == 0)
		(void)unlink(results->db.path);
	cgr_db_close(&results->db);
	cgr_outfile_abort(&results->fresh);
	free(results);
	return NULL;
}

static int list_runs(struct cgr_results *results, sqlite3_stmt *s, struct cgr_results_entry **entries, size_t *count,
                     struct cgr_error *reterr)
{
	size_t capacity = 0;
	int rc;

	while ((rc = cgr_db_step(&results->db, s, "listing runs", reterr)) == 1) {
		const char *name = (const char *)sqlite3_column_text(s, 1);

		CGR_TRY(cgr_grow((void **)entries, &capacity, *count + 1, sizeof(**entries), reterr));
		(*entries)[*count].run = sqlite3_column_int64(s, 0);
		(*entries)[*count].name = cgr_strdup(name == NULL ? "" : name);
		if ((*entries)[*count].name == NULL)
			return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", results->db.path);
		++*count;
	}
	return rc;
}

static bool is_empty(const struct cgr_results *results)
{
	int64_t version = 0;

	return cgr_db_integer(&results->db, "PRAGMA user_version", &version, NULL) == 0 && version == 0;
}

int cgr_results_list(struct cgr_results *results, struct cgr_results_entry **ret_entries, size_t *ret_count,
                     struct cgr_error *reterr)
{
	struct cgr_results_entry *entries = NULL;
	size_t count = 0;
	sqlite3_stmt *s;
	int rc;

	*ret_entries = NULL;
	*ret_count = 0;
	if (is_empty(results))
		return 0;
	CGR_TRY(cgr_db_prepare(&results->db, "SELECT id, name FROM run ORDER BY id", &s, reterr));
	rc = list_runs(results, s, &entries, &count, reterr);
	(void)sqlite3_finalize(s);
	if (rc < 0) {
		cgr_results_list_free(entries, count);
		return rc;
	}
	*ret_entries = entries;
	*ret_count = count;
	return 0;
}

void cgr_results_list_free(struct cgr_results_entry *entries, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(entries[i].name);
	free(entries);
}

static int unknown_run(struct cgr_results *results, const char *text, const struct cgr_results_entry *entries,
                       size_t count, struct cgr_error *reterr)
{
	const char **names = cgr_calloc(count + 1, sizeof(*names));
	const char *near = NULL;
	int rc;

	for (size_t i = 0; names != NULL && i < count; i++)
		names[i] = entries[i].name;
	if (names != NULL)
		near = cgr_did_you_mean(text, names, count);
	if (count == 0)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "%s: no run '%s': the store holds no runs", results->db.path, text);
	else if (near != NULL)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "%s: no run '%s'; did you mean '%s'?", results->db.path, text, near);
	else
		rc = cgr_error_set(reterr, CGR_E_USAGE, "%s: no run '%s'; it holds %zu, from '%s' (1) to '%s' (%lld)",
		                   results->db.path, text, count, entries[0].name, entries[count - 1].name,
		                   (long long)entries[count - 1].run);
	free(names);
	return rc;
}

int cgr_results_find(struct cgr_results *results, const char *text, int64_t *ret_run, struct cgr_error *reterr)
{
	struct cgr_results_entry *entries;
	size_t count;
	char *end;
	long long number = strtoll(text, &end, 10);
	int rc = -1;

	CGR_TRY(cgr_results_list(results, &entries, &count, reterr));
	for (size_t i = 0; rc < 0 && i < count; i++) { /* a name wins over an id: a run may be called "2" */
		if (strcmp(entries[i].name, text) == 0) {
			*ret_run = entries[i].run;
			rc = 0;
		}
	}
	for (size_t i = 0; rc < 0 && i < count; i++) {
		if (*text != '\0' && *end == '\0' && entries[i].run == number) {
			*ret_run = entries[i].run;
			rc = 0;
		}
	}
	if (rc < 0)
		rc = unknown_run(results, text, entries, count, reterr);
	cgr_results_list_free(entries, count);
	return rc;
}

bool cgr_results_has(struct cgr_results *results, const char *name, const char *scenario_json)
{
	sqlite3_stmt *s;
	bool found;

	if (is_empty(results) ||
	    cgr_db_prepare(&results->db, "SELECT 1 FROM run WHERE base_name=? AND scenario_json=?", &s, NULL) < 0)
		return false;
	(void)sqlite3_bind_text(s, 1, name, -1, SQLITE_STATIC);
	(void)sqlite3_bind_text(s, 2, scenario_json, -1, SQLITE_STATIC);
	found = sqlite3_step(s) == SQLITE_ROW;
	(void)sqlite3_finalize(s);
	return found;
}

char *cgr_results_histogram_text(const struct cgr_histogram *histogram)
{
	struct cgr_strbuf buf = { 0 };

	if (histogram->count == 0)
		return NULL;
	for (unsigned i = 0; i < histogram->buckets; i++) {
		if (histogram->bucket[i] != 0)
			cgr_strbuf_printf(&buf, "%s%u:%" PRIu32, buf.length == 0 ? "" : " ", i, histogram->bucket[i]);
	}
	if (buf.failed) {
		cgr_strbuf_fini(&buf);
		return NULL;
	}
	return buf.text;
}

int cgr_results_histogram_parse(const struct cgr_results *results, const char *text, uint64_t count, uint64_t sum,
                                uint64_t maximum, struct cgr_histogram *histogram, struct cgr_error *reterr)
{
	uint64_t seen = 0;

	*histogram = (struct cgr_histogram){ 0 };
	if (text == NULL)
		return 0;
	histogram->bucket = cgr_calloc(CGR_HISTOGRAM_BUCKETS, sizeof(*histogram->bucket));
	if (histogram->bucket == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", results->db.path);
	histogram->buckets = CGR_HISTOGRAM_BUCKETS;
	while (*text != '\0') {
		unsigned long bucket, value;
		char *end;

		bucket = strtoul(text, &end, 10);
		if (end == text || *end != ':' || bucket >= CGR_HISTOGRAM_BUCKETS)
			return cgr_error_set(reterr, CGR_E_INPUT, "%s: a latency histogram is damaged", results->db.path);
		text = end + 1;
		value = strtoul(text, &end, 10);
		if (end == text || (*end != ' ' && *end != '\0') || value > UINT32_MAX)
			return cgr_error_set(reterr, CGR_E_INPUT, "%s: a latency histogram is damaged", results->db.path);
		text = *end == ' ' ? end + 1 : end;
		histogram->bucket[bucket] = (uint32_t)value;
		seen += value;
	}
	if (seen != count)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s: a latency histogram is damaged", results->db.path);
	histogram->count = count;
	histogram->sum = sum;
	histogram->maximum = maximum;
	return 0;
}
