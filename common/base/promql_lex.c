/* PromQL's tokens, and what its strings stand for. */
#include <string.h>

#include "base/promql_internal.h"

static bool begins_word(char c)
{
    return char_is_lower(char_lower(c)) || c == '_' || c == ':';
}

static bool is_word_char(char c)
{
    return begins_word(c) || char_is_digit(c);
}

static char at(const struct promql_lexer *l, size_t i)
{
    return i < l->text.len ? l->text.ptr[i] : '\0';
}

static void skip_space(struct promql_lexer *l)
{
    for (; l->at < l->text.len; l->at++) {
        char c = at(l, l->at);
        if (c == '#') {
            while (l->at < l->text.len && at(l, l->at) != '\n') {
                l->at++;
            }
        } else if (c != ' ' && c != '\t' && c != '\n' && c != '\r') {
            return;
        }
    }
}

static void take(struct promql_lexer *l, size_t end, enum promql_token_type type,
                 struct promql_token *out)
{
    *out = (struct promql_token){type, str_slice(l->text, l->at, end), l->at};
    l->at = end;
}

static void lex_word(struct promql_lexer *l, struct promql_token *out)
{
    size_t end = l->at;
    while (end < l->text.len && is_word_char(at(l, end)) && !(l->in_range && at(l, end) == ':')) {
        end++;
    }
    struct str word = str_slice(l->text, l->at, end);
    bool number = str_eq_nocase(word, STR("inf")) || str_eq_nocase(word, STR("nan"));
    take(l, end, number ? PROMQL_NUMBER : PROMQL_WORD, out);
}

/* 1, .5, 1e-5, 0x1F, 1_000, 1h30m: whatever letters there are, and a sign behind an exponent. */
static void lex_number(struct promql_lexer *l, struct promql_token *out)
{
    bool hexadecimal = at(l, l->at) == '0' && char_lower(at(l, l->at + 1)) == 'x';
    size_t end = l->at;
    while (end < l->text.len) {
        char c = at(l, end);
        bool exponent = !hexadecimal && end > l->at && char_lower(at(l, end - 1)) == 'e';
        bool sign = (c == '+' || c == '-') && exponent && char_is_digit(at(l, end + 1));
        if (c == ':' || !(is_word_char(c) || c == '.' || sign)) {
            break;
        }
        end++;
    }
    take(l, end, PROMQL_NUMBER, out);
}

static int lex_string(struct promql_lexer *l, struct promql_token *out, struct err *e)
{
    char quote = at(l, l->at);
    size_t end = l->at + 1;
    while (end < l->text.len && at(l, end) != quote) {
        if (quote != '`' && at(l, end) == '\n') {
            break;
        }
        end += quote != '`' && at(l, end) == '\\' ? 2 : 1;
    }
    if (end >= l->text.len || at(l, end) != quote) {
        return err_set(e, ERR_INVALID, "byte %zu: the string has no end", l->at);
    }
    take(l, end + 1, PROMQL_STRING, out);
    return 0;
}

static int lex_symbol(struct promql_lexer *l, struct promql_token *out, struct err *e)
{
    static const struct str PAIRS[] = {STR_INIT("=="), STR_INIT("!="), STR_INIT("=~"),
                                       STR_INIT("!~"), STR_INIT(">="), STR_INIT("<="),
                                       STR_INIT("</"), STR_INIT(">/")};
    struct str rest = str_slice(l->text, l->at, l->text.len);
    for (size_t i = 0; i < sizeof(PAIRS) / sizeof(PAIRS[0]); i++) {
        if (str_starts(rest, PAIRS[i])) {
            take(l, l->at + 2, PROMQL_SYMBOL, out);
            return 0;
        }
    }
    if (memchr("(){}[],=:<>+-*/%^@", rest.ptr[0], 18) == NULL) {
        return err_set(e, ERR_INVALID, "byte %zu: expected PromQL, found a byte that is none",
                       l->at);
    }
    l->in_range = rest.ptr[0] == '[' || (l->in_range && rest.ptr[0] != ']');
    take(l, l->at + 1, PROMQL_SYMBOL, out);
    return 0;
}

int promql_next(struct promql_lexer *l, struct promql_token *out, struct err *e)
{
    skip_space(l);
    char c = at(l, l->at);
    char next = at(l, l->at + 1);
    if (l->at >= l->text.len) {
        *out = (struct promql_token){PROMQL_END, STR(""), l->text.len};
        return 0;
    }
    if (c == '"' || c == '\'' || c == '`') {
        return lex_string(l, out, e);
    }
    if (char_is_digit(c) || (c == '.' && char_is_digit(next))) {
        lex_number(l, out);
        return 0;
    }
    if (begins_word(c) && (c != ':' || (!l->in_range && is_word_char(next)))) {
        lex_word(l, out);
        return 0;
    }
    return lex_symbol(l, out, e);
}

