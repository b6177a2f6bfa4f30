#include "scaler/query_pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "scaler/lane.h"

enum {
    BACKOFF_FIRST_MS = 1000,
    BACKOFF_MAX_MS = 30 * 1000,
    RETRY_AFTER_MAX_MS = 5 * 60 * 1000,
    BUCKETS = 1024,
    AT_ONCE = 64,      /* queries to one place; others wait their turn */
    TRIES_MAX = 4,     /* queries at once to a place that failed and has not answered since */
    PLACES_KEPT = 128, /* beyond that, those without a query are forgotten */
};

struct query_ticket {
    struct shared *shared;
    prom_done_fn *done;
    void *context;
    struct query_ticket *next, **link;
};

/* One query that is out. */
struct shared {
    struct lane_job job; /* first */
    struct query_pool *pool;
    struct endpoint *endpoint;
    struct prom_call *call;
    unsigned long long hash;
    struct prom_place place; /* its views in text[], as the query */
    struct str query;
    struct query_ticket *tickets;
    int64_t timeout_ms, started_ms, ends_ms;
    bool answered; /* being told to its tickets: no longer in the pool */
    struct shared *next, **link;
    char text[];
};

/* What is known of one place. */
struct endpoint {
    struct endpoint *next;
    unsigned failures;   /* in a row */
    int64_t failed_ms;   /* when the last one was told; queries begun before it say nothing new */
    int64_t until_ms;    /* not to be asked before */
    int64_t answered_ms; /* when it last answered a query in whatever way */
    struct err error;    /* the last one */
    struct lane lane;    /* of the queries that are out */
    size_t telling;      /* outcomes under way to who waited: not to be forgotten meanwhile */
    char url[];
};

struct query_pool {
    struct prom *prom;
    struct loop *loop;
    struct shared *out[BUCKETS]; /* by hash */
    struct endpoint *endpoints;
    size_t endpoint_count;
    size_t count; /* of out */
    uint32_t random;
};

int query_pool_new(struct prom *prom, struct loop *loop, struct query_pool **out, struct err *e)
{
    struct query_pool *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the queries");
    }
    p->prom = prom;
    p->loop = loop;
    p->random = (uint32_t)loop_unix_ms() | 1;
    *out = p;
    return 0;
}

static void unlink_shared(struct shared *s)
{
    *s->link = s->next;
    if (s->next != NULL) {
        s->next->link = s->link;
    }
    s->pool->count--;
    lane_leave(&s->job);
}

static void unlink_ticket(struct query_ticket *t)
{
    *t->link = t->next;
    if (t->next != NULL) {
        t->next->link = t->link;
    }
}

/* The first of the tickets, taken out; NULL: none is left. */
static struct query_ticket *take_ticket(struct shared *s)
{
    struct query_ticket *t = s->tickets;
    if (t != NULL) {
        s->tickets = t->next;
        if (t->next != NULL) {
            t->next->link = &s->tickets;
        }
    }
    return t;
}

static void give_up(struct shared *s)
{
    for (struct query_ticket *t = take_ticket(s); t != NULL; t = take_ticket(s)) {
        free(t);
    }
    lane_leave(&s->job);
    prom_cancel(s->call);
    free(s);
}

void query_pool_free(struct query_pool *p)
{
    if (p == NULL) {
        return;
    }
    for (size_t i = 0; i < BUCKETS; i++) {
        for (struct shared *s = p->out[i], *next; s != NULL; s = next) {
            next = s->next;
            give_up(s);
        }
    }
    while (p->endpoints != NULL) {
        struct endpoint *next = p->endpoints->next;
        lane_close(&p->endpoints->lane);
        free(p->endpoints);
        p->endpoints = next;
    }
    free(p);
}

/* A workspace that is allowed is a place in any region that an annotation invents, so there is no
 * end to them. One that is left alone for a while stays. */
static void forget_idle(struct query_pool *p)
{
    int64_t now_ms = loop_now_ms(p->loop);
    struct endpoint **link = &p->endpoints;
    while (*link != NULL) {
        struct endpoint *place = *link;
        bool idle = place->lane.running + place->lane.waiting + place->telling == 0;
        if (idle && place->until_ms <= now_ms) {
            *link = place->next;
            lane_close(&place->lane);
            free(place);
            p->endpoint_count--;
        } else {
            link = &place->next;
        }
    }
}

