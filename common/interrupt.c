/* SIGINT, SIGTERM and SIGHUP: the first asks long loops to stop and clean up, one that comes later kills. */
#include <signal.h>
#include <stddef.h>
#include <time.h>

#include "common/util.h"

/* timeout(1) signals its child and then its whole group, a terminal and a supervisor may both mean one stop: what comes
 * this soon after the first is the same request. */
#define SAME_REQUEST_MS 500

static volatile sig_atomic_t seen;
static int64_t first_ms; /* written and read in the handler only */

static int64_t now_ms(void)
{
	struct timespec ts = { 0 };

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void on_signal(int number)
{
	if (seen == 0) {
		first_ms = now_ms();
		seen = number;
	} else if (now_ms() - first_ms > SAME_REQUEST_MS) {
		(void)signal(number, SIG_DFL);
		(void)raise(number); /* taken when the handler returns */
	}
}

void cgr_interrupt_install(void)
{
	struct sigaction old, action = { .sa_handler = on_signal };

	(void)sigemptyset(&action.sa_mask);
	(void)sigaddset(&action.sa_mask, SIGINT); /* one at a time */
	(void)sigaddset(&action.sa_mask, SIGTERM);
	(void)sigaddset(&action.sa_mask, SIGHUP);
	(void)sigaction(SIGINT, &action, NULL);
	(void)sigaction(SIGTERM, &action, NULL);
	/* a closed terminal must not leave a tracing instance behind; nohup must go on working */
	if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
		(void)sigaction(SIGHUP, &action, NULL);
}

bool cgr_interrupt_seen(void)
{
	return seen != 0;
}

int cgr_interrupt_signal(void)
{
	return seen;
}

int cgr_interrupt_check(struct cgr_error *reterr)
{
	if (seen == 0)
		return 0;
	return cgr_error_set(reterr, CGR_E_INTERRUPTED, "stopped by %s; nothing was written",
	                     seen == SIGINT   ? "SIGINT"
	                     : seen == SIGHUP ? "SIGHUP"
	                                      : "SIGTERM");
}
