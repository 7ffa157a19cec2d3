/* One producer and many consumers around a queue of few places: two conditions, as the textbook has it. */
#include "load.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t filled = PTHREAD_COND_INITIALIZER, emptied = PTHREAD_COND_INITIALIZER;
static int64_t queued, finished; /* under lock */

static int64_t produce(const struct load_args *args)
{
	uint64_t state = (uint64_t)load_int(args, "seed"), steps = (uint64_t)load_int(args, "make_steps");
	int64_t items = load_int(args, "items"), room = load_int(args, "room");
	for (int64_t i = 0; i < items; i++) {
		load_steps((int64_t)(steps / 2 + load_random(&state) % steps));
		pthread_mutex_lock(&lock);
		while (queued == room)
			pthread_cond_wait(&emptied, &lock);
		queued++;
		pthread_cond_signal(&filled);
		pthread_mutex_unlock(&lock);
	}
	pthread_mutex_lock(&lock);
	finished = 1;
	pthread_cond_broadcast(&filled);
	pthread_mutex_unlock(&lock);
	return items;
}

static int64_t consume(int64_t index, const struct load_args *args)
{
	uint64_t state = (uint64_t)load_int(args, "seed") + (uint64_t)index * 31,
	         steps = (uint64_t)load_int(args, "use_steps");
	for (int64_t done = 0;; done++) {
		pthread_mutex_lock(&lock);
		while (queued == 0 && !finished)
			pthread_cond_wait(&filled, &lock);
		if (queued == 0) {
			pthread_mutex_unlock(&lock);
			return done;
		}
		queued--;
		pthread_cond_signal(&emptied);
		pthread_mutex_unlock(&lock);
		load_steps((int64_t)(steps / 2 + load_random(&state) % steps));
	}
}

static int64_t consumers_thread(int64_t index, const struct load_args *args)
{
	if (index > 0)
		return consume(index, args);
	produce(args);
	return 0;
}

static int64_t consumers_run(const struct load_args *args)
{
	return load_threads(load_int(args, "consumers") + 1, consumers_thread, args);
}

static const struct load_option options[] = {
	{ "consumers", "6", "threads that wait for items" },
	{ "items", "600", "items" },
	{ "room", "8", "places in the queue" },
	{ "make_steps", "250000", "mean arithmetic to make an item" },
	{ "use_steps", "1000000", "mean arithmetic to use it" },
	{ "seed", "1", "chance" },
	{ 0 },
};
const struct load_workload load_consumers = { "consumers", "a producer and many consumers", options, consumers_run };
