/* What people write for a cgroup: its path, or an unambiguous part of a name. */
#ifndef CGR_COMMON_CGROUPNAME_H
#define CGR_COMMON_CGROUPNAME_H

#include <stdbool.h>

/* From the strictest to the loosest; the first that finds any decides. */
enum cgr_name_match {
	CGR_NAME_PATH, /* with or without the leading '/' */
	CGR_NAME_CONTAINER, /* whole name, unit or id of the container */
	CGR_NAME_TAIL, /* last directories of the path */
	CGR_NAME_PART, /* any part of the path or of the container's name; '-' stands for '_' too, as in uids of pods */
	CGR_NAME_MATCHES
};
/* container may be NULL. */
bool cgr_name_matches(const char *path, const char *container, const char *text, enum cgr_name_match how);

/* Patterns of paths, the same wherever one may be written: "*", "?" and "[...]" stay within one directory as in a
 * shell, the leading '/' may be left out, a last directory of two asterisks is all that lies below, however deep, and
 * an asterisk alone is every cgroup. */
bool cgr_name_is_pattern(const char *text);
bool cgr_name_fits(const char *path, const char *pattern); /* never the root */

#endif
