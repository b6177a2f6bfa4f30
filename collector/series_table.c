/* The table itself: made, grown, swept and taken apart. */
#include <stdlib.h>

#include "collector/series_internal.h"

enum { ROOM_STEP_MIN = 256 };

static const struct str REPORT_NAMES[REPORT_COUNT] = {
    [REPORT_UP] = STR_INIT("up"),
    [REPORT_DURATION] = STR_INIT("scrape_duration_seconds"),
    [REPORT_SCRAPED] = STR_INIT("scrape_samples_scraped"),
    [REPORT_KEPT] = STR_INIT("scrape_samples_post_metric_relabeling"),
    [REPORT_ADDED] = STR_INIT("scrape_series_added"),
};

static uint32_t spelling_hash(const void *entries, uint32_t id)
{
    return (uint32_t)((const struct spelling *)entries)[id].key.low;
}

static uint32_t series_hash(const void *entries, uint32_t id)
{
    return ((const struct series *)entries)[id].hash;
}

/* ---- made ---- */

static int check_limits(const struct series_limits *l, struct err *e)
{
    if (l->labels_max == 0 || l->labels_max > EXPOSITION_LABELS_MAX) {
        return err_set(e, ERR_INVALID, "labels_max is %zu: expected 1 to %d", l->labels_max,
                       EXPOSITION_LABELS_MAX);
    }
    if (l->label_bytes_max == 0 || l->label_bytes_max > LABEL_BYTES_MAX) {
        return err_set(e, ERR_INVALID, "label_bytes_max is %zu: expected 1 to %d",
                       l->label_bytes_max, LABEL_BYTES_MAX);
    }
    return 0;
}

static int reserve_reports(struct series_table *t, struct err *e)
{
    for (size_t i = 0; i < REPORT_COUNT; i++) {
        struct own_labels own;
        labels_of_name(REPORT_NAMES[i], &own);
        size_t count = own.count + t->shared.count, bytes = own.text_bytes + t->shared.text_bytes;
        if (count > t->limits.labels_max || bytes > t->limits.label_bytes_max) {
            return err_set(e, ERR_INVALID,
                           "with its name %zu labels of %zu bytes: expected at most %zu of %zu",
                           count, bytes, t->limits.labels_max, t->limits.label_bytes_max);
        }
        if (series_of_labels(t, &own, &t->reports[i], e) != 0) {
            return -1;
        }
        t->series[t->reports[i]].flags |= SERIES_RESERVED;
    }
    return 0;
}

static int table_init(struct series_table *t, const struct series_options *o, struct err *e)
{
    if (check_limits(&o->limits, e) != 0 ||
        labels_share(o->shared, o->shared_count, &t->shared, e) != 0 ||
        keep_init(&t->keep, o->keep, o->keep_count, o->match, o->match_count, e) != 0) {
        return -1;
    }
    t->limits = o->limits;
    t->spelling_free = t->series_free = ENTRY_NONE;
    t->last_timestamp_ms = INT64_MIN;
    t->first_waiting = 1;
    for (size_t i = 0; i < TEXT_KINDS; i++) {
        t->keys[i] = fingerprint_key_of(o->seed + i);
    }
    t->label_key = fingerprint_key_of(o->seed + TEXT_KINDS);
    t->names = malloc(o->limits.label_bytes_max);
    t->record = malloc(labels_record_room(o->limits.label_bytes_max, o->limits.labels_max));
    if (t->names == NULL || t->record == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory");
    }
    return reserve_reports(t, e);
}

int series_table_new(const struct series_options *o, struct series_table **out, struct err *e)
{
    struct series_table *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory");
    }
    if (table_init(t, o, e) != 0) {
        series_table_free(t);
        return -1;
    }
    *out = t;
    return 0;
}

void series_table_free(struct series_table *t)
{
    if (t == NULL) {
        return;
    }
    chunk_free(t->taken);
    chunk_free(t->own);
    free(t->undo);
    free(t->texts);
    free(t->names);
    free(t->record);
    free(t->spellings);
    free(t->series);
    slots_free(&t->by_text);
    slots_free(&t->by_labels);
    label_store_free(&t->store);
    keep_free(&t->keep);
    free(t->shared.items);
    free(t);
}

size_t series_table_bytes(const struct series_table *t)
{
    return sizeof(*t) + t->spelling_capacity * sizeof(struct spelling) + slots_bytes(&t->by_text) +
           t->series_capacity * sizeof(struct series) + slots_bytes(&t->by_labels) +
           label_store_bytes(&t->store) + keep_bytes(&t->keep) + t->texts_room +
           t->undo_capacity * sizeof(struct series_undo);
}

/* ---- grown ---- */

static int within_limit(const struct series_table *t, size_t more, struct err *e)
{
    size_t bytes = series_table_bytes(t);
    if (more > t->limits.table_bytes_max || bytes > t->limits.table_bytes_max - more) {
        return err_set(e, ERR_LIMIT,
                       "too many series, or too long: their table would need more than %zu bytes "
                       "(%zu series are known)",
                       t->limits.table_bytes_max, (size_t)t->by_labels.used);
    }
    return 0;
}

static int no_memory(struct err *e)
{
    return err_set(e, ERR_MEMORY, "out of memory for another series");
}

