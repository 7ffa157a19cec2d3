/* NAME.partial: the file in which a recording grows. It is locked by flock while its recorder lives. */
#ifndef CGR_CAPTURE_PARTIAL_H
#define CGR_CAPTURE_PARTIAL_H

#include "common/error.h"

/* Creates `path` for reading and writing. One left by a killed recorder is moved to PATH.N; *ret_moved (malloc'ed, or
 * NULL) tells where. */
int cgr_partial_open(const char *path, int *ret_fd, char **ret_moved, struct cgr_error *reterr);

#endif
