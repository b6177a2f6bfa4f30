#include "base/err.h"

#include <stdarg.h>
#include <string.h>

#include "base/fmt.h"

int err_set(struct err *e, enum err_code code, const char *format, ...)
{
    /* The arguments may point into e->text (wrapping an older message), so write beside it
     * first. */
    char text[sizeof(e->text)];
    va_list args;
    va_start(args, format);
    struct str written = fmt_v(text, sizeof(text), format, args);
    va_end(args);
    e->code = code;
    e->http_status = 0;
    e->retry_after_ms = 0;
    memcpy(e->text, text, written.len + 1);
    return -1;
}

int err_prefix(struct err *e, const char *format, ...)
{
    char context[sizeof(e->text)];
    char text[sizeof(e->text)];
    va_list args;
    va_start(args, format);
    (void)fmt_v(context, sizeof(context), format, args);
    va_end(args);
    struct str written = fmt(text, sizeof(text), "%s: %s", context, e->text);
    memcpy(e->text, text, written.len + 1);
    return -1;
}

const char *err_code_name(enum err_code code)
{
    switch (code) {
    case ERR_NONE: return "none";
    case ERR_INVALID: return "invalid";
    case ERR_LIMIT: return "limit";
    case ERR_MEMORY: return "memory";
    case ERR_IO: return "io";
    case ERR_TIMEOUT: return "timeout";
    case ERR_TLS: return "tls";
    case ERR_HTTP: return "http";
    case ERR_DENIED: return "denied";
    case ERR_THROTTLED: return "throttled";
    case ERR_UNAVAILABLE: return "unavailable";
    case ERR_NOT_FOUND: return "not_found";
    case ERR_CONFLICT: return "conflict";
    case ERR_GONE: return "gone";
    case ERR_CANCELLED: return "cancelled";
    }
    return "unknown";
}
