/* A chain of processes over pipes with room for many items: stages run ahead and block on full or empty pipes. */
#include "load.h"

#include <sys/wait.h>
#include <unistd.h>

static void stage(int in, int out, int64_t items, int64_t burn_usec, int64_t bytes)
{
	static char block[65536];
	for (int64_t i = 0; i < items; i++) {
		for (int64_t got = 0; in >= 0 && got < bytes;) {
			ssize_t n = read(in, block, (size_t)(bytes - got));
			if (n <= 0)
				load_die("read");
			got += n;
		}
		load_burn(burn_usec);
		if (out >= 0 && write(out, block, (size_t)bytes) != bytes)
			load_die("write");
	}
}

static int64_t pipeline_run(const struct load_args *args)
{
	int64_t stages = load_int(args, "stages"), items = load_int(args, "items");
	int in = -1, status;
	for (int64_t i = 0; i < stages; i++) {
		int link[2] = { -1, -1 };
		if (i + 1 < stages && pipe(link))
			load_die("pipe");
		pid_t child = fork();
		if (child < 0)
			load_die("fork");
		if (!child) {
			/* Stages differ in cost, so that one of them is the bottleneck. */
			stage(in, link[1], items, load_int(args, "burn_usec") * (i + 1) / stages, load_int(args, "bytes"));
			_exit(0);
		}
		if (in >= 0)
			close(in);
		if (link[1] >= 0)
			close(link[1]);
		in = link[0];
	}
	for (int64_t i = 0; i < stages; i++)
		if (wait(&status) < 0 || status)
			load_die("stage");
	return items;
}

static const struct load_option options[] = {
	{ "stages", "3", "processes in the chain" },
	{ "items", "800", "items through the chain" },
	{ "burn_usec", "800", "CPU time of the last stage per item; stage k of n takes k/n of it" },
	{ "bytes", "4096", "size of an item" },
	{ 0 },
};
const struct load_workload load_pipeline = { "pipeline", "a chain of processes over pipes", options, pipeline_run };
