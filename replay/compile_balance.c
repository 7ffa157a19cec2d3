/* How often a CPU that runs out of work pulls some from a busy one. From 6.18.y on the kernel throws a dice for it
 * whose odds it learns from the success of earlier tries (NI_RANDOM, sched_balance_newidle), so they are a property of
 * the machine's past. The recording shows them: of all times a CPU went idle while a movable task waited elsewhere, how
 * often it had one moved to itself first. */
#include <string.h>

#include "common/units.h"
#include "common/util.h"
#include "replay/compile_internal.h"

#define LOOKS_MAX 8192u /* each means a look at all tasks that wait */
#define LOOKS_MIN 24u /* fewer tell nothing */
#define SCANS_MIN 6u
#define MAX_RT_PRIO 100u
#define SCANS_PART 2u /* of so many no more than one otherwise: some go to the CPU they had used before */
#define CACHE_HOT_NS 500000u /* sysctl_sched_migration_cost: who ran this recently is not moved */
#define WAKING_NS 50000u /* a move this soon after its wake-up is the wake-up's own choice of a CPU */
#define PULL_NS 100000u /* from the move to the switch that it was made for */
#define ARRIVING_NS 1000000u /* from a wake-up to the switch of the idle CPU that it goes to, at most */
#define FORGOTTEN_NS 60000000u /* a task that waits longer has left its queue unseen */
#define ONLINE_NS 1000000000u /* a CPU that did nothing for longer may have been taken offline */

void cgr_build_note_migration(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t;

	if (e->c == 0 || e->c >= b->n_tasks)
		return;
	t = &b->t[e->c];
	if (t->state != TASK_RUNNABLE)
		return;
	t->cpu = (uint16_t)(e->d >> 16);
	t->pulled_ns = 0;
	/* as in somebody_waits: only who was known to be free to move */
	if (!cgr_event_in_irq(e) && e->cpu == t->cpu && t->waking_ns + WAKING_NS < e->ts_ns &&
	    cgr_build_may_run(b, e->c, t->cpu))
		t->pulled_ns = e->ts_ns;
}

static bool somebody_waits(const struct builder *b, uint32_t cpu, uint64_t ts_ns)
{
	for (uint32_t i = 0; i < b->runnables; i++) {
		const struct task_build *t = &b->t[b->runnable[i]];
		uint64_t since_ns = CGR_MAX(t->out_ns, t->waking_ns);

		if (t->cpu != cpu && !t->hidden && t->prio >= 100 && cgr_build_may_run(b, b->runnable[i], cpu) &&
		    ts_ns - since_ns < FORGOTTEN_NS && ts_ns - CGR_MIN(t->out_ns, ts_ns) > CACHE_HOT_NS)
			return true;
	}
	return false;
}

/* A task went to sleep on this CPU, and next (0: nothing) takes its place. */
void cgr_build_note_newly_idle(struct builder *b, const struct cgr_event *e, uint32_t next)
{
	if (b->has_quota || b->n_cpus < 2)
		return; /* who waits for quota looks like one who waits for a CPU */
	if (next) {
		uint64_t pulled_ns = b->t[next].pulled_ns;

		b->pulls += pulled_ns && e->ts_ns - pulled_ns < PULL_NS;
	} else if (b->idle_looks < LOOKS_MAX) {
		b->idle_looks++;
		b->idle_though_waiting += somebody_waits(b, e->cpu, e->ts_ns);
	}
}

static bool is_list(const char *cpus_allowed)
{
	return strpbrk(cpus_allowed, "-,") != NULL;
}

/* A fair task of user space: others choose their CPU by other rules. */
static bool is_fair(const struct builder *b, const struct cgr_event *e)
{
	return !b->task[e->c].kernel_thread && e->d >> 16 >= MAX_RT_PRIO;
}

/* From a thread that belongs to its CPU, select_idle_sibling leaves the task where it was. */
static bool is_per_cpu(const struct cgr_store_task *task)
{
	return task->kernel_thread && !(task->cpus_allowed && is_list(task->cpus_allowed));
}

/* For a wake-up a CPU is idle as long as nothing has been queued there, which is earlier than the switch
 * (available_idle_cpu). Who has waited longer beside an idle CPU waits for quota. */
