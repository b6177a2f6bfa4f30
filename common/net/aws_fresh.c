/* Fetching ahead of the expiry, again after a failure, and telling who listens.
 *
 * The margin before the expiry is ten minutes or a fifth of the life, whichever is longer, and
 * never more than half of it; up to a tenth of it is jitter. Sources: botocore's
 * RefreshableCredentials (15 and 10 minutes), AWS SDKs and Tools Reference Guide.
 */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "net/aws_internal.h"

enum {
    MARGIN_MS = 10 * 60 * 1000,
    SOONEST_MS = 1000,
    RETRY_PASSING_MS = 1000,
    RETRY_MS = 10 * 1000,
    RETRY_MAX_MS = 60 * 1000,
    RETRY_AFTER_MAX_MS = 5 * 60 * 1000,
};

void aws_held_wipe(struct aws_held *held)
{
    if (held->block != NULL) {
        explicit_bzero(held->block, held->size);
        free(held->block);
    }
    *held = (struct aws_held){NULL, 0, {{NULL, 0}, {NULL, 0}, {NULL, 0}}, 0};
}

static int hold(struct aws_held *held, const struct aws_answer *answer)
{
    const size_t size = answer->access_key.len + answer->secret_key.len + answer->session_token.len;
    char *block = malloc(size);
    if (block == NULL) {
        return -1;
    }
    char *cursor = block;
    aws_held_wipe(held);
    held->block = block;
    held->size = size;
    held->c.access_key = str_copy_to(&cursor, answer->access_key);
    held->c.secret_key = str_copy_to(&cursor, answer->secret_key);
    if (answer->session_token.len > 0) {
        held->c.session_token = str_copy_to(&cursor, answer->session_token);
    }
    held->expires_ms = answer->expires_ms;
    return 0;
}

bool aws_serves(const struct aws_identity *i)
{
    return i->held.block != NULL && i->held.expires_ms > loop_unix_ms();
}

bool aws_settled(const struct aws_identity *i)
{
    return i->error.code != ERR_NONE && (!i->passing || i->failures >= i->provider->tries);
}

/* From 0 to most_ms. */
static int64_t jitter(struct aws_setup *s, int64_t most_ms)
{
    s->random = s->random * 1664525U + 1013904223U;
    return (int64_t)((double)most_ms * ((double)(s->random >> 8) / 16777216.0));
}

static void fetch_later(struct aws_identity *i, int64_t in_ms)
{
    struct err e = ERR_INIT;
    if (loop_timer_set(i->setup->loop, &i->timer, loop_now_ms(i->setup->loop) + in_ms, &e) != 0 &&
        i->setup->log != NULL) {
        LOG_AT(i->setup->log, LOG_ERROR, "no timer: AWS credentials are not renewed", F_ERR(&e));
    }
}

void aws_fetch_soon(struct aws_identity *i)
{
    if (!i->fetching && i->provider->fetch != NULL) {
        fetch_later(i, 0);
    }
}

static void schedule_renewal(struct aws_identity *i)
{
    if (i->held.expires_ms == INT64_MAX) {
        return;
    }
    const int64_t life_ms = i->held.expires_ms - loop_unix_ms();
    int64_t margin_ms = life_ms / 5 > MARGIN_MS ? life_ms / 5 : MARGIN_MS;
    margin_ms = margin_ms < life_ms / 2 ? margin_ms : life_ms / 2;
    const int64_t in_ms = life_ms - margin_ms - jitter(i->setup, margin_ms / 10);
    fetch_later(i, in_ms > SOONEST_MS ? in_ms : SOONEST_MS);
}

static void schedule_retry(struct aws_identity *i, const struct err *e)
{
    const unsigned doublings = i->failures < 8 ? i->failures - 1 : 7;
    int64_t in_ms = (int64_t)(i->passing ? RETRY_PASSING_MS : RETRY_MS) << doublings;
    in_ms = in_ms < RETRY_MAX_MS ? in_ms : RETRY_MAX_MS;
    in_ms -= jitter(i->setup, in_ms / 4);
    const int64_t told_ms =
        e->retry_after_ms < RETRY_AFTER_MAX_MS ? e->retry_after_ms : RETRY_AFTER_MAX_MS;
    fetch_later(i, told_ms > in_ms ? told_ms : in_ms);
}

