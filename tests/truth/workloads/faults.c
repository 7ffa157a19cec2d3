/* The page-fault storm: touch memory and give it back, in a loop; and the program that moves to another cgroup. */
#include "load.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1024 * 1024LL)

static int64_t faults_thread(int64_t index, const struct load_args *args)
{
	int64_t bytes = load_int(args, "mib") * MIB, loops = load_int(args, "loops");
	char *memory = load_anon(bytes);
	(void)index;
	for (int64_t i = 0; i < loops; i++) {
		load_touch(memory, 0, bytes);
		if (madvise(memory, (size_t)bytes, MADV_DONTNEED))
			load_die("madvise");
	}
	return loops * bytes / LOAD_PAGE_BYTES;
}

static int64_t faults_run(const struct load_args *args)
{
	return load_threads(load_int(args, "threads"), faults_thread, args);
}

/* Touches memory in one cgroup, moves, touches more: pages stay charged where they were first touched. */
static int64_t attach_run(const struct load_args *args)
{
	int64_t before = load_int(args, "before_mib") * MIB, after = load_int(args, "after_mib") * MIB;
	char *memory = load_anon(before + after), list[1024];
	load_touch(memory, 0, before);
	load_burn(load_int(args, "burn_msec") * 1000);
	snprintf(list, sizeof(list), "%s", load_text(args, "to"));
	for (char *save = NULL, *dir = strtok_r(list, ",", &save); dir; dir = strtok_r(NULL, ",", &save)) {
		char path[1100];
		snprintf(path, sizeof(path), "%s/cgroup.procs", dir);
		int fd = open(path, O_WRONLY | O_CLOEXEC);
		if (fd < 0 || write(fd, "0", 1) != 1)
			load_die(path);
		close(fd);
	}
	load_touch(memory, before, before + after);
	load_burn(load_int(args, "burn_msec") * 1000);
	load_sleep_usec(load_int(args, "hold_msec") * 1000);
	return (before + after) / LOAD_PAGE_BYTES;
}

static const struct load_option faults_options[] = {
	{ "threads", "1", "threads" },
	{ "mib", "16", "memory per round" },
	{ "loops", "60", "rounds per thread" },
	{ 0 },
};
static const struct load_option attach_options[] = {
	{ "before_mib", "32", "touched in the first cgroup" },
	{ "after_mib", "32", "touched in the second" },
	{ "burn_msec", "100", "CPU time in each" },
	{ "hold_msec", "100", "rest at the end" },
	{ "to", "", "cgroup directories to move to, comma between them" },
	{ 0 },
};
const struct load_workload load_faults = { "faults", "page-fault storm", faults_options, faults_run };
const struct load_workload load_attach = { "attach", "moves to another cgroup in mid-run", attach_options, attach_run };
