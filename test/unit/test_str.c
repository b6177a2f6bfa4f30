/* String views: comparing, cutting, trimming, UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/str.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void expect(struct str have, const char *want)
{
    if (!str_eq(have, str_from(want))) {
        fail_msg("have «%.*s», want «%s»", STR_ARG(have), want);
    }
}

static void test_compare(void **state)
{
    static const struct {
        struct str a, b;
        int order; /* sign of str_compare */
        bool eq, eq_nocase;
    } CASES[] = {
        {STR_INIT("a"), STR_INIT("a"), 0, true, true},
        {STR_INIT("a"), STR_INIT("A"), 1, false, true},
        {STR_INIT("AZaz"), STR_INIT("azAZ"), -1, false, true},
        {STR_INIT("ab"), STR_INIT("a"), 1, false, false},
        {STR_INIT("a"), STR_INIT("ab"), -1, false, false},
        {STR_INIT(""), STR_INIT("a"), -1, false, false},
        {STR_INIT(""), {NULL, 0}, 0, true, true},
        {{NULL, 0}, {NULL, 0}, 0, true, true},
        {STR_INIT("a\0b"), STR_INIT("a\0c"), -1, false, false},
        {STR_INIT("\xff"), STR_INIT("a"), 1, false, false},
        {STR_INIT("Z["), STR_INIT("z{"), -1, false, false},
        {STR_INIT("ÄB"), STR_INIT("Äb"), -1, false, true},
        {STR_INIT("Ä"), STR_INIT("ä"), -1, false, false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        int order = str_compare(CASES[i].a, CASES[i].b);

        assert_int_equal((order > 0) - (order < 0), CASES[i].order);
        assert_int_equal(str_eq(CASES[i].a, CASES[i].b), CASES[i].eq);
        assert_int_equal(str_eq_nocase(CASES[i].a, CASES[i].b), CASES[i].eq_nocase);
    }
}

static void test_starts_and_ends(void **state)
{
    static const struct {
        struct str s, part;
        bool starts, ends;
    } CASES[] = {
        {STR_INIT("scale.amp/query"), STR_INIT("scale.amp/"), true, false},
        {STR_INIT("scale.amp/query"), STR_INIT("query"), false, true},
        {STR_INIT("abc"), STR_INIT("abc"), true, true},
        {STR_INIT("abc"), STR_INIT("abcd"), false, false},
        {STR_INIT("abc"), STR_INIT(""), true, true},
        {STR_INIT(""), STR_INIT(""), true, true},
        {{NULL, 0}, STR_INIT("a"), false, false},
        {{NULL, 0}, {NULL, 0}, true, true},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        assert_int_equal(str_starts(CASES[i].s, CASES[i].part), CASES[i].starts);
        assert_int_equal(str_ends(CASES[i].s, CASES[i].part), CASES[i].ends);
    }
}

static void test_slice(void **state)
{
    (void)state;
    expect(str_slice(STR("hello"), 1, 3), "el");
    expect(str_slice(STR("hello"), 0, 99), "hello");
    expect(str_slice(STR("hello"), 99, 100), "");
    expect(str_slice(STR("hello"), 3, 1), "");
    assert_null(str_slice(str_from(NULL), 0, 5).ptr);
    assert_int_equal(str_find_char(STR("a=b=c"), '='), 1);
    assert_int_equal(str_find_char(STR("abc"), '='), 3);
    assert_int_equal(str_find_char(str_from(NULL), '='), 0);
}

