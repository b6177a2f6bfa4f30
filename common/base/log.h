/* Log lines: one JSON object (or one readable line) per event.
 *
 * A logger is a value that main.c fills; base does no IO of its own: the line goes to `sink`, time
 * comes from `now_ms`. Field values are escaped. Never pass a secret.
 */
#ifndef AMPSCALE_BASE_LOG_H
#define AMPSCALE_BASE_LOG_H

#include <stdint.h>

#include "base/err.h"
#include "base/str.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_JSON, LOG_TEXT };

struct logger {
    enum log_level level; /* lines above it are not written */
    enum log_format format;
    const char *program; /* "ampscale-scaler" */
    void *context;
    int64_t (*now_ms)(void *context);             /* Unix milliseconds */
    void (*sink)(void *context, struct str line); /* whole line, ends in '\n' */
};

enum log_kind { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_NUM, LOG_FIELD_BOOL, LOG_FIELD_RAW };

struct log_field {
    const char *key;
    enum log_kind kind;
    struct str text; /* STR, RAW (already JSON) */
    int64_t integer; /* INT, BOOL */
    double number;   /* NUM */
};

#define F_STR(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_STR, .text = (v)})
#define F_INT(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_INT, .integer = (v)})
#define F_NUM(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_NUM, .number = (v)})
#define F_BOOL(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_BOOL, .integer = (v)})
#define F_RAW(k, v) ((struct log_field){.key = (k), .kind = LOG_FIELD_RAW, .text = (v)})
#define F_ERR(e) F_STR("error", str_from((e)->text))

/* {"time":"…Z","level":"info","program":"…","msg":"…", fields…}\n  At most 16 KiB; a longer line
 * loses its last fields and says so with "truncated":true. */
void log_write(const struct logger *lg, enum log_level level, const char *msg,
               const struct log_field *fields, int count);

#define LOG_AT(lg, level, msg, ...)                                                                \
    log_write((lg), (level), (msg), (const struct log_field[]){__VA_ARGS__},                       \
              (int)(sizeof((const struct log_field[]){__VA_ARGS__}) / sizeof(struct log_field)))

/* "error" | "warn" | "info" | "debug" → level; -1 with ERR_INVALID otherwise. */
int log_level_parse(struct str text, enum log_level *out, struct err *e)
    __attribute__((warn_unused_result));
const char *log_level_name(enum log_level level);

#endif
