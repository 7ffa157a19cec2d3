/* The fair models under the mini host: known figures of the kernel, determinism, invariants at every event. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mini_host.h"
#include "model/lib/fair.h"

extern const struct cgr_cpu_ops cgr_cpu_eevdf, cgr_cpu_cfs;

#define MS 1000000ull
#define SEC 1000000000ull
#define V618 CGR_KERNEL(6, 18, 44)
#define V61 CGR_KERNEL(6, 1, 0)
static const uint32_t flat[MINI_CGROUPS] = { 0, 0, 0, 0 };

static void within(int64_t value, int64_t low, int64_t high)
{
	if (value < low || value > high)
		print_error("%lld is outside %lld..%lld\n", (long long)value, (long long)low, (long long)high);
	assert_in_range(value, low, high);
}

static void weights(void **state)
{
	(void)state;
	assert_int_equal(cgr_weight_of_task(120, 0), 1024);
	assert_int_equal(cgr_weight_of_task(100, 0), 88761);
	assert_int_equal(cgr_weight_of_task(139, 0), 15);
	assert_int_equal(cgr_weight_of_task(120, 5), 3);
	assert_int_equal(cgr_weight_to_shares(100), 1024);
	assert_int_equal(cgr_weight_to_shares(1), 10);
	assert_int_equal(cgr_weight_to_shares(300), 3072);
	assert_int_equal(cgr_calc_delta(1000000, 1024, cgr_load_inverse(2048ull << 10)), 499999);
	assert_int_equal(cgr_calc_delta(1000000, 1024, cgr_load_inverse(512ull << 10)), 1999999);
}

static void pelt_series(void **state)
{
	(void)state;
	assert_int_equal(cgr_pelt_decay(1000, 32), 499); /* half-life, truncated */
	struct cgr_pelt pelt = { 0 };
	for (uint64_t now = 0; now < 2 * SEC; now += MS)
		if (cgr_pelt_advance(&pelt, now, 1, 2, true))
			cgr_pelt_average(&pelt, 1024);
	within((int64_t)pelt.load_avg, 1020, 1024);
	within((int64_t)pelt.util_avg, 1020, 1024);
	within((int64_t)pelt.runnable_avg, 2040, 2048); /* one runs, one waits */
	within((int64_t)pelt.load_sum, 46700, 47742);
	cgr_pelt_advance(&pelt, 2 * SEC + 32 * 1024 * 1024 / 1024 * 1024, 0, 0, false);
	cgr_pelt_average(&pelt, 1024);
	within((int64_t)pelt.load_avg, 500, 524);
}

/* Documented figure: 1024 shares, queues weighing 3072 and 4096 -> 439 and 585. */
static void group_shares(void **state)
{
	(void)state;
	struct mini *m = mini_new(&cgr_cpu_eevdf, 2, 2, flat, V618, 1, NULL);
	for (uint32_t i = 1; i <= 7; i++) {
		m->task[i].info.cpus_allowed = i <= 3 ? 1 : 2;
		mini_start(m, i, 1, 0, MINI_NEVER, 0);
	}
	mini_run(m, 3 * SEC);
	struct cgr_fair *fair = cgr_fair_of(&m->ctx);
	struct cgr_fair_slot *a = cgr_fair_slot(fair, 1, 0), *b = cgr_fair_slot(fair, 1, 1);
	assert_int_equal(cgr_load_to_weight(a->queue.load), 3072);
	assert_int_equal(cgr_load_to_weight(b->queue.load), 4096);
	within((int64_t)(a->entity.load + 512) >> 10, 438, 440);
	within((int64_t)(b->entity.load + 512) >> 10, 584, 586);
	mini_free(m);
}

/* Of a group with one task its CPU sees as much runnable as running, whenever it looks: the time until the task goes to
 * sleep was not that of an empty group. */
