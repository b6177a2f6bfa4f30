/* The series of one target, from scrape to scrape: which ones there are, which are kept, which
 * vanished; and one scrape at a time, committed whole or not at all.
 *
 * A series is known by the 128-bit hash of its text as the target writes it, so the usual line
 * costs one lookup, no parsing, and no copy of the text is kept. Beside it stands what is sent: the
 * final labels of the target's own, encoded once; those that all series share (job, instance, …)
 * are kept once for all and put between in order when a request is written. Memory is what a pod
 * pays for: about 80 bytes a series and its encoded labels. Nothing is allocated per series.
 *
 * Rules (prometheus/prometheus scrape/scrape.go, scrape/target.go):
 *   - labels of the target that clash with ours become exported_<name>, repeatedly until free;
 *   - an empty value is no label; labels are sorted by name in byte order; other __* are dropped;
 *   - two texts with the same final labels are one series; twice in a scrape without times of their
 *     own: the first counts, the others are counted as duplicates. up and scrape_* are ours: a
 *     target's series of the same labels is a duplicate;
 *   - a sample with a time of its own is sent with it, if that is later than the series' last one
 *     (which is forgotten with a series that vanished and of which nothing waits);
 *   - a series of the last scrape that is not in this one, and had no time of its own, gets the
 *     stale marker;
 *   - a scrape that fails in any way gives stale markers for all of the last one, and up = 0.
 *
 * A series that vanished is kept until the outbox no longer refers to it, then its place is used
 * again.
 */
#ifndef AMPSCALE_COLLECTOR_SERIES_H
#define AMPSCALE_COLLECTOR_SERIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/str.h"
#include "collector/exposition.h"

struct series_table;
struct outbox;

/* 0x7ff0000000000002: prometheus/prometheus model/value/value.go StaleNaN. */
double series_stale_marker(void);

struct series_label {
    struct str name, value;
};

/* AMP's, so that one bad series never costs the batch it is in (facts: quotas). */
struct series_limits {
    size_t labels_max;      /* per series, the shared ones and the name included; AMP: 150 */
    size_t label_bytes_max; /* all names and values of a series, ≤ 32 KiB; AMP: 7 KiB */
    size_t samples_max;     /* per scrape, before the keep-list; more fails the scrape */
    size_t table_bytes_max; /* of what is allocated here; more fails the scrape */
};

struct series_options {
    const struct series_label
        *shared; /* on every series: job, instance, namespace, pod, …, --label */
    size_t shared_count;
    const struct str *keep; /* globs on the metric name ('*', '?', '[…]'); none: all */
    size_t keep_count;
    const struct str *match; /* PromQL series selectors (base/promql.h); a series that any selects
                                is kept; with `keep` given too, either is enough */
    size_t match_count;
    struct series_limits limits;
    uint64_t seed; /* of the hash: random, so that a target cannot make texts collide */
};

/* Copies what it needs of *o. A shared label with an empty value is none. ERR_INVALID names the
 * option that is wrong (label name, glob, selector, limit). */
int series_table_new(const struct series_options *o, struct series_table **out, struct err *e)
    __attribute__((warn_unused_result));
void series_table_free(struct series_table *t);

/* ---- one scrape ---- */

/* Why a line's series is not sent; counted per reason in series_counts. */
enum series_drop {
    SERIES_NOT_KEPT, /* the keep-list */
    SERIES_TOO_MANY_LABELS,
    SERIES_LABELS_TOO_LONG,
    SERIES_DUPLICATE,
    SERIES_OUT_OF_ORDER, /* its own time is before the series' last one, or twice in a scrape: a
                            receiver refuses it. The last one's again in another scrape is no drop
                          */
    SERIES_DROP_COUNT,
};

/* A word for logs and metric labels: "not_kept", "too_many_labels", … */
const char *series_drop_name(enum series_drop why);

struct scrape_result {
    bool up;       /* false: everything taken is forgotten, the rest is written */
    bool received; /* the body came whole: if it failed then by what it says, and scrape_samples_…
                      tell how far it was read; else they are 0 (as Prometheus has it) */
    double duration_s;
};

/* scraped: samples taken. kept: of those, of series that are kept. added: kept series that the last
 * good scrape did not have. stale: markers written. */
struct series_counts {
    size_t scraped, kept, added, stale;
    size_t dropped[SERIES_DROP_COUNT];
    struct str
        example[SERIES_DROP_COUNT]; /* a metric name dropped for it; valid until the next begin */
};

/* Begin: forget what an unfinished scrape took. timestamp_ms (Unix): when it began, the time of its
 * samples; later than that of the last one (an earlier one says that the clock was set back, and
 * that times begin anew). */
void scrape_begin(struct series_table *t, int64_t timestamp_ms);
/* One sample of it; the text is in the target's exposition format. ERR_LIMIT (samples_max,
 * table_bytes_max), ERR_INVALID (labels; the series is quoted), ERR_MEMORY: the scrape has failed.
 */
int scrape_take(struct series_table *t, enum exposition_format format,
                const struct exposed_sample *s, struct err *e) __attribute__((warn_unused_result));
/* A series of our own beside the target's (the collector's own metrics), in the text format: any
 * time between begin and finish, kept whatever the keep-list says, and also when the scrape failed.
 * One that the target has in this scrape is left out. */
int scrape_add_own(struct series_table *t, struct str series, double value, struct err *e)
    __attribute__((warn_unused_result));
/* End it and append its samples to the outbox, all or none: the target's (if up), stale markers,
 * our own, then up, scrape_duration_seconds, scrape_samples_scraped,
 * scrape_samples_post_metric_relabeling, scrape_series_added. A scrape of which a sample was
 * refused is not up, whatever *r says. On -1 (ERR_MEMORY; ERR_LIMIT: larger than the outbox or the
 * table may be; ERR_INVALID: its time is the last one's) nothing was appended and the table is as
 * before the scrape. */
int scrape_finish(struct series_table *t, const struct scrape_result *r, struct outbox *out,
                  struct series_counts *counts, struct err *e) __attribute__((warn_unused_result));
/* The target is gone (SIGTERM): stale markers for all that is live, ours included. A time that is
 * not after the last scrape's becomes the next millisecond. */
int series_all_stale(struct series_table *t, int64_t timestamp_ms, struct outbox *out,
                     struct err *e) __attribute__((warn_unused_result));

size_t series_live(const struct series_table *t);        /* sent and not marked stale since */
size_t series_table_bytes(const struct series_table *t); /* allocated */

/* ---- for the outbox ---- */

/* The labels of series `id` as protobuf: field 1 (Label) of prometheus.TimeSeries, all of them,
 * sorted. series_write_labels writes exactly that many bytes and returns their end. */
size_t series_label_bytes(const struct series_table *t, uint32_t id);
unsigned char *series_write_labels(const struct series_table *t, uint32_t id, unsigned char *to);

#endif
