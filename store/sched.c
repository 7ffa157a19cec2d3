/* The life of tasks as the scheduler events tell it. */
#include "store/sched.h"

#include <stdlib.h>
#include <string.h>

#include "common/limits.h"
#include "common/util.h"

enum life { UNKNOWN, BLOCKED, READY, RUNNING };

struct follow { /* one task */
	uint64_t since_ns; /* READY: runnable since */
	uint64_t wake; /* READY: the wake-up's event id, 0 = preempted */
	uint64_t early_wake; /* woken while still switching out: counts from the switch on */
	uint32_t cpu; /* RUNNING: where; READY: for which it waits */
	uint64_t idle_ns; /* READY: how long that CPU had been idle before */
	uint32_t css_set;
	uint32_t sum; /* row for (css_set, cpu); CGR_ID_NONE: look it up */
	uint32_t sum_cpu;
	uint8_t life;
};

struct cgr_sched {
	struct follow *task;
	size_t tasks;
	struct cgr_sched_sum *sum;
	size_t sums, sums_capacity;
	struct cgr_sched_held *held;
	size_t helds, helds_capacity;
	uint64_t idle_ns[CGR_LIMIT_CPUS];
	uint32_t *slot; /* open addressing over (task, css_set, cpu) -> row + 1 */
	size_t slots;
	uint32_t current[CGR_LIMIT_CPUS]; /* CGR_ID_NONE unknown */
	uint64_t since_ns[CGR_LIMIT_CPUS]; /* ... on the CPU since; the idle task is on many at a time */
};

struct cgr_sched *cgr_sched_new(void)
{
	struct cgr_sched *sched = cgr_calloc(1, sizeof(*sched));

	if (sched != NULL)
		memset(sched->current, 0xff, sizeof(sched->current));
	return sched;
}

struct cgr_sched *cgr_sched_free(struct cgr_sched *sched)
{
	if (sched == NULL)
		return NULL;
	free(sched->task);
	free(sched->sum);
	free(sched->held);
	free(sched->slot);
	free(sched);
	return NULL;
}

static int follow(struct cgr_sched *sched, uint32_t task, struct follow **ret_follow, struct cgr_error *reterr)
{
	if (task >= sched->tasks) {
		size_t before = sched->tasks;

		CGR_TRY(cgr_grow((void **)&sched->task, &sched->tasks, (size_t)task + 1, sizeof(*sched->task), reterr));
		for (size_t i = before; i < sched->tasks; i++)
			sched->task[i].css_set = sched->task[i].sum = CGR_ID_NONE;
	}
	*ret_follow = &sched->task[task];
	return 0;
}

static size_t slot_of(const struct cgr_sched *sched, uint32_t task, uint32_t css_set, uint32_t cpu)
{
	uint64_t key = ((uint64_t)task << 32 | css_set) * 0x9e3779b97f4a7c15ull;

	key = (key ^ key >> 29 ^ cpu) * 0xd6e8feb86659fd93ull;
	return (size_t)(key >> 20) & (sched->slots - 1);
}

static int grow_slots(struct cgr_sched *sched, struct cgr_error *reterr)
{
	size_t slots = sched->slots == 0 ? 1024 : sched->slots * 2;
	uint32_t *slot = cgr_calloc(slots, sizeof(*slot));

	if (slot == NULL)
		return cgr_error_set(reterr, CGR_E_NOMEM, "scheduler sums: out of memory");
	free(sched->slot);
	sched->slot = slot;
	sched->slots = slots;
	for (size_t i = 0; i < sched->sums; i++) {
		const struct cgr_sched_sum *sum = &sched->sum[i];
		size_t at = slot_of(sched, sum->task, sum->css_set, sum->cpu);

		while (slot[at] != 0)
			at = (at + 1) & (slots - 1);
		slot[at] = (uint32_t)i + 1;
	}
	return 0;
}

static int find_sum(struct cgr_sched *sched, uint32_t task, uint32_t css_set, uint32_t cpu, uint32_t *ret_row,
                    struct cgr_error *reterr)
{
	size_t at;

	if (sched->sums * 2 >= sched->slots)
		CGR_TRY(grow_slots(sched, reterr));
	at = slot_of(sched, task, css_set, cpu);
	for (; sched->slot[at] != 0; at = (at + 1) & (sched->slots - 1)) {
		const struct cgr_sched_sum *sum = &sched->sum[sched->slot[at] - 1];

		if (sum->task == task && sum->css_set == css_set && sum->cpu == cpu) {
			*ret_row = sched->slot[at] - 1;
			return 0;
		}
	}
	CGR_TRY(cgr_grow((void **)&sched->sum, &sched->sums_capacity, sched->sums + 1, sizeof(*sched->sum), reterr));
	sched->sum[sched->sums] = (struct cgr_sched_sum){ .task = task, .css_set = css_set, .cpu = cpu };
	*ret_row = (uint32_t)sched->sums;
	sched->slot[at] = (uint32_t)++sched->sums;
	return 0;
}