static void group_runnable(void **state)
{
	(void)state;
	for (unsigned second = 0; second < 2; second++) {
		struct mini *m = mini_new(&cgr_cpu_eevdf, 1, 2, flat, V618, 1, NULL);
		struct cgr_fair_slot *a = cgr_fair_slot(cgr_fair_of(&m->ctx), 1, 0);
		mini_start(m, 1, 1, 0, MS, MS);
		mini_run(m, SEC + second * MS / 2);
		within((int64_t)a->entity.pelt.util_avg, 450, 560);
		within((int64_t)a->entity.pelt.runnable_avg, (int64_t)a->entity.pelt.util_avg - 4,
		       (int64_t)a->entity.pelt.util_avg + 4);
		mini_free(m);
	}
}

/* The classic: 20 ms per 100 ms is 20 % of a CPU. */
static void spinner(const struct cgr_cpu_ops *ops, uint32_t version)
{
	struct mini *m = mini_new(ops, 2, 2, flat, version, 7, NULL);
	assert_int_equal(mini_knob(m, 1, "cpu.max", 20000, 100000), 0);
	mini_start(m, 1, 1, 0, MINI_NEVER, 0);
	mini_run(m, 5 * SEC);
	within((int64_t)m->task[1].used_ns, 990 * (int64_t)MS, 1030 * (int64_t)MS);
	within(mini_metric(m, 1, "cpu.stat.nr_periods"), 49, 50);
	within(mini_metric(m, 1, "cpu.stat.nr_throttled"), 48, 50);
	within(mini_metric(m, 1, "cpu.stat.throttled_usec"), 3750000, 4050000);
	assert_int_equal(mini_metric(m, 1, "cpu.stat.nr_bursts"), 0);
	mini_free(m);
}
static void spinner_eevdf(void **state)
{
	(void)state;
	spinner(&cgr_cpu_eevdf, V618);
	spinner(&cgr_cpu_eevdf, CGR_KERNEL(6, 12, 0));
}
static void spinner_cfs(void **state)
{
	(void)state;
	spinner(&cgr_cpu_cfs, V61);
}

/* Groups 1:3 on one and two CPUs, one task against eight, nested. */
static void shares(const struct cgr_cpu_ops *ops, uint32_t version, uint32_t cpus, uint32_t tasks_a, uint32_t tasks_b)
{
	struct mini *m = mini_new(ops, cpus, 3, flat, version, 3, NULL);
	assert_int_equal(mini_knob(m, 2, "cpu.shares", 3072, 0), 0);
	uint32_t id = 1;
	uint64_t used_a = 0, used_b = 0;
	for (uint32_t i = 0; i < tasks_a * cpus; i++)
		mini_start(m, id++, 1, 0, MINI_NEVER, 0);
	for (uint32_t i = 0; i < tasks_b * cpus; i++)
		mini_start(m, id++, 2, 0, MINI_NEVER, 0);
	mini_run(m, 10 * SEC);
	for (uint32_t i = 1; i < id; i++)
		*(m->task[i].info.cpu_cgroup == 1 ? &used_a : &used_b) += m->task[i].used_ns;
	assert_int_equal(used_a + used_b, cpus * 10 * SEC);
	within((int64_t)(used_a * 1000 / (used_a + used_b)), 240, 260);
	mini_free(m);
}
static void weight_shares(void **state)
{
	(void)state;
	for (uint32_t cpus = 1; cpus <= 2; cpus++) {
		shares(&cgr_cpu_eevdf, V618, cpus, 1, 1);
		shares(&cgr_cpu_cfs, V61, cpus, 1, 1);
		shares(&cgr_cpu_eevdf, V618, cpus, 1, 8);
		shares(&cgr_cpu_cfs, V61, cpus, 1, 8);
		shares(&cgr_cpu_eevdf, V618, cpus, 8, 1);
	}
}

