/* One pass over the packed stream: events -> task programs. */
#ifndef CGR_REPLAY_COMPILE_H
#define CGR_REPLAY_COMPILE_H

#include "common/progress.h"
#include "replay/program.h"
#include "store/store.h"

/* Compiles the whole store. *ret_programs is the caller's, to free with cgr_programs_free.
 * Errors: CGR_E_INPUT for a damaged stream or a store without scheduler events, CGR_E_NOMEM, CGR_E_IO,
 * CGR_E_INTERRUPTED. */
int cgr_compile(const struct cgr_store *store, struct cgr_progress *progress, struct cgr_programs **ret_programs,
                struct cgr_error *reterr);

#endif
