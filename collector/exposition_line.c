/* The line of a sample: where the series ends, the value, the time.
 *
 * After its labels a valid line has a number and, in text, at most a second one: no '}' among them.
 * So the last '}' ends the series, and it is found from the line's end without reading the labels.
 * Only an exemplar has braces of its own; a line that may have one (it has a '#') is read from the
 * front. In a line that is not valid the cut may be wrong, but then the labels do not parse.
 */
#include <string.h>

#include "base/num.h"
#include "collector/exposition_internal.h"

/* The '}' that ends the labels, from the front: the first one outside quotes. */
static const char *closing_brace(struct str line)
{
    const char *end = line.ptr + line.len;
    bool quoted = false;

    for (const char *p = line.ptr; p < end; p++) {
        if (*p == '"') {
            quoted = !quoted;
        } else if (*p == '\\' && quoted) {
            p++;
        } else if (*p == '}' && !quoted) {
            return p;
        }
    }
    return NULL;
}

static struct str cut_series(enum exposition_format format, struct str *line)
{
    const char *brace = NULL;

    if (format == EXPOSITION_TEXT || memchr(line->ptr, '#', line->len) == NULL) {
        brace = memrchr(line->ptr, '}', line->len);
    } else {
        struct str bare = *line;
        (void)exposition_cut_name(&bare);
        /* "name 1 # {…}": the braces are the exemplar's */
        brace = bare.len > 0 && bare.ptr[0] == '{' ? closing_brace(bare) : NULL;
    }
    if (brace == NULL) {
        return exposition_cut_name(line);
    }
    size_t len = (size_t)(brace + 1 - line->ptr);
    struct str series = str_slice(*line, 0, len);
    *line = str_slice(*line, len, line->len);
    return series;
}

/* A word that no number begins, or that does not end where a number did. */
static int wrong_value(enum exposition_format format, struct str line, struct str series,
                       struct str rest, struct err *e)
{
    if (exposition_check_series(format, series, e) != 0) {
        return -1;
    }
    if (rest.len > 0 && rest.ptr[0] == '{') {
        return exposition_invalid(line, rest.ptr, "labels like {name=\"value\"}, closed by '}'", e);
    }
    return exposition_invalid(line, rest.ptr, "a number as the value", e);
}

/* Milliseconds, of digits alone. */
static bool take_milliseconds(struct str *s, int64_t *out)
{
    int64_t value = 0;
    size_t n = 0;

    for (; n < s->len && char_is_digit(s->ptr[n]); n++) {
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, s->ptr[n] - '0', &value)) {
            return false;
        }
    }
    *s = str_slice(*s, n, s->len);
    *out = value;
    return n > 0;
}

static int text_tail(struct str line, struct str tail, struct exposed_sample *out, struct err *e)
{
    exposition_skip_blanks(&tail);
    if (tail.len == 0) {
        return 0;
    }
    const char *at = tail.ptr;
    if (!take_milliseconds(&tail, &out->timestamp_ms)) {
        return exposition_invalid(line, at, "a time in milliseconds, of digits alone", e);
    }
    out->has_timestamp = true;
    exposition_skip_blanks(&tail);
    if (tail.len > 0) {
        return exposition_invalid(line, tail.ptr, "nothing after the time", e);
    }
    return 0;
}

int exposition_sample(enum exposition_format format, struct str line, struct exposed_sample *out,
                      struct err *e)
{
    struct str rest = line;
    char first = line.ptr[0];

    if (first != '{' && (!exposition_name_char(first) || char_is_digit(first))) {
        return exposition_invalid(line, line.ptr, "a metric name, '{' or '#'", e);
    }
    struct exposed_sample sample = {.series = cut_series(format, &rest)};
    if (sample.series.len == 0) { /* '{' without '}' */
        return exposition_invalid(line, rest.ptr, "labels like {name=\"value\"}, closed by '}'", e);
    }
    if (format == EXPOSITION_TEXT) {
        exposition_skip_blanks(&rest);
    } else if (rest.len > 0 && rest.ptr[0] == ' ') {
        rest = str_slice(rest, 1, rest.len);
    } else {
        return wrong_value(format, line, sample.series, rest, e);
    }
    size_t used = num_float_prefix(rest, &sample.value);
    bool ends = used == rest.len || rest.ptr[used] == ' ' ||
                (format == EXPOSITION_TEXT && rest.ptr[used] == '\t');
    if (used == 0 || !ends) {
        return wrong_value(format, line, sample.series, rest, e);
    }
    if (used < rest.len) {
        struct str tail = str_slice(rest, used, rest.len);
        int failed = format == EXPOSITION_TEXT
                         ? text_tail(line, tail, &sample, e)
                         : exposition_openmetrics_tail(line, tail, &sample, e);
        if (failed != 0) {
            return -1;
        }
    }
    *out = sample;
    return 0;
}
