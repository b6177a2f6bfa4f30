/* Answers to live queries, kept for a minute: reviews come in pairs and fours (dry run, apply,
 * retries), and each query is billed.
 *
 * What has an outcome is kept: an answer, or Prometheus refusing the query. That it could not be
 * asked is not. The same query under way is asked once, however many wait for it. Bounded in
 * entries, in bytes and in queries under way; the oldest gives way.
 */
#ifndef AMPSCALE_WEBHOOK_QUERY_CACHE_H
#define AMPSCALE_WEBHOOK_QUERY_CACHE_H

#include "base/arena.h"
#include "base/err.h"
#include "base/promresult.h"
#include "base/str.h"
#include "net/loop.h"
#include "net/metrics.h"
#include "net/prom.h"

enum {
    QUERY_CACHE_TTL_MS = 60000,
    QUERY_CACHE_ENTRIES_MAX = 1024,
    QUERY_CACHE_BYTES_MAX = 8 << 20,
    QUERY_CACHE_UNDER_WAY_MAX = 64,
    QUERY_TIMEOUT_MS = 2000, /* of one query, whoever waits */
};

struct query_cache;
struct query_waiter;

/* e->code ERR_NONE: *result; views are valid during the call. */
typedef void query_answer_fn(void *context, const struct prom_result *result, const struct err *e);

/* All three outlive the cache. */
int query_cache_new(struct loop *l, struct prom *p, struct metrics *m, struct query_cache **out,
                    struct err *e) __attribute__((warn_unused_result));
/* Nobody may be waiting any more. */
void query_cache_free(struct query_cache *c);

/* Ask at the place that prom_resolve gave. An answer in the cache is given before it returns,
 * and *out is NULL; else `answer` is called later, once, unless query_cache_leave comes first.
 * ERR_THROTTLED: too many are under way. */
int query_cache_ask(struct query_cache *c, const struct prom_place *place, struct str query,
                    query_answer_fn *answer, void *context, struct query_waiter **out,
                    struct err *e) __attribute__((warn_unused_result));
/* A copy of a result whose texts live in `a`. */
int query_result_copy(const struct prom_result *result, struct arena *a, struct prom_result *out,
                      struct err *e) __attribute__((warn_unused_result));
/* Stop waiting; the query itself goes on and its answer is kept. NULL is allowed. */
void query_cache_leave(struct query_waiter *w);

#endif
