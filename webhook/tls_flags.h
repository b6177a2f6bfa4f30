/* What the webhook's flags say of its certificate: files of a directory, or its own. */
#ifndef AMPSCALE_WEBHOOK_TLS_FLAGS_H
#define AMPSCALE_WEBHOOK_TLS_FLAGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/flags.h"

enum { TLS_FLAGS = 7 };

struct tls_flags {
    struct str dir;
    struct str secret; /* absent: dir is there */
    struct str service, lease, configuration;
    int64_t ca_life_ms, leaf_life_ms;
};

/* The rows that fill *f. */
void tls_flag_rows(struct tls_flags *f, struct flag out[TLS_FLAGS]);

/* ERR_INVALID naming the flag: not one of --tls-dir and --tls-self-managed, or lives that do not
 * fit each other. */
int tls_flags_check(const struct tls_flags *f, bool no_cluster, struct err *e)
    __attribute__((warn_unused_result));

#endif
