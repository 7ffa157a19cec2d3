/* Page cache: reading a file in ways that LRU likes more or less. All reads are single pages with
 * POSIX_FADV_RANDOM unless readahead=1, so that the access pattern is the one written here. */
#include "load.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_file(const struct load_args *args, uint64_t *pages)
{
	struct stat st;
	int fd = load_open(load_text(args, "file"));
	if (fstat(fd, &st) || st.st_size < LOAD_PAGE_BYTES)
		load_die(load_text(args, "file"));
	*pages = (uint64_t)st.st_size / LOAD_PAGE_BYTES;
	if (load_int(args, "mib") > 0 && (uint64_t)load_int(args, "mib") * 256 < *pages)
		*pages = (uint64_t)load_int(args, "mib") * 256;
	int advice = load_int(args, "readahead") ? POSIX_FADV_NORMAL : POSIX_FADV_RANDOM;
	if (posix_fadvise(fd, 0, 0, advice))
		load_die("posix_fadvise");
	return fd;
}

static int64_t scan_run(const struct load_args *args)
{
	uint64_t pages;
	int fd = open_file(args, &pages);
	int64_t passes = load_int(args, "passes");
	for (int64_t i = 0; i < passes; i++) {
		for (uint64_t page = 0; page < pages; page++)
			load_read_page(fd, page);
		load_sleep_usec(load_int(args, "rest_msec") * 1000);
	}
	return passes * (int64_t)pages;
}

static int64_t reread_run(const struct load_args *args)
{
	uint64_t pages, state = (uint64_t)load_int(args, "seed");
	int fd = open_file(args, &pages);
	int64_t reads = load_int(args, "reads");
	for (int64_t i = 0; i < reads; i++)
		load_read_page(fd, load_skewed(&state, pages));
	return reads;
}

/* A hot set that is read all the time, and a scan that passes once through the rest of the file. */
static int64_t hotscan_run(const struct load_args *args)
{
	uint64_t pages, state = (uint64_t)load_int(args, "seed"), hot = (uint64_t)load_int(args, "hot_mib") * 256;
	int fd = open_file(args, &pages);
	int64_t done = 0, share = load_int(args, "hot_reads");
	if (hot >= pages)
		hot = pages / 2;
	for (int64_t pass = 0; pass < load_int(args, "passes"); pass++)
		for (uint64_t page = hot; page < pages; page++) {
			for (int64_t i = 0; i < share; i++, done++)
				load_read_page(fd, load_random(&state) % hot);
			load_read_page(fd, page);
			done++;
		}
	return done;
}

static int64_t mapread_run(const struct load_args *args)
{
	uint64_t pages, state = (uint64_t)load_int(args, "seed"), sum = 0;
	int fd = open_file(args, &pages);
	int64_t reads = load_int(args, "reads");
	const volatile char *map = mmap(NULL, pages * LOAD_PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED)
		load_die("mmap");
	if (!load_int(args, "readahead") && madvise((void *)(uintptr_t)map, pages * LOAD_PAGE_BYTES, MADV_RANDOM))
		load_die("madvise");
	for (int64_t i = 0; i < reads; i++)
		sum += (uint64_t)map[load_skewed(&state, pages) * LOAD_PAGE_BYTES];
	return reads + (sum == 1 ? 1 : 0);
}

/* Anonymous memory that grows while a file is re-read: the cache gives way. */
static int64_t mixed_run(const struct load_args *args)
{
	uint64_t pages, state = (uint64_t)load_int(args, "seed");
	int fd = open_file(args, &pages);
	int64_t reads = load_int(args, "reads"), bytes = load_int(args, "anon_mib") * 1024 * 1024, at = 0;
	char *memory = load_anon(bytes);
	for (int64_t i = 0; i < reads; i++) {
		int64_t to = bytes / reads * (i + 1) / LOAD_PAGE_BYTES * LOAD_PAGE_BYTES;
		load_read_page(fd, load_skewed(&state, pages));
		load_touch(memory, at, to);
		at = to;
	}
	return reads;
}

#define FILE_OPTIONS                                                                                                   \
	{ "file", "cgr-load.file", "file to read" }, { "mib", "0", "use only its first MiB; 0: all" },                     \
	{                                                                                                                  \
		"readahead", "0", "1: let the kernel read ahead"                                                               \
	}

static const struct load_option scan_options[] = {
	FILE_OPTIONS,
	{ "passes", "4", "times through the file" },
	{ "rest_msec", "0", "rest after each pass" },
	{ 0 },
};
static const struct load_option reread_options[] = {
	FILE_OPTIONS,
	{ "reads", "60000", "pages read" },
	{ "seed", "1", "chance" },
	{ 0 },
};
static const struct load_option hotscan_options[] = {
	FILE_OPTIONS,
	{ "hot_mib", "16", "hot set at the start of the file" },
	{ "hot_reads", "1", "hot reads per scanned page" },
	{ "passes", "2", "scans" },
	{ "seed", "1", "chance" },
	{ 0 },
};
static const struct load_option mixed_options[] = {
	FILE_OPTIONS,
	{ "reads", "40000", "pages read" },
	{ "anon_mib", "32", "anonymous memory at the end" },
	{ "seed", "1", "chance" },
	{ 0 },
};
const struct load_workload load_scan = { "scan", "reads a file in order, again and again", scan_options, scan_run };
const struct load_workload load_reread = { "reread", "skewed seeded re-reading", reread_options, reread_run };
const struct load_workload load_hotscan = { "hotscan", "a hot set and a scan", hotscan_options, hotscan_run };
const struct load_workload load_mapread = { "mapread", "skewed reading through mmap", reread_options, mapread_run };
const struct load_workload load_mixed = { "mixed", "a growing heap beside a re-read file", mixed_options, mixed_run };
