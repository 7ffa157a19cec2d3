/* The part of kernel/sched/core.c every scheduler shares: context switches, ticks, wake-ups, and the real-time classes
 * above the fair one. */
#include <string.h>

#include "replay/engine_internal.h"

#define TICK_LATENCY_NS 10000u
#define KICK_LEAST_NS 2000u /* an interrupt of another CPU */

void cgr_run_account(struct cgr_engine *e, uint32_t task, uint64_t ran)
{
	uint32_t cgroup = e->task_info[task].cpu_cgroup;

	e->out->task[task].run_ns += ran;
	e->out->block[CGR_BLOCK_ENGINE].value[CGR_EM_USAGE * e->n_cgroups + cgroup] += (int64_t)ran;
	if (e->task[task].finished || e->task[task].repeating) {
		e->out->extrapolated_run_ns += ran;
		e->out->extrapolated[cgroup] += ran;
	}
}

static void account_wait(struct cgr_engine *e, uint32_t task, bool from_idle)
{
	const struct task_run *t = &e->task[task];
	uint64_t waited = e->now_ns - t->runnable_ns + (from_idle && t->woken ? e->idle_charged_ns : 0);

	e->out->switches++;
	e->out->task[task].wait_ns += waited;
	e->out->block[CGR_BLOCK_ENGINE].value[CGR_EM_WAIT * e->n_cgroups + e->task_info[task].cpu_cgroup] +=
	    (int64_t)waited;
	if (t->woken && cgr_histogram_add(&e->out->task[task].latency, waited / 1000) < 0)
		run_fail(e, CGR_E_NOMEM);
}

/* Books what the current task of a CPU did since the last look. */
void cgr_run_advance(struct cgr_engine *e, uint32_t cpu)
{
	struct cpu_run *c = &e->cpu[cpu];
	uint64_t ran = e->now_ns - c->exec_ns;
	struct task_run *t;
	uint64_t overhead;

	c->exec_ns = e->now_ns;
	if (c->current == NONE || !ran)
		return;
	t = &e->task[c->current];
	if (!e->frozen)
		cgr_run_account(e, c->current, ran);
	overhead = CGR_MIN(ran, c->overhead_ns);
	c->overhead_ns -= overhead;
	ran -= overhead;
	t->remaining_ns -= CGR_MIN(ran, t->remaining_ns);
	t->chilled_ns -= CGR_MIN(ran, t->chilled_ns);
	if (t->stall_ns) {
		ran = CGR_MIN(ran, t->stall_ns);
		t->stall_ns -= ran;
		cgr_run_psi_stall(e, c->current, ran);
	}
}

void cgr_run_arm(struct cgr_engine *e, uint32_t cpu)
{
	struct cpu_run *c = &e->cpu[cpu];

	const struct task_run *t;
	uint64_t at_ns;

	if (c->current == NONE) {
		cgr_heap_disarm(&e->heap, slot_cpu(cpu, CPU_RUN));
		return;
	}
	t = &e->task[c->current];
	at_ns = e->now_ns + c->overhead_ns + t->remaining_ns;
	if (t->stop_ns && !t->exiting) /* it looks at the clock all the time */
		at_ns = CGR_MIN(at_ns, CGR_MAX(t->stop_ns, e->now_ns));
	cgr_heap_arm(&e->heap, slot_cpu(cpu, CPU_RUN), at_ns);
}

/* An idle CPU needs its time to wake up (interrupt, leaving the idle state); a busy one reschedules at once. */
void cgr_run_resched(struct cgr_engine *e, uint32_t cpu)
{
	struct cpu_run *c = &e->cpu[cpu];

	if (c->current == NONE && e->idle_wake_ns) {
		if (!cgr_heap_armed(&e->heap, slot_cpu(cpu, CPU_WAKE)))
			cgr_heap_arm(&e->heap, slot_cpu(cpu, CPU_WAKE), e->now_ns + e->idle_wake_ns);
		return;
	}
	c->need_resched = true;
	e->resched_any = true;
}

