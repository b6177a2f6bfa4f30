/* One scrape at a time of the target: GET, the body parsed line by line as it arrives, its samples
 * into the series table, all of them or none into the outbox.
 *
 * Headers are those Prometheus 3 sends, but escaping=underscores: AMP takes names of the legacy
 * charset alone. Only status 200 is a scrape; a redirect is none, for what it points to was not
 * asked for. A scrape that failed is written as such (up 0, stale markers) and told once a reason
 * (reasons.h); so is that it works again. That nobody answers is a warning when it lasts a minute,
 * or when somebody did before. A text body may lack its last newline (OpenMetrics has its # EOF);
 * one whose gzip ends early is none. Source: prometheus/prometheus scrape/scrape.go.
 */
#ifndef AMPSCALE_COLLECTOR_SCRAPE_H
#define AMPSCALE_COLLECTOR_SCRAPE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/log.h"
#include "collector/outbox.h"
#include "collector/own.h"
#include "collector/series.h"
#include "net/http.h"

struct scraper;

struct scraper_options {
    struct http_client *http;
    const struct logger *log;
    const char *url;
    struct http_tls tls;
    int64_t interval_ms, timeout_ms;
    uint64_t body_max_bytes; /* decompressed */
    struct series_limits limits;
    struct series_table *table;
    struct outbox *outbox;
    struct own_counts *counts;
    /* Adds series of our own by scrape_add_own to each scrape. NULL: none. */
    int (*add_own)(void *context, struct series_table *table, struct err *e);
    void *add_own_context;
};

/* Copies *o; what it points to must outlive the scraper. */
int scraper_new(const struct scraper_options *o, struct scraper **out, struct err *e)
    __attribute__((warn_unused_result));
void scraper_free(struct scraper *s); /* NULL is allowed */

/* Told once when the scrape is over, from the loop or, where it could not even be sent, from inside
 * scraper_begin: up as it was written. */
typedef void scrape_done_fn(void *context, bool up);

/* Begin one, of that timestamp (Unix ms), within at most timeout_ms; none is under way. `quiet`: a
 * scrape that fails is neither written nor told (the target is expected to be gone). */
void scraper_begin(struct scraper *s, int64_t timestamp_ms, int64_t timeout_ms, bool quiet,
                   scrape_done_fn *done, void *context);
bool scraper_busy(const struct scraper *s);
/* Give up the one under way, if any: nothing of it is written, `done` is not called. */
void scraper_cancel(struct scraper *s);

#endif
