/* Members of the JSON document, for the printers that embed it (page, list of runs). */
#ifndef CGR_REPORTS_JSON_H
#define CGR_REPORTS_JSON_H

#include <jansson.h>

#include "common/util.h"
#include "store/result.h"

/* The document of one run (docs/FORMATS.md). New reference, NULL when out of memory. */
json_t *cgr_report_json_run(const struct cgr_result *result);
/* A hostile name as a JSON string; NULL text becomes null. */
json_t *cgr_report_json_text(const char *text);
/* null for CGR_UNLIMITED: JSON has no infinity and a script must not take 2^63 for a size. */
json_t *cgr_report_json_value(int64_t value);
/* A JSON string that may stand inside <script>: ASCII only, and < > & as \u escapes. */
void cgr_report_script_text(struct cgr_strbuf *out, const char *text);

#endif
