/* What /mutate does to spec.replicas: keep the scaled count, or give the first one back.
 *
 * Keep (scale.amp/keep-replicas, on by default): an update by anybody that names another count than
 * there is (kubectl apply, Helm, a GitOps controller's self-heal; kubectl scale and the scaler go
 * through /scale, which is not matched) does not reset a workload that is being scaled. Restore
 * (scale.amp/restore-replicas): the update that takes the user's keys away goes back to
 * scale.amp/original-replicas, unless it sets a count itself.
 */
#ifndef AMPSCALE_WEBHOOK_REPLICAS_H
#define AMPSCALE_WEBHOOK_REPLICAS_H

#include <stdbool.h>

#include "base/spec.h"
#include "webhook/review.h"
#include "webhook/scalers.h"

enum replicas_change { REPLICAS_LEFT, REPLICAS_KEPT, REPLICAS_RESTORED };

/* True when an update of a Deployment that is and was to be scaled changes the count: then it
 * matters whether a scaler serves the namespace. */
bool replicas_contested(const struct review *r);

/* For an object that asks for scaling by `spec`. Only SCALER_NONE leaves the new count: what may be
 * scaled is never reset. */
enum replicas_change replicas_keep(const struct review *r, const struct scale_spec *spec,
                                   enum scaler_presence scaler, int32_t *count);

/* For an object that does not ask for scaling; `user` has the user's annotations of it. */
enum replicas_change replicas_restore(const struct review *r, const struct kv_list *user,
                                      int32_t *count);

/* The count noted in scale.amp/original-replicas; false when there is none or it is no count. */
bool replicas_noted(const struct kv_list *annotations, int32_t *count);

#endif
