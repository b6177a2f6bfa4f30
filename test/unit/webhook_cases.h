/* The golden cases of the webhook: test/golden/webhook/NAME/{review.json,want.json}.
 *
 * review.json is the body of a request as the API server sends it. want.json says in `why` what the
 * case is about, and what `mutate` and `validate` make of it; a test passes over cases without its
 * member.
 */
#ifndef AMPSCALE_TEST_WEBHOOK_CASES_H
#define AMPSCALE_TEST_WEBHOOK_CASES_H

#include "base/json.h"
#include "webhook/verdict.h"

struct webhook_case {
    const char *name;        /* of its directory */
    struct arena *arena;     /* holds all of the case; the check may use it */
    struct str review;       /* bytes of review.json */
    const struct json *tree; /* the same, parsed */
    const struct json *want; /* member of want.json that was asked for */
};

/* Run `check` on every case whose want.json has `member`, in alphabetical order. Fails the test
 * when there is none, or when a file cannot be read or parsed; cmocka's asserts inside `check` name
 * the case. */
void webhook_cases_run(const char *member, void (*check)(const struct webhook_case *c));

/* Fail the running test, naming the case. */
__attribute__((noreturn, format(printf, 2, 3))) void webhook_case_fail(const struct webhook_case *c,
                                                                       const char *format, ...);

/* The JSON text of a tree, NUL-terminated, in the case's arena: for messages. */
const char *webhook_case_text(const struct webhook_case *c, const struct json *node);

/* Fails, showing both, when the trees differ. NULL equals NULL. */
void webhook_case_equal(const struct webhook_case *c, const char *what, const struct json *got,
                        const struct json *want);

/* Fails when the verdict's warnings are not those of the wanted member `warnings`, in order. */
void webhook_case_warnings(const struct webhook_case *c, const struct verdict *v);

#endif
