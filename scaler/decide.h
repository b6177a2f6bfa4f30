/* decide(): the number of replicas, and why. Pure: same inputs, same decision.
 *
 *     gather (observation)  →  decide  →  apply (the caller compares with obs->replicas)
 *
 * Every result carries a reason of a closed enum and a sentence for people. Unknown never lowers:
 * a reading that is no value proposes nothing. Memory is what must be remembered between two calls
 * for one workload; the caller owns it and the arrays in it.
 *
 * The rules, in the order they apply:
 *   A. Final: paused-replicas → that count. paused → hold.
 *   B. Bounds: more than max → max, fewer than the floor (idle-replicas or min) → the floor.
 *   C. Proposals: each trigger whose value is known proposes; the largest wins (decide.c).
 *   D. Pacing: stabilization and policies as the HPA computes them (pace.c).
 *   E. Gates on the result of B to D: paused-scale-in drops a decrease, paused-scale-out an
 * increase.
 *
 * Sources: k8s.io/kubernetes pkg/controller/podautoscaler (replica_calculator.go, horizontal.go),
 * kedacore/keda pkg/scaling/executor.
 */
#ifndef AMPSCALE_SCALER_DECIDE_H
#define AMPSCALE_SCALER_DECIDE_H

#include <stddef.h>
#include <stdint.h>

#include "base/promresult.h"
#include "base/spec.h"

enum decide_reason {
    REASON_PAUSED,           /* paused: hold */
    REASON_PAUSED_REPLICAS,  /* paused-replicas: that count */
    REASON_ABOVE_MAX,        /* more than max-replicas: to max-replicas, whatever the metric says */
    REASON_BELOW_MIN,        /* fewer than the floor: to the floor, likewise */
    REASON_METRIC,           /* the formula's proposal */
    REASON_TOO_MANY,         /* the proposal was above max-replicas */
    REASON_TOO_FEW,          /* the proposal was below min-replicas */
    REASON_WITHIN_TOLERANCE, /* near enough to the target: hold */
    REASON_UNKNOWN,          /* no trigger's value is known: hold */
    REASON_PARTLY_UNKNOWN,   /* some value is unknown and the known ones ask for no more: hold */
    REASON_FALLBACK,         /* the winning trigger was unknown for too long: its fallback */
    REASON_ACTIVATED,        /* active at 0 or idle: up at once */
    REASON_COOLDOWN,         /* inactive, but not yet for the cooldown: not to 0 or idle */
    REASON_INACTIVE,         /* inactive for the whole cooldown: 0 or idle */
    REASON_STABILIZED_DOWN,  /* held (or stopped) by scaleDown's stabilization window */
    REASON_STABILIZED_UP,    /* likewise by scaleUp's */
    REASON_LIMITED_DOWN,     /* scaleDown's policies allow no larger step */
    REASON_LIMITED_UP,       /* scaleUp's policies allow no larger step */
    REASON_SCALE_IN_PAUSED,  /* paused-scale-in: hold */
    REASON_SCALE_OUT_PAUSED, /* paused-scale-out: hold */
    REASON_COUNT,
};

/* What is seen at one tick. readings[i] belongs to spec->triggers[i]. */
struct observation {
    int32_t replicas; /* spec.replicas of the Deployment */
    int32_t ready;    /* ready pods */
    const struct reading *readings;
};

/* One past proposal, or one past change of the count. */
struct decide_record {
    int64_t ms;
    int32_t replicas;
};

struct decide_history {
    struct decide_record *records; /* in no order */
    size_t count, capacity;
};

/* What is remembered of one workload between ticks. */
struct decide_memory {
    int64_t last_ms;    /* time of the call before; 0: this is the first sight */
    int64_t adopted_ms; /* time of the first */
    bool ever_active;
    int64_t inactive_ms; /* for how long every value was known and none above its activation */
    int64_t unknown_ms[SPEC_TRIGGERS_MAX]; /* 0, or 1 + for how long a trigger has been unknown */
    int32_t last_from, last_to;            /* the decision of the call before, if it was a change */
    struct decide_history proposals;       /* raw, for stabilization */
    struct decide_history ups, downs;      /* changes, for policies; replicas is their size, > 0 */
};

/* How many records the arrays of a memory for this spec hold in all, windows and intervals
 * considered: 24 with the defaults, 3,604 for a window of an hour polled each second. */
size_t decide_memory_records(const struct scale_spec *spec);
/* An empty memory over `records`, which has decide_memory_records(spec) elements and outlives it.
 */
void decide_memory_init(struct decide_memory *memory, const struct scale_spec *spec,
                        struct decide_record *records);

/* The same memory over other records, as many as decide_memory_init wants. */
void decide_memory_copy(const struct decide_memory *from, const struct scale_spec *spec,
                        struct decide_record *records, struct decide_memory *out);

struct decision {
    int32_t replicas; /* what there should be; equal to obs->replicas means: change nothing */
    enum decide_reason reason;
    int32_t trigger;    /* index of the trigger that won or is unknown; -1: none in particular */
    int32_t proposal;   /* raw, before pacing and bounds; -1: there was none */
    int active;         /* 1, 0, or -1: not known */
    bool fallback;      /* some trigger is on its fallback */
    char message[1024]; /* one sentence, NUL-terminated: "default: 100/25 → 4 replicas" */
};

/* now_ms: milliseconds on the caller's clock, > 0. One that goes back counts as standing still; one
 * that leaps ahead is believed, so the caller keeps leaps out (scaler/tick.c). */
void decide(const struct scale_spec *spec, const struct observation *obs,
            struct decide_memory *memory, int64_t now_ms, struct decision *out);

/* Whether trigger i can be scaled on: a finite value, or an empty result that on-no-data calls
 * zero, and with metric-type Value some pod that is ready to share it, unless there is to be none.
 */
bool decide_is_known(const struct scale_spec *spec, const struct observation *obs, size_t i);

/* "MetricProposal", … : CamelCase word for events, conditions, metrics and the decision line. */
const char *decide_reason_name(enum decide_reason reason);

/* The formula for one trigger, alone, before bounds: what the webhook's forecast shows. A negative
 * value counts as 0; a quotient within 1e-9 of an integer is that integer; saturates at INT32_MAX.
 */
int32_t decide_formula(const struct trigger *trigger, double value, int32_t ready);

#endif
