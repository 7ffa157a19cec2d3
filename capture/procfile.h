/* Small files of /proc, /sys and cgroupfs: they lie about their size, vanish between two calls, and may refuse. */
#ifndef CGR_CAPTURE_PROCFILE_H
#define CGR_CAPTURE_PROCFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One reusable buffer; zero-initialise. */
struct cgr_procfile {
	char *text; /* NUL-terminated after a read that returned >= 0 */
	size_t length, capacity;
};
/* Reads all of path (dirfd as openat; AT_FDCWD for plain paths), at most limit bytes. Returns 0, or -errno. */
int cgr_procfile_read(struct cgr_procfile *file, int dirfd, const char *path, size_t limit);
void cgr_procfile_fini(struct cgr_procfile *file);
/* Whole-file number; false when absent or not a number. */
bool cgr_procfile_int(int dirfd, const char *path, int64_t *ret_value);
/* First line of a small file, cut to size; false when unreadable. */
bool cgr_procfile_line(int dirfd, const char *path, char *out, size_t size);

#endif
