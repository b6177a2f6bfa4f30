/* Between PromQL's own files: promql_lex.c (tokens, strings), promql.c (the walk over a query),
 * promql_selector.c (one selector), promql_regex.c (label expressions). */
#ifndef AMPSCALE_BASE_PROMQL_INTERNAL_H
#define AMPSCALE_BASE_PROMQL_INTERNAL_H

#include <stdint.h>

#include "base/promql.h"

/* One text being read: the token that is next, and the lexer behind it. */
struct promql_reader {
    struct promql_lexer lexer;
    struct promql_token token;
    struct arena *arena;
    struct err *e;
};

/* Go on to the next token. */
int promql_advance(struct promql_reader *r);
bool promql_is_symbol(const struct promql_token *t, struct str symbol);
/* Keywords are of any case. */
bool promql_is_word(const struct promql_token *t, struct str word);
/* "byte N: expected …, found …". Returns -1. */
int promql_expected(struct promql_reader *r, const char *what);

/* The braces that are next, if any, behind a metric's name (absent: none). */
int promql_read_selector(struct promql_reader *r, struct str name, struct promql_selector *out);
bool promql_selector_equal(const struct promql_selector *a, const struct promql_selector *b);

/* Whether an anchored regular expression matches a text: for sure, for sure not, or it is one that
 * is not understood here. */
enum promql_verdict { PROMQL_NO, PROMQL_YES, PROMQL_UNKNOWN };
enum promql_verdict promql_regex(struct str pattern, struct str text);

#endif
