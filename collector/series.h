/* The series of one target, from scrape to scrape: which ones there are, which are kept, which
 * vanished; and one scrape at a time, committed whole or not at all.
 *
 * A series is known by its text as the target writes it (a hash table of those bytes), so the usual
 * line costs one lookup and no parsing. Beside it stands what is sent: the final labels, encoded
 * once. Memory is what a pod pays for: an entry has the text, the encoded labels of the target's
 * own, and 32 bytes or so; the labels that all series share (job, instance, …) are kept once and
 * merged in order when a request is written.
 *
 * Rules (prometheus/prometheus scrape/scrape.go, facts in the README's "Collector"):
 *   - labels of the target that clash with ours become exported_<name>, repeatedly until free;
 *   - an empty value is no label; labels are sorted by name in byte order; other __* are dropped;
 *   - two texts with the same final labels are one series; twice in a scrape: the first counts, the
 *     others are counted as duplicates;
 *   - a series of the last scrape that is not in this one, and has no timestamp of its own, gets
 *     the stale marker;
 *   - a scrape that fails in any way gives stale markers for all of the last one, and up = 0.
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
    size_t labels_max;      /* per series, the shared ones included; AMP: 150 */
    size_t label_bytes_max; /* all names and values of a series; AMP: 7 KiB */
    size_t samples_max;     /* per scrape, before the keep-list; more fails the scrape */
    size_t table_bytes_max; /* of all entries; more fails the scrape */
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
};

/* Copies what it needs of *o. ERR_INVALID names the option that is wrong (label name, glob,
 * selector). */
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
    SERIES_DROP_COUNT,
};

struct scrape_result {
    int64_t timestamp_ms; /* when it began, Unix: the time of its samples */
    bool up;              /* false: everything taken is forgotten, the rest is written */
    double duration_s;
};

struct series_counts {
    size_t scraped, kept, added, stale;
    size_t dropped[SERIES_DROP_COUNT];
    struct str
        example[SERIES_DROP_COUNT]; /* a metric name dropped for it; valid until the next begin */
};

/* Begin: forget what an unfinished scrape took. */
void scrape_begin(struct series_table *t);
/* One sample of it. ERR_LIMIT (samples_max, table_bytes_max), ERR_INVALID (labels; the series is
 * quoted), ERR_MEMORY: the scrape has failed. */
int scrape_take(struct series_table *t, enum exposition_format format,
                const struct exposed_sample *s, struct err *e) __attribute__((warn_unused_result));
/* A series of our own beside the target's (the collector's own metrics): any time between begin
 * and finish, kept whatever the keep-list says, and also when the scrape failed. */
int scrape_add_own(struct series_table *t, struct str series, double value, struct err *e)
    __attribute__((warn_unused_result));
/* End it and append its samples to the outbox, all or none: the target's (if up), stale markers,
 * our own, then up, scrape_duration_seconds, scrape_samples_scraped,
 * scrape_samples_post_metric_relabeling, scrape_series_added. On -1 (ERR_MEMORY, ERR_LIMIT) nothing
 * was appended and the table is as before the scrape. */
int scrape_finish(struct series_table *t, const struct scrape_result *r, struct outbox *out,
                  struct series_counts *counts, struct err *e) __attribute__((warn_unused_result));
/* The target is gone (SIGTERM): stale markers for all that is live, ours included. */
int series_all_stale(struct series_table *t, int64_t timestamp_ms, struct outbox *out,
                     struct err *e) __attribute__((warn_unused_result));

size_t series_live(const struct series_table *t);
size_t series_table_bytes(const struct series_table *t);

#endif
