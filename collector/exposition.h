/* What a target says of its metrics: Prometheus' text format 0.0.4 and OpenMetrics 1.0.
 *
 * A strict parser, one line at a time and without allocating, so that a body is read as it arrives
 * and none is ever held. A line is first split into the series as it is written, value and time;
 * the labels are parsed only where the series is not yet known (collector/series.h): the bytes were
 * valid the first time, so they still are. A body is valid when
 * exposition_take accepts each line (collector/lines.h cuts them), exposition_labels each series,
 * and exposition_end the end. Where the series is known, a line costs the reading of its value and
 * one look for the '}' before it.
 *
 * Sources: prometheus.io/docs/instrumenting/exposition_formats; OpenMetrics 1.0 (prometheus/
 * OpenMetrics specification/OpenMetrics.md); where they leave it open, what Prometheus'
 * model/textparse accepts (v3.14: promlex.l, openmetricslex.l). Where we differ from it on purpose:
 * the table in test/reference/compare.
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
 * type → TEXT, as ADOT falls back; text/html, application/json and application/vnd.google.protobuf
 * are ERR_INVALID, naming the type and what a metrics endpoint would send. */
int exposition_format_of(struct str content_type, enum exposition_format *out, struct err *e)
    __attribute__((warn_unused_result));

/* Where in a body we are. Zero it, set `format`. Neither Prometheus nor we keep more: the order of
 * metadata and samples, and whether a family's lines stand together, are not checked. */
struct exposition {
    enum exposition_format format;
    bool ended;     /* "# EOF" was seen (OpenMetrics) */
    uint64_t lines; /* so far, for messages */
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
 * names that need escaping are written to `scratch` (which bounds them, appended, never more bytes
 * than the series has); views point there and into `series`, so they end with the next append.
 * Label names keep to [a-zA-Z_][a-zA-Z0-9_]*; metric names may have ':' too. An empty value is
 * kept. ERR_INVALID, the series quoted: empty or repeated label name (after escaping; __name__ is
 * one), no metric name, bad UTF-8, wrong escape or quote; ERR_LIMIT: all is valid, but there are
 * more than EXPOSITION_LABELS_MAX labels, or scratch is full. Which line it was is the caller's to
 * say: x->lines. */
int exposition_labels(enum exposition_format format, struct str series, struct buf *scratch,
                      struct exposed_series *out, struct err *e)
    __attribute__((warn_unused_result));

#endif
