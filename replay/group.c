#include "replay/group.h"

#include <stdlib.h>

#include "common/util.h"

/* Threads of one process share tgid; of several processes that had the number, a thread belongs to the latest leader
 * known before it, else to the first one after it. */
int cgr_thread_leaders(const struct cgr_store_task *task, uint32_t tasks, uint32_t *leader, struct cgr_error *reterr)
{
	struct cgr_intern seen = { 0 };
	uint32_t *latest = cgr_calloc(tasks, sizeof *latest), id;
	int rc = latest ? 0 : cgr_error_set(reterr, CGR_E_NOMEM, "threads of %u tasks", tasks);

	for (unsigned pass = 0; pass < 2; pass++)
		for (uint32_t i = 1; i < tasks && rc >= 0; i++) {
			bool fresh = false;

			if (!pass)
				leader[i] = i;
			rc = cgr_intern_id(&seen, (uint64_t)(uint32_t)task[i].tgid, &id, &fresh, reterr);
			if (rc < 0)
				break;
			if (fresh)
				latest[id] = 0;
			if (task[i].tid == task[i].tgid) {
				if (!pass || !latest[id])
					latest[id] = i;
			} else if (latest[id] && leader[i] == i) {
				leader[i] = latest[id];
			}
		}
	cgr_intern_fini(&seen);
	free(latest);
	return rc;
}
