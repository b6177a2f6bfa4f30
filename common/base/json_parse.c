/* JSON text to a tree.
 *
 * Three passes. measure() bounds the nesting and counts the tokens, because jsmn walks up the
 * nesting at each closing bracket and its token array must be allocated first; it also notes which
 * strings are not what they stand for as they are. jsmn then finds where strings and containers
 * start and end. It lets much pass ("[1 2]", "{,}", 01), so the builder does not trust it: it walks
 * text and tokens in step and checks every byte between two tokens and every byte of a token
 * against RFC 8259. Where jsmn itself gave up, the builder runs out of tokens at the same place and
 * says what it expected there.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define JSMN_STATIC
#define JSMN_STRICT
#define JSMN_PARENT_LINKS
#include <jsmn.h>

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

enum { SPECIAL_FIRST = 64 };
/* Nodes are made by the block. */
enum { FIRST_NODES = 8, BLOCK_NODES = 32 };

#define EACH_BYTE UINT64_C(0x0101010101010101)
/* A word as it was loaded, its first byte the least significant. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define LEAST_FIRST(word) (word)
#else
#define LEAST_FIRST(word) __builtin_bswap64(word)
#endif

struct parser {
    struct str text;
    size_t pos; /* the next byte to look at */
    jsmntok_t *tokens;
    size_t token_count;
    size_t next_token;
    /* Where strings begin, behind their quotes, that are not what they stand for as they are: with
     * an escape, or with what is not allowed in one. In order; few, so the others are not looked at
     * twice. */
    uint32_t *special;
    size_t special_count, special_room, next_special;
    const struct json_limits *limits;
    size_t values;      /* nodes used so far */
    struct json *nodes; /* made and not used yet */
    size_t node_count;
    struct arena *arena;
    struct err *err;
};

/* The byte at pos, or NUL at the end: the text itself holds none. */
static char peek(const struct parser *p)
{
    return p->pos < p->text.len ? p->text.ptr[p->pos] : '\0';
}

static bool is_space(char c)
{
    return (unsigned char)c <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r');
}

static bool is_printable(char c)
{
    return (unsigned char)c >= ' ' && (unsigned char)c < 0x7f;
}

/* Go to the next byte that is no white space, and give it. */
static inline char skip_space(struct parser *p)
{
    size_t at = p->pos;

    while (at < p->text.len && is_space(p->text.ptr[at])) {
        at++;
    }
    p->pos = at;
    return at < p->text.len ? p->text.ptr[at] : '\0';
}

/* The bytes from..to of the text, which are there. */
static struct str part(const struct parser *p, size_t from, size_t to)
{
    return (struct str){p->text.ptr + from, to - from};
}

/* Fail at pos: what was expected there, and what is there instead. */
static int fail(const struct parser *p, const char *expected)
{
    char c = peek(p);

    if (p->pos >= p->text.len) {
        return err_set(p->err, ERR_INVALID, "JSON at byte %zu: expected %s, found the end", p->pos,
                       expected);
    }
    if (c != ' ' && is_printable(c)) {
        return err_set(p->err, ERR_INVALID, "JSON at byte %zu: expected %s, found '%c'", p->pos,
                       expected, c);
    }
    return err_set(p->err, ERR_INVALID, "JSON at byte %zu: expected %s, found byte 0x%02x", p->pos,
                   expected, (unsigned char)c);
}

static int fail_values(const struct parser *p)
{
    return err_set(p->err, ERR_LIMIT, "JSON: more than %zu values", p->limits->max_values);
}

/* The high bit of each byte of `word` that is below `limit` (at most 0x80), and maybe of bytes that
 * are more significant than one of those: enough to find the first. Source: Bit Twiddling Hacks,
 * hasless. */
static uint64_t bytes_below(uint64_t word, uint64_t limit)
{
    return (word - EACH_BYTE * limit) & ~word & EACH_BYTE * 0x80;
}

/* How many bytes at the front of s a string holds as they are: no quote, backslash or control
 * character. Eight at a time: strings are most of a text. */