static void nested_shares(void **state)
{
	(void)state;
	/* /1 has children /3 (1024) and /4 (3072); /2 beside it: /2 50 %, /3 12.5 %, /4 37.5 % */
	const uint32_t parent[MINI_CGROUPS] = { 0, 0, 0, 1, 1 };
	const struct cgr_cpu_ops *ops[2] = { &cgr_cpu_eevdf, &cgr_cpu_cfs };
	for (int i = 0; i < 2; i++) {
		struct mini *m = mini_new(ops[i], 1, 5, parent, i ? V61 : V618, 5, NULL);
		mini_knob(m, 4, "cpu.shares", 3072, 0);
		for (uint32_t g = 2; g <= 4; g++)
			mini_start(m, g, g, 0, MINI_NEVER, 0);
		mini_run(m, 8 * SEC);
		within((int64_t)(m->task[2].used_ns / (8 * MS)), 490, 510);
		within((int64_t)(m->task[3].used_ns / (8 * MS)), 120, 130);
		within((int64_t)(m->task[4].used_ns / (8 * MS)), 370, 380);
		mini_free(m);
	}
}

/* Whoever wakes up puts a group away in the middle of its tasks' slices. That may find one of them past its deadline,
 * which concerns only the task that leaves: the next one is asked for the CPU again all the same. */
static void put_away_in_mid_slice(void **state)
{
	(void)state;
	const struct cgr_cpu_ops *ops[2] = { &cgr_cpu_eevdf, &cgr_cpu_cfs };
	for (int i = 0; i < 2; i++) {
		struct mini *m = mini_new(ops[i], 1, 4, flat, i ? V61 : V618, 5, NULL);
		mini_start(m, 1, 1, 0, MINI_NEVER, 0);
		mini_start(m, 2, 1, 0, MINI_NEVER, 0);
		mini_start(m, 3, 2, 0, MINI_NEVER, 0);
		mini_start(m, 4, 2, 0, MINI_NEVER, 0);
		mini_start(m, 5, 3, 0, 300 * 1000, 2700 * 1000);
		mini_run(m, 6 * SEC);
		within((int64_t)(m->task[5].used_ns / (6 * MS)), 60, 105);
		within((int64_t)((m->task[1].used_ns + m->task[2].used_ns) / (6 * MS)), 430, 470);
		within((int64_t)((m->task[3].used_ns + m->task[4].used_ns) / (6 * MS)), 430, 470);
		for (uint32_t task = 1; task <= 4; task++)
			within((int64_t)(m->task[task].used_ns / (6 * MS)), 205, 245);
		mini_free(m);
	}
}

static void nice_levels(void **state)
{
	(void)state;
	const struct cgr_cpu_ops *ops[2] = { &cgr_cpu_eevdf, &cgr_cpu_cfs };
	for (int i = 0; i < 2; i++) {
		struct mini *m = mini_new(ops[i], 1, 1, flat, i ? V61 : V618, 5, NULL);
		mini_start(m, 1, 0, 0, MINI_NEVER, 0);
		mini_start(m, 2, 0, 5, MINI_NEVER, 0); /* 335 */
		mini_run(m, 10 * SEC);
		within((int64_t)(m->task[1].used_ns / (10 * MS)), 743, 763); /* 1024 / 1359 */
		mini_free(m);
	}
}

static void idle_group_and_policy(void **state)
{
	(void)state;
	struct mini *m = mini_new(&cgr_cpu_eevdf, 1, 2, flat, V618, 5, NULL);
	assert_int_equal(mini_knob(m, 1, "cpu.idle", 1, 0), 0);
	assert_int_equal(mini_knob(m, 1, "cpu.shares", 512, 0), CGR_E_SCENARIO);
	mini_start(m, 1, 1, 0, MINI_NEVER, 0);
	mini_start(m, 2, 0, 0, 5 * MS, 5 * MS);
	mini_run(m, 5 * SEC);
	/* the sleeper takes the CPU from the idle group whenever it wakes */
	within((int64_t)(m->task[2].latency_max_ns / 1000), 0, 20);
	within((int64_t)(m->task[2].used_ns / MS), 2450, 2510);
	mini_free(m);
}