/* ---- real time: per CPU lists by priority; FIFO within one (kernel/sched/rt.c, deadline.c kept simple) ---- */
static void rt_insert(struct cgr_engine *e, uint32_t cpu, uint32_t task, bool head)
{
	uint32_t *link = &e->cpu[cpu].rt_head;
	int prio = e->task_info[task].prio;

	while (*link != NONE && (head ? e->task_info[*link].prio < prio : e->task_info[*link].prio <= prio))
		link = &e->task[*link].rt_next;
	e->task[task].rt_next = *link;
	e->task[task].rt_queued = true;
	*link = task;
}

static void rt_remove(struct cgr_engine *e, uint32_t cpu, uint32_t task)
{
	uint32_t *link = &e->cpu[cpu].rt_head;

	while (*link != NONE && *link != task)
		link = &e->task[*link].rt_next;
	if (*link == task)
		*link = e->task[task].rt_next;
	e->task[task].rt_queued = false;
}

static int cpu_prio(const struct cgr_engine *e, uint32_t cpu)
{
	uint32_t current = e->cpu[cpu].current;

	if (current == NONE)
		return 200;
	return e->task[current].rt ? e->task_info[current].prio : 150;
}

static uint32_t rt_select(const struct cgr_engine *e, uint32_t task)
{
	const struct cgr_task_info *info = &e->task_info[task];
	uint32_t best = NONE;

	if (info->cpu < e->n_cpus && cgr_task_may_run(info, info->cpu) && cpu_prio(e, info->cpu) > info->prio)
		return info->cpu;
	for (uint32_t cpu = 0; cpu < e->n_cpus; cpu++)
		if (cgr_task_may_run(info, cpu) && (best == NONE || cpu_prio(e, cpu) > cpu_prio(e, best)))
			best = cpu;
	return best == NONE ? 0 : best;
}

/* ---- queueing ---- */
/* A task that counts as running in the pressure of one CPU takes that along to another (psi_task_change on both). */
static void set_cpu(struct cgr_engine *e, uint32_t task, uint32_t cpu)
{
	if (e->task_info[task].cpu == cpu)
		return;
	cgr_run_psi_change(e, task, -1, 0, 0);
	e->task_info[task].cpu = cpu;
	cgr_run_psi_change(e, task, 1, 0, 0);
}

static void enqueue(struct cgr_engine *e, uint32_t task, uint32_t cpu, unsigned flags)
{
	struct task_run *t = &e->task[task];
	uint32_t current = e->cpu[cpu].current;

	set_cpu(e, task, cpu);
	if (t->rt) {
		rt_insert(e, cpu, task, false);
		if (cpu_prio(e, cpu) > e->task_info[task].prio)
			cgr_run_resched(e, cpu);
		return;
	}
	e->ops->enqueue(cpu_ctx(e), cpu, task, flags);
	if (current == NONE)
		cgr_run_resched(e, cpu);
	else if (is_fair(e, current))
		e->ops->wakeup_preempt(cpu_ctx(e), cpu, task);
}

static uint32_t allowed_cpu(const struct cgr_engine *e, uint32_t task, uint32_t cpu)
{
	const struct cgr_task_info *info = &e->task_info[task];

	if (cpu < e->n_cpus && cgr_task_may_run(info, cpu))
		return cpu;
	for (cpu = 0; cpu < e->n_cpus; cpu++)
		if (cgr_task_may_run(info, cpu))
			return cpu;
	return 0;
}

