/* Load balancing between CPUs that share one cache: one domain, each CPU its own group (kernel: sched_balance_rq,
 * sched_balance_find_src_group, calculate_imbalance, detach_tasks, can_migrate_task, sched_balance_newidle). Active
 * balancing, which stops a CPU to move its running task, is left out: it needs asymmetric capacity or pinned tasks. */
#include "common/cpulist.h"
#include "model/lib/fair.h"

#define IMBALANCE_PCT 117u
#define CAPACITY 1024u
#define CACHE_NICE_TRIES 1u
#define NR_MIGRATE 32u
#define BUSY_FACTOR 16u
#define MAX_PINNED_INTERVAL_MS 512u

enum migration { MIGRATE_TASK, MIGRATE_LOAD };

struct balance {
	struct cgr_fair *fair;
	uint32_t cpu, source;
	enum cgr_idle idle;
	enum migration migration;
	int64_t imbalance;
	bool all_pinned; /* none of the source's tasks may run here */
	uint64_t pinned[CGR_CPU_WORDS]; /* CPUs of which that has been found */
};

/* group_classify */
static enum cgr_fair_group_type type_of(const struct cgr_fair_stats *s)
{
	bool high = CAPACITY * 100 < s->util * IMBALANCE_PCT || CAPACITY * IMBALANCE_PCT < s->runnable_avg * 100;
	if (s->tasks > 1 && high)
		return CGR_OVERLOADED;
	return s->tasks < 1 || !high ? CGR_HAS_SPARE : CGR_FULLY_BUSY;
}

struct cgr_fair_stats cgr_fair_stats_of(struct cgr_fair *fair, uint32_t cpu)
{
	const struct cgr_fair_queue *root = cgr_fair_root(fair, cpu);
	struct cgr_fair_stats s = { .load = root->pelt.load_avg,
		                        .util = root->pelt.util_avg,
		                        .runnable_avg = root->pelt.runnable_avg,
		                        .tasks = cgr_fair_cpu(fair, cpu)->nr_tasks,
		                        .runnable = root->h_nr_runnable };
	s.type = type_of(&s);
	return s;
}

static uint64_t less(uint64_t value, uint64_t by)
{
	return value < by ? 0 : value - by;
}

/* update_sg_wakeup_stats: cpu_load_without, cpu_util_without, cpu_runnable_without, task_running_on_cpu */
struct cgr_fair_stats cgr_fair_stats_without(struct cgr_fair *fair, uint32_t cpu, uint32_t task)
{
	const struct cgr_pelt *own = &cgr_fair_task(fair, task)->entity.pelt;
	struct cgr_fair_stats s = cgr_fair_stats_of(fair, cpu);
	s.load = less(s.load, cgr_fair_task_h_load(fair, task));
	s.util = less(s.util, own->util_avg);
	s.runnable_avg = less(s.runnable_avg, own->runnable_avg);
	s.tasks -= s.tasks != 0;
	s.runnable -= s.runnable != 0;
	s.type = type_of(&s);
	return s;
}

static bool busier(const struct cgr_fair_stats *a, const struct cgr_fair_stats *b)
{
	if (a->type != b->type)
		return a->type > b->type;
	if (a->type == CGR_HAS_SPARE)
		return a->tasks > b->tasks;
	return a->load > b->load;
}

/* The CPU to pull from and how much; false when balanced. */
static bool find_source(struct balance *env)
{
	struct cgr_fair *fair = env->fair;
	struct cgr_fair_stats local = cgr_fair_stats_of(fair, env->cpu), busiest = { 0 };
	uint64_t total = local.load;
	env->source = CGR_NONE;
	fair->overloaded = local.tasks > 1;
	for (uint32_t cpu = 0; cpu < fair->ctx->n_cpus; cpu++) {
		if (cpu == env->cpu || cgr_cpus_has(env->pinned, cpu))
			continue;
		struct cgr_fair_stats s = cgr_fair_stats_of(fair, cpu);
		total += s.load;
		fair->overloaded |= s.tasks > 1;
		if (s.runnable && (env->source == CGR_NONE || busier(&s, &busiest))) {
			busiest = s;
			env->source = cpu;
		}
	}
	if (env->source == CGR_NONE || local.type > busiest.type)
		return false;
	uint64_t average = total / fair->ctx->n_cpus;
	if (local.type == CGR_OVERLOADED &&
	    (local.load >= busiest.load || local.load >= average || 100 * busiest.load <= IMBALANCE_PCT * local.load))
		return false;
	if (busiest.type != CGR_OVERLOADED && (env->idle == CGR_NOT_IDLE || busiest.runnable == 1))
		return false;
	if (local.type == CGR_HAS_SPARE) {
		int64_t spread = env->idle == CGR_NOT_IDLE || busiest.tasks < local.tasks
		                     ? 0
		                     : (int64_t)busiest.tasks - (int64_t)local.tasks;
		env->migration = MIGRATE_TASK;
		env->imbalance = spread >> 1;
		return env->imbalance > 0;
	}
	if (local.load >= busiest.load || local.load >= average)
		return false;
	uint64_t above = busiest.load - average, below = average - local.load;
	env->migration = MIGRATE_LOAD;
	env->imbalance = (int64_t)(above < below ? above : below);
	return env->imbalance > 0;
}

