#include "cli/runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/util.h"

static void drop_bulk(struct cgr_result *result)
{
	for (size_t i = 0; i < result->series_count; i++) {
		free(result->series[i].name);
		free(result->series[i].t_usec);
		free(result->series[i].value);
	}
	free(result->series);
	free(result->span);
	result->series = NULL;
	result->span = NULL;
	result->series_count = result->spans = 0;
}

static int load_one(struct cgr_results *results, int64_t run, size_t keep_bulk, struct cgr_runs *runs,
                    struct cgr_error *reterr)
{
	CGR_TRY(cgr_interrupt_check(reterr));
	CGR_TRY(cgr_results_load(results, run, &runs->result[runs->count], reterr));
	if (runs->count >= keep_bulk)
		drop_bulk(runs->result[runs->count]);
	runs->count++;
	return 0;
}

static int load_all(struct cgr_results *results, const char *path, const struct cgr_string_list *names,
                    size_t keep_bulk, struct cgr_runs *runs, struct cgr_error *reterr)
{
	struct cgr_results_entry *entries = NULL;
	size_t count = 0;
	CGR_TRY(cgr_results_list(results, &entries, &count, reterr));
	bool named = names && names->count;
	runs->result = cgr_calloc((named ? names->count : count) + 1, sizeof *runs->result);
	int rc = runs->result ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	for (size_t i = 0; rc == 0 && i < (named ? names->count : count); i++) {
		int64_t run = named ? 0 : entries[i].run;
		if (named)
			rc = cgr_results_find(results, names->item[i], &run, reterr);
		if (rc == 0)
			rc = load_one(results, run, keep_bulk, runs, reterr);
	}
	cgr_results_list_free(entries, count);
	if (rc == 0 && runs->count == 0)
		rc = cgr_error_set(reterr, CGR_E_INPUT, "%s: holds no run; make one with cgreplay replay STORE -o %s", path,
		                   path);
	return rc;
}

int cgr_runs_load(const char *path, const struct cgr_string_list *names, size_t keep_bulk, struct cgr_runs *ret_runs,
                  struct cgr_error *reterr)
{
	struct cgr_results *results;
	*ret_runs = (struct cgr_runs){ 0 };
	CGR_TRY(cgr_results_open(path, false, &results, reterr));
	int rc = load_all(results, path, names, keep_bulk, ret_runs, reterr);
	cgr_results_free(results);
	return rc;
}

void cgr_runs_fini(struct cgr_runs *runs)
{
	for (size_t i = 0; i < runs->count; i++)
		cgr_result_free(runs->result[i]);
	free(runs->result);
	*runs = (struct cgr_runs){ 0 };
}

int cgr_write_text(const char *path, const char *text, size_t length, struct cgr_error *reterr)
{
	struct cgr_outfile file = { 0 };
	if (strcmp(path, "-") == 0)
		return fwrite(text, 1, length, stdout) == length
		           ? 0
		           : cgr_error_errno(reterr, CGR_E_IO, "cannot write to standard output");
	CGR_TRY(cgr_outfile_open(&file, path, reterr));
	int rc = cgr_write_all(file.fd, text, length, path, reterr);
	if (rc == 0)
		rc = cgr_outfile_commit(&file, reterr);
	if (rc < 0)
		cgr_outfile_abort(&file);
	return rc;
}
