#include "collector/chunk.h"

#include <stdlib.h>

enum {
    SEGMENT_BYTES = 16384,
    SEGMENT_ROOM = (SEGMENT_BYTES - sizeof(struct chunk_segment)) / sizeof(struct chunk_entry),
};

_Static_assert(sizeof(struct chunk_entry) == 12, "what waits is counted in these");

struct chunk *chunk_new(int64_t timestamp_ms)
{
    struct chunk *c = malloc(sizeof(*c));
    if (c != NULL) {
        *c = (struct chunk){.timestamp_ms = timestamp_ms, .bytes = sizeof(*c)};
    }
    return c;
}

void chunk_free(struct chunk *c)
{
    if (c == NULL) {
        return;
    }
    while (c->first != NULL) {
        chunk_drop_segment(c);
    }
    free(c);
}

static size_t segment_bytes(size_t room)
{
    return sizeof(struct chunk_segment) + room * sizeof(struct chunk_entry);
}

void chunk_drop_segment(struct chunk *c)
{
    struct chunk_segment *first = c->first;
    size_t room = first == c->last ? c->room : first->count;
    c->first = first->next;
    c->bytes -= segment_bytes(room);
    if (c->first == NULL) {
        c->last = NULL;
        c->room = 0;
    }
    free(first);
}

void chunk_fit(struct chunk *c)
{
    struct chunk_segment *last = c->last;
    if (last == NULL || last->count == c->room) {
        return;
    }
    size_t count = last->count; /* never 0: one is made for the entries that follow at once */
    struct chunk_segment *fitted = realloc(last, segment_bytes(count));
    if (fitted == NULL) {
        return; /* as it was */
    }
    if (c->first == last) {
        c->first = fitted;
    } else {
        struct chunk_segment *before = c->first;
        while (before->next != last) {
            before = before->next;
        }
        before->next = fitted;
    }
    c->last = fitted;
    c->bytes -= segment_bytes(c->room) - segment_bytes(count);
    c->room = count;
}

/* Room for `count` entries together. */
static int reserve(struct chunk *c, size_t count)
{
    if (c->last != NULL && c->room - c->last->count >= count) {
        return 0;
    }
    struct chunk_segment *segment = malloc(segment_bytes(SEGMENT_ROOM));
    if (segment == NULL) {
        return -1;
    }
    segment->next = NULL;
    segment->count = 0;
    chunk_fit(c);
    if (c->last == NULL) {
        c->first = segment;
    } else {
        c->last->next = segment;
    }
    c->last = segment;
    c->room = SEGMENT_ROOM;
    c->bytes += segment_bytes(SEGMENT_ROOM);
    return 0;
}

static void put(struct chunk *c, uint32_t series, const void *bits)
{
    struct chunk_entry *entry = &c->last->entries[c->last->count++];
    entry->series = series;
    memcpy(entry->bits, bits, sizeof(entry->bits));
}

int chunk_add(struct chunk *c, uint32_t series, double value)
{
    if (reserve(c, 1) != 0) {
        return -1;
    }
    put(c, series, &value);
    c->samples++;
    return 0;
}

int chunk_add_at(struct chunk *c, uint32_t series, double value, int64_t timestamp_ms)
{
    if (reserve(c, 2) != 0) {
        return -1;
    }
    put(c, series | CHUNK_OWN_TIME, &value);
    put(c, 0, &timestamp_ms);
    c->samples++;
    return 0;
}

void chunk_join(struct chunk *c, struct chunk *tail)
{
    if (tail->first != NULL) {
        chunk_fit(c);
        if (c->last == NULL) {
            c->first = tail->first;
        } else {
            c->last->next = tail->first;
        }
        c->last = tail->last;
        c->room = tail->room;
        c->samples += tail->samples;
        c->bytes += tail->bytes - sizeof(*tail);
    }
    free(tail);
}
