/* What the webhook's flags say of the collectors that it injects. */
#ifndef AMPSCALE_WEBHOOK_COLLECTOR_FLAGS_H
#define AMPSCALE_WEBHOOK_COLLECTOR_FLAGS_H

#include "base/num.h"
#include "net/common_flags.h"
#include "webhook/sidecar.h"

enum { COLLECTOR_FLAGS = 6 };

struct collector_flags {
    struct str image, endpoint, role_arn, cpu, memory, ca_configmap;
    char quantities[2 * NUM_TEXT_BYTES]; /* cpu and memory as Kubernetes writes them */
};

/* The rows that fill *f. */
void collector_flag_rows(struct collector_flags *f, struct flag out[COLLECTOR_FLAGS]);

/* Check them by the rules of the annotations that they stand in for; an empty value counts as not
 * given, since a chart may render one. ERR_INVALID names the flag. */
int collector_flags_check(struct collector_flags *f, struct err *e)
    __attribute__((warn_unused_result));

/* Views of both. */
struct sidecar_options collector_flags_options(const struct collector_flags *f,
                                               const struct common_flags *common);

#endif
