/* What we answer a review with, and its encoding as an AdmissionReview v1 response.
 *
 * A user's error is an answer with allowed:false and a code; our own failure never becomes a
 * verdict, it is an HTTP 500, so that failurePolicy decides. Warnings travel as HTTP headers: one
 * line each, no control characters, at most 256 runes, 4096 together (k8s.io/apiserver
 * pkg/endpoints/filters/warning.go cuts every one of them when the sum is larger).
 */
#ifndef AMPSCALE_WEBHOOK_VERDICT_H
#define AMPSCALE_WEBHOOK_VERDICT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    VERDICT_WARNINGS_MAX = 48,
    VERDICT_WARNING_MAX_RUNES = 256,
    VERDICT_WARNING_TEXT_MAX_RUNES = 1536, /* of one text, which becomes several of them */
    VERDICT_WARNINGS_MAX_RUNES = 4096,
    VERDICT_REASON_MAX_RUNES = 2048, /* one line of a denial */
    VERDICT_AUDITS_MAX = 8,
    VERDICT_ANSWER_MAX_BYTES = 4 << 20, /* a fit ceiling for the buffer that verdict_encode fills */
};

/* For the cluster's audit log alone: the user never sees it. */
struct verdict_audit {
    struct str key; /* a rule's name; "policy." goes before it */
    struct str text;
};

/* What a mutation did about the collector. */
enum collector_outcome {
    COLLECTOR_NONE,     /* none is there, and none is wanted */
    COLLECTOR_RENDERED, /* put in, or anew */
    COLLECTOR_KEPT,     /* as it was */
    COLLECTOR_REMOVED,
    COLLECTOR_LEFT_OUT, /* wanted, but it cannot be: validation says why */
};

struct verdict {
    bool allowed;
    int code;           /* of a denial: 403 (reason Forbidden) or 422 (Invalid); else 0 */
    struct str message; /* of a denial: its head line, then a line a complaint */
    struct str patch;   /* a JSON Patch document; absent: nothing to change */
    struct str warnings[VERDICT_WARNINGS_MAX];
    size_t warning_count;
    size_t warning_runes;    /* of all of them together */
    size_t warnings_dropped; /* did not fit; the answer says how many */
    struct verdict_audit audits[VERDICT_AUDITS_MAX];
    size_t audit_count;
    enum collector_outcome collector;
};

/* Allowed, without patch and warnings. */
void verdict_init(struct verdict *v);

/* Add a warning: control characters become spaces, one that is there already is not repeated. What
 * is longer than a warning may be becomes several, which begin with "… ", broken behind a ';' or at
 * a blank: the fix that a text ends with is never what is cut. All of them or, where they do not
 * fit, none. -1/ERR_MEMORY. */
__attribute__((format(printf, 4, 5), warn_unused_result)) int
verdict_warn(struct verdict *v, struct arena *a, struct err *e, const char *format, ...);

/* Deny, for one more reason: `message` (its head, set before) gets a line, sanitized as a warning
 * is but longer; one that is there already is not repeated. Reasons of several codes make a 422.
 * -1/ERR_MEMORY. */
__attribute__((format(printf, 5, 6), warn_unused_result)) int
verdict_deny(struct verdict *v, int code, struct arena *a, struct err *e, const char *format, ...);

/* Add to the audit annotation `key` (a literal): several texts of one key are joined by "; ".
 * Sanitized as a denial's line is; what is one key too many is left out. -1/ERR_MEMORY. */
__attribute__((format(printf, 5, 6), warn_unused_result)) int
verdict_audit(struct verdict *v, struct str key, struct arena *a, struct err *e, const char *format,
              ...);

/* The whole response body for the review with this uid. -1/ERR_LIMIT when `out` is too small. */
int verdict_encode(const struct verdict *v, struct str uid, struct buf *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
