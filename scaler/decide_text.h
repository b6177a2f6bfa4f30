/* The sentence of a decision, made from its numbers. */
#ifndef AMPSCALE_SCALER_DECIDE_TEXT_H
#define AMPSCALE_SCALER_DECIDE_TEXT_H

#include "scaler/decide.h"

/* What led to a decision, beside what it says itself. */
struct decide_cause {
    struct decide_record proposed; /* for a STABILIZED reason: the past proposal */
    int32_t replicas; /* before paused-scale-in and paused-scale-out, and why so many */
    enum decide_reason reason;
};

/* Fill d->message. */
void decide_explain(const struct scale_spec *spec, const struct observation *obs,
                    const struct decide_memory *memory, const struct decide_cause *cause,
                    struct decision *d);

#endif
