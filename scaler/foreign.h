/* Which namespaces have a live scaler of their own: the Leases of one name, cluster-wide.
 *
 * For the scaler of all namespaces, which leaves those alone. A Lease is live while its holder
 * renews it, as seen by this process; one that seems to have run out is read once more before it is
 * believed, because a watch that broke unnoticed shows no renewals either. Until the first list is
 * complete nothing is known, unless Leases may not be listed at all: then that is said once, and
 * every namespace is taken for unserved.
 */
#ifndef AMPSCALE_SCALER_FOREIGN_H
#define AMPSCALE_SCALER_FOREIGN_H

#include <stdbool.h>

#include "base/log.h"
#include "net/kube.h"
#include "net/loop.h"

struct foreign;

struct foreign_options {
    struct loop *loop;
    struct kube *kube;
    const struct logger *log;
    struct str name; /* of the Leases; copied */
    struct str home; /* the namespace whose Lease of that name is our own; copied */
    /* A namespace has, or has no longer, a live scaler of its own. */
    void (*changed)(void *context, struct str namespace_, bool live);
    /* The first list is complete: once. */
    void (*known)(void *context);
    void *context;
};

int foreign_start(const struct foreign_options *o, struct foreign **out, struct err *e)
    __attribute__((warn_unused_result));
/* NULL is allowed. */
void foreign_free(struct foreign *f);

#endif
