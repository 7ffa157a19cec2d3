#include "capture/segment.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"

#define NUMBER_MAX 99999999u

char *cgr_segment_name(const char *output, unsigned number)
{
	return cgr_printf("%s.%04u", output, number);
}

/* Number of "BASE.0012" or "BASE.0012.partial" (and of what was moved aside, "BASE.0012.partial.1"); 0 for others. */
static unsigned number_of(const char *name, const char *base)
{
	size_t length = strlen(base);
	char *end;

	if (strncmp(name, base, length) != 0 || name[length] != '.' || !isdigit((unsigned char)name[length + 1]))
		return 0;
	unsigned long number = strtoul(name + length + 1, &end, 10);
	size_t digits = (size_t)(end - name) - length - 1;
	if (digits < 4 || number > NUMBER_MAX)
		return 0;
	return *end == '\0' || strncmp(end, ".partial", 8) == 0 ? (unsigned)number : 0;
}

static int by_number(const void *a, const void *b)
{
	const struct cgr_segment_file *x = a, *y = b;

	return x->number != y->number ? (x->number < y->number ? -1 : 1) : strcmp(x->path, y->path);
}

/* A recorder holds the lock on its partial file for as long as it lives (journal.c). */
static int refuse_living(const char *path, struct cgr_error *reterr)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;

	if (fd >= 0)
		(void)close(fd);
	return held ? cgr_error_set(reterr, CGR_E_USAGE, "%s: another recording writes it; choose another -o", path) : 0;
}

int cgr_segment_set_add(struct cgr_segment_set *set, unsigned number, const char *path, struct cgr_error *reterr)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return cgr_error_errno(reterr, CGR_E_IO, "%s: cannot be looked at", path);
	CGR_TRY(cgr_grow((void **)&set->file, &set->capacity, set->count + 1, sizeof(*set->file), reterr));
	char *copy = cgr_strdup(path);
	if (copy == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the list of segments");
	set->file[set->count++] =
	    (struct cgr_segment_file){ .number = number, .bytes = (uint64_t)st.st_size, .path = copy };
	set->bytes += (uint64_t)st.st_size;
	set->next = CGR_MAX(set->next, number + 1);
	return 0;
}

static int add_found(struct cgr_segment_set *set, const char *folder, const char *name, unsigned number,
                     struct cgr_error *reterr)
{
	char *path = cgr_printf("%s%s", folder, name);
	int rc = path == NULL ? cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the list of segments") : 0;

	if (rc == 0 && strstr(name, ".partial") != NULL)
		rc = refuse_living(path, reterr);
	if (rc == 0)
		rc = cgr_segment_set_add(set, number, path, reterr);
	free(path);
	return rc;
}

int cgr_segment_set_load(struct cgr_segment_set *set, const char *output, struct cgr_error *reterr)
{
	const char *slash = strrchr(output, '/'), *base = slash == NULL ? output : slash + 1;
	int rc = 0;

	*set = (struct cgr_segment_set){ .next = 1 };
	char *folder = cgr_printf("%.*s", (int)(base - output), output);
	if (folder == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "no memory for the list of segments");
	DIR *list = opendir(folder[0] == '\0' ? "." : folder);
	if (list == NULL)
		rc = cgr_error_errno(reterr, CGR_E_IO, "%s: cannot list the folder", folder[0] == '\0' ? "." : folder);
	for (struct dirent *entry; rc == 0 && (entry = readdir(list)) != NULL;) {
		unsigned number = number_of(entry->d_name, base);
		if (number > 0)
			rc = add_found(set, folder, entry->d_name, number, reterr);
	}
	if (list != NULL)
		(void)closedir(list);
	free(folder);
	if (set->count > 0)
		qsort(set->file, set->count, sizeof(*set->file), by_number);
	set->first = set->next;
	if (rc < 0)
		cgr_segment_set_fini(set);
	return rc;
}

int cgr_segment_set_trim(struct cgr_segment_set *set, uint64_t bytes, struct cgr_error *reterr)
{
	size_t gone = 0;
	int rc = 0;

	for (; gone < set->count && set->bytes > bytes; gone++) {
		struct cgr_segment_file *file = &set->file[gone];
		if (unlink(file->path) != 0 && errno != ENOENT) {
			rc = cgr_error_errno(reterr, CGR_E_IO, "%s: cannot be removed to stay within --max-size", file->path);
			break;
		}
		set->bytes -= file->bytes;
		set->removed += file->number >= set->first;
		free(file->path);
	}
	set->count -= gone;
	if (gone > 0 && set->count > 0)
		memmove(set->file, set->file + gone, set->count * sizeof(*set->file));
	return rc;
}

void cgr_segment_set_fini(struct cgr_segment_set *set)
{
	for (size_t i = 0; i < set->count; i++)
		free(set->file[i].path);
	free(set->file);
	*set = (struct cgr_segment_set){ 0 };
}
