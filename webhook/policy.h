/* The platform team's policy: what annotations may ask for, by namespace. From a file; pure.
 *
 *     version: 1
 *     contact: "#platform"
 *     defaults:
 *       maxReplicas: {value: 100, action: deny}
 *       minPollingInterval: {value: 10s, action: warn}
 *       maxTriggers: {value: 4, action: audit}
 *       forbidZero: {action: deny}
 *       allowedEndpoints: {values: ["https://prometheus.example.com"]}
 *       allowedWorkspaces: {values: [ws-1]}
 *       allowedRoles: {values: ["arn:aws:iam::123456789012:role/amp-*"]}
 *       unreachable: {action: warn}
 *     namespaces:
 *       batch:
 *         maxReplicas: {value: 1000}
 *         forbidZero: {action: none}
 *
 * A namespace's rule stands in place of the default one as a whole; `none` lifts it. Left out,
 * `action` is deny. Each rule judges by itself; what keeps all of them is admitted. The lists say
 * what a Deployment may name, on top of --allow-… and the namespace's own; one that names nothing
 * keeps them.
 *
 * To add a rule: a value of enum policy_rule, a row in policy.c (how it is written) and one in
 * policy_judge.c (when it is broken). One that looks into a query has base/promql.h for it.
 */
#ifndef AMPSCALE_WEBHOOK_POLICY_H
#define AMPSCALE_WEBHOOK_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/spec.h"
#include "base/str.h"

enum policy_rule {
    RULE_MAX_REPLICAS,
    RULE_MIN_POLLING_INTERVAL,
    RULE_MAX_TRIGGERS,
    RULE_FORBID_ZERO,
    RULE_ALLOWED_ENDPOINTS,
    RULE_ALLOWED_WORKSPACES,
    RULE_ALLOWED_ROLES,
    RULE_UNREACHABLE, /* what it means that a query cannot be tried */
    RULE_COUNT,
};

enum policy_action {
    ACTION_DENY,
    ACTION_WARN,
    ACTION_AUDIT, /* admitted silently: told in the audit annotation, the log and the metrics */
    ACTION_NONE,  /* the rule does not hold */
};

struct policy_setting {
    bool given;
    enum policy_action action;
    int64_t limit; /* a count, or milliseconds */
    const struct str *values;
    size_t value_count;
};

struct policy_scope {
    struct str name; /* of the namespace */
    struct policy_setting rules[RULE_COUNT];
};

struct policy {
    struct str contact; /* who to ask, for messages; absent: not said */
    struct policy_setting defaults[RULE_COUNT];
    const struct policy_scope *namespaces;
    size_t namespace_count;
};

enum {
    POLICY_FILE_MAX_BYTES = 1 << 20, /* what a ConfigMap may hold */
    POLICY_ARENA_BYTES = 64 << 20,
};

/* The whole file. Errors: ERR_INVALID with path, line, column and what is expected; ERR_LIMIT;
 * ERR_MEMORY. All of *out lives in `a`. */
int policy_parse(struct str text, struct arena *a, struct policy *out, struct err *e)
    __attribute__((warn_unused_result));

/* "maxReplicas" */
struct str policy_rule_name(enum policy_rule rule);

/* The rule as it holds in a namespace; NULL where it does not. */
const struct policy_setting *policy_setting(const struct policy *p, struct str namespace_,
                                            enum policy_rule rule);

/* ---- judging one Deployment (policy_judge.c) ---- */

/* One breach of one rule. */
struct policy_finding {
    enum policy_rule rule;
    enum policy_action action;
    bool known;      /* oldObject breaks it as badly or worse: no denial */
    struct str text; /* key, value, rule, limit, namespace, contact */
};

enum { POLICY_FINDINGS_MAX = 12 + SPEC_TRIGGERS_MAX };

struct policy_findings {
    struct policy_finding items[POLICY_FINDINGS_MAX];
    size_t count;
};

/* A Deployment as its annotations say, which keep the contract. */
struct policy_side {
    const struct kv_list *annotations;
    const struct scale_spec *spec;
};

/* All breaches of `now`. `before`: oldObject's side, when it kept the contract; else NULL. Texts in
 * `a`. -1: ERR_MEMORY. */
int policy_judge(const struct policy *p, struct str namespace_, const struct policy_side *now,
                 const struct policy_side *before, struct arena *a, struct policy_findings *out,
                 struct err *e) __attribute__((warn_unused_result));

/* What it means in a namespace that a query cannot be tried, and what to say beside the reason.
 * -1: ERR_MEMORY. */
struct policy_unreachable {
    bool given; /* there is a rule about it */
    enum policy_action action;
    struct str text; /* "policy unreachable admits no query untried in namespace shop" */
};
int policy_unreachable(const struct policy *p, struct str namespace_, struct arena *a,
                       struct policy_unreachable *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
