#include "capture/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "capture/snapshot.h"
#include "common/util.h"

/* In the child: only async-signal-safe calls. */
static void run_child(char *const *command, int release, int failure)
{
	char go;
	ssize_t got;

	do {
		got = read(release, &go, 1);
	} while (got < 0 && errno == EINTR);
	if (got != 1)
		_exit(0);
	(void)signal(SIGINT, SIG_DFL);
	(void)signal(SIGTERM, SIG_DFL);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)execvp(command[0], command);
	int code = errno;
	(void)!write(failure, &code, sizeof(code));
	_exit(code == ENOENT ? 127 : 126);
}

int cgr_child_fork(struct cgr_command_child *child, char *const *command, struct cgr_error *reterr)
{
	int release[2], failure[2];

	*child = (struct cgr_command_child){ .release_fd = -1, .failure_fd = -1 };
	if (pipe2(release, O_CLOEXEC) != 0)
		return cgr_error_errno(reterr, CGR_E_INTERNAL, "cannot prepare %s", command[0]);
	if (pipe2(failure, O_CLOEXEC) != 0) {
		(void)close(release[0]);
		(void)close(release[1]);
		return cgr_error_errno(reterr, CGR_E_INTERNAL, "cannot prepare %s", command[0]);
	}
	child->pid = fork();
	if (child->pid == 0) {
		(void)close(release[1]);
		run_child(command, release[0], failure[1]);
	}
	(void)close(release[0]);
	(void)close(failure[1]);
	child->release_fd = release[1];
	child->failure_fd = failure[0];
	if (child->pid < 0) {
		child->pid = 0;
		return cgr_error_errno(reterr, CGR_E_INTERNAL, "cannot fork for %s", command[0]);
	}
	return 0;
}

int cgr_child_release(struct cgr_command_child *child, char *const *command, struct cgr_error *reterr)
{
	int code = 0;
	ssize_t got;

	(void)!write(child->release_fd, "g", 1);
	(void)close(child->release_fd);
	child->release_fd = -1;
	do {
		got = read(child->failure_fd, &code, sizeof(code));
	} while (got < 0 && errno == EINTR);
	if (got != (ssize_t)sizeof(code))
		return 0;
	cgr_child_wait(child);
	return cgr_error_set(reterr, CGR_E_USAGE, "%s: cannot run: %s", command[0], strerror(code));
}

bool cgr_child_poll(struct cgr_command_child *child)
{
	if (child->pid > 0 && !child->ended)
		child->ended = waitpid(child->pid, &child->wait_status, WNOHANG) == child->pid;
	return child->ended;
}

const char *cgr_child_ending(struct cgr_command_child *child, int64_t end_ns)
{
	if (cgr_interrupt_seen()) {
		cgr_child_signal(child, cgr_interrupt_signal());
		return "signal";
	}
	if (cgr_child_poll(child))
		return "command";
	return cgr_mono_ns() >= end_ns ? "duration" : NULL;
}

void cgr_child_signal(struct cgr_command_child *child, int signal_number)
{
	if (child->pid > 0 && !child->ended)
		(void)kill(child->pid, signal_number);
}

void cgr_child_wait(struct cgr_command_child *child)
{
	while (child->pid > 0 && !child->ended) {
		pid_t got = waitpid(child->pid, &child->wait_status, 0);
		child->ended = got == child->pid || (got < 0 && errno != EINTR);
	}
}

int cgr_child_status(const struct cgr_command_child *child)
{
	if (WIFEXITED(child->wait_status))
		return WEXITSTATUS(child->wait_status);
	return WIFSIGNALED(child->wait_status) ? 128 + WTERMSIG(child->wait_status) : 0;
}

void cgr_child_close(struct cgr_command_child *child)
{
	if (child->release_fd >= 0) {
		(void)close(child->release_fd);
		cgr_child_wait(child);
	}
	if (child->failure_fd >= 0)
		(void)close(child->failure_fd);
	child->release_fd = child->failure_fd = -1;
}
