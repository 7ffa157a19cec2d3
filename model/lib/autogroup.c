/* Autogroup: tasks of the root cpu cgroup share by session, each session a hidden group of weight 1024 (kernel:
 * kernel/sched/autogroup.c, autogroup_task_group). Kernel threads and tasks without a session stay in the root itself.
 */
#include "common/error.h"
#include "model/lib/fair.h"

/* Numbers the sessions in order of their first task: open addressing, twice as many places as tasks. */
static uint32_t session_index(int32_t *key, uint32_t *value, uint32_t places, int32_t session, uint32_t *count)
{
	uint32_t at = (uint32_t)session * 2654435761u & (places - 1);
	while (key[at] && key[at] != session)
		at = (at + 1) & (places - 1);
	if (!key[at]) {
		key[at] = session;
		value[at] = (*count)++;
	}
	return value[at];
}

static int number_sessions(struct cgr_fair *fair)
{
	struct cgr_ctx *ctx = fair->ctx;
	uint32_t places = 16;
	while (places < 2 * ctx->n_tasks)
		places *= 2;
	int32_t *key = cgr_alloc(ctx, places * sizeof(*key));
	uint32_t *value = cgr_alloc(ctx, places * sizeof(*value));
	fair->session_of = cgr_alloc(ctx, ctx->n_tasks * sizeof(*fair->session_of));
	if (!key || !value || !fair->session_of)
		return CGR_E_NOMEM;
	for (uint32_t task = 0; task < ctx->n_tasks; task++) {
		const struct cgr_task_info *info = task ? cgr_task(ctx, task) : NULL;
		bool grouped = info && info->session > 0 && !info->kernel_thread;
		fair->session_of[task] =
		    grouped ? session_index(key, value, places, info->session, &fair->n_sessions) : CGR_NONE;
	}
	return 0;
}

int cgr_autogroup_init(struct cgr_fair *fair)
{
	struct cgr_ctx *ctx = fair->ctx;
	int rc = number_sessions(fair);
	if (rc < 0 || !fair->n_sessions)
		return rc;
	fair->session_group = cgr_alloc(ctx, fair->n_sessions * sizeof(*fair->session_group));
	fair->session_slot = cgr_alloc(ctx, (size_t)fair->n_sessions * ctx->n_cpus * sizeof(*fair->session_slot));
	if (!fair->session_group || !fair->session_slot)
		return CGR_E_NOMEM;
	for (uint32_t i = 0; i < fair->n_sessions; i++)
		cgr_fair_group_init(fair, ctx->n_cgroups + i, cgr_fair_group(fair, 0));
	return 0;
}

/* The group a task of this cgroup is queued in. */
uint32_t cgr_autogroup_home(struct cgr_fair *fair, uint32_t task, uint32_t cgroup)
{
	if (cgroup >= fair->ctx->n_cgroups || !cgr_fair_group(fair, cgroup)->online)
		cgroup = 0;
	if (cgroup || fair->session_of[task] == CGR_NONE)
		return cgroup;
	return fair->ctx->n_cgroups + fair->session_of[task];
}
