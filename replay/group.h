/* Threads of a process, as the store knows them. */
#ifndef CGR_REPLAY_GROUP_H
#define CGR_REPLAY_GROUP_H

#include "common/error.h"
#include "store/store.h"

/* leader[i]: the task whose memory task i uses (its thread group's leader), i itself where nobody else is known. */
int cgr_thread_leaders(const struct cgr_store_task *task, uint32_t tasks, uint32_t *leader, struct cgr_error *reterr);

#endif
