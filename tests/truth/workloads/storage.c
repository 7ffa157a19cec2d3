/* Files as databases use them: reads at random places, and a mapping written and synced range by range. */
#include "load.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_KIB_MAX 256

static int64_t randread_run(const struct load_args *args)
{
	static char block[BLOCK_KIB_MAX * 1024];
	int64_t bytes = load_int(args, "block_kib") * 1024, reads = load_int(args, "reads");
	uint64_t state = (uint64_t)load_int(args, "seed");
	struct stat st;
	int fd = load_open(load_text(args, "file"));
	if (fstat(fd, &st) || bytes <= 0 || bytes > (int64_t)sizeof(block) || st.st_size < bytes)
		load_die(load_text(args, "file"));
	for (int64_t i = 0; i < reads; i++) {
		int64_t at = (int64_t)(load_random(&state) % (uint64_t)(st.st_size / bytes)) * bytes;
		if (pread(fd, block, (size_t)bytes, at) != bytes)
			load_die("pread");
	}
	return reads;
}

static int64_t msync_run(const struct load_args *args)
{
	const char *path = load_text(args, "file");
	int64_t range = load_int(args, "range_kib") * 1024, passes = load_int(args, "passes");
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || range <= 0 || st.st_size < range)
		load_die(path);
	char *map = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		load_die("mmap");
	for (int64_t pass = 0; pass < passes; pass++)
		for (int64_t at = 0; at + range <= st.st_size; at += range) {
			load_touch(map, at, at + range);
			if (msync(map + at, (size_t)range, MS_SYNC))
				load_die("msync");
		}
	return passes * st.st_size / range;
}

static const struct load_option randread_options[] = {
	{ "file", "cgr-load.file", "file to read" },
	{ "reads", "20000", "reads at random places, all alike, with the kernel's own readahead" },
	{ "block_kib", "16", "size of a read" },
	{ "seed", "1", "chance" },
	{ 0 },
};
static const struct load_option msync_options[] = {
	{ "file", "cgr-load.file", "file to write to" },
	{ "range_kib", "1024", "piece that is written, then synced" },
	{ "passes", "2", "times through the file" },
	{ 0 },
};
const struct load_workload load_randread = { "randread", "reads at random places", randread_options, randread_run };
const struct load_workload load_msync = { "msync", "a mapped file written and synced by pieces", msync_options,
	                                      msync_run };
