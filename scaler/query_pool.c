#include "scaler/query_pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"

enum { BACKOFF_FIRST_MS = 1000, BACKOFF_MAX_MS = 30 * 1000, RETRY_AFTER_MAX_MS = 5 * 60 * 1000 };

struct query_ticket {
    struct shared *shared;
    prom_done_fn *done;
    void *context;
    struct query_ticket *next, **link;
};

/* One query that is out. */
struct shared {
    struct query_pool *pool;
    struct prom_call *call;
    unsigned long long hash;
    struct str region, query; /* in text[] behind the URL */
    struct query_ticket *tickets;
    int64_t started_ms;
    bool answered; /* being told to its tickets: no longer in the pool */
    struct shared *next, **link;
    char url[];
};

/* What is known of one place. */
struct endpoint {
    struct endpoint *next;
    unsigned failures; /* in a row */
    int64_t
        failed_ms;    /* when the last one was told; queries that began before it say nothing new */
    int64_t until_ms; /* not to be asked before */
    struct err error; /* the last one */
    char url[];
};

struct query_pool {
    struct prom *prom;
    struct loop *loop;
    struct shared *out;
    struct endpoint *endpoints;
    size_t count;
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
}

static void unlink_ticket(struct query_ticket *t)
{
    *t->link = t->next;
    if (t->next != NULL) {
        t->next->link = t->link;
    }
}

void query_pool_free(struct query_pool *p)
{
    if (p == NULL) {
        return;
    }
    while (p->out != NULL) {
        struct shared *s = p->out;
        unlink_shared(s);
        while (s->tickets != NULL) {
            struct query_ticket *t = s->tickets;
            unlink_ticket(t);
            free(t);
        }
        prom_cancel(s->call);
        free(s);
    }
    while (p->endpoints != NULL) {
        struct endpoint *next = p->endpoints->next;
        free(p->endpoints);
        p->endpoints = next;
    }
    free(p);
}

static struct endpoint *find_endpoint(struct query_pool *p, const char *url)
{
    struct endpoint *found = p->endpoints;
    while (found != NULL && strcmp(found->url, url) != 0) {
        found = found->next;
    }
    return found;
}

static struct endpoint *add_endpoint(struct query_pool *p, const char *url)
{
    size_t len = strlen(url) + 1;
    struct endpoint *new = calloc(1, sizeof(*new) + len);
    if (new != NULL) {
        memcpy(new->url, url, len);
        new->next = p->endpoints;
        p->endpoints = new;
    }
    return new;
}

/* Failures of the place, not of the query. */
static bool is_place_failure(const struct err *e)
{
    switch (e->code) {
    case ERR_THROTTLED:
    case ERR_UNAVAILABLE: return true;
    case ERR_NONE:
    case ERR_INVALID:
    case ERR_LIMIT:
    case ERR_MEMORY:
    case ERR_IO:
    case ERR_TIMEOUT:
    case ERR_TLS:
    case ERR_HTTP:
    case ERR_DENIED:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_GONE:
    case ERR_CANCELLED: break;
    }
    return false;
}

/* Up to a quarter less, so that many scalers do not come back as one. */
static int64_t jitter(struct query_pool *p, int64_t ms)
{
    p->random = p->random * 1664525U + 1013904223U;
    return ms - (int64_t)((double)ms * 0.25 * ((double)(p->random >> 8) / 16777216.0));
}

static void note_outcome(struct query_pool *p, const char *url, int64_t started_ms,
                         const struct err *e)
{
    struct endpoint *place = find_endpoint(p, url);
    int64_t now_ms = loop_now_ms(p->loop);
    if (!is_place_failure(e)) {
        if (place != NULL && e->code == ERR_NONE) {
            place->failures = 0;
            place->until_ms = 0;
        }
        return;
    }
    if (place == NULL) {
        place = add_endpoint(p, url);
    }
    if (place == NULL || (place->failures > 0 && started_ms <= place->failed_ms)) {
        return; /* no memory to be patient with, or one of a crowd that failed together */
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

static void shared_done(void *context, const struct prom_result *result, const struct err *e)
{
    struct shared *s = context;
    note_outcome(s->pool, s->url, s->started_ms, e);
    unlink_shared(s); /* who asks from inside a callback asks anew */
    s->answered = true;
    while (s->tickets != NULL) {
        struct query_ticket *t = s->tickets;
        prom_done_fn *done = t->done;
        void *waiting = t->context;
        unlink_ticket(t);
        free(t);
        done(waiting, result, e);
    }
    free(s);
}

static struct shared *find_shared(struct query_pool *p, unsigned long long hash, const char *url,
                                  struct str region, struct str query)
{
    for (struct shared *s = p->out; s != NULL; s = s->next) {
        if (s->hash == hash && strcmp(s->url, url) == 0 && str_eq(s->region, region) &&
            str_eq(s->query, query)) {
            return s;
        }
    }
    return NULL;
}

static int start_shared(struct query_pool *p, unsigned long long hash, const char *url,
                        struct str region, struct str query, int64_t timeout_ms,
                        struct shared **out, struct err *e)
{
    size_t url_bytes = strlen(url) + 1;
    struct shared *s = calloc(1, sizeof(*s) + url_bytes + region.len + query.len);
    if (s == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a query");
    }
    s->pool = p;
    s->hash = hash;
    s->started_ms = loop_now_ms(p->loop);
    memcpy(s->url, url, url_bytes);
    char *text = s->url + url_bytes;
    if (region.ptr != NULL) {
        memcpy(text, region.ptr, region.len);
        s->region = (struct str){text, region.len};
    }
    memcpy(text + region.len, query.ptr, query.len);
    s->query = (struct str){text + region.len, query.len};
    if (prom_query(p->prom, s->url, s->region, s->query, timeout_ms, shared_done, s, &s->call, e) !=
        0) {
        free(s);
        return -1;
    }
    s->next = p->out;
    s->link = &p->out;
    if (s->next != NULL) {
        s->next->link = &s->next;
    }
    p->out = s;
    p->count++;
    *out = s;
    return 0;
}

static int refuse_while_failing(struct query_pool *p, const char *url, struct err *e)
{
    const struct endpoint *place = find_endpoint(p, url);
    int64_t now_ms = loop_now_ms(p->loop);
    if (place == NULL || place->until_ms <= now_ms) {
        return 0;
    }
    char wait[NUM_TEXT_BYTES];
    *e = place->error;
    return err_prefix(e, "not asked again for %.*s, after",
                      STR_ARG(num_print_duration(place->until_ms - now_ms, wait)));
}

int query_pool_ask(struct query_pool *p, const char *base_url, struct str region, struct str query,
                   int64_t timeout_ms, prom_done_fn *done, void *context, struct query_ticket **out,
                   struct err *e)
{
    unsigned long long hash = str_hash(query) ^ str_hash(str_from(base_url));
    struct shared *s = find_shared(p, hash, base_url, region, query);
    if (s == NULL && refuse_while_failing(p, base_url, e) != 0) {
        return -1;
    }
    struct query_ticket *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for a query");
    }
    if (s == NULL && start_shared(p, hash, base_url, region, query, timeout_ms, &s, e) != 0) {
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