/* One entry more in an array that has no free one. */
static int grow(struct series_table *t, void **array, uint32_t *capacity, size_t size,
                struct err *e)
{
    uint32_t step = *capacity / 4 > ROOM_STEP_MIN ? *capacity / 4 : ROOM_STEP_MIN;
    if (*capacity > SERIES_MAX - step) {
        return err_set(e, ERR_LIMIT, "more than %u series", *capacity);
    }
    if (within_limit(t, step * size, e) != 0) {
        return -1;
    }
    void *grown = reallocarray(*array, (size_t)*capacity + step, size);
    if (grown == NULL) {
        return no_memory(e);
    }
    *array = grown;
    *capacity += step;
    return 0;
}

static int grow_slots(struct series_table *t, struct slots *s, slots_hash_fn *hash_of,
                      const void *entries, struct err *e)
{
    size_t wanted = slots_wanted(s);
    if (wanted * sizeof(*s->at) == slots_bytes(s)) {
        return 0;
    }
    if (within_limit(t, wanted * sizeof(*s->at), e) != 0) {
        return -1;
    }
    return slots_resize(s, wanted, hash_of, entries) == 0 ? 0 : no_memory(e);
}

int series_table_room(struct series_table *t, bool series_too, size_t record_bytes, struct err *e)
{
    void *array = t->spellings;
    if (t->spelling_free == ENTRY_NONE && t->spelling_count == t->spelling_capacity &&
        grow(t, &array, &t->spelling_capacity, sizeof(struct spelling), e) != 0) {
        return -1;
    }
    t->spellings = array;
    if (grow_slots(t, &t->by_text, spelling_hash, t->spellings, e) != 0) {
        return -1;
    }
    if (!series_too) {
        return 0;
    }
    array = t->series;
    if (t->series_free == ENTRY_NONE && t->series_count == t->series_capacity &&
        grow(t, &array, &t->series_capacity, sizeof(struct series), e) != 0) {
        return -1;
    }
    t->series = array;
    if (grow_slots(t, &t->by_labels, series_hash, t->series, e) != 0) {
        return -1;
    }
    size_t more = label_store_growth(&t->store, record_bytes);
    return more == 0 ? 0 : within_limit(t, more, e);
}

/* ---- swept ---- */

static bool spelling_stays(const struct series_table *t, const struct spelling *s,
                           enum scrape_end end)
{
    bool taken = (s->seen & ~SPELLING_NEW) == t->number;
    bool learnt = s->seen == (t->number | SPELLING_NEW);
    if (end == SCRAPE_UNDONE) {
        return !learnt;
    }
    if (s->series < SERIES_MAX && (t->series[s->series].flags & SERIES_OWN) != 0) {
        return taken;
    }
    return end == SCRAPE_GOOD ? taken : !learnt;
}

/* From the last to the first, so that the chain of free ones begins with the lowest. */
static void sweep_spellings(struct series_table *t, enum scrape_end end)
{
    t->spelling_free = ENTRY_NONE;
    for (uint32_t i = t->spelling_count; i-- > 0;) {
        struct spelling *s = &t->spellings[i];
        if (s->series != SPELLING_FREE && !spelling_stays(t, s, end)) {
            slots_remove(&t->by_text, i, spelling_hash, t->spellings);
            s->series = SPELLING_FREE;
        }
        if (s->series != SPELLING_FREE) {
            continue;
        }
        if (i + 1 == t->spelling_count) {
            t->spelling_count--;
        } else {
            s->seen = t->spelling_free;
            t->spelling_free = i;
        }
    }
}

static bool series_stays(const struct series *s, uint32_t first)
{
    uint32_t needed = SERIES_RESERVED | SERIES_CACHED | SERIES_LIVE;
    return (s->flags & needed) != 0 || s->chunk >= first;
}

static void sweep_series(struct series_table *t, uint32_t first)
{
    t->series_free = ENTRY_NONE;
    for (uint32_t i = t->series_count; i-- > 0;) {
        struct series *s = &t->series[i];
        if ((s->flags & SERIES_USED) != 0 && !series_stays(s, first)) {
            slots_remove(&t->by_labels, i, series_hash, t->series);
            label_store_drop(&t->store, s->labels);
            s->flags = 0;
        }
        if (s->flags != 0) {
            continue;
        }
        if (i + 1 == t->series_count) {
            t->series_count--;
        } else {
            s->seen = t->series_free;
            t->series_free = i;
        }
    }
}

/* Less room, where far more is there than needed; as it was where there is no memory for that. */
static void shrink(void **array, uint32_t *capacity, uint32_t count, size_t size)
{
    uint32_t room = count + count / 4 + ROOM_STEP_MIN;
    if (*capacity / 2 < room) {
        return;
    }
    void *shrunk = reallocarray(*array, room, size);
    if (shrunk != NULL) {
        *array = shrunk;
        *capacity = room;
    }
}

static void record_moved(void *table, uint32_t owner, uint32_t ref)
{
    struct series_table *t = table;
    t->series[owner].labels = ref;
}

void series_sweep(struct series_table *t, enum scrape_end end, uint32_t first)
{
    sweep_spellings(t, end);
    sweep_series(t, first);
    label_store_compact(&t->store, record_moved, t);
    void *array = t->spellings;
    shrink(&array, &t->spelling_capacity, t->spelling_count, sizeof(struct spelling));
    t->spellings = array;
    array = t->series;
    shrink(&array, &t->series_capacity, t->series_count, sizeof(struct series));
    t->series = array;
    slots_shrink(&t->by_text, spelling_hash, t->spellings);
    slots_shrink(&t->by_labels, series_hash, t->series);
}
