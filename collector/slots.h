/* An index: open addressing over 32-bit slots, which hold the numbers of entries that live in an
 * array elsewhere. Linear probing, at most three quarters full, no tombstones.
 */
#ifndef AMPSCALE_COLLECTOR_SLOTS_H
#define AMPSCALE_COLLECTOR_SLOTS_H

#include <stddef.h>
#include <stdint.h>

#define SLOT_EMPTY UINT32_MAX

struct slots {
    uint32_t *at; /* [mask + 1]; NULL: none yet */
    uint32_t mask;
    uint32_t used;
};

/* Hash of the entry `id` of `entries`. */
typedef uint32_t slots_hash_fn(const void *entries, uint32_t id);

/* Walk what may be an entry of this hash: `for (i = slots_first(s, hash); s->at[i] != SLOT_EMPTY;
 * i = slots_after(s, i))`. Only where s->at is there. */
static inline uint32_t slots_first(const struct slots *s, uint32_t hash)
{
    return hash & s->mask;
}

static inline uint32_t slots_after(const struct slots *s, uint32_t i)
{
    return (i + 1) & s->mask;
}

/* How many slots are needed for one entry more; the present number while that will do. */
size_t slots_wanted(const struct slots *s);
/* Make it that many. -1: no memory, nothing changed. */
int slots_resize(struct slots *s, size_t count, slots_hash_fn *hash_of, const void *entries)
    __attribute__((warn_unused_result));
/* There is room (slots_wanted), and the entry is not in it. */
void slots_put(struct slots *s, uint32_t hash, uint32_t id);
/* The entry is in it. */
void slots_remove(struct slots *s, uint32_t id, slots_hash_fn *hash_of, const void *entries);
/* Fewer slots, where far more are there than needed and memory for them is found. */
void slots_shrink(struct slots *s, slots_hash_fn *hash_of, const void *entries);
size_t slots_bytes(const struct slots *s);
void slots_free(struct slots *s);

#endif
