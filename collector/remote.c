#include "collector/remote.h"

#include <stdlib.h>

#include "base/httperr.h"
#include "base/num.h"
#include "collector/reasons.h"
#include "collector/sending.h"

enum {
    TIMEOUT_MS = 30000,
    CONNECT_TIMEOUT_MS = 10000,
    ERROR_BODY_BYTES = 16 << 10,
    WORDS_BYTES = 800,     /* of the receiver's, in a log line */
    SMALL_BYTES = 8 << 10, /* what one series may take: who refuses that as too large takes none */
};

#define NOT_HOLDING INT64_MIN

struct remote {
    struct remote_options o;
    struct loop *loop;
    struct http_call *call;
    struct loop_timer timer;
    struct sending sending;
    size_t in_flight;       /* samples */
    size_t in_flight_bytes; /* before compression */
    int64_t holding_since_ms;
    bool flushing, unsigned_yet, renewed;
    int64_t until_ms; /* of flushing, and */
    remote_flushed_fn *over;
    void *over_context;
    struct err failure; /* of what waits; ERR_NONE: none */
    bool failing, failure_told;
    int64_t failing_since_ms;
    struct reasons failures, refusals;
    uint64_t full_told, dropped_told, dropped_at_start;
    bool dropping;
};

/* ---- telling ---- */

/* Nothing keeps us from sending: so it was the target that gave its samples old times. */
static void tell_old_times(struct remote *r, uint64_t count)
{
    if (reasons_tell(&r->refusals, STR("too old when scraped"), loop_now_ms(r->loop))) {
        LOG_AT(r->o.log, LOG_WARN, "samples were too old to be sent",
               F_INT("samples", (int64_t)count),
               F_STR("fix", STR("the target gives them times of their own: make those recent, or "
                                "leave them out")));
    }
}

static void tell_full(struct remote *r, uint64_t count)
{
    if (!r->dropping) {
        r->dropping = true;
        r->dropped_at_start = r->dropped_told;
        LOG_AT(r->o.log, LOG_WARN, "the buffer drops its oldest samples",
               F_INT("dropped", (int64_t)count),
               F_INT("waiting", (int64_t)outbox_samples(r->o.outbox)),
               F_INT("bytes", (int64_t)outbox_bytes(r->o.outbox)),
               F_STR("fix", STR("make the endpoint take samples again, or raise --buffer and "
                                "--buffer-age")));
    }
}

static void tell_drops(struct remote *r)
{
    const uint64_t full = outbox_dropped(r->o.outbox, OUTBOX_FULL);
    const uint64_t now = full + outbox_dropped(r->o.outbox, OUTBOX_TOO_OLD);
    if (now > r->dropped_told) {
        const uint64_t count = now - r->dropped_told;
        if (full == r->full_told && !r->failing && !r->unsigned_yet) {
            tell_old_times(r, count);
        } else {
            tell_full(r, count);
        }
    }
    r->full_told = full;
    r->dropped_told = now;
}

static void tell_empty(struct remote *r)
{
    if (r->dropping) {
        r->dropping = false;
        LOG_AT(r->o.log, LOG_INFO, "the buffer is empty again",
               F_INT("dropped", (int64_t)(r->dropped_told - r->dropped_at_start)));
    }
}

static void tell_failure(struct remote *r, int status, struct str body, const struct err *e)
{
    char text[128];
    const int64_t now_ms = loop_now_ms(r->loop);
    if (!r->failing) {
        r->failing = true;
        r->failing_since_ms = now_ms;
    }
    const struct str reason = sending_reason(status, body, text);
    if (reasons_tell(&r->failures, reason, now_ms)) {
        r->failure_told = true;
        LOG_AT(r->o.log, LOG_WARN, "remote write failed, it is tried again",
               F_STR("url", destination_shown(r->o.destination)), F_ERR(e),
               F_INT("waiting", (int64_t)outbox_samples(r->o.outbox)));
    }
}

static void tell_success(struct remote *r)
{
    const int64_t now_ms = loop_now_ms(r->loop);
    if (r->failure_told) {
        LOG_AT(r->o.log, LOG_INFO, "remote write works again",
               F_NUM("failedForSeconds", (double)(now_ms - r->failing_since_ms) / 1000),
               F_INT("waiting", (int64_t)outbox_samples(r->o.outbox)));
    }
    if (r->failing) {
        r->failing = r->failure_told = false;
        reasons_over(&r->failures);
    }
}

