/* A text that the table has not met: what a new series costs, once. */
#include <stdlib.h>

#include "collector/series_internal.h"

enum { TEXTS_KEPT_BYTES = 16384 }; /* scratch for longer texts is given back */

/* ---- counting what is dropped ---- */

/* The metric name of a text, or the beginning of whatever stands there. */
static struct str name_of(struct str text)
{
    size_t end = str_find_char(text, '{');
    return end > 0 ? str_trim(str_slice(text, 0, end)) : text;
}

void series_count_drop(struct series_table *t, enum series_drop why, struct str text)
{
    if (t->counts.dropped[why]++ == 0) {
        char *to = t->examples[why];
        t->counts.example[why] = str_copy_to(&to, str_slice(name_of(text), 0, EXAMPLE_BYTES));
    }
}

/* ---- entries ---- */

/* There is room. */
static struct spelling *add_spelling(struct series_table *t, const struct fingerprint *key,
                                     uint32_t series)
{
    uint32_t id = t->spelling_free;
    if (id == ENTRY_NONE) {
        id = t->spelling_count++;
    } else {
        t->spelling_free = t->spellings[id].seen;
    }
    struct spelling *s = &t->spellings[id];
    *s = (struct spelling){*key, series, t->number | SPELLING_NEW};
    slots_put(&t->by_text, (uint32_t)key->low, id);
    return s;
}

static uint32_t find_labels(const struct series_table *t, uint32_t hash, struct str text)
{
    const struct slots *slots = &t->by_labels;
    if (slots->at == NULL) {
        return ENTRY_NONE;
    }
    for (uint32_t i = slots_first(slots, hash); slots->at[i] != SLOT_EMPTY;
         i = slots_after(slots, i)) {
        const struct series *s = &t->series[slots->at[i]];
        if (s->hash == hash &&
            str_eq(text, labels_record_text(label_store_at(&t->store, s->labels)))) {
            return slots->at[i];
        }
    }
    return ENTRY_NONE;
}

int series_of_labels(struct series_table *t, const struct own_labels *own, uint32_t *id,
                     struct err *e)
{
    struct label_record *record = t->record;
    labels_encode(own, &t->shared, record);
    struct str text = labels_record_text(record);
    uint32_t hash = (uint32_t)fingerprint_of(&t->label_key, text).low, ref;
    uint32_t found = find_labels(t, hash, text);
    if (found != ENTRY_NONE) {
        *id = found;
        return 0;
    }
    if (series_table_room(t, true, labels_record_bytes(record), e) != 0) {
        return -1;
    }
    found = t->series_free == ENTRY_NONE ? t->series_count : t->series_free;
    record->owner = found;
    if (label_store_add(&t->store, record, &ref) != 0) {
        return err_set(e, ERR_MEMORY, "out of memory for another series");
    }
    if (found == t->series_count) {
        t->series_count++;
    } else {
        t->series_free = t->series[found].seen;
    }
    t->series[found] =
        (struct series){.last_ms = INT64_MIN, .labels = ref, .hash = hash, .flags = SERIES_USED};
    slots_put(&t->by_labels, hash, found);
    *id = found;
    return 0;
}

/* ---- a text ---- */

/* Scratch as long as the text, which is all that its parsing may need. */
static int scratch(struct series_table *t, size_t length, struct buf *out, struct err *e)
{
    bool much = t->texts_room > TEXTS_KEPT_BYTES && length <= TEXTS_KEPT_BYTES;
    if (t->texts_room < length || much) {
        size_t room = length > TEXTS_KEPT_BYTES ? length : TEXTS_KEPT_BYTES;
        char *texts = malloc(room);
        if (texts == NULL) {
            return err_set(e, ERR_MEMORY, "out of memory for another series");
        }
        free(t->texts);
        t->texts = texts;
        t->texts_room = room;
    }
    *out = (struct buf){.ptr = t->texts, .cap = t->texts_room, .max = t->texts_room};
    return 0;
}

/* What promql_may_select asks about. */
struct asked {
    const struct own_labels *own;
    const struct shared_labels *shared;
};

static struct str value_in(const struct series_label *items, size_t count, struct str name)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(items[i].name, name)) {
            return items[i].value;
        }
    }
    return (struct str){0};
}

static struct str value_of(const void *series, struct str name)
{
    const struct asked *asked = series;
    struct str own = value_in(asked->own->items, asked->own->count, name);
    return own.len > 0 ? own : value_in(asked->shared->items, asked->shared->count, name);
}

/* `whole`: all labels are known. Of one whose are not, no selector can say no. */
static bool is_kept(const struct series_table *t, const struct own_labels *own, struct str name,
                    bool whole)
{
    struct asked asked = {own, &t->shared};
    if (keep_all(&t->keep) || keep_name(&t->keep, name)) {
        return true;
    }
    return whole ? keep_series(&t->keep, value_of, &asked) : t->keep.selector_count > 0;
}

/* The series of a parsed text, or SPELLING_DROPPED + why there is none. */
static int resolve(struct series_table *t, enum series_text kind, const struct exposed_series *in,
                   uint32_t *series, struct err *e)
{
    struct own_labels own;
    /* Names that do not fit are longer than all labels may be. */
    bool fits = labels_resolve(in, &t->shared, t->names, t->limits.label_bytes_max, &own) == 0;
    if (kind != TEXT_OWN && !is_kept(t, &own, in->name, fits)) {
        *series = SPELLING_DROPPED + SERIES_NOT_KEPT;
    } else if (!fits || own.text_bytes + t->shared.text_bytes > t->limits.label_bytes_max) {
        *series = SPELLING_DROPPED + SERIES_LABELS_TOO_LONG;
    } else if (own.count + t->shared.count > t->limits.labels_max) {
        *series = SPELLING_DROPPED + SERIES_TOO_MANY_LABELS;
    } else {
        return series_of_labels(t, &own, series, e);
    }
    return 0;
}

int series_learn(struct series_table *t, enum series_text kind, const struct fingerprint *key,
                 struct str text, struct spelling **out, struct err *e)
{
    struct buf texts;
    struct exposed_series exposed;
    enum exposition_format format =
        kind == TEXT_TARGET_OPENMETRICS ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
    uint32_t series = SPELLING_DROPPED + SERIES_TOO_MANY_LABELS;
    if (scratch(t, text.len, &texts, e) != 0) {
        return -1;
    }
    int status = exposition_labels(format, text, &texts, &exposed, e);
    if (status == 0 && resolve(t, kind, &exposed, &series, e) != 0) {
        return -1;
    }
    if (status != 0 && e->code != ERR_LIMIT) { /* ERR_LIMIT: more labels than any series may have */
        return -1;
    }
    if (series_table_room(t, false, 0, e) != 0) {
        return -1;
    }
    *out = add_spelling(t, key, series);
    return 0;
}
