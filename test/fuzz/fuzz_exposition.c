/* A body in either format: byte 0 says which, byte 1 how large the pieces are that it comes in.
 *
 * However it is cut, the same samples or the same complaint come out. What is accepted is made of
 * legal names, each once, and of UTF-8; printed canonically and parsed again it is the same. Any
 * text that is a series is found whole again in a line that begins with it. */
#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "collector/exposition.h"
#include "collector/lines.h"
#include "fuzz.h"

enum { OUT_MAX = 64 << 20 };

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static uint64_t bits_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static bool legal_name(struct str name, bool colon)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = char_lower(name.ptr[i]);
        bool letter = char_is_lower(c) || c == '_' || (colon && c == ':');
        if (!letter && !(i > 0 && char_is_digit(c))) {
            return false;
        }
    }
    return name.len > 0;
}

static void print_series(struct buf *out, const struct exposed_series *series)
{
    buf_append(out, series->name);
    buf_append_char(out, '{');
    for (size_t i = 0; i < series->label_count; i++) {
        struct str value = series->labels[i].value;
        buf_append(out, i > 0 ? STR(",") : STR(""));
        buf_append(out, series->labels[i].name);
        buf_append(out, STR("=\""));
        for (size_t k = 0; k < value.len; k++) {
            char c = value.ptr[k];
            if (c == '\\' || c == '"' || c == '\n') {
                buf_append_char(out, '\\');
            }
            buf_append_char(out, c == '\n' ? 'n' : c);
        }
        buf_append_char(out, '"');
    }
    buf_append_char(out, '}');
}

static void check_series(const struct exposed_series *series)
{
    require(legal_name(series->name, true));
    for (size_t i = 0; i < series->label_count; i++) {
        require(legal_name(series->labels[i].name, false) && str_is_utf8(series->labels[i].value));
        for (size_t k = 0; k < i; k++) {
            require(!str_eq(series->labels[i].name, series->labels[k].name));
        }
    }
}

/* The line "SERIES TAIL" has this series and this value, whatever else is in it. */
static void check_line(enum exposition_format format, struct str series, const char *tail,
                       double value)
{
    struct exposition x = {.format = format};
    enum exposition_line kind = EXPOSITION_NOTHING;
    struct exposed_sample s = {0};
    struct err e = ERR_INIT;
    struct buf line;

    buf_init(&line, OUT_MAX);
    buf_append(&line, series);
    buf_append(&line, str_from(tail));
    require(exposition_take(&x, buf_view(&line), &kind, &s, &e) == 0 && kind == EXPOSITION_SAMPLE);
    require(str_eq(s.series, series) && bits_of(s.value) == bits_of(value));
    buf_free(&line);
}

/* A series that was accepted: printed and parsed again it is the same, in both formats. */
static void check_canonical(const struct exposed_series *series)
{
    struct exposed_series again;
    struct err e = ERR_INIT;
    struct buf text;
    struct buf scratch;

    buf_init(&text, OUT_MAX);
    buf_init(&scratch, OUT_MAX);
    print_series(&text, series);
    for (int format = EXPOSITION_TEXT; format <= EXPOSITION_OPENMETRICS; format++) {
        enum exposition_format f = (enum exposition_format)format;
        buf_reset(&scratch);
        require(exposition_labels(f, buf_view(&text), &scratch, &again, &e) == 0);
        require(str_eq(again.name, series->name) && again.label_count == series->label_count);
        for (size_t i = 0; i < series->label_count; i++) {
            require(str_eq(again.labels[i].name, series->labels[i].name));
            require(str_eq(again.labels[i].value, series->labels[i].value));
        }
        check_line(f, buf_view(&text), " 1", 1);
    }
    buf_free(&text);
    buf_free(&scratch);
}

/* Any text as a series. */
static void check_any_series(enum exposition_format format, struct str text)
{
    struct exposed_series series;
    struct err e = ERR_INIT;
    struct buf scratch;

    buf_init(&scratch, OUT_MAX);
    if (exposition_labels(format, text, &scratch, &series, &e) == 0) {
        check_series(&series);
        check_canonical(&series);
        if (str_find_char(text, '\n') == text.len) {
            check_line(format, text, " -5 17", -5);
            if (format == EXPOSITION_OPENMETRICS) {
                check_line(format, text, " 2.5 # {a=\"}\",b=\"\\\"{\"} 1 2", 2.5);
            }
        }
    } else {
        require(e.text[0] != '\0' && (e.code == ERR_INVALID || e.code == ERR_LIMIT));
    }
    require(scratch.len <= text.len);
    buf_free(&scratch);
}

/* A body on its way, and what came out of it. */
struct reading {
    struct exposition at;
    struct buf out;
    struct err e;
    int failed;
};

static int take(void *context, struct str line, struct err *e)
{
    struct reading *r = context;
    struct exposed_sample s = {0};
    enum exposition_line kind = EXPOSITION_NOTHING;

    if (exposition_take(&r->at, line, &kind, &s, e) != 0) {
        require(kind == EXPOSITION_NOTHING && s.series.ptr == NULL && bits_of(s.value) == 0 &&
                !s.has_timestamp && s.timestamp_ms == 0);
        require(e->code == ERR_INVALID && str_starts(str_from(e->text), STR("line ")));
        return -1;
    }
    if (kind == EXPOSITION_SAMPLE) {
        require(s.series.ptr >= line.ptr && s.series.len > 0 &&
                s.series.ptr + s.series.len <= line.ptr + line.len);
        buf_append(&r->out, s.series);
        buf_append(&r->out, (struct str){(const char *)&s.value, sizeof(s.value)});
        buf_append(&r->out, (struct str){(const char *)&s.timestamp_ms, sizeof(s.timestamp_ms)});
        buf_append_char(&r->out, s.has_timestamp ? 't' : '-');
        check_any_series(r->at.format, s.series);
    }
    return 0;
}

static void read_in_pieces(struct reading *r, enum exposition_format format, struct str body,
                           size_t piece)
{
    struct lines lines;

    *r = (struct reading){.at = {.format = format}, .e = ERR_INIT};
    buf_init(&r->out, OUT_MAX);
    lines_init(&lines, OUT_MAX, take, r);
    for (size_t at = 0; at < body.len && r->failed == 0; at += piece) {
        r->failed = lines_feed(&lines, str_slice(body, at, at + piece), &r->e);
    }
    if (r->failed == 0) {
        r->failed = lines_end(&lines, &r->e);
    }
    if (r->failed == 0) {
        r->failed = exposition_end(&r->at, &r->e);
    }
    lines_free(&lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reading whole;
    struct reading pieces;

    if (size < 2 || size > LINES_LINE_MAX_BYTES) {
        return 0;
    }
    enum exposition_format format = data[0] == 'o' ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
    struct str body = {(const char *)data + 2, size - 2};
    read_in_pieces(&whole, format, body, body.len + 1);
    read_in_pieces(&pieces, format, body, 1 + data[1] % 64);
    require(whole.failed == pieces.failed && strcmp(whole.e.text, pieces.e.text) == 0);
    require(str_eq(buf_view(&whole.out), buf_view(&pieces.out)));
    require(whole.at.lines == pieces.at.lines && whole.at.ended == pieces.at.ended);
    buf_free(&whole.out);
    buf_free(&pieces.out);
    check_any_series(format, body);
    return 0;
}
