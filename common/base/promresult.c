/* An answer of Prometheus' query API, and of what may stand between it and us.
 *
 * classify first (success, Prometheus' error, AWS's error, anything else), then decode. What a
 * success lacks is never filled in.
 */
#include "base/promresult.h"

#include <math.h>

#include "base/fmt.h"
#include "base/httperr.h"
#include "base/json.h"
#include "base/num.h"

/* A success answer that is not what the API promises: the server, not the query, is at fault. */
static int fail_shape(struct err *e, const char *what)
{
    return err_set(e, ERR_UNAVAILABLE, "the answer is no query result: %s", what);
}

/* Prometheus' errorType by what a retry can do about it. Source: web/api/v1/api.go. */
static enum err_code error_type_code(struct str type, int http_status)
{
    static const struct {
        struct str type;
        enum err_code code;
    } types[] = {
        {STR_INIT("bad_data"), ERR_INVALID},     {STR_INIT("execution"), ERR_INVALID},
        {STR_INIT("timeout"), ERR_UNAVAILABLE},  {STR_INIT("canceled"), ERR_UNAVAILABLE},
        {STR_INIT("internal"), ERR_UNAVAILABLE}, {STR_INIT("unavailable"), ERR_UNAVAILABLE},
        {STR_INIT("not_found"), ERR_NOT_FOUND},  {STR_INIT("too_many_requests"), ERR_THROTTLED},
        {STR_INIT("unauthorized"), ERR_DENIED},
    };
    bool by_status = http_status >= 300 && http_status != 400 && http_status != 422;

    for (size_t i = 0; !by_status && i < sizeof types / sizeof types[0]; i++) {
        if (str_eq(types[i].type, type)) {
            return types[i].code;
        }
    }
    if (by_status) {
        return httperr_code(http_status);
    }
    return http_status >= 400 ? ERR_INVALID : ERR_UNAVAILABLE;
}

static int fail_prometheus(const struct json *root, int http_status, struct err *e)
{
    struct str type = json_str(json_get(root, STR("errorType")));
    struct str text = json_str(json_get(root, STR("error")));

    return err_set(e, error_type_code(type, http_status), "%.*s: %.*s",
                   STR_ARG(type.len > 0 ? type : STR("error")),
                   STR_ARG(text.len > 0 ? text : STR("no reason given")));
}

/* "com.amazon.coral.service#AccessDeniedException" → "AccessDeniedException"; "" when there is
 * none. */
static struct str aws_code(const struct json *root)
{
    static const struct str names[] = {STR_INIT("__type"), STR_INIT("code"), STR_INIT("Code")};
    struct str code = {0};

    for (size_t i = 0; i < sizeof names / sizeof names[0] && code.len == 0; i++) {
        code = json_str(json_get(root, names[i]));
    }
    size_t hash = str_find_char(code, '#');

    return hash < code.len ? str_slice(code, hash + 1, code.len) : code;
}

/* An error in the shape of AWS's JSON services; false when root has neither message nor code. */
static bool fail_aws(const struct json *root, int http_status, struct err *e)
{
    char shown[sizeof(e->text)];
    struct str code = aws_code(root);
    struct str text = json_str(json_get(root, STR("message")));

    if (text.ptr == NULL) {
        text = json_str(json_get(root, STR("Message")));
    }
    if (text.len == 0 && code.len == 0) {
        return false;
    }
    text = httperr_withhold(text, shown, sizeof(shown));
    (void)err_set(e, httperr_code(http_status), "HTTP %d: %.*s%s%.*s", http_status, STR_ARG(code),
                  code.len > 0 && text.len > 0 ? ": " : "", STR_ARG(text));
    return true;
}

/* [time, "value"] into *out. */
static int decode_sample(const struct json *pair, struct prom_result *out, struct err *e)
{
    const struct json *text;
    double seconds;
    double value;

    if (pair == NULL || pair->type != JSON_ARRAY || pair->count != 2) {
        return fail_shape(e, "a sample is not [time, value]");
    }
    text = pair->child->next;
    if (!json_double(pair->child, &seconds) || fabs(seconds) > 1e12) {
        return fail_shape(e, "a sample's time is no number of seconds");
    }
    if (text->type != JSON_STRING || num_sample(text->text, &value, e) != 0) {
        return fail_shape(e, "a sample's value is no number in a string");
    }
    out->outcome = isnan(value) ? PROM_NAN : isinf(value) ? PROM_INF : PROM_VALUE;
    out->value = value;
    out->time_ms = llround(seconds * 1000);
    return 0;
}

static int decode_series(const struct json *series, struct prom_result *out, struct err *e)
{
    if (series->type != JSON_OBJECT) {
        return fail_shape(e, "an element of the vector is no object");
    }
    if (json_get(series, STR("value")) == NULL && json_get(series, STR("histogram")) != NULL) {
        out->outcome = PROM_MATRIX;
        out->type = STR("histogram");
        return 0;
    }
    return decode_sample(json_get(series, STR("value")), out, e);
}

static int decode_vector(const struct json *result, struct prom_result *out, struct err *e)
{
    const struct json *series = result->child;

    out->series = result->count;
    if (result->count == 0) {
        out->outcome = PROM_EMPTY;
        return 0;
    }
    if (result->count == 1) {
        return decode_series(series, out, e);
    }
    out->outcome = PROM_MANY;
    for (size_t i = 0; i < 2; i++, series = series->next) {
        const struct json *labels = json_get(series, STR("metric"));

        out->examples[i] = labels != NULL ? labels->raw : STR("{}");
    }
    return 0;
}

