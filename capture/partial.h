/* NAME.partial: the file in which a recording grows. It is locked by flock while its recorder lives. */
#ifndef CGR_CAPTURE_PARTIAL_H
#define CGR_CAPTURE_PARTIAL_H

#include <stdio.h>

#include "common/error.h"

/* Creates `path` for reading and writing. One left by a killed recorder is moved to PATH.N; notes (or NULL) say where.
 */
int cgr_partial_open(const char *path, FILE *notes, int *ret_fd, struct cgr_error *reterr);

#endif
