/* The walk over a Deployment's annotations, and the rules that look at several of them. */
#include "base/spec.h"

#include "base/nearest.h"
#include "base/spec_rows.h"

/* What the webhook writes. Known, never parsed here. */
static const struct str OWN_KEYS[] = {STR_INIT(SPEC_LABEL_MANAGED),
                                      STR_INIT(SPEC_ORIGINAL_REPLICAS), STR_INIT(SPEC_INJECTED)};
enum { OWN_KEY_COUNT = sizeof(OWN_KEYS) / sizeof(OWN_KEYS[0]) };

bool spec_key_known(struct str key)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (str_eq(key, SPEC_ROWS[i].key)) {
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
    return kv_get(annotations, SPEC_ROWS[KEY_QUERY].key).ptr != NULL ||
           kv_get(annotations, SPEC_ROWS[KEY_THRESHOLD].key).ptr != NULL ||
           kv_get(annotations, SPEC_ROWS[KEY_TRIGGERS].key).ptr != NULL;
}

bool spec_wants_collector(const struct kv_list *annotations)
{
    return str_eq(kv_get(annotations, SPEC_ROWS[KEY_COLLECTOR].key), STR("enabled"));
}

/* One parse under way. The first failure to get memory sticks. */
struct parse {
    struct arena *arena;
    struct scale_spec *spec;
    struct complaints *complaints;
    struct err *e;
    int status;
    struct err why; /* what the last row said; large, so there is one for all rows */
};

enum { SHOWN_VALUE_BYTES = 64, FALLBACK_INTERVALS = 3 };

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

/* What stands before an '@' in a URL may be a password, and complaints become events and logs. */
static struct str without_user(struct str url)
{
    size_t at = str_find_char(url, '@');
    return at < url.len ? str_slice(url, at + 1, url.len) : url;
}

static void parse_row(struct parse *p, enum spec_key key, struct str value)
{
    const struct spec_row *row = &SPEC_ROWS[key];
    struct err *why = &p->why;
    struct spec_value v = {row, value, (char *)p->spec + row->offset, p->arena, why};
    p->spec->present |= UINT64_C(1) << key;
    why->code = ERR_NONE;
    if (row->parse(&v) == 0) {
        return;
    }
    if (why->code == ERR_MEMORY) {
        *p->e = *why;
        p->status = -1;
        return;
    }
    bool more = why->code != ERR_NONE;
    complain(p, row->key, key == KEY_ENDPOINT ? without_user(value) : value,
             text_of(p, "expected %s%s%s", row->expected, more ? "; " : "", more ? why->text : ""));
}

static void complain_unknown(struct parse *p, const struct kv *item)
{
    if (p->complaints->count == COMPLAINTS_MAX) {
        p->complaints->more = true; /* not worth a search for the nearest */
        return;
    }
    p->complaints->unknown++;
    const size_t prefix = sizeof(SPEC_PREFIX) - 1; /* the same in all: it says nothing */
    struct str names[KEY_COUNT];
    for (size_t i = 0; i < KEY_COUNT; i++) {
        names[i] = str_slice(SPEC_ROWS[i].key, prefix, SPEC_ROWS[i].key.len);
    }
    struct str suggestion = nearest(str_slice(item->key, prefix, item->key.len), names, KEY_COUNT);
    if (suggestion.ptr != NULL) {
        complain(p, item->key, item->value,
                 text_of(p, "unknown annotation; did you mean " SPEC_PREFIX "%.*s?",
                         STR_ARG(suggestion)));
    } else {
        complain(p, item->key, item->value,
                 text_of(p, "unknown annotation; the README lists all " SPEC_PREFIX " keys"));
    }
}

bool spec_has(const struct scale_spec *spec, enum spec_key key)
{
    return (spec->present & (UINT64_C(1) << key)) != 0;
}

/* Fill what is absent through the rows' own parsers. */
static void set_defaults(struct scale_spec *spec, struct arena *a)
{
    struct err ignored;
    for (size_t i = 0; i < KEY_COUNT; i++) {
        const struct spec_row *row = &SPEC_ROWS[i];
        if (row->default_text != NULL) {
            struct spec_value v = {row, str_from(row->default_text), (char *)spec + row->offset, a,
                                   &ignored};
            (void)row->parse(&v);
        }
    }
    spec_no_behavior(&spec->behavior);
    spec->triggers[0].name = STR("default");
}