static inline size_t plain_length(struct str s)
{
    size_t i = 0;

    for (; s.len - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
        uint64_t word, stops;

        memcpy(&word, s.ptr + i, sizeof word);
        word = LEAST_FIRST(word);
        stops = bytes_below(word, ' ') | bytes_below(word ^ EACH_BYTE * '"', 1) |
                bytes_below(word ^ EACH_BYTE * '\\', 1);
        if (stops != 0) {
            return i + (size_t)__builtin_ctzll(stops) / 8;
        }
    }
    while (i < s.len && (unsigned char)s.ptr[i] >= ' ' && s.ptr[i] != '"' && s.ptr[i] != '\\') {
        i++;
    }
    return i;
}

static int note_special(struct parser *p, size_t begin)
{
    if (p->special_count == p->special_room) {
        size_t room = p->special_room == 0 ? SPECIAL_FIRST : p->special_room * 2;
        uint32_t *more = realloc(p->special, room * sizeof *more);

        if (more == NULL) {
            return err_set(p->err, ERR_MEMORY, "out of memory for %zu JSON strings", room);
        }
        p->special = more;
        p->special_room = room;
    }
    p->special[p->special_count++] = (uint32_t)begin;
    return 0;
}

/* From behind an opening quote to the closing one, or past the end. */
static int skip_string(struct parser *p, size_t begin, size_t *end)
{
    size_t at = begin + plain_length(part(p, begin, p->text.len));

    if (at < p->text.len && p->text.ptr[at] != '"' && note_special(p, begin) != 0) {
        return -1;
    }
    while (at < p->text.len && p->text.ptr[at] != '"') {
        at += p->text.ptr[at] == '\\' ? 2 : 1;
        if (at < p->text.len) {
            at += plain_length(part(p, at, p->text.len));
        }
    }
    *end = at;
    return 0;
}

/* Count what jsmn will want a token for, and refuse what would make it slow: deep nesting, closing
 * brackets without an opening one, and bare words that run into a quote or bracket (jsmn would take
 * the quote as part of the word and disagree with us about all that follows). */
static int measure(struct parser *p, size_t *tokens_out)
{
    size_t depth = 0;
    size_t tokens = 0;
    bool word = false; /* the byte before belongs to a number or literal */

    for (size_t at = 0; at < p->text.len; at++) {
        char c = p->text.ptr[at];

        p->pos = at; /* for complaints */
        if (is_space(c) || c == ',') {
            word = false;
        } else if (c == ']' || c == '}') {
            if (depth == 0) {
                return fail(p, tokens == 0 ? "a value" : "the end of the text");
            }
            depth--;
            word = false;
        } else if (!is_printable(c)) {
            return fail(p, "a value or white space");
        } else if (c != '{' && c != '[' && c != '"' && c != ':') {
            tokens += word ? 0 : 1;
            word = true;
        } else if (word) {
            return fail(p, "the value to end");
        } else if (c == '"') {
            tokens++;
            if (skip_string(p, at + 1, &at) != 0) {
                return -1;
            }
        } else if (c != ':') {
            tokens++;
            depth++;
            if (depth > p->limits->max_depth) {
                return err_set(p->err, ERR_LIMIT, "JSON at byte %zu: nested deeper than %zu",
                               p->pos, p->limits->max_depth);
            }
        }
    }
    if (tokens / 2 > p->limits->max_values) {
        return fail_values(p); /* a member is two tokens and one value */
    }
    *tokens_out = tokens;
    return 0;
}

/* Behind the number or literal (or whatever it is) that starts at pos. */
static size_t word_end(const struct parser *p)
{
    size_t end = p->pos;

    while (end < p->text.len && memchr(" \t\n\r,:[]{}\"", p->text.ptr[end], 11) == NULL) {
        end++;
    }
    return end;
}

/* A number or literal alone in the text: strict jsmn wants a bracket or comma after it. */
static void tokenize_word(struct parser *p)
{
    size_t end = word_end(p);

    if (end > p->pos) {
        p->tokens[0] = (jsmntok_t){
            .type = JSMN_PRIMITIVE, .start = (int)p->pos, .end = (int)end, .parent = -1};
        p->token_count = 1;
    }
}

