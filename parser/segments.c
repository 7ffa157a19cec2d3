#include "parser/segments.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/tracedat.h"
#include "common/util.h"

#define PARTIAL ".partial"
#define DIGITS_MIN 4u /* the recorder writes .0001 */

void cgr_paths_fini(struct cgr_paths *paths)
{
	for (size_t i = 0; i < paths->count; i++)
		free(paths->path[i]);
	free(paths->path);
	*paths = (struct cgr_paths){ 0 };
}

/* ---- what a file says of itself ---- */

static void copy_segment(struct cgr_trace *trace, const json_t *facts)
{
	const json_t *segment = json_object_get(facts, "segment");
	const char *recording = json_string_value(json_object_get(segment, "recording"));
	json_int_t number = json_integer_value(json_object_get(segment, "number"));
	json_int_t first = json_integer_value(json_object_get(segment, "first"));

	if (recording == NULL || number < 1 || number > UINT32_MAX || first < 0 || first > number)
		return;
	(void)cgr_strcpy(trace->segment.recording, sizeof(trace->segment.recording), recording);
	trace->segment.number = (uint32_t)number;
	trace->segment.first = first == 0 ? 1 : (uint32_t)first;
}

/* A finished file names its clock in an option of its end, which a killed recorder did not come to write. */
static void copy_clock(struct cgr_trace *trace, const json_t *facts)
{
	const char *clock = json_string_value(json_object_get(facts, "clock"));

	if (trace->clock == NULL && clock != NULL)
		trace->clock = cgr_strdup(clock);
}

/* Which segment of which recording; what is no JSON is told when the facts are read for the import. */
static int read_segment(struct cgr_trace *trace, struct cgr_error *reterr)
{
	struct cgr_text text = { 0 };

	if (trace->facts == 0)
		return CGR_OK;
	CGR_TRY(cgr_tracedat_section_text(trace, trace->facts, CGR_TD_FACTS, &text, reterr));
	json_t *facts = json_loadb(text.text, text.length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
	copy_segment(trace, facts);
	if (trace->unfinished)
		copy_clock(trace, facts);
	json_decref(facts);
	free(text.text);
	return CGR_OK;
}

/* A segment that was begun when its recorder was killed. */
static bool is_empty(const struct cgr_trace *trace)
{
	return trace->unfinished && trace->perf == NULL && trace->buffers == 0;
}

static int open_one(const char *path, struct cgr_trace **ret_trace, struct cgr_error *reterr)
{
	struct cgr_trace *trace;

	CGR_TRY(cgr_trace_open(path, &trace, reterr));
	int rc = read_segment(trace, reterr);
	if (rc < 0)
		cgr_trace_free(trace);
	else
		*ret_trace = trace;
	return rc;
}

/* ---- finding ---- */

struct found {
	uint64_t number;
	bool partial;
};

/* "web.dat.0003" or "web.dat.0003.partial" beside "web.dat"? */
static bool is_segment_name(const char *name, const char *base, struct found *found)
{
	size_t length = strlen(base), digits = 0;

	if (strncmp(name, base, length) != 0 || name[length] != '.')
		return false;
	name += length + 1;
	found->number = 0;
	for (; isdigit((unsigned char)name[digits]) != 0 && digits < 10; digits++)
		found->number = found->number * 10 + (uint64_t)(name[digits] - '0');
	found->partial = strcmp(name + digits, PARTIAL) == 0;
	return digits >= DIGITS_MIN && found->number > 0 && (found->partial || name[digits] == '\0');
}

static int by_number(const void *left, const void *right)
{
	const struct found *a = left, *b = right;

	if (a->number != b->number)
		return a->number < b->number ? -1 : 1;
	return a->partial - b->partial;
}

static int list_folder(const char *folder, const char *base, struct found **ret_found, size_t *ret_count,
                       struct cgr_error *reterr)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t capacity = 0;
	int rc = CGR_OK;

	if (dir == NULL)
		return cgr_error_errno(reterr, CGR_E_INPUT, "%s: cannot look for segments there", folder);
	while (rc == CGR_OK && (entry = readdir(dir)) != NULL) {
		struct found found;

		if (!is_segment_name(entry->d_name, base, &found))
			continue;
		rc = cgr_grow((void **)ret_found, &capacity, *ret_count + 1, sizeof(found), reterr);
		if (rc == CGR_OK)
			(*ret_found)[(*ret_count)++] = found;
	}
	(void)closedir(dir);
	if (rc == CGR_OK && *ret_count > 0)
		qsort(*ret_found, *ret_count, sizeof(**ret_found), by_number);
	return rc;
}

static int add_path(struct cgr_paths *paths, char *path, struct cgr_error *reterr)
{
	int rc = path == NULL ? cgr_error_set(reterr, CGR_E_NOMEM, "out of memory")
	                      : cgr_grow((void **)&paths->path, &paths->capacity, paths->count + 1, sizeof(char *), reterr);

	if (rc < 0)
		free(path);
	else
		paths->path[paths->count++] = path;
	return rc;
}

/* Goes down from the highest number: what belongs to another recording is older. */
static int choose(const char *path, const struct found *found, size_t count, struct cgr_paths *paths,
                  struct cgr_error *reterr)
{
	char recording[sizeof(((struct cgr_trace *)0)->segment.recording)] = "";

