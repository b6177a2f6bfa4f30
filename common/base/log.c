#include "base/log.h"

#include <math.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/num.h"

enum {
    LINE_BYTES = 16384, /* of a line in all */
    MSG_BYTES = 2048,   /* of the message: a literal, so far more than any has */
};

static const struct str LEVELS[] = {
    [LOG_ERROR] = STR_INIT("error"),
    [LOG_WARN] = STR_INIT("warn"),
    [LOG_INFO] = STR_INIT("info"),
    [LOG_DEBUG] = STR_INIT("debug"),
};

enum { LEVEL_COUNT = sizeof(LEVELS) / sizeof(LEVELS[0]) };

/* In both formats: these end a line that lost fields, so room for the longer one is kept. */
static const struct str TAIL_JSON = STR_INIT(",\"truncated\":true");
static const struct str TAIL_TEXT = STR_INIT(" truncated=true");

const char *log_level_name(enum log_level level)
{
    return LEVELS[level].ptr;
}

int log_level_parse(struct str text, enum log_level *out, struct err *e)
{
    for (size_t i = 0; i < LEVEL_COUNT; i++) {
        if (str_eq(text, LEVELS[i])) {
            *out = (enum log_level)i;
            return 0;
        }
    }
    return err_set(e, ERR_INVALID, "\"%.*s\": expected error, warn, info or debug",
                   STR_ARG(str_slice(text, 0, 64)));
}

static void put_value(struct json_writer *w, const struct log_field *field)
{
    char number[NUM_TEXT_BYTES];

    switch (field->kind) {
    case LOG_FIELD_STR: json_put_str(w, field->text); return;
    case LOG_FIELD_INT: json_put_int(w, field->integer); return;
    case LOG_FIELD_BOOL: json_put_bool(w, field->integer != 0); return;
    case LOG_FIELD_NUM:
        if (isfinite(field->number)) {
            json_put_double(w, field->number);
        } else { /* JSON has no such number, but which one it was must not be lost */
            json_put_str(w, num_print_double(field->number, number));
        }
        return;
    case LOG_FIELD_RAW:
        if (field->text.len > 0) {
            json_put_raw(w, field->text);
        } else {
            json_put_null(w);
        }
        return;
    }
}

/* True when people can read `s` without quotes and nothing in it could be taken for something else.
 */
static bool is_plain(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c <= ' ' || c >= 0x7F || c == '"' || c == '=' || c == '\\') {
            return false;
        }
    }
    return s.len > 0;
}

static void put_field(struct json_writer *w, enum log_format format, const struct log_field *field)
{
    if (format == LOG_JSON) {
        json_key(w, str_from(field->key));
        put_value(w, field);
        return;
    }
    buf_format(w->out, " %s=", field->key);
    if (field->kind == LOG_FIELD_STR && is_plain(field->text)) {
        buf_append(w->out, field->text);
        return;
    }
    w->comma = false;
    put_value(w, field);
}

static void put_head(struct json_writer *w, const struct logger *lg, enum log_level level,
                     struct str msg)
{
    char time[NUM_TEXT_BYTES];
    struct str now = num_print_time(lg->now_ms(lg->context), 3, time);

    if (lg->format == LOG_TEXT) {
        buf_format(w->out, "%.*s %-5s ", STR_ARG(now), LEVELS[level].ptr);
        /* A message is text of ours, but a control character in it would still split the line. */
        for (size_t i = 0; i < msg.len; i++) {
            buf_append_char(w->out, (unsigned char)msg.ptr[i] < ' ' ? ' ' : msg.ptr[i]);
        }
        return;
    }
    json_begin_object(w);
    json_member_str(w, STR("time"), now);
    json_member_str(w, STR("level"), LEVELS[level]);
    json_member_str(w, STR("program"), str_from(lg->program));
    json_member_str(w, STR("msg"), msg);
}

/* All fields that fit; false when some did not. */
static bool put_fields(struct json_writer *w, enum log_format format,
                       const struct log_field *fields, int count)
{
    for (int i = 0; i < count; i++) {
        struct buf before = *w->out;
        put_field(w, format, &fields[i]);
        if (w->out->failed) { /* take the half-written field back; the memory may have grown */
            w->out->len = before.len;
            w->out->failed = false;
            return false;
        }
    }
    return true;
}

void log_write(const struct logger *lg, enum log_level level, const char *msg,
               const struct log_field *fields, int count)
{
    if (level > lg->level) {
        return;
    }
    bool json = lg->format == LOG_JSON;
    struct buf line;
    struct json_writer w;
    buf_init(&line, LINE_BYTES - TAIL_JSON.len - STR("}\n").len);
    json_writer_init(&w, &line);
    put_head(&w, lg, level, str_slice(str_from(msg), 0, MSG_BYTES));
    bool whole = put_fields(&w, lg->format, fields, count);
    line.max = LINE_BYTES;
    if (!whole) {
        buf_append(&line, json ? TAIL_JSON : TAIL_TEXT);
    }
    buf_append(&line, json ? STR("}\n") : STR("\n"));
    if (line.failed) { /* no memory even for this: say so rather than nothing */
        lg->sink(lg->context,
                 STR("{\"level\":\"error\",\"msg\":\"out of memory: log line lost\"}\n"));
    } else {
        lg->sink(lg->context, buf_view(&line));
    }
    buf_free(&line);
}
