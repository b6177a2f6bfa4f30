/* Bounded buffers: the exact ceiling, and that a failure stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static void expect(const struct buf *b, const char *want)
{
    assert_true(str_eq(buf_view(b), str_from(want)));
}

static void test_append(void **state)
{
    struct buf b;
    struct err e = ERR_INIT;

    (void)state;
    buf_init(&b, 1000);
    expect(&b, "");
    assert_non_null(buf_view(&b).ptr);
    buf_append(&b, STR("one"));
    buf_append(&b, str_from(NULL));
    buf_append_char(&b, ' ');
    buf_format(&b, "%s %d", "two", 3);
    buf_format(&b, "%s", "");
    expect(&b, "one two 3");
    assert_int_equal(buf_check(&b, &e), 0);
    buf_reset(&b);
    expect(&b, "");
    buf_free(&b);
    buf_append(&b, STR("again")); /* a freed buffer is an empty one */
    expect(&b, "again");
    buf_free(&b);
}

static void test_growth(void **state)
{
    struct buf b;

    (void)state;
    buf_init(&b, 100000);
    for (size_t i = 0; i < 100000; i++) {
        buf_append_char(&b, (char)('a' + i % 26));
    }
    assert_false(b.failed);
    assert_int_equal(buf_view(&b).len, 100000);
    for (size_t i = 0; i < 100000; i++) {
        assert_int_equal(buf_view(&b).ptr[i], 'a' + i % 26);
    }
    buf_append_char(&b, 'x');
    assert_true(b.failed);
    buf_free(&b);
}

/* Each way of appending fits the ceiling to the byte, and a failure appends nothing and stays. */
static void test_ceiling(void **state)
{
    struct buf b;
    struct err e = ERR_INIT;

    (void)state;
    buf_init(&b, 8);
    buf_append(&b, STR("12345678"));
    assert_int_equal(buf_check(&b, &e), 0);
    buf_append(&b, STR("9"));
    assert_int_equal(buf_check(&b, &e), -1);
    assert_int_equal(e.code, ERR_LIMIT);
    assert_string_equal(e.text, "text does not fit: more than 8 bytes");
    expect(&b, "12345678");
    buf_reset(&b);
    assert_int_equal(buf_check(&b, &e), 0);
    buf_format(&b, "%d", 12345678);
    assert_false(b.failed);
    expect(&b, "12345678");
    buf_format(&b, "%s", "");
    assert_false(b.failed);
    buf_format(&b, "%d", 1);
    assert_true(b.failed);
    expect(&b, "12345678");
    buf_reset(&b);
    buf_format(&b, "%d", 123456789);
    assert_true(b.failed);
    expect(&b, "");
    buf_append(&b, STR("a")); /* would fit, but the text would have a hole */
    buf_format(&b, "b");
    expect(&b, "");
    buf_free(&b);
    buf_init(&b, 0);
    buf_append(&b, STR(""));
    assert_false(b.failed);
    buf_append_char(&b, 'x');
    assert_true(b.failed);
    buf_free(&b);
}

static void test_wipe(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 64);
    buf_wipe(&b); /* it never held anything */
    buf_append(&b, STR("secret"));
    buf_wipe(&b);
    assert_null(b.ptr);
    assert_int_equal(b.len, 0);
    buf_append(&b, STR("again"));
    expect(&b, "again");
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_append),
        cmocka_unit_test(test_growth),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_wipe),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
