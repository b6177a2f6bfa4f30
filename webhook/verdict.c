#include "webhook/verdict.h"

#include <stdarg.h>
#include <string.h>

#include "base/base64.h"
#include "base/fmt.h"
#include "base/json.h"

enum {
    RUNE_MAX_BYTES = 4,
    FORMAT_MAX_BYTES = 64 << 10, /* of a line before it is cut */
    DROPPED_RUNES = 64,          /* kept free for the line about warnings that were dropped */
};

void verdict_init(struct verdict *v)
{
    *v = (struct verdict){.allowed = true};
}

/* Unicode category Cc at text[i]: its length in bytes, or 0. */
static size_t control_length(struct str text, size_t i)
{
    unsigned char c = (unsigned char)text.ptr[i];
    if (c < 0x20 || c == 0x7f) {
        return 1;
    }
    if (c == 0xC2 && i + 1 < text.len) {
        unsigned char second = (unsigned char)text.ptr[i + 1];
        return second >= 0x80 && second <= 0x9F ? 2 : 0;
    }
    return 0;
}

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xC0) == 0x80;
}

/* Copy text as one line of at most max_runes; returns its runes. */
static size_t one_line(struct str text, size_t max_runes, struct buf *out)
{
    size_t runes = 0;
    for (size_t i = 0; i < text.len;) {
        if (runes == max_runes - 1) {
            buf_append(out, STR("…"));
            return runes + 1;
        }
        size_t control = control_length(text, i);
        size_t end = i + (control > 0 ? control : 1);
        while (control == 0 && end < text.len && is_continuation(text.ptr[end])) {
            end++;
        }
        buf_append(out, control > 0 ? STR(" ") : str_slice(text, i, end));
        runes++;
        i = end;
    }
    return runes;
}

static bool is_there(const struct verdict *v, struct str text)
{
    for (size_t i = 0; i < v->warning_count; i++) {
        if (str_eq(v->warnings[i], text)) {
            return true;
        }
    }
    return false;
}

/* The next part of `rest`, of at most max_runes: where there is more, it ends behind a ';' or
 * before a blank of its second half. *runes: how many it has. */
static struct str cut_part(struct str *rest, size_t max_runes, size_t *runes)
{
    size_t end = 0, count = 0;
    struct {
        size_t end, runes;
    } clause = {0, 0}, blank = {0, 0};
    while (end < rest->len && count < max_runes) {
        if (rest->ptr[end] == ' ' && count > max_runes / 2) {
            blank.end = end;
            blank.runes = count;
            clause = rest->ptr[end - 1] == ';' ? blank : clause;
        }
        do {
            end++;
        } while (end < rest->len && is_continuation(rest->ptr[end]));
        count++;
    }
    if (end < rest->len && blank.end > 0) {
        end = clause.end > 0 ? clause.end : blank.end;
        count = clause.end > 0 ? clause.runes : blank.runes;
    }
    const struct str part = str_slice(*rest, 0, end);
    *rest = str_trim(str_slice(*rest, end, rest->len));
    *runes = count;
    return part;
}

static int add_text(struct verdict *v, struct str text, struct arena *a, struct err *e)
{
    static const struct str on = STR_INIT("… ");
    enum { ON_RUNES = 2 };
    const size_t count_before = v->warning_count, runes_before = v->warning_runes;
    for (bool first = true; text.len > 0; first = false) {
        const size_t lead = first ? 0 : ON_RUNES;
        size_t runes = 0;
        struct str part = cut_part(&text, VERDICT_WARNING_MAX_RUNES - lead, &runes);
        if (arena_format(a, &part, e, "%.*s%.*s", STR_ARG(first ? STR("") : on), STR_ARG(part)) !=
            0) {
            return -1;
        }
        if (is_there(v, part)) {
            continue;
        }
        if (v->warning_count == VERDICT_WARNINGS_MAX ||
            v->warning_runes + lead + runes > VERDICT_WARNINGS_MAX_RUNES - DROPPED_RUNES) {
            v->warning_count = count_before;
            v->warning_runes = runes_before;
            v->warnings_dropped++;
            return 0;
        }
        v->warnings[v->warning_count++] = part;
        v->warning_runes += lead + runes;
    }
    return 0;
}

/* printf one sanitized line into `line`. */
__attribute__((format(printf, 4, 0))) static int format_line(struct buf *line, size_t max_runes,
                                                             size_t *runes, const char *format,
                                                             va_list args, struct err *e)
{
    struct buf text;
    buf_init(&text, FORMAT_MAX_BYTES);
    buf_vformat(&text, format, args);
    *runes = one_line(str_trim(buf_view(&text)), max_runes, line);
    bool failed = text.failed || line->failed;
    buf_free(&text);
    return failed ? err_set(e, ERR_MEMORY, "no memory for a line of the verdict") : 0;
}

int verdict_warn(struct verdict *v, struct arena *a, struct err *e, const char *format, ...)
{
    struct buf line;
    size_t runes = 0;
    buf_init(&line, (size_t)RUNE_MAX_BYTES * VERDICT_WARNING_TEXT_MAX_RUNES);
    va_list args;
    va_start(args, format);
    int status = format_line(&line, VERDICT_WARNING_TEXT_MAX_RUNES, &runes, format, args, e);
    va_end(args);
    if (status == 0) {
        status = add_text(v, buf_view(&line), a, e);
    }
    buf_free(&line);
    return status;
}

