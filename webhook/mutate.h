/* /mutate: what we write into a Deployment, and take back.
 *
 * One pass, the same for every admission, so that f(f(x)) = f(x) and program defaults never freeze:
 *
 *   1. take away what the record (scale.amp/injected) proves to be ours and untouched   → the
 * user's keys
 *   2. compute what the user's keys ask for                                             → our keys
 *   3. the patch is the difference between what is there and user's + ours
 *
 * Ours are: the label scale.amp/managed, scale.amp/original-replicas, the record itself (these
 * three names are reserved for us, so no proof is needed), the defaults in force made explicit, and
 * in the pod template the collector and its volumes (webhook/collect.h says when they are rendered
 * anew). When the user's keys are gone step 2 yields nothing, and step 3 removes all of it. Beside
 * that, spec.replicas is kept as scaled, or restored when the user's keys went
 * (webhook/replicas.h), and a warning says so. Mutating never rejects.
 */
#ifndef AMPSCALE_WEBHOOK_MUTATE_H
#define AMPSCALE_WEBHOOK_MUTATE_H

#include "base/arena.h"
#include "base/err.h"
#include "webhook/review.h"
#include "webhook/scalers.h"
#include "webhook/sidecar.h"
#include "webhook/verdict.h"

/* What must be known of the world. */
struct mutate_facts {
    enum scaler_presence scaler;             /* of the namespace; asked when replicas_contested */
    const struct sidecar_options *collector; /* of the installation; NULL: it has no collector */
};

/* *out is always allowed, with a patch when something has to change. Its views live in `a` and in
 * the review. -1: ERR_MEMORY or ERR_LIMIT, our own failure. */
int mutate(const struct review *r, const struct mutate_facts *facts, struct arena *a,
           struct verdict *out, struct err *e) __attribute__((warn_unused_result));

#endif
