/* What the subcommands share. */
#ifndef CGR_CLI_CLI_H
#define CGR_CLI_CLI_H

#include <stddef.h>

#include "common/optparse.h"

/* one declaration per cmd_*.c file, made by the build */
#define CGR_COMMAND(name) extern const struct cgr_command cgr_command_##name;
#include "commands.def"
#undef CGR_COMMAND

const struct cgr_command *const *cgr_cli_borrow_commands(size_t *ret_count);

#endif
