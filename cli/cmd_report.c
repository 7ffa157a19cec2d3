/* cgreplay report: one HTML page or CSV files from a results store. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/runs.h"
#include "common/optparse.h"
#include "common/progress.h"
#include "common/util.h"
#include "reports/report.h"
#include "reports/text.h"
#include "store/result.h"

struct report {
	const char *output, *csv_folder, *format;
	struct cgr_string_list names;
	int64_t size_limit;
	struct cgr_runs runs;
};

static const struct cgr_result *const *borrow_results(const struct report *report)
{
	return (const struct cgr_result *const *)report->runs.result;
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

static int write_page(const struct report *report, const char *path, const char *command, struct cgr_error *reterr)
{
	struct cgr_strbuf page = { 0 };
	const struct cgr_report_page_options options = {
		.command = &command, .commands = 1, .store_path = path, .size_limit = (size_t)report->size_limit
	};
	int rc = cgr_report_html(&page, borrow_results(report), report->runs.count, &options, reterr);
	if (rc == 0)
		rc = cgr_write_text(report->output, page.text, page.length, reterr);
	cgr_strbuf_fini(&page);
	return rc;
}

static int print_runs(const struct report *report, struct cgr_error *reterr)
{
	const struct cgr_result *const *results = borrow_results(report);
	if (strcmp(report->format, "json") == 0)
		return report->runs.count == 1 ? cgr_report_json(stdout, results[0], reterr)
		                               : cgr_report_json_list(stdout, results, report->runs.count, reterr);
	if (strcmp(report->format, "csv") == 0)
		return cgr_report_csv(stdout, results, report->runs.count, reterr);
	struct cgr_report_table_options options = { .colour = cgr_terminal_colour(STDOUT_FILENO) };
	for (size_t i = 0; i < report->runs.count; i++) {
		if (i > 0)
			printf("\n");
		CGR_TRY(cgr_report_table(stdout, results[i], &options, reterr));
	}
	return 0;
}

static int make(struct report *report, const char *path, const char *command, struct cgr_error *reterr)
{
	CGR_TRY(cgr_outfile_refuse_input(report->output, path, reterr));
	CGR_TRY(cgr_outfile_refuse_kinds(report->output, 0, reterr));
	size_t bulk = report->csv_folder ? SIZE_MAX : report->output ? CGR_REPORT_PAGE_RUNS : 0;
	CGR_TRY(cgr_runs_load(path, &report->names, bulk, &report->runs, reterr));
	if (report->csv_folder)
		CGR_TRY(cgr_report_csv_folder(report->csv_folder, borrow_results(report), report->runs.count, reterr));
	if (report->output)
		CGR_TRY(write_page(report, path, command, reterr));
	if (!report->csv_folder && !report->output)
		CGR_TRY(print_runs(report, reterr));
	return 0;
}

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	struct report report = { .format = "table", .size_limit = CGR_REPORT_PAGE_BYTES };
	const struct cgr_option options[] = {
		{ "output", 'o', CGR_OPT_STRING, &report.output, "FILE", "write one self-contained HTML page; - is stdout",
		  NULL, 0, 0 },
		{ "csv", 0, CGR_OPT_STRING, &report.csv_folder, "DIR", "write CSV files into this folder", NULL, 0, 0 },
		{ "run", 'r', CGR_OPT_LIST, &report.names, "RUN", "only this run (name or number); may be repeated", NULL, 0,
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
	if (rc == 0)
		rc = make(&report, argv[1], command, reterr);
	cgr_runs_fini(&report.runs);
	cgr_string_list_fini(&report.names);
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
