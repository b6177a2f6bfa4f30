/* A table and its outbox for tests: bodies go in as text, and what a receiver got comes out as
 * text, one sample a line: `name{label="value",…} value @time`. */
#ifndef AMPSCALE_TEST_SCRAPE_STAGE_H
#define AMPSCALE_TEST_SCRAPE_STAGE_H

#include "base/buf.h"
#include "collector/outbox.h"
#include "collector/series.h"

struct stage {
    struct series_options options;
    struct outbox_limits limits;
    struct series_table *table;
    struct outbox *outbox;
    struct series_counts counts; /* of the last scrape that was finished */
    struct buf received;
    size_t requests;
    bool reports; /* receive up and scrape_… too */
};

/* Labels job="j"; roomy limits. Change options and limits, then stage_open. */
void stage_init(struct stage *s);
void stage_open(struct stage *s);
void stage_close(struct stage *s);
/* The same for cmocka: *state is a stage that was not opened yet, and is closed. */
int stage_setup(void **state);
int stage_teardown(void **state);

/* Take a body's lines; what scrape_take said first when it failed, else "". Valid until the next.
 */
const char *stage_take(struct stage *s, const char *body);
/* A whole scrape that must be finished: begin, take, finish (up if all was taken). */
void stage_scrape(struct stage *s, int64_t time_ms, const char *body);
/* One that brought nothing. */
void stage_fail(struct stage *s, int64_t time_ms);
void stage_finish(struct stage *s, bool up);

/* Send all that waits; what was received since the last call. */
const char *stage_receive(struct stage *s);
/* One request's samples, in s->received; fails the test where a strict receiver refuses it. */
void stage_read(struct stage *s, struct str body);

#endif
