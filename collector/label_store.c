#include "collector/label_store.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define DROPPED UINT32_MAX /* owner of a record that is no longer there */

enum { BLOCKS_STEP = 64, BLOCKS_MAX = 65536 };

_Static_assert(sizeof(struct label_block) + LABEL_BLOCK_BYTES < 65536, "an offset has 16 bits");

/* Records are aligned for their owner. */
static size_t padded(size_t bytes)
{
    return (bytes + 3) / 4 * 4;
}

static struct label_record *record_at(struct label_block *block, size_t offset)
{
    void *record = block->at + offset;
    return record;
}

static bool has_room(const struct label_store *s, size_t bytes)
{
    return s->current < s->count && s->blocks[s->current] != NULL &&
           LABEL_BLOCK_BYTES - s->blocks[s->current]->used >= bytes;
}

size_t label_store_growth(const struct label_store *s, size_t bytes)
{
    return has_room(s, padded(bytes)) ? 0 : sizeof(struct label_block) + LABEL_BLOCK_BYTES;
}

/* The number of a block that is none yet. */
static int free_place(struct label_store *s, size_t *place)
{
    size_t i = 0;
    while (i < s->count && s->blocks[i] != NULL) {
        i++;
    }
    if (i == BLOCKS_MAX) {
        return -1;
    }
    if (i == s->capacity) {
        size_t capacity = s->capacity + BLOCKS_STEP;
        struct label_block **blocks =
            reallocarray(s->blocks, capacity, sizeof(struct label_block *));
        if (blocks == NULL) {
            return -1;
        }
        s->blocks = blocks;
        s->capacity = capacity;
    }
    *place = i;
    return 0;
}

static int add_block(struct label_store *s)
{
    size_t place;
    if (free_place(s, &place) != 0) {
        return -1;
    }
    struct label_block *block = malloc(sizeof(*block) + LABEL_BLOCK_BYTES);
    if (block == NULL) {
        return -1;
    }
    block->used = 0;
    block->live = 0;
    s->blocks[place] = block;
    s->current = place;
    if (place == s->count) {
        s->count++;
    }
    return 0;
}

int label_store_add(struct label_store *s, const struct label_record *r, uint32_t *ref)
{
    size_t bytes = labels_record_bytes(r), room = padded(bytes);
    if (!has_room(s, room) && add_block(s) != 0) {
        return -1;
    }
    struct label_block *block = s->blocks[s->current];
    memcpy(block->at + block->used, r, bytes);
    *ref = (uint32_t)(s->current << 16 | block->used);
    block->used += (uint32_t)room;
    block->live += (uint32_t)room;
    return 0;
}

void label_store_drop(struct label_store *s, uint32_t ref)
{
    struct label_block *block = s->blocks[ref >> 16];
    struct label_record *record = record_at(block, ref & 0xffff);
    record->owner = DROPPED;
    block->live -= (uint32_t)padded(labels_record_bytes(record));
}

static int move_out(struct label_store *s, struct label_block *block,
                    void (*moved)(void *, uint32_t, uint32_t), void *context)
{
    for (size_t at = 0; at < block->used;) {
        struct label_record *record = record_at(block, at);
        uint32_t ref;
        at += padded(labels_record_bytes(record));
        if (record->owner == DROPPED) {
            continue;
        }
        if (label_store_add(s, record, &ref) != 0) {
            return -1;
        }
        moved(context, record->owner, ref);
        block->live -= (uint32_t)padded(labels_record_bytes(record));
        record->owner = DROPPED;
    }
    return 0;
}

void label_store_compact(struct label_store *s,
                         void (*moved)(void *context, uint32_t owner, uint32_t ref), void *context)
{
    size_t count = s->count; /* those that are made meanwhile are not sparse */
    for (size_t i = 0; i < count; i++) {
        struct label_block *block = s->blocks[i];
        bool sparse = block != NULL && block->live <= block->used / 2;
        if (!sparse || (i == s->current && block->live > 0)) {
            continue;
        }
        if (move_out(s, block, moved, context) != 0) {
            return;
        }
        free(block);
        s->blocks[i] = NULL;
    }
    while (s->count > 0 && s->blocks[s->count - 1] == NULL) {
        s->count--;
    }
}

size_t label_store_bytes(const struct label_store *s)
{
    size_t bytes = s->capacity * sizeof(struct label_block *);
    for (size_t i = 0; i < s->count; i++) {
        bytes += s->blocks[i] == NULL ? 0 : sizeof(struct label_block) + LABEL_BLOCK_BYTES;
    }
    return bytes;
}

void label_store_free(struct label_store *s)
{
    for (size_t i = 0; i < s->count; i++) {
        free(s->blocks[i]);
    }
    free(s->blocks);
    *s = (struct label_store){0};
}
