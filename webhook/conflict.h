/* Who else scales a Deployment: HorizontalPodAutoscalers and KEDA's ScaledObjects.
 * Sources: k8s.io/api autoscaling/v2, keda.sh/v1alpha1 ScaledObject.
 */
#ifndef AMPSCALE_WEBHOOK_CONFLICT_H
#define AMPSCALE_WEBHOOK_CONFLICT_H

#include <stddef.h>

#include "base/json.h"
#include "base/str.h"

struct autoscaler {
    struct str kind;     /* as people write it: "ScaledObject" */
    struct str resource; /* as kubectl takes it: "scaledobject" */
    struct str name;
};

/* The autoscalers of the two lists (either may be NULL) whose target is the Deployment: at most
 * `max` into `out`; returns how many. Those being deleted are passed over, and so is an HPA that a
 * ScaledObject owns: its owner is named in its place, once. An item without a namespace is taken to
 * be of this one. */
size_t conflict_find(const struct json *hpas, const struct json *scaled_objects,
                     struct str namespace_, struct str deployment, struct autoscaler *out,
                     size_t max);

#endif
