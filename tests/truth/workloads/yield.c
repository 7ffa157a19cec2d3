/* Threads that give the CPU away after every piece of work, as hand-made spin locks and green threads do. */
#include "load.h"

#include <sched.h>

static int64_t yield_thread(int64_t index, const struct load_args *args)
{
	uint64_t state = (uint64_t)index + 1, steps = (uint64_t)load_int(args, "steps");
	int64_t rounds = load_int(args, "rounds");
	for (int64_t i = 0; i < rounds; i++) {
		load_steps((int64_t)(steps / 2 + load_random(&state) % steps));
		sched_yield();
	}
	return rounds;
}

static int64_t yield_run(const struct load_args *args)
{
	return load_threads(load_int(args, "threads"), yield_thread, args);
}

static const struct load_option options[] = {
	{ "threads", "3", "threads" },
	{ "rounds", "4000", "pieces of work of each" },
	{ "steps", "100000", "mean arithmetic of a piece" },
	{ 0 },
};
const struct load_workload load_yield = { "yield", "threads that call sched_yield", options, yield_run };
