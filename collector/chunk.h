/* The samples of one scrape, as they are taken and as they wait: entries of 12 bytes in segments of
 * at most 16 KiB, so that none is ever copied and what was sent is given back piece by piece.
 *
 * Shared by the table (which fills one) and the outbox (which keeps and empties them).
 */
#ifndef AMPSCALE_COLLECTOR_CHUNK_H
#define AMPSCALE_COLLECTOR_CHUNK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define CHUNK_OWN_TIME                                                                             \
    (UINT32_C(1) << 31) /* in chunk_entry.series: the next entry's bits are its                    \
                           time, Unix ms */

struct chunk_entry {
    uint32_t series;
    unsigned char bits[8]; /* of the value, in the machine's order */
};

struct chunk_segment {
    struct chunk_segment *next;
    size_t count;
    struct chunk_entry entries[];
};

struct chunk {
    struct chunk *next;
    int64_t timestamp_ms; /* of samples without a time of their own */
    uint32_t number;      /* in the outbox */
    struct chunk_segment *first, *last;
    size_t room;    /* entries that `last` can take */
    size_t samples; /* in it */
    size_t bytes;   /* allocated */
};

/* NULL: no memory. */
struct chunk *chunk_new(int64_t timestamp_ms);
void chunk_free(struct chunk *c); /* NULL is none */

/* -1: no memory, nothing changed. */
int chunk_add(struct chunk *c, uint32_t series, double value) __attribute__((warn_unused_result));
int chunk_add_at(struct chunk *c, uint32_t series, double value, int64_t timestamp_ms)
    __attribute__((warn_unused_result));
/* Give back the room that is left. */
void chunk_fit(struct chunk *c);
/* Append what `tail` has and free it. */
void chunk_join(struct chunk *c, struct chunk *tail);
/* Free the first segment; c->samples is the caller's to keep. */
void chunk_drop_segment(struct chunk *c);

static inline double chunk_value(const struct chunk_entry *entry)
{
    double value;
    memcpy(&value, entry->bits, sizeof(value));
    return value;
}

static inline int64_t chunk_time(const struct chunk_entry *entry)
{
    int64_t time;
    memcpy(&time, entry->bits, sizeof(time));
    return time;
}

#endif
