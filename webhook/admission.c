#include "webhook/admission.h"

#include <stdlib.h>

#include "base/num.h"
#include "webhook/families.h"
#include "webhook/lookup.h"
#include "webhook/mutate.h"
#include "webhook/policy_verdict.h"
#include "webhook/replicas.h"
#include "webhook/review.h"
#include "webhook/validate.h"
#include "webhook/verdict.h"

enum { KEEP_MAX_BYTES = 1 << 20 };

struct admission {
    struct service *service;
    struct server_request *request;
    const char *path;
    struct arena arena;
    struct review review;
    struct validation validation;
    struct lookup lookup;
    size_t waiting_bytes;             /* counted in the service; 0: it does not wait */
    struct sidecar_options collector; /* as the review's namespace has it */
};

/* ---- memory: the last one is kept, so that a steady stream of reviews allocates nothing ---- */

static struct admission *take(struct service *s)
{
    struct admission *d = s->spare;
    s->spare = NULL;
    if (d == NULL) {
        d = calloc(1, sizeof(*d));
        if (d != NULL) {
            arena_init(&d->arena, REVIEW_ARENA_MAX_BYTES);
        }
    }
    return d;
}

static void destroy(struct admission *d)
{
    if (d != NULL) {
        arena_free(&d->arena);
        free(d);
    }
}

static void give_back(struct admission *d)
{
    struct service *s = d->service;
    if (d->waiting_bytes > 0) {
        s->waiting_count--;
        s->waiting_bytes -= d->waiting_bytes;
    }
    if (s->spare != NULL || d->arena.used_bytes > KEEP_MAX_BYTES) {
        destroy(d);
        return;
    }
    /* What a review fills before anybody reads it stays as it is: it is large. */
    arena_reset(&d->arena);
    d->review = (struct review){.uid = {NULL, 0}};
    d->waiting_bytes = 0;
    s->spare = d;
}

void admission_forget(struct service *s)
{
    destroy(s->spare);
    s->spare = NULL;
    buf_free(&s->answer);
}

/* ---- the end of a review ---- */

static const char *operation_name(enum review_operation operation)
{
    switch (operation) {
    case REVIEW_CREATE: return "CREATE";
    case REVIEW_UPDATE: return "UPDATE";
    case REVIEW_DELETE: return "DELETE";
    case REVIEW_CONNECT: return "CONNECT";
    }
    return "";
}

static void count(const struct admission *d, const char *verdict)
{
    const struct str labels[] = {str_from(d->path), str_from(verdict)};
    metrics_add(d->service->metrics, WEBHOOK_ADMISSIONS, labels, 1);
    metrics_observe(d->service->metrics, WEBHOOK_ADMISSION_DURATION, labels,
                    server_elapsed_s(d->request));
}

static const char *word_for(const struct verdict *v)
{
    if (!v->allowed) {
        return "denied";
    }
    return v->patch.len > 0 ? "patched" : "allowed";
}

/* In whole microseconds: more digits would say nothing, and take longer to print than to measure.
 */
static struct log_field duration(const struct admission *d)
{
    const double us = server_elapsed_s(d->request) * 1e6;
    return F_NUM("duration_ms", (double)(int64_t)(us + 0.5) / 1000);
}

/* Not a word of the object: it may hold secrets. */
static void log_verdict(const struct admission *d, const struct verdict *v)
{
    const struct review *r = &d->review;
    LOG_AT(&d->service->log, LOG_INFO, "review", F_STR("path", str_from(d->path)),
           F_STR("uid", r->uid), F_STR("namespace", r->namespace_), F_STR("name", r->name),
           F_STR("operation", str_from(operation_name(r->operation))),
           F_BOOL("dry_run", r->dry_run), F_STR("verdict", str_from(word_for(v))),
           F_INT("code", v->code), F_INT("warnings", (int64_t)v->warning_count), duration(d));
}

/* An HTTP status in place of a review: the body's fault or ours. */
static void refuse(struct admission *d, int status, const char *word, const struct err *e)
{
    LOG_AT(&d->service->log, status < 500 ? LOG_WARN : LOG_ERROR, "review refused",
           F_STR("path", str_from(d->path)), F_INT("status", status), F_STR("uid", d->review.uid),
           duration(d), F_ERR(e));
    count(d, word);
    server_reply(d->request, status, "text/plain; charset=utf-8", str_from(e->text));
    give_back(d);
}

static void fail(struct admission *d, const struct err *e)
{
    const int status = review_http_status(e);
    refuse(d, status, status < 500 ? "malformed" : "failed", e);
}

static void answer(struct admission *d, const struct verdict *v)
{
    struct service *s = d->service;
    struct err e = ERR_INIT;
    buf_reset(&s->answer);
    if (verdict_encode(v, d->review.uid, &s->answer, &e) != 0) {
        refuse(d, 500, "failed", &e);
        return;
    }
    log_verdict(d, v);
    count(d, word_for(v));
    server_reply(d->request, 200, "application/json", buf_view(&s->answer));
    if (s->answer.cap > KEEP_MAX_BYTES) {
        buf_free(&s->answer);
    }
    give_back(d);
}

/* ---- from request to review ---- */

static void on_gone(void *context)
{
    struct admission *d = context;
    const struct str labels[] = {str_from(d->path), STR("gone")};
    lookup_cancel(&d->lookup);
    metrics_add(d->service->metrics, WEBHOOK_ADMISSIONS, labels, 1);
    give_back(d);
}