static const struct str NONE = {NULL, 0};

/* `key` was written without `other`, which it needs. */
static void check_needs(struct parse *p, enum spec_key key, enum spec_key other)
{
    if (spec_has(p->spec, key) && !spec_has(p->spec, other)) {
        complain(p, SPEC_ROWS[other].key, NONE,
                 text_of(p, "missing beside %s: expected %s", SPEC_ROWS[key].key.ptr,
                         SPEC_ROWS[other].expected));
    }
}

static void check_excludes(struct parse *p, const struct kv_list *annotations, enum spec_key key,
                           enum spec_key other)
{
    if (spec_has(p->spec, key) && spec_has(p->spec, other)) {
        complain(p, SPEC_ROWS[key].key, kv_get(annotations, SPEC_ROWS[key].key),
                 text_of(p, "expected either this or %s, not both", SPEC_ROWS[other].key.ptr));
    }
}

static const char *by_default(const struct scale_spec *spec, enum spec_key key)
{
    return spec_has(spec, key) ? "" : " by default";
}

static void check_bounds(struct parse *p, const struct kv_list *annotations)
{
    const struct scale_spec *spec = p->spec;
    if (spec->min_replicas > spec->max_replicas) {
        bool is_min = spec_has(spec, KEY_MIN_REPLICAS);
        enum spec_key culprit = is_min ? KEY_MIN_REPLICAS : KEY_MAX_REPLICAS;
        enum spec_key other = is_min ? KEY_MAX_REPLICAS : KEY_MIN_REPLICAS;
        complain(p, SPEC_ROWS[culprit].key, kv_get(annotations, SPEC_ROWS[culprit].key),
                 text_of(p, "expected a number %s %s, which is %d%s", is_min ? "≤" : "≥",
                         SPEC_ROWS[other].key.ptr, is_min ? spec->max_replicas : spec->min_replicas,
                         by_default(spec, other)));
    }
    if (spec_has(spec, KEY_IDLE_REPLICAS) && spec->idle_replicas >= spec->min_replicas) {
        complain(p, SPEC_ROWS[KEY_IDLE_REPLICAS].key,
                 kv_get(annotations, SPEC_ROWS[KEY_IDLE_REPLICAS].key),
                 text_of(p, "expected a number < %s, which is %d%s",
                         SPEC_ROWS[KEY_MIN_REPLICAS].key.ptr, spec->min_replicas,
                         by_default(spec, KEY_MIN_REPLICAS)));
    }
    if (spec_has(spec, KEY_FALLBACK_REPLICAS) && spec->fallback_replicas > spec->max_replicas) {
        complain(p, SPEC_ROWS[KEY_FALLBACK_REPLICAS].key,
                 kv_get(annotations, SPEC_ROWS[KEY_FALLBACK_REPLICAS].key),
                 text_of(p, "expected a number ≤ %s, which is %d%s",
                         SPEC_ROWS[KEY_MAX_REPLICAS].key.ptr, spec->max_replicas,
                         by_default(spec, KEY_MAX_REPLICAS)));
    }
}

/* Rules that look at several annotations. Run on the values that parsed; a value that did not is
 * its default here, and has its own complaint. */
static void check_together(struct parse *p, const struct kv_list *annotations)
{
    static const enum spec_key SINGLE[] = {KEY_QUERY, KEY_THRESHOLD, KEY_ACTIVATION_THRESHOLD,
                                           KEY_METRIC_TYPE};
    const struct scale_spec *spec = p->spec;
    if (spec_has(spec, KEY_TRIGGERS)) {
        for (size_t i = 0; i < sizeof(SINGLE) / sizeof(SINGLE[0]); i++) {
            check_excludes(p, annotations, SINGLE[i], KEY_TRIGGERS);
        }
    } else {
        check_needs(p, KEY_QUERY, KEY_THRESHOLD);
        check_needs(p, KEY_THRESHOLD, KEY_QUERY);
    }
    check_bounds(p, annotations);
    check_excludes(p, annotations, KEY_WORKSPACE, KEY_ENDPOINT);
    check_needs(p, KEY_FALLBACK_AFTER, KEY_FALLBACK_REPLICAS);
    check_needs(p, KEY_FALLBACK_BEHAVIOR, KEY_FALLBACK_REPLICAS);
    if (spec->on_no_data == NO_DATA_FALLBACK) {
        check_needs(p, KEY_ON_NO_DATA, KEY_FALLBACK_REPLICAS);
    }
}

