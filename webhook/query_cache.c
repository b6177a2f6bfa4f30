/* An entry is born when a query is sent and has waiters until it is answered; then it has a time
 * until which it is good. All entries live as long after their birth, so the list by birth is also
 * the order of expiry, and its head is what gives way.
 */
#include "webhook/query_cache.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "webhook/families.h"

enum { SLOTS = 1024, ENTRY_OVERHEAD_BYTES = 1024 };

struct query_waiter {
    struct query_entry *entry;
    query_answer_fn *answer;
    void *context;
    struct query_waiter *next, *previous;
};

struct query_entry {
    struct query_cache *cache;
    struct query_entry *chain;           /* same slot */
    struct query_entry *older, *younger; /* by birth */
    unsigned long long hash;
    struct prom_place place; /* its views in `memory`, as the query */
    struct str query;
    struct arena memory;
    struct prom_call *call; /* NULL once answered */
    struct query_waiter *waiters;
    bool telling; /* its waiters, so it must stay */
    int64_t born_ms, sent_ms;
    struct err error; /* ERR_NONE: `result` */
    struct prom_result result;
};

struct query_cache {
    struct loop *loop;
    struct prom *prom;
    struct metrics *metrics;
    struct query_entry *slots[SLOTS];
    struct query_entry *oldest, *youngest;
    size_t count, bytes, under_way;
};

/* ---- the table ---- */

static unsigned long long hash_of(const struct prom_place *place, struct str query)
{
    return str_hash(str_from(place->url)) ^ (str_hash(place->region) * 3) ^
           (str_hash(place->role_arn) * 5) ^ (str_hash(query) * 7);
}

static struct query_entry **slot_of(struct query_cache *c, unsigned long long hash)
{
    return &c->slots[hash % SLOTS];
}

static size_t bytes_of(const struct query_entry *n)
{
    return n->memory.used_bytes + ENTRY_OVERHEAD_BYTES;
}

static void unlink_entry(struct query_cache *c, struct query_entry *n)
{
    struct query_entry **at = slot_of(c, n->hash);
    while (*at != n) {
        at = &(*at)->chain;
    }
    *at = n->chain;
    if (n->older != NULL) {
        n->older->younger = n->younger;
    } else {
        c->oldest = n->younger;
    }
    if (n->younger != NULL) {
        n->younger->older = n->older;
    } else {
        c->youngest = n->older;
    }
    c->count--;
}

static void drop(struct query_entry *n)
{
    struct query_cache *c = n->cache;
    if (n->call != NULL) {
        prom_cancel(n->call);
        c->under_way--;
    } else {
        c->bytes -= bytes_of(n);
    }
    unlink_entry(c, n);
    arena_free(&n->memory);
    free(n);
}

static void link_entry(struct query_cache *c, struct query_entry *n)
{
    struct query_entry **slot = slot_of(c, n->hash);
    n->chain = *slot;
    *slot = n;
    n->older = c->youngest;
    if (c->youngest != NULL) {
        c->youngest->younger = n;
    } else {
        c->oldest = n;
    }
    c->youngest = n;
    c->count++;
}

/* Expired entries, and the oldest while there are too many or they are too large. Those under way
 * stay: they are bounded on their own. */
static void make_room(struct query_cache *c)
{
    const int64_t now = loop_now_ms(c->loop);
    struct query_entry *next = NULL;
    for (struct query_entry *n = c->oldest; n != NULL; n = next) {
        next = n->younger;
        const bool full = c->count > QUERY_CACHE_ENTRIES_MAX || c->bytes > QUERY_CACHE_BYTES_MAX;
        if (!full && now - n->born_ms < QUERY_CACHE_TTL_MS) {
            return;
        }
        if (n->call == NULL && !n->telling) {
            drop(n);
        }
    }
}

static struct query_entry *find(struct query_cache *c, const struct prom_place *place,
                                struct str query)
{
    const unsigned long long hash = hash_of(place, query);
    for (struct query_entry *n = *slot_of(c, hash); n != NULL; n = n->chain) {
        if (n->hash == hash && prom_place_eq(&n->place, place) && str_eq(n->query, query)) {
            return n;
        }
    }
    return NULL;
}

/* ---- answers ---- */

int query_result_copy(const struct prom_result *result, struct arena *a, struct prom_result *out,
                      struct err *e)
{
    struct prom_result copy = *result;
    int failed = arena_str(a, result->type, &copy.type, e);
    for (size_t i = 0; i < sizeof(copy.examples) / sizeof(copy.examples[0]); i++) {
        failed |= arena_str(a, result->examples[i], &copy.examples[i], e);
    }
    for (size_t i = 0; i < copy.warning_count; i++) {
        failed |= arena_str(a, result->warnings[i], &copy.warnings[i], e);
    }
    if (failed != 0) {
        return -1;
    }
    *out = copy;
    return 0;
}

static void tell_waiters(struct query_entry *n, const struct err *e)
{
    n->telling = true;
    while (n->waiters != NULL) {
        struct query_waiter *w = n->waiters;
        n->waiters = w->next;
        if (w->next != NULL) {
            w->next->previous = NULL;
        }
        w->answer(w->context, &n->result, e);
        free(w);
    }
    n->telling = false;
}

