/* Which cgroup each task is in while a stream is read: the css_set it came with, then every recorded move. */
#ifndef CGR_STORE_MEMBERS_H
#define CGR_STORE_MEMBERS_H

#include "store/store.h"

#define CGR_MEMBERS_KINDS (1ull << CGR_EV_CGROUP_ATTACH) /* events it has to see, beside the caller's own */

struct cgr_members {
	const struct cgr_store *store;
	uint32_t *cpu_cgroup, *memory_cgroup, *cpuset_cgroup; /* by task; CGR_ID_NONE unknown */
	size_t tasks;
};

/* 0 or CGR_E_NOMEM. To end with cgr_members_fini, which is legal on zeroed. */
int cgr_members_init(struct cgr_members *members, const struct cgr_store *store, struct cgr_error *reterr);
void cgr_members_fini(struct cgr_members *members);
/* Follows one event; all but CGROUP_ATTACH are ignored. */
void cgr_members_event(struct cgr_members *members, const struct cgr_event *event);
/* What a move in this hierarchy concerns: a sum of these. */
#define CGR_MOVE_CPU 1u
#define CGR_MOVE_MEMORY 2u
#define CGR_MOVE_CPUSET 4u
unsigned cgr_members_moved(const struct cgr_store *store, uint64_t hierarchy);

#endif