static int digit_of(char c)
{
    c = char_lower(c);
    return char_is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 99;
}

static void append_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_append_char(out, (char)c);
        return;
    }
    int more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned LEAD[] = {0, 0xC0, 0xE0, 0xF0};
    buf_append_char(out, (char)(LEAD[more] | c >> (6 * more)));
    while (more-- > 0) {
        buf_append_char(out, (char)(0x80U | (c >> (6 * more) & 0x3FU)));
    }
}

/* The escape behind a backslash; *used: how many bytes it has, 0: it is none. */
static void append_escape(struct str text, struct buf *out, size_t *used)
{
    static const char LETTERS[] = "abfnrtv\\'\"";
    static const char VALUES[] = "\a\b\f\n\r\t\v\\'\"";
    *used = 0;
    if (text.len == 0) {
        return;
    }
    const char *letter = memchr(LETTERS, text.ptr[0], sizeof(LETTERS) - 1);
    if (letter != NULL) {
        buf_append_char(out, VALUES[letter - LETTERS]);
        *used = 1;
        return;
    }
    char kind = text.ptr[0];
    size_t from = char_is_digit(kind) ? 0 : 1;
    size_t digits = from == 0 ? 3 : kind == 'x' ? 2 : kind == 'u' ? 4 : kind == 'U' ? 8 : 0;
    uint32_t value = 0;
    for (size_t i = from; i < from + digits; i++) {
        int digit = i < text.len ? digit_of(text.ptr[i]) : 99;
        if (digit >= (from == 0 ? 8 : 16)) {
            return;
        }
        value = value * (from == 0 ? 8 : 16) + (uint32_t)digit;
    }
    bool byte = from == 0 || kind == 'x';
    if (digits == 0 || value > (byte ? 0xFF : 0x10FFFF) || (value >= 0xD800 && value <= 0xDFFF)) {
        return;
    }
    if (byte) {
        buf_append_char(out, (char)value);
    } else {
        append_utf8(out, value);
    }
    *used = from + digits;
}

int promql_unquote(const struct promql_token *string, struct arena *a, struct str *out,
                   struct err *e)
{
    struct str inner = str_slice(string->text, 1, string->text.len - 1);
    if (string->text.ptr[0] == '`' || str_find_char(inner, '\\') == inner.len) {
        *out = inner;
        return 0;
    }
    struct buf value;
    int status = 0;
    buf_init(&value, inner.len + 1);
    for (size_t i = 0; i < inner.len && status == 0; i++) {
        size_t used;
        if (inner.ptr[i] != '\\') {
            buf_append_char(&value, inner.ptr[i]);
            continue;
        }
        append_escape(str_slice(inner, i + 1, inner.len), &value, &used);
        i += used;
        if (used == 0) {
            status = err_set(e, ERR_INVALID, "byte %zu: an unknown escape in a string",
                             string->at + 1 + i);
        }
    }
    if (status == 0) {
        status = buf_check(&value, e) != 0 ? -1 : arena_str(a, buf_view(&value), out, e);
    }
    buf_free(&value);
    return status;
}

int promql_advance(struct promql_reader *r)
{
    return promql_next(&r->lexer, &r->token, r->e);
}

bool promql_is_symbol(const struct promql_token *t, struct str symbol)
{
    return t->type == PROMQL_SYMBOL && str_eq(t->text, symbol);
}

bool promql_is_word(const struct promql_token *t, struct str word)
{
    return t->type == PROMQL_WORD && str_eq_nocase(t->text, word);
}

int promql_expected(struct promql_reader *r, const char *what)
{
    enum { SHOWN_BYTES = 40 };
    const struct promql_token *t = &r->token;
    struct str found = str_slice(t->text, 0, SHOWN_BYTES);
    switch (t->type) {
    case PROMQL_END: found = STR("the end"); break;
    case PROMQL_STRING: found = STR("a string"); break;
    case PROMQL_WORD:
    case PROMQL_NUMBER:
    case PROMQL_SYMBOL: break;
    }
    return err_set(r->e, ERR_INVALID, "byte %zu: expected %s, found %.*s", t->at, what,
                   STR_ARG(found));
}
