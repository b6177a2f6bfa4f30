/* The collector's metrics on itself. They go out with the target's, under its labels, and each
 * sample costs money: so there are few, and a reason why samples were dropped is a series only once
 * it happened.
 */
#ifndef AMPSCALE_COLLECTOR_OWN_H
#define AMPSCALE_COLLECTOR_OWN_H

#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "collector/outbox.h"
#include "collector/series.h"

/* What sender and scraper count. */
struct own_counts {
    uint64_t samples_sent;                /* that the receiver took */
    uint64_t requests;                    /* sent, each attempt counted */
    uint64_t requests_failed;             /* not answered by 2xx */
    uint64_t not_sent[SERIES_DROP_COUNT]; /* samples that no receiver would take */
};

/* Add them to the scrape that is being made. */
int own_add(struct series_table *table, const struct own_counts *counts,
            const struct outbox *outbox, struct err *e) __attribute__((warn_unused_result));

/* The same in the text format 0.0.4, for --metrics-listen. */
void own_print(const struct own_counts *counts, const struct outbox *outbox, struct buf *out);

#endif
