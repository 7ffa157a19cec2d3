/* cgreplay export: recordings and simulated schedules for other people's tools. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/rows.h"
#include "common/util.h"
#include "store/export.h"

struct arguments {
	const char *store, *output, *to, *run;
};

/* One table or view as FOLDER/NAME.csv. */
static int write_table(struct cgr_query *query, const char *folder, const char *name, struct cgr_error *reterr)
{
	char *sql = cgr_printf("SELECT * FROM \"%s\"", name), *path = cgr_printf("%s/%s.csv", folder, name);
	struct cgr_outfile file;
	FILE *out = NULL;
	int rc = sql == NULL || path == NULL ? cgr_error_set(reterr, CGR_E_NOMEM, "out of memory")
	                                     : cgr_outfile_open(&file, path, reterr);

	if (rc == 0) {
		out = fdopen(dup(file.fd), "w");
		rc = out == NULL ? cgr_error_errno(reterr, CGR_E_IO, "%s: cannot write", path)
		                 : cgr_query_start(query, sql, NULL, reterr);
		if (rc == 0)
			rc = cgr_rows_print(out, query, CGR_ROWS_CSV, reterr);
		if (out != NULL && fclose(out) != 0 && rc == 0)
			rc = cgr_error_errno(reterr, CGR_E_IO, "%s: cannot write", path);
		if (rc == 0)
			rc = cgr_outfile_commit(&file, reterr);
		else
			cgr_outfile_abort(&file);
	}
	free(sql);
	free(path);
	return rc;
}

/* Names of all tables first: a query can not run while another one is being read. */
static int table_names(struct cgr_query *query, struct cgr_strbuf *names, struct cgr_error *reterr)
{
	int rc;

	CGR_TRY(cgr_query_start(query,
	                        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT GLOB 'sqlite_*'"
	                        " AND name <> 'stream_block' ORDER BY name",
	                        NULL, reterr));
	while ((rc = cgr_query_next(query, reterr)) == 1) {
		const char *name = cgr_query_borrow_text(query, 0);

		if (name != NULL && strchr(name, '/') == NULL && strchr(name, '"') == NULL)
			cgr_strbuf_append(names, name, strlen(name) + 1);
	}
	if (rc == 0 && names->failed)
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "out of memory");
	return rc;
}

static int export_csv(const struct arguments *a, struct cgr_error *reterr)
{
	struct cgr_query *query = NULL;
	struct cgr_strbuf names = { 0 };
	unsigned count = 0;
	int rc;

	if (mkdir(a->output, 0777) < 0 && errno != EEXIST)
		return cgr_error_errno(reterr, CGR_E_IO, "%s: cannot make the folder", a->output);
	CGR_TRY(cgr_query_open(a->store, &query, reterr));
	rc = table_names(query, &names, reterr);
	for (size_t at = 0; rc == 0 && at < names.length; at += strlen(names.text + at) + 1, count++)
		rc = write_table(query, a->output, names.text + at, reterr);
	cgr_strbuf_fini(&names);
	(void)cgr_query_free(query);
	if (rc == 0)
		fprintf(stderr, "exported %u tables to %s\n", count, a->output);
	return rc;
}

static int export_store(const struct arguments *a, bool trace, struct cgr_export_summary *summary,
                        struct cgr_error *reterr)
{
	struct cgr_progress *progress = cgr_progress_terminal(0);
	struct cgr_store *store = NULL;
	int rc = cgr_store_open(a->store, &store, reterr);

	CGR_TRY(rc);
	rc = trace ? cgr_export_trace(store, a->output, progress, summary, reterr)
	           : cgr_export_json(store, a->output, progress, summary, reterr);
	cgr_progress_finish(progress);
	(void)cgr_store_free(store);
	return rc;
}

static int export_run(const struct arguments *a, bool trace, struct cgr_export_summary *summary,
                      struct cgr_error *reterr)
{
	struct cgr_results *results = NULL;
	struct cgr_result *result = NULL;
	int64_t run;
	int rc;

	CGR_TRY(cgr_results_open(a->store, false, &results, reterr));
	rc = cgr_results_find(results, a->run, &run, reterr);
	if (rc == 0)
		rc = cgr_results_load(results, run, &result, reterr);
	if (rc == 0 && result->spans == 0)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "%s: run %s keeps no schedule; make it with `cgreplay replay -o`",
		                   a->store, a->run);
	if (rc == 0)
		rc = trace ? cgr_export_trace_result(result, a->output, summary, reterr)
		           : cgr_export_json_result(result, a->output, summary, reterr);
	(void)cgr_result_free(result);
	(void)cgr_results_free(results);
	return rc;
}

/* What --to says, else what the name of the output says. */
static const char *target(const struct arguments *a)
{
	const char *dot = strrchr(a->output, '.');

	if (a->to != NULL)
		return a->to;
	if (dot != NULL && strcmp(dot, ".dat") == 0)
		return "trace";
	return dot != NULL && strcmp(dot, ".json") == 0 ? "perfetto" : "csv";
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct arguments a = { 0 };
	const struct cgr_option options[] = {
		{ "output", 'o', CGR_OPT_STRING, &a.output, "FILE", "where to write; for csv a folder", NULL, 0, 0 },
		{ "to", 't', CGR_OPT_ENUM, &a.to, "FORMAT",
		  "trace: trace.dat for trace-cmd and KernelShark; perfetto: JSON for ui.perfetto.dev; csv: a file per table",
		  "trace|perfetto|csv", 0, 0 },
		{ "run", 'r', CGR_OPT_STRING, &a.run, "RUN", "the simulated schedule of this run of a results store", NULL, 0,
		  0 },
	};
	struct cgr_export_summary summary = { 0 };
	int positionals, rest;
	int rc = cgr_options_parse(&cgr_command_export, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest,
	                           reterr);
	bool trace;

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (positionals != 1 || a.output == NULL)
		return cgr_error_set(reterr, CGR_E_USAGE, "give one store and -o FILE");
	a.store = argv[1];
	CGR_TRY(cgr_outfile_refuse_input(a.output, a.store, reterr));
	cgr_interrupt_install();
	if (strcmp(target(&a), "csv") == 0)
		return export_csv(&a, reterr);
	trace = strcmp(target(&a), "trace") == 0;
	CGR_TRY(cgr_outfile_refuse_kinds(a.output, trace ? CGR_OUTFILE_TRACE : 0, reterr));
	CGR_TRY(a.run != NULL ? export_run(&a, trace, &summary, reterr) : export_store(&a, trace, &summary, reterr));
	fprintf(stderr, "exported %" PRIu64 " events of %u CPUs to %s\n", summary.events, summary.cpus, a.output);
	return 0;
}

const struct cgr_command cgr_command_export = {
	.name = "export",
	.summary = "write a recording or a simulated schedule as trace.dat, Perfetto JSON or CSV",
	.usage = "export STORE -o FILE [--to trace|perfetto|csv] [--run RUN]",
	.examples = "cgreplay export web.db -o web.json\n"
	            "cgreplay export runs.db --run base -o simulated.dat",
	.run = run,
};
