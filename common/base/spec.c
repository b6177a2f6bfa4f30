/* The contract's one table. A row carries all that is known of an annotation: how it is parsed,
 * where the value goes, what it must be, its default and its line in the README. Defaults run
 * through the same parser as users' values, so what is printed is what is in force.
 */
#include "base/spec.h"

#include <string.h>

#include "base/nearest.h"
#include "base/num.h"

struct row;

/* Parse `value` into `field`, which `row` places in struct scale_spec. 0, or -1 without a text: the
 * complaint is the row's own `expected`. */
typedef int row_parse_fn(const struct row *row, struct str value, void *field);

struct row {
    struct str key; /* with the prefix */
    row_parse_fn *parse;
    size_t offset; /* of the field in struct scale_spec */
    int64_t min, max;
    const char *expected;     /* ends the complaint: "expected …" */
    const char *form;         /* the README's second column */
    const char *default_text; /* NULL: none */
    const char *meaning;      /* the README's last column */
};

static int parse_int32(const struct row *row, struct str value, void *field);
static int parse_duration(const struct row *row, struct str value, void *field);
static int parse_positive(const struct row *row, struct str value, void *field);
static int parse_query(const struct row *row, struct str value, void *field);
static int parse_url(const struct row *row, struct str value, void *field);
static int parse_workspace(const struct row *row, struct str value, void *field);
static int parse_region(const struct row *row, struct str value, void *field);

#define FIELD(member) offsetof(struct scale_spec, member)
#define TRIGGER_FIELD(member)                                                                      \
    (offsetof(struct scale_spec, triggers) + offsetof(struct trigger, member))

enum { DAY_MS = 24 * 60 * 60 * 1000, DEFAULT_COOLDOWN_MS = 300 * 1000 };

static const struct row ROWS[KEY_COUNT] = {
    [KEY_QUERY] = {.key = STR_INIT(SPEC_PREFIX "query"),
                   .parse = parse_query,
                   .offset = TRIGGER_FIELD(query),
                   .expected = "a PromQL expression of at most 16384 bytes",
                   .form = "PromQL",
                   .meaning = "the metric. It must yield a scalar or at most one series"},
    [KEY_THRESHOLD] = {.key = STR_INIT(SPEC_PREFIX "threshold"),
                       .parse = parse_positive,
                       .offset = TRIGGER_FIELD(threshold),
                       .expected = "a number > 0, such as 25 or 0.5",
                       .form = "number > 0",
                       .meaning = "the target: replicas = ceil(value / threshold)"},
    [KEY_MIN_REPLICAS] = {.key = STR_INIT(SPEC_PREFIX "min-replicas"),
                          .parse = parse_int32,
                          .offset = FIELD(min_replicas),
                          .min = 0,
                          .max = INT32_MAX,
                          .expected = "a whole number from 0 to 2147483647",
                          .form = "whole number ≥ 0",
                          .default_text = "1",
                          .meaning = "never fewer; 0: none at all after 5 minutes at 0"},
    [KEY_MAX_REPLICAS] = {.key = STR_INIT(SPEC_PREFIX "max-replicas"),
                          .parse = parse_int32,
                          .offset = FIELD(max_replicas),
                          .min = 1,
                          .max = INT32_MAX,
                          .expected = "a whole number from 1 to 2147483647",
                          .form = "whole number ≥ 1",
                          .default_text = "100",
                          .meaning = "never more"},
    [KEY_POLLING_INTERVAL] = {.key = STR_INIT(SPEC_PREFIX "polling-interval"),
                              .parse = parse_duration,
                              .offset = FIELD(polling_interval_ms),
                              .min = 1000,
                              .max = DAY_MS,
                              .expected = "a duration from 1s to 24h, such as 15s or 1m30s",
                              .form = "duration ≥ 1s",
                              .default_text = "15s",
                              .meaning = "one query per interval"},
    [KEY_ENDPOINT] = {.key = STR_INIT(SPEC_PREFIX "endpoint"),
                      .parse = parse_url,
                      .offset = FIELD(endpoint),
                      .expected =
                          "the base URL of a Prometheus-compatible API (http:// or https://, a "
                          "host, no user, no '?'), without /api/v1",
                      .form = "URL",
                      .meaning = "where to query, if not the namespace's own; `/api/v1/query` is "
                                 "appended. Excludes `workspace`"},
    [KEY_WORKSPACE] = {.key = STR_INIT(SPEC_PREFIX "workspace"),
                       .parse = parse_workspace,
                       .offset = FIELD(workspace),
                       .expected = "an AMP workspace id, such as "
                                   "ws-12345678-90ab-cdef-1234-567890abcdef",
                       .form = "ws-…",
                       .meaning = "the AMP workspace to query, if not the namespace's own"},
    [KEY_REGION] = {.key = STR_INIT(SPEC_PREFIX "region"),
                    .parse = parse_region,
                    .offset = FIELD(region),
                    .expected = "an AWS region, such as eu-west-1",
                    .form = "AWS region",
                    .meaning = "the workspace's region, if not the namespace's own"},
};

