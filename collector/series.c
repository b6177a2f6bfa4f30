/* One scrape at a time. What it takes is staged in chunks, and the table remembers enough to forget
 * it; scrape_finish first writes all that can fail (markers, reports, the append), then commits.
 */
#include "collector/series.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"
#include "collector/outbox.h"
#include "collector/series_internal.h"

enum { UNDO_STEP_MIN = 256 };

static double from_bits(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof(value));
    return value;
}

double series_stale_marker(void)
{
    return from_bits(UINT64_C(0x7ff0000000000002));
}

/* Any NaN but ours is this one, model/value.NormalNaN. */
static double normal(double value)
{
    return isnan(value) ? from_bits(UINT64_C(0x7ff8000000000001)) : value;
}

const char *series_drop_name(enum series_drop why)
{
    switch (why) {
    case SERIES_NOT_KEPT: return "not_kept";
    case SERIES_TOO_MANY_LABELS: return "too_many_labels";
    case SERIES_LABELS_TOO_LONG: return "labels_too_long";
    case SERIES_DUPLICATE: return "duplicate";
    case SERIES_OUT_OF_ORDER: return "out_of_order";
    case SERIES_DROP_COUNT: break;
    }
    return "unknown";
}

/* ---- taking ---- */

static struct spelling *find(struct series_table *t, const struct fingerprint *key)
{
    const struct slots *slots = &t->by_text;
    uint32_t id = t->guess;
    if (id >= t->spelling_count || memcmp(&t->spellings[id].key, key, sizeof(*key)) != 0 ||
        t->spellings[id].series == SPELLING_FREE) {
        if (slots->at == NULL) {
            return NULL;
        }
        uint32_t i = slots_first(slots, (uint32_t)key->low);
        while (slots->at[i] != SLOT_EMPTY &&
               memcmp(&t->spellings[slots->at[i]].key, key, sizeof(*key)) != 0) {
            i = slots_after(slots, i);
        }
        id = slots->at[i];
    }
    if (id == SLOT_EMPTY) {
        return NULL;
    }
    t->guess = id + 1;
    return &t->spellings[id];
}

/* The spelling of a text, marked as seen in this scrape. */
static int look_up(struct series_table *t, enum series_text kind, struct str text,
                   struct spelling **out, struct err *e)
{
    struct fingerprint key = fingerprint_of(&t->keys[kind], text);
    struct spelling *s = find(t, &key);
    if (s == NULL) {
        if (series_learn(t, kind, &key, text, &s, e) != 0) {
            return -1;
        }
        t->guess = (uint32_t)(s - t->spellings) + 1;
    }
    if ((s->seen & ~SPELLING_NEW) != t->number) {
        s->seen = t->number;
    }
    *out = s;
    return 0;
}

static int out_of_memory(struct err *e)
{
    return err_set(e, ERR_MEMORY, "out of memory for the samples of a scrape");
}

/* A chunk to stage in. */
static int need_chunk(const struct series_table *t, struct chunk **c)
{
    if (*c == NULL) {
        *c = chunk_new(t->timestamp_ms);
    }
    return *c == NULL ? -1 : 0;
}

/* With the scrape's time. again: the scrape had this series before. */
static int stage(struct series_table *t, uint32_t id, bool again,
                 const struct exposed_sample *sample, struct err *e)
{
    struct series *s = &t->series[id];
    if (again) {
        series_count_drop(t, SERIES_DUPLICATE, sample->series);
        return 0;
    }
    if (t->timestamp_ms <= s->last_ms) {
        series_count_drop(t, SERIES_OUT_OF_ORDER, sample->series);
        return 0;
    }
    if (chunk_add(t->taken, id, normal(sample->value)) != 0) {
        return out_of_memory(e);
    }
    s->flags |= SERIES_STAGED;
    return 0;
}

