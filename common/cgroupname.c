#include "common/cgroupname.h"

#include <fnmatch.h>
#include <stddef.h>
#include <string.h>

#include "common/limits.h"
#include "common/util.h"

static bool contains(const char *name, const char *part)
{
	for (; *name != '\0'; name++) {
		size_t n = 0;
		while (part[n] != '\0' && (name[n] == part[n] || (name[n] == '_' && part[n] == '-')))
			n++;
		if (part[n] == '\0')
			return true;
	}
	return false;
}

bool cgr_name_matches(const char *path, const char *container, const char *text, enum cgr_name_match how)
{
	size_t whole = strlen(path), length = strlen(text);

	switch (how) {
	case CGR_NAME_PATH:
		return strcmp(path, text) == 0 || (text[0] != '/' && whole > 0 && strcmp(path + 1, text) == 0);
	case CGR_NAME_CONTAINER:
		return container != NULL && strcmp(container, text) == 0;
	case CGR_NAME_TAIL:
		return whole > length && strcmp(path + whole - length, text) == 0 &&
		       (text[0] == '/' || path[whole - length - 1] == '/');
	default:
		return length > 0 && (contains(path, text) || (container != NULL && contains(container, text)));
	}
}

bool cgr_name_is_pattern(const char *text)
{
	return strpbrk(text, "*?[") != NULL;
}

/* Some directory above the path fits the pattern. */
static bool is_below(const char *path, const char *pattern)
{
	char above[CGR_LIMIT_PATH];

	if (!cgr_strcpy(above, sizeof(above), path))
		return false;
	for (char *slash; (slash = strrchr(above, '/')) != NULL && slash != above;) {
		*slash = '\0';
		if (fnmatch(pattern, above + 1, FNM_PATHNAME) == 0)
			return true;
	}
	return false;
}

bool cgr_name_fits(const char *path, const char *pattern)
{
	char top[CGR_LIMIT_PATH];
	size_t length;

	if (path[0] != '/' || path[1] == '\0')
		return false;
	if (strcmp(pattern, "*") == 0)
		return true;
	pattern += pattern[0] == '/';
	if (strcmp(pattern, "**") == 0)
		return true;
	if (fnmatch(pattern, path + 1, FNM_PATHNAME) == 0)
		return true;
	length = strlen(pattern);
	if (length < 3 || strcmp(pattern + length - 3, "/**") != 0 || !cgr_strcpy(top, sizeof(top), pattern))
		return false;
	top[length - 3] = '\0';
	return is_below(path, top);
}
