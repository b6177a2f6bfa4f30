/* What a breach of the policy means for a review: a denial, a warning or an audit annotation. */
#ifndef AMPSCALE_WEBHOOK_POLICY_VERDICT_H
#define AMPSCALE_WEBHOOK_POLICY_VERDICT_H

#include "webhook/policy.h"
#include "webhook/verdict.h"

/* Say it in the verdict. Where the rule denies, what was known is a warning. -1/ERR_MEMORY. */
int policy_verdict(struct verdict *v, const struct policy_finding *f, struct arena *a,
                   struct err *e) __attribute__((warn_unused_result));

/* What was made of it: "deny", "warn", "audit"; "ratcheted" for a warning in a denial's place. */
struct str policy_outcome(const struct policy_finding *f);

#endif