/* What last_ms was, for undo_times. */
static int remember_time(struct series_table *t, uint32_t id)
{
    if (t->undo_count == t->undo_capacity) {
        size_t capacity = t->undo_capacity + t->undo_capacity / 2 + UNDO_STEP_MIN;
        struct series_undo *undo = reallocarray(t->undo, capacity, sizeof(*undo));
        if (undo == NULL) {
            return -1;
        }
        t->undo = undo;
        t->undo_capacity = capacity;
    }
    t->undo[t->undo_count++] = (struct series_undo){t->series[id].last_ms, id};
    return 0;
}

static void undo_times(struct series_table *t)
{
    while (t->undo_count > 0) {
        const struct series_undo *u = &t->undo[--t->undo_count];
        t->series[u->series].last_ms = u->last_ms;
    }
}

/* With a time of its own. A target that has nothing newer says the same again: no loss. */
static int stage_at(struct series_table *t, uint32_t id, bool again,
                    const struct exposed_sample *sample, struct err *e)
{
    struct series *s = &t->series[id];
    if (sample->timestamp_ms == s->last_ms && !again) {
        return 0;
    }
    if (sample->timestamp_ms <= s->last_ms || (s->flags & SERIES_STAGED) != 0) {
        series_count_drop(t, SERIES_OUT_OF_ORDER, sample->series);
        return 0;
    }
    if (remember_time(t, id) != 0 ||
        chunk_add_at(t->taken, id, normal(sample->value), sample->timestamp_ms) != 0) {
        return out_of_memory(e);
    }
    s->last_ms = sample->timestamp_ms;
    return 0;
}

static int take(struct series_table *t, enum series_text kind, const struct exposed_sample *sample,
                struct err *e)
{
    struct spelling *spelling;
    if (++t->counts.scraped > t->limits.samples_max) {
        return err_set(e, ERR_LIMIT, "more than %zu sample%s in one scrape", t->limits.samples_max,
                       fmt_s((int64_t)t->limits.samples_max));
    }
    if (need_chunk(t, &t->taken) != 0) {
        return out_of_memory(e);
    }
    if (look_up(t, kind, sample->series, &spelling, e) != 0) {
        return -1;
    }
    uint32_t id = spelling->series;
    if (id >= SERIES_MAX) {
        series_count_drop(t, (enum series_drop)(id - SPELLING_DROPPED), sample->series);
        return 0;
    }
    t->counts.kept++;
    struct series *s = &t->series[id];
    if ((s->flags & SERIES_RESERVED) != 0) {
        series_count_drop(t, SERIES_DUPLICATE, sample->series);
        return 0;
    }
    bool again = s->seen == t->number;
    if (!again) {
        s->seen = t->number;
        s->flags &= ~(uint32_t)SERIES_OWN;
        t->counts.added += (s->flags & SERIES_CACHED) == 0;
    }
    return sample->has_timestamp ? stage_at(t, id, again, sample, e)
                                 : stage(t, id, again, sample, e);
}

int scrape_take(struct series_table *t, enum exposition_format format,
                const struct exposed_sample *s, struct err *e)
{
    enum series_text kind =
        format == EXPOSITION_OPENMETRICS ? TEXT_TARGET_OPENMETRICS : TEXT_TARGET;
    int status = take(t, kind, s, e);
    if (status != 0) {
        t->failed = true;
    }
    return status;
}

int scrape_add_own(struct series_table *t, struct str series, double value, struct err *e)
{
    struct spelling *spelling;
    if (look_up(t, TEXT_OWN, series, &spelling, e) != 0) {
        return -1;
    }
    uint32_t id = spelling->series;
    if (id >= SERIES_MAX) {
        series_count_drop(t, (enum series_drop)(id - SPELLING_DROPPED), series);
        return 0;
    }
    struct series *s = &t->series[id];
    if (s->seen == t->number || (s->flags & SERIES_RESERVED) != 0) {
        return 0;
    }
    s->seen = t->number;
    s->flags |= SERIES_OWN;
    if (t->timestamp_ms <= s->last_ms) { /* the target had it before, for later than now */
        return 0;
    }
    if (need_chunk(t, &t->own) != 0 || chunk_add(t->own, id, normal(value)) != 0) {
        return out_of_memory(e);
    }
    s->flags |= SERIES_STAGED;
    return 0;
}

/* ---- beginning and ending ---- */

