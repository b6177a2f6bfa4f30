/* Which events are worth sending, as client-go's recorder decides it. Pure.
 *
 * An event equal to one of the last 6 minutes is one more of its series: the series is updated, no
 * new event is made. One object may send 25 at once and then one each 5 minutes; what is not sent
 * still counts in its series. Both tables have a fixed size and forget the oldest; nothing survives
 * a restart. Sources: k8s.io/client-go tools/events event_broadcaster.go, tools/record
 * events_cache.go.
 */
#ifndef AMPSCALE_SCALER_EVENT_SERIES_H
#define AMPSCALE_SCALER_EVENT_SERIES_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum event_step {
    EVENT_CREATE, /* send it as a new one */
    EVENT_REPEAT, /* update the series of the one that was sent */
    EVENT_DROP,   /* the object has said too much lately */
};

/* What an event's name is made of, besides the object's: unique in this process. */
struct event_id {
    int64_t unix_ms;
    uint32_t serial;
};

struct event_series;

int event_series_new(struct event_series **out, struct err *e) __attribute__((warn_unused_result));
/* NULL is allowed. */
void event_series_free(struct event_series *s);

/* What to do about an event of an object. now_ms is monotonic; unix_ms goes into the identity.
 * *id: of the event to create or to update. *count: how many there were in the series, this one
 * included. Both are untouched with EVENT_DROP. */
enum event_step event_series_next(struct event_series *s, struct str uid, struct str type,
                                  struct str reason, struct str note, int64_t now_ms,
                                  int64_t unix_ms, struct event_id *id, int64_t *count);
/* The event is not in the cluster: the next equal one is to be a new one. */
void event_series_forget(struct event_series *s, struct event_id id);

#endif