static int decode_data(const struct json *data, struct prom_result *out, struct err *e)
{
    const struct json *result = json_get(data, STR("result"));

    out->type = json_str(json_get(data, STR("resultType")));
    if (out->type.ptr == NULL || result == NULL || result->type != JSON_ARRAY) {
        return fail_shape(e, "data.resultType or data.result is missing");
    }
    if (str_eq(out->type, STR("vector"))) {
        return decode_vector(result, out, e);
    }
    if (str_eq(out->type, STR("scalar"))) {
        out->series = 1;
        return decode_sample(result, out, e);
    }
    if (str_eq(out->type, STR("matrix")) || str_eq(out->type, STR("string"))) {
        out->outcome = PROM_MATRIX;
        out->series = str_eq(out->type, STR("matrix")) ? result->count : 0;
        return 0;
    }
    return fail_shape(e, "data.resultType is unknown");
}

static void collect_warnings(const struct json *list, struct prom_result *out)
{
    const struct json *item = list != NULL && list->type == JSON_ARRAY ? list->child : NULL;

    for (; item != NULL && out->warning_count < PROM_WARNINGS_MAX; item = item->next) {
        if (item->type == JSON_STRING) {
            out->warnings[out->warning_count++] = item->text;
        }
    }
}

static int decode_root(int http_status, struct str body, const struct json *root,
                       struct prom_result *out, struct err *e)
{
    struct str status = json_str(json_get(root, STR("status")));
    bool ok = http_status >= 200 && http_status < 300;
    struct prom_result result = {0};

    if (str_eq(status, STR("error"))) {
        return fail_prometheus(root, http_status, e);
    }
    if (!ok) {
        return fail_aws(root, http_status, e) ? -1 : httperr_set(e, http_status, body);
    }
    if (!str_eq(status, STR("success"))) {
        return fail_shape(e, "status is neither success nor error");
    }
    if (decode_data(json_get(root, STR("data")), &result, e) != 0) {
        return -1;
    }
    collect_warnings(json_get(root, STR("warnings")), &result);
    collect_warnings(json_get(root, STR("infos")), &result);
    *out = result;
    return 0;
}

/* A body that is no JSON. On a 2xx it is cut short, or somebody else answered. */
static int fail_not_json(int http_status, struct str body, struct err *e)
{
    char excerpt[HTTPERR_EXCERPT_BYTES];

    if (http_status < 200 || http_status >= 300) {
        return httperr_set(e, http_status, body);
    }
    if (e->code == ERR_INVALID && str_starts(str_trim(body), STR("{"))) {
        e->code = ERR_UNAVAILABLE;
    } else if (e->code == ERR_INVALID) {
        return err_set(e, ERR_UNAVAILABLE, "the answer is no query result: HTTP %d: %.*s",
                       http_status, STR_ARG(httperr_excerpt(body, excerpt)));
    }
    return err_prefix(e, "the answer is no query result");
}

int prom_result_parse(int http_status, struct str body, struct arena *a, struct prom_result *out,
                      struct err *e)
{
    const struct json *root = NULL;
    struct err why = ERR_INIT;
    int rc;

    if (json_parse(body, &JSON_LIMITS_API, a, &root, &why) != 0) {
        rc = fail_not_json(http_status, body, &why);
    } else {
        rc = decode_root(http_status, body, root, out, &why);
    }
    if (rc != 0) {
        why.http_status = http_status;
        *e = why;
    }
    return rc;
}

struct str prom_result_describe(const struct prom_result *r, char *out, size_t size)
{
    char number[NUM_TEXT_BYTES];

    switch (r->outcome) {
    case PROM_VALUE:
    case PROM_NAN:
    case PROM_INF: return fmt(out, size, "%.*s", STR_ARG(num_print_double(r->value, number)));
    case PROM_EMPTY: return fmt(out, size, "empty result");
    case PROM_MANY: return fmt(out, size, "%zu series", r->series);
    case PROM_MATRIX:
        if (str_eq(r->type, STR("matrix"))) {
            return fmt(out, size, "a range vector (matrix)");
        }
        return fmt(out, size, "%s",
                   str_eq(r->type, STR("string")) ? "a string" : "a native histogram");
    }
    return fmt(out, size, "nothing");
}

static enum reading_kind reading_kind_of(enum prom_outcome outcome)
{
    switch (outcome) {
    case PROM_VALUE: return READING_VALUE;
    case PROM_EMPTY:
    case PROM_NAN:
    case PROM_INF: return READING_EMPTY;
    case PROM_MANY:
    case PROM_MATRIX: return READING_ERROR;
    }
    return READING_ERROR;
}

void reading_from(const struct prom_result *result, const struct err *e, int64_t now_ms,
                  struct reading *out)
{
    char what[64];
    struct str text;

    *out = (struct reading){.kind = READING_ERROR, .time_ms = now_ms};
    if (e->code != ERR_NONE) {
        (void)fmt_ends(out->text, sizeof out->text, str_from(e->text));
        return;
    }
    out->kind = reading_kind_of(result->outcome);
    text = prom_result_describe(result, what, sizeof what);
    if (out->kind == READING_VALUE) {
        out->value = result->value;
    } else if (out->kind == READING_EMPTY) {
        (void)fmt(out->text, sizeof out->text, "%.*s", STR_ARG(text));
    } else {
        (void)fmt(out->text, sizeof out->text, "%.*s, expected a scalar or one series",
                  STR_ARG(text));
    }
}
