/* The command of `record -- COMMAND`: forked early, released when the recording runs, waited for. */
#ifndef CGR_CAPTURE_COMMAND_H
#define CGR_CAPTURE_COMMAND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "common/error.h"

struct cgr_command_child {
	pid_t pid; /* 0: none */
	int release_fd; /* closing it without a byte makes the child exit */
	int failure_fd; /* errno of a failed exec arrives here; end of file after a good one */
	bool ended;
	int wait_status;
};

/* Forks; the child waits. Call before any thread is started. */
int cgr_child_fork(struct cgr_command_child *child, char *const *command, struct cgr_error *reterr);
/* Lets it exec; an exec that fails is reported here. */
int cgr_child_release(struct cgr_command_child *child, char *const *command, struct cgr_error *reterr);
/* True when it has ended (never blocks). */
bool cgr_child_poll(struct cgr_command_child *child);
/* What ends a recording: "signal" (SIGINT or SIGTERM, passed on to the command), "command" (it has exited), "duration"
 * (end_ns on the monotonic clock is past); NULL while nothing does. */
const char *cgr_child_ending(struct cgr_command_child *child, int64_t end_ns);
void cgr_child_signal(struct cgr_command_child *child, int signal);
/* Blocks until it has ended. */
void cgr_child_wait(struct cgr_command_child *child);
/* Shell convention: exit status, or 128 + signal. */
int cgr_child_status(const struct cgr_command_child *child);
/* A child that was never released is ended. */
void cgr_child_close(struct cgr_command_child *child);

#endif
