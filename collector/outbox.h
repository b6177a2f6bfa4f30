/* Samples that wait to be sent: a bounded FIFO, and the requests made from its front.
 *
 * A sample is a series' number, a value and a time: 12 bytes where the time is the scrape's. A
 * series that vanished stays in the table until its last sample left the outbox (outbox calls
 * `release`). When a new scrape does not fit, or samples are older than the age cap, the oldest
 * are dropped, whole scrapes first, and counted. Requests are prometheus.WriteRequest in snappy's
 * block format (remote write 1.0: prometheus/docs specs/prw/remote_write_spec.md), in order, one
 * in flight: the front stays until outbox_sent says that it is over.
 */
#ifndef AMPSCALE_COLLECTOR_OUTBOX_H
#define AMPSCALE_COLLECTOR_OUTBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

struct outbox;
struct series_table;

struct outbox_limits {
    size_t bytes_max;       /* of waiting samples */
    int64_t age_max_ms;     /* < 1 h: AMP refuses older ones */
    size_t request_samples; /* ≤ 2,000 */
    size_t request_bytes;   /* compressed, ≤ 900,000; a request is cut in half until it fits */
};

enum outbox_drop {
    OUTBOX_FULL,    /* bytes_max */
    OUTBOX_TOO_OLD, /* age_max_ms */
    OUTBOX_REFUSED, /* the receiver's 4xx */
    OUTBOX_DROP_COUNT,
};

/* The table's series are what its samples refer to; it must outlive the outbox. */
int outbox_new(const struct outbox_limits *limits, struct series_table *table, struct outbox **out,
               struct err *e) __attribute__((warn_unused_result));
void outbox_free(struct outbox *o);

size_t outbox_samples(const struct outbox *o);
size_t outbox_bytes(const struct outbox *o);
int64_t outbox_oldest_ms(const struct outbox *o);                      /* Unix; 0 when empty */
uint64_t outbox_dropped(const struct outbox *o, enum outbox_drop why); /* samples, ever */

/* Drop what is older than the age cap. */
void outbox_expire(struct outbox *o, int64_t now_ms);

struct outbox_request {
    struct str body;   /* snappy block; valid until the next call on this outbox */
    size_t samples;    /* 0: nothing waits */
    int64_t oldest_ms; /* time of its first sample */
    size_t plain_bytes;
};

/* The request at the front, the same one again until outbox_sent or outbox_split. ERR_MEMORY alone.
 */
int outbox_front(struct outbox *o, struct outbox_request *out, struct err *e)
    __attribute__((warn_unused_result));
/* It is over: taken by the receiver, or refused for good (then counted as dropped). */
void outbox_sent(struct outbox *o, bool refused);
/* 413: the next front has half as many samples; false when it had one only (drop it). */
bool outbox_split(struct outbox *o);

#endif
