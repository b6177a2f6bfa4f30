/* Samples that wait to be sent: a bounded FIFO, and the requests made from its front.
 *
 * A sample is a series' number, a value and a time: 12 bytes where the time is the scrape's. What
 * waits refers to the table's series, so the table keeps one that vanished until outbox_first says
 * that its last sample is gone. When a new scrape does not fit, or samples are older than the age
 * cap, the oldest are dropped, whole scrapes first, and counted. Requests are
 * prometheus.WriteRequest in snappy's block format (remote write 1.0: prometheus/docs
 * specs/prw/remote_write_spec.md), in order, one in flight: the front stays until outbox_sent says
 * that it is over. A scrape is in one request where it fits; one request may hold several scrapes,
 * a series then stands in it once for each.
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
    size_t bytes_max;       /* of waiting samples, as allocated */
    int64_t age_max_ms;     /* < 1 h: AMP refuses older ones */
    size_t request_samples; /* ≤ 2,000 */
    size_t request_bytes; /* ≤ 900,000, before and after compression: whichever AMP's 1 MB means;
                             one sample that is larger goes alone */
};

enum outbox_drop {
    OUTBOX_FULL,    /* bytes_max */
    OUTBOX_TOO_OLD, /* age_max_ms, by the scrape's time or the sample's own */
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

/* Drop what is older than the age cap; to be called before outbox_front. */
void outbox_expire(struct outbox *o, int64_t now_ms);

struct outbox_request {
    struct str body;   /* snappy block; valid until outbox_front, _sent, _split or _free */
    size_t samples;    /* 0: nothing waits */
    int64_t oldest_ms; /* time of its first sample */
    size_t plain_bytes;
};

/* The request at the front, the same one again until outbox_sent or outbox_split, or until some of
 * its samples are dropped: those two are then about what still waits of it. ERR_MEMORY alone. */
int outbox_front(struct outbox *o, struct outbox_request *out, struct err *e)
    __attribute__((warn_unused_result));
/* It is over: taken by the receiver, or refused for good (then counted as dropped). */
void outbox_sent(struct outbox *o, bool refused);
/* 413: the next front has half as many samples; false when it had one only (drop it). Requests grow
 * again by an eighth with each that is taken. */
bool outbox_split(struct outbox *o);

/* ---- for the table ---- */

struct chunk; /* the samples of one scrape: collector/chunk.h */

/* Append *c and own it, dropping the oldest to make room. ERR_LIMIT: it is larger than bytes_max;
 * then it stays the caller's. */
int outbox_append(struct outbox *o, struct chunk *c, struct err *e)
    __attribute__((warn_unused_result));
/* The number of the oldest scrape that waits; when none does, that of the next one appended.
 * Numbers count up from 1. */
uint32_t outbox_first(const struct outbox *o);
uint32_t outbox_next(const struct outbox *o); /* of the next one appended */

#endif
