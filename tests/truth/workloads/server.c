/* A server and the arrivals that keep it busy. The client runs outside the recorded cgroup and writes one
 * 8-byte request at each seeded arrival time into a pipe; the server's threads take them and burn. */
#include "load.h"

#include <signal.h>
#include <unistd.h>

static int64_t arrivals_run(const struct load_args *args)
{
	uint64_t state = (uint64_t)load_int(args, "seed");
	int64_t count = load_int(args, "count"), gap_usec = load_int(args, "gap_usec");
	int64_t mean_usec = load_int(args, "service_usec"), t_ns = load_now_ns();
	if (signal(SIGPIPE, SIG_DFL) == SIG_ERR)
		load_die("signal");
	for (int64_t i = 0; i < count; i++) {
		/* The sum of two equal draws: random, but without the tail that would make every run another run. */
		uint64_t draw = load_random(&state) % (uint64_t)gap_usec + load_random(&state) % (uint64_t)gap_usec;
		uint64_t service = load_random(&state) % (uint64_t)(2 * mean_usec) + 1;
		t_ns += (int64_t)draw * 1000;
		load_sleep_until_ns(t_ns);
		if (write(STDOUT_FILENO, &service, sizeof(service)) != (ssize_t)sizeof(service))
			load_die("write");
	}
	_exit(0); /* stdout is the request pipe: nothing else may go there */
}

static int64_t server_thread(int64_t index, const struct load_args *args)
{
	uint64_t service;
	int64_t done = 0;
	(void)index;
	(void)args;
	while (read(STDIN_FILENO, &service, sizeof(service)) == (ssize_t)sizeof(service)) {
		load_burn((int64_t)service);
		done++;
	}
	return done;
}

static int64_t server_run(const struct load_args *args)
{
	return load_threads(load_int(args, "threads"), server_thread, args);
}

static const struct load_option arrivals_options[] = {
	{ "count", "400", "requests" },
	{ "gap_usec", "5000", "mean time between two arrivals" },
	{ "service_usec", "3000", "mean CPU time of a request" },
	{ "seed", "1", "chance" },
	{ 0 },
};
static const struct load_option server_options[] = {
	{ "threads", "2", "worker threads" },
	{ 0 },
};
const struct load_workload load_arrivals = { "arrivals", "requests to stdout, for server", arrivals_options,
	                                         arrivals_run };
const struct load_workload load_server = { "server", "serves the requests on stdin", server_options, server_run };
