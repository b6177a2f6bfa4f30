/* Errors: one fixed-size value that travels up by pointer; nothing to free.
 *
 * A function that can fail ends in `struct err *e` and returns 0, or -1 with *e filled and its
 * outputs untouched. The innermost text names the thing and the fix; callers prepend context on
 * the way up with err_prefix, so a message reads from the outside in: "deployment shop/checkout:
 * query: …". Texts never carry a secret: they are logged, sent as events and shown to users.
 */
#ifndef AMPSCALE_BASE_ERR_H
#define AMPSCALE_BASE_ERR_H

enum err_code {
    ERR_NONE = 0,
    ERR_INVALID,     /* the input breaks a rule: a retry cannot help */
    ERR_LIMIT,       /* the input is larger than a stated ceiling */
    ERR_MEMORY,      /* an allocation failed or an arena is full */
    ERR_IO,          /* file or socket failed */
    ERR_TIMEOUT,     /* the deadline passed */
    ERR_TLS,         /* certificate or handshake */
    ERR_HTTP,        /* an answer with a status that means failure; http_status says which */
    ERR_DENIED,      /* 401 or 403 */
    ERR_THROTTLED,   /* 429 */
    ERR_UNAVAILABLE, /* 5xx, or nobody listens */
    ERR_NOT_FOUND,   /* 404 */
    ERR_CONFLICT,    /* 409 */
    ERR_GONE,        /* 410: a resourceVersion is too old */
    ERR_CANCELLED,   /* the caller gave up */
};

struct err {
    enum err_code code;
    int http_status;    /* 0 when no HTTP answer was involved */
    int retry_after_ms; /* from Retry-After; 0 when absent */
    char text[1024];    /* NUL-terminated UTF-8, truncated at a character boundary */
};

/* clang-format off */
#define ERR_INIT {.code = ERR_NONE}
/* clang-format on */

/* Fill *e (http_status and retry_after_ms become 0) and return -1, so that `return err_set(e,
 * ERR_X, "…");` ends a function. */
__attribute__((format(printf, 3, 4))) int err_set(struct err *e, enum err_code code,
                                                  const char *format, ...);

/* Put "context: " before e->text; code and status stay. Returns -1. */
__attribute__((format(printf, 2, 3))) int err_prefix(struct err *e, const char *format, ...);

/* A stable lower-case word for logs and metric labels: "invalid", "timeout", "throttled", … */
const char *err_code_name(enum err_code code);

#endif
