/* Dirty page cache, and the file that the readers need. */
#include "load.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1024 * 1024LL)

static int64_t fill(const char *path, int64_t mib, int64_t rate, int flags)
{
	static char block[65536];
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | flags, 0644);
	int64_t start_ns = load_now_ns();
	uint64_t state = 7;
	if (fd < 0)
		load_die(path);
	for (int64_t at = 0; at < mib * MIB; at += (int64_t)sizeof(block)) {
		uint64_t word = load_random(&state);
		memcpy(block, &word, sizeof(word));
		if (rate > 0 && at % MIB == 0)
			load_sleep_until_ns(start_ns + at / MIB * 1000000000 / rate);
		if (pwrite(fd, block, sizeof(block), at) != (ssize_t)sizeof(block))
			load_die(path);
	}
	return fd;
}

static int64_t dirty_run(const struct load_args *args)
{
	int64_t mib = load_int(args, "mib");
	int64_t fd = 0;
	for (int64_t i = 0; i < load_int(args, "passes"); i++) {
		fd = fill(load_text(args, "file"), mib, load_int(args, "rate"), 0);
		if (load_int(args, "sync") && fdatasync((int)fd))
			load_die("fdatasync");
		close((int)fd);
	}
	return mib * load_int(args, "passes");
}

/* Skewed writes through a shared mapping, and one msync at the end. */
static int64_t mapwrite_run(const struct load_args *args)
{
	const char *path = load_text(args, "file");
	int64_t writes = load_int(args, "writes");
	uint64_t state = (uint64_t)load_int(args, "seed");
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_size < LOAD_PAGE_BYTES)
		load_die(path);
	uint64_t pages = (uint64_t)st.st_size / LOAD_PAGE_BYTES;
	volatile char *map = mmap(NULL, pages * LOAD_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		load_die("mmap");
	for (int64_t i = 0; i < writes; i++)
		map[load_skewed(&state, pages) * LOAD_PAGE_BYTES]++;
	if (msync((void *)(uintptr_t)map, pages * LOAD_PAGE_BYTES, MS_SYNC))
		load_die("msync");
	return writes;
}

/* Makes the file if it has not the wanted size, writes it back and drops it from the page cache, so that the
 * next reader finds it cold and is the one who pays for it. */
static int64_t file_run(const struct load_args *args)
{
	const char *path = load_text(args, "file");
	int64_t mib = load_int(args, "mib");
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (mib > 0 && (fd < 0 || lseek(fd, 0, SEEK_END) != mib * MIB)) {
		if (fd >= 0)
			close(fd);
		fd = (int)fill(path, mib, 0, O_TRUNC);
	}
	if (fd < 0)
		load_die(path);
	if (fdatasync(fd) || posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED))
		load_die(path);
	return mib;
}

static const struct load_option dirty_options[] = {
	{ "file", "cgr-load.dirty", "file to write" },   { "mib", "64", "size" },
	{ "passes", "1", "times it is written" },        { "rate", "0", "MiB per second; 0: as fast as it goes" },
	{ "sync", "1", "1: fdatasync after each pass" }, { 0 },
};
static const struct load_option mapwrite_options[] = {
	{ "file", "cgr-load.file", "file to write to" },
	{ "writes", "30000", "bytes written" },
	{ "seed", "1", "chance" },
	{ 0 },
};
static const struct load_option file_options[] = {
	{ "file", "cgr-load.file", "file to make and to drop from the cache" },
	{ "mib", "0", "size; 0: as it is" },
	{ 0 },
};
const struct load_workload load_dirty = { "dirty", "writes a file through the page cache", dirty_options, dirty_run };
const struct load_workload load_mapwrite = { "mapwrite", "skewed writes through mmap", mapwrite_options, mapwrite_run };
const struct load_workload load_file = { "file", "makes a file and drops it from the cache", file_options, file_run };
