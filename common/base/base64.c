#include "base/base64.h"

#include <stdint.h>

enum { BLOCK_CHARS = 256 };

/* The digits of one to three bytes, padded to four. */
static void put_group(const unsigned char *bytes, size_t have, char out[4])
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned second = have > 1 ? bytes[1] : 0U;
    const unsigned third = have > 2 ? bytes[2] : 0U;
    const unsigned group = (unsigned)bytes[0] << 16 | second << 8 | third;
    out[0] = DIGITS[group >> 18];
    out[1] = DIGITS[group >> 12 & 63U];
    out[2] = have > 1 ? DIGITS[group >> 6 & 63U] : '=';
    out[3] = have > 2 ? DIGITS[group & 63U] : '=';
}

void base64_append(struct buf *out, struct str bytes)
{
    char block[BLOCK_CHARS]; /* one append for many groups */
    size_t len = 0;
    for (size_t i = 0; i < bytes.len; i += 3) {
        put_group((const unsigned char *)bytes.ptr + i, bytes.len - i, block + len);
        len += 4;
        if (len == sizeof(block)) {
            buf_append(out, (struct str){block, len});
            len = 0;
        }
    }
    buf_append(out, (struct str){block, len});
}

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (char_is_lower(c)) {
        return c - 'a' + 26;
    }
    if (char_is_digit(c)) {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four characters, the last `pad` of them '='. */
static bool put_quad(const char quad[4], size_t pad, char **out)
{
    uint32_t group = 0;
    for (size_t k = 0; k < 4; k++) {
        const int digit = k < 4 - pad ? digit_of(quad[k]) : 0;
        if (digit < 0) {
            return false;
        }
        group = group << 6 | (uint32_t)digit;
    }
    if ((group & ((UINT32_C(1) << (8 * pad)) - 1)) != 0) {
        return false;
    }
    for (size_t k = 0; k < 3 - pad; k++) {
        *(*out)++ = (char)(unsigned char)(group >> (16 - 8 * k) & 0xffU);
    }
    return true;
}

int base64_decode(struct str text, struct arena *a, struct str *out, struct err *e)
{
    char *bytes = arena_alloc(a, text.len / 4 * 3 + 3);
    char *end = bytes;
    char quad[4];
    size_t have = 0, pad = 0;
    bool good = true;
    if (bytes == NULL) {
        return arena_err(a, e);
    }
    for (size_t i = 0; good && i < text.len; i++) {
        const char c = text.ptr[i];
        if (c == '\n' || c == '\r') {
            continue;
        }
        good = pad == 0 || (c == '=' && have > 0);
        pad += c == '=';
        quad[have++] = c;
        if (good && have == 4) {
            good = pad <= 2 && put_quad(quad, pad, &end);
            have = 0;
        }
    }
    if (!good || have != 0) {
        return err_set(e, ERR_INVALID, "expected base64");
    }
    *out = (struct str){bytes, (size_t)(end - bytes)};
    return 0;
}
