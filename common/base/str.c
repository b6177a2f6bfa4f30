#include "base/str.h"

#include <stdint.h>
#include <string.h>

bool char_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool char_is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

char char_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

struct str str_from(const char *text)
{
    if (text == NULL) {
        return (struct str){NULL, 0};
    }
    return (struct str){text, strlen(text)};
}

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (char_lower(a.ptr[i]) != char_lower(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_slice(s, 0, prefix.len), prefix);
}

bool str_ends(struct str s, struct str suffix)
{
    return s.len >= suffix.len && str_eq(str_slice(s, s.len - suffix.len, s.len), suffix);
}

int str_compare(struct str a, struct str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.ptr, b.ptr, common);
    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

size_t str_find_char(struct str s, char c)
{
    const char *found = s.len == 0 ? NULL : memchr(s.ptr, c, s.len);
    return found == NULL ? s.len : (size_t)(found - s.ptr);
}

struct str str_copy_to(char **cursor, struct str s)
{
    struct str copy = {*cursor, s.len};
    if (s.len > 0) {
        memcpy(*cursor, s.ptr, s.len);
    }
    *cursor += s.len;
    return copy;
}

struct str str_slice(struct str s, size_t from, size_t to)
{
    if (s.ptr == NULL) {
        return s;
    }
    if (to > s.len) {
        to = s.len;
    }
    if (from > to) {
        from = to;
    }
    return (struct str){s.ptr + from, to - from};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    size_t from = 0;
    size_t to = s.len;
    while (from < to && is_blank(s.ptr[from])) {
        from++;
    }
    while (to > from && is_blank(s.ptr[to - 1])) {
        to--;
    }
    return str_slice(s, from, to);
}

struct str str_cut(struct str s, char separator, struct str *rest)
{
    size_t at = str_find_char(s, separator);
    *rest = at < s.len ? str_slice(s, at + 1, s.len) : (struct str){NULL, 0};
    return str_slice(s, 0, at);
}

static bool in_range(unsigned char c, unsigned char low, unsigned char high)
{
    return c >= low && c <= high;
}

/* Bytes of the well-formed character that p[0..left) starts with (Unicode 15, table 3-7); 0 for
 * none. */
static size_t utf8_char_length(const unsigned char *p, size_t left)
{
    unsigned char lead = p[0];
    if (lead < 0x80) {
        return 1;
    }
    if (lead < 0xC2 || lead > 0xF4) { /* a continuation, an overlong form, or past U+10FFFF */
        return 0;
    }
    size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (left < length) {
        return 0;
    }
    unsigned char low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;  /* no overlong form */
    unsigned char high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF; /* no surrogate, end */
    if (!in_range(p[1], low, high)) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if (!in_range(p[i], 0x80, 0xBF)) {
            return 0;
        }
    }
    return length;
}

/* Whether the eight bytes at p are ASCII. */
static bool is_ascii_8(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return (word & UINT64_C(0x8080808080808080)) == 0;
}

bool str_is_utf8(struct str s)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    for (size_t i = 0; i < s.len;) {
        if (s.len - i >= 8 && is_ascii_8(p + i)) {
            i += 8;
            continue;
        }
        size_t length = utf8_char_length(p + i, s.len - i);
        if (length == 0) {
            return false;
        }
        i += length;
    }
    return true;
}

size_t str_utf8_length(struct str s, size_t at)
{
    return at < s.len ? utf8_char_length((const unsigned char *)s.ptr + at, s.len - at) : 0;
}

/* Sixteen bytes, compared at once; every processor we are built for has registers for that. */
typedef signed char bytes16 __attribute__((vector_size(16)));
typedef uint64_t words2 __attribute__((vector_size(16)));

/* Index of the first byte of the word, as it was loaded, that is not 0. */
static size_t first_byte(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return (size_t)__builtin_ctzll(word) / 8;
}

size_t str_plain_length(struct str s)
{
    size_t i = 0;
    for (bytes16 part; s.len - i >= sizeof(part); i += sizeof(part)) {
        memcpy(&part, s.ptr + i, sizeof(part));
        /* What is not ASCII is below zero. */
        const words2 stops = (words2)((part < ' ') | (part == '"') | (part == '\\'));
        if (stops[0] != 0) {
            return i + first_byte(stops[0]);
        }
        if (stops[1] != 0) {
            return i + sizeof(stops[0]) + first_byte(stops[1]);
        }
    }
    while (i < s.len && (signed char)s.ptr[i] >= ' ' && s.ptr[i] != '"' && s.ptr[i] != '\\') {
        i++;
    }
    return i;
}

unsigned long long str_hash(struct str s)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < s.len; i++) {
        hash = (hash ^ (unsigned char)s.ptr[i]) * UINT64_C(1099511628211);
    }
    return hash;
}
