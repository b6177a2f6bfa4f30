/* `kubectl ampscale replay`: recompute every decision of a scaler's log.
 *
 * A decision line holds all that decide() was given (spec, observation, memory) and what came out
 * (from, to, reason, message), so a line is a test case. Lines may have a prefix, as kubectl logs
 * --timestamps puts; lines that are no decision are passed over.
 */
#ifndef AMPSCALE_CLI_REPLAY_H
#define AMPSCALE_CLI_REPLAY_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/json.h"
#include "base/str.h"

enum { REPLAY_LINE_MAX_BYTES = 4 << 20 };

struct replay {
    bool json;
    struct json_writer writer;
    struct arena arena;                 /* of one line */
    size_t lines, decisions, truncated; /* seen so far */
    size_t different;                   /* among the decisions, unreadable ones included */
};

void replay_begin(struct replay *r, bool json, struct buf *out);
/* Take the next line; what is found about it is appended to `out`. -1: ERR_MEMORY. */
int replay_line(struct replay *r, struct str line, struct buf *out, struct err *e)
    __attribute__((warn_unused_result));
/* The summary. Frees what r holds. */
void replay_end(struct replay *r, struct buf *out);

#endif
