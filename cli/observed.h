/* What is seen at one tick, as JSON: a line that `simulate` reads, and the `observation` of a
 * decision line that `replay` reads.
 *
 *     {"t": 15000, "ready": 3, "replicas": 4, "readings": {"default": 100}}
 *
 * A reading is a number, null (answered, but with nothing: an empty result), {"empty": "NaN"} (the
 * same, saying what) or {"error": "why"}.
 */
#ifndef AMPSCALE_CLI_OBSERVED_H
#define AMPSCALE_CLI_OBSERVED_H

#include "base/json.h"
#include "base/promresult.h"
#include "base/spec.h"

struct observed {
    int64_t t_ms;
    bool has_ready, has_replicas;
    int32_t ready, replicas;
    struct reading readings[SPEC_TRIGGERS_MAX]; /* of spec->triggers[i] */
};

/* Strict: an unknown member, a wrong type, or a trigger without a reading is ERR_INVALID naming it.
 */
int observed_read(const struct json *node, const struct scale_spec *spec, struct observed *out,
                  struct err *e) __attribute__((warn_unused_result));

#endif
