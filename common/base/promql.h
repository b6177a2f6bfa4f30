/* PromQL, as far as it must be read: which series a query selects.
 *
 * No evaluation and no types: a lexer, and a walk that knows whether an operand or an operator is
 * next, which tells metric names from functions, aggregations, keywords and label lists. It follows
 * the grammar of Prometheus 3 with its experimental parts (duration expressions, `smoothed`,
 * `fill`, …), and takes more than that; what it does not know is an error with its place, never a
 * guess. Who keeps series by it must keep all of them on an error: too much is safe, too little is
 * not. Everything is bounded: one pass, no recursion.
 *
 * Used by the webhook (`metrics: from-query`) and by the collector (`--match`), which asks whether
 * a series may be selected. "May": a regular expression that is more than literals, classes,
 * '.', '*', '+', '?' and '|' counts as one that matches.
 *
 * Sources: prometheus/prometheus promql/parser/lex.go, generated_parser.y; model/labels/regexp.go
 * (expressions are anchored at both ends).
 */
#ifndef AMPSCALE_BASE_PROMQL_H
#define AMPSCALE_BASE_PROMQL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

enum {
    PROMQL_SELECTORS_MAX = 128, /* of one query */
    PROMQL_MATCHERS_MAX = 64,   /* of one selector */
};

/* ---- selectors ---- */

enum promql_op { PROMQL_EQUAL, PROMQL_NOT_EQUAL, PROMQL_MATCHES, PROMQL_MATCHES_NOT };

struct promql_matcher {
    struct str label; /* "__name__" for the metric's name */
    enum promql_op op;
    struct str value; /* unquoted */
};

/* All matchers must hold. They are sorted by label, operator and value, each there once, so equal
 * selectors are equal arrays. */
struct promql_selector {
    const struct promql_matcher *matchers;
    size_t count;    /* 0: every series */
    struct str name; /* the value of the first `__name__ =`; absent: there is none */
};

/* The vector selectors of a query in the order in which they stand, repeated ones once. `info(v)`
 * selects target_info beside v. Texts live in `a` and in `query`. Errors: ERR_INVALID with the byte
 * and what was expected there; ERR_LIMIT (too many selectors or matchers); ERR_MEMORY. */
int promql_selectors(struct str query, struct arena *a, const struct promql_selector **out,
                     size_t *count, struct err *e) __attribute__((warn_unused_result));

/* One selector and nothing else: `name`, `name{…}`, `{…}`. The same errors. */
int promql_selector_parse(struct str text, struct arena *a, struct promql_selector *out,
                          struct err *e) __attribute__((warn_unused_result));

/* The one text of it: name{a="x",b!~"y"}, ASCII control characters and what is no UTF-8 escaped.
 * promql_selector_parse reads it back to an equal one. */
void promql_selector_print(const struct promql_selector *s, struct buf *out);

/* False only when Prometheus would not select the series for sure. value_of gives the value of a
 * label of it ("__name__" included); absent or empty: it has no such label. */
bool promql_may_select(const struct promql_selector *s,
                       struct str (*value_of)(const void *series, struct str label),
                       const void *series);

/* ---- the lexer ---- */

enum promql_token_type {
    PROMQL_END,
    PROMQL_WORD,   /* identifier, keyword or metric name; inf and nan are PROMQL_NUMBER */
    PROMQL_NUMBER, /* durations too */
    PROMQL_STRING, /* `text` with its quotes */
    PROMQL_SYMBOL, /* operators and punctuation, the longest that fits: "=~", "(", … */
};

struct promql_token {
    enum promql_token_type type;
    struct str text;
    size_t at; /* byte offset in the query */
};

struct promql_lexer {
    struct str text;
    size_t at;
    bool in_range; /* between brackets, where ':' is a symbol and never part of a name */
};

/* The next token; white space and comments are passed over. ERR_INVALID: a string without end, or a
 * character that begins nothing. */
int promql_next(struct promql_lexer *l, struct promql_token *out, struct err *e)
    __attribute__((warn_unused_result));

/* The value of a PROMQL_STRING: escapes as in Go, none in backquotes. ERR_INVALID names the escape
 * that is none. */
int promql_unquote(const struct promql_token *string, struct arena *a, struct str *out,
                   struct err *e) __attribute__((warn_unused_result));

#endif
