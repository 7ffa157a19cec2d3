/* Runs a command and writes its peak resident memory (KiB) into a file: what `time -f %M` does, where there is
 * no such program. */
#include "load.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

int load_peak_main(const char *output, char **command)
{
	struct rusage usage;
	int status;
	pid_t child = fork();
	if (child < 0)
		load_die("fork");
	if (!child) {
		execvp(command[0], command);
		load_die(command[0]);
	}
	if (wait4(child, &status, 0, &usage) != child)
		load_die("wait4");
	FILE *file = fopen(output, "w");
	if (!file || fprintf(file, "%ld\n", usage.ru_maxrss) < 0 || fclose(file))
		load_die(output);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
