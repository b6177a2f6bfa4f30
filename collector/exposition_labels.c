/* The words of a series: what stands between braces, unescaping, escaping to the legacy charset. */
#include <string.h>

#include "collector/exposition_internal.h"

/* Characters as bits: of a name there are these of the ASCII codes 64 to 127, and of the codes 0 to
 * 63 those that stand for a kind of name. */
static const uint64_t LETTERS = UINT64_C(0x07fffffe87fffffe);
static const uint64_t LABEL = UINT64_C(0x03ff) << '0';
static const uint64_t METRIC = UINT64_C(0x07ff) << '0'; /* ':' follows '9' */

static inline bool is_among(char c, uint64_t kind)
{
    unsigned char u = (unsigned char)c;

    return u < 128 && ((u < 64 ? kind : LETTERS) >> (u % 64) & 1) != 0;
}

bool exposition_name_char(char c)
{
    return is_among(c, METRIC);
}

void exposition_skip_blanks(struct str *s)
{
    size_t n = 0;

    while (n < s->len && exposition_blank(s->ptr[n])) {
        n++;
    }
    *s = str_slice(*s, n, s->len);
}

static struct str cut_word(struct str *s, uint64_t kind)
{
    size_t n = 0;

    if (s->len > 0 && !char_is_digit(s->ptr[0])) {
        while (n < s->len && is_among(s->ptr[n], kind)) {
            n++;
        }
    }
    struct str word = str_slice(*s, 0, n);
    *s = str_slice(*s, n, s->len);
    return word;
}

struct str exposition_cut_name(struct str *s)
{
    return cut_word(s, METRIC);
}

struct str exposition_cut_quoted(struct str *s)
{
    if (s->len == 0 || s->ptr[0] != '"') {
        return (struct str){0};
    }
    for (size_t i = 1; i < s->len; i++) {
        if (s->ptr[i] == '"') {
            struct str quoted = str_slice(*s, 0, i + 1);
            *s = str_slice(*s, i + 1, s->len);
            return quoted;
        }
        if (s->ptr[i] == '\\') {
            i++;
        }
    }
    return (struct str){0};
}

static struct str inner(struct str quoted)
{
    return str_slice(quoted, 1, quoted.len - 1);
}

static void skip_between(struct label_scan *s)
{
    if (s->format == EXPOSITION_TEXT) {
        exposition_skip_blanks(&s->rest);
    }
}

static bool take(struct label_scan *s, char c)
{
    skip_between(s);
    if (s->rest.len == 0 || s->rest.ptr[0] != c) {
        return false;
    }
    s->rest = str_slice(s->rest, 1, s->rest.len);
    return true;
}

static enum label_item wrong(struct label_scan *s, const char *expected)
{
    s->expected = expected;
    return LABEL_WRONG;
}

/* A label's name, quoted or not. NUL is an ordinary byte of values alone. */
static bool take_name(struct label_scan *s)
{
    struct str quoted = exposition_cut_quoted(&s->rest);

    s->name_quoted = quoted.ptr != NULL;
    s->name = s->name_quoted ? inner(quoted) : cut_word(&s->rest, LABEL);
    return s->name_quoted ? str_find_char(s->name, '\0') == s->name.len : s->name.len > 0;
}

/* Behind an item: a comma, which the text format alone does without, also before another one. */
static bool take_separator(struct label_scan *s)
{
    if (take(s, ',') || s->format == EXPOSITION_TEXT) {
        return true;
    }
    return s->rest.len > 0 && s->rest.ptr[0] == '}';
}

enum label_item exposition_next_label(struct label_scan *s)
{
    if (take(s, '}')) {
        return LABEL_END;
    }
    const struct str before = s->rest;
    if (!take_name(s)) {
        s->rest = before;
        return wrong(s, "a label name or '}'");
    }
    if (!take(s, '=')) {
        if (s->name_quoted && (take(s, ',') || (s->rest.len > 0 && s->rest.ptr[0] == '}'))) {
            return LABEL_NAME;
        }
        return wrong(s, "'=' after the label name");
    }
    skip_between(s);
    struct str value = exposition_cut_quoted(&s->rest);
    if (value.ptr == NULL) {
        return wrong(s, "a label value in double quotes");
    }
    s->value = inner(value);
    return take_separator(s) ? LABEL_PAIR : wrong(s, "',' or '}' after a label");
}

/* \\ \" \n become one byte, in place; any other backslash stays. Returns the new length. */
static size_t unescape(char *text, size_t len)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        char next = text[i] == '\\' && i + 1 < len ? text[i + 1] : '\0';
        if (next == '\\' || next == '"' || next == 'n') {
            text[out++] = next == 'n' ? '\n' : next;
            i++;
        } else {
            text[out++] = text[i];
        }
    }
    return out;
}

/* Each character that a name may not have becomes '_', in place (prometheus/common
 * model.EscapeName, UnderscoreEscaping). Returns the new length. */
static size_t underscore(char *text, size_t len, uint64_t kind)
{
    size_t out = 0;

    for (size_t i = 0; i < len; i++) {
        bool continues = ((unsigned char)text[i] & 0xC0) == 0x80;
        bool fits = is_among(text[i], kind) && (out > 0 || !char_is_digit(text[i]));
        if (!continues) {
            text[out++] = fits ? text[i] : '_';
        }
    }
    return out;
}

/* A series being taken apart. `copy` is its text in scratch, made when the first word changes:
 * every word of it is rewritten where it stands. */
