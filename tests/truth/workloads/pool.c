/* A pool of threads that steal from each other: every task may leave more tasks in its thread's own deque, an empty
 * thread takes the oldest of another's, and who finds nothing anywhere sleeps on a condition. */
#include "load.h"

#include <pthread.h>
#include <stdlib.h>

#define DEQUE_TASKS 4096
#define THREADS_MAX 64

struct task {
	uint64_t seed;
	int64_t depth;
};
struct deque {
	pthread_mutex_t lock;
	struct task task[DEQUE_TASKS];
	int64_t head, tail; /* thieves take at head, the owner at tail */
};

static struct deque *deque;
static int64_t deques, sleepers, left; /* left: tasks made and not done; with sleepers under idle_lock */
static pthread_mutex_t idle_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t idle = PTHREAD_COND_INITIALIZER;

static void push(int64_t owner, struct task task)
{
	struct deque *own = &deque[owner];
	pthread_mutex_lock(&idle_lock);
	left++;
	pthread_mutex_unlock(&idle_lock);
	pthread_mutex_lock(&own->lock);
	own->task[own->tail++ % DEQUE_TASKS] = task;
	pthread_mutex_unlock(&own->lock);
	pthread_mutex_lock(&idle_lock);
	if (sleepers > 0)
		pthread_cond_signal(&idle);
	pthread_mutex_unlock(&idle_lock);
}

static int take(int64_t from, int own, struct task *task)
{
	struct deque *d = &deque[from];
	pthread_mutex_lock(&d->lock);
	int found = d->head < d->tail;
	if (found)
		*task = own ? d->task[--d->tail % DEQUE_TASKS] : d->task[d->head++ % DEQUE_TASKS];
	pthread_mutex_unlock(&d->lock);
	return found;
}

static int find(int64_t index, struct task *task)
{
	for (int64_t i = 0; i < deques; i++)
		if (take((index + i) % deques, i == 0, task))
			return 1;
	return 0;
}

/* Whether there is more to do: sleeps until somebody has pushed, or until all is done. */
static int wait_for_more(int64_t index, struct task *task)
{
	pthread_mutex_lock(&idle_lock);
	for (;;) {
		if (left == 0 || find(index, task))
			break;
		sleepers++;
		pthread_cond_wait(&idle, &idle_lock);
		sleepers--;
	}
	int more = left > 0;
	pthread_mutex_unlock(&idle_lock);
	return more;
}

static int64_t pool_thread(int64_t index, const struct load_args *args)
{
	uint64_t steps = (uint64_t)load_int(args, "steps");
	int64_t fan = load_int(args, "fan"), done = 0;
	struct task task;
	while (find(index, &task) || wait_for_more(index, &task)) {
		load_steps((int64_t)(steps / 4 + load_random(&task.seed) % (steps * 3 / 2)));
		for (int64_t i = 0; task.depth > 0 && i < fan; i++)
			push(index, (struct task){ load_random(&task.seed), task.depth - 1 });
		done++;
		pthread_mutex_lock(&idle_lock);
		if (--left == 0)
			pthread_cond_broadcast(&idle);
		pthread_mutex_unlock(&idle_lock);
	}
	return done;
}

static int64_t pool_run(const struct load_args *args)
{
	int64_t depth = load_int(args, "depth");
	uint64_t state = (uint64_t)load_int(args, "seed");
	deques = load_int(args, "threads");
	deque = calloc((size_t)deques, sizeof(*deque));
	if (!deque || deques > THREADS_MAX)
		load_die("threads");
	for (int64_t i = 0; i < deques; i++)
		pthread_mutex_init(&deque[i].lock, NULL);
	for (int64_t i = 0; i < load_int(args, "roots"); i++)
		push(0, (struct task){ load_random(&state), depth });
	return load_threads(deques, pool_thread, args);
}

static const struct load_option options[] = {
	{ "threads", "4", "threads" },
	{ "roots", "12", "tasks at the start, all with the first thread" },
	{ "depth", "3", "generations of tasks that tasks make" },
	{ "fan", "3", "tasks each of them makes" },
	{ "steps", "1000000", "mean arithmetic per task" },
	{ "seed", "1", "chance" },
	{ 0 },
};
const struct load_workload load_pool = { "pool", "threads that steal tasks from each other", options, pool_run };
