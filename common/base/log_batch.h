/* Lines of a logger held back and given to its sink together: one write for all that a turn of a
 * loop had to say, which under load costs less than one for each.
 *
 * What is held when the program dies without log_batch_end is lost: hold for a turn, no longer.
 */
#ifndef AMPSCALE_BASE_LOG_BATCH_H
#define AMPSCALE_BASE_LOG_BATCH_H

#include "base/buf.h"
#include "base/log.h"

enum { LOG_BATCH_MAX_BYTES = 64 << 10 }; /* held; more than that does not wait */

struct log_batch {
    struct logger *logger; /* whose lines are held */
    struct logger own;     /* as it was before */
    struct buf held;
};

/* From now on lines of `lg` wait for log_batch_write; whoever has a pointer to it need not know.
 * Copies of *lg made before are not held back; none may be made until log_batch_end, and so long
 * both stay where they are. Without memory to hold a line, it is written at once. */
void log_batch_begin(struct log_batch *b, struct logger *lg);

/* All that is held, in order, by one call of the logger's own sink; none when nothing is. */
void log_batch_write(struct log_batch *b);

/* Write what is held; `lg` is as it was. */
void log_batch_end(struct log_batch *b);

#endif
