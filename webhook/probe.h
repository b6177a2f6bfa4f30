/* What is wrong with a live query: a warning, or a reason to deny. What its value means is
 * webhook/forecast.h's.
 *
 * What the user can fix is a reason; that AMP could not be asked is not the user's fault and a
 * warning, unless the policy says otherwise.
 */
#ifndef AMPSCALE_WEBHOOK_PROBE_H
#define AMPSCALE_WEBHOOK_PROBE_H

#include "base/arena.h"
#include "base/err.h"
#include "webhook/validate.h"

/* Add to v->verdict what `fact`, the outcome of `q`, says. A fault of a query that was known before
 * the change is a warning. -1/ERR_MEMORY. */
int probe_report(struct validation *v, const struct validate_query *q,
                 const struct query_fact *fact, struct arena *a, struct err *e)
    __attribute__((warn_unused_result));
/* Add what Prometheus itself warns of in its answer. -1/ERR_MEMORY. */
int probe_pass_on(struct validation *v, const struct query_fact *fact, struct arena *a,
                  struct err *e) __attribute__((warn_unused_result));

#endif
