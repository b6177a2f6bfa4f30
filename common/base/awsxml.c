#include "base/awsxml.h"

#include <stdint.h>
#include <string.h>

enum { REFERENCE_BYTES = 10 }; /* of the longest reference: "&#x10FFFF;" */

struct reader {
    struct str text;
    size_t at;
    struct arena *arena;
    size_t count;
    struct awsxml *root;
    struct awsxml *open[AWSXML_DEPTH_MAX];
    struct awsxml **link[AWSXML_DEPTH_MAX]; /* where the next child of open[] goes */
    size_t depth;
};

static int wrong(const struct reader *r, struct err *e, const char *what)
{
    return err_set(e, ERR_INVALID, "XML: %s at byte %zu", what, r->at);
}

static char peek(const struct reader *r)
{
    return r->at < r->text.len ? r->text.ptr[r->at] : '\0';
}

static struct str rest(const struct reader *r)
{
    return str_slice(r->text, r->at, r->text.len);
}

static bool skip(struct reader *r, struct str what)
{
    const bool there = str_starts(rest(r), what);
    r->at += there ? what.len : 0;
    return there;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct reader *r)
{
    while (is_space(peek(r))) {
        r->at++;
    }
}

static bool is_name(char c, bool first)
{
    const unsigned char u = (unsigned char)c;
    const bool letter = char_is_lower(char_lower(c)) || c == '_' || c == ':' || u >= 0x80;
    return letter || (!first && (char_is_digit(c) || c == '-' || c == '.'));
}

static int read_name(struct reader *r, struct str *out, struct err *e)
{
    const size_t from = r->at;
    while (is_name(peek(r), r->at == from)) {
        r->at++;
    }
    if (r->at == from) {
        return wrong(r, e, "expected a name");
    }
    *out = str_slice(r->text, from, r->at);
    return 0;
}

/* ---- text ---- */

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
        return out;
    }
    if (c < 0x800) {
        *out++ = (char)(0xc0 | (c >> 6));
    } else {
        if (c < 0x10000) {
            *out++ = (char)(0xe0 | (c >> 12));
        } else {
            *out++ = (char)(0xf0 | (c >> 18));
            *out++ = (char)(0x80 | ((c >> 12) & 0x3f));
        }
        *out++ = (char)(0x80 | ((c >> 6) & 0x3f));
    }
    *out++ = (char)(0x80 | (c & 0x3f));
    return out;
}

static int digit_of(char c)
{
    const char lower = char_lower(c);
    if (char_is_digit(c)) {
        return c - '0';
    }
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : 16;
}

/* "#38" or "#x26": the character, 0 when it is none that text may hold. */
static uint32_t character_of(struct str reference)
{
    const bool hex = str_starts(reference, STR("#x"));
    const uint32_t base = hex ? 16 : 10;
    uint32_t c = 0;
    for (size_t i = hex ? 2 : 1; i < reference.len; i++) {
        const uint32_t digit = (uint32_t)digit_of(reference.ptr[i]);
        if (digit >= base) {
            return 0;
        }
        c = c * base + digit; /* at most eight digits: no overflow */
    }
    const bool control = c < 0x20 && c != '\t' && c != '\n' && c != '\r';
    return control || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff) ? 0 : c;
}

/* The character of a reference, without its '&' and ';'; 0: there is no such thing. */
static uint32_t resolve(struct str reference)
{
    static const struct {
        struct str name;
        char c;
    } rows[] = {{STR_INIT("amp"), '&'},
                {STR_INIT("lt"), '<'},
                {STR_INIT("gt"), '>'},
                {STR_INIT("quot"), '"'},
                {STR_INIT("apos"), '\''}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (str_eq(rows[i].name, reference)) {
            return (uint32_t)rows[i].c;
        }
    }
    return str_starts(reference, STR("#")) ? character_of(reference) : 0;
}

/* Text up to the next '<', decoded. */
static int read_text(struct reader *r, struct str *out, struct err *e)
{
    const struct str raw = str_slice(rest(r), 0, str_find_char(rest(r), '<'));
    if (str_find_char(raw, '&') == raw.len) {
        r->at += raw.len;
        *out = raw;
        return 0;
    }
    char *copy = arena_alloc(r->arena, raw.len);
    if (copy == NULL) {
        return arena_err(r->arena, e);
    }
    char *to = copy;
    const size_t end = r->at + raw.len;
    while (r->at < end) {
        const struct str ahead = str_slice(r->text, r->at, end);
        const struct str plain = str_slice(ahead, 0, str_find_char(ahead, '&'));
        to = (char *)memcpy(to, plain.ptr, plain.len) + plain.len;
        r->at += plain.len;
        if (r->at < end) {
            const struct str window = str_slice(ahead, plain.len + 1, plain.len + REFERENCE_BYTES);
            const size_t length = str_find_char(window, ';');
            const uint32_t c = length < window.len ? resolve(str_slice(window, 0, length)) : 0;
            if (c == 0) {
                return wrong(r, e, "a reference that is none of the five entities");
            }
            to = put_utf8(to, c);
            r->at += length + 2;
        }
    }
    *out = (struct str){copy, (size_t)(to - copy)};
    return 0;
}

