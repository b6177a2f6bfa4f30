/* Globs: the table of cases, and that the longest take no time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "collector/glob.h"
#include "golden.h"

static void run_case(const struct golden_case *c)
{
    struct err e = ERR_INIT;
    struct str want = golden_field(c, 3);
    if (glob_check(golden_field(c, 1), &e) != 0) {
        assert_int_equal(e.code, ERR_INVALID);
        golden_expect(c, STR("error: "), str_slice(want, 0, 7));
        golden_expect_part(c, str_from(e.text), str_slice(want, 7, want.len));
        return;
    }
    bool matches = glob_matches(golden_field(c, 1), golden_field(c, 2));
    golden_expect(c, matches ? STR("yes") : STR("no"), want);
}

static void test_cases(void **state)
{
    (void)state;
    golden_table(GOLDEN_DIR "/collector/globs.txt", run_case);
}

/* 2^100 ways to try, were each star tried again. */
static void test_many_stars(void **state)
{
    char text[2000], glob[201];
    (void)state;
    memset(text, 'a', sizeof(text));
    for (size_t i = 0; i < 200; i += 2) {
        glob[i] = '*';
        glob[i + 1] = 'a';
    }
    glob[200] = 'b';
    assert_false(glob_matches((struct str){glob, 201}, (struct str){text, sizeof(text)}));
    assert_true(glob_matches((struct str){glob, 200}, (struct str){text, sizeof(text)}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_many_stars),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
