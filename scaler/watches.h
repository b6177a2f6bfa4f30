/* What the API server shows, told to the core: Deployments and HorizontalPodAutoscalers, one watch
 * of each a namespace.
 *
 * Only the Deployments are needed. Without the right to see the autoscalers, or where their API is
 * not served, that is said once and conflicts go unnoticed.
 */
#ifndef AMPSCALE_SCALER_WATCHES_H
#define AMPSCALE_SCALER_WATCHES_H

#include "base/flags.h"
#include "scaler/doors.h"

struct watches;

/* Watch each of `namespaces`, or all of them when the list is empty. Names are copied. Of each the
 * HPAs come first: its Deployments wait until those are known, or known to be out of reach. */
int watches_start(struct doors *d, const struct flag_list *namespaces, struct watches **out,
                  struct err *e) __attribute__((warn_unused_result));
void watches_stop(struct watches *w);

/* True when every list of Deployments has been read whole and none of their streams is lost. */
bool watches_synced(const struct watches *w);

#endif