static bool can_migrate(struct balance *env, uint32_t task)
{
	struct cgr_fair *fair = env->fair;
	struct cgr_fair_task *t = cgr_fair_task(fair, task);
	struct cgr_fair_entity *se = &t->entity;
	const struct cgr_task_info *info = cgr_task(fair->ctx, task);
	uint32_t failed = cgr_fair_cpu(fair, env->cpu)->balance_failed;
	if (se->delayed)
		return false; /* the engine believes it blocked; the kernel would move it only to even out load */
	const struct cgr_fair_queue *there = &cgr_fair_slot(fair, t->cgroup, env->cpu)->queue;
	/* throttled_lb_pair; from 6.18 lb_throttled_hierarchy, which looks at the destination alone */
	if (there->throttle_count || (!fair->task_throttle && se->queue->throttle_count))
		return false;
	if (fair->delay_dequeue && !failed && there->nr_queued && !fair->policy->eligible(se->queue, se))
		return false;
	if (!cgr_task_may_run(info, env->cpu))
		return false;
	env->all_pinned = false;
	if (cgr_fair_cpu(fair, env->source)->curr == task)
		return false;
	bool hot = t->policy != 5 && (int64_t)(fair->ctx->now_ns - se->exec_start_ns) < (int64_t)fair->migration_cost_ns;
	if (cgr_fair_cpu(fair, env->cpu)->nr_tasks && se->queue->next == se)
		hot = true;
	return !hot || failed > CACHE_NICE_TRIES;
}

static bool wants(struct balance *env, uint32_t task)
{
	if (env->migration == MIGRATE_TASK) {
		env->imbalance--;
		return true;
	}
	uint32_t failed = cgr_fair_cpu(env->fair, env->cpu)->balance_failed;
	uint64_t load = cgr_fair_task_h_load(env->fair, task);
	load = load ? load : 1;
	if ((int64_t)(load >> (failed < 63 ? failed : 63)) > env->imbalance)
		return false;
	env->imbalance -= (int64_t)load;
	return true;
}

static void move(struct balance *env, uint32_t task)
{
	struct cgr_ctx *ctx = env->fair->ctx;
	cgr_fair_dequeue_task(env->fair, task, CGR_DEQ_MOVE);
	ctx->host->task_set_cpu(ctx, task, env->cpu);
	cgr_fair_enqueue(ctx, env->cpu, task, CGR_ENQ_MOVE | CGR_ENQ_MIGRATED);
	cgr_fair_wakeup_preempt(ctx, env->cpu, task);
}

static bool pull(struct balance *env)
{
	struct cgr_fair *fair = env->fair;
	struct cgr_fair_cpu *source = cgr_fair_cpu(fair, env->source);
	uint32_t looks = source->nr_tasks < NR_MIGRATE ? source->nr_tasks : NR_MIGRATE;
	bool moved = false;
	env->all_pinned = source->nr_tasks > 1;
	if (!env->all_pinned)
		return false;
	for (uint32_t task = source->list_tail; task && looks--;) {
		uint32_t before = cgr_fair_task(fair, task)->list_prev;
		if (env->idle != CGR_NOT_IDLE && source->nr_tasks <= 1)
			break;
		if (can_migrate(env, task) && wants(env, task)) {
			move(env, task);
			moved = true;
			if (env->idle == CGR_NEWLY_IDLE || env->imbalance <= 0)
				break;
		} else if (task != source->list_head) {
			cgr_fair_list_remove(fair, env->source, task);
			cgr_fair_list_add(fair, env->source, task);
		}
		task = before;
	}
	return moved;
}

/* sched_balance_rq: where all tasks of the busiest CPU are bound to it, the next busiest is looked at. False: balanced,
 * or what there is to move cannot be moved. */
static bool even_out(struct balance *env, bool *ret_unbalanced)
{
	bool moved = false;
	env->all_pinned = false;
	while ((*ret_unbalanced = find_source(env)) && !(moved = pull(env)) && env->all_pinned)
		env->pinned[env->source / 64] |= 1ull << (env->source % 64);
	return moved;
}

static bool newly_idle(struct balance *env)
{
	struct cgr_fair *fair = env->fair;
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, env->cpu);
	if (!fair->overloaded || rq->nr_tasks)
		return false;
	uint32_t weight = 1;
	if (fair->newidle_random) {
		/* NI_RANDOM: try only as often as tries have paid */
		uint32_t dice = (uint32_t)(cgr_random(fair->ctx) % 1024);
		weight = 1 + rq->newidle_ratio;
		rq->newidle_tries++;
		if (dice > weight)
			return false;
		weight = (1024 + weight / 2) / weight;
	}
	cgr_fair_blocked_update(fair, env->cpu);
	bool unbalanced, moved = even_out(env, &unbalanced);
	rq->newidle_success += moved ? weight : 0;
	if (rq->newidle_tries >= 1024) {
		rq->newidle_ratio = rq->newidle_success < 1024 ? rq->newidle_success : 1024;
		rq->newidle_tries /= 2;
		rq->newidle_success /= 2;
	}
	return moved;
}

