#include "base/arena.h"

#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"

enum { ALIGNMENT = alignof(max_align_t), CHUNK_BYTES = 4096 };

struct arena_chunk {
    struct arena_chunk *next;
    size_t size; /* of data[] */
    size_t used;
    alignas(max_align_t) unsigned char data[];
};

void arena_init(struct arena *a, size_t max_bytes)
{
    *a = (struct arena){.max_bytes = max_bytes};
}

static void free_chunks(struct arena_chunk *chunk)
{
    while (chunk != NULL) {
        struct arena_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void arena_free(struct arena *a)
{
    free_chunks(a->chunks);
    a->chunks = NULL;
    a->used_bytes = 0;
}

void arena_wipe(struct arena *a)
{
    for (struct arena_chunk *chunk = a->chunks; chunk != NULL; chunk = chunk->next) {
        explicit_bzero(chunk->data, chunk->used);
    }
    arena_free(a);
}

void arena_reset(struct arena *a)
{
    if (a->chunks != NULL) {
        free_chunks(a->chunks->next); /* keep the newest, sizes double */
        a->chunks->next = NULL;
        a->chunks->used = 0;
    }
    a->used_bytes = 0;
}

/* A new newest chunk with room for `need` bytes: twice the last one, never more than the arena's
 * rest. */
static struct arena_chunk *add_chunk(struct arena *a, size_t need)
{
    size_t rest = a->max_bytes - a->used_bytes;
    size_t size = a->chunks == NULL ? CHUNK_BYTES : a->chunks->size;
    if (a->chunks != NULL) {
        size = size > SIZE_MAX / 2 ? SIZE_MAX : size * 2;
    }
    if (size > rest) {
        size = rest;
    }
    if (size < need) {
        size = need;
    }
    if (size > SIZE_MAX - sizeof(struct arena_chunk)) {
        return NULL;
    }
    struct arena_chunk *chunk = malloc(sizeof(*chunk) + size);
    if (chunk == NULL) {
        return NULL;
    }
    chunk->next = a->chunks;
    chunk->size = size;
    chunk->used = 0;
    a->chunks = chunk;
    return chunk;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t want = size == 0 ? 1 : size;
    if (want > SIZE_MAX - ALIGNMENT) {
        return NULL;
    }
    want = (want + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (want > a->max_bytes - a->used_bytes) {
        return NULL;
    }
    struct arena_chunk *chunk = a->chunks;
    if (chunk == NULL || want > chunk->size - chunk->used) {
        chunk = add_chunk(a, want);
    }
    if (chunk == NULL) {
        return NULL;
    }
    void *out = chunk->data + chunk->used;
    chunk->used += want;
    a->used_bytes += want;
    memset(out, 0, want);
    return out;
}

void *arena_array(struct arena *a, size_t count, size_t element_size)
{
    size_t size;
    if (__builtin_mul_overflow(count, element_size, &size)) {
        return NULL;
    }
    return arena_alloc(a, size);
}

int arena_str(struct arena *a, struct str s, struct str *out, struct err *e)
{
    char *copy = s.len == SIZE_MAX ? NULL : arena_alloc(a, s.len + 1);
    if (copy == NULL) {
        return arena_err(a, e);
    }
    if (s.len > 0) {
        memcpy(copy, s.ptr, s.len);
    }
    *out = (struct str){copy, s.len};
    return 0;
}

int arena_format(struct arena *a, struct str *out, struct err *e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t length = fmt_length(format, args);
    char *text = arena_alloc(a, length + 1);
    if (text != NULL) {
        *out = fmt_v(text, length + 1, format, args);
    }
    va_end(args);
    return text == NULL ? arena_err(a, e) : 0;
}

int arena_err(const struct arena *a, struct err *e)
{
    return err_set(e, ERR_MEMORY, "out of memory: more than %zu bytes for one request or tick",
                   a->max_bytes);
}
