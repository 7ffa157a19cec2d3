/* The parts of the HTML page. Each appends markup; a failed allocation is remembered in the buffer. */
#ifndef CGR_REPORTS_HTML_H
#define CGR_REPORTS_HTML_H

#include "common/util.h"
#include "reports/report.h"
#include "store/result.h"

/* Verdict in words and the numbers that moved most. */
void cgr_html_verdict(struct cgr_strbuf *out, const struct cgr_result *result);
/* Every run in one table: what it changes and its verdict. */
void cgr_html_overview(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count,
                       const bool *detailed);
void cgr_html_provenance(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count,
                         const struct cgr_report_page_options *options);
/* How well the models reproduce the recording, and what they could not know. trusted: the result whose fidelity holds
 * for this one (cgr_facts_trusted). */
void cgr_html_trust(struct cgr_strbuf *out, const struct cgr_result *result, const struct cgr_result *trusted);
/* The comparison table of one run; rows beyond the budget (bytes) are counted, not written. */
void cgr_html_numbers(struct cgr_strbuf *out, const struct cgr_result *result, size_t budget);
/* What the models decided: kills and limit writes one by one, throttling as a sum. */
void cgr_html_decisions(struct cgr_strbuf *out, const struct cgr_result *result);
void cgr_html_tree(struct cgr_strbuf *out, const struct cgr_result *result);
/* Miss-ratio curves of the cgroups in question; source: the result that holds them, the same or another of the
 * recording. */
void cgr_html_curves(struct cgr_strbuf *out, const struct cgr_result *result, const struct cgr_result *source);
/* JSON for the charts, safe inside <script type="application/json">. Aims at `budget` bytes. */
int cgr_html_data(struct cgr_strbuf *out, const struct cgr_result *const *results, size_t count, const bool *detailed,
                  size_t budget, struct cgr_error *reterr);

/* <td> with a value in people's form and the exact one for sorting and copying. */
void cgr_html_value_cell(struct cgr_strbuf *out, const char *unit, int64_t value);

#endif
