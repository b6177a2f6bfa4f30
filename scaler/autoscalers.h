/* The HorizontalPodAutoscalers of the namespaces that are watched, and whose target they are. */
#ifndef AMPSCALE_SCALER_AUTOSCALERS_H
#define AMPSCALE_SCALER_AUTOSCALERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct autoscaler;

struct autoscalers {
    struct autoscaler *first;
};

/* Remember that `hpa` targets `deployment` (absent: it targets no Deployment, or is gone).
 * *changed: the answer of autoscalers_of may differ now. -1/ERR_MEMORY. */
int autoscalers_set(struct autoscalers *list, struct str namespace_, struct str hpa,
                    struct str deployment, bool *changed, struct err *e)
    __attribute__((warn_unused_result));

/* What `hpa` targets; absent view when that is no Deployment or it is not known. */
struct str autoscalers_target(const struct autoscalers *list, struct str namespace_,
                              struct str hpa);

/* Name of one that targets the Deployment; absent view when there is none. Valid until it is
 * removed. */
struct str autoscalers_of(const struct autoscalers *list, struct str namespace_,
                          struct str deployment);

/* Around a complete list of one namespace (absent: all): forget what was not set in between. */
void autoscalers_list_begin(struct autoscalers *list, struct str namespace_);
void autoscalers_list_end(struct autoscalers *list, struct str namespace_);

void autoscalers_free(struct autoscalers *list);

#endif