void cgr_run_wake(struct cgr_engine *e, uint32_t task, uint32_t waker_cpu, unsigned wake_flags)
{
	struct task_run *t = &e->task[task];
	uint32_t previous = e->task_info[task].cpu, cpu;
	unsigned flags = CGR_ENQ_WAKEUP;

	if (t->state != RUN_BLOCKED)
		return;
	cgr_heap_disarm(&e->heap, slot_task(e, task));
	cgr_run_meet_free(e, task);
	t->full = NONE;
	t->waiting = false;
	t->waker = NONE;
	t->timeout = NULL;
	t->state = RUN_QUEUED;
	t->runnable_ns = e->now_ns;
	t->woken = true;
	cgr_run_psi_change(e, task, 1, 0, t->memstall ? -1 : 0);
	t->memstall = false;
	e->progress++;
	if (t->rt) {
		enqueue(e, task, rt_select(e, task), flags);
		return;
	}
	if (t->delayed) {
		t->delayed = false;
		cpu = e->ops->still_queued ? e->ops->still_queued(cpu_ctx(e), task) : NONE;
		if (cpu != NONE) {
			enqueue(e, task, cpu, flags | CGR_ENQ_DELAYED);
			return;
		}
	}
	cpu = allowed_cpu(e, task, e->ops->select_cpu(cpu_ctx(e), task, previous, waker_cpu, wake_flags));
	if (cpu != previous)
		flags |= CGR_ENQ_MIGRATED;
	enqueue(e, task, cpu, flags);
}

void cgr_run_start(struct cgr_engine *e, uint32_t task, uint32_t cpu, bool fork)
{
	struct task_run *t = &e->task[task];

	t->state = RUN_QUEUED;
	t->runnable_ns = e->now_ns;
	t->woken = true;
	t->shift_ns = (int64_t)e->now_ns - e->programs->program[task].start_ns;
	if (e->programs->program[task].stop_ns && !e->config->until_done && !e->plays_back)
		t->stop_ns = e->now_ns + e->programs->program[task].stop_ns;
	e->out->task[task].start_ns = (int64_t)e->now_ns;
	cgr_run_psi_change(e, task, 1, 0, 0);
	if (t->rt) {
		enqueue(e, task, rt_select(e, task), CGR_ENQ_NEW);
		return;
	}
	if (fork)
		cpu = e->ops->select_cpu(cpu_ctx(e), task, cpu, cpu, CGR_WAKE_FORK);
	enqueue(e, task, allowed_cpu(e, task, cpu), CGR_ENQ_NEW);
}

/* Takes a task off whatever queue it is on; the running one stays current until the next schedule. */
void cgr_run_dequeue(struct cgr_engine *e, uint32_t task, unsigned flags)
{
	struct task_run *t = &e->task[task];
	uint32_t cpu = e->task_info[task].cpu;

	if (t->rt) {
		if (t->rt_queued)
			rt_remove(e, cpu, task);
		return;
	}
	if (!e->ops->dequeue(cpu_ctx(e), cpu, task, flags) && (flags & CGR_DEQ_SLEEP))
		t->delayed = true;
}

/* The ticks of all CPUs lie on one grid (tick_setup_device, without skew_tick), and which of them comes first is a
 * matter of interrupt latency: at the end of a quota it decides who gets the last slice. */
static void arm_tick(struct cgr_engine *e, uint32_t cpu)
{
	uint64_t phase = e->tick_phase_ns % e->tick_ns;
	uint64_t next_ns = e->now_ns < phase ? phase : e->now_ns - (e->now_ns - phase) % e->tick_ns + e->tick_ns;

	cgr_heap_arm(&e->heap, slot_cpu(cpu, CPU_TICK), next_ns + cgr_rng_below(&e->rng, TICK_LATENCY_NS));
}

/* Work that cold caches slow down by a quarter until they are filled. Who works by its clock does less instead. */
static void chill(struct task_run *t)
{
	uint64_t more = CGR_MIN(t->cold_left_ns, (t->remaining_ns - t->chilled_ns) / CGR_COLD_PART);
	uint64_t added = t->by_clock ? 0 : more;

	t->cold_left_ns -= more;
	t->chilled_ns += more * CGR_COLD_PART + added;
	t->remaining_ns += added;
}

