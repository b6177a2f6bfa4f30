/* Bounded byte buffers.
 *
 * A buffer is born with its ceiling. Appending past it (or running out of memory) appends nothing
 * and makes the buffer `failed` for good, so a writer may append freely and check once at the end.
 */
#ifndef AMPSCALE_BASE_BUF_H
#define AMPSCALE_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/str.h"

struct buf {
    char *ptr;
    size_t len; /* bytes in use */
    size_t cap; /* bytes allocated */
    size_t max; /* the ceiling */
    bool failed;
};

void buf_init(struct buf *b, size_t max_bytes);
void buf_free(struct buf *b);
void buf_wipe(struct buf *b);  /* frees it, and leaves nothing of a secret in its memory */
void buf_reset(struct buf *b); /* empties it and clears `failed`; keeps the memory */

void buf_append(struct buf *b, struct str s);
void buf_append_char(struct buf *b, char c);
__attribute__((format(printf, 2, 3))) void buf_format(struct buf *b, const char *format, ...);
__attribute__((format(printf, 2, 0))) void buf_vformat(struct buf *b, const char *format,
                                                       va_list args);

/* What was written; valid until the next append, reset or free. */
struct str buf_view(const struct buf *b);

/* 0, or -1 with ERR_LIMIT naming the ceiling when an append did not fit. */
int buf_check(const struct buf *b, struct err *e) __attribute__((warn_unused_result));

#endif