static void tell_refusal(struct remote *r, int status, struct str body, const struct err *e)
{
    char text[128];
    const struct str reason = sending_reason(status, body, text);
    if (reasons_tell(&r->refusals, reason, loop_now_ms(r->loop))) {
        LOG_AT(r->o.log, LOG_ERROR, "samples were refused and are dropped",
               F_STR("url", destination_shown(r->o.destination)),
               F_INT("samples", (int64_t)r->in_flight), F_ERR(e));
    }
}

/* ---- an answer ---- */

/* What the answer says as an error, in the receiver's own words but for a token that it quotes. */
static void describe(const struct http_response *a, struct err *e)
{
    char text[WORDS_BYTES];
    if (a->redirect.len > 0) {
        (void)httperr_redirect(e, a->status, a->redirect);
        return;
    }
    const struct str words = str_trim(httperr_withhold(a->body, text, sizeof text));
    const bool typed = a->error_type.len > 0;
    (void)err_set(e, httperr_code(a->status), "HTTP %d%s%.*s: %.*s", a->status, typed ? " " : "",
                  STR_ARG(str_slice(a->error_type, 0, 100)),
                  STR_ARG(words.len > 0 ? words : STR("empty body")));
    aws_explain_clock(a->error_type, a->date_ms, loop_unix_ms(), e);
}

static void renew_once(struct remote *r)
{
    if (r->o.identity != NULL && !r->renewed) {
        r->renewed = true;
        aws_identity_renew(r->o.identity);
    }
}

static void split(struct remote *r, int status, struct str body, const struct err *e)
{
    if (r->in_flight_bytes <= SMALL_BYTES || !outbox_split(r->o.outbox)) {
        tell_refusal(r, status, body, e);
        outbox_sent(r->o.outbox, true);
    }
}

static void settle(struct remote *r, enum send_verdict verdict, int status, struct str body,
                   const struct err *e)
{
    switch (verdict) {
    case SEND_DONE:
        r->o.counts->samples_sent += r->in_flight;
        r->renewed = false;
        r->failure = (struct err)ERR_INIT;
        outbox_sent(r->o.outbox, false);
        tell_success(r);
        return;
    case SEND_AGAIN:
        if (status == 403) {
            renew_once(r);
        }
        r->failure = *e;
        tell_failure(r, status, body, e);
        return;
    case SEND_SPLIT: split(r, status, body, e); return;
    case SEND_REFUSED:
        tell_refusal(r, status, body, e);
        outbox_sent(r->o.outbox, true);
        return;
    }
}

static void on_answer(void *context, const struct http_response *a, const struct err *failed)
{
    struct remote *r = context;
    struct err e = *failed;
    const bool answered = failed->code == ERR_NONE;
    const int status = answered ? a->status : 0;
    r->call = NULL;
    if (answered && (status < 200 || status > 299)) {
        describe(a, &e);
    }
    r->o.counts->requests_failed += e.code != ERR_NONE;
    const enum send_verdict verdict =
        sending_answer(&r->sending, status, a->retry_after_ms, loop_now_ms(r->loop));
    settle(r, verdict, status, answered ? a->body : str_from(e.text), &e);
    r->in_flight = 0;
    remote_wake(r);
}

/* ---- a request ---- */

/* The body of a success says nothing, whatever its size. */
static int ignore_body(void *context, struct str piece, struct err *e)
{
    (void)context;
    (void)piece;
    (void)e;
    return 0;
}

static int send(struct remote *r, const struct outbox_request *front, struct err *e)
{
    struct aws_credentials found = {.access_key = {NULL, 0}};
    char attempt[NUM_TEXT_BYTES];
    struct http_header headers[] = {
        {STR("Content-Encoding"), STR("snappy")},
        {STR("X-Prometheus-Remote-Write-Version"), STR("0.1.0")},
        {STR("Retry-Attempt"), num_print_double((double)r->sending.attempts, attempt)},
    };
    struct http_sigv4 sigv4 = {.service = STR("aps")};
    struct http_request request = {
        .method = "POST",
        .url = r->o.destination->url,
        .body = front->body,
        .content_type = "application/x-protobuf",
        .headers = headers,
        .header_count = r->sending.attempts > 0 ? 3 : 2,
        .tls = r->o.tls,
        .timeout_ms = TIMEOUT_MS,
        .connect_timeout_ms = CONNECT_TIMEOUT_MS,
        .max_body_bytes = ERROR_BODY_BYTES,
        .on_data = ignore_body,
    };
    if (r->o.destination->sign) {
        if (aws_identity_get(r->o.identity, &found, e) != 0) {
            r->unsigned_yet = true;
            return -1;
        }
        sigv4.access_key = found.access_key;
        sigv4.secret_key = found.secret_key;
        sigv4.session_token = found.session_token;
        sigv4.region = str_from(r->o.destination->region);
        request.sigv4 = &sigv4;
    }
    return http_send(r->o.http, &request, on_answer, r, &r->call, e);
}

