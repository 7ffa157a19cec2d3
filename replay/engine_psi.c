/* Pressure: test_states(), collect_percpu_times() and update_averages() of kernel/sched/psi.c, per cgroup and CPU. The
 * kernel takes the CPUs' times together every two seconds, weighted by how long each was not idle: a task that moves
 * within these two seconds counts less than one that stays. */
#include "common/util.h"
#include "replay/engine_internal.h"

static void book(const struct cgr_engine *e, struct psi_cpu *p)
{
	uint64_t span = e->now_ns - p->since_ns;

	p->since_ns = e->now_ns;
	if (!span || !(p->running | p->memstall))
		return;
	p->nonidle += span;
	if (p->running > (p->oncpu ? 1u : 0u))
		p->cpu_some += span;
	if (p->running && !p->oncpu)
		p->cpu_full += span;
	if (p->memstall)
		p->mem_some += span;
	if (p->memstall && p->running == p->memstall_running)
		p->mem_full += span;
}

/* Times of the CPUs since they were last taken together, weighted. */
static void collect(const struct cgr_engine *e, uint32_t g, uint64_t ret_ns[CGR_PSI_STATES])
{
	unsigned __int128 sum[CGR_PSI_STATES] = { 0 };
	uint64_t weight = 0;

	for (uint32_t cpu = 0; cpu < e->n_cpus; cpu++) {
		struct psi_cpu *p = &e->psi[(size_t)g * e->n_cpus + cpu];

		book(e, p);
		weight += p->nonidle;
		sum[0] += (unsigned __int128)p->cpu_some * p->nonidle;
		sum[1] += (unsigned __int128)p->cpu_full * p->nonidle;
		sum[2] += (unsigned __int128)p->mem_some * p->nonidle;
		sum[3] += (unsigned __int128)p->mem_full * p->nonidle;
	}
	for (unsigned i = 0; i < CGR_PSI_STATES; i++)
		ret_ns[i] = weight ? (uint64_t)(sum[i] / weight) : 0;
}

static void fold(const struct cgr_engine *e, uint32_t g)
{
	uint64_t part[CGR_PSI_STATES];

	collect(e, g, part);
	for (unsigned i = 0; i < CGR_PSI_STATES; i++)
		e->psi_group[g].total_ns[i] += part[i];
	for (uint32_t cpu = 0; cpu < e->n_cpus; cpu++) {
		struct psi_cpu *p = &e->psi[(size_t)g * e->n_cpus + cpu];

		p->cpu_some = p->cpu_full = p->mem_some = p->mem_full = p->nonidle = 0;
	}
	e->psi_group[g].next_ns = e->now_ns + 2000000000u + e->tick_ns; /* PSI_FREQ: 2 * HZ + 1 */
}

void cgr_run_psi_change(struct cgr_engine *e, uint32_t task, int running, int oncpu, int memstall)
{
	const struct cgr_task_info *info = &e->task_info[task];

	for (uint32_t g = info->cpu_cgroup; g != NONE; g = e->parent[0][g]) {
		struct psi_cpu *p = &e->psi[(size_t)g * e->n_cpus + info->cpu];

		if (e->now_ns >= e->psi_group[g].next_ns)
			fold(e, g);
		book(e, p);
		p->running += (uint32_t)running;
		p->oncpu += (uint32_t)oncpu;
		p->memstall += (uint32_t)memstall;
	}
}

/* The running task spent ns of the time just booked in reclaim: "some", and as it was the CPU's current task, "full".
 */
void cgr_run_psi_stall(struct cgr_engine *e, uint32_t task, uint64_t ns)
{
	const struct cgr_task_info *info = &e->task_info[task];

	for (uint32_t g = info->cpu_cgroup; g != NONE; g = e->parent[0][g]) {
		struct psi_cpu *p = &e->psi[(size_t)g * e->n_cpus + info->cpu];

		p->mem_full += ns;
		if (!p->memstall) /* else counted by somebody who waits */
			p->mem_some += ns;
	}
}

/* The sums so far, into the engine's metrics: at every sample, and at the end. */
void cgr_run_psi_publish(struct cgr_engine *e)
{
	int64_t *value = e->out->block[CGR_BLOCK_ENGINE].value;
	uint64_t part[CGR_PSI_STATES];

	for (uint32_t g = 0; g < e->n_cgroups; g++) {
		collect(e, g, part);
		if (e->parent[0][g] == NONE)
			part[1] = 0; /* psi_show: "full" of CPU is undefined for the whole machine and stays 0 */
		for (unsigned i = 0; i < CGR_PSI_STATES; i++) {
			uint64_t total = part[i] + (i == 1 && e->parent[0][g] == NONE ? 0 : e->psi_group[g].total_ns[i]);

			value[(CGR_EM_CPU_SOME + i) * e->n_cgroups + g] = (int64_t)total / 1000;
		}
	}
}
