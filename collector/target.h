/* The target's URL, and what is known of a collector by it. Pure. */
#ifndef AMPSCALE_COLLECTOR_TARGET_H
#define AMPSCALE_COLLECTOR_TARGET_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

enum { TARGET_URL_MAX_BYTES = 2048, TARGET_INSTANCE_BYTES = 280, TARGET_SOCKET_BYTES = 64 };

struct target {
    struct str url;                       /* as given */
    char instance[TARGET_INSTANCE_BYTES]; /* host:port, the scheme's port when none is given */
    /* What the running collector is asked by (ask.h). Those of a container differ in target. */
    char socket_name[TARGET_SOCKET_BYTES];
};

/* http(s)://host[:port][/path][?query], at most TARGET_URL_MAX_BYTES. ERR_INVALID names what is
 * wrong: another scheme, no host, a port that is none, user info, a fragment, blanks. */
int target_parse(struct str url, struct target *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
