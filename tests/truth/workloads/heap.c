/* Heaps as programs have them: waves of malloc and malloc_trim, a fork whose sides write (copy on write), huge pages.
 */
#include "load.h"

#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024 * 1024LL)
#define HUGE (2 * MIB)

/* Pieces of 1 to 32 KiB until they are mib MiB; the list is one of them, so that all of it is heap. */
static char **fill(int64_t mib, uint64_t *state, int64_t *count)
{
	char **piece = calloc((size_t)(mib * MIB / 1024), sizeof(*piece));
	if (!piece)
		load_die("calloc");
	*count = 0;
	for (int64_t bytes = 0; bytes < mib * MIB;) {
		int64_t size = 1024 + (int64_t)(load_random(state) % (31 * 1024));
		if (!(piece[*count] = malloc((size_t)size)))
			load_die("malloc");
		memset(piece[(*count)++], 1, (size_t)size);
		bytes += size;
	}
	return piece;
}

static int64_t waves_run(const struct load_args *args)
{
	uint64_t state = (uint64_t)load_int(args, "seed");
	int64_t waves = load_int(args, "waves"), low = load_int(args, "low_mib"), high = load_int(args, "high_mib"), count;
	mallopt(M_MMAP_THRESHOLD, 1 << 30);
	mallopt(M_TRIM_THRESHOLD, 1 << 30);
	fill(low, &state, &count);
	for (int64_t i = 1; i <= waves; i++) {
		char **piece = fill((high - low) * i / waves, &state, &count);
		load_sleep_usec(load_int(args, "rest_msec") * 1000);
		for (int64_t n = 0; n < count; n++)
			if (n % 16) /* some stay: holes that only whole pages are given back from */
				free(piece[n]);
		free(piece);
		malloc_trim(0);
		load_sleep_usec(load_int(args, "rest_msec") * 1000);
	}
	return waves;
}

static void rewrite(char *memory, int64_t pages, int64_t writes, uint64_t seed)
{
	for (int64_t i = 0; i < writes; i++) {
		int64_t page = (int64_t)(load_random(&seed) % (uint64_t)pages);
		((volatile char *)memory)[page * LOAD_PAGE_BYTES]++;
	}
}

/* A parent that goes on writing while a child holds, and partly rewrites, what it had at the fork. */
static int64_t cow_run(const struct load_args *args)
{
	int64_t mib = load_int(args, "mib"), writes = load_int(args, "writes"), pages = mib * MIB / LOAD_PAGE_BYTES;
	char *memory = load_anon(mib * MIB);
	int status;
	load_touch(memory, 0, mib * MIB);
	for (int64_t i = 0; i < load_int(args, "rounds"); i++) {
		pid_t pid = fork();
		if (pid < 0)
			load_die("fork");
		if (!pid) {
			rewrite(memory, pages, writes / 2, (uint64_t)i + 1000);
			load_sleep_usec(load_int(args, "hold_msec") * 1000);
			_exit(0);
		}
		rewrite(memory, pages, writes, (uint64_t)i);
		if (waitpid(pid, &status, 0) < 0)
			load_die("waitpid");
	}
	return pages;
}

/* A heap of huge pages that grows, gives every other one back and fills the holes again; odd pages split one. */
static int64_t huge_run(const struct load_args *args)
{
	int64_t mib = load_int(args, "mib"), rest_usec = load_int(args, "rest_msec") * 1000;
	char *raw = mmap(NULL, (size_t)(mib * MIB + HUGE), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (raw == MAP_FAILED)
		load_die("mmap");
	char *memory = raw + (HUGE - (int64_t)((uintptr_t)raw % HUGE)) % HUGE;
	if (madvise(memory, (size_t)(mib * MIB), MADV_HUGEPAGE) && errno != EINVAL)
		load_die("madvise");
	for (int64_t at = 0; at < mib * MIB; at += MIB) {
		load_touch(memory, at, at + MIB);
		load_sleep_usec(rest_usec);
	}
	for (int64_t pass = 0; pass < load_int(args, "passes"); pass++) {
		for (int64_t at = 0; at < mib * MIB; at += 2 * HUGE)
			if (madvise(memory + at, (size_t)(pass % 2 ? HUGE / 2 : HUGE), MADV_DONTNEED))
				load_die("madvise");
		load_sleep_usec(rest_usec);
		load_touch(memory, 0, mib * MIB);
	}
	return mib;
}

static const struct load_option waves_options[] = {
	{ "low_mib", "8", "heap that stays" },
	{ "high_mib", "64", "heap at the top of the last wave" },
	{ "waves", "5", "waves, each higher than the one before" },
	{ "rest_msec", "60", "rest at the top and after trimming" },
	{ "seed", "1", "chance" },
	{ 0 },
};
static const struct load_option cow_options[] = {
	{ "mib", "40", "memory at the fork" },
	{ "writes", "6000", "random pages the parent writes while the child lives; the child writes half as many" },
	{ "rounds", "4", "forks, one after the other" },
	{ "hold_msec", "60", "rest of the child before it exits" },
	{ 0 },
};
static const struct load_option huge_options[] = {
	{ "mib", "64", "memory" },
	{ "passes", "4", "times that holes are made and filled" },
	{ "rest_msec", "3", "rest after every MiB, and between holes and filling" },
	{ 0 },
};
const struct load_workload load_waves = { "waves", "a heap that is trimmed again and again", waves_options, waves_run };
const struct load_workload load_cow = { "cow", "a parent and a child that write what they share", cow_options,
	                                    cow_run };
const struct load_workload load_huge = { "huge", "a heap of huge pages", huge_options, huge_run };
