/* SIGINT, SIGTERM and SIGHUP: the first asks long loops to stop and clean up, the second kills. */
#include <signal.h>
#include <stddef.h>

#include "common/util.h"

static volatile sig_atomic_t seen;

static void on_signal(int number)
{
	seen = number; /* SA_RESETHAND: a second one of the same kind takes the default action */
}

void cgr_interrupt_install(void)
{
	struct sigaction old, action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };

	(void)sigemptyset(&action.sa_mask);
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