void cgr_run_load(struct task_run *t, uint64_t ns)
{
	t->remaining_ns = ns;
	t->chilled_ns = 0;
	if (!t->free)
		chill(t);
}

/* Caches are filled from the start; what an earlier throttle has added and did not come to run is a part of that. */
static void find_caches(struct cgr_engine *e, uint32_t cpu, uint32_t task, bool from_idle)
{
	struct task_run *t = &e->task[task];
	uint64_t added;

	if (!t->cold_since_ns)
		return;
	if (cgr_caches_cold(&e->cpu[cpu].caches, e->store_task[task].tgid, t->cold_since_ns, e->now_ns, from_idle)) {
		t->chilled_ns = CGR_MIN(t->chilled_ns, t->remaining_ns);
		added = t->chilled_ns / CGR_COLD_TIME_PART;
		t->cold_left_ns = e->config->cold_ns - CGR_MIN(added, e->config->cold_ns);
		chill(t);
	}
	t->cold_since_ns = 0;
}

/* ---- the switch ---- */
static void set_current(struct cgr_engine *e, uint32_t cpu, uint32_t next)
{
	struct cpu_run *c = &e->cpu[cpu];
	bool from_idle = c->current == NONE && !c->vacated;
	struct task_run *t;

	c->current = next;
	c->vacated = false;
	c->exec_ns = c->span_ns = e->now_ns;
	c->overhead_ns = 0;
	if (next == NONE) {
		c->caches.idle_ns = e->now_ns;
		cgr_heap_disarm(&e->heap, slot_cpu(cpu, CPU_TICK));
		return;
	}
	t = &e->task[next];
	if (!e->frozen)
		account_wait(e, next, from_idle);
	t->woken = false;
	t->state = RUN_RUNNING;
	set_cpu(e, next, cpu);
	c->overhead_ns = e->switch_cost_ns;
	find_caches(e, cpu, next, from_idle);
	cgr_run_psi_change(e, next, 0, 1, 0);
	if (!cgr_heap_armed(&e->heap, slot_cpu(cpu, CPU_TICK))) /* NO_HZ_IDLE: the tick starts again on its grid */
		arm_tick(e, cpu);
}

static uint32_t pick(struct cgr_engine *e, uint32_t cpu, uint32_t prev)
{
	struct cpu_run *c = &e->cpu[cpu];
	bool prev_fair = prev != NONE && is_fair(e, prev) && !c->prev_put;
	uint32_t next, rt = c->rt_head;

	if (prev != NONE && !is_fair(e, prev) && e->task[prev].state == RUN_RUNNING &&
	    (rt == NONE || e->task_info[rt].prio >= e->task_info[prev].prio))
		return prev;
	if (prev != NONE && !is_fair(e, prev) && e->task[prev].state == RUN_RUNNING)
		rt_insert(e, cpu, prev, true);
	if (rt != NONE) {
		if (prev_fair)
			e->ops->put_prev(cpu_ctx(e), cpu, prev);
		rt_remove(e, cpu, rt);
		return rt;
	}
	next = e->ops->pick(cpu_ctx(e), cpu, prev_fair ? prev : NONE);
	if (next == NONE && e->ops->balance && e->ops->balance(cpu_ctx(e), cpu, CGR_NEWLY_IDLE))
		next = e->ops->pick(cpu_ctx(e), cpu, NONE);
	return next;
}