static int sum_of(struct cgr_sched *sched, uint32_t task, struct follow *f, uint32_t cpu,
                  struct cgr_sched_sum **ret_sum, struct cgr_error *reterr)
{
	if (f->sum == CGR_ID_NONE || f->sum_cpu != cpu) {
		CGR_TRY(find_sum(sched, task, f->css_set, cpu, &f->sum, reterr));
		f->sum_cpu = cpu;
	}
	*ret_sum = &sched->sum[f->sum];
	return 0;
}

int cgr_sched_attach(struct cgr_sched *sched, uint32_t task, uint32_t css_set, struct cgr_error *reterr)
{
	struct follow *f;

	CGR_TRY(follow(sched, task, &f, reterr));
	f->css_set = css_set;
	f->sum = CGR_ID_NONE;
	return 0;
}

static bool is_on(const struct cgr_sched *sched, uint32_t task, uint32_t cpu)
{
	return sched->current[cpu] == task &&
	       (task == 0 || (sched->task[task].life == RUNNING && sched->task[task].cpu == cpu));
}

/* How long a CPU has been idle up to now. */
static uint64_t idle_up_to(const struct cgr_sched *sched, uint32_t cpu, uint64_t now_ns)
{
	return sched->idle_ns[cpu] + (sched->current[cpu] == 0 ? now_ns - sched->since_ns[cpu] : 0);
}

static void begin_wait(struct cgr_sched *sched, struct follow *f, uint32_t cpu, uint64_t now_ns)
{
	f->life = READY;
	f->since_ns = now_ns;
	f->cpu = CGR_MIN(cpu, CGR_LIMIT_CPUS - 1);
	f->idle_ns = idle_up_to(sched, f->cpu, now_ns);
}

static int note_held(struct cgr_sched *sched, const struct follow *f, const struct cgr_event *e, uint64_t wait_ns,
                     struct cgr_error *reterr)
{
	/* the switch that ends the wait has already ended the idle stretch */
	uint64_t idle_ns = sched->idle_ns[f->cpu] - CGR_MIN(f->idle_ns, sched->idle_ns[f->cpu]);

	if (f->cpu != e->cpu || wait_ns < CGR_SCHED_HELD_MIN_NS || idle_ns * 2 < wait_ns)
		return 0;
	CGR_TRY(cgr_grow((void **)&sched->held, &sched->helds_capacity, sched->helds + 1, sizeof(*sched->held), reterr));
	sched->held[sched->helds++] = (struct cgr_sched_held){
		.task = e->c, .css_set = f->css_set, .cpu = e->cpu, .from_ns = f->since_ns, .to_ns = e->ts_ns
	};
	return 0;
}

static int leave_cpu(struct cgr_sched *sched, const struct cgr_event *e, struct cgr_sched_derived *derived,
                     struct cgr_error *reterr)
{
	bool runnable = (e->a & 0xff) == 0; /* TASK_REPORT bits; bit 8 only says preempted in the kernel */
	struct cgr_sched_sum *sum;
	struct follow *f;

	CGR_TRY(follow(sched, e->task, &f, reterr));
	CGR_TRY(sum_of(sched, e->task, f, e->cpu, &sum, reterr));
	if (is_on(sched, e->task, e->cpu)) {
		derived->run_ns = (int64_t)(e->ts_ns - sched->since_ns[e->cpu]);
		sum->run_ns += (uint64_t)derived->run_ns;
		if (e->task == 0)
			sched->idle_ns[e->cpu] += (uint64_t)derived->run_ns;
	}
	sum->switches++;
	sum->preemptions += runnable && e->task != 0;
	f->life = BLOCKED;
	if (runnable || f->early_wake != 0)
		begin_wait(sched, f, e->cpu, e->ts_ns);
	f->wake = runnable ? 0 : f->early_wake;
	f->early_wake = 0;
	return 0;
}

static void note_wait(struct cgr_sched_sum *sum, uint64_t wait_ns, uint64_t now_ns, bool woken)
{
	sum->waits++;
	sum->wait_ns += wait_ns;
	if (wait_ns > sum->max_wait_ns) {
		sum->max_wait_ns = wait_ns;
		sum->max_wait_at_ns = now_ns;
	}
	if (!woken)
		return;
	sum->wake_waits++;
	sum->wake_wait_ns += wait_ns;
	if (wait_ns > sum->max_wake_wait_ns) {
		sum->max_wake_wait_ns = wait_ns;
		sum->max_wake_wait_at_ns = now_ns;
	}
}

