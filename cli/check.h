/* `kubectl ampscale check`: whether an installation does its work in a namespace, told by what it
 * does and not by what objects there are.
 *
 *     completes   a Deployment with annotations, created by dry run, comes back with the defaults
 *     refuses     one with a wrong annotation is refused, in the webhook's words
 *     served      a scaler holds the Lease that it scales the namespace by
 *
 * Each judge makes a result of the API server's answer; its text says what was seen and, when that
 * is not right, the fix. Results live in the arena. Pure: time is an argument.
 */
#ifndef AMPSCALE_CLI_CHECK_H
#define AMPSCALE_CLI_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/lease.h"
#include "base/str.h"

enum check_kind { CHECK_COMPLETES, CHECK_REFUSES, CHECK_SERVED, CHECK_COUNT };

struct check_result {
    enum check_kind kind;
    struct str namespace_;
    bool ok;
    struct str text, fix; /* fix absent when ok */
    struct str warnings;  /* what was said beside it, one a line; absent when nothing was */
};

/* What the API server answered: an object, or why not. */
struct check_answer {
    const struct json *object; /* NULL: none; */
    struct err e;              /* and then this says why */
};

/* ---- the webhook ---- */

/* The Deployment to be created by dry run: for CHECK_COMPLETES a right one, for CHECK_REFUSES one
 * with a wrong threshold. It asks for as little as any policy might allow, and is restricted as Pod
 * Security has it. */
void check_manifest(enum check_kind kind, struct str name, struct buf *out);

/* Whether the answer to it is what the webhook makes of it. */
bool check_is_right(enum check_kind kind, const struct check_answer *got);

/* The result of CHECK_COMPLETES or CHECK_REFUSES. `hooks` tells why the webhook was not asked: the
 * list of those MutatingWebhookConfigurations, for CHECK_REFUSES of the Validating ones, that
 * belong to ampscale, or why they cannot be read. It may be NULL when the answer is right.
 * -1/ERR_MEMORY.
 */
int check_judge_webhook(enum check_kind kind, struct str namespace_, const struct check_answer *got,
                        const struct check_answer *hooks, struct arena *a, struct check_result *out,
                        struct err *e) __attribute__((warn_unused_result));

/* Namespace of the webhook that the first of these configurations calls; absent when none does. */
struct str check_webhook_namespace(const struct check_answer *hooks);

/* ---- the scaler ---- */

/* One Lease, looked at until it is known whether its holder is alive: renewed within what it lasts
 * by the API server's clock, or, since the holder's own clock may be wrong, before our eyes. */
struct check_lease {
    struct lease_view view;
    int64_t since_ms; /* when it was looked at first, monotonic; 0: never */
};

/* Take in a Lease. -1/ERR_INVALID: it is none. */
int check_lease_look(struct check_lease *l, const struct json *object, int64_t now_ms,
                     struct err *e) __attribute__((warn_unused_result));
/* It is held, but its holder was not seen to live, nor for long enough that it is dead. */
bool check_lease_is_open(const struct check_lease *l, int64_t now_ms, int64_t unix_ms);

/* The result of CHECK_SERVED. `l`: the Lease in namespace `where`; not looked at: `why` says that
 * it could not be had. -1/ERR_MEMORY. */
int check_judge_lease(struct str namespace_, struct str where, const struct check_lease *l,
                      const struct err *why, int64_t unix_ms, struct arena *a,
                      struct check_result *out, struct err *e) __attribute__((warn_unused_result));

/* ---- the output ---- */

/* Lines for people, a paragraph a namespace. */
void check_print_text(const struct check_result *results, size_t count, struct buf *out);
/* A list of one object a check. */
void check_print_json(const struct check_result *results, size_t count, struct buf *out);

#endif
