/* A query that needs the very pods it is to wake.
 *
 * A Deployment that may go to 0 replicas never comes back on a metric that only its own pods give:
 * at 0 pods there is none, and no data is not activity. Whether a query is such is not for a text
 * to prove, so this is a guess, and a warning alone. It looks at label matchers: pod=~"web-.*",
 * deployment="web", app="web" and the like, with the Deployment's own name or its pods' own label.
 * Series of kube-state-metrics (kube_…) are there without pods, and absent(…) is meant for that.
 */
#ifndef AMPSCALE_WEBHOOK_OWNPODS_H
#define AMPSCALE_WEBHOOK_OWNPODS_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"
#include "webhook/validate.h"

/* True when some matcher of `query` names the pods of `deployment` (absent: not named yet), whose
 * API object is `object` (NULL is allowed); *matcher is its text in the query, and else untouched.
 * Any text is a query. */
bool ownpods_selected(struct str query, struct str deployment, const struct json *object,
                      struct str *matcher);

/* Warn when every trigger is like that and the spec may go to 0. -1/ERR_MEMORY. */
int ownpods_report(struct validation *v, struct arena *a, struct err *e)
    __attribute__((warn_unused_result));

#endif
