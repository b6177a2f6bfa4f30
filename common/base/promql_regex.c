/* Label expressions, the simple ones that most are: alternatives of literals, classes and '.', each
 * with '*', '+' or '?', perhaps in one pair of parentheses around all. An alternative is a row of
 * atoms, and a set of places in it (one bit each) moves along with the text: no backtracking, no
 * recursion. Everything else is not understood, and said to be so.
 */
#include <stdint.h>

#include "base/promql_internal.h"

enum { ATOMS_MAX = 63 };

/* What one character may be, and how often. */
struct atom {
    uint64_t ascii[2]; /* a bit each */
    bool beyond;       /* every character that is not ASCII */
    bool optional, repeated;
};

struct atoms {
    struct atom items[ATOMS_MAX];
    size_t count;
};

static void set_range(struct atom *a, unsigned from, unsigned to)
{
    for (unsigned c = from; c <= to && c < 128; c++) {
        a->ascii[c / 64] |= UINT64_C(1) << (c % 64);
    }
}

static void invert(struct atom *a)
{
    a->ascii[0] = ~a->ascii[0];
    a->ascii[1] = ~a->ascii[1];
    a->beyond = !a->beyond;
}

/* The classes \d \w \s and what is no letter or digit: itself. */
static bool set_escape(struct atom *a, unsigned char c)
{
    switch (c) {
    case 'd': set_range(a, '0', '9'); return true;
    case 'w':
        set_range(a, '0', '9');
        set_range(a, 'a', 'z');
        set_range(a, 'A', 'Z');
        set_range(a, '_', '_');
        return true;
    default: break; /* one of 256 */
    }
    bool letter = char_is_digit((char)c) || char_is_lower(char_lower((char)c));
    if (letter || c >= 0x80) {
        return false;
    }
    set_range(a, c, c);
    return true;
}

/* From behind '[' to behind ']'; absent: not understood. */
static struct str read_class(struct str rest, struct atom *a)
{
    const struct str unknown = {NULL, 0};
    bool inverted = str_starts(rest, STR("^"));
    size_t first = inverted ? 1 : 0;
    size_t i = first;
    for (; i < rest.len && (rest.ptr[i] != ']' || i == first); i++) {
        unsigned char c = (unsigned char)rest.ptr[i];
        bool range = i + 2 < rest.len && rest.ptr[i + 1] == '-' && rest.ptr[i + 2] != ']';
        if (c == '[' || c >= 0x80) {
            return unknown;
        }
        if (c == '\\') {
            i++;
            if (i >= rest.len || !set_escape(a, (unsigned char)rest.ptr[i])) {
                return unknown;
            }
            if (i + 1 < rest.len && rest.ptr[i + 1] == '-') {
                return unknown;
            }
        } else if (range) {
            unsigned char to = (unsigned char)rest.ptr[i + 2];
            if (to < c || to >= 0x80 || to == '\\' || to == '[') {
                return unknown;
            }
            set_range(a, c, to);
            i += 2;
        } else {
            set_range(a, c, c);
        }
    }
    if (i >= rest.len) {
        return unknown;
    }
    if (inverted) {
        invert(a);
    }
    return str_slice(rest, i + 1, rest.len);
}

/* One atom without its count; what is behind it, absent: not understood. */
static struct str read_atom(struct str rest, struct atom *a)
{
    const struct str unknown = {NULL, 0};
    unsigned char c = (unsigned char)rest.ptr[0];
    struct str behind = str_slice(rest, 1, rest.len);
    switch (c) {
    case '[': return read_class(behind, a);
    case '\\':
        if (behind.len == 0 || !set_escape(a, (unsigned char)behind.ptr[0])) {
            return unknown;
        }
        return str_slice(behind, 1, behind.len);
    case '.': invert(a); return behind;
    case '(':
    case ')':
    case '{':
    case '}':
    case '^':
    case '$':
    case '*':
    case '+':
    case '?': return unknown;
    default: break; /* one of 256 */
    }
    if (c >= 0x80) {
        return unknown;
    }
    set_range(a, c, c);
    return behind;
}