void cgr_run_schedule(struct cgr_engine *e, uint32_t cpu)
{
	struct cpu_run *c = &e->cpu[cpu];
	uint32_t prev = c->current, next;

	cgr_run_advance(e, cpu);
	c->need_resched = false;
	c->user_return_set = false;
	next = pick(e, cpu, prev);
	c->need_resched = c->prev_put = false;
	if (next == prev) {
		if (prev != NONE)
			cgr_run_arm(e, cpu);
		return;
	}
	if (!c->user_return_set)
		cgr_heap_disarm(&e->heap, slot_cpu(cpu, CPU_USER_RETURN));
	if (prev != NONE) {
		struct task_run *t = &e->task[prev];

		cgr_run_span(e, cpu, t->state == RUN_RUNNING ? (t->throttled_ns ? 2u : 0u) : t->state == RUN_GONE ? 3u : 1u);
		cgr_run_psi_change(e, prev, 0, -1, 0);
		if (t->state == RUN_RUNNING) {
			t->state = RUN_QUEUED;
			t->runnable_ns = e->now_ns;
		}
	}
	set_current(e, cpu, next);
	cgr_run_arm(e, cpu);
}

void cgr_run_schedule_all(struct cgr_engine *e)
{
	while (e->resched_any) {
		e->resched_any = false;
		for (uint32_t cpu = 0; cpu < e->n_cpus; cpu++)
			if (e->cpu[cpu].need_resched)
				cgr_run_schedule(e, cpu);
	}
}

/* An idle CPU that a tick has kicked balances when it has come to itself (nohz_balancer_kick, nohz_idle_balance): by
 * then the CPU of the tick has switched, and the task that had to leave is too hot in its cache to be taken. */
static void kick_idle(struct cgr_engine *e)
{
	uint64_t at_ns = e->now_ns + CGR_MAX(e->idle_wake_ns + e->idle_charged_ns, (uint64_t)KICK_LEAST_NS);

	if (cgr_heap_armed(&e->heap, SLOT_KICK))
		return;
	for (uint32_t cpu = 0; cpu < e->n_cpus; cpu++)
		if (e->cpu[cpu].current == NONE) {
			cgr_heap_arm(&e->heap, SLOT_KICK, at_ns);
			return;
		}
}

void cgr_run_kick(struct cgr_engine *e)
{
	for (uint32_t cpu = 0; cpu < e->n_cpus; cpu++)
		if (e->cpu[cpu].current == NONE && e->ops->balance(cpu_ctx(e), cpu, CGR_IDLE))
			e->cpu[cpu].need_resched = e->resched_any = true; /* it is awake */
}

/* sched_tick: the fair class charges and checks; then the busy CPU balances, and kicks the idle ones (nohz). */
void cgr_run_tick(struct cgr_engine *e, uint32_t cpu)
{
	struct cpu_run *c = &e->cpu[cpu];

	cgr_run_advance(e, cpu);
	if (c->current == NONE)
		return;
	arm_tick(e, cpu);
	if (is_fair(e, c->current))
		e->ops->tick(cpu_ctx(e), cpu, c->current);
	if (!e->ops->balance)
		return;
	if (e->ops->balance(cpu_ctx(e), cpu, CGR_NOT_IDLE) && c->current == NONE)
		cgr_run_resched(e, cpu);
	kick_idle(e);
}

void cgr_run_user_return(struct cgr_engine *e, uint32_t cpu)
{
	uint32_t current = e->cpu[cpu].current;

	cgr_run_advance(e, cpu);
	if (current != NONE && is_fair(e, current) && e->ops->return_to_user &&
	    e->ops->return_to_user(cpu_ctx(e), cpu, current))
		cgr_run_resched(e, cpu);
}

