/* commands.h - the operator's command as a function, for main.c and the tests. */

#ifndef CLI_COMMANDS_H
#define CLI_COMMANDS_H

#include "cli/command.h"

/* Runs the command line as main does. Returns the exit status. */
int belfry_run (int argc, char **argv, output_t *output);

/* The commands of this release in the order of the help; i below commands_count. */
size_t commands_count (void);
const command_t *commands_at (size_t i);
/* The options that every command takes besides its own. */
const option_t *commands_global_options (size_t *ret_n);

#endif
