/* The walk over a query. Wherever it stands either an operand or an operator is next: that alone
 * tells what a word is, since PromQL's keywords may be names of metrics too.
 */
#include "base/promql.h"

#include <string.h>

#include "base/promql_internal.h"

struct walk {
    struct promql_reader r;
    struct promql_selector *found; /* PROMQL_SELECTORS_MAX of them */
    size_t count;
    size_t depth; /* of open parentheses */
    bool wants_operand;
    bool may_close; /* a call was opened and has no argument yet: "time()" */
    bool done;
};

static int add(struct walk *w, const struct promql_selector *s)
{
    for (size_t i = 0; i < w->count; i++) {
        if (promql_selector_equal(&w->found[i], s)) {
            return 0;
        }
    }
    if (w->count == PROMQL_SELECTORS_MAX) {
        return err_set(w->r.e, ERR_LIMIT, "the query has more than %d selectors",
                       PROMQL_SELECTORS_MAX);
    }
    w->found[w->count++] = *s;
    return 0;
}

static int read_selector(struct walk *w, struct str name)
{
    struct promql_selector s;
    w->wants_operand = false;
    return promql_read_selector(&w->r, name, &s) != 0 ? -1 : add(w, &s);
}

/* What `info` reads without saying so. */
static int add_target_info(struct walk *w)
{
    static const struct promql_matcher NAME = {STR_INIT("__name__"), PROMQL_EQUAL,
                                               STR_INIT("target_info")};
    const struct promql_selector s = {.matchers = &NAME, .count = 1, .name = NAME.value};
    return add(w, &s);
}

static int open_parenthesis(struct walk *w, bool call)
{
    w->depth++;
    w->may_close = call;
    w->wants_operand = true;
    return promql_advance(&w->r);
}

/* From an opening bracket to behind the one that closes it: nothing in there is a series. */
static int skip_brackets(struct walk *w)
{
    size_t open = 0;
    do {
        const struct promql_token *t = &w->r.token;
        if (t->type == PROMQL_END) {
            return promql_expected(&w->r, "a closing bracket");
        }
        if (promql_is_symbol(t, STR("(")) || promql_is_symbol(t, STR("["))) {
            open++;
        } else if (promql_is_symbol(t, STR(")")) || promql_is_symbol(t, STR("]"))) {
            open--;
        }
        if (promql_advance(&w->r) != 0) {
            return -1;
        }
    } while (open > 0);
    return 0;
}

/* "(a, b)" behind by, on, group_left, … */
static int skip_labels(struct walk *w)
{
    return promql_is_symbol(&w->r.token, STR("(")) ? skip_brackets(w) : promql_expected(&w->r, "(");
}

static bool is_grouping(const struct promql_token *t)
{
    return promql_is_word(t, STR("by")) || promql_is_word(t, STR("without"));
}

/* A word where an operand is expected: a call, an aggregation with its labels in front, a name. */
static int read_word(struct walk *w)
{
    struct str name = w->r.token.text;
    if (promql_advance(&w->r) != 0) {
        return -1;
    }
    if (promql_is_symbol(&w->r.token, STR("("))) {
        if (str_eq(name, STR("info")) && add_target_info(w) != 0) {
            return -1;
        }
        return open_parenthesis(w, true);
    }
    if (is_grouping(&w->r.token)) {
        if (promql_advance(&w->r) != 0 || skip_labels(w) != 0) {
            return -1;
        }
        return promql_is_symbol(&w->r.token, STR("(")) ? open_parenthesis(w, false)
                                                       : promql_expected(&w->r, "(");
    }
    return read_selector(w, name);
}

static int close_parenthesis(struct walk *w)
{
    if (w->depth == 0) {
        return promql_expected(&w->r, "an operator or the end");
    }
    w->depth--;
    w->wants_operand = false;
    return promql_advance(&w->r);
}

static int read_operand(struct walk *w)
{
    const struct promql_token *t = &w->r.token;
    bool may_close = w->may_close;
    w->may_close = false;
    switch (t->type) {
    case PROMQL_WORD: return read_word(w);
    case PROMQL_NUMBER:
    case PROMQL_STRING: w->wants_operand = false; return promql_advance(&w->r);
    case PROMQL_END: break;
    case PROMQL_SYMBOL:
        if (promql_is_symbol(t, STR("("))) {
            return open_parenthesis(w, false);
        }
        if (promql_is_symbol(t, STR("{"))) {
            return read_selector(w, (struct str){NULL, 0});
        }
        if (promql_is_symbol(t, STR("+")) || promql_is_symbol(t, STR("-"))) {
            return promql_advance(&w->r);
        }
        if (may_close && promql_is_symbol(t, STR(")"))) {
            return close_parenthesis(w);
        }
        break;
    }
    return promql_expected(&w->r, "a metric, a number, a function or '('");
}

/* A time behind `offset` or '@': a number, a call such as end(), or something in parentheses. */
static int skip_time(struct walk *w)
{
    struct promql_reader *r = &w->r;
    if (promql_advance(r) != 0) {
        return -1;
    }
    while (promql_is_symbol(&r->token, STR("+")) || promql_is_symbol(&r->token, STR("-"))) {
        if (promql_advance(r) != 0) {
            return -1;
        }
    }
    if (r->token.type == PROMQL_NUMBER) {
        return promql_advance(r);
    }
    if (r->token.type == PROMQL_WORD && promql_advance(r) != 0) {
        return -1;
    }
    return promql_is_symbol(&r->token, STR("(")) ? skip_brackets(w) : promql_expected(r, "a time");
}

