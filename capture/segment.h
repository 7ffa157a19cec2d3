/* The files of a recording in numbered segments: NAME.0001, NAME.0002, ...; the one that grows is NAME.0003.partial. */
#ifndef CGR_CAPTURE_SEGMENT_H
#define CGR_CAPTURE_SEGMENT_H

#include <stddef.h>
#include <stdint.h>

#include "common/error.h"

struct cgr_segment_file {
	unsigned number;
	uint64_t bytes;
	char *path;
};

/* Finished segments of NAME on disk, oldest first: those of this recording and those an earlier one left. */
struct cgr_segment_set {
	struct cgr_segment_file *file;
	size_t count, capacity;
	uint64_t bytes; /* of all */
	unsigned first; /* number of this recording's first segment */
	unsigned next; /* number to give next */
	unsigned removed; /* files of this recording that had to go */
};

/* Name of segment `number`, malloc'ed; NULL without memory. */
char *cgr_segment_name(const char *output, unsigned number);
/* What stands under this name already. CGR_E_USAGE when a living recorder writes one of them. */
int cgr_segment_set_load(struct cgr_segment_set *set, const char *output, struct cgr_error *reterr);
/* Takes a finished file in; `path` is copied. */
int cgr_segment_set_add(struct cgr_segment_set *set, unsigned number, const char *path, struct cgr_error *reterr);
/* Removes the oldest until no more than `bytes` are left. A file that cannot be removed is an error: the bound would
 * be broken. */
int cgr_segment_set_trim(struct cgr_segment_set *set, uint64_t bytes, struct cgr_error *reterr);
void cgr_segment_set_fini(struct cgr_segment_set *set);

#endif
