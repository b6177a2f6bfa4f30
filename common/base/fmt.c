#include "base/fmt.h"

#include <stdio.h> /* vsnprintf only: see fmt.h */

/* How much of text[0..len) to keep so that it does not end inside a character. Bytes that are no
 * UTF-8 at all are kept: it is the cut that must not break anything, not the caller's text. */
static size_t whole_chars(const char *text, size_t len)
{
    size_t lead = len;
    while (lead > 0 && len - lead < 3 && ((unsigned char)text[lead - 1] & 0xC0) == 0x80) {
        lead--;
    }
    if (lead == 0) {
        return len;
    }
    unsigned char first = (unsigned char)text[lead - 1];
    size_t needs = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : first >= 0xC0 ? 2 : 1;
    return len - (lead - 1) < needs ? lead - 1 : len;
}

struct str fmt_v(char *out, size_t size, const char *format, va_list args)
{
    if (size == 0) {
        return (struct str){out, 0};
    }
    int length = vsnprintf(out, size, format, args);
    size_t len = length < 0 ? 0 : (size_t)length;
    if (len >= size) {
        len = whole_chars(out, size - 1);
    }
    out[len] = '\0';
    return (struct str){out, len};
}

struct str fmt(char *out, size_t size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct str written = fmt_v(out, size, format, args);
    va_end(args);
    return written;
}

size_t fmt_length(const char *format, va_list args)
{
    va_list copy;
    va_copy(copy, args);
    int length = vsnprintf(NULL, 0, format, copy);
    va_end(copy);
    return length < 0 ? 0 : (size_t)length;
}

struct str fmt_ends(char *out, size_t size, struct str text)
{
    static const char gap[] = "…";
    if (text.len < size || size <= sizeof gap) {
        return fmt(out, size, "%.*s", STR_ARG(text));
    }
    const size_t room = size - sizeof gap;
    const size_t head = whole_chars(text.ptr, room / 2);
    size_t tail = text.len - (room - head);
    while (tail < text.len && ((unsigned char)text.ptr[tail] & 0xC0) == 0x80) {
        tail++;
    }
    return fmt(out, size, "%.*s%s%.*s", STR_ARG(str_slice(text, 0, head)), gap,
               STR_ARG(str_slice(text, tail, text.len)));
}

const char *fmt_s(int64_t count)
{
    return count == 1 ? "" : "s";
}
