/* One selector: its matchers read, printed, and held against a series. */
#include "base/promql_internal.h"

#define NAME_LABEL STR("__name__")

static const struct str OPS[] = {[PROMQL_EQUAL] = STR_INIT("="),
                                 [PROMQL_NOT_EQUAL] = STR_INIT("!="),
                                 [PROMQL_MATCHES] = STR_INIT("=~"),
                                 [PROMQL_MATCHES_NOT] = STR_INIT("!~")};
enum { OP_COUNT = sizeof(OPS) / sizeof(OPS[0]) };

static int compare(const struct promql_matcher *a, const struct promql_matcher *b)
{
    int order = str_compare(a->label, b->label);
    if (order == 0) {
        order = (int)a->op - (int)b->op;
    }
    return order != 0 ? order : str_compare(a->value, b->value);
}

struct matchers {
    struct promql_matcher items[PROMQL_MATCHERS_MAX];
    size_t count;
};

/* Into its place; one that is there already is not repeated. */
static int insert(struct matchers *m, const struct promql_matcher *item, struct err *e)
{
    size_t at = m->count;
    while (at > 0 && compare(&m->items[at - 1], item) > 0) {
        at--;
    }
    if (at > 0 && compare(&m->items[at - 1], item) == 0) {
        return 0;
    }
    if (m->count == PROMQL_MATCHERS_MAX) {
        return err_set(e, ERR_LIMIT, "a selector has more than %d matchers", PROMQL_MATCHERS_MAX);
    }
    for (size_t i = m->count; i > at; i--) {
        m->items[i] = m->items[i - 1];
    }
    m->items[at] = *item;
    m->count++;
    return 0;
}

static bool op_of(const struct promql_token *t, enum promql_op *out)
{
    for (size_t i = 0; i < OP_COUNT; i++) {
        if (promql_is_symbol(t, OPS[i])) {
            *out = (enum promql_op)i;
            return true;
        }
    }
    return false;
}

/* label op "value", or a quoted metric name alone. */
static int read_matcher(struct promql_reader *r, struct promql_matcher *out)
{
    struct promql_token first = r->token;
    bool quoted = first.type == PROMQL_STRING;
    bool word = first.type == PROMQL_WORD ||
                (first.type == PROMQL_NUMBER && !char_is_digit(first.text.ptr[0]) &&
                 first.text.ptr[0] != '.'); /* inf, nan */
    struct str label = first.text;
    if (!quoted && !word) {
        return promql_expected(r, "a label or '}'");
    }
    if ((quoted && promql_unquote(&first, r->arena, &label, r->e) != 0) || promql_advance(r) != 0) {
        return -1;
    }
    if (!op_of(&r->token, &out->op)) {
        *out = (struct promql_matcher){NAME_LABEL, PROMQL_EQUAL, label};
        return quoted ? 0 : promql_expected(r, "=, !=, =~ or !~");
    }
    out->label = label;
    if (promql_advance(r) != 0) {
        return -1;
    }
    if (r->token.type != PROMQL_STRING) {
        return promql_expected(r, "a quoted string");
    }
    return promql_unquote(&r->token, r->arena, &out->value, r->e) != 0 ? -1 : promql_advance(r);
}

static int read_braces(struct promql_reader *r, struct matchers *m)
{
    if (promql_advance(r) != 0) {
        return -1;
    }
    while (!promql_is_symbol(&r->token, STR("}"))) {
        struct promql_matcher item = {.op = PROMQL_EQUAL};
        if (read_matcher(r, &item) != 0 || insert(m, &item, r->e) != 0) {
            return -1;
        }
        if (promql_is_symbol(&r->token, STR(","))) {
            if (promql_advance(r) != 0) {
                return -1;
            }
        } else if (!promql_is_symbol(&r->token, STR("}"))) {
            return promql_expected(r, "',' or '}'");
        }
    }
    return promql_advance(r);
}

