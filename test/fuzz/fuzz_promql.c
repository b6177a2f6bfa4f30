/* Any bytes as a query, as a selector, and as an expression with a text. What was found prints to
 * one text that reads back to an equal selector; a selector of equalities selects exactly the
 * series that has them; an error has a place. */
#include <stdlib.h>
#include <string.h>

#include "base/promql_internal.h"
#include "fuzz.h"

static void check(int condition)
{
    if (!condition) {
        abort();
    }
}

/* The series that has, for every label, what the first matcher of it says. */
static struct str value_of(const void *series, struct str label)
{
    const struct promql_selector *s = series;
    for (size_t i = 0; i < s->count; i++) {
        if (str_eq(s->matchers[i].label, label)) {
            return s->matchers[i].value;
        }
    }
    return (struct str){NULL, 0};
}

static void check_selector(const struct promql_selector *s, struct arena *a)
{
    struct promql_selector again;
    struct buf text;
    struct buf twice;
    struct err e = ERR_INIT;
    bool plain = true;
    buf_init(&text, 1 << 20);
    buf_init(&twice, 1 << 20);
    promql_selector_print(s, &text);
    check(!text.failed && str_is_utf8(buf_view(&text)));
    check(promql_selector_parse(buf_view(&text), a, &again, &e) == 0 || e.code == ERR_MEMORY);
    if (e.code == ERR_NONE) {
        check(promql_selector_equal(s, &again));
        promql_selector_print(&again, &twice);
        check(str_eq(buf_view(&text), buf_view(&twice)));
    }
    for (size_t i = 0; i < s->count; i++) {
        plain = plain && s->matchers[i].op == PROMQL_EQUAL &&
                (i == 0 || !str_eq(s->matchers[i].label, s->matchers[i - 1].label));
    }
    check(promql_may_select(s, value_of, s) || !plain);
    buf_free(&text);
    buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = {(const char *)data, size};
    struct str behind;
    struct str pattern = str_cut(text, '\n', &behind);
    const struct promql_selector *found;
    struct promql_selector one;
    struct arena a;
    struct err e = ERR_INIT;
    size_t count;
    if (size > 1 << 14) {
        return 0;
    }
    arena_init(&a, 8 << 20);
    if (promql_selectors(text, &a, &found, &count, &e) == 0) {
        for (size_t i = 0; i < count; i++) {
            check_selector(&found[i], &a);
        }
    } else {
        check(e.text[0] != '\0');
    }
    if (promql_selector_parse(text, &a, &one, &e) == 0) {
        check_selector(&one, &a);
    }
    (void)promql_regex(pattern, behind);
    arena_free(&a);
    return 0;
}