	for (size_t i = count; i-- > 0;) {
		struct cgr_trace *trace;
		char *name;

		if (found[i].partial && i > 0 && found[i - 1].number == found[i].number)
			continue; /* the recorder was killed between renaming and unlinking */
		name = cgr_printf("%s.%04llu%s", path, (unsigned long long)found[i].number, found[i].partial ? PARTIAL : "");
		int rc = name != NULL ? open_one(name, &trace, reterr) : cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
		if (rc < 0) {
			free(name);
			return rc;
		}
		if (paths->count == 0 && i > 0 && is_empty(trace)) { /* those before it are the recording */
			cgr_trace_free(trace);
			free(name);
			continue;
		}
		bool same = paths->count == 0 || strcmp(recording, trace->segment.recording) == 0;
		if (paths->count == 0)
			(void)cgr_strcpy(recording, sizeof(recording), trace->segment.recording);
		cgr_trace_free(trace);
		if (same) {
			CGR_TRY(add_path(paths, name, reterr));
		} else {
			free(name);
			paths->others++;
		}
	}
	for (size_t i = 0; i < paths->count / 2; i++) {
		char *swap = paths->path[i];
		paths->path[i] = paths->path[paths->count - 1 - i];
		paths->path[paths->count - 1 - i] = swap;
	}
	return CGR_OK;
}

int cgr_segments_find(const char *path, struct cgr_paths *paths, struct cgr_error *reterr)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash == NULL ? cgr_strdup(".") : cgr_printf("%.*s", (int)(slash - path + 1), path);
	struct found *found = NULL;
	size_t count = 0;
	int rc;

	*paths = (struct cgr_paths){ 0 };
	if (folder == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	rc = list_folder(folder, slash == NULL ? path : slash + 1, &found, &count, reterr);
	if (rc == CGR_OK)
		rc = choose(path, found, count, paths, reterr);
	if (rc < 0)
		cgr_paths_fini(paths);
	free(folder);
	free(found);
	return rc;
}

/* ---- opening ---- */

static int by_segment(const void *left, const void *right)
{
	const struct cgr_trace *a = *(struct cgr_trace *const *)left, *b = *(struct cgr_trace *const *)right;

	return a->segment.number < b->segment.number ? -1 : a->segment.number > b->segment.number;
}

static int different(const struct cgr_trace *a, const struct cgr_trace *b, const char *what, struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_INPUT, "%s and %s are not segments of one recording: %s", a->input.path,
	                     b->input.path, what);
}

/* b follows a, which is a segment. */
static int check_pair(const struct cgr_trace *a, const struct cgr_trace *b, struct cgr_error *reterr)
{
	if (b->segment.number == 0)
		return cgr_error_set(reterr, CGR_E_INPUT,
		                     "%s: not a segment of a recording: files that are not are imported one at a time",
		                     b->input.path);
	if (strcmp(a->segment.recording, b->segment.recording) != 0)
		return different(a, b, "they come from different runs of the recorder; import each on its own", reterr);
	if (a->segment.number == b->segment.number)
		return different(a, b, "both have the same number", reterr);
	if (a->version != b->version || a->swap != b->swap || a->long_bytes != b->long_bytes ||
	    a->page_bytes != b->page_bytes)
		return different(a, b, "their layout differs", reterr);
	if ((a->clock == NULL) != (b->clock == NULL) || (a->clock != NULL && strcmp(a->clock, b->clock) != 0))
		return different(a, b, "they use different clocks", reterr);
	if (a->buffers != b->buffers)
		return different(a, b, "they hold different instances", reterr);
	for (size_t i = 0; i < a->buffers; i++)
		if (strcmp(a->buffer[i].name, b->buffer[i].name) != 0)
			return different(a, b, "they hold different instances", reterr);
	return CGR_OK;
}

static int join(struct cgr_trace **trace, size_t count, struct cgr_error *reterr)
{
	if (count > 1 && trace[0]->segment.number == 0)
		CGR_TRY(check_pair(trace[1], trace[0], reterr));
	qsort(trace, count, sizeof(struct cgr_trace *), by_segment);
	for (size_t i = 1; i < count; i++)
		CGR_TRY(check_pair(trace[i - 1], trace[i], reterr));
	for (size_t i = 1; i < count; i++)
		trace[i]->segment.gap = trace[i]->segment.number - trace[i - 1]->segment.number - 1;
	for (size_t i = 0; i + 1 < count; i++)
		trace[i]->later = trace[i + 1];
	return CGR_OK;
}

int cgr_segments_open(const char *const *path, size_t count, struct cgr_trace **ret_trace, struct cgr_error *reterr)
{
	struct cgr_trace **trace = cgr_calloc(count, sizeof(struct cgr_trace *));
	int rc = CGR_OK;

	if (trace == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	for (size_t i = 0; rc == CGR_OK && i < count; i++) {
		rc = open_one(path[i], &trace[i], reterr);
		if (rc == CGR_OK && is_empty(trace[i]))
			rc = cgr_error_set(
			    reterr, CGR_E_INPUT,
			    "%s:%llu: the recording was never finished and holds no events: its recorder was killed early", path[i],
			    (unsigned long long)trace[i]->end);
	}
	if (rc == CGR_OK)
		rc = join(trace, count, reterr);
	if (rc == CGR_OK)
		*ret_trace = trace[0];
	for (size_t i = 0; rc < 0 && i < count; i++) {
		if (trace[i] != NULL)
			trace[i]->later = NULL;
		cgr_trace_free(trace[i]);
	}
	free(trace);
	return rc;
}
