#include "capture/procfile.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST_BYTES 4096u

static int reserve(struct cgr_procfile *file, size_t need)
{
	if (need <= file->capacity)
		return 0;
	char *grown = realloc(file->text, need);
	if (grown == NULL)
		return -ENOMEM;
	file->text = grown;
	file->capacity = need;
	return 0;
}

int cgr_procfile_read(struct cgr_procfile *file, int dirfd, const char *path, size_t limit)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	int rc = fd < 0 ? -errno : reserve(file, FIRST_BYTES);

	file->length = 0;
	while (rc == 0 && file->length < limit) {
		ssize_t got = read(fd, file->text + file->length, file->capacity - file->length - 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0) {
			rc = got < 0 ? -errno : 0;
			break;
		}
		file->length += (size_t)got;
		if (file->capacity - file->length < 2)
			rc = reserve(file, file->capacity * 2);
	}
	if (file->text != NULL)
		file->text[rc == 0 ? file->length : 0] = '\0';
	if (fd >= 0)
		(void)close(fd);
	return rc;
}

void cgr_procfile_fini(struct cgr_procfile *file)
{
	free(file->text);
	*file = (struct cgr_procfile){ 0 };
}

bool cgr_procfile_line(int dirfd, const char *path, char *out, size_t size)
{
	int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC);
	ssize_t got = fd < 0 ? -1 : read(fd, out, size - 1);

	if (fd >= 0)
		(void)close(fd);
	if (got < 0)
		return false;
	out[got] = '\0';
	out[strcspn(out, "\n")] = '\0';
	return true;
}

bool cgr_procfile_int(int dirfd, const char *path, int64_t *ret_value)
{
	char line[64];
	char *end;

	if (!cgr_procfile_line(dirfd, path, line, sizeof(line)) || line[0] == '\0')
		return false;
	errno = 0;
	*ret_value = strtoll(line, &end, 10);
	return errno == 0 && *end == '\0';
}
