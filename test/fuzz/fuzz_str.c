/* Views, bounded formatting, buffers and the nearest word on any bytes. The input's first line is
 * one string, the rest another. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fmt.h"
#include "base/nearest.h"
#include "base/str.h"
#include "fuzz.h"

enum { CANDIDATES_MAX = 16, BUFFER_BYTES = 64 };

static void require(bool holds)
{
    if (!holds) {
        abort();
    }
}

static void check_order(struct str a, struct str b)
{
    int forth = str_compare(a, b);
    int back = str_compare(b, a);

    require((forth == 0) == str_eq(a, b));
    require((forth < 0) == (back > 0) && (forth > 0) == (back < 0));
    require(!str_eq(a, b) || (str_eq_nocase(a, b) && str_hash(a) == str_hash(b)));
    require(!str_starts(a, b) || b.len == 0 || memcmp(a.ptr, b.ptr, b.len) == 0);
}

/* The pieces and separators add up to the whole. */
static void check_cut(struct str s)
{
    struct str rest = s;
    size_t total = 0;

    while (rest.ptr != NULL) {
        struct str piece = str_cut(rest, ' ', &rest);
        require(str_find_char(piece, ' ') == piece.len);
        total += piece.len + (rest.ptr != NULL);
    }
    require(total == s.len);
    struct str trimmed = str_trim(s);
    require(str_eq(str_trim(trimmed), trimmed) && trimmed.len <= s.len);
}

/* Well-formed text stays well-formed wherever it is cut. */
static void check_truncation(struct str s)
{
    char out[BUFFER_BYTES];
    struct err e = ERR_INIT;

    for (size_t size = 1; size <= sizeof(out); size += 7) {
        struct str have = fmt(out, size, "%.*s", STR_ARG(s));
        require(have.len < size && out[have.len] == '\0' && strlen(out) <= have.len);
        require(!str_is_utf8(s) || str_is_utf8(have));
    }
    (void)err_set(&e, ERR_INVALID, "%.*s", STR_ARG(s));
    for (int i = 0; i < 3; i++) {
        (void)err_prefix(&e, "%.*s", STR_ARG(s));
    }
    require(!str_is_utf8(s) || str_is_utf8(str_from(e.text)));
}

static void check_buffer(struct str s)
{
    struct buf b;

    buf_init(&b, BUFFER_BYTES);
    buf_append(&b, s);
    require(b.failed == (s.len > BUFFER_BYTES));
    buf_format(&b, "%.*s", STR_ARG(s));
    buf_append_char(&b, '.');
    require(buf_view(&b).len <= BUFFER_BYTES);
    buf_free(&b);
}

static void check_nearest(struct str word, struct str text)
{
    struct str candidates[CANDIDATES_MAX] = {{NULL, 0}};
    size_t count = 0;

    for (struct str rest = text; rest.ptr != NULL && count < CANDIDATES_MAX; count++) {
        candidates[count] = str_cut(rest, '\n', &rest);
    }
    struct str found = nearest(word, candidates, count);
    for (size_t i = 0; i < count; i++) {
        if (word.len > 0 && word.len <= 64 && str_eq_nocase(candidates[i], word)) {
            require(str_eq_nocase(found, word)); /* nothing is nearer than the word itself */
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct str rest;
    struct str first = str_cut(text, '\n', &rest);

    check_order(first, rest);
    check_order(text, first);
    check_cut(text);
    check_truncation(text);
    check_buffer(text);
    check_nearest(first, rest);
    return 0;
}