static bool is_idle(const struct builder *b, uint32_t cpu, uint64_t ts_ns)
{
	if (b->cpu[cpu].current != 0 || ts_ns - b->cpu[cpu].caches.idle_ns > ONLINE_NS)
		return false;
	for (uint32_t i = 0; i < b->runnables; i++)
		if (b->t[b->runnable[i]].cpu == cpu && ts_ns - b->t[b->runnable[i]].waking_ns < ARRIVING_NS)
			return false;
	return true;
}

void cgr_build_note_busy(struct builder *b, uint32_t cpu, uint64_t ts_ns)
{
	struct cpu_build *c = &b->cpu[cpu];
	bool runs = c->current != 0 && c->current != CGR_ID_NONE;

	if (cgr_pelt_advance(&c->busy, ts_ns, runs, runs, runs))
		cgr_pelt_average(&c->busy, 1024);
}

/* Would any kernel look, as busy as the CPUs are that share a cache with this one? */
static bool may_look(struct builder *b, uint32_t cpu, uint64_t ts_ns)
{
	uint64_t util = 0;
	uint32_t cpus = 0;

	for (uint32_t i = 0; i < b->n_cpus; i++) {
		if (!cgr_build_share_cache(b, cpu, i))
			continue;
		cgr_build_note_busy(b, i, ts_ns);
		util += b->cpu[i].busy.util_avg;
		cpus++;
	}
	return cpus > 1 && cgr_idle_scan_depth(util, cpus) != 0;
}

/* A task is woken on its own CPU, by the one that runs there or by an interrupt of that one, while another CPU is idle:
 * does it go there? The kernel looks for idle CPUs as long as utilization lets it (select_idle_cpu, nr_idle_scan); one
 * that was seen here never does, not even then. A task whose CPU has not been idle since may still be queued there
 * (delayed dequeue), and is asked nothing. */
void cgr_build_note_scan(struct builder *b, const struct cgr_event *e)
{
	struct task_build *t = &b->t[e->c];
	uint32_t cpu = e->d & 0xffff;

	if (e->kind == CGR_EV_WAKING) {
		t->scan_cpu = 0;
		if (!e->task || (is_per_cpu(&b->task[e->task]) && !cgr_event_in_irq(e)) || cpu != e->cpu || !is_fair(b, e) ||
		    t->state != TASK_BLOCKED || b->cpu[cpu].caches.idle_ns < t->block_ns || b->scan_looks >= LOOKS_MAX)
			return;
		b->scan_looks++;
		if (!may_look(b, cpu, e->ts_ns))
			return;
		for (uint32_t i = 0; i < b->n_cpus && !t->scan_cpu; i++)
			if (cgr_build_share_cache(b, cpu, i) && cgr_build_may_run(b, e->c, i) && is_idle(b, i, e->ts_ns))
				t->scan_cpu = cpu + 1;
	} else if (t->scan_cpu) {
		b->scan_stays += cpu + 1 == t->scan_cpu;
		b->scan_moves += cpu + 1 != t->scan_cpu;
		t->scan_cpu = 0;
	}
}

void cgr_build_calibrate_balance(struct builder *b)
{
	uint32_t tries = b->pulls + b->idle_though_waiting;

	b->programs->calibration.idle_scan_known =
	    b->scan_stays + b->scan_moves >= SCANS_MIN &&
	    (b->scan_stays * SCANS_PART <= b->scan_moves || b->scan_moves * SCANS_PART <= b->scan_stays);
	b->programs->calibration.idle_scan = b->scan_moves >= b->scan_stays;
	b->programs->calibration.newidle_known = tries >= LOOKS_MIN && b->idle_looks < LOOKS_MAX;
	if (b->programs->calibration.newidle_known)
		b->programs->calibration.newidle_ratio = (uint32_t)(1024ull * b->pulls / tries);
}

void cgr_build_note_quota(struct builder *b)
{
	size_t count;
	const struct cgr_store_sample *knob = cgr_store_borrow_knobs(b->store, &count);

	for (size_t i = 0; i < count && !b->has_quota; i++)
		b->has_quota =
		    knob[i].value != CGR_UNLIMITED && !strcmp(cgr_store_borrow_name(b->store, knob[i].name), "cpu.max");
}
