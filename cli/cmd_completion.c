/* Shell completion. The scripts hold no option names: they ask this binary, which prints its option tables when
 * CGREPLAY_LIST_OPTIONS is set, so completion cannot fall behind the commands. */
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "common/util.h"

static const char bash_script[] =
    "# bash completion for cgreplay\n"
    "_cgreplay() {\n"
    "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} cmd=${COMP_WORDS[1]} line\n"
    "    COMPREPLY=()\n"
    "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
    "        COMPREPLY=($(compgen -W \"$(cgreplay completion --commands 2>/dev/null | cut -f1) help\" -- \"$cur\"))\n"
    "        return\n"
    "    fi\n"
    "    if [[ $prev == -* ]]; then # the value of an option: its choices, a file, or anything\n"
    "        while IFS= read -r line; do\n"
    "            IFS=$'\\x1f' read -r name letter argument help choices <<<\"${line//$'\\t'/$'\\x1f'}\"\n"
    "            [[ $prev == \"--$name\" || ( -n $letter && $prev == \"-$letter\" ) ]] || continue\n"
    "            if [ -n \"$choices\" ]; then\n"
    "                COMPREPLY=($(compgen -W \"${choices//|/ }\" -- \"$cur\"))\n"
    "                return\n"
    "            elif [ -n \"$argument\" ]; then\n"
    "                COMPREPLY=($(compgen -f -- \"$cur\"))\n"
    "                return\n"
    "            fi\n"
    "        done < <(CGREPLAY_LIST_OPTIONS=1 cgreplay \"$cmd\" 2>/dev/null)\n"
    "    fi\n"
    "    if [[ $cur == -* ]]; then\n"
    "        COMPREPLY=($(compgen -W \"$(CGREPLAY_LIST_OPTIONS=1 cgreplay \"$cmd\" 2>/dev/null | cut -f1 | "
    "sed 's/^/--/') --help\" -- \"$cur\"))\n"
    "    elif [ \"$cmd\" = completion ]; then\n"
    "        COMPREPLY=($(compgen -W 'bash zsh fish' -- \"$cur\"))\n"
    "    else\n"
    "        COMPREPLY=($(compgen -f -- \"$cur\"))\n"
    "    fi\n"
    "}\n"
    "complete -o filenames -F _cgreplay cgreplay\n";

static const char zsh_script[] =
    "#compdef cgreplay\n"
    "_cgreplay() {\n"
    "    local -a items fields\n"
    "    local line\n"
    "    if (( CURRENT == 2 )); then\n"
    "        items=(${(f)\"$(cgreplay completion --commands 2>/dev/null | sed 's/\\t/:/')\"})\n"
    "        _describe command items\n"
    "        return\n"
    "    fi\n"
    "    for line in ${(f)\"$(CGREPLAY_LIST_OPTIONS=1 cgreplay $words[2] 2>/dev/null)\"}; do\n"
    "        fields=(\"${(@ps:\\t:)line}\")\n"
    "        if [[ $words[CURRENT-1] == --$fields[1] || ( -n $fields[2] && $words[CURRENT-1] == -$fields[2] ) ]]; "
    "then\n"
    "            if [[ -n $fields[5] ]]; then\n"
    "                items=(${(s:|:)fields[5]})\n"
    "                _describe value items\n"
    "                return\n"
    "            elif [[ -n $fields[3] ]]; then\n"
    "                _files\n"
    "                return\n"
    "            fi\n"
    "        fi\n"
    "        items+=(\"--$fields[1]:${fields[4]//:/ }\")\n"
    "    done\n"
    "    if [[ $words[CURRENT] == -* ]]; then\n"
    "        _describe option items\n"
    "    elif [[ $words[2] == completion ]]; then\n"
    "        items=(bash zsh fish)\n"
    "        _describe shell items\n"
    "    else\n"
    "        _files\n"
    "    fi\n"
    "}\n"
    "if [ \"$funcstack[1]\" = _cgreplay ]; then\n" /* autoloaded from fpath: this call is the completion itself */
    "    _cgreplay \"$@\"\n"
    "else\n"
    "    compdef _cgreplay cgreplay\n"
    "fi\n";

static const char fish_script[] =
    "# fish completion for cgreplay\n"
    "function __cgreplay_options\n"
    "    set -l words (commandline -opc)\n"
    "    CGREPLAY_LIST_OPTIONS=1 cgreplay $words[2] 2>/dev/null | awk -F'\\t' '{print \"--\" $1 \"\\t\" $4}'\n"
    "end\n"
    "function __cgreplay_choices\n"
    "    set -l words (commandline -opc)\n"
    "    CGREPLAY_LIST_OPTIONS=1 cgreplay $words[2] 2>/dev/null | awk -F'\\t' -v last=$words[-1] '$5 != \"\" && "
    "(last == \"--\" $1 || ($2 != \"\" && last == \"-\" $2)) {n = split($5, c, \"|\"); for (i = 1; i <= n; i++) print "
    "c[i]}'\n"
    "end\n"
    "complete -c cgreplay -n __fish_use_subcommand -f -a '(cgreplay completion --commands 2>/dev/null)'\n"
    "complete -c cgreplay -n 'not __fish_use_subcommand; and string match -q -- \"-*\" (commandline -ct)' -f -a "
    "'(__cgreplay_options)'\n"
    "complete -c cgreplay -n 'not __fish_use_subcommand; and test -n \"(__cgreplay_choices)\"' -f -a "
    "'(__cgreplay_choices)'\n"
    "complete -c cgreplay -n '__fish_seen_subcommand_from completion' -f -a 'bash zsh fish'\n";

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
		return cgr_error_set(reterr, CGR_E_USAGE, "completion: name one shell: bash, zsh or fish");
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