/* What the webhook writes. Known, never parsed here. */
static const struct str OWN_KEYS[] = {STR_INIT(SPEC_LABEL_MANAGED),
                                      STR_INIT(SPEC_ORIGINAL_REPLICAS), STR_INIT(SPEC_INJECTED)};
enum { OWN_KEY_COUNT = sizeof(OWN_KEYS) / sizeof(OWN_KEYS[0]) };

static int parse_int32(const struct row *row, struct str value, void *field)
{
    struct err ignored = ERR_INIT;
    int64_t number;
    if (num_int(value, row->min, row->max, &number, &ignored) != 0) {
        return -1;
    }
    *(int32_t *)field = (int32_t)number;
    return 0;
}

static int parse_duration(const struct row *row, struct str value, void *field)
{
    struct err ignored = ERR_INIT;
    int64_t ms;
    if (num_duration_ms(value, &ms, &ignored) != 0 || ms < row->min || ms > row->max) {
        return -1;
    }
    *(int64_t *)field = ms;
    return 0;
}

static int parse_positive(const struct row *row, struct str value, void *field)
{
    (void)row;
    struct err ignored = ERR_INIT;
    double number;
    if (num_double(value, &number, &ignored) != 0 || number <= 0) {
        return -1;
    }
    *(double *)field = number;
    return 0;
}

static int parse_query(const struct row *row, struct str value, void *field)
{
    (void)row;
    bool blank = str_trim(value).len == 0;
    bool has_nul = str_find_char(value, '\0') < value.len;
    if (blank || has_nul || value.len > SPEC_QUERY_MAX_BYTES || !str_is_utf8(value)) {
        return -1;
    }
    *(struct str *)field = value;
    return 0;
}

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int parse_url(const struct row *row, struct str value, void *field)
{
    (void)row;
    struct str rest;
    if (str_starts(value, STR("http://"))) {
        rest = str_slice(value, sizeof("http://") - 1, value.len);
    } else if (str_starts(value, STR("https://"))) {
        rest = str_slice(value, sizeof("https://") - 1, value.len);
    } else {
        return -1;
    }
    if (rest.len == 0 || rest.ptr[0] == '/' || rest.ptr[0] == ':' || value.len > 2048) {
        return -1;
    }
    for (size_t i = 0; i < rest.len; i++) {
        unsigned char c = (unsigned char)rest.ptr[i];
        if (c <= ' ' || c >= 0x7f || memchr("?#@\\\"<>", c, 7) != NULL) {
            return -1;
        }
    }
    *(struct str *)field = value;
    return 0;
}

static int parse_workspace(const struct row *row, struct str value, void *field)
{
    (void)row;
    if (!str_starts(value, STR("ws-")) || value.len <= 3 || value.len > 64) {
        return -1;
    }
    for (size_t i = 3; i < value.len; i++) {
        if (!is_lower(value.ptr[i]) && !is_digit(value.ptr[i]) && value.ptr[i] != '-') {
            return -1;
        }
    }
    *(struct str *)field = value;
    return 0;
}

/* Letters, then '-' and words, then '-' and digits: "us-gov-west-1". */
static int parse_region(const struct row *row, struct str value, void *field)
{
    (void)row;
    struct str rest = value;
    size_t words = 0;
    bool number = false;
    while (rest.ptr != NULL) {
        struct str word = str_cut(rest, '-', &rest);
        if (word.len == 0 || word.len > 16 || number) {
            return -1;
        }
        number = is_digit(word.ptr[0]);
        for (size_t i = 0; i < word.len; i++) {
            if (number ? !is_digit(word.ptr[i]) : !is_lower(word.ptr[i])) {
                return -1;
            }
        }
        words++;
    }
    if (!number || words < 3) {
        return -1;
    }
    *(struct str *)field = value;
    return 0;
}

