/* When to scrape, and which time its samples bear. Pure: clocks are arguments.
 *
 * A scrape's timestamp is the wall clock's when it began, but strictly increasing, for a receiver
 * refuses a second sample of one time. So a wall clock that went back a little (a step of NTP) is
 * waited out in steps of 1 ms; one that went back further was wrong before and is followed, else
 * the samples would bear the wrong time for as long as that.
 */
#ifndef AMPSCALE_COLLECTOR_TIMING_H
#define AMPSCALE_COLLECTOR_TIMING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum { TIMING_PATIENCE_MS = 60000 }; /* how far the wall clock may go back and be waited out */

struct timing {
    int64_t interval_ms;
    int64_t phase_ms;          /* scrapes are due where the loop's clock modulo interval is this */
    int64_t last_timestamp_ms; /* 0: none yet */
};

/* The phase comes from `identity` (what tells this pod from the others), so that the pods of a node
 * do not scrape and send in step. interval_ms > 0. */
void timing_init(struct timing *t, int64_t interval_ms, struct str identity);

/* The next due time after `now_ms` (loop's clock), at least half an interval ahead; later due times
 * are whole intervals on. A time that was missed is left out. */
int64_t timing_next(const struct timing *t, int64_t now_ms);

/* The timestamp for a scrape that begins now (Unix ms). *back_ms is how far the clock went back
 * when it was followed, else 0. */
int64_t timing_stamp(struct timing *t, int64_t wall_ms, int64_t *back_ms);

#endif
