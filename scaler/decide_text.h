/* The sentence of a decision, made from its numbers. */
#ifndef AMPSCALE_SCALER_DECIDE_TEXT_H
#define AMPSCALE_SCALER_DECIDE_TEXT_H

#include "scaler/decide.h"

/* Fill d->message. `cause`: for a STABILIZED reason, the past proposal. */
void decide_explain(const struct scale_spec *spec, const struct observation *obs,
                    const struct decide_memory *memory, const struct decide_record *cause,
                    struct decision *d);

#endif
