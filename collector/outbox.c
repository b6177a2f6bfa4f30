#include "collector/outbox.h"

#include <stdlib.h>

#include "base/fmt.h"
#include "collector/outbox_internal.h"

int outbox_new(const struct outbox_limits *limits, struct series_table *table, struct outbox **out,
               struct err *e)
{
    if (limits->request_samples == 0 || limits->request_bytes == 0) {
        return err_set(e, ERR_INVALID, "a request must have room for a sample");
    }
    struct outbox *o = calloc(1, sizeof(*o));
    if (o == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory");
    }
    o->limits = *limits;
    o->table = table;
    o->next_number = 1;
    o->horizon_ms = INT64_MIN;
    o->request_samples = limits->request_samples;
    *out = o;
    return 0;
}

static void free_memory(struct outbox_memory *m)
{
    free(m->at);
    *m = (struct outbox_memory){0};
}

void outbox_free(struct outbox *o)
{
    if (o == NULL) {
        return;
    }
    while (o->head != NULL) {
        struct chunk *head = o->head;
        o->head = head->next;
        chunk_free(head);
    }
    free_memory(&o->plain);
    free_memory(&o->body);
    free(o);
}

size_t outbox_samples(const struct outbox *o)
{
    return o->samples;
}

size_t outbox_bytes(const struct outbox *o)
{
    return o->bytes;
}

int64_t outbox_oldest_ms(const struct outbox *o)
{
    return o->head == NULL ? 0 : o->head->timestamp_ms;
}

uint64_t outbox_dropped(const struct outbox *o, enum outbox_drop why)
{
    return o->dropped[why];
}

uint32_t outbox_first(const struct outbox *o)
{
    return o->head == NULL ? o->next_number : o->head->number;
}

uint32_t outbox_next(const struct outbox *o)
{
    return o->next_number;
}

/* ---- in ---- */

static void remove_head(struct outbox *o)
{
    struct chunk *head = o->head;
    o->head = head->next;
    if (o->head == NULL) {
        o->tail = NULL;
    }
    o->consumed = 0;
    o->samples -= head->samples;
    o->bytes -= head->bytes;
    chunk_free(head);
}

/* The head, unsent. A request made of it is not made again, but it may be on its way. */
static void drop_head(struct outbox *o, enum outbox_drop why)
{
    if (o->made) {
        outbox_cut_head(o);
        o->made = o->span.entries > 0;
        o->whole = false;
    }
    o->dropped[why] += o->head->samples;
    remove_head(o);
}

int outbox_append(struct outbox *o, struct chunk *c, struct err *e)
{
    if (c->bytes > o->limits.bytes_max) {
        return err_set(e, ERR_LIMIT,
                       "a scrape of %zu sample%s needs %zu bytes of buffer: it has %zu", c->samples,
                       fmt_s((int64_t)c->samples), c->bytes, o->limits.bytes_max);
    }
    while (o->bytes > o->limits.bytes_max - c->bytes) {
        drop_head(o, OUTBOX_FULL);
    }
    c->number = o->next_number++;
    c->next = NULL;
    if (o->tail == NULL) {
        o->head = c;
    } else {
        o->tail->next = c;
    }
    o->tail = c;
    o->samples += c->samples;
    o->bytes += c->bytes;
    return 0;
}

void outbox_expire(struct outbox *o, int64_t now_ms)
{
    o->horizon_ms = now_ms - o->limits.age_max_ms;
    while (o->head != NULL && o->head->timestamp_ms < o->horizon_ms) {
        drop_head(o, OUTBOX_TOO_OLD);
    }
}

/* ---- out ---- */

/* The head's first segment is over. */
static void remove_segment(struct outbox *o)
{
    size_t before = o->head->bytes;
    chunk_drop_segment(o->head);
    o->bytes -= before - o->head->bytes;
    o->consumed = 0;
    if (o->head->first == NULL) {
        remove_head(o);
    }
}

/* Take entries off the front, sent or not. */
static void consume(struct outbox *o, size_t entries)
{
    while (entries > 0) {
        const struct chunk_segment *segment = o->head->first;
        if (o->consumed == segment->count) {
            remove_segment(o);
            continue;
        }
        bool own_time = (segment->entries[o->consumed].series & CHUNK_OWN_TIME) != 0;
        size_t step = own_time ? 2 : 1;
        o->consumed += step;
        entries -= step;
        o->head->samples--;
        o->samples--;
    }
    if (o->head != NULL && o->consumed == o->head->first->count) {
        remove_segment(o);
    }
}

static void pass_span(struct outbox *o, const struct outbox_span *span)
{
    consume(o, span->entries);
    o->dropped[OUTBOX_TOO_OLD] += span->skipped;
}

int outbox_front(struct outbox *o, struct outbox_request *out, struct err *e)
{
    o->made = o->made && o->whole;
    while (!o->made && o->head != NULL) {
        struct outbox_span span = outbox_plan(o);
        if (span.samples == 0) {
            pass_span(o, &span);
            continue;
        }
        if (outbox_make(o, &span, e) != 0) {
            return -1;
        }
        if (o->body_bytes > o->limits.request_bytes && span.samples > 1) {
            o->request_samples = span.samples / 2; /* it does not compress at all */
            continue;
        }
        o->span = span;
        o->made = o->whole = true;
    }
    *out = (struct outbox_request){.body = STR("")};
    if (o->made) {
        *out = (struct outbox_request){
            .body = {(const char *)o->body.at, o->body_bytes},
            .samples = o->span.samples,
            .oldest_ms = o->span.oldest_ms,
            .plain_bytes = o->span.plain_bytes,
        };
    }
    return 0;
}

void outbox_sent(struct outbox *o, bool refused)
{
    if (!o->made) {
        return;
    }
    size_t more = o->request_samples / 8 + 1;
    if (refused) {
        o->dropped[OUTBOX_REFUSED] += o->span.samples;
    } else if (o->limits.request_samples - o->request_samples > more) {
        o->request_samples += more;
    } else {
        o->request_samples = o->limits.request_samples;
    }
    pass_span(o, &o->span);
    o->made = false;
    if (o->head == NULL) {
        free_memory(&o->plain);
        free_memory(&o->body);
    }
}

bool outbox_split(struct outbox *o)
{
    if (!o->made) {
        return true;
    }
    if (o->span.samples <= 1) {
        return false;
    }
    o->request_samples = o->span.samples / 2;
    o->made = false;
    return true;
}
