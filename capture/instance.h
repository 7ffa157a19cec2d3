/* The recorder's own tracefs instance: nobody else's tracing is touched, and it goes in every case. */
#ifndef CGR_CAPTURE_INSTANCE_H
#define CGR_CAPTURE_INSTANCE_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/plan.h"
#include "common/error.h"

#define CGR_INSTANCE_PREFIX "cgreplay-"

struct tracefs_instance;

struct cgr_instance {
	struct tracefs_instance *handle;
	char name[64];
	char dir[512]; /* its directory */
	int lock_fd; /* held with flock: tells the next run that we live, in whatever pid namespace */
	int free_fd; /* free_buffer: when we are killed the kernel stops tracing and frees the ring */
	uint32_t page_bytes; /* sub-buffer size of the ring */
	bool no_names; /* the kernel keeps no names of tasks for us: what its table holds is of others and older */
};

/* CGR_E_UNAVAILABLE, with the reason, where tracefs holds nothing or may not be read (lockdown, rights). */
int cgr_tracefs_check(const char *dir, struct cgr_error *reterr);
/* TRACEFS mount point, borrowed for the life of the process; CGR_E_UNAVAILABLE with what to do. */
int cgr_tracefs_borrow_dir(const char **ret_dir, struct cgr_error *reterr);
/* Removes instances whose recorder is gone. Returns how many. */
unsigned cgr_instances_remove_stale(void);
/* Makes and configures an instance, tracing off. */
int cgr_instance_open(struct cgr_instance *instance, uint64_t buffer_kib_per_cpu, const char *clock,
                      struct cgr_error *reterr);
/* Filters only, so that events can be tried one by one; then the events themselves. */
int cgr_instance_filter(struct cgr_instance *instance, const struct cgr_plan *plan, struct cgr_error *reterr);
int cgr_instance_enable(struct cgr_instance *instance, const struct cgr_plan *plan, struct cgr_error *reterr);
int cgr_instance_switch(struct cgr_instance *instance, bool on, struct cgr_error *reterr);
/* Text of a file of the instance; malloc'ed, NULL when unreadable. */
char *cgr_instance_read(const struct cgr_instance *instance, const char *file);
/* Removes it; legal on a zeroed or closed one. */
void cgr_instance_close(struct cgr_instance *instance);

#endif
