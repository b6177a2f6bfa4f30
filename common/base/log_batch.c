#include "base/log_batch.h"

static int64_t now_ms(void *context)
{
    const struct log_batch *b = context;
    return b->own.now_ms(b->own.context);
}

static void hold(void *context, struct str line)
{
    struct log_batch *b = context;
    if (line.len > LOG_BATCH_MAX_BYTES - b->held.len) {
        log_batch_write(b);
    }
    buf_append(&b->held, line);
    if (b->held.failed) { /* no memory: then what there is goes out, and this one behind it */
        log_batch_write(b);
        b->own.sink(b->own.context, line);
    }
}

void log_batch_begin(struct log_batch *b, struct logger *lg)
{
    *b = (struct log_batch){.logger = lg, .own = *lg};
    buf_init(&b->held, LOG_BATCH_MAX_BYTES);
    lg->context = b;
    lg->now_ms = now_ms;
    lg->sink = hold;
}

void log_batch_write(struct log_batch *b)
{
    if (b->held.len > 0) {
        b->own.sink(b->own.context, buf_view(&b->held));
    }
    buf_reset(&b->held);
}

void log_batch_end(struct log_batch *b)
{
    log_batch_write(b);
    *b->logger = b->own;
    buf_free(&b->held);
}
