/* What OpenMetrics 1.0 has beyond the text format: metadata by the letter, "# EOF", times in
 * seconds, exemplars. Single spaces, no line is empty, no comment is free. */
#include <math.h>
#include <string.h>

#include "base/num.h"
#include "collector/exposition_internal.h"

static const double SECONDS_MAX = 9e15; /* more do not fit into 64 bits of milliseconds */

enum { EXEMPLAR_CHARACTERS_MAX = 128 }; /* of all names and values (OpenMetrics, "Exemplars") */

static bool take(struct str *s, struct str word)
{
    if (!str_starts(*s, word)) {
        return false;
    }
    *s = str_slice(*s, word.len, s->len);
    return true;
}

static bool is_type(struct str word)
{
    static const struct str TYPES[] = {
        STR_INIT("counter"), STR_INIT("gauge"), STR_INIT("histogram"), STR_INIT("gaugehistogram"),
        STR_INIT("summary"), STR_INIT("info"),  STR_INIT("stateset"),  STR_INIT("unknown"),
    };

    for (size_t i = 0; i < sizeof(TYPES) / sizeof(TYPES[0]); i++) {
        if (str_eq(word, TYPES[i])) {
            return true;
        }
    }
    return false;
}

/* "…_UNIT" */
static bool has_unit(struct str name, struct str unit)
{
    return str_ends(name, unit) && name.len > unit.len && name.ptr[name.len - unit.len - 1] == '_';
}

int exposition_openmetrics_comment(struct exposition *x, struct str line, struct err *e)
{
    enum { HELP, TYPE, UNIT, KEYWORDS };
    static const struct str WORDS[] = {STR_INIT("# HELP "), STR_INIT("# TYPE "),
                                       STR_INIT("# UNIT ")};
    struct str rest = line;
    size_t word = 0;

    if (str_eq(line, STR("# EOF"))) {
        x->ended = true;
        return 0;
    }
    while (word < KEYWORDS && !take(&rest, WORDS[word])) {
        word++;
    }
    if (word == KEYWORDS) {
        return exposition_invalid(line, line.ptr,
                                  "\"# HELP \", \"# TYPE \", \"# UNIT \" or "
                                  "\"# EOF\"",
                                  e);
    }
    struct str name = exposition_cut_quoted(&rest);
    if (name.ptr != NULL) {
        name = str_slice(name, 1, name.len - 1);
    } else {
        name = exposition_cut_name(&rest);
        if (name.len == 0) {
            return exposition_invalid(line, rest.ptr, "a metric name", e);
        }
    }
    if (str_find_char(name, '\0') < name.len || !take(&rest, STR(" "))) {
        return exposition_invalid(line, rest.ptr, "a space after the metric name", e);
    }
    if (word == HELP && !str_is_utf8(rest)) {
        return exposition_invalid(line, rest.ptr, "help in UTF-8", e);
    }
    if (word == TYPE && !is_type(rest)) {
        return exposition_invalid(line, rest.ptr,
                                  "counter, gauge, histogram, gaugehistogram, summary, info, "
                                  "stateset or unknown",
                                  e);
    }
    if (word == UNIT && rest.len > 0 && !has_unit(name, rest)) {
        return exposition_invalid(line, rest.ptr, "the unit that the metric's name ends in", e);
    }
    return 0;
}

/* " NUMBER" at the front, up to a space or the end. */
static bool take_number(struct str *s, double *out)
{
    struct str number = str_slice(*s, 1, s->len);
    size_t used = num_float_prefix(number, out);

    if (s->len == 0 || s->ptr[0] != ' ' || used == 0 ||
        (used < number.len && number.ptr[used] != ' ')) {
        return false;
    }
    *s = str_slice(number, used, number.len);
    return true;
}

/* Characters of a word that may have escapes; one counts once. */
static size_t characters(struct str word)
{
    size_t n = 0;

    for (size_t i = 0; i < word.len; i++) {
        if (word.ptr[i] == '\\' && i + 1 < word.len && strchr("\\\"n", word.ptr[i + 1]) != NULL) {
            i++;
        }
        n += ((unsigned char)word.ptr[i] & 0xC0) != 0x80 ? 1 : 0;
    }
    return n;
}

/* The labels behind "# {", the '}' included. */
static int take_exemplar_labels(struct str line, struct str *s, struct err *e)
{
    struct label_scan scan = {.format = EXPOSITION_OPENMETRICS, .rest = *s};
    enum label_item item;
    size_t length = 0;

    while ((item = exposition_next_label(&scan)) == LABEL_PAIR) {
        length += characters(scan.name) + characters(scan.value);
        if (!str_is_utf8(scan.value) || str_find_char(scan.value, '\0') < scan.value.len) {
            return exposition_invalid(line, scan.value.ptr, "a label value in UTF-8", e);
        }
    }
    if (item != LABEL_END) {
        return exposition_invalid(line, scan.rest.ptr,
                                  item == LABEL_NAME ? "'=' after the label name" : scan.expected,
                                  e);
    }
    if (length > EXEMPLAR_CHARACTERS_MAX) {
        return exposition_invalid(line, s->ptr, "at most 128 characters of exemplar labels", e);
    }
    *s = scan.rest;
    return 0;
}

static int check_exemplar(struct str line, struct str s, struct err *e)
{
    double value = 0;
    double seconds = 0;

    if (take_exemplar_labels(line, &s, e) != 0) {
        return -1;
    }
    if (!take_number(&s, &value)) {
        return exposition_invalid(line, s.ptr, "a space and a number as the exemplar's value", e);
    }
    const char *at = s.ptr;
    if (s.len > 0 && (!take_number(&s, &seconds) || !isfinite(seconds) || s.len > 0)) {
        return exposition_invalid(line, at, "a finite time in seconds and no more", e);
    }
    return 0;
}

int exposition_openmetrics_tail(struct str line, struct str tail, struct exposed_sample *out,
                                struct err *e)
{
    static const struct str EXEMPLAR = STR_INIT(" # {");
    double seconds = 0;

    if (!str_starts(tail, EXEMPLAR)) {
        const char *at = tail.ptr;
        if (!take_number(&tail, &seconds)) {
            return exposition_invalid(line, at, "a time in seconds or an exemplar", e);
        }
        if (!(fabs(seconds) < SECONDS_MAX)) { /* NaN is not less */
            return exposition_invalid(line, at, "a finite time in seconds below 9e15", e);
        }
        out->has_timestamp = true;
        out->timestamp_ms = (int64_t)(seconds * 1000);
        if (tail.len == 0) {
            return 0;
        }
        if (!str_starts(tail, EXEMPLAR)) {
            return exposition_invalid(line, tail.ptr, "an exemplar like # {…} 1", e);
        }
    }
    return check_exemplar(line, str_slice(tail, EXEMPLAR.len, tail.len), e);
}
