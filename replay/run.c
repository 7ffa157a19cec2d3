#include "replay/run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "replay/run_internal.h"

#define SAMPLES_PER_RUN 400 /* points of a chart */
#define BASELINE_SEEDS 3u
/* How far another run of the same work lies from a recorded one. Nine of ten runs lie within 15 % of the median (chosen
 * on half of the truth workloads, see docs/ACCURACY.md), where memory is recorded 20 %; the recording is one of them,
 * so pairs are apart by the square root of two times as much. */
#define OTHER_RUN_PPM 210000
#define OTHER_MEMORY_RUN_PPM 280000
#define SWITCH_PERCENT 20
#define SAME_RUN_PPM 15000
#define SWITCH_MAX_NS 50000u
#define WAKE_PERCENT 60
/* What a program finds cold after a pause is not recorded: nothing of weight for one that computes, 0.5 to 1.4 ms for
 * gzip, sqlite and xz, whose second-level cache of 512 KiB is filled line by line at some 75 ns. The usual draw lies
 * between the two; the seeds reach from nothing to COLD_MOST times it. */
#define COLD_NS 300000u
#define COLD_MOST 4
#define SPANS_MAX 2000000u

struct job {
	const struct cgr_whatif *plan;
	struct cgr_engine_output *output;
	uint64_t seed;
	int32_t speed_ppm, switch_ns, wake_percent, price_permille, cold_draw_ns;
	bool other_run;
	bool without_recorder, series, spans;
};
struct pool {
	const struct cgr_programs *programs;
	struct job *job;
	size_t jobs;
	atomic_size_t next, done;
	atomic_int failed;
	struct cgr_error error;
	pthread_mutex_t lock;
	struct cgr_progress *progress;
};

static void work_one(struct pool *pool, const struct job *job)
{
	const struct cgr_whatif *plan = job->plan;
	int64_t duration = cgr_store_borrow_info(plan->store)->duration_ns;
	struct cgr_engine_config config = {
		.store = plan->store,
		.programs = pool->programs,
		.cpu = plan->cpu,
		.memory = plan->memory,
		.reclaim = plan->reclaim,
		.cpu_param = plan->cpu_param,
		.memory_param = plan->memory_param,
		.reclaim_param = plan->reclaim_param,
		.knob = plan->knob,
		.knobs = plan->knobs,
		.own = plan->own,
		.owns = plan->owns,
		.cpulist = plan->cpulist,
		.cpus = plan->cpus,
		.seed = job->seed,
		.without_recorder = job->without_recorder,
		.other_run = job->other_run,
		.speed_ppm = job->speed_ppm,
		.switch_ns = job->switch_ns,
		.wake_percent = job->wake_percent,
		.price_permille = job->price_permille,
		.cold_ns = (uint64_t)((int64_t)COLD_NS + job->cold_draw_ns),
		.until_done = plan->until_done,
		.open_loop = plan->open_loop,
		.keep_series = job->series,
		.keep_spans = job->spans,
		.spans_max = SPANS_MAX,
		.sample_ns = (uint64_t)CGR_MAX(duration / SAMPLES_PER_RUN, 1000000),
	};
	struct cgr_error error = { 0 };
	int rc = cgr_engine_run(&config, job->output, &error);

	if (rc >= 0 && job->output->broken)
		rc = cgr_error_set(&error, CGR_E_INTERNAL, "seed %llu: a model's invariant broke: %s",
		                   (unsigned long long)job->seed, job->output->broken);
	if (rc >= 0)
		return;
	pthread_mutex_lock(&pool->lock);
	if (!atomic_load(&pool->failed)) {
		pool->error = error;
		atomic_store(&pool->failed, rc);
	}
	pthread_mutex_unlock(&pool->lock);
}

static void *worker(void *data)
{
	struct pool *pool = data;

	for (;;) {
		size_t i = atomic_fetch_add(&pool->next, 1);

		if (i >= pool->jobs || atomic_load(&pool->failed))
			return NULL;
		work_one(pool, &pool->job[i]);
		size_t done = atomic_fetch_add(&pool->done, 1) + 1;
		pthread_mutex_lock(&pool->lock);
		cgr_progress_update(pool->progress, "replaying", done, pool->jobs, "seeds");
		pthread_mutex_unlock(&pool->lock);
	}
}

