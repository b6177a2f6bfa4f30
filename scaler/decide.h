/* decide(): the number of replicas, and why. Pure: same inputs, same decision.
 *
 *     gather (observation)  →  decide  →  apply (the caller compares with obs->replicas)
 *
 * Every result carries a reason of a closed enum and a sentence for people. Unknown never lowers:
 * a reading that is no value proposes nothing. Memory is what must be remembered between two calls
 * for one workload; it is a plain struct owned by the caller, zero at first sight.
 *
 * Sources of the rules: k8s.io/kubernetes pkg/controller/podautoscaler (replica_calculator.go,
 * horizontal.go), kedacore/keda pkg/scaling/executor.
 */
#ifndef AMPSCALE_SCALER_DECIDE_H
#define AMPSCALE_SCALER_DECIDE_H

#include <stdint.h>

#include "base/promresult.h"
#include "base/spec.h"

/* The HPA's default tolerance (--horizontal-pod-autoscaler-tolerance). */
#define DECIDE_TOLERANCE 0.1

enum decide_reason {
    REASON_ABOVE_MAX,        /* more than max-replicas: to max-replicas, whatever the metric says */
    REASON_BELOW_MIN,        /* fewer than min-replicas: to min-replicas, likewise */
    REASON_METRIC,           /* the formula's proposal */
    REASON_TOO_MANY,         /* the proposal was above max-replicas */
    REASON_TOO_FEW,          /* the proposal was below min-replicas */
    REASON_WITHIN_TOLERANCE, /* near enough to the target: hold */
    REASON_UNKNOWN,          /* no trigger's value is known: hold */
    REASON_PARTLY_UNKNOWN,   /* some value is unknown and the known ones ask for no more: hold */
    REASON_COOLDOWN,         /* inactive, but not yet for the cooldown: not to 0 */
    REASON_INACTIVE,         /* inactive for the whole cooldown: 0 */
    REASON_COUNT,
};

/* What is seen at one tick. readings[i] belongs to spec->triggers[i]. */
struct observation {
    int32_t replicas; /* spec.replicas of the Deployment */
    int32_t ready;    /* ready pods */
    const struct reading *readings;
};

/* What is remembered of one workload between ticks. Start from zero. */
struct decide_memory {
    int64_t last_ms;     /* now_ms of the call before; 0: this is the first sight */
    int64_t inactive_ms; /* for how long every value was known and none above its activation */
};

struct decision {
    int32_t replicas; /* what there should be; equal to obs->replicas means: change nothing */
    enum decide_reason reason;
    int32_t trigger;   /* index of the trigger that won or is unknown; -1: none in particular */
    char message[512]; /* one sentence, NUL-terminated: "default: 100 / 25 → 4 replicas" */
};

/* now_ms: Unix milliseconds. A clock that jumps never lowers a count: between two calls at most two
 * polling intervals are taken to have passed, and never less than none. */
void decide(const struct scale_spec *spec, const struct observation *obs,
            struct decide_memory *memory, int64_t now_ms, struct decision *out);

/* "MetricAboveMax", … : CamelCase word for events, conditions, metrics and the decision line. */
const char *decide_reason_name(enum decide_reason reason);

/* The formula for one trigger, alone, before bounds: what the webhook's forecast shows. A negative
 * value counts as 0; a quotient within 1e-9 of an integer is that integer; saturates at INT32_MAX.
 */
int32_t decide_formula(const struct trigger *trigger, double value, int32_t ready);

#endif
