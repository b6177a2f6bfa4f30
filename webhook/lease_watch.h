/* The scalers' Leases, watched in every namespace: whether one serves a namespace is known before a
 * review comes. One watch, narrowed to the Lease's name, so the permission is too.
 */
#ifndef AMPSCALE_WEBHOOK_LEASE_WATCH_H
#define AMPSCALE_WEBHOOK_LEASE_WATCH_H

#include "base/log.h"
#include "net/kube.h"
#include "net/loop.h"
#include "webhook/scalers.h"

struct lease_watch;

/* The Lease in kube_namespace(k) is that of a scaler of all namespaces. All outlive it. */
int lease_watch_start(struct loop *loop, struct kube *k, const struct logger *log,
                      struct lease_watch **out, struct err *e) __attribute__((warn_unused_result));
/* NULL is allowed. */
void lease_watch_stop(struct lease_watch *w);

/* NULL (there is no cluster): SCALER_UNKNOWN. */
enum scaler_presence lease_watch_scaler(const struct lease_watch *w, struct str namespace_);

#endif
