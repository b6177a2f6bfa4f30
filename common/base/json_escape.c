/* One escape of a JSON string to the bytes it stands for. */
#include <string.h>

#include "base/json_internal.h"

/* Four hexadecimal digits at s[at], or -1. */
static int hex4(struct str s, size_t at)
{
    int value = 0;

    if (s.len < at + 4) {
        return -1;
    }
    for (size_t i = at; i < at + 4; i++) {
        char c = s.ptr[i];
        int digit;

        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10;
        } else if (c >= 'A' && c <= 'F') {
            digit = c - 'A' + 10;
        } else {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* The code point of the \u escape (or surrogate pair of escapes) at s[at]; *used gets its length.
 * -1 when it is malformed or half a pair. */
static int unicode_escape(struct str s, size_t at, size_t *used)
{
    int high = hex4(s, at + 2);
    int low;

    *used = 6;
    if (high < 0xd800 || high > 0xdfff) {
        return high;
    }
    if (high > 0xdbff || s.len < at + 12 || s.ptr[at + 6] != '\\' || s.ptr[at + 7] != 'u') {
        return -1;
    }
    low = hex4(s, at + 8);
    if (low < 0xdc00 || low > 0xdfff) {
        return -1;
    }
    *used = 12;
    return 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00);
}

/* Write one code point as UTF-8; returns its length. */
static size_t put_utf8(char *out, unsigned int c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | (c >> 6));
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | (c >> 12));
        out[1] = (char)(0x80 | ((c >> 6) & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (c >> 18));
    out[1] = (char)(0x80 | ((c >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

size_t json_unescape(struct str s, size_t at, char *out, size_t *used)
{
    static const char NAMES[] = "\"\\/bfnrt";
    static const char VALUES[] = "\"\\/\b\f\n\r\t";
    const char *name;
    int code;

    if (at + 1 >= s.len) {
        return 0;
    }
    if (s.ptr[at + 1] == 'u') {
        code = unicode_escape(s, at, used);
        return code < 0 ? 0 : put_utf8(out, (unsigned int)code);
    }
    name = memchr(NAMES, s.ptr[at + 1], sizeof NAMES - 1);
    if (name == NULL) {
        return 0;
    }
    *used = 2;
    out[0] = VALUES[name - NAMES];
    return 1;
}
