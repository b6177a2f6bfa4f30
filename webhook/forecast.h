/* What a scaler would do now, told to who annotates: "query is 100 now; 100/25 → 4 replicas (min 1,
 * max 30)"; of several triggers "triggers: queue is 40 now, 40/10 → 4; rate is 3 now, 3/1 → 3; the
 * largest wins: 4 replicas (min 1, max 30)". One line that a warning has room for; triggers that
 * would make it longer are counted.
 *
 * It is where the count would settle: pacing is left out, and so are fallbacks. A trigger's own
 * proposal is decide()'s, tolerance included.
 */
#ifndef AMPSCALE_WEBHOOK_FORECAST_H
#define AMPSCALE_WEBHOOK_FORECAST_H

#include "base/arena.h"
#include "base/err.h"
#include "webhook/validate.h"

/* Add the forecast to v->verdict; nothing when no trigger has a value. `facts` has one for each of
 * v->queries. -1/ERR_MEMORY. */
int forecast_report(struct validation *v, const struct query_fact *facts, struct arena *a,
                    struct err *e) __attribute__((warn_unused_result));

/* What to call trigger i in a sentence: "query", or its name where the user gave it one. */
struct str forecast_name(const struct scale_spec *spec, size_t i);

#endif
