/* Each loop provokes a few kinds of events at a known rate. All events it provokes are switched on together, as they
 * are in a recording: in a page fault each of them finds caches and branch predictors as the others and the zeroing of
 * the page left them, which costs twice what a tight loop of one event shows. The loop is timed with them, between two
 * runs without, for the speed of a virtual machine changes within tens of milliseconds: by half, in the kernel's paths,
 * whenever its neighbours are at work. So it is the median of those differences that counts, and how long the loop took
 * is told beside it: the machine may be faster when it records. Both are divided by the events the ring took. What a
 * filter rejects is so paid for by what it lets pass; what one such costs is measured on its own. */
#include "capture/calibrate.h"

#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <time.h>
#include <tracefs.h>
#include <unistd.h>

#include "capture/jsontext.h"
#include "common/util.h"

#define TURNS 9
#define SWITCH_ROUNDS 300
#define FAULT_PAGES 1024 /* 4 MiB: more than the near caches hold, as a program that grows */
/* A page that comes and goes changes the size of a list and the count of the mapped, twice. */
#define FAULT_REJECTED 4
#define READS 800
#define TIMERS 800

struct loop {
	void (*run)(void);
	unsigned told; /* so many of the events, the first, fill the ring: theirs is the cost */
	const char *events[5];
};

struct pingpong {
	int to[2], back[2];
};

static void *answer(void *context)
{
	struct pingpong *pipes = context;
	char byte;

	while (read(pipes->to[0], &byte, 1) == 1)
		if (write(pipes->back[1], &byte, 1) != 1)
			break;
	return NULL;
}

/* Two threads on one CPU hand a byte to and fro: two switches, wakings and wakeups a round. */
static void run_switches(void)
{
	struct pingpong pipes;
	pthread_t thread;
	char byte = 'x';

	if (pipe2(pipes.to, O_CLOEXEC) != 0)
		return;
	if (pipe2(pipes.back, O_CLOEXEC) == 0) {
		if (pthread_create(&thread, NULL, answer, &pipes) == 0) {
			for (int i = 0; i < SWITCH_ROUNDS; i++)
				if (write(pipes.to[1], &byte, 1) != 1 || read(pipes.back[0], &byte, 1) != 1)
					break;
			(void)close(pipes.to[1]);
			(void)pthread_join(thread, NULL);
		} else {
			(void)close(pipes.to[1]);
		}
		(void)close(pipes.back[0]);
		(void)close(pipes.back[1]);
	} else {
		(void)close(pipes.to[1]);
	}
	(void)close(pipes.to[0]);
}

static void run_faults(void)
{
	size_t bytes = (size_t)FAULT_PAGES * 4096;
	char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return;
	(void)madvise(memory, bytes, MADV_NOHUGEPAGE);
	for (size_t i = 0; i < bytes; i += 4096)
		*(volatile char *)(memory + i) = 1;
	(void)munmap(memory, bytes);
}

static void run_reads(void)
{
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	char buffer[512];

	for (int i = 0; i < READS && fd >= 0; i++)
		if (pread(fd, buffer, sizeof(buffer), 0) <= 0)
			break;
	if (fd >= 0)
		(void)close(fd);
}

static void run_timers(void)
{
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	const struct itimerspec hour = { .it_value = { .tv_sec = 3600 } };

	for (int i = 0; i < TIMERS && fd >= 0; i++)
		(void)timerfd_settime(fd, 0, &hour, NULL);
	if (fd >= 0)
		(void)close(fd);
}

static const struct loop loops[] = {
	{ run_switches,
	  4,
	  { "sched:sched_switch", "sched:sched_waking", "sched:sched_wakeup", "sched:sched_stat_runtime" } },
	/* of an anonymous page the charge alone is kept; it pays for what is rejected as the page comes and goes */
	{ run_faults, 1, { "memcg:count_memcg_events", "memcg:mod_memcg_lruvec_state", "memcg:mod_memcg_state" } },
	{ run_reads, 1, { "filemap:mm_filemap_get_pages" } },
	{ run_timers, 1, { "timer:hrtimer_start" } },
};

/* CPU time of this process, both sides of the ping-pong: what other programs do meanwhile does not count. */
static int64_t cpu_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t timed_ns(const struct loop *loop)
{
	int64_t begin = cpu_ns();

	loop->run();
	return cpu_ns() - begin;
}

/* Events in the ring of the CPU we are pinned to. */
static int64_t entries(const struct cgr_instance *instance, int cpu)
{
	char file[64];

	(void)snprintf(file, sizeof(file), "per_cpu/cpu%d/stats", cpu);
	char *text = cgr_instance_read(instance, file);
	const char *at = text == NULL ? NULL : strstr(text, "entries: ");
	const char *over = text == NULL ? NULL : strstr(text, "overrun: ");
	int64_t count = (at == NULL ? 0 : strtoll(at + 9, NULL, 10)) + (over == NULL ? 0 : strtoll(over + 9, NULL, 10));
	free(text);
	return count;
}

