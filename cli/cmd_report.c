/* cgreplay report: one HTML page or CSV files from a results store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "common/optparse.h"
#include "common/util.h"
#include "reports/report.h"
#include "reports/text.h"
#include "store/result.h"

struct report {
	const char *store_path, *output, *csv_folder, *format;
	struct cgr_string_list runs;
	int64_t size_limit;
	struct cgr_results *results;
	struct cgr_results_entry *entries;
	size_t entry_count;
	struct cgr_result **loaded;
	bool *detailed;
	size_t count;
};

/* A sweep of hundreds of runs: only those shown in detail need their series in memory. */
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

static int load_one(struct report *report, int64_t run, bool detailed, struct cgr_error *reterr)
{
	CGR_TRY(cgr_interrupt_check(reterr));
	CGR_TRY(cgr_results_load(report->results, run, &report->loaded[report->count], reterr));
	if (!detailed)
		drop_bulk(report->loaded[report->count]);
	report->detailed[report->count++] = detailed;
	return 0;
}

static int load_runs(struct report *report, struct cgr_error *reterr)
{
	CGR_TRY(cgr_results_list(report->results, &report->entries, &report->entry_count, reterr));
	size_t count = report->runs.count ? report->runs.count : report->entry_count;
	report->loaded = cgr_calloc(count + 1, sizeof *report->loaded);
	report->detailed = cgr_calloc(count + 1, sizeof *report->detailed);
	if (!report->loaded || !report->detailed)
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", report->store_path);
	for (size_t i = 0; i < report->runs.count; i++) {
		int64_t run;
		CGR_TRY(cgr_results_find(report->results, report->runs.item[i], &run, reterr));
		CGR_TRY(load_one(report, run, i < CGR_REPORT_PAGE_RUNS || report->csv_folder, reterr));
	}
	for (size_t i = 0; i < report->entry_count && report->runs.count == 0; i++)
		CGR_TRY(load_one(report, report->entries[i].run, i < CGR_REPORT_PAGE_RUNS || report->csv_folder, reterr));
	if (report->count == 0)
		return cgr_error_set(reterr, CGR_E_INPUT, "%s: holds no run; make one with cgreplay replay STORE -o %s",
		                     report->store_path, report->store_path);
	return 0;
}

/* The command line as one would type it, for the page's "make this again". */
static char *command_line(int argc, char **argv)
{
	struct cgr_strbuf text = { 0 };
	cgr_strbuf_printf(&text, "cgreplay");
	for (int i = 0; i < argc; i++) {
		cgr_strbuf_append(&text, " ", 1);
		cgr_text_shell(&text, argv[i]);
	}
	if (text.failed)
		cgr_strbuf_fini(&text);
	return text.text;
}

static int write_page(const struct report *report, const char *command, struct cgr_error *reterr)
{
	struct cgr_strbuf page = { 0 };
	struct cgr_outfile file = { 0 };
	const struct cgr_report_page_options options = {
		.command = &command, .commands = 1, .detailed = report->detailed, .size_limit = (size_t)report->size_limit
	};
	const struct cgr_result *const *results = (const struct cgr_result *const *)report->loaded;
	int rc = cgr_report_html(&page, results, report->count, &options, reterr);
	if (rc == 0 && strcmp(report->output, "-") == 0) {
		if (fwrite(page.text, 1, page.length, stdout) != page.length)
			rc = cgr_error_errno(reterr, CGR_E_IO, "cannot write the page");
	} else if (rc == 0) {
		rc = cgr_outfile_open(&file, report->output, reterr);
		if (rc == 0)
			rc = cgr_write_all(file.fd, page.text, page.length, report->output, reterr);
		if (rc == 0)
			rc = cgr_outfile_commit(&file, reterr);
		if (rc < 0)
			cgr_outfile_abort(&file);
	}
	cgr_strbuf_fini(&page);
	return rc;
}

static int print_runs(const struct report *report, struct cgr_error *reterr)
{
	const struct cgr_result *const *results = (const struct cgr_result *const *)report->loaded;
	if (strcmp(report->format, "json") == 0)
		return report->count == 1 ? cgr_report_json(stdout, results[0], reterr)
		                          : cgr_report_json_list(stdout, results, report->count, reterr);
	if (strcmp(report->format, "csv") == 0)
		return cgr_report_csv(stdout, results, report->count, reterr);
	const char *no_colour = getenv("NO_COLOR");
	struct cgr_report_table_options options = { .colour = isatty(1) && (!no_colour || !*no_colour) };
	for (size_t i = 0; i < report->count; i++) {
		if (i > 0)
			printf("\n");
		CGR_TRY(cgr_report_table(stdout, results[i], &options, reterr));
	}
	return 0;
}

static int make(struct report *report, const char *command, struct cgr_error *reterr)
{
	CGR_TRY(cgr_results_open(report->store_path, false, &report->results, reterr));
	CGR_TRY(load_runs(report, reterr));
	if (report->csv_folder)
		CGR_TRY(cgr_report_csv_folder(report->csv_folder, (const struct cgr_result *const *)report->loaded,
		                              report->count, reterr));
	if (report->output)
		CGR_TRY(write_page(report, command, reterr));
	if (!report->csv_folder && !report->output)
		CGR_TRY(print_runs(report, reterr));
	return 0;
}

static void fini(struct report *report)
{
	for (size_t i = 0; i < report->count; i++)
		cgr_result_free(report->loaded[i]);
	free(report->loaded);
	free(report->detailed);
	cgr_results_list_free(report->entries, report->entry_count);
	cgr_results_free(report->results);
	cgr_string_list_fini(&report->runs);
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct report report = { .format = "table", .size_limit = CGR_REPORT_PAGE_BYTES };
	const struct cgr_option options[] = {
		{ "output", 'o', CGR_OPT_STRING, &report.output, "FILE", "write one self-contained HTML page; - is stdout",
		  NULL, 0, 0 },
		{ "csv", 0, CGR_OPT_STRING, &report.csv_folder, "DIR", "write CSV files into this folder", NULL, 0, 0 },
		{ "run", 'r', CGR_OPT_LIST, &report.runs, "RUN", "only this run (name or number); may be repeated", NULL, 0,
		  0 },
		{ "format", 0, CGR_OPT_ENUM, &report.format, "FORMAT", "without -o and --csv: what goes to stdout",
		  "table|csv|json", 0, 0 },
		{ "max-size", 0, CGR_OPT_BYTES, &report.size_limit, "SIZE",
		  "size the page may have: charts lose points until it fits", NULL, 256 << 10, INT64_C(1) << 30 },
	};
	char *command = command_line(argc, argv);
	int positionals, rest;
	int rc = cgr_options_parse(&cgr_command_report, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals, &rest,
	                           reterr);
	if (rc == 0 && positionals != 1)
		rc = cgr_error_set(reterr, CGR_E_USAGE, "report: one results store, made with cgreplay replay -o; got %d",
		                   positionals);
	if (rc == 0) {
		report.store_path = argv[1];
		rc = make(&report, command, reterr);
	}
	fini(&report);
	free(command);
	return rc == 1 ? 0 : rc;
}

const struct cgr_command cgr_command_report = {
	.name = "report",
	.summary = "write an HTML page or CSV files from the runs of a results store",
	.usage = "report RUNS.db [-o FILE.html] [--csv DIR] [--run RUN]...",
	.examples = "cgreplay report runs.db -o report.html\ncgreplay report runs.db --csv runs-csv",
	.run = run,
};
