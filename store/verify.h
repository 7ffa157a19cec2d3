/* Proof that a store is whole: every checksum, every reference, and rows and packed stream that say the same. */
#ifndef CGR_STORE_VERIFY_H
#define CGR_STORE_VERIFY_H

#include <stdint.h>

#include "common/error.h"
#include "common/progress.h"

struct cgr_verify_summary {
	uint64_t events, blocks; /* of the packed stream */
	uint64_t rows; /* compared with it, value by value */
	unsigned tables; /* that hold them */
	unsigned skipped; /* tables that --lean left empty */
};

/* CGR_E_INPUT with the first difference: table, row, column, both values. */
int cgr_store_verify(const char *path, struct cgr_progress *progress, struct cgr_verify_summary *ret_summary,
                     struct cgr_error *reterr);

#endif