/* Results go to fixed places, so the order in which threads finish does not show. */
static int run_pool(struct pool *pool, uint32_t threads, struct cgr_error *reterr)
{
	pthread_t thread[64];
	uint32_t started = 0;
	long online = sysconf(_SC_NPROCESSORS_ONLN);

	if (!threads)
		threads = online > 0 ? (uint32_t)online : 1;
	threads = (uint32_t)CGR_MIN((size_t)CGR_MIN(threads, 64u), pool->jobs);
	pthread_mutex_init(&pool->lock, NULL);
	while (started + 1 < threads && pthread_create(&thread[started], NULL, worker, pool) == 0)
		started++;
	worker(pool);
	while (started)
		pthread_join(thread[--started], NULL);
	pthread_mutex_destroy(&pool->lock);
	cgr_progress_finish(pool->progress);
	if (!atomic_load(&pool->failed))
		return 0;
	if (reterr)
		*reterr = pool->error;
	return atomic_load(&pool->failed);
}

/* The recording's own settings under the same models: what fidelity is measured on. */
static int make_baseline(const struct cgr_store *store, const struct cgr_scenario *scenario, struct cgr_whatif *plan,
                         struct cgr_error *reterr)
{
	struct cgr_scenario same = { 0 };
	int rc = cgr_scenario_copy(&same, scenario, reterr);

	if (rc >= 0) {
		size_t settings = same.settings;

		same.settings = 0;
		same.cpus = 0;
		same.until_done = same.open_loop = false;
		same.seeds = CGR_MIN(scenario->seeds ? scenario->seeds : CGR_SEEDS_DEFAULT, BASELINE_SEEDS);
		rc = cgr_whatif_make(store, &same, plan, reterr);
		same.settings = settings;
	}
	cgr_scenario_fini(&same);
	return rc;
}

static bool is_baseline(const struct cgr_whatif *plan, const struct cgr_scenario *s)
{
	return !plan->changes && !s->cpus && !s->until_done && !s->open_loop;
}

/* The seeds spread evenly and symmetrically over a range, the first at none. */
static int32_t variation(size_t draw, size_t seeds, int64_t range)
{
	int64_t steps = (int64_t)(seeds / 2), step = (int64_t)(draw + 1) / 2;

	if (!steps || step > steps)
		return 0;
	return (int32_t)((draw % 2 ? 1 : -1) * step * range / steps);
}

/* Slow goes with slow, but what memory costs for reasons of its own (the device, the recorder) is not at its worst when
 * the machine is: all of it at once is wider than any two runs are apart. */
static size_t price_draw(const struct cgr_store *store, size_t draw, size_t seeds)
{
	size_t others = seeds / 2 * 2;

	if (!draw || !others || !cgr_store_borrow_info(store)->has_memcg_events)
		return draw;
	return (draw - 1 + (others / 2 & ~(size_t)1)) % others + 1;
}

/* A recording is one draw of what a machine does with these programs; another run differs. What no recording of one run
 * tells is therefore varied over the seeds, slow with slow, so that their range is the range of what may be:
 * - the speed of work (caches, frequency, neighbours on the host; page faults and file reads live on caches more
 *   than arithmetic does);
 * - what it costs to sleep and to be woken, by as much as an idle CPU takes to wake up;
 * - what it costs to find one's caches cold after a limit has kept one off the CPU;
 * - the phase of the ticks. Phases of bandwidth periods and choices of the models follow from the seed.
 * What the recording leaves open of itself (how fast its device is, what recording cost) is varied with the prices,
 * also where the recorded run is only replayed. */
static void vary(struct job *job, size_t draw, size_t seeds, uint64_t idle_wake_ns)
{
	bool memory = cgr_store_borrow_info(job->plan->store)->has_memcg_events;
	int64_t switch_ns = (int64_t)CGR_MIN(idle_wake_ns, SWITCH_MAX_NS) * SWITCH_PERCENT / 100;

	job->other_run = draw != 0;
	job->speed_ppm = variation(draw, seeds, memory ? OTHER_MEMORY_RUN_PPM : OTHER_RUN_PPM);
	job->switch_ns = variation(draw, seeds, switch_ns);
	job->wake_percent = variation(draw, seeds, WAKE_PERCENT);
	job->cold_draw_ns = variation(draw, seeds, COLD_NS);
	if (job->cold_draw_ns > 0)
		job->cold_draw_ns *= COLD_MOST - 1;
}

