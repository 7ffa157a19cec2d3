/* Output files that appear whole or not at all: temporary sibling, fsync, rename. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/util.h"

static char *temp_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	int folder = slash == NULL ? 0 : (int)(slash - path) + 1;

	return cgr_printf("%.*s.%s.cgr-tmp-%d", folder, path, path + folder, (int)getpid());
}

int cgr_outfile_open(struct cgr_outfile *file, const char *path, struct cgr_error *reterr)
{
	*file = (struct cgr_outfile){ .fd = -1 };
	file->path = cgr_strdup(path);
	file->temp_path = temp_name(path);
	if (file->path == NULL || file->temp_path == NULL) {
		cgr_outfile_abort(file);
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	}
	file->fd = open(file->temp_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (file->fd < 0) {
		int rc = cgr_error_errno(reterr, CGR_E_IO, "%s: cannot create beside its place", path);
		cgr_outfile_abort(file);
		return rc;
	}
	return 0;
}

int cgr_outfile_commit(struct cgr_outfile *file, struct cgr_error *reterr)
{
	int rc = 0;

	if (fsync(file->fd) < 0)
		rc = cgr_error_errno(reterr, CGR_E_IO, "%s: cannot flush", file->path);
	if (rc == 0 && rename(file->temp_path, file->path) < 0)
		rc = cgr_error_errno(reterr, CGR_E_IO, "%s: cannot rename into place", file->path);
	if (rc == 0) {
		free(file->temp_path);
		file->temp_path = NULL;
	}
	cgr_outfile_abort(file);
	return rc;
}

void cgr_outfile_abort(struct cgr_outfile *file)
{
	if (file->path == NULL && file->temp_path == NULL)
		return;
	if (file->fd >= 0)
		(void)close(file->fd);
	if (file->temp_path != NULL)
		(void)unlink(file->temp_path);
	free(file->path);
	free(file->temp_path);
	*file = (struct cgr_outfile){ .fd = -1 };
}