bool spec_key_known(struct str key)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (str_eq(key, ROWS[i].key)) {
            return true;
        }
    }
    for (size_t i = 0; i < OWN_KEY_COUNT; i++) {
        if (str_eq(key, OWN_KEYS[i])) {
            return true;
        }
    }
    return false;
}

bool spec_wants_scaling(const struct kv_list *annotations)
{
    return kv_get(annotations, ROWS[KEY_QUERY].key).ptr != NULL ||
           kv_get(annotations, ROWS[KEY_THRESHOLD].key).ptr != NULL;
}

/* One parse under way. The first failure to get memory sticks. */
struct parse {
    struct arena *arena;
    struct scale_spec *spec;
    struct complaints *complaints;
    struct err *e;
    int status;
};

enum { SHOWN_VALUE_BYTES = 64 };

/* Value as shown in a complaint: cut at a character boundary. */
static struct str shown(struct str value)
{
    if (value.len <= SHOWN_VALUE_BYTES) {
        return value;
    }
    size_t end = SHOWN_VALUE_BYTES;
    while (end > 0 && ((unsigned char)value.ptr[end] & 0xC0) == 0x80) {
        end--;
    }
    return str_slice(value, 0, end);
}

static void complain(struct parse *p, struct str key, struct str value, struct str text)
{
    if (p->complaints->count == COMPLAINTS_MAX) {
        p->complaints->more = true;
        return;
    }
    p->complaints->items[p->complaints->count++] =
        (struct complaint){.key = key, .value = shown(value), .text = text};
}

/* printf into the parse's arena; the absent view when it is full. */
__attribute__((format(printf, 2, 3))) static struct str text_of(struct parse *p, const char *format,
                                                                ...)
{
    struct buf b;
    buf_init(&b, 4096);
    va_list args;
    va_start(args, format);
    buf_vformat(&b, format, args);
    va_end(args);
    struct str out = {NULL, 0};
    if (arena_str(p->arena, buf_view(&b), &out, p->e) != 0) {
        p->status = -1;
    }
    buf_free(&b);
    return out;
}

/* A bare number where a duration is expected: the unit was forgotten. */
static bool lacks_unit(const struct row *row, struct str value)
{
    struct err ignored = ERR_INIT;
    int64_t number;
    return row->parse == parse_duration && num_int(value, 0, DAY_MS, &number, &ignored) == 0;
}

static void parse_row(struct parse *p, enum spec_key key, struct str value)
{
    const struct row *row = &ROWS[key];
    void *field = (char *)p->spec + row->offset;
    p->spec->present |= UINT64_C(1) << key;
    if (row->parse(row, value, field) == 0) {
        return;
    }
    struct str text = lacks_unit(row, value) ? text_of(p, "expected %s; did you mean \"%.*ss\"?",
                                                       row->expected, STR_ARG(shown(value)))
                                             : text_of(p, "expected %s", row->expected);
    complain(p, row->key, value, text);
}

static void complain_unknown(struct parse *p, const struct kv *item)
{
    struct str names[KEY_COUNT];
    for (size_t i = 0; i < KEY_COUNT; i++) {
        names[i] = ROWS[i].key;
    }
    struct str suggestion = nearest(item->key, names, KEY_COUNT);
    if (p->complaints->count < COMPLAINTS_MAX) {
        p->complaints->unknown++;
    }
    if (suggestion.ptr != NULL) {
        complain(p, item->key, item->value,
                 text_of(p, "unknown annotation; did you mean %.*s?", STR_ARG(suggestion)));
    } else {
        complain(p, item->key, item->value,
                 text_of(p, "unknown annotation; the README lists all " SPEC_PREFIX " keys"));
    }
}

static bool has(const struct scale_spec *spec, enum spec_key key)
{
    return (spec->present & (UINT64_C(1) << key)) != 0;
}

/* Fill what is absent through the rows' own parsers. */
static void set_defaults(struct scale_spec *spec)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct row *row = &ROWS[i];
        if (row->default_text != NULL) {
            (void)row->parse(row, str_from(row->default_text), (char *)spec + row->offset);
        }
    }
    spec->cooldown_ms = DEFAULT_COOLDOWN_MS;
    spec->triggers[0].name = STR("default");
    spec->triggers[0].type = METRIC_AVERAGE_VALUE;
}

/* Rules that look at several annotations. Run on the values that parsed; a value that did not is
 * its default here, and has its own complaint. */
