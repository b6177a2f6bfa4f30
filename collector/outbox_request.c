/* A request: prometheus.WriteRequest{1 timeseries: TimeSeries{1 labels, 2 samples: Sample{1 value,
 * 2 timestamp}}}, one TimeSeries a sample, compressed by snappy (block format).
 *
 * First a plan says which samples fit and how long they are, then they are written without another
 * look at any bound.
 */
#include <snappy-c.h>
#include <stdlib.h>
#include <string.h>

#include "collector/outbox_internal.h"
#include "collector/protobuf.h"

enum {
    REQUEST_SERIES = 0x0a,
    SERIES_SAMPLE = 0x12,
    SAMPLE_VALUE = 0x09,
    SAMPLE_TIME = 0x10,
    VALUE_BYTES = 8,
};

/* ---- entries, one after the other ---- */

struct cursor {
    const struct chunk *chunk;
    const struct chunk_segment *segment;
    size_t at;
};

struct waiting {
    uint32_t series;
    size_t entries;
    int64_t time_ms;
    bool own_time;
    const struct chunk_entry *entry;
};

static struct cursor cursor_at_front(const struct outbox *o)
{
    const struct chunk *head = o->head;
    return (struct cursor){head, head == NULL ? NULL : head->first, o->consumed};
}

/* The sample at the cursor, which moves behind it; false at the end. */
static bool next_sample(struct cursor *c, struct waiting *out)
{
    while (c->chunk != NULL && (c->segment == NULL || c->at == c->segment->count)) {
        c->segment = c->segment == NULL ? NULL : c->segment->next;
        if (c->segment == NULL) {
            c->chunk = c->chunk->next;
            c->segment = c->chunk == NULL ? NULL : c->chunk->first;
        }
        c->at = 0;
    }
    if (c->chunk == NULL) {
        return false;
    }
    const struct chunk_entry *entry = &c->segment->entries[c->at];
    bool own = (entry->series & CHUNK_OWN_TIME) != 0;
    *out = (struct waiting){
        .series = entry->series & ~CHUNK_OWN_TIME,
        .entries = own ? 2 : 1,
        .time_ms = own ? chunk_time(entry + 1) : c->chunk->timestamp_ms,
        .own_time = own,
        .entry = entry,
    };
    c->at += out->entries;
    return true;
}

static bool is_too_old(const struct outbox_span *span, const struct waiting *w)
{
    return w->own_time && w->time_ms < span->horizon_ms;
}

/* ---- planned ---- */

static size_t sample_bytes(int64_t time_ms)
{
    return 1 + VALUE_BYTES + 1 + varint_bytes((uint64_t)time_ms);
}

static size_t series_bytes(size_t label_bytes, int64_t time_ms)
{
    return label_bytes + 2 + sample_bytes(time_ms);
}

struct outbox_span outbox_plan(const struct outbox *o)
{
    struct outbox_span span = {.horizon_ms = o->horizon_ms};
    struct outbox_span whole = span; /* up to the end of the last chunk that fits */
    struct cursor cursor = cursor_at_front(o);
    const struct chunk *chunk = cursor.chunk;
    struct waiting w;
    while (next_sample(&cursor, &w)) {
        if (cursor.chunk != chunk) {
            chunk = cursor.chunk;
            whole = span;
        }
        if (is_too_old(&span, &w)) {
            span.entries += w.entries;
            span.skipped++;
            continue;
        }
        size_t bytes = series_bytes(series_label_bytes(o->table, w.series), w.time_ms);
        bytes += 1 + varint_bytes(bytes);
        bool fits = span.samples < o->request_samples &&
                    span.plain_bytes + bytes <= o->limits.request_bytes;
        if (!fits && span.samples > 0) {
            bool alone = chunk->samples <= o->request_samples; /* by number it fits the next one */
            return alone && whole.samples > 0 ? whole : span;
        }
        span.oldest_ms = span.samples == 0 ? w.time_ms : span.oldest_ms;
        span.entries += w.entries;
        span.plain_bytes += bytes;
        span.samples++;
    }
    return span;
}

void outbox_cut_head(struct outbox *o)
{
    struct outbox_span *span = &o->span;
    struct cursor cursor = cursor_at_front(o);
    struct waiting w;
    while (span->entries > 0 && next_sample(&cursor, &w) && cursor.chunk == o->head) {
        span->entries -= w.entries;
        if (is_too_old(span, &w)) {
            span->skipped--;
        } else {
            span->samples--;
        }
    }
}

/* ---- written ---- */

static unsigned char *put_series(const struct outbox *o, const struct waiting *w, unsigned char *to)
{
    *to++ = REQUEST_SERIES;
    to = varint_put(to, series_bytes(series_label_bytes(o->table, w->series), w->time_ms));
    to = series_write_labels(o->table, w->series, to);
    *to++ = SERIES_SAMPLE;
    *to++ = (unsigned char)sample_bytes(w->time_ms);
    *to++ = SAMPLE_VALUE;
    uint64_t bits;
    memcpy(&bits, w->entry->bits, sizeof(bits));
    for (size_t i = 0; i < VALUE_BYTES; i++) {
        *to++ = (unsigned char)(bits >> (8 * i));
    }
    *to++ = SAMPLE_TIME;
    return varint_put(to, (uint64_t)w->time_ms);
}

/* Room for that many bytes; what was there is lost. */
static int need_room(struct outbox_memory *m, size_t bytes)
{
    if (m->room >= bytes) {
        return 0;
    }
    unsigned char *at = malloc(bytes);
    if (at == NULL) {
        return -1;
    }
    free(m->at);
    *m = (struct outbox_memory){at, bytes};
    return 0;
}

int outbox_make(struct outbox *o, const struct outbox_span *span, struct err *e)
{
    size_t compressed = snappy_max_compressed_length(span->plain_bytes);
    if (need_room(&o->plain, span->plain_bytes) != 0 || need_room(&o->body, compressed) != 0) {
        return err_set(e, ERR_MEMORY, "out of memory for a request of %zu bytes",
                       span->plain_bytes);
    }
    struct cursor cursor = cursor_at_front(o);
    struct waiting w;
    unsigned char *to = o->plain.at;
    for (size_t i = 0; i < span->samples && next_sample(&cursor, &w);) {
        if (!is_too_old(span, &w)) {
            to = put_series(o, &w, to);
            i++;
        }
    }
    if (snappy_compress((const char *)o->plain.at, span->plain_bytes, (char *)o->body.at,
                        &compressed) != SNAPPY_OK) {
        return err_set(e, ERR_MEMORY, "snappy refuses its own bound"); /* it does not */
    }
    o->body_bytes = compressed;
    return 0;
}