/* A CPU that has only idle tasks looks for better ones as often as one without any (sched_balance_domains: busy). */
static void idle_tasks_make_room(void **state)
{
	(void)state;
	struct mini *m = mini_new(&cgr_cpu_eevdf, 2, 2, flat, V618, 5, NULL);
	assert_int_equal(mini_knob(m, 1, "cpu.idle", 1, 0), 0);
	m->task[1].info.cpus_allowed = 1;
	m->task[2].info.cpus_allowed = 2;
	mini_start(m, 1, 0, 0, MINI_NEVER, 0);
	mini_start(m, 2, 1, 0, MINI_NEVER, 0);
	mini_run(m, SEC);
	for (uint32_t cpu = 0; cpu < 2; cpu++) {
		const struct cgr_fair_cpu *rq = cgr_fair_cpu(cgr_fair_of(&m->ctx), cpu);
		uint64_t interval_ns = rq->next_balance_ns - rq->last_balance_ns;
		assert_true(cpu ? interval_ns < 10 * MS : interval_ns > 50 * MS);
	}
	mini_free(m);
}

/* Tasks that are bound to their CPU: nobody has failed to move them, and nobody tries again soon. */
static void bound_tasks(void **state)
{
	(void)state;
	struct mini *m = mini_new(&cgr_cpu_eevdf, 2, 1, flat, V618, 5, NULL);
	for (uint32_t t = 1; t <= 4; t++) {
		m->task[t].info.cpus_allowed = t < 4 ? 1 : 2;
		mini_start(m, t, 0, 0, MINI_NEVER, 0);
	}
	mini_run(m, 5 * SEC);
	struct cgr_fair_cpu *rq = cgr_fair_cpu(cgr_fair_of(&m->ctx), 1);
	assert_int_equal(rq->balance_failed, 0);
	assert_int_equal(rq->balance_interval_ms, 512);
	mini_free(m);
}

/* Three tasks bound to CPU 1 make it the busiest, but it is CPU 2 that an idle CPU can take one from. */
static void bound_tasks_hide_nobody(void **state)
{
	(void)state;
	struct mini *m = mini_new(&cgr_cpu_eevdf, 4, 1, flat, V618, 5, NULL);
	for (uint32_t t = 1; t <= 6; t++) {
		m->task[t].info.cpus_allowed = t == 1 ? 1 : t <= 4 ? 2 : 4;
		mini_start(m, t, 0, 0, MINI_NEVER, 0);
	}
	m->task[5].info.cpus_allowed = m->task[6].info.cpus_allowed = 12;
	mini_run(m, SEC);
	assert_true(m->cpu[3].curr == 5 || m->cpu[3].curr == 6);
	mini_free(m);
}

/* However small a task's load is, it counts as movable (LB_MIN is off). */
static void light_tasks_move(void **state)
{
	(void)state;
	struct mini *m = mini_new(&cgr_cpu_eevdf, 2, 1, flat, V618, 5, NULL);
	for (uint32_t t = 1; t <= 5; t++) {
		m->task[t].info.cpus_allowed = t < 5 ? 1 : 2;
		mini_start(m, t, 0, 19, MINI_NEVER, 0);
	}
	mini_run(m, SEC);
	for (uint32_t t = 1; t <= 4; t++)
		m->task[t].info.cpus_allowed = 3;
	struct cgr_fair_cpu *rq = cgr_fair_cpu(cgr_fair_of(&m->ctx), 1);
	rq->next_balance_ns = rq->last_balance_ns = rq->balance_interval_ms = 0;
	assert_true(m->ops->balance(&m->ctx, 1, CGR_NOT_IDLE));
	mini_free(m);
}

/* select_task_rq does not ask the class where a bound task goes, so it is nobody's wakee. */
static void bound_wakee(void **state)
{
	(void)state;
	struct mini *m = mini_new(&cgr_cpu_eevdf, 2, 1, flat, V618, 5, NULL);
	m->task[2].waits = m->task[3].waits = true;
	mini_start(m, 1, 0, 0, MINI_NEVER, 0);
	mini_start(m, 2, 0, 0, MS, 0);
	mini_start(m, 3, 0, 0, MS, 0);
	mini_run(m, MS);
	uint32_t waker_cpu = m->task[1].info.cpu;
	struct cgr_fair_task *waker = cgr_fair_task(cgr_fair_of(&m->ctx), 1);
	m->task[2].info.cpus_allowed = 2;
	m->task[2].info.nr_cpus_allowed = 1;
	assert_int_equal(m->ops->select_cpu(&m->ctx, 2, 0, waker_cpu, 0), 1);
	assert_int_equal(waker->wakee_flips, 0);
	m->ops->select_cpu(&m->ctx, 3, 0, waker_cpu, 0);
	assert_int_equal(waker->wakee_flips, 1);
	mini_free(m);
}