struct parse {
    struct str series;
    struct buf *scratch;
    size_t copy; /* its place in scratch */
    bool copied;
    struct str name;
    bool has_name;
    struct exposed_label labels[EXPOSITION_LABELS_MAX];
    size_t label_count; /* also those past the last place */
};

/* The bytes of a word of the series in scratch; NULL: scratch is full. */
static char *in_scratch(struct parse *p, struct str word)
{
    if (!p->copied) {
        p->copy = p->scratch->len;
        buf_append(p->scratch, p->series);
        p->copied = !p->scratch->failed;
    }
    return p->copied ? p->scratch->ptr + p->copy + (word.ptr - p->series.ptr) : NULL;
}

static int rewrite_value(struct parse *p, struct str *word, struct err *e)
{
    if (str_find_char(*word, '\\') < word->len) {
        char *at = in_scratch(p, *word);
        if (at == NULL) {
            return buf_check(p->scratch, e);
        }
        *word = (struct str){at, unescape(at, word->len)};
    }
    return 0;
}

static int rewrite_name(struct parse *p, uint64_t kind, struct str *word, struct err *e)
{
    struct str rest = *word;
    (void)cut_word(&rest, kind);
    if (rest.len > 0) {
        char *at = in_scratch(p, *word);
        if (at == NULL) {
            return buf_check(p->scratch, e);
        }
        *word = (struct str){at, underscore(at, unescape(at, word->len), kind)};
    }
    return 0;
}

static int refuse(const struct parse *p, struct str at, const char *expected, struct err *e)
{
    return exposition_invalid(p->series, at.ptr, expected, e);
}

static int add_metric_name(struct parse *p, struct str name, struct err *e)
{
    if (p->has_name) {
        return refuse(p, name, "one metric name", e);
    }
    if (name.len == 0 || !str_is_utf8(name)) {
        return refuse(p, name, "a metric name in UTF-8", e);
    }
    p->has_name = true;
    p->name = name;
    return rewrite_name(p, METRIC, &p->name, e);
}

static int add_label(struct parse *p, const struct label_scan *s, struct err *e)
{
    struct exposed_label label = {s->name, s->value};

    if (s->name.len == 0 || !str_is_utf8(s->name)) {
        return refuse(p, s->name, "a label name in UTF-8", e);
    }
    if (!str_is_utf8(s->value)) {
        return refuse(p, s->value, "a label value in UTF-8", e);
    }
    if (rewrite_name(p, LABEL, &label.name, e) != 0 || rewrite_value(p, &label.value, e) != 0) {
        return -1;
    }
    bool repeated = str_eq(label.name, STR("__name__"));
    size_t known = p->label_count < EXPOSITION_LABELS_MAX ? p->label_count : EXPOSITION_LABELS_MAX;
    for (size_t i = 0; i < known; i++) {
        repeated = repeated || str_eq(p->labels[i].name, label.name);
    }
    if (repeated) {
        return refuse(p, s->name, "each label name once", e);
    }
    if (p->label_count < EXPOSITION_LABELS_MAX) {
        p->labels[p->label_count] = label;
    }
    p->label_count++;
    return 0;
}

/* name{labels} or {"name",labels}, nothing behind it. */
static int parse_series(enum exposition_format format, struct parse *p, struct err *e)
{
    struct label_scan s = {.format = format, .rest = p->series};
    struct str name = exposition_cut_name(&s.rest);

    if (name.len > 0 && add_metric_name(p, name, e) != 0) {
        return -1;
    }
    if (s.rest.len > 0 || name.len == 0) {
        bool blank_first = name.len == 0 && s.rest.len > 0 && exposition_blank(s.rest.ptr[0]);
        if (blank_first || !take(&s, '{')) {
            return refuse(p, s.rest, "a metric name or '{'", e);
        }
        enum label_item item;
        while ((item = exposition_next_label(&s)) == LABEL_PAIR || item == LABEL_NAME) {
            int failed = item == LABEL_PAIR ? add_label(p, &s, e) : add_metric_name(p, s.name, e);
            if (failed != 0) {
                return -1;
            }
        }
        if (item == LABEL_WRONG || s.rest.len > 0) {
            return refuse(p, s.rest, item == LABEL_WRONG ? s.expected : "nothing after '}'", e);
        }
    }
    if (!p->has_name) {
        return refuse(p, p->series, "a metric name", e);
    }
    if (p->label_count > EXPOSITION_LABELS_MAX) {
        return err_set(e, ERR_LIMIT, "%.*s: %zu labels (at most %d)", STR_ARG(p->name),
                       p->label_count, EXPOSITION_LABELS_MAX);
    }
    return 0;
}

int exposition_labels(enum exposition_format format, struct str series, struct buf *scratch,
                      struct exposed_series *out, struct err *e)
{
    struct parse p; /* a large one: only what is read is set */

    p.series = series;
    p.scratch = scratch;
    p.copied = false;
    p.has_name = false;
    p.label_count = 0;
    size_t before = scratch->len;
    if (parse_series(format, &p, e) != 0) {
        scratch->len = before;
        return -1;
    }
    out->name = p.name;
    out->label_count = p.label_count;
    memcpy(out->labels, p.labels, p.label_count * sizeof(p.labels[0]));
    return 0;
}

int exposition_check_series(enum exposition_format format, struct str series, struct err *e)
{
    struct exposed_series parsed;
    struct buf scratch;

    buf_init(&scratch, series.len + 1);
    int result = exposition_labels(format, series, &scratch, &parsed, e);
    buf_free(&scratch);
    return result != 0 && e->code == ERR_INVALID ? -1 : 0;
}
