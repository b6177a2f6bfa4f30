/* AdmissionReview v1: what the API server asks.
 *
 * One review is one HTTP request. Decoding builds one JSON tree in the request's arena; every view
 * points into the body or that arena, so both live until the answer is written. Only Deployments of
 * apps/v1 are understood: the webhook's rules send nothing else (matchPolicy Equivalent converts).
 * Source: k8s.io/api admission/v1 types.go; k8s.io/apiserver pkg/admission/plugin/webhook/request.
 */
#ifndef AMPSCALE_WEBHOOK_REVIEW_H
#define AMPSCALE_WEBHOOK_REVIEW_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/kubeobj.h"
#include "base/str.h"

enum {
    /* The API server accepts 3 MiB; a review carries object and oldObject. Larger bodies: 413. */
    REVIEW_BODY_MAX_BYTES = 7 << 20,
    /* The arena of one review: the tree of the largest body that JSON_LIMITS_API lets through. */
    REVIEW_ARENA_MAX_BYTES = 128 << 20,
};

enum review_operation { REVIEW_CREATE, REVIEW_UPDATE, REVIEW_DELETE, REVIEW_CONNECT };

struct review {
    struct str uid; /* never empty: to be echoed */
    enum review_operation operation;
    bool dry_run;
    struct str namespace_;
    struct str name;        /* of the Deployment; absent while generateName has not been resolved */
    struct str username;    /* who asks; may be absent */
    struct str subresource; /* absent: the Deployment itself */
    bool has_object;        /* false on DELETE */
    bool has_old;           /* UPDATE, DELETE */
    struct deployment object;
    struct deployment old;
};

/* Errors, each naming the member and what was expected: ERR_INVALID (no JSON, another kind or
 * apiVersion, a member missing or of the wrong type), ERR_LIMIT (nested too deep, too many values),
 * ERR_MEMORY. */
int review_decode(struct str body, struct arena *a, struct review *out, struct err *e)
    __attribute__((warn_unused_result));

/* The HTTP status to answer a failed decode (or a failed mutate or validate) with: 400 for what the
 * body is to blame for, 500 for what we are. e->text is the plain text body. */
int review_http_status(const struct err *e);

/* True when there is something to work on: CREATE or UPDATE of a Deployment itself (no subresource)
 * that is not being deleted. Everything else is allowed as it stands. */
bool review_concerns_us(const struct review *r);

/* "shop/checkout", or "shop/(name not generated yet)", into `a`. */
int review_target(const struct review *r, struct arena *a, struct str *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