static void nested_limits(void **state)
{
	(void)state;
	const uint32_t parent[MINI_CGROUPS] = { 0, 0, 1, 1 };
	const struct cgr_cpu_ops *ops[2] = { &cgr_cpu_eevdf, &cgr_cpu_cfs };
	for (int i = 0; i < 2; i++) {
		struct mini *m = mini_new(ops[i], 2, 4, parent, i ? V61 : V618, 11, NULL);
		mini_knob(m, 1, "cpu.max", 50000, 100000);
		mini_knob(m, 2, "cpu.max", 10000, 50000);
		mini_start(m, 1, 2, 0, MINI_NEVER, 0);
		mini_start(m, 2, 3, 0, MINI_NEVER, 0);
		mini_start(m, 3, 3, 0, 3 * MS, 2 * MS);
		mini_run(m, 6 * SEC);
		uint64_t all = m->task[1].used_ns + m->task[2].used_ns + m->task[3].used_ns;
		within((int64_t)(all / MS), 2900, 3150);
		within((int64_t)(m->task[1].used_ns / MS), 400, 1260);
		assert_true(mini_metric(m, 1, "cpu.stat.nr_throttled") >= 57);
		mini_free(m);
	}
}

static void burst(void **state)
{
	(void)state;
	/* 15 ms every 200 ms under 10 ms per 100 ms: 5 ms over, saved the period before */
	struct mini *m = mini_new(&cgr_cpu_eevdf, 1, 2, flat, V618, 2, NULL);
	mini_knob(m, 1, "cpu.max", 10000, 100000);
	mini_knob(m, 1, "cpu.max.burst", 10000, 0);
	mini_start(m, 1, 1, 0, 15 * MS, 185 * MS);
	mini_run(m, 10 * SEC);
	within(mini_metric(m, 1, "cpu.stat.nr_bursts"), 40, 51);
	within(mini_metric(m, 1, "cpu.stat.nr_throttled"), 0, 6);
	within((int64_t)(m->task[1].used_ns / MS), 730, 760);
	assert_int_equal(mini_knob(m, 1, "cpu.max.burst", 20000, 0), CGR_E_SCENARIO);
	mini_free(m);
}

static void limit_changes_in_mid_run(void **state)
{
	(void)state;
	const struct cgr_cpu_ops *ops[2] = { &cgr_cpu_eevdf, &cgr_cpu_cfs };
	for (int i = 0; i < 2; i++) {
		struct mini *m = mini_new(ops[i], 2, 2, flat, i ? V61 : V618, 2, NULL);
		for (uint32_t t = 1; t <= 3; t++)
			mini_start(m, t, 1, 0, 7 * MS, 2 * MS);
		mini_run(m, SEC);
		mini_knob(m, 1, "cpu.max", 20000, 100000);
		mini_run(m, 2 * SEC);
		uint64_t before = m->task[1].used_ns + m->task[2].used_ns + m->task[3].used_ns;
		assert_int_equal(mini_knob(m, 1, "cpu.max", 500, 100000), CGR_E_SCENARIO);
		mini_knob(m, 1, "cpu.max", CGR_MAX, 100000);
		mini_run(m, 3 * SEC);
		uint64_t after = m->task[1].used_ns + m->task[2].used_ns + m->task[3].used_ns - before;
		within((int64_t)(after / MS), 1650, 2000);
		mini_free(m);
	}
}

