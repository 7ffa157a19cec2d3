/* Many short bursts of seeded length with short sleeps between: an interactive program. */
#include "load.h"

static int64_t bursts_thread(int64_t index, const struct load_args *args)
{
	uint64_t state = (uint64_t)load_int(args, "seed") * 1000 + (uint64_t)index;
	int64_t count = load_int(args, "count");
	uint64_t burn = (uint64_t)load_int(args, "burn_usec"), rest = (uint64_t)load_int(args, "sleep_usec");
	for (int64_t i = 0; i < count; i++) {
		load_burn((int64_t)(load_random(&state) % (2 * burn)) + 1);
		load_sleep_usec((int64_t)(load_random(&state) % (2 * rest)) + 1);
	}
	return count;
}

static int64_t bursts_run(const struct load_args *args)
{
	return load_threads(load_int(args, "threads"), bursts_thread, args);
}

static const struct load_option options[] = {
	{ "threads", "2", "threads" },
	{ "count", "1500", "bursts per thread" },
	{ "burn_usec", "400", "mean CPU time of a burst" },
	{ "sleep_usec", "600", "mean sleep" },
	{ "seed", "1", "chance" },
	{ 0 },
};
const struct load_workload load_bursts = { "bursts", "many short seeded bursts", options, bursts_run };
