/* A query's life: it waits for credentials where it is signed and they are still being fetched, is
 * sent, and its answer explained. One deadline is over both.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "net/prom_internal.h"

enum {
    /* One series is what we want; this has room for thousands, so that they can be counted. */
    ANSWER_MAX_BYTES = 1024 * 1024,
    CALL_MAX_BYTES = 64 * 1024 * 1024, /* the tree of such an answer, at worst */
    FORM_MAX_BYTES = 1024 * 1024,
};

struct prom_call {
    struct prom *prom;
    struct prom_call *previous, *next;
    struct prom_signer *signer; /* NULL: not signed */
    struct http_call *http;     /* NULL: not sent yet, or answered */
    struct arena arena;
    char base_url[PROM_URL_BYTES];
    struct str region;          /* to sign for */
    struct str query;           /* in the arena while it waits */
    struct loop_timer deadline; /* pending while it waits for credentials */
    int64_t ends_ms;
    unsigned round; /* of the client's, in which it was looked at last */
    prom_done_fn *done;
    void *context;
    bool waits, delivering;
};

static struct loop *loop_of(const struct prom_call *call)
{
    return http_loop(call->prom->http);
}

/* `p` is call->prom. */
static void call_free(struct prom *p, struct prom_call *call)
{
    if (call->next != NULL) {
        call->next->previous = call->previous;
    }
    if (call->previous != NULL) {
        call->previous->next = call->next;
    } else {
        p->calls = call->next;
    }
    loop_timer_cancel(loop_of(call), &call->deadline);
    prom_signer_leave(p, call->signer);
    arena_free(&call->arena);
    free(call);
}

static void deliver(struct prom *p, struct prom_call *call, const struct prom_result *result,
                    const struct err *e)
{
    call->delivering = true;
    call->waits = false;
    call->done(call->context, result, e);
    call_free(p, call);
}

/* ---- the answer ---- */

/* Append AWS's error type where the text lacks it. */
static void add_error_type(struct str type, struct err *e)
{
    const struct err plain = *e;
    if (type.len > 0 && memmem(e->text, strlen(e->text), type.ptr, type.len) == NULL) {
        (void)err_set(e, plain.code, "%s (%.*s)", plain.text, STR_ARG(type));
        e->http_status = plain.http_status;
        e->retry_after_ms = plain.retry_after_ms;
    }
}

/* What PromQL says is about the query; all else is about the place it was sent to, which is named.
 */
static void explain(const struct prom_call *call, const struct http_response *r, struct err *e)
{
    e->retry_after_ms = r->retry_after_ms;
    add_error_type(r->error_type, e);
    if (call->signer != NULL) {
        aws_explain_clock(r->error_type, r->date_ms, loop_unix_ms(), e);
    }
    if (e->code != ERR_INVALID) {
        (void)err_prefix(e, "%s", call->base_url);
    }
}

static void answered(void *context, const struct http_response *r, const struct err *failed)
{
    struct prom_call *call = context;
    struct prom_result result = {.outcome = PROM_EMPTY};
    struct err e = *failed;
    call->http = NULL;
    call->delivering = true;
    if (e.code == ERR_LIMIT) {
        (void)err_set(&e, ERR_INVALID,
                      "the answer is larger than %d bytes: far more than one series; wrap the "
                      "query in sum(…)",
                      ANSWER_MAX_BYTES);
    } else if (e.code == ERR_NONE &&
               prom_result_parse(r->status, r->body, &call->arena, &result, &e) != 0) {
        explain(call, r, &e);
        if (call->signer != NULL && aws_refused_credentials(r->status, r->error_type)) {
            aws_identity_renew(call->signer->identity);
        }
    }
    deliver(call->prom, call, &result, &e);
}

/* ---- the query ---- */

static int send(struct prom_call *call, const struct http_sigv4 *sign, struct str query,
                struct err *e)
{
    const struct prom *p = call->prom;
    const int64_t left_ms = call->ends_ms - loop_now_ms(loop_of(call));
    struct buf url, form;
    buf_init(&url, PROM_URL_BYTES + sizeof "/api/v1/query");
    buf_init(&form, FORM_MAX_BYTES);
    buf_format(&url, "%s/api/v1/query", call->base_url);
    buf_append_char(&url, '\0');
    http_form_add(&form, STR("query"), query);
    int result = buf_check(&url, e) != 0 || buf_check(&form, e) != 0 ? -1 : 0;
    if (result == 0) {
        const struct http_request r = {.method = "POST",
                                       .url = url.ptr,
                                       .body = buf_view(&form),
                                       .content_type = "application/x-www-form-urlencoded",
                                       .tls = {.ca_file = p->ca_file, .trust_hint = "--ca-file"},
                                       .sigv4 = sign,
                                       .timeout_ms = left_ms > 0 ? left_ms : 1,
                                       .max_body_bytes = ANSWER_MAX_BYTES};
        result = http_send(p->http, &r, answered, call, &call->http, e);
    }
    buf_free(&url);
    buf_free(&form);
    return result;
}