/* ---- elements ---- */

static int skip_attributes(struct reader *r, struct err *e)
{
    struct str name;
    for (skip_space(r); is_name(peek(r), true); skip_space(r)) {
        if (read_name(r, &name, e) != 0) {
            return -1;
        }
        skip_space(r);
        if (!skip(r, STR("="))) {
            return wrong(r, e, "expected '='");
        }
        skip_space(r);
        const char quote = peek(r);
        if (quote != '"' && quote != '\'') {
            return wrong(r, e, "expected a quoted value");
        }
        r->at++;
        const struct str value = str_slice(rest(r), 0, str_find_char(rest(r), quote));
        if (r->at + value.len == r->text.len || str_find_char(value, '<') < value.len) {
            return wrong(r, e, "a value that does not end");
        }
        r->at += value.len + 1;
    }
    return 0;
}

static int add(struct reader *r, struct str name, struct err *e)
{
    if (r->count >= AWSXML_ELEMENTS_MAX || r->depth >= AWSXML_DEPTH_MAX) {
        return err_set(e, ERR_LIMIT, "XML: more than %d elements, or nested deeper than %d",
                       AWSXML_ELEMENTS_MAX, AWSXML_DEPTH_MAX);
    }
    struct awsxml *n = arena_alloc(r->arena, sizeof *n);
    if (n == NULL) {
        return arena_err(r->arena, e);
    }
    n->name = name;
    r->count++;
    if (r->depth == 0) {
        r->root = n;
    } else {
        *r->link[r->depth - 1] = n;
        r->link[r->depth - 1] = &n->next;
    }
    r->open[r->depth] = n;
    r->link[r->depth] = &n->child;
    r->depth++;
    return 0;
}

/* After '<'. */
static int read_start(struct reader *r, struct err *e)
{
    struct str name;
    if (read_name(r, &name, e) != 0 || add(r, name, e) != 0 || skip_attributes(r, e) != 0) {
        return -1;
    }
    if (skip(r, STR("/>"))) {
        r->depth--;
        return 0;
    }
    return skip(r, STR(">")) ? 0 : wrong(r, e, "expected '>'");
}

/* After "</". */
static int read_end(struct reader *r, struct err *e)
{
    struct str name;
    const size_t from = r->at;
    if (read_name(r, &name, e) != 0) {
        return -1;
    }
    skip_space(r);
    if (!str_eq(name, r->open[r->depth - 1]->name) || !skip(r, STR(">"))) {
        r->at = from;
        return wrong(r, e, "expected the end of the innermost element");
    }
    r->depth--;
    return 0;
}

/* What is inside the innermost open element: its text, then a tag. */
static int read_inside(struct reader *r, struct err *e)
{
    struct awsxml *n = r->open[r->depth - 1];
    struct str text;
    if (read_text(r, &text, e) != 0) {
        return -1;
    }
    if (skip(r, STR("</"))) {
        if (n->child == NULL) {
            n->text = text;
        } else if (str_trim(text).len > 0) {
            return wrong(r, e, "text beside elements");
        }
        return read_end(r, e);
    }
    if (!skip(r, STR("<"))) {
        return wrong(r, e, "the end of an element is missing");
    }
    return str_trim(text).len > 0 ? wrong(r, e, "text beside elements") : read_start(r, e);
}

static int read_prolog(struct reader *r, struct err *e)
{
    (void)skip(r, STR("\xef\xbb\xbf"));
    if (skip(r, STR("<?xml"))) {
        if (!is_space(peek(r)) || skip_attributes(r, e) != 0) {
            return wrong(r, e, "not an XML declaration");
        }
        if (!skip(r, STR("?>"))) {
            return wrong(r, e, "expected '?>'");
        }
    }
    skip_space(r);
    return skip(r, STR("<")) ? 0 : wrong(r, e, "expected an element");
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < 0x20 && !is_space(s.ptr[i])) {
            return true;
        }
    }
    return false;
}

int awsxml_parse(struct str text, struct arena *a, const struct awsxml **out, struct err *e)
{
    struct reader r = {.text = text, .arena = a};
    if (!str_is_utf8(text) || has_control(text)) {
        return err_set(e, ERR_INVALID, "XML: not UTF-8, or it holds control characters");
    }
    if (read_prolog(&r, e) != 0 || read_start(&r, e) != 0) {
        return -1;
    }
    while (r.depth > 0) {
        if (read_inside(&r, e) != 0) {
            return -1;
        }
    }
    skip_space(&r);
    if (r.at < text.len) {
        return wrong(&r, e, "something after the root element");
    }
    *out = r.root;
    return 0;
}

const struct awsxml *awsxml_find(const struct awsxml *root, const char *path)
{
    const struct awsxml *at = root;
    struct str left = str_from(path);
    while (at != NULL && left.len > 0) {
        const struct str name = str_cut(left, '/', &left);
        at = at->child;
        while (at != NULL && !str_eq(at->name, name)) {
            at = at->next;
        }
    }
    return at;
}

struct str awsxml_text(const struct awsxml *root, const char *path)
{
    const struct awsxml *found = awsxml_find(root, path);
    return found != NULL ? found->text : (struct str){NULL, 0};
}
