/* Conditions on deployments/status: what is true of a workload, for kubectl describe and kubectl
 * wait.
 *
 * They are made from a decision, compared with what stands there, and written only when a status or
 * a reason changed. Reasons are the HPA's where it has one. Messages are made when they are
 * written.
 */
#ifndef AMPSCALE_SCALER_CONDITIONS_H
#define AMPSCALE_SCALER_CONDITIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/json.h"
#include "base/str.h"

/* In the order they are kept. Types carry the prefix: scale.amp/Active, … */
enum scaler_condition {
    CONDITION_ACTIVE,          /* some trigger is above its activation-threshold */
    CONDITION_ABLE_TO_SCALE,   /* nothing keeps the count from being set */
    CONDITION_SCALING_LIMITED, /* the count is not what the metric asks for */
    CONDITION_PAUSED,
    CONDITION_FALLBACK,
    CONDITION_COUNT,
};

extern const struct str SCALER_CONDITION_TYPES[CONDITION_COUNT];

enum condition_status { STATUS_ABSENT, STATUS_FALSE, STATUS_TRUE, STATUS_UNKNOWN };

struct condition {
    enum condition_status status;
    const char *reason;    /* CamelCase, static memory; NULL with ABSENT */
    int64_t transition_ms; /* Unix: when `status` last changed */
};

struct workload;
struct scale_spec;
struct decide_memory;

/* What the decision w->decision makes true, into w->conditions; before the first one, only whether
 * the count can be set. True when a status or reason changed, so that they want writing. */
bool conditions_update(struct workload *w, int64_t unix_ms);

/* Status, reason and transition time of those that stand in a Deployment's status.conditions (an
 * array, or NULL); what does not stand there is absent. A reason that is none of ours is kept as
 * "". */
void conditions_read(struct workload *w, const struct json *conditions);

/* One of them from its texts. */
struct condition condition_from(struct str status, struct str reason, int64_t transition_ms);

/* Into a memory that saw nothing yet, what the Active condition says of activity so far: a restart
 * keeps the promise of a cooldown. */
void condition_restore(const struct condition *active, const struct scale_spec *spec,
                       int64_t unix_ms, struct decide_memory *memory);

/* The sentence of one of w's conditions. */
struct str conditions_message(const struct workload *w, enum scaler_condition which, char *out,
                              size_t size);

#endif
