/* What a target says of its metrics: Prometheus' text format 0.0.4 and OpenMetrics 1.0.
 *
 * A strict parser, one line at a time and without allocating, so that a body is read as it arrives
 * and none is ever held. A line is first split into the series as it is written, value and time;
 * the labels are parsed only where the series is not yet known (collector/series.h): the bytes were
 * valid the first time, so they still are.
 *
 * Sources: prometheus.io/docs/instrumenting/exposition_formats; OpenMetrics 1.0 (prometheus/
 * OpenMetrics specification/OpenMetrics.md); where they leave it open, what Prometheus'
 * model/textparse accepts.
 */
#ifndef AMPSCALE_COLLECTOR_EXPOSITION_H
#define AMPSCALE_COLLECTOR_EXPOSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum exposition_format { EXPOSITION_TEXT, EXPOSITION_OPENMETRICS };

/* By Content-Type: application/openmetrics-text → OPENMETRICS; text/plain, an absent or an unknown
 * type → TEXT, as ADOT falls back; text/html and application/json are ERR_INVALID, naming the type
 * and what a metrics endpoint would send. */
int exposition_format_of(struct str content_type, enum exposition_format *out, struct err *e)
    __attribute__((warn_unused_result));

/* Where in a body we are. Zero it, set `format`. */
struct exposition {
    enum exposition_format format;
    bool ended;     /* "# EOF" was seen (OpenMetrics) */
    uint64_t lines; /* so far, for messages */
    /* implementation: whatever OpenMetrics' rules on order of lines need, bounded */
    char family[256];
    size_t family_length;
    int family_type;
};

struct exposed_sample {
    struct str series; /* name and {labels} as written, without surrounding blanks */
    double value;      /* any NaN is the quiet 0x7ff8000000000001, never the stale marker's bits */
    bool has_timestamp;
    int64_t timestamp_ms; /* OpenMetrics' seconds are converted */
};

enum exposition_line { EXPOSITION_NOTHING, EXPOSITION_SAMPLE };

/* Take one line, without its '\n'. *kind says whether *out was filled (views into `line`).
 * Comments, HELP, TYPE, UNIT and exemplars are checked and passed over. ERR_INVALID: `line 12: "…":
 * expected …` with the line quoted, at most 128 bytes of it, non-printing bytes escaped. */
int exposition_take(struct exposition *x, struct str line, enum exposition_line *kind,
                    struct exposed_sample *out, struct err *e) __attribute__((warn_unused_result));

/* The body is complete: ERR_INVALID when OpenMetrics' "# EOF" is missing (a truncated body). */
int exposition_end(const struct exposition *x, struct err *e) __attribute__((warn_unused_result));

enum { EXPOSITION_LABELS_MAX = 160 };

struct exposed_label {
    struct str name, value; /* value unescaped */
};

struct exposed_series {
    struct str name; /* escaped to the legacy charset (escaping=underscores) if it was not of it */
    struct exposed_label labels[EXPOSITION_LABELS_MAX]; /* as written, in that order */
    size_t label_count;
};

/* The name and labels of a series text as exposition_take gave it. Values that need unescaping and
 * names that need escaping are written to `scratch` (which bounds them); views point there and into
 * `series`. ERR_INVALID: empty or repeated label name, no metric name, bad UTF-8, wrong escape or
 * quote; ERR_LIMIT: more than EXPOSITION_LABELS_MAX. */
int exposition_labels(enum exposition_format format, struct str series, struct buf *scratch,
                      struct exposed_series *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