static int enter_cpu(struct cgr_sched *sched, const struct cgr_event *e, struct cgr_sched_derived *derived,
                     struct cgr_error *reterr)
{
	struct cgr_sched_sum *sum;
	struct follow *f;

	CGR_TRY(follow(sched, e->c, &f, reterr));
	CGR_TRY(sum_of(sched, e->c, f, e->cpu, &sum, reterr));
	if (f->life == READY && e->c != 0) {
		derived->wait_ns = (int64_t)(e->ts_ns - f->since_ns);
		derived->wake = f->wake;
		note_wait(sum, e->ts_ns - f->since_ns, e->ts_ns, f->wake != 0);
		CGR_TRY(note_held(sched, f, e, e->ts_ns - f->since_ns, reterr));
	}
	f->life = RUNNING;
	f->wake = 0;
	f->cpu = e->cpu;
	sched->current[e->cpu] = e->c;
	sched->since_ns[e->cpu] = e->ts_ns;
	return 0;
}

/* The wait counts from sched_waking where it is recorded, else from sched_wakeup. A sched_waking may come before
 * the switch that takes the task off its CPU: try_to_wake_up waits for on_cpu only after that tracepoint. */
static int wake(struct cgr_sched *sched, const struct cgr_event *e, uint64_t id, struct cgr_error *reterr)
{
	struct cgr_sched_sum *sum;
	struct follow *f;

	CGR_TRY(follow(sched, e->c, &f, reterr));
	if (e->kind != CGR_EV_WAKING) {
		CGR_TRY(sum_of(sched, e->c, f, e->d & 0xffffu, &sum, reterr));
		sum->wakeups++;
	}
	if (f->life == UNKNOWN || f->life == BLOCKED) {
		begin_wait(sched, f, e->d & 0xffffu, e->ts_ns);
		f->wake = id;
	} else if (f->life == RUNNING) {
		f->early_wake = e->kind == CGR_EV_WAKING ? id : 0;
	}
	return 0;
}

static int runtime(struct cgr_sched *sched, const struct cgr_event *e, struct cgr_error *reterr)
{
	struct cgr_sched_sum *sum;
	struct follow *f;

	CGR_TRY(follow(sched, e->c, &f, reterr));
	CGR_TRY(sum_of(sched, e->c, f, e->cpu, &sum, reterr));
	sum->stat_runtime_ns += e->a;
	return 0;
}

/* Events of this CPU are missing: nobody knows what ran since. */
static void forget_cpu(struct cgr_sched *sched, uint32_t cpu)
{
	uint32_t task = sched->current[cpu];

	if (task != CGR_ID_NONE && is_on(sched, task, cpu))
		sched->task[task].life = UNKNOWN;
	sched->current[cpu] = CGR_ID_NONE;
}

int cgr_sched_event(struct cgr_sched *sched, const struct cgr_event *e, uint64_t id, struct cgr_sched_derived *derived,
                    struct cgr_error *reterr)
{
	switch (e->kind) {
	case CGR_EV_SWITCH:
		*derived = (struct cgr_sched_derived){ -1, -1, 0 };
		CGR_TRY(leave_cpu(sched, e, derived, reterr));
		return enter_cpu(sched, e, derived, reterr);
	case CGR_EV_RUN_START:
		*derived = (struct cgr_sched_derived){ -1, -1, 0 };
		return enter_cpu(sched, e, derived, reterr);
	case CGR_EV_WAKING:
	case CGR_EV_WAKEUP:
	case CGR_EV_WAKEUP_NEW:
		return wake(sched, e, id, reterr);
	case CGR_EV_RUNTIME:
		return runtime(sched, e, reterr);
	case CGR_EV_LOST:
		forget_cpu(sched, e->cpu);
		return 0;
	default:
		return 0;
	}
}

int cgr_sched_finish(struct cgr_sched *sched, uint64_t end_ns, struct cgr_error *reterr)
{
	for (uint32_t cpu = 0; cpu < CGR_LIMIT_CPUS; cpu++) {
		uint32_t task = sched->current[cpu];
		struct cgr_sched_sum *sum;
		struct follow *f;

		if (task == CGR_ID_NONE || !is_on(sched, task, cpu) || end_ns < sched->since_ns[cpu])
			continue;
		f = &sched->task[task];
		CGR_TRY(sum_of(sched, task, f, cpu, &sum, reterr));
		sum->open_run_ns += end_ns - sched->since_ns[cpu];
	}
	return 0;
}

const struct cgr_sched_held *cgr_sched_borrow_held(const struct cgr_sched *sched, size_t *ret_count)
{
	*ret_count = sched->helds;
	return sched->held;
}

const struct cgr_sched_sum *cgr_sched_borrow_sums(const struct cgr_sched *sched, size_t *ret_count)
{
	*ret_count = sched->sums;
	return sched->sum;
}
