/* Deployments in the files people keep: YAML of several documents, JSON, and Lists of either.
 *
 * A document ends where a line begins with "---": YAML lets no scalar hold such a line, block
 * scalars included. Each is then one document for base/yaml.h, whose rules hold: no anchors,
 * aliases or tags.
 */
#ifndef AMPSCALE_CLI_MANIFEST_H
#define AMPSCALE_CLI_MANIFEST_H

#include "base/json.h"
#include "base/kubeobj.h"

enum {
    MANIFEST_MAX_BYTES = 16 << 20,
    MANIFEST_ARENA_BYTES = 256 << 20, /* a fit ceiling for the trees of the largest text */
    MANIFEST_DEPLOYMENTS_MAX = 4096,
};

struct manifest {
    const struct json **items; /* objects of kind Deployment, in order, not decoded */
    size_t count;
};

/* All Deployments of `text`; other kinds are passed over. Errors: ERR_INVALID with the line,
 * ERR_LIMIT, ERR_MEMORY. */
int manifest_read(struct str text, struct arena *a, struct manifest *out, struct err *e)
    __attribute__((warn_unused_result));

/* The one Deployment called `name`, or, with an absent name, the only one there is. ERR_INVALID
 * says which there are. */
int manifest_pick(const struct manifest *m, struct str name, struct arena *a,
                  struct deployment *out, struct err *e) __attribute__((warn_unused_result));

#endif