/* What was staged is given away or not wanted. */
static void end(struct series_table *t)
{
    chunk_free(t->taken);
    chunk_free(t->own);
    free(t->undo);
    t->taken = t->own = NULL;
    t->undo = NULL;
    t->undo_count = t->undo_capacity = 0;
    t->running = false;
}

static void abandon(struct series_table *t)
{
    undo_times(t);
    for (uint32_t i = 0; i < t->series_count; i++) {
        struct series *s = &t->series[i];
        bool taken = (s->flags & SERIES_USED) != 0 && s->seen == t->number;
        s->seen = taken ? 0 : s->seen;
        s->flags &= ~(uint32_t)SERIES_STAGED;
    }
    series_sweep(t, SCRAPE_UNDONE, t->first_waiting);
    end(t);
}

void scrape_begin(struct series_table *t, int64_t timestamp_ms)
{
    if (t->running) {
        abandon(t);
    }
    if (timestamp_ms < t->last_timestamp_ms) {
        t->last_timestamp_ms = INT64_MIN;
        for (uint32_t i = 0; i < t->series_count; i++) {
            t->series[i].last_ms = INT64_MIN;
        }
    }
    t->running = true;
    t->failed = false;
    t->number++;
    t->guess = 0;
    t->timestamp_ms = timestamp_ms;
    t->counts = (struct series_counts){0};
}

/* Its sample of this scrape is one that is sent. */
static bool is_present(const struct series_table *t, const struct series *s, bool good)
{
    return s->seen == t->number && (good || (s->flags & SERIES_OWN) != 0);
}

/* Live series had a sample of the last scrape's time, so any marker comes after it. */
static bool is_live(const struct series *s)
{
    return (s->flags & SERIES_LIVE) != 0;
}

static int add_markers(struct series_table *t, bool good, struct err *e)
{
    for (uint32_t i = 0; i < t->series_count; i++) {
        const struct series *s = &t->series[i];
        if ((s->flags & SERIES_RESERVED) != 0 || !is_live(s) || is_present(t, s, good)) {
            continue;
        }
        if (chunk_add(t->taken, i, series_stale_marker()) != 0) {
            return out_of_memory(e);
        }
        t->counts.stale++;
    }
    return 0;
}

static int add_reports(struct series_table *t, bool good, double duration_s, struct err *e)
{
    double values[REPORT_COUNT] = {
        [REPORT_UP] = good ? 1 : 0,
        [REPORT_DURATION] = normal(duration_s),
        [REPORT_SCRAPED] = (double)t->counts.scraped,
        [REPORT_KEPT] = (double)t->counts.kept,
        [REPORT_ADDED] = (double)t->counts.added,
    };
    for (size_t i = 0; i < REPORT_COUNT; i++) {
        if (chunk_add(t->taken, t->reports[i], values[i]) != 0) {
            return out_of_memory(e);
        }
    }
    return 0;
}

/* The chunk of this number has what was staged, markers and reports. */
static void commit_series(struct series_table *t, struct series *s, bool good, uint32_t chunk)
{
    bool reserved = (s->flags & SERIES_RESERVED) != 0;
    bool staged = reserved || (s->flags & SERIES_STAGED) != 0;
    bool marked = is_live(s), own = (s->flags & SERIES_OWN) != 0;
    if (reserved || is_present(t, s, good)) {
        s->flags |= SERIES_CACHED;
        s->chunk = chunk;
        marked = false;
    } else {
        s->flags &= good || own ? ~(uint32_t)SERIES_CACHED : UINT32_MAX;
        s->chunk = marked ? chunk : s->chunk;
        staged = false;
    }
    s->last_ms = staged || marked ? t->timestamp_ms : s->last_ms;
    s->flags &= ~(uint32_t)(SERIES_STAGED | SERIES_LIVE);
    s->flags |= staged ? SERIES_LIVE : 0;
    t->live += staged;
}

static void commit(struct series_table *t, bool good, uint32_t chunk)
{
    t->live = 0;
    for (uint32_t i = 0; i < t->series_count; i++) {
        if ((t->series[i].flags & SERIES_USED) != 0) {
            commit_series(t, &t->series[i], good, chunk);
        }
    }
    t->last_timestamp_ms = t->timestamp_ms;
}

