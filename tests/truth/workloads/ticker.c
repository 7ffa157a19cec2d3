/* An event loop: a timerfd that tells how many ticks have gone by, and a helper thread asked and answering through
 * eventfds. All ticks are worked off, however many of them arrive at once; the loop ends with the last one. */
#include "load.h"

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

static int question, answer;

static uint64_t counter(int fd)
{
	uint64_t n;
	if (read(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		load_die("read");
	return n;
}

static void add(int fd, uint64_t n)
{
	if (write(fd, &n, sizeof(n)) != (ssize_t)sizeof(n))
		load_die("write");
}

static void *helper(void *data)
{
	int64_t steps = load_int(data, "job_steps"), last = load_int(data, "ticks") / load_int(data, "job_ticks");
	for (int64_t done = 0; done < last;) {
		uint64_t n = counter(question);
		for (uint64_t i = 0; i < n; i++)
			load_steps(steps);
		add(answer, n);
		done += (int64_t)n;
	}
	return NULL;
}

static int timer(int64_t usec)
{
	struct timespec t = { .tv_sec = usec / 1000000, .tv_nsec = usec % 1000000 * 1000 };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (fd < 0 || timerfd_settime(fd, 0, &(struct itimerspec){ .it_interval = t, .it_value = t }, NULL))
		load_die("timerfd");
	return fd;
}

static void watch(int epoll, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event))
		load_die("epoll_ctl");
}

static int64_t ticker_run(const struct load_args *args)
{
	int64_t ticks = load_int(args, "ticks"), every = load_int(args, "job_ticks"), steps = load_int(args, "tick_steps");
	int64_t done = 0, asked = 0, answered = 0;
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	pthread_t thread;
	question = eventfd(0, EFD_CLOEXEC);
	answer = eventfd(0, EFD_CLOEXEC);
	if (epoll < 0 || question < 0 || answer < 0 || pthread_create(&thread, NULL, helper, (void *)(uintptr_t)args))
		load_die("ticker");
	int clock = timer(load_int(args, "tick_usec"));
	watch(epoll, clock);
	watch(epoll, answer);
	while (done < ticks || answered < ticks / every) {
		struct epoll_event event[4];
		int n = epoll_wait(epoll, event, 4, -1);
		for (int i = 0; i < n; i++) {
			if (event[i].data.fd == answer) {
				answered += (int64_t)counter(answer);
				continue;
			}
			for (uint64_t m = counter(clock); m > 0 && done < ticks; m--, done++)
				load_steps(steps);
			for (; asked < done / every && asked < ticks / every; asked++)
				add(question, 1);
		}
	}
	pthread_join(thread, NULL);
	return done;
}

static const struct load_option options[] = {
	{ "ticks", "250", "ticks worked off" },
	{ "tick_usec", "5000", "time between two of them" },
	{ "tick_steps", "1000000", "arithmetic per tick" },
	{ "job_ticks", "4", "ticks per job of the helper" },
	{ "job_steps", "3000000", "arithmetic per job" },
	{ 0 },
};
const struct load_workload load_ticker = { "ticker", "an event loop on a timerfd and eventfds", options, ticker_run };
