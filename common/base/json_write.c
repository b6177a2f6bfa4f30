/* Writing JSON. */
#include "base/json_internal.h"
#include "base/num.h"

void json_writer_init(struct json_writer *w, struct buf *out)
{
    *w = (struct json_writer){.out = out};
}

static void before_value(struct json_writer *w)
{
    if (w->comma) {
        buf_append_char(w->out, ',');
    }
    w->comma = true;
}

static void begin(struct json_writer *w, char bracket)
{
    before_value(w);
    buf_append_char(w->out, bracket);
    w->comma = false;
}

static void end(struct json_writer *w, char bracket)
{
    buf_append_char(w->out, bracket);
    w->comma = true;
}

void json_begin_object(struct json_writer *w)
{
    begin(w, '{');
}

void json_end_object(struct json_writer *w)
{
    end(w, '}');
}

void json_begin_array(struct json_writer *w)
{
    begin(w, '[');
}

void json_end_array(struct json_writer *w)
{
    end(w, ']');
}

static void put_escape(struct buf *out, unsigned char c)
{
    static const char HEX[] = "0123456789abcdef";

    switch (c) {
    case '"': buf_append(out, STR("\\\"")); return;
    case '\\': buf_append(out, STR("\\\\")); return;
    case '\b': buf_append(out, STR("\\b")); return;
    case '\f': buf_append(out, STR("\\f")); return;
    case '\n': buf_append(out, STR("\\n")); return;
    case '\r': buf_append(out, STR("\\r")); return;
    case '\t': buf_append(out, STR("\\t")); return;
    default: /* the other control characters */
        buf_append(out, STR("\\u00"));
        buf_append_char(out, HEX[c >> 4]);
        buf_append_char(out, HEX[c & 0xf]);
        return;
    }
}

/* The character or byte at s[at] that is not plain; returns how many bytes of s it took. */
static size_t put_other(struct buf *out, struct str s, size_t at)
{
    unsigned char c = (unsigned char)s.ptr[at];
    size_t n = str_utf8_length(s, at);

    if (n == 0) {
        buf_append(out, STR("\xef\xbf\xbd"));
        return 1;
    }
    if (c < ' ' || c == '"' || c == '\\') {
        put_escape(out, c);
    } else {
        buf_append(out, str_slice(s, at, at + n));
    }
    return n;
}

static void put_string(struct buf *out, struct str s)
{
    buf_append_char(out, '"');
    for (size_t at = 0; at < s.len;) {
        size_t run = str_plain_length(str_slice(s, at, s.len));

        buf_append(out, str_slice(s, at, at + run));
        at += run;
        at += at < s.len ? put_other(out, s, at) : 0;
    }
    buf_append_char(out, '"');
}

void json_key(struct json_writer *w, struct str key)
{
    before_value(w);
    put_string(w->out, key);
    buf_append_char(w->out, ':');
    w->comma = false;
}

void json_put_str(struct json_writer *w, struct str value)
{
    before_value(w);
    put_string(w->out, value);
}

void json_put_int(struct json_writer *w, int64_t value)
{
    char text[NUM_TEXT_BYTES];

    before_value(w);
    buf_append(w->out, num_print_int(value, text));
}

void json_put_double(struct json_writer *w, double value)
{
    char text[NUM_TEXT_BYTES];

    if (!__builtin_isfinite(value)) {
        json_put_null(w);
        return;
    }
    before_value(w);
    buf_append(w->out, num_print_double(value, text));
}

void json_put_bool(struct json_writer *w, bool value)
{
    before_value(w);
    buf_append(w->out, value ? STR("true") : STR("false"));
}

void json_put_null(struct json_writer *w)
{
    before_value(w);
    buf_append(w->out, STR("null"));
}

void json_put_raw(struct json_writer *w, struct str json)
{
    before_value(w);
    buf_append(w->out, json);
}

static void put_children(struct json_writer *w, const struct json *node)
{
    bool object = node->type == JSON_OBJECT;

    begin(w, object ? '{' : '[');
    for (const struct json *child = node->child; child != NULL; child = child->next) {
        if (object) {
            json_key(w, child->key);
        }
        json_put_tree(w, child);
    }
    end(w, object ? '}' : ']');
}

void json_put_tree(struct json_writer *w, const struct json *node)
{
    if (node->raw.ptr != NULL) {
        json_put_raw(w, node->raw);
        return;
    }
    switch (node->type) {
    case JSON_NULL: json_put_null(w); return;
    case JSON_BOOL: json_put_bool(w, node->boolean); return;
    case JSON_NUMBER: json_put_raw(w, node->text); return;
    case JSON_STRING: json_put_str(w, node->text); return;
    case JSON_ARRAY:
    case JSON_OBJECT: put_children(w, node); return;
    }
}

void json_member_str(struct json_writer *w, struct str key, struct str value)
{
    json_key(w, key);
    json_put_str(w, value);
}

void json_member_int(struct json_writer *w, struct str key, int64_t value)
{
    json_key(w, key);
    json_put_int(w, value);
}

void json_member_bool(struct json_writer *w, struct str key, bool value)
{
    json_key(w, key);
    json_put_bool(w, value);
}