/* get_sd_balance_interval: jiffies, for the domain of all CPUs; min_interval is its weight in ms, max_interval twice.
 */
static uint64_t balance_interval(const struct cgr_fair *fair, const struct cgr_fair_cpu *rq, bool busy)
{
	uint64_t ms = rq->balance_interval_ms ? rq->balance_interval_ms : fair->ctx->n_cpus;
	uint64_t jiffy_ns = fair->tick_ns, jiffies, most = 1000000000u / jiffy_ns * fair->ctx->n_cpus / 10;
	jiffies = (ms * (busy ? BUSY_FACTOR : 1) * 1000000u + jiffy_ns - 1) / jiffy_ns;
	if (busy)
		jiffies--;
	jiffies = jiffies > most ? most : jiffies;
	/* ticks of one CPU lie exactly a jiffy apart: half of one is the margin of the comparison */
	return (jiffies ? jiffies : 1) * jiffy_ns - jiffy_ns / 2;
}

/* The end of sched_balance_rq. Where nothing is to be done the next look may be later; much later where all tasks of
 * the busier CPU are bound to it, which counts as balanced. */
static void looked(struct balance *env, bool unbalanced, bool moved)
{
	struct cgr_fair_cpu *rq = cgr_fair_cpu(env->fair, env->cpu);
	uint64_t least = env->fair->ctx->n_cpus, ms = rq->balance_interval_ms ? rq->balance_interval_ms : least;
	if (unbalanced && !env->all_pinned) {
		rq->balance_failed = moved ? 0 : rq->balance_failed + 1;
		rq->balance_interval_ms = least;
		return;
	}
	rq->balance_failed = 0;
	rq->balance_interval_ms = ms < 2 * least || (env->all_pinned && ms < MAX_PINNED_INTERVAL_MS) ? 2 * ms : ms;
}

/* nohz_balancer_kick: a CPU without a tick is told to balance by one on which a task waits, or by one of several that
 * are busy. */
static bool idle_is_kicked(struct cgr_fair *fair)
{
	uint32_t busy = 0;
	for (uint32_t cpu = 0; cpu < fair->ctx->n_cpus && busy < 2; cpu++) {
		uint32_t tasks = cgr_fair_cpu(fair, cpu)->nr_tasks;
		busy += tasks < 2 ? tasks : 2;
	}
	return busy > 1;
}

/* sched_balance_trigger, sched_balance_domains: when the CPU is due is worked out anew whenever it goes idle
 * (update_next_balance), by the interval of an idle one; whether the domain is due, when the CPU looks, by its state
 * then. */
static bool periodic(struct balance *env)
{
	struct cgr_fair *fair = env->fair;
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, env->cpu);
	bool busy = env->idle == CGR_NOT_IDLE && !cgr_fair_sched_idle(fair, env->cpu), moved = false;
	uint64_t now = fair->ctx->now_ns;
	if (now < rq->next_balance_ns || (env->idle == CGR_IDLE && !idle_is_kicked(fair)))
		return false;
	for (uint32_t other = 0; other < fair->ctx->n_cpus; other++)
		if (other == env->cpu || cgr_fair_cpu_idle(fair, other))
			cgr_fair_blocked_update(fair, other);
	if (now >= rq->last_balance_ns + balance_interval(fair, rq, busy)) {
		bool unbalanced;
		moved = even_out(env, &unbalanced);
		looked(env, unbalanced, moved);
		rq->last_balance_ns = now;
	}
	rq->next_balance_ns = rq->last_balance_ns + balance_interval(fair, rq, busy || moved);
	return moved;
}

void cgr_fair_balance_sooner(struct cgr_fair *fair, uint32_t cpu)
{
	struct cgr_fair_cpu *rq = cgr_fair_cpu(fair, cpu);
	uint64_t next = rq->last_balance_ns + balance_interval(fair, rq, false);
	if (next < rq->next_balance_ns)
		rq->next_balance_ns = next;
}

bool cgr_fair_balance(struct cgr_ctx *ctx, uint32_t cpu, enum cgr_idle idle)
{
	struct cgr_fair *fair = cgr_fair_of(ctx);
	struct balance env = { .fair = fair, .cpu = cpu, .idle = idle };
	if (ctx->n_cpus < 2)
		return false;
	if (idle != CGR_NEWLY_IDLE)
		return periodic(&env);
	cgr_fair_balance_sooner(fair, cpu); /* update_next_balance */
	return newly_idle(&env);
}
