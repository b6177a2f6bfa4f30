/* What the operator lays down in files: the policy (webhook/policy.h) and each namespace's place
 * (webhook/places.h), read again when they change.
 *
 * At the start both must be right, so that a rollout stops at a wrong one; later a wrong one is
 * reported and what was in force stays in force.
 */
#ifndef AMPSCALE_WEBHOOK_RULEBOOK_H
#define AMPSCALE_WEBHOOK_RULEBOOK_H

#include "base/flags.h"
#include "base/log.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "webhook/places.h"
#include "webhook/policy.h"

enum { RULEBOOK_FLAGS = 2 };

struct rulebook_flags {
    struct str policy, namespaces; /* paths; empty: no such file */
};

void rulebook_flag_rows(struct rulebook_flags *f, struct flag out[RULEBOOK_FLAGS]);

struct rulebook;

/* Reads what the flags name. Errors begin with the path; ERR_INVALID has line and column. The
 * logger must outlive it. */
int rulebook_new(const struct rulebook_flags *f, const struct logger *log, struct rulebook **out,
                 struct err *e) __attribute__((warn_unused_result));
/* Look for changes from here on. Both must outlive it. */
int rulebook_watch(struct rulebook *b, struct loop *loop, struct metrics *metrics, struct err *e)
    __attribute__((warn_unused_result));
void rulebook_free(struct rulebook *b); /* NULL is allowed */

/* What is in force now; good until the next turn of the loop. */
const struct policy *rulebook_policy(const struct rulebook *b); /* NULL: none */
/* NULL: not listed, it goes by the flags. */
const struct place *rulebook_place(const struct rulebook *b, struct str namespace_);

#endif
