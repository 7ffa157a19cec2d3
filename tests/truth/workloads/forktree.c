/* A tree of processes: each burns, forks its children, waits for them, burns again; a build tool's shape. */
#include "load.h"

#include <sys/wait.h>
#include <unistd.h>

static void grow(int64_t depth, int64_t fanout, int64_t burn_usec)
{
	int status;
	load_burn(burn_usec);
	for (int64_t i = 0; depth > 0 && i < fanout; i++) {
		pid_t child = fork();
		if (child < 0)
			load_die("fork");
		if (!child) {
			grow(depth - 1, fanout, burn_usec);
			_exit(0);
		}
	}
	for (int64_t i = 0; depth > 0 && i < fanout; i++)
		if (wait(&status) < 0 || status)
			load_die("child");
	load_burn(burn_usec / 4);
}

static int64_t forktree_run(const struct load_args *args)
{
	int64_t rounds = load_int(args, "rounds");
	for (int64_t i = 0; i < rounds; i++)
		grow(load_int(args, "depth"), load_int(args, "fanout"), load_int(args, "burn_usec"));
	return rounds;
}

static const struct load_option options[] = {
	{ "rounds", "6", "trees, one after the other" },
	{ "depth", "3", "levels below the root" },
	{ "fanout", "3", "children per process" },
	{ "burn_usec", "4000", "CPU time of a process before its children; a quarter of it after" },
	{ 0 },
};
const struct load_workload load_forktree = { "forktree", "trees of short processes", options, forktree_run };
