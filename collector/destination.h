/* Where samples go: the URL of the remote write, and whether and for which region it is signed. */
#ifndef AMPSCALE_COLLECTOR_DESTINATION_H
#define AMPSCALE_COLLECTOR_DESTINATION_H

#include <stdbool.h>

#include "base/err.h"
#include "base/str.h"
#include "net/common_flags.h"

enum { DESTINATION_URL_BYTES = 2048, DESTINATION_REGION_BYTES = 64 };

struct destination {
    char url[DESTINATION_URL_BYTES];
    bool sign;
    char region[DESTINATION_REGION_BYTES];
};

/* `exact` (--remote-write-url) is taken as it is, whatever its scheme: what cannot be sent to is
 * told when it is sent to. Else from --workspace and --region, or from the base URL --endpoint:
 * AMP's path (…/workspaces/ws-…, whatever the host) continues with /api/v1/remote_write, another
 * Prometheus' with /api/v1/write.
 * ERR_INVALID, naming the flag: none or two of the three, a URL or workspace that is none, a region
 * that is not known, a URL with user info, one that cannot be signed. */
int destination_find(const struct common_flags *c, struct str exact, struct destination *out,
                     struct err *e) __attribute__((warn_unused_result));

/* The URL for a log: without its query, which may be a key. A view. */
struct str destination_shown(const struct destination *d);

#endif