/* The asked seeds, then those of the baseline. */
static void fill_jobs(struct pool *pool, const struct cgr_seed_set *asked, const struct cgr_seed_set *baseline,
                      const struct cgr_run_options *options)
{
	const struct cgr_whatif *plan = asked->plan;

	for (size_t i = 0; i < pool->jobs; i++) {
		bool first = i < asked->count;
		const struct cgr_seed_set *set = first ? asked : baseline;
		size_t draw = first ? i : i - asked->count, seeds = set->count;
		struct job *job = &pool->job[i];

		*job = (struct job){ .plan = set->plan,
			                 .output = &set->output[draw],
			                 .seed = plan->seed + draw,
			                 .price_permille = variation(price_draw(plan->store, draw, seeds), seeds, 1000),
			                 .without_recorder = first && !options->with_recorder && !plan->plays_back,
			                 .series = i == 0 && options->series,
			                 .spans = i == 0 && options->spans };
		if (plan->plays_back)
			continue; /* what happened varies by nothing but prices */
		if (job->without_recorder)
			vary(job, draw, seeds, pool->programs->calibration.idle_wake_ns);
		else
			job->speed_ppm = variation(draw, seeds, SAME_RUN_PPM);
	}
}

static int learn(struct cgr_whatif *plan, const struct cgr_programs *programs, struct cgr_error *reterr)
{
	cgr_whatif_learn(plan, programs);
	return cgr_whatif_phases(plan, programs, reterr);
}

/* Both sets in one pool; their outputs are one array, that of the asked ones. */
static int run_sets(const struct cgr_programs *programs, const struct cgr_run_options *options,
                    struct cgr_seed_set *asked, struct cgr_seed_set *baseline, struct cgr_error *reterr)
{
	struct pool pool = { .programs = programs, .progress = options->progress };
	int rc;

	pool.jobs = asked->count + baseline->count;
	asked->output = cgr_calloc(pool.jobs, sizeof *asked->output);
	pool.job = cgr_calloc(pool.jobs, sizeof *pool.job);
	if (asked->output && pool.job) {
		baseline->output = asked->output + asked->count;
		fill_jobs(&pool, asked, baseline, options);
		rc = run_pool(&pool, options->threads, reterr);
	} else {
		rc = cgr_error_set(reterr, CGR_E_NOMEM, "%zu replays", pool.jobs);
	}
	free(pool.job);
	return rc;
}

int cgr_replay(const struct cgr_store *store, const struct cgr_programs *programs, const struct cgr_scenario *scenario,
               const struct cgr_run_options *options, struct cgr_result **ret_result, struct cgr_error *reterr)
{
	struct cgr_whatif plan = { 0 }, same = { 0 };
	struct cgr_seed_set asked = { .plan = &plan }, baseline = { .plan = &same };
	int rc = cgr_whatif_make(store, scenario, &plan, reterr);

	if (rc >= 0 && options->fidelity && !(options->with_recorder && is_baseline(&plan, scenario)))
		rc = make_baseline(store, scenario, &same, reterr);
	if (rc >= 0)
		rc = learn(&plan, programs, reterr);
	if (rc >= 0 && same.store)
		rc = learn(&same, programs, reterr);
	if (rc >= 0) {
		asked.count = plan.seeds;
		baseline.count = same.store ? same.seeds : 0;
		rc = run_sets(programs, options, &asked, &baseline, reterr);
	}
	if (rc >= 0)
		rc =
		    cgr_result_assemble(store, programs, scenario, &asked,
		                        baseline.count || !options->fidelity ? &baseline : &asked, options, ret_result, reterr);
	for (size_t i = 0; asked.output && i < (size_t)asked.count + baseline.count; i++)
		cgr_engine_output_fini(&asked.output[i]);
	free(asked.output);
	cgr_whatif_fini(&plan);
	cgr_whatif_fini(&same);
	return rc;
}
