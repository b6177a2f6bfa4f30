/* JSON text to a tree, in one pass.
 *
 * A recursive descent by the grammar of RFC 8259, each function from its first byte to behind its
 * last. Nesting is bounded, and so is the recursion. Where it fails it says what it expected there.
 * Strings are most of a text: they are scanned sixteen bytes at a time, and only one with an escape
 * or a character outside ASCII is looked at twice.
 */
#include <string.h>

#include "base/json_internal.h"

const struct json_limits JSON_LIMITS_API = {
    .max_depth = 64,
    .max_values = 500000,
    .duplicates = JSON_DUPLICATES_KEEP,
};

const struct json_limits JSON_LIMITS_USER = {
    .max_depth = 16,
    .max_values = 2000,
    .duplicates = JSON_DUPLICATES_REFUSE,
};

/* Nodes are made by the block. */
enum { FIRST_NODES = 8, BLOCK_NODES = 32 };

struct parser {
    struct str text;
    size_t pos;         /* the next byte to look at */
    struct json *nodes; /* made and not used yet */
    size_t node_count;
    const struct json_limits *limits;
    size_t depth;  /* containers that are open */
    size_t values; /* nodes made so far */
    struct arena *arena;
    struct err *err;
};

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

static bool is_printable(char c)
{
    return c >= ' ' && c < 0x7f;
}

/* Go to the next byte that is no white space, and give it; NUL at the end, and else in no text that
 * is accepted. */
static inline char next_byte(struct parser *p)
{
    while (p->pos < p->text.len) {
        const char c = p->text.ptr[p->pos];
        if ((unsigned char)c > ' ' || !is_space(c)) {
            return c;
        }
        p->pos++;
    }
    return '\0';
}

/* Fail at pos: what was expected there, and what is there instead. */
static int fail(const struct parser *p, const char *expected)
{
    if (p->pos >= p->text.len) {
        return err_set(p->err, ERR_INVALID, "JSON at byte %zu: expected %s, found the end", p->pos,
                       expected);
    }
    const char c = p->text.ptr[p->pos];
    if (c != ' ' && is_printable(c)) {
        return err_set(p->err, ERR_INVALID, "JSON at byte %zu: expected %s, found '%c'", p->pos,
                       expected, c);
    }
    return err_set(p->err, ERR_INVALID, "JSON at byte %zu: expected %s, found byte 0x%02x", p->pos,
                   expected, (unsigned char)c);
}

static int fail_at(struct parser *p, size_t pos, const char *expected)
{
    p->pos = pos;
    return fail(p, expected);
}

/* ---- strings ---- */

/* From `at`, inside the string that begins at `begin`, to its closing quote: each byte checked but
 * what escapes say. */
static int find_quote(struct parser *p, size_t begin, size_t at, size_t *quote, bool *escapes)
{
    while (at < p->text.len && p->text.ptr[at] != '"') {
        const unsigned char c = (unsigned char)p->text.ptr[at];
        size_t n = str_utf8_length(p->text, at);
        if (c < ' ') {
            return fail_at(p, at, "an escape for the control character");
        }
        if (n == 0) {
            return fail_at(p, at, "valid UTF-8");
        }
        if (c == '\\') {
            *escapes = true;
            n = 2;
        }
        at += n;
        at += at < p->text.len ? str_plain_length(str_slice(p->text, at, p->text.len)) : 0;
    }
    if (at >= p->text.len) {
        return fail_at(p, begin - 1, "a closed string");
    }
    *quote = at;
    return 0;
}

/* What the bytes from..to stand for, some of which are escapes. */
static int decode_escapes(struct parser *p, size_t from, size_t to, struct str *out)
{
    const struct str s = str_slice(p->text, 0, to);
    size_t len = 0;
    char *copy = arena_alloc(p->arena, to - from); /* no escape is shorter than what it means */

    if (copy == NULL) {
        return arena_err(p->arena, p->err);
    }
    for (size_t at = from, used; at < to; at += used) {
        size_t written = 1;

        used = 1;
        if (s.ptr[at] != '\\') {
            copy[len] = s.ptr[at];
        } else {
            written = json_unescape(s, at, copy + len, &used);
        }
        if (written == 0) {
            return fail_at(p, at, "a valid escape (surrogates in pairs)");
        }
        len += written;
    }
    *out = (struct str){copy, len};
    return 0;
}

/* The string at pos. */
static int build_string(struct parser *p, struct str *out)
{
    const size_t begin = p->pos + 1;
    size_t end = begin + str_plain_length((struct str){p->text.ptr + begin, p->text.len - begin});
    bool escapes = false;

    if (end >= p->text.len || p->text.ptr[end] != '"') {
        if (find_quote(p, begin, end, &end, &escapes) != 0) {
            return -1;
        }
    }
    *out = (struct str){p->text.ptr + begin, end - begin};
    if (escapes && decode_escapes(p, begin, end, out) != 0) {
        return -1;
    }
    p->pos = end + 1;
    return 0;
}

/* ---- numbers and literals ---- */

static bool ends_word(char c)
{
    return !is_printable(c) || memchr(" ,:[]{}\"", c, 8) != NULL;
}

