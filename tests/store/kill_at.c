/* Preloaded: kills its process, as kill -9 does, before the CGR_KILL_AT-th call that changes a file, or in the middle
 * of it when that is a write (half of the bytes are written). With CGR_KILL_COUNT=FILE it lets all of them through and
 * writes their number to FILE at the end. */
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

static atomic_long calls;

/* Is this the call to die at? */
static int due(void)
{
	const char *at = getenv("CGR_KILL_AT");
	long number = atomic_fetch_add(&calls, 1) + 1;

	return at != NULL && atol(at) == number;
}

static void die(void)
{
	(void)kill(getpid(), SIGKILL);
	for (;;)
		(void)pause();
}

__attribute__((destructor)) static void tell(void)
{
	const char *path = getenv("CGR_KILL_COUNT");
	FILE *file = path != NULL ? fopen(path, "w") : NULL;

	if (file != NULL) {
		fprintf(file, "%ld\n", atomic_load(&calls));
		(void)fclose(file);
	}
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t pwrite(int fd, const void *data, size_t size, off_t offset)
{
	if (due()) {
		(void)NEXT(pwrite)(fd, data, size / 2, offset);
		die();
	}
	return NEXT(pwrite)(fd, data, size, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t offset)
{
	if (due()) {
		(void)NEXT(pwrite64)(fd, data, size / 2, offset);
		die();
	}
	return NEXT(pwrite64)(fd, data, size, offset);
}

ssize_t write(int fd, const void *data, size_t size)
{
	if (due()) {
		(void)NEXT(write)(fd, data, size / 2);
		die();
	}
	return NEXT(write)(fd, data, size);
}

int fsync(int fd)
{
	if (due())
		die();
	return NEXT(fsync)(fd);
}

int ftruncate(int fd, off_t size)
{
	if (due())
		die();
	return NEXT(ftruncate)(fd, size);
}

int rename(const char *from, const char *to)
{
	if (due())
		die();
	int rc = NEXT(rename)(from, to);
	if (due()) /* and just after it */
		die();
	return rc;
}

int unlink(const char *path)
{
	if (due())
		die();
	return NEXT(unlink)(path);
}