/* Fill p->tokens. False when jsmn refused the text; the tokens up to there are good. */
static bool tokenize(struct parser *p, size_t room)
{
    jsmn_parser jsmn;
    int n;

    p->pos = 0;
    char first = skip_space(p);
    if (first != '{' && first != '[' && first != '"') {
        tokenize_word(p);
        return p->token_count == 1;
    }
    jsmn_init(&jsmn);
    n = jsmn_parse(&jsmn, p->text.ptr, p->text.len, p->tokens, (unsigned int)room);
    p->token_count = jsmn.toknext;
    return n >= 0;
}

/* The token that starts at pos, consumed; NULL when none does. */
static const jsmntok_t *take_token(struct parser *p)
{
    const jsmntok_t *t;
    size_t start;

    if (p->next_token >= p->token_count) {
        return NULL;
    }
    t = &p->tokens[p->next_token];
    start = (size_t)t->start - (t->type == JSMN_STRING ? 1 : 0);
    if (start != p->pos) {
        return NULL;
    }
    p->next_token++;
    return t;
}

/* A string with escapes, or with what is not allowed in one. */
static int decode_special(struct parser *p, size_t begin, struct str s, struct str *out)
{
    size_t len = 0;
    char *copy = arena_alloc(p->arena, s.len); /* no escape is shorter than what it stands for */

    if (copy == NULL) {
        return arena_err(p->arena, p->err);
    }
    for (size_t i = 0, used; i < s.len; i += used) {
        size_t written = 1;

        used = 1;
        if (s.ptr[i] != '\\') {
            copy[len] = s.ptr[i];
        } else {
            written = json_unescape(s, i, copy + len, &used);
        }
        if (written == 0) {
            p->pos = begin + i;
            return fail(p, "a valid escape (surrogates in pairs)");
        }
        len += written;
    }
    *out = (struct str){copy, len};
    return 0;
}

/* The text of a string token; pos goes behind its closing quote. */
static int decode_string(struct parser *p, const jsmntok_t *t, struct str *out)
{
    size_t begin = (size_t)t->start;
    struct str s = part(p, begin, (size_t)t->end);

    if (p->next_special == p->special_count || p->special[p->next_special] != begin) {
        p->pos = begin + s.len + 1;
        *out = s;
        return 0;
    }
    p->next_special++;
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.ptr[i] < ' ') {
            p->pos = begin + i;
            return fail(p, "an escape for the control character");
        }
    }
    if (decode_special(p, begin, s, out) != 0) {
        return -1;
    }
    p->pos = begin + s.len + 1;
    return 0;
}

static int build_word(struct parser *p, const jsmntok_t *t, struct json *node)
{
    struct str word = part(p, (size_t)t->start, (size_t)t->end);

    if (str_eq(word, STR("null"))) {
        node->type = JSON_NULL;
    } else if (str_eq(word, STR("true")) || str_eq(word, STR("false"))) {
        node->type = JSON_BOOL;
        node->boolean = word.ptr[0] == 't';
    } else if (json_is_number(word)) {
        node->type = JSON_NUMBER;
        node->text = word;
    } else {
        return err_set(p->err, ERR_INVALID, "JSON at byte %zu: %.*s is no JSON value", p->pos,
                       STR_ARG(str_slice(word, 0, 40)));
    }
    p->pos = (size_t)t->end;
    return 0;
}

/* Fail where jsmn made no token: it gave up here, or there is nothing to make one of. */
static int fail_token(struct parser *p)
{
    if (peek(p) == '"') {
        return fail(p, "a closed string with valid escapes");
    }
    if (p->pos < p->text.len && memchr("-0123456789tfn", peek(p), 14) != NULL) {
        p->pos = word_end(p);
        return fail(p, "',' or a closing bracket");
    }
    return fail(p, "a value");
}

static struct json *build_value(struct parser *p);

/* A member's name and the colon behind it. */
static int build_key(struct parser *p, struct str *key)
{
    const jsmntok_t *t;

    if (peek(p) != '"') {
        return fail(p, "a member name in double quotes");
    }
    t = take_token(p);
    if (t == NULL) {
        return fail_token(p);
    }
    if (decode_string(p, t, key) != 0) {
        return -1;
    }
    if (skip_space(p) != ':') {
        return fail(p, "':'");
    }
    p->pos++;
    return 0;
}

