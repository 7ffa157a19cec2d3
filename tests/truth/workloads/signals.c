/* A process driven by signals: an interval timer asks for work, and every other time a child is asked by a signal and
 * answers by one. Two alarms that come while one is pending are one alarm, as signals are. */
#include "load.h"

#include <signal.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void child(const sigset_t *set, int64_t steps)
{
	for (;;) {
		int number = sigwaitinfo(set, NULL);
		if (number == SIGTERM)
			_exit(0);
		if (number != SIGUSR1)
			continue;
		load_steps(steps);
		if (kill(getppid(), SIGUSR2))
			_exit(1);
	}
}

static int64_t signals_run(const struct load_args *args)
{
	int64_t alarms = load_int(args, "alarms"), usec = load_int(args, "alarm_usec"), done = 0, open = 0;
	int64_t steps = load_int(args, "alarm_steps"), answer_steps = load_int(args, "answer_steps");
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	pid_t pid = fork();
	if (pid < 0)
		load_die("fork");
	if (!pid)
		child(&set, load_int(args, "child_steps"));
	struct itimerval every = { .it_interval.tv_usec = usec, .it_value.tv_usec = usec };
	if (setitimer(ITIMER_REAL, &every, NULL))
		load_die("setitimer");
	while (done < alarms || open) {
		int number = sigwaitinfo(&set, NULL);
		load_steps(number == SIGALRM ? steps : answer_steps);
		if (number == SIGUSR2)
			open = 0;
		if (number != SIGALRM || done == alarms)
			continue;
		if (++done % 2 == 0 && !open) {
			open = 1;
			kill(pid, SIGUSR1);
		}
	}
	int status;
	if (kill(pid, SIGTERM) || wait(&status) < 0 || status)
		load_die("child");
	return done;
}

static const struct load_option options[] = {
	{ "alarms", "150", "alarms answered" },
	{ "alarm_usec", "8000", "time between two of them" },
	{ "alarm_steps", "1500000", "arithmetic per alarm" },
	{ "child_steps", "2000000", "arithmetic of the child per signal" },
	{ "answer_steps", "300000", "arithmetic per answer" },
	{ 0 },
};
const struct load_workload load_signals = { "signals", "work asked for by signals", options, signals_run };
