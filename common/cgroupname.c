#include "common/cgroupname.h"

#include <stddef.h>
#include <string.h>

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
