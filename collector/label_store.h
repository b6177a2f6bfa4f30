/* Where label records live: a log of 64 KiB blocks, so that thousands of small texts of any length
 * come and go without a malloc each, and what is allocated stays below twice what is in use and a
 * block (label_store_compact, once a scrape).
 */
#ifndef AMPSCALE_COLLECTOR_LABEL_STORE_H
#define AMPSCALE_COLLECTOR_LABEL_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "collector/labels.h"

enum { LABEL_BLOCK_BYTES = 65536 - 32 /* malloc's own */ };

struct label_block {
    uint32_t used, live; /* bytes of `at`; live: of records that are not dropped */
    unsigned char at[];
};

struct label_store {
    struct label_block **blocks; /* [count]; NULL: free */
    size_t count, capacity;
    size_t current; /* the block that is appended to */
};

/* Bytes that adding a record of `bytes` would allocate; 0: there is room. */
size_t label_store_growth(const struct label_store *s, size_t bytes);
/* A copy of *r. -1: no memory, nothing changed. */
int label_store_add(struct label_store *s, const struct label_record *r, uint32_t *ref)
    __attribute__((warn_unused_result));
void label_store_drop(struct label_store *s, uint32_t ref);

static inline const struct label_record *label_store_at(const struct label_store *s, uint32_t ref)
{
    const void *record = s->blocks[ref >> 16]->at + (ref & 0xffff);
    return record;
}

/* Free empty blocks, move what is in sparse ones together. moved: record of this owner is at `ref`
 * now. Lack of memory ends it early. */
void label_store_compact(struct label_store *s,
                         void (*moved)(void *context, uint32_t owner, uint32_t ref), void *context);
size_t label_store_bytes(const struct label_store *s);
void label_store_free(struct label_store *s);

#endif