/* Whether the parenthesis of a list follows the word that is next. */
static bool has_list(const struct walk *w)
{
    struct promql_lexer ahead = w->r.lexer;
    struct promql_token next;
    struct err ignored;
    return promql_next(&ahead, &next, &ignored) == 0 && promql_is_symbol(&next, STR("("));
}

/* What may stand between a binary operator and its right side. */
static int skip_modifiers(struct walk *w)
{
    static const struct str WITH_LIST[] = {STR_INIT("on"), STR_INIT("ignoring"), STR_INIT("fill"),
                                           STR_INIT("fill_left"), STR_INIT("fill_right")};
    static const struct str MAY_HAVE_LIST[] = {STR_INIT("group_left"), STR_INIT("group_right"),
                                               STR_INIT("bool")};
    for (bool more = true; more;) {
        bool list = has_list(w);
        bool group = false;
        more = false;
        for (size_t i = 0; i < sizeof(WITH_LIST) / sizeof(WITH_LIST[0]); i++) {
            more = more || (list && promql_is_word(&w->r.token, WITH_LIST[i]));
        }
        for (size_t i = 0; i < sizeof(MAY_HAVE_LIST) / sizeof(MAY_HAVE_LIST[0]); i++) {
            group = group || promql_is_word(&w->r.token, MAY_HAVE_LIST[i]);
        }
        list = list && !promql_is_word(&w->r.token, STR("bool")); /* then it is the right side's */
        if (!more && !group) {
            return 0;
        }
        if (promql_advance(&w->r) != 0 || (list && skip_labels(w) != 0)) {
            return -1;
        }
        more = true;
    }
    return 0;
}

static bool is_binary(const struct promql_token *t)
{
    static const struct str SYMBOLS[] = {
        STR_INIT("+"),  STR_INIT("-"),  STR_INIT("*"),  STR_INIT("/"), STR_INIT("%"),
        STR_INIT("^"),  STR_INIT("=="), STR_INIT("!="), STR_INIT("<"), STR_INIT(">"),
        STR_INIT("<="), STR_INIT(">="), STR_INIT("</"), STR_INIT(">/")};
    static const struct str WORDS[] = {STR_INIT("and"), STR_INIT("or"), STR_INIT("unless"),
                                       STR_INIT("atan2")};
    for (size_t i = 0; i < sizeof(SYMBOLS) / sizeof(SYMBOLS[0]); i++) {
        if (promql_is_symbol(t, SYMBOLS[i])) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (promql_is_word(t, WORDS[i])) {
            return true;
        }
    }
    return false;
}

static int read_operator(struct walk *w)
{
    const struct promql_token *t = &w->r.token;
    if (t->type == PROMQL_END) {
        w->done = true;
        return w->depth == 0 ? 0 : promql_expected(&w->r, "')'");
    }
    if (promql_is_symbol(t, STR(")"))) {
        return close_parenthesis(w);
    }
    if (promql_is_symbol(t, STR("["))) {
        return skip_brackets(w);
    }
    if (promql_is_symbol(t, STR("@")) || promql_is_word(t, STR("offset"))) {
        return skip_time(w);
    }
    if (promql_is_word(t, STR("smoothed")) || promql_is_word(t, STR("anchored"))) {
        return promql_advance(&w->r);
    }
    if (is_grouping(t)) {
        return promql_advance(&w->r) != 0 ? -1 : skip_labels(w);
    }
    bool comma = w->depth > 0 && promql_is_symbol(t, STR(","));
    if (!comma && !is_binary(t)) {
        return promql_expected(&w->r, "an operator or the end");
    }
    w->wants_operand = true;
    if (promql_advance(&w->r) != 0) {
        return -1;
    }
    return comma ? 0 : skip_modifiers(w);
}

int promql_selectors(struct str query, struct arena *a, const struct promql_selector **out,
                     size_t *count, struct err *e)
{
    struct walk w = {.r = {.lexer = {.text = query}, .arena = a, .e = e}, .wants_operand = true};
    w.found = arena_array(a, PROMQL_SELECTORS_MAX, sizeof(*w.found));
    if (w.found == NULL) {
        return arena_err(a, e);
    }
    if (promql_advance(&w.r) != 0) {
        return -1;
    }
    while (!w.done) {
        if ((w.wants_operand ? read_operand(&w) : read_operator(&w)) != 0) {
            return -1;
        }
    }
    *out = w.found;
    *count = w.count;
    return 0;
}

int promql_selector_parse(struct str text, struct arena *a, struct promql_selector *out,
                          struct err *e)
{
    struct promql_reader r = {.lexer = {.text = text}, .arena = a, .e = e};
    struct str name = {NULL, 0};
    struct promql_selector s;
    if (promql_advance(&r) != 0) {
        return -1;
    }
    if (r.token.type == PROMQL_WORD) {
        name = r.token.text;
        if (promql_advance(&r) != 0) {
            return -1;
        }
    } else if (!promql_is_symbol(&r.token, STR("{"))) {
        return promql_expected(&r, "a metric or '{'");
    }
    if (promql_read_selector(&r, name, &s) != 0) {
        return -1;
    }
    if (r.token.type != PROMQL_END) {
        return promql_expected(&r, "the end of the selector");
    }
    *out = s;
    return 0;
}
