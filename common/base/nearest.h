/* "Did you mean": the candidate nearest to a mistyped word. */
#ifndef AMPSCALE_BASE_NEAREST_H
#define AMPSCALE_BASE_NEAREST_H

#include <stddef.h>

#include "base/str.h"

/* The candidate with the smallest edit distance (insert, delete, replace, swap of neighbours;
 * ASCII case ignored), when that is at most a third of the word's length and at least 1 is
 * allowed; else the absent view. Words over 64 bytes match nothing. First wins among equals. */
struct str nearest(struct str word, const struct str *candidates, size_t count);

#endif