static int build_element(struct parser *p, struct json *parent, struct json **last)
{
    struct json *child;
    struct str key = {0};

    (void)skip_space(p);
    if (parent->type == JSON_OBJECT && build_key(p, &key) != 0) {
        return -1;
    }
    child = build_value(p);
    if (child == NULL) {
        return -1;
    }
    child->key = key;
    json_append(parent, last, child);
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

/* From the opening bracket at pos to behind the closing one. */
static int build_container(struct parser *p, struct json *node)
{
    char close = node->type == JSON_OBJECT ? '}' : ']';
    struct json *last = NULL;

    p->pos++;
    while (skip_space(p) != close) {
        if (last != NULL) {
            if (peek(p) != ',') {
                return fail(p, node->type == JSON_OBJECT ? "',' or '}'" : "',' or ']'");
            }
            p->pos++;
        }
        if (build_element(p, node, &last) != 0) {
            return -1;
        }
    }
    p->pos++;
    if (node->type == JSON_OBJECT && p->limits->duplicates == JSON_DUPLICATES_REFUSE) {
        return refuse_duplicates(p, node);
    }
    return 0;
}

/* Dispatch on the token's type. UNDEFINED cannot come from jsmn. */
static int build_typed(struct parser *p, const jsmntok_t *t, struct json *node)
{
    switch (t->type) {
    case JSMN_OBJECT: node->type = JSON_OBJECT; return build_container(p, node);
    case JSMN_ARRAY: node->type = JSON_ARRAY; return build_container(p, node);
    case JSMN_STRING: node->type = JSON_STRING; return decode_string(p, t, &node->text);
    case JSMN_PRIMITIVE: return build_word(p, t, node);
    case JSMN_UNDEFINED: break;
    }
    return fail(p, "a value");
}

static struct json *new_node(struct parser *p)
{
    if (p->values == p->limits->max_values) {
        (void)fail_values(p);
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

/* The value at pos, or NULL with the error set. Recursion is bounded: measure() has refused nesting
 * beyond max_depth. */
static struct json *build_value(struct parser *p)
{
    const jsmntok_t *t;
    struct json *node;
    size_t start;

    (void)skip_space(p);
    start = p->pos;
    t = take_token(p);
    if (t == NULL) {
        (void)fail_token(p);
        return NULL;
    }
    node = new_node(p);
    if (node == NULL || build_typed(p, t, node) != 0) {
        return NULL;
    }
    node->raw = part(p, start, p->pos);
    return node;
}

static int check_bytes(struct parser *p)
{
    const char *nul;

    if (p->text.len > INT_MAX) {
        return err_set(p->err, ERR_LIMIT, "JSON: longer than 2 GiB"); /* jsmn counts in int */
    }
    nul = p->text.len == 0 ? NULL : memchr(p->text.ptr, '\0', p->text.len);
    if (nul != NULL) {
        p->pos = (size_t)(nul - p->text.ptr);
        return fail(p, "text");
    }
    if (str_is_utf8(p->text)) {
        return 0;
    }
    for (size_t n = 1; n != 0; p->pos += n) {
        n = json_utf8_length(p->text, p->pos);
    }
    return fail(p, "valid UTF-8");
}

/* The one value of the text, from the tokens. */
static int build_document(struct parser *p, bool tokenized, const struct json **out)
{
    const struct json *root;

    p->pos = 0;
    root = build_value(p);
    if (root == NULL) {
        return -1;
    }
    (void)skip_space(p);
    if (p->pos != p->text.len || !tokenized) {
        return fail(p, "the end of the text");
    }
    *out = root;
    return 0;
}

static int parse(struct parser *p, const struct json **out)
{
    size_t room = 0;
    int rc;

    if (check_bytes(p) != 0 || measure(p, &room) != 0) {
        return -1;
    }
    p->tokens = reallocarray(NULL, room + 1, sizeof *p->tokens); /* jsmn fills them */
    if (p->tokens == NULL) {
        return err_set(p->err, ERR_MEMORY, "out of memory for %zu JSON tokens", room);
    }
    rc = build_document(p, tokenize(p, room), out);
    free(p->tokens);
    return rc;
}

int json_parse(struct str text, const struct json_limits *limits, struct arena *a,
               const struct json **out, struct err *e)
{
    struct parser p = {.text = text, .limits = limits, .arena = a, .err = e};
    int rc = parse(&p, out);

    free(p.special);
    return rc;
}
