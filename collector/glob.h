/* Globs over metric names: '*' any text, '?' one byte, '[abc]', '[a-z]', '[!…]' (or '[^…]') one
 * byte of a set; '\' takes the next byte as it is. The whole name must match. At most length ×
 * length steps, whatever the pattern.
 */
#ifndef AMPSCALE_COLLECTOR_GLOB_H
#define AMPSCALE_COLLECTOR_GLOB_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"

/* ERR_INVALID: empty, a set without its ']', a range that runs backwards, a '\' at the end. */
int glob_check(struct str glob, struct err *e) __attribute__((warn_unused_result));

/* The glob passed glob_check. */
bool glob_matches(struct str glob, struct str text);

#endif