/* The review decoded, or NULL when the request was answered already. */
static struct admission *begin(struct service *s, struct server_request *r, const char *path)
{
    struct err e = ERR_INIT;
    struct admission *d = take(s);
    if (d == NULL) {
        server_reply(r, 500, "text/plain; charset=utf-8", STR("out of memory\n"));
        return NULL;
    }
    d->service = s;
    d->request = r;
    d->path = path;
    server_on_gone(r, on_gone, d);
    if (review_decode(server_body(r), &d->arena, &d->review, &e) != 0) {
        fail(d, &e);
        return NULL;
    }
    return d;
}

static const struct sidecar_options *collector_of(struct admission *d)
{
    const struct place *place = rulebook_place(d->service->rules, d->review.namespace_);
    d->collector = places_collector(place, &d->service->collector);
    return &d->collector;
}

static struct mutate_facts facts_of(struct admission *d)
{
    const struct review *r = &d->review;
    const struct service *s = d->service;
    struct mutate_facts facts = {.scaler = SCALER_UNKNOWN, .collector = collector_of(d)};
    if (replicas_contested(r)) {
        facts.scaler = lease_watch_scaler(s->leases, r->namespace_);
        if (facts.scaler == SCALER_UNKNOWN) {
            LOG_AT(&s->log, LOG_DEBUG,
                   "not known whether a scaler serves the namespace: taken to be so",
                   F_STR("uid", r->uid), F_STR("namespace", r->namespace_));
        }
    }
    return facts;
}

static void count_collector(const struct admission *d, enum collector_outcome outcome)
{
    static const struct str words[] = {[COLLECTOR_RENDERED] = STR_INIT("rendered"),
                                       [COLLECTOR_KEPT] = STR_INIT("kept"),
                                       [COLLECTOR_REMOVED] = STR_INIT("removed"),
                                       [COLLECTOR_LEFT_OUT] = STR_INIT("left_out")};
    if (outcome != COLLECTOR_NONE && !d->review.dry_run) {
        metrics_add(d->service->metrics, WEBHOOK_COLLECTORS, &words[outcome], 1);
    }
}

void admission_mutate(void *service, struct server_request *r)
{
    struct err e = ERR_INIT;
    struct verdict verdict;
    struct admission *d = begin(service, r, "/mutate");
    if (d == NULL) {
        return;
    }
    const struct mutate_facts facts = facts_of(d);
    if (mutate(&d->review, &facts, &d->arena, &verdict, &e) != 0) {
        fail(d, &e);
        return;
    }
    count_collector(d, verdict.collector);
    answer(d, &verdict);
}

/* Each breach of the policy is counted and told, whatever was made of it. */
static void report_policy(const struct admission *d)
{
    const struct review *r = &d->review;
    for (size_t i = 0; i < d->validation.findings.count; i++) {
        const struct policy_finding *f = &d->validation.findings.items[i];
        const struct str labels[] = {policy_rule_name(f->rule), policy_outcome(f)};
        metrics_add(d->service->metrics, WEBHOOK_POLICY_VERDICTS, labels, 1);
        LOG_AT(&d->service->log, LOG_INFO, "policy", F_STR("rule", labels[0]),
               F_STR("action", labels[1]), F_STR("uid", r->uid), F_STR("namespace", r->namespace_),
               F_STR("name", r->name), F_STR("user", r->username), F_BOOL("dry_run", r->dry_run),
               F_STR("text", f->text));
    }
}

static void answer_validation(struct admission *d)
{
    report_policy(d);
    answer(d, &d->validation.verdict);
}

static void finish_validation(void *context)
{
    struct admission *d = context;
    struct err e = ERR_INIT;
    if (validate_finish(&d->validation, &d->lookup.facts, &d->arena, &e) != 0) {
        fail(d, &e);
        return;
    }
    answer_validation(d);
}

/* Until when the facts have to be there, from ?timeout=. */
static int64_t deadline_ms(const struct server_request *r)
{
    int64_t timeout_ms = ADMISSION_TIMEOUT_DEFAULT_MS;
    struct err e = ERR_INIT;
    const struct str text = server_query(r, STR("timeout"));
    if (text.len > 0 && num_duration_ms(text, &timeout_ms, &e) != 0) {
        timeout_ms = ADMISSION_TIMEOUT_DEFAULT_MS;
    }
    const int64_t budget_ms = timeout_ms < LOOKUP_RESERVE_MS ? 0 : timeout_ms - LOOKUP_RESERVE_MS;
    return server_received_ms(r) + (budget_ms < LOOKUP_MAX_MS ? budget_ms : LOOKUP_MAX_MS);
}

static bool may_wait(struct admission *d)
{
    struct service *s = d->service;
    const size_t bytes = d->arena.used_bytes + server_body(d->request).len;
    if (s->waiting_count >= ADMISSIONS_WAITING_MAX ||
        s->waiting_bytes + bytes > ADMISSIONS_WAITING_BYTES_MAX) {
        return false;
    }
    d->waiting_bytes = bytes;
    s->waiting_bytes += bytes;
    s->waiting_count++;
    return true;
}

void admission_validate(void *service, struct server_request *r)
{
    struct err e = ERR_INIT;
    struct admission *d = begin(service, r, "/validate");
    if (d == NULL) {
        return;
    }
    const struct validate_rules rules = {.collector = collector_of(d),
                                         .policy = rulebook_policy(d->service->rules)};
    if (validate_begin(&d->review, &rules, &d->arena, &d->validation, &e) != 0) {
        fail(d, &e);
        return;
    }
    if (d->validation.done) {
        answer_validation(d);
        return;
    }
    if (!may_wait(d)) {
        (void)err_set(&e, ERR_UNAVAILABLE, "too many reviews wait for their look-ups");
        refuse(d, 503, "busy", &e);
        return;
    }
    if (lookup_start(&d->lookup, d->service, &d->validation, &d->arena, deadline_ms(r),
                     finish_validation, d)) {
        finish_validation(d);
    }
}