/* The grid of a group's timer may be told, also after the limit: who is out of time runs again just then. */
static void period_phase(void **state)
{
	const struct cgr_cpu_ops *ops[] = { &cgr_cpu_eevdf, &cgr_cpu_cfs };
	const uint32_t version[] = { V618, V61 };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct mini *m = mini_new(ops[i], 1, 2, flat, version[i], 3, NULL);
		assert_int_equal(mini_knob(m, 1, "cpu.max", 20000, 100000), 0);
		assert_int_equal(mini_knob(m, 1, "cpu.max.phase", 37 * (int64_t)MS, 0), 0);
		mini_start(m, 1, 1, 0, MINI_NEVER, 0);
		mini_run(m, 36 * MS);
		uint64_t used_ns = m->task[1].used_ns; /* the first quota, and up to a tick beyond */
		within((int64_t)used_ns, 20 * (int64_t)MS, 25 * (int64_t)MS);
		mini_run(m, 37 * MS - 1000);
		assert_int_equal(m->task[1].used_ns, used_ns);
		mini_run(m, 39 * MS);
		assert_true(m->task[1].used_ns > used_ns);
		used_ns = m->task[1].used_ns;
		mini_run(m, 137 * MS - 1000);
		within((int64_t)(m->task[1].used_ns - used_ns), 12 * (int64_t)MS, 25 * (int64_t)MS);
		used_ns = m->task[1].used_ns;
		mini_run(m, 139 * MS);
		assert_true(m->task[1].used_ns > used_ns);
		mini_free(m);
	}
}

/* Who is on its way out does not return to user mode, where 6.18 throttles (throttle_cfs_rq_work: PF_EXITING). */
static void exit_beyond_quota(void **state)
{
	(void)state;
	struct mini *m = mini_new(&cgr_cpu_eevdf, 1, 2, flat, V618, 3, NULL);
	assert_int_equal(mini_knob(m, 1, "cpu.max", 20000, 100000), 0);
	mini_start(m, 1, 1, 0, MINI_NEVER, 0);
	mini_run(m, SEC);
	within((int64_t)m->task[1].used_ns, 190 * (int64_t)MS, 230 * (int64_t)MS);
	uint64_t used_ns = m->task[1].used_ns;
	m->task[1].info.exiting = true; /* from its next stretch on */
	mini_run(m, 2 * SEC);
	within((int64_t)(m->task[1].used_ns - used_ns), 890 * (int64_t)MS, SEC);
	mini_free(m);
}

static void attach_in_mid_run(void **state)
{
	(void)state;
	struct mini *m = mini_new(&cgr_cpu_eevdf, 1, 3, flat, V618, 9, NULL);
	mini_knob(m, 2, "cpu.max", 10000, 100000);
	mini_start(m, 1, 1, 0, MINI_NEVER, 0);
	mini_start(m, 2, 1, 0, MINI_NEVER, 0);
	mini_run(m, SEC);
	for (uint32_t t = 1; t <= 2; t++) { /* one of them is running */
		m->task[t].info.cpu_cgroup = 2;
		m->ops->head.task_attach(&m->ctx, t, 1, 2);
	}
	mini_run(m, 3 * SEC);
	within((int64_t)((m->task[1].used_ns + m->task[2].used_ns) / MS), 1190, 1225);
	for (uint32_t t = 1; t <= 2; t++) { /* both in limbo or queued there */
		m->task[t].info.cpu_cgroup = 1;
		m->ops->head.task_attach(&m->ctx, t, 2, 1);
	}
	if (m->cpu[0].curr == CGR_NONE)
		m->cpu[0].resched = true;
	mini_run(m, 4 * SEC);
	within((int64_t)((m->task[1].used_ns + m->task[2].used_ns) / MS), 2180, 2225);
	mini_free(m);
}

static void pipe_and_balance(void **state)
{
	(void)state;
	const struct cgr_cpu_ops *ops[2] = { &cgr_cpu_eevdf, &cgr_cpu_cfs };
	for (int i = 0; i < 2; i++) {
		struct mini *m = mini_new(ops[i], 4, 2, flat, i ? V61 : V618, 4, NULL);
		m->task[2].waits = true;
		m->task[1].wakes = 2;
		mini_start(m, 2, 1, 0, MS / 2, 0);
		mini_start(m, 1, 1, 0, MS, MS);
		for (uint32_t t = 3; t <= 6; t++)
			mini_start(m, t, 1, 0, MINI_NEVER, 0);
		mini_run(m, 4 * SEC);
		within((int64_t)(m->task[1].used_ns / MS), 1000, 2001);
		within((int64_t)(m->task[2].used_ns / MS), 500, 1001);
		uint64_t least = UINT64_MAX;
		for (uint32_t t = 3; t <= 6; t++)
			least = m->task[t].used_ns < least ? m->task[t].used_ns : least;
		assert_true(least > 1500 * MS); /* nobody starves on a shared CPU */
		mini_free(m);
	}
}

