/* Random annotations within the contract, for the simulator. */
#ifndef AMPSCALE_TEST_SPEC_MAKER_H
#define AMPSCALE_TEST_SPEC_MAKER_H

#include "test/sim/sim.h"

/* New annotations for an app, and a new edition of them. */
void spec_make(struct sim *s, struct app *app);

#endif
