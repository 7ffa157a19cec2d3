/* Shell completion. The scripts hold no option names: they ask this binary, which prints its option tables when
 * CGREPLAY_LIST_OPTIONS is set, so completion cannot fall behind the commands. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/util.h"

static const char bash_script[] =
    "_cgreplay() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} cmd=${COMP_WORDS[1]}\n"
    "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
    "        COMPREPLY=($(compgen -W \"$(cgreplay completion --commands 2>/dev/null | cut -f1)\" -- \"$cur\"))\n"
    "    elif [[ $cur == -* ]]; then\n"
    "        COMPREPLY=($(compgen -W \"$(CGREPLAY_LIST_OPTIONS=1 cgreplay \"$cmd\" 2>/dev/null | cut -f1 | "
    "sed 's/^/--/') --help\" -- \"$cur\"))\n"
    "    else\n"
    "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
    "    fi\n"
    "}\n"
    "complete -o filenames -F _cgreplay cgreplay\n";

static const char zsh_script[] =
    "#compdef cgreplay\n"
    "_cgreplay() {\n"
    "    local -a items\n"
    "    if (( CURRENT == 2 )); then\n"
    "        items=(${(f)\"$(cgreplay completion --commands 2>/dev/null | sed 's/\\t/:/')\"})\n"
    "        _describe command items\n"
    "    elif [[ $words[CURRENT] == -* ]]; then\n"
    "        items=(${(f)\"$(CGREPLAY_LIST_OPTIONS=1 cgreplay $words[2] 2>/dev/null | awk -F'\\t' '{print \"--\" $1 "
    "\":\" $4}')\"})\n"
    "        _describe option items\n"
    "    else\n"
    "        _files\n"
    "    fi\n"
    "}\n"
    "compdef _cgreplay cgreplay\n";

static const char fish_script[] =
    "complete -c cgreplay -n __fish_use_subcommand -f -a '(cgreplay completion --commands 2>/dev/null)'\n"
    "function __cgreplay_options\n"
    "    set -l words (commandline -opc)\n"
    "    CGREPLAY_LIST_OPTIONS=1 cgreplay $words[2] 2>/dev/null | awk -F'\\t' '{print \"--\" $1 \"\\t\" $4}'\n"
    "end\n"
    "complete -c cgreplay -n 'not __fish_use_subcommand' -a '(__cgreplay_options)'\n";

static int run(int argc, char **argv, struct cgr_error *reterr)
{
	bool list_commands = false;
	const struct cgr_option options[] = {
		{ .name = "commands", .type = CGR_OPT_FLAG, .value = &list_commands, .help = "list the commands, one a line" },
	};
	int positionals, rest;
	int rc = cgr_options_parse(&cgr_command_completion, options, CGR_ARRAY_SIZE(options), argc, argv, &positionals,
	                           &rest, reterr);

	if (rc != 0)
		return rc < 0 ? rc : 0;
	if (list_commands) {
		size_t count;
		const struct cgr_command *const *command = cgr_cli_borrow_commands(&count);
		for (size_t i = 0; i < count; i++)
			printf("%s\t%s\n", command[i]->name, command[i]->summary);
		return 0;
	}
	const char *shell = positionals == 1 ? argv[1] : "";
	const char *script = strcmp(shell, "bash") == 0   ? bash_script
	                     : strcmp(shell, "zsh") == 0  ? zsh_script
	                     : strcmp(shell, "fish") == 0 ? fish_script
	                                                  : NULL;

	if (script == NULL)
		return cgr_error_set(reterr, CGR_E_USAGE, "cgreplay completion: name one shell: bash, zsh or fish");
	(void)fputs(script, stdout);
	return 0;
}

const struct cgr_command cgr_command_completion = {
	.name = "completion",
	.summary = "print shell completion for bash, zsh or fish",
	.usage = "completion bash|zsh|fish",
	.examples = "  cgreplay completion bash > /etc/bash_completion.d/cgreplay\n"
	            "  source <(cgreplay completion zsh)\n",
	.run = run,
};