static int build_word(struct parser *p, struct json *node)
{
    size_t end = p->pos;

    while (end < p->text.len && !ends_word(p->text.ptr[end])) {
        end++;
    }
    const struct str word = str_slice(p->text, p->pos, end);
    /* A text that is one word was never meant to be JSON: it is shown. */
    const bool shown = p->depth == 0 && word.len > 0;
    if (!shown && (word.len == 0 || memchr("-0123456789tfn", word.ptr[0], 14) == NULL)) {
        return fail(p, "a value");
    }
    if (json_is_number(word)) {
        node->type = JSON_NUMBER;
        node->text = word;
    } else if (str_eq(word, STR("true")) || str_eq(word, STR("false"))) {
        node->type = JSON_BOOL;
        node->boolean = word.ptr[0] == 't';
    } else if (!str_eq(word, STR("null"))) {
        return err_set(p->err, ERR_INVALID, "JSON at byte %zu: %.*s is no JSON value", p->pos,
                       STR_ARG(str_slice(word, 0, 40)));
    }
    p->pos = end;
    return 0;
}

/* ---- arrays and objects ---- */

static struct json *build_value(struct parser *p);

/* A member's name and the colon behind it. */
static int build_key(struct parser *p, struct str *key)
{
    if (next_byte(p) != '"') {
        return fail(p, "a member name in double quotes");
    }
    if (build_string(p, key) != 0) {
        return -1;
    }
    if (next_byte(p) != ':') {
        return fail(p, "':'");
    }
    p->pos++;
    return 0;
}

static int refuse_duplicates(struct parser *p, const struct json *object)
{
    const struct json *duplicate = NULL;

    if (json_find_duplicate(object, p->arena, &duplicate, p->err) != 0) {
        return -1;
    }
    if (duplicate == NULL) {
        return 0;
    }
    return err_set(p->err, ERR_INVALID, "JSON at byte %zu: the name \"%.*s\" appears twice",
                   (size_t)(duplicate->raw.ptr - p->text.ptr), STR_ARG(duplicate->key));
}

static int build_elements(struct parser *p, struct json *node, char close)
{
    struct json *last = NULL;

    for (char c = next_byte(p); c != close || last == NULL; c = next_byte(p)) {
        struct str key = {0};
        if (c == close) {
            return 0;
        }
        if (last != NULL) {
            if (c != ',') {
                return fail(p, node->type == JSON_OBJECT ? "',' or '}'" : "',' or ']'");
            }
            p->pos++;
        }
        if (node->type == JSON_OBJECT && build_key(p, &key) != 0) {
            return -1;
        }
        struct json *child = build_value(p);
        if (child == NULL) {
            return -1;
        }
        child->key = key;
        json_append(node, &last, child);
    }
    return 0;
}

/* From the opening bracket at pos to behind the closing one. */
static int build_container(struct parser *p, struct json *node, char close)
{
    if (p->depth == p->limits->max_depth) {
        return err_set(p->err, ERR_LIMIT, "JSON at byte %zu: nested deeper than %zu", p->pos,
                       p->limits->max_depth);
    }
    p->depth++;
    p->pos++;
    if (build_elements(p, node, close) != 0) {
        return -1;
    }
    p->depth--;
    p->pos++;
    if (node->type == JSON_OBJECT && p->limits->duplicates == JSON_DUPLICATES_REFUSE) {
        return refuse_duplicates(p, node);
    }
    return 0;
}

static struct json *new_node(struct parser *p)
{
    if (p->values == p->limits->max_values) {
        (void)err_set(p->err, ERR_LIMIT, "JSON: more than %zu values", p->limits->max_values);
        return NULL;
    }
    if (p->node_count == 0) {
        const size_t count = p->values == 0 ? FIRST_NODES : BLOCK_NODES;
        p->nodes = arena_array(p->arena, count, sizeof *p->nodes);
        if (p->nodes == NULL) {
            (void)arena_err(p->arena, p->err);
            return NULL;
        }
        p->node_count = count;
    }
    p->values++;
    p->node_count--;
    return p->nodes++;
}

static int build_typed(struct parser *p, char first, struct json *node)
{
    if (first == '"') {
        node->type = JSON_STRING;
        return build_string(p, &node->text);
    }
    if (first == '{') {
        node->type = JSON_OBJECT;
        return build_container(p, node, '}');
    }
    if (first == '[') {
        node->type = JSON_ARRAY;
        return build_container(p, node, ']');
    }
    return build_word(p, node);
}

/* The value at pos, or NULL with the error set. */
static struct json *build_value(struct parser *p)
{
    const char first = next_byte(p);
    const size_t start = p->pos;
    struct json *node = new_node(p);

    if (node == NULL || build_typed(p, first, node) != 0) {
        return NULL;
    }
    node->raw = (struct str){p->text.ptr + start, p->pos - start};
    return node;
}

int json_parse(struct str text, const struct json_limits *limits, struct arena *a,
               const struct json **out, struct err *e)
{
    struct parser p = {.text = text, .limits = limits, .arena = a, .err = e};
    const struct json *root = build_value(&p);

    if (root == NULL) {
        return -1;
    }
    (void)next_byte(&p);
    if (p.pos != text.len) {
        return fail(&p, "the end of the text");
    }
    *out = root;
    return 0;
}
