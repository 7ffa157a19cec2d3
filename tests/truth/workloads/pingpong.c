/* Two processes that hand a byte to each other over pipes: task wakes task, never both runnable. */
#include "load.h"

#include <sys/wait.h>
#include <unistd.h>

static void play(int in, int out, int64_t rounds, int64_t burn_usec)
{
	char byte = 0;
	for (int64_t i = 0; i < rounds; i++) {
		if (read(in, &byte, 1) != 1)
			load_die("read");
		load_burn(burn_usec);
		if (write(out, &byte, 1) != 1)
			load_die("write");
	}
}

static int64_t pingpong_run(const struct load_args *args)
{
	int64_t rounds = load_int(args, "rounds");
	int there[2], back[2], status;
	if (pipe(there) || pipe(back))
		load_die("pipe");
	pid_t child = fork();
	if (child < 0)
		load_die("fork");
	if (!child) {
		play(there[0], back[1], rounds, load_int(args, "child_usec"));
		_exit(0);
	}
	if (write(back[1], "", 1) != 1) /* serve: the first read of the parent finds a byte */
		load_die("write");
	play(back[0], there[1], rounds, load_int(args, "parent_usec"));
	if (waitpid(child, &status, 0) != child || status)
		load_die("child");
	return rounds;
}

static const struct load_option options[] = {
	{ "rounds", "2000", "bytes each way" },
	{ "parent_usec", "200", "CPU time per byte, parent" },
	{ "child_usec", "300", "CPU time per byte, child" },
	{ 0 },
};
const struct load_workload load_pingpong = { "pingpong", "two processes over pipes", options, pingpong_run };