/* The entry of a place, made if there is none; NULL: out of memory. */
static struct endpoint *endpoint_of(struct query_pool *p, const char *url)
{
    for (struct endpoint *known = p->endpoints; known != NULL; known = known->next) {
        if (strcmp(known->url, url) == 0) {
            return known;
        }
    }
    if (p->endpoint_count >= PLACES_KEPT) {
        forget_idle(p);
    }
    size_t len = strlen(url) + 1;
    struct endpoint *new = calloc(1, sizeof(*new) + len);
    if (new != NULL) {
        memcpy(new->url, url, len);
        new->answered_ms = -1;
        lane_init(&new->lane, p->loop, AT_ONCE);
        new->next = p->endpoints;
        p->endpoints = new;
        p->endpoint_count++;
    }
    return new;
}

enum verdict { PLACE_FAILED, PLACE_WORKS, PLACE_UNKNOWN };

/* What the outcome of a query says about the place. */
static enum verdict judge(const struct endpoint *place, int64_t started_ms, const struct err *e)
{
    switch (e->code) {
    case ERR_THROTTLED:
    case ERR_UNAVAILABLE:
    case ERR_TLS: return PLACE_FAILED;
    case ERR_TIMEOUT: return place->answered_ms < started_ms ? PLACE_FAILED : PLACE_UNKNOWN;
    case ERR_NONE:
    case ERR_INVALID:
    case ERR_LIMIT: return PLACE_WORKS; /* an answer, or PromQL's word on the query */
    case ERR_MEMORY:
    case ERR_IO:
    case ERR_HTTP:
    case ERR_DENIED:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_GONE:
    case ERR_CANCELLED: break;
    }
    return PLACE_UNKNOWN;
}

/* Up to a quarter less, so that many scalers do not come back as one. */
static int64_t jitter(struct query_pool *p, int64_t ms)
{
    p->random = p->random * 1664525U + 1013904223U;
    return ms - (int64_t)((double)ms * 0.25 * ((double)(p->random >> 8) / 16777216.0));
}

static void note_failure(struct query_pool *p, struct endpoint *place, int64_t started_ms,
                         const struct err *e)
{
    int64_t now_ms = loop_now_ms(p->loop);
    if (place->failures > 0 && started_ms <= place->failed_ms) {
        return; /* one of a crowd that failed together */
    }
    unsigned doublings = place->failures < 5 ? place->failures : 5;
    int64_t wait_ms = (int64_t)BACKOFF_FIRST_MS << doublings;
    wait_ms = jitter(p, wait_ms < BACKOFF_MAX_MS ? wait_ms : BACKOFF_MAX_MS);
    int64_t told_ms =
        e->retry_after_ms < RETRY_AFTER_MAX_MS ? e->retry_after_ms : RETRY_AFTER_MAX_MS;
    place->failures++;
    place->failed_ms = now_ms;
    place->until_ms = now_ms + (told_ms > wait_ms ? told_ms : wait_ms);
    place->error = *e;
}

static void note_outcome(struct query_pool *p, struct endpoint *place, int64_t started_ms,
                         const struct err *e)
{
    enum verdict verdict = judge(place, started_ms, e);
    if (e->code == ERR_NONE || e->http_status > 0) {
        place->answered_ms = loop_now_ms(p->loop);
    }
    if (verdict == PLACE_FAILED) {
        note_failure(p, place, started_ms, e);
    } else if (verdict == PLACE_WORKS) {
        place->failures = 0;
        place->until_ms = 0;
    }
}

static int refuse_while_failing(const struct query_pool *p, const struct endpoint *place,
                                struct err *e)
{
    int64_t now_ms = loop_now_ms(p->loop);
    if (place->failures == 0) {
        return 0;
    }
    if (place->until_ms > now_ms) {
        char wait[NUM_TEXT_BYTES];
        *e = place->error;
        int64_t whole_s = (place->until_ms - now_ms + 999) / 1000;
        return err_prefix(e, "not asked again for %.*s, after",
                          STR_ARG(num_print_duration(whole_s * 1000, wait)));
    }
    if (place->lane.running + place->lane.waiting >= TRIES_MAX) {
        *e = place->error;
        return err_prefix(e, "being tried again by others, after");
    }
    return 0;
}

/* All who wait for it, and free it; it is out of the pool. */
static void tell_tickets(struct shared *s, const struct prom_result *result, const struct err *e)
{
    s->answered = true;
    for (struct query_ticket *t = take_ticket(s); t != NULL; t = take_ticket(s)) {
        prom_done_fn *done = t->done;
        void *waiting = t->context;
        free(t);
        done(waiting, result, e);
    }
    free(s);
}

