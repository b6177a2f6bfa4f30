/* Where each namespace's metrics are, and as whom they are read and written: a file. Pure.
 *
 *     version: 1
 *     namespaces:
 *     - name: shop
 *       workspace: ws-1234            # or endpoint: URL
 *       region: eu-west-1
 *       roleArn: arn:aws:iam::123456789012:role/shop-query
 *       collectorRoleArn: arn:aws:iam::123456789012:role/shop-write
 *
 * What an entry leaves out is the program's own flags', as it all is for a namespace that is not
 * listed.
 */
#ifndef AMPSCALE_WEBHOOK_PLACES_H
#define AMPSCALE_WEBHOOK_PLACES_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include "webhook/sidecar.h"

/* Absent: not said. */
struct place {
    struct str name; /* of the namespace */
    struct str endpoint, workspace, region, role_arn, collector_role_arn;
};

struct places {
    const struct place *items;
    size_t count;
};

enum {
    PLACES_FILE_MAX_BYTES = 1 << 20, /* what a ConfigMap may hold */
    PLACES_ARENA_BYTES = 64 << 20,
};

/* The whole file. Errors: ERR_INVALID with path, line, column and what is expected; ERR_LIMIT;
 * ERR_MEMORY. All of *out lives in `a`. */
int places_parse(struct str text, struct arena *a, struct places *out, struct err *e)
    __attribute__((warn_unused_result));

/* The namespace's entry; NULL: it is not listed. */
const struct place *places_find(const struct places *p, struct str namespace_);

/* Collectors as they are in a namespace: `flags` with what its entry (NULL: none) says. */
struct sidecar_options places_collector(const struct place *place,
                                        const struct sidecar_options *flags);

/* The name of a namespace: an RFC 1123 label. */
bool places_is_namespace(struct str name);

#endif
