/* Printers of a struct cgr_result: what people, scripts and CI read. Every function takes results it borrows,
 * writes text that is a pure function of them (no clock, no locale, no hash order), and returns 0 or a negative
 * code with the cause filled in; a failed write is CGR_E_IO. */
#ifndef CGR_REPORTS_REPORT_H
#define CGR_REPORTS_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "common/error.h"
#include "common/util.h"
#include "store/result.h"

/* How much of the table a person asked for. NULL instead of the struct means all zero. */
struct cgr_report_table_options {
	bool all; /* every metric of every cgroup, also those that are zero and unchanged */
	bool colour; /* ANSI colours; cli/ decides (terminal, NO_COLOR) */
	const char *store_path; /* for the "next" line, e.g. "web.db"; NULL: taken from the result's source_path */
};

/* The table of design section 5: recording, fidelity and scenario lines, one block per cgroup, verdict, next. */
int cgr_report_table(FILE *out, const struct cgr_result *result, const struct cgr_report_table_options *options,
                     struct cgr_error *reterr);

/* One JSON document, schema_version 1, members as in design section 5 (docs/FORMATS.md has every one). */
int cgr_report_json(FILE *out, const struct cgr_result *result, struct cgr_error *reterr);
/* Several runs: {"schema_version":1,"runs":[document, ...]}. */
int cgr_report_json_list(FILE *out, const struct cgr_result *const *results, size_t count, struct cgr_error *reterr);

/* RFC 4180 rows with a header line: run,cgroup,metric,unit,recorded,predicted,low,high,class.
 * An unknown value is an empty field, an unlimited one "max". */
int cgr_report_csv(FILE *out, const struct cgr_result *const *results, size_t count, struct cgr_error *reterr);
/* metrics.csv, tasks.csv, series.csv, decisions.csv, fidelity.csv, latency.csv, curves.csv, spans.csv, runs.csv in a
 * folder, which is made when it is not there. Each file appears whole or not at all. */
int cgr_report_csv_folder(const char *folder, const struct cgr_result *const *results, size_t count,
                          struct cgr_error *reterr);

struct cgr_report_page_options {
	const char *const *command; /* how this page was made, one shell line each, newest last; may be empty */
	size_t commands;
	const char *store_path; /* results store the runs are in, for the commands that do not say; or NULL */
	const bool *detailed; /* per result: with its own numbers and charts; NULL: the first eight */
	size_t size_limit; /* bytes aimed at by downsampling the charts; 0: CGR_REPORT_PAGE_BYTES */
};
#define CGR_REPORT_PAGE_BYTES (5u << 20)
#define CGR_REPORT_PAGE_RUNS 8u
/* One self-contained HTML page: no request to anywhere, a strict CSP, readable without JavaScript. Appends to out. */
int cgr_report_html(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count,
                    const struct cgr_report_page_options *options, struct cgr_error *reterr);

/* "safe but slower: nothing is killed; 20.4k more refaults cost 1.9 s (5 %)". Plain text, no markup. Sets
 * *ret_level to 0 as recorded or better, 1 worse but nothing broke, 2 something was killed or never finished,
 * 3 the models do not reproduce the recording well enough to say. */
void cgr_report_verdict(const struct cgr_result *result, struct cgr_strbuf *ret_text, int *ret_level);

#endif
