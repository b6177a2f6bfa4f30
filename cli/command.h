/* The subcommands of kubectl-ampscale, and what they share.
 *
 * Each has its own table of flags and runs to its end. Exit status: 0 all is well, 1 it failed or
 * found something wrong, 2 wrong usage.
 */
#ifndef AMPSCALE_CLI_COMMAND_H
#define AMPSCALE_CLI_COMMAND_H

#include "net/common_flags.h"

enum output_format { OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_YAML };

/* The texts of --output where a command has no YAML, NULL-terminated. */
extern const char *const OUTPUT_TEXT_OR_JSON[];

/* argv[0] is the subcommand. */
typedef int command_fn(int argc, char *const argv[]);

command_fn command_simulate, command_replay, command_lint, command_explain, command_status,
    command_check;

struct command {
    const char *name;
    command_fn *run;
    const char *about; /* a line of the overview */
};

#endif