/* Nobody waits in the lane of a place that is left alone. */
static void refuse_waiting(struct query_pool *p, struct endpoint *place)
{
    struct err e = ERR_INIT;
    struct lane_job *job = lane_waiting(&place->lane);
    while (job != NULL && place->until_ms > loop_now_ms(p->loop) &&
           refuse_while_failing(p, place, &e) != 0) {
        struct shared *s = (struct shared *)job;
        unlink_shared(s);
        tell_tickets(s, NULL, &e);
        job = lane_waiting(&place->lane);
    }
}

static void shared_done(void *context, const struct prom_result *result, const struct err *e)
{
    struct shared *s = context;
    struct query_pool *p = s->pool;
    struct endpoint *place = s->endpoint;
    s->call = NULL;
    note_outcome(p, place, s->started_ms, e);
    place->telling++;
    unlink_shared(s); /* who asks from inside a callback asks anew */
    tell_tickets(s, result, e);
    refuse_waiting(p, place);
    place->telling--;
}

static struct shared *find_shared(const struct query_pool *p, unsigned long long hash,
                                  const struct prom_place *place, struct str query,
                                  int64_t timeout_ms)
{
    int64_t ends_ms = loop_now_ms(p->loop) + timeout_ms;
    for (struct shared *s = p->out[hash % BUCKETS]; s != NULL; s = s->next) {
        if (s->hash == hash && s->ends_ms <= ends_ms && str_eq(s->query, query) &&
            prom_place_eq(&s->place, place)) {
            return s;
        }
    }
    return NULL;
}

static int start(struct lane_job *job, struct err *e)
{
    struct shared *s = (struct shared *)job;
    s->started_ms = loop_now_ms(s->pool->loop);
    s->ends_ms = s->started_ms + s->timeout_ms;
    return prom_query(s->pool->prom, &s->place, s->query, s->timeout_ms, shared_done, s, &s->call,
                      e);
}

static void could_not_start(struct lane_job *job, const struct err *e)
{
    struct shared *s = (struct shared *)job;
    struct endpoint *place = s->endpoint;
    place->telling++;
    unlink_shared(s);
    tell_tickets(s, NULL, e);
    place->telling--;
}

static int start_shared(struct query_pool *p, unsigned long long hash, struct endpoint *endpoint,
                        const struct prom_place *place, struct str query, int64_t timeout_ms,
                        struct shared **out, struct err *e)
{
    struct shared *s = calloc(1, sizeof(*s) + place->region.len + place->role_arn.len + query.len);
    if (s == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a query");
    }
    s->pool = p;
    s->endpoint = endpoint;
    s->place = *place;
    s->hash = hash;
    s->job.start = start;
    s->job.failed = could_not_start;
    s->timeout_ms = timeout_ms;
    s->ends_ms = loop_now_ms(p->loop) + timeout_ms;
    char *cursor = s->text;
    s->place.region = str_copy_to(&cursor, place->region);
    s->place.role_arn = str_copy_to(&cursor, place->role_arn);
    s->query = str_copy_to(&cursor, query);
    if (lane_enter(&endpoint->lane, &s->job, e) != 0) {
        free(s);
        return -1;
    }
    s->link = &p->out[hash % BUCKETS];
    s->next = *s->link;
    if (s->next != NULL) {
        s->next->link = &s->next;
    }
    *s->link = s;
    p->count++;
    *out = s;
    return 0;
}

int query_pool_ask(struct query_pool *p, const struct prom_place *place, struct str query,
                   int64_t timeout_ms, prom_done_fn *done, void *context, struct query_ticket **out,
                   bool *joined, struct err *e)
{
    struct endpoint *endpoint = endpoint_of(p, place->url);
    struct query_ticket *t = calloc(1, sizeof(*t));
    if (endpoint == NULL || t == NULL) {
        free(t);
        return err_set(e, ERR_MEMORY, "out of memory for a query");
    }
    unsigned long long hash = str_hash(query);
    struct shared *s = find_shared(p, hash, place, query, timeout_ms);
    *joined = s != NULL;
    if (s == NULL && (refuse_while_failing(p, endpoint, e) != 0 ||
                      start_shared(p, hash, endpoint, place, query, timeout_ms, &s, e) != 0)) {
        free(t);
        return -1;
    }
    *t = (struct query_ticket){s, done, context, s->tickets, &s->tickets};
    if (t->next != NULL) {
        t->next->link = &t->next;
    }
    s->tickets = t;
    *out = t;
    return 0;
}

void query_pool_cancel(struct query_ticket *ticket)
{
    struct shared *s = ticket->shared;
    unlink_ticket(ticket);
    free(ticket);
    if (s->tickets == NULL && !s->answered) {
        unlink_shared(s);
        prom_cancel(s->call);
        free(s);
    }
}

size_t query_pool_out(const struct query_pool *p)
{
    return p->count;
}