/* It could not be sent at all: no credentials yet (the identity tells when), no such URL. */
static void put_off(struct remote *r, const struct err *e)
{
    r->failure = *e;
    if (r->unsigned_yet && e->code == ERR_UNAVAILABLE) {
        return;
    }
    r->o.counts->requests_failed++;
    (void)sending_answer(&r->sending, 0, 0, loop_now_ms(r->loop));
    tell_failure(r, 0, str_from(e->text), e);
}

static void send_front(struct remote *r)
{
    struct err e = ERR_INIT;
    struct outbox_request front = {.samples = 0};
    r->unsigned_yet = false;
    if (outbox_front(r->o.outbox, &front, &e) == 0) {
        if (front.samples == 0) {
            return;
        }
        if (send(r, &front, &e) == 0) {
            r->in_flight = front.samples;
            r->in_flight_bytes = front.plain_bytes;
            r->o.counts->requests++;
            return;
        }
    }
    put_off(r, &e);
}

/* ---- when ---- */

static int64_t due_ms(const struct remote *r, int64_t now_ms)
{
    const bool full = outbox_samples(r->o.outbox) >= r->o.request_samples;
    const bool held = !full && !r->flushing && r->sending.pause_ms == 0;
    const int64_t due = held ? r->holding_since_ms + r->o.hold_ms : now_ms;
    return due > r->sending.not_before_ms ? due : r->sending.not_before_ms;
}

static void flushed(struct remote *r, bool sent)
{
    if (r->flushing) {
        r->flushing = false;
        r->over(r->over_context, sent);
    }
}

static void on_empty(struct remote *r)
{
    r->holding_since_ms = NOT_HOLDING;
    loop_timer_cancel(r->loop, &r->timer);
    tell_empty(r);
    flushed(r, true);
}

/* No request is under way: when the next one may be. */
static int64_t next_ms(const struct remote *r, int64_t due)
{
    const int64_t known = r->unsigned_yet ? aws_identity_next_ms(r->o.identity) : due;
    return known > due ? known : due;
}

void remote_wake(struct remote *r)
{
    struct err e = ERR_INIT;
    const int64_t now_ms = loop_now_ms(r->loop);
    if (r->call != NULL) {
        return;
    }
    outbox_expire(r->o.outbox, loop_unix_ms());
    tell_drops(r);
    if (outbox_samples(r->o.outbox) == 0) {
        on_empty(r);
        return;
    }
    if (r->holding_since_ms == NOT_HOLDING) {
        r->holding_since_ms = now_ms;
    }
    int64_t due = due_ms(r, now_ms);
    if (due <= now_ms) {
        send_front(r);
        due = due_ms(r, now_ms);
    }
    if (r->call == NULL && !r->unsigned_yet && loop_timer_set(r->loop, &r->timer, due, &e) != 0) {
        LOG_AT(r->o.log, LOG_ERROR, "no timer for the next remote write", F_ERR(&e));
    }
    if (r->call == NULL && next_ms(r, due) > r->until_ms) {
        flushed(r, false);
    }
}

static void on_timer(void *context)
{
    remote_wake(context);
}

static void on_identity(void *context)
{
    struct remote *r = context;
    r->unsigned_yet = false;
    remote_wake(r);
}

void remote_flush(struct remote *r, int64_t until_ms, remote_flushed_fn *over, void *context)
{
    r->flushing = true;
    r->until_ms = until_ms;
    r->over = over;
    r->over_context = context;
    remote_wake(r);
}

struct str remote_failure(const struct remote *r)
{
    return r->failure.code != ERR_NONE ? str_from(r->failure.text) : (struct str){NULL, 0};
}

int remote_new(const struct remote_options *o, struct remote **out, struct err *e)
{
    struct remote *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the remote write");
    }
    r->o = *o;
    r->loop = http_loop(o->http);
    r->timer = (struct loop_timer){.fire = on_timer, .context = r};
    r->sending.random = o->seed;
    r->holding_since_ms = NOT_HOLDING;
    if (o->identity != NULL) {
        aws_identity_on_change(o->identity, on_identity, r);
    }
    *out = r;
    return 0;
}

void remote_free(struct remote *r)
{
    if (r != NULL) {
        http_cancel(r->call);
        loop_timer_cancel(r->loop, &r->timer);
        if (r->o.identity != NULL) {
            aws_identity_on_change(r->o.identity, NULL, NULL);
        }
        free(r);
    }
}