int promql_read_selector(struct promql_reader *r, struct str name, struct promql_selector *out)
{
    struct matchers m = {.count = 0};
    if (name.ptr != NULL) {
        m.items[m.count++] = (struct promql_matcher){NAME_LABEL, PROMQL_EQUAL, name};
    }
    if (promql_is_symbol(&r->token, STR("{")) && read_braces(r, &m) != 0) {
        return -1;
    }
    struct promql_matcher *kept = arena_array(r->arena, m.count, sizeof(*kept));
    if (kept == NULL) {
        return arena_err(r->arena, r->e);
    }
    *out = (struct promql_selector){.matchers = kept, .count = m.count};
    for (size_t i = 0; i < m.count; i++) {
        kept[i] = m.items[i];
        bool names = kept[i].op == PROMQL_EQUAL && str_eq(kept[i].label, NAME_LABEL);
        if (names && out->name.ptr == NULL) {
            out->name = kept[i].value;
        }
    }
    return 0;
}

bool promql_selector_equal(const struct promql_selector *a, const struct promql_selector *b)
{
    bool equal = a->count == b->count;
    for (size_t i = 0; equal && i < a->count; i++) {
        equal = compare(&a->matchers[i], &b->matchers[i]) == 0;
    }
    return equal;
}

/* True when the lexer would read it as one word. */
static bool is_plain(struct str name, bool metric)
{
    struct promql_lexer l = {.text = name};
    struct promql_token t;
    struct err ignored;
    return promql_next(&l, &t, &ignored) == 0 && t.type == PROMQL_WORD && t.text.len == name.len &&
           (metric || str_find_char(name, ':') == name.len);
}

static void print_quoted(struct str text, struct buf *out)
{
    buf_append_char(out, '"');
    for (size_t i = 0; i < text.len;) {
        size_t len = str_utf8_length(text, i);
        unsigned char c = (unsigned char)text.ptr[i];
        if (c == '"' || c == '\\') {
            buf_append_char(out, '\\');
            buf_append_char(out, text.ptr[i]);
        } else if (c == '\n') {
            buf_append(out, STR("\\n"));
        } else if (len == 0 || c < ' ' || c == 0x7f) {
            buf_format(out, "\\x%02x", c);
        } else {
            buf_append(out, str_slice(text, i, i + len));
        }
        i += len == 0 ? 1 : len;
    }
    buf_append_char(out, '"');
}

void promql_selector_print(const struct promql_selector *s, struct buf *out)
{
    bool in_front = s->name.ptr != NULL && is_plain(s->name, true);
    bool first = true;
    if (in_front) {
        buf_append(out, s->name);
    }
    for (size_t i = 0; i < s->count; i++) {
        const struct promql_matcher *m = &s->matchers[i];
        if (in_front && m->value.ptr == s->name.ptr && str_eq(m->label, NAME_LABEL)) {
            continue;
        }
        buf_append(out, first ? STR("{") : STR(","));
        first = false;
        if (is_plain(m->label, false)) {
            buf_append(out, m->label);
        } else {
            print_quoted(m->label, out);
        }
        buf_append(out, OPS[m->op]);
        print_quoted(m->value, out);
    }
    if (!first) {
        buf_append_char(out, '}');
    } else if (!in_front) {
        buf_append(out, STR("{}"));
    }
}

bool promql_may_select(const struct promql_selector *s,
                       struct str (*value_of)(const void *series, struct str label),
                       const void *series)
{
    for (size_t i = 0; i < s->count; i++) {
        const struct promql_matcher *m = &s->matchers[i];
        struct str value = value_of(series, m->label);
        bool may = true;
        switch (m->op) {
        case PROMQL_EQUAL: may = str_eq(value, m->value); break;
        case PROMQL_NOT_EQUAL: may = !str_eq(value, m->value); break;
        case PROMQL_MATCHES: may = promql_regex(m->value, value) != PROMQL_NO; break;
        case PROMQL_MATCHES_NOT: may = promql_regex(m->value, value) != PROMQL_YES; break;
        }
        if (!may) {
            return false;
        }
    }
    return true;
}
