/* The naive model of collector/series.h that fuzz_series.c holds the table against: series are
 * lists of labels, looked for one by one; what a scrape must write is a list. It knows nothing of
 * texts, hashes, encodings or chunks.
 */
#ifndef AMPSCALE_TEST_SERIES_MODEL_H
#define AMPSCALE_TEST_SERIES_MODEL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "collector/outbox.h"
#include "collector/series.h"

enum {
    SERIES_KNOWN_MAX = 2048,
    WRITTEN_MAX = 16384,
    SCRAPES_MAX = 40,
    SAMPLES_MAX = 40,
    KEY_BYTES = 256,
    PAIRS_MAX = 8,
    LABELS_LIMIT = 5,
    BYTES_LIMIT = 90,
};

#define STALE_BITS UINT64_C(0x7ff0000000000002)
#define ANY_BITS UINT64_C(0x7ff0000000000003)
#define NEVER INT64_MIN

struct bytes {
    const uint8_t *at;
    size_t left;
};

struct pair {
    char name[64], value[64];
};

struct pairs {
    struct pair items[PAIRS_MAX];
    size_t count;
};

struct known {
    char key[KEY_BYTES];
    int64_t last_ms;
    bool live, report, own, plain;
    unsigned seen; /* scrape */
    int64_t received_ms;
    unsigned received_era;
};

struct written {
    struct known *series;
    uint64_t bits;
    int64_t time_ms;
    unsigned scrape, era;
    bool received;
};

struct world {
    struct bytes input;
    struct series_table *table;
    struct outbox *outbox;
    bool keep_m;
    struct known *known;
    size_t known_count;
    struct written *written; /* oldest first */
    size_t written_count, begin;
    struct written staged[2 * SAMPLES_MAX], ours[SAMPLES_MAX];
    size_t staged_count, our_count;
    unsigned scrape, era;
    uint32_t numbers[3 * SCRAPES_MAX]; /* of a scrape's chunk */
    int64_t time_ms, last_ms;
    size_t scraped, kept, drops[SERIES_DROP_COUNT], dropped;
    int64_t undo[2 * SAMPLES_MAX];
    struct known *undo_of[2 * SAMPLES_MAX];
    size_t undo_count;
};

static inline void check(bool condition)
{
    if (!condition) {
        abort();
    }
}

/* ---- the model's labels ---- */

static inline struct pair *pair_named(struct pairs *pairs, const char *name)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (strcmp(pairs->items[i].name, name) == 0) {
            return &pairs->items[i];
        }
    }
    return NULL;
}

static inline void add_pair(struct pairs *pairs, const char *name, const char *value)
{
    struct pair *to = &pairs->items[pairs->count++];
    check(pairs->count <= PAIRS_MAX);
    (void)fmt(to->name, sizeof(to->name), "%s", name);
    (void)fmt(to->value, sizeof(to->value), "%s", value);
}

static inline int by_name(const void *a, const void *b)
{
    return strcmp(((const struct pair *)a)->name, ((const struct pair *)b)->name);
}

/* Final labels: job="j" and exported_a="s" are shared. */
static inline void finish_labels(const struct pairs *exposed, struct pairs *out)
{
    static const char *const SHARED[] = {"job", "exported_a"};
    struct pairs clashes = {.count = 0};
    *out = (struct pairs){.count = 0};
    add_pair(out, "job", "j");
    add_pair(out, "exported_a", "s");
    for (size_t i = 0; i < exposed->count; i++) {
        const struct pair *p = &exposed->items[i];
        bool shared = strcmp(p->name, SHARED[0]) == 0 || strcmp(p->name, SHARED[1]) == 0;
        bool name = strcmp(p->name, "__name__") == 0;
        if (p->value[0] == '\0' || (strncmp(p->name, "__", 2) == 0 && !name)) {
            continue;
        }
        add_pair(shared ? &clashes : out, p->name, p->value);
    }
    for (size_t length = 0; length < 64; length++) {
        for (size_t i = 0; i < clashes.count; i++) {
            char name[64];
            if (strlen(clashes.items[i].name) != length) {
                continue;
            }
            (void)fmt(name, sizeof(name), "exported_%s", clashes.items[i].name);
            while (pair_named(out, name) != NULL) {
                char longer[64];
                (void)fmt(longer, sizeof(longer), "exported_%s", name);
                memcpy(name, longer, sizeof(name));
            }
            add_pair(out, name, clashes.items[i].value);
        }
    }
    qsort(out->items, out->count, sizeof(out->items[0]), by_name);
}

static inline struct known *series_of(struct world *w, const char *key)
{
    for (size_t i = 0; i < w->known_count; i++) {
        if (strcmp(w->known[i].key, key) == 0) {
            return &w->known[i];
        }
    }
    check(w->known_count < SERIES_KNOWN_MAX);
    struct known *series = &w->known[w->known_count++];
    *series = (struct known){.last_ms = NEVER};
    (void)fmt(series->key, sizeof(series->key), "%s", key);
    return series;
}

static inline struct known *series_of_pairs(struct world *w, const struct pairs *pairs)
{
    char key[KEY_BYTES];
    size_t length = 0;
    for (size_t i = 0; i < pairs->count; i++) {
        length += fmt(key + length, sizeof(key) - length, "%s=%s;", pairs->items[i].name,
                      pairs->items[i].value)
                      .len;
    }
    return series_of(w, key);
}

