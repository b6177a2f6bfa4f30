#include "base/buf.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/fmt.h"

enum {
    FIRST_BYTES = 256,
    CUT_BYTES = 4, /* fmt_v cuts off no more, so that no character is broken */
};

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_free(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){.max = b->max};
}

void buf_wipe(struct buf *b)
{
    if (b->ptr != NULL) {
        explicit_bzero(b->ptr, b->cap);
    }
    buf_free(b);
}

void buf_reset(struct buf *b)
{
    b->len = 0;
    b->failed = false;
}

/* Room for `extra` more bytes below `limit` in all; false makes the buffer failed. */
static bool reserve(struct buf *b, size_t extra, size_t limit)
{
    if (b->failed) {
        return false;
    }
    if (extra > limit || b->len > limit - extra) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + extra;
    if (need <= b->cap) {
        return true;
    }
    size_t cap = b->cap == 0 ? FIRST_BYTES : b->cap;
    while (cap < need) {
        cap = cap > limit / 2 ? limit : cap * 2;
    }
    if (cap > limit) {
        cap = limit;
    }
    char *grown = realloc(b->ptr, cap);
    if (grown == NULL) {
        b->failed = true;
        return false;
    }
    b->ptr = grown;
    b->cap = cap;
    return true;
}

/* Whether `extra` more bytes fit into what is there: mostly they do. */
static bool has_room(const struct buf *b, size_t extra)
{
    const size_t end = b->cap < b->max ? b->cap : b->max;
    return !b->failed && b->len <= end && extra <= end - b->len;
}

void buf_append(struct buf *b, struct str s)
{
    if (s.len == 0 || (!has_room(b, s.len) && !reserve(b, s.len, b->max))) {
        return;
    }
    memcpy(b->ptr + b->len, s.ptr, s.len);
    b->len += s.len;
}

void buf_append_char(struct buf *b, char c)
{
    if (has_room(b, 1)) {
        b->ptr[b->len++] = c;
    } else {
        buf_append(b, (struct str){&c, 1});
    }
}

void buf_format(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vformat(b, format, args);
    va_end(args);
}

void buf_vformat(struct buf *b, const char *format, va_list args)
{
    if (b->failed) {
        return;
    }
    /* Mostly it fits into what is there, and is formatted once. */
    size_t room = b->cap - b->len, length;
    if (room > 0) {
        va_list copy;
        va_copy(copy, args);
        length = fmt_v(b->ptr + b->len, room, format, copy).len;
        va_end(copy);
        if (length + CUT_BYTES < room) {
            b->len += length;
            return;
        }
    }
    length = fmt_length(format, args);
    if (length > b->max - b->len) {
        b->failed = true;
        return;
    }
    /* vsnprintf also writes a NUL, for which the ceiling makes room without counting it. */
    size_t limit = b->max == SIZE_MAX ? b->max : b->max + 1;
    if (!reserve(b, length + 1, limit)) {
        return;
    }
    b->len += fmt_v(b->ptr + b->len, length + 1, format, args).len;
}

struct str buf_view(const struct buf *b)
{
    return (struct str){b->ptr != NULL ? b->ptr : "", b->len};
}

int buf_check(const struct buf *b, struct err *e)
{
    if (b->failed) {
        return err_set(e, ERR_LIMIT, "text does not fit: more than %zu bytes", b->max);
    }
    return 0;
}
