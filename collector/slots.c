#include "collector/slots.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { SLOTS_MIN = 256 };

static size_t slots_count(const struct slots *s)
{
    return s->at == NULL ? 0 : (size_t)s->mask + 1;
}

size_t slots_wanted(const struct slots *s)
{
    size_t count = slots_count(s);
    if (count == 0) {
        return SLOTS_MIN;
    }
    return s->used + 1 > count / 4 * 3 ? count * 2 : count;
}

int slots_resize(struct slots *s, size_t count, slots_hash_fn *hash_of, const void *entries)
{
    uint32_t *at = reallocarray(NULL, count, sizeof(*at));
    if (at == NULL) {
        return -1;
    }
    memset(at, 0xff, count * sizeof(*at)); /* SLOT_EMPTY */
    struct slots next = {.at = at, .mask = (uint32_t)(count - 1)};
    for (size_t i = 0; i < slots_count(s); i++) {
        if (s->at[i] != SLOT_EMPTY) {
            slots_put(&next, hash_of(entries, s->at[i]), s->at[i]);
        }
    }
    free(s->at);
    *s = next;
    return 0;
}

void slots_put(struct slots *s, uint32_t hash, uint32_t id)
{
    uint32_t i = slots_first(s, hash);
    while (s->at[i] != SLOT_EMPTY) {
        i = slots_after(s, i);
    }
    s->at[i] = id;
    s->used++;
}

/* What follows the hole and would no longer be found is moved into it (Knuth 6.4, algorithm R). */
void slots_remove(struct slots *s, uint32_t id, slots_hash_fn *hash_of, const void *entries)
{
    uint32_t hole = slots_first(s, hash_of(entries, id));
    while (s->at[hole] != id) {
        hole = slots_after(s, hole);
    }
    for (uint32_t i = slots_after(s, hole); s->at[i] != SLOT_EMPTY; i = slots_after(s, i)) {
        uint32_t home = slots_first(s, hash_of(entries, s->at[i]));
        bool stays = ((i - home) & s->mask) < ((i - hole) & s->mask);
        if (!stays) {
            s->at[hole] = s->at[i];
            hole = i;
        }
    }
    s->at[hole] = SLOT_EMPTY;
    s->used--;
}

void slots_shrink(struct slots *s, slots_hash_fn *hash_of, const void *entries)
{
    size_t count = slots_count(s), fewer = SLOTS_MIN;
    while (s->used > fewer / 2) {
        fewer *= 2;
    }
    if (fewer * 4 <= count && slots_resize(s, fewer, hash_of, entries) != 0) {
        return; /* as it was: more than needed */
    }
}

size_t slots_bytes(const struct slots *s)
{
    return slots_count(s) * sizeof(*s->at);
}

void slots_free(struct slots *s)
{
    free(s->at);
    *s = (struct slots){0};
}
