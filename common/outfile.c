/* Output files that appear whole or not at all: temporary sibling, fsync, rename. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/util.h"

static char *temp_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	int folder = slash == NULL ? 0 : (int)(slash - path) + 1;

	return cgr_printf("%.*s.%s.cgr-tmp-%d", folder, path, path + folder, (int)getpid());
}

/* A rename would put a plain file in the place of a device, a pipe or a socket: root's /dev/null would be gone. */
int cgr_outfile_check(const char *path, struct cgr_error *reterr)
{
	struct stat st;

	if (path[0] == '\0')
		return cgr_error_set(reterr, CGR_E_USAGE, "the name of the output file is empty");
	if (strcmp(path, "-") == 0)
		return cgr_error_set(reterr, CGR_E_USAGE,
		                     "-: this output is written beside its place and renamed, so it cannot go to standard "
		                     "output: name a file");
	if (stat(path, &st) < 0)
		return 0; /* absent, or unreachable: open() will tell */
	if (S_ISREG(st.st_mode))
		return 0;
	if (S_ISDIR(st.st_mode))
		return cgr_error_set(reterr, CGR_E_USAGE, "%s: is a folder; name a file in it", path);
	return cgr_error_set(reterr, CGR_E_USAGE,
	                     "%s: is a device, pipe or socket; output is written beside its place and renamed, so name a "
	                     "regular file",
	                     path);
}

/* A rename over its own input would take a recording away that nobody can make again. */
int cgr_outfile_refuse_input(const char *path, const char *input, struct cgr_error *reterr)
{
	struct stat out, in;

	if (path == NULL || input == NULL || stat(path, &out) < 0 || stat(input, &in) < 0)
		return 0;
	if (out.st_dev != in.st_dev || out.st_ino != in.st_ino)
		return 0;
	return cgr_error_set(reterr, CGR_E_USAGE,
	                     "%s: is read here and would be written over; give the output a name of its own", path);
}

/* What people cannot make again by one command more, and what is not ours. The names of the kinds of SQLite files stand
 * at 68: CGR_STORE_APPLICATION_ID, CGR_RESULTS_APPLICATION_ID. */
static const struct {
	unsigned kind; /* 0: never replaced */
	unsigned at[2];
	const char *magic[2];
	const char *name;
} kinds[] = {
	{ CGR_OUTFILE_TRACE, { 0 }, { "\x17\x08\x44tracing" }, "a recording (trace.dat)" },
	{ CGR_OUTFILE_PERF, { 0 }, { "PERFILE2" }, "a recording (perf.data)" },
	{ CGR_OUTFILE_PERF, { 0 }, { "2ELIFREP" }, "a recording (perf.data)" },
	{ CGR_OUTFILE_STORE, { 0, 68 }, { "SQLite format 3", "cgre" }, "an event store" },
	{ 0, { 0, 68 }, { "SQLite format 3", "cgrr" }, "a results store" },
	{ 0, { 0 }, { "SQLite format 3" }, "a database (SQLite)" },
};

static bool begins_as(const char *head, size_t length, size_t k)
{
	for (unsigned i = 0; i < 2 && kinds[k].magic[i] != NULL; i++) {
		size_t bytes = strlen(kinds[k].magic[i]);

		if (length < kinds[k].at[i] + bytes || memcmp(head + kinds[k].at[i], kinds[k].magic[i], bytes) != 0)
			return false;
	}
	return true;
}

/* One name mistyped, or two of them swapped, and a day's recording is a store of another. */
int cgr_outfile_refuse_kinds(const char *path, unsigned may_replace, struct cgr_error *reterr)
{
	char head[100];
	size_t length, k = 0;
	struct stat st;
	FILE *file;

	if (path == NULL || stat(path, &st) < 0 || !S_ISREG(st.st_mode) || (file = fopen(path, "rbe")) == NULL)
		return 0;
	length = fread(head, 1, sizeof(head), file);
	(void)fclose(file);
	while (k < CGR_ARRAY_SIZE(kinds) && !begins_as(head, length, k))
		k++;
	if (k == CGR_ARRAY_SIZE(kinds) || (kinds[k].kind & may_replace) != 0)
		return 0;
	return cgr_error_set(reterr, CGR_E_USAGE,
	                     "%s: is %s and would be written over; give the output another name, or remove that file first",
	                     path, kinds[k].name);
}

/* What a symbolic link leads to is written, so that the link stays; a dangling link is replaced. */
char *cgr_outfile_place(const char *path)
{
	struct stat st;
	char *target;

	if (lstat(path, &st) < 0 || !S_ISLNK(st.st_mode))
		return cgr_strdup(path);
	target = realpath(path, NULL);
	return target != NULL || errno == ENOMEM ? target : cgr_strdup(path);
}

/* The name holds our pid, so what stands there was left by a killed run; O_EXCL follows no link planted there. */
static int create(const char *path)
{
	(void)unlink(path);
	return open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
}

int cgr_outfile_open(struct cgr_outfile *file, const char *path, struct cgr_error *reterr)
{
	*file = (struct cgr_outfile){ .fd = -1 };
	CGR_TRY(cgr_outfile_check(path, reterr));
	file->path = cgr_outfile_place(path);
	file->temp_path = file->path == NULL ? NULL : temp_name(file->path);
	if (file->path == NULL || file->temp_path == NULL) {
		cgr_outfile_abort(file);
		return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
	}
	file->fd = create(file->temp_path);
	if (file->fd < 0) {
		int rc = cgr_error_errno(reterr, CGR_E_IO, "%s: cannot create beside its place", path);
		cgr_outfile_abort(file);
		return rc;
	}
	return 0;
}

int cgr_outfile_adopt(struct cgr_outfile *file, const char *path, const char *temp_path, int fd,
                      struct cgr_error *reterr)
{
	*file = (struct cgr_outfile){
		.fd = fd, .path = cgr_outfile_place(path), .temp_path = cgr_strdup(temp_path), .keeps = true
	};
	if (file->path != NULL && file->temp_path != NULL)
		return 0;
	cgr_outfile_abort(file);
	return cgr_error_set(reterr, CGR_E_NOMEM, "%s: out of memory", path);
}

void cgr_outfile_keep(struct cgr_outfile *file)
{
	free(file->temp_path);
	file->temp_path = NULL;
	cgr_outfile_abort(file);
}

int cgr_outfile_commit(struct cgr_outfile *file, struct cgr_error *reterr)
{
	int rc = 0;

	if (fsync(file->fd) < 0)
		rc = cgr_error_errno(reterr, CGR_E_IO, "%s: cannot flush", file->path);
	if (rc == 0 && rename(file->temp_path, file->path) < 0)
		rc = cgr_error_errno(reterr, CGR_E_IO, "%s: cannot rename into place", file->path);
	if (rc == 0 || file->keeps)
		cgr_outfile_keep(file);
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