/* ---- changes in mid-run ---- */
/* sched_move_task: off the old queue, over to the new group, back on. */
void cgr_run_attach(struct cgr_engine *e, uint32_t task, uint32_t to)
{
	struct task_run *t = &e->task[task];
	struct cgr_task_info *info = &e->task_info[task];
	uint32_t from = info->cpu_cgroup;
	bool queued = t->state == RUN_RUNNING || t->state == RUN_QUEUED || t->delayed;
	bool running = t->state == RUN_RUNNING;

	if (from == to)
		return;
	if (running) {
		cgr_run_advance(e, info->cpu);
		cgr_run_psi_change(e, task, 0, -1, 0);
	}
	if (t->state == RUN_RUNNING || t->state == RUN_QUEUED)
		cgr_run_psi_change(e, task, -1, 0, 0);
	if (t->memstall)
		cgr_run_psi_change(e, task, 0, 0, -1);
	if (queued && !t->rt) {
		if (running && !e->cpu[info->cpu].prev_put)
			e->ops->put_prev(cpu_ctx(e), info->cpu, task);
		e->ops->dequeue(cpu_ctx(e), info->cpu, task, CGR_DEQ_MOVE);
		t->delayed = false;
	}
	e->ops->head.task_attach(cpu_ctx(e), task, from, to);
	info->cpu_cgroup = to;
	cgr_run_populate(e, to, 1);
	cgr_run_populate(e, from, -1);
	if (t->memstall)
		cgr_run_psi_change(e, task, 0, 0, 1);
	if (t->state == RUN_RUNNING || t->state == RUN_QUEUED) {
		cgr_run_psi_change(e, task, 1, 0, 0);
		if (running)
			cgr_run_psi_change(e, task, 0, 1, 0);
		if (!t->rt) {
			e->ops->enqueue(cpu_ctx(e), info->cpu, task, CGR_ENQ_MOVE);
			e->cpu[info->cpu].prev_put |= running;
			cgr_run_resched(e, info->cpu);
		}
	}
}

/* A change of priority within the fair class reweights; between classes it moves the task. */
void cgr_run_set_prio(struct cgr_engine *e, uint32_t task, int prio)
{
	struct task_run *t = &e->task[task];
	struct cgr_task_info *info = &e->task_info[task];
	bool rt = is_rt_prio(e, prio), queued = t->state == RUN_RUNNING || t->state == RUN_QUEUED;
	bool running = t->state == RUN_RUNNING;

	if (info->prio == prio)
		return;
	if (rt == t->rt) {
		if (rt && t->rt_queued) {
			rt_remove(e, info->cpu, task);
			info->prio = prio;
			rt_insert(e, info->cpu, task, false);
		} else {
			info->prio = prio;
			if (!rt && e->ops->task_changed)
				e->ops->task_changed(cpu_ctx(e), task);
		}
		return;
	}
	if (queued && !t->rt && running && !e->cpu[info->cpu].prev_put)
		e->ops->put_prev(cpu_ctx(e), info->cpu, task);
	if (queued || t->delayed)
		cgr_run_dequeue(e, task, CGR_DEQ_MOVE);
	t->delayed = false;
	t->rt = rt;
	info->prio = prio;
	info->policy = rt ? 1 : 0;
	if (!queued)
		return;
	if (!rt) {
		e->ops->enqueue(cpu_ctx(e), info->cpu, task, CGR_ENQ_MOVE);
		e->cpu[info->cpu].prev_put |= running;
	} else if (!running) {
		rt_insert(e, info->cpu, task, false);
	}
	cgr_run_resched(e, info->cpu);
}

static void narrow(uint64_t *set, const uint64_t *by, size_t words)
{
	bool both = cgr_cpus_meet(set, by, words);

	for (size_t i = 0; i < words; i++)
		set[i] = both ? set[i] & by[i] : by[i];
}

/* What it asked for, met with its cpuset and those above where both leave something; else the cpuset alone, which the
 * kernel puts above the wish (cpuset_cpus_allowed). CPUs that a what-if lacks count for nothing. Kernel threads are in
 * no cpuset. */