static bool set_event(struct cgr_instance *instance, const struct cgr_planned_event *event, bool on)
{
	char file[192];

	/* --cgroup would reject our own events here, which the recording is not about: as many comparisons, all passed */
	(void)snprintf(file, sizeof(file), "events/%s/%s/filter", event->group, event->name);
	if (on)
		(void)tracefs_instance_file_write(instance->handle, file,
		                                  event->wide_filter[0] == '\0' ? "0" : event->wide_filter);
	(void)snprintf(file, sizeof(file), "events/%s/%s/enable", event->group, event->name);
	return tracefs_instance_file_write(instance->handle, file, on ? "1" : "0") >= 0;
}

static const struct cgr_planned_event *planned(const struct cgr_plan *plan, const char *name)
{
	for (size_t i = 0; i < plan->count; i++) {
		char full[160];
		(void)snprintf(full, sizeof(full), "%s:%s", plan->event[i].system, plan->event[i].name);
		if (strcmp(full, name) == 0)
			return &plan->event[i];
	}
	return NULL;
}

struct work {
	struct cgr_instance *instance;
	const struct cgr_plan *plan;
	struct cgr_cost *cost;
	json_t *out;
};

struct timing {
	int64_t ns, extra_ns; /* of the loop with its events on; by how much more than without */
};

static void note_cost(struct work *work, const struct cgr_planned_event *event, const struct timing *timing,
                      int64_t events)
{
	int64_t ns = timing->extra_ns / events;
	json_t *obj = json_object();
	char name[160];

	(void)snprintf(name, sizeof(name), "%s:%s", event->system, event->name);
	cgr_json_set_text(obj, "event", name);
	cgr_json_set_int(obj, "ns", ns);
	cgr_json_set_int(obj, "loop_ns", timing->ns / events);
	cgr_json_set_int(obj, "events", events);
	(void)json_array_append_new(work->out, obj);
	if (work->cost->count == CGR_COST_KINDS || event->id < 0)
		return;
	work->cost->kind[work->cost->count].id = event->id;
	work->cost->kind[work->cost->count++].ns = ns;
}

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static struct timing time_loop(struct work *work, const struct loop *loop, const struct cgr_planned_event *const *event,
                               size_t count)
{
	int64_t extra[TURNS], with[TURNS], before;

	loop->run(); /* warm */
	before = timed_ns(loop);
	for (int turn = 0; turn < TURNS; turn++) {
		for (size_t i = 0; i < count; i++)
			(void)set_event(work->instance, event[i], true);
		with[turn] = timed_ns(loop);
		for (size_t i = 0; i < count; i++)
			(void)set_event(work->instance, event[i], false);
		int64_t after = timed_ns(loop);
		extra[turn] = with[turn] - (before + after) / 2;
		before = after;
	}
	qsort(extra, TURNS, sizeof(*extra), by_size);
	qsort(with, TURNS, sizeof(*with), by_size);
	return (struct timing){ with[TURNS / 2], CGR_MAX(extra[TURNS / 2], 0) };
}

static void measure(struct work *work, const struct loop *loop, int cpu)
{
	const struct cgr_planned_event *event[CGR_ARRAY_SIZE(loop->events)];
	size_t count = 0;

	for (size_t i = 0; i < CGR_ARRAY_SIZE(loop->events) && loop->events[i] != NULL; i++) {
		event[count] = planned(work->plan, loop->events[i]);
		count += event[count] != NULL;
	}
	if (count == 0)
		return;
	int64_t before = entries(work->instance, cpu);
	struct timing timing = time_loop(work, loop, event, count);
	int64_t events = (entries(work->instance, cpu) - before) / TURNS;
	for (size_t i = 0; i < CGR_MIN(count, (size_t)loop->told) && events >= 100; i++)
		note_cost(work, event[i], &timing, events);
}

/* Its filter rejects all that single anonymous pages do to it. */
static void measure_rejected(struct work *work)
{
	static const struct loop faults = { .run = run_faults };
	const struct cgr_planned_event *event = planned(work->plan, "memcg:mod_memcg_lruvec_state");

	if (event == NULL || !work->plan->anon_implied)
		return;
	struct timing timing = time_loop(work, &faults, &event, 1);
	json_t *obj = json_object();
	cgr_json_set_text(obj, "rejected", "memcg:mod_memcg_lruvec_state");
	cgr_json_set_int(obj, "ns", timing.extra_ns / (FAULT_PAGES * FAULT_REJECTED));
	(void)json_array_append_new(work->out, obj);
}

/* In a thread of its own, so that pinning it to one CPU leaves no trace on the recorder or its command. */
static void *calibrate_main(void *context)
{
	struct work *work = context;
	int cpu = sched_getcpu();
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu < 0 ? 0u : (unsigned)cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) != 0)
		return NULL;
	for (size_t i = 0; i < CGR_ARRAY_SIZE(loops); i++)
		measure(work, &loops[i], cpu);
	measure_rejected(work);
	return NULL;
}

json_t *cgr_calibrate(struct cgr_instance *instance, const struct cgr_plan *plan, struct cgr_cost *ret_cost)
{
	struct work work = { .instance = instance, .plan = plan, .cost = ret_cost, .out = json_array() };
	pthread_t thread;

	*ret_cost = (struct cgr_cost){ 0 };
	if (cgr_instance_switch(instance, true, NULL) == 0 && pthread_create(&thread, NULL, calibrate_main, &work) == 0)
		(void)pthread_join(thread, NULL);
	(void)cgr_instance_switch(instance, false, NULL);
	(void)tracefs_instance_file_clear(instance->handle, "trace");
	return work.out;
}