static inline struct known *report(struct world *w, const char *name)
{
    struct pairs exposed = {.count = 0}, final;
    add_pair(&exposed, "__name__", name);
    finish_labels(&exposed, &final);
    struct known *series = series_of_pairs(w, &final);
    series->report = true;
    return series;
}

/* ---- the model's scrape ---- */

static inline void write_sample(struct world *w, struct known *series, uint64_t bits,
                                int64_t time_ms)
{
    check(w->written_count < WRITTEN_MAX);
    w->written[w->written_count++] =
        (struct written){series, bits, time_ms, w->scrape, w->era, false};
}

static inline void model_take(struct world *w, const struct pairs *exposed, uint64_t bits,
                              bool own_time, int64_t time_ms)
{
    struct pairs final;
    size_t bytes = 0;
    finish_labels(exposed, &final);
    for (size_t i = 0; i < final.count; i++) {
        bytes += strlen(final.items[i].name) + strlen(final.items[i].value);
    }
    w->scraped++;
    if (w->keep_m && exposed->items[0].value[0] != 'm') {
        w->drops[SERIES_NOT_KEPT]++;
    } else if (bytes > BYTES_LIMIT) {
        w->drops[SERIES_LABELS_TOO_LONG]++;
    } else if (final.count > LABELS_LIMIT) {
        w->drops[SERIES_TOO_MANY_LABELS]++;
    } else {
        struct known *s = series_of_pairs(w, &final);
        bool again = s->seen == w->scrape || s->report;
        w->kept++;
        if (again && (!own_time || s->report)) {
            w->drops[SERIES_DUPLICATE]++;
            return;
        }
        if (!again) {
            s->seen = w->scrape;
            s->own = s->plain = false;
        }
        if (own_time && time_ms == s->last_ms && !again) {
            return;
        }
        if ((own_time ? time_ms : w->time_ms) <= s->last_ms || s->plain) {
            w->drops[SERIES_OUT_OF_ORDER]++;
            return;
        }
        if (own_time) {
            w->undo[w->undo_count] = s->last_ms;
            w->undo_of[w->undo_count++] = s;
            s->last_ms = time_ms;
        }
        s->plain = !own_time;
        w->staged[w->staged_count++] =
            (struct written){s, bits, own_time ? time_ms : w->time_ms, w->scrape, w->era, false};
    }
}

static inline void model_own(struct world *w, const struct pairs *exposed, uint64_t bits)
{
    struct pairs final;
    finish_labels(exposed, &final);
    struct known *s = series_of_pairs(w, &final);
    if (s->seen == w->scrape || s->report) {
        return;
    }
    s->seen = w->scrape;
    s->own = true;
    s->plain = w->time_ms > s->last_ms;
    if (!s->plain) {
        return;
    }
    w->ours[w->our_count++] = (struct written){s, bits, w->time_ms, w->scrape, w->era, false};
}

/* The scrape is not to be: what it took was not sent. */
static inline void model_undo(struct world *w)
{
    while (w->undo_count > 0) {
        w->undo_count--;
        w->undo_of[w->undo_count]->last_ms = w->undo[w->undo_count];
    }
}

static inline uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline void model_finish(struct world *w, bool up, bool received)
{
    if (!up) {
        model_undo(w);
    }
    for (size_t i = 0; up && i < w->staged_count; i++) {
        w->written[w->written_count++] = w->staged[i];
    }
    for (size_t i = 0; i < w->known_count; i++) {
        struct known *s = &w->known[i];
        bool present = s->seen == w->scrape && (up || s->own);
        if (s->report) {
            s->last_ms = w->time_ms;
            s->live = true;
            continue;
        }
        if (!present && s->live && s->last_ms < w->time_ms) {
            write_sample(w, s, STALE_BITS, w->time_ms);
            s->last_ms = w->time_ms;
        }
        s->live = present && s->plain;
        s->last_ms = s->live ? w->time_ms : s->last_ms;
    }
    for (size_t i = 0; i < w->our_count; i++) {
        w->written[w->written_count++] = w->ours[i];
    }
    bool counts = up || received;
    write_sample(w, report(w, "up"), bits_of(up ? 1 : 0), w->time_ms);
    write_sample(w, report(w, "scrape_duration_seconds"), bits_of(0.5), w->time_ms);
    write_sample(w, report(w, "scrape_samples_scraped"), bits_of(counts ? (double)w->scraped : 0),
                 w->time_ms);
    write_sample(w, report(w, "scrape_samples_post_metric_relabeling"),
                 bits_of(counts ? (double)w->kept : 0), w->time_ms);
    write_sample(w, report(w, "scrape_series_added"), ANY_BITS, w->time_ms);
    w->last_ms = w->time_ms;
    w->undo_count = 0;
}

static inline void model_all_stale(struct world *w, int64_t time_ms)
{
    w->scrape++;
    for (size_t i = 0; i < w->known_count; i++) {
        struct known *s = &w->known[i];
        if (s->live && s->last_ms < time_ms) {
            write_sample(w, s, STALE_BITS, time_ms);
            s->last_ms = time_ms;
        }
        s->live = false;
    }
    w->last_ms = time_ms;
}

#endif
