#include "collector/lines.h"

enum { PARTIAL_KEPT_BYTES = 16 << 10 }; /* between bodies; more is given back */

void lines_init(struct lines *l, uint64_t body_max_bytes, lines_take_fn *take, void *context)
{
    *l = (struct lines){.body_max_bytes = body_max_bytes, .take = take, .context = context};
    buf_init(&l->partial, LINES_LINE_MAX_BYTES);
}

void lines_free(struct lines *l)
{
    buf_free(&l->partial);
}

void lines_reset(struct lines *l)
{
    l->body_bytes = 0;
    if (l->partial.cap > PARTIAL_KEPT_BYTES) {
        buf_free(&l->partial);
        buf_init(&l->partial, LINES_LINE_MAX_BYTES);
    } else {
        buf_reset(&l->partial);
    }
}

static int hold(struct lines *l, struct str part, struct err *e)
{
    if (part.len > LINES_LINE_MAX_BYTES - l->partial.len) {
        return err_set(e, ERR_LIMIT, "a line is longer than %d bytes", LINES_LINE_MAX_BYTES);
    }
    buf_append(&l->partial, part);
    return l->partial.failed ? err_set(e, ERR_MEMORY, "out of memory for a line") : 0;
}

/* The end of the line that is held. */
static int complete(struct lines *l, struct str part, struct err *e)
{
    if (hold(l, part, e) != 0 || l->take(l->context, buf_view(&l->partial), e) != 0) {
        return -1;
    }
    buf_reset(&l->partial);
    return 0;
}

int lines_feed(struct lines *l, struct str piece, struct err *e)
{
    l->body_bytes += piece.len;
    if (l->body_bytes > l->body_max_bytes) {
        return err_set(e, ERR_LIMIT, "the body is larger than %llu bytes",
                       (unsigned long long)l->body_max_bytes);
    }
    while (piece.len > 0) {
        const size_t length = str_find_char(piece, '\n');
        const struct str part = str_slice(piece, 0, length);
        if (length == piece.len) {
            return hold(l, part, e);
        }
        const int taken = l->partial.len > 0 ? complete(l, part, e) : l->take(l->context, part, e);
        if (taken != 0) {
            return -1;
        }
        piece = str_slice(piece, length + 1, piece.len);
    }
    return 0;
}

int lines_end(struct lines *l, struct err *e)
{
    return l->partial.len > 0 ? complete(l, STR(""), e) : 0;
}