/* Make the chunk of this scrape whole and give it to the outbox. */
static int deliver(struct series_table *t, const struct scrape_result *r, bool good,
                   struct outbox *out, struct err *e)
{
    if (t->timestamp_ms == t->last_timestamp_ms) {
        return err_set(e, ERR_INVALID, "two scrapes at the same time");
    }
    if (!good) {
        chunk_free(t->taken);
        t->taken = NULL;
        undo_times(t);
    }
    if (!good && !r->received) {
        t->counts.scraped = t->counts.kept = t->counts.added = 0;
    }
    if (need_chunk(t, &t->taken) != 0) {
        return out_of_memory(e);
    }
    if (add_markers(t, good, e) != 0) {
        return -1;
    }
    if (t->own != NULL) {
        chunk_join(t->taken, t->own);
        t->own = NULL;
    }
    if (add_reports(t, good, r->duration_s, e) != 0) {
        return -1;
    }
    chunk_fit(t->taken);
    if (outbox_append(out, t->taken, e) != 0) {
        return -1;
    }
    t->taken = NULL;
    return 0;
}

int scrape_finish(struct series_table *t, const struct scrape_result *r, struct outbox *out,
                  struct series_counts *counts, struct err *e)
{
    bool good = r->up && !t->failed;
    uint32_t chunk = outbox_next(out);
    if (deliver(t, r, good, out, e) != 0) {
        abandon(t);
        return -1;
    }
    commit(t, good, chunk);
    t->first_waiting = outbox_first(out);
    series_sweep(t, good ? SCRAPE_GOOD : SCRAPE_FAILED, t->first_waiting);
    end(t);
    *counts = t->counts;
    return 0;
}

/* Markers for all that is live, at this time; *samples of them. */
static int append_markers(const struct series_table *t, int64_t time_ms, struct outbox *out,
                          size_t *samples, struct err *e)
{
    struct chunk *c = chunk_new(time_ms);
    int status = c == NULL ? -1 : 0;
    for (uint32_t i = 0; i < t->series_count && status == 0; i++) {
        status = is_live(&t->series[i]) ? chunk_add(c, i, series_stale_marker()) : 0;
    }
    if (status != 0) {
        chunk_free(c);
        return out_of_memory(e);
    }
    chunk_fit(c);
    *samples = c->samples;
    status = *samples == 0 ? 0 : outbox_append(out, c, e);
    if (*samples == 0 || status != 0) {
        chunk_free(c);
    }
    return status;
}

int series_all_stale(struct series_table *t, int64_t timestamp_ms, struct outbox *out,
                     struct err *e)
{
    if (t->running) {
        abandon(t);
    }
    bool late = t->last_timestamp_ms == INT64_MIN || timestamp_ms > t->last_timestamp_ms;
    int64_t time = late ? timestamp_ms : t->last_timestamp_ms + 1;
    uint32_t number = outbox_next(out);
    size_t samples = 0;
    if (append_markers(t, time, out, &samples, e) != 0) {
        return -1;
    }
    for (uint32_t i = 0; i < t->series_count; i++) {
        struct series *s = &t->series[i];
        s->chunk = is_live(s) ? number : s->chunk;
        s->last_ms = is_live(s) ? time : s->last_ms;
        s->flags &= ~(uint32_t)SERIES_LIVE;
    }
    t->last_timestamp_ms = samples > 0 ? time : t->last_timestamp_ms;
    t->live = 0;
    return 0;
}

size_t series_live(const struct series_table *t)
{
    return t->live;
}

/* ---- for the outbox ---- */

size_t series_label_bytes(const struct series_table *t, uint32_t id)
{
    return label_store_at(&t->store, t->series[id].labels)->bytes + t->shared.ends[t->shared.count];
}

unsigned char *series_write_labels(const struct series_table *t, uint32_t id, unsigned char *to)
{
    return labels_write(label_store_at(&t->store, t->series[id].labels), &t->shared, to);
}
