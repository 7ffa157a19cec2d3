/* What the files of the results store share. */
#ifndef CGR_STORE_RESULTS_INTERNAL_H
#define CGR_STORE_RESULTS_INTERNAL_H

#include "common/util.h"
#include "store/db.h"
#include "store/result.h"

struct cgr_results {
	struct cgr_db db;
	bool writable;
	struct cgr_outfile fresh; /* a new store stands beside its place until its first run is in it */
};

/* After the first commit of a new store. */
int cgr_results_put_in_place(struct cgr_results *results, struct cgr_error *reterr);

extern const char *const cgr_results_schema[]; /* name, SQL, name, SQL, ..., NULL */
extern const char *const cgr_results_schema_added[];
/* True when the store has the table. */
bool cgr_results_has_table(const struct cgr_results *results, const char *name);

/* Histograms as text "bucket:count bucket:count ...", ascending, so that people can read them with sqlite3.
 * NULL when empty. Caller frees. */
char *cgr_results_histogram_text(const struct cgr_histogram *histogram);
int cgr_results_histogram_parse(const struct cgr_results *results, const char *text, uint64_t count, uint64_t sum,
                                uint64_t maximum, struct cgr_histogram *histogram, struct cgr_error *reterr);

#endif
