/* Queries on their way: the same query at the same place is asked once for all who want it now, and
 * an endpoint that throttles or fails is left alone for a while.
 *
 * One pool a process, on the loop. After 429, 5xx or a connection that failed, the endpoint is not
 * asked for Retry-After, or 1 s doubling to 30 s; meanwhile asking fails at once with the same
 * reason, so replicas are held. At most 64 queries are at one place; others wait
 * their turn, and their time counts from when they are sent. Silence counts too, but only where
 * nothing else was answered since: else it is the query that is slow, not the place. Then a few
 * queries try the endpoint again, and the others wait for what they find. Other endpoints are not
 * touched.
 */
#ifndef AMPSCALE_SCALER_QUERY_POOL_H
#define AMPSCALE_SCALER_QUERY_POOL_H

#include <stdbool.h>

#include "net/loop.h"
#include "net/prom.h"

struct query_pool;
struct query_ticket;

int query_pool_new(struct prom *prom, struct loop *loop, struct query_pool **out, struct err *e)
    __attribute__((warn_unused_result));
/* Cancels what is out (callbacks are not called). Before prom_free. NULL is allowed. */
void query_pool_free(struct query_pool *p);

/* As prom_query. *joined: an equal query at the same place, as the same role, that ends within
 * timeout_ms was under way, and its answer will do. */
int query_pool_ask(struct query_pool *p, const struct prom_place *place, struct str query,
                   int64_t timeout_ms, prom_done_fn *done, void *context, struct query_ticket **out,
                   bool *joined, struct err *e) __attribute__((warn_unused_result));
/* Give up one's own share: the callback will not be called. From anywhere. */
void query_pool_cancel(struct query_ticket *ticket);

/* How many queries are out. */
size_t query_pool_out(const struct query_pool *p);

#endif
