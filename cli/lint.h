/* `kubectl ampscale lint`: the webhook's checks that need no cluster, on manifests.
 *
 * Each Deployment is put to webhook/validate.h as if it were created; what needs the cluster (other
 * autoscalers, the live query) is left out.
 */
#ifndef AMPSCALE_CLI_LINT_H
#define AMPSCALE_CLI_LINT_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/json.h"
#include "webhook/policy.h"

struct lint {
    bool json;                   /* one list of objects in `out`, else lines for people */
    struct str namespace_;       /* of Deployments that name none; absent: nobody said */
    const struct policy *policy; /* NULL: none */
    struct buf *out;
    struct json_writer writer;
    size_t deployments, scaled, wrong; /* wrong: Deployments that are invalid, unreadable files */
};

void lint_begin(struct lint *l, bool json, struct str namespace_, const struct policy *policy,
                struct buf *out);
/* Check every Deployment in `text`. What is wrong with them or the text is output, not an error.
 * -1: ERR_MEMORY, ERR_LIMIT. */
int lint_file(struct lint *l, struct str name, struct str text, struct err *e)
    __attribute__((warn_unused_result));
/* A file that could not be read. */
void lint_unreadable(struct lint *l, struct str name, struct str why);
void lint_end(struct lint *l);

#endif