/* The dependents first: they may have more to tell than this one. Either may be freed by whoever
 * listens, so each is held meanwhile. */
static void tell(struct aws_identity *i)
{
    i->uses++;
    i->news++;
    for (struct aws_identity *d = i->dependents; d != NULL;) {
        if (d->waits && d->told != i->news) {
            d->told = i->news;
            aws_assume_go_on(d);
            d = i->dependents; /* the list may be another one now */
        } else {
            d = d->next_dependent;
        }
    }
    if (i->changed != NULL) {
        i->changed(i->context);
    }
    aws_identity_free(i);
}

static void log_fetched(const struct aws_identity *i, bool again)
{
    char text[NUM_TEXT_BYTES];
    const struct str end = i->held.expires_ms == INT64_MAX
                               ? STR("never")
                               : num_print_time(i->held.expires_ms, 0, text);
    if (i->setup->log != NULL) {
        LOG_AT(i->setup->log, again ? LOG_INFO : LOG_DEBUG, "AWS credentials fetched",
               F_STR("provider", str_from(i->provider->name)), F_STR("role", i->role_arn),
               F_STR("expire", end));
    }
}

void aws_fetched(struct aws_identity *i, const struct aws_answer *answer)
{
    char text[NUM_TEXT_BYTES];
    struct err e = ERR_INIT;
    const bool first = i->held.block == NULL || i->failures > 0;
    if (answer->expires_ms <= loop_unix_ms()) {
        (void)err_set(
            &e, ERR_INVALID,
            "the credentials that came had expired at %.*s: is this machine's clock right?",
            STR_ARG(num_print_time(answer->expires_ms, 0, text)));
        aws_failed(i, true, &e);
        return;
    }
    if (hold(&i->held, answer) != 0) {
        (void)err_set(&e, ERR_MEMORY, "out of memory for AWS credentials");
        aws_failed(i, true, &e);
        return;
    }
    i->fetching = false;
    i->reread = false;
    i->failures = 0;
    i->error = (struct err)ERR_INIT;
    log_fetched(i, first);
    schedule_renewal(i);
    tell(i);
}

/* Said once for each new text: it is tried again every minute. */
static void log_failed(const struct aws_identity *i, const struct err *before)
{
    char text[NUM_TEXT_BYTES];
    const struct str until = aws_serves(i) && i->held.expires_ms != INT64_MAX
                                 ? num_print_time(i->held.expires_ms, 0, text)
                                 : STR("");
    if (i->setup->log != NULL && strcmp(before->text, i->error.text) != 0) {
        LOG_AT(i->setup->log, aws_serves(i) ? LOG_WARN : LOG_ERROR,
               "AWS credentials could not be fetched", F_ERR(&i->error),
               F_STR("old_ones_serve_until", until));
    }
}

void aws_failed(struct aws_identity *i, bool passing, const struct err *e)
{
    const struct err before = i->error, plain = *e;
    const bool has_role = i->role_arn.len > 0;
    (void)err_set(&i->error, ERR_DENIED, "AWS credentials (%s%s%.*s): %s", i->provider->name,
                  has_role ? ", role " : "", STR_ARG(i->role_arn), plain.text);
    i->error.http_status = plain.http_status;
    i->passing = passing;
    i->failures++;
    i->fetching = false;
    i->reread = false;
    schedule_retry(i, &plain);
    log_failed(i, &before);
    if (aws_settled(i)) {
        tell(i);
    }
}

void aws_fetch(struct aws_identity *i)
{
    struct err e = ERR_INIT;
    if (i->fetching || i->provider->fetch == NULL) {
        return;
    }
    loop_timer_cancel(i->setup->loop, &i->timer);
    i->fetching = true;
    i->waits = false;
    if (i->provider->fetch(i, &e) != 0) {
        aws_failed(i, e.code == ERR_MEMORY, &e);
    }
}