/* One of the message's lines, its indentation aside. */
static bool is_said(struct str message, struct str line)
{
    struct str rest = message;
    while (rest.ptr != NULL) {
        if (str_eq(str_trim(str_cut(rest, '\n', &rest)), line)) {
            return true;
        }
    }
    return false;
}

int verdict_deny(struct verdict *v, int code, struct arena *a, struct err *e, const char *format,
                 ...)
{
    struct buf line;
    struct str message = v->message;
    size_t runes = 0;
    buf_init(&line, (size_t)RUNE_MAX_BYTES * VERDICT_REASON_MAX_RUNES);
    va_list args;
    va_start(args, format);
    int status = format_line(&line, VERDICT_REASON_MAX_RUNES, &runes, format, args, e);
    va_end(args);
    if (status == 0 && !is_said(v->message, buf_view(&line))) {
        status = arena_format(a, &message, e, "%.*s\n  %.*s", STR_ARG(v->message),
                              STR_ARG(buf_view(&line)));
    }
    buf_free(&line);
    if (status != 0) {
        return -1;
    }
    v->code = v->allowed || v->code == code ? code : 422;
    v->allowed = false;
    v->message = message;
    return 0;
}

/* The annotation with this key, made where there is none; NULL: one too many. */
static struct verdict_audit *audit_of(struct verdict *v, struct str key)
{
    for (size_t i = 0; i < v->audit_count; i++) {
        if (str_eq(v->audits[i].key, key)) {
            return &v->audits[i];
        }
    }
    if (v->audit_count == VERDICT_AUDITS_MAX) {
        return NULL;
    }
    v->audits[v->audit_count] = (struct verdict_audit){.key = key};
    return &v->audits[v->audit_count++];
}

int verdict_audit(struct verdict *v, struct str key, struct arena *a, struct err *e,
                  const char *format, ...)
{
    struct buf line;
    struct str text;
    size_t runes = 0;
    buf_init(&line, (size_t)RUNE_MAX_BYTES * VERDICT_REASON_MAX_RUNES);
    va_list args;
    va_start(args, format);
    int status = format_line(&line, VERDICT_REASON_MAX_RUNES, &runes, format, args, e);
    va_end(args);
    struct verdict_audit *audit = status == 0 ? audit_of(v, key) : NULL;
    if (audit != NULL) {
        status = arena_format(a, &text, e, "%.*s%s%.*s", STR_ARG(audit->text),
                              audit->text.len > 0 ? "; " : "", STR_ARG(buf_view(&line)));
        audit->text = status == 0 ? text : audit->text;
    }
    buf_free(&line);
    return status;
}

static void put_audits(struct json_writer *w, const struct verdict *v)
{
    json_key(w, STR("auditAnnotations"));
    json_begin_object(w);
    for (size_t i = 0; i < v->audit_count; i++) {
        char key[64];
        json_member_str(w, fmt(key, sizeof(key), "policy.%.*s", STR_ARG(v->audits[i].key)),
                        v->audits[i].text);
    }
    json_end_object(w);
}

static void put_patch(struct json_writer *w, struct str patch)
{
    json_member_str(w, STR("patchType"), STR("JSONPatch"));
    json_key(w, STR("patch"));
    buf_append_char(w->out, '"'); /* base64 needs no escapes: no copy on the way */
    base64_append(w->out, patch);
    buf_append_char(w->out, '"');
    w->comma = true;
}

static void put_warnings(struct json_writer *w, const struct verdict *v)
{
    json_key(w, STR("warnings"));
    json_begin_array(w);
    for (size_t i = 0; i < v->warning_count; i++) {
        json_put_str(w, v->warnings[i]);
    }
    if (v->warnings_dropped > 0) {
        struct buf line;
        buf_init(&line, DROPPED_RUNES);
        buf_format(&line, "and %zu more warning%s", v->warnings_dropped,
                   fmt_s((int64_t)v->warnings_dropped));
        json_put_str(w, buf_view(&line));
        buf_free(&line);
    }
    json_end_array(w);
}

static void put_status(struct json_writer *w, const struct verdict *v)
{
    json_key(w, STR("status"));
    json_begin_object(w);
    json_member_int(w, STR("code"), v->code);
    json_member_str(w, STR("reason"), v->code == 403 ? STR("Forbidden") : STR("Invalid"));
    json_member_str(w, STR("message"), v->message);
    json_end_object(w);
}

int verdict_encode(const struct verdict *v, struct str uid, struct buf *out, struct err *e)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_str(&w, STR("apiVersion"), STR("admission.k8s.io/v1"));
    json_member_str(&w, STR("kind"), STR("AdmissionReview"));
    json_key(&w, STR("response"));
    json_begin_object(&w);
    json_member_str(&w, STR("uid"), uid);
    json_member_bool(&w, STR("allowed"), v->allowed);
    if (v->allowed && v->patch.len > 0) {
        put_patch(&w, v->patch);
    }
    if (v->warning_count > 0 || v->warnings_dropped > 0) {
        put_warnings(&w, v);
    }
    if (v->audit_count > 0) {
        put_audits(&w, v);
    }
    if (!v->allowed) {
        put_status(&w, v);
    }
    json_end_object(&w);
    json_end_object(&w);
    return buf_check(out, e);
}
