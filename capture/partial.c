#include "capture/partial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/util.h"

/* A partial file nobody holds is what a killed recorder left: it is somebody's data, so it is kept aside. */
static int move_leftover(const char *path, FILE *notes, struct cgr_error *reterr)
{
	CGR_TRY(cgr_outfile_check(path, reterr));
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return cgr_error_errno(reterr, CGR_E_IO, "%s: a file of this name is in the way", path);
	bool held = flock(fd, LOCK_EX | LOCK_NB) != 0;
	(void)close(fd);
	if (held)
		return cgr_error_set(reterr, CGR_E_USAGE, "%s: another recording writes it; choose another -o", path);
	for (unsigned i = 1; i < 10000; i++) {
		char *name = cgr_printf("%s.%u", path, i);
		if (name == NULL)
			return cgr_error_set(reterr, CGR_E_NOMEM, "no memory");
		bool moved = access(name, F_OK) != 0 && rename(path, name) == 0;
		if (moved && notes != NULL)
			(void)fprintf(notes, "cgreplay: %s: left by a killed recording, can be imported\n", name);
		free(name);
		if (moved)
			return 0;
	}
	return cgr_error_set(reterr, CGR_E_IO, "%s: left by a killed recording and cannot be moved aside", path);
}

int cgr_partial_open(const char *path, FILE *notes, int *ret_fd, struct cgr_error *reterr)
{
	int fd = -1;

	*ret_fd = -1;
	for (unsigned attempt = 0; attempt < 2 && fd < 0; attempt++) {
		fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
		if (fd < 0 && errno == EEXIST)
			CGR_TRY(move_leftover(path, notes, reterr));
	}
	if (fd < 0)
		return cgr_error_errno(reterr, CGR_E_IO, "%s: cannot create", path);
	(void)flock(fd, LOCK_EX | LOCK_NB);
	*ret_fd = fd;
	return 0;
}
