/* Errors and bounded formatting: what is kept, and where a text is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/fmt.h"

static void test_set(void **state)
{
    struct err e = {.code = ERR_IO, .http_status = 500, .retry_after_ms = 7, .text = "old"};

    (void)state;
    assert_int_equal(err_set(&e, ERR_INVALID, "%s: %d", "key", 5), -1);
    assert_int_equal(e.code, ERR_INVALID);
    assert_int_equal(e.http_status, 0);
    assert_int_equal(e.retry_after_ms, 0);
    assert_string_equal(e.text, "key: 5");
    assert_int_equal(err_set(&e, ERR_IO, "[%s]", e.text), -1); /* its own text as argument */
    assert_string_equal(e.text, "[key: 5]");
}

static void test_prefix(void **state)
{
    struct err e = ERR_INIT;

    (void)state;
    (void)err_set(&e, ERR_THROTTLED, "slow down");
    e.http_status = 429;
    e.retry_after_ms = 3000;
    assert_int_equal(err_prefix(&e, "query %d", 1), -1);
    assert_int_equal(err_prefix(&e, "deployment %s/%s", "shop", "checkout"), -1);
    assert_string_equal(e.text, "deployment shop/checkout: query 1: slow down");
    assert_int_equal(e.code, ERR_THROTTLED);
    assert_int_equal(e.http_status, 429);
    assert_int_equal(e.retry_after_ms, 3000);
}

static void test_prefix_truncates(void **state)
{
    struct err e = ERR_INIT;
    char long_text[2000];

    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    long_text[sizeof(long_text) - 1] = '\0';
    (void)err_set(&e, ERR_IO, "%s", long_text);
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
    (void)err_prefix(&e, "context");
    assert_int_equal(strlen(e.text), sizeof(e.text) - 1);
    assert_true(str_starts(str_from(e.text), STR("context: xxx")));
}

/* Sizes that end inside a character drop the whole of it; bytes that are no UTF-8 are left alone.
 */
static void test_cut_at_character(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *want;
    } CASES[] = {
        {"abc", 4, "abc"},
        {"abc", 3, "ab"},
        {"abc", 1, ""},
        {"aé", 4, "aé"},
        {"aé", 3, "a"},
        {"aé", 2, "a"},
        {"a€b", 5, "a€"},
        {"a€b", 4, "a"},
        {"a€b", 3, "a"},
        {"a€b", 2, "a"},
        {"😀b", 5, "😀"},
        {"😀b", 4, ""},
        {"😀b", 3, ""},
        {"😀b", 2, ""},
        {"é😀", 6, "é"},
        {"éé", 4, "é"},
        {"\x80\x80\x80\x80\x80", 4, "\x80\x80\x80"},
        {"a\x80\x80\x80\x80", 4, "a\x80\x80"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char out[16];

        memset(out, '#', sizeof(out));
        struct str have = fmt(out, CASES[i].size, "%s", CASES[i].text);
        assert_string_equal(out, CASES[i].want);
        assert_int_equal(have.len, strlen(CASES[i].want));
        assert_int_equal(out[CASES[i].size], '#');
    }
    char untouched = '#';
    assert_int_equal(fmt(&untouched, 0, "%s", "text").len, 0);
    assert_int_equal(untouched, '#');
}

/* What is too long loses its middle, and no character is broken. */
static void test_ends(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *want;
    } CASES[] = {
        {"0123456789", 11, "0123456789"}, {"0123456789", 10, "012…789"},
        {"0123456789", 9, "01…789"},      {"01é3456789", 9, "01…789"},
        {"é1234567é9", 9, "é…é9"},        {"0123456é8é", 10, "012…8é"},
        {"0123456789", 4, "012"},         {"", 5, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        char out[16];

        memset(out, '#', sizeof(out));
        struct str have = fmt_ends(out, CASES[i].size, str_from(CASES[i].text));
        assert_string_equal(out, CASES[i].want);
        assert_int_equal(have.len, strlen(CASES[i].want));
        assert_int_equal(out[CASES[i].size], '#');
    }
}

static void test_plural(void **state)
{
    (void)state;
    assert_string_equal(fmt_s(0), "s");
    assert_string_equal(fmt_s(1), "");
    assert_string_equal(fmt_s(-1), "s");
    assert_string_equal(fmt_s(INT64_C(4294967297)), "s");
}

static void test_code_names(void **state)
{
    (void)state;
    assert_string_equal(err_code_name(ERR_NONE), "none");
    for (int code = ERR_NONE; code <= ERR_CANCELLED; code++) {
        const char *name = err_code_name((enum err_code)code);
        assert_string_not_equal(name, "unknown");
        for (int other = ERR_NONE; other < code; other++) {
            assert_string_not_equal(name, err_code_name((enum err_code)other));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_prefix_truncates),
        cmocka_unit_test(test_cut_at_character),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_plural),
        cmocka_unit_test(test_code_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