static void meet_cpus(struct cgr_engine *e, uint32_t task)
{
	struct cgr_task_info *info = &e->task_info[task];
	uint64_t *allowed = e->allowed + task * e->cpu_words, all[CGR_CPU_WORDS];
	uint32_t group = info->kernel_thread ? NONE : e->cpuset_cgroup[task];

	cgr_cpus_fill(all, e->n_cpus);
	memcpy(allowed, e->affinity + task * e->cpu_words, e->cpu_words * sizeof *allowed);
	for (; group != NONE; group = e->store_cgroup[group].parent)
		if (cgr_cpus_meet(e->cpuset + group * e->cpu_words, all, e->cpu_words))
			narrow(allowed, e->cpuset + group * e->cpu_words, e->cpu_words);
	narrow(allowed, all, e->cpu_words);
	info->cpus_allowed = allowed[0];
	info->nr_cpus_allowed = cgr_cpus_count(allowed, e->cpu_words);
}

/* Where a task goes that may not stay: the next one in turn, so that many spread (cpumask_any_and_distribute). */
static uint32_t next_allowed(struct cgr_engine *e, uint32_t task)
{
	for (uint32_t i = 1; i <= e->n_cpus; i++) {
		uint32_t cpu = (e->distributed + i) % e->n_cpus;

		if (cgr_task_may_run(&e->task_info[task], cpu))
			return e->distributed = cpu;
	}
	return 0;
}

/* Takes a running or queued task to another CPU. */
static void carry(struct cgr_engine *e, uint32_t task, uint32_t to)
{
	struct task_run *t = &e->task[task];
	uint32_t from = e->task_info[task].cpu;

	if (t->state == RUN_RUNNING) {
		cgr_run_advance(e, from);
		cgr_run_span(e, from, 0);
		if (!t->rt && !e->cpu[from].prev_put)
			e->ops->put_prev(cpu_ctx(e), from, task);
	}
	cgr_run_dequeue(e, task, CGR_DEQ_MOVE);
	if (t->state == RUN_RUNNING) {
		cgr_run_psi_change(e, task, 0, -1, 0);
		t->state = RUN_QUEUED;
		t->runnable_ns = e->now_ns;
		e->cpu[from].current = NONE;
		e->cpu[from].vacated = true;
		cgr_heap_disarm(&e->heap, slot_cpu(from, CPU_RUN));
		e->cpu[from].need_resched = e->resched_any = true;
	}
	enqueue(e, task, to, CGR_ENQ_MOVE | CGR_ENQ_MIGRATED);
}

/* sched_exec: a program that is about to begin has nothing in any cache, so its task may go to an idler CPU. The kernel
 * does so at the start of bprm_execve; the event (sched_process_exec) comes once the new image is there, so that
 * loading it is charged to the CPU it leaves. */
bool cgr_run_exec(struct cgr_engine *e, uint32_t task)
{
	uint32_t cpu = e->task_info[task].cpu, to = cpu;

	if (!e->task[task].rt && !e->plays_back)
		to = allowed_cpu(e, task, e->ops->select_cpu(cpu_ctx(e), task, cpu, cpu, CGR_WAKE_EXEC));
	if (to == cpu)
		return false;
	carry(e, task, to);
	return true;
}

/* set_cpus_allowed: a task on a CPU it may not use any more moves at once. */
void cgr_run_set_cpus(struct cgr_engine *e, uint32_t task)
{
	struct task_run *t = &e->task[task];
	struct cgr_task_info *info = &e->task_info[task];
	uint32_t old = info->cpu;

	meet_cpus(e, task);
	if (e->ops->task_changed && e->model[MODEL_CPU].head && t->state != RUN_NONE && !t->rt)
		e->ops->task_changed(cpu_ctx(e), task);
	if (cgr_task_may_run(info, old) || (t->state != RUN_RUNNING && t->state != RUN_QUEUED)) {
		if (!cgr_task_may_run(info, old)) {
			cgr_run_psi_change(e, task, 0, 0, t->memstall ? -1 : 0);
			info->cpu = next_allowed(e, task);
			cgr_run_psi_change(e, task, 0, 0, t->memstall ? 1 : 0);
		}
		return;
	}
	carry(e, task, next_allowed(e, task));
}
