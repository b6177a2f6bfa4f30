/* What an answer to a remote write means, and when to try again. Pure; time is an argument.
 *
 * 2xx: sent. 5xx, no answer, 429: the same request again after a pause that doubles from 30 ms to
 * 5 s, with jitter of ±10 %, so that a pause is never less than 0.8 of the one before; or after
 * Retry-After (at most a minute, up to 10 % later). 403: the credentials are fetched anew once by
 * the caller, and it is tried as after a 5xx (a role that is being repaired loses nothing until the
 * age cap). 413: halves, unless it is small. All else, 3xx, 415 and other 4xx among it: dropped,
 * AMP's own words logged once a reason. Sources: remote write 1.0 specification, "Retries &
 * Backoff"; prometheus/prometheus storage/remote/queue_manager.go; AMP troubleshooting guide.
 */
#ifndef AMPSCALE_COLLECTOR_SENDING_H
#define AMPSCALE_COLLECTOR_SENDING_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

enum send_verdict { SEND_DONE, SEND_AGAIN, SEND_SPLIT, SEND_REFUSED };

struct sending {
    int64_t pause_ms;      /* after the last failure, without jitter; 0 after a success */
    int64_t not_before_ms; /* loop's clock: when the next try is due */
    uint64_t attempts;     /* of the request at the front, for Retry-Attempt */
    uint64_t random;       /* jitter's state; seed it */
};

/* status 0: no answer. retry_after_ms 0: none. Moves *s on. */
enum send_verdict sending_answer(struct sending *s, int status, int64_t retry_after_ms,
                                 int64_t now_ms);

/* The receiver's reason as a bounded key to log once: `400: ` and the body's first line, numbers
 * replaced by N and what does not print by '?', at most 128 bytes; into out. */
struct str sending_reason(int status, struct str body, char out[128]);

#endif
