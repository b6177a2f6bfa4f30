/* What the files behind exposition.h share: the characters, the words inside braces, messages. */
#ifndef AMPSCALE_COLLECTOR_EXPOSITION_INTERNAL_H
#define AMPSCALE_COLLECTOR_EXPOSITION_INTERNAL_H

#include "collector/exposition.h"

bool exposition_name_char(char c); /* [a-zA-Z0-9_:]; the first of a name is no digit */
static inline bool exposition_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Cut off the front of *s: blanks; a name (empty if there is none); "…" with its quotes, in which
 * a backslash takes the next byte with it (absent if there is none, or its end is missing). */
void exposition_skip_blanks(struct str *s);
struct str exposition_cut_name(struct str *s);
struct str exposition_cut_quoted(struct str *s);

/* One item of what stands between braces. */
enum label_item {
    LABEL_PAIR, /* name="value" */
    LABEL_NAME, /* a quoted word alone: the metric's name */
    LABEL_END,  /* '}' */
    LABEL_WRONG,
};

struct label_scan {
    enum exposition_format format;
    struct str rest;      /* behind '{', then behind the item; the wrong place when WRONG */
    const char *expected; /* what WRONG expected */
    struct str name;      /* without quotes, not unescaped */
    bool name_quoted;
    struct str value; /* likewise */
};

enum label_item exposition_next_label(struct label_scan *s);

/* Is the series text valid from end to end? ERR_INVALID as of exposition_labels. */
int exposition_check_series(enum exposition_format format, struct str series, struct err *e);

/* «"TEXT": expected EXPECTED at byte N»; 128 bytes of text around `at`, a place in it. -1. */
int exposition_invalid(struct str text, const char *at, const char *expected, struct err *e);

/* Lines that begin with '#'. */
int exposition_text_comment(struct str line, struct err *e);
int exposition_openmetrics_comment(struct exposition *x, struct str line, struct err *e);

/* A sample's line, without blanks around it (text) or as it is (OpenMetrics). */
int exposition_sample(enum exposition_format format, struct str line, struct exposed_sample *out,
                      struct err *e);
/* What follows a value in OpenMetrics: timestamp and exemplar. `line` is for messages. */
int exposition_openmetrics_tail(struct str line, struct str tail, struct exposed_sample *out,
                                struct err *e);

#endif
