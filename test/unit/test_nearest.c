/* "Did you mean": which word is suggested, and when none is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/nearest.h"

#define X64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct str WORDS[] = {
    STR_INIT("query"),
    STR_INIT("threshold"),
    STR_INIT("min-replicas"),
    STR_INIT("max-replicas"),
    STR_INIT("polling-interval"),
    STR_INIT("region"),
    STR_INIT("ab"),
    STR_INIT(X64),
    STR_INIT(X64 "x"),
};

static void test_words(void **state)
{
    static const struct {
        const char *word, *want;
    } CASES[] = {
        {"treshold", "threshold"},   /* one left out */
        {"thresshold", "threshold"}, /* one too many */
        {"threshald", "threshold"},  /* one replaced */
        {"htreshold", "threshold"},  /* neighbours swapped */
        {"THRESHOLD", "threshold"},  /* case is ignored */
        {"threshold", "threshold"},  /* distance 0 */
        {"thrshld", "threshold"},    /* 7 / 3 allows two */
        {"thrshl", ""},              /* three of six are too many */
        {"mni-replicas", "min-replicas"},
        {"mix-replicas", "min-replicas"}, /* one away from both: the first */
        {"may-replicas", "max-replicas"},
        {"min_replicas", "min-replicas"},
        {"polinginterval", "polling-interval"},
        {"qurey", "query"}, /* a swap is one edit: 5 / 3 allows one */
        {"qeury", "query"},
        {"qxxry", ""},
        {"a", "ab"}, /* one edit is always allowed */
        {"b", "ab"},
        {"c", ""},
        {"ba", "ab"},
        {"", ""},
        {"completely-different", ""},
        {X64, X64},
        {X64 "x", ""}, /* over 64 bytes */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct str have = nearest(str_from(CASES[i].word), WORDS, sizeof(WORDS) / sizeof(WORDS[0]));

        if (!str_eq(have, str_from(CASES[i].want))) {
            fail_msg("%s: have «%.*s», want «%s»", CASES[i].word, STR_ARG(have), CASES[i].want);
        }
    }
}

static void test_nothing(void **state)
{
    (void)state;
    assert_null(nearest(STR("x"), NULL, 0).ptr);
    assert_null(nearest(STR("unlike"), WORDS, 1).ptr);
    assert_null(nearest(str_from(NULL), WORDS, 1).ptr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
