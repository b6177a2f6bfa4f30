/* What a PromQL instant query answered, and the reading a decision is made on.
 *
 * Unknown is a tag, never a number: an empty result, NaN, ±Inf, several series and an error are
 * told apart, and none of them is 0.
 */
#ifndef AMPSCALE_BASE_PROMRESULT_H
#define AMPSCALE_BASE_PROMRESULT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"

enum prom_outcome {
    PROM_VALUE, /* a finite number */
    PROM_EMPTY, /* a vector of no series */
    PROM_NAN,
    PROM_INF,    /* +Inf or -Inf, in `value` */
    PROM_MANY,   /* more than one series: `series` says how many */
    PROM_MATRIX, /* a range vector or string: the query can never be scaled on; `type` says which */
};

enum { PROM_WARNINGS_MAX = 8 };

struct prom_result {
    enum prom_outcome outcome;
    double value;
    size_t series;
    struct str type;                        /* resultType as sent */
    int64_t time_ms;                        /* the sample's own time stamp; 0 when there is none */
    struct str examples[2];                 /* MANY: labels of two of the series, as JSON text */
    struct str warnings[PROM_WARNINGS_MAX]; /* `warnings` and `infos` of the answer, in order */
    size_t warning_count;
};

/* Parse the body of an answer to /api/v1/query with the HTTP status it came with.
 *
 * 0: a success answer, in *out (views into body or arena). -1: everything else, *e holding
 * - Prometheus' own `errorType: error` for its JSON (400/422 bad_data, execution → ERR_INVALID;
 *   503 timeout, 5xx internal → ERR_UNAVAILABLE),
 * - AWS's `message` (and x-amzn error code if the body has one) for its JSON: 403 → ERR_DENIED,
 *   429 → ERR_THROTTLED, 5xx → ERR_UNAVAILABLE,
 * - for HTML or other text: status and the first line of it (tags dropped, 200 bytes),
 * - a body that is no JSON, is truncated, or lacks what a success must have → ERR_UNAVAILABLE
 * naming what. e->http_status is always `http_status`. Source:
 * prometheus.io/docs/prometheus/latest/querying/api (format overview, instant queries). */
int prom_result_parse(int http_status, struct str body, struct arena *a, struct prom_result *out,
                      struct err *e) __attribute__((warn_unused_result));

/* "empty result", "NaN", "+Inf", "3 series", "a range vector (matrix)": for messages. VALUE: the
 * number. */
struct str prom_result_describe(const struct prom_result *r, char *out, size_t size);

/* One trigger's reading at one tick. */
enum reading_kind {
    READING_NONE,  /* not asked yet */
    READING_VALUE, /* a finite value */
    READING_EMPTY, /* answered, but with nothing to scale on: empty, NaN or Inf; `text` says which
                    */
    READING_ERROR, /* not answered, or not usable; `text` says why */
};

struct reading {
    enum reading_kind kind;
    double value;    /* VALUE */
    int64_t time_ms; /* when it was received, Unix ms */
    /* EMPTY, ERROR: why, NUL-terminated; of a longer one the beginning and the end, which has the
     * fix. */
    char text[512];
};

/* A query's outcome as a reading. `result` is used when e->code is ERR_NONE, e otherwise. */
void reading_from(const struct prom_result *result, const struct err *e, int64_t now_ms,
                  struct reading *out);

#endif
