/* Which reasons were told already, so that a log has each once and not once a scrape.
 *
 * A reason is a text; those that differ in numbers alone (line 12, line 13) are the same one:
 * callers pass what sending_reason made of it. A few are remembered, the one told longest ago gives
 * way; each may be told again after an hour, and where all was well since, after ten minutes: what
 * fails every other time is told six times an hour.
 */
#ifndef AMPSCALE_COLLECTOR_REASONS_H
#define AMPSCALE_COLLECTOR_REASONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { REASONS_MAX = 16, REASONS_AGAIN_MS = 3600000, REASONS_RETURN_MS = 600000 };

struct reasons {
    struct {
        unsigned long long hash;
        int64_t told_ms;
        bool used, over; /* over: all was well since it was told */
    } items[REASONS_MAX];
};

/* True when it should be told now; then it counts as told. now_ms: the loop's clock. */
bool reasons_tell(struct reasons *r, struct str reason, int64_t now_ms);
/* All is well again. */
void reasons_over(struct reasons *r);

#endif