static void waited_too_long(void *context)
{
    struct prom_call *call = context;
    struct prom_result none = {.outcome = PROM_EMPTY};
    struct aws_credentials c;
    struct err e = ERR_INIT;
    if (aws_identity_get(call->signer->identity, &c, &e) == 0) {
        (void)err_set(&e, ERR_TIMEOUT, "the credentials came too late");
    }
    e.code = ERR_TIMEOUT;
    deliver(call->prom, call, &none, &e);
}

/* Until prom_calls_go_on, or the deadline. */
static int wait(struct prom_call *call, struct str query, struct err *e)
{
    if (arena_str(&call->arena, call->region, &call->region, e) != 0 ||
        arena_str(&call->arena, query, &call->query, e) != 0) {
        return -1;
    }
    call->deadline = (struct loop_timer){.fire = waited_too_long, .context = call};
    call->waits = true;
    return loop_timer_set(loop_of(call), &call->deadline, call->ends_ms, e);
}

/* Send with the credentials there are. ERR_UNAVAILABLE: there are none yet. */
static int sign_and_send(struct prom_call *call, struct str query, struct err *e)
{
    struct aws_credentials c;
    if (aws_identity_get(call->signer->identity, &c, e) != 0) {
        return -1;
    }
    const struct http_sigv4 sign = {.access_key = c.access_key,
                                    .secret_key = c.secret_key,
                                    .session_token = c.session_token,
                                    .region = call->region,
                                    .service = STR("aps")};
    return send(call, &sign, query, e);
}

/* A call that waits, now that there is news: sent, ended, or still waiting. */
static void go_on(struct prom *p, struct prom_call *call)
{
    struct prom_result none = {.outcome = PROM_EMPTY};
    struct err e = ERR_INIT;
    const int result = sign_and_send(call, call->query, &e);
    if (result != 0 && e.code == ERR_UNAVAILABLE) {
        return;
    }
    call->waits = false;
    loop_timer_cancel(loop_of(call), &call->deadline);
    if (result != 0) {
        deliver(p, call, &none, &e);
    }
}

/* One that waits and was not looked at in this round; NULL: none is left. */
static struct prom_call *next_waiting(const struct prom *p, unsigned round)
{
    struct prom_call *call = p->calls;
    while (call != NULL && (!call->waits || call->round == round)) {
        call = call->next;
    }
    return call;
}

/* Each time from the start: who is told may cancel any, and send new ones. */
void prom_calls_go_on(struct prom *p)
{
    const unsigned round = ++p->round;
    for (struct prom_call *call = next_waiting(p, round); call != NULL;
         call = next_waiting(p, round)) {
        call->round = round;
        go_on(p, call);
    }
}

/* Region for signatures: named → AMP host → configured. */
static int region_of(const struct prom *p, const struct prom_place *place, struct str *out,
                     struct err *e)
{
    const struct str of_host = prom_url_amp_region(str_from(place->url));
    struct str region = place->region.len > 0 ? place->region : of_host;
    region = region.len > 0 ? region : p->region;
    if (region.len == 0) {
        return err_set(e, ERR_INVALID,
                       "the region to sign for is not known: set scale.amp/region or --region");
    }
    *out = region;
    return 0;
}

static int start(struct prom_call *call, const struct prom_place *place, struct str query,
                 struct err *e)
{
    struct prom *p = call->prom;
    if (!prom_must_sign(p, str_from(place->url))) {
        return send(call, NULL, query, e);
    }
    if (region_of(p, place, &call->region, e) != 0 ||
        prom_signer_get(p, str_from(place->url), place->role_arn, &call->signer, e) != 0) {
        return -1;
    }
    struct err why = ERR_INIT;
    if (sign_and_send(call, query, &why) == 0) {
        return 0;
    }
    if (why.code == ERR_UNAVAILABLE) {
        return wait(call, query, e);
    }
    *e = why;
    return -1;
}

int prom_query(struct prom *p, const struct prom_place *place, struct str query, int64_t timeout_ms,
               prom_done_fn *done, void *context, struct prom_call **out, struct err *e)
{
    struct prom_call *call = calloc(1, sizeof *call);
    if (call == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a query");
    }
    call->prom = p;
    call->done = done;
    call->context = context;
    call->round = p->round;
    call->ends_ms = loop_now_ms(loop_of(call)) + timeout_ms;
    memcpy(call->base_url, place->url, sizeof call->base_url);
    arena_init(&call->arena, CALL_MAX_BYTES);
    call->next = p->calls;
    if (call->next != NULL) {
        call->next->previous = call;
    }
    p->calls = call;
    if (start(call, place, query, e) != 0) {
        call_free(p, call);
        return -1;
    }
    *out = call;
    return 0;
}

void prom_cancel(struct prom_call *call)
{
    if (call == NULL || call->delivering) {
        return;
    }
    http_cancel(call->http);
    call_free(call->prom, call);
}

void prom_calls_cancel(struct prom *p)
{
    for (struct prom_call *call = p->calls, *next; call != NULL; call = next) {
        next = call->next;
        prom_cancel(call);
    }
}
