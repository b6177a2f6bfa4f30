/* Arenas: memory by lifetime.
 *
 * Everything that lives for one request or one tick is taken from an arena and given back at once
 * by arena_reset. An arena is born with its ceiling and never grows past it, so hostile input
 * costs a stated amount. Not thread-safe: an arena belongs to one loop.
 */
#ifndef AMPSCALE_BASE_ARENA_H
#define AMPSCALE_BASE_ARENA_H

#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    size_t used_bytes;          /* handed out since the last reset, with alignment */
    size_t max_bytes;           /* the ceiling */
};

/* An empty arena; allocates nothing yet. Release with arena_free. */
void arena_init(struct arena *a, size_t max_bytes);

/* Give all memory back. The arena may be used again. Safe on a zeroed arena. */
void arena_free(struct arena *a);

/* The same, and nothing of a secret is left in the memory. */
void arena_wipe(struct arena *a);

/* Forget every allocation but keep one chunk for the next round. */
void arena_reset(struct arena *a);

/* `size` zeroed bytes aligned for any type, or NULL when the ceiling or the machine's memory is
 * reached. Size 0 gives a unique non-NULL pointer. */
void *arena_alloc(struct arena *a, size_t size) __attribute__((warn_unused_result));

/* The same for `count` elements; refuses an overflowing product. */
void *arena_array(struct arena *a, size_t count, size_t element_size)
    __attribute__((warn_unused_result));

/* Copy s into the arena (with a NUL after it, not counted). -1/ERR_MEMORY at the ceiling. */
int arena_str(struct arena *a, struct str s, struct str *out, struct err *e)
    __attribute__((warn_unused_result));

/* printf into the arena. -1/ERR_MEMORY at the ceiling. */
__attribute__((format(printf, 4, 5), warn_unused_result)) int
arena_format(struct arena *a, struct str *out, struct err *e, const char *format, ...);

/* Fail with the arena's own message: "out of memory: more than N bytes for one …". Returns -1. */
int arena_err(const struct arena *a, struct err *e);

#endif
