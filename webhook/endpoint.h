/* Base URLs as annotations and files write them, compared without IO.
 *
 * Both sides have passed the contract's rule for `endpoint` (http or https, a host, no user, query
 * or fragment). What is not recognised as the same counts as different, which is the safe side for
 * a list of what is allowed.
 */
#ifndef AMPSCALE_WEBHOOK_ENDPOINT_H
#define AMPSCALE_WEBHOOK_ENDPOINT_H

#include <stdbool.h>

#include "base/str.h"

/* Whether they differ in nothing but the host's letters, a default port and '/' at the end. */
bool endpoint_eq(struct str a, struct str b);

/* Whether the host is AMP's. Then *workspace is what stands behind /workspaces/; absent when the
 * path is of another form. */
bool endpoint_is_amp(struct str url, struct str *workspace);

#endif