static void count_error(struct query_cache *c, const struct err *e)
{
    const struct str reason[] = {str_from(err_code_name(e->code))};
    metrics_add(c->metrics, WEBHOOK_QUERY_ERRORS, reason, 1);
}

static void on_answer(void *context, const struct prom_result *result, const struct err *e)
{
    struct query_entry *n = context;
    struct query_cache *c = n->cache;
    struct err outcome = *e;

    n->call = NULL;
    c->under_way--;
    metrics_observe(c->metrics, WEBHOOK_QUERY_DURATION, NULL,
                    (double)(loop_now_ms(c->loop) - n->sent_ms) / 1000);
    if (outcome.code == ERR_NONE &&
        query_result_copy(result, &n->memory, &n->result, &outcome) != 0) {
        n->result = (struct prom_result){.outcome = PROM_EMPTY};
    }
    if (e->code != ERR_NONE) {
        count_error(c, e);
    }
    n->error = outcome;
    c->bytes += bytes_of(n);
    tell_waiters(n, &outcome);
    if (outcome.code != ERR_NONE && outcome.code != ERR_INVALID) {
        drop(n);
    }
    make_room(c);
}

static int send_query(struct query_cache *c, struct query_entry *n, struct err *e)
{
    n->born_ms = loop_now_ms(c->loop);
    n->sent_ms = n->born_ms;
    return prom_query(c->prom, &n->place, n->query, QUERY_TIMEOUT_MS, on_answer, n, &n->call, e);
}

static int copy_key(struct query_entry *n, const struct prom_place *place, struct str query,
                    struct err *e)
{
    n->place = *place;
    return (place->region.ptr != NULL &&
            arena_str(&n->memory, place->region, &n->place.region, e) != 0) ||
                   (place->role_arn.ptr != NULL &&
                    arena_str(&n->memory, place->role_arn, &n->place.role_arn, e) != 0) ||
                   arena_str(&n->memory, query, &n->query, e) != 0
               ? -1
               : 0;
}

static int new_entry(struct query_cache *c, const struct prom_place *place, struct str query,
                     struct query_entry **out, struct err *e)
{
    if (c->under_way >= QUERY_CACHE_UNDER_WAY_MAX) {
        return err_set(e, ERR_THROTTLED, "%d queries are under way already",
                       QUERY_CACHE_UNDER_WAY_MAX);
    }
    struct query_entry *n = calloc(1, sizeof(*n));
    if (n == NULL) {
        return err_set(e, ERR_MEMORY, "query cache: out of memory");
    }
    arena_init(&n->memory, QUERY_CACHE_BYTES_MAX / 8);
    n->cache = c;
    n->hash = hash_of(place, query);
    if (copy_key(n, place, query, e) != 0 || send_query(c, n, e) != 0) {
        arena_free(&n->memory);
        free(n);
        return -1;
    }
    c->under_way++;
    link_entry(c, n);
    *out = n;
    return 0;
}

static int wait_for(struct query_entry *n, query_answer_fn *answer, void *context,
                    struct query_waiter **out, struct err *e)
{
    struct query_waiter *w = calloc(1, sizeof(*w));
    if (w == NULL) {
        return err_set(e, ERR_MEMORY, "query cache: out of memory");
    }
    *w =
        (struct query_waiter){.entry = n, .answer = answer, .context = context, .next = n->waiters};
    if (n->waiters != NULL) {
        n->waiters->previous = w;
    }
    n->waiters = w;
    *out = w;
    return 0;
}

/* ---- interface ---- */

int query_cache_new(struct loop *l, struct prom *p, struct metrics *m, struct query_cache **out,
                    struct err *e)
{
    struct query_cache *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return err_set(e, ERR_MEMORY, "query cache: out of memory");
    }
    c->loop = l;
    c->prom = p;
    c->metrics = m;
    *out = c;
    return 0;
}

void query_cache_free(struct query_cache *c)
{
    struct query_entry *next = NULL;
    for (struct query_entry *n = c != NULL ? c->oldest : NULL; n != NULL; n = next) {
        next = n->younger;
        drop(n);
    }
    free(c);
}

int query_cache_ask(struct query_cache *c, const struct prom_place *place, struct str query,
                    query_answer_fn *answer, void *context, struct query_waiter **out,
                    struct err *e)
{
    make_room(c);
    struct query_entry *n = find(c, place, query);
    const char *result = n == NULL ? "miss" : (n->call != NULL ? "shared" : "hit");
    metrics_add(c->metrics, WEBHOOK_QUERY_CACHE, (const struct str[]){str_from(result)}, 1);
    if (n == NULL && new_entry(c, place, query, &n, e) != 0) {
        count_error(c, e);
        return -1;
    }
    if (n->call == NULL) {
        *out = NULL;
        answer(context, &n->result, &n->error);
        return 0;
    }
    return wait_for(n, answer, context, out, e);
}

void query_cache_leave(struct query_waiter *w)
{
    if (w == NULL) {
        return;
    }
    if (w->previous != NULL) {
        w->previous->next = w->next;
    } else {
        w->entry->waiters = w->next;
    }
    if (w->next != NULL) {
        w->next->previous = w->previous;
    }
    free(w);
}
