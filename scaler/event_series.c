#include "scaler/event_series.h"

#include <stdbool.h>
#include <stdlib.h>

enum {
    SETS = 1024, /* a power of two */
    WAYS = 4,    /* an entry displaces the oldest of its set */
    SERIES_MS = 6 * 60 * 1000,
    BURST = 25,
    REFILL_MS = 5 * 60 * 1000,
};

struct series {
    unsigned long long key; /* 0: free */
    int64_t last_ms;        /* of the last equal event */
    int64_t count;
    struct event_id id;
};

/* Tokens of one object, as the time at which all of them would be back. */
struct bucket {
    unsigned long long key;
    int64_t full_ms;
};

struct event_series {
    struct series series[SETS][WAYS];
    struct bucket buckets[SETS][WAYS];
    uint32_t serial;
};

int event_series_new(struct event_series **out, struct err *e)
{
    struct event_series *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        return err_set(e, ERR_MEMORY, "out of memory for the events");
    }
    *out = s;
    return 0;
}

void event_series_free(struct event_series *s)
{
    free(s);
}

static unsigned long long mix(unsigned long long key, struct str text)
{
    key = (key ^ str_hash(text)) * 0x9E3779B97F4A7C15U;
    return key ^ (key >> 29);
}

static size_t set_of(unsigned long long key)
{
    return (size_t)(key >> 40) & (SETS - 1);
}

static struct series *series_of(struct event_series *s, unsigned long long key)
{
    struct series *set = s->series[set_of(key)];
    struct series *oldest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key) {
            return &set[i];
        }
        if (set[i].key == 0 || (oldest->key != 0 && set[i].last_ms < oldest->last_ms)) {
            oldest = &set[i];
        }
    }
    *oldest = (struct series){.key = key};
    return oldest;
}

static struct bucket *bucket_of(struct event_series *s, unsigned long long key)
{
    struct bucket *set = s->buckets[set_of(key)];
    struct bucket *fullest = set;
    for (size_t i = 0; i < WAYS; i++) {
        if (set[i].key == key) {
            return &set[i];
        }
        fullest = set[i].full_ms < fullest->full_ms ? &set[i] : fullest;
    }
    *fullest = (struct bucket){.key = key};
    return fullest;
}

static bool take_token(struct bucket *b, int64_t now_ms)
{
    int64_t full_ms = b->full_ms > now_ms ? b->full_ms : now_ms;
    if (full_ms - now_ms > (int64_t)(BURST - 1) * REFILL_MS) {
        return false;
    }
    b->full_ms = full_ms + REFILL_MS;
    return true;
}

enum event_step event_series_next(struct event_series *s, struct str uid, struct str type,
                                  struct str reason, struct str note, int64_t now_ms,
                                  int64_t unix_ms, struct event_id *id, int64_t *count)
{
    unsigned long long object = mix(1, uid) | 1; /* 0 means free */
    unsigned long long key = mix(mix(mix(object, type), reason), note) | 1;
    struct series *found = series_of(s, key);
    bool repeats = found->count > 0 && now_ms - found->last_ms < SERIES_MS;
    bool allowed = take_token(bucket_of(s, object), now_ms);
    if (!repeats) {
        found->count = 0;
    }
    if (!repeats && !allowed) {
        found->key = 0;
        return EVENT_DROP;
    }
    found->count++;
    found->last_ms = now_ms;
    if (!allowed) {
        return EVENT_DROP;
    }
    if (!repeats) {
        found->id = (struct event_id){unix_ms, s->serial++};
    }
    *id = found->id;
    *count = found->count;
    return repeats ? EVENT_REPEAT : EVENT_CREATE;
}

void event_series_forget(struct event_series *s, struct event_id id)
{
    for (size_t set = 0; set < SETS; set++) {
        for (size_t way = 0; way < WAYS; way++) {
            struct series *x = &s->series[set][way];
            if (x->key != 0 && x->id.serial == id.serial && x->id.unix_ms == id.unix_ms) {
                x->key = 0;
                return;
            }
        }
    }
}
