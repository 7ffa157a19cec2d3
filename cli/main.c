/* cgreplay: finds the subcommand, runs it, prints the cause chain of an error. The only place that turns errors
 * into text and exit statuses. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/rows.h"
#include "common/optparse.h"
#include "common/util.h"

static const struct cgr_command *const commands[] = {
#define CGR_COMMAND(name) &cgr_command_##name,
#include "commands.def"
#undef CGR_COMMAND
};

const struct cgr_command *const *cgr_cli_borrow_commands(size_t *ret_count)
{
	*ret_count = CGR_ARRAY_SIZE(commands);
	return commands;
}

/* the way of the data, then the rest in alphabetical order */
static const char *const order[] = { "record", "import",    "info",    "sql",    "verify", "replay",
	                                 "sweep",  "recommend", "compare", "report", "check" };

static void print_commands(void)
{
	for (size_t i = 0; i < CGR_ARRAY_SIZE(order); i++)
		for (size_t j = 0; j < CGR_ARRAY_SIZE(commands); j++)
			if (strcmp(order[i], commands[j]->name) == 0)
				printf("  %-12s %s\n", commands[j]->name, commands[j]->summary);
	for (size_t j = 0; j < CGR_ARRAY_SIZE(commands); j++) {
		bool ordered = false;
		for (size_t i = 0; i < CGR_ARRAY_SIZE(order); i++)
			ordered = ordered || strcmp(order[i], commands[j]->name) == 0;
		if (!ordered)
			printf("  %-12s %s\n", commands[j]->name, commands[j]->summary);
	}
}

static void print_usage(void)
{
	printf("cgreplay %s: record what cgroups did on a Linux machine, replay it under other limits\n\n"
	       "  cgreplay record -o web.dat -d 30s\n"
	       "  cgreplay import web.dat -o web.db\n"
	       "  cgreplay replay web.db --set '/web:memory.max=256M' --set '/web:cpu.max=50000 100000'\n\n"
	       "Commands (cgreplay COMMAND --help says more):\n",
	       CGR_VERSION);
	print_commands();
}

static const struct cgr_command *find(const char *name)
{
	for (size_t i = 0; i < CGR_ARRAY_SIZE(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static int unknown(const char *name)
{
	const char *names[CGR_ARRAY_SIZE(commands)];

	for (size_t i = 0; i < CGR_ARRAY_SIZE(commands); i++)
		names[i] = commands[i]->name;
	const char *near = cgr_did_you_mean(name, names, CGR_ARRAY_SIZE(commands));

	if (near != NULL)
		(void)fprintf(stderr, "cgreplay: unknown command '%s'; did you mean %s?\n", name, near);
	else
		(void)fprintf(stderr, "cgreplay: unknown command '%s'; see cgreplay --help\n", name);
	return 2;
}

static int report_error(const struct cgr_command *command, int rc, const struct cgr_error *err)
{
	char text[CGR_ERROR_CAUSES_MAX * CGR_ERROR_TEXT_MAX + 16];

	cgr_error_format(err, text, sizeof(text));
	(void)fputs("cgreplay: ", stderr); /* names in it may be those of a stranger's recording */
	cgr_rows_print_plain(stderr, err->count > 0 ? text : cgr_error_code_text(rc));
	(void)fputc('\n', stderr);
	(void)command;
	return cgr_error_exit_status(rc);
}

static int run(const struct cgr_command *command, int argc, char **argv)
{
	struct cgr_error err = { 0 };
	int rc = command->run(argc, argv, &err);

	/* a full disk shows only now when stdout is a file */
	if (fflush(stdout) != 0 || ferror(stdout)) {
		(void)fprintf(stderr, "cgreplay: standard output: cannot write (disk full, or closed?)\n");
		return 4;
	}
	return rc < 0 ? report_error(command, rc, &err) : rc;
}

int main(int argc, char **argv)
{
	cgr_interrupt_install();
	(void)signal(SIGPIPE, SIG_DFL);
	if (argc < 2) {
		print_usage();
		return 2;
	}
	if (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-V") == 0) {
		printf("cgreplay %s\n", CGR_VERSION);
		return 0;
	}
	bool help = strcmp(argv[1], "help") == 0;

	if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 || (help && argc == 2)) {
		print_usage();
		return 0;
	}
	const struct cgr_command *command = find(help ? argv[2] : argv[1]);

	if (command == NULL)
		return unknown(help ? argv[2] : argv[1]);
	if (help) {
		char *ask[] = { argv[2], (char[]){ "--help" }, NULL };
		return run(command, 2, ask);
	}
	return run(command, argc - 1, argv + 1);
}
