/* Threads that meet at a barrier after each step: the slowest decides, and one wakes all the others. */
#include "load.h"

#include <pthread.h>

static pthread_barrier_t meeting;

static int64_t barrier_thread(int64_t index, const struct load_args *args)
{
	uint64_t state = (uint64_t)load_int(args, "seed") * 77 + (uint64_t)index;
	int64_t steps = load_int(args, "steps");
	uint64_t burn = (uint64_t)load_int(args, "burn_usec");
	for (int64_t i = 0; i < steps; i++) {
		load_burn((int64_t)(burn / 2 + load_random(&state) % burn));
		pthread_barrier_wait(&meeting);
	}
	return steps;
}

static int64_t barrier_run(const struct load_args *args)
{
	int64_t threads = load_int(args, "threads");
	if (pthread_barrier_init(&meeting, NULL, (unsigned)threads))
		load_die("pthread_barrier_init");
	return load_threads(threads, barrier_thread, args);
}

static const struct load_option options[] = {
	{ "threads", "4", "threads" },
	{ "steps", "150", "meetings" },
	{ "burn_usec", "2000", "mean CPU time between two meetings" },
	{ "seed", "1", "chance" },
	{ 0 },
};
const struct load_workload load_barrier = { "barrier", "threads that meet at a barrier", options, barrier_run };
