#include "capture/functions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tracefs.h>

#include "capture/procfile.h"
#include "common/util.h"

#define WORDS_MAX 8u

static unsigned words_of(const char *list, char word[WORDS_MAX][64])
{
	unsigned count = 0;

	for (const char *at = list + strspn(list, " "); *at != '\0' && count < WORDS_MAX; at += strspn(at, " ")) {
		size_t length = strcspn(at, " ");
		(void)snprintf(word[count++], sizeof(word[0]), "%.*s", (int)length, at);
		at += length;
	}
	return count;
}

static bool has_tracer(const char *tracefs)
{
	char path[600], line[256], word[WORDS_MAX][64];

	(void)snprintf(path, sizeof(path), "%s/available_tracers", tracefs);
	if (!cgr_procfile_line(AT_FDCWD, path, line, sizeof(line)))
		return false;
	for (unsigned i = words_of(line, word); i-- > 0;)
		if (strcmp(word[i], "function") == 0)
			return true;
	return false;
}

/* available_filter_functions: a function a line, "[module]" behind those of modules; some 50,000 of them. */
int cgr_functions_check(const char *tracefs, const char *functions, struct cgr_error *reterr)
{
	char path[600], line[256], word[WORDS_MAX][64];
	unsigned wanted = words_of(functions, word), missing = wanted;
	bool found[WORDS_MAX] = { false };

	if (!has_tracer(tracefs))
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "no function tracer in this kernel");
	(void)snprintf(path, sizeof(path), "%s/available_filter_functions", tracefs);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "the function tracer is not permitted: %s: %s", path,
		                     strerror(errno));
	while (missing > 0 && fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		for (unsigned i = 0; i < wanted; i++)
			if (!found[i] && strcmp(line, word[i]) == 0) {
				found[i] = true;
				missing--;
			}
	}
	(void)fclose(file);
	for (unsigned i = 0; i < wanted; i++)
		if (!found[i])
			return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "the function tracer knows no function %s", word[i]);
	return 0;
}

static int refused(const struct cgr_instance *instance, const char *file, struct cgr_error *reterr)
{
	return cgr_error_set(reterr, CGR_E_UNAVAILABLE, "the function tracer is refused: %s/%s: %s", instance->dir, file,
	                     strerror(errno));
}

/* The filter goes first: the tracer switched on without one traces every function of the kernel. */
int cgr_functions_trace(struct cgr_instance *instance, const struct cgr_plan *plan, struct cgr_error *reterr)
{
	char word[WORDS_MAX][64];

	for (size_t i = 0; i < plan->count; i++) {
		if (plan->event[i].functions == NULL)
			continue;
		unsigned count = words_of(plan->event[i].functions, word);
		for (unsigned k = 0; k < count; k++) {
			int got = k == 0 ? tracefs_instance_file_write(instance->handle, "set_ftrace_filter", word[k])
			                 : tracefs_instance_file_append(instance->handle, "set_ftrace_filter", word[k]);
			if (got < 0)
				return refused(instance, "set_ftrace_filter", reterr);
		}
		if (tracefs_instance_file_write(instance->handle, "current_tracer", "function") < 0)
			return refused(instance, "current_tracer", reterr);
	}
	return 0;
}
