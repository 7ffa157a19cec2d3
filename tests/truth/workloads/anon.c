/* Anonymous memory: a ramp touched at a rate, and a saw of ramps that are given back. */
#include "load.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1024 * 1024LL)

static volatile int64_t *progress; /* pages touched so far, where a kill cannot take it away; or NULL */

static void show_progress(const char *path)
{
	if (!*path)
		return;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		load_die(path);
	progress = mmap(NULL, LOAD_PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (progress == MAP_FAILED)
		load_die(path);
	close(fd);
	*progress = 0;
}

/* Touches mib MiB at rate MiB/s (0: as fast as it goes), one MiB at a time on an absolute grid. */
static char *ramp(int64_t mib, int64_t rate)
{
	char *memory = load_anon(mib * MIB);
	int64_t start_ns = load_now_ns();
	for (int64_t i = 0; i < mib; i++) {
		if (rate > 0)
			load_sleep_until_ns(start_ns + i * 1000000000 / rate);
		for (int64_t at = i * MIB; at < (i + 1) * MIB; at += LOAD_PAGE_BYTES) {
			load_touch(memory, at, at + LOAD_PAGE_BYTES);
			if (progress)
				*progress = *progress + 1;
		}
	}
	return memory;
}

static int64_t anon_run(const struct load_args *args)
{
	int64_t mib = load_int(args, "mib");
	show_progress(load_text(args, "progress"));
	char *memory = ramp(mib, load_int(args, "rate"));
	load_sleep_usec(load_int(args, "hold_msec") * 1000);
	for (int64_t i = 0; i < load_int(args, "passes"); i++)
		load_touch(memory, 0, mib * MIB);
	return mib * MIB / LOAD_PAGE_BYTES;
}

static int64_t saw_run(const struct load_args *args)
{
	int64_t low = load_int(args, "low_mib"), high = load_int(args, "high_mib"), teeth = load_int(args, "teeth");
	char *base = ramp(low, 0);
	(void)base;
	for (int64_t i = 0; i < teeth; i++) {
		int64_t mib = (high - low) * (i + 1) / teeth; /* each tooth is higher than the one before */
		char *memory = ramp(mib, load_int(args, "rate"));
		load_sleep_usec(load_int(args, "hold_msec") * 1000);
		if (munmap(memory, (size_t)(mib * MIB)))
			load_die("munmap");
		load_sleep_usec(load_int(args, "hold_msec") * 1000);
	}
	return teeth;
}

static const struct load_option anon_options[] = {
	{ "mib", "100", "memory to touch" },
	{ "rate", "0", "MiB per second; 0: as fast as it goes" },
	{ "hold_msec", "200", "rest with all of it in use" },
	{ "passes", "0", "times it is touched again" },
	{ "progress", "", "page-sized file that gets the number of pages touched so far" },
	{ 0 },
};
static const struct load_option saw_options[] = {
	{ "low_mib", "16", "memory that stays" },
	{ "high_mib", "96", "top of the last tooth" },
	{ "teeth", "4", "ramps, each given back" },
	{ "rate", "400", "MiB per second; 0: as fast as it goes" },
	{ "hold_msec", "50", "rest at the top and at the bottom" },
	{ 0 },
};
const struct load_workload load_saw = { "saw", "ramps that are given back", saw_options, saw_run };
const struct load_workload load_ramp = { "ramp", "a ramp of anonymous memory", anon_options, anon_run };
