/* Burn, sleep, repeat: with relative sleeps, or on an absolute grid as a real-time loop or a cron-like service. */
#include "load.h"

static int64_t periodic_thread(int64_t index, const struct load_args *args)
{
	int64_t burn_usec = load_int(args, "burn_usec"), sleep_usec = load_int(args, "sleep_usec");
	int64_t count = load_int(args, "count"), absolute = load_int(args, "absolute"), done = 0;
	int64_t start_ns = load_now_ns(), end_ns = start_ns + load_int(args, "msec") * 1000000;
	/* Threads do not start in step: real services do not either. */
	load_sleep_usec(index * load_int(args, "stagger_usec"));
	while (count > 0 ? done < count : load_now_ns() < end_ns) {
		load_burn(burn_usec);
		done++;
		if (absolute)
			load_sleep_until_ns(start_ns + done * sleep_usec * 1000);
		else
			load_sleep_usec(sleep_usec);
	}
	return done;
}

static int64_t periodic_run(const struct load_args *args)
{
	return load_threads(load_int(args, "threads"), periodic_thread, args);
}

static const struct load_option options[] = {
	{ "threads", "1", "periodic threads" },
	{ "burn_usec", "7000", "CPU time per period" },
	{ "sleep_usec", "2000", "relative sleep, or the grid with absolute=1" },
	{ "absolute", "0", "1: wake on an absolute grid" },
	{ "msec", "2000", "time on the clock" },
	{ "count", "0", "instead: bursts per thread" },
	{ "stagger_usec", "1700", "each thread starts so much later than the one before" },
	{ 0 },
};
const struct load_workload load_periodic = { "periodic", "burn and sleep", options, periodic_run };
