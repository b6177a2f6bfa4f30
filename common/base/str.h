/* String views: the one string type of ampscale.
 *
 * A view points into memory that somebody else owns (a request's buffer, an arena, a literal) and
 * is never NUL-terminated by promise. Views are passed by value. An absent string is {NULL, 0}; an
 * empty one has a non-NULL ptr and len 0; str_eq treats the two alike.
 */
#ifndef AMPSCALE_BASE_STR_H
#define AMPSCALE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

struct str {
    const char *ptr;
    size_t len; /* bytes */
};

/* A view of a string literal, usable in static initialisers too. */
#define STR(literal) ((struct str){("" literal), sizeof(literal) - 1})
/* clang-format off */
#define STR_INIT(literal) {("" literal), sizeof(literal) - 1}
/* clang-format on */

/* For "%.*s": a view longer than INT_MAX never occurs, every input is capped far below. */
#define STR_ARG(s) (int)(s).len, ((s).ptr != NULL ? (s).ptr : "")

/* ASCII alone. */
bool char_is_digit(char c);
bool char_is_lower(char c);
char char_lower(char c);

/* View of a NUL-terminated string; NULL gives the absent view. Lives as long as `text` does. */
struct str str_from(const char *text);

bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII letters only */
bool str_starts(struct str s, struct str prefix);
bool str_ends(struct str s, struct str suffix);

/* memcmp order, the shorter first when one is a prefix of the other: <0, 0, >0. */
int str_compare(struct str a, struct str b);

/* Index of the first `c`, or s.len when there is none. */
size_t str_find_char(struct str s, char c);

/* Copy s to *cursor, which is moved behind it: for the texts under one allocation. */
struct str str_copy_to(char **cursor, struct str s);

/* Bytes [from, to) of s, both clamped to s.len. */
struct str str_slice(struct str s, size_t from, size_t to);

/* Without ASCII space, tab, CR and LF at both ends. */
struct str str_trim(struct str s);

/* The part before the first `separator`; *rest gets what follows it (absent when there is none). */
struct str str_cut(struct str s, char separator, struct str *rest);

/* True when s is well-formed UTF-8: no overlong form, no surrogate, at most U+10FFFF (RFC 3629). */
bool str_is_utf8(struct str s);

/* Bytes of the well-formed UTF-8 character at s[at], 1 to 4; 0 when there is none. */
size_t str_utf8_length(struct str s, size_t at);

/* How many bytes at the front of s are ASCII that a quoted text holds as it is: nothing below the
 * blank, no quote, no backslash. */
size_t str_plain_length(struct str s);

/* FNV-1a, 64 bits: for tables and phases, not for security. */
unsigned long long str_hash(struct str s);

#endif
