/* /validate: whether a Deployment may be as it is annotated, in two stages with the world in
 * between.
 *
 *     validate_begin(review)  →  final verdict, or what must be looked up  → validate_finish(facts)
 *
 * Contract → policy → whether the collector that is asked for can be and is there → autoscalers on
 * the same target → the live queries, one a trigger, with a forecast of what a scaler would do →
 * whether one serves the namespace, and whether it could ever wake what sleeps. All complaints of a
 * stage come at once. Ratcheting: on UPDATE a fault that oldObject has too is a warning, so a
 * stricter rule never blocks an image fix.
 */
#ifndef AMPSCALE_WEBHOOK_VALIDATE_H
#define AMPSCALE_WEBHOOK_VALIDATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "base/promresult.h"
#include "base/spec.h"
#include "webhook/policy.h"
#include "webhook/review.h"
#include "webhook/scalers.h"
#include "webhook/sidecar.h"
#include "webhook/verdict.h"

/* A query to run, and where. On a dry run it is not run: only whether it may go there is told. */
struct validate_query {
    struct str query;
    struct str endpoint, workspace, region,
        role_arn;   /* as annotated, for prom_resolve; absent: the configured */
    size_t trigger; /* index into spec.triggers */
    bool known;     /* oldObject has this very query at this very place: what is wrong with it is a
                       warning */
};

struct validation {
    const struct review *review;
    bool done; /* `verdict` is final: nothing to look up */
    struct verdict verdict;

    /* When not done: what validate_finish wants to know. */
    bool wants_autoscalers; /* the namespace's HorizontalPodAutoscalers and ScaledObjects */
    struct validate_query queries[SPEC_TRIGGERS_MAX];
    size_t query_count; /* may be 0 */

    struct scale_spec spec;
    bool scaled_before; /* oldObject asked for scaling too */

    struct policy_findings findings; /* for the log and the metrics; what they mean is in verdict */
    struct policy_unreachable unreachable;
};

/* What the installation says. */
struct validate_rules {
    const struct sidecar_options *collector; /* NULL: not known; nothing is said of what depends on
                                                it */
    const struct policy *policy;             /* NULL: none */
};

/* Stage 1. *out refers to `r`, which must outlive it, and not to the rules. -1: ERR_MEMORY. */
int validate_begin(const struct review *r, const struct validate_rules *rules, struct arena *a,
                   struct validation *out, struct err *e) __attribute__((warn_unused_result));

enum query_outcome {
    QUERY_SKIPPED,     /* not asked, on purpose: nothing is said about it */
    QUERY_UNRESOLVED,  /* prom_resolve refused the place: error */
    QUERY_NOT_AS_ROLE, /* prom_resolve refused the role: error */
    QUERY_FAILED,      /* asked, without success: error (timeouts and cancellations too) */
    QUERY_ANSWERED,    /* result */
};

struct query_fact {
    enum query_outcome outcome;
    const struct err *error;
    const struct prom_result *result;
};

struct validate_facts {
    /* HorizontalPodAutoscalerList of autoscaling/v2 and ScaledObjectList of keda.sh/v1alpha1, of
     * the review's namespace (items of others are passed over); NULL: not looked up, or no such
     * API. */
    const struct json *hpas, *scaled_objects;
    const struct err *autoscalers_error; /* the look-up failed; NULL: it did not */
    const struct query_fact *queries;    /* one for each of validation.queries */
    enum scaler_presence scaler;         /* of the namespace */
};

/* Stage 2: fills v->verdict and sets done. -1: ERR_MEMORY. Calling it when done changes nothing. */
int validate_finish(struct validation *v, const struct validate_facts *facts, struct arena *a,
                    struct err *e) __attribute__((warn_unused_result));

#endif
