/* What the API server shows, told to the core: one watch of Deployments a namespace. */
#ifndef AMPSCALE_SCALER_WATCHES_H
#define AMPSCALE_SCALER_WATCHES_H

#include "base/flags.h"
#include "scaler/doors.h"

struct watches;

/* Watch each of `namespaces`, or all of them when the list is empty. Names are copied. */
int watches_start(struct doors *d, const struct flag_list *namespaces, struct watches **out,
                  struct err *e) __attribute__((warn_unused_result));
void watches_stop(struct watches *w);

/* True when every list has been read whole and none of the streams is lost. */
bool watches_synced(const struct watches *w);

#endif