static struct mini *two_spinners_on_cpu_0(void)
{
	struct mini *m = mini_new(&cgr_cpu_eevdf, 2, 2, flat, V618, 3, NULL);
	for (uint32_t t = 1; t <= 2; t++) {
		m->task[t].info.cpus_allowed = 1;
		mini_start(m, t, 1, 0, MINI_NEVER, 0);
	}
	mini_run(m, 200 * MS);
	return m;
}

/* The time a task waited goes with it to the CPU it is moved to: the one it leaves has room at once. */
static void waiting_time_moves_along(void **state)
{
	(void)state;
	struct mini *m = two_spinners_on_cpu_0();
	uint32_t waiting = m->cpu[0].curr == 1 ? 2 : 1;
	assert_int_equal(cgr_fair_stats_of(cgr_fair_of(&m->ctx), 0).type, CGR_OVERLOADED);
	m->ops->dequeue(&m->ctx, 0, waiting, CGR_DEQ_MOVE);
	m->task[waiting].info.cpu = 1;
	m->ops->enqueue(&m->ctx, 1, waiting, CGR_ENQ_MOVE | CGR_ENQ_MIGRATED);
	assert_int_equal(cgr_fair_stats_of(cgr_fair_of(&m->ctx), 0).type, CGR_HAS_SPARE);
	mini_free(m);
}

/* A CPU that balanced while it was idle and is busy since waits for the interval of a busy one, 28 ms. */
static void busy_cpu_balances_late(void **state)
{
	(void)state;
	struct mini *m = two_spinners_on_cpu_0();
	mini_start(m, 3, 1, 0, MINI_NEVER, 0);
	mini_run(m, 400 * MS);
	struct cgr_fair_cpu *rq = cgr_fair_cpu(cgr_fair_of(&m->ctx), 1);
	m->task[1].info.cpus_allowed = m->task[2].info.cpus_allowed = 3;
	rq->last_balance_ns = 396 * MS;
	rq->next_balance_ns = 400 * MS;
	rq->balance_interval_ms = 0; /* what the bound tasks have made of it */
	assert_false(cgr_fair_balance(&m->ctx, 1, CGR_NOT_IDLE));
	within((int64_t)(rq->next_balance_ns / MS), 396 + 24, 396 + 60);
	mini_free(m);
}

/* At its execve a task goes to an idle CPU, unless it has its own to itself. */
static void exec_goes_to_idle(void **state)
{
	(void)state;
	struct mini *m = two_spinners_on_cpu_0();
	uint32_t running = m->cpu[0].curr, waiting = running == 1 ? 2 : 1;
	m->task[running].info.cpus_allowed = 3;
	assert_int_equal(m->ops->select_cpu(&m->ctx, running, 0, 0, CGR_WAKE_EXEC), 1);
	m->ops->dequeue(&m->ctx, 0, waiting, CGR_DEQ_SLEEP);
	assert_int_equal(m->ops->select_cpu(&m->ctx, running, 0, 0, CGR_WAKE_EXEC), 0);
	mini_free(m);
}

/* An idle CPU has no tick: it balances when a busy one tells it to, and that one has a task too many to do so. */
static void idle_cpu_balances_when_kicked(void **state)
{
	(void)state;
	struct mini *m = mini_new(&cgr_cpu_eevdf, 2, 2, flat, V618, 3, NULL);
	m->task[1].info.cpus_allowed = 1;
	mini_start(m, 1, 1, 0, MINI_NEVER, 0);
	mini_run(m, 200 * MS);
	assert_int_equal(cgr_fair_cpu(cgr_fair_of(&m->ctx), 1)->last_balance_ns, 0);
	m->task[2].info.cpus_allowed = 1;
	mini_start(m, 2, 1, 0, MINI_NEVER, 0);
	mini_run(m, 300 * MS);
	assert_true(cgr_fair_cpu(cgr_fair_of(&m->ctx), 1)->last_balance_ns > 200 * MS);
	mini_free(m);
}

