/* Remote write 1.0: empties the outbox, one request in flight, oldest samples first.
 *
 * When: a scrape is sent at once, but where scrapes are more frequent than one in 5 s they wait for
 * each other so long, or until a request is full, because a request costs more than its samples. A
 * failure is repeated as sending.h has it; while it is, samples wait in the outbox, within its
 * caps. Nothing is ever sent beside or ahead of what failed.
 *
 * Log: a failure once a reason and that it works again; what a receiver refused, once a reason and
 * in its own words; when the outbox begins to drop samples, and when it is empty again. How often
 * the same is told is bounded (reasons.h).
 */
#ifndef AMPSCALE_COLLECTOR_REMOTE_H
#define AMPSCALE_COLLECTOR_REMOTE_H

#include "base/log.h"
#include "collector/destination.h"
#include "collector/outbox.h"
#include "collector/own.h"
#include "net/awscreds.h"
#include "net/http.h"

struct remote;

struct remote_options {
    struct http_client *http;
    const struct logger *log;
    const struct destination *destination;
    struct http_tls tls;
    struct aws_identity *identity; /* of destination->sign; else NULL */
    struct outbox *outbox;
    struct own_counts *counts;
    size_t request_samples; /* as in outbox_limits: this many need not wait */
    int64_t hold_ms;        /* how long samples wait for company; 0: not at all */
    uint64_t seed;          /* of the jitter */
};

/* Copies *o; what it points to must outlive the remote. Listens to the identity. */
int remote_new(const struct remote_options *o, struct remote **out, struct err *e)
    __attribute__((warn_unused_result));
/* Gives up the request in flight. NULL is allowed. */
void remote_free(struct remote *r);

/* The outbox has something new. */
void remote_wake(struct remote *r);

/* Send what waits without holding it; then call `over`, once, from inside or from the loop: as soon
 * as nothing waits (`sent`), or when no attempt can be made before `until_ms` of the loop's time,
 * as retries keep their pauses and credentials may not come. A second call replaces the first. */
typedef void remote_flushed_fn(void *context, bool sent);
void remote_flush(struct remote *r, int64_t until_ms, remote_flushed_fn *over, void *context);
/* Why what waits was not sent yet; absent: it was not tried. */
struct str remote_failure(const struct remote *r);

#endif
