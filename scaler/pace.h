/* Pacing: the HPA's stabilization windows and scaling policies, same operand order, no rounding of
 * our own. Source: k8s.io/kubernetes pkg/controller/podautoscaler/horizontal.go
 * (normalizeDesiredReplicas, stabilizeRecommendationWithBehaviors,
 * convertDesiredReplicasWithBehaviorRate).
 */
#ifndef AMPSCALE_SCALER_PACE_H
#define AMPSCALE_SCALER_PACE_H

#include "scaler/decide.h"

/* The smaller, and the larger. */
int32_t min32(int32_t a, int32_t b);
int32_t max32(int32_t a, int32_t b);

enum pace_limit {
    PACE_FREE,
    PACE_STABILIZED_UP,
    PACE_STABILIZED_DOWN,
    PACE_LIMITED_UP,
    PACE_LIMITED_DOWN,
};

struct pace {
    int32_t replicas;
    enum pace_limit limit;      /* what kept it from the proposal */
    struct decide_record cause; /* STABILIZED: the past proposal that did */
};

/* From `current` towards `proposal`; then the proposal is recorded. Bounds are the caller's. */
struct pace pace(const struct scale_spec *spec, struct decide_memory *memory, int32_t current,
                 int32_t proposal, int64_t now_ms);

/* First sight: what is there counts as proposed, so nothing goes down before a window was seen. */
void pace_begin(const struct scale_spec *spec, struct decide_memory *memory, int32_t current,
                int64_t now_ms);

/* Remember a change of the count that took place at `ms`. */
void pace_changed(const struct scale_spec *spec, struct decide_memory *memory, int32_t from,
                  int32_t to, int64_t ms);

#endif
