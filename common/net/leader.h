/* Leader election by a Lease of coordination.k8s.io/v1: one leads, the others watch.
 *
 * Expiry is judged by what this process saw and when, on its own monotonic clock, never by
 * comparing the Lease's time stamps with it. A Lease fences nobody, so a leader that could not
 * renew for renew_ms stops leading, before another may begin at lease_ms. The Lease need not exist
 * if it may be created. Source: k8s.io/client-go tools/leaderelection (15 s, 10 s, 2 s,
 * jitter 1.2).
 */
#ifndef AMPSCALE_NET_LEADER_H
#define AMPSCALE_NET_LEADER_H

#include <stdbool.h>

#include "base/log.h"
#include "net/kube.h"
#include "net/loop.h"

struct leader;

enum { LEADER_IDENTITY_BYTES = 256 };

struct leader_options {
    struct loop *loop;
    struct kube *kube;
    const struct logger *log;
    struct str namespace_, name; /* of the Lease; copied */
    struct str identity;         /* of this process, unique: pod name and a random part; copied */
    int64_t lease_ms, renew_ms, retry_ms; /* 0: 15000, 10000, 2000 */
    /* Called on each change, from the loop. */
    void (*changed)(void *context, bool leads);
    void *context;
};

int leader_start(const struct leader_options *o, struct leader **out, struct err *e)
    __attribute__((warn_unused_result));

/* A name for this process that no other has: its host's, and a random part, since two pods of one
 * name may follow each other. */
void leader_identity(char out[LEADER_IDENTITY_BYTES]);

/* Leads, and the time until which it may has not passed in this very moment, whether or not
 * `changed` could be called yet. */
bool leader_leads(const struct leader *l);
/* True while somebody else's Lease is live, as this process sees it. */
bool leader_other_leads(const struct leader *l);

/* Stop leading (no `changed`) and give the Lease away, so that the next one need not wait for it to
 * expire; `released` is called from the loop when that is written or failed, at most 2 s later, and
 * may free it. */
void leader_release(struct leader *l, void (*released)(void *context), void *context);

/* Stop at once. NULL is allowed. */
void leader_free(struct leader *l);

#endif
