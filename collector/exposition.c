#include "collector/exposition.h"

#include <string.h>

#include "base/fmt.h"
#include "collector/exposition_internal.h"

enum { SHOWN_BYTES = 128, SHOWN_BEFORE = 96 };

int exposition_format_of(struct str content_type, enum exposition_format *out, struct err *e)
{
    static const struct str NOT_METRICS[] = {
        STR_INIT("text/html"),
        STR_INIT("application/json"),
        STR_INIT("application/vnd.google.protobuf"),
    };
    struct str parameters;
    struct str type = str_trim(str_cut(content_type, ';', &parameters));

    for (size_t i = 0; i < sizeof(NOT_METRICS) / sizeof(NOT_METRICS[0]); i++) {
        if (str_eq_nocase(type, NOT_METRICS[i])) {
            return err_set(e, ERR_INVALID,
                           "Content-Type %.*s: expected text/plain or "
                           "application/openmetrics-text, which an app's metrics endpoint sends",
                           STR_ARG(NOT_METRICS[i]));
        }
    }
    *out = str_eq_nocase(type, STR("application/openmetrics-text")) ? EXPOSITION_OPENMETRICS
                                                                    : EXPOSITION_TEXT;
    return 0;
}

/* The text as it can be printed: what is no character, or a control character, as \xNN. */
static struct str show(struct str text, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < text.len;) {
        size_t length = str_utf8_length(text, i);
        unsigned char first = (unsigned char)text.ptr[i];
        bool prints = length > 0 && first >= 0x20 && first != 0x7f;
        if (prints) {
            n += fmt(out + n, size - n, "%.*s", STR_ARG(str_slice(text, i, i + length))).len;
        } else {
            n += fmt(out + n, size - n, "\\x%02x", (unsigned)first).len;
        }
        i += prints ? length : 1;
    }
    return (struct str){out, n};
}

int exposition_invalid(struct str text, const char *at, const char *expected, struct err *e)
{
    char shown[SHOWN_BYTES * 4 + 1];
    size_t place = (size_t)(at - text.ptr);
    size_t from = text.len > SHOWN_BYTES && place > SHOWN_BEFORE ? place - SHOWN_BEFORE : 0;
    size_t to = text.len - from > SHOWN_BYTES ? from + SHOWN_BYTES : text.len;
    struct str part = show(str_slice(text, from, to), shown, sizeof(shown));

    return err_set(e, ERR_INVALID, "\"%s%.*s%s\": expected %s at byte %zu", from > 0 ? "…" : "",
                   STR_ARG(part), to < text.len ? "…" : "", expected, place + 1);
}

static bool is_type(struct str word)
{
    return str_eq(word, STR("counter")) || str_eq(word, STR("gauge")) ||
           str_eq(word, STR("histogram")) || str_eq(word, STR("summary")) ||
           str_eq(word, STR("untyped"));
}

/* "#", blanks, HELP or TYPE, blanks: metadata. Any other is free. */
int exposition_text_comment(struct str line, struct err *e)
{
    struct str rest = str_slice(line, 1, line.len);
    bool blank = rest.len > 0 && exposition_blank(rest.ptr[0]);

    exposition_skip_blanks(&rest);
    bool type = str_starts(rest, STR("TYPE"));
    if (!blank || rest.len < 5 || !exposition_blank(rest.ptr[4]) ||
        (!type && !str_starts(rest, STR("HELP")))) {
        return 0;
    }
    rest = str_slice(rest, 4, rest.len);
    exposition_skip_blanks(&rest);
    struct str name = exposition_cut_quoted(&rest);
    if (name.ptr == NULL) {
        name = exposition_cut_name(&rest);
    }
    if (name.len == 0 || str_find_char(name, '\0') < name.len ||
        (rest.len > 0 && rest.ptr[0] == '\0')) {
        return exposition_invalid(line, rest.ptr, "a metric name", e);
    }
    struct str text = str_slice(rest, 1, rest.len); /* behind one blank */
    if (type && !is_type(text)) {
        return exposition_invalid(line, rest.ptr, "counter, gauge, histogram, summary or untyped",
                                  e);
    }
    if (!str_is_utf8(text)) {
        return exposition_invalid(line, rest.ptr, "help in UTF-8", e);
    }
    return 0;
}

static int take_line(struct exposition *x, struct str line, enum exposition_line *kind,
                     struct exposed_sample *out, struct err *e)
{
    if (x->ended) {
        return exposition_invalid(line, line.ptr, "nothing after \"# EOF\"", e);
    }
    if (x->format == EXPOSITION_TEXT) {
        exposition_skip_blanks(&line);
    }
    if (line.len == 0) {
        if (x->format == EXPOSITION_OPENMETRICS) {
            return exposition_invalid(line, line.ptr, "no empty line", e);
        }
        *kind = EXPOSITION_NOTHING;
        return 0;
    }
    if (line.ptr[0] != '#') {
        if (exposition_sample(x->format, line, out, e) != 0) {
            return -1;
        }
        *kind = EXPOSITION_SAMPLE;
        return 0;
    }
    int failed = x->format == EXPOSITION_TEXT ? exposition_text_comment(line, e)
                                              : exposition_openmetrics_comment(x, line, e);
    if (failed != 0) {
        return -1;
    }
    *kind = EXPOSITION_NOTHING;
    return 0;
}

int exposition_take(struct exposition *x, struct str line, enum exposition_line *kind,
                    struct exposed_sample *out, struct err *e)
{
    x->lines++;
    if (take_line(x, line, kind, out, e) != 0) {
        return err_prefix(e, "line %llu", (unsigned long long)x->lines);
    }
    return 0;
}

int exposition_end(const struct exposition *x, struct err *e)
{
    if (x->format == EXPOSITION_OPENMETRICS && !x->ended) {
        return err_set(e, ERR_INVALID,
                       "the body ends after line %llu without \"# EOF\": it was cut off",
                       (unsigned long long)x->lines);
    }
    return 0;
}