static void check_together(struct parse *p, const struct kv_list *annotations)
{
    const struct scale_spec *spec = p->spec;
    bool query = has(spec, KEY_QUERY);
    bool threshold = has(spec, KEY_THRESHOLD);
    struct str none = {NULL, 0};
    if (query && !threshold) {
        complain(p, ROWS[KEY_THRESHOLD].key, none,
                 text_of(p, "missing beside %s: expected %s", ROWS[KEY_QUERY].key.ptr,
                         ROWS[KEY_THRESHOLD].expected));
    } else if (threshold && !query) {
        complain(p, ROWS[KEY_QUERY].key, none,
                 text_of(p, "missing beside %s: expected %s", ROWS[KEY_THRESHOLD].key.ptr,
                         ROWS[KEY_QUERY].expected));
    }
    if (spec->min_replicas > spec->max_replicas) {
        enum spec_key culprit = has(spec, KEY_MIN_REPLICAS) ? KEY_MIN_REPLICAS : KEY_MAX_REPLICAS;
        bool is_min = culprit == KEY_MIN_REPLICAS;
        enum spec_key other = is_min ? KEY_MAX_REPLICAS : KEY_MIN_REPLICAS;
        complain(p, ROWS[culprit].key, kv_get(annotations, ROWS[culprit].key),
                 text_of(p, "expected a number %s %s, which is %d%s", is_min ? "≤" : "≥",
                         ROWS[other].key.ptr, is_min ? spec->max_replicas : spec->min_replicas,
                         has(spec, other) ? "" : " by default"));
    }
    if (has(spec, KEY_ENDPOINT) && has(spec, KEY_WORKSPACE)) {
        complain(p, ROWS[KEY_WORKSPACE].key, kv_get(annotations, ROWS[KEY_WORKSPACE].key),
                 text_of(p, "expected either this or %s, not both", ROWS[KEY_ENDPOINT].key.ptr));
    }
}

static void parse_annotation(struct parse *p, const struct kv *item)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (str_eq(item->key, ROWS[i].key)) {
            parse_row(p, (enum spec_key)i, item->value);
            return;
        }
    }
    if (!spec_key_known(item->key)) {
        complain_unknown(p, item);
    }
}

int spec_parse(const struct kv_list *annotations, struct arena *a, struct scale_spec *out,
               struct complaints *complaints, struct err *e)
{
    struct scale_spec spec = {0};
    struct complaints found = {0};
    struct parse p = {.arena = a, .spec = &spec, .complaints = &found, .e = e};
    set_defaults(&spec);
    for (size_t i = 0; i < annotations->count; i++) {
        if (str_starts(annotations->items[i].key, STR(SPEC_PREFIX))) {
            parse_annotation(&p, &annotations->items[i]);
        }
    }
    check_together(&p, annotations);
    spec.trigger_count = has(&spec, KEY_QUERY) && has(&spec, KEY_THRESHOLD) ? 1 : 0;
    if (p.status != 0) {
        return -1;
    }
    *out = spec;
    *complaints = found;
    return 0;
}

bool spec_usable(const struct complaints *complaints)
{
    return complaints->count == complaints->unknown && !complaints->more;
}

void complaint_print(const struct complaint *c, struct buf *out)
{
    buf_append(out, c->key);
    if (c->value.ptr != NULL) {
        buf_format(out, ": \"%.*s\"", STR_ARG(c->value));
    }
    buf_format(out, ": %.*s", STR_ARG(c->text));
}

void complaints_print(const struct complaints *complaints, struct str separator, struct buf *out)
{
    for (size_t i = 0; i < complaints->count; i++) {
        if (i > 0) {
            buf_append(out, separator);
        }
        complaint_print(&complaints->items[i], out);
    }
    if (complaints->more) {
        buf_append(out, separator);
        buf_append(out, STR("and more"));
    }
}

bool spec_default(const struct scale_spec *spec, size_t index, struct str *key, struct str *value)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (ROWS[i].default_text == NULL || has(spec, (enum spec_key)i)) {
            continue;
        }
        if (index == 0) {
            *key = ROWS[i].key;
            *value = str_from(ROWS[i].default_text);
            return true;
        }
        index--;
    }
    return false;
}

void spec_print_table(struct buf *out)
{
    buf_append(out, STR("| annotation | form | default | meaning |\n|---|---|---|---|\n"));
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct row *row = &ROWS[i];
        buf_format(out, "| `%s` | %s | %s | %s |\n", row->key.ptr, row->form,
                   row->default_text != NULL ? row->default_text : "–", row->meaning);
    }
}
