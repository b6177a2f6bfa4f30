/* Metrics in Prometheus' text format 0.0.4 (and OpenMetrics' names): counters, gauges, histograms.
 *
 * A family is a row of a program's table; children (label sets) are made on first use, at most
 * METRIC_CHILDREN_MAX in a registry; what would be one more is dropped and counted in
 * ampscale_metrics_dropped_total. A family without labels is there from the start, as 0. process_*
 * and ampscale_build_info come with every registry. Conventions:
 * prometheus.io/docs/practices/naming; promtool check metrics is clean.
 */
#ifndef AMPSCALE_NET_METRICS_H
#define AMPSCALE_NET_METRICS_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum family_kind { FAMILY_COUNTER, FAMILY_GAUGE, FAMILY_HISTOGRAM };

enum { METRIC_LABELS_MAX = 4, METRIC_BUCKETS_MAX = 16, METRIC_CHILDREN_MAX = 200000 };

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

struct metric_family {
    const char *name; /* with unit and _total where they belong */
    enum family_kind kind;
    const char *help;
    const char *labels[METRIC_LABELS_MAX]; /* names; unused are NULL */
    const double *buckets; /* HISTOGRAM: ascending upper bounds, NULL for latencies in s */
    size_t bucket_count;
};

struct metrics;

/* families[i] is addressed by its index. The table must outlive the registry.
 * ERR_INVALID: too many buckets, or not ascending. */
int metrics_new(const struct metric_family *families, size_t count, const char *program,
                struct metrics **out, struct err *e) __attribute__((warn_unused_result));
void metrics_free(struct metrics *m);

/* values[i] belongs to families[index].labels[i]; NULL when there are none. Invalid UTF-8 in a
 * value is replaced. A counter takes no negative amount (it is ignored). */
void metrics_add(struct metrics *m, size_t index, const struct str *values, double amount);
void metrics_set(struct metrics *m, size_t index, const struct str *values, double value);
void metrics_observe(struct metrics *m, size_t index, const struct str *values, double value);
/* Forget one label set: the workload is gone. */
void metrics_remove(struct metrics *m, size_t index, const struct str *values);

/* A gauge family whose children are made when they are printed instead of kept: for what mirrors a
 * table of the program, where keeping would be a copy. `each` is called by metrics_print and calls
 * metrics_emit once a child; the values are as metrics_set's. Not of families that are set. */
struct metrics_printer;
void metrics_source(struct metrics *m, size_t index,
                    void (*each)(void *context, size_t index, struct metrics_printer *p),
                    void *context);
void metrics_emit(struct metrics_printer *p, const struct str *values, double value);

/* The whole exposition. */
void metrics_print(const struct metrics *m, struct buf *out);

#endif
