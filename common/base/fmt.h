/* printf into fixed memory: the only door to the C library's formatting.
 *
 * fmt.c is the one pure file that includes <stdio.h>, for vsnprintf alone: re-implementing %g
 * would be worse than the exception. No program calls setlocale, so the decimal point is '.'.
 */
#ifndef AMPSCALE_BASE_FMT_H
#define AMPSCALE_BASE_FMT_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/* Write at most size-1 bytes and a NUL; cut at a UTF-8 character boundary. Returns the view
 * written. */
__attribute__((format(printf, 3, 4))) struct str fmt(char *out, size_t size, const char *format,
                                                     ...);
__attribute__((format(printf, 3, 0))) struct str fmt_v(char *out, size_t size, const char *format,
                                                       va_list args);

/* A text that is too long for `out` with "…" in place of its middle. */
struct str fmt_ends(char *out, size_t size, struct str text);

/* "s", or "" after a count of one: fmt(…, "%d replica%s", n, fmt_s(n)). */
const char *fmt_s(int64_t count);

/* Length that the whole text would have, without the NUL. */
__attribute__((format(printf, 1, 0))) size_t fmt_length(const char *format, va_list args);

#endif
