#include "store/members.h"

#include <stdlib.h>
#include <string.h>

#include "common/util.h"
#include "store/store_internal.h"

int cgr_members_init(struct cgr_members *m, const struct cgr_store *store, struct cgr_error *reterr)
{
	size_t sets;
	const struct cgr_store_css_set *set = cgr_store_borrow_css_sets(store, &sets);
	const struct cgr_store_task *task;

	*m = (struct cgr_members){ .store = store };
	task = cgr_store_borrow_tasks(store, &m->tasks);
	m->cpu_cgroup = cgr_calloc(m->tasks + 1, sizeof(*m->cpu_cgroup));
	m->memory_cgroup = cgr_calloc(m->tasks + 1, sizeof(*m->memory_cgroup));
	m->cpuset_cgroup = cgr_calloc(m->tasks + 1, sizeof(*m->cpuset_cgroup));
	if (m->cpu_cgroup == NULL || m->memory_cgroup == NULL || m->cpuset_cgroup == NULL) {
		cgr_members_fini(m);
		return cgr_error_set(reterr, CGR_E_NOMEM, "membership of tasks: out of memory");
	}
	for (size_t i = 0; i < m->tasks; i++) {
		bool known = task[i].css_set < sets;

		m->cpu_cgroup[i] = known ? set[task[i].css_set].cpu_cgroup : CGR_ID_NONE;
		m->memory_cgroup[i] = known ? set[task[i].css_set].memory_cgroup : CGR_ID_NONE;
		m->cpuset_cgroup[i] = known ? set[task[i].css_set].cpuset_cgroup : CGR_ID_NONE;
	}
	return 0;
}

void cgr_members_fini(struct cgr_members *m)
{
	free(m->cpu_cgroup);
	free(m->memory_cgroup);
	free(m->cpuset_cgroup);
	*m = (struct cgr_members){ 0 };
}

/* Is name among "a,b"? */
static bool has(const char *controllers, const char *name)
{
	while (*controllers != '\0') {
		size_t length = strcspn(controllers, ",");

		if (length == strlen(name) && memcmp(controllers, name, length) == 0)
			return true;
		controllers += length + (controllers[length] == ',');
	}
	return false;
}

/* A recording made by others does not tell the controllers of its hierarchies: there each of them may be the one of a
 * controller nobody has, as import takes it for the css_sets. */
static bool concerns(const struct cgr_store *store, const char *controllers, const char *name)
{
	if (*controllers != '\0')
		return has(controllers, name);
	for (size_t i = 0; i < store->hierarchies; i++)
		if (has(store->hierarchy[i].controllers, name))
			return false;
	return true;
}

unsigned cgr_members_moved(const struct cgr_store *store, uint64_t hierarchy)
{
	static const char *const name[] = { "cpu", "memory", "cpuset" };
	static const unsigned move[] = { CGR_MOVE_CPU, CGR_MOVE_MEMORY, CGR_MOVE_CPUSET };
	const char *controllers = cgr_store_borrow_controllers(store, (uint32_t)hierarchy);
	bool unified = cgr_store_borrow_info(store)->cgroup_version == 2;
	unsigned moves = 0;

	for (size_t i = 0; i < CGR_ARRAY_SIZE(move); i++)
		if (unified || (controllers != NULL && concerns(store, controllers, name[i])))
			moves |= move[i];
	return moves;
}

void cgr_members_event(struct cgr_members *m, const struct cgr_event *e)
{
	const struct cgr_store_task *task;
	size_t tasks;
	unsigned moved;

	if (e->kind != CGR_EV_CGROUP_ATTACH || e->c == 0 || e->c >= m->tasks)
		return;
	task = cgr_store_borrow_tasks(m->store, &tasks);
	moved = cgr_members_moved(m->store, e->b);
	for (size_t i = 1; i < m->tasks; i++) {
		/* threads born later have a css_set of their own that says where they were born */
		bool moves = i == e->c || (e->d != 0 && task[i].tgid == task[e->c].tgid &&
		                           task[i].start_ns <= (int64_t)e->ts_ns && task[i].end_ns >= (int64_t)e->ts_ns);

		if (moves && (moved & CGR_MOVE_CPU))
			m->cpu_cgroup[i] = (uint32_t)e->a;
		if (moves && (moved & CGR_MOVE_MEMORY))
			m->memory_cgroup[i] = (uint32_t)e->a;
		if (moves && (moved & CGR_MOVE_CPUSET))
			m->cpuset_cgroup[i] = (uint32_t)e->a;
	}
}
