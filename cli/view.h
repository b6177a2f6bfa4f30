/* A Deployment as its user sees it: the contract as understood, counts, what the scaler says of it.
 *
 * All from the object itself: the scaler's word is its conditions on deployments/status, which are
 * written when a status or a reason changes. So a value told there is the one of that moment; a
 * reading taken now (view_read_now) is better and wins.
 */
#ifndef AMPSCALE_CLI_VIEW_H
#define AMPSCALE_CLI_VIEW_H

#include "base/kubeobj.h"
#include "base/promresult.h"
#include "base/spec.h"
#include "scaler/conditions.h"

struct view_condition {
    struct str status, reason, message; /* status absent: there is no such condition */
    int64_t since_ms;                   /* Unix; 0: it does not say */
};

struct view {
    struct str namespace_, name, uid;
    int32_t desired;         /* spec.replicas: what was asked for last */
    int32_t replicas, ready; /* pods there are, and those that are ready */
    int64_t created_ms;      /* Unix; 0: it does not say */
    bool scaled;             /* it asks for scaling */
    bool usable;             /* spec may be acted on */
    struct complaints complaints;
    struct kv_list annotations;
    struct scale_spec spec;
    struct view_condition conditions[CONDITION_COUNT];
    struct reading readings[SPEC_TRIGGERS_MAX]; /* NONE: not known */
    struct str reason, message; /* of the condition that says most; "NotSeen": none */
};

/* Views into d and `a`. -1/ERR_MEMORY. */
int view_make(const struct deployment *d, struct arena *a, struct view *out, struct err *e)
    __attribute__((warn_unused_result));

/* Take readings made now in place of what the conditions told. One for each trigger. */
void view_read_now(struct view *v, const struct reading *readings);

/* "25/25 (avg)", "<unknown>/25", "rps: 3/10 (avg), queue: 7/5": value over target as kubectl get
 * hpa prints them, the average over the pods there are. */
void view_targets(const struct view *v, struct buf *out);

/* "95s", "7m30s", "3h", "12d": as kubectl prints an age. */
void view_age(int64_t age_ms, struct buf *out);

/* The members of the object that status and explain have in common, into an object begun. */
void view_put_json(const struct view *v, struct json_writer *j);

#endif
