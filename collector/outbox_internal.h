/* Inside the outbox: outbox.c is the FIFO, outbox_request.c makes a request of its front. */
#ifndef AMPSCALE_COLLECTOR_OUTBOX_INTERNAL_H
#define AMPSCALE_COLLECTOR_OUTBOX_INTERNAL_H

#include "collector/chunk.h"
#include "collector/outbox.h"
#include "collector/series.h"

/* Bytes of ours; grown when too small, given back when nothing waits. */
struct outbox_memory {
    unsigned char *at;
    size_t room;
};

/* What a request covers, from the front on. */
struct outbox_span {
    size_t entries; /* of chunks */
    size_t samples; /* sent */
    size_t skipped; /* samples too old by their own time: not sent */
    size_t plain_bytes;
    int64_t oldest_ms;  /* time of the first sample */
    int64_t horizon_ms; /* what counted as too old */
};

struct outbox {
    struct outbox_limits limits;
    const struct series_table *table;
    struct chunk *head, *tail;
    size_t consumed; /* entries of the head's first segment that are over */
    size_t samples, bytes;
    uint32_t next_number;
    uint64_t dropped[OUTBOX_DROP_COUNT];
    int64_t horizon_ms; /* samples of their own time before it are too old */

    size_t request_samples; /* how many one may have now: less after outbox_split */
    bool made;              /* span is what the last outbox_front gave, as far as it still waits */
    bool whole;             /* body is that span */
    struct outbox_span span;
    struct outbox_memory plain, body;
    size_t body_bytes;
};

/* ---- outbox_request.c ---- */

/* The longest span at the front that one request may be; samples 0: nothing that is not too old. */
struct outbox_span outbox_plan(const struct outbox *o);

/* The head is about to be dropped: o->span is what is behind it. */
void outbox_cut_head(struct outbox *o);

/* Encode and compress a span into o->body. */
int outbox_make(struct outbox *o, const struct outbox_span *span, struct err *e)
    __attribute__((warn_unused_result));

#endif