/* What says how to collect, where nothing says whether. */
static void check_collector(struct parse *p, const struct kv_list *annotations)
{
    static const enum spec_key HOW[] = {
        KEY_COLLECTOR_ROLE_ARN, KEY_COLLECTOR_CPU, KEY_COLLECTOR_MEMORY, KEY_SCRAPE_PORT,
        KEY_SCRAPE_PATH,        KEY_SCRAPE_SCHEME, KEY_SCRAPE_INTERVAL,  KEY_METRICS};
    for (size_t i = 0; i < sizeof(HOW) / sizeof(HOW[0]); i++) {
        check_needs(p, HOW[i], KEY_COLLECTOR);
    }
    if (p->spec->metrics_from_query && !spec_wants_scaling(annotations)) {
        complain(p, SPEC_ROWS[KEY_METRICS].key, STR("from-query"),
                 text_of(p, "expected a %s or %s beside it to take the series from, or globs",
                         SPEC_ROWS[KEY_QUERY].key.ptr, SPEC_ROWS[KEY_TRIGGERS].key.ptr));
    }
}

static void parse_annotation(struct parse *p, const struct kv *item)
{
    for (size_t i = 0; i < KEY_COUNT; i++) {
        if (str_eq(item->key, SPEC_ROWS[i].key)) {
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
    set_defaults(&spec, a);
    for (size_t i = 0; i < annotations->count; i++) {
        if (str_starts(annotations->items[i].key, STR(SPEC_PREFIX))) {
            parse_annotation(&p, &annotations->items[i]);
        }
    }
    check_together(&p, annotations);
    check_collector(&p, annotations);
    if (!spec_has(&spec, KEY_TRIGGERS)) {
        bool both = spec_has(&spec, KEY_QUERY) && spec_has(&spec, KEY_THRESHOLD);
        spec.trigger_count = both ? 1 : 0;
    }
    if (!spec_has(&spec, KEY_FALLBACK_AFTER)) {
        spec.fallback_after_ms = FALLBACK_INTERVALS * spec.polling_interval_ms;
    }
    if (p.status != 0) {
        return -1;
    }
    *out = spec;
    *complaints = found;
    return 0;
}

bool spec_parse_value(enum spec_key key, struct str value, struct arena *a, struct scale_spec *spec)
{
    const struct spec_row *row = &SPEC_ROWS[key];
    struct err ignored;
    struct spec_value v = {row, value, (char *)spec + row->offset, a, &ignored};
    return row->parse(&v) == 0;
}

const char *spec_expected(enum spec_key key)
{
    return SPEC_ROWS[key].expected;
}

struct str spec_key_name(enum spec_key key)
{
    return SPEC_ROWS[key].key;
}

bool spec_usable(const struct complaints *complaints)
{
    return complaints->count == complaints->unknown && !complaints->more;
}

/* Line ends and other control characters as spaces: a complaint is one line. */
static void append_on_one_line(struct str text, struct buf *out)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        buf_append_char(out, c < ' ' || c == 0x7f ? ' ' : text.ptr[i]);
    }
}

void complaint_print(const struct complaint *c, struct buf *out)
{
    buf_append(out, c->key);
    if (c->value.ptr != NULL) {
        buf_append(out, STR(": \""));
        append_on_one_line(c->value, out);
        buf_append_char(out, '"');
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
    for (size_t i = 0; spec->trigger_count > 0 && i < KEY_COUNT; i++) {
        const struct spec_row *row = &SPEC_ROWS[i];
        if (spec_has(spec, (enum spec_key)i) || row->explicit_default == NULL ||
            !row->explicit_default(spec)) {
            continue;
        }
        if (index == 0) {
            *key = row->key;
            *value = str_from(row->default_text);
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
        const struct spec_row *row = &SPEC_ROWS[i];
        buf_format(out, "| `%s` | %s | %s | %s |\n", row->key.ptr, row->form,
                   row->default_text != NULL ? row->default_text : "–", row->meaning);
    }
}
