/* Inside the table: series.c runs scrapes over it, series_learn.c meets new texts, series_table.c
 * makes it, sweeps it and takes it apart.
 *
 * A spelling is a text that the target wrote, by its fingerprint; it leads to a series, or to the
 * reason why there is none. Several may lead to one series, found by its encoded labels. Entries
 * that are free are chained, lowest first, so that what comes in order lies in order: then the
 * spelling after the last one found is the next, and no index is asked.
 */
#ifndef AMPSCALE_COLLECTOR_SERIES_INTERNAL_H
#define AMPSCALE_COLLECTOR_SERIES_INTERNAL_H

#include "collector/chunk.h"
#include "collector/fingerprint.h"
#include "collector/keep.h"
#include "collector/label_store.h"
#include "collector/labels.h"
#include "collector/series.h"
#include "collector/slots.h"

#define SERIES_MAX UINT32_C(0x7fffff00)       /* numbers of series are below: CHUNK_OWN_TIME */
#define SPELLING_DROPPED UINT32_C(0x80000000) /* + enum series_drop, instead of a series */
#define SPELLING_FREE UINT32_MAX
#define SPELLING_NEW (UINT32_C(1) << 31) /* in seen: learnt in that very scrape */
#define ENTRY_NONE UINT32_MAX            /* end of a chain */

struct spelling {
    struct fingerprint key;
    uint32_t series; /* or SPELLING_DROPPED + why, or SPELLING_FREE */
    uint32_t seen;   /* number of the last scrape that had it; free: the next free one */
};

enum series_flag {
    SERIES_USED = 1,
    SERIES_RESERVED = 2, /* up, scrape_…: never freed */
    SERIES_CACHED = 4,   /* the last good scrape had it */
    SERIES_LIVE = 8,     /* its last sample sent is no stale marker, and had the scrape's time */
    SERIES_OWN = 16,     /* taken by scrape_add_own, last */
    SERIES_STAGED = 32,  /* has a sample with this scrape's time */
};

struct series {
    int64_t last_ms; /* time of its last sample; INT64_MIN: none */
    uint32_t labels; /* in the store */
    uint32_t hash;   /* of its encoded labels */
    uint32_t seen;   /* number of the last scrape that had it; free: the next free one */
    uint32_t chunk;  /* the last one that refers to it; 0: none */
    uint32_t flags;
};

/* Own times taken in this scrape overwrote last_ms: to be put back if it fails. */
struct series_undo {
    int64_t last_ms;
    uint32_t series;
};

enum { REPORT_UP, REPORT_DURATION, REPORT_SCRAPED, REPORT_KEPT, REPORT_ADDED, REPORT_COUNT };
enum { EXAMPLE_BYTES = 128 };

enum series_text { TEXT_TARGET, TEXT_TARGET_OPENMETRICS, TEXT_OWN, TEXT_KINDS };

struct series_table {
    struct series_limits limits;
    struct shared_labels shared;
    struct keep keep;
    struct fingerprint_key keys[TEXT_KINDS];
    struct fingerprint_key label_key;

    struct spelling *spellings; /* [spelling_count], room for spelling_capacity */
    uint32_t spelling_count, spelling_capacity, spelling_free;
    struct slots by_text;
    struct series *series;
    uint32_t series_count, series_capacity, series_free;
    struct slots by_labels;
    struct label_store store;
    uint32_t reports[REPORT_COUNT];

    /* scratch for one new text */
    char *texts;
    size_t texts_room;
    char *names; /* [limits.label_bytes_max] */
    struct label_record *record;

    /* the scrape that runs, if any */
    bool running, failed;
    uint32_t number; /* of it; spellings and series bear it */
    uint32_t guess;  /* the spelling that is likely to come next */
    int64_t timestamp_ms, last_timestamp_ms;
    uint32_t first_waiting; /* chunk, as the outbox last said */
    struct chunk *taken, *own;
    struct series_undo *undo;
    size_t undo_count, undo_capacity;
    struct series_counts counts;
    char examples[SERIES_DROP_COUNT][EXAMPLE_BYTES];
    size_t live;
};

/* ---- series_learn.c ---- */

/* The spelling of a text that is not in by_text: parse it, and make the spelling, and the series if
 * it is kept and not yet there. Errors as scrape_take has them. */
int series_learn(struct series_table *t, enum series_text kind, const struct fingerprint *key,
                 struct str text, struct spelling **out, struct err *e)
    __attribute__((warn_unused_result));

/* The series of these labels, made if there is none. */
int series_of_labels(struct series_table *t, const struct own_labels *own, uint32_t *id,
                     struct err *e) __attribute__((warn_unused_result));

/* Count a sample that is dropped, and remember the name of the first. */
void series_count_drop(struct series_table *t, enum series_drop why, struct str text);

/* ---- series_table.c ---- */

/* Room for one more of each, within table_bytes_max. */
int series_table_room(struct series_table *t, bool series_too, size_t record_bytes, struct err *e)
    __attribute__((warn_unused_result));

/* How a scrape ended, for what is swept. */
enum scrape_end { SCRAPE_GOOD, SCRAPE_FAILED, SCRAPE_UNDONE };

/* Forget what is not needed any more: spellings, then series that no waiting chunk (they count from
 * `first`) refers to. UNDONE: what the scrape learnt. */
void series_sweep(struct series_table *t, enum scrape_end end, uint32_t first);

#endif