static void test_trim(void **state)
{
    static const struct {
        const char *input, *want;
    } CASES[] = {
        {"", ""},
        {" ", ""},
        {"\t\r\n ", ""},
        {"a", "a"},
        {"  a b\n", "a b"},
        {"\va\f", "\va\f"},
        {"\xc2\xa0z", "\xc2\xa0z"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        expect(str_trim(str_from(CASES[i].input)), CASES[i].want);
    }
    assert_int_equal(str_trim(str_from(NULL)).len, 0);
}

static void test_cut(void **state)
{
    struct str rest;

    (void)state;
    expect(str_cut(STR("a/b/c"), '/', &rest), "a");
    expect(rest, "b/c");
    expect(str_cut(STR("a/"), '/', &rest), "a");
    assert_non_null(rest.ptr);
    assert_int_equal(rest.len, 0);
    expect(str_cut(STR("abc"), '/', &rest), "abc");
    assert_null(rest.ptr);
    expect(str_cut(str_from(NULL), '/', &rest), "");
    assert_null(rest.ptr);
    rest = STR("x,y"); /* source and rest may be the same view */
    expect(str_cut(rest, ',', &rest), "x");
    expect(rest, "y");
}

/* RFC 3629, and the table of well-formed byte sequences in Unicode. */
static void test_utf8(void **state)
{
    static const struct {
        struct str input;
        bool want;
    } CASES[] = {
        {{NULL, 0}, true},
        {STR_INIT(""), true},
        {STR_INIT("plain\0text"), true},
        {STR_INIT("é"), true},
        {STR_INIT("\xc2\x80"), true},
        {STR_INIT("\xdf\xbf"), true},
        {STR_INIT("\xe0\xa0\x80"), true},
        {STR_INIT("\xed\x9f\xbf"), true},
        {STR_INIT("\xee\x80\x80"), true},
        {STR_INIT("\xef\xbf\xbf"), true},
        {STR_INIT("\xf0\x90\x80\x80"), true},
        {STR_INIT("\xf4\x8f\xbf\xbf"), true},
        {STR_INIT("\x80"), false},
        {STR_INIT("\xbf"), false},
        {STR_INIT("\xc0\x80"), false},         /* overlong NUL */
        {STR_INIT("\xc1\xbf"), false},         /* overlong */
        {STR_INIT("\xe0\x9f\xbf"), false},     /* overlong */
        {STR_INIT("\xf0\x8f\xbf\xbf"), false}, /* overlong */
        {STR_INIT("\xed\xa0\x80"), false},     /* surrogate */
        {STR_INIT("\xed\xbf\xbf"), false},     /* surrogate */
        {STR_INIT("\xf4\x90\x80\x80"), false}, /* past U+10FFFF */
        {STR_INIT("\xf5\x80\x80\x80"), false},
        {STR_INIT("\xff"), false},
        {STR_INIT("\xc3"), false}, /* cut off */
        {STR_INIT("\xe2\x82"), false},
        {STR_INIT("\xf0\x9f\x98"), false},
        {STR_INIT("\xe2\x82z"), false},
        {STR_INIT("\xf0\x9f\x98z"), false},
        {STR_INIT("\xc3\xc3"), false},
        {STR_INIT("ok\xffok"), false},
    };

    (void)state;
    for (size_t i = 0; i < COUNT(CASES); i++) {
        if (str_is_utf8(CASES[i].input) != CASES[i].want) {
            fail_msg("case %zu: want %d", i, CASES[i].want);
        }
    }
}

/* Each byte, at each place of texts that begin anywhere: what stops a run, and where. */
static void test_plain_length(void **state)
{
    enum { BYTES = 40 };
    char text[BYTES];

    (void)state;
    assert_int_equal(str_plain_length(str_from(NULL)), 0);
    for (int c = 0; c < 256; c++) {
        const bool plain = c >= ' ' && c < 0x80 && c != '"' && c != '\\';
        for (size_t at = 0; at < BYTES; at++) {
            memset(text, '~', sizeof text);
            text[at] = (char)c;
            for (size_t from = 0; from <= at; from++) {
                const struct str s = str_slice((struct str){text, BYTES}, from, BYTES);
                assert_int_equal(str_plain_length(s), plain ? s.len : at - from);
                assert_int_equal(str_plain_length(str_slice(s, 0, at - from)), at - from);
            }
        }
    }
}

/* Vectors of the FNV reference code. */
static void test_hash(void **state)
{
    (void)state;
    assert_true(str_hash(STR("")) == 0xcbf29ce484222325ULL);
    assert_true(str_hash(str_from(NULL)) == 0xcbf29ce484222325ULL);
    assert_true(str_hash(STR("a")) == 0xaf63dc4c8601ec8cULL);
    assert_true(str_hash(STR("foobar")) == 0x85944171f73967e8ULL);
}

static void test_characters(void **state)
{
    (void)state;
    for (int i = -128; i < 128; i++) { /* ASCII alone, whatever char and the locale are */
        const char c = (char)i;
        const bool upper = i >= 'A' && i <= 'Z';
        assert_int_equal(char_is_digit(c), i >= '0' && i <= '9');
        assert_int_equal(char_is_lower(c), i >= 'a' && i <= 'z');
        assert_int_equal(char_lower(c), upper ? i + 'a' - 'A' : c);
    }
}

static void test_copies_side_by_side(void **state)
{
    (void)state;
    char memory[5] = "12345";
    char *cursor = memory;
    struct str first = str_copy_to(&cursor, STR("ab"));
    struct str none = str_copy_to(&cursor, str_from(NULL));
    struct str last = str_copy_to(&cursor, STR("c"));
    assert_ptr_equal(first.ptr, memory);
    assert_int_equal(none.len, 0);
    expect(last, "c");
    assert_ptr_equal(cursor, memory + 3);
    assert_memory_equal(memory, "abc45", 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),      cmocka_unit_test(test_starts_and_ends),
        cmocka_unit_test(test_slice),        cmocka_unit_test(test_trim),
        cmocka_unit_test(test_cut),          cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_plain_length), cmocka_unit_test(test_hash),
        cmocka_unit_test(test_characters),   cmocka_unit_test(test_copies_side_by_side),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
