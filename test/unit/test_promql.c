/* PromQL as far as it is read: the selectors of a query, printed; what is refused and where; what
 * may be selected; label expressions. Cases: test/golden/promql. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/promql_internal.h"
#include "golden.h"

enum { ARENA_BYTES = 1 << 20, TEXT_BYTES = 1 << 16 };

static void print_all(const struct promql_selector *found, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        buf_append(out, i > 0 ? STR(" ¦ ") : STR(""));
        promql_selector_print(&found[i], out);
    }
}

/* query, selectors in one line; or "! " and the complaint. */
static void run_query(const struct golden_case *c)
{
    struct arena a;
    struct buf got;
    struct err e = ERR_INIT;
    const struct promql_selector *found = NULL;
    size_t count = 0;
    arena_init(&a, ARENA_BYTES);
    buf_init(&got, TEXT_BYTES);
    if (promql_selectors(golden_field(c, 0), &a, &found, &count, &e) != 0) {
        buf_format(&got, "! %s", e.text);
    } else {
        print_all(found, count, &got);
    }
    golden_expect(c, got.len > 0 ? buf_view(&got) : STR(""), golden_field(c, 1));
    /* Printed, each is read back to itself. */
    for (size_t i = 0; i < count; i++) {
        struct promql_selector again;
        buf_reset(&got);
        promql_selector_print(&found[i], &got);
        assert_int_equal(promql_selector_parse(buf_view(&got), &a, &again, &e), 0);
        golden_expect_int(c, "read back", promql_selector_equal(&found[i], &again), 1);
    }
    buf_free(&got);
    arena_free(&a);
}

static struct str value_of(const void *series, struct str label)
{
    struct str rest = *(const struct str *)series;
    while (rest.ptr != NULL) {
        struct str value;
        struct str name = str_cut(str_cut(rest, ' ', &rest), '=', &value);
        if (str_eq(name, label)) {
            return value;
        }
    }
    return (struct str){NULL, 0};
}

/* selector, the labels of a series "a=b c=d", yes or no; or "! " and the complaint. */
static void run_select(const struct golden_case *c)
{
    struct arena a;
    struct err e = ERR_INIT;
    struct promql_selector s;
    struct str series = golden_field(c, 1);
    arena_init(&a, ARENA_BYTES);
    if (promql_selector_parse(golden_field(c, 0), &a, &s, &e) != 0) {
        struct str text;
        assert_int_equal(arena_format(&a, &text, &e, "! %s", e.text), 0);
        golden_expect(c, text, golden_field(c, 2));
    } else {
        golden_expect(c, promql_may_select(&s, value_of, &series) ? STR("yes") : STR("no"),
                      golden_field(c, 2));
    }
    arena_free(&a);
}

/* expression, text, yes, no or unknown. */
static void run_regex(const struct golden_case *c)
{
    static const struct str WORDS[] = {[PROMQL_NO] = STR_INIT("no"),
                                       [PROMQL_YES] = STR_INIT("yes"),
                                       [PROMQL_UNKNOWN] = STR_INIT("unknown")};
    struct str text = golden_field(c, 1);
    golden_expect(c, WORDS[promql_regex(golden_field(c, 0), text)], golden_field(c, 2));
}

static void test_queries(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/promql/selectors.txt", run_query);
}

static void test_refused(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/promql/refused.txt", run_query);
}

static void test_selecting(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/promql/selecting.txt", run_select);
}

static void test_expressions(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/promql/expressions.txt", run_regex);
}

/* `count` times the text, joined by " + ". */
static void repeat(struct buf *out, const char *format, int count)
{
    for (int i = 0; i < count; i++) {
        buf_append(out, i > 0 ? STR(" + ") : STR(""));
        buf_format(out, "m%d", i);
        buf_append(out, str_from(format));
    }
}

static void test_limits(void **state)
{
    (void)state;
    struct arena a;
    struct buf query;
    struct err e = ERR_INIT;
    const struct promql_selector *found;
    size_t count;
    arena_init(&a, ARENA_BYTES);
    buf_init(&query, TEXT_BYTES);
    repeat(&query, "", PROMQL_SELECTORS_MAX);
    assert_int_equal(promql_selectors(buf_view(&query), &a, &found, &count, &e), 0);
    assert_int_equal(count, PROMQL_SELECTORS_MAX);
    buf_append(&query, STR(" + m0 + one_more"));
    assert_int_equal(promql_selectors(buf_view(&query), &a, &found, &count, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);

    buf_reset(&query);
    buf_append(&query, STR("m{"));
    for (int i = 0; i < PROMQL_MATCHERS_MAX; i++) {
        buf_format(&query, "l%d=\"\",", i);
    }
    buf_append_char(&query, '}');
    assert_int_equal(promql_selectors(buf_view(&query), &a, &found, &count, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);

    buf_reset(&query); /* deep, and no deeper on the stack */
    for (int i = 0; i < 8000; i++) {
        buf_append_char(&query, '(');
    }
    assert_int_equal(promql_selectors(buf_view(&query), &a, &found, &count, &e), -1);
    assert_int_equal(e.code, ERR_INVALID);
    arena_free(&a);
    arena_init(&a, 16);
    assert_int_equal(promql_selectors(STR("up"), &a, &found, &count, &e), -1);
    assert_int_equal(e.code, ERR_MEMORY);
    buf_free(&query);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queries),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_selecting), cmocka_unit_test(test_expressions),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
