/* Cases of the CLI: test/golden/cli/AREA/NAME.yaml is the input, NAME.want the output.
 *
 * UPDATE_GOLDEN=1 writes the .want files anew; read the difference before it is committed.
 */
#ifndef AMPSCALE_TEST_CLI_CASES_H
#define AMPSCALE_TEST_CLI_CASES_H

#include "base/buf.h"
#include "base/str.h"

/* Run every case of the area in order of name: `run` makes the output of the manifest `yaml`.
 * Prints the first line that differs, and fails at the end. */
void cli_cases(const char *area, void (*run)(const char *name, struct str yaml, struct buf *out));

#endif
