/* cgreplay merge: the parts of a sharded sweep as one results store. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/util.h"
#include "store/result.h"

struct item {
	struct cgr_result *result;
	int64_t point;
	size_t order;
};

static int64_t point_of(const struct cgr_result *result)
{
	json_t *root = result->scenario_json ? json_loads(result->scenario_json, 0, NULL) : NULL;
	json_t *point = json_object_get(root, "point");
	int64_t value = json_is_integer(point) ? json_integer_value(point) : INT64_MAX;

	json_decref(root);
	return value;
}

static int by_point(const void *a, const void *b)
{
	const struct item *x = a, *y = b;

	if (x->point != y->point)
		return x->point < y->point ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static int load_part(const char *path, struct item **items, size_t *count, size_t *capacity, struct cgr_error *reterr)
{
	struct cgr_results *part;
	struct cgr_results_entry *entries = NULL;
	size_t runs = 0;
	int rc = cgr_results_open(path, false, &part, reterr);

	if (rc < 0)
		return rc;
	rc = cgr_results_list(part, &entries, &runs, reterr);
	for (size_t i = 0; i < runs && rc >= 0; i++) {
		rc = cgr_grow((void **)items, capacity, *count + 1, sizeof **items, reterr);
		if (rc >= 0)
			rc = cgr_results_load(part, entries[i].run, &(*items)[*count].result, reterr);
		if (rc >= 0) {
			(*items)[*count].point = point_of((*items)[*count].result);
			(*items)[*count].order = *count;
			(*count)++;
		}
	}
	cgr_results_list_free(entries, runs);
	cgr_results_free(part);
	return rc;
}

static int write_runs(const struct item *items, size_t runs, const char *path, struct cgr_error *reterr)
{
	struct cgr_results *out = NULL;
	int rc = cgr_results_open(path, true, &out, reterr);

	for (size_t i = 0; i < runs && rc >= 0; i++) {
		int64_t run;

		if (!cgr_results_has(out, items[i].result->name, items[i].result->scenario_json))
			rc = cgr_results_append(out, items[i].result, &run, reterr);
	}
	cgr_results_free(out);
	return rc;
}

/* A store and its journal, if they are there. */
static void drop(const char *path)
{
	char *journal = cgr_printf("%s-journal", path);

	(void)unlink(path);
	if (journal)
		(void)unlink(journal);
	free(journal);
}

/* Gives the new store its name; 1: that is taken meanwhile. link() does not replace what is there as rename() would. */
static int publish(const char *temp, const char *output, struct cgr_error *reterr)
{
	char *journal;

	if (access(output, F_OK) == 0)
		return 1;
	/* the journal of a database that is gone: SQLite would roll it back into the new one */
	journal = cgr_printf("%s-journal", output);
	if (!journal)
		return cgr_error_set(reterr, CGR_E_NOMEM, "merge: out of memory");
	(void)unlink(journal);
	free(journal);
	if (link(temp, output) == 0)
		return 0;
	if (errno == EEXIST)
		return 1;
	if (rename(temp, output) != 0) /* for file systems without hard links, such as vfat */
		return cgr_error_errno(reterr, CGR_E_IO, "%s: cannot rename into place", output);
	return 0;
}

/* A store that is there gets what it lacks, run by run. A new one appears under its name when it is whole. */
static int write_store(const struct item *items, size_t runs, const char *output, struct cgr_error *reterr)
{
	char *temp;
	int rc;

	CGR_TRY(cgr_outfile_check(output, reterr));
	if (access(output, F_OK) == 0)
		return write_runs(items, runs, output, reterr);
	temp = cgr_printf("%s.cgr-tmp-%d", output, (int)getpid());
	if (!temp)
		return cgr_error_set(reterr, CGR_E_NOMEM, "merge: out of memory");
	drop(temp); /* of a killed process with this number */
	rc = write_runs(items, runs, temp, reterr);
	if (rc >= 0 && runs)
		rc = publish(temp, output, reterr);
	drop(temp);
	free(temp);
	return rc == 1 ? write_runs(items, runs, output, reterr) : rc;
}

static int merge(char **paths, int count, const char *output, struct cgr_error *reterr)
{
	struct item *items = NULL;
	size_t runs = 0, capacity = 0;
	int rc = 0;

	for (int i = 0; i < count && rc >= 0; i++)
		rc = load_part(paths[i], &items, &runs, &capacity, reterr);
	if (rc >= 0 && runs)
		qsort(items, runs, sizeof *items, by_point);
	if (rc >= 0)
		rc = write_store(items, runs, output, reterr);
	for (size_t i = 0; i < runs; i++)
		cgr_result_free(items[i].result);
	free(items);
	return rc;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	const char *output = NULL;
	const struct cgr_option options[] = {
		{ .name = "output",
		  .letter = 'o',
		  .type = CGR_OPT_STRING,
		  .value = &output,
		  .argument = "FILE",
		  .help = "results store to write; what is there already is not added again" },
	};
	int positionals, rest,
	    rc = cgr_options_parse(&cgr_command_merge, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest,
	                           reterr);

	if (rc)
		return rc < 0 ? rc : 0;
	if (!positionals || !output)
		return cgr_error_set(reterr, CGR_E_USAGE,
		                     "expected -o RESULTS and the parts, e.g. cgreplay merge -o runs.db part*.db");
	return merge(argv + 1, positionals, output, reterr);
}

const struct cgr_command cgr_command_merge = {
	.name = "merge",
	.summary = "put the parts of a sharded sweep together",
	.usage = "merge -o RESULTS PART...",
	.examples = "cgreplay merge -o runs.db part1.db part2.db",
	.run = run,
};
