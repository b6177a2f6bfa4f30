/* `kubectl ampscale simulate`: a recorded or invented course of events through the shipped
 * decide().
 *
 * One line in, one line out, nothing kept but decide()'s own memory: input of any length streams.
 * The memory's histories are sized for one record a polling interval; lines that come closer
 * together get the room they need, so that no record is merged away. Line shape: observed.h.
 */
#ifndef AMPSCALE_CLI_SIMULATE_H
#define AMPSCALE_CLI_SIMULATE_H

#include "base/buf.h"
#include "base/kubeobj.h"

enum { SIMULATE_LINE_MAX_BYTES = 1 << 20 };

struct simulation;

/* Ready for the first line, at the Deployment's own count. ERR_INVALID: its annotations cannot be
 * used, with every complaint. What is no more than unknown is put into `warnings`, a line each.
 * `text`: lines for people instead of JSON. */
int simulation_new(const struct deployment *d, bool text, struct buf *warnings,
                   struct simulation **out, struct err *e) __attribute__((warn_unused_result));
void simulation_free(struct simulation *s);

/* Take the next line and append the decision, a line of JSON. An empty line gives nothing. Errors
 * begin with the line's number. */
int simulation_line(struct simulation *s, struct str line, struct buf *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
