/* A body that arrives in pieces, cut into lines.
 *
 * Whole lines are views of the piece they came in; only one that is split between pieces is copied,
 * so what is held is one line. Both the body and a line have a ceiling: nobody's metrics endpoint
 * may cost the pod its memory.
 */
#ifndef AMPSCALE_COLLECTOR_LINES_H
#define AMPSCALE_COLLECTOR_LINES_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum { LINES_LINE_MAX_BYTES = 1 << 20 };

/* Gets each line without its '\n'; -1 ends the reading with *e. */
typedef int lines_take_fn(void *context, struct str line, struct err *e);

struct lines {
    struct buf partial;
    uint64_t body_bytes, body_max_bytes;
    lines_take_fn *take;
    void *context;
};

void lines_init(struct lines *l, uint64_t body_max_bytes, lines_take_fn *take, void *context);
/* Begin another body: what was held is dropped. */
void lines_reset(struct lines *l);
void lines_free(struct lines *l);

/* ERR_LIMIT: the body or a line is larger than its ceiling; ERR_MEMORY; what `take` said. */
int lines_feed(struct lines *l, struct str piece, struct err *e)
    __attribute__((warn_unused_result));
/* The body is complete: its last line may lack its '\n'. */
int lines_end(struct lines *l, struct err *e) __attribute__((warn_unused_result));

#endif