static struct str read_count(struct str rest, struct atom *a)
{
    char c = rest.len > 0 ? rest.ptr[0] : '\0';
    a->optional = c == '*' || c == '?';
    a->repeated = c == '*' || c == '+';
    if (!a->optional && !a->repeated) {
        return rest;
    }
    rest = str_slice(rest, 1, rest.len);
    return str_starts(rest, STR("?")) ? str_slice(rest, 1, rest.len) : rest; /* lazy: the same */
}

/* The atoms of one alternative, and what is behind its '|' (absent: nothing). False: not
 * understood. */
static bool read_alternative(struct str *rest, struct atoms *out)
{
    struct str at = *rest;
    out->count = 0;
    if (str_starts(at, STR("^"))) {
        at = str_slice(at, 1, at.len);
    }
    while (at.len > 0 && at.ptr[0] != '|') {
        struct atom *a = &out->items[out->count];
        if (at.ptr[0] == '$' && (at.len == 1 || at.ptr[1] == '|')) {
            at = str_slice(at, 1, at.len);
            break;
        }
        if (out->count == ATOMS_MAX) {
            return false;
        }
        *a = (struct atom){.beyond = false};
        at = read_atom(at, a);
        if (at.ptr == NULL) {
            return false;
        }
        at = read_count(at, a);
        out->count++;
    }
    *rest = at.len > 0 ? str_slice(at, 1, at.len) : (struct str){NULL, 0};
    return true;
}

static bool holds(const struct atom *a, unsigned char c)
{
    return c >= 0x80 ? a->beyond : (a->ascii[c / 64] >> (c % 64) & 1U) != 0;
}

/* The places that are reached without a character. */
static uint64_t with_optional(const struct atoms *atoms, uint64_t places)
{
    for (size_t i = 0; i < atoms->count; i++) {
        if ((places >> i & 1U) != 0 && atoms->items[i].optional) {
            places |= UINT64_C(1) << (i + 1);
        }
    }
    return places;
}

static bool matches(const struct atoms *atoms, struct str text)
{
    uint64_t places = with_optional(atoms, 1);
    for (size_t at = 0; at < text.len && places != 0; at++) {
        unsigned char c = (unsigned char)text.ptr[at];
        uint64_t next = 0;
        while (c >= 0x80 && at + 1 < text.len && ((unsigned char)text.ptr[at + 1] & 0xC0) == 0x80) {
            at++; /* the rest of one character */
        }
        for (size_t i = 0; i < atoms->count; i++) {
            if ((places >> i & 1U) != 0 && holds(&atoms->items[i], c)) {
                next |= UINT64_C(1) << (i + 1);
                next |= atoms->items[i].repeated ? UINT64_C(1) << i : 0;
            }
        }
        places = with_optional(atoms, next);
    }
    return (places >> atoms->count & 1U) != 0;
}

/* Without one pair of parentheses around all of it. */
static struct str without_group(struct str pattern)
{
    if (!str_starts(pattern, STR("(")) || !str_ends(pattern, STR(")"))) {
        return pattern;
    }
    size_t from = str_starts(pattern, STR("(?:")) ? 3 : 1;
    struct str inner = str_slice(pattern, from, pattern.len - 1);
    bool plain = str_find_char(inner, '(') == inner.len && str_find_char(inner, ')') == inner.len &&
                 !str_ends(inner, STR("\\"));
    return plain ? inner : pattern;
}

enum promql_verdict promql_regex(struct str pattern, struct str text)
{
    struct atoms atoms;
    struct str rest = without_group(pattern);
    bool matched = false;
    if (text.len == 0) {
        text = STR("");
    }
    if (str_find_char(text, '\n') < text.len) {
        return PROMQL_UNKNOWN; /* '.' holds it since Prometheus 3, and did not before */
    }
    while (rest.ptr != NULL) {
        if (!read_alternative(&rest, &atoms)) {
            return PROMQL_UNKNOWN;
        }
        matched = matched || matches(&atoms, text);
    }
    return matched ? PROMQL_YES : PROMQL_NO;
}