/* Root tasks share by session: one against eight of another session is half and half. */
static void autogroup_sessions(void **state)
{
	(void)state;
	struct mini *m = calloc(1, sizeof(*m));
	mini_init(m, &cgr_cpu_eevdf, 1, 1, flat, V618, 5, NULL,
	          (const int32_t[]){ 0, 100, 200, 200, 200, 200, 200, 200, 200, 200 }, 10);
	for (uint32_t t = 1; t <= 9; t++)
		mini_start(m, t, 0, 0, MINI_NEVER, 0);
	mini_run(m, 5 * SEC);
	within((int64_t)(m->task[1].used_ns / (5 * MS)), 490, 510);
	mini_free(m);
}

static uint64_t digest_of(const struct cgr_cpu_ops *ops, uint64_t seed)
{
	struct mini *m = mini_new(ops, 4, 3, flat, ops == &cgr_cpu_cfs ? V61 : V618, seed, NULL);
	mini_knob(m, 1, "cpu.max", 60000, 100000);
	mini_knob(m, 2, "cpu.shares", 3000, 0);
	for (uint32_t t = 1; t <= 20; t++)
		mini_start(m, t, 1 + t % 2, (int)(t % 5), (1 + t % 7) * MS, (t % 3) * MS + 1);
	mini_run(m, 3 * SEC);
	uint64_t digest = m->switches;
	for (uint32_t t = 1; t <= 20; t++)
		digest = digest * 1099511628211ull + m->task[t].used_ns + m->task[t].latency_sum_ns;
	mini_free(m);
	return digest;
}
static void determinism(void **state)
{
	(void)state;
	assert_int_equal(digest_of(&cgr_cpu_eevdf, 1), digest_of(&cgr_cpu_eevdf, 1));
	assert_int_equal(digest_of(&cgr_cpu_cfs, 1), digest_of(&cgr_cpu_cfs, 1));
	assert_int_not_equal(digest_of(&cgr_cpu_eevdf, 1), digest_of(&cgr_cpu_eevdf, 2));
	assert_int_not_equal(digest_of(&cgr_cpu_eevdf, 1), digest_of(&cgr_cpu_cfs, 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(weights),
		cmocka_unit_test(pelt_series),
		cmocka_unit_test(group_shares),
		cmocka_unit_test(group_runnable),
		cmocka_unit_test(spinner_eevdf),
		cmocka_unit_test(spinner_cfs),
		cmocka_unit_test(weight_shares),
		cmocka_unit_test(nested_shares),
		cmocka_unit_test(put_away_in_mid_slice),
		cmocka_unit_test(nice_levels),
		cmocka_unit_test(idle_group_and_policy),
		cmocka_unit_test(idle_tasks_make_room),
		cmocka_unit_test(bound_tasks),
		cmocka_unit_test(bound_tasks_hide_nobody),
		cmocka_unit_test(light_tasks_move),
		cmocka_unit_test(bound_wakee),
		cmocka_unit_test(nested_limits),
		cmocka_unit_test(burst),
		cmocka_unit_test(limit_changes_in_mid_run),
		cmocka_unit_test(period_phase),
		cmocka_unit_test(exit_beyond_quota),
		cmocka_unit_test(attach_in_mid_run),
		cmocka_unit_test(pipe_and_balance),
		cmocka_unit_test(waiting_time_moves_along),
		cmocka_unit_test(busy_cpu_balances_late),
		cmocka_unit_test(idle_cpu_balances_when_kicked),
		cmocka_unit_test(exec_goes_to_idle),
		cmocka_unit_test(autogroup_sessions),
		cmocka_unit_test(determinism),
	};
	return cmocka_run_group_tests_name("cpu models", tests, NULL, NULL);
}
