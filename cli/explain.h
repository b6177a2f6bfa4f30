/* `kubectl ampscale explain`: one Deployment, all there is to say of it.
 *
 * The contract in force, counts, the scaler's conditions and last events, and, where somebody said
 * where to query, what would be decided now. That decision is made as at first sight: the past
 * proposals that stabilization looks at are in the scaler's memory alone. Whether and since when it
 * was active is known from its condition, as it is to a scaler that restarts.
 */
#ifndef AMPSCALE_CLI_EXPLAIN_H
#define AMPSCALE_CLI_EXPLAIN_H

#include "cli/view.h"
#include "scaler/decide.h"

struct explain_event {
    struct str type, reason, note;
    int64_t last_ms; /* Unix; 0: it does not say */
    int64_t count;
};

enum { EXPLAIN_EVENTS_MAX = 5 };

/* The scaler's last events, the newest first, of an EventList of v1. Returns how many. */
size_t explain_events(const struct json *list, struct explain_event out[EXPLAIN_EVENTS_MAX]);

struct explanation {
    const struct view *view;
    int64_t now_ms;
    struct explain_event events[EXPLAIN_EVENTS_MAX];
    size_t event_count;
    struct str events_error; /* absent: they were looked up */
    bool decided;            /* decision is there */
    struct decision decision;
};

/* decide() on the view's readings, which were taken now. -1/ERR_MEMORY. */
int explain_decide(const struct view *v, int64_t now_ms, struct decision *out, struct err *e)
    __attribute__((warn_unused_result));

void explain_text(const struct explanation *x, struct buf *out);
/* One object and a '\n'. */
void explain_json(const struct explanation *x, struct buf *out);

#endif
