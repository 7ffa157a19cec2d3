/* Spinning threads: for a fixed time on the clock, or for a fixed amount of work. */
#include "load.h"

static int64_t spin_thread(int64_t index, const struct load_args *args)
{
	int64_t msec = load_int(args, "msec"), steps = load_int(args, "steps"), done = 0;
	int64_t end_ns = load_now_ns() + msec * 1000000;
	(void)index;
	if (steps > 0) {
		load_steps(steps);
		return steps;
	}
	if (load_int(args, "work_msec") > 0) {
		load_burn(load_int(args, "work_msec") * 1000);
		return load_int(args, "work_msec");
	}
	for (; load_now_ns() < end_ns; done++)
		load_steps(1000);
	return done;
}

static int64_t spin_run(const struct load_args *args)
{
	return load_threads(load_int(args, "threads"), spin_thread, args);
}

static const struct load_option options[] = {
	{ "threads", "1", "spinning threads" },
	{ "msec", "2000", "time on the clock" },
	{ "work_msec", "0", "instead: CPU time per thread" },
	{ "steps", "0", "instead: steps of arithmetic per thread" },
	{ 0 },
};
const struct load_workload load_spin = { "spin", "threads that spin", options, spin_run };
